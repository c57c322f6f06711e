"""The volume of a mesh along parallel lines: what is inside, how much of it hulls cover.

A body is kept as the stretches of evenly spread lines that run inside it. Lengths along a line are
exact, so a wall thinner than the spacing still counts, which it would not in voxels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import (
    BoolArray,
    Float64Array,
    bounds,
    face_areas,
    sample_surface,
)
from pipeline.types import IntArray, Mesh

Int64Array = NDArray[np.int64]

# Cavities are looked for in so many voxels along the longest side, marked by so many points.
CAVITY_VOXELS = 64
CAVITY_SAMPLES = 200_000
CAVITY_RADIUS = 1.1  # of the ball, voxels; just over 1, as the surface is a voxel thick itself
CAVITY_MARGIN = 4

# Winding numbers cannot be interrupted; so many take a second at worst.
WINDING_CHUNK = 4_096

# Steps that fill an interval evenly, however many there are; two that keep out of step.
GOLDEN_RATIO = 0.6180339887498949
PLASTIC_RATIO = 0.7548776662466927

# A point is inside where the surface winds around it more than half: right for closed surfaces,
# sensible for those with holes and for parts that run into each other.
INSIDE_WINDING = 0.5


@dataclass(frozen=True, kw_only=True)
class Solid:
    """The inside of a body on `nx * ny` lines along one axis, sorted by line and height.

    axes: which axes of space the lines are spread along and run along: a cyclic order of 0, 1, 2.
    low: `[2]` where the first line's cell starts; size: `[2]` the cells' width; `_place` says where
        in its cell a line is.
    counts: `(nx, ny)`.
    starts: `[nx * ny + 1]` int64; line `x * ny + y` owns the stretches `starts[l]:starts[l + 1]`.
    bottoms, tops: `[S]` where the stretches start and end.
    """

    axes: tuple[int, int, int]
    low: Float64Array
    size: Float64Array
    counts: tuple[int, int]
    starts: Int64Array
    bottoms: Float64Array
    tops: Float64Array

    @property
    def volume(self) -> float:
        """Cubic units of the positions it was made of."""
        return float((self.tops - self.bottoms).sum() * self.size.prod())


class Inside:
    """Tells which points are part of a body: enclosed by its surface, or in a cavity.

    A cavity is a space that a ball a thirtieth of the body's size wide cannot enter from outside,
    but has room in. It is part of the body, or a shell with two walls and a tear could only be
    covered by hulls as thin as the wall.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        low, high = bounds(mesh)
        self._voxel = max(float((high - low).max()), 1e-300) / CAVITY_VOXELS
        self._low = low - CAVITY_MARGIN * self._voxel
        self._is_cavity = self._cavities(high)

    @cached_property
    def _tree(self) -> Any:  # igl has no types
        import igl

        tree = igl.FastWindingNumberBVH()
        positions = np.ascontiguousarray(self._mesh.positions, np.float64)
        tree.init(positions, np.ascontiguousarray(self._mesh.faces, np.int64))
        return tree

    def _cavities(self, high: Float64Array) -> BoolArray:
        from scipy.ndimage import distance_transform_edt, label

        shape = np.ceil((high - self._low) / self._voxel).astype(int) + CAVITY_MARGIN
        is_cavity: BoolArray = np.zeros(shape, bool)
        if face_areas(self._mesh).sum() == 0:
            return is_cavity
        is_free = np.ones(shape, bool)
        samples = sample_surface(self._mesh, CAVITY_SAMPLES)
        is_free[tuple(((samples - self._low) / self._voxel).astype(int).T)] = False
        spaces, count = label(distance_transform_edt(is_free) > CAVITY_RADIUS)
        # Spaces of the ball's center: one is outside, some may be in the midst of the material.
        first = np.unique(spaces, return_index=True)[1][-count:]
        centers = np.stack(np.unravel_index(first, shape), axis=1) + 0.5
        is_hollow = np.abs(self._winding(self._low + centers * self._voxel)) < INSIDE_WINDING
        is_hollow[spaces[0, 0, 0] - 1] = False
        if is_hollow.any():
            is_core = np.append(False, is_hollow)[spaces]
            # As far as the walls, and into the voxels that hold them.
            is_cavity = distance_transform_edt(~is_core) <= CAVITY_RADIUS + 1
        return is_cavity

    def _winding(self, points: Float64Array) -> Float64Array:
        winding: Float64Array = self._tree.winding_number(np.ascontiguousarray(points))
        return winding

    def in_cavity(self, points: Float64Array) -> BoolArray:
        """`[N]`: which of `points` `[N, 3]` are in a cavity."""
        if not self._is_cavity.any():
            return np.zeros(len(points), bool)
        cells = ((points - self._low) / self._voxel).astype(np.int64)
        is_near = ((cells >= 0) & (cells < self._is_cavity.shape)).all(axis=1)
        is_in = np.zeros(len(points), bool)
        is_in[is_near] = self._is_cavity[tuple(cells[is_near].T)]
        return is_in

    def holds(self, points: Float64Array, tick: Callable[[], None]) -> BoolArray:
        """`[N]`: which of `points` `[N, 3]` are part of the body.

        Takes 3 microseconds a point, 200 where hundreds of parts lie in rows. `tick` is called on
        the way and may raise to stop.
        """
        is_in = self.in_cavity(points)
        for start in range(0, len(points), WINDING_CHUNK):
            tick()
            part = slice(start, start + WINDING_CHUNK)
            is_in[part] |= np.abs(self._winding(points[part])) > INSIDE_WINDING
        return is_in


