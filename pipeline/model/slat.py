"""Stage 2: noise on the active voxels -> SLAT; its flow model, its encoder, decoder torso."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.attention import Segments
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
from pipeline.model.convolution import Neighborhood, SubmanifoldConv3
from pipeline.model.sparse import Halving, SparseTensor, halve, sample_lengths
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

    def forward(
        self, x: Tensor, near: Neighborhood, e: Tensor, halving: Halving | None = None
    ) -> Tensor:
        """`x [L, in]` on the voxels of `near`, time embedding `e [B, C]` -> `[L, out]`.

        halving: Where given, `x` is on its coarse voxels and goes to the fine ones first. What
            works row by row is done before, where rows are a quarter.
        """
        spread: Callable[[Tensor], Tensor] = halving.unpool if halving else (lambda t: t)
        scale, shift = self.emb_layers(e).chunk(2, dim=-1)
        scale, shift = (v.index_select(0, near.coords[:, 0]) for v in (1 + scale, shift))
        h = self.conv1(spread(F.silu(self.norm1(x))), near)
        h = self.conv2(F.silu(torch.addcmul(shift, layer_norm(h, 1e-6), scale)), near)
        out: Tensor = h + spread(self.skip_connection(x))
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowVoxels:
    """What `SLatFlowModel` derives from the voxels alone; the same at every step of a walk.

    fine, coarse: neighbourhoods of the voxels and of those of half the resolution.
    halving: how the two belong together.
    position: `[M, C]` embedding of the coarse voxels.
    segments: coarse voxels of each sample.
    """

    fine: Neighborhood
    coarse: Neighborhood
    halving: Halving
    position: Tensor
    segments: Segments


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

    def arrange(self, coords: Tensor, batch_size: int) -> FlowVoxels:
        """Prepare for `forward` on these voxels `[L, 4]`, to share between steps."""
        side = self.resolution
        halving = halve(coords, side)
        return FlowVoxels(
            fine=Neighborhood(coords, side, batch_size),
            coarse=Neighborhood(halving.coords, side // 2, batch_size),
            halving=halving,
            position=position_embedding(halving.coords[:, 1:], self.model_channels),
            segments=Segments(sample_lengths(halving.coords, batch_size)),
        )

    def forward(
        self,
        x: SparseTensor,
        model_time: Tensor,
        cond: Tensor,
        voxels: FlowVoxels | None = None,
    ) -> SparseTensor:
        """`x` on `resolution` cells, `model_time [B]` = 1000 t, `cond [B, N, ctx]` -> like `x`.

        voxels: `arrange` of the voxels of `x`; made here where it is None.
        """
        if voxels is None:
            voxels = self.arrange(x.coords, x.batch_size)
        fine, coarse, halving = voxels.fine, voxels.coarse, voxels.halving
        e, cond = self.t_embedder(model_time).to(self.dtype), cond.to(self.dtype)
        h = self.input_layer(x.feats).to(self.dtype)
        skips = []
        for block in self.input_blocks[:-1]:
            h = block(h, fine, e)
            skips.append(h)
        coarse_skip = self.input_blocks[-1](halving.pool(h), coarse, e)

        tokens = coarse_skip + voxels.position.to(self.dtype)
        for block in self.blocks:
            tokens = block(tokens, voxels.segments, halving.coords[:, 0], e, cond)

        # The coarse skip joins before the upsampling, the fine ones after it.
        h = self.out_blocks[0](torch.cat([tokens, coarse_skip], dim=1), fine, e, halving)
        for block in self.out_blocks[1:]:
            h = block(torch.cat([h, skips.pop()], dim=1), fine, e)
        return x.with_feats(self.out_layer(layer_norm(h.to(x.feats.dtype), 1e-5)))


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
