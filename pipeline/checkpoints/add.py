"""Make a model on this disk known by a name, once it is found whole and its licence agreed to."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.checkpoints.catalog import PUBLISHED, Published, published, published_file
from pipeline.checkpoints.hashing import HashProgress, sha256_of_files, unwatched
from pipeline.checkpoints.library import STARTER_NAME, Place, absolute, cached_place
from pipeline.checkpoints.license import check_consent, find_license
from pipeline.checkpoints.records import (
    Record,
    RecordedFile,
    check_name,
    delete_record,
    find_record,
    read_records,
    write_record,
)
from pipeline.checkpoints.verify import Finding, check_structure
from pipeline.errors import InvalidInput, ModelUnavailable


@dataclass(frozen=True, kw_only=True)
class Added:
    """What was recorded, and what the model still needs from elsewhere."""

    record: Record
    missing: tuple[Finding, ...]


def add(
    home: Path,
    name: str,
    path: Path,
    *,
    is_license_accepted: bool = False,
    source: Place | None = None,
    progress: HashProgress = unwatched,
) -> Added:
    """Record a model: where it is, its licence, and the SHA-256 of each file. Nothing is copied.

    The hashes are compared with the catalog's where those are known; the others are trusted on
    this first use, and `verify` compares with them later. What a model needs from another
    repository may be added before or after it.

    Args:
        home: Folder of the records.
        name: For the model; a conditioner goes by its name in the catalog.
        path: Folder with `pipeline.json` and `ckpts/`; or the folder or file of a conditioner.
        is_license_accepted: Whether someone has agreed to a licence that is not permissive.
        source: Where it was downloaded from, if it was.
        progress: Told while files are hashed; may raise `Cancelled`, and nothing is recorded.

    Raises:
        InvalidInput: For a name that cannot be, and for a licence that nobody has agreed to.
        ModelUnavailable: Naming the files that are missing, cut short, foreign or not this model's.
    """
    place = source or _place(name, absolute(path))
    if place.entry is not None and place.entry.pipeline is None:
        name = place.entry.name
    check_name(name, frozenset({STARTER_NAME, *(record.name for record in read_records(home))}))
    license_name = find_license(place.folder, place.entry)
    check_consent(name, license_name, is_accepted=is_license_accepted)
    findings = check_structure(place, home)
    _refuse_problems(place, [f for f in findings if not f.is_elsewhere])
    files = [f.path for f in findings if f.path and not f.is_elsewhere and f.path.is_file()]
    digests = sha256_of_files(files, progress)
    place = _identified(place, digests)
    _refuse_other_bytes(place, digests)
    record = Record(
        name=name,
        path=place.path,
        repository=place.repository,
        revision=place.revision,
        is_fetched=source is not None,
        license=license_name,
        is_license_accepted=is_license_accepted,
        files={
            file.relative_to(place.folder).as_posix(): RecordedFile(
                size_bytes=file.stat().st_size, sha256=digest
            )
            for file, digest in digests.items()
        },
    )
    write_record(home, record)
    missing = tuple(f for f in findings if f.is_elsewhere and f.state == "problem")
    return Added(record=record, missing=missing)


def remove(home: Path, name: str) -> bool:
    """Forget a model. Its files stay, unless we downloaded them.

    Returns:
        Whether files were deleted.

    Raises:
        InvalidInput: If there is none of that name.
    """
    record = find_record(home, name)
    delete_record(home, name)
    is_ours = record is not None and record.is_fetched and record.path.parent == home.absolute()
    if is_ours and record is not None:
        shutil.rmtree(record.path, ignore_errors=True)
    return is_ours


def _place(name: str, path: Path) -> Place:
    """What the path is, by its place in a cache or by the name that it is to have."""
    if not path.exists():
        raise InvalidInput(f"there is nothing at {path}")
    is_pipeline = (path / "pipeline.json").exists()
    place = cached_place(path) or Place(path=path)
    entry = place.entry or published(name)
    if entry is None:
        if is_pipeline:
            return place
        conditioners = ", ".join(one.name for one in PUBLISHED if one.pipeline is None)
        raise ModelUnavailable(
            f"{path} has no pipeline.json; give a model's folder, or name what it is: "
            f"{conditioners}"
        )
    if (entry.pipeline is not None) != is_pipeline:
        what = "has a pipeline.json" if is_pipeline else "has no pipeline.json"
        raise InvalidInput(f"{path} {what}, so it is not {entry.name}; choose another name or path")
    if entry.pipeline is None:
        path = _conditioner_path(entry, path)
    return replace(place, path=path, entry=entry, repository=entry.repository)


def _conditioner_path(entry: Published, path: Path) -> Path:
    """The folder, or the one file, given as itself or as its folder."""
    if len(entry.files) > 1:
        return path if path.is_dir() else path.parent
    file = path / entry.files[0].path if path.is_dir() else path
    if file.name != entry.files[0].path:
        raise ModelUnavailable(f"{entry.name} must be a file called {entry.files[0].path}")
    return file


def _identified(place: Place, digests: dict[Path, str]) -> Place:
    """A folder of any name is the catalog's if the bytes are."""
    if place.entry is not None or place.repository:
        return place
    found = {file.relative_to(place.folder).as_posix(): d for file, d in digests.items()}
    for entry in PUBLISHED:
        known = {f.path: f.sha256 for f in entry.files if f.sha256 and f.path in found}
        weights = [path for path in known if path.endswith(".safetensors")]
        if weights and all(found[path] == sha for path, sha in known.items()):
            return replace(place, entry=entry, repository=entry.repository)
    return place


def _refuse_problems(place: Place, findings: list[Finding]) -> None:
    problems = [f"{f.file}: {f.text}" for f in findings if f.state == "problem"]
    if problems:
        raise ModelUnavailable(f"{place.path} is not a whole model:\n  " + "\n  ".join(problems))


def _refuse_other_bytes(place: Place, digests: dict[Path, str]) -> None:
    for file, digest in digests.items():
        known = published_file(place.entry, file.relative_to(place.folder).as_posix())
        if known is not None and known.sha256 not in (None, digest):
            raise ModelUnavailable(
                f"{file} has SHA-256 {digest}, not the published {known.sha256}: it was damaged or "
                "changed; download it again, or give a model of your own another name"
            )
