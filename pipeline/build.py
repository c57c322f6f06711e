"""From a dense surface to the engine-ready asset: the second half of a job, its stages in order."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.atlas import textured
from pipeline.errors import InvalidInput
from pipeline.export.name import asset_name, part_names
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.options import AssetOptions
from pipeline.pictures.options import PictureKind
from pipeline.place import Placement, placement
from pipeline.quality.provenance import (
    inputs_of,
    provenance_record,
    read_record,
    sealed,
    told_recipe,
)
from pipeline.report import (
    Json,
    StageMeter,
    StageRecord,
    collision_facts,
    keeps_budgets,
    library_versions,
    report_json,
)
from pipeline.scene import assembled, frame_of, part_of, together, transformed
from pipeline.stored_surface import surface_from_bytes
from pipeline.types import (
    Artifact,
    Collision,
    FloatArray,
    IntArray,
    LodMeasure,
    Material,
    Mesh,
    PartOf,
    Progress,
    Stage,
    Surface,
    UnwrappedMesh,
)

if TYPE_CHECKING:
    from pipeline.export.asset import ExportedFile
    from pipeline.export.parts import Billboard, ExportPart
    from pipeline.mesh.charts.measure_uvs import UvMeasure
    from pipeline.mesh.hulls.collision import CollisionOptions
    from pipeline.mesh.lods.lod import Lod
    from pipeline.mesh.remeshing.remesh import RemeshOptions
    from pipeline.mesh.repairing.repair import RepairOptions, RepairResult

GENERATED_SIZE_M = 1.0  # longest side of a generated asset, unless a size is asked for


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What to build.

    surface: The stored dense surface. generated: Whether it comes from the model, which decides how
    thorough repair is. has_size: Whether its size means something. recipe: Goes into the report.
    earlier: Stages done before.
    """

    name: str
    surface: bytes
    options: AssetOptions
    generated: bool
    has_size: bool
    recipe: Mapping[str, Json]
    earlier: tuple[StageRecord, ...] = ()
    earlier_warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Piece:
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


def build_asset(request: BuildRequest, meter: StageMeter) -> tuple[Artifact, ...]:
    """Turn a dense surface into an engine-ready asset: GLB, report and preview."""
    from pipeline.export.asset import check_tools, export_asset, preview_glb
    from pipeline.export.parts import Billboard
    from pipeline.mesh.lods.lod import build_lods, measure_lods, sphere_diameter
    from pipeline.mesh.lods.parts import PartMesh, joined
    from pipeline.mesh.repairing.repair import RepairOptions
    from pipeline.preview import preview_sheet
    from pipeline.quality.materials import material_facts

    default_repair = (
        RepairOptions.for_generated() if request.generated else RepairOptions.for_upload()
    )
    repair_options = request.options.repair or default_repair
    options = replace(request.options, repair=repair_options)  # as the report gives them
    check_tools(options.export)
    file_name = asset_name(request.name)
    meter(Stage.REPAIR, 0.0)
    surface = surface_from_bytes(request.surface)
    if options.parts.mode == "merged":
        surface = assembled(surface)
    surface, pieces = _repaired(surface, repair_options, meter)
    # Only now: with a speck below it, a generated asset would float above the ground.
    place = placement(
        _as_drawn(pieces),
        options.place,
        longest_side_m=None if request.has_size else GENERATED_SIZE_M,
    )
    surface, pieces = place.moved(surface), [_placed(piece, place) for piece in pieces]
    pieces = [
        _remeshed(piece, options.remesh, PartOf(meter, i, len(pieces)))
        for i, piece in enumerate(pieces)
    ]
    drawn = _as_drawn(pieces)
    diameter_m = sphere_diameter(drawn)
    parts = [
        PartMesh(
            mesh=piece.mesh,
            labels=piece.labels,
            weight=options.parts.weight_of(piece.name),
            copies=len(piece.placements),
        )
        for piece in pieces
    ]
    lods = build_lods(
        parts,
        options.lod,
        meter,
        diameter_m=diameter_m,
        is_split_by_area=options.parts.share == "area",
    )
    laid = textured(lods, surface, parts, options, meter)
    unwrapped, lods = laid.unwrapped, laid.lods
    whole, _ = joined([piece.mesh for piece in pieces])
    measures = measure_lods(lods, whole, options.lod, meter, diameter_m=diameter_m)
    collisions = _collisions(pieces, lods, options.collision, meter)
    exported = _export_parts(pieces, lods, collisions)
    billboard: Billboard | None = None
    more: tuple[Artifact, ...] = ()
    if options.lod.impostor:
        billboard, more, measures = _billboard(
            file_name, unwrapped[0], laid.materials[0], measures, options.lod, meter
        )
    recipe = told_recipe(
        {**request.recipe, "options": asdict(options), "versions": library_versions()},
        options.provenance,
    )
    inputs = inputs_of(recipe)
    files = export_asset(
        request.name,
        unwrapped,
        measures,
        laid.materials,
        exported,
        options.export,
        PartOf(meter, 0, 2),
        billboard=billboard,
    )
    record = provenance_record(recipe, inputs, options.provenance)
    artifacts = [_artifact(file, record) for file in files]
    glb = artifacts[0].content
    shown = glb
    if not options.export.has_all_lods_plain:
        shown = preview_glb(
            request.name,
            unwrapped,
            measures,
            laid.materials,
            exported,
            PartOf(meter, 1, 2),
            billboard=billboard,
        )
    preview = preview_sheet(shown, lambda: meter(Stage.EXPORT, 1.0))
    meter.preview(Stage.EXPORT, preview)
    meter(Stage.EXPORT, 1.0)
    artifacts.append(
        Artifact(
            role="preview",
            file_name=f"{file_name}.preview.png",
            media_type="image/png",
            content=preview,
        )
    )
    artifacts += more
    for kind in options.pictures.more:
        artifacts += _pictures(file_name, kind, shown, len(measures), meter)
    sections: dict[str, Json] = {
        "size_m": [round(float(side), 6) for side in np.ptp(drawn.positions, axis=0)],
        "lods": [asdict(measure) for measure in measures],
        "topology": [_topology_facts(mesh) for mesh in laid.whole],
        "uv": _uv_facts(laid.uv_measure),
        "materials": material_facts(glb),
        "collision": collision_facts(collisions),
        "parts": _part_facts(pieces, lods),
        "repair": _repair_facts(pieces),
        "inputs": [asdict(one) for one in inputs],
        "provenance": cast("Json", read_record(glb)),
    }
    if laid.bake_measure is not None:
        sections["bake"] = asdict(laid.bake_measure)
    report = report_json(
        name=file_name,
        recipe=recipe,
        records=(*request.earlier, *meter.finish()),
        outputs={artifact.file_name: artifact.content for artifact in artifacts},
        warnings=(*request.earlier_warnings, *meter.warnings),
        passed=keeps_budgets(measures),
        sections=sections,
    )
    artifacts.insert(
        1,
        Artifact(
            role="report",
            file_name=f"{file_name}.report.json",
            media_type="application/json",
            content=report,
        ),
    )
    return tuple(artifacts)


