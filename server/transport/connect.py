"""The calls of the contract as Connect and gRPC-Web: the one module that knows connectrpc.

Endpoints are made from the table of RPCs, without generated code. connectrpc brings the protocols;
what a request is, who may call and how a call ends is the desk's, as for gRPC.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no stubs
from protobuf.wkt import Any as AnyMessage

from server.calls import REQUEST_ID_KEY, CallHead, call_head
from server.calls.desk import CallEnded, Desk
from server.calls.errors import CallStatus, status_of
from server.calls.messages import (
    JSON_GROWTH,
    Malformed,
    Request,
    Response,
    json_request_reader,
    request_reader,
    write_json_response,
    write_response,
)
from server.calls.rpcs import Rpc
from server.refusals import Draining, InvalidRequest
from server.transport.exchange import peer_common_name

Context = RequestContext[Any, Any]  # Any: messages of every kind

_STREAM_TYPES = {
    (False, False): StreamType.UNARY,
    (True, False): StreamType.CLIENT_STREAM,
    (False, True): StreamType.SERVER_STREAM,
}
_CODES = dict.fromkeys((grpc.StatusCode.CANCELLED,), Code.CANCELED) | {
    code: Code[code.name]
    for code in grpc.StatusCode
    if code not in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED)
}


class ConnectCalls(ConnectASGIApplication[None]):
    """An ASGI application of all RPCs, each at `Rpc.path`."""

    path = "/"

    def __init__(self, rpcs: Sequence[Rpc], desk: Desk, *, is_stopping: Callable[[], bool]) -> None:
        """Answer `rpcs` by way of `desk`.

        Args:
            rpcs: The table.
            desk: Answers the calls.
            is_stopping: Whether a call that is cancelled ends because the server does.
        """
        largest = max(rpc.max_request_bytes for rpc in rpcs)
        super().__init__(
            service=None,
            endpoints=lambda _: {rpc.path: _endpoint(rpc, desk, is_stopping) for rpc in rpcs},
            read_max_bytes=JSON_GROWTH * largest + 1024,  # the readers know the limit of each
            compressions=(),  # GLBs do not shrink, events are small, and there are no bombs
            codecs=(_ProtoCodec(rpcs), _JsonCodec(rpcs)),
        )


@dataclass(frozen=True, kw_only=True)
class _Reply:
    """A response, and of which method: its bytes alone do not tell a codec what they are."""

    rpc: Rpc
    response: Response


class _ProtoCodec:
    """Messages as protobuf's bytes."""

    def __init__(self, rpcs: Sequence[Rpc]) -> None:
        self._readers = {rpc.request: request_reader(rpc) for rpc in rpcs}

    def name(self) -> str:
        return "proto"

    def encode(self, message: _Reply) -> bytes:
        return write_response(message.response)

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Request:
        return self._readers[message_class](bytes(data))


class _JsonCodec:
    """Messages as protobuf's JSON."""

    def __init__(self, rpcs: Sequence[Rpc]) -> None:
        self._readers = {rpc.request: json_request_reader(rpc) for rpc in rpcs}

    def name(self) -> str:
        return "json"

    def encode(self, message: _Reply) -> bytes:
        return write_json_response(message.rpc, message.response)

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Request:
        return self._readers[message_class](bytes(data))


def _endpoint(rpc: Rpc, desk: Desk, is_stopping: Callable[[], bool]) -> Any:
    """Return what connectrpc calls for one method. Any: its own kinds of endpoints are private."""
    method: MethodInfo[Any, Any] = MethodInfo(
        name=rpc.name,
        service_name=rpc.service,
        input=rpc.request,
        output=rpc.response,
        idempotency_level=(
            IdempotencyLevel.NO_SIDE_EFFECTS  # may be called by GET
            if rpc.has_no_side_effects
            else IdempotencyLevel.UNKNOWN
        ),
        stream_type=_STREAM_TYPES[rpc.takes_stream, rpc.gives_stream],
    )

    async def unary(request: Request | AsyncIterator[Request], context: Context) -> _Reply:
        head = _head(context)
        if isinstance(request, AsyncIterator):
            request = _requests(request)
        with _errors_of_connect(is_stopping):
            return _Reply(rpc=rpc, response=await desk.answer(rpc, head, request))

    async def stream(request: Request, context: Context) -> AsyncIterator[_Reply]:
        head = _head(context)
        with _errors_of_connect(is_stopping):
            async with aclosing(desk.answers(rpc, head, request)) as responses:
                async for response in responses:
                    yield _Reply(rpc=rpc, response=response)

    if rpc.takes_stream:
        return Endpoint.client_stream(method, unary)
    if rpc.gives_stream:
        return Endpoint.server_stream(method, stream)
    return Endpoint.unary(method, unary)


def _head(context: Context) -> CallHead:
    """Return what is known of the call, and tell the client its id."""
    headers = dict(context.request_headers)
    is_grpc_web = headers.get("content-type", "").startswith("application/grpc-web")
    head = call_head(
        "grpc-web" if is_grpc_web else "connect",
        (context.client_address or "").rpartition(":")[0],
        headers,
        peer_common_name=peer_common_name.get(),
    )
    context.response_headers[REQUEST_ID_KEY] = head.request_id
    return head


async def _requests(requests: AsyncIterator[Request]) -> AsyncIterator[Request]:
    """Yield the requests of a stream; end as gRPC does when its client leaves or talks nonsense."""
    try:
        async for request in requests:
            yield request
    except ConnectError as error:
        if error.code is Code.CANCELED:
            raise asyncio.CancelledError from error
        yield Malformed(refusal=InvalidRequest(f"the request is no stream: {error.message}"))


@contextmanager
def _errors_of_connect(is_stopping: Callable[[], bool]) -> Iterator[None]:
    """Turn how a call ends into what connectrpc tells the client."""
    try:
        yield
    except CallEnded as ended:
        raise _error(ended.status) from ended
    except asyncio.CancelledError as cut:
        if not is_stopping():
            raise
        stopping = Draining("the server is shutting down; try again later", retry_after_s=2.0)
        raise _error(status_of(stopping)) from cut


def _error(status: CallStatus) -> ConnectError:
    """Return the error with the details that gRPC sends."""
    details = [
        # connectrpc has a protobuf of its own, which knows our messages by name and bytes only
        ErrorDetail(AnyMessage(type_url=detail.type_url, value=detail.value))
        for detail in Status.FromString(status.details).details
    ]
    return ConnectError(_CODES[status.code], status.message, details)
