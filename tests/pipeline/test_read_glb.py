import base64
import io
import json
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pipeline.errors import Cancelled, InvalidInput, PipelineError, Unsupported
from pipeline.read_glb import ReadLimits, read_glb
from pipeline.scene import assembled
from pipeline.types import Silent, Stage, Surface
from tests.pipeline.samples import (
    GltfFile,
    Json,
    Listener,
    checkerboard,
    encoded,
    pack_glb,
    triangle,
    triangle_file,
)

FLAT = np.tile(np.array([0, 0, 1], np.float32), (3, 1))
UVS = np.array([[0, 0], [1, 0], [0, 1]], np.float32)


def read(content: bytes) -> Surface:
    return assembled(read_glb(content, Silent()))


def warnings_of(content: bytes) -> list[str]:
    listener = Listener()
    read_glb(content, listener)
    return listener.warnings


def uvs_of(content: bytes) -> NDArray[np.float32]:
    uvs = read(content).uvs
    assert uvs is not None
    return uvs


def corners(surface: Surface) -> NDArray[np.float32]:
    return surface.positions[surface.faces]


def textured(file: GltfFile, pixels: NDArray[np.uint8], **info: object) -> None:
    """Give the first primitive a material with a base color texture."""
    file.json["materials"] = [
        {"pbrMetallicRoughness": {"baseColorTexture": {"index": file.texture(pixels), **info}}}
    ]
    file.json["meshes"][0]["primitives"][0]["material"] = 0


class TestGeometry:
    def test_only_normals_of_the_file_say_which_side_is_meant(self) -> None:
        assert read(triangle_file().glb()).has_own_normals
        plain = GltfFile()
        plain.mesh({"POSITION": triangle()})
        assert not read(plain.glb()).has_own_normals

    def test_reads_what_was_written(self) -> None:
        surface = read(triangle_file().glb())
        np.testing.assert_array_equal(corners(surface), [triangle()])
        np.testing.assert_array_equal(surface.normals, FLAT)
        assert surface.uvs is None
        assert surface.colors is None
        assert surface.face_materials.tolist() == [0]

    def test_gltf_with_data_uris_reads_like_the_glb(self) -> None:
        a, b = read(triangle_file().glb()), read(triangle_file().gltf())
        np.testing.assert_array_equal(a.positions, b.positions)
        np.testing.assert_array_equal(a.faces, b.faces)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
    def test_every_index_type(self, dtype: type) -> None:
        file = GltfFile()
        square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
        normals = np.tile(FLAT[:1], (4, 1))
        faces: NDArray[np.integer] = np.array([[0, 1, 2], [0, 2, 3]], dtype)
        file.mesh({"POSITION": square, "NORMAL": normals}, faces)
        np.testing.assert_array_equal(corners(read(file.glb())), square[faces.astype(int)])

    def test_strips_turn_every_second_triangle(self) -> None:
        file = GltfFile()
        zigzag = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 2, 0]], np.float32)
        file.mesh({"POSITION": zigzag}, mode=5)
        surface = read(file.glb())
        a, b, c = corners(surface).transpose(1, 0, 2)
        np.testing.assert_array_equal(np.sign(np.cross(b - a, c - a)[:, 2]), [1, 1, 1])

    def test_strips_lose_the_triangles_that_only_jump(self) -> None:
        file = GltfFile()
        points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 0, 0], [6, 0, 0], [5, 1, 0]])
        order = np.array([0, 1, 2, 2, 3, 3, 4, 5], np.uint16)
        file.mesh({"POSITION": points.astype(np.float32)}, order, mode=5)
        assert len(read(file.glb()).faces) == 2

    def test_fans_share_their_first_vertex(self) -> None:
        file = GltfFile()
        points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
        file.mesh({"POSITION": points, "NORMAL": np.tile(FLAT[:1], (4, 1))}, mode=6)
        expected = points[[[0, 1, 2], [0, 2, 3]]]
        np.testing.assert_array_equal(corners(read(file.glb())), expected)

    def test_lines_and_points_are_skipped_and_named(self) -> None:
        file = triangle_file()
        file.json["meshes"][0]["primitives"].append({"attributes": {"POSITION": 0}, "mode": 1})
        content = file.glb()
        assert len(read(content).faces) == 1
        assert any("meshes[0].primitives[1]" in warning for warning in warnings_of(content))

    def test_without_normals_faces_are_flat(self) -> None:
        file = GltfFile()
        tent = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
        file.mesh({"POSITION": tent}, np.array([[0, 1, 2], [0, 3, 1]], np.uint8))
        surface = read(file.glb())
        assert len(surface.positions) == 6
        normals = surface.normals[surface.faces]
        np.testing.assert_array_equal(normals[0], [[0, 0, 1]] * 3)
        np.testing.assert_array_equal(normals[1], [[0, 1, 0]] * 3)

    def test_normals_of_length_zero_are_repaired_with_a_warning(self) -> None:
        file = GltfFile()
        file.mesh({"POSITION": triangle(), "NORMAL": np.zeros((3, 3), np.float32)})
        content = file.glb()
        np.testing.assert_array_equal(read(content).normals, FLAT)
        assert any("length zero" in warning for warning in warnings_of(content))

    def test_unused_vertices_do_not_arrive(self) -> None:
        file = GltfFile()
        points = np.concatenate([np.full((100, 3), 9, np.float32), triangle()])
        normals = np.tile(FLAT[:1], (103, 1))
        file.mesh({"POSITION": points, "NORMAL": normals}, np.array([100, 101, 102], np.uint16))
        np.testing.assert_array_equal(read(file.glb()).positions, triangle())

    def test_interleaved_attributes(self) -> None:
        file = GltfFile()
        rows = np.concatenate([triangle(), FLAT], axis=1)
        view = file.view(rows.tobytes(), byteStride=24)
        for offset in (0, 12):
            file.json["accessors"].append(
                {
                    "bufferView": view,
                    "byteOffset": offset,
                    "componentType": 5126,
                    "count": 3,
                    "type": "VEC3",
                }
            )
        file.mesh({"POSITION": 0, "NORMAL": 1})
        surface = read(file.glb())
        np.testing.assert_array_equal(surface.positions, triangle())
        np.testing.assert_array_equal(surface.normals, FLAT)

    def test_sparse_rows_replace_stored_ones(self) -> None:
        file = triangle_file()
        rows = file.view(np.array([1], np.uint16).tobytes())
        values = file.view(np.array([[7, 0, 0]], np.float32).tobytes())
        file.json["accessors"][0]["sparse"] = {
            "count": 1,
            "indices": {"bufferView": rows, "componentType": 5123},
            "values": {"bufferView": values},
        }
        assert read(file.glb()).positions[1].tolist() == [7, 0, 0]

    def test_sparse_without_a_view_starts_from_zero(self) -> None:
        file = triangle_file()
        rows = file.view(np.array([1, 2], np.uint8).tobytes())
        values = file.view(np.array([[7, 0, 0], [0, 8, 0]], np.float32).tobytes())
        accessor = file.json["accessors"][0]
        del accessor["bufferView"]
        accessor["sparse"] = {
            "count": 2,
            "indices": {"bufferView": rows, "componentType": 5121},
            "values": {"bufferView": values},
        }
        assert read(file.glb()).positions.tolist() == [[0, 0, 0], [7, 0, 0], [0, 8, 0]]

    def test_quantized_positions_normals_and_uvs(self) -> None:
        file = GltfFile()
        file.json["extensionsUsed"] = file.json["extensionsRequired"] = ["KHR_mesh_quantization"]
        attributes: dict[str, NDArray[np.generic] | int] = {
            "POSITION": np.array([[0, 0, 0], [100, 0, 0], [0, 100, 0]], np.int16),
            "NORMAL": file.accessor(np.array([[0, 0, 127]] * 3, np.int8), normalized=True),
            "TEXCOORD_0": file.accessor(
                np.array([[0, 0], [65535, 0], [0, 65535]], np.uint16), normalized=True
            ),
        }
        file.mesh(attributes)
        file.json["nodes"][0]["scale"] = [0.01, 0.01, 0.01]
        textured(file, checkerboard())
        surface = read(file.glb())
        np.testing.assert_allclose(surface.positions, triangle(), atol=1e-6)
        np.testing.assert_allclose(surface.normals, FLAT, atol=1e-6)
        np.testing.assert_allclose(uvs_of(file.glb()), UVS, atol=1e-6)

    def test_lowest_signed_integer_is_minus_one(self) -> None:
        file = GltfFile()
        positions = file.accessor(
            np.array([[-128, 0, 0], [127, 0, 0], [0, 127, 0]], np.int8), normalized=True
        )
        file.mesh({"POSITION": positions})
        assert read(file.glb()).positions[:, 0].min() == -1.0


