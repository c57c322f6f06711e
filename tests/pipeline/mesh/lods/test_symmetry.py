"""Mirror-symmetric meshes stay symmetric when they are simplified."""

from functools import cache

import numpy as np
import pytest

from pipeline.mesh.lods.simplify import Simplified, Simplifier
from pipeline.mesh.lods.symmetry import Plane, find_half, whole_of
from pipeline.mesh.measuring.measure import (
    SurfaceDistance,
    deviation,
    face_areas,
    signed_volume,
    topology,
)
from pipeline.types import FloatArray, IntArray, Mesh, Silent
from tests.pipeline.mesh.shapes import (
    cube,
    is_closed_manifold,
    mesh_of,
    plane,
    sphere,
    together,
)

_RINGS = 32


@cache
def _bean() -> Mesh:
    """A closed body of 3,968 triangles, symmetric across x only, with vertices on the plane."""
    bean = _twisted_bean()
    segments = 2 * _RINGS
    image = np.arange(len(bean.positions), dtype=np.int32)
    grid = image[:-2].reshape(-1, segments)
    image[:-2] = grid[:, (_RINGS - np.arange(segments)) % segments].ravel()
    right = bean.faces[(bean.positions[bean.faces][:, :, 0] > -1e-6).all(axis=1)]
    faces = np.concatenate([right, image[right[:, ::-1]]])
    assert len(faces) == len(bean.faces)
    return mesh_of(bean.positions, faces)


@cache
def _twisted_bean() -> Mesh:
    """The same with its quads divided the same way on both sides, not mirrored."""
    ball = sphere(_RINGS)
    x, y, z = ball.positions.astype(np.float64).T
    bump = 1 + 0.1 * np.cos(4 * x) * np.sin(3 * y) + 0.05 * np.sin(5 * z)
    return mesh_of(np.stack([x * bump, y * bump + 0.3 * x**2, z * bump], axis=1), ball.faces)


def _reduce(mesh: Mesh, target_count: int, labels: IntArray | None = None) -> Simplified:
    return Simplifier(mesh, labels=labels, progress=Silent()).reduce(target_count=target_count)


def _mirrored(positions: FloatArray, axis: int) -> FloatArray:
    mirrored = positions.copy()
    mirrored[:, axis] *= -1
    return mirrored


def _triangles(positions: FloatArray, faces: IntArray) -> set[bytes]:
    """Triangles as places, each beginning at its lowest corner."""
    found = set()
    for corners in (positions[faces] + 0.0).tolist():
        first = corners.index(min(corners))
        found.add(str(corners[first:] + corners[:first]).encode())
    return found


def _is_exactly_symmetric(mesh: Mesh, axis: int) -> bool:
    """Every triangle has its image, turned so that it looks outward."""
    images = _triangles(_mirrored(mesh.positions, axis), mesh.faces[:, ::-1])
    return images == _triangles(mesh.positions, mesh.faces)


@pytest.mark.parametrize("target_count", [2_000, 501, 100])
def test_a_symmetric_body_stays_exactly_symmetric(target_count: int) -> None:
    result = _reduce(_bean(), target_count).mesh
    assert 0.9 * target_count <= len(result.faces) <= target_count
    assert _is_exactly_symmetric(result, axis=0)
    assert is_closed_manifold(result)
    counts = topology(result)
    assert counts.component_count == 1
    assert counts.degenerate_face_count == counts.duplicate_face_count == 0
    assert counts.winding_conflict_count == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_plane_may_lie_across_any_axis(axis: int) -> None:
    turned = mesh_of(np.roll(_bean().positions, axis, axis=1), _bean().faces)
    assert _is_exactly_symmetric(_reduce(turned, 600).mesh, axis)


def test_a_whole_chain_is_symmetric() -> None:
    simplifier = Simplifier(_bean(), progress=Silent())
    for target_count in (3_000, 1_000, 999, 300):
        result = simplifier.reduce(target_count=target_count).mesh
        assert 0.9 * target_count <= len(result.faces) <= target_count
        assert _is_exactly_symmetric(result, axis=0)


@pytest.mark.parametrize("target_count", [600, 200])
def test_quads_need_not_be_divided_symmetrically(target_count: int) -> None:
    assert not _is_exactly_symmetric(_twisted_bean(), axis=0)
    assert _is_exactly_symmetric(_reduce(_twisted_bean(), target_count).mesh, axis=0)


def test_what_symmetry_costs_too_much_is_not_done() -> None:
    """Two thirds of the triangles: with mirrored quads the other side would be farther off."""
    result = _reduce(_twisted_bean(), 3_000).mesh
    assert len(result.faces) == 3_000
    assert not _is_exactly_symmetric(result, axis=0)


def test_a_mesh_away_from_the_origin_is_symmetric_to_rounding() -> None:
    shift_m = np.array([5, 0, 0], np.float32)
    result = _reduce(mesh_of(_bean().positions + shift_m, _bean().faces), 600).mesh
    places = result.positions - shift_m
    gaps = np.abs(_mirrored(places, 0)[:, None] - places[None]).max(axis=2).min(axis=1)
    assert gaps.max() < 2e-6


