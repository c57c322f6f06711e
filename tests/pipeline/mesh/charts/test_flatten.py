"""What lies flat keeps its shape; what covers itself is told."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from pipeline.mesh.charts.flatten import Flat, lay_flat, projected, rest_shapes
from tests.pipeline.mesh.shapes import plane


def _flat(points: ArrayLike, faces: ArrayLike, rounds: int = 0) -> Flat:
    """Lay faces out as they lie already."""
    corners = np.asarray(points, np.float64)[np.asarray(faces)]
    in_space = np.concatenate([corners, np.zeros((*corners.shape[:2], 1))], axis=2)
    triangles = np.asarray(faces, np.int32)
    return lay_flat(triangles, int(triangles.max()) + 1, rest_shapes(in_space), corners, rounds)


def _fan(degrees: float, radius_growth: float, count: int) -> Flat:
    """Faces around one point, which need not close or keep their distance."""
    angles = np.radians(degrees) * np.arange(count + 1) / count
    radius = radius_growth ** np.arange(count + 1)
    rim = np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
    return _flat([(0, 0), *rim], [(0, n, n + 1) for n in range(1, count + 1)])


@pytest.mark.parametrize("degrees", [90, 180, 350])
def test_a_fan_is_simple(degrees: float) -> None:
    flat = _fan(degrees, 1.0, 8)
    assert flat.is_simple
    assert flat.stretch == pytest.approx(1)
    assert flat.uneven == 0


@pytest.mark.parametrize("growth", [0.9, 1.0, 1.1])
def test_a_fan_of_more_than_a_turn_is_not(growth: float) -> None:
    assert not _fan(400, growth, 12).is_simple


# A square with a slit from P to Q, whose two sides meet at M and N.
_SLIT = [(-1.0, 0.0), (1.0, 0.0), (0.0, 0.0), (0.0, 0.0)]
_SLIT += [(3.0, 0.0), (0.0, 3.0), (-3.0, 0.0), (0.0, -3.0)]
_P, _Q, _M, _N, _RIGHT, _TOP, _LEFT, _BOTTOM, _R = range(9)
_AROUND = [
    (_P, _M, _TOP),
    (_M, _Q, _TOP),
    (_Q, _RIGHT, _TOP),
    (_TOP, _LEFT, _P),
    (_N, _P, _BOTTOM),
    (_Q, _N, _BOTTOM),
    (_RIGHT, _Q, _BOTTOM),
    (_LEFT, _BOTTOM, _P),
]


def test_a_hole_that_is_turned_out_is_not_simple() -> None:
    # What hangs on the lower side of the slit covers what is above: a hole of less than nothing,
    # whose border crosses nothing.
    flap = [(_P, _N, _R), (_N, _Q, _R)]
    flat = _flat([*_SLIT, (0, 1)], [*_AROUND, *flap])
    assert flat.stretch == pytest.approx(1)
    assert not flat.is_simple


def test_an_open_hole_is_simple() -> None:
    points = [*_SLIT]
    points[_M], points[_N] = (0, 0.5), (0, -0.5)
    assert _flat(points, _AROUND).is_simple


def test_a_slit_that_touches_itself_is_not_taken() -> None:
    # Both of its sides have a vertex at one place, which rounding may move either way.
    assert not _flat(_SLIT, _AROUND).is_simple


def test_a_face_that_is_turned_over_is_pushed_open() -> None:
    # A square of four faces around a point, of which one lies on the wrong side of a border.
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (0, -1.001)], np.float64)
    faces = [(0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)]
    own = square.copy()
    own[4] = (0, -0.99)
    in_space = np.concatenate([own, np.zeros((5, 1))], axis=1)[np.array(faces)]
    flat = lay_flat(np.array(faces, np.int32), 5, rest_shapes(in_space), square[faces], 0)
    one, two = flat.uvs[:, 1] - flat.uvs[:, 0], flat.uvs[:, 2] - flat.uvs[:, 0]
    assert (one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0] > 0).all()
    assert flat.is_simple


def test_a_bent_sheet_is_rolled_out() -> None:
    sheet = plane(16)
    angle = sheet.positions[:, 0].astype(np.float64)  # 2 rad of a cylinder of radius 1
    bent = np.stack([np.sin(angle), sheet.positions[:, 1], np.cos(angle)], axis=1)
    corners = bent[sheet.faces]
    rest = rest_shapes(corners)
    start = projected(corners, rest)
    before = lay_flat(sheet.faces, len(bent), rest, start, 0)
    after = lay_flat(sheet.faces, len(bent), rest, start, 8)
    assert before.stretch > 1.03
    assert after.stretch == pytest.approx(1, abs=1e-3)
    assert after.is_simple
