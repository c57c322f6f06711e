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
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.export.hulls import JsonObject, describe_hull, relative_hull
from pipeline.export.name import asset_name
from pipeline.export.profiles import LAYOUTS, ExportOptions, Layout, TextureFormat
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

Matrix = NDArray[np.float64]

_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_FLOAT, _UNSIGNED_SHORT, _UNSIGNED_INT = 5126, 5123, 5125
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071


@dataclass(frozen=True, kw_only=True)
class ExportPart:
    """One part of the asset: what it has at each LOD, where it stands, and its collision shape.

    name: "" for an asset that is not in parts.
    face_masks: per LOD `[F]` bool: which faces are its; none in the LODs it has vanished from.
    frame: `[4, 4]` float64, rotation and shift: its pivot. Its mesh is written relative to it.
    placements: `[N, 4, 4]` float64: where its pivot stands, once per copy.
    hulls: In the asset's space, at the first copy. May be empty. Written without material.
    """

    name: str
    face_masks: tuple[NDArray[np.bool_], ...]
    frame: Matrix
    placements: Matrix
    hulls: tuple[Hull, ...]

    @classmethod
    def whole(cls, lods: Sequence[UnwrappedMesh], hulls: Sequence[Hull]) -> Self:
        """The asset as one part that stands where it is."""
        return cls(
            name="",
            face_masks=tuple(np.ones(len(lod.faces), bool) for lod in lods),
            frame=np.eye(4),
            placements=np.eye(4)[None],
            hulls=tuple(hulls),
        )


@dataclass(frozen=True, kw_only=True)
class Billboard:
    """A flat last LOD. extras: what its shader has to know, goes to its node's `impostor`.

    screen_coverage: as in `LodMeasure`.
    """

    quad: UnwrappedMesh
    material: Material
    screen_coverage: float
    extras: JsonObject


