"""gRPC-Web: the wire vectors of all clients, and a server that does as a test says."""

import contextlib
import http.client
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lodsmith.rpc import BadAddress, CallFailed, Code, Server, Stop, Stopped, frames
from lodsmith.wire import Message

from server.pb import lodsmith_pb2 as pb
from tests.server.access.certificate_authority import CertificateAuthority
from tests.wire.write_vectors import FOLDER, MAX_MESSAGE_BYTES

ANSWERS: list[dict[str, Any]] = json.loads((FOLDER / "answers.json").read_text("utf-8"))
RESPONSES = {"stream": pb.WatchJobResponse, "unary": pb.GetJobResponse}
METHODS = {"stream": "WatchJob", "unary": "GetJob"}
SLICES = (1, 2, 3, 5, 7, 4096)
MUTATIONS = 10_000


def body_of(vector: dict[str, Any]) -> bytes:
    return b"".join(bytes.fromhex(part) for part in vector["body"])


class SlicedSocket:
    """A socket that gives one answer in slices, for `http.client`."""

    def __init__(self, vector: dict[str, Any], slice_bytes: int) -> None:
        lines = [f"HTTP/1.1 {vector['status']} Whatever"]
        lines += [f"{name}: {value}" for name, value in vector["headers"].items()]
        head = "\r\n".join([*lines, "connection: close", "", ""]).encode()
        self._head, self._body = head, body_of(vector)
        self._slice_bytes = slice_bytes

    def makefile(self, mode: str) -> "SlicedSocket":
        return self

    def readline(self, limit: int = -1) -> bytes:
        line, end, self._head = self._head.partition(b"\n")
        return line + end

    def read(self, count: int = -1) -> bytes:
        taken = self.read1(count)
        return taken if not taken or count >= 0 else taken + self.read(count)

    def read1(self, count: int = -1) -> bytes:
        count = self._slice_bytes if count < 0 else min(count, self._slice_bytes)
        taken, self._body = self._body[:count], self._body[count:]
        return taken

    def settimeout(self, seconds: float) -> None: ...
    def sendall(self, data: bytes) -> None: ...
    def shutdown(self, how: int) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


def read(
    monkeypatch: pytest.MonkeyPatch, vector: dict[str, Any], slice_bytes: int
) -> tuple[list[bytes], CallFailed | None]:
    """Let the client read an answer; return its messages, and its end if that is a failure."""
    sliced = SlicedSocket(vector, slice_bytes)
    monkeypatch.setattr(
        http.client.HTTPConnection, "connect", lambda self: setattr(self, "sock", sliced)
    )
    server = Server("http://127.0.0.1:1", max_message_bytes=MAX_MESSAGE_BYTES)
    method, messages = METHODS[vector["call"]], []
    request = Message(f"{method}Request", name="jobs/1")
    try:
        if vector["call"] == "unary":
            messages.append(server.call(method, request, Stop()).to_bytes())
        else:
            for message in server.stream(method, request, Stop()):
                messages.append(message.to_bytes())
    except CallFailed as error:
        return messages, error
    return messages, None


@pytest.mark.parametrize("vector", ANSWERS, ids=lambda vector: vector["name"])
def test_answers_mean_what_they_should(
    monkeypatch: pytest.MonkeyPatch, vector: dict[str, Any]
) -> None:
    response = RESPONSES[vector["call"]]
    expected = [response.FromString(bytes.fromhex(content)) for content in vector["messages"]]
    for slice_bytes in SLICES:
        contents, failure = read(monkeypatch, vector, slice_bytes)
        assert [response.FromString(content) for content in contents] == expected
        if failure is None:
            assert vector["code"] == "OK"
            continue
        assert failure.code.name == vector["code"]
        assert str(failure)
        assert str(failure) == vector.get("message", str(failure))
        assert failure.reason == vector.get("reason", "")
        assert failure.metadata == vector.get("metadata", {})
        assert [list(one) for one in failure.violations] == vector.get("violations", [])
        assert failure.retry_after_s == vector.get("retry_after_s")
        assert failure.is_transient == vector["is_transient"]


