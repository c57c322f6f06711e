"""Calls: bytes of every request, sent to a server that has one job and takes no others.

The first byte chooses the method, the rest is its request; a stream of requests has this one alone.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

import grpc
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server.calls.errors import DETAILS_KEY
from tests.fuzz.closed_server import ClosedServer, closed_server
from tests.fuzz.mutations.messages import changed_message
from tests.fuzz.targets.requests import RPCS
from tests.fuzz.targets.requests import seeds as requests

_TIMEOUT_S = 20.0

_server: ClosedServer
# Any: without serializers a channel takes bytes, which its stubs do not know.
_channel: Any


@contextmanager
def prepared() -> Iterator[None]:
    """Run a server: every request is checked, and in the end the queue is full."""
    global _channel, _server
    with closed_server() as _server, grpc.insecure_channel(_server.address) as _channel:
        yield


def consume(data: bytes) -> None:
    if not data:
        return
    rpc = RPCS[data[0] % len(RPCS)]
    # The job stays for other requests.
    content = data[1:] if rpc.name == "DeleteJob" else _server.with_job(data[1:])
    try:
        if rpc.takes_stream:
            _channel.stream_unary(rpc.path)(iter([content]), timeout=_TIMEOUT_S)
        elif rpc.gives_stream:
            list(_channel.unary_stream(rpc.path)(content, timeout=_TIMEOUT_S))
        else:
            _channel.unary_unary(rpc.path)(content, timeout=_TIMEOUT_S)
    except grpc.RpcError as error:
        _check_refusal(rpc.name, error)


def mutate(data: bytes, random: Random) -> bytes:
    number = data[0] if data and random.randrange(8) else random.randrange(len(RPCS))
    return bytes([number]) + changed_message(data[1:], RPCS[number % len(RPCS)].request, random)


def seeds() -> Mapping[str, bytes]:
    return {name: content for name, content in requests().items() if not name.endswith(".json")}


_DEFECTS = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


def _check_refusal(name: str, error: Any) -> None:  # Any: it has more than grpc's stubs know
    reasons = [
        info.reason
        for key, value in error.trailing_metadata()
        if key == DETAILS_KEY
        for detail in Status.FromString(value).details
        if detail.Unpack(info := details.ErrorInfo())
    ]
    assert error.code() not in _DEFECTS, f"{name}: {error.code()}: {error.details()}"
    assert len(reasons) == 1, f"{name}: {error.code()} with the reasons {reasons}"
    assert error.details(), f"{name}: {error.code()} without a message"
