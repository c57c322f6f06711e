"""OBJ files, written by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from pipeline.errors import InvalidInput
from pipeline.training.datasets import obj
from pipeline.training.datasets.obj import read_obj
from pipeline.types import Silent, Stage

SQUARE = """
mtllib square.mtl
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vn 0 0 2
usemtl red
f 1/1/1 2/2/1 3/3/1 4/4/1
"""


class Heard(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, stage: Stage, message: str) -> None:
        self.warnings.append(message)


def written(folder: Path, content: str, materials: str | None = None) -> Path:
    (folder / "square.obj").write_text(content)
    if materials is not None:
        (folder / "square.mtl").write_text(materials)
    return folder / "square.obj"


def test_a_polygon_becomes_a_fan_with_its_material(tmp_path: Path) -> None:
    Pil.new("RGB", (4, 2), (255, 0, 0)).save(tmp_path / "red.png")
    path = written(tmp_path, SQUARE, "newmtl red\nKd 0.5 0.5 0.5\nmap_Kd red.png\n")
    surface = read_obj(path, Silent())
    assert len(surface.faces) == 2
    area = np.cross(
        surface.positions[surface.faces[:, 1]] - surface.positions[surface.faces[:, 0]],
        surface.positions[surface.faces[:, 2]] - surface.positions[surface.faces[:, 0]],
    )
    np.testing.assert_allclose(area.sum(0), (0, 0, 2))  # twice the area, all facing +Z
    np.testing.assert_allclose(surface.normals, [[0, 0, 1]] * 4)
    (material,) = surface.materials
    assert material.base_color is not None
    assert material.base_color.pixels.shape == (2, 4, 3)
    assert material.base_color_factor == (1, 1, 1, 1)  # the texture is all there is
    corner = np.flatnonzero((surface.positions == (1, 0, 0)).all(1))
    np.testing.assert_allclose(surface.uvs[corner], [[1, 1]])  # bottom right, counted from the top


def test_a_color_without_texture_is_the_factor(tmp_path: Path) -> None:
    surface = read_obj(written(tmp_path, SQUARE, "newmtl red\nKd 1 0.25 0\n"), Silent())
    assert surface.materials[0].base_color_factor == (1, 0.25, 0, 1)
    assert surface.uvs is None


def test_indices_may_count_back_and_parts_may_be_absent(tmp_path: Path) -> None:
    path = written(tmp_path, "v 0 0 0\nv 1 0 0\nv 0 0 1\nf -3 -1 -2\n")
    surface = read_obj(path, Silent())
    np.testing.assert_allclose(
        surface.positions[surface.faces[0]], [(0, 0, 0), (0, 0, 1), (1, 0, 0)]
    )
    np.testing.assert_allclose(surface.normals, [[0, 1, 0]] * 3, atol=1e-6)


def test_each_face_keeps_its_material(tmp_path: Path) -> None:
    content = "v 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl a\nf 1 2 3\nusemtl b\nf 1 3 2\nusemtl unused\n"
    surface = read_obj(written(tmp_path, content), Silent())
    assert [material.name for material in surface.materials] == ["a", "b"]
    assert surface.face_materials.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no faces"),
        ("v 0 0 0\nf 1 2 3\n", "entry 2 of 1"),
        ("v 0 0 0\nf 1 0 1\n", "entry 0 of 1"),
        ("v 0 0\n", "fewer than 3 numbers"),
        ("v a b c\n", "could not convert"),
        ("v 0 0 0\nv nan 0 0\nv 1 0 0\nf 1 2 3\n", "not a number"),
        ("v 0 0 0\nf 1/x 1 1\n", "invalid literal"),
        ("v 0 0 0\nf 99999999999999999999 1 1\n", "entry 9"),
    ],
)
def test_what_is_damaged_is_refused(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read_obj(written(tmp_path, content), Silent())


@pytest.mark.parametrize("texture", ["gone.png", "../out.png", "square.obj"])
def test_a_texture_that_cannot_be_read_is_warned_of(tmp_path: Path, texture: str) -> None:
    heard = Heard()
    materials = f"newmtl red\nKd 0 1 0\nmap_Kd {texture}\n"
    surface = read_obj(written(tmp_path, SQUARE, materials), heard)
    assert surface.materials[0].base_color_factor == (0, 1, 0, 1)
    assert len(heard.warnings) == 1
    assert texture in heard.warnings[0]


def test_a_missing_library_is_warned_of(tmp_path: Path) -> None:
    heard = Heard()
    read_obj(written(tmp_path, SQUARE), heard)
    assert heard.warnings == ["square.mtl is missing: no colors"]


def test_too_large_is_said_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obj, "MAX_BYTES", 10)
    with pytest.raises(InvalidInput, match="more than 10 bytes"):
        read_obj(written(tmp_path, SQUARE), Silent())
