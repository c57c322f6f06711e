"""Who may talk to the HTTP port, and what it does about those who talk badly."""

import asyncio
import datetime
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.errors import InvalidInput
from server.calls import Call
from server.pb import lodsmith_pb2 as pb
from server.transport import http_app, http_port
from server.transport.browser_rules import BrowserRules
from server.transport.http_port import HttpPort
from tests.server.conftest import Peer
from tests.server.transport.conftest import GET_JOB, Ask, Services, ask_port, http_port_of, port_of

PAGE = "https://tools.studio.example"
RULES = BrowserRules(host="127.0.0.1", hosts=("assets.studio.example",), origins=(PAGE,))
JSON = {"content-type": "application/json"}


class Jobs(Services):
    """Answers one call, and keeps who made it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def get_job(self, request: pb.GetJobRequest, call: Call) -> pb.GetJobResponse:
        self.calls.append(call)
        return pb.GetJobResponse()


@pytest.mark.parametrize(
    ("host", "is_good"),
    [
        ("localhost", True),
        ("LOCALHOST:50052", True),
        ("127.0.0.1:1", True),
        ("127.9.9.9", True),
        ("[::1]:50052", True),
        ("assets.studio.example:50052", True),
        ("10.0.0.7:50052", True),  # where the connection arrived
        ("10.0.0.8", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("evil@localhost.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_only_names_of_the_server_are_hosts(host: str, is_good: bool) -> None:
    assert RULES.is_host(host, "10.0.0.7") == is_good


@pytest.mark.parametrize(
    ("origin", "is_good"),
    [
        (PAGE, True),
        ("http://localhost:50052", True),
        ("https://localhost:50052", False),
        ("http://localhost:8080", False),
        ("https://tools.studio.example.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_only_pages_of_the_server_and_of_allowed_origins_may_call(
    origin: str, is_good: bool
) -> None:
    assert RULES.is_origin(origin, "http", "localhost:50052") == is_good


@pytest.mark.parametrize("path", ["/v1/version", GET_JOB, "/v1/infer", "/nothing"])
def test_foreign_hosts_and_pages_get_nowhere(ask: Ask, path: str) -> None:
    assert ask("POST", path, b"{}", JSON | {"host": "evil.example"}).status == 421
    refused = ask("POST", path, b"{}", JSON | {"origin": "https://evil.example"})
    assert refused.status == 403
    assert "allowed_origins" in refused.error["message"]
    assert "access-control-allow-origin" not in refused.headers
    assert ask("OPTIONS", path, None, {"origin": "https://evil.example"}).status == 403


def test_a_page_of_an_allowed_origin_may_call_and_read() -> None:
    async def call() -> None:
        async with port_of(Jobs(), rules=RULES) as (_, port):

            def ask(method: str, **headers: str) -> Any:
                lines = {"origin": PAGE, **headers}
                return ask_port(port, method, GET_JOB, b"{}" if method == "POST" else None, lines)

            preflight = await asyncio.to_thread(
                lambda: ask("OPTIONS", **{"access-control-request-method": "POST"})
            )
            assert preflight.status == 204
            assert preflight.headers["access-control-allow-origin"] == PAGE
            assert "authorization" in preflight.headers["access-control-allow-headers"]
            answer = await asyncio.to_thread(lambda: ask("POST", **JSON))
            assert (answer.status, answer.headers["vary"]) == (200, "Origin")
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert "x-request-id" in answer.headers["access-control-expose-headers"]

    asyncio.run(call())


def test_a_page_of_an_allowed_origin_can_read_why_it_was_refused() -> None:
    async def call() -> None:
        async with port_of(Jobs(), rules=RULES) as (http_port, port):
            lines = {"origin": PAGE}
            nowhere = await asyncio.to_thread(ask_port, port, "GET", "/nowhere", None, lines)
            head = lines | {"x-long": "x" * 16_400}
            too_long = await asyncio.to_thread(ask_port, port, "GET", "/nowhere", None, head)
            http_port._app._is_stopping = True
            stopping = await asyncio.to_thread(ask_port, port, "POST", GET_JOB, b"{}", lines)
        assert [nowhere.status, too_long.status, stopping.status] == [404, 431, 503]
        for answer in (nowhere, too_long, stopping):
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert answer.headers["vary"] == "Origin"

    asyncio.run(call())


def test_every_answer_keeps_browsers_from_guessing_and_storing(ask: Ask) -> None:
    for path in ("/v1/version", "/nothing", GET_JOB):
        answer = ask(
            "POST" if path == GET_JOB else "GET", path, b"{}" if path == GET_JOB else None, JSON
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_health_version_and_models_are_told(ask: Ask) -> None:
    assert ask("GET", "/v1/health/live").json["status"] == "live"
    assert ask("GET", "/v1/version").json["release"] == "0.1.0"
    assert ask("GET", "/v1/metadata").json["version"] == "0.1.0"
    wrong = ask("POST", "/v1/health/live", b"")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD")


def test_readiness_and_metrics_are_those_of_the_server() -> None:
    async def probe() -> None:
        ready = [False]
        changes = {"is_ready": lambda: ready[0], "metrics": lambda: b"calls_total 1\n"}
        async with port_of(Jobs(), **changes) as (_, port):
            answer = await asyncio.to_thread(ask_port, port, "GET", "/v1/health/ready")
            assert (answer.status, answer.json["status"]) == (503, "not_ready")
            ready[0] = True
            assert (
                await asyncio.to_thread(ask_port, port, "GET", "/v1/health/ready")
            ).status == 200
            metrics = await asyncio.to_thread(ask_port, port, "GET", "/metrics")
            assert metrics.body == b"calls_total 1\n"

    asyncio.run(probe())


async def are_closed(port: int, opening: bytes, count: int = 20) -> bool:
    """Tell whether the server closes connections that begin like this and then say nothing."""
    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    for _, writer in pairs:
        writer.write(opening)
    with suppress(ConnectionResetError):
        await asyncio.gather(*(reader.read() for reader, _ in pairs))  # to the end
    for _, writer in pairs:
        writer.close()
    return True


@pytest.mark.parametrize(
    "opening",
    [
        b"",
        b"POST /v1/infer HTTP/1.1\r\nhost: loc",
        b"POST /v1/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
        f"POST {GET_JOB} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        "content-length: 9\r\n\r\n{".encode(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    ],
    ids=["silent", "half a head", "half a body", "half a call", "silent HTTP/2", "silent upgrade"],
)
def test_clients_that_fall_silent_are_closed(
    monkeypatch: pytest.MonkeyPatch, opening: bytes
) -> None:
    monkeypatch.setattr(http_port, "IDLE_S", 0.3)
    monkeypatch.setattr(http_app, "LINGER_S", 0.2)

    async def wait() -> None:
        async with port_of(Jobs(), lag_s=0.3) as (_, port), asyncio.timeout(8):
            assert await are_closed(port, opening)
            answer = await asyncio.to_thread(ask_port, port, "POST", GET_JOB, b"{}", JSON)
            assert answer.status == 200  # and the others are served

    asyncio.run(wait())


def test_a_body_that_trickles_is_dropped_and_a_slow_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_app, "BODY_BYTES_PER_S", 20)
    body = json.dumps({"name": "jobs/" + "a" * 100}).encode()

    async def sent(port: int, piece_bytes: int) -> bytes:
        """Send a body in pieces, ten in a second; return the head of the answer, b"" for none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {GET_JOB} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode())
        answer = b""
        with suppress(ConnectionError):
            for start in range(0, len(body), piece_bytes):
                writer.write(body[start : start + piece_bytes])
                await writer.drain()
                await asyncio.sleep(0.1)
            answer = await reader.readline()
        writer.close()
        return answer

    async def trickle() -> None:
        async with port_of(Jobs(), lag_s=1.0) as (_, port), asyncio.timeout(20):
            slow, trickling = await asyncio.gather(sent(port, 20), sent(port, 1))
            assert b" 200 " in slow  # in 0.7 s, at 200 bytes per second
            assert b" 200 " not in trickling  # at 10 bytes per second, in 12 s

    asyncio.run(trickle())


