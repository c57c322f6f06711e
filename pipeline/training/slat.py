"""Stage 2 training: the SLAT encoder with the mesh decoder, then the SLAT flow.

The decoder's head is supervised directly on the field: signed distance at the corners of every
cell, color at the corners near the surface. No differentiable renderer is needed.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.flexicubes import CORNERS
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.slat import SLatEncoder, SLatFlowModel
from pipeline.model.sparse import SparseTensor
from pipeline.model.weights import build
from pipeline.training import configs
from pipeline.training.conditions import Conditions
from pipeline.training.configs import Args
from pipeline.training.dataset import CELLS
from pipeline.training.loop import LoopOptions, train
from pipeline.training.objective import slat_velocity_loss
from pipeline.types import ByteArray

LATENT_NOISE = 0.3  # of a channel's standard deviation; about what the flow is off by
# Detail first, then most samples where the color is decided (docs/experiments.md).
EARLY_FROM_STEP = 1600
EARLY_SHARE = 0.6
CROP_VOXELS = 900  # per sample and step; decoding multiplies them by 64


def _child_corners() -> Tensor:
    """`[64, 8]` index into a voxel's 125 corners, for its cells in the decoder's order."""
    cells = []
    for first in np.ndindex(2, 2, 2):
        for second in np.ndindex(2, 2, 2):
            cells.append(np.array(first) * 2 + np.array(second))
    corners = np.array(cells)[:, None] + CORNERS  # [64, 8, 3]
    side = CELLS + 1
    return torch.from_numpy((corners[..., 0] * side + corners[..., 1]) * side + corners[..., 2])


CHILD_CORNERS = _child_corners()


class FieldSample(Protocol):
    """What a decoder is held against; `PropSample` is one, and documents the shapes."""

    @property
    def coords(self) -> ByteArray: ...

    @property
    def sdf(self) -> np.ndarray: ...

    @property
    def color(self) -> ByteArray: ...


@dataclass(frozen=True, kw_only=True)
class SlatLosses:
    """Weights of the VAE's losses; one that is 0 is left out. The defaults are the starter's.

    color: against 1 for distance. kl: distance of the latent from a standard normal one. anchor:
    draws three latent channels to each voxel's mean color, which gives both sides something to
    start from.
    """

    color: float = 1.0
    kl: float = 1e-4
    anchor: float = 1.0


STARTER_LOSSES = SlatLosses()


def features(sdf: Tensor, color: Tensor) -> Tensor:
    """The starter's encoder input `[L, 500]`: distances in voxels and colors around 0."""
    return torch.cat([sdf.float(), color.float().flatten(1) / 127.5 - 1], dim=1)


class SLatVae(nn.Module):
    """Encoder and mesh decoder, trained together; sizes that are not given are the starter's."""

    def __init__(self, encoder: Args | None = None, decoder: Args | None = None) -> None:
        super().__init__()
        self.encoder = build(SLatEncoder, encoder or configs.SLAT_ENCODER)
        self.decoder = build(SLatMeshDecoder, decoder or configs.MESH_DECODER)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Batch:
    """x: encoder input; sdf `[L, 125]` and color `[L, 125, 3]`: what its voxels are to become."""

    x: SparseTensor
    sdf: Tensor
    color: Tensor


def _crop(sample: FieldSample, rng: np.random.Generator) -> np.ndarray:
    """Rows of the voxels nearest to a random one, in order; all of a small prop."""
    center = sample.coords[rng.integers(len(sample.coords))].astype(int)
    distance = np.abs(sample.coords.astype(int) - center).max(1)
    return np.sort(np.argsort(distance, kind="stable")[:CROP_VOXELS])


def _collate(
    samples: Sequence[FieldSample], inputs: Sequence[Tensor | None], rows: Sequence[np.ndarray]
) -> _Batch:
    """Rows of some samples; what has no encoder input gets the starter's."""
    coords, feats, sdfs, colors = [], [], [], []
    for i, (sample, given, r) in enumerate(zip(samples, inputs, rows, strict=True)):
        sdf, color = torch.from_numpy(sample.sdf[r]).float(), torch.from_numpy(sample.color[r])
        coords.append(F.pad(torch.from_numpy(sample.coords[r].astype(np.int64)), (1, 0), value=i))
        feats.append(features(sdf, color) if given is None else given[r].float())
        sdfs.append(sdf)
        colors.append(color)
    x = SparseTensor(coords=torch.cat(coords), feats=torch.cat(feats), batch_size=len(samples))
    return _Batch(x=x, sdf=torch.cat(sdfs), color=torch.cat(colors))


def train_vae(
    samples: Sequence[FieldSample],
    options: LoopOptions,
    path: Path,
    *,
    losses: SlatLosses = STARTER_LOSSES,
    encoder: Args | None = None,
    decoder: Args | None = None,
    inputs: Sequence[Tensor] | None = None,
    start: SLatVae | None = None,
    batch: int = 2,
) -> SLatVae:
    """Learn 8 numbers per voxel from which the fine field can be read back.

    Color and distance hinder each other: with equal weights color is not learnt in 500 steps, with
    four times the weight on color distance is not learnt in 1,000 (docs/experiments.md). So it
    takes two runs, color first.

    Args:
        samples: The training set.
        options: How long and how fast.
        path: Checkpoint.
        losses: What counts how much.
        encoder, decoder: Arguments of the modules. Default: the starter's.
        inputs: `[L, in]` what the encoder sees of each sample, for one that does not see the field:
            the published one sees DINOv2's features of pictures.
        start: Weights to begin with; then `encoder` and `decoder` are not looked at.
        batch: Samples per step.
    """
    torch.manual_seed(0)
    vae = SLatVae(encoder, decoder) if start is None else copy.deepcopy(start).requires_grad_(True)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
        index = rng.integers(len(samples), size=batch)
        b = _drawn(samples, inputs, index, rng)
        mean, logvar = vae.encoder(b.x)
        mean, logvar = mean.float(), logvar.float().clamp(-10, 4)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        found = field_losses(vae.decoder(b.x.with_feats(z)).feats.float(), b.sdf, b.color)
        found["color"] *= losses.color
        if losses.anchor:
            weight = torch.exp(-((b.sdf * CELLS) ** 2) / 2)[..., None] + 1e-4
            mean_color = (weight * b.color.float() / 255).sum(1) / weight.sum(1)  # [L, 3]
            found["anchor"] = losses.anchor * F.mse_loss(mean[:, :3], 4 * (mean_color - 0.5))
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        return {**found, "kl": losses.kl * kl}

    trained = train(vae, loss, options, path)
    assert isinstance(trained, SLatVae)
    return trained


