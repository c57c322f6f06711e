"""The contract as a table for Python 3.9 without a protobuf runtime.

What reads it is hand-written: `unreal_client/Lodsmith/Content/Python/lodsmith/wire.py`.
"""

from collections.abc import Iterator, Mapping

from protos.client_code.contract import Contract, Enum, Field, Message

_HEAD = '''\
"""Generated from protos/lodsmith/v1/lodsmith.proto by `make protos`. Do not edit."""

from enum import IntEnum
'''


def files_of(contract: Contract) -> Mapping[str, str]:
    """Return the files, by name.

    Raises:
        ValueError: If two types would have the same name.
    """
    names = [_short(one.name) for one in contract.messages]
    names += [_short(one.name) for one in contract.enums]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"there are two types {name}; rename one in the contract")
    return {"schema.py": "\n".join(_table(contract)) + "\n"}


def _table(contract: Contract) -> Iterator[str]:
    yield _HEAD
    for enum in contract.enums:
        yield from _enum(enum)
    yield ""
    yield "# Per message its fields: number, name, type, label, oneof. A map is from text to text."
    yield "MESSAGES = {"
    for message in contract.messages:
        yield from _message(message)
    yield "}"
    yield ""
    yield "# Paths. A method takes <Name>Request and returns <Name>Response: buf lint holds that."
    yield "METHODS = {"
    for rpc in contract.rpcs:
        yield f'    "{rpc.name}": "{rpc.path}",'
    yield "}"


def _enum(enum: Enum) -> Iterator[str]:
    yield ""
    yield f"class {_short(enum.name)}(IntEnum):"
    for value in enum.values:
        yield f"    {value.name} = {value.number}"
    yield ""


def _message(message: Message) -> Iterator[str]:
    if not message.fields:
        yield f'    "{_short(message.name)}": (),'
        return
    yield f'    "{_short(message.name)}": ('
    for field in sorted(message.fields, key=lambda field: field.number):
        yield f'        ({field.number}, "{field.name}", {_type(field)}, "{field.oneof}"),'
    yield "    ),"


def _type(field: Field) -> str:
    if field.kind == "map":
        return '"string", "map"'
    label = "repeated" if field.is_repeated else "optional" if field.is_optional else ""
    return f'"{_short(field.type_name) or field.kind}", "{label}"'


def _short(full_name: str) -> str:
    return full_name.rpartition(".")[2]
