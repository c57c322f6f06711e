"""What keeps web pages off the HTTP port: which `Host` and `Origin` a request may name.

A page in a browser on this machine can reach a loopback port. It cannot forge these two headers:
`Host` shows a name that was rebound to our address, `Origin` a page that is not ours.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

# What a page of an allowed origin may send and read beyond what browsers always allow.
_METHODS = "GET, HEAD, POST, PUT"
_REQUEST_HEADERS = (
    "authorization, connect-protocol-version, connect-timeout-ms, content-range, content-type, "
    "grpc-timeout, if-none-match, if-range, range, traceparent, tracestate, x-grpc-web, "
    "x-request-id, x-user-agent"
)
_RESPONSE_HEADERS = (
    "accept-ranges, content-disposition, content-length, content-range, etag, grpc-message, "
    "grpc-status, grpc-status-details-bin, retry-after, upload-complete, upload-offset, "
    "x-request-id"
)


class BrowserRules:
    """Which hosts and origins are good."""

    def __init__(self, *, host: str, hosts: Sequence[str], origins: Sequence[str]) -> None:
        """Allow these besides loopback and the server's own pages.

        Args:
            host: What the server listens on.
            hosts: More names by which clients may know it, without port.
            origins: Of web pages that may use the server: "https://tools.studio.example".
        """
        self._hosts = frozenset(name.lower() for name in (host, *hosts))
        self._origins = frozenset(origin.lower() for origin in origins)

    def is_host(self, host: str, local_address: str) -> bool:
        """Tell whether a `Host` header is one of ours.

        Args:
            host: The header.
            local_address: Where the connection arrived; naming it is no rebinding.
        """
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        return name in self._hosts or _is_loopback(name) or name == local_address.lower()

    def is_origin(self, origin: str, scheme: str, host: str) -> bool:
        """Tell whether a page may call: one of this very address, or of an allowed origin."""
        return self.is_foreign_origin(origin) or origin.lower() == f"{scheme}://{host}".lower()

    def is_foreign_origin(self, origin: str) -> bool:
        """Tell whether a page of another address may call; it needs headers to read answers."""
        return origin.lower() in self._origins

    def headers(self, origin: str) -> Mapping[str, str]:
        """Return the headers that let a page of an allowed origin read the answer."""
        return {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": _RESPONSE_HEADERS,
        }

    def preflight_headers(self) -> Mapping[str, str]:
        """Return what a browser asks for before it lets a page send anything unusual."""
        return {
            "access-control-allow-methods": _METHODS,
            "access-control-allow-headers": _REQUEST_HEADERS,
            "access-control-max-age": "7200",
        }


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
