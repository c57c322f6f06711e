"""JSON of a glTF file, checked on every access."""

import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from pipeline.errors import InvalidInput


def broken(what: str) -> InvalidInput:
    """Return the error for a file that contradicts itself or the specification."""
    return InvalidInput(
        f"{what}. The file is damaged or was written wrongly: export it again, "
        "or find the fault with the glTF validator"
    )


class Entry:
    """A JSON object of the file that knows its place, so that every complaint can name it.

    Readers return the default where the key is missing and raise `InvalidInput` where the value
    is of the wrong kind or out of range. Without a default the key is required.
    """

    def __init__(self, values: Mapping[str, object], place: str) -> None:
        self._values = values
        self.place = place

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def name(self) -> str:
        """The place, with the object's own name where it has one: `meshes[2] "Barrel"`."""
        name = self._values.get("name")
        return f'{self.place} "{name[:64]}"' if isinstance(name, str) and name else self.place

    @property
    def title(self) -> str:
        """The object's own name, or its place where it has none."""
        name = self._values.get("name")
        return name[:64] if isinstance(name, str) and name else self.place

    def integer(self, key: str, default: int | None = None, *, at_least: int = 0) -> int:
        value = self._values.get(key, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON does not tell 3 from 3.0
        if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
            raise self._wrong(key, f"an integer of at least {at_least}")
        return value

    def number(self, key: str, default: float) -> float:
        value = self._values.get(key, default)
        if not _is_finite_number(value):
            raise self._wrong(key, "a number")
        return float(value)

    def numbers(self, key: str, default: Sequence[float]) -> tuple[float, ...]:
        """Return exactly as many numbers as `default` has."""
        values = self._values.get(key, default)
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise self._wrong(key, f"a list of {len(default)} numbers")
        numbers = tuple(float(value) for value in values if _is_finite_number(value))
        if len(numbers) != len(values) or len(numbers) != len(default):
            raise self._wrong(key, f"a list of {len(default)} numbers")
        return numbers

    def flag(self, key: str) -> bool:
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def text(self, key: str, default: str = "") -> str:
        value = self._values.get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value

    def texts(self, key: str) -> list[str]:
        values = self._list(key)
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) != len(values):
            raise self._wrong(key, "a list of texts")
        return texts

    def indices(self, key: str) -> list[int]:
        values = self._list(key)
        indices = [v for v in values if isinstance(v, int) and not isinstance(v, bool) and v >= 0]
        if len(indices) != len(values):
            raise self._wrong(key, "a list of indices")
        return indices

    def entry(self, key: str) -> "Entry":
        """Return the object under `key`, an empty one where there is none."""
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return Entry(value, f"{self.place}.{key}")

    def entries(self, key: str) -> "list[Entry]":
        prefix = f"{self.place}.{key}" if self.place else key
        entries = []
        for i, value in enumerate(self._list(key)):
            if not isinstance(value, dict):
                raise broken(f"{prefix}[{i}] must be an object, got {shorten(value)}")
            entries.append(Entry(value, f"{prefix}[{i}]"))
        return entries

    def extension(self, name: str) -> "Entry | None":
        """Return the object of the extension `name`, or None where it is not used."""
        extensions = self.entry("extensions")
        return extensions.entry(name) if name in extensions else None

    def keys(self) -> list[str]:
        return list(self._values)

    def _list(self, key: str) -> list[object]:
        value = self._values.get(key, [])
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value

    def _wrong(self, key: str, wanted: str) -> InvalidInput:
        place = f"{self.place}.{key}" if self.place else key
        if key not in self._values:
            return broken(f"{place} is missing")
        return broken(f"{place} must be {wanted}, got {shorten(self._values[key])}")


def _is_finite_number(value: object) -> TypeGuard[float]:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of a double
        return False


_SHORT = reprlib.Repr()  # never walks through all of a value, nor to its bottom
_SHORT.maxstring = _SHORT.maxother = 60


def shorten(value: object) -> str:
    """Return a value as it stands in a message."""
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
