"""What the plugin asks of a server, across cut connections. Blocking; for worker threads."""

import hashlib
import os
import random
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, Optional

from lodsmith.rpc import CallFailed, Code, Server, Stop
from lodsmith.wire import Message

CHUNK_BYTES = 1 << 20  # the most that a server takes at once
PATIENCE_S = 30.0  # how long a server is tried again without any success
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0

OnProgress = Callable[[int, int], None]  # bytes done, bytes in all


class Client:
    """A server, seen by one user. Has no state but its patience; may be used by many threads."""

    def __init__(
        self,
        server: Server,
        *,
        patience_s: float = PATIENCE_S,
        on_wait: Callable[[CallFailed], None] = lambda error: None,
    ) -> None:
        """See a server.

        Args:
            patience_s: How long it is tried again without any success; may be infinite.
            on_wait: Hears of each failure that is forgiven, on the thread that waits.
        """
        self._server = server
        self._patience_s = patience_s
        self._on_wait = on_wait

    def call(self, method: str, stop: Stop, **fields: Any) -> Message:
        """Make a unary call, again where that may help: `call("GetJob", stop, name="jobs/1")`.

        Raises:
            CallFailed: If the server refuses, or could not be reached until patience ended.
            Stopped: If `stop` was set.
        """
        request = Message(f"{method}Request", **fields)
        patience = _Patience(self._patience_s, stop, self._on_wait)
        while True:
            try:
                return self._server.call(method, request, stop)
            except CallFailed as error:
                patience.forgive(error)

    def follow(
        self,
        name: str,
        on_event: Callable[[Message], None],
        stop: Stop,
        after_sequence: int = 0,
        log_epoch: str = "",
    ) -> Message:
        """Follow a job to its end across cut connections and restarts; return it as it ended.

        Args:
            name: `Job.name`.
            on_event: Hears each event once and in order, on this thread. Heartbeats come, too.
            stop: Ends following. The job goes on.
            after_sequence: The last sequence already seen. 0: begin with a snapshot.
            log_epoch: `Job.log_epoch` of that cursor. "": it is not compared.

        Raises: As `call`, and DATA_LOSS for a gap.
        """
        heartbeat_s = int(min(60, max(5, self._server.idle_timeout_s // 3)))
        request = Message(
            "WatchJobRequest",
            name=name,
            after_sequence=after_sequence,
            log_epoch=log_epoch,
            heartbeat_interval=Message("Duration", seconds=heartbeat_s),
        )
        patience = _Patience(self._patience_s, stop, self._on_wait)
        while True:
            try:
                for response in self._server.stream("WatchJob", request, stop):
                    event = response.event
                    patience.restore()
                    if event is None or not _is_news(event, request):
                        continue
                    on_event(event)
                    if event.which("kind") == "finished":
                        return event.finished  # type: ignore[no-any-return]  # a Message
                raise CallFailed(Code.UNAVAILABLE, f"the server stopped to tell of {name}")
            except CallFailed as error:
                if error.reason == "LOG_EPOCH_CHANGED" and request.after_sequence:
                    # The cursor is of another log: begin with a snapshot.
                    request.after_sequence, request.log_epoch = 0, ""
                    continue
                patience.forgive(error)

    def upload(self, path: Path, on_progress: OnProgress, stop: Stop) -> Message:
        """Send a file, or what the server lacks of it. Returns its Digest.

        Raises: As `call`, and OSError if the file cannot be read.
        """
        with path.open("rb") as file:
            sha = hashlib.sha256()
            while chunk := file.read(CHUNK_BYTES):
                stop.check()
                sha.update(chunk)
            digest = Message("Digest", sha256=sha.digest(), size_bytes=file.tell())
            upload = {"upload_id": uuid.uuid4().hex, "digest": digest}
            status = self.call("QueryBlobWrite", stop, **upload)
            while not status.complete:
                offset = status.committed_size
                file.seek(offset)
                data = file.read(CHUNK_BYTES)
                # An offset that the server has not got any more makes it tell its own.
                try:
                    status = self.call("WriteBlobChunk", stop, **upload, offset=offset, data=data)
                except CallFailed as error:
                    if error.reason != "OFFSET_MISMATCH":
                        raise
                    status = self.call("QueryBlobWrite", stop, **upload)
                if status.committed_size == offset and data and not status.complete:
                    raise CallFailed(
                        Code.INTERNAL, f"the server does not take the bytes of {path} at {offset:,}"
                    )
                on_progress(status.committed_size, digest.size_bytes)
        return digest

    def download(self, digest: Message, path: Path, on_progress: OnProgress, stop: Stop) -> None:
        """Fetch a blob into a file.

        The bytes go to `<path>.part`, which takes the file's place once it is whole and hashes to
        the digest. It stays after a failure, and the next download goes on from there.

        Raises: As `call`, DATA_LOSS for bytes that are others, and OSError if the disk is full or
            the folder cannot be written.
        """
        part = path.with_name(f"{path.name}.part")
        # What lay there may have been another's; what comes now can only be damaged.
        tries = 2 if part.exists() else 1
        if not any(self._fill(digest, part, on_progress, stop) for _ in range(tries)):
            raise CallFailed(
                Code.DATA_LOSS,
                f"what arrived for {path.name} does not hash to {digest.sha256.hex()}; "
                "run its job again",
                "BLOB_DAMAGED",
            )
        os.replace(part, path)

    def _fill(self, digest: Message, part: Path, on_progress: OnProgress, stop: Stop) -> bool:
        """Bring the part to its end; False, and no part, if its bytes are not the digest's."""
        patience = _Patience(self._patience_s, stop, self._on_wait)
        sha = hashlib.sha256()
        with part.open("a+b") as file:
            file.seek(0)
            while chunk := file.read(CHUNK_BYTES):
                stop.check()
                sha.update(chunk)
            while file.tell() < digest.size_bytes:
                try:
                    self._fetch(digest, file, sha, on_progress, stop, patience)
                except CallFailed as error:
                    patience.forgive(error)
            is_right = bool(sha.digest() == digest.sha256)
            if is_right:
                file.flush()
                os.fsync(file.fileno())
        if not is_right:
            part.unlink()
        return is_right

    def _fetch(
        self,
        digest: Message,
        file: Any,
        sha: Any,
        on_progress: OnProgress,
        stop: Stop,
        patience: "_Patience",
    ) -> None:
        """Fetch from where the file ends, in one request."""
        offset = file.tell()
        left = digest.size_bytes - offset
        path = f"/v1/blobs/sha256/{digest.sha256.hex()}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with closing(self._server.request("GET", path, headers=headers, stop=stop)) as exchange:
            begins = f"bytes {offset}-"
            place = exchange.response.getheader("Content-Range", "bytes 0-")
            if not place.startswith(begins):
                raise CallFailed(Code.INTERNAL, f"the server sent {place}, wanted was {begins}")
            size = exchange.response.length
            if size is not None and size != left:
                raise CallFailed(
                    Code.DATA_LOSS, f"the server has {size:,} bytes where {left:,} should be"
                )
            while chunk := exchange.read(CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    raise CallFailed(Code.DATA_LOSS, f"the server sends more than {offset:,} bytes")
                file.write(chunk)
                sha.update(chunk)
                patience.restore()
                on_progress(file.tell(), digest.size_bytes)
            if left:
                raise exchange.cut()


def _is_news(event: Message, request: Message) -> bool:
    """Move the cursor to an event; False for one that has come before."""
    kind = event.which("kind")
    if kind == "heartbeat":
        return True
    is_state = kind in ("snapshot", "finished")
    if not is_state and event.sequence <= request.after_sequence:
        return False
    if not is_state and request.after_sequence and event.sequence > request.after_sequence + 1:
        raise CallFailed(
            Code.DATA_LOSS,
            f"after event {request.after_sequence} of {request.name} came {event.sequence}; "
            "follow the job anew",
        )
    request.after_sequence = event.sequence
    if kind == "snapshot":
        request.log_epoch = event.snapshot.log_epoch
    return True


class _Patience:
    """How long to go on after failures in a row: waits grow, with jitter, until time is up."""

    def __init__(
        self, patience_s: float, stop: Stop, on_wait: Callable[[CallFailed], None]
    ) -> None:
        self._on_wait = on_wait
        self._patience_s = patience_s
        self._stop = stop
        self.restore()

    def restore(self) -> None:
        """Forget earlier failures."""
        self._wait_s = FIRST_WAIT_S
        self._since_s: Optional[float] = None

    def forgive(self, error: CallFailed) -> None:
        """Wait for the next try; raise `error` where there should be none."""
        now_s = time.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        # The jitter keeps clients apart that were cut together.
        wait_s = max(self._wait_s * random.uniform(0.5, 1.5), error.retry_after_s or 0.0)
        may_help = error.is_transient or error.retry_after_s is not None
        if not may_help or now_s + wait_s > self._since_s + self._patience_s:
            raise error
        self._on_wait(error)
        self._stop.wait(wait_s)
        self._wait_s = min(LONGEST_WAIT_S, 2 * self._wait_s)
