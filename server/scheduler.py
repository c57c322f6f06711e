"""Brings ready tasks to free workers and their ends into the journal."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable
from contextlib import suppress

from pipeline import Stage
from pipeline.errors import DiskFull
from pipeline.export.name import variant_name
from server.engine import (
    Engine,
    Listener,
    Progressed,
    Task,
    TaskFailed,
    TaskKind,
    TaskNews,
    TaskOutcome,
    TaskStopped,
    Warned,
    WorkerKind,
    WorkerLost,
)
from server.estimate import Estimate, StageTimes
from server.incident import REASON as INTERNAL
from server.incident import log_incident
from server.jobs import Job, JobError, JobState, ReadyTask, StageProgressed
from server.journal import JobStore
from server.record import JSON, to_json

logger = logging.getLogger(__name__)

_MAX_LOST_WORKERS = 2  # the second loss in the same task looks like the task's fault
_OUTCOMES_TO_LEARN_FROM = 40
_RETRY_S = 1.0


class Scheduler:
    """Decides what runs where. Lives on the event loop."""

    def __init__(self, store: JobStore, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._times = StageTimes()
        self._wake = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._is_draining = False
        self._is_stopped = False
        self._is_quiet = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to bring tasks to the engine, first those that the journal has ready."""
        for outcome in self._store.recent_outcomes(_OUTCOMES_TO_LEARN_FROM):
            self._times.learn(outcome.records)
        self._dispatcher = asyncio.create_task(self._dispatch_forever())
        self.kick()

    def kick(self) -> None:
        """Look for work soon: something became ready or free."""
        self._wake.set()

    async def cancel(self, uid: str, *, project: str | None) -> Job:
        """Ask a job to stop; returns it as it is then. Raises `JobNotFound`."""
        job = await self._store.cancel(uid, project=project)
        if job.state is JobState.CANCELLING:
            if uid in self._running:
                self._engine.cancel(uid)
            else:  # between two tasks
                job = await self._store.finish_cancelled(uid)
        return job

    async def drain(self, timeout_s: float) -> None:
        """Begin no more jobs; let running ones end within `timeout_s`; put the rest back."""
        self._is_draining = True
        self.kick()
        if timeout_s > 0:
            logger.info("draining: %d tasks run", len(self._running))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_quiet.wait(), timeout_s)
        self._is_stopped = True
        await self._engine.stop()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._dispatcher

    async def _dispatch_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                for kind in WorkerKind:
                    await self._dispatch(kind)
            except (
                Exception
            ):  # whatever it is (a full disk, most likely), ending here ends all work
                logger.exception("nothing can be started now")
                asyncio.get_running_loop().call_later(_RETRY_S, self.kick)
            if self._is_draining and not self._running and not self._has_begun_jobs():
                self._is_quiet.set()

    def _has_begun_jobs(self) -> bool:
        """Whether a job waits for its next task."""
        return any(self._store.ready_tasks(kind, only_running=True) for kind in WorkerKind)

    async def _dispatch(self, kind: WorkerKind) -> None:
        """Start ready tasks while there are free workers of this kind."""
        while not self._is_stopped and (ready := self._next_ready(kind)):
            uid = ready.job.uid
            if problem := self._engine.problem(kind):
                error = JobError(reason="WORKER_LOST", message=problem, stage=None)
                await self._store.fail(uid, error)
                self._engine.wake(kind)  # the next job is another try
                continue
            if not self._engine.free(kind):
                self._engine.wake(kind)
                return
            try:
                task = _task(ready)
                listener = self._listener(ready)
            except Exception:  # an odd row of the journal must not stop the jobs behind it
                incident = log_incident(logger, f"job {uid}")
                error = JobError(
                    reason=INTERNAL,
                    message=incident.message,
                    stage=None,
                    metadata=incident.metadata,
                )
                await self._store.fail(uid, error)
                continue
            job = await self._store.start_task(ready, key=task.key(self._models()))
            if job is None:  # cancelled meanwhile
                continue
            if self._is_stopped or not self._engine.free(kind):  # the worker died meanwhile
                await self._store.requeue(uid)
                continue
            ended = self._engine.run(task, listener)
            self._running[uid] = asyncio.create_task(self._see_off(ready, ended))
            if (
                self._store.job(uid, project=None).state is not JobState.RUNNING
            ):  # cancelled meanwhile
                self._engine.cancel(uid)

    def _next_ready(self, kind: WorkerKind) -> ReadyTask | None:
        names = self._store.ready_tasks(kind, only_running=self._is_draining)
        return self._store.ready_task(names[0]) if names else None

    def _listener(self, ready: ReadyTask) -> Listener:
        """Return what turns the task's news into events."""
        job = ready.job
        estimate = Estimate(
            self._times,
            plan=job.spec.plan,
            position=ready.position,
            floor=job.details.fraction,
        )

        def listen(news: TaskNews) -> None:
            if not isinstance(news, Progressed):
                self._store.post(job.uid, news)
                return
            fraction, remaining_s = estimate.update(news.stage, news.fraction, time.monotonic())
            self._store.post(
                job.uid,
                StageProgressed(
                    stage=news.stage,
                    fraction=news.fraction,
                    job_fraction=fraction,
                    remaining_s=remaining_s,
                ),
            )

        return listen

    async def _see_off(self, ready: ReadyTask, ended: Awaitable[TaskOutcome]) -> None:
        """Wait for a task's end and bring it into the journal."""
        uid = ready.job.uid
        try:
            job = await self._end(ready, ended)
            logger.info("job %s: %s %s", uid, ready.kind, job.state)
        except (DiskFull, sqlite3.Error) as error:  # the next start of the server repeats the task
            logger.error("job %s: its end could not be written down: %s", uid, error)
        finally:
            del self._running[uid]
        if (
            self._store.job(uid, project=None).state is JobState.CANCELLING
        ):  # asked while it was seen off
            await self._store.finish_cancelled(uid)
        self.kick()

    async def _end(self, ready: ReadyTask, ended: Awaitable[TaskOutcome]) -> Job:
        uid = ready.job.uid
        try:
            outcome = await ended
        except TaskStopped:
            return await self._store.requeue(uid)  # which ends a job that is CANCELLING
        except WorkerLost as error:
            if ready.failure_count + 1 < _MAX_LOST_WORKERS:
                warning = Warned(
                    stage=_stage_of(self._store.job(uid, project=None)),
                    message=f"{error}; repeated",
                )
                return await self._store.retry_task(ready, warning, delay_s=0.0)
            stage = _stage_of(self._store.job(uid, project=None))
            lost = JobError(
                reason="WORKER_LOST", message=f"{error}, twice", stage=stage, is_retryable=True
            )
            return await self._store.fail(uid, lost)
        except TaskFailed as error:
            failed = JobError(
                reason=error.reason,
                message=str(error),
                stage=error.stage or _stage_of(self._store.job(uid, project=None)),
                metadata=error.metadata,
                is_retryable=error.is_retryable,
            )
            return await self._store.fail(uid, failed)
        self._times.learn(outcome.records)
        return await self._store.finish_task(ready, outcome)

    def _models(self) -> str:
        """Return the loaded models and what they run on, for `Task.key`."""
        for worker in self._engine.workers():
            if worker.models:
                return "; ".join(f"{model.digest} {model.runs_on}" for model in worker.models)
        return ""


