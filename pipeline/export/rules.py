"""What an engine's importer asks of a file, checked on the finished bytes.

Knows nothing of how the file was written: it reads the GLB anew, so that a fault of the writer
shows here, and not in the engine. Sources of the limits: docs/profiles.md.
"""

import ctypes
import io
import json
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from pipeline.errors import ProfileViolation
from pipeline.export.profiles import LAYOUTS, Layout, Profile

Json = Mapping[str, Any]  # Any: a file is free-form JSON until the rules have seen it
Rows = NDArray[np.generic]

_MESHOPT = "EXT_meshopt_compression"
_PACKED = frozenset({_MESHOPT, "KHR_mesh_quantization", "EXT_texture_webp", "KHR_texture_basisu"})
_PLAIN_TYPES = ("image/png", "image/jpeg")
_PACKED_TYPES = (*_PLAIN_TYPES, "image/webp", "image/ktx2")
_DTYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_KTX2_MAGIC = b"\xabKTX 20\xbb\r\n\x1a\n"

_LOD_NAME = re.compile(r"SM_[A-Za-z0-9]+(?:_[A-Za-z0-9]+)?_LOD(\d+)")
_HULL_NAME = re.compile(r"U(?:CX|BX|SP|CP)_SM_[A-Za-z0-9]+(?:_[A-Za-z0-9]+)?_LOD0_\d\d+")
# What Godot's importer acts on at the end of a name, after "-", "$" or "_", in any case.
_GODOT_SUFFIX = re.compile(
    r"[-$_](noimp|col|convcol|colonly|convcolonly|occ|occonly|navmesh|vehicle|wheel|rigid|loop|"
    r"cycle|alpha|vcol)$",
    re.IGNORECASE,
)
# A hull is convex if no vertex stands out of a face by more than this share of its size.
_CONVEX_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A rule that a file breaks. way_out: what the caller can do, as a clause."""

    rule: str
    found: str
    allowed: str
    way_out: str


def check_glb(glb: bytes, profile: Profile) -> tuple[str, ...]:
    """Check a file by all rules of its profile.

    Returns:
        What is allowed but not good, one sentence each.

    Raises:
        ProfileViolation: At the first rule that is broken.
    """
    layout = LAYOUTS[profile]
    file = _opened(glb)
    for rule in _RULES:
        for finding in rule(file, layout):
            raise ProfileViolation(
                f"profile {profile}, rule {finding.rule}: found {finding.found}, allowed is "
                f"{finding.allowed}; {finding.way_out}",
                profile=profile,
                rule=finding.rule,
                found=finding.found,
                allowed=finding.allowed,
            )
    return tuple(_warnings(file, profile))


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """A mesh with all its primitives' numbers, in its own space."""

    name: str
    positions: NDArray[np.float64]
    faces: NDArray[np.int64]
    uvs: NDArray[np.float64] | None


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """An image of the file. width, height: 0 if it cannot be opened."""

    name: str
    mime_type: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class _Glb:
    """A file, read. in_scene: nodes of the scene. lods: `_LOD<k>` nodes. hulls: collision nodes."""

    root: Json
    meshes: tuple[_Drawn, ...]
    pictures: tuple[_Picture, ...]
    in_scene: frozenset[int]
    hulls: tuple[int, ...]

    @property
    def nodes(self) -> Sequence[Json]:
        """All nodes."""
        nodes: Sequence[Json] = self.root["nodes"]
        return nodes

    def level(self, node: int) -> int | None:
        """Which LOD a node shows, by its name."""
        match = _LOD_NAME.fullmatch(self.nodes[node].get("name", ""))
        return int(match[1]) if match else None

    def chains(self) -> list[list[int]]:
        """Per copy of a part its LOD nodes, in the order of the file."""
        chains = []
        for siblings in _families(self.root):
            by_stem: dict[str, list[int]] = {}
            for node in siblings:
                if self.level(node) is not None:
                    stem = re.sub(r"\d+$", "", self.nodes[node]["name"])
                    by_stem.setdefault(stem, []).append(node)
            chains += list(by_stem.values())
        return [_linked(self.nodes, chain) for chain in chains]


def _linked(nodes: Sequence[Json], chain: list[int]) -> list[int]:
    """A chain with the nodes that hang on it by `MSFT_lod`."""
    ids = [
        other
        for node in chain
        for other in nodes[node].get("extensions", {}).get("MSFT_lod", {}).get("ids", [])
    ]
    return [*chain, *ids]


