"""LODs keep their budgets and say how far off they are."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pipeline.errors import BudgetUnreachable, Cancelled, InvalidInput
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.mesh.lods.lod import (
    Lod,
    build_lods,
    delivered,
    measure_lods,
    sphere_diameter,
    switch_coverages,
)
from pipeline.mesh.lods.lod_options import PRESETS, LodOptions, LodTarget
from pipeline.mesh.lods.parts import PartMesh
from pipeline.mesh.measuring.measure import SurfaceDistance, deviation, diagonal, face_areas
from pipeline.types import IntArray, LodMeasure, Mesh, Progress, Silent, Stage
from tests.pipeline.mesh.shapes import (
    Listener,
    cube,
    is_closed_manifold,
    mesh_of,
    plane,
    sphere,
    together,
    torus,
)


def chain(mesh: Mesh, options: LodOptions, progress: Progress | None = None) -> tuple[Lod, ...]:
    """The LODs of a mesh in one part."""
    parts = [PartMesh(mesh=mesh)]
    diameter_m = sphere_diameter(mesh)
    return build_lods(parts, options, progress or Silent(), diameter_m=diameter_m)


def measured(
    lods: Sequence[Lod], mesh: Mesh, options: LodOptions, progress: Progress | None = None
) -> tuple[LodMeasure, ...]:
    diameter_m = sphere_diameter(mesh)
    return measure_lods(lods, mesh, options, progress or Silent(), diameter_m=diameter_m)


def as_lod(mesh: Mesh, budget: int = 0) -> Lod:
    parts = np.zeros(len(mesh.faces), np.int32)
    return Lod(mesh=mesh, face_parts=parts, triangle_count=len(mesh.faces), budget=budget)


def counts(lods: Sequence[Lod]) -> list[int]:
    return [len(lod.mesh.faces) for lod in lods]


def test_each_lod_keeps_its_budget_and_comes_from_the_one_before() -> None:
    options = LodOptions(budgets=(4_000, 1_000, 300, 60))
    lods = chain(sphere(48, bump_m=0.05), options)
    assert len(lods) == 4
    for lod, budget in zip(lods, options.budgets, strict=True):
        assert 0.8 * budget <= lod.triangle_count <= budget == lod.budget
        assert is_closed_manifold(lod.mesh)


def test_a_mesh_within_the_first_budget_is_lod0() -> None:
    mesh = cube()
    listener = Listener()
    lods = chain(mesh, LodOptions(budgets=(20_000, 1_000, 8)), listener)
    assert lods[0].mesh is mesh
    assert counts(lods) == [12, 8]
    assert len(listener.warnings) == 1
    assert "made 2 of 3 LODs" in listener.warnings[0]
    assert "20000" in listener.warnings[0]


def test_a_budget_just_below_the_source_is_skipped_and_the_source_stays_untouched() -> None:
    mesh = sphere(33, bump_m=0.02)  # not its own mirror image, which would cost a triangle
    assert 4_000 < len(mesh.faces) < 5_000
    listener = Listener()
    options = LodOptions(budgets=(20_000, 10_000, 4_000, 1_000))
    lods = chain(mesh, options, listener)
    assert lods[0].mesh is mesh
    assert counts(lods) == [len(mesh.faces), 1_000]
    assert [m.budget for m in measured(lods, mesh, options)] == [10_000, 1_000]
    (warning,) = listener.warnings
    assert "made 2 of 4 LODs" in warning
    assert "20000, 4000" in warning


def test_close_budgets_that_were_asked_for_are_all_made() -> None:
    lods = chain(sphere(20), LodOptions(budgets=(1_000, 860, 740)))
    assert counts(lods) == [1_000, 860, 740]


def test_the_counts_are_those_of_the_file() -> None:
    # Unwrapping leaves out faces that are too small for a texel; what is measured has them not.
    dot = cube(1e-6, center=(5, 0, 0))
    mesh = together(sphere(8), dot)
    options = LodOptions(budgets=(1_000,))
    unwrapped = unwrap((mesh,), UnwrapOptions(texture_size=256), Silent())
    assert len(unwrapped[0].faces) == len(mesh.faces) - 12
    lod = delivered(as_lod(mesh), unwrapped[0], [PartMesh(mesh=mesh)])
    (measure,) = measured([lod], mesh, options)
    assert measure.triangle_count == len(unwrapped[0].faces)
    assert measure.deviation_max_m > 3  # the dot is missing


def test_an_unwrapped_mesh_is_not_off_from_itself() -> None:
    mesh = sphere(8)
    unwrapped = unwrap((mesh,), UnwrapOptions(texture_size=256), Silent())
    assert len(unwrapped[0].positions) > len(mesh.positions)
    lod = delivered(as_lod(mesh), unwrapped[0], [PartMesh(mesh=mesh)])
    (measure,) = measured([lod], mesh, LodOptions(budgets=(1_000,)))
    assert measure.deviation_max_m == 0


def test_a_mesh_below_every_budget_makes_one_lod() -> None:
    listener = Listener()
    lods = chain(cube(), LodOptions(), listener)
    (measure,) = measured(lods, cube(), LodOptions(), listener)
    assert measure.triangle_count == 12
    assert measure.budget == 1_000
    assert measure.deviation_max_m == 0
    assert 0 < measure.screen_coverage <= 1


def test_measured_deviation_is_that_of_the_geometry() -> None:
    # A cube for a ball of radius 1: off by 1 - 1/sqrt(3) in the middle of its faces, measured
    # from the ball, which is farthest from them there.
    ball = sphere(96)
    box = cube(2 / 3**0.5)
    measures = measured([as_lod(ball), as_lod(box)], ball, LodOptions(budgets=(100_000, 12)))
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
    measures = measured(chain(mesh, options), mesh, options)
    assert [m.budget for m in measures] == [4_000, 1_000, 200]
    turns = [m.normal_deviation_deg for m in measures]
    assert turns == sorted(turns)
    assert turns[-1] > 1
    assert all(m.silhouette_px < 1 for m in measures)  # each is seen where its error is a pixel
    means = [m.deviation_mean_m for m in measures]
    assert means == sorted(means)
    coverages = [m.screen_coverage for m in measures]
    assert coverages == sorted(coverages, reverse=True)


def test_measuring_twice_gives_the_same_numbers() -> None:
    mesh = plane(30, wave_m=0.1)
    options = LodOptions(budgets=(500, 100))
    lods = chain(mesh, options)
    first, second = (measured(lods, mesh, options) for _ in range(2))
    assert first == second


def test_the_bounding_sphere_holds_the_mesh() -> None:
    assert sphere_diameter(cube(2.0, center=(9, 9, 9))) == pytest.approx(2 * 3**0.5)


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        ((1000, 4000), "lods must fall from LOD to LOD, got 1000,4000: write 4000,1000"),
        ((1000, 1000), "got 1000,1000: write 1000"),
        (tuple(range(900, 0, -100)), "1 to 8, got 9"),
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
    empty = PartMesh(mesh=mesh_of(np.zeros((0, 3)), np.zeros((0, 3))))
    with pytest.raises(InvalidInput, match="0 triangles"):
        build_lods([empty], LodOptions(), Silent(), diameter_m=1.0)


def test_progress_rises_and_can_stop_both() -> None:
    mesh = sphere(32, bump_m=0.05)
    options = LodOptions(budgets=(1_000, 200))
    building, measuring = Listener(), Listener()
    lods = chain(mesh, options, building)
    measured(lods, mesh, options, measuring)
    for listener, stage in ((building, Stage.SIMPLIFY), (measuring, Stage.LODS)):
        assert listener.stages == {stage}
        assert listener.fractions == sorted(listener.fractions)
        assert listener.fractions[-1] == 1
    with pytest.raises(Cancelled):
        chain(mesh, options, Listener(calls_left=5))
    with pytest.raises(Cancelled):
        measured(lods, mesh, options, Listener(calls_left=3))


BALL = sphere(64, bump_m=0.05)


def off_m(lod: Lod, mesh: Mesh) -> float:
    return deviation(lod.mesh, mesh, SurfaceDistance(mesh), 30_000, lambda: None).max_m


class TestTargets:
    def test_a_ratio_is_a_share_of_the_source(self) -> None:
        options = LodOptions(targets=(LodTarget(ratio=0.5), LodTarget(ratio=0.1)))
        lods = chain(BALL, options)
        assert counts(lods) == [len(BALL.faces) // 2, len(BALL.faces) // 10]
        assert [lod.budget for lod in lods] == counts(lods)

    def test_a_deviation_is_kept_and_used(self) -> None:
        (lod,) = chain(BALL, LodOptions(targets=(LodTarget(deviation_m=0.01),)))
        assert 0.005 < off_m(lod, BALL) <= 0.01
        assert lod.triangle_count < 0.5 * len(BALL.faces)
        assert lod.budget == 0  # no number of triangles was asked for

    def test_a_coverage_is_a_pixel_of_deviation(self) -> None:
        """The ball is 2.1 m across: at half of 1080 pixels, 2.1 m / 540 are a pixel."""
        target = LodTarget(screen_coverage=0.5)
        (lod,) = chain(BALL, LodOptions(targets=(target,)))
        pixel_m = sphere_diameter(BALL) / 540
        assert 0.4 * pixel_m < off_m(lod, BALL) <= pixel_m

    def test_any_stops_at_the_first_and_all_at_the_last(self) -> None:
        tight = LodTarget(triangles=200, deviation_m=0.002, stop="any")
        (first,) = chain(BALL, LodOptions(targets=(tight,)))
        assert first.triangle_count > 200  # the deviation was reached before
        assert off_m(first, BALL) <= 0.002
        assert first.budget == 0
        (last,) = chain(BALL, LodOptions(targets=(replace(tight, stop="all"),)))
        assert last.triangle_count == last.budget == 200

    def test_all_goes_below_a_count_while_the_deviation_allows(self) -> None:
        target = LodTarget(triangles=10_000, deviation_m=0.02)
        (lod,) = chain(BALL, LodOptions(targets=(target,)))
        assert lod.triangle_count < 5_000
        assert lod.budget == 10_000
        assert off_m(lod, BALL) <= 0.02

    def test_a_target_that_saves_nothing_is_left_out(self) -> None:
        listener = Listener()
        options = LodOptions(targets=(LodTarget(deviation_m=0.01), LodTarget(deviation_m=0.01)))
        assert len(chain(BALL, options, listener)) == 1
        assert "LOD1 saves too little" in listener.warnings[0]

    def test_presets_fall_in_triangles_and_coverage(self) -> None:
        for preset in PRESETS.values():
            for finer, coarser in pairwise(preset):
                assert finer.triangles is not None
                assert coarser.triangles is not None
                assert finer.triangles > coarser.triangles
                assert finer.screen_coverage is not None
                assert coarser.screen_coverage is not None
                assert finer.screen_coverage > coarser.screen_coverage

    def test_auto_chooses_counts_by_what_is_seen(self) -> None:
        smooth = chain(sphere(64), LodOptions(preset="auto"))
        bumpy = chain(sphere(64, bump_m=0.1), LodOptions(preset="auto"))
        assert len(smooth) >= 3
        assert all(a < b for a, b in zip(counts(smooth), counts(bumpy), strict=False))

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (lambda: LodTarget(), "a LOD target is empty"),
            (lambda: LodTarget(ratio=1.5), "ratio must be in"),
            (lambda: LodTarget(deviation_m=0.0), "deviation_m must be above 0"),
            (lambda: LodTarget(screen_coverage=11.0), "screen_coverage must be in"),
            (lambda: LodOptions(budgets=(9,), preset="auto"), "not several of them"),
            (lambda: LodOptions(max_deviation_ratio=0.0), "max_deviation_ratio must be above 0"),
        ],
    )
    def test_wrong_targets_are_refused(self, wrong: object, message: str) -> None:
        assert callable(wrong)
        with pytest.raises(InvalidInput, match=message):
            wrong()


class TestLargestDeviation:
    def test_a_lod_farther_off_than_allowed_fails_with_what_can_be_reached(self) -> None:
        budgets = LodOptions(budgets=(4_000, 100))
        allowed = 0.7 * off_m(chain(BALL, budgets)[1], BALL) / diagonal(BALL)
        options = replace(budgets, max_deviation_ratio=allowed)
        with pytest.raises(BudgetUnreachable, match="LOD1 with 100 triangles is") as refused:
            chain(BALL, options)
        assert 100 < refused.value.smallest_count < 4_000
        reachable = replace(options, budgets=(4_000, refused.value.smallest_count))
        assert len(chain(BALL, reachable)) == 2

    def test_a_lod_within_it_passes(self) -> None:
        assert len(chain(BALL, LodOptions(budgets=(4_000,), max_deviation_ratio=0.01))) == 1


def two_parts(*, copies: int = 1) -> list[PartMesh]:
    """A bumpy ball, and a small plain one far from it."""
    small = sphere(24, center=(10, 0, 0))
    small = replace(small, positions=(small.positions - 10) * np.float32(0.2) + np.float32(10))
    return [PartMesh(mesh=sphere(48, bump_m=0.05)), PartMesh(mesh=small, copies=copies)]


class TestParts:
    @staticmethod
    def lods(parts: list[PartMesh], budget: int, *, by_area: bool = False) -> Lod:
        options = LodOptions(budgets=(budget,))
        (lod,) = build_lods(parts, options, Silent(), diameter_m=10.0, is_split_by_area=by_area)
        return lod

    def test_a_deviation_stops_where_the_surface_allows_no_fewer(self) -> None:
        ring = torus(segments=24)
        beside = mesh_of(ring.positions + np.array([4.0, 0, 0]), ring.faces)
        parts = [PartMesh(mesh=ring), PartMesh(mesh=beside)]
        options = LodOptions(targets=(LodTarget(deviation_m=1.0),))
        (lod,) = build_lods(parts, options, Silent(), diameter_m=5.0)
        assert {0, 1} == set(lod.face_parts.tolist())
        assert lod.triangle_count < len(ring.faces)

    def test_every_face_knows_its_part(self) -> None:
        lod = self.lods(two_parts(), 1_000)
        centers = lod.mesh.positions[lod.mesh.faces].mean(axis=1)
        np.testing.assert_array_equal(lod.face_parts, centers[:, 0] > 5)
        assert {0, 1} == set(lod.face_parts.tolist())
        assert lod.triangle_count == len(lod.mesh.faces) <= 1_000

    def test_by_error_the_bumpy_one_gets_more_than_by_area(self) -> None:
        by_error = self.lods(two_parts(), 1_000)
        by_area = self.lods(two_parts(), 1_000, by_area=True)
        assert (by_error.face_parts == 0).sum() > 0.8 * 1_000
        # The areas are as 1 to 0.2 squared, the bumps aside.
        assert (by_area.face_parts == 1).sum() == pytest.approx(1_000 / 26, abs=6)
        assert by_area.triangle_count <= 1_000

    def test_a_weight_gives_a_part_more(self) -> None:
        plain = two_parts()
        heavy = [plain[0], replace(plain[1], weight=5.0)]
        for by_area in (False, True):
            before = self.lods(plain, 1_000, by_area=by_area)
            after = self.lods(heavy, 1_000, by_area=by_area)
            assert (after.face_parts == 1).sum() > 1.5 * (before.face_parts == 1).sum()
            small = after.mesh.positions[after.mesh.faces[after.face_parts == 1]]
            assert np.ptp(small.reshape(-1, 3), axis=0).max() == pytest.approx(0.4, abs=0.02)

    @pytest.mark.parametrize("by_area", [False, True])
    def test_copies_count_as_often_as_they_are_drawn(self, *, by_area: bool) -> None:
        parts = two_parts(copies=20)
        lod = self.lods(parts, 1_000, by_area=by_area)
        first, second = (int((lod.face_parts == part).sum()) for part in (0, 1))
        assert first + 20 * second == lod.triangle_count <= 1_000

    def test_a_part_that_is_too_small_for_a_far_lod_vanishes_from_it(self) -> None:
        dust = [PartMesh(mesh=cube(0.01, center=(x, 3, 0))) for x in range(40)]
        listener = Listener()
        (lod,) = build_lods(
            [PartMesh(mesh=sphere(24)), *dust],
            LodOptions(budgets=(60,)),
            listener,
            diameter_m=50.0,
            is_split_by_area=True,
        )
        assert lod.triangle_count <= 60
        assert 0 in lod.face_parts
        assert any("parts vanish" in warning for warning in listener.warnings)


def test_borders_between_materials_are_kept_along_the_chain() -> None:
    sheet, radius_m = plane(40), 0.6
    off_center = np.hypot(*sheet.positions[:, :2].T)
    labels = (off_center[sheet.faces].mean(axis=1) < radius_m).astype(np.int32)

    def area_across(labels: IntArray | None) -> float:
        part = PartMesh(mesh=sheet, labels=labels)
        options = LodOptions(budgets=(200,))
        (lod,) = build_lods([part], options, Silent(), diameter_m=sphere_diameter(sheet))
        corners = np.hypot(*lod.mesh.positions[:, :2].T)[lod.mesh.faces]
        is_across = (corners.max(axis=1) > 1.1 * radius_m) & (corners.min(axis=1) < 0.9 * radius_m)
        return float(face_areas(lod.mesh)[is_across].sum())

    assert area_across(labels) < 0.2 * area_across(None)
