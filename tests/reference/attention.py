"""Plain twin of `pipeline.model.attention`: one query, one head, one key at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor


def attend_by_loops(
    q: Tensor, k: Tensor, v: Tensor, q_lengths: Sequence[int], kv_lengths: Sequence[int]
) -> Tensor:
    """As `attend`; differentiable."""
    rows, q_start, kv_start = [], 0, 0
    for q_length, kv_length in zip(q_lengths, kv_lengths, strict=True):
        keys = range(kv_start, kv_start + kv_length)
        for i in range(q_start, q_start + q_length):
            heads = []
            for h in range(q.shape[1]):
                scores = torch.stack([q[i, h] @ k[j, h] / q.shape[2] ** 0.5 for j in keys])
                weights = scores.exp() / scores.exp().sum()
                mixed = [weight * v[j, h] for weight, j in zip(weights, keys, strict=True)]
                heads.append(torch.stack(mixed).sum(0))
            rows.append(torch.stack(heads))
        q_start, kv_start = q_start + q_length, kv_start + kv_length
    return torch.stack(rows) if rows else torch.zeros_like(q)
