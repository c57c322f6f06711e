"""The stages in order: the table of contents of the pipeline.

A job is two parts, so that the generator is free for the next job while the mesh work goes on:
`generate` (or `surface_from_glb`) makes a dense surface, `build_asset` makes the asset from it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.options import AssetOptions
from pipeline.place import place
from pipeline.report import Json, StageMeter, StageRecord, library_versions, report_json
from pipeline.srgb import linear_from_srgb
from pipeline.stored_surface import surface_from_bytes, surface_to_bytes
from pipeline.types import Artifact, Material, Progress, Stage, Surface

if TYPE_CHECKING:
    from pipeline.model.flexicubes import ColoredMesh
    from pipeline.model.weights import Models

STARTER = Path(__file__).parent / "starter"
GENERATED_SIZE_M = 1.0  # longest side of a generated asset, unless a height is asked for
GENERATED_ROUGHNESS = 0.8


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """What to generate. Exactly one of prompt and image; the seed is the only randomness."""

    prompt: str | None = None
    image: bytes | None = None
    seed: int = 0
    options: AssetOptions = field(default_factory=AssetOptions)

    def __post_init__(self) -> None:
        if (self.prompt is None) == (self.image is None):
            raise InvalidInput("give either a prompt or an image, not both and not neither")
        if self.prompt is not None and not self.prompt.strip():
            raise InvalidInput("the prompt is empty; say what to make, for example 'a barrel'")


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What to build.

    surface: The stored dense surface. generated: Whether it comes from the model, which decides
    size and how thorough repair is. recipe: Goes into the report. earlier: Stages done before.
    """

    name: str
    surface: bytes
    options: AssetOptions
    generated: bool
    recipe: Mapping[str, Json]
    earlier: tuple[StageRecord, ...] = ()
    earlier_warnings: tuple[str, ...] = ()


def load_models(folder: Path, device: str) -> "Models":
    """Load a model folder; raises ModelUnavailable naming what is wrong with it."""
    from pipeline.model import weights

    return weights.load_models(folder, device)


def generate(request: GenerateRequest, models: "Models", progress: Progress) -> bytes:
    """Sample a dense colored surface and store it."""
    import torch

    from pipeline.model import generate as model
    from pipeline.preprocess import preprocess

    options = request.options
    rng = torch.Generator("cpu").manual_seed(request.seed)
    if request.prompt is not None:
        progress(Stage.PREPROCESS, 1.0)
        condition = model.condition_on_text(models, request.prompt, progress)
    else:
        assert request.image is not None
        picture = preprocess(request.image, model.picture_size_px(models), progress)
        condition = model.condition_on_picture(models, picture, progress)
    voxels = model.sample_sparse_structure(
        models, condition, options.sparse_structure, rng, progress
    )
    slat = model.sample_slat(models, condition, voxels, options.slat, rng, progress)
    surface = _colored_surface(model.decode(models, slat, progress))
    _show_surface(surface, Stage.DECODE, progress)
    return surface_to_bytes(surface)


def surface_from_glb(content: bytes, progress: Progress) -> bytes:
    """Read an uploaded GLB with its materials and store it as a dense surface."""
    from pipeline.read_glb import read_glb

    surface = read_glb(content, progress)
    _show_surface(surface, Stage.PREPROCESS, progress)
    return surface_to_bytes(surface)


