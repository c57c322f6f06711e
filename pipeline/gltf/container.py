"""The glTF container: opens the file, follows its references, reads its arrays."""

import base64
import binascii
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import features

from pipeline.errors import InvalidInput, Unsupported
from pipeline.gltf.entry import Entry, broken, shorten
from pipeline.gltf.notes import Notes
from pipeline.types import FloatArray, Image, Progress, Stage

Rows = NDArray[np.int64]

_MAGIC = b"glTF"
_CHUNK_JSON = 0x4E4F534A
_CHUNK_BIN = 0x004E4942

_COMPONENT_TYPES: Mapping[int, type[np.generic]] = {
    5120: np.int8,
    5121: np.uint8,
    5122: np.int16,
    5123: np.uint16,
    5125: np.uint32,
    5126: np.float32,
}
_INDEX_TYPES = (5121, 5123, 5125)
_LARGEST: Mapping[int, int] = {5120: 127, 5121: 255, 5122: 32767, 5123: 65535}
_COMPONENT_COUNTS: Mapping[str, int] = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}

_COPY = 'for example with "npx @gltf-transform/cli copy in.glb out.glb"'
_WAYS_OUT: Mapping[str, str] = {
    "KHR_draco_mesh_compression": f"save it without Draco compression, {_COPY}",
    "EXT_meshopt_compression": f"save it without meshopt compression, {_COPY}",
    "KHR_meshopt_compression": f"save it without meshopt compression, {_COPY}",
    "KHR_texture_basisu": (
        "save it with PNG or JPEG textures, "
        'for example with "npx @gltf-transform/cli ktxdecompress in.glb out.glb"'
    ),
    "EXT_texture_webp": "save it with PNG or JPEG textures",
    "EXT_texture_avif": "save it with PNG or JPEG textures",
    "EXT_mesh_gpu_instancing": "save every instance as a node of its own",
}
_COMPRESSIONS = frozenset(_WAYS_OUT) - {"EXT_mesh_gpu_instancing"}
_UNDERSTOOD = frozenset(
    {
        "EXT_texture_webp",
        "KHR_materials_emissive_strength",
        "KHR_materials_pbrSpecularGlossiness",
        "KHR_materials_unlit",
        "KHR_mesh_quantization",
        "KHR_texture_transform",
        "MSFT_lod",
    }
)


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """How large a file may be. Checked before memory is spent.

    max_bytes: of the whole file.
    max_json_bytes: of its JSON part, which costs some twenty times its size while it is read.
    max_triangles: in the scene, instances counted as often as they appear.
    max_nodes: in the node graph.
    max_image_pixels: of one texture.
    max_total_image_pixels: of all textures together; 512 Mpx take 1.5 GB as RGB.
    """

    max_bytes: int = 1 << 30
    max_json_bytes: int = 64 << 20
    max_triangles: int = 20_000_000
    max_nodes: int = 100_000
    max_image_pixels: int = 64_000_000
    max_total_image_pixels: int = 512_000_000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise InvalidInput(f"{name} must be at least 1, got {value:,}")


@dataclass(frozen=True, kw_only=True)
class Accessor:
    """A typed array of the file, not yet converted.

    largest: what a normalized integer is divided by; 1 where numbers mean themselves.
    values: `[N, C]` view of the file's bytes, or None where all is zero.
    sparse_rows, sparse_values: rows that are stored apart, ascending; or None.
    """

    place: str
    count: int
    component_count: int
    dtype: np.dtype[np.generic]
    largest: int
    values: NDArray[np.generic] | None
    sparse_rows: Rows | None
    sparse_values: NDArray[np.generic] | None

    def take(self, rows: Rows) -> NDArray[np.generic]:
        """Return the given rows as stored, `[len(rows), C]`."""
        if self.values is None:
            taken = np.zeros((len(rows), self.component_count), self.dtype)
        else:
            taken = self.values[rows]
        if self.sparse_rows is not None and self.sparse_values is not None:
            slot = np.searchsorted(self.sparse_rows, rows)
            slot[slot == len(self.sparse_rows)] = 0
            hit = self.sparse_rows[slot] == rows
            taken[hit] = self.sparse_values[slot[hit]]
        return taken

    def take_floats(self, rows: Rows) -> FloatArray:
        """Return the given rows as float32; normalized integers in [0, 1] or [-1, 1]."""
        floats: FloatArray = self.take(rows).astype(np.float32)
        if self.largest > 1:
            # The lowest signed integer would come out just below -1.
            np.maximum(floats / np.float32(self.largest), np.float32(-1.0), out=floats)
        return floats


