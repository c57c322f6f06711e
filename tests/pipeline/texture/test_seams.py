"""Seams are measured where two charts meet."""

import numpy as np
import pytest

from pipeline.texture.seams import LEVELS, chart_border, seam_steps
from pipeline.types import FloatArray, Image, UnwrappedMesh


def _two_quads(*, gap: float) -> UnwrappedMesh:
    """A strip of two squares along x that meet at x = 1; `gap` apart in the texture."""
    quad = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    positions = np.array([(x + side, 0, y) for side in (0, 1) for x, y in quad], np.float32)
    left = 0.1 + 0.3 * quad
    right = left + np.array([0.3 + gap, 0])
    uvs = np.concatenate([left, right]).astype(np.float32)
    faces = np.array([(0, 1, 2), (0, 2, 3), (4, 5, 6), (4, 6, 7)], np.int32)
    if gap == 0:  # one chart: the vertices at x = 1 are shared
        faces = np.array([(0, 1, 2), (0, 2, 3), (1, 5, 6), (1, 6, 2)], np.int32)
    count = len(positions)
    return UnwrappedMesh(
        positions=positions,
        normals=np.tile(np.float32([0, 1, 0]), (count, 1)),
        tangents=np.tile(np.float32([1, 0, 0, 1]), (count, 1)),
        uvs=uvs,
        faces=faces,
        face_source=np.arange(4, dtype=np.int32),
    )


def _halves(size: int, left: int, right: int) -> Image:
    pixels = np.full((size, size, 3), left, np.uint8)
    pixels[:, size // 2 :] = right
    return Image(pixels=pixels)


def _steps(uvs: FloatArray, image: Image) -> tuple[float, ...]:
    return seam_steps(uvs, image, lambda: None)


def test_a_border_is_where_charts_meet_and_nowhere_else() -> None:
    border = chart_border([_two_quads(gap=0.2)])
    assert len(border.lods) == 8
    assert np.allclose(border.uvs[0, :, 0], 0.4)
    assert np.allclose(border.uvs[1, :, 0], 0.6)
    assert np.allclose(border.uvs[0, :, 1], border.uvs[1, :, 1])
    left, right = border.points
    assert (left[:, 0] < 1).all()
    assert (right[:, 0] > 1).all()
    assert np.abs(border.points[..., 0] - 1).max() < 0.05
    assert chart_border([_two_quads(gap=0)]).uvs.shape == (2, 0, 2)


def test_the_step_is_the_difference_of_the_two_sides() -> None:
    uvs = chart_border([_two_quads(gap=0.2)]).uvs
    steps = _steps(uvs, _halves(64, 100, 130))
    assert len(steps) == LEVELS
    assert steps[0] == pytest.approx(30, abs=0.01)
    assert steps[-1] < 30  # two texels are left, and each side reads some of the other
    assert _steps(uvs, _halves(64, 90, 90)) == pytest.approx([0] * LEVELS, abs=1e-4)


def test_mips_are_means_of_light_not_of_bytes() -> None:
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 255
    plain = np.full((8, 8, 3), 188, np.uint8)  # half the light
    texture = Image(
        pixels=np.concatenate([np.tile(stripes, (16, 8, 1)), np.tile(plain, (16, 8, 1))], 1)
    )
    uvs = np.stack([np.full((4, 2), 0.25), np.full((4, 2), 0.75)]).astype(np.float32)
    assert _steps(uvs, texture)[1] < 1


def test_without_borders_there_are_no_steps() -> None:
    assert _steps(np.zeros((2, 0, 2), np.float32), _halves(8, 0, 255)) == ()
