"""The journal: jobs and the log of their events, durable.

It is the truth about jobs. One SQLite file (WAL, synchronous FULL); one thread writes, and all
writes that wait are committed together, so that durability costs one fsync for many events. What a
write returns has been committed. Reads are single rows or short ranges by primary key, tens of
microseconds each, and run on the caller's thread: the event loop.
"""

import asyncio
import logging
import queue
import secrets
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, cast

from pipeline import Stage
from pipeline.errors import DiskFull, InvalidInput
from server.engine import Previewed, TaskKind, TaskOutcome, Warned, WorkerKind
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
    StateChanged,
    advance,
    is_last_task,
    result_of,
)
from server.record import dumps, loads
from server.refusals import Draining, JobNotFound, LogEpochChanged, RequestIdReused, SurfaceMissing

logger = logging.getLogger(__name__)

T = TypeVar("T")
Clock = Callable[[], int]
"""Returns microseconds since 1970."""

_SCHEMA_VERSION = 2  # raise it, and migrate, when unfinished jobs of before cannot go on
_EVENTS_PER_READ = 500
_WRITES_PER_COMMIT = 256
_HAPPENINGS: Mapping[str, type[Happening]] = {
    kind.__name__: kind for kind in (StateChanged, StageProgressed, Previewed, Warned)
}


