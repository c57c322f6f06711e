"""How long a job will take: typical stage times at first, then what was seen on this machine."""

from collections.abc import Iterable, Mapping

from pipeline import Stage, StageRecord

# Seconds on two CPU cores with the starter model and default options. Only their proportions
# matter, and only until the first job has been seen.
TYPICAL_SECONDS: Mapping[Stage, float] = {
    Stage.QUEUED: 0.0,
    Stage.PREPROCESS: 0.5,
    Stage.CONDITION: 0.5,
    Stage.SPARSE_STRUCTURE: 12.0,
    Stage.SLAT: 12.0,
    Stage.DECODE: 8.0,
    Stage.REPAIR: 0.3,
    Stage.REMESH: 0.1,
    Stage.SIMPLIFY: 0.3,
    Stage.UNWRAP: 10.0,
    Stage.BAKE: 12.0,
    Stage.LODS: 0.8,
    Stage.COLLISION: 0.3,
    Stage.EXPORT: 4.0,
}

GENERATOR_STAGES = frozenset({Stage.CONDITION, Stage.SPARSE_STRUCTURE, Stage.SLAT, Stage.DECODE})
"""Stages that a job from a mesh does not have."""

_NEW_SHARE = 0.3  # weight of the latest job against all before: follows a change within a few jobs


class StageTimes:
    """Expected seconds per stage."""

    def __init__(self) -> None:
        self._seconds = dict(TYPICAL_SECONDS)
        self._seen: set[Stage] = set()

    def learn(self, records: Iterable[StageRecord]) -> None:
        """Take what one task's stages took into account."""
        for record in records:
            share = _NEW_SHARE if record.stage in self._seen else 1.0
            self._seen.add(record.stage)
            self._seconds[record.stage] += share * (record.seconds - self._seconds[record.stage])

    def seconds(self, stage: Stage) -> float:
        """Return the expected duration of a stage."""
        return self._seconds[stage]


class Estimate:
    """How far one job is and how long it will still take."""

    def __init__(
        self, times: StageTimes, *, is_generated: bool, fractions: Mapping[Stage, float]
    ) -> None:
        """Start from what is known.

        Args:
            times: What stages take.
            is_generated: Whether the model's stages are part of the job.
            fractions: How far its stages are already; absent: not started.
        """
        self._seconds = {
            stage: times.seconds(stage)
            for stage in Stage
            if is_generated or stage not in GENERATOR_STAGES
        }
        self._fractions = dict(fractions)
        self._total_s = sum(self._seconds.values()) or 1.0
        self._first_s: float | None = None
        self._first_done_s = self._done_s()

    def update(self, stage: Stage, fraction: float, now_s: float) -> tuple[float, float]:
        """Take progress in; return the job's fraction in [0, 1] and its remaining seconds.

        The remaining time assumes that what is left runs at the pace, against the expected times,
        of what this job has done since the estimate was started.
        """
        self._first_s = now_s if self._first_s is None else self._first_s
        self._fractions[stage] = fraction
        done_s = self._done_s()
        left_s = self._total_s - done_s
        expected_s = done_s - self._first_done_s
        # One second of expected work on each side keeps the first guesses calm.
        pace = (now_s - self._first_s + 1.0) / (expected_s + 1.0)
        return done_s / self._total_s, left_s * pace

    def _done_s(self) -> float:
        return sum(
            self._seconds.get(stage, 0.0) * fraction for stage, fraction in self._fractions.items()
        )
