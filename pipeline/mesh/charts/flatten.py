"""Charts laid flat: as rigid as possible, and checked. Numba loops; imported late.

A chart is a set of faces and its joints: the half-edges over which two of its faces stay together.
Half-edge `h` is the side of face `h // 3` that starts at the face's corner `h % 3`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

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
BoolArray = NDArray[np.bool_]

# Slivers count as this high, as a share of their longest side: their cotangents stay finite.
_LEAST_HEIGHT = 1e-3
# A face must keep this share of its area; what has less is pushed open to a little more.
_LEAST_AREA, _OPENED_AREA = 0.02, 0.1
_OPENING_SWEEPS = 40


class Flat(NamedTuple):
    """A chart on the plane.

    uvs: `[N, 3, 2]` metres at the corners of its faces, counter-clockwise.
    stretch: L2 stretch, area-weighted: 1 is none, infinite where a face is turned over.
    uneven: share of the area whose texel density is more than 25 % off the chart's.
    is_simple: it covers nothing twice, and its border touches itself nowhere.
    """

    uvs: Float64Array
    stretch: float
    uneven: float
    is_simple: bool


@_kernel
def number_vertices(
    chart: IntArray, twin: IntArray, is_joint: BoolArray, fan: IntArray
) -> tuple[IntArray, int]:
    """Return `[N, 3]`, the vertex of each corner, and how many vertices the chart has.

    Corners are one vertex where joints connect them around a point: on a cut inside a chart the
    two sides have vertices of their own.

    Args:
        chart: `[N]` faces. fan: `[3F]` scratch, all -1, and again so afterwards.
    """
    triangles = np.empty((len(chart), 3), np.int32)
    count = 0
    for face in chart:
        for corner in range(3):
            first = 3 * face + corner
            if fan[first] >= 0:
                continue
            fan[first] = count
            h = first
            while True:  # over the side that ends at this corner, to the corner across it
                side = h - 1 if h % 3 else h + 2
                if not is_joint[side] or fan[twin[side]] >= 0:
                    break
                h = twin[side]
                fan[h] = count
            h = first
            while is_joint[h]:  # and the other way round
                g = twin[h]
                g = g - 2 if g % 3 == 2 else g + 1
                if fan[g] >= 0:
                    break
                fan[g] = count
                h = g
            count += 1
    for n, face in enumerate(chart):
        for corner in range(3):
            triangles[n, corner] = fan[3 * face + corner]
    for face in chart:
        for corner in range(3):
            fan[3 * face + corner] = -1
    return triangles, count


@_kernel
def rest_shapes(corners: Float64Array) -> Float64Array:
    """Return `[N, 3, 2]`: each face of `[N, 3, 3]` laid on the plane by itself."""
    rest = np.zeros((len(corners), 3, 2))
    for n in range(len(corners)):
        ux = corners[n, 1, 0] - corners[n, 0, 0]
        uy = corners[n, 1, 1] - corners[n, 0, 1]
        uz = corners[n, 1, 2] - corners[n, 0, 2]
        vx = corners[n, 2, 0] - corners[n, 0, 0]
        vy = corners[n, 2, 1] - corners[n, 0, 1]
        vz = corners[n, 2, 2] - corners[n, 0, 2]
        length = np.sqrt(ux * ux + uy * uy + uz * uz)
        cx, cy, cz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        rest[n, 1, 0] = length
        rest[n, 2, 0] = (ux * vx + uy * vy + uz * vz) / length
        rest[n, 2, 1] = np.sqrt(cx * cx + cy * cy + cz * cz) / length
    return rest


@_kernel
def projected(corners: Float64Array, rest: Float64Array) -> Float64Array:
    """Return `[N, 3, 2]`: the faces `[N, 3, 3]` seen against their mean direction."""
    nx, ny, nz = 0.0, 0.0, 0.0
    for n in range(len(corners)):
        ux = corners[n, 1, 0] - corners[n, 0, 0]
        uy = corners[n, 1, 1] - corners[n, 0, 1]
        uz = corners[n, 1, 2] - corners[n, 0, 2]
        vx = corners[n, 2, 0] - corners[n, 0, 0]
        vy = corners[n, 2, 1] - corners[n, 0, 1]
        vz = corners[n, 2, 2] - corners[n, 0, 2]
        nx += uy * vz - uz * vy
        ny += uz * vx - ux * vz
        nz += ux * vy - uy * vx
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    uvs = rest.copy()  # of faces whose directions cancel out; they are judged as they lie
    if length > 0:
        nx, ny, nz = nx / length, ny / length, nz / length
        # Duff et al., Building an Orthonormal Basis, Revisited, 2017.
        sign = 1.0 if nz >= 0 else -1.0
        a = -1 / (sign + nz)
        b = nx * ny * a
        for n in range(len(corners)):
            for k in range(3):
                x, y, z = corners[n, k, 0], corners[n, k, 1], corners[n, k, 2]
                uvs[n, k, 0] = x * (1 + sign * nx * nx * a) + y * sign * b - z * sign * nx
                uvs[n, k, 1] = x * b + y * (sign + ny * ny * a) - z * ny
    return uvs


@_kernel
def lay_flat(
    triangles: IntArray, count: int, rest: Float64Array, start: Float64Array, rounds: int
) -> Flat:
    """Bring the faces as near to their own shapes as they get while they hang together.

    Args:
        triangles: `[N, 3]` of `number_vertices`. count: of vertices.
        rest: `[N, 3, 2]` of `rest_shapes`. start: `[N, 3, 2]` where corners are before; the
            corners of a vertex may differ.
        rounds: of fitting and solving.

    Source: Liu et al., A Local/Global Approach to Mesh Parameterization, 2008.
    """
    uvs = np.zeros((count, 2))
    corner_counts = np.zeros(count)
    for n in range(len(triangles)):
        for k in range(3):
            for axis in range(2):
                uvs[triangles[n, k], axis] += start[n, k, axis]
            corner_counts[triangles[n, k]] += 1
    for vertex in range(count):
        uvs[vertex, 0] /= corner_counts[vertex]
        uvs[vertex, 1] /= corner_counts[vertex]
    if rounds > 0:
        _fit(triangles, rest, uvs, rounds)
    _open_turned(triangles, rest, uvs)
    return _judge(triangles, rest, uvs)


@_kernel
def _fit(triangles: IntArray, rest: Float64Array, uvs: Float64Array, rounds: int) -> None:
    """Alternate between turning each face's own shape to fit, and solving for the vertices."""
    count = len(uvs)
    cotangents = np.empty((len(triangles), 3))
    for n in range(len(triangles)):
        longest = 0.0
        for k in range(3):
            j = (k + 1) % 3
            dx, dy = rest[n, j, 0] - rest[n, k, 0], rest[n, j, 1] - rest[n, k, 1]
            longest = max(longest, dx * dx + dy * dy)
        doubled = max(rest[n, 1, 0] * rest[n, 2, 1], _LEAST_HEIGHT * longest)
        for k in range(3):  # at corner k, opposite to the side from k + 1 to k + 2
            i, j = (k + 1) % 3, (k + 2) % 3
            ax, ay = rest[n, i, 0] - rest[n, k, 0], rest[n, i, 1] - rest[n, k, 1]
            bx, by = rest[n, j, 0] - rest[n, k, 0], rest[n, j, 1] - rest[n, k, 1]
            cotangents[n, k] = (ax * bx + ay * by) / doubled
    place = _narrow_order(triangles, count)
    rows, lower = _factor(triangles, cotangents, place, count)
    right = np.empty((count, 2))
    for _ in range(rounds):
        right[:] = 0
        for n in range(len(triangles)):
            c, s = 0.0, 0.0
            for k in range(3):
                i, j = (k + 1) % 3, (k + 2) % 3
                a, b = triangles[n, i], triangles[n, j]
                ux, uy = uvs[a, 0] - uvs[b, 0], uvs[a, 1] - uvs[b, 1]
                xx, xy = rest[n, i, 0] - rest[n, j, 0], rest[n, i, 1] - rest[n, j, 1]
                c += cotangents[n, k] * (ux * xx + uy * xy)
                s += cotangents[n, k] * (uy * xx - ux * xy)
            length = np.sqrt(c * c + s * s)
            if length > 0:
                c, s = c / length, s / length
            else:
                c, s = 1.0, 0.0
            for k in range(3):
                i, j = (k + 1) % 3, (k + 2) % 3
                xx, xy = rest[n, i, 0] - rest[n, j, 0], rest[n, i, 1] - rest[n, j, 1]
                bx = cotangents[n, k] * (c * xx - s * xy)
                by = cotangents[n, k] * (s * xx + c * xy)
                p, q = place[triangles[n, i]], place[triangles[n, j]]
                right[p, 0] += bx
                right[p, 1] += by
                right[q, 0] -= bx
                right[q, 1] -= by
        _solve(rows, lower, right)
        for vertex in range(count):
            uvs[vertex, 0] = right[place[vertex], 0]
            uvs[vertex, 1] = right[place[vertex], 1]


