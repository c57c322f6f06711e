"""Values of settings as people write them: `8 GiB`, `30 d`, `true`, a list with commas.

Three forms of the same values: text of the environment, values of TOML, text for people. What
`to_text` gives, `from_text` takes.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

Bytes = Annotated[int, "bytes"]
"""A size. Written as a number or with a unit: 1000000, "8 GiB", "500 MB"."""

Seconds = Annotated[float, "seconds"]
"""A time. Written as a number or with a unit: 30, "1.5 h", "30 d"."""

Setting = str | int | float | bool | Path | tuple[str, ...] | None

_SIZES: Mapping[str, float] = {
    "B": 1, "kB": 1e3, "KiB": 2**10, "MB": 1e6, "MiB": 2**20, "GB": 1e9, "GiB": 2**30,
    "TB": 1e12, "TiB": 2**40,
}  # fmt: skip
_TIMES: Mapping[str, float] = {"ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86_400}
_QUANTITY = re.compile(r"([-+0-9.eE]+)\s*([A-Za-z]*)")
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


# Any, here and below: a field's annotation, which may be a type or one of typing's special forms.
def from_text(kind: Any, text: str) -> Setting:
    """Read a setting of type `kind` as the environment has it.

    A value of a `Literal` is any text: `ServerConfig` checks it.

    Raises:
        ValueError: Says what is wanted.
    """
    text = text.strip()
    if kind in (Bytes, Seconds):
        return _quantity(kind, text)
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(",")) if text else ()
    if kind is bool:
        if text.lower() not in (*_TRUE, *_FALSE):
            raise ValueError("true or false")
        return text.lower() in _TRUE
    if kind is int or kind is float:
        try:
            number: int | float = kind(text)
        except ValueError as error:
            raise ValueError(_wanted(kind)) from error
        return number
    if _is_path(kind):
        return _path(kind, text)
    return text


def from_toml(kind: Any, value: object, folder: Path) -> Setting:
    """Read a setting of type `kind` as a TOML file has it.

    Args:
        kind: The annotation of its field.
        value: What `tomllib` made of it.
        folder: Where relative paths begin.

    Raises:
        ValueError: Says what is wanted.
    """
    if get_origin(kind) is tuple:
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(value)
    elif kind is bool:
        if isinstance(value, bool):
            return value
    elif isinstance(value, str):
        if kind in (Bytes, Seconds):
            return _quantity(kind, value)
        if _is_path(kind):
            path = _path(kind, value)
            return None if path is None else folder / path
        if kind is str or get_origin(kind) is Literal:
            return value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if kind is float or kind == Seconds:
            return float(value)
        if isinstance(value, int) and (kind is int or kind == Bytes):
            return value
    raise ValueError(_wanted(kind))


def to_text(kind: Any, value: Setting) -> str:
    """Write a setting for people, sizes and times with the largest unit that fits exactly."""
    if value is None or value == ():
        return ""
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float) and kind == Bytes:
        return _with_unit(value, _SIZES, "B")
    if isinstance(value, int | float) and kind == Seconds:
        return _with_unit(value, _TIMES, "s")
    return _number(value) if isinstance(value, float) else str(value)


def _quantity(kind: Any, text: str) -> int | float:
    units = _SIZES if kind == Bytes else _TIMES
    found = _QUANTITY.fullmatch(text.strip())
    if not found or (found[2] and found[2] not in units):
        raise ValueError(_wanted(kind))
    try:
        number = float(found[1]) * units.get(found[2], 1)
    except ValueError as error:
        raise ValueError(_wanted(kind)) from error
    return round(number) if kind == Bytes else number


def _with_unit(number: int | float, units: Mapping[str, float], plain: str) -> str:
    for unit, factor in sorted(units.items(), key=lambda item: item[1], reverse=True):
        if number >= factor >= units[plain] and number % factor == 0:
            return f"{int(number // factor)} {unit}"
    return f"{_number(number)} {plain}" if number else "0"


def _number(number: int | float) -> str:
    return str(int(number)) if number == int(number) else repr(number)


def _is_path(kind: Any) -> bool:
    return bool(kind is Path or kind == Path | None)


def _path(kind: Any, text: str) -> Path | None:
    if text:
        return Path(text).expanduser()
    if kind is Path:
        raise ValueError(_wanted(kind))
    return None


def _wanted(kind: Any) -> str:
    if kind == Bytes:
        return f'a size as 1000000 or "8 GiB" (units: {", ".join(_SIZES)})'
    if kind == Seconds:
        return f'a time as 30 or "1.5 h" (units: {", ".join(_TIMES)})'
    if get_origin(kind) is tuple:
        return "a list of texts"
    if _is_path(kind):
        return "a path"
    if get_origin(kind) is Literal:
        return "a text"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[kind]
