"""Charts are few, lie flat with little stretch, cover nothing twice, and follow sharp edges."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import Cancelled
from pipeline.mesh.charts.cut import Cut, cut
from pipeline.types import Mesh
from tests.pipeline.mesh.shapes import crumbs, cube, face_normals, mesh_of, plane, sphere, together


def _cut(mesh: Mesh, least_area: float = 0.0, most_area: float = np.inf) -> Cut:
    return cut(mesh, least_area, most_area, lambda share: None)


def _count(result: Cut) -> int:
    assert np.array_equal(np.unique(result.face_charts), np.arange(result.face_charts.max() + 1))
    return int(result.face_charts.max()) + 1


def _tube(turns: float = 1.0, segments: int = 40, rows: int = 20) -> Mesh:
    """The side of a cylinder of radius 1 m and height 2 m, closed where `turns` is 1."""
    around = 2 * np.pi * turns * np.arange(segments + 1) / segments
    up = 2 * np.arange(rows + 1) / rows
    a, y = (v.ravel() for v in np.meshgrid(around, up, indexing="ij"))
    index = np.arange(len(a)).reshape(segments + 1, rows + 1)
    if turns == 1:
        index[-1] = index[0]
    p, q, r, s = (
        v.ravel() for v in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    )
    faces = np.concatenate([np.stack([p, r, q], axis=1), np.stack([p, s, r], axis=1)])
    return mesh_of(np.stack([np.cos(a), y, np.sin(a)], axis=1), faces)


def _areas(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray((one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]) / 2)


def _covered_twice(result: Cut, cells: int = 120) -> float:
    """Share of the covered cells of a fine grid per chart that two faces have, by every cell."""
    twice = once = 0
    for chart in range(_count(result)):
        corners = result.uvs[result.face_charts == chart]
        low, extent = corners.min(axis=(0, 1)), np.ptp(corners, axis=(0, 1)).max()
        corners = (corners - low) / extent * cells
        x, y = (v.ravel() + 0.5 for v in np.meshgrid(np.arange(cells), np.arange(cells)))
        inside = np.ones((len(corners), len(x)), np.bool_)
        for k in range(3):
            (x0, y0), (x1, y1) = corners[:, k].T, corners[:, (k + 1) % 3].T
            inside &= (x1 - x0)[:, None] * (y - y0[:, None]) - (y1 - y0)[:, None] * (
                x - x0[:, None]
            ) > 1e-6
        twice += int((inside.sum(axis=0) > 1).sum())
        once += int((inside.sum(axis=0) > 0).sum())
    return twice / once


def test_a_sheet_is_one_chart_and_stays_as_it_is() -> None:
    sheet = plane(12)
    result = _cut(sheet)
    assert _count(result) == 1
    sides = np.linalg.norm(np.roll(result.uvs, -1, axis=1) - result.uvs, axis=2)
    corners = sheet.positions[sheet.faces]
    assert np.allclose(sides, np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2))


def test_a_cube_has_a_chart_for_each_side() -> None:
    result = _cut(cube())
    assert _count(result) == 6
    normals = face_normals(cube()).round(6)
    for chart in range(6):
        assert len(np.unique(normals[result.face_charts == chart], axis=0)) == 1


def test_small_sides_are_sewn_together() -> None:
    assert _count(_cut(cube(), least_area=1.5)) < 6


@pytest.mark.parametrize("turns", [0.9, 1.0])
def test_a_tube_is_unrolled(turns: float) -> None:
    result = _cut(_tube(turns))
    assert _count(result) == 1
    extent = np.ptp(result.uvs.reshape(-1, 2) @ _main_axes(result.uvs), axis=0)
    assert np.allclose(np.sort(extent), np.sort([2 * np.pi * turns, 2]), rtol=0.01)


def _main_axes(uvs: NDArray[np.float64]) -> NDArray[np.float64]:
    points = uvs.reshape(-1, 2) - uvs.mean(axis=(0, 1))
    return np.asarray(np.linalg.eigh(points.T @ points)[1])


def test_a_tube_that_is_unrolled_has_two_vertices_along_its_seam() -> None:
    mesh = _tube(1.0)
    result = _cut(mesh)
    used = np.unique(mesh.faces)
    assert result.face_vertices.max() + 1 == len(used) + 21
    for vertex in range(result.face_vertices.max() + 1):
        at = result.face_vertices == vertex
        assert len(np.unique(mesh.faces[at])) == 1
        assert np.allclose(result.uvs[at], result.uvs[at][0])


def test_a_ball_has_few_charts_that_are_sound() -> None:
    ball = sphere(16, bump_m=0.1)
    result = _cut(ball)
    assert _count(result) <= 14
    areas = _areas(result.uvs)
    assert (areas > 0).all()
    assert _covered_twice(result) <= 1e-4
    corners = ball.positions.astype(np.float64)[ball.faces]
    in_space = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    growth = 2 * areas / in_space
    assert np.percentile(growth, 5) >= 0.75**2
    assert np.percentile(growth, 95) <= 1.25**2


def test_what_lies_over_itself_is_cut() -> None:
    # A ramp that winds up twice and a half: from above, every place is covered two or three times.
    sheet = plane(cells=30)
    turn = 2.5 * np.pi * (sheet.positions[:, 0] + 1)
    radius = 2 + sheet.positions[:, 1]
    ramp = mesh_of(
        np.stack([radius * np.cos(turn), radius * np.sin(turn), 0.1 * turn], axis=1), sheet.faces
    )
    result = _cut(ramp)
    assert 3 <= _count(result) <= 8
    assert _covered_twice(result) <= 1e-3


def test_no_chart_has_more_than_its_share() -> None:
    sheet = plane(20)  # 4 square metres
    result = _cut(sheet, most_area=0.5)
    corners = sheet.positions[sheet.faces].astype(np.float64)
    in_space = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    # Straightening borders hands a few faces over.
    assert np.bincount(result.face_charts, in_space / 2).max() <= 0.5 * 1.2
    assert _count(result) <= 16


def test_loose_faces_and_faces_back_to_back_are_charted() -> None:
    flat = mesh_of([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 2), (0, 2, 1)])
    result = _cut(together(flat, crumbs(20)))
    assert (_areas(result.uvs) > 0).all()
    assert _covered_twice(result) <= 1e-3


def test_the_size_does_not_matter() -> None:
    ball = sphere(10)
    large = _cut(mesh_of(ball.positions * 1024, ball.faces))
    assert np.array_equal(large.face_charts, _cut(ball).face_charts)


def test_progress_rises_and_stops_the_work() -> None:
    shares: list[float] = []
    cut(sphere(10), 0.0, 0.5, shares.append)
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1

    def stop(share: float) -> None:
        raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        cut(sphere(10), 0.0, 0.5, stop)
