"""Where stages run: what a task is, what it leaves, and what every engine can do.

A job is several tasks, because the model and the mesh work live in different processes: `import`
reads an uploaded mesh, `generate` makes one variant or more, both leave dense surfaces in the
artifact store, and one `build` per surface turns it into an asset. `JobSpec.plan` has their order.
`local.py` runs them in worker processes; nothing here knows about jobs' states.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pipeline import AssetOptions, ModelFacts, Stage, StageRecord
from server.artifacts import Digest
from server.record import JSON, dumps

TASK_VERSION = 5  # raise it when the same inputs may give other bytes


class WorkerKind(StrEnum):
    """What a worker process is for. The generator owns the model, the mesh worker has none."""

    GENERATOR = "generator"
    MESH = "mesh"


class TaskKind(StrEnum):
    """The parts of a job that run in one piece."""

    GENERATE = "generate"  # prompt or picture -> surface
    IMPORT = "import"  # GLB -> surface
    BUILD = "build"  # surface -> asset

    @property
    def worker(self) -> WorkerKind:
        """The kind of worker that runs it."""
        return WorkerKind.GENERATOR if self is TaskKind.GENERATE else WorkerKind.MESH


@dataclass(frozen=True, kw_only=True)
class Task:
    """One part of a job with everything its worker needs. Plain data: it crosses processes.

    attempt: 1, 2, ...; a report of an older attempt is not believed.
    source: the GLB of IMPORT, the surface of BUILD, the surface whose shape GENERATE keeps, if any.
    images: the pictures of GENERATE; empty with a prompt.
    seeds: of GENERATE, one per variant. variant: of BUILD, which of them.
    model: of GENERATE, which one; "" for the first that fits.
    adapter, adapter_strength: of GENERATE, a LoRA file.
    is_generated, has_size: of BUILD, whether the surface comes from the model, and whether its size
        means something.
    recipe: what the report says about the asset's origin.
    earlier_records, earlier_warnings: of the job's earlier tasks, for the report.
    expected_s: what its stages usually take; a stage that is silent for many times that is stalled.
    traceparent: the job's place in a trace, as W3C writes it; "" when nobody traces.
    kept: of BUILD, parts of an earlier build of the same surface, by name; see
        `pipeline.kept_keys`. Those that are gone from the store are made anew. Decides no bytes.
    """

    job_uid: str
    kind: TaskKind
    attempt: int
    asset_name: str
    prompt: str | None
    source: Digest | None
    images: tuple[Digest, ...]
    seeds: tuple[int, ...]
    variant: int
    model: str
    adapter: Digest | None
    adapter_strength: float
    options: AssetOptions
    is_generated: bool
    has_size: bool
    recipe: Mapping[str, JSON]
    earlier_records: tuple[StageRecord, ...]
    earlier_warnings: tuple[str, ...]
    expected_s: Mapping[Stage, float] = field(default_factory=dict)
    traceparent: str = ""
    kept: Mapping[str, Digest] = field(default_factory=dict)

    def key(self, models: str) -> str:
        """Return the hash of all that decides this task's output: equal keys, equal bytes.

        Args:
            models: Digests of the models in use and what they run on; counts only for GENERATE.
        """
        decisive: dict[str, JSON] = {
            "version": TASK_VERSION,
            "kind": self.kind.value,
            "source": self.source.sha256 if self.source else None,
        }
        match self.kind:
            case TaskKind.GENERATE:
                decisive |= {
                    "models": models,
                    "chosen": self.model,
                    "prompt": self.prompt,
                    "images": [image.sha256 for image in self.images],
                    "seeds": list(self.seeds),
                    "adapter": self.adapter.sha256 if self.adapter else None,
                    "adapter_strength": self.adapter_strength,
                    "name": self.asset_name,  # of the files that it leaves
                    "options": [
                        dumps(self.options.condition),
                        dumps(self.options.sparse_structure),
                        dumps(self.options.slat),
                        dumps(self.options.decode),
                        dumps(self.options.provenance),
                    ],
                    "recipe": dumps(self.recipe),  # without a mesh it makes the report
                }
            case TaskKind.BUILD:
                decisive |= {
                    "name": self.asset_name,
                    "variant": self.variant,  # of the files that it leaves
                    "options": dumps(self.options),
                    "is_generated": self.is_generated,
                    "has_size": self.has_size,
                    "recipe": dumps(self.recipe),
                }
            case TaskKind.IMPORT:
                pass
        return hashlib.sha256(dumps(decisive).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class StoredArtifact:
    """A result file in the artifact store. role: as in `pipeline.types.Artifact`.

    variant: which of the job's assets it belongs to, from 0.
    """

    role: str
    file_name: str
    media_type: str
    digest: Digest
    variant: int = 0


@dataclass(frozen=True, kw_only=True)
class Lod:
    """The facts of one level of detail that clients need; see `pipeline.types.LodMeasure`."""

    triangle_count: int
    budget: int
    deviation_max_m: float
    deviation_mean_m: float
    screen_coverage: float
    normal_deviation_deg: float = 0.0
    silhouette_px: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CollisionFit:
    """The facts of the collision shape that clients need; see `pipeline.types.Collision`."""

    kind: str
    hull_count: int
    over_cover: float | None
    protrusion_m: float


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """What a task left behind, already in the store.

    surfaces: of GENERATE, one per variant if a mesh was asked for; of IMPORT, one.
    slats, seeds, model: of GENERATE; one per variant. artifacts: of GENERATE and BUILD.
    lods, collision: of BUILD. kept: of BUILD, the parts that it made and another can start from.
    records: what each stage of this task took. warnings: for the report.
    """

    surfaces: tuple[Digest, ...] = ()
    slats: tuple[Digest, ...] = ()
    seeds: tuple[int, ...] = ()
    model: ModelFacts | None = None
    artifacts: tuple[StoredArtifact, ...] = ()
    lods: tuple[Lod, ...] = ()
    collision: CollisionFit | None = None
    kept: Mapping[str, Digest] = field(default_factory=dict)
    records: tuple[StageRecord, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def digests(self) -> tuple[Digest, ...]:
        """All blobs that it names."""
        return self.surfaces + self.slats + tuple(one.digest for one in self.artifacts)


@dataclass(frozen=True, kw_only=True)
class Progressed:
    """A stage is done to `fraction` in [0, 1]. is_reused: it did not run, its result was kept."""

    stage: Stage
    fraction: float
    is_reused: bool = False


@dataclass(frozen=True, kw_only=True)
class Previewed:
    """A stage has a picture, already in the store."""

    stage: Stage
    image: Digest


@dataclass(frozen=True, kw_only=True)
class Warned:
    """The result will be poorer than asked."""

    stage: Stage
    message: str


TaskNews = Progressed | Previewed | Warned
Listener = Callable[[TaskNews], None]


class TaskFailed(Exception):
    """A stage refused its input or could not finish.

    Attributes:
        reason: A `reason` of `pipeline.errors`, or INTERNAL.
        stage: Where; None when no stage had started.
        metadata: The message's variables by name.
        is_retryable: Whether the same task may succeed later.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        stage: Stage | None,
        metadata: Mapping[str, str],
        is_retryable: bool,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.stage = stage
        self.metadata = metadata
        self.is_retryable = is_retryable


