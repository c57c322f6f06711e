"""The thread that writes: all changes that wait are committed together.

A durable commit costs one fsync, so many changes share one. Each runs in a savepoint of its own:
one that is refused is rolled back alone.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DiskFull
from server import failpoints
from server.journal import epoch
from server.journal.changes import Clock, Journal, Quotas
from server.journal.epoch import Mark
from server.journal.reserve import Reserve
from server.journal.schema import connect
from server.journal.tail import Entry

logger = logging.getLogger(__name__)

_CHANGES_PER_COMMIT = 256


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A change that waits for its commit.

    is_new_work: it is refused at once while the disk is full; ends of jobs have the last space.
    """

    change: Callable[[Journal], object]
    done: "asyncio.Future[object]"
    is_new_work: bool = False


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A change after its commit, or after it was rolled back with an error."""

    pending: Pending
    result: object = None
    error: Exception | None = None


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What one transaction did. news: entries of jobs' logs, with the uids, in order."""

    settled: Sequence[Settled]
    news: Sequence[tuple[str, Entry]]
    seconds: float


class Writer:
    """Takes changes from the event loop, commits them, and tells what came of it."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        quotas: Quotas,
        reserve: Reserve,
        announce: Callable[[Commit], None],
    ) -> None:
        """Nothing runs before `start`. `announce` is called on the event loop."""
        self._path = path
        self._clock = clock
        self._quotas = quotas
        self._reserve = reserve
        self._announce = announce
        self._pending: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to write; on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def submit(
        self, change: Callable[[Journal], object], *, is_new_work: bool = False
    ) -> "asyncio.Future[object]":
        """Queue a change; the result is set after its commit."""
        done = asyncio.get_running_loop().create_future()
        self._pending.put(Pending(change=change, done=done, is_new_work=is_new_work))
        return done

    async def stop(self) -> None:
        """Commit what waits, and end."""
        self._pending.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        assert self._loop is not None
        database = connect(self._path)
        journal = Journal(database, self._clock, self._quotas)
        mark = Mark(mark_path(self._path))
        while batch := self._take():
            commit = self._commit(journal, mark, batch)
            self._loop.call_soon_threadsafe(self._announce, commit)
        mark.close()
        database.close()

    def _take(self) -> list[Pending]:
        """Wait for a change, then take all that wait; [] after the last one."""
        batch: list[Pending] = []
        while len(batch) < _CHANGES_PER_COMMIT:
            try:
                pending = self._pending.get(block=not batch)
            except queue.Empty:
                break
            if pending is None:
                if batch:
                    self._pending.put(None)  # for the next turn
                break
            batch.append(pending)
        return batch

    def _commit(self, journal: Journal, mark: Mark, batch: Sequence[Pending]) -> Commit:
        start_s = time.perf_counter()
        try:
            settled = self._apply(journal, mark, batch)
        except sqlite3.Error as error:
            if _is_full(error) and self._reserve.free():
                return self._commit(journal, mark, batch)
            logger.error("journal: %d changes lost: %s", len(batch), error)
            failure = _disk_full() if _is_full(error) else error
            settled = [Settled(pending=pending, error=failure) for pending in batch]
        return Commit(
            settled=settled,
            news=journal.take_news(),
            seconds=time.perf_counter() - start_s,
        )

    def _apply(self, journal: Journal, mark: Mark, batch: Sequence[Pending]) -> list[Settled]:
        """Run all changes in one transaction, each in a savepoint."""
        database = journal.database
        try:
            database.execute("BEGIN IMMEDIATE")
            settled = [self._settle(journal, pending) for pending in batch]
            commit_count = epoch.count_commit(database)
            failpoints.hit("commit.before")
            database.execute("COMMIT")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            journal.forget_news(0)
            raise
        failpoints.hit("commit.after")
        mark.write(commit_count)
        return settled

    def _settle(self, journal: Journal, pending: Pending) -> Settled:
        database = journal.database
        if pending.is_new_work and not self._reserve.is_there:
            self._reserve.fill()  # the disk may have been cleared
            if not self._reserve.is_there:
                return Settled(pending=pending, error=_disk_full())
        news_count = journal.news_count
        database.execute("SAVEPOINT change")
        try:
            settled = Settled(pending=pending, result=pending.change(journal))
        except Exception as error:  # whatever it is, it belongs to the caller of this change
            if _is_full(error):  # not this change's fault: the whole batch is tried again
                raise
            database.execute("ROLLBACK TO change")
            journal.forget_news(news_count)
            settled = Settled(pending=pending, error=error)
        database.execute("RELEASE change")
        return settled


def mark_path(journal: Path) -> Path:
    """Return where the mark of a journal is."""
    return journal.with_suffix(".mark")


def _is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _disk_full() -> DiskFull:
    return DiskFull("the server's disk is full; free some space and try again")
