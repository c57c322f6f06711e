"""What every data set comes down to: meshes with captions, and the reasons for what is left out."""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import InvalidInput

Json = Any  # what json.loads returns; every use checks what it reads

MESH_SUFFIXES = (".glb", ".obj")
_CONVERT = {
    ".blend": "a Blender file: export it as GLB",
    ".fbx": "an FBX file: export it as GLB",
    ".gltf": "a .gltf: pack it into a GLB",
}
KNOWN_SUFFIXES = (*MESH_SUFFIXES, *_CONVERT)
_MAX_FIELD_BYTES = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One object of a data set.

    key: unique in its data set, and the same on every machine. path: the mesh, .glb or .obj.
    captions: what it shows, in any number of sentences. license, source: as the data set says,
    the source as an address where there is one. aesthetic_score: TRELLIS-500K's, about 3 to 8.
    """

    key: str
    path: Path
    captions: tuple[str, ...] = ()
    license: str | None = None
    source: str | None = None
    aesthetic_score: float | None = None


class AssetSource(Protocol):
    """A data set on disk: assets in an order that does not change, and what was left out."""

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many entries were left out for which reason."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Asset]: ...


@dataclass(frozen=True, kw_only=True)
class AssetFilter:
    """Which assets to take; what is None does not matter.

    min_aesthetic_score: TRELLIS trained with 5.5 for Objaverse-XL and 4.5 for the others. An asset
    without a score is left out. max_file_bytes: of the mesh file. licenses: as `Asset.license` has
    them, without regard to case; an asset that does not say is left out. captioned: leave out what
    has no caption.
    """

    min_aesthetic_score: float | None = None
    max_file_bytes: int | None = None
    licenses: frozenset[str] | None = None
    captioned: bool = True

    def __post_init__(self) -> None:
        if self.max_file_bytes is not None and self.max_file_bytes <= 0:
            raise InvalidInput(f"max_file_bytes must be above 0, got {self.max_file_bytes}")

    def refusal(self, asset: Asset) -> str | None:
        """Why `asset` is left out, or None."""
        suffix = asset.path.suffix.lower()
        if suffix not in MESH_SUFFIXES:
            return _CONVERT.get(suffix, f"not a GLB ({suffix or 'no suffix'})")
        score, wanted = asset.aesthetic_score, self.min_aesthetic_score
        if wanted is not None and score is None:
            return "no aesthetic score"
        if wanted is not None and score is not None and score < wanted:
            return f"aesthetic score below {wanted:g}"
        if self.licenses is not None:
            if asset.license is None:
                return "no license given"
            if asset.license.casefold() not in {name.casefold() for name in self.licenses}:
                return f"license {asset.license} is not among the allowed ones"
        if self.captioned and not asset.captions:
            return "no caption"
        try:
            size = asset.path.stat().st_size
        except OSError:
            return "the file is missing"
        if self.max_file_bytes is not None and size > self.max_file_bytes:
            return f"larger than {self.max_file_bytes:,} bytes"
        return None


TAKE_ALL = AssetFilter()


@dataclass(kw_only=True)
class Collected:
    """An `AssetSource` that an adapter fills."""

    wanted: AssetFilter
    assets: list[Asset] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    _keys: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.assets)

    def __iter__(self) -> Iterator[Asset]:
        return iter(self.assets)

    def skip(self, reason: str) -> None:
        """Count an entry that is no asset."""
        self.skipped[reason] += 1

    def add(self, asset: Asset) -> None:
        """Take an asset, or count why not."""
        reason = "listed twice" if asset.key in self._keys else self.wanted.refusal(asset)
        if reason is not None:
            self.skip(reason)
            return
        self._keys.add(asset.key)
        self.assets.append(asset)


def inside(folder: Path, relative: str) -> Path | None:
    """`folder / relative`, or None if that leaves the folder: metadata comes from strangers."""
    path = folder / relative
    if not relative or not path.resolve().is_relative_to(folder.resolve()):
        return None
    return path


def captions_of(value: Json) -> tuple[str, ...]:
    """The sentences in a string or a list of strings, each once, in order."""
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    stripped = [v.strip() for v in values if isinstance(v, str)]
    return tuple(dict.fromkeys(v for v in stripped if v))


def read_json(path: Path) -> Json:
    """Read a .json or .json.gz file.

    Raises:
        InvalidInput: Naming the file.
    """
    try:
        return json.loads(_bytes(path))
    except (OSError, EOFError, ValueError, RecursionError) as e:
        raise _unreadable(path, e) from e


def read_json_lines(path: Path) -> Iterator[Json]:
    """Read a file with one JSON value per line, None for a line that is none."""
    try:
        lines = _bytes(path).splitlines()
    except (OSError, EOFError) as e:
        raise _unreadable(path, e) from e
    for line in lines:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            yield None


def read_csv(path: Path, required: Sequence[str]) -> list[dict[str, str]]:
    """Read a .csv or .csv.gz file with a header.

    Raises:
        InvalidInput: Naming the file, or the column that it lacks.
    """
    csv.field_size_limit(_MAX_FIELD_BYTES)  # captions of one object are a single field
    try:
        text = _bytes(path).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        # A short row has None in its last columns, a long one a list under None.
        rows = [{k: v or "" for k, v in row.items() if k is not None} for row in reader]
    except (OSError, EOFError, ValueError, csv.Error) as e:
        raise _unreadable(path, e) from e
    missing = [name for name in required if name not in (reader.fieldnames or [])]
    if missing:
        raise InvalidInput(
            f"{path} has no column {', '.join(missing)}; its columns are "
            f"{', '.join(reader.fieldnames or ['none'])}"
        )
    return rows


def _bytes(path: Path) -> bytes:
    if path.suffix == ".gz":
        with gzip.open(path) as f:
            return f.read()
    return path.read_bytes()


def _unreadable(path: Path, error: Exception) -> InvalidInput:
    return InvalidInput(f"{path} cannot be read: {error}")
