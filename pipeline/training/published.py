"""How the published models were trained, as far as it is known: sizes, losses, loop.

Sizes are those of TRELLIS-image-large. Where the text models differ is said beside the values. Half
precision is bfloat16 by autocast here, where TRELLIS scaled float16 losses. Not taken over: the
perceptual losses of its SLAT VAE, which need the weights of another network.

Source: Xiang et al., Structured 3D Latents for Scalable and Versatile 3D Generation, 2024, and the
configurations published with it.
"""

from pipeline.training.configs import Args
from pipeline.training.loop import LoopOptions
from pipeline.training.slat import SlatLosses
from pipeline.training.structure import StructureLosses

LOOP = LoopOptions(
    steps=1_000_000,
    learning_rate=1e-4,
    schedule="constant",
    ema=0.9999,
    beta2=0.999,
    weight_decay=0.0,
    clip_percentile=95,
    warm_up_steps=1,
    log_every=500,
    save_every=10_000,
)
BATCH = 4  # of the VAEs, per GPU; the flows had 8 there, 256 in all

STRUCTURE_LOSSES = StructureLosses(dice=1.0, bce=0.0, kl=1e-3, mirrored=False)
SLAT_LOSSES = SlatLosses(color=1.0, kl=1e-6, anchor=0.0)

STRUCTURE_ENCODER: Args = {
    "in_channels": 1,
    "latent_channels": 8,
    "num_res_blocks": 2,
    "num_res_blocks_middle": 2,
    "channels": [32, 128, 512],
    "use_fp16": True,
}
STRUCTURE_DECODER: Args = {
    "out_channels": 1,
    "latent_channels": 8,
    "num_res_blocks": 2,
    "num_res_blocks_middle": 2,
    "channels": [512, 128, 32],
    "use_fp16": True,
}
# Text: cond_channels 768; base has 12 blocks of 768 with 12 heads, xlarge 28 of 1280 with 16 and
# qk_rms_norm_cross.
STRUCTURE_FLOW: Args = {
    "resolution": 16,
    "in_channels": 8,
    "out_channels": 8,
    "model_channels": 1024,
    "cond_channels": 1024,
    "num_blocks": 24,
    "num_heads": 16,
    "mlp_ratio": 4,
    "patch_size": 1,
    "pe_mode": "ape",
    "qk_rms_norm": True,
    "use_fp16": True,
}
SLAT_ENCODER: Args = {
    "resolution": 64,
    "in_channels": 1024,
    "model_channels": 768,
    "latent_channels": 8,
    "num_blocks": 12,
    "num_heads": 12,
    "mlp_ratio": 4,
    "attn_mode": "swin",
    "window_size": 8,
    "use_fp16": True,
}
MESH_DECODER: Args = {
    "resolution": 64,
    "model_channels": 768,
    "latent_channels": 8,
    "num_blocks": 12,
    "num_heads": 12,
    "mlp_ratio": 4,
    "attn_mode": "swin",
    "window_size": 8,
    "use_fp16": True,
    "representation_config": {"use_color": True},
}
# Text: as above; xlarge has three io blocks of 256 channels and no cross norms.
SLAT_FLOW: Args = {
    "resolution": 64,
    "in_channels": 8,
    "out_channels": 8,
    "model_channels": 1024,
    "cond_channels": 1024,
    "num_blocks": 24,
    "num_heads": 16,
    "mlp_ratio": 4,
    "patch_size": 2,
    "num_io_res_blocks": 2,
    "io_block_channels": [128],
    "pe_mode": "ape",
    "qk_rms_norm": True,
    "use_fp16": True,
}
