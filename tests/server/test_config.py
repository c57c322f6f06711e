"""Settings from flags, environment and defaults, and what is refused."""

from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

from pipeline.errors import InvalidInput
from server.config import ServerConfig, default_data_dir, read_config


def test_flags_win_over_the_environment_and_that_over_defaults() -> None:
    environment = {"LODSMITH_PORT": "1", "LODSMITH_DRAIN_S": "2.5", "HOME": "/nowhere"}
    config = read_config(
        environment, flags={"port": 3, "host": None}, defaults={"drain_s": 9.0, "device": "cpu"}
    )
    assert (config.port, config.drain_s, config.device) == (3, 2.5, "cpu")
    assert config.host == "127.0.0.1"


def test_every_setting_has_a_variable() -> None:
    texts = {"bool": "true", "int": "1", "float": "1.0", "str": "ERROR", "Path": "/x"}
    environment = {}
    for setting in fields(ServerConfig):
        variable = f"LODSMITH_{setting.name.upper()}"
        if get_origin(setting.type) is Literal:
            environment[variable] = get_args(setting.type)[-1]
        elif get_origin(setting.type) is tuple:
            environment[variable] = "starter, other"
        else:
            environment[variable] = texts[setting.type.__name__]  # type: ignore[union-attr]
    config = read_config(environment, flags={})
    assert config.data_dir == Path("/x")
    assert config.insecure_allow_remote is True
    assert config.models == ("starter", "other")
    assert config.offload == "off"


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("LODSMITH_PROT", "1", "there is no setting LODSMITH_PROT"),
        ("LODSMITH_PORT", "many", "LODSMITH_PORT must be a int"),
        ("LODSMITH_PORT", "70000", "port must be in"),
        ("LODSMITH_WARM_GENERATOR", "perhaps", "true or false"),
        ("LODSMITH_PRECISION", "float8", "precision must be one of auto, float16"),
        ("LODSMITH_MODELS", "", "models must name at least one model"),
        ("LODSMITH_HOST", "0.0.0.0", "--insecure-allow-remote"),
        ("LODSMITH_LOG_LEVEL", "LOUD", "log_level must be"),
        ("LODSMITH_MESH_WORKERS", "0", "mesh_workers must be at least 1"),
        ("LODSMITH_DRAIN_S", "-1", "drain_s must not be negative"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_config({variable: text}, flags={})


def test_data_live_where_the_desktop_says() -> None:
    assert default_data_dir({"XDG_DATA_HOME": "/data"}) == Path("/data/lodsmith")
    assert default_data_dir({}) == Path.home() / ".local" / "share" / "lodsmith"
