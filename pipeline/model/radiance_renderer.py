"""Radiance field -> pictures, by marching along rays through the active voxels.

Two roads to the same numbers: `render_rays` is plain PyTorch, differentiable, for training and for
GPUs; on the CPU `render` takes a compiled loop, which needs a twentieth of the time or less.

Source: Max, Optical Models for Direct Volume Rendering, 1995.
"""

import math
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import InvalidInput
from pipeline.model.cameras import Camera
from pipeline.model.radiance_field import SH_0, RadianceField, evaluate_in_voxels

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., None])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

# Half a line sample: 0.5 / 8 of a voxel for the released models.
_STEP_SAMPLES = 0.5
# Over which length sigma counts, in voxel sides. The description of the released models does not
# say; that the sides of a voxel are meant follows from their head: untrained, sigma is softplus(0)
# = 0.69. Per voxel that is fog of which a voxel swallows half, and training can go either way from
# there; per side of the cube it would be 1 % a voxel, and a surface would need hundreds.
_SIGMA_LENGTH_VOXELS = 1.0
_MAX_THICKNESS = math.log(1000.0)  # of one step: alpha is at most 0.999
# A ray ends at a transmittance of 1e-3. One step at its cap is enough, whatever it is rounded to.
_OPAQUE_THICKNESS = _MAX_THICKNESS - 1e-6
_CHUNK_STEPS = 1 << 20  # steps, most of them through empty space, that are held at once
_BAND_RAYS = 4096  # what a thread does at a time; at least a row of pixels
_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """What a camera, or a set of rays, sees.

    rgb: `[..., 3]` float32 sRGB in front of the background.
    alpha: `[...]` float32 in [0, 1]: how much of the background is hidden.
    depth: `[...]` float32: mean distance along the camera's forward axis of what is seen, in sides
        of the unit cube, weighted like the color; 0 where alpha is. Of rays: along the ray.
    """

    rgb: Tensor
    alpha: Tensor
    depth: Tensor


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """Options of `render`.

    size_px: side of the picture, 1 to 4096.
    supersampling: rays per pixel side, 1 to 8; the published renderer takes 4.
    background: sRGB in [0, 1].
    """

    size_px: int = 512
    supersampling: int = 1
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not 1 <= self.size_px <= 4096:
            raise InvalidInput(f"size_px must be in 1..4096, got {self.size_px}")
        if not 1 <= self.supersampling <= 8:
            raise InvalidInput(f"supersampling must be in 1..8, got {self.supersampling}")
        if len(self.background) != 3 or not all(0 <= c <= 1 for c in self.background):
            raise InvalidInput(f"background must be three numbers in [0, 1], got {self.background}")


def _quiet(fraction: float) -> None:
    """Watch nothing."""


