"""Charts are packed large, apart, and into the exact square."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.mesh.charts.pack import pack


def _rectangles(sizes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    unit = np.array([[(0, 0), (1, 0), (1, 1)], [(0, 0), (1, 1), (0, 1)]], np.float64)
    triangles = (unit[None] * sizes[:, None, None]).reshape(-1, 3, 2)
    return triangles, np.arange(len(sizes) + 1) * 2


def _nothing() -> None:
    pass


def test_one_square_fills_the_atlas() -> None:
    packing = pack(*_rectangles(np.ones((1, 2))), 256, 4, _nothing)
    assert packing is not None
    assert 0.98 * 252 <= packing.scale <= 252


@pytest.mark.parametrize(("size", "gutter"), [(256, 2), (512, 5), (4096, 4)])
def test_charts_keep_the_gutter_and_stay_inside(size: int, gutter: int) -> None:
    sizes = np.random.default_rng(1).uniform(0.2, 3, (60, 2))
    packing = pack(*_rectangles(sizes), size, gutter, _nothing)
    assert packing is not None
    assert (packing.offsets == np.round(packing.offsets)).all()
    low = packing.offsets
    high = low + sizes * packing.scale
    assert low.min() >= gutter / 2
    assert high.max() <= size - gutter / 2
    gaps = np.maximum(low[:, None] - high[None], low[None] - high[:, None]).max(axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert gaps.min() >= gutter
    fill = sizes.prod(axis=1).sum() * (packing.scale / size) ** 2
    assert fill > 0.6


def test_small_charts_fill_the_gaps_of_round_ones() -> None:
    # A triangle leaves half of its box to others: two of them must do better than their boxes.
    one = np.array([[(0, 0), (1, 0), (0, 1)]], np.float64)
    two = np.array([[(1, 0), (1, 1), (0, 1)]], np.float64)
    packing = pack(np.concatenate([one, two]), np.arange(3), 512, 2, _nothing)
    assert packing is not None
    assert (packing.scale / 512) ** 2 > 0.5


def test_more_gutters_than_room_is_told() -> None:
    assert pack(*_rectangles(np.ones((400, 2))), 64, 4, _nothing) is None


def test_step_may_stop_it() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(*_rectangles(np.ones((3, 2))), 64, 2, stop)
