"""LODs keep their budgets and say how far off they are."""

from itertools import pairwise

import numpy as np
import pytest

from pipeline.errors import Cancelled, InvalidInput
from pipeline.mesh.lod import (
    LodOptions,
    build_lods,
    measure_lods,
    sphere_diameter,
    switch_coverages,
)
from pipeline.mesh.unwrap import UnwrapOptions, unwrap
from pipeline.types import Silent, Stage
from tests.pipeline.mesh.shapes import (
    Listener,
    cube,
    is_closed_manifold,
    mesh_of,
    plane,
    sphere,
    together,
)


def test_each_lod_keeps_its_budget_and_comes_from_the_one_before() -> None:
    options = LodOptions(budgets=(4_000, 1_000, 300, 60))
    lods = build_lods(sphere(48, bump_m=0.05), options, Silent())
    assert len(lods) == 4
    for lod, budget in zip(lods, options.budgets, strict=True):
        assert 0.8 * budget <= len(lod.faces) <= budget
        assert is_closed_manifold(lod)


def test_a_mesh_within_the_first_budget_is_lod0() -> None:
    mesh = cube()
    listener = Listener()
    lods = build_lods(mesh, LodOptions(budgets=(20_000, 1_000, 8)), listener)
    assert lods[0] is mesh
    assert [len(lod.faces) for lod in lods] == [12, 8]
    assert len(listener.warnings) == 1
    assert "made 2 of 3 LODs" in listener.warnings[0]
    assert "20000" in listener.warnings[0]


def test_a_budget_just_below_the_source_is_skipped_and_the_source_stays_untouched() -> None:
    mesh = sphere(33)
    assert 4_000 < len(mesh.faces) < 5_000
    listener = Listener()
    options = LodOptions(budgets=(20_000, 10_000, 4_000, 1_000))
    lods = build_lods(mesh, options, listener)
    assert lods[0] is mesh
    assert [len(lod.faces) for lod in lods] == [len(mesh.faces), 1_000]
    assert [m.budget for m in measure_lods(lods, mesh, options, Silent())] == [10_000, 1_000]
    (warning,) = listener.warnings
    assert "made 2 of 4 LODs" in warning
    assert "20000, 4000" in warning


def test_close_budgets_that_were_asked_for_are_all_made() -> None:
    lods = build_lods(sphere(20), LodOptions(budgets=(1_000, 860, 740)), Silent())
    assert [len(lod.faces) for lod in lods] == [1_000, 860, 740]


def test_the_counts_are_those_of_the_file() -> None:
    # Unwrapping leaves out faces that are too small for a texel; what is measured has them not.
    dot = cube(1e-6, center=(5, 0, 0))
    mesh = together(sphere(8), dot)
    options = LodOptions(budgets=(1_000,))
    unwrapped = unwrap((mesh,), UnwrapOptions(texture_size=256), Silent())
    assert len(unwrapped[0].faces) == len(mesh.faces) - 12
    (measure,) = measure_lods(unwrapped, mesh, options, Silent())
    assert measure.triangle_count == len(unwrapped[0].faces)
    assert measure.deviation_max_m > 3  # the dot is missing


def test_an_unwrapped_mesh_is_not_off_from_itself() -> None:
    mesh = sphere(8)
    unwrapped = unwrap((mesh,), UnwrapOptions(texture_size=256), Silent())
    assert len(unwrapped[0].positions) > len(mesh.positions)
    (measure,) = measure_lods(unwrapped, mesh, LodOptions(budgets=(1_000,)), Silent())
    assert measure.deviation_max_m == 0


def test_a_mesh_below_every_budget_makes_one_lod() -> None:
    listener = Listener()
    lods = build_lods(cube(), LodOptions(), listener)
    (measure,) = measure_lods(lods, lods[0], LodOptions(), listener)
    assert measure.triangle_count == 12
    assert measure.budget == 1_000
    assert measure.deviation_max_m == 0
    assert 0 < measure.screen_coverage <= 1


