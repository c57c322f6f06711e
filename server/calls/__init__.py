"""What every call needs, whatever brought it: gRPC, Connect, gRPC-Web or plain HTTP.

    transport -> desk -> service

A transport knows bytes and headers, the desk who calls and how calls end, a service what is asked.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from server.access.principal import Principal

REQUEST_ID_KEY = "x-request-id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class CallHead:
    """What a transport knows of a call before it has read the request.

    transport: "grpc", "connect", "grpc-web" or "http".
    peer_host: address of the other end, without the port.
    metadata: headers by lower-case name.
    request_id: names the call in logs and answers.
    peer_common_name: of the other end's certificate, where it had to show one.
    """

    transport: str
    peer_host: str
    metadata: Mapping[str, str]
    request_id: str
    peer_common_name: str | None = None


@dataclass(kw_only=True)
class Call:
    """A call that has been admitted.

    name: of its method. traceparent: W3C trace context that its work belongs to, "" for none.
    resource: what it is about, as "jobs/<uid>", for the audit log; a service sets it as soon as it
        knows.
    """

    name: str
    head: CallHead
    principal: Principal
    traceparent: str = ""
    resource: str = ""

    @property
    def project(self) -> str:
        """Whose jobs and blobs exist for this call."""
        return self.principal.project


def call_head(
    transport: str,
    peer_host: str,
    metadata: Mapping[str, str],
    *,
    peer_common_name: str | None = None,
) -> CallHead:
    """Return the head of a call; its id is the caller's, where that is a decent one."""
    given = metadata.get(REQUEST_ID_KEY, "")
    return CallHead(
        transport=transport,
        peer_host=peer_host,
        metadata=metadata,
        request_id=given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex,
        peer_common_name=peer_common_name,
    )
