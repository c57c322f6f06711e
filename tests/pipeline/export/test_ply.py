import numpy as np
import pytest

from pipeline.export.ply import to_ply, vertex_colors
from pipeline.types import Image, Material
from tests.pipeline.samples import unwrapped_cube

CUBE = unwrapped_cube(segments=2)
GRAY = Material(base_color_factor=(0.5, 0.5, 0.5, 0.5))


def test_header_says_what_follows() -> None:
    """Read as the header tells, by numpy alone."""
    ply = to_ply([CUBE, CUBE], GRAY)
    header, body = ply.split(b"end_header\n", 1)
    lines = header.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    kinds = {"float": "<f4", "uchar": "u1"}
    start = lines.index(f"element vertex {2 * len(CUBE.positions)}") + 1
    end = lines.index(f"element face {2 * len(CUBE.faces)}")
    vertex = np.dtype([(x.split()[2], kinds[x.split()[1]]) for x in lines[start:end]])
    assert lines[end + 1] == "property list uchar int vertex_indices"
    vertices = np.frombuffer(body, vertex, 2 * len(CUBE.positions))
    faces = np.frombuffer(body, [("count", "u1"), ("corners", "<i4", 3)], offset=vertices.nbytes)
    assert len(faces) == 2 * len(CUBE.faces)
    assert (faces["count"] == 3).all()
    places = np.stack([vertices[axis] for axis in "xyz"], axis=1)
    corners = places[faces["corners"]]
    np.testing.assert_array_equal(corners[: len(CUBE.faces)], CUBE.positions[CUBE.faces])
    np.testing.assert_array_equal(corners[len(CUBE.faces) :], CUBE.positions[CUBE.faces])
    np.testing.assert_allclose(vertices["t"][: len(CUBE.uvs)], 1 - CUBE.uvs[:, 1], atol=1e-7)


class TestColors:
    uvs = np.array([[0.25, 0.25], [0.75, 0.25], [0.5, 0.25], [0.0, 1.0]], np.float32)
    pixels = np.array([[[255, 0, 0], [0, 0, 0]], [[0, 0, 255], [0, 255, 0]]], np.uint8)

    def test_are_the_texels_at_their_middles_and_light_between(self) -> None:
        found = vertex_colors(self.uvs, Material(base_color=Image(pixels=self.pixels)))
        assert found.tolist() == [
            [255, 0, 0, 255],
            [0, 0, 0, 255],
            [188, 0, 0, 255],  # half the light of red in sRGB
            [0, 0, 255, 255],  # clamped at the corner
        ]

    def test_have_the_factor(self) -> None:
        assert vertex_colors(self.uvs[:1], GRAY).tolist() == [[188, 188, 188, 255]]

    @pytest.mark.parametrize(("mode", "alpha"), [("OPAQUE", 255), ("BLEND", 64)])
    def test_have_alpha_where_it_shows(self, mode: str, alpha: int) -> None:
        pixels = np.full((2, 2, 4), 128, np.uint8)
        material = Material(
            base_color=Image(pixels=pixels),
            base_color_factor=(1, 1, 1, 0.5),
            alpha_mode=mode,  # type: ignore[arg-type]
        )
        assert vertex_colors(self.uvs[:1], material)[0, 3] == alpha

    def test_gray_pictures_are_gray(self) -> None:
        material = Material(base_color=Image(pixels=np.full((2, 2, 1), 77, np.uint8)))
        assert vertex_colors(self.uvs[:1], material).tolist() == [[77, 77, 77, 255]]
