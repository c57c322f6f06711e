"""What may be done to jobs and tasks, each within one transaction of the writer."""

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline import Stage
from server.artifacts import Digest
from server.engine import Previewed, TaskOutcome, Warned
from server.jobs import (
    Happening,
    Job,
    JobDetails,
    JobError,
    JobEvent,
    JobSpec,
    JobState,
    ReadyTask,
    StageProgressed,
    StageState,
    StateChanged,
    advance,
    is_last_task,
    result_of,
)
from server.journal import blobs, stage_cache
from server.journal.reads import Reads
from server.journal.stage_cache import KeptWork
from server.journal.tail import Entry
from server.record import dumps, loads
from server.refusals import (
    EtagMismatch,
    InputMissing,
    JobNotFinished,
    QueueFull,
    QuotaExceeded,
    RequestIdReused,
)

logger = logging.getLogger(__name__)

Clock = Callable[[], int]
"""Returns microseconds since 1970."""

_MAX_REMEMBERED_JOBS = 256


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """What one project may have, 0: no limit; and what all may have together, None: no limit.

    max_jobs: that wait or run. max_bytes: of its blobs and half-done uploads. What a job leaves
        that has begun may pass it.
    max_queued: jobs of all projects that wait.
    """

    max_jobs: int = 0
    max_bytes: int = 0
    max_queued: int | None = None


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """What is asked for. from_stage, retry_of: see `Job`."""

    project: str
    request_id: str
    spec: JobSpec
    retry_of: str = ""
    from_stage: Stage | None = None


