"""Collision shapes are convex, closed, few and small, and as tight as they say."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pipeline.errors import Cancelled, InvalidInput
from pipeline.mesh.hulls import collision
from pipeline.mesh.hulls.collision import CollisionOptions, Mode, collide
from pipeline.mesh.measuring.measure import diagonal, sample_surface
from pipeline.types import Box, Capsule, Collision, Mesh, Silent, Sphere, Stage
from tests.pipeline.mesh.convexity import assert_convex, depths_outside
from tests.pipeline.mesh.shapes import (
    Listener,
    crumbs,
    cube,
    mesh_of,
    plane,
    sphere,
    together,
    torus,
)

AUTO = CollisionOptions()
ONE_OF_ALL: tuple[Mode, ...] = ("box", "sphere", "capsule", "hull", "decompose", "auto")


def _chair() -> Mesh:
    """A seat, a back and four legs, 1.2 m high."""
    seat, back = _brick((0.5, 0.05, 0.5), (0, 0.5, 0)), _brick((0.5, 0.7, 0.05), (0, 0.85, -0.225))
    leg = (0.05, 0.5, 0.05)
    legs = [_brick(leg, (x, 0.25, z)) for x in (-0.2, 0.2) for z in (-0.2, 0.2)]
    return together(seat, back, *legs)


def _brick(size: tuple[float, ...], center: tuple[float, ...]) -> Mesh:
    unit = cube()
    return mesh_of(unit.positions * np.array(size) + center, unit.faces)


def _bottle() -> Mesh:
    """A capsule of radius 0.3 m, 1.6 m long, with many triangles."""
    ball = sphere(24)
    shift = np.where(ball.positions[:, 1:2] > 0, (0, 0.5, 0), (0, -0.5, 0))
    return mesh_of(0.3 * ball.positions + shift, ball.faces)


def _turned(mesh: Mesh) -> Mesh:
    turn = Rotation.from_euler("xyz", (0.3, -0.8, 1.1)).as_matrix()
    return mesh_of(mesh.positions @ turn + (3, -2, 1), mesh.faces)


@pytest.mark.parametrize("mode", ONE_OF_ALL)
@pytest.mark.parametrize(
    "mesh", [_turned(_chair()), torus(tube_m=0.2, segments=14), sphere(8, bump_m=0.3)]
)
def test_all_shapes_of_all_modes_are_convex_and_small(mesh: Mesh, mode: Mode) -> None:
    found = collide(mesh, CollisionOptions(mode=mode, max_hulls=6, max_vertices=24), Silent())
    assert 1 <= len(found.hulls) <= 6
    assert mode in (found.kind, "auto")
    for hull in found.hulls:
        assert_convex(hull)
        assert len(hull.positions) <= 24


# What auto takes


@pytest.mark.parametrize(
    ("mesh", "kind"),
    [
        (cube(2.0, center=(1, 2, 3)), "box"),
        (_turned(cube(2.0)), "box"),
        (sphere(24), "sphere"),
        (_turned(_bottle()), "capsule"),
        (
            mesh_of(
                np.concatenate([cube().positions, [(0, 2, 0)]]),
                [*cube().faces, *((a, b, 8) for a, b in ((2, 3), (3, 7), (7, 6), (6, 2)))],
            ),
            "hull",
        ),
        (_chair(), "decompose"),
        (torus(tube_m=0.15, segments=16), "decompose"),
    ],
    ids=["crate", "turned crate", "ball", "bottle", "obelisk", "chair", "ring"],
)
def test_auto_takes_the_cheapest_shape_that_fits(mesh: Mesh, kind: str) -> None:
    found = collide(mesh, AUTO, Silent())
    assert found.kind == kind
    assert found.over_cover is not None
    assert found.over_cover <= AUTO.max_over_cover
    assert found.protrusion_m <= AUTO.max_protrusion_ratio * diagonal(mesh)
    expected = {"box": Box, "sphere": Sphere, "capsule": Capsule}.get(kind, type(None))
    assert all(isinstance(hull.primitive, expected) for hull in found.hulls)


def test_auto_accepts_what_it_is_told_to() -> None:
    loose = CollisionOptions(max_over_cover=50, max_protrusion_ratio=1)
    assert collide(_chair(), loose, Silent()).kind == "box"
    loose_but_near = CollisionOptions(max_over_cover=50, max_protrusion_ratio=0.1)
    assert collide(_chair(), loose_but_near, Silent()).kind == "decompose"
    listener = Listener()
    assert collide(_chair(), CollisionOptions(max_hulls=1), listener).kind == "hull"
    (warning,) = listener.warnings
    assert "times the volume of the body" in warning
    assert "allow more hulls" in warning
    assert collide(_chair(), CollisionOptions(mode="none"), Silent()) == Collision(
        kind="none", hulls=(), over_cover=None, protrusion_m=0.0
    )


# How tight it is, by known volumes and distances


def test_measures_of_primitives_are_those_of_geometry() -> None:
    ball = sphere(24)
    box = collide(ball, CollisionOptions(mode="box"), Silent())
    assert box.over_cover == pytest.approx(8 / (4 / 3 * np.pi), rel=0.01)
    assert box.protrusion_m == pytest.approx(3**0.5 - 1, rel=0.01)
    around = collide(cube(2.0), CollisionOptions(mode="sphere"), Silent())
    assert around.over_cover == pytest.approx(4 / 3 * np.pi * 3**1.5 / 8, rel=1e-3)
    assert around.protrusion_m == pytest.approx(3**0.5 - 1, rel=0.01)
    exact = collide(cube(2.0), CollisionOptions(mode="box"), Silent())
    assert exact.over_cover == pytest.approx(1, abs=1e-5)
    assert exact.protrusion_m == pytest.approx(0, abs=1e-5)


def test_overlaps_count_once_and_cavities_count_as_body() -> None:
    # Two bricks through each other: 2 + 2 - 1 * 0.5 * 1 cubic metres.
    cross = together(_brick((4, 1, 0.5), (0, 0, 0)), _brick((1, 4, 0.5), (0, 0, 0)))
    found = collide(cross, CollisionOptions(mode="decompose", max_hulls=4), Silent())
    assert found.over_cover == pytest.approx(1, abs=0.03)
    whole = collide(cross, CollisionOptions(mode="box"), Silent())
    assert whole.over_cover == pytest.approx(12.5 * 0.5 / 3.5, rel=0.03)  # turned by 45 degrees
    inner = cube(1.8)
    shell = together(cube(2.0), mesh_of(inner.positions, inner.faces[:, ::-1]))
    closed = collide(shell, AUTO, Silent())
    assert closed.kind == "box"
    assert closed.over_cover == pytest.approx(1, abs=0.01)


def test_a_body_with_a_hole_in_its_surface_is_still_a_body() -> None:
    ball = sphere(16)
    torn = mesh_of(ball.positions, ball.faces[20:])
    found = collide(torn, CollisionOptions(mode="sphere"), Silent())
    assert found.over_cover == pytest.approx(1, abs=0.06)
    # A sheet encloses nothing.
    wave = plane(10, wave_m=0.3)
    assert collide(wave, CollisionOptions(mode="hull"), Silent()).over_cover is None


# Decomposition


def test_a_ring_is_split_so_that_its_hole_stays_open() -> None:
    mesh = torus(tube_m=0.15, segments=20)
    listener = Listener()
    found = collide(mesh, CollisionOptions(max_hulls=8), listener)
    assert 4 <= len(found.hulls) <= 8
    for hull in found.hulls:
        # None reaches over the middle of the ring.
        assert np.linalg.norm(hull.positions.mean(axis=0)[:2]) > 0.5
    whole = collide(mesh, CollisionOptions(mode="hull"), Silent())
    assert found.over_cover is not None
    assert whole.over_cover is not None
    assert found.over_cover < 0.5 * whole.over_cover
    assert found.protrusion_m < 0.3 * whole.protrusion_m
    assert listener.warnings == []
    assert listener.stages == {Stage.COLLISION}


@pytest.mark.parametrize(
    "mesh",
    [
        torus(tube_m=0.15, segments=16),
        _turned(_chair()),
        sphere(10, bump_m=0.3),
        plane(12, wave_m=0.4),
        crumbs(40, size_m=0.2),
    ],
    ids=["ring", "chair", "potato", "wavy sheet", "crumbs"],
)
def test_a_decomposition_leaves_no_more_out_than_the_slack(mesh: Mesh) -> None:
    found = collide(mesh, CollisionOptions(mode="decompose", max_vertices=16), Silent())
    points = np.concatenate([sample_surface(mesh, 2_000), mesh.positions])
    assert np.max(depths_outside(points, found.hulls)) <= 0.0026 * diagonal(mesh)


def test_bricks_are_found_again() -> None:
    apart = together(cube(1.0), cube(1.0, center=(4, 0, 0)), cube(1.0, center=(0, 5, 0)))
    found = collide(apart, CollisionOptions(mode="decompose"), Silent())
    assert len(found.hulls) == 3
    assert [len(hull.positions) for hull in found.hulls] == [8, 8, 8]
    assert found.over_cover == pytest.approx(1, abs=1e-4)
    chair = collide(_chair(), CollisionOptions(mode="decompose"), Silent())
    assert len(chair.hulls) <= 8
    assert chair.over_cover == pytest.approx(1, abs=0.05)


def test_more_parts_than_hulls_are_put_together() -> None:
    found = collide(crumbs(60), CollisionOptions(mode="decompose", max_hulls=4), Silent())
    assert 1 <= len(found.hulls) <= 4
    for hull in found.hulls:
        assert_convex(hull)


def test_a_dense_mesh_is_reduced_before_it_is_split() -> None:
    dense = torus(tube_m=0.15, segments=46)
    assert len(dense.faces) > collision.BODY_TRIANGLES
    found = collide(dense, CollisionOptions(max_hulls=4), Silent())
    assert 2 <= len(found.hulls) <= 4


def test_sheets_that_meet_get_a_thick_hull_each() -> None:
    sheet = plane(3)
    corner = together(sheet, mesh_of(sheet.positions[:, [2, 1, 0]] + (1, 0, 1), sheet.faces))
    found = collide(corner, CollisionOptions(mode="decompose"), Silent())
    assert found.over_cover is None
    assert len(found.hulls) == 2
    for hull in found.hulls:
        assert_convex(hull)
    assert found.protrusion_m < 0.01 * diagonal(corner)


def test_the_same_mesh_gives_the_same_bytes() -> None:
    mesh = _turned(_chair())
    first, second = (
        collide(mesh, CollisionOptions(mode="decompose", max_vertices=8), Silent())
        for _ in range(2)
    )
    assert [h.positions.tobytes() for h in first.hulls] == [
        h.positions.tobytes() for h in second.hulls
    ]
    assert (first.over_cover, first.protrusion_m) == (second.over_cover, second.protrusion_m)


# Poor input


@pytest.mark.parametrize("mode", ["auto", "hull", "decompose", "sphere"])
@pytest.mark.parametrize(
    "positions",
    [
        plane(4).positions,
        plane(4, wave_m=1e-6).positions,
        [(0, 0, 0), (1, 2, 3), (2, 4, 6)],
        [(5, 5, 5)] * 3,
        [(1e6, 0, 0)] * 3,
        [(0, 0, 0), (1, 0, 0), (0.3, 0.7, 0)],
        np.array(plane(3).positions) @ np.array([[0.6, 0.8, 0], [0, 0, 1], [0.8, -0.6, 0]]),
    ],
    ids=["plane", "nearly plane", "line", "point", "far point", "triangle", "tilted plane"],
)
def test_flat_things_get_a_thin_box(positions: object, mode: Mode) -> None:
    points = np.asarray(positions, np.float64)
    mesh = mesh_of(points, [(0, 1, 2)] if len(points) == 3 else plane(4).faces % len(points))
    found = collide(mesh, CollisionOptions(mode=mode), Silent())
    assert found.kind == "box"
    assert found.over_cover is None
    (hull,) = found.hulls
    assert len(hull.positions) == 8
    assert_convex(hull)
    used = mesh.positions[np.unique(mesh.faces)].astype(np.float64)
    assert isinstance(hull.primitive, Box)
    along = np.abs((used - hull.primitive.center_m) @ np.array(hull.primitive.axes).T)
    assert (along <= np.array(hull.primitive.size_m) / 2 * (1 + 1e-6)).all()
    assert min(hull.primitive.size_m) >= 0.009 * np.linalg.norm(np.ptp(used, axis=0))
    assert min(hull.primitive.size_m) >= 1e-3


def test_five_copies_of_a_cube_are_a_box() -> None:
    found = collide(together(*(cube(1.0) for _ in range(5))), AUTO, Silent())
    assert found.kind == "box"
    assert found.over_cover == pytest.approx(1, abs=1e-5)


def test_progress_can_stop_it() -> None:
    for calls in (0, 2, 10, 40):
        with pytest.raises(Cancelled):
            collide(torus(tube_m=0.15, segments=16), AUTO, Listener(calls_left=calls))


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"max_hulls must be in 1\.\.64, got 0"):
        CollisionOptions(max_hulls=0)
    with pytest.raises(InvalidInput, match=r"max_vertices must be in 8\.\.255, got 4"):
        CollisionOptions(max_vertices=4)
    with pytest.raises(InvalidInput, match=r"max_over_cover must be at least 1, got 0\.9"):
        CollisionOptions(max_over_cover=0.9)
    with pytest.raises(InvalidInput, match=r"max_over_cover must be at least 1, got nan"):
        CollisionOptions(max_over_cover=float("nan"))
    with pytest.raises(InvalidInput, match=r"max_protrusion_ratio must be in \[0, 1\], got 2"):
        CollisionOptions(max_protrusion_ratio=2)
    with pytest.raises(InvalidInput, match="got mesh"):
        CollisionOptions(mode="mesh")  # type: ignore[arg-type]  # what a client may send
    with pytest.raises(InvalidInput, match="0 triangles"):
        collide(mesh_of(np.zeros((0, 3)), np.zeros((0, 3))), AUTO, Silent())