class TestNodes:
    def test_transforms_multiply_down_the_tree(self) -> None:
        file = triangle_file()
        turn = 0.5**0.5
        file.json["nodes"] = [
            {"children": [1], "translation": [0, 0, 5]},
            {"mesh": 0, "rotation": [0, 0, turn, turn], "scale": [2, 2, 2]},
        ]
        # By hand: scaled by 2, turned by 90 degrees about z, then moved.
        expected = [[0, 0, 5], [0, 2, 5], [-2, 0, 5]]
        np.testing.assert_allclose(read(file.glb()).positions, expected, atol=1e-6)

    def test_matrix_is_column_major(self) -> None:
        file = triangle_file()
        file.json["nodes"][0]["matrix"] = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 3, 4, 5, 1]
        np.testing.assert_array_equal(read(file.glb()).positions, triangle() + np.array([3, 4, 5]))

    def test_mirroring_keeps_faces_on_the_outside(self) -> None:
        file = triangle_file()
        file.json["nodes"][0]["scale"] = [-1, 1, 1]
        surface = read(file.glb())
        a, b, c = corners(surface)[0]
        np.testing.assert_allclose(np.cross(b - a, c - a), surface.normals[0], atol=1e-6)
        assert sorted(surface.positions[:, 0].tolist()) == [-1, 0, 0]

    def test_normals_stay_upright_under_uneven_scale(self) -> None:
        file = GltfFile()
        slope = np.array([[0, 0, 0], [0, 0, -1], [1, -1, 0]], np.float32)[[0, 2, 1]]
        file.mesh({"POSITION": slope, "NORMAL": np.array([[1, 1, 0]] * 3, np.float32)})
        file.json["nodes"][0]["scale"] = [3, 1, 1]
        surface = read(file.glb())
        a, b, c = corners(surface)[0]
        across = np.cross(b - a, c - a)
        np.testing.assert_allclose(surface.normals[0], across / np.linalg.norm(across), atol=1e-6)

    def test_a_mesh_of_two_nodes_appears_twice(self) -> None:
        file = triangle_file()
        file.json["nodes"].append({"mesh": 0, "translation": [10, 0, 0]})
        file.json["scenes"] = [{"nodes": [0, 1]}]
        surface = read(file.glb())
        assert len(surface.faces) == 2
        assert surface.faces.max() == 5
        np.testing.assert_array_equal(surface.positions[3:], triangle() + np.array([10, 0, 0]))

    def test_what_two_nodes_show_is_one_part_with_two_placements(self) -> None:
        file = triangle_file()
        file.json["nodes"][0]["name"] = "Wheel"
        file.json["nodes"].append({"mesh": 0, "translation": [10, 0, 0], "scale": [2, -1, 3]})
        file.json["scenes"] = [{"nodes": [0, 1]}]
        surface = read_glb(file.glb(), Silent())
        assert len(surface.faces) == 1
        (part,) = surface.parts
        assert part.name == "Wheel"
        # The largest comes first.
        np.testing.assert_array_equal(part.placements[:, :3, 3], [[10, 0, 0], [0, 0, 0]])
        assert surface.face_parts is not None
        assert surface.face_parts.tolist() == [0]

    def test_a_copy_that_no_node_could_show_is_a_part_of_its_own(self) -> None:
        """Scaled along a slanting axis, a shape is sheared, which a node cannot do."""
        file = triangle_file()
        turned, further = [0, 0, 0.3826834, 0.9238795], [0, 0, 0.2588190, 0.9659258]
        file.json["nodes"] = [
            {"scale": [3, 1, 1], "children": [2]},
            {"scale": [1, 2, 1], "rotation": [0.5, 0.5, 0.5, 0.5], "children": [3]},
            {"mesh": 0, "rotation": turned},
            {"mesh": 0, "rotation": further},
        ]
        file.json["scenes"] = [{"nodes": [0, 1]}]
        surface = read_glb(file.glb(), Silent())
        assert [len(part.placements) for part in surface.parts] == [1, 1]
        assert len(surface.faces) == 2

    def test_copies_too_far_away_are_refused(self) -> None:
        file = triangle_file()
        file.json["nodes"].append({"mesh": 0, "translation": [1e8, 0, 0]})
        file.json["scenes"] = [{"nodes": [0, 1]}]
        with pytest.raises(InvalidInput, match="reaches farther than 10,000,000 m"):
            read_glb(file.glb(), Silent())

    def test_nodes_outside_the_scene_are_not_read(self) -> None:
        file = triangle_file()
        file.json["nodes"].append({"mesh": 0})
        assert len(read(file.glb()).faces) == 1

    def test_without_scenes_all_roots_are_read(self) -> None:
        file = triangle_file()
        file.json["nodes"] = [{"children": [1]}, {"mesh": 0}, {"mesh": 0}]
        del file.json["scenes"], file.json["scene"]
        assert len(read(file.glb()).faces) == 2

    def test_only_the_finest_level_of_detail_is_read(self) -> None:
        file = triangle_file()
        lod = {"MSFT_lod": {"ids": [1]}}
        file.json["nodes"] = [{"mesh": 0, "extensions": lod}, {"mesh": 0}]
        file.json["scenes"] = [{"nodes": [0, 1]}]
        file.json["extensionsUsed"] = ["MSFT_lod"]
        content = file.glb()
        assert len(read(content).faces) == 1
        assert any("LOD" in warning for warning in warnings_of(content))

    def test_levels_and_hulls_by_name_are_left_out(self) -> None:
        file = triangle_file()
        names = ["SM_Box_LOD0", "SM_Box_LOD1", "UCX_SM_Box_LOD0_00", "Chair_LOD1"]
        file.json["nodes"] = [{"mesh": 0, "name": name} for name in names]
        file.json["scenes"] = [{"nodes": [0, 1, 2, 3]}]
        content = file.glb()
        # Chair_LOD1 has no finer level, so it is the chair.
        assert len(read(content).faces) == 2
        assert len(warnings_of(content)) == 2

    def test_a_cycle_is_refused(self) -> None:
        file = triangle_file()
        file.json["nodes"] = [{"children": [1]}, {"mesh": 0, "children": [0]}]
        with pytest.raises(InvalidInput, match=r"nodes\[0\] is reached twice"):
            read(file.glb())

    def test_animations_are_left_out_with_a_warning(self) -> None:
        file = triangle_file()
        file.json["animations"] = [{"channels": [], "samplers": []}]
        assert any("rest pose" in warning for warning in warnings_of(file.glb()))


