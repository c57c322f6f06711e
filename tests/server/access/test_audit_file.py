import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from server.access.audit_file import AuditFile


def lines(folder: Path) -> list[str]:
    """All lines that are kept, oldest file first."""
    files = sorted(folder.glob("audit.jsonl.*"), key=lambda file: -int(file.suffix[1:]))
    return "".join(file.read_text() for file in (*files, folder / "audit.jsonl")).splitlines()


def test_lines_are_appended(tmp_path: Path) -> None:
    AuditFile(tmp_path / "audit.jsonl").append(b"one\n")
    AuditFile(tmp_path / "audit.jsonl").append(b"two\nthree\n")
    assert lines(tmp_path) == ["one", "two", "three"]
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_full_file_is_put_away_and_the_oldest_goes(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit.jsonl", max_bytes=10, keep=2)
    for number in range(8):
        file.append(b"%04d\n" % number)
    assert (tmp_path / "audit.jsonl").read_text() == "0006\n0007\n"
    assert (tmp_path / "audit.jsonl.1").read_text() == "0004\n0005\n"
    assert (tmp_path / "audit.jsonl.2").read_text() == "0002\n0003\n"
    assert not (tmp_path / "audit.jsonl.3").exists()


def test_a_file_that_was_moved_away_is_made_again(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit.jsonl")
    file.append(b"one\n")
    os.rename(tmp_path / "audit.jsonl", tmp_path / "elsewhere")
    file.append(b"two\n")
    assert lines(tmp_path) == ["two"]


def test_half_a_line_of_before_does_not_swallow_the_next(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_text("one\ntw")
    AuditFile(tmp_path / "audit.jsonl").append(b"three\n")
    assert lines(tmp_path) == ["one", "tw", "three"]


def test_a_full_disk_leaves_no_half_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = AuditFile(tmp_path / "audit.jsonl")
    file.append(b"one\n")
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        if len(content) <= 3:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:3])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            file.append(b"two\n")
    file.append(b"three\n")
    assert lines(tmp_path) == ["one", "three"]


def _append_many(path: Path, name: str, start: Barrier) -> None:
    file = AuditFile(path, max_bytes=300, keep=100)
    start.wait(60)
    for number in range(500):
        file.append(f"{name}{number}\n".encode())


def test_several_processes_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "audit.jsonl"
    start = context.Barrier(2)
    writers = [context.Process(target=_append_many, args=(path, name, start)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    found = lines(tmp_path)
    for name in "ab":
        assert [line for line in found if line[0] == name] == [f"{name}{n}" for n in range(500)]
