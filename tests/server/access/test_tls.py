"""Both ports over real sockets, with certificates that change under them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from server.access.certificates import CertificateFiles, CertificateWatch
from server.access.tls import common_name_of_call, grpc_credentials, http_context
from tests.server.access.certificate_authority import CertificateAuthority, replace_files

METHOD = "/test.Echo/Name"


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path / "ca")


@asynccontextmanager
async def grpc_port(watch: CertificateWatch) -> AsyncIterator[int]:
    """A grpc.aio server whose one method answers with the client's common name."""

    async def name(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        return (common_name_of_call(context.auth_context()) or "nobody").encode()

    handler = grpc.method_handlers_generic_handler(
        "test.Echo", {"Name": grpc.unary_unary_rpc_method_handler(name)}
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_secure_port("localhost:0", grpc_credentials(watch))
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def grpc_call(
    port: int, ca: CertificateAuthority, client: CertificateFiles | None = None
) -> str:
    """Call on a new connection that trusts `ca`; return the answer, or the status's name."""
    credentials = grpc.ssl_channel_credentials(
        ca.path.read_bytes(),
        client.key.read_bytes() if client else None,
        client.cert.read_bytes() if client else None,
    )
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials, options) as channel:
        try:
            answer: bytes = await channel.unary_unary(METHOD)(b"", timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return answer.decode()


class _Hypercorn(Config):
    """Hypercorn with a context of ours."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self.context = context
        self.bind = ["localhost:0"]

    @property
    def ssl_enabled(self) -> bool:
        return True

    def create_ssl_context(self) -> ssl.SSLContext:
        return self.context


@asynccontextmanager
async def http_port(watch: CertificateWatch) -> AsyncIterator[int]:
    """A hypercorn server that answers everything with 200."""

    async def application(
        scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]
    ) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})

    config = _Hypercorn(http_context(watch))
    sockets = config.create_sockets()
    (socket,) = sockets.secure_sockets
    socket.listen()  # whoever connects before hypercorn is ready waits
    config.create_sockets = lambda: sockets  # type: ignore[method-assign]  # to know the port
    end = asyncio.Event()
    serving = asyncio.create_task(
        serve(application, config, shutdown_trigger=end.wait)  # type: ignore[arg-type]
    )
    try:
        yield socket.getsockname()[1]
    finally:
        end.set()
        await serving


async def http_call(
    port: int,
    ca: CertificateAuthority,
    client: CertificateFiles | None = None,
    *,
    names_host: bool = True,
) -> str:
    """Ask on a new connection that trusts `ca`; return the status line, or "refused"."""
    context = ssl.create_default_context(cafile=ca.path)
    context.check_hostname = names_host
    if client is not None:
        context.load_cert_chain(client.cert, client.key)
    try:
        reader, writer = await asyncio.open_connection(
            "localhost", port, ssl=context, server_hostname="localhost" if names_host else ""
        )
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        line = await reader.readline()
        writer.close()
    except (ssl.SSLError, ConnectionResetError):
        return "refused"
    return line.decode().strip() or "refused"


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port of one kind.

    serving: runs it, and yields its number. call: calls it and returns what came of it.
    answer_to: what a client of a common name hears. refused: what one without a connection does.
    """

    serving: Callable[[CertificateWatch], AbstractAsyncContextManager[int]]
    call: Callable[..., Awaitable[str]]
    answer_to: Callable[[str], str]
    refused: str


PORTS = {
    "grpc": Port(
        serving=grpc_port, call=grpc_call, answer_to=lambda name: name, refused="UNAVAILABLE"
    ),
    "http": Port(
        serving=http_port,
        call=http_call,
        answer_to=lambda name: "HTTP/1.1 200",
        refused="refused",
    ),
}


@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
def test_a_new_certificate_is_taken_without_restart(
    port: Port, authority: CertificateAuthority, tmp_path: Path
) -> None:
    other = CertificateAuthority(tmp_path / "other")
    files = authority.issue()
    answer = port.answer_to("nobody")

    async def whole() -> None:
        async with port.serving(CertificateWatch(files)) as number:
            assert await port.call(number, authority) == answer
            assert await port.call(number, other) == port.refused
            replace_files(files, by=other.issue())
            assert await port.call(number, other) == answer
            assert await port.call(number, authority) == port.refused
            files.cert.write_text("garbage")
            assert await port.call(number, other) == answer

    asyncio.run(whole())


def test_http_takes_a_new_certificate_also_for_a_client_that_names_no_host(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    other = CertificateAuthority(tmp_path / "other")
    files = authority.issue()

    async def whole() -> None:
        async with http_port(CertificateWatch(files)) as number:
            replace_files(files, by=other.issue())
            assert await http_call(number, other, names_host=False) == "HTTP/1.1 200"

    asyncio.run(whole())


@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
def test_clients_are_known_and_a_former_ca_is_forgotten(
    port: Port, authority: CertificateAuthority, tmp_path: Path
) -> None:
    former, latter = CertificateAuthority(tmp_path / "1"), CertificateAuthority(tmp_path / "2")
    alice, bob = former.issue("alice"), latter.issue("bob")
    files = replace(authority.issue(), client_ca=tmp_path / "clients.pem")
    clients = tmp_path / "clients.pem"
    clients.write_bytes(former.path.read_bytes())

    async def whole() -> None:
        async with port.serving(CertificateWatch(files)) as number:
            assert await port.call(number, authority) == port.refused
            assert await port.call(number, authority, alice) == port.answer_to("alice")
            assert await port.call(number, authority, bob) == port.refused
            clients.write_bytes(latter.path.read_bytes())
            assert await port.call(number, authority, bob) == port.answer_to("bob")
            assert await port.call(number, authority, alice) == port.refused

    asyncio.run(whole())


def test_http_refuses_a_resumed_session_of_a_former_ca(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    former, latter = CertificateAuthority(tmp_path / "1"), CertificateAuthority(tmp_path / "2")
    alice = former.issue("alice")
    clients = tmp_path / "clients.pem"
    clients.write_bytes(former.path.read_bytes())
    context = http_context(CertificateWatch(replace(authority.issue(), client_ca=clients)))
    client_context = ssl.create_default_context(cafile=authority.path)
    client_context.load_cert_chain(alice.cert, alice.key)
    client_context.maximum_version = ssl.TLSVersion.TLSv1_2  # where sessions are without tickets

    def connect(session: ssl.SSLSession | None) -> ssl.SSLObject:
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context.wrap_bio(
            to_client, to_server, server_hostname="localhost", session=session
        )
        server = context.wrap_bio(to_server, to_client, server_side=True)
        ends = [client, server]
        while ends:
            for end in tuple(ends):
                try:
                    end.do_handshake()
                    ends.remove(end)
                except ssl.SSLWantReadError:
                    pass
        return client

    session = connect(None).session
    assert not connect(session).session_reused
    clients.write_bytes(latter.path.read_bytes())
    with pytest.raises(ssl.SSLError):
        connect(session)


def test_the_common_name_of_a_call() -> None:
    assert common_name_of_call({}) is None
    assert common_name_of_call({"x509_common_name": [b"alice"]}) == "alice"
    assert common_name_of_call({"x509_common_name": [b"alice", b"root"]}) is None
