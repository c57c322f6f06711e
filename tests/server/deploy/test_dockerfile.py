"""The Dockerfile, as far as it can be checked without building it."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InvalidInput
from server.cli.commands import app
from server.config import read_config

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "server" / "deploy" / "Dockerfile"
IGNORE = FILE.with_name("Dockerfile.dockerignore")


def instructions() -> list[tuple[str, str]]:
    """Every instruction and its arguments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.M).replace("\\\n", " ")
    return [
        (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1])
        for line in text.splitlines()
        if line.strip()
    ]


def arguments_of(name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions() if instruction == name]


def variables() -> dict[str, str]:
    """What ENV sets."""
    pairs = (pair.partition("=") for line in arguments_of("ENV") for pair in shlex.split(line))
    return {name: value for name, _, value in pairs}


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in IGNORE.read_text().splitlines() if line.startswith("!")}
    copied: set[str] = set()
    for line in arguments_of("COPY"):
        if not line.startswith("--from"):
            copied |= set(line.split()[:-1])
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


def test_what_is_copied_is_all_that_the_package_is_made_of() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {*packages, project["project"]["readme"], "pyproject.toml", "constraints.txt"}
    assert needed <= {word for line in arguments_of("COPY") for word in line.split()}
    for line in arguments_of("RUN"):
        for extras in re.findall(r"'\.\[(.+?)\]'", line):
            assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])


def test_stages_are_built_before_they_are_used() -> None:
    known: set[str] = set()
    for instruction, arguments in instructions():
        if instruction == "FROM":
            base, _, name = arguments.split()
            assert base in known or base.startswith("python:3.11-")
            known.add(name)
        elif source := re.match(r"--from=(\S+)", arguments):
            assert source[1] in known
    assert known >= {"cpu", "cuda"}
    assert arguments_of("FROM")[-1].endswith(" AS cpu")  # what is built when no target is named


def test_it_does_not_run_as_root() -> None:
    assert arguments_of("USER") == ["lodsmith"]
    assert arguments_of("VOLUME") == [variables()["LODSMITH_DATA_DIR"]]


def test_its_commands_are_ours() -> None:
    names = {
        command.name or (command.callback.__name__ if command.callback else "")
        for command in app.registered_commands
    }
    assert arguments_of("ENTRYPOINT") == ['["lodsmith"]']
    assert arguments_of("CMD") == ['["serve"]']
    (check,) = arguments_of("HEALTHCHECK")
    assert check.endswith('CMD ["lodsmith", "health"]')
    assert {"serve", "health"} <= names


def test_its_variables_are_settings_and_the_rule_for_other_hosts_holds() -> None:
    with pytest.raises(InvalidInput, match=r"host 0\.0\.0\.0 can be reached"):
        read_config(variables(), flags={})
    config = read_config(variables() | {"LODSMITH_INSECURE_ALLOW_REMOTE": "true"}, flags={})
    assert config.needs_token
    assert (config.data_dir, config.models_dir) == (Path("/data"), Path("/data/models"))
    assert set(arguments_of("EXPOSE")[0].split()) == {str(config.port), str(config.http_port)}
    assert variables()["HF_HUB_OFFLINE"] == "1"
