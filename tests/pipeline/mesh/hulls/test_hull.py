"""Hulls are convex to the last bit, and few corners hold what many did."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from pipeline.mesh.hulls.hull import contain, corners_of, grid_around, hull_of, written_hull
from tests.pipeline.mesh.convexity import assert_convex, depths_outside


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(4, 80),
    steps=st.sampled_from([2, 3, 10, 1_000, 10**8]),
    squeeze=st.sampled_from([1.0, 0.1, 1e-3]),
    offset=st.sampled_from([0.0, 1.0, 1e4]),
    max_vertices=st.integers(8, 40),
)
def test_every_hull_is_exactly_convex(
    seed: int, count: int, steps: int, squeeze: float, offset: float, max_vertices: int
) -> None:
    # Few steps put many points on common lines and planes, where rounding decides.
    rng = np.random.default_rng(seed)
    points = rng.integers(0, steps + 1, (count, 3)) / steps * (1, 1, squeeze) + offset
    grid = grid_around(points)
    snapped = grid.snap(points)
    if len(hull_of(snapped)[0]) == 0:
        assert np.linalg.matrix_rank(snapped[1:] - snapped[0]) < 3
        return
    few = contain(snapped, max_vertices, slack_cells=0.0)
    hull = written_hull(grid, few)
    assert_convex(hull)
    assert len(hull.positions) <= max_vertices
    # Nothing is lost: a step of the grid per round at most.
    assert np.max(depths_outside(grid.positions(snapped), (hull,))) <= 10 * grid.cell_m


@pytest.mark.parametrize("seed", range(5))
def test_a_hull_has_the_volume_and_corners_that_qhull_finds(seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 1_000, (300, 3))
    expected = ConvexHull(points.astype(np.float64))
    _, volume = hull_of(points)
    assert volume == pytest.approx(expected.volume, rel=1e-12)
    corners = {tuple(row) for row in corners_of(points).tolist()}
    assert corners == {tuple(row) for row in points[expected.vertices].tolist()}


def test_points_amid_sides_and_edges_are_no_corners() -> None:
    grid = np.array([(x, y, z) for x in range(5) for y in range(5) for z in range(5)])
    assert len(corners_of(grid)) == 8
    assert len(corners_of(grid[grid[:, 2] == 0])) == 0  # a square has no volume


def test_a_hull_of_few_vertices_holds_all_points_but_for_the_slack() -> None:
    points = np.random.default_rng(0).normal(size=(600, 3))
    points *= (5, 1, 1) / np.linalg.norm(points, axis=1, keepdims=True)
    grid = grid_around(points)
    whole = contain(grid.snap(points), 16, slack_cells=0)
    tight = contain(grid.snap(points), 16, slack_cells=0.02 / grid.cell_m)
    assert len(whole) <= 16
    assert len(tight) <= 16
    assert np.max(depths_outside(points, (written_hull(grid, whole),))) <= 20 * grid.cell_m
    assert (
        0.001
        < np.max(depths_outside(points, (written_hull(grid, tight),)))
        <= 0.02 + 20 * grid.cell_m
    )
    assert hull_of(tight)[1] < hull_of(whole)[1]


def test_snapping_moves_by_half_a_step_and_float32_holds_every_step() -> None:
    rng = np.random.default_rng(3)
    for offset in (0.0, 12.3, 1e5):
        positions = (rng.uniform(-2, 2, (50, 3)) + offset).astype(np.float32)
        grid = grid_around(positions)
        snapped = grid.snap(positions)
        assert snapped.min() >= 0
        assert snapped.max() <= 2**20
        assert np.abs(grid.positions(snapped) - positions).max() <= grid.cell_m / 2
        assert (grid.snap(grid.positions(snapped)) == snapped).all()


def test_room_that_is_free_is_used_first() -> None:
    ball = np.random.default_rng(4).normal(size=(500, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    grid = grid_around(ball)
    middle = float(grid.snap(np.zeros((1, 3)))[0, 0])
    points = grid.snap(ball)

    def half_volume(corners: object) -> float:
        """Of the part at x > 0."""
        whole = np.asarray(corners) - middle
        hull = ConvexHull(whole)
        rng = np.random.default_rng(5)
        samples = rng.uniform((0, -1, -1), (1, 1, 1), (20_000, 3)) * 2**20
        inside = (samples @ hull.equations[:, :3].T + hull.equations[:, 3] <= 0).all(axis=1)
        return float(inside.mean())

    even = contain(points, 24, slack_cells=0)
    uneven = contain(points, 24, slack_cells=0, is_free=lambda places: places[:, 0] < middle)
    assert half_volume(uneven) < half_volume(even)
