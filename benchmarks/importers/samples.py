"""Two assets in every profile, and with every option that changes a file.

    python -m benchmarks.importers.samples FOLDER

A crate is one mesh with LODs and a hull; a cart is a body and four wheels that share a mesh. Both
go through unwrapping, baking, LODs and collision as in a job. Beside the files, `promises.json`
says what is in each: by what was asked for, not by what was written. KTX2 is left out, with a line
that says so, where its encoder is not on PATH.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.export.asset import ExportedFile, export_asset
from pipeline.export.hulls import describe_hull
from pipeline.export.parts import ExportPart
from pipeline.export.profiles import LAYOUTS, ExportOptions, Profile
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.mesh.hulls.collision import CollisionOptions, collide
from pipeline.mesh.lods.lod import build_lods, delivered, measure_lods, sphere_diameter
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.mesh.lods.parts import PartMesh, joined
from pipeline.texture.bake import BakeOptions, bake
from pipeline.types import (
    Image,
    LodMeasure,
    Material,
    Mesh,
    Silent,
    Surface,
    UnwrappedMesh,
)

_TEXTURE_SIZE = 256
_BUDGETS = (1200, 500, 150)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An asset as it reaches the exporter."""

    name: str
    lods: Sequence[UnwrappedMesh]
    measures: Sequence[LodMeasure]
    material: Material
    parts: Sequence[ExportPart]


def variants() -> dict[str, ExportOptions]:
    """Every profile, and for those that take more than one kind of file all kinds, by name."""
    found: dict[str, ExportOptions] = {}
    for profile, layout in LAYOUTS.items():
        plain = ExportOptions(profile=profile)
        found[profile] = replace(plain, split=True)
        found[f"{profile}-png"] = replace(plain, texture_format="png")
        found[f"{profile}-jpeg"] = replace(plain, texture_format="jpeg")
        found[f"{profile}-small"] = replace(plain, max_texture_size=64)
        if layout.takes_packed:
            lossless = replace(plain, texture_format="png")
            found[f"{profile}-none"] = replace(lossless, compression="none")
            found[f"{profile}-quantize"] = replace(lossless, compression="quantize")
            found[f"{profile}-meshopt"] = replace(lossless, compression="meshopt")
            found[f"{profile}-webp"] = replace(plain, texture_format="webp", compression="none")
            found[f"{profile}-ktx2"] = replace(plain, texture_format="ktx2")
    every_format = ExportOptions(split=True, formats=("glb", "obj", "ply"))
    return {**found, "generic-formats": every_format}


def crate() -> Sample:
    """A rounded box."""
    return _made("crate", [("", _rounded_box((1.0, 0.8, 0.6)), [np.eye(4)])])


