"""Lids close what is small, touch nothing else, and are never flat or crowded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Cancelled
from pipeline.mesh.measuring.measure import face_areas, signed_volume, topology
from pipeline.mesh.repairing.holes import borders, close, fill_holes
from pipeline.mesh.repairing.repair import RepairOptions, repair
from pipeline.types import Mesh, Silent
from tests.pipeline.mesh.shapes import (
    cube,
    edge_counts,
    is_closed_manifold,
    mesh_of,
    plane,
    sphere,
    torn,
)


def _tick() -> None: ...


def _closed(mesh: Mesh) -> Mesh:
    found = borders(mesh)
    return close(mesh, found, np.ones(len(found), bool), np.full(len(found), np.inf), _tick).mesh


def fan_of(line: np.ndarray) -> Mesh:
    """A cone over a closed line `[N, 3]`, open where the line is."""
    count = len(line)
    here = np.arange(count)
    faces = np.stack([here, (here + 1) % count, np.full(count, count)], axis=1)
    return mesh_of(np.concatenate([line, [(0, 0, -1)]]), faces)


def test_a_border_runs_with_its_faces_and_is_measured() -> None:
    (line,) = (borders(plane(2))[n] for n in range(1))
    assert sorted(line.tolist()) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert line[0] == 0
    found = borders(plane(2))
    assert found.perimeters_m.tolist() == [8]
    assert found.areas.tolist() == [4]
    edges = {tuple(e) for f in plane(2).faces.tolist() for e in zip(f, [*f[1:], f[0]], strict=True)}
    assert all((a, b) in edges for a, b in zip(line, np.roll(line, -1), strict=True))


def test_a_closed_mesh_has_no_borders() -> None:
    assert len(borders(cube())) == 0
    assert _closed(cube()).faces.tolist() == cube().faces.tolist()


def test_the_smallest_lid_of_a_flat_line_is_what_it_goes_around() -> None:
    angles = 2 * np.pi * np.arange(12) / 12
    star = (1 + 0.4 * (np.arange(12) % 2))[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    mesh = fan_of(np.concatenate([star, np.zeros((12, 1))], axis=1))
    whole = _closed(mesh)
    lid = Mesh(positions=whole.positions, faces=whole.faces[12:])
    x, y = star.T
    shoelace = abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2
    assert face_areas(lid).sum() == pytest.approx(shoelace)
    assert is_closed_manifold(whole)


def test_corners_on_a_straight_line_give_no_flat_lid() -> None:
    side = np.linspace(-1, 1, 9)[:-1]
    one = np.ones(8)
    square = np.concatenate(
        [np.stack(xy, axis=1) for xy in ((side, -one), (one, side), (-side, one), (-one, -side))]
    )
    whole = _closed(fan_of(np.concatenate([square, np.zeros((32, 1))], axis=1)))
    assert is_closed_manifold(whole)
    assert topology(whole).degenerate_face_count == 0


def test_a_slit_without_an_area_stays() -> None:
    mesh = fan_of(np.array([(0.0, 0, 0), (1, 0, 0), (2, 0, 0)]))
    assert len(_closed(mesh).faces) == 3


def test_a_lid_whose_edge_is_there_already_gets_a_vertex_in_its_middle() -> None:
    # Two faces share the edge 0-2 below; the border 0-1-2-3 is to be closed on either diagonal.
    rim = [(0.0, 0, 0), (1, 0, 0), (1, 1, 0.2), (0, 1, 0)]
    body = [(0, 2, 4), (2, 0, 5), (0, 4, 1), (1, 4, 2), (2, 5, 3), (3, 5, 0)]
    mesh = mesh_of([*rim, (1.0, 0.2, -1), (0.0, 0.8, -1)], body)
    assert len(borders(mesh)) == 1
    whole = _closed(mesh)
    assert max(edge_counts(whole).values()) == 2
    assert is_closed_manifold(whole)


def test_a_line_of_a_thousand_edges_is_closed() -> None:
    angles = 2 * np.pi * np.arange(1000) / 1000
    line = np.stack([np.cos(angles), np.sin(angles), 0.1 * np.sin(40 * angles)], axis=1)
    whole = _closed(fan_of(line))
    assert is_closed_manifold(whole)
    lid = Mesh(positions=whole.positions, faces=whole.faces[1000:])
    assert face_areas(lid).sum() < 4 * np.pi


def test_pinched_holes_are_closed_without_a_double_face() -> None:
    whole = sphere(48)
    middle = whole.positions[whole.faces].mean(axis=1)
    ring = np.flatnonzero((np.abs(middle[:, 1]) < 0.05) & (middle[:, 2] > 0.9))
    vertex = int(whole.faces[ring[0], 0])
    around = np.flatnonzero((whole.faces == vertex).any(axis=1))
    # Two holes that meet at one vertex only.
    other = next(f for f in around if len({*whole.faces[f]} & {*whole.faces[around[0]]}) == 1)
    gone = [around[0], other]
    mesh = mesh_of(whole.positions, np.delete(whole.faces, gone, axis=0))
    result = repair(mesh, RepairOptions.for_generated(), Silent())
    assert is_closed_manifold(result.mesh)
    assert result.counts.after.vertex_count == len(whole.positions)
    assert signed_volume(result.mesh) == pytest.approx(signed_volume(whole))
    assert result.counts.after.duplicate_face_count == 0
    assert result.counts.after.non_manifold_edge_count == 0


def test_only_what_is_short_and_small_beside_its_part_is_filled() -> None:
    mesh = torn(sphere(64), [(1, 0, 0), (0, 0, 1)], 0.08)
    found = borders(mesh)
    areas = np.full(len(found), face_areas(mesh).sum())
    edges = np.diff(found.begins)

    def filled(max_edges: int = 500, max_perimeter_m: float = 10.0, scale: float = 1.0) -> int:
        return len(
            fill_holes(
                mesh,
                found,
                areas * scale,
                max_edges=max_edges,
                max_perimeter_m=max_perimeter_m,
                tick=_tick,
            ).lines
        )

    assert filled() == 2
    assert filled(max_edges=0) == 0
    assert filled(max_edges=int(edges.min())) == int((edges == edges.min()).sum())
    assert filled(max_perimeter_m=0.1) == 0
    assert filled(scale=0.005) == 0


def test_progress_can_stop_it() -> None:
    def stop() -> None:
        raise Cancelled("stopped by the test")

    mesh = torn(sphere(32), [(1, 0, 0)], 0.1)
    found = borders(mesh)
    with pytest.raises(Cancelled):
        close(mesh, found, np.ones(len(found), bool), np.full(len(found), np.inf), stop)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_whatever_is_torn_out_of_a_ball_can_be_closed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = sphere(10)
    faces = whole.faces[rng.random(len(whole.faces)) > rng.uniform(0.02, 0.6)]
    result = repair(
        mesh_of(whole.positions, faces),
        RepairOptions(fill_hole_edges=500, fill_hole_perimeter_ratio=10.0),
        Silent(),
    )
    counts = result.counts.after
    assert counts.non_manifold_edge_count == counts.degenerate_face_count == 0
    assert counts.duplicate_face_count == counts.winding_conflict_count == 0
