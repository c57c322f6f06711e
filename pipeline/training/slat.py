"""Stage 2 training: the SLAT encoder with the mesh decoder, then the SLAT flow.

The decoder's head is supervised directly on the field: signed distance at the corners of every
cell, color at the corners near the surface. No differentiable renderer is needed.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.flexicubes import CORNERS
from pipeline.model.flow import SIGMA_MIN
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.slat import SLatEncoder, SLatFlowModel
from pipeline.model.sparse import SparseTensor
from pipeline.model.weights import build
from pipeline.training import configs
from pipeline.training.conditions import Conditions
from pipeline.training.dataset import CELLS, PropSample
from pipeline.training.loop import LoopOptions, train

LATENT_NOISE = 0.3  # of a channel's standard deviation; about what the flow is off by
# An object's mean color shows through the noise of 2,000 voxels until t is above 0.95, where the
# usual draw hardly ever goes: the flow reads colors off its input and never learns them from
# captions. Detail first, then most samples where the color is decided (docs/experiments.md).
EARLY_FROM_STEP = 1600
EARLY_SHARE = 0.6
EARLY_T = (0.92, 1.0)
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


def features(sdf: Tensor, color: Tensor) -> Tensor:
    """Encoder input `[L, 500]`: distances in voxels and colors around 0."""
    return torch.cat([sdf.float(), color.float().flatten(1) / 127.5 - 1], dim=1)


class SLatVae(nn.Module):
    """Encoder and mesh decoder, trained together."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = build(SLatEncoder, configs.SLAT_ENCODER)
        self.decoder = build(SLatMeshDecoder, configs.MESH_DECODER)


def _crop(sample: PropSample, rng: np.random.Generator) -> np.ndarray:
    """Rows of the voxels nearest to a random one, in order; all of a small prop."""
    center = sample.coords[rng.integers(len(sample.coords))].astype(int)
    distance = np.abs(sample.coords.astype(int) - center).max(1)
    return np.sort(np.argsort(distance, kind="stable")[:CROP_VOXELS])


def _collate(
    samples: Sequence[PropSample], rows: Sequence[np.ndarray]
) -> tuple[Tensor, Tensor, Tensor]:
    pairs = list(zip(samples, rows, strict=True))
    coords = torch.cat(
        [
            F.pad(torch.from_numpy(s.coords[r].astype(np.int64)), (1, 0), value=i)
            for i, (s, r) in enumerate(pairs)
        ]
    )
    sdf = torch.cat([torch.from_numpy(s.sdf[r]).float() for s, r in pairs])
    color = torch.cat([torch.from_numpy(s.color[r]) for s, r in pairs])
    return coords, sdf, color


def train_vae(
    samples: Sequence[PropSample],
    options: LoopOptions,
    path: Path,
    *,
    color_weight: float,
    start: SLatVae | None = None,
) -> SLatVae:
    """Learn 8 numbers per voxel from which the fine field can be read back.

    Color and distance hinder each other: with equal weights color is not learnt in 500 steps, with
    four times the weight on color distance is not learnt in 1,000 (docs/experiments.md). So it
    takes two runs, color first.

    Args:
        samples: The training set.
        options: How long and how fast.
        path: Checkpoint.
        color_weight: Against 1 for distance.
        start: Weights to begin with.
    """
    torch.manual_seed(0)
    vae = SLatVae() if start is None else copy.deepcopy(start).requires_grad_(True)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
        chosen = [samples[i] for i in rng.integers(len(samples), size=2)]
        coords, sdf, color = _collate(chosen, [_crop(s, rng) for s in chosen])
        x = SparseTensor(coords=coords, feats=features(sdf, color), batch_size=2)
        mean, logvar = vae.encoder(x)
        mean, logvar = mean.float(), logvar.float().clamp(-10, 4)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        fit = field_losses(vae.decoder(x.with_feats(z)).feats.float(), sdf, color)
        fit["color"] *= color_weight
        # Three latent channels that hold each voxel's mean color give both sides something to
        # start from.
        corner_sdf = sdf.float()
        weight = torch.exp(-((corner_sdf * CELLS) ** 2) / 2)[..., None] + 1e-4
        mean_color = (weight * color.float() / 255).sum(1) / weight.sum(1)  # [L, 3]
        anchor = F.mse_loss(mean[:, :3], 4 * (mean_color - 0.5))
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        return {**fit, "anchor": anchor, "kl": 1e-4 * kl}

    trained = train(vae, loss, options, path)
    assert isinstance(trained, SLatVae)
    return trained


