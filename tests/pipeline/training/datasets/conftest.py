"""Small files that stand for meshes: adapters look at names and sizes, not inside."""

from collections.abc import Callable
from pathlib import Path

import pytest

Touch = Callable[..., Path]


@pytest.fixture
def touch(tmp_path: Path) -> Touch:
    """Make a file of some bytes below `tmp_path`."""

    def made(relative: str, size: int = 10) -> Path:
        path = tmp_path / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        return path

    return made
