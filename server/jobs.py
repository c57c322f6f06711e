"""Jobs: what they are, which state may follow which, and what an event does to them.

Pure data; `journal.py` keeps it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipeline import AssetOptions, Stage
from server.artifacts import Digest
from server.engine import Lod, Previewed, StoredArtifact, TaskKind, TaskOutcome, Warned


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return not NEXT_STATES[self]


NEXT_STATES: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: frozenset(
        {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLING, JobState.QUEUED}
    ),
    JobState.CANCELLING: frozenset({JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What to make. Exactly one of prompt, image (a picture) and mesh (a GLB) is not None."""

    asset_name: str
    prompt: str | None = None
    image: Digest | None = None
    mesh: Digest | None = None
    seed: int = 0
    options: AssetOptions = field(default_factory=AssetOptions)

    @property
    def is_generated(self) -> bool:
        """Whether the model is needed."""
        return self.mesh is None

    @property
    def source(self) -> Digest | None:
        """The blob that the job starts from."""
        return self.image or self.mesh

    @property
    def plan(self) -> tuple[TaskKind, ...]:
        """The job's tasks, in order."""
        return (TaskKind.GENERATE if self.is_generated else TaskKind.IMPORT, TaskKind.BUILD)


@dataclass(frozen=True, kw_only=True)
class StateChanged:
    """The job moved to `state`."""

    state: JobState


@dataclass(frozen=True, kw_only=True)
class StageProgressed:
    """A stage is done to `fraction`, the job to `job_fraction`; both in [0, 1]."""

    stage: Stage
    fraction: float
    job_fraction: float
    remaining_s: float | None


Happening = StateChanged | StageProgressed | Previewed | Warned


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """One line of a job's log. sequence: 1, 2, 3, ... without gaps."""

    sequence: int
    time_us: int
    happening: Happening

    @property
    def is_last(self) -> bool:
        """Whether no event can follow."""
        return isinstance(self.happening, StateChanged) and self.happening.state.is_final


@dataclass(frozen=True, kw_only=True)
class StageStatus:
    """How far a stage is."""

    stage: Stage
    fraction: float
    start_us: int
    end_us: int | None = None
    preview: Digest | None = None


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What came out."""

    lods: tuple[Lod, ...]
    artifacts: tuple[StoredArtifact, ...]


@dataclass(frozen=True, kw_only=True)
class JobError:
    """Why a job failed. is_retryable: the same spec may succeed later."""

    reason: str
    message: str
    stage: Stage | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_retryable: bool = False


@dataclass(frozen=True, kw_only=True)
class JobDetails:
    """The part of a job that the journal keeps as one document.

    stages: in order of their start. fraction: of the whole job; never falls.
    """

    stages: tuple[StageStatus, ...] = ()
    fraction: float = 0.0
    remaining_s: float | None = None
    warnings: tuple[Warned, ...] = ()
    result: JobResult | None = None
    error: JobError | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request's life so far. `last_sequence` is the latest event that is in it."""

    uid: str
    spec: JobSpec
    state: JobState
    details: JobDetails
    last_sequence: int
    create_us: int
    start_us: int | None
    end_us: int | None


@dataclass(frozen=True, kw_only=True)
class ReadyTask:
    """A task that may start. outcomes: of the job's earlier tasks, in order.

    lost_count: how many workers died under it.
    """

    job: Job
    position: int
    kind: TaskKind
    attempt: int
    lost_count: int
    outcomes: tuple[TaskOutcome, ...]


def advance(job: Job, happening: Happening, now_us: int) -> Job:
    """Return `job` after one more event."""
    details = job.details
    match happening:
        case StateChanged(state=state):
            assert state in NEXT_STATES[job.state], f"{job.state} -> {state}"
            if state is JobState.RUNNING and job.start_us is None:
                job = replace(job, start_us=now_us)
            if state.is_final:
                details = replace(details, remaining_s=None)
                job = replace(job, end_us=now_us)
            if state is JobState.SUCCEEDED:
                details = replace(details, fraction=1.0)
            job = replace(job, state=state)
        case StageProgressed():
            before = _status(details, happening.stage, now_us)
            is_done = happening.fraction >= 1
            details = _with_status(
                replace(
                    details,
                    fraction=happening.job_fraction,
                    remaining_s=happening.remaining_s,
                ),
                replace(
                    before,
                    fraction=happening.fraction,
                    end_us=(before.end_us or now_us) if is_done else None,
                ),
            )
        case Previewed():
            before = _status(details, happening.stage, now_us)
            details = _with_status(details, replace(before, preview=happening.image))
        case Warned():
            details = replace(details, warnings=(*details.warnings, happening))
    return replace(job, details=details, last_sequence=job.last_sequence + 1)


def _status(details: JobDetails, stage: Stage, now_us: int) -> StageStatus:
    for status in details.stages:
        if status.stage is stage:
            return status
    return StageStatus(stage=stage, fraction=0.0, start_us=now_us)


def _with_status(details: JobDetails, status: StageStatus) -> JobDetails:
    if all(known.stage is not status.stage for known in details.stages):
        return replace(details, stages=(*details.stages, status))
    return replace(
        details,
        stages=tuple(status if old.stage is status.stage else old for old in details.stages),
    )
