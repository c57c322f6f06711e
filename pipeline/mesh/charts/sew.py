"""Two charts made one where it costs little. Numba loops; imported late."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.charts.flatten import Flat, lay_flat, number_vertices, rest_shapes
from pipeline.types import IntArray

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# The two sides of a seam, laid on each other as they are, may differ by this share of its length.
_MAX_MISFIT = 0.1
_ROUNDS = 6
_BOX_ANGLES = 16


@_kernel
def longest_seam(
    sides: IntArray, twin: IntArray, is_joint: BoolArray, lengths: Float64Array
) -> IntArray:
    """The longest unbroken line among the half-edges that two charts share.

    Args:
        sides: `[N]` half-edges of one of the two charts. lengths: `[3F]`.
    """
    follows = np.full(len(sides), -1, np.int32)
    has_one_before = np.zeros(len(sides), np.bool_)
    for n in range(len(sides)):
        # Around the point where this one ends, inside its chart, to the side that leaves it.
        h = sides[n] - 2 if sides[n] % 3 == 2 else sides[n] + 1
        while is_joint[h]:
            g = twin[h]
            h = g - 2 if g % 3 == 2 else g + 1
            if h == sides[n]:
                break
        # The same inside the other chart, the other way round.
        g = twin[sides[n]]
        g = g - 1 if g % 3 else g + 2
        while is_joint[g]:
            g = twin[g]
            g = g - 1 if g % 3 else g + 2
            if g == twin[sides[n]]:
                break
        if twin[h] == g:
            place = np.searchsorted(sides, h)
            if place < len(sides) and sides[place] == h:
                follows[n] = place
                has_one_before[place] = True
    best, best_length = -1, -1.0
    seen = np.zeros(len(sides), np.bool_)
    for pass_ in range(2):  # open lines from their first side on, then what is left: closed ones
        for first in range(len(sides)):
            if seen[first] or (pass_ == 0 and has_one_before[first]):
                continue
            length, n = 0.0, first
            while n >= 0 and not seen[n]:
                seen[n] = True
                length += lengths[sides[n]]
                n = follows[n]
            if length > best_length:
                best, best_length = first, length
    count, n = 0, best
    line = np.empty(len(sides), np.int32)
    while n >= 0 and (count == 0 or n != best):
        line[count] = sides[n]
        count += 1
        n = follows[n]
    return line[:count]


@_kernel
def sewn(
    one: IntArray,
    two: IntArray,
    seam: IntArray,
    uvs: Float64Array,
    corners: Float64Array,
    twin: IntArray,
    is_joint: BoolArray,
    fan: IntArray,
) -> Flat:
    """Lay two charts flat as one, joined along a seam that `is_joint` has already.

    A seam whose sides do not fit on each other is not tried: the result has infinite stretch.

    Args:
        one, two: `[N]`, `[M]` faces; the result has its faces in this order.
        seam: half-edges of `one`, one following the other.
        uvs: `[F, 3, 2]` where the two lie flat by now. corners: `[F, 3, 3]` metres.
        fan: `[3F]` scratch, all -1.
    """
    # Where the seam lies in both charts, as complex numbers; fitted with least squares.
    a = np.empty(2 * len(seam), np.complex128)
    b = np.empty(2 * len(seam), np.complex128)
    for n in range(len(seam)):
        h, g = seam[n], twin[seam[n]]
        for end in range(2):
            p = h if end == 0 else (h - 2 if h % 3 == 2 else h + 1)
            q = g if end == 1 else (g - 2 if g % 3 == 2 else g + 1)
            a[2 * n + end] = complex(uvs[p // 3, p % 3, 0], uvs[p // 3, p % 3, 1])
            b[2 * n + end] = complex(uvs[q // 3, q % 3, 0], uvs[q // 3, q % 3, 1])
    mean_a, mean_b = a.mean(), b.mean()
    turn = ((a - mean_a) * np.conj(b - mean_b)).sum()
    turn = turn / abs(turn) if abs(turn) > 0 else 1.0 + 0.0j
    length = 0.0
    for n in range(len(seam)):
        length += abs(a[2 * n + 1] - a[2 * n])
    misfit = np.sqrt((np.abs(a - mean_a - turn * (b - mean_b)) ** 2).mean())

    if misfit > _MAX_MISFIT * length:
        return Flat(np.empty((0, 3, 2)), np.inf, 1.0, False)
    faces = np.concatenate((one, two))
    start = np.empty((len(faces), 3, 2))
    own = np.empty((len(faces), 3, 3))
    for n in range(len(faces)):
        own[n] = corners[faces[n]]
        for k in range(3):
            if n < len(one):
                start[n, k] = uvs[faces[n], k]
            else:
                p = complex(uvs[faces[n], k, 0], uvs[faces[n], k, 1])
                p = mean_a + turn * (p - mean_b)
                start[n, k, 0] = p.real
                start[n, k, 1] = p.imag
    triangles, count = number_vertices(faces, twin, is_joint, fan)
    return lay_flat(triangles, count, rest_shapes(own), start, _ROUNDS)


@_kernel
def box_fill(uvs: Float64Array) -> float:
    """The share of its smallest box that a chart covers. uvs: `[N, 3, 2]`."""
    area = 0.0
    for n in range(len(uvs)):
        ax, ay = uvs[n, 1, 0] - uvs[n, 0, 0], uvs[n, 1, 1] - uvs[n, 0, 1]
        bx, by = uvs[n, 2, 0] - uvs[n, 0, 0], uvs[n, 2, 1] - uvs[n, 0, 1]
        area += 0.5 * (ax * by - ay * bx)
    smallest = np.inf
    for angle in np.arange(_BOX_ANGLES) * (0.5 * np.pi / _BOX_ANGLES):
        c, s = np.cos(angle), np.sin(angle)
        left, right, low, high = np.inf, -np.inf, np.inf, -np.inf
        for n in range(len(uvs)):
            for k in range(3):
                x = c * uvs[n, k, 0] - s * uvs[n, k, 1]
                y = s * uvs[n, k, 0] + c * uvs[n, k, 1]
                left, right = min(left, x), max(right, x)
                low, high = min(low, y), max(high, y)
        smallest = min(smallest, (right - left) * (high - low))
    return area / smallest
