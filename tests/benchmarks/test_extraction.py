"""The generator-like meshes have the faults that are asked for, and no others."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.extraction import Extraction, Noise, extract, lattice
from pipeline.mesh.measuring.measure import signed_volume, topology
from pipeline.types import Mesh

RADIUS_M, CELLS = 0.5, 48


def ball(side: int = 24) -> Mesh:
    """A cube of `side` by `side` squares a face, blown up to a ball."""
    grid = np.stack(np.meshgrid(np.arange(side + 1), np.arange(side + 1), indexing="ij"), -1)
    flat = 2 * grid.reshape(-1, 2) / side - 1
    corner = (np.arange(side)[:, None] * (side + 1) + np.arange(side)).ravel()
    square = np.stack([corner, corner + side + 1, corner + side + 2, corner + 1], 1)
    triangles = np.concatenate([square[:, [0, 1, 2]], square[:, [0, 2, 3]]])
    positions: list[NDArray[np.float64]] = []
    faces: list[NDArray[np.int64]] = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            points = np.empty((len(flat), 3))
            points[:, axis] = sign
            points[:, (axis + 1) % 3], points[:, (axis + 2) % 3] = flat.T
            faces.append((triangles if sign > 0 else triangles[:, ::-1]) + len(flat) * len(faces))
            positions.append(RADIUS_M * points / np.linalg.norm(points, axis=1, keepdims=True))
    return Mesh(
        positions=np.concatenate(positions).astype(np.float32),
        faces=np.concatenate(faces).astype(np.int32),
    )


def plain(**changes: float) -> Extraction:
    return Extraction(cells=CELLS, noise=(), specks=0, tears=0, **changes)  # type: ignore[arg-type]


def test_extracts_a_closed_surface_at_its_place() -> None:
    surface = extract(ball(), plain())
    counts = topology(surface)
    assert (counts.boundary_edge_count, counts.non_manifold_edge_count) == (0, 0)
    assert (counts.component_count, counts.winding_conflict_count) == (1, 0)
    voxel_m = 2 * RADIUS_M / CELLS
    distance = np.abs(np.linalg.norm(surface.positions, axis=1) - RADIUS_M)
    assert distance.max() < 0.2 * voxel_m


def test_looks_outward() -> None:
    assert signed_volume(extract(ball(), plain())) == pytest.approx(
        4 / 3 * np.pi * RADIUS_M**3, rel=0.02
    )


def test_a_wall_has_an_inner_side() -> None:
    wall = 2.5
    surface = extract(ball(), plain(wall=wall))
    assert topology(surface).component_count == 2
    inner_m = RADIUS_M - wall * 2 * RADIUS_M / CELLS
    assert signed_volume(surface) == pytest.approx(
        4 / 3 * np.pi * (RADIUS_M**3 - inner_m**3), rel=0.05
    )


def test_specks_float_and_tears_open() -> None:
    counts = topology(extract(ball(), Extraction(cells=CELLS, noise=(), specks=5, tears=2, seed=1)))
    assert counts.component_count == 6
    assert counts.boundary_edge_count > 0
    assert counts.non_manifold_edge_count == 0


def test_noise_is_as_high_as_asked_for() -> None:
    amplitude = 0.3
    recipe = Extraction(
        cells=CELLS, noise=(Noise(wavelength=6, amplitude=amplitude),), specks=0, tears=0
    )
    heights = np.linalg.norm(extract(ball(), recipe).positions, axis=1) - RADIUS_M
    # Splines between random values are a third lower than those.
    assert 0.4 * amplitude < heights.std() / (2 * RADIUS_M / CELLS) < amplitude


def test_the_seed_decides() -> None:
    recipe = Extraction(cells=24, noise=(Noise(wavelength=6, amplitude=0.2),), specks=2, seed=3)
    one, two = extract(ball(), recipe), extract(ball(), recipe)
    assert np.array_equal(one.positions, two.positions)
    assert np.array_equal(one.faces, two.faces)


def test_a_lattice_is_of_closed_wires() -> None:
    counts = topology(lattice(count=2, radius=0.02))
    assert counts.component_count == 3 * 9
    assert (counts.boundary_edge_count, counts.winding_conflict_count) == (0, 0)
    assert signed_volume(lattice(count=2, radius=0.02)) > 0
