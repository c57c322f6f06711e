"""The starter's radiance field decoder, fitted to the props' own fields, then to pictures.

A radiance field is usually learnt from pictures alone. The props' distances and colors are known,
so the decoder first learns point by point what the field has to be, which needs no rays and is
much cheaper; pictures then say which errors are seen.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.cameras import Camera
from pipeline.model.radiance_field import SH_0, SLatRadianceFieldDecoder
from pipeline.model.radiance_renderer import camera_rays, render_rays
from pipeline.model.sparse import SparseTensor
from pipeline.model.weights import build
from pipeline.training import configs
from pipeline.training.dataset import CELLS, PropSample
from pipeline.training.gaussians import random_camera
from pipeline.training.loop import LoopOptions, train
from pipeline.training.picture_loss import picture_losses
from pipeline.training.props import Prop
from pipeline.training.render import render_base_color
from pipeline.training.slat import LATENT_NOISE, statistics

# What the softplus of the density is given at distance d from the surface, in voxels:
# SLOPE * (START - d), and no more than asked beyond LIMITS. A straight line, because that is what
# few products are good at. It starts outside: where the surface only grazes a voxel, and nothing
# is behind it but the empty inside, the wall has to be opaque all the same.
SLOPE = 200.0
START = 0.2
LIMITS = (-10.0, 60.0)
OPACITY_LENGTH = 0.125  # voxels over which differences in opacity count
POINTS_PER_AXIS = 6
VOXELS = 1024  # of a batch, where the field is compared
BATCH = 2
VIEW_PX = 56
POINTS_SHARE = 0.2  # of the losses at points while there are pictures: they only hold the inside


def train_decoder(
    samples: Sequence[PropSample], latents: Sequence[Tensor], options: LoopOptions, path: Path
) -> SLatRadianceFieldDecoder:
    """Learn to read a field off a prop's SLAT.

    Args:
        samples: The training set.
        latents: `[L, 8]` latent means of each sample; noise is added as for the mesh decoder.
        options: How long and how fast.
        path: Checkpoint.
    """
    torch.manual_seed(0)
    decoder = build(SLatRadianceFieldDecoder, configs.RADIANCE_FIELD_DECODER)
    # From zero, all ranks would get the same gradient forever and stay one.
    nn.init.normal_(decoder.out_layer.weight, std=0.02)
    nn.init.normal_(decoder.out_layer.bias, std=0.5)
    _, std = statistics(latents)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((2, step))
        torch.manual_seed(step)
        chosen = rng.integers(len(samples), size=BATCH)
        x = _noisy([samples[i].coords for i in chosen], [latents[i] for i in chosen], std)
        raw = decoder(x).float()
        return _losses_at_points(decoder, x, raw, [samples[i] for i in chosen], rng)

    trained = train(decoder, loss, options, path)
    assert isinstance(trained, SLatRadianceFieldDecoder)
    return trained


def train_on_pictures(
    start: SLatRadianceFieldDecoder,
    samples: Sequence[PropSample],
    latents: Sequence[Tensor],
    prop_of: Callable[[int], Prop],
    options: LoopOptions,
    path: Path,
) -> SLatRadianceFieldDecoder:
    """Go on with pictures beside points: edges get sharper, walls opaque.

    Args:
        start: What `train_decoder` made.
        samples: The training set.
        latents: `[L, 8]` latent means of each sample.
        prop_of: Number of a sample -> what it shows.
        options: How long and how fast.
        path: Checkpoint.
    """
    decoder = copy.deepcopy(start).requires_grad_(True)
    _, std = statistics(latents)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((3, step))
        torch.manual_seed(step)
        index = int(rng.integers(len(samples)))
        x = _noisy([samples[index].coords], [latents[index]], std)
        raw = decoder(x).float()
        held = _losses_at_points(decoder, x, raw, [samples[index]], rng)
        with torch.autocast("cpu", enabled=False):
            seen = _picture_losses(decoder, x, raw, prop_of(index), random_camera(rng), rng)
        held = {name: POINTS_SHARE * value for name, value in held.items()}
        return {**held, **{f"picture_{name}": value for name, value in seen.items()}}

    trained = train(decoder, loss, options, path)
    assert isinstance(trained, SLatRadianceFieldDecoder)
    return trained


def _noisy(coords: Sequence[np.ndarray], latents: Sequence[Tensor], std: Tensor) -> SparseTensor:
    """A batch of latents as a flow might have made them."""
    rows = [
        F.pad(torch.from_numpy(c.astype(np.int64)), (1, 0), value=b) for b, c in enumerate(coords)
    ]
    mean = torch.cat(list(latents))
    noise = LATENT_NOISE * std * torch.randn(mean.shape)
    return SparseTensor(coords=torch.cat(rows), feats=mean + noise, batch_size=len(rows))


def _losses_at_points(
    decoder: SLatRadianceFieldDecoder,
    x: SparseTensor,
    raw: Tensor,
    samples: Sequence[PropSample],
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    """`field_losses` in some voxels of a batch, on a grid that is jittered anew each time."""
    rows = torch.from_numpy(np.sort(rng.permutation(len(raw))[:VOXELS]))
    sdf = torch.from_numpy(np.concatenate([s.sdf for s in samples]))[rows].float()
    color = torch.from_numpy(np.concatenate([s.color for s in samples]))[rows].float()
    places = (torch.arange(POINTS_PER_AXIS) + torch.rand(3, POINTS_PER_AXIS)) / POINTS_PER_AXIS
    with torch.autocast("cpu", enabled=False):  # distances need all their digits
        fields = decoder.radiance_fields(x, raw)
        found, found_color = field_on_grid(
            torch.cat([f.trivec for f in fields])[rows],
            torch.cat([f.density for f in fields])[rows],
            torch.cat([f.features_dc for f in fields])[rows],
            places,
        )
        return field_losses(found, found_color, *targets(sdf, color, places))


def _picture_losses(
    decoder: SLatRadianceFieldDecoder,
    x: SparseTensor,
    raw: Tensor,
    prop: Prop,
    camera: Camera,
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    target = torch.from_numpy(render_base_color(prop, camera, VIEW_PX))
    origin, directions = camera_rays(camera, VIEW_PX)
    (field,) = decoder.radiance_fields(x, raw)
    jitter = torch.Generator().manual_seed(int(rng.integers(2**31)))
    seen = render_rays(field, origin.expand(len(directions), 3), directions, jitter=jitter)
    background = torch.from_numpy(rng.uniform(0, 1, 3).astype(np.float32))
    picture = seen.rgb.reshape(VIEW_PX, VIEW_PX, 3), seen.alpha.reshape(VIEW_PX, VIEW_PX)
    return picture_losses(*picture, target, background)


def field_on_grid(
    trivec: Tensor, density: Tensor, features_dc: Tensor, places: Tensor
) -> tuple[Tensor, Tensor]:
    """Evaluate every voxel at the same P^3 points: far fewer line lookups than one by one.

    Args:
        trivec: `[L, rank, 3, dim]`, density `[L, rank]`, features_dc `[L, rank, 3]` as in
            `RadianceField`.
        density: See above.
        features_dc: See above.
        places: `[3, P]` the grid's coordinates along x, y and z, in [0, 1] of the voxel.

    Returns:
        `[L, P, P, P]`, what goes into the softplus, and `[L, 3, P, P, P]` colors.
    """
    dim, count = trivec.shape[3], places.shape[1]
    x, y, z = (
        trivec[:, :, axis] @ interpolation((places[axis] * dim - 0.5).clamp(0, dim - 1), dim)
        for axis in range(3)
    )  # [L, rank, P] each
    factors = torch.cat([density[..., None], SH_0 * features_dc], dim=2)  # [L, rank, 4]
    left = torch.einsum("lrc,lrp->lcpr", factors, x).flatten(1, 2)
    right = (y[..., :, None] * z[..., None, :]).flatten(2)
    sums = (left @ right).reshape(-1, 4, count, count, count)
    return sums[:, 0], sums[:, 1:].sigmoid()


def targets(sdf: Tensor, color: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Interpolate a sample's corners at the points of `field_on_grid`.

    Args:
        sdf: `[L, 125]` in voxels. color: `[L, 125, 3]`, 0 to 255.
        color: See above.
        places: `[3, P]`.

    Returns:
        `[L, P, P, P]` distances in voxels and `[L, 3, P, P, P]` colors in [0, 1].
    """
    x, y, z = (interpolation(places[axis] * CELLS, CELLS + 1) for axis in range(3))
    joined = torch.cat([sdf[..., None], color / 255], dim=2)
    joined = joined.reshape(-1, CELLS + 1, CELLS + 1, CELLS + 1, 4)
    at = torch.einsum("lxyzc,xi,yj,zk->lcijk", joined, x, y, z)
    return at[:, 0], at[:, 1:]


