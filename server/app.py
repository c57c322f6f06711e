"""Puts the server's parts together, starts them in order and stops them in order."""

import asyncio
import fcntl
import logging
import os
import secrets
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from grpc_health.v1 import health_pb2

from pipeline.errors import InvalidInput
from server.access.audit import AuditLog
from server.access.audit_file import FILE_NAME, AuditFile
from server.access.certificates import CertificateFiles, CertificateWatch
from server.access.gate import Gate
from server.access.rate_limit import RateLimit
from server.access.tls import grpc_credentials, http_context
from server.access.tokens import TokenStore
from server.artifacts import ArtifactStore
from server.calls.desk import Desk
from server.calls.rpcs import Rpc, rpcs_of
from server.collector import Collector
from server.config import ServerConfig
from server.crews import crews_of, load_options
from server.engine import WorkerKind, WorkerState, WorkerStatus
from server.engine.local import LocalPool
from server.journal import Commit, JobStore, Quotas, Retention
from server.observe.jobs import JobTelemetry
from server.observe.metrics import Levels, Metrics
from server.observe.service_manager import ServiceManager
from server.observe.tracing import make_tracer
from server.pb import lodsmith_pb2 as pb
from server.scheduler import Scheduler
from server.services.blobs import BlobService
from server.services.catalog import CatalogService, package_version
from server.services.jobs import JobService
from server.services.limits import DrainFlag, limits_of
from server.transport import grpc_port
from server.transport.browser_rules import BrowserRules
from server.transport.health import BoundedHealth
from server.transport.http_app import HttpApp
from server.transport.http_port import HttpPort

logger = logging.getLogger(__name__)

_SERVICES = pb.DESCRIPTOR.services_by_name
JOB_SERVICE = _SERVICES["JobService"].full_name

_GRACE_S = 5.0  # what calls get to end by themselves
_FOR_EVER_S = 1e11  # three thousand years
_MIN_BLOB_AGE_S = 3600.0  # younger bytes may be results that their worker is about to report


