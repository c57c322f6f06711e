"""Simplified meshes keep the budget, the shape, and what is closed."""

import time
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import BudgetUnreachable, Cancelled, InvalidInput
from pipeline.mesh.lods.simplify import Simplifier, simplify
from pipeline.mesh.measuring.measure import (
    SurfaceDistance,
    deviation,
    face_areas,
    signed_volume,
    topology,
)
from pipeline.mesh.repairing.repair import RepairOptions, repair
from pipeline.types import Mesh, Silent, Stage
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


@cache
def _bumpy(rings: int) -> Mesh:
    return sphere(rings, bump_m=0.05)


def _simplify(mesh: Mesh, target_count: int) -> Mesh:
    return simplify(mesh, target_count=target_count, progress=Silent())


def _max_deviation(mesh: Mesh, reference: Mesh) -> float:
    to_reference = SurfaceDistance(reference)
    return deviation(mesh, reference, to_reference, 4_000, lambda: None).max_m


def test_a_mesh_within_the_budget_is_returned_as_it_is() -> None:
    mesh = cube()
    assert _simplify(mesh, 12) is mesh


@pytest.mark.parametrize("target_count", [4_000, 1_000, 200, 20, 4])
def test_a_closed_body_stays_closed_and_whole(target_count: int) -> None:
    mesh = _bumpy(48)
    result = _simplify(mesh, target_count)
    assert 0.8 * target_count <= len(result.faces) <= target_count
    assert is_closed_manifold(result)
    assert topology(result).degenerate_face_count == 0
    assert topology(result).component_count == 1
    assert np.isfinite(result.positions).all()
    assert len(np.unique(result.faces)) == len(result.positions)
    assert signed_volume(result) > (0.9 if target_count >= 200 else 0.05) * signed_volume(mesh)


def test_faces_without_area_do_not_count() -> None:
    corners = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    faces = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3), (1, 1, 2)]
    result = simplify(mesh_of(corners, faces), target_count=4, progress=Silent())
    assert is_closed_manifold(result)
    assert len(result.faces) == 4


def test_no_face_is_flipped() -> None:
    result = _simplify(_bumpy(48), 800)
    middle = result.positions[result.faces].mean(axis=1)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    # The waves slope up to 25 degrees against the ball.
    assert (face_normals(result) * middle).sum(axis=1).min() > 0.5


@pytest.mark.parametrize("seed", [0, 2, 3, 8])  # of those that used to fold
def test_a_sheet_of_slivers_does_not_fold_over(seed: int) -> None:
    sheet = plane(24)
    positions = sheet.positions.astype(np.float64)
    is_inner = (np.abs(positions[:, :2]) < 0.99).all(axis=1)
    shaken = np.random.default_rng(seed).uniform(-0.025, 0.025, (int(is_inner.sum()), 2))
    positions[is_inner, :2] += shaken
    positions[:, 2] += 0.06 * np.sin(3 * positions[:, 0])
    positions[:, 0] *= 30  # so that no face is more than a sliver
    result = _simplify(mesh_of(positions, sheet.faces), 500)
    assert (face_normals(result)[:, 2] > 0).all()


def test_the_shape_is_kept() -> None:
    mesh = _bumpy(64)
    assert _max_deviation(_simplify(mesh, 4_000), mesh) < 0.01
    assert _max_deviation(_simplify(mesh, 1_000), mesh) < 0.04


def test_the_scale_and_place_of_a_mesh_change_nothing() -> None:
    mesh = _bumpy(32)
    expected = _max_deviation(_simplify(mesh, 500), mesh)
    for scale in (1e-3, 1e4):
        scaled = mesh_of(mesh.positions * scale + scale, mesh.faces)
        result = _simplify(scaled, 500)
        assert _max_deviation(result, scaled) / scale == pytest.approx(expected, rel=0.2)


def test_a_ring_keeps_its_hole() -> None:
    result = _simplify(torus(segments=64), 300)
    counts = topology(result)
    assert is_closed_manifold(result)
    assert counts.vertex_count - counts.triangle_count // 2 == 0  # Euler's formula, one hole


@pytest.mark.parametrize("target_count", [800, 200, 30])
def test_a_leaf_keeps_its_outline(target_count: int) -> None:
    mesh = plane(40)
    result = _simplify(mesh, target_count)
    assert len(result.faces) <= target_count
    assert face_areas(result).sum() == pytest.approx(4.0, rel=1e-4)
    assert _max_deviation(result, mesh) < 1e-3


