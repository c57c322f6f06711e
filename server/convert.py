"""Protobuf <-> the server's own types, both ways, nothing else.

Options convert by name: a field of an options dataclass is the field of the same name in its
message, a `Literal` value is the enum value with that ending. `test_convert.py` checks that every
option has its place in the contract.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from pipeline import AssetOptions, ModelFacts, Stage
from pipeline.mesh.lods.lod_options import LodTarget
from pipeline.mesh.repairing.repair import RepairOptions
from pipeline.scene import PartWeight
from server.artifacts import Digest
from server.engine import CollisionFit, Lod, Previewed, StoredArtifact, Warned, WorkerStatus
from server.jobs import (
    Job,
    JobError,
    JobEvent,
    JobResult,
    JobSpec,
    JobState,
    StageProgressed,
    StageState,
    StageStatus,
    StateChanged,
)
from server.pb import lodsmith_pb2 as pb
from server.refusals import InvalidRequest
from server.services.limits import Limits

T = TypeVar("T")


# Requests


def digest_from(message: pb.Digest, field: str) -> Digest:
    """Read a digest; `field` is its path in the request, for errors."""
    if len(message.sha256) != 32:
        raise InvalidRequest(
            f"{field}.sha256 must be 32 bytes, got {len(message.sha256)}", field=f"{field}.sha256"
        )
    if message.size_bytes < 0:
        raise InvalidRequest(
            f"{field}.size_bytes must not be negative, got {message.size_bytes}",
            field=f"{field}.size_bytes",
        )
    return Digest(sha256=message.sha256.hex(), size_bytes=message.size_bytes)


def spec_from(message: pb.JobSpec) -> JobSpec:
    """Read what to make. `asset_name` stays "" where the message has none."""
    source = message.WhichOneof("source")
    if source is None:
        raise InvalidRequest("spec needs a prompt, an image or a mesh", field="spec.source")
    if message.seed < 0:
        raise InvalidRequest(
            f"spec.seed must be in [0, 2^63 - 1], got {message.seed}", field="spec.seed"
        )
    if message.HasField("adapter_strength") and not message.HasField("adapter"):
        raise InvalidRequest(
            "spec.adapter_strength needs spec.adapter", field="spec.adapter_strength"
        )
    return JobSpec(
        asset_name=message.asset_name,
        prompt=message.prompt if source == "prompt" else None,
        image=digest_from(message.image, "spec.image") if source == "image" else None,
        mesh=digest_from(message.mesh, "spec.mesh") if source == "mesh" else None,
        seed=message.seed,
        options=options_from(message.options, is_generated=source != "mesh"),
        more_images=tuple(
            digest_from(image, f"spec.more_images[{index}]")
            for index, image in enumerate(message.more_images)
        ),
        variant_count=message.variant_count or 1,
        shape=digest_from(message.shape, "spec.shape") if message.HasField("shape") else None,
        model=message.model,
        adapter=(
            digest_from(message.adapter, "spec.adapter") if message.HasField("adapter") else None
        ),
        adapter_strength=(
            message.adapter_strength if message.HasField("adapter_strength") else 1.0
        ),
        **_run_fields_from(message),
    )


_LONGEST_S = 315_576_000_000.0  # what a Duration may hold
_MAX_PRIORITY = 10
_MAX_LABELS = 16
_MAX_LABEL_CHARACTERS = 64


def labels_from(labels: Mapping[str, str], field: str) -> dict[str, str]:
    """Read labels of a spec or of a filter; `field` is their path in the request.

    Raises:
        InvalidRequest: If there are too many, or one is too long or has no name.
    """
    if len(labels) > _MAX_LABELS:
        raise InvalidRequest(
            f"{field} may have at most {_MAX_LABELS} labels, got {len(labels)}", field=field
        )
    for name, value in labels.items():
        if not 1 <= len(name) <= _MAX_LABEL_CHARACTERS or len(value) > _MAX_LABEL_CHARACTERS:
            raise InvalidRequest(
                f"{field}: names have 1 to {_MAX_LABEL_CHARACTERS} characters and values at most "
                f"as many, got {name[:80]!r}: {value[:80]!r}",
                field=field,
            )
    return dict(labels)


# Any: values of several types, for the fields of `JobSpec` of the same names.
def _run_fields_from(message: pb.JobSpec) -> dict[str, Any]:
    """Read what changes nothing of what comes out."""
    if not -_MAX_PRIORITY <= message.priority <= _MAX_PRIORITY:
        raise InvalidRequest(
            f"spec.priority must be in [-{_MAX_PRIORITY}, {_MAX_PRIORITY}], got {message.priority}",
            field="spec.priority",
        )
    run_timeout_s = None
    if message.HasField("run_timeout"):
        run_timeout_s = message.run_timeout.ToMilliseconds() / 1e3
        if not 0 < run_timeout_s <= _LONGEST_S:
            raise InvalidRequest(
                f"spec.run_timeout must be in [0.001, {_LONGEST_S:.0f}] s, got {run_timeout_s:g} s",
                field="spec.run_timeout",
            )
    return {
        "priority": message.priority,
        "run_timeout_s": run_timeout_s,
        "ignore_cache": message.ignore_cache,
        "labels": labels_from(message.labels, "spec.labels"),
    }


def spec_again_from(message: pb.JobSpec, earlier: JobSpec, uid: str) -> JobSpec:
    """Read what to export again from the dense surfaces of the job `uid`, which had a spec.

    Raises:
        InvalidRequest: If the message says how the surfaces are to be made.
    """
    allowed = {
        "job", "asset_name", "options", "priority", "run_timeout", "ignore_cache", "labels",
    }  # fmt: skip
    for field, _ in message.ListFields():
        if field.name not in allowed:
            raise InvalidRequest(
                f"spec.{field.name} decides what the dense surface is, which {uid} has made "
                "already; leave it out, or make a new job",
                field=f"spec.{field.name}",
            )
    for stage in ("condition", "sparse_structure", "slat", "decode"):
        if message.options.HasField(stage):
            raise InvalidRequest(
                f"spec.options.{stage} decides what the dense surface is, which {uid} has made "
                "already; leave it out, or make a new job",
                field=f"spec.options.{stage}",
            )
    options = earlier.options
    lod = message.options.lod
    if lod.budgets or lod.targets or lod.preset:  # one takes the place of another
        options = replace(options, lod=replace(options.lod, budgets=(), targets=(), preset=None))
    return replace(
        earlier,
        asset_name=message.asset_name or earlier.asset_name,
        options=_with(options, message.options, is_generated=earlier.is_generated),
        surfaces_of=uid,
        **_run_fields_from(message),
    )


def options_from(message: pb.AssetOptions, *, is_generated: bool) -> AssetOptions:
    """Read options; what is absent has the default for this kind of source.

    Raises:
        InvalidInput: From the options themselves, for a value out of range.
        InvalidRequest: For an enum value that this server does not know.
    """
    return _with(AssetOptions(), message, is_generated=is_generated)


def _with(options: AssetOptions, message: pb.AssetOptions, *, is_generated: bool) -> AssetOptions:
    """Return `options` with what the message sets."""
    if message.HasField("repair") and options.repair is None:
        kind = RepairOptions.for_generated() if is_generated else RepairOptions.for_upload()
        options = replace(options, repair=kind)
    result = _merged(options, message, "spec.options")
    assert isinstance(result, AssetOptions)
    return result


def time_from(message: Message, field: str) -> int | None:
    """Read a timestamp in microseconds since 1970, None for an absent one."""
    if not message.HasField(field):
        return None
    time: Timestamp = getattr(message, field)
    try:
        return time.ToMicroseconds()
    except ValueError as error:
        raise InvalidRequest(f"{field} is no time: {error}", field=field) from error


def seconds_from(message: Message, field: str, least_s: float, most_s: float) -> float | None:
    """Read a duration in seconds, in [least_s, most_s]; None for an absent one."""
    if not message.HasField(field):
        return None
    duration: Duration = getattr(message, field)
    seconds = duration.seconds + duration.nanos / 1e9
    if not least_s <= seconds <= most_s:
        raise InvalidRequest(
            f"{field} must be in [{least_s:g}, {most_s:g}] s, got {seconds:g} s", field=field
        )
    return seconds


def job_state_from(state: "pb.JobState", field: str) -> JobState:
    """Read a job state."""
    if state == pb.JOB_STATE_UNSPECIFIED:
        raise InvalidRequest(
            f"{field}: JOB_STATE_UNSPECIFIED is no state of a job; leave it out", field=field
        )
    return JobState(_literal(pb.JobState.DESCRIPTOR, state, field))


# Messages that are tuples of numbers in the options, and what lists of messages are lists of.
_TUPLES = frozenset({"Interval", "Size", "Point"})
_ELEMENTS: dict[str, Any] = {"LodTarget": LodTarget, "PartWeight": PartWeight}


# Any: dataclasses and values of whatever options there are; tests walk through all of them.
def _merged(defaults: Any, message: Message, where: str) -> Any:
    """Return `defaults` with all fields replaced that `message` sets."""
    changes: dict[str, Any] = {}
    for field, value in message.ListFields():
        changes[field.name] = _value(
            getattr(defaults, field.name), field, value, f"{where}.{field.name}"
        )
    return replace(defaults, **changes)


def _built(kind: Any, message: Message, where: str) -> Any:
    """Make what has no defaults to be merged with: an element of a list."""
    values = {
        field.name: _value(None, field, value, f"{where}.{field.name}")
        for field, value in message.ListFields()
    }
    return kind(**values)


def _value(default: Any, field: Field, value: Any, where: str) -> Any:
    if field.is_repeated and field.enum_type is not None:
        return tuple(_literal(field.enum_type, number, where) for number in value)
    if field.is_repeated and field.message_type is not None:
        kind = _ELEMENTS[field.message_type.name]
        return tuple(_built(kind, item, f"{where}[{i}]") for i, item in enumerate(value))
    if field.is_repeated:
        return tuple(value)
    if field.message_type is not None and field.message_type.name in _TUPLES:
        return tuple(getattr(value, part.name) for part in field.message_type.fields)
    if field.type == Field.TYPE_MESSAGE:
        return _merged(default, value, where)
    if field.enum_type is not None:
        return _literal(field.enum_type, value, where)
    return value


def _literal(enum: EnumDescriptor, number: int, where: str) -> str:
    value = enum.values_by_number.get(number)
    if value is None:
        known = ", ".join(f"{v.name} ({v.number})" for v in enum.values if v.number)
        raise InvalidRequest(
            f"{where}: {number} is no {enum.name} that this server knows; use one of {known}",
            field=where,
        )
    return value.name.removeprefix(_prefix(enum)).lower()


def _prefix(enum: EnumDescriptor) -> str:
    """Return what all names of an enum start with: JobState -> JOB_STATE_."""
    return enum.values[0].name.removesuffix("UNSPECIFIED")


# Answers


def digest_to(digest: Digest) -> pb.Digest:
    """Write a digest."""
    return pb.Digest(sha256=bytes.fromhex(digest.sha256), size_bytes=digest.size_bytes)


def stage_from(stage: "pb.StageKind", field: str) -> Stage | None:
    """Read a stage, None for an absent one."""
    return Stage(_literal(pb.StageKind.DESCRIPTOR, stage, field)) if stage else None


def job_to(job: Job, *, log_epoch: str = "", queue_position: int | None = None) -> pb.Job:
    """Write a job as it is now. What it does not know itself is given beside it."""
    details = job.details
    return pb.Job(
        name=name_of(job.uid) if job.uid else "",
        spec=spec_to(job.spec),
        state=_number(pb.JobState.DESCRIPTOR, job.state),
        stages=[_stage_to(stage) for stage in details.stages],
        fraction=details.fraction,
        estimated_remaining=_optional(duration_to, details.remaining_s),
        warnings=[_warning_to(warning) for warning in details.warnings],
        result=_optional(_result_to, details.result),
        error=_optional(_error_to, details.error),
        last_sequence=job.last_sequence,
        create_time=_timestamp(job.create_us),
        start_time=_optional(_timestamp, job.start_us),
        end_time=_optional(_timestamp, job.end_us),
        retry_of=name_of(job.retry_of) if job.retry_of else "",
        queue_position=queue_position,
        etag=job.etag if job.uid else "",
        log_epoch=log_epoch,
    )


def snapshot_to(job: pb.Job, time_us: int) -> pb.JobEvent:
    """Write the first event of a watch without a cursor."""
    return pb.JobEvent(sequence=job.last_sequence, event_time=_timestamp(time_us), snapshot=job)


def heartbeat_to(
    time_us: int, *, queue_position: int | None, remaining_s: float | None
) -> pb.JobEvent:
    """Write that nothing has happened."""
    return pb.JobEvent(
        event_time=_timestamp(time_us),
        heartbeat=pb.Heartbeat(
            queue_position=queue_position,
            estimated_remaining=_optional(duration_to, remaining_s),
        ),
    )


def event_to(event: JobEvent, job: Job | None, *, log_epoch: str = "") -> pb.JobEvent:
    """Write an event; `job`: as it ended, for its last event."""
    message = pb.JobEvent(sequence=event.sequence, event_time=_timestamp(event.time_us))
    match event.happening:
        case StateChanged(state=state) if state.is_final:
            assert job is not None
            message.finished.CopyFrom(job_to(job, log_epoch=log_epoch))
        case StateChanged(state=state):
            message.state = _number(pb.JobState.DESCRIPTOR, state)
        case StageProgressed() as progress:
            message.progress.CopyFrom(
                pb.StageProgress(
                    stage=_stage(progress.stage),
                    fraction=progress.fraction,
                    job_fraction=progress.job_fraction,
                    estimated_remaining=_optional(duration_to, progress.remaining_s),
                    state=_stage_state(progress.state),
                    attempt=progress.attempt,
                )
            )
        case Previewed(stage=stage, image=image):
            message.preview.CopyFrom(pb.Preview(stage=_stage(stage), image=digest_to(image)))
        case Warned() as warning:
            message.warning.CopyFrom(_warning_to(warning))
    return message


def spec_to(spec: JobSpec) -> pb.JobSpec:
    """Write what was asked, defaults written out."""
    if spec.surfaces_of:
        return pb.JobSpec(
            asset_name=spec.asset_name,
            job=name_of(spec.surfaces_of),
            options=options_to(spec.options),
            **_run_fields_to(spec),
        )
    return pb.JobSpec(
        asset_name=spec.asset_name,
        prompt=spec.prompt,
        image=_optional(digest_to, spec.image),
        mesh=_optional(digest_to, spec.mesh),
        seed=spec.seed,
        options=options_to(spec.options),
        more_images=[digest_to(image) for image in spec.more_images],
        variant_count=spec.variant_count if spec.is_generated else 0,
        shape=_optional(digest_to, spec.shape),
        model=spec.model,
        adapter=_optional(digest_to, spec.adapter),
        adapter_strength=spec.adapter_strength if spec.adapter else None,
        **_run_fields_to(spec),
    )


# Any: as for `_run_fields_from`.
def _run_fields_to(spec: JobSpec) -> dict[str, Any]:
    return {
        "priority": spec.priority,
        "run_timeout": _optional(duration_to, spec.run_timeout_s),
        "ignore_cache": spec.ignore_cache,
        "labels": spec.labels,
    }


def options_to(options: AssetOptions) -> pb.AssetOptions:
    """Write options; what is None stays absent."""
    message = pb.AssetOptions()
    _fill(message, options)
    return message


def limits_to(limits: Limits, max_chunk_bytes: int) -> pb.Limits:
    """Write what the server refuses."""
    return pb.Limits(
        max_prompt_characters=limits.max_prompt_characters,
        max_image_bytes=limits.max_image_bytes,
        max_image_pixels=limits.max_image_pixels,
        max_mesh_bytes=limits.max_mesh_bytes,
        max_mesh_triangles=limits.max_mesh_triangles,
        max_queued_jobs=limits.max_queued_jobs,
        min_free_disk_bytes=limits.min_free_disk_bytes,
        max_chunk_bytes=max_chunk_bytes,
        max_images=limits.max_images,
        max_variants=limits.max_variants,
        max_adapter_bytes=limits.max_adapter_bytes,
        max_project_jobs=limits.max_project_jobs,
        max_project_bytes=limits.max_project_bytes,
        max_run_timeout=duration_to(limits.max_run_timeout_s) if limits.max_run_timeout_s else None,
        job_retention=duration_to(limits.keep_jobs_s) if limits.keep_jobs_s else None,
        max_watches=limits.max_watches,
        max_connection_streams=limits.max_connection_streams,
        max_health_watches=limits.max_health_watches,
        max_infer_calls=limits.max_infer_calls,
    )


def stages_to(stages: Iterable[Stage]) -> list[Any]:  # Any: as `_number`
    """Write stages by kind."""
    return [_stage(stage) for stage in stages]


def worker_to(worker: WorkerStatus) -> pb.Worker:
    """Write what a worker is."""
    return pb.Worker(
        kind=_number(pb.WorkerKind.DESCRIPTOR, worker.kind),
        state=_number(pb.WorkerState.DESCRIPTOR, worker.state),
        device=worker.device,
        backends=worker.backends,
        problem=worker.problem,
    )


def model_to(model: ModelFacts, path: str) -> pb.Model:
    """Write what a loaded model is."""
    return pb.Model(
        available=True,
        path=path,
        name=model.name,
        digest=model.digest,
        license=model.license,
        takes=model.takes,
        formats=[_number(pb.Format.DESCRIPTOR, name) for name in model.formats],
    )


def name_of(uid: str) -> str:
    """Return a job's resource name."""
    return f"jobs/{uid}"