def export_glb(
    name: str,
    lods: Sequence[UnwrappedMesh],
    measures: Sequence[LodMeasure],
    material: Material,
    parts: Sequence[ExportPart],
    options: ExportOptions,
    progress: Progress,
    *,
    billboard: Billboard | None = None,
) -> bytes:
    """Write one asset: meshes `SM_<Name>_LOD0..n`, one material, hulls `UCX_SM_<Name>_LOD0_<nn>`.

    Plain glTF 2.0 that requires no extension. All profiles have the same binary chunk; they differ
    in the node graph only. With more than one LOD, the LOD0 node carries `MSFT_screencoverage` in
    its extras: per LOD the smallest share of the view height at which it is meant to be seen, the
    last one being where the asset may be culled. Vertices and triangles are reordered for the
    vertex cache; the triangles stay the same.

    An asset in parts has a root node `<Name>`, below it one node per copy of a part with the part's
    name and place, and below that the part's LODs `SM_<Name>_<Part>_LOD0..n` and its hulls. Copies
    share their meshes.

    Hulls that are exactly a box, a ball or a capsule are named `UBX_`, `USP_` and `UCP_` instead,
    as Unreal's importer wants it, and say what they are in the `collision` of their node's extras.

    Args:
        name: Anything; `asset_name` makes it safe.
        lods: Finest first, at least one.
        measures: One per LOD; only `screen_coverage` is written.
        material: Shared by all LODs. Occlusion and metallic-roughness become one ORM texture, the
            smaller one enlarged where they differ in size.
        parts: At least one; together they have every face of each LOD.
        options: Profile and texture format.
        progress: Is told of EXPORT.
        billboard: The last LOD of the first part, with a material of its own, `M_<Name>_Billboard`.

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

    coverages = [measure.screen_coverage for measure in measures]
    if billboard is not None:
        coverages.append(billboard.screen_coverage)
    roots: list[int] = []
    for number, part in enumerate(parts):
        mesh_name = f"SM_{name}_{part.name}" if part.name else f"SM_{name}"
        meshes = _add_part(file, mesh_name, part, lods)
        if billboard is not None and number == 0:
            quad = file.add_mesh(f"{mesh_name}_LOD{len(lods)}", billboard.quad, material=1)
            meshes = replace(meshes, lods=(*meshes.lods, quad), billboard_extras=billboard.extras)
        for copy, placement in enumerate(part.placements):
            nodes = _add_copy(file, meshes, coverages, layout)
            if part.name:
                copy_name = part.name if copy == 0 else f"{part.name}_{copy + 1}"
                nodes = [file.add_group(copy_name, nodes, placement)]
            roots += nodes
        progress(Stage.EXPORT, 0.2 * (number + 1) / len(parts))
    if any(part.name for part in parts):
        roots = [file.add_group(name, roots)]
    _add_material(file, name, material, options.texture_format, progress)
    if billboard is not None:
        own = f"{name}_Billboard"
        _add_material(file, own, billboard.material, options.texture_format, progress)
    content = file.to_glb(scene_name=name, scene_nodes=roots)
    progress(Stage.EXPORT, 1.0)
    logger.info(
        "export: %d LODs, %d parts, %d hulls, %d textures -> %s bytes",
        len(lods),
        len(parts),
        sum(len(part.hulls) for part in parts),
        len(file.images),
        f"{len(content):,}",
    )
    return content


@dataclass(frozen=True, kw_only=True)
class _PartMeshes:
    """The meshes of a part in the file, with their names: LODs finest first, and hulls."""

    lods: tuple[int, ...]
    hulls: tuple[int, ...]
    hull_extras: tuple[JsonObject, ...]
    billboard_extras: JsonObject = field(default_factory=dict)


def _add_part(
    file: "_File", mesh_name: str, part: ExportPart, lods: Sequence[UnwrappedMesh]
) -> _PartMeshes:
    """Write the meshes of a part, relative to its pivot."""
    levels = []
    for level, (lod, mask) in enumerate(zip(lods, part.face_masks, strict=True)):
        if mask.any():
            alone = lod if mask.all() else _only(lod, mask)
            relative = _relative(alone, part.frame)
            levels.append(file.add_mesh(f"{mesh_name}_LOD{level}", relative))
    assert levels, f"{mesh_name} has no faces at any LOD"
    hulls, extras = [], []
    for number, hull in enumerate(part.hulls):
        moved = relative_hull(hull, part.frame)
        prefix, description = describe_hull(moved)
        hulls.append(file.add_hull(f"{prefix}_{mesh_name}_LOD0_{number:02d}", moved))
        extras.append(description)
    return _PartMeshes(lods=tuple(levels), hulls=tuple(hulls), hull_extras=tuple(extras))


def _add_copy(
    file: "_File", meshes: _PartMeshes, coverages: Sequence[float], layout: Layout
) -> list[int]:
    """Add nodes that show a part once; return those that belong into the scene."""
    levels = [file.add_node(mesh) for mesh in meshes.lods]
    hulls = [file.add_node(mesh) for mesh in meshes.hulls]
    for node, extras in zip(hulls, meshes.hull_extras, strict=True):
        if extras:
            file.nodes[node]["extras"] = {"collision": extras}
    if meshes.billboard_extras:
        file.nodes[levels[-1]]["extras"] = {"impostor": meshes.billboard_extras}
    if len(coverages) > 1:
        first = file.nodes[levels[0]]
        first["extras"] = {"MSFT_screencoverage": list(coverages[: len(levels)])}
        if not layout.lods_in_scene and len(levels) > 1:
            first["extensions"] = {"MSFT_lod": {"ids": levels[1:]}}
            file.extensions_used.add("MSFT_lod")
    shown = levels if layout.lods_in_scene else levels[:1]
    return shown + (hulls if layout.hulls_in_scene else [])


def _only(lod: UnwrappedMesh, mask: NDArray[np.bool_]) -> UnwrappedMesh:
    """Some faces of a LOD, on the vertices that they need."""
    used, faces = np.unique(lod.faces[mask], return_inverse=True)
    return UnwrappedMesh(
        positions=lod.positions[used],
        normals=lod.normals[used],
        tangents=lod.tangents[used],
        uvs=lod.uvs[used],
        faces=faces.reshape(-1, 3).astype(np.int32),
        face_source=lod.face_source[mask],
    )


def _relative(lod: UnwrappedMesh, frame: Matrix) -> UnwrappedMesh:
    """A LOD as seen from a frame."""
    if np.array_equal(frame, np.eye(4)):
        return lod
    back = frame[:3, :3].T
    tangents = np.concatenate([_turned(lod.tangents[:, :3], back), lod.tangents[:, 3:]], axis=1)
    return replace(
        lod,
        positions=_turned(lod.positions - frame[:3, 3], back),
        normals=_turned(lod.normals, back),
        tangents=tangents,
    )


def _turned(vectors: NDArray[np.floating], rotation: Matrix) -> FloatArray:
    x, y, z = vectors.astype(np.float64).T
    turned = np.stack([row[0] * x + row[1] * y + row[2] * z for row in rotation], axis=1)
    return turned.astype(np.float32)


class _File:
    """A GLB in the making: the JSON's lists, and the binary chunk that their entries point into."""

    def __init__(self) -> None:
        self.nodes: list[JsonObject] = []
        self.meshes: list[JsonObject] = []
        self.materials: list[JsonObject] = []
        self.textures: list[JsonObject] = []
        self.images: list[JsonObject] = []
        self.accessors: list[JsonObject] = []
        self.extensions_used: set[str] = set()
        self._views: list[JsonObject] = []
        self._binary = bytearray()

    def add_mesh(self, name: str, lod: UnwrappedMesh, *, material: int = 0) -> int:
        """Add a LOD on the vertices that it needs; return the mesh."""
        order, faces = _cache_order(lod.faces, len(lod.positions))
        primitive: JsonObject = {
            "attributes": {
                "POSITION": self._vertices(lod.positions[order], "VEC3", with_bounds=True),
                "NORMAL": self._vertices(lod.normals[order], "VEC3"),
                "TANGENT": self._vertices(lod.tangents[order], "VEC4"),
                "TEXCOORD_0": self._vertices(lod.uvs[order], "VEC2"),
            },
            "indices": self._indices(faces, len(order)),
            "material": material,
        }
        return self._mesh(name, primitive)

    def add_hull(self, name: str, hull: Hull) -> int:
        """Add a collision hull; return the mesh."""
        primitive: JsonObject = {
            "attributes": {"POSITION": self._vertices(hull.positions, "VEC3", with_bounds=True)},
            "indices": self._indices(hull.faces, len(hull.positions)),
        }
        return self._mesh(name, primitive)

    def add_node(self, mesh: int) -> int:
        """Add a node of the mesh's name that shows it; return the node."""
        self.nodes.append({"name": self.meshes[mesh]["name"], "mesh": mesh})
        return len(self.nodes) - 1

    def add_group(self, name: str, children: list[int], placement: Matrix | None = None) -> int:
        """Add a node above others; return it."""
        node: JsonObject = {"name": name, "children": children}
        if placement is not None and not np.array_equal(placement, np.eye(4)):
            node.update(_decomposed(placement))
        self.nodes.append(node)
        return len(self.nodes) - 1

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

    def _mesh(self, name: str, primitive: JsonObject) -> int:
        self.meshes.append({"name": name, "primitives": [primitive]})
        return len(self.meshes) - 1

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


