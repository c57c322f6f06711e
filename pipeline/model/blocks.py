"""Layers and transformer blocks shared by both stages.

Tokens are rows `[T, C]`, sample after sample, with `lengths` saying how many rows each sample has.
A dense grid is the case where all lengths are equal.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.attention import Attention, Segments, attend


def layer_norm(x: Tensor, eps: float) -> Tensor:
    """Layer norm over the last axis without affine, computed in float32."""
    return F.layer_norm(x.float(), x.shape[-1:], eps=eps).to(x.dtype)


class AffineLayerNorm(nn.LayerNorm):
    """Layer norm with affine, computed in float32 and cast back."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).to(x.dtype)


class ChannelLayerNorm(nn.LayerNorm):
    """Layer norm over the channels of `[B, C, X, Y, Z]`, eps 1e-5, computed in float32."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1).float()).movedim(-1, 1).to(x.dtype)


def position_embedding(coords: Tensor, channels: int) -> Tensor:
    """Sinusoidal embedding of voxel coordinates.

    Args:
        coords: `[T, 3]` integers.
        channels: C; what three axes of sine and cosine leave over is zero.

    Returns:
        `[T, C]` float32: per axis sines, then cosines.
    """
    k = channels // 3 // 2
    frequencies = 10000.0 ** (-torch.arange(k, dtype=torch.float32, device=coords.device) / k)
    angles = coords.float()[..., None] * frequencies  # [T, 3, k]
    table = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return F.pad(table, (0, channels - table.shape[1]))


class TimeEmbedding(nn.Module):
    """Model time (`1000 t`) -> `[B, C]`, float32. Cosines stand before sines."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, channels), nn.SiLU(), nn.Linear(channels, channels))
        nn.init.normal_(self.mlp[0].weight, std=0.02)  # type: ignore[arg-type]  # a Linear
        nn.init.normal_(self.mlp[2].weight, std=0.02)  # type: ignore[arg-type]

    def forward(self, model_time: Tensor) -> Tensor:
        half = torch.arange(128, dtype=torch.float32, device=model_time.device)
        angles = model_time.float()[:, None] * torch.exp(-math.log(10000) / 128 * half)
        embedded: Tensor = self.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))
        return embedded


class HeadRmsNorm(nn.Module):
    """Normalizes each head's vector to length `sqrt(D)`, times a learnt gain per head."""

    def __init__(self, heads: int, head_width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(heads, head_width))

    def forward(self, x: Tensor) -> Tensor:
        unit = F.normalize(x.float(), dim=-1)
        return (unit * self.gamma * math.sqrt(x.shape[-1])).to(x.dtype)