def _families(root: Json) -> list[list[int]]:
    """Nodes that hang together: the scene's roots, and each node's children."""
    return [list(root["scenes"][root["scene"]]["nodes"])] + [
        list(node["children"]) for node in root["nodes"] if "children" in node
    ]


# ---------------------------------------------------------------------------------------- reading


def _opened(glb: bytes) -> _Glb:
    magic, _, length = struct.unpack_from("<4sII", glb)
    assert magic == b"glTF"
    assert length == len(glb), "the file is cut short"
    (json_bytes,) = struct.unpack_from("<I", glb, 12)
    root: Json = json.loads(glb[20 : 20 + json_bytes])
    binary = glb[20 + json_bytes + 8 :]
    in_scene: set[int] = set()
    todo = list(root["scenes"][root["scene"]]["nodes"])
    while todo:
        node = todo.pop()
        in_scene.add(node)
        todo += root["nodes"][node].get("children", [])
    return _Glb(
        root=root,
        meshes=tuple(_drawn(root, binary, mesh) for mesh in root["meshes"]),
        pictures=tuple(_picture(root, binary, image) for image in root.get("images", [])),
        in_scene=frozenset(in_scene),
        hulls=tuple(
            index
            for index, node in enumerate(root["nodes"])
            if re.match(r"U(CX|BX|SP|CP)_", node.get("name", ""))
        ),
    )


def _drawn(root: Json, binary: bytes, mesh: Json) -> _Drawn:
    positions, faces, uvs, first = [], [], [], 0
    for primitive in mesh["primitives"]:
        attributes = primitive["attributes"]
        rows = _numbers(root, binary, attributes["POSITION"])
        indices = _rows(root, binary, primitive["indices"]).astype(np.int64)
        positions.append(rows)
        faces.append(indices.reshape(-1, 3) + first)
        first += len(rows)
        if "TEXCOORD_0" in attributes:
            uvs.append(_numbers(root, binary, attributes["TEXCOORD_0"]))
    return _Drawn(
        name=mesh.get("name", ""),
        positions=np.concatenate(positions),
        faces=np.concatenate(faces),
        uvs=np.concatenate(uvs) if uvs else None,
    )


def _numbers(root: Json, binary: bytes, accessor: int) -> NDArray[np.float64]:
    """An accessor's rows as what they mean: normalized integers are shares."""
    rows = _rows(root, binary, accessor)
    numbers = rows.astype(np.float64)
    if root["accessors"][accessor].get("normalized"):
        numbers = np.maximum(numbers / _largest(root["accessors"][accessor]), -1.0)
    return numbers


def _largest(accessor: Json) -> float:
    """What stands for 1: of normalized integers their largest."""
    if not accessor.get("normalized"):
        return 1.0
    return float({5120: 127, 5121: 255, 5122: 32767, 5123: 65535}[accessor["componentType"]])


def _rows(root: Json, binary: bytes, accessor: int) -> Rows:
    """An accessor's rows as stored, `[N, C]`."""
    entry = root["accessors"][accessor]
    view = root["bufferViews"][entry["bufferView"]]
    dtype = np.dtype(_DTYPES[entry["componentType"]])
    width = _WIDTHS[entry["type"]]
    stride = view.get("byteStride", dtype.itemsize * width)
    content = _view_bytes(view, binary)
    start = entry.get("byteOffset", 0)
    return np.ndarray((entry["count"], width), dtype, content, start, (stride, dtype.itemsize))


def _cut(binary: bytes, view: Json) -> bytes:
    start = view.get("byteOffset", 0)
    return binary[start : start + view["byteLength"]]


def _view_bytes(view: Json, binary: bytes) -> bytes:
    packed = view.get("extensions", {}).get(_MESHOPT)
    if packed is None:
        assert view["buffer"] == 0
        return _cut(binary, view)
    stream = _cut(binary, packed)
    return _decoded(stream, packed["mode"], packed["count"], packed["byteStride"])


