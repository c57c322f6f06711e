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
            request = rpc.request.FromString(content)
        except DecodeError:
            return Malformed(
                refusal=InvalidRequest(
                    f"the request is no {rpc.request.DESCRIPTOR.name}; "
                    "is the client made from this server's contract?"
                )
            )
        return checked(rpc, request)

    return read


def checked(rpc: Rpc, request: Message) -> Request:
    """Return a request that was read, or what is wrong with its size."""
    if _item_count(request, rpc.max_request_items) > rpc.max_request_items:
        return Malformed(
            refusal=TooLarge(
                f"a {rpc.request.DESCRIPTOR.name} must have at most {rpc.max_request_items:,} "
                "elements in its lists, got more; ask for less at a time",
                metadata={"max_items": str(rpc.max_request_items)},
            )
        )
    return request


def _item_count(message: Message, limit: int) -> int:
    """Return how many elements all lists in a message have; any number above `limit` for more."""
    count = 0
    for field, value in message.ListFields():
        is_message = field.message_type is not None
        if field.is_repeated:
            count += len(value)
        if count > limit:
            return count
        if is_message and not field.is_repeated:
            count += _item_count(value, limit - count)
        elif is_message and not field.message_type.GetOptions().map_entry:
            for item in value:
                count += _item_count(item, limit - count)
    return count


def well_formed(request: Request) -> Any:  # Any: a message of the method's own type
    """Return the request. Raises what is wrong with one that could not be read."""
    if isinstance(request, Malformed):
        raise request.refusal
    return request


def write_response(response: Response) -> bytes:
    """Return the bytes that go over the wire."""
    return response if isinstance(response, bytes) else response.SerializeToString()