@_kernel
def _narrow_order(triangles: IntArray, count: int) -> IntArray:
    """Return the place of each vertex in an order that keeps neighbors near.

    Source: Cuthill and McKee, Reducing the Bandwidth of Sparse Symmetric Matrices, 1969.
    """
    starts = np.zeros(count + 1, np.int32)
    for n in range(len(triangles)):
        for k in range(3):
            starts[triangles[n, k] + 1] += 2
    starts = np.cumsum(starts).astype(np.int32)
    filled = starts[:-1].copy()
    neighbors = np.empty(starts[-1], np.int32)
    for n in range(len(triangles)):
        for k in range(3):
            vertex = triangles[n, k]
            neighbors[filled[vertex]] = triangles[n, (k + 1) % 3]
            neighbors[filled[vertex] + 1] = triangles[n, (k + 2) % 3]
            filled[vertex] += 2
    order = np.empty(count, np.int32)
    place = np.empty(count, np.int32)
    first = 0
    for _ in range(3):  # the last one reached is far out: begin there
        place[:] = -1
        order[0] = first
        place[first] = 0
        reached = 1
        for n in range(count):
            for m in range(starts[order[n]], starts[order[n] + 1]):
                vertex = neighbors[m]
                if place[vertex] < 0:
                    place[vertex] = reached
                    order[reached] = vertex
                    reached += 1
        first = order[count - 1]
    return place


