"""Changes of protobuf messages by someone who has the contract."""

from collections.abc import Sequence
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import DecodeError, Message

from tests.fuzz.mutations.blind import blind

_INTEGERS = (0, 1, 2, 3, 4, 64, 100, 501, 1000, 4096, 2**31 - 1, 2**62, 2**63 - 1, -1, -(2**31))
_NUMBERS = (0.0, -0.0, 0.5, 1.0, 2.0, 45.0, 1e-320, 1e308, -1.0, float("nan"), float("inf"))
_TEXTS = (
    "", " ", "a chair", "x" * 201, "x" * 1001, "\0", "\u202e", "../../etc/passwd", "jobs/", "CON",
    "jobs/00000000000000000000000000000000", "0" * 32, "' OR 1=1", "\U0001f4a9", "Wheel*", "*" * 80,
)  # fmt: skip
_BYTES = (b"", bytes(32), bytes(31), b"\xff" * 32, b"x" * 1000)
_INT32 = frozenset({Field.TYPE_INT32, Field.TYPE_SINT32, Field.TYPE_SFIXED32})
_MANY = 40


def changed_message(data: bytes, kind: type[Message], random: Random) -> bytes:
    """Set, clear or repeat fields of a message of type `kind`; else change any bytes."""
    if random.randrange(6) == 0:
        return blind(data, random)
    try:
        message = kind.FromString(data)
    except DecodeError:
        message = kind()
    for _ in range(random.randint(1, 4)):
        _change(message, random)
    return message.SerializeToString()


def _change(message: Message, random: Random) -> None:
    """Walk to a random field and change it there."""
    while fields := message.DESCRIPTOR.fields:
        field = random.choice(fields)
        if random.randrange(12) == 0:
            message.ClearField(field.name)
            return
        # Any: protobuf's containers and values, by the field's type.
        at: Any = getattr(message, field.name)
        if field.type != Field.TYPE_MESSAGE:
            _set(message, field, at, random)
            return
        if field.message_type.GetOptions().map_entry:
            at[random.choice(_TEXTS)] = random.choice(_TEXTS)
            return
        if field.is_repeated:
            for _ in range(random.choice((1, 1, 2, _MANY))):
                message = at.add()
        else:
            message = at
            message.SetInParent()


def _set(message: Message, field: Field, at: Any, random: Random) -> None:
    if field.is_repeated:
        at.extend(_value(field, random) for _ in range(random.choice((1, 2, 8, _MANY))))
    else:
        setattr(message, field.name, _value(field, random))


def _value(field: Field, random: Random) -> Any:
    if field.enum_type is not None:
        return random.choice((*field.enum_type.values_by_number, 77, -1))
    choices: Sequence[Any]
    match field.type:
        case Field.TYPE_BOOL:
            choices = (False, True)
        case Field.TYPE_STRING:
            choices = _TEXTS
        case Field.TYPE_BYTES:
            choices = _BYTES
        case Field.TYPE_DOUBLE | Field.TYPE_FLOAT:
            choices = _NUMBERS
        case kind:
            choices = _INTEGERS
            if kind in _INT32:
                choices = [n for n in _INTEGERS if -(2**31) <= n < 2**31]
    return random.choice(choices)
