"""CatalogService: what this server is and can do."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline import LoadOptions, ModelFacts
from pipeline.checkpoints.library import resolve
from pipeline.errors import ModelUnavailable
from server import convert
from server.access.principal import Scope
from server.artifacts import CHUNK_BYTES
from server.calls import Call
from server.engine import Engine, TaskKind, WorkerKind, WorkerState, WorkerStatus
from server.estimate import STAGES_OF
from server.jobs import JobState
from server.journal import JobStore
from server.pb import lodsmith_pb2 as pb
from server.refusals import ModelUnusable
from server.services.limits import DrainFlag, Limits

_BUILD_STAGES = STAGES_OF[TaskKind.BUILD]

LIBRARIES = ("torch", "numpy", "numba", "libigl", "meshoptimizer", "grpcio", "protobuf")


class CatalogService:
    """What this server is and can do."""

    def __init__(
        self,
        *,
        store: JobStore,
        engine: Engine,
        limits: Limits,
        models: LoadOptions,
        drain: DrainFlag,
        http_port: Callable[[], int],
    ) -> None:
        self._http_port = http_port
        self._store = store
        self._engine = engine
        self._limits = limits
        self._models = models
        self._drain = drain

    async def get_server_info(
        self, request: pb.GetServerInfoRequest, call: Call
    ) -> pb.GetServerInfoResponse:
        """See the contract."""
        counts = self._store.job_counts()
        models = await self._described(call)
        return pb.GetServerInfoResponse(
            version=package_version("lodsmith"),
            draining=self._drain.is_set,
            workers=[convert.worker_to(worker) for worker in self._workers(call)],
            model=models[0],
            models=models,
            limits=convert.limits_to(self._limits, CHUNK_BYTES),
            library_versions={name: package_version(name) for name in LIBRARIES},
            http_port=self._http_port(),
            log_epoch=self._store.log_epoch,
            queued_job_count=counts.get(JobState.QUEUED, 0),
            running_job_count=counts.get(JobState.RUNNING, 0),
        )

    async def list_pipelines(
        self, request: pb.ListPipelinesRequest, call: Call
    ) -> pb.ListPipelinesResponse:
        """See the contract."""
        models = await self._described(call)
        usable = [model for model in models if model.available]
        no_mesh = self._engine.problem(WorkerKind.MESH)
        no_generator = self._engine.problem(WorkerKind.GENERATOR)
        generate = pb.Pipeline(
            name="generate",
            description="Make an asset from words or pictures.",
            sources=["prompt", "image"],
            stages=convert.stages_to((*STAGES_OF[TaskKind.GENERATE], *_BUILD_STAGES)),
            models=[model.name for model in usable if model.name],
            problem=(no_generator or no_mesh) if usable else models[0].problem,
        )
        lod = pb.Pipeline(
            name="lod",
            description="Make an asset from a mesh.",
            sources=["mesh"],
            stages=convert.stages_to((*STAGES_OF[TaskKind.IMPORT], *_BUILD_STAGES)),
            problem=no_mesh,
        )
        reexport = pb.Pipeline(
            name="reexport",
            description="Export an earlier job's dense surfaces again.",
            sources=["job"],
            stages=convert.stages_to(_BUILD_STAGES),
            problem=no_mesh,
        )
        return pb.ListPipelinesResponse(pipelines=[generate, lod, reexport])

    # Only administrators hear where files are on the server's machine, which paths say and what is
    # wrong with a model does, too.

    async def _described(self, call: Call) -> list[pb.Model]:
        """Return the configured models."""
        loaded = next((w.models for w in self._engine.workers() if w.models), ())
        models = await asyncio.to_thread(_described, self._models, loaded)
        if not _may_know_paths(call):
            for model in models:
                model.path = ""
                if model.problem:
                    model.problem = str(ModelUnusable())
        return models

    def _workers(self, call: Call) -> list[WorkerStatus]:
        """Return the workers. What is wrong with one that has started is wrong with its models."""
        workers = self._engine.workers()
        if _may_know_paths(call):
            return workers
        return [
            replace(worker, problem=str(ModelUnusable()))
            if worker.problem and worker.state is not WorkerState.BROKEN
            else worker
            for worker in workers
        ]


def _may_know_paths(call: Call) -> bool:
    return Scope.ADMIN in call.principal.scopes


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


def package_version(package: str) -> str:
    """Return an installed package's version, or that there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
