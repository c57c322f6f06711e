"""What one input may cost: a stranger's file must not take the memory or the time of others."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

MEMORY_BYTES = 1 << 30
CPU_S = 5.0


class TooSlow(BaseException):
    """An input took more time than it may. No `Exception`, so that no code under test eats it."""


@contextmanager
def ceilings(*, memory_bytes: int = MEMORY_BYTES, cpu_s: float = CPU_S) -> Iterator[None]:
    """Hold a `with` block to a ceiling of memory and one of time. Only on the main thread.

    Beyond the first an allocation raises `MemoryError`, beyond the second `TooSlow` does. The time
    is that of the processors, so that a busy machine is no finding; what waits for ever is found by
    whoever runs the process.

    Args:
        memory_bytes: Address space, above what the process has at the start.
        cpu_s: User and system time of all threads.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, _raise_too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space_bytes() + memory_bytes, hard))
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def _raise_too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow("the input took more processor time than it may")


def _address_space_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
