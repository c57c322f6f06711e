"""`lodsmith models`: what models are on this machine, and whether they are whole.

What the commands do is imported when they run, so that --help is instant.
"""

import json as json_format
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.checkpoints.add import Added
    from pipeline.checkpoints.hashing import HashProgress

models_app = typer.Typer(
    name="models",
    help="Models on this machine: add, list, verify, remove, fetch.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Home = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        help="Folder of the list of models, and of those fetched. Default: LODSMITH_MODELS_DIR, or "
        "lodsmith/models in your folder for application data.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
AcceptLicense = Annotated[
    bool,
    typer.Option("--accept-license", help="You have read the model's licence and agree to it."),
]


@models_app.command()
def add(
    name: Annotated[
        str,
        typer.Argument(help="What to call it. DINOv2, CLIP and u2net go by: dinov2, clip, u2net."),
    ],
    path: Annotated[
        Path, typer.Argument(exists=True, help="Its folder, with pipeline.json and ckpts/.")
    ],
    accept_license: AcceptLicense = False,
    home: Home = None,
) -> None:
    """Make a model that lies on this machine known by a name. Nothing is copied.

    Every file is checked first, and its SHA-256 kept for `lodsmith models verify`.
    """
    from pipeline.checkpoints.add import add as add_model
    from server.cli.asset import errors_as_exit_codes

    with errors_as_exit_codes(), _hash_bar() as progress:
        added = add_model(
            _home(home), name, path, is_license_accepted=accept_license, progress=progress
        )
    _show_added(added)


@models_app.command("list")
def list_models(json: Json = False, home: Home = None) -> None:
    """List the models that were added, those in the Hugging Face cache, and those to be had."""
    from server.cli.asset import errors_as_exit_codes

    with errors_as_exit_codes(is_json=json):
        rows = _rows(_home(home))
    if json:
        print(json_format.dumps(rows, ensure_ascii=False))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        where = row["path"] or "not here: " + row["way"]
        print(f"{row['name']:<{width}}  {row['state']:<8}  {row['license']:<10}  {where}")


@models_app.command()
def verify(
    name: Annotated[
        str, typer.Argument(help="A model's name or folder. Default: all that were added.")
    ] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the SHA-256, which takes a while.")
    ] = False,
    json: Json = False,
    home: Home = None,
) -> None:
    """Check every file: names, shapes and types of its tensors, and its SHA-256.

    Exit code 1 if anything is wrong.
    """
    from pipeline.checkpoints.library import STARTER_NAME, resolve
    from pipeline.checkpoints.records import read_records
    from pipeline.checkpoints.verify import verify as verify_model
    from server.cli.asset import EXIT_FAILED, errors_as_exit_codes

    is_whole = True
    documents: list[dict[str, Any]] = []  # Any: JSON
    with errors_as_exit_codes(is_json=json), _hash_bar(is_quiet=json) as progress:
        folder = _home(home)
        names = [name] if name else [STARTER_NAME, *(one.name for one in read_records(folder))]
        for one in names:
            found = verify_model(resolve(folder, one), folder, progress, is_quick=quick)
            is_whole &= not found.problems
            documents.append({"model": one, **found.to_json()})
            if not json:
                print(f"{one}: {_verdict(len(found.problems))} ({found.path})")
                print("\n".join(f"  {line}" for line in found.lines()), flush=True)
    if json:
        print(json_format.dumps(documents, ensure_ascii=False))
    raise typer.Exit(0 if is_whole else EXIT_FAILED)


@models_app.command()
def remove(
    name: Annotated[str, typer.Argument(help="A model that was added or fetched.")],
    home: Home = None,
) -> None:
    """Forget a model. Its files stay, unless `lodsmith models fetch` brought them."""
    from pipeline.checkpoints.add import remove as remove_model
    from server.cli.asset import errors_as_exit_codes

    with errors_as_exit_codes():
        is_deleted = remove_model(_home(home), name)
    print(f"{name} is removed" + (", and so are its files" if is_deleted else "; its files stay"))