def test_a_watch_is_not_silent_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_port, "IDLE_S", 0.1)

    class Slow(Services):
        async def get_job(self, request: pb.GetJobRequest, call: Call) -> pb.GetJobResponse:
            await asyncio.sleep(0.4)  # longer than any limit for the silent
            return pb.GetJobResponse()

    async def wait() -> None:
        async with port_of(Slow(), lag_s=0.1) as (_, port):
            answer = await asyncio.to_thread(ask_port, port, "POST", GET_JOB, b"{}", JSON)
            assert answer.status == 200

    asyncio.run(wait())


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
def test_clients_that_take_nothing_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_port, "STALL_S", 0.5)

    class Endless(Services):
        def __init__(self) -> None:
            self.ended = asyncio.Event()

        async def read_blob(
            self, request: pb.ReadBlobRequest, call: Call
        ) -> AsyncIterator[pb.ReadBlobResponse]:
            try:
                while True:
                    yield pb.ReadBlobResponse(data=bytes(1 << 20))
            finally:
                self.ended.set()

        async def query_blob_write(
            self, request: pb.QueryBlobWriteRequest, call: Call
        ) -> pb.QueryBlobWriteResponse:
            return pb.QueryBlobWriteResponse(committed_size=1 << 40, complete=True)

    async def stall() -> None:
        services = Endless()
        async with port_of(services) as (_, port), asyncio.timeout(15):
            with socket.create_connection(("127.0.0.1", port)) as client:
                path = f"/v1/blobs/sha256/{'0' * 64}"
                client.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
                await services.ended.wait()

    asyncio.run(stall())