def _stage_of(job: Job) -> Stage:
    """Return the stage that a job is in: the one that started last."""
    return job.details.stages[-1].stage


def _task(ready: ReadyTask) -> Task:
    spec = ready.job.spec
    variant, asset_name = 0, spec.asset_name
    match ready.kind:
        case TaskKind.IMPORT:
            source = spec.mesh or spec.shape
        case TaskKind.GENERATE:
            source = ready.outcomes[-1].surfaces[0] if ready.outcomes else None
        case TaskKind.BUILD:
            variant = ready.position - spec.plan.index(TaskKind.BUILD)
            source = _before_build(ready).surfaces[variant]
            asset_name = variant_name(spec.asset_name, variant, spec.variant_count)
    # Each asset's report tells of its own making, not of the variants built before it.
    earlier = [o for kind, o in zip(spec.plan, ready.outcomes) if kind is not TaskKind.BUILD]  # noqa: B905
    return Task(
        job_uid=ready.job.uid,
        kind=ready.kind,
        attempt=ready.attempt,
        asset_name=asset_name,
        prompt=spec.prompt,
        source=source,
        images=spec.images,
        seeds=spec.seeds,
        variant=variant,
        model=spec.model,
        adapter=spec.adapter,
        adapter_strength=spec.adapter_strength,
        options=spec.options,
        is_generated=spec.is_generated,
        has_size=not spec.is_generated or spec.shape is not None,
        recipe=_recipe(ready, variant),
        earlier_records=tuple(record for outcome in earlier for record in outcome.records),
        earlier_warnings=tuple(text for outcome in earlier for text in outcome.warnings),
    )


def _before_build(ready: ReadyTask) -> TaskOutcome:
    """What the task left that the builds go on from."""
    return ready.outcomes[ready.job.spec.plan.index(TaskKind.BUILD) - 1]


def _recipe(ready: ReadyTask, variant: int) -> dict[str, JSON]:
    """Return what the report says about where the asset comes from."""
    spec = ready.job.spec
    recipe: dict[str, JSON] = {}
    if spec.prompt is not None:
        recipe["prompt"] = spec.prompt
    if spec.mesh is not None:
        recipe["input_sha256"] = spec.mesh.sha256
    if spec.images:
        recipe["input_sha256"] = spec.images[0].sha256
    if spec.more_images:
        recipe["more_input_sha256"] = [image.sha256 for image in spec.more_images]
    if spec.shape is not None:
        recipe["shape_sha256"] = spec.shape.sha256
    if spec.adapter is not None:
        recipe["adapter_sha256"] = spec.adapter.sha256
        recipe["adapter_strength"] = spec.adapter_strength
    if spec.is_generated:
        recipe["seed"] = spec.seed
    if ready.kind is TaskKind.BUILD:
        before = _before_build(ready)
        if before.model is not None:
            recipe["model"] = to_json(before.model)
        if before.seeds:
            recipe["seed"] = before.seeds[variant]
            recipe["slat_sha256"] = before.slats[variant].sha256
        recipe["surface_sha256"] = before.surfaces[variant].sha256
        beside = [artifact for artifact in before.artifacts if artifact.variant == variant]
        if beside:
            recipe["made_beside"] = {one.file_name: one.digest.sha256 for one in beside}
    return recipe
