"""The two-stage generator: condition -> sparse structure -> SLAT -> mesh, Gaussians, field."""

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from pipeline.errors import EmptyResult, InvalidInput
from pipeline.model.condition.encoder import (
    Condition,
    PictureEncoder,
    TextEncoder,
    to_picture_tensor,
)
from pipeline.model.condition.options import ConditionOptions, MultiImage
from pipeline.model.flexicubes import ColoredMesh, extract
from pipeline.model.flow import euler, guidance_terms
from pipeline.model.memory import mesh_decoder_memory, slat_flow_memory, structure_flow_memory
from pipeline.model.models import Models
from pipeline.model.sampler import Sampler, SamplerOptions
from pipeline.model.slat import FlowVoxels
from pipeline.model.sparse import SparseTensor
from pipeline.types import ByteArray, FloatArray, IntArray, PartOf, Progress, Stage


@torch.no_grad()
def condition_on_text(
    models: Models, prompt: str, options: ConditionOptions, progress: Progress
) -> Condition:
    """Encode a prompt; no condition is the negative prompt, which is empty by default.

    Raises:
        InvalidInput: If the model takes no text.
    """
    progress(Stage.CONDITION, 0.0)
    encoder = models.text_encoder
    if encoder is None:
        raise InvalidInput(f"the model {models.name} takes pictures, not text: give an image")
    for name, text in (("prompt", prompt), ("negative prompt", options.negative_prompt)):
        if not encoder.fits(text):
            progress.warn(
                Stage.CONDITION,
                f"the {name} is longer than {encoder.token_count} tokens, so its end was not "
                "read; say the most important things in the first twenty words",
            )
    with models.residency.on_device(*_networks(encoder)):
        cond, null = encoder([prompt]), encoder([options.negative_prompt])
    progress(Stage.CONDITION, 1.0)
    return Condition(cond=cond.to(models.device), null=null.to(models.device))


def picture_size_px(models: Models) -> int:
    """Side of the picture that `condition_on_pictures` takes.

    Raises:
        InvalidInput: If the model takes no pictures.
    """
    if models.image_encoder is None:
        raise InvalidInput(f"the model {models.name} takes text, not pictures: give a prompt")
    return models.image_encoder.image_size


@torch.no_grad()
def condition_on_pictures(
    models: Models, pictures: Sequence[ByteArray], progress: Progress
) -> Condition:
    """Encode preprocessed `[H, W, 3]` pictures of one object; no condition is all zeros."""
    encoder = models.image_encoder
    assert encoder is not None
    cond = []
    progress(Stage.CONDITION, 0.0)
    with models.residency.on_device(*_networks(encoder)):
        for i, rgb in enumerate(pictures):
            part = PartOf(progress, i, len(pictures))
            tick = partial(part, Stage.CONDITION)
            cond.append(encoder(to_picture_tensor(rgb, models.device), tick))
    progress(Stage.CONDITION, 1.0)
    return Condition(cond=torch.cat(cond), null=torch.zeros_like(cond[0]))


def _networks(encoder: TextEncoder | PictureEncoder) -> tuple[nn.Module, ...]:
    """What has to be moved; some encoders always stay on the CPU."""
    return (encoder,) if isinstance(encoder, nn.Module) else ()


