"""A studio's own folder: meshes, and captions beside them."""

from pathlib import Path

from pipeline.errors import InvalidInput
from pipeline.training.datasets.asset import (
    KNOWN_SUFFIXES,
    TAKE_ALL,
    Asset,
    AssetFilter,
    Collected,
    captions_of,
    read_csv,
    read_json,
)


def read_folder(folder: Path, wanted: AssetFilter = TAKE_ALL) -> Collected:
    """Find all meshes in `folder` and below; what begins with a dot is not looked at, other
    formats than GLB and OBJ are counted as left out.

    Captions may stand in any of three places, and add up:

    - `captions.csv`: columns `file` and `caption`, a row per caption;
    - `captions.json`: `{"file": "caption"}` or `{"file": ["one", "another"]}`;
    - `chair.txt` beside `chair.glb`: a caption per line.

    Files are named as seen from `folder`, with slashes.

    Raises:
        InvalidInput: If a captions file cannot be read.
    """
    found = Collected(wanted=wanted)
    captions = _listed_captions(folder)
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if is_hidden or path.suffix.lower() not in KNOWN_SUFFIXES or not path.is_file():
            continue
        key = relative.as_posix()
        said = [*captions.pop(key, ()), *_beside(path)]
        found.add(Asset(key=key, path=path, captions=captions_of(said)))
    for _missing in captions:
        found.skip("a caption names a file that is not there")
    return found


def _listed_captions(folder: Path) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    table, mapping = folder / "captions.csv", folder / "captions.json"
    if table.is_file():
        for row in read_csv(table, ("file", "caption")):
            captions.setdefault(row["file"].strip(), []).append(row["caption"])
    if mapping.is_file():
        content = read_json(mapping)
        if not isinstance(content, dict):
            raise InvalidInput(f"{mapping} must hold an object: file names and their captions")
        for key, value in content.items():
            captions.setdefault(key, []).extend(captions_of(value))
    return captions


def _beside(path: Path) -> list[str]:
    text = path.with_suffix(".txt")
    return text.read_text("utf-8", errors="replace").splitlines() if text.is_file() else []
