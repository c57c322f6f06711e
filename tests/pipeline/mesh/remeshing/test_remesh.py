"""Watertight means closed, outward and where the surface was; and only where needed."""

import time
from typing import Literal

import numpy as np
import pytest

from pipeline.errors import Cancelled, InvalidInput
from pipeline.mesh.lods.simplify import simplify
from pipeline.mesh.measuring.measure import (
    SurfaceDistance,
    deviation,
    signed_volume,
    topology,
)
from pipeline.mesh.remeshing.remesh import RemeshOptions, is_soup, remesh
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


def test_a_body_keeps_its_shape() -> None:
    ball = sphere(32)
    result = remesh(ball, COARSE, Silent())
    assert is_closed_manifold(result)
    assert topology(result).component_count == 1
    assert signed_volume(result) == pytest.approx(signed_volume(ball), rel=0.01)
    assert _max_deviation(result, ball) < 0.1 * 2 / 32  # a tenth of a cell


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
    assert np.ptp(result.positions[:, 2]) == pytest.approx(cell_m, rel=0.01)
    assert np.ptp(result.positions[:, 0]) == pytest.approx(2 + cell_m, rel=0.02)


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


def test_auto_closes_shreds_that_do_not_agree_on_a_front() -> None:
    ball = sphere(20)
    shreds = shredded(ball, shrink=0.1)
    is_flipped = np.random.default_rng(0).random(len(shreds.faces)) < 0.5
    faces = np.where(is_flipped[:, None], shreds.faces[:, ::-1], shreds.faces)
    result = remesh(mesh_of(shreds.positions, faces), RemeshOptions(resolution=32), Listener())
    assert is_closed_manifold(result)
    assert signed_volume(result) == pytest.approx(signed_volume(ball), rel=0.05)


def test_a_flat_heap_of_leaves_is_no_soup() -> None:
    rng = np.random.default_rng(1)
    leaf = plane(1)
    at = np.column_stack([rng.uniform(-1, 1, (300, 2)), np.zeros(300)])
    leaves = together(*(mesh_of(leaf.positions * 0.02 + place, leaf.faces) for place in at))
    assert not is_soup(leaves)


def test_off_means_off() -> None:
    shreds = shredded(sphere(20), shrink=0.1)
    assert remesh(shreds, RemeshOptions(mode="off"), Silent()) is shreds


def test_isotropic_keeps_the_count_or_meets_the_wanted_one() -> None:
    ball = sphere(24)
    listener = Listener()
    same = remesh(ball, RemeshOptions(mode="isotropic"), listener)
    fewer = remesh(ball, RemeshOptions(mode="isotropic", triangles=600), Silent())
    assert abs(len(same.faces) / len(ball.faces) - 1) < 0.1
    assert abs(len(fewer.faces) / 600 - 1) < 0.1
    assert is_closed_manifold(same)
    assert is_closed_manifold(fewer)
    assert listener.warnings == []
    assert listener.fractions == sorted(listener.fractions)


def test_isotropic_warns_where_the_count_cannot_be_met() -> None:
    listener = Listener()
    dice = [cube(0.02, center=(0.1 * x, 0.1 * y, 0)) for x in range(10) for y in range(10)]
    heap = remesh(together(*dice), RemeshOptions(mode="isotropic", triangles=100), listener)
    assert topology(heap).component_count == 100
    assert 400 <= len(heap.faces) < 1_200
    assert f"to {len(heap.faces):,} triangles where 100" in listener.warnings[0]


def test_what_has_no_extent_is_left_with_a_warning() -> None:
    listener = Listener()
    point = mesh_of([(1, 2, 3)] * 3, [(0, 1, 2)])
    assert remesh(point, COARSE, listener) is point
    assert "encloses nothing" in listener.warnings[0]


@pytest.mark.parametrize("mode", ["watertight", "isotropic"])
def test_the_same_input_gives_the_same_bytes(mode: Literal["watertight", "isotropic"]) -> None:
    options = RemeshOptions(mode=mode, resolution=32)
    body = torn(sphere(16), [(0, 1, 0)], 0.3)
    first, second = (remesh(body, options, Silent()) for _ in range(2))
    assert first.positions.tobytes() == second.positions.tobytes()
    assert first.faces.tobytes() == second.faces.tobytes()


@pytest.mark.parametrize("options", [COARSE, RemeshOptions(mode="isotropic")])
def test_progress_can_stop_it(options: RemeshOptions) -> None:
    listener = Listener()
    remesh(sphere(16), options, listener)
    assert listener.stages == {Stage.REMESH}
    for calls in (1, 3, 10):
        with pytest.raises(Cancelled):
            remesh(sphere(16), options, Listener(calls_left=calls))


@pytest.mark.parametrize("mode", ["watertight", "isotropic"])
def test_it_looks_up_four_times_a_second(mode: Literal["watertight", "isotropic"]) -> None:
    ball = sphere(100)
    options = RemeshOptions(mode=mode, resolution=128)
    remesh(sphere(8), options, Silent())  # compiles
    looked_up = [time.process_time()]

    class Watch(Silent):
        def __call__(self, stage: Stage, fraction: float) -> None:
            looked_up.append(time.process_time())

    remesh(ball, options, Watch())
    assert np.diff(looked_up).max() < 0.25


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InvalidInput, match="got 8"):
        RemeshOptions(resolution=8)
    for triangles in (99, 2_000_001):
        with pytest.raises(InvalidInput, match=f"got {triangles:,}"):
            RemeshOptions(triangles=triangles)
    for angle in (4.0, 181.0, float("nan")):
        with pytest.raises(InvalidInput, match=f"got {angle}"):
            RemeshOptions(sharp_angle_deg=angle)
    with pytest.raises(InvalidInput, match="got always"):
        RemeshOptions(mode="always")  # type: ignore[arg-type]  # what a client may send
