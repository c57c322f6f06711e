"""A policy: which gates count, and where their limits are. Read from TOML."""

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pipeline.errors import InvalidInput
from pipeline.quality.gates import GATES, Gate

SCHEMA = "lodsmith.policy/1"
_DEFAULT = Path(__file__).with_name("default_policy.toml")


class Level(StrEnum):
    """How serious something is, rising."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


def worst(levels: Iterable[Level]) -> Level:
    """The most serious one; PASS of none."""
    order = list(Level)
    return max(levels, key=order.index, default=Level.PASS)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a gate of the kind "most" or "least".

    warn, fail: the last value that still passes: one for all LODs, or one each, of which the last
        holds for all that follow. Empty where there is none.
    """

    warn: tuple[float, ...] = ()
    fail: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Names:
    """Lists of a gate of the kind "names", compared without regard to capitals.

    allow: if not empty, only these. deny: never these. level: what anything else is.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    level: Level = Level.FAIL


@dataclass(frozen=True, kw_only=True)
class Must:
    """A gate of the kind "must". level: what it is when it does not hold."""

    level: Level = Level.FAIL


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A gate with its limits. unmeasured: what a report without the figure gets."""

    gate: Gate
    limits: Limits | Names | Must
    unmeasured: Level


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The rules, in the order of the list of gates."""

    rules: tuple[Rule, ...]


def default_policy_text() -> str:
    """The policy that holds when none is given, as TOML with comments."""
    return _DEFAULT.read_text("utf-8")


def default_policy() -> Policy:
    """The policy that holds when none is given."""
    return read_policy(default_policy_text())


def read_policy(text: str) -> Policy:
    """Read a policy; docs/quality.md has its form.

    Gates that it does not name are not checked, unless it says `extends = "default"`.

    Raises:
        InvalidInput: If it is no TOML, names an unknown gate or key, or a limit makes no sense.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"the policy is not TOML: {error}") from error
    _check_keys(table, ("schema", "extends", "unmeasured", "gates"), "the policy")
    if table.get("schema", SCHEMA) != SCHEMA:
        raise InvalidInput(f"schema of the policy must be {SCHEMA!r}, got {table['schema']!r}")
    if table.get("extends", "default") != "default":
        raise InvalidInput(f'extends must be "default" or left out, got {table["extends"]!r}')
    unmeasured = _level(table.get("unmeasured", "warn"), "unmeasured")
    inherited = default_policy().rules if "extends" in table else ()
    rules = {rule.gate.name: replace(rule, unmeasured=unmeasured) for rule in inherited}
    for gate, keys in _gate_tables(_table(table.get("gates", {}), "gates")):
        place = f"gates.{gate.name}"
        if "off" in keys:
            _check_keys(keys, ("off",), place)
            if keys["off"] is not True:
                raise InvalidInput(f"{place}.off must be true or left out, got {keys['off']!r}")
            rules.pop(gate.name, None)
        else:
            rules[gate.name] = _rule(gate, keys, unmeasured)
    if not rules:
        raise InvalidInput(
            'the policy has no gates, so it would pass anything; name some, or extends = "default"'
        )
    return Policy(rules=tuple(rules[name] for name in GATES if name in rules))


def _gate_tables(gates: Mapping[str, object]) -> list[tuple[Gate, Mapping[str, object]]]:
    """The gates that are named, `[gates.lod.budget]` as well as `[gates."lod.budget"]`."""
    groups = {name.partition(".")[0] for name in GATES if "." in name}
    found = []
    for name, value in gates.items():
        table = _table(value, f"gates.{name}")
        if name in GATES:
            found.append((GATES[name], table))
        elif name in groups:
            for key, inner in table.items():
                gate = _known(f"{name}.{key}")
                found.append((gate, _table(inner, f"gates.{gate.name}")))
        else:
            _known(name)
    return found


