"""Bytes -> request and response -> bytes, alike on every transport."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from server.calls.rpcs import Rpc
from server.refusals import InvalidRequest, Refusal, TooLarge

# Base64 makes bytes a third longer, and names of fields take their room.
JSON_GROWTH = 2

_UNKNOWN_FIELD = re.compile(r'no field named "([^"]+)" at "\w+\.?([^"]*)"')
_WHERE = re.compile(r"Failed to parse [\w.]+ field: ")


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
            return _too_large(rpc, rpc.max_request_bytes, len(content))
        try:
            request = rpc.request.FromString(content)
        except DecodeError:
            return Malformed(
                refusal=InvalidRequest(
                    f"the request is no {rpc.request.DESCRIPTOR.name}; "
                    "is the client made from this server's contract?"
                )
            )
        return _checked(rpc, request)

    return read


def json_request_reader(rpc: Rpc) -> Callable[[bytes], Request]:
    """As `request_reader`, for protobuf's JSON. A field that does not exist is refused."""
    max_bytes = JSON_GROWTH * rpc.max_request_bytes

    def read(content: bytes) -> Request:
        if len(content) > max_bytes:
            return _too_large(rpc, max_bytes, len(content))
        if not content.lstrip().startswith(b"{"):  # the parser takes `[]` for an empty message
            return Malformed(refusal=InvalidRequest("the request must be a JSON object"))
        try:
            request = json_format.Parse(content, rpc.request())
        except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
            return Malformed(refusal=_not_of_the_contract(rpc, str(error)))
        return _checked(rpc, request)

    return read


def _checked(rpc: Rpc, request: Message) -> Request:
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
        if field.is_repeated:
            count += len(value)
        if count > limit:
            return count
        kind = field.message_type
        if kind is None or kind.GetOptions().map_entry:
            continue
        for part in value if field.is_repeated else (value,):
            count += _item_count(part, limit - count)
    return count


def well_formed(request: Request) -> Any:  # Any: a message of the method's own type
    """Return the request. Raises what is wrong with one that could not be read."""
    if isinstance(request, Malformed):
        raise request.refusal
    return request


def write_response(response: Response) -> bytes:
    """Return the bytes that go over the wire."""
    return response if isinstance(response, bytes) else response.SerializeToString()


def read_response(rpc: Rpc, response: Response) -> Any:  # Any: of the method's own type
    """Return the message, for a transport that sends it in another form."""
    return rpc.response.FromString(response) if isinstance(response, bytes) else response


def write_json_response(rpc: Rpc, response: Response) -> bytes:
    """Return the message in protobuf's JSON."""
    message = read_response(rpc, response)
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False).encode()


def _too_large(rpc: Rpc, max_bytes: int, found_bytes: int) -> Malformed:
    return Malformed(
        refusal=TooLarge(
            f"a {rpc.request.DESCRIPTOR.name} must have at most "
            f"{max_bytes:,} bytes, got {found_bytes:,}",
            metadata={"max_bytes": str(max_bytes)},
        )
    )


def _not_of_the_contract(rpc: Rpc, problem: str) -> InvalidRequest:
    """Turn what the JSON parser says into a refusal that names the field."""
    name = rpc.request.DESCRIPTOR.name
    if unknown := _UNKNOWN_FIELD.search(problem):
        field = ".".join(part for part in (unknown[2], unknown[1]) if part)
        return InvalidRequest(
            f"a {name} has no field {field}; it is misspelt, or newer than this server",
            field=field,
        )
    reason = _WHERE.sub("", problem.partition("\n")[0]).rstrip(".")
    return InvalidRequest(f"the request is no {name} in JSON: {reason[:300]}")
