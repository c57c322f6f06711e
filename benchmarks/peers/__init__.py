"""Other people's mesh tools on our arrays: what ours is measured beside.

Each runs in a process of its own, whose CPU time and memory are counted. gltfpack and
gltf-transform come from `npm ci` in this folder; what is not a dependency of Lodsmith runs in an
interpreter named by an environment variable (see README.md). Nothing of it is part of the product.
"""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.accessors import open_glb
from pipeline.types import Mesh

FOLDER = Path(__file__).parent

Simplifier = Literal["qslim", "vtk", "blender", "fast_simplification"]
GltfpackMode = Literal["-si", "-sp", "-sa", "-sv"]

_GLTFPACK_MODES: dict[GltfpackMode, tuple[str, ...]] = {
    "-si": (),
    "-sp": ("-sp",),
    "-sa": ("-sa",),
    "-sv": ("-sv",),
}
_INTERPRETERS = {"blender": "LODSMITH_BPY_PYTHON", "vtk": "LODSMITH_VTK_PYTHON"}
_POLL_S = 0.01


class MissingPeer(Exception):
    """The peer is not installed; the message says how to install it."""


@dataclass(frozen=True, kw_only=True)
class PeerRun:
    """What a peer made of a mesh.

    cpu_s: CPU seconds of the reduction. For peers that only take files that is the whole process:
        start, reading, reducing, writing.
    files_cpu_s: of these, what the same process needs to read the file and write it back whole. 0
        for peers that take arrays.
    peak_bytes: largest memory of the process.
    """

    mesh: Mesh
    cpu_s: float
    files_cpu_s: float
    peak_bytes: int


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a process took."""

    cpu_s: float
    wall_s: float
    peak_bytes: int


def simplify_with(peer: Simplifier, mesh: Mesh, target: int) -> PeerRun:
    """Reduce `mesh` to about `target` triangles by a peer that takes arrays.

    Raises:
        MissingPeer: If it is not installed.
    """
    variable = _INTERPRETERS.get(peer)
    python = sys.executable if variable is None else os.environ.get(variable)
    if python is None:
        raise MissingPeer(f"{peer}: set {variable} to a Python that has it, see {FOLDER}/README.md")
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, positions=mesh.positions, faces=mesh.faces)
        worker = str(FOLDER / "worker.py")
        spent = run([python, worker, peer, str(source), str(target), str(out)])
        with np.load(out) as arrays:
            return PeerRun(
                mesh=Mesh(positions=arrays["positions"], faces=arrays["faces"]),
                cpu_s=float(arrays["cpu_s"]),
                files_cpu_s=0.0,
                peak_bytes=spent.peak_bytes,
            )


def gltfpack(mesh: Mesh, target: int, mode: GltfpackMode = "-si") -> PeerRun:
    """Reduce `mesh` to about `target` triangles by gltfpack: positions alone, as exact floats."""
    content = write_glb(mesh)
    whole = gltfpack_file(content, ratio=1.0)
    reduced = gltfpack_file(content, ratio=target / len(mesh.faces), mode=mode)
    return PeerRun(
        mesh=read_glb(reduced.content),
        cpu_s=reduced.spent.cpu_s,
        files_cpu_s=whole.spent.cpu_s,
        peak_bytes=reduced.spent.peak_bytes,
    )


def gltf_transform(mesh: Mesh, target: int) -> PeerRun:
    """Reduce `mesh` to about `target` triangles by `gltf-transform simplify`."""
    content = write_glb(mesh)
    whole = gltf_transform_file(content, ratio=1.0)
    reduced = gltf_transform_file(content, ratio=target / len(mesh.faces))
    return PeerRun(
        mesh=read_glb(reduced.content),
        cpu_s=reduced.spent.cpu_s,
        files_cpu_s=whole.spent.cpu_s,
        peak_bytes=reduced.spent.peak_bytes,
    )


@dataclass(frozen=True, kw_only=True)
class FileRun:
    """A GLB that a peer wrote, and what that took."""

    content: bytes
    spent: Spent


def gltfpack_file(glb: bytes, *, ratio: float, mode: GltfpackMode = "-si") -> FileRun:
    """Run gltfpack on a whole GLB, unquantized, with names and materials kept.

    Args:
        glb: What it reads.
        ratio: Of triangles to keep, at whatever error.
        mode: As its command line calls it: `-sp` collapses across seams of attributes, `-sa`
            disregards quality, `-sv` moves vertices too.
    """
    options = ["-si", repr(ratio), *_GLTFPACK_MODES[mode], "-se", "1", "-noq", "-kn", "-km"]
    return _run_on_file(glb, ["gltfpack", "-i", "IN", "-o", "OUT", *options])


def gltf_transform_file(glb: bytes, *, ratio: float) -> FileRun:
    """Run `gltf-transform weld` and `simplify` on a whole GLB, at whatever error."""
    options = ["--ratio", repr(ratio), "--error", "1"]
    return _run_on_file(glb, ["gltf-transform", "simplify", "IN", "OUT", *options])


def _run_on_file(glb: bytes, command: list[str]) -> FileRun:
    program = FOLDER / "node_modules" / ".bin" / command[0]
    if not program.exists():
        raise MissingPeer(f"{command[0]}: run `npm ci` in {FOLDER}")
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.glb"), Path(folder, "out.glb")
        source.write_bytes(glb)
        places = {"IN": str(source), "OUT": str(out)}
        arguments = [places.get(word, word) for word in command[1:]]
        spent = run(["node", str(program.resolve()), *arguments])
        return FileRun(content=out.read_bytes(), spent=spent)


def run(command: Sequence[str]) -> Spent:
    """Run a child process and count what it took, with its own children.

    Raises:
        RuntimeError: If it fails, with the end of what it said.
    """
    started = time.perf_counter()
    peak_bytes = 0
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            peak_bytes = max(peak_bytes, _high_water_bytes(child.pid))
            time.sleep(_POLL_S)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - started
        if child.returncode != 0:
            said.seek(0)
            end = said.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{command[0]} ended with {child.returncode}: {end}")
    return Spent(cpu_s=usage.ru_utime + usage.ru_stime, wall_s=wall_s, peak_bytes=peak_bytes)


def _high_water_bytes(pid: int) -> int:
    """Largest memory of a process until now; 0 outside Linux.

    Not `ru_maxrss`: a child's begins with what its parent had when it forked.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return 1024 * int(found[1]) if found else 0


