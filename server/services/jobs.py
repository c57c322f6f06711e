"""JobService: what becomes of requests for assets."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import LoadOptions
from pipeline.checkpoints.library import resolve
from pipeline.errors import ModelUnavailable
from pipeline.export.name import asset_name
from server import convert
from server.artifacts import ArtifactStore, Digest
from server.calls import Call
from server.failpoints import hit
from server.jobs import Job, JobDetails, JobSpec, JobState
from server.journal import Clock, Entry, Heartbeat, JobStore, Snapshot
from server.observe.jobs import JobTelemetry
from server.observe.metrics import Metrics
from server.pb import lodsmith_pb2 as pb
from server.refusals import InputMissing, InvalidRequest, ModelUnusable
from server.scheduler import Scheduler
from server.services.cuts import to_its_end
from server.services.limits import DrainFlag, Limits, check_size

logger = logging.getLogger(__name__)

_MAX_NAME_CHARACTERS = 200
_MAX_PAGE_SIZE = 500
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{0,64}")
_PAGE_TOKEN = re.compile(r"([0-9a-f]{32})?")


class JobService:
    """Jobs: create, look at, follow, stop, run again, forget."""

    def __init__(
        self,
        *,
        store: JobStore,
        scheduler: Scheduler,
        artifacts: ArtifactStore,
        limits: Limits,
        models: LoadOptions,
        drain: DrainFlag,
        clock: Clock,
        metrics: Metrics,
        telemetry: JobTelemetry,
        logs_prompts: bool,
    ) -> None:
        self._metrics = metrics
        self._telemetry = telemetry
        self._logs_prompts = logs_prompts
        self._store = store
        self._scheduler = scheduler
        self._artifacts = artifacts
        self._limits = limits
        self._models = models
        self._drain = drain
        self._clock = clock

    async def create_job(self, request: pb.CreateJobRequest, call: Call) -> pb.CreateJobResponse:
        """See the contract."""
        self._drain.check()
        _check_request_id(request.request_id)
        known = self._known(call.project, request.request_id)
        spec = await self._checked(request.spec, call.project, known)
        if known is None:  # what is full now must not refuse what was answered
            self._artifacts.check_space()
        if request.validate_only:
            await self._store.check(project=call.project, request_id=request.request_id, spec=spec)
            unborn = _unborn(spec, call.project, self._clock())
            return pb.CreateJobResponse(job=convert.job_to(unborn))
        job, is_known = await self._created(
            self._store.create(project=call.project, request_id=request.request_id, spec=spec), call
        )
        hit("create.answer")
        return pb.CreateJobResponse(job=self._told(job), deduplicated=is_known)

    async def get_job(self, request: pb.GetJobRequest, call: Call) -> pb.GetJobResponse:
        """See the contract."""
        return pb.GetJobResponse(job=self._told(self._job(request.name, call)))

    async def list_jobs(self, request: pb.ListJobsRequest, call: Call) -> pb.ListJobsResponse:
        """See the contract."""
        _check_range(request.page_size, 0, _MAX_PAGE_SIZE, "page_size")
        if not _PAGE_TOKEN.fullmatch(request.page_token):
            raise InvalidRequest(
                "page_token is not one of this server; start with the first page",
                field="page_token",
            )
        size = request.page_size or 50
        jobs = self._store.jobs(
            project=call.project,
            before=request.page_token,
            limit=size + 1,
            states=[convert.job_state_from(state, "states") for state in set(request.states)],
            labels=convert.labels_from(request.labels, "labels"),
            since_us=convert.time_from(request, "created_since"),
            before_us=convert.time_from(request, "created_before"),
        )
        return pb.ListJobsResponse(
            jobs=[self._told(job) for job in jobs[:size]],
            next_page_token=jobs[size - 1].uid if len(jobs) > size else "",
        )

    async def watch_job(
        self, request: pb.WatchJobRequest, call: Call
    ) -> AsyncIterator[pb.WatchJobResponse | bytes]:
        """See the contract."""
        heartbeat_s = convert.seconds_from(request, "heartbeat_interval", 5, 60)
        following = self._store.follow(
            convert.uid_of(request.name),
            request.after_sequence,
            project=call.project,
            log_epoch=request.log_epoch,
            heartbeat_s=self._limits.heartbeat_s if heartbeat_s is None else heartbeat_s,
        )
        self._metrics.watch_opened()
        try:
            async with aclosing(following):
                async for item in following:
                    match item:
                        case Snapshot(job=job):
                            yield pb.WatchJobResponse(event=self._snapshot(job))
                        case Heartbeat():
                            yield pb.WatchJobResponse(event=self._heartbeat(request.name, call))
                        case entry:
                            yield entry.wire(self._wire)
                            self._metrics.events_sent(1)
        finally:
            self._metrics.watch_closed()

    async def list_job_events(
        self, request: pb.ListJobEventsRequest, call: Call
    ) -> pb.ListJobEventsResponse:
        """See the contract."""
        _check_range(request.page_size, 0, _MAX_PAGE_SIZE, "page_size")
        page = await self._store.list_events(
            convert.uid_of(request.name),
            request.after_sequence,
            project=call.project,
            log_epoch=request.log_epoch,
            limit=request.page_size or 100,
            wait_s=convert.seconds_from(request, "wait", 0, 30) or 0.0,
        )
        return pb.ListJobEventsResponse(
            events=[self._event(entry) for entry in page.entries], complete=page.is_complete
        )

    async def cancel_job(self, request: pb.CancelJobRequest, call: Call) -> pb.CancelJobResponse:
        """See the contract."""
        uid = self._uid(request.name, call)
        job = await self._scheduler.cancel(uid, project=call.project)
        return pb.CancelJobResponse(job=self._told(job))

    async def retry_job(self, request: pb.RetryJobRequest, call: Call) -> pb.RetryJobResponse:
        """See the contract."""
        self._drain.check()
        _check_request_id(request.request_id)
        from_stage = convert.stage_from(request.from_stage, "from_stage")
        if self._known(call.project, request.request_id) is None:
            self._artifacts.check_space()
        retried = self._store.retry(
            convert.uid_of(request.name),
            project=call.project,
            request_id=request.request_id,
            from_stage=from_stage,
        )
        job, is_known = await self._created(retried, call)
        return pb.RetryJobResponse(job=self._told(job), deduplicated=is_known)

    async def delete_job(self, request: pb.DeleteJobRequest, call: Call) -> pb.DeleteJobResponse:
        """See the contract."""
        uid = self._uid(request.name, call)
        await self._store.delete(uid, project=call.project, etag=request.etag)
        return pb.DeleteJobResponse()

    async def _created(
        self, creating: Coroutine[Any, Any, tuple[Job, bool]], call: Call
    ) -> tuple[Job, bool]:
        """Wait for a new job, or one that was created before, and tell of it.

        Also where the call is cut: the audit log names the job that came of it.
        """

        async def told() -> tuple[Job, bool]:
            job, is_known = await creating
            call.resource = convert.name_of(job.uid)
            if not is_known:
                self._telemetry.created(job.uid, call.traceparent)
                if self._logs_prompts and job.spec.prompt is not None:
                    logger.info("job %s: %r", job.uid, job.spec.prompt)
            return job, is_known

        return await to_its_end(told())

    # Answers

    def _job(self, name: str, call: Call) -> Job:
        return self._store.job(self._uid(name, call), project=call.project)

    def _uid(self, name: str, call: Call) -> str:
        """Return the uid of the job that the call is about."""
        call.resource = name
        return convert.uid_of(name)

    def _told(self, job: Job) -> pb.Job:
        """Write a job with what only journal and scheduler know of it."""
        outlook = self._scheduler.outlook(job)
        message = convert.job_to(
            job, log_epoch=self._store.log_epoch, queue_position=outlook.queue_position
        )
        if outlook.run_s is not None:
            message.estimated_remaining.CopyFrom(convert.duration_to(outlook.run_s))
        return message

    def _snapshot(self, job: Job) -> pb.JobEvent:
        return convert.snapshot_to(self._told(job), self._clock())

    def _event(self, entry: Entry) -> pb.JobEvent:
        return convert.event_to(entry.event, entry.job, log_epoch=self._store.log_epoch)

    def _wire(self, entry: Entry) -> bytes:
        return pb.WatchJobResponse(event=self._event(entry)).SerializeToString()

    def _heartbeat(self, name: str, call: Call) -> pb.JobEvent:
        outlook = self._scheduler.outlook(self._job(name, call))
        return convert.heartbeat_to(
            self._clock(),
            queue_position=outlook.queue_position,
            remaining_s=outlook.remaining_s,
        )

    # Checks

    async def _checked(self, message: pb.JobSpec, project: str, known: Job | None) -> JobSpec:
        """Return what to make if a job may be made of it; `known` answers the same request."""
        if message.WhichOneof("source") == "job":
            uid = convert.uid_of(message.job)
            is_again = known is not None and known.spec.surfaces_of == uid
            # What answers has taken over all that there was; the job `uid` may be gone.
            earlier = known if known and is_again else self._store.job(uid, project=project)
            spec = convert.spec_again_from(message, earlier.spec, uid)
            spec = replace(spec, asset_name=_asset_name(spec))
            _check_run_timeout(spec, self._limits)
            if not is_again:
                self._store.check_surfaces(uid, project=project)
            return spec
        spec = convert.spec_from(message)
        spec = replace(spec, asset_name=_asset_name(spec))
        limits = self._limits
        _check_run_timeout(spec, limits)
        if spec.prompt is not None:
            _check_prompt(spec.prompt, limits.max_prompt_characters)
        if spec.is_generated:
            _check_generation(spec, limits)
        else:
            _check_no_generation(spec)

        def there(digest: Digest, field: str, max_bytes: int) -> Digest:
            """Return the digest of an input with the size that the blob really has."""
            size = self._store.blob_size(project, digest.sha256)
            if size is None or self._artifacts.size(digest.sha256) is None:
                raise InputMissing(
                    f"{field} {digest.sha256} is not on the server; upload it with WriteBlob first",
                    field=field,
                    metadata={"sha256": digest.sha256},
                )
            check_size(size, max_bytes, field)
            return Digest(sha256=digest.sha256, size_bytes=size)

        def there_if_any(digest: Digest | None, field: str, max_bytes: int) -> Digest | None:
            return None if digest is None else there(digest, field, max_bytes)

        spec = replace(
            spec,
            image=there_if_any(spec.image, "spec.image", limits.max_image_bytes),
            more_images=tuple(
                there(image, f"spec.more_images[{index}]", limits.max_image_bytes)
                for index, image in enumerate(spec.more_images)
            ),
            mesh=there_if_any(spec.mesh, "spec.mesh", limits.max_mesh_bytes),
            shape=there_if_any(spec.shape, "spec.shape", limits.max_mesh_bytes),
            adapter=there_if_any(spec.adapter, "spec.adapter", limits.max_adapter_bytes),
        )
        if spec.is_generated and known is None:
            await asyncio.to_thread(_check_models, self._models)
        return spec

    def _known(self, project: str, request_id: str) -> Job | None:
        """Return the job of a request that was answered before."""
        return self._store.job_of_request(project, request_id) if request_id else None


def _check_request_id(request_id: str) -> None:
    if not _REQUEST_ID.fullmatch(request_id):
        raise InvalidRequest(
            "request_id must be up to 64 characters of A-Z a-z 0-9 . _ : -, "
            f"got {request_id[:80]!r}",
            field="request_id",
        )


def _check_range(value: int, least: int, most: int, field: str) -> None:
    if not least <= value <= most:
        raise InvalidRequest(f"{field} must be in [{least}, {most}], got {value}", field=field)


def _check_run_timeout(spec: JobSpec, limits: Limits) -> None:
    most_s = limits.max_run_timeout_s
    if most_s and spec.run_timeout_s is not None and spec.run_timeout_s > most_s:
        raise InvalidRequest(
            f"spec.run_timeout must be at most {most_s:g} s, got {spec.run_timeout_s:g} s",
            field="spec.run_timeout",
        )


def _unborn(spec: JobSpec, project: str, now_us: int) -> Job:
    """Return what a job of `spec` would look like."""
    return Job(
        uid="",
        project=project,
        spec=spec,
        state=JobState.QUEUED,
        details=JobDetails(),
        last_sequence=0,
        create_us=now_us,
        start_us=None,
        end_us=None,
    )


def _asset_name(spec: JobSpec) -> str:
    """Return what was asked for, or else the prompt, as the name that the files will have."""
    if len(spec.asset_name) > _MAX_NAME_CHARACTERS:
        raise InvalidRequest(
            f"spec.asset_name must have at most {_MAX_NAME_CHARACTERS} characters, "
            f"got {len(spec.asset_name):,}",
            field="spec.asset_name",
        )
    return asset_name(spec.asset_name or spec.prompt or "Asset")


def _check_prompt(prompt: str, max_characters: int) -> None:
    if not prompt.strip():
        raise InvalidRequest(
            'spec.prompt is empty; say what to make, for example "a wooden barrel"',
            field="spec.prompt",
        )
    if len(prompt) > max_characters:
        raise InvalidRequest(
            f"spec.prompt must have at most {max_characters:,} characters, got {len(prompt):,}; "
            "name the object in a sentence",
            field="spec.prompt",
        )


def _check_generation(spec: JobSpec, limits: Limits) -> None:
    if not 1 <= spec.variant_count <= limits.max_variants:
        raise InvalidRequest(
            f"spec.variant_count must be in [1, {limits.max_variants}], got {spec.variant_count}",
            field="spec.variant_count",
        )
    if spec.seed + spec.variant_count > 2**63:
        raise InvalidRequest(
            f"spec.seed must leave room for {spec.variant_count} seeds below 2^63, got {spec.seed}",
            field="spec.seed",
        )
    if spec.more_images and spec.image is None:
        raise InvalidRequest(
            "spec.more_images needs spec.image: they show the same object",
            field="spec.more_images",
        )
    if len(spec.images) > limits.max_images:
        raise InvalidRequest(
            f"at most {limits.max_images} pictures of an object are taken, got {len(spec.images)}",
            field="spec.more_images",
        )
    if not 0 <= spec.adapter_strength <= 2:  # also refuses what is no number
        raise InvalidRequest(
            f"spec.adapter_strength must be in [0, 2], got {spec.adapter_strength}",
            field="spec.adapter_strength",
        )


def _check_models(models: LoadOptions) -> None:
    """Refuse a job that no generator could load its models for."""
    try:
        for name in models.models:
            resolve(Path(models.home), name)
    except ModelUnavailable as error:
        logger.warning("no job can be made of prompts and pictures: %s", error)
        raise ModelUnusable from error


def _check_no_generation(spec: JobSpec) -> None:
    """Refuse what a mesh would silently ignore."""
    for name, is_set in (
        ("more_images", bool(spec.more_images)),
        ("variant_count", spec.variant_count != 1),
        ("shape", spec.shape is not None),
        ("model", spec.model != ""),
        ("adapter", spec.adapter is not None),
    ):
        if is_set:
            raise InvalidRequest(
                f"spec.{name} is for prompts and pictures; a mesh is taken as it is",
                field=f"spec.{name}",
            )
