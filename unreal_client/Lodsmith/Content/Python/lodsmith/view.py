"""Events of a job -> what is shown of it. Knows no panel and no thread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from lodsmith.rpc import seconds_of
from lodsmith.schema import JobState, StageKind, StageState
from lodsmith.wire import Message

_UPPER = (StageKind.SLAT, StageKind.LODS)


@dataclass
class StageRow:
    """A stage in the live list. fraction: in [0, 1]. preview: Digest of a PNG."""

    stage: int
    label: str
    fraction: float = 0.0
    state: int = StageState.RUNNING
    preview: Message | None = None


class JobView:
    """What is known of a job.

    Attributes:
        stages: Rows in the order of their start.
        fraction: Of the whole job, in [0, 1].
        remaining_s: To the job's end. None: unknown.
        queue_position: How many jobs come first. None: it does not wait.
    """

    def __init__(self) -> None:
        self.stages: list[StageRow] = []
        self.warnings: list[str] = []
        self.fraction = 0.0
        self.remaining_s: float | None = None
        self.queue_position: int | None = None
        self.state: int = JobState.UNSPECIFIED

    @property
    def step(self) -> str:
        """The stage that works now, "" if none does."""
        now = self._now()
        return now.label if now else ""

    @property
    def status(self) -> str:
        """One line: what happens now and how long it takes."""
        if self.state == JobState.QUEUED:
            if self.queue_position is None:
                return "waits"
            before = self.queue_position
            return f"waits, {before} before it" if before else "waits, is next"
        if self.state == JobState.CANCELLING:
            return "stops"
        now = self._now()
        text = f"{now.label} {now.fraction:.0%}" if now else "runs"
        return text if self.remaining_s is None else f"{text}, {_time(self.remaining_s)} left"

    def apply(self, event: Message) -> Message | None:
        """Take in one event; kinds that are not known are skipped.

        Returns:
            The Digest of a new picture, if there is one.
        """
        kind = event.which("kind")
        if kind in ("snapshot", "finished"):
            self._show(getattr(event, kind))
            return next((row.preview for row in reversed(self.stages) if row.preview), None)
        if kind == "state":
            self.state = event.state
            if self.state != JobState.QUEUED:
                self.queue_position = None
        elif kind == "progress":
            row = self._row(event.progress.stage)
            row.fraction, row.state = event.progress.fraction, event.progress.state
            if self.state == JobState.QUEUED:
                self.state, self.queue_position = JobState.RUNNING, None
            self.fraction = event.progress.job_fraction
            self.remaining_s = seconds_of(event.progress.estimated_remaining)
        elif kind == "preview":
            self._row(event.preview.stage).preview = event.preview.image
            image: Message | None = event.preview.image
            return image
        elif kind == "warning":
            self.warnings.append(event.warning.message)
        elif kind == "heartbeat":
            beat = event.heartbeat
            if beat.queue_position is not None:
                self.queue_position = beat.queue_position
            if beat.estimated_remaining is not None:
                self.remaining_s = seconds_of(beat.estimated_remaining)
        return None

    def _show(self, job: Message) -> None:
        self.stages = [
            StageRow(one.stage, stage_name(one.stage), one.fraction, one.state, one.preview)
            for one in job.stages
        ]
        self.warnings = [warning.message for warning in job.warnings]
        self.state = job.state
        self.fraction = job.fraction
        self.remaining_s = seconds_of(job.estimated_remaining)
        self.queue_position = job.queue_position

    def _now(self) -> StageRow | None:
        running = (row for row in reversed(self.stages) if row.state == StageState.RUNNING)
        return next(running, None)

    def _row(self, stage: int) -> StageRow:
        for row in self.stages:
            if row.stage == stage:
                return row
        self.stages.append(StageRow(stage, stage_name(stage)))
        return self.stages[-1]


def name_of(kind: type[IntEnum], number: int) -> str:
    """Return the name of an enum's value; its number, if it is of a later server."""
    return next((value.name for value in kind if value == number), str(number))


def stage_name(stage: int) -> str:
    """Return a stage's name for people."""
    name = name_of(StageKind, stage)
    return name if stage in _UPPER else name.replace("_", " ").lower()


def server_summary(info: Message) -> str:
    """Return model, device and queue of a server in one line."""
    models = [model.name or model.path for model in info.models]
    devices = [worker.device for worker in info.workers if worker.device]
    problems = [one.problem for one in (*info.models, *info.workers) if one.problem]
    return (
        f"Lodsmith {info.version}, {' and '.join(models) or 'no model'}"
        + (f" on {devices[0]}" if devices else "")
        + f", {info.queued_job_count} waiting, {info.running_job_count} running"
        + (", shutting down" if info.draining else "")
        + (f". Problem: {problems[0]}" if problems else "")
    )


def _time(seconds: float) -> str:
    return f"{math.ceil(seconds)} s" if seconds < 60 else f"{math.ceil(seconds / 60)} min"
