"""Convex hulls in whole numbers: exact, so that nothing has to be mended afterwards.

Points are snapped to a grid of a million cells along the longest side: fine enough to lose nothing,
coarse enough for every orientation test to be exact in 64 bits and every corner in float32. A hull
found here is convex as it stands in the file, to the last bit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import BoolArray, Float64Array, cross
from pipeline.types import Box, Capsule, FloatArray, Hull, IntArray, Sphere

Int64Array = NDArray[np.int64]

# Cells along the longest side, and room around it. Determinants of differences within 1.5 * 2^20
# stay below 2^63.
GRID_CELLS = 2**20
MARGIN_CELLS = 2**18
FLOAT32_CELLS = 2**24

# Share of the corners that one round of `contain` may take away. 0.15: up to 20 % larger, 0.02:
# twice the time and the same size.
SHRINK_PER_ROUND = 0.05

# A hull shrinks by no more than this share of its mean thickness, whatever the slack.
MAX_SHRINK = 0.04

# How far over the hull a new corner may stand at first, cells: long spikes add little volume.
FIRST_REACH_CELLS = GRID_CELLS / 64

# Growing into a place where nobody ever stands costs this share of growing outward.
FREE_COST = 0.1
LOOK_AHEAD_CELLS = GRID_CELLS / 256

# Edges whose ends have more different planes are left alone: all triples of planes are tried.
MAX_PLANES = 16
PARALLEL = 1e-6
ROUNDING_CELLS = 1e-3


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where whole-number points lie in space: `(origin + point) * cell_m`.

    origin: `[3]` int64, cells. cell_m: a power of two, so that float32 holds every point exactly.
    """

    origin: Int64Array
    cell_m: float

    def snap(self, positions: FloatArray | Float64Array) -> Int64Array:
        """The nearest grid points, `[N, 3]`."""
        cells = np.rint(positions.astype(np.float64) / self.cell_m).astype(np.int64)
        snapped: Int64Array = cells - self.origin
        return snapped

    def positions(self, points: Int64Array) -> FloatArray:
        """The exact positions of grid points, metres."""
        return ((points + self.origin) * self.cell_m).astype(np.float32)


def grid_around(positions: FloatArray | Float64Array) -> Grid:
    """The finest grid that holds `positions` `[N, 3]` and some room around them."""
    low = positions.min(axis=0).astype(np.float64)
    high = positions.max(axis=0).astype(np.float64)
    farthest = float(np.maximum(np.abs(low), np.abs(high)).max())
    finest = max(
        float((high - low).max()) / GRID_CELLS,
        farthest / (FLOAT32_CELLS - 2 * (GRID_CELLS + MARGIN_CELLS)),
        float(np.finfo(np.float32).tiny),
    )
    cell_m = 2.0 ** np.ceil(np.log2(finest))
    return Grid(origin=np.floor(low / cell_m).astype(np.int64), cell_m=float(cell_m))


def hull_of(points: Int64Array) -> tuple[IntArray, float]:
    """Triangles `[F, 3]` around `points` `[N, 3]`, outward, and their volume in cubic cells.

    None and 0 for points in a plane. Sides with more than three corners are triangulated; points
    amid a side or edge may be corners of triangles, too.
    """
    # Extreme points first: their hull swallows most of the others, which then cost little.
    ends = np.concatenate([points.argmin(axis=0), points.argmax(axis=0)])
    order = np.concatenate([ends, np.arange(len(points))]).astype(np.int64)
    faces = np.empty((2 * len(points) + 4, 3), np.int32)
    volumes = np.zeros(1)
    count = grow_hull(points, order, np.array([len(order)]), volumes, faces)
    return faces[:count], float(volumes[0])


