"""CatalogService: what this server is and can do."""

import asyncio
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline import LoadOptions, ModelFacts
from pipeline.checkpoints.library import resolve
from pipeline.errors import ModelUnavailable
from server import convert
from server.artifacts import CHUNK_BYTES
from server.calls import Call
from server.engine import Engine, TaskKind
from server.estimate import STAGES_OF
from server.jobs import JobState
from server.journal import JobStore
from server.pb import lodsmith_pb2 as pb
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
        loaded = next((w.models for w in self._engine.workers() if w.models), ())
        models = await asyncio.to_thread(_described, self._models, loaded)
        return pb.GetServerInfoResponse(
            version=package_version("lodsmith"),
            draining=self._drain.is_set,
            workers=[convert.worker_to(worker) for worker in self._engine.workers()],
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
        loaded = next((w.models for w in self._engine.workers() if w.models), ())
        models = await asyncio.to_thread(_described, self._models, loaded)
        usable = [model for model in models if model.available]
        generate = pb.Pipeline(
            name="generate",
            description="Make an asset from words or pictures.",
            sources=["prompt", "image"],
            stages=convert.stages_to((*STAGES_OF[TaskKind.GENERATE], *_BUILD_STAGES)),
            models=[model.name for model in usable if model.name],
            problem="" if usable else models[0].problem,
        )
        lod = pb.Pipeline(
            name="lod",
            description="Make an asset from a mesh.",
            sources=["mesh"],
            stages=convert.stages_to((*STAGES_OF[TaskKind.IMPORT], *_BUILD_STAGES)),
        )
        reexport = pb.Pipeline(
            name="reexport",
            description="Export an earlier job's dense surfaces again.",
            sources=["job"],
            stages=convert.stages_to(_BUILD_STAGES),
        )
        return pb.ListPipelinesResponse(pipelines=[generate, lod, reexport])


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