class TestAppearance:
    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_texture_pixels_arrive_top_row_first(self, kind: str) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, checkerboard())
        file.json["images"][0] = {
            "bufferView": file.view(_lossless(checkerboard(), kind)),
            "mimeType": f"image/{kind.lower()}",
        }
        image = read(file.glb()).materials[0].base_color
        assert image is not None
        np.testing.assert_array_equal(image.pixels, checkerboard())

    def test_jpeg_textures_are_read(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        file.texture(np.full((16, 16, 3), 200, np.uint8), kind="JPEG")
        file.json["materials"] = [
            {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}},
        ]
        file.json["meshes"][0]["primitives"][0]["material"] = 0
        image = read(file.glb()).materials[0].base_color
        assert image is not None
        assert np.abs(image.pixels.astype(int) - 200).max() <= 2  # JPEG rounds

    def test_textures_wrap_as_their_samplers_say(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, checkerboard())
        file.json["materials"][0]["emissiveTexture"] = {"index": file.texture(checkerboard())}
        file.json["textures"][0]["sampler"] = 0
        file.json["samplers"] = [{"wrapS": 33071, "wrapT": 33648}]
        (material,) = read(file.glb()).materials
        assert material.base_color is not None
        assert material.base_color.wrap == ("clamp", "mirror")
        assert material.emissive is not None
        assert material.emissive.wrap == ("repeat", "repeat")
        file.json["samplers"] = [{"wrapS": 7}]
        with pytest.raises(InvalidInput, match=r"wrapS must be .*, got 7"):
            read(file.glb())

    def test_image_in_a_data_uri(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, checkerboard())
        png = base64.b64encode(encoded(checkerboard())).decode()
        file.json["images"] = [{"uri": f"data:image/png;base64,{png}"}]
        image = read(file.glb()).materials[0].base_color
        assert image is not None
        np.testing.assert_array_equal(image.pixels, checkerboard())

    def test_sixteen_bit_gray_is_scaled_not_clipped(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, np.full((4, 4), 32768, np.uint16))
        image = read(file.glb()).materials[0].base_color
        assert image is not None
        assert image.pixels.shape == (4, 4, 3)
        assert (image.pixels == 128).all()

    def test_material_fields_arrive(self) -> None:
        file = triangle_file()
        file.json["materials"] = [
            {
                "name": "Brass",
                "pbrMetallicRoughness": {
                    "baseColorFactor": [0.1, 0.2, 0.3, 0.4],
                    "metallicFactor": 0.5,
                    "roughnessFactor": 0.6,
                },
                "emissiveFactor": [1, 0, 0.5],
                "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 4}},
                "alphaMode": "MASK",
                "alphaCutoff": 0.7,
                "doubleSided": True,
            }
        ]
        file.json["meshes"][0]["primitives"][0]["material"] = 0
        material = read(file.glb()).materials[0]
        assert material.name == "Brass"
        assert material.base_color_factor == (0.1, 0.2, 0.3, 0.4)
        assert (material.metallic_factor, material.roughness_factor) == (0.5, 0.6)
        assert material.emissive_factor == (4, 0, 2)
        assert (material.alpha_mode, material.alpha_cutoff) == ("MASK", 0.7)
        assert material.double_sided

    def test_the_default_material_is_gltfs(self) -> None:
        material = read(triangle_file().glb()).materials[0]
        assert (material.metallic_factor, material.roughness_factor) == (1.0, 1.0)
        assert material.base_color_factor == (1.0, 1.0, 1.0, 1.0)

    def test_faces_keep_their_materials(self) -> None:
        file = triangle_file()
        file.json["materials"] = [{"name": name} for name in "abc"]
        primitives = file.json["meshes"][0]["primitives"]
        primitives[0]["material"] = 2
        primitives += [{**primitives[0], "material": 0}, {**primitives[0], "material": 2}]
        surface = read(file.glb())
        names = [surface.materials[index].name for index in surface.face_materials]
        assert names == ["c", "a", "c"]
        assert len(surface.materials) == 2  # b is not used

    def test_primitives_without_uvs_or_colors_join_those_with(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS, COLOR_0=np.full((3, 3), 0.5, np.float32))
        textured(file, checkerboard())
        file.json["meshes"][0]["primitives"].append({"attributes": {"POSITION": 0, "NORMAL": 1}})
        surface = read(file.glb())
        assert surface.uvs is not None
        assert surface.colors is not None
        np.testing.assert_array_equal(surface.uvs, np.concatenate([UVS, np.zeros((3, 2))]))
        np.testing.assert_array_equal(surface.colors[:3], [[0.5, 0.5, 0.5, 1]] * 3)
        np.testing.assert_array_equal(surface.colors[3:], np.ones((3, 4)))

    @pytest.mark.parametrize(
        ("values", "normalized"),
        [
            (np.array([[0, 51, 255, 255]] * 3, np.uint8), True),
            (np.array([[0, 13107, 65535, 65535]] * 3, np.uint16), True),
            (np.array([[0, 0.2, 1, 1]] * 3, np.float32), False),
            (np.array([[0, 0.2, 1]] * 3, np.float32), False),
        ],
    )
    def test_every_color_format(self, values: NDArray[np.generic], normalized: bool) -> None:
        file = GltfFile()
        colors = file.accessor(values, normalized=normalized)
        file.mesh({"POSITION": triangle(), "NORMAL": FLAT, "COLOR_0": colors})
        read_colors = read(file.glb()).colors
        assert read_colors is not None
        np.testing.assert_allclose(read_colors, [[0, 0.2, 1, 1]] * 3, atol=1e-6)

    def test_white_colors_are_no_colors(self) -> None:
        content = triangle_file(COLOR_0=np.ones((3, 4), np.float32)).glb()
        assert read(content).colors is None

    def test_texture_transform_is_baked_into_the_uvs(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        transform = {"offset": [0.25, 0.5], "scale": [2, 4], "rotation": np.pi / 2}
        textured(file, checkerboard(), extensions={"KHR_texture_transform": transform})
        # By the extension's formula, T R S: u = sin(r) 4 v + .25, v = -sin(r) 2 u + .5.
        expected = [[0.25, 0.5], [0.25, -1.5], [4.25, 0.5]]
        np.testing.assert_allclose(uvs_of(file.glb()), expected, atol=1e-6)

    def test_the_second_uv_set_is_used_where_the_texture_says(self) -> None:
        file = triangle_file(TEXCOORD_0=np.zeros((3, 2), np.float32), TEXCOORD_1=UVS)
        textured(file, checkerboard(), texCoord=1)
        np.testing.assert_array_equal(uvs_of(file.glb()), UVS)

    def test_a_texture_on_another_uv_set_is_dropped_by_name(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS, TEXCOORD_1=UVS)
        textured(file, checkerboard())
        file.json["materials"][0]["occlusionTexture"] = {"index": 0, "texCoord": 1}
        content = file.glb()
        material = read(content).materials[0]
        assert material.base_color is not None
        assert material.occlusion is None
        assert any("occlusion texture is dropped" in warning for warning in warnings_of(content))

    @pytest.mark.parametrize("has_uvs", [True, False])
    def test_without_its_maps_nothing_glows_or_turns_to_metal(self, has_uvs: bool) -> None:
        file = triangle_file(TEXCOORD_0=UVS) if has_uvs else triangle_file()
        textured(file, checkerboard())
        material = file.json["materials"][0]
        elsewhere = {"index": 0, "texCoord": 1}
        material["emissiveTexture"] = elsewhere
        material["emissiveFactor"] = [1, 1, 1]
        material["pbrMetallicRoughness"]["metallicRoughnessTexture"] = elsewhere
        read_material = read(file.glb()).materials[0]
        assert read_material.emissive is None
        assert read_material.emissive_factor == (0, 0, 0)
        assert read_material.metallic_factor == 0

    def test_a_texture_without_uvs_is_dropped_with_a_warning(self) -> None:
        file = triangle_file()
        textured(file, checkerboard())
        content = file.glb()
        assert read(content).materials[0].base_color is None
        assert read(content).uvs is None
        assert any("TEXCOORD_0" in warning for warning in warnings_of(content))

    @pytest.mark.parametrize(
        ("texture", "roughness"), [({}, 0.25), ({"specularGlossinessTexture": {}}, 0.625)]
    )
    def test_specular_glossiness_becomes_a_rough_non_metal(
        self, texture: Json, roughness: float
    ) -> None:
        file = triangle_file()
        glossy = {"diffuseFactor": [0.5, 0.25, 0, 1], "glossinessFactor": 0.75, **texture}
        file.json["materials"] = [
            {"extensions": {"KHR_materials_pbrSpecularGlossiness": glossy}},
        ]
        file.json["meshes"][0]["primitives"][0]["material"] = 0
        material = read(file.glb()).materials[0]
        assert material.base_color_factor == (0.5, 0.25, 0, 1)
        assert (material.metallic_factor, material.roughness_factor) == (0, roughness)

    def test_what_many_materials_share_is_one_warning(self) -> None:
        file = triangle_file()
        (shown,) = file.json["meshes"][0]["primitives"]
        file.json["materials"] = [{"extensions": {"KHR_materials_unlit": {}}}] * 9
        file.json["meshes"][0]["primitives"] = [{**shown, "material": n} for n in range(9)]
        (warning,) = warnings_of(file.glb())
        assert warning == (
            "unlit is read as an ordinary lit material: materials[0], materials[1], materials[2] "
            "and 6 more"
        )

    def test_unknown_extensions_are_named(self) -> None:
        file = triangle_file()
        file.json["extensionsUsed"] = ["KHR_materials_clearcoat"]
        assert any("KHR_materials_clearcoat" in warning for warning in warnings_of(file.glb()))


def _lossless(pixels: NDArray[np.uint8], kind: str) -> bytes:
    out = io.BytesIO()
    PillowImage.fromarray(pixels).save(out, kind, lossless=True)
    return out.getvalue()


def _set(*path: str | int, to: object) -> Callable[[Json], None]:
    def change(root: Json) -> None:
        target = root
        for key in path[:-1]:
            target = target[key]  # type: ignore[index]  # lists by number, objects by name
        target[path[-1]] = to  # type: ignore[index]

    return change


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "way_out"),
        [
            ("KHR_draco_mesh_compression", "gltf-transform"),
            ("EXT_meshopt_compression", "gltf-transform"),
            ("KHR_texture_basisu", "PNG"),
            ("ACME_unheard_of", "without"),
        ],
    )
    def test_required_extensions_are_refused_with_a_way_out(self, name: str, way_out: str) -> None:
        file = triangle_file()
        file.json["extensionsUsed"] = file.json["extensionsRequired"] = [name]
        with pytest.raises(Unsupported, match=f"{name}.*{way_out}"):
            read(file.glb())

    @pytest.mark.parametrize(
        "change",
        [
            _set("nodes", 0, "skin", to=0),
            _set("meshes", 0, "primitives", 0, "attributes", "JOINTS_0", to=0),
            _set("meshes", 0, "primitives", 0, "targets", to=[{"POSITION": 0}]),
        ],
    )
    def test_skins_and_morphs_are_unsupported(self, change: Callable[[Json], None]) -> None:
        file = triangle_file()
        change(file.json)
        with pytest.raises(Unsupported, match="static mesh"):
            read(file.glb())

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (_set("accessors", 0, "count", to=4), r"accessors\[0\] reaches byte 48 of"),
            (_set("accessors", 0, "count", to=-1), r"accessors\[0\]\.count must be .* got -1"),
            (_set("accessors", 0, "count", to="3"), r"accessors\[0\]\.count must be"),
            (_set("accessors", 0, "count", to=10**12), r"more than 20,000,000 triangles"),
            (_set("accessors", 0, "byteOffset", to=8), r"accessors\[0\] reaches byte 44"),
            (_set("accessors", 0, "type", to="MAT4"), r"accessors\[0\] has .*MAT4"),
            (_set("accessors", 0, "type", to="VEC2"), r"POSITION needs 3"),
            (_set("accessors", 0, "componentType", to=5124), r"componentType 5124"),
            (_set("bufferViews", 0, "byteLength", to=1000), r"bufferViews\[0\] reaches byte 1,000"),
            (_set("bufferViews", 0, "buffer", to=3), r"refers to buffers\[3\], but there are 1"),
            (_set("nodes", 0, "mesh", to=5), r"refers to meshes\[5\], but there are 1"),
            (_set("nodes", 0, "rotation", to=[0, 0, 0, 0]), "zero quaternion"),
            (_set("nodes", 0, "scale", to=[1, 1]), r"nodes\[0\]\.scale must be a list of 3"),
            (_set("nodes", 0, "scale", to=[1e30, 1, 1]), "farther than"),
            (_set("nodes", 0, "matrix", to=[0] * 16), r"nodes\[0\]\.matrix must end its columns"),
            (_set("scenes", 0, "nodes", to=[9]), r"scene refers to nodes\[9\]"),
            (_set("scene", to=1), r"scene refers to scenes\[1\]"),
            (_set("meshes", to={}), "meshes must be a list"),
            (_set("meshes", 0, "primitives", 0, "mode", to=9), "mode must be 0 to 6, got 9"),
            (_set("meshes", 0, "primitives", 0, "mode", to=0), "no triangles"),
            (_set("scenes", 0, "nodes", to=[]), "no triangles"),
            (_set("asset", "version", to="1.0"), "glTF 1.0, only glTF 2"),
        ],
    )
    def test_broken_json_is_named(self, change: Callable[[Json], None], message: str) -> None:
        file = triangle_file()
        file.glb()  # completes the list of buffers
        file.json["buffers"] = [{"byteLength": len(file.binary)}]
        change(file.json)
        content = pack_glb(json.dumps(file.json).encode(), bytes(file.binary))
        with pytest.raises(InvalidInput, match=message):
            read(content)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda glb: b"", "not a GLB"),
            (lambda glb: b"PK\x03\x04" + glb[4:], "not a GLB"),
            (lambda glb: glb[:15], "cut short"),
            (lambda glb: glb[:-4], "cut short"),
            (lambda glb: glb[:4] + struct.pack("<I", 1) + glb[8:], "glTF 1"),
            (lambda glb: glb[:12] + struct.pack("<I", 1 << 30) + glb[16:], "a chunk of"),
            (lambda glb: glb[:16] + b"BIN\0" + glb[20:], "first chunk"),
            (lambda glb: glb[:20] + b"#" + glb[21:], "cannot be read"),
            (lambda glb: pack_glb(b"[1, 2]", b""), "must be an object"),
            (lambda glb: pack_glb(b"[" * 100_000, b""), "cannot be read"),
            (lambda glb: pack_glb(b'{"asset": {"version": NaN}}', b""), "version"),
            (lambda glb: pack_glb(rb'{"asset": {"generator": "\ud800"}}', b""), "cannot be read"),
        ],
    )
    def test_a_damaged_container_is_named(
        self, damage: Callable[[bytes], bytes], message: str
    ) -> None:
        with pytest.raises(InvalidInput, match=message):
            read(damage(triangle_file().glb()))

    def test_an_index_out_of_range_is_named(self) -> None:
        file = GltfFile()
        file.mesh({"POSITION": triangle()}, np.array([0, 1, 7], np.uint8))
        with pytest.raises(
            InvalidInput, match=r"meshes\[0\]\.primitives\[0\] has index 7 at place 2, but only 3"
        ):
            read(file.glb())

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_positions_that_are_no_numbers_are_named(self, value: float) -> None:
        points = triangle()
        points[1, 2] = value
        file = GltfFile()
        file.mesh({"POSITION": points})
        with pytest.raises(InvalidInput, match=r"meshes\[0\]\.primitives\[0\] has a vertex 1 at"):
            read(file.glb())

    def test_a_mesh_without_size_is_refused(self) -> None:
        file = GltfFile()
        file.mesh({"POSITION": np.ones((3, 3), np.float32)})
        with pytest.raises(InvalidInput, match="points"):
            read(file.glb())

    def test_files_beside_the_glb_are_refused_with_a_way_out(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, checkerboard())
        file.json["images"] = [{"uri": "colormap.png"}]
        with pytest.raises(InvalidInput, match=r"images\[0\].*'colormap.png'; pack"):
            read(file.glb())

    def test_copies_without_size_are_left_to_those_that_have_one(self) -> None:
        file = triangle_file()
        file.json["nodes"] = [{"mesh": 0, "scale": [size] * 3} for size in (0, 0, 1)]
        file.json["scenes"] = [{"nodes": [0, 1, 2]}]
        assert np.ptp(read(file.glb()).positions, axis=0).tolist() == [1, 1, 0]
        file.json["scenes"] = [{"nodes": [0, 1]}]
        with pytest.raises(InvalidInput, match="points"):
            read(file.glb())

    def test_an_endless_place_is_refused_even_where_nothing_is_drawn(self) -> None:
        file = triangle_file()
        file.mesh({"POSITION": triangle()}, np.zeros(4, np.uint8), mode=5)  # only jumps
        file.json["nodes"] = [
            {"mesh": 0},
            {"scale": [1e200, 1, 1], "children": [2]},
            {"mesh": 1, "scale": [1e200, 1, 1]},
        ]
        file.json["scenes"] = [{"nodes": [0, 1]}]
        with pytest.raises(InvalidInput, match=r"nodes\[2\] reaches farther than"):
            read(file.glb())

    def test_a_broken_image_is_named(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, checkerboard())
        cut = encoded(checkerboard(64))[:80]
        file.json["images"] = [{"bufferView": file.view(cut), "name": "Bark"}]
        with pytest.raises(InvalidInput, match=r'images\[0\] "Bark" cannot be decoded'):
            read(file.glb())


