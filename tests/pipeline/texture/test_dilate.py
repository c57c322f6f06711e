"""Gaps are filled with the nearest known texel."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from pipeline.texture.dilate import nearest_known


def _nothing() -> None:
    pass


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    share=st.sampled_from([0.001, 0.02, 0.3, 0.9]),
)
@settings(max_examples=60, deadline=None)
def test_as_far_as_scipy_says(seed: int, shape: tuple[int, int], share: float) -> None:
    rng = np.random.default_rng(seed)
    known = rng.random(shape) < share
    known[rng.integers(shape[0]), rng.integers(shape[1])] = True
    nearest = nearest_known(known, _nothing)
    assert known.ravel()[nearest].all()
    y, x = np.indices(shape)
    width = shape[1]
    distances = np.hypot(nearest // width - y, nearest % width - x)
    assert np.allclose(distances, distance_transform_edt(~known))


def test_known_texels_stay() -> None:
    known = np.random.default_rng(0).random((64, 64)) < 0.5
    nearest = nearest_known(known, _nothing)
    assert np.array_equal(nearest[known], np.flatnonzero(known))


def test_one_texel_fills_everything() -> None:
    known = np.zeros((300, 300), np.bool_)
    known[7, 11] = True
    assert (nearest_known(known, _nothing) == 7 * 300 + 11).all()
