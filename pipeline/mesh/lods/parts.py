"""The parts of an asset: joined into one mesh, and sharing the triangles of a LOD."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.mesh.lods.lod_options import MIN_BUDGET
from pipeline.mesh.measuring.measure import face_areas
from pipeline.types import IntArray, Mesh


@dataclass(frozen=True, kw_only=True)
class PartMesh:
    """One part of an asset on its way to LODs.

    labels: `[F]` int32, the material of each face; None if they have all the same.
    weight: how much it matters; 2 counts its errors or its area twice.
    copies: how often it is drawn. Budgets count triangles as drawn.
    """

    mesh: Mesh
    labels: IntArray | None = None
    weight: float = 1.0
    copies: int = 1


def joined(meshes: Sequence[Mesh]) -> tuple[Mesh, IntArray]:
    """All meshes as one, and per face which of them it is from. A single one stays itself."""
    counts = [len(mesh.faces) for mesh in meshes]
    face_parts = np.repeat(np.arange(len(meshes), dtype=np.int32), counts)
    if len(meshes) == 1:
        return meshes[0], face_parts
    starts = np.cumsum([0, *(len(mesh.positions) for mesh in meshes[:-1])])
    whole = Mesh(
        positions=np.concatenate([mesh.positions for mesh in meshes]),
        faces=np.concatenate(
            [mesh.faces + np.int32(start) for mesh, start in zip(meshes, starts, strict=True)]
        ),
    )
    return whole, face_parts


def split_by_area(parts: Sequence[PartMesh], triangle_count: int) -> list[int]:
    """Give each part its share of the triangles, by weighted area; what one cannot use, others get.

    Args:
        parts: As they are now.
        triangle_count: How many triangles all their copies together may have.

    Returns:
        Per part, how many triangles one copy may have: at least 4, never more than it has. Where
        not even 4 are left for each, the least important get 0.
    """
    sizes = np.array([len(part.mesh.faces) for part in parts], np.int64)
    copies = np.array([part.copies for part in parts], np.int64)
    areas = np.array([float(face_areas(part.mesh).sum()) for part in parts])
    claims = np.array([part.weight for part in parts]) * areas * copies
    least = np.minimum(sizes, MIN_BUDGET)
    shares = np.zeros(len(parts), np.int64)
    is_open = np.zeros(len(parts), bool)
    room = triangle_count
    for index in np.argsort(-claims, kind="stable"):
        if least[index] * copies[index] <= room:
            is_open[index] = True
            room -= int(least[index] * copies[index])
    # First those that get more than their claim are settled, then those that can use less.
    for limits, is_beyond in ((least, np.less_equal), (sizes, np.greater_equal)):
        while is_open.any():
            room = triangle_count - int((shares * copies).sum())
            wanted = room * claims / (max(claims[is_open].sum(), 1e-300) * copies)
            settled = is_open & is_beyond(wanted, limits)
            if not settled.any():
                break
            shares[settled] = limits[settled]
            is_open &= ~settled
    if is_open.any():
        room = triangle_count - int((shares * copies).sum())
        wanted = room * claims / (max(claims[is_open].sum(), 1e-300) * copies)
        shares[is_open] = wanted[is_open].astype(np.int64)
    return [int(share) for share in shares]