@pytest.mark.parametrize(
    "vector", [v for v in ANSWERS if v["cut_anywhere"]], ids=lambda vector: vector["name"]
)
def test_an_answer_that_is_cut_is_no_success(
    monkeypatch: pytest.MonkeyPatch, vector: dict[str, Any]
) -> None:
    body = body_of(vector)
    sizes = [len(part) // 2 for part in vector["body"]]
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    for length in range(len(body)):
        cut = {**vector, "body": [body[:length].hex()]}
        contents, failure = read(monkeypatch, cut, 4096)
        assert failure is not None
        assert failure.code is Code.UNAVAILABLE
        assert failure.is_transient
        if vector["call"] == "stream":
            whole = sum(end <= length for end in ends)
            assert len(contents) == min(whole, len(vector["messages"]))


def test_mutated_answers_end_in_typed_errors() -> None:
    rng = random.Random(7)
    corpus = [body_of(vector) for vector in ANSWERS if vector["status"] == 200 and vector["body"]]
    ends: dict[str, int] = {}
    for _ in range(MUTATIONS):
        data = bytearray(rng.choice(corpus))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        left = memoryview(bytes(data[: rng.choice([len(data), rng.randrange(len(data) + 1)])]))

        def take(count: int) -> bytes:
            nonlocal left
            part, left = left[:count], left[count:]
            return bytes(part)

        try:
            for content in frames(take, MAX_MESSAGE_BYTES):
                Message("WatchJobResponse").parse("WatchJobResponse", content)
            end = "OK"
        except CallFailed as error:
            end = error.code.name
        except ValueError as error:
            end = type(error).__name__
        ends[end] = ends.get(end, 0) + 1
    for end in ("OK", "UNAVAILABLE", "INTERNAL", "RESOURCE_EXHAUSTED", "NOT_FOUND", "NotAMessage"):
        assert ends.pop(end) > MUTATIONS / 200
    assert ends.keys() <= {code.name for code in Code}


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection after another; yields the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1 << 16)
                        answer(connection)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc-web+proto\r\n\r\n"
INFO = Message("GetServerInfoRequest")


def test_a_silent_server_is_given_up() -> None:
    ended = threading.Event()

    def be_silent(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        ended.wait(10)

    with answering(be_silent) as address:
        server = Server(address, idle_timeout_s=0.2)
        with pytest.raises(CallFailed, match="does not answer") as caught:
            list(server.stream("WatchJob", Message("WatchJobRequest", name="jobs/1"), Stop()))
        ended.set()
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    assert caught.value.is_transient


def test_a_server_that_trickles_is_given_up() -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        for _ in range(100):
            connection.sendall(b"\0")
            time.sleep(0.05)

    with answering(trickle) as address:
        server = Server(address, call_timeout_s=0.3)
        with pytest.raises(CallFailed, match="takes too long"):
            server.call("GetServerInfo", INFO, Stop())


def test_stopping_ends_a_wait_at_once() -> None:
    ended = threading.Event()
    with answering(lambda connection: ended.wait(10) and None) as address:
        stop = Stop()
        child = stop.child()
        threading.Timer(0.1, stop.set).start()
        begin = time.monotonic()
        with pytest.raises(Stopped):
            Server(address).call("GetServerInfo", INFO, child)
        assert time.monotonic() - begin < 5  # far below the timeouts
        ended.set()


def test_no_server_names_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CallFailed, match=f"no server at http://127.0.0.1:{port}") as caught:
        Server(f"http://127.0.0.1:{port}").call("GetServerInfo", INFO, Stop())
    assert caught.value.code is Code.UNAVAILABLE


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:50052", "ftp://host", "http://", "http://u:p@host", "http://host/path",
     "http://host:99999", "http://host?a", ""],
)  # fmt: skip
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(BadAddress, match="a server's address is like"):
        Server(address)


@pytest.mark.parametrize(
    ("address", "token"), [("http://render.example", "secret"), ("http://127.0.0.1", "sec\nret")]
)
def test_a_token_that_cannot_be_sent_is_not_told(address: str, token: str) -> None:
    with pytest.raises(BadAddress) as caught:
        Server(address, token)
    assert "sec" not in str(caught.value)


def test_a_token_may_go_to_loopback_and_over_tls() -> None:
    Server("http://127.0.0.1:50052", "secret")
    Server("http://[::1]:50052", "secret")
    Server("https://render.example", "secret")


def test_a_certificate_that_is_not_trusted_is_no_missing_server(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path / "ca")
    files = authority.issue()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as peer:
                context.wrap_socket(peer, server_side=True).recv(1)

        thread = threading.Thread(target=accept)
        thread.start()
        address = f"https://localhost:{listener.getsockname()[1]}"
        with pytest.raises(CallFailed, match=r"is not trusted .*; name its CA as caFile") as caught:
            Server(address).call("GetServerInfo", INFO, Stop())
        thread.join()
    assert not caught.value.is_transient  # nobody waits for it
