"""The end of each followed log in memory, so that an event is read and encoded once for all.

A job that nobody follows has no tail. A follower that falls behind its tail reads the journal
until it has caught up.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from server.jobs import Job, JobEvent

_MAX_ENTRIES = 32  # three seconds of a busy job; a thousand followed jobs hold some 20 MB


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The job as it is now: what a follower without a usable cursor starts from."""

    job: Job


@dataclass(frozen=True)
class Heartbeat:
    """Nothing has happened for a while."""


class Entry:
    """An event of a log, shared by all who follow it.

    job: as it ended; only with the last event.
    """

    __slots__ = ("_wire", "event", "job")

    def __init__(self, event: JobEvent, job: Job | None) -> None:
        self.event = event
        self.job = job
        self._wire: bytes | None = None

    def wire(self, encode: "Callable[[Entry], bytes]") -> bytes:
        """Return the event as it is sent, encoded by the first who asks; one encoding only."""
        if self._wire is None:
            self._wire = encode(self)
        return self._wire


class Tail:
    """The latest entries of one log. On the event loop."""

    def __init__(self) -> None:
        self.follower_count = 0
        self._entries: deque[Entry] = deque(maxlen=_MAX_ENTRIES)
        self._change = asyncio.Event()

    def extend(self, entries: Iterable[Entry]) -> None:
        """Add what was committed, and wake the followers."""
        self._entries.extend(entries)
        self.wake()

    def wake(self) -> None:
        """Make followers look again."""
        self._change.set()
        self._change = asyncio.Event()

    def after(self, sequence: int) -> Sequence[Entry] | None:
        """Return all entries after a sequence; None when the next one may be older than these."""
        if not self._entries or self._entries[0].event.sequence > sequence + 1:
            return None
        skipped = sequence + 1 - self._entries[0].event.sequence
        return tuple(islice(self._entries, skipped, None))

    async def wait(self, timeout_s: float | None) -> bool:
        """Wait for news; False when there was none for `timeout_s`.

        No news is slept through that comes after the last look, if there was no await between.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._change.wait()
        except TimeoutError:
            return False
        return True


class Tails:
    """The tails of all followed jobs, by uid."""

    def __init__(self) -> None:
        self._tails: dict[str, Tail] = {}

    @contextmanager
    def following(self, uid: str) -> Iterator[Tail]:
        """Keep a job's tail for the length of a `with` block."""
        tail = self._tails.setdefault(uid, Tail())
        tail.follower_count += 1
        try:
            yield tail
        finally:
            tail.follower_count -= 1
            if not tail.follower_count:
                del self._tails[uid]

    def extend(self, uid: str, entries: Iterable[Entry]) -> None:
        """Add what was committed of a job."""
        if tail := self._tails.get(uid):
            tail.extend(entries)

    def wake_all(self) -> None:
        """Make all followers look again."""
        for tail in self._tails.values():
            tail.wake()