class Gltf:
    """An opened file: follows its references and checks them on the way.

    root: the JSON. binary: the GLB's binary chunk, or None. The file never changes, so what has
    been looked up is kept; `images` has what has been decoded.
    """

    def __init__(self, root: Entry, binary: memoryview | None, limits: ReadLimits) -> None:
        self.root = root
        self.limits = limits
        self._binary = binary
        self.images: dict[int, Image] = {}
        self._accessors: dict[int, Accessor] = {}
        self._lists: dict[str, list[Entry]] = {}
        self._buffers: dict[int, memoryview] = {}

    def items(self, kind: str) -> list[Entry]:
        """Return the top-level list `kind`, for example "meshes"."""
        if kind not in self._lists:
            self._lists[kind] = self.root.entries(kind)
        return self._lists[kind]

    def item(self, kind: str, index: int, asked_by: str) -> Entry:
        """Return one object of the top-level list `kind`."""
        items = self.items(kind)
        if not 0 <= index < len(items):
            raise broken(f"{asked_by} refers to {kind}[{index}], but there are {len(items)}")
        return items[index]

    def accessor(self, index: int, asked_by: str) -> Accessor:
        """Return accessor `index`, checked to lie inside its buffer."""
        if index not in self._accessors:
            self._accessors[index] = self._load_accessor(index, asked_by)
        return self._accessors[index]

    def bytes_of_view(self, index: int, asked_by: str) -> memoryview:
        """Return the bytes of buffer view `index`."""
        view = self.item("bufferViews", index, asked_by)
        buffer_index = view.integer("buffer")
        buffer = self._buffer(buffer_index, view.place)
        offset = view.integer("byteOffset", 0)
        length = view.integer("byteLength", at_least=1)
        if offset + length > len(buffer):
            raise broken(
                f"{view.place} reaches byte {offset + length:,} of buffers[{buffer_index}], "
                f"which has {len(buffer):,}"
            )
        return buffer[offset : offset + length]

    def image_bytes(self, index: int, asked_by: str) -> memoryview:
        """Return the encoded bytes of image `index`."""
        entry = self.item("images", index, asked_by)
        if "bufferView" in entry:
            return self.bytes_of_view(entry.integer("bufferView"), entry.place)
        return _data_uri(entry.text("uri"), entry.place, self.limits)

    def _load_accessor(self, index: int, asked_by: str) -> Accessor:
        entry = self.item("accessors", index, asked_by)
        count = entry.integer("count", at_least=1)
        # No accessor of a mesh within the limits has more rows, so no more is ever allocated.
        if count > 3 * self.limits.max_triangles:
            raise InvalidInput(
                f"{entry.place}.count is {count:,}, more than {self.limits.max_triangles:,} "
                "triangles need; simplify the model or split the file"
            )
        component_type = entry.integer("componentType")
        kind = entry.text("type")
        if component_type not in _COMPONENT_TYPES or kind not in _COMPONENT_COUNTS:
            raise broken(
                f"{entry.place} has componentType {component_type} and type {shorten(kind)}, "
                "which is no vertex or index format"
            )
        dtype = np.dtype(_COMPONENT_TYPES[component_type]).newbyteorder("<")
        components = _COMPONENT_COUNTS[kind]
        values = None
        if "bufferView" in entry:
            values = self._view(entry, dtype, count, components)
        sparse_rows = sparse_values = None
        if "sparse" in entry:
            sparse_rows, sparse_values = self._sparse(entry, dtype, count, components)
        return Accessor(
            place=entry.place,
            count=count,
            component_count=components,
            dtype=dtype,
            largest=_LARGEST.get(component_type, 1) if entry.flag("normalized") else 1,
            values=values,
            sparse_rows=sparse_rows,
            sparse_values=sparse_values,
        )

    def _view(
        self, entry: Entry, dtype: np.dtype[np.generic], count: int, components: int
    ) -> NDArray[np.generic]:
        """Return `[count, components]` over the bytes that `entry` points at, without a copy."""
        index = entry.integer("bufferView")
        view = self.item("bufferViews", index, entry.place)
        content = self.bytes_of_view(index, entry.place)
        offset = entry.integer("byteOffset", 0)
        row_bytes = dtype.itemsize * components
        stride = view.integer("byteStride", row_bytes, at_least=row_bytes)
        end = offset + stride * (count - 1) + row_bytes
        if end > len(content):
            raise broken(
                f"{entry.place} reaches byte {end:,} of {view.place}, which has {len(content):,}"
            )
        return np.ndarray((count, components), dtype, content, offset, (stride, dtype.itemsize))

    def _sparse(
        self, entry: Entry, dtype: np.dtype[np.generic], count: int, components: int
    ) -> tuple[Rows, NDArray[np.generic]]:
        sparse = entry.entry("sparse")
        sparse_count = sparse.integer("count", at_least=1)
        if sparse_count > count:
            raise broken(f"{sparse.place}.count is {sparse_count:,} of {count:,} rows")
        indices, values = sparse.entry("indices"), sparse.entry("values")
        index_type = indices.integer("componentType")
        if index_type not in _INDEX_TYPES:
            raise broken(f"{indices.place}.componentType is {index_type}, not an unsigned integer")
        index_dtype = np.dtype(_COMPONENT_TYPES[index_type]).newbyteorder("<")
        rows = self._view(indices, index_dtype, sparse_count, 1)[:, 0].astype(np.int64)
        if rows[-1] >= count or np.any(np.diff(rows) <= 0):
            raise broken(f"{indices.place} must rise and stay below {count:,}")
        return rows, self._view(values, dtype, sparse_count, components)

    def _buffer(self, index: int, asked_by: str) -> memoryview:
        if index not in self._buffers:
            self._buffers[index] = self._load_buffer(index, asked_by)
        return self._buffers[index]

    def _load_buffer(self, index: int, asked_by: str) -> memoryview:
        entry = self.item("buffers", index, asked_by)
        length = entry.integer("byteLength", at_least=1)
        if "uri" in entry:
            content = _data_uri(entry.text("uri"), entry.place, self.limits)
        elif index == 0 and self._binary is not None:
            content = self._binary
        elif entry.extension("EXT_meshopt_compression") is not None:
            raise unsupported_extension("EXT_meshopt_compression")
        else:
            raise broken(f"{entry.place} has no content")
        if length > len(content):
            raise broken(
                f"{entry.place} should have {length:,} bytes, the file has only {len(content):,}"
            )
        return content[:length]