def test_symmetry_costs_little() -> None:
    mesh = _bean()
    moved = mesh.positions.copy()
    moved[100] += 1e-3
    symmetric, plain = _reduce(mesh, 800).mesh, _reduce(mesh_of(moved, mesh.faces), 800).mesh
    assert not _is_exactly_symmetric(plain, axis=0)
    to_mesh = SurfaceDistance(mesh)
    off, least = (
        deviation(each, mesh, to_mesh, 20_000, lambda: None).mean_m for each in (symmetric, plain)
    )
    assert off < 1.15 * least


def test_faces_across_the_plane_are_cut_there() -> None:
    box = cube(2.0)  # no vertex is on the plane
    half = find_half(box, None, lambda: None)
    assert half is not None
    assert half.plane == Plane(axis=0, at_m=0.0)
    assert (half.mesh.positions[:, 0] >= 0).all()
    whole, _, _ = whole_of(half.mesh, half.plane)
    assert is_closed_manifold(whole)
    assert face_areas(whole).sum() == pytest.approx(24.0)
    assert signed_volume(whole) == pytest.approx(8.0)


def test_faces_know_where_they_come_from() -> None:
    mesh = _bean()
    result = _reduce(mesh, 800)
    middles = mesh.positions[mesh.faces].mean(axis=1)
    found = result.mesh.positions[result.mesh.faces].mean(axis=1)
    assert np.linalg.norm(middles[result.face_source] - found, axis=1).max() < 0.3
    is_clear = np.abs(found[:, 0]) > 0.15
    assert (np.sign(middles[result.face_source]) == np.sign(found))[is_clear, 0].all()


def test_left_and_right_keep_labels_of_their_own() -> None:
    """A body between two wheels; the wheels are different parts."""
    wheels = (sphere(12, center=(-2, 0, 0)), sphere(12, center=(2, 0, 0)))
    left = mesh_of(wheels[1].positions * (-1, 1, 1), wheels[1].faces[:, ::-1])
    mesh = together(_bean(), left, wheels[1])
    counts = (len(_bean().faces), len(left.faces), len(left.faces))
    labels = np.repeat(np.arange(3, dtype=np.int32), counts)
    result = _reduce(mesh, 1_500, labels)
    assert _is_exactly_symmetric(result.mesh, axis=0)
    x = result.mesh.positions[result.mesh.faces].mean(axis=1)[:, 0]
    label = labels[result.face_source]
    assert (x[label == 1] < -1).all()
    assert (x[label == 2] > 1).all()
    assert np.bincount(label)[1] == np.bincount(label)[2] > 10


def _is_plain(mesh: Mesh, labels: IntArray | None = None) -> bool:
    return find_half(mesh, labels, lambda: None) is None


def test_a_mesh_with_one_vertex_moved_is_not_symmetric() -> None:
    mesh = _bean()
    assert not _is_plain(mesh)
    for vertex in range(0, len(mesh.positions), 97):
        moved = mesh.positions.copy()
        moved[vertex] += 1e-3
        assert _is_plain(mesh_of(moved, mesh.faces))


def test_a_mesh_with_a_face_missing_is_not_symmetric() -> None:
    for face in range(0, len(_bean().faces), 97):
        assert _is_plain(mesh_of(_bean().positions, np.delete(_bean().faces, face, axis=0)))


def test_a_mesh_with_labels_on_one_side_only_is_not_symmetric() -> None:
    mesh = _bean()
    middles = mesh.positions[mesh.faces].mean(axis=1)
    right = middles[:, 0] > 0
    assert not _is_plain(mesh, right.astype(np.int32))
    assert _is_plain(mesh, (right & (middles[:, 1] > 0)).astype(np.int32))


def test_a_wall_in_the_plane_is_not_cut() -> None:
    front = plane(4)
    both = np.concatenate([front.faces, front.faces[:, ::-1]])
    upright = mesh_of(np.roll(front.positions, 1, axis=1), both)
    assert (upright.positions[:, 0] == 0).all()
    sides = (cube(0.5, center=(x, 0.1, 0.2)) for x in (2, -2))
    assert _is_plain(together(upright, *sides))


def test_faces_that_have_come_to_lie_in_the_plane_are_left_out() -> None:
    half = mesh_of(
        [(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 0)],
        [(0, 1, 4), (1, 2, 4), (2, 0, 4), (2, 1, 3)],
    )
    whole, source, image_start = whole_of(half, Plane(axis=0, at_m=0.0))
    assert source.tolist() == [0, 1, 2, 0, 1, 2]
    assert image_start == 3
    assert is_closed_manifold(whole)
    assert _is_exactly_symmetric(whole, axis=0)


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (_reduce(_bean(), 700) for _ in range(2))
    assert first.mesh.positions.tobytes() == second.mesh.positions.tobytes()
    assert first.mesh.faces.tobytes() == second.mesh.faces.tobytes()
    assert first.face_source.tobytes() == second.face_source.tobytes()
