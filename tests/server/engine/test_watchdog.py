import pytest

from pipeline import Stage
from server.engine.watchdog import StallRule, Watchdog


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


RULE = StallRule(min_s=300.0, factor=20.0)
EXPECTED_S = {Stage.BAKE: 40.0, Stage.REPAIR: 0.3}


def test_a_short_stage_has_the_least_time() -> None:
    clock = Clock()
    watchdog = Watchdog(RULE, EXPECTED_S, clock)
    watchdog.hear(Stage.REPAIR)
    clock.now_s += 299.0
    assert watchdog.left_s == pytest.approx(1.0)
    clock.now_s += 1.0
    assert watchdog.left_s <= 0


def test_a_long_stage_has_many_times_what_it_takes() -> None:
    watchdog = Watchdog(RULE, EXPECTED_S, Clock())
    watchdog.hear(Stage.BAKE)
    assert watchdog.left_s == pytest.approx(800.0)


def test_every_sign_of_life_starts_the_time_anew() -> None:
    clock = Clock()
    watchdog = Watchdog(RULE, EXPECTED_S, clock)
    for _ in range(10):
        clock.now_s += 299.0
        watchdog.hear(Stage.REPAIR)
    assert watchdog.left_s == pytest.approx(300.0)
    assert watchdog.silent_s == 0.0


@pytest.mark.parametrize("stage", [None, Stage.UNWRAP])
def test_what_nobody_knows_the_time_of_has_the_least_time(stage: Stage | None) -> None:
    watchdog = Watchdog(RULE, EXPECTED_S, Clock())
    if stage is not None:
        watchdog.hear(stage)
    assert watchdog.left_s == pytest.approx(300.0)
