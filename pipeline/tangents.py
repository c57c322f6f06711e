"""Tangents as MikkTSpace defines them, so that engines decode the normal map as it was baked."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.types import FloatArray, IntArray


def tangents(
    positions: FloatArray, normals: FloatArray, uvs: FloatArray, faces: IntArray
) -> FloatArray:
    """Return `[V, 4]` float32 tangents: unit length, at right angles to the normal, w +1 or -1.

    xyz points where u grows; `w * cross(normal, xyz)` points where the texture's up is, which is
    where v falls, because glTF's v points down and its normal maps have green up. A chart that
    reads the right way round from outside has w = +1.

    Where MikkTSpace would split a vertex (faces of both handednesses, or two fans that share only
    that vertex), this averages: vertices are taken as they are. Charts that are never mirrored
    have no vertex of the first kind. A vertex whose faces all lack texture area gets any tangent
    at right angles to its normal.

    Args:
        positions, normals, uvs: Per vertex; normals of unit length; uvs with the origin top left.
        faces: `[F, 3]`.

    Source: Mikkelsen, Simulation of Wrinkled Surfaces Revisited, 2008, and its `mikktspace.c`.
    """
    return _tangents(
        positions.astype(np.float64), normals.astype(np.float64), uvs.astype(np.float64), faces
    ).astype(np.float32)


def split_mirrored(uvs: FloatArray, faces: IntArray) -> tuple[NDArray[np.int64], IntArray]:
    """Split vertices where faces of both handednesses meet, as their tangents differ.

    Returns:
        Which vertex each new one is, without unused ones, and the faces `[F, 3]` on the new ones.
    """
    corners = uvs[faces].astype(np.float64)
    is_mirrored = np.linalg.det(corners[:, 1:] - corners[:, :1]) > 0  # v runs down
    sided = 2 * faces.astype(np.int64) + is_mirrored[:, None]
    used, split = np.unique(sided, return_inverse=True)
    return used // 2, split.reshape(-1, 3).astype(np.int32)


@njit(cache=True, error_model="numpy", nogil=True)
def _tangents(
    positions: NDArray[np.float64],
    normals: NDArray[np.float64],
    uvs: NDArray[np.float64],
    faces: IntArray,
) -> NDArray[np.float64]:
    out = np.zeros((len(positions), 4))
    for face in faces:
        d1 = positions[face[1]] - positions[face[0]]
        d2 = positions[face[2]] - positions[face[0]]
        t21 = uvs[face[1]] - uvs[face[0]]
        t31 = uvs[face[2]] - uvs[face[0]]
        signed_area = t31[0] * t21[1] - t21[0] * t31[1]  # of v pointing up: 1 - v
        if signed_area == 0.0:
            continue
        along_u = np.sign(signed_area) * (t21[1] * d2 - t31[1] * d1)
        for k in range(3):
            normal = normals[face[k]]
            tangent = _on_plane(along_u, normal)
            to_next = _on_plane(positions[face[(k + 1) % 3]] - positions[face[k]], normal)
            to_last = _on_plane(positions[face[(k + 2) % 3]] - positions[face[k]], normal)
            angle = np.arccos(min(1.0, max(-1.0, np.dot(to_next, to_last))))
            out[face[k], :3] += angle * tangent
            out[face[k], 3] += angle * np.sign(signed_area)
    for vertex in range(len(out)):
        normal = normals[vertex]
        tangent = _on_plane(out[vertex, :3], normal)
        if np.dot(tangent, tangent) == 0.0:
            axis = np.zeros(3)
            axis[np.argmin(np.abs(normal))] = 1.0
            tangent = _on_plane(axis, normal)
        out[vertex, :3] = tangent
        out[vertex, 3] = -1.0 if out[vertex, 3] < 0.0 else 1.0
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def _on_plane(vector: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project on the plane with this normal; unit length, or zero where nothing is left."""
    flat: NDArray[np.float64] = vector - np.dot(vector, normal) * normal
    length = np.sqrt(np.dot(flat, flat))
    if length <= 1e-12 * np.sqrt(np.dot(vector, vector)):
        return np.zeros(3)
    unit: NDArray[np.float64] = flat / length
    return unit
