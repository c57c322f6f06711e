"""JobService: create, look at, follow, cancel."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from pipeline import LoadOptions
from pipeline.checkpoints.library import resolve
from pipeline.errors import ModelUnavailable
from pipeline.export.name import asset_name
from server import convert
from server.artifacts import ArtifactStore, Digest
from server.calls import Call
from server.jobs import Job, JobDetails, JobSpec, JobState
from server.journal import Clock, JobStore
from server.pb import lodsmith_pb2 as pb
from server.refusals import InputMissing, InvalidRequest, QueueFull
from server.scheduler import Scheduler
from server.services.limits import DrainFlag, Limits, check_size

_MAX_NAME_CHARACTERS = 200
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{0,64}")
_PAGE_TOKEN = re.compile(r"([0-9a-f]{32})?")


class JobService:
    """Jobs: create, look at, follow, cancel."""

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
    ) -> None:
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
        spec = await self._checked(request)
        if request.validate_only:
            return pb.CreateJobResponse(job=convert.job_to(_unborn(spec, self._clock())))
        job, is_known = await self._store.create(request_id=request.request_id, spec=spec)
        self._scheduler.kick()
        return pb.CreateJobResponse(job=convert.job_to(job), deduplicated=is_known)

    async def get_job(self, request: pb.GetJobRequest, call: Call) -> pb.GetJobResponse:
        """See the contract."""
        job = self._store.job(convert.uid_of(request.name))
        return pb.GetJobResponse(job=convert.job_to(job))

    async def list_jobs(self, request: pb.ListJobsRequest, call: Call) -> pb.ListJobsResponse:
        """See the contract."""
        if not 0 <= request.page_size <= 500:
            raise InvalidRequest(
                f"page_size must be in [0, 500], got {request.page_size}", field="page_size"
            )
        if not _PAGE_TOKEN.fullmatch(request.page_token):
            raise InvalidRequest(
                "page_token is not one of this server; start with the first page",
                field="page_token",
            )
        size = request.page_size or 50
        states = [convert.job_state_from(state, "states") for state in request.states]
        jobs = self._store.jobs(before=request.page_token, limit=size + 1, states=states)
        return pb.ListJobsResponse(
            jobs=[convert.job_to(job) for job in jobs[:size]],
            next_page_token=jobs[size - 1].uid if len(jobs) > size else "",
        )

    async def watch_job(
        self, request: pb.WatchJobRequest, call: Call
    ) -> AsyncIterator[pb.WatchJobResponse]:
        """See the contract."""
        uid = convert.uid_of(request.name)
        after = request.after_sequence
        if after == 0:
            job = self._store.job(uid)
            after = job.last_sequence
            yield pb.WatchJobResponse(event=convert.snapshot_to(job, self._clock()))
        async for event in self._store.follow(uid, after):
            message = convert.event_to(event, lambda: self._store.job(uid))
            yield pb.WatchJobResponse(event=message)

    async def list_job_events(
        self, request: pb.ListJobEventsRequest, call: Call
    ) -> pb.ListJobEventsResponse:
        """See the contract."""
        raise NotImplementedError

    async def retry_job(self, request: pb.RetryJobRequest, call: Call) -> pb.RetryJobResponse:
        """See the contract."""
        raise NotImplementedError

    async def delete_job(self, request: pb.DeleteJobRequest, call: Call) -> pb.DeleteJobResponse:
        """See the contract."""
        raise NotImplementedError

    async def cancel_job(self, request: pb.CancelJobRequest, call: Call) -> pb.CancelJobResponse:
        """See the contract."""
        job = await self._scheduler.cancel(convert.uid_of(request.name))
        return pb.CancelJobResponse(job=convert.job_to(job))

    async def _checked(self, request: pb.CreateJobRequest) -> JobSpec:
        """Return the request's spec if a job may be made of it."""
        if not _REQUEST_ID.fullmatch(request.request_id):
            raise InvalidRequest(
                "request_id must be up to 64 characters of A-Z a-z 0-9 . _ : -, "
                f"got {request.request_id[:80]!r}",
                field="request_id",
            )
        if request.spec.WhichOneof("source") == "job":
            uid = convert.uid_of(request.spec.job)
            spec = convert.spec_again_from(request.spec, self._store.job(uid).spec, uid)
            spec = replace(spec, asset_name=_asset_name(spec))
            self._store.check_surfaces(uid)
            self._check_room()
            return spec
        spec = convert.spec_from(request.spec)
        spec = replace(spec, asset_name=_asset_name(spec))
        if spec.prompt is not None:
            _check_prompt(spec.prompt, self._limits.max_prompt_characters)
        if spec.is_generated:
            _check_generation(spec, self._limits)
        else:
            _check_no_generation(spec)
        limits = self._limits
        spec = replace(
            spec,
            image=self._uploaded(spec.image, "spec.image", limits.max_image_bytes),
            more_images=tuple(
                self._there(image, f"spec.more_images[{index}]", limits.max_image_bytes)
                for index, image in enumerate(spec.more_images)
            ),
            mesh=self._uploaded(spec.mesh, "spec.mesh", limits.max_mesh_bytes),
            shape=self._uploaded(spec.shape, "spec.shape", limits.max_mesh_bytes),
            adapter=self._uploaded(spec.adapter, "spec.adapter", limits.max_adapter_bytes),
        )
        if spec.is_generated:
            await asyncio.to_thread(_check_models, self._models)
        self._check_room()
        return spec

    def _check_room(self) -> None:
        """Raise if the disk or the queue is full."""
        self._artifacts.check_space()
        waiting = self._store.queued_count()
        if waiting >= self._limits.max_queued_jobs:
            raise QueueFull(
                f"{waiting} jobs wait, which is the most this server allows; try again later",
                retry_after_s=10.0,
            )

    def _uploaded(self, digest: Digest | None, field: str, max_bytes: int) -> Digest | None:
        """As `_there`, for an input that may be absent."""
        return None if digest is None else self._there(digest, field, max_bytes)

    def _there(self, digest: Digest, field: str, max_bytes: int) -> Digest:
        """Return the digest of an input with the size that the blob really has."""
        size = self._artifacts.size(digest.sha256)
        if size is None:
            raise InputMissing(
                f"{field} {digest.sha256} is not on the server; upload it with WriteBlob first",
                field=field,
                metadata={"sha256": digest.sha256},
            )
        check_size(size, max_bytes, field)
        return Digest(sha256=digest.sha256, size_bytes=size)


def _unborn(spec: JobSpec, now_us: int) -> Job:
    """Return what a job of `spec` would look like."""
    return Job(
        uid="",
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
        raise ModelUnavailable(
            f"{error} (`lodsmith doctor` checks it; `lodsmith lod` works without a model)"
        ) from error


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
