"""Where calls come from."""

import ipaddress
from urllib.parse import unquote


def host_of(peer: str) -> str:
    """Return the address in a peer as gRPC names it, without the port.

    `ipv4:10.0.0.7:5123` is 10.0.0.7, `ipv6:%5B::1%5D:5123` is ::1; of other kinds it is the kind,
    as `unix`.
    """
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return kind
    return rest.rpartition(":")[0].strip("[]")


def network_of(host: str) -> str:
    """Return what one peer can call from: the address, for IPv6 its /64, else `host` itself.

    Whoever has one IPv6 address usually has the 2^64 beside it, and would be counted as often.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), 64), strict=False))
