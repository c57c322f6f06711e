"""TRELLIS written down the way its description reads: what `generator.py` compares against.

One sample, one pass per call, eager, nothing cached but neighbours and nothing fused but torch's
own attention kernel. It takes a state dict under the published keys, so both sides run on the same
tensors, and shares no line with `pipeline/model`: it stays what it is when that gets faster.

What the published implementation does otherwise: its windows go through one variable-length kernel
of xformers or FlashAttention (CUDA only), here one call per window; its sparse convolutions through
spconv, here one product per kernel tap over the pairs of voxels that exist.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = Mapping[str, Tensor]
Pairs = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Voxels:
    """Active voxels of one sample and what depends on nothing else, found once per stage.

    coords: `[L, 3]` int64.
    pairs: For each of the 27 taps, k fastest, the rows read and the rows written.
    """

    coords: Tensor
    pairs: Pairs


def voxels(coords: Tensor, side: int) -> Voxels:
    """Find the neighbours of `coords [L, 3]` on a grid of `side` cells by a dense table."""
    row_of = coords.new_full((side + 2,) * 3, -1)
    x, y, z = (coords + 1).unbind(1)
    row_of[x, y, z] = torch.arange(len(coords), device=coords.device)
    pairs = []
    for i, j, k in [(i, j, k) for i in range(3) for j in range(3) for k in range(3)]:
        source = row_of[x + i - 1, y + j - 1, z + k - 1]
        target = torch.argwhere(source >= 0).squeeze(1)
        pairs.append((source[target], target))
    return Voxels(coords=coords, pairs=pairs)


def pair_count(v: Voxels) -> int:
    """Pairs of a voxel and an active neighbour, itself included."""
    return sum(len(source) for source, _ in v.pairs)


def halved(coords: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Coarse voxels `[l, 3]`, sorted, and the coarse row of each fine one."""
    half = side // 2
    coarse = coords // 2
    key = (coarse[:, 0] * half + coarse[:, 1]) * half + coarse[:, 2]
    keys, parent = torch.unique(key, return_inverse=True)
    return torch.stack([keys // half**2, keys // half % half, keys % half], dim=1), parent


def subdivided(coords: Tensor) -> Tensor:
    """The eight children of each voxel, contiguous, z fastest."""
    axis = torch.arange(2, device=coords.device)
    return (2 * coords[:, None] + torch.cartesian_prod(axis, axis, axis)).flatten(0, 1)


def structure_velocity(w: Weights, heads: int, x: Tensor, time: Tensor, cond: Tensor) -> Tensor:
    """Velocity of the structure latent `x [1, C, r, r, r]`; `time [1]` is 1000 t."""
    dtype = w["blocks.0.mlp.mlp.0.weight"].dtype
    tokens = x.flatten(2).transpose(1, 2)  # [1, T, C]
    h = (_linear(w, "input_layer", tokens) + w["pos_emb"]).to(dtype)
    h = _flow_blocks(w, heads, h, _time(w, time).to(dtype), cond.to(dtype))
    v = _linear(w, "out_layer", F.layer_norm(h.to(x.dtype), h.shape[-1:]))
    return v.transpose(1, 2).reshape(x.shape)


def slat_velocity(
    w: Weights,
    heads: int,
    fine: Voxels,
    coarse: Voxels,
    parent: Tensor,
    x: Tensor,
    time: Tensor,
    cond: Tensor,
) -> Tensor:
    """Velocity of the latent `x [L, C]` of the `fine` voxels; `parent` are their `coarse` rows."""
    dtype = w["blocks.0.mlp.mlp.0.weight"].dtype
    e, cond = _time(w, time).to(dtype), cond.to(dtype)
    h = _linear(w, "input_layer", x).to(dtype)
    last = _count(w, "input_blocks") - 1
    skips = []
    for i in range(last):
        h = _res_block(w, f"input_blocks.{i}", fine, h, e)
        skips.append(h)
    children = torch.bincount(parent, minlength=len(coarse.coords)).to(dtype)
    total = h.new_zeros(len(coarse.coords), h.shape[1]).index_add_(0, parent, h)
    h = _res_block(w, f"input_blocks.{last}", coarse, total / (children + 1)[:, None], e)
    skip = h

    h = (h + _position(coarse.coords, h.shape[1]).to(dtype))[None]
    h = _flow_blocks(w, heads, h, e, cond)[0]

    h = torch.cat([h, skip], dim=1)[parent]
    h = _res_block(w, "out_blocks.0", fine, h, e)
    for i in range(1, last + 1):
        h = _res_block(w, f"out_blocks.{i}", fine, torch.cat([h, skips.pop()], dim=1), e)
    return _linear(w, "out_layer", F.layer_norm(h.to(x.dtype), h.shape[-1:]))


def structure_logits(w: Weights, z: Tensor) -> Tensor:
    """Logits `[1, 1, R, R, R]` of the structure latent `z`."""
    h = _conv3(w, "input_layer", z).to(w["middle_block.0.conv1.weight"].dtype)
    for i in range(_count(w, "middle_block")):
        h = _dense_res_block(w, f"middle_block.{i}", h)
    for i in range(_count(w, "blocks")):
        path = f"blocks.{i}"
        if f"{path}.conv.weight" in w:
            h = torch.unflatten(_conv3(w, f"{path}.conv", h), 1, (-1, 2, 2, 2))
            h = h.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)
        else:
            h = _dense_res_block(w, path, h)
    h = F.silu(_channel_norm(w, "out_layer.0", h.to(z.dtype)))
    return _conv3(w, "out_layer.2", h)


def mesh_head(
    w: Weights, heads: int, window: int, groups: int, levels: tuple[Voxels, Voxels, Voxels],
    slat: Tensor,
) -> Tensor:  # fmt: skip
    """FlexiCubes head `[64 L, 101]` of `slat [L, C]`; `levels`: its voxels, then finer ones."""
    dtype = w["blocks.0.mlp.mlp.0.weight"].dtype
    coords = levels[0].coords
    h = _linear(w, "input_layer", slat)
    h = (h + _position(coords, h.shape[1])).to(dtype)
    for i in range(_count(w, "blocks")):
        h = _window_block(w, f"blocks.{i}", heads, coords, window, window // 2 * (i % 2), h)
    for i, finer in enumerate(levels[1:]):
        h = _subdivide_block(w, f"upsample.{i}", groups, finer, h)
    return _linear(w, "out_layer", h.to(slat.dtype))


def _flow_blocks(w: Weights, heads: int, x: Tensor, e: Tensor, cond: Tensor) -> Tensor:
    """`x [1, T, C]`, `e [1, C]`, `cond [1, N, ctx]`."""
    for i in range(_count(w, "blocks")):
        path = f"blocks.{i}"
        modulation = _linear(w, f"{path}.adaLN_modulation.1", F.silu(e))[:, None]
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation.chunk(6, dim=-1)
        h = _layer_norm(x) * (1 + scale1) + shift1
        x = x + gate1 * _self_attention(w, f"{path}.self_attn", heads, h)
        h = _affine_norm(w, f"{path}.norm2", x)
        x = x + _cross_attention(w, f"{path}.cross_attn", heads, h, cond)
        h = _layer_norm(x) * (1 + scale2) + shift2
        x = x + gate2 * _feed_forward(w, path, h)
    return x


def _self_attention(w: Weights, path: str, heads: int, x: Tensor) -> Tensor:
    q, k, v = torch.unflatten(_linear(w, f"{path}.to_qkv", x), -1, (3, heads, -1)).unbind(2)
    if f"{path}.q_rms_norm.gamma" in w:
        q, k = _rms_norm(w, f"{path}.q_rms_norm", q), _rms_norm(w, f"{path}.k_rms_norm", k)
    return _linear(w, f"{path}.to_out", _attend(q, k, v))


def _cross_attention(w: Weights, path: str, heads: int, x: Tensor, cond: Tensor) -> Tensor:
    q = torch.unflatten(_linear(w, f"{path}.to_q", x), -1, (heads, -1))
    k, v = torch.unflatten(_linear(w, f"{path}.to_kv", cond), -1, (2, heads, -1)).unbind(2)
    if f"{path}.q_rms_norm.gamma" in w:
        q, k = _rms_norm(w, f"{path}.q_rms_norm", q), _rms_norm(w, f"{path}.k_rms_norm", k)
    return _linear(w, f"{path}.to_out", _attend(q, k, v))


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`[1, T, H, D]` -> `[1, T, C]`."""
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def _window_block(
    w: Weights, path: str, heads: int, coords: Tensor, window: int, shift: int, x: Tensor
) -> Tensor:
    qkv = _linear(w, f"{path}.attn.to_qkv", _layer_norm(x))
    q, k, v = torch.unflatten(qkv, -1, (3, heads, -1)).unbind(1)  # [L, H, D]
    ids = (coords + shift) // window
    key = (ids[:, 0] * 1024 + ids[:, 1]) * 1024 + ids[:, 2]
    order = torch.argsort(key, stable=True)
    _, population = torch.unique_consecutive(key[order], return_counts=True)
    attended = torch.empty_like(x)
    for rows in torch.split(order, population.tolist()):
        attended[rows] = _attend(q[rows][None], k[rows][None], v[rows][None])[0]
    x = x + _linear(w, f"{path}.attn.to_out", attended)
    return x + _feed_forward(w, path, _layer_norm(x))


def _feed_forward(w: Weights, path: str, x: Tensor) -> Tensor:
    hidden = F.gelu(_linear(w, f"{path}.mlp.mlp.0", x), approximate="tanh")
    return _linear(w, f"{path}.mlp.mlp.2", hidden)


def _res_block(w: Weights, path: str, v: Voxels, x: Tensor, e: Tensor) -> Tensor:
    h = _sparse_conv(w, f"{path}.conv1", v, F.silu(_affine_norm(w, f"{path}.norm1", x)))
    scale, shift = _linear(w, f"{path}.emb_layers.1", F.silu(e)).chunk(2, dim=-1)
    h = _sparse_conv(w, f"{path}.conv2", v, F.silu(_layer_norm(h) * (1 + scale) + shift))
    return h + (_linear(w, f"{path}.skip_connection", x) if h.shape != x.shape else x)


def _subdivide_block(w: Weights, path: str, groups: int, finer: Voxels, x: Tensor) -> Tensor:
    h = F.silu(_group_norm(w, f"{path}.act_layers.0", groups, x)).repeat_interleave(8, dim=0)
    h = _sparse_conv(w, f"{path}.out_layers.0", finer, h)
    h = F.silu(_group_norm(w, f"{path}.out_layers.1", groups, h))
    h = _sparse_conv(w, f"{path}.out_layers.3", finer, h)
    skip = w[f"{path}.skip_connection.conv.weight"]  # read as [in, out], as spconv does
    wide = x.repeat_interleave(8, dim=0) @ skip.reshape(x.shape[1], -1)
    return h + wide + w[f"{path}.skip_connection.conv.bias"]


def _sparse_conv(w: Weights, path: str, v: Voxels, x: Tensor) -> Tensor:
    taps = w[f"{path}.conv.weight"].flatten(1, 3)  # [out, 27, in]
    out = w[f"{path}.conv.bias"].repeat(len(x), 1)
    for tap, (source, target) in enumerate(v.pairs):
        sums = torch.addmm(out.index_select(0, target), x.index_select(0, source), taps[:, tap].T)
        out.index_copy_(0, target, sums)
    return out


def _dense_res_block(w: Weights, path: str, x: Tensor) -> Tensor:
    h = _conv3(w, f"{path}.conv1", F.silu(_channel_norm(w, f"{path}.norm1", x)))
    return x + _conv3(w, f"{path}.conv2", F.silu(_channel_norm(w, f"{path}.norm2", h)))


def _conv3(w: Weights, path: str, x: Tensor) -> Tensor:
    return F.conv3d(x, w[f"{path}.weight"], w[f"{path}.bias"], padding=1)


def _linear(w: Weights, path: str, x: Tensor) -> Tensor:
    return F.linear(x, w[f"{path}.weight"], w[f"{path}.bias"])


def _layer_norm(x: Tensor) -> Tensor:
    return F.layer_norm(x.float(), x.shape[-1:], eps=1e-6).to(x.dtype)


def _affine_norm(w: Weights, path: str, x: Tensor) -> Tensor:
    weight, bias = w[f"{path}.weight"], w[f"{path}.bias"]
    return F.layer_norm(x.float(), x.shape[-1:], weight, bias, 1e-6).to(x.dtype)


def _channel_norm(w: Weights, path: str, x: Tensor) -> Tensor:
    weight, bias = w[f"{path}.weight"], w[f"{path}.bias"]
    h = F.layer_norm(x.movedim(1, -1).float(), x.shape[1:2], weight, bias, 1e-5)
    return h.movedim(-1, 1).to(x.dtype)


def _group_norm(w: Weights, path: str, groups: int, x: Tensor) -> Tensor:
    weight, bias = w[f"{path}.weight"], w[f"{path}.bias"]
    return F.group_norm(x.float().T[None], groups, weight, bias)[0].T.to(x.dtype)


def _rms_norm(w: Weights, path: str, x: Tensor) -> Tensor:
    unit = F.normalize(x.float(), dim=-1)
    return (unit * w[f"{path}.gamma"] * math.sqrt(x.shape[-1])).to(x.dtype)


def _time(w: Weights, time: Tensor) -> Tensor:
    """Model time `[1]` -> `[1, C]` float32."""
    frequencies = 10000.0 ** (-torch.arange(128, device=time.device) / 128)
    angles = time[:, None] * frequencies
    h = _linear(w, "t_embedder.mlp.0", torch.cat([angles.cos(), angles.sin()], dim=-1))
    return _linear(w, "t_embedder.mlp.2", F.silu(h))


def _position(coords: Tensor, channels: int) -> Tensor:
    """`[T, 3]` -> `[T, C]` float32: per axis sines, then cosines, zeros behind."""
    k = channels // 6
    angles = coords[..., None] * 10000.0 ** (-torch.arange(k, device=coords.device) / k)
    table = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return F.pad(table, (0, channels - table.shape[1]))


def _count(w: Weights, container: str) -> int:
    """Number of layers in a container."""
    prefix = container + "."
    return 1 + max(int(key.split(".")[1]) for key in w if key.startswith(prefix))
