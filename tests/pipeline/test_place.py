"""Directions, metric size, pivot and standing still."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidInput
from pipeline.place import Direction, Pivot, PlaceOptions, placement
from pipeline.types import Material, Mesh, Surface, View


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


def place(shape: Surface, options: PlaceOptions, *, longest_side_m: float | None = None) -> Surface:
    return placement(shape.mesh, options, longest_side_m=longest_side_m).moved(shape)


TALL = block((-1, 2, 3), (1, 10, 7))  # 2 x 8 x 4, centre (0, 6, 5)


def bounds(surface: Surface) -> list[list[float]]:
    return [surface.positions.min(0).tolist(), surface.positions.max(0).tolist()]


@pytest.mark.parametrize("up", ["positive_y", "negative_x"])
def test_views_show_each_corner_where_they_did_before(up: Direction) -> None:
    projection = np.array([(100, 0, -50, 300), (0, 90, -40, 200), (0.0, 0.1, -1, 20)])
    view = View(pixels=np.zeros((2, 2, 4), np.uint8), projection=projection)
    there = place(replace(TALL, views=(view,)), PlaceOptions(up=up, height_m=3.0))
    before, after = (
        np.column_stack([surface.positions, np.ones(8)]) @ seen.projection.T
        for surface, seen in ((TALL, view), (there, there.views[0]))
    )
    np.testing.assert_allclose(
        after[:, :2] / after[:, 2:], before[:, :2] / before[:, 2:], rtol=1e-5
    )
    assert there.views[0].pixels is view.pixels


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
    with pytest.raises(InvalidInput, match="center, keep or custom, got 'top'"):
        PlaceOptions(pivot="top")  # type: ignore[arg-type]


def test_a_box_to_fit_into_is_touched_by_the_tightest_side_only() -> None:
    placed = place(TALL, PlaceOptions(fit_m=(1.0, 1.0, 1.0)))
    assert np.ptp(placed.positions, axis=0).tolist() == pytest.approx([0.25, 1.0, 0.5])
    wide = place(TALL, PlaceOptions(fit_m=(0.1, 9.0, 9.0)))
    assert np.ptp(wide.positions, axis=0).tolist() == pytest.approx([0.1, 0.4, 0.2])


def test_a_custom_pivot_is_a_place_in_the_bounding_box() -> None:
    placed = place(TALL, PlaceOptions(pivot="custom", pivot_point=(0.0, 1.0, 0.5)))
    assert bounds(placed) == [[0, -8, -2], [2, 0, 2]]
    with pytest.raises(InvalidInput, match="give both or neither"):
        PlaceOptions(pivot="custom")
    with pytest.raises(InvalidInput, match="give both or neither"):
        PlaceOptions(pivot_point=(0.0, 0.0, 0.0))


def test_a_source_with_z_up_is_turned_upright() -> None:
    """Z up and -Y front is how Blender's front view looks at things."""
    placed = place(TALL, PlaceOptions(up="positive_z", forward="negative_y", pivot="keep"))
    assert bounds(placed) == [[-1, 3, -10], [1, 7, -2]]
    np.testing.assert_allclose(placed.normals[0], (0, 0, -1))  # +Y was the back


@pytest.mark.parametrize("up", ["positive_x", "negative_y", "negative_z"])
@pytest.mark.parametrize("forward", ["negative_x", "positive_y", "positive_z"])
def test_directions_are_turned_never_mirrored(up: Direction, forward: Direction) -> None:
    if up[-1] == forward[-1]:
        with pytest.raises(InvalidInput, match="different axes"):
            PlaceOptions(up=up, forward=forward)
        return
    turn = placement(TALL.mesh, PlaceOptions(up=up, forward=forward), longest_side_m=None).rotation
    assert np.linalg.det(turn) == pytest.approx(1)
    axis = {"x": 0, "y": 1, "z": 2}
    sign = {"positive": 1.0, "negative": -1.0}
    for name, target in ((up, 1), (forward, 2)):
        source = sign[name[:8]] * np.eye(3)[axis[name[-1]]]
        np.testing.assert_array_equal(turn @ source, np.eye(3)[target])


def tilted(degrees: float, size: tuple[float, float, float]) -> Mesh:
    """A closed box that leans."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    lean = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    faces = [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)]
    faces += [(2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)]
    return Mesh(
        positions=((signs * size / 2) @ lean.T).astype(np.float32), faces=np.array(faces, np.int32)
    )


def test_a_leaning_box_settles_on_its_bottom() -> None:
    lean = tilted(8, (1.0, 2.0, 1.0))
    settled = placement(lean, PlaceOptions(settle_deg=10), longest_side_m=None).moved(lean)
    assert np.ptp(settled.positions, axis=0) == pytest.approx([1, 2, 1], abs=1e-5)
    assert np.sort(settled.positions[:, 1])[:4] == pytest.approx(0, abs=1e-5)


def test_nothing_settles_by_more_than_allowed() -> None:
    lean = tilted(8, (1.0, 2.0, 1.0))
    found = placement(lean, PlaceOptions(settle_deg=5), longest_side_m=None)
    np.testing.assert_array_equal(found.rotation, np.eye(3))


def test_nothing_settles_on_what_it_would_fall_from() -> None:
    """A slanting prism: its middle is not above its foot, so turning the foot down is no help."""
    lean = tilted(5, (1.0, 4.0, 1.0))
    slant = lean.positions + np.outer(lean.positions[:, 1], [0.9, 0, 0])
    prism = replace(lean, positions=slant.astype(np.float32))
    found = placement(prism, PlaceOptions(settle_deg=20), longest_side_m=None)
    np.testing.assert_array_equal(found.rotation, np.eye(3))
    with pytest.raises(InvalidInput, match=r"settle_deg must be in \[0, 45\], got 50"):
        PlaceOptions(settle_deg=50)


def test_the_matrix_moves_as_the_placement_does() -> None:
    options = PlaceOptions(up="positive_z", forward="negative_y", height_m=3.0)
    found = placement(TALL.mesh, options, longest_side_m=None)
    ones = np.ones((len(TALL.positions), 1))
    by_matrix = np.concatenate([TALL.positions, ones], axis=1) @ found.matrix.T
    np.testing.assert_allclose(by_matrix[:, :3], found.moved(TALL).positions, atol=1e-5)
