"""The wire vectors hold what they say: by protobuf, by a reader of our own, by the real server."""

import asyncio
import base64
import json
import re
import struct
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import unquote

import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server import refusals
from server.pb import lodsmith_pb2 as pb
from tests.server.transport.conftest import Services, ask_port, port_of
from tests.wire import write_vectors

ANSWERS: list[dict[str, Any]] = json.loads((write_vectors.FOLDER / "answers.json").read_text())
MESSAGES: list[dict[str, Any]] = json.loads((write_vectors.FOLDER / "messages.json").read_text())
BY_NAME = {vector["name"]: vector for vector in ANSWERS}
RESPONSES = {"stream": pb.WatchJobResponse, "unary": pb.GetJobResponse}
OF_HTTP = {
    401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "UNIMPLEMENTED", 429: "UNAVAILABLE",
    502: "UNAVAILABLE", 503: "UNAVAILABLE",
}  # fmt: skip
CODES = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
]  # fmt: skip


class Ended(Exception):
    """How an answer ends. facts: what the vectors call it."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.facts = {"code": code, **facts}


def read_answer(vector: dict[str, Any], body: bytes) -> tuple[list[str], dict[str, Any]]:
    """Read an answer in the plainest way: its messages in hex, and how it ends."""
    messages: list[bytes] = []
    try:
        check_head(vector, body)
        for content in read_frames(vector, body):
            messages.append(content)
    except Ended as ended:
        return [message.hex() for message in messages], ended.facts
    code = "OK" if vector["call"] == "stream" or len(messages) == 1 else "INTERNAL"
    shown = messages if code == "OK" else []  # a unary call has one answer or none
    return [message.hex() for message in shown], {"code": code}


def check_head(vector: dict[str, Any], body: bytes) -> None:
    if vector["status"] != 200:
        facts: dict[str, Any] = {}
        if "retry-after" in vector["headers"]:
            facts["retry_after_s"] = float(vector["headers"]["retry-after"])
        try:
            error = json.loads(body)["error"]
            raise Ended(error["code"], message=error["message"], reason=error["reason"], **facts)
        except ValueError:
            raise Ended(OF_HTTP.get(vector["status"], "UNKNOWN"), **facts) from None
    type_ = vector["headers"].get("content-type", "").partition(";")[0]
    if type_ not in ("application/grpc-web", "application/grpc-web+proto"):
        raise Ended("UNKNOWN")


def read_frames(vector: dict[str, Any], body: bytes) -> Any:
    while True:
        if len(body) < 5:
            raise Ended("UNAVAILABLE")
        flags, length = struct.unpack(">BI", body[:5])
        if flags not in (0, 0x80):
            raise Ended("INTERNAL")
        if length > (64 * 1024 if flags else write_vectors.MAX_MESSAGE_BYTES):
            raise Ended("RESOURCE_EXHAUSTED")
        content, body = body[5 : 5 + length], body[5 + length :]
        if len(content) < length:
            raise Ended("UNAVAILABLE")
        if flags:
            end_of(content.decode())
            return
        try:
            RESPONSES[vector["call"]].FromString(content)
        except DecodeError:
            raise Ended("INTERNAL") from None
        yield content


def end_of(lines: str) -> None:
    found = {n.lower(): v.strip() for n, v in re.findall(r"([^:\r\n]+):([^\r\n]*)", lines)}
    if "grpc-status" not in found:
        raise Ended("INTERNAL")
    number = found["grpc-status"]
    code = CODES[int(number)] if number.isdigit() and int(number) < len(CODES) else "UNKNOWN"
    if code == "OK":
        return
    facts: dict[str, Any] = {}
    if "grpc-message" in found:
        facts["message"] = unquote(found["grpc-message"])
    encoded = found.get("grpc-status-details-bin", "").rstrip("=")
    encoded = encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4)
    try:
        packed = Status.FromString(base64.b64decode(encoded, validate=True)).details
    except (ValueError, DecodeError):
        packed = []
    for detail in packed:
        info, bad, retry = details.ErrorInfo(), details.BadRequest(), details.RetryInfo()
        if detail.Unpack(info):
            facts["reason"] = info.reason
            facts |= {"metadata": dict(info.metadata)} if info.metadata else {}
        elif detail.Unpack(bad):
            facts["violations"] = [[v.field, v.description] for v in bad.field_violations]
        elif detail.Unpack(retry):
            facts["retry_after_s"] = retry.retry_delay.ToTimedelta().total_seconds()
    raise Ended(code, **facts)


def body_of(vector: dict[str, Any]) -> bytes:
    return b"".join(bytes.fromhex(part) for part in vector["body"])


def test_the_files_are_what_is_written() -> None:
    for name, content in write_vectors.files().items():
        found = (write_vectors.FOLDER / name).read_text("utf-8")
        assert found == content, f"run python -m tests.wire.write_vectors: {name} differs"


@pytest.mark.parametrize("vector", ANSWERS, ids=lambda vector: vector["name"])
def test_answers_mean_what_they_say(vector: dict[str, Any]) -> None:
    messages, facts = read_answer(vector, body_of(vector))
    assert messages == vector["messages"]
    expected = ("code", "message", "reason", "metadata", "violations", "retry_after_s")
    assert facts == {name: vector[name] for name in expected if name in vector}


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda vector: vector["name"])
def test_messages_are_what_protobuf_makes_of_them(vector: dict[str, Any]) -> None:
    kind, content = getattr(pb, vector["type"]), bytes.fromhex(vector["bytes"])
    if "refused" in vector:
        with pytest.raises(DecodeError):
            kind.FromString(content)
        return
    found = json_format.MessageToDict(kind.FromString(content), preserving_proto_field_name=True)
    assert found == vector["text"]


class Scripted(Services):
    """Services that answer with the messages of a vector and end as they are told."""

    def __init__(self, messages: Sequence[pb.WatchJobResponse], end: Exception | None) -> None:
        self.messages, self.end = messages, end

    async def watch_job(self, request: Any, call: Any) -> AsyncIterator[pb.WatchJobResponse]:
        for message in self.messages:
            yield message
        if self.end:
            raise self.end


# Vectors that are byte for byte what the real server writes, and what it is that ends the call.
OF_THE_SERVER: dict[str, Exception | None] = {
    "several messages": None,
    "empty stream": None,
    "empty message": None,
    "error after messages": refusals.Draining("the server is shutting down", retry_after_s=2.5),
    "message in percent-encoding": refusals.JobNotFound(
        "there is no job 'Fässchen' (100 %)", metadata={"job": "Fässchen"}
    ),
}


@pytest.mark.parametrize("name", OF_THE_SERVER)
def test_the_server_writes_such_answers(name: str) -> None:
    vector = BY_NAME[name]

    async def ask() -> Any:
        sent = [pb.WatchJobResponse.FromString(bytes.fromhex(m)) for m in vector["messages"]]
        async with port_of(Scripted(sent, OF_THE_SERVER[name])) as (_, port):
            path, head = "/lodsmith.v1.JobService/WatchJob", vector["headers"]
            body = write_vectors.message(pb.WatchJobRequest(name="jobs/1"))
            return await asyncio.to_thread(ask_port, port, "POST", path, body, head)

    answer = asyncio.run(ask())
    assert answer.status == vector["status"]
    assert answer.headers["content-type"] == vector["headers"]["content-type"]
    assert answer.body == body_of(vector)
