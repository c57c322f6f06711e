"""What a worker process may use: it reads strangers' files, and the machine is not its own."""

import math
import os
import resource
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass

_OWN_FILES_ONLY = 0o077  # umask: what a job leaves is nobody else's business on this machine


@dataclass(frozen=True, kw_only=True)
class WorkerLimits:
    """The most that a worker process may use. 0: no limit of its own.

    memory_bytes: data segment; more ends the task with OUT_OF_MEMORY.
    task_cpu_s: CPU time of one task, over all threads; more ends it with JOB_TIMEOUT as soon as it
        calls `progress`. The kernel counts whole seconds.
    file_bytes: size of any file it writes; more ends the task with TOO_LARGE.
    open_files: file descriptors; more ends the task with INTERNAL, and the worker.
    image_pixels: of a picture; more is refused when its header is read, whoever opens it.
    """

    memory_bytes: int = 0
    task_cpu_s: float = 0.0
    file_bytes: int = 8 << 30  # no file of ours comes near it, and a disk is larger
    open_files: int = 1024
    image_pixels: int = 64_000_000


def apply(limits: WorkerLimits) -> None:
    """Bind this process and all that it starts to its limits, for good."""
    os.umask(_OWN_FILES_ONLY)
    _limit(resource.RLIMIT_CORE, 0)  # a core holds strangers' data and may be gigabytes
    if limits.memory_bytes:
        _limit(resource.RLIMIT_DATA, limits.memory_bytes)
    if limits.file_bytes:
        _limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    if limits.open_files:
        _limit(resource.RLIMIT_NOFILE, limits.open_files)
    if limits.image_pixels:
        _refuse_larger_pictures(limits.image_pixels)


def limit_task_cpu(seconds: float, on_spent: Callable[[], None]) -> None:
    """Call `on_spent` once the process has used `seconds` more of CPU time, and every second after.

    Takes the place of the limit of the task before; call it on the main thread. `on_spent` runs
    there between two steps of Python: native code is not interrupted. Only the soft limit is set: a
    hard one could never be raised for the next task.
    """
    signal.signal(signal.SIGXCPU, lambda number, frame: on_spent())
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(usage.ru_utime + usage.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(soft, most), most))


def _limit(what: int, value: int) -> None:
    """Lower a limit to `value`; one that the process was started with may be lower already."""
    _, most = resource.getrlimit(what)
    value = _at_most(value, most)
    resource.setrlimit(what, (value, value))


def _at_most(value: int, most: int) -> int:
    return value if most == resource.RLIM_INFINITY else min(value, most)


def _refuse_larger_pictures(pixels: int) -> None:
    """Make Pillow raise on opening a larger picture; by itself it warns first, and at more."""
    from PIL import Image  # late: the server imports this file for the dataclass

    Image.MAX_IMAGE_PIXELS = pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
