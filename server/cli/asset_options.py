"""Options of an asset, from the words of the command line to the contract's messages."""

import re
from collections.abc import Sequence
from typing import Any

import typer
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

from server.pb import lodsmith_pb2 as pb

_LODS_HELP = (
    "--lods must be whole numbers as 20000,10000,4000, a preset (auto, desktop, console, mobile, "
    "vr), or targets as 50%,5mm,@0.25: a share of the triangles, a largest deviation (mm, cm or "
    "m), a share of the view's height at which it looks the same; a&b reaches both, a|b the first"
)
_METRES = {"mm": 0.001, "cm": 0.01, "m": 1.0}
_INTEGERS = frozenset({Field.TYPE_INT32, Field.TYPE_INT64})


def read_lods(text: str, options: pb.LodOptions) -> None:
    """Read --lods."""
    presets = _enum_values(pb.LodPreset.DESCRIPTOR)
    if text in presets:
        options.preset = presets[text]
        return
    entries = [entry.strip() for entry in text.split(",")]
    if all(re.fullmatch(r"-?\d+", entry) for entry in entries):
        options.budgets.extend(int32(int(entry), "--lods") for entry in entries)
        return
    for entry in entries:
        target = options.targets.add()
        if "&" in entry and "|" in entry:
            raise typer.BadParameter(f"{_LODS_HELP}; {entry!r} has both & and |")
        target.stop = pb.STOP_AT_ANY if "|" in entry else pb.STOP_AT_ALL
        for part in re.split(r"[&|]", entry):
            _read_target(part.strip(), target)


def read_parts(text: str, options: pb.PartOptions) -> None:
    """Read --parts: a mode, or a mode with weights as separate,Wheel*=2."""
    mode, *weights = text.split(",")
    modes = _enum_values(pb.PartMode.DESCRIPTOR)
    if mode not in modes:
        raise typer.BadParameter(f"--parts must be {' or '.join(modes)}, got {mode!r}")
    options.mode = modes[mode]
    for entry in weights:
        name, _, weight = entry.rpartition("=")
        try:
            options.weights.add(name=name, weight=float(weight))
        except ValueError as error:
            raise typer.BadParameter(
                f"--parts weights must be like separate,Wheel*=2, got {entry!r}"
            ) from error


def read_pivot(text: str, options: pb.PlaceOptions) -> None:
    """Read --pivot: a name, or a place in the bounding box as 0.5,0,0.5."""
    pivots = _enum_values(pb.Pivot.DESCRIPTOR)
    if text in pivots and text != "custom":
        options.pivot = pivots[text]
        return
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        names = ", ".join(name for name in pivots if name != "custom")
        raise typer.BadParameter(
            f"--pivot must be {names} or a place in the bounding box as 0.5,0,0.5, got {text!r}"
        ) from error
    options.pivot = pb.PIVOT_CUSTOM
    options.pivot_point.x, options.pivot_point.y, options.pivot_point.z = x, y, z


def read_settings(settings: Sequence[str], options: pb.AssetOptions) -> None:
    """Read every --set, for example repair.remove_interior=false: any option of the contract."""
    for setting in settings:
        path, is_there, value = setting.partition("=")
        if not is_there:
            raise typer.BadParameter(f"--set must be like lod.impostor=true, got {setting!r}")
        message: Message = options
        *stages, name = path.strip().split(".")
        for stage in stages:
            field = _field(message, stage, setting)
            if field.message_type is None or field.is_repeated:
                raise typer.BadParameter(f"--set {setting}: {stage} has no parts")
            message = getattr(message, stage)
        _set(message, _field(message, name, setting), value.strip(), setting)


def int32(value: int, option: str) -> int:
    """Check that the contract can carry a number."""
    if abs(value) >= 2**31:
        raise typer.BadParameter(f"{option} is out of any range, got {value}")
    return value


def _read_target(text: str, target: pb.LodTarget) -> None:
    length = re.fullmatch(r"([\d.]+)(mm|cm|m)", text)
    try:
        if length:
            target.deviation_m = float(length[1]) * _METRES[length[2]]
        elif text.startswith("@"):
            target.screen_coverage = _share(text[1:])
        elif text.endswith("%"):
            target.ratio = _share(text)
        else:
            target.triangles = int32(int(text), "--lods")
    except ValueError as error:
        raise typer.BadParameter(f"{_LODS_HELP}; got {text!r}") from error


def _share(text: str) -> float:
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _field(message: Message, name: str, setting: str) -> Any:  # Any: as in `_enum_values`
    fields = message.DESCRIPTOR.fields_by_name
    if name not in fields:
        raise typer.BadParameter(
            f"--set {setting}: there is no {name!r} here, only {', '.join(sorted(fields))}"
        )
    return fields[name]


def _set(message: Message, field: Field, text: str, setting: str) -> None:
    if field.is_repeated or (field.message_type and field.message_type.name not in _TRIPLES):
        raise typer.BadParameter(f"--set {setting}: {field.name} is no single value")
    try:
        if field.message_type is not None:
            numbers = [float(part) for part in text.split(",")]
            triple = getattr(message, field.name)
            for part, number in zip(field.message_type.fields, numbers, strict=True):
                setattr(triple, part.name, number)
        elif field.enum_type is not None:
            setattr(message, field.name, _enum_values(field.enum_type)[text])
        elif field.type == Field.TYPE_BOOL:
            setattr(message, field.name, {"true": True, "false": False}[text.lower()])
        elif field.type in _INTEGERS:
            setattr(message, field.name, int32(int(text), f"--set {field.name}"))
        elif field.type == Field.TYPE_STRING:
            setattr(message, field.name, text)
        else:
            setattr(message, field.name, float(text))
    except (ValueError, KeyError) as error:
        raise typer.BadParameter(f"--set {setting}: {_expected(field)}, got {text!r}") from error


_TRIPLES = frozenset({"Size", "Point", "Interval"})


def _expected(field: Field) -> str:
    if field.message_type is not None:
        return f"{field.name} is {len(field.message_type.fields)} numbers with commas"
    if field.enum_type is not None:
        return f"{field.name} is one of {', '.join(_enum_values(field.enum_type))}"
    if field.type == Field.TYPE_BOOL:
        return f"{field.name} is true or false"
    return f"{field.name} is a{' whole' if field.type in _INTEGERS else ''} number"


def _enum_values(enum: Any) -> dict[str, Any]:  # Any: the generated stubs disagree on the types
    """The values by name, without the prefix and without `unspecified`."""
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix).lower(): value.number for value in enum.values[1:]}