@_kernel
def _factor(
    triangles: IntArray, cotangents: Float64Array, place: IntArray, count: int
) -> tuple[NDArray[np.int64], Float64Array]:
    """Cholesky factor of the cotangent Laplacian, row by row from its first entry on.

    Returns:
        `[V + 1]` where each row's diagonal lies in the second, plus 1; and the entries.
    """
    first = np.arange(count)
    for n in range(len(triangles)):
        for k in range(3):
            i, j = place[triangles[n, k]], place[triangles[n, (k + 1) % 3]]
            i, j = max(i, j), min(i, j)
            first[i] = min(first[i], j)
    rows = np.zeros(count + 1, np.int64)
    for i in range(count):
        rows[i + 1] = rows[i] + i - first[i] + 1
    lower = np.zeros(rows[count])
    # Entry (i, j) is at rows[i + 1] - 1 - i + j.
    for n in range(len(triangles)):
        for k in range(3):
            i, j = place[triangles[n, (k + 1) % 3]], place[triangles[n, (k + 2) % 3]]
            i, j = max(i, j), min(i, j)
            lower[rows[i + 1] - 1 - i + j] -= cotangents[n, k]
            lower[rows[i + 1] - 1] += cotangents[n, k]
            lower[rows[j + 1] - 1] += cotangents[n, k]
    mean = 0.0
    for i in range(count):
        mean += lower[rows[i + 1] - 1] / count
    lower[0] += mean  # holds one vertex at the origin: shapes do not say where they are
    for i in range(count):
        row_i = rows[i + 1] - 1 - i
        for j in range(first[i], i):
            row_j = rows[j + 1] - 1 - j
            value = lower[row_i + j]
            for m in range(max(first[i], first[j]), j):
                value -= lower[row_i + m] * lower[row_j + m]
            lower[row_i + j] = value / lower[row_j + j]
        value = lower[row_i + i]
        for m in range(first[i], i):
            value -= lower[row_i + m] ** 2
        lower[row_i + i] = np.sqrt(max(value, 1e-12 * mean))
    return rows, lower


