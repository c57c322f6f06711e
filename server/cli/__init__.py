"""The `lodsmith` command: serve, generate, lod, doctor."""


def main() -> None:
    """Run the command that the program's arguments name."""
    from server.cli.commands import app  # late: `import server.cli` stays free of cost

    app()
