"""One HTTP request and its answer, for what is not a call of the contract: blobs, NIM, probes."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import grpc
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server.calls import REQUEST_ID_KEY, CallHead, call_head
from server.calls.errors import CallStatus
from server.refusals import TooLarge

# ASGI's own words. Any: JSON-like values, different ones for each kind of message.
Scope = MutableMapping[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

peer_common_name: ContextVar[str | None] = ContextVar("peer_common_name", default=None)
"""Of the certificate that the other end of this connection had to show."""

# As Connect maps them, so that a program finds one meaning on the whole port.
_STATUSES: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


class Exchange:
    """A request whose head has arrived, and the answer to it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.has_started = False
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = headers_of(scope)
        self.query = dict(parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True))
        self._peer_host: str = scope["client"][0]

    @cached_property
    def head(self) -> CallHead:
        """What the desk has to know. One for all calls that answer this request."""
        return call_head(
            "http", self._peer_host, self.headers, peer_common_name=peer_common_name.get()
        )

    async def body(self, max_bytes: int) -> bytes:
        """Return the request's body.

        Raises:
            TooLarge: If it is longer than `max_bytes`; no more than that is ever held.
            ClientLeft: If it does not arrive whole.
        """
        refusal = TooLarge(
            f"the body must have at most {max_bytes:,} bytes",
            metadata={"max_bytes": str(max_bytes)},
        )
        announced = self.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > max_bytes:
            raise refusal
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientLeft
            body += message.get("body", b"")
            if len(body) > max_bytes:
                raise refusal
            if not message.get("more_body", False):
                return bytes(body)

    async def unless_left(self, work: Awaitable[None]) -> None:
        """Do `work` after the body; cancel it and raise `ClientLeft` if the client leaves."""
        task = asyncio.current_task()
        assert task is not None
        has_left = False

        async def watch() -> None:
            nonlocal has_left
            while (await self._receive())["type"] != "http.disconnect":
                pass
            has_left = True
            task.cancel()

        watcher = asyncio.create_task(watch())
        try:
            await work
        except asyncio.CancelledError:
            if has_left and task.uncancel() == 0:
                raise ClientLeft from None
            raise
        finally:
            watcher.cancel()

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of the answer."""
        self.has_started = True
        lines = {"cache-control": "no-store", REQUEST_ID_KEY: self.head.request_id, **headers}
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.encode(), value.encode()) for name, value in lines.items()],
            }
        )

    async def send(self, content: bytes, *, is_last: bool = False) -> None:
        """Send some of the answer's body. Waits for a client that reads slowly."""
        await self._send({"type": "http.response.body", "body": content, "more_body": not is_last})

    async def answer(
        self,
        status: int,
        content: bytes = b"",
        media_type: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a whole answer."""
        described = {"content-type": media_type} if media_type else {}
        length = {} if status in (204, 304) else {"content-length": str(len(content))}
        await self.start(status, {**described, **length, **(headers or {})})
        await self.send(content, is_last=True)

    async def answer_json(
        self, status: int, content: object, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a whole answer as JSON."""
        text = json.dumps(content, ensure_ascii=False)
        await self.answer(status, text.encode(), "application/json", headers)

    async def refuse(
        self,
        ended: CallStatus,
        http_status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Tell an error: what gRPC says in its details, in JSON.

        Args:
            ended: The error.
            http_status: Where HTTP has a better one than the error's.
            headers: More of them.
        """
        error = wire_error(ended)
        status = http_status or error.status
        await self.answer_json(
            status, {"error": error.content}, {**error.headers, **(headers or {})}
        )


@dataclass(frozen=True, kw_only=True)
class WireError:
    """An error for clients without protobuf.

    status: HTTP's.
    content: as JSON: code, reason, message and metadata.
    headers: what HTTP has of its own for it.
    field: path of the request field at fault; "" where there is none.
    """

    status: int
    content: Mapping[str, object]
    headers: Mapping[str, str]
    field: str


def wire_error(ended: CallStatus) -> WireError:
    """Take an error's details apart."""
    info, retry, bad = details.ErrorInfo(), details.RetryInfo(), details.BadRequest()
    headers: dict[str, str] = {}
    for detail in Status.FromString(ended.details).details:
        detail.Unpack(info)
        detail.Unpack(bad)
        if detail.Unpack(retry):
            wait_s = retry.retry_delay.ToTimedelta().total_seconds()
            headers["retry-after"] = str(math.ceil(wait_s))
    if ended.code is grpc.StatusCode.UNAUTHENTICATED:
        headers["www-authenticate"] = "Bearer"
    content = {
        "code": ended.code.name,
        "reason": info.reason,
        "message": ended.message,
        "metadata": dict(info.metadata),
    }
    fields = [violation.field for violation in bad.field_violations]
    return WireError(
        status=413 if info.reason == TooLarge.reason else _STATUSES.get(ended.code, 500),
        content=content,
        headers=headers,
        field=fields[0] if fields else "",
    )


def headers_of(scope: Scope) -> Mapping[str, str]:
    """Return the headers by lower-case name; of several with one name the first."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("ascii").lower(), value.decode())
    return headers