def open_gltf(content: bytes, progress: Progress, limits: ReadLimits) -> Gltf:
    """Open a GLB, or a .gltf whose buffers and images are embedded as data URIs.

    Args:
        content: The file.
        progress: Is warned of extensions that will be ignored.
        limits: How large the file may be.

    Raises:
        InvalidInput: If this is not glTF 2.0, is cut short, or is beyond a limit.
        Unsupported: If the file requires an extension that we do not have.
    """
    if len(content) > limits.max_bytes:
        raise InvalidInput(
            f"the file has {len(content):,} bytes, the limit is {limits.max_bytes:,}; "
            "simplify the model or shrink its textures"
        )
    binary: memoryview | None = None
    if content[:4] == _MAGIC:
        json_bytes, binary = _split_glb(content, progress)
    elif content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        json_bytes = memoryview(content)
    else:
        raise InvalidInput(
            f"this is not a GLB: it starts with {content[:4]!r} instead of b'glTF'; "
            "export the model as glTF binary (.glb)"
        )
    gltf = Gltf(_parse_json(json_bytes, limits), binary, limits)
    _check_version(gltf.root)
    _check_extensions(gltf.root, progress)
    return gltf


def _split_glb(content: bytes, progress: Progress) -> tuple[memoryview, memoryview | None]:
    """Return the JSON chunk and the binary chunk."""
    if len(content) < 20:
        raise broken(f"the file is cut short: a GLB has at least 20 bytes, this has {len(content)}")
    version, length = struct.unpack_from("<II", content, 4)
    if version != 2:
        raise InvalidInput(
            f"the file is glTF {version}, only glTF 2 is supported; "
            "convert it, for example by importing it into Blender and exporting it as .glb"
        )
    if length > len(content):
        raise broken(
            f"the file is cut short: its header says {length:,} bytes, there are {len(content):,}"
        )
    if length < len(content):
        progress.warn(
            Stage.PREPROCESS, f"{len(content) - length:,} bytes behind the end of the GLB ignored"
        )
    chunks: dict[int, memoryview] = {}
    at, first = 12, True
    while at + 8 <= length:
        chunk_bytes, kind = struct.unpack_from("<II", content, at)
        at += 8
        if at + chunk_bytes > length:
            raise broken(
                f"a chunk of {chunk_bytes:,} bytes starts at byte {at:,} of a GLB of {length:,}"
            )
        if first and kind != _CHUNK_JSON:
            raise broken(f"the first chunk of the GLB has type {kind:#010x}, not JSON")
        chunks.setdefault(kind, memoryview(content)[at : at + chunk_bytes])
        at, first = at + chunk_bytes, False
    if _CHUNK_JSON not in chunks:
        raise broken("the GLB has no JSON chunk")
    return chunks[_CHUNK_JSON], chunks.get(_CHUNK_BIN)