def test_measured_deviation_is_that_of_the_geometry() -> None:
    # A cube for a ball of radius 1: off by 1 - 1/sqrt(3) in the middle of its faces, measured
    # from the ball, which is farthest from them there.
    ball = sphere(96)
    box = cube(2 / 3**0.5)
    measures = measure_lods((ball, box), ball, LodOptions(budgets=(100_000, 12)), Silent())
    assert measures[0].deviation_max_m == 0
    assert measures[1].deviation_max_m == pytest.approx(1 - 1 / 3**0.5, abs=2e-3)
    assert 0 < measures[1].deviation_mean_m < measures[1].deviation_max_m


def test_coverages_are_where_the_next_error_is_one_pixel() -> None:
    # 2 m across, 1000 pixels high: 2 mm are a pixel at full height, 20 mm at a tenth of it.
    coverages = switch_coverages([0.0, 0.004, 0.02], 2.0, 1000)
    assert coverages == pytest.approx([0.5, 0.1, 0.01])


def test_coverages_fall_even_where_errors_do_not() -> None:
    for deviations in ([0, 0, 0, 0], [0, 1, 1, 1], [0.0, 1e-9, 1e-8, 5.0], [3.0]):
        coverages = switch_coverages(list(map(float, deviations)), 1.0, 1080)
        assert all(0 < c <= 1 for c in coverages)
        assert all(a > b for a, b in pairwise(coverages))


def test_measures_follow_the_lods() -> None:
    mesh = sphere(48, bump_m=0.05)
    options = LodOptions(budgets=(4_000, 1_000, 200))
    measures = measure_lods(build_lods(mesh, options, Silent()), mesh, options, Silent())
    assert [m.budget for m in measures] == [4_000, 1_000, 200]
    means = [m.deviation_mean_m for m in measures]
    assert means == sorted(means)
    coverages = [m.screen_coverage for m in measures]
    assert coverages == sorted(coverages, reverse=True)


def test_measuring_twice_gives_the_same_numbers() -> None:
    mesh = plane(30, wave_m=0.1)
    options = LodOptions(budgets=(500, 100))
    lods = build_lods(mesh, options, Silent())
    first, second = (measure_lods(lods, mesh, options, Silent()) for _ in range(2))
    assert first == second


def test_the_bounding_sphere_holds_the_mesh() -> None:
    assert sphere_diameter(cube(2.0, center=(9, 9, 9))) == pytest.approx(2 * 3**0.5)


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        ((1000, 4000), "lods must fall from LOD to LOD, got 1000,4000: write 4000,1000"),
        ((1000, 1000), "got 1000,1000: write 1000"),
        ((), "1 to 8 budgets, got 0"),
        (tuple(range(900, 0, -100)), "1 to 8 budgets, got 9"),
        ((3,), "4..1000000, got 3"),
        ((2_000_000,), "got 2000000"),
    ],
)
def test_wrong_budgets_are_refused(budgets: tuple[int, ...], message: str) -> None:
    with pytest.raises(InvalidInput, match=message.replace("..", r"\.\.")):
        LodOptions(budgets=budgets)


def test_a_wrong_view_height_is_refused() -> None:
    with pytest.raises(InvalidInput, match="reference_height_px"):
        LodOptions(reference_height_px=0)


def test_without_triangles_there_are_no_lods() -> None:
    with pytest.raises(InvalidInput, match="0 triangles"):
        build_lods(mesh_of(np.zeros((0, 3)), np.zeros((0, 3))), LodOptions(), Silent())


def test_progress_rises_and_can_stop_both() -> None:
    mesh = sphere(32, bump_m=0.05)
    options = LodOptions(budgets=(1_000, 200))
    building, measuring = Listener(), Listener()
    lods = build_lods(mesh, options, building)
    measure_lods(lods, mesh, options, measuring)
    for listener, stage in ((building, Stage.SIMPLIFY), (measuring, Stage.LODS)):
        assert listener.stages == {stage}
        assert listener.fractions == sorted(listener.fractions)
        assert listener.fractions[-1] == 1
    with pytest.raises(Cancelled):
        build_lods(mesh, options, Listener(calls_left=5))
    with pytest.raises(Cancelled):
        measure_lods(lods, mesh, options, Listener(calls_left=3))
