"""The first half of a build: a dense surface cleaned and in its place, and its pieces.

Nothing here depends on the budgets of LODs, so what it makes can be kept for another export.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.export.name import part_names
from pipeline.options import AssetOptions
from pipeline.place import Placement, placement
from pipeline.report import Json
from pipeline.scene import assembled, part_of, together, transformed
from pipeline.types import FloatArray, IntArray, Mesh, PartOf, Progress, Stage, Surface

if TYPE_CHECKING:
    from pipeline.mesh.remeshing.remesh import RemeshOptions
    from pipeline.mesh.repairing.repair import RepairOptions, RepairResult

GENERATED_SIZE_M = 1.0  # longest side of a generated asset, unless a size is asked for


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part on its way through the stages: repaired, alone, at its first placement.

    name: "" for an asset that is not kept in parts. placements: as in `Part`.
    labels: `[F]` int32, the material of each face; None if there is only one, or the faces are new.
    counts: what repair did, for the report.
    """

    name: str
    mesh: Mesh
    labels: IntArray | None
    placements: NDArray[np.float64]
    counts: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """surface: What is baked from, without its parts. pieces: What LODs and hulls are cut from, at
    least one."""

    surface: Surface
    pieces: tuple[Piece, ...]

    @property
    def drawn(self) -> Mesh:
        """All copies of all pieces, as one mesh."""
        return _as_drawn(self.pieces)


def repaired(
    surface: Surface,
    repair_options: "RepairOptions",
    options: AssetOptions,
    progress: Progress,
    *,
    has_size: bool,
) -> Repaired:
    """Repair a stored surface, put it in its place, and remesh it if that is asked for.

    Args:
        surface: As it is stored.
        repair_options: How thorough; instead of `options.repair`.
        options: `parts.mode`, `place` and `remesh` count.
        progress: Told of REPAIR and REMESH.
        has_size: Whether the surface's size means something.

    Raises:
        InvalidInput: If no triangle has an area, or the asset cannot get the size it shall have.
    """
    if options.parts.mode == "merged":
        surface = assembled(surface)
    surface, pieces = _cleaned(surface, repair_options, progress)
    # Only now: with a speck below it, a generated asset would float above the ground.
    place = placement(
        _as_drawn(pieces),
        options.place,
        longest_side_m=None if has_size else GENERATED_SIZE_M,
    )
    placed = [_placed(piece, place) for piece in pieces]
    return Repaired(
        surface=place.moved(surface),
        pieces=tuple(
            _remeshed(piece, options.remesh, PartOf(progress, index, len(placed)))
            for index, piece in enumerate(placed)
        ),
    )


def _cleaned(
    surface: Surface, options: "RepairOptions", progress: Progress
) -> tuple[Surface, list[Piece]]:
    """Repair each part alone; parts without an area are left out, with a warning."""
    from pipeline.mesh.repairing.repair import repair, turned_alike, without_interior

    if not surface.parts:
        repaired = repair(surface.mesh, options, progress, normals=_own_normals(surface))
        whole = Piece(
            name="",
            mesh=repaired.mesh,
            labels=_labels(surface, repaired),
            placements=np.eye(4)[None],
            counts=asdict(repaired.counts),
        )
        return without_interior(turned_alike(surface, repaired), repaired), [whole]
    pieces: list[Piece] = []
    cleaned: list[Surface] = []
    names = part_names([part.name for part in surface.parts])
    for index, (part, name) in enumerate(zip(surface.parts, names, strict=True)):
        alone = part_of(surface, index)
        try:
            repaired = repair(
                alone.mesh,
                options,
                PartOf(progress, index, len(names)),
                normals=_own_normals(alone),
            )
        except InvalidInput:
            progress.warn(Stage.REPAIR, f"the part {part.name} has no area and is left out")
            continue
        cleaned.append(without_interior(turned_alike(alone, repaired), repaired))
        pieces.append(
            Piece(
                name=name,
                mesh=repaired.mesh,
                labels=_labels(alone, repaired),
                placements=part.placements,
                counts=asdict(repaired.counts),
            )
        )
    if not pieces:
        raise InvalidInput("no triangle of the mesh has an area: check the scale of the export")
    return together(cleaned), pieces


def _own_normals(surface: Surface) -> FloatArray | None:
    return surface.normals if surface.has_own_normals else None


def _labels(surface: Surface, repaired: "RepairResult") -> IntArray | None:
    """The material of each repaired face. A filled hole has that of a face beside it."""
    if len(surface.materials) < 2:
        return None
    faces, source = repaired.mesh.faces, repaired.face_source
    is_new = source < 0
    labels: IntArray = np.where(is_new, -1, surface.face_materials[source]).astype(np.int32)
    beside = np.full(len(repaired.mesh.positions), -1, np.int32)
    beside[faces[~is_new]] = labels[~is_new, None]
    labels[is_new] = beside[faces[is_new]].max(axis=1)
    return labels


def _remeshed(piece: Piece, options: "RemeshOptions", progress: Progress) -> Piece:
    from pipeline.mesh.remeshing.remesh import remesh

    mesh = remesh(piece.mesh, options, progress)
    return piece if mesh is piece.mesh else replace(piece, mesh=mesh, labels=None)


def _placed(piece: Piece, place: Placement) -> Piece:
    return replace(piece, mesh=place.moved(piece.mesh), placements=place.matrix @ piece.placements)


def _as_drawn(pieces: Sequence[Piece]) -> Mesh:
    """All copies of all pieces, as one mesh."""
    from pipeline.mesh.lods.parts import joined

    meshes = []
    for piece in pieces:
        back = np.linalg.inv(piece.placements[0]) if len(piece.placements) > 1 else np.eye(4)
        meshes.append(piece.mesh)
        for there in piece.placements[1:]:
            move = there @ back
            positions = transformed(piece.mesh.positions, move[:3, :3]) + move[:3, 3]
            meshes.append(replace(piece.mesh, positions=positions.astype(np.float32)))
    return joined(meshes)[0]
