"""The one seam to sparse convolution kernels.

Plain PyTorch: gather the 27 neighbours of a block of voxels, one matrix product, next block. The
backward pass gathers again instead of keeping the neighbours, which would be 27 copies. spconv
does the same in one kernel; `kernels.choose` says which one a model gets.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from pipeline.model.sparse import CHILD_OFFSETS, child_coords, voxel_keys

# One block of gathered neighbours. On a CPU larger ones leave the caches; a GPU wants them large.
_CPU_GATHER_BYTES = 8 << 20
_GPU_GATHER_BYTES = 128 << 20


def gather_bytes(device: torch.device) -> int:
    """Size of one block of gathered neighbours."""
    return _CPU_GATHER_BYTES if device.type == "cpu" else _GPU_GATHER_BYTES


class Neighborhood:
    """Who is next to whom in a set of voxels: found once, shared by all layers on that set.

    Each kind of kernel fills in what it needs when it first needs it.

    Attributes:
        coords: `[L, 4]` int64 voxels on a grid of `side` cells.
        side: Cells per side.
        batch_size: Samples.
        spconv_pairs: What spconv found out; empty where it is not used.
    """

    def __init__(
        self, coords: Tensor, side: int, batch_size: int, *, parent: "Neighborhood | None" = None
    ) -> None:
        self.coords = coords
        self.side = side
        self.batch_size = batch_size
        self.spconv_pairs: dict[str, Any] = {}  # Any: spconv's own
        self._parent = parent

    @cached_property
    def rows(self) -> Tensor:
        """`[L, 27]` int32: the row of the voxel at offset `(i, j, k) - 1`, with k fastest.

        L where there is none. Column 13 is the voxel itself and `26 - n` is the opposite of `n`.
        """
        if self._parent is not None:
            return _child_rows(self._parent.rows)
        return _found_rows(self.coords, self.side, self.batch_size)

    @property
    def is_sparse(self) -> bool:
        """Whether most neighbours are absent; of children most are there."""
        return self._parent is None

    @cached_property
    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """For each of the 27 taps: rows that have that neighbour, and the neighbours' rows."""
        found = []
        for neighbors in self.rows.T:
            there = (neighbors < len(self.rows)).nonzero()[:, 0]
            found.append((there, neighbors[there].long()))
        return found

    def subdivided(self) -> "Neighborhood":
        """That of the children of all voxels, in the order of `subdivide`."""
        return Neighborhood(child_coords(self.coords), 2 * self.side, self.batch_size, parent=self)


# Features `[L, in]`, weight `[out, 3, 3, 3, in]`, bias `[out]`, neighborhood -> `[L, out]`.
SparseConvolution = Callable[[Tensor, Tensor, Tensor, Neighborhood], Tensor]


def gather_matmul(x: Tensor, weight: Tensor, bias: Tensor, near: Neighborhood) -> Tensor:
    """`y[p] = bias + sum_n weight[:, n] x[neighbor n of p]` in plain PyTorch, differentiable."""
    x, weight, bias = _autocast(x, weight, bias)
    is_exact = x.dtype in (torch.float32, torch.float64)  # sums of half precision would round
    if x.device.type == "cpu" and is_exact and not torch.is_grad_enabled() and near.is_sparse:
        return _pairs_matmul(x, weight, bias, near.pairs)
    out: Tensor = _SubmanifoldConv.apply(  # type: ignore[no-untyped-call]
        x, weight.flatten(1, 3), bias, near.rows
    )
    return out


