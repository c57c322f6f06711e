"""Gaussians and a camera -> color, alpha and depth: splatting, on any device, differentiable.

The picture is cut into tiles. Each has the list of Gaussians that can be seen in it, front to
back; all tiles composite the next few of their lists together, until these end or nothing behind
can be seen any more.

Sources: Kerbl et al., 3D Gaussian Splatting for Real-Time Radiance Field Rendering, 2023; Yu et
al., Mip-Splatting, 2024 (the filter in the picture and what it takes off the opacity). On CUDA the
same is done by gsplat, where it is installed (Ye et al., gsplat, 2024).
"""

import functools
import importlib
import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor

from pipeline.errors import InvalidInput
from pipeline.model.cameras import Camera
from pipeline.model.gaussians import Gaussians

Backend = Literal["torch", "gsplat"]
Report = Callable[[float], None]

FILTER_2D = 0.1  # pixels squared; what the released decoders were trained with
SMALLEST_ALPHA = 1 / 255  # less is not drawn
LARGEST_ALPHA = 0.99
SMALLEST_TRANSMITTANCE = 1e-4  # a Gaussian that would leave less is not drawn, nor any behind it
SMALLEST_DETERMINANT = 1e-6  # of a covariance in the picture, pixels to the fourth

_TILE_PX = 8
_DEPTH = 16  # Gaussians of a tile between two looks at which tiles are finished
# Tiles at a time on the CPU: such a block of pixels stays in the cache, and PyTorch does not share
# out its 2^15 numbers among threads, for which the many steps are too small.
_TILES = 32
# Pairs of a Gaussian and a tile at a time: 25 MB, a quarter of a second on the CPU.
_MOST_PAIRS = 2**18


@dataclass(frozen=True, kw_only=True, eq=False)
class GaussianPicture:
    """Rows run downward, columns to the camera's right.

    color: `[H, W, 3]` sRGB over the background, at least 0; may exceed 1.
    alpha: `[H, W]` in [0, 1).
    depth: `[H, W]` along the camera's forward axis, sides of the unit cube: the mean over what is
        seen in the pixel; 0 where nothing is.
    """

    color: Tensor
    alpha: Tensor
    depth: Tensor


def render(
    gaussians: Gaussians,
    camera: Camera,
    *,
    size_px: int,
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    near: float = 0.2,
    far: float = 1e10,
    filter_2d: float = FILTER_2D,
    backend: Backend | None = None,
    report: Report | None = None,
) -> GaussianPicture:
    """Draw Gaussians, differentiable in all their fields.

    The plain PyTorch backend gives the same numbers at any thread count, and accepts float64.
    gsplat differs from it where a pixel is hardly covered or almost opaque (it cuts Gaussians off
    by radius, and caps alpha at 0.999).

    Args:
        gaussians: What to draw; those with a non-finite number are not drawn.
        camera: Looks at the origin.
        size_px: Side of the picture.
        background: sRGB.
        near: Gaussians whose center is not deeper than this are not drawn.
        far: Nor those whose center is not nearer than this.
        filter_2d: Variance added in the picture, pixels squared.
        backend: `None` takes gsplat for tensors on CUDA where it is installed, else PyTorch.
        report: Is told again and again which share is done; may raise.

    Raises:
        InvalidInput: If `size_px` is below 1, or `backend` cannot be used here.
    """
    if size_px < 1:
        raise InvalidInput(f"size_px must be at least 1, got {size_px}")
    report = report or (lambda _share: None)
    draw = _draw_with_gsplat if _choose(backend, gaussians) == "gsplat" else _draw_with_torch
    color, alpha, depth = draw(gaussians, camera, size_px, (near, far), filter_2d, report)
    behind = torch.tensor(background, dtype=color.dtype, device=color.device)
    return GaussianPicture(color=color + (1 - alpha)[..., None] * behind, alpha=alpha, depth=depth)


