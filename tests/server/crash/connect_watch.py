"""WatchJob over Connect on HTTP/1.1, by the standard library alone: a client as editors have it."""

import http.client
import json
import struct
from collections.abc import Iterator

from server.pb import lodsmith_pb2 as pb

_END = 0b10  # flag of the last frame, whose body is JSON


class StreamCut(Exception):
    """The stream ended without its end frame, or with an error that may pass."""


def watch(host: str, port: int, request: pb.WatchJobRequest) -> Iterator[pb.JobEvent]:
    """Yield events to the end of one stream. Raises `StreamCut`."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    body = request.SerializeToString()
    headers = {"content-type": "application/connect+proto", "connect-protocol-version": "1"}
    try:
        connection.request(
            "POST",
            "/lodsmith.v1.JobService/WatchJob",
            struct.pack(">BI", 0, len(body)) + body,
            headers,
        )
        response = connection.getresponse()
        if response.status != 200:
            raise StreamCut(f"HTTP {response.status}")
        while True:
            flags, size = struct.unpack(">BI", _exactly(response, 5))
            frame = _exactly(response, size)
            if flags & _END:
                if "error" in json.loads(frame):
                    raise StreamCut(frame.decode())
                return
            yield pb.WatchJobResponse.FromString(frame).event
    except (OSError, http.client.HTTPException) as error:
        raise StreamCut(str(error)) from error
    finally:
        connection.close()


def call(host: str, port: int, method: str, request: bytes) -> bytes:
    """Make one unary call of JobService. Raises `StreamCut` for any failure."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        path = f"/lodsmith.v1.JobService/{method}"
        connection.request("POST", path, request, {"content-type": "application/proto"})
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise StreamCut(str(error)) from error
    finally:
        connection.close()
    if response.status != 200:
        raise StreamCut(f"HTTP {response.status}: {content.decode()}")
    return content


def _exactly(response: http.client.HTTPResponse, size: int) -> bytes:
    content = response.read(size)
    if len(content) < size:
        raise StreamCut("the stream ended in the middle of a frame")
    return content
