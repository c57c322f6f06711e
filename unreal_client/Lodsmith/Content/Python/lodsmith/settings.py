"""What a project's people share, and the tokens, which never go into the project."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lodsmith import naming

TOKEN_VARIABLE = "LODSMITH_TOKEN"


class BadSettings(ValueError):
    """A file of settings cannot be used; the message names it and what is wrong."""


@dataclass(frozen=True)
class Settings:
    """`Config/Lodsmith.json` of a project.

    server: Address of the HTTP port.
    folder, fileName: Patterns, see `naming`.
    caFile: PEM of the CA that issued the server's certificate. "": those that Python knows.
    presets: Sizes to choose from: a name to budgets and a texture size.
    """

    server: str = "http://127.0.0.1:50052"
    folder: str = "/Game/Lodsmith/{name}"
    fileName: str = "{name}"  # noqa: N815  # as in manifests
    caFile: str = ""  # noqa: N815
    presets: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hero": {"budgets": [50000, 20000, 8000, 2000], "textureSize": 4096},
            "prop": {"budgets": [20000, 10000, 4000, 1000], "textureSize": 2048},
            "mobile": {"budgets": [5000, 2000, 600], "textureSize": 1024},
        }
    )


def read_settings(path: Path) -> Settings:
    """Read a project's settings; the defaults, where there is no file.

    Raises:
        BadSettings: If there is one that cannot be used.
    """
    if not path.exists():
        return Settings()
    try:
        document = json.loads(path.read_text("utf-8"))
        settings = replace(Settings(), **document)
    except (OSError, ValueError, TypeError) as error:
        raise BadSettings(f"{path} cannot be read: {error}") from error
    for key, value in asdict(settings).items():
        if type(value) is not type(getattr(Settings(), key)):
            raise BadSettings(f"{path}: {key} must be like {getattr(Settings(), key)!r}")
    problem = naming.problem("folder", settings.folder, is_folder=True) or naming.problem(
        "fileName", settings.fileName, is_folder=False
    )
    if problem:
        raise BadSettings(f"{path}: {problem}")
    return settings


def write_settings(path: Path, settings: Settings) -> None:
    """Write a project's settings, a value per line, so that edits of several people merge."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(settings), indent=2) + "\n", "utf-8")


class TokenStore:
    """Tokens in the user's home on this machine, one per server."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, server: str) -> str:
        """Return the token for a server: that of LODSMITH_TOKEN, else the stored one, else ""."""
        return os.environ.get(TOKEN_VARIABLE, "") or str(self._all().get(server, ""))

    def write(self, server: str, token: str) -> None:
        """Keep a token; "" forgets it. Raises OSError if the file cannot be written."""
        tokens = {**self._all(), server: token}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Made with its permissions, not given them later: nobody may read it in between.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({key: value for key, value in tokens.items() if value}, file)

    def _all(self) -> "dict[str, Any]":
        try:
            document = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}
