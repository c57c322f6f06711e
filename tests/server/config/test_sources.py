"""Settings from a file, the environment, flags and defaults: who wins, and what is refused."""

from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

from pipeline.errors import InvalidInput
from server.config import ServerConfig, read_config, read_configuration
from server.config.sources import config_file
from server.config.values import Bytes, Seconds


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment of a user without a configuration file."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": "/nowhere"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "studio.toml"
    path.write_text(
        "# the studio's server\n"
        "port = 1\n"
        'mesh_memory_bytes = "4 GiB"\n'
        'drain_s = "2 min"\n'
        "\n"
        "models = [\n"
        '  "starter",\n'
        '  "port = 9",\n'  # must not be taken for the line of `port`
        "]\n"
        'data_dir = "data"\n'
    )
    return path


def test_flags_win_over_the_environment_that_over_the_file_that_over_defaults(
    environment: dict[str, str], file: Path
) -> None:
    found = read_configuration(
        environment | {"LODSMITH_PORT": "2", "LODSMITH_DRAIN_S": "2.5"},
        flags={"port": 3, "host": None},
        defaults={"drain_s": 9.0, "device": "cpu", "mesh_memory_bytes": 1},
        file=file,
    )
    config = found.config
    assert (config.port, config.drain_s, config.device) == (3, 2.5, "cpu")
    assert (config.mesh_memory_bytes, config.host) == (4 << 30, "127.0.0.1")
    assert config.data_dir == file.parent / "data"  # beside the file that says so
    assert config.models == ("starter", "port = 9")
    assert found.file == file
    assert found.sources["port"] == "--port"
    assert found.sources["drain_s"] == "LODSMITH_DRAIN_S"
    assert found.sources["mesh_memory_bytes"] == f"{file}:3"
    assert found.sources["models"] == f"{file}:6"
    assert found.sources["device"] == found.sources["host"] == "default"
    assert found.changes().startswith("port 3 (--port), data_dir ")
    assert "drain_s 2.5 s (LODSMITH_DRAIN_S)" in found.changes()
    assert "device" not in found.changes()


def test_every_setting_has_a_variable(environment: dict[str, str]) -> None:
    texts = {bool: "true", int: "7", float: "7.0", str: "http://7", Path: "/7", Path | None: "/7"}
    texts |= {Bytes: "7 kB", Seconds: "7 h"}
    for setting in fields(ServerConfig):
        variable = f"LODSMITH_{setting.name.upper()}"
        if get_origin(setting.type) is Literal:
            environment[variable] = get_args(setting.type)[-1]
        elif get_origin(setting.type) is tuple:
            environment[variable] = "http://a" if setting.name == "allowed_origins" else "a, b"
        else:
            environment[variable] = texts[setting.type]  # type: ignore[index]
    found = read_configuration(environment | {"LODSMITH_HTTP_PORT": "8"}, flags={})
    assert found.config.data_dir == found.config.tls_client_ca == Path("/7")
    assert found.config.insecure_allow_remote is True
    assert found.config.models == ("a", "b")
    assert found.config.offload == "off"
    assert (found.config.max_mesh_bytes, found.config.heartbeat_s) == (7000, 25_200.0)
    assert all(source == f"LODSMITH_{name.upper()}" for name, source in found.sources.items())


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("LODSMITH_PROT", "1", "no setting LODSMITH_PROT; did you mean LODSMITH_PORT?"),
        ("LODSMITH_XYZZY", "1", "no setting LODSMITH_XYZZY; lodsmith config show names all"),
        ("LODSMITH_PORT", "many", "LODSMITH_PORT must be a whole number, got 'many'"),
        ("LODSMITH_PORT", "70000", r"port must be in .*, got 70000 \(from LODSMITH_PORT\)"),
        ("LODSMITH_WARM_GENERATOR", "perhaps", "true or false"),
        ("LODSMITH_PRECISION", "float8", "precision must be one of auto, float16"),
        ("LODSMITH_MODELS", "", "models must name at least one model"),
        ("LODSMITH_HOST", "0.0.0.0", "--insecure-allow-remote"),
        ("LODSMITH_MAX_MESH_BYTES", "8 gigs", "must be a size as 1000000"),
        ("LODSMITH_DRAIN_S", "-1", "drain_s must not be negative"),
    ],
)
def test_a_wrong_variable_is_named(
    environment: dict[str, str], variable: str, text: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_config(environment | {variable: text}, flags={})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\nprot = 1", r"no setting prot \(.*studio.toml:2\); did you mean port\?"),
        ('port = "1"', r"studio.toml:1: port must be a whole number, got '1'"),
        ("port = true", "port must be a whole number, got True"),
        ("port = 70000", r"port must be in .*, got 70000 \(from .*studio.toml:1\)"),
        ("models = 'starter'", "models must be a list of texts, got 'starter'"),
        ("drain_s = '5 m'", "drain_s must be a time as 30"),
        ("[server]\nport = 1", r"studio.toml:1: \[server\] is a table"),
        ("port = ", "studio.toml is not TOML: Invalid value"),
        ("port = 1\nport = 2", "is not TOML"),
    ],
)
def test_a_wrong_line_is_named(
    environment: dict[str, str], tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "studio.toml"
    path.write_text(content)
    with pytest.raises(InvalidInput, match=message):
        read_config(environment, flags={}, file=path)


def test_a_file_that_is_no_text_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "studio.toml"
    path.write_bytes(b"host = '\xff'")
    with pytest.raises(InvalidInput, match="is not TOML"):
        read_config(environment, flags={}, file=path)


def test_the_file_is_the_flag_s_then_the_variable_s_then_the_user_s(
    environment: dict[str, str], file: Path, tmp_path: Path
) -> None:
    assert config_file(environment) is None
    usual = tmp_path / "config" / "lodsmith" / "lodsmith.toml"
    usual.parent.mkdir(parents=True)
    usual.write_text("port = 5")
    other = tmp_path / "other.toml"
    other.write_text("port = 6")
    named = environment | {"LODSMITH_CONFIG": str(other)}
    assert read_config(environment, flags={}).port == 5
    assert read_config(named, flags={}).port == 6
    assert read_config(named, flags={}, file=file).port == 1


def test_a_file_that_is_named_must_be_there(environment: dict[str, str]) -> None:
    for named, flag in ({"LODSMITH_CONFIG": "/nowhere.toml"}, None), ({}, Path("/nowhere.toml")):
        with pytest.raises(InvalidInput, match=r"/nowhere.toml cannot be read: No such file"):
            read_config(environment | named, flags={}, file=flag)


def test_variables_of_clients_are_no_settings(environment: dict[str, str]) -> None:
    assert read_config(environment | {"LODSMITH_TOKEN": "secret"}, flags={}) == read_config(
        environment, flags={}
    )