@_kernel
def _solve(rows: NDArray[np.int64], lower: Float64Array, right: Float64Array) -> None:
    """Solve in place for the two columns of `right`."""
    count = len(right)
    for i in range(count):
        x, y = right[i, 0], right[i, 1]
        j = i - (rows[i + 1] - 1 - rows[i])
        for m in range(rows[i], rows[i + 1] - 1):
            x -= lower[m] * right[j, 0]
            y -= lower[m] * right[j, 1]
            j += 1
        right[i, 0] = x / lower[rows[i + 1] - 1]
        right[i, 1] = y / lower[rows[i + 1] - 1]
    for i in range(count - 1, -1, -1):
        x = right[i, 0] / lower[rows[i + 1] - 1]
        y = right[i, 1] / lower[rows[i + 1] - 1]
        right[i, 0] = x
        right[i, 1] = y
        j = i - (rows[i + 1] - 1 - rows[i])
        for m in range(rows[i], rows[i + 1] - 1):
            right[j, 0] -= lower[m] * x
            right[j, 1] -= lower[m] * y
            j += 1


@_kernel
def _open_turned(triangles: IntArray, rest: Float64Array, uvs: Float64Array) -> None:
    """Push faces that lie on their backs, slivers as a rule, over to their right side."""
    for _ in range(_OPENING_SWEEPS):
        is_open = True
        for n in range(len(triangles)):
            own = rest[n, 1, 0] * rest[n, 2, 1]
            a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
            doubled = (uvs[b, 0] - uvs[a, 0]) * (uvs[c, 1] - uvs[a, 1]) - (
                uvs[b, 1] - uvs[a, 1]
            ) * (uvs[c, 0] - uvs[a, 0])
            if doubled >= _LEAST_AREA * own:
                continue
            is_open = False
            square = 0.0
            for k in range(3):
                i, j = triangles[n, (k + 1) % 3], triangles[n, (k + 2) % 3]
                dx, dy = uvs[j, 0] - uvs[i, 0], uvs[j, 1] - uvs[i, 1]
                square += dx * dx + dy * dy
            push = (_OPENED_AREA * own - doubled) / max(square, 1e-300)
            ax, ay = uvs[b, 0] - uvs[a, 0], uvs[b, 1] - uvs[a, 1]
            bx, by = uvs[c, 0] - uvs[b, 0], uvs[c, 1] - uvs[b, 1]
            cx, cy = uvs[a, 0] - uvs[c, 0], uvs[a, 1] - uvs[c, 1]
            uvs[a, 0] -= push * by
            uvs[a, 1] += push * bx
            uvs[b, 0] -= push * cy
            uvs[b, 1] += push * cx
            uvs[c, 0] -= push * ay
            uvs[c, 1] += push * ax
        if is_open:
            break


@_kernel
def _judge(triangles: IntArray, rest: Float64Array, uvs: Float64Array) -> Flat:
    """Measure a chart that lies flat."""
    corners = np.empty((len(triangles), 3, 2))
    own, laid, stretched = 0.0, 0.0, 0.0
    growth = np.empty(len(triangles))
    for n in range(len(triangles)):
        for k in range(3):
            corners[n, k, 0] = uvs[triangles[n, k], 0]
            corners[n, k, 1] = uvs[triangles[n, k], 1]
        # J takes the face's own shape to where it lies.
        length, px, py = rest[n, 1, 0], rest[n, 2, 0], rest[n, 2, 1]
        ax = (corners[n, 1, 0] - corners[n, 0, 0]) / length
        ay = (corners[n, 1, 1] - corners[n, 0, 1]) / length
        bx = (corners[n, 2, 0] - corners[n, 0, 0] - px * ax) / py
        by = (corners[n, 2, 1] - corners[n, 0, 1] - px * ay) / py
        growth[n] = ax * by - ay * bx
        area = 0.5 * length * py
        own += area
        if not growth[n] > 0:
            return Flat(corners, np.inf, 1.0, False)
        laid += area * growth[n]
        stretched += area * (ax * ax + ay * ay + bx * bx + by * by) / (2 * growth[n] ** 2)
    uneven = 0.0
    mean = laid / own
    for n in range(len(triangles)):
        if not 0.75**2 <= growth[n] / mean <= 1.25**2:
            uneven += 0.5 * rest[n, 1, 0] * rest[n, 2, 1] / own
    stretch = np.sqrt(stretched / own * mean)
    return Flat(corners, stretch, uneven, _is_simple(triangles, uvs))


