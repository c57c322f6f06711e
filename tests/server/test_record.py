"""Records read back as they were written, and nothing else is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest

from pipeline import AssetOptions
from server.artifacts import Digest
from server.engine import Task, TaskKind, TaskOutcome
from server.engine.messages import unpack_report
from server.jobs import JobSpec
from server.record import dumps, loads, to_json


class Color(StrEnum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Inner:
    number: float
    pair: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    color: Color
    mode: Literal["on", "off"]
    inner: Inner | None
    many: tuple[Inner, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Nothing:
    pass


WHOLE = Outer(
    color=Color.RED,
    mode="on",
    inner=Inner(number=1.5, pair=(1, 2)),
    many=(Inner(number=2.0), Inner(number=-1e-300)),
    names={"b": "2", "a": "ä"},
)


def test_records_come_back() -> None:
    assert loads(Outer, dumps(WHOLE)) == WHOLE


def test_equal_records_have_equal_text() -> None:
    again = Outer(
        color=Color.RED,
        mode="on",
        inner=Inner(number=1.5, pair=(1, 2)),
        many=WHOLE.many,
        names={"a": "ä", "b": "2"},
    )
    assert dumps(again) == dumps(WHOLE)


def test_what_has_no_fields_is_an_empty_object_and_what_is_no_record_is_refused() -> None:
    assert to_json(Nothing()) == {}
    assert dumps(Nothing()) == "{}"
    for write in (dumps, to_json):
        with pytest.raises(TypeError, match="no JSON form for set"):
            write({1})


def test_older_and_newer_texts_are_read() -> None:
    older = '{"color": "red", "mode": "off", "inner": null}'
    newer = '{"color": "red", "mode": "off", "inner": null, "weight_kg": 3}'
    assert loads(Outer, older) == loads(Outer, newer)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "3",
        "{",
        '{"mode": "on", "inner": null}',
        '{"color": "blue", "mode": "on", "inner": null}',
        '{"color": "red", "mode": "maybe", "inner": null}',
        '{"color": "red", "mode": "on", "inner": {"number": "1.5"}}',
        '{"color": "red", "mode": "on", "inner": {"number": true}}',
        '{"color": "red", "mode": "on", "inner": {"number": 1, "pair": [1, 2, 3]}}',
        '{"color": "red", "mode": "on", "inner": {"number": 1, "pair": [1.5, 2]}}',
        '{"color": "red", "mode": "on", "inner": null, "many": {}}',
        '{"color": "red", "mode": "on", "inner": null, "names": {"a": 1}}',
        '{"color": "red", "mode": "on", "inner": null, "names": {"a": "\\ud800"}}',
        '{"color": "red", "mode": "on", "inner": null, "names": {"\\ud800": "a"}}',
        '{"color": "red", "mode": "on", "inner": {"number": 1' + 400 * "0" + "}}",
        '{"color": "red", "mode": "on", "inner": {"number": 1, "pair": [9223372036854775808, 2]}}',
        "[" * 100_000,
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loads(Outer, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Digest, '{"sha256": "ab", "size_bytes": 1}'),
        (Digest, '{"sha256": "' + "ab" * 32 + '", "size_bytes": -1}'),
        (JobSpec, '{"asset_name": "a", "options": {"lod": {"budgets": [1, 2]}}}'),
    ],
)
def test_what_a_record_itself_refuses_is_no_record(kind: type, text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        loads(kind, text)


def test_the_refusal_of_a_huge_value_is_short() -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        loads(Outer, '{"color": "red", "mode": "on", "inner": [' + "[1]," * 9_999 + "1]}")
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b'["Done"]',
        b'["Undone", {}]',
        b"[[], {}]",
        b"[{}, {}]",
        b'["Done", {"outcome": {"surfaces": [{"sha256": "ab", "size_bytes": 1}]}}]',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_worker_that_talks_nonsense_is_told_apart(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpack_report(content)


def test_whole_specs_come_back() -> None:
    spec = JobSpec(asset_name="Chair", prompt="a chair", options=changed(AssetOptions()))
    assert loads(JobSpec, dumps(spec)) == spec
    assert loads(TaskOutcome, dumps(TaskOutcome())) == TaskOutcome()


def changed(options: Any) -> Any:  # Any: whatever options there are
    """Return options in which every number differs from its default where the stage allows it."""
    values = {}
    for option in fields(options):
        value = getattr(options, option.name)
        if is_dataclass(value):
            values[option.name] = changed(value)
        elif isinstance(value, bool):
            values[option.name] = not value
    return type(options)(**values)


BLOB = Digest(sha256="aa" * 32, size_bytes=1)


def task(**changes: Any) -> Task:  # Any: fields of every type
    whole: dict[str, Any] = {
        "job_uid": "1", "kind": TaskKind.GENERATE, "attempt": 1, "asset_name": "Chair",
        "prompt": "a chair", "source": None, "images": (), "seeds": (0,), "variant": 0,
        "model": "", "adapter": None, "adapter_strength": 1.0, "options": AssetOptions(),
        "is_generated": True, "has_size": False, "recipe": {"seed": 0}, "earlier_records": (),
        "earlier_warnings": (),
    }  # fmt: skip
    return Task(**(whole | changes))


def test_a_task_s_key_follows_what_decides_its_output() -> None:
    key = task().key("model")
    assert task(job_uid="2", attempt=3).key("model") == key
    assert task(seeds=(1,)).key("model") != key
    assert task(seeds=(0, 1)).key("model") != key
    assert task(images=(BLOB,), prompt=None).key("model") != key
    assert task(source=BLOB).key("model") != key
    assert task(adapter=BLOB).key("model") != key
    assert task(model="other").key("model") != key
    assert task(prompt="a table").key("model") != key
    assert task().key("other model") != key
    assert task(recipe={"seed": 1}).key("model") != key  # it may be in a report
    build = task(kind=TaskKind.BUILD).key("")
    assert build != key
    assert task(kind=TaskKind.BUILD, asset_name="Table").key("") != build
    assert task(kind=TaskKind.BUILD, variant=1).key("") != build
