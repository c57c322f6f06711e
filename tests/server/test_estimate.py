"""Estimates come right as work is seen."""

import pytest

from pipeline import Stage, StageRecord
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


def test_a_job_that_goes_as_expected_is_estimated_right() -> None:
    times = StageTimes()
    times.learn([record(stage, 10.0) for stage in Stage])
    estimate = Estimate(times, is_generated=True, fractions={})
    total_s = 10.0 * len(Stage)
    now_s = 0.0
    for done, stage in enumerate(Stage):
        estimate.update(stage, 0.0, now_s)
        now_s += 10.0
        fraction, remaining_s = estimate.update(stage, 1.0, now_s)
        assert fraction == pytest.approx((done + 1) / len(Stage))
        assert remaining_s == pytest.approx(total_s - now_s)


def test_a_slow_machine_stretches_what_is_left() -> None:
    times = StageTimes()
    times.learn([record(stage, 10.0) for stage in Stage])
    estimate = Estimate(times, is_generated=True, fractions={})
    estimate.update(Stage.PREPROCESS, 0.0, 0.0)
    _, remaining_s = estimate.update(Stage.PREPROCESS, 1.0, 30.0)  # three times as long
    expected_s = 10.0 * (len(Stage) - 1)
    assert 2 * expected_s < remaining_s < 3.1 * expected_s


def test_a_mesh_has_no_generator_stages() -> None:
    estimate = Estimate(StageTimes(), is_generated=False, fractions={})
    for stage in Stage:
        if stage not in (Stage.CONDITION, Stage.SPARSE_STRUCTURE, Stage.SLAT, Stage.DECODE):
            fraction, remaining_s = estimate.update(stage, 1.0, 1.0)
    assert fraction == pytest.approx(1.0)
    assert remaining_s == pytest.approx(0.0)


def test_a_resumed_job_starts_from_what_was_done() -> None:
    times = StageTimes()
    done = {Stage.SPARSE_STRUCTURE: 1.0, Stage.SLAT: 1.0}
    fresh = Estimate(times, is_generated=True, fractions={})
    resumed = Estimate(times, is_generated=True, fractions=done)
    assert resumed.update(Stage.BAKE, 0.5, 0.0)[0] > fresh.update(Stage.BAKE, 0.5, 0.0)[0]
