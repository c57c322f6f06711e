"""Checkpoint files -> modules.

`<name>.json` holds a class name and its arguments, `<name>.safetensors` the tensors.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from pipeline.errors import ModelUnavailable
from pipeline.model import gaussians, radiance_field
from pipeline.model.condition.small_vit import ImageEncoder, ImageEncoderParams
from pipeline.model.gaussians import SLatGaussianDecoder
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.radiance_field import SLatRadianceFieldDecoder
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
}
_DEFAULTS: Mapping[str, Json] = {
    "qk_rms_norm": False,
    "qk_rms_norm_cross": False,
    "num_res_blocks_middle": 2,
    "mlp_ratio": 4,
    "window_size": 8,
}


def load(kind: type[M], path: Path, device: str, precision: torch.dtype = torch.float32) -> M:
    """Load one checkpoint: `<path>.json` and `<path>.safetensors`, keys and shapes strict.

    Args:
        kind: The class that the JSON must name.
        path: Without suffix.
        device: A torch device.
        precision: Of the torso, if the checkpoint is meant for half precision; everything else
            is float32.

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
        with torch.device("meta"):  # the tensors come from the file
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
    model.load_state_dict(tensors, assign=True)
    model.float()
    if args.get("use_fp16", False) and precision != torch.float32:
        assert isinstance(model, HasTorso)
        model.cast_torso(precision)
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
        if a.get("representation_config", {"use_color": True}) != {"use_color": True}:
            raise ModelUnavailable(
                f"SLatMeshDecoder with {a['representation_config']} is not supported"
            )
        made = SLatMeshDecoder(_decoder_params(a), a.get("norm_groups", 32))
    elif kind is SLatGaussianDecoder:
        representation = gaussians.parse_representation(a["representation_config"])
        made = SLatGaussianDecoder(_decoder_params(a), representation)
    elif kind is SLatRadianceFieldDecoder:
        field = radiance_field.parse_representation(a["representation_config"])
        made = SLatRadianceFieldDecoder(_decoder_params(a), field)
    elif kind is ImageEncoder:
        made = ImageEncoder(_params(ImageEncoderParams, a))
    else:
        raise AssertionError(kind)
    assert isinstance(made, kind)
    return made


def _decoder_params(args: Mapping[str, Json]) -> SwinParams:
    return _params(SwinParams, {**args, "in_channels": args["latent_channels"]})


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