def _pictures(
    file_name: str, kind: PictureKind, glb: bytes, lod_count: int, progress: Progress
) -> list[Artifact]:
    """A picture that was asked for; none where there is nothing to compare."""
    from pipeline.pictures.error_sheet import error_sheet
    from pipeline.pictures.switch_sheet import switch_sheet
    from pipeline.pictures.turntable import turntable
    from pipeline.pictures.uv_sheet import uv_sheet

    def tick() -> None:
        progress(Stage.EXPORT, 1.0)

    match kind:
        case "turntable":
            content = turntable(glb, tick=tick)
        case "charts":
            content = uv_sheet(glb, tick=tick)
        case _ if lod_count < 2:
            progress.warn(Stage.EXPORT, f"no picture of {kind}: there is one LOD only")
            return []
        case "switches":
            content = switch_sheet(glb, tick=tick)
        case "errors":
            content = error_sheet(glb, tick=tick)
    suffix = "webp" if kind == "turntable" else "png"
    return [
        Artifact(
            role="picture",
            file_name=f"{file_name}.{kind}.{suffix}",
            media_type=f"image/{suffix}",
            content=content,
        )
    ]


def _artifact(file: "ExportedFile", record: Mapping[str, object]) -> Artifact:
    """A file as it is delivered: GLBs carry the record."""
    is_glb = file.media_type == "model/gltf-binary"
    return Artifact(
        role=file.role,
        file_name=file.file_name,
        media_type=file.media_type,
        content=sealed(file.content, record) if is_glb else file.content,
    )


