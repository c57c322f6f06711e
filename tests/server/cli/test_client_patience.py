"""A client waits where waiting helps."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from server.cli.client import CallFailed, Client
from tests.server.conftest import Peer

StartServer = Callable[..., AbstractContextManager[Peer]]


def test_a_client_that_calls_too_often_waits_for_its_turn(start_server: StartServer) -> None:
    with start_server(call_rate_per_s=20.0, call_burst=2, warm_generator=False) as peer:
        for _ in range(6):
            peer.client.info()
        with (
            Client(peer.address, patience_s=0.0) as hasty,
            pytest.raises(CallFailed, match="too many calls") as refused,
        ):
            [hasty.info() for _ in range(6)]
    assert refused.value.reason == "RATE_LIMITED"