class _Journal:
    """The tables, and what may be done to them within one transaction."""

    SCHEMA = """
        CREATE TABLE IF NOT EXISTS jobs (
            uid TEXT PRIMARY KEY,           -- ordered by time of creation
            request_id TEXT UNIQUE,
            spec TEXT NOT NULL,
            state TEXT NOT NULL,
            details TEXT NOT NULL,
            last_sequence INTEGER NOT NULL,
            create_us INTEGER NOT NULL, start_us INTEGER, end_us INTEGER
        ) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state);
        CREATE TABLE IF NOT EXISTS events (
            job_uid TEXT NOT NULL, sequence INTEGER NOT NULL,
            time_us INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (job_uid, sequence)
        ) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS tasks (
            job_uid TEXT NOT NULL, position INTEGER NOT NULL,
            kind TEXT NOT NULL, worker TEXT NOT NULL,
            state TEXT NOT NULL,            -- waiting, ready, running, done
            attempt INTEGER NOT NULL DEFAULT 0, lost_count INTEGER NOT NULL DEFAULT 0,
            key TEXT, outcome TEXT,
            PRIMARY KEY (job_uid, position)
        ) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS tasks_by_state ON tasks (state, worker);
    """

    JOB_COLUMNS = "uid, spec, state, details, last_sequence, create_us, start_us, end_us"

    def __init__(self, database: sqlite3.Connection, clock: Clock) -> None:
        self.database = database
        self.now_us = clock

    def job(self, uid: str) -> Job:
        row = self.database.execute(
            f"SELECT {self.JOB_COLUMNS} FROM jobs WHERE uid = ?", (uid,)
        ).fetchone()
        if row is None:
            raise JobNotFound(f"there is no job {uid[:64]!r}", metadata={"job": uid[:64]})
        return self.job_of_row(row)

    @staticmethod
    def job_of_row(row: Sequence[object]) -> Job:
        uid, spec, state, details, last_sequence, create_us, start_us, end_us = row
        assert isinstance(uid, str)
        assert isinstance(spec, str)
        assert isinstance(state, str)
        assert isinstance(details, str)
        assert isinstance(last_sequence, int)
        assert isinstance(create_us, int)
        assert start_us is None or isinstance(start_us, int)
        assert end_us is None or isinstance(end_us, int)
        return Job(
            uid=uid,
            spec=_spec_of(spec),
            state=JobState(state),
            details=loads(JobDetails, details),
            last_sequence=last_sequence,
            create_us=create_us,
            start_us=start_us,
            end_us=end_us,
        )

    def record(self, job: Job, *happenings: Happening) -> Job:
        """Append events and bring the job's row in step with them."""
        for happening in happenings:
            now_us = self.now_us()
            job = advance(job, happening, now_us)
            self.database.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                (job.uid, job.last_sequence, now_us, type(happening).__name__, dumps(happening)),
            )
        self.database.execute(
            "UPDATE jobs SET state = ?, details = ?, last_sequence = ?, start_us = ?, end_us = ?"
            " WHERE uid = ?",
            (job.state, dumps(job.details), job.last_sequence, job.start_us, job.end_us, job.uid),
        )
        return job

    def set_task(self, uid: str, position: int, state: str) -> None:
        self.database.execute(
            "UPDATE tasks SET state = ? WHERE job_uid = ? AND position = ?", (state, uid, position)
        )

    def create(self, request_id: str, spec: JobSpec, uid: str) -> tuple[Job, bool]:
        if request_id:
            row = self.database.execute(
                "SELECT uid, spec FROM jobs WHERE request_id = ?", (request_id,)
            ).fetchone()
            if row is not None:
                if _spec_of(row[1]) != spec:  # not the texts: an older server wrote fewer fields
                    raise RequestIdReused(
                        f"request_id {request_id!r} belongs to a job with another spec; "
                        "use a new id for a new job",
                        field="request_id",
                    )
                return self.job(row[0]), True
        now_us = self.now_us()
        job = Job(
            uid=uid,
            spec=spec,
            state=JobState.QUEUED,
            details=JobDetails(),
            last_sequence=0,
            create_us=now_us,
            start_us=None,
            end_us=None,
        )
        self.database.execute(
            "INSERT INTO jobs (uid, request_id, spec, state, details, last_sequence, create_us)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (uid, request_id or None, dumps(spec), job.state, dumps(job.details), 0, now_us),
        )
        earlier = self.outcomes_before_build(spec.surfaces_of) if spec.surfaces_of else []
        for position, kind in enumerate(spec.plan):
            is_done = position < len(earlier)
            is_first = position == len(earlier)
            self.database.execute(
                "INSERT INTO tasks (job_uid, position, kind, worker, state, outcome)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    uid,
                    position,
                    kind,
                    kind.worker,
                    "done" if is_done else "ready" if is_first else "waiting",
                    earlier[position] if is_done else None,
                ),
            )
        return self.record(job, _queued(0.0)), False

    def outcomes_before_build(self, uid: str) -> list[str]:
        """What the tasks of a job left that made its dense surfaces, as documents."""
        rows = self.database.execute(
            "SELECT state, outcome FROM tasks WHERE job_uid = ? AND kind != ? ORDER BY position",
            (uid, TaskKind.BUILD),
        ).fetchall()
        is_there = rows and all(state == "done" for state, _ in rows)
        if not is_there or not loads(TaskOutcome, rows[-1][1]).surfaces:
            raise SurfaceMissing(
                f"job {uid} has no dense surface to export again: it has not got so far, or made "
                "no mesh",
                field="spec.job",
                metadata={"job": uid},
            )
        return [outcome for _, outcome in rows]

    def start_task(self, ready: ReadyTask, key: str) -> Job | None:
        job = self.job(ready.job.uid)
        if job.state not in (JobState.QUEUED, JobState.RUNNING):
            return None  # cancelled since it was found ready
        self.database.execute(
            "UPDATE tasks SET state = 'running', attempt = ?, key = ?"
            " WHERE job_uid = ? AND position = ?",
            (ready.attempt, key, job.uid, ready.position),
        )
        if job.state is JobState.QUEUED:
            job = self.record(job, StateChanged(state=JobState.RUNNING), _queued(1.0, job))
        return job

    def is_current(self, ready: ReadyTask) -> bool:
        """Whether a report about this attempt is to be believed."""
        row = self.database.execute(
            "SELECT state, attempt FROM tasks WHERE job_uid = ? AND position = ?",
            (ready.job.uid, ready.position),
        ).fetchone()
        return bool(row == ("running", ready.attempt))

    def finish_task(self, ready: ReadyTask, outcome: TaskOutcome) -> Job:
        if not self.is_current(ready):
            return self.job(ready.job.uid)
        self.database.execute(
            "UPDATE tasks SET state = 'done', outcome = ? WHERE job_uid = ? AND position = ?",
            (dumps(outcome), ready.job.uid, ready.position),
        )
        job = self.job(ready.job.uid)
        if job.state.is_final:
            return job
        if job.state is JobState.CANCELLING:
            return self.record(job, StateChanged(state=JobState.CANCELLED))
        outcomes = (*ready.outcomes, outcome)
        if not is_last_task(job.spec, outcomes):
            self.set_task(job.uid, ready.position + 1, "ready")
            return job
        job = replace(job, details=replace(job.details, result=result_of(job.spec, outcomes)))
        return self.record(job, StateChanged(state=JobState.SUCCEEDED))

    def fail(self, uid: str, error: JobError) -> Job:
        job = self.job(uid)
        if job.state.is_final:
            return job
        if job.state is JobState.CANCELLING:
            return self.record(job, StateChanged(state=JobState.CANCELLED))
        job = replace(job, details=replace(job.details, error=error))
        return self.record(job, StateChanged(state=JobState.FAILED))

    def retry_task(self, ready: ReadyTask, warning: Warned) -> Job:
        job = self.job(ready.job.uid)
        if job.state.is_final or not self.is_current(ready):
            return job
        if job.state is JobState.CANCELLING:
            return self.record(job, StateChanged(state=JobState.CANCELLED))
        self.database.execute(
            "UPDATE tasks SET state = 'ready', lost_count = lost_count + 1"
            " WHERE job_uid = ? AND position = ?",
            (job.uid, ready.position),
        )
        return self.record(job, warning)

    def requeue(self, uid: str) -> Job:
        job = self.job(uid)
        if job.state is JobState.CANCELLING:
            return self.record(job, StateChanged(state=JobState.CANCELLED))
        if job.state is not JobState.RUNNING:
            return job
        self.database.execute(
            "UPDATE tasks SET state = 'ready' WHERE job_uid = ? AND state = 'running'", (uid,)
        )
        return self.record(job, StateChanged(state=JobState.QUEUED))

    def cancel(self, uid: str) -> Job:
        job = self.job(uid)
        if job.state is JobState.QUEUED:
            return self.record(job, StateChanged(state=JobState.CANCELLED))
        if job.state is JobState.RUNNING:
            return self.record(job, StateChanged(state=JobState.CANCELLING))
        return job

    def finish_cancelled(self, uid: str) -> Job:
        job = self.job(uid)
        if job.state is JobState.CANCELLING:
            return self.record(job, StateChanged(state=JobState.CANCELLED))
        return job

    def post(self, uid: str, happening: Happening) -> Job:
        job = self.job(uid)
        if job.state.is_final:
            return job
        if isinstance(happening, StageProgressed):  # an estimate may fall, what is shown may not
            fraction = max(job.details.fraction, happening.job_fraction)
            happening = replace(happening, job_fraction=fraction)
        return self.record(job, happening)

    def recover(self) -> int:
        rows = self.database.execute(
            "SELECT uid FROM jobs WHERE state IN ('running', 'cancelling')"
        ).fetchall()
        for (uid,) in rows:
            self.requeue(uid)
        return len(rows)