def _choose(backend: Backend | None, gaussians: Gaussians) -> Backend:
    on_cuda = gaussians.positions.is_cuda
    installed = importlib.util.find_spec("gsplat") is not None
    if backend is None:
        return "gsplat" if on_cuda and installed else "torch"
    if backend == "gsplat" and not installed:
        raise InvalidInput("backend gsplat is not installed; pip install gsplat, or take torch")
    if backend == "gsplat" and not on_cuda:
        raise InvalidInput(f"backend gsplat needs CUDA, got {gaussians.positions.device} tensors")
    return backend


# --- plain PyTorch ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Splats:
    """N visible Gaussians in the picture, from front to back.

    means: `[N, 2]` pixels. conics: `[N, 3]` inverse covariance, its entries xx, xy, yy.
    opacities: `[N]`. features: `[N, 5]` color, depth, 1: what is summed up per pixel.
    first_tile, last_tile: `[N, 2]` column and row of tiles in which they can be seen.
    """

    means: Tensor
    conics: Tensor
    opacities: Tensor
    features: Tensor
    first_tile: Tensor
    last_tile: Tensor


def _draw_with_torch(
    gaussians: Gaussians,
    camera: Camera,
    size_px: int,
    near_far: tuple[float, float],
    filter_2d: float,
    report: Report,
) -> tuple[Tensor, Tensor, Tensor]:
    splats = _project(gaussians, camera, size_px, near_far, filter_2d)
    side = -(-size_px // _TILE_PX)  # tiles
    bands = []
    for band in _bands(splats, side):
        report(band.start / side)
        bands.append(_draw_band(splats, band, side))
    report(1.0)
    sums = torch.cat(bands).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)  # [5, H, W]
    sums = sums[:, :size_px, :size_px]
    color, depth, alpha = sums[:3].permute(1, 2, 0), sums[3], sums[4]
    return color, alpha, depth / torch.where(alpha > 0, alpha, 1)


def _project(
    gaussians: Gaussians,
    camera: Camera,
    size_px: int,
    near_far: tuple[float, float],
    filter_2d: float,
) -> _Splats:
    like = gaussians.positions
    world_to_camera = torch.from_numpy(camera.rotation).to(like)
    origin, focal = torch.from_numpy(camera.position).to(like), camera.focal_px(size_px)
    # Sums over axes are written out here: a matrix product may add in another order on other
    # numbers of threads.
    offsets = gaussians.positions - origin
    points = _sum(offsets[:, i : i + 1] * world_to_camera[:, i] for i in range(3))
    is_between = (points[:, 2] > near_far[0]) & (points[:, 2] < near_far[1])
    # From front to back; the stable sort keeps equal depths in their order.
    rows = is_between.nonzero()[:, 0]
    rows = rows[torch.argsort(points[rows, 2].detach(), stable=True)]

    x, y, z = points[rows].unbind(1)
    means = torch.stack([x / z, y / z], dim=1) * focal + size_px / 2
    # Axes of the Gaussian, each as long as its standard deviation, in the camera's frame.
    to_world, scales = _matrices(gaussians.rotations[rows]), gaussians.scales[rows]
    right, below, ahead = (
        _sum(to_world[:, j] * world_to_camera[i, j] for j in range(3)) * scales for i in range(3)
    )
    # The slope of the projection is taken no farther than a little outside the picture: beyond, it
    # smears Gaussians over the whole of it.
    limit = 1.3 * 0.5 * size_px / focal
    slope_x, slope_y = (x / z).clamp(-limit, limit), (y / z).clamp(-limit, limit)
    across = ((right - slope_x[:, None] * ahead) * (focal / z)[:, None]).unbind(1)
    down = ((below - slope_y[:, None] * ahead) * (focal / z)[:, None]).unbind(1)
    xx, xy, yy = _dot(across, across), _dot(across, down), _dot(down, down)
    # The length of a cross product: equals xx yy - xy^2, without the cancellation.
    sharp = _sum(
        (across[i] * down[j] - across[j] * down[i]).square() for i, j in ((0, 1), (1, 2), (2, 0))
    )
    blurred = (sharp + filter_2d * (xx + yy) + filter_2d**2).clamp_min(SMALLEST_DETERMINANT)
    # The square root is MKL's, which on several threads now and then gives other last digits; its
    # reciprocal is not.
    dimmed = (blurred / sharp.clamp_min(SMALLEST_DETERMINANT)).rsqrt()
    opacities = gaussians.opacities[rows] * dimmed
    variances = torch.stack([xx, yy], dim=1) + filter_2d  # [N, 2]
    conics = torch.stack([variances[:, 1], -xy, variances[:, 0]], dim=1) / blurred[:, None]
    features = torch.cat([gaussians.colors[rows], z[:, None], torch.ones_like(z)[:, None]], dim=1)

    with torch.no_grad():
        # Where alpha falls to its smallest: an ellipse, whose box this is, made a little wider. A
        # pixel too many does no harm.
        reach = (2 * torch.log(opacities / SMALLEST_ALPHA)).clamp_min(0)
        extent = (reach[:, None] * variances).sqrt() * 1.001
        low = (means - extent - 0.5).clamp(-1, size_px).ceil()  # pixel centers are at + 0.5
        high = (means + extent - 0.5).clamp(-1, size_px).floor()
        low, high = low.clamp_min(0), high.clamp_max(size_px - 1)
        # Comparisons with what is not a number are false.
        is_seen = (opacities >= SMALLEST_ALPHA) & (low <= high).all(1)
        is_seen &= features.isfinite().all(1)
        kept = is_seen.nonzero()[:, 0]
        first_tile = low[kept].long() // _TILE_PX
        last_tile = high[kept].long() // _TILE_PX

    return _Splats(
        means=means[kept],
        conics=conics[kept],
        opacities=opacities[kept],
        features=features[kept],
        first_tile=first_tile,
        last_tile=last_tile,
    )