def _decoded(stream: bytes, mode: str, count: int, stride: int) -> bytes:
    """Decode a meshopt stream.

    By the library itself: the Python binding's own `decode_vertex_buffer` writes past the end of
    the array that it allocates.
    """
    from meshoptimizer._loader import lib

    decode = {
        "ATTRIBUTES": lib.meshopt_decodeVertexBuffer,
        "TRIANGLES": lib.meshopt_decodeIndexBuffer,
    }[mode]
    content = ctypes.create_string_buffer(count * stride)
    # Declared for both, because they differ in what the binding says.
    decode.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
    ]  # fmt: skip
    decode.restype = ctypes.c_int
    encoded = ctypes.create_string_buffer(stream, len(stream))
    failed = decode(content, count, stride, encoded, len(stream))
    assert failed == 0, f"a meshopt stream of mode {mode} does not decode"
    return content.raw


def _picture(root: Json, binary: bytes, image: Json) -> _Picture:
    content = _view_bytes(root["bufferViews"][image["bufferView"]], binary)
    width = height = 0
    found = image["mimeType"]
    if content.startswith(_KTX2_MAGIC):
        width, height = struct.unpack_from("<II", content, 20)
        found = "image/ktx2"
    else:
        try:
            with PillowImage.open(io.BytesIO(content)) as picture:
                width, height = picture.size
                found = picture.get_format_mimetype() or found
        except UnidentifiedImageError:
            pass  # size 0 breaks a rule
    return _Picture(name=image.get("name", ""), mime_type=found, width=width, height=height)


# ------------------------------------------------------------------------------------------ rules

_Rule = Callable[[_Glb, Layout], Iterator[Finding]]


def _names(file: _Glb, layout: Layout) -> Iterator[Finding]:
    """Importers and our clients find things by name."""
    for index, node in enumerate(file.nodes):
        if "mesh" not in node:
            continue
        name = node.get("name", "")
        is_hull_name = _HULL_NAME.fullmatch(name.removesuffix(layout.hull_suffix))
        if file.level(index) is None and not (is_hull_name and name.endswith(layout.hull_suffix)):
            yield Finding(
                rule="names",
                found=f"a node {name!r}",
                allowed=f"SM_<Name>_LOD<k> and UCX_SM_<Name>_LOD0_<nn>{layout.hull_suffix}",
                way_out="this is a fault of the writer: please report it",
            )
    for kind in ("meshes", "materials", "images"):
        names = Counter(entry.get("name", "") for entry in file.root.get(kind, []))
        for name, count in names.items():
            if count > 1 or not name:
                yield Finding(
                    rule="unique_names",
                    found=f"{count} {kind} named {name!r}",
                    allowed="one",
                    way_out="give parts names that differ in letters and digits",
                )


def _godot_names(file: _Glb, layout: Layout) -> Iterator[Finding]:
    """Godot acts on suffixes, whether meant or not."""
    if layout is not LAYOUTS["godot"]:
        return
    meant = {file.nodes[hull]["name"] for hull in file.hulls}
    for kind in ("nodes", "meshes", "materials"):
        for entry in file.root.get(kind, []):
            name = entry.get("name", "")
            if name not in meant and (match := _GODOT_SUFFIX.search(name)):
                yield Finding(
                    rule="godot_suffix",
                    found=f"{name!r} among the {kind}",
                    allowed=f"no name that ends in {match[0]!r}, on which Godot acts",
                    way_out="choose another name for the asset or the part",
                )


def _extensions(file: _Glb, layout: Layout) -> Iterator[Finding]:
    """An importer refuses a file that requires what it does not know."""
    required = frozenset(file.root.get("extensionsRequired", []))
    allowed = _PACKED if layout.takes_packed else frozenset()
    if required - allowed:
        yield Finding(
            rule="extensions_required",
            found=", ".join(sorted(required - allowed)),
            allowed=", ".join(sorted(allowed)) or "none",
            way_out="set compression none and texture_format auto",
        )


def _materials(file: _Glb, layout: Layout) -> Iterator[Finding]:
    """Without metallicFactor a material is all metal, and importers differ on what is missing."""
    for material in file.root.get("materials", []):
        metal = material.get("pbrMetallicRoughness", {})
        missing = [key for key in ("metallicFactor", "roughnessFactor") if key not in metal]
        if missing:
            yield Finding(
                rule="factors",
                found=f"{material.get('name')} without {', '.join(missing)}",
                allowed="both written",
                way_out="this is a fault of the writer: please report it",
            )
    for mesh in file.root["meshes"]:
        is_drawn = _LOD_NAME.fullmatch(mesh.get("name", ""))
        if is_drawn and any("material" not in primitive for primitive in mesh["primitives"]):
            yield Finding(
                rule="material",
                found=f"{mesh['name']} without a material",
                allowed="one material",
                way_out="this is a fault of the writer: please report it",
            )


