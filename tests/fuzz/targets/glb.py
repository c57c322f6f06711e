"""Meshes: a GLB or an embedded .gltf, read as an import job reads it."""

from collections.abc import Mapping

import numpy as np

from pipeline.errors import PipelineError
from pipeline.preview import render_surface
from pipeline.read_glb import ReadLimits, read_glb
from pipeline.scene import assembled
from pipeline.stored_surface import surface_from_bytes, surface_to_bytes
from pipeline.types import Surface
from tests.fuzz.mutations.glb import changed_glb
from tests.pipeline.samples import GltfFile, Listener, checkerboard, triangle, triangle_file

_LIMITS = ReadLimits(
    max_bytes=1 << 20,
    max_json_bytes=1 << 18,
    max_triangles=10_000,
    max_nodes=1_000,
    max_image_pixels=1 << 16,
    max_total_image_pixels=1 << 18,
)
_PREVIEW_PX = 16
_MOST_WARNINGS = 20
_LONGEST_MESSAGE = 1000


def consume(data: bytes) -> None:
    listener = Listener()
    try:
        surface = read_glb(data, listener, limits=_LIMITS)
    except PipelineError as error:
        _check_message(str(error))
        return
    # Each is an event of the job, and is kept with it.
    assert len(listener.warnings) <= _MOST_WARNINGS
    for warning in listener.warnings:
        _check_message(warning)
    _check(surface)
    whole = assembled(surface_from_bytes(surface_to_bytes(surface)))
    _check(whole)
    render_surface(whole, size_px=_PREVIEW_PX)


mutate = changed_glb


def seeds() -> Mapping[str, bytes]:
    return {
        "triangle": triangle_file().glb(),
        "embedded": triangle_file().gltf(),
        "textured": _textured().glb(),
        "graph": _graph().glb(),
        "sparse": _sparse().glb(),
        "shared": _shared().glb(),
    }


def _check_message(message: str) -> None:
    message.encode()
    assert len(message) <= _LONGEST_MESSAGE


def _check(surface: Surface) -> None:
    count = len(surface.positions)
    assert surface.positions.dtype == np.float32
    assert np.isfinite(surface.positions).all()
    assert len(surface.faces) > 0
    assert surface.faces.min() >= 0
    assert surface.faces.max() < count
    np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1, atol=1e-5)
    assert surface.face_materials.min() >= 0
    assert surface.face_materials.max() < len(surface.materials)
    for values in (surface.normals, surface.uvs, surface.colors):
        assert values is None or (len(values) == count and np.isfinite(values).all())
    if surface.face_parts is not None:
        assert surface.face_parts.max() < len(surface.parts)
        assert all(np.isfinite(part.placements).all() for part in surface.parts)


_UVS = np.array([[0, 0], [1, 0], [0, 1]], np.float32)


def _textured() -> GltfFile:
    """Every texture and factor of a material, by several formats."""
    file = triangle_file(TEXCOORD_0=_UVS, TEXCOORD_1=_UVS)
    color, other = file.texture(checkerboard(4)), file.texture(checkerboard(2), kind="JPEG")
    webp = file.texture(checkerboard(2), kind="WEBP")
    file.json["textures"][color]["sampler"] = 0
    file.json["samplers"] = [{"wrapS": 33071, "wrapT": 10497}]
    moved = {"KHR_texture_transform": {"scale": [2, 2], "rotation": 0.5, "offset": [0.1, 0]}}
    file.json["materials"] = [
        {
            "name": "Bark",
            "pbrMetallicRoughness": {
                "baseColorTexture": {"index": color, "extensions": moved},
                "baseColorFactor": [1, 0.5, 0.25, 1],
                "metallicFactor": 0.5,
                "metallicRoughnessTexture": {"index": other, "extensions": moved},
            },
            "normalTexture": {"index": other, "scale": 0.5, "extensions": moved},
            "occlusionTexture": {"index": webp, "strength": 0.5, "texCoord": 1},
            "emissiveTexture": {"index": webp, "extensions": moved},
            "emissiveFactor": [1, 1, 1],
            "alphaMode": "MASK",
            "alphaCutoff": 0.4,
            "doubleSided": True,
        }
    ]
    file.json["meshes"][0]["primitives"][0]["material"] = 0
    return file


def _graph() -> GltfFile:
    """Nodes in nodes, LODs, hulls, a second scene, copies."""
    file = triangle_file()
    strip = np.array([0, 1, 2, 0], np.uint16)
    file.mesh({"POSITION": 0}, strip, mode=5)
    file.json["nodes"] = [
        {"children": [1, 2, 4], "scale": [-1, 1, 2], "name": "Box_LOD0"},
        {"mesh": 0, "rotation": [0, 0, 0.6, 0.8], "extensions": {"MSFT_lod": {"ids": [3]}}},
        {"mesh": 1, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 3, 4, 5, 1]},
        {"mesh": 1, "name": "Box_LOD1"},
        {"mesh": 0, "translation": [4, 0, 0], "children": [5]},
        {"mesh": 1, "name": "UCX_Box_LOD0_00"},
    ]
    file.json["scenes"] = [{"nodes": [0]}, {"nodes": [1]}]
    return file


def _sparse() -> GltfFile:
    """Sparse accessors, normalized colors, an index type of each width."""
    colors = np.full((3, 4), 200, np.uint8)
    file = triangle_file(COLOR_0=colors)
    file.json["accessors"][2]["normalized"] = True
    file.json["accessors"][0]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": file.view(b"\x01\x00"), "componentType": 5123},
        "values": {"bufferView": file.view(np.array([[7, 0, 0]], np.float32).tobytes())},
    }
    for kind in (np.uint8, np.uint32):
        file.mesh({"POSITION": triangle()}, np.array([0, 1, 2], kind), mode=6)
    file.json["meshes"] = [
        {"primitives": [mesh["primitives"][0] for mesh in file.json["meshes"]]},
    ]
    return file


def _shared() -> GltfFile:
    """Interleaved vertices that two primitives share."""
    file = GltfFile()
    rows = np.concatenate([triangle(), np.tile(np.float32([0, 0, 1]), (3, 1))], axis=1)
    view = file.view(rows.tobytes(), byteStride=24)
    for offset in (0, 12):
        file.json["accessors"].append(
            {
                "bufferView": view,
                "byteOffset": offset,
                "componentType": 5126,
                "count": 3,
                "type": "VEC3",
            }
        )
    for _ in range(2):
        file.json["meshes"].append(
            {"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1}, "mode": 4}]}
        )
    file.json["nodes"] = [{"mesh": 0}, {"mesh": 1}]
    file.json["scenes"] = [{"nodes": [0, 1]}]
    return file
