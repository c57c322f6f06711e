"""Records of models that were added."""

import json
from pathlib import Path

import pytest

from pipeline.checkpoints.records import (
    Record,
    RecordedFile,
    check_name,
    delete_record,
    find_record,
    read_records,
    write_record,
)
from pipeline.errors import InvalidInput, ModelUnavailable


def record(name: str) -> Record:
    return Record(
        name=name,
        path=Path("/somewhere") / name,
        repository="owner/name",
        revision="0" * 40,
        is_fetched=False,
        license="MIT",
        is_license_accepted=False,
        files={"ckpts/ä.json": RecordedFile(size_bytes=3, sha256="ab")},
    )


def test_a_record_reads_as_it_was_written(home: Path) -> None:
    for name in ("b", "a.2"):
        write_record(home, record(name))
    assert read_records(home) == [record("a.2"), record("b")]
    assert find_record(home, "b") == record("b")
    assert find_record(home, "c") is None
    assert sorted(path.name for path in home.iterdir()) == ["a.2.json", "b.json"]


def test_there_are_none_where_nothing_was_added(home: Path) -> None:
    assert read_records(home) == []
    assert not home.exists()


def test_a_deleted_record_is_gone(home: Path) -> None:
    write_record(home, record("a"))
    delete_record(home, "a")
    assert read_records(home) == []


@pytest.mark.parametrize("name", ["b", "../a", "/etc/passwd", ""])
def test_deleting_what_is_not_there_names_what_is(home: Path, name: str) -> None:
    write_record(home, record("a"))
    with pytest.raises(InvalidInput, match="added are: a"):
        delete_record(home, name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "-a", "a b", "x" * 65, "a.json", "a."]
)
def test_a_name_that_cannot_be_a_file_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="name has up to 64"):
        check_name(name)


def test_a_name_that_differs_only_in_case_is_taken() -> None:
    with pytest.raises(InvalidInput, match="already"):
        check_name("Chairs", frozenset({"chairs"}))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"version": 2}', '{"version": 1}'])
def test_a_broken_record_is_named(home: Path, content: str) -> None:
    home.mkdir()
    (home / "a.json").write_text(content)
    with pytest.raises(ModelUnavailable, match=r"a\.json.*add the model again"):
        read_records(home)


def test_a_record_with_a_field_of_a_later_version_is_refused(home: Path) -> None:
    write_record(home, record("a"))
    content = json.loads((home / "a.json").read_text())
    (home / "a.json").write_text(json.dumps({**content, "later": 1}))
    with pytest.raises(ModelUnavailable, match="later"):
        read_records(home)
