"""Plain twins of what works on active voxels: a dense grid, or a dict from cell to rows."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.model.sparse import SparseTensor

Cell = tuple[int, ...]


def dense_conv3(weight: Tensor, bias: Tensor, x: SparseTensor, side: int) -> Tensor:
    """Fill a grid with zeros and the features, convolve all of it, read the active voxels.

    weight: `[out, 3, 3, 3, in]`.
    """
    b, i, j, k = x.coords.T
    grid = x.feats.new_zeros(x.batch_size, side, side, side, x.feats.shape[1])
    grid = grid.index_put((b, i, j, k), x.feats).permute(0, 4, 1, 2, 3)
    kernel = weight.permute(0, 4, 1, 2, 3)  # [out, in, 3, 3, 3]
    return F.conv3d(grid, kernel, bias, padding=1)[b, :, i, j, k]


def rows_by_cell(coords: Tensor, cell_side: int, shift: int = 0) -> dict[Cell, list[int]]:
    """Which rows lie in each cell `(b, x, y, z)` of a grid of coarser cells."""
    cells: dict[Cell, list[int]] = {}
    for row, (b, *xyz) in enumerate(coords.tolist()):
        cell = (b, *((c + shift) // cell_side for c in xyz))
        cells.setdefault(cell, []).append(row)
    return cells


def pooled(x: SparseTensor) -> dict[Cell, Tensor]:
    """Features of the coarse voxels: the sum over n children, divided by n + 1."""
    pools = {}
    for cell, rows in sorted(rows_by_cell(x.coords, 2).items()):
        total = torch.zeros_like(x.feats[0])
        for row in rows:
            total = total + x.feats[row]
        pools[cell] = total / (len(rows) + 1)
    return pools
