"""Which log this is, and how a log that was put back from a backup becomes another one.

A client's cursor counts in one log. After a backup is restored, the numbers go on from an older
place, and a cursor from before could point at other events. So every commit also leaves its number
in a small file beside the journal, the mark. A journal that is behind its mark, or has none, was
replaced, and gets a new epoch. Leave the mark out of backups; `docs/adr/0021` has the cases.
"""

import os
import secrets
import sqlite3
import struct
from pathlib import Path

_COUNT = struct.Struct("<q")


class Mark:
    """The number of the latest commit, outside the journal. The writer's alone."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def read(self) -> int | None:
        """Return the number of the latest commit, None when there is none."""
        content = os.pread(self._file, _COUNT.size, 0)
        return None if len(content) < _COUNT.size else int(_COUNT.unpack(content)[0])

    def write(self, commit_count: int) -> None:
        """Note a commit. Not synced: after a power loss the mark may be behind, never ahead."""
        os.pwrite(self._file, _COUNT.pack(commit_count), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def settle(database: sqlite3.Connection, mark: Mark) -> None:
    """Give the journal a new epoch if it is not the one that the mark was left by."""
    (commit_count,) = database.execute(
        "SELECT value FROM meta WHERE name = 'commit_count'"
    ).fetchone()
    marked = mark.read()
    if marked is None or marked > commit_count:
        database.execute(
            "UPDATE meta SET value = ? WHERE name = 'log_epoch'", (secrets.token_hex(8),)
        )
    mark.write(commit_count)


def count_commit(database: sqlite3.Connection) -> int:
    """Raise the number of commits within a transaction; returns the new one."""
    (count,) = database.execute(
        "UPDATE meta SET value = value + 1 WHERE name = 'commit_count' RETURNING value"
    ).fetchone()
    return int(count)
