"""Charts by xatlas, in child processes: it cannot be interrupted, and may never end."""

import contextlib
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.types import IntArray, Mesh

logger = logging.getLogger(__name__)

_LIMIT_S = 60.0  # twenty times what 20k faces need
_POLL_S = 0.05
_PROCESSES = 2
_WORKER = Path(__file__).with_name("unwrap_worker.py")

Answer = tuple[NDArray[np.float64], IntArray] | str


def xatlas_charts(meshes: Sequence[Mesh], tell: Callable[[int], None]) -> list[Answer]:
    """Cut meshes into charts, two at a time.

    Args:
        meshes: Welded, without faces that have no area.
        tell: Told every 50 ms how many faces are done; if it raises, the processes end at once.

    Returns:
        For each mesh `[F, 3, 2]` float64 chart coordinates, v up and never mirrored, and `[F]`
        int32 charts, -1 for a face that got none. Or, in words, why there are none.
    """
    answers: dict[int, Answer] = {}
    # The longest first, so that the short ones fill the other process meanwhile.
    waiting = sorted(range(len(meshes)), key=lambda k: len(meshes[k].faces))
    running: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
    with tempfile.TemporaryDirectory(prefix="lodsmith-unwrap-") as folder:
        try:
            while waiting or running:
                while waiting and len(running) < _PROCESSES:
                    lod = waiting.pop()
                    deadline = time.monotonic() + _LIMIT_S
                    running[lod] = _start(meshes[lod], Path(folder, str(lod))), deadline
                with contextlib.suppress(subprocess.TimeoutExpired):
                    next(iter(running.values()))[0].wait(_POLL_S)
                for lod, (child, deadline) in list(running.items()):
                    if child.poll() is not None:
                        answers[lod] = _read(child.returncode, Path(folder, str(lod)))
                        del running[lod]
                    elif time.monotonic() > deadline:
                        child.kill()
                        child.wait()
                        answers[lod] = f"xatlas took longer than {_LIMIT_S:g} s"
                        del running[lod]
                tell(sum(len(meshes[lod].faces) for lod in answers))
        finally:
            for child, _ in running.values():
                child.kill()
                child.wait()
    return [answers[lod] for lod in range(len(meshes))]


def _start(mesh: Mesh, place: Path) -> subprocess.Popen[bytes]:
    mesh_path = place.with_suffix(".mesh.npz")
    np.savez(mesh_path, positions=mesh.positions, faces=mesh.faces)
    with place.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(  # -P: the folder of the script is no place to import from
            [sys.executable, "-P", _WORKER, mesh_path, place.with_suffix(".charts.npz")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


def _read(exit_status: int, place: Path) -> Answer:
    if exit_status:
        log = place.with_suffix(".log").read_text(errors="replace").strip()
        logger.warning("xatlas failed with exit status %d: %s", exit_status, log[-500:])
        return "xatlas failed"
    with np.load(place.with_suffix(".charts.npz")) as charts:
        return charts["uvs"], charts["face_charts"]
