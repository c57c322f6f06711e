"""Points on triangles: from corners to point and back."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, error_model="numpy", nogil=True)
def interpolate(
    values: NDArray[np.float32],
    faces: NDArray[np.integer],
    on: NDArray[np.integer],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return `[N, C]` per-vertex `values` `[V, C]` at points of the faces `on` `[N]`.

    `weights` `[N, 3]` are the shares of the face's corners. Nothing is normalized.
    """
    channels = values.shape[1]
    out = np.empty((len(on), channels))
    for i in range(len(on)):
        a, b, c = faces[on[i], 0], faces[on[i], 1], faces[on[i], 2]
        for k in range(channels):
            out[i, k] = (
                weights[i, 0] * values[a, k]
                + weights[i, 1] * values[b, k]
                + weights[i, 2] * values[c, k]
            )
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def barycentrics(
    positions: NDArray[np.float64],
    faces: NDArray[np.integer],
    on: NDArray[np.integer],
    points: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return `[N, 3]` shares of the corners of the faces `on` `[N]` at `points` `[N, 3]` on them.

    A point off its face by rounding is moved onto it. A face without area answers with its first
    corner.

    Source: Ericson, Real-Time Collision Detection, 2005, section 3.4.
    """
    out = np.empty((len(on), 3))
    for i in range(len(on)):
        corner = positions[faces[on[i], 0]]
        d11 = d12 = d22 = d1 = d2 = 0.0
        for k in range(3):
            one = positions[faces[on[i], 1], k] - corner[k]
            two = positions[faces[on[i], 2], k] - corner[k]
            offset = points[i, k] - corner[k]
            d11 += one * one
            d12 += one * two
            d22 += two * two
            d1 += offset * one
            d2 += offset * two
        area = d11 * d22 - d12 * d12
        v = w = 0.0
        if area > 1e-14 * d11 * d22:
            v = max(0.0, (d22 * d1 - d12 * d2) / area)
            w = max(0.0, (d11 * d2 - d12 * d1) / area)
        u = max(0.0, 1.0 - v - w)
        total = u + v + w
        out[i, 0], out[i, 1], out[i, 2] = u / total, v / total, w / total
    return out