class Journal:
    """The tables, and what may be done to them.

    The writer's alone: it remembers the jobs that it wrote last. What was recorded since the last
    `take_news` is told to followers after the commit.
    """

    def __init__(self, database: sqlite3.Connection, clock: Clock, quotas: Quotas) -> None:
        self.database = database
        self.reads = Reads(database)
        self.now_us = clock
        self._quotas = quotas
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._news: list[tuple[str, Entry]] = []

    def take_news(self) -> list[tuple[str, Entry]]:
        """Return the entries that were recorded, with their jobs' uids, and begin anew."""
        news, self._news = self._news, []
        return news

    def forget_news(self, count: int) -> None:
        """Take back what was recorded after the first `count` entries: it was rolled back."""
        del self._news[count:]
        self._jobs.clear()

    @property
    def news_count(self) -> int:
        """How many entries were recorded."""
        return len(self._news)

    def job(self, uid: str, project: str | None = None) -> Job:
        """As `Reads.job`."""
        job = self._jobs.get(uid)
        if job is None or project not in (None, job.project):
            job = self.reads.job(uid, project)
        return job

    # Jobs

    def check(self, new: NewJob) -> Job | None:
        """Raise if a job may not be added; returns the one that has its request id, if any."""
        known = self._known(new)
        if known is None:
            self._check_queue()
            self._check_jobs_quota(new.project)
            blobs.check_room(self.database, new.project, self._quotas.max_bytes)
        return known

    def create(self, new: NewJob, uid: str) -> tuple[Job, bool]:
        """Add a job, or return the one that has its request id and True."""
        if known := self.check(new):
            return known, True
        now_us = self.now_us()
        job = Job(
            uid=uid,
            project=new.project,
            spec=new.spec,
            state=JobState.QUEUED,
            details=JobDetails(),
            last_sequence=0,
            create_us=now_us,
            start_us=None,
            end_us=None,
            retry_of=new.retry_of,
            from_stage=new.from_stage,
        )
        self.database.execute(
            "INSERT INTO jobs (uid, project, request_id, spec, state, details, last_sequence,"
            " priority, retry_of, from_stage, create_us) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                uid, job.project, new.request_id or None, dumps(job.spec), job.state,
                dumps(job.details), 0, job.spec.priority, job.retry_of, job.from_stage, now_us,
            ),
        )  # fmt: skip
        self.database.executemany(
            "INSERT INTO labels VALUES (?, ?, ?, ?)",
            [(job.project, name, value, uid) for name, value in job.spec.labels.items()],
        )
        self._hold_inputs(job)
        self._plan(job)
        return self.record(job, _queued(0.0)), False

    def _known(self, new: NewJob) -> Job | None:
        if not new.request_id:
            return None
        known = self.reads.job_of_request(new.project, new.request_id)
        if known is None:
            return None
        asked = (new.spec, new.retry_of, new.from_stage)
        if asked != (known.spec, known.retry_of, known.from_stage):
            raise RequestIdReused(
                f"request_id {new.request_id!r} belongs to a job with another spec; "
                "use a new id for a new job",
                field="request_id",
            )
        return known

    def _check_queue(self) -> None:
        limit = self._quotas.max_queued
        if limit is not None and self.reads.queued_count() >= limit:
            raise QueueFull(
                f"{limit} jobs wait, which is the most this server allows; try again later",
                retry_after_s=10.0,
            )

    def _check_jobs_quota(self, project: str) -> None:
        limit = self._quotas.max_jobs
        if limit and self.reads.unfinished_count(project) >= limit:
            raise QuotaExceeded(
                f"{limit} jobs of the project wait or run, which is the most it may have; "
                "cancel one or try again later",
                metadata={"quota": "jobs", "limit": str(limit)},
                retry_after_s=10.0,
            )

    def _hold_inputs(self, job: Job) -> None:
        for digest in job.spec.inputs:
            if blobs.size(self.database, job.project, digest.sha256) is None:
                raise InputMissing(
                    f"{digest.sha256} is not on the server any more; upload it with WriteBlob",
                    metadata={"sha256": digest.sha256},
                )
        blobs.hold(self.database, job.project, job.uid, job.spec.inputs, job.create_us)

    def _plan(self, job: Job) -> None:
        """Write down a job's tasks; what an earlier job has made counts as done."""
        earlier: list[str] = []
        if job.spec.surfaces_of:
            # What was exported once has the surfaces itself; where they came from may be gone.
            source = job.retry_of or job.spec.surfaces_of
            self.job(source, job.project)  # it is the project's
            earlier = self.reads.outcomes_before_build(source)
        for text in earlier:
            digests = loads(TaskOutcome, text).digests
            blobs.hold(self.database, job.project, job.uid, digests, job.create_us)
        for position, kind in enumerate(job.spec.plan):
            is_done = position < len(earlier)
            is_first = position == len(earlier)
            self.database.execute(
                "INSERT INTO tasks (job_uid, position, kind, worker, state, outcome, is_reused)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    job.uid,
                    position,
                    kind,
                    kind.worker,
                    "done" if is_done else "ready" if is_first else "waiting",
                    earlier[position] if is_done else None,
                    is_done,
                ),
            )

    def retry(
        self, uid: str, project: str, request_id: str, from_stage: Stage | None, new_uid: str
    ) -> tuple[Job, bool]:
        """Add a job like one that has ended, which may be gone when the call is repeated."""
        job = self.reads.job_of_request(project, request_id) if request_id else None
        if job is None or job.retry_of != uid:
            job = self._ended(uid, project, "RetryJob")
        new = NewJob(
            project=project,
            request_id=request_id,
            spec=job.spec,
            retry_of=uid,
            from_stage=from_stage,
        )
        return self.create(new, new_uid)

    def delete(self, uid: str, project: str, etag: str) -> None:
        """Forget a job that has ended."""
        job = self._ended(uid, project, "DeleteJob")
        if etag and etag != job.etag:
            raise EtagMismatch(
                f"job {uid} has the etag {job.etag!r}, not {etag!r}; look at it again",
                field="etag",
                metadata={"etag": job.etag},
            )
        self.forget(uid, project)

    def _ended(self, uid: str, project: str, call: str) -> Job:
        job = self.job(uid, project)
        if not job.state.is_final:
            raise JobNotFinished(
                f"job {uid} is {job.state}; {call} takes jobs that have ended: cancel it, or wait",
                field="name",
                metadata={"state": job.state},
            )
        return job

    def forget(self, uid: str, project: str) -> None:
        """Delete all rows of a job, and of what no other job of the project needs."""
        for table in ("events", "tasks", "labels"):
            self.database.execute(f"DELETE FROM {table} WHERE job_uid = ?", (uid,))
        self.database.execute("DELETE FROM jobs WHERE uid = ?", (uid,))
        for sha256 in blobs.let_go(self.database, project, uid):
            if not blobs.is_of_a_job(self.database, project, sha256):
                self._forget_blob(project, sha256)
        self._jobs.pop(uid, None)

    def _forget_blob(self, project: str, sha256: str) -> None:
        """Take a blob from its project, with the rows of the stage cache that name it.

        At once: what a project has deleted must not count against its quota any more.
        """
        for key in blobs.holders(self.database, project, sha256):
            stage_cache.forget(self.database, project, key)
        blobs.disown(self.database, project, sha256)

    def compact(self, uid: str) -> None:
        """Delete all of a job's log but its last event."""
        self.database.execute(
            "DELETE FROM events WHERE job_uid = ? AND sequence <"
            " (SELECT last_sequence FROM jobs WHERE uid = ?)",
            (uid, uid),
        )
        self.database.execute(
            "UPDATE jobs SET first_sequence = last_sequence WHERE uid = ?", (uid,)
        )
        self._jobs.pop(uid, None)

    def cancel(self, uid: str, project: str | None) -> Job:
        """Ask a job to stop."""
        job = self.job(uid, project)
        if job.state is JobState.QUEUED:
            return self._end(job, JobState.CANCELLED)
        if job.state is JobState.RUNNING:
            return self.record(job, StateChanged(state=JobState.CANCELLING))
        return job

    def finish_cancelled(self, uid: str) -> Job:
        """End a job that is CANCELLING."""
        job = self.job(uid)
        return self._end(job, JobState.CANCELLED) if job.state is JobState.CANCELLING else job

    def fail(self, uid: str, error: JobError, *, death_of: str) -> Job:
        """End a job with an error. death_of: the key of the work that killed its worker, or ""."""
        job = self.job(uid)
        if death_of:
            stage_cache.count_death(self.database, job.project, death_of, self.now_us())
        if job.state.is_final:
            return job
        if job.state is JobState.CANCELLING:
            return self._end(job, JobState.CANCELLED)
        job = replace(job, details=replace(job.details, error=error))
        return self._end(job, JobState.FAILED)

    def post(self, uid: str, happening: Happening, *, begins: bool) -> Job:
        """Append an event; `begins`: it is the first of its stage in this try."""
        job = self.job(uid)
        if job.state.is_final:
            return job
        if isinstance(happening, StageProgressed):
            happening = _in_step(job, happening, begins)
        if isinstance(happening, Previewed):
            blobs.hold(self.database, job.project, uid, [happening.image], self.now_us())
        return self.record(job, happening)

    # Tasks

    def start_task(self, ready: ReadyTask, key: str, parts: Sequence[str]) -> Job | None:
        """Mark a task as running; None when its job was cancelled since it was found ready."""
        job = self.job(ready.job.uid)
        if job.state not in (JobState.QUEUED, JobState.RUNNING):
            return None
        now_us = self.now_us()
        self.database.execute(
            "UPDATE tasks SET state = 'running', attempt = ?, key = ?, start_us = ?,"
            " warning_count = ? WHERE job_uid = ? AND position = ?",
            (ready.attempt, key, now_us, len(job.details.warnings), job.uid, ready.position),
        )
        self.database.execute(
            "INSERT INTO projects (project, start_us) VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET start_us = excluded.start_us",
            (job.project, now_us),
        )
        for part_key in parts:
            stage_cache.use(self.database, job.project, part_key, now_us)
            part = stage_cache.part(self.database, job.project, part_key)
            if part is not None:  # else it is made anew
                blobs.hold(self.database, job.project, job.uid, [part], now_us)
        return self._set_running(job)

    def _set_running(self, job: Job) -> Job:
        if job.state is JobState.RUNNING:
            return job
        return self.record(job, StateChanged(state=JobState.RUNNING), _queued(1.0, job))

    def is_current(self, ready: ReadyTask) -> bool:
        """Whether a report about this attempt is to be believed."""
        row = self.database.execute(
            "SELECT state, attempt FROM tasks WHERE job_uid = ? AND position = ?",
            (ready.job.uid, ready.position),
        ).fetchone()
        return bool(row == ("running", ready.attempt))

    def finish_task(
        self, ready: ReadyTask, outcome: TaskOutcome, parts: Mapping[str, Digest]
    ) -> Job:
        """Mark a task as done, and keep what it left for the same work.

        parts: of a build, new ones by their keys.
        """
        job = self.job(ready.job.uid)
        if not self.is_current(ready):
            return job
        job = self._stop_clock(job, self.now_us())
        key, warning_count = self.database.execute(
            "SELECT key, warning_count FROM tasks WHERE job_uid = ? AND position = ?",
            (job.uid, ready.position),
        ).fetchone()
        now_us = self.now_us()
        left = (*outcome.digests, *parts.values())
        blobs.hold(self.database, job.project, job.uid, left, now_us)
        if key:
            kept = _kept(job, outcome, job.details.warnings[warning_count:])
            stage_cache.keep_work(self.database, job.project, key, kept, now_us)
        for part_key, digest in parts.items():
            stage_cache.keep_part(self.database, job.project, part_key, digest, now_us)
        return self._go_on(job, ready, outcome, is_reused=False)

    def reuse_task(self, ready: ReadyTask, key: str, fraction: float) -> Job | None:
        """Mark a task as done with what the same work has left before.

        `fraction` is how much of the job is done then. None when nothing is kept any more, or the
        task is no longer ready.
        """
        job = self.job(ready.job.uid)
        kept = stage_cache.work(self.database, job.project, key)
        is_ready = self.database.execute(
            "SELECT 1 FROM tasks WHERE job_uid = ? AND position = ? AND state = 'ready'",
            (job.uid, ready.position),
        ).fetchone()
        if kept is None or not is_ready or job.state not in (JobState.QUEUED, JobState.RUNNING):
            return None
        stage_cache.use(self.database, job.project, key, self.now_us())
        blobs.hold(self.database, job.project, job.uid, kept.digests, self.now_us())
        job = self._set_running(job)
        stages = dict.fromkeys(record.stage for record in kept.outcome.records)
        job = self.record(
            job,
            *(_reused(job, stage, fraction) for stage in stages),
            *kept.previews,
            *kept.warnings,
        )
        self.database.execute(
            "UPDATE tasks SET key = ? WHERE job_uid = ? AND position = ?",
            (key, job.uid, ready.position),
        )
        return self._go_on(job, ready, kept.outcome, is_reused=True)

    def _go_on(self, job: Job, ready: ReadyTask, outcome: TaskOutcome, *, is_reused: bool) -> Job:
        """Make the next task ready, or end the job."""
        self.database.execute(
            "UPDATE tasks SET state = 'done', outcome = ?, is_reused = ?"
            " WHERE job_uid = ? AND position = ?",
            (dumps(outcome), is_reused, job.uid, ready.position),
        )
        if job.state.is_final:
            return job
        if job.state is JobState.CANCELLING:
            return self._end(job, JobState.CANCELLED)
        outcomes = (*ready.outcomes, outcome)
        if not is_last_task(job.spec, outcomes):
            self.database.execute(
                "UPDATE tasks SET state = 'ready' WHERE job_uid = ? AND position = ?",
                (job.uid, ready.position + 1),
            )
            return self.record(job)
        job = replace(job, details=replace(job.details, result=result_of(job.spec, outcomes)))
        return self._end(job, JobState.SUCCEEDED)

    def retry_task(self, ready: ReadyTask, warning: Warned, *, delay_us: int, death_of: str) -> Job:
        """Make a task ready again after a try that ended by no fault of the server."""
        job = self.job(ready.job.uid)
        if death_of:
            stage_cache.count_death(self.database, job.project, death_of, self.now_us())
        if job.state.is_final or not self.is_current(ready):
            return job
        if job.state is JobState.CANCELLING:
            return self._end(job, JobState.CANCELLED)
        job = self._stop_clock(job, self.now_us())
        self.database.execute(
            "UPDATE tasks SET state = 'ready', failure_count = failure_count + 1,"
            " not_before_us = ? WHERE job_uid = ? AND position = ?",
            (self.now_us() + delay_us, job.uid, ready.position),
        )
        return self.record(job, warning)

    def drop_tasks(self, uid: str) -> None:
        """Let no task of a job start any more."""
        self.database.execute(
            "UPDATE tasks SET state = 'dropped' WHERE job_uid = ? AND state != 'done'", (uid,)
        )

    def requeue(self, uid: str) -> Job:
        """Put a running job back into the queue; the time that its task has run counts."""
        return self._requeue(self._stop_clock(self.job(uid), self.now_us()))

    def _requeue(self, job: Job) -> Job:
        if job.state is JobState.CANCELLING:
            return self._end(job, JobState.CANCELLED)
        if job.state is not JobState.RUNNING:
            return job
        self.database.execute(
            "UPDATE tasks SET state = 'ready' WHERE job_uid = ? AND state = 'running'", (job.uid,)
        )
        return self.record(job, StateChanged(state=JobState.QUEUED))

    def recover(self) -> int:
        """Put back what ran when the server last ended. Returns how many jobs.

        That try is no failure. It has run at least until the last event of its job, which counts:
        a job that takes the server with it each time would run for ever else.
        """
        rows = self.database.execute(
            "SELECT uid FROM jobs WHERE state IN ('running', 'cancelling')"
        ).fetchall()
        for (uid,) in rows:
            try:
                job = self.job(uid)
                self._requeue(self._stop_clock(job, self.reads.last_event_us(uid)))
            except ValueError as error:
                logger.error("job %s cannot be read and is left as it is: %s", uid, error)
                self.drop_tasks(uid)
        return len(rows)

    # Parts

    def take_upload(self, project: str, digest: Digest) -> None:
        """Give a project a blob that it has uploaded; there was room for it when it began."""
        blobs.own(self.database, project, digest, self.now_us())

    def record(self, job: Job, *happenings: Happening) -> Job:
        """Append events and bring the job's row in step with them."""
        for happening in happenings:
            now_us = self.now_us()
            job = advance(job, happening, now_us)
            event = JobEvent(sequence=job.last_sequence, time_us=now_us, happening=happening)
            self.database.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                (job.uid, event.sequence, now_us, type(happening).__name__, dumps(happening)),
            )
            self._news.append((job.uid, Entry(event, job if event.is_last else None)))
        self.database.execute(
            "UPDATE jobs SET state = ?, details = ?, last_sequence = ?, run_us = ?, start_us = ?,"
            " end_us = ? WHERE uid = ?",
            (
                job.state, dumps(job.details), job.last_sequence, job.run_us, job.start_us,
                job.end_us, job.uid,
            ),
        )  # fmt: skip
        self._remember(job)
        return job

    def _remember(self, job: Job) -> None:
        self._jobs[job.uid] = job
        self._jobs.move_to_end(job.uid)
        if len(self._jobs) > _MAX_REMEMBERED_JOBS:
            self._jobs.popitem(last=False)

    def _end(self, job: Job, state: JobState) -> Job:
        job = self._stop_clock(job, self.now_us())
        self.drop_tasks(job.uid)
        return self.record(job, StateChanged(state=state))

    def _stop_clock(self, job: Job, end_us: int) -> Job:
        """Add to a job what its running task has run until a time."""
        row = self.database.execute(
            "SELECT start_us FROM tasks"
            " WHERE job_uid = ? AND state = 'running' AND start_us IS NOT NULL",
            (job.uid,),
        ).fetchone()
        if row is None:
            return job
        self.database.execute("UPDATE tasks SET start_us = NULL WHERE job_uid = ?", (job.uid,))
        return replace(job, run_us=job.run_us + max(0, end_us - row[0]))


