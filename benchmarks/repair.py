"""What repair costs, step by step, and what removing inner walls is worth.

    python -m benchmarks.repair [--pictures build/repair] [NAME ...]

Prints two tables. Cost: CPU seconds per million triangles of each step, of the second run, so that
no loop is being compiled; and the memory of a process that does nothing else. Gain: the picture of
every LOD against that of the whole dense mesh, with inner walls and without, in dB: higher is
nearer. 8 views of 384 pixels, with back faces culled as engines do, and without: then walls that
come through others show, too. What is around the model counts as well, so only differences tell.
The last rows are the most that can be gained: the same model that never had inner walls.
"""

import argparse
import os
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import meshes
from benchmarks.extraction import extract
from benchmarks.looks import decibels, dense_draw, lod_draw
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.mesh.charts.vertex_normals import vertex_normals
from pipeline.mesh.lods.lod import build_lods, sphere_diameter
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.mesh.lods.parts import PartMesh
from pipeline.mesh.repairing.repair import (
    RepairCounts,
    RepairOptions,
    RepairResult,
    repair,
    turned_alike,
    without_interior,
)
from pipeline.render import Camera, Draw, Light, fit_camera, render, render_cut_out
from pipeline.texture.bake import BakeOptions, bake
from pipeline.types import ByteArray, FloatArray, Material, Mesh, Silent, Stage, Surface

COST_OF = ("gen_shell", "gen_helmet", "gen_igea", "gen_koala", "igea", "saw", "mountain", "scan")
GAIN_OF = ("gen_shell", "gen_helmet")

# Where in its progress repair says that a step is done.
_STEPS = {
    0.0: "",
    0.05: "weld",
    0.15: "count",
    0.2: "weld borders",
    0.25: "flat",
    0.3: "copies",
    0.35: "winding",
    0.4: "manifold",
    0.43: "parts",
    0.5: "borders",
    0.6: "holes and sides",
    0.9: "interior",
    1.0: "count after",
}

_VIEW_PX, _VIEWS, _PITCHES_DEG = 384, 8, (20.0, -20.0)
_LIGHT = Light(toward=np.array([0.3, 0.8, 0.5]), key=0.9, sky=0.5, floor=0.3)


class _Steps(Silent):
    """Adds up CPU seconds by what repair says it has done."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(_STEPS.values(), 0.0)
        self.longest_gap_s = 0.0
        self._done, self._cpu, self._wall = 0.0, time.process_time(), time.monotonic()

    def __call__(self, stage: Stage, fraction: float) -> None:
        cpu, wall = time.process_time(), time.monotonic()
        following = [f for f in _STEPS if f > self._done]
        name = _STEPS[fraction] if fraction > self._done else _STEPS[following[0]]
        self.seconds[name] += cpu - self._cpu
        self.longest_gap_s = max(self.longest_gap_s, wall - self._wall)
        self._done, self._cpu, self._wall = fraction, cpu, wall


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one repair took: CPU seconds by step, peak memory, and the longest silence."""

    triangle_count: int
    seconds: dict[str, float]
    peak_mb: float
    longest_gap_s: float
    counts: RepairCounts


def cost_of(name: str) -> Cost:
    """Repair a mesh twice and measure the second time. Meant for a process of its own."""
    mesh = meshes.load(name)
    options = RepairOptions.for_generated() if name in meshes.MADE else RepairOptions.for_upload()
    repair(mesh, options, Silent())
    steps = _Steps()
    counts = repair(mesh, options, steps).counts
    return Cost(
        triangle_count=len(mesh.faces),
        seconds=steps.seconds,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        longest_gap_s=steps.longest_gap_s,
        counts=counts,
    )


def print_costs(names: Sequence[str]) -> None:
    columns = [name for name in _STEPS.values() if name]
    print(f"| mesh | triangles | {' | '.join(columns)} | s per million | MB | longest gap s |")
    print("|---" * (len(columns) + 5) + "|")
    for name in names:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            cost = alone.submit(cost_of, name).result()
        millions = cost.triangle_count / 1e6
        cells = [f"{cost.seconds[column] / millions:.2f}" for column in columns]
        total = sum(cost.seconds.values()) / millions
        print(
            f"| {name} | {cost.triangle_count:,} | {' | '.join(cells)} | {total:.2f} "
            f"| {cost.peak_mb:.0f} | {cost.longest_gap_s:.2f} |",
            flush=True,
        )


