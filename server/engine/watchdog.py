"""When a task has been silent for too long."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline import Stage


@dataclass(frozen=True, kw_only=True)
class StallRule:
    """How long a stage may be silent.

    min_s: always this long. 0: for ever, whatever `factor` says.
    factor: or this many times what the stage usually takes in all, where that is longer. Stages
        call `progress` several times a second, so even 1 would be patient.
    """

    min_s: float = 300.0
    factor: float = 20.0


class Watchdog:
    """Listens to one task.

    A stage that says the same fraction again and again is not silent: how long a job may run in all
    is another limit.
    """

    def __init__(
        self, rule: StallRule, expected_s: Mapping[Stage, float], clock: Callable[[], float]
    ) -> None:
        """Begin to listen.

        Args:
            rule: How long is too long.
            expected_s: What stages usually take; a stage that is not there counts as 0.
            clock: Seconds that do not jump.
        """
        self.stage: Stage | None = None
        self._rule = rule
        self._expected_s = expected_s
        self._clock = clock
        self._heard_s = clock()

    def hear(self, stage: Stage) -> None:
        """Take a sign of life in."""
        self.stage = stage
        self._heard_s = self._clock()

    @property
    def silent_s(self) -> float:
        """How long the task has said nothing."""
        return self._clock() - self._heard_s

    @property
    def left_s(self) -> float:
        """How much longer it may say nothing; 0 or less: it is stalled."""
        expected_s = self._expected_s.get(self.stage, 0.0) if self.stage else 0.0
        return max(self._rule.min_s, self._rule.factor * expected_s) - self.silent_s
