"""The one seam to attention kernels.

Rows of several samples (or windows) stand one after another; each attends only within its own
segment. `attend` is plain PyTorch and works everywhere: equal segments go through one batched
call, unequal ones are padded in buckets of similar length, so that padding never doubles the work.
xformers and FlashAttention take segments of any length without padding; `kernels.choose` says
which one a model gets.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor

# q, k, v, the numbers of rows of the segments of q, those of k and v: see `attend`.
Attention = Callable[[Tensor, Tensor, Tensor, Sequence[int], Sequence[int]], Tensor]
T = TypeVar("T")

_FEW_KEYS = 128  # beyond, the weights of all pairs cost more than the fused kernels save


class Segments(tuple[int, ...]):
    """Numbers of rows of consecutive segments, as any sequence of integers says them.

    The layers of a pass share one, because it remembers what kernels derive from it: row numbers
    and masks are then made and sent to the device once, not once per layer.
    """

    def __init__(self, lengths: Iterable[int]) -> None:
        super().__init__()
        self._derived: dict[Hashable, Any] = {}  # Any: each kernel keeps its own kind of thing

    @classmethod
    def of(cls, lengths: Sequence[int]) -> "Segments":
        """The same object where it is one already."""
        return lengths if isinstance(lengths, Segments) else cls(lengths)

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made at the first call with this key."""
        if key not in self._derived:
            self._derived[key] = make()
        made: T = self._derived[key]
        return made

    def offsets(self, device: torch.device) -> Tensor:
        """`[n + 1]` int32: the first row of each segment, then the number of rows."""
        return self.remember(
            ("offsets", device),
            lambda: torch.tensor([0, *accumulate(self)], dtype=torch.int32).to(device),
        )


def attend(
    q: Tensor, k: Tensor, v: Tensor, q_lengths: Sequence[int], kv_lengths: Sequence[int]
) -> Tensor:
    """Softmax attention inside each segment, scaled by `1 / sqrt(D)`.

    Args:
        q: `[Tq, H, D]` queries, segment after segment.
        k: `[Tk, H, D]` keys.
        v: `[Tk, H, D]` values.
        q_lengths: Rows of each segment in `q`; they sum to Tq. `Segments` save work.
        kv_lengths: Rows of each segment in `k` and `v`, in the same order.

    Returns:
        `[Tq, H, D]`.
    """
    equal = len(set(q_lengths)) <= 1 and len(set(kv_lengths)) <= 1
    if equal:
        n = len(q_lengths)
        qb, kb, vb = (x.reshape(n, -1, *x.shape[1:]).transpose(1, 2) for x in (q, k, v))
        batched = _softmax_attention(qb, kb, vb, None)
        return batched.transpose(1, 2).flatten(0, 1)

    segments, kv_segments = Segments.of(q_lengths), tuple(kv_lengths)
    buckets = segments.remember(
        ("buckets", kv_segments, q.device), lambda: _buckets(segments, kv_segments, q.device)
    )
    out = torch.zeros_like(q)
    for bucket in buckets:
        result = _softmax_attention(
            q[bucket.q_rows].transpose(1, 2),
            k[bucket.kv_rows].transpose(1, 2),
            v[bucket.kv_rows].transpose(1, 2),
            bucket.valid,
        ).transpose(1, 2)
        # Only real rows: a padding row written too would hand its gradient to the first query.
        real = result.flatten(0, 1).index_select(0, bucket.real)
        out.index_copy_(0, bucket.real_rows, real)
    return out


def xformers_attention() -> Attention:
    """`attend` by xformers' memory-efficient attention; CUDA only.

    Head widths that are no multiple of 8 go through `attend`.

    Raises:
        ImportError: If xformers is not installed.
    """
    from xformers.ops import memory_efficient_attention
    from xformers.ops.fmha.attn_bias import BlockDiagonalMask

    def attend_by_xformers(
        q: Tensor, k: Tensor, v: Tensor, q_lengths: Sequence[int], kv_lengths: Sequence[int]
    ) -> Tensor:
        if q.shape[-1] % 8:
            return attend(q, k, v, q_lengths, kv_lengths)
        segments, kv_segments = Segments.of(q_lengths), tuple(kv_lengths)
        bias = segments.remember(
            ("xformers", kv_segments, q.device),
            lambda: BlockDiagonalMask.from_seqlens(segments, kv_segments, device=q.device),
        )
        out: Tensor = memory_efficient_attention(q[None], k[None], v[None], attn_bias=bias)
        return out[0]

    return attend_by_xformers