def _parse_json(content: memoryview, limits: ReadLimits) -> Entry:
    if len(content) > limits.max_json_bytes:
        raise InvalidInput(
            f"the JSON part has {len(content):,} bytes, the limit is {limits.max_json_bytes:,}; "
            "save the model as .glb, which keeps its data outside the JSON"
        )
    try:
        text = bytes(content).rstrip(b" \0").decode("utf-8-sig")
        root = json.loads(text)
        if "\\ud" in text.lower():  # names with half of a surrogate pair are no text for anybody
            json.dumps(root, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise broken(f"the JSON part cannot be read: {shorten(str(error))}") from error
    if not isinstance(root, dict):
        raise broken(f"the JSON part must be an object, got {shorten(root)}")
    return Entry(root, "")


def _check_version(root: Entry) -> None:
    asset = root.entry("asset")
    version = asset.text("version") or "1.0"
    if version.partition(".")[0] != "2":
        raise InvalidInput(
            f"the file is glTF {version[:8]}, only glTF 2 is supported; "
            "convert it, for example by importing it into Blender and exporting it as .glb"
        )
    least = asset.text("minVersion", "2.0")
    if least != "2.0":
        raise Unsupported(f"the file needs glTF {least[:8]}, we read 2.0: export it as glTF 2.0")


def _check_extensions(root: Entry, progress: Progress) -> None:
    understood = set(_UNDERSTOOD)
    if not features.check("webp"):
        understood.discard("EXT_texture_webp")
    required = root.texts("extensionsRequired")
    for name in required:
        if name not in understood:
            raise unsupported_extension(name[:64])
    notes = Notes()
    for name in dict.fromkeys(root.texts("extensionsUsed")):
        # What is compressed but not required has an uncompressed copy in the file.
        if name not in understood and name not in _COMPRESSIONS:
            notes.add("glTF extensions are ignored", name[:64])
    for warning in notes.warnings():
        progress.warn(Stage.PREPROCESS, warning)


def _data_uri(uri: str, place: str, limits: ReadLimits) -> memoryview:
    if not uri:
        raise broken(f"{place} has neither a bufferView nor a uri")
    if not uri.startswith("data:"):
        raise InvalidInput(
            f"{place} lies in another file, {shorten(uri)}; pack everything into one GLB, {_COPY}"
        )
    header, _, payload = uri.partition(",")
    if not header.endswith(";base64"):
        raise broken(f"{place} has a data URI that is not base64")
    if len(payload) > limits.max_bytes * 4 // 3 + 4:
        raise InvalidInput(f"{place} has more than {limits.max_bytes:,} bytes; shrink it")
    try:
        return memoryview(base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError) as error:
        raise broken(f"{place} has a data URI that is not base64") from error


def unsupported_extension(name: str) -> Unsupported:
    """Return the error for a file that cannot be read without the extension `name`."""
    way_out = _WAYS_OUT.get(name, "export it without this extension")
    return Unsupported(
        f"the file needs the glTF extension {name}, which is not supported: {way_out}"
    )
