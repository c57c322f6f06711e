"""Watertight means closed, outward and where the surface was; and only where needed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import Cancelled, InvalidInput
from pipeline.mesh.measure import (
    SurfaceDistance,
    deviation,
    sample_surface,
    signed_volume,
    topology,
)
from pipeline.mesh.remesh import RemeshOptions, is_soup, remesh
from pipeline.mesh.simplify import simplify
from pipeline.types import Mesh, Silent, Stage
from tests.pipeline.mesh.shapes import (
    Listener,
    crumbs,
    cube,
    is_closed_manifold,
    mesh_of,
    plane,
    shredded,
    sphere,
    together,
    torn,
)

COARSE = RemeshOptions(mode="watertight", resolution=32)


def _max_deviation(mesh: Mesh, reference: Mesh) -> float:
    to_reference = SurfaceDistance(reference)
    return deviation(mesh, reference, to_reference, 4_000, lambda: None).max_m


def test_a_large_surface_is_sampled_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    ball = sphere(16)
    whole, steps = remesh(ball, COARSE, Silent()), Listener()
    monkeypatch.setattr("pipeline.mesh.remesh.SAMPLES_PER_STEP", 500)
    largest = 0
    sample = sample_surface

    def watched(mesh: Mesh, count: int) -> NDArray[np.float64]:
        nonlocal largest
        largest = max(largest, count)
        return sample(mesh, count)

    monkeypatch.setattr("pipeline.mesh.remesh.sample_surface", watched)
    in_parts = remesh(ball, COARSE, steps)
    assert largest < 600
    np.testing.assert_array_equal(in_parts.positions, whole.positions)
    np.testing.assert_array_equal(in_parts.faces, whole.faces)


def test_a_body_keeps_its_shape() -> None:
    ball = sphere(32)
    result = remesh(ball, COARSE, Silent())
    assert is_closed_manifold(result)
    assert topology(result).component_count == 1
    assert signed_volume(result) == pytest.approx(signed_volume(ball), rel=0.01)
    assert _max_deviation(result, ball) < 0.2 * 2 / 32  # a fifth of a cell


def test_a_torn_body_is_closed() -> None:
    ball = sphere(32)
    result = remesh(torn(ball, [(0, 1, 0), (1, 0, 0)], 0.3), COARSE, Silent())
    assert is_closed_manifold(result)
    # Lids over the holes are flat: two caps of 0.3 m take 0.6 % of the volume.
    assert signed_volume(result) == pytest.approx(signed_volume(ball), rel=0.03)


def test_bodies_that_run_into_each_other_become_one() -> None:
    both = together(cube(1.0), cube(1.0, center=(0.5, 0.25, 0.1)))
    result = remesh(both, RemeshOptions(mode="watertight", resolution=64), Silent())
    assert is_closed_manifold(result)
    assert topology(result).component_count == 1
    assert signed_volume(result) == pytest.approx(2 - 0.5 * 0.75 * 0.9, rel=0.03)


def test_a_sheet_becomes_a_slab() -> None:
    result = remesh(plane(20), COARSE, Silent())
    cell_m = 2 / 32
    assert is_closed_manifold(result)
    assert np.ptp(result.positions[:, 2]) == pytest.approx(2 * cell_m, rel=0.2)
    assert np.ptp(result.positions[:, 0]) == pytest.approx(2 + 2 * cell_m, rel=0.05)


def test_auto_leaves_what_can_be_simplified() -> None:
    for mesh in (sphere(24), plane(20), crumbs(500), together(sphere(8), crumbs(300))):
        assert not is_soup(mesh)
        assert remesh(mesh, RemeshOptions(), Silent()) is mesh


def test_leaves_in_the_air_are_no_soup() -> None:
    rng = np.random.default_rng(0)
    leaf = plane(1)
    leaves = together(
        *(
            mesh_of(
                leaf.positions * 0.05 @ np.linalg.qr(rng.normal(size=(3, 3)))[0] + at, leaf.faces
            )
            for at in rng.uniform(-1, 1, (400, 3))
        )
    )
    assert not is_soup(leaves)


def test_auto_closes_a_body_in_shreds_so_that_it_can_be_simplified() -> None:
    ball = sphere(20)
    shreds = shredded(ball, shrink=0.1)
    listener = Listener()
    result = remesh(shreds, RemeshOptions(resolution=48), listener)
    assert is_closed_manifold(result)
    assert len(listener.warnings) == 1
    assert signed_volume(result) == pytest.approx(signed_volume(ball), rel=0.05)
    small = simplify(result, target_count=100, progress=Silent())
    assert topology(small).component_count == 1
    assert 80 <= len(small.faces) <= 100


def test_off_means_off() -> None:
    shreds = shredded(sphere(20), shrink=0.1)
    assert remesh(shreds, RemeshOptions(mode="off"), Silent()) is shreds


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (remesh(sphere(16), COARSE, Silent()) for _ in range(2))
    assert first.positions.tobytes() == second.positions.tobytes()
    assert first.faces.tobytes() == second.faces.tobytes()


def test_progress_can_stop_it() -> None:
    listener = Listener()
    remesh(sphere(16), COARSE, listener)
    assert listener.stages == {Stage.REMESH}
    with pytest.raises(Cancelled):
        remesh(sphere(16), COARSE, Listener(calls_left=3))


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InvalidInput, match="got 8"):
        RemeshOptions(resolution=8)
    with pytest.raises(InvalidInput, match="got always"):
        RemeshOptions(mode="always")  # type: ignore[arg-type]  # what a client may send
