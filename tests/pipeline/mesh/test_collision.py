"""Collision hulls are convex, closed, few and small."""

import numpy as np
import pytest

from pipeline.errors import Cancelled, InvalidInput
from pipeline.mesh import collision
from pipeline.mesh.collision import CollisionOptions, convex_hull, hulls
from pipeline.mesh.measure import signed_volume
from pipeline.types import Hull, Mesh, Silent, Stage
from tests.pipeline.mesh.shapes import (
    Listener,
    crumbs,
    cube,
    is_closed_manifold,
    mesh_of,
    plane,
    sphere,
    together,
    torus,
)

AUTO = CollisionOptions()


def _as_mesh(hull: Hull) -> Mesh:
    return Mesh(positions=hull.positions, faces=hull.faces)


def _assert_convex(hull: Hull) -> None:
    mesh = _as_mesh(hull)
    assert is_closed_manifold(mesh)
    assert signed_volume(mesh) > 0
    corners = hull.positions.astype(np.float64)
    a, b, c = corners[hull.faces].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    heights = normals @ corners.T - (normals * a).sum(axis=1, keepdims=True)
    assert heights.max() <= 1e-5 * np.ptp(corners, axis=0).max()


def test_a_cube_is_its_own_hull() -> None:
    (hull,) = hulls(cube(2.0, center=(1, 2, 3)), AUTO, Silent())
    _assert_convex(hull)
    assert len(hull.positions) == 8
    assert signed_volume(_as_mesh(hull)) == pytest.approx(8)


def test_a_ball_is_one_hull_within_its_vertex_budget() -> None:
    for max_vertices, share in ((32, 0.75), (128, 0.92)):
        options = CollisionOptions(max_vertices=max_vertices)
        (hull,) = hulls(sphere(24), options, Silent())
        _assert_convex(hull)
        assert len(hull.positions) <= max_vertices
        assert share < signed_volume(_as_mesh(hull)) / (4 / 3 * np.pi) < 1


def test_a_ring_is_split_so_that_its_hole_stays_open() -> None:
    mesh = torus(tube_m=0.15)
    options = CollisionOptions(max_hulls=8)
    listener = Listener()
    found = hulls(mesh, options, listener)
    assert 4 <= len(found) <= 8
    for hull in found:
        _assert_convex(hull)
        assert len(hull.positions) <= options.max_vertices
        # None reaches over the middle of the ring.
        assert np.linalg.norm(hull.positions.mean(axis=0)[:2]) > 0.5
    whole = hulls(mesh, CollisionOptions(mode="hull"), Silent())
    volume = sum(signed_volume(_as_mesh(hull)) for hull in found)
    assert volume < 0.8 * signed_volume(_as_mesh(whole[0]))
    assert listener.warnings == []
    assert listener.stages == {Stage.COLLISION}
    again = hulls(mesh, options, Silent())
    assert [h.positions.tobytes() for h in found] == [h.positions.tobytes() for h in again]


def test_modes_mean_what_they_say() -> None:
    assert hulls(cube(), CollisionOptions(mode="none"), Silent()) == ()
    assert len(hulls(torus(segments=12), CollisionOptions(mode="hull"), Silent())) == 1
    apart = together(cube(1.0), cube(1.0, center=(4, 0, 0)))
    split = hulls(apart, CollisionOptions(mode="decompose", max_hulls=2), Silent())
    assert len(split) == 2
    # Its own voxels make each cube up to 3 % larger a side.
    assert sum(signed_volume(_as_mesh(hull)) for hull in split) == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize(
    "positions",
    [
        plane(4).positions,
        plane(4, wave_m=1e-6).positions,
        [(0, 0, 0), (1, 2, 3), (2, 4, 6)],
        [(5, 5, 5)] * 3,
        [(1e6, 0, 0)] * 3,
        np.array(plane(3).positions) @ np.array([[0.6, 0.8, 0], [0, 0, 1], [0.8, -0.6, 0]]),
    ],
    ids=["plane", "nearly plane", "line", "point", "far point", "tilted plane"],
)
def test_flat_things_get_a_thin_box(positions: object) -> None:
    points = np.asarray(positions, np.float64)
    mesh = mesh_of(points, [(0, 1, 2)] if len(points) == 3 else plane(4).faces % len(points))
    (hull,) = hulls(mesh, AUTO, Silent())
    assert len(hull.positions) == 8
    _assert_convex(hull)
    used = mesh.positions[np.unique(mesh.faces)]
    low, high = hull.positions.min(axis=0), hull.positions.max(axis=0)
    assert (low <= used.min(axis=0)).all()
    assert (high >= used.max(axis=0)).all()


def test_a_hull_of_few_vertices_keeps_the_extent() -> None:
    points = np.random.default_rng(0).normal(size=(5_000, 3))
    points *= (5, 1, 1) / np.linalg.norm(points, axis=1, keepdims=True)
    hull = convex_hull(points, 16)
    _assert_convex(hull)
    assert len(hull.positions) <= 16
    assert np.ptp(hull.positions[:, 0]) > 9.5


def test_a_decomposition_that_takes_too_long_falls_back_to_one_hull(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collision, "DECOMPOSE_LIMIT_S", 0.1)
    listener = Listener()
    found = hulls(torus(tube_m=0.15), AUTO, listener)
    assert len(found) == 1
    _assert_convex(found[0])
    assert any("one hull" in warning for warning in listener.warnings)


def test_a_dense_mesh_is_reduced_before_it_is_split() -> None:
    found = hulls(torus(tube_m=0.15, segments=64), CollisionOptions(max_hulls=4), Silent())
    assert 2 <= len(found) <= 4


def test_crumbs_do_not_break_it() -> None:
    found = hulls(crumbs(60), CollisionOptions(max_hulls=4), Silent())
    for hull in found:
        _assert_convex(hull)


def test_progress_can_stop_the_child() -> None:
    with pytest.raises(Cancelled):
        hulls(torus(tube_m=0.15), AUTO, Listener(calls_left=3))


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"max_hulls must be in 1\.\.64, got 0"):
        CollisionOptions(max_hulls=0)
    with pytest.raises(InvalidInput, match=r"max_vertices must be in 8\.\.255, got 4"):
        CollisionOptions(max_vertices=4)
    with pytest.raises(InvalidInput, match="got box"):
        CollisionOptions(mode="box")  # type: ignore[arg-type]  # what a client may send
    with pytest.raises(InvalidInput, match="0 triangles"):
        hulls(mesh_of(np.zeros((0, 3)), np.zeros((0, 3))), AUTO, Silent())
