"""Frozen dataclasses as JSON and back, checked against their annotations.

For what is stored in the journal and what worker processes send: both outlive the code that wrote
them or come from a process that read a stranger's file, so reading never runs code (as pickle
does) and never yields a value of the wrong type.
"""

import json
import reprlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pipeline.errors import PipelineError
from server.refusals import Refusal

JSON = bool | int | float | str | None | list["JSON"] | dict[str, "JSON"]
T = TypeVar("T")

_INTEGERS = range(-(2**63), 2**63)  # what the journal and the contract can hold


def to_json(value: object) -> JSON:
    """Return `value` as plain JSON: dataclasses as objects, enums as their values."""
    if isinstance(value, Enum):
        return to_json(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    return to_json(_opened(value))


def dumps(value: object) -> str:
    """Return the canonical text of `value`: keys sorted, no spaces. Equal values, equal text."""
    # The encoder walks on by itself and asks only for what it does not know: each event of a job
    # writes the whole job.
    return json.dumps(
        value, default=_opened, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def _opened(value: object) -> object:
    """Return what is directly inside a value that JSON does not know."""
    kind: Any = type(value)  # Any: mypy takes a type of what it does not know for unhashable
    if (names := _field_names(kind)) is not None:
        return {name: getattr(value, name) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON form for {kind.__name__}")


@cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    """Return the fields of a dataclass, None for anything else."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None


def loads(kind: type[T], text: str | bytes) -> T:
    """Read a dataclass of type `kind` from the text that `dumps` made.

    Fields that the text lacks take their defaults; fields that `kind` lacks are left out, so that
    older and newer programs read each other's records.

    Raises:
        ValueError: If the text is not JSON, or a value is missing, of another type or out of range.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{kind.__name__} is nested too deeply") from error
    return from_json(kind, value)


def from_json(kind: type[T], value: JSON) -> T:
    """As `loads`, from JSON that is already parsed."""
    result: T = _read(kind, value, kind.__name__)
    return result


# Any: annotations are types, unions or typing's special forms, and the result is of that type.
def _read(kind: Any, value: JSON, where: str) -> Any:
    origin = get_origin(kind)
    if origin is UnionType or origin is Union:
        return _read_union(get_args(kind), value, where)
    if origin is tuple:
        return _read_tuple(get_args(kind), _checked(list, value, where), where)
    if origin is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{where} must be one of {get_args(kind)}, got {reprlib.repr(value)}")
        return value
    if isinstance(origin, type) and issubclass(origin, Mapping):
        item = get_args(kind)[1]
        values = _checked(dict, value, where)
        return {_checked(str, k, where): _read(item, v, where) for k, v in values.items()}
    if is_dataclass(kind):
        return _read_dataclass(kind, _checked(dict, value, where), where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float:
        kind_found = int if isinstance(value, int) else float  # JSON does not tell 3 from 3.0
        return float(_checked(kind_found, value, where))
    return value if kind is Any else _checked(kind, value, where)


def _read_union(kinds: tuple[Any, ...], value: JSON, where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    problems = []
    for kind in kinds:
        try:
            return _read(kind, value, where)
        except (ValueError, TypeError) as error:
            problems.append(str(error))
    raise ValueError(f"{where} fits nothing: " + "; ".join(problems))


def _read_tuple(kinds: tuple[Any, ...], values: list[JSON], where: str) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_read(kinds[0], value, where) for value in values)
    if len(kinds) != len(values):
        raise ValueError(f"{where} must have {len(kinds)} values, got {len(values)}")
    return tuple(_read(kind, value, where) for kind, value in zip(kinds, values, strict=True))


def _read_dataclass(kind: Any, values: dict[str, JSON], where: str) -> Any:
    hints = _hints(kind)
    known = {
        field.name: _read(hints[field.name], values[field.name], f"{where}.{field.name}")
        for field in fields(kind)
        if field.name in values
    }
    try:
        return kind(**known)
    except (TypeError, PipelineError, Refusal) as error:  # a field is missing, or out of range
        raise ValueError(f"{where}: {error}") from error


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _checked(kind: Any, value: JSON, where: str) -> Any:
    is_bool_as_number = isinstance(value, bool) and kind is not bool
    if kind is NoneType and value is None:
        return None
    if not isinstance(kind, type) or not isinstance(value, kind) or is_bool_as_number:
        raise ValueError(f"{where} must be {kind}, got {reprlib.repr(value)}")
    if isinstance(value, int) and value not in _INTEGERS:
        raise ValueError(f"{where} must fit in 64 bits, got {reprlib.repr(value)}")
    if isinstance(value, str) and not _is_unicode(value):
        raise ValueError(f"{where} has half of a surrogate pair: {reprlib.repr(value)}")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
