"""The contour is closed whatever is inside, and lies on the mesh with its creases."""

import numpy as np
import pytest

from pipeline.mesh.measuring.measure import SurfaceDistance, deviation, signed_volume, topology
from pipeline.mesh.remeshing.contour import contour
from pipeline.mesh.remeshing.level_set import SOLID, Crossings, Grid, LevelSet, level_set
from pipeline.types import Mesh
from tests.pipeline.mesh.shapes import (
    cube,
    face_normals,
    is_closed_manifold,
    mesh_of,
    plane,
    sphere,
    together,
)


def _nothing() -> None: ...


def _turned(mesh: Mesh) -> Mesh:
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)  # a mirror would turn it inside out
    return mesh_of(mesh.positions @ turn.T, mesh.faces)


def _contour(mesh: Mesh, resolution: int = 32) -> Mesh:
    to_mesh = SurfaceDistance(mesh)
    level = level_set(mesh, Grid.around(mesh, resolution), to_mesh, _nothing)
    return contour(level, mesh, to_mesh, _nothing)


def _of_labels(is_inside: np.ndarray) -> Mesh:
    """The contour around points of a grid, by z, y, x, without a surface nearby."""
    far = sphere(4, center=(99, 0, 0))
    shape = np.array(is_inside.shape[::-1])
    nowhere = Crossings(
        starts=np.zeros(is_inside.size + 1, np.int64),
        depths=np.empty(0),
        faces=np.empty(0, np.int32),
        signs=np.empty(0, np.int8),
    )
    level = LevelSet(
        grid=Grid(origin=np.zeros(3), cell_m=1.0, shape=shape),
        lines=(nowhere,) * 3,
        labels=is_inside.ravel().astype(np.int8),
        kinds=np.full(is_inside.size, SOLID),
        numbers=np.zeros(is_inside.size, np.float32),
    )
    return contour(level, far, SurfaceDistance(far), _nothing)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_it_is_a_closed_manifold_whatever_is_inside(share: float) -> None:
    # Noise has every case of eight corners, and saddles on every side.
    is_inside = np.zeros((14, 15, 16), bool)
    is_inside[1:-1, 1:-1, 1:-1] = np.random.default_rng(7).random((12, 13, 14)) < share
    result = _of_labels(is_inside)
    assert is_closed_manifold(result)
    # Faces around a vertex are one fan: each vertex has as many edges as faces, and they connect.
    for vertex in range(0, len(result.positions), 97):
        fan = result.faces[(result.faces == vertex).any(axis=1)]
        ahead = {int(np.roll(f, -list(f).index(vertex))[1]): f for f in fan}
        start = at = next(iter(ahead))
        for _ in fan:
            at = int(np.roll(ahead[at], -list(ahead[at]).index(vertex))[2])
        assert at == start
        seen, at = set(), start
        while at not in seen:
            seen.add(at)
            at = int(np.roll(ahead[at], -list(ahead[at]).index(vertex))[2])
        assert len(seen) == len(fan)


def test_points_inside_are_inside() -> None:
    is_inside = np.zeros((9, 9, 9), bool)
    is_inside[2:7, 2:7, 2:7] = True
    # Half a cell around 5 x 5 x 5 points; edges and corners are cut.
    assert 100 < signed_volume(_of_labels(is_inside)) < 125


def test_points_that_meet_at_a_corner_of_a_side_hang_together() -> None:
    is_inside = np.zeros((5, 6, 6), bool)
    is_inside[2, 2, 2] = is_inside[2, 3, 3] = True
    assert topology(_of_labels(is_inside)).component_count == 1


def test_creases_and_corners_are_kept() -> None:
    box = _turned(cube())
    result = _contour(box, 24)
    cell_m = float(np.ptp(box.positions, axis=0).max()) / 24
    assert is_closed_manifold(result)
    off = deviation(result, box, SurfaceDistance(box), 20_000, _nothing)
    # Without planes that meet it is 0.02 cells on average; a corner may miss the grid's edges.
    assert off.mean_m < 0.001 * cell_m
    assert off.max_m < 0.75 * cell_m
    assert signed_volume(result) == pytest.approx(1, rel=1e-3)
    corners = np.linalg.norm(result.positions[:, None] - box.positions, axis=2).min(axis=0)
    assert np.median(corners) < 1e-5
    # Every face looks along one of the six sides.
    sides = np.abs(face_normals(result) @ face_normals(box).T).max(axis=1)
    assert (sides > 0.99).mean() > 0.99


def test_a_ball_is_even_and_smooth() -> None:
    ball = sphere(48)
    result = _contour(ball)
    radii = np.linalg.norm(result.positions, axis=1)
    assert radii.min() > 0.99
    assert radii.max() < 1 + 1e-6
    outward = result.positions[result.faces].mean(axis=1)
    cosines = (face_normals(result) * outward).sum(axis=1) / np.linalg.norm(outward, axis=1)
    assert cosines.min() > 0.9


def test_slabs_are_one_cell_thick() -> None:
    result = _contour(_turned(plane(20)))
    box = _turned(plane(20))
    cell_m = float(np.ptp(box.positions, axis=0).max()) / 32
    distance, _, _ = SurfaceDistance(box).nearest(result.positions.astype(np.float64), _nothing)
    assert (np.abs(distance - cell_m / 2) < 0.005 * cell_m).mean() > 0.99
    assert distance.max() < 1.5 * cell_m
    assert signed_volume(result) == pytest.approx(4 * cell_m, rel=0.1)
    assert is_closed_manifold(result)


def test_a_plate_thinner_than_a_cell_keeps_its_thickness() -> None:
    block = cube()
    plate = _turned(mesh_of(block.positions * (1, 1, 0.02), block.faces))
    result = _contour(plate, 24)
    assert is_closed_manifold(result)
    assert topology(result).component_count == 1
    assert signed_volume(result) == pytest.approx(0.02, rel=0.1)


def test_parts_that_are_apart_stay_apart() -> None:
    both = together(sphere(16), sphere(16, center=(2.4, 0, 0)))
    assert topology(_contour(both, 40)).component_count == 2
