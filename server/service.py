"""The RPCs: check, convert, delegate. Errors become statuses in `interceptors.py`."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import grpc

from pipeline import LoadOptions, ModelFacts
from pipeline.checkpoints.library import resolve
from pipeline.errors import ModelUnavailable
from pipeline.export.name import asset_name
from server import convert
from server.artifacts import CHUNK_BYTES, ArtifactStore, Digest
from server.engine import Engine
from server.jobs import Job, JobDetails, JobSpec, JobState
from server.journal import Clock, Heartbeat, JobStore, Snapshot
from server.pb import lodsmith_pb2 as pb
from server.pb import lodsmith_pb2_grpc as pb_grpc
from server.refusals import BlobMissing, Draining, InputMissing, InvalidRequest, QueueFull, TooLarge
from server.scheduler import Scheduler

Context = grpc.aio.ServicerContext[Any, Any]  # Any: the stubs do not tie it to the method

LIBRARIES = ("torch", "numpy", "numba", "libigl", "meshoptimizer", "grpcio", "protobuf")

_PROJECT = "local"
_MAX_NAME_CHARACTERS = 200
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{0,64}")
_PAGE_TOKEN = re.compile(r"([0-9a-f]{32})?")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the server refuses; see `Limits` in the contract. All ends included."""

    max_prompt_characters: int
    max_image_bytes: int
    max_image_pixels: int
    max_mesh_bytes: int
    max_mesh_triangles: int
    max_adapter_bytes: int
    max_images: int
    max_variants: int
    max_queued_jobs: int
    min_free_disk_bytes: int

    @property
    def max_blob_bytes(self) -> int:
        """Largest upload, whatever it is for; each job checks its inputs by their use."""
        return max(self.max_image_bytes, self.max_mesh_bytes, self.max_adapter_bytes)


class DrainFlag:
    """Whether the server is shutting down. One per server, shared by its services."""

    def __init__(self) -> None:
        self.is_set = False

    def check(self) -> None:
        """Raise `Draining` once the flag is set."""
        if self.is_set:
            raise Draining("the server is shutting down; try again later", retry_after_s=5.0)


class JobService(pb_grpc.JobServiceServicer):
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

    async def CreateJob(  # noqa: N802
        self, request: pb.CreateJobRequest, context: Context
    ) -> pb.CreateJobResponse:
        """See the contract."""
        self._drain.check()
        spec = await self._checked(request)
        if request.validate_only:
            return pb.CreateJobResponse(job=convert.job_to(_unborn(spec, self._clock())))
        job, is_known = await self._store.create(
            project=_PROJECT, request_id=request.request_id, spec=spec
        )
        self._scheduler.kick()
        return pb.CreateJobResponse(job=convert.job_to(job), deduplicated=is_known)

    async def GetJob(  # noqa: N802
        self, request: pb.GetJobRequest, context: Context
    ) -> pb.GetJobResponse:
        """See the contract."""
        job = self._store.job(convert.uid_of(request.name), project=_PROJECT)
        return pb.GetJobResponse(job=convert.job_to(job))

    async def ListJobs(  # noqa: N802
        self, request: pb.ListJobsRequest, context: Context
    ) -> pb.ListJobsResponse:
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
        jobs = self._store.jobs(
            project=_PROJECT, before=request.page_token, limit=size + 1, states=states
        )
        return pb.ListJobsResponse(
            jobs=[convert.job_to(job) for job in jobs[:size]],
            next_page_token=jobs[size - 1].uid if len(jobs) > size else "",
        )

    async def WatchJob(  # noqa: N802
        self, request: pb.WatchJobRequest, context: Context
    ) -> AsyncIterator[pb.WatchJobResponse]:
        """See the contract."""
        uid = convert.uid_of(request.name)
        following = self._store.follow(
            uid, request.after_sequence, project=_PROJECT, log_epoch=request.log_epoch
        )
        async for item in following:
            match item:
                case Snapshot(job=job):
                    message = convert.snapshot_to(job, self._clock())
                case Heartbeat():
                    message = pb.JobEvent(heartbeat=pb.Heartbeat())
                case entry:
                    message = convert.event_to(entry.event, entry.job)
            yield pb.WatchJobResponse(event=message)

    async def CancelJob(  # noqa: N802
        self, request: pb.CancelJobRequest, context: Context
    ) -> pb.CancelJobResponse:
        """See the contract."""
        job = await self._scheduler.cancel(convert.uid_of(request.name), project=_PROJECT)
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
            earlier = self._store.job(uid, project=_PROJECT)
            spec = convert.spec_again_from(request.spec, earlier.spec, uid)
            spec = replace(spec, asset_name=_asset_name(spec))
            self._store.check_surfaces(uid, project=_PROJECT)
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
        size = self._store.blob_size(_PROJECT, digest.sha256)
        if size is None or self._artifacts.size(digest.sha256) is None:
            raise InputMissing(
                f"{field} {digest.sha256} is not on the server; upload it with WriteBlob first",
                field=field,
                metadata={"sha256": digest.sha256},
            )
        _check_size(size, max_bytes, field)
        return Digest(sha256=digest.sha256, size_bytes=size)


