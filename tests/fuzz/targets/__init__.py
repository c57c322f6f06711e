"""What strangers send, one module for each kind of it.

A target has

    consume(data)           reads an input; what it raises is a defect
    mutate(data, random)    changes an input so that readers get far into it
    seeds()                 inputs to start from, by name, made by our own code

and, where it needs something around it, `prepared()`, a context manager.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from random import Random
from typing import Protocol, cast

NAMES = (
    "adapters",
    "calls",
    "frames",
    "glb",
    "parts",
    "pictures",
    "provenance",
    "records",
    "reports",
    "requests",
    "surfaces",
)


class Target(Protocol):
    """A module of this package."""

    def consume(self, data: bytes) -> None: ...

    def mutate(self, data: bytes, random: Random) -> bytes: ...

    def seeds(self) -> Mapping[str, bytes]: ...


def load_target(name: str) -> Target:
    """Import a target, and with it the code that it tests."""
    return cast(Target, import_module(f"{__name__}.{name}"))


def prepared(target: Target) -> AbstractContextManager[None]:
    """Return what must be around calls of `consume`."""
    prepare: Callable[[], AbstractContextManager[None]] = getattr(target, "prepared", nullcontext)
    return prepare()
