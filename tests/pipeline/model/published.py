"""Facts about the published TRELLIS checkpoints: arguments, counts, and every key with its shape.

Counts and bytes are those of the published files; keys and shapes are written out from the
description of each architecture, not from our modules. `f16` marks what the files hold in float16.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from pipeline.model.gaussians import SLatGaussianDecoder
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.radiance_field import SLatRadianceFieldDecoder
from pipeline.model.slat import SLatEncoder, SLatFlowModel
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureEncoder,
    SparseStructureFlowModel,
)

Args = Mapping[str, object]
Keys = dict[str, tuple[tuple[int, ...], str]]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """parameters, buffers: numbers of elements; size_bytes: of all tensors."""

    name: str
    kind: type[nn.Module]
    args: Args
    parameters: int
    buffers: int
    key_count: int
    size_bytes: int
    keys: Keys


def _linear(path: str, out: int, into: int, dtype: str) -> Keys:
    return {f"{path}.weight": ((out, into), dtype), f"{path}.bias": ((out,), dtype)}


def _norm(path: str, width: int) -> Keys:
    return {f"{path}.weight": ((width,), "f32"), f"{path}.bias": ((width,), "f32")}


def _conv(path: str, out: int, into: int, dtype: str, side: int = 3) -> Keys:
    shape = (out, into, side, side, side)
    return {f"{path}.weight": (shape, dtype), f"{path}.bias": ((out,), dtype)}


def _sparse_conv(path: str, out: int, into: int, side: int = 3) -> Keys:
    shape = (out, side, side, side, into)
    return {f"{path}.conv.weight": (shape, "f16"), f"{path}.conv.bias": ((out,), "f16")}


def _time(width: int) -> Keys:
    return _linear("t_embedder.mlp.0", width, 256, "f32") | _linear(
        "t_embedder.mlp.2", width, width, "f32"
    )


def _flow_blocks(count: int, c: int, ctx: int, heads: int, *, cross_norm: bool) -> Keys:
    keys: Keys = {}
    for i in range(count):
        b = f"blocks.{i}"
        keys |= _norm(f"{b}.norm2", c)
        for kind in ["self_attn", *(["cross_attn"] if cross_norm else [])]:
            for which in "qk":
                keys[f"{b}.{kind}.{which}_rms_norm.gamma"] = ((heads, c // heads), "f32")
        keys |= _linear(f"{b}.self_attn.to_qkv", 3 * c, c, "f16")
        keys |= _linear(f"{b}.self_attn.to_out", c, c, "f16")
        keys |= _linear(f"{b}.cross_attn.to_q", c, c, "f16")
        keys |= _linear(f"{b}.cross_attn.to_kv", 2 * c, ctx, "f16")
        keys |= _linear(f"{b}.cross_attn.to_out", c, c, "f16")
        keys |= _linear(f"{b}.mlp.mlp.0", 4 * c, c, "f16")
        keys |= _linear(f"{b}.mlp.mlp.2", c, 4 * c, "f16")
        keys |= _linear(f"{b}.adaLN_modulation.1", 6 * c, c, "f16")
    return keys


def _structure_flow(
    name: str, c: int, ctx: int, blocks: int, *, cross_norm: bool, counts: tuple[int, int, int, int]
) -> Checkpoint:
    keys = _time(c) | _linear("input_layer", c, 8, "f32") | _linear("out_layer", 8, c, "f32")
    keys["pos_emb"] = ((4096, c), "f32")
    heads = 12 if c == 768 else 16
    keys |= _flow_blocks(blocks, c, ctx, heads, cross_norm=cross_norm)
    args = {
        "resolution": 16, "in_channels": 8, "out_channels": 8, "model_channels": c,
        "cond_channels": ctx, "num_blocks": blocks, "num_heads": heads, "mlp_ratio": 4,
        "patch_size": 1, "pe_mode": "ape", "qk_rms_norm": True, "use_fp16": True,
        **({"qk_rms_norm_cross": True} if cross_norm else {}),
    }  # fmt: skip
    return _checkpoint(name, SparseStructureFlowModel, args, counts, keys)


def _slat_flow(
    name: str,
    c: int,
    ctx: int,
    blocks: int,
    io: int,
    io_blocks: int,
    counts: tuple[int, int, int, int],
) -> Checkpoint:
    def res_block(path: str, out: int, into: int) -> Keys:
        keys = _norm(f"{path}.norm1", into)
        keys |= _sparse_conv(f"{path}.conv1", out, into) | _sparse_conv(f"{path}.conv2", out, out)
        keys |= _linear(f"{path}.emb_layers.1", 2 * out, c, "f16")
        return keys | (_linear(f"{path}.skip_connection", out, into, "f16") if out != into else {})

    heads = 12 if c == 768 else 16
    keys = _time(c) | _linear("input_layer", io, 8, "f32") | _linear("out_layer", 8, io, "f32")
    for i in range(io_blocks - 1):
        keys |= res_block(f"input_blocks.{i}", io, io)
    keys |= res_block(f"input_blocks.{io_blocks - 1}", c, io)
    keys |= _flow_blocks(blocks, c, ctx, heads, cross_norm=False)
    keys |= res_block("out_blocks.0", io, 2 * c)
    for i in range(1, io_blocks):
        keys |= res_block(f"out_blocks.{i}", io, 2 * io)
    args = {
        "resolution": 64, "in_channels": 8, "out_channels": 8, "model_channels": c,
        "cond_channels": ctx, "num_blocks": blocks, "num_heads": heads, "mlp_ratio": 4,
        "patch_size": 2, "num_io_res_blocks": io_blocks, "io_block_channels": [io],
        "pe_mode": "ape", "qk_rms_norm": True, "use_fp16": True,
    }  # fmt: skip
    return _checkpoint(name, SLatFlowModel, args, counts, keys)


def _dense_res_block(path: str, width: int) -> Keys:
    keys = _norm(f"{path}.norm1", width) | _norm(f"{path}.norm2", width)
    return (
        keys
        | _conv(f"{path}.conv1", width, width, "f16")
        | _conv(f"{path}.conv2", width, width, "f16")
    )


def _structure_encoder() -> Checkpoint:
    keys = _conv("input_layer", 32, 1, "f32")
    for i, width in {0: 32, 1: 32, 3: 128, 4: 128, 6: 512, 7: 512}.items():
        keys |= _dense_res_block(f"blocks.{i}", width)
    keys |= _conv("blocks.2.conv", 128, 32, "f16", 2) | _conv("blocks.5.conv", 512, 128, "f16", 2)
    keys |= _dense_res_block("middle_block.0", 512) | _dense_res_block("middle_block.1", 512)
    keys |= _norm("out_layer.0", 512) | _conv("out_layer.2", 16, 512, "f32")
    args = {
        "in_channels": 1, "latent_channels": 8, "num_res_blocks": 2, "num_res_blocks_middle": 2,
        "channels": [32, 128, 512], "norm_type": "layer", "use_fp16": True,
    }  # fmt: skip
    counts = (59_298_192, 0, 74, 119_061_568)
    return _checkpoint("ss_enc_conv3d_16l8", SparseStructureEncoder, args, counts, keys)


def _structure_decoder() -> Checkpoint:
    keys = _conv("input_layer", 512, 8, "f32")
    keys |= _dense_res_block("middle_block.0", 512) | _dense_res_block("middle_block.1", 512)
    for i, width in {0: 512, 1: 512, 3: 128, 4: 128, 6: 32, 7: 32}.items():
        keys |= _dense_res_block(f"blocks.{i}", width)
    keys |= _conv("blocks.2.conv", 1024, 512, "f16") | _conv("blocks.5.conv", 256, 128, "f16")
    keys |= _norm("out_layer.0", 32) | _conv("out_layer.2", 1, 32, "f32")
    args = {
        "out_channels": 1, "latent_channels": 8, "num_res_blocks": 2, "num_res_blocks_middle": 2,
        "channels": [512, 128, 32], "norm_type": "layer", "use_fp16": True,
    }  # fmt: skip
    counts = (73_671_201, 0, 74, 147_585_412)
    return _checkpoint("ss_dec_conv3d_16l8", SparseStructureDecoder, args, counts, keys)


def _swin(into: int, head: tuple[int, int]) -> Keys:
    keys = _linear("input_layer", 768, into, "f32") | _linear("out_layer", *head, "f32")
    for i in range(12):
        keys |= _linear(f"blocks.{i}.attn.to_qkv", 2304, 768, "f16")
        keys |= _linear(f"blocks.{i}.attn.to_out", 768, 768, "f16")
        keys |= _linear(f"blocks.{i}.mlp.mlp.0", 3072, 768, "f16")
        keys |= _linear(f"blocks.{i}.mlp.mlp.2", 768, 3072, "f16")
    return keys


_SWIN_ARGS: Args = {
    "resolution": 64, "model_channels": 768, "latent_channels": 8, "num_blocks": 12,
    "num_heads": 12, "mlp_ratio": 4, "attn_mode": "swin", "window_size": 8, "use_fp16": True,
}  # fmt: skip


def _slat_encoder() -> Checkpoint:
    args = {**_SWIN_ARGS, "in_channels": 1024}
    counts = (85_817_104, 0, 100, 173_233_216)
    return _checkpoint("slat_enc_swin8_B_64l8", SLatEncoder, args, counts, _swin(1024, (16, 768)))


def _mesh_decoder() -> Checkpoint:
    keys = _swin(8, (101, 96))
    for u, (into, out) in enumerate([(768, 192), (192, 96)]):
        keys |= _norm(f"upsample.{u}.act_layers.0", into)
        keys |= _sparse_conv(f"upsample.{u}.out_layers.0", out, into)
        keys |= _norm(f"upsample.{u}.out_layers.1", out)
        keys |= _sparse_conv(f"upsample.{u}.out_layers.3", out, out)
        keys |= _sparse_conv(f"upsample.{u}.skip_connection", out, into, 1)
    args = {**_SWIN_ARGS, "representation_config": {"use_color": True}}
    counts = (90_926_693, 0, 120, 181_891_796)
    return _checkpoint("slat_dec_mesh_swin8_B_64l8m256c", SLatMeshDecoder, args, counts, keys)


def _gaussian_decoder() -> Checkpoint:
    keys = _swin(8, (448, 768)) | {"offset_perturbation": ((32, 3), "f32")}
    representation = {
        "lr": {"_xyz": 1.0, "_features_dc": 1.0, "_opacity": 1.0, "_scaling": 1.0,
               "_rotation": 0.1},
        "perturb_offset": True, "voxel_size": 1.5, "num_gaussians": 32,
        "2d_filter_kernel_size": 0.1, "3d_filter_kernel_size": 9e-4, "scaling_bias": 4e-3,
        "opacity_bias": 0.1, "scaling_activation": "softplus",
    }  # fmt: skip
    args = {**_SWIN_ARGS, "representation_config": representation}
    counts = (85_369_024, 96, 101, 171_441_280)
    return _checkpoint("slat_dec_gs_swin8_B_64l8gs32", SLatGaussianDecoder, args, counts, keys)


def _radiance_field_decoder() -> Checkpoint:
    args = {**_SWIN_ARGS, "representation_config": {"rank": 16, "dim": 8}}
    counts = (85_369_024, 0, 100, 171_440_896)
    return _checkpoint(
        "slat_dec_rf_swin8_B_64l8r16", SLatRadianceFieldDecoder, args, counts,
        _swin(8, (448, 768)),
    )  # fmt: skip


def _checkpoint(
    name: str, kind: type[nn.Module], args: Args, counts: tuple[int, int, int, int], keys: Keys
) -> Checkpoint:
    parameters, buffers, key_count, size_bytes = counts
    return Checkpoint(
        name=name, kind=kind, args=args, parameters=parameters, buffers=buffers,
        key_count=key_count, size_bytes=size_bytes, keys=keys,
    )  # fmt: skip


CHECKPOINTS = (
    _structure_encoder(),
    _structure_decoder(),
    _slat_encoder(),
    _mesh_decoder(),
    _gaussian_decoder(),
    _radiance_field_decoder(),
    _structure_flow("ss_flow_img_dit_L_16l8", 1024, 1024, 24, cross_norm=False,
                    counts=(555_543_560, 4_194_304, 489, 1_130_721_312)),
    _structure_flow("ss_flow_txt_dit_B_16l8", 768, 768, 12, cross_norm=False,
                    counts=(156_726_536, 3_145_728, 249, 327_711_776)),
    _structure_flow("ss_flow_txt_dit_L_16l8", 1024, 768, 24, cross_norm=False,
                    counts=(542_960_648, 4_194_304, 489, 1_105_555_488)),
    _structure_flow("ss_flow_txt_dit_XL_16l8", 1280, 768, 28, cross_norm=True,
                    counts=(975_440_648, 5_242_880, 625, 1_976_263_712)),
    _slat_flow("slat_flow_img_dit_L_64l8p2", 1024, 1024, 24, 128, 2,
               (600_432_520, 0, 526, 1_203_701_792)),
    _slat_flow("slat_flow_txt_dit_B_64l8p2", 768, 768, 12, 128, 2,
               (185_364_616, 0, 286, 372_391_456)),
    _slat_flow("slat_flow_txt_dit_L_64l8p2", 1024, 768, 24, 128, 2,
               (587_849_608, 0, 526, 1_178_535_968)),
    _slat_flow("slat_flow_txt_dit_XL_64l8p2", 1280, 768, 28, 256, 3,
               (1_073_414_408, 0, 624, 2_151_078_944)),
)  # fmt: skip
