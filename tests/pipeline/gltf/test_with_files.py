"""A glTF and the files beside it become one."""

import base64
import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from pipeline.errors import InvalidInput
from pipeline.gltf.with_files import with_files
from pipeline.read_glb import read_glb
from pipeline.types import Silent
from tests.pipeline.samples import Json, triangle_file, unpack_glb


def _scattered(folder: Path, *, texture: str = "skins/a b.png") -> Path:
    """A triangle as .gltf, with its buffer and a texture in files."""
    root, binary = unpack_glb(triangle_file().glb())
    (folder / "mesh.bin").write_bytes(binary)
    root["buffers"] = [{"byteLength": len(binary), "uri": "mesh.bin"}]
    (folder / "skins").mkdir()
    picture = io.BytesIO()
    PillowImage.fromarray(np.full((2, 2, 3), 77, np.uint8)).save(picture, "PNG")
    (folder / "skins" / "a b.png").write_bytes(picture.getvalue())
    root["images"] = [{"uri": texture.replace(" ", "%20")}]
    path = folder / "thing.gltf"
    path.write_text(json.dumps(root))
    return path


def _joined(path: Path) -> tuple[Json, bytes]:
    content = with_files(path)
    assert content is not None
    return unpack_glb(content)


def test_buffers_and_textures_come_in(tmp_path: Path) -> None:
    path = _scattered(tmp_path)
    root, binary = _joined(path)
    assert [list(buffer) for buffer in root["buffers"]] == [["byteLength"]]
    (image,) = root["images"]
    assert image["mimeType"] == "image/png"
    view = root["bufferViews"][image["bufferView"]]
    picture = binary[view["byteOffset"] :][: view["byteLength"]]
    assert picture == (tmp_path / "skins" / "a b.png").read_bytes()
    content = with_files(path)
    assert content is not None
    whole = read_glb(triangle_file().glb(), Silent())
    assert np.array_equal(read_glb(content, Silent()).positions, whole.positions)


def test_binary_chunk_data_uri_and_file_become_one_buffer(tmp_path: Path) -> None:
    root, binary = unpack_glb(triangle_file().glb())
    (tmp_path / "more.bin").write_bytes(b"more")
    inline = "data:application/octet-stream;base64," + base64.b64encode(b"inline!!").decode()
    root["buffers"] += [
        {"byteLength": 8, "uri": inline},
        {"byteLength": 4, "uri": "more.bin"},
    ]
    root["bufferViews"] += [
        {"buffer": 1, "byteLength": 8},
        {"buffer": 2, "byteOffset": 1, "byteLength": 3},
    ]
    text = json.dumps(root).encode()
    text += b" " * (-len(text) % 4)
    path = tmp_path / "mixed.glb"
    path.write_bytes(
        struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary))
        + struct.pack("<I4s", len(text), b"JSON") + text
        + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    )  # fmt: skip
    joined, together = _joined(path)
    parts = [
        together[view["byteOffset"] :][: view["byteLength"]] for view in joined["bufferViews"][-2:]
    ]
    assert parts == [b"inline!!", b"ore"]
    assert together.startswith(binary)


def test_what_has_everything_stays_as_it_is(tmp_path: Path) -> None:
    for name, content in (
        ("whole.glb", triangle_file().glb()),
        ("noise.glb", b"\0" * 100),
        ("short.glb", b"glTF"),
        ("list.gltf", b"[1, 2]"),
        ("broken.gltf", b'{"asset": '),
    ):
        (tmp_path / name).write_bytes(content)
        assert with_files(tmp_path / name) is None


@pytest.mark.parametrize(
    ("texture", "message"),
    [
        ("lost.png", "needs 'lost.png', which cannot be read"),
        ("../secret.png", "names '../secret.png', which is not in its folder"),
        ("/etc/hostname", "not in its folder"),
        ("http://example.org/a.png", "not in its folder"),
    ],
)
def test_what_is_missing_or_elsewhere_is_told(tmp_path: Path, texture: str, message: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(InvalidInput, match=message):
        with_files(_scattered(folder, texture=texture))


@pytest.mark.parametrize(
    "damage",
    [
        {"bufferViews": [{"buffer": 3}]},
        {"buffers": [{"uri": "mesh.bin"}, 7]},
        {"buffers": None},
        {"buffers": [{"uri": "a\0.bin"}]},
        {"bufferViews": {"buffer": 0}},
    ],
)
def test_damage_is_told_and_never_crashes(tmp_path: Path, damage: Json) -> None:
    path = _scattered(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(InvalidInput, match="is damaged or no glTF"):
        with_files(path)


def test_meshopt_is_left_to_who_reads_it(tmp_path: Path) -> None:
    path = _scattered(tmp_path)
    root = json.loads(path.read_text())
    fallback = {"byteLength": 64, "extensions": {"EXT_meshopt_compression": {"fallback": True}}}
    root["buffers"].append(fallback)
    path.write_text(json.dumps(root))
    assert with_files(path) is None


def test_a_buffer_file_that_is_too_short_is_told(tmp_path: Path) -> None:
    path = _scattered(tmp_path)
    (tmp_path / "mesh.bin").write_bytes(b"short")
    with pytest.raises(InvalidInput, match=r"buffers\[0\] has .* bytes, its file only 5"):
        with_files(path)
