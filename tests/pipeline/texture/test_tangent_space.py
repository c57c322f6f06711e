"""What is written into a normal map is what a shader reads from it."""

import numpy as np
from numpy.typing import NDArray

from pipeline.texture.tangent_space import bend, to_tangent_space


def _random(count: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(count, 3))


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_a_shader_reads_back_what_was_written() -> None:
    # Normals and tangents as interpolation leaves them: neither of unit length nor square.
    normals = _unit(_random(500, 0)) * np.random.default_rng(1).uniform(0.7, 1, (500, 1))
    tangents = _unit(np.cross(normals, _random(500, 2))) * 0.9 + 0.2 * normals
    w = np.where(np.arange(500) % 2, 1.0, -1.0)[:, None]
    wanted = _unit(_unit(normals) + 0.5 * _unit(_random(500, 3)))
    x, y, z = to_tangent_space(wanted, normals, np.hstack([tangents, 0.8 * w])).T[:, :, None]
    read = _unit(x * tangents + y * w * np.cross(normals, tangents) + z * normals)
    assert np.allclose(read, wanted, atol=1e-5)


def test_inward_is_laid_flat() -> None:
    frame = np.array([[0.0, 0, 1]]), np.array([[1.0, 0, 0, 1]])
    assert np.allclose(to_tangent_space(np.array([[3.0, 0, -1]]), *frame), [[1, 0, 0]])
    assert np.allclose(to_tangent_space(np.array([[0.0, 0, -1]]), *frame), [[0, 0, 1]])


def test_no_frame_reads_as_flat() -> None:
    nothing = np.zeros((1, 3)), np.zeros((1, 4))
    assert np.allclose(to_tangent_space(np.array([[1.0, 0, 0]]), *nothing), [[0, 0, 1]])


UP = np.array([[0.0, 0, 1]])
RIGHT_AND_UP = np.array([[0.6, 0.0, 0.8]], np.float32), np.array([[0.0, 0.6, 0.8]], np.float32)


def test_red_is_right_and_green_is_up() -> None:
    right, up = (bend(UP, np.array([[1.0, 0, 0, 1]]), bumps) for bumps in RIGHT_AND_UP)
    assert np.allclose(right, [[0.6, 0, 0.8]])
    assert np.allclose(up, [[0, 0.6, 0.8]])


def test_mirrored_uvs_mirror_the_bump() -> None:
    right, up = (bend(UP, np.array([[-1.0, 0, 0, -1]]), bumps) for bumps in RIGHT_AND_UP)
    assert np.allclose(right, [[-0.6, 0, 0.8]])
    assert np.allclose(up, [[0, 0.6, 0.8]])


def test_bending_is_what_a_map_of_it_takes_back() -> None:
    rng = np.random.default_rng(3)
    normals, tangents = rng.normal(size=(50, 3)), rng.normal(size=(50, 4))
    bumps = np.column_stack([rng.normal(size=(50, 2)), rng.uniform(0.1, 1, 50)])
    bumps = (bumps / np.linalg.norm(bumps, axis=1, keepdims=True)).astype(np.float32)
    bent = bend(normals, tangents, bumps)
    assert np.allclose(np.linalg.norm(bent, axis=1), 1)
    assert np.allclose(to_tangent_space(bent, normals, tangents), bumps, atol=1e-5)


def test_a_bump_without_direction_keeps_the_normal() -> None:
    nothing = np.zeros((1, 3), np.float32)
    assert np.allclose(bend(2 * UP, np.array([[1.0, 0, 0, 1]]), nothing), UP)
