"""The contract as C# 7: classes that read and write themselves, and a method per unary call.

What they call is hand-written: `WireMessage`, `WireReader`, `WireWriter` and `LodsmithClient` in
`unity_client/Core`.
"""

import re
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape

from protos.client_code.contract import Contract, Enum, Field, Message, Rpc

# Unity and .NET have types of these names, and files that use both would have to spell ours out.
_RENAMED = {
    "Any": "AnyMessage",
    "Collision": "CollisionFit",
    "Status": "RpcStatus",
    "TextureFormat": "TextureEncoding",
}
_TYPES = {
    "int32": "int",
    "int64": "long",
    "double": "double",
    "bool": "bool",
    "string": "string",
    "bytes": "byte[]",
}
_INITIAL = {"string": ' = "";', "bytes": " = Array.Empty<byte>();"}
_VARINT, _FIXED64, _BYTES = 0, 1, 2
_WIRE_TYPES = {"int32": _VARINT, "int64": _VARINT, "bool": _VARINT, "enum": _VARINT, "double": 1}
_HEAD = "// Generated from protos/lodsmith/v1/lodsmith.proto by `make protos`. Do not edit.\n"


def files_of(contract: Contract) -> Mapping[str, str]:
    """Return the files, by name."""
    return {
        "LodsmithV1.cs": "\n".join(_messages_file(contract)) + "\n",
        "LodsmithClient.Calls.cs": "\n".join(_calls_file(contract)) + "\n",
    }


def _messages_file(contract: Contract) -> Iterator[str]:
    yield _HEAD
    yield "using System;"
    yield "using System.Collections.Generic;"
    yield ""
    yield "namespace Lodsmith.V1"
    yield "{"
    first = True
    for enum in contract.enums:
        yield from [] if first else [""]
        yield from _indented(_enum(enum), 4)
        first = False
    for message in contract.messages:
        yield ""
        yield from _indented(_message(message), 4)
    yield "}"


def _enum(enum: Enum) -> Iterator[str]:
    yield from _doc(enum.comment)
    yield f"public enum {_type_name(enum.name)}"
    yield "{"
    for value in enum.values:
        yield from _indented(_doc(value.comment), 4)
        yield f"    {_pascal(value.name)} = {value.number},"
    yield "}"


def _message(message: Message) -> Iterator[str]:
    name = _type_name(message.name)
    for field in message.fields:
        if _pascal(field.name) == name:
            raise ValueError(f"{message.name}.{field.name} has the name of its class in C#")
    yield from _doc(message.comment or f"As <c>{message.name}</c>.")
    yield f"public sealed class {name} : WireMessage"
    yield "{"
    parts = [
        *([*_oneof(oneof, message)] for oneof in message.oneofs),
        *([*_property(field)] for field in message.fields),
        [*_parse(name)],
        [*_write(message)],
        [*_read(message)],
    ]
    for index, part in enumerate(parts):
        yield from [""] if index else []
        yield from _indented(part, 4)
    yield "}"


def _oneof(name: str, message: Message) -> Iterator[str]:
    """The enum, the property and the storage of a oneof: its members share one slot."""
    case, kind = _pascal(name), f"{_pascal(name)}OneofCase"
    yield f"/// <summary>Which member of <c>{name}</c> is set.</summary>"
    yield f"public enum {kind}"
    yield "{"
    yield "    /// <summary>None.</summary>"
    yield "    None = 0,"
    for field in message.fields:
        if field.oneof == name:
            member = _pascal(field.name)
            yield f'    /// <summary><see cref="{_type_name(message.name)}.{member}"/>.</summary>'
            yield f"    {member} = {field.number},"
    yield "}"
    yield ""
    yield f"private object _{_camel(name)};"
    yield ""
    yield f"/// <summary>Which member of <c>{name}</c> is set; a new one clears the rest.</summary>"
    yield f"public {kind} {case}Case {{ get; private set; }}"


