"""What the server and its workers say to each other.

To a worker go pickles: the server is trusted. From a worker come JSON records, because a worker
reads strangers' files: whatever takes it over must not get further through what it says.
"""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import LoadOptions, ModelFacts, Stage
from server.config.settings import LogFormat
from server.engine import Previewed, Progressed, Task, TaskOutcome, Warned, WorkerKind
from server.engine.limits import WorkerLimits
from server.record import from_json, to_json


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What a worker is told when it starts.

    pipe: file descriptor of its end of the pipe.
    stacks: file descriptor of the file for the stacks of its threads; see `process.py`.
    pipeline: dotted name of the module with the pipeline's front door.
    load: what the generator loads and where.
    limits: what it may use.
    max_mesh_triangles: larger meshes are refused.
    """

    kind: WorkerKind
    pipe: int
    stacks: int
    store: str
    pipeline: str
    load: LoadOptions
    limits: WorkerLimits
    max_mesh_triangles: int
    log_level: str
    log_format: LogFormat


@dataclass(frozen=True, kw_only=True)
class Run:
    """Do this task next."""

    task: Task


@dataclass(frozen=True, kw_only=True)
class Stop:
    """End the task that runs."""


Order = Run | Stop


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The worker can take tasks. problem: why they will probably fail, "" when all is well."""

    device: str
    backends: Mapping[str, str]
    models: tuple[ModelFacts, ...]
    problem: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """The task ended well."""

    outcome: TaskOutcome


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The task ended with an error; see `TaskFailed`.

    is_spent: the process may not be fit for another task and must be replaced.
    """

    reason: str
    message: str
    stage: Stage | None
    metadata: Mapping[str, str]
    is_retryable: bool = False
    is_spent: bool = False


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """The task ended because it was told to."""


Report = Ready | Progressed | Previewed | Warned | Done | Failed | Stopped
_REPORTS: Mapping[str, type[Report]] = {
    kind.__name__: kind for kind in (Ready, Progressed, Previewed, Warned, Done, Failed, Stopped)
}


def pack_order(order: Order) -> bytes:
    """Return what `unpack_order` reads."""
    return pickle.dumps(order)


def unpack_order(content: bytes) -> Order:
    """Read an order; only in a worker, only from the server."""
    order: Order = pickle.loads(content)
    return order


def pack_report(report: Report) -> bytes:
    """Return what `unpack_report` reads."""
    return json.dumps([type(report).__name__, to_json(report)]).encode()


def unpack_report(content: bytes) -> Report:
    """Read a report. Raises `ValueError` for anything else."""
    try:
        document: Any = json.loads(content)  # Any: checked here and by `from_json`
    except RecursionError as error:
        raise ValueError("a report is nested too deeply") from error
    match document:
        case [str(name), value] if name in _REPORTS:
            return from_json(_REPORTS[name], value)
        case _:
            raise ValueError(f"not a report: {content[:80]!r}")
