"""Protobuf's wire format over the table in `schema`: what the contract uses of it, and no more."""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from lodsmith import schema

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_INITIAL: dict[str, Any] = {"double": 0.0, "bool": False, "string": "", "bytes": b""}
_MOST_VARINT_BYTES = 10
_MOST_NESTED_GROUPS = 100


class NotAMessage(ValueError):
    """Bytes are no message of the kind that was expected."""


class Field(NamedTuple):
    """A row of the table. label: "", "optional", "repeated" or "map"."""

    number: int
    name: str
    type: str
    label: str
    oneof: str

    @property
    def is_message(self) -> bool:
        """Whether its values are messages."""
        return self.type in schema.MESSAGES

    @property
    def wire_type(self) -> int:
        """How one value of it is written."""
        if self.type == "double":
            return _FIXED64
        return _BYTES if self.type in ("string", "bytes") or self.is_message else _VARINT

    @property
    def initial(self) -> Any:
        """What a reader finds where nothing was set."""
        if self.is_message or self.label == "optional":
            return None
        return _INITIAL.get(self.type, 0)  # as whole numbers, an enum too


_FIELDS: dict[str, dict[str, Field]] = {
    kind: {row[1]: Field(*row) for row in rows} for kind, rows in schema.MESSAGES.items()
}
_NUMBERS: dict[str, dict[int, Field]] = {
    kind: {field.number: field for field in fields.values()} for kind, fields in _FIELDS.items()
}


class Message:
    """A message: `Message("Digest", sha256=..., size_bytes=5)`. Fields are attributes.

    Absent fields read as their defaults; messages and optional scalars as None. Setting a member
    of a oneof clears the others. Enums are plain numbers, so values of later servers survive.
    """

    __slots__ = ("_values", "kind")
    _values: dict[str, Any]
    kind: str

    def __init__(self, kind: str, **values: Any) -> None:
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "_values", {})
        for name, value in values.items():
            setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        field = self._field(name)
        if name not in self._values and field.label in ("repeated", "map"):
            self._values[name] = {} if field.label == "map" else []
        return self._values.get(name, field.initial)

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._field(name)
        if field.oneof:
            for other in _FIELDS[self.kind].values():
                if other.oneof == field.oneof:
                    self._values.pop(other.name, None)
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = value

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self._values.items())
        return f"{self.kind}({values})"

    def which(self, oneof: str) -> str:
        """Return the member of a oneof that is set, "" if none is."""
        fields = _FIELDS[self.kind]
        return next((name for name in self._values if fields[name].oneof == oneof), "")

    def to_bytes(self) -> bytes:
        """Write the message. Raises ValueError for a number that its field cannot hold."""
        parts: list[bytes] = []
        for field in sorted(_FIELDS[self.kind].values()):
            if field.name in self._values:
                parts += _written(field, self._values[field.name])
        return b"".join(parts)

    @classmethod
    def parse(cls, kind: str, data: bytes) -> "Message":
        """Read a message. Fields that are not in the table are skipped.

        Raises:
            NotAMessage: If the bytes are none.
        """
        message = cls(kind)
        message._merge(data)
        return message

    def _field(self, name: str) -> Field:
        field = _FIELDS[self.kind].get(name)
        if field is None:
            raise AttributeError(f"{self.kind} has no field {name}")
        return field

    def _merge(self, data: bytes) -> None:
        reader = _Reader(data)
        for number, wire_type in reader.tags():
            field = _NUMBERS[self.kind].get(number)
            is_packed = (
                field is not None
                and field.label == "repeated"
                and wire_type == _BYTES != field.wire_type
            )
            if field is None or (wire_type != field.wire_type and not is_packed):
                reader.skip(number, wire_type)
            elif field.label == "map":
                key, value = _map_entry(reader.block())
                getattr(self, field.name)[key] = value
            elif is_packed:
                packed = _Reader(reader.block())
                while not packed.is_at_end:
                    getattr(self, field.name).append(packed.value(field))
            elif field.label == "repeated":
                getattr(self, field.name).append(reader.value(field))
            elif field.is_message and field.name in self._values:
                self._values[field.name]._merge(reader.block())  # parts of one message
            else:
                setattr(self, field.name, reader.value(field))


