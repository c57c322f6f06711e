"""Stage 2: noise on the active voxels -> SLAT; its flow model, its encoder, decoder torso."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.blocks import (
    AffineLayerNorm,
    FlowBlock,
    TimeEmbedding,
    WindowBlock,
    layer_norm,
    position_embedding,
    windows,
    xavier_,
    zero_,
    zero_modulation_,
)
from pipeline.model.convolution import SubmanifoldConv3, neighbor_rows
from pipeline.model.sparse import SparseTensor, downsample
from pipeline.model.torso import cast_torso


@dataclass(frozen=True, kw_only=True)
class SLatFlowParams:
    """io_block_channels: widths of the convolution levels around the transformer."""

    resolution: int
    in_channels: int
    out_channels: int
    model_channels: int
    cond_channels: int
    num_blocks: int
    num_heads: int
    mlp_ratio: float
    patch_size: int
    num_io_res_blocks: int
    io_block_channels: list[int]
    qk_rms_norm: bool


@dataclass(frozen=True, kw_only=True)
class SwinParams:
    """The windowed transformer that the SLAT encoder and all decoders share."""

    resolution: int
    in_channels: int
    model_channels: int
    num_blocks: int
    num_heads: int
    mlp_ratio: float
    window_size: int


class _ResBlock(nn.Module):
    """Sparse residual block with time embedding; resampling happens before it, outside."""

    def __init__(self, in_channels: int, out_channels: int, time_channels: int) -> None:
        super().__init__()
        self.norm1 = AffineLayerNorm(in_channels, eps=1e-6)
        self.conv1 = SubmanifoldConv3(in_channels, out_channels)
        self.conv2 = SubmanifoldConv3(out_channels, out_channels)
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time_channels, 2 * out_channels))
        self.skip_connection = (
            nn.Linear(in_channels, out_channels) if in_channels != out_channels else nn.Identity()
        )
        zero_(self.conv2)

    def forward(self, x: SparseTensor, rows: Tensor, e: Tensor) -> SparseTensor:
        scale, shift = self.emb_layers(e).index_select(0, x.batch_index).chunk(2, dim=-1)
        h = self.conv1(x.with_feats(F.silu(self.norm1(x.feats))), rows)
        modulated = layer_norm(h.feats, 1e-6) * (1 + scale) + shift
        h = self.conv2(h.with_feats(F.silu(modulated)), rows)
        skip: Tensor = self.skip_connection(x.feats)
        return x.with_feats(h.feats + skip)


class SLatFlowModel(nn.Module):
    """Velocity of SLAT: convolutions on the fine voxels around a transformer on coarse ones.

    Patch size 2 (one halving) is what every released model uses, and all that is supported.
    """

    def __init__(self, params: SLatFlowParams) -> None:
        super().__init__()
        assert params.patch_size == 2
        assert len(params.io_block_channels) == 1
        self.resolution = params.resolution
        self.model_channels = width = params.model_channels
        io, blocks = params.io_block_channels[0], params.num_io_res_blocks
        self.t_embedder = TimeEmbedding(width)
        self.input_layer = nn.Linear(params.in_channels, io)
        # The last input block works on the halved grid, the first output block ends there.
        self.input_blocks = nn.ModuleList(
            [*(_ResBlock(io, io, width) for _ in range(blocks - 1)), _ResBlock(io, width, width)]
        )
        self.blocks = nn.ModuleList(
            FlowBlock(
                width,
                params.cond_channels,
                params.num_heads,
                params.mlp_ratio,
                qk_rms_norm=params.qk_rms_norm,
                qk_rms_norm_cross=False,
            )
            for _ in range(params.num_blocks)
        )
        self.out_blocks = nn.ModuleList(
            [
                _ResBlock(2 * width, io, width),
                *(_ResBlock(2 * io, io, width) for _ in range(blocks - 1)),
            ]
        )
        self.out_layer = nn.Linear(io, params.out_channels)
        xavier_(self)
        zero_modulation_(self.blocks)
        zero_(self.out_layer)
        self.dtype = torch.float32

    def cast_torso(self, dtype: torch.dtype) -> None:
        """Hold and run the linear and convolution layers of the torso in `dtype`."""
        self.dtype = dtype
        cast_torso([self.input_blocks, self.blocks, self.out_blocks], dtype)

    def forward(self, x: SparseTensor, model_time: Tensor, cond: Tensor) -> SparseTensor:
        """`x` on `resolution` cells, `model_time [B]` = 1000 t, `cond [B, N, ctx]` -> like `x`."""
        e, cond = self.t_embedder(model_time).to(self.dtype), cond.to(self.dtype)
        fine_rows = neighbor_rows(x.coords, self.resolution)
        h = x.with_feats(self.input_layer(x.feats).to(self.dtype))
        skips = []
        for block in self.input_blocks[:-1]:
            h = block(h, fine_rows, e)
            skips.append(h)
        coarse, parent = downsample(h, self.resolution)
        coarse_rows = neighbor_rows(coarse.coords, self.resolution // 2)
        coarse = self.input_blocks[-1](coarse, coarse_rows, e)
        coarse_skip = coarse.feats

        position = position_embedding(coarse.coords[:, 1:], self.model_channels)
        tokens = coarse.feats + position.to(self.dtype)
        lengths = coarse.lengths()
        for block in self.blocks:
            tokens = block(tokens, lengths, coarse.batch_index, e, cond)

        # The coarse skip joins before the upsampling, the fine ones after it.
        merged = torch.cat([tokens, coarse_skip], dim=1)
        h = x.with_feats(merged.index_select(0, parent))
        h = self.out_blocks[0](h, fine_rows, e)
        for block in self.out_blocks[1:]:
            h = block(h.with_feats(torch.cat([h.feats, skips.pop().feats], dim=1)), fine_rows, e)
        return x.with_feats(self.out_layer(layer_norm(h.feats.to(x.feats.dtype), 1e-5)))


class SwinTorso(nn.Module):
    """Linear, position, then transformer blocks; every other one shifts its windows by half."""

    def __init__(self, params: SwinParams) -> None:
        super().__init__()
        self.window_size = params.window_size
        self.model_channels = params.model_channels
        self.input_layer = nn.Linear(params.in_channels, params.model_channels)
        self.blocks = nn.ModuleList(
            WindowBlock(params.model_channels, params.num_heads, params.mlp_ratio)
            for _ in range(params.num_blocks)
        )
        self.dtype = torch.float32

    def cast_torso(self, dtype: torch.dtype) -> None:
        """Hold and run the linear layers of the torso in `dtype`."""
        self.dtype = dtype
        cast_torso([self.blocks], dtype)

    def run_torso(self, x: SparseTensor) -> SparseTensor:
        """`[L, in]` -> `[L, model_channels]` in the torso's dtype."""
        position = position_embedding(x.coords[:, 1:], self.model_channels)
        h = (self.input_layer(x.feats) + position).to(self.dtype)
        half = self.window_size // 2
        partitions = [windows(x.coords, self.window_size, shift) for shift in (0, half)]
        for i, block in enumerate(self.blocks):
            h = block(h, *partitions[i % 2])
        return x.with_feats(h)


class SLatEncoder(SwinTorso):
    """Features on active voxels -> latent mean and log-variance per voxel."""

    def __init__(self, params: SwinParams, latent_channels: int) -> None:
        super().__init__(params)
        self.out_layer = nn.Linear(params.model_channels, 2 * latent_channels)
        xavier_(self)
        zero_(self.out_layer)

    def forward(self, x: SparseTensor) -> tuple[Tensor, Tensor]:
        """`feats [L, in]` -> mean, log-variance, each `[L, latent]`."""
        h = self.run_torso(x).feats.to(x.feats.dtype)
        mean, logvar = self.out_layer(layer_norm(h, 1e-5)).chunk(2, dim=-1)
        return mean, logvar
