"""Calls: bytes of every request, sent to a server that takes no jobs.

The first byte chooses the method, the rest is its request; a stream of requests has this one alone.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server.calls.errors import DETAILS_KEY
from server.cli.embedded import running_server
from tests.fuzz.targets import requests
from tests.server.conftest import config_in

_TIMEOUT_S = 20.0
# Answered since events can be read without a stream and jobs deleted; until then INTERNAL.
_UNANSWERED = frozenset({"ListJobEvents", "RetryJob", "DeleteJob"})

# Any: without serializers a channel takes bytes, which its stubs do not know.
_channel: Any = None


@contextmanager
def prepared() -> Iterator[None]:
    """Run a server: every request is checked, and in the end the queue is full."""
    global _channel
    with TemporaryDirectory(prefix="lodsmith-fuzz-") as folder:
        config = replace(
            config_in(Path(folder)),
            max_queued_jobs=0,
            warm_generator=False,
            spare_mesh_workers=0,
            log_level="ERROR",
        )
        with running_server(config) as address, grpc.insecure_channel(address) as _channel:
            yield


def consume(data: bytes) -> None:
    if not data:
        return
    rpc = requests.RPCS[data[0] % len(requests.RPCS)]
    if rpc.name in _UNANSWERED:
        return
    content = data[1:]
    try:
        if rpc.takes_stream:
            _channel.stream_unary(rpc.path)(iter([content]), timeout=_TIMEOUT_S)
        elif rpc.gives_stream:
            list(_channel.unary_stream(rpc.path)(content, timeout=_TIMEOUT_S))
        else:
            _channel.unary_unary(rpc.path)(content, timeout=_TIMEOUT_S)
    except grpc.RpcError as error:
        _check_refusal(rpc.name, error)


mutate = requests.mutate


def seeds() -> Mapping[str, bytes]:
    return requests.seeds()


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