class _Reader:
    """Reads values one after another; every length is held against what there is."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def tags(self) -> Iterator[tuple[int, int]]:
        while not self.is_at_end:
            number, wire_type = divmod(self._varint() & 0xFFFFFFFF, 8)
            if number == 0 or wire_type > _FIXED32:
                raise NotAMessage(f"field {number} cannot have the wire type {wire_type}")
            yield number, wire_type

    def value(self, field: Field) -> Any:
        if field.type == "double":
            return struct.unpack("<d", self._take(8))[0]
        if field.type == "string":
            try:
                return self.block().decode("utf-8")
            except UnicodeDecodeError as error:
                raise NotAMessage(f"{field.name} is no UTF-8") from error
        if field.type == "bytes":
            return self.block()
        if field.is_message:
            return Message.parse(field.type, self.block())
        number = self._varint()
        if field.type == "bool":
            return number != 0
        bits = 64 if field.type == "int64" else 32
        number &= (1 << bits) - 1
        return number - (1 << bits) if number >> (bits - 1) else number

    def block(self) -> bytes:
        return self._take(self._varint())

    def skip(self, number: int, wire_type: int, depth: int = 0) -> None:
        if depth > _MOST_NESTED_GROUPS:
            raise NotAMessage(f"groups are nested more than {_MOST_NESTED_GROUPS} times")
        if wire_type == _VARINT:
            self._varint()
        elif wire_type == _BYTES:
            self.block()
        elif wire_type == _GROUP:
            for inner, inner_type in self.tags():
                if inner_type == _GROUP_END:
                    if inner != number:
                        raise NotAMessage(f"the end of group {inner} is in group {number}")
                    return
                self.skip(inner, inner_type, depth + 1)
            raise NotAMessage(f"group {number} has no end")
        elif wire_type == _GROUP_END:
            raise NotAMessage(f"group {number} has no beginning")
        else:
            self._take(8 if wire_type == _FIXED64 else 4)

    def _varint(self) -> int:
        number = 0
        for index in range(_MOST_VARINT_BYTES):
            byte = self._take(1)[0]
            number |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return number & 0xFFFFFFFFFFFFFFFF
        raise NotAMessage(f"a number has more than {_MOST_VARINT_BYTES} bytes")

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise NotAMessage(f"{count} bytes are promised, {len(self._data) - self._at} are there")
        self._at += count
        return self._data[self._at - count : self._at]


def _map_entry(data: bytes) -> tuple[str, str]:
    parts = {1: "", 2: ""}
    reader = _Reader(data)
    for number, wire_type in reader.tags():
        if number in parts and wire_type == _BYTES:
            parts[number] = reader.value(Field(number, "a map's text", "string", "", ""))
        else:
            reader.skip(number, wire_type)
    return parts[1], parts[2]


def _written(field: Field, value: Any) -> Iterator[bytes]:
    if field.label == "map":
        for key, text in value.items():
            entry = [_tagged(1, key.encode()), _tagged(2, text.encode())]
            yield _tagged(field.number, b"".join(entry))
    elif field.label == "repeated":
        if field.wire_type == _BYTES:
            for item in value:
                yield _tagged(field.number, _item(field, item))
        elif value:
            yield _tagged(field.number, b"".join(_item(field, item) for item in value))
    elif field.oneof or field.initial is None or _is_set(field, value):
        content = _item(field, value)
        if field.wire_type == _BYTES:
            yield _tagged(field.number, content)
        else:
            yield _varint(field.number << 3 | field.wire_type) + content


def _is_set(field: Field, value: Any) -> bool:
    """Whether a value is not the default; -0.0 is none."""
    return bool(value) or (field.type == "double" and struct.pack("<d", value) != bytes(8))


def _item(field: Field, value: Any) -> bytes:
    if field.is_message:
        return bytes(value.to_bytes())
    if field.type == "string":
        return bytes(value.encode("utf-8"))
    if field.type == "bytes":
        return bytes(value)
    if field.type == "double":
        return struct.pack("<d", value)
    bits = 63 if field.type == "int64" else 31
    if not -(1 << bits) <= value < 1 << bits:
        raise ValueError(f"{field.name} must fit into {bits + 1} bits, got {value}")
    return _varint(int(value) & 0xFFFFFFFFFFFFFFFF)


def _tagged(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
