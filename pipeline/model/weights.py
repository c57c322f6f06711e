"""Checkpoint files -> modules, with names and hashes.

A model folder looks like a published one: `pipeline.json` names the models and the samplers,
`ckpts/<name>.json` holds a class name and its arguments, `ckpts/<name>.safetensors` the tensors.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from pipeline.errors import InvalidInput, ModelUnavailable
from pipeline.model.condition.encoder import TextEncoder
from pipeline.model.condition.minilm import MiniLmEncoder, minilm_folder
from pipeline.model.condition.small_vit import ImageEncoder, ImageEncoderParams
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.sampler import Sampler, SamplerOptions
from pipeline.model.slat import SLatEncoder, SLatFlowModel, SLatFlowParams, SwinParams
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureEncoder,
    SparseStructureFlowModel,
    StructureDecoderParams,
    StructureEncoderParams,
    StructureFlowParams,
)
from pipeline.model.torso import HasTorso

Json = Any  # what json.loads returns; every use below checks what it reads
M = TypeVar("M", bound=nn.Module)
P = TypeVar("P")

# Arguments of the published files that say nothing new: only one value was ever released.
_FIXED_ARGUMENTS: Mapping[str, Json] = {
    "pe_mode": "ape",
    "attn_mode": "swin",
    "norm_type": "layer",
    "representation_config": {"use_color": True},
}
_DEFAULTS: Mapping[str, Json] = {
    "qk_rms_norm": False,
    "qk_rms_norm_cross": False,
    "num_res_blocks_middle": 2,
    "mlp_ratio": 4,
    "window_size": 8,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Models:
    """A loaded model, ready to sample.

    name, license, digest: what goes into reports; digest is over all checkpoint files.
    slat_mean, slat_std: `[C]`, latent channel statistics; the flow works on normalized latents.
    structure_shape: channels and cells per side of the structure latent.
    structure_closing: see `close_gaps`; 0 in every published model.
    """

    name: str
    license: str
    digest: str
    device: str
    text_encoder: TextEncoder | None
    image_encoder: ImageEncoder | None
    structure_flow: SparseStructureFlowModel
    structure_shape: tuple[int, int, int, int]
    structure_closing: int
    structure_decoder: SparseStructureDecoder
    structure_sampler: Sampler
    slat_flow: SLatFlowModel
    slat_sampler: Sampler
    slat_mean: torch.Tensor
    slat_std: torch.Tensor
    mesh_decoder: SLatMeshDecoder


def load_models(folder: Path, device: str) -> Models:
    """Load everything that text or image to mesh needs.

    Args:
        folder: A model folder.
        device: A torch device. The torso runs in float16 on CUDA and in float32 on the CPU.

    Raises:
        ModelUnavailable: If a file is missing, cut short or does not fit; the message names it.
    """
    config = _read_json(folder / "pipeline.json")
    try:
        args = config["args"]
        models, norm = args["models"], args["slat_normalization"]
        structure_flow = load(
            SparseStructureFlowModel, folder / models["sparse_structure_flow_model"], device
        )
        loaded = Models(
            name=args.get("model_name", folder.name),
            license=args.get("license", "unknown"),
            digest=model_digest(folder),
            device=device,
            text_encoder=_text_encoder(args.get("text_cond_model"), device),
            image_encoder=_image_encoder(folder, args.get("image_cond_model"), device),
            structure_flow=structure_flow,
            structure_shape=structure_flow.shape,
            structure_closing=int(args.get("structure_closing", 0)),
            structure_decoder=load(
                SparseStructureDecoder, folder / models["sparse_structure_decoder"], device
            ),
            structure_sampler=_sampler(folder, args["sparse_structure_sampler"]["params"]),
            slat_flow=load(SLatFlowModel, folder / models["slat_flow_model"], device),
            slat_sampler=_sampler(folder, args["slat_sampler"]["params"]),
            slat_mean=torch.tensor(norm["mean"], device=device),
            slat_std=torch.tensor(norm["std"], device=device),
            mesh_decoder=load(SLatMeshDecoder, folder / models["slat_decoder_mesh"], device),
        )
    except (KeyError, TypeError, ValueError) as e:
        raise ModelUnavailable(f"{folder / 'pipeline.json'} has no usable entry for {e}") from e
    return loaded


def load(kind: type[M], path: Path, device: str) -> M:
    """Load one checkpoint: `<path>.json` and `<path>.safetensors`, keys and shapes strict.

    Raises:
        ModelUnavailable: Naming the file and the argument that does not fit, or the first key that
            is missing, foreign or misshapen.
    """
    config = _read_json(path.with_name(path.name + ".json"))
    if config.get("name") != kind.__name__:
        raise ModelUnavailable(f"{path}.json describes {config.get('name')}, not {kind.__name__}")
    args = config.get("args")
    if not isinstance(args, dict):
        raise ModelUnavailable(f"{path}.json must hold an object under args, got {args!r}")
    try:
        model = build(kind, args)
    except ModelUnavailable as e:
        raise ModelUnavailable(f"{path}.json: {e}") from e
    except KeyError as e:
        raise ModelUnavailable(f"{path}.json lacks the argument {e} under args") from e
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as e:
        raise ModelUnavailable(f"{path}.json has args that make no model: {e}") from e
    file = path.with_name(path.name + ".safetensors")
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as e:
        raise ModelUnavailable(f"{file} cannot be read ({e}); copy it again") from e
    expected = model.state_dict()
    for key in sorted(expected.keys() | tensors.keys()):
        if key not in tensors:
            raise ModelUnavailable(f"{file} lacks the tensor {key}; it is not this model")
        if key not in expected:
            raise ModelUnavailable(f"{file} holds the foreign tensor {key}; it is not this model")
        if expected[key].shape != tensors[key].shape:
            raise ModelUnavailable(
                f"{file}: {key} has shape {list(tensors[key].shape)}, "
                f"its config says {list(expected[key].shape)}"
            )
    model.load_state_dict(tensors)
    if args.get("use_fp16", False) and device.startswith("cuda"):
        assert isinstance(model, HasTorso)
        model.cast_torso(torch.float16)
    return model.to(device).eval().requires_grad_(False)


def build(kind: type[M], args: Mapping[str, Json]) -> M:
    """Make an untrained module from a checkpoint's arguments."""
    a = {**_DEFAULTS, **args}
    for name, value in _FIXED_ARGUMENTS.items():
        if a.get(name, value) != value:
            raise ModelUnavailable(f"{kind.__name__} with {name}={a[name]!r} is not supported")
    made: nn.Module
    if kind is SparseStructureEncoder:
        made = SparseStructureEncoder(_params(StructureEncoderParams, a))
    elif kind is SparseStructureDecoder:
        made = SparseStructureDecoder(_params(StructureDecoderParams, a))
    elif kind is SparseStructureFlowModel:
        made = SparseStructureFlowModel(_params(StructureFlowParams, a))
    elif kind is SLatFlowModel:
        flow = _params(SLatFlowParams, a)
        if flow.patch_size != 2 or len(flow.io_block_channels) != 1:
            raise ModelUnavailable(
                "SLatFlowModel takes patch_size 2 and one width in io_block_channels, "
                f"got {flow.patch_size} and {flow.io_block_channels}"
            )
        made = SLatFlowModel(flow)
    elif kind is SLatEncoder:
        made = SLatEncoder(_params(SwinParams, a), a["latent_channels"])
    elif kind is SLatMeshDecoder:
        swin = _params(SwinParams, {**a, "in_channels": a["latent_channels"]})
        made = SLatMeshDecoder(swin, a.get("norm_groups", 32))
    elif kind is ImageEncoder:
        made = ImageEncoder(_params(ImageEncoderParams, a))
    else:
        raise AssertionError(kind)
    assert isinstance(made, kind)
    return made


