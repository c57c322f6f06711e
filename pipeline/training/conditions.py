"""Conditions of the training set, encoded once: caption tokens and pictures."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image as Pil
from torch import Tensor

from pipeline.model.condition.encoder import TextEncoder
from pipeline.preprocess import preprocess
from pipeline.training.dataset import VIEW_PX, PropSample
from pipeline.training.objective import kept_conditions
from pipeline.types import ByteArray, Silent

PICTURE_SHARE = 0.35  # of a flow's steps; in the others it learns from captions


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditions:
    """tokens: `[K, 32, 384]` float16 of all distinct captions; of_sample: rows per sample;
    views: `[N, 2, 112, 112, 3]` uint8, cut
    out and centred as every request's picture is; null_text: `[1, 32, 384]`, the empty string."""

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

    def mirrored(self) -> "Conditions":
        """The same props, then all of them mirrored at x = 0, which mirrors their pictures too."""
        return replace(
            self,
            of_sample=self.of_sample * 2,
            views=torch.cat([self.views, self.views.flip(3)]),
        )

    def draw(self, index: np.ndarray, picture_tokens: Tensor, rng: np.random.Generator) -> Tensor:
        """`[B, T, ctx]` what a flow is given for samples `index`; some of them get nothing.

        Args:
            index: `[B]` samples.
            picture_tokens: `[N, 2, P, ctx]` encoded views.
            rng: Decides.
        """
        keep = kept_conditions(len(index), rng)
        if rng.random() < PICTURE_SHARE:
            view = rng.integers(picture_tokens.shape[1], size=len(index))
            return picture_tokens[index, view].float() * keep  # no picture is all zeros
        return torch.where(keep, self.captions(index, rng), self.null_text)


def encode_conditions(samples: Sequence[PropSample], encoder: TextEncoder) -> Conditions:
    """Encode every distinct caption once."""
    texts = sorted({caption for sample in samples for caption in sample.captions})
    row = {text: i for i, text in enumerate(texts)}
    tokens = torch.cat([encoder(texts[i : i + 256]).half() for i in range(0, len(texts), 256)])
    views = np.stack([[_prepared(view) for view in s.views] for s in samples])
    null = encoder([""])
    assert null.shape[1] == encoder.token_count
    return Conditions(
        tokens=tokens,
        of_sample=tuple(tuple(row[c] for c in s.captions) for s in samples),
        views=torch.from_numpy(views),
        null_text=null,
    )


def _prepared(view: ByteArray) -> ByteArray:
    """The way a request's picture goes: the encoder must not see another framing here."""
    file = io.BytesIO()
    Pil.fromarray(view).save(file, "PNG", compress_level=1)
    return preprocess(file.getvalue(), VIEW_PX, Silent())
