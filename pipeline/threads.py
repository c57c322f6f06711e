"""Work that is the same in any number of threads."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, Self, TypeVar

MAX_THREADS = 8
_POLL_S = 0.1

T = TypeVar("T")


def in_threads(
    work: Callable[[int], None], starts: Iterable[int], tick: Callable[[], None]
) -> None:
    """Do `work` for all `starts`, in as many threads as there are cores.

    Args:
        work: Writes only to places that belong to its start, so that the order does not matter.
            Must release the GIL for most of its time.
        starts: What to do.
        tick: Called once for each, before it is waited for, by the calling thread; what it raises
            ends the work.
    """
    starts = list(starts)
    thread_count = min(os.cpu_count() or 1, MAX_THREADS, len(starts))
    if thread_count <= 1:
        for start in starts:
            tick()
            work(start)
        return
    with ThreadPoolExecutor(thread_count) as threads:
        parts = [threads.submit(work, start) for start in starts]
        try:
            for part in parts:
                tick()
                part.result()
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def together(
    calls: Sequence[Callable[[Callable[[], None]], T]], tick: Callable[[int], None]
) -> list[T]:
    """Return what the calls return, which run in as many threads as there are cores.

    Args:
        calls: Each gets a function of its own to call about every 0.1 s, which raises once the
            work is to end. What they return must not depend on which is first.
        tick: Called about every 0.1 s by the calling thread, with the number of calls that have
            ended; what it raises ends the work.
    """
    is_over = threading.Event()

    def check() -> None:
        if is_over.is_set():
            raise _Over

    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as threads:
        parts = [threads.submit(call, check) for call in calls]
        try:
            while not all(part.done() for part in parts):
                tick(sum(part.done() for part in parts))
                for part in wait(parts, timeout=_POLL_S).done:
                    part.result()
            return [part.result() for part in parts]
        except BaseException:
            is_over.set()
            threads.shutdown(cancel_futures=True)
            raise


class Ahead(Generic[T]):
    """A call that runs beside what its caller does next, until its result is asked for.

    Leaving the `with` block stops it and waits until it has stopped.
    """

    def __init__(self, call: Callable[[Callable[[], None]], T], *, starts_now: bool = True) -> None:
        """Prepare.

        Args:
            call: Gets a function to call about every 0.1 s, which raises once the work is to end.
                Must release the GIL for most of its time.
            starts_now: Whether it starts before its result is asked for.
        """
        self._call, self._starts_now = call, starts_now
        self._is_over = threading.Event()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._part: Future[T] | None = None

    def __enter__(self) -> Self:
        if self._starts_now:
            self._start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.shutdown()

    def result(self, tick: Callable[[], None]) -> T:
        """Return what the call returns, or raise what it raises.

        Args:
            tick: Called about every 0.1 s while it is waited for; may raise to stop.
        """
        part = self._part or self._start()
        while not wait([part], timeout=_POLL_S).done:
            tick()
        return part.result()

    def _start(self) -> "Future[T]":
        self._part = self._thread.submit(self._call, self._check)
        return self._part

    def _check(self) -> None:
        if self._is_over.is_set():
            raise _Over


class _Over(Exception):
    """Another part of the work has failed, or it is to end; nobody sees this."""


def polled(call: Callable[[], T], tick: Callable[[], None]) -> T:
    """Run `call`, which must release the GIL now and then, while calling `tick`.

    When `tick` raises, the call runs on to its end and its result is dropped, so it must change
    nothing but what it returns.

    Args:
        call: Takes up to some seconds.
        tick: Called every 0.1 s; may raise to stop.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        future = pool.submit(call)
        while True:
            tick()
            try:
                return future.result(timeout=_POLL_S)
            except TimeoutError:
                if future.done():
                    raise  # it is the call's own
    finally:
        pool.shutdown(wait=False)
