"""Counts and distances are what a pencil says they are."""

import numpy as np
import pytest

from pipeline.mesh.measure import (
    SurfaceDistance,
    counting_argsort,
    deviation,
    diagonal,
    duplicate_faces,
    edges_of,
    face_areas,
    face_components,
    sample_surface,
    signed_volume,
    topology,
)
from tests.pipeline.mesh.shapes import (
    crumbs,
    cube,
    edge_counts,
    mesh_of,
    plane,
    sphere,
    together,
    torus,
)


def test_a_cube_has_the_area_volume_and_diagonal_of_a_cube() -> None:
    mesh = cube(2.0, center=(5, 0, 0))
    assert face_areas(mesh).sum() == pytest.approx(24)
    assert signed_volume(mesh) == pytest.approx(8)
    assert diagonal(mesh) == pytest.approx(2 * 3**0.5)


def test_an_inverted_body_has_negative_volume() -> None:
    mesh = sphere(16)
    assert signed_volume(mesh_of(mesh.positions, mesh.faces[:, ::-1])) < 0


def test_edges_agree_with_counting_them_one_by_one() -> None:
    mesh = together(plane(5), cube(), mesh_of(np.eye(3), [(0, 1, 2), (2, 1, 0), (0, 1, 2)]))
    expected = edge_counts(mesh)
    edges = edges_of(mesh.faces, len(mesh.positions))
    assert sorted(edges.face_counts.tolist()) == sorted(expected.values())
    counts = topology(mesh)
    assert counts.boundary_edge_count == sum(n == 1 for n in expected.values())
    assert counts.non_manifold_edge_count == sum(n > 2 for n in expected.values())


def test_a_counting_sort_is_stable() -> None:
    keys = np.random.default_rng(1).integers(0, 50, 2_000).astype(np.int32)
    assert (counting_argsort(keys, 50) == np.argsort(keys, kind="stable")).all()


def test_topology_of_a_closed_surface_satisfies_eulers_formula() -> None:
    for mesh, holes in ((cube(), 0), (sphere(12), 0), (torus(), 1)):
        counts = topology(mesh)
        assert counts.is_closed
        edge_count = 3 * counts.triangle_count // 2
        assert counts.vertex_count - edge_count + counts.triangle_count == 2 - 2 * holes


def test_topology_counts_each_kind_of_damage() -> None:
    good = cube()
    turned = good.faces.copy()
    turned[0] = turned[0, ::-1]
    assert topology(mesh_of(good.positions, turned)).winding_conflict_count == 3
    twice = np.concatenate([good.faces, good.faces[:2, [1, 2, 0]]])
    assert topology(mesh_of(good.positions, twice)).duplicate_face_count == 2
    line = mesh_of([(0, 0, 0), (1, 0, 0), (2, 0, 0)], [(0, 1, 2)])
    assert topology(together(good, line)).degenerate_face_count == 1


def test_parts_are_counted_by_shared_vertices_and_loose_vertices_are_none() -> None:
    mesh = together(cube(), crumbs(7), plane(3))
    with_loose = mesh_of(np.concatenate([np.ones((4, 3)), mesh.positions]), mesh.faces + 4)
    count, part = face_components(with_loose)
    assert count == 9
    assert np.bincount(part).tolist() == [12, *[4] * 7, 18]


def test_duplicates_are_found_in_any_corner_order() -> None:
    faces = np.array([(0, 1, 2), (3, 4, 5), (2, 0, 1), (5, 4, 3)], np.int32)
    repeated, first = duplicate_faces(faces, 6)
    assert dict(zip(repeated.tolist(), first.tolist(), strict=True)) == {2: 0, 3: 1}


def test_samples_lie_on_the_surface_and_are_spread_by_area() -> None:
    mesh = together(cube(1.0), cube(3.0, center=(10, 0, 0)))
    points = sample_surface(mesh, 10_000)
    assert SurfaceDistance(mesh).nearest(points, lambda: None)[0].max() < 1e-6
    assert (points[:, 0] > 5).mean() == pytest.approx(0.9, abs=0.001)  # 9 times the area
    # Inside a face they are even, too: the middle of a square's samples is its middle.
    flat = sample_surface(plane(1), 4_000)
    assert np.abs(flat.mean(axis=0)).max() < 0.01


def test_distances_to_a_sphere_are_those_to_its_center_less_the_radius() -> None:
    mesh = sphere(64)
    points = np.random.default_rng(0).normal(size=(40_000, 3)) * 2
    distances, _, nearest = SurfaceDistance(mesh).nearest(points, lambda: None)
    # The facets of 64 rings lie up to 0.0012 m inside the ball.
    assert distances == pytest.approx(np.abs(np.linalg.norm(points, axis=1) - 1), abs=0.003)
    assert np.linalg.norm(nearest - points, axis=1) == pytest.approx(distances, abs=1e-9)


def test_deviation_sees_what_only_one_of_two_surfaces_has() -> None:
    body = cube(1.0)
    spike = mesh_of([(0, 0.5, 0), (0.01, 0.5, 0), (0, 2.5, 0)], [(0, 1, 2)])
    spiked = together(body, spike)
    for mesh, reference in ((body, spiked), (spiked, body)):
        found = deviation(mesh, reference, SurfaceDistance(reference), 2_000, lambda: None)
        assert found.max_m == pytest.approx(2.0, abs=1e-5)
        assert 0 < found.mean_m < 0.01
    same = deviation(body, body, SurfaceDistance(body), 2_000, lambda: None)
    assert same.max_m < 1e-7
