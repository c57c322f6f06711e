"""The journal's tables, and how a file of an older server becomes one of this."""

import secrets
import sqlite3
from dataclasses import replace
from pathlib import Path

from pipeline.errors import InvalidInput
from server.engine import TaskOutcome
from server.jobs import JobDetails, JobSpec, JobState, StageState
from server.journal import blobs
from server.record import dumps, loads

VERSION = 3

_TABLES = """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

    CREATE TABLE jobs (
        uid TEXT PRIMARY KEY,               -- ordered by time of creation
        project TEXT NOT NULL,
        request_id TEXT,
        state TEXT NOT NULL,
        priority INTEGER NOT NULL DEFAULT 0,
        first_sequence INTEGER NOT NULL DEFAULT 1,
        last_sequence INTEGER NOT NULL,
        run_us INTEGER NOT NULL DEFAULT 0,
        retry_of TEXT NOT NULL DEFAULT '', from_stage TEXT,
        create_us INTEGER NOT NULL, start_us INTEGER, end_us INTEGER,
        spec TEXT NOT NULL, details TEXT NOT NULL -- last: long, and what is asked most is before
    );
    CREATE UNIQUE INDEX jobs_by_request ON jobs (project, request_id)
        WHERE request_id IS NOT NULL;
    CREATE INDEX jobs_by_project ON jobs (project, uid);
    CREATE INDEX jobs_by_state ON jobs (state, project);
    CREATE INDEX jobs_by_end ON jobs (end_us) WHERE end_us IS NOT NULL;
    CREATE INDEX jobs_to_compact ON jobs (end_us)
        WHERE end_us IS NOT NULL AND first_sequence < last_sequence;

    CREATE TABLE labels (
        project TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, job_uid TEXT NOT NULL,
        PRIMARY KEY (project, name, value, job_uid)
    ) WITHOUT ROWID;
    CREATE INDEX labels_by_job ON labels (job_uid);

    CREATE TABLE events (
        job_uid TEXT NOT NULL, sequence INTEGER NOT NULL,
        time_us INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (job_uid, sequence)
    ) WITHOUT ROWID;

    CREATE TABLE tasks (
        job_uid TEXT NOT NULL, position INTEGER NOT NULL,
        kind TEXT NOT NULL, worker TEXT NOT NULL,
        state TEXT NOT NULL,                -- waiting, ready, running, done, dropped
        attempt INTEGER NOT NULL DEFAULT 0, failure_count INTEGER NOT NULL DEFAULT 0,
        not_before_us INTEGER NOT NULL DEFAULT 0,
        start_us INTEGER,                   -- of the try that runs
        warning_count INTEGER NOT NULL DEFAULT 0, -- of the job when that try started
        key TEXT, outcome TEXT, is_reused INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (job_uid, position)
    ) WITHOUT ROWID;
    CREATE INDEX tasks_by_state ON tasks (state, worker);

    -- What the same work left before. value: `KeptWork`, or the `Digest` of a part of a build.
    CREATE TABLE stage_cache (
        project TEXT NOT NULL, key TEXT NOT NULL,
        value TEXT NOT NULL, use_us INTEGER NOT NULL,
        PRIMARY KEY (project, key)
    ) WITHOUT ROWID;
    CREATE INDEX stage_cache_by_use ON stage_cache (use_us);

    -- How often workers died in the same work.
    CREATE TABLE deaths (
        project TEXT NOT NULL, key TEXT NOT NULL,
        count INTEGER NOT NULL, time_us INTEGER NOT NULL,
        PRIMARY KEY (project, key)
    ) WITHOUT ROWID;

    -- Which project has which blob: it uploaded all of its bytes, or a job of it made them.
    CREATE TABLE blobs (
        project TEXT NOT NULL, sha256 TEXT NOT NULL,
        size_bytes INTEGER NOT NULL, time_us INTEGER NOT NULL,
        PRIMARY KEY (project, sha256)
    ) WITHOUT ROWID;
    CREATE INDEX blobs_by_sha256 ON blobs (sha256);
    CREATE INDEX blobs_by_time ON blobs (time_us);

    -- Why a project still needs a blob. holder: a job's uid, or a key of the stage cache.
    CREATE TABLE blob_uses (
        project TEXT NOT NULL, sha256 TEXT NOT NULL, holder TEXT NOT NULL,
        PRIMARY KEY (project, sha256, holder)
    ) WITHOUT ROWID;
    CREATE INDEX blob_uses_by_holder ON blob_uses (project, holder);

    -- start_us: when a task of the project last started. blob_bytes: sum over its blobs.
    CREATE TABLE projects (
        project TEXT PRIMARY KEY,
        start_us INTEGER NOT NULL DEFAULT 0, blob_bytes INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TRIGGER blob_added AFTER INSERT ON blobs BEGIN
        INSERT INTO projects (project, blob_bytes) VALUES (new.project, new.size_bytes)
            ON CONFLICT DO UPDATE SET blob_bytes = blob_bytes + new.size_bytes;
    END;
    CREATE TRIGGER blob_removed AFTER DELETE ON blobs BEGIN
        UPDATE projects SET blob_bytes = blob_bytes - old.size_bytes
            WHERE project = old.project;
    END;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open a journal for reading and writing; transactions are begun by hand."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new journal, or bring those of an older server to this format.

    Raises:
        InvalidInput: If a newer server wrote the journal at `path`.
    """
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise InvalidInput(
            f"{path} was made by another version of the server (format {version}, this one has "
            f"{VERSION}); use that version or another --data-dir"
        )
    if version == VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    if version:
        _set_aside(database)
    for statement in _statements(_TABLES):
        database.execute(statement)
    database.execute("INSERT INTO meta VALUES ('log_epoch', ?)", (secrets.token_hex(8),))
    database.execute("INSERT INTO meta VALUES ('commit_count', 0)")
    if version:
        _take_over(database, version)
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")


