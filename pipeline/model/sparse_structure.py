"""Stage 1: noise -> sparse structure; the VAE of the structure and its flow model."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.blocks import (
    ChannelLayerNorm,
    FlowBlock,
    TimeEmbedding,
    layer_norm,
    position_embedding,
    xavier_,
    zero_,
    zero_modulation_,
)
from pipeline.model.torso import cast_torso


@dataclass(frozen=True, kw_only=True)
class StructureEncoderParams:
    """channels: width per resolution, finest first; each step halves the grid."""

    in_channels: int
    latent_channels: int
    num_res_blocks: int
    num_res_blocks_middle: int
    channels: list[int]


@dataclass(frozen=True, kw_only=True)
class StructureDecoderParams:
    """channels: width per resolution, coarsest first; each step doubles the grid."""

    out_channels: int
    latent_channels: int
    num_res_blocks: int
    num_res_blocks_middle: int
    channels: list[int]


@dataclass(frozen=True, kw_only=True)
class StructureFlowParams:
    """resolution: cells per side of the latent; patch_size: latent cells per token side."""

    resolution: int
    in_channels: int
    out_channels: int
    model_channels: int
    cond_channels: int
    num_blocks: int
    num_heads: int
    mlp_ratio: float
    patch_size: int
    qk_rms_norm: bool
    qk_rms_norm_cross: bool


def _conv3(in_channels: int, out_channels: int) -> nn.Conv3d:
    return nn.Conv3d(in_channels, out_channels, 3, padding=1)


class _ResBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelLayerNorm(channels)
        self.norm2 = ChannelLayerNorm(channels)
        self.conv1 = _conv3(channels, channels)
        self.conv2 = _conv3(channels, channels)
        zero_(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))  # type: ignore[no-any-return]


class _Down(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)  # type: ignore[no-any-return]


class _Up(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = _conv3(in_channels, out_channels * 8)

    def forward(self, x: Tensor) -> Tensor:
        """Pixel shuffle: channel `c*8 + a*4 + b*2 + d` goes to `c` at offset (a, b, d)."""
        h = self.conv(x).unflatten(1, (-1, 2, 2, 2))  # [B, C, 2, 2, 2, X, Y, Z]
        h = h.permute(0, 1, 5, 2, 6, 3, 7, 4)
        return h.flatten(6, 7).flatten(4, 5).flatten(2, 3)  # type: ignore[no-any-return]


class SparseStructureEncoder(nn.Module):
    """Occupancy -> latent mean and log-variance."""

    def __init__(self, params: StructureEncoderParams) -> None:
        super().__init__()
        widths = params.channels
        self.input_layer = _conv3(params.in_channels, widths[0])
        self.blocks = nn.ModuleList()
        for level, width in enumerate(widths):
            self.blocks.extend(_ResBlock(width) for _ in range(params.num_res_blocks))
            if level + 1 < len(widths):
                self.blocks.append(_Down(width, widths[level + 1]))
        self.middle_block = nn.Sequential(
            *(_ResBlock(widths[-1]) for _ in range(params.num_res_blocks_middle))
        )
        self.out_layer = nn.Sequential(
            ChannelLayerNorm(widths[-1]), nn.SiLU(), _conv3(widths[-1], params.latent_channels * 2)
        )
        self.dtype = torch.float32

    def cast_torso(self, dtype: torch.dtype) -> None:
        """Hold and run the convolutions of the torso in `dtype`."""
        self.dtype = dtype
        cast_torso([self.blocks, self.middle_block], dtype)

    def forward(self, occupancy: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, 1, R, R, R]` of 0 and 1 -> mean, log-variance, each `[B, C, r, r, r]`."""
        h = self.input_layer(occupancy).to(self.dtype)
        for block in self.blocks:
            h = block(h)
        h = self.out_layer(self.middle_block(h).to(occupancy.dtype))
        mean, logvar = h.chunk(2, dim=1)
        return mean, logvar


