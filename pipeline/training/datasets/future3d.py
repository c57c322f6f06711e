"""3D-FUTURE: furniture, as OBJ."""

from pathlib import Path

from pipeline.errors import InvalidInput
from pipeline.training.datasets.asset import (
    TAKE_ALL,
    Asset,
    AssetFilter,
    Collected,
    Json,
    inside,
    read_json,
)


def read_future3d(folder: Path, wanted: AssetFilter = TAKE_ALL) -> Collected:
    """Read the unpacked folder `3D-FUTURE-model`.

    `model_info.json` is a list of objects with `model_id`, `super-category`, `category`, `style`,
    `theme` and `material`, any of which may be null; the mesh is `<model_id>/raw_model.obj` with
    its texture beside it. Captions are made of those words. The license is a data set agreement,
    which the files do not name: none is given here.

    Source: microsoft/TRELLIS, dataset_toolkits (mesh file); public code that reads model_info.json
    (fields).

    Raises:
        InvalidInput: If `model_info.json` is missing or holds no list.
    """
    found = Collected(wanted=wanted)
    table = folder / "model_info.json"
    records = read_json(table)
    if not isinstance(records, list):
        raise InvalidInput(f"{table} must hold a list of objects")
    for record in records:
        key = record.get("model_id") if isinstance(record, dict) else None
        path = inside(folder, f"{key}/raw_model.obj") if isinstance(key, str) and key else None
        if path is None:
            found.skip("no usable model_id")
            continue
        found.add(Asset(key=path.parent.name, path=path, captions=_captions(record)))
    return found


def _captions(record: dict[str, Json]) -> tuple[str, ...]:
    words = {
        name: value.strip().lower()
        for name in ("style", "theme", "material", "category", "super-category")
        if isinstance(value := record.get(name), str) and value.strip()
    }
    kind = words.get("category", words.get("super-category"))
    if kind is None:
        return ()
    look = ", ".join(words[name] for name in ("style", "theme", "material") if name in words)
    return (kind, f"{kind}, {look}") if look else (kind,)
