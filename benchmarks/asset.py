"""The whole asset from a dense generated mesh: time, memory, pictures and bytes, beside Blender.

    python -m benchmarks.asset [NAME ...] [--threads 1,2,4] [--runs 2] [--pictures FOLDER]

Ours is all that a job does after the generator: repair, four LODs, charts, base color, normal and
occlusion of 2048 texels, hulls, GLB, report and previews; in a fresh process that has built a tiny
asset before, so that nothing is compiled or imported on the clock. Blender's is Decimate, Smart UV
Project and two Cycles bakes for each LOD with textures of 2048, 1024, 512 and 256 texels, from the
mesh that is already repaired, without occlusion, hulls or files (LODSMITH_BPY_PYTHON, see
benchmarks/peers). Memory is the peak of all processes together, pages they share counted once.

The pictures are of each LOD against the repaired dense mesh, 8 views of 384 pixels, in dB: over the
whole picture with black around, and in brackets over what is covered alone. With --threads, the GLB
must have the same bytes with so many threads, and in each of --runs.

Bars: gen_igea at most 10 s (stretch 7 s), 800 MB, and no LOD below Blender's; gen_helmet, whose
inner walls are removed first, at most 16 s. What misses is marked; exit status 1 then.
"""

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from benchmarks import meshes, peers
from benchmarks.job import tree_memory_bytes
from benchmarks.looks import dense_draw, levels, pictures, psnr, whole_psnr
from benchmarks.repair import colored
from pipeline import AssetOptions, BuildRequest, StageMeter, build_asset
from pipeline import threads as product_threads
from pipeline.mesh.lods.lod_options import DEFAULT_BUDGETS
from pipeline.place import PlaceOptions
from pipeline.render import Draw
from pipeline.stored_surface import surface_to_bytes
from pipeline.texture.bake import BakeOptions
from pipeline.types import ByteArray, Image, Material, Silent, Surface

NAMES = ("gen_igea", "gen_helmet")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """At most. peak_mb: None where nothing was promised. The stretch is shown, not held."""

    wall_s: float
    stretch_s: float | None
    peak_mb: float | None


BARS = {
    "gen_igea": Bar(wall_s=10.0, stretch_s=7.0, peak_mb=800.0),
    "gen_helmet": Bar(wall_s=16.0, stretch_s=None, peak_mb=None),
}

_BLENDER_SIZES = (2048, 1024, 512, 256)
_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one build took, with all its processes, and the GLB; its CPU includes children's."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    glb: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.glb).hexdigest()


def build(name: str, thread_count: int | None) -> Run:
    """Build in a fresh process; `thread_count` None leaves the number to the product."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.npz")
        command = [sys.executable, "-m", "benchmarks.asset", "--child", name, str(out)]
        environment = dict(os.environ)
        if thread_count is not None:
            command += ["--threads", str(thread_count)]
            environment["NUMBA_NUM_THREADS"] = str(thread_count)
        child = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert child.stdin is not None
        assert child.stdout is not None
        if child.stdout.readline() != b"ready\n":
            sys.exit(f"building {name} failed before it began")
        child.stdin.close()  # go
        peak = 0
        while child.poll() is None:
            peak = max(peak, tree_memory_bytes(child.pid))
            time.sleep(_POLL_S)
        if child.returncode != 0:
            sys.exit(f"building {name} failed with exit code {child.returncode}")
        with np.load(out) as arrays:
            return Run(
                wall_s=float(arrays["wall_s"]),
                cpu_s=float(arrays["cpu_s"]),
                peak_mb=peak / 1e6,
                glb=arrays["glb"].tobytes(),
            )


def child_main(name: str, out: Path, thread_count: int | None) -> None:
    """Build a tiny asset, say `ready`, and build `name` once stdin is closed."""
    if thread_count is not None:
        # As on a machine with so many cores, whatever this one has.
        product_threads.MAX_THREADS = thread_count
        os.cpu_count = lambda: thread_count
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:thread_count]))

    _build("spot", stored("spot"))
    content = stored(name)
    print("ready", flush=True)
    sys.stdin.read()
    cpu, wall = cpu_s(), time.monotonic()
    glb = _build(name, content)
    wall, cpu = time.monotonic() - wall, cpu_s() - cpu
    np.savez(out, glb=np.frombuffer(glb, np.uint8), wall_s=np.array(wall), cpu_s=np.array(cpu))


def stored(name: str) -> bytes:
    """The dense surface as a job stores it, striped."""
    mesh = meshes.load(name)
    return surface_to_bytes(colored(mesh, mesh.positions))


def _build(name: str, surface: bytes) -> bytes:
    request = BuildRequest(
        name=name,
        surface=surface,
        options=AssetOptions(
            place=PlaceOptions(pivot="keep"),  # so that pictures can be compared
            bake=BakeOptions(ambient_occlusion=True),
        ),
        generated=True,
        has_size=True,
        recipe={},
    )
    return build_asset(request, StageMeter(Silent(), time.monotonic)).artifacts[0].content


def cpu_s() -> float:
    """Of this process and its children that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def repaired(name: str) -> Surface:
    """The dense mesh without specks and inner walls, with the stripes that it was built with."""
    return colored(meshes.cleaned(name), meshes.load(name).positions)


