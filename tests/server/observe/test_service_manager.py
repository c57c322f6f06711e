"""What systemd hears."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.observe.service_manager import ServiceManager


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The value of NOTIFY_SOCKET, and the end of the socket that systemd has."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.settimeout(5)
        heard.bind(path if request.param == "file" else f"\0{path}")
        yield (path if request.param == "file" else f"@{path}"), heard


def test_it_hears_of_start_and_end(manager: tuple[str, socket.socket]) -> None:
    address, heard = manager
    told = ServiceManager(address)
    told.ready()
    assert heard.recv(1000) == b"READY=1"
    told.stopping(within_s=35.5)
    assert heard.recv(1000) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=35500000"


def test_without_one_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager("").ready()
    assert caplog.records == []


def test_one_that_is_gone_does_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ServiceManager(str(tmp_path / "gone")).ready()
    assert "cannot be told 'READY=1'" in caplog.text
