"""Fetch a published model, when someone asks for it: the only place that uses a network."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.checkpoints.add import Added, add
from pipeline.checkpoints.catalog import Published, published
from pipeline.checkpoints.hashing import HashProgress, unwatched
from pipeline.checkpoints.library import STARTER_NAME, Place, absolute
from pipeline.checkpoints.license import check_consent, find_license
from pipeline.checkpoints.records import check_name, read_records
from pipeline.errors import DiskFull, InvalidInput

_COMMIT = re.compile(r"[0-9a-f]{40}")
_CARD = ("README.md",)
_MODEL = ("README.md", "LICENSE*", "pipeline.json", "ckpts/*.json", "ckpts/*.safetensors")
_SPARE_BYTES = 1 << 30  # left free for whoever else writes to the disk


class DownloadFailed(Exception):
    """The hub refused or broke off. What arrived stays, and the same command goes on from there."""


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """path: below the repository. is_here: already in the folder, whole."""

    path: str
    size_bytes: int
    is_here: bool


class Hub(Protocol):
    """Where repositories lie; both methods raise `DownloadFailed`."""

    def list_files(
        self, repository: str, revision: str, patterns: Sequence[str], folder: Path
    ) -> list[RemoteFile]:
        """What a download would bring into `folder`."""

    def download(
        self, repository: str, revision: str, patterns: Sequence[str], folder: Path
    ) -> None:
        """Bring it; files that are there stay, and one that broke off goes on."""


class HuggingFaceHub:
    """huggingface.co, or the server that `endpoint` or HF_ENDPOINT names."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint

    def list_files(
        self, repository: str, revision: str, patterns: Sequence[str], folder: Path
    ) -> list[RemoteFile]:
        """See `Hub`."""
        from huggingface_hub import snapshot_download

        with _hub_errors(repository):
            files = snapshot_download(
                repository,
                revision=revision,
                allow_patterns=list(patterns),
                local_dir=folder,
                endpoint=self._endpoint,
                dry_run=True,
            )
        return [
            RemoteFile(
                path=file.filename, size_bytes=file.file_size or 0, is_here=not file.will_download
            )
            for file in files
        ]

    def download(
        self, repository: str, revision: str, patterns: Sequence[str], folder: Path
    ) -> None:
        """See `Hub`."""
        from huggingface_hub import snapshot_download

        with _hub_errors(repository):
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=list(patterns),
                local_dir=folder,
                endpoint=self._endpoint,
            )


def fetch(
    home: Path,
    name: str,
    *,
    revision: str = "",
    is_license_accepted: bool = False,
    hub: Hub | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: HashProgress = unwatched,
) -> Added:
    """Download a model into `home`, check it, and record it.

    Args:
        home: Folder of the records, and of what is fetched.
        name: A name in the catalog, or `owner/name` of another repository on the hub.
        revision: A commit. Default: the catalog's. A branch will not do: it moves.
        is_license_accepted: Whether someone has agreed to a licence that is not permissive.
        hub: Where from. Default: Hugging Face.
        say: Told, in a line each, what is about to happen: licence, size, place.
        progress: Told while files are hashed, after the download.

    Raises:
        InvalidInput: For a name or a revision that will not do, or a licence nobody has agreed to.
        DiskFull: Before the download, naming what is missing.
        DownloadFailed: If the hub refuses or breaks off.
        ModelUnavailable: If what arrived is not that model.
    """
    hub = hub or HuggingFaceHub()
    entry = published(name)
    repository = _repository(name, entry)
    revision = _revision(repository, revision or (entry.revision if entry else ""))
    own_name = entry.name if entry else repository.rsplit("/", 1)[-1]
    check_name(own_name, frozenset({STARTER_NAME, *(one.name for one in read_records(home))}))
    folder = absolute(home) / own_name
    patterns = tuple(file.path for file in entry.files) if entry else _MODEL
    folder.mkdir(parents=True, exist_ok=True)
    files = hub.list_files(repository, revision, patterns, folder)
    waiting = [file for file in files if not file.is_here]
    hub.download(repository, revision, _CARD, folder)  # a few hundred bytes that say the licence
    license_name = find_license(folder, entry)
    check_consent(own_name, license_name, is_accepted=is_license_accepted)
    size_bytes = sum(file.size_bytes for file in waiting)
    say(f"{repository} at {revision}, licence {license_name}")
    say(f"{len(waiting)} files, {size_bytes / 1e9:.2f} GB, into {folder}")
    _check_space(folder, size_bytes)
    hub.download(repository, revision, patterns, folder)
    source = Place(
        path=folder,
        entry=entry,
        repository=entry.repository if entry else repository,
        revision=revision,
    )
    return add(
        home,
        own_name,
        folder,
        is_license_accepted=is_license_accepted,
        source=source,
        progress=progress,
    )


@contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Say in a sentence what the library says in many."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # its client's own

    try:
        yield
    except (OSError, HTTPError) as e:
        raise DownloadFailed(_why(repository, e)) from e


def _why(repository: str, error: BaseException) -> str:
    from huggingface_hub.errors import (
        DryRunError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # "Check your connection", these say of everything; the reason is behind them.
    if isinstance(error, DryRunError | LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    page = f"https://huggingface.co/{repository}"
    if isinstance(error, GatedRepoError):
        return (
            f"{repository} is only for people who were let in: ask for access at {page}, log in "
            "with `hf auth login`, and repeat"
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{repository} has no such revision; see {page}/commits/main"
    if isinstance(error, RepositoryNotFoundError):
        return f"there is no repository {repository}, or it is private; see {page}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return (
        f"{repository} cannot be downloaded ({lines[0]}); repeat to go on where it stopped, or "
        "copy the model from elsewhere and use `lodsmith models add`"
    )


def _repository(name: str, entry: Published | None) -> str:
    if entry is not None:
        if entry.url:
            raise InvalidInput(
                f"{entry.name} is not on the hub; download {entry.url} and give it to "
                f"`lodsmith models add {entry.name} FILE`"
            )
        return entry.repository
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
        raise InvalidInput(
            f"{name!r} is not in the catalog (`lodsmith models list`); other models go by "
            "owner/name"
        )
    return name


def _revision(repository: str, revision: str) -> str:
    if not _COMMIT.fullmatch(revision):
        given = f"{revision!r} is none" if revision else f"none is known for {repository}"
        raise InvalidInput(
            f"a revision must be a commit of 40 hexadecimal digits; {given}: copy it from "
            f"https://huggingface.co/{repository}/commits/main and give it as --revision"
        )
    return revision


def _check_space(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    needed = size_bytes + _SPARE_BYTES
    if free < needed:
        raise DiskFull(
            f"{folder} has {free / 1e9:.1f} GB free, and {needed / 1e9:.1f} GB are needed; make "
            "room, or choose another disk with --home"
        )
