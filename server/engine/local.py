"""The default engine: long-lived worker processes on this machine.

One kind of worker owns the model, the other does mesh work. A spare mesh worker stands ready, so
that one which is deep in native code can be killed and replaced at once. Nothing here is durable.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from server.engine import (
    Listener,
    RestartCause,
    Task,
    TaskOutcome,
    WorkerKind,
    WorkerState,
    WorkerStatus,
)
from server.engine.messages import WorkerSettings
from server.engine.process import Wear, WorkerProcess
from server.engine.watchdog import StallRule

logger = logging.getLogger(__name__)

_MAX_FAILED_STARTS = 3


@dataclass(frozen=True, kw_only=True)
class Crew:
    """The workers of one kind.

    task_count: how many tasks run at once. spare_count: ready workers beyond that.
    devices: one process on each, `task_count` in all; one that leaves is gone before the next
        starts, because a device has no room for two. (): wherever `settings` say, and a replacement
        starts while the one that leaves still works.
    is_warm: start them with the engine; else with the first task.
    grace_s: how long a task may take to notice that it was told to stop, before its worker is
        killed.
    wear: when a worker is replaced. stall: how long a task may be silent.
    settings: of each worker; its `pipe`, `stacks` and device are set per process.
    """

    task_count: int
    spare_count: int
    is_warm: bool
    grace_s: float
    settings: WorkerSettings
    devices: tuple[str, ...] = ()
    wear: Wear = field(default_factory=Wear)
    stall: StallRule = field(default_factory=StallRule)

    def __post_init__(self) -> None:
        assert not self.devices or len(self.devices) == self.task_count + self.spare_count


class LocalPool:
    """An `Engine` of worker processes. Workers die with this process, however it dies."""

    def __init__(
        self,
        crews: Mapping[WorkerKind, Crew],
        on_restart: Callable[[WorkerKind, RestartCause], None] = lambda kind, cause: None,
    ) -> None:
        """Start nothing yet.

        Args:
            crews: The workers by kind.
            on_restart: Told of each worker that ends while the engine goes on.
        """
        self._crews = crews
        self._on_restart = on_restart
        self._workers: list[WorkerProcess] = []
        self._failed_starts = dict.fromkeys(WorkerKind, 0)
        self._awake: set[WorkerKind] = set()
        self._is_stopping = False
        self._on_change: Callable[[], None] = lambda: None

    async def start(self, on_change: Callable[[], None]) -> None:
        """Start the warm crews; see `Engine`."""
        self._on_change = on_change
        for kind, crew in self._crews.items():
            if crew.is_warm:
                self.wake(kind)

    def free(self, kind: WorkerKind) -> int:
        """Return how many tasks `run` would start at once."""
        busy_count = sum(
            worker.kind is kind and worker.task is not None for worker in self._workers
        )
        return max(0, min(len(self._idle(kind)), self._crews[kind].task_count - busy_count))

    def wake(self, kind: WorkerKind) -> None:
        """Make sure that the crew is there or on its way; a broken one tries again."""
        if self.problem(kind):
            self._failed_starts[kind] = 0
        self._awake.add(kind)
        self._fill(kind)

    def problem(self, kind: WorkerKind) -> str:
        """Return why no worker of this kind can be started, "" when all is well."""
        if self._failed_starts[kind] < _MAX_FAILED_STARTS:
            return ""
        return (
            f"the {kind} process ended {_MAX_FAILED_STARTS} times while it started; "
            "its output in the server's log says why"
        )

    def run(self, task: Task, listener: Listener) -> "asyncio.Future[TaskOutcome]":
        """Start a task on a free worker; see `Engine`."""
        kind = task.kind.worker
        assert self.free(kind), f"no free {kind} worker"
        return self._idle(kind)[0].assign(task, listener)

    def cancel(self, job_uid: str) -> None:
        """Stop the job's running task, by force after its crew's grace time."""
        for worker in self._workers:
            if worker.task is not None and worker.task.job_uid == job_uid:
                worker.stop_task(self._crews[worker.kind].grace_s)

    def workers(self) -> list[WorkerStatus]:
        """Return all workers, and one broken entry per crew that does not start."""
        statuses = [worker.status() for worker in self._workers]
        for kind in WorkerKind:
            if problem := self.problem(kind):
                statuses.append(
                    WorkerStatus(
                        kind=kind,
                        state=WorkerState.BROKEN,
                        device="",
                        backends={},
                        models=(),
                        problem=problem,
                    )
                )
        return statuses

    async def stop(self) -> None:
        """Kill all workers; their tasks end with `TaskStopped`."""
        self._is_stopping = True
        workers = list(self._workers)
        for worker in workers:
            worker.end()
        await asyncio.gather(*(worker.life for worker in workers))

    def _idle(self, kind: WorkerKind) -> list[WorkerProcess]:
        return [
            worker
            for worker in self._workers
            if worker.kind is kind and worker.state is WorkerState.IDLE
        ]

    def _fill(self, kind: WorkerKind) -> None:
        """Start as many workers as the crew should have."""
        if self._is_stopping or kind not in self._awake or self.problem(kind):
            return
        crew = self._crews[kind]
        present = [worker for worker in self._workers if worker.kind is kind]
        if crew.devices:
            vacant = Counter(crew.devices) - Counter(worker.device for worker in present)
            devices = list(vacant.elements())
        else:
            staying_count = sum(worker.leaving is None for worker in present)
            missing_count = crew.task_count + crew.spare_count - staying_count
            devices = [crew.settings.load.device] * missing_count
        for device in devices:
            load = replace(crew.settings.load, device=device)
            self._workers.append(
                WorkerProcess(
                    replace(crew.settings, load=load),
                    crew.wear,
                    crew.stall,
                    self._changed,
                    self._ended,
                )
            )

    def _changed(self, worker: WorkerProcess) -> None:
        if worker.state is WorkerState.IDLE:
            self._failed_starts[worker.kind] = 0
        self._fill(worker.kind)
        self._on_change()

    def _ended(self, worker: WorkerProcess) -> None:
        self._workers.remove(worker)
        if not self._is_stopping:
            cause = worker.leaving or RestartCause.LOST
            if worker.state is WorkerState.STARTING:
                cause = RestartCause.NOT_STARTED
                self._failed_starts[worker.kind] += 1
                logger.error("%s worker %d ended while it started", worker.kind, worker.pid)
            self._on_restart(worker.kind, cause)
        self._fill(worker.kind)
        self._on_change()
