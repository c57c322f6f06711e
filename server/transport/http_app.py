"""The HTTP port's application: what may come in, and who answers it.

/lodsmith.v1.<Service>/<Method>   Connect and gRPC-Web   connect.py
/v1/blobs/sha256/<hex>            blobs as files         blob_files.py
/v1/infer                         NIM's inference call   nim.py
/v1/health/..., /metrics          probes                 probes.py
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from server.calls.desk import CallEnded, Desk
from server.calls.errors import status_of
from server.calls.rpcs import Rpc
from server.refusals import Draining, InvalidRequest, RateLimited, Refusal
from server.transport import blob_files, nim
from server.transport.blob_files import BlobFiles
from server.transport.browser_rules import BrowserRules
from server.transport.connect import ConnectCalls
from server.transport.exchange import ClientLeft, Exchange, Message, Receive, Scope, Send
from server.transport.nim import Nim
from server.transport.probes import Probes

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 16 << 10  # as gRPC
MAX_EXCHANGES = 4_000  # at once, as many as connections of gRPC
# A request whose body falls behind this pace by so long is dropped: one that stops, and one that
# trickles so that it never ends.
LAG_S = 30.0
BODY_BYTES_PER_S = 1024
LINGER_S = 1.0  # how long an early answer waits for a client that is still sending

# CORP keeps pages from embedding blobs as pictures, which needs no `Origin`.
_SAFETY = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NO_STORE = (b"cache-control", b"no-store")


@dataclass(frozen=True, kw_only=True)
class _Route:
    """Who answers a path, and which methods it takes."""

    methods: Sequence[str]
    answer: Callable[[Exchange], Awaitable[None]]


class HttpApp:
    """An ASGI application. One per server; lives on the event loop."""

    def __init__(
        self,
        rpcs: Sequence[Rpc],
        desk: Desk,
        rules: BrowserRules,
        *,
        version: str,
        is_ready: Callable[[], bool],
        metrics: Callable[[], bytes] | None,
        max_infer_bytes: int,
        max_infer_calls: int,
        random_seed: Callable[[], int],
        lag_s: float = LAG_S,
    ) -> None:
        """Answer the table of RPCs in all the ways of this port.

        Args:
            rpcs: The table.
            desk: Answers the calls, on all transports.
            rules: Which hosts and origins are good.
            version: The server's.
            is_ready: Whether jobs would be started now.
            metrics: Gives Prometheus's text; None: there is none.
            max_infer_bytes: Largest request of `/v1/infer`.
            max_infer_calls: Most of them at once.
            random_seed: Gives the seed of a NIM request that leaves it to chance.
            lag_s: How far a request's body may fall behind `BODY_BYTES_PER_S`.
        """
        by_name = {rpc.name: rpc for rpc in rpcs}
        self._paths = frozenset(rpc.path for rpc in rpcs)
        self._rules = rules
        self._calls = ConnectCalls(rpcs, desk, is_stopping=lambda: self._is_stopping)
        self._blobs = BlobFiles(by_name, desk)
        self._nim = Nim(
            by_name,
            desk,
            self._blobs,
            max_body_bytes=max_infer_bytes,
            max_calls=max_infer_calls,
            random_seed=random_seed,
        )
        self._probes = Probes(
            info=by_name["GetServerInfo"],
            desk=desk,
            version=version,
            is_ready=is_ready,
            metrics=metrics,
        )
        self._lag_s = lag_s
        self._is_stopping = False
        self._exchanges: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            task = asyncio.current_task()
            assert task is not None
            self._exchanges.add(task)
            try:
                await self._exchange(scope, receive, send)
            finally:
                self._exchanges.discard(task)

    async def stop(self, grace_s: float) -> None:
        """Take nothing new; what still runs after `grace_s` ends with UNAVAILABLE."""
        self._is_stopping = True
        if self._exchanges:
            _, late = await asyncio.wait(self._exchanges, timeout=grace_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=LINGER_S)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire = _Wire(receive, send, self._lag_s)
        try:
            exchange = Exchange(scope, wire.receive, wire.send)
        except UnicodeDecodeError:  # in a header
            await _answer_nothing(wire, 400)
            return
        origin = exchange.headers.get("origin", "")
        is_foreign = self._rules.is_foreign_origin(origin)
        wire.add_headers({"vary": "Origin"})
        if is_foreign:
            wire.add_headers(self._rules.headers(origin))
        if refused := self._refused(scope, exchange):
            http_status, refusal = refused
            logger.info("refused with %d: %s", http_status, refusal)
            await exchange.refuse(status_of(refusal), http_status)
            return
        if is_foreign and exchange.method == "OPTIONS":
            await exchange.answer(204, headers=self._rules.preflight_headers())
        elif exchange.path in self._paths:
            await self._calls(scope, wire.receive, wire.send)
        else:
            await self._plain(exchange)

    def _refused(self, scope: Scope, exchange: Exchange) -> tuple[int, Refusal] | None:
        """Return why a request goes no further, with HTTP's status; None if it may."""
        host, origin = exchange.headers.get("host", ""), exchange.headers.get("origin")
        media_type = exchange.headers.get("content-type", "")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEAD_BYTES:
            return 431, InvalidRequest(f"headers must have at most {MAX_HEAD_BYTES:,} bytes")
        if not self._rules.is_host(host, scope["server"][0]):
            return 421, InvalidRequest(
                f"Host {host[:100]!r} is no name of this server; if it should be one, add it to "
                "allowed_hosts"
            )
        if origin is not None and not self._rules.is_origin(origin, scope["scheme"], host):
            return 403, InvalidRequest(
                f"pages of {origin[:100]!r} may not use this server; if they should, add it to "
                "allowed_origins"
            )
        if media_type.startswith("application/grpc") and "grpc-web" not in media_type:
            return 415, InvalidRequest("gRPC itself is on the gRPC port; here is gRPC-Web")
        if self._is_stopping:
            return 503, Draining("the server is shutting down; try again later", retry_after_s=2.0)
        if len(self._exchanges) > MAX_EXCHANGES:
            return 503, RateLimited(
                f"the server answers {MAX_EXCHANGES:,} requests already; try again later",
                retry_after_s=2.0,
            )
        return None

    async def _plain(self, exchange: Exchange) -> None:
        """Answer what is no call of the contract."""
        route = self._route(exchange.path)
        if route is None:
            missing = InvalidRequest(f"there is nothing at {exchange.path[:100]!r}")
            await exchange.refuse(status_of(missing), 404)
            return
        if exchange.method not in route.methods:
            allowed = ", ".join(route.methods)
            refusal = InvalidRequest(
                f"{exchange.path[:100]} takes {allowed}, not {exchange.method}"
            )
            await exchange.refuse(status_of(refusal), 405, {"allow": allowed})
            return
        # Once the head is sent an error can only be told by cutting the answer short.
        try:
            await route.answer(exchange)
        except CallEnded as ended:
            if not exchange.has_started:
                await exchange.refuse(ended.status)
        except Refusal as refusal:
            await exchange.refuse(status_of(refusal))
        except ClientLeft:
            if not exchange.has_started:
                await exchange.answer(408)

    def _route(self, path: str) -> _Route | None:
        if path.startswith(blob_files.PREFIX):
            return _Route(methods=("GET", "HEAD", "PUT"), answer=self._blobs.answer)
        if path == nim.PATH:
            return _Route(methods=("POST",), answer=self._nim.answer)
        if self._probes.has(path):
            return _Route(methods=("GET", "HEAD"), answer=self._probes.answer)
        return None


