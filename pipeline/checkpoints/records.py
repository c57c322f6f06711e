"""The models that were added on this machine: a small JSON file for each, beside no copy of it."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import InvalidInput, ModelUnavailable

_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class RecordedFile:
    """What a file was when its model was added."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """A model that was added.

    path: the model's folder, or its file.
    repository, revision: where it comes from, "" where not known. repository: in the catalog's
        spelling, if it is there.
    is_fetched: whether its files lie in our own folder, because we downloaded them.
    license, is_license_accepted: see `license.py`.
    files: by path below the folder.
    """

    name: str
    path: Path
    repository: str
    revision: str
    is_fetched: bool
    license: str
    is_license_accepted: bool
    files: Mapping[str, RecordedFile]


def check_name(name: str, taken: frozenset[str] = frozenset()) -> None:
    """Refuse what cannot be a file's name everywhere, and what is taken in any case.

    Raises:
        InvalidInput: Naming the way out.
    """
    if not _NAME.fullmatch(name) or name.endswith((".json", ".")):
        raise InvalidInput(
            f"a model's name has up to 64 letters, digits, '.', '_' and '-', got {name!r}"
        )
    if name.lower() in {one.lower() for one in taken}:
        raise InvalidInput(
            f"there is a model {name} already; choose another name, or "
            f"`lodsmith models remove {name}` first"
        )


def read_records(home: Path) -> list[Record]:
    """All records, by name.

    Raises:
        ModelUnavailable: Naming a record that cannot be read.
    """
    files = sorted(home.glob("*.json")) if home.is_dir() else []
    return [_read(file) for file in files]


def find_record(home: Path, name: str) -> Record | None:
    """The record of that name, in that spelling.

    Raises:
        ModelUnavailable: If it cannot be read.
    """
    if not _NAME.fullmatch(name):
        return None
    file = home / f"{name}.json"
    return _read(file) if file.is_file() else None


def write_record(home: Path, record: Record) -> None:
    """Write it so that a reader sees either nothing or all of it."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / f"{record.name}.json"
    partial = file.with_suffix(f".{os.getpid()}.partial")
    content = {"version": _VERSION, **asdict(record), "path": str(record.path)}
    with partial.open("w", encoding="utf-8") as out:
        json.dump(content, out, indent=2, ensure_ascii=False)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)


def delete_record(home: Path, name: str) -> None:
    """Forget a model; its files stay.

    Raises:
        InvalidInput: If there is none of that name.
    """
    try:
        check_name(name)
        (home / f"{name}.json").unlink()
    except (FileNotFoundError, InvalidInput) as e:
        known = ", ".join(record.stem for record in sorted(home.glob("*.json"))) or "none"
        raise InvalidInput(f"there is no model {name!r} here; added are: {known}") from e


def _read(file: Path) -> Record:
    try:
        content = json.loads(file.read_text("utf-8"))
        version = content.pop("version")
        if version != _VERSION:
            raise ValueError(f"version {version}")
        files = {path: RecordedFile(**facts) for path, facts in content.pop("files").items()}
        return Record(**{**content, "path": Path(content["path"]), "files": files})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise ModelUnavailable(
            f"the record {file} cannot be read ({e}); delete it and add the model again"
        ) from e
