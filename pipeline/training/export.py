"""Finished runs -> a model folder in the published format, float16."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.model.gaussians import SLatGaussianDecoder
from pipeline.model.radiance_field import SLatRadianceFieldDecoder
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse_structure import SparseStructureFlowModel
from pipeline.model.weights import build
from pipeline.training import configs
from pipeline.training.pictures import load_encoder
from pipeline.training.slat import SLatVae
from pipeline.training.structure import StructureVae

# Few steps: on the two prompts tried, 25 SLAT steps looked like 12.
STRUCTURE_SAMPLER = {
    "steps": 20,
    "cfg_strength": 3.0,
    "cfg_interval": [0.5, 1.0],
    "rescale_t": 3.0,
}
SLAT_SAMPLER = {**STRUCTURE_SAMPLER, "steps": 12}


def write_starter(runs: Path, out: Path) -> None:
    """Write `pipeline.json` and `ckpts/` from the averaged weights in `runs`."""
    structure_vae, slat_vae = StructureVae(), SLatVae()
    structure_flow = build(SparseStructureFlowModel, configs.STRUCTURE_FLOW)
    slat_flow = build(SLatFlowModel, configs.SLAT_FLOW)
    gaussian_decoder = build(SLatGaussianDecoder, configs.GAUSSIAN_DECODER)
    field_decoder = build(SLatRadianceFieldDecoder, configs.RADIANCE_FIELD_DECODER)
    for model, name in [
        (structure_vae, "structure_vae"),
        (structure_flow, "structure_flow"),
        (slat_vae, "slat_vae"),
        (slat_flow, "slat_flow"),
        (gaussian_decoder, "slat_gaussians"),
        (field_decoder, "slat_radiance_field"),
    ]:
        state = torch.load(runs / f"{name}.pt", weights_only=True)
        model.load_state_dict(state["average"])
    decoder = torch.load(runs / "slat_decoder.pt", weights_only=True)
    slat_vae.decoder.load_state_dict(decoder["average"])
    scale = torch.load(runs / "structure_scale.pt", weights_only=True)["scale"]
    _absorb_scale(structure_vae, scale)
    statistics = torch.load(runs / "slat_statistics.pt", weights_only=True)

    checkpoints = out / "ckpts"
    checkpoints.mkdir(parents=True, exist_ok=True)
    _write(structure_vae.encoder, configs.STRUCTURE_ENCODER, checkpoints / "ss_enc")
    _write(structure_vae.decoder, configs.STRUCTURE_DECODER, checkpoints / "ss_dec")
    _write(structure_flow, configs.STRUCTURE_FLOW, checkpoints / "ss_flow")
    image_encoder = load_encoder(runs / "pictures.pt")
    _write(image_encoder, configs.IMAGE_ENCODER, checkpoints / "image_cond")
    _write(slat_vae.encoder, configs.SLAT_ENCODER, checkpoints / "slat_enc")
    _write(slat_vae.decoder, configs.MESH_DECODER, checkpoints / "slat_dec_mesh")
    _write(gaussian_decoder, configs.GAUSSIAN_DECODER, checkpoints / "slat_dec_gs")
    _write(field_decoder, configs.RADIANCE_FIELD_DECODER, checkpoints / "slat_dec_rf")
    _write(slat_flow, configs.SLAT_FLOW, checkpoints / "slat_flow")

    sampler = {"name": "FlowEulerGuidanceIntervalSampler", "args": {"sigma_min": 1e-5}}
    content = {
        "name": "LodsmithStarterPipeline",
        "args": {
            "model_name": "lodsmith-starter",
            "license": "MIT",
            "structure_closing": 1,
            "slat_features": "field",
            "models": {
                "sparse_structure_encoder": "ckpts/ss_enc",
                "sparse_structure_decoder": "ckpts/ss_dec",
                "sparse_structure_flow_model": "ckpts/ss_flow",
                "slat_encoder": "ckpts/slat_enc",
                "slat_decoder_mesh": "ckpts/slat_dec_mesh",
                "slat_decoder_gs": "ckpts/slat_dec_gs",
                "slat_decoder_rf": "ckpts/slat_dec_rf",
                "slat_flow_model": "ckpts/slat_flow",
            },
            "sparse_structure_sampler": {**sampler, "params": STRUCTURE_SAMPLER},
            "slat_sampler": {**sampler, "params": SLAT_SAMPLER},
            "slat_normalization": {
                "mean": statistics["mean"].tolist(),
                "std": statistics["std"].tolist(),
            },
            "text_cond_model": "all-MiniLM-L6-v2",
            "image_cond_model": "ckpts/image_cond",
        },
    }
    (out / "pipeline.json").write_text(json.dumps(content, indent=2) + "\n", "utf-8")


@torch.no_grad()
def _absorb_scale(vae: StructureVae, scale: float) -> None:
    """Make the latent unit scale: the encoder divides, the decoder multiplies."""
    out, first = vae.encoder.out_layer[2], vae.decoder.input_layer
    assert isinstance(out, nn.Conv3d)
    assert out.bias is not None
    mean_channels = out.out_channels // 2
    out.weight[:mean_channels] /= scale
    out.bias[:mean_channels] /= scale
    first.weight *= scale


def _write(model: nn.Module, args: configs.Args, path: Path) -> None:
    tensors = {
        key: value.half().contiguous() if value.is_floating_point() else value.contiguous()
        for key, value in model.state_dict().items()
    }
    save_file(tensors, path.with_name(path.name + ".safetensors"))
    config = {"name": type(model).__name__, "args": dict(args)}
    path.with_name(path.name + ".json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
