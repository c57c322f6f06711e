"""Few convex bodies in place of one that is not.

Planes cut the body into small, nearly convex pieces. Pieces are put together again where their
common hull takes in the least empty space, and every hull gives up what others cover. Emptiness is
counted against the whole body: a hull may reach through its neighbors at no cost.

Source: the two directions, cutting and merging, are those of Mamou, V-HACD, and of Wei et al.,
Approximate Convex Decomposition (CoACD), 2022. New here: exact hulls of the cut triangles instead
of voxels, all positions of a plane measured in one pass, and the measure itself.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from pipeline.mesh.hulls.hull import Int64Array, contain, grow_hull, hull_of
from pipeline.mesh.hulls.solid import Solid, are_inside, inner_points, volume_outside
from pipeline.mesh.measuring.measure import BoolArray, Float64Array, cross
from pipeline.types import IntArray

# Pieces before merging; most bodies need fewer. 64 make the worst one (a rocker arm) 7 % larger,
# 128 take a third more time there for 3 %.
PIECE_COUNT = 96

# Pieces are done, and hulls are merged, where that wastes no more than this share of the body.
NEGLIGIBLE_WASTE = 0.002

# Planes tried across each direction of a piece; as many again near the best.
PLANES = 16

# Of cuts that are equally good the one nearer to the middle leaves more to gain. Share of the hull.
BALANCE = 0.05

# Directions of cuts: the axes of space and, in so many steps, those of the piece.
DIRECTION_STEPS = 31

# Points inside the body that its pieces keep, so that hulls have no hollow heart.
INNER_LINES = 500

# Hulls farther apart than this share of the whole are not merged while there are nearer ones.
NEAR = 0.1

# Moving a piece must save this share of the body: no endless trading of roundings.
MOVE_GAIN = 1e-4
MOVE_ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class Convex:
    """A convex hull.

    points: `[N, 3]` grid points. faces: `[F, 3]`.
    waste: the part of its volume that is not body, cubic cells.
    """

    points: Int64Array
    faces: IntArray
    waste: float

    @property
    def bounds(self) -> tuple[Int64Array, Int64Array]:
        """Lowest and highest corner of the box around it."""
        return self.points.min(axis=0), self.points.max(axis=0)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What lies between some planes.

    points, faces: the surface there. inner: `[M, 3]` points of the inside.
    hull: of both. volume: of the hull, cubic cells.
    """

    points: Int64Array
    faces: IntArray
    inner: Int64Array
    hull: Convex
    volume: float


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pieces, by number, that share a hull."""

    pieces: tuple[int, ...]
    hull: Convex


def decompose(
    points: Int64Array,
    faces: IntArray,
    solid: Solid,
    *,
    max_hulls: int,
    max_vertices: int,
    slack_cells: float,
    tick: Callable[[float], None],
) -> list[Int64Array]:
    """Cover a body with convex ones that hold little else.

    Args:
        points: `[V, 3]` grid points; faces: `[F, 3]` the body's surface, a few thousand triangles.
        solid: Its inside, in cells.
        max_hulls: Most bodies of the result, 1 or more.
        max_vertices: Most corners of each, 8 or more.
        slack_cells: No point of the surface stands out of all of them farther than that and a cell.
            Pieces that are flat become twice as thick.
        tick: Called with the share of the work that is done; may raise to stop.

    Returns:
        The corners of each body, `[N, 3]`.
    """
    body = max(solid.volume, NEGLIGIBLE_WASTE * hull_of(points)[1])
    pieces = _cut(points, faces, solid, body, slack_cells, tick)
    groups = _merge(pieces, solid, body, max_hulls, tick)
    groups = _move(pieces, groups, solid, body, tick)

    def is_free(places: Float64Array) -> BoolArray:
        return are_inside(solid, places)

    result = []
    hulls = _trim(pieces, groups, solid, tick)
    for done, hull in enumerate(hulls):
        tick(0.9 + 0.1 * done / len(hulls))
        result.append(contain(hull.points, max_vertices, slack_cells=slack_cells, is_free=is_free))
    return result


def _convex(points: Int64Array, solid: Solid) -> tuple[Convex, float]:
    """The hull of points that are not in a plane, and its volume."""
    faces, volume = hull_of(points)
    used, local = np.unique(faces, return_inverse=True)
    faces = local.reshape(-1, 3).astype(np.int32)
    waste = volume_outside(solid, points[used].astype(np.float64), faces)
    return Convex(points=points[used], faces=faces, waste=waste), volume


def _piece(
    points: Int64Array, faces: IntArray, inner: Int64Array, solid: Solid, slack_cells: float
) -> Piece:
    everything = np.concatenate([points, inner])
    if len(hull_of(everything)[0]) == 0:
        signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        thick = signs * max(1, int(slack_cells))
        everything = (everything[:, None] + thick).reshape(-1, 3)
    hull, volume = _convex(everything, solid)
    return Piece(points=points, faces=faces, inner=inner, hull=hull, volume=volume)


def _cut(
    points: Int64Array,
    faces: IntArray,
    solid: Solid,
    body: float,
    slack_cells: float,
    tick: Callable[[float], None],
) -> list[Piece]:
    """Cut the piece whose hull wastes most until there are enough or all are nearly convex."""
    inner = np.rint(inner_points(solid, INNER_LINES)).astype(np.int64)
    first = _piece(points, faces, inner, solid, slack_cells)
    queue = [(-first.hull.waste, 0, first)]
    made = 1
    finished: list[Piece] = []
    while queue and len(queue) + len(finished) < PIECE_COUNT:
        tick(0.5 * (len(queue) + len(finished)) / PIECE_COUNT)
        piece = heapq.heappop(queue)[2]
        plane = None
        if piece.hull.waste > NEGLIGIBLE_WASTE * body:
            plane = _best_plane(piece)
        if plane is None:
            finished.append(piece)
            continue
        direction, offset = plane
        inner_heights = piece.inner @ direction
        for sign in (1, -1):
            part, part_faces = _clipped(piece, sign * direction, sign * offset)
            inner = piece.inner[sign * inner_heights <= sign * offset]
            if len(part_faces):
                half = _piece(part, part_faces, inner, solid, slack_cells)
                heapq.heappush(queue, (-half.hull.waste, made, half))
                made += 1
    return finished + [piece for _, _, piece in sorted(queue, key=lambda entry: entry[:2])]


def _best_plane(piece: Piece) -> tuple[Int64Array, int] | None:
    """The plane `direction . p = offset` whose two sides have the smallest hulls together."""
    everything = np.concatenate([piece.points, piece.inner]).astype(np.float64)
    centered = everything - everything.mean(axis=0)
    _, axes = np.linalg.eigh(np.einsum("ni,nj->ij", centered, centered))
    best: tuple[float, Int64Array, int] | None = None
    for direction in (*np.eye(3), *axes.T * DIRECTION_STEPS):
        whole = np.rint(direction).astype(np.int64)
        heights = piece.points @ whole
        low, high = int(heights.min()), int(heights.max())
        if high - low < 4 * PLANES:
            continue
        step = (high - low) // (PLANES + 1)
        offsets = low + step * np.arange(1, PLANES + 1)
        cost, offset = _best_offset(piece, whole, heights, offsets, (low, high))
        if best is None or cost < best[0]:
            best = cost, whole, offset
    if best is None:
        return None
    # Good cuts run through corners: those near the best plane so far.
    _, whole, offset = best
    heights = piece.points @ whole
    low, high = int(heights.min()), int(heights.max())
    step = (high - low) // (PLANES + 1)
    near = np.unique(heights[(heights > offset - step) & (heights < offset + step)])
    near = near[(near > low) & (near < high)]
    if len(near) > PLANES:
        near = near[np.linspace(0, len(near) - 1, PLANES).astype(np.int64)]
    offsets = np.unique(np.append(near, offset))
    _, offset = _best_offset(piece, whole, heights, offsets, (low, high))
    return whole, offset


def _best_offset(
    piece: Piece,
    direction: Int64Array,
    heights: Int64Array,
    offsets: Int64Array,
    limits: tuple[int, int],
) -> tuple[float, int]:
    """The cost of the best of parallel planes, and which it is."""
    below, above = _volumes_beside(piece, direction, heights, offsets)
    low, high = limits
    share = (offsets - low) / (high - low)
    costs = (below + above) / max(piece.volume, 1.0) + BALANCE * np.abs(share - 0.5)
    k = int(costs.argmin())
    return float(costs[k]), int(offsets[k])


def _volumes_beside(
    piece: Piece, direction: Int64Array, heights: Int64Array, offsets: Int64Array
) -> tuple[Float64Array, Float64Array]:
    """Volumes of the hulls below and above each of K parallel planes, `[K]` each.

    One hull grows upward from the lowest point and passes all planes, another one downward.
    """
    crossings, plane_of = _crossings(piece.points, piece.faces, heights, offsets)
    everything = np.concatenate([piece.points, piece.inner, crossings])
    inner_heights = piece.inner @ direction
    # The first and the last plane with each point. One on a plane is on that side, too, only if a
    # face of it goes there: the wall along which a cut runs belongs to one side.
    lowest, highest = heights.copy(), heights.copy()
    np.minimum.at(lowest, piece.faces, heights[piece.faces].min(axis=1)[:, None])
    np.maximum.at(highest, piece.faces, heights[piece.faces].max(axis=1)[:, None])
    first = np.where(
        lowest < heights,
        np.searchsorted(offsets, heights, "left"),
        np.searchsorted(offsets, heights, "right"),
    )
    last = np.where(
        highest > heights,
        np.searchsorted(offsets, heights, "right"),
        np.searchsorted(offsets, heights, "left"),
    )
    planes = np.arange(len(offsets))
    rank = np.concatenate([first, np.searchsorted(offsets, inner_heights, "left"), plane_of])
    below = _growing_volumes(everything, rank, planes)
    rank = np.concatenate([last, np.searchsorted(offsets, inner_heights, "right"), plane_of + 1])
    above = _growing_volumes(everything, len(offsets) - rank, planes)
    return below, above[::-1]


def _growing_volumes(points: Int64Array, rank: Int64Array, ranks: Int64Array) -> Float64Array:
    """`[K]`: the volume of the hull of all points whose rank is at most each of `ranks`."""
    # Outer points first: inner ones then cost a look and leave no faces behind.
    away = points - (points.min(axis=0) + points.max(axis=0)) // 2
    order = np.lexsort((-np.einsum("ni,ni->n", away, away), rank))
    volumes = np.zeros(len(ranks))
    stops = np.searchsorted(rank[order], ranks, "right")
    grow_hull(points, order, stops, volumes, np.empty((0, 3), np.int32))
    return volumes


@njit(cache=True, error_model="numpy", nogil=True)
def _crossings(
    points: Int64Array, faces: IntArray, heights: Int64Array, offsets: Int64Array
) -> tuple[Int64Array, Int64Array]:
    """Where edges cross planes: points `[C, 3]` and which plane, `[C]`.

    Each edge is looked at from the face where it runs upward: once in a closed mesh.
    """
    count = 0
    for is_second in (False, True):
        if is_second:
            found = np.empty((count, 3), np.int64)
            plane_of = np.empty(count, np.int64)
            count = 0
        for f in range(len(faces)):
            for k in range(3):
                i, j = faces[f, k], faces[f, (k + 1) % 3]
                a, b = heights[i], heights[j]
                if a >= b:
                    continue
                plane = np.searchsorted(offsets, a, "right")
                while plane < len(offsets) and offsets[plane] < b:
                    if is_second:
                        share = (offsets[plane] - a) / (b - a)
                        for axis in range(3):
                            step = np.rint(share * (points[j, axis] - points[i, axis]))
                            found[count, axis] = points[i, axis] + np.int64(step)
                        plane_of[count] = plane
                    count += 1
                    plane += 1
    return found, plane_of


def _clipped(piece: Piece, direction: Int64Array, offset: int) -> tuple[Int64Array, IntArray]:
    """The surface of a piece where `direction . p <= offset`: points and faces."""
    points, faces = piece.points, piece.faces.astype(np.int64)
    heights = points @ direction
    is_in = heights <= offset
    in_count = is_in[faces].sum(axis=1)
    is_whole = in_count == 3
    # A face in the plane bounds the side that it looks away from.
    in_plane = np.flatnonzero((heights[faces] == offset).all(axis=1))
    a, b, c = (points[faces[in_plane, k]] for k in range(3))
    is_whole[in_plane] = np.cross(b - a, c - a) @ direction > 0
    parts = [faces[is_whole]]
    extra = [points]
    next_free = len(points)
    for wanted in (1, 2):  # one corner inside leaves a triangle, two leave a quad
        crossed = faces[in_count == wanted]
        odd_one = is_in[crossed] if wanted == 1 else ~is_in[crossed]
        turn = (odd_one.argmax(axis=1)[:, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(crossed, turn, axis=1).T
        extra += [
            _at_height(points, heights, np.minimum(a, end), np.maximum(a, end), offset)
            for end in (b, c)
        ]
        on_b = next_free + np.arange(len(a))
        on_c = on_b + len(a)
        next_free += 2 * len(a)
        if wanted == 1:
            parts.append(np.stack([a, on_b, on_c], axis=1))
        else:
            parts += [np.stack([on_b, b, c], axis=1), np.stack([on_b, c, on_c], axis=1)]
    return _tidy(np.concatenate(extra), np.concatenate(parts))


def _at_height(
    points: Int64Array, heights: Int64Array, i: Int64Array, j: Int64Array, offset: int
) -> Int64Array:
    """Where lines from points `i` to points `j` are at a height, rounded."""
    share = (offset - heights[i]) / (heights[j] - heights[i])
    places: Int64Array = points[i] + np.rint(share[:, None] * (points[j] - points[i])).astype(
        np.int64
    )
    return places


def _tidy(points: Int64Array, faces: Int64Array) -> tuple[Int64Array, IntArray]:
    """Merge equal points, drop unused ones and faces that have become lines."""
    _, first, same = np.unique(points, axis=0, return_index=True, return_inverse=True)
    faces = first[same.reshape(-1)][faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    used, local = np.unique(faces, return_inverse=True)
    return points[used], local.reshape(-1, 3).astype(np.int32)


def _merge(
    pieces: list[Piece],
    solid: Solid,
    body: float,
    max_hulls: int,
    tick: Callable[[float], None],
) -> list[Group]:
    """Join the two groups whose common hull adds the least waste, again and again."""
    groups = [Group(pieces=(number,), hull=piece.hull) for number, piece in enumerate(pieces)]
    alive = list(range(len(groups)))
    joined: dict[tuple[int, int], Group] = {}
    added: dict[tuple[int, int], float] = {}

    def look_at(a: int, b: int) -> None:
        one, other = groups[a], groups[b]
        hull, _ = _convex(np.concatenate([one.hull.points, other.hull.points]), solid)
        joined[a, b] = Group(pieces=one.pieces + other.pieces, hull=hull)
        added[a, b] = hull.waste - one.hull.waste - other.hull.waste

    reach = NEAR * _extent(pieces)
    for b in alive:
        tick(0.5 + 0.2 * b / len(alive))
        for a in range(b):
            if _gap(groups[a].hull, groups[b].hull) <= reach:
                look_at(a, b)
    while len(alive) > 1:
        tick(0.7)
        if not added and len(alive) > max_hulls:
            for b in alive:
                for a in alive:
                    if a < b:
                        look_at(a, b)
        if not added:
            break
        a, b = min(added, key=lambda pair: (added[pair], pair))
        if len(alive) <= max_hulls and added[a, b] > NEGLIGIBLE_WASTE * body:
            break
        groups.append(joined[a, b])
        alive = [n for n in alive if n not in (a, b)]
        for pair in [pair for pair in added if a in pair or b in pair]:
            del added[pair], joined[pair]
        new = len(groups) - 1
        for n in alive:
            if _gap(groups[n].hull, groups[new].hull) <= reach:
                look_at(n, new)
        alive.append(new)
    return [groups[n] for n in alive]


def _extent(pieces: list[Piece]) -> int:
    """The longest side of the box around all pieces, cells."""
    low = np.min([piece.hull.bounds[0] for piece in pieces], axis=0)
    high = np.max([piece.hull.bounds[1] for piece in pieces], axis=0)
    return int((high - low).max())


def _gap(one: Convex, other: Convex) -> int:
    """How far the boxes around two hulls are apart along the axis where they are farthest."""
    (low, high), (other_low, other_high) = one.bounds, other.bounds
    return max(0, int(np.maximum(other_low - high, low - other_high).max()))


def _move(
    pieces: list[Piece],
    groups: list[Group],
    solid: Solid,
    body: float,
    tick: Callable[[float], None],
) -> list[Group]:
    """Hand single pieces to other groups as long as that lessens the waste."""
    groups = list(groups)
    owner = {number: g for g, group in enumerate(groups) for number in group.pieces}
    reach = NEAR * _extent(pieces)
    for _ in range(MOVE_ROUNDS):
        is_changed = False
        for number, piece in enumerate(pieces):
            tick(0.8)
            home = groups[owner[number]]
            rest = tuple(n for n in home.pieces if n != number)
            if not rest:
                continue
            left, _ = _convex(np.concatenate([pieces[n].hull.points for n in rest]), solid)
            best = home.hull.waste - left.waste - MOVE_GAIN * body
            target = None
            for g, group in enumerate(groups):
                if g == owner[number] or best <= 0 or _gap(group.hull, piece.hull) > reach:
                    continue
                both, _ = _convex(np.concatenate([group.hull.points, piece.hull.points]), solid)
                if both.waste - group.hull.waste < best:
                    best = both.waste - group.hull.waste
                    target = g, Group(pieces=(*group.pieces, number), hull=both)
            if target is not None:
                groups[owner[number]] = Group(pieces=rest, hull=left)
                owner[number], groups[target[0]] = target
                is_changed = True
        if not is_changed:
            break
    return groups


def _trim(
    pieces: list[Piece], groups: list[Group], solid: Solid, tick: Callable[[float], None]
) -> list[Convex]:
    """Shrink each hull to what no other hull holds; hulls that hold nothing alone go.

    A triangle counts as held only by a hull that holds all of it, so no gaps open between hulls.
    That hull answers for it from then on.
    """
    hulls: dict[int, Convex] = {g: group.hull for g, group in enumerate(groups)}
    answers_for = [_corners_to_hold([pieces[n] for n in group.pieces]) for group in groups]
    waiting = sorted(hulls, key=lambda g: (hulls[g].waste, g))
    while waiting:
        tick(0.85)
        g = waiting.pop(0)
        triangles = answers_for[g]
        is_left = np.ones(len(triangles), bool)
        for other, hull in hulls.items():
            if other == g or not is_left.any():
                continue
            places = np.flatnonzero(is_left)
            is_held = _holds(hull, triangles[places].reshape(-1, 3)).reshape(-1, 3).all(axis=1)
            is_left[places[is_held]] = False
            if other in waiting:
                taken = triangles[places[is_held]]
                answers_for[other] = np.concatenate([answers_for[other], taken])
        left = triangles[is_left].reshape(-1, 3)
        if len(left) == 0:
            del hulls[g]
        elif len(hull_of(left)[0]):  # otherwise the hull is thicker than what it holds
            hulls[g], _ = _convex(left, solid)
    return list(hulls.values())


def _corners_to_hold(pieces: list[Piece]) -> Int64Array:
    """`[N, 3, 3]`: the triangles of pieces, and their inner points as triangles without size."""
    triangles = [piece.points[piece.faces] for piece in pieces]
    inner = np.concatenate([piece.inner for piece in pieces])
    return np.concatenate([*triangles, np.repeat(inner[:, None], 3, axis=1)])


def _holds(hull: Convex, points: Int64Array) -> BoolArray:
    """`[N]`: which points are inside, to half a cell."""
    low, high = hull.bounds
    places = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    a, b, c = (hull.points[hull.faces[:, k]].astype(np.float64) for k in range(3))
    normals = cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offsets = np.einsum("ij,ij->i", normals, a) + 0.5
    is_in = np.zeros(len(points), bool)
    is_in[places] = _are_below(normals, offsets, points[places].astype(np.float64))
    return is_in


@njit(cache=True, error_model="numpy", nogil=True)
def _are_below(normals: Float64Array, offsets: Float64Array, points: Float64Array) -> BoolArray:
    """`[N]`: which points are below all planes `normal . p = offset`."""
    is_below = np.zeros(len(points), np.bool_)
    first = 0
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        # Points come in rows: the plane that the last one was above comes first.
        if normals[first, 0] * x + normals[first, 1] * y + normals[first, 2] * z > offsets[first]:
            continue
        is_below[n] = True
        for f in range(len(normals)):
            if normals[f, 0] * x + normals[f, 1] * y + normals[f, 2] * z > offsets[f]:
                is_below[n] = False
                first = f
                break
    return is_below
