"""LODs, textures and hulls -> the bytes of one GLB.

The container is written here, not by pygltflib: it is a header and two chunks, and key order and
padding decide over the same bytes from the same input.

Source: glTF 2.0 specification, Khronos Group, 2021; MSFT_lod and
KHR_materials_emissive_strength from KhronosGroup/glTF, extensions/2.0.
"""

import json
import logging
import struct
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.export.name import asset_name
from pipeline.export.profiles import LAYOUTS, ExportOptions, TextureFormat
from pipeline.export.textures import encode_textures
from pipeline.types import (
    FloatArray,
    Hull,
    IntArray,
    LodMeasure,
    Material,
    Progress,
    Stage,
    UnwrappedMesh,
)

logger = logging.getLogger(__name__)

_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_FLOAT, _UNSIGNED_SHORT, _UNSIGNED_INT = 5126, 5123, 5125
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071


def export_glb(
    name: str,
    lods: Sequence[UnwrappedMesh],
    measures: Sequence[LodMeasure],
    material: Material,
    hulls: Sequence[Hull],
    options: ExportOptions,
    progress: Progress,
) -> bytes:
    """Write one asset: meshes `SM_<Name>_LOD0..n`, one material, hulls `UCX_SM_<Name>_LOD0_<nn>`.

    Plain glTF 2.0 that requires no extension. All profiles have the same binary chunk; they differ
    in the node graph only. With more than one LOD, the LOD0 node carries `MSFT_screencoverage` in
    its extras: per LOD the smallest share of the view height at which it is meant to be seen, the
    last one being where the asset may be culled. Vertices and triangles are reordered for the
    vertex cache; the triangles stay the same.

    Args:
        name: Anything; `asset_name` makes it safe.
        lods: Finest first, at least one.
        measures: One per LOD; only `screen_coverage` is written.
        material: Shared by all LODs. Occlusion and metallic-roughness become one ORM texture, the
            smaller one enlarged where they differ in size.
        hulls: May be empty. Written without material.
        options: Profile and texture format.
        progress: Is told of EXPORT.

    Returns:
        The GLB, the same bytes for the same input.

    Raises:
        InvalidInput: If there is no LOD, or their number is not that of the measures.
    """
    if not lods or len(lods) != len(measures):
        raise InvalidInput(
            f"export needs one measure per LOD and at least one, got {len(lods)} LODs and "
            f"{len(measures)} measures"
        )
    progress(Stage.EXPORT, 0.0)
    name = asset_name(name)
    layout = LAYOUTS[options.profile]
    file = _File()

    lod_nodes = []
    for level, lod in enumerate(lods):
        assert len(lod.faces) > 0, f"LOD{level} is empty"
        lod_nodes.append(file.add_mesh(f"SM_{name}_LOD{level}", lod))
        progress(Stage.EXPORT, 0.2 * (level + 1) / len(lods))
    hull_nodes = [
        file.add_hull(f"UCX_SM_{name}_LOD0_{number:02d}", hull) for number, hull in enumerate(hulls)
    ]
    _add_material(file, name, material, options.texture_format, progress)

    if len(lods) > 1:
        first = file.nodes[lod_nodes[0]]
        first["extras"] = {"MSFT_screencoverage": [m.screen_coverage for m in measures]}
        if not layout.lods_in_scene:
            first["extensions"] = {"MSFT_lod": {"ids": lod_nodes[1:]}}
            file.extensions_used.append("MSFT_lod")
    scene = lod_nodes if layout.lods_in_scene else lod_nodes[:1]
    scene = scene + (hull_nodes if layout.hulls_in_scene else [])
    content = file.to_glb(scene_name=name, scene_nodes=scene)
    progress(Stage.EXPORT, 1.0)
    logger.info(
        "export: %d LODs, %d hulls, %d textures -> %s bytes",
        len(lods),
        len(hulls),
        len(file.images),
        f"{len(content):,}",
    )
    return content


JsonObject = dict[str, object]


