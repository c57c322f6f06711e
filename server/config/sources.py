"""Where settings come from: a TOML file, then the environment, then flags."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pipeline.errors import InvalidInput
from server.config.settings import ServerConfig, WrongSetting
from server.config.values import Setting, from_text, from_toml, to_text

ENVIRONMENT_PREFIX = "LODSMITH_"
FILE_VARIABLE = "LODSMITH_CONFIG"
FILE_NAME = "lodsmith.toml"
DEFAULT = "default"

# Variables that are no settings of a server: which file has them, what a client shows, and where a
# test of crashes ends the process.
_OTHER_VARIABLES = frozenset({FILE_VARIABLE, "LODSMITH_TOKEN", "LODSMITH_FAILPOINT"})

# Any: an annotation, which may be a type or one of typing's special forms.
_KINDS: Mapping[str, Any] = {setting.name: setting.type for setting in fields(ServerConfig)}


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A configuration and where it comes from.

    sources: for each setting "default", "<file>:<line>", the variable or the flag.
    file: the TOML file that was read; None: there is none.
    """

    config: ServerConfig
    sources: Mapping[str, str]
    file: Path | None

    def changes(self) -> str:
        """Return the settings that somebody has made, and where, for the log."""
        made = [
            f"{name} {to_text(kind, getattr(self.config, name))} ({self.sources[name]})"
            for name, kind in _KINDS.items()
            if self.sources[name] != DEFAULT
        ]
        return ", ".join(made) or "all defaults"


def read_config(
    environment: Mapping[str, str],
    flags: Mapping[str, Setting],
    defaults: Mapping[str, Setting] | None = None,
    file: Path | None = None,
) -> ServerConfig:
    """As `read_configuration`, where nobody asks for the sources."""
    return read_configuration(environment, flags, defaults, file).config


def read_configuration(
    environment: Mapping[str, str],
    flags: Mapping[str, Setting],
    defaults: Mapping[str, Setting] | None = None,
    file: Path | None = None,
) -> Configuration:
    """Build the configuration: `flags` win over `environment`, that over the file.

    Args:
        environment: As `os.environ`; only names that start with LODSMITH_ matter.
        flags: By field name; None for a flag that was not given.
        defaults: By field name, where they differ from those of `ServerConfig`.
        file: A TOML file. None: the one that LODSMITH_CONFIG names, else `lodsmith/lodsmith.toml`
            in the user's folder for configurations, if it is there.

    Raises:
        InvalidInput: For a file that cannot be read, a setting that does not exist, or a value
            that does not fit.
    """
    values: dict[str, Any] = dict(defaults or {})  # Any: checked by `ServerConfig`
    sources = dict.fromkeys(_KINDS, DEFAULT)

    file = file or config_file(environment)
    if file is not None:
        for name, value, source in _of_file(file):
            values[name], sources[name] = value, source
    for variable, text in environment.items():
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in _OTHER_VARIABLES:
            name = _known(variable.removeprefix(ENVIRONMENT_PREFIX).lower(), variable)
            values[name], sources[name] = _of_variable(name, variable, text), variable
    for name, flag in flags.items():
        if flag is not None:
            values[name], sources[name] = flag, f"--{name.replace('_', '-')}"
    try:
        return Configuration(config=ServerConfig(**values), sources=sources, file=file)
    except WrongSetting as error:
        source = sources[error.name]
        where = "" if source == DEFAULT else f" (from {source})"
        raise InvalidInput(f"{error}{where}") from error


def config_file(environment: Mapping[str, str]) -> Path | None:
    """Return the file that holds when none is named by a flag; None: there is none."""
    if named := environment.get(FILE_VARIABLE):
        return Path(named)
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    usual = Path(base) / "lodsmith" / FILE_NAME
    return usual if usual.is_file() else None


def _of_file(path: Path) -> list[tuple[str, Setting, str]]:
    """Name, value and place of every setting in a file."""
    try:
        text = path.read_bytes().decode()
        table = tomllib.loads(text)
    except OSError as error:
        raise InvalidInput(
            f"the configuration file {path} cannot be read: {error.strerror}"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"the configuration file {path} is not TOML: {error}") from error
    found = []
    for key, value in table.items():
        place = f"{path}{_line(text, key)}"
        if isinstance(value, dict):
            raise InvalidInput(f"{place}: [{key}] is a table; settings stand outside of tables")
        name = _known(key, f"{key} ({place})")
        try:
            found.append((name, from_toml(_KINDS[name], value, path.parent), place))
        except ValueError as error:
            raise InvalidInput(f"{place}: {name} must be {error}, got {value!r}") from error
    return found


def _of_variable(name: str, variable: str, text: str) -> Setting:
    try:
        return from_text(_KINDS[name], text)
    except ValueError as error:
        raise InvalidInput(f"{variable} must be {error}, got {text!r}") from error


def _line(text: str, key: str) -> str:
    """ ":" and the line of a key, which `tomllib` does not tell; "" if it cannot be found."""
    pattern = re.compile(rf"""\s*\[?\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return f":{number}"
    return ""


def _known(name: str, written: str) -> str:
    """Return `name` if there is such a setting."""
    if name in _KINDS:
        return name
    near = difflib.get_close_matches(name, _KINDS, n=1)
    prefix = ENVIRONMENT_PREFIX if written.startswith(ENVIRONMENT_PREFIX) else ""
    meant = (prefix + near[0].upper() if prefix else near[0]) if near else ""
    hint = f"did you mean {meant}?" if meant else "lodsmith config show names all"
    raise InvalidInput(f"there is no setting {written}; {hint}")
