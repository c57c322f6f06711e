"""How fast and how true the bake is: beside Blender, at seams, at thin walls, in a shared atlas.

    python -m benchmarks.baking [NAME ...] [--packed NAME,...] [--timed NAME,...]

Prints two tables, and marks what misses its bar.

Time: one set of maps of 2048 texels from a dense mesh onto 10,000 triangles. Ours is base color and
normal together, warm; Blender's is the normal alone, with the same triangles and the same charts
(Cycles on the CPU; LODSMITH_BPY_PYTHON, see benchmarks/peers). Bar: a third of Blender's time.

Quality, of each mesh as it is reduced by default, with stripes that no two places share: pictures
of LOD0 with its maps against the dense mesh, 8 views of 384 pixels, in dB: over the whole picture
with black around as elsewhere, and over what is covered alone (bar: 40 dB for the mean of all
meshes, whole pictures). The step between the two sides of chart borders, in 255ths, at mip 0 and 3
(bars: 1.9 and 5.3), of LOD0, which they are for, and of all LODs: at mip 3 the charts of the last
are a few texels wide. Beside it, for each LOD, the deepest mip that it is seen at before the next
one takes over, and the step there. Texels that show a wall looking away from them (bar: 0.5 %): as
the bake says, as a second bake of the walls' directions shows, and as the plain nearest point
(libigl) would.

With --packed: what a LOD loses by sharing the atlas. Each LOD is charted and baked alone at the
texel density that it has in the atlas; the difference of both pictures in dB (bar: 0.5 dB lost).
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import meshes, peers
from benchmarks.looks import dense_draw, lod_draw, pictures, psnr, whole_psnr
from benchmarks.repair import colored
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.mesh.lods.lod import Lod, build_lods, measure_lods, sphere_diameter
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.mesh.lods.parts import PartMesh
from pipeline.render import Draw
from pipeline.srgb import linear_from_srgb
from pipeline.texture.bake import BakeOptions, BakeResult, bake
from pipeline.texture.interpolate import interpolate
from pipeline.texture.rasterize import barycentrics_of_texels, rasterize
from pipeline.texture.seams import chart_border, seam_steps
from pipeline.types import Image, Mesh, Silent, Surface, UnwrappedMesh

SIZE = 2048
NAMES = tuple(name for name in meshes.NAMES if name != "scan")  # Igea again, ten times as dense
TIMED = ("gen_helmet",)
PACKED = ("gen_igea", "gen_koala", "gen_helmet", "scorpion", "fandisk")

MOST_OF_BLENDER = 1 / 3
LEAST_MEAN_DB, MOST_LOST_DB = 40.0, 0.5
MOST_STEP = {0: 1.9, 3: 5.3}
MOST_WRONG = 0.005

_TIMED_TRIANGLES = 10_000
_FACING_SIZE = 1024  # the walls' directions need no more
_FACING_SLACK = 0.02  # what 8 bits leave of a cosine
_NEAREST_TEXELS = 200_000
_WIDE_GUTTER = 8  # alone, a LOD has room; and its atlas shrinks by up to half


@dataclass(frozen=True, kw_only=True)
class Made:
    """LODs with their charts and what they are baked from."""

    dense: Surface
    lods: tuple[UnwrappedMesh, ...]
    meshes: tuple[Mesh, ...]
    cut: tuple[Lod, ...]
    diameter_m: float


def made(name: str, options: LodOptions) -> Made:
    """Repair, reduce and unwrap a test mesh."""
    mesh = meshes.cleaned(name)
    diameter_m = sphere_diameter(mesh)
    lods = build_lods([PartMesh(mesh=mesh)], options, Silent(), diameter_m=diameter_m)
    return Made(
        dense=colored(mesh, mesh.positions),
        lods=unwrap([lod.mesh for lod in lods], UnwrapOptions(texture_size=SIZE), Silent()),
        meshes=tuple(lod.mesh for lod in lods),
        cut=lods,
        diameter_m=diameter_m,
    )


def texels_per_m(lod: UnwrappedMesh, size: int) -> float:
    """Along a line, mean over the surface."""
    space = lod.positions[lod.faces].astype(np.float64)
    sides = np.cross(space[:, 1] - space[:, 0], space[:, 2] - space[:, 0])
    atlas = lod.uvs[lod.faces].astype(np.float64) * size
    texels = np.abs(np.linalg.det(atlas[:, 1:] - atlas[:, :1])).sum()
    return float(np.sqrt(texels / np.linalg.norm(sides, axis=1).sum()))


def deepest_mips(made_: Made, options: LodOptions) -> list[float]:
    """The mip of each LOD where the next one takes over, or, of the last, where it may be culled.

    At the lines of `options`, for a surface that is seen straight on.
    """
    measures = measure_lods(
        made_.cut, made_.dense.mesh, options, Silent(), diameter_m=made_.diameter_m
    )
    mips = []
    for lod, measure in zip(made_.lods, measures, strict=True):
        pixels_per_m = measure.screen_coverage * options.reference_height_px / made_.diameter_m
        mips.append(max(0.0, float(np.log2(texels_per_m(lod, SIZE) / pixels_per_m))))
    return mips


def alone(made_: Made, level: int) -> Draw:
    """A LOD with an atlas of its own, of the same texel density as in the shared one."""
    wanted = texels_per_m(made_.lods[level], SIZE)
    size = SIZE
    while True:
        options = UnwrapOptions(texture_size=size, gutter_texels=_WIDE_GUTTER)
        (lod,) = unwrap([made_.meshes[level]], options, Silent())
        ratio = wanted / texels_per_m(lod, size)
        if ratio > 0.5 or size <= 128:
            break
        size //= 2
    baked = bake([lod], made_.dense, round(size * ratio), BakeOptions(), Silent())
    return lod_draw(lod, baked.material)


def step_at(mip: float, lod: UnwrappedMesh, base_color: Image) -> float:
    """The step across a LOD's chart borders, between mips as a shader blends them; 0 without."""
    steps = seam_steps(chart_border([lod]).uvs, base_color, lambda: None)
    return float(np.interp(mip, range(len(steps)), steps)) if steps else 0.0


