"""Remeshing beside its peers: cost, deviation, shape of the triangles, topology.

    python -m benchmarks.remesh [NAME ...] [--blender PYTHON] [--peers PYTHON] [--out FOLDER]

`--blender` is a Python with `bpy`, whose voxel remesh gets the same cells as `watertight`;
`--peers` one with `gpytoolbox` and `pyacvd`, which get the same count as `isotropic`. Each runs in
a process of its own, on one thread. Exit status 1 when a result of ours breaks a promise: a border
or a count of faces at an edge other than two where the source has none, or a count that is off.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks import meshes
from pipeline.mesh.measuring.measure import (
    Float64Array,
    SurfaceDistance,
    TopologyCounts,
    area_vectors,
    corners,
    deviation,
    diagonal,
    edges_of,
    face_areas,
    topology,
)
from pipeline.mesh.remeshing.remesh import RemeshOptions, remesh
from pipeline.types import Mesh, Silent

NAMES = ("gen_igea", "gen_koala", "gen_fandisk", "fandisk", "scorpion", "rocker_arm", "nefertiti")
RESOLUTIONS = (192, 256)
TRIANGLES = (200_000, 50_000)
SAMPLES = 100_000

# A fold: two neighbors this far apart, which only a knife's edge would need.
FOLD_COS = np.cos(np.radians(150))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--blender", metavar="PYTHON")
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--out", type=Path, help="keep the results here")
    asked = parser.parse_args()
    broken = 0
    print(
        "| mesh | method | triangles | cpu s | MB | mean % | max % | shape | worst 0.1 % | folds ",
        end="",
    )
    print("| open, non-manifold edges | parts |\n|" + "---|" * 12)
    with tempfile.TemporaryDirectory() as scratch:
        out = asked.out or Path(scratch)
        out.mkdir(exist_ok=True)
        for name in asked.names:
            broken += _measure(name, meshes.cleaned(name), out, asked.blender, asked.peers)
    sys.exit(1 if broken else 0)


def _measure(name: str, mesh: Mesh, out: Path, blender: str | None, peers: str | None) -> int:
    """Print the rows of one mesh; returns how many of ours break a promise."""
    source = out / f"{name}.npz"
    np.savez(source, positions=mesh.positions, faces=mesh.faces)
    score = _scorer(name, mesh, out)
    is_closed = topology(mesh).is_closed
    longest_m = float(np.ptp(mesh.positions, axis=0).max())
    broken = 0
    for resolution in RESOLUTIONS:
        ours = _ours(source, RemeshOptions(mode="watertight", resolution=resolution), out)
        counts = score(f"**watertight {resolution}**", *ours)
        broken += counts is None or not counts.is_closed
        if blender:
            cell_m = longest_m / resolution
            score(f"Blender voxels {resolution}", *_theirs(blender, "blender", source, cell_m, out))
    for triangles in TRIANGLES:
        if triangles > 4 * len(mesh.faces):
            continue
        ours = _ours(source, RemeshOptions(mode="isotropic", triangles=triangles), out)
        counts = score(f"**isotropic {triangles:,}**", *ours)
        broken += (
            counts is None
            or counts.is_closed != is_closed
            or abs(counts.triangle_count / triangles - 1) > 0.1
        )
        if peers:
            # What makes both come out at about this count.
            edge_m = float(np.sqrt(4 / np.sqrt(3) * face_areas(mesh).sum() / triangles))
            label = f"{triangles:,}"
            score(f"gpytoolbox {label}", *_theirs(peers, "gpytoolbox", source, edge_m, out))
            if triangles < len(mesh.faces) / 2:
                size = triangles // 2
                score(f"pyacvd {label}", *_theirs(peers, "pyacvd", source, size, out))
    return broken


def _scorer(name: str, mesh: Mesh, out: Path) -> Callable[..., TopologyCounts | None]:
    to_mesh = SurfaceDistance(mesh)
    percent = 100 / diagonal(mesh)

    def score(
        method: str, result: Mesh | None, cpu_s: float, growth_mb: float
    ) -> TopologyCounts | None:
        if result is None:
            print(f"| {name} | {method} | failed |" + " |" * 9, flush=True)
            return None
        off = deviation(result, mesh, to_mesh, SAMPLES, lambda: None)
        counts = topology(result)
        shapes = _shapes(result)
        print(
            f"| {name} ({len(mesh.faces):,}) | {method} | {counts.triangle_count:,} "
            f"| {cpu_s:.2f} | {growth_mb:.0f} "
            f"| {percent * off.mean_m:.4f} | {percent * off.max_m:.3f} "
            f"| {shapes.mean():.3f} | {np.quantile(shapes, 0.001):.2f} | {_folds(result)} "
            f"| {counts.boundary_edge_count}, {counts.non_manifold_edge_count} "
            f"| {counts.component_count} |",
            flush=True,
        )
        label = method.replace("*", "").replace(" ", "_").replace(",", "")
        np.savez(out / f"{name}_{label}.npz", positions=result.positions, faces=result.faces)
        return counts

    return score


def _ours(source: Path, options: RemeshOptions, out: Path) -> tuple[Mesh, float, float]:
    target = out / "ours.npz"
    process = get_context("spawn").Process(target=_run_ours, args=(source, options, target))
    process.start()
    process.join()
    if process.exitcode != 0:
        sys.exit(f"{options} failed on {source.stem}")
    with np.load(target) as arrays:
        result = Mesh(positions=arrays["positions"], faces=arrays["faces"])
        return result, float(arrays["cpu_s"]), float(arrays["growth_mb"])


def _run_ours(source: Path, options: RemeshOptions, target: Path) -> None:
    with np.load(source) as arrays:
        mesh = Mesh(positions=arrays["positions"], faces=arrays["faces"])
    # Loads what numba has compiled, and the libraries.
    triangle = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.float32)
    tetrahedron = np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)], np.int32)
    small = Mesh(positions=triangle, faces=tetrahedron)
    remesh(small, RemeshOptions(mode=options.mode, resolution=16, triangles=100), Silent())
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.process_time()
    result = remesh(mesh, options, Silent())
    cpu_s = time.process_time() - started
    growth_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    np.savez(
        target, positions=result.positions, faces=result.faces, cpu_s=cpu_s, growth_mb=growth_mb
    )


def _theirs(
    python: str, peer: str, source: Path, size: float, out: Path
) -> tuple[Mesh | None, float, float]:
    target = out / "theirs.npz"
    script = Path(__file__).with_name("remesh_peer.py")
    run = subprocess.run(
        [python, str(script), peer, str(source), str(target), str(size)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if run.returncode != 0:
        print(run.stderr, file=sys.stderr)
        return None, 0, 0
    cpu_s, growth_mb = map(float, run.stdout.split()[-2:])
    with np.load(target) as arrays:
        return Mesh(positions=arrays["positions"], faces=arrays["faces"]), cpu_s, growth_mb


def _shapes(mesh: Mesh) -> Float64Array:
    """`[F]`: area over that of an equilateral triangle with the same sum of squared sides."""
    a, b, c = corners(mesh)
    squared = ((a - b) ** 2 + (b - c) ** 2 + (c - a) ** 2).sum(axis=1)
    shapes: Float64Array = 4 * np.sqrt(3) * face_areas(mesh) / np.maximum(squared, 1e-300)
    return shapes


def _folds(mesh: Mesh) -> int:
    """How many edges have faces that lie on each other."""
    edges = edges_of(mesh.faces, len(mesh.positions))
    h, g = edges.sides(np.flatnonzero(edges.face_counts == 2))
    vectors = area_vectors(mesh)
    normals = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
    return int(((normals[h // 3] * normals[g // 3]).sum(axis=1) < FOLD_COS).sum())


if __name__ == "__main__":
    main()