def _property(field: Field) -> Iterator[str]:
    name, kind = _pascal(field.name), _item_type(field)
    yield from _doc(field.comment)
    if field.kind == "map":
        maps = "Dictionary<string, string>"
        yield f"public {maps} {name} {{ get; }} = new {maps}();"
    elif field.is_repeated:
        yield f"public List<{kind}> {name} {{ get; }} = new List<{kind}>();"
    elif field.oneof:
        slot, case = f"_{_camel(field.oneof)}", f"{_pascal(field.oneof)}Case"
        member = f"{_pascal(field.oneof)}OneofCase.{name}"
        unset = {"message": "null", "string": '""'}.get(field.kind, f"default({kind})")
        can_be_null = field.kind in ("message", "string", "bytes")
        cleared = f"value == null ? {_pascal(field.oneof)}OneofCase.None : " if can_be_null else ""
        yield f"public {kind} {name}"
        yield "{"
        yield "    get"
        yield "    {"
        yield f"        return {case} == {member} ? ({kind}){slot} : {unset};"
        yield "    }"
        yield "    set"
        yield "    {"
        yield f"        {slot} = value;"
        yield f"        {case} = {cleared}{member};"
        yield "    }"
        yield "}"
    elif field.is_optional:
        mark = "" if field.kind in ("string", "bytes") else "?"
        yield f"public {kind}{mark} {name} {{ get; set; }}"
    else:
        yield f"public {kind} {name} {{ get; set; }}{_INITIAL.get(field.kind, '')}"


def _parse(name: str) -> Iterator[str]:
    yield "/// <summary>Reads a message.</summary>"
    yield '/// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>'
    yield f"public static {name} Parse(byte[] data)"
    yield "{"
    yield "    return Parse(data, 0, data.Length);"
    yield "}"
    yield ""
    yield "/// <summary>Reads a message that is a part of some bytes.</summary>"
    yield '/// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>'
    yield f"public static {name} Parse(byte[] data, int offset, int count)"
    yield "{"
    yield f"    var message = new {name}();"
    yield "    message.Read(new WireReader(data, offset, count));"
    yield "    return message;"
    yield "}"


def _write(message: Message) -> Iterator[str]:
    yield "internal override void Write(WireWriter writer)"
    yield "{"
    for field in sorted(message.fields, key=lambda field: field.number):
        yield from _indented(_write_field(field), 4)
    yield "}"


def _write_field(field: Field) -> Iterator[str]:
    name, number = _pascal(field.name), field.number
    if field.kind == "map":
        yield f"writer.Map({number}, {name});"
    elif field.is_repeated and field.kind in _WIRE_TYPES:
        yield f"writer.Packed({number}, {name}, (packed, item) => packed.{_packed_item(field)});"
    elif field.is_repeated:
        yield f"foreach ({_item_type(field)} item in {name})"
        yield "{"
        yield f"    {_write_item(field, 'item')}"
        yield "}"
    else:
        is_nullable = field.is_optional and field.kind not in ("string", "bytes")
        yield f"if ({_is_set(field)})"
        yield "{"
        yield f"    {_write_item(field, f'{name}.Value' if is_nullable else name)}"
        yield "}"


def _is_set(field: Field) -> str:
    name = _pascal(field.name)
    if field.oneof:
        return f"{_pascal(field.oneof)}Case == {_pascal(field.oneof)}OneofCase.{name}"
    if field.is_optional or field.kind == "message":
        return f"{name} != null"
    return {
        "bool": name,
        "double": f"BitConverter.DoubleToInt64Bits({name}) != 0",  # -0.0 is not the default
        "string": f"!string.IsNullOrEmpty({name})",
        "bytes": f"{name} != null && {name}.Length > 0",
    }.get(field.kind, f"{name} != 0")


def _write_item(field: Field, value: str) -> str:
    number = field.number
    if field.kind == "enum":
        return f"writer.Integer({number}, (int){value});"
    method = {
        "int32": "Integer",
        "int64": "Integer",
        "double": "Double",
        "bool": "Bool",
        "string": "String",
        "bytes": "Bytes",
        "message": "Message",
    }[field.kind]
    return f"writer.{method}({number}, {value});"


def _packed_item(field: Field) -> str:
    if field.kind in ("bool", "double"):
        raise ValueError(f"{field.name} is a list of {field.kind}; add it to protos/client_code")
    return "Varint((int)item)" if field.kind == "enum" else "Varint(item)"


