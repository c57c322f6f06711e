"""SHA-256 of files that take a while."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

_CHUNK_BYTES = 4 << 20  # 40 ms from a slow disk


class HashProgress(Protocol):
    """How hashing tells how far it is; may raise `Cancelled` to stop it."""

    def __call__(self, file: Path, done_bytes: int, total_bytes: int) -> None:
        """Report, several times a second.

        Args:
            file: The file at work.
            done_bytes, total_bytes: Of all files together.
        """


def unwatched(file: Path, done_bytes: int, total_bytes: int) -> None:
    """A `HashProgress` that nobody watches."""


def sha256_of_files(files: Iterable[Path], progress: HashProgress = unwatched) -> dict[Path, str]:
    """Hash each file once, whatever the order and number of its mentions.

    Raises:
        OSError: If one cannot be read.
    """
    unique = list(dict.fromkeys(files))
    total = sum(file.stat().st_size for file in unique)
    done = 0
    digests: dict[Path, str] = {}
    buffer = bytearray(_CHUNK_BYTES)
    for file in unique:
        digest = hashlib.sha256()
        with file.open("rb", buffering=0) as content:
            while count := content.readinto(buffer):
                digest.update(memoryview(buffer)[:count])
                done += count
                progress(file, done, total)
        digests[file] = digest.hexdigest()
    return digests
