"""Which server a command talks to: one that is named, or one of the command's own.

What it does is imported when it runs, so that --help is instant.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from server.cli.client import Client

_PATIENCE_S = 5.0  # someone waits at the terminal

ServerAddress = Annotated[
    str,
    typer.Option(
        "--server",
        help="host:port of a server, grpcs://host:port of one with TLS. Default: one of this "
        "command's own.",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        dir_okay=False,
        help="File with the token for --server. Default: the variable LODSMITH_TOKEN.",
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca",
        dir_okay=False,
        help="PEM file of the CA that has issued the certificate of --server. Default: public CAs.",
    ),
]
ClientCertificate = Annotated[
    Path | None,
    typer.Option(
        "--client-certificate",
        dir_okay=False,
        help="PEM file of the certificate to show to a --server that asks for one.",
    ),
]
ClientKey = Annotated[
    Path | None,
    typer.Option("--client-key", dir_okay=False, help="PEM file of its key."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        file_okay=False,
        help="Keep the job in this folder, so that `lodsmith reexport` can go on from it. Default: "
        "it is gone afterwards.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Login:
    """What --server is shown and how it is known; the options of the same names."""

    token_file: Path | None
    tls_ca: Path | None
    client_certificate: Path | None
    client_key: Path | None


@contextmanager
def connected(
    server: str,
    login: Login,
    *,
    is_generated: bool,
    models: list[str] | None = None,
    data_dir: Path | None = None,
) -> "Iterator[Client]":
    """Connect to a server for the length of a `with` block.

    Args:
        server: Its address; "": start one for this command alone.
        login: For the one that was named.
        is_generated: Whether the model will be needed.
        models, data_dir: Of the command's own server.

    Raises:
        BadParameter: If an option is for the other kind of server.
    """
    if not server:
        for option in fields(login):
            if getattr(login, option.name) is not None:
                flag = "--" + option.name.replace("_", "-")
                raise typer.BadParameter(f"{flag} is for a --server; name it")
        with _own_server(models, data_dir, is_generated=is_generated) as client:
            yield client
        return
    for flag, value in (("--models", models), ("--data-dir", data_dir)):
        if value is not None:
            raise typer.BadParameter(f"{flag} is for a server of this command's own; drop one")
    import os

    from server.cli.channel import Credentials, read_token
    from server.cli.client import Client

    credentials = Credentials(
        token=read_token(os.environ, login.token_file),
        tls_ca=login.tls_ca,
        client_certificate=login.client_certificate,
        client_key=login.client_key,
    )
    with Client(server, credentials, patience_s=_PATIENCE_S) as client:
        yield client


@contextmanager
def _own_server(
    models: list[str] | None, data_dir: Path | None, *, is_generated: bool
) -> "Iterator[Client]":
    from server.cli.client import Client
    from server.cli.embedded import embedded_server
    from server.observe.logs import set_up_logging

    set_up_logging("WARNING", "text")
    with (
        embedded_server(
            models=tuple(models) if models else None,
            warm_generator=is_generated,
            data_dir=data_dir,
        ) as address,
        Client(address) as client,
    ):
        yield client
