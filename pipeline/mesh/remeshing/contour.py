"""The closed surface between the points of a grid that are inside and outside."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import (
    BoolArray,
    Float64Array,
    SurfaceDistance,
    area_vectors,
    cross,
    degenerate_faces,
    edges_of,
)
from pipeline.mesh.remeshing.level_set import (
    INSIDE,
    OUTSIDE,
    POINTS_PER_STEP,
    SLAB,
    THIN,
    Grid,
    Int64Array,
    Labels,
    LevelSet,
)
from pipeline.mesh.repairing.manifold import tidy
from pipeline.types import IntArray, Mesh

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy")

# How far slabs stand off the sheet inside them.
SLAB_CELLS = 0.5

# Normals at the cuts of a vertex that are this far from their mean: a crease may pass between.
CREASE_COS = np.cos(np.radians(12))
# Directions in which the surface bends less than this share of the most it does stay at the mean.
LEAST_BEND = 0.05
# A vertex goes to where the planes at its cuts meet if that is on the surface, within this much,
# and no farther than that from its cell.
CREASE_FIT_CELLS = 0.1
CREASE_REACH_CELLS = 0.25

# Quads that bend more than this take the diagonal that is nearer to the surface.
FLAT_COS = np.cos(np.radians(5))

# Folds: neighbors more than 120 degrees apart, of which one looks away from the surface it is on.
FOLD_COS = np.cos(np.radians(120))
FACING_COS = 0.1
UNFOLD_ROUNDS = 6


@dataclass(frozen=True, kw_only=True)
class _Quads:
    """`Q` quads around the edges that change labels, and their `N` vertices.

    corners: `[Q, 4]` int32 vertices, counter-clockwise seen from outside.
    edges: `[Q]` int64. cells: `[N]` int64: lowest point of the cell that holds the vertex.
    in_saddle: `[N]`: a side of that cell has two opposite corners inside and two outside.
    """

    corners: IntArray
    edges: Int64Array
    cells: Int64Array
    in_saddle: BoolArray


@dataclass(frozen=True, kw_only=True)
class _Cuts:
    """Where the surface cuts the edges of `Q` quads.

    places: `[Q, 3]` cells from the origin. normals: `[Q, 3]`, unit length, outward; of the edge
    where no face cuts it. is_surface: `[Q]`: a face cuts it. outer: `[Q]` int64: the end outside.
    kinds: `[Q]` int8: of the end inside.
    """

    places: Float64Array
    normals: Float64Array
    is_surface: BoolArray
    outer: Int64Array
    kinds: Labels


def contour(
    level: LevelSet, mesh: Mesh, to_mesh: SurfaceDistance, tick: Callable[[], None]
) -> Mesh:
    """Draw the surface between inside and outside, and lay it onto the mesh.

    Each cell that the surface passes has a vertex per sheet, at a crease where the planes meet
    that the mesh has there, else on the mesh. Lids over gaps stay where they are, slabs keep half
    a cell off their sheet. Vertices whose triangles would fold stay at the mean of their cell.

    Args:
        level: Must have points inside.
        mesh: What `level` was made of.
        to_mesh: Distances to it.
        tick: May raise to stop.

    Returns:
        A closed manifold that looks outward.

    Source: Ju et al., Dual Contouring of Hermite Data, 2002; vertices per sheet as in Nielson,
    Dual Marching Cubes, 2004; the choice of creases is ours.
    """
    quads = _quads(level, tick)
    cuts = _cuts(level, quads, mesh, tick)
    positions, faces = _lay(level.grid, quads, cuts, to_mesh, tick)
    result = Mesh(positions=positions.astype(np.float32), faces=faces)
    return tidy(result) if degenerate_faces(result).any() else result


def _quads(level: LevelSet, tick: Callable[[], None]) -> _Quads:
    """Give each cell that the surface passes a vertex per sheet, and join them around edges."""
    grid, labels = level.grid, level.labels
    layer = int(grid.strides[2])
    total = 0
    for first in range(0, len(labels), POINTS_PER_STEP):
        tick()
        total += _count_changes(labels, grid.strides, first, first + POINTS_PER_STEP)
    corners = np.empty((total, 4), np.int32)
    edges = np.empty(total, np.int64)
    cells = np.empty(4 * total // 3 + 1, np.int64)  # a sheet cuts at least three edges
    in_saddle = np.empty(len(cells), bool)
    lower, upper = np.zeros(layer, np.int32), np.zeros(layer, np.int32)
    counts = 0, 0
    for z in range(int(grid.shape[2]) - 1):
        tick()
        counts = _add_layer(
            labels,
            grid.shape,
            z,
            _sheets(),
            (lower, upper),
            (corners, edges, cells, in_saddle),
            counts,
        )
        lower, upper = upper, lower
    count = counts[1]
    return _Quads(
        corners=corners, edges=edges, cells=cells[:count].copy(), in_saddle=in_saddle[:count].copy()
    )


@cache
def _sheets() -> tuple[Labels, Labels, BoolArray]:
    """By which of a cell's corners are inside: how many sheets pass it, and which cuts each edge.

    Corner `dx + 2 dy + 4 dz` is bit number that. Edge `4 axis + du + 2 dv` runs along `axis` from
    the corner with those steps along `u` and `v`. Where a side has two opposite corners inside,
    the sheets keep these together, so that thin parts hold.

    Returns:
        `[256]` counts, `[256, 12]` sheet numbers, and `[256]`: whether some side has such corners.
    """
    bit = (1, 2, 4)
    counts = np.zeros(256, np.int8)
    sheet_of = np.full((256, 12), -1, np.int8)
    is_saddle = np.zeros(256, bool)
    edge_between = {}
    for axis in range(3):
        u, v = bit[(axis + 1) % 3], bit[(axis + 2) % 3]
        for n, corner in enumerate((0, u, v, u + v)):
            edge_between[frozenset((corner, corner + bit[axis]))] = 4 * axis + n
    sides = []
    for axis in range(3):
        u, v = bit[(axis + 1) % 3], bit[(axis + 2) % 3]
        sides += [[at, at + u, at + u + v, at + v] for at in (0, bit[axis])]
    for case in range(256):
        linked: dict[int, set[int]] = {
            edge: {edge}
            for ends, edge in edge_between.items()
            if len({case >> corner & 1 for corner in ends}) == 2
        }
        for side in sides:
            cut = [
                edge_between[frozenset((side[n], side[n - 1]))]
                for n in range(4)
                if case >> side[n] & 1 != case >> side[n - 1] & 1
            ]
            pairs = [cut] if len(cut) == 2 else []
            if len(cut) == 4:
                is_saddle[case] = True
                # cut[n] joins side[n - 1] and side[n]
                pairs = [[cut[n], cut[(n + 1) % 4]] for n in range(4) if not case >> side[n] & 1]
            for a, b in pairs:
                union = linked[a] | linked[b]
                linked.update(dict.fromkeys(union, union))
        groups = sorted({min(group) for group in linked.values()})
        counts[case] = len(groups)
        for edge, group in linked.items():
            sheet_of[case, edge] = groups.index(min(group))
    return counts, sheet_of, is_saddle


@_kernel
def _count_changes(labels: Labels, strides: Int64Array, first: int, end: int) -> int:
    count = 0
    for p in range(first, min(end, len(labels))):
        for axis in range(3):
            q = p + strides[axis]
            if q < len(labels) and labels[p] != labels[q]:
                count += 1
    return count


@_kernel
def _case(labels: Labels, shape: Int64Array, p: int) -> int:
    """Which corners of the cell above point `p` are inside, as bits."""
    row, layer = shape[0], shape[0] * shape[1]
    case = 0
    for corner in range(8):
        at = p + (corner & 1) + (corner >> 1 & 1) * row + (corner >> 2) * layer
        case |= int(labels[at]) << corner
    return case


@_kernel
def _add_layer(
    labels: Labels,
    shape: Int64Array,
    z: int,
    tables: tuple[Labels, Labels, BoolArray],
    vertices: tuple[IntArray, IntArray],
    found: tuple[IntArray, Int64Array, Int64Array, BoolArray],
    counts: tuple[int, int],
) -> tuple[int, int]:
    """Add the vertices of the cells between layers `z` and `z + 1`, and the quads that end there.

    vertices: number of the first vertex of each cell of the layer below and of this one; the
    latter is filled in.
    """
    sheet_counts, sheet_of, is_saddle = tables
    lower, upper = vertices
    quads, edges, cells, in_saddle = found
    quad_count, vertex_count = counts
    row, layer = shape[0], shape[0] * shape[1]
    for y in range(shape[1] - 1):
        for x in range(row - 1):
            p = z * layer + y * row + x
            case = _case(labels, shape, p)
            if case == 0 or case == 255:
                continue
            upper[y * row + x] = vertex_count
            for _ in range(sheet_counts[case]):
                cells[vertex_count] = p
                in_saddle[vertex_count] = is_saddle[case]
                vertex_count += 1
            for axis in range(3):
                along = row**axis if axis < 2 else layer
                u = row if axis == 0 else (layer if axis == 1 else 1)
                v = layer if axis == 0 else (1 if axis == 1 else row)
                if labels[p] == labels[p + along]:
                    continue
                for n in range(4):
                    # Counter-clockwise seen from the end of the edge: those at (0, 0), (-1, 0),
                    # (-1, -1) and (0, -1) along u and v; turned around where that end is inside.
                    turn = n if labels[p] == INSIDE else 3 - n
                    du, dv = (turn + 1) // 2 % 2, turn // 2
                    cell = p - du * u - dv * v
                    sheet = sheet_of[_case(labels, shape, cell), 4 * axis + du + 2 * dv]
                    in_layer = cell - (z - 1) * layer
                    base = upper[in_layer - layer] if in_layer >= layer else lower[in_layer]
                    quads[quad_count, n] = base + sheet
                edges[quad_count] = 3 * p + axis
                quad_count += 1
    return quad_count, vertex_count


def _cuts(level: LevelSet, quads: _Quads, mesh: Mesh, tick: Callable[[], None]) -> _Cuts:
    """Find where faces cut the edges, the first seen from outside; else where the lid does."""
    grid, labels, edges = level.grid, level.labels, quads.edges
    p, axes = edges // 3, edges % 3
    q = p + grid.strides[axes]
    inner = np.where(labels[p] == INSIDE, p, q)
    places = grid.coordinates(p)
    faces = np.full(len(edges), -1, np.int32)
    for axis, along in enumerate(level.lines):
        tick()
        of_axis = np.flatnonzero(axes == axis)
        u, v = (axis + 1) % 3, (axis + 2) % 3
        line = (places[of_axis, u] + grid.shape[u] * places[of_axis, v]).astype(np.int64)
        _cut(
            of_axis,
            line,
            labels[p[of_axis]],
            axis,
            (along.starts, along.depths, along.faces),
            places,
            faces,
        )
    tick()
    normals = np.zeros((len(edges), 3))
    normals[np.arange(len(edges)), axes] = np.where(inner == p, 1.0, -1.0)
    at_p, at_q = level.numbers[p].astype(np.float64), level.numbers[q]
    is_surface = faces >= 0
    is_lid = ~is_surface & (at_p != at_q)
    part = (at_p[is_lid] - 0.5) / (at_p[is_lid] - at_q[is_lid])
    places[is_lid, axes[is_lid]] += np.clip(part, 0.05, 0.95) - 0.5
    face_normals = _unit(area_vectors(mesh)[faces[is_surface]])
    # Of faces that do not agree on a front, the side counts from which they are seen.
    is_back = (face_normals * normals[is_surface]).sum(axis=1) < 0
    normals[is_surface] = np.where(is_back[:, None], -face_normals, face_normals)
    return _Cuts(
        places=places,
        normals=normals,
        is_surface=is_surface,
        outer=p + q - inner,
        kinds=level.kinds[inner],
    )


@_kernel
def _cut(
    of_axis: Int64Array,
    line: Int64Array,
    label: Labels,
    axis: int,
    along: tuple[Int64Array, Float64Array, IntArray],
    places: Float64Array,
    faces: IntArray,
) -> None:
    starts, depths, crossed = along
    for n in range(len(of_axis)):
        edge = of_axis[n]
        first = places[edge, axis]
        places[edge, axis] += 0.5
        for i in range(starts[line[n]], starts[line[n] + 1]):
            if np.floor(depths[i]) == first:
                places[edge, axis], faces[edge] = depths[i], crossed[i]
                if label[n] == OUTSIDE:
                    break


def _unit(vectors: Float64Array) -> Float64Array:
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    unit: Float64Array = vectors / np.maximum(lengths, 1e-300)[:, None]
    return unit


def _sums(indices: NDArray[np.integer], values: Float64Array, count: int) -> Float64Array:
    """Add up rows of `values` `[N, K]` by index, `[count, K]`."""
    return np.stack([np.bincount(indices, column, count) for column in values.T], axis=1)


def _lay(
    grid: Grid, quads: _Quads, cuts: _Cuts, to_mesh: SurfaceDistance, tick: Callable[[], None]
) -> tuple[Float64Array, IntArray]:
    """Place the vertices and cut the quads in two; see `contour`."""
    tick()
    corner, count = quads.corners.ravel(), len(quads.cells)
    degree = np.bincount(corner, minlength=count)
    by_corner = np.repeat(cuts.places, 4, axis=0)
    middle = _sums(corner, by_corner, count) / degree[:, None]
    means = grid.to_metres(middle)
    tick()

    def has(of_cut: BoolArray) -> BoolArray:
        found = np.zeros(count, bool)
        found[quads.corners[of_cut]] = True
        return found

    # Lids have no cut by a face; neither have slabs, and those have nothing else.
    is_slab = ~has(cuts.kinds != SLAB)
    on_mesh = np.flatnonzero(has(cuts.is_surface | (cuts.kinds == THIN)) | is_slab)
    laid = means.copy()
    distance, _, nearest = to_mesh.nearest(means[on_mesh], tick)
    off = SLAB_CELLS * grid.cell_m / np.maximum(distance, 1e-9 * grid.cell_m)
    share = np.where(is_slab[on_mesh], off, 0.0)[:, None]
    laid[on_mesh] = nearest + share * (means[on_mesh] - nearest)

    best = laid.copy()
    bent, crease = _creases(grid, quads, cuts, middle, tick)
    distance, _, nearest = to_mesh.nearest(crease, tick)
    fits = distance < CREASE_FIT_CELLS * grid.cell_m
    best[bent[fits]] = nearest[fits]

    # Vertices of folds fall back to the next choice, which is safer.
    choices, choice = np.stack([best, laid, means]), np.zeros(count, np.int64)
    positions, outward = best, np.repeat(cuts.normals, 2, axis=0)
    faces = _halve(positions, quads.corners, to_mesh, tick)
    for _ in range(UNFOLD_ROUNDS):
        tick()
        folded = np.unique(faces[_folded(positions, faces, outward)])
        folded = folded[choice[folded] < len(choices) - 1]
        if len(folded) == 0:
            break
        choice[folded] += 1
        positions[folded] = choices[choice[folded], folded]
        is_moved = np.zeros(count, bool)
        is_moved[folded] = True
        again = np.flatnonzero(is_moved[quads.corners].any(axis=1))
        halves = _halve(positions, quads.corners[again], to_mesh, tick)
        faces[2 * again], faces[2 * again + 1] = halves[::2], halves[1::2]
    return _part_double_joins(grid, quads, cuts, positions, faces)


def _creases(
    grid: Grid, quads: _Quads, cuts: _Cuts, middle: Float64Array, tick: Callable[[], None]
) -> tuple[NDArray[np.int64], Float64Array]:
    """Where the planes at the cuts meet.

    Returns:
        The vertices that the surface bends at, and those places, metres.
    """
    count = len(quads.cells)
    corners, normals = quads.corners[cuts.is_surface], cuts.normals[cuts.is_surface]
    places = cuts.places[cuts.is_surface]
    mean = _unit(_sums(corners.ravel(), np.repeat(normals, 4, axis=0), count))
    is_bent = np.zeros(count, bool)
    is_bent[corners[np.einsum("ijk,ik->ij", mean[corners], normals) < CREASE_COS]] = True
    tick()
    bent = np.flatnonzero(is_bent)
    rank = np.cumsum(is_bent) - 1
    quad, of_quad = np.nonzero(is_bent[corners])
    vertex = corners[quad, of_quad]
    n = normals[quad]
    offset = np.einsum("ij,ij->i", places[quad] - middle[vertex], n)
    A = _sums(rank[vertex], np.einsum("ij,ik->ijk", n, n).reshape(-1, 9), len(bent))
    b = _sums(rank[vertex], n * offset[:, None], len(bent))
    tick()
    values, vectors = np.linalg.eigh(A.reshape(-1, 3, 3))
    inverse = np.where(values > LEAST_BEND * values[:, 2:], 1 / np.maximum(values, 1e-300), 0.0)
    crease = middle[bent] + np.einsum("nij,nj,nkj,nk->ni", vectors, inverse, vectors, b)
    from_low = crease - grid.coordinates(quads.cells[bent])
    near = ((from_low > -CREASE_REACH_CELLS) & (from_low < 1 + CREASE_REACH_CELLS)).all(axis=1)
    return bent[near], grid.to_metres(crease[near])


def _halve(
    positions: Float64Array,
    corners: IntArray,
    to_mesh: SurfaceDistance,
    tick: Callable[[], None],
) -> IntArray:
    """Cut quads along a diagonal, `[2 Q, 3]`: flat ones along the shorter one."""
    a, b, c, d = (positions[corners[:, n]] for n in range(4))
    ac, bd = c - a, d - b
    bend_ac = _cosine(cross(b - a, ac), cross(ac, d - a))
    bend_bd = _cosine(cross(c - b, bd), cross(bd, a - b))
    along_bd = np.einsum("ij,ij->i", bd, bd) < np.einsum("ij,ij->i", ac, ac)
    tick()
    bent = np.flatnonzero(np.minimum(bend_ac, bend_bd) < FLAT_COS)
    off_ac, _, _ = to_mesh.nearest((a[bent] + c[bent]) / 2, tick)
    off_bd, _, _ = to_mesh.nearest((b[bent] + d[bent]) / 2, tick)
    along_bd[bent] = off_bd < off_ac
    # Never fold a quad that the other diagonal does not.
    along_bd = np.where((bend_ac < 0) == (bend_bd < 0), along_bd, bend_ac < 0)
    halves = np.where(
        along_bd[:, None], corners[:, [1, 2, 3, 1, 3, 0]], corners[:, [0, 1, 2, 0, 2, 3]]
    )
    faces: IntArray = halves.reshape(-1, 3)
    return faces


def _cosine(a: Float64Array, b: Float64Array) -> Float64Array:
    lengths = np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b)
    cosine: Float64Array = np.einsum("ij,ij->i", a, b) / np.sqrt(np.maximum(lengths, 1e-300))
    return cosine


def _folded(positions: Float64Array, faces: IntArray, outward: Float64Array) -> NDArray[np.int64]:
    """Faces that look away from the surface at their quad, beside one that they fold against."""
    a, b, c = (positions[faces[:, n]] for n in range(3))
    normals = _unit(cross(b - a, c - a))
    away = np.flatnonzero(np.einsum("ij,ij->i", normals, outward) < FACING_COS)
    if len(away) == 0:
        return away
    # Few faces look away: only the edges around these are needed.
    is_near = np.zeros(len(positions), bool)
    is_near[faces[away]] = True
    near = np.flatnonzero(is_near[faces].sum(axis=1) >= 2)
    edges = edges_of(faces[near], len(positions))
    h, g = (near[side // 3] for side in edges.sides(np.flatnonzero(edges.face_counts == 2)))
    folds = np.einsum("ij,ij->i", normals[h], normals[g]) < FOLD_COS
    in_fold = np.zeros(len(faces), bool)
    in_fold[h[folds]] = in_fold[g[folds]] = True
    return away[in_fold[away]]


def _part_double_joins(
    grid: Grid, quads: _Quads, cuts: _Cuts, positions: Float64Array, faces: IntArray
) -> tuple[Float64Array, IntArray]:
    """Where two vertices are joined twice, through a saddle, lead each way over a vertex between.

    The quads at such a join become fans around the place where the surface cuts their edge.
    """
    count = len(quads.cells)
    ends = np.stack([quads.corners, np.roll(quads.corners, -1, axis=1)])
    quad, side = np.nonzero(quads.in_saddle[ends].all(axis=0))
    low, high = np.sort(ends[:, quad, side], axis=0).astype(np.int64)
    _, join, times = np.unique(low * count + high, return_inverse=True, return_counts=True)
    is_double = times[join] > 2
    if not is_double.any():
        return positions, faces
    quad, side, join = quad[is_double], side[is_double], join[is_double]
    # Each of the two ways passes one of the saddle's corners outside, where both its edges end.
    order = np.lexsort((side, quad, cuts.outer[quad], join))
    quad, side = quad[order], side[order]
    between = grid.to_metres((cuts.places[quad[::2]] + cuts.places[quad[1::2]]) / 2)
    fans = np.unique(quad)
    centers = grid.to_metres(cuts.places[fans])
    over = np.full((len(fans), 4), -1, np.int32)
    over[np.searchsorted(fans, quad), side] = len(positions) + np.arange(len(quad)) // 2
    center = (len(positions) + len(between) + np.arange(len(fans)))[:, None].repeat(4, axis=1)
    start, end = ends[:, fans]
    is_direct = over < 0
    fan = [
        np.stack([center, start, end], axis=2)[is_direct],
        np.stack([center, start, over], axis=2)[~is_direct],
        np.stack([center, over, end], axis=2)[~is_direct],
    ]
    is_whole = np.ones(len(quads.edges), bool)
    is_whole[fans] = False
    faces = np.concatenate([faces[is_whole.repeat(2)], *fan]).astype(np.int32)
    return np.concatenate([positions, between, centers]), faces
