import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.encode.voxelize import voxelize
from pipeline.errors import Cancelled
from pipeline.types import IntArray, Mesh

Points = NDArray[np.float64]
SIDE = 16


def silent() -> None: ...


def mesh_of(triangles: NDArray[np.floating]) -> Mesh:
    """`[F, 3, 3]` corners in the cube."""
    faces = np.arange(3 * len(triangles), dtype=np.int32).reshape(-1, 3)
    return Mesh(positions=triangles.reshape(-1, 3).astype(np.float32), faces=faces)


def as_set(coords: IntArray) -> set[tuple[int, ...]]:
    return set(map(tuple, coords.tolist()))


def points_on(triangle: Points, count: int, rng: np.random.Generator) -> Points:
    weights = rng.dirichlet((0.7, 0.7, 0.7), count)  # many near the edges
    return np.concatenate([weights @ triangle, triangle])


def overlaps(triangle: Points, voxel: NDArray[np.integer], slack: float) -> bool:
    """Cut the triangle by the voxel's six planes, one after the other."""
    polygon = list((triangle + 0.5) * SIDE)
    for axis in range(3):
        for sign, limit in ((1, voxel[axis] + 1 + slack), (-1, -voxel[axis] + slack)):
            left = []
            for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True):
                over_a, over_b = sign * a[axis] - limit, sign * b[axis] - limit
                if over_a <= 0:
                    left.append(a)
                if (over_a <= 0) != (over_b <= 0):
                    left.append(a + (b - a) * over_a / (over_a - over_b))
            polygon = left
    return bool(polygon)


def random_triangle(kind: str, rng: np.random.Generator) -> Points:
    corner = rng.uniform(-0.45, 0.45, 3)
    if kind == "large":
        return rng.uniform(-0.5, 0.5, (3, 3))
    if kind == "small":
        return corner + rng.uniform(-0.04, 0.04, (3, 3))
    far = rng.uniform(-0.5, 0.5, 3)
    if kind == "sliver":
        return np.stack([corner, far, (corner + far) / 2 + rng.uniform(-1e-6, 1e-6, 3)])
    if kind == "line":
        return np.stack([corner, far, corner + 0.25 * (far - corner)])
    if kind == "point":
        return np.stack([corner] * 3)
    assert kind == "flat"  # in a plane of the grid
    triangle = rng.uniform(-0.5, 0.5, (3, 3))
    triangle[:, rng.integers(3)] = rng.integers(-7, 8) / SIDE
    return triangle


KINDS = ("large", "small", "sliver", "line", "point", "flat")


@pytest.mark.parametrize("kind", KINDS)
def test_no_point_of_a_triangle_is_in_an_inactive_voxel(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        mesh = mesh_of(random_triangle(kind, rng)[None])
        active = as_set(voxelize(mesh, SIDE, silent))
        points = points_on(mesh.positions.astype(np.float64), 1000, rng)
        scaled = (points + 0.5) * SIDE
        # A weighted mean is rounded, so on a border between voxels it can be on either side.
        steps = 1e-9 * np.array(list(np.ndindex(2, 2, 2))) * 2 - 1e-9
        around = np.floor(scaled[:, None] + steps).astype(np.int32)  # [N, 8, 3]
        assert all(as_set(sides) & active for sides in around)


@pytest.mark.parametrize("kind", KINDS)
def test_no_voxel_is_active_that_the_triangle_does_not_touch(kind: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        mesh = mesh_of(random_triangle(kind, rng)[None])
        coords = voxelize(mesh, SIDE, silent)
        assert len(coords) > 0
        corners = mesh.positions.astype(np.float64)
        assert all(overlaps(corners, voxel, slack=1e-6) for voxel in coords)


def test_voxels_are_sorted_and_each_is_named_once() -> None:
    triangles = np.random.default_rng(2).uniform(-0.5, 0.5, (40, 3, 3))
    coords = voxelize(mesh_of(triangles), SIDE, silent)
    assert coords.dtype == np.int32
    assert [tuple(voxel) for voxel in coords.tolist()] == sorted(as_set(coords))


def test_a_sheet_between_two_layers_takes_the_upper_one_only() -> None:
    square = np.array([[(-0.3, -0.3, 0), (0.3, -0.3, 0), (0, 0.3, 0)]])
    coords = voxelize(mesh_of(square), SIDE, silent)
    assert set(coords[:, 2].tolist()) == {SIDE // 2}


def test_the_border_of_the_cube_belongs_to_the_grid() -> None:
    triangle = np.array([[(-0.5, -0.5, -0.5), (0.5, 0.5, 0.5), (0.5, 0.5, -0.5)]])
    coords = voxelize(mesh_of(triangle), SIDE, silent)
    assert {(0, 0, 0), (SIDE - 1,) * 3} <= as_set(coords)
    assert coords.min() == 0
    assert coords.max() == SIDE - 1


def test_what_lies_outside_the_cube_is_not_seen() -> None:
    outside = np.array([[(0.7, 0, 0), (0.9, 0, 0), (0.8, 0.1, 0)]])
    assert len(voxelize(mesh_of(outside), SIDE, silent)) == 0
    # Its corner region lies outside; only the voxels that it really reaches count.
    across = np.array([[(-2.0, 0.1, 0.1), (-0.5 + 0.5 / SIDE, 0.1, 0.1), (-2.0, 0.1, 0.1)]])
    assert as_set(voxelize(mesh_of(across), SIDE, silent)) == {(0, 9, 9)}


def test_long_work_can_be_stopped() -> None:
    triangles = np.random.default_rng(3).uniform(-0.5, 0.5, (10_000, 3, 3)) * 0.01
    calls = 0

    def tick() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        voxelize(mesh_of(triangles), SIDE, tick)