def _kept(job: Job, outcome: TaskOutcome, warnings: tuple[Warned, ...]) -> KeptWork:
    """Return what is kept of a task of a job, which was warned of this while it ran."""
    stages = {record.stage for record in outcome.records}
    previews = tuple(
        Previewed(stage=status.stage, image=status.preview)
        for status in job.details.stages
        if status.stage in stages and status.preview is not None
    )
    return KeptWork(outcome=outcome, warnings=warnings, previews=previews)


def _queued(fraction: float, job: Job | None = None) -> StageProgressed:
    return StageProgressed(
        stage=Stage.QUEUED,
        fraction=fraction,
        job_fraction=job.details.fraction if job else 0.0,
        remaining_s=job.details.remaining_s if job else None,
        state=StageState.SUCCEEDED if fraction >= 1 else StageState.RUNNING,
    )


def _reused(job: Job, stage: Stage, fraction: float) -> StageProgressed:
    return StageProgressed(
        stage=stage,
        fraction=1.0,
        job_fraction=max(fraction, job.details.fraction),
        remaining_s=job.details.remaining_s,
        state=StageState.REUSED,
        attempt=_attempt_of(job, stage, begins=True),
    )


def _in_step(job: Job, progress: StageProgressed, begins: bool) -> StageProgressed:
    """Return progress that fits what was told before."""
    state = progress.state
    if state is StageState.RUNNING and progress.fraction >= 1:
        state = StageState.SUCCEEDED
    return replace(
        progress,
        # An estimate may fall, what is shown may not.
        job_fraction=max(job.details.fraction, progress.job_fraction),
        state=state,
        attempt=_attempt_of(job, progress.stage, begins=begins),
    )


def _attempt_of(job: Job, stage: Stage, *, begins: bool) -> int:
    before = next((s.attempt for s in job.details.stages if s.stage is stage), 0)
    return before + 1 if begins or not before else before
