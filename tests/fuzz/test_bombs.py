"""Small files that ask for much: each is refused, or read, within the ceilings.

Limits are those of a server, not the small ones that fuzzing runs with.
"""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import PngImagePlugin

from pipeline.errors import InvalidInput, PipelineError
from pipeline.preprocess import MAX_PIXELS, preprocess
from pipeline.read_glb import ReadLimits, read_glb
from pipeline.types import Silent
from tests.fuzz.ceilings import ceilings
from tests.pipeline.samples import (
    GltfFile,
    Listener,
    checkerboard,
    encoded,
    pack_glb,
    triangle,
    triangle_file,
)

_LIMITS = ReadLimits(max_triangles=6_000_000)
_UVS = np.array([[0, 0], [1, 0], [0, 1]], np.float32)


@pytest.fixture(autouse=True)
def warm() -> None:
    """Load and compile what is loaded and compiled once."""
    read_glb(triangle_file().glb(), Silent())


def count_of(count: int) -> GltfFile:
    file = triangle_file()
    file.json["accessors"][0]["count"] = count
    return file


def zeros(count: int) -> GltfFile:
    """An accessor without bytes is all zeros, as glTF says."""
    file = count_of(count)
    for accessor in file.json["accessors"]:
        accessor["count"] = count
        del accessor["bufferView"]
    return file


def stride(step: int) -> GltfFile:
    file = triangle_file()
    file.json["bufferViews"][0]["byteStride"] = step
    return file


def sparse(count: int, rows: int) -> GltfFile:
    file = count_of(count)
    del file.json["accessors"][0]["bufferView"]
    file.json["accessors"][0]["sparse"] = {
        "count": rows,
        "indices": {"bufferView": file.view(b"\0\1\2\3"), "componentType": 5121},
        "values": {"bufferView": file.view(triangle().tobytes())},
    }
    return file


def cycle() -> GltfFile:
    file = triangle_file()
    file.json["nodes"] = [{"children": [1], "mesh": 0}, {"children": [0]}]
    return file


def copies(count: int) -> GltfFile:
    file = triangle_file()
    file.json["nodes"] = [{"mesh": 0}] * count
    file.json["scenes"] = [{"nodes": list(range(count))}]
    return file


def large_copies() -> GltfFile:
    """A mesh of many triangles on little room, shown by many nodes."""
    file = copies(1000)
    file.json["meshes"] = []
    file.mesh({"POSITION": triangle()}, np.tile(np.arange(3, dtype=np.uint8), 10_000))
    return file


def wide_children() -> GltfFile:
    file = triangle_file()
    file.json["nodes"] = [{"children": list(range(1, 100_001)), "mesh": 0}] + [{}] * 100_000
    return file


def picture_promise() -> GltfFile:
    """A header that promises 30,000 x 30,000 pixels."""
    return textured(png_of(30_000, 30_000, b""))


def pictures_together() -> GltfFile:
    """Ten pictures of 64 million pixels, each only a header and a few bytes."""
    black = png_of(8000, 8000, zlib.compress(bytes(100)))
    return textured(*[black + bytes(number) for number in range(10)])


def textured(*pictures: bytes) -> GltfFile:
    """One triangle for each picture."""
    file = GltfFile()
    file.json["images"] = [{"bufferView": file.view(picture)} for picture in pictures]
    show_images(file)
    return file


def shared_bytes() -> GltfFile:
    """Two thousand pictures that are the same two million bytes."""
    file = GltfFile()
    view = file.view(encoded(checkerboard(2)) + bytes(2_000_000))
    file.json["images"] = [{"bufferView": view} for _ in range(2_000)]
    show_images(file)
    return file


def show_images(file: GltfFile) -> None:
    count = len(file.json["images"])
    file.json["textures"] = [{"source": number} for number in range(count)]
    file.json["materials"] = [
        {"pbrMetallicRoughness": {"baseColorTexture": {"index": number}}} for number in range(count)
    ]
    file.mesh({"POSITION": triangle(), "TEXCOORD_0": _UVS})
    (shown,) = file.json["meshes"][0]["primitives"]
    file.json["meshes"][0]["primitives"] = [
        {**shown, "material": number} for number in range(count)
    ]


