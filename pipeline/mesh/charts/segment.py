"""Regions of faces that look nearly the same way. Numba loops; imported late."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.types import IntArray

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

Float64Array = NDArray[np.float64]

# The mean of a region's unit normals is at least this long. A cap of a ball with 53 degrees
# around its middle has 0.8: seen from above, nothing of it is hidden.
_LEAST_MEAN_NORMAL = 0.8
_MAX_FACES = 20_000  # of a region: laying so many flat takes 0.3 s
_SMOOTHING_SWEEPS = 8


def segment(
    area_vectors: Float64Array,
    twin: IntArray,
    costs: Float64Array,
    creases: Float64Array,
    most_area: float,
) -> IntArray:
    """Join faces to regions, always what costs least per metre of border that goes away.

    What it costs to join is how much further the normals then are from their region's mean: the
    functional of Mumford and Shah, over normals. So borders are short, and lie on edges.

    Args:
        area_vectors: `[F, 3]` normals with the length of each area.
        twin: `[3F]` the half-edge on the other side of each, or -1.
        costs: `[3F]` what a border costs along each half-edge, in metres.
        creases: `[3F]` lengths, negative but for sharp edges: regions are not joined where those
            of their border add up to more than nothing.
        most_area: of a region, unless a single face has more.

    Source: Koepfler, Lopez and Morel, A Multiscale Algorithm for Image Segmentation by Variational
    Method, 1994; here all pairs that are each other's best are joined at once.
    """
    face_count = len(area_vectors)
    node_count = 2 * face_count
    sums, areas = np.zeros((node_count, 3)), np.zeros(node_count)
    sums[:face_count] = area_vectors
    areas[:face_count] = np.linalg.norm(area_vectors, axis=1)
    sizes = np.zeros(node_count, np.int32)
    sizes[:face_count] = 1
    parent = np.arange(node_count, dtype=np.int32)

    half_edges = np.flatnonzero(twin > np.arange(len(twin)))
    one = (half_edges // 3).astype(np.int32)
    two = (twin[half_edges] // 3).astype(np.int32)
    border, crease = costs[half_edges], creases[half_edges]
    count = face_count
    while len(one):
        one, two, border, crease = _summed(one, two, border, crease)
        joined = _join_best(one, two, border, crease, sums, areas, sizes, parent, count, most_area)
        if joined == count:
            break
        count = joined
        one, two = parent[one], parent[two]
        is_border = one != two
        one, two = one[is_border], two[is_border]
        border, crease = border[is_border], crease[is_border]
    for node in range(count - 1, -1, -1):  # parents have higher numbers
        parent[node] = parent[parent[node]]
    return np.unique(parent[:face_count], return_inverse=True)[1].astype(np.int32)


def _summed(
    one: IntArray, two: IntArray, border: Float64Array, crease: Float64Array
) -> tuple[IntArray, IntArray, Float64Array, Float64Array]:
    """One entry for each pair of regions."""
    low, high = np.minimum(one, two), np.maximum(one, two)
    keys = low.astype(np.int64) << 32 | high
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    return (
        low[order[starts]],
        high[order[starts]],
        np.add.reduceat(border[order], starts),
        np.add.reduceat(crease[order], starts),
    )


@_kernel
def _join_best(
    one: IntArray,
    two: IntArray,
    border: Float64Array,
    crease: Float64Array,
    sums: Float64Array,
    areas: Float64Array,
    sizes: IntArray,
    parent: IntArray,
    count: int,
    most_area: float,
) -> int:
    """Join the pairs that are each other's best; return the new number of nodes."""
    best = np.full(count, np.inf)
    partner = np.full(count, -1, np.int32)
    for n in range(len(one)):
        a, b = one[n], two[n]
        area = areas[a] + areas[b]
        if area > most_area or sizes[a] + sizes[b] > _MAX_FACES or crease[n] > 0:
            continue
        square_a, square_b, square = 0.0, 0.0, 0.0
        for axis in range(3):
            square_a += sums[a, axis] ** 2
            square_b += sums[b, axis] ** 2
            square += (sums[a, axis] + sums[b, axis]) ** 2
        if square < (_LEAST_MEAN_NORMAL * area) ** 2:
            continue
        cost = (square_a / areas[a] + square_b / areas[b] - square / area) / border[n]
        if cost < best[a]:
            best[a], partner[a] = cost, b
        if cost < best[b]:
            best[b], partner[b] = cost, a
    last = count
    for a in range(last):
        b = partner[a]
        if b > a and partner[b] == a:
            sums[count] = sums[a] + sums[b]
            areas[count] = areas[a] + areas[b]
            sizes[count] = sizes[a] + sizes[b]
            parent[a] = parent[b] = count
            count += 1
    return count