def build_asset(request: BuildRequest, meter: StageMeter) -> tuple[Artifact, ...]:
    """Turn a dense surface into an engine-ready asset: GLB, report and preview."""
    from pipeline.export.glb import export_glb
    from pipeline.export.name import asset_name
    from pipeline.mesh.collision import DECOMPOSE_TRIANGLES, hulls
    from pipeline.mesh.lod import build_lods, measure_lods
    from pipeline.mesh.remesh import remesh
    from pipeline.mesh.repair import RepairOptions, repair, turned_alike
    from pipeline.mesh.unwrap import unwrap
    from pipeline.preview import preview_sheet
    from pipeline.texture.bake import bake

    default_repair = (
        RepairOptions.for_generated() if request.generated else RepairOptions.for_upload()
    )
    repair_options = request.options.repair or default_repair
    options = replace(request.options, repair=repair_options)  # as the report gives them
    meter(Stage.REPAIR, 0.0)
    surface = surface_from_bytes(request.surface)
    repaired = repair(surface.mesh, repair_options, meter)
    surface = turned_alike(surface, repaired)
    # Only now: with a speck below it, a generated asset would float above the ground.
    body, longest_side_m = repaired.mesh, GENERATED_SIZE_M if request.generated else None
    surface = place(surface, options.place, longest_side_m=longest_side_m, body=body)
    mesh = place(body, options.place, longest_side_m=longest_side_m)
    mesh = remesh(mesh, options.remesh, meter)
    lods = build_lods(mesh, options.lod, meter)
    unwrapped = unwrap(lods, options.unwrap, meter)  # own charts each, one atlas
    baked = bake(unwrapped, surface, options.unwrap.texture_size, options.bake, meter)
    measures = measure_lods(unwrapped, mesh, options.lod, meter)
    # The coarsest LOD that is fine enough, so that the hulls do not depend on the budgets.
    fine = [lod for lod in lods if len(lod.faces) >= DECOMPOSE_TRIANGLES]
    collision = hulls((fine or lods[:1])[-1], options.collision, meter)
    glb = export_glb(
        request.name, unwrapped, measures, baked.material, collision, options.export, meter
    )
    preview = preview_sheet(glb, lambda: meter(Stage.EXPORT, 1.0))
    meter.preview(Stage.EXPORT, preview)
    meter(Stage.EXPORT, 1.0)

    file_name = asset_name(request.name)
    outputs = {f"{file_name}.glb": glb, f"{file_name}.preview.png": preview}
    report = report_json(
        name=file_name,
        recipe={**request.recipe, "options": asdict(options), "versions": library_versions()},
        records=(*request.earlier, *meter.finish()),
        repair=asdict(repaired.counts),
        lods=measures,
        hull_count=len(collision),
        missed_texel_ratio=baked.miss_ratio,
        size_m=np.ptp(mesh.positions, axis=0).tolist(),
        outputs=outputs,
        warnings=(*request.earlier_warnings, *meter.warnings),
    )
    return (
        Artifact(
            role="model",
            file_name=f"{file_name}.glb",
            media_type="model/gltf-binary",
            content=glb,
        ),
        Artifact(
            role="report",
            file_name=f"{file_name}.report.json",
            media_type="application/json",
            content=report,
        ),
        Artifact(
            role="preview",
            file_name=f"{file_name}.preview.png",
            media_type="image/png",
            content=preview,
        ),
    )


def _colored_surface(mesh: "ColoredMesh") -> Surface:
    from pipeline.mesh.vertex_normals import vertex_normals
    from pipeline.model.generate import to_gltf_space

    positions = to_gltf_space(mesh.vertices)
    linear = linear_from_srgb(mesh.attributes[:, :3].astype(np.float64))
    colors = np.concatenate([linear, np.ones((len(linear), 1))], axis=1)
    return Surface(
        positions=positions,
        faces=mesh.faces,
        normals=vertex_normals(positions, mesh.faces, np.arange(len(positions), dtype=np.int32)),
        colors=colors.astype(np.float32),
        face_materials=np.zeros(len(mesh.faces), np.int32),
        materials=(Material(name="generated", roughness_factor=GENERATED_ROUGHNESS),),
    )


def _show_surface(surface: Surface, stage: Stage, progress: Progress) -> None:
    """Offer a picture as soon as geometry exists, before any texture work."""
    from pipeline.preview import render_surface

    progress.preview(stage, render_surface(surface, size_px=256))