def train_decoder(
    vae: SLatVae, samples: Sequence[PropSample], options: LoopOptions, path: Path
) -> SLatMeshDecoder:
    """Go on with the decoder alone, on latents with noise.

    A flow's samples are never quite where an encoder's are: without the noise sampled surfaces are
    pitted.
    """
    vae.encoder.requires_grad_(False)
    decoder = copy.deepcopy(vae.decoder).requires_grad_(True)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((1, step))
        torch.manual_seed(step)
        chosen = [samples[i] for i in rng.integers(len(samples), size=2)]
        coords, sdf, color = _collate(chosen, [_crop(s, rng) for s in chosen])
        x = SparseTensor(coords=coords, feats=features(sdf, color), batch_size=2)
        mean, _ = vae.encoder(x)
        z = mean.float()
        z = z + LATENT_NOISE * z.std(0) * torch.randn(z.shape)
        return field_losses(decoder(x.with_feats(z)).feats.float(), sdf, color)

    trained = train(decoder, loss, options, path)
    assert isinstance(trained, SLatMeshDecoder)
    return trained


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
def encode(vae: SLatVae, samples: Sequence[PropSample]) -> list[Tensor]:
    """`[L, 8]` latent means of each sample."""
    latents = []
    for s in samples:
        coords, sdf, color = _collate([s], [np.arange(len(s.coords))])
        with torch.autocast("cpu", torch.bfloat16):
            mean, _ = vae.encoder(
                SparseTensor(coords=coords, feats=features(sdf, color), batch_size=1)
            )
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
    batch: int = 4,
) -> SLatFlowModel:
    """Learn the velocity of normalized SLAT.

    Args:
        coords: `[L, 3]` of each sample. latents: `[L, 8]` of each sample, normalized.
        conditions: Captions. picture_tokens: `[N, 2, P, ctx]` of the views.
        options: How long and how fast.
        path: Checkpoint.
        batch: Samples per step.
    """
    torch.manual_seed(0)
    model = build(SLatFlowModel, configs.SLAT_FLOW)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
        index = rng.integers(len(latents), size=batch)
        cond = conditions.draw(index, picture_tokens, rng)
        x0 = torch.cat([latents[i] for i in index])
        where = torch.cat(
            [
                F.pad(torch.from_numpy(coords[i].astype(np.int64)), (1, 0), value=b)
                for b, i in enumerate(index)
            ]
        )
        eps = torch.randn_like(x0)
        t = torch.sigmoid(torch.randn(batch) + 1)
        if step >= EARLY_FROM_STEP:
            is_early = torch.rand(batch) < EARLY_SHARE
            t = torch.where(is_early, torch.empty(batch).uniform_(*EARLY_T), t)
        tt = t[where[:, 0], None]
        x_t = (1 - tt) * x0 + (SIGMA_MIN + (1 - SIGMA_MIN) * tt) * eps
        noisy = SparseTensor(coords=where, feats=x_t, batch_size=batch)
        v = model(noisy, 1000 * t, cond).feats.float()
        return {"velocity": F.mse_loss(v, (1 - SIGMA_MIN) * eps - x0)}

    trained = train(model, loss, options, path)
    assert isinstance(trained, SLatFlowModel)
    return trained
