"""The HTTP port alone, around services that do as a test says, and raw HTTP to talk to it."""

import http.client
import json
import socket
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.access.audit import AuditLog
from server.access.audit_file import AuditFile
from server.access.gate import Gate
from server.calls import Call
from server.calls.desk import Desk
from server.calls.rpcs import Rpc, rpcs_of
from server.observe.metrics import Metrics
from server.observe.tracing import NoTracer
from server.pb import lodsmith_pb2 as pb
from server.transport.browser_rules import BrowserRules
from server.transport.http_app import HttpApp
from server.transport.http_port import HttpPort
from tests.server.conftest import Peer

WATCH = "/lodsmith.v1.JobService/WatchJob"
GET_JOB = "/lodsmith.v1.JobService/GetJob"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """Of the answers that are no call of the contract."""
        return self.json["error"]


Ask = Callable[..., Answer]


def ask_port(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        lines = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=lines, body=response.read())
    finally:
        connection.close()


def http_port_of(peer: Peer) -> int:
    """Return the port that a server tells."""
    return peer.client.info().http_port


def free_port() -> int:
    """Return a port that nobody listens on, for a server that does not tell its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def ask(server: Peer) -> Ask:
    """Ask the session's server over HTTP."""
    port = http_port_of(server)
    return lambda method, path, body=None, headers=None: ask_port(port, method, path, body, headers)


class Services:
    """All services of the contract; a test writes the methods that it needs."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def unasked(request: Any, call: Call) -> Any:
            raise AssertionError(name)

        return unasked


def table_of(services: object) -> list[Rpc]:
    """Return the table of RPCs, answered by one object."""
    return [
        rpc
        for descriptor in pb.DESCRIPTOR.services_by_name.values()
        for rpc in rpcs_of(descriptor, services, max_request_items=4096)
    ]


@asynccontextmanager
async def port_of(services: object, **changes: Any) -> AsyncIterator[tuple[HttpPort, int]]:
    """Serve `services` on a free port, in the loop of the test."""
    tls = changes.pop("tls", None)
    settings: dict[str, Any] = {
        "version": "0",
        "is_ready": lambda: True,
        "metrics": None,
        "max_infer_bytes": 1 << 20,
        "max_infer_calls": 4,
        "random_seed": lambda: 4,
    }
    rules = changes.pop("rules", BrowserRules(host="127.0.0.1", hosts=(), origins=()))
    async with open_desk() as desk:
        http_port = HttpPort(HttpApp(table_of(services), desk, rules, **settings | changes), tls)
        number = http_port.listen("127.0.0.1", 0)
        await http_port.start()
        try:
            yield http_port, number
        finally:
            await http_port.stop(0.0)


@asynccontextmanager
async def open_desk() -> AsyncIterator[Desk]:
    """Return a desk that lets everybody in."""
    with tempfile.TemporaryDirectory() as folder:
        audit = AuditLog(AuditFile(Path(folder) / "audit.log"), clock=lambda: 0)
        audit.start()
        yield Desk(
            gate=Gate(None, clock=time.monotonic),
            rates=None,
            audit=audit,
            metrics=Metrics([]),
            tracer=NoTracer(),
            max_streams=100,
        )
        await audit.close()


def frame(content: bytes, flags: int = 0) -> bytes:
    """Wrap a message for a stream of Connect's."""
    return struct.pack(">BI", flags, len(content)) + content


def watch_request(content: bytes, *, host: str = "127.0.0.1") -> bytes:
    """Return a whole HTTP request that watches a job."""
    body = frame(content)
    head = (
        f"POST {WATCH} HTTP/1.1\r\nhost: {host}\r\n"
        f"content-type: application/connect+proto\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
