"""A TCP proxy that cuts the connections of any client where a test says."""

import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Carries bytes between a client and a server on this machine, and counts them.

    Attributes:
        connections: How many it has carried.
        cuts: How many of them it has cut.
        up_bytes, down_bytes: What it took from clients, and what it gave to them.
    """

    def __init__(
        self, port: int, *, cut_up: Iterable[int] = (), cut_down: Iterable[int] = ()
    ) -> None:
        """Stand before `port`.

        Args:
            port: Of the server.
            cut_up: A connection that has carried so many bytes to the server is cut. One number for
                each cut, in order, whichever connection comes to it first.
            cut_down: The same for bytes to the client.
        """
        self._port = port
        self._limits = {"up": list(cut_up), "down": list(cut_down)}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.connections = self.cuts = self.up_bytes = self.down_bytes = 0
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                with suppress(ConnectionRefusedError):
                    server = socket.create_connection(("127.0.0.1", self._port))
                    self.connections += 1
                    self._sockets += [client, server]
                    for ends in ((client, server, "up"), (server, client, "down")):
                        threading.Thread(target=self._carry, args=ends, daemon=True).start()
                    continue
                client.close()

    def _carry(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        carried = 0
        with suppress(OSError):  # the other end has gone
            while data := source.recv(16 << 10):
                limit = self._limits[way][0] if self._limits[way] else None
                if limit is not None and carried + len(data) >= limit:
                    data = data[: limit - carried]
                    self._cut_once(way)
                    sink.sendall(data)
                    self._count(way, len(data))
                    break
                sink.sendall(data)
                carried += len(data)
                self._count(way, len(data))
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _cut_once(self, way: str) -> None:
        with self._lock:
            self._limits[way].pop(0)
            self.cuts += 1

    def _count(self, way: str, count: int) -> None:
        with self._lock:
            if way == "up":
                self.up_bytes += count
            else:
                self.down_bytes += count