def _read(message: Message) -> Iterator[str]:
    yield "internal override void Read(WireReader reader)"
    yield "{"
    yield "    uint tag;"
    yield "    while ((tag = reader.NextTag()) != 0)"
    yield "    {"
    if message.fields:
        yield "        switch (tag)"
        yield "        {"
        for field in message.fields:
            for tag, statement in _read_field(field):
                yield f"            case {tag}:"
                yield f"                {statement}"
                yield "                break;"
        yield "            default:"
        yield "                reader.Skip(tag);"
        yield "                break;"
        yield "        }"
    else:
        yield "        reader.Skip(tag);"
    yield "    }"
    yield "}"


def _read_field(field: Field) -> Iterator[tuple[int, str]]:
    """Yield the tags of a field and what reads its value; another wire type is an unknown field."""
    name = _pascal(field.name)
    tag = field.number << 3 | _WIRE_TYPES.get(field.kind, _BYTES)
    if field.kind == "map":
        yield tag, f"reader.MapEntry({name});"
    elif field.is_repeated:
        fresh = f"reader.Message(new {_item_type(field)}())"
        value = fresh if field.kind == "message" else _read_item(field, "reader")
        yield tag, f"{name}.Add({value});"
        if field.kind in _WIRE_TYPES:
            packed = _read_item(field, "packed")
            yield field.number << 3 | _BYTES, f"reader.Packed(packed => {name}.Add({packed}));"
    elif field.kind == "message":
        yield tag, f"{name} = reader.Message({name} ?? new {_item_type(field)}());"
    else:
        yield tag, f"{name} = {_read_item(field, 'reader')};"


def _read_item(field: Field, reader: str) -> str:
    if field.kind == "enum":
        return f"({_item_type(field)}){reader}.Int32()"
    return f"{reader}.{_pascal(field.kind)}()"


def _calls_file(contract: Contract) -> Iterator[str]:
    yield _HEAD
    yield "using System.Threading;"
    yield "using System.Threading.Tasks;"
    yield "using Lodsmith.V1;"
    yield ""
    yield "namespace Lodsmith"
    yield "{"
    yield "    public sealed partial class LodsmithClient"
    yield "    {"
    empty = {message.name for message in contract.messages if not message.fields}
    for index, rpc in enumerate(rpc for rpc in contract.rpcs if rpc.is_unary):
        yield from [""] if index else []
        yield from _indented(_call(rpc, takes_request=rpc.request not in empty), 8)
    yield "    }"
    yield "}"


def _call(rpc: Rpc, *, takes_request: bool) -> Iterator[str]:
    request, response = _type_name(rpc.request), _type_name(rpc.response)
    parameters = [f"{request} request"] if takes_request else []
    sent = "request" if takes_request else f"new {request}()"
    yield from _doc(rpc.comment)
    yield '/// <exception cref="LodsmithException">The call failed.</exception>'
    yield f"public Task<{response}> {rpc.name}Async("
    yield f"    {', '.join([*parameters, 'CancellationToken cancellationToken'])})"
    yield "{"
    yield "    return _channel.CallAsync("
    yield f'        "{rpc.path}", {sent}, {response}.Parse, cancellationToken);'
    yield "}"


def _item_type(field: Field) -> str:
    return _TYPES.get(field.kind) or _type_name(field.type_name)


def _type_name(full_name: str) -> str:
    name = full_name.rpartition(".")[2]
    return _RENAMED.get(name, name)


def _pascal(name: str) -> str:
    """`size_bytes` and `SIZE_BYTES` give `SizeBytes`."""
    return "".join(part[:1].upper() + part[1:] for part in name.lower().split("_"))


def _camel(name: str) -> str:
    pascal = _pascal(name)
    return pascal[:1].lower() + pascal[1:]


def _doc(comment: str) -> Iterator[str]:
    """A comment of the contract as an XML comment: its words are the clients' manual, too."""
    marked = re.sub(r"`([^`]+)`", r"<c>\1</c>", escape(comment))
    lines = [line.removeprefix(" ") for line in marked.split("\n")]
    if len(lines) == 1:
        yield f"/// <summary>{lines[0]}</summary>"
    else:
        yield "/// <summary>"
        for line in lines:
            yield f"/// {line}".rstrip()
        yield "/// </summary>"


def _indented(lines: Iterator[str] | list[str], spaces: int) -> Iterator[str]:
    for line in lines:
        yield " " * spaces + line if line else ""
