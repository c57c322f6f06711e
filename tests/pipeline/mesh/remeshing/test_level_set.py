"""Lines cross closed surfaces in pairs, and points are inside where the body is."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import Cancelled
from pipeline.mesh.measuring.measure import SurfaceDistance
from pipeline.mesh.remeshing import level_set as module
from pipeline.mesh.remeshing.level_set import (
    INSIDE,
    SLAB,
    THIN,
    Grid,
    LevelSet,
    crossings,
    is_balanced,
    level_set,
    ray_sums,
)
from pipeline.types import Mesh
from tests.pipeline.mesh.shapes import cube, mesh_of, plane, sphere, together, torn, torus


def _nothing() -> None: ...


def _turned(mesh: Mesh, seed: int = 0) -> Mesh:
    """Rotated so that nothing lies along the grid."""
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)  # a mirror would turn it inside out
    return mesh_of(mesh.positions @ turn.T, mesh.faces)


def _randomly_flipped(mesh: Mesh, seed: int = 0) -> Mesh:
    is_flipped = np.random.default_rng(seed).random(len(mesh.faces)) < 0.5
    return mesh_of(mesh.positions, np.where(is_flipped[:, None], mesh.faces[:, ::-1], mesh.faces))


def _labels(mesh: Mesh, resolution: int = 32) -> LevelSet:
    return level_set(mesh, Grid.around(mesh, resolution), SurfaceDistance(mesh), _nothing)


def _places(level: LevelSet) -> NDArray[np.float64]:
    grid = level.grid
    return grid.to_metres(grid.coordinates(np.arange(len(level.labels))))


def _volume_m3(level: LevelSet) -> float:
    return float((level.labels == INSIDE).sum() * level.grid.cell_m**3)


@pytest.mark.parametrize("mesh", [cube(), torus(), _turned(cube()), _turned(sphere(12))])
def test_every_line_leaves_a_closed_surface_as_often_as_it_enters(mesh: Mesh) -> None:
    # 16 and 32 put grid lines right onto the sides and edges of the cube.
    for resolution in (16, 23, 32):
        lines = crossings(mesh, Grid.around(mesh, resolution), _nothing)
        assert all(len(along.depths) > 100 and is_balanced(along) for along in lines)


def test_crossings_lie_on_the_surface() -> None:
    mesh = _turned(cube())
    grid = Grid.around(mesh, 20)
    for axis, along in enumerate(crossings(mesh, grid, _nothing)):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        line = np.repeat(np.arange(len(along.starts) - 1), np.diff(along.starts))
        places = np.empty((len(line), 3))
        places[:, axis] = along.depths
        places[:, u], places[:, v] = line % grid.shape[u], line // grid.shape[u]
        a, b, c = mesh.positions.astype(np.float64)[mesh.faces[along.faces]].transpose(1, 0, 2)
        normals = np.cross(b - a, c - a)
        off = ((grid.to_metres(places) - a) * normals).sum(axis=1)
        np.testing.assert_allclose(off, 0, atol=1e-5 * grid.cell_m)
        np.testing.assert_array_equal(along.signs, np.sign(normals[:, axis]))


def test_faces_in_parts_cross_the_same_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = sphere(8)
    grid = Grid.around(mesh, 16)
    whole = crossings(mesh, grid, _nothing)
    monkeypatch.setattr(module, "FACES_PER_STEP", 7)
    for along, in_parts in zip(whole, crossings(mesh, grid, _nothing), strict=True):
        np.testing.assert_array_equal(along.depths, in_parts.depths)
        np.testing.assert_array_equal(along.faces, in_parts.faces)


def test_six_rays_see_the_winding_number() -> None:
    both = together(cube(2.0), cube(1.0))
    grid = Grid.around(both, 20)
    sums = ray_sums(crossings(both, grid, _nothing), grid, _nothing)
    places = np.abs(grid.to_metres(grid.coordinates(np.arange(len(sums))))).max(axis=1)
    clear = (np.abs(places - 0.5) > 0.01) & (np.abs(places - 1) > 0.01)
    expected = 6 * ((places < 0.5).astype(int) + (places < 1))
    np.testing.assert_array_equal(sums[clear], expected[clear])


def test_points_of_a_ring_are_inside() -> None:
    ring = torus(segments=96)
    level = _labels(ring)
    x, y, z = _places(level).T
    off_m = np.hypot(np.hypot(x, y) - 1, z) - 0.3
    clear = np.abs(off_m) > 0.01  # the triangles cut corners
    np.testing.assert_array_equal((level.labels == INSIDE)[clear], (off_m < 0)[clear])


def test_a_shell_that_looks_inward_makes_a_hollow() -> None:
    inner = cube(1.0)
    hollow = together(cube(2.0), mesh_of(inner.positions, inner.faces[:, ::-1]))
    assert _volume_m3(_labels(hollow, 40)) == pytest.approx(7, rel=0.1)
    assert _volume_m3(_labels(together(cube(2.0), inner), 40)) == pytest.approx(8, rel=0.1)


def test_a_body_that_is_inside_out_is_solid() -> None:
    ball = sphere(16)
    level = _labels(mesh_of(ball.positions, ball.faces[:, ::-1]))
    np.testing.assert_array_equal(level.labels, _labels(ball).labels)


def test_a_hole_gets_a_lid() -> None:
    ball = sphere(32)
    level = _labels(torn(ball, [(0, 0, 1)], 0.5))
    # The cap of a hole with radius 0.5 is 0.13 high and has 0.05 m3.
    assert _volume_m3(level) == pytest.approx(_volume_m3(_labels(ball)) - 0.05, rel=0.02)
    assert (level.kinds == SLAB).sum() < 0.01 * (level.labels == INSIDE).sum()


def test_faces_that_do_not_agree_on_a_front_enclose_all_the_same() -> None:
    body = _turned(together(sphere(16), cube(1.0, center=(1.1, 0, 0))))
    flipped = _labels(_randomly_flipped(body))
    right = _labels(body)
    # Both are solid but for the wall between them.
    assert (flipped.labels != right.labels).mean() < 0.001
    assert (flipped.kinds == SLAB).sum() == 0


def test_loose_faces_that_do_not_agree_close_over_their_gaps() -> None:
    ball = sphere(12)
    corners = ball.positions[ball.faces]
    middle = corners.mean(axis=1, keepdims=True)
    shreds = mesh_of(middle + 0.9 * (corners - middle), np.arange(ball.faces.size))
    level = _labels(_randomly_flipped(shreds), 24)
    assert _volume_m3(level) == pytest.approx(_volume_m3(_labels(ball, 24)), rel=0.1)


def test_a_sheet_has_points_inside_on_both_sides() -> None:
    level = _labels(_turned(plane(20)))
    is_slab = level.kinds == SLAB
    np.testing.assert_array_equal(level.labels == INSIDE, is_slab)
    assert is_slab.sum() > (2 / level.grid.cell_m) ** 2
    assert (level.kinds == THIN).sum() == 0
    along = level.lines[0]
    line = np.repeat(np.arange(len(along.starts) - 1), np.diff(along.starts))
    before = line * level.grid.shape[0] + along.depths.astype(int)
    assert is_slab[before].all()
    assert is_slab[before + 1].all()


def test_a_plate_thinner_than_a_cell_has_no_gaps() -> None:
    plate = cube()
    thin = _turned(mesh_of(plate.positions * (1, 1, 0.01), plate.faces), seed=1)
    level = _labels(thin, 24)
    assert (level.kinds == THIN).sum() > 100
    assert (level.kinds == SLAB).sum() == 0
    inside = (level.labels == INSIDE).reshape(level.grid.shape[::-1])
    for axis, along in enumerate(level.lines):
        # By v, then u, as lines are numbered.
        u, v = (axis + 1) % 3, (axis + 2) % 3
        meets = inside.transpose(2 - v, 2 - u, 2 - axis).any(axis=2).ravel()
        assert meets[np.diff(along.starts) > 0].all()


def test_it_can_be_stopped() -> None:
    calls = 0

    def tick() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise Cancelled("stopped by the test")

    ball = sphere(16)
    with pytest.raises(Cancelled):
        level_set(ball, Grid.around(ball, 32), SurfaceDistance(ball), tick)