def test_a_head_that_is_too_long_is_refused(ask: Ask) -> None:
    assert ask("GET", "/v1/version", None, {"x-long": "x" * (17 << 10)}).status == 431


def test_a_head_that_is_no_text_is_refused(ask: Ask) -> None:
    odd: Any = {"x-odd": b"\xff"}
    assert ask("GET", "/v1/version", None, odd).status == 400


def test_websockets_are_refused(ask: Ask) -> None:
    upgrade = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert ask("GET", "/v1/version", None, upgrade).status == 403


def test_an_early_answer_is_heard_by_a_client_that_still_sends() -> None:
    async def send() -> None:
        async with port_of(Jobs(), max_infer_bytes=1000) as (_, port), asyncio.timeout(20):
            for _ in range(3):  # hypercorn's queue must not fill up for good
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(
                    b"PUT /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4000000\r\n\r\n"
                )
                writer.write(b"x" * 4_000_000)
                head = await reader.readuntil(b"\r\n\r\n")
                assert b" 404 " in head.splitlines()[0]
                await writer.drain()
                writer.close()

    asyncio.run(send())


def test_as_many_requests_at_once_as_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_app, "MAX_EXCHANGES", 0)

    async def call() -> None:
        async with port_of(Jobs()) as (_, port):
            answer = await asyncio.to_thread(ask_port, port, "POST", GET_JOB, b"{}", JSON)
            assert (answer.status, answer.headers["retry-after"]) == (503, "2")

    asyncio.run(call())


def test_a_port_that_is_taken_is_named(server: Peer) -> None:
    app: Any = None  # not reached
    taken = http_port_of(server)
    with pytest.raises(InvalidInput, match=f"127.0.0.1:{taken} for HTTP.*--http-port"):
        HttpPort(app).listen("127.0.0.1", taken)


def test_a_server_can_do_without(start_server: Any) -> None:
    with start_server(http=False, warm_generator=False) as peer:
        assert http_port_of(peer) == 0


def certificate(folder: Path, name: str, issuer: Any = None) -> tuple[Path, Path, Any]:
    """Write a certificate and its key; signed by `issuer`, or by itself and an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signer_name, signer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(signer_key, hashes.SHA256())
    )
    pem, key_pem = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, key_pem, (made, key)


def test_with_tls_the_clients_certificate_names_it(tmp_path: Path) -> None:
    authority, _, issuer = certificate(tmp_path, "studio")
    cert, key, _ = certificate(tmp_path, "localhost", issuer)
    client_cert, client_key, _ = certificate(tmp_path, "artist", issuer)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
    tls.load_cert_chain(cert, key)
    tls.verify_mode = ssl.CERT_OPTIONAL
    trust = ssl.create_default_context(cafile=authority)
    named = ssl.create_default_context(cafile=authority)
    named.load_cert_chain(client_cert, client_key)
    jobs = Jobs()

    async def call(port: int, context: ssl.SSLContext) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        writer.write(
            f"POST {GET_JOB} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            "content-length: 2\r\nconnection: close\r\n\r\n{}".encode()
        )
        assert b" 200 " in await reader.readline()
        writer.close()

    async def calls() -> None:
        async with port_of(jobs, tls=tls) as (_, port), asyncio.timeout(20):
            await call(port, named)
            await call(port, trust)
            await call(port, named)

    asyncio.run(calls())
    assert [c.head.peer_common_name for c in jobs.calls] == ["artist", None, "artist"]
    assert jobs.calls[0].head.peer_host == "127.0.0.1"


def test_the_application_alone_is_one_of_asgi() -> None:
    """Whatever its server asks about starting and stopping is answered."""

    async def live() -> list[str]:
        asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        answers: list[str] = []

        async def receive() -> Any:
            return next(asked)

        async def send(message: Any) -> None:
            answers.append(message["type"])

        await http_app._live(receive, send)
        return answers

    assert asyncio.run(live()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