def write_glb(mesh: Mesh) -> bytes:
    """Return a GLB with positions and triangles and nothing else."""
    positions = np.ascontiguousarray(mesh.positions, "<f4")
    indices = np.ascontiguousarray(mesh.faces, "<u4")
    lengths = positions.nbytes, indices.nbytes
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "buffers": [{"byteLength": sum(lengths)}],
        "bufferViews": [
            {"buffer": 0, "byteLength": lengths[0], "target": 34962},
            {"buffer": 0, "byteOffset": lengths[0], "byteLength": lengths[1], "target": 34963},
        ],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": len(positions),
                "type": "VEC3",
                "min": positions.min(axis=0).tolist(),
                "max": positions.max(axis=0).tolist(),
            },
            {"bufferView": 1, "componentType": 5125, "count": indices.size, "type": "SCALAR"},
        ],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + sum(lengths)),
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", sum(lengths), b"BIN\0"),
            positions.tobytes(),
            indices.tobytes(),
        ]
    )


def read_glb(content: bytes) -> Mesh:
    """Return the triangles of a GLB that a peer wrote from one of `write_glb`."""
    plain = open_glb(content)
    nodes = plain.document["nodes"]
    if any({"matrix", "scale", "translation", "rotation"} & set(node) for node in nodes):
        raise RuntimeError("the peer moved the mesh: its node has a transform")
    positions, faces, count = [], [], 0
    for primitive in plain.primitives:
        rows = plain.array(primitive["attributes"]["POSITION"])
        faces.append(plain.array(primitive["indices"]).reshape(-1, 3).astype(np.int32) + count)
        positions.append(rows.astype(np.float32))
        count += len(rows)
    return Mesh(positions=np.concatenate(positions), faces=np.concatenate(faces).astype(np.int32))
