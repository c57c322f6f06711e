"""Boxes, balls and capsules hold everything and are about as small as a search finds."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from pipeline.mesh.hulls.bounding import (
    box_along,
    box_hull,
    capsule_hull,
    capsule_volume,
    smallest_box,
    smallest_capsule,
    smallest_sphere,
    sphere_hull,
)
from pipeline.types import Box, Capsule, Hull, IntArray, Sphere

Points = NDArray[np.float64]


def _corners(seed: int, count: int = 60) -> tuple[Points, IntArray]:
    """Corners and faces of a random convex body, longer one way than another."""
    rng = np.random.default_rng(seed)
    points = (
        rng.normal(size=(count, 3)) * rng.uniform(0.3, 3, 3) @ Rotation.random(rng=rng).as_matrix()
    )
    hull = ConvexHull(points)
    used = np.sort(hull.vertices)
    return points[used], np.searchsorted(used, hull.simplices).astype(np.int32)


def _distance_to_line(points: Points, capsule: Capsule) -> Points:
    start, end = np.array(capsule.start_m), np.array(capsule.end_m)
    along = np.clip((points - start) @ (end - start) / max(((end - start) ** 2).sum(), 1e-30), 0, 1)
    distances: Points = np.linalg.norm(points - start - along[:, None] * (end - start), axis=1)
    return distances


@pytest.mark.parametrize("seed", range(12))
def test_all_points_are_inside(seed: int) -> None:
    points, faces = _corners(seed)
    box, ball = smallest_box(points, faces), smallest_sphere(points)
    along = (points - box.center_m) @ np.array(box.axes).T
    assert (np.abs(along) <= np.array(box.size_m) / 2 * (1 + 1e-9)).all()
    assert np.linalg.det(np.array(box.axes)) == pytest.approx(1)
    distances = np.linalg.norm(points - ball.center_m, axis=1)
    assert (distances <= ball.radius_m * (1 + 1e-9)).all()
    capsule = smallest_capsule(points)
    assert (_distance_to_line(points, capsule) <= capsule.radius_m * (1 + 1e-9)).all()


@pytest.mark.parametrize("seed", range(4))
def test_no_turn_finds_a_much_smaller_box(seed: int) -> None:
    points, faces = _corners(seed)
    found = float(np.prod(smallest_box(points, faces).size_m))

    def volume(turn: Points) -> float:
        return float(np.ptp(points @ Rotation.from_rotvec(turn).as_matrix(), axis=0).prod())

    turns = Rotation.random(300, rng=np.random.default_rng(0)).as_rotvec()
    starts = sorted(turns, key=volume)[:6]
    best = min(minimize(volume, start, method="Nelder-Mead").fun for start in starts)
    assert found <= 1.02 * best  # one along the axes of space may be 1 % larger


@pytest.mark.parametrize("seed", range(6))
def test_no_center_gives_a_smaller_ball(seed: int) -> None:
    points, _ = _corners(seed)
    center = points.mean(axis=0)
    # Bădoiu and Clarkson, 2003: steps of 1/i towards the farthest point lead to the center.
    for i in range(1, 20_000):
        farthest = points[np.linalg.norm(points - center, axis=1).argmax()]
        center += (farthest - center) / (i + 1)
    best = float(np.linalg.norm(points - center, axis=1).max())
    assert smallest_sphere(points).radius_m <= best
    assert smallest_sphere(points).radius_m == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_no_line_gives_a_much_smaller_capsule(seed: int) -> None:
    points, _ = _corners(seed)

    def volume(ends: Points) -> float:
        line = Capsule(start_m=tuple(ends[:3]), end_m=tuple(ends[3:]), radius_m=0.0)
        radius = float(_distance_to_line(points, line).max())
        return capsule_volume(Capsule(start_m=line.start_m, end_m=line.end_m, radius_m=radius))

    rng = np.random.default_rng(1)
    starts = sorted((rng.uniform(-2, 2, 6) for _ in range(400)), key=volume)[:5]
    options = {"maxiter": 4_000, "maxfev": 4_000}
    best = min(
        minimize(volume, start, method="Nelder-Mead", options=options).fun for start in starts
    )
    assert capsule_volume(smallest_capsule(points)) <= 1.05 * best


def test_a_turned_brick_gets_its_own_box() -> None:
    turn = Rotation.from_euler("xyz", (0.4, 0.9, -1.2)).as_matrix()
    brick = np.array([(x, y, z) for x in (0, 1) for y in (0, 2) for z in (0, 5)]) @ turn + 7
    box = smallest_box(brick, np.asarray(ConvexHull(brick).simplices, np.int32))
    assert sorted(box.size_m) == pytest.approx([1, 2, 5])
    assert sorted(box_along(brick, np.eye(3)).size_m) != pytest.approx([1, 2, 5])


def test_a_box_along_the_axes_is_preferred_if_it_is_hardly_larger() -> None:
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    for angle, is_aligned in ((0.001, True), (0.1, False)):
        turned = Rotation.from_euler("y", angle).apply(corners)
        box = smallest_box(turned, np.asarray(ConvexHull(turned).simplices, np.int32))
        assert (box.axes == ((1, 0, 0), (0, 1, 0), (0, 0, 1))) == is_aligned


def test_a_ball_held_by_few_points_is_found_exactly() -> None:
    triangle = np.array([(1, 0, 0), (-0.5, 0.75**0.5, 0), (-0.5, -(0.75**0.5), 0), (0, 0, 0.1)])
    ball = smallest_sphere(triangle)
    assert ball.center_m == pytest.approx((0, 0, 0), abs=1e-12)
    assert ball.radius_m == pytest.approx(1)
    assert smallest_sphere(np.full((5, 3), 3.0)).radius_m == 0


def test_a_capsule_is_found_again() -> None:
    drawn = capsule_hull(Capsule(start_m=(1, 2, 3), end_m=(4, 2, -1), radius_m=0.7), 255)
    found = smallest_capsule(drawn.positions.astype(np.float64))
    assert found.radius_m == pytest.approx(0.7, rel=0.02)
    ends = sorted((found.start_m, found.end_m))
    assert np.array(ends) == pytest.approx(np.array([(1, 2, 3), (4, 2, -1)]), abs=0.05)


@pytest.mark.parametrize("max_vertices", [8, 12, 32, 64, 255])
def test_triangles_of_primitives_lie_on_them_within_the_budget(max_vertices: int) -> None:
    ball = Sphere(center_m=(1, 2, 3), radius_m=2.0)
    capsule = Capsule(start_m=(0, 0, 0), end_m=(1, 1, 0), radius_m=0.5)
    drawn: list[tuple[Hull, Points]] = []
    hull = sphere_hull(ball, max_vertices)
    drawn.append((hull, np.linalg.norm(hull.positions - ball.center_m, axis=1) / ball.radius_m))
    hull = capsule_hull(capsule, max_vertices)
    drawn.append((hull, _distance_to_line(hull.positions.astype(np.float64), capsule) / 0.5))
    for hull, radii in drawn:
        assert 0.8 * max_vertices - 8 <= len(hull.positions) <= max_vertices
        assert radii == pytest.approx(1, abs=1e-5)
        assert len(hull.faces) == 2 * len(hull.positions) - 4


@pytest.mark.parametrize(("max_vertices", "depth"), [(32, 0.16), (255, 0.03)])
def test_faces_of_primitives_are_as_deep_as_they_say(max_vertices: int, depth: float) -> None:
    capsule = Capsule(start_m=(0, 0, 0), end_m=(0, 3, 0), radius_m=1.0)
    for hull in (
        sphere_hull(Sphere(center_m=(0, 0, 0), radius_m=1.0), max_vertices),
        capsule_hull(capsule, max_vertices),
    ):
        middles = hull.positions[hull.faces].astype(np.float64).mean(axis=1)
        if hull.primitive == capsule:
            radii = _distance_to_line(middles, capsule)
        else:
            radii = np.linalg.norm(middles, axis=1)
        assert radii.min() >= 1 - depth


def test_a_box_has_twelve_triangles() -> None:
    box = Box(center_m=(1, 2, 3), axes=((1, 0, 0), (0, 1, 0), (0, 0, 1)), size_m=(2, 4, 6))
    hull = box_hull(box)
    assert len(hull.faces) == 12
    assert hull.primitive == box
    assert hull.positions.min(axis=0) == pytest.approx((0, 0, 0), abs=1e-5)
    assert hull.positions.max(axis=0) == pytest.approx((2, 4, 6), abs=1e-5)
