"""Walks along half-edges, one step after the other: fans, borders, lids. Imported late.

Half-edge `h` is the side of face `h // 3` that starts at the face's corner `h % 3`. Two are
twins if they run along one edge in opposite directions.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import Float64Array
from pipeline.types import FloatArray, IntArray

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)


@_kernel
def label_fans(twin: IntArray) -> tuple[IntArray, int]:
    """Number the fans: corners that hang together around a vertex by twins.

    Args:
        twin: `[3F]`, the twin of each half-edge or -1.

    Returns:
        `[3F]`: the fan of each corner, numbered by their first corners, and how many there are.
    """
    fan = np.full(len(twin), -1, np.int32)
    count = 0
    for first in range(len(twin)):
        if fan[first] >= 0:
            continue
        fan[first] = count
        h = first
        while True:  # over the side that ends at this corner, to the corner across it
            g = twin[h - 1 if h % 3 else h + 2]
            if g < 0 or fan[g] >= 0:
                break
            fan[g] = count
            h = g
        h = first
        while twin[h] >= 0:  # and the other way round
            g = twin[h]
            g = g - 2 if g % 3 == 2 else g + 1
            if fan[g] >= 0:
                break
            fan[g] = count
            h = g
        count += 1
    return fan, count


@_kernel
def border_loops(start: IntArray, end: IntArray, vertex_count: int) -> tuple[IntArray, IntArray]:
    """Chain directed edges into closed lines. No two may start at one vertex.

    Args:
        start, end: `[N]`, the vertices that each edge runs between.
        vertex_count: One more than the highest vertex may be.

    Returns:
        The vertices of all lines one after the other, and `[L + 1]` where each line begins. A line
        begins with its lowest vertex, and lines come in the order of those. What does not close is
        left out.
    """
    following = np.full(vertex_count, -1, np.int32)
    for i in range(len(start)):
        following[start[i]] = end[i]
    vertices = np.empty(len(start), np.int32)
    begins = np.empty(len(start) + 1, np.int32)
    begins[0] = 0
    line_count, length = 0, 0
    for first in np.sort(start):
        vertex, n = first, length
        while following[vertex] >= 0:
            vertices[n] = vertex
            after = following[vertex]
            following[vertex] = -1
            vertex = after
            n += 1
        if vertex == first and n > length + 2:
            line_count += 1
            begins[line_count] = n
            length = n
    return vertices[:length], begins[: line_count + 1]


@_kernel
def smallest_lid(points: Float64Array) -> tuple[NDArray[np.int64], float]:
    """Triangulate a closed line in space with the least area and no flat triangles, in time N³.

    Args:
        points: `[N, 3]` corners in order, N >= 3.

    Returns:
        `[N - 2, 3]` corner indices, each rising, and their area.

    Source: Barequet and Sharir, Filling Gaps in the Boundary of a Polyhedron, 1995.
    """
    n = len(points)
    flat_cost = (
        0.0  # more than any lid without flat triangles has, so that they are the last choice
    )
    for i in range(n):
        for axis in range(3):
            flat_cost += (points[i, axis] - points[0, axis]) ** 2
    flat_cost *= n
    cost = np.zeros((n, n))
    best = np.zeros((n, n), np.int32)
    for span in range(2, n):
        for i in range(n - span):
            j = i + span
            sx = points[j, 0] - points[i, 0]
            sy = points[j, 1] - points[i, 1]
            sz = points[j, 2] - points[i, 2]
            least, choice = np.inf, i + 1
            for k in range(i + 1, j):
                so_far = cost[i, k] + cost[k, j]
                if so_far >= least:
                    continue
                x = points[k, 0] - points[i, 0]
                y = points[k, 1] - points[i, 1]
                z = points[k, 2] - points[i, 2]
                nx, ny, nz = y * sz - z * sy, z * sx - x * sz, x * sy - y * sx
                square = nx * nx + ny * ny + nz * nz
                longest = max(
                    sx * sx + sy * sy + sz * sz,
                    x * x + y * y + z * z,
                    (sx - x) ** 2 + (sy - y) ** 2 + (sz - z) ** 2,
                )
                is_flat = square <= (2e-6 * longest) ** 2  # twice of what `flat_faces` allows
                total = so_far + (flat_cost if is_flat else 0.5 * np.sqrt(square))
                if total < least:
                    least, choice = total, k
            cost[i, j] = least
            best[i, j] = choice
    triangles = np.empty((n - 2, 3), np.int64)
    stack = np.zeros((n, 2), np.int64)
    stack[0, 1] = n - 1
    open_count, count = 1, 0
    while open_count:
        open_count -= 1
        low, high = stack[open_count]
        if high - low >= 2:
            middle = best[low, high]
            triangles[count, 0], triangles[count, 1], triangles[count, 2] = low, middle, high
            count += 1
            stack[open_count, 0], stack[open_count, 1] = low, middle
            stack[open_count + 1, 0], stack[open_count + 1, 1] = middle, high
            open_count += 2
    return triangles, cost[0, n - 1]


@_kernel
def clip_ears(points: Float64Array, target: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shorten a closed line by triangles on its shortest diagonals, in time N².

    Args:
        points: `[N, 3]` corners in order.
        target: How many corners to leave; more stay where all triangles would be flat.

    Returns:
        `[K, 3]` corner indices of the triangles, each in the order of the line, and the corners
        that are left.
    """
    count = len(points)
    left = np.arange(count)
    triangles = np.empty((count, 3), np.int64)
    clipped = 0
    while count > target:
        shortest, choice = np.inf, -1
        for n in range(count):
            a, b, c = left[n - 1 if n else count - 1], left[n], left[n + 1 if n + 1 < count else 0]
            ux, uy, uz = points[b] - points[a]
            vx, vy, vz = points[c] - points[a]
            chord = vx * vx + vy * vy + vz * vz
            if chord < shortest:
                nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
                longest = max(
                    chord, ux * ux + uy * uy + uz * uz, ((points[c] - points[b]) ** 2).sum()
                )
                if nx * nx + ny * ny + nz * nz > (2e-6 * longest) ** 2:
                    shortest, choice = chord, n
        if choice < 0:
            break
        triangles[clipped, 0] = left[choice - 1 if choice else count - 1]
        triangles[clipped, 1] = left[choice]
        triangles[clipped, 2] = left[choice + 1 if choice + 1 < count else 0]
        clipped += 1
        left[choice : count - 1] = left[choice + 1 : count].copy()
        count -= 1
    return triangles[:clipped], left[:count]