def colored(mesh: Mesh, frame: FloatArray) -> Surface:
    """A surface with stripes that no two places share, so that a wrong texel shows.

    frame: `[V, 3]`, points whose box the stripes are laid in.
    """
    place = (mesh.positions - frame.min(axis=0)) / np.ptp(frame, axis=0).max()
    waves = 0.5 + 0.4 * np.sin(place @ np.array([[23, 7, 5], [6, 29, 11], [9, 4, 31]], np.float32))
    return Surface(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=vertex_normals(
            mesh.positions, mesh.faces, np.arange(len(mesh.positions), dtype=np.int32)
        ),
        colors=np.concatenate([waves, np.ones((len(waves), 1))], axis=1).astype(np.float32),
        face_materials=np.zeros(len(mesh.faces), np.int32),
        materials=(Material(roughness_factor=0.8),),
    )


def lods_of(surface: Surface, repaired: RepairResult) -> list[Draw]:
    """The LODs with their textures, as the pipeline makes them."""
    mesh = repaired.mesh
    source = without_interior(turned_alike(surface, repaired), repaired)
    lods = build_lods(
        [PartMesh(mesh=mesh)], LodOptions(), Silent(), diameter_m=sphere_diameter(mesh)
    )
    unwrapped = unwrap([lod.mesh for lod in lods], UnwrapOptions(), Silent())
    baked = bake(unwrapped, source, UnwrapOptions().texture_size, BakeOptions(), Silent())
    return [lod_draw(lod, baked.material) for lod in unwrapped]


def pictures_of(draw: Draw, cameras: Sequence[Camera], *, is_culled: bool) -> list[ByteArray]:
    if is_culled:
        return [render([draw], camera, size_px=_VIEW_PX) for camera in cameras]
    pictures = []
    for camera in cameras:
        rgba = render_cut_out([draw], camera, size_px=_VIEW_PX, light=_LIGHT)
        on_black = rgba[:, :, :3].astype(np.float32) * (rgba[:, :, 3:] / np.float32(255))
        pictures.append(on_black.astype(np.uint8))
    return pictures


def psnr_db(one: Sequence[ByteArray], two: Sequence[ByteArray]) -> float:
    difference = np.stack(one).astype(np.float64) - np.stack(two)
    return decibels(float((difference**2).mean()))


def print_gains(names: Sequence[str], folder: Path | None) -> None:
    print("| mesh | back faces | inner walls | triangles | LOD0 dB | LOD1 | LOD2 | LOD3 |")
    print("|---" * 8 + "|")
    options = RepairOptions.for_generated()
    for name in names:
        mesh = meshes.load(name)
        kept = repair(mesh, replace(options, remove_interior=False), Silent())
        removed = repair(mesh, options, Silent())
        print_looks(name, mesh, kept, {"kept": kept, "removed": removed}, folder)
        recipe = meshes.MADE[name].recipe
        if recipe.is_closed:
            solid = extract(meshes.load(meshes.MADE[name].source), replace(recipe, wall=0.0))
            repaired = repair(solid, options, Silent())
            print_looks(name, solid, repaired, {"never there": repaired}, None)


def print_looks(
    name: str,
    mesh: Mesh,
    wanted: RepairResult,
    ways: dict[str, RepairResult],
    folder: Path | None,
) -> None:
    """Compare the LODs of each of these ways to repair `mesh` with all that is `wanted` of it."""
    surface, dense = colored(mesh, mesh.positions), colored(wanted.mesh, mesh.positions)
    whole = dense_draw(dense)
    cameras = [
        fit_camera(dense.positions, yaw_deg=360 * n / _VIEWS, pitch_deg=_PITCHES_DEG[n % 2])
        for n in range(_VIEWS)
    ]
    chains = {title: lods_of(surface, repaired) for title, repaired in ways.items()}
    for is_culled in (True, False):
        pictures = pictures_of(whole, cameras, is_culled=is_culled)
        sides, sheet = "culled" if is_culled else "drawn", [np.concatenate(pictures[:4], axis=1)]
        for title, lods in chains.items():
            looks = [pictures_of(lod, cameras, is_culled=is_culled) for lod in lods]
            sheet += [np.concatenate(look[:4], axis=1) for look in looks]
            cells = " | ".join(f"{psnr_db(look, pictures):.2f}" for look in looks)
            count = len(ways[title].mesh.faces)
            print(f"| {name} | {sides} | {title} | {count:,} | {cells} |", flush=True)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.concatenate(sheet)).save(folder / f"{name}_{sides}.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a test mesh; all without")
    parser.add_argument("--pictures", type=Path, help="folder for PNGs of what is compared")
    arguments = parser.parse_args()
    names = arguments.names
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print_costs(names or COST_OF)
    print()
    print_gains([name for name in names or GAIN_OF if name in GAIN_OF], arguments.pictures)


if __name__ == "__main__":
    main()