@lru_cache(maxsize=1024)
def _spec_of(text: str) -> JobSpec:
    """Read a spec once: it never changes, and is most of what there is to read of a job."""
    return loads(JobSpec, text)


def _queued(fraction: float, job: Job | None = None) -> StageProgressed:
    return StageProgressed(
        stage=Stage.QUEUED,
        fraction=fraction,
        job_fraction=job.details.fraction if job else 0.0,
        remaining_s=job.details.remaining_s if job else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Write:
    """A change that waits for its commit. uid: the job whose watchers to wake, "" for none."""

    uid: str
    change: Callable[[_Journal], object]
    done: "asyncio.Future[object]"


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A change after its commit, or after it was rolled back with an error."""

    write: _Write
    result: object = None
    error: Exception | None = None


class JobStore:
    """The journal behind an asynchronous door. One per data folder."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        """Open or make the journal at `path`; `clock` stamps events."""
        self._path = path
        self._clock = clock
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self._reader = _Journal(_connect(path), clock)
        self._changes: dict[str, asyncio.Event] = {}
        self._is_closing = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> int:
        """Start writing; put back what ran when the server last ended. Returns how many jobs."""
        self._loop = asyncio.get_running_loop()
        self._writer.start()
        return await self._write("", _Journal.recover)

    async def close(self) -> None:
        """Commit what waits and close the file."""
        self.end_watches()
        self._writes.put(None)
        await asyncio.to_thread(self._writer.join)
        self._reader.database.close()

    def end_watches(self) -> None:
        """Make every `follow` raise `Draining`."""
        self._is_closing = True
        for change in self._changes.values():
            change.set()

    # Reads

    def job(self, uid: str) -> Job:
        """Return a job. Raises `JobNotFound`."""
        return self._reader.job(uid)

    def jobs(self, *, before: str, limit: int, states: Sequence[JobState]) -> list[Job]:
        """Return up to `limit` jobs, newest first, older than job `before` ("": all)."""
        wanted = ",".join("?" * len(states))
        rows = self._reader.database.execute(
            f"SELECT {_Journal.JOB_COLUMNS} FROM jobs WHERE (? = '' OR uid < ?)"
            + (f" AND state IN ({wanted})" if states else "")
            + " ORDER BY uid DESC LIMIT ?",
            (before, before, *states, limit),
        ).fetchall()
        return [_Journal.job_of_row(row) for row in rows]

    def check_surfaces(self, uid: str) -> None:
        """Raise `SurfaceMissing` if a job has no dense surfaces."""
        self._reader.outcomes_before_build(uid)

    def queued_count(self) -> int:
        """Return how many jobs wait."""
        row = self._reader.database.execute(
            "SELECT count(*) FROM jobs WHERE state = 'queued'"
        ).fetchone()
        return int(row[0])

    def events(self, uid: str, after: int) -> list[JobEvent]:
        """Return the next events after sequence `after`; not always all of them."""
        rows = self._reader.database.execute(
            "SELECT sequence, time_us, kind, body FROM events"
            " WHERE job_uid = ? AND sequence > ? ORDER BY sequence LIMIT ?",
            (uid, after, _EVENTS_PER_READ),
        ).fetchall()
        return [
            JobEvent(sequence=sequence, time_us=time_us, happening=loads(_HAPPENINGS[kind], body))
            for sequence, time_us, kind, body in rows
        ]

    async def follow(self, uid: str, after: int) -> AsyncIterator[JobEvent]:
        """Yield every event after `after` once and in order, waiting for new ones, to the last.

        The last event comes even when `after` is already there: every watch ends alike.
        Keeps a cursor and no queue: a slow reader costs nothing but its place.

        Raises:
            JobNotFound: If there is no such job.
            LogEpochChanged: If the log ends before `after`.
            Draining: If the server stops first.
        """
        job = self.job(uid)
        if not 0 <= after <= job.last_sequence:
            raise LogEpochChanged(
                f"after_sequence is {after}, but the job's log ends at {job.last_sequence}; "
                "watch again with after_sequence 0",
                field="after_sequence",
                metadata={"last_sequence": str(job.last_sequence)},
            )
        if job.state.is_final:
            after = min(after, job.last_sequence - 1)
        while True:
            # Before the read: a commit between read and wait must not be slept through.
            change = self._changes.setdefault(uid, asyncio.Event())
            events = self.events(uid, after)
            for event in events:
                yield event
                after = event.sequence
                if event.is_last:
                    return
            if self._is_closing:
                raise Draining("the server is shutting down; watch again later", retry_after_s=2.0)
            if not events:
                await change.wait()

    def next_ready(self, worker: WorkerKind, *, only_running: bool = False) -> ReadyTask | None:
        """Return the ready task of the oldest job, later tasks first so that jobs finish.

        Args:
            worker: The kind of worker that is free.
            only_running: Leave out jobs that have not begun.
        """
        row = self._reader.database.execute(
            "SELECT tasks.job_uid, position, kind, attempt, lost_count FROM tasks"
            " JOIN jobs ON uid = job_uid"
            " WHERE tasks.state = 'ready' AND worker = ?"
            " AND jobs.state IN ('running', ?) ORDER BY position DESC, job_uid LIMIT 1",
            (worker, "running" if only_running else "queued"),
        ).fetchone()
        if row is None:
            return None
        uid, position, kind, attempt, lost_count = row
        outcomes = self._reader.database.execute(
            "SELECT outcome FROM tasks WHERE job_uid = ? AND position < ? ORDER BY position",
            (uid, position),
        ).fetchall()
        return ReadyTask(
            job=self.job(uid),
            position=position,
            kind=TaskKind(kind),
            attempt=attempt + 1,
            lost_count=lost_count,
            outcomes=tuple(loads(TaskOutcome, text) for (text,) in outcomes),
        )

    def recent_outcomes(self, limit: int) -> list[TaskOutcome]:
        """Return what the latest finished tasks left, oldest first."""
        rows = self._reader.database.execute(
            "SELECT outcome FROM tasks WHERE state = 'done' ORDER BY job_uid DESC LIMIT ?", (limit,)
        ).fetchall()
        return [loads(TaskOutcome, text) for (text,) in reversed(rows)]

    # Writes. Each returns after its commit.

    async def create(self, *, request_id: str, spec: JobSpec) -> tuple[Job, bool]:
        """Add a job. With a known `request_id` return that job and True instead.

        Raises:
            RequestIdReused: If the request id belongs to a job with another spec.
        """
        uid = new_uid(self._clock())
        return await self._write(uid, lambda journal: journal.create(request_id, spec, uid))

    async def start_task(self, ready: ReadyTask, *, key: str) -> Job | None:
        """Mark a task as running. Returns None when its job was cancelled meanwhile."""
        return await self._write(ready.job.uid, lambda journal: journal.start_task(ready, key))

    async def finish_task(self, ready: ReadyTask, outcome: TaskOutcome) -> Job:
        """Mark a task as done: the next one becomes ready, or the job succeeds.

        The report of an attempt that is not the latest changes nothing.
        """
        return await self._write(ready.job.uid, lambda journal: journal.finish_task(ready, outcome))

    async def retry_task(self, ready: ReadyTask, warning: Warned) -> Job:
        """Make a task ready again whose worker was lost."""
        return await self._write(ready.job.uid, lambda journal: journal.retry_task(ready, warning))

    async def fail(self, uid: str, error: JobError) -> Job:
        """End a job with an error; with CANCELLED when it was asked to stop."""
        return await self._write(uid, lambda journal: journal.fail(uid, error))

    async def requeue(self, uid: str) -> Job:
        """Put a running job back into the queue, as if its running task had not started."""
        return await self._write(uid, lambda journal: journal.requeue(uid))

    async def cancel(self, uid: str) -> Job:
        """Ask a job to stop: a queued one is CANCELLED, a running one CANCELLING."""
        return await self._write(uid, lambda journal: journal.cancel(uid))

    async def finish_cancelled(self, uid: str) -> Job:
        """End a job that is CANCELLING."""
        return await self._write(uid, lambda journal: journal.finish_cancelled(uid))

    def post(self, uid: str, happening: Happening) -> None:
        """Append an event, in order with other writes, without waiting for its commit."""
        self._submit(uid, lambda journal: journal.post(uid, happening)).add_done_callback(
            _log_failed_post
        )

    async def _write(self, uid: str, change: Callable[[_Journal], T]) -> T:
        # A caller that goes away (a cut connection) must not take the change with it.
        return cast(T, await asyncio.shield(self._submit(uid, change)))

    def _submit(self, uid: str, change: Callable[[_Journal], object]) -> "asyncio.Future[object]":
        done = asyncio.get_running_loop().create_future()
        self._writes.put(_Write(uid=uid, change=change, done=done))
        return done

    def _write_all(self) -> None:
        """The writer thread."""
        database = _connect(self._path)
        journal = _Journal(database, self._clock)
        while batch := self._take():
            written = _commit(journal, batch)
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._announce, written)
        database.close()

    def _take(self) -> list[_Write]:
        """Wait for a write, then take all that wait; [] after the last one."""
        batch: list[_Write] = []
        while len(batch) < _WRITES_PER_COMMIT:
            try:
                write = self._writes.get(block=not batch)
            except queue.Empty:
                break
            if write is None:
                if batch:
                    self._writes.put(None)  # for the next turn
                break
            batch.append(write)
        return batch

    def _announce(self, written: list[_Written]) -> None:
        """Hand out results and wake watchers; on the event loop."""
        for item in written:
            if item.error is not None:
                item.write.done.set_exception(item.error)
            else:
                item.write.done.set_result(item.result)
        for uid in {item.write.uid for item in written}:
            if change := self._changes.pop(uid, None):
                change.set()


def _commit(journal: _Journal, batch: Sequence[_Write]) -> list[_Written]:
    """Apply all changes in one transaction; one that raises is rolled back alone."""
    database = journal.database
    written: list[_Written] = []
    try:
        database.execute("BEGIN IMMEDIATE")
        for write in batch:
            database.execute("SAVEPOINT change")
            try:
                written.append(_Written(write=write, result=write.change(journal)))
            except Exception as error:  # whatever it is, it belongs to the caller of this change
                database.execute("ROLLBACK TO change")
                written.append(_Written(write=write, error=error))
            database.execute("RELEASE change")
        database.execute("COMMIT")
    except sqlite3.Error as error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        logger.error("journal: %d changes lost: %s", len(batch), error)
        failure: Exception = error
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            failure = DiskFull("the server's disk is full; free some space and try again")
        return [_Written(write=write, error=failure) for write in batch]
    return written


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)  # transactions are begun by hand
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > _SCHEMA_VERSION:
        raise InvalidInput(
            f"{path} was made by another version of the server (format {version}, this one has "
            f"{_SCHEMA_VERSION}); use that version or another --data-dir"
        )
    database.executescript(_Journal.SCHEMA)
    if version < _SCHEMA_VERSION:
        _migrate(database)
    return database


def _migrate(database: sqlite3.Connection) -> None:
    """Bring a journal of format 1, or a new one, to this format.

    Outcomes of format 1 name a surface in another way, so unfinished jobs start from their first
    task. What has ended is read as it is.
    """
    database.execute("BEGIN IMMEDIATE")
    database.execute(
        "UPDATE tasks SET state = iif(position = 0, 'ready', 'waiting'), outcome = NULL"
        " WHERE job_uid IN (SELECT uid FROM jobs WHERE state NOT IN (?, ?, ?))",
        [state for state in JobState if state.is_final],
    )
    database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    database.execute("COMMIT")


def _log_failed_post(done: "asyncio.Future[object]") -> None:
    if not done.cancelled() and (error := done.exception()):
        logger.error("journal: an event was lost: %s", error)


def new_uid(now_us: int) -> str:
    """Return 32 hex digits that sort by time: 56 bits of microseconds, 72 random bits."""
    return f"{now_us:014x}{secrets.token_hex(9)}"
