"""Jobs: what they are, which state may follow which, and what an event does to them.

Pure data; `journal/` keeps it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipeline import AssetOptions, Stage
from server.artifacts import Digest
from server.engine import (
    CollisionFit,
    Lod,
    Previewed,
    StoredArtifact,
    TaskKind,
    TaskOutcome,
    Warned,
)


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


class StageState(StrEnum):
    """Where a stage is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    REUSED = "reused"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What to make. Exactly one of prompt, image (a picture) and mesh (a GLB) is not None.

    more_images: further pictures of what `image` shows. shape: a GLB whose coarse shape is kept.
    model: which of the server's models; "" takes the first that fits. adapter: a LoRA file.
    surfaces_of: uid of the job whose dense surfaces are exported again; "" if they are to be made.
        All that says how they are made is then that job's.

    The rest changes nothing of what comes out. priority: -10 to 10, higher starts first.
    run_timeout_s: how long the tasks may run in all; None: as long as the server allows.
    ignore_cache: run every task, also where the result of the same work is kept.
    labels: for the client's own use.
    """

    asset_name: str
    prompt: str | None = None
    image: Digest | None = None
    mesh: Digest | None = None
    seed: int = 0
    options: AssetOptions = field(default_factory=AssetOptions)
    more_images: tuple[Digest, ...] = ()
    variant_count: int = 1
    shape: Digest | None = None
    model: str = ""
    adapter: Digest | None = None
    adapter_strength: float = 1.0
    surfaces_of: str = ""
    priority: int = 0
    run_timeout_s: float | None = None
    ignore_cache: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_generated(self) -> bool:
        """Whether the model is needed."""
        return self.mesh is None

    @property
    def images(self) -> tuple[Digest, ...]:
        """All pictures."""
        return (() if self.image is None else (self.image,)) + self.more_images

    @property
    def inputs(self) -> tuple[Digest, ...]:
        """All blobs that it starts from."""
        others = (self.mesh, self.shape, self.adapter)
        return self.images + tuple(digest for digest in others if digest is not None)

    @property
    def seeds(self) -> tuple[int, ...]:
        """One per variant."""
        return tuple(range(self.seed, self.seed + self.variant_count))

    @property
    def plan(self) -> tuple[TaskKind, ...]:
        """The job's tasks, in order; the last ones are not due where a seed gives nothing."""
        if not self.is_generated:
            return (TaskKind.IMPORT, TaskKind.BUILD)
        first = () if self.shape is None else (TaskKind.IMPORT,)
        has_mesh = "mesh" in self.options.decode.formats
        builds = (TaskKind.BUILD,) * (self.variant_count if has_mesh else 0)
        return (*first, TaskKind.GENERATE, *builds)


@dataclass(frozen=True, kw_only=True)
class StateChanged:
    """The job moved to `state`."""

    state: JobState


