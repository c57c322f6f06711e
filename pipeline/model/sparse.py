"""SparseTensor: features of active voxels, and what changes their resolution."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseTensor:
    """A feature vector per active voxel.

    coords: `[L, 4]` int64: batch index, then x, y, z. Rows of a sample are contiguous and batch
        indices ascend; within a sample any order is allowed, and kept.
    feats: `[L, C]`.
    batch_size: number of samples; the last ones may be empty.
    """

    coords: Tensor
    feats: Tensor
    batch_size: int

    def with_feats(self, feats: Tensor) -> "SparseTensor":
        """The same voxels with other features."""
        return replace(self, feats=feats)

    @property
    def batch_index(self) -> Tensor:
        """`[L]` int64: the sample of each row."""
        return self.coords[:, 0]

    def lengths(self) -> list[int]:
        """Number of active voxels of each sample."""
        counts: list[int] = torch.bincount(self.batch_index, minlength=self.batch_size).tolist()
        return counts


def voxel_keys(coords: Tensor, side: int) -> Tensor:
    """One int64 per row that sorts like `(b, x, y, z)`; coordinates are in [-1, side]."""
    b, x, y, z = coords.unbind(1)
    padded = side + 2  # room for the neighbours outside the grid
    return ((b * padded + x + 1) * padded + y + 1) * padded + z + 1


def downsample(x: SparseTensor, side: int) -> tuple[SparseTensor, Tensor]:
    """Halve the resolution; returns the coarse tensor and each fine row's coarse row.

    Features are `sum / (n + 1)` over the n children: the released weights were trained with this
    off-by-one (microsoft/TRELLIS#250), so it is part of the model. Coarse voxels are sorted.

    Args:
        x: Voxels on a grid of `side` cells.
        side: Cells per side before halving.
    """
    coarse = torch.cat([x.coords[:, :1], x.coords[:, 1:] // 2], dim=1)
    keys, parent = torch.unique(voxel_keys(coarse, side), return_inverse=True)
    coords = coarse.new_empty(len(keys), 4)
    coords[parent] = coarse  # children of a parent write the same value
    total = x.feats.new_zeros(len(keys), x.feats.shape[1]).index_add(0, parent, x.feats)
    children = torch.bincount(parent, minlength=len(keys)).to(x.feats.dtype)
    pooled = total / (children + 1).unsqueeze(1)
    return SparseTensor(coords=coords, feats=pooled, batch_size=x.batch_size), parent


# The eight children of a voxel, in the order of the published mesh decoder.
_CHILD_OFFSETS = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]


def subdivide(x: SparseTensor) -> SparseTensor:
    """Split every voxel into its eight children, which copy its features and stay contiguous."""
    offsets = torch.tensor([(0, *o) for o in _CHILD_OFFSETS], device=x.coords.device)
    scale = torch.tensor([1, 2, 2, 2], device=x.coords.device)
    coords = (x.coords * scale).unsqueeze(1) + offsets  # [L, 8, 4]
    return SparseTensor(
        coords=coords.flatten(0, 1),
        feats=x.feats.repeat_interleave(8, dim=0),
        batch_size=x.batch_size,
    )