# q, k, v, their offsets and the longest segments: what the FlashAttention package and PyTorch's
# own binding of it agree on.
VariableLengthKernel = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int, int], Tensor]


def flash_kernel() -> VariableLengthKernel:
    """The FlashAttention package where it is installed, else the kernel PyTorch brings along.

    Raises:
        ImportError: If there is neither; PyTorch has it from 2.10 on.
    """
    try:
        from flash_attn import flash_attn_varlen_func
    except ImportError:
        from torch.nn.attention.varlen import varlen_attn

        return cast(VariableLengthKernel, varlen_attn)  # a tuple only if one asks for more
    kernel: VariableLengthKernel = flash_attn_varlen_func
    return kernel


def flash_attention(kernel: VariableLengthKernel) -> Attention:
    """`attend` by FlashAttention; CUDA only.

    The kernels take float16 and bfloat16, and head widths that are multiples of 8 up to 256. What
    is outside goes through `attend`.
    """

    def attend_by_flash(
        q: Tensor, k: Tensor, v: Tensor, q_lengths: Sequence[int], kv_lengths: Sequence[int]
    ) -> Tensor:
        width = q.shape[-1]
        if q.dtype not in (torch.float16, torch.bfloat16) or width % 8 or width > 256:
            return attend(q, k, v, q_lengths, kv_lengths)
        q_segments, kv_segments = Segments.of(q_lengths), Segments.of(kv_lengths)
        return kernel(
            q,
            k,
            v,
            q_segments.offsets(q.device),
            kv_segments.offsets(q.device),
            max(q_segments),
            max(kv_segments),
        )

    return attend_by_flash


def _softmax_attention(q: Tensor, k: Tensor, v: Tensor, valid: Tensor | None) -> Tensor:
    """`q [B, H, Nq, D]`, `k` and `v` `[B, H, Nk, D]`, keys that count `[B, 1, 1, Nk]` or all."""
    training = torch.is_grad_enabled() and q.requires_grad
    if not training or k.shape[2] > _FEW_KEYS:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=valid)
    # Forward and backward on a CPU, the fused kernels take 6 to 8 times as long as this.
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if valid is not None:
        scores = scores.masked_fill(~valid, -torch.inf)
    return torch.softmax(scores, -1) @ v


@dataclass(frozen=True, kw_only=True, eq=False)
class _Bucket:
    """Segments of similar length, padded to the longest.

    q_rows `[n, Nq]`, kv_rows `[n, Nk]`: rows to read; padding points at the segment's first.
    valid: `[n, 1, 1, Nk]` which keys are real, None where all are.
    real, real_rows: `[m]` real queries among the `n Nq`, and where their results go.
    """

    q_rows: Tensor
    kv_rows: Tensor
    valid: Tensor | None
    real: Tensor
    real_rows: Tensor


def _buckets(
    q_lengths: Sequence[int], kv_lengths: Sequence[int], device: torch.device
) -> list[_Bucket]:
    """Segments whose lengths round up to the same powers of two, empty ones left out."""
    members: dict[tuple[int, int], list[int]] = {}
    for i, (q, kv) in enumerate(zip(q_lengths, kv_lengths, strict=True)):
        if q and kv:
            members.setdefault(((q - 1).bit_length(), (kv - 1).bit_length()), []).append(i)
    buckets = []
    for segments in members.values():
        q_rows, q_valid = _padded_rows(segments, q_lengths)
        kv_rows, kv_valid = _padded_rows(segments, kv_lengths)
        buckets.append(
            _Bucket(
                q_rows=q_rows.to(device),
                kv_rows=kv_rows.to(device),
                valid=None if kv_valid.all() else kv_valid[:, None, None].to(device),
                real=q_valid.flatten().nonzero()[:, 0].to(device),
                real_rows=q_rows[q_valid].to(device),
            )
        )
    return buckets


def _padded_rows(members: Sequence[int], lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """`[n, longest]` row numbers and which of them are real; padding points at the first row."""
    every = torch.tensor(lengths)
    length = every[members]
    start = (every.cumsum(0) - every)[members]
    step = torch.arange(int(length.max()))
    valid = step < length[:, None]
    return start[:, None] + torch.where(valid, step, 0), valid
