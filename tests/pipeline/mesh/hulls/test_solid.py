"""Volumes along lines are those of geometry, whatever the surface is like."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from pipeline.mesh.hulls.solid import (
    Inside,
    Solid,
    are_inside,
    inner_points,
    overlap,
    solid_of,
    volume_outside,
)
from pipeline.mesh.measuring.measure import Float64Array
from pipeline.types import IntArray, Mesh
from tests.pipeline.mesh.shapes import cube, mesh_of, plane, sphere, together, torus


def _solid(mesh: Mesh, line_count: int = 4_000) -> Solid:
    return solid_of(mesh, Inside(mesh), line_count, lambda: None)


def _parts(mesh: Mesh) -> tuple[Float64Array, IntArray]:
    return mesh.positions.astype(np.float64), mesh.faces


@pytest.mark.parametrize(
    ("mesh", "volume"),
    [
        (cube(2.0, center=(1, 2, 3)), 8.0),
        (sphere(32), 4 / 3 * np.pi),
        (torus(tube_m=0.3, segments=48), 2 * np.pi**2 * 0.3**2),
        (together(cube(2.0), cube(2.0, center=(1, 0, 0))), 12.0),  # they overlap
        (mesh_of(sphere(32).positions, sphere(32).faces[30:]), 4 / 3 * np.pi),  # with a hole
        (mesh_of(cube().positions, cube().faces[:, ::-1]), 1.0),  # inside out
        (plane(8), 0.0),
    ],
    ids=["cube", "ball", "ring", "two cubes", "torn ball", "inside out", "sheet"],
)
def test_volumes_are_those_of_geometry(mesh: Mesh, volume: float) -> None:
    assert _solid(mesh).volume == pytest.approx(volume, rel=0.03)


def test_walls_thinner_than_the_lines_are_apart_count() -> None:
    sheet = mesh_of(cube().positions * (1, 1e-4, 1), cube().faces)
    assert _solid(sheet, 100).volume == pytest.approx(1e-4, rel=1e-6)


def test_cavities_are_part_of_the_body_even_behind_a_small_tear() -> None:
    outer, inner = sphere(32), sphere(32)
    inner = mesh_of(0.9 * inner.positions, inner.faces[:, ::-1])
    ball = 4 / 3 * np.pi
    assert _solid(together(outer, inner)).volume == pytest.approx(ball, rel=0.02)
    # Four faces missing in each wall at the same place: the inside is open, but to dust only.
    torn = together(*(mesh_of(wall.positions, wall.faces[4:]) for wall in (outer, inner)))
    assert _solid(torn).volume == pytest.approx(ball, rel=0.03)
    bowl = together(
        *(
            mesh_of(wall.positions, wall.faces[wall.positions[wall.faces, 1].max(axis=1) < 0.5])
            for wall in (outer, inner)
        )
    )
    assert _solid(bowl).volume < 0.5 * ball


def test_a_cup_stays_hollow() -> None:
    wall = [_moved((2, 0.2, 2), (0, -0.9, 0))]
    wall += [_moved((0.2, 2, 2), (x, 0, 0)) for x in (-0.9, 0.9)]
    wall += [_moved((2, 2, 0.2), (0, 0, z)) for z in (-0.9, 0.9)]
    assert _solid(together(*wall), 30_000).volume == pytest.approx(8 - 1.6 * 1.8 * 1.6, rel=0.03)


def _moved(size: tuple[float, ...], center: tuple[float, ...]) -> Mesh:
    return mesh_of(cube().positions * np.array(size) + center, cube().faces)


def test_what_hulls_hold_beside_the_body() -> None:
    ring = _solid(torus(tube_m=0.2, segments=48), 8_000)
    body = 2 * np.pi**2 * 0.2**2
    box = np.array([(x, y, z) for x in (-1.1, 1.1) for y in (-1.1, 1.1) for z in (-0.1, 0.1)])
    faces = np.asarray(ConvexHull(box).simplices, np.int32)
    inside = 0.0  # the ring between the planes z = -0.1 and 0.1, by slices
    for z in (np.arange(1_000) + 0.5) / 5_000 - 0.1:
        half = (0.2**2 - z**2) ** 0.5
        radii = np.linspace(1 - half, 1 + half, 101)
        angle = np.where(radii > 1.1, np.pi / 4 - np.arccos(np.minimum(1, 1.1 / radii)), np.pi / 4)
        inside += float(np.trapezoid(8 * angle * radii, radii)) / 5_000
    expected = 2.2 * 2.2 * 0.2 - inside
    assert volume_outside(ring, box, faces) == pytest.approx(expected, rel=0.02)
    points, ball_faces = _parts(sphere(8))
    alone = _solid(sphere(8))
    assert volume_outside(alone, points, ball_faces) == pytest.approx(0, abs=1e-9)
    assert ring.volume == pytest.approx(body, rel=0.02)


def test_overlaps_are_counted_as_often_as_they_are_too_many() -> None:
    frame = _solid(cube(4.0), 60_000)
    bodies = [_parts(cube(1.0)), _parts(cube(1.0, center=(0.5, 0, 0))), _parts(cube(1.0))]
    # The first and third are the same; the second has half of them.
    assert overlap(frame, bodies) == pytest.approx(1.5, rel=0.05)
    assert overlap(frame, bodies[:1]) == pytest.approx(0, abs=1e-9)
    far = [_parts(cube(1.0)), _parts(cube(1.0, center=(1.5, 0, 0)))]
    assert overlap(frame, far) == pytest.approx(0, abs=1e-9)


def test_inner_points_are_inside_and_everywhere() -> None:
    solid = _solid(torus(tube_m=0.3, segments=32))
    points = inner_points(solid, 500)
    beside = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 1, points[:, 2])
    assert (beside < 0.3).all()
    assert len(points) > 100
    angles = np.arctan2(points[:, 1], points[:, 0])
    assert np.diff(np.sort(angles)).max() < 0.3
    assert are_inside(solid, points).all()


def test_inside_is_what_lies_between_the_walls() -> None:
    mesh = sphere(16)
    rng = np.random.default_rng(0)
    points = rng.uniform(-1.5, 1.5, (2_000, 3))
    radii = np.linalg.norm(points, axis=1)
    is_clear = np.abs(radii - 1) > 0.05
    inside = Inside(mesh).holds(points, lambda: None)
    assert (inside == (radii < 1))[is_clear].all()
    near = are_inside(_solid(mesh, 20_000), points)
    assert (near == (radii < 1))[is_clear].mean() > 0.995
