"""The two-stage generator: condition -> sparse structure -> SLAT -> surface."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from pipeline.errors import EmptyResult, InvalidInput
from pipeline.model.condition.encoder import Condition, to_picture_tensor
from pipeline.model.flexicubes import ColoredMesh, extract
from pipeline.model.flow import euler, guided
from pipeline.model.sampler import SamplerOptions
from pipeline.model.sparse import SparseTensor
from pipeline.model.weights import Models
from pipeline.types import ByteArray, FloatArray, IntArray, Progress, Stage


@torch.no_grad()
def condition_on_text(models: Models, prompt: str, progress: Progress) -> Condition:
    """Encode a prompt; no condition is the empty prompt.

    Raises:
        InvalidInput: If the model takes no text.
    """
    progress(Stage.CONDITION, 0.0)
    if models.text_encoder is None:
        raise InvalidInput(f"the model {models.name} takes pictures, not text: give an image")
    if not models.text_encoder.fits(prompt):
        progress.warn(
            Stage.CONDITION,
            f"the prompt is longer than {models.text_encoder.token_count} tokens, so its end was "
            "not read; say the most important things in the first twenty words",
        )
    condition = Condition(cond=models.text_encoder([prompt]), null=models.text_encoder([""]))
    progress(Stage.CONDITION, 1.0)
    return condition


def picture_size_px(models: Models) -> int:
    """Side of the picture that `condition_on_picture` takes.

    Raises:
        InvalidInput: If the model takes no pictures.
    """
    if models.image_encoder is None:
        raise InvalidInput(f"the model {models.name} takes text, not pictures: give a prompt")
    return models.image_encoder.image_size


@torch.no_grad()
def condition_on_picture(models: Models, rgb: ByteArray, progress: Progress) -> Condition:
    """Encode a preprocessed `[H, W, 3]` picture; no condition is all zeros."""
    progress(Stage.CONDITION, 0.0)
    assert models.image_encoder is not None
    tokens = models.image_encoder(to_picture_tensor(rgb, models.device))
    progress(Stage.CONDITION, 1.0)
    return Condition(cond=tokens, null=torch.zeros_like(tokens))


@torch.no_grad()
def sample_sparse_structure(
    models: Models,
    condition: Condition,
    options: SamplerOptions,
    rng: torch.Generator,
    progress: Progress,
) -> Tensor:
    """Sample which voxels are active.

    Args:
        models: The loaded model.
        condition: What to make.
        options: Overrides of the model's sampler.
        rng: CPU generator; the noise is drawn on the CPU, so a seed means the same everywhere.
        progress: Called after every step.

    Returns:
        `[L, 4]` int64 coordinates (batch index 0), sorted.

    Raises:
        EmptyResult: If no voxel is active.
    """
    flow = models.structure_flow

    def velocity(x: Tensor, t: float, with_condition: bool) -> Tensor:
        time = torch.full((1,), 1000 * t, device=models.device)
        v: Tensor = flow(x, time, condition.cond if with_condition else condition.null)
        return v

    sampler = models.structure_sampler.override(options)
    noise = torch.randn(1, *models.structure_shape, generator=rng).to(models.device)
    latent = euler(
        guided(velocity, sampler), noise, sampler, lambda f: progress(Stage.SPARSE_STRUCTURE, f)
    )
    active = close_gaps((models.structure_decoder(latent)[0, 0] > 0).cpu().numpy(), models)
    coords = F.pad(torch.argwhere(torch.from_numpy(active)), (1, 0)).to(models.device)
    if len(coords) == 0:
        raise EmptyResult("the model left no active voxel for this prompt; try another seed")
    return coords


def close_gaps(active: NDArray[np.bool_], models: Models) -> NDArray[np.bool_]:
    """Fill gaps in the shell up to `structure_closing` voxels wide on each side.

    A hole in the shell lets the outside in: the object is then no longer solid but has a second
    wall. Small models leave such holes; the released ones are used as they are (0).
    """
    width = models.structure_closing
    if width == 0:
        return active
    padded = np.pad(active, width)  # closing would otherwise eat at the border of the grid
    # Corners included: a cross does not even fill a single missing voxel of a thin shell.
    cube = np.ones((2 * width + 1,) * 3, bool)
    closed: NDArray[np.bool_] = ndimage.binary_closing(padded, structure=cube)
    return closed[width:-width, width:-width, width:-width]


@torch.no_grad()
def sample_slat(
    models: Models,
    condition: Condition,
    coords: Tensor,
    options: SamplerOptions,
    rng: torch.Generator,
    progress: Progress,
) -> SparseTensor:
    """Sample the latent of every active voxel, in the decoder's scale; arguments as above."""

    def velocity(x: Tensor, t: float, with_condition: bool) -> Tensor:
        time = torch.full((1,), 1000 * t, device=models.device)
        noisy = SparseTensor(coords=coords, feats=x, batch_size=1)
        cond = condition.cond if with_condition else condition.null
        v: Tensor = models.slat_flow(noisy, time, cond).feats
        return v

    sampler = models.slat_sampler.override(options)
    noise = torch.randn(len(coords), len(models.slat_mean), generator=rng).to(models.device)
    sample = euler(guided(velocity, sampler), noise, sampler, lambda f: progress(Stage.SLAT, f))
    feats = sample * models.slat_std + models.slat_mean
    return SparseTensor(coords=coords, feats=feats, batch_size=1)


@torch.no_grad()
def decode(models: Models, slat: SparseTensor, progress: Progress) -> ColoredMesh:
    """Decode one sample to triangles in the unit cube, Z up. Tensors become arrays here.

    Raises:
        EmptyResult: If the field has no surface.
    """
    progress(Stage.DECODE, 0.0)
    head = models.mesh_decoder(slat)
    progress(Stage.DECODE, 0.5)
    voxels: IntArray = slat.coords[:, 1:].cpu().numpy().astype(np.int32)
    mesh = extract(
        head.coords[:, 1:].cpu().numpy().astype(np.int32),
        head.feats.float().cpu().numpy(),
        4 * models.mesh_decoder.resolution,
        enclosed_voxels(voxels, models.mesh_decoder.resolution),
    )
    if len(mesh.faces) == 0:
        raise EmptyResult("the model left no surface for this prompt; try another seed")
    progress(Stage.DECODE, 1.0)
    return mesh


def enclosed_voxels(voxels: IntArray, side: int) -> np.ndarray:
    """`[side, side, side]` bool: inactive voxels that no path of inactive voxels leads out of."""
    active = np.zeros((side + 2,) * 3, bool)  # a free border, so that the outside is one piece
    active[tuple((voxels + 1).T)] = True
    labels, _ = ndimage.label(~active)
    enclosed: np.ndarray = ~active & (labels != labels[0, 0, 0])
    return enclosed[1:-1, 1:-1, 1:-1]


def to_gltf_space(z_up: FloatArray) -> FloatArray:
    """`(x, y, z)` with Z up -> `(x, z, -y)` with Y up; a rotation, so winding stays."""
    return np.ascontiguousarray(np.stack([z_up[:, 0], z_up[:, 2], -z_up[:, 1]], axis=1))
