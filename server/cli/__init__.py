"""The `lodsmith` command: serve, generate, lod, doctor."""


def main() -> None:
    """Run the command that the program's arguments name."""
    import signal

    from server.cli.commands import app  # late: `import server.cli` stays free of cost

    # A command that is told to end does as after Ctrl-C: cancels its job, removes its folder.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
