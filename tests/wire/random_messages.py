"""Random messages of every type of the contract, for the codecs of all clients."""

import random
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs

from server.pb import lodsmith_pb2 as pb

MAX_DEPTH = 6
TYPES: list[Descriptor] = [
    *pb.DESCRIPTOR.message_types_by_name.values(),
    status_pb2.DESCRIPTOR.message_types_by_name["Status"],
    *(error_details_pb2.DESCRIPTOR.message_types_by_name[name]
      for name in ("ErrorInfo", "BadRequest", "RetryInfo")),
]  # fmt: skip


def random_message(type_: Descriptor, rng: random.Random, depth: int = 0) -> Message:
    """Return a message with about half of its fields set; defaults and extremes are among them."""
    message = GetMessageClass(type_)()
    for field in type_.fields:
        if rng.random() < 0.5 or (field.message_type and depth == MAX_DEPTH):
            continue
        entry = field.message_type and field.message_type.GetOptions().map_entry
        if entry:
            for _ in range(rng.randrange(4)):
                getattr(message, field.name)[random_text(rng)] = random_text(rng)
        elif field.is_repeated:
            for value in random_values(field, rng, depth):
                if field.message_type:
                    getattr(message, field.name).add().CopyFrom(value)
                else:
                    getattr(message, field.name).append(value)
        elif field.message_type:
            getattr(message, field.name).CopyFrom(random_value(field, rng, depth))
        else:
            setattr(message, field.name, random_value(field, rng, depth))
    return message


def random_values(field: FieldDescriptor, rng: random.Random, depth: int) -> Iterator[object]:
    return (random_value(field, rng, depth) for _ in range(rng.randrange(5)))


def random_value(field: FieldDescriptor, rng: random.Random, depth: int) -> object:
    match field.type:
        case FieldDescriptor.TYPE_INT32:
            return rng.choice([0, 1, -1, 127, 128, -(2**31), 2**31 - 1, rng.randrange(2**31)])
        case FieldDescriptor.TYPE_INT64:
            return rng.choice([0, -1, 2**31, -(2**63), 2**63 - 1, rng.randrange(2**63)])
        case FieldDescriptor.TYPE_DOUBLE:
            return rng.choice([0.0, -0.0, 1.0, -1e300, 5e-324, float("inf"), rng.random()])
        case FieldDescriptor.TYPE_BOOL:
            return rng.random() < 0.5
        case FieldDescriptor.TYPE_STRING:
            return random_text(rng)
        case FieldDescriptor.TYPE_BYTES:
            return rng.randbytes(rng.choice([0, 1, 32, 200]))
        case FieldDescriptor.TYPE_ENUM:
            return rng.choice([*field.enum_type.values_by_number, 1234, -1])  # some are unknown
        case FieldDescriptor.TYPE_MESSAGE:
            return random_message(field.message_type, rng, depth + 1)
    raise AssertionError(field.full_name)


def random_text(rng: random.Random) -> str:
    return rng.choice(["", "a", "Ä€𝄞", "line\nline", "x" * 300, "\0"])
