"""Reading a report with suspicion: it may be old, cut short, or written by hand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import InvalidInput
from pipeline.report import Json

KNOWN_SCHEMAS = ("lodsmith.report/1", "lodsmith.report/2")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A place in a report and what stands there. value: None where there is nothing."""

    place: str
    value: Json

    def at(self, *keys: str) -> "Fact":
        """Follow keys; what is missing on the way is None in the end.

        Raises:
            InvalidInput: If something on the way is no object.
        """
        fact = self
        for key in keys:
            place = f"{fact.place}.{key}" if fact.place else key
            if fact.value is None:
                fact = Fact(place=place, value=None)
            elif isinstance(fact.value, Mapping):
                fact = Fact(place=place, value=fact.value.get(key))
            else:
                raise _broken(fact, "an object")
        return fact

    def items(self) -> "list[Fact] | None":
        """The members of a list; None where there is no list."""
        if self.value is None:
            return None
        if isinstance(self.value, str) or not isinstance(self.value, Sequence):
            raise _broken(self, "a list")
        return [
            Fact(place=f"{self.place}[{index}]", value=value)
            for index, value in enumerate(self.value)
        ]

    def members(self) -> "dict[str, Fact] | None":
        """The members of an object by key; None where there is no object."""
        if self.value is None:
            return None
        if not isinstance(self.value, Mapping):
            raise _broken(self, "an object")
        return {key: self.at(key) for key in self.value}

    def number(self) -> float | None:
        """A number; infinite and undefined ones pass, for a gate to refuse."""
        if self.value is None:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise _broken(self, "a number")
        if isinstance(self.value, int) and abs(self.value) >= 2**64:
            raise _broken(self, "a number below 2^64")
        return self.value

    def text(self) -> str | None:
        """A text."""
        if self.value is None or isinstance(self.value, str):
            return self.value
        raise _broken(self, "a text")

    def flag(self) -> bool | None:
        """True or false."""
        if self.value is None or isinstance(self.value, bool):
            return self.value
        raise _broken(self, "true or false")


def read_report(content: bytes) -> Fact:
    """Open a report.

    Raises:
        InvalidInput: If it is none, or of a version that is not known here.
    """
    try:
        root: Json = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"this is not JSON ({error}); give a <Name>.report.json") from error
    if not isinstance(root, dict):
        raise InvalidInput("this is JSON, but no report; give a <Name>.report.json")
    schema = root.get("schema")
    if schema not in KNOWN_SCHEMAS:
        if isinstance(schema, str) and schema.startswith("lodsmith.report/"):
            raise InvalidInput(
                f"this report is {schema[:40]}, known are {' and '.join(KNOWN_SCHEMAS)}: "
                "check it with the version of Lodsmith that wrote it, or a newer one"
            )
        raise InvalidInput(
            f"this is JSON, but no report: schema must be {KNOWN_SCHEMAS[-1]}, "
            f"got {json.dumps(schema)[:40]}"
        )
    return Fact(place="", value=root)


def _broken(fact: Fact, expected: str) -> InvalidInput:
    found = json.dumps(fact.value, default=str)
    return InvalidInput(f"{fact.place} of the report must be {expected}, got {found[:40]}")
