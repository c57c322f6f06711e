"""Estimates come right as work is seen."""

from dataclasses import replace

import pytest

from pipeline import Stage, StageRecord
from server.engine import TaskKind
from server.estimate import TYPICAL_SECONDS, Estimate, StageTimes


def record(stage: Stage, seconds: float) -> StageRecord:
    return StageRecord(stage=stage, seconds=seconds, peak_memory_bytes=0)


def test_every_stage_has_a_typical_time() -> None:
    assert set(TYPICAL_SECONDS) == set(Stage)


def test_the_first_job_replaces_typical_times_and_later_ones_are_averaged() -> None:
    times = StageTimes()
    times.learn([record(Stage.BAKE, 100.0)])
    assert times.seconds(Stage.BAKE) == 100.0
    times.learn([record(Stage.BAKE, 0.0)])
    assert 0.0 < times.seconds(Stage.BAKE) < 100.0
    assert times.seconds(Stage.UNWRAP) == TYPICAL_SECONDS[Stage.UNWRAP]


def test_a_stage_that_was_reused_teaches_nothing() -> None:
    times = StageTimes()
    times.learn([replace(record(Stage.REPAIR, 0.01), reused=True)])
    assert times.seconds(Stage.REPAIR) == TYPICAL_SECONDS[Stage.REPAIR]


PLAN = (TaskKind.GENERATE, TaskKind.BUILD)
GENERATE = [
    Stage.PREPROCESS,
    Stage.CONDITION,
    Stage.SPARSE_STRUCTURE,
    Stage.SLAT,
    Stage.DECODE,
]
BUILD = [
    Stage.REPAIR, Stage.REMESH, Stage.SIMPLIFY, Stage.UNWRAP, Stage.BAKE, Stage.LODS,
    Stage.COLLISION, Stage.EXPORT,
]  # fmt: skip


def even_times() -> StageTimes:
    times = StageTimes()
    times.learn([record(stage, 10.0) for stage in Stage])
    return times


def test_a_job_that_goes_as_expected_is_estimated_right() -> None:
    total_s = 10.0 * len(GENERATE + BUILD)
    now_s, done = 0.0, 0
    for position, stages in enumerate([GENERATE, BUILD]):
        estimate = Estimate(even_times(), plan=PLAN, position=position, floor=0.0)
        for stage in stages:
            estimate.update(stage, 0.0, now_s)
            now_s, done = now_s + 10.0, done + 1
            fraction, remaining_s = estimate.update(stage, 1.0, now_s)
            assert fraction == pytest.approx(10.0 * done / total_s)
            assert remaining_s == pytest.approx(total_s - now_s)


def test_a_slow_machine_stretches_what_is_left() -> None:
    estimate = Estimate(even_times(), plan=PLAN, position=0, floor=0.0)
    estimate.update(Stage.PREPROCESS, 0.0, 0.0)
    _, remaining_s = estimate.update(Stage.PREPROCESS, 1.0, 30.0)  # three times as long
    expected_s = 10.0 * (len(GENERATE + BUILD) - 1)
    assert 2 * expected_s < remaining_s < 3.1 * expected_s


@pytest.mark.parametrize(
    "plan",
    [
        (TaskKind.IMPORT, TaskKind.BUILD),
        (TaskKind.GENERATE,),
        (TaskKind.IMPORT, TaskKind.GENERATE, TaskKind.BUILD, TaskKind.BUILD, TaskKind.BUILD),
    ],
)
def test_every_plan_ends_at_one(plan: tuple[TaskKind, ...]) -> None:
    stages = {
        TaskKind.IMPORT: [Stage.PREPROCESS], TaskKind.GENERATE: GENERATE, TaskKind.BUILD: BUILD,
    }  # fmt: skip
    fraction = 0.0
    for position, kind in enumerate(plan):
        estimate = Estimate(StageTimes(), plan=plan, position=position, floor=fraction)
        for stage in stages[kind]:
            before = fraction
            fraction, remaining_s = estimate.update(stage, 1.0, 1.0)
            assert fraction >= before
    assert fraction == pytest.approx(1.0)
    assert remaining_s == pytest.approx(0.0)


def test_a_given_shape_leaves_the_sparse_structure_out() -> None:
    plan = (TaskKind.IMPORT, TaskKind.GENERATE)
    estimate = Estimate(even_times(), plan=plan, position=0, floor=0.0)
    fraction, _ = estimate.update(Stage.PREPROCESS, 1.0, 0.0)
    assert fraction == pytest.approx(1 / (1 + len(GENERATE) - 1))


def test_a_task_that_is_repeated_takes_nothing_back() -> None:
    estimate = Estimate(even_times(), plan=PLAN, position=0, floor=0.3)
    assert estimate.update(Stage.PREPROCESS, 0.1, 0.0)[0] == 0.3
