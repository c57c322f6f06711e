"""Random weights that behave: activations stay near one, every branch has a say, shapes come out.

A value depends on the seed, the checkpoint's name and the tensor's key, never on what was drawn
before, so a tensor can be made alone.
"""

import math
import re
import zlib

import torch
from torch import Tensor, nn

from pipeline.model.blocks import position_embedding

# What the last layers give: velocities that leave latents as good as noise, although guidance has
# them six times over, because the structure decoder's bias is found on noise; and a signed distance
# that dents a surface without tearing it.
_VELOCITY_SCALE = 0.003
_SDF_SCALE = 0.1
_INSIDE = -0.5
_SDF_CHANNELS = 8  # of the mesh decoder's head
_BINOMIAL = (0.25, 0.5, 0.25)
_SHUFFLED_CONV = re.compile(r"blocks\.\d+\.conv\.weight")  # of the structure decoder


def random_tensor(checkpoint: str, key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """Make one parameter of a published checkpoint, or of a conditioner.

    The position table, the only buffer that other values follow from, is the real one.

    Args:
        checkpoint: Its name; what its last layer means depends on it.
        key: Of the tensor.
        shape: Of the tensor.
        seed: Other seeds give other weights.

    Returns:
        float32.
    """
    rng = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{checkpoint}/{key}".encode()))
    if key == "pos_emb":
        return _positions(*shape)
    if key == "offset_perturbation":
        return torch.randn(shape, generator=rng) * 0.5
    if key.endswith(("gamma", "lambda1")):
        return torch.ones(shape)
    if len(shape) == 1:
        value = torch.ones(shape) if key.endswith("weight") else torch.zeros(shape)
        if key == "out_layer.bias" and checkpoint.startswith("slat_dec_mesh"):
            value[:_SDF_CHANNELS] = _INSIDE
        return value
    if key.startswith(("t_embedder.", "embeddings.", "text_model.embeddings.")):
        return torch.randn(shape, generator=rng) * 0.02  # as these are drawn for training too
    if checkpoint.startswith("ss_dec") and _SHUFFLED_CONV.fullmatch(key):
        return _blurring_kernel(shape, rng)
    value = torch.randn(shape, generator=rng) * math.sqrt(shape[0] / math.prod(shape))
    if key == "out_layer.weight":
        if "_flow_" in checkpoint:
            value *= _VELOCITY_SCALE
        elif checkpoint.startswith("slat_dec_mesh"):
            value[:_SDF_CHANNELS] *= _SDF_SCALE
    return value


@torch.no_grad()
def randomize_(model: nn.Module, checkpoint: str, seed: int) -> None:
    """Fill a model in place, whatever its types and device."""
    for key, tensor in model.state_dict().items():
        tensor.copy_(random_tensor(checkpoint, key, tuple(tensor.shape), seed))


def _positions(tokens: int, channels: int) -> Tensor:
    axis = torch.arange(round(tokens ** (1 / 3)))
    return position_embedding(torch.cartesian_prod(axis, axis, axis), channels)


def _blurring_kernel(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Mix channels at random but blur in space, so that active voxels form lumps, not dust.

    The eight channels that a pixel shuffle lays side by side are alike, or its pattern would show.
    """
    mix = torch.randn(shape[0] // 8, shape[1], generator=rng) / math.sqrt(shape[1])
    blur = torch.tensor(_BINOMIAL)
    cube = blur[:, None, None] * blur[:, None] * blur
    return mix.repeat_interleave(8, dim=0)[:, :, None, None, None] * cube
