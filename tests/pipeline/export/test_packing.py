import ctypes
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.export.glb import export_glb
from pipeline.export.packing import (
    compressed_triangles,
    compressed_vertices,
    grid_around,
    in_words,
    snapped_directions,
    snapped_positions,
    snapped_uvs,
)
from pipeline.export.parts import ExportPart
from pipeline.export.profiles import ExportOptions
from pipeline.read_glb import read_glb
from pipeline.types import Silent
from tests.pipeline.export.assets import LODS, TETRAHEDRON, TEXTURED, measures
from tests.pipeline.samples import Json, unpack_glb


def decoded(stream: bytes, count: int, stride: int, kind: str) -> bytes:
    """Decode by the C library, which allocates nothing itself."""
    from meshoptimizer._loader import lib

    decode: Any = {
        "vertices": lib.meshopt_decodeVertexBuffer,
        "triangles": lib.meshopt_decodeIndexBuffer,
    }[kind]
    decode.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
    ]  # fmt: skip
    content = ctypes.create_string_buffer(count * stride)
    source = ctypes.create_string_buffer(stream, len(stream))
    assert decode(content, count, stride, source, len(stream)) == 0
    return content.raw


class TestIntegers:
    def test_positions_are_half_a_step_off_at_most(self) -> None:
        points = np.random.default_rng(0).uniform(-3, 5, (1000, 3)).astype(np.float32)
        grid = grid_around([points[:500], points[500:]])
        back = snapped_positions(points, grid) / 65535 * grid.size_m + np.array(grid.origin_m)
        assert np.abs(back - points).max() <= grid.size_m / 65535 / 2 * 1.001

    def test_a_single_point_has_a_grid(self) -> None:
        point = np.array([[1, 2, 3]], np.float32)
        grid = grid_around([point])
        assert snapped_positions(point, grid).tolist() == [[0, 0, 0]]

    def test_directions_are_half_a_degree_off_at_most(self) -> None:
        vectors = np.random.default_rng(0).normal(size=(5000, 3))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        back = snapped_directions(vectors.astype(np.float32)) / 127.0
        back /= np.linalg.norm(back, axis=1, keepdims=True)
        assert np.degrees(np.arccos((back * vectors).sum(axis=1).clip(-1, 1))).max() < 0.5

    def test_handedness_is_exact(self) -> None:
        tangents = np.array([[1, 0, 0, 1], [0, 1, 0, -1]], np.float32)
        assert snapped_directions(tangents)[:, 3].tolist() == [127, -127]

    def test_uvs_outside_of_the_atlas_are_not_wrapped_silently(self) -> None:
        with pytest.raises(AssertionError, match="outside of the atlas"):
            snapped_uvs(np.array([[0.5, 1.5]], np.float32))

    def test_rows_are_whole_words(self) -> None:
        rows = np.arange(9, dtype=np.uint16).reshape(3, 3)
        words = in_words(rows)
        assert words.shape == (3, 8)
        np.testing.assert_array_equal(words.view(np.uint16)[:, :3], rows)


class TestStreams:
    def test_vertices_come_back_byte_by_byte(self) -> None:
        rows = np.random.default_rng(1).integers(0, 256, (700, 12), np.uint8)
        stream = compressed_vertices(rows)
        assert stream[0] == 0xA0  # version 0, the only one that the extension knows
        assert decoded(stream, 700, 12, "vertices") == rows.tobytes()

    def test_triangles_come_back_but_for_their_first_corner(self) -> None:
        faces = LODS[0].faces
        stream = compressed_triangles(faces, len(LODS[0].positions))
        assert stream[0] == 0xE1
        flat = np.frombuffer(decoded(stream, faces.size, 4, "triangles"), np.uint32)
        assert [_from_smallest(face) for face in flat.reshape(-1, 3)] == [
            _from_smallest(face) for face in faces
        ]

    def test_a_transposed_array_is_not_read_as_it_lies_in_memory(self) -> None:
        with pytest.raises(AssertionError):
            compressed_vertices(np.zeros((4, 8), np.uint8).T)


def _from_smallest(face: NDArray[Any]) -> list[int]:
    corners: list[int] = face.tolist()
    first = corners.index(min(corners))
    return corners[first:] + corners[:first]


