"""The starter model's sizes: the arguments written beside each checkpoint."""

from collections.abc import Mapping

Args = Mapping[str, object]

STRUCTURE_ENCODER: Args = {
    "in_channels": 1,
    "latent_channels": 8,
    "num_res_blocks": 1,
    "num_res_blocks_middle": 1,
    "channels": [16, 32, 96],
    "use_fp16": True,
}
STRUCTURE_DECODER: Args = {
    "out_channels": 1,
    "latent_channels": 8,
    "num_res_blocks": 1,
    "num_res_blocks_middle": 1,
    "channels": [96, 32, 16],
    "use_fp16": True,
}
STRUCTURE_FLOW: Args = {
    "resolution": 8,
    "in_channels": 8,
    "out_channels": 8,
    "model_channels": 256,
    "cond_channels": 384,
    "num_blocks": 5,
    "num_heads": 8,
    "mlp_ratio": 4,
    "patch_size": 2,
    "pe_mode": "ape",
    "qk_rms_norm": True,
    "use_fp16": True,
}
SLAT_ENCODER: Args = {
    "resolution": 32,
    "in_channels": 500,
    "model_channels": 128,
    "latent_channels": 8,
    "num_blocks": 2,
    "num_heads": 4,
    "mlp_ratio": 4,
    "attn_mode": "swin",
    "window_size": 8,
    "use_fp16": True,
}
MESH_DECODER: Args = {
    "resolution": 32,
    "model_channels": 128,
    "latent_channels": 8,
    "num_blocks": 3,
    "num_heads": 4,
    "mlp_ratio": 4,
    "attn_mode": "swin",
    "window_size": 8,
    "norm_groups": 8,
    "use_fp16": True,
    "representation_config": {"use_color": True},
}
SLAT_FLOW: Args = {
    "resolution": 32,
    "in_channels": 8,
    "out_channels": 8,
    "model_channels": 192,
    "cond_channels": 384,
    "num_blocks": 4,
    "num_heads": 6,
    "mlp_ratio": 4,
    "patch_size": 2,
    "num_io_res_blocks": 2,
    "io_block_channels": [64],
    "pe_mode": "ape",
    "qk_rms_norm": True,
    "use_fp16": True,
}
IMAGE_ENCODER: Args = {
    "image_size": 112,
    "patch_size": 14,
    "model_channels": 160,
    "cond_channels": 384,
    "num_blocks": 4,
    "num_heads": 4,
}