def _decomposed(placement: Matrix) -> JsonObject:
    """Translation, rotation and scale of a placement, those that do something."""
    scale = np.linalg.norm(placement[:3, :3], axis=0)
    if np.linalg.det(placement[:3, :3]) < 0:
        scale[0] = -scale[0]
    turn = placement[:3, :3] / scale
    # The quaternion is the eigenvector of a symmetric matrix: no case is near a division by 0.
    (a, b, c), (d, e, f), (g, h, i) = turn
    form = [
        [a - e - i, b + d, c + g, h - f],
        [b + d, e - a - i, f + h, c - g],
        [c + g, f + h, i - a - e, d - b],
        [h - f, c - g, d - b, a + e + i],
    ]
    quaternion = np.linalg.eigh(np.array(form))[1][:, -1]
    if quaternion[3] < 0:
        quaternion = -quaternion
    node: JsonObject = {}
    if placement[:3, 3].any():
        node["translation"] = placement[:3, 3].tolist()
    if not np.allclose(turn, np.eye(3), atol=1e-9):
        node["rotation"] = quaternion.tolist()
    if not np.allclose(scale, 1.0, atol=1e-9):
        node["scale"] = scale.tolist()
    return node


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
            file.extensions_used.add("KHR_materials_emissive_strength")
    if material.alpha_mode != "OPAQUE":
        written["alphaMode"] = material.alpha_mode
    if material.alpha_mode == "MASK":
        written["alphaCutoff"] = float(material.alpha_cutoff)
    if material.double_sided:
        written["doubleSided"] = True
    file.materials.append(written)
