"""Is the asset good enough, and where does it come from?

`findings` judges a report by a policy of gates; `provenance` writes into a GLB how it was made, and
`verify` tells whether it is still that file. Everything here works on finished files and knows
nothing of meshes, so that a build farm can judge what another machine has made.
"""
