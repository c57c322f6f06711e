"""What is asked of the journal: rows and short ranges by key, tens of microseconds each."""

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from pipeline import Stage
from server.engine import Previewed, TaskKind, TaskOutcome, Warned, WorkerKind
from server.jobs import (
    Happening,
    Job,
    JobDetails,
    JobEvent,
    JobSpec,
    JobState,
    ReadyTask,
    StageProgressed,
    StateChanged,
)
from server.record import loads
from server.refusals import JobNotFound, SurfaceMissing

logger = logging.getLogger(__name__)

T = TypeVar("T")

_EVENTS_PER_READ = 500
_HAPPENINGS: Mapping[str, type[Happening]] = {
    kind.__name__: kind for kind in (StateChanged, StageProgressed, Previewed, Warned)
}
_JOB_COLUMNS = (
    "uid, project, spec, state, details, first_sequence, last_sequence, run_us, retry_of,"
    " from_stage, create_us, start_us, end_us"
)
# One priority for each ten minutes of waiting. Without end: with one, a project that keeps making
# urgent jobs would keep all others from ever starting.
_CLASS = "jobs.priority + (:now_us - jobs.create_us) / 600000000"


@dataclass(frozen=True, kw_only=True)
class TaskName:
    """Which task of which job."""

    job_uid: str
    position: int