class _Wire:
    """Both ends of one request: what every answer needs, and what no client may do."""

    def __init__(self, receive: Receive, send: Send, lag_s: float) -> None:
        self._receive = receive
        self._send = send
        self._lag_s = lag_s
        self._patience_s = lag_s  # for the body; what arrives of it brings more, up to `lag_s`
        self._headers = list(_SAFETY)
        self._is_body_read = False

    def add_headers(self, headers: Mapping[str, str]) -> None:
        """Add these to the answer, whoever gives it."""
        self._headers += [(name.encode(), value.encode()) for name, value in headers.items()]

    async def receive(self) -> Message:
        """Return what comes next; a body that stops or trickles counts as a client that left."""
        start_s = time.monotonic()
        try:
            async with asyncio.timeout(None if self._is_body_read else self._patience_s):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        # Only the time that was waited counts: a slow disk of ours is no fault of the client.
        waited_s = time.monotonic() - start_s
        brought_s = len(message.get("body", b"")) / BODY_BYTES_PER_S
        self._patience_s = min(self._lag_s, self._patience_s - waited_s + brought_s)
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._is_body_read = True
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer, the last one only when the client can hear it."""
        if message["type"] == "http.response.start":
            message = {**message, "headers": self._all_headers(message["headers"])}
        elif not message.get("more_body", False) and not self._is_body_read:
            await self._send({**message, "more_body": True})
            await self._end_early()
            return
        await self._send(message)

    def _all_headers(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        has_caching = any(name == b"cache-control" for name, _ in headers)
        return [*headers, *self._headers, *(() if has_caching else (_NO_STORE,))]

    async def _end_early(self) -> None:
        """End an answer to a request that is still arriving, and throw the rest of that away.

        A connection that is closed on a client that sends is reset, and a reset may take the
        answer with it. And hypercorn waits for its queue of parts, which nobody else empties now.
        """
        draining = asyncio.create_task(self._drain())
        try:
            await asyncio.wait((draining,), timeout=LINGER_S)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            draining.cancel()

    async def _drain(self) -> None:
        while not self._is_body_read:
            await self.receive()


async def _answer_nothing(wire: _Wire, status: int) -> None:
    await wire.send({"type": "http.response.start", "status": status, "headers": []})
    await wire.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _live(receive: Receive, send: Send) -> None:
    """Answer the server's questions about starting and stopping; parts start elsewhere."""
    with suppress(asyncio.CancelledError):
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
