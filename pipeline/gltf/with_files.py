"""A glTF whose buffers and textures lie in files beside it -> one GLB.

Servers see one upload and no folder, so whoever has the folder puts it together first.
"""

import base64
import binascii
import json
import struct
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from pipeline.errors import InvalidInput

Json = dict[str, Any]  # Any: a file is free-form JSON

_MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
_JSON_AT = 20


def with_files(path: Path) -> bytes | None:
    """Read a .gltf or .glb with the files that it names.

    Returns:
        One GLB that has everything; None where the file names no other, and is good as it is, or
        where it is no glTF, which whoever reads it will say.

    Raises:
        InvalidInput: If it is damaged, or a file that it names is not there, or lies outside of
            its folder.
    """
    root = _json_of(path)
    if root is None:
        return None
    try:
        return _joined(root, path)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        raise InvalidInput(f"{path.name} is damaged or no glTF 2.0: {error!r}") from error


def _joined(root: Json, path: Path) -> bytes | None:
    named = [
        entry
        for kind in ("buffers", "images")
        for entry in root.get(kind, [])
        if isinstance(entry, dict) and _is_file(entry.get("uri"))
    ]
    # Of meshopt's buffers one is in no file; whoever reads it says that it is not supported.
    is_packed = any("EXT_meshopt_compression" in b.get("extensions", {}) for b in root["buffers"])
    if not named or is_packed:
        return None
    binary = _binary_of(path)
    joined = bytearray()
    starts = []
    for number, buffer in enumerate(root.get("buffers", [])):
        part = _bytes_of(buffer.get("uri"), path) if buffer.get("uri") else binary
        if len(part) < buffer.get("byteLength", 0):
            raise InvalidInput(
                f"buffers[{number}] has {buffer['byteLength']:,} bytes, its file only {len(part):,}"
            )
        starts.append(_append(joined, part))
    for view in root.get("bufferViews", []):
        view["byteOffset"] = view.get("byteOffset", 0) + starts[view.get("buffer", 0)]
        view["buffer"] = 0
    for image in root.get("images", []):
        uri = image.get("uri")
        if not _is_file(uri):
            continue
        picture = _bytes_of(uri, path)
        views = root.setdefault("bufferViews", [])
        views.append(
            {"buffer": 0, "byteOffset": _append(joined, picture), "byteLength": len(picture)}
        )
        del image["uri"]
        image["bufferView"] = len(views) - 1
        suffix = PurePosixPath(unquote(uri)).suffix.lower()
        image.setdefault("mimeType", _MEDIA_TYPES.get(suffix, "image/png"))
    root["buffers"] = [{"byteLength": len(joined)}]
    return _put_together(root, bytes(joined))


def _json_of(path: Path) -> Json | None:
    """The JSON of a file; None for what cannot be read. Reads no more than that of a GLB."""
    with path.open("rb") as file:
        start = file.read(_JSON_AT)
        if start[:4] == b"glTF" and len(start) == _JSON_AT:
            text = file.read(struct.unpack_from("<I", start, 12)[0])
        elif start.lstrip()[:1] == b"{":
            text = start + file.read()
        else:
            return None
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return root if isinstance(root, dict) else None


def _binary_of(path: Path) -> bytes:
    """The binary chunk of a GLB; nothing of other files."""
    content = path.read_bytes()
    if content[:4] != b"glTF":
        return b""
    rest = content[_JSON_AT + struct.unpack_from("<I", content, 12)[0] :]
    return rest[8 : 8 + struct.unpack_from("<I", rest)[0]] if len(rest) >= 8 else b""


def _is_file(uri: object) -> bool:
    return isinstance(uri, str) and not uri.startswith("data:")


def _bytes_of(uri: str, path: Path) -> bytes:
    if uri.startswith("data:"):
        try:
            return base64.b64decode(uri.partition(",")[2], validate=True)
        except binascii.Error as error:
            raise InvalidInput(f"{path.name} has a data URI that is not base64") from error
    folder = path.parent.resolve()
    file = (folder / unquote(uri)).resolve()
    if "://" in uri or not file.is_relative_to(folder):
        raise InvalidInput(
            f"{path.name} names {uri!r}, which is not in its folder; export everything into one GLB"
        )
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"{path.name} needs {uri!r}, which cannot be read ({error.strerror}); put it there, or "
            "export everything into one GLB"
        ) from error


def _append(joined: bytearray, part: bytes) -> int:
    """Add bytes at a place that every kind of number may start at; return it."""
    joined += b"\0" * (-len(joined) % 8)
    start = len(joined)
    joined += part
    return start


def _put_together(root: Json, binary: bytes) -> bytes:
    text = json.dumps(root, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, _JSON_AT + len(text) + 8 + len(binary)),
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", len(binary), b"BIN\0"),
            binary,
        ]
    )
