"""A grid over a mesh: where its lines cross the surface, and which of its points are inside.

Grid points are numbered x fastest; a line along axis `k` has the other two axes `u = (k + 1) % 3`
and `v = (k + 2) % 3`, and the number `u + shape[u] * v`. An edge leads from point `p` along axis
`k` to the next one and has the number `3 * p + k`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import (
    BoolArray,
    Float64Array,
    SurfaceDistance,
    bounds,
    used_vertices,
)
from pipeline.types import IntArray, Mesh

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy")

Int64Array = NDArray[np.int64]
Labels = NDArray[np.int8]

# Empty cells around the mesh, so that the flood passes and slabs find room.
MARGIN_CELLS = 4

# Crossings are found in integers, so that lines that graze an edge hit exactly one of its faces.
# Cells have 2^20 units: products of coordinates stay below 2^60 in the finest grid.
UNITS_PER_CELL = 1 << 20

# Between two calls of `tick`: 0.1 s of work or less.
FACES_PER_STEP = 400_000
POINTS_PER_STEP = 2_000_000

# Winding number queries take 4 us each, on long thin triangles 80, and cannot be interrupted.
WINDING_CHUNK = 2_048

# If as much of the surface encloses something as the flood sees it, and at more than that share of
# it the rays see it the other way, then its faces do not agree and only the flood is right.
MIN_SHORE = 0.25
MAX_CONTRADICTIONS = 0.2

SETTLE_ROUNDS = 8

UNKNOWN, OUTSIDE, INSIDE = np.int8(-1), np.int8(0), np.int8(1)

# How a point came to be inside.
SOLID, SLAB, THIN = np.int8(0), np.int8(1), np.int8(2)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Cubic cells around a mesh. origin: `[3]` point 0, metres. shape: `[3]` points per axis."""

    origin: Float64Array
    cell_m: float
    shape: Int64Array

    @classmethod
    def around(cls, mesh: Mesh, resolution: int) -> "Grid":
        """Lay `resolution` cells along the longest side of a mesh, and a margin around it."""
        low, high = bounds(mesh)
        cell_m = float((high - low).max()) / resolution
        return cls(
            origin=low - MARGIN_CELLS * cell_m,
            cell_m=cell_m,
            shape=np.ceil((high - low) / cell_m).astype(np.int64) + 2 * MARGIN_CELLS + 1,
        )

    @property
    def strides(self) -> Int64Array:
        """From a point to the next along each axis, in point numbers."""
        return np.array([1, self.shape[0], self.shape[0] * self.shape[1]])

    def coordinates(self, points: Int64Array) -> Float64Array:
        """`[N, 3]`: cells from the origin."""
        return (points[:, None] // self.strides % self.shape).astype(np.float64)

    def to_metres(self, coordinates: Float64Array) -> Float64Array:
        """Places in space of `[N, 3]` cells from the origin."""
        places: Float64Array = self.origin + coordinates * self.cell_m
        return places


@dataclass(frozen=True, kw_only=True)
class Crossings:
    """Where the grid lines along one axis cross the surface, `N` places.

    starts: `[lines + 1]` int64; line `l` owns `starts[l]:starts[l + 1]` of the others, which rise.
    depths: `[N]` float64: cells from the first point of the line.
    faces: `[N]` int32. signs: `[N]` int8: 1 where the line leaves by the face's front, else -1.
    """

    starts: Int64Array
    depths: Float64Array
    faces: IntArray
    signs: Labels


@dataclass(frozen=True, kw_only=True)
class LevelSet:
    """Which grid points are inside; all on the outside of the grid are not. `P` points.

    lines: along x, y and z. labels: `[P]` int8, `OUTSIDE` or `INSIDE`.
    kinds: `[P]` int8: `SLAB` and `THIN` points have the surface next to them, not around them.
    numbers: `[P]` float32 winding numbers, 0 where they were not needed.
    """

    grid: Grid
    lines: tuple[Crossings, ...]
    labels: Labels
    kinds: Labels
    numbers: NDArray[np.float32]


def level_set(
    mesh: Mesh, grid: Grid, to_mesh: SurfaceDistance, tick: Callable[[], None]
) -> LevelSet:
    """Find out which points of a grid a surface has inside.

    A closed surface has inside what its winding number is not 0 at: overlapping parts count once,
    parts that are inside out are solid, shells that face inward make hollows. Of one with gaps it
    is what the generalized winding number exceeds 0.5 at, which holds across them. If the faces
    do not agree on a front, what a flood from outside does not reach through gaps of two cells.
    Sheets with outside on both sides get points inside next to them, as have parts thinner than a
    cell.

    Args:
        mesh: Any triangles.
        grid: Around them.
        to_mesh: Distances to `mesh`.
        tick: Called about every 0.1 s; may raise to stop.

    Source: Jacobson et al., Robust Inside-Outside Segmentation Using Generalized Winding Numbers,
    2013; Barill et al., Fast Winding Numbers for Soups and Clouds, 2018.
    """
    lines = crossings(mesh, grid, tick)
    counts = crossed_edges(lines, grid, tick)
    sums = ray_sums(lines, grid, tick)
    numbers = np.zeros(len(sums), np.float32)
    if all(is_balanced(along) for along in lines):
        labels = (sums != 0).astype(np.int8)
    else:
        labels = labels_by_flood(mesh, counts, grid, tick)
        tick()
        if not _contradict(sums, labels, counts, grid):
            labels, numbers = labels_by_winding(sums, counts, grid, WindingNumber(mesh), tick)
    kinds = np.full(len(labels), SOLID)
    kinds[_thin_points(labels, counts, lines, grid, tick)] = THIN
    kinds[_sheet_points(labels, counts, grid, to_mesh, tick)] = SLAB
    labels[kinds != SOLID] = INSIDE
    return LevelSet(grid=grid, lines=lines, labels=labels, kinds=kinds, numbers=numbers)


def _contradict(sums: Labels, flooded: Labels, counts: NDArray[np.uint8], grid: Grid) -> bool:
    """Whether rays and flood disagree so much that the faces cannot look the right way."""
    edges = np.flatnonzero(counts == 1)
    p = edges // 3
    q = p + grid.strides[edges % 3]
    is_shore = flooded[p] != flooded[q]
    if not is_shore.any() or is_shore.mean() < MIN_SHORE:
        return False
    is_inside = np.stack([sums[p[is_shore]], sums[q[is_shore]]]) > 3
    wrong = is_inside != (np.stack([flooded[p[is_shore]], flooded[q[is_shore]]]) == INSIDE)
    return bool(wrong.any(axis=0).mean() > MAX_CONTRADICTIONS)


class WindingNumber:
    """The generalized winding number of a mesh: 1 inside, 0 outside, between where it gapes."""

    def __init__(self, mesh: Mesh) -> None:
        import igl

        self._tree = igl.FastWindingNumberBVH()
        self._tree.init(
            np.ascontiguousarray(mesh.positions, dtype=np.float64),
            np.ascontiguousarray(mesh.faces, dtype=np.int64),
        )

    def __call__(self, places: Float64Array, tick: Callable[[], None]) -> Float64Array:
        """Winding numbers at `places` `[N, 3]`, `[N]`; calls `tick` about every 0.1 s."""
        result = np.empty(len(places))
        for start in range(0, len(places), WINDING_CHUNK):
            tick()
            part = slice(start, start + WINDING_CHUNK)
            result[part] = self._tree.winding_number(places[part])
        return result


def crossings(mesh: Mesh, grid: Grid, tick: Callable[[], None]) -> tuple[Crossings, ...]:
    """Cross the surface with the grid lines along x, y and z.

    A line that meets an edge or a vertex crosses exactly one of the faces around it on each sheet,
    so that the signs along every line through a closed surface sum to zero.

    Source: the integer edge functions with a rule for ties of polygon rasterizers, as in Pineda,
    A Parallel Algorithm for Polygon Rasterization, 1988.
    """
    # Vertices are even and grid lines odd: no line ever meets a vertex.
    scaled = (mesh.positions.astype(np.float64) - grid.origin) * (UNITS_PER_CELL / 2 / grid.cell_m)
    units = 2 * np.rint(scaled).astype(np.int64)
    result = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        starts = np.zeros(grid.shape[u] * grid.shape[v] + 1, np.int64)
        empty = np.empty(0), np.empty(0, np.int32), np.empty(0, np.int8)
        ranges = list(pairwise([*range(0, len(mesh.faces), FACES_PER_STEP), len(mesh.faces)]))
        for first, end in ranges:
            tick()
            _cross(units, mesh.faces, first, end, axis, grid.shape[u], starts[1:], *empty)
        starts = np.cumsum(starts)
        count = int(starts[-1])
        depths, faces = np.empty(count), np.empty(count, np.int32)
        signs, cursor = np.empty(count, np.int8), starts[:-1].copy()
        for first, end in ranges:
            tick()
            _cross(units, mesh.faces, first, end, axis, grid.shape[u], cursor, depths, faces, signs)
        _sort_lines(starts, depths, faces, signs)
        result.append(Crossings(starts=starts, depths=depths, faces=faces, signs=signs))
    return tuple(result)


@_kernel
def _cross(
    units: Int64Array,
    faces: IntArray,
    first: int,
    end: int,
    axis: int,
    row: int,
    cursor: Int64Array,
    depths: Float64Array,
    hits: IntArray,
    signs: Labels,
) -> None:
    """Cross faces `first:end` with the lines along `axis`.

    cursor: by line, where its next crossing goes. With empty `depths` crossings are only counted.
    """
    u, v = (axis + 1) % 3, (axis + 2) % 3
    for f in range(first, end):
        a, b, c = units[faces[f, 0]], units[faces[f, 1]], units[faces[f, 2]]
        area = (b[u] - a[u]) * (c[v] - a[v]) - (b[v] - a[v]) * (c[u] - a[u])
        if area == 0:
            continue
        first_u = (min(a[u], b[u], c[u]) + UNITS_PER_CELL - 2) // UNITS_PER_CELL
        first_v = (min(a[v], b[v], c[v]) + UNITS_PER_CELL - 2) // UNITS_PER_CELL
        for i in range(first_u, (max(a[u], b[u], c[u]) - 1) // UNITS_PER_CELL + 1):
            for j in range(first_v, (max(a[v], b[v], c[v]) - 1) // UNITS_PER_CELL + 1):
                p, q = i * UNITS_PER_CELL + 1, j * UNITS_PER_CELL + 1
                in_a = _is_left(b[u], b[v], c[u], c[v], p, q)
                if _is_left(c[u], c[v], a[u], a[v], p, q) != in_a:
                    continue
                if _is_left(a[u], a[v], b[u], b[v], p, q) != in_a:
                    continue
                line = i + row * j
                at = cursor[line]
                cursor[line] += 1
                if len(depths) == 0:
                    continue
                of_b = float((c[u] - p) * (a[v] - q) - (c[v] - q) * (a[u] - p)) / area
                of_c = float((a[u] - p) * (b[v] - q) - (a[v] - q) * (b[u] - p)) / area
                above = of_b * (b[axis] - a[axis]) + of_c * (c[axis] - a[axis])
                depths[at] = (a[axis] - 1 + above) / UNITS_PER_CELL
                hits[at] = f
                signs[at] = 1 if in_a else -1


@_kernel
def _is_left(au: int, av: int, bu: int, bv: int, p: int, q: int) -> bool:
    """Whether `(p, q)` is left of the way from `a` to `b`; on it, the way back says the reverse."""
    if au < bu or (au == bu and av < bv):
        return (bu - au) * (q - av) - (bv - av) * (p - au) >= 0
    return (au - bu) * (q - bv) - (av - bv) * (p - bu) < 0


@_kernel
def _sort_lines(starts: Int64Array, depths: Float64Array, faces: IntArray, signs: Labels) -> None:
    """Sort the crossings of each line by depth, then face: a few each, so by insertion."""
    for line in range(len(starts) - 1):
        for i in range(starts[line] + 1, starts[line + 1]):
            depth, face, sign = depths[i], faces[i], signs[i]
            j = i
            while j > starts[line] and (
                depths[j - 1] > depth or (depths[j - 1] == depth and faces[j - 1] > face)
            ):
                depths[j], faces[j], signs[j] = depths[j - 1], faces[j - 1], signs[j - 1]
                j -= 1
            depths[j], faces[j], signs[j] = depth, face, sign


def is_balanced(lines: Crossings) -> bool:
    """Whether every line leaves the surface as often as it enters: no gap that the grid sees."""
    total = np.concatenate([[0], np.cumsum(lines.signs, dtype=np.int64)])
    return not total[lines.starts].any()


def ray_sums(lines: Sequence[Crossings], grid: Grid, tick: Callable[[], None]) -> Labels:
    """By point: the winding numbers that the rays along -x, +x, -y, +y, -z and +z see, summed.

    Six times the winding number of a closed surface; of one with gaps, a rough estimate of the
    generalized winding number, which is the mean over rays in all directions.
    """
    sums = np.zeros(grid.shape.prod(), np.int8)
    strides = grid.strides
    for axis, along in enumerate(lines):
        tick()
        u, v = (axis + 1) % 3, (axis + 2) % 3
        _add_rays(
            along.starts,
            along.depths,
            along.signs,
            (int(grid.shape[axis]), int(grid.shape[u])),
            (int(strides[axis]), int(strides[u]), int(strides[v])),
            sums,
        )
    return sums


@_kernel
def _add_rays(
    starts: Int64Array,
    depths: Float64Array,
    signs: Labels,
    sizes: tuple[int, int],
    strides: tuple[int, int, int],
    sums: Labels,
) -> None:
    length, row = sizes
    along, u, v = strides
    for line in range(len(starts) - 1):
        first = line % row * u + line // row * v
        behind = ahead = 0
        for i in range(starts[line], starts[line + 1]):
            ahead += signs[i]
        place = 0
        for i in range(starts[line], starts[line + 1] + 1):
            end = int(np.floor(depths[i])) + 1 if i < starts[line + 1] else length
            if behind + ahead != 0:
                for p in range(first + place * along, first + end * along, along):
                    # Within int8, however many shells there are.
                    sums[p] = max(-100, min(100, sums[p] + max(-9, min(9, behind + ahead))))
            if i < starts[line + 1]:
                behind -= signs[i]
                ahead -= signs[i]
            place = end


def crossed_edges(
    lines: Sequence[Crossings], grid: Grid, tick: Callable[[], None]
) -> NDArray[np.uint8]:
    """How often each edge is crossed, by edge: 0, 1 for odd, 2 for even."""
    counts = np.zeros(3 * grid.shape.prod(), np.uint8)
    strides = grid.strides
    for axis, along in enumerate(lines):
        tick()
        u, v = (axis + 1) % 3, (axis + 2) % 3
        _count_on_edges(
            along.starts,
            along.depths,
            axis,
            (int(grid.shape[u]), int(strides[axis]), int(strides[u]), int(strides[v])),
            counts,
        )
    return counts


@_kernel
def _count_on_edges(
    starts: Int64Array,
    depths: Float64Array,
    axis: int,
    steps: tuple[int, int, int, int],
    counts: NDArray[np.uint8],
) -> None:
    row, along, u, v = steps
    for line in range(len(starts) - 1):
        first = line % row * u + line // row * v
        for i in range(starts[line], starts[line + 1]):
            edge = 3 * (first + int(np.floor(depths[i])) * along) + axis
            counts[edge] = 1 if counts[edge] != 1 else 2


def _ends_of(counts: NDArray[np.uint8], grid: Grid, tick: Callable[[], None]) -> BoolArray:
    """Which points have a crossed edge."""
    is_end = np.zeros(len(counts) // 3, bool)
    for axis, stride in enumerate(grid.strides):
        tick()
        is_crossed = counts[axis::3] > 0
        is_end |= is_crossed
        is_end[stride:] |= is_crossed[:-stride]
    return is_end


def labels_by_flood(
    mesh: Mesh, counts: NDArray[np.uint8], grid: Grid, tick: Callable[[], None]
) -> Labels:
    """Label all points by what can be reached from outside, whichever way the faces look.

    First the surface and one cell on either side of it stop the flood, which closes gaps up to two
    cells wide. Then the outside and what it left enclosed grow along edges that are not crossed,
    until they meet at the surface, or halfway across a gap. What neither reaches is inside. Where
    one came through a gap and spread behind the surface, the neighbors outvote it.
    """
    is_wall = _ends_of(counts, grid, tick)
    # Small faces slip through between the lines.
    corners = (mesh.positions[used_vertices(mesh)] - grid.origin) / grid.cell_m
    is_wall[np.rint(corners).astype(np.int64) @ grid.strides] = True
    is_wall = _grown(is_wall, grid, tick)
    tick()
    labels = np.full(len(is_wall), UNKNOWN)
    labels[is_wall] = UNKNOWN - 1  # not to be reached yet
    labels[0] = OUTSIDE
    tick()
    _spread(labels, np.zeros(1, np.int64), counts, grid, tick)
    labels[labels == UNKNOWN] = INSIDE
    labels[is_wall] = UNKNOWN
    tick()
    rim = np.flatnonzero(_grown(is_wall, grid, tick) & ~is_wall)
    # Where both arrive in the same step, the outside comes first.
    _spread(labels, rim[np.argsort(labels[rim], kind="stable")], counts, grid, tick)
    labels[labels == UNKNOWN] = INSIDE
    tick()
    _settle(labels, counts, grid.strides, np.flatnonzero(is_wall))
    return labels


def _grown(mask: BoolArray, grid: Grid, tick: Callable[[], None]) -> BoolArray:
    """Mask and all its neighbors, also across corners; nothing may lie on the grid's outside."""
    grown = mask
    for stride in grid.strides:
        tick()
        wider = grown.copy()
        wider[stride:] |= grown[:-stride]
        wider[:-stride] |= grown[stride:]
        grown = wider
    return grown


def _spread(
    labels: Labels,
    front: Int64Array,
    counts: NDArray[np.uint8],
    grid: Grid,
    tick: Callable[[], None],
) -> None:
    """Copy labels to unknown points along edges that are not crossed, one step at a time."""
    while len(front):
        tick()
        reached = np.empty(6 * len(front), np.int64)
        front = reached[: _spread_step(labels, front, counts, grid.shape, reached)].copy()


@_kernel
def _spread_step(
    labels: Labels,
    front: Int64Array,
    counts: NDArray[np.uint8],
    shape: Int64Array,
    reached: Int64Array,
) -> int:
    count = 0
    for p in front:
        rest, stride = p, 1
        for axis in range(3):
            place = rest % shape[axis]
            rest //= shape[axis]
            for side in range(2):
                if place == (0 if side == 0 else shape[axis] - 1):
                    continue
                q = p - stride if side == 0 else p + stride
                if labels[q] == UNKNOWN and counts[3 * min(p, q) + axis] == 0:
                    labels[q] = labels[p]
                    reached[count] = q
                    count += 1
            stride *= shape[axis]
    return count


@_kernel
def _settle(
    labels: Labels, counts: NDArray[np.uint8], strides: Int64Array, points: Int64Array
) -> None:
    """Let points take the label that most of their six edges ask for; a few rounds end it."""
    for _ in range(SETTLE_ROUNDS):
        is_done = True
        for p in points:
            votes = 0
            for axis in range(3):
                for side in range(2):
                    q = p + strides[axis] if side == 0 else p - strides[axis]
                    is_same = counts[3 * min(p, q) + axis] != 1
                    votes += 1 if (labels[q] == INSIDE) == is_same else -1
            label = labels[p] if votes == 0 else (INSIDE if votes > 0 else OUTSIDE)
            if label != labels[p]:
                labels[p] = label
                is_done = False
        if is_done:
            return


def labels_by_winding(
    sums: Labels,
    counts: NDArray[np.uint8],
    grid: Grid,
    winding: WindingNumber,
    tick: Callable[[], None],
) -> tuple[Labels, NDArray[np.float32]]:
    """Label all points by the generalized winding number of a surface with gaps: inside above 0.5.

    Rays estimate it. It is asked for where they contradict the surface: across edges that change
    the label without a crossing, the lids over gaps, and edges that do not change it with one.

    Args:
        sums: See `ray_sums`.
        counts: See `crossed_edges`.
        grid: Where the points are.
        winding: Of the mesh.
        tick: May raise to stop.

    Returns:
        The labels, and winding numbers by point: 0 where they were not asked for.
    """
    labels = (sums > 3).astype(np.int8)
    numbers = np.zeros(len(labels), np.float32)
    is_known = np.zeros(len(labels), bool)
    wanted = np.zeros(len(labels), bool)
    for first in range(0, len(labels), POINTS_PER_STEP):
        tick()
        _mark_doubts(labels, counts, grid.strides, first, first + POINTS_PER_STEP, wanted)
    points = np.flatnonzero(wanted)
    while len(points):
        numbers[points] = winding(grid.to_metres(grid.coordinates(points)), tick)
        labels[points] = numbers[points] > 0.5
        is_known[points] = True
        tick()
        around = np.empty(6 * len(points), np.int64)
        around = around[: _doubts_around(labels, counts, grid.strides, points, around)]
        points = np.unique(around)
        points = points[~is_known[points]]
    return labels, numbers


@_kernel
def _is_in_doubt(labels: Labels, counts: NDArray[np.uint8], p: int, q: int, axis: int) -> bool:
    return bool((counts[3 * p + axis] == 1) == (labels[p] == labels[q]))


@_kernel
def _mark_doubts(
    labels: Labels,
    counts: NDArray[np.uint8],
    strides: Int64Array,
    first: int,
    end: int,
    wanted: BoolArray,
) -> None:
    for p in range(first, min(end, len(labels))):
        for axis in range(3):
            q = p + strides[axis]
            if q < len(labels) and _is_in_doubt(labels, counts, p, q, axis):
                wanted[p] = wanted[q] = True


@_kernel
def _doubts_around(
    labels: Labels,
    counts: NDArray[np.uint8],
    strides: Int64Array,
    points: Int64Array,
    found: Int64Array,
) -> int:
    """Other ends of doubtful edges at `points`, which are not on the outside of the grid."""
    count = 0
    for p in points:
        for axis in range(3):
            for side in (-1, 1):
                q = p + side * strides[axis]
                if (
                    q >= 0
                    and q < len(labels)
                    and _is_in_doubt(labels, counts, min(p, q), max(p, q), axis)
                ):
                    found[count] = q
                    count += 1
    return count


def _sheet_points(
    labels: Labels,
    counts: NDArray[np.uint8],
    grid: Grid,
    to_mesh: SurfaceDistance,
    tick: Callable[[], None],
) -> Int64Array:
    """The points on both sides of sheets, which cross an edge once though both ends are outside."""
    found = []
    for axis, stride in enumerate(grid.strides):
        tick()
        both = (labels[:-stride] == OUTSIDE) & (labels[stride:] == OUTSIDE)
        points = np.flatnonzero(both & (counts[axis : -3 * stride : 3] == 1))
        found += [points, points + stride]
    points = np.unique(np.concatenate(found))
    if len(points) == 0:
        return points
    # Beyond the last line that crosses it a sheet goes on for up to a cell.
    beside = np.unique(np.concatenate([points + s for s in (*grid.strides, *-grid.strides)]))
    beside = beside[labels[beside] == OUTSIDE]
    distance, _, _ = to_mesh.nearest(grid.to_metres(grid.coordinates(beside)), tick)
    return np.concatenate([points, beside[distance < grid.cell_m / 2]])


def _thin_points(
    labels: Labels,
    counts: NDArray[np.uint8],
    lines: Sequence[Crossings],
    grid: Grid,
    tick: Callable[[], None],
) -> Int64Array:
    """A point at each place where a part is thinner than a cell.

    Such a part crosses an edge twice between ends that are both outside; the nearer one takes it.
    """
    found = []
    for axis, stride in enumerate(grid.strides):
        tick()
        both = (labels[:-stride] == OUTSIDE) & (labels[stride:] == OUTSIDE)
        points = np.flatnonzero(both & (counts[axis : -3 * stride : 3] == 2))
        places = points[:, None] // grid.strides % grid.shape
        u, v = (axis + 1) % 3, (axis + 2) % 3
        line = places[:, u] + grid.shape[u] * places[:, v]
        along = lines[axis]
        is_far = _is_nearer_to_end(places[:, axis].copy(), line, along.starts, along.depths)
        found.append(points + stride * is_far)
    return np.concatenate(found)


@_kernel
def _is_nearer_to_end(
    places: Int64Array, line: Int64Array, starts: Int64Array, depths: Float64Array
) -> BoolArray:
    """Of the edges at these places on lines: whether the middle of their crossings is."""
    result = np.zeros(len(places), np.bool_)
    for n in range(len(places)):
        first, last = 1.0, 0.0
        for i in range(starts[line[n]], starts[line[n] + 1]):
            if int(np.floor(depths[i])) == places[n]:
                first = min(first, depths[i] - places[n])
                last = depths[i] - places[n]
        result[n] = first + last > 1
    return result