@dataclass(frozen=True, kw_only=True)
class StageProgressed:
    """A stage is done to `fraction`, the job to `job_fraction`; both in [0, 1].

    attempt: 1, and one more each time that the stage was begun again.
    """

    stage: Stage
    fraction: float
    job_fraction: float
    remaining_s: float | None
    state: StageState = StageState.RUNNING
    attempt: int = 1


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
    """How far a stage is. attempt: as in `StageProgressed`."""

    stage: Stage
    fraction: float
    start_us: int
    end_us: int | None = None
    preview: Digest | None = None
    state: StageState = StageState.RUNNING
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One of a job's assets."""

    seed: int
    lods: tuple[Lod, ...]
    collision: CollisionFit | None = None


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What came out. lods: of the first variant. variants: may be empty in old records."""

    lods: tuple[Lod, ...]
    artifacts: tuple[StoredArtifact, ...]
    variants: tuple[Variant, ...] = ()


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
    """A request's life so far.

    project: whom it belongs to; for others it does not exist.
    last_sequence: of the latest event that is in it.
    first_sequence: of the oldest event that the log still has; 1 until it is compacted.
    run_us: how long its tasks have run in all, each try of them; one that runs now counts when it
        ends. Of a try that a crash of the server ended, the time until the job's last event counts.
    retry_of: uid of the job that it repeats, "" for others. from_stage: the first stage that must
        not come from the cache; None: all may.
    """

    uid: str
    project: str
    spec: JobSpec
    state: JobState
    details: JobDetails
    last_sequence: int
    create_us: int
    start_us: int | None
    end_us: int | None
    first_sequence: int = 1
    run_us: int = 0
    retry_of: str = ""
    from_stage: Stage | None = None

    @property
    def etag(self) -> str:
        """A text that changes with every event."""
        return str(self.last_sequence)


@dataclass(frozen=True, kw_only=True)
class ReadyTask:
    """A task that may start. outcomes: of the job's earlier tasks, in order.

    attempt: the number of the try that is to start, for fencing. failure_count: how many tries
        ended by no fault of the server: a lost worker, too little memory.
    """

    job: Job
    position: int
    kind: TaskKind
    attempt: int
    failure_count: int
    outcomes: tuple[TaskOutcome, ...]


def is_last_task(spec: JobSpec, outcomes: Sequence[TaskOutcome]) -> bool:
    """Whether nothing is due after the tasks that left `outcomes`."""
    plan = spec.plan
    if plan[len(outcomes) - 1] is TaskKind.IMPORT or len(outcomes) == len(plan):
        return len(outcomes) == len(plan)
    generated = next(outcome for outcome in outcomes if outcome.seeds)
    due = [kind for kind in plan if kind is not TaskKind.BUILD]
    return len(outcomes) == len(due) + len(generated.surfaces)


def result_of(spec: JobSpec, outcomes: Sequence[TaskOutcome]) -> JobResult:
    """Put together what a job's tasks left."""
    built = [
        outcome
        for kind, outcome in zip(spec.plan, outcomes, strict=False)
        if kind is TaskKind.BUILD
    ]
    seeds = next((outcome.seeds for outcome in outcomes if outcome.seeds), (spec.seed,))
    results = built or [TaskOutcome()] * len(seeds)
    return JobResult(
        lods=results[0].lods,
        artifacts=tuple(artifact for outcome in outcomes for artifact in outcome.artifacts),
        variants=tuple(
            Variant(seed=seed, lods=result.lods, collision=result.collision)
            for seed, result in zip(seeds, results, strict=True)
        ),
    )


def advance(job: Job, happening: Happening, now_us: int) -> Job:
    """Return `job` after one more event."""
    details = job.details
    match happening:
        case StateChanged(state=state):
            assert state in NEXT_STATES[job.state], f"{job.state} -> {state}"
            if state is JobState.RUNNING and job.start_us is None:
                job = replace(job, start_us=now_us)
            if state.is_final:
                details = replace(details, remaining_s=None, stages=_ended(details.stages, state))
                job = replace(job, end_us=now_us)
            if state is JobState.SUCCEEDED:
                details = replace(details, fraction=1.0)
            job = replace(job, state=state)
        case StageProgressed():
            before = _status(details, happening.stage, now_us)
            is_done = happening.state is not StageState.RUNNING
            is_again = happening.attempt > before.attempt
            details = _with_status(
                replace(
                    details,
                    fraction=happening.job_fraction,
                    remaining_s=happening.remaining_s,
                ),
                replace(
                    before,
                    fraction=happening.fraction,
                    start_us=now_us if is_again else before.start_us,
                    end_us=(None if is_again else before.end_us) or now_us if is_done else None,
                    state=happening.state,
                    attempt=happening.attempt,
                ),
            )
        case Previewed():
            before = _status(details, happening.stage, now_us)
            details = _with_status(details, replace(before, preview=happening.image))
        case Warned():
            details = replace(details, warnings=(*details.warnings, happening))
    return replace(job, details=details, last_sequence=job.last_sequence + 1)


_STAGE_ENDS: Mapping[JobState, StageState] = {
    JobState.FAILED: StageState.FAILED,
    JobState.CANCELLED: StageState.CANCELLED,
    JobState.SUCCEEDED: StageState.SUCCEEDED,
}


def _ended(stages: Sequence[StageStatus], state: JobState) -> tuple[StageStatus, ...]:
    """End the stages that the end of their job found running."""
    return tuple(
        replace(status, state=_STAGE_ENDS[state]) if status.state is StageState.RUNNING else status
        for status in stages
    )


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