def model_digest(folder: Path) -> str:
    """SHA-256 over `pipeline.json` and the files in `ckpts/`, by name, then content."""
    digest = hashlib.sha256()
    for path in [folder / "pipeline.json", *sorted((folder / "ckpts").glob("*"))]:
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as f:
            digest.update(hashlib.file_digest(f, "sha256").digest())
    return digest.hexdigest()


def _params(kind: type[P], args: Mapping[str, Json]) -> P:
    return kind(**{f.name: args[f.name] for f in fields(kind)})  # type: ignore[arg-type]


def _read_json(path: Path) -> dict[str, Json]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as e:
        raise ModelUnavailable(
            f"no model at {path.parent}: {path.name} is missing; "
            "give --models a folder with pipeline.json and ckpts/"
        ) from e
    except (OSError, ValueError) as e:
        raise ModelUnavailable(f"{path} cannot be read: {e}") from e
    if not isinstance(content, dict):
        raise ModelUnavailable(f"{path} must hold a JSON object")
    return content


def _sampler(folder: Path, params: Mapping[str, Json]) -> Sampler:
    low_high = params["cfg_interval"]
    if not isinstance(low_high, list) or len(low_high) != 2:
        raise ModelUnavailable(
            f"{folder / 'pipeline.json'}: cfg_interval must be two times, got {low_high!r}"
        )
    sampler = Sampler(
        steps=params["steps"],
        guidance_strength=params["cfg_strength"],
        guidance_interval=(low_high[0], low_high[1]),
        rescale_t=params["rescale_t"],
    )
    try:
        SamplerOptions(**vars(sampler))  # the same ranges hold for both
    except InvalidInput as e:
        raise ModelUnavailable(f"{folder / 'pipeline.json'}: {e}") from e
    return sampler


def _text_encoder(name: str | None, device: str) -> TextEncoder | None:
    if name is None:
        return None
    if name != "all-MiniLM-L6-v2":
        raise ModelUnavailable(f"text encoder {name} is not supported by this version")
    return MiniLmEncoder(minilm_folder(), device)


def _image_encoder(folder: Path, name: str | None, device: str) -> ImageEncoder | None:
    return None if name is None else load(ImageEncoder, folder / name, device)