class SelfAttention(nn.Module):
    """Multi-head attention among the rows of each segment.

    Attributes:
        attend: The kernel; see `kernels.equip`.
    """

    def __init__(self, channels: int, heads: int, *, qk_rms_norm: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.attend: Attention = attend
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.to_out = nn.Linear(channels, channels)
        if qk_rms_norm:
            self.q_rms_norm = HeadRmsNorm(heads, channels // heads)
            self.k_rms_norm = HeadRmsNorm(heads, channels // heads)
        self.qk_rms_norm = qk_rms_norm

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        q, k, v = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(1)  # [T, H, D]
        if self.qk_rms_norm:
            q, k = self.q_rms_norm(q), self.k_rms_norm(k)
        out: Tensor = self.to_out(self.attend(q, k, v, lengths, lengths).flatten(1))
        return out


class CrossAttention(nn.Module):
    """The rows of each sample attend to that sample's condition tokens.

    Attributes:
        attend: The kernel; see `kernels.equip`.
    """

    def __init__(
        self, channels: int, cond_channels: int, heads: int, *, qk_rms_norm: bool = False
    ) -> None:
        super().__init__()
        self.heads = heads
        self.attend: Attention = attend
        self.to_q = nn.Linear(channels, channels)
        self.to_kv = nn.Linear(cond_channels, 2 * channels)
        self.to_out = nn.Linear(channels, channels)
        if qk_rms_norm:
            self.q_rms_norm = HeadRmsNorm(heads, channels // heads)
            self.k_rms_norm = HeadRmsNorm(heads, channels // heads)
        self.qk_rms_norm = qk_rms_norm

    def forward(self, x: Tensor, lengths: Sequence[int], cond: Tensor) -> Tensor:
        q = self.to_q(x).unflatten(-1, (self.heads, -1))
        k, v = self.to_kv(cond).flatten(0, 1).unflatten(-1, (2, self.heads, -1)).unbind(1)
        if self.qk_rms_norm:
            q, k = self.q_rms_norm(q), self.k_rms_norm(k)
        out: Tensor = self.to_out(
            self.attend(q, k, v, lengths, [cond.shape[1]] * cond.shape[0]).flatten(1)
        )
        return out


class FeedForward(nn.Module):
    """Linear, GELU (tanh form), Linear."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mlp(x)
        return out


class FlowBlock(nn.Module):
    """Transformer block modulated by time, with cross-attention to the condition."""

    def __init__(
        self,
        channels: int,
        cond_channels: int,
        heads: int,
        mlp_ratio: float,
        *,
        qk_rms_norm: bool,
        qk_rms_norm_cross: bool,
    ) -> None:
        super().__init__()
        self.norm2 = AffineLayerNorm(channels, eps=1e-6)
        self.self_attn = SelfAttention(channels, heads, qk_rms_norm=qk_rms_norm)
        self.cross_attn = CrossAttention(
            channels, cond_channels, heads, qk_rms_norm=qk_rms_norm_cross
        )
        self.mlp = FeedForward(channels, mlp_ratio)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(channels, 6 * channels))
        zero_(self.adaLN_modulation[1])

    def forward(
        self, x: Tensor, lengths: Sequence[int], batch_index: Tensor, e: Tensor, cond: Tensor
    ) -> Tensor:
        """`x [T, C]`, `batch_index [T]`, time embedding `e [B, C]`, `cond [B, N, ctx]`."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(e).chunk(6, dim=-1)
        per_sample = [shift1, 1 + scale1, gate1, shift2, 1 + scale2, gate2]
        if len(set(lengths)) == 1:  # then a view does, and there is no copy per row
            samples = x.view(len(lengths), -1, x.shape[1])
            per_row = [v.unsqueeze(1) for v in per_sample]
        else:
            samples, per_row = x, [v.index_select(0, batch_index) for v in per_sample]
        shift1, scale1, gate1, shift2, scale2, gate2 = per_row

        h = torch.addcmul(shift1, layer_norm(samples, 1e-6), scale1).view_as(x)
        h = self.self_attn(h, lengths)
        x = torch.addcmul(samples, gate1, h.view_as(samples)).view_as(x)
        x = x + self.cross_attn(self.norm2(x), lengths, cond)
        h = torch.addcmul(shift2, layer_norm(x.view_as(samples), 1e-6), scale2).view_as(x)
        h = self.mlp(h)
        return torch.addcmul(x.view_as(samples), gate2, h.view_as(samples)).view_as(x)


class WindowBlock(nn.Module):
    """Transformer block whose rows attend within cubic windows of the voxel grid."""

    def __init__(self, channels: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.attn = SelfAttention(channels, heads)
        self.mlp = FeedForward(channels, mlp_ratio)

    def forward(self, x: Tensor, order: Tensor, lengths: Sequence[int]) -> Tensor:
        """`order [T]` sorts the rows by window; `lengths` are the windows' populations."""
        attended = self.attn(layer_norm(x, 1e-6)[order], lengths)
        x = x + torch.empty_like(attended).index_copy(0, order, attended)
        delta: Tensor = self.mlp(layer_norm(x, 1e-6))
        return x + delta


def windows(coords: Tensor, window: int, shift: int) -> tuple[Tensor, Segments]:
    """Group voxels by cubic window; border windows are smaller, nothing wraps around.

    Args:
        coords: `[L, 4]` batch index, x, y, z.
        window: Cells per window side.
        shift: Cells by which the window grid is moved on all axes.

    Returns:
        `[L]` rows sorted by window, and each window's number of rows.
    """
    ids = torch.cat([coords[:, :1], (coords[:, 1:] + shift) // window], dim=1)
    side = int(ids[:, 1:].max()) + 1
    key = ((ids[:, 0] * side + ids[:, 1]) * side + ids[:, 2]) * side + ids[:, 3]
    order = torch.argsort(key, stable=True)
    _, population = torch.unique_consecutive(key[order], return_counts=True)
    return order, Segments(population.tolist())


def zero_(layer: nn.Module) -> None:
    """Start a layer at zero, so that its branch does nothing at first."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def zero_modulation_(blocks: nn.ModuleList) -> None:
    """Start every flow block as the identity."""
    for block in blocks:
        assert isinstance(block, FlowBlock)
        zero_(block.adaLN_modulation[1])


def xavier_(model: nn.Module) -> None:
    """TRELLIS' initialization of linear layers; call before the zero-initialized ones are set."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
