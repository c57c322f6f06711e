"""Normals between space and the frame that a normal map is written in."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.types import FloatArray


@njit(cache=True, error_model="numpy", nogil=True)
def to_tangent_space(
    vectors: NDArray[np.float64], normals: NDArray[np.float64], tangents: NDArray[np.float64]
) -> FloatArray:
    """Return `[N, 3]` float32 unit vectors in the frame that a shader makes at each point.

    The shader's frame is MikkTSpace's: interpolated normal and tangent as they are, not
    normalized, and bitangent = w * cross(normal, tangent). This inverts it, so that decoding gives
    `vectors` back. One that looks inward is laid flat on the surface: engines that store two
    channels restore z as positive.

    Args:
        vectors: `[N, 3]` of any length.
        normals: `[N, 3]` interpolated.
        tangents: `[N, 4]` interpolated; only the sign of w counts.
    """
    out = np.empty((len(vectors), 3), np.float32)
    for i in range(len(vectors)):
        tx, ty, tz, w = tangents[i]
        nx, ny, nz = normals[i]
        vx, vy, vz = vectors[i]
        nn = nx * nx + ny * ny + nz * nz
        tt = tx * tx + ty * ty + tz * tz
        nt = nx * tx + ny * ty + nz * tz
        nv = nx * vx + ny * vy + nz * vz
        tv = tx * vx + ty * vy + tz * vz
        # Cramer's rule for v = x t + y w (n x t) + z n; the common divisor falls out below.
        x = nn * tv - nt * nv
        y = vx * (ny * tz - nz * ty) + vy * (nz * tx - nx * tz) + vz * (nx * ty - ny * tx)
        z = max(0.0, tt * nv - nt * tv)
        if w < 0.0:
            y = -y
        length = np.sqrt(x * x + y * y + z * z)
        if not (0.0 < length < np.inf):  # straight inward, or a frame without volume
            x, y, z, length = 0.0, 0.0, 1.0, 1.0
        out[i, 0], out[i, 1], out[i, 2] = x / length, y / length, z / length
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def bend(
    normals: NDArray[np.float64],
    bumps: FloatArray,
    edges: NDArray[np.float64],
    uv_edges: NDArray[np.float64],
    on: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return `[N, 3]` unit normals, bent as a normal map says in the frame of its own uvs.

    The frame is the face's, made square to the normal. Where uvs are mirrored, so is the frame;
    a face without texture area keeps the normal.

    Args:
        normals: `[N, 3]` unit length.
        bumps: `[N, 3]` what the map says, green up, any length.
        edges: `[F, 2, 3]` from the first corner of each face to the others.
        uv_edges: `[F, 2, 2]` the same in the texture, v down.
        on: `[N]` the face of each point.
    """
    out = normals.copy()
    for i in range(len(normals)):
        n = normals[i]
        one, two = edges[on[i]]
        (u1, v1), (u2, v2) = uv_edges[on[i]]
        handedness = -np.sign(u1 * v2 - v1 * u2)  # as green sees it: up
        t = handedness * (v1 * two - v2 * one)  # where u grows
        t = t - np.dot(t, n) * n
        length = np.sqrt(np.dot(t, t))
        if length == 0.0:
            continue
        t = t / length
        b = handedness * np.cross(n, t)
        bent = bumps[i, 0] * t + bumps[i, 1] * b + bumps[i, 2] * n
        length = np.sqrt(np.dot(bent, bent))
        if length > 0.0:
            out[i] = bent / length
    return out