def _statements(script: str) -> list[str]:
    """Split a script; `executescript` would commit the transaction around it."""
    found, statement = [], ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found


def _set_aside(database: sqlite3.Connection) -> None:
    """Give the tables of an older format other names."""
    for index in ("jobs_by_state", "tasks_by_state"):
        database.execute(f"DROP INDEX {index}")
    for table in ("jobs", "events", "tasks"):
        database.execute(f"ALTER TABLE {table} RENAME TO old_{table}")


def _take_over(database: sqlite3.Connection, version: int) -> None:
    """Bring the rows of an older format over. All jobs belong to the project "local"."""
    database.execute(
        "INSERT INTO jobs (uid, project, request_id, spec, state, details, last_sequence,"
        " create_us, start_us, end_us)"
        " SELECT uid, 'local', request_id, spec, state, details, last_sequence,"
        " create_us, start_us, end_us FROM old_jobs"
    )
    database.execute(
        "INSERT INTO events SELECT job_uid, sequence, time_us, kind, body FROM old_events"
    )
    database.execute(
        "INSERT INTO tasks (job_uid, position, kind, worker, state, attempt, failure_count, key,"
        " outcome) SELECT job_uid, position, kind, worker, state, attempt, lost_count, key,"
        " outcome FROM old_tasks"
    )
    database.execute(
        "UPDATE tasks SET state = 'dropped' WHERE state != 'done' AND job_uid IN"
        " (SELECT uid FROM jobs WHERE end_us IS NOT NULL)"
    )
    for table in ("jobs", "events", "tasks"):
        database.execute(f"DROP TABLE old_{table}")
    if version == 1:
        _start_again(database)
    _tell_states_of_stages(database)
    _tell_whose_the_blobs_are(database)


def _start_again(database: sqlite3.Connection) -> None:
    """Send unfinished jobs of format 1 back to their first task.

    Its outcomes name a surface in another way. What has ended is read as it is.
    """
    database.execute(
        "UPDATE tasks SET state = iif(position = 0, 'ready', 'waiting'), outcome = NULL"
        " WHERE job_uid IN (SELECT uid FROM jobs WHERE state NOT IN (?, ?, ?))",
        [state for state in JobState if state.is_final],
    )


def _tell_states_of_stages(database: sqlite3.Connection) -> None:
    """Write down where each stage is, which formats before 3 left to its fraction."""
    unfinished = {JobState.FAILED: StageState.FAILED, JobState.CANCELLED: StageState.CANCELLED}
    rows = database.execute("SELECT uid, state, details FROM jobs").fetchall()
    for uid, state, text in rows:
        details = loads(JobDetails, text)
        open_state = unfinished.get(JobState(state), StageState.RUNNING)
        stages = tuple(
            replace(stage, state=StageState.SUCCEEDED if stage.end_us is not None else open_state)
            for stage in details.stages
        )
        database.execute(
            "UPDATE jobs SET details = ? WHERE uid = ?",
            (dumps(replace(details, stages=stages)), uid),
        )


def _tell_whose_the_blobs_are(database: sqlite3.Connection) -> None:
    """Give the project "local" the blobs of its jobs. Uploads of no job are to be sent again."""
    jobs = database.execute("SELECT uid, spec, details, create_us FROM jobs").fetchall()
    for uid, spec, details, create_us in jobs:
        outcomes = database.execute(
            "SELECT outcome FROM tasks WHERE job_uid = ? AND outcome IS NOT NULL", (uid,)
        ).fetchall()
        previews = (status.preview for status in loads(JobDetails, details).stages)
        held = [
            *loads(JobSpec, spec).inputs,
            *(preview for preview in previews if preview is not None),
            *(digest for (text,) in outcomes for digest in loads(TaskOutcome, text).digests),
        ]
        blobs.hold(database, "local", uid, held, create_us)