def uid_of(name: str) -> str:
    """Return the uid in a job's resource name; any text for a name that is none."""
    return name.removeprefix("jobs/") if name.startswith("jobs/") else name


def _fill(message: Message, options: Any) -> None:
    assert is_dataclass(options)
    for option in fields(options):
        value = getattr(options, option.name)
        field = message.DESCRIPTOR.fields_by_name[option.name]
        if value is None:
            continue
        if field.is_repeated and field.enum_type is not None:
            numbers = [_number(field.enum_type, name) for name in value]
            getattr(message, option.name).extend(numbers)
        elif field.is_repeated and field.type == Field.TYPE_MESSAGE:
            for item in value:
                _fill(getattr(message, option.name).add(), item)
        elif field.is_repeated:
            getattr(message, option.name).extend(value)
        elif field.message_type is not None and field.message_type.name in _TUPLES:
            getattr(message, option.name).SetInParent()
            parts = [part.name for part in field.message_type.fields]
            for part, number in zip(parts, value, strict=True):
                setattr(getattr(message, option.name), part, number)
        elif field.type == Field.TYPE_MESSAGE:
            getattr(message, option.name).SetInParent()
            _fill(getattr(message, option.name), value)
        elif field.enum_type is not None:
            setattr(message, option.name, _number(field.enum_type, value))
        else:
            setattr(message, option.name, value)