def train_decoder(
    vae: SLatVae,
    samples: Sequence[FieldSample],
    options: LoopOptions,
    path: Path,
    *,
    inputs: Sequence[Tensor] | None = None,
) -> SLatMeshDecoder:
    """Go on with the decoder alone, on latents with noise; arguments as above.

    A flow's samples are never quite where an encoder's are: without the noise sampled surfaces are
    pitted.
    """
    vae.encoder.requires_grad_(False)
    decoder = copy.deepcopy(vae.decoder).requires_grad_(True)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((1, step))
        torch.manual_seed(step)
        b = _drawn(samples, inputs, rng.integers(len(samples), size=2), rng)
        mean, _ = vae.encoder(b.x)
        z = mean.float()
        z = z + LATENT_NOISE * z.std(0) * torch.randn(z.shape)
        return field_losses(decoder(b.x.with_feats(z)).feats.float(), b.sdf, b.color)

    trained = train(decoder, loss, options, path)
    assert isinstance(trained, SLatMeshDecoder)
    return trained


def _drawn(
    samples: Sequence[FieldSample],
    inputs: Sequence[Tensor] | None,
    index: np.ndarray,
    rng: np.random.Generator,
) -> _Batch:
    """A crop of each of the samples `index`."""
    chosen = [samples[i] for i in index]
    given = [None if inputs is None else inputs[i] for i in index]
    return _collate(chosen, given, [_crop(sample, rng) for sample in chosen])


def field_losses(head: Tensor, sdf: Tensor, color: Tensor) -> dict[str, Tensor]:
    """How far the decoded field is from the true one.

    Args:
        head: `[64 L, 101]` of the mesh decoder.
        sdf: `[L, 125]` true distances in voxels.
        color: `[L, 125, 3]` true colors, 0 to 255.
    """
    cells = head.reshape(-1, 64, head.shape[1])  # [L, 64, 101]
    target_sdf = sdf[:, CHILD_CORNERS]  # [L, 64, 8]
    # A prediction counts where the surface is: far corners only need the right sign.
    near = torch.exp(-((target_sdf * CELLS) ** 2) / 2)
    sdf_error = (cells[..., :8] - target_sdf).abs()
    target_color = color.float()[:, CHILD_CORNERS] / 255  # [L, 64, 8, 3]
    rgb = cells[..., 53:].reshape(-1, 64, 8, 6)[..., :3].sigmoid()
    color_error = ((rgb - target_color).abs() * near[..., None]).sum() / (3 * near.sum() + 1)
    return {"sdf": ((0.2 + near) * sdf_error).mean() * 4, "color": color_error}


@torch.no_grad()
def encode(
    vae: SLatVae, samples: Sequence[FieldSample], inputs: Sequence[Tensor] | None = None
) -> list[Tensor]:
    """`[L, 8]` latent means of each sample."""
    latents = []
    for i, sample in enumerate(samples):
        given = None if inputs is None else inputs[i]
        b = _collate([sample], [given], [np.arange(len(sample.coords))])
        with torch.autocast("cpu", torch.bfloat16):
            mean, _ = vae.encoder(b.x)
        latents.append(mean.float())
    return latents


def statistics(latents: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel over all voxels."""
    joined = torch.cat(list(latents))
    return joined.mean(0), joined.std(0)


def train_flow(
    coords: Sequence[np.ndarray],
    latents: Sequence[Tensor],
    conditions: Conditions,
    picture_tokens: Tensor,
    options: LoopOptions,
    path: Path,
    *,
    flow: Args | None = None,
    batch: int = 4,
) -> SLatFlowModel:
    """Learn the velocity of normalized SLAT.

    Args:
        coords: `[L, 3]` of each sample. latents: `[L, 8]` of each sample, normalized.
        conditions: Captions. picture_tokens: `[N, 2, P, ctx]` of the views.
        options: How long and how fast.
        path: Checkpoint.
        flow: Arguments of the module. Default: the starter's.
        batch: Samples per step.
    """
    torch.manual_seed(0)
    model = build(SLatFlowModel, flow or configs.SLAT_FLOW)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
        index = rng.integers(len(latents), size=batch)
        cond = conditions.draw(index, picture_tokens, rng)
        where = torch.cat(
            [
                F.pad(torch.from_numpy(coords[i].astype(np.int64)), (1, 0), value=b)
                for b, i in enumerate(index)
            ]
        )
        feats = torch.cat([latents[i] for i in index])
        x0 = SparseTensor(coords=where, feats=feats, batch_size=batch)
        early_share = EARLY_SHARE if step >= EARLY_FROM_STEP else 0.0
        return {"velocity": slat_velocity_loss(model, x0, cond, early_share=early_share)}

    trained = train(model, loss, options, path)
    assert isinstance(trained, SLatFlowModel)
    return trained
