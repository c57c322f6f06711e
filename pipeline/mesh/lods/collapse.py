"""Edge collapse: fewer triangles on the same manifold, cheap collapses first.

Two ways, one after the other:

- `sweep`, while there are many times more triangles than asked for: over all edges in the order of
  memory, collapsing what costs less than a limit, which then rises. Each vertex remembers the
  planes of all faces that it has swallowed.
- `collapse`, for the last half: always the cheapest edge, by the planes of the faces as they are
  now. A collapse changes the costs of about 35 edges then, but mean errors are a quarter lower.

Everything lives in plain arrays: half-edge `h` is the side of face `h // 3` that starts at the
face's corner `h % 3`. The work is done in slices, so that whoever waits can stop it.

Source: Garland and Heckbert, Surface Simplification Using Quadric Error Metrics, 1997; Lindstrom
and Turk, Fast and Memory Efficient Polygonal Simplification, 1998 (without memory). We weigh planes
by area, replace constrained solves by one that is pulled softly towards the edge, and the heap by
buckets of nearly equal costs.
"""

from typing import TYPE_CHECKING, NamedTuple, TypedDict, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.types import FloatArray, IntArray

if TYPE_CHECKING:
    _F = TypeVar("_F")

    def allocating(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs
    def kernel(function: _F) -> _F: ...
    def inlined(function: _F) -> _F: ...

else:
    # Without reference counts for arrays that never leave: with them all of this takes 4 times as
    # long. Kernels that make arrays need them.
    allocating = njit(cache=True, error_model="numpy", nogil=True)
    kernel = njit(cache=True, error_model="numpy", nogil=True, _nrt=False)
    inlined = njit(cache=True, error_model="numpy", nogil=True, _nrt=False, forceinline=True)


Float64Array = NDArray[np.float64]

# Columns of `Tables.vertices`: position, quadric around it (upper triangle of A, then b, then c),
# the sum of the quadric's weights, and what holds the vertex in place. One row is one cache line.
_A, _B, _C, _WEIGHT, _HOLD = 3, 9, 12, 13, 14
_COLUMNS = 16

_ON_LABEL_BORDER, _ON_BORDER = 1.0, 2.0

# Where the planes leave a direction open (flat, or a straight ridge), the new vertex stays near the
# middle of the edge: distances to it count so much, as a share of the planes together.
_PULL = 1e-5

# Among equal errors, as on a plane, short edges go first.
_LENGTH_COST = 1e-8

# Planes through borders, at right angles to the face, against the face's own. Labels bend.
_BORDER_WEIGHT, _LABEL_WEIGHT = 100.0, 0.1

# A new vertex may be so many edge lengths from the edge's middle.
_MAX_STEP = 2.0

# Faces may turn until the cosine falls to this. Slivers have no direction worth keeping.
_MIN_COSINE = 0.2
_SLIVER = 0.05

# Of 1 for three equal sides. Higher limits cost accuracy: along a straight ridge long thin
# triangles are right, and a limit of 0.01 tripled the error of a coarse LOD.
_MIN_SHAPE = 1e-4

_MAX_VALENCE = 40  # of both ends together; hubs make slivers, and each step around them is slow

# What losing a whole part costs: as if all of it were off by so much of its size.
_PART_COST = 0.75

# A collapse costs at least what losing a bump costs whose height is that by which it is off: spikes
# are not to be worn off because they have no area.
_LOSS_COST = 3.0

# What a cap costs, as if its area were off by the radius of the circle within; so a hole or tunnel
# closes when it has become as small as the collapses of the time.
_CAP_COST = 3.0

# Room for caps and the vertices they need, as a share of the faces.
_CAP_ROOM = 0.25

# The queue has 64 buckets per power of two of the cost. A collapse that is refused is tried again
# when those that cost 1.4 times as much have their turn.
_BUCKETS = 16_384
_BUCKET_SHIFT = 17  # of the bits of a float32
_LAST_BUCKET = 16_319  # of finite costs
_RETRY_BUCKETS = 32
_BLOCK = 16  # entries

# The diagonal of the mesh while it is collapsed: its squared areas fit float32.
SIZE = 1000.0

# Entries of `Tables.counts`.
_FACES, _CURSOR, _STAMP, _PARTS, _SPARE, _VERSION = 0, 1, 2, 3, 4, 5
_NEXT_FACE, _NEXT_VERTEX = 6, 7  # room for caps begins here

# Powers of two that a float32 can have.
POWERS = 256

# What `collapse` returns.
WORKING, DONE, QUEUE_FULL = 0, 1, 2


class Tables(NamedTuple):
    """A mesh that is being collapsed. During sweeps memory, witness, facing and queue are empty.

    vertices: `[V, 16]` float32, see the columns above. memory: `[V, 11]` float32: quadric around
    the vertex and weight of all that it has swallowed. During sweeps `vertices` has just that.
    witness: `[V, 3]` float32: of the vertices that it has swallowed, the farthest from the surface.
    facing: `[F, 3]` float32: where each face looks in the source, 0 where nobody can tell.
    corners: `[3F, 3]` int32 by half-edge: the vertex it starts at, or -1 when the face is gone; its
    twin, or -1 on a border; the version of its edge's place in the queue, 0 for none.
    out: `[V]` int32: a half-edge that starts here, at borders the one without twin; -1 when the
    vertex is gone.
    entries: `[blocks, 16, 2]` int32: half-edge and version, or `3F` plus a part. older: `[blocks]`
    int32: the next block of the same bucket, or of those that are spare. newest, fill: `[buckets]`
    int32: a bucket's block that is being filled, -1 for none, and the number of its entries.
    labels: `[F]` int32, or `[0]`.
    parts: `[V]` int32. part_vertex: `[parts]` int32: one of each, or -1 when it is gone.
    part_cost: `[parts]` float32. All three are `[0]` where parts must stay.
    cap_beside: `[caps]` int32: the face beside each cap; caps are the last faces.
    parent: `[V]` int32: the vertex that swallowed this one, or itself.
    mark: `[V]` int32, and ring: `[2V]` int32, to work with. counts: `[8]` int64.
    """

    vertices: FloatArray
    memory: FloatArray
    witness: FloatArray
    facing: FloatArray
    corners: IntArray
    out: IntArray
    entries: IntArray
    older: IntArray
    newest: IntArray
    fill: IntArray
    labels: IntArray
    parts: IntArray
    part_vertex: IntArray
    part_cost: FloatArray
    cap_beside: IntArray
    parent: IntArray
    mark: IntArray
    ring: IntArray
    counts: NDArray[np.int64]


# What `Rules.caps` may be.
NO_CAPS, HOLES, ALL_CAPS = 0, 1, 2


class Rules(NamedTuple):
    """What a collapse may do. The tuple's types are part of the compiled code: keep them.

    caps: `NO_CAPS`; `HOLES`: close holes and tunnels of three
    sides that keep an edge from collapsing; `ALL_CAPS`: and cut off what hangs on by three sides.
    Only with room for it, see `compacted`. max_error: estimated distance that no collapse may
    exceed, in the units of the positions. min_cosine, min_shape, max_valence: see above.
    """

    caps: int
    max_error: float
    min_cosine: float
    min_shape: float
    max_valence: int


CAREFUL = Rules(
    caps=NO_CAPS,
    max_error=np.inf,
    min_cosine=_MIN_COSINE,
    min_shape=_MIN_SHAPE,
    max_valence=_MAX_VALENCE,
)

# When nothing else goes any more: anything that leaves a manifold of real triangles.
ROUGH = CAREFUL._replace(min_cosine=-2.0, max_valence=1 << 30)


def tables_of(positions: Float64Array, faces: IntArray, labels: IntArray | None) -> Tables:
    """Lay a mesh out for sweeping. Next comes `connect`.

    Args:
        positions: `[V, 3]` in a box with the diagonal `SIZE`.
        faces: `[F, 3]`.
        labels: `[F]`, or None if all faces are of one kind.
    """
    vertices = _lines(len(positions))
    vertices[:, :3] = positions
    corners = np.zeros((faces.size, 3), np.int32)
    corners[:, 0] = faces.ravel()
    none = np.zeros(0, np.int32)
    return Tables(
        vertices=vertices,
        memory=np.zeros((0, 11), np.float32),
        witness=np.zeros((0, 3), np.float32),
        facing=np.zeros((0, 3), np.float32),
        corners=corners,
        out=np.full(len(positions), -1, np.int32),
        **_queue_for(0),
        labels=none if labels is None else np.array(labels, np.int32),
        parts=none,
        part_vertex=none,
        part_cost=np.zeros(0, np.float32),
        cap_beside=none,
        parent=np.arange(len(positions), dtype=np.int32),
        mark=np.zeros(len(positions), np.int32),
        ring=np.zeros(2 * len(positions), np.int32),
        counts=np.array([len(faces), _BUCKETS, 0, 0, 0, 0, 0, 0], np.int64),
    )


def compacted(
    t: Tables, normals: FloatArray, *, has_room_for_caps: bool
) -> tuple[Tables, IntArray, IntArray]:
    """Leave out what is gone, remember what each vertex has swallowed so far, and make a queue.

    Next come `gather_all` and `enqueue_all`.

    Args:
        t: The mesh during sweeps.
        normals: `[left faces, 3]` see `Tables.facing`.
        has_room_for_caps: Whether `Rules.caps` may be other than `NO_CAPS` from here on.

    Returns:
        The tables; for each face left its number before; for each vertex before its number now, or
        -1 where its part is gone.
    """
    is_face, is_vertex = t.corners[::3, 0] >= 0, t.out >= 0
    faces, kept = np.flatnonzero(is_face), np.flatnonzero(is_vertex)
    new_face = np.full(len(is_face), -1, np.int32)
    new_face[faces] = np.arange(len(faces), dtype=np.int32)
    new_vertex = np.full(len(is_vertex), -1, np.int32)
    new_vertex[kept] = np.arange(len(kept), dtype=np.int32)

    def moved(half_edges: IntArray) -> IntArray:
        here = np.maximum(half_edges, 0)
        return np.where(half_edges < 0, -1, 3 * new_face[here // 3] + here % 3).astype(np.int32)

    cap_count = int(_CAP_ROOM * len(faces)) if has_room_for_caps else 0
    vertex_count = len(kept) + 3 * cap_count // 2
    corners = np.full((3 * (len(faces) + cap_count), 3), -1, np.int32)
    of_face = t.corners.reshape(-1, 3, 3)[faces].reshape(-1, 3)
    corners[: len(of_face), 0] = new_vertex[of_face[:, 0]]
    corners[: len(of_face), 1] = moved(of_face[:, 1])
    corners[:, 2] = 0
    vertices = _lines(vertex_count)
    vertices[: len(kept)] = t.vertices[kept]
    out = np.full(vertex_count, -1, np.int32)
    out[: len(kept)] = moved(t.out[kept])
    labels = np.zeros(len(faces) + cap_count if len(t.labels) else 0, np.int32)
    if len(labels):
        labels[: len(faces)] = t.labels[faces]
    small = Tables(
        vertices=vertices,
        memory=vertices[:, _A : _WEIGHT + 1].copy(),
        witness=vertices[:, :3].copy(),
        facing=np.concatenate([normals, np.zeros((cap_count, 3), np.float32)]),
        corners=corners,
        out=out,
        **_queue_for(8 * len(faces)),
        labels=labels,
        parts=t.parts,
        part_vertex=t.part_vertex,
        part_cost=t.part_cost,
        cap_beside=np.zeros(cap_count, np.int32),
        parent=np.arange(vertex_count, dtype=np.int32),
        mark=np.zeros(vertex_count, np.int32),
        ring=np.zeros(2 * vertex_count, np.int32),
        counts=np.array([len(faces), _BUCKETS, 0, 0, 0, 0, len(faces), len(kept)], np.int64),
    )
    find_roots(t.parent)
    return small, faces.astype(np.int32), new_vertex[t.parent]


def with_parts(t: Tables) -> Tables:
    """Let whole parts be dropped where that costs less than collapsing what is left of others."""
    parts, part_vertex = _label_parts(t)
    count = len(part_vertex)
    faces = t.corners[:, 0].reshape(-1, 3)
    faces = faces[faces[:, 0] >= 0]
    p = t.vertices[:, :3].astype(np.float64)
    a, b, c = (p[corner] for corner in faces.T)
    of_face = parts[faces[:, 0]]
    areas = np.bincount(of_face, np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2, count)
    extent = np.zeros(count)
    used = np.flatnonzero(t.out >= 0)
    order = used[np.argsort(parts[used], kind="stable")]
    starts = np.searchsorted(parts[order], np.arange(count))
    for axis in range(3):
        values = p[order, axis]
        spans = np.maximum.reduceat(values, starts) - np.minimum.reduceat(values, starts)
        extent += spans**2
    cost = _PART_COST * areas * extent
    counts = t.counts.copy()
    counts[_PARTS] = count
    return t._replace(
        parts=parts, part_vertex=part_vertex, part_cost=cost.astype(np.float32), counts=counts
    )


def face_count(t: Tables) -> int:
    """How many faces are left."""
    return int(t.counts[_FACES])


def left_faces(t: Tables) -> tuple[IntArray, IntArray]:
    """The faces that are left: their vertices `[F, 3]`, and the face before that each comes from.

    A cap comes from a face beside it.
    """
    faces = t.corners[:, 0].reshape(-1, 3)
    source = np.arange(len(faces), dtype=np.int32)
    for cap, beside in enumerate(t.cap_beside.tolist(), len(faces) - len(t.cap_beside)):
        source[cap] = source[beside]
    is_left = faces[:, 0] >= 0
    return faces[is_left], source[is_left]


class _Queue(TypedDict):
    entries: IntArray
    older: IntArray
    newest: IntArray
    fill: IntArray


def _queue_for(count: int) -> _Queue:
    """Room for so many entries, however they spread over the buckets."""
    blocks = count // _BLOCK + min(count, _BUCKETS)
    return {
        "entries": np.zeros((blocks, _BLOCK, 2), np.int32),
        "older": np.full(blocks, -1, np.int32),
        "newest": np.full(_BUCKETS, -1, np.int32),
        "fill": np.zeros(_BUCKETS, np.int32),
    }


def _lines(count: int) -> FloatArray:
    """`[count, 16]` zeros, each row in a cache line of its own."""
    memory = np.zeros((count + 1) * _COLUMNS, np.float32)
    start = (-memory.ctypes.data // memory.itemsize) % _COLUMNS
    return memory[start : start + count * _COLUMNS].reshape(count, _COLUMNS)


@inlined
def following(h: int) -> int:
    """The next side of the same face."""
    return h - 2 if h % 3 == 2 else h + 1


@inlined
def preceding(h: int) -> int:
    """The side of the same face before this."""
    return h + 2 if h % 3 == 0 else h - 1


@allocating
def connect(corners: IntArray, out: IntArray) -> int:
    """Fill in the twins and `out`; return how many places keep the mesh from being a manifold."""
    vertex_count, n = len(out), len(corners)
    starts = np.zeros(vertex_count + 1, np.int32)
    for h in range(n):
        starts[min(corners[h, 0], corners[following(h), 0]) + 1] += 1
    for v in range(vertex_count):
        starts[v + 1] += starts[v]
    sides = np.empty(n, np.int32)  # by their lower vertex
    for h in range(n - 1, -1, -1):
        v = min(corners[h, 0], corners[following(h), 0])
        starts[v + 1] -= 1
        sides[starts[v + 1]] = h
    # Filling moved each start to its own place.
    seen_from = np.full(vertex_count, -1, np.int32)
    seen = np.empty(vertex_count, np.int32)
    corners[:, 1] = -1
    corners[:, 2] = 0
    faults = 0
    for v in range(vertex_count):
        end = starts[v + 2] if v + 2 <= vertex_count else n
        for place in range(starts[v + 1], end):
            h = sides[place]
            w = max(corners[h, 0], corners[following(h), 0])
            if seen_from[w] != v:
                seen_from[w] = v
                seen[w] = h
                continue
            g = seen[w]
            if corners[g, 1] == -1 and corners[g, 0] != corners[h, 0]:
                corners[g, 1] = h
                corners[h, 1] = g
            else:
                faults += 1
    out[:] = -1
    uses = seen
    uses[:] = 0
    for h in range(n):
        v = corners[h, 0]
        uses[v] += 1
        if corners[h, 1] < 0 or out[v] < 0:
            out[v] = h
    for v in range(vertex_count):
        if out[v] < 0:
            continue
        h, count = out[v], 0
        while count <= uses[v]:
            count += 1
            h = corners[preceding(h), 1]
            if h < 0 or h == out[v]:
                break
        if count != uses[v]:
            faults += 1
    return faults


@kernel
def find_roots(parent: IntArray) -> None:
    """Let every vertex know the one that is left of it."""
    for v in range(len(parent)):
        root = v
        while parent[root] != root:
            root = parent[root]
        w = v
        while parent[w] != root:
            after = parent[w]
            parent[w] = root
            w = after


@allocating
def _label_parts(t: Tables) -> tuple[IntArray, IntArray]:
    """`[V]`: the part of each vertex, and one vertex of each part."""
    corners, out, found = t.corners, t.out, t.ring
    parts = np.full(len(out), -1, np.int32)
    firsts = np.empty(len(out), np.int32)
    count = 0
    for first in range(len(out)):
        if out[first] < 0 or parts[first] >= 0:
            continue
        parts[first], firsts[count], found[0] = count, first, first
        open_count = 1
        while open_count > 0:
            open_count -= 1
            v = found[open_count]
            h = out[v]
            while True:
                last = preceding(h)
                for w in (corners[following(h), 0], corners[last, 0]):
                    if parts[w] < 0:
                        parts[w] = count
                        found[open_count] = w
                        open_count += 1
                h = corners[last, 1]
                if h < 0 or h == out[v]:
                    break
        count += 1
    return parts, firsts[:count].copy()


@allocating
def split_fans(corners: IntArray) -> IntArray:
    """Give every fan of faces, as their twins join them, a vertex of its own.

    Returns:
        The vertex before of each vertex.
    """
    fan = np.full(len(corners), -1, np.int32)
    origin = np.empty(len(corners), np.int32)
    count = 0
    for first in range(len(corners)):
        if fan[first] >= 0:
            continue
        h = first
        while h >= 0 and fan[h] < 0:
            fan[h] = count
            h = corners[preceding(h), 1]
        h = corners[first, 1]
        while h >= 0 and fan[following(h)] < 0:
            fan[following(h)] = count
            h = corners[following(h), 1]
        origin[count] = corners[first, 0]
        count += 1
    corners[:, 0] = fan
    return origin[:count].copy()


@kernel
def find_outs(corners: IntArray, out: IntArray) -> None:
    """Fill in `out` where every vertex has one fan."""
    out[:] = -1
    for h in range(len(corners)):
        v = corners[h, 0]
        if corners[h, 1] < 0 or out[v] < 0:
            out[v] = h


@inlined
def _add_plane(vertices: FloatArray, v: int, x: float, y: float, z: float, weight: float) -> None:
    """Add a plane through vertex `v` with this unit normal."""
    wx, wy, wz = weight * x, weight * y, weight * z
    vertices[v, 3] += np.float32(wx * x)
    vertices[v, 4] += np.float32(wx * y)
    vertices[v, 5] += np.float32(wx * z)
    vertices[v, 6] += np.float32(wy * y)
    vertices[v, 7] += np.float32(wy * z)
    vertices[v, 8] += np.float32(wz * z)


@inlined
def _add_side(t: Tables, v: int, h: int, x: float, y: float, z: float) -> None:
    """Add the plane through half-edge `h`, at right angles to its face, if `h` is a border."""
    twin = t.corners[h, 1]
    if twin < 0:
        weight, hold = _BORDER_WEIGHT, _ON_BORDER
    elif len(t.labels) > 0 and t.labels[h // 3] != t.labels[twin // 3]:
        weight, hold = _LABEL_WEIGHT, _ON_LABEL_BORDER
    else:
        return
    p = t.vertices
    i, j = t.corners[h, 0], t.corners[following(h), 0]
    ex = np.float64(p[j, 0]) - p[i, 0]
    ey = np.float64(p[j, 1]) - p[i, 1]
    ez = np.float64(p[j, 2]) - p[i, 2]
    sx, sy, sz = ey * z - ez * y, ez * x - ex * z, ex * y - ey * x
    squared = sx * sx + sy * sy + sz * sz
    if squared > 0.0:
        length = np.sqrt(squared)
        _add_plane(p, v, sx / length, sy / length, sz / length, weight * squared)
    p[v, _HOLD] = max(p[v, _HOLD], np.float32(hold))


@kernel
def gather(t: Tables, v: int) -> None:
    """Set the quadric of a vertex from the faces that it has now; they all go through it."""
    p, corners = t.vertices, t.corners
    for k in range(_A, _COLUMNS):
        p[v, k] = 0.0
    ax, ay, az = np.float64(p[v, 0]), np.float64(p[v, 1]), np.float64(p[v, 2])
    start = t.out[v]
    h = start
    while True:
        last = preceding(h)
        i, j = corners[following(h), 0], corners[last, 0]
        ux, uy, uz = p[i, 0] - ax, p[i, 1] - ay, p[i, 2] - az
        wx, wy, wz = p[j, 0] - ax, p[j, 1] - ay, p[j, 2] - az
        x, y, z = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        length = np.sqrt(x * x + y * y + z * z)
        if length > 0.0:
            x, y, z = x / length, y / length, z / length
            area = 0.5 * length
            _add_plane(p, v, x, y, z, area)
            p[v, _WEIGHT] += np.float32(area)
            _add_side(t, v, h, x, y, z)
            _add_side(t, v, last, x, y, z)
        h = corners[last, 1]
        if h < 0 or h == start:
            return


@kernel
def gather_all(t: Tables) -> None:
    """Set the quadrics of all vertices from the faces as they are now."""
    p, corners = t.vertices, t.corners
    p[:, _A:] = 0.0
    for f in range(len(corners) // 3):
        a, b, c = corners[3 * f, 0], corners[3 * f + 1, 0], corners[3 * f + 2, 0]
        if a < 0:
            continue
        ax, ay, az = np.float64(p[a, 0]), np.float64(p[a, 1]), np.float64(p[a, 2])
        ux, uy, uz = p[b, 0] - ax, p[b, 1] - ay, p[b, 2] - az
        wx, wy, wz = p[c, 0] - ax, p[c, 1] - ay, p[c, 2] - az
        x, y, z = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        length = np.sqrt(x * x + y * y + z * z)
        if length > 0.0:
            x, y, z = x / length, y / length, z / length
            area = 0.5 * length
            for h in range(3 * f, 3 * f + 3):
                v = corners[h, 0]
                _add_plane(p, v, x, y, z, area)
                p[v, _WEIGHT] += np.float32(area)
                _add_side(t, v, h, x, y, z)
                _add_side(t, corners[following(h), 0], h, x, y, z)


@inlined
def _merged(vertices: FloatArray, a: int, b: int) -> tuple[float, float, float, float]:
    """Cost of making one vertex of `a` and `b`, and where it should be."""
    p, q = vertices[a], vertices[b]
    # A vertex that is held more stays; of two equal ones the middle counts.
    share = 0.5
    if p[14] != q[14]:
        share = 0.0 if p[14] > q[14] else 1.0
    ex, ey, ez = np.float64(q[0]) - p[0], np.float64(q[1]) - p[1], np.float64(q[2]) - p[2]
    squared = ex * ex + ey * ey + ez * ez
    # Steps from either end to there, and the error and half its gradient.
    px, py, pz = share * ex, share * ey, share * ez
    qx, qy, qz = px - ex, py - ey, pz - ez
    pxx, pxy, pxz = np.float64(p[3]), np.float64(p[4]), np.float64(p[5])
    pyy, pyz, pzz = np.float64(p[6]), np.float64(p[7]), np.float64(p[8])
    qxx, qxy, qxz = np.float64(q[3]), np.float64(q[4]), np.float64(q[5])
    qyy, qyz, qzz = np.float64(q[6]), np.float64(q[7]), np.float64(q[8])
    pgx = pxx * px + pxy * py + pxz * pz + p[9]
    pgy = pxy * px + pyy * py + pyz * pz + p[10]
    pgz = pxz * px + pyz * py + pzz * pz + p[11]
    qgx = qxx * qx + qxy * qy + qxz * qz + q[9]
    qgy = qxy * qx + qyy * qy + qyz * qz + q[10]
    qgz = qxz * qx + qyz * qy + qzz * qz + q[11]
    error = px * (pgx + p[9]) + py * (pgy + p[10]) + pz * (pgz + p[11]) + p[12]
    error += qx * (qgx + q[9]) + qy * (qgy + q[10]) + qz * (qgz + q[11]) + q[12]
    gx, gy, gz = pgx + qgx, pgy + qgy, pgz + qgz
    axx, axy, axz = pxx + qxx, pxy + qxy, pxz + qxz
    ayy, ayz, azz = pyy + qyy, pyz + qyz, pzz + qzz
    # (A + pull I) step = -gradient, by cofactors.
    pull = _PULL * (axx + ayy + azz)
    rx, ry, rz = axx + pull, ayy + pull, azz + pull
    cxx, cxy, cxz = ry * rz - ayz * ayz, axz * ayz - axy * rz, axy * ayz - axz * ry
    cyy, cyz, czz = rx * rz - axz * axz, axy * axz - rx * ayz, rx * ry - axy * axy
    determinant = rx * cxx + axy * cxy + axz * cxz
    inverse = -1.0 / determinant if determinant > 0.0 else 0.0
    sx = inverse * (cxx * gx + cxy * gy + cxz * gz)
    sy = inverse * (cxy * gx + cyy * gy + cyz * gz)
    sz = inverse * (cxz * gx + cyz * gy + czz * gz)
    step = sx * sx + sy * sy + sz * sz
    if step > _MAX_STEP * _MAX_STEP * squared:
        shorter = _MAX_STEP * np.sqrt(squared / step)
        sx, sy, sz = sx * shorter, sy * shorter, sz * shorter
    error += 2.0 * (gx * sx + gy * sy + gz * sz)
    error += sx * (axx * sx + 2.0 * (axy * sy + axz * sz)) + sy * (ayy * sy + 2.0 * ayz * sz)
    error += sz * azz * sz
    cost = max(error, 0.0) + _LENGTH_COST * squared * (np.float64(p[13]) + q[13])
    return cost, p[0] + px + sx, p[1] + py + sy, p[2] + pz + sz


@inlined
def _enqueue(t: Tables, item: int, version: int, bucket: int) -> None:
    block = t.newest[bucket]
    if block < 0 or t.fill[bucket] == _BLOCK:
        spare = t.counts[_SPARE]
        if spare < 0:
            t.counts[_CURSOR] = -1  # full; see `collapse`
            return
        t.counts[_SPARE] = t.older[spare]
        t.older[spare] = block
        t.newest[bucket] = spare
        t.fill[bucket] = 0
        block = spare
    place = t.fill[bucket]
    t.entries[block, place, 0] = item
    t.entries[block, place, 1] = version
    t.fill[bucket] = place + 1
    if bucket < t.counts[_CURSOR]:
        t.counts[_CURSOR] = bucket


@inlined
def _take(t: Tables, bucket: int) -> tuple[int, int]:
    """Take the last entry out of a bucket that has one: half-edge or part, and version."""
    block, last = t.newest[bucket], t.fill[bucket] - 1
    t.fill[bucket] = last
    if last == 0:
        t.newest[bucket] = t.older[block]
        t.older[block] = t.counts[_SPARE]
        t.counts[_SPARE] = block
        t.fill[bucket] = _BLOCK  # of the older one, which was full
    return t.entries[block, last, 0], t.entries[block, last, 1]


@inlined
def _bucket(cost: float) -> int:
    """Costs are not negative, so the bits of a float rise with its value."""
    bits = np.int64(np.float32(min(cost, 3e38)).view(np.int32))
    return int(bits >> _BUCKET_SHIFT)


@inlined
def _cost_of(bucket: int) -> float:
    """The lowest cost of a bucket."""
    return float(np.int32(bucket << _BUCKET_SHIFT).view(np.float32))


@kernel
def _requeue(t: Tables, h: int) -> None:
    """Put an edge where its cost belongs. Its lower half-edge stands for it."""
    corners = t.corners
    twin = corners[h, 1]
    if 0 <= twin < h:
        corners[h, 2] = 0
        h, twin = twin, h
    elif twin >= 0:
        corners[twin, 2] = 0
    cost, _, _, _ = _merged(t.vertices, corners[h, 0], corners[following(h), 0])
    version = t.counts[_VERSION] + 1
    t.counts[_VERSION] = version
    corners[h, 2] = version
    _enqueue(t, h, version, _bucket(cost))


@kernel
def enqueue_all(t: Tables) -> None:
    """Empty the queue and put every edge into it."""
    blocks = len(t.older)
    for block in range(blocks):
        t.older[block] = block + 1
    t.older[blocks - 1] = -1
    t.newest[:] = -1
    t.fill[:] = 0
    t.counts[_SPARE], t.counts[_CURSOR], t.counts[_VERSION] = 0, _BUCKETS, 0
    # Backwards, as the last of equals goes first.
    for h in range(len(t.corners) - 1, -1, -1):
        if t.corners[h, 0] >= 0 and t.corners[h, 1] < h:
            _requeue(t, h)
    for part in range(len(t.part_vertex)):
        if t.part_vertex[part] >= 0:
            item = len(t.corners) + part
            _enqueue(t, item, 0, _bucket(t.part_cost[part]))


@inlined
def _has_three_faces(t: Tables, v: int) -> bool:
    """An inner vertex with three faces around it."""
    start = t.out[v]
    if t.corners[start, 1] < 0:
        return False
    h = start
    for count in range(4):
        h = t.corners[preceding(h), 1]
        if h == start:
            return count < 3
    return False


@kernel
def _stays_manifold(t: Tables, h: int, max_valence: int) -> tuple[int, int]:
    """The link condition: the ends share no neighbors but those across from the edge.

    Returns:
        How many faces the start has and how many both have; 0 and 0 if `h` must not collapse.
        `ring` then holds the half-edge of each of these faces that starts there.
    """
    corners, out, mark, ring = t.corners, t.out, t.mark, t.ring
    refused = 0, 0
    after, before = following(h), preceding(h)
    a, b, twin = corners[h, 0], corners[after, 0], corners[h, 1]
    if twin >= 0 and corners[out[a], 1] < 0 and corners[out[b], 1] < 0:
        return refused  # would pinch the surface between two borders
    if corners[before, 1] < 0 and corners[after, 1] < 0:
        return refused  # the face hangs on by this edge alone
    if _has_three_faces(t, corners[before, 0]):
        return refused  # would leave two faces back to back
    if twin >= 0:
        if corners[preceding(twin), 1] < 0 and corners[following(twin), 1] < 0:
            return refused
        if _has_three_faces(t, corners[preceding(twin), 0]):
            return refused
    max_valence = min(max_valence, len(ring))
    stamp = t.counts[_STAMP] + 1
    t.counts[_STAMP] = stamp
    valence = between = 0
    g = out[a]
    while True:
        last = preceding(g)
        i, j = corners[following(g), 0], corners[last, 0]
        if valence == max_valence:
            return refused
        ring[valence] = g
        valence += 1
        mark[i] = stamp
        mark[j] = stamp
        if i == b:
            between += 1
        g = corners[last, 1]
        if g < 0:
            if j == b:
                between += 1
            break
        if g == out[a]:
            break
    if between != 1:
        return refused  # another edge has the same ends, where the surface touches itself
    of_start, shared = valence, 0
    g = out[b]
    while True:
        last = preceding(g)
        i, j = corners[following(g), 0], corners[last, 0]
        if valence == max_valence:
            return refused
        ring[valence] = g
        valence += 1
        if mark[i] == stamp:
            shared += 1
        g = corners[last, 1]
        if g < 0:
            if mark[j] == stamp:
                shared += 1
            break
        if g == out[b]:
            break
    if shared != (2 if twin >= 0 else 1):
        return refused
    return of_start, valence


@kernel
def _keeps_faces(
    t: Tables,
    a: int,
    b: int,
    valences: tuple[int, int],
    x: float,
    y: float,
    z: float,
    rules: Rules,
    most: float,
) -> bool:
    """Whether the faces around two vertices stay as they look when both move to (x, y, z).

    `most` is what a fold may cost.
    """
    p, corners = t.vertices, t.corners
    min_cosine, min_shape = rules.min_cosine, rules.min_shape
    for n in range(valences[1]):
        v = a if n < valences[0] else b
        h = t.ring[n]
        i, j = corners[following(h), 0], corners[preceding(h), 0]
        if i in (a, b) or j in (a, b):
            continue  # goes with the edge
        ix, iy, iz = np.float64(p[i, 0]), np.float64(p[i, 1]), np.float64(p[i, 2])
        ux, uy, uz = p[j, 0] - ix, p[j, 1] - iy, p[j, 2] - iz
        ox, oy, oz = p[v, 0] - ix, p[v, 1] - iy, p[v, 2] - iz
        vx, vy, vz = x - ix, y - iy, z - iz
        nx, ny, nz = uy * oz - uz * oy, uz * ox - ux * oz, ux * oy - uy * ox
        mx, my, mz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        old = nx * nx + ny * ny + nz * nz
        new = mx * mx + my * my + mz * mz
        cosine = nx * mx + ny * my + nz * mz  # times both lengths
        base = ux * ux + uy * uy + uz * uz
        old_sides = base + ox * ox + oy * oy + oz * oz
        old_sides += (ox - ux) ** 2 + (oy - uy) ** 2 + (oz - uz) ** 2
        # Shapes: 2 sqrt(3) |n| / sides.
        if 12.0 * old > _SLIVER * _SLIVER * old_sides * old_sides and (
            min_cosine >= 0.0 and (cosine <= 0.0 or cosine * cosine < min_cosine**2 * old * new)
        ):
            return False
        if min_cosine >= 0.0 and len(t.facing) > 0:
            f = h // 3
            fx, fy, fz = t.facing[f, 0], t.facing[f, 1], t.facing[f, 2]
            is_folded = mx * fx + my * fy + mz * fz < min(0.0, nx * fx + ny * fy + nz * fz)
            # A fold costs as if all its area were off by its height over (i, j). Refusing every
            # fold makes heaps of parts 12 to 15 % worse at 1,000 triangles: parts vanish instead.
            if is_folded and 0.5 * np.sqrt(new) * new / base > most:
                return False
        new_sides = base + vx * vx + vy * vy + vz * vz
        new_sides += (vx - ux) ** 2 + (vy - uy) ** 2 + (vz - uz) ** 2
        if 12.0 * new < min_shape * min_shape * new_sides * new_sides:
            is_better = new * old_sides * old_sides > old * new_sides * new_sides
            if not is_better or new < 1e-11 * new_sides * new_sides:
                return False
    return True


@kernel
def _error_at(q: FloatArray, first: int, x: float, y: float, z: float) -> float:
    """Value of the quadric at a step from its vertex."""
    k = first
    error = q[k] * x * x + q[k + 3] * y * y + q[k + 5] * z * z + q[k + 9]
    error += 2.0 * (q[k + 1] * x * y + q[k + 2] * x * z + q[k + 4] * y * z)
    return float(error + 2.0 * (q[k + 6] * x + q[k + 7] * y + q[k + 8] * z))


@inlined
def _on_side(px: float, py: float, pz: float, ex: float, ey: float, ez: float) -> float:
    """Where along (ex, ey, ez) a point is nearest, in [0, 1]."""
    squared = ex * ex + ey * ey + ez * ez
    along = (px * ex + py * ey + pz * ez) / squared if squared > 0.0 else 0.0
    return min(max(along, 0.0), 1.0)


@inlined
def squared_distance(
    px: float,
    py: float,
    pz: float,
    ux: float,
    uy: float,
    uz: float,
    vx: float,
    vy: float,
    vz: float,
) -> tuple[float, float, float]:
    """Squared distance from a point to the triangle 0, u, v, and the shares of u and v there."""
    uu, uv, vv = (
        ux * ux + uy * uy + uz * uz,
        ux * vx + uy * vy + uz * vz,
        vx * vx + vy * vy + vz * vz,
    )
    pu, pv = px * ux + py * uy + pz * uz, px * vx + py * vy + pz * vz
    determinant = uu * vv - uv * uv
    if determinant > 0.0:
        a, b = (vv * pu - uv * pv) / determinant, (uu * pv - uv * pu) / determinant
        if a >= 0.0 and b >= 0.0 and a + b <= 1.0:
            x, y, z = px - a * ux - b * vx, py - a * uy - b * vy, pz - a * uz - b * vz
            return x * x + y * y + z * z, a, b
    best, best_a, best_b = np.inf, 0.0, 0.0
    for side in range(3):
        a = b = 0.0
        if side == 0:
            a = _on_side(px, py, pz, ux, uy, uz)
        elif side == 1:
            b = _on_side(px, py, pz, vx, vy, vz)
        else:
            b = _on_side(px - ux, py - uy, pz - uz, vx - ux, vy - uy, vz - uz)
            a = 1.0 - b
        x, y, z = px - a * ux - b * vx, py - a * uy - b * vy, pz - a * uz - b * vz
        squared = x * x + y * y + z * z
        if squared < best:
            best, best_a, best_b = squared, a, b
    return best, best_a, best_b


@kernel
def _off(t: Tables, n: int, a: int, b: int, x: float, y: float, z: float) -> float:
    """Squared distance of the witness of `n` to the faces around `a` without `b`, with `a` at
    (x, y, z)."""
    p, corners = t.vertices, t.corners
    px, py, pz = t.witness[n, 0] - x, t.witness[n, 1] - y, t.witness[n, 2] - z
    least = np.inf
    h = t.out[a]
    while True:
        last = preceding(h)
        i, j = corners[following(h), 0], corners[last, 0]
        if i != b and j != b:
            ux, uy, uz = p[i, 0] - x, p[i, 1] - y, p[i, 2] - z
            vx, vy, vz = p[j, 0] - x, p[j, 1] - y, p[j, 2] - z
            squared, _, _ = squared_distance(px, py, pz, ux, uy, uz, vx, vy, vz)
            least = min(least, squared)
        h = corners[last, 1]
        if h < 0 or h == t.out[a]:
            return least


@kernel
def _off_most(t: Tables, a: int, b: int, place: FloatArray) -> tuple[float, int]:
    """Squared distance of the farther witness of two vertices that become one, and whose it is."""
    x, y, z = np.float64(place[0]), np.float64(place[1]), np.float64(place[2])
    most, farther = -1.0, a
    for side in range(2):
        n = a if side == 0 else b
        off = min(_off(t, n, a, b, x, y, z), _off(t, n, b, a, x, y, z))
        if off > most:
            most, farther = off, n
    return most, farther


@kernel
def _distance(t: Tables, a: int, b: int, place: FloatArray) -> float:
    """Root mean square distance of a point to the planes that two vertices have swallowed."""
    p = t.vertices
    x, y, z = np.float64(place[0]), np.float64(place[1]), np.float64(place[2])
    rows, first = (t.memory, 0) if len(t.memory) > 0 else (t.vertices, _A)
    error = _error_at(rows[a], first, x - p[a, 0], y - p[a, 1], z - p[a, 2])
    error += _error_at(rows[b], first, x - p[b, 0], y - p[b, 1], z - p[b, 2])
    weight = rows[a, first + 10] + rows[b, first + 10]
    return float(np.sqrt(max(error, 0.0) / weight)) if weight > 0.0 else 0.0


@kernel
def move(t: Tables, v: int, x: float, y: float, z: float) -> None:
    """Set the position of a vertex, and let what it has swallowed stay where it is."""
    p, q = t.vertices, t.memory
    dx, dy, dz = x - p[v, 0], y - p[v, 1], z - p[v, 2]
    q[v, 9] = max(_error_at(q[v], 0, dx, dy, dz), 0.0)
    q[v, 6] += q[v, 0] * dx + q[v, 1] * dy + q[v, 2] * dz
    q[v, 7] += q[v, 1] * dx + q[v, 3] * dy + q[v, 4] * dz
    q[v, 8] += q[v, 2] * dx + q[v, 4] * dy + q[v, 5] * dz
    p[v, 0], p[v, 1], p[v, 2] = x, y, z


@kernel
def _swallow(t: Tables, rows: FloatArray, k: int, a: int, b: int, at: FloatArray) -> None:
    """Add the quadric of `b` to that of `a`, both moved to be around a new place."""
    p = t.vertices
    b0 = b1 = b2 = c = 0.0
    for side in range(2):
        v = a if side == 0 else b
        q = rows[v]
        x, y, z = np.float64(at[0]) - p[v, 0], np.float64(at[1]) - p[v, 1], at[2] - p[v, 2]
        c += _error_at(q, k, x, y, z)
        b0 += q[k] * x + q[k + 1] * y + q[k + 2] * z + q[k + 6]
        b1 += q[k + 1] * x + q[k + 3] * y + q[k + 4] * z + q[k + 7]
        b2 += q[k + 2] * x + q[k + 4] * y + q[k + 5] * z + q[k + 8]
    for j in range(6):
        rows[a, k + j] += rows[b, k + j]
    rows[a, k + 6], rows[a, k + 7], rows[a, k + 8] = b0, b1, b2
    rows[a, k + 9] = max(c, 0.0)
    rows[a, k + 10] += rows[b, k + 10]


@kernel
def _set_out(t: Tables, h: int, is_on_border: bool) -> None:
    """Let the start of `h` begin there, or at its border if it has one."""
    corners = t.corners
    start = h
    while is_on_border and corners[h, 1] >= 0:
        h = following(corners[h, 1])
        if h == start:
            break
    t.out[corners[h, 0]] = h


@inlined
def _is_on_border(t: Tables, v: int) -> bool:
    return bool(t.corners[t.out[v], 1] < 0)


@kernel
def _drop_face(t: Tables, h: int) -> int:
    """Join what is across the other two sides of this face.

    Returns the half-edge that then starts at the corner across from `h`, or is the twin of one
    that would.
    """
    corners = t.corners
    after, before = following(h), preceding(h)
    g, k = corners[after, 1], corners[before, 1]
    if g >= 0:
        corners[g, 1] = k
    if k >= 0:
        corners[k, 1] = g
    corners[h, 0] = corners[after, 0] = corners[before, 0] = -1
    t.counts[_FACES] -= 1
    return int(g if g >= 0 else k)


@kernel
def _collapse(t: Tables, h: int, place: FloatArray) -> None:
    """Make one vertex of the ends of `h`, the start, at `place`."""
    corners, p = t.corners, t.vertices
    twin = corners[h, 1]
    a, b = corners[h, 0], corners[following(h), 0]
    at_ends = _is_on_border(t, a) or _is_on_border(t, b)
    at_first = _is_on_border(t, corners[preceding(h), 0])
    at_second = twin >= 0 and _is_on_border(t, corners[preceding(twin), 0])
    g = t.out[b]
    while True:
        corners[g, 0] = a
        g = corners[preceding(g), 1]
        if g < 0 or g == t.out[b]:
            break
    first = _drop_face(t, h)
    second = _drop_face(t, twin) if twin >= 0 else -1
    p[a, 0], p[a, 1], p[a, 2] = place[0], place[1], place[2]
    t.out[b] = -1
    t.parent[b] = a
    if len(t.parts) > 0:
        t.part_vertex[t.parts[a]] = a
    for side in range(2):
        joined, is_across_on_border = (first, at_first) if side == 0 else (second, at_second)
        if joined >= 0:
            for e in (joined, following(joined)):
                _set_out(t, e, at_ends if corners[e, 0] == a else is_across_on_border)


@kernel
def _drop_part(t: Tables, v: int) -> None:
    """Take out all that hangs together with this vertex."""
    corners, mark = t.corners, t.mark
    stamp = t.counts[_STAMP] + 1
    t.counts[_STAMP] = stamp
    found = t.ring
    found[0] = v
    count, done = 1, 0
    mark[v] = stamp
    while done < count:
        h = t.out[found[done]]
        while True:
            last = preceding(h)
            for w in (corners[following(h), 0], corners[last, 0]):
                if mark[w] != stamp:
                    mark[w] = stamp
                    found[count] = w
                    count += 1
            h = corners[last, 1]
            if h < 0 or h == t.out[found[done]]:
                break
        done += 1
    for place in range(count):
        start = t.out[found[place]]
        h = start
        while True:
            f = h // 3
            h = corners[preceding(h), 1]
            if corners[3 * f, 0] >= 0:
                corners[3 * f, 0] = corners[3 * f + 1, 0] = corners[3 * f + 2, 0] = -1
                t.counts[_FACES] -= 1
            if h < 0 or h == start:
                break
        t.out[found[place]] = -1
    t.part_vertex[t.parts[v]] = -1
    t.counts[_PARTS] -= 1


@kernel
def _requeue_around(t: Tables, a: int) -> None:
    """Bring the costs around a new vertex up to date."""
    h = t.out[a]
    while True:
        _requeue(t, h)
        last = preceding(h)
        h = t.corners[last, 1]
        if h < 0:
            _requeue(t, last)
            return
        if h == t.out[a]:
            return


@kernel
def _renew(t: Tables, a: int) -> None:
    """Bring the quadrics around a new vertex up to date, and the costs of all their edges."""
    corners, mark = t.corners, t.mark
    stamp = t.counts[_STAMP] + 1
    t.counts[_STAMP] = stamp
    gather(t, a)
    h = t.out[a]
    while True:
        last = preceding(h)
        v, w = corners[following(h), 0], corners[last, 0]
        gather(t, v)
        mark[v] = stamp
        h = corners[last, 1]
        if h < 0:
            gather(t, w)
            mark[w] = stamp
            break
        if h == t.out[a]:
            break
    _requeue_around(t, a)
    mark[a] = stamp
    h = t.out[a]
    while True:
        last = preceding(h)
        v, w = corners[following(h), 0], corners[last, 0]
        _renew_outward(t, v, stamp)
        h = corners[last, 1]
        if h < 0:
            _renew_outward(t, w, stamp)
            return
        if h == t.out[a]:
            return


@kernel
def _renew_outward(t: Tables, v: int, stamp: int) -> None:
    """Bring the costs of edges from `v` up to date; between marked vertices only once."""
    corners, mark = t.corners, t.mark
    h = t.out[v]
    while True:
        w = corners[following(h), 0]
        if mark[w] != stamp or w > v:
            _requeue(t, h)
        last = preceding(h)
        h = corners[last, 1]
        if h < 0:
            w = corners[last, 0]
            if mark[w] != stamp or w > v:
                _requeue(t, last)
            return
        if h == t.out[v]:
            return


@kernel
def _cap_cost(t: Tables, a: int, b: int, c: int) -> float:
    p = t.vertices
    ux, uy, uz = np.float64(p[b, 0]) - p[a, 0], np.float64(p[b, 1]) - p[a, 1], p[b, 2] - p[a, 2]
    vx, vy, vz = np.float64(p[c, 0]) - p[a, 0], np.float64(p[c, 1]) - p[a, 1], p[c, 2] - p[a, 2]
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    area = 0.5 * np.sqrt(x * x + y * y + z * z)
    around = np.sqrt(ux * ux + uy * uy + uz * uz) + np.sqrt(vx * vx + vy * vy + vz * vz)
    around += np.sqrt((vx - ux) ** 2 + (vy - uy) ** 2 + (vz - uz) ** 2)
    radius = 2.0 * area / around if around > 0.0 else 0.0
    return float(_CAP_COST * area * radius * radius)


@kernel
def _looks_to(t: Tables, h: int, x: float, y: float, z: float) -> float:
    """Positive where the face of `h`, along that side, looks to this place rather than away."""
    p, corners = t.vertices, t.corners
    a, b, c = corners[h, 0], corners[following(h), 0], corners[preceding(h), 0]
    ax, ay, az = np.float64(p[a, 0]), np.float64(p[a, 1]), np.float64(p[a, 2])
    ux, uy, uz = p[b, 0] - ax, p[b, 1] - ay, p[b, 2] - az
    vx, vy, vz = p[c, 0] - ax, p[c, 1] - ay, p[c, 2] - az
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    if length == 0.0:
        return 0.0
    return float((nx * (x - ax) + ny * (y - ay) + nz * (z - az)) / length)


@kernel
def _split_vertex(t: Tables, first: int, end: int) -> int:
    """Give the faces around a vertex from half-edge `first` on to that before `end` a new one.

    `end` is the half-edge that comes in there; where a border lies between, faces up to it from
    both sides.
    """
    corners = t.corners
    v = corners[first, 0]
    new = t.counts[_NEXT_VERTEX]
    t.counts[_NEXT_VERTEX] = new + 1
    for k in range(_COLUMNS):
        t.vertices[new, k] = t.vertices[v, k]
    for k in range(11):
        t.memory[new, k] = t.memory[v, k]
    for axis in range(3):
        t.witness[new, axis] = t.witness[v, axis]
    if len(t.parts) > 0:
        t.parts[new] = t.parts[v]
    g = first
    while g >= 0:
        corners[g, 0] = new
        if preceding(g) == end:
            return int(new)
        g = corners[preceding(g), 1]
    g = following(end)
    while g >= 0:
        corners[g, 0] = new
        g = corners[g, 1]
        if g >= 0:
            g = following(g)
    return int(new)


@kernel
def _add_cap(t: Tables, h: int, g: int, k: int) -> None:
    """Put a face across the cycle of half-edges `h`, `g`, `k`."""
    corners = t.corners
    f = t.counts[_NEXT_FACE]
    t.counts[_NEXT_FACE] = f + 1
    t.counts[_FACES] += 1
    t.cap_beside[f - (len(corners) // 3 - len(t.cap_beside))] = h // 3
    if len(t.labels) > 0:
        t.labels[f] = t.labels[h // 3]
    a, b, c = corners[h, 0], corners[g, 0], corners[k, 0]
    for side in range(3):
        start = b if side == 0 else (a if side == 1 else c)
        twin = h if side == 0 else (k if side == 1 else g)
        corners[3 * f + side, 0] = start
        corners[3 * f + side, 1] = twin
        corners[3 * f + side, 2] = 0
        corners[twin, 1] = 3 * f + side


@kernel
def _renew_six(t: Tables, h: int, g: int, k: int) -> None:
    """Bring everything around three sides of a cap up to date."""
    for turn in range(3):
        for side in range(3):
            e = h if side == 0 else (g if side == 1 else k)
            if turn == 0:
                _set_out(t, e, True)
            elif turn == 1:
                gather(t, t.corners[e, 0])
            else:
                _requeue_around(t, t.corners[e, 0])


@kernel
def _close(t: Tables, h: int, caps: int, most: float) -> bool:
    """Close a hole or tunnel of three sides that keeps edge `h` from collapsing.

    A tunnel is cut around, where it is narrowest, and both its ends get a cap.

    Args:
        t: With marks on the neighbors of the start of `h`, as `_stays_manifold` leaves them.
        h: An edge.
        caps: What may be closed, see `Rules`.
        most: What it may cost.

    Returns:
        Whether one was closed.
    """
    corners, out, mark, p = t.corners, t.out, t.mark, t.vertices
    if caps == NO_CAPS:
        return False
    if t.counts[_NEXT_FACE] + 2 > len(corners) // 3 or t.counts[_NEXT_VERTEX] + 3 > len(out):
        return False
    stamp = t.counts[_STAMP]
    a, b, twin = corners[h, 0], corners[following(h), 0], corners[h, 1]
    if twin < 0:
        g = out[b]
        k = out[corners[following(g), 0]]
        if corners[following(k), 0] != a or corners[k, 1] >= 0 or out[a] != h:
            return False
        if g // 3 == h // 3:
            return False  # the border of a single face
        if _cap_cost(t, a, b, corners[k, 0]) > most:
            return False
        _add_cap(t, h, g, k)
        _renew_six(t, h, g, k)
        return True
    least, best = most, -1
    start = out[b]
    g = start
    while True:
        w = corners[following(g), 0]
        if mark[w] == stamp and w != a and corners[g, 1] >= 0:
            is_across = w == corners[preceding(h), 0] or w == corners[preceding(twin), 0]
            if not is_across:
                cost = _cap_cost(t, a, b, w)
                if cost <= least:
                    least, best = cost, g
        g = corners[preceding(g), 1]
        if g < 0 or g == start:
            break
    if best < 0:
        return False
    g, w = best, corners[following(best), 0]
    k = -1
    start = out[w]
    e = start
    while True:
        if corners[following(e), 0] == a and corners[e, 1] >= 0:
            k = e
        e = corners[preceding(e), 1]
        if e < 0 or e == start:
            break
    if k < 0:
        return False
    across_h, across_g, across_k = twin, corners[g, 1], corners[k, 1]
    x = (np.float64(p[a, 0]) + p[b, 0] + p[w, 0]) / 3.0
    y = (np.float64(p[a, 1]) + p[b, 1] + p[w, 1]) / 3.0
    z = (np.float64(p[a, 2]) + p[b, 2] + p[w, 2]) / 3.0
    look = 0.0
    for side in range(6):
        e = h if side < 2 else (g if side < 4 else k)
        look += _looks_to(t, e if side % 2 == 0 else corners[e, 1], x, y, z)
    if look <= 0.0 and caps < ALL_CAPS:
        return False  # solid within: a limb, not a tunnel
    # What is to the right of the cycle gets vertices of its own.
    _split_vertex(t, across_k, across_h)
    _split_vertex(t, across_h, across_g)
    _split_vertex(t, across_g, across_k)
    _add_cap(t, h, g, k)
    _add_cap(t, across_k, across_g, across_h)
    _renew_six(t, h, g, k)
    _renew_six(t, across_k, across_g, across_h)
    return True


@inlined
def _power(cost: float) -> int:
    return int(np.int64(np.float32(min(cost, 3e38)).view(np.int32)) >> 23)


@kernel
def count_costs(t: Tables, costs: NDArray[np.int64]) -> None:
    """Add to `costs` `[POWERS]` how many of every seventh half-edge's edges cost how much.

    Entry `n` is for costs from 2^(n - 127) to twice that; the first also for less.
    """
    corners = t.corners
    for h in range(0, len(corners), 7):
        if corners[h, 0] >= 0 and corners[h, 1] < h:
            cost, _, _, _ = _merged(t.vertices, corners[h, 0], corners[following(h), 0])
            costs[_power(cost)] += 1


@kernel
def sweep(
    t: Tables,
    rules: Rules,
    place: FloatArray,
    most: float,
    target_count: int,
    first: int,
    end: int,
    costs: NDArray[np.int64],
) -> None:
    """Collapse the edges of a row of half-edges that cost no more than `most`, in their order.

    Args:
        t: The mesh, with quadrics.
        rules: What a collapse may do. Caps are not made here.
        place: `[3]`, to work with.
        most: The limit, in the units of `count_costs`.
        target_count: Faces at which to stop; may end one below.
        first, end: Half-edges.
        costs: `[POWERS]`; edges that cost more are added, as by `count_costs`.
    """
    corners = t.corners
    for h in range(first, end):
        if corners[h, 0] < 0 or corners[h, 1] >= h:
            continue
        if t.counts[_FACES] <= target_count:
            return
        a, b = corners[h, 0], corners[following(h), 0]
        cost, x, y, z = _merged(t.vertices, a, b)
        if cost > most:
            costs[_power(cost)] += 1
            continue
        place[0], place[1], place[2] = x, y, z
        x, y, z = np.float64(place[0]), np.float64(place[1]), np.float64(place[2])
        valences = _stays_manifold(t, h, rules.max_valence)
        if (
            valences[1] > 0
            and _keeps_faces(t, a, b, valences, x, y, z, rules, most)
            and (rules.max_error == np.inf or _distance(t, a, b, place) <= rules.max_error)
        ):
            _swallow(t, t.vertices, _A, a, b, place)
            t.vertices[a, _HOLD] = max(t.vertices[a, _HOLD], t.vertices[b, _HOLD])
            _collapse(t, h, place)


@kernel
def collapse(t: Tables, rules: Rules, place: FloatArray, target_count: int, step_count: int) -> int:
    """Collapse the cheapest edges, and drop the cheapest parts.

    Args:
        t: The mesh, compacted, with quadrics and with edges in its queue.
        rules: What a collapse may do.
        place: `[3]`, to work with.
        target_count: Faces at which to stop; may end one below.
        step_count: Entries of the queue to look at.

    Returns:
        `DONE` at the target or when the queue is empty; `QUEUE_FULL` when `enqueue_all` is
        needed; else `WORKING`.
    """
    corners = t.corners
    for _ in range(step_count):
        if t.counts[_FACES] <= target_count:
            return DONE
        bucket = t.counts[_CURSOR]
        if bucket < 0:
            return QUEUE_FULL
        while bucket < _BUCKETS and t.newest[bucket] < 0:
            bucket += 1
        t.counts[_CURSOR] = bucket
        if bucket == _BUCKETS:
            return DONE
        h, version = _take(t, bucket)
        if h >= len(corners):
            if t.counts[_PARTS] > 1:
                _drop_part(t, t.part_vertex[h - len(corners)])
            continue
        if corners[h, 0] < 0 or corners[h, 2] != version:
            continue
        a, b = corners[h, 0], corners[following(h), 0]
        _, place[0], place[1], place[2] = _merged(t.vertices, a, b)
        x, y, z = np.float64(place[0]), np.float64(place[1]), np.float64(place[2])
        valences = _stays_manifold(t, h, rules.max_valence)
        if valences[1] == 0 and _close(t, h, rules.caps, _cost_of(bucket)):
            continue
        if valences[1] == 0 or not _keeps_faces(
            t, a, b, valences, x, y, z, rules, _cost_of(bucket)
        ):
            if bucket + _RETRY_BUCKETS < _LAST_BUCKET:
                _enqueue(t, h, version, bucket + _RETRY_BUCKETS)
            continue
        off, farther = _off_most(t, a, b, place)
        if rules.max_error < np.inf and (
            off > rules.max_error * rules.max_error or _distance(t, a, b, place) > rules.max_error
        ):
            continue
        bucket_off = _bucket(_LOSS_COST * off * off)
        if bucket_off > bucket:
            _enqueue(t, h, version, bucket_off)
            continue
        for axis in range(3):
            t.witness[a, axis] = t.witness[farther, axis]
        _swallow(t, t.memory, 0, a, b, place)
        _collapse(t, h, place)
        _renew(t, a)
    return WORKING
