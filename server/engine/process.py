"""One worker process, seen from the server: its start, its tasks, its end."""

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from server.engine import (
    Listener,
    Previewed,
    Progressed,
    RestartCause,
    Task,
    TaskFailed,
    TaskOutcome,
    TaskStopped,
    Warned,
    WorkerEnd,
    WorkerLost,
    WorkerStalled,
    WorkerState,
    WorkerStatus,
    memory,
)
from server.engine.kernel_cache import kernel_cache
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
from server.engine.watchdog import StallRule, Watchdog
from server.record import dumps

logger = logging.getLogger(__name__)

_MAX_REPORT_BYTES = 16 << 20  # pictures and surfaces go through the store, so reports are small
_LAST_WORDS_S = 1.0  # for what a process said before it ended
_DUMP_S = 0.5  # for a stalled process to write its stacks; it takes milliseconds
_MAX_STACKS_BYTES = 64 << 10


@dataclass(frozen=True, kw_only=True)
class Wear:
    """How much use a worker process gets before a fresh one takes its place.

    Libraries leak, and the heap of a process that has built large meshes stays in pieces.

    max_tasks: so many tasks; 0: any number.
    max_growth_bytes: so much more memory after a task than when it was ready; 0: any.
    """

    max_tasks: int = 200
    max_growth_bytes: int = 2 << 30


@dataclass(kw_only=True)
class _Assignment:
    """A task on its worker.

    kernel_kills: `memory.killed_count()` when it began.
    timer: looks after `watchdog`; None when silence is no matter.
    """

    task: Task
    listener: Listener
    result: "asyncio.Future[TaskOutcome]"
    watchdog: Watchdog
    kernel_kills: int
    timer: asyncio.TimerHandle | None = None
    is_stopping: bool = False
    silent_s: float = 0.0  # when it was given up