@dataclass(frozen=True, kw_only=True)
class Facing:
    """Shares of texels that show a wall looking away from them.

    baked: of the texture that the bake makes. nearest: had it taken the nearest point.
    """

    baked: float
    nearest: float


def facing(made_: Made) -> Facing:
    """Bake the direction of each wall as a color, and read from the texture what was chosen."""
    import igl

    mesh = made_.dense.mesh
    corners = mesh.positions[mesh.faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    by_corner = np.repeat(normals, 3, axis=0).astype(np.float32)
    colors = np.concatenate([by_corner / 2 + 0.5, np.ones((len(by_corner), 1))], axis=1)
    walls = Surface(
        positions=corners.reshape(-1, 3).astype(np.float32),
        faces=np.arange(mesh.faces.size, dtype=np.int32).reshape(-1, 3),
        normals=by_corner,
        colors=colors.astype(np.float32),
        face_materials=np.zeros(len(mesh.faces), np.int32),
        materials=made_.dense.materials,
    )
    baked = bake(made_.lods, walls, _FACING_SIZE, BakeOptions(), Silent()).material.base_color
    assert baked is not None
    chosen, own, points = [], [], []
    for lod in made_.lods:
        triangles = lod.uvs[lod.faces].astype(np.float64) * _FACING_SIZE
        owners = rasterize(triangles, _FACING_SIZE, lambda: None)
        rows, columns = np.nonzero(owners >= 0)
        faces = owners[rows, columns]
        weights = barycentrics_of_texels(rows, columns, faces, triangles)
        chosen.append(2 * linear_from_srgb(baked.pixels[rows, columns, :3] / 255.0) - 1)
        own.append(interpolate(lod.normals, lod.faces, faces, weights))
        points.append(interpolate(lod.positions, lod.faces, faces, weights))
    texel_normals, texel_points = np.concatenate(own), np.concatenate(points)
    texel_normals /= np.maximum(np.linalg.norm(texel_normals, axis=1, keepdims=True), 1e-30)
    step = max(1, len(texel_points) // _NEAREST_TEXELS)
    _, nearest, _ = igl.point_mesh_squared_distance(
        np.asfortranarray(texel_points[::step]),
        np.asfortranarray(mesh.positions, np.float64),
        np.asfortranarray(mesh.faces, np.int64),
    )
    return Facing(
        baked=_share_away(np.concatenate(chosen), texel_normals),
        nearest=_share_away(normals[nearest], texel_normals[::step]),
    )


def _share_away(shown: NDArray[np.float64], own: NDArray[np.float64]) -> float:
    return float(((shown * own).sum(axis=1) < -_FACING_SLACK).mean())


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of a bake, by the clock and of all cores."""

    wall_s: float
    cpu_s: float


def our_times(made_: Made) -> tuple[Times, BakeResult]:
    cpu, wall = time.process_time(), time.monotonic()
    result = bake(made_.lods, made_.dense, SIZE, BakeOptions(), Silent())
    return Times(wall_s=time.monotonic() - wall, cpu_s=time.process_time() - cpu), result


def blender_times(made_: Made) -> Times:
    """
    Raises:
        MissingPeer: If Blender is not installed.
    """
    python = os.environ.get("LODSMITH_BPY_PYTHON")
    if python is None:
        raise peers.MissingPeer(f"set LODSMITH_BPY_PYTHON, see {peers.FOLDER}/README.md")
    (lod,) = made_.lods
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(
            source,
            positions=made_.dense.positions,
            faces=made_.dense.faces,
            low_positions=lod.positions,
            low_faces=lod.faces,
            low_uvs=lod.uvs,
        )
        worker = str(peers.FOLDER / "blender_asset.py")
        peers.run([python, worker, "bake", str(source), str(out), str(SIZE)])
        with np.load(out) as arrays:
            return Times(wall_s=float(arrays["wall_s"]), cpu_s=float(arrays["cpu_s"]))


def print_times(names: Sequence[str]) -> int:
    """Return how many bars are missed."""
    missed = 0
    our_times(made("spot", LodOptions(budgets=(1_000,))))  # nothing is compiled from here on
    print("| mesh | from | ours wall / CPU s | Blender wall / CPU s | share of its wall | |")
    print("|---" * 6 + "|")
    for name in names:
        low = made(name, LodOptions(budgets=(_TIMED_TRIANGLES,)))
        ours = our_times(low)[0]
        line = f"| {name} | {len(low.dense.faces):,} | {ours.wall_s:.2f} / {ours.cpu_s:.2f} "
        try:
            theirs = blender_times(low)
        except peers.MissingPeer as missing:
            print(f"{line}| {missing} | | |", flush=True)
            continue
        share = ours.wall_s / theirs.wall_s
        missed += share > MOST_OF_BLENDER
        print(
            f"{line}| {theirs.wall_s:.2f} / {theirs.cpu_s:.2f} | {share:.2f} "
            f"| {'MISSED' if share > MOST_OF_BLENDER else ''} |",
            flush=True,
        )
    return missed


def print_quality(names: Sequence[str], packed: Sequence[str]) -> int:
    """Return how many bars are missed."""
    missed, decibels, lost = 0, [], []
    print(
        "| mesh | LODs | whole picture dB | covered dB | seams mip 0 / 3: LOD0; all "
        "| deepest mip seen: step there, by LOD | wrong wall: "
        "bake's word / in the texture / nearest point | lost in the shared atlas, dB by LOD | |"
    )
    print("|---" * 9 + "|")
    for name in names:
        work = made(name, LodOptions())
        if len(work.lods) < 2:
            continue
        baked = bake(work.lods, work.dense, SIZE, BakeOptions(), Silent())
        truth = [dense_draw(work.dense)]
        right = pictures(truth, truth)
        looks = [pictures([lod_draw(lod, baked.material)], truth) for lod in work.lods]
        whole = whole_psnr(looks[0], right)
        decibels.append(whole)
        assert baked.material.base_color is not None
        first = chart_border(work.lods[:1])
        steps = seam_steps(first.uvs, baked.material.base_color, lambda: None)
        faults = []
        faults += [
            f"seams at mip {k}" for k, most in MOST_STEP.items() if steps[k:] and steps[k] > most
        ]
        walls = facing(work)
        wrong = max(walls.baked, baked.measure.missed_texel_ratio)
        faults += ["wrong walls"] if wrong > MOST_WRONG else []
        losses = []
        if name in packed:
            for level, look in enumerate(looks):
                own = psnr(pictures([alone(work, level)], truth), right)
                losses.append(own - psnr(look, right))
            faults += ["shared atlas"] if max(losses) > MOST_LOST_DB else []
            lost += losses
        missed += len(faults)
        seen = " / ".join(
            f"{mip:.1f}: {step_at(mip, lod, baked.material.base_color):.2f}"
            for mip, lod in zip(deepest_mips(work, LodOptions()), work.lods, strict=True)
        )
        shown = "; ".join(
            " / ".join(f"{each[k]:.2f}" for k in MOST_STEP if each[k:])
            for each in (steps, baked.measure.seam_step)
        )
        print(
            f"| {name} | {len(work.lods)} | {whole:.2f} | {psnr(looks[0], right):.2f} | {shown} "
            f"| {seen} | {100 * baked.measure.missed_texel_ratio:.3f} / {100 * walls.baked:.3f} / "
            f"{100 * walls.nearest:.2f} % | {' '.join(f'{value:.2f}' for value in losses)} "
            f"| {'MISSED: ' + ', '.join(faults) if faults else ''} |",
            flush=True,
        )
    mean = float(np.mean(decibels)) if decibels else 0.0
    is_low = mean < LEAST_MEAN_DB
    print(f"\nmean of {len(decibels)} meshes: {mean:.2f} dB{' MISSED' if is_low else ''}")
    if lost:
        print(f"lost in the shared atlas: mean {np.mean(lost):.2f}, most {max(lost):.2f} dB")
    return missed + is_low


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--packed", default=",".join(PACKED))
    parser.add_argument("--timed", default=",".join(TIMED))
    arguments = parser.parse_args()
    missed = print_times([name for name in arguments.timed.split(",") if name])
    print()
    missed += print_quality(arguments.names, arguments.packed.split(","))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
