"""A client of the contract that survives cut connections. Blocking; one per thread."""

import hashlib
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server.calls.errors import DETAILS_KEY
from server.cli.channel import NO_CREDENTIALS, Credentials, open_channel
from server.pb import lodsmith_pb2 as pb
from server.pb import lodsmith_pb2_grpc as pb_grpc

T = TypeVar("T")

CHUNK_BYTES = 1 << 20
PATIENCE_S = 30.0  # how long an unreachable server is tried again without any success
UNARY_TIMEOUT_S = 10.0

# CANCELLED that nobody asked for is how an overloaded server sheds streams. ABORTED is an upload
# whose cut stream the server has not noticed yet. Every call of the contract is safe to repeat.
_TRANSIENT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)


class CallFailed(Exception):
    """The server refused a call, or could not be reached.

    Attributes:
        reason: `ErrorInfo.reason`, or the name of the gRPC status where there is none.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Client:
    """One server, seen by one client."""

    def __init__(
        self,
        address: str,
        credentials: Credentials = NO_CREDENTIALS,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Talk to the server at `address`. Connects with the first call.

        `address` and `credentials` are as in `open_channel`, and so is what it raises.
        """
        self._address = address
        self._patience_s = patience_s
        self._channel = open_channel(address, credentials)
        self._jobs = pb_grpc.JobServiceStub(self._channel)
        self._blobs = pb_grpc.BlobServiceStub(self._channel)
        self._catalog = pb_grpc.CatalogServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def info(self) -> pb.GetServerInfoResponse:
        """Return what the server is. Raises `CallFailed`, as every method here."""
        response: pb.GetServerInfoResponse = self._patiently(
            lambda: self._catalog.GetServerInfo(pb.GetServerInfoRequest(), timeout=UNARY_TIMEOUT_S)
        )
        return response

    def create(self, spec: pb.JobSpec) -> pb.Job:
        """Create a job, exactly one however often the connection is cut."""
        request = pb.CreateJobRequest(request_id=uuid.uuid4().hex, spec=spec)
        response: pb.CreateJobResponse = self._patiently(
            lambda: self._jobs.CreateJob(request, timeout=UNARY_TIMEOUT_S)
        )
        return response.job

    def cancel(self, name: str) -> pb.Job:
        """Ask a job to stop."""
        response: pb.CancelJobResponse = self._patiently(
            lambda: self._jobs.CancelJob(pb.CancelJobRequest(name=name), timeout=UNARY_TIMEOUT_S)
        )
        return response.job

    def watch(self, name: str, after_sequence: int = 0) -> Iterator[pb.JobEvent]:
        """Yield a job's events to the last, each once, across cut connections."""
        patience = _Patience(self._patience_s)
        while True:
            request = pb.WatchJobRequest(name=name, after_sequence=after_sequence)
            stream = self._jobs.WatchJob(request)
            try:
                for response in stream:
                    patience.restore()
                    yield response.event
                    after_sequence = response.event.sequence
                    if response.event.WhichOneof("kind") == "finished":
                        return
            except grpc.RpcError as error:
                self._forgive(error, patience)
            finally:
                stream.cancel()

    def upload(self, path: Path, on_progress: Callable[[float], None]) -> pb.Digest:
        """Send a file, or what the server lacks of it.

        Args:
            path: The file.
            on_progress: Hears the share that the server has, in [0, 1].
        """
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").digest()
            digest = pb.Digest(sha256=sha256, size_bytes=file.tell())
        query = pb.QueryBlobWriteRequest(upload_id=uuid.uuid4().hex, digest=digest)
        patience = _Patience(self._patience_s)
        while True:
            status: pb.QueryBlobWriteResponse = self._patiently(
                lambda: self._blobs.QueryBlobWrite(query, timeout=UNARY_TIMEOUT_S)
            )
            if status.complete:
                on_progress(1.0)
                return digest
            try:
                messages = _upload_messages(path, query, status.committed_size, on_progress)
                self._blobs.WriteBlob(messages)
                patience.restore()
            except grpc.RpcError as error:
                self._forgive(error, patience)

    def download(self, artifacts: Sequence[pb.Artifact], folder: Path) -> list[Path]:
        """Write artifacts into a folder: all of them, whole and checked, or none.

        Raises:
            CallFailed: From the server, or for bytes that do not hash to their digest.
            OSError: If the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        written: list[tuple[Path, Path]] = []
        try:
            for artifact in artifacts:
                path = folder / _plain_name(artifact.file_name)
                temporary = folder / f".{path.name}.{uuid.uuid4().hex[:8]}.part"
                written.append((temporary, path))
                self._download(artifact.digest, temporary)
            for temporary, path in written:
                temporary.replace(path)
        finally:
            for temporary, _ in written:
                with suppress(FileNotFoundError):
                    temporary.unlink()
        return [path for _, path in written]

    def _download(self, digest: pb.Digest, path: Path) -> None:
        patience = _Patience(self._patience_s)
        sha = hashlib.sha256()
        offset = 0
        with path.open("xb") as file:
            while offset < digest.size_bytes:
                stream = self._blobs.ReadBlob(pb.ReadBlobRequest(digest=digest, offset=offset))
                try:
                    for response in stream:
                        patience.restore()
                        file.write(response.data)
                        sha.update(response.data)
                        offset += len(response.data)
                except grpc.RpcError as error:
                    self._forgive(error, patience)
                finally:
                    stream.cancel()
        if sha.digest() != digest.sha256:
            raise CallFailed(
                f"{path.name} arrived damaged: its bytes hash to {sha.hexdigest()}, not to "
                f"{digest.sha256.hex()}; run the job again",
                "BLOB_DAMAGED",
            )

    def _patiently(self, call: Callable[[], T]) -> T:
        """Call again until it succeeds, fails for good, or patience ends."""
        patience = _Patience(self._patience_s)
        while True:
            try:
                return call()
            except grpc.RpcError as error:
                self._forgive(error, patience)

    def _forgive(self, error: grpc.RpcError, patience: "_Patience") -> None:
        """Wait where trying again may help, else raise what the server said."""
        code = error.code()
        reason = _reason(error) or code.name
        if (code in _TRANSIENT or reason == "RATE_LIMITED") and patience.wait():
            return
        message = error.details() or code.name
        if code is grpc.StatusCode.UNAVAILABLE and reason == code.name:
            message = (
                f"there is no server at {self._address} ({message}); "
                "start one with `lodsmith serve`, or leave --server away"
            )
        raise CallFailed(message, reason) from error


class _Patience:
    """How long to go on after failures in a row: waits grow, with jitter, until time is up."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self.restore()

    def restore(self) -> None:
        """Forget earlier failures."""
        self._wait_s = 0.1
        self._deadline_s = time.monotonic() + self._patience_s

    def wait(self) -> bool:
        """Wait for the next try; False when there should be none."""
        wait_s = self._wait_s * random.uniform(0.5, 1.5)  # spreads clients that were cut together
        if time.monotonic() + wait_s > self._deadline_s:
            return False
        time.sleep(wait_s)
        self._wait_s = min(2.0, 2 * self._wait_s)
        return True


def _upload_messages(
    path: Path,
    query: pb.QueryBlobWriteRequest,
    offset: int,
    on_progress: Callable[[float], None],
) -> Iterator[pb.WriteBlobRequest]:
    size = query.digest.size_bytes
    first = pb.WriteBlobRequest(upload_id=query.upload_id, digest=query.digest, offset=offset)
    with path.open("rb") as file:
        file.seek(offset)
        first.data = file.read(CHUNK_BYTES)
        yield first
        offset += len(first.data)
        while offset < size and (data := file.read(CHUNK_BYTES)):
            on_progress(offset / size)
            yield pb.WriteBlobRequest(offset=offset, data=data)
            offset += len(data)


def _plain_name(file_name: str) -> str:
    """Return a server's file name if it stays in its folder: a server is not to be trusted."""
    if not file_name or file_name.startswith(".") or set(file_name) & set("/\\:\0"):
        raise CallFailed(f"the server sent the file name {file_name!r}", "INTERNAL")
    return file_name


def _reason(error: Any) -> str:  # Any: a call that failed; the stubs know less of it than it has
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            for detail in Status.FromString(value).details:
                info = details.ErrorInfo()
                if detail.Unpack(info):
                    return str(info.reason)
    return ""