def _number(enum: Any, value: str) -> Any:  # Any: the generated stubs disagree on the type
    return enum.values_by_name[_prefix(enum) + value.upper()].number


def _stage(stage: Stage) -> Any:
    return _number(pb.StageKind.DESCRIPTOR, stage)


def _stage_state(state: StageState) -> Any:
    return _number(pb.StageState.DESCRIPTOR, state)


def _stage_to(status: StageStatus) -> pb.StageStatus:
    return pb.StageStatus(
        stage=_stage(status.stage),
        fraction=status.fraction,
        start_time=_timestamp(status.start_us),
        end_time=_optional(_timestamp, status.end_us),
        preview=_optional(digest_to, status.preview),
        state=_stage_state(status.state),
        attempt=status.attempt,
    )


def _warning_to(warning: Warned) -> pb.JobWarning:
    return pb.JobWarning(stage=_stage(warning.stage), message=warning.message)


def _result_to(result: JobResult) -> pb.JobResult:
    return pb.JobResult(
        lods=[_lod_to(lod) for lod in result.lods],
        artifacts=[_artifact_to(artifact) for artifact in result.artifacts],
        variants=[
            pb.Variant(
                seed=variant.seed,
                lods=[_lod_to(lod) for lod in variant.lods],
                collision=_optional(_collision_to, variant.collision),
            )
            for variant in result.variants
        ],
    )