class _File:
    """A GLB in the making: the JSON's lists, and the binary chunk that their entries point into."""

    def __init__(self) -> None:
        self.nodes: list[JsonObject] = []
        self.meshes: list[JsonObject] = []
        self.materials: list[JsonObject] = []
        self.textures: list[JsonObject] = []
        self.images: list[JsonObject] = []
        self.accessors: list[JsonObject] = []
        self.extensions_used: list[str] = []
        self._views: list[JsonObject] = []
        self._binary = bytearray()

    def add_mesh(self, name: str, lod: UnwrappedMesh) -> int:
        """Add a LOD with its node; return the node."""
        order, faces = _cache_order(lod.faces, len(lod.positions))
        primitive: JsonObject = {
            "attributes": {
                "POSITION": self._vertices(lod.positions[order], "VEC3", with_bounds=True),
                "NORMAL": self._vertices(lod.normals[order], "VEC3"),
                "TANGENT": self._vertices(lod.tangents[order], "VEC4"),
                "TEXCOORD_0": self._vertices(lod.uvs[order], "VEC2"),
            },
            "indices": self._indices(faces, len(order)),
            "material": 0,
        }
        return self._node(name, primitive)

    def add_hull(self, name: str, hull: Hull) -> int:
        """Add a collision hull with its node; return the node."""
        primitive: JsonObject = {
            "attributes": {"POSITION": self._vertices(hull.positions, "VEC3", with_bounds=True)},
            "indices": self._indices(hull.faces, len(hull.positions)),
        }
        return self._node(name, primitive)

    def add_texture(self, name: str, encoded: bytes, mime_type: str) -> int:
        """Add an encoded image with its texture; return the texture."""
        self.images.append(
            {"name": name, "mimeType": mime_type, "bufferView": self._view(encoded, None)}
        )
        self.textures.append({"name": name, "source": len(self.images) - 1, "sampler": 0})
        return len(self.textures) - 1

    def to_glb(self, *, scene_name: str, scene_nodes: Sequence[int]) -> bytes:
        """Return the finished file."""
        root: JsonObject = {
            "asset": {"version": "2.0", "generator": f"Lodsmith {_lodsmith_version()}"},
            "scene": 0,
            "scenes": [{"name": scene_name, "nodes": list(scene_nodes)}],
            "nodes": self.nodes,
            "meshes": self.meshes,
            "materials": self.materials,
            "accessors": self.accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(self._binary)}],
        }
        if self.textures:
            root["textures"] = self.textures
            root["images"] = self.images
            # Charts end at the border of the atlas; repeating would bleed in the opposite side.
            root["samplers"] = [
                {
                    "magFilter": _LINEAR,
                    "minFilter": _LINEAR_MIPMAP_LINEAR,
                    "wrapS": _CLAMP_TO_EDGE,
                    "wrapT": _CLAMP_TO_EDGE,
                }
            ]
        if self.extensions_used:
            root["extensionsUsed"] = sorted(self.extensions_used)
        text = json.dumps(root, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self._binary) + b"\0" * (-len(self._binary) % 4)
        length = 12 + 8 + len(text) + 8 + len(binary)
        return b"".join(
            [
                struct.pack("<4sII", b"glTF", 2, length),
                struct.pack("<I4s", len(text), b"JSON"),
                text,
                struct.pack("<I4s", len(binary), b"BIN\0"),
                binary,
            ]
        )

    def _node(self, name: str, primitive: JsonObject) -> int:
        self.meshes.append({"name": name, "primitives": [primitive]})
        self.nodes.append({"name": name, "mesh": len(self.meshes) - 1})
        return len(self.nodes) - 1

    def _vertices(self, rows: FloatArray, kind: str, *, with_bounds: bool = False) -> int:
        rows = np.ascontiguousarray(rows, np.dtype("<f4"))
        assert np.isfinite(rows).all()
        accessor: JsonObject = {
            "bufferView": self._view(rows.tobytes(), _ARRAY_BUFFER),
            "componentType": _FLOAT,
            "count": len(rows),
            "type": kind,
        }
        if with_bounds:
            # A double prints every float32 exactly, so readers find the very bounds they expect.
            accessor["min"] = rows.min(axis=0).astype(float).tolist()
            accessor["max"] = rows.max(axis=0).astype(float).tolist()
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def _indices(self, faces: IntArray, vertex_count: int) -> int:
        # 65535 is the strip restart value, so 65,535 vertices are the most that 16 bits address.
        is_short = vertex_count <= 65535
        indices = faces.reshape(-1).astype(np.dtype("<u2" if is_short else "<u4"))
        self.accessors.append(
            {
                "bufferView": self._view(indices.tobytes(), _ELEMENT_ARRAY_BUFFER),
                "componentType": _UNSIGNED_SHORT if is_short else _UNSIGNED_INT,
                "count": len(indices),
                "type": "SCALAR",
            }
        )
        return len(self.accessors) - 1

    def _view(self, content: bytes, target: int | None) -> int:
        self._binary += b"\0" * (-len(self._binary) % 4)
        view: JsonObject = {
            "buffer": 0,
            "byteOffset": len(self._binary),
            "byteLength": len(content),
        }
        if target is not None:
            view["target"] = target
        self._binary += content
        self._views.append(view)
        return len(self._views) - 1