class PartSums(NamedTuple):
    """Sums over the faces of parts.

    areas: `[P]` square metres.
    volumes: `[P]` cubic metres, of the tetrahedra from each face to a point of its part: positive
        for a body that looks outward, whatever tears it has, as they are near.
    boxes: `[P, 6]`, lowest x, y, z and highest x, y, z.
    """

    areas: Float64Array
    volumes: Float64Array
    boxes: Float64Array


@_kernel
def sum_parts(positions: FloatArray, faces: IntArray, part: IntArray, count: int) -> PartSums:
    """Add up areas and volumes. part: `[F]`, which of the `count` parts each face belongs to."""
    areas, volumes, boxes = np.zeros(count), np.zeros(count), np.empty((count, 6))
    boxes[:, :3] = np.inf
    boxes[:, 3:] = -np.inf
    first = np.full(count, -1, np.int32)
    p = np.empty((3, 3))
    for f in range(len(faces)):
        n = part[f]
        if first[n] < 0:
            first[n] = faces[f, 0]
        for corner in range(3):
            for axis in range(3):
                value = float(positions[faces[f, corner], axis])
                boxes[n, axis] = min(boxes[n, axis], value)
                boxes[n, 3 + axis] = max(boxes[n, 3 + axis], value)
                p[corner, axis] = value - positions[first[n], axis]
        ux, uy, uz = p[1, 0] - p[0, 0], p[1, 1] - p[0, 1], p[1, 2] - p[0, 2]
        vx, vy, vz = p[2, 0] - p[0, 0], p[2, 1] - p[0, 1], p[2, 2] - p[0, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        areas[n] += 0.5 * np.sqrt(nx * nx + ny * ny + nz * nz)
        volumes[n] += (p[0, 0] * nx + p[0, 1] * ny + p[0, 2] * nz) / 6
    return PartSums(areas, volumes, boxes)
