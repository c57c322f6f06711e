"""Work that is the same in any number of threads."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

MAX_THREADS = 8


def in_threads(
    work: Callable[[int], None], starts: Iterable[int], tick: Callable[[], None]
) -> None:
    """Do `work` for all `starts`, in as many threads as there are cores.

    Args:
        work: Writes only to places that belong to its start, so that the order does not matter.
            Must release the GIL for most of its time.
        starts: What to do.
        tick: Called after each, in order, by the calling thread; what it raises ends the work.
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
