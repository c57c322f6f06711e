"""`lodsmith config show`: every setting, its value, and where it comes from."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from server.cli.commands import app
from server.config import ServerConfig


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "studio.toml"
    path.write_text('drain_s = "2 min"\nmax_images = 4\n')
    return path


def show(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(app, ["config", "show", *map(str, arguments)])


def test_every_setting_is_shown_with_its_source(file: Path) -> None:
    result = show(
        "--config", file, "--port", "7", "--models", "a", "--models", "b", "--auth", "token",
        LODSMITH_MAX_IMAGES="5",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = {row.split()[0]: row.split()[1:] for row in result.stdout.splitlines()}
    assert list(rows) == [setting.name for setting in fields(ServerConfig)]
    assert rows["drain_s"] == ["2", "min", f"{file}:1"]
    assert rows["max_images"] == ["5", "LODSMITH_MAX_IMAGES"]
    assert rows["port"] == ["7", "--port"]
    assert rows["models"] == ["a,", "b", "--models"]
    assert rows["auth"] == ["token", "--auth"]
    assert rows["tls_cert"] == ["-", "default"]


def test_as_json_values_are_plain_numbers(file: Path) -> None:
    result = show("--json", "--config", file, "--tls-cert", "c.pem", "--tls-key", "k.pem")
    document = json.loads(result.stdout)
    assert document["drain_s"] == {"value": 120.0, "source": f"{file}:1"}
    assert document["tls_cert"] == {"value": "c.pem", "source": "--tls-cert"}
    assert document["models"]["value"] == ["starter"]
    assert document["tls_client_ca"]["value"] is None


def test_what_serve_would_refuse_is_refused(file: Path) -> None:
    file.write_text("drain = 1")
    result = show("--config", file)
    assert result.exit_code == 2
    assert "did you mean drain_s?" in result.stderr
