"""Nearest points for points that stand close together: the tree is walked once for all of them.

Where the nearest face of the middle of a packet is `d` away and no point of it farther than `rho`
from the middle, every face that is nearest to one of them is within `d + 2 rho` of the middle. The
few faces there are laid out side by side, and each point goes through that list. It finds the same
face as `walk`: a packet decides nothing but how long it takes.

Source: Wald et al., Interactive Rendering with Coherent Ray Tracing, 2001 (packets), here for
nearest points.
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pipeline.surface_tree import (
    LEAF,
    STACK,
    WIDTH,
    Float64Array,
    Int64Array,
    to_triangle,
    walk,
)
from pipeline.types import FloatArray, IntArray

if TYPE_CHECKING:
    from collections.abc import Callable

    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

# Points of a packet. With fewer than the least, two walks for the packet cost more than theirs.
MOST_POINTS, LEAST_POINTS = 16, 8

# Faces of a packet, as many as `scratch` has room for. More are worse than a walk per point.
MOST_FACES = STACK

# How far a packet may reach, in sizes of the leaf where the last nearest face was. With 0.6 the
# search takes a tenth longer.
EXTENT = 0.8

# A box or face is looked at if it is as near as need be, give or take rounding.
_SLACK = 1 + 1e-12
_REACH_SLACK = 1 + 1e-6


@_kernel
def packet_end(points: Float64Array, start: int, last: int, boxes: FloatArray) -> int:
    """Where the packet that begins at `start` ends; `last` is the place of a face near it, or -1.

    It goes on as long as points are near each other: those of another chart are seldom.
    """
    if last < 0:
        return start + 1
    leaf = last // LEAF
    box, slot = boxes[leaf // WIDTH], leaf % WIDTH
    size = 0.0
    for axis in range(3):
        size += (np.float64(box[3 + axis, slot]) - box[axis, slot]) ** 2
    most = EXTENT * np.sqrt(size)
    end = start + 1
    stop = min(len(points), start + MOST_POINTS)
    x0 = x1 = points[start, 0]
    y0 = y1 = points[start, 1]
    z0 = z1 = points[start, 2]
    while end < stop:
        x, y, z = points[end, 0], points[end, 1], points[end, 2]
        x0, x1 = min(x0, x), max(x1, x)
        y0, y1 = min(y0, y), max(y1, y)
        z0, z1 = min(z0, z), max(z1, z)
        if max(x1 - x0, y1 - y0, z1 - z0) > most:
            break
        end += 1
    return end


@_kernel
def gather(
    corners: FloatArray,
    faces: IntArray,
    boxes: FloatArray,
    level_starts: Int64Array,
    points: Float64Array,
    start: int,
    end: int,
    last: int,
    stack: Int64Array,
    distances: Float64Array,
    near: Int64Array,
    around: Float64Array,
) -> int:
    """Collect the faces that can be nearest to one of the points `start:end`.

    Args:
        corners, faces, boxes, level_starts: The tree.
        points: `[N, 3]`.
        start, end: Which of them.
        last: The place of a face near them.
        stack, distances: From `scratch`.
        near: `[MOST_FACES]`, written: their places in the tree.
        around: `[6, MOST_FACES]`, written: their boxes, lowest x, y, z and highest x, y, z.

    Returns:
        How many there are; -1 if they are too many.
    """
    mx = my = mz = 0.0
    for i in range(start, end):
        mx, my, mz = mx + points[i, 0], my + points[i, 1], mz + points[i, 2]
    count = end - start
    mx, my, mz = mx / count, my / count, mz / count
    rho2 = 0.0
    for i in range(start, end):
        dx, dy, dz = points[i, 0] - mx, points[i, 1] - my, points[i, 2] - mz
        rho2 = max(rho2, dx * dx + dy * dy + dz * dz)
    middle = (mx, my, mz)
    best, _, _ = to_triangle(corners[last], mx, my, mz)
    best, _ = walk(
        corners,
        faces,
        boxes,
        level_starts,
        middle,
        (0.0, 0.0, 0.0),
        -1.0,
        best,
        last,
        stack,
        distances,
    )
    within = ((np.sqrt(best) + 2.0 * np.sqrt(rho2)) * _REACH_SLACK) ** 2
    return _faces_within(corners, boxes, level_starts, middle, within, stack, near, around)


@_kernel
def _faces_within(
    corners: FloatArray,
    boxes: FloatArray,
    level_starts: Int64Array,
    point: tuple[float, float, float],
    within: float,
    stack: Int64Array,
    near: Int64Array,
    around: Float64Array,
) -> int:
    px, py, pz = point
    count = 0
    size = 1
    stack[0] = level_starts[len(level_starts) - 2]
    while size:
        size -= 1
        node = stack[size]
        level = 0
        while level_starts[level + 1] <= node:
            level += 1
        below = (node - level_starts[level]) * WIDTH
        box = boxes[node]
        for slot in range(WIDTH):
            dx = max(box[0, slot] - px, px - box[3, slot], 0.0)
            dy = max(box[1, slot] - py, py - box[4, slot], 0.0)
            dz = max(box[2, slot] - pz, pz - box[5, slot], 0.0)
            d2 = dx * dx + dy * dy + dz * dz
            if d2 > within or d2 == np.inf:
                continue
            if level > 0:
                stack[size] = level_starts[level - 1] + below + slot
                size += 1
                continue
            first = (below + slot) * LEAF
            for f in range(first, min(first + LEAF, len(corners))):
                if not _box_of(corners[f], point, within, around, count):
                    continue
                near[count] = f
                count += 1
                if count == len(near):
                    return -1
    return count


@_kernel
def _box_of(
    corners: FloatArray,
    point: tuple[float, float, float],
    within: float,
    around: Float64Array,
    place: int,
) -> bool:
    """Write the box around a face, and tell whether it is near enough to a point."""
    squared = 0.0
    for axis in range(3):
        a, b, c = corners[axis], corners[3 + axis], corners[6 + axis]
        low, high = np.float64(min(a, b, c)), np.float64(max(a, b, c))
        around[axis, place], around[3 + axis, place] = low, high
        away = max(low - point[axis], point[axis] - high, 0.0)
        squared += away * away
    return squared <= within


@_kernel
def nearest_of(
    corners: FloatArray,
    faces: IntArray,
    near: Int64Array,
    around: Float64Array,
    count: int,
    point: tuple[float, float, float],
    best: float,
    found: int,
    distances: Float64Array,
) -> tuple[float, int]:
    """As `walk` without a normal, among the first `count` faces that `gather` collected.

    `best` and `found` are those of one of the faces of the tree.
    """
    px, py, pz = point
    for n in range(count):  # plain comparisons, which become vector instructions; `max` does not
        dx, dy, dz = around[0, n] - px, around[1, n] - py, around[2, n] - pz
        ex, ey, ez = px - around[3, n], py - around[4, n], pz - around[5, n]
        dx = dx if dx > ex else ex
        dy = dy if dy > ey else ey
        dz = dz if dz > ez else ez
        dx = dx if dx > 0.0 else 0.0
        dy = dy if dy > 0.0 else 0.0
        dz = dz if dz > 0.0 else 0.0
        distances[n] = dx * dx + dy * dy + dz * dz
    for n in range(count):
        if distances[n] <= best * _SLACK:
            f = near[n]
            d2, _, _ = to_triangle(corners[f], px, py, pz)
            if d2 < best or (d2 == best and faces[f] < faces[found]):
                best, found = d2, f
    return best, found
