"""A worker process: takes tasks from a pipe, runs stages, reports.

Started by `process.py` through `server.leash`, with its settings: a fresh interpreter, because a
fork of a process with gRPC threads hangs or crashes. Imports no grpc; torch only when the pipeline
loads a model. Ends with the server, however that ends, and takes its children along.
"""

import errno
import faulthandler
import importlib
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, cast

from pipeline import (
    Artifact,
    Build,
    BuildRequest,
    GenerateRequest,
    Generation,
    LoadOptions,
    ModelFacts,
    Progress,
    Stage,
    StageMeter,
)
from pipeline.errors import Cancelled, DiskFull, ModelUnavailable, OutOfMemory, PipelineError
from server import failpoints
from server.artifacts import ArtifactStore, Digest
from server.engine import (
    CollisionFit,
    Lod,
    Previewed,
    Progressed,
    StoredArtifact,
    Task,
    TaskKind,
    TaskOutcome,
    Warned,
    WorkerKind,
    limits,
)
from server.engine.messages import (
    Done,
    Failed,
    Ready,
    Report,
    Run,
    Stop,
    Stopped,
    WorkerSettings,
    pack_report,
    unpack_order,
)
from server.incident import REASON as INTERNAL
from server.incident import log_incident
from server.observe.logs import forget_notes, note, set_up_logging
from server.observe.tracing import trace_id
from server.record import from_json, loads
from server.refusals import BlobDamaged, BlobMissing, ModelUnusable

logger = logging.getLogger(__name__)

_REPORT_EVERY_S = 0.1

# Reasons of the contract's `ErrorReason` that are no error of the pipeline's.
JOB_TIMEOUT = "JOB_TIMEOUT"
TOO_LARGE = "TOO_LARGE"


class LoadedModels(Protocol):
    """What the server must know of loaded models."""

    @property
    def facts(self) -> tuple[ModelFacts, ...]: ...
    @property
    def device_in_words(self) -> str: ...
    @property
    def backends(self) -> Mapping[str, str]: ...


class FrontDoor(Protocol):
    """What a worker needs of the pipeline. The module `pipeline` is one; tests have another."""

    # Any: only the pipeline knows what its models are.
    def load_models(self, options: LoadOptions, /) -> LoadedModels: ...
    def generate(
        self, request: GenerateRequest, models: Any, meter: StageMeter, /
    ) -> Generation: ...
    def surface_from_glb(
        self, content: bytes, max_triangles: int, progress: Progress, /
    ) -> bytes: ...
    def build_asset(self, request: BuildRequest, meter: StageMeter, /) -> Build: ...


class Reporter:
    """The `Progress` of one task: reports to the server, raises `Cancelled` when told to stop."""

    def __init__(self, task: Task, report: Callable[[Report], None], store: ArtifactStore) -> None:
        self.task = task
        self.stop = threading.Event()
        self.stage: Stage | None = None
        self.is_out_of_time = False
        self._report = report
        self._store = store
        self._next_report_s = 0.0
        self._turns: set[tuple[Stage, bool]] = set()

    def __call__(self, stage: Stage, fraction: float) -> None:
        self.check()
        if stage is not self.stage:
            self.stage = stage
            note(stage=stage.value)
        now_s = time.monotonic()
        turn = (stage, fraction >= 1)  # the first sign of a stage, and its end, are never left out
        if turn not in self._turns or now_s >= self._next_report_s:
            self._turns.add(turn)
            self._next_report_s = now_s + _REPORT_EVERY_S
            self._report(Progressed(stage=stage, fraction=min(1.0, max(0.0, float(fraction)))))

    def reused(self, stage: Stage) -> None:
        """Report that a stage did not run, since its result was kept."""
        self.check()
        self.stage = stage
        self._report(Progressed(stage=stage, fraction=1.0, is_reused=True))

    def preview(self, stage: Stage, png: bytes) -> None:
        self.check()
        self._report(Previewed(stage=stage, image=self._store.put(png)))

    def warn(self, stage: Stage, message: str) -> None:
        self.check()
        self._report(Warned(stage=stage, message=message))

    def check(self) -> None:
        """Raise `Cancelled` when the task was told to stop, or has used up its time."""
        if self.stop.is_set():
            raise Cancelled("the job was asked to stop")
        if self.is_out_of_time:
            raise Cancelled("the task has used the CPU time that it may")

    def run_out_of_time(self) -> None:
        """End the task at its next sign of life."""
        self.is_out_of_time = True