def _pictures(file: _Glb, layout: Layout) -> Iterator[Finding]:
    types = _PACKED_TYPES if layout.takes_packed else _PLAIN_TYPES
    declared = [image["mimeType"] for image in file.root.get("images", [])]
    for picture, mime_type in zip(file.pictures, declared, strict=True):
        if picture.mime_type != mime_type or mime_type not in types or not picture.width:
            yield Finding(
                rule="texture_format",
                found=f"{picture.name} as {picture.mime_type}, declared {mime_type}",
                allowed=", ".join(types),
                way_out="set texture_format auto",
            )
        if max(picture.width, picture.height) > layout.max_texture_size:
            yield Finding(
                rule="texture_size",
                found=f"{picture.name} of {picture.width} x {picture.height} texels",
                allowed=f"at most {layout.max_texture_size}",
                way_out=f"set max_texture_size {layout.max_texture_size}",
            )


def _numbers_are_sound(file: _Glb, layout: Layout) -> Iterator[Finding]:
    for mesh in file.meshes:
        fault = None
        if not np.isfinite(mesh.positions).all():
            fault = "positions that are not finite"
        elif mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.positions):
            fault = f"index {mesh.faces.max()} with {len(mesh.positions)} vertices"
        elif mesh.uvs is not None and not (mesh.uvs.min() >= 0 and mesh.uvs.max() <= 1):
            fault = f"UVs in {mesh.uvs.min():g}..{mesh.uvs.max():g}"
        if fault:
            yield Finding(
                rule="numbers",
                found=f"{mesh.name} with {fault}",
                allowed="finite positions, indices of vertices, UVs in 0..1",
                way_out="this is a fault of the writer: please report it",
            )


def _bounds(file: _Glb, layout: Layout) -> Iterator[Finding]:
    """Engines cull by the bounds in the JSON and never look at the vertices."""
    accessors = file.root["accessors"]
    for drawn, mesh in zip(file.meshes, file.root["meshes"], strict=True):
        first = accessors[mesh["primitives"][0]["attributes"]["POSITION"]]
        for key, found in (
            ("min", drawn.positions.min(axis=0)),
            ("max", drawn.positions.max(axis=0)),
        ):
            said = np.array(first.get(key, [np.nan] * 3)) / _largest(first)
            if not np.array_equal(said, found):
                yield Finding(
                    rule="bounds",
                    found=f"{drawn.name} whose {key} is {said.tolist()}, not {found.tolist()}",
                    allowed="those of the vertices",
                    way_out="this is a fault of the writer: please report it",
                )


def _triangles(file: _Glb, layout: Layout) -> Iterator[Finding]:
    limit = layout.max_mesh_triangles
    for mesh in file.meshes:
        if limit is not None and len(mesh.faces) > limit:
            yield Finding(
                rule="mesh_triangles",
                found=f"{mesh.name} with {len(mesh.faces):,} triangles",
                allowed=f"at most {limit:,} per mesh",
                way_out=f"ask for a LOD0 of at most {limit:,} triangles, or keep parts separate",
            )


def _lod_order(file: _Glb, layout: Layout) -> Iterator[Finding]:
    totals: Counter[int] = Counter()
    for mesh in file.meshes:
        if match := _LOD_NAME.fullmatch(mesh.name):
            totals[int(match[1])] += len(mesh.faces)
    counts = [totals[level] for level in sorted(totals)]
    if counts != sorted(counts, reverse=True):
        yield Finding(
            rule="lod_order",
            found=f"LODs of {', '.join(f'{count:,}' for count in counts)} triangles",
            allowed="counts that never rise",
            way_out="ask for budgets that fall",
        )


