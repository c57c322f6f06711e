"""A small vision transformer: the starter model's picture encoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.blocks import AffineLayerNorm, FeedForward, SelfAttention, xavier_


@dataclass(frozen=True, kw_only=True)
class ImageEncoderParams:
    """A small vision transformer: picture side and patch side in pixels, widths, depth."""

    image_size: int
    patch_size: int
    model_channels: int
    cond_channels: int
    num_blocks: int
    num_heads: int


class _Block(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = AffineLayerNorm(channels)
        self.attn = SelfAttention(channels, heads)
        self.norm2 = AffineLayerNorm(channels)
        self.mlp = FeedForward(channels, 4)

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        x = x + self.attn(self.norm1(x), lengths)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class ImageEncoder(nn.Module):
    """Picture -> condition tokens; the starter model's own."""

    def __init__(self, params: ImageEncoderParams) -> None:
        super().__init__()
        self.image_size = params.image_size
        width, side = params.model_channels, params.image_size // params.patch_size
        self.patch_embed = nn.Conv2d(3, width, params.patch_size, stride=params.patch_size)
        self.pos_embed = nn.Parameter(torch.randn(side * side, width) * 0.02)
        self.blocks = nn.ModuleList(
            _Block(width, params.num_heads) for _ in range(params.num_blocks)
        )
        self.out_layer = nn.Linear(width, params.cond_channels)
        xavier_(self)

    def forward(self, pictures: Tensor, on_block: Callable[[float], None] | None = None) -> Tensor:
        """`[B, 3, H, W]` in 0..1 on black -> `[B, N, ctx]`; see `PictureEncoder`."""
        x = self.patch_embed(pictures * 2 - 1).flatten(2).transpose(1, 2) + self.pos_embed
        lengths = [x.shape[1]] * x.shape[0]
        h = x.flatten(0, 1)
        for number, block in enumerate(self.blocks, 1):
            h = block(h, lengths)
            if on_block is not None:
                on_block(number / len(self.blocks))
        tokens = self.out_layer(F.layer_norm(h, h.shape[-1:]))
        return tokens.unflatten(0, (x.shape[0], -1))  # type: ignore[no-any-return]