def spconv_convolution() -> SparseConvolution:
    """The same by spconv; meant for CUDA.

    It has no bfloat16. Its CPU kernels race when there is more than one thread, so there they get
    one; and they have no gradients without CUDA, so where gradients are wanted on a CPU
    `gather_matmul` runs.

    Raises:
        ImportError: If spconv is not installed.
    """
    import spconv.pytorch as spconv

    @lru_cache(maxsize=64)
    def layer(channels_in: int, channels_out: int, device: str, *, training: bool) -> nn.Module:
        with torch.device("meta"):  # the weight is ours, handed in with every call
            made: nn.Module = spconv.SubMConv3d(
                channels_in,
                channels_out,
                3,
                bias=False,
                indice_key="neighborhood",
                # Its fastest kernels exist on CUDA only.
                algo=None if device == "cuda" else spconv.ConvAlgo.Native,
                fp32_accum=True,  # as matrix products in PyTorch
            )
        return made.train(training)

    def convolve(x: Tensor, weight: Tensor, bias: Tensor, near: Neighborhood) -> Tensor:
        device, wants_gradient = x.device.type, x.requires_grad or weight.requires_grad
        if device == "cpu" and torch.is_grad_enabled() and wants_gradient:
            return gather_matmul(x, weight, bias, near)
        x, weight, bias = _autocast(x, weight, bias)
        voxels = spconv.SparseConvTensor(
            x.contiguous(),
            near.coords.to(torch.int32).contiguous(),  # read as memory, strides ignored
            [near.side] * 3,
            near.batch_size,
            indice_dict=near.spconv_pairs,
        )
        module = layer(x.shape[1], weight.shape[0], device, training=torch.is_grad_enabled())
        threads = torch.get_num_threads()
        try:
            if device == "cpu":
                torch.set_num_threads(1)
            convolved = torch.func.functional_call(module, {"weight": weight}, (voxels,))
        finally:
            torch.set_num_threads(threads)
        near.spconv_pairs = convolved.indice_dict
        out: Tensor = convolved.features
        return out.add_(bias)  # its own bias is for training only on a CPU

    return convolve


def _autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Cast as autocast would; it does not look inside custom functions."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    return tuple(t.to(torch.get_autocast_dtype(device)) for t in tensors)


def _found_rows(coords: Tensor, side: int, batch_size: int) -> Tensor:
    # A table over the whole grid: 1 MB at 64 cells a side, and no search.
    keys, padded = voxel_keys(coords, side), side + 2
    table = torch.full(
        (batch_size * padded**3,), len(keys), dtype=torch.int32, device=coords.device
    )
    table[keys] = torch.arange(len(keys), dtype=torch.int32, device=coords.device)
    step = torch.tensor([-1, 0, 1], device=coords.device)
    offsets = ((step[:, None, None] * padded + step[:, None]) * padded + step).flatten()
    return table[keys[:, None] + offsets]


