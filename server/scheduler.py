"""Brings ready tasks to free workers and their ends into the journal."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from pipeline import Stage
from pipeline.errors import DiskFull
from server import failpoints
from server.artifacts import Digest
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
from server.estimate import Estimate, StageTimes, first_position
from server.incident import REASON as INTERNAL
from server.incident import log_incident
from server.jobs import Job, JobError, JobState, ReadyTask, StageProgressed, StageState
from server.journal import JobStore, TaskName
from server.observe.jobs import JobTelemetry
from server.observe.tracing import TaskSpans
from server.refusals import JobNotFound, QuotaExceeded
from server.tasks import Work, may_take_part, part_keys, task_of

logger = logging.getLogger(__name__)

_MAX_DEATHS = 2  # the second worker that dies in the same work looks like the work's fault
_OUTCOMES_TO_LEARN_FROM = 40
_RETRY_S = 1.0
_MAX_RETRY_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What can be expected of a job. An estimate.

    queue_position: how many jobs start before it; None when it does not wait.
    run_s: seconds to its end once it runs. remaining_s: seconds to its end from now.
    """

    queue_position: int | None
    run_s: float | None
    remaining_s: float | None


@dataclass(kw_only=True)
class _Run:
    """A task on its worker.

    work: None when it is not known what decides its outcome. part_keys: of the parts of a build,
    by name. timer: ends it when the job has used up its time.
    """

    ready: ReadyTask
    work: Work | None
    part_keys: Mapping[str, str]
    spans: TaskSpans
    is_overdue: bool = False
    timer: asyncio.TimerHandle | None = None
    end: "asyncio.Task[None] | None" = None


