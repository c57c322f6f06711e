"""SLAT <-> bytes: what an asset can be decoded from again, whatever was made of it.

A safetensors file with `coords` `[L, 3]` uint8 (x, y, z of the active voxels, Z up) and `feats`
`[L, C]` float32 in the decoders' scale. The same SLAT always gives the same bytes.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.model.sparse import SparseTensor


def slat_to_bytes(slat: "SparseTensor", model_digest: str) -> bytes:
    """Store one sample. model_digest: of the model whose decoders can read it."""
    from safetensors.numpy import save

    coords = slat.coords[:, 1:].cpu().numpy().astype(np.uint8)
    tensors = {"coords": coords, "feats": slat.feats.float().cpu().numpy()}
    return save(tensors, metadata={"model": model_digest})


def slat_from_bytes(content: bytes) -> "SparseTensor":
    """Read what `slat_to_bytes` wrote.

    Raises:
        InvalidInput: If the bytes are something else.
    """
    import torch
    import torch.nn.functional as F
    from safetensors import SafetensorError
    from safetensors.numpy import load

    from pipeline.errors import InvalidInput
    from pipeline.model.sparse import SparseTensor

    try:
        tensors = load(content)
        coords, feats = tensors["coords"], tensors["feats"]
        if coords.shape != (len(feats), 3) or feats.ndim != 2:
            raise ValueError(f"coords {coords.shape} do not go with feats {feats.shape}")
    except (SafetensorError, KeyError, ValueError) as e:
        raise InvalidInput(f"not a stored SLAT: {e}") from e
    return SparseTensor(
        coords=F.pad(torch.from_numpy(coords.astype(np.int64)), (1, 0)),
        feats=torch.from_numpy(feats),
        batch_size=1,
    )