class SparseStructureDecoder(nn.Module):
    """Latent -> logits of occupancy."""

    def __init__(self, params: StructureDecoderParams) -> None:
        super().__init__()
        widths = params.channels
        self.input_layer = _conv3(params.latent_channels, widths[0])
        self.middle_block = nn.Sequential(
            *(_ResBlock(widths[0]) for _ in range(params.num_res_blocks_middle))
        )
        self.blocks = nn.ModuleList()
        for level, width in enumerate(widths):
            self.blocks.extend(_ResBlock(width) for _ in range(params.num_res_blocks))
            if level + 1 < len(widths):
                self.blocks.append(_Up(width, widths[level + 1]))
        self.out_layer = nn.Sequential(
            ChannelLayerNorm(widths[-1]), nn.SiLU(), _conv3(widths[-1], params.out_channels)
        )
        self.dtype = torch.float32

    def cast_torso(self, dtype: torch.dtype) -> None:
        """Hold and run the convolutions of the torso in `dtype`."""
        self.dtype = dtype
        cast_torso([self.blocks, self.middle_block], dtype)

    def forward(self, z: Tensor) -> Tensor:
        """`[B, C, r, r, r]` -> logits `[B, 1, R, R, R]`; above zero is an active voxel."""
        h = self.middle_block(self.input_layer(z).to(self.dtype))
        for block in self.blocks:
            h = block(h)
        return self.out_layer(h.to(z.dtype))  # type: ignore[no-any-return]


class SparseStructureFlowModel(nn.Module):
    """Velocity of the structure latent: a transformer over its cells."""

    pos_emb: Tensor

    def __init__(self, params: StructureFlowParams) -> None:
        super().__init__()
        p, width = params.patch_size, params.model_channels
        self.patch_size = p
        side = params.resolution
        self.shape = (params.in_channels, side, side, side)  # of one sample
        self.t_embedder = TimeEmbedding(width)
        self.input_layer = nn.Linear(params.in_channels * p**3, width)
        self.blocks = nn.ModuleList(
            FlowBlock(
                width,
                params.cond_channels,
                params.num_heads,
                params.mlp_ratio,
                qk_rms_norm=params.qk_rms_norm,
                qk_rms_norm_cross=params.qk_rms_norm_cross,
            )
            for _ in range(params.num_blocks)
        )
        self.out_layer = nn.Linear(width, params.out_channels * p**3)
        axis = torch.arange(side // p)
        cells = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
        self.register_buffer("pos_emb", position_embedding(cells.reshape(-1, 3), width))
        xavier_(self)
        zero_modulation_(self.blocks)
        zero_(self.out_layer)
        self.dtype = torch.float32

    def cast_torso(self, dtype: torch.dtype) -> None:
        """Hold and run the linear layers of the torso in `dtype`."""
        self.dtype = dtype
        cast_torso([self.blocks], dtype)

    def forward(self, x: Tensor, model_time: Tensor, cond: Tensor) -> Tensor:
        """`x [B, C, r, r, r]`, `model_time [B]` = 1000 t, `cond [B, N, ctx]` -> like `x`."""
        batch, p, side = x.shape[0], self.patch_size, x.shape[2] // self.patch_size
        tokens = x.reshape(batch, x.shape[1], side, p, side, p, side, p)
        tokens = tokens.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)  # [B, T, C p^3]
        h = (self.input_layer(tokens) + self.pos_emb).to(self.dtype)
        e, cond = self.t_embedder(model_time).to(self.dtype), cond.to(self.dtype)
        lengths = [h.shape[1]] * batch
        batch_index = torch.arange(batch, device=x.device).repeat_interleave(h.shape[1])
        h = h.flatten(0, 1)
        for block in self.blocks:
            h = block(h, lengths, batch_index, e, cond)
        out = self.out_layer(layer_norm(h.to(x.dtype), 1e-5))
        out = out.unflatten(0, (batch, side, side, side)).unflatten(-1, (-1, p, p, p))
        out = out.permute(0, 4, 1, 5, 2, 6, 3, 7)  # [B, C, side, p, side, p, side, p]
        return out.flatten(6, 7).flatten(4, 5).flatten(2, 3)  # type: ignore[no-any-return]
