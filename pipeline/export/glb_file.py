"""A GLB in the making: the JSON's lists, and the binary chunk that their entries point into.

The container is written here, not by pygltflib: it is a header and two chunks, and key order and
padding decide over the same bytes from the same input.

Source: glTF 2.0 specification, Khronos Group, 2021; extensions from KhronosGroup/glTF,
extensions/2.0.
"""

import json
import struct
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from pipeline.export.hulls import JsonObject
from pipeline.export.packing import (
    Grid,
    compressed_triangles,
    compressed_vertices,
    in_words,
    snapped_directions,
    snapped_positions,
    snapped_uvs,
)
from pipeline.export.profiles import Packing
from pipeline.export.textures import EncodedTexture
from pipeline.types import FloatArray, Hull, IntArray, UnwrappedMesh

Matrix = NDArray[np.float64]

_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_COMPONENT_TYPES = {"f4": 5126, "u2": 5123, "u4": 5125, "i1": 5120}
_KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071
# What a picture needs beyond glTF itself, by its type.
_TEXTURE_EXTENSIONS = {"image/webp": "EXT_texture_webp", "image/ktx2": "KHR_texture_basisu"}
_MESHOPT = "EXT_meshopt_compression"


class GlbFile:
    """A GLB in the making. `nodes` and `materials` are open for the writer to add to."""

    def __init__(self, packing: Packing = "none") -> None:
        self.nodes: list[JsonObject] = []
        self.materials: list[JsonObject] = []
        self.extensions_used: set[str] = set()
        self.image_count = 0
        self._packing = packing
        self._meshes: list[JsonObject] = []
        self._grids: dict[int, Grid] = {}  # mesh -> where its integers are
        self._textures: list[JsonObject] = []
        self._images: list[JsonObject] = []
        self._accessors: list[JsonObject] = []
        self._extensions_required: set[str] = set()
        self._views: list[JsonObject] = []
        self._binary = bytearray()
        self._unpacked_length = 0  # of the buffer that meshopt streams decode into

    @property
    def is_packed(self) -> bool:
        """Whether meshes need a grid."""
        return self._packing != "none"

    def extras_of(self, node: int) -> JsonObject:
        """What a node says beyond glTF."""
        extras = self.nodes[node].get("extras", {})
        assert isinstance(extras, dict)
        return extras

    def add_mesh(
        self, name: str, lod: UnwrappedMesh, *, material: int = 0, grid: Grid | None = None
    ) -> int:
        """Add a LOD on the vertices that it needs; return the mesh. Packed if there is a grid."""
        order, faces = _cache_order(lod.faces, len(lod.positions))
        positions, uvs = lod.positions[order], lod.uvs[order]
        normals, tangents = lod.normals[order], lod.tangents[order]
        attributes: JsonObject
        if grid is None:
            attributes = {
                "POSITION": self._floats(positions, with_bounds=True),
                "NORMAL": self._floats(normals),
                "TANGENT": self._floats(tangents),
                "TEXCOORD_0": self._floats(uvs),
            }
        else:
            self._require("KHR_mesh_quantization")
            attributes = {
                "POSITION": self._integers(snapped_positions(positions, grid), with_bounds=True),
                "NORMAL": self._integers(snapped_directions(normals)),
                "TANGENT": self._integers(snapped_directions(tangents)),
                "TEXCOORD_0": self._integers(snapped_uvs(uvs)),
            }
        if lod.lightmap_uvs is not None:
            second = lod.lightmap_uvs[order]
            attributes["TEXCOORD_1"] = (
                self._floats(second) if grid is None else self._integers(snapped_uvs(second))
            )
        indices = self._indices(faces, len(order))
        mesh = self._mesh(
            name, {"attributes": attributes, "indices": indices, "material": material}
        )
        if grid is not None:
            self._grids[mesh] = grid
        return mesh

    def add_hull(self, name: str, hull: Hull) -> int:
        """Add a collision hull, never packed; return the mesh."""
        primitive: JsonObject = {
            "attributes": {"POSITION": self._floats(hull.positions, with_bounds=True)},
            "indices": self._indices(hull.faces, len(hull.positions), is_plain=True),
        }
        return self._mesh(name, primitive)

    def add_node(self, mesh: int) -> int:
        """Add a node of the mesh's name that shows it; return the node."""
        node: JsonObject = {"name": self._meshes[mesh]["name"], "mesh": mesh}
        if (grid := self._grids.get(mesh)) is not None:
            node["translation"] = list(grid.origin_m)
            node["scale"] = [grid.size_m] * 3
        self.nodes.append(node)
        return len(self.nodes) - 1

    def add_group(self, name: str, children: list[int], placement: Matrix | None = None) -> int:
        """Add a node above others; return it."""
        node: JsonObject = {"name": name, "children": children}
        if placement is not None and not np.array_equal(placement, np.eye(4)):
            node.update(_decomposed(placement))
        self.nodes.append(node)
        return len(self.nodes) - 1

    def add_texture(self, name: str, texture: EncodedTexture) -> int:
        """Add an encoded picture with its texture; return the texture."""
        view = self._view(texture.content, None)
        self._images.append({"name": name, "mimeType": texture.mime_type, "bufferView": view})
        source = {"source": len(self._images) - 1}
        self.image_count = len(self._images)
        entry: JsonObject = {"name": name, "sampler": 0}
        if (extension := _TEXTURE_EXTENSIONS.get(texture.mime_type)) is None:
            entry.update(source)
        else:
            self._require(extension)
            entry["extensions"] = {extension: source}
        self._textures.append(entry)
        return len(self._textures) - 1

    def to_glb(
        self, *, scene_name: str, scene_nodes: Sequence[int], extras: JsonObject | None = None
    ) -> bytes:
        """Return the finished file. extras: goes into `asset`."""
        asset: JsonObject = {"version": "2.0", "generator": f"Lodsmith {_lodsmith_version()}"}
        if extras:
            asset["extras"] = extras
        buffers: list[JsonObject] = [{"byteLength": len(self._binary)}]
        if self._unpacked_length:
            # It has no bytes: a reader that cannot decode cannot read the file either.
            fallback: JsonObject = {_MESHOPT: {"fallback": True}}
            buffers.append({"byteLength": self._unpacked_length, "extensions": fallback})
        root: JsonObject = {
            "asset": asset,
            "scene": 0,
            "scenes": [{"name": scene_name, "nodes": list(scene_nodes)}],
            "nodes": self.nodes,
            "meshes": self._meshes,
            "materials": self.materials,
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": buffers,
        }
        if self._textures:
            root["textures"] = self._textures
            root["images"] = self._images
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
        if self._extensions_required:
            root["extensionsRequired"] = sorted(self._extensions_required)
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
        self._meshes.append({"name": name, "primitives": [primitive]})
        return len(self._meshes) - 1

    def _require(self, extension: str) -> None:
        self.extensions_used.add(extension)
        self._extensions_required.add(extension)

    def _floats(self, rows: FloatArray, *, with_bounds: bool = False) -> int:
        rows = np.ascontiguousarray(rows, np.dtype("<f4"))
        assert np.isfinite(rows).all()
        view = self._view(rows.tobytes(), _ARRAY_BUFFER)
        return self._accessor(view, rows, with_bounds=with_bounds)

    def _integers(
        self, rows: NDArray[np.uint16] | NDArray[np.int8], *, with_bounds: bool = False
    ) -> int:
        """Add vertices as normalized integers."""
        words = in_words(rows.astype(rows.dtype.newbyteorder("<")))
        stride = words.shape[1]
        if self._packing == "meshopt":
            view = self._packed_view(
                compressed_vertices(words), _ARRAY_BUFFER, "ATTRIBUTES", len(rows), stride
            )
        else:
            view = self._view(words.tobytes(), _ARRAY_BUFFER)
        self._views[view]["byteStride"] = stride
        accessor = self._accessor(view, rows, with_bounds=with_bounds)
        self._accessors[accessor]["normalized"] = True
        return accessor

    def _indices(self, faces: IntArray, vertex_count: int, *, is_plain: bool = False) -> int:
        # 65535 is the strip restart value, so 65,535 vertices are the most that 16 bits address.
        dtype = np.dtype("<u2" if vertex_count <= 65535 else "<u4")
        indices = faces.reshape(-1, 1).astype(dtype)
        if self._packing == "meshopt" and not is_plain:
            packed = compressed_triangles(faces, vertex_count)
            view = self._packed_view(
                packed, _ELEMENT_ARRAY_BUFFER, "TRIANGLES", len(indices), dtype.itemsize
            )
        else:
            view = self._view(indices.tobytes(), _ELEMENT_ARRAY_BUFFER)
        return self._accessor(view, indices)

    def _accessor(self, view: int, rows: NDArray[np.generic], *, with_bounds: bool = False) -> int:
        accessor: JsonObject = {
            "bufferView": view,
            "componentType": _COMPONENT_TYPES[f"{rows.dtype.kind}{rows.dtype.itemsize}"],
            "count": len(rows),
            "type": _KINDS[rows.shape[1]],
        }
        if with_bounds:
            # A double prints every float32 exactly, so readers find the very bounds they expect.
            # Bounds of normalized integers are the integers themselves.
            exact = int if rows.dtype.kind == "u" else float
            accessor["min"] = rows.min(axis=0).astype(exact).tolist()
            accessor["max"] = rows.max(axis=0).astype(exact).tolist()
        self._accessors.append(accessor)
        return len(self._accessors) - 1

    def _view(self, content: bytes, target: int | None) -> int:
        view: JsonObject = {
            "buffer": 0,
            "byteOffset": self._append(content),
            "byteLength": len(content),
        }
        if target is not None:
            view["target"] = target
        self._views.append(view)
        return len(self._views) - 1

    def _packed_view(self, content: bytes, target: int, mode: str, count: int, stride: int) -> int:
        """Add a meshopt stream, and the place in the fallback buffer where it is decoded to."""
        self._require(_MESHOPT)
        start = self._unpacked_length
        self._unpacked_length += (count * stride + 3) // 4 * 4
        stream: JsonObject = {
            "buffer": 0,
            "byteOffset": self._append(content),
            "byteLength": len(content),
            "byteStride": stride,
            "mode": mode,
            "count": count,
        }
        view: JsonObject = {
            "buffer": 1,
            "byteOffset": start,
            "byteLength": count * stride,
            "target": target,
            "extensions": {_MESHOPT: stream},
        }
        self._views.append(view)
        return len(self._views) - 1

    def _append(self, content: bytes) -> int:
        """Add bytes to the binary chunk, aligned; return where they start."""
        self._binary += b"\0" * (-len(self._binary) % 4)
        start = len(self._binary)
        self._binary += content
        return start


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
