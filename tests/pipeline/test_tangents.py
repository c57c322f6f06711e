"""Tangents follow the texture as MikkTSpace and glTF say."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.tangents import tangents
from tests.pipeline.mesh.shapes import sphere

CORNERS = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], np.float32)
FACES = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
UP = np.tile(np.array([0, 0, 1], np.float32), (4, 1))


def _of_square(uvs: list[tuple[float, float]]) -> NDArray[np.float32]:
    return tangents(CORNERS, UP, np.array(uvs, np.float32), FACES)


@pytest.mark.parametrize(
    ("uvs", "tangent"),
    [
        # As a picture hangs on a wall: u to the right, v down.
        ([(0, 1), (1, 1), (1, 0), (0, 0)], (1, 0, 0, 1)),
        ([(1, 1), (1, 0), (0, 0), (0, 1)], (0, -1, 0, 1)),  # turned by a quarter
        ([(1, 1), (0, 1), (0, 0), (1, 0)], (-1, 0, 0, -1)),  # mirrored
        ([(0, 0), (1, 0), (1, 1), (0, 1)], (1, 0, 0, -1)),  # upside down, so mirrored too
        ([(0, 1), (9, 1), (9, 0), (0, 0)], (1, 0, 0, 1)),  # stretched
    ],
)
def test_square(uvs: list[tuple[float, float]], tangent: tuple[float, ...]) -> None:
    assert np.allclose(_of_square(uvs), tangent, atol=1e-6)


def test_green_is_up_in_the_picture() -> None:
    (tangent,) = np.unique(_of_square([(0, 1), (1, 1), (1, 0), (0, 0)]), axis=0)
    bitangent = np.cross([0, 0, 1], tangent[:3]) * tangent[3]
    assert np.allclose(bitangent, [0, 1, 0])


def test_ball_with_longitude_and_latitude() -> None:
    ball = sphere(48)
    x, y, z = ball.positions.astype(np.float64).T
    # Cut into loose faces, so that u can jump where it comes round.
    corners = ball.faces.ravel()
    u = (np.arctan2(-z, x)[ball.faces] / (2 * np.pi)) % 1
    u = np.where(u - u[:, :1] > 0.5, u - 1, np.where(u - u[:, :1] < -0.5, u + 1, u))
    v = np.arccos(np.clip(y, -1, 1))[ball.faces] / np.pi
    result = tangents(
        ball.positions[corners],
        ball.positions[corners],
        np.stack([u, v], axis=2).reshape(-1, 2).astype(np.float32),
        np.arange(len(corners), dtype=np.int32).reshape(-1, 3),
    )
    east = np.stack([z, 0 * z, -x], axis=1)[corners]
    away_from_poles = np.abs(y[corners]) < 0.9
    cosines = (result[:, :3] * east).sum(axis=1) / np.maximum(np.linalg.norm(east, axis=1), 1e-9)
    angles = np.degrees(np.arccos(np.clip(cosines[away_from_poles], -1, 1)))
    assert angles.mean() < 1.5
    assert (result[away_from_poles, 3] == 1).all()


def test_unit_length_and_square_to_the_normal() -> None:
    ball = sphere(12)
    uvs = np.random.default_rng(0).random((len(ball.positions), 2)).astype(np.float32)
    result = tangents(ball.positions, ball.positions, uvs, ball.faces)
    assert np.allclose(np.linalg.norm(result[:, :3], axis=1), 1, atol=1e-6)
    assert np.abs((result[:, :3] * ball.positions).sum(axis=1)).max() < 1e-5
    assert set(np.unique(result[:, 3])) <= {-1, 1}


def test_no_texture_area_still_gives_a_frame() -> None:
    result = _of_square([(0.5, 0.5)] * 4)
    assert np.allclose(np.linalg.norm(result[:, :3], axis=1), 1)
    assert np.allclose(result[:, 2], 0)