class BlobService(pb_grpc.BlobServiceServicer):
    """Bytes in and out. Whatever waits for the disk runs on threads."""

    def __init__(
        self, *, store: JobStore, artifacts: ArtifactStore, limits: Limits, drain: DrainFlag
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._limits = limits
        self._drain = drain

    async def WriteBlob(  # noqa: N802
        self, requests: AsyncIterator[pb.WriteBlobRequest], context: Context
    ) -> pb.WriteBlobResponse:
        """See the contract."""
        self._drain.check()
        first = await anext(requests, None)
        if first is None:
            raise InvalidRequest("the upload has no message", field="upload_id")
        digest = convert.digest_from(first.digest, "digest")
        _check_size(digest.size_bytes, self._limits.max_blob_bytes, "digest")
        await asyncio.to_thread(self._artifacts.check_space, digest.size_bytes)
        is_there = self._is_there(digest.sha256)
        if not is_there:
            self._store.check_bytes(_PROJECT, digest.size_bytes)
        with self._artifacts.upload(_PROJECT, first.upload_id, digest, is_there=is_there) as upload:
            if not upload.is_complete:  # else what is still to come need not be read
                await asyncio.to_thread(upload.append, first.offset, first.data)
                async for request in requests:
                    await asyncio.to_thread(upload.append, request.offset, request.data)
                await asyncio.to_thread(upload.finish)
            if upload.is_complete:
                await self._store.own_blob(_PROJECT, digest)
            return pb.WriteBlobResponse(
                committed_size=upload.committed_size, complete=upload.is_complete
            )

    def _is_there(self, sha256: str) -> bool:
        has_it = self._store.blob_size(_PROJECT, sha256) is not None
        return has_it and self._artifacts.size(sha256) is not None

    async def QueryBlobWrite(  # noqa: N802
        self, request: pb.QueryBlobWriteRequest, context: Context
    ) -> pb.QueryBlobWriteResponse:
        """See the contract."""
        digest = convert.digest_from(request.digest, "digest")
        if self._is_there(digest.sha256):
            size = self._store.blob_size(_PROJECT, digest.sha256)
            return pb.QueryBlobWriteResponse(committed_size=size, complete=True)
        size = self._artifacts.committed_size(_PROJECT, request.upload_id, digest)
        return pb.QueryBlobWriteResponse(committed_size=size, complete=False)

    async def ReadBlob(  # noqa: N802
        self, request: pb.ReadBlobRequest, context: Context
    ) -> AsyncIterator[pb.ReadBlobResponse]:
        """See the contract."""
        digest = convert.digest_from(request.digest, "digest")
        if request.limit < 0:
            raise InvalidRequest(f"limit must not be negative, got {request.limit}", field="limit")
        if self._store.blob_size(_PROJECT, digest.sha256) is None:
            raise BlobMissing(f"there is no blob {digest.sha256}; upload it or run its job again")
        chunks = self._artifacts.chunks(digest.sha256, request.offset, request.limit or None)
        with closing(chunks):
            while chunk := await asyncio.to_thread(next, chunks, None):
                yield pb.ReadBlobResponse(offset=chunk[0], data=chunk[1])


class CatalogService(pb_grpc.CatalogServiceServicer):
    """What this server is and can do."""

    def __init__(
        self, *, engine: Engine, limits: Limits, models: LoadOptions, drain: DrainFlag
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._models = models
        self._drain = drain

    async def GetServerInfo(  # noqa: N802
        self, request: pb.GetServerInfoRequest, context: Context
    ) -> pb.GetServerInfoResponse:
        """See the contract."""
        limits = self._limits
        loaded = next((w.models for w in self._engine.workers() if w.models), ())
        models = await asyncio.to_thread(_described, self._models, loaded)
        return pb.GetServerInfoResponse(
            version=_version("lodsmith"),
            draining=self._drain.is_set,
            workers=[convert.worker_to(worker) for worker in self._engine.workers()],
            model=models[0],
            models=models,
            limits=pb.Limits(
                max_prompt_characters=limits.max_prompt_characters,
                max_image_bytes=limits.max_image_bytes,
                max_image_pixels=limits.max_image_pixels,
                max_mesh_bytes=limits.max_mesh_bytes,
                max_mesh_triangles=limits.max_mesh_triangles,
                max_queued_jobs=limits.max_queued_jobs,
                min_free_disk_bytes=limits.min_free_disk_bytes,
                max_chunk_bytes=CHUNK_BYTES,
                max_images=limits.max_images,
                max_variants=limits.max_variants,
                max_adapter_bytes=limits.max_adapter_bytes,
            ),
            library_versions={name: _version(name) for name in LIBRARIES},
        )


def _unborn(spec: JobSpec, now_us: int) -> Job:
    """Return what a job of `spec` would look like."""
    return Job(
        uid="",
        project=_PROJECT,
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


def _described(models: LoadOptions, loaded: Sequence[ModelFacts]) -> list[pb.Model]:
    """One per configured model, with what a generator knows that has `loaded` them."""
    described = []
    for index, name in enumerate(models.models):
        try:
            path = resolve(Path(models.home), name)
        except ModelUnavailable as error:
            described.append(pb.Model(available=False, path=name, problem=str(error)))
            continue
        if index < len(loaded):
            described.append(convert.model_to(loaded[index], str(path)))
        else:
            described.append(pb.Model(available=True, path=str(path)))
    return described


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


def _check_size(size_bytes: int, max_bytes: int, field: str) -> None:
    if size_bytes > max_bytes:
        raise TooLarge(
            f"{field} must have at most {max_bytes:,} bytes, got {size_bytes:,}",
            field=field,
            metadata={"max_bytes": str(max_bytes)},
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
