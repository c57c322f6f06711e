"""Conditions of the training set, encoded once: caption tokens and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.model.conditioner import TEXT_TOKENS, TextEncoder
from pipeline.training.dataset import PropSample


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditions:
    """tokens: `[K, 32, 384]` float16 of all distinct captions; of_sample: rows per sample;
    views: `[N, 2, 112, 112, 3]` uint8 on black; null_text: `[1, 32, 384]`, the empty string."""

    tokens: Tensor
    of_sample: tuple[tuple[int, ...], ...]
    views: Tensor
    null_text: Tensor

    def captions(self, index: np.ndarray, rng: np.random.Generator) -> Tensor:
        """`[B, 32, 384]`: one caption of each sample, by chance."""
        rows = [self.of_sample[i][rng.integers(len(self.of_sample[i]))] for i in index]
        return self.tokens[rows].float()

    def pictures(self, index: np.ndarray, rng: np.random.Generator) -> Tensor:
        """`[B, 3, 112, 112]` in 0..1: one view of each sample, by chance."""
        view = rng.integers(self.views.shape[1], size=len(index))
        return self.views[index, view].permute(0, 3, 1, 2).float() / 255


def encode_conditions(samples: Sequence[PropSample], encoder: TextEncoder) -> Conditions:
    """Encode every distinct caption once."""
    texts = sorted({caption for sample in samples for caption in sample.captions})
    row = {text: i for i, text in enumerate(texts)}
    tokens = torch.cat([encoder(texts[i : i + 256]).half() for i in range(0, len(texts), 256)])
    views = np.stack([s.views for s in samples])
    on_black = views[..., :3].astype(np.uint16) * views[..., 3:] // 255
    null = encoder([""])
    assert null.shape[1] == TEXT_TOKENS
    return Conditions(
        tokens=tokens,
        of_sample=tuple(tuple(row[c] for c in s.captions) for s in samples),
        views=torch.from_numpy(on_black.astype(np.uint8)),
        null_text=null,
    )
