"""How long a job will take: typical stage times at first, then what was seen on this machine."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline import Stage, StageRecord
from server.engine import TaskKind

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

STAGES_OF: Mapping[TaskKind, tuple[Stage, ...]] = {
    TaskKind.IMPORT: (Stage.PREPROCESS,),
    TaskKind.GENERATE: (
        Stage.PREPROCESS,
        Stage.CONDITION,
        Stage.SPARSE_STRUCTURE,
        Stage.SLAT,
        Stage.DECODE,
    ),
    TaskKind.BUILD: (
        Stage.REPAIR,
        Stage.REMESH,
        Stage.SIMPLIFY,
        Stage.UNWRAP,
        Stage.BAKE,
        Stage.LODS,
        Stage.COLLISION,
        Stage.EXPORT,
    ),
}

_NEW_SHARE = 0.3  # weight of the latest job against all before: follows a change within a few jobs


class StageTimes:
    """Expected seconds per stage."""

    def __init__(self) -> None:
        self._seconds = dict(TYPICAL_SECONDS)
        self._seen: set[Stage] = set()

    def learn(self, records: Iterable[StageRecord]) -> None:
        """Take what one task's stages took into account; those that did not run teach nothing."""
        for record in records:
            if record.reused:
                continue
            share = _NEW_SHARE if record.stage in self._seen else 1.0
            self._seen.add(record.stage)
            self._seconds[record.stage] += share * (record.seconds - self._seconds[record.stage])

    def seconds(self, stage: Stage) -> float:
        """Return the expected duration of a stage."""
        return self._seconds[stage]

    def all_seconds(self) -> Mapping[Stage, float]:
        """Return the expected duration of every stage, as of now."""
        return dict(self._seconds)

    def task_seconds(self, kind: TaskKind) -> float:
        """Return the expected duration of a whole task."""
        return sum(self._seconds[stage] for stage in STAGES_OF[kind])

    def plan_seconds(self, plan: Sequence[TaskKind]) -> list[dict[Stage, float]]:
        """Return the expected durations of all stages of a job, task by task."""
        stages = [{stage: self._seconds[stage] for stage in STAGES_OF[kind]} for kind in plan]
        if plan[0] is TaskKind.IMPORT and TaskKind.GENERATE in plan:  # the shape is given
            del stages[plan.index(TaskKind.GENERATE)][Stage.SPARSE_STRUCTURE]
        return stages

    def job_seconds(self, plan: Sequence[TaskKind]) -> float:
        """Return the expected duration of a whole job."""
        return sum(sum(seconds.values()) for seconds in self.plan_seconds(plan))

    def done_fraction(self, plan: Sequence[TaskKind], task_count: int) -> float:
        """Return which share of a job its first tasks are."""
        tasks_s = [sum(seconds.values()) for seconds in self.plan_seconds(plan)]
        return sum(tasks_s[:task_count]) / (sum(tasks_s) or 1.0)


def first_position(plan: Sequence[TaskKind], stage: Stage | None) -> int:
    """Return the first task of a plan that has a stage or later ones; behind the end for None."""
    order = list(Stage)
    for position, kind in enumerate(plan):
        if stage is not None and order.index(STAGES_OF[kind][-1]) >= order.index(stage):
            return position
    return len(plan)


class Estimate:
    """How far one job is and how long it will still take, seen from one of its tasks."""

    def __init__(
        self, times: StageTimes, *, plan: Sequence[TaskKind], position: int, floor: float
    ) -> None:
        """Start from what is known.

        Args:
            times: What stages take.
            plan: The job's tasks.
            position: Which of them runs.
            floor: What was said of the job before; a task that is repeated does not take it back.
        """
        stages = times.plan_seconds(plan)
        tasks_s = [sum(seconds.values()) for seconds in stages]
        self._stages_s = stages[position]
        self._earlier_s = sum(tasks_s[:position])
        self._total_s = sum(tasks_s) or 1.0
        self._fractions: dict[Stage, float] = {}
        self._fraction = floor
        self._first_s: float | None = None

    def update(self, stage: Stage, fraction: float, now_s: float) -> tuple[float, float]:
        """Take progress in; return the job's fraction in [0, 1] and its remaining seconds.

        The remaining time assumes that what is left runs at the pace, against the expected times,
        of what this task has done.
        """
        self._first_s = now_s if self._first_s is None else self._first_s
        self._fractions[stage] = fraction
        done_s = sum(
            self._stages_s.get(stage, 0.0) * share for stage, share in self._fractions.items()
        )
        left_s = self._total_s - self._earlier_s - done_s
        # One second of expected work on each side keeps the first guesses calm.
        pace = (now_s - self._first_s + 1.0) / (done_s + 1.0)
        self._fraction = max(self._fraction, (self._earlier_s + done_s) / self._total_s)
        return self._fraction, left_s * pace
