"""Tells systemd how the server is: the protocol of sd_notify(3), which is a datagram of text."""

import logging
import socket

logger = logging.getLogger(__name__)


class ServiceManager:
    """Whoever has started the server and waits for it to be ready."""

    def __init__(self, address: str) -> None:
        """Talk to the socket at `address`, which NOTIFY_SOCKET has; "" for nobody.

        A name that begins with @ is one of Linux' abstract ones.
        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self) -> None:
        """Say that the server answers calls."""
        self._tell("READY=1")

    def stopping(self, within_s: float) -> None:
        """Say that it ends, and ask for that much time before it is killed."""
        self._tell(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={round(within_s * 1e6)}")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.connect(self._address)
                channel.send(state.encode())
        except OSError as error:  # work goes on; the manager will time out, and say so itself
            logger.warning("the service manager cannot be told %r: %s", state, error)
