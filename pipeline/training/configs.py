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
RADIANCE_FIELD_DECODER: Args = {
    "resolution": 32,
    "model_channels": 64,
    "latent_channels": 8,
    "num_blocks": 1,
    "num_heads": 4,
    "mlp_ratio": 2,
    "attn_mode": "swin",
    "window_size": 8,
    "use_fp16": True,
    "representation_config": {"rank": 8, "dim": 8},
}
GAUSSIAN_DECODER: Args = {
    "resolution": 32,
    "model_channels": 48,
    "latent_channels": 8,
    "num_blocks": 2,
    "num_heads": 3,
    "mlp_ratio": 3,
    "attn_mode": "swin",
    "window_size": 8,
    "use_fp16": True,
    "representation_config": {
        "lr": {
            "_xyz": 1.0,
            "_features_dc": 1.0,
            "_opacity": 1.0,
            "_scaling": 1.0,
            "_rotation": 0.1,
        },
        "perturb_offset": True,
        "voxel_size": 1.5,
        "num_gaussians": 8,
        "2d_filter_kernel_size": 0.1,
        "3d_filter_kernel_size": 9e-4,
        "scaling_bias": 1e-2,
        "opacity_bias": 0.1,
        "scaling_activation": "softplus",
    },
}