def png_of(width: int, height: int, pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


REFUSED: dict[str, tuple[Callable[[], GltfFile], str]] = {
    "2^31 vertices": (lambda: count_of(2**31), "more than 6,000,000 triangles"),
    "10^12 vertices": (lambda: count_of(10**12), "more than 6,000,000 triangles"),
    "2^31 vertices of zeros": (lambda: zeros(2**31), "more than 6,000,000 triangles"),
    "a stride of 2^31": (lambda: stride(2**31), "reaches byte"),
    "a stride of 1": (lambda: stride(1), "at least 12"),
    "more sparse rows than there are bytes": (lambda: sparse(3, 2**31), "of 3 rows"),
    "sparse rows of a huge array": (lambda: sparse(10**9, 3), "more than 6,000,000 triangles"),
    "a cycle of nodes": (cycle, "reached twice"),
    "more nodes than the limit": (wide_children, "100,001 nodes"),
    "copies of a large mesh": (large_copies, "more than 6,000,000 triangles"),
    "a picture of 900 million pixels": (picture_promise, "too large|limit"),
    "pictures of 640 million pixels together": (pictures_together, "together"),
    "pictures that share their bytes": (shared_bytes, "more than 1,073,741,824 bytes together"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_glb_that_asks_for_too_much_is_refused(name: str) -> None:
    make, message = REFUSED[name]
    content = make().glb()
    with ceilings(), pytest.raises(InvalidInput, match=message):
        read_glb(content, Silent(), limits=_LIMITS)


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"nodes":[', '{"extensionsUsed":['])
@pytest.mark.parametrize("depth", [900, 990, 1_100, 100_000])
def test_json_of_any_depth_is_refused(opening: str, depth: int) -> None:
    content = pack_glb(opening.encode() * depth, b"")
    with ceilings(), pytest.raises(PipelineError):
        read_glb(content, Silent(), limits=_LIMITS)
    closing = "".join({"[": "]", "{": "}"}.get(sign, "") for sign in reversed(opening))
    content = pack_glb((opening * depth + "0" + closing * depth).encode(), b"")
    with ceilings(), pytest.raises(PipelineError):
        read_glb(content, Silent(), limits=_LIMITS)


def test_nodes_that_are_no_copies_of_each_other_take_no_square_of_time() -> None:
    file = triangle_file()
    sheared = np.random.default_rng(0).normal(size=(3_000, 3, 4))
    file.json["nodes"] = [
        {"mesh": 0, "matrix": np.vstack([matrix, (0, 0, 0, 1)]).T.reshape(-1).tolist()}
        for matrix in sheared
    ]
    file.json["scenes"] = [{"nodes": list(range(len(sheared)))}]
    content = file.glb()
    with ceilings():
        assert len(read_glb(content, Silent(), limits=_LIMITS).faces) == len(sheared)


def test_sparse_rows_are_read_once_however_many_primitives_share_them() -> None:
    count = 300_000
    file = GltfFile()
    file.mesh({"POSITION": triangle()}, np.arange(3, dtype=np.uint8))
    file.json["accessors"][0] |= {"count": count}
    del file.json["accessors"][0]["bufferView"]
    rows, values = np.arange(count, dtype=np.uint32), np.random.default_rng(0).random((count, 3))
    file.json["accessors"][0]["sparse"] = {
        "count": count,
        "indices": {"bufferView": file.view(rows.tobytes()), "componentType": 5125},
        "values": {"bufferView": file.view(values.astype(np.float32).tobytes())},
    }
    file.json["meshes"][0]["primitives"] *= 2_000
    content = file.glb()
    with ceilings():
        assert len(read_glb(content, Silent(), limits=_LIMITS).faces) == 2_000


def test_many_faults_of_a_kind_are_one_warning() -> None:
    file = triangle_file()
    file.json["extensionsUsed"] = [f"ACME_{number}" for number in range(10_000)]
    file.json["materials"] = [{"extensions": {"KHR_materials_unlit": {}}}] * 1_000
    (shown,) = file.json["meshes"][0]["primitives"]
    file.json["meshes"][0]["primitives"] = [
        {**shown, "material": number} for number in range(1_000)
    ]
    listener = Listener()
    with ceilings():
        read_glb(file.glb(), listener, limits=_LIMITS)
    assert len(listener.warnings) == 2
    assert max(map(len, listener.warnings)) < 300


def black(width: int, height: int) -> bytes:
    file = io.BytesIO()
    PillowImage.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


def with_text(kind: str) -> bytes:
    """A picture with a text of a mebibyte of zeros, compressed to a kibibyte."""
    text = PngImagePlugin.PngInfo()
    content = zlib.compress(bytes(1 << 20), 9)
    prefix = b"Comment\0\0" if kind == "zTXt" else b"Comment\0\1\0\0\0"
    text.add(kind.encode(), prefix + content)
    file = io.BytesIO()
    PillowImage.fromarray(checkerboard()).save(file, "PNG", pnginfo=text)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png_of(30_000, 30_000, b""), "pixels"),
        (black(12_000, 12_000), f"at most {MAX_PIXELS:,} pixels"),
        (png_of(2**31 - 1, 2**31 - 1, b""), "pixels"),
        (png_of(2**31 - 1, 1, b""), "pixels"),
        (png_of(8_000, 8_000, zlib.compress(bytes(100))), "damaged"),
    ],
)
def test_a_picture_that_asks_for_too_much_is_refused(content: bytes, message: str) -> None:
    assert len(content) < 200_000
    with ceilings(), pytest.raises(InvalidInput, match=message):
        preprocess(content, 64, Silent())


@pytest.mark.parametrize("kind", ["zTXt", "iTXt"])
def test_the_texts_of_a_picture_are_not_its_pixels(kind: str) -> None:
    with ceilings():
        assert preprocess(with_text(kind), 64, Silent()).shape == (64, 64, 3)


def test_a_picture_costs_at_most_28_bytes_per_pixel() -> None:
    pixels = np.zeros((3_000, 3_000), np.uint8)
    pixels[300:-300, 300:-300] = 200
    file = io.BytesIO()
    PillowImage.fromarray(pixels).save(file, "PNG")
    content = file.getvalue()
    preprocess(content, 64, Silent())  # loads scipy
    with ceilings(memory_bytes=28 * pixels.size):
        assert preprocess(content, 64, Silent()).shape == (64, 64, 3)
