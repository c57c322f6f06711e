"""Long calls that cannot report how far they are."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

POLL_S = 0.1

T = TypeVar("T")


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
                return future.result(timeout=POLL_S)
            except TimeoutError:
                if future.done():
                    raise  # it is the call's own
    finally:
        pool.shutdown(wait=False)