class TestLimits:
    def test_bytes(self) -> None:
        content = triangle_file().glb()
        read_glb(content, Silent(), limits=ReadLimits(max_bytes=len(content)))
        with pytest.raises(InvalidInput, match="the limit is"):
            read_glb(content, Silent(), limits=ReadLimits(max_bytes=len(content) - 1))

    def test_triangles_count_once_per_instance(self) -> None:
        file = triangle_file()
        file.json["nodes"] = [{"mesh": 0}, {"mesh": 0}, {"mesh": 0}]
        file.json["scenes"] = [{"nodes": [0, 1, 2]}]
        read_glb(file.glb(), Silent(), limits=ReadLimits(max_triangles=3))
        with pytest.raises(InvalidInput, match="more than 2 triangles"):
            read_glb(file.glb(), Silent(), limits=ReadLimits(max_triangles=2))

    def test_nodes(self) -> None:
        file = triangle_file()
        file.json["nodes"] += [{}] * 10
        with pytest.raises(InvalidInput, match="11 nodes, the limit is 10"):
            read_glb(file.glb(), Silent(), limits=ReadLimits(max_nodes=10))

    def test_json(self) -> None:
        with pytest.raises(InvalidInput, match="JSON part has"):
            read_glb(triangle_file().glb(), Silent(), limits=ReadLimits(max_json_bytes=100))

    @pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")  # as in workers
    @pytest.mark.parametrize("side", [10_000, 30_000])  # Pillow warns of the first
    def test_a_picture_is_measured_before_it_is_decoded(self, side: int) -> None:
        # A PNG header that promises pixels, without any of them.
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header
        bomb += struct.pack(">I", zlib.crc32(b"IHDR" + header)) + struct.pack(">I", 100) + b"IDAT"
        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, checkerboard())
        file.json["images"] = [{"bufferView": file.view(bomb)}]
        with pytest.raises(InvalidInput, match=r"too large|the limit is"):
            read(file.glb())

    def test_pictures_together(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, checkerboard())
        file.json["materials"][0]["normalTexture"] = {"index": file.texture(checkerboard())}
        limits = ReadLimits(max_total_image_pixels=100)  # two of 64
        with pytest.raises(InvalidInput, match="together"):
            read_glb(file.glb(), Silent(), limits=limits)

    def test_bytes_of_pictures_together(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, checkerboard())
        file.json["materials"][0]["normalTexture"] = {"index": 1}
        file.json["textures"].append({"source": 1})
        file.json["images"] = [
            {"bufferView": file.view(encoded(checkerboard()) + bytes(9_000))}
        ] * 2
        content = file.glb()
        read_glb(content, Silent(), limits=ReadLimits(max_bytes=20_000))
        with pytest.raises(InvalidInput, match="the images have more than 15,000 bytes together"):
            read_glb(content, Silent(), limits=ReadLimits(max_bytes=15_000))

    def test_a_limit_below_one_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="max_nodes must be at least 1, got 0"):
            ReadLimits(max_nodes=0)


