"""The audit log: who changed or took what, and who was turned away."""

import asyncio
import json
import logging
import queue
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from server.access.audit_file import AuditFile

logger = logging.getLogger(__name__)

Clock = Callable[[], int]
"""Returns microseconds since 1970."""

AUDITED_RPCS = frozenset(
    {
        "CreateJob",
        "CancelJob",
        "RetryJob",
        "DeleteJob",
        "WriteBlob",
        "WriteBlobChunk",
        "ReadBlob",
    }
)
"""What changes data or hands them out. Not `WatchJob`: its previews are read with `ReadBlob`."""

AUDITED_REASONS = frozenset({"TOKEN_INVALID", "SCOPE_MISSING"})
"""Of whatever call."""

_RESOURCE = re.compile(
    r"jobs/[0-9a-f]{1,64}|blobs/sha256/[0-9a-f]{64}|tokens/[0-9a-f]{12}", re.ASCII
)
_LINES_PER_WRITE = 256


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One call, after it was decided.

    principal, project: "" where it is not known who calls.
    peer: the address, without the port.
    resource: what the call was about: `jobs/<uid>`, `blobs/sha256/<hex>`, `tokens/<id>`, or "".
        Anything else is written as "?": a caller may have put a prompt or a file name there.
    code: the name of the gRPC status.
    reason: that of the refusal, else "".
    """

    request_id: str
    principal: str
    project: str
    peer: str
    rpc: str
    resource: str
    code: str
    reason: str = ""


def is_audited(rpc: str, reason: str) -> bool:
    """Whether a call that ended with `reason` ("": well) belongs into the log.

    None that was RATE_LIMITED does: it did nothing, and whoever floods the server would push out of
    the log what did.
    """
    if reason == "RATE_LIMITED":
        return False
    return rpc in AUDITED_RPCS or reason in AUDITED_REASONS


def line_of(entry: AuditEntry, now_us: int) -> bytes:
    """Return an entry as a line of JSON."""
    is_plain = not entry.resource or _RESOURCE.fullmatch(entry.resource)
    document = {
        "time": datetime.fromtimestamp(now_us / 1e6, UTC).isoformat(timespec="milliseconds"),
        "request_id": entry.request_id,
        "principal": entry.principal,
        "project": entry.project,
        "peer": entry.peer,
        "rpc": entry.rpc,
        "resource": entry.resource if is_plain else "?",
        "code": entry.code,
        "reason": entry.reason,
    }
    return json.dumps(document).encode() + b"\n"


class AuditLog:
    """Writes entries on a thread of its own: the event loop does not wait for the disk.

    No entry is dropped. When more than `max_waiting` of them wait to be written, their calls wait
    too; when the disk is full, until there is room. What waits when the process is killed is lost.
    """

    def __init__(
        self, file: AuditFile, *, clock: Clock, max_waiting: int = 1000, retry_s: float = 1.0
    ) -> None:
        """Write to `file`; try again every `retry_s` where that fails."""
        self._file = file
        self._clock = clock
        self._max_waiting = max_waiting
        self._retry_s = retry_s
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting_count = 0
        self._has_room = asyncio.Event()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="audit", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to write. On the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def record(self, entry: AuditEntry) -> None:
        """Add an entry; wait only while too many wait before it.

        The entry is in the queue even when the caller is cancelled while it waits.
        """
        self._lines.put(line_of(entry, self._clock()))
        self._waiting_count += 1
        while self._waiting_count > self._max_waiting:
            self._has_room.clear()
            await self._has_room.wait()

    async def close(self) -> None:
        """Write what waits, with one try where that fails, and end the thread."""
        self._is_closing.set()
        self._lines.put(None)
        await asyncio.to_thread(self._thread.join)

    def _written(self, count: int) -> None:
        self._waiting_count -= count
        self._has_room.set()

    def _write_all(self) -> None:
        """The writer thread."""
        assert self._loop is not None
        while batch := self._take():
            self._write(batch)
            self._loop.call_soon_threadsafe(self._written, len(batch))

    def _take(self) -> list[bytes]:
        """Wait for lines; return those that are there, none at the end."""
        batch: list[bytes] = []
        line = self._lines.get()
        while line is not None:
            batch.append(line)
            if len(batch) == _LINES_PER_WRITE or self._lines.empty():
                return batch
            line = self._lines.get()
        if batch:
            self._lines.put(None)  # the end is for the next round
        return batch

    def _write(self, batch: list[bytes]) -> None:
        is_told = False
        while True:
            try:
                self._file.append(b"".join(batch))
                return
            except OSError as error:
                if self._is_closing.is_set():
                    logger.error("audit: %d entries are lost: %s", len(batch), error)
                    return
                if not is_told:
                    logger.error("audit: cannot write, and calls wait for it: %s", error)
                is_told = True
                self._is_closing.wait(self._retry_s)
