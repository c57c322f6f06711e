"""A slow radiance field in float64, written from the formulas, and fields to try."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.model.radiance_field import RadianceField

FloatVector = NDArray[np.float64]


def random_field(*, voxels: int, resolution: int, rank: int, dim: int) -> RadianceField:
    """Neighbouring values differ by a lot, densities reach from clear to opaque."""
    rng = torch.Generator().manual_seed(rank + dim)
    cells = torch.randperm(resolution**3, generator=rng)[:voxels]
    coords = [cells // resolution**2, cells // resolution % resolution, cells % resolution]
    return RadianceField(
        resolution=resolution,
        coords=torch.stack(coords, 1),
        trivec=1 + torch.randn(voxels, rank, 3, dim, generator=rng),
        density=3 * torch.randn(voxels, rank, generator=rng),
        features_dc=5 * torch.randn(voxels, rank, 3, generator=rng),
    )


def plain_evaluate(field: RadianceField, point: FloatVector) -> tuple[float, FloatVector]:
    """Density and color at one point of [-0.5, 0.5]^3."""
    cell = (point + 0.5) * field.resolution
    voxel = np.floor(cell).astype(int)
    found = (field.coords.numpy() == voxel).all(1).nonzero()[0]
    if len(found) == 0:
        return 0.0, np.zeros(3)
    row, local = int(found[0]), cell - voxel
    lines = field.trivec[row].double().numpy()  # [rank, 3, dim]
    dim = lines.shape[2]
    centers = (np.arange(dim) + 0.5) / dim
    density, color = 0.0, np.zeros(3)
    for r in range(len(lines)):
        # np.interp stays at the end values beyond the first and last center.
        product = math.prod(np.interp(local[axis], centers, lines[r, axis]) for axis in range(3))
        density += float(field.density[row, r]) * product
        color += 0.28209479 * field.features_dc[row, r].double().numpy() * product
    return float(np.logaddexp(0, density)), 1 / (1 + np.exp(-color))


def plain_march(
    field: RadianceField, origin: FloatVector, direction: FloatVector
) -> tuple[FloatVector, float, float]:
    """Color over black, alpha and distance of one ray: dense samples, no skipping.

    A step is half a line sample; density counts per voxel side.
    """
    step = 0.5 / field.dim / field.resolution
    with np.errstate(divide="ignore"):
        walls = (np.array([[-0.5], [0.5]]) - origin) / direction
    enter, leave = max(0.0, walls.min(0).max()), walls.max(0).min()
    left, rgb, depth = 1.0, np.zeros(3), 0.0
    for k in range(10**6):
        t = enter + (k + 0.5) * step
        if t >= leave or left < 1.000001e-3:
            break
        sigma, color = plain_evaluate(field, origin + t * direction)
        alpha = min(1 - math.exp(-sigma * step * field.resolution), 0.999)
        rgb += left * alpha * color
        depth += left * alpha * t
        left *= 1 - alpha
    return rgb, 1 - left, depth / (1 - left) if left < 1 else 0.0