def interpolation(at: Tensor, count: int) -> Tensor:
    """`[count, P]` weights that read `count` samples, one apart, at `at [P]` in [0, count - 1]."""
    return (1 - (torch.arange(count)[:, None] - at).abs()).clamp(min=0)


def field_losses(
    raw: Tensor, color: Tensor, distance: Tensor, true_color: Tensor
) -> dict[str, Tensor]:
    """How far a field is from the prop: in distance, in opacity, in color near the surface.

    Args:
        raw: `[L, P, P, P]` density before the softplus. color: `[L, 3, P, P, P]`.
        color: See above.
        distance: `[L, P, P, P]` voxels. true_color: `[L, 3, P, P, P]`.
        true_color: See above.
    """
    wanted = (SLOPE * (START - distance)).clamp(*LIMITS)
    low, high = LIMITS
    is_enough = ((wanted >= high) & (raw > high)) | ((wanted <= low) & (raw < low))
    off = torch.where(is_enough, 0.0, (raw - wanted).abs() / SLOPE)
    through = torch.exp(-OPACITY_LENGTH * F.softplus(raw))
    wanted_through = torch.exp(-OPACITY_LENGTH * F.softplus(wanted))
    near = torch.exp(-((distance * CELLS) ** 2) / 2)
    color_off = ((color - true_color).abs().mean(1) * near).sum() / (near.sum() + 1)
    return {
        "distance": ((0.2 + near) * off).mean() * 4,
        "opacity": (through - wanted_through).abs().mean(),
        "color": color_off,
    }
