"""From a request to a dense surface: the first half of a job, and its stages in order.

A job is two halves, so that the generator is free for the next job while the mesh work goes on:
`generate` (or `surface_from_glb`) makes a dense surface, `build.build_asset` the asset from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from pipeline.errors import EmptyResult, InvalidInput, OutOfMemory
from pipeline.export.name import variant_name
from pipeline.model.load_options import LoadOptions
from pipeline.options import AssetOptions
from pipeline.quality.provenance import told_recipe
from pipeline.report import Json, StageMeter, library_versions, report_json
from pipeline.stored_surface import surface_from_bytes, surface_to_bytes
from pipeline.types import Artifact, ModelFacts, PartOf, Progress, Stage

if TYPE_CHECKING:
    from pipeline.load import LoadedModels
    from pipeline.model.condition.encoder import Condition
    from pipeline.model.models import Models


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """What to generate. Exactly one of prompt and images.

    images: picture files of one object. seeds: one variant each; the only randomness.
    shape: a stored surface whose coarse shape is kept. model: which one; "" takes the first that
    fits. adapter: a LoRA file, applied with `adapter_strength`. name, recipe: for the report of
    results that no mesh is built from.
    """

    prompt: str | None = None
    images: tuple[bytes, ...] = ()
    seeds: tuple[int, ...] = (0,)
    shape: bytes | None = None
    model: str = ""
    adapter: bytes | None = None
    adapter_strength: float = 1.0
    options: AssetOptions = field(default_factory=AssetOptions)
    name: str = "Asset"
    recipe: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.prompt is None) == (not self.images):
            raise InvalidInput("give either a prompt or images, not both and not neither")
        if self.prompt is not None and not self.prompt.strip():
            raise InvalidInput("the prompt is empty; say what to make, for example 'a barrel'")
        if not self.seeds:
            raise InvalidInput("seeds is empty; give at least one")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What one seed gave.

    slat: the stored structured latents. surface: the stored dense surface, if a mesh was asked
    for. artifacts: results that need no more work.
    """

    seed: int
    slat: bytes
    surface: bytes | None
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What came of a `GenerateRequest`. model: the one that was used."""

    model: ModelFacts
    variants: tuple[Variant, ...]


def load_models(options: LoadOptions) -> "LoadedModels":
    """Find, check, load and warm up models; raises ModelUnavailable naming what is wrong."""
    from pipeline import load

    return load.load_models(options)


def generate(request: GenerateRequest, loaded: "LoadedModels", meter: StageMeter) -> Generation:
    """Sample structured latents and decode them to what was asked for.

    When memory runs out it is tried once more with less at a time.

    Raises:
        OutOfMemory: If that does not help either.
    """
    from pipeline.model.residency import is_out_of_memory

    source = "prompt" if request.prompt is not None else "image"
    models = loaded.choose(request.model, source, request.options.decode.needed_formats)
    try:
        return _generate(request, models, meter)
    except Exception as error:
        if not (is_out_of_memory(error) or isinstance(error, OutOfMemory)):
            raise
        why = str(error).partition(";")[0].splitlines()[0]
    # Outside of the handler: its traceback would keep the first try's tensors alive.
    meter.warn(Stage.QUEUED, f"memory ran out ({why}); tried again with less at a time, slower")
    try:
        return _generate(request, models.leaner(), meter)
    except Exception as error:
        if not (is_out_of_memory(error) or isinstance(error, OutOfMemory)):
            raise
        raise OutOfMemory(
            "the model needs more memory than there is, even with less at a time; "
            "ask for fewer variants or pictures, or use a smaller model",
            is_estimate=isinstance(error, OutOfMemory) and error.is_estimate,
        ) from error


def _generate(request: GenerateRequest, models: "Models", meter: StageMeter) -> Generation:
    import torch

    from pipeline.decode import decode
    from pipeline.encode.encode import coarse_shape
    from pipeline.model import generate as model
    from pipeline.model.lora import applied
    from pipeline.scene import assembled
    from pipeline.stored_slat import slat_to_bytes

    options = request.options
    multi_image = options.condition.multi_image
    rngs = [torch.Generator("cpu").manual_seed(seed) for seed in request.seeds]
    with applied(models, request.adapter, request.adapter_strength, meter):
        shape = None
        if request.shape is not None:
            part = PartOf(meter, 0, 1 + len(request.images))
            shape = coarse_shape(models, assembled(surface_from_bytes(request.shape)), part)
        condition = _condition(request, models, meter)
        if shape is None:
            voxels = model.sample_sparse_structure(
                models, condition, options.sparse_structure, multi_image, rngs, meter
            )
        else:
            voxels = [shape.coords[:, 1:]] * len(rngs)
        kept = _kept_variants(request.seeds, [len(v) for v in voxels], meter)
        slats = model.sample_slat(
            models,
            condition,
            [voxels[i] for i in kept],
            options.slat,
            multi_image,
            [rngs[i] for i in kept],
            meter,
        )
    variants: list[Variant] = []
    for number, (i, slat) in enumerate(zip(kept, slats, strict=True)):
        name = variant_name(request.name, len(variants), len(request.seeds))
        part = PartOf(meter, number, len(kept))
        try:
            surface, artifacts = decode(
                models, slat, options.decode, name, shape.cube if shape else None, part
            )
        except EmptyResult as error:
            if not variants and number + 1 == len(kept):
                raise
            meter.warn(Stage.DECODE, f"seed {request.seeds[i]} is left out: {error}")
            continue
        variants.append(
            Variant(
                seed=request.seeds[i],
                slat=slat_to_bytes(slat, models.facts.digest),
                surface=surface,
                artifacts=artifacts,
            )
        )
    if "mesh" not in options.decode.formats:  # nothing will be built that has a report
        variants = _with_reports(variants, request, models, meter)
    return Generation(model=models.facts, variants=tuple(variants))


def _condition(request: GenerateRequest, models: "Models", progress: Progress) -> "Condition":
    from pipeline.model import generate as model
    from pipeline.preprocess import preprocess

    options = request.options.condition
    if request.prompt is not None:
        progress(Stage.PREPROCESS, 1.0)
        return model.condition_on_text(models, request.prompt, options, progress)
    if options.negative_prompt:
        progress.warn(Stage.CONDITION, "the negative prompt is not used: it needs a prompt")
    size_px = model.picture_size_px(models)
    before = 0 if request.shape is None else 1  # the shape was part of the stage too
    count = before + len(request.images)
    pictures = [
        preprocess(content, size_px, PartOf(progress, before + i, count), models.matting)
        for i, content in enumerate(request.images)
    ]
    return model.condition_on_pictures(models, pictures, progress)


def _with_reports(
    variants: Sequence[Variant], request: GenerateRequest, models: "Models", meter: StageMeter
) -> list[Variant]:
    """Add a report to each; the times are those of all together."""
    records = meter.finish()
    reported = []
    for number, variant in enumerate(variants):
        name = variant_name(request.name, number, len(request.seeds))
        recipe = told_recipe(
            {
                **request.recipe,
                "seed": variant.seed,
                "model": asdict(models.facts),
                "options": asdict(request.options),
                "versions": library_versions(),
            },
            request.options.provenance,
        )
        content = report_json(
            name=name,
            recipe=recipe,
            records=records,
            outputs={artifact.file_name: artifact.content for artifact in variant.artifacts},
            warnings=meter.warnings,
            sections={},
        )
        report = Artifact(
            role="report",
            file_name=f"{name}.report.json",
            media_type="application/json",
            content=content,
        )
        reported.append(replace(variant, artifacts=(*variant.artifacts, report)))
    return reported


def _kept_variants(
    seeds: Sequence[int], voxel_counts: Sequence[int], progress: Progress
) -> list[int]:
    """Leave seeds out that gave nothing, unless all did."""
    kept = [i for i, count in enumerate(voxel_counts) if count]
    lost = ", ".join(str(seed) for i, seed in enumerate(seeds) if i not in kept)
    if not kept:
        raise EmptyResult(f"the model left no active voxel with seed {lost}; try another seed")
    if lost:
        progress.warn(
            Stage.SPARSE_STRUCTURE, f"seed {lost} gave nothing and is left out; try another seed"
        )
    return kept


def surface_from_glb(content: bytes, max_triangles: int, progress: Progress) -> bytes:
    """Read an uploaded GLB with its materials and store it as a dense surface.

    Raises:
        InvalidInput: Also if its scene has more triangles than `max_triangles`.
    """
    from pipeline.pictures.viewpoint import PREVIEW_PX
    from pipeline.preview import render_surface
    from pipeline.read_glb import ReadLimits, read_glb
    from pipeline.scene import assembled

    surface = read_glb(content, progress, limits=ReadLimits(max_triangles=max_triangles))
    picture = render_surface(assembled(surface), size_px=PREVIEW_PX)
    progress.preview(Stage.PREPROCESS, picture)
    return surface_to_bytes(surface)
