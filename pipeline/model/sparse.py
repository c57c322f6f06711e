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
        return sample_lengths(self.coords, self.batch_size)


def sample_lengths(coords: Tensor, batch_size: int) -> list[int]:
    """How many of the rows `[L, 4]` each sample has."""
    counts: list[int] = torch.bincount(coords[:, 0], minlength=batch_size).tolist()
    return counts


def voxel_keys(coords: Tensor, side: int) -> Tensor:
    """One int64 per row that sorts like `(b, x, y, z)`; coordinates are in [-1, side]."""
    b, x, y, z = coords.unbind(1)
    padded = side + 2  # room for the neighbours outside the grid
    return ((b * padded + x + 1) * padded + y + 1) * padded + z + 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Halving:
    """Voxels and those of half the resolution that hold them.

    coords: `[M, 4]` int64 coarse voxels, sorted.
    parent: `[L]` int64: the coarse row of each fine one.
    children: `[M, 8]` int64: the fine rows of each coarse one, ascending; L fills up.
    child_count: `[M, 1]` int64, 1 to 8.
    """

    coords: Tensor
    parent: Tensor
    children: Tensor
    child_count: Tensor

    def pool(self, feats: Tensor) -> Tensor:
        """`[L, C]` -> `[M, C]`: `sum / (n + 1)` over the n children.

        The released weights were trained with this off-by-one (microsoft/TRELLIS#250), so it is
        part of the model. Children are gathered, not scattered: the order of the sum is then the
        same on every device and at every run.
        """
        padded = torch.cat([feats, feats.new_zeros(1, feats.shape[1])])
        gathered = padded.index_select(0, self.children.flatten()).view(-1, 8, feats.shape[1])
        return gathered.sum(1) / (self.child_count + 1).to(feats.dtype)

    def unpool(self, feats: Tensor) -> Tensor:
        """`[M, C]` -> `[L, C]`: every fine voxel takes its parent's features."""
        return feats.index_select(0, self.parent)


def halve(coords: Tensor, side: int) -> Halving:
    """Find the voxels of half the resolution.

    Args:
        coords: `[L, 4]` voxels on a grid of `side` cells.
        side: Cells per side before halving.
    """
    coarse = torch.cat([coords[:, :1], coords[:, 1:] // 2], dim=1)
    keys, parent, count = torch.unique(
        voxel_keys(coarse, side), return_inverse=True, return_counts=True
    )
    coarse_coords = coarse.new_empty(len(keys), 4)
    coarse_coords[parent] = coarse  # children of a parent write the same value
    by_parent = torch.argsort(parent, stable=True)
    first = count.cumsum(0) - count
    place = torch.arange(len(parent), device=coords.device) - first.index_select(
        0, parent.index_select(0, by_parent)
    )
    children = parent.new_full((len(keys), 8), len(parent))
    children[parent[by_parent], place] = by_parent
    return Halving(
        coords=coarse_coords, parent=parent, children=children, child_count=count.unsqueeze(1)
    )


# The eight children of a voxel, in the order of the published mesh decoder.
CHILD_OFFSETS = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]


def child_coords(coords: Tensor) -> Tensor:
    """`[L, 4]` -> `[8 L, 4]`: the eight children of every voxel, which stay contiguous."""
    offsets = torch.tensor([(0, *o) for o in CHILD_OFFSETS], device=coords.device)
    scale = torch.tensor([1, 2, 2, 2], device=coords.device)
    return ((coords * scale).unsqueeze(1) + offsets).flatten(0, 1)


def subdivide(x: SparseTensor) -> SparseTensor:
    """Split every voxel into its eight children, which copy its features."""
    return SparseTensor(
        coords=child_coords(x.coords),
        feats=x.feats.repeat_interleave(8, dim=0),
        batch_size=x.batch_size,
    )
