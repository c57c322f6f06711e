"""`lodsmith config`, and the flags that `serve` shares with it.

What it does is imported when it runs, so that --help is instant.
"""

import json as json_format
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from server.config import Configuration
    from server.config.values import Setting


class AuthMode(StrEnum):
    """Values of --auth."""

    AUTO = "auto"
    TOKEN = "token"
    NONE = "none"


class LogFormat(StrEnum):
    """Values of --log-format."""

    TEXT = "text"
    JSON = "json"


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        dir_okay=False,
        help="Settings, as TOML. Default: LODSMITH_CONFIG, else lodsmith/lodsmith.toml in your "
        "folder for configurations, if it is there.",
    ),
]
Host = Annotated[str | None, typer.Option(help="Where to listen.  [default: 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(help="gRPC's; 0: a free one.  [default: 50051]")]
HttpPort = Annotated[
    int | None, typer.Option(help="HTTP's, for the same calls; 0: a free one.  [default: 50052]")
]
AuthOption = Annotated[
    AuthMode | None,
    typer.Option(
        "--auth", help="Who may call. auto: everybody on loopback, else by token.  [default: auto]"
    ),
]
TlsCert = Annotated[
    Path | None, typer.Option(dir_okay=False, help="The server's certificate, as PEM.")
]
TlsKey = Annotated[Path | None, typer.Option(dir_okay=False, help="The certificate's key, as PEM.")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False, help="Callers must have a certificate by one of these authorities."
    ),
]
InsecureAllowRemote = Annotated[
    bool | None,
    typer.Option(
        "--insecure-allow-remote",
        help="Allow another --host than loopback without TLS, or without any login.",
    ),
]
ServerDataDir = Annotated[
    Path | None, typer.Option("--data-dir", file_okay=False, help="Folder for jobs and artifacts.")
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        help="A model's name (`lodsmith models list`) or folder. Give it again for more than one: "
        "each request takes the first that fits.  [default: starter]"
    ),
]
Device = Annotated[str | None, typer.Option(help="Where the model runs: auto, cpu, cuda:0 ...")]
MeshWorkers = Annotated[
    int | None, typer.Option(help="Mesh processes at work at once.  [default: 1]")
]
DrainS = Annotated[
    float | None, typer.Option(help="Seconds that running jobs get at the end.  [default: 30]")
]
LogLevelOption = Annotated[
    str | None,
    typer.Option("--log-level", help="DEBUG, INFO, WARNING or ERROR.  [default: INFO]"),
]
LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option("--log-format", help="Lines of text or of JSON.  [default: text]"),
]

config_app = typer.Typer(
    name="config",
    help="The settings of a server on this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,  # as for the whole command
)


@config_app.command()
def show(
    context: typer.Context,
    config: ConfigFile = None,
    host: Host = None,
    port: Port = None,
    http_port: HttpPort = None,
    auth: AuthOption = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    insecure_allow_remote: InsecureAllowRemote = None,
    data_dir: ServerDataDir = None,
    models: Models = None,
    device: Device = None,
    mesh_workers: MeshWorkers = None,
    drain_s: DrainS = None,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Show every setting that `serve` would have with the same flags, and where it comes from.

    A setting comes from the default, a line of the file, a variable of the environment, or a flag.
    """
    import os

    from server.cli.asset import errors_as_exit_codes
    from server.config import read_configuration

    with errors_as_exit_codes(is_json=json):
        found = read_configuration(os.environ, flags=settings_of(context.params), file=config)
        print(_as_json(found) if json else _as_table(found), flush=True)


def settings_of(parameters: Mapping[str, Any]) -> "dict[str, Setting]":
    """Return those of a command's parameters that are settings, by name; None: not given."""
    from dataclasses import fields

    from server.config import ServerConfig

    names = {setting.name for setting in fields(ServerConfig)}
    settings: dict[str, Setting] = {}
    for name, value in parameters.items():
        if name in names:
            if isinstance(value, list | tuple):
                value = tuple(value) or None
            settings[name] = value.value if isinstance(value, StrEnum) else value
    return settings


def _as_table(found: "Configuration") -> str:
    from server.config.values import to_text

    rows = []
    for name, kind in _kinds().items():
        value = to_text(kind, getattr(found.config, name)) or "-"
        rows.append((name, value, found.sources[name]))
    width, value_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{name:<{width}}  {value:<{value_width}}  {s}" for name, value, s in rows)


def _as_json(found: "Configuration") -> str:
    from server.record import to_json

    document = {}
    for name in _kinds():
        value = getattr(found.config, name)
        shown = str(value) if isinstance(value, Path) else to_json(value)
        document[name] = {"value": shown, "source": found.sources[name]}
    return json_format.dumps(document, indent=2, ensure_ascii=False)


def _kinds() -> dict[str, Any]:  # Any: annotations
    from dataclasses import fields

    from server.config import ServerConfig

    return {setting.name: setting.type for setting in fields(ServerConfig)}