def _chains(file: _Glb, layout: Layout) -> Iterator[Finding]:
    for chain in file.chains():
        name = file.nodes[chain[0]]["name"]
        levels = [file.level(node) for node in chain]
        extras = file.nodes[chain[0]].get("extras", {})
        first = levels[0] or 0
        if levels != list(range(first, first + len(chain))):
            yield Finding(
                rule="lod_names",
                found=f"LODs {levels} of {name}",
                allowed="numbers without gaps, rising",
                way_out="this is a fault of the writer: please report it",
            )
        if layout.max_lods is not None and len(chain) > layout.max_lods:
            yield Finding(
                rule="lod_count",
                found=f"{len(chain)} LODs",
                allowed=f"at most {layout.max_lods}",
                way_out="ask for fewer LODs",
            )
        if layout.lods == "files" and len(chain) > 1:
            yield Finding(
                rule="lods_in_file",
                found=f"{len(chain)} LODs of {name}",
                allowed="one per file",
                way_out="this is a fault of the writer: please report it",
            )
        coverages = extras.get("MSFT_screencoverage")
        expected = len(chain) + len(extras.get("lod_files", []))
        if coverages is None and len(chain) == 1:
            continue
        if (
            coverages is None
            or len(coverages) != expected
            or list(coverages) != sorted(set(coverages), reverse=True)
            or not 0 < coverages[-1] <= coverages[0] <= 1
        ):
            yield Finding(
                rule="screen_coverage",
                found=f"{coverages} for {expected} LODs of {name}",
                allowed="one falling value in (0, 1] per LOD",
                way_out="this is a fault of the writer: please report it",
            )


def _scene(file: _Glb, layout: Layout) -> Iterator[Finding]:
    """What is in the scene is drawn; what is not may be lost."""
    outside = {index for index in range(len(file.nodes)) if index not in file.in_scene}
    lods = {index for index in range(len(file.nodes)) if (file.level(index) or 0) > 0}
    has_first = any(file.level(index) == 0 for index in file.in_scene)
    expected: set[int] = set()
    if layout.lods == "linked" and has_first:
        expected |= lods
    if layout.hulls == "unlisted":
        expected |= set(file.hulls)
    if outside != expected or (layout.hulls == "none" and file.hulls):
        wrong = outside ^ expected or set(file.hulls)
        names = ", ".join(sorted(file.nodes[index].get("name", "") for index in wrong))
        yield Finding(
            rule="scene",
            found=f"{names} on the wrong side",
            allowed=f"LODs {layout.lods}, hulls {layout.hulls}",
            way_out="this is a fault of the writer: please report it",
        )


def _hulls(file: _Glb, layout: Layout) -> Iterator[Finding]:
    for hull in {file.nodes[index]["mesh"] for index in file.hulls}:
        mesh = file.meshes[hull]
        if len(mesh.positions) > layout.max_hull_vertices:
            yield Finding(
                rule="hull_vertices",
                found=f"{mesh.name} with {len(mesh.positions)} vertices",
                allowed=f"at most {layout.max_hull_vertices}, as PhysX has it",
                way_out="set fewer vertices per hull in the collision options",
            )
        stands_out = _stands_out(mesh)
        size = float(np.ptp(mesh.positions, axis=0).max())
        if stands_out > _CONVEX_TOLERANCE * size:
            yield Finding(
                rule="hull_convex",
                found=f"{mesh.name} with a vertex {stands_out:g} m in front of a face",
                allowed="convex hulls",
                way_out="this is a fault of the collision stage: please report it",
            )


def _stands_out(mesh: _Drawn) -> float:
    """How far a vertex lies in front of a face at most."""
    a, b, c = (mesh.positions[mesh.faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    length = np.sqrt((normals**2).sum(axis=1))
    is_flat = length <= 1e-12
    normals = normals[~is_flat] / length[~is_flat, None]
    heights = [
        ((mesh.positions - corner) * normal).sum(axis=1).max()
        for corner, normal in zip(a[~is_flat], normals, strict=True)
    ]
    return float(max(heights, default=0.0))


_RULES: Sequence[_Rule] = (
    _names,
    _scene,
    _godot_names,
    _extensions,
    _materials,
    _pictures,
    _numbers_are_sound,
    _bounds,
    _triangles,
    _lod_order,
    _chains,
    _hulls,
)


def _warnings(file: _Glb, profile: Profile) -> Iterator[str]:
    for picture in file.pictures:
        sides = (picture.width, picture.height)
        if profile == "unreal" and any(side & (side - 1) for side in sides):
            yield (
                f"{picture.name} of {sides[0]} x {sides[1]} texels is no power of two: Unreal "
                "neither streams it nor makes mip levels of it"
            )
