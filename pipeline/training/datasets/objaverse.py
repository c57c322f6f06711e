"""Objaverse 1.0 as its Python package downloads it."""

from pathlib import Path

from pipeline.errors import InvalidInput
from pipeline.training.datasets.asset import (
    TAKE_ALL,
    Asset,
    AssetFilter,
    Collected,
    Json,
    captions_of,
    inside,
    read_json,
)


def read_objaverse(folder: Path, wanted: AssetFilter = TAKE_ALL) -> Collected:
    """Read a `hf-objaverse-v1` folder.

    `object-paths.json.gz` maps every uid to `glbs/000-012/<uid>.glb`; what was not downloaded is
    left out. `metadata/000-012.json.gz` maps uids to Sketchfab's records, of which `name` and
    `description` become captions and `license` (`by`, `by-nc`, `cc0`, ...), `viewerUrl` and
    `isAgeRestricted` are looked at. There are no aesthetic scores.

    Source: allenai/objaverse-xl, objaverse/__init__.py, for files and paths; the records' fields
    from public code that reads them, not from a copy of the data.

    Raises:
        InvalidInput: If `object-paths.json.gz` or a part of the metadata cannot be read.
    """
    found = Collected(wanted=wanted)
    paths = read_json(folder / "object-paths.json.gz")
    if not isinstance(paths, dict):
        raise InvalidInput(f"{folder / 'object-paths.json.gz'} must hold an object: uids and paths")
    records: dict[str, dict[str, Json]] = {}  # one part of metadata at a time
    part = ""
    for uid, relative in sorted(paths.items(), key=lambda item: (str(item[1]), item[0])):
        path = inside(folder, relative) if isinstance(relative, str) else None
        if path is None:
            found.skip("its path leaves the folder")
            continue
        if not path.is_file():
            found.skip("not downloaded")
            continue
        if path.parent.name != part:
            part = path.parent.name
            records = _records(folder / "metadata" / f"{part}.json.gz")
        record = records.get(uid)
        if not isinstance(record, dict):
            found.skip("no metadata")
            continue
        if record.get("isAgeRestricted") is True:
            found.skip("age-restricted")
            continue
        found.add(
            Asset(
                key=uid,
                path=path,
                captions=captions_of([record.get("name"), record.get("description")]),
                license=_text(record.get("license")),
                source=_text(record.get("viewerUrl")),
            )
        )
    return found


def _records(path: Path) -> dict[str, dict[str, Json]]:
    content = read_json(path) if path.is_file() else None
    return content if isinstance(content, dict) else {}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
