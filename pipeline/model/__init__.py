"""The generative model: TRELLIS, module for module and key for key.

Source: Xiang et al., Structured 3D Latents for Scalable and Versatile 3D Generation, 2024
(arXiv 2412.01506). Names of parameters follow the published checkpoints.
"""