def cart() -> Sample:
    """A body on four wheels, turned and mirrored in place."""
    body = _rounded_box((1.6, 0.5, 0.8))
    wheel = _rounded_box((0.35, 0.35, 0.1))
    places = []
    for number, (x, z) in enumerate([(-0.5, 0.45), (0.5, 0.45), (-0.5, -0.45), (0.5, -0.45)]):
        angle = np.pi * (number // 2)
        place = np.eye(4)
        place[:3, :3] = [
            [np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]
        ]  # fmt: skip
        place[:3, 3] = (x, -0.2, z)
        places.append(place)
    return _made("cart", [("Body", body, [np.eye(4)]), ("Wheel", wheel, places)])


def write_all(folder: Path) -> None:
    """Write all samples, a folder per variant, and the promises."""
    promises = []
    for sample in (crate(), cart()):
        for variant, options in variants().items():
            if options.texture_format == "ktx2" and shutil.which("basisu") is None:
                print(f"{variant} is left out: no basisu on PATH", file=sys.stderr)
                continue
            here = folder / variant
            here.mkdir(parents=True, exist_ok=True)
            files = export_asset(
                sample.name,
                sample.lods,
                sample.measures,
                sample.material,
                sample.parts,
                options,
                Silent(),
                extras={"sample": variant},
            )
            for file in files:
                (here / file.file_name).write_bytes(file.content)
            promises += [
                {"file": f"{variant}/{file.file_name}", **promise}
                for file in files
                if (promise := _promise(sample, file, options.profile)) is not None
            ]
    (folder / "promises.json").write_text(json.dumps(promises, indent=1))


def _made(name: str, pieces: Sequence[tuple[str, Mesh, list[NDArray[np.float64]]]]) -> Sample:
    """Run the stages of a job on clean meshes."""
    placed = [
        replace(mesh, positions=_moved(mesh.positions, places[0])) for _, mesh, places in pieces
    ]
    whole, _ = joined(placed)
    diameter_m = sphere_diameter(whole)
    parts = [
        PartMesh(mesh=mesh, copies=len(places))
        for mesh, (_, _, places) in zip(placed, pieces, strict=True)
    ]
    options = LodOptions(budgets=_BUDGETS)
    lods = build_lods(parts, options, Silent(), diameter_m=diameter_m)
    unwrapped = unwrap(
        [lod.mesh for lod in lods], UnwrapOptions(texture_size=_TEXTURE_SIZE), Silent()
    )
    baked = bake(unwrapped, _surface(whole), _TEXTURE_SIZE, BakeOptions(), Silent())
    lods = tuple(delivered(lod, mesh, parts) for lod, mesh in zip(lods, unwrapped, strict=True))
    measures = measure_lods(lods, whole, options, Silent(), diameter_m=diameter_m)
    exported = [
        ExportPart(
            name=part_name,
            face_masks=tuple(lod.face_parts == index for lod in lods),
            frame=places[0],
            placements=np.stack(places),
            hulls=collide(placed[index], CollisionOptions(mode="hull"), Silent()).hulls,
        )
        for index, (part_name, _, places) in enumerate(pieces)
    ]
    return Sample(
        name=name, lods=unwrapped, measures=measures, material=baked.material, parts=exported
    )


def _rounded_box(size_m: tuple[float, float, float], steps: int = 16) -> Mesh:
    """A closed superellipsoid of 12 steps^2 triangles, its middle in the origin."""
    line = np.linspace(-1, 1, steps + 1)
    u, v = (grid.reshape(-1) for grid in np.meshgrid(line, line))
    square = np.arange(steps * (steps + 1)).reshape(steps, steps + 1)[:, :-1].reshape(-1)
    quads = np.stack([square, square + 1, square + steps + 2, square + steps + 1], axis=1)
    positions, faces = [], []
    for axis in range(3):
        for sign in (1, -1):
            side = np.empty((len(u), 3))
            side[:, axis], side[:, (axis + 1) % 3], side[:, (axis + 2) % 3] = sign, u * sign, v
            positions.append(side)
            faces.append(quads + len(positions[:-1]) * len(u))
    points = np.concatenate(positions)
    points /= ((points**4).sum(axis=1) ** 0.25)[:, None]
    corners = np.concatenate(faces)
    _, first, same = np.unique(
        np.rint(points * 1e6), axis=0, return_index=True, return_inverse=True
    )
    corners = same.reshape(-1)[corners]
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    scaled = points[first] * np.array(size_m) / 2
    return Mesh(positions=scaled.astype(np.float32), faces=triangles.astype(np.int32))


def _surface(mesh: Mesh) -> Surface:
    """The mesh with a pattern that has every texture: planks, nails of metal, a glowing lid."""
    corners = mesh.positions[mesh.faces].astype(np.float64)
    normals = np.zeros((len(mesh.positions), 3))
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for corner in range(3):
        np.add.at(normals, mesh.faces[:, corner], across)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    x, y, z = mesh.positions.T
    y_, x_ = np.mgrid[0:64, 0:64]
    planks = np.stack([140 + x_ % 16 * 6, 90 + y_ % 8 * 5, 50 + 0 * x_], axis=2).astype(np.uint8)
    metal = np.stack([0 * x_, 80 + x_ * 2, np.where(x_ % 16 < 2, 255, 0)], axis=2).astype(np.uint8)
    material = Material(
        base_color=Image(pixels=planks),
        metallic_roughness=Image(pixels=metal),
        metallic_factor=1.0,
        emissive=Image(pixels=np.where(y_[..., None] < 8, 90, 0).repeat(3, 2).astype(np.uint8)),
        emissive_factor=(1.0, 0.8, 0.4),
    )
    return Surface(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=normals.astype(np.float32),
        uvs=np.stack([(x + z) * 2 % 1, y * 2 % 1], axis=1).astype(np.float32),
        face_materials=np.zeros(len(mesh.faces), np.int32),
        materials=(material,),
    )


def _moved(positions: NDArray[np.float32], place: NDArray[np.floating]) -> NDArray[np.float32]:
    moved: NDArray[np.float32] = (positions @ place[:3, :3].T + place[:3, 3]).astype(np.float32)
    return moved


# -------------------------------------------------------------------------------- what we promise


def _promise(sample: Sample, file: ExportedFile, profile: Profile) -> dict[str, object] | None:
    """What a GLB shows: nodes with parents and triangle counts, and what stays outside the scene.

    size_m: of the visible asset at its finest LOD in the file, along x, y, z.
    """
    if not file.file_name.endswith(".glb"):
        return None
    layout = LAYOUTS[profile]
    name = sample.name.capitalize()
    levels = list(range(len(sample.lods)))
    if file.role == "model_lod":
        levels = [int(file.file_name.removesuffix(".glb")[-1])]
    elif layout.lods == "files":
        levels = [0]
    scene: list[dict[str, object]] = []
    outside: list[dict[str, object]] = []
    is_in_parts = any(part.name for part in sample.parts)
    if is_in_parts:
        scene.append({"name": name, "parent": None, "triangles": None})
    for part in sample.parts:
        stem = f"SM_{name}_{part.name}" if part.name else f"SM_{name}"
        for copy in range(len(part.placements)):
            group = None
            if part.name:
                group = part.name if copy == 0 else f"{part.name}_{copy + 1}"
                scene.append({"name": group, "parent": name, "triangles": None})
            for node, triangles, is_inside in _part_nodes(part, stem, levels, layout.lods, profile):
                # Nothing outside of the scene hangs on anything.
                parent = group if is_inside else None
                entry: dict[str, object] = {"name": node, "parent": parent, "triangles": triangles}
                (scene if is_inside else outside).append(entry)
    textures = ["base color", "metallic-roughness", "normal", "emissive"]
    return {
        "scene": scene,
        "outside": outside,
        "materials": {f"M_{name}": textures},
        "size_m": _size_m(sample, levels[0]),
    }


def _part_nodes(
    part: ExportPart, stem: str, levels: list[int], lods: str, profile: Profile
) -> Iterator[tuple[str, int, bool]]:
    """Per node of a part: its name, its triangles, and whether it is in the scene."""
    layout = LAYOUTS[profile]
    shown = [level for level in levels if part.face_masks[level].any()]
    for level in shown:
        is_inside = level == shown[0] or lods == "scene"
        yield f"{stem}_LOD{level}", int(part.face_masks[level].sum()), is_inside
    if layout.hulls != "none" and 0 in levels:
        for number, hull in enumerate(part.hulls):
            prefix, _ = describe_hull(hull)
            hull_name = f"{prefix}_{stem}_LOD0_{number:02d}{layout.hull_suffix}"
            yield hull_name, len(hull.faces), layout.hulls == "scene"


def _size_m(sample: Sample, level: int) -> list[float]:
    points = []
    for part in sample.parts:
        used = np.unique(sample.lods[level].faces[part.face_masks[level]])
        local = sample.lods[level].positions[used]
        back = np.linalg.inv(part.frame)
        points += [_moved(_moved(local, back), place) for place in part.placements]
    size: list[float] = np.ptp(np.concatenate(points), axis=0).tolist()
    return size


def main() -> None:
    """Write the samples into the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    write_all(parser.parse_args().folder)


if __name__ == "__main__":
    main()