class TaskStopped(Exception):
    """The task ended because `Engine.cancel` was called."""


class WorkerEnd(StrEnum):
    """How a worker process ended while it had a task."""

    EXITED = "exited"  # by itself, with an exit code
    KILLED = "killed"  # by a signal
    OUT_OF_MEMORY = "out_of_memory"  # by the kernel, to get memory back; a good guess
    STALLED = "stalled"  # by the engine, after a long silence


class WorkerLost(Exception):
    """The worker process died under the task. Whatever did it may do so again.

    Attributes:
        reason: WORKER_LOST or STAGE_STALLED, as in the contract's `ErrorReason`.
        end: How it died.
        number: The exit code or the signal, as `end` says.
        stage: Where; None when no stage had started.
    """

    reason = "WORKER_LOST"

    def __init__(self, message: str, *, end: WorkerEnd, number: int, stage: Stage | None) -> None:
        super().__init__(message)
        self.end = end
        self.number = number
        self.stage = stage


class WorkerStalled(WorkerLost):
    """A stage was silent for far longer than it usually takes, and its process was killed."""

    reason = "STAGE_STALLED"


class RestartCause(StrEnum):
    """Why a worker process has to be replaced."""

    TASKS = "tasks"  # it has done as many as it may
    GROWTH = "growth"  # it keeps more memory than it may
    SPENT = "spent"  # it said itself that it may not be fit for another task
    DEAF = "deaf"  # it did not stop in time when it was told to
    STALLED = "stalled"  # its task was silent for too long
    LOST = "lost"  # it died
    NOT_STARTED = "not_started"  # it died before it was ready


class WorkerState(StrEnum):
    """What a worker process does now."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    BROKEN = "broken"


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """A worker process, for people.

    device, backends, models: empty until it is ready. backends: kernels by purpose.
    problem: why tasks will fail, "" when all is well.
    """

    kind: WorkerKind
    state: WorkerState
    device: str
    backends: Mapping[str, str]
    models: tuple[ModelFacts, ...]
    problem: str


class Engine(Protocol):
    """Runs tasks in processes. Knows nothing of journals; all calls are made on the event loop."""

    async def start(self, on_change: Callable[[], None]) -> None:
        """Start what is always kept warm; call `on_change` whenever a worker's state changes."""

    def free(self, kind: WorkerKind) -> int:
        """Return how many tasks `run` would start at once."""

    def wake(self, kind: WorkerKind) -> None:
        """Make sure that a worker of this kind is there or on its way."""

    def problem(self, kind: WorkerKind) -> str:
        """Return why no worker of this kind can be started, "" when all is well."""

    def run(self, task: Task, listener: Listener) -> Awaitable[TaskOutcome]:
        """Start a task on a free worker; only while `free` is not 0.

        The awaited result raises `TaskFailed`, `TaskStopped`, `WorkerLost` or `WorkerStalled`.
        """

    def cancel(self, job_uid: str) -> None:
        """Make the job's running task end with `TaskStopped`, by force after a grace time."""

    def workers(self) -> list[WorkerStatus]:
        """Return all workers."""

    async def stop(self) -> None:
        """End all workers. Tasks that still run end with `TaskStopped`."""
