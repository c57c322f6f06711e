"""What tasks have left for the next ones that are the same, and which work kills its workers.

By project and key of the work; see docs/adr/0020. The functions here run within a transaction of
the caller.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from server.artifacts import Digest
from server.engine import Previewed, TaskOutcome, Warned
from server.journal import blobs
from server.journal.reads import readable
from server.record import dumps


@dataclass(frozen=True, kw_only=True)
class KeptWork:
    """What a task left, for the next one that is the same.

    warnings, previews: what its job was told, which the next job is told again.
    """

    outcome: TaskOutcome
    warnings: tuple[Warned, ...] = ()
    previews: tuple[Previewed, ...] = ()

    @property
    def digests(self) -> tuple[Digest, ...]:
        """All blobs that it names."""
        return self.outcome.digests + tuple(preview.image for preview in self.previews)


def work(database: sqlite3.Connection, project: str, key: str) -> KeptWork | None:
    """Return what the same work of the project left before; None also if it is unreadable."""
    text = _value(database, project, key)
    return None if text is None else readable(KeptWork, text)


def part(database: sqlite3.Connection, project: str, key: str) -> Digest | None:
    """Return a part of a build that the project has kept; None also if it is unreadable."""
    text = _value(database, project, key)
    return None if text is None else readable(Digest, text)


def _value(database: sqlite3.Connection, project: str, key: str) -> str | None:
    row = database.execute(
        "SELECT value FROM stage_cache WHERE project = ? AND key = ?", (project, key)
    ).fetchone()
    return None if row is None else str(row[0])


def keep_work(
    database: sqlite3.Connection, project: str, key: str, kept: KeptWork, now_us: int
) -> None:
    """Keep what a task has left, in the place of what it left before. It kills no workers."""
    _keep(database, project, key, dumps(kept), kept.digests, now_us)
    database.execute("DELETE FROM deaths WHERE project = ? AND key = ?", (project, key))


def keep_part(
    database: sqlite3.Connection, project: str, key: str, digest: Digest, now_us: int
) -> None:
    """Keep a part of a build, in the place of an older one."""
    _keep(database, project, key, dumps(digest), [digest], now_us)


def _keep(
    database: sqlite3.Connection,
    project: str,
    key: str,
    value: str,
    digests: Sequence[Digest],
    now_us: int,
) -> None:
    blobs.let_go(database, project, key)
    blobs.hold(database, project, key, digests, now_us)
    database.execute(
        "INSERT INTO stage_cache VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = excluded.value, use_us = excluded.use_us",
        (project, key, value, now_us),
    )


def use(database: sqlite3.Connection, project: str, key: str, now_us: int) -> None:
    """Note that something kept was of use."""
    database.execute(
        "UPDATE stage_cache SET use_us = ? WHERE project = ? AND key = ?", (now_us, project, key)
    )


def forget(database: sqlite3.Connection, project: str, key: str) -> None:
    """Delete what is kept under a key."""
    database.execute("DELETE FROM stage_cache WHERE project = ? AND key = ?", (project, key))
    blobs.let_go(database, project, key)


def forget_unused(database: sqlite3.Connection, before_us: int, limit: int) -> int:
    """Delete what was of no use since a time, and what is known of deaths before it.

    Returns how much of the former: `limit` at most.
    """
    rows = database.execute(
        "SELECT project, key FROM stage_cache WHERE use_us < ? ORDER BY use_us LIMIT ?",
        (before_us, limit),
    ).fetchall()
    for project, key in rows:
        forget(database, project, key)
    database.execute("DELETE FROM deaths WHERE time_us < ?", (before_us,))
    return len(rows)


def count_death(database: sqlite3.Connection, project: str, key: str, now_us: int) -> None:
    """Note that a worker has died in this work."""
    database.execute(
        "INSERT INTO deaths VALUES (?, ?, 1, ?)"
        " ON CONFLICT DO UPDATE SET count = count + 1, time_us = excluded.time_us",
        (project, key, now_us),
    )


def death_count(database: sqlite3.Connection, project: str, key: str, since_us: int) -> int:
    """Return how many workers died in this work since it last succeeded, 0 if long ago."""
    row = database.execute(
        "SELECT count FROM deaths WHERE project = ? AND key = ? AND time_us >= ?",
        (project, key, since_us),
    ).fetchone()
    return 0 if row is None else int(row[0])
