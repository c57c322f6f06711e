"""How far the two sides of a chart border differ in the finished texture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.srgb import LINEAR_OF_BYTE, srgb_from_linear
from pipeline.types import FloatArray, Image, IntArray, UnwrappedMesh

LEVELS = 6  # mip 0, 1 ... that are measured: below, an atlas of 2048 has 32 texels
_SAMPLES_PER_EDGE = 8
_INSET = 0.02  # of the way to the face's third corner


@dataclass(frozen=True, kw_only=True)
class Border:
    """Points along the borders between charts, as either side has them.

    points: `[2, N, 3]` float32 metres, a little inside the chart: on the edge itself, one cannot
        tell which side of a crease is meant. normals: `[2, N, 3]` float32, of any length.
    uvs: `[2, N, 2]` float32, on the edge. lods: `[N]` int32.
    """

    points: FloatArray
    normals: FloatArray
    uvs: FloatArray
    lods: IntArray


def chart_border(lods: Sequence[UnwrappedMesh]) -> Border:
    """Find all edges whose two faces lie in different charts, and points along them."""
    borders = [_border_of(lod, index) for index, lod in enumerate(lods)]
    return Border(
        points=np.concatenate([border.points for border in borders], axis=1),
        normals=np.concatenate([border.normals for border in borders], axis=1),
        uvs=np.concatenate([border.uvs for border in borders], axis=1),
        lods=np.concatenate([border.lods for border in borders]),
    )


def seam_steps(uvs: FloatArray, image: Image, tick: Callable[[], None]) -> tuple[float, ...]:
    """Return the mean step across chart borders at mip 0, 1 ..., in 255ths of a channel.

    Both sides are read bilinear, as a shader does; mips are means in linear light, as engines make
    them.

    Args:
        uvs: `[2, N, 2]` the same points in either chart.
        image: sRGB; more than three channels are not looked at.
        tick: Called between steps; may raise to stop.

    Returns:
        One value per level, fewer where the texture has fewer; empty without points.
    """
    if not uvs.shape[1]:
        return ()
    texels = LINEAR_OF_BYTE[image.pixels[:, :, :3]]
    steps = []
    for level in range(LEVELS):
        tick()
        if level > 0:
            if min(texels.shape[:2]) < 2:
                break
            texels = _halved(texels)
        one, two = (srgb_from_linear(_read(texels, side)) for side in uvs)
        steps.append(float(255 * np.abs(one - two).mean(dtype=np.float64)))
    return tuple(steps)


def _border_of(lod: UnwrappedMesh, index: int) -> Border:
    _, points = np.unique(lod.positions, axis=0, return_inverse=True)
    start = lod.faces.reshape(-1)
    end = np.roll(lod.faces, -1, axis=1).reshape(-1)
    a, b = points[start].astype(np.int64), points[end].astype(np.int64)
    is_turned = a > b
    low, high = np.where(is_turned, b, a), np.where(is_turned, a, b)
    first, second = np.where(is_turned, end, start), np.where(is_turned, start, end)
    order = np.lexsort((high, low))
    is_pair = (low[order][1:] == low[order][:-1]) & (high[order][1:] == high[order][:-1])
    pair = np.flatnonzero(is_pair)
    one, two = order[pair], order[pair + 1]
    is_border = (first[one] != first[two]) | (second[one] != second[two])
    along = ((np.arange(_SAMPLES_PER_EDGE) + 0.5) / _SAMPLES_PER_EDGE)[None, :, None]

    def between(values: FloatArray, edges: NDArray[np.intp], inset: float) -> FloatArray:
        """Points along these edges, moved toward the third corner."""
        start, end = values[first[edges]][:, None], values[second[edges]][:, None]
        corner = values[lod.faces[edges // 3, (edges % 3 + 2) % 3]][:, None]
        places = (1 - inset) * (start + along * (end - start)) + inset * corner
        return places.reshape(-1, values.shape[1]).astype(np.float32)

    sides = one[is_border], two[is_border]
    count = _SAMPLES_PER_EDGE * len(sides[0])
    return Border(
        points=np.stack([between(lod.positions, side, _INSET) for side in sides]),
        normals=np.stack([between(lod.normals, side, _INSET) for side in sides]),
        uvs=np.stack([between(lod.uvs, side, 0.0) for side in sides]),
        lods=np.full(count, index, np.int32),
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _halved(texels: FloatArray) -> FloatArray:
    height, width, channels = texels.shape
    out = np.empty((height // 2, width // 2, channels), np.float32)
    for y in range(height // 2):
        for x in range(width // 2):
            for c in range(channels):
                out[y, x, c] = np.float32(0.25) * (
                    texels[2 * y, 2 * x, c]
                    + texels[2 * y, 2 * x + 1, c]
                    + texels[2 * y + 1, 2 * x, c]
                    + texels[2 * y + 1, 2 * x + 1, c]
                )
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def _read(texels: FloatArray, uvs: FloatArray) -> FloatArray:
    """Bilinear, clamped to the border."""
    height, width, channels = texels.shape
    out = np.empty((len(uvs), channels), np.float32)
    for i in range(len(uvs)):
        x = min(max(uvs[i, 0] * width - 0.5, 0.0), width - 1.0)
        y = min(max(uvs[i, 1] * height - 0.5, 0.0), height - 1.0)
        left, top = int(x), int(y)
        right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
        s, t = np.float32(x - left), np.float32(y - top)
        for c in range(channels):
            above = texels[top, left, c] + s * (texels[top, right, c] - texels[top, left, c])
            below = texels[bottom, left, c] + s * (
                texels[bottom, right, c] - texels[bottom, left, c]
            )
            out[i, c] = above + t * (below - above)
    return out
