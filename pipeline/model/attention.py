"""The one seam to attention kernels.

Rows of several samples (or windows) stand one after another; each attends only within its own
segment. Plain PyTorch: equal segments go through one batched call, unequal ones are padded in
buckets of similar length, so that padding never doubles the work.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_FEW_KEYS = 128  # beyond, the weights of all pairs cost more than the fused kernels save


def attend(
    q: Tensor, k: Tensor, v: Tensor, q_lengths: Sequence[int], kv_lengths: Sequence[int]
) -> Tensor:
    """Softmax attention inside each segment, scaled by `1 / sqrt(D)`.

    Args:
        q: `[Tq, H, D]` queries, segment after segment.
        k: `[Tk, H, D]` keys.
        v: `[Tk, H, D]` values.
        q_lengths: Rows of each segment in `q`; they sum to Tq.
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

    out = torch.zeros_like(q)
    q_starts, kv_starts = _starts(q_lengths), _starts(kv_lengths)
    for members in _buckets(q_lengths, kv_lengths):
        q_rows, q_valid = _padded_rows(members, q_starts, q_lengths)
        kv_rows, kv_valid = _padded_rows(members, kv_starts, kv_lengths)
        is_padded = not bool(kv_valid.all())  # asked before the move: no waiting for the device
        q_rows, q_valid = q_rows.to(q.device), q_valid.to(q.device)
        kv_rows, kv_valid = kv_rows.to(q.device), kv_valid.to(q.device)
        result = _softmax_attention(
            q[q_rows].transpose(1, 2),
            k[kv_rows].transpose(1, 2),
            v[kv_rows].transpose(1, 2),
            kv_valid[:, None, None, :] if is_padded else None,
        ).transpose(1, 2)
        # Only real rows: a padding row written too would hand its gradient to the first query.
        out = out.index_put((q_rows[q_valid],), result[q_valid])
    return out


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


def _starts(lengths: Sequence[int]) -> list[int]:
    starts, total = [], 0
    for length in lengths:
        starts.append(total)
        total += length
    return starts


def _buckets(q_lengths: Sequence[int], kv_lengths: Sequence[int]) -> list[list[int]]:
    """Segments whose lengths round up to the same powers of two, empty ones left out."""
    buckets: dict[tuple[int, int], list[int]] = {}
    for i, (q, kv) in enumerate(zip(q_lengths, kv_lengths, strict=True)):
        if q and kv:
            buckets.setdefault(((q - 1).bit_length(), (kv - 1).bit_length()), []).append(i)
    return list(buckets.values())


def _padded_rows(
    members: Sequence[int], starts: Sequence[int], lengths: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """`[n, longest]` row numbers and which of them are real; padding points at the first row."""
    length = torch.tensor([lengths[i] for i in members])
    start = torch.tensor([starts[i] for i in members])
    step = torch.arange(int(length.max()))
    valid = step[None] < length[:, None]
    return start[:, None] + torch.where(valid, step[None], 0), valid
