"""The one seam to sparse convolution kernels.

Plain PyTorch: gather the 27 neighbours of a block of voxels, one matrix product, next block. The
backward pass gathers again instead of keeping the neighbours, which would be 27 copies.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from pipeline.model.sparse import SparseTensor, voxel_keys

_GATHER_BYTES = 8 << 20  # one block of gathered neighbours; larger ones leave the caches


def neighbor_rows(coords: Tensor, side: int) -> Tensor:
    """Find each voxel's 27 neighbours.

    Args:
        coords: `[L, 4]` int64 voxels on a grid of `side` cells.
        side: Cells per side.

    Returns:
        `[L, 27]` int64: the row of the voxel at offset `(i, j, k) - 1`, with k fastest, or L where
        there is none. Column 13 is the voxel itself and `26 - n` is the opposite of `n`.
    """
    keys = voxel_keys(coords, side)
    order = torch.argsort(keys)
    sorted_keys = keys[order]
    padded = side + 2
    step = torch.tensor([-1, 0, 1], device=coords.device)
    offsets = ((step[:, None, None] * padded + step[:, None]) * padded + step).flatten()
    wanted = keys[:, None] + offsets
    position = torch.searchsorted(sorted_keys, wanted).clamp_max(len(keys) - 1)
    found = sorted_keys[position] == wanted
    return torch.where(found, order[position], len(keys))


class _SubmanifoldConv(torch.autograd.Function):
    """`y[p] = sum_n x[neighbor n of p] @ weight[n]`; absent neighbours count as zero."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, rows)
        return _gather_matmul(x, weight.flatten(0, 1), rows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:  # Any: torch's own stub
        x, weight, rows = ctx.saved_tensors
        # The opposite neighbour leads back, so the transpose is a gather too.
        flipped = weight.flip(0).transpose(1, 2)
        grad_x = _gather_matmul(grad, flipped.flatten(0, 1), rows)
        sums = torch.promote_types(weight.dtype, torch.float32)
        grad_weight = torch.zeros_like(weight, dtype=sums).flatten(0, 1)
        padded = torch.cat([x, x.new_zeros(1, x.shape[1])])
        for start, stop in _blocks(rows, x):
            grad_weight += _gathered(padded, rows[start:stop]).T @ grad[start:stop]
        return grad_x, grad_weight.view_as(weight).to(weight.dtype), None


def _blocks(rows: Tensor, x: Tensor) -> list[tuple[int, int]]:
    size = max(1, _GATHER_BYTES // (27 * x.shape[1] * x.element_size()))
    return [(i, min(i + size, len(rows))) for i in range(0, len(rows), size)]


def _gathered(padded: Tensor, rows: Tensor) -> Tensor:
    """`[n, 27 C]`; `index_select` copies whole rows, where `padded[rows]` goes number by number."""
    return padded.index_select(0, rows.flatten()).view(len(rows), -1)


def _gather_matmul(x: Tensor, weight: Tensor, rows: Tensor) -> Tensor:
    padded = torch.cat([x, x.new_zeros(1, x.shape[1])])  # row L is the absent neighbour
    out = x.new_empty(len(rows), weight.shape[1])
    for start, stop in _blocks(rows, x):
        out[start:stop] = _gathered(padded, rows[start:stop]) @ weight
    return out


class _Kernel(nn.Module):
    """Holds the parameters under the published key, `conv.weight` and `conv.bias`."""

    def __init__(self, in_channels: int, out_channels: int, taps_per_side: int) -> None:
        super().__init__()
        k = taps_per_side
        self.weight = nn.Parameter(torch.empty(out_channels, k, k, k, in_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.kaiming_uniform_(self.weight.view(out_channels, -1), a=5**0.5)


class SubmanifoldConv3(nn.Module):
    """3x3x3 convolution at the active voxels only; their set and order do not change.

    The weight is stored `[out, 3, 3, 3, in]`, as the published checkpoints have it.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = _Kernel(in_channels, out_channels, 3)

    def forward(self, x: SparseTensor, rows: Tensor) -> SparseTensor:
        """Convolve; `rows` is `neighbor_rows(x.coords)`, shared by layers on the same voxels."""
        w = self.conv.weight
        taps = w.permute(1, 2, 3, 4, 0).reshape(27, w.shape[4], w.shape[0])
        feats, device = x.feats, x.feats.device.type
        if torch.is_autocast_enabled(device):  # autocast does not look inside our function
            feats, taps = (t.to(torch.get_autocast_dtype(device)) for t in (feats, taps))
        out: Tensor = _SubmanifoldConv.apply(feats, taps, rows)  # type: ignore[no-untyped-call]
        return x.with_feats(out + self.conv.bias)


class PointwiseConv(nn.Module):
    """1x1x1 convolution that reads its weight memory as `[in, out]`.

    The parameter is stored `[out, 1, 1, 1, in]`, yet spconv's shortcut for a single tap views the
    same memory as `[in, out]` without transposing. The released mesh decoder was trained so.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = _Kernel(in_channels, out_channels, 1)

    def forward(self, x: SparseTensor) -> SparseTensor:
        w = self.conv.weight
        return x.with_feats(x.feats @ w.reshape(w.shape[4], w.shape[0]) + self.conv.bias)
