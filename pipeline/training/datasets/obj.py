"""Wavefront OBJ with its materials -> Surface: two of the data sets have nothing else.

Source: Bourke, "Object Files (.obj)" and "MTL material format". Read are polygons with texture
coordinates and normals, and of materials the diffuse color or its texture.
"""

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as Pil

from pipeline.errors import InvalidInput
from pipeline.mesh.charts.vertex_normals import vertex_normals
from pipeline.training.datasets.asset import inside
from pipeline.types import FloatArray, Image, Material, Progress, Stage, Surface

MAX_BYTES = 1 << 29
_LINES_AT_ONCE = 20_000
_MAX_TEXTURE_PX = 8192


def read_obj(path: Path, progress: Progress) -> Surface:
    """Read an OBJ as one surface, Y up, in its own unit.

    Polygons are cut into fans. Where a corner has no normal, all normals are made from the faces.

    Args:
        path: The file; materials and textures must be in its folder or below.
        progress: Is told of PREPROCESS, and warned of a texture that cannot be read.

    Raises:
        InvalidInput: If it is too large, damaged, or has no faces.
    """
    if path.stat().st_size > MAX_BYTES:
        raise InvalidInput(f"{path} has more than {MAX_BYTES:,} bytes; simplify it first")
    parsed = _Parsed(folder=path.parent, progress=progress)
    lines = path.read_text("utf-8", errors="replace").splitlines()
    try:
        for i, line in enumerate(lines):
            if i % _LINES_AT_ONCE == 0:
                progress(Stage.PREPROCESS, i / len(lines))
            parsed.line(line)
        return parsed.surface()
    except (ValueError, IndexError, OverflowError) as e:
        raise InvalidInput(f"{path} is damaged: {e}; export it again") from e


@dataclass(kw_only=True)
class _Parsed:
    """What was read so far.

    positions, uvs, normals: as listed. corners: three per triangle, each `(position, uv, normal)`
    with -1 where absent. face_materials: index into `used`, the materials in the order of use.
    """

    folder: Path
    progress: Progress
    positions: list[list[float]] = field(default_factory=list)
    uvs: list[list[float]] = field(default_factory=list)
    normals: list[list[float]] = field(default_factory=list)
    corners: list[tuple[int, int, int]] = field(default_factory=list)
    face_materials: list[int] = field(default_factory=list)
    materials: dict[str, Material] = field(default_factory=dict)
    used: list[str] = field(default_factory=lambda: [""])

    def line(self, line: str) -> None:
        word, _, rest = line.strip().partition(" ")
        match word:
            case "v":
                self.positions.append(_numbers(rest, 3))
            case "vt":
                self.uvs.append(_numbers(rest, 2))
            case "vn":
                self.normals.append(_numbers(rest, 3))
            case "f":
                polygon = [self._corner(text) for text in rest.split()]
                for i in range(1, len(polygon) - 1):
                    self.corners += [polygon[0], polygon[i], polygon[i + 1]]
                    self.face_materials.append(len(self.used) - 1)
            case "usemtl":
                self.used.append(rest.strip())
            case "mtllib":
                library = inside(self.folder, rest.strip())
                if library is not None and library.is_file():
                    self.materials |= _read_mtl(library, self.progress)
                else:
                    self.progress.warn(Stage.PREPROCESS, f"{rest.strip()} is missing: no colors")
            case _:
                pass  # groups, smoothing, comments, lines and curves

    def _corner(self, text: str) -> tuple[int, int, int]:
        parts = [*text.split("/"), "", ""]
        lists = (self.positions, self.uvs, self.normals)
        found = []
        for part, values in zip(parts, lists, strict=False):
            index = int(part) if part else 0
            index = index - 1 if index >= 0 else len(values) + index  # they count from 1, or back
            if part and not 0 <= index < len(values):
                raise ValueError(f"a face names entry {part} of {len(values)}")
            found.append(index)
        if found[0] < 0:
            raise ValueError(f"a face has the corner {text!r}")
        return found[0], found[1], found[2]

    def surface(self) -> Surface:
        if not self.corners:
            raise ValueError("it has no faces")
        triples, index = np.unique(np.array(self.corners), axis=0, return_inverse=True)
        faces = index.reshape(-1, 3).astype(np.int32)
        positions = np.array(self.positions, np.float32)[triples[:, 0]]
        if not np.isfinite(positions).all():
            raise ValueError("a position is not a number")
        if (triples[:, 2] >= 0).all():
            normals = np.array(self.normals, np.float32)[triples[:, 2]]
            normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        else:
            normals = vertex_normals(positions, faces, triples[:, 0].astype(np.int32))
        names, material_of = np.unique(np.array(self.face_materials), return_inverse=True)
        materials = tuple(
            self.materials.get(self.used[int(i)], Material(name=self.used[int(i)] or "material"))
            for i in names
        )
        has_uvs = any(material.base_color is not None for material in materials)
        return Surface(
            positions=positions,
            faces=faces,
            normals=normals,
            uvs=self._uvs(triples[:, 1]) if has_uvs else None,
            face_materials=material_of.astype(np.int32),
            materials=materials,
        )

    def _uvs(self, rows: np.ndarray) -> FloatArray:
        """Origin at the top left instead of the bottom left; 0 where there are none."""
        uvs: FloatArray = np.array([*self.uvs, [0.0, 1.0]], np.float32)[rows]
        uvs[:, 1] = 1 - uvs[:, 1]
        return uvs


def _numbers(text: str, count: int) -> list[float]:
    values = [float(value) for value in text.split()[:count]]
    if len(values) < count:
        raise ValueError(f"{text.strip()[:40]!r} has fewer than {count} numbers")
    return values


def _read_mtl(path: Path, progress: Progress) -> dict[str, Material]:
    found: dict[str, Material] = {}
    for block in path.read_text("utf-8", errors="replace").split("newmtl")[1:]:
        name, *lines = (line.strip() for line in block.splitlines())
        color, texture = (0.8, 0.8, 0.8), None
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "Kd":
                r, g, b = _numbers(rest, 3)
                color = (r, g, b)
            elif word == "map_Kd" and rest.split():
                # Options may stand before the name.
                texture = _read_texture(path.parent, rest.split()[-1], progress)
        # A diffuse color beside a texture is what the exporter had by default.
        factor = (1.0, 1.0, 1.0, 1.0) if texture is not None else (*color, 1.0)
        found[name] = Material(name=name, base_color_factor=factor, base_color=texture)
    return found


def _read_texture(folder: Path, name: str, progress: Progress) -> Image | None:
    path = inside(folder, name)
    try:
        if path is None:
            raise ValueError("it is outside the folder")
        with Pil.open(io.BytesIO(path.read_bytes()), formats=("PNG", "JPEG")) as picture:
            if max(picture.size) > _MAX_TEXTURE_PX:
                raise ValueError(f"it is wider than {_MAX_TEXTURE_PX} pixels")
            return Image(pixels=np.asarray(picture.convert("RGB")))
    except (OSError, SyntaxError, ValueError) as e:
        progress.warn(Stage.PREPROCESS, f"the texture {name} is left out: {e}")
        return None
