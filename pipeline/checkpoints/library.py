"""Names -> model folders, checkpoints and conditioners on this machine. Never uses a network.

A model is known by the name it was added under, by its repository's name when it lies in the
Hugging Face cache, or by its folder.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.checkpoints.catalog import CONDITIONERS, Published, published
from pipeline.checkpoints.records import Record, find_record, read_records
from pipeline.errors import ModelUnavailable

STARTER_NAME = "starter"
STARTER = Path(__file__).parent.parent / "starter"

_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_SNAPSHOT = re.compile(r"models--(?P<owner>[^/]+?)--(?P<name>[^/]+)/snapshots/(?P<revision>[^/]+)")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder (or one file) of a model, and what is known of where it comes from.

    entry: what the catalog says of it, if it is there.
    repository, revision: "" where not known.
    record: if it was added.
    """

    path: Path
    entry: Published | None = None
    repository: str = ""
    revision: str = ""
    record: Record | None = None

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.path if self.path.is_dir() else self.path.parent


def resolve(home: Path, name_or_path: str) -> Path:
    """Find a model: its folder, or the file of one that is a single file.

    Args:
        home: Folder of the records.
        name_or_path: The name it was added under; "starter"; a folder; or, in the Hugging Face
            cache, `owner/name`, `owner/name@revision`, or a name that the catalog has.

    Raises:
        ModelUnavailable: Naming what is known and how to add more.
    """
    return find_place(home, name_or_path).path


def find_place(home: Path, name_or_path: str) -> Place:
    """As `resolve`, with where the model comes from."""
    if name_or_path == STARTER_NAME:
        return Place(path=STARTER)
    record = find_record(home, name_or_path)
    if record is not None:
        return _recorded(record)
    if name_or_path and Path(name_or_path).expanduser().exists():
        return place_of(home, Path(name_or_path))
    repository, _, revision = name_or_path.partition("@")
    entry = published(repository)
    if entry is not None or _REPOSITORY.fullmatch(repository):
        for place in _places(home, entry.repository if entry else repository, revision):
            if _is_model(place):
                return place
    raise ModelUnavailable(_unknown(home, name_or_path, entry))


def place_of(home: Path, path: Path) -> Place:
    """What is known of a path: its record; or its place in the Hugging Face cache; or its name."""
    path = absolute(path)
    for record in read_records(home):
        if record.path == path:
            return _recorded(record)
    entry = published(path.name)
    by_name = Place(path=path, entry=entry, repository=entry.repository if entry else "")
    return cached_place(path) or by_name


def cached_place(path: Path) -> Place | None:
    """What the path of a snapshot in a Hugging Face cache says; None for any other path."""
    cached = _SNAPSHOT.search(path.as_posix())
    if cached is None:
        return None
    repository = f"{cached['owner']}/{cached['name']}"
    entry = published(repository)
    return Place(
        path=path,
        entry=entry,
        repository=entry.repository if entry else repository,
        revision=cached["revision"],
    )


def absolute(path: Path) -> Path:
    """From the root, without `..`; links stay, as the snapshots of the cache are made of them."""
    return Path(os.path.abspath(path.expanduser()))


def find_checkpoint(entry: str, folder: Path, home: Path) -> Path:
    """Find a checkpoint that a `pipeline.json` names.

    Args:
        entry: `ckpts/<name>` in the model's own folder, or `owner/repository/ckpts/<name>`, as the
            published text models name the decoders that the image model's repository holds.
        folder: The model's folder.
        home: Folder of the records.

    Returns:
        The path without suffix: `<path>.json` and `<path>.safetensors` are its files.

    Raises:
        ModelUnavailable: If the entry leaves the folder, or naming the repository to add.
    """
    return locate_checkpoint(entry, Place(path=folder), home)[1]


def locate_checkpoint(entry: str, own: Place, home: Path) -> tuple[Place, Path]:
    """As `find_checkpoint`, with the place in which it was found."""
    parts = _checked(entry, own.path).parts
    path = own.path.joinpath(*parts)
    if any(path.with_name(path.name + suffix).exists() for suffix in (".json", ".safetensors")):
        return own, path
    if len(parts) < 3:
        raise ModelUnavailable(
            f"{path}.json is missing, and so is {path}.safetensors; copy the model again"
        )
    repository = "/".join(parts[:2])
    known = published(repository)
    for place in _places(home, known.repository if known else repository):
        there = place.folder.joinpath(*parts[2:])
        if there.with_name(there.name + ".json").exists():
            return place, there
    name = known.name if known else parts[1]
    raise ModelUnavailable(
        f"{own.path / 'pipeline.json'} takes {parts[-1]} from the repository {repository}, which "
        f"is not on this machine; add it with `lodsmith models add {name} FOLDER`"
        + (f", or download it with `lodsmith models fetch {name}`" if known else "")
    )


