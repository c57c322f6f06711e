"""A full disk, and a process that dies at the worst moment."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import DiskFull
from server.failpoints import ENVIRONMENT
from server.jobs import JobState
from server.journal import JobStore
from tests.server.journal.harness import ERROR, SPEC, P, create, log, run, start

LONG = replace(ERROR, message="x" * 1_000_000)


def test_ends_are_written_down_on_a_full_disk_and_nothing_new_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(store: JobStore) -> None:
        jobs = [await create(store), await create(store)]
        await start(store)
        await start(store)
        databases: list[sqlite3.Connection] = []
        free = store._reserve.free

        def fill_the_disk(database: sqlite3.Connection) -> None:
            (pages,) = database.execute("PRAGMA page_count").fetchone()
            database.execute(f"PRAGMA max_page_count = {pages}")
            databases.append(database)

        def freed() -> bool:
            databases[0].execute("PRAGMA max_page_count = 1000000")
            return free()

        monkeypatch.setattr(store._reserve, "free", freed)
        monkeypatch.setattr(store._reserve, "fill", lambda: None)
        await store._write(lambda journal: fill_the_disk(journal.database))
        assert store._reserve.is_there
        assert (await store.fail(jobs[0].uid, LONG)).state is JobState.FAILED
        assert not store._reserve.is_there
        with pytest.raises(DiskFull, match="free some space"):
            await create(store)
        monkeypatch.undo()
        await create(store)  # there is room again, and the reserve is refilled
        assert store._reserve.is_there
        store._reserve.free()
        await store._write(lambda journal: fill_the_disk(journal.database))
        with pytest.raises(DiskFull):
            await store.fail(jobs[1].uid, LONG)
        assert store.job(jobs[1].uid, project=P).state is JobState.RUNNING  # for the next start
        for job in jobs:
            log(store, job.uid)

    run(tmp_path, act)


CREATES = """
import asyncio, itertools, sys
from pathlib import Path
from server.jobs import JobSpec
from server.journal import JobStore

async def whole():
    ticks = itertools.count(1)
    store = JobStore(Path(sys.argv[1]) / "journal.sqlite3", clock=lambda: next(ticks))
    await store.open()
    for number in itertools.count():
        spec = JobSpec(asset_name="A", prompt="a")
        await store.create(project="local", request_id=str(number), spec=spec)
        print(number, flush=True)

asyncio.run(whole())
"""


@pytest.mark.parametrize(
    ("failpoint", "is_durable"),
    [("commit.before:4", False), ("commit.after:4", True)],  # the first commit recovers
)
def test_what_was_answered_survives_a_crash_and_a_repeat_finds_the_rest(
    tmp_path: Path, failpoint: str, is_durable: bool
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CREATES, str(tmp_path)],
        env=os.environ | {ENVIRONMENT: failpoint, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert ended.stdout.split() == ["0", "1"]  # the third was not answered

    async def act(store: JobStore) -> None:
        assert len(store.jobs(project=P, limit=9)) == 2 + is_durable
        for number in range(3):
            spec = replace(SPEC, asset_name="A", prompt="a")
            _, is_known = await store.create(project=P, request_id=str(number), spec=spec)
            assert is_known == (number < 2 or is_durable)
        assert len(store.jobs(project=P, limit=9)) == 3

    run(tmp_path, act)