class TestProgress:
    def test_rises_to_one(self) -> None:
        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, checkerboard())
        listener = Listener()
        read_glb(file.glb(), listener)
        assert listener.fractions == sorted(listener.fractions)
        assert (listener.fractions[0], listener.fractions[-1]) == (0.0, 1.0)

    def test_cancelled_passes_through(self) -> None:
        class Stop(Silent):
            def __call__(self, stage: Stage, fraction: float) -> None:
                if fraction > 0.2:
                    raise Cancelled("stop")

        file = triangle_file(TEXCOORD_0=UVS)
        textured(file, checkerboard())
        with pytest.raises(Cancelled):
            read_glb(file.glb(), Stop())


def _rich_file() -> GltfFile:
    """A file that touches most of the reader, small enough to mutate thousands of times."""
    file = triangle_file(TEXCOORD_0=UVS, TEXCOORD_1=UVS, COLOR_0=np.full((3, 4), 0.5, np.float32))
    textured(
        file, checkerboard(), texCoord=1, extensions={"KHR_texture_transform": {"scale": [2, 2]}}
    )
    file.json["materials"][0]["normalTexture"] = {"index": file.texture(checkerboard())}
    file.json["textures"][0]["sampler"] = 0
    file.json["samplers"] = [{"wrapS": 33071}]
    file.mesh({"POSITION": 0}, np.array([0, 1, 2, 0], np.uint16), mode=5)
    rows = file.view(np.array([1], np.uint16).tobytes())
    values = file.view(np.array([[7, 0, 0]], np.float32).tobytes())
    file.json["accessors"][0]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": rows, "componentType": 5123},
        "values": {"bufferView": values},
    }
    file.json["nodes"] = [
        {"children": [1, 2], "scale": [-1, 1, 2], "name": "Box_LOD0"},
        {"mesh": 0, "rotation": [0, 0, 0.6, 0.8], "extensions": {"MSFT_lod": {"ids": [3]}}},
        {"mesh": 1, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 3, 4, 5, 1]},
        {"mesh": 1, "name": "Box_LOD1"},
    ]
    return file