def _lod_to(lod: Lod) -> pb.Lod:
    return pb.Lod(
        triangle_count=lod.triangle_count,
        budget=lod.budget,
        deviation_max_m=lod.deviation_max_m,
        deviation_mean_m=lod.deviation_mean_m,
        screen_coverage=lod.screen_coverage,
        normal_deviation_deg=lod.normal_deviation_deg,
        silhouette_px=lod.silhouette_px,
    )


def _collision_to(fit: CollisionFit) -> pb.Collision:
    return pb.Collision(
        kind=fit.kind,
        hull_count=fit.hull_count,
        over_cover=fit.over_cover,
        protrusion_m=fit.protrusion_m,
    )


def _artifact_to(artifact: StoredArtifact) -> pb.Artifact:
    return pb.Artifact(
        role=artifact.role,
        file_name=artifact.file_name,
        media_type=artifact.media_type,
        digest=digest_to(artifact.digest),
        variant=artifact.variant,
    )


def _error_to(error: JobError) -> pb.JobError:
    return pb.JobError(
        reason=_number(pb.ErrorReason.DESCRIPTOR, error.reason),
        message=error.message,
        stage=_stage(error.stage) if error.stage else pb.STAGE_KIND_UNSPECIFIED,
        metadata=error.metadata,
        retryable=error.is_retryable,
    )


def _timestamp(time_us: int) -> Timestamp:
    message = Timestamp()
    message.FromMicroseconds(time_us)
    return message


def duration_to(seconds: float) -> Duration:
    message = Duration()
    message.FromMilliseconds(round(seconds * 1000))
    return message


def _optional(convert: "Callable[[T], Any]", value: T | None) -> Any:
    return None if value is None else convert(value)
