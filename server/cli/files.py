"""Local files that commands read and write, with errors that name them.

What raises is imported only then, so that --help is instant.
"""

import os
from pathlib import Path


def read_file(path: Path) -> bytes:
    """Read a file; raises `InvalidInput` where that does not go."""
    try:
        return path.read_bytes()
    except OSError as error:
        from pipeline.errors import InvalidInput

        raise InvalidInput(f"cannot read {path}: {error.strerror}") from error


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; raises `InvalidInput` where that does not go."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        from pipeline.errors import InvalidInput

        beside.unlink(missing_ok=True)
        raise InvalidInput(
            f"cannot write {path}: {error.strerror}; choose another place, or make it writable"
        ) from error
