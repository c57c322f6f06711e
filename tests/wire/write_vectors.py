"""Writes the wire vectors: `python -m tests.wire.write_vectors`."""

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from google.protobuf import any_pb2, json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server.pb import lodsmith_pb2 as pb

FOLDER = Path(__file__).parent
MAX_MESSAGE_BYTES = 4096
GRPC_WEB = {"content-type": "application/grpc-web+proto"}
CODES = {
    "OK": 0, "INVALID_ARGUMENT": 3, "NOT_FOUND": 5, "ABORTED": 10, "RESOURCE_EXHAUSTED": 8,
    "UNAVAILABLE": 14,
}  # fmt: skip

EVENT = pb.WatchJobResponse(event=pb.JobEvent(sequence=4, state=pb.JOB_STATE_RUNNING))
HEARTBEAT = pb.WatchJobResponse(event=pb.JobEvent(heartbeat=pb.Heartbeat(queue_position=0)))
TEXTS = pb.WatchJobResponse(
    event=pb.JobEvent(
        sequence=5,
        warning=pb.JobWarning(stage=pb.STAGE_KIND_BAKE, message="Grün, 木の樽, 🛢 and \u00e9"),
    )
)
JOB = pb.GetJobResponse(job=pb.Job(name="jobs/1", state=pb.JOB_STATE_QUEUED, queue_position=0))


def frame(content: bytes, flags: int = 0) -> bytes:
    """Wrap a message or trailers."""
    return struct.pack(">BI", flags, len(content)) + content


def message(content: Message) -> bytes:
    """Wrap a message."""
    return frame(content.SerializeToString(deterministic=True))


def status_details(code: str, text: str, *extra: Message) -> bytes:
    """Return the status that the trailers carry."""
    status = Status(code=CODES[code], message=text)
    for detail in extra:
        packed = any_pb2.Any()
        packed.Pack(detail, deterministic=True)
        status.details.append(packed)
    content: bytes = status.SerializeToString(deterministic=True)
    return content


def trailers(code: str, text: str = "", *extra: Message, **changes: str) -> bytes:
    """Wrap trailers as the server writes them; `changes` replace lines, by name."""
    lines = {"grpc-status": str(CODES[code])}
    if code != "OK":
        lines["grpc-message"] = quote(text, safe="")
        details_bin = base64.b64encode(status_details(code, text, *extra)).decode()
        lines["grpc-status-details-bin"] = details_bin.rstrip("=")
    lines |= {name.replace("_", "-"): value for name, value in changes.items()}
    return frame("".join(f"{n}: {v}\r\n" for n, v in lines.items()).encode(), 0x80)


def info(reason: str, **metadata: str) -> Message:
    """Return the detail that every error of the server has."""
    result: Message = details.ErrorInfo(reason=reason, domain="lodsmith", metadata=metadata)
    return result


def retry_after(seconds: float) -> Message:
    """Return the detail of errors that waiting helps."""
    delay = Duration()
    delay.FromMilliseconds(round(seconds * 1000))
    result: Message = details.RetryInfo(retry_delay=delay)
    return result


OK = trailers("OK")


def answer(
    name: str,
    what: str,
    body: Sequence[bytes],
    code: str,
    *,
    call: str = "stream",
    messages: Sequence[Message] = (),
    status: int = 200,
    headers: Mapping[str, str] = GRPC_WEB,
    transient: bool = False,
    cut_anywhere: bool = False,
    **expected: Any,
) -> dict[str, Any]:
    """Return one vector."""
    return {
        "name": name,
        "what": what,
        "call": call,
        "status": status,
        "headers": dict(headers),
        "body": [part.hex() for part in body],
        "messages": [m.SerializeToString(deterministic=True).hex() for m in messages],
        "code": code,
        **expected,
        "is_transient": transient,
        "cut_anywhere": cut_anywhere,
    }


def refusal(status: int, code: str, reason: str, text: str, **more: str) -> list[bytes]:
    """Return the body of our own answers outside of calls."""
    error = {"code": code, "reason": reason, "message": text, "metadata": more}
    return [json.dumps({"error": error}).encode()]