def corners_of(points: Int64Array) -> Int64Array:
    """The true corners of the convex hull of `points` `[N, 3]`, each once, in order of x, y, z.

    None if the points lie in a plane.
    """
    faces, _ = hull_of(points)
    start = faces.ravel().astype(np.int64)
    end = np.roll(faces, -1, axis=1).ravel().astype(np.int64)
    key = start * len(points) + end
    order = np.argsort(key)
    twin = order[np.searchsorted(key[order], end * len(points) + start)]
    beyond = faces[twin // 3, (twin % 3 + 2) % 3]  # what the face across the edge has beside it
    a, b, c = (points[faces[:, k]] for k in range(3))
    normals = np.repeat(np.cross(b - a, c - a), 3, axis=0)
    is_bent = np.einsum("ij,ij->i", normals, points[beyond] - points[start]) != 0
    # Three edges that bend meet in a corner, two in a point on an edge, none in one amid a side.
    corners = points[np.bincount(start[is_bent], minlength=len(points)) >= 3]
    return corners[np.lexsort(corners.T[::-1])]


def written_hull(
    grid: Grid, points: Int64Array, primitive: Box | Sphere | Capsule | None = None
) -> Hull:
    """The convex hull of grid points `[N, 3]` as it goes into the file: corners and triangles."""
    corners = corners_of(points)
    faces, _ = hull_of(corners)
    first = faces.argmin(axis=1)
    faces = np.take_along_axis(faces, (first[:, None] + np.arange(3)) % 3, axis=1)
    faces = faces[np.lexsort(faces.T[::-1])]
    return Hull(positions=grid.positions(corners), faces=faces, primitive=primitive)


@njit(cache=True, error_model="numpy", nogil=True)
def grow_hull(
    points: Int64Array,
    order: Int64Array,
    stops: Int64Array,
    volumes: Float64Array,
    faces_out: IntArray,
) -> int:
    """Insert points one by one into a convex hull and note its volume on the way.

    Args:
        points: `[N, 3]`, within 1.5 * 2^20 cells of each other.
        order: Which points to insert, `[M]`.
        stops: `[K]` rising: note the volume after so many of them.
        volumes: `[K]` cubic cells, written.
        faces_out: `[>= 2N - 4, 3]` for the triangles at the end, outward; or empty if not wanted.

    Returns:
        How many triangles were written. 0 for points in a plane.

    Source: the incremental method, as in O'Rourke, Computational Geometry in C, 1998, chapter 4.
    """
    room = 3 * len(order) + 8  # while a point is inserted, old and new faces stand side by side
    faces = np.empty((room, 3), np.int32)
    neighbors = np.empty((room, 3), np.int32)  # across the edge from corner k to corner k + 1
    planes = np.empty((room, 4), np.int64)  # normal and offset
    is_alive = np.zeros(room, np.bool_)
    is_visible = np.zeros(room, np.bool_)
    visible = np.empty(room, np.int32)
    fresh = np.empty(room, np.int32)
    unused = np.empty(room, np.int32)
    face_from = np.empty(len(points), np.int32)
    start = np.empty(3, np.int64)  # three points that span a plane
    start_count, top, unused_count, stop, i = 0, 0, 0, 0, 0
    six_volumes = 0.0
    while stop < len(stops) and stops[stop] == 0:
        volumes[stop] = 0.0
        stop += 1
    while i < len(order):
        p = order[i]
        i += 1
        if top > 0:
            visible_count = 0
            for f in range(top):
                if is_alive[f]:
                    height = _height(planes, f, points, p)
                    if height > 0:
                        six_volumes += height
                        visible[visible_count] = f
                        visible_count += 1
                        is_visible[f] = True
            fresh_count = 0
            for n in range(visible_count):
                f = visible[n]
                for k in range(3):
                    beyond = neighbors[f, k]
                    if is_visible[beyond]:
                        continue
                    if unused_count > 0:
                        unused_count -= 1
                        new = unused[unused_count]
                    else:
                        new = top
                        top += 1
                    a, b = faces[f, k], faces[f, (k + 1) % 3]
                    _set_face(faces, planes, points, new, a, b, p)
                    neighbors[new, 0] = beyond
                    for m in range(3):
                        if faces[beyond, m] == b:
                            neighbors[beyond, m] = new
                    face_from[a] = new
                    fresh[fresh_count] = new
                    fresh_count += 1
            for n in range(fresh_count):
                new = fresh[n]
                is_alive[new] = True
                following = face_from[faces[new, 1]]
                neighbors[new, 1] = following
                neighbors[following, 2] = new
            for n in range(visible_count):
                f = visible[n]
                is_alive[f] = False
                is_visible[f] = False
                unused[unused_count] = f
                unused_count += 1
        elif start_count == 0:
            start[0] = p
            start_count = 1
        elif start_count == 1:
            for k in range(3):
                if points[p, k] != points[start[0], k]:
                    start[1] = p
                    start_count = 2
        elif start_count == 2:
            _set_face(faces, planes, points, top, start[0], start[1], p)
            for k in range(3):
                if planes[0, k] != 0:
                    start[2] = p
                    start_count = 3
        else:
            _set_face(faces, planes, points, top, start[0], start[1], start[2])
            height = _height(planes, top, points, p)
            if height != 0:
                a, b, c = start[0], start[1], start[2]
                if height > 0:
                    b, c = c, b
                for f, corners in enumerate(((a, b, c), (b, a, p), (c, b, p), (a, c, p))):
                    _set_face(faces, planes, points, f, corners[0], corners[1], corners[2])
                    is_alive[f] = True
                neighbors[0, 0], neighbors[0, 1], neighbors[0, 2] = 1, 2, 3
                neighbors[1, 0], neighbors[1, 1], neighbors[1, 2] = 0, 3, 2
                neighbors[2, 0], neighbors[2, 1], neighbors[2, 2] = 0, 1, 3
                neighbors[3, 0], neighbors[3, 1], neighbors[3, 2] = 0, 2, 1
                top = 4
                six_volumes = float(abs(height))
                i = 0  # those before lay in one plane and were passed over: once more
        while stop < len(stops) and stops[stop] == i:
            volumes[stop] = six_volumes / 6
            stop += 1
    count = 0
    if len(faces_out) > 0:
        for f in range(top):
            if is_alive[f]:
                for k in range(3):
                    faces_out[count, k] = faces[f, k]
                count += 1
    return count


@njit(cache=True, error_model="numpy", nogil=True)
def _set_face(
    faces: IntArray, planes: Int64Array, points: Int64Array, f: int, a: int, b: int, c: int
) -> None:
    faces[f, 0], faces[f, 1], faces[f, 2] = a, b, c
    x, y, z = points[a, 0], points[a, 1], points[a, 2]
    ux, uy, uz = points[b, 0] - x, points[b, 1] - y, points[b, 2] - z
    vx, vy, vz = points[c, 0] - x, points[c, 1] - y, points[c, 2] - z
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    planes[f, 0], planes[f, 1], planes[f, 2] = nx, ny, nz
    planes[f, 3] = nx * x + ny * y + nz * z


@njit(cache=True, error_model="numpy", nogil=True)
def _height(planes: Int64Array, f: int, points: Int64Array, p: int) -> int:
    """Six times the volume of the tetrahedron from face `f` to point `p`, positive outside.

    Its terms may wrap around 2^64. Their sum is below 2^63, so it comes out right nevertheless.
    """
    height: int = (
        planes[f, 0] * points[p, 0]
        + planes[f, 1] * points[p, 1]
        + planes[f, 2] * points[p, 2]
        - planes[f, 3]
    )
    return height


def contain(
    points: Int64Array,
    max_vertices: int,
    *,
    slack_cells: float,
    is_free: Callable[[Float64Array], BoolArray] | None = None,
) -> Int64Array:
    """Corners of a convex body of at most `max_vertices`, 8 or more, around all points.

    A hull of more corners first shrinks by `slack_cells` or a 25th of its thickness. Then edges
    shrink to points outside it, those first that add the least volume, so no point is farther
    outside the result than the slack and a few cells.

    Args:
        points: `[N, 3]`, not in a plane.
        max_vertices: Most corners of the result.
        slack_cells: How far points may stand out where there are too many corners.
        is_free: Tells of points `[M, 3]` whether growing there does not matter, if known.

    Source: Sander et al., Silhouette Clipping, 2000 (progressive hulls), here in rounds of edges
    that do not touch each other.
    """
    corners = corners_of(points)
    if len(corners) > max_vertices:
        corners = corners_of(_shrunk(corners, slack_cells))
    reach = FIRST_REACH_CELLS
    while len(corners) > max_vertices:
        faces, _ = hull_of(corners)
        excess = len(corners) - max_vertices
        count = max(1, min(excess, int(SHRINK_PER_ROUND * len(corners))))
        is_gone, apexes = _round(corners, faces, count, reach, is_free)
        if len(apexes) > 0:
            corners = corners_of(np.concatenate([corners[~is_gone], apexes]))
        elif reach < GRID_CELLS:
            reach *= 2
        else:
            return _box_around(corners)
    return corners


def _shrunk(corners: Int64Array, distance: float) -> Int64Array:
    """Corners of a convex body moved inward, all by the same distance or less."""
    faces, volume = hull_of(corners)
    a, b, c = (corners[faces[:, k]].astype(np.float64) for k in range(3))
    normals = cross(b - a, c - a)
    inward = np.zeros((len(corners), 3))
    for k in range(3):
        np.subtract.at(inward, faces[:, k], normals)
    inward /= np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-300)
    thickness = 4 * volume / max(float(np.linalg.norm(normals, axis=1).sum()), 1e-300)
    step = inward * min(distance, MAX_SHRINK * thickness)
    shrunk: Int64Array = corners + np.rint(step).astype(np.int64)
    return shrunk


