"""Shading normals of a mesh whose vertices are split at chart borders."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.types import FloatArray, IntArray

# Below, an edge is meant round: meshing leaves up to about 45 deg across a voxel step.
_CREASE_ANGLE_DEG = 50.0


def vertex_normals(positions: FloatArray, faces: IntArray, points: IntArray) -> FloatArray:
    """Return `[V, 3]` float32 unit normals, smooth but for sharp edges on chart borders.

    A chart border has split vertices anyway, so a crease there is free: the copies of a vertex get
    one normal where the faces across the border meet at less than 50 degrees, and one per side
    where they meet more sharply. A sharp edge inside a chart is shaded smooth; the normal map that
    is baked on top restores it. Faces count by their angle at the vertex.

    Args:
        positions: `[V, 3]` split vertices.
        faces: `[F, 3]` split vertex indices.
        points: `[V]` index of the place in space; equal for the copies of one vertex.

    Source: Thuermer and Wuethrich, Computing Vertex Normals from Polygonal Facets, 1998.
    """
    corners = positions[faces].astype(np.float64)  # [F, 3, 3]
    ahead = np.roll(corners, -1, axis=1) - corners
    face_normals = np.cross(ahead[:, 0], ahead[:, 1])
    length = np.linalg.norm(face_normals, axis=1, keepdims=True)
    face_normals = np.divide(
        face_normals, length, where=length > 0, out=np.zeros_like(face_normals)
    )
    back = -np.roll(ahead, 1, axis=1)
    angles = np.arctan2(
        np.linalg.norm(np.cross(ahead, back), axis=2), (ahead * back).sum(axis=2)
    )  # [F, 3]

    groups = _smooth_groups(faces, points[faces], face_normals, len(positions))
    sums = _sum_at_corners(groups[faces], face_normals, angles, groups.max() + 1)[groups]
    # Faces back to back cancel out: such a copy keeps what its own faces say.
    own = _sum_at_corners(faces, face_normals, angles, len(positions))
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    normals = np.where(length > 1e-6, sums, own)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(length > 1e-6, normals, (0.0, 1.0, 0.0))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return normals.astype(np.float32)


def _smooth_groups(
    faces: IntArray, points: IntArray, face_normals: NDArray[np.float64], vertex_count: int
) -> NDArray[np.int32]:
    """Return `[V]` the group of each split vertex; a group shares one normal."""
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    start_point, end_point = points.ravel(), np.roll(points, -1, axis=1).ravel()
    low, high = np.minimum(start_point, end_point), np.maximum(start_point, end_point)
    order = np.lexsort((high, low))
    one, two = order[:-1], order[1:]
    neighbors = (low[one] == low[two]) & (high[one] == high[two])
    neighbors &= start_point[one] == end_point[two]  # wound alike, or "outside" is not shared
    cosines = (face_normals[one // 3] * face_normals[two // 3]).sum(axis=1)
    smooth = neighbors & (cosines > np.cos(np.radians(_CREASE_ANGLE_DEG)))
    one, two = one[smooth], two[smooth]
    rows = np.concatenate([start[one], end[one]])
    columns = np.concatenate([end[two], start[two]])
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), (vertex_count, vertex_count))
    groups: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return groups


def _sum_at_corners(
    targets: IntArray,
    face_normals: NDArray[np.float64],
    angles: NDArray[np.float64],
    target_count: int,
) -> NDArray[np.float64]:
    weighted = face_normals[:, None, :] * angles[:, :, None]  # [F, 3, 3]
    return np.stack(
        [
            np.bincount(targets.ravel(), weighted[:, :, axis].ravel(), target_count)
            for axis in range(3)
        ],
        axis=1,
    )
