"""Surface extraction: analytic bodies, and a plain twin that visits every cube."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.model.flexicubes import CORNERS, EDGES, ColoredMesh, dual_surface, extract
from pipeline.model.generate import enclosed_voxels
from pipeline.types import FloatArray, IntArray
from tests.reference.dual_surface import CORNERS as PLAIN_CORNERS
from tests.reference.dual_surface import EDGES as PLAIN_EDGES
from tests.reference.dual_surface import PlainSurface, plain_surface

SIDE = 32  # cubes per side
VOXELS = 8  # voxels per side; each has 4 x 4 x 4 cubes
COLOR = (0.9, 0.5, 0.1, 0.25, 0.5, 0.75)

Field = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def ball(points: NDArray[np.float64]) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.linalg.norm(points, axis=-1) - 0.35
    return distance


def box(points: NDArray[np.float64]) -> NDArray[np.float64]:
    # Sides off the grid, so that no corner has the value zero.
    q = np.abs(points) - np.array([0.33, 0.21, 0.27])
    outside = np.linalg.norm(np.maximum(q, 0), axis=-1)
    distance: NDArray[np.float64] = outside + np.minimum(q.max(axis=-1), 0)
    return distance


def sampled(field: Field) -> tuple[IntArray, FloatArray, IntArray]:
    """Cubes of the voxels that the surface crosses, their head, and those voxels."""
    ends = np.array(list(product((0, 1), repeat=3)))
    voxels = np.array(list(np.ndindex((VOXELS,) * 3)))
    value = field((voxels[:, None] + ends) / VOXELS - 0.5)
    near = np.abs(value).min(1) < 1 / VOXELS
    inner = field((voxels + 0.5) / VOXELS - 0.5)
    voxels = voxels[near & (np.abs(inner) < 0.87 / VOXELS)]
    cells = np.array(list(np.ndindex((4, 4, 4))))
    cubes = (voxels[:, None] * 4 + cells).reshape(-1, 3).astype(np.int32)
    head = np.zeros((len(cubes), 101), np.float32)
    # Extraction subtracts the bias again.
    head[:, :8] = field((cubes[:, None] + CORNERS) / SIDE - 0.5) + 1 / SIDE
    logits = np.log(np.array(COLOR) / (1 - np.array(COLOR)))
    head[:, 53:] = np.tile(logits, 8)
    return cubes, head, voxels.astype(np.int32)


def surface_of(field: Field, *, with_enclosed: bool) -> ColoredMesh:
    cubes, head, voxels = sampled(field)
    return extract(cubes, head, SIDE, enclosed_voxels(voxels, VOXELS) if with_enclosed else None)


def volume(mesh: ColoredMesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def area(mesh: ColoredMesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def border_edge_count(faces: IntArray) -> int:
    """Directed edges without their opposite; none in a closed, evenly wound surface."""
    directed = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    assert len(np.unique(directed, axis=0)) == len(directed)  # no edge is walked twice
    forward = {tuple(edge) for edge in directed.tolist()}
    return sum((b, a) not in forward for a, b in forward)


def euler_number(mesh: ColoredMesh) -> int:
    edges = np.unique(np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    return len(mesh.vertices) - len(edges) + len(mesh.faces)


@pytest.mark.parametrize(
    ("field", "true_volume", "true_area", "edge_length"),
    [
        (ball, 4 / 3 * np.pi * 0.35**3, 4 * np.pi * 0.35**2, 0.0),
        (box, 0.66 * 0.42 * 0.54, 2 * (0.66 * 0.42 + 0.66 * 0.54 + 0.42 * 0.54), 4 * 1.62),
    ],
)
def test_a_body_becomes_one_closed_outward_surface(
    field: Field, true_volume: float, true_area: float, edge_length: float
) -> None:
    mesh = surface_of(field, with_enclosed=True)
    assert border_edge_count(mesh.faces) == 0
    assert euler_number(mesh) == 2
    assert volume(mesh) == pytest.approx(true_volume, rel=0.02)  # positive: it faces outward
    # No error function is solved, so edges become chamfers up to a cell wide on either side, which
    # spares 2 - sqrt(2) of it.
    chamfer = edge_length * (2 - np.sqrt(2)) / SIDE
    assert true_area * 0.99 - chamfer < area(mesh) < true_area * 1.001
    assert np.abs(field(mesh.vertices.astype(np.float64))).max() < 0.5 / SIDE


@pytest.mark.parametrize("field", [ball, box])
def test_without_the_enclosed_voxels_there_is_a_second_wall(field: Field) -> None:
    one_wall = surface_of(field, with_enclosed=True)
    two_walls = surface_of(field, with_enclosed=False)
    assert border_edge_count(two_walls.faces) == 0
    assert euler_number(two_walls) == 4  # two closed surfaces
    deep = field(two_walls.vertices.astype(np.float64)) < -1 / SIDE
    assert deep.any()
    outer = ~deep[two_walls.faces].any(1)
    assert outer.sum() == len(one_wall.faces)
    # The second wall looks inward.
    wall = replace(two_walls, faces=two_walls.faces[~outer])
    assert volume(wall) < -0.01
    assert volume(two_walls) == pytest.approx(volume(one_wall) + volume(wall), rel=1e-4)


def test_colors_are_sigmoids_of_the_logits() -> None:
    mesh = surface_of(ball, with_enclosed=True)
    # Every cube that the surface crosses is active, so no grey mixes in.
    np.testing.assert_allclose(mesh.attributes, np.tile(COLOR, (len(mesh.vertices), 1)), atol=1e-6)


def test_a_plane_across_the_whole_grid_is_exact_and_open_at_the_border() -> None:
    r = 6
    cubes = np.array(list(np.ndindex(r, r, r)), np.int32)
    height = 0.5 / r + 0.03
    head = np.zeros((len(cubes), 101), np.float32)
    head[:, :8] = ((cubes[:, None] + CORNERS) / r - 0.5)[..., 2] - height + 1 / r
    mesh = extract(cubes, head, r)
    # A dual vertex per column; a quad per grid edge that four cubes share.
    assert len(mesh.vertices) == r * r
    assert len(mesh.faces) == 2 * (r - 1) ** 2
    np.testing.assert_allclose(mesh.vertices[:, 2], height, atol=1e-6)
    centers = (np.arange(r) + 0.5) / r - 0.5
    found = mesh.vertices[np.lexsort((mesh.vertices[:, 1], mesh.vertices[:, 0])), :2]
    expected = np.stack(np.meshgrid(centers, centers, indexing="ij"), -1).reshape(-1, 2)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert border_edge_count(mesh.faces) == 4 * (r - 1)
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()  # inside is below


@pytest.mark.parametrize("value", [1.0, 0.3])
def test_a_field_without_inside_gives_no_surface(value: float) -> None:
    cubes = np.array([[1, 1, 1], [2, 1, 1]], np.int32)
    head = np.full((2, 101), value, np.float32)
    surface = dual_surface(cubes, head, 4)
    assert surface.vertices.shape == (0, 3)
    assert surface.quads.shape == (0, 4)
    assert extract(cubes, head, 4).faces.shape == (0, 3)


def test_a_zero_head_is_inside() -> None:
    # One active cube with values -1/R: its eight corners are inside, all others outside.
    mesh = extract(np.array([[2, 2, 2]], np.int32), np.zeros((1, 101), np.float32), 5)
    assert border_edge_count(mesh.faces) == 0
    assert euler_number(mesh) == 2
    assert volume(mesh) > (1 / 5) ** 3


def test_corner_and_edge_order_are_the_published_ones() -> None:
    assert [tuple(c) for c in CORNERS.tolist()] == PLAIN_CORNERS
    assert [tuple(e) for e in EDGES.tolist()] == PLAIN_EDGES


def assert_same_surface(mesh: ColoredMesh, plain: PlainSurface) -> None:
    assert mesh.vertices.shape == plain.vertices.shape
    distance, twin = cKDTree(plain.vertices).query(mesh.vertices)
    assert distance.max() < 1e-6  # float32 positions
    assert len(set(twin.tolist())) == len(twin)
    np.testing.assert_allclose(mesh.attributes, plain.attributes[twin], atol=1e-6)

    def from_smallest(triangle: tuple[int, ...]) -> tuple[int, ...]:
        start = triangle.index(min(triangle))
        return triangle[start:] + triangle[:start]

    found = sorted(from_smallest(tuple(face)) for face in twin[mesh.faces].tolist())
    assert found == sorted(from_smallest(triangle) for triangle in plain.triangles)


@pytest.mark.parametrize(("seed", "share"), [(0, 1.0), (1, 0.5), (2, 0.15), (3, 0.7)])
def test_random_fields_equal_the_plain_twin(seed: int, share: float) -> None:
    r = 5
    rng = np.random.default_rng(seed)
    cubes = np.argwhere(rng.random((r, r, r)) < share).astype(np.int32)
    rng.shuffle(cubes)
    head = rng.normal(size=(len(cubes), 101)).astype(np.float32)
    assert_same_surface(extract(cubes, head, r), plain_surface(cubes, head, r))


def test_dense_inside_reaches_the_problem_cases() -> None:
    # Five or six inside corners with one ambiguous face: frequent where most values are negative.
    r = 6
    rng = np.random.default_rng(4)
    cubes = np.array(list(np.ndindex(r, r, r)), np.int32)
    corners = (rng.normal(size=(r + 1,) * 3) - 0.45).astype(np.float32)
    head = rng.normal(size=(len(cubes), 101)).astype(np.float32)
    head[:, :8] = corners[tuple((cubes[:, None] + CORNERS).transpose(2, 0, 1))]
    assert_same_surface(extract(cubes, head, r), plain_surface(cubes, head, r))


def test_the_order_of_cubes_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    cubes = np.argwhere(rng.random((5, 5, 5)) < 0.5).astype(np.int32)
    head = rng.normal(size=(len(cubes), 101)).astype(np.float32)
    order = rng.permutation(len(cubes))
    one, other = extract(cubes, head, 5), extract(cubes[order], head[order], 5)
    np.testing.assert_array_equal(one.faces, other.faces)
    np.testing.assert_allclose(one.vertices, other.vertices, atol=1e-6)
