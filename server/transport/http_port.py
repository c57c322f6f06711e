"""The HTTP port: hypercorn on a socket of ours, in the server's own event loop."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import hypercorn.protocol
from hypercorn.asyncio import serve
from hypercorn.config import Config, Sockets
from hypercorn.events import Closed

from pipeline.errors import InvalidInput
from server.transport.exchange import peer_common_name
from server.transport.http_app import MAX_HEAD_BYTES, HttpApp

IDLE_S = 5.0  # a connection that says nothing, or not all of a request's head
HANDSHAKE_S = 10.0
STALL_S = 60.0  # a client that takes nothing of what is sent
_BACKLOG = 1024  # many clients that come back at once


class HttpPort:
    """Serves an application. One per server; lives on the event loop."""

    def __init__(self, app: HttpApp, tls: ssl.SSLContext | None = None) -> None:
        """Serve `app`, with TLS where there is a context for it. Listens nowhere yet."""
        self._app = app
        self._tls = tls
        self._stop = asyncio.Event()
        self._config: _Config | None = None
        self._serving: asyncio.Task[None] | None = None

    def listen(self, host: str, port: int) -> int:
        """Bind the port, a free one for 0, and return it. Raises `InvalidInput` if it is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise InvalidInput(
                f"cannot listen on {host}:{port} for HTTP; another program uses it, or the "
                "host is not one of this machine: choose another --http-port or --host"
            ) from error
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections have it from their listener
            milliseconds = round(1000 * STALL_S)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self._config = _Config(listener, self._tls)
        return int(listener.getsockname()[1])

    async def start(self) -> None:
        """Take connections."""
        assert self._config is not None, "listen first"
        hypercorn.protocol.H2Protocol = _NoHttp2  # type: ignore[assignment,attr-defined]  # see there
        serving = serve(self._app, self._config, shutdown_trigger=self._stop.wait)  # type: ignore[arg-type]  # ASGI's types
        self._serving = asyncio.create_task(serving)

    async def stop(self, grace_s: float) -> None:
        """Take no more connections; calls that run end by themselves, or after `grace_s`."""
        if self._serving is None or self._config is None:
            return
        self._config.graceful_timeout = grace_s + 2.0  # the application ends its calls before
        self._stop.set()
        await self._app.stop(grace_s)
        _, late = await asyncio.wait((self._serving,), timeout=5.0)
        for task in late:
            task.cancel()


class _Config(Config):
    """hypercorn's settings, with a socket and a TLS context that we made."""

    def __init__(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._listener = listener
        self._tls = tls
        if tls is not None:
            tls.sslobject_class = _NamedPeer
        self.accesslog = None  # the desk logs calls
        self.errorlog = logging.getLogger("hypercorn")
        self.errorlog.setLevel(logging.WARNING)  # where it listens is told by the server
        self.backlog = _BACKLOG
        self.include_server_header = False
        self.keep_alive_timeout = IDLE_S
        self.ssl_handshake_timeout = HANDSHAKE_S
        self.h11_max_incomplete_size = MAX_HEAD_BYTES

    @property
    def ssl_enabled(self) -> bool:
        return self._tls is not None

    def create_ssl_context(self) -> ssl.SSLContext | None:
        return self._tls

    def create_sockets(self) -> Sockets:
        self._listener.setblocking(False)
        listeners = [self._listener]
        return Sockets(
            secure_sockets=listeners if self._tls else [],
            insecure_sockets=[] if self._tls else listeners,
            quic_sockets=[],
        )


class _NoHttp2:
    """Stands for hypercorn's HTTP/2 and hangs up.

    hypercorn cannot be told to leave it out, and a client that opens it and then says nothing is
    never closed. HTTP/2 is what the gRPC port is for.
    """

    def __init__(self, *args: Any) -> None:  # Any: as hypercorn calls it
        self._send: Callable[[Closed], Awaitable[None]] = args[-1]

    async def initiate(self, *upgrade: object) -> None:
        await self._send(Closed())

    async def handle(self, event: object) -> None:
        pass


class _NamedPeer(ssl.SSLObject):
    """Notes whose certificate the client has shown.

    hypercorn does not hand it on. But it asks for the protocol in the task of the connection, from
    which the tasks of its requests inherit. Should it ever not, nobody has a name, and calls that
    need one are refused.
    """

    def selected_alpn_protocol(self) -> str | None:
        peer_common_name.set(_common_name(self.getpeercert()))
        return super().selected_alpn_protocol()


def _common_name(certificate: object) -> str | None:
    """Return the common name in a certificate, as `ssl` tells it; None without one, or several."""
    if not isinstance(certificate, dict):
        return None
    parts = (part for name in certificate.get("subject", ()) for part in name)
    names = [value for key, value in parts if key == "commonName"]
    return names[0] if len(names) == 1 else None
