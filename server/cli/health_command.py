"""`lodsmith health`: whether a server takes jobs, for probes.

What it does is imported when it runs, so that --help is instant.
"""

from typing import Annotated

import typer

from server.cli.connection import ClientCertificate, ClientKey, TlsCa


def health(
    server: Annotated[
        str,
        typer.Option(
            help="host:port of it, grpcs://host:port with TLS. Default: as the settings of this "
            "machine say."
        ),
    ] = "",
    tls_ca: TlsCa = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    service: Annotated[
        str,
        typer.Option(help='Which one: "" is the server itself, which is there before its workers.'),
    ] = "lodsmith.v1.JobService",
    timeout_s: Annotated[float, typer.Option(min=0.1, help="Longest wait for the answer.")] = 5.0,
) -> None:
    """Ask a server whether it takes jobs: exit code 0 if it does, else 1."""
    import os
    import sys

    from pipeline.errors import InvalidInput
    from server.cli.channel import Credentials, open_channel
    from server.cli.health import health_of, own_channel
    from server.config import read_config

    try:
        credentials = Credentials(
            tls_ca=tls_ca, client_certificate=client_certificate, client_key=client_key
        )
        channel = (
            open_channel(server, credentials)
            if server
            else own_channel(read_config(os.environ, flags={}), credentials, timeout_s)
        )
        with channel:
            answer = health_of(channel, service, timeout_s)
    except InvalidInput as error:  # 1, too: to a probe, other codes mean something else
        answer = str(error)
    is_well = answer == "SERVING"
    print(answer, file=sys.stdout if is_well else sys.stderr)
    raise typer.Exit(0 if is_well else 1)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(health)