def _known(name: str) -> Gate:
    if name in GATES:
        return GATES[name]
    near = difflib.get_close_matches(name, GATES, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "lodsmith check --list-gates names all"
    raise InvalidInput(f"there is no gate {name!r}; {hint}")


def _rule(gate: Gate, keys: Mapping[str, object], unmeasured: Level) -> Rule:
    place = f"gates.{gate.name}"
    unmeasured = _level(keys.get("unmeasured", unmeasured), f"{place}.unmeasured")
    limits: Limits | Names | Must
    match gate.kind:
        case "most" | "least":
            _check_keys(keys, ("warn", "fail", "unmeasured"), place)
            limits = Limits(
                warn=_numbers(keys.get("warn"), gate, f"{place}.warn"),
                fail=_numbers(keys.get("fail"), gate, f"{place}.fail"),
            )
            _check_limits(limits, gate, place)
        case "names":
            _check_keys(keys, ("allow", "deny", "level", "unmeasured"), place)
            limits = Names(
                allow=_texts(keys.get("allow", []), f"{place}.allow"),
                deny=_texts(keys.get("deny", []), f"{place}.deny"),
                level=_level(keys.get("level", "fail"), f"{place}.level"),
            )
            if not limits.allow and not limits.deny:
                raise InvalidInput(f"{place} needs a list, allow or deny")
        case "must":
            _check_keys(keys, ("level", "unmeasured"), place)
            limits = Must(level=_level(keys.get("level", "fail"), f"{place}.level"))
    return Rule(gate=gate, limits=limits, unmeasured=unmeasured)


def _check_limits(limits: Limits, gate: Gate, place: str) -> None:
    if not limits.warn and not limits.fail:
        raise InvalidInput(f"{place} needs a limit: warn, fail or both; off = true leaves it out")
    if not limits.warn or not limits.fail:
        return
    for index in range(max(len(limits.warn), len(limits.fail))):
        warn, fail = limit_at(limits.warn, index), limit_at(limits.fail, index)
        if warn is None or fail is None or math.isinf(warn):  # inf: this LOD is not warned of
            continue
        if (warn - fail) * _sign(gate) > 0:
            raise InvalidInput(
                f"{place}: warn = {warn:g} lies behind fail = {fail:g}, so it would never warn; "
                "swap them"
            )


def _sign(gate: Gate) -> int:
    return 1 if gate.kind == "most" else -1


def limit_at(limits: Sequence[float], index: int) -> float | None:
    """The limit that holds for a LOD or mip; None where there are none."""
    return limits[min(index, len(limits) - 1)] if limits else None


def _numbers(value: object, gate: Gate, place: str) -> tuple[float, ...]:
    if value is None:
        return ()
    if isinstance(value, list):
        if gate.per == "asset":
            raise InvalidInput(f"{place} must be one number: the gate has one value per asset")
        if not value:
            raise InvalidInput(f"{place} is an empty list; give a number for each {gate.per}")
    values = value if isinstance(value, list) else [value]
    for one in values:
        if isinstance(one, bool) or not isinstance(one, int | float) or math.isnan(one):
            raise InvalidInput(f"{place} must be a number{_or_list(gate)}, got {one!r}")
    return tuple(values)


def _or_list(gate: Gate) -> str:
    return "" if gate.per == "asset" else f" or a list of one per {gate.per}"


def _texts(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidInput(f"{place} must be a list of texts, got {value!r}")
    return tuple(value)


def _level(value: object, place: str) -> Level:
    if not isinstance(value, str) or value not in list(Level):
        raise InvalidInput(f"{place} must be one of {', '.join(Level)}, got {value!r}")
    return Level(value)


def _table(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{place} must be a table, [{place}], got {value!r}")
    return value


def _check_keys(table: Mapping[str, object], known: Sequence[str], place: str) -> None:
    for key in table:
        if key not in known:
            raise InvalidInput(f"{place} has no key {key!r}; it may have {', '.join(known)}")
