"""A model folder in the published layout with tiny random weights: it runs in milliseconds.

The weights are random but for the two last layers that decide about shape: the structure decoder
leaves the grid's outermost voxels inactive and activates all others, the mesh decoder says
"inside" everywhere. So every sample is a block with random dents and colors.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.load import LoadedModels, load_models
from pipeline.model.condition.minilm import TEXT_TOKENS
from pipeline.model.condition.small_vit import ImageEncoder
from pipeline.model.gaussians import SLatGaussianDecoder
from pipeline.model.load_options import LoadOptions
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.models import Models
from pipeline.model.radiance_field import SLatRadianceFieldDecoder
from pipeline.model.slat import SLatEncoder, SLatFlowModel
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureEncoder,
    SparseStructureFlowModel,
)
from pipeline.model.weights import build

M = TypeVar("M", bound=nn.Module)

SIDE = 4  # voxels per side; the active block is half of it
PICTURE_PX = 16
CHANNELS = 3  # of a SLAT
CONDITION_CHANNELS = 384  # the text encoder's

Args = Mapping[str, object]
STRUCTURE_FLOW: Args = {
    "resolution": 2, "in_channels": 4, "out_channels": 4, "model_channels": 16,
    "cond_channels": CONDITION_CHANNELS, "num_blocks": 1, "num_heads": 2, "mlp_ratio": 2,
    "patch_size": 1, "pe_mode": "ape", "qk_rms_norm": True, "use_fp16": True,
}  # fmt: skip
STRUCTURE_DECODER: Args = {
    "out_channels": 1, "latent_channels": 4, "num_res_blocks": 1, "num_res_blocks_middle": 1,
    "channels": [8, 8], "norm_type": "layer", "use_fp16": True,
}  # fmt: skip
SLAT_FLOW: Args = {
    "resolution": SIDE, "in_channels": CHANNELS, "out_channels": CHANNELS, "model_channels": 16,
    "cond_channels": CONDITION_CHANNELS, "num_blocks": 1, "num_heads": 2, "mlp_ratio": 2,
    "patch_size": 2, "num_io_res_blocks": 2, "io_block_channels": [8], "pe_mode": "ape",
    "qk_rms_norm": True, "use_fp16": True,
}  # fmt: skip
MESH_DECODER: Args = {
    "resolution": SIDE, "model_channels": 16, "latent_channels": CHANNELS, "num_blocks": 2,
    "num_heads": 2, "mlp_ratio": 2, "attn_mode": "swin", "window_size": 2, "norm_groups": 2,
    "representation_config": {"use_color": True}, "use_fp16": True,
}  # fmt: skip
GAUSSIAN_DECODER: Args = {
    "resolution": SIDE, "model_channels": 16, "latent_channels": CHANNELS, "num_blocks": 1,
    "num_heads": 2, "mlp_ratio": 2, "attn_mode": "swin", "window_size": 2, "use_fp16": True,
    "representation_config": {
        "lr": {"_xyz": 1.0, "_features_dc": 1.0, "_opacity": 1.0, "_scaling": 1.0,
               "_rotation": 0.1},
        "perturb_offset": True, "voxel_size": 1.5, "num_gaussians": 4,
        "2d_filter_kernel_size": 0.1, "3d_filter_kernel_size": 9e-4, "scaling_bias": 4e-2,
        "opacity_bias": 0.1, "scaling_activation": "softplus",
    },
}  # fmt: skip
RADIANCE_FIELD_DECODER: Args = {
    **{k: v for k, v in GAUSSIAN_DECODER.items() if k != "representation_config"},
    "representation_config": {"rank": 2, "dim": 2},
}
STRUCTURE_ENCODER: Args = {
    "in_channels": 1, "latent_channels": 4, "num_res_blocks": 1, "num_res_blocks_middle": 1,
    "channels": [8, 8], "norm_type": "layer", "use_fp16": True,
}  # fmt: skip
SLAT_ENCODER: Args = {
    "resolution": SIDE, "in_channels": 500, "model_channels": 16, "latent_channels": CHANNELS,
    "num_blocks": 1, "num_heads": 2, "mlp_ratio": 2, "attn_mode": "swin", "window_size": 2,
    "use_fp16": True,
}  # fmt: skip
IMAGE_ENCODER: Args = {
    "image_size": PICTURE_PX, "patch_size": 8, "model_channels": 16,
    "cond_channels": CONDITION_CHANNELS, "num_blocks": 1, "num_heads": 2,
}  # fmt: skip
SAMPLER = {
    "name": "FlowEulerGuidanceIntervalSampler",
    "args": {"sigma_min": 1e-5},
    "params": {"steps": 3, "cfg_strength": 2.0, "cfg_interval": [0.5, 1.0], "rescale_t": 3.0},
}


def write_tiny_model(
    folder: Path, *, text: bool = False, active: bool = True, inside: bool = True
) -> Path:
    """Write the folder and return it.

    Args:
        folder: Where; need not exist.
        text: Whether it names the text encoder, which takes seconds to load.
        active: Otherwise no voxel is active.
        inside: Otherwise the field is outside everywhere.
    """
    checkpoints = folder / "ckpts"
    checkpoints.mkdir(parents=True)
    torch.manual_seed(0)
    decoder = randomized(build(SparseStructureDecoder, STRUCTURE_DECODER))
    mesh_decoder = randomized(build(SLatMeshDecoder, MESH_DECODER))
    with torch.no_grad():
        norm, _, last = decoder.out_layer
        assert isinstance(norm, nn.LayerNorm)
        assert isinstance(last, nn.Conv3d)
        assert last.bias is not None
        norm.weight.zero_()
        norm.bias.fill_(1.0)
        # Every voxel hands on the same, so a logit counts neighbours: 27, or 18 at most at a side.
        last.weight.fill_(1 / (8 * torch.nn.functional.silu(torch.tensor(1.0))))
        last.bias.fill_(-22.5 if active else -100.0)
        mesh_decoder.out_layer.weight[:8] *= 0.02
        mesh_decoder.out_layer.bias[:8] = -0.5 if inside else 1.5
    models = {
        "sparse_structure_flow_model": ("ss_flow", STRUCTURE_FLOW,
                                        randomized(build(SparseStructureFlowModel,
                                                         STRUCTURE_FLOW))),
        "sparse_structure_decoder": ("ss_dec", STRUCTURE_DECODER, decoder),
        "slat_flow_model": ("slat_flow", SLAT_FLOW, randomized(build(SLatFlowModel, SLAT_FLOW))),
        "slat_decoder_mesh": ("slat_dec_mesh", MESH_DECODER, mesh_decoder),
        "slat_decoder_gs": ("slat_dec_gs", GAUSSIAN_DECODER,
                            randomized(build(SLatGaussianDecoder, GAUSSIAN_DECODER))),
        "slat_decoder_rf": ("slat_dec_rf", RADIANCE_FIELD_DECODER,
                            randomized(build(SLatRadianceFieldDecoder, RADIANCE_FIELD_DECODER))),
        "sparse_structure_encoder": ("ss_enc", STRUCTURE_ENCODER,
                                     randomized(build(SparseStructureEncoder, STRUCTURE_ENCODER))),
        "slat_encoder": ("slat_enc", SLAT_ENCODER, randomized(build(SLatEncoder, SLAT_ENCODER))),
        "image": ("image_cond", IMAGE_ENCODER, randomized(build(ImageEncoder, IMAGE_ENCODER))),
    }  # fmt: skip
    for name, args, model in models.values():
        save_file(model.state_dict(), checkpoints / f"{name}.safetensors")
        config = {"name": type(model).__name__, "args": args}
        (checkpoints / f"{name}.json").write_text(json.dumps(config))
    image = f"ckpts/{models.pop('image')[0]}"
    content = {
        "name": "TrellisTextTo3DPipeline",
        "args": {
            "model_name": "tiny-random",
            "license": "MIT",
            "slat_features": "field",
            "models": {key: f"ckpts/{name}" for key, (name, _, _) in models.items()},
            "sparse_structure_sampler": SAMPLER,
            "slat_sampler": SAMPLER,
            "slat_normalization": {"mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 3.0]},
            "text_cond_model": "all-MiniLM-L6-v2" if text else None,
            "image_cond_model": image,
        },
    }
    (folder / "pipeline.json").write_text(json.dumps(content))
    return folder


def load_tiny(folder: Path, *, with_encoders: bool = False) -> Models:
    """Load the folder as any other; texts go through `LetterEncoder`."""
    options = LoadOptions(models=(str(folder),), home=str(folder.parent / "home"), device="cpu")
    (models,) = load_models(options, with_encoders=with_encoders).models
    facts = replace(models.facts, takes=("prompt", "image"))
    return replace(models, facts=facts, text_encoder=LetterEncoder())


def only(models: Models) -> LoadedModels:
    """What a generator has that has loaded nothing else."""
    return LoadedModels(models=(models,), device_in_words="cpu", backends={})


def randomized(model: M) -> M:
    """Give the layers that start at zero a say too."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1 and not parameter.any():
                parameter.normal_(std=0.1)
    return model


class LetterEncoder:
    """Stands in for the text encoder: tokens are numbers made from letters."""

    token_count = TEXT_TOKENS

    def __call__(self, texts: Sequence[str]) -> Tensor:
        tokens = torch.zeros(len(texts), TEXT_TOKENS, CONDITION_CHANNELS)
        for row, text in enumerate(texts):
            for column, letter in enumerate(text[:TEXT_TOKENS]):
                tokens[row, column] = torch.sin(torch.arange(CONDITION_CHANNELS) * ord(letter))
        return tokens

    def fits(self, text: str) -> bool:
        return len(text) <= TEXT_TOKENS
