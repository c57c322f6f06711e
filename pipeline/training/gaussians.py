"""Training of the Gaussian decoder: SLAT stands still, pictures of the props are the target."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.model.cameras import Camera
from pipeline.model.gaussian_renderer import render
from pipeline.model.gaussians import Gaussians, SLatGaussianDecoder
from pipeline.model.sparse import SparseTensor
from pipeline.model.weights import build
from pipeline.training import configs
from pipeline.training.loop import LoopOptions, train
from pipeline.training.picture_loss import picture_losses
from pipeline.training.props import KINDS, Prop, make_prop
from pipeline.training.render import render_base_color
from pipeline.training.slat import LATENT_NOISE

VIEW_PX = 112
WIDEST_FOV_DEG, NARROWEST_FOV_DEG = 40.0, 20.0  # far and close: holes show only from close by
VOLUME_WEIGHT = 1e4 / 8  # as TRELLIS has it, for voxels of twice the length
OPACITY_WEIGHT = 1e-3


def prop_of_sample(index: int, seed: int = 1) -> Prop:
    """The prop that sample `index` of the data set `seed` shows."""
    return make_prop(KINDS[index % len(KINDS)], np.random.default_rng((seed, index)))


def train_decoder(
    coords: Sequence[np.ndarray],
    latents: Sequence[Tensor],
    prop_of: Callable[[int], Prop],
    options: LoopOptions,
    path: Path,
    batch: int = 2,
) -> SLatGaussianDecoder:
    """Learn Gaussians that look like the prop from any side.

    Args:
        coords: `[L, 3]` of each sample.
        latents: `[L, 8]` of each sample, the encoder's means; they get noise as in
            `slat.train_decoder`.
        prop_of: Number of a sample -> what it shows.
        options: How long and how fast.
        path: Checkpoint.
        batch: Samples per step, one view of each.
    """
    torch.manual_seed(0)
    decoder = build(SLatGaussianDecoder, configs.GAUSSIAN_DECODER)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((2, step))
        torch.manual_seed(step)
        sums: dict[str, Tensor] = {}
        for index in rng.integers(len(latents), size=batch).tolist():
            z = latents[index]
            z = z + LATENT_NOISE * z.std(0) * torch.randn(z.shape)
            camera = random_camera(rng)
            target = torch.from_numpy(render_base_color(prop_of(index), camera, VIEW_PX))
            background = torch.from_numpy(rng.uniform(0, 1, 3).astype(np.float32))
            # Positions and exponents need all their digits.
            with torch.autocast("cpu", enabled=False):
                gaussians = decode(decoder, coords[index], z)
                picture = render(gaussians, camera, size_px=VIEW_PX)
                losses = picture_losses(picture.color, picture.alpha, target, background)
                losses |= regularization(gaussians)
            for name, value in losses.items():
                sums[name] = sums.get(name, torch.zeros(())) + value / batch
        return sums

    trained = train(decoder, loss, options, path)
    assert isinstance(trained, SLatGaussianDecoder)
    return trained


def decode(decoder: SLatGaussianDecoder, coords: np.ndarray, latent: Tensor) -> Gaussians:
    """The Gaussians of one sample: `coords [L, 3]`, `latent [L, 8]`."""
    rows = F.pad(torch.from_numpy(coords.astype(np.int64)), (1, 0))
    x = SparseTensor(coords=rows, feats=latent, batch_size=1)
    return decoder.gaussians(x, decoder(x))[0]


def regularization(gaussians: Gaussians) -> dict[str, Tensor]:
    """Small and opaque Gaussians: fewer of them lie over one another."""
    return {
        "volume": VOLUME_WEIGHT * gaussians.scales.prod(1).mean(),
        "opacity": OPACITY_WEIGHT * (gaussians.opacities - 1).square().mean(),
    }


def random_camera(rng: np.random.Generator) -> Camera:
    """Anywhere around the prop, from far to close by."""
    zoom = rng.uniform()
    return Camera(
        yaw_deg=float(rng.uniform(0, 360)),
        pitch_deg=math.degrees(math.asin(rng.uniform(-1, 1))),
        fov_deg=float(WIDEST_FOV_DEG * (NARROWEST_FOV_DEG / WIDEST_FOV_DEG) ** zoom),
    )