def packed(compression: str) -> tuple[Json, bytes, bytes]:
    glb = export_glb(
        "crate",
        LODS,
        measures(),
        TEXTURED,
        [ExportPart.whole(LODS, [TETRAHEDRON])],
        ExportOptions(compression=compression, texture_format="png"),  # type: ignore[arg-type]
        Silent(),
    )
    return (*unpack_glb(glb), glb)


class TestQuantizedFile:
    def test_needs_the_extension_and_says_so(self) -> None:
        root, _, _ = packed("quantize")
        assert root["extensionsRequired"] == ["KHR_mesh_quantization"]
        assert "KHR_mesh_quantization" in root["extensionsUsed"]

    def test_all_lods_share_one_grid(self) -> None:
        root, _, _ = packed("quantize")
        places = [(node["translation"], node["scale"]) for node in root["nodes"][:3]]
        assert places == [places[0]] * 3
        assert len(set(places[0][1])) == 1  # or normals would bend

    def test_hulls_stay_as_they_are(self) -> None:
        root, _, _ = packed("quantize")
        assert "scale" not in root["nodes"][3]
        position = root["meshes"][3]["primitives"][0]["attributes"]["POSITION"]
        assert root["accessors"][position]["componentType"] == 5126

    def test_rows_begin_at_words_as_gltf_asks(self) -> None:
        root, _, _ = packed("quantize")
        for mesh in root["meshes"][:3]:
            for accessor in mesh["primitives"][0]["attributes"].values():
                view = root["bufferViews"][root["accessors"][accessor]["bufferView"]]
                assert view["byteStride"] % 4 == 0

    def test_reads_back_as_the_mesh_it_was(self) -> None:
        surface = read_glb(packed("quantize")[2], Silent())
        corners = surface.positions[surface.faces].reshape(-1, 3)
        for corner in LODS[0].positions[LODS[0].faces].reshape(-1, 3):
            assert np.abs(corners - corner).max(axis=1).min() < 1e-4


class TestMeshoptFile:
    def test_decodes_to_the_quantized_file(self) -> None:
        """Byte by byte, but for triangles that start at another corner."""
        plain, plain_bytes, _ = packed("quantize")
        root, binary, _ = packed("meshopt")
        for mine, other in zip(root["accessors"], plain["accessors"], strict=True):
            view = root["bufferViews"][mine["bufferView"]]
            as_plain = plain["bufferViews"][other["bufferView"]]
            start = as_plain["byteOffset"]
            expected = plain_bytes[start : start + as_plain["byteLength"]]
            stream = view.get("extensions", {}).get("EXT_meshopt_compression")
            if stream is None:  # a hull
                continue
            content = binary[stream["byteOffset"] :][: stream["byteLength"]]
            kind = "vertices" if stream["mode"] == "ATTRIBUTES" else "triangles"
            found = decoded(content, stream["count"], stream["byteStride"], kind)
            if kind == "vertices":
                assert found == expected
            else:
                pairs = (np.frombuffer(x, np.uint16).reshape(-1, 3) for x in (found, expected))
                one, two = ([_from_smallest(face) for face in faces] for faces in pairs)
                assert one == two

    def test_the_fallback_buffer_has_no_bytes_but_room_for_all(self) -> None:
        root, binary, _ = packed("meshopt")
        real, fallback = root["buffers"]
        assert fallback["extensions"]["EXT_meshopt_compression"] == {"fallback": True}
        assert "uri" not in fallback
        assert real["byteLength"] <= len(binary)
        views = [view for view in root["bufferViews"] if view["buffer"] == 1]
        ends = [view["byteOffset"] + view["byteLength"] for view in views]
        starts = [view["byteOffset"] for view in views]
        assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
        assert ends[-1] <= fallback["byteLength"]
        for view in views:
            stream = view["extensions"]["EXT_meshopt_compression"]
            assert view["byteLength"] == stream["count"] * stream["byteStride"]
            assert view.get("byteStride", stream["byteStride"]) == stream["byteStride"]
            assert stream["buffer"] == 0

    def test_is_smaller(self) -> None:
        sizes = [len(packed(how)[2]) for how in ("none", "quantize", "meshopt")]
        assert sizes == sorted(sizes, reverse=True)
