"""`lodsmith health`: whether a server takes jobs, for probes.

What it does is imported when it runs, so that --help is instant.
"""

from typing import Annotated

import typer


def health(
    server: Annotated[
        str,
        typer.Option(help="host:port of it. Default: as the settings of this machine say."),
    ] = "",
    service: Annotated[
        str,
        typer.Option(help='Which one: "" is the server itself, which is there before its workers.'),
    ] = "lodsmith.v1.JobService",
    timeout_s: Annotated[float, typer.Option(min=0.1, help="Longest wait for the answer.")] = 5.0,
) -> None:
    """Ask a server whether it takes jobs: exit code 0 if it does, else 1."""
    import os
    import sys

    import grpc

    from pipeline.errors import InvalidInput
    from server.cli.health import health_of, own_channel
    from server.config import read_config

    try:
        channel = (
            grpc.insecure_channel(server)
            if server
            else own_channel(read_config(os.environ, flags={}), timeout_s)
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
