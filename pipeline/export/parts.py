"""What is exported: an asset's parts, and its LODs as they stand in each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.export.hulls import JsonObject
from pipeline.types import FloatArray, Hull, Material, UnwrappedMesh

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ExportPart:
    """One part of the asset: what it has at each LOD, where it stands, and its collision shape.

    name: "" for an asset that is not in parts.
    face_masks: per LOD `[F]` bool: which faces are its; none in the LODs it has vanished from.
    frame: `[4, 4]` float64, rotation and shift: its pivot. Its mesh is written relative to it.
    placements: `[N, 4, 4]` float64: where its pivot stands, once per copy.
    hulls: In the asset's space, at the first copy. May be empty. Written without material.
    """

    name: str
    face_masks: tuple[NDArray[np.bool_], ...]
    frame: Matrix
    placements: Matrix
    hulls: tuple[Hull, ...]

    @classmethod
    def whole(cls, lods: Sequence[UnwrappedMesh], hulls: Sequence[Hull]) -> Self:
        """The asset as one part that stands where it is."""
        return cls(
            name="",
            face_masks=tuple(np.ones(len(lod.faces), bool) for lod in lods),
            frame=np.eye(4),
            placements=np.eye(4)[None],
            hulls=tuple(hulls),
        )


@dataclass(frozen=True, kw_only=True)
class Billboard:
    """A flat last LOD. extras: what its shader has to know, goes to its node's `impostor`.

    screen_coverage: as in `LodMeasure`.
    """

    quad: UnwrappedMesh
    material: Material
    screen_coverage: float
    extras: JsonObject


def mesh_name(asset: str, part: str) -> str:
    """What the names of a part's meshes start with."""
    return f"SM_{asset}_{part}" if part else f"SM_{asset}"


def of_part(lod: UnwrappedMesh, part: ExportPart, level: int) -> UnwrappedMesh:
    """What a part has at a LOD, on the vertices that it needs, in the asset's space."""
    mask = part.face_masks[level]
    if mask.all():
        return lod
    used, faces = np.unique(lod.faces[mask], return_inverse=True)
    return UnwrappedMesh(
        positions=lod.positions[used],
        normals=lod.normals[used],
        tangents=lod.tangents[used],
        uvs=lod.uvs[used],
        faces=faces.reshape(-1, 3).astype(np.int32),
        face_source=lod.face_source[mask],
        lightmap_uvs=None if lod.lightmap_uvs is None else lod.lightmap_uvs[used],
    )


def relative_mesh(lod: UnwrappedMesh, frame: Matrix) -> UnwrappedMesh:
    """A LOD as seen from a frame of rotation and shift."""
    if np.array_equal(frame, np.eye(4)):
        return lod
    back = frame[:3, :3].T
    tangents = np.concatenate([_turned(lod.tangents[:, :3], back), lod.tangents[:, 3:]], axis=1)
    return replace(
        lod,
        positions=_turned(lod.positions - frame[:3, 3], back),
        normals=_turned(lod.normals, back),
        tangents=tangents,
    )


def copies(
    asset: str, lod: UnwrappedMesh, parts: Sequence[ExportPart], level: int
) -> list[tuple[str, UnwrappedMesh]]:
    """All copies of all parts at a LOD with their names, in the asset's space.

    For formats without a node graph. Tangents are left as they are: these formats have none.
    """
    found = []
    for part in parts:
        if not part.face_masks[level].any():
            continue
        mesh = of_part(lod, part, level)
        back = np.linalg.inv(part.frame)
        for number, placement in enumerate(part.placements):
            name = f"{mesh_name(asset, part.name)}_LOD{level}"
            if number:
                name += f"_{number + 1}"
            found.append((name, _moved(mesh, placement @ back)))
    return found


def _moved(mesh: UnwrappedMesh, matrix: Matrix) -> UnwrappedMesh:
    if np.allclose(matrix, np.eye(4), rtol=0, atol=1e-12):
        return mesh
    normals = _turned(mesh.normals, np.linalg.inv(matrix)[:3, :3].T).astype(np.float64)
    normals /= np.sqrt((normals**2).sum(axis=1, keepdims=True))
    is_mirrored = np.linalg.det(matrix[:3, :3]) < 0
    return replace(
        mesh,
        positions=(_turned(mesh.positions, matrix[:3, :3]) + matrix[:3, 3]).astype(np.float32),
        normals=normals.astype(np.float32),
        faces=mesh.faces[:, ::-1] if is_mirrored else mesh.faces,
    )


def _turned(vectors: NDArray[np.floating], rotation: NDArray[np.floating]) -> FloatArray:
    # By hand: BLAS rounds differently with the number of threads.
    x, y, z = vectors.astype(np.float64).T
    turned = np.stack([row[0] * x + row[1] * y + row[2] * z for row in rotation], axis=1)
    return turned.astype(np.float32)