def _lodsmith_version() -> str:
    try:
        return version("lodsmith")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "(checkout)"


def _cache_order(faces: IntArray, vertex_count: int) -> tuple[NDArray[np.int64], IntArray]:
    """Order triangles for the vertex cache and vertices by first use.

    Returns:
        Which old vertex stands at each new place, without unused ones; the faces in new places.

    Source: meshoptimizer, Kapoulkine, 2016-2024: `meshopt_optimizeVertexCache`.
    """
    import meshoptimizer

    # The binding checks nothing: it reads flat, contiguous uint32 or garbage.
    indices = np.ascontiguousarray(faces, np.uint32).reshape(-1)
    assert indices.max() < vertex_count
    ordered = np.empty_like(indices)
    meshoptimizer.optimize_vertex_cache(ordered, indices, len(indices), vertex_count)
    used, first_use, slot = np.unique(ordered, return_index=True, return_inverse=True)
    by_first_use = np.argsort(first_use)
    new_place = np.empty(len(used), np.int32)
    new_place[by_first_use] = np.arange(len(used), dtype=np.int32)
    return used[by_first_use].astype(np.int64), new_place[slot].reshape(-1, 3)


# -------------------------------------------------------------------------------------- material


def _add_material(
    file: _File, name: str, material: Material, texture_format: TextureFormat, progress: Progress
) -> None:
    """Add material `M_<Name>` and its textures `T_<Name>_BC`, `_N`, `_ORM`, `_E`."""
    encoded_textures = encode_textures(
        material,
        texture_format,
        lambda fraction: progress(Stage.EXPORT, 0.2 + 0.7 * fraction),
    )
    textures: dict[str, int] = {}
    for suffix, (content, mime_type) in encoded_textures.items():
        textures[suffix] = file.add_texture(f"T_{name}_{suffix}", content, mime_type)

    metal: JsonObject = {
        "baseColorFactor": [float(value) for value in material.base_color_factor],
        "metallicFactor": float(material.metallic_factor),
        "roughnessFactor": float(material.roughness_factor),
    }
    written: JsonObject = {"name": f"M_{name}", "pbrMetallicRoughness": metal}
    if "BC" in textures:
        metal["baseColorTexture"] = {"index": textures["BC"]}
    if material.metallic_roughness is not None:
        metal["metallicRoughnessTexture"] = {"index": textures["ORM"]}
    if "N" in textures:
        written["normalTexture"] = {"index": textures["N"], "scale": float(material.normal_scale)}
    if material.occlusion is not None:
        written["occlusionTexture"] = {
            "index": textures["ORM"],
            "strength": float(material.occlusion_strength),
        }
    if "E" in textures:
        written["emissiveTexture"] = {"index": textures["E"]}
    brightest = max(material.emissive_factor)
    if brightest > 0:
        # Factors end at 1; what is brighter goes into the extension.
        strength = max(brightest, 1.0)
        written["emissiveFactor"] = [float(value) / strength for value in material.emissive_factor]
        if strength > 1:
            written["extensions"] = {
                "KHR_materials_emissive_strength": {"emissiveStrength": float(strength)}
            }
            file.extensions_used.append("KHR_materials_emissive_strength")
    if material.alpha_mode != "OPAQUE":
        written["alphaMode"] = material.alpha_mode
    if material.alpha_mode == "MASK":
        written["alphaCutoff"] = float(material.alpha_cutoff)
    if material.double_sided:
        written["doubleSided"] = True
    file.materials.append(written)