def solid_of(mesh: Mesh, inside: Inside, line_count: int, tick: Callable[[], None]) -> Solid:
    """Find the inside of a body on about `line_count` lines.

    Args:
        mesh: Its surface.
        inside: The same surface.
        line_count: How many.
        tick: Called about every 0.1 s; may raise to stop.
    """
    low, high = bounds(mesh)
    extents = high - low
    # Lines along the shortest side: most of them meet the body.
    z = int(extents.argmin())
    x, y = (z + 1) % 3, (z + 2) % 3
    cell = np.sqrt(max(extents[x] * extents[y], 1e-300) / line_count)
    nx, ny = (min(line_count, max(1, int(np.ceil(extents[axis] / cell)))) for axis in (x, y))
    size = np.maximum(extents[[x, y]] / (nx, ny), 1e-300)
    turned = np.ascontiguousarray(mesh.positions[:, [x, y, z]], dtype=np.float64)
    line, heights, turns = _crossings(turned, mesh.faces, low[[x, y]], size, nx, ny)
    order = np.lexsort((heights, line))
    line, heights, turns = line[order], heights[order], turns[order]
    # How often the surface winds around what is above each crossing. Where the top of a line is
    # not outside again the surface has a hole there, and the winding number must be asked.
    starts = np.searchsorted(line, np.arange(nx * ny + 1))
    before = np.concatenate([[0], np.cumsum(turns)])
    winding = before[1:] - before[starts[line]]
    is_torn = before[starts[1:]] != before[starts[:-1]]
    is_pair = line[1:] == line[:-1]
    bottoms, tops, winding = heights[:-1][is_pair], heights[1:][is_pair], winding[:-1][is_pair]
    line = line[:-1][is_pair]
    middles = np.empty((len(line), 3))
    middles[:, x], middles[:, y] = _place(line // ny, line % ny, low[[x, y]], size)
    middles[:, z] = (bottoms + tops) / 2
    is_inside = (winding != 0) | inside.in_cavity(middles)
    asked = np.flatnonzero(is_torn[line])
    is_inside[asked] = inside.holds(middles[asked], tick)
    is_inside &= tops > bottoms
    bottoms, tops, line = bottoms[is_inside], tops[is_inside], line[is_inside]
    return Solid(
        axes=(x, y, z),
        low=low[[x, y]],
        size=size,
        counts=(nx, ny),
        starts=np.searchsorted(line, np.arange(nx * ny + 1)),
        bottoms=bottoms,
        tops=tops,
    )


@register_jitable
def _place(
    ix: Any,
    iy: Any,
    low: Float64Array,
    size: Float64Array,  # numbers in kernels, arrays elsewhere
) -> tuple[Any, Any]:
    """Where lines are within their cells: shifted from row to row and column to column.

    Straight rows of lines would all hit or all miss a wall along them.
    """
    shift_x, shift_y = (iy + 0.5) * GOLDEN_RATIO, (ix + 0.5) * PLASTIC_RATIO
    return (
        low[0] + (ix + shift_x - np.floor(shift_x)) * size[0],
        low[1] + (iy + shift_y - np.floor(shift_y)) * size[1],
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _crossings(
    points: Float64Array, faces: IntArray, low: Float64Array, size: Float64Array, nx: int, ny: int
) -> tuple[Int64Array, Float64Array, Int64Array]:
    """Where lines cross triangles, `[C]` each: line, height, and 1 where the line goes in there."""
    line_of = np.empty(0, np.int64)
    heights = np.empty(0)
    turns = np.empty(0, np.int64)
    count = 0
    for is_second in (False, True):
        if is_second:
            line_of = np.empty(count, np.int64)
            heights = np.empty(count)
            turns = np.empty(count, np.int64)
            count = 0
        for f in range(len(faces)):
            ax, ay, az = points[faces[f, 0], 0], points[faces[f, 0], 1], points[faces[f, 0], 2]
            bx, by, bz = points[faces[f, 1], 0], points[faces[f, 1], 1], points[faces[f, 1], 2]
            cx, cy, cz = points[faces[f, 2], 0], points[faces[f, 2], 1], points[faces[f, 2], 2]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if area == 0:
                continue
            x0 = max(0, int((min(ax, bx, cx) - low[0]) / size[0]))
            x1 = min(nx - 1, int((max(ax, bx, cx) - low[0]) / size[0]))
            y0 = max(0, int((min(ay, by, cy) - low[1]) / size[1]))
            y1 = min(ny - 1, int((max(ay, by, cy) - low[1]) / size[1]))
            for ix in range(x0, x1 + 1):
                for iy in range(y0, y1 + 1):
                    px, py = _place(ix, iy, low, size)
                    u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
                    v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
                    # On an edge both faces count: in and out again twice, or the line is torn.
                    if u >= 0 and v >= 0 and u + v <= 1:
                        if is_second:
                            line_of[count] = ix * ny + iy
                            heights[count] = u * az + v * bz + (1 - u - v) * cz
                            turns[count] = 1 if area < 0 else -1
                        count += 1
    return line_of, heights, turns


def volume_outside(solid: Solid, points: Float64Array, faces: IntArray) -> float:
    """The volume of a convex hull, `points` `[N, 3]` and `faces` `[F, 3]`, that is not body."""
    return float(
        _volume_outside(
            points[:, list(solid.axes)],
            faces,
            solid.low,
            solid.size,
            *solid.counts,
            solid.starts,
            solid.bottoms,
            solid.tops,
        )
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _volume_outside(
    points: Float64Array,
    faces: IntArray,
    low: Float64Array,
    size: Float64Array,
    nx: int,
    ny: int,
    starts: Int64Array,
    bottoms: Float64Array,
    tops: Float64Array,
) -> float:
    x0, y0, floor, ceiling = _shadow(points, faces, low, size, nx, ny)
    total = 0.0
    for ix in range(floor.shape[0]):
        for iy in range(floor.shape[1]):
            a, b = floor[ix, iy], ceiling[ix, iy]
            if b <= a:
                continue
            line = (x0 + ix) * ny + y0 + iy
            total += b - a
            for s in range(starts[line], starts[line + 1]):
                total -= max(0.0, min(b, tops[s]) - max(a, bottoms[s]))
    volume: float = total * size[0] * size[1]
    return volume


@njit(cache=True, error_model="numpy", nogil=True)
def _shadow(
    points: Float64Array, faces: IntArray, low: Float64Array, size: Float64Array, nx: int, ny: int
) -> tuple[int, int, Float64Array, Float64Array]:
    """Where lines enter and leave a convex hull: the first line's place, and heights per line."""
    lx, hx, ly, hy = np.inf, -np.inf, np.inf, -np.inf
    for f in range(len(faces)):
        for k in range(3):
            lx, hx = min(lx, points[faces[f, k], 0]), max(hx, points[faces[f, k], 0])
            ly, hy = min(ly, points[faces[f, k], 1]), max(hy, points[faces[f, k], 1])
    x0 = max(0, int((lx - low[0]) / size[0]))
    x1 = min(nx - 1, int((hx - low[0]) / size[0]))
    y0 = max(0, int((ly - low[1]) / size[1]))
    y1 = min(ny - 1, int((hy - low[1]) / size[1]))
    floor = np.full((max(0, x1 - x0 + 1), max(0, y1 - y0 + 1)), np.inf)
    ceiling = np.full(floor.shape, -np.inf)
    for f in range(len(faces)):
        ax, ay, az = points[faces[f, 0], 0], points[faces[f, 0], 1], points[faces[f, 0], 2]
        bx, by, bz = points[faces[f, 1], 0], points[faces[f, 1], 1], points[faces[f, 1], 2]
        cx, cy, cz = points[faces[f, 2], 0], points[faces[f, 2], 1], points[faces[f, 2], 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        i0 = max(x0, int((min(ax, bx, cx) - low[0]) / size[0]))
        i1 = min(x1, int((max(ax, bx, cx) - low[0]) / size[0]))
        j0 = max(y0, int((min(ay, by, cy) - low[1]) / size[1]))
        j1 = min(y1, int((max(ay, by, cy) - low[1]) / size[1]))
        for i in range(i0, i1 + 1):
            for j in range(j0, j1 + 1):
                px, py = _place(i, j, low, size)
                u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
                v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
                if u >= 0 and v >= 0 and u + v <= 1:
                    h = u * az + v * bz + (1 - u - v) * cz
                    floor[i - x0, j - y0] = min(floor[i - x0, j - y0], h)
                    ceiling[i - x0, j - y0] = max(ceiling[i - x0, j - y0], h)
    return x0, y0, floor, ceiling


def are_inside(solid: Solid, points: Float64Array) -> BoolArray:
    """`[N]`: which of `points` `[N, 3]` are inside, as far as the nearest line can tell."""
    return _are_inside(
        points[:, list(solid.axes)],
        solid.low,
        solid.size,
        *solid.counts,
        solid.starts,
        solid.bottoms,
        solid.tops,
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _are_inside(
    points: Float64Array,
    low: Float64Array,
    size: Float64Array,
    nx: int,
    ny: int,
    starts: Int64Array,
    bottoms: Float64Array,
    tops: Float64Array,
) -> BoolArray:
    is_inside = np.zeros(len(points), np.bool_)
    for p in range(len(points)):
        x = int(np.floor((points[p, 0] - low[0]) / size[0]))
        y = int(np.floor((points[p, 1] - low[1]) / size[1]))
        if 0 <= x < nx and 0 <= y < ny:
            line = x * ny + y
            for s in range(starts[line], starts[line + 1]):
                is_inside[p] |= bottoms[s] <= points[p, 2] <= tops[s]
    return is_inside


def inner_points(solid: Solid, line_count: int) -> Float64Array:
    """Points `[N, 3]` spread through the inside along about so many of its lines."""
    nx, ny = solid.counts
    stride = max(1, round((nx * ny / line_count) ** 0.5))
    line = np.repeat(np.arange(nx * ny), np.diff(solid.starts))
    ix, iy = line // ny, line % ny
    is_taken = (ix % stride == stride // 2) & (iy % stride == stride // 2)
    bottoms, lengths = solid.bottoms[is_taken], (solid.tops - solid.bottoms)[is_taken]
    spacing = stride * np.sqrt(solid.size.prod())
    counts = np.maximum(1, lengths // spacing).astype(np.int64)
    stretch = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(stretch)) - np.repeat(np.cumsum(counts) - counts, counts)
    points = np.empty((len(stretch), 3))
    x, y, z = solid.axes
    ix, iy = ix[is_taken][stretch], iy[is_taken][stretch]
    points[:, x], points[:, y] = _place(ix, iy, solid.low, solid.size)
    points[:, z] = bottoms[stretch] + (place + 0.5) / counts[stretch] * lengths[stretch]
    return points


def overlap(solid: Solid, hulls: Sequence[tuple[Float64Array, IntArray]]) -> float:
    """How much more the volumes of convex hulls add up to than they fill together."""
    nx, ny = solid.counts
    lines, bottoms, tops = [], [], []
    for points, faces in hulls:
        x0, y0, floor, ceiling = _shadow(
            points[:, list(solid.axes)], faces, solid.low, solid.size, nx, ny
        )
        ix, iy = np.nonzero(ceiling > floor)
        lines.append((x0 + ix) * ny + y0 + iy)
        bottoms.append(floor[ix, iy])
        tops.append(ceiling[ix, iy])
    line, bottom, top = np.concatenate(lines), np.concatenate(bottoms), np.concatenate(tops)
    if len(line) == 0:
        return 0.0
    # All lines end to end: what a stretch adds is what lies above everything before it.
    pitch = float(top.max() - bottom.min()) + 1
    low = bottom - bottom.min() + line * pitch
    high = top - bottom.min() + line * pitch
    order = np.argsort(low, kind="stable")
    low, high = low[order], high[order]
    reached = np.concatenate([[-np.inf], np.maximum.accumulate(high)[:-1]])
    together = np.maximum(0, high - np.maximum(low, reached)).sum()
    return float(((top - bottom).sum() - together) * solid.size.prod())
