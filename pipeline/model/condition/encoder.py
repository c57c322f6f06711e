"""What turns a prompt or a picture into condition tokens, whatever network does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pipeline.types import ByteArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Condition:
    """What steers the sampler.

    cond: `[K, N, ctx]` tokens of the request, a row for each of its K pictures; 1 for a prompt.
    null: `[1, N, ctx]` what "no condition" means, or the negative prompt.
    """

    cond: Tensor
    null: Tensor


class TextEncoder(Protocol):
    """Text -> token states."""

    token_count: int

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """`[B, N, ctx]` float32; what is longer is cut off at the end."""

    def fits(self, text: str) -> bool:
        """Whether nothing of `text` is cut off."""


class PictureEncoder(Protocol):
    """Pictures -> token states."""

    image_size: int

    def __call__(self, pictures: Tensor, on_block: Callable[[float], None] | None = None) -> Tensor:
        """`[B, 3, image_size, image_size]` float32 in 0..1, on black -> `[B, N, ctx]` float32.

        on_block: is told after every block which share is done; may raise to stop.
        """


def to_picture_tensor(rgb: ByteArray, device: str) -> Tensor:
    """`[H, W, 3]` uint8 -> `[1, 3, H, W]` float32 in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).to(device).permute(2, 0, 1)[None] / 255.0
