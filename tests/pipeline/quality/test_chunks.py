"""Taking a GLB apart and putting it together."""

import struct

import pytest

from pipeline.errors import InvalidInput
from pipeline.quality.chunks import Chunks, read_chunks, write_chunks
from tests.pipeline.samples import pack_glb

GLB = pack_glb(b'{"b": 1.5, "a": {"\xc3\xa9": 2}}', b"12345")


def test_the_rest_is_all_behind_the_json() -> None:
    chunks = read_chunks(GLB)
    assert list(chunks.root.items()) == [("b", 1.5), ("a", {"é": 2})]
    assert bytes(chunks.rest) == struct.pack("<I4s", 8, b"BIN\0") + b"12345\0\0\0"


@pytest.mark.parametrize("binary", [b"", b"x", b"1234"])
@pytest.mark.parametrize("root", [{}, {"a": 1}, {"a": 12}, {"a": 123}, {"a": 1234}])
def test_what_is_written_is_read_again_and_aligned(root: dict[str, object], binary: bytes) -> None:
    rest = bytes(read_chunks(pack_glb(b"{}", binary)).rest)
    glb = write_chunks(Chunks(root=root, rest=memoryview(rest)))
    assert len(glb) % 4 == 0
    assert struct.unpack_from("<4sII", glb) == (b"glTF", 2, len(glb))
    json_bytes, kind = struct.unpack_from("<I4s", glb, 12)
    assert (json_bytes % 4, kind) == (0, b"JSON")
    chunks = read_chunks(glb)
    assert (chunks.root, bytes(chunks.rest)) == (root, rest)


def changed(at: int, form: str, value: object) -> bytes:
    glb = bytearray(GLB)
    struct.pack_into(form, glb, at, value)
    return bytes(glb)


BROKEN = {
    "nothing": (b"", "not a GLB"),
    "a picture": (b"\x89PNG\r\n", "not a GLB"),
    "only a magic": (b"glTF", "cut short"),
    "glTF 1": (changed(4, "<I", 1), "glTF 1"),
    "other chunk first": (changed(16, "<4s", b"BIN\0"), "not JSON"),
    "cut": (GLB[:-1], "cut short"),
    "JSON too long": (changed(12, "<I", 10_000), "cut short"),
    "no JSON": (pack_glb(b"{broken", b""), "cannot be read"),
    "no Unicode": (pack_glb(b'{"\xff": 1}', b""), "cannot be read"),
    "a list": (pack_glb(b"[]", b""), "no object"),
    "not a number": (pack_glb(b'{"a": NaN}', b""), "NaN is no number"),
    "deep": (pack_glb(b"[" * 100_000, b""), "cannot be read"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_in_words(case: str) -> None:
    content, words = BROKEN[case]
    with pytest.raises(InvalidInput, match=words):
        read_chunks(content)
