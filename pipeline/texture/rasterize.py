"""Which face does a texel show, and where on it."""

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.types import IntArray

# A bilinear read on a chart's border touches texels whose centers are up to this far outside.
_REACH_TEXELS = 1.5
# Texels outside read the border this far inside (share of the face), lest they hit a sharp edge
# exactly, where the source has two answers.
_INSET = 1e-4
_FACES_PER_STEP = 4096
_ROWS_PER_STEP = 256  # one face may be as large as the texture: 0.1 s at 8192 texels


def rasterize(
    triangles: NDArray[np.float64], texture_size: int, step: Callable[[], None]
) -> IntArray:
    """Return `[H, W]` int32, the face that each texel shows, or -1.

    A texel whose center lies on a face shows that face. One whose center lies outside all charts,
    but within reach of a bilinear read at a border, shows the nearest face.

    Args:
        triangles: `[F, 3, 2]` corners in texels, origin top left. Either winding.
        texture_size: Width and height in texels.
        step: Called every few thousand faces and hundred rows; may raise to stop.
    """
    owners = np.full((texture_size, texture_size), -1, np.int32)
    for kernel in (_cover, _cover_border):
        for row in range(0, texture_size, _ROWS_PER_STEP):
            band = row, min(row + _ROWS_PER_STEP, texture_size)
            for first in range(0, len(triangles), _FACES_PER_STEP):
                step()
                kernel(owners, triangles, first, min(first + _FACES_PER_STEP, len(triangles)), band)
    # `_cover_border` writes -2 - face, to tell its texels from covered ones.
    return np.where(owners < -1, -2 - owners, owners)


@njit(cache=True, error_model="numpy", nogil=True)
def texels_in_blocks(
    owners: IntArray, first: int, end: int, side: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns, `[N]` each, of the texels that show a face in the rows `first:end`.

    They come in blocks of `side` times `side` texels, so that neighbors follow each other.
    """
    count = 0
    for row in range(first, end):
        for column in range(owners.shape[1]):
            count += owners[row, column] >= 0
    rows, columns = np.empty(count, np.int64), np.empty(count, np.int64)
    n = 0
    for top in range(first, end, side):
        for left in range(0, owners.shape[1], side):
            for row in range(top, min(top + side, end)):
                for column in range(left, min(left + side, owners.shape[1])):
                    if owners[row, column] >= 0:
                        rows[n], columns[n] = row, column
                        n += 1
    return rows, columns


@njit(cache=True, error_model="numpy", nogil=True)
def barycentrics_of_texels(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    faces: IntArray,
    triangles: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return `[N, 3]` weights of the face's corners at texel centers, clamped to the face.

    Args:
        rows, columns: `[N]` the texels.
        faces: `[N]` the face that each shows.
        triangles: `[F, 3, 2]` corners in texels.
    """
    weights = np.empty((len(rows), 3))
    for i in range(len(rows)):
        x, y = columns[i] + 0.5, rows[i] + 0.5  # texel center
        weights[i] = _nearest(triangles[faces[i]], x, y)[1]
    return weights


@njit(cache=True, error_model="numpy", nogil=True)
def _cover(
    owners: IntArray, triangles: NDArray[np.float64], first: int, end: int, band: tuple[int, int]
) -> None:
    size = len(owners)
    for face in range(first, end):
        (x0, y0), (x1, y1), (x2, y2) = triangles[face]
        area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
        if area == 0.0:
            continue
        left, right = _pixels(min(x0, x1, x2), max(x0, x1, x2), size)
        top, bottom = _pixels(min(y0, y1, y2), max(y0, y1, y2), size)
        for row in range(max(top, band[0]), min(bottom, band[1])):
            y = row + 0.5
            for column in range(left, right):
                x = column + 0.5
                a = ((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)) / area
                b = ((x0 - x2) * (y - y2) - (y0 - y2) * (x - x2)) / area
                if a >= 0.0 and b >= 0.0 and a + b <= 1.0:
                    owners[row, column] = face


@njit(cache=True, error_model="numpy", nogil=True)
def _cover_border(
    owners: IntArray, triangles: NDArray[np.float64], first: int, end: int, band: tuple[int, int]
) -> None:
    size = len(owners)
    for face in range(first, end):
        triangle = triangles[face]
        reach = _REACH_TEXELS
        left, right = _pixels(triangle[:, 0].min() - reach, triangle[:, 0].max() + reach, size)
        top, bottom = _pixels(triangle[:, 1].min() - reach, triangle[:, 1].max() + reach, size)
        for row in range(max(top, band[0]), min(bottom, band[1])):
            for column in range(left, right):
                owner = owners[row, column]
                if owner >= 0:
                    continue
                x, y = column + 0.5, row + 0.5
                limit = reach * reach
                if owner < -1:
                    limit = _nearest(triangles[-2 - owner], x, y)[0]
                if _nearest(triangle, x, y)[0] < limit:
                    owners[row, column] = -2 - face


@njit(cache=True, error_model="numpy", nogil=True)
def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """Return first and one-past-last pixel whose center lies in [low, high]."""
    return max(0, int(np.ceil(low - 0.5))), min(size, int(np.floor(high - 0.5)) + 1)


@njit(cache=True, error_model="numpy", nogil=True)
def _nearest(
    triangle: NDArray[np.float64], x: float, y: float
) -> tuple[float, NDArray[np.float64]]:
    """Return squared distance to the triangle, and the weights of its corners there."""
    weights = np.empty(3)
    (x0, y0), (x1, y1), (x2, y2) = triangle
    area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
    if area != 0.0:
        weights[0] = ((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)) / area
        weights[1] = ((x0 - x2) * (y - y2) - (y0 - y2) * (x - x2)) / area
        weights[2] = 1.0 - weights[0] - weights[1]
        if weights.min() >= 0.0:
            return 0.0, weights

    nearest = np.inf
    for k in range(3):
        n = (k + 1) % 3
        dx, dy = triangle[n, 0] - triangle[k, 0], triangle[n, 1] - triangle[k, 1]
        length2 = dx * dx + dy * dy
        t = 0.0
        if length2 > 0.0:
            t = ((x - triangle[k, 0]) * dx + (y - triangle[k, 1]) * dy) / length2
            t = min(1.0, max(0.0, t))
        gap_x, gap_y = triangle[k, 0] + t * dx - x, triangle[k, 1] + t * dy - y
        distance2 = gap_x * gap_x + gap_y * gap_y
        if distance2 < nearest:
            nearest = distance2
            weights[:] = _INSET / 3
            weights[k] += (1.0 - _INSET) * (1.0 - t)
            weights[n] += (1.0 - _INSET) * t
    return nearest, weights