@dataclass(frozen=True, kw_only=True)
class BlenderRun:
    """What Blender took, from a mesh in its memory to arrays; its LODs, finest first."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    lods: tuple[Draw, ...]


def blender(name: str) -> BlenderRun:
    """
    Raises:
        MissingPeer: If Blender is not installed.
    """
    python = os.environ.get("LODSMITH_BPY_PYTHON")
    if python is None:
        raise peers.MissingPeer(f"Blender: set LODSMITH_BPY_PYTHON, see {peers.FOLDER}/README.md")
    dense = repaired(name)
    assert dense.colors is not None
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, positions=dense.positions, faces=dense.faces, colors=dense.colors)
        counts, sizes = (",".join(map(str, each)) for each in (DEFAULT_BUDGETS, _BLENDER_SIZES))
        worker = str(peers.FOLDER / "blender_asset.py")
        spent = peers.run([python, worker, "asset", str(source), str(out), counts, sizes])
        with np.load(out) as arrays:
            lods = [
                Draw(
                    positions=arrays[f"positions_{k}"],
                    faces=np.arange(len(arrays[f"positions_{k}"]), dtype=np.int32).reshape(-1, 3),
                    normals=arrays[f"normals_{k}"],
                    tangents=arrays[f"tangents_{k}"],
                    uvs=arrays[f"uvs_{k}"],
                    colors=None,
                    material=Material(
                        base_color=Image(pixels=arrays[f"base_color_{k}"]),
                        normal=Image(pixels=arrays[f"normal_{k}"]),
                        roughness_factor=dense.materials[0].roughness_factor,
                    ),
                )
                for k in range(len(DEFAULT_BUDGETS))
            ]
            return BlenderRun(
                wall_s=float(arrays["wall_s"]),
                cpu_s=float(arrays["cpu_s"]),
                peak_mb=spent.peak_bytes / 1e6,
                lods=tuple(lods),
            )


def without_occlusion(draws: Sequence[Draw]) -> list[Draw]:
    """The dense mesh has no occlusion to compare with, nor has Blender's."""
    return [replace(draw, material=replace(draw.material, occlusion=None)) for draw in draws]


@dataclass(frozen=True, kw_only=True)
class Look:
    """How near each LOD is: whole pictures with black around, and what is covered alone."""

    whole_db: tuple[float, ...]
    covered_db: tuple[float, ...]
    strip: ByteArray

    @property
    def words(self) -> str:
        pairs = zip(self.whole_db, self.covered_db, strict=True)
        return " / ".join(f"{whole:.2f} ({covered:.2f})" for whole, covered in pairs)


def look(name: str, lods: Sequence[Sequence[Draw]]) -> Look:
    """Compare LODs with the repaired dense mesh."""
    truth = [dense_draw(repaired(name))]
    right = pictures(truth, truth)
    found = [pictures(list(draws), truth) for draws in lods]
    return Look(
        whole_db=tuple(whole_psnr(each, right) for each in found),
        covered_db=tuple(psnr(each, right) for each in found),
        strip=np.concatenate([right[0], *(each[0] for each in found)], axis=1),
    )


def report(name: str, run_count: int, thread_counts: Sequence[int], folder: Path | None) -> int:
    """Print what is found of one mesh; return how many bars are missed."""
    bar = BARS.get(name)
    runs = [build(name, None) for _ in range(run_count)]
    best = min(runs, key=lambda run: run.wall_s)
    missed = []
    if bar is not None and best.wall_s > bar.wall_s:
        missed.append(f"over {bar.wall_s:.0f} s")
    if bar is not None and bar.peak_mb is not None and best.peak_mb > bar.peak_mb:
        missed.append(f"over {bar.peak_mb:.0f} MB")
    ours = look(name, [without_occlusion(draws) for draws in levels(best.glb)])
    strips, theirs = [ours.strip], None
    print(f"\n{name}, {len(meshes.load(name).faces):,} triangles; {meshes.describe(name)}\n")
    print("| who | wall s | CPU s | peak MB | LOD0 / 1 / 2 / 3 dB (covered alone) |")
    print("|---" * 5 + "|")
    for run in runs:
        print(f"| ours | {run.wall_s:.1f} | {run.cpu_s:.1f} | {run.peak_mb:.0f} | {ours.words} |")
    try:
        peer = blender(name)
    except peers.MissingPeer as missing:
        print(f"| {missing} |||||")
    else:
        theirs = look(name, [[lod] for lod in peer.lods])
        strips.append(theirs.strip)
        print(
            f"| Blender | {peer.wall_s:.1f} | {peer.cpu_s:.1f} | {peer.peak_mb:.0f} "
            f"| {theirs.words} |"
        )
        pairs = zip(ours.covered_db, theirs.covered_db, strict=True)
        missed += [f"LOD{lod} below Blender's" for lod, (a, b) in enumerate(pairs) if a < b]
    if bar is not None and bar.stretch_s is not None:
        is_reached = best.wall_s <= bar.stretch_s
        print(f"\nstretch of {bar.stretch_s:.0f} s: {'reached' if is_reached else 'not reached'}")
    digests = {f"run {number}": run.digest for number, run in enumerate(runs, 1)}
    for count in thread_counts:
        digests[f"{count} threads"] = build(name, count).digest
    is_same = len(set(digests.values())) == 1
    missed += [] if is_same else ["other bytes"]
    print(f"bytes of {', '.join(digests)}: {'the same' if is_same else digests}")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        Picture.fromarray(np.concatenate(strips)).save(folder / f"{name}.png")
    print(f"misses: {', '.join(missed) or 'nothing'}", flush=True)
    return len(missed)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--threads")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--pictures", type=Path, help="folder: the dense mesh and each LOD")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        name, out = arguments.child
        child_main(name, Path(out), int(arguments.threads) if arguments.threads else None)
        return
    words = "1,2,4" if arguments.threads is None else arguments.threads
    counts = [int(word) for word in words.split(",") if word]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    missed = [report(name, arguments.runs, counts, arguments.pictures) for name in arguments.names]
    sys.exit(1 if any(missed) else 0)


if __name__ == "__main__":
    main()
