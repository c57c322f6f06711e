"""Metric size and pivot."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidInput
from pipeline.place import Pivot, PlaceOptions, place
from pipeline.types import Material, Surface


def block(low: tuple[float, float, float], high: tuple[float, float, float]) -> Surface:
    """The eight corners of a box; two faces are enough here."""
    corners = np.array(
        [[(low, high)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)], np.float32
    )
    return Surface(
        positions=corners,
        faces=np.array([[0, 2, 1], [7, 5, 6]], np.int32),
        normals=np.tile(np.array([0, 1, 0], np.float32), (8, 1)),
        colors=np.ones((8, 4), np.float32),
        face_materials=np.zeros(2, np.int32),
        materials=(Material(),),
    )


TALL = block((-1, 2, 3), (1, 10, 7))  # 2 x 8 x 4, centre (0, 6, 5)


def bounds(surface: Surface) -> list[list[float]]:
    return [surface.positions.min(0).tolist(), surface.positions.max(0).tolist()]


def test_height_scales_evenly() -> None:
    placed = place(TALL, PlaceOptions(height_m=2.0), longest_side_m=None)
    assert np.ptp(placed.positions, axis=0).tolist() == pytest.approx([0.5, 2.0, 1.0])


def test_height_wins_over_the_longest_side() -> None:
    placed = place(TALL, PlaceOptions(height_m=2.0), longest_side_m=1.0)
    assert np.ptp(placed.positions, axis=0)[1] == pytest.approx(2.0)


def test_without_a_height_the_longest_side_decides() -> None:
    placed = place(TALL, PlaceOptions(), longest_side_m=1.0)
    assert np.ptp(placed.positions, axis=0).tolist() == pytest.approx([0.25, 1.0, 0.5])


def test_without_both_the_size_stays() -> None:
    placed = place(TALL, PlaceOptions(), longest_side_m=None)
    assert np.ptp(placed.positions, axis=0).tolist() == [2.0, 8.0, 4.0]


@pytest.mark.parametrize(
    ("pivot", "expected"),
    [
        ("bottom_center", [[-1, 0, -2], [1, 8, 2]]),
        ("center", [[-1, -4, -2], [1, 4, 2]]),
        ("keep", [[-1, 2, 3], [1, 10, 7]]),
    ],
)
def test_the_pivot_becomes_the_origin(pivot: Pivot, expected: list[list[float]]) -> None:
    assert bounds(place(TALL, PlaceOptions(pivot=pivot), longest_side_m=None)) == expected


def test_a_kept_pivot_stays_the_fixed_point_of_scaling() -> None:
    placed = place(TALL, PlaceOptions(pivot="keep", height_m=4.0), longest_side_m=None)
    assert bounds(placed) == [[-0.5, 1.0, 1.5], [0.5, 5.0, 3.5]]


@given(st.floats(0.001, 10_000))
def test_any_allowed_height_is_met(height_m: float) -> None:
    placed = place(TALL, PlaceOptions(height_m=height_m), longest_side_m=None)
    assert np.ptp(placed.positions[:, 1]) == pytest.approx(height_m, rel=1e-6)
    assert placed.positions[:, 1].min() == 0


def test_everything_else_stays_and_the_input_is_untouched() -> None:
    before = TALL.positions.copy()
    placed = place(TALL, PlaceOptions(height_m=1.0), longest_side_m=None)
    np.testing.assert_array_equal(TALL.positions, before)
    assert placed.positions.dtype == np.float32
    assert placed.normals is TALL.normals
    assert placed.faces is TALL.faces
    assert placed.colors is TALL.colors
    assert placed.materials == TALL.materials


def test_a_flat_asset_cannot_be_given_a_height() -> None:
    flat = block((0, 1, 0), (1, 1, 1))
    with pytest.raises(InvalidInput, match=r"flat.*2\.5 m.*leave the height out"):
        place(flat, PlaceOptions(height_m=2.5), longest_side_m=None)
    assert np.ptp(place(flat, PlaceOptions(), longest_side_m=4.0).positions, axis=0).max() == 4.0


def test_a_point_keeps_its_size() -> None:
    point = block((1, 1, 1), (1, 1, 1))
    assert not place(point, PlaceOptions(), longest_side_m=1.0).positions.any()


@pytest.mark.parametrize("height_m", [0.0, -1.0, 0.0009, 10_001, math.nan, math.inf])
def test_a_height_out_of_range_is_named(height_m: float) -> None:
    with pytest.raises(InvalidInput, match="height_m must be in") as refused:
        PlaceOptions(height_m=height_m)
    assert str(height_m) in str(refused.value)


def test_an_unknown_pivot_is_named() -> None:
    with pytest.raises(InvalidInput, match="bottom_center, center or keep, got 'top'"):
        PlaceOptions(pivot="top")  # type: ignore[arg-type]
