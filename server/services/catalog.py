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
from server.pb import lodsmith_pb2 as pb
from server.services.limits import DrainFlag, Limits

_BUILD_STAGES = STAGES_OF[TaskKind.BUILD]

LIBRARIES = ("torch", "numpy", "numba", "libigl", "meshoptimizer", "grpcio", "protobuf")


class CatalogService:
    """What this server is and can do."""

    def __init__(
        self,
        *,
        engine: Engine,
        limits: Limits,
        models: LoadOptions,
        drain: DrainFlag,
        http_port: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._models = models
        self._drain = drain
        self._http_port = http_port

    async def get_server_info(
        self, request: pb.GetServerInfoRequest, call: Call
    ) -> pb.GetServerInfoResponse:
        """See the contract."""
        limits = self._limits
        loaded = next((w.models for w in self._engine.workers() if w.models), ())
        models = await asyncio.to_thread(_described, self._models, loaded)
        return pb.GetServerInfoResponse(
            version=package_version("lodsmith"),
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
            library_versions={name: package_version(name) for name in LIBRARIES},
            http_port=self._http_port(),
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
