"""Meshes reach the peers and come back as they are, and what a process took is counted."""

import sys

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.extraction import lattice
from pipeline.types import Mesh


def sheet(side: int = 16) -> Mesh:
    """A hilly square of `side` by `side` squares."""
    x, y = np.meshgrid(np.arange(side + 1), np.arange(side + 1), indexing="ij")
    positions = np.stack([x, y, np.sin(x) * np.cos(y)], axis=-1).reshape(-1, 3)
    corner = (np.arange(side)[:, None] * (side + 1) + np.arange(side)).ravel()
    square = np.stack([corner, corner + side + 1, corner + side + 2, corner + 1], 1)
    faces = np.concatenate([square[:, [0, 1, 2]], square[:, [0, 2, 3]]])
    return Mesh(positions=positions.astype(np.float32), faces=faces.astype(np.int32))


def test_a_glb_gives_back_what_was_put_in() -> None:
    mesh = lattice(count=1, radius=0.1)
    back = peers.read_glb(peers.write_glb(mesh))
    assert np.array_equal(back.positions, mesh.positions)
    assert np.array_equal(back.faces, mesh.faces)


def test_a_peer_that_takes_arrays_reduces() -> None:
    run = peers.simplify_with("qslim", sheet(), 100)
    assert 0 < len(run.mesh.faces) <= 100
    assert run.files_cpu_s == 0
    assert run.cpu_s >= 0


def test_an_absent_peer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LODSMITH_BPY_PYTHON", raising=False)
    with pytest.raises(peers.MissingPeer, match=r"LODSMITH_BPY_PYTHON.*README"):
        peers.simplify_with("blender", lattice(count=1, radius=0.1), 100)


def test_cpu_time_is_the_childs() -> None:
    work = "import time\nwhile time.process_time() < 0.3: pass"
    spent = peers.run([sys.executable, "-c", work])
    assert 0.3 <= spent.cpu_s < 2
    assert spent.wall_s >= 0.3


def test_a_failing_peer_says_what_it_said() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 1: .*no such thing"):
        peers.run([sys.executable, "-c", "raise SystemExit('no such thing')"])