class Scheduler:
    """Decides what runs where. Lives on the event loop."""

    def __init__(
        self,
        store: JobStore,
        engine: Engine,
        telemetry: JobTelemetry,
        *,
        is_there: Callable[[str], bool],
        max_run_timeout_s: float = 0.0,
        quarantine_s: float = 7 * 86_400.0,
        retry_delays_s: Sequence[float] = (1.0, 5.0),
    ) -> None:
        """Nothing runs before `start`.

        Args:
            store: The journal.
            engine: Where tasks run.
            telemetry: Is told of them.
            is_there: Whether the bytes of a blob are on the disk, by SHA-256.
            max_run_timeout_s: How long the tasks of a job may run in all. 0: no limit.
            quarantine_s: How long work that killed its workers is not tried again.
            retry_delays_s: How long to wait before each further try of a task.
        """
        self._store = store
        self._engine = engine
        self._telemetry = telemetry
        self._is_there = is_there
        self._max_run_timeout_s = max_run_timeout_s
        self._quarantine_s = quarantine_s
        self._retry_delays_s = retry_delays_s
        self._times = StageTimes()
        self._wake = asyncio.Event()
        self._running: dict[str, _Run] = {}
        # What was looked up of the tasks that are ready; None: it may not come from the cache.
        self._works: dict[WorkerKind, dict[TaskName, Work | None]] = {k: {} for k in WorkerKind}
        self._is_draining = False
        self._stopped = asyncio.Event()
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
        """Ask a job to stop; returns it as it is then. Raises `JobNotFound`.

        Once asked, it stops, also when the caller is cancelled meanwhile.
        """
        return await asyncio.shield(self._cancel(uid, project))

    async def _cancel(self, uid: str, project: str | None) -> Job:
        job = await self._store.cancel(uid, project=project)
        if job.state is JobState.CANCELLING:
            if uid in self._running:
                self._engine.cancel(uid)
            else:  # between two tasks
                job = await self._store.finish_cancelled(uid)
        return job

    def outlook(self, job: Job) -> Outlook:
        """Return where a job is in the queue and how long it will take.

        The wait is guessed as if all jobs before it were like this one.
        """
        if job.state is not JobState.QUEUED:
            remaining_s = job.details.remaining_s
            return Outlook(queue_position=None, run_s=remaining_s, remaining_s=remaining_s)
        place = self._store.queue().get(job.uid)
        run_s = self._times.job_seconds(job.spec.plan)
        first = job.spec.plan[0]
        crew = sum(worker.kind is first.worker for worker in self._engine.workers())
        wait_s = self._times.task_seconds(first) * (place or 0) / max(1, crew)
        return Outlook(queue_position=place, run_s=run_s, remaining_s=run_s + wait_s)

    async def drain(self, timeout_s: float) -> None:
        """Begin no more jobs; let running ones end within `timeout_s`; put the rest back."""
        self._is_draining = True
        self.kick()
        if timeout_s > 0:
            logger.info("draining: %d tasks run", len(self._running))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_quiet.wait(), timeout_s)
        self._stopped.set()
        await self._engine.stop()
        ends = [run.end for run in self._running.values() if run.end is not None]
        await asyncio.gather(*ends, return_exceptions=True)
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._dispatcher

    def hurry(self) -> None:
        """Make `drain` wait no longer."""
        self._is_quiet.set()

    # What runs next

    async def _dispatch_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                for kind in WorkerKind:
                    if await self._look_up(kind):
                        await self._dispatch(kind)
                self._wake_when_due()
            except Exception:
                # Whatever it is (a full disk, most likely): ending here would end all work.
                logger.exception("nothing can be started now")
                asyncio.get_running_loop().call_later(_RETRY_S, self.kick)
            if self._is_draining and not self._running and not self._has_begun_jobs():
                self._is_quiet.set()

    def _has_begun_jobs(self) -> bool:
        """Whether a job waits for its next task."""
        return any(self._store.ready_tasks(kind, only_running=True) for kind in WorkerKind)

    def _wake_when_due(self) -> None:
        """Look again when the next task may be tried again."""
        if (due_s := self._store.next_due_s()) is not None:
            asyncio.get_running_loop().call_later(due_s, self.kick)

    async def _look_up(self, kind: WorkerKind) -> bool:
        """End ready tasks that need no worker: what they would do is kept, or is in quarantine.

        Each is looked up once, and again when the same work has been done meanwhile. Returns
        whether any are left.
        """
        known = self._works[kind]
        names = self._store.ready_tasks(kind, only_running=self._is_draining)
        self._works[kind] = works = {name: known[name] for name in names if name in known}
        is_left = bool(works)
        for name in names:
            if name in works or self._stopped.is_set() or not (ready := await self._ready(name)):
                continue
            task = await self._task(ready)
            if task is None:
                continue
            work = self._work(ready.job, task)
            if work is not None and await self._settle(ready, work):
                continue
            is_left = True
            if work is not None:
                works[name] = work if self._may_reuse(ready) else None
        return is_left

    async def _task(self, ready: ReadyTask) -> Task | None:
        """Return what the task's worker needs; without it the job has failed."""
        try:
            return task_of(ready)
        except Exception:
            await self._give_up(ready.job.uid)
            return None

    async def _ready(self, name: TaskName) -> ReadyTask | None:
        """Return a task with all that starting it needs, None where that cannot be.

        It is no longer ready, or its rows cannot be read: then its job has failed.
        """
        try:
            return self._store.ready_task(name)
        except ValueError:
            await self._give_up(name.job_uid)
            return None

    async def _give_up(self, uid: str) -> None:
        """Fail a job of which the journal has odd rows: they must not stop the jobs behind it.

        Where not even the job itself can be read, its tasks are dropped.
        """
        incident = log_incident(logger, f"job {uid}")
        error = JobError(
            reason=INTERNAL, message=incident.message, stage=None, metadata=incident.metadata
        )
        try:
            await self._store.fail(uid, error)
        except ValueError:
            await self._store.drop_tasks(uid)

    def _work(self, job: Job, task: Task) -> Work | None:
        """Return what a task does, None while it is not known which model it will take."""
        models = self._models()
        if task.kind is TaskKind.GENERATE and not models:
            return None
        return Work(project=job.project, key=task.key(models))

    def _may_reuse(self, ready: ReadyTask) -> bool:
        """Whether the task may take what is kept of the same work."""
        job = ready.job
        if job.spec.ignore_cache:
            return False
        return ready.position < first_position(job.spec.plan, job.from_stage)

    async def _settle(self, ready: ReadyTask, work: Work) -> bool:
        """End a task that needs no worker; False when it needs one."""
        job = ready.job
        if self._deaths(work) >= _MAX_DEATHS:
            await self._store.fail(job.uid, self._quarantined())
            return True
        kept = self._store.kept_work(work.project, work.key) if self._may_reuse(ready) else None
        if kept is None or not all(self._is_there(digest.sha256) for digest in kept.digests):
            return False
        done = self._times.done_fraction(job.spec.plan, ready.position + 1)
        reused = await self._store.reuse_task(ready, key=work.key, fraction=done)
        if reused is not None:
            logger.info("job %s: %s reused", job.uid, ready.kind)
            self.kick()  # its next task
        return reused is not None

    def _deaths(self, work: Work) -> int:
        return self._store.death_count(work.project, work.key, within_s=self._quarantine_s)

    def _quarantined(self) -> JobError:
        return JobError(
            reason="INPUT_QUARANTINED",
            message=f"the same work has killed {_MAX_DEATHS} workers and is not tried again for "
            f"{self._quarantine_s / 86_400:.3g} days; change the input or the options",
            stage=None,
        )

    async def _dispatch(self, kind: WorkerKind) -> None:
        """Start ready tasks while there are free workers of this kind."""
        while not self._stopped.is_set():
            problem = self._engine.problem(kind)
            if not problem and not self._engine.free(kind):  # before a look at the whole queue
                self._engine.wake(kind)
                return
            if (ready := await self._next_ready(kind)) is None:
                return
            uid = ready.job.uid
            if problem:
                error = JobError(reason="WORKER_LOST", message=problem, stage=None)
                await self._store.fail(uid, error)
                self._engine.wake(kind)  # the next job is another try
                continue
            if refused := self._why_not(ready.job):
                await self._store.fail(uid, refused)
                continue
            if task := await self._task(ready):
                await self._start(ready, task)

    async def _next_ready(self, kind: WorkerKind) -> ReadyTask | None:
        """Return the first ready task whose work is not being done already."""
        busy = {run.work for run in self._running.values() if run.work is not None}
        for name in self._store.ready_tasks(kind, only_running=self._is_draining):
            if self._works[kind].get(name) in busy:
                continue  # it takes the other's outcome
            if ready := await self._ready(name):
                return ready
        return None

    def _why_not(self, job: Job) -> JobError | None:
        """Return why a job may not run, None if it may."""
        if (left_s := self._left_s(job)) is not None and left_s <= 0:
            return self._timed_out(job)
        if job.start_us is None:  # jobs before it may have filled what was free when it was made
            try:
                self._store.check_room(job.project)
            except QuotaExceeded as refusal:
                return JobError(
                    reason=refusal.reason,
                    message=str(refusal),
                    stage=None,
                    metadata=refusal.metadata,
                    is_retryable=True,
                )
        return None

    async def _start(self, ready: ReadyTask, task: Task) -> None:
        uid = ready.job.uid
        work = self._work(ready.job, task)
        keys = part_keys(task)
        kept = self._kept_parts(ready.job, keys)
        job = await self._store.start_task(
            ready, key=work.key if work else "", parts=[keys[part] for part in kept]
        )
        if job is None:  # cancelled meanwhile
            return
        kind = ready.kind.worker
        if self._stopped.is_set() or not self._engine.free(kind):  # the worker died meanwhile
            await self._store.requeue(uid)
            return
        spans = self._telemetry.task(uid, ready.kind, ready.attempt)
        run = _Run(ready=ready, work=work, part_keys=keys, spans=spans)
        task = replace(
            task,
            kept=kept,
            expected_s=self._times.all_seconds(),
            traceparent=spans.traceparent,
        )
        ended = self._engine.run(task, self._listener(run))
        self._running[uid] = run
        run.end = asyncio.create_task(self._see_off(run, ended))
        if (left_s := self._left_s(job)) is not None:
            run.timer = asyncio.get_running_loop().call_later(left_s, self._stop_overdue, run)
        if self._store.job(uid, project=None).state is not JobState.RUNNING:  # cancelled meanwhile
            self._engine.cancel(uid)

    def _kept_parts(self, job: Job, keys: Mapping[str, str]) -> dict[str, Digest]:
        """Return what a build may start from, by the parts' names."""
        return {
            part: digest
            for part, key in keys.items()
            if may_take_part(job, part) and (digest := self._store.kept_part(job.project, key))
        }

    # Time

    def _limit_s(self, job: Job) -> float:
        """Return how long a job's tasks may run in all; 0: no limit."""
        asked_s = job.spec.run_timeout_s or self._max_run_timeout_s
        return min(asked_s, self._max_run_timeout_s or asked_s)

    def _left_s(self, job: Job) -> float | None:
        limit_s = self._limit_s(job)
        return limit_s - job.run_us / 1e6 if limit_s else None

    def _timed_out(self, job: Job) -> JobError:
        limit_s = self._limit_s(job)
        return JobError(
            reason="JOB_TIMEOUT",
            message=f"the job has run for the {limit_s:,.0f} s that it may; ask for less, or for a "
            f"longer run_timeout (at most {self._max_run_timeout_s:,.0f} s)",
            stage=_stage_of(job),
            metadata={"run_timeout_s": f"{limit_s:g}"},
        )

    def _stop_overdue(self, run: _Run) -> None:
        run.is_overdue = True
        self._engine.cancel(run.ready.job.uid)

    # What comes of it

    def _listener(self, run: _Run) -> Listener:
        """Return what turns the task's news into events."""
        ready, job = run.ready, run.ready.job
        estimate = Estimate(
            self._times,
            plan=job.spec.plan,
            position=ready.position,
            floor=job.details.fraction,
        )
        begun: set[Stage] = set()

        def listen(news: TaskNews) -> None:
            if not isinstance(news, Progressed):
                self._store.post(job.uid, news)
                return
            run.spans.progressed(news.stage.value)
            fraction, remaining_s = estimate.update(news.stage, news.fraction, time.monotonic())
            self._store.post(
                job.uid,
                StageProgressed(
                    stage=news.stage,
                    fraction=news.fraction,
                    job_fraction=fraction,
                    remaining_s=remaining_s,
                    state=StageState.REUSED if news.is_reused else StageState.RUNNING,
                ),
                begins=news.stage not in begun,
            )
            begun.add(news.stage)

        return listen

    async def _see_off(self, run: _Run, ended: Awaitable[TaskOutcome]) -> None:
        """Wait for a task's end and bring it into the journal."""
        uid = run.ready.job.uid
        try:
            write = await self._end(run, ended)
            job = await self._written(uid, write)
            logger.info("job %s: %s %s", uid, run.ready.kind, job.state)
            # Asked while it was seen off. From the last look on, `_cancel` itself finishes it.
            while self._store.job(uid, project=None).state is JobState.CANCELLING:
                await self._written(uid, lambda: self._store.finish_cancelled(uid))
        except (DiskFull, sqlite3.Error):
            logger.error("job %s: the next start of the server repeats its task", uid)
        except JobNotFound:
            pass  # it was deleted as soon as it had ended
        finally:
            if run.timer is not None:
                run.timer.cancel()
            del self._running[uid]
            self._look_up_again(run.work)
            self.kick()

    async def _written(self, uid: str, write: "Callable[[], Awaitable[Job]]") -> Job:
        """Write an end into the journal, again and again where that fails, until the server stops.

        Raises:
            DiskFull, sqlite3.Error: Of the last try.
        """
        delay_s = _RETRY_S
        while True:
            try:
                return await write()
            except (DiskFull, sqlite3.Error) as error:
                logger.error("job %s: its end cannot be written down: %s", uid, error)
                if self._stopped.is_set():
                    raise
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), delay_s)
            delay_s = min(2 * delay_s, _MAX_RETRY_S)

    def _look_up_again(self, work: Work | None) -> None:
        """Make tasks look for what this work has left."""
        for works in self._works.values():
            for name in [name for name, other in works.items() if other == work]:
                del works[name]

    async def _end(self, run: _Run, ended: Awaitable[TaskOutcome]) -> Callable[[], Awaitable[Job]]:
        """Wait for a task's end; return what writes it down, which may be tried several times."""
        ready = run.ready
        uid = ready.job.uid
        try:
            outcome = await ended
        except TaskStopped:
            run.spans.end("CANCELLED")
            if run.is_overdue:
                overdue = self._timed_out(self._store.job(uid, project=None))
                return partial(self._store.fail, uid, overdue)
            return partial(self._store.requeue, uid)  # which ends a job that is CANCELLING
        except WorkerLost as error:
            run.spans.end(error.reason)
            return partial(self._bury, run, error)
        except TaskFailed as error:
            run.spans.end(error.reason)
            return partial(self._fail, run, error)
        failpoints.hit("report.taken")
        run.spans.end()
        self._times.learn(outcome.records)
        self._telemetry.ran(outcome.records)
        parts = {run.part_keys[part]: digest for part, digest in outcome.kept.items()}
        return partial(self._store.finish_task, ready, outcome, parts=parts)

    async def _bury(self, run: _Run, error: WorkerLost) -> Job:
        """Try a task again whose worker died, unless it looks like the task's fault."""
        ready = run.ready
        job = self._store.job(ready.job.uid, project=None)
        deaths = self._deaths(run.work) + 1 if run.work else ready.failure_count + 1
        key = run.work.key if run.work else ""
        if deaths < _MAX_DEATHS and (delay_s := self._delay_s(ready)) is not None:
            warning = Warned(stage=_stage_of(job), message=f"{error}; repeated")
            return await self._store.retry_task(ready, warning, delay_s=delay_s, death_of=key)
        lost = JobError(
            reason=error.reason,
            message=f"{error}, {_times(max(deaths, ready.failure_count + 1))}",
            stage=_stage_of(job),
            is_retryable=True,
        )
        return await self._store.fail(job.uid, lost, death_of=key)

    async def _fail(self, run: _Run, error: TaskFailed) -> Job:
        """End a job whose task failed; one that only ran out of memory is tried again."""
        ready = run.ready
        job = self._store.job(ready.job.uid, project=None)
        stage = error.stage or _stage_of(job)
        ran_out = error.reason == "OUT_OF_MEMORY" and error.is_retryable
        if ran_out and (delay_s := self._delay_s(ready)) is not None:
            warning = Warned(stage=stage, message=f"{error}; repeated")
            return await self._store.retry_task(ready, warning, delay_s=delay_s)
        failed = JobError(
            reason=error.reason,
            message=str(error),
            stage=stage,
            metadata=error.metadata,
            is_retryable=error.is_retryable,
        )
        return await self._store.fail(job.uid, failed)

    def _delay_s(self, ready: ReadyTask) -> float | None:
        """Return how long to wait before the next try, None when there is none left."""
        delays_s = self._retry_delays_s
        return delays_s[ready.failure_count] if ready.failure_count < len(delays_s) else None

    def _models(self) -> str:
        """Return the loaded models and what they run on, for `Task.key`."""
        for worker in self._engine.workers():
            if worker.models:
                return "; ".join(f"{model.digest} {model.runs_on}" for model in worker.models)
        return ""


def _stage_of(job: Job) -> Stage:
    """Return the stage that a job is in: the one that started last."""
    return job.details.stages[-1].stage


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"
