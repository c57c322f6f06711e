"""The generated codec against the real protobuf: what one writes, the other reads."""

import base64
import random

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from server.pb import lodsmith_pb2 as pb
from tests.unity_client.conftest import Core
from tests.wire.random_messages import TYPES, random_message

PER_TYPE = 3
# What C# calls otherwise, see protos/client_code/csharp.py.
RENAMED = {"Any": "AnyMessage", "Collision": "CollisionFit", "Status": "RpcStatus"}


def read_and_written(core: Core, type_: Descriptor, data: bytes) -> Message:
    name = RENAMED.get(type_.name, type_.name)
    _, content = core.start("round-trip", name, data).result()
    return GetMessageClass(type_).FromString(base64.b64decode(content))


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.full_name)
def test_reads_and_writes_what_protobuf_does(core: Core, type_: Descriptor) -> None:
    rng = random.Random(type_.full_name)
    messages = [GetMessageClass(type_)()]
    messages += [random_message(type_, rng) for _ in range(PER_TYPE)]
    for message in messages:
        assert read_and_written(core, type_, message.SerializeToString()) == message


def test_random_messages_are_of_all_kinds() -> None:
    """A guard of the generator: each kind of field is set somewhere, and deeply."""
    rng = random.Random(1)
    text = "".join(str(random_message(type_, rng)) for type_ in TYPES for _ in range(PER_TYPE))
    for wanted in ("-9223372036854775808", "1234", "labels", "budgets", "inf", "-0", "violations"):
        assert wanted in text, wanted


def test_fields_of_a_later_contract_are_skipped(core: Core) -> None:
    later = b"".join((
        b"\xf8\x7f\x05",  # a number, field 2047
        b"\xf9\x7f" + bytes(8),
        b"\xfa\x7f\x03abc",
        b"\xfb\x7f\xf8\x7f\x01\xfb\x7f\xfc\x7f\xfc\x7f",  # a group with a number and a group
        b"\xfd\x7f" + bytes(4),
    ))  # fmt: skip
    job = pb.Job(name="jobs/1", last_sequence=7)
    data = later + job.SerializeToString() + later
    assert read_and_written(core, pb.Job.DESCRIPTOR, data) == job


def test_known_fields_of_another_type_are_skipped(core: Core) -> None:
    data = b"\x08\x05" + pb.Job(state=pb.JOB_STATE_RUNNING).SerializeToString()  # name as a number
    job = read_and_written(core, pb.Job.DESCRIPTOR, data)
    assert job == pb.Job(state=pb.JOB_STATE_RUNNING)


def test_lists_are_read_packed_and_unpacked(core: Core) -> None:
    data = b"\x08\x01\x0a\x02\x02\x03\x08\x04"
    options = read_and_written(core, pb.LodOptions.DESCRIPTOR, data)
    assert options == pb.LodOptions(budgets=[1, 2, 3, 4])


def test_parts_of_a_message_are_merged(core: Core) -> None:
    first = pb.CreateJobRequest(spec=pb.JobSpec(prompt="a", seed=5))
    second = pb.CreateJobRequest(spec=pb.JobSpec(prompt="b", variant_count=2))
    data = first.SerializeToString() + second.SerializeToString()
    merged = read_and_written(core, pb.CreateJobRequest.DESCRIPTOR, data)
    assert merged == pb.CreateJobRequest(spec=pb.JobSpec(prompt="b", seed=5, variant_count=2))


def test_the_last_member_of_a_oneof_counts(core: Core) -> None:
    members = [pb.JobSpec(prompt="a"), pb.JobSpec(mesh=pb.Digest(size_bytes=1)), pb.JobSpec(job="")]
    data = b"".join(member.SerializeToString() for member in members)
    assert read_and_written(core, pb.JobSpec.DESCRIPTOR, data) == pb.JobSpec(job="")
