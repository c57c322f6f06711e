import asyncio
import json
import logging
import threading
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from server.access.audit import (
    AUDITED_REASONS,
    AUDITED_RPCS,
    AuditEntry,
    AuditLog,
    is_audited,
    line_of,
)
from server.access.audit_file import AuditFile
from server.pb import lodsmith_pb2 as pb

NOW_US = 1_800_000_000_123_456
ENTRY = AuditEntry(
    request_id="0" * 32,
    principal="alice",
    project="game",
    peer="10.0.0.7",
    rpc="CreateJob",
    resource="jobs/" + "a" * 32,
    code="OK",
)


def entry(number: int) -> AuditEntry:
    return replace(ENTRY, request_id=str(number))


def numbers(path: Path) -> list[int]:
    return [int(json.loads(line)["request_id"]) for line in path.read_text().splitlines()]


def test_a_line_has_it_all() -> None:
    line = line_of(ENTRY, NOW_US)
    assert line.endswith(b"}\n")
    assert json.loads(line) == {"time": "2027-01-15T08:00:00.123+00:00", **asdict(ENTRY)}


@pytest.mark.parametrize(
    "resource",
    ["", "jobs/" + "a" * 32, "blobs/sha256/" + "0" * 64, "tokens/0123456789ab"],
)
def test_what_the_server_has_named_is_written(resource: str) -> None:
    assert json.loads(line_of(replace(ENTRY, resource=resource), 0))["resource"] == resource


@pytest.mark.parametrize(
    "resource", ["jobs/a red mushroom", "C:/Alice/secret.glb", "jobs/a\n{}", "jobs/" + "a" * 65]
)
def test_what_a_caller_has_written_is_not(resource: str) -> None:
    assert json.loads(line_of(replace(ENTRY, resource=resource), 0))["resource"] == "?"


def test_the_contract_has_what_is_audited() -> None:
    services = pb.DESCRIPTOR.services_by_name.values()
    methods = {method.name for service in services for method in service.methods}
    assert methods >= AUDITED_RPCS
    assert {f"ERROR_REASON_{reason}" for reason in AUDITED_REASONS} <= set(pb.ErrorReason.keys())


def test_which_calls_are_audited() -> None:
    assert is_audited("CreateJob", "")
    assert is_audited("DeleteJob", "JOB_NOT_FOUND")
    assert is_audited("GetJob", "TOKEN_INVALID")
    assert not is_audited("GetJob", "")
    assert not is_audited("CreateJob", "RATE_LIMITED")
    assert not is_audited("WatchJob", "")


class GatedFile(AuditFile):
    """A file that can be written while the gate is open, and fails `failures` times first."""

    def __init__(self, path: Path, failures: int = 0) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.is_waiting = threading.Event()
        self.failures = failures

    def append(self, lines: bytes) -> None:
        self.is_waiting.set()
        assert self.gate.wait(10)
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        super().append(lines)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


def test_entries_are_written_in_order(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    async def whole() -> None:
        log = AuditLog(AuditFile(path), clock=lambda: NOW_US)
        log.start()
        for number in range(2000):
            await log.record(entry(number))
        await log.close()

    run(whole)
    assert numbers(path) == list(range(2000))


def test_calls_wait_when_too_many_entries_do_and_the_loop_does_not(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = GatedFile(path)

    async def whole() -> None:
        log = AuditLog(file, clock=lambda: NOW_US, max_waiting=3)
        log.start()
        for number in range(3):
            await log.record(entry(number))
        calls = [asyncio.create_task(log.record(entry(number))) for number in range(3, 6)]
        for _ in range(100):  # the loop turns
            await asyncio.sleep(0)
        assert not any(call.done() for call in calls)
        calls[0].cancel()  # its client has left; its entry has not
        file.gate.set()
        await asyncio.wait(calls)
        assert [call.cancelled() for call in calls] == [True, False, False]
        await log.close()

    run(whole)
    assert numbers(path) == list(range(6))


def test_a_full_disk_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "audit.jsonl"
    file = GatedFile(path, failures=3)
    file.gate.set()

    async def whole() -> None:
        log = AuditLog(file, clock=lambda: NOW_US, max_waiting=1, retry_s=0.0)
        log.start()
        for number in range(5):
            await log.record(entry(number))
        await log.close()

    run(whole)
    assert numbers(path) == list(range(5))
    errors = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "No space left" in errors[0].getMessage()


def test_a_server_that_stops_on_a_full_disk_says_what_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = GatedFile(tmp_path / "audit.jsonl", failures=1000)

    async def whole() -> None:
        log = AuditLog(file, clock=lambda: NOW_US, retry_s=60.0)
        log.start()
        await log.record(entry(1))
        closing = asyncio.create_task(log.close())
        await asyncio.to_thread(file.is_waiting.wait)
        file.gate.set()
        await closing

    run(whole)
    assert "1 entries are lost" in caplog.text
