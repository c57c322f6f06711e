"""From a ready task of the journal to what its worker is told, and the key of its work."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline import Stage, kept_keys
from pipeline.export.name import variant_name
from server.engine import Task, TaskKind, TaskOutcome
from server.jobs import Job, ReadyTask
from server.record import JSON, to_json


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a task does, for the stage cache: equal works of a project leave equal bytes."""

    project: str
    key: str


# The last stage that each part of a build has been through.
_STAGE_OF_PART: Mapping[str, Stage] = {"repaired": Stage.REMESH, "hulls": Stage.COLLISION}


def part_keys(task: Task) -> Mapping[str, str]:
    """Return the keys of the parts of a build by their names; none for other tasks."""
    if task.kind is not TaskKind.BUILD:
        return {}
    assert task.source is not None
    return kept_keys(
        task.source.sha256, task.options, generated=task.is_generated, has_size=task.has_size
    )


def may_take_part(job: Job, part: str) -> bool:
    """Whether a build of a job may start from a part that is kept."""
    if job.spec.ignore_cache:
        return False
    order = list(Stage)
    return job.from_stage is None or order.index(_STAGE_OF_PART[part]) < order.index(job.from_stage)


def task_of(ready: ReadyTask) -> Task:
    """Return what the worker of a task needs."""
    spec = ready.job.spec
    variant, asset_name = 0, spec.asset_name
    match ready.kind:
        case TaskKind.IMPORT:
            source = spec.mesh or spec.shape
        case TaskKind.GENERATE:
            source = ready.outcomes[-1].surfaces[0] if ready.outcomes else None
        case TaskKind.BUILD:
            variant = ready.position - spec.plan.index(TaskKind.BUILD)
            source = _before_build(ready).surfaces[variant]
            asset_name = variant_name(spec.asset_name, variant, spec.variant_count)
    # Each asset's report tells of its own making, not of the variants built before it.
    earlier = [o for kind, o in zip(spec.plan, ready.outcomes) if kind is not TaskKind.BUILD]  # noqa: B905
    return Task(
        job_uid=ready.job.uid,
        kind=ready.kind,
        attempt=ready.attempt,
        asset_name=asset_name,
        prompt=spec.prompt,
        source=source,
        images=spec.images,
        seeds=spec.seeds,
        variant=variant,
        model=spec.model,
        adapter=spec.adapter,
        adapter_strength=spec.adapter_strength,
        options=spec.options,
        is_generated=spec.is_generated,
        has_size=not spec.is_generated or spec.shape is not None,
        recipe=_recipe(ready, variant),
        earlier_records=tuple(record for outcome in earlier for record in outcome.records),
        earlier_warnings=tuple(text for outcome in earlier for text in outcome.warnings),
    )


def _before_build(ready: ReadyTask) -> TaskOutcome:
    """What the task left that the builds go on from."""
    return ready.outcomes[ready.job.spec.plan.index(TaskKind.BUILD) - 1]


def _recipe(ready: ReadyTask, variant: int) -> dict[str, JSON]:
    """Return what the report says about where the asset comes from."""
    spec = ready.job.spec
    recipe: dict[str, JSON] = {}
    if spec.prompt is not None:
        recipe["prompt"] = spec.prompt
    if spec.mesh is not None:
        recipe["input_sha256"] = spec.mesh.sha256
    if spec.images:
        recipe["input_sha256"] = spec.images[0].sha256
    if spec.more_images:
        recipe["more_input_sha256"] = [image.sha256 for image in spec.more_images]
    if spec.shape is not None:
        recipe["shape_sha256"] = spec.shape.sha256
    if spec.adapter is not None:
        recipe["adapter_sha256"] = spec.adapter.sha256
        recipe["adapter_strength"] = spec.adapter_strength
    if spec.is_generated:
        recipe["seed"] = spec.seed
    if ready.kind is TaskKind.BUILD:
        before = _before_build(ready)
        if before.model is not None:
            recipe["model"] = to_json(before.model)
        if before.seeds:
            recipe["seed"] = before.seeds[variant]
            recipe["slat_sha256"] = before.slats[variant].sha256
        recipe["surface_sha256"] = before.surfaces[variant].sha256
        beside = [artifact for artifact in before.artifacts if artifact.variant == variant]
        if beside:
            recipe["made_beside"] = {one.file_name: one.digest.sha256 for one in beside}
    return recipe