def _repaired(
    surface: Surface, options: "RepairOptions", progress: Progress
) -> tuple[Surface, list[_Piece]]:
    """Repair each part alone; parts without an area are left out, with a warning."""
    from pipeline.mesh.repairing.repair import repair, turned_alike, without_interior

    if not surface.parts:
        repaired = repair(surface.mesh, options, progress, normals=_own_normals(surface))
        whole = _Piece(
            name="",
            mesh=repaired.mesh,
            labels=_labels(surface, repaired),
            placements=np.eye(4)[None],
            counts=asdict(repaired.counts),
        )
        return without_interior(turned_alike(surface, repaired), repaired), [whole]
    pieces: list[_Piece] = []
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
            _Piece(
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


def _remeshed(piece: _Piece, options: "RemeshOptions", progress: Progress) -> _Piece:
    from pipeline.mesh.remeshing.remesh import remesh

    mesh = remesh(piece.mesh, options, progress)
    return piece if mesh is piece.mesh else replace(piece, mesh=mesh, labels=None)


def _placed(piece: _Piece, place: Placement) -> _Piece:
    return replace(piece, mesh=place.moved(piece.mesh), placements=place.matrix @ piece.placements)


def _as_drawn(pieces: Sequence[_Piece]) -> Mesh:
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


def _collisions(
    pieces: Sequence[_Piece], lods: Sequence["Lod"], options: "CollisionOptions", progress: Progress
) -> list[Collision]:
    """A collision shape for each piece; together they keep the number of hulls."""
    from pipeline.mesh.hulls.collision import DECOMPOSE_TRIANGLES, collide

    # The coarsest LOD that is fine enough, so that the hulls do not depend on the budgets.
    fine = [lod for lod in lods if len(lod.mesh.faces) >= DECOMPOSE_TRIANGLES]
    lod = (fine or lods[:1])[-1]
    share = replace(options, max_hulls=max(1, options.max_hulls // len(pieces)))
    made = []
    for part, piece in enumerate(pieces):
        here = lod.face_parts == part
        body = replace(lod.mesh, faces=lod.mesh.faces[here]) if here.any() else piece.mesh
        made.append(collide(body, share, PartOf(progress, part, len(pieces))))
    return made


def _export_parts(
    pieces: Sequence[_Piece], lods: Sequence["Lod"], collisions: Sequence[Collision]
) -> list["ExportPart"]:
    from pipeline.export.parts import ExportPart

    exported = []
    for part, (piece, collision) in enumerate(zip(pieces, collisions, strict=True)):
        masks = tuple(lod.face_parts == part for lod in lods)
        if not any(mask.any() for mask in masks):
            continue  # too small for the first budget
        first = piece.placements[0]
        frame = frame_of(first) if piece.name else np.eye(4)
        placements = [frame]
        if len(piece.placements) > 1:
            back = np.linalg.inv(first) @ frame
            placements += [there @ back for there in piece.placements[1:]]
        exported.append(
            ExportPart(
                name=piece.name,
                face_masks=masks,
                frame=frame,
                placements=np.stack(placements),
                hulls=collision.hulls,
            )
        )
    return exported


def _billboard(
    file_name: str,
    lod: UnwrappedMesh,
    material: Material,
    measures: tuple[LodMeasure, ...],
    options: LodOptions,
    progress: Progress,
) -> tuple["Billboard", tuple[Artifact, ...], tuple[LodMeasure, ...]]:
    """The billboard behind the last LOD, the file that belongs to it, and the measures with the
    last LOD's coverage where the billboard takes over: as long as its texels are no pixels."""
    from pipeline.export.parts import Billboard
    from pipeline.export.textures import png
    from pipeline.impostor import ImpostorOptions, bake_impostor
    from pipeline.mesh.lods.lod import COVERAGE_STEP, CULL_COVERAGE

    made = bake_impostor(lod, material, ImpostorOptions(), lambda: progress(Stage.EXPORT, 0.0))
    normal_depth = Artifact(
        role="impostor",
        file_name=f"{file_name}.impostor.png",
        media_type="image/png",
        content=png(made.normal_depth),
    )
    before = [1.0, *(COVERAGE_STEP * measure.screen_coverage for measure in measures[:-1])]
    taken_over_at = min(before[-1], made.largest_px / options.reference_height_px)
    billboard = Billboard(
        quad=made.quad,
        material=made.material,
        screen_coverage=min(CULL_COVERAGE, COVERAGE_STEP * taken_over_at),
        extras={
            "frames": made.options.frames,
            "layout": made.options.layout,
            "center": made.center_m,
            "radius": made.radius_m,
            "normal_depth": normal_depth.file_name,
        },
    )
    last = replace(measures[-1], screen_coverage=taken_over_at)
    return billboard, (normal_depth,), (*measures[:-1], last)


def _repair_facts(pieces: Sequence[_Piece]) -> Mapping[str, Json]:
    if not pieces[0].name:
        return pieces[0].counts
    return {piece.name: piece.counts for piece in pieces}


def _uv_facts(measure: "UvMeasure") -> dict[str, Json]:
    facts = asdict(measure)
    gutter_texels = facts.pop("gutter_texels")
    for lod in facts["lods"]:
        for share in ("p5", "p50", "p95"):
            lod[f"texel_density_{share}"] = lod.pop(f"texels_per_m_{share}")
        lod["gutter_texels"] = gutter_texels
    return facts


def _topology_facts(mesh: Mesh) -> dict[str, Json]:
    from pipeline.mesh.measuring.measure import topology

    counts = topology(mesh)
    return {**asdict(counts), "closed": counts.is_closed}


def _part_facts(pieces: Sequence[_Piece], lods: Sequence["Lod"]) -> list[Mapping[str, Json]]:
    """What the report says of parts; nothing of an asset that is not kept in parts."""
    return [
        {
            "name": piece.name,
            "copies": len(piece.placements),
            "triangle_counts": [int((lod.face_parts == part).sum()) for lod in lods],
        }
        for part, piece in enumerate(pieces)
        if piece.name
    ]
