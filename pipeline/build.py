"""From a dense surface to the engine-ready asset: the second half of a job, its stages in order."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from pipeline.atlas import textured
from pipeline.collisions import CollisionsAhead
from pipeline.export.name import asset_name
from pipeline.kept import REPAIRED, Keeping, kept_or_made, repair_options
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.options import AssetOptions
from pipeline.pictures.options import PictureKind
from pipeline.quality.provenance import (
    inputs_of,
    provenance_record,
    read_record,
    sealed,
    told_recipe,
)
from pipeline.repaired import Piece, Repaired, repaired
from pipeline.report import (
    Json,
    StageMeter,
    StageRecord,
    collision_facts,
    keeps_budgets,
    library_versions,
    report_json,
)
from pipeline.scene import frame_of
from pipeline.stored_parts import repaired_from_bytes, repaired_to_bytes
from pipeline.stored_surface import surface_from_bytes
from pipeline.types import (
    Artifact,
    Collision,
    LodMeasure,
    Material,
    Mesh,
    PartOf,
    Progress,
    Stage,
    UnwrappedMesh,
)

if TYPE_CHECKING:
    from pipeline.export.asset import ExportedFile
    from pipeline.export.parts import Billboard, ExportPart
    from pipeline.mesh.charts.measure_uvs import UvMeasure
    from pipeline.mesh.lods.lod import Lod


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What to build.

    surface: The stored dense surface. generated: Whether it comes from the model, which decides how
    thorough repair is. has_size: Whether its size means something. recipe: Goes into the report.
    earlier: Stages done before. kept: `Build.kept` of earlier builds, by part, of the same
    `kept_keys`.
    """

    name: str
    surface: bytes
    options: AssetOptions
    generated: bool
    has_size: bool
    recipe: Mapping[str, Json]
    earlier: tuple[StageRecord, ...] = ()
    earlier_warnings: tuple[str, ...] = ()
    kept: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Build:
    """What `build_asset` makes.

    kept: the parts that were made here, by name: for another export of the same surface, see
        `kept_keys`.
    """

    artifacts: tuple[Artifact, ...]
    kept: Mapping[str, bytes]


def build_asset(request: BuildRequest, meter: StageMeter) -> Build:
    """Turn a dense surface into an engine-ready asset: GLB, report and preview.

    All files but the report, which tells times, have the same bytes whether parts were kept or not.
    """
    from pipeline.export.asset import check_tools, export_asset, preview_glb
    from pipeline.export.parts import Billboard
    from pipeline.mesh.lods.lod import build_lods, measure_lods, sphere_diameter
    from pipeline.mesh.lods.parts import PartMesh, joined
    from pipeline.pictures.viewpoint import PREVIEW_PX
    from pipeline.preview import preview_sheet, render_clay, render_textured
    from pipeline.quality.materials import material_facts

    options = replace(  # as the report gives them
        request.options, repair=repair_options(request.options, generated=request.generated)
    )
    check_tools(options.export)
    file_name = asset_name(request.name)
    cleaned, new_repaired = _cleaned(request, meter)
    surface, pieces = cleaned.surface, cleaned.pieces
    drawn = cleaned.drawn
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
    with CollisionsAhead(pieces, options.collision, request.kept) as hulls:
        meter.preview(Stage.REMESH, render_clay([drawn], PREVIEW_PX))
        lods = build_lods(
            parts,
            options.lod,
            meter,
            diameter_m=diameter_m,
            is_split_by_area=options.parts.share == "area",
        )
        tick = partial(meter, Stage.SIMPLIFY, 1.0)
        clay = render_clay([lod.mesh for lod in lods], PREVIEW_PX, tick)
        meter.preview(Stage.SIMPLIFY, clay)
        laid = textured(lods, surface, parts, options, meter)
        unwrapped, lods = laid.unwrapped, laid.lods
        meter.preview(Stage.BAKE, render_textured(unwrapped[0], laid.materials[0], PREVIEW_PX))
        whole, _ = joined([piece.mesh for piece in pieces])
        measures = measure_lods(lods, whole, options.lod, meter, diameter_m=diameter_m)
        collisions, new_hulls = hulls.finish(meter)
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
    inputs = inputs_of(recipe, options.provenance)
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
    return Build(artifacts=tuple(artifacts), kept={**new_repaired, **new_hulls})


def _cleaned(request: BuildRequest, meter: StageMeter) -> tuple[Repaired, Mapping[str, bytes]]:
    """The repaired surface and, if it was made here, its bytes."""
    options = request.options
    meter(Stage.REPAIR, 0.0)
    surface = surface_from_bytes(request.surface)
    part = Keeping(
        name=REPAIRED,
        stages=(Stage.REPAIR, Stage.REMESH),
        to_bytes=repaired_to_bytes,
        from_bytes=lambda content: repaired_from_bytes(content, surface),
    )
    thorough = repair_options(options, generated=request.generated)
    return kept_or_made(
        part,
        request.kept,
        lambda progress: repaired(surface, thorough, options, progress, has_size=request.has_size),
        meter,
    )


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


def _export_parts(
    pieces: Sequence[Piece], lods: Sequence["Lod"], collisions: Sequence[Collision]
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


def _repair_facts(pieces: Sequence[Piece]) -> Mapping[str, Json]:
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


def _part_facts(pieces: Sequence[Piece], lods: Sequence["Lod"]) -> list[Mapping[str, Json]]:
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
