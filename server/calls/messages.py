"""Bytes -> request and response -> bytes, alike on every transport."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message

from server.calls.rpcs import Rpc
from server.refusals import InvalidRequest, Refusal, TooLarge


@dataclass(frozen=True, kw_only=True)
class Malformed:
    """Stands for a request that cannot be read, until the desk can answer it."""

    refusal: Refusal


Request = Message | Malformed
Response = Message | bytes
"""bytes: the message as it goes over the wire, where it was serialized once for many watchers."""


def request_reader(rpc: Rpc) -> Callable[[bytes], Request]:
    """Return what reads the requests of a method. It never raises; see `Malformed`."""

    def read(content: bytes) -> Request:
        if len(content) > rpc.max_request_bytes:
            return Malformed(
                refusal=TooLarge(
                    f"a {rpc.request.DESCRIPTOR.name} must have at most "
                    f"{rpc.max_request_bytes:,} bytes, got {len(content):,}",
                    metadata={"max_bytes": str(rpc.max_request_bytes)},
                )
            )
        try:
            return rpc.request.FromString(content)
        except DecodeError:
            return Malformed(
                refusal=InvalidRequest(
                    f"the request is no {rpc.request.DESCRIPTOR.name}; "
                    "is the client made from this server's contract?"
                )
            )

    return read


def well_formed(request: Request) -> Any:  # Any: a message of the method's own type
    """Return the request. Raises what is wrong with one that could not be read."""
    if isinstance(request, Malformed):
        raise request.refusal
    return request


def write_response(response: Response) -> bytes:
    """Return the bytes that go over the wire."""
    return response if isinstance(response, bytes) else response.SerializeToString()
