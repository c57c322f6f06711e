"""Where workers keep what numba has compiled."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pipeline

_VARIABLE = "NUMBA_CACHE_DIR"


def kernel_cache(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a worker's environment has to say of its cache of kernels.

    numba compiles a kernel anew when its own file has changed, not when one that it calls has. A
    folder that outlives updates of the program would go on giving kernels that call what is gone,
    so each state of the pipeline's sources has one of its own in it.

    Where no folder is set, kernels lie beside their sources, each file with its own: who works on
    them would not want all compiled anew after each change (`make clean-kernels` does that).
    """
    folder = environment.get(_VARIABLE, "")
    return {_VARIABLE: str(Path(folder) / sources_stamp(_SOURCES))} if folder else {}


@cache
def sources_stamp(folder: Path) -> str:
    """Return 16 hex digits that change with any Python file below a folder."""
    stamp = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        stamp.update(f"{path.relative_to(folder)}\0".encode())
        stamp.update(hashlib.sha256(path.read_bytes()).digest())
    return stamp.hexdigest()[:16]


_SOURCES = Path(pipeline.__file__).parent
