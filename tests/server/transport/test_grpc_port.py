"""The gRPC port: what one connection may do."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import grpc
import pytest

from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer

StartServer = Callable[..., AbstractContextManager[Peer]]


def test_a_connection_has_so_many_streams_and_the_next_call_waits(
    start_server: StartServer,
) -> None:
    with start_server(max_connection_streams=2, warm_generator=False) as peer:
        job = peer.create_mesh("slow")
        watches = [peer.jobs.WatchJob(pb.WatchJobRequest(name=job.name)) for _ in range(2)]
        for watch in watches:
            next(iter(watch))
        request = pb.GetJobRequest(name=job.name)
        with pytest.raises(grpc.RpcError) as waited:
            peer.jobs.GetJob(request, timeout=0.5)
        assert waited.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert peer.client.info().limits.max_connection_streams == 2  # on its own connection
        watches[0].cancel()
        assert peer.jobs.GetJob(request, timeout=10).job.name == job.name
        watches[1].cancel()
        peer.client.cancel(job.name)
        peer.finished(job)
