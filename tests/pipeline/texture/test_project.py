"""Points find their place on the dense surface, on the right side of thin walls."""

import numpy as np
from numpy.typing import NDArray

from pipeline.texture.project import Hits, Projector
from pipeline.types import Material, Mesh, Surface
from tests.pipeline.mesh.shapes import mesh_of, plane, sphere, together


def _surface(mesh: Mesh) -> Surface:
    return Surface(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=np.zeros_like(mesh.positions),
        face_materials=np.zeros(len(mesh.faces), np.int32),
        materials=(Material(),),
    )


def _project(mesh: Mesh, points: NDArray[np.float64], normals: NDArray[np.float64]) -> Hits:
    projector = Projector(_surface(mesh), lambda: None)
    return projector.project(points, normals, np.full(len(points), 0.06))


def _wall(thickness_m: float) -> Mesh:
    """Two sheets that look away from each other, along Z."""
    front = plane(cells=6)
    back = front.positions * (1, 1, -1) - (0, 0, thickness_m)
    return together(front, mesh_of(back, front.faces[:, ::-1]))


def test_the_nearest_point_of_a_ball() -> None:
    ball = sphere(24)
    directions = np.random.default_rng(0).normal(size=(300, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    hits = _project(ball, 1.05 * directions, directions)
    places = np.einsum("nk,nkc->nc", hits.barycentrics, ball.positions[ball.faces[hits.faces]])
    assert np.abs(places - directions).max() < 0.02
    assert not hits.is_missed.any()
    assert np.allclose(hits.barycentrics.sum(axis=1), 1)


def test_a_thin_wall_answers_with_the_side_that_looks_our_way() -> None:
    wall = _wall(0.01)
    front_count = len(wall.faces) // 2
    rng = np.random.default_rng(1)
    # Behind the back sheet, as a coarse LOD may cut through the wall: the back is nearer.
    points = np.column_stack([rng.uniform(-0.9, 0.9, (200, 2)), np.full(200, -0.012)])
    toward_front = _project(wall, points, np.tile([0.0, 0, 1], (200, 1)))
    assert (toward_front.faces < front_count).all()
    assert not toward_front.is_missed.any()
    toward_back = _project(wall, points, np.tile([0.0, 0, -1], (200, 1)))
    assert (toward_back.faces >= front_count).all()
    for hits in (toward_front, toward_back):
        places = np.einsum("nk,nkc->nc", hits.barycentrics, wall.positions[wall.faces[hits.faces]])
        assert np.allclose(places[:, :2], points[:, :2], atol=1e-5)


def test_only_a_back_in_reach_is_a_miss_that_keeps_the_nearest_point() -> None:
    sheet = plane(cells=4)
    points = np.array([[0.1, 0.2, 0.01], [0.3, -0.4, -0.01]])
    hits = _project(sheet, points, np.tile([0.0, 0, -1], (2, 1)))
    assert hits.is_missed.all()
    places = np.einsum("nk,nkc->nc", hits.barycentrics, sheet.positions[sheet.faces[hits.faces]])
    assert np.allclose(places, points * (1, 1, 0), atol=1e-6)


def test_the_front_of_something_far_away_is_not_taken() -> None:
    sheet = plane(cells=4)
    other = mesh_of(sheet.positions - (0, 0, 1), sheet.faces[:, ::-1])  # looks the right way
    hits = _project(together(sheet, other), np.array([[0.1, 0.2, 0.01]]), np.array([[0.0, 0, -1]]))
    assert hits.is_missed.all()


def test_the_reach_grows_with_how_far_a_lod_is_away() -> None:
    ball = sphere(24)
    projector = Projector(_surface(ball), lambda: None)
    directions = np.random.default_rng(2).normal(size=(300, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    near, far = (projector.reach_m(f * directions, directions, lambda: None) for f in (1.001, 1.2))
    assert np.isclose(near, 0.02 * 2 * 3**0.5, rtol=0.02)
    assert np.isclose(far, 4 * 0.2, rtol=0.05)


def test_points_in_blocks_find_the_same_as_each_alone() -> None:
    ball = sphere(40, bump_m=0.05)
    side = np.linspace(-0.5, 0.5, 96)
    u, v = (each.reshape(24, 4, 24, 4).swapaxes(1, 2).ravel() for each in np.meshgrid(side, side))
    directions = np.stack([u, v, np.sqrt(1 - u**2 - v**2)], axis=1)
    directions[::50] *= -1  # of another chart
    projector = Projector(_surface(ball), lambda: None)
    reaches = np.full(len(directions), 0.06)
    in_blocks = projector.project(1.01 * directions, directions, reaches)
    for n in range(0, len(directions), 7):
        alone = projector.project(1.01 * directions[[n]], directions[[n]], reaches[[n]])
        assert alone.faces[0] == in_blocks.faces[n]
        np.testing.assert_array_equal(alone.barycentrics[0], in_blocks.barycentrics[n])