class Worker:
    """Runs tasks one after another."""

    def __init__(self, settings: WorkerSettings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._store = ArtifactStore(Path(settings.store))
        self._tasks: queue.SimpleQueue[Reporter] = queue.SimpleQueue()
        self._front_door = cast(FrontDoor, importlib.import_module(settings.pipeline))
        self._models: LoadedModels | None = None

    def run(self) -> None:
        """Get ready, then work until the process is ended from outside."""
        threading.Thread(target=self._listen, name="orders", daemon=True).start()
        self._report(self._get_ready())
        while True:
            reporter = self._tasks.get()
            _note_task(reporter.task)
            if self._settings.limits.task_cpu_s:
                limits.limit_task_cpu(self._settings.limits.task_cpu_s, reporter.run_out_of_time)
            result = self._result(reporter)
            failpoints.hit("report.send")
            self._report(result)
            failpoints.hit("report.sent")

    def _listen(self) -> None:
        """Take orders while the main thread works."""
        reporter: Reporter | None = None
        while True:
            try:
                order = unpack_order(self._connection.recv_bytes())
            except (EOFError, OSError):  # the server is gone
                os.killpg(os.getpgrp(), signal.SIGKILL)  # this process and its children
                return
            match order:
                case Run(task=task):
                    reporter = Reporter(task, self._report, self._store)
                    self._tasks.put(reporter)
                case Stop():
                    assert reporter is not None
                    reporter.stop.set()

    def _report(self, report: Report) -> None:
        self._connection.send_bytes(pack_report(report))

    def _get_ready(self) -> Ready:
        problem = ""
        if self._settings.kind is WorkerKind.GENERATOR:
            try:
                self._loaded_models()
            except PipelineError as error:
                problem = str(error)  # tried again by the next task, which then fails with it
        loaded = self._models
        return Ready(
            device=loaded.device_in_words if loaded else f"cpu, {_thread_count()} threads",
            backends=loaded.backends if loaded else _mesh_backends(self._settings),
            models=loaded.facts if loaded else (),
            problem=problem,
        )

    def _loaded_models(self) -> LoadedModels:
        if self._models is None:
            self._models = self._front_door.load_models(self._settings.load)
        return self._models

    def _result(self, reporter: Reporter) -> Report:
        try:
            reporter.check()
            return Done(outcome=self._outcome(reporter))
        except PipelineError as error:
            if isinstance(error, Cancelled) and reporter.stop.is_set():
                return Stopped()
            if isinstance(error, Cancelled) and reporter.is_out_of_time:
                return self._over_limit(
                    reporter, JOB_TIMEOUT, f"{self._settings.limits.task_cpu_s:g} s of CPU time"
                )
            if isinstance(error, ModelUnavailable):
                logger.error("%s", error)
                return Failed(
                    reason=error.reason,
                    message=str(ModelUnusable()),
                    stage=reporter.stage,
                    metadata={},
                )
            return _failed(error, reporter.stage)
        except (BlobMissing, BlobDamaged) as error:  # an input
            return Failed(
                reason=error.reason,
                message=str(error),
                stage=reporter.stage,
                metadata=error.metadata,
            )
        except MemoryError:
            return _failed(
                OutOfMemory("the task needs more memory than a worker may use; ask for less"),
                reporter.stage,
            )
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return _failed(DiskFull("the server's disk is full"), reporter.stage)
            if error.errno == errno.EFBIG:
                return self._over_limit(
                    reporter, TOO_LARGE, f"{self._settings.limits.file_bytes:,} bytes in a file"
                )
            # Files that are left open would fail every later task, too.
            return self._defect(reporter, is_spent=error.errno == errno.EMFILE)
        except Exception:  # whatever it is, the server must hear of it
            return self._defect(reporter)

    def _over_limit(self, reporter: Reporter, reason: str, limit: str) -> Failed:
        """Report a task that wants more than a worker may use."""
        return Failed(
            reason=reason,
            message=f"the task needs more than the {limit} that it may use; ask for less",
            stage=reporter.stage,
            metadata={"limit": limit},
        )

    def _defect(self, reporter: Reporter, is_spent: bool = False) -> Failed:
        """Report an error that nobody foresaw."""
        incident = log_incident(logger, f"job {reporter.task.job_uid}")
        return Failed(
            reason=INTERNAL,
            message=incident.message,
            stage=reporter.stage,
            metadata=incident.metadata,
            # A kernel that faulted leaves a CUDA context in which every later task would fail.
            is_spent=is_spent or self._settings.kind is WorkerKind.GENERATOR,
        )

    def _outcome(self, reporter: Reporter) -> TaskOutcome:
        task = reporter.task
        meter = StageMeter(reporter, time.monotonic, reporter.reused)
        match task.kind:
            case TaskKind.GENERATE:
                request = GenerateRequest(
                    prompt=task.prompt,
                    images=tuple(self._store.read(image.sha256) for image in task.images),
                    seeds=task.seeds,
                    shape=self._store.read(task.source.sha256) if task.source else None,
                    model=task.model,
                    adapter=self._store.read(task.adapter.sha256) if task.adapter else None,
                    adapter_strength=task.adapter_strength,
                    options=task.options,
                    name=task.asset_name,
                    recipe=task.recipe,
                )
                generation = self._front_door.generate(request, self._loaded_models(), meter)
                variants = generation.variants
                surfaces = [v.surface for v in variants if v.surface is not None]
                return TaskOutcome(
                    surfaces=tuple(self._store.put(surface) for surface in surfaces),
                    slats=tuple(self._store.put(variant.slat) for variant in variants),
                    seeds=tuple(variant.seed for variant in variants),
                    model=generation.model,
                    artifacts=tuple(
                        self._stored(artifact, index)
                        for index, variant in enumerate(variants)
                        for artifact in variant.artifacts
                    ),
                    records=meter.finish(),
                    warnings=meter.warnings,
                )
            case TaskKind.IMPORT:
                assert task.source is not None
                content = self._store.read(task.source.sha256)
                most = self._settings.max_mesh_triangles
                surface = self._front_door.surface_from_glb(content, most, meter)
                return TaskOutcome(
                    surfaces=(self._store.put(surface),),
                    records=meter.finish(),
                    warnings=meter.warnings,
                )
            case TaskKind.BUILD:
                assert task.source is not None
                order = BuildRequest(
                    name=task.asset_name,
                    surface=self._store.read(task.source.sha256),
                    options=task.options,
                    generated=task.is_generated,
                    has_size=task.has_size,
                    recipe=task.recipe,
                    earlier=task.earlier_records,
                    earlier_warnings=task.earlier_warnings,
                    kept=self._kept(task.kept),
                )
                build = self._front_door.build_asset(order, meter)
                lods, collision = _facts(build.artifacts)
                return TaskOutcome(
                    artifacts=tuple(
                        self._stored(artifact, task.variant) for artifact in build.artifacts
                    ),
                    lods=lods,
                    collision=collision,
                    kept={part: self._store.put(content) for part, content in build.kept.items()},
                    records=meter.finish(),
                )

    def _kept(self, parts: Mapping[str, Digest]) -> dict[str, bytes]:
        """Read the parts that are still there, whole; the others are made anew."""
        contents = {}
        for part, digest in parts.items():
            try:
                contents[part] = self._store.read(digest.sha256)
            except (BlobMissing, BlobDamaged) as error:
                logger.info("the kept part %s cannot be read: %s", part, error)
        return contents

    def _stored(self, artifact: Artifact, variant: int) -> StoredArtifact:
        return StoredArtifact(
            role=artifact.role,
            file_name=artifact.file_name,
            media_type=artifact.media_type,
            digest=self._store.put(artifact.content),
            variant=variant,
        )


def _note_task(task: Task) -> None:
    """Have every line of the log say which task it is about, until the next one."""
    forget_notes()
    note(job=task.job_uid, attempt=task.attempt, trace_id=trace_id(task.traceparent) or None)


def _failed(error: PipelineError, stage: Stage | None) -> Failed:
    # What is left of a try that ran out of memory may not be free again; a new process is clean.
    # An estimate took nothing, and will say the same again.
    ran_out = isinstance(error, OutOfMemory) and not error.is_estimate
    return Failed(
        reason=error.reason,
        message=str(error),
        stage=stage,
        metadata={name: str(value) for name, value in vars(error).items()},
        is_retryable=ran_out or isinstance(error, DiskFull),
        is_spent=ran_out,
    )


def _facts(artifacts: tuple[Artifact, ...]) -> tuple[tuple[Lod, ...], CollisionFit | None]:
    """Read the facts that clients need from the report."""
    for artifact in artifacts:
        if artifact.role == "report":
            report = json.loads(artifact.content)
            lods = tuple(from_json(Lod, lod) for lod in report["lods"])
            return lods, from_json(CollisionFit, report["collision"])
    return (), None


def _thread_count() -> int:
    return len(os.sched_getaffinity(0))


def _mesh_backends(settings: WorkerSettings) -> dict[str, str]:
    """Return kernels by purpose; a generator's are known once its models are loaded."""
    if settings.kind is WorkerKind.GENERATOR:
        return {}
    return {"mesh": "numba", "rays": "embree"}


def _write_stacks_to(file: int) -> None:
    """Write the stacks of all threads to a file on a crash, and on SIGUSR1 when the task stalls.

    The handlers are C and ask for no lock, so they answer in the middle of native code.
    """
    faulthandler.enable(file)
    faulthandler.register(signal.SIGUSR1, file)


def main() -> None:
    """Be a worker with the settings in the first argument."""
    settings = loads(WorkerSettings, sys.argv[1])
    for file in (settings.pipe, settings.stacks):
        os.set_inheritable(file, False)  # a child that outlives us must not keep it open
    _write_stacks_to(settings.stacks)
    limits.apply(settings.limits)
    set_up_logging(settings.log_level, settings.log_format, worker=settings.kind.value)
    Worker(settings, Connection(settings.pipe)).run()


if __name__ == "__main__":
    main()