class Server:
    """A whole server on the running event loop.

    port, http_port: where it listens; 0 before `start`, and for HTTP that is switched off.
    """

    def __init__(self, config: ServerConfig) -> None:
        """Build the parts and lock the data folder.

        Raises:
            InvalidInput: If another server uses the folder, it cannot be written, or a
                certificate is no good.
        """
        self.port = self.http_port = 0
        self._config = config
        self._certificates = _certificates(config)
        self._lock = _locked(config.data_dir)
        self._metrics = Metrics([method.name for s in _SERVICES.values() for method in s.methods])
        self._tracer = make_tracer(config.otlp_endpoint)
        self._telemetry = JobTelemetry(self._metrics, self._tracer)
        self._artifacts = ArtifactStore(
            config.data_dir / "artifacts", min_free_bytes=config.min_free_disk_bytes
        )
        self._store = JobStore(
            config.data_dir / "journal.sqlite3",
            clock=_now_us,
            quotas=Quotas(
                max_jobs=config.max_project_jobs,
                max_bytes=config.max_project_bytes,
                max_queued=config.max_queued_jobs,
            ),
            on_commit=self._committed,
        )
        self._collector = Collector(
            self._store,
            self._artifacts,
            _retention(config),
            interval_s=config.gc_interval_s,
            grace_s=max(_MIN_BLOB_AGE_S, config.max_run_timeout_s),
        )
        self._engine = LocalPool(
            crews_of(config),
            on_restart=lambda kind, cause: self._metrics.worker_replaced(kind.value, cause.value),
        )
        self._scheduler = Scheduler(
            self._store,
            self._engine,
            self._telemetry,
            is_there=lambda sha256: self._artifacts.size(sha256) is not None,
            max_run_timeout_s=config.max_run_timeout_s,
            quarantine_s=config.keep_cache_s,
        )
        self._drain = DrainFlag()
        self._health = BoundedHealth(max_watches=config.max_health_watches)
        # Without a warm generator the first job finds out whether the models are good.
        self._needed = set(WorkerKind) if config.warm_generator else {WorkerKind.MESH}
        self._is_ready = False
        self._health_updates: set[asyncio.Task[None]] = set()
        self._tokens = (
            TokenStore(config.data_dir / "access.sqlite3", clock=_now_us)
            if config.needs_token
            else None
        )
        self._audit = AuditLog(AuditFile(config.data_dir / FILE_NAME), clock=_now_us)
        desk = self._desk()
        rpcs = self._rpcs()
        self._grpc = grpc_port.grpc_server(
            rpcs,
            desk,
            self._health,
            has_reflection=config.reflection,
            max_connection_streams=config.max_connection_streams,
        )
        self._http = self._http_server(rpcs, desk) if config.http else None
        self._metrics.read_levels_from(self._levels)

    async def start(self) -> None:
        """Recover, listen, start the workers.

        Raises:
            InvalidInput: If the address cannot be listened on.
        """
        config = self._config
        self._artifacts.sweep()
        self._audit.start()
        if recovered := await self._store.open():
            logger.info("recovered: %d jobs ran when the server last ended", recovered)
        credentials = grpc_credentials(self._certificates) if self._certificates else None
        self.port = grpc_port.listen(self._grpc, config.host, config.port, credentials)
        if self._http:
            self.http_port = self._http.listen(config.host, config.http_port)
        for name in ("", *(service.full_name for service in _SERVICES.values())):
            status = health_pb2.HealthCheckResponse.SERVING
            if name == JOB_SERVICE:  # until there are workers
                status = health_pb2.HealthCheckResponse.NOT_SERVING
            await self._health.set(name, status)
        await self._grpc.start()
        if self._http:
            await self._http.start()
        await self._engine.start(self._engine_changed)
        await self._scheduler.start()
        self._collector.start()

    def hurry(self) -> None:
        """Cut a `stop` short that waits for running jobs: they go back to the queue now."""
        self._scheduler.hurry()

    async def stop(self, drain_s: float) -> None:
        """Stop in order: no new jobs, running ones end or go back to the queue, no more calls."""
        self._drain.is_set = True
        await self._health.enter_graceful_shutdown()
        await self._scheduler.drain(drain_s)
        await self._collector.stop()
        self._store.end_watches()
        await asyncio.gather(
            self._grpc.stop(grace=_GRACE_S),
            *([self._http.stop(_GRACE_S)] if self._http else []),
        )
        await self._store.close()
        await self._audit.close()
        if self._tokens:
            self._tokens.close()
        await asyncio.to_thread(self._tracer.stop)
        self._lock.close()

    def _committed(self, commit: Commit) -> None:
        self._telemetry.committed(commit)
        # Here and not where jobs are created: that call may have been cut meanwhile.
        if any(entry.event.sequence == 1 for _, entry in commit.news):
            self._scheduler.kick()

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

    def _levels(self) -> Levels:
        workers: dict[tuple[str, str], int] = {}
        for worker in self._engine.workers():
            key = (worker.kind.value, worker.state.value)
            workers[key] = workers.get(key, 0) + 1
        disk = shutil.disk_usage(self._config.data_dir)
        return Levels(
            jobs={state.value: count for state, count in self._store.job_counts().items()},
            workers=workers,
            disk_free_bytes=disk.free,
            disk_used_bytes=self._store.stored_bytes(),
        )

    def _desk(self) -> Desk:
        config = self._config
        rates = None
        if config.call_rate_per_s:
            rates = RateLimit(
                rate_per_s=config.call_rate_per_s,
                burst=config.call_burst,
                clock=time.monotonic,
                of="calls of one project",
            )
        return Desk(
            gate=Gate(self._tokens, clock=time.monotonic),
            rates=rates,
            audit=self._audit,
            metrics=self._metrics,
            tracer=self._tracer,
            max_streams=config.max_watches,
        )

    def _rpcs(self) -> list[Rpc]:
        """Return the table of RPCs, answered by services that are made here."""
        config = self._config
        limits, models = limits_of(config), load_options(config)
        services: dict[str, object] = {
            "JobService": JobService(
                store=self._store,
                scheduler=self._scheduler,
                artifacts=self._artifacts,
                limits=limits,
                models=models,
                drain=self._drain,
                clock=_now_us,
                metrics=self._metrics,
                telemetry=self._telemetry,
                logs_prompts=config.log_prompts,
            ),
            "BlobService": BlobService(
                store=self._store,
                artifacts=self._artifacts,
                limits=limits,
                drain=self._drain,
                metrics=self._metrics,
            ),
            "CatalogService": CatalogService(
                store=self._store,
                engine=self._engine,
                limits=limits,
                models=models,
                drain=self._drain,
                http_port=lambda: self.http_port,
            ),
        }
        return [
            rpc
            for name, descriptor in _SERVICES.items()
            for rpc in rpcs_of(
                descriptor, services[name], max_request_items=config.max_request_items
            )
        ]

    def _http_server(self, rpcs: Sequence[Rpc], desk: Desk) -> HttpPort:
        config = self._config
        rules = BrowserRules(
            host=config.host, hosts=config.allowed_hosts, origins=config.allowed_origins
        )
        app = HttpApp(
            rpcs,
            desk,
            rules,
            version=package_version("lodsmith"),
            is_ready=lambda: self._is_ready and not self._drain.is_set,
            metrics=self._metrics.render,
            max_infer_bytes=2 * config.max_image_bytes,
            max_infer_calls=config.max_infer_calls,
            random_seed=lambda: secrets.randbelow(2**31 - 1) + 1,
        )
        return HttpPort(app, http_context(self._certificates) if self._certificates else None)


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
    service_manager = ServiceManager(os.environ.get("NOTIFY_SOCKET", ""))
    await server.start()
    service_manager.ready()
    logger.info("listening on %s:%d, HTTP on port %d", config.host, server.port, server.http_port)
    await stop.wait()
    logger.info("stopping")
    service_manager.stopping(config.drain_s + 2 * _GRACE_S)
    stopping = asyncio.create_task(server.stop(config.drain_s))
    hurrying = asyncio.create_task(hurry.wait())
    await asyncio.wait((stopping, hurrying), return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        server.hurry()
    hurrying.cancel()
    await stopping
    logger.info("stopped")


def _certificates(config: ServerConfig) -> CertificateWatch | None:
    if config.tls_cert is None or config.tls_key is None:
        return None
    files = CertificateFiles(
        cert=config.tls_cert, key=config.tls_key, client_ca=config.tls_client_ca
    )
    return CertificateWatch(files)


def _retention(config: ServerConfig) -> Retention:
    return Retention(
        jobs_s=config.keep_jobs_s or _FOR_EVER_S,
        events_s=config.keep_events_s,
        cache_s=config.keep_cache_s,
        blobs_s=config.keep_uploads_s,
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
