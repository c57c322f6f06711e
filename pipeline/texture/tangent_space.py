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
    normals: NDArray[np.float64], tangents: NDArray[np.float64], bumps: FloatArray
) -> NDArray[np.float64]:
    """Return `[N, 3]` unit normals: what a normal map says, in the frame that a shader makes.

    The frame is MikkTSpace's, as in `to_tangent_space`.

    Args:
        normals: `[N, 3]` interpolated, not normalized.
        tangents: `[N, 4]` interpolated; only the sign of w counts.
        bumps: `[N, 3]` what the map says, green up, any length.
    """
    out = normals.copy()
    for i in range(len(normals)):
        nx, ny, nz = normals[i]
        tx, ty, tz, w = tangents[i]
        sign = 1.0 if w >= 0.0 else -1.0
        x, y, z = bumps[i, 0], sign * bumps[i, 1], bumps[i, 2]
        bent_x = x * tx + y * (ny * tz - nz * ty) + z * nx
        bent_y = x * ty + y * (nz * tx - nx * tz) + z * ny
        bent_z = x * tz + y * (nx * ty - ny * tx) + z * nz
        length = np.sqrt(bent_x * bent_x + bent_y * bent_y + bent_z * bent_z)
        if not length > 0.0:
            bent_x, bent_y, bent_z = nx, ny, nz
            length = max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-30)
        out[i, 0], out[i, 1], out[i, 2] = bent_x / length, bent_y / length, bent_z / length
    return out