def find_conditioner(name: str, home: Path) -> Path:
    """Find what encodes pictures or text, or cuts out the background.

    Args:
        name: As `pipeline.json` has it: "dinov2_vitl14_reg" or "openai/clip-vit-large-patch14"; or
            "u2net".
        home: Folder of the records.

    Returns:
        A folder in the layout of `transformers`, or the one file: torch hub's weights of DINOv2,
        or `u2net.onnx`.

    Raises:
        ModelUnavailable: Naming how to add it.
    """
    return locate_conditioner(name, home).path


def locate_conditioner(name: str, home: Path) -> Place:
    """As `find_conditioner`, with where it comes from."""
    choices = CONDITIONERS.get(name)
    if choices is None:
        known = ", ".join(CONDITIONERS)
        raise ModelUnavailable(f"{name!r} is no conditioner that this version knows: {known}")
    for entry in choices:
        for place in _places(home, entry.repository or entry.name):
            return place
        for folder in _loose_folders():
            file = folder / entry.files[0].path
            if entry.url and file.is_file():
                return Place(path=file, entry=entry)
    first = choices[0]
    way = (
        f"download {first.url} and add it with `lodsmith models add {first.name} FILE`"
        if first.url
        else f"add {first.repository} with `lodsmith models add {first.name} FOLDER`, or download "
        f"it with `lodsmith models fetch {first.name}`"
    )
    raise ModelUnavailable(f"{name} is not on this machine; {way}")


def cached_snapshots(repository: str) -> list[Path]:
    """Folders of a repository in the Hugging Face cache.

    The catalog's revision comes first, then what `main` was when it was last downloaded, then the
    others by name.

    Source: the cache's layout in the documentation of huggingface_hub.
    """
    kept = _hub_cache() / f"models--{repository.replace('/', '--')}"
    entry = published(repository)
    try:
        main = (kept / "refs" / "main").read_text("utf-8").strip()
    except OSError:
        main = ""
    first = [entry.revision if entry else "", main]
    folders = kept / "snapshots"
    found = sorted(folders.iterdir()) if folders.is_dir() else []
    order = {name: rank for rank, name in reversed(list(enumerate(first))) if name}
    return sorted(found, key=lambda folder: (order.get(folder.name, len(first)), folder.name))


def has_all(entry: Published, folder: Path) -> bool:
    """Whether the files that are not optional are there."""
    return all((folder / f.path).exists() for f in entry.files if f.path not in entry.optional)


def _places(home: Path, repository: str, revision: str = "") -> Iterator[Place]:
    """Where a repository's files lie: what was added, then the cache."""
    entry = published(repository)
    for record in read_records(home):
        # A model of one's own has no repository, but may be named as the last part of one.
        is_meant = repository == record.repository or repository.split("/")[-1] == record.name
        if is_meant and revision in ("", record.revision) and record.path.exists():
            yield _recorded(record)
    for name in (entry.repository, *entry.aliases) if entry else (repository,):
        for folder in cached_snapshots(name) if name else ():
            is_whole = has_all(entry, folder) if entry and not entry.pipeline else True
            if revision in ("", folder.name) and is_whole:
                yield Place(path=folder, entry=entry, repository=repository, revision=folder.name)


def _is_model(place: Place) -> bool:
    """Whether more than single checkpoints was downloaded."""
    is_conditioner = place.entry is not None and place.entry.pipeline is None
    return is_conditioner or (place.path / "pipeline.json").exists()


def _recorded(record: Record) -> Place:
    if not record.path.exists():
        raise ModelUnavailable(
            f"the model {record.name} was at {record.path}, where nothing is now; "
            f"`lodsmith models remove {record.name}`, and add it again"
        )
    return Place(
        path=record.path,
        entry=published(record.repository or record.name),
        repository=record.repository,
        revision=record.revision,
        record=record,
    )


def _checked(entry: object, folder: Path) -> PurePosixPath:
    """A path that stays below the folder it is put behind."""
    path = PurePosixPath(entry) if isinstance(entry, str) else PurePosixPath()
    if (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or re.search(r"[\\:\0]", str(path))
    ):
        raise ModelUnavailable(
            f"{folder / 'pipeline.json'} names {entry!r}; an entry must be a path below the "
            "model's folder, or owner/repository/path"
        )
    return path


def _unknown(home: Path, name: str, entry: Published | None) -> str:
    known = [STARTER_NAME, *(record.name for record in read_records(home))]
    way = "add one with `lodsmith models add NAME FOLDER`"
    if entry is not None and entry.repository:
        way += f", or download it with `lodsmith models fetch {entry.name}`"
    return f"there is no model {name!r} on this machine; there are {', '.join(known)}; {way}"


def _hub_cache() -> Path:
    """The Hugging Face cache; HF_HOME and HF_HUB_CACHE decide."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _loose_folders() -> tuple[Path, ...]:
    """Where torch hub and rembg keep what they have downloaded."""
    home = Path.home()
    return (home / ".cache" / "torch" / "hub" / "checkpoints", home / ".u2net")
