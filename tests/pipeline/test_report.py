"""The quality report and the meter."""

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from pipeline.report import (
    StageMeter,
    StageRecord,
    collision_facts,
    keeps_budgets,
    report_json,
)
from pipeline.types import Collision, Hull, LodMeasure, Silent, Stage


class Recorder(Silent):
    """A `Progress` that keeps every call in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def __call__(self, stage: Stage, fraction: float) -> None:
        self.calls.append((stage, fraction))

    def preview(self, stage: Stage, png: bytes) -> None:
        self.calls.append(("preview", stage, png))

    def warn(self, stage: Stage, message: str) -> None:
        self.calls.append(("warn", stage, message))


class Clock:
    """Seconds that the test moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_stage_lasts_until_the_next_one_reports() -> None:
    clock = Clock()
    meter = StageMeter(Silent(), clock)
    meter(Stage.REPAIR, 0.0)
    clock.now += 2
    meter(Stage.REPAIR, 1.0)
    clock.now += 3  # still the repair's: nobody else has reported
    meter(Stage.SIMPLIFY, 0.0)
    clock.now += 7
    records = meter.finish()
    assert [(r.stage, r.seconds) for r in records] == [(Stage.REPAIR, 5.0), (Stage.SIMPLIFY, 7.0)]


def test_a_reused_stage_is_done_at_once_and_recorded_as_such() -> None:
    recorder, clock = Recorder(), Clock()
    meter = StageMeter(recorder, clock)
    meter(Stage.REPAIR, 0.0)
    clock.now += 1
    meter.reused(Stage.REPAIR)
    meter.reused(Stage.REMESH)
    meter(Stage.SIMPLIFY, 0.0)
    assert recorder.calls == [
        (Stage.REPAIR, 0.0),
        (Stage.REPAIR, 1.0),
        (Stage.REMESH, 1.0),
        (Stage.SIMPLIFY, 0.0),
    ]
    records = [(record.stage, record.seconds, record.reused) for record in meter.finish()]
    assert records == [
        (Stage.REPAIR, 1.0, True),
        (Stage.REMESH, 0.0, True),
        (Stage.SIMPLIFY, 0.0, False),
    ]


def test_a_stage_that_comes_back_has_two_records() -> None:
    clock = Clock()
    meter = StageMeter(Silent(), clock)
    for stage in (Stage.LODS, Stage.BAKE, Stage.LODS):
        meter(stage, 0.5)
        clock.now += 1
    assert [r.stage for r in meter.finish()] == [Stage.LODS, Stage.BAKE, Stage.LODS]


def test_finish_ends_the_running_stage_once() -> None:
    meter = StageMeter(Silent(), Clock())
    meter(Stage.EXPORT, 0.0)
    assert len(meter.finish()) == 1
    assert len(meter.finish()) == 1
    assert StageMeter(Silent(), Clock()).finish() == ()


def test_peak_memory_is_that_of_this_process() -> None:
    meter = StageMeter(Silent(), Clock())
    meter(Stage.BAKE, 0.0)
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])  # touch every page
    (record,) = meter.finish()
    # At least the block, at most what a test process can have.
    assert 64 << 20 < record.peak_memory_bytes < 64 << 30


def test_everything_is_passed_on_in_order() -> None:
    recorder = Recorder()
    meter = StageMeter(recorder, Clock())
    meter(Stage.REPAIR, 0.5)
    meter.warn(Stage.REPAIR, "two holes were too wide")
    meter.preview(Stage.EXPORT, b"png")
    assert recorder.calls == [
        (Stage.REPAIR, 0.5),
        ("warn", Stage.REPAIR, "two holes were too wide"),
        ("preview", Stage.EXPORT, b"png"),
    ]
    assert meter.warnings == ("repair: two holes were too wide",)


def test_the_same_warning_is_given_once() -> None:
    recorder = Recorder()
    meter = StageMeter(recorder, Clock())
    for message in ("two holes were too wide", "dark", "two holes were too wide"):
        meter.warn(Stage.REPAIR, message)
    assert meter.warnings == ("repair: two holes were too wide", "repair: dark")
    assert len(recorder.calls) == 2


def test_what_progress_raises_passes() -> None:
    class Stop(Silent):
        def __call__(self, stage: Stage, fraction: float) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        StageMeter(Stop(), Clock())(Stage.REPAIR, 0.0)


HULL = Hull(positions=np.zeros((8, 3), np.float32), faces=np.zeros((12, 3), np.int32))
BOX = Collision(kind="box", hulls=(HULL,), over_cover=1.5, protrusion_m=0.25)


def test_the_collision_shapes_of_all_parts_are_told_together() -> None:
    split = Collision(kind="decompose", hulls=(HULL, HULL), over_cover=None, protrusion_m=0.5)
    assert collision_facts([BOX, split]) == {
        "kind": "decompose",
        "hull_count": 3,
        "over_cover": 1.5,
        "protrusion_m": 0.5,
    }


def lod(triangle_count: int, budget: int) -> LodMeasure:
    return LodMeasure(
        triangle_count=triangle_count,
        budget=budget,
        deviation_max_m=0.01,
        deviation_mean_m=0.001,
        normal_deviation_deg=0.0,
        silhouette_px=0.0,
        screen_coverage=0.5,
    )


def report(*lods: LodMeasure) -> tuple[bytes, Any]:
    content = report_json(
        name="Barrel",
        recipe={"prompt": "a barrel", "seed": 7, "model": {"name": "starter"}},
        records=[StageRecord(stage=Stage.BAKE, seconds=1.23456, peak_memory_bytes=1000)],
        outputs={"Barrel.glb": b"glTF"},
        warnings=["bake: dark"],
        passed=keeps_budgets(lods),
        sections={"size_m": [0.5, 1.0, 0.25]},
    )
    return content, json.loads(content)


def test_report_says_what_was_measured() -> None:
    content, found = report(lod(1000, 1000), lod(400, 500))
    assert found == {
        "schema": "lodsmith.report/2",
        "name": "Barrel",
        "passed": True,
        "warnings": ["bake: dark"],
        "recipe": {"prompt": "a barrel", "seed": 7, "model": {"name": "starter"}},
        "model": {"name": "starter"},
        "size_m": [0.5, 1.0, 0.25],
        "stages": [{"stage": "bake", "seconds": 1.235, "peak_memory_bytes": 1000, "reused": False}],
        "outputs": {"Barrel.glb": {"sha256": hashlib.sha256(b"glTF").hexdigest(), "size_bytes": 4}},
    }
    assert content.endswith(b"}\n")


def test_one_lod_over_its_budget_fails_the_report() -> None:
    assert report(lod(1000, 1000), lod(501, 500))[1]["passed"] is False