def _sum(terms: Iterable[Tensor]) -> Tensor:
    """Added one after another, first to last."""
    return functools.reduce(torch.add, terms)


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return _sum(x * y for x, y in zip(a, b, strict=True))


def _matrices(quaternions: Tensor) -> Tensor:
    """`[N, 4]` unit quaternions -> `[N, 3, 3]`."""
    w, x, y, z = quaternions.unbind(1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def _bands(splats: _Splats, side: int) -> Iterator[range]:
    """Rows of tiles in groups whose lists together fit in memory; at least one row each."""
    width = splats.last_tile[:, 0] - splats.first_tile[:, 0] + 1
    change = torch.zeros(side + 1, dtype=torch.int64, device=width.device)
    change.index_add_(0, splats.first_tile[:, 1], width)
    change.index_add_(0, splats.last_tile[:, 1] + 1, -width)
    first, pairs = 0, 0
    for row, count in enumerate(change.cumsum(0)[:-1].tolist()):
        if row > first and pairs + count > _MOST_PAIRS:
            yield range(first, row)
            first, pairs = row, 0
        pairs += count
    yield range(first, side)


def _draw_band(splats: _Splats, band: range, side: int) -> Tensor:
    """`[rows, side, 5, 8, 8]`: the sums of all features in each tile of some rows."""
    first, last = splats.first_tile, splats.last_tile
    in_band = ((first[:, 1] < band.stop) & (last[:, 1] >= band.start)).nonzero()[:, 0]
    first, last = first[in_band], last[in_band]
    top, bottom = first[:, 1].clamp_min(band.start), last[:, 1].clamp_max(band.stop - 1)
    width = last[:, 0] - first[:, 0] + 1
    pairs_of = width * (bottom - top + 1)
    member = torch.repeat_interleave(pairs_of)  # [M], into in_band
    nth = torch.arange(len(member), device=member.device) - (pairs_of.cumsum(0) - pairs_of)[member]
    row, column = top[member] + nth // width[member], first[member, 0] + nth % width[member]
    tile = (row - band.start) * side + column
    # Members are in order of depth, and the stable sort keeps them so within each tile.
    tile, order = torch.sort(tile, stable=True)
    splat = in_band[member[order]]
    counts = torch.bincount(tile, minlength=len(band) * side)

    # All fields in one gather, for the sake of the way back.
    fields = [splats.means, splats.conics, splats.opacities[:, None], splats.features]
    gathered = torch.cat(fields, dim=1).index_select(0, splat)
    means, conics = gathered[:, :2], gathered[:, 2:5]
    opacities, features = gathered[:, 5:6], gathered[:, 6:]
    # Exponent of alpha, to base 2, as a polynomial of the pixel's place in its tile; see `_basis`.
    middle = torch.stack([column[order], row[order]], dim=1) * _TILE_PX + _TILE_PX / 2
    mx, my = (means - middle).unbind(1)
    xx, xy, yy = (conics * math.log2(math.e)).unbind(1)
    gx, gy = xx * mx + xy * my, xy * mx + yy * my
    at_middle = -0.5 * (gx * mx + gy * my)
    polynomial = torch.stack([-0.5 * xx, -xy, -0.5 * yy, gx, gy, at_middle], dim=1)  # [M, 6]
    composite: Callable[..., Tensor] = _Composite.apply
    sums = composite(polynomial, opacities, features, counts)
    return sums.reshape(len(band), side, -1, _TILE_PX, _TILE_PX)


def _basis(like: Tensor) -> Tensor:
    """`[6, 64]`: x^2, xy, y^2, x, y, 1 of each pixel center of a tile, from the tile's middle."""
    steps = torch.arange(_TILE_PX, dtype=like.dtype, device=like.device) + 0.5 - _TILE_PX / 2
    y, x = (grid.flatten() for grid in torch.meshgrid(steps, steps, indexing="ij"))
    return torch.stack([x * x, x * y, y * y, x, y, torch.ones_like(x)])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layer:
    """Up to `_DEPTH` = K consecutive Gaussians of each of A tiles.

    tiles: `[A]`. rows: `[A, K]` into the pairs. is_real: `[A, K]`; the rest is filled up.
    alpha: `[A, K, 64]`. before: `[A, K, 64]`, transmittance in front of each.
    is_drawn: `[A, K, 64]`, 1 until too little transmittance would be left, then 0.
    """

    tiles: Tensor
    rows: Tensor
    is_real: Tensor
    alpha: Tensor
    before: Tensor
    is_drawn: Tensor

    @property
    def weight(self) -> Tensor:
        """`[A, K, 64]`: the share of each Gaussian in its pixels."""
        return self.before * self.alpha * self.is_drawn


def _layers(polynomial: Tensor, opacities: Tensor, counts: Tensor) -> Iterator[_Layer]:
    """All tiles from front to back, those that are finished left out."""
    basis = _basis(polynomial)
    starts = counts.cumsum(0) - counts
    steps = torch.arange(_DEPTH, device=counts.device)
    per_block = _TILES if counts.device.type == "cpu" else len(counts)
    for group in torch.split(counts.nonzero()[:, 0], per_block):
        tiles, depth = group, 0
        transmittance = polynomial.new_ones(len(tiles), _TILE_PX**2)
        while len(tiles):
            is_real = (depth + steps) < counts[tiles, None]  # [A, K]
            rows = (starts[tiles, None] + depth + steps).clamp_max(len(polynomial) - 1)
            # Powers of 2 are not MKL's, as `exp` is; see `_project`.
            exponent = (polynomial[rows.flatten()] @ basis).reshape(*rows.shape, -1)
            alpha = exponent.exp2_() * (opacities[rows] * is_real[..., None])
            alpha = torch.threshold_(alpha.clamp_max_(LARGEST_ALPHA), SMALLEST_ALPHA, 0.0)
            passed = torch.cat([transmittance[:, None], 1 - alpha], dim=1)
            through = passed.cumprod(1)  # [A, K + 1, 64]
            # A mask of numbers: masks of bits are several times slower to multiply with.
            is_drawn = torch.ge(through[:, 1:], SMALLEST_TRANSMITTANCE, out=torch.empty_like(alpha))
            yield _Layer(
                tiles=tiles,
                rows=rows,
                is_real=is_real,
                alpha=alpha,
                before=through[:, :-1],
                is_drawn=is_drawn,
            )
            depth += _DEPTH
            transmittance = through[:, -1]
            is_open = (transmittance.amax(1) >= SMALLEST_TRANSMITTANCE) & (counts[tiles] > depth)
            if not bool(is_open.all()):
                tiles, transmittance = tiles[is_open], transmittance[is_open]


class _Composite(torch.autograd.Function):
    """Sums of features over the Gaussians of each tile, weighted by how much of each is seen.

    Takes the pairs tile after tile, each from front to back: `[M, 6]` exponents, `[M, 1]`
    opacities, `[M, F]` features; and `[T]` pairs per tile. Returns `[T, F, 64]`. Nothing per pixel
    and Gaussian is kept for the way back: it goes through the tiles once more.
    """

    @staticmethod
    def forward(
        ctx: Any, polynomial: Tensor, opacities: Tensor, features: Tensor, counts: Tensor
    ) -> Tensor:
        sums = features.new_zeros(len(counts), features.shape[1], _TILE_PX**2)
        for layer in _layers(polynomial, opacities, counts):
            # What is filled up has no weight, whatever its features.
            sums[layer.tiles] += features[layer.rows].transpose(1, 2) @ layer.weight
        ctx.save_for_backward(polynomial, opacities, features, counts, sums)
        return sums

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        polynomial, opacities, features, counts, sums = ctx.saved_tensors
        grad = grads[0]
        basis = _basis(polynomial)
        # What the Gaussians not yet passed add to the loss, per pixel.
        rest = (sums * grad).sum(1)  # [T, 64]
        d_polynomial, d_features = torch.zeros_like(polynomial), torch.zeros_like(features)
        for layer in _layers(polynomial, opacities, counts):
            weight, wanted = layer.weight, grad[layer.tiles]
            value = features[layer.rows] @ wanted  # [A, K, 64]
            behind = rest[layer.tiles, None] - (weight * value).cumsum(1)
            rest[layer.tiles] = behind[:, -1]
            # More alpha shows more of this one and less of all behind it; times alpha, as the
            # derivative of an exponential is.
            d_log_alpha = weight * value - behind * layer.is_drawn * (
                layer.alpha / (1 - layer.alpha)
            )
            d_log_alpha *= torch.lt(layer.alpha, LARGEST_ALPHA, out=torch.empty_like(weight))
            rows = layer.rows[layer.is_real]
            d_polynomial[rows] = (d_log_alpha @ basis.T)[layer.is_real]
            d_features[rows] = (weight @ wanted.transpose(1, 2))[layer.is_real]
        d_opacities = d_polynomial[:, 5:] / opacities
        return d_polynomial * math.log(2), d_opacities, d_features, None


# --- gsplat -------------------------------------------------------------------------------


class _Rasterization(Protocol):
    """`gsplat.rasterization`, version 1.5: as much of it as is used here."""

    def __call__(
        self,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        colors: Tensor,
        viewmats: Tensor,
        Ks: Tensor,
        width: int,
        height: int,
        *,
        near_plane: float,
        far_plane: float,
        eps2d: float,
        render_mode: Literal["RGB+ED"],
        rasterize_mode: Literal["antialiased"],
    ) -> tuple[Tensor, Tensor, dict[str, Any]]: ...


def _draw_with_gsplat(
    gaussians: Gaussians,
    camera: Camera,
    size_px: int,
    near_far: tuple[float, float],
    filter_2d: float,
    report: Report,
) -> tuple[Tensor, Tensor, Tensor]:
    # Not an import statement: the library is optional and ships for CUDA only.
    rasterization = cast(_Rasterization, importlib.import_module("gsplat").rasterization)
    like = gaussians.positions
    world_to_camera = torch.eye(4)
    world_to_camera[:3, :3] = torch.from_numpy(camera.rotation)
    world_to_camera[:3, 3] = torch.from_numpy(-camera.rotation @ camera.position)
    focal, middle = camera.focal_px(size_px), size_px / 2
    intrinsics = torch.tensor([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
    pictures, alphas, _ = rasterization(
        gaussians.positions,
        gaussians.rotations,
        gaussians.scales,
        gaussians.opacities,
        gaussians.colors,
        world_to_camera.to(like)[None],
        intrinsics.to(like)[None],
        size_px,
        size_px,
        near_plane=near_far[0],
        far_plane=near_far[1],
        eps2d=filter_2d,
        render_mode="RGB+ED",
        rasterize_mode="antialiased",
    )
    report(1.0)
    return pictures[0, ..., :3], alphas[0, ..., 0], pictures[0, ..., 3]
