"""LODs -> Wavefront OBJ and MTL, which every modeling program reads.

Sources: Wavefront, Object Files and Material Library File, appendices B1 and B2 of the Advanced
Visualizer manual, 1995; for the physically based terms (Pr, Pm, norm, ...) Exocortex, Extending
Wavefront MTL for PBR, 2015.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.srgb import srgb_from_linear
from pipeline.types import Material, UnwrappedMesh

# Per map of `separate_maps`, the statement that names its file.
_MAP_STATEMENTS = {
    "Color": "map_Kd",
    "Normal": "norm",
    "Metalness": "map_Pm",
    "Roughness": "map_Pr",
    "Emissive": "map_Ke",
}

_ROWS_PER_STEP = 20_000  # numpy holds the interpreter for a step: about 0.05 s


def to_obj(
    meshes: Sequence[tuple[str, UnwrappedMesh]],
    *,
    material: str,
    library: str,
) -> bytes:
    """Write meshes, each with its name, as one OBJ: an object each, all with one material.

    Metres, Y up, triangles with positions, normals and UVs of the origin bottom left, as OBJ has
    them. Numbers are the shortest that read back as the same float32.

    Args:
        material: Its name in the library.
        library: The MTL's file name.
    """
    lines = [f"mtllib {library}"]
    first = 1  # OBJ counts from 1, over all objects
    for name, mesh in meshes:
        lines.append(f"o {name}")
        uvs = np.stack([mesh.uvs[:, 0], 1 - mesh.uvs[:, 1]], axis=1)
        for letters, rows in [("v", mesh.positions), ("vt", uvs), ("vn", mesh.normals)]:
            lines += _lines(letters, rows)
        lines.append(f"usemtl {material}")
        for start in range(0, len(mesh.faces), _ROWS_PER_STEP):
            corners = (mesh.faces[start : start + _ROWS_PER_STEP] + first).tolist()
            lines += [f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}" for a, b, c in corners]
        first += len(mesh.positions)
    return "\n".join([*lines, ""]).encode()


def to_mtl(name: str, material: Material, maps: Collection[str], file_name: str) -> bytes:
    """Write a material library with one material.

    Factors that have a map are written as 1, because `separate_maps` multiplies them in.

    Args:
        name: The material's.
        maps: Which of `separate_maps` there are; `Occlusion` has no statement.
        file_name: A map's file, with "{}" for its name.
    """
    red, green, blue, alpha = material.base_color_factor
    color = [1.0] * 3 if "Color" in maps else [_srgb(value) for value in (red, green, blue)]
    has_alpha_map = "Color" in maps and material.alpha_mode != "OPAQUE"
    lines = [
        f"newmtl {name}",
        "Kd " + _numbers(color),
        "Pr " + _numbers([1.0 if "Roughness" in maps else material.roughness_factor]),
        "Pm " + _numbers([1.0 if "Metalness" in maps else material.metallic_factor]),
    ]
    if any(material.emissive_factor):
        lines.append("Ke " + _numbers(material.emissive_factor))
    if material.alpha_mode != "OPAQUE":
        lines.append("d " + _numbers([1.0 if has_alpha_map else alpha]))
    lines += [
        f"{statement} {file_name.format(map_)}"
        for map_, statement in _MAP_STATEMENTS.items()
        if map_ in maps
    ]
    if has_alpha_map:
        lines.append(f"map_d -imfchan m {file_name.format('Color')}")
    return "\n".join([*lines, ""]).encode()


def _lines(letters: str, rows: NDArray[np.float32]) -> list[str]:
    lines = []
    for start in range(0, len(rows), _ROWS_PER_STEP):
        # numpy's text of a float32 is the shortest that reads back as the same number.
        texts = rows[start : start + _ROWS_PER_STEP].astype(np.float32).astype("U16").tolist()
        lines += [f"{letters} {' '.join(row)}" for row in texts]
    return lines


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def _srgb(linear: float) -> float:
    return float(srgb_from_linear(np.array([linear], np.float64))[0])
