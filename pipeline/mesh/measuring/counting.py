"""The loops behind `measure`: sort, join and compare faces in linear time."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.types import FloatArray, IntArray

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

Float64Array = NDArray[np.float64]
Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# A face is a line if its height is below this share of its longest side.
_FLAT_RATIO = 1e-6


@_kernel
def half_edges_by_edge(
    faces: IntArray, vertex_count: int
) -> tuple[IntArray, Int64Array, BoolArray]:
    """The fields of `Edges`: half-edges by lower vertex, then by higher, then by number."""
    count = 3 * len(faces)
    low, high = np.empty(count, np.int32), np.empty(count, np.int32)
    is_forward = np.empty(count, np.bool_)
    low_starts = np.zeros(vertex_count + 1, np.int32)
    high_starts = np.zeros(vertex_count + 1, np.int32)
    for f in range(len(faces)):
        for h in range(3 * f, 3 * f + 3):
            start, end = faces[f, h % 3], faces[f, (h + 1) % 3]
            is_forward[h] = start < end
            low[h], high[h] = min(start, end), max(start, end)
            low_starts[low[h] + 1] += 1
            high_starts[high[h] + 1] += 1
    for vertex in range(vertex_count):
        low_starts[vertex + 1] += low_starts[vertex]
        high_starts[vertex + 1] += high_starts[vertex]
    by_high = np.empty(count, np.int32)
    for h in range(count):
        by_high[high_starts[high[h]]] = h
        high_starts[high[h]] += 1
    order = np.empty(count, np.int32)
    for at in range(count):
        h = int(by_high[at])
        order[low_starts[low[h]]] = h
        low_starts[low[h]] += 1
    starts = np.empty(count + 1, np.int64)
    edge_count = 0
    for at in range(count):
        h, before = int(order[at]), order[max(at - 1, 0)]
        if at == 0 or low[h] != low[before] or high[h] != high[before]:
            starts[edge_count] = at
            edge_count += 1
    starts[edge_count] = count
    return order, starts[: edge_count + 1].copy(), is_forward


@_kernel
def join(count: int, a: IntArray, b: IntArray) -> tuple[int, IntArray]:
    """How many parts `count` nodes make with links `a[i]` to `b[i]`, and which each is in."""
    parent = np.arange(count, dtype=np.int32)
    for i in range(len(a)):
        _unite(parent, a[i], b[i])
    return _number(parent)


@_kernel
def join_faces(faces: IntArray, vertex_count: int) -> tuple[int, IntArray]:
    """As `join`, of the vertices, with the edges of the faces as links."""
    parent = np.arange(vertex_count, dtype=np.int32)
    for f in range(len(faces)):
        _unite(parent, faces[f, 0], faces[f, 1])
        _unite(parent, faces[f, 0], faces[f, 2])
    return _number(parent)


@_kernel
def _unite(parent: IntArray, i: int, j: int) -> None:
    """Make the lower of two roots the parent of the other."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    while parent[j] != j:
        parent[j] = parent[parent[j]]
        j = parent[j]
    parent[max(i, j)] = min(i, j)


@_kernel
def _number(parent: IntArray) -> tuple[int, IntArray]:
    """Number the roots in their order; a parent has a lower index than its child."""
    labels = np.empty(len(parent), np.int32)
    count = 0
    for i in range(len(parent)):
        if parent[i] == i:
            labels[i] = count
            count += 1
        else:
            labels[i] = labels[parent[i]]
    return count, labels


@_kernel
def flat_faces(positions: FloatArray, faces: IntArray) -> BoolArray:
    """See `degenerate_faces`."""
    is_flat = np.empty(len(faces), np.bool_)
    for f in range(len(faces)):
        a, b, c = positions[faces[f, 0]], positions[faces[f, 1]], positions[faces[f, 2]]
        ux, uy, uz = np.float64(b[0]) - a[0], np.float64(b[1]) - a[1], np.float64(b[2]) - a[2]
        vx, vy, vz = np.float64(c[0]) - b[0], np.float64(c[1]) - b[1], np.float64(c[2]) - b[2]
        wx, wy, wz = np.float64(a[0]) - c[0], np.float64(a[1]) - c[1], np.float64(a[2]) - c[2]
        longest = max(
            ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz, wx * wx + wy * wy + wz * wz
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        is_flat[f] = nx * nx + ny * ny + nz * nz <= (_FLAT_RATIO * longest) ** 2
    return is_flat


@_kernel
def area_vectors_of(positions: FloatArray, faces: IntArray) -> Float64Array:
    """See `area_vectors`."""
    vectors = np.empty((len(faces), 3))
    for f in range(len(faces)):
        a, b, c = positions[faces[f, 0]], positions[faces[f, 1]], positions[faces[f, 2]]
        ux, uy, uz = np.float64(b[0]) - a[0], np.float64(b[1]) - a[1], np.float64(b[2]) - a[2]
        vx, vy, vz = np.float64(c[0]) - a[0], np.float64(c[1]) - a[1], np.float64(c[2]) - a[2]
        vectors[f, 0] = 0.5 * (uy * vz - uz * vy)
        vectors[f, 1] = 0.5 * (uz * vx - ux * vz)
        vectors[f, 2] = 0.5 * (ux * vy - uy * vx)
    return vectors


@_kernel
def first_alike(faces: IntArray) -> IntArray:
    """For each face the first one with the same three vertices, in any order: itself or earlier."""
    size = 16
    while size < 2 * len(faces):
        size *= 2
    table = np.full(size, -1, np.int32)
    first = np.empty(len(faces), np.int32)
    for f in range(len(faces)):
        a, b, c = _sorted(faces[f])
        key = np.uint64(a) * np.uint64(0x9E37_79B9_7F4A_7C15)
        key = (key ^ (key >> np.uint64(29)) ^ np.uint64(b)) * np.uint64(0xBF58_476D_1CE4_E5B9)
        key = (key ^ (key >> np.uint64(32)) ^ np.uint64(c)) * np.uint64(0x94D0_49BB_1331_11EB)
        slot = np.int64((key ^ (key >> np.uint64(31))) & np.uint64(size - 1))
        while table[slot] >= 0 and _sorted(faces[table[slot]]) != (a, b, c):
            slot = (slot + 1) & (size - 1)
        if table[slot] < 0:
            table[slot] = f
        first[f] = table[slot]
    return first


@_kernel
def _sorted(face: IntArray) -> tuple[int, int, int]:
    a, b, c = face[0], face[1], face[2]
    if a > b:
        a, b = b, a
    if b > c:
        b, c = c, b
    if a > b:
        a, b = b, a
    return a, b, c
