"""A log that was put back from a backup is another log."""

import shutil
from pathlib import Path

from server.journal import JobStore
from tests.server.journal.harness import create, run


def epoch(path: Path, job_count: int = 0) -> str:
    """Run a server for a while and return its log's epoch."""
    found = []

    async def act(store: JobStore) -> None:
        found.append(store.log_epoch)
        for _ in range(job_count):
            await create(store)

    run(path, act)
    return found[0]


def test_a_journal_keeps_its_epoch_over_restarts(tmp_path: Path) -> None:
    assert epoch(tmp_path, 3) == epoch(tmp_path) == epoch(tmp_path)


def test_two_journals_have_two_epochs(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert epoch(tmp_path) != epoch(tmp_path / "other")


def test_an_older_journal_in_the_place_of_a_newer_is_another_log(tmp_path: Path) -> None:
    first = epoch(tmp_path, 1)
    shutil.copy(tmp_path / "journal.sqlite3", tmp_path / "backup")
    assert epoch(tmp_path, 1) == first
    shutil.copy(tmp_path / "backup", tmp_path / "journal.sqlite3")
    second = epoch(tmp_path)
    assert second != first
    assert epoch(tmp_path) == second


def test_a_folder_put_back_without_its_mark_is_another_log(tmp_path: Path) -> None:
    first = epoch(tmp_path, 1)
    (tmp_path / "journal.mark").unlink()
    assert epoch(tmp_path) != first


def test_a_mark_that_lost_its_last_commits_is_no_reason(tmp_path: Path) -> None:
    first = epoch(tmp_path)
    mark = (tmp_path / "journal.mark").read_bytes()
    epoch(tmp_path, 5)
    (tmp_path / "journal.mark").write_bytes(mark)  # as after a power loss
    assert epoch(tmp_path) == first