def test_both_sides_of_a_leaf_are_simplified() -> None:
    front = plane(40, wave_m=0.05)
    both = mesh_of(front.positions, np.concatenate([front.faces, front.faces[:, ::-1]]))
    repaired = repair(both, RepairOptions.for_upload(), Silent()).mesh
    result = _simplify(repaired, 600)
    assert len(result.faces) <= 600
    assert _max_deviation(result, repaired) < 0.05
    normals = face_normals(result)[:, 2]
    areas = face_areas(result)
    assert areas[normals > 0].sum() == pytest.approx(areas[normals < 0].sum(), rel=0.02)


def test_a_thin_limb_stays() -> None:
    limb = sphere(24)
    limb = mesh_of(limb.positions * (0.02, 1.0, 0.02) + (0, 1.8, 0), limb.faces)
    mesh = together(_bumpy(48), limb)
    result = _simplify(mesh, 1_000)
    assert result.positions[:, 1].max() > 2.7
    assert topology(result).component_count == 2


@pytest.mark.parametrize("target_count", [1_000, 100, 10])
def test_a_heap_of_crumbs_loses_parts_with_a_warning(target_count: int) -> None:
    mesh = crumbs(500)
    listener = Listener()
    result = simplify(mesh, target_count=target_count, progress=listener)
    assert 0.8 * target_count <= len(result.faces) <= target_count
    assert is_closed_manifold(result)
    assert len(listener.warnings) == 1


def test_the_largest_parts_of_a_heap_stay() -> None:
    big = cube(0.5, center=(3, 0, 0))
    result = _simplify(together(crumbs(400, size_m=0.02), big), 60)
    assert result.positions[:, 0].max() == pytest.approx(3.25)


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (_simplify(_bumpy(40), 700) for _ in range(2))
    assert first.positions.tobytes() == second.positions.tobytes()
    assert first.faces.tobytes() == second.faces.tobytes()


def test_an_unreachable_budget_names_the_smallest_count() -> None:
    """Sixty crumbs cannot be brought below 4 triangles each without losing some."""
    simplifier = Simplifier(crumbs(60), is_merging_allowed=False, progress=Silent())
    with pytest.raises(BudgetUnreachable) as failure:
        simplifier.reduce(target_count=60)
    assert failure.value.smallest_count >= 240
    assert str(failure.value.smallest_count) in str(failure.value)


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(InvalidInput, match="0 triangles"):
        _simplify(mesh_of(np.zeros((0, 3)), np.zeros((0, 3))), 100)
    with pytest.raises(InvalidInput, match="at least 4, got 3"):
        _simplify(cube(), 3)


def test_progress_can_stop_it() -> None:
    listener = Listener()
    simplify(_bumpy(32), target_count=100, progress=listener)
    assert listener.stages == {Stage.SIMPLIFY}
    calls = len(listener.fractions)
    assert calls >= 4
    for calls_left in range(calls):
        with pytest.raises(Cancelled):
            simplify(_bumpy(32), target_count=100, progress=Listener(calls_left))


@settings(max_examples=40, deadline=None)
@given(
    target_count=st.integers(4, 3_000),
    kind=st.sampled_from(["ball", "ring", "leaf", "crumbs", "mixed", "open ball"]),
)
@example(target_count=178, kind="mixed")  # the surface comes to touch itself along an edge
def test_the_budget_is_never_exceeded(target_count: int, kind: str) -> None:
    ball = _bumpy(28)
    mesh = {
        "ball": ball,
        "ring": torus(segments=40),
        "leaf": plane(38, wave_m=0.1),
        "crumbs": crumbs(300),
        "mixed": together(ball, crumbs(50), plane(10)),
        "open ball": mesh_of(ball.positions, ball.faces[: len(ball.faces) // 2]),
    }[kind]
    result = _simplify(mesh, target_count)
    assert 0 < len(result.faces) <= target_count
    assert max(edge_counts(result).values()) <= 2
    assert np.isfinite(result.positions).all()
    assert topology(result).degenerate_face_count == 0
    if kind in ("ball", "ring", "crumbs"):
        assert is_closed_manifold(result)


def test_speed_of_200k_triangles(capsys: pytest.CaptureFixture[str]) -> None:
    mesh = _bumpy(220)
    start = time.process_time()
    result = _simplify(mesh, 20_000)
    with capsys.disabled():
        print(f" {len(mesh.faces):,} triangles in {time.process_time() - start:.2f} cpu-s", end="")
    assert len(result.faces) <= 20_000
