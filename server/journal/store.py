"""The journal's door: reads at once, writes awaited, logs followed. One per data folder."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from pipeline import Stage
from server.artifacts import Digest
from server.engine import TaskOutcome, Warned, WorkerKind
from server.jobs import (
    Happening,
    Job,
    JobError,
    JobSpec,
    JobState,
    ReadyTask,
    StateChanged,
)
from server.journal import blobs, epoch, retention, stage_cache
from server.journal.changes import Clock, Journal, NewJob, Quotas
from server.journal.epoch import Mark
from server.journal.reads import Reads, TaskName
from server.journal.reserve import Reserve
from server.journal.retention import Collected, Retention
from server.journal.schema import connect, prepare
from server.journal.stage_cache import KeptWork
from server.journal.tail import Entry, Heartbeat, Snapshot, Tail, Tails
from server.journal.writer import Commit, Writer, mark_path
from server.refusals import Draining, EventsCompacted, LogEpochChanged

logger = logging.getLogger(__name__)

T = TypeVar("T")

_RESERVE_BYTES = 16 << 20
_QUEUE_AGE_S = 1.0  # how old an answer about the queue may be: what is asked for by many at once


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """Some events of a log, in order. is_complete: none can follow."""

    entries: Sequence[Entry]
    is_complete: bool


class JobStore:
    """The truth about jobs. On the event loop; reads take tens of microseconds.

    Where a `project` is asked for, jobs and blobs of others do not exist; None is the server
    itself, which sees all.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        quotas: Quotas = Quotas(),  # noqa: B008  # frozen
        on_commit: Callable[[Commit], None] = lambda commit: None,
    ) -> None:
        """Open or make the journal at `path`.

        Args:
            path: Beside it are its mark (see `epoch.py`) and its reserve of disk space.
            clock: Stamps events.
            quotas: How much there may be.
            on_commit: Told of every commit.
        """
        self._clock = clock
        self._quotas = quotas
        self._on_commit = on_commit
        self._reserve = Reserve(path.with_suffix(".reserve"), _RESERVE_BYTES)
        self._database = connect(path)
        prepare(self._database, path)
        mark = Mark(mark_path(path))
        epoch.settle(self._database, mark)
        mark.close()
        self._reads = Reads(self._database)
        self.log_epoch = self._reads.meta("log_epoch")
        self._writer = Writer(
            path, clock=clock, quotas=quotas, reserve=self._reserve, announce=self._announce
        )
        self._tails = Tails()
        self._queue: dict[str, int] = {}
        self._queue_until_s = 0.0
        self._is_closing = False

    async def open(self) -> int:
        """Start writing; put back what ran when the server last ended. Returns how many jobs."""
        await asyncio.to_thread(self._reserve.fill)
        self._writer.start()
        return await self._write(Journal.recover)

    async def close(self) -> None:
        """Commit what waits and close the file."""
        self.end_watches()
        await self._writer.stop()
        self._database.close()

    def end_watches(self) -> None:
        """Make every `follow` raise `Draining`, and every waiting `list_events` return."""
        self._is_closing = True
        self._tails.wake_all()

    # Reads

    def job(self, uid: str, *, project: str | None) -> Job:
        """Return a job. Raises `JobNotFound`."""
        return self._reads.job(uid, project)

    def job_of_request(self, project: str, request_id: str) -> Job | None:
        """Return the job that a request id of the project made, None for a new id."""
        return self._reads.job_of_request(project, request_id)

    def jobs(
        self,
        *,
        project: str,
        before: str = "",
        limit: int,
        states: Sequence[JobState] = (),
        labels: Mapping[str, str] = {},  # read only
        since_us: int | None = None,
        before_us: int | None = None,
    ) -> list[Job]:
        """Return jobs of a project, newest first.

        Args:
            project: Whose.
            before: uid; only older jobs. "": all.
            limit: Most jobs to return.
            states: Only these. Empty: all.
            labels: Only jobs that have all of these.
            since_us, before_us: Only jobs created in [since_us, before_us).
        """
        return self._reads.jobs(
            project,
            before=before,
            limit=limit,
            states=states,
            labels=labels,
            since_us=since_us,
            before_us=before_us,
        )

    def check_surfaces(self, uid: str, *, project: str) -> None:
        """Raise `SurfaceMissing` if a job has no dense surfaces, `JobNotFound` without the job."""
        self._reads.job(uid, project)
        self._reads.outcomes_before_build(uid)

    def job_counts(self) -> Mapping[JobState, int]:
        """Return how many jobs are in each state, of all projects."""
        return self._reads.job_counts()

    def queue(self) -> Mapping[str, int]:
        """Return the places of waiting jobs by uid, 0 for the next one to start.

        An estimate, and up to a second old where nothing was started since: what is new is last.
        """
        now_s = time.monotonic()
        if now_s >= self._queue_until_s:
            order = self._reads.queue(self._clock())
            self._queue = {uid: place for place, uid in enumerate(order)}
            self._queue_until_s = now_s + _QUEUE_AGE_S
        return self._queue

    # Logs

    async def follow(
        self,
        uid: str,
        after: int,
        *,
        project: str | None,
        log_epoch: str = "",
        heartbeat_s: float | None = None,
    ) -> AsyncGenerator[Snapshot | Entry | Heartbeat, None]:
        """Yield every event after a cursor once and in order, waiting for new ones, to the last.

        Without a cursor, and with one that is older than the log, the first thing is a snapshot.
        The last event comes even when `after` is already there: every watch ends alike.
        Keeps a cursor and no queue: a slow reader costs nothing but its place.

        Args:
            uid: Which job.
            after: The last sequence that was seen; 0 for no cursor.
            project: Whose job.
            log_epoch: Of the log that the cursor is of; "" is not compared.
            heartbeat_s: Longest silence; then comes a `Heartbeat`. None: no heartbeats.

        Raises:
            JobNotFound: If there is no such job, or it was deleted while it was followed.
            LogEpochChanged: If the cursor is of another log.
            Draining: If the server stops first.
        """
        job = self._reads.job(uid, project)
        self._check_cursor(job, after, log_epoch)
        if after == 0:
            yield Snapshot(job=job)
            after = job.last_sequence
        if job.state.is_final:
            after = min(after, job.last_sequence - 1)
        with self._tails.following(uid) as tail:
            while True:
                entries = self._entries(uid, after, tail)
                if entries and entries[0].event.sequence > after + 1:  # compacted meanwhile
                    job = self._reads.job(uid, project)
                    yield Snapshot(job=job)
                    after = job.last_sequence - job.state.is_final
                    continue
                for entry in entries:
                    yield entry
                    after = entry.event.sequence
                    if entry.event.is_last:
                        return
                if self._is_closing:
                    raise Draining(
                        "the server is shutting down; watch again later", retry_after_s=2
                    )
                if not entries:
                    self._reads.check_job(uid)
                    if not await tail.wait(heartbeat_s):
                        yield Heartbeat()

    async def list_events(
        self,
        uid: str,
        after: int,
        *,
        project: str | None,
        log_epoch: str = "",
        limit: int,
        wait_s: float = 0.0,
    ) -> EventPage:
        """Return up to `limit` events after a cursor, waiting up to `wait_s` for the first one.

        Raises:
            JobNotFound: If there is no such job.
            LogEpochChanged: If the cursor is of another log.
            EventsCompacted: If the next event is not kept any more.
        """
        job = self._reads.job(uid, project)
        self._check_cursor(job, after, log_epoch)
        if after + 1 < job.first_sequence:
            raise EventsCompacted(
                f"after_sequence is {after}, but the job's log is kept from "
                f"{job.first_sequence} on; take the job from GetJob and go on after its "
                "last_sequence",
                field="after_sequence",
                metadata={"oldest_sequence": str(job.first_sequence)},
            )
        with self._tails.following(uid) as tail:
            entries = self._entries(uid, after, tail)[:limit]
            if not entries and wait_s > 0 and not job.state.is_final and not self._is_closing:
                await tail.wait(wait_s)
                entries = self._entries(uid, after, tail)[:limit]
        if entries:
            return EventPage(entries=entries, is_complete=entries[-1].event.is_last)
        return EventPage(entries=(), is_complete=job.state.is_final)

    def _check_cursor(self, job: Job, after: int, log_epoch: str) -> None:
        if log_epoch and log_epoch != self.log_epoch:
            raise LogEpochChanged(
                f"log_epoch is {log_epoch[:64]!r}, but the log is now {self.log_epoch!r}: the "
                "server's data were replaced; watch again with after_sequence 0",
                field="log_epoch",
                metadata={"log_epoch": self.log_epoch},
            )
        if not 0 <= after <= job.last_sequence:
            raise LogEpochChanged(
                f"after_sequence is {after}, but the job's log ends at {job.last_sequence}; "
                "watch again with after_sequence 0",
                field="after_sequence",
                metadata={"last_sequence": str(job.last_sequence)},
            )

    def _entries(self, uid: str, after: int, tail: Tail) -> Sequence[Entry]:
        """Return the next entries, from memory where it has them."""
        entries = tail.after(after)
        if entries is not None:
            return entries
        return [
            Entry(event, self._reads.job(uid, None) if event.is_last else None)
            for event in self._reads.events(uid, after)
        ]

    # For the scheduler

    def ready_tasks(self, worker: WorkerKind, *, only_running: bool = False) -> list[TaskName]:
        """Return the tasks that a worker of a kind may start, first come first.

        only_running: leave out jobs that have not begun.
        """
        return self._reads.ready_tasks(worker, now_us=self._clock(), only_running=only_running)

    def ready_task(self, name: TaskName) -> ReadyTask | None:
        """Return a task with all that starting it needs; None when it is no longer ready.

        Raises:
            ValueError: If a row of it cannot be read.
        """
        return self._reads.ready_task(name)

    def next_due_s(self) -> float | None:
        """Return in how many seconds a task becomes ready that waits to be tried again."""
        now_us = self._clock()
        due_us = self._reads.next_due_us(now_us)
        return None if due_us is None else (due_us - now_us) / 1e6

    def recent_outcomes(self, limit: int) -> list[TaskOutcome]:
        """Return what the latest tasks that really ran left, oldest first. At most `limit`."""
        return self._reads.recent_outcomes(limit)

    def kept_work(self, project: str, key: str) -> KeptWork | None:
        """Return what the same work of the project left before."""
        return stage_cache.work(self._database, project, key)

    def kept_part(self, project: str, key: str) -> Digest | None:
        """Return a part of a build that the project has kept."""
        return stage_cache.part(self._database, project, key)

    def death_count(self, project: str, key: str, *, within_s: float) -> int:
        """Return how many workers died in this work since it last succeeded.

        0 when the latest did so more than `within_s` ago.
        """
        since_us = self._clock() - round(within_s * 1e6)
        return stage_cache.death_count(self._database, project, key, since_us)

    # Blobs

    def blob_size(self, project: str, sha256: str) -> int | None:
        """Return the size of a project's blob in bytes, None for one that it does not have."""
        return blobs.size(self._database, project, sha256)

    def check_bytes(self, project: str, extra_bytes: int) -> None:
        """Raise `QuotaExceeded` if a project may not have so many bytes beside its blobs."""
        blobs.check_quota(self._database, project, extra_bytes, self._quotas.max_bytes)

    def check_room(self, project: str) -> None:
        """Raise `QuotaExceeded` if a project already has as many bytes as it may."""
        blobs.check_room(self._database, project, self._quotas.max_bytes)

    def stored_bytes(self) -> int:
        """Return how many bytes all projects have."""
        return blobs.stored_bytes(self._database)

    def is_known_blob(self, sha256: str) -> bool:
        """Whether any project has a blob."""
        return blobs.is_known(self._database, sha256)

    async def own_blob(self, project: str, digest: Digest) -> None:
        """Give a project a blob that it has uploaded, all bytes of it."""
        await self._write(lambda journal: journal.take_upload(project, digest))

    # Writes. Each returns after its commit.

    async def check(self, *, project: str, request_id: str, spec: JobSpec) -> None:
        """Raise what `create` would raise for its request id, the queue and quotas."""
        new = NewJob(project=project, request_id=request_id, spec=spec)
        await self._write(lambda journal: journal.check(new), is_new_work=True)

    async def create(self, *, project: str, request_id: str, spec: JobSpec) -> tuple[Job, bool]:
        """Add a job. With a known `request_id` return that job and True instead.

        Raises:
            RequestIdReused: If the request id belongs to a job with another spec.
            QueueFull: If as many jobs wait as may.
            QuotaExceeded: If the project has as many jobs or bytes as it may.
            InputMissing: If an input expired meanwhile.
            JobNotFound, SurfaceMissing: If the job to export again is gone.
        """
        uid = new_uid(self._clock())
        new = NewJob(project=project, request_id=request_id, spec=spec)
        return await self._write(lambda journal: journal.create(new, uid), is_new_work=True)

    async def retry(
        self, uid: str, *, project: str, request_id: str, from_stage: Stage | None
    ) -> tuple[Job, bool]:
        """Add a job like one that has ended; see `create`.

        from_stage: the first stage that runs again although its result is kept.

        Raises:
            JobNotFound: If there is no such job.
            JobNotFinished: If it has not ended.
        """
        new = new_uid(self._clock())
        return await self._write(
            lambda journal: journal.retry(uid, project, request_id, from_stage, new),
            is_new_work=True,
        )

    async def delete(self, uid: str, *, project: str, etag: str = "") -> None:
        """Forget a job that has ended, with its log and the blobs that no other job needs.

        Raises:
            JobNotFound: If there is no such job.
            JobNotFinished: If it has not ended.
            EtagMismatch: If `etag` is not "" and not that of the job.
        """
        await self._write(lambda journal: journal.delete(uid, project, etag))
        self._tails.extend(uid, ())  # who still reads its log learns that it is gone

    async def start_task(
        self, ready: ReadyTask, *, key: str, parts: Sequence[str] = ()
    ) -> Job | None:
        """Mark a task as running. Returns None when its job was cancelled meanwhile.

        key: of its work, for the stage cache; "" to keep nothing. parts: keys of what it starts
        from, which counts as used.
        """
        return await self._write(lambda journal: journal.start_task(ready, key, parts))

    async def finish_task(
        self,
        ready: ReadyTask,
        outcome: TaskOutcome,
        *,
        parts: Mapping[str, Digest] = {},
    ) -> Job:
        """Mark a task as done: the next one becomes ready, or the job succeeds.

        The report of an attempt that is not the latest changes nothing. parts: of a build, what
        is to be kept of it, by key.
        """
        return await self._write(lambda journal: journal.finish_task(ready, outcome, parts))

    async def reuse_task(self, ready: ReadyTask, *, key: str, fraction: float) -> Job | None:
        """Mark a task as done with what the same work of its project has left.

        fraction: how much of the job is done then. Returns None when nothing is kept any more or
        the task is no longer ready.
        """
        return await self._write(lambda journal: journal.reuse_task(ready, key, fraction))

    async def retry_task(
        self, ready: ReadyTask, warning: Warned, *, delay_s: float, death_of: str = ""
    ) -> Job:
        """Make a task ready again, in `delay_s`, after a try that ended by no fault of the server.

        death_of: key of the work, if a worker died in it.
        """
        delay_us = round(delay_s * 1e6)
        return await self._write(
            lambda journal: journal.retry_task(ready, warning, delay_us=delay_us, death_of=death_of)
        )

    async def fail(self, uid: str, error: JobError, *, death_of: str = "") -> Job:
        """End a job with an error; with CANCELLED when it was asked to stop.

        death_of: key of the work, if a worker died in it.
        """
        return await self._write(lambda journal: journal.fail(uid, error, death_of=death_of))

    async def drop_tasks(self, uid: str) -> None:
        """Let no task of a job start any more, also of one whose row cannot be read."""
        await self._write(lambda journal: journal.drop_tasks(uid))

    async def requeue(self, uid: str) -> Job:
        """Put a running job back into the queue; only the time that its task has run stays."""
        return await self._write(lambda journal: journal.requeue(uid))

    async def cancel(self, uid: str, *, project: str | None) -> Job:
        """Ask a job to stop: a queued one is CANCELLED, a running one CANCELLING."""
        return await self._write(lambda journal: journal.cancel(uid, project))

    async def finish_cancelled(self, uid: str) -> Job:
        """End a job that is CANCELLING."""
        return await self._write(lambda journal: journal.finish_cancelled(uid))

    def post(self, uid: str, happening: Happening, *, begins: bool = False) -> None:
        """Append an event, in order with other writes, without waiting for its commit.

        begins: it is the first of its stage in this try of its task.
        """
        self._writer.submit(
            lambda journal: journal.post(uid, happening, begins=begins)
        ).add_done_callback(_log_failed_post)

    async def collect(self, keep: Retention) -> Collected:
        """Forget some of what is kept no longer; call again until nothing was found."""
        return await self._write(lambda journal: retention.collect(journal, keep))

    async def _write(self, change: Callable[[Journal], T], *, is_new_work: bool = False) -> T:
        # A caller that goes away (a cut connection) must not take the change with it.
        done = self._writer.submit(change, is_new_work=is_new_work)
        return cast(T, await asyncio.shield(done))

    def _announce(self, commit: Commit) -> None:
        """Hand out results and wake followers; on the event loop."""
        for uid, entry in commit.news:
            if entry.event.sequence == 1:  # the last one until the next look, whatever its priority
                self._queue.setdefault(uid, len(self._queue))
            if isinstance(entry.event.happening, StateChanged):
                self._queue_until_s = 0.0
        for uid, entries in _by_job(commit.news).items():
            self._tails.extend(uid, entries)
        for settled in commit.settled:
            if settled.error is not None:
                settled.pending.done.set_exception(settled.error)
            else:
                settled.pending.done.set_result(settled.result)
        self._on_commit(commit)


def _by_job(news: Iterable[tuple[str, Entry]]) -> dict[str, list[Entry]]:
    grouped: dict[str, list[Entry]] = {}
    for uid, entry in news:
        grouped.setdefault(uid, []).append(entry)
    return grouped


def _log_failed_post(done: "asyncio.Future[object]") -> None:
    if not done.cancelled() and (error := done.exception()):
        logger.error("journal: an event was lost: %s", error)


def new_uid(now_us: int) -> str:
    """Return 32 hex digits that sort by time: 56 bits of microseconds, 72 random bits."""
    return f"{now_us:014x}{secrets.token_hex(9)}"
