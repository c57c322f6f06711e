"""A GLB as a header, its JSON, and the bytes behind it.

Source: glTF 2.0 specification, Khronos Group, 2021, section 4.4.
"""

import json
import struct
from dataclasses import dataclass

from pipeline.errors import InvalidInput

JsonObject = dict[str, object]

_HEADER = struct.Struct("<4sII")
_CHUNK = struct.Struct("<I4s")
_JSON_AT = _HEADER.size + _CHUNK.size


@dataclass(frozen=True, kw_only=True)
class Chunks:
    """A GLB taken apart.

    root: its JSON, keys in the file's order. rest: everything behind the JSON chunk, as in the
        file: the BIN chunk with its header, and whatever follows.
    """

    root: JsonObject
    rest: memoryview


def read_chunks(content: bytes) -> Chunks:
    """Take a GLB apart. Of its JSON nothing is checked but that it is an object.

    Raises:
        InvalidInput: If it is no GLB, or cut short.
    """
    if content[:4] != b"glTF":
        raise InvalidInput(
            f"this is not a GLB: it starts with {content[:4]!r} instead of b'glTF'; "
            "export the model as glTF binary (.glb)"
        )
    if len(content) < _JSON_AT:
        raise InvalidInput(f"the GLB is cut short: it has only {len(content)} bytes")
    _, version, length = _HEADER.unpack_from(content)
    if version != 2:
        raise InvalidInput(f"the file is glTF {version}, only glTF 2 is supported")
    json_bytes, kind = _CHUNK.unpack_from(content, _HEADER.size)
    if kind != b"JSON":
        raise InvalidInput(f"the first chunk of the GLB is {kind!r}, not JSON")
    if length > len(content) or _JSON_AT + json_bytes > length:
        raise InvalidInput(
            f"the GLB is cut short: it should have {max(length, _JSON_AT + json_bytes):,} bytes, "
            f"there are {len(content):,}"
        )
    try:
        root = json.loads(
            content[_JSON_AT : _JSON_AT + json_bytes].rstrip(b" \0").decode("utf-8"),
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the JSON of the GLB cannot be read: {error}") from error
    if not isinstance(root, dict):
        raise InvalidInput("the JSON of the GLB is no object")
    return Chunks(root=root, rest=memoryview(content)[_JSON_AT + json_bytes :])


def write_chunks(chunks: Chunks) -> bytes:
    """Put a GLB together again; `rest` stays byte by byte."""
    text = json.dumps(chunks.root, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    length = _JSON_AT + len(text) + len(chunks.rest)
    header = _HEADER.pack(b"glTF", 2, length) + _CHUNK.pack(len(text), b"JSON")
    return b"".join([header, text, chunks.rest])


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")
