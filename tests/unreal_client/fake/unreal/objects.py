"""Objects, structs and text; and the record of what was called."""

import functools
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

calls: list[tuple[str, tuple[Any, ...]]] = []
logged: list[tuple[str, str]] = []
spent = {
    "engine_s": 0.0,
    "engine_cpu_s": 0.0,
}  # in calls that the plugin made, those of the fake among themselves once
_depth = [0]

Name = str


class Text(str):
    """Text that people read."""


def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Record a call; refuse it off the main thread, where the engine would crash."""

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        name = function.__qualname__
        if threading.current_thread() is not threading.main_thread():
            raise AssertionError(f"{name} was called off the main thread")
        shown = args[1:] if args and isinstance(args[0], (type, Object)) else args
        calls.append((name, (*shown, *named.values())))
        begin, cpu_s = time.perf_counter(), time.thread_time()
        _depth[0] += 1
        try:
            return function(*args, **named)
        finally:
            _depth[0] -= 1
            if _depth[0] == 0:
                spent["engine_s"] += time.perf_counter() - begin
                spent["engine_cpu_s"] += time.thread_time() - cpu_s

    return call


@recorded
def log(arg: Any) -> None:
    logged.append(("log", str(arg)))


@recorded
def log_warning(arg: Any) -> None:
    logged.append(("warning", str(arg)))


@recorded
def log_error(arg: Any) -> None:
    logged.append(("error", str(arg)))


class _Properties:
    """Editor properties by name; `_properties` lists them with their initial values."""

    _properties: dict[str, Any] = {}

    def _initial(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for kind in reversed(type(self).__mro__):
            found.update(vars(kind).get("_properties", {}))
        return {name: value() if callable(value) else value for name, value in found.items()}

    def __init__(self) -> None:
        self.__dict__["_values"] = self._initial()

    @recorded
    def get_editor_property(self, name: str) -> Any:
        self._know(name)
        return self._values[name]

    @recorded
    def set_editor_property(self, name: str, value: Any) -> None:
        self._know(name)
        self._values[name] = value
        self._changed(name)

    def _know(self, name: str) -> None:
        if name not in self._values:
            kind = type(self).__name__
            raise Exception(f"{kind}: Failed to find property '{name}' for attribute '{name}'")

    def _changed(self, name: str) -> None: ...


class Struct(_Properties):
    """A struct."""


class Package:
    """What an asset is saved in."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get_name(self) -> str:
        return self._name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Package) and other._name == self._name

    def __hash__(self) -> int:
        return hash(self._name)


_numbers = itertools.count()
by_path: dict[str, "Object"] = {}  # what SoftObjectPath can find


class Object(_Properties):
    """An object; transient ones live in /Engine/Transient."""

    def __init__(self, outer: "Object | None" = None, name: str = "None") -> None:
        super().__init__()
        number = next(_numbers)
        self._outer = outer
        self._path = f"/Engine/Transient.{type(self).__name__}_{number}"
        by_path[self._path] = self

    def get_path_name(self) -> str:
        return self._path

    def get_name(self) -> str:
        return self._path.rpartition(".")[2]

    def get_outermost(self) -> Package:
        return Package(self._path.partition(".")[0])

    @classmethod
    def static_class(cls) -> type:
        return cls


@recorded
def new_object(type: type, outer: Object | None = None, name: str = "") -> Any:
    return type(outer, name)


class EnumBase:
    """Base of enums."""


class Vector:
    def __init__(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> None:
        self.x, self.y, self.z = x, y, z

    def __repr__(self) -> str:
        return f"({self.x:g}, {self.y:g}, {self.z:g})"


class Rotator:
    def __init__(self, roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0) -> None:
        self.roll, self.pitch, self.yaw = roll, pitch, yaw


class Box:
    def __init__(self, min: Vector, max: Vector) -> None:
        self.min, self.max = min, max


class SoftObjectPath:
    def __init__(self, path_string: str = "") -> None:
        self.path_string = path_string
