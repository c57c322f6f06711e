"""An existing surface -> the latent space: where variants, new textures and region edits begin.

The room above `model`, `mesh` and `texture`: it asks all three.
"""
