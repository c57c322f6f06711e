"""The core on the wire vectors: every answer in slices of every size, cut at every byte."""

import base64
import json
from typing import Any

import pytest
from google.protobuf.message import Message

from server.pb import lodsmith_pb2 as pb
from tests.unity_client.conftest import ROOT, Core, Failure

SLICES = (1, 2, 3, 5, 7, 4096)
WIRE = ROOT / "tests" / "wire"
ANSWERS: list[dict[str, Any]] = json.loads((WIRE / "answers.json").read_text("utf-8"))
MESSAGES: list[dict[str, Any]] = json.loads((WIRE / "messages.json").read_text("utf-8"))
RESPONSES: dict[str, type[Message]] = {"stream": pb.WatchJobResponse, "unary": pb.GetJobResponse}
MUTATIONS = 10_000


def read(
    core: Core, vector: dict[str, Any], body: bytes, slice_bytes: int
) -> tuple[list[Message], Failure | None]:
    """Let the core read an answer; return its messages, and its end where that is a failure."""
    pairs = (word for pair in vector["headers"].items() for word in pair)
    answer = core.start("answer", vector["call"], vector["status"], slice_bytes, body, *pairs)
    messages = []
    try:
        for _, content in answer.said():
            message = RESPONSES[vector["call"]].FromString(base64.b64decode(content))
            messages.append(message)
    except Failure as failure:
        return messages, failure
    return messages, None


def body_of(vector: dict[str, Any]) -> bytes:
    return b"".join(bytes.fromhex(part) for part in vector["body"])


def word(code: str) -> str:
    """`NOT_FOUND` as C# spells it."""
    return code.title().replace("_", "")


@pytest.mark.parametrize("vector", ANSWERS, ids=lambda vector: vector["name"])
def test_answers_mean_what_they_should(core: Core, vector: dict[str, Any]) -> None:
    expected = [RESPONSES[vector["call"]].FromString(bytes.fromhex(m)) for m in vector["messages"]]
    for slice_bytes in SLICES:
        messages, failure = read(core, vector, body_of(vector), slice_bytes)
        assert messages == expected
        if failure is None:
            assert vector["code"] == "OK"
            continue
        assert failure.kind == "LodsmithException"
        found = failure.details
        assert failure.message
        assert failure.message == vector.get("message", failure.message)
        assert found["code"] == word(vector["code"])
        assert found["reason"] == vector.get("reason", "")
        assert found["transient"] == str(vector["is_transient"])
        assert found["retry_after"] == (
            f"{vector['retry_after_s']:g}" if "retry_after_s" in vector else ""
        )
        assert of_kind(found, "metadata:") == vector.get("metadata", {})
        assert [*of_kind(found, "violation:").items()] == [
            (field, text) for field, text in vector.get("violations", [])
        ]


def of_kind(details: dict[str, str], prefix: str) -> dict[str, str]:
    return {k.removeprefix(prefix): v for k, v in details.items() if k.startswith(prefix)}


@pytest.mark.parametrize(
    "vector", [v for v in ANSWERS if v["cut_anywhere"]], ids=lambda vector: vector["name"]
)
def test_an_answer_that_is_cut_is_no_success(core: Core, vector: dict[str, Any]) -> None:
    body = body_of(vector)
    ends = [
        sum(len(part) // 2 for part in vector["body"][: n + 1]) for n in range(len(vector["body"]))
    ]
    for length in range(len(body)):
        messages, failure = read(core, vector, body[:length], 4096)
        assert failure is not None, length
        assert failure.details["code"] == "Unavailable"
        assert failure.details["transient"] == "True"
        if vector["call"] == "stream":
            whole = sum(end <= length for end in ends)
            assert len(messages) == min(whole, len(vector["messages"]))


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda vector: vector["name"])
def test_messages_are_read_as_protobuf_reads_them(core: Core, vector: dict[str, Any]) -> None:
    content = bytes.fromhex(vector["bytes"])
    command = core.start("round-trip", vector["type"], content)
    if "refused" in vector:
        assert command.error().kind == "InvalidDataException"
        return
    kind = getattr(pb, vector["type"])
    expected = kind.FromString(content)
    expected.DiscardUnknownFields()
    assert kind.FromString(base64.b64decode(command.result()[1])) == expected


def test_mutated_answers_and_messages_end_in_typed_errors(core: Core) -> None:
    corpus = [body_of(vector) for vector in ANSWERS if vector["status"] == 200 and vector["body"]]
    fuzz = core.start("fuzz", MUTATIONS, 7, *corpus)
    counts = {name: int(count) for _, name, count in fuzz.said()}
    assert not [name for name in counts if "CRASHED" in name]
    read_messages = counts.pop("stream: a message")
    assert sum(n for name, n in counts.items() if name.startswith("stream")) == MUTATIONS
    assert sum(n for name, n in counts.items() if name.startswith("message")) == MUTATIONS
    # The mutations reach all of the reader: what still is well, and each way in which it is not.
    assert read_messages > MUTATIONS / 10
    for end in ("ended", "Unavailable", "Internal", "ResourceExhausted", "NotFound"):
        assert counts[f"stream: {end}"] > MUTATIONS / 200, counts
    assert counts["message: read"] > MUTATIONS / 200
    assert counts["message: refused"] > MUTATIONS / 200
