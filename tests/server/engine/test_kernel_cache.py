"""Compiled kernels of one version are not those of another."""

import os
import subprocess
import sys
from pathlib import Path

from server.engine.kernel_cache import kernel_cache, sources_stamp

CALLER = """
from numba import njit
from kernels.callee import answer

@njit(cache=True)
def twice():
    return 2 * answer()
"""
CALLEE = """
from numba import njit

@njit(cache=True)
def answer():
    return {}
"""


def test_a_change_in_another_file_has_kernels_compiled_anew(tmp_path: Path) -> None:
    sources, folder = tmp_path / "kernels", str(tmp_path / "cache")
    sources.mkdir()
    (sources / "caller.py").write_text(CALLER)

    def asked(cache_folder: str) -> str:
        result = subprocess.run(
            [sys.executable, "-c", "from kernels.caller import twice; print(twice())"],
            env=os.environ | {"NUMBA_CACHE_DIR": cache_folder, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return result.stdout.strip()

    found, stamps = [], []
    for number in (1, 5):
        (sources / "callee.py").write_text(CALLEE.format(number))
        sources_stamp.cache_clear()
        stamps.append(sources_stamp(sources))
        found.append((asked(folder), asked(str(Path(folder) / stamps[-1]))))
    # The first of each pair is why: in one folder, what is called stays what it was.
    assert found == [("2", "2"), ("2", "10")]
    assert len(set(stamps)) == 2


def test_only_a_folder_that_is_set_is_divided() -> None:
    assert kernel_cache({}) == {}
    folder = Path(kernel_cache({"NUMBA_CACHE_DIR": "/var/cache/numba"})["NUMBA_CACHE_DIR"])
    assert folder.parent == Path("/var/cache/numba")
    assert kernel_cache({"NUMBA_CACHE_DIR": "/var/cache/numba"})["NUMBA_CACHE_DIR"] == str(folder)
