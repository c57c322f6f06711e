"""The largest distance from one surface to another, found without looking everywhere.

A piece of the one surface is settled if no point of it can be farther than the farthest point seen:
its three corners are within that distance of one and the same face of the other, and the distance
to a convex set is convex; or its middle is so near that the distance cannot grow by enough on the
way to its corners, which are no farther themselves. Pieces that are not settled are halved and
looked at again.

Source: Tang, Lee and Kim, Interactive Hausdorff Distance Computation for General Polygonal Models,
2009, from whom the bounds; the order of the search and the assumed slope are ours.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.surface_tree import SurfaceTree, scratch, to_triangle, walk
from pipeline.types import FloatArray, IntArray

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

Float64Array = NDArray[np.float64]

# How far the true maximum may be above the one found: this share of it, or of the diagonal, a
# twentieth of a pixel on a full screen.
_ACCURACY = 0.03
_RESOLUTION = 5e-5

# How much the distance grows at most along the source, per metre. With 1, which it cannot exceed,
# four LODs of 500,000 noisy triangles take 2.4 s and not 1.4, and the maxima differ by up to 0.9 %.
_SLOPE = 0.35

# A face so near to the middle of a piece, as a share of the distance to be settled, is tried on its
# corners at once: looking on for the nearest face takes longer than halving a few more pieces.
_NEAR = 0.15

# Flat surfaces cut in different ways touch along lines, where no single face holds a piece. The
# search ends after so many pieces, 0.3 s; of more than it can halve at once it takes the farthest.
_MAX_PIECES = 300_000
_MAX_AT_ONCE = 50_000
_CHUNK = 16_384

_ANY_NORMAL = (0.0, 0.0, 0.0)


def farthest(
    source: SurfaceTree,
    positions: FloatArray,
    faces: IntArray,
    target: SurfaceTree,
    at_least_m: float,
    tick: Callable[[], None],
) -> float:
    """Return the largest distance from `source` to `target`, metres, or `at_least_m` if larger.

    Never too large. Too small by at most 3 %, or 0.005 % of the source's diagonal, unless the
    distance grows steeply between the places looked at, as beside a spike, or takes more pieces to
    settle than are allowed.

    Args:
        source: The faces to look from.
        positions, faces: The mesh of `source`.
        target: The faces to look to.
        at_least_m: Distances below are not of interest. The more it is, the faster.
        tick: Called about every 0.1 s; may raise to stop.
    """
    found = at_least_m**2
    used = _in_order_of_faces(faces, source.faces, len(positions))
    near = np.zeros(len(positions), np.int32)
    for start in range(0, len(used), _CHUNK):
        tick()
        found = _settle_vertices(
            *_arrays(target), positions, used[start : start + _CHUNK], near, found
        )
    slack = _RESOLUTION * float(np.linalg.norm(np.ptp(positions[used], axis=0)))
    pieces = []
    for start in range(0, len(faces), _CHUNK):
        tick()
        some = source.faces[start : start + _CHUNK]
        pieces.append(_unsettled_faces(target.corners, positions, faces, some, near, found, slack))
    corners = np.concatenate([corners for corners, _ in pieces])
    hints = np.concatenate([hints for _, hints in pieces])
    left = _MAX_PIECES
    while len(corners) and left > 0:
        rest = []
        for start in range(0, len(corners), _CHUNK):
            tick()
            part = slice(start, start + _CHUNK)
            found, *piece = _halve(*_arrays(target), corners[part], hints[part], found, slack)
            rest.append(piece)
        left -= 2 * len(corners)
        bounds = np.concatenate([bounds for _, _, bounds in rest])
        order = np.flatnonzero(bounds > _limit(found, slack))
        if len(order) > _MAX_AT_ONCE:
            order = np.sort(order[np.argsort(-bounds[order], kind="stable")[:_MAX_AT_ONCE]])
        corners = np.concatenate([corners for corners, _, _ in rest])[order]
        hints = np.concatenate([hints for _, hints, _ in rest])[order]
    return float(np.sqrt(found))


def _arrays(tree: SurfaceTree) -> tuple[FloatArray, IntArray, FloatArray, NDArray[np.int64]]:
    return tree.corners, tree.faces, tree.boxes, tree.level_starts


@_kernel
def _in_order_of_faces(faces: IntArray, order: IntArray, vertex_count: int) -> IntArray:
    """The vertices that some face has, as they are met when the faces are taken in `order`."""
    is_met = np.zeros(vertex_count, np.bool_)
    vertices = np.empty(vertex_count, np.int32)
    count = 0
    for f in order:
        for corner in range(3):
            vertex = faces[f, corner]
            if not is_met[vertex]:
                is_met[vertex] = True
                vertices[count] = vertex
                count += 1
    return vertices[:count].copy()


@_kernel
def _limit(found: float, slack: float) -> float:
    """The squared distance up to which a piece is settled when `found` squared is the maximum."""
    distance = math.sqrt(found)
    return (distance + max(_ACCURACY * distance, slack)) ** 2


@_kernel
def _settle_vertices(
    corners: FloatArray,
    faces: IntArray,
    boxes: FloatArray,
    level_starts: NDArray[np.int64],
    positions: FloatArray,
    used: IntArray,
    near: IntArray,
    found: float,
) -> float:
    """Write a face `near` each vertex, within `found` or the nearest; return the new maximum.

    Neighbors come in a row, so most are settled by one look at the last one's face.
    """
    stack, distances = scratch()
    last = int(near[used[0]])
    for vertex in used:
        point = (
            np.float64(positions[vertex, 0]),
            np.float64(positions[vertex, 1]),
            np.float64(positions[vertex, 2]),
        )
        best, _, _ = to_triangle(corners[last], point[0], point[1], point[2])
        if best > found:
            best, last = walk(
                corners,
                faces,
                boxes,
                level_starts,
                point,
                _ANY_NORMAL,
                found,
                best,
                last,
                stack,
                distances,
            )
            found = max(found, best)
        near[vertex] = last
    return found


@_kernel
def _unsettled_faces(
    target: FloatArray,
    positions: FloatArray,
    faces: IntArray,
    some: IntArray,
    near: IntArray,
    found: float,
    slack: float,
) -> tuple[Float64Array, IntArray]:
    """The corners of those of `some` faces that the faces near their vertices do not settle."""
    limit = _limit(found, slack)
    pieces = np.empty((len(some), 9))
    hints = np.empty(len(some), np.int32)
    count = 0
    for f in some:
        piece = pieces[count]
        for n in range(9):
            piece[n] = positions[faces[f, n // 3], n % 3]
        a, b, c = near[faces[f, 0]], near[faces[f, 1]], near[faces[f, 2]]
        if a == b and b == c:
            continue  # each was within reach of it, and the reach has only grown
        if (
            _reach(target[a], piece, limit) <= limit
            or _reach(target[b], piece, limit) <= limit
            or _reach(target[c], piece, limit) <= limit
        ):
            continue
        hints[count] = a
        count += 1
    return pieces[:count].copy(), hints[:count].copy()


@_kernel
def _reach(face: FloatArray, piece: Float64Array, limit: float) -> float:
    """The largest squared distance of a piece from one face, or one above `limit` if it is that."""
    most = 0.0
    for corner in range(0, 9, 3):
        squared, _, _ = to_triangle(face, piece[corner], piece[corner + 1], piece[corner + 2])
        most = max(most, squared)
        if most > limit:
            break
    return most


@_kernel
def _halve(
    corners: FloatArray,
    faces: IntArray,
    boxes: FloatArray,
    level_starts: NDArray[np.int64],
    pieces: Float64Array,
    hints: IntArray,
    found: float,
    slack: float,
) -> tuple[float, Float64Array, IntArray, Float64Array]:
    """Cut pieces across their longest side; return the new maximum and what it does not settle.

    Returns:
        The squared maximum, and of each half left its corners `[N, 9]`, a face near it `[N]`, and
        the squared distance that it may reach `[N]`.
    """
    stack, distances = scratch()
    cut, middle = np.empty(3), np.empty(3)
    halves = np.empty((2 * len(pieces), 9))
    near = np.empty(2 * len(pieces), np.int32)
    bounds = np.empty(2 * len(pieces))
    count = 0
    for i in range(len(pieces)):
        start, longest = 0, -1.0
        for corner in range(0, 9, 3):
            length = _squared_length(pieces[i], corner, pieces[i], (corner + 3) % 9)
            if length > longest:
                start, longest = corner, length
        end = (start + 3) % 9
        last = int(hints[i])
        for axis in range(3):
            cut[axis] = 0.5 * (pieces[i, start + axis] + pieces[i, end + axis])
        # The new corner, like those before it, is no farther than what was found.
        best, _, _ = to_triangle(corners[last], cut[0], cut[1], cut[2])
        if best > found:
            best, last = walk(
                corners,
                faces,
                boxes,
                level_starts,
                (cut[0], cut[1], cut[2]),
                _ANY_NORMAL,
                found,
                best,
                last,
                stack,
                distances,
            )
            found = max(found, best)
        for moved in (start, end):
            half = halves[count]
            for n in range(9):
                half[n] = pieces[i, n]
            for axis in range(3):
                half[moved + axis] = cut[axis]
            limit = _limit(found, slack)
            if _reach(corners[last], half, limit) <= limit:
                continue
            for axis in range(3):
                middle[axis] = (half[axis] + half[3 + axis] + half[6 + axis]) / 3
            squared_size = 0.0
            for corner in range(0, 9, 3):
                squared_size = max(squared_size, _squared_length(half, corner, middle, 0))
            size, reach = np.sqrt(squared_size), np.sqrt(limit)
            enough = max(reach - _SLOPE * size, _NEAR * reach) ** 2
            best, _, _ = to_triangle(corners[last], middle[0], middle[1], middle[2])
            if best > enough:
                best, last = walk(
                    corners,
                    faces,
                    boxes,
                    level_starts,
                    (middle[0], middle[1], middle[2]),
                    _ANY_NORMAL,
                    enough,
                    best,
                    last,
                    stack,
                    distances,
                )
            if best > enough:
                found = max(found, best)
            bound = (np.sqrt(best) + _SLOPE * size) ** 2
            bound = min(bound, _reach(corners[last], half, bound))
            if bound <= _limit(found, slack):
                continue
            near[count], bounds[count] = last, bound
            count += 1
    return found, halves[:count].copy(), near[:count].copy(), bounds[:count].copy()


@_kernel
def _squared_length(a: Float64Array, at_a: int, b: Float64Array, at_b: int) -> float:
    x, y, z = a[at_a] - b[at_b], a[at_a + 1] - b[at_b + 1], a[at_a + 2] - b[at_b + 2]
    return float(x * x + y * y + z * z)
