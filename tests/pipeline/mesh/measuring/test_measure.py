"""Counts and distances are what a pencil says they are."""

import igl
import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline import threads
from pipeline.errors import Cancelled
from pipeline.mesh.measuring.measure import (
    SurfaceDistance,
    components,
    counting_argsort,
    degenerate_faces,
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
from pipeline.types import Mesh
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


def test_duplicates_come_in_the_order_of_their_vertices() -> None:
    rows = np.random.default_rng(3).integers(0, 12, (4_000, 3)).astype(np.int32)
    repeated, first = duplicate_faces(rows, 12)
    seen: dict[tuple[int, ...], int] = {}
    expected = []
    for face, row in enumerate(rows.tolist()):
        key = tuple(sorted(row))
        if key in seen:
            expected.append((key, face, seen[key]))
        seen.setdefault(key, face)
    expected.sort()
    assert repeated.tolist() == [face for _, face, _ in expected]
    assert first.tolist() == [earlier for _, _, earlier in expected]


def test_components_are_numbered_by_their_lowest_nodes() -> None:
    a, b = np.random.default_rng(5).integers(0, 3_000, (2, 1_200)).astype(np.int32)
    count, labels = components(3_000, a, b)
    links = coo_array((np.ones(len(a)), (a, b)), shape=(3_000, 3_000))
    expected_count, expected = connected_components(links, directed=False)
    assert count == expected_count
    assert len(set(zip(labels.tolist(), expected.tolist(), strict=True))) == count
    _, lowest = np.unique(labels, return_index=True)
    assert (np.diff(lowest) > 0).all()


def test_degenerate_faces_are_those_lower_than_a_millionth_of_their_longest_side() -> None:
    def needle(height: float) -> Mesh:
        return mesh_of([(0, 0, 0), (1, 0, 0), (0.5, height, 0)], [(0, 1, 2)])

    flat = [bool(degenerate_faces(needle(h))[0]) for h in (0, 0.9e-6, 1.1e-6, 1)]
    assert flat == [True, True, False, False]
    assert degenerate_faces(mesh_of(np.ones((3, 3)), [(0, 1, 2)])).all()


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


def soup(count: int, seed: int) -> Mesh:
    """Loose triangles of very different sizes and shapes, some of them lines and points."""
    rng = np.random.default_rng(seed)
    size = 10 ** rng.uniform(-4, 0, (count, 1, 1))
    corners = rng.uniform(-1, 1, (count, 1, 3)) + rng.normal(size=(count, 3, 3)) * size
    corners[::20, 1] = corners[::20, 0]
    corners[1::20, 2] = (corners[1::20, 0] + corners[1::20, 1]) / 2
    corners[2::200] = corners[2::200, :1]
    return mesh_of(corners, np.arange(3 * count))


def test_nearest_points_are_those_that_libigl_finds() -> None:
    mesh = soup(3_000, seed=1)
    points = np.random.default_rng(2).normal(size=(9_000, 3))
    distances, faces, nearest = SurfaceDistance(mesh).nearest(points, lambda: None)
    positions, indices = mesh.positions.astype(np.float64), mesh.faces.astype(np.int64)
    tree = igl.AABB()
    tree.init(positions, indices)
    squared, _, _ = tree.squared_distance(positions, indices, points)
    assert distances == pytest.approx(np.sqrt(squared), abs=1e-9)
    # The face is the one on which the point lies.
    on_face = [
        SurfaceDistance(mesh_of(mesh.positions, mesh.faces[[f]])).nearest(p[None], lambda: None)
        for f, p in zip(faces[:50], nearest[:50], strict=True)
    ]
    assert max(float(found[0][0]) for found in on_face) < 1e-7


def test_the_nearest_face_does_not_depend_on_where_the_search_comes_from() -> None:
    mesh = together(plane(16), plane(16))  # every point has at least two nearest faces
    points = np.random.default_rng(4).uniform(-1, 1, (6_000, 3))
    order = np.random.default_rng(5).permutation(len(points))
    distances, faces, _ = SurfaceDistance(mesh).nearest(points, lambda: None)
    shuffled, shuffled_faces, _ = SurfaceDistance(mesh).nearest(points[order], lambda: None)
    assert (shuffled == distances[order]).all()
    assert (shuffled_faces == faces[order]).all()
    assert faces.max() < 2 * 16**2  # of the first of both


def test_nearest_alike_finds_the_side_that_faces_the_same_way() -> None:
    front, back = plane(4), plane(4)
    wall = together(
        mesh_of(front.positions + np.array([0, 0, 0.1]), front.faces),
        mesh_of(back.positions, back.faces[:, ::-1]),
    )
    points = np.random.default_rng(6).uniform(-0.9, 0.9, (500, 3)) * (1, 1, 0.05)
    up = np.tile([0.0, 0.6, 0.8], (500, 1))
    to_wall = SurfaceDistance(wall)
    distances, faces, _ = to_wall.nearest_alike(points, up, 1.0, lambda: None)
    assert (faces < 32).all()
    assert distances == pytest.approx(np.abs(points[:, 2] - 0.1), abs=1e-8)
    assert (to_wall.nearest_alike(points, up, 0.01, lambda: None)[1] == -1).all()
    assert (to_wall.nearest_alike(points, -up, 1.0, lambda: None)[1] >= 32).all()


def test_results_are_the_same_with_one_thread_and_with_eight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mesh, reference = sphere(12), sphere(40, bump_m=0.1)
    points = np.random.default_rng(7).normal(size=(20_000, 3))
    found = []
    for count in (1, 8):
        monkeypatch.setattr(threads, "MAX_THREADS", count)
        to_reference = SurfaceDistance(reference)
        found.append(
            (
                [array.tobytes() for array in to_reference.nearest(points, lambda: None)],
                deviation(mesh, reference, to_reference, 20_000, lambda: None),
            )
        )
    assert found[0] == found[1]


def test_a_query_stops_when_told() -> None:
    def stop() -> None:
        raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        SurfaceDistance(sphere(16)).nearest(np.ones((50_000, 3)), stop)


def most(source: Mesh, target: Mesh, count: int) -> float:
    points = SurfaceDistance(source).samples(count).points
    return float(SurfaceDistance(target).nearest(points, lambda: None)[0].max())


@pytest.mark.parametrize(
    ("mesh", "reference"),
    [
        (sphere(8), sphere(60, bump_m=0.2)),
        (cube(1.7), sphere(30)),
        (soup(60, seed=8), soup(2_000, seed=9)),
    ],
    ids=["bumps", "corners", "soup"],
)
def test_the_largest_deviation_is_within_3_percent_of_what_dense_samples_see(
    mesh: Mesh, reference: Mesh
) -> None:
    found = deviation(mesh, reference, SurfaceDistance(reference), 100, lambda: None).max_m
    seen = max(most(mesh, reference, 300_000), most(reference, mesh, 300_000))
    assert 0.97 * seen <= found
    assert found <= 1.03 * seen  # samples miss corners by a little


def test_a_lid_over_a_hole_deviates_where_neither_surface_has_a_vertex() -> None:
    ring = plane(8)
    middle = ring.positions[ring.faces].mean(axis=1)
    with_hole = mesh_of(ring.positions, ring.faces[np.abs(middle).max(axis=1) > 0.5])
    lid = mesh_of([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], [(0, 1, 2), (0, 2, 3)])
    found = deviation(lid, with_hole, SurfaceDistance(with_hole), 100, lambda: None)
    assert most(lid, with_hole, 100) < 0.46
    assert found.max_m == pytest.approx(0.5, rel=0.03)


def test_samples_of_a_surface_are_spread_evenly() -> None:
    samples = SurfaceDistance(together(cube(1.0), cube(3.0, center=(10, 0, 0)))).samples(10_000)
    assert (samples.faces >= 12).mean() == pytest.approx(0.9, abs=0.001)
    assert np.abs(SurfaceDistance(plane(1)).samples(4_000).points.mean(axis=0)).max() < 0.01


def normal_deviation(mesh: Mesh, reference: Mesh) -> float:
    return deviation(mesh, reference, SurfaceDistance(reference), 5_000, lambda: None).normal_deg


def turned(mesh: Mesh, degrees: float) -> Mesh:
    """Around the X axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return mesh_of(mesh.positions @ np.array([(1, 0, 0), (0, c, s), (0, -s, c)]), mesh.faces)


def test_a_sheet_turned_by_an_angle_deviates_by_that_angle() -> None:
    assert normal_deviation(turned(plane(10), 7.0), plane(12)) == pytest.approx(7.0, abs=1e-3)


def test_a_coarse_ball_deviates_by_less_than_its_facets_are_flat() -> None:
    coarse, fine = sphere(8), sphere(64)
    # Its faces span 22.5 degrees, so flat ones would be about 6 degrees off on average.
    assert 0.1 < normal_deviation(coarse, fine) < 2.5
    assert normal_deviation(fine, fine) < 1e-3


def test_edges_of_a_box_stay_sharp() -> None:
    flat = SurfaceDistance(cube(1.0))
    samples = flat.samples(600)
    normals = flat.normals_at(samples.faces, samples.points)
    assert (np.abs(normals).max(axis=1) > 1 - 1e-9).all()
    assert normal_deviation(cube(1.0), cube(1.001)) < 0.1


def test_split_vertices_are_shaded_as_one() -> None:
    mesh = sphere(16)
    split = mesh_of(mesh.positions[mesh.faces], np.arange(mesh.faces.size))
    assert normal_deviation(split, mesh) < 1e-3


def test_the_back_of_a_thin_wall_is_not_taken_for_its_front() -> None:
    def wall(z_m: float) -> Mesh:
        box = cube(1.0)
        return mesh_of(box.positions * (1, 1, 0.01) + np.array([0, 0, z_m]), box.faces)

    # Of a wall 1 cm thick that has moved by 8 mm the nearest side is the wrong one.
    assert normal_deviation(wall(0.008), wall(0.0)) < 3


def test_a_surface_turned_inside_out_deviates_by_180_degrees() -> None:
    mesh = sphere(16)
    assert normal_deviation(mesh_of(mesh.positions, mesh.faces[:, ::-1]), mesh) > 179


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
