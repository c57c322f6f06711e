"""Even triangles over a surface that is a manifold already.

Half-edge `3 f + i` runs from corner `i` of face `f` to the next one. The kernels change the arrays
of a `_Net` in place; faces and vertices that are gone keep their rows until `_Net.mesh`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import (
    BoolArray,
    Float64Array,
    SurfaceDistance,
    area_vectors,
    components,
    counting_argsort,
    degenerate_faces,
    diagonal,
    edges_of,
    face_areas,
    next_in_face,
)
from pipeline.mesh.repairing.manifold import split_non_manifold, tidy
from pipeline.types import IntArray, Mesh

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy")

# Between these lengths, of the wanted one, an edge may stay.
TOO_LONG, TOO_SHORT = 4 / 3, 4 / 5

# Steps of the way from the edges that are there to the wanted ones: collapsing the shortest first
# spreads vertices more evenly than collapsing in any order.
COLLAPSE_GROWTH = 1.5
MAX_COLLAPSE_STEPS = 12

ROUNDS = 8

# Creases shorter than this many wanted edges are noise or cannot be drawn.
SHORTEST_CREASE_EDGES = 4

# Where a crease or border turns more than this within a wanted edge, a vertex stays.
CORNER_COS = np.cos(np.radians(50))

# No operation turns a face by more than this.
COLLAPSE_COS = np.cos(np.radians(45))
FLIP_COS = np.cos(np.radians(25))
SMOOTH_COS = np.cos(np.radians(60))

# Between two calls of `tick`: 0.1 s of work or less.
HALF_EDGES_PER_STEP = 100_000
SPLITS_PER_STEP = 100_000

# Rings around vertices are gathered in arrays of this size; longer ones are left alone.
LONGEST_RING = 128

FREE, ON_LINE, FIXED = np.int8(0), np.int8(1), np.int8(2)


def isotropic(
    mesh: Mesh, triangles: int, sharp_angle_deg: float, tick: Callable[[float], None]
) -> Mesh:
    """Lay about as many even triangles over a surface as wanted.

    Edges that are too long are split, short ones collapsed, others flipped where that evens out
    how many meet at a vertex; vertices are then moved to the middle of their neighbors and back
    onto the surface. Borders, and creases sharper than `sharp_angle_deg`, stay lines; their
    corners stay where they are. Parts do not meet, and vanish only where they are flat.

    Args:
        mesh: Triangles; edges with more than two faces are split first.
        triangles: How many to aim for: mostly within 5 %, more where creases or parts need them.
        sharp_angle_deg: Angle between the normals of two faces, 180 for no creases.
        tick: Called with the fraction done, about every 0.1 s; may raise to stop.

    Returns:
        A manifold, closed where `mesh` is; the same triangles if none has an area.

    Source: Botsch and Kobbelt, A Remeshing Approach to Multiresolution Modeling, 2004. Ours:
    collapses by growing length, the length that follows the count, and moves that are taken back
    where they would fold a face.
    """
    tick(0.0)
    positions, faces = split_non_manifold(mesh.positions, mesh.faces)
    source = Mesh(positions=positions, faces=faces)
    tick(0.01)
    area_m2 = float(face_areas(source).sum())
    if area_m2 == 0:
        return source
    # A strip of `n` triangles is no longer than `n` edges, however little area it has.
    length_m = max(np.sqrt(4 / np.sqrt(3) * area_m2 / triangles), diagonal(source) / triangles)
    is_crease, kind = _find_lines(source, sharp_angle_deg, length_m)
    tick(0.02)
    net = _Net.of(source, is_crease, kind)
    tick(0.03)
    to_source = _Source(source, net)
    for n in range(ROUNDS):

        def step(part: float, n: int = n) -> None:
            tick(0.05 + 0.95 * (n + part) / ROUNDS)

        _split(net, TOO_LONG * length_m, step)
        _collapse(net, TOO_SHORT * length_m, TOO_LONG * length_m, step)
        _flip(net, step)
        _smooth(net, to_source, step)
        count = int((net.faces[: net.face_count, 0] >= 0).sum())
        length_m *= np.clip(np.sqrt(count / triangles), 0.8, 1.25)
    result = net.mesh()
    if degenerate_faces(result).any():
        result = tidy(result)
    return result if len(result.faces) else source


@dataclass(kw_only=True)
class _Net:
    """Triangles that know their neighbors, with room for more.

    corner: `[3 F]` int32: the vertex that each half-edge starts at, -1 where the face is gone.
    twin: `[3 F]` int32: the half-edge across, -1 at borders. is_crease: `[3 F]`, on both sides.
    out: `[V]` int32: a half-edge from each vertex; at borders the one that runs along the border.
    kind: `[V]` int8. positions: `[V, 3]` float64.
    """

    corner: IntArray
    twin: IntArray
    is_crease: BoolArray
    out: IntArray
    kind: NDArray[np.int8]
    positions: Float64Array
    face_count: int
    vertex_count: int

    @classmethod
    def of(cls, mesh: Mesh, is_crease: BoolArray, kind: NDArray[np.int8]) -> "_Net":
        """Join the faces of a manifold, with its lines as `_find_lines` tells them."""
        corner = mesh.faces.ravel().copy()
        half_edges = np.arange(len(corner), dtype=np.int32)
        twin = np.full(len(corner), -1, np.int32)
        edges = edges_of(mesh.faces, len(mesh.positions))
        h, g = edges.sides(np.flatnonzero(edges.face_counts == 2))
        twin[h], twin[g] = g, h
        is_border = twin < 0
        out = np.full(len(mesh.positions), -1, np.int32)
        out[corner] = half_edges
        out[corner[is_border]] = half_edges[is_border]
        return cls(
            corner=corner,
            twin=twin,
            is_crease=is_crease,
            out=out,
            kind=kind,
            positions=mesh.positions.astype(np.float64),
            face_count=len(mesh.faces),
            vertex_count=len(mesh.positions),
        )

    @property
    def faces(self) -> IntArray:
        """`[F, 3]`; corners of those that are gone are -1."""
        return self.corner[: 3 * self.face_count].reshape(-1, 3)

    def reserve(self, splits: int) -> None:
        """Make room for so many splits, of one vertex and two faces each."""
        missing_faces = 3 * (self.face_count + 2 * splits) - len(self.corner)
        if missing_faces > 0:
            self.corner = np.concatenate([self.corner, np.full(missing_faces, -1, np.int32)])
            self.twin = np.concatenate([self.twin, np.full(missing_faces, -1, np.int32)])
            self.is_crease = np.concatenate([self.is_crease, np.zeros(missing_faces, bool)])
        missing = self.vertex_count + splits - len(self.out)
        if missing > 0:
            self.out = np.concatenate([self.out, np.full(missing, -1, np.int32)])
            self.kind = np.concatenate([self.kind, np.full(missing, FREE)])
            self.positions = np.concatenate([self.positions, np.zeros((missing, 3))])

    def compact(self) -> None:
        """Forget what is gone."""
        lives = self.faces[:, 0] >= 0
        rank = np.full(self.face_count + 1, -1, np.int32)
        rank[:-1][lives] = np.arange(lives.sum(), dtype=np.int32)
        rows = np.flatnonzero(np.repeat(lives, 3))

        def moved(half_edges: IntArray) -> IntArray:
            renumbered = 3 * rank[half_edges // 3] + half_edges % 3
            return np.where(half_edges < 0, -1, renumbered).astype(np.int32)

        used = np.zeros(self.vertex_count, bool)
        used[self.corner[rows]] = True
        vertex = np.cumsum(used, dtype=np.int32) - 1
        self.corner = vertex[self.corner[rows]]
        self.twin = moved(self.twin[rows])
        self.is_crease = self.is_crease[rows]
        kept = np.flatnonzero(used)
        self.out = moved(self.out[kept])
        self.kind, self.positions = self.kind[kept], self.positions[kept]
        self.face_count, self.vertex_count = len(rows) // 3, len(kept)

    def mesh(self) -> Mesh:
        """What is left of it."""
        self.compact()
        return Mesh(positions=self.positions.astype(np.float32), faces=self.faces.copy())


def _find_lines(
    mesh: Mesh, sharp_angle_deg: float, edge_m: float
) -> tuple[BoolArray, NDArray[np.int8]]:
    """Find the borders, and the creases that edges of length `edge_m` can draw.

    Returns:
        Half-edges on them `[3 F]`, and which vertices may move where `[V]`: those where lines end,
        meet or turn are fixed.
    """
    edges = edges_of(mesh.faces, len(mesh.positions))
    border = edges.half_edges[edges.starts[:-1][edges.face_counts == 1]]
    vectors = area_vectors(mesh)
    normals = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
    h, g = edges.sides(np.flatnonzero(edges.face_counts == 2))
    cosines = np.einsum("ij,ij->i", normals[h // 3], normals[g // 3])
    is_sharp = cosines < np.cos(np.radians(sharp_angle_deg))
    lines = np.concatenate([border, h[is_sharp]])
    twins = np.concatenate([border, g[is_sharp]])
    is_crease = np.zeros(mesh.faces.size, bool)
    kind = np.full(len(mesh.positions), FREE)
    if len(lines) == 0:
        return is_crease, kind

    corner, positions = mesh.faces.ravel(), mesh.positions.astype(np.float64)
    ends = np.stack([corner[lines], corner[next_in_face(lines)]])
    lengths = np.linalg.norm(positions[ends[0]] - positions[ends[1]], axis=1)
    shortest_m = SHORTEST_CREASE_EDGES * edge_m
    count, network = components(len(kind), ends[0], ends[1])
    is_long = np.bincount(network[ends[0]], lengths, count)[network[ends[0]]] >= shortest_m
    is_kept = is_long | (np.arange(len(lines)) < len(border))
    net = _Lines(
        ends=ends,
        by_vertex=counting_argsort(ends.ravel(), len(kind)) % len(lines),
        starts=np.searchsorted(np.sort(ends.ravel()), np.arange(len(kind) + 1)),
    )
    degree = np.bincount(ends[:, is_kept].ravel(), minlength=len(kind))
    _drop_spurs(net, lengths, shortest_m, degree, is_kept)
    _fix_corners(net, positions, edge_m, degree, is_kept, kind)
    is_crease[lines[is_kept]] = is_crease[twins[is_kept]] = True
    return is_crease, kind


class _Lines(NamedTuple):
    """Which lines meet at each vertex, whether they are kept or not.

    ends: `[2, N]` int32 vertices. by_vertex: `[2 N]` int32: vertex `v` has the lines
    `by_vertex[starts[v]:starts[v + 1]]`. starts: `[V + 1]` int64.
    """

    ends: IntArray
    by_vertex: IntArray
    starts: NDArray[np.int64]


@_kernel
def _line_from(net: _Lines, v: int, not_line: int, is_kept: BoolArray) -> int:
    """A line at `v` that is kept, but not that one; -1 if there is none."""
    for i in range(net.starts[v], net.starts[v + 1]):
        line = net.by_vertex[i]
        if line != not_line and is_kept[line]:
            return int(line)
    return -1


@_kernel
def _drop_spurs(
    net: _Lines,
    lengths: Float64Array,
    shortest_m: float,
    degree: NDArray[np.int64],
    is_kept: BoolArray,
) -> None:
    """Drop what ends before it is long, beside a line: noise."""
    for tip in range(len(degree)):
        if degree[tip] != 1:
            continue
        fork, line, total = tip, -1, 0.0
        while fork == tip or degree[fork] == 2:
            line = _line_from(net, fork, line, is_kept)
            total += lengths[line]
            fork = net.ends[0, line] + net.ends[1, line] - fork
        if total >= shortest_m or degree[fork] == 1:
            continue
        v = tip
        while v != fork:
            line = _line_from(net, v, -1, is_kept)
            is_kept[line] = False
            degree[v] -= 1
            v = net.ends[0, line] + net.ends[1, line] - v
            degree[v] -= 1


@_kernel
def _fix_corners(
    net: _Lines,
    positions: Float64Array,
    reach_m: float,
    degree: NDArray[np.int64],
    is_kept: BoolArray,
    kind: NDArray[np.int8],
) -> None:
    """Fix vertices where lines end or meet, and those where one turns most within `reach_m`."""
    straight = np.ones(len(kind))
    toward = np.empty((2, 3))
    for v in range(len(kind)):
        if degree[v] == 0:
            continue
        kind[v] = ON_LINE if degree[v] == 2 else FIXED
        if degree[v] != 2:
            continue
        line = -1
        for side in range(2):
            line = _line_from(net, v, line, is_kept)
            end, _ = _walk(net, positions, straight, degree, is_kept, v, line, reach_m)
            size = np.sqrt(_squared_length(positions, end, v))
            for axis in range(3):
                toward[side, axis] = (positions[end, axis] - positions[v, axis]) / size
        straight[v] = -_dot(toward[0], toward[1])
    for v in range(len(kind)):
        if kind[v] != ON_LINE or not straight[v] < CORNER_COS:
            continue
        line, is_most = -1, True
        for _ in range(2):
            line = _line_from(net, v, line, is_kept)
            _, least = _walk(net, positions, straight, degree, is_kept, v, line, reach_m)
            is_most = is_most and straight[v] <= least
        if is_most:
            kind[v] = FIXED
            straight[v] = -2.0  # of equal ones the first is fixed


@_kernel
def _walk(
    net: _Lines,
    positions: Float64Array,
    straight: Float64Array,
    degree: NDArray[np.int64],
    is_kept: BoolArray,
    start: int,
    line: int,
    reach_m: float,
) -> tuple[int, float]:
    """Follow a line for `reach_m` or to its end: the vertex there, the least of `straight` passed.

    `straight` is the cosine of how much a line turns at a vertex.
    """
    v, length, least = start, 0.0, 2.0
    while True:
        w = net.ends[0, line] + net.ends[1, line] - v
        length += np.sqrt(_squared_length(positions, v, w))
        v = w
        if length < reach_m:
            least = min(least, straight[v])
        if length >= reach_m or degree[v] != 2 or v == start:
            return v, least
        line = _line_from(net, v, line, is_kept)


class _Source:
    """The surface to stay on, and its lines."""

    def __init__(self, mesh: Mesh, net: _Net) -> None:
        import igl

        self._surface = SurfaceDistance(mesh)
        self._normals = area_vectors(mesh)
        self._positions = net.positions.copy()
        h = np.flatnonzero(net.is_crease & (np.arange(len(net.twin)) > net.twin)).astype(np.int32)
        self._lines = np.stack([net.corner[h], net.corner[next_in_face(h)]], axis=1).astype(
            np.int64
        )
        self._line_tree = igl.AABB()
        if len(self._lines):
            self._line_tree.init(self._positions, self._lines)

    def nearest(
        self, places: Float64Array, tick: Callable[[], None]
    ) -> tuple[Float64Array, Float64Array]:
        """The nearest places on the surface, and area vectors of the faces there."""
        _, faces, nearest = self._surface.nearest(places, tick)
        return nearest, self._normals[faces]

    def nearest_on_lines(self, places: Float64Array) -> Float64Array:
        """The nearest places on borders and creases."""
        if len(places) == 0:
            return places
        _, _, nearest = self._line_tree.squared_distance(self._positions, self._lines, places)
        on_lines: Float64Array = nearest
        return on_lines


def _ranges(count: int) -> list[tuple[int, int]]:
    return list(pairwise([*range(0, count, HALF_EDGES_PER_STEP), count]))


@_kernel
def _next(h: int) -> int:
    return h - 2 if h % 3 == 2 else h + 1


@_kernel
def _prev(h: int) -> int:
    return h + 2 if h % 3 == 0 else h - 1


@_kernel
def _link(twin: IntArray, h: int, g: int) -> None:
    if h >= 0:
        twin[h] = g
    if g >= 0:
        twin[g] = h


@_kernel
def _squared_length(positions: Float64Array, a: int, b: int) -> float:
    x = positions[a, 0] - positions[b, 0]
    y = positions[a, 1] - positions[b, 1]
    z = positions[a, 2] - positions[b, 2]
    return float(x * x + y * y + z * z)


@_kernel
def _dot(a: Float64Array, b: Float64Array) -> float:
    return float(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])  # array expressions compile for seconds


@_kernel
def _ring(corner: IntArray, twin: IntArray, out: IntArray, v: int, ring: IntArray) -> int:
    """Gather the half-edges from `v`, counter-clockwise; returns how many, or -1 if too many."""
    h, count = out[v], 0
    while True:
        if count == len(ring):
            return -1
        ring[count] = h
        count += 1
        h = twin[_prev(h)]
        if h < 0 or h == out[v]:
            return count


def _squared_lengths(net: _Net, tick: Callable[[], None]) -> NDArray[np.float32]:
    """`[3 F]`: by half-edge; 0 for one half of each edge, and where the face is gone."""
    squared = np.zeros(3 * net.face_count, np.float32)
    for first, end in _ranges(len(squared)):
        tick()
        _measure_edges(net.corner, net.twin, net.positions, first, end, squared)
    return squared


@_kernel
def _measure_edges(
    corner: IntArray,
    twin: IntArray,
    positions: Float64Array,
    first: int,
    end: int,
    squared: NDArray[np.float32],
) -> None:
    for h in range(first, end):
        if corner[h] >= 0 and h > twin[h]:
            squared[h] = _squared_length(positions, corner[h], corner[_next(h)])


def _split(net: _Net, longest_m: float, tick: Callable[[float], None]) -> None:
    """Halve edges until none is longer."""
    while True:
        squared = _squared_lengths(net, lambda: tick(0.1))
        long = np.flatnonzero(squared > longest_m**2).astype(np.int32)
        if len(long) == 0:
            return
        # The longest first: halving a short side first would make the face a sliver.
        long = long[np.argsort(-squared[long], kind="stable")]
        net.reserve(len(long))
        for first in range(0, len(long), SPLITS_PER_STEP):
            tick(0.1)
            part = long[first : first + SPLITS_PER_STEP]
            net.face_count = _split_edges(
                net.corner,
                net.twin,
                net.is_crease,
                net.out,
                net.kind,
                net.positions,
                part,
                net.face_count,
                net.vertex_count,
            )
            net.vertex_count += len(part)


@_kernel
def _split_edges(
    corner: IntArray,
    twin: IntArray,
    is_crease: BoolArray,
    out: IntArray,
    kind: NDArray[np.int8],
    positions: Float64Array,
    edges: IntArray,
    face: int,
    m: int,
) -> int:
    """Put vertices `m`, `m + 1`, ... in the middle of edges; returns the next free face."""
    for h in edges:
        g = twin[h]
        a, b = corner[h], corner[_next(h)]
        for axis in range(3):
            positions[m, axis] = 0.5 * (positions[a, axis] + positions[b, axis])
        kind[m] = ON_LINE if is_crease[h] else FREE
        k = _cut_face(corner, twin, is_crease, out, h, m, face)
        face += 1
        out[m] = k
        if g < 0:
            twin[k] = -1
        else:
            j = _cut_face(corner, twin, is_crease, out, g, m, face)
            face += 1
            _link(twin, h, j)
            _link(twin, k, g)
        m += 1
    return face


@_kernel
def _cut_face(
    corner: IntArray,
    twin: IntArray,
    is_crease: BoolArray,
    out: IntArray,
    h: int,
    m: int,
    face: int,
) -> int:
    """End half-edge `h` at `m` and give the rest of its face to `face`; returns the way on."""
    ahead, last = _next(h), _prev(h)
    k = 3 * face
    b = corner[ahead]
    corner[k], corner[k + 1], corner[k + 2] = m, b, corner[last]
    is_crease[k], is_crease[k + 1], is_crease[k + 2] = is_crease[h], is_crease[ahead], False
    _link(twin, k + 1, twin[ahead])
    if out[b] == ahead:
        out[b] = k + 1
    corner[ahead], is_crease[ahead] = m, False
    _link(twin, ahead, k + 2)
    return k


def _collapse(
    net: _Net, shortest_m: float, longest_m: float, tick: Callable[[float], None]
) -> None:
    """Collapse edges until few are shorter, the shortest first; none becomes longer than that."""
    squared = _squared_lengths(net, lambda: tick(0.2))
    end = len(squared)
    typical_m = float(np.sqrt(squared[squared > 0].mean())) if squared.any() else shortest_m
    growth = np.log(shortest_m / typical_m) / np.log(COLLAPSE_GROWTH)
    steps = int(np.clip(np.ceil(growth), 0, MAX_COLLAPSE_STEPS))
    rings = np.empty((3, LONGEST_RING), np.int32)
    for n in range(-steps, 2):
        limit_m = min(shortest_m, shortest_m * COLLAPSE_GROWTH**n)
        for first, last in _ranges(end):
            tick(0.2 + 0.4 * (n + steps) / (steps + 2))
            _collapse_edges(
                net.corner,
                net.twin,
                net.is_crease,
                net.out,
                net.kind,
                net.positions,
                (first, last),
                (limit_m**2, longest_m**2),
                rings,
            )
    net.compact()


@_kernel
def _collapse_edges(
    corner: IntArray,
    twin: IntArray,
    is_crease: BoolArray,
    out: IntArray,
    kind: NDArray[np.int8],
    positions: Float64Array,
    half_edges: tuple[int, int],
    limits: tuple[float, float],
    rings: IntArray,
) -> None:
    shortest, longest = limits
    place = np.empty(3)
    for h in range(half_edges[0], half_edges[1]):
        if corner[h] < 0 or h < twin[h]:
            continue
        a, b = corner[h], corner[_next(h)]
        if _squared_length(positions, a, b) >= shortest:
            continue
        both_on_lines = kind[a] != FREE and kind[b] != FREE
        if both_on_lines and (not is_crease[h] or (kind[a] == FIXED and kind[b] == FIXED)):
            continue
        of_a = 0.5 if kind[a] == kind[b] else (1.0 if kind[a] > kind[b] else 0.0)
        for axis in range(3):
            place[axis] = of_a * positions[a, axis] + (1 - of_a) * positions[b, axis]
        if not _may_collapse(corner, twin, is_crease, out, h, rings):
            continue
        count_a = _ring(corner, twin, out, a, rings[0])
        count_b = _ring(corner, twin, out, b, rings[1])
        if not _may_move(corner, positions, rings[0], count_a, b, place, longest):
            continue
        if not _may_move(corner, positions, rings[1], count_b, a, place, longest):
            continue
        kind[a] = max(kind[a], kind[b])
        for axis in range(3):
            positions[a, axis] = place[axis]
        _collapse_edge(corner, twin, is_crease, out, h, rings[1], count_b)


@_kernel
def _may_collapse(
    corner: IntArray,
    twin: IntArray,
    is_crease: BoolArray,
    out: IntArray,
    h: int,
    rings: IntArray,
) -> bool:
    """Whether the surface stays a manifold of the same kind: the link condition, and lines."""
    g = twin[h]
    a, b = corner[h], corner[_next(h)]
    for n in range(2):
        side = h if n == 0 else g
        if side < 0:
            continue
        if is_crease[_next(side)] and is_crease[_prev(side)]:
            return False
        c = corner[_prev(side)]
        count = _ring(corner, twin, out, c, rings[2])
        if count < 0 or count < (2 if twin[out[c]] < 0 else 4):
            return False
    count_a = _ring(corner, twin, out, a, rings[0])
    count_b = _ring(corner, twin, out, b, rings[1])
    if count_a < 0 or count_b < 0:
        return False
    common = 0
    for i in range(count_a + 1):
        x = _neighbor(corner, twin, rings[0], count_a, i)
        if x < 0:
            continue
        for j in range(count_b + 1):
            if _neighbor(corner, twin, rings[1], count_b, j) == x:
                common += 1
    return common == (1 if g < 0 else 2)


@_kernel
def _neighbor(corner: IntArray, twin: IntArray, ring: IntArray, count: int, i: int) -> int:
    """Neighbor `i` of the vertex with this ring, of which a border has one more; -1 if none."""
    if i < count:
        return int(corner[_next(ring[i])])
    last = _prev(ring[count - 1])
    return int(corner[last]) if twin[last] < 0 else -1


@_kernel
def _may_move(
    corner: IntArray,
    positions: Float64Array,
    ring: IntArray,
    count: int,
    other: int,
    place: Float64Array,
    longest: float,
) -> bool:
    """Whether faces of a ring keep their side and length if their vertex moves to `place`.

    Those that also have the vertex `other` do not count.
    """
    was, new = np.empty(3), np.empty(3)
    for n in range(count):
        h = ring[n]
        v, p, q = corner[h], corner[_next(h)], corner[_prev(h)]
        if p == other or q == other:
            continue
        far = 0.0
        for axis in range(3):
            far += (positions[p, axis] - place[axis]) ** 2
        if far > longest:
            return False
        _normal(positions[v], positions[p], positions[q], was)
        _normal(place, positions[p], positions[q], new)
        size_was, size_new = _dot(was, was), _dot(new, new)
        side = _squared_length(positions, v, p)
        if size_was < (0.05 * side) ** 2:
            continue  # the normal of a sliver says nothing
        if _dot(was, new) <= COLLAPSE_COS * np.sqrt(size_was * size_new):
            return False
    return True


@_kernel
def _normal(a: Float64Array, b: Float64Array, c: Float64Array, normal: Float64Array) -> None:
    x, y, z = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    u, v, w = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    normal[0], normal[1], normal[2] = y * w - z * v, z * u - x * w, x * v - y * u


@_kernel
def _collapse_edge(
    corner: IntArray,
    twin: IntArray,
    is_crease: BoolArray,
    out: IntArray,
    h: int,
    ring_b: IntArray,
    count_b: int,
) -> None:
    """Give everything around the end of `h` to its start."""
    g = twin[h]
    a = corner[h]
    for n in range(count_b):
        corner[ring_b[n]] = a
    start = -1
    for n in range(2):
        side = g if n == 0 else h
        if side < 0:
            continue
        before, after = twin[_prev(side)], twin[_next(side)]
        c = corner[_prev(side)]
        line = is_crease[_prev(side)] or is_crease[_next(side)]
        # `after` runs from c to the vertex, `before` from the vertex to c; h and g differ in which
        # end of them moved, and not here.
        if before >= 0:
            twin[before], is_crease[before] = after, line
        if after >= 0:
            twin[after], is_crease[after] = before, line
        if out[c] // 3 == side // 3:
            out[c] = after if after >= 0 else out[c]
        start = before if before >= 0 else _next(after)
    for n in range(2):
        side = g if n == 0 else h
        if side >= 0:
            f = side // 3
            corner[3 * f] = corner[3 * f + 1] = corner[3 * f + 2] = -1
    k = start
    while twin[k] >= 0:
        k = _next(twin[k])
        if k == start:
            break
    out[a] = k


def _flip(net: _Net, tick: Callable[[float], None]) -> None:
    """Flip edges where that brings the numbers of neighbors closer to six, at lines to four."""
    end = 3 * net.face_count
    corner = net.corner[:end]
    degree = np.bincount(corner, minlength=net.vertex_count).astype(np.int32)
    is_border = net.twin[:end] < 0
    degree += np.bincount(corner[is_border], minlength=net.vertex_count).astype(np.int32)
    wanted = np.full(net.vertex_count, 6, np.int32)
    wanted[corner[is_border]] = 4
    ring = np.empty(LONGEST_RING, np.int32)
    for n in range(2):
        for first, last in _ranges(end):
            tick(0.6 + 0.1 * n)
            _flip_edges(
                net.corner,
                net.twin,
                net.is_crease,
                net.out,
                net.positions,
                (first, last),
                (degree, wanted),
                ring,
            )


@_kernel
def _flip_edges(
    corner: IntArray,
    twin: IntArray,
    is_crease: BoolArray,
    out: IntArray,
    positions: Float64Array,
    half_edges: tuple[int, int],
    degrees: tuple[IntArray, IntArray],
    ring: IntArray,
) -> None:
    degree, wanted = degrees
    n1, n2, m1, m2 = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for h in range(half_edges[0], half_edges[1]):
        g = twin[h]
        if h < g or g < 0 or is_crease[h]:
            continue
        a, b, c, d = corner[h], corner[g], corner[_prev(h)], corner[_prev(g)]
        # Of the sum of squared differences from the wanted degrees, half of what a flip adds.
        added = 2 - (degree[a] - wanted[a]) - (degree[b] - wanted[b])
        added += (degree[c] - wanted[c]) + (degree[d] - wanted[d])
        if added >= 0 or degree[a] <= 3 or degree[b] <= 3:
            continue
        count = _ring(corner, twin, out, c, ring)
        is_joined = count < 0
        for i in range(max(count, 0) + 1):
            is_joined = is_joined or _neighbor(corner, twin, ring, count, i) == d
        if is_joined:
            continue
        _normal(positions[a], positions[b], positions[c], n1)
        _normal(positions[b], positions[a], positions[d], n2)
        _normal(positions[d], positions[c], positions[a], m1)
        _normal(positions[c], positions[d], positions[b], m2)
        for axis in range(3):
            n1[axis] += n2[axis]
        size = FLIP_COS * np.sqrt(_dot(n1, n1))
        if _dot(m1, n1) <= size * np.sqrt(_dot(m1, m1)):
            continue
        if _dot(m2, n1) <= size * np.sqrt(_dot(m2, m2)):
            continue
        degree[a] -= 1
        degree[b] -= 1
        degree[c] += 1
        degree[d] += 1
        _flip_edge(corner, twin, is_crease, out, h)


@_kernel
def _flip_edge(
    corner: IntArray, twin: IntArray, is_crease: BoolArray, out: IntArray, h: int
) -> None:
    """Turn the edge between two faces to their other two corners."""
    g = twin[h]
    h1, h2, g1, g2 = _next(h), _prev(h), _next(g), _prev(g)
    a, b, c, d = corner[h], corner[g], corner[h2], corner[g2]
    across = twin[h1], twin[h2], twin[g1], twin[g2]
    lines = is_crease[h1], is_crease[h2], is_crease[g1], is_crease[g2]
    corner[h], corner[h1], corner[h2] = d, c, a
    corner[g], corner[g1], corner[g2] = c, d, b
    _link(twin, h1, across[1])  # c to a
    _link(twin, h2, across[2])  # a to d
    _link(twin, g1, across[3])  # d to b
    _link(twin, g2, across[0])  # b to c
    is_crease[h1], is_crease[h2] = lines[1], lines[2]
    is_crease[g1], is_crease[g2] = lines[3], lines[0]
    if out[a] == h or out[a] == g1:
        out[a] = h2
    if out[b] == g or out[b] == h1:
        out[b] = g2
    if out[c] == h2:
        out[c] = h1
    if out[d] == g2:
        out[d] = g1


def _smooth(net: _Net, source: _Source, tick: Callable[[float], None]) -> None:
    """Move vertices to the middle of their neighbors, along the surface and back onto it."""
    count = net.vertex_count
    tick(0.8)
    moved = net.positions.copy()
    normals = np.zeros_like(moved)
    _middles(net.corner, net.twin, net.is_crease, net.out, net.kind, net.positions, moved, normals)
    free = np.flatnonzero(net.kind[:count] == FREE)
    on_line = np.flatnonzero(net.kind[:count] == ON_LINE)
    nearest, facing = source.nearest(moved[free], lambda: tick(0.85))
    # The other side of a thin wall may be nearer.
    is_same_side = np.einsum("ij,ij->i", facing, normals[free]) > 0
    moved[free] = np.where(is_same_side[:, None], nearest, net.positions[free])
    moved[on_line] = source.nearest_on_lines(moved[on_line])
    tick(0.95)
    _take_back(net.corner[: 3 * net.face_count], net.positions, moved)
    net.positions = moved


@_kernel
def _middles(
    corner: IntArray,
    twin: IntArray,
    is_crease: BoolArray,
    out: IntArray,
    kind: NDArray[np.int8],
    positions: Float64Array,
    moved: Float64Array,
    normals: Float64Array,
) -> None:
    """Find where each vertex would go, and its normal."""
    ring = np.empty(LONGEST_RING, np.int32)
    normal, middle = np.empty(3), np.empty(3)
    for v in range(len(out)):
        count = _ring(corner, twin, out, v, ring)
        is_tip = count == 3 and twin[out[v]] >= 0  # smoothing would flatten it
        if kind[v] == FIXED or count < 0 or is_tip:
            continue
        used = 0
        middle[0] = middle[1] = middle[2] = 0.0
        for i in range(count + 1):
            x = _neighbor(corner, twin, ring, count, i)
            if x < 0:
                continue
            if i < count:
                _normal(positions[v], positions[x], positions[corner[_prev(ring[i])]], normal)
                for axis in range(3):
                    normals[v, axis] += normal[axis]
            if kind[v] == FREE or i == count or is_crease[ring[i]]:
                used += 1
                for axis in range(3):
                    middle[axis] += positions[x, axis]
        for axis in range(3):
            middle[axis] = middle[axis] / used - positions[v, axis]
        size = _dot(normals[v], normals[v])
        if kind[v] == FREE and size > 0:
            along = _dot(middle, normals[v]) / size
            for axis in range(3):
                middle[axis] -= along * normals[v, axis]
        for axis in range(3):
            moved[v, axis] += middle[axis]


@_kernel
def _take_back(corner: IntArray, positions: Float64Array, moved: Float64Array) -> None:
    """Undo the moves of vertices that would turn a face too far."""
    was, new = np.empty(3), np.empty(3)
    for _ in range(8):
        is_done = True
        for f in range(len(corner) // 3):
            a, b, c = corner[3 * f], corner[3 * f + 1], corner[3 * f + 2]
            if a < 0:
                continue
            _normal(positions[a], positions[b], positions[c], was)
            _normal(moved[a], moved[b], moved[c], new)
            size = np.sqrt(_dot(was, was) * _dot(new, new))
            if _dot(was, new) < SMOOTH_COS * size:
                for corner_of_f in range(3):
                    v = corner[3 * f + corner_of_f]
                    for axis in range(3):
                        if moved[v, axis] != positions[v, axis]:
                            moved[v, axis] = positions[v, axis]
                            is_done = False
        if is_done:
            return
