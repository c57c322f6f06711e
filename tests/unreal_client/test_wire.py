"""The codec against the real protobuf and the wire vectors of all clients."""

import json
import random
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message as Protobuf
from google.protobuf.message_factory import GetMessageClass
from lodsmith import schema
from lodsmith.wire import Message, NotAMessage

from server.pb import lodsmith_pb2 as pb
from tests.wire.random_messages import TYPES, random_message
from tests.wire.write_vectors import FOLDER

VECTORS: list[dict[str, Any]] = json.loads((FOLDER / "messages.json").read_text("utf-8"))
PER_TYPE = 20
MUTATIONS = 10_000


def read_and_written(type_: Descriptor, data: bytes) -> Protobuf:
    return GetMessageClass(type_).FromString(Message.parse(type_.name, data).to_bytes())


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.full_name)
def test_reads_and_writes_what_protobuf_does(type_: Descriptor) -> None:
    rng = random.Random(type_.full_name)
    messages = [GetMessageClass(type_)()]
    messages += [random_message(type_, rng) for _ in range(PER_TYPE)]
    for message in messages:
        assert read_and_written(type_, message.SerializeToString()) == message


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_messages_are_read_as_protobuf_reads_them(vector: dict[str, Any]) -> None:
    content = bytes.fromhex(vector["bytes"])
    if "refused" in vector:
        with pytest.raises(NotAMessage):
            Message.parse(vector["type"], content)
        return
    type_ = pb.DESCRIPTOR.message_types_by_name[vector["type"]]
    expected = GetMessageClass(type_).FromString(content)
    expected.DiscardUnknownFields()
    assert read_and_written(type_, content) == expected


def test_mutated_messages_are_read_or_refused() -> None:
    rng = random.Random(7)
    corpus = [random_message(type_, rng) for type_ in TYPES for _ in range(3)]
    counts = {"read": 0, "refused": 0}
    for _ in range(MUTATIONS):
        message = rng.choice(corpus)
        data = bytearray(message.SerializeToString() or b"\0")
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            Message.parse(message.DESCRIPTOR.name, bytes(data)).to_bytes()
            counts["read"] += 1
        except NotAMessage:
            counts["refused"] += 1
    assert min(counts.values()) > MUTATIONS / 20, counts


def test_every_method_has_its_messages() -> None:
    for method in schema.METHODS:
        assert {f"{method}Request", f"{method}Response"} <= schema.MESSAGES.keys()


def test_a_misspelt_field_is_named() -> None:
    with pytest.raises(AttributeError, match="JobSpec has no field promt"):
        Message("JobSpec", promt="a barrel")
    with pytest.raises(AttributeError, match="promt"):
        _ = Message("JobSpec").promt


def test_setting_a_member_of_a_oneof_clears_the_others() -> None:
    spec = Message("JobSpec", prompt="a barrel")
    assert spec.which("source") == "prompt"
    spec.job = "jobs/1"
    assert (spec.which("source"), spec.prompt) == ("job", "")
    spec.job = None
    assert spec.which("source") == ""


def test_absent_is_not_zero() -> None:
    assert Message("PlaceOptions").height_m is None
    assert Message("PlaceOptions", height_m=0.0).to_bytes() == bytes.fromhex("090000000000000000")
    assert Message("Job").queue_position is None


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1])
def test_numbers_that_do_not_fit_are_named(number: int) -> None:
    with pytest.raises(ValueError, match="variant_count must fit into 32 bits"):
        Message("JobSpec", variant_count=number).to_bytes()
