"""A whole server inside the command: a loop on a thread, a free loopback port.

The command talks to it through gRPC like to any other server: there is one path only.
"""

import asyncio
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from server.app import Server
from server.config import ServerConfig, read_config


@contextmanager
def embedded_server(
    *, models: tuple[str, ...] | None, warm_generator: bool, data_dir: Path | None = None
) -> Iterator[str]:
    """Run a server for the length of a `with` block.

    Args:
        models: Names or folders of models; None takes those of the settings.
        warm_generator: Load the model at once, because a job will need it.
        data_dir: Where its jobs stay. None: they are gone with it.

    Yields:
        Its address.

    Raises:
        InvalidInput: If the settings or the folder are not usable.
    """
    with tempfile.TemporaryDirectory(prefix="lodsmith-") as folder:
        config = read_config(
            os.environ,
            flags={
                "host": "127.0.0.1",
                "port": 0,
                "http": False,
                "auth": "none",
                "data_dir": data_dir or Path(folder),
                "models": models,
                "warm_generator": warm_generator,
                "spare_mesh_workers": 0,  # one job only: nothing would need it
            },
            defaults={"log_level": "WARNING"},
        )
        # What protects a server that others can reach would only keep its own command out.
        config = replace(config, tls_cert=None, tls_key=None, tls_client_ca=None)
        with running_server(config) as address:
            yield address


@contextmanager
def running_server(config: ServerConfig, *, drain_s: float = 0.0) -> Iterator[str]:
    """Run a server on a thread for the length of a `with` block; yields its address.

    Args:
        config: Its configuration.
        drain_s: What running jobs get when the block ends, before they are requeued.
    """
    loop = asyncio.new_event_loop()
    address: Future[str] = Future()
    stop = asyncio.Event()

    async def live() -> None:
        try:
            server = Server(config)
            await server.start()
        except BaseException as error:
            address.set_exception(error)
            return
        address.set_result(f"{config.host}:{server.port}")
        await stop.wait()
        await server.stop(drain_s)

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()), name="server")
    thread.start()
    try:
        yield address.result()
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
