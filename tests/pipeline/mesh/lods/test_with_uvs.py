"""LODs that keep the charts of the finest."""

from functools import cache

import numpy as np
import pytest

from pipeline.errors import BudgetUnreachable
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.mesh.lods.with_uvs import reduced_with_uvs
from pipeline.types import Silent, UnwrappedMesh
from tests.pipeline.mesh.shapes import sphere


@cache
def _ball() -> UnwrappedMesh:
    return unwrap([sphere(32, bump_m=0.05)], UnwrapOptions(texture_size=256), Silent())[0]


def test_the_budget_is_kept_on_vertices_that_are_there() -> None:
    ball = _ball()
    reduced, vertices = reduced_with_uvs(ball, 1_000, lambda: None)
    assert 950 <= len(reduced.faces) <= 1_000
    for name in ("positions", "normals", "tangents", "uvs"):
        assert np.array_equal(getattr(reduced, name), getattr(ball, name)[vertices])
    assert len(np.unique(reduced.faces)) == len(reduced.positions)


def test_charts_stay_where_they_are() -> None:
    ball = _ball()
    reduced, _ = reduced_with_uvs(ball, 1_000, lambda: None)

    def chart_area(mesh: UnwrappedMesh) -> float:
        corners = mesh.uvs[mesh.faces].astype(np.float64)
        return float(np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])).sum() / 2)

    assert chart_area(reduced) == pytest.approx(chart_area(ball), rel=0.05)
    signs = np.linalg.det(
        reduced.uvs[reduced.faces][:, 1:].astype(np.float64) - reduced.uvs[reduced.faces][:, :1]
    )
    assert (signs < 0).mean() > 0.99  # v runs down, so no triangle is mirrored


def test_within_the_budget_nothing_changes() -> None:
    ball = _ball()
    reduced, vertices = reduced_with_uvs(ball, 1_000_000, lambda: None)
    assert reduced is ball
    assert np.array_equal(vertices, np.arange(len(ball.positions)))


def test_charts_that_hold_it_up_are_told() -> None:
    with pytest.raises(BudgetUnreachable, match="cannot be reached on the charts") as failure:
        reduced_with_uvs(_ball(), 4, lambda: None)
    assert failure.value.smallest_count > 4


def test_same_input_same_bytes() -> None:
    one, two = (reduced_with_uvs(_ball(), 700, lambda: None)[0] for _ in range(2))
    assert one.faces.tobytes() == two.faces.tobytes()
