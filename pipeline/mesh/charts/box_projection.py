"""Charts by projection on the sides of a box: poor, but always possible."""

import itertools

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.types import FloatArray, IntArray

# The in-plane axes of each side, in the order +x -x +y -y +z -z: right, up, so that what is
# counter-clockwise from outside is counter-clockwise in the chart.
_RIGHT = np.array([1, 2, 2, 0, 0, 1])
_UP = np.array([2, 1, 0, 2, 1, 0])

_CELLS_PER_FACE = 64  # of the grid that finds overlaps, for the mean face
_MAX_CELLS_PER_SIDE = 4096


def box_projection(
    positions: FloatArray, faces: IntArray
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Cut a mesh into charts that each see one side of a box, and never overlap themselves.

    Faces that look the same way and hang together are a chart; where such a part folds over
    itself (a spiral stair seen from above), what lies twice becomes charts of its own.

    Returns:
        `[F, 3, 2]` coordinates of each corner, stretched by up to the square root of 3, and `[F]`
        the chart of each face, from 0 on without gaps. A face seen edge-on has no area.
    """
    corners = positions[faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(normals).argmax(axis=1)
    rows = np.arange(len(faces))
    side = 2 * axis + (normals[rows, axis] < 0)
    uvs = np.stack(
        [
            np.take_along_axis(corners, coordinate[side][:, None, None], axis=2)[:, :, 0]
            for coordinate in (_RIGHT, _UP)
        ],
        axis=2,
    )

    charts = np.full(len(faces), -1, np.int32)
    left = rows
    chart_count = 0
    while len(left):
        parts = _connected(faces[left], side[left])
        fits = ~lies_twice(uvs[left], parts)
        parts = _connected(faces[left[fits]], side[left[fits]])
        charts[left[fits]] = chart_count + parts
        chart_count += int(parts.max()) + 1
        left = left[~fits]
    return uvs, charts


def _connected(faces: IntArray, side: NDArray[np.intp]) -> NDArray[np.int32]:
    """Number the parts that hang together by edges between faces of the same side."""
    count = len(faces)
    low = np.minimum(faces, np.roll(faces, -1, axis=1)).ravel()
    high = np.maximum(faces, np.roll(faces, -1, axis=1)).ravel()
    order = np.lexsort((high, low))
    one, two = order[:-1], order[1:]
    joined = (low[one] == low[two]) & (high[one] == high[two])
    one, two = one[joined] // 3, two[joined] // 3
    same = side[one] == side[two]
    graph = coo_array((np.ones(same.sum(), np.int8), (one[same], two[same])), (count, count))
    parts: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return parts


def lies_twice(uvs: NDArray[np.float64], face_charts: IntArray) -> NDArray[np.bool_]:
    """Mark the faces that cover what an earlier face of their chart covers.

    Args:
        uvs: `[F, 3, 2]` counter-clockwise chart coordinates.
        face_charts: `[F]`, negative for faces that are not looked at.
    """
    twice = np.zeros(len(uvs), np.bool_)
    order = np.argsort(face_charts, kind="stable")
    starts = np.flatnonzero(np.diff(face_charts[order], prepend=-2, append=-2))
    for first, end in itertools.pairwise(starts):
        members = order[first:end]
        if face_charts[members[0]] >= 0 and len(members) > 1:
            twice[members] = _covered_before(_on_grid(uvs[members]))
    return twice


def _on_grid(uvs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale triangles to a grid that is fine enough to see one lie on another."""
    low = uvs.min(axis=(0, 1))
    extent = float((uvs.max(axis=(0, 1)) - low).max())
    edges = uvs[:, 1:] - uvs[:, :1]
    area = float(np.abs(np.linalg.det(edges)).mean()) / 2
    cells_per_unit = np.sqrt(_CELLS_PER_FACE / area) if area > 0 else 0.0
    if extent > 0:
        cells_per_unit = min(cells_per_unit, _MAX_CELLS_PER_SIDE / extent)
    on_grid: NDArray[np.float64] = (uvs - low) * cells_per_unit
    return on_grid


@njit(cache=True, error_model="numpy")
def _covered_before(triangles: NDArray[np.float64]) -> NDArray[np.bool_]:
    width = int(triangles[:, :, 0].max()) + 1
    height = int(triangles[:, :, 1].max()) + 1
    taken = np.zeros((height, width), np.bool_)
    covered = np.zeros(len(triangles), np.bool_)
    for index in range(len(triangles)):
        triangle = triangles[index]
        for write in (False, True):  # look first, then take, so that no face is taken by halves
            if covered[index]:
                break
            for y in range(int(triangle[:, 1].min()), int(triangle[:, 1].max()) + 1):
                for x in range(int(triangle[:, 0].min()), int(triangle[:, 0].max()) + 1):
                    if _is_inside(triangle, x + 0.5, y + 0.5):
                        if write:
                            taken[y, x] = True
                        elif taken[y, x]:
                            covered[index] = True
    return covered


@njit(cache=True, error_model="numpy")
def _is_inside(triangle: NDArray[np.float64], x: float, y: float) -> bool:
    for k in range(3):
        x0, y0 = triangle[k]
        x1, y1 = triangle[(k + 1) % 3]
        # Strictly, with room for rounding: a cell on a shared edge is nobody's.
        if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) <= 1e-6:
            return False
    return True
