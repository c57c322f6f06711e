"""What is seen when one LOD takes over from another, as measured and as rendered.

    python -m benchmarks.switching [--pictures FOLDER] [NAME ...]

Each LOD is drawn at the largest size at which it is used, in a view 1,080 pixels high, beside the
repaired mesh: LOD0 where the bounding sphere fills the view's height, every other at the screen
coverage where it takes over. The shift of the outline is the area that one picture covers and the
other does not, over the length of the outline, mean over eight views; small pictures are drawn
several times as fine for it, since pixels do not hold the outlines of wires. "Predicted" is what
the pipeline writes into its report, found without perspective and from other sides. The PSNR is of
normals as colors, over the pixels that either mesh covers. A shift of a pixel or more fails.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import meshes
from benchmarks.looks import decibels
from pipeline.mesh.lods.lod import build_lods, measure_lods, sphere_diameter
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.mesh.lods.parts import PartMesh
from pipeline.mesh.measuring.measure import SurfaceDistance, bounds
from pipeline.render import Camera, Draw, Light, render_cut_out
from pipeline.types import ByteArray, LodMeasure, Material, Mesh, Silent

TOO_LARGE = ("scan",)  # only when named: it takes minutes

HEIGHT_PX = 1080
MOST_SHIFT_PX = 1.0

_VIEWS = 8
_PITCHES_DEG = (20.0, -15.0)
_SLOPE = float(np.tan(np.radians(15)))  # of a view angle of 30 degrees
_FINE_PX = 640  # at least, where outlines are compared
_MARGIN = 1.1  # of the picture around the sphere: nearer things look larger

# Light from everywhere shows colors as they are.
_LIGHT = Light(toward=np.array([0.0, 1.0, 0.0]), key=0.0, sky=1.0, floor=1.0)


def rows_of(name: str, folder: Path | None) -> tuple[list[str], float]:
    """Return a table row for each LOD of a mesh, and the largest mean shift in pixels."""
    mesh = meshes.cleaned(name)
    diameter_m = sphere_diameter(mesh)
    options = LodOptions(reference_height_px=HEIGHT_PX)
    lods = build_lods([PartMesh(mesh=mesh)], options, Silent(), diameter_m=diameter_m)
    started = time.process_time()
    measures = measure_lods(lods, mesh, options, Silent(), diameter_m=diameter_m)
    seconds = time.process_time() - started
    whole = colored_by_normal(mesh)
    rows, worst_px = [], 0.0
    taken_over_at = 1.0
    for index, (lod, measure) in enumerate(zip(lods, measures, strict=True)):
        cameras, size_px = cameras_at(taken_over_at, mesh, diameter_m)
        draw = colored_by_normal(lod.mesh)
        pairs = pictures_of(whole, draw, cameras, size_px)
        finer = -(-_FINE_PX // size_px)
        fine = pairs if finer == 1 else pictures_of(whole, draw, cameras, size_px * finer)
        area = sum(shifted_area(one, two) for one, two in fine) / finer**2
        length = sum(outline_length(one) + outline_length(two) for one, two in fine) / 2 / finer
        shift_px = area / max(length, 1.0)
        worst_px = max(worst_px, shift_px)
        rows.append(row(index, measure, taken_over_at, diameter_m, shift_px, psnr_db(pairs)))
        if folder is not None:
            save(folder / f"{name}_LOD{index}.png", pairs)
        taken_over_at = measure.screen_coverage
    title = f"{name} ({len(mesh.faces):,} triangles, measured in {seconds:.2f} CPU s)"
    return [f"| {title} |" + " |" * 8, *rows], worst_px


def cameras_at(coverage: float, mesh: Mesh, diameter_m: float) -> tuple[list[Camera], int]:
    """Cameras around a mesh that show its bounding sphere at a screen coverage, and their size."""
    size_px = int(np.ceil(coverage * HEIGHT_PX * _MARGIN))
    low, high = bounds(mesh)
    cameras = []
    for view in range(_VIEWS):
        yaw, pitch = 2 * np.pi * view / _VIEWS, np.radians(_PITCHES_DEG[view % 2])
        back = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        right = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
        cameras.append(
            Camera(
                axes=np.stack([right, np.cross(back, right), back]),
                eye=(low + high) / 2 + back * diameter_m / 2 / _SLOPE,
                slope=_SLOPE * size_px / (coverage * HEIGHT_PX),
            )
        )
    return cameras, size_px


def pictures_of(
    one: Draw, two: Draw, cameras: Sequence[Camera], size_px: int
) -> list[tuple[ByteArray, ByteArray]]:
    """Pictures of both from each camera."""

    def picture(draw: Draw, camera: Camera) -> ByteArray:
        return render_cut_out([draw], camera, size_px=size_px, light=_LIGHT)

    return [(picture(one, camera), picture(two, camera)) for camera in cameras]


def colored_by_normal(mesh: Mesh) -> Draw:
    """Each face on vertices of its own, shaded as smooth as it is meant."""
    faces = np.repeat(np.arange(len(mesh.faces)), 3)
    positions = mesh.positions[mesh.faces].reshape(-1, 3)
    normals = SurfaceDistance(mesh).normals_at(faces, positions.astype(np.float64))
    colors = np.ones((len(normals), 4), np.float32)
    colors[:, :3] = normals / 2 + 0.5
    return Draw(
        positions=positions,
        faces=np.arange(len(positions), dtype=np.int32).reshape(-1, 3),
        normals=normals.astype(np.float32),
        tangents=None,
        uvs=None,
        colors=colors,
        material=Material(),
    )


def shifted_area(one: ByteArray, two: ByteArray) -> float:
    """How many pixels one picture covers and the other does not."""
    return float(np.abs(one[:, :, 3].astype(np.float64) - two[:, :, 3]).sum() / 255)


def outline_length(picture: ByteArray) -> float:
    """The length of the outlines in pixels: the total variation of what is covered."""
    covered = picture[:, :, 3] / 255
    along_y, along_x = (np.diff(covered, axis=a, append=0.0) for a in (0, 1))
    return float(np.hypot(along_x, along_y).sum())


def psnr_db(pairs: Sequence[tuple[ByteArray, ByteArray]]) -> float:
    """Of the colors where either picture shows something, in decibels."""
    squares: list[NDArray[np.float64]] = []
    for one, two in pairs:
        is_seen = (one[:, :, 3] > 0) | (two[:, :, 3] > 0)
        squares.append(np.square(one[is_seen, :3].astype(np.float64) - two[is_seen, :3]).ravel())
    return decibels(float(np.concatenate(squares).mean()))


def row(
    index: int,
    measure: LodMeasure,
    coverage: float,
    diameter_m: float,
    shift_px: float,
    picture_db: float,
) -> str:
    largest_px = measure.deviation_max_m / diameter_m * coverage * HEIGHT_PX
    return (
        f"| LOD{index} | {measure.triangle_count:,} | {coverage:.3f} | {coverage * HEIGHT_PX:.0f} "
        f"| {largest_px:.2f} | {measure.normal_deviation_deg:.2f} "
        f"| {measure.silhouette_px:.3f} | {shift_px:.3f} | {picture_db:.1f} |"
    )


def save(path: Path, pairs: Sequence[tuple[ByteArray, ByteArray]]) -> None:
    """Write the first view of both, and where the outlines differ in red."""
    one, two = (pair[:, :, :3] for pair in pairs[0])
    apart = np.abs(pairs[0][0][:, :, 3].astype(np.int16) - pairs[0][1][:, :, 3]).astype(np.uint8)
    difference = one // 3
    difference[:, :, 0] = np.maximum(difference[:, :, 0], apart)
    Image.fromarray(np.concatenate([one, two, difference], axis=1)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.switching")
    parser.add_argument("names", nargs="*", metavar="NAME", help="test meshes; most without")
    parser.add_argument("--pictures", type=Path, help="folder for PNGs of the first views")
    arguments = parser.parse_args()
    if arguments.pictures is not None:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
    print(
        "| LOD | triangles | coverage | px high | largest deviation px | normals deg "
        "| shift predicted px | shift rendered px | normals dB |"
    )
    print("|---" * 9 + "|")
    failed = []
    for name in arguments.names or [name for name in meshes.NAMES if name not in TOO_LARGE]:
        rows, worst_px = rows_of(name, arguments.pictures)
        print("\n".join(rows), flush=True)
        if worst_px >= MOST_SHIFT_PX:
            failed.append(f"{name}: {worst_px:.2f} px")
    if failed:
        print(f"\nmean shift of {MOST_SHIFT_PX:g} px or more: {', '.join(failed)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
