"""Fewer bytes per vertex: integers instead of floats, and a codec that knows what they are.

Sources: KHR_mesh_quantization and EXT_meshopt_compression from KhronosGroup/glTF, extensions/2.0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.types import FloatArray

_MOST_VERTEX_BYTES = 256  # of the codec


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The 65,536 steps per axis that positions snap to.

    origin_m: where all are 0. size_m: how far 65,535 is from there; the same along all axes, so
    that normals need no correction.
    """

    origin_m: tuple[float, float, float]
    size_m: float


def grid_around(meshes: Sequence[FloatArray]) -> Grid:
    """The smallest grid that holds the positions of all meshes, `[V, 3]` each.

    One for all LODs of a part: with one each, a switch of LODs would shift the surface by a step.
    """
    low = np.min([positions.min(axis=0) for positions in meshes], axis=0).astype(np.float64)
    high = np.max([positions.max(axis=0) for positions in meshes], axis=0).astype(np.float64)
    x, y, z = (float(value) for value in low)
    return Grid(origin_m=(x, y, z), size_m=float((high - low).max()) or 1.0)


def snapped_positions(positions: FloatArray, grid: Grid) -> NDArray[np.uint16]:
    """`[V, 3]` uint16, normalized: the nearest steps of the grid."""
    steps = (positions.astype(np.float64) - np.array(grid.origin_m)) / grid.size_m * 65535
    snapped: NDArray[np.uint16] = np.rint(steps).astype(np.uint16)
    return snapped


def snapped_uvs(uvs: FloatArray) -> NDArray[np.uint16]:
    """`[V, 2]` uint16, normalized. UVs must be in [0, 1]."""
    assert uvs.min() >= 0, "UVs outside of the atlas"
    assert uvs.max() <= 1, "UVs outside of the atlas"
    return np.rint(uvs.astype(np.float64) * 65535).astype(np.uint16)


def snapped_directions(directions: FloatArray) -> NDArray[np.int8]:
    """`[V, C]` int8, normalized: unit vectors to half a degree, and a tangent's w as it is."""
    return np.rint(directions.astype(np.float64) * 127).astype(np.int8)


def in_words(rows: NDArray[np.generic]) -> NDArray[np.uint8]:
    """`[V, C]` of any type as `[V, stride]` bytes with the stride a multiple of 4, as glTF asks."""
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    return np.pad(flat, ((0, 0), (0, -flat.shape[1] % 4)))


def compressed_vertices(rows: NDArray[np.uint8]) -> bytes:
    """Encode `[V, stride]` bytes for mode ATTRIBUTES; the stride is a multiple of 4."""
    import meshoptimizer

    assert rows.flags["C_CONTIGUOUS"], "the binding would read other bytes"
    assert rows.shape[1] % 4 == 0
    assert rows.shape[1] <= _MOST_VERTEX_BYTES
    meshoptimizer.encode_vertex_version(0)  # the only one that the extension knows
    encoded: bytes = meshoptimizer.encode_vertex_buffer(rows, len(rows), rows.shape[1])
    return encoded


def compressed_triangles(faces: NDArray[np.integer], vertex_count: int) -> bytes:
    """Encode `[F, 3]` for mode TRIANGLES: the same triangles, some starting at another corner."""
    import meshoptimizer

    indices = np.ascontiguousarray(faces, np.uint32).reshape(-1)
    meshoptimizer.encode_index_version(1)  # the only one that the extension knows
    encoded: bytes = meshoptimizer.encode_index_buffer(indices, len(indices), vertex_count)
    return encoded
