"""The audit log as a file: lines that are appended and kept for a while."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

FILE_NAME = "audit.jsonl"
"""In the data folder."""

MiB = 1 << 20


class AuditFile:
    """A file that several processes append to, and that starts anew when it is full.

    Full ones are kept as `audit.jsonl.1` (the latest), `.2` ... `.<keep>`. Whoever moves the file
    away, as logrotate does, loses nothing: it is opened for each append.
    """

    def __init__(self, path: Path, *, max_bytes: int = 64 * MiB, keep: int = 10) -> None:
        """Append to `path`, up to `max_bytes` each; `keep` is how many full ones stay, from 1."""
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep

    def append(self, lines: bytes) -> None:
        """Append whole lines, all or none, and hand them to the system.

        They outlive this process then; a power cut may take the last seconds.

        Raises:
            OSError: If they cannot be written. Nothing of them is in the file then.
        """
        while True:
            with self._locked() as file:
                size = os.fstat(file).st_size
                if size == 0 or size + len(lines) <= self._max_bytes:
                    _append(file, size, lines)
                    return
                self._put_away()

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Keep other writers out of the file that has the name now."""
        while True:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            file = os.open(self._path, flags, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if self._is_current(file):
                    yield file
                    return
            finally:
                os.close(file)

    def _is_current(self, file: int) -> bool:
        """Whether nobody has put the file away while its lock was waited for."""
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False

    def _put_away(self) -> None:
        names = [self._path, *(Path(f"{self._path}.{n}") for n in range(1, self._keep + 1))]
        for newer, older in reversed(list(pairwise(names))):
            if newer.exists():
                newer.replace(older)


def _append(file: int, size: int, lines: bytes) -> None:
    if size and os.pread(file, 1, size - 1) != b"\n":  # a power cut left half of a line
        lines = b"\n" + lines
    try:
        written = 0
        while written < len(lines):
            written += os.write(file, lines[written:])
    except OSError:
        os.ftruncate(file, size)
        raise
