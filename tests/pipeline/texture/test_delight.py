"""Light by direction is told from colors by place."""

import numpy as np
from numpy.typing import NDArray

from pipeline.texture.delight import Shading


def _directions(count: int = 4_000) -> NDArray[np.float64]:
    directions = np.random.default_rng(0).normal(size=(count, 3))
    unit: NDArray[np.float64] = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return unit


def _sun(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.4 + 0.35 * normals[:, 1])


def test_light_from_above_is_taken_out() -> None:
    normals = _directions()
    albedo = np.random.default_rng(1).choice([0.3, 0.6], (len(normals), 1)) * (1.0, 0.9, 0.7)
    lit = albedo * _sun(normals)[:, None]
    shading = Shading(normals, lit.astype(np.float32))
    even = lit / shading.at(normals)[:, None]
    before, after = (np.std(np.log(c / albedo), axis=0).max() for c in (lit, even))
    assert after < 0.3 * before
    assert 2 < shading.contrast < 9


def test_even_light_changes_nothing() -> None:
    normals = _directions()
    shading = Shading(normals, np.full((len(normals), 3), 0.5, np.float32))
    assert np.allclose(shading.at(normals), 1, atol=1e-3)
    assert abs(shading.contrast - 1) < 1e-3


def test_black_and_too_few_places_tell_nothing() -> None:
    normals = _directions(1_000)
    assert Shading(normals, np.zeros((1_000, 3), np.float32)).contrast == 1
    assert Shading(normals[:10], np.ones((10, 3), np.float32)).contrast == 1