RICH = _rich_file().glb()
JSON_BYTES = struct.unpack_from("<I", RICH, 12)[0]
LIMITS = ReadLimits(max_triangles=1000, max_image_pixels=4096)


def _accepts_or_refuses(content: bytes) -> None:
    try:
        surface = read_glb(content, Silent(), limits=LIMITS)
    except PipelineError:
        return
    assert surface.faces.min() >= 0
    assert surface.faces.max() < len(surface.positions)
    assert np.isfinite(surface.positions).all()
    np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1, atol=1e-5)
    assert surface.face_materials.max() < len(surface.materials)


class TestFarCoordinates:
    @pytest.mark.parametrize("far", [np.nan, np.inf, 1e19, -1.1e6])
    def test_texture_coordinates_out_of_range_are_set_to_0_with_a_warning(self, far: float) -> None:
        file = triangle_file(TEXCOORD_0=np.array([[0, far], [1, 1e6], [0.5, 0.5]], np.float32))
        textured(file, checkerboard())
        content = file.glb()
        assert uvs_of(content).tolist() == [[0, 0], [1, 1e6], [0.5, 0.5]]
        assert any("far out of range" in warning for warning in warnings_of(content))


class TestGarbage:
    def test_the_file_to_be_damaged_is_whole(self) -> None:
        assert len(read(RICH).faces) == 3

    @settings(max_examples=600, deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, len(RICH) - 1), st.integers(0, 255)), min_size=1, max_size=6
        )
    )
    def test_changed_bytes_end_in_a_pipeline_error_or_a_surface(
        self, changes: list[tuple[int, int]]
    ) -> None:
        damaged = bytearray(RICH)
        for at, value in changes:
            damaged[at] = value
        _accepts_or_refuses(bytes(damaged))

    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, len(RICH) - 1))
    def test_every_cut_ends_in_a_pipeline_error(self, length: int) -> None:
        with pytest.raises(PipelineError):
            read(RICH[:length])

    @settings(max_examples=800, deadline=None)
    @given(st.data())
    def test_changed_json_values_end_in_a_pipeline_error_or_a_surface(
        self, data: st.DataObject
    ) -> None:
        root = json.loads(RICH[20 : 20 + JSON_BYTES])
        for _ in range(data.draw(st.integers(1, 3))):
            _change_one_value(root, data)
        binary = RICH[20 + JSON_BYTES + 8 :]
        _accepts_or_refuses(pack_glb(json.dumps(root).encode(), binary))

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes_end_in_a_pipeline_error(self, content: bytes) -> None:
        for start in (b"", b"{", b"glTF\x02\0\0\0"):
            with pytest.raises(PipelineError):
                read(start + content)


ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 12),
    st.sampled_from([2**31, 2**32, 2**63, 10**400, 1e308, -1e308, 0.5, 3.0, "", "VEC4", "data:,"]),
    # Built anew each time, because a later change may reach into them.
    st.builds(list),
    st.builds(dict),
    st.builds(lambda: [0, 0, 0]),
    st.builds(lambda: {"index": 0}),
)


def _change_one_value(root: Json, data: st.DataObject) -> None:
    """Walk to a random place of the JSON and change, remove or double what is there."""
    at: object = root
    while True:
        keys: list[object] = list(at) if isinstance(at, dict) else list(range(len(at)))  # type: ignore[arg-type]
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        value = at[key]  # type: ignore[index]
        if isinstance(value, dict | list) and value and data.draw(st.integers(0, 3)) > 0:
            at = value
            continue
        if data.draw(st.booleans()):
            at[key] = data.draw(ODD_VALUES)  # type: ignore[index]
        else:
            del at[key]  # type: ignore[attr-defined]
        return
