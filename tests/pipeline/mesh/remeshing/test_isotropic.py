"""Even triangles on the same surface: its borders, creases, corners and holes stay."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import Cancelled
from pipeline.mesh.measuring.measure import (
    SurfaceDistance,
    deviation,
    edges_of,
    face_areas,
    signed_volume,
    topology,
)
from pipeline.mesh.remeshing.isotropic import isotropic
from pipeline.types import Mesh
from tests.pipeline.mesh.shapes import (
    cube,
    face_normals,
    is_closed_manifold,
    mesh_of,
    plane,
    sphere,
    together,
    torn,
    torus,
)


def _nothing(_: float = 0.0) -> None: ...


def _remeshed(mesh: Mesh, triangles: int, sharp_angle_deg: float = 40.0) -> Mesh:
    return isotropic(mesh, triangles, sharp_angle_deg, _nothing)


def _shapes(mesh: Mesh) -> NDArray[np.float64]:
    """1 for equilateral triangles."""
    p = mesh.positions.astype(np.float64)[mesh.faces]
    squared = ((p - np.roll(p, 1, axis=1)) ** 2).sum(axis=(1, 2))
    return np.asarray(4 * np.sqrt(3) * face_areas(mesh) / squared)


def _max_deviation(mesh: Mesh, reference: Mesh) -> float:
    to_reference = SurfaceDistance(reference)
    return deviation(mesh, reference, to_reference, 10_000, lambda: None).max_m


def _prism(sides: int) -> Mesh:
    """An upright one of radius 1 and height 1 with fans for lids; `4 sides` triangles."""
    around = 2 * np.pi * np.arange(sides) / sides
    ring = np.stack([np.cos(around), np.sin(around)], axis=1)
    positions = np.concatenate(
        [np.column_stack([ring, np.full(sides, z)]) for z in (0, 1)] + [[(0, 0, 0), (0, 0, 1)]]
    )
    a = np.arange(sides)
    b = np.roll(a, -1)
    low, high = np.full(sides, 2 * sides), np.full(sides, 2 * sides + 1)
    faces = [
        (a, b, b + sides),
        (a, b + sides, a + sides),
        (low, b, a),
        (high, a + sides, b + sides),
    ]
    return mesh_of(positions, np.concatenate([np.stack(f, axis=1) for f in faces]))


@pytest.mark.parametrize("triangles", [500, 4_000, 20_000])
def test_the_count_is_met_with_even_triangles(triangles: int) -> None:
    ball = sphere(32)  # 3,968 triangles that become slivers at the poles
    result = _remeshed(ball, triangles)
    assert abs(len(result.faces) / triangles - 1) < 0.1
    assert is_closed_manifold(result)
    assert _shapes(result).mean() > 0.95
    assert _shapes(result).min() > 0.5
    lengths = np.linalg.norm(
        result.positions[result.faces] - np.roll(result.positions[result.faces], 1, axis=1), axis=2
    )
    assert lengths.max() < 3 * lengths.min()


def test_it_lies_on_the_surface() -> None:
    bumpy = sphere(48, bump_m=0.1)
    result = _remeshed(bumpy, 8_000)
    distance, _, _ = SurfaceDistance(bumpy).nearest(result.positions.astype(np.float64), _nothing)
    assert distance.max() < 1e-6
    assert _max_deviation(result, bumpy) < 0.02
    assert signed_volume(result) == pytest.approx(signed_volume(bumpy), rel=0.01)


def test_a_ring_stays_a_ring() -> None:
    ring = torus()
    result = _remeshed(ring, 1_500)
    assert is_closed_manifold(result)
    vertices, faces = len(result.positions), len(result.faces)
    assert vertices - 3 * faces / 2 + faces == 0  # Euler: genus 1


def test_creases_and_corners_of_a_cube_are_kept() -> None:
    box = cube()
    result = _remeshed(box, 3_000)
    assert is_closed_manifold(result)
    assert abs(len(result.faces) / 3_000 - 1) < 0.1
    assert signed_volume(result) == pytest.approx(1, abs=1e-5)
    assert _max_deviation(result, box) < 1e-5
    at_corner = (np.abs(np.abs(result.positions) - 0.5) < 1e-6).all(axis=1)
    assert at_corner.sum() == 8
    assert np.abs(face_normals(result)).max(axis=1).min() > 1 - 1e-6


def test_round_creases_are_kept_and_the_wall_between_is_smooth() -> None:
    can = _prism(64)  # its lids meet the wall at 90 degrees, its wall bends by 5.6
    result = _remeshed(can, 6_000)
    assert signed_volume(result) == pytest.approx(signed_volume(can), rel=2e-3)
    counts = edges_of(result.faces, len(result.positions))
    h, g = counts.sides(np.arange(len(counts.face_counts)))
    normals = face_normals(result)
    is_sharp = (normals[h // 3] * normals[g // 3]).sum(axis=1) < np.cos(np.radians(40))
    ends = result.positions[result.faces.ravel()[h[is_sharp]]]
    np.testing.assert_allclose(np.hypot(ends[:, 0], ends[:, 1]), 1, atol=2e-3)
    np.testing.assert_allclose(np.abs(ends[:, 2] - 0.5), 0.5, atol=1e-6)


def test_without_creases_edges_are_rounded() -> None:
    assert signed_volume(_remeshed(cube(), 600, 180.0)) < 0.999
    assert signed_volume(_remeshed(cube(), 600, 40.0)) > 0.99999


def test_borders_are_kept() -> None:
    sheet = plane(20)
    result = _remeshed(sheet, 1_000)
    counts = edges_of(result.faces, len(result.positions))
    assert (counts.face_counts <= 2).all()
    half_edges = counts.half_edges[counts.starts[:-1][counts.face_counts == 1]]
    on_border = result.positions[result.faces.ravel()[half_edges]]
    np.testing.assert_allclose(np.abs(on_border[:, :2]).max(axis=1), 1, atol=1e-6)
    assert face_areas(result).sum() == pytest.approx(4, abs=1e-5)
    assert topology(result).component_count == 1


def test_a_round_hole_stays_open_and_round() -> None:
    bowl = torn(sphere(48), [(0, 1, 0)], 0.5)
    result = _remeshed(bowl, 3_000)
    assert topology(result).boundary_edge_count > 20
    assert topology(result).component_count == 1
    assert _max_deviation(result, bowl) < 0.02


def test_parts_stay_apart_and_small_ones_remain() -> None:
    far_apart = together(sphere(24), *(sphere(4, center=(3 * n, 0, 0)) for n in (1, 2)))
    dust = mesh_of(0.001 * cube().positions + (0, 3, 0), cube().faces)
    result = _remeshed(together(far_apart, dust), 1_000)
    assert topology(result).component_count == 4
    assert is_closed_manifold(result)


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (_remeshed(sphere(16), 2_000) for _ in range(2))
    assert first.positions.tobytes() == second.positions.tobytes()
    assert first.faces.tobytes() == second.faces.tobytes()


def test_the_input_stays_as_it_is() -> None:
    ball = sphere(12)
    positions, faces = ball.positions.copy(), ball.faces.copy()
    _remeshed(ball, 300)
    np.testing.assert_array_equal(ball.positions, positions)
    np.testing.assert_array_equal(ball.faces, faces)


def test_tiny_meshes_come_through() -> None:
    triangle = mesh_of([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 2)])
    result = _remeshed(triangle, 100)
    assert face_areas(result).sum() == pytest.approx(0.5, abs=1e-6)
    tetrahedron = mesh_of(
        [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)]
    )
    assert is_closed_manifold(_remeshed(tetrahedron, 100))


def test_flat_faces_and_needles_do_no_harm() -> None:
    point = mesh_of([(0, 0, 0)] * 3, [(0, 1, 2)])
    assert len(_remeshed(point, 100).faces) == 1
    needle = mesh_of([(0, 0, 0), (1, 0, 0), (0.5, 1e-9, 0)], [(0, 1, 2)])
    assert 0 < len(_remeshed(needle, 100).faces) < 1_000
    ball = sphere(12)
    collapsed = ball.positions.copy()
    collapsed[ball.faces[100]] = collapsed[ball.faces[100, 0]]  # one face a point, three lines
    result = _remeshed(mesh_of(collapsed, ball.faces), 800)
    assert is_closed_manifold(result)
    assert np.isfinite(result.positions).all()


def test_edges_with_three_faces_are_split() -> None:
    fin = mesh_of([(0, 0, 0), (0, 0, 1), (1, 0, 0), (-1, 1, 0), (-1, -1, 0)],
                  [(0, 1, 2), (0, 1, 3), (0, 1, 4)])  # fmt: skip
    result = _remeshed(fin, 300)
    assert topology(result).non_manifold_edge_count == 0
    assert face_areas(result).sum() == pytest.approx(face_areas(fin).sum(), rel=1e-5)


def test_it_tells_how_far_it_is_and_can_be_stopped() -> None:
    fractions: list[float] = []
    isotropic(sphere(16), 500, 40.0, fractions.append)
    assert fractions[0] == 0
    assert 0.9 < max(fractions) <= 1

    def stop(fraction: float) -> None:
        if fraction > 0.5:
            raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        isotropic(sphere(16), 500, 40.0, stop)