@models_app.command()
def fetch(
    name: Annotated[
        str, typer.Argument(help="A name from `lodsmith models list`, or owner/name on the hub.")
    ],
    revision: Annotated[
        str, typer.Option(help="A commit of 40 digits. Default: the one this version knows.")
    ] = "",
    accept_license: AcceptLicense = False,
    home: Home = None,
) -> None:
    """Download a model from Hugging Face, check it and add it. Repeat it to go on after a break."""
    from pipeline.checkpoints.download import DownloadFailed
    from pipeline.checkpoints.download import fetch as fetch_model
    from pipeline.errors import DiskFull
    from server.cli.asset import EXIT_FAILED, errors_as_exit_codes

    try:
        with errors_as_exit_codes(), _hash_bar() as progress:
            try:
                added = fetch_model(
                    _home(home),
                    name,
                    revision=revision,
                    is_license_accepted=accept_license,
                    say=lambda line: print(line, file=sys.stderr, flush=True),
                    progress=progress,
                )
            except DiskFull as error:  # nothing that another command line would put right
                raise DownloadFailed(str(error)) from error
    except DownloadFailed as error:
        print(f"lodsmith: {error}", file=sys.stderr, flush=True)
        raise typer.Exit(EXIT_FAILED) from error
    _show_added(added)


def _home(given: Path | None) -> Path:
    """The folder of the records: as told here, or as the server is told."""
    if given is not None:
        return given
    import os

    from server.config import read_config

    return read_config(os.environ, flags={}).models_dir


def _rows(home: Path) -> list[dict[str, str]]:
    """What `list` shows. path: "" where it is not here; then `way` says how to get it."""
    from pipeline.checkpoints.catalog import PUBLISHED
    from pipeline.checkpoints.library import STARTER, STARTER_NAME, cached_snapshots, has_all
    from pipeline.checkpoints.license import find_license
    from pipeline.checkpoints.records import read_records

    def row(name: str, state: str, license_name: str, path: str = "", way: str = "") -> None:
        rows.append(
            {"name": name, "state": state, "license": license_name, "path": path, "way": way}
        )

    rows: list[dict[str, str]] = []
    row(STARTER_NAME, "built in", find_license(STARTER, None), str(STARTER))
    records = read_records(home)
    for record in records:
        state = "added" if record.path.exists() else "gone"
        row(record.name, state, record.license, str(record.path))
    here = {record.repository or record.name for record in records}
    for entry in PUBLISHED:
        if (entry.repository or entry.name) in here:
            continue
        names = (entry.repository, *entry.aliases) if entry.repository else ()
        cached = (folder for name in names for folder in cached_snapshots(name))
        folder = next((folder for folder in cached if has_all(entry, folder)), None)
        if folder is not None:
            row(entry.name, "cached", entry.license, str(folder))
        else:
            fetch_it = f"lodsmith models fetch {entry.name}"
            row(entry.name, "-", entry.license, way=entry.url or fetch_it)
    return rows


def _show_added(added: "Added") -> None:
    record = added.record
    size = sum(file.size_bytes for file in record.files.values())
    print(
        f"{record.name}: {len(record.files)} files, {size / 1e9:.2f} GB, licence {record.license}"
    )
    for finding in added.missing:
        print(f"still needed: {finding.text}")


def _verdict(problem_count: int) -> str:
    if problem_count == 0:
        return "whole"
    return "1 problem" if problem_count == 1 else f"{problem_count} problems"


@contextmanager
def _hash_bar(*, is_quiet: bool = False) -> "Iterator[HashProgress]":
    """A bar on a terminal; nothing elsewhere."""
    from pipeline.checkpoints.hashing import unwatched

    if is_quiet or not sys.stderr.isatty():
        yield unwatched
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bars.add_task("", total=None, visible=False)

    def show(file: Path, done_bytes: int, total_bytes: int) -> None:
        bars.update(
            task, description=file.name, completed=done_bytes, total=total_bytes, visible=True
        )

    with bars:
        yield show
