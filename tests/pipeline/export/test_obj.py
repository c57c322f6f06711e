from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.export.obj import to_mtl, to_obj
from pipeline.types import Material
from tests.pipeline.samples import unwrapped_cube

CUBE = unwrapped_cube(segments=2)


def rows(obj: str, letters: str) -> NDArray[np.float32]:
    lines = [line.split() for line in obj.splitlines()]
    return np.array([line[1:] for line in lines if line[0] == letters], np.float32)


def written(count: int = 1) -> str:
    meshes = [(f"SM_Crate_{number}", CUBE) for number in range(count)]
    return to_obj(meshes, material="M_Crate", library="Crate.mtl").decode()


def statements(mtl: bytes) -> dict[str, str]:
    pairs = [line.split(" ", 1) for line in mtl.decode().splitlines()]
    return {pair[0]: pair[1] for pair in pairs}


class TestObj:
    def test_numbers_read_back_as_the_same_float32(self) -> None:
        obj = written()
        np.testing.assert_array_equal(rows(obj, "v"), CUBE.positions)
        np.testing.assert_array_equal(rows(obj, "vn"), CUBE.normals)

    def test_uvs_begin_at_the_bottom(self) -> None:
        uvs = rows(written(), "vt")
        np.testing.assert_array_equal(uvs[:, 0], CUBE.uvs[:, 0])
        np.testing.assert_allclose(uvs[:, 1] + CUBE.uvs[:, 1], 1, atol=1e-7)

    def test_faces_count_from_one_over_all_objects(self) -> None:
        lines = [line for line in written(2).splitlines() if line.startswith("f ")]
        corners = np.array([[c.split("/") for c in line.split()[1:]] for line in lines], int)
        assert (corners == corners[:, :, :1]).all()  # position, UV and normal alike
        faces = corners[:, :, 0]
        half = len(faces) // 2
        np.testing.assert_array_equal(faces[:half], CUBE.faces + 1)
        np.testing.assert_array_equal(faces[half:], CUBE.faces + 1 + len(CUBE.positions))

    def test_names_objects_material_and_library(self) -> None:
        lines = written(2).splitlines()
        assert lines[0] == "mtllib Crate.mtl"
        assert [line for line in lines if line.startswith("o ")] == [
            "o SM_Crate_0", "o SM_Crate_1",
        ]  # fmt: skip
        assert lines.count("usemtl M_Crate") == 2


class TestMtl:
    def test_factors_without_maps(self) -> None:
        material = Material(
            base_color_factor=(0.5, 1.0, 0.0, 1.0), metallic_factor=0.25, roughness_factor=0.75
        )
        found = statements(to_mtl("M_X", material, [], "T_{}.png"))
        red, green, blue = (float(value) for value in found["Kd"].split())
        assert abs(red - 188 / 255) < 0.003  # half the light of white in sRGB
        assert (green, blue) == (1.0, 0.0)
        assert (found["Pm"], found["Pr"]) == ("0.25", "0.75")
        assert "map_Kd" not in found
        assert "d" not in found

    def test_maps_take_the_place_of_factors(self) -> None:
        maps = ["Color", "Normal", "Metalness", "Roughness", "Occlusion"]
        material = Material(base_color_factor=(0.5, 0.5, 0.5, 1.0), roughness_factor=0.3)
        found = statements(to_mtl("M_X", material, maps, "T_X_{}.png"))
        assert (found["Kd"], found["Pr"], found["Pm"]) == ("1 1 1", "1", "1")
        assert found["map_Kd"] == "T_X_Color.png"
        assert found["norm"] == "T_X_Normal.png"
        assert found["map_Pr"] == "T_X_Roughness.png"

    def test_transparency_is_told(self) -> None:
        glass = Material(base_color_factor=(1, 1, 1, 0.25), alpha_mode="BLEND")
        assert statements(to_mtl("M_X", glass, [], "T_{}.png"))["d"] == "0.25"
        leaf = replace(glass, alpha_mode="MASK")
        assert "map_d" in statements(to_mtl("M_X", leaf, ["Color"], "T_{}.png"))
