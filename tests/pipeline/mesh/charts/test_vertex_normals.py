"""Normals are smooth, but for sharp edges where charts end anyway."""

import numpy as np

from pipeline.mesh.charts.vertex_normals import vertex_normals
from tests.pipeline.mesh.shapes import cube, face_normals, mesh_of, shredded, sphere, together


def test_a_ball_has_the_normals_of_a_ball() -> None:
    ball = sphere(32)
    normals = vertex_normals(ball.positions, ball.faces, np.arange(len(ball.positions), dtype="i4"))
    cosines = (normals * ball.positions).sum(axis=1)
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 1.0


def test_borders_do_not_show_where_the_surface_is_round() -> None:
    ball = sphere(16)
    loose = shredded(ball)
    points = ball.faces.ravel()
    whole = vertex_normals(ball.positions, ball.faces, np.arange(len(ball.positions), dtype="i4"))
    split = vertex_normals(loose.positions, loose.faces, points)
    assert np.allclose(split, whole[points], atol=1e-6)


def test_sharp_edges_on_borders_stay_sharp() -> None:
    loose = shredded(cube())
    normals = vertex_normals(loose.positions, loose.faces, cube().faces.ravel())
    assert np.allclose(normals, np.repeat(face_normals(cube()), 3, axis=0), atol=1e-6)


def test_sharp_edges_inside_a_chart_are_shaded_round() -> None:
    box = cube()
    normals = vertex_normals(box.positions, box.faces, np.arange(8, dtype="i4"))
    # Weighted by angle, so that the diagonals of the sides do not pull.
    assert np.allclose(normals, np.sign(box.positions) / np.sqrt(3), atol=1e-6)


def test_faces_back_to_back_still_get_a_normal() -> None:
    leaf = mesh_of(np.eye(3), [(0, 1, 2)])
    both = together(leaf, mesh_of(leaf.positions, leaf.faces[:, ::-1]))
    points = np.arange(3, dtype=np.int32)
    one = vertex_normals(leaf.positions, np.array([(0, 1, 2), (0, 2, 1)], np.int32), points)
    assert np.allclose(np.linalg.norm(one, axis=1), 1)
    two = vertex_normals(both.positions, both.faces, np.tile(points, 2))
    assert np.allclose(two[:3], 1 / np.sqrt(3), atol=1e-6)
    assert np.allclose(two[3:], -1 / np.sqrt(3), atol=1e-6)
