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
    """Ask a server whether it takes jobs: exit code 0 if it does, 1 if not."""
    import os
    import sys

    from server.cli.asset import errors_as_exit_codes
    from server.cli.health import health_of, own_address
    from server.config import read_config

    with errors_as_exit_codes():
        address = server or own_address(read_config(os.environ, flags={}))
        answer = health_of(address, service, timeout_s)
    print(f"{address}: {answer}", file=sys.stdout if answer == "SERVING" else sys.stderr)
    raise typer.Exit(0 if answer == "SERVING" else 1)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(health)
