"""Work that is the same in any number of threads."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

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
