"""Which tensors a checkpoint must hold: names, shapes and types, from the arguments in its JSON."""

from collections.abc import Mapping

import torch
from torch import nn

from pipeline.checkpoints.header import TensorFacts
from pipeline.errors import ModelUnavailable
from pipeline.model.condition.clip import VIT_L14_TEXT, clip_text_shapes
from pipeline.model.condition.dinov2 import VIT_L14_REG4, transformers_shapes
from pipeline.model.condition.small_vit import ImageEncoder
from pipeline.model.gaussians import SLatGaussianDecoder
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.radiance_field import SLatRadianceFieldDecoder
from pipeline.model.slat import SLatEncoder, SLatFlowModel
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureEncoder,
    SparseStructureFlowModel,
)
from pipeline.model.torso import HasTorso
from pipeline.model.weights import build

_KINDS: tuple[type[nn.Module], ...] = (
    SparseStructureEncoder,
    SparseStructureDecoder,
    SparseStructureFlowModel,
    SLatEncoder,
    SLatFlowModel,
    SLatMeshDecoder,
    SLatGaussianDecoder,
    SLatRadianceFieldDecoder,
    ImageEncoder,
)
_DTYPES = {torch.float32: "F32", torch.float16: "F16"}


def expected_tensors(kind: str, args: Mapping[str, object]) -> dict[str, TensorFacts]:
    """Derive what the file of a checkpoint holds, as it is published: a torso in half precision.

    Args:
        kind: The class that the checkpoint's JSON names.
        args: The arguments that it gives.

    Raises:
        ModelUnavailable: If no such class exists, or the arguments make no model.
    """
    known = next((one for one in _KINDS if one.__name__ == kind), None)
    if known is None:
        names = ", ".join(one.__name__ for one in _KINDS)
        raise ModelUnavailable(f"describes {kind!r}, which is none of {names}")
    try:
        with torch.device("meta"):  # shapes without memory
            module = build(known, args)
    except KeyError as e:
        raise ModelUnavailable(f"lacks the argument {e} under args") from e
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as e:
        raise ModelUnavailable(f"has args that make no model: {e}") from e
    if args.get("use_fp16", False) and isinstance(module, HasTorso):
        module.cast_torso(torch.float16)
    return {
        key: TensorFacts(shape=tuple(tensor.shape), dtype=_DTYPES[tensor.dtype])
        for key, tensor in module.state_dict().items()
    }


def conditioner_tensors(name: str) -> dict[str, TensorFacts]:
    """What `model.safetensors` of a conditioner must hold, by its name in the catalog.

    Files may hold more: CLIP's have its tower for pictures too.
    """
    shapes = {
        "dinov2": transformers_shapes(VIT_L14_REG4),
        "clip": clip_text_shapes(VIT_L14_TEXT),
    }[name]
    return {key: TensorFacts(shape=shape, dtype="F32") for key, shape in shapes.items()}