@torch.no_grad()
def sample_sparse_structure(
    models: Models,
    condition: Condition,
    options: SamplerOptions,
    multi_image: MultiImage,
    rngs: Sequence[torch.Generator],
    progress: Progress,
) -> list[Tensor]:
    """Sample which voxels are active, for several variants in one batch.

    Args:
        models: The loaded model.
        condition: What to make.
        options: Overrides of the model's sampler.
        multi_image: How several pictures are used.
        rngs: A CPU generator per variant, so that a seed means the same on every device and in
            every batch. `sample_slat` goes on with it.
        progress: Hears every step.

    Returns:
        `[L, 3]` int64 coordinates of each variant, sorted. L may be 0.
    """
    if models.is_lean and len(rngs) > 1:  # one by one: each has a generator of its own
        return [
            sample_sparse_structure(
                models, condition, options, multi_image, [rng], PartOf(progress, i, len(rngs))
            )[0]
            for i, rng in enumerate(rngs)
        ]
    flow, count = models.structure_flow, len(rngs)
    noise = torch.cat([torch.randn(1, *models.structure_shape, generator=rng) for rng in rngs])

    def velocity(x: Tensor, t: float, cond: Tensor) -> Tensor:
        batch = len(cond) * count
        time = torch.full((batch,), 1000 * t, device=models.device)
        v: Tensor = flow(
            x.repeat(len(cond), 1, 1, 1, 1), time, cond.repeat_interleave(count, dim=0)
        )
        return v.reshape(len(cond), count, *v.shape[1:])

    sampler = models.structure_sampler.override(options)
    if multi_image == "stochastic" and len(condition.cond) > sampler.steps:
        progress.warn(
            Stage.SPARSE_STRUCTURE,
            f"only the first {sampler.steps} of {len(condition.cond)} pictures are looked at: one "
            "per step; take more steps or multidiffusion",
        )
    with models.residency.on_device(flow):
        batch = count * _terms_at_once(models, condition, sampler, multi_image)
        estimate = structure_flow_memory(flow, batch, condition.cond.shape[1])
        estimate.require(torch.device(models.device), "sampling the structure")
        latent = _walk(
            velocity, noise.to(models.device), condition, sampler, multi_image, models,
            lambda f: progress(Stage.SPARSE_STRUCTURE, f),
        )  # fmt: skip
    with models.residency.on_device(models.structure_decoder):
        # One by one: at full size the grids of a sample are a gigabyte.
        active = [(models.structure_decoder(z[None])[0, 0] > 0).cpu().numpy() for z in latent]
    return [
        torch.argwhere(torch.from_numpy(close_gaps(grid, models))).to(models.device)
        for grid in active
    ]


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
    voxels: Sequence[Tensor],
    options: SamplerOptions,
    multi_image: MultiImage,
    rngs: Sequence[torch.Generator],
    progress: Progress,
) -> list[SparseTensor]:
    """Sample the latent of every active voxel, in the decoder's scale; arguments as above.

    Args:
        voxels: `[L, 3]` int64 of each variant; none is empty.

    Returns:
        One sample per variant, each with batch index 0.
    """
    if models.is_lean and len(rngs) > 1:
        return [
            sample_slat(
                models, condition, [voxels[i]], options, multi_image, [rng],
                PartOf(progress, i, len(rngs)),
            )[0]
            for i, rng in enumerate(rngs)
        ]  # fmt: skip
    count = len(voxels)
    coords = torch.cat([F.pad(v, (1, 0), value=b) for b, v in enumerate(voxels)])
    channels = len(models.slat_mean)
    noise = torch.cat(
        [torch.randn(len(v), channels, generator=rng) for v, rng in zip(voxels, rngs, strict=True)]
    )
    batch_step = torch.tensor([count, 0, 0, 0], device=coords.device)
    flow = models.slat_flow

    @cache  # the voxels stay where they are from step to step
    def arranged(terms: int) -> tuple[Tensor, FlowVoxels]:
        rows = torch.cat([coords + k * batch_step for k in range(terms)])
        return rows, flow.arrange(rows, terms * count)

    def velocity(x: Tensor, t: float, cond: Tensor) -> Tensor:
        batch = len(cond) * count
        time = torch.full((batch,), 1000 * t, device=models.device)
        rows, arrangement = arranged(len(cond))
        noisy = SparseTensor(coords=rows, feats=x.repeat(len(cond), 1), batch_size=batch)
        v: Tensor = flow(noisy, time, cond.repeat_interleave(count, dim=0), arrangement).feats
        return v.reshape(len(cond), -1, v.shape[1])

    sampler = models.slat_sampler.override(options)
    with models.residency.on_device(flow):
        terms = _terms_at_once(models, condition, sampler, multi_image)
        device = torch.device(models.device)
        estimate = slat_flow_memory(
            flow, terms * len(coords), terms * count, condition.cond.shape[1], device
        )
        estimate.require(device, f"sampling {len(coords):,} voxels")
        sample = _walk(
            velocity, noise.to(models.device), condition, sampler, multi_image, models,
            lambda f: progress(Stage.SLAT, f),
        )  # fmt: skip
    feats = sample * models.slat_std + models.slat_mean
    return [
        SparseTensor(coords=F.pad(v, (1, 0)), feats=part, batch_size=1)
        for v, part in zip(voxels, torch.split(feats, [len(v) for v in voxels]), strict=True)
    ]


def _terms_at_once(
    models: Models, condition: Condition, sampler: Sampler, multi_image: MultiImage
) -> int:
    """Most conditions that a step evaluates in one batch."""
    if models.is_lean:
        return 1
    conditions = len(condition.cond) if multi_image == "multidiffusion" else 1
    return conditions + (sampler.guidance_strength != 0)


def _walk(
    velocity: Callable[[Tensor, float, Tensor], Tensor],
    noise: Tensor,
    condition: Condition,
    sampler: Sampler,
    multi_image: MultiImage,
    models: Models,
    on_step: Callable[[float], None],
) -> Tensor:
    """Sample with guidance; `velocity(x, t, cond [M, N, ctx])` gives `[M, *x.shape]`."""

    def guided(x: Tensor, t: float, step: int) -> Tensor:
        terms = guidance_terms(sampler, step, t, len(condition.cond), multi_image)
        rows = [condition.null if k is None else condition.cond[k : k + 1] for k, _ in terms]
        # All of a step in one batch, unless memory is short.
        batches = [[row] for row in rows] if models.is_lean else [rows]
        parts = [part for batch in batches for part in velocity(x, t, torch.cat(batch))]
        return torch.stack([w * v for (_, w), v in zip(terms, parts, strict=True)]).sum(0)

    return euler(guided, noise, sampler, on_step)


@torch.no_grad()
def decode_mesh(models: Models, slat: SparseTensor, progress: Progress) -> ColoredMesh:
    """Decode one sample to triangles in the unit cube, Z up. Tensors become arrays here.

    Raises:
        EmptyResult: If the field has no surface.
    """
    progress(Stage.DECODE, 0.0)
    decoder = models.mesh_decoder
    with models.residency.on_device(decoder):
        device = torch.device(models.device)
        estimate = mesh_decoder_memory(decoder, len(slat.feats), device)
        estimate.require(device, f"decoding {len(slat.feats):,} voxels")
        cubes, head = decoder.decode_to_host(slat, lambda f: progress(Stage.DECODE, 0.5 * f))
    voxels: IntArray = slat.coords[:, 1:].cpu().numpy().astype(np.int32)
    enclosed = enclosed_voxels(voxels, decoder.resolution)
    mesh = extract(cubes, head, 4 * decoder.resolution, enclosed)
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
