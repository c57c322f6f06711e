"""The normals that a welded surface is shaded with: smooth, but for sharp edges."""

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

# Half of the 50 degrees from which an edge is meant sharp: between two faces that meet at an angle,
# the smooth normal is half of it away from both.
_CREASE_COSINE = float(np.cos(np.radians(25.0)))


def smooth_normals(positions: FloatArray, faces: IntArray) -> FloatArray:
    """Return `[V, 3]` float32: the mean normal of the faces around each place.

    Unit length, or zero where the faces cancel out. Faces count by their angle there. Vertices at
    exactly the same place share one: those of a chart border are one place of the surface.
    """
    normals = np.zeros((len(positions), 3))
    _add_up(positions, faces, _same_places(positions), normals)
    return normals.astype(np.float32)


@_kernel
def _same_places(positions: FloatArray) -> IntArray:
    """For each vertex the first one with the same position."""
    size = 16
    while size < 2 * len(positions):
        size *= 2
    table = np.full(size, -1, np.int32)
    first = np.empty(len(positions), np.int32)
    bits = positions.view(np.uint32)
    sign = np.uint32(0x8000_0000)
    for i in range(len(positions)):
        key = np.uint64(0)
        for axis in range(3):
            word = bits[i, axis]
            if word == sign:  # minus zero is zero
                word = np.uint32(0)
            key = (key ^ np.uint64(word)) * np.uint64(0x9E37_79B9_7F4A_7C15)
            key ^= key >> np.uint64(29)
        slot = np.int64(key & np.uint64(size - 1))
        while True:
            other = table[slot]
            if other < 0:
                table[slot] = i
                first[i] = i
                break
            if (
                positions[other, 0] == positions[i, 0]
                and positions[other, 1] == positions[i, 1]
                and positions[other, 2] == positions[i, 2]
            ):
                first[i] = other
                break
            slot = (slot + 1) & (size - 1)
    return first


@_kernel
def _add_up(positions: FloatArray, faces: IntArray, first: IntArray, normals: Float64Array) -> None:
    normal = np.empty(3)
    for f in range(len(faces)):
        if not _face_normal(positions, faces[f], normal):
            continue
        for corner in range(3):
            i, j, k = faces[f, corner], faces[f, (corner + 1) % 3], faces[f, (corner + 2) % 3]
            along, uu, vv = 0.0, 0.0, 0.0
            for axis in range(3):
                a = np.float64(positions[i, axis])
                u, v = positions[j, axis] - a, positions[k, axis] - a
                along += u * v
                uu += u * u
                vv += v * v
            cosine = along / np.sqrt(uu * vv)
            angle = np.arccos(min(max(cosine, -1.0), 1.0))
            for axis in range(3):
                normals[first[i], axis] += angle * normal[axis]
    for i in range(len(positions)):
        if first[i] == i:
            _normalize(normals[i])
        else:
            for axis in range(3):
                normals[i, axis] = normals[first[i], axis]  # of an earlier vertex, so it is done


@_kernel
def _face_normal(positions: FloatArray, face: IntArray, normal: Float64Array) -> bool:
    """Write the unit normal of a face; false if it has none."""
    a, b, c = positions[face[0]], positions[face[1]], positions[face[2]]
    ux, uy, uz = np.float64(b[0]) - a[0], np.float64(b[1]) - a[1], np.float64(b[2]) - a[2]
    vx, vy, vz = np.float64(c[0]) - a[0], np.float64(c[1]) - a[1], np.float64(c[2]) - a[2]
    normal[0] = uy * vz - uz * vy
    normal[1] = uz * vx - ux * vz
    normal[2] = ux * vy - uy * vx
    return _normalize(normal)


@_kernel
def _normalize(vector: Float64Array) -> bool:
    length = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    if length == 0.0:
        return False
    for axis in range(3):
        vector[axis] /= length
    return True


@_kernel
def shading_normals(
    positions: FloatArray,
    faces: IntArray,
    vertex_normals: FloatArray,
    face: Int64Array,
    places: Float64Array,
) -> Float64Array:
    """Return `[N, 3]` float64 unit normals at points on a surface, zero on faces without area.

    Corner normals are interpolated, except that a face whose own normal is more than 25 degrees
    away from a corner's keeps its own there: so the sides of a box stay flat.

    Args:
        positions, faces: The mesh.
        vertex_normals: `smooth_normals` of it.
        face: `[N]` on which face each point lies.
        places: `[N, 3]` where.
    """
    normals = np.zeros((len(face), 3))
    own = np.empty(3)
    weights = np.empty(3)
    for i in range(len(face)):
        if face[i] < 0 or not _face_normal(positions, faces[face[i]], own):
            continue
        _weights(positions, faces[face[i]], own, places[i], weights)
        for corner in range(3):
            smooth = vertex_normals[faces[face[i], corner]]
            along = own[0] * smooth[0] + own[1] * smooth[1] + own[2] * smooth[2]
            for axis in range(3):
                value = np.float64(smooth[axis]) if along > _CREASE_COSINE else own[axis]
                normals[i, axis] += weights[corner] * value
        _normalize(normals[i])
    return normals


@_kernel
def _weights(
    positions: FloatArray,
    face: IntArray,
    normal: Float64Array,
    place: Float64Array,
    weights: Float64Array,
) -> None:
    """Write the weights of the corners of a face at a point on it."""
    for corner in range(3):
        b, c = positions[face[(corner + 1) % 3]], positions[face[(corner + 2) % 3]]
        ux, uy, uz = b[0] - place[0], b[1] - place[1], b[2] - place[2]
        vx, vy, vz = c[0] - place[0], c[1] - place[1], c[2] - place[2]
        weights[corner] = max(
            normal[0] * (uy * vz - uz * vy)
            + normal[1] * (uz * vx - ux * vz)
            + normal[2] * (ux * vy - uy * vx),
            0.0,
        )
    total = weights[0] + weights[1] + weights[2]
    for corner in range(3):
        weights[corner] /= total
