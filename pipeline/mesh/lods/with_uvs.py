"""LODs on the vertices of the finest one: they keep its charts, and with them its textures.

Vertices are taken as they are, so chart borders stay where they are and hold the collapse up: what
a new unwrap and a bake per LOD gain is in ADR 0018. This is for meshes whose own UVs are to be
kept, and for one atlas that is LOD0's.

Source: meshoptimizer, Kapoulkine, 2016-2024: `meshopt_simplifyWithAttributes`.
"""

import ctypes
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BudgetUnreachable
from pipeline.threads import polled
from pipeline.types import IntArray, UnwrappedMesh

# Against a position's error in units of the mesh's size. Higher ones keep texture and shading, and
# give up shape for them.
_UV_WEIGHT, _NORMAL_WEIGHT = 1.0, 0.5

_NO_LIMIT = 1e9  # of the error: the number of triangles rules


def reduced_with_uvs(
    mesh: UnwrappedMesh, target_count: int, tick: Callable[[], None]
) -> tuple[UnwrappedMesh, IntArray]:
    """Reduce a mesh to at most `target_count` triangles on some of its own vertices.

    Returns:
        The mesh, whose `face_source` numbers its own faces, and `[V]` which vertex of the input
        each of its vertices is. The input itself if it has no more triangles than that.

    Raises:
        BudgetUnreachable: If chart borders and parts hold it above the target.
    """
    if len(mesh.faces) <= target_count:
        return mesh, np.arange(len(mesh.positions), dtype=np.int32)
    faces = polled(lambda: _simplified(mesh, target_count), tick)
    if not 0 < len(faces) <= target_count:
        raise BudgetUnreachable(
            f"{target_count} triangles cannot be reached on the charts that are there, "
            f"only {len(faces)}: unwrap anew with uv=unwrap and atlas=packed",
            max(len(faces), 1),
        )
    vertices, faces_of_used = np.unique(faces, return_inverse=True)
    return (
        UnwrappedMesh(
            positions=mesh.positions[vertices],
            normals=mesh.normals[vertices],
            tangents=mesh.tangents[vertices],
            uvs=mesh.uvs[vertices],
            faces=faces_of_used.reshape(-1, 3).astype(np.int32),
            face_source=np.arange(len(faces), dtype=np.int32),
        ),
        vertices.astype(np.int32),
    )


def _simplified(mesh: UnwrappedMesh, target_count: int) -> IntArray:
    """`[F, 3]` int32: what is left of the faces, on the same vertices."""
    from meshoptimizer._loader import lib  # the binding's own function does not work, see below

    size = float(np.ptp(mesh.positions, axis=0).max())
    attributes = np.ascontiguousarray(
        np.concatenate([mesh.uvs, mesh.normals], axis=1, dtype=np.float32)
    )
    weights = np.array([_UV_WEIGHT] * 2 + [_NORMAL_WEIGHT] * 3, np.float32)
    indices = np.ascontiguousarray(mesh.faces, np.uint32).reshape(-1)
    positions = np.ascontiguousarray(mesh.positions / np.float32(size or 1.0), np.float32)
    left = np.empty_like(indices)
    call = lib.meshopt_simplifyWithAttributes
    # Without argument types, as the binding calls it, sizes are passed as 32-bit numbers.
    call.restype = ctypes.c_size_t
    call.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t,
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t,
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_float, ctypes.c_uint, ctypes.c_void_p,
    ]  # fmt: skip

    def at(array: NDArray[np.generic]) -> int:
        return int(array.ctypes.data)

    count = call(
        at(left), at(indices), len(indices),
        at(positions), len(positions), positions.strides[0],
        at(attributes), attributes.strides[0], at(weights), len(weights),
        None, 3 * target_count, _NO_LIMIT, 0, None,
    )  # fmt: skip
    faces: IntArray = left[:count].reshape(-1, 3).astype(np.int32)
    return faces
