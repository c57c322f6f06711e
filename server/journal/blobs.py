"""Which project has which blob, and what still needs it.

A project has a blob when it has uploaded all of its bytes or a job of it made them; that another
project has the same bytes is nothing it can learn. What holds a blob is a job, by its uid, or a
row of the stage cache, by its key. The cache holds only what a job holds, too: with the last job
that needs a blob goes every row that names it. The functions here run within a transaction of the
caller.
"""

import sqlite3
from collections.abc import Iterable

from server.artifacts import Digest
from server.refusals import QuotaExceeded


def size(database: sqlite3.Connection, project: str, sha256: str) -> int | None:
    """Return the size of a project's blob in bytes, None for one that it does not have."""
    row = database.execute(
        "SELECT size_bytes FROM blobs WHERE project = ? AND sha256 = ?", (project, sha256)
    ).fetchone()
    return None if row is None else int(row[0])


def project_bytes(database: sqlite3.Connection, project: str) -> int:
    """Return how many bytes a project has, each blob counted once."""
    row = database.execute(
        "SELECT blob_bytes FROM projects WHERE project = ?", (project,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def check_quota(
    database: sqlite3.Connection, project: str, extra_bytes: int, max_bytes: int
) -> None:
    """Raise `QuotaExceeded` if a project may not have so many bytes more. max_bytes 0: no limit."""
    used = project_bytes(database, project)
    if max_bytes and used + extra_bytes > max_bytes:
        raise QuotaExceeded(
            f"the project has {used:,} bytes on the server and may have {max_bytes:,}; "
            f"there is no room for {extra_bytes:,} more, half-done uploads included: delete jobs, "
            "which makes room at once, or wait until uploads that no job uses expire",
            metadata={"quota": "bytes", "limit": str(max_bytes)},
            retry_after_s=60.0,
        )


def check_room(database: sqlite3.Connection, project: str, max_bytes: int) -> None:
    """Raise `QuotaExceeded` if a project already has as many bytes as it may.

    What a job will leave is not known before it has run: it may begin while a byte is free.
    """
    check_quota(database, project, 1, max_bytes)


def stored_bytes(database: sqlite3.Connection) -> int:
    """Return how many bytes all projects have, a blob counted once for each that has it."""
    row = database.execute("SELECT ifnull(sum(blob_bytes), 0) FROM projects").fetchone()
    return int(row[0])


def own(database: sqlite3.Connection, project: str, digest: Digest, now_us: int) -> None:
    """Give a project a blob. Again: its time starts anew."""
    database.execute(
        "INSERT INTO blobs VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET time_us = excluded.time_us",
        (project, digest.sha256, digest.size_bytes, now_us),
    )


def hold(
    database: sqlite3.Connection,
    project: str,
    holder: str,
    digests: Iterable[Digest],
    now_us: int,
) -> None:
    """Note that `holder` needs blobs; gives the project those that it did not have."""
    for digest in digests:
        if size(database, project, digest.sha256) is None:
            own(database, project, digest, now_us)
        database.execute(
            "INSERT OR IGNORE INTO blob_uses VALUES (?, ?, ?)", (project, digest.sha256, holder)
        )


def let_go(database: sqlite3.Connection, project: str, holder: str) -> list[str]:
    """Note that `holder` is gone. Returns the SHA-256 of what it held."""
    rows = database.execute(
        "DELETE FROM blob_uses WHERE project = ? AND holder = ? RETURNING sha256",
        (project, holder),
    ).fetchall()
    return [sha256 for (sha256,) in rows]


def is_of_a_job(database: sqlite3.Connection, project: str, sha256: str) -> bool:
    """Whether a job of the project needs a blob."""
    row = database.execute(
        "SELECT 1 FROM blob_uses JOIN jobs ON jobs.uid = blob_uses.holder"
        " WHERE blob_uses.project = ? AND blob_uses.sha256 = ? LIMIT 1",
        (project, sha256),
    ).fetchone()
    return row is not None


def holders(database: sqlite3.Connection, project: str, sha256: str) -> list[str]:
    """Return what holds a blob of a project: uids of jobs and keys of the stage cache."""
    rows = database.execute(
        "SELECT holder FROM blob_uses WHERE project = ? AND sha256 = ?", (project, sha256)
    ).fetchall()
    return [holder for (holder,) in rows]


def disown(database: sqlite3.Connection, project: str, sha256: str) -> None:
    """Take a blob from its project."""
    database.execute("DELETE FROM blobs WHERE project = ? AND sha256 = ?", (project, sha256))


def forget_unused(database: sqlite3.Connection, before_us: int, limit: int) -> int:
    """Take from their projects blobs that nothing holds and that came before a time.

    Returns how many: `limit` at most.
    """
    rows = database.execute(
        "SELECT project, sha256 FROM blobs WHERE time_us < ? AND NOT EXISTS"
        " (SELECT 1 FROM blob_uses AS used"
        " WHERE used.project = blobs.project AND used.sha256 = blobs.sha256) LIMIT ?",
        (before_us, limit),
    ).fetchall()
    database.executemany("DELETE FROM blobs WHERE project = ? AND sha256 = ?", rows)
    return len(rows)


def is_known(database: sqlite3.Connection, sha256: str) -> bool:
    """Whether any project has a blob."""
    row = database.execute("SELECT 1 FROM blobs WHERE sha256 = ? LIMIT 1", (sha256,)).fetchone()
    return row is not None
