"""The table of RPCs: what the contract says of each, what it needs, and who answers it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from server.access.principal import Scope

# Who may call what. Every method of the contract is here, or the server does not start.
SCOPES: Mapping[str, Scope | None] = {
    "CreateJob": Scope.JOBS_WRITE,
    "GetJob": Scope.JOBS_READ,
    "ListJobs": Scope.JOBS_READ,
    "WatchJob": Scope.JOBS_READ,
    "ListJobEvents": Scope.JOBS_READ,
    "CancelJob": Scope.JOBS_WRITE,
    "RetryJob": Scope.JOBS_WRITE,
    "DeleteJob": Scope.JOBS_WRITE,
    "FindMissingBlobs": Scope.BLOBS_READ,
    "WriteBlob": Scope.BLOBS_WRITE,
    "WriteBlobChunk": Scope.BLOBS_WRITE,
    "QueryBlobWrite": Scope.BLOBS_WRITE,
    "ReadBlob": Scope.BLOBS_READ,
    "GetServerInfo": None,
    "ListPipelines": None,
}

# A request of one message is small, except where it carries a chunk. Empty submessages make a
# message hundreds of times larger in memory than on the wire, so the limit comes before parsing.
MAX_REQUEST_BYTES = 64 << 10
MAX_CHUNK_REQUEST_BYTES = (1 << 20) + (4 << 10)
_WITH_CHUNK = frozenset({"WriteBlob", "WriteBlobChunk"})
_WITH_MANY_DIGESTS = frozenset({"FindMissingBlobs"})
_WITH_OPTIONS = frozenset({"CreateJob"})


@dataclass(frozen=True, kw_only=True)
class Rpc:
    """One method of the contract.

    method: `(request, call)`, or an iterator of requests for `takes_stream`; returns the response,
        or yields responses for `gives_stream`. A response may be the bytes of its message.
    scope: what a token must allow; None: any token will do.
    max_request_bytes: of one message. max_request_items: elements of all its repeated fields.
    """

    service: str
    name: str
    request: type[Message]
    response: type[Message]
    takes_stream: bool
    gives_stream: bool
    has_no_side_effects: bool
    scope: Scope | None
    max_request_bytes: int
    max_request_items: int
    method: Callable[..., Any]  # Any: of four shapes, as the flags say

    @property
    def path(self) -> str:
        """Where the method is on every transport."""
        return f"/{self.service}/{self.name}"


def rpcs_of(descriptor: ServiceDescriptor, service: object, *, max_request_items: int) -> list[Rpc]:
    """Return the methods of one service of the contract, answered by `service`."""
    return [
        Rpc(
            service=descriptor.full_name,
            name=method.name,
            request=GetMessageClass(method.input_type),
            response=GetMessageClass(method.output_type),
            takes_stream=method.client_streaming,
            gives_stream=method.server_streaming,
            has_no_side_effects=(
                method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
            ),
            scope=SCOPES[method.name],
            max_request_bytes=_max_request_bytes(method.name),
            max_request_items=max_request_items,
            method=getattr(service, _snake_case(method.name)),
        )
        for method in descriptor.methods
    ]


def _max_request_bytes(name: str) -> int:
    if name in _WITH_CHUNK:
        return MAX_CHUNK_REQUEST_BYTES
    if name in _WITH_MANY_DIGESTS or name in _WITH_OPTIONS:
        return 4 * MAX_REQUEST_BYTES
    return MAX_REQUEST_BYTES


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