class WorkerProcess:
    """One worker, seen from the server.

    state: BUSY from its first task to the end of the process, but for the time between two tasks.
    leaving: why it takes no more tasks; None while it does.
    life: ends when the process has ended and everything about it has been told.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        wear: Wear,
        stall: StallRule,
        on_change: "Callable[[WorkerProcess], None]",
        on_end: "Callable[[WorkerProcess], None]",
    ) -> None:
        self.kind = settings.kind
        self.device = settings.load.device
        self.state = WorkerState.STARTING
        self.leaving: RestartCause | None = None
        self.pid = 0
        self._assignment: _Assignment | None = None
        self._settings = settings
        self._wear = wear
        self._stall = stall
        self._on_change = on_change
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._ready: Ready | None = None
        self._ready_bytes = 0
        self._task_count = 0
        self._is_killed = False
        self._all_heard = asyncio.Event()
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        self._stacks = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the process has ended
        self.life = asyncio.create_task(self._live(theirs))

    @property
    def task(self) -> Task | None:
        """What it works on."""
        return self._assignment.task if self._assignment else None

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
        self._assignment = _Assignment(
            task=task,
            listener=listener,
            result=result,
            watchdog=Watchdog(self._stall, task.expected_s, time.monotonic),
            kernel_kills=memory.killed_count(),
        )
        self.state = WorkerState.BUSY
        self._task_count += 1
        self._send(Run(task=task))
        if self._stall.min_s:
            self._watch(self._assignment)
        if self._task_count == self._wear.max_tasks:  # its replacement may start meanwhile
            self._leave(RestartCause.TASKS)
        return result

    def stop_task(self, grace_s: float) -> None:
        """Ask the task to stop; kill the process if it has not after `grace_s`."""
        assignment = self._assignment
        assert assignment is not None
        if assignment.is_stopping:
            return
        assignment.is_stopping = True
        self._send(Stop())

        def kill_if_deaf() -> None:
            if self._assignment is assignment:
                logger.info("%s worker %d does not stop in time: killed", self.kind, self.pid)
                self._discard(RestartCause.DEAF)
                # Nothing more comes of it: a large process takes a while to be gone.
                self._finish(TaskStopped())

        self._loop.call_later(grace_s, kill_if_deaf)

    def kill(self) -> None:
        """End the process and its children now."""
        self._is_killed = True
        if self.pid:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        # A process that has not been started yet is killed by `_live` as soon as it is.

    def end(self) -> None:
        """Kill the process because the server ends; its task ends with `TaskStopped`."""
        if self._assignment is not None:
            self._assignment.is_stopping = True
        self.kill()

    # Leaving

    def _leave(self, cause: RestartCause) -> None:
        """Take no more tasks."""
        self.leaving = self.leaving or cause
        self._on_change(self)

    def _discard(self, cause: RestartCause) -> None:
        """End the process and say why."""
        self.kill()
        self._leave(cause)

    def _watch(self, assignment: _Assignment) -> None:
        """Look again when the task will have been silent for too long, if it says nothing more."""
        left_s = assignment.watchdog.left_s
        if left_s > 0:
            assignment.timer = self._loop.call_later(left_s, self._watch, assignment)
            return
        assignment.silent_s = assignment.watchdog.silent_s
        logger.error("%s worker %d %s", self.kind, self.pid, _silence(assignment))
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)  # it writes its stacks, even in native code
        self._leave(RestartCause.STALLED)
        self._loop.call_later(_DUMP_S, self.kill)

    def _log_stacks(self) -> None:
        """Log what the process wrote when it stalled or crashed; nothing if it ended well."""
        stacks = os.pread(self._stacks.fileno(), _MAX_STACKS_BYTES, 0).decode(errors="replace")
        for line in stacks.splitlines():  # a line of the log has no line breaks
            logger.error("%s worker %d: %s", self.kind, self.pid, line)

    # Its life

    def _send(self, order: Order) -> None:
        with suppress(OSError):  # a dead worker is noticed by its end
            self._connection.send_bytes(pack_order(order))

    async def _live(self, theirs: socket.socket) -> None:
        try:
            process = await self._start(theirs)
        except OSError as error:
            logger.error("a %s worker cannot be started: %s", self.kind, error)
            self._close()
            self._on_end(self)
            return
        finally:
            theirs.close()
        self.pid = process.pid
        if self._is_killed:
            self.kill()
        threading.Thread(target=self._listen, name=f"{self.kind} {self.pid}", daemon=True).start()
        code = await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # children that outlived it
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_heard.wait(), _LAST_WORDS_S)
        self._log_stacks()
        self._close()
        if assignment := self._assignment:
            self._finish(TaskStopped() if assignment.is_stopping else self._loss(assignment, code))
        self._on_end(self)

    def _close(self) -> None:
        self._connection.close()
        self._stacks.close()

    async def _start(self, pipe: socket.socket) -> asyncio.subprocess.Process:
        # A new interpreter that imports what this one can, wherever it was started. In a session of
        # its own: a Ctrl-C in the terminal is the server's business, and `kill` takes its children
        # along. Its stdout is our stderr: stdout belongs to the command's own output. -P keeps a
        # folder `server` in the user's working directory from being taken for ours.
        settings = replace(self._settings, pipe=pipe.fileno(), stacks=self._stacks.fileno())
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "server.leash",
            str(os.getpid()),
            "server.engine.worker",
            dumps(settings),
            pass_fds=(settings.pipe, settings.stacks),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
            env={
                **os.environ,
                **kernel_cache(os.environ),
                "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path),
            },
        )

    def _loss(self, assignment: _Assignment, code: int) -> WorkerLost:
        """Say how the process died under its task, without paths: clients read it."""
        stage = assignment.watchdog.stage
        if assignment.silent_s:
            return WorkerStalled(
                f"the {self.kind} process {_silence(assignment)}",
                end=WorkerEnd.STALLED,
                number=-code,
                stage=stage,
            )
        end, number, how = WorkerEnd.EXITED, code, f"ended unexpectedly with code {code}"
        if code < 0:
            end, number = WorkerEnd.KILLED, -code
            how = f"was ended by signal {number} ({signal.strsignal(number)})"
        if code == -signal.SIGKILL and memory.killed_count() > assignment.kernel_kills:
            end = WorkerEnd.OUT_OF_MEMORY
            how = "was killed by the kernel, it seems because the machine ran out of memory"
        logger.warning("%s worker %d %s", self.kind, self.pid, how)
        return WorkerLost(f"the {self.kind} process {how}", end=end, number=number, stage=stage)

    # Its reports

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
            self._ready_bytes = memory.own_bytes(self.pid)
            self.state = WorkerState.IDLE
            self._on_change(self)
            return
        if self._assignment is None and self._is_killed:
            return  # it spoke before it heard
        if self._assignment is None:
            logger.error("%s worker %d reports on no task: %s", self.kind, self.pid, report)
            self.kill()
            return
        match report:
            case Progressed() | Previewed() | Warned():
                self._assignment.watchdog.hear(report.stage)
                self._assignment.listener(report)
            case Done(outcome=outcome):
                self._finish(outcome)
            case Stopped():
                self._finish(TaskStopped())
            case Failed():
                if report.is_spent:  # before `_finish`, so that no other task gets to it
                    self.leaving = self.leaving or RestartCause.SPENT
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
        assert self._assignment is not None
        assignment, self._assignment = self._assignment, None
        if assignment.timer is not None:
            assignment.timer.cancel()
        if not assignment.result.done():
            if isinstance(result, TaskOutcome):
                assignment.result.set_result(result)
            else:
                assignment.result.set_exception(result)
        if self._is_killed:
            return
        if self.leaving is None and self._has_grown():
            self.leaving = RestartCause.GROWTH
        if self.leaving is not None:
            logger.info("%s worker %d is replaced: %s", self.kind, self.pid, self.leaving)
            self.kill()
        else:
            self.state = WorkerState.IDLE
        self._on_change(self)

    def _has_grown(self) -> bool:
        growth_bytes = memory.own_bytes(self.pid) - self._ready_bytes
        return bool(self._wear.max_growth_bytes) and growth_bytes > self._wear.max_growth_bytes


def _silence(assignment: _Assignment) -> str:
    """Say that a task has stalled."""
    where = assignment.watchdog.stage or "its first stage"
    return f"made no progress in {where} for {assignment.silent_s:.0f} s"
