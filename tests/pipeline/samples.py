"""Small glTF files and meshes, built by hand for the tests of reading, export and preview."""

import base64
import io
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pipeline.types import LodMeasure, Silent, Stage, UnwrappedMesh

# A file under test is free-form JSON, and the tests damage it on purpose.
Json = dict[str, Any]

_COMPONENT = {"b": 5120, "B": 5121, "h": 5122, "H": 5123, "I": 5125, "f": 5126}
_KIND = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}


class Listener(Silent):
    """A `Progress` that keeps what it is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.fractions: list[float] = []

    def __call__(self, stage: Stage, fraction: float) -> None:
        self.fractions.append(fraction)

    def warn(self, stage: Stage, message: str) -> None:
        self.warnings.append(message)


def measures_of(lods: Sequence[UnwrappedMesh], coverages: Sequence[float] = ()) -> list[LodMeasure]:
    """LODs without any fault that take over at half, a quarter, ... of the view, unless told."""
    return [
        LodMeasure(
            triangle_count=len(lod.faces),
            budget=0,
            deviation_max_m=0.0,
            deviation_mean_m=0.0,
            normal_deviation_deg=0.0,
            silhouette_px=0.0,
            screen_coverage=coverages[level] if coverages else 0.5 ** (level + 1),
        )
        for level, lod in enumerate(lods)
    ]


class GltfFile:
    """A glTF file in the making. `json` is open for the test to change."""

    def __init__(self) -> None:
        self.binary = bytearray()
        self.json: Json = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [],
            "accessors": [],
            "bufferViews": [],
        }

    def view(self, content: bytes, **extra: object) -> int:
        self.binary += b"\0" * (-len(self.binary) % 4)
        self.json["bufferViews"].append(
            {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content), **extra}
        )
        self.binary += content
        return len(self.json["bufferViews"]) - 1

    def accessor(self, values: NDArray[Any], **extra: object) -> int:
        rows = values.reshape(len(values), -1)
        self.json["accessors"].append(
            {
                "bufferView": self.view(np.ascontiguousarray(rows).tobytes()),
                "componentType": _COMPONENT[rows.dtype.char],
                "count": len(rows),
                "type": _KIND[rows.shape[1]],
                **extra,
            }
        )
        return len(self.json["accessors"]) - 1

    def mesh(
        self,
        attributes: Mapping[str, NDArray[Any] | int],
        indices: NDArray[Any] | None = None,
        **extra: object,
    ) -> int:
        """Add a mesh of one primitive; attributes are arrays or accessors."""
        primitive: Json = {
            "attributes": {
                name: value if isinstance(value, int) else self.accessor(value)
                for name, value in attributes.items()
            },
            **extra,
        }
        if indices is not None:
            primitive["indices"] = self.accessor(indices.reshape(-1))
        self.json["meshes"].append({"primitives": [primitive]})
        return len(self.json["meshes"]) - 1

    def texture(self, pixels: NDArray[np.uint8], *, kind: str = "PNG") -> int:
        """Add an image in a buffer view with its texture."""
        mime_type = f"image/{kind.lower()}"
        image = {"bufferView": self.view(encoded(pixels, kind)), "mimeType": mime_type}
        self.json.setdefault("images", []).append(image)
        self.json.setdefault("textures", []).append({"source": len(self.json["images"]) - 1})
        return len(self.json["textures"]) - 1

    def glb(self) -> bytes:
        if self.binary:
            self.json["buffers"] = [{"byteLength": len(self.binary)}]
        return pack_glb(json.dumps(self.json).encode(), bytes(self.binary))

    def gltf(self) -> bytes:
        uri = "data:application/octet-stream;base64," + base64.b64encode(self.binary).decode()
        self.json["buffers"] = [{"byteLength": len(self.binary), "uri": uri}]
        return json.dumps(self.json).encode()


def pack_glb(text: bytes, binary: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text
    if binary:
        body += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def unpack_glb(glb: bytes) -> tuple[Json, bytes]:
    """Return the JSON and the binary chunk of a GLB that has both."""
    (json_bytes,) = struct.unpack_from("<I", glb, 12)
    return json.loads(glb[20 : 20 + json_bytes]), glb[20 + json_bytes + 8 :]


def encoded(pixels: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    PillowImage.fromarray(pixels).save(out, kind)
    return out.getvalue()


def checkerboard(size: int = 8) -> NDArray[np.uint8]:
    """Return `[size, size, 3]` with a distinct color per texel quadrant, so that flips show."""
    pixels = np.zeros((size, size, 3), np.uint8)
    half = size // 2
    pixels[:half, :half] = (255, 0, 0)
    pixels[:half, half:] = (0, 255, 0)
    pixels[half:, :half] = (0, 0, 255)
    pixels[half:, half:] = (255, 255, 0)
    return pixels


def triangle() -> NDArray[np.float32]:
    return np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)


def triangle_file(**attributes: NDArray[Any] | int) -> GltfFile:
    """Return a file with one triangle in the xy plane, facing +Z."""
    file = GltfFile()
    normals = np.tile(np.array([0, 0, 1], np.float32), (3, 1))
    file.mesh({"POSITION": triangle(), "NORMAL": normals, **attributes})
    return file


# Outward normal and tangent of the six sides of a cube; the third axis is their cross product.
_SIDES: Sequence[tuple[tuple[int, int, int], tuple[int, int, int]]] = (
    ((0, 0, 1), (1, 0, 0)),
    ((0, 0, -1), (-1, 0, 0)),
    ((1, 0, 0), (0, 0, -1)),
    ((-1, 0, 0), (0, 0, 1)),
    ((0, 1, 0), (1, 0, 0)),
    ((0, -1, 0), (1, 0, 0)),
)


def unwrapped_cube(*, segments: int = 1, side_m: float = 1.0) -> UnwrappedMesh:
    """Return a cube on the ground with a chart per side and tangents by hand.

    u runs along the tangent, v against the bitangent (v points down), so w is +1 everywhere.
    """
    positions: list[NDArray[np.float64]] = []
    normals: list[NDArray[np.float64]] = []
    tangents: list[tuple[float, ...]] = []
    uvs: list[tuple[float, float]] = []
    faces: list[tuple[int, int, int]] = []
    steps = np.linspace(0.0, 1.0, segments + 1)
    for number, (normal_axis, tangent_axis) in enumerate(_SIDES):
        normal, tangent = np.array(normal_axis, float), np.array(tangent_axis, float)
        bitangent = np.cross(normal, tangent)
        first = len(positions)
        for v in steps:
            for u in steps:
                point = normal + (2 * u - 1) * tangent + (1 - 2 * v) * bitangent
                positions.append(side_m / 2 * (point + np.array([0, 1, 0])))
                normals.append(normal)
                tangents.append((*tangent, 1.0))
                column, row = number % 3, number // 3
                uvs.append(((column + 0.05 + 0.9 * u) / 3, (row + 0.05 + 0.9 * v) / 2))
        width = segments + 1
        for y in range(segments):
            for x in range(segments):
                a = first + y * width + x
                faces += [(a, a + width, a + 1), (a + 1, a + width, a + width + 1)]
    return UnwrappedMesh(
        positions=np.array(positions, np.float32),
        normals=np.array(normals, np.float32),
        tangents=np.array(tangents, np.float32),
        uvs=np.array(uvs, np.float32),
        faces=np.array(faces, np.int32),
        face_source=np.arange(len(faces), dtype=np.int32),
    )
