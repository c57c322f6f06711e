"""How many may watch the server's health."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import grpc
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.calls.errors import DETAILS_KEY
from tests.server.conftest import Peer

StartServer = Callable[..., AbstractContextManager[Peer]]
SERVING = health_pb2.HealthCheckResponse.SERVING


def test_watches_of_health_are_few_and_the_rest_hears_when_to_come_back(
    start_server: StartServer,
) -> None:
    with start_server(max_health_watches=2, warm_generator=False) as peer:
        health = health_pb2_grpc.HealthStub(peer.channel)

        def watch(service: str) -> Any:
            return health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=10)

        first, second = watch(""), watch("no such service")
        assert next(first).status == SERVING
        assert next(second).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        refused = refusal(watch(""))
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert retry_delay_s(refused) == 10
        assert health.Check(health_pb2.HealthCheckRequest()).status == SERVING
        first.cancel()
        while not isinstance(third := first_answer(watch("")), health_pb2.HealthCheckResponse):
            assert third.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # until the cut is noticed
        assert third.status == SERVING


def first_answer(watch: Iterator[Any]) -> Any:
    try:
        return next(watch)
    except grpc.RpcError as error:
        return error


def refusal(watch: Iterator[Any]) -> Any:
    answer = first_answer(watch)
    assert isinstance(answer, grpc.RpcError)
    return answer


def retry_delay_s(error: Any) -> float:
    """Return what the error's RetryInfo says."""
    packed = dict(error.trailing_metadata())[DETAILS_KEY]
    for detail in Status.FromString(packed).details:
        retry = details.RetryInfo()
        if detail.Unpack(retry):
            return float(retry.retry_delay.ToTimedelta().total_seconds())
    raise AssertionError("no RetryInfo")