def _box_around(corners: Int64Array) -> Int64Array:
    low, high = corners.min(axis=0), corners.max(axis=0)
    signs = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    box: Int64Array = low + signs * (high - low)
    return box


def _round(
    corners: Int64Array,
    faces: IntArray,
    count: int,
    reach: float,
    is_free: Callable[[Float64Array], BoolArray] | None,
) -> tuple[BoolArray, Int64Array]:
    """Shrink up to `count` edges that do not touch: which corners go, which points come instead."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = pairs[pairs[:, 0] < pairs[:, 1]]
    order = np.argsort(faces.ravel(), kind="stable").astype(np.int32)
    starts = np.searchsorted(faces.ravel()[order], np.arange(len(corners) + 1)).astype(np.int32)
    faces_of = order // 3
    a, b, c = (corners[faces[:, k]].astype(np.float64) for k in range(3))
    normals = cross(b - a, c - a)
    areas = np.linalg.norm(normals, axis=1)
    normals /= areas[:, None]
    weights = areas
    if is_free is not None:
        ahead = normals * LOOK_AHEAD_CELLS
        spots = ((a + b + c) / 3, (3 * a + b + c) / 5, (a + 3 * b + c) / 5, (a + b + 3 * c) / 5)
        freedom = sum((is_free(spot + ahead) / len(spots) for spot in spots), np.zeros(len(a)))
        weights = areas * (1 - (1 - FREE_COST) * freedom)
    costs, apexes = _cheapest_apexes(
        corners.astype(np.float64), edges, faces_of, starts, normals, weights, reach
    )
    is_near = (apexes >= -MARGIN_CELLS).all(axis=1)
    is_near &= (apexes <= GRID_CELLS + MARGIN_CELLS).all(axis=1)
    by_cost = np.argsort(costs, kind="stable")
    by_cost = by_cost[(np.isfinite(costs) & is_near)[by_cost]]
    is_gone, chosen = _apart(by_cost, edges, faces, faces_of, starts, count)
    return is_gone, np.rint(apexes[chosen]).astype(np.int64)


@njit(cache=True, error_model="numpy", nogil=True)
def _apart(
    order: Int64Array,
    edges: IntArray,
    faces: IntArray,
    faces_of: IntArray,
    starts: IntArray,
    count: int,
) -> tuple[BoolArray, Int64Array]:
    """Take edges in this order, no two with common neighbors: which corners go, which edges."""
    is_gone = np.zeros(len(starts) - 1, np.bool_)
    is_near = np.zeros(len(starts) - 1, np.bool_)
    chosen = np.empty(count, np.int64)
    found = 0
    for e in order:
        is_alone = True
        for end in range(2):
            for s in range(starts[edges[e, end]], starts[edges[e, end] + 1]):
                for k in range(3):
                    is_alone &= not is_near[faces[faces_of[s], k]]
        if not is_alone:
            continue
        for end in range(2):
            is_gone[edges[e, end]] = True
            for s in range(starts[edges[e, end]], starts[edges[e, end] + 1]):
                for k in range(3):
                    is_near[faces[faces_of[s], k]] = True
        chosen[found] = e
        found += 1
        if found == count:
            break
    return is_gone, chosen[:found]


@njit(cache=True, error_model="numpy", nogil=True)
def _cheapest_apexes(
    corners: Float64Array,
    edges: IntArray,
    faces_of: IntArray,
    starts: IntArray,
    normals: Float64Array,
    weights: Float64Array,
    reach: float,
) -> tuple[Float64Array, Float64Array]:
    """For each edge the cheapest point beyond all faces at its ends, and its cost.

    The added volume, weighted by face, is linear in the point: three planes meet in the best one.
    The cost is infinite where there are too many planes, or every such point is out of reach.
    """
    costs = np.full(len(edges), np.inf)
    apexes = np.zeros((len(edges), 3))
    n = np.empty((MAX_PLANES, 3))
    d = np.empty(MAX_PLANES)
    for e in range(len(edges)):
        u, v = edges[e, 0], edges[e, 1]
        mx = (corners[u, 0] + corners[v, 0]) / 2
        my = (corners[u, 1] + corners[v, 1]) / 2
        mz = (corners[u, 2] + corners[v, 2]) / 2
        slope_x, slope_y, slope_z, base = 0.0, 0.0, 0.0, 0.0
        count = 0
        is_crowded = False
        for end in range(2):
            w = edges[e, end]
            for s in range(starts[w], starts[w + 1]):
                f = faces_of[s]
                is_known = False
                if end == 1:  # faces with both ends have been met at the first
                    for r in range(starts[u], starts[u + 1]):
                        is_known |= faces_of[r] == f
                if is_known:
                    continue
                x, y, z = normals[f, 0], normals[f, 1], normals[f, 2]
                offset = x * (corners[w, 0] - mx) + y * (corners[w, 1] - my)
                offset += z * (corners[w, 2] - mz)
                slope_x += weights[f] * x
                slope_y += weights[f] * y
                slope_z += weights[f] * z
                base -= weights[f] * offset
                for k in range(count):
                    away = max(abs(n[k, 0] - x), abs(n[k, 1] - y), abs(n[k, 2] - z))
                    is_known |= away < PARALLEL
                if is_known:
                    continue
                if count == MAX_PLANES:
                    is_crowded = True
                    break
                n[count, 0], n[count, 1], n[count, 2], d[count] = x, y, z, offset
                count += 1
        if is_crowded:
            continue
        for i in range(count):
            for j in range(i):
                # The line where two planes meet: its direction, and where it runs.
                lx = n[i, 1] * n[j, 2] - n[i, 2] * n[j, 1]
                ly = n[i, 2] * n[j, 0] - n[i, 0] * n[j, 2]
                lz = n[i, 0] * n[j, 1] - n[i, 1] * n[j, 0]
                tx = d[i] * n[j, 0] - d[j] * n[i, 0]
                ty = d[i] * n[j, 1] - d[j] * n[i, 1]
                tz = d[i] * n[j, 2] - d[j] * n[i, 2]
                for k in range(j):
                    det = lx * n[k, 0] + ly * n[k, 1] + lz * n[k, 2]
                    if abs(det) < PARALLEL:
                        continue
                    x = (d[k] * lx + ty * n[k, 2] - tz * n[k, 1]) / det
                    y = (d[k] * ly + tz * n[k, 0] - tx * n[k, 2]) / det
                    z = (d[k] * lz + tx * n[k, 1] - ty * n[k, 0]) / det
                    cost = base + slope_x * x + slope_y * y + slope_z * z
                    if cost >= costs[e]:
                        continue
                    is_good = True
                    for m in range(count):
                        height = n[m, 0] * x + n[m, 1] * y + n[m, 2] * z - d[m]
                        if height < -ROUNDING_CELLS or height > reach:
                            is_good = False
                            break
                    if is_good:
                        costs[e] = cost
                        apexes[e, 0], apexes[e, 1], apexes[e, 2] = mx + x, my + y, mz + z
    return costs, apexes