def answers() -> list[dict[str, Any]]:
    """Return the vectors of whole answers."""
    json_head = {"content-type": "application/json"}
    too_large = pb.WatchJobResponse(
        event=pb.JobEvent(warning=pb.JobWarning(message="x" * (MAX_MESSAGE_BYTES - 12)))
    )
    bad_request = details.BadRequest(
        field_violations=[
            details.BadRequest.FieldViolation(field="spec.prompt", description="is empty: sag was"),
            details.BadRequest.FieldViolation(field="spec.seed", description="is -1"),
        ]
    )
    busy = info("UPLOAD_BUSY", x="~~~???")
    for_urls = base64.urlsafe_b64encode(status_details("ABORTED", "???>>>", busy)).decode()
    missing = "there is no job 'Fässchen' (100 %)"
    return [
        answer("one message", "a unary call", [message(JOB), OK], "OK", call="unary",
               messages=[JOB], cut_anywhere=True),
        answer("several messages", "a stream: state, heartbeat, texts of all planes",
               [message(EVENT), message(HEARTBEAT), message(TEXTS), OK], "OK",
               messages=[EVENT, HEARTBEAT, TEXTS], cut_anywhere=True),
        answer("empty stream", "a call that ends well without a message", [OK], "OK",
               cut_anywhere=True),
        answer("empty message", "a message of no bytes is a message", [frame(b""), OK], "OK",
               messages=[pb.WatchJobResponse()], cut_anywhere=True),
        answer("content type without a format", "application/grpc-web alone means protobuf",
               [message(EVENT), OK], "OK", messages=[EVENT],
               headers={"content-type": "application/grpc-web; charset=utf-8"}),
        answer("no message in a unary call", "ends well but says nothing", [OK], "INTERNAL",
               call="unary"),
        answer("two messages in a unary call", "says too much", [message(JOB), message(JOB), OK],
               "INTERNAL", call="unary"),
        answer("no body", "headers, then nothing: a cut", [], "UNAVAILABLE", transient=True),
        answer("largest message", "just what is taken", [message(too_large), OK], "OK",
               messages=[too_large]),
        answer("oversize message", "refused by its length, before its bytes are there",
               [struct.pack(">BI", 0, MAX_MESSAGE_BYTES + 1)], "RESOURCE_EXHAUSTED"),
        answer("longest length", "as a number of 32 bits it has a sign, as a length it has none",
               [struct.pack(">BI", 0, 2**32 - 1)], "RESOURCE_EXHAUSTED"),
        answer("oversize trailers", "64 KiB are enough for them",
               [struct.pack(">BI", 0x80, 64 * 1024 + 1)], "RESOURCE_EXHAUSTED"),
        answer("compressed message", "nobody asked for it",
               [frame(EVENT.SerializeToString(), 0x01), OK], "INTERNAL"),
        answer("compressed trailers", "nobody asked for it",
               [message(EVENT), frame(b"grpc-status: 0\r\n", 0x81)], "INTERNAL", messages=[EVENT]),
        answer("unknown flags", "a frame of another protocol", [frame(b"{}", 0x02)], "INTERNAL"),
        answer("broken message", "a frame whose content is no protobuf",
               [message(EVENT), frame(b"\x0a\xff"), OK], "INTERNAL", messages=[EVENT]),
        answer("text that is no UTF-8", "refused, as by protobuf",
               [frame(pb.WatchJobResponse(event=pb.JobEvent(warning=pb.JobWarning(message="aa")))
                      .SerializeToString().replace(b"aa", b"\xc3\x28")), OK], "INTERNAL"),
        answer("error with all details", "what the server says of a wrong field",
               [trailers("INVALID_ARGUMENT", "spec.prompt is empty; say what to make",
                         info("INVALID_INPUT", field="spec.prompt", läng="0"), bad_request)],
               "INVALID_ARGUMENT", message="spec.prompt is empty; say what to make",
               reason="INVALID_INPUT", metadata={"field": "spec.prompt", "läng": "0"},
               violations=[["spec.prompt", "is empty: sag was"], ["spec.seed", "is -1"]],
               cut_anywhere=True),
        answer("error after messages", "what came before it counts",
               [message(EVENT), trailers("UNAVAILABLE", "the server is shutting down",
                                         info("DRAINING"), retry_after(2.5))],
               "UNAVAILABLE", messages=[EVENT], message="the server is shutting down",
               reason="DRAINING", retry_after_s=2.5, transient=True, cut_anywhere=True),
        answer("message in percent-encoding", "UTF-8, quotes, a percent sign",
               [trailers("NOT_FOUND", missing, info("JOB_NOT_FOUND", job="Fässchen"))],
               "NOT_FOUND", message=missing, reason="JOB_NOT_FOUND", metadata={"job": "Fässchen"}),
        answer("percent sign that encodes nothing", "is left as it is",
               [frame(b"grpc-status: 5\r\ngrpc-message: 100% of %ZZ and %4\r\n", 0x80)],
               "NOT_FOUND", message="100% of %ZZ and %4"),
        answer("error of a proxy", "no message and no details",
               [frame(b"grpc-status: 14\r\n", 0x80)], "UNAVAILABLE", transient=True),
        answer("names in capitals", "and lines without a space, a carriage return or an end",
               [frame(b"Grpc-Status:5\nGRPC-MESSAGE:gone", 0x80)], "NOT_FOUND", message="gone"),
        answer("details in the alphabet of URLs", "with padding",
               [trailers("ABORTED", "???>>>", busy, grpc_status_details_bin=for_urls)], "ABORTED",
               message="???>>>", reason="UPLOAD_BUSY", metadata={"x": "~~~???"}, transient=True),
        answer("details that are no base64", "the code and the message stand",
               [trailers("NOT_FOUND", "gone", grpc_status_details_bin="!!!")], "NOT_FOUND",
               message="gone"),
        answer("details that are no message", "the code and the message stand",
               [trailers("NOT_FOUND", "gone", grpc_status_details_bin="////")], "NOT_FOUND",
               message="gone"),
        answer("unknown details", "are skipped",
               [trailers("RESOURCE_EXHAUSTED", "slower", details.Help(), info("RATE_LIMITED"),
                         retry_after(0.25))],
               "RESOURCE_EXHAUSTED", message="slower", reason="RATE_LIMITED", retry_after_s=0.25,
               transient=True),
        answer("unknown code", "a number that gRPC does not have",
               [frame(b"grpc-status: 99\r\ngrpc-message: odd\r\n", 0x80)], "UNKNOWN",
               message="odd"),
        answer("code that is no number", "", [frame(b"grpc-status: fine\r\n", 0x80)], "UNKNOWN"),
        answer("trailers without a status", "tell nothing", [frame(b"x-other: 1\r\n", 0x80)],
               "INTERNAL"),
        answer("empty trailers", "tell nothing", [frame(b"", 0x80)], "INTERNAL"),
        answer("web page", "of a hotel or another server", [b"<html>Welcome</html>"], "UNKNOWN",
               headers={"content-type": "text/html"}),
        answer("no content type", "", [OK], "UNKNOWN", headers={}),
        answer("connect stream", "another protocol of the same port", [frame(b"{}", 2)], "UNKNOWN",
               headers={"content-type": "application/connect+proto"}),
        answer("HTTP 401", "of a proxy", [b"who?"], "UNAUTHENTICATED", status=401, headers={}),
        answer("HTTP 403", "of a proxy", [b"no"], "PERMISSION_DENIED", status=403, headers={}),
        answer("HTTP 404", "of another server", [b"no"], "UNIMPLEMENTED", status=404, headers={}),
        answer("HTTP 429", "of a proxy", [b"slower"], "UNAVAILABLE", status=429,
               headers={"retry-after": "7"}, retry_after_s=7.0, transient=True),
        answer("HTTP 502", "of a proxy", [b""], "UNAVAILABLE", status=502, headers={},
               transient=True),
        answer("HTTP 503", "of a proxy", [b""], "UNAVAILABLE", status=503, headers={},
               transient=True),
        answer("HTTP 302", "is not followed: the token is for one server", [b""], "UNKNOWN",
               status=302, headers={"location": "http://127.0.0.1:2/"}),
        answer("HTTP 421 of ours", "outside of calls errors are JSON",
               refusal(421, "INVALID_ARGUMENT", "INVALID_INPUT", 'Host "evil" is \\ no Näme\n'),
               "INVALID_ARGUMENT", status=421, headers=json_head, reason="INVALID_INPUT",
               message='Host "evil" is \\ no Näme\n'),
        answer("HTTP 503 of ours", "too many requests at once",
               refusal(503, "UNAVAILABLE", "DRAINING", "full"), "UNAVAILABLE", status=503,
               headers=json_head | {"retry-after": "2"}, reason="DRAINING", message="full",
               retry_after_s=2.0, transient=True),
        answer("HTTP 500 with broken JSON", "is nobody's",
               [b'{"error": {"code": "NOPE", "message": "\\q'], "UNKNOWN", status=500,
               headers=json_head),
    ]  # fmt: skip


