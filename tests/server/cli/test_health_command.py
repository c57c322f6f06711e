"""`lodsmith health`: what a probe gets."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli.commands import app
from server.cli.health import own_address
from server.config import ServerConfig
from tests.server.conftest import Peer


def test_a_server_that_takes_jobs_is_healthy(server: Peer) -> None:
    server.finished(server.create("a chair"))  # so that workers of both kinds are up
    result = CliRunner().invoke(app, ["health", "--server", server.address])
    assert (result.exit_code, result.stdout) == (0, f"{server.address}: SERVING\n")


def test_its_address_is_that_of_the_settings(server: Peer) -> None:
    port = server.address.rpartition(":")[2]
    runner = CliRunner(env={"LODSMITH_PORT": port})
    result = runner.invoke(app, ["health", "--service", ""])
    assert (result.exit_code, result.stdout) == (0, f"{server.address}: SERVING\n")


def test_a_server_whose_model_is_broken_is_not(
    start_server: Callable[..., AbstractContextManager[Peer]], tmp_path: Path
) -> None:
    broken = tmp_path / "models"
    broken.mkdir()
    (broken / "pipeline.json").write_text("{}")
    (broken / "broken").touch()
    with start_server(models=(str(broken),)) as peer:
        result = CliRunner().invoke(app, ["health", "--server", peer.address])
    assert (result.exit_code, result.stderr) == (1, f"{peer.address}: NOT_SERVING\n")


def test_no_server_is_not_healthy() -> None:
    arguments = ["health", "--server", "127.0.0.1:1", "--timeout-s", "0.5"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "127.0.0.1:1: UNAVAILABLE" in result.stderr


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", "127.0.0.1:50051"),
        ("::", "[::1]:50051"),
        ("::1", "[::1]:50051"),
        ("localhost", "localhost:50051"),
    ],
)
def test_a_server_on_all_addresses_is_asked_on_loopback(host: str, address: str) -> None:
    assert own_address(ServerConfig(host=host, insecure_allow_remote=True)) == address