def _child_steps() -> tuple[list[list[int]], list[list[int]]]:
    """For each child and tap: the neighbor of the parent that is reached, and its child there."""
    parents, children = [], []
    for child in CHILD_OFFSETS:
        row_of_parents, row_of_children = [], []
        for tap in range(27):
            steps = (tap // 9 - 1, tap // 3 % 3 - 1, tap % 3 - 1)
            at = [c + s for c, s in zip(child, steps, strict=True)]  # -1 to 2
            i, j, k = (a // 2 + 1 for a in at)
            row_of_parents.append((i * 3 + j) * 3 + k)
            row_of_children.append(CHILD_OFFSETS.index((at[0] % 2, at[1] % 2, at[2] % 2)))
        parents.append(row_of_parents)
        children.append(row_of_children)
    return parents, children


# `[8][27]`, and for each child the eight neighbors of its parent that it reaches.
_PARENT_TAP, _CHILD_THERE = _child_steps()
_REACHED = [sorted(set(taps)) for taps in _PARENT_TAP]


def _child_rows(parent_rows: Tensor) -> Tensor:
    """`[L, 27]` -> `[8 L, 27]`: all children of a voxel are there, so nothing is searched."""
    device = parent_rows.device
    absent = 8 * len(parent_rows)
    rows = parent_rows.index_select(1, torch.tensor(_PARENT_TAP, device=device).flatten())
    rows *= 8
    rows += torch.tensor(_CHILD_THERE, dtype=torch.int32, device=device).flatten()
    return rows.clamp_max_(absent).view(absent, 27)  # the children of an absent voxel are beyond


class _SubmanifoldConv(torch.autograd.Function):
    """`y[p] = bias + sum_n weight[:, n] x[neighbor n of p]`; absent neighbours count as zero."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, rows: Tensor) -> Tensor:
        """`x [L, in]`, `weight [out, 27, in]`, `rows [L, 27]`."""
        ctx.save_for_backward(x, weight, rows)
        return _gather_addmm(bias, x, weight.flatten(1).T, rows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        # Any: torch's own stub
        x, weight, rows = ctx.saved_tensors
        # The opposite neighbour leads back, so the transpose is a gather too.
        back = weight.flip(1).transpose(0, 1).flatten(0, 1)  # [27 out, in]
        grad_x = _gather_addmm(None, grad, back, rows)
        grad_weight = _sums_like(weight)
        padded = _padded(x)
        for start, stop in _blocks(len(rows), rows.shape[1], x):
            gathered = _gathered(padded, rows[start:stop])
            grad_weight += (grad[start:stop].T @ gathered).view_as(weight)
        return grad_x, grad_weight.to(weight.dtype), grad.sum(0), None


class _ConvOfChildren(torch.autograd.Function):
    """`_SubmanifoldConv` on the children of all voxels, which copy their parents' features.

    The copies are not made. The 27 neighbours of a child have no more than eight parents, so its
    taps are summed to eight before: 8/27 of the work.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor, rows: Tensor) -> Tensor:
        """`x [L, in]` and `rows [L, 27]` of the parents, `weight [8, 8 in, out]` -> `[8 L, out]`.

        weight: of each child, for each parent in `_REACHED`.
        """
        ctx.save_for_backward(x, weight, rows)
        padded, reached = _padded(x), torch.tensor(_REACHED, device=x.device).flatten()
        out = x.new_empty(len(x), 8, weight.shape[2])
        for start, stop in _blocks(len(x), 64, x):
            gathered = _gathered_by_child(padded, rows[start:stop], reached)
            out[start:stop] = torch.baddbmm(bias, gathered, weight).transpose(0, 1)
        return out.flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        # Any: torch's own stub
        x, weight, rows = ctx.saved_tensors
        reached = torch.tensor(_REACHED, device=x.device).flatten()
        # Child c reached the voxel through tap n: it is the child of the voxel's opposite of n.
        child = torch.arange(8, dtype=torch.int32, device=x.device).repeat_interleave(8)
        back_rows = (rows.index_select(1, 26 - reached) * 8 + child).clamp_max_(len(grad))
        back = weight.view(64, x.shape[1], -1).transpose(1, 2).flatten(0, 1)  # [64 out, in]
        grad_x = _gather_addmm(None, grad, back, back_rows)
        grad_weight = _sums_like(weight)
        padded, grad_of_child = _padded(x), grad.reshape(-1, 8, grad.shape[1]).transpose(0, 1)
        for start, stop in _blocks(len(x), 64, x):
            gathered = _gathered_by_child(padded, rows[start:stop], reached)
            grad_weight += gathered.transpose(1, 2) @ grad_of_child[:, start:stop]
        return grad_x, grad_weight.to(weight.dtype), grad.sum(0), None


def _summed_taps(weight: Tensor) -> Tensor:
    """`[out, 27, in]` -> `[8, 8 in, out]`, what `_ConvOfChildren` takes."""
    reaches = weight.new_zeros(8, 8, 27)
    for child, parents in enumerate(_REACHED):
        for tap, parent in enumerate(_PARENT_TAP[child]):
            reaches[child, parents.index(parent), tap] = 1
    summed = reaches.flatten(0, 1) @ weight.permute(1, 2, 0).flatten(1)  # [64, in out]
    return summed.view(8, -1, len(weight))


def _blocks(count: int, taps: int, x: Tensor) -> list[tuple[int, int]]:
    """Ranges of `count` rows, each of which gathers `taps` rows of `x`."""
    size = max(1, gather_bytes(x.device) // (taps * x.shape[1] * x.element_size()))
    return [(i, min(i + size, count)) for i in range(0, count, size)]


def _pairs_matmul(
    x: Tensor, weight: Tensor, bias: Tensor, pairs: Sequence[tuple[Tensor, Tensor]]
) -> Tensor:
    """The same tap by tap, over the neighbours that are there: about half of them on a surface.

    Within a tap no row comes twice, so the sums have one order. Products on a GPU are too small
    for this to pay.
    """
    taps = weight.flatten(1, 3).permute(1, 2, 0)  # [27, in, out]
    out = torch.addmm(bias, x, taps[13])  # the voxel itself
    for tap, (rows, neighbors) in enumerate(pairs):
        if tap != 13 and len(rows):
            out.index_add_(0, rows, x.index_select(0, neighbors) @ taps[tap])
    return out


def _padded(x: Tensor) -> Tensor:
    return torch.cat([x, x.new_zeros(1, x.shape[1])])  # row L is the absent neighbour


def _gathered(padded: Tensor, rows: Tensor) -> Tensor:
    """`[n, 27 C]`; `index_select` copies whole rows, where `padded[rows]` goes number by number."""
    return padded.index_select(0, rows.flatten()).view(len(rows), -1)


def _gathered_by_child(padded: Tensor, rows: Tensor, reached: Tensor) -> Tensor:
    """`[8, n, 8 C]`: for each child of n voxels, its eight parents."""
    by_child = rows.index_select(1, reached).view(-1, 8, 8).transpose(0, 1)  # [8, n, 8]
    return padded.index_select(0, by_child.flatten()).view(8, len(rows), -1)


def _gather_addmm(bias: Tensor | None, x: Tensor, weight: Tensor, rows: Tensor) -> Tensor:
    """`weight [n C, out]`, `rows [L, n]` -> `[L, out]`."""
    padded = _padded(x)
    out = x.new_empty(len(rows), weight.shape[1])
    for start, stop in _blocks(len(rows), rows.shape[1], x):
        gathered = _gathered(padded, rows[start:stop])
        if bias is None:
            torch.mm(gathered, weight, out=out[start:stop])
        else:
            torch.addmm(bias, gathered, weight, out=out[start:stop])
    return out


def _sums_like(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))


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

    Attributes:
        convolve: The kernel; see `kernels.equip`.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = _Kernel(in_channels, out_channels, 3)
        self.convolve: SparseConvolution = gather_matmul

    def forward(self, x: Tensor, near: Neighborhood) -> Tensor:
        """`[L, in]` features of the voxels of `near` -> `[L, out]`."""
        return self.convolve(x, self.conv.weight, self.conv.bias, near)

    def forward_on_children(self, x: Tensor, near: Neighborhood) -> Tensor:
        """`[L, in]` features of the voxels of `near` -> `[8 L, out]` of their children.

        As `forward` on features that the children copy, in the order of `subdivide`. Plain PyTorch
        with any kernel: it does less than a third of the work.
        """
        x, weight, bias = _autocast(x, self.conv.weight.flatten(1, 3), self.conv.bias)
        out: Tensor = _ConvOfChildren.apply(  # type: ignore[no-untyped-call]
            x, _summed_taps(weight), bias, near.rows
        )
        return out


class PointwiseConv(nn.Module):
    """1x1x1 convolution that reads its weight memory as `[in, out]`.

    The parameter is stored `[out, 1, 1, 1, in]`, yet spconv's shortcut for a single tap views the
    same memory as `[in, out]` without transposing. The released mesh decoder was trained so.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = _Kernel(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`[L, in]` -> `[L, out]`."""
        w = self.conv.weight
        return torch.addmm(self.conv.bias, x, w.reshape(w.shape[4], w.shape[0]))