def messages() -> list[dict[str, Any]]:
    """Return the vectors of single messages."""
    deep = b""
    for _ in range(99):
        deep = b"\xfb\x7f" + deep + b"\xfc\x7f"
    spec = pb.JobSpec(prompt="樽", seed=-1, labels={"": "ä"}, adapter_strength=-0.0)
    readable = {
        "empty": ("Job", b""),
        "all kinds of fields": ("JobSpec", spec.SerializeToString(deterministic=True)),
        "later fields": ("Job", b"\xf8\x7f\x05" + pb.Job(name="jobs/1").SerializeToString()),
        "later enum value": ("Job", b"\x18\xd2\x09"),
        "later event": ("JobEvent", b"\x08\x07\xfa\x06\x01x"),
        "field of another type": ("Job", b"\x08\x05\x18\x02"),
        "field twice": ("Job", pb.Job(name="a").SerializeToString() * 2),
        "oneof twice": ("JobSpec", b"\x12\x01a\x1a\x02\x10\x05"),
        "list packed and not": ("LodOptions", b"\x08\x01\x0a\x02\x02\x03\x08\x04"),
        "number longer than needed": ("Job", b"\x18\x82\x80\x00"),
        "number of 64 bits in a field of 32": (
            "GetServerInfoResponse",
            b"\x40\x81\x80\x80\x80\x10",
        ),
        "negative number": ("GetServerInfoResponse", b"\x40" + b"\xff" * 9 + b"\x01"),
        "map entry without key and value": ("JobSpec", b"\x8a\x01\x00"),
        "map key twice": ("JobSpec", b"\x8a\x01\x06\x0a\x01a\x12\x011" * 2),
        "deep groups": ("Job", deep),
    }
    refused = {
        "cut number": ("Job", b"\x18\x80"),
        "number of eleven bytes": ("Job", b"\x18" + b"\x80" * 10 + b"\x00"),
        "text longer than the message": ("Job", b"\x0a\x05abc"),
        "longest length": ("Job", b"\x0a\xff\xff\xff\xff\x0f"),
        "length of 64 bits": ("Job", b"\x0a" + b"\xff" * 9 + b"\x01"),
        "message longer than its place": ("CreateJobRequest", b"\x12\x02\x12\x05abcde"),
        "cut double": ("Job", b"\x29\x00\x00"),
        "field zero": ("Job", b"\x00\x00"),
        "unknown wire type": ("Job", b"\x0e"),
        "group without an end": ("Job", b"\xfb\x7f"),
        "end without a group": ("Job", b"\xfc\x7f"),
        "end of another group": ("Job", b"\xfb\x7f\xf4\x7f"),
        "text that is no UTF-8": ("Job", b"\x0a\x02\xc3\x28"),
        "half a surrogate pair": ("Job", b"\x0a\x03\xed\xa0\x80"),
        "cut packed list": ("LodOptions", b"\x0a\x01\x80"),
        "groups without a bottom": ("Job", b"\xfb\x7f" * 150 + b"\xfc\x7f" * 150),
    }
    return [
        {
            "name": name,
            "type": type_,
            "bytes": content.hex(),
            "text": json_format.MessageToDict(
                getattr(pb, type_).FromString(content), preserving_proto_field_name=True
            ),
        }
        for name, (type_, content) in readable.items()
    ] + [
        {"name": name, "type": type_, "bytes": content.hex(), "refused": True}
        for name, (type_, content) in refused.items()
    ]


def files() -> dict[str, str]:
    """Return the files, by name."""
    return {
        name: json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"
        for name, vectors in (("answers.json", answers()), ("messages.json", messages()))
    }


if __name__ == "__main__":
    for name, content in files().items():
        (FOLDER / name).write_text(content, "utf-8")