@_kernel
def smooth_borders(
    labels: IntArray,
    faces: IntArray,
    at_vertex: IntArray,
    starts: NDArray[np.int64],
    area_vectors: Float64Array,
    twin: IntArray,
    costs: Float64Array,
    weight: float,
) -> None:
    """Straighten the borders between regions: give over faces, alone or all around a vertex.

    Args:
        labels: `[F]` the region of each face, from 0 on; changed in place.
        at_vertex: `[3F]` faces by vertex. starts: `[V + 1]` where those of each vertex begin.
        costs: `[3F]` what a border costs along each half-edge, in metres.
        weight: metres; what a metre of border costs in square metres of faces that look elsewhere.
    """
    region_count = labels.max() + 1
    tiny = 1e-9 * weight * costs.max()  # less is rounding, and might go back and forth
    for _ in range(_SMOOTHING_SWEEPS):
        means, areas = np.zeros((region_count, 3)), np.zeros(region_count)
        for f in range(len(labels)):
            areas[labels[f]] += np.sqrt((area_vectors[f] ** 2).sum())
            means[labels[f]] += area_vectors[f]
        for region in range(region_count):
            means[region] /= max(areas[region], 1e-300)
        moved = 0
        for vertex in range(len(starts) - 1):
            around = at_vertex[starts[vertex] : starts[vertex + 1]]
            is_border = False
            for f in around:
                is_border = is_border or labels[f] != labels[around[0]]
            if not is_border:
                continue
            for n in range(len(around) + 1):  # all of them, then one by one
                some = around if n == 0 else around[n - 1 : n]
                own = vertex if n == 0 else -1
                best, choice = -tiny, -1
                for m in range(len(around)):
                    label = labels[around[m]]
                    cost = _move_cost(
                        some, own, label, labels, faces, area_vectors, means, twin, costs, weight
                    )
                    if cost < best:
                        best, choice = cost, label
                if choice >= 0:
                    for f in some:
                        labels[f] = choice
                    moved += 1
        if moved == 0:
            break


@_kernel
def _move_cost(
    some: IntArray,
    around: int,
    label: int,
    labels: IntArray,
    faces: IntArray,
    area_vectors: Float64Array,
    means: Float64Array,
    twin: IntArray,
    costs: Float64Array,
    weight: float,
) -> float:
    """What it costs to give `some` faces, all those around a vertex or one, to a region."""
    cost = 0.0
    for f in some:
        x, y, z = area_vectors[f, 0], area_vectors[f, 1], area_vectors[f, 2]
        area = np.sqrt(x * x + y * y + z * z)
        for sign, region in ((1.0, label), (-1.0, labels[f])):
            # |n - m|^2 with what does not depend on the region left out
            m = means[region]
            square = m[0] * m[0] + m[1] * m[1] + m[2] * m[2]
            cost += sign * (area * square - 2 * (x * m[0] + y * m[1] + z * m[2]))
        for k in range(3):
            other = twin[3 * f + k]
            if other < 0:
                continue
            g = other // 3
            if around >= 0 and (
                faces[g, 0] == around or faces[g, 1] == around or faces[g, 2] == around
            ):
                if labels[g] != labels[f]:
                    cost -= 0.5 * weight * costs[3 * f + k]
                continue
            if labels[g] != labels[f]:
                cost -= weight * costs[3 * f + k]
            if labels[g] != label:
                cost += weight * costs[3 * f + k]
    return cost
