"""Collapsing keeps what a manifold is, slice by slice, and says where each face comes from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.errors import BudgetUnreachable, InvalidInput
from pipeline.mesh.lods import collapse, fit
from pipeline.mesh.lods import simplify as simplify_module
from pipeline.mesh.lods.simplify import Simplified, Simplifier
from pipeline.mesh.measuring.measure import (
    SurfaceDistance,
    deviation,
    diagonal,
    face_areas,
    signed_volume,
    topology,
)
from pipeline.types import IntArray, Mesh, Silent
from tests.pipeline.mesh.shapes import (
    Listener,
    crumbs,
    cube,
    edge_counts,
    face_normals,
    is_closed_manifold,
    mesh_of,
    plane,
    sphere,
    together,
    torus,
)


def _reduced(
    mesh: Mesh,
    target_count: int,
    *,
    labels: IntArray | None = None,
    max_error_m: float | None = None,
    is_merging_allowed: bool = False,
) -> Simplified:
    simplifier = Simplifier(
        mesh, labels=labels, is_merging_allowed=is_merging_allowed, progress=Silent()
    )
    return simplifier.reduce(target_count=target_count, max_error_m=max_error_m)


def _centers(mesh: Mesh) -> NDArray[np.float32]:
    centers: NDArray[np.float32] = mesh.positions[mesh.faces].mean(axis=1)
    return centers


def _subdivided_cube(cells: int, size_m: float = 1.0) -> Mesh:
    """A box of `cells`² squares per side, closed."""
    sheet = plane(cells)
    sides = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            rolled = np.roll(
                np.column_stack([sheet.positions[:, :2], np.full(len(sheet.positions), sign)]),
                axis,
                axis=1,
            )
            # The sheet looks along +Z, and rolling axes turns nothing over.
            faces = sheet.faces if sign > 0 else sheet.faces[:, ::-1]
            sides.append(mesh_of(rolled * size_m / 2, faces))
    box = together(*sides)
    unique, index = np.unique(box.positions.round(5), axis=0, return_inverse=True)
    return mesh_of(unique, index.reshape(-1)[box.faces])


def _tunnelled_plate(cells: int = 24, bore: int = 2) -> Mesh:
    """A closed plate, 2 m x 2 m x 0.1 m, with a square tunnel through its middle."""
    sheet = plane(cells)
    middle = sheet.positions[sheet.faces].mean(axis=1)
    half = bore / cells
    kept = sheet.faces[(np.abs(middle[:, :2]) > half).any(axis=1)]
    count = len(sheet.positions)
    top = sheet.positions + np.array((0, 0, 0.05), np.float32)
    bottom = sheet.positions - np.array((0, 0, 0.05), np.float32)
    directed = {(a, b) for f in kept.tolist() for a, b in zip(f, [*f[1:], f[0]], strict=True)}
    rims = [(a, b) for a, b in sorted(directed) if (b, a) not in directed]
    walls = [t for a, b in rims for t in ((b, a, a + count), (b, a + count, b + count))]
    return mesh_of(
        np.concatenate([top, bottom]), np.concatenate([kept, kept[:, ::-1] + count, walls])
    )


def test_the_meshes_of_these_tests_are_closed() -> None:
    assert is_closed_manifold(_subdivided_cube(4))
    assert signed_volume(_subdivided_cube(4)) == pytest.approx(1.0)
    plate = _tunnelled_plate()
    assert is_closed_manifold(plate)
    assert signed_volume(plate) == pytest.approx(0.1 * (4 - 4 * (2 / 24) ** 2), rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    noise_m=st.sampled_from([0.0, 0.02, 0.3]),
    target_count=st.integers(4, 1_500),
)
def test_noise_never_breaks_a_closed_surface(seed: int, noise_m: float, target_count: int) -> None:
    ball = sphere(20)
    rng = np.random.default_rng(seed)
    rough = mesh_of(ball.positions + rng.normal(size=ball.positions.shape) * noise_m, ball.faces)
    result = _reduced(rough, target_count).mesh
    counts = topology(result)
    assert len(result.faces) <= target_count
    assert is_closed_manifold(result)
    assert counts.component_count == 1
    assert counts.degenerate_face_count == counts.duplicate_face_count == 0
    # A sphere has Euler characteristic 2 and keeps it.
    assert counts.vertex_count - counts.triangle_count // 2 == 2


@settings(max_examples=15, deadline=None)
@given(target_count=st.integers(30, 600), cut=st.integers(1, 700))
def test_open_surfaces_stay_manifold(target_count: int, cut: int) -> None:
    ball = sphere(14)
    torn = mesh_of(ball.positions, ball.faces[:-cut])  # with single triangles along the tear
    result = _reduced(torn, target_count, is_merging_allowed=True).mesh
    assert len(result.faces) <= target_count
    assert max(edge_counts(result).values()) <= 2
    assert topology(result).degenerate_face_count == 0


def test_every_face_descends_from_one_nearby() -> None:
    mesh = sphere(40, bump_m=0.05)
    simplifier = Simplifier(mesh, progress=Silent())
    for target_count in (3_000, 800, 200):
        result = simplifier.reduce(target_count=target_count)
        assert result.face_source.dtype == np.int32
        assert len(np.unique(result.face_source)) == len(result.mesh.faces)
        apart = np.linalg.norm(_centers(result.mesh) - _centers(mesh)[result.face_source], axis=1)
        edge = np.sqrt(4 * np.pi / target_count)
        assert np.quantile(apart, 0.99) < 3 * edge


def test_the_result_does_not_depend_on_the_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = sphere(50, bump_m=0.05)
    monkeypatch.setattr(simplify_module, "MIN_SWITCH_COUNT", 2_000)  # both ways take part
    whole = _reduced(mesh, 700)
    monkeypatch.setattr(simplify_module, "SWEEP_STEPS", 97)
    monkeypatch.setattr(simplify_module, "QUEUE_STEPS", 13)
    sliced = _reduced(mesh, 700)
    assert whole.mesh.positions.tobytes() == sliced.mesh.positions.tobytes()
    assert whole.mesh.faces.tobytes() == sliced.mesh.faces.tobytes()
    assert whole.face_source.tobytes() == sliced.face_source.tobytes()


def test_a_full_queue_is_built_anew_and_changes_no_guarantee() -> None:
    mesh = sphere(24)
    tables = collapse.tables_of(mesh.positions.astype(np.float64) * 100, mesh.faces, None)
    assert collapse.connect(tables.corners, tables.out) == 0
    collapse.gather_all(tables)
    tables = collapse.compacted(
        tables, np.zeros((len(mesh.faces), 3), np.float32), has_room_for_caps=False
    )[0]
    small = tables._replace(
        entries=tables.entries[:1_000].copy(), older=tables.older[:1_000].copy()
    )
    collapse.enqueue_all(small)
    rules = collapse.CAREFUL
    place, rebuilt = np.zeros(3, np.float32), 0
    for _ in range(1_000):
        state = collapse.collapse(small, rules, place, 100, 10_000)
        if state == collapse.DONE:
            break
        if state == collapse.QUEUE_FULL:
            rebuilt += 1
            collapse.enqueue_all(small)
    assert rebuilt > 0
    faces, _ = collapse.left_faces(small)
    assert len(faces) == 100
    assert is_closed_manifold(mesh_of(small.vertices[:, :3], faces))


def test_flat_sides_cost_nothing() -> None:
    box = _subdivided_cube(12)
    result = _reduced(box, 12).mesh
    assert len(result.faces) == 12
    assert signed_volume(result) == pytest.approx(1.0, rel=1e-4)
    to_box = SurfaceDistance(box)
    assert deviation(result, box, to_box, 2_000, lambda: None).max_m < 1e-4


def test_flat_areas_keep_good_triangles() -> None:
    """Nothing is to be gained there, so nothing is to be spoilt."""
    result = _reduced(plane(40), 600).mesh
    p = result.positions[result.faces].astype(np.float64)
    sides = ((np.roll(p, -1, axis=1) - p) ** 2).sum(axis=(1, 2))
    shapes = 4 * 3**0.5 * face_areas(result) / sides
    assert np.median(shapes) > 0.6


def test_borders_between_labels_are_kept() -> None:
    sheet = plane(32)
    middle = _centers(sheet)
    labels = (np.hypot(middle[:, 0], middle[:, 1]) < 0.6).astype(np.int32)
    with_labels = _reduced(sheet, 200, labels=labels)
    without = _reduced(sheet, 200)

    def disc_error(result: Simplified) -> float:
        areas = face_areas(result.mesh)
        is_disc = labels[result.face_source] == 1
        centers = _centers(result.mesh)
        is_inside = np.hypot(centers[:, 0], centers[:, 1]) < 0.6
        return float(areas[is_disc != is_inside].sum())

    assert 198 <= len(with_labels.mesh.faces) <= 200
    assert disc_error(with_labels) < 0.1
    assert disc_error(with_labels) < 0.5 * disc_error(without)


def test_labels_must_fit_the_mesh() -> None:
    with pytest.raises(InvalidInput, match="got 3 for 12 triangles"):
        Simplifier(cube(), labels=np.zeros(3, np.int32), progress=Silent())


@pytest.mark.parametrize("max_error_m", [0.02, 0.005])
def test_an_error_limit_stops_early_and_holds(max_error_m: float) -> None:
    mesh = sphere(48, bump_m=0.05)
    result = _reduced(mesh, 4, max_error_m=max_error_m).mesh
    assert 50 < len(result.faces) < 0.9 * len(mesh.faces)
    found_m = deviation(result, mesh, SurfaceDistance(mesh), 4_000, lambda: None).max_m
    assert found_m < 3 * max_error_m
    # A looser limit leads further.
    assert len(_reduced(mesh, 4, max_error_m=4 * max_error_m).mesh.faces) < len(result.faces)


def test_after_an_error_limit_a_budget_still_leads_on() -> None:
    mesh = sphere(32, bump_m=0.05)
    simplifier = Simplifier(mesh, progress=Silent())
    limited = simplifier.reduce(target_count=4, max_error_m=0.005)
    assert len(limited.mesh.faces) > 200
    assert len(simplifier.reduce(target_count=200).mesh.faces) <= 200


def test_no_error_limit_of_nothing_changes_a_bumpy_mesh() -> None:
    with pytest.raises(InvalidInput, match="must not be negative"):
        _reduced(sphere(8), 4, max_error_m=-1.0)
    mesh = sphere(16, bump_m=0.05)
    assert len(_reduced(mesh, 4, max_error_m=0.0).mesh.faces) > 0.95 * len(mesh.faces)


def test_fitting_brings_the_surface_nearer() -> None:
    mesh = sphere(48, bump_m=0.05)
    tables = collapse.tables_of(mesh.positions.astype(np.float64) * 300, mesh.faces, None)
    collapse.connect(tables.corners, tables.out)
    collapse.gather_all(tables)
    tables, _, vertex_now = collapse.compacted(
        tables, np.zeros((len(mesh.faces), 3), np.float32), has_room_for_caps=False
    )
    collapse.gather_all(tables)
    collapse.enqueue_all(tables)
    rules = collapse.CAREFUL
    collapse.collapse(tables, rules, np.zeros(3, np.float32), 600, 10**9)
    collapse.find_roots(tables.parent)
    dense = mesh_of(mesh.positions * 300.0, mesh.faces)

    def mean_off() -> float:
        coarse = mesh_of(tables.vertices[:, :3], collapse.left_faces(tables)[0])
        return deviation(coarse, dense, SurfaceDistance(dense), 5_000, lambda: None).mean_m

    before = mean_off()
    points = fit.spread(dense.positions, dense.faces, 8 * 600)
    points = points._replace(vertex=tables.parent[vertex_now[points.vertex]])
    fit.fit(tables, points, lambda: None)
    assert mean_off() < 0.95 * before


def test_points_are_spread_by_area() -> None:
    mesh = together(cube(1.0), cube(2.0, center=(5, 0, 0)))
    points = fit.spread(mesh.positions, mesh.faces, 1_000)
    assert (points.vertex >= 0).all()
    assert (points.places[:, 0] > 2).mean() == pytest.approx(0.8, abs=0.01)
    off, _, _ = SurfaceDistance(mesh).nearest(points.places.astype(np.float64), lambda: None)
    assert off.max() < 1e-6
    np.testing.assert_allclose(np.linalg.norm(points.normals, axis=1), 1, atol=1e-6)


def test_a_thin_plate_keeps_both_its_sides() -> None:
    plate = _subdivided_cube(24)
    plate = mesh_of(plate.positions * (1.0, 0.002, 1.0), plate.faces)
    result = _reduced(plate, 200).mesh
    assert is_closed_manifold(result)
    assert signed_volume(result) == pytest.approx(0.002, rel=0.05)
    normals = face_normals(result)[:, 1]
    areas = face_areas(result)
    assert areas[normals > 0.9].sum() == pytest.approx(1.0, rel=0.01)
    assert areas[normals < -0.9].sum() == pytest.approx(1.0, rel=0.01)


def test_two_bodies_that_touch_stay_two() -> None:
    one = _subdivided_cube(8)
    other = mesh_of(one.positions + np.array((1, 0, 0), np.float32), one.faces)
    result = _reduced(together(one, other), 60).mesh
    assert is_closed_manifold(result)
    assert topology(result).component_count == 2
    assert signed_volume(result) == pytest.approx(2.0, rel=1e-3)


def test_bodies_on_one_edge_come_apart() -> None:
    """Four faces at an edge: they are split before anything is collapsed."""
    one = _subdivided_cube(8)
    other = mesh_of(one.positions + np.array((1, 1, 0), np.float32), one.faces)
    both = together(one, other)
    unique, index = np.unique(both.positions.round(4), axis=0, return_inverse=True)
    shared = mesh_of(unique, index.reshape(-1)[both.faces])
    assert topology(shared).non_manifold_edge_count == 8
    result = _reduced(shared, 80).mesh
    assert max(edge_counts(result).values()) == 2
    assert signed_volume(result) == pytest.approx(2.0, rel=1e-3)


def test_small_tunnels_close_and_large_ones_stay() -> None:
    narrow = _reduced(_tunnelled_plate(), 13, is_merging_allowed=True).mesh
    assert is_closed_manifold(narrow)
    counts = topology(narrow)
    assert counts.vertex_count - len(narrow.faces) // 2 == 2 * counts.component_count  # spheres
    assert signed_volume(narrow) == pytest.approx(0.4, rel=0.15)
    ring = _reduced(torus(segments=64), 300, is_merging_allowed=True).mesh
    assert topology(ring).vertex_count == len(ring.faces) // 2  # Euler's formula, one hole


def test_without_leave_tunnels_stay() -> None:
    result = _reduced(_tunnelled_plate(), 60).mesh
    assert is_closed_manifold(result)
    assert topology(result).vertex_count == len(result.faces) // 2
    with pytest.raises(BudgetUnreachable):  # a ring needs 14
        _reduced(_tunnelled_plate(), 13)


def test_small_holes_close_only_where_that_is_allowed() -> None:
    sheet = plane(24, wave_m=0.1)
    middle = _centers(sheet)
    holed = mesh_of(sheet.positions, sheet.faces[np.hypot(middle[:, 0], middle[:, 1]) > 0.12])

    # A disc has Euler characteristic 1, and 0 with a hole.
    def characteristic(mesh: Mesh) -> int:
        return len(np.unique(mesh.faces)) - len(edge_counts(mesh)) + len(mesh.faces)

    assert characteristic(holed) == 0
    assert characteristic(_reduced(holed, 20).mesh) == 0
    assert characteristic(_reduced(holed, 5, is_merging_allowed=True).mesh) == 1


def test_parts_that_no_budget_holds_are_a_failure_where_they_must_stay() -> None:
    mesh = crumbs(100)
    with pytest.raises(BudgetUnreachable) as failure:
        _reduced(mesh, 100)
    assert failure.value.smallest_count == 400
    assert len(_reduced(mesh, 400).mesh.faces) == 400


def test_lost_parts_are_counted_once() -> None:
    mesh = together(sphere(20), crumbs(40, size_m=0.3))
    listener = Listener()
    simplifier = Simplifier(mesh, progress=listener)
    simplifier.reduce(target_count=600)
    result = simplifier.reduce(target_count=150).mesh
    assert topology(result).component_count < 41
    (*_, warning) = listener.warnings
    assert "of 41 separate parts vanish" in warning


@pytest.mark.parametrize("target_count", [4, 8, 11])
def test_tiny_meshes_get_as_small_as_asked(target_count: int) -> None:
    result = _reduced(cube(), target_count).mesh
    assert 4 <= len(result.faces) <= target_count
    assert is_closed_manifold(result)


def test_a_single_triangle_and_a_square_stay() -> None:
    triangle = mesh_of([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 2)])
    assert _reduced(triangle, 4).mesh is triangle
    square = plane(1)
    assert _reduced(square, 4).mesh is square


def test_faces_without_area_are_no_obstacle() -> None:
    ball = sphere(16)
    far = len(ball.positions)
    # A needle on an edge and a face with two equal corners.
    broken = mesh_of(
        np.concatenate([ball.positions, ball.positions[:1]]),
        np.concatenate([ball.faces, [(0, 1, far), (2, 2, 3)]]),
    )
    result = _reduced(broken, 200, is_merging_allowed=True)
    assert len(result.mesh.faces) <= 200
    assert topology(result.mesh).degenerate_face_count == 0
    flat = mesh_of(np.zeros((3, 3)), [(0, 1, 2)] * 5)
    with pytest.raises(InvalidInput, match="has an area"):
        _reduced(flat, 4)


def test_unused_and_unordered_vertices_change_nothing_but_the_order() -> None:
    mesh = sphere(24, bump_m=0.05)
    order = np.random.default_rng(5).permutation(len(mesh.positions) + 10)
    positions = np.zeros((len(order), 3), np.float32)
    positions[order[: len(mesh.positions)]] = mesh.positions
    shuffled = mesh_of(positions, order[mesh.faces])
    result = _reduced(shuffled, 400).mesh
    assert is_closed_manifold(result)
    off = deviation(result, mesh, SurfaceDistance(mesh), 2_000, lambda: None)
    assert off.max_m < 0.02 * diagonal(mesh)


def test_spikes_without_area_are_not_worn_off() -> None:
    """A needle of 0.3 m on a ball costs little area; its tip would still be missed."""
    ball = sphere(40)
    needle = ball.positions.copy()
    needle[np.argmax(ball.positions[:, 1])] *= 1.3
    spiky = mesh_of(needle, ball.faces)
    result = _reduced(spiky, 400).mesh
    assert result.positions[:, 1].max() > 1.2


def test_marks_and_quadrics_hold_for_hubs() -> None:
    """A cone whose tip has 3,000 faces around it."""
    count = 3_000
    around = 2 * np.pi * np.arange(count) / count
    rim = np.stack([np.cos(around), np.sin(around), np.zeros(count)], axis=1)
    following = (np.arange(count) + 1) % count
    cone = mesh_of(
        np.concatenate([rim, [(0, 0, 2), (0, 0, 0)]]),
        np.concatenate(
            [
                np.stack([np.arange(count), following, np.full(count, count)], axis=1),
                np.stack([following, np.arange(count), np.full(count, count + 1)], axis=1),
            ]
        ),
    )
    assert is_closed_manifold(cone)
    result = _reduced(cone, 100).mesh
    assert len(result.faces) <= 100
    assert is_closed_manifold(result)
    assert signed_volume(result) == pytest.approx(2 * np.pi / 3, rel=0.02)
