"""A descriptor set, as generators want it: flat, named, with comments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.protobuf import any_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs

PACKAGE = "lodsmith.v1"
# What the details of an error are made of. The contract names them in its comments only.
ERROR_DETAILS = (
    "google.rpc.Status",
    "google.rpc.ErrorInfo",
    "google.rpc.BadRequest",
    "google.rpc.RetryInfo",
)

_KINDS = {
    FieldDescriptorProto.TYPE_INT32: "int32",
    FieldDescriptorProto.TYPE_INT64: "int64",
    FieldDescriptorProto.TYPE_DOUBLE: "double",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_ENUM: "enum",
    FieldDescriptorProto.TYPE_MESSAGE: "message",
}
# Numbers of fields in descriptor.proto: a comment is found by the path of numbers to its element.
_MESSAGES, _ENUMS, _SERVICES, _NESTED, _PARTS = 4, 5, 6, 3, 2


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of a message.

    kind: "int32", "int64", "double", "bool", "string", "bytes", "enum", "message", or "map" from
        text to text.
    type_name: Full name of the enum or message.
    is_optional: A scalar that may be absent.
    oneof: The oneof that it is in, or "".
    """

    name: str
    number: int
    kind: str
    type_name: str
    is_repeated: bool
    is_optional: bool
    oneof: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message. name: its full name."""

    name: str
    fields: Sequence[Field]
    comment: str

    @property
    def oneofs(self) -> Sequence[str]:
        """Names of its oneofs, in order."""
        return list(dict.fromkeys(field.oneof for field in self.fields if field.oneof))


@dataclass(frozen=True, kw_only=True)
class EnumValue:
    """A value of an enum. name: without the prefix that repeats the enum's name."""

    name: str
    number: int
    comment: str


@dataclass(frozen=True, kw_only=True)
class Enum:
    """An enum. name: its full name."""

    name: str
    values: Sequence[EnumValue]
    comment: str


@dataclass(frozen=True, kw_only=True)
class Rpc:
    """A method. request, response: full names."""

    name: str
    path: str
    request: str
    response: str
    is_unary: bool
    comment: str


@dataclass(frozen=True, kw_only=True)
class Contract:
    """All that a client needs: our own messages, and Google's where ours or errors use them."""

    messages: Sequence[Message]
    enums: Sequence[Enum]
    rpcs: Sequence[Rpc]


def read_contract(descriptors: FileDescriptorSet) -> Contract:
    """Return the contract in a descriptor set that holds it, its imports and its comments.

    Raises:
        ValueError: If a field has a type that no generator knows yet.
    """
    files = {file.name: file for file in descriptors.file}
    for module in (any_pb2, status_pb2, error_details_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        files.setdefault(file.name, file)

    known: dict[str, Message] = {}
    enums: list[Enum] = []
    rpcs: list[Rpc] = []
    for file in files.values():
        is_ours = file.package == PACKAGE
        # Google's comments are Google's: only our own go into our files.
        comments = _comments(file) if is_ours else {}
        for index, message in enumerate(file.message_type):
            for found in _messages(message, file.package, (_MESSAGES, index), comments):
                known[found.name] = found
        if is_ours:
            enums += [
                _enum(enum, file.package, (_ENUMS, index), comments)
                for index, enum in enumerate(file.enum_type)
            ]
            rpcs += _rpcs(file, comments)
    roots = [name for name in known if name.startswith(f"{PACKAGE}.")]
    return Contract(messages=_reachable(known, [*roots, *ERROR_DETAILS]), enums=enums, rpcs=rpcs)


Path = tuple[int, ...]


def _comments(file: FileDescriptorProto) -> dict[Path, str]:
    return {
        tuple(location.path): location.leading_comments.strip()
        for location in file.source_code_info.location
    }


def _messages(
    message: DescriptorProto, scope: str, path: Path, comments: dict[Path, str]
) -> Iterator[Message]:
    """Yield a message and those in it; entries of maps are no messages of their own."""
    name = f"{scope}.{message.name}"
    maps = {f".{name}.{n.name}": n for n in message.nested_type if n.options.map_entry}
    fields = [
        _field(field, message, maps, comments.get((*path, _PARTS, index), ""))
        for index, field in enumerate(message.field)
    ]
    yield Message(name=name, fields=fields, comment=comments.get(path, ""))
    for index, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            yield from _messages(nested, name, (*path, _NESTED, index), comments)


def _field(
    field: FieldDescriptorProto,
    message: DescriptorProto,
    maps: dict[str, DescriptorProto],
    comment: str,
) -> Field:
    where = f"{message.name}.{field.name}"
    kind = _KINDS.get(field.type)
    if kind is None:
        type_name = FieldDescriptorProto.Type.Name(field.type)
        raise ValueError(f"{where} is a {type_name}; add it to protos/client_code to use it")
    entry = maps.get(field.type_name)
    if entry is not None:
        if {part.type for part in entry.field} != {FieldDescriptorProto.TYPE_STRING}:
            raise ValueError(f"{where} is no map from text to text; add it to protos/client_code")
        kind = "map"
    in_oneof = field.HasField("oneof_index") and not field.proto3_optional
    return Field(
        name=field.name,
        number=field.number,
        kind=kind,
        type_name=field.type_name.removeprefix("."),
        is_repeated=kind != "map" and field.label == FieldDescriptorProto.LABEL_REPEATED,
        is_optional=field.proto3_optional,
        oneof=message.oneof_decl[field.oneof_index].name if in_oneof else "",
        comment=comment,
    )


def _enum(enum: EnumDescriptorProto, scope: str, path: Path, comments: dict[Path, str]) -> Enum:
    # buf lint holds the prefix: the first value is <ENUM>_UNSPECIFIED
    prefix = enum.value[0].name.removesuffix("UNSPECIFIED")
    values = [
        EnumValue(
            name=value.name.removeprefix(prefix),
            number=value.number,
            comment=comments.get((*path, _PARTS, index), ""),
        )
        for index, value in enumerate(enum.value)
    ]
    return Enum(name=f"{scope}.{enum.name}", values=values, comment=comments.get(path, ""))


def _rpcs(file: FileDescriptorProto, comments: dict[Path, str]) -> Iterator[Rpc]:
    for index, service in enumerate(file.service):
        for place, method in enumerate(service.method):
            yield Rpc(
                name=method.name,
                path=f"/{file.package}.{service.name}/{method.name}",
                request=method.input_type.removeprefix("."),
                response=method.output_type.removeprefix("."),
                is_unary=not (method.client_streaming or method.server_streaming),
                comment=comments.get((_SERVICES, index, _PARTS, place), ""),
            )


def _reachable(known: dict[str, Message], roots: Sequence[str]) -> list[Message]:
    """Return the messages named and what they are made of, in the order of `known`."""
    wanted: set[str] = set()
    left = list(roots)
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += [f.type_name for f in known[name].fields if f.kind == "message"]
    return [message for name, message in known.items() if name in wanted]