@_kernel
def _is_simple(triangles: IntArray, uvs: Float64Array) -> bool:
    """Whether the faces cover nothing twice, given that none is turned over.

    That is so where no two sides of the border cross, and no vertex has more than a full turn
    around it. Nor may sides touch, which rounding could decide either way.
    """
    # A side is on the border where its reverse is no side.
    count = 0
    sides = np.empty((3 * len(triangles), 2), np.int32)
    keys = np.empty(3 * len(triangles), np.int64)
    for n in range(len(triangles)):
        for k in range(3):
            i, j = triangles[n, k], triangles[n, (k + 1) % 3]
            keys[3 * n + k] = np.int64(min(i, j)) * len(uvs) + max(i, j)
    order = np.argsort(keys)
    for m in range(len(order)):
        key = keys[order[m]]
        if m > 0 and keys[order[m - 1]] == key:
            continue
        if m + 1 < len(order) and keys[order[m + 1]] == key:
            continue
        sides[count, 0] = key // len(uvs)
        sides[count, 1] = key % len(uvs)
        count += 1
    if _winds_twice(triangles, uvs):
        return False
    left = np.empty(count)
    extent = 0.0
    for m in range(count):
        left[m] = min(uvs[sides[m, 0], 0], uvs[sides[m, 1], 0])
        extent = max(extent, abs(uvs[sides[m, 0], 0] - uvs[sides[0, 0], 0]))
        extent = max(extent, abs(uvs[sides[m, 0], 1] - uvs[sides[0, 0], 1]))
    tiny = 1e-10 * extent**2
    order = np.argsort(left)
    for m in range(count):
        a, b = sides[order[m]]
        right = max(uvs[a, 0], uvs[b, 0])
        low, high = min(uvs[a, 1], uvs[b, 1]), max(uvs[a, 1], uvs[b, 1])
        for n in range(m + 1, count):
            if left[order[n]] > right:
                break
            c, d = sides[order[n]]
            if a in (c, d) or b in (c, d):
                continue
            if max(uvs[c, 1], uvs[d, 1]) < low or min(uvs[c, 1], uvs[d, 1]) > high:
                continue
            ab_c, ab_d = _side(uvs[a], uvs[b], uvs[c]), _side(uvs[a], uvs[b], uvs[d])
            cd_a, cd_b = _side(uvs[c], uvs[d], uvs[a]), _side(uvs[c], uvs[d], uvs[b])
            is_between = min(ab_c, ab_d) <= tiny and max(ab_c, ab_d) >= -tiny
            if is_between and min(cd_a, cd_b) <= tiny and max(cd_a, cd_b) >= -tiny:
                return False
    return True


@_kernel
def _winds_twice(triangles: IntArray, uvs: Float64Array) -> bool:
    """Whether the faces go around some vertex more than once, as where a hole is turned out."""
    angles = np.zeros(len(uvs))
    for n in range(len(triangles)):
        for k in range(3):
            a, b, c = triangles[n, k], triangles[n, (k + 1) % 3], triangles[n, (k + 2) % 3]
            ux, uy = uvs[b, 0] - uvs[a, 0], uvs[b, 1] - uvs[a, 1]
            vx, vy = uvs[c, 0] - uvs[a, 0], uvs[c, 1] - uvs[a, 1]
            angles[a] += np.arctan2(ux * vy - uy * vx, ux * vx + uy * vy)
    return bool(angles.max() > 2 * np.pi + 1e-6)


@_kernel
def _side(a: Float64Array, b: Float64Array, p: Float64Array) -> float:
    """Positive where `p` is left of the line from `a` to `b`."""
    left: float = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
    return left
