"""Pictures of the test meshes and their LODs, to be looked at.

    python -m benchmarks.gallery [--out build/gallery] [NAME ...]

One PNG for each mesh: the source as it came, the repaired mesh, then its LODs; seen from the front
right, as wireframe, and from behind. Every triangle is shaded flat, and back faces are red: on a
closed mesh red is a hole or a face turned over. Deviations are in % of the diagonal.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks import meshes
from pipeline.mesh.lods.lod import build_lods, measure_lods, sphere_diameter
from pipeline.mesh.lods.lod_options import DEFAULT_BUDGETS, MIN_BUDGET, LodOptions
from pipeline.mesh.lods.parts import PartMesh
from pipeline.mesh.measuring.measure import TopologyCounts, diagonal, topology
from pipeline.render import Camera, Draw, fit_camera, render
from pipeline.types import ByteArray, Material, Mesh, Silent

TOO_LARGE = ("scan",)  # only when named: it takes minutes

_TILE_PX, _LABEL_PX, _FONT_PX = 400, 62, 14
_INK, _PAPER, _ALARM = (40, 44, 52), (232, 233, 235), (180, 30, 30)
_FRONT, _BACK = (
    Material(base_color_factor=(0.55, 0.56, 0.58, 1.0), roughness_factor=0.7),
    Material(base_color_factor=(0.8, 0.02, 0.02, 1.0)),
)
_PITCH_DEG, _YAWS_DEG = 18.0, (32.0, 212.0)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One mesh of a sheet and what is written above it; counts in red where they got worse."""

    mesh: Mesh
    title: str
    counts: TopologyCounts
    is_worse: bool = False
    deviation: str = ""


def columns_of(name: str) -> list[Column]:
    """Return the source, the repaired mesh and its LODs."""
    source, repaired = meshes.load(name), meshes.cleaned(name)
    diameter_m = sphere_diameter(repaired)
    options = LodOptions(budgets=_budgets(len(repaired.faces)))
    lods = build_lods([PartMesh(mesh=repaired)], options, Silent(), diameter_m=diameter_m)
    measures = measure_lods(lods, repaired, options, Silent(), diameter_m=diameter_m)
    percent = 100 / diagonal(repaired)
    before = topology(repaired)
    columns = [
        Column(mesh=source, title="source", counts=topology(source)),
        Column(mesh=repaired, title="repaired", counts=before),
    ]
    for index, (lod, measure) in enumerate(zip(lods, measures, strict=True)):
        counts = topology(lod.mesh)
        mean, largest = measure.deviation_mean_m * percent, measure.deviation_max_m * percent
        columns.append(
            Column(
                mesh=lod.mesh,
                title=f"LOD{index}",
                counts=counts,
                is_worse=_fault_count(counts) > _fault_count(before),
                deviation=f"mean {mean:.4f} %   max {largest:.3f} %",
            )
        )
    return columns


def sheet(columns: Sequence[Column]) -> ByteArray:
    """Return `[H, W, 3]`: a column for each mesh, a row for each look, one camera per row."""
    size = (_TILE_PX * len(columns), _LABEL_PX + 3 * _TILE_PX)
    picture = Image.new("RGB", size, _PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(_FONT_PX)
    first = columns[1].mesh  # repaired: specks far away would make the object small
    seen = first.positions[np.unique(first.faces)]
    cameras = [fit_camera(seen, yaw_deg=yaw, pitch_deg=_PITCH_DEG) for yaw in _YAWS_DEG]
    for place, column in enumerate(columns):
        left = place * _TILE_PX
        rows = [
            _shaded(column.mesh, cameras[0]),
            _wires(column.mesh, cameras[0]),
            _shaded(column.mesh, cameras[1]),
        ]
        for row, tile in enumerate(rows):
            picture.paste(Image.fromarray(tile), (left, _LABEL_PX + row * _TILE_PX))
        lines = [
            (f"{column.title}   {len(column.mesh.faces):,} triangles", _INK),
            (_faults(column.counts), _ALARM if column.is_worse else _INK),
            (column.deviation, _INK),
        ]
        for number, (line, ink) in enumerate(lines):
            at = (left + _TILE_PX / 2, 13 + 18 * number)
            pen.text(at, line, fill=ink, font=font, anchor="mm")
    return np.asarray(picture)


def _budgets(triangle_count: int) -> tuple[int, ...]:
    """The default ones; for small meshes a half, a fifth and a twentieth."""
    if triangle_count > DEFAULT_BUDGETS[0]:
        return DEFAULT_BUDGETS
    counts = (triangle_count, triangle_count // 2, triangle_count // 5, triangle_count // 20)
    return tuple(sorted({max(count, MIN_BUDGET) for count in counts}, reverse=True))


def _shaded(mesh: Mesh, camera: Camera) -> ByteArray:
    turned = Mesh(positions=mesh.positions, faces=mesh.faces[:, ::-1])
    draws = [_draw(mesh, _FRONT), _draw(turned, _BACK)]
    return render(draws, camera, size_px=_TILE_PX)


def _wires(mesh: Mesh, camera: Camera) -> ByteArray:
    return render([_draw(mesh, _FRONT)], camera, size_px=_TILE_PX, as_wireframe=True)


def _draw(mesh: Mesh, material: Material) -> Draw:
    """Each face on vertices of its own, with its own normal."""
    a, b, c = (mesh.positions[corner].astype(np.float64) for corner in mesh.faces.T)
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    return Draw(
        positions=mesh.positions[mesh.faces].reshape(-1, 3),
        faces=np.arange(3 * len(mesh.faces), dtype=np.int32).reshape(-1, 3),
        normals=np.repeat(normals, 3, axis=0).astype(np.float32),
        tangents=None,
        uvs=None,
        colors=None,
        material=material,
    )


def _fault_count(counts: TopologyCounts) -> int:
    return (
        counts.non_manifold_edge_count
        + counts.winding_conflict_count
        + counts.degenerate_face_count
        + counts.duplicate_face_count
    )


def _faults(counts: TopologyCounts) -> str:
    numbers = {
        "parts": counts.component_count,
        "open": counts.boundary_edge_count,
        "non-manifold": counts.non_manifold_edge_count,
        "conflicts": counts.winding_conflict_count,
        "flat": counts.degenerate_face_count,
        "double": counts.duplicate_face_count,
    }
    return "   ".join(f"{word} {count:,}" for word, count in numbers.items() if count)


def main() -> None:
    """Write the sheets."""
    parser = argparse.ArgumentParser(prog="benchmarks.gallery")
    parser.add_argument("names", nargs="*", metavar="NAME", help="test meshes; most without")
    parser.add_argument("--out", type=Path, default=Path("build/gallery"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or [name for name in meshes.NAMES if name not in TOO_LARGE]:
        started = time.monotonic()
        path = arguments.out / f"{name}.png"
        Image.fromarray(sheet(columns_of(name))).save(path)
        print(f"{path}   {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main()
