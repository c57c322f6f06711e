"""The gRPC port: the contract's services, health and reflection on grpc.aio."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from pipeline.errors import InvalidInput
from server.access.peer import host_of
from server.access.tls import common_name_of_call
from server.calls import REQUEST_ID_KEY, CallHead, call_head
from server.calls.desk import CallEnded, Desk
from server.calls.errors import DETAILS_KEY
from server.calls.messages import Request, Response, request_reader, write_response
from server.calls.rpcs import Rpc

Context = grpc.aio.ServicerContext[Any, Any]  # Any: messages of every kind

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),  # a second server on the port fails instead of sharing the calls
    ("grpc.server.max_pending_requests", 10_000),  # many clients that come back at once
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
    ("grpc.server_handshake_timeout_ms", 10_000),  # sockets that connect and say nothing
    ("grpc.max_allowed_incoming_connections", 4_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),  # editors behind NAT
    ("grpc.keepalive_time_ms", 60_000),  # peers that are gone without a word
    ("grpc.keepalive_timeout_ms", 20_000),
)


def grpc_server(
    rpcs: Sequence[Rpc],
    desk: Desk,
    health: HealthServicer,
    *,
    has_reflection: bool,
    max_connection_streams: int,
) -> grpc.aio.Server:
    """Return a server of the contract's methods that listens nowhere yet.

    max_connection_streams: calls that run at once on one connection; a client lets more wait.
    """
    options = (*OPTIONS, ("grpc.max_concurrent_streams", max_connection_streams))
    server = grpc.aio.server(options=options)
    services = sorted({rpc.service for rpc in rpcs})
    for service in services:
        handlers = {rpc.name: _handler(rpc, desk) for rpc in rpcs if rpc.service == service}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    if has_reflection:
        names = (*services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
    return server


def listen(
    server: grpc.aio.Server, host: str, port: int, credentials: grpc.ServerCredentials | None
) -> int:
    """Bind the port, a free one for 0, and return it. Raises `InvalidInput` if it is taken.

    credentials: for TLS; None: none.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise InvalidInput(
            f"cannot listen on {host}:{port}; another program uses it, or the "
            "host is not one of this machine: choose another --port or --host"
        ) from error


def _handler(rpc: Rpc, desk: Desk) -> "grpc.RpcMethodHandler[Any, Any]":
    """Return what grpc calls for one method."""
    read = request_reader(rpc)
    if rpc.takes_stream:
        return grpc.stream_unary_rpc_method_handler(_unary(rpc, desk), read, write_response)
    if rpc.gives_stream:
        return grpc.unary_stream_rpc_method_handler(_stream(rpc, desk), read, write_response)
    return grpc.unary_unary_rpc_method_handler(_unary(rpc, desk), read, write_response)


def _unary(rpc: Rpc, desk: Desk) -> Callable[..., Any]:
    async def unary(request: Request | AsyncIterator[Request], context: Context) -> Response:
        head = _head(context)
        try:
            return await desk.answer(rpc, head, request)
        except CallEnded as ended:
            await _abort(context, ended, head)
            raise AssertionError("abort raises") from ended

    return unary


def _stream(rpc: Rpc, desk: Desk) -> Callable[..., Any]:
    async def stream(request: Request, context: Context) -> AsyncIterator[Response]:
        head = _head(context)
        try:
            async with aclosing(desk.answers(rpc, head, request)) as responses:
                async for response in responses:
                    yield response
        except CallEnded as ended:
            await _abort(context, ended, head)

    return stream


def _head(context: Context) -> CallHead:
    """Return what is known of the call, and tell the client its id."""
    head = call_head(
        "grpc",
        host_of(context.peer()),
        _plain(context.invocation_metadata() or ()),
        peer_common_name=common_name_of_call(context.auth_context()),
    )
    context.set_trailing_metadata(((REQUEST_ID_KEY, head.request_id),))
    return head


def _plain(metadata: Iterable[tuple[str, str | bytes]]) -> Mapping[str, str]:
    return {key: value for key, value in metadata if isinstance(value, str)}


async def _abort(context: Context, ended: CallEnded, head: CallHead) -> None:
    status = ended.status
    metadata = ((REQUEST_ID_KEY, head.request_id), (DETAILS_KEY, status.details))
    await context.abort(status.code, status.message, metadata)