def render(
    field: RadianceField,
    camera: Camera,
    options: RenderOptions,
    progress: Callable[[float], None] = _quiet,
) -> Rendering:
    """Draw a field. The same on every number of threads.

    Args:
        field: On the CPU or a GPU; the picture is made there.
        camera: Where from. There is no near or far plane: all of the cube in front of it is seen.
        options: How large and how fine.
        progress: Called with the finished share several times a second; what it raises ends the
            work.

    Returns:
        `[size_px, size_px]` pixels, row 0 at the top, on the field's device.
    """
    progress(0.0)
    n, fine, device = options.size_px, options.supersampling, field.coords.device
    march = _compiled_march(field) if device.type == "cpu" else _plain_march(field)
    seen = torch.empty(n, n, 5, device=device)  # color, alpha, depth; all weighted by alpha

    @torch.no_grad()  # here, because each thread has its own switch
    def draw(rows: range) -> None:
        fine_rows = range(rows.start * fine, rows.stop * fine)
        origin, directions = camera_rays(camera, n * fine, fine_rows)
        found = march(origin, directions)
        forward = (directions * torch.from_numpy(camera.rotation[2])).sum(1)
        found[:, 4] *= forward.to(device)
        seen[rows.start : rows.stop] = found.reshape(-1, fine, n, fine, 5).mean((1, 3))

    at_once = max(1, _BAND_RAYS // (n * fine * fine))
    bands = [range(first, min(first + at_once, n)) for first in range(0, n, at_once)]
    with ThreadPoolExecutor(torch.get_num_threads() if device.type == "cpu" else 1) as threads:
        pending = {threads.submit(draw, band) for band in bands}
        try:
            while pending:
                finished, pending = wait(pending, _POLL_S, return_when=FIRST_COMPLETED)
                for band in finished:
                    band.result()
                progress(1 - len(pending) / len(bands))
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
    rgb, alpha, depth = seen[..., :3], seen[..., 3], seen[..., 4]
    background = torch.tensor(options.background, device=device)
    return Rendering(
        rgb=rgb + (1 - alpha)[..., None] * background,
        alpha=alpha,
        depth=torch.where(alpha > 0, depth / alpha.clamp(min=1e-12), 0.0),
    )


def camera_rays(camera: Camera, size_px: int, rows: range | None = None) -> tuple[Tensor, Tensor]:
    """Rays through the middles of a picture's pixels.

    Args:
        camera: Where from.
        size_px: Side of the picture.
        rows: Which rows of pixels, counted from the top; all if None.

    Returns:
        `[3]` the camera's position and `[N, 3]` unit directions, row by row, both float64 in the
        frame of the unit cube.
    """
    middles = torch.arange(size_px, dtype=torch.float64) + 0.5 - size_px / 2
    across = middles / camera.focal_px(size_px)
    down = across if rows is None else across[rows.start : rows.stop]
    y, x = torch.meshgrid(down, across, indexing="ij")
    right, below, forward = torch.from_numpy(camera.rotation.astype(np.float64))
    # Not a matrix product: that may round differently from one number of threads to another.
    directions = (x[..., None] * right + y[..., None] * below + forward).flatten(0, 1)
    directions = directions / directions.norm(dim=1, keepdim=True)
    return torch.from_numpy(camera.position.astype(np.float64)), directions


def render_rays(
    field: RadianceField,
    origins: Tensor,
    directions: Tensor,
    *,
    background: Tensor | None = None,
    jitter: torch.Generator | None = None,
) -> Rendering:
    """March along rays in plain PyTorch; gradients reach the field's tensors.

    A ray is sampled in the middles of equal steps that start where it enters the cube. Memory
    grows with the number of rays: at 64^3 voxels about 2,000 steps each, so split large pictures.

    Args:
        field: What to look at.
        origins: `[N, 3]` float64. directions: `[N, 3]` float64, unit length.
        background: `[3]` or `[N, 3]`; black if None.
        jitter: Moves each ray's samples by up to half a step, against banding in training.

    Returns:
        One row per ray; depth is the distance along it.
    """
    step = _STEP_SAMPLES / field.dim / field.resolution
    enter, leave = _cube_crossing(origins, directions)
    count = _step_count(field)
    if jitter is None:
        offset = torch.full_like(enter, 0.5)
    else:
        drawn = torch.rand(len(enter), generator=jitter, dtype=enter.dtype, device=jitter.device)
        offset = drawn.to(enter.device)
    along = enter[:, None] + (torch.arange(count, device=enter.device) + offset[:, None]) * step
    ray, k = (along < leave[:, None]).nonzero(as_tuple=True)  # ray by ray, front to back
    t = along[ray, k]
    cells = (origins[ray] + t[:, None] * directions[ray] + 0.5) * field.resolution
    corner = cells.floor().clamp(0, field.resolution - 1)  # rounding at the faces of the cube
    rows = field.voxel_rows()[corner.long().unbind(1)].long()
    ray, t, rows, local = _select(rows >= 0, ray, t, rows, (cells - corner).clamp(0, 1).float())
    with torch.no_grad():  # what lies behind something opaque needs no color and no gradient
        sigma, _ = evaluate_in_voxels(field, rows, local)
        kept = _thickness_before(_thickness(sigma, field), ray) < _OPAQUE_THICKNESS
    ray, t, rows, local = _select(kept, ray, t, rows, local)

    sigma, color = evaluate_in_voxels(field, rows, local)
    thickness = _thickness(sigma, field)
    transmittance = torch.exp(-_thickness_before(thickness, ray)).to(color.dtype)
    weight = transmittance * -torch.expm1(-thickness)
    zero = color.new_zeros(len(origins))
    alpha = zero.index_add(0, ray, weight)
    rgb = color.new_zeros(len(origins), 3).index_add(0, ray, weight[:, None] * color)
    depth = zero.index_add(0, ray, weight * t.to(weight.dtype))
    if background is not None:
        rgb = rgb + (1 - alpha)[:, None] * background
    return Rendering(
        rgb=rgb, alpha=alpha, depth=torch.where(alpha > 0, depth / alpha.clamp(min=1e-12), 0.0)
    )


def _step_count(field: RadianceField) -> int:
    """Steps along the diagonal of the cube."""
    return math.ceil(math.sqrt(3) * field.resolution * field.dim / _STEP_SAMPLES) + 1


def _cube_crossing(origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Distances at which rays enter and leave the cube; a ray that misses it leaves first."""
    # An axis the ray runs along is crossed at infinity; 0 / 0 on a face of the cube must not be.
    inverse = 1 / torch.where(directions == 0, 1e-300, directions)
    low, high = (-0.5 - origins) * inverse, (0.5 - origins) * inverse
    enter = torch.minimum(low, high).amax(1).clamp(min=0)
    return enter, torch.maximum(low, high).amin(1)


def _select(mask: Tensor, *columns: Tensor) -> list[Tensor]:
    return [column[mask] for column in columns]


def _thickness(sigma: Tensor, field: RadianceField) -> Tensor:
    """Optical thickness of a step, capped."""
    step_voxels = _STEP_SAMPLES / field.dim / _SIGMA_LENGTH_VOXELS
    return (sigma * step_voxels).clamp(max=_MAX_THICKNESS)


def _thickness_before(thickness: Tensor, ray: Tensor) -> Tensor:
    """What each ray has passed before each of its samples; float64.

    Args:
        thickness: `[S]`, ray by ray, front to back.
        ray: `[S]` ascending: which ray each sample lies on.
    """
    before = torch.cumsum(thickness.double(), 0) - thickness.double()
    is_first = torch.ones_like(ray, dtype=torch.bool)
    is_first[1:] = ray[1:] != ray[:-1]
    place = torch.cumsum(is_first, 0) - 1  # of the sample's ray among those that have samples
    return before - before[is_first][place]


_March = Callable[[Tensor, Tensor], Tensor]  # one origin, `[N, 3]` directions -> `[N, 5]`


def _plain_march(field: RadianceField) -> _March:
    device = field.coords.device
    at_once = max(1, _CHUNK_STEPS // _step_count(field))

    def march(origin: Tensor, directions: Tensor) -> Tensor:
        parts = []
        for some in torch.split(directions.to(device), at_once):
            seen = render_rays(field, origin.to(device).expand(len(some), 3), some)
            weighted = torch.stack([seen.alpha, seen.alpha * seen.depth], 1)
            parts.append(torch.cat([seen.rgb, weighted], 1))
        return torch.cat(parts)

    return march


def _compiled_march(field: RadianceField) -> _March:
    grid = field.voxel_rows().numpy()
    lines = field.line_samples().detach().float().numpy()
    density = field.density.detach().float().contiguous().numpy()
    features = field.features_dc.detach().float().contiguous().numpy()

    def march(origin: Tensor, directions: Tensor) -> Tensor:
        seen = np.zeros((len(directions), 5), np.float32)
        _march(grid, lines, density, features, origin.numpy(), directions.numpy(), seen)
        return torch.from_numpy(seen)

    return march


@_kernel
def _march(
    grid: NDArray[np.int32],
    lines: NDArray[np.float32],
    density: NDArray[np.float32],
    features: NDArray[np.float32],
    origin: NDArray[np.float64],
    directions: NDArray[np.float64],
    seen: NDArray[np.float32],
) -> None:
    """Fill `seen [N, 5]`: color, alpha, distance; the twin of `render_rays`.

    grid `[R, R, R]`, lines `[L, 3, dim, rank]`, density `[L, rank]`, features `[L, rank, 3]`.
    """
    resolution = grid.shape[0]
    dim, rank = lines.shape[2], lines.shape[3]
    step = _STEP_SAMPLES / dim / resolution
    step_voxels = np.float32(_STEP_SAMPLES / dim / _SIGMA_LENGTH_VOXELS)
    product = np.empty(rank, np.float32)
    local = np.empty(3)
    index = np.empty(3, np.int64)
    for i in range(len(directions)):
        enter, leave = 0.0, np.inf
        for axis in range(3):
            towards = directions[i, axis]
            inverse = 1 / (towards if towards != 0 else 1e-300)
            low, high = (-0.5 - origin[axis]) * inverse, (0.5 - origin[axis]) * inverse
            enter, leave = max(enter, min(low, high)), min(leave, max(low, high))
        red, green, blue, depth, thickness_before = 0.0, 0.0, 0.0, 0.0, 0.0
        alpha = 0.0
        k = 0
        while True:
            t = enter + (k + 0.5) * step
            if t >= leave:
                break
            for axis in range(3):
                cell = (origin[axis] + t * directions[i, axis] + 0.5) * resolution
                corner = min(max(math.floor(cell), 0), resolution - 1)
                index[axis] = corner
                local[axis] = min(max(cell - corner, 0.0), 1.0)
            row = grid[index[0], index[1], index[2]]
            if row < 0:  # to the last step in this voxel: never past the first one in the next
                to_wall = np.inf
                for axis in range(3):
                    towards = directions[i, axis]
                    if towards > 0:
                        to_wall = min(to_wall, (1 - local[axis]) / (towards * resolution))
                    elif towards < 0:
                        to_wall = min(to_wall, -local[axis] / (towards * resolution))
                k += max(1, int(to_wall / step))
                continue
            for axis in range(3):
                at = np.float32(
                    min(max(np.float32(local[axis]) * dim - np.float32(0.5), 0), dim - 1)
                )
                low_sample = int(at)
                high_sample = min(low_sample + 1, dim - 1)
                weight = at - np.float32(low_sample)
                first, second = lines[row, axis, low_sample], lines[row, axis, high_sample]
                if axis == 0:
                    for r in range(rank):
                        product[r] = first[r] + weight * (second[r] - first[r])
                else:
                    for r in range(rank):
                        product[r] *= first[r] + weight * (second[r] - first[r])
            raw, raw_red, raw_green, raw_blue = (
                np.float32(0), np.float32(0), np.float32(0), np.float32(0),
            )  # fmt: skip
            for r in range(rank):
                raw += density[row, r] * product[r]
                raw_red += features[row, r, 0] * product[r]
                raw_green += features[row, r, 1] * product[r]
                raw_blue += features[row, r, 2] * product[r]
            sigma = max(raw, np.float32(0)) + np.log1p(np.exp(-abs(raw)))
            thickness = min(sigma * step_voxels, _MAX_THICKNESS)
            share = math.exp(-thickness_before) * -math.expm1(-thickness)
            red += share / (1 + math.exp(-SH_0 * raw_red))
            green += share / (1 + math.exp(-SH_0 * raw_green))
            blue += share / (1 + math.exp(-SH_0 * raw_blue))
            alpha += share
            depth += share * t
            thickness_before += thickness
            if thickness_before >= _OPAQUE_THICKNESS:
                break
            k += 1
        seen[i, 0], seen[i, 1], seen[i, 2] = red, green, blue
        seen[i, 3], seen[i, 4] = alpha, depth
