"""The default engine: long-lived worker processes on this machine.

One kind of worker owns the model, the other does mesh work. A spare mesh worker stands ready, so
that one which is deep in native code can be killed and replaced at once. Nothing here is durable.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from server.engine import (
    Listener,
    Previewed,
    Progressed,
    Task,
    TaskFailed,
    TaskOutcome,
    TaskStopped,
    Warned,
    WorkerKind,
    WorkerLost,
    WorkerState,
    WorkerStatus,
)
from server.engine.messages import (
    Done,
    Failed,
    Order,
    Ready,
    Report,
    Run,
    Stop,
    Stopped,
    WorkerSettings,
    pack_order,
    unpack_report,
)
from server.record import dumps

logger = logging.getLogger(__name__)

_MAX_FAILED_STARTS = 3
_MAX_REPORT_BYTES = 16 << 20  # pictures and surfaces go through the store, so reports are small
_LAST_WORDS_S = 1.0  # for what a process said before it ended


@dataclass(frozen=True, kw_only=True)
class Crew:
    """The workers of one kind.

    task_count: how many tasks run at once. spare_count: ready workers beyond that.
    is_warm: start them with the engine; else with the first task.
    grace_s: how long a task may take to notice that it was told to stop, before its worker is
        killed.
    settings: of each worker; its `pipe` is set per process.
    """

    task_count: int
    spare_count: int
    is_warm: bool
    grace_s: float
    settings: WorkerSettings


@dataclass(kw_only=True)
class _Assignment:
    """A task on its worker."""

    task: Task
    listener: Listener
    result: "asyncio.Future[TaskOutcome]"
    is_stopping: bool = False


class LocalPool:
    """An `Engine` of worker processes. Workers die with this process, however it dies."""

    def __init__(self, crews: Mapping[WorkerKind, Crew]) -> None:
        self._crews = crews
        self._workers: list[_WorkerProcess] = []
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
        states = [worker.state for worker in self._workers if worker.kind is kind]
        idle, busy = states.count(WorkerState.IDLE), states.count(WorkerState.BUSY)
        return max(0, min(idle, self._crews[kind].task_count - busy))

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
        worker = next(
            worker
            for worker in self._workers
            if worker.kind is kind and worker.state is WorkerState.IDLE
        )
        return worker.assign(task, listener)

    def cancel(self, job_uid: str) -> None:
        """Stop the job's running task, by force after its crew's grace time."""
        for worker in self._workers:
            if worker.assignment is not None and worker.assignment.task.job_uid == job_uid:
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
            if worker.assignment is not None:
                worker.assignment.is_stopping = True
            worker.kill()
        await asyncio.gather(*(worker.life for worker in workers))

    def _fill(self, kind: WorkerKind) -> None:
        """Start as many workers as the crew should have."""
        crew = self._crews[kind]
        if self._is_stopping or kind not in self._awake or self.problem(kind):
            return
        present = sum(worker.kind is kind for worker in self._workers)
        for _ in range(crew.task_count + crew.spare_count - present):
            self._workers.append(_WorkerProcess(crew.settings, self._changed, self._ended))

    def _changed(self, worker: "_WorkerProcess") -> None:
        if worker.state is WorkerState.IDLE:
            self._failed_starts[worker.kind] = 0
        self._on_change()

    def _ended(self, worker: "_WorkerProcess") -> None:
        self._workers.remove(worker)
        if worker.state is WorkerState.STARTING and not self._is_stopping:
            self._failed_starts[worker.kind] += 1
            logger.error("%s worker %d ended while it started", worker.kind, worker.pid)
        self._fill(worker.kind)
        self._on_change()


class _WorkerProcess:
    """One worker, seen from the server.

    life: ends when the process has ended and everything about it has been told.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        on_change: "Callable[[_WorkerProcess], None]",
        on_end: "Callable[[_WorkerProcess], None]",
    ) -> None:
        self.kind = settings.kind
        self.state = WorkerState.STARTING
        self.pid = 0
        self.assignment: _Assignment | None = None
        self._settings = settings
        self._on_change = on_change
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._ready: Ready | None = None
        self._is_killed = False
        self._all_heard = asyncio.Event()
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        self.life = asyncio.create_task(self._live(theirs))

    def status(self) -> WorkerStatus:
        """Return what is known, for people."""
        return WorkerStatus(
            kind=self.kind,
            state=self.state,
            device=self._ready.device if self._ready else "",
            backends=self._ready.backends if self._ready else {},
            models=self._ready.models if self._ready else (),
            problem=self._ready.problem if self._ready else "",
        )

    def assign(self, task: Task, listener: Listener) -> "asyncio.Future[TaskOutcome]":
        """Start a task; only while idle."""
        result: asyncio.Future[TaskOutcome] = self._loop.create_future()
        self.assignment = _Assignment(task=task, listener=listener, result=result)
        self.state = WorkerState.BUSY
        self._send(Run(task=task))
        return result

    def stop_task(self, grace_s: float) -> None:
        """Ask the task to stop; kill the process if it has not after `grace_s`."""
        assignment = self.assignment
        assert assignment is not None
        if assignment.is_stopping:
            return
        assignment.is_stopping = True
        self._send(Stop())

        def kill_if_deaf() -> None:
            if self.assignment is assignment:
                logger.info("%s worker %d does not stop in time: killed", self.kind, self.pid)
                self.kill()

        self._loop.call_later(grace_s, kill_if_deaf)

    def kill(self) -> None:
        """End the process and its children now."""
        self._is_killed = True
        if self.pid:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        # A process that has not been started yet is killed by `_live` as soon as it is.

    def _send(self, order: Order) -> None:
        with suppress(OSError):  # a dead worker is noticed by its end
            self._connection.send_bytes(pack_order(order))

    async def _live(self, theirs: socket.socket) -> None:
        try:
            process = await self._start(theirs)
        except OSError as error:
            logger.error("a %s worker cannot be started: %s", self.kind, error)
            self._on_end(self)
            return
        finally:
            theirs.close()
        self.pid = process.pid
        if self._is_killed:
            self.kill()
        threading.Thread(target=self._listen, name=f"{self.kind} {self.pid}", daemon=True).start()
        await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # children that outlived it
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_heard.wait(), _LAST_WORDS_S)
        self._connection.close()
        if self.assignment is not None:
            if self.assignment.is_stopping:
                self._finish(TaskStopped())
            else:
                how = f"ended unexpectedly with code {process.returncode}"
                if process.returncode == -signal.SIGKILL:
                    how = "was killed, perhaps because the machine ran out of memory"
                logger.warning("%s worker %d: %s", self.kind, self.pid, how)
                self._finish(WorkerLost(f"the {self.kind} process {how}"))
        self._on_end(self)

    async def _start(self, pipe: socket.socket) -> asyncio.subprocess.Process:
        # A new interpreter that imports what this one can, wherever it was started. In a session of
        # its own: a Ctrl-C in the terminal is the server's business, and `kill` takes its children
        # along. Its stdout is our stderr: stdout belongs to the command's own output. -P keeps a
        # folder `server` in the user's working directory from being taken for ours.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "server.engine.worker",
            dumps(replace(self._settings, pipe=pipe.fileno())),
            pass_fds=(pipe.fileno(),),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
        )

    def _listen(self) -> None:
        """Hand reports to the event loop until the pipe ends; on a thread of its own.

        On the loop, a worker that stops in the middle of a message would stop the whole server.
        """
        try:
            while True:
                report = unpack_report(self._connection.recv_bytes(_MAX_REPORT_BYTES))
                self._loop.call_soon_threadsafe(self._take, report)
        except (EOFError, ConnectionError):
            pass  # it ended
        except (OSError, ValueError) as error:
            logger.error("%s worker %d talks nonsense: %s", self.kind, self.pid, error)
        self._loop.call_soon_threadsafe(self._hang_up)

    def _hang_up(self) -> None:
        self._all_heard.set()
        self.kill()  # without a pipe it is of no use

    def _take(self, report: Report) -> None:
        if isinstance(report, Ready):
            self._ready = report
            self.state = WorkerState.IDLE
            self._on_change(self)
            return
        if self.assignment is None:
            logger.error("%s worker %d reports on no task: %s", self.kind, self.pid, report)
            self.kill()
            return
        match report:
            case Progressed() | Previewed() | Warned():
                self.assignment.listener(report)
            case Done(outcome=outcome):
                self._finish(outcome)
            case Stopped():
                self._finish(TaskStopped())
            case Failed():
                if report.is_spent:  # before `_finish`, so that no other task gets to it
                    logger.info("%s worker %d is replaced", self.kind, self.pid)
                    self.kill()
                self._finish(
                    TaskFailed(
                        report.message,
                        reason=report.reason,
                        stage=report.stage,
                        metadata=report.metadata,
                        is_retryable=report.is_retryable,
                    )
                )

    def _finish(self, result: TaskOutcome | Exception) -> None:
        assert self.assignment is not None
        future = self.assignment.result
        self.assignment = None
        if not future.done():
            if isinstance(result, TaskOutcome):
                future.set_result(result)
            else:
                future.set_exception(result)
        if not self._is_killed:
            self.state = WorkerState.IDLE
            self._on_change(self)
