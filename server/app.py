"""Puts the server's parts together, starts them in order and stops them in order."""

import asyncio
import fcntl
import logging
import signal
import time
from pathlib import Path
from typing import IO

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

from pipeline import LoadOptions
from pipeline.errors import InvalidInput
from pipeline.model.kernel_options import KernelOptions
from pipeline.preprocess import MAX_PIXELS
from server.artifacts import ArtifactStore
from server.calls.desk import Desk
from server.calls.rpcs import Rpc, rpcs_of
from server.config import ServerConfig
from server.engine import WorkerKind, WorkerState, WorkerStatus
from server.engine.devices import generator_devices
from server.engine.limits import WorkerLimits
from server.engine.local import Crew, LocalPool
from server.engine.messages import WorkerSettings
from server.journal import JobStore
from server.pb import lodsmith_pb2 as pb
from server.scheduler import Scheduler
from server.services.blobs import BlobService
from server.services.catalog import CatalogService
from server.services.jobs import JobService
from server.services.limits import DrainFlag, Limits
from server.transport import grpc_port

logger = logging.getLogger(__name__)

JOB_SERVICE = "lodsmith.v1.JobService"
SERVICES = (JOB_SERVICE, "lodsmith.v1.BlobService", "lodsmith.v1.CatalogService")


class Server:
    """A whole server on the running event loop."""

    def __init__(self, config: ServerConfig) -> None:
        """Build the parts and lock the data folder.

        Raises:
            InvalidInput: If another server uses the folder, or it cannot be written.
        """
        self._config = config
        self._lock = _locked(config.data_dir)
        self._artifacts = ArtifactStore(
            config.data_dir / "artifacts", min_free_bytes=config.min_free_disk_bytes
        )
        self._store = JobStore(config.data_dir / "journal.sqlite3", clock=_now_us)
        self._engine = LocalPool(_crews(config))
        self._scheduler = Scheduler(
            self._store,
            self._engine,
            is_there=lambda sha256: self._artifacts.size(sha256) is not None,
        )
        self._drain = DrainFlag()
        self._health = HealthServicer()
        # Without a warm generator the first job finds out whether the models are good.
        self._needed = set(WorkerKind) if config.warm_generator else {WorkerKind.MESH}
        self._is_ready = False
        self._health_updates: set[asyncio.Task[None]] = set()
        self._server = grpc_port.grpc_server(
            self._rpcs(), Desk(), self._health, has_reflection=True
        )

    async def start(self) -> int:
        """Recover, listen, start the workers. Returns the port.

        Raises:
            InvalidInput: If the address cannot be listened on.
        """
        config = self._config
        self._artifacts.sweep()
        if recovered := await self._store.open():
            logger.info("recovered: %d jobs ran when the server last ended", recovered)
        port = grpc_port.listen(self._server, config.host, config.port)
        for name in ("", *SERVICES):
            status = health_pb2.HealthCheckResponse.SERVING
            if name == JOB_SERVICE:  # until there are workers
                status = health_pb2.HealthCheckResponse.NOT_SERVING
            await self._health.set(name, status)
        await self._server.start()
        await self._engine.start(self._engine_changed)
        await self._scheduler.start()
        return port

    async def hurry(self) -> None:
        """Cut a `stop` short that waits for running jobs: they go back to the queue now."""
        await self._engine.stop()

    async def stop(self, drain_s: float) -> None:
        """Stop in order: no new jobs, running ones end or go back to the queue, no more calls."""
        self._drain.is_set = True
        await self._health.enter_graceful_shutdown()
        await self._scheduler.drain(drain_s)
        self._store.end_watches()
        await self._server.stop(grace=5.0)
        await self._store.close()
        self._lock.close()

    def _engine_changed(self) -> None:
        self._scheduler.kick()
        is_ready = all(
            any(_is_usable(worker, kind) for worker in self._engine.workers())
            for kind in self._needed
        )
        if is_ready != self._is_ready:
            self._is_ready = is_ready
            response = health_pb2.HealthCheckResponse
            status = response.SERVING if is_ready else response.NOT_SERVING
            update = asyncio.create_task(self._health.set(JOB_SERVICE, status))
            self._health_updates.add(update)  # the loop itself keeps tasks only weakly
            update.add_done_callback(self._health_updates.discard)

    def _rpcs(self) -> list[Rpc]:
        config = self._config
        limits = Limits(
            max_prompt_characters=config.max_prompt_characters,
            max_image_bytes=config.max_image_bytes,
            max_image_pixels=MAX_PIXELS,
            max_mesh_bytes=config.max_mesh_bytes,
            max_mesh_triangles=config.max_mesh_triangles,
            max_adapter_bytes=config.max_adapter_bytes,
            max_images=config.max_images,
            max_variants=config.max_variants,
            max_queued_jobs=config.max_queued_jobs,
            min_free_disk_bytes=config.min_free_disk_bytes,
            max_project_jobs=0,
            max_project_bytes=0,
            max_run_timeout_s=0,
            keep_jobs_s=0,
            heartbeat_s=15,
        )
        jobs = JobService(
            store=self._store,
            scheduler=self._scheduler,
            artifacts=self._artifacts,
            limits=limits,
            models=load_options(config),
            drain=self._drain,
            clock=_now_us,
        )
        blobs = BlobService(
            store=self._store, artifacts=self._artifacts, limits=limits, drain=self._drain
        )
        catalog = CatalogService(
            store=self._store,
            engine=self._engine,
            limits=limits,
            models=load_options(config),
            drain=self._drain,
        )
        services = pb.DESCRIPTOR.services_by_name
        return [
            *rpcs_of(services["JobService"], jobs),
            *rpcs_of(services["BlobService"], blobs),
            *rpcs_of(services["CatalogService"], catalog),
        ]


