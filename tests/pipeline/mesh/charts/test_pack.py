"""Charts are packed large, apart, turned but not mirrored, and into the exact square."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.mesh.charts.pack import Packing, pack

UNIT = np.array([(0, 1, 1 + 1j), (0, 1 + 1j, 1j)])


def _rectangles(sizes: NDArray[np.float64]) -> tuple[NDArray[np.complex128], NDArray[np.int64]]:
    triangles = UNIT.real * sizes[:, :1, None] + 1j * UNIT.imag * sizes[:, 1:, None]
    return triangles.reshape(-1, 3), np.arange(len(sizes) + 1) * 2


def _some(count: int = 60) -> tuple[NDArray[np.complex128], NDArray[np.int64]]:
    points, starts = _rectangles(np.random.default_rng(1).uniform(0.2, 3, (count, 2)))
    slants = np.exp(1j * np.random.default_rng(2).uniform(0, 7, count)).repeat(2)
    return (points + 5) * slants[:, None], starts


def _nothing() -> None:
    pass


def _placed(
    packing: Packing | None, points: NDArray[np.complex128], starts: NDArray[np.int64]
) -> NDArray[np.complex128]:
    assert packing is not None
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    return np.asarray(
        (packing.scales * packing.turns)[owner][:, None] * points + packing.offsets[owner][:, None]
    )


def _area(points: NDArray[np.complex128]) -> float:
    one, two = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    return float((one.conj() * two).imag.sum() / 2)


def test_one_square_fills_the_atlas() -> None:
    packing = pack(*_rectangles(np.ones((1, 2))), 256, 4, _nothing)
    assert packing is not None
    assert 0.97 * 252 <= packing.scale <= 252


@pytest.mark.parametrize(("size", "gutter"), [(256, 2), (512, 5), (2048, 7)])
def test_charts_keep_the_gutter_and_stay_inside(size: int, gutter: int) -> None:
    points, starts = _some()
    placed = _placed(pack(points, starts, size, gutter, _nothing), points, starts)
    assert min(placed.real.min(), placed.imag.min()) >= gutter / 2 - 1e-9
    assert max(placed.real.max(), placed.imag.max()) <= size - gutter / 2 + 1e-9
    # The distance between two convex shapes is that of some corner from some side.
    corners = placed[::2][:, [0, 1, 2]], placed[1::2][:, 2]
    quads = np.column_stack(corners)
    starts_of, ends_of = quads, np.roll(quads, -1, axis=1)
    along = ends_of - starts_of
    away = quads[:, :, None, None] - starts_of  # [chart, corner, other chart, side]
    at = ((away * along.conj()).real / np.abs(along) ** 2).clip(0, 1)
    gaps = np.abs(away - at * along).min(axis=(1, 3))
    np.fill_diagonal(gaps, np.inf)
    assert gaps.min() >= gutter - 1e-9
    assert _area(placed) > 0.6 * size**2


def test_charts_keep_their_shape_and_hand() -> None:
    points, starts = _some()
    packing = pack(points, starts, 512, 4, _nothing)
    assert packing is not None
    assert np.allclose(np.abs(packing.turns), 1)
    assert (packing.scales == packing.scale).all()
    assert np.isclose(_area(_placed(packing, points, starts)), _area(points) * packing.scale**2)


def test_a_chart_under_eight_texels_is_made_larger() -> None:
    points, starts = _rectangles(np.array([(1, 1), (0.002, 0.003), (0.5, 0.0001)]))
    packing = pack(points, starts, 512, 2, _nothing)
    assert packing is not None
    assert packing.scales[0] == packing.scale
    assert np.isclose(packing.scales[1] ** 2 * 0.002 * 0.003, 8)
    assert packing.scales[2] == packing.scale  # it is long enough as it is


def test_small_charts_fill_the_gaps_of_round_ones() -> None:
    # A triangle leaves half of its box to others: two of them must do better than their boxes.
    points = np.array([(0, 1, 1j), (1, 1 + 1j, 1j)])
    packing = pack(points, np.arange(3), 512, 2, _nothing)
    assert packing is not None
    assert (packing.scale / 512) ** 2 > 0.5


def test_a_hole_is_room_for_others() -> None:
    # A frame of four bars around a square that is larger than any gap outside of it.
    corners = np.array([0, 1, 1 + 1j, 1j])
    outer, inner = 3 * corners, 3 * corners * 0.8 + 0.3 * (1 + 1j)
    following = np.roll(outer, -1), np.roll(inner, -1)
    frame = np.concatenate(
        [
            np.column_stack([outer, following[0], following[1]]),
            np.column_stack([outer, following[1], inner]),
        ]
    )
    square = np.array([(0, 2.2, 2.2 + 2.2j), (0, 2.2 + 2.2j, 2.2j)])
    points = np.concatenate([frame, square])
    packing = pack(points, np.array([0, 8, 10]), 256, 2, _nothing)
    assert packing is not None
    assert packing.scale * 3 > 0.95 * 256


def test_the_same_charts_are_placed_the_same_way() -> None:
    points, starts = _some(30)
    one, two = (pack(points, starts, 256, 2, _nothing) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one.offsets.tobytes() == two.offsets.tobytes()
    assert one.turns.tobytes() == two.turns.tobytes()


def test_more_gutters_than_room_is_told() -> None:
    assert pack(*_rectangles(np.ones((400, 2))), 64, 4, _nothing) is None


def test_tick_may_stop_it() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(*_rectangles(np.ones((3, 2))), 64, 2, stop)