class Reads:
    """Reads of one connection. Only for the thread that made it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def job(self, uid: str, project: str | None) -> Job:
        """Return a job of a project, None for any. Raises `JobNotFound`."""
        row = self._database.execute(
            f"SELECT {_JOB_COLUMNS} FROM jobs WHERE uid = ?", (uid,)
        ).fetchone()
        if row is None or project not in (None, row[1]):
            raise _not_found(uid)
        return _job_of(row)

    def check_job(self, uid: str) -> None:
        """Raise `JobNotFound` if there is no such job."""
        if not self._database.execute("SELECT 1 FROM jobs WHERE uid = ?", (uid,)).fetchone():
            raise _not_found(uid)

    def job_of_request(self, project: str, request_id: str) -> Job | None:
        """Return the job that a request id made."""
        row = self._database.execute(
            f"SELECT {_JOB_COLUMNS} FROM jobs WHERE project = ? AND request_id = ?",
            (project, request_id),
        ).fetchone()
        return None if row is None else _job_of(row)

    def jobs(
        self,
        project: str,
        *,
        before: str,
        limit: int,
        states: Sequence[JobState],
        labels: Mapping[str, str],
        since_us: int | None,
        before_us: int | None,
    ) -> list[Job]:
        """See `JobStore.jobs`."""
        where, values = ["project = ?"], [project]
        bounds: list[int] = []
        if before:
            where.append("uid < ?")
            values.append(before)
        if states:
            where.append(f"state IN ({','.join('?' * len(states))})")
            values += states
        for name, value in labels.items():
            where.append(
                "uid IN (SELECT job_uid FROM labels"
                " WHERE labels.project = ? AND name = ? AND value = ?)"
            )
            values += (project, name, value)
        for sign, bound in ((">=", since_us), ("<", before_us)):
            if bound is not None:
                where.append(f"create_us {sign} ?")
                bounds.append(bound)
        rows = self._database.execute(
            f"SELECT {_JOB_COLUMNS} FROM jobs WHERE {' AND '.join(where)}"
            " ORDER BY uid DESC LIMIT ?",
            (*values, *bounds, limit),
        ).fetchall()
        return [_job_of(row) for row in rows]

    def job_counts(self) -> dict[JobState, int]:
        """Return how many jobs there are of each state, of all projects."""
        rows = self._database.execute("SELECT state, count(*) FROM jobs GROUP BY state")
        return dict.fromkeys(JobState, 0) | {JobState(state): count for state, count in rows}

    def queued_count(self) -> int:
        """Return how many jobs wait, of all projects."""
        row = self._database.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()
        return int(row[0])

    def unfinished_count(self, project: str) -> int:
        """Return how many jobs of a project wait or run."""
        row = self._database.execute(
            "SELECT count(*) FROM jobs WHERE project = ?"
            " AND state IN ('queued', 'running', 'cancelling')",
            (project,),
        ).fetchone()
        return int(row[0])

    def events(self, uid: str, after: int, limit: int = _EVENTS_PER_READ) -> list[JobEvent]:
        """Return up to `limit` events after a sequence, in order."""
        rows = self._database.execute(
            "SELECT sequence, time_us, kind, body FROM events"
            " WHERE job_uid = ? AND sequence > ? ORDER BY sequence LIMIT ?",
            (uid, after, limit),
        ).fetchall()
        return [
            JobEvent(sequence=sequence, time_us=time_us, happening=loads(_HAPPENINGS[kind], body))
            for sequence, time_us, kind, body in rows
        ]

    def last_event_us(self, uid: str) -> int:
        """Return when the last event of a job was, microseconds since 1970."""
        row = self._database.execute(
            "SELECT time_us FROM events WHERE job_uid = ? ORDER BY sequence DESC LIMIT 1", (uid,)
        ).fetchone()
        return int(row[0])

    def ready_tasks(self, worker: WorkerKind, *, now_us: int, only_running: bool) -> list[TaskName]:
        """Return what may start, in the order in which it should.

        By priority, then projects with less running work first, then those that have waited
        longest for a start, then later tasks, so that jobs finish, then older jobs.
        """
        rows = self._database.execute(
            "WITH busy AS (SELECT project, count(*) AS count FROM tasks JOIN jobs ON uid = job_uid"
            " WHERE tasks.state = 'running' GROUP BY project)"
            " SELECT job_uid, position FROM tasks JOIN jobs ON uid = job_uid"
            " LEFT JOIN busy USING (project) LEFT JOIN projects USING (project)"
            " WHERE tasks.state = 'ready' AND worker = :worker AND not_before_us <= :now_us"
            " AND jobs.state IN ('running', :other)"
            f" ORDER BY {_CLASS} DESC, ifnull(busy.count, 0), ifnull(projects.start_us, 0),"
            " position DESC, job_uid",
            {
                "worker": worker,
                "now_us": now_us,
                "other": "running" if only_running else "queued",
            },
        ).fetchall()
        return [TaskName(job_uid=uid, position=position) for uid, position in rows]

    def next_due_us(self, now_us: int) -> int | None:
        """Return when the next task becomes ready that has to wait before it is tried again."""
        row = self._database.execute(
            "SELECT min(not_before_us) FROM tasks WHERE state = 'ready' AND not_before_us > ?",
            (now_us,),
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def ready_task(self, name: TaskName) -> ReadyTask | None:
        """Return a task that is ready; None when it is not any more."""
        row = self._database.execute(
            "SELECT kind, attempt, failure_count FROM tasks"
            " WHERE job_uid = ? AND position = ? AND state = 'ready'",
            (name.job_uid, name.position),
        ).fetchone()
        if row is None:
            return None
        kind, attempt, failure_count = row
        outcomes = self._database.execute(
            "SELECT outcome FROM tasks WHERE job_uid = ? AND position < ? ORDER BY position",
            (name.job_uid, name.position),
        ).fetchall()
        return ReadyTask(
            job=self.job(name.job_uid, None),
            position=name.position,
            kind=TaskKind(kind),
            attempt=attempt + 1,
            failure_count=failure_count,
            outcomes=tuple(loads(TaskOutcome, text) for (text,) in outcomes),
        )

    def queue(self, now_us: int) -> list[str]:
        """Return the uids of the jobs that wait, in the order in which they will start.

        The order of `ready_tasks`, with projects taking turns. An estimate: what arrives later may
        come first.
        """
        rows = self._database.execute(
            "WITH busy AS (SELECT project, count(*) AS count FROM tasks JOIN jobs ON uid = job_uid"
            " WHERE tasks.state = 'running' GROUP BY project),"
            f" waiting AS (SELECT uid, project, {_CLASS} AS class FROM jobs"
            " WHERE state = 'queued')"
            " SELECT uid FROM waiting LEFT JOIN busy USING (project)"
            " LEFT JOIN projects USING (project)"
            " ORDER BY class DESC, row_number() OVER (PARTITION BY project, class ORDER BY uid),"
            " ifnull(busy.count, 0), ifnull(projects.start_us, 0), uid",
            {"now_us": now_us},
        ).fetchall()
        return [uid for (uid,) in rows]

    def outcomes_before_build(self, uid: str) -> list[str]:
        """Return what the tasks of a job left that made its dense surfaces, as documents.

        Raises:
            SurfaceMissing: If they have not run, or made none.
        """
        rows = self._database.execute(
            "SELECT state, outcome FROM tasks WHERE job_uid = ? AND kind != ? ORDER BY position",
            (uid, TaskKind.BUILD),
        ).fetchall()
        is_there = rows and all(state == "done" for state, _ in rows)
        if not is_there or not loads(TaskOutcome, rows[-1][1]).surfaces:
            raise SurfaceMissing(
                f"job {uid} has no dense surface to export again: it has not got so far, or made "
                "no mesh",
                field="spec.job",
                metadata={"job": uid},
            )
        return [outcome for _, outcome in rows]

    def recent_outcomes(self, limit: int) -> list[TaskOutcome]:
        """Return what the latest tasks that really ran left, oldest first; no unreadable ones."""
        rows = self._database.execute(
            "SELECT outcome FROM tasks WHERE state = 'done' AND NOT is_reused"
            " ORDER BY job_uid DESC LIMIT ?",
            (limit,),
        ).fetchall()
        read = (readable(TaskOutcome, text) for (text,) in reversed(rows))
        return [outcome for outcome in read if outcome is not None]

    def meta(self, name: str) -> str:
        """Return a fact about the journal itself."""
        row = self._database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0])


def readable(kind: type[T], text: str) -> T | None:
    """Read a document that can be done without; None if it cannot be read."""
    try:
        return loads(kind, text)
    except ValueError as error:
        logger.error("journal: a row is unreadable and left out: %s", error)
        return None


def _not_found(uid: str) -> JobNotFound:
    return JobNotFound(f"there is no job {uid[:64]!r}", metadata={"job": uid[:64]})


def _job_of(row: Sequence[object]) -> Job:
    (
        uid, project, spec, state, details, first_sequence, last_sequence, run_us, retry_of,
        from_stage, create_us, start_us, end_us,
    ) = row  # fmt: skip
    assert isinstance(uid, str)
    assert isinstance(project, str)
    assert isinstance(spec, str)
    assert isinstance(state, str)
    assert isinstance(details, str)
    assert isinstance(first_sequence, int)
    assert isinstance(last_sequence, int)
    assert isinstance(run_us, int)
    assert isinstance(retry_of, str)
    assert from_stage is None or isinstance(from_stage, str)
    assert isinstance(create_us, int)
    assert start_us is None or isinstance(start_us, int)
    assert end_us is None or isinstance(end_us, int)
    return Job(
        uid=uid,
        project=project,
        spec=_spec_of(spec),
        state=JobState(state),
        details=loads(JobDetails, details),
        first_sequence=first_sequence,
        last_sequence=last_sequence,
        run_us=run_us,
        retry_of=retry_of,
        from_stage=None if from_stage is None else Stage(from_stage),
        create_us=create_us,
        start_us=start_us,
        end_us=end_us,
    )


@lru_cache(maxsize=1024)
def _spec_of(text: str) -> JobSpec:
    """Read a spec once: it never changes, and is most of what there is to read of a job."""
    return loads(JobSpec, text)