async def serve(config: ServerConfig) -> None:
    """Run a server until SIGTERM or SIGINT, then drain; a second signal cuts the drain short.

    Raises:
        InvalidInput: If it cannot start.
    """
    server = Server(config)
    stop = asyncio.Event()
    hurry = asyncio.Event()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    port = await server.start()
    logger.info("configuration: %s", config)
    logger.info("listening on %s:%d", config.host, port)
    await stop.wait()
    logger.info("stopping")
    stopping = asyncio.create_task(server.stop(config.drain_s))
    hurrying = asyncio.create_task(hurry.wait())
    await asyncio.wait((stopping, hurrying), return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        await server.hurry()
    hurrying.cancel()
    await stopping
    logger.info("stopped")


def _crews(config: ServerConfig) -> dict[WorkerKind, Crew]:
    def settings(kind: WorkerKind, memory_limit_bytes: int) -> WorkerSettings:
        return WorkerSettings(
            kind=kind,
            pipe=-1,
            stacks=-1,
            store=str(config.data_dir / "artifacts"),
            pipeline=config.pipeline,
            load=load_options(config),
            limits=WorkerLimits(memory_bytes=memory_limit_bytes, image_pixels=MAX_PIXELS),
            max_mesh_triangles=config.max_mesh_triangles,
            log_level=config.log_level,
        )

    devices = generator_devices(config.device, config.generator_workers)
    return {
        WorkerKind.GENERATOR: Crew(
            task_count=len(devices),
            spare_count=0,
            devices=devices,
            is_warm=config.warm_generator,
            grace_s=config.generator_grace_s,
            settings=settings(WorkerKind.GENERATOR, config.generator_memory_bytes),
        ),
        WorkerKind.MESH: Crew(
            task_count=config.mesh_workers,
            spare_count=config.spare_mesh_workers,
            is_warm=True,
            grace_s=config.mesh_grace_s,
            settings=settings(WorkerKind.MESH, config.mesh_memory_bytes),
        ),
    }


def load_options(config: ServerConfig) -> LoadOptions:
    """Return what a generator loads and where it runs."""
    return LoadOptions(
        models=config.models,
        home=str(config.models_dir),
        device=config.device,
        kernels=KernelOptions(
            attention=config.attention,
            sparse_convolution=config.sparse_convolution,
            precision=config.precision,
        ),
        offload=config.offload,
    )


def _is_usable(worker: WorkerStatus, kind: WorkerKind) -> bool:
    is_up = worker.state in (WorkerState.IDLE, WorkerState.BUSY)
    return worker.kind is kind and is_up and not worker.problem


def _locked(folder: Path) -> IO[str]:
    """Make the data folder and keep every other server out until the result is closed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise InvalidInput(
            f"the data folder {folder} cannot be written ({error.strerror}); "
            "choose another with --data-dir"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise InvalidInput(
            f"another server uses the data folder {folder}; stop it or choose another --data-dir"
        ) from error
    return lock


def _now_us() -> int:
    return time.time_ns() // 1000
