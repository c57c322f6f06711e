"""The systemd unit: it is one, and it agrees with the server."""

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli.commands import app
from server.config import ServerConfig, read_config

FOLDER = Path(__file__).resolve().parents[3] / "server" / "deploy"
UNIT = FOLDER / "lodsmith.service"


def service() -> Mapping[str, str]:
    """The section [Service]; of keys that appear more than once, the last value."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their capitals
    parser.read_string(UNIT.read_text())
    return parser["Service"]


def environment() -> dict[str, str]:
    pairs = re.findall(r"^Environment=(\w+)=(.*)$", UNIT.read_text(), flags=re.M)
    return dict(pairs)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_it(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    program = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text())
    unit.write_text(program)  # the real one is not installed here
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_systemd_waits_longer_than_the_drain() -> None:
    assert float(service()["TimeoutStopSec"]) >= ServerConfig().drain_s + 20
    assert service()["KillSignal"] == "SIGTERM"
    assert service()["KillMode"] == "mixed"  # workers do not hear it


def test_it_may_write_where_its_data_are_and_nowhere_else() -> None:
    config = read_config(environment(), flags={})
    state = Path("/var/lib", service()["StateDirectory"])
    assert config.data_dir == state
    assert state in config.models_dir.parents
    cache = Path("/var/cache", service()["CacheDirectory"])
    assert cache in Path(environment()["NUMBA_CACHE_DIR"]).parents
    assert service()["ProtectSystem"] == "strict"
    assert service()["NoNewPrivileges"] == "yes"


def test_its_command_is_ours_and_its_file_is_a_configuration(tmp_path: Path) -> None:
    program, *arguments = shlex.split(service()["ExecStart"])
    assert Path(program).name == "lodsmith"
    assert arguments == ["serve", "--config", "/etc/lodsmith/lodsmith.toml"]
    shipped = FOLDER / "lodsmith.toml"
    result = CliRunner().invoke(app, ["config", "show", "--config", str(shipped)])
    assert result.exit_code == 0, result.output
    everything = re.sub(r"(?m)^# (\w+ = )", r"\1", shipped.read_text())
    other = tmp_path / "lodsmith.toml"
    other.write_text(everything.replace('host = "127.0.0.1"\n', ""))
    assert read_config({}, flags={}, file=other).needs_token
