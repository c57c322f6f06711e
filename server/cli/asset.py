"""One asset from the request to the files: what `generate` and `lod` share."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from pipeline.errors import PipelineError
from server.cli.client import CallFailed, Client
from server.cli.display import Display, make_display, stage_name
from server.pb import lodsmith_pb2 as pb

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

# What whoever typed the command can put right by typing another one.
_BAD_INPUT = frozenset(
    {"INVALID_INPUT", "UNSUPPORTED_FEATURE", "TOO_LARGE", "MODEL_UNAVAILABLE", "INVALID_ARGUMENT"}
)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that a job needs. digest: the part of the job's spec that names it."""

    path: Path
    digest: pb.Digest
    kind: Literal["image", "mesh", "adapter"]


def make_asset(
    client: Client,
    spec: pb.JobSpec,
    *,
    uploads: Sequence[Upload],
    out: Path,
    is_json: bool,
    is_quiet: bool,
    is_kept: bool,
) -> None:
    """Upload, create, watch, download. Ctrl-C cancels the job on the server.

    Args:
        client: The server to use.
        spec: What to make. The uploads' digests, which are parts of it, are filled in.
        uploads: The files that it names.
        out: Folder for the files.
        is_json: Print events as JSON lines on stdout.
        is_quiet: Show no progress.
        is_kept: Whether the job can be exported again later.

    Raises:
        typer.Exit: Unless all went well.
        CallFailed: If the server refuses.
    """
    display = make_display(is_json=is_json, is_quiet=is_quiet)
    try:
        if uploads:
            limits = client.info().limits
            for upload in uploads:
                _check_size(upload, limits)
            for upload in uploads:
                upload.digest.CopyFrom(client.upload(upload.path, display.upload))
        job = _watched(client, client.create(spec), display)
    finally:
        display.close()
    if job.state != pb.JOB_STATE_SUCCEEDED:
        raise typer.Exit(_say_why(job, is_json=is_json))
    try:
        paths = client.download(job.result.artifacts, out)
    except OSError as error:
        _say_error(f"cannot write to {out}: {error.strerror}; choose another folder with --out")
        raise typer.Exit(EXIT_FAILED) from error
    _show_result(job, paths, is_json=is_json, is_quiet=is_quiet, is_kept=is_kept)


@contextmanager
def one_file(path: Path) -> Iterator[Path]:
    """A mesh with all that it needs in one file, for the length of a `with` block.

    Raises:
        InvalidInput: If a file that it names is missing.
    """
    from pipeline.gltf.with_files import with_files

    content = with_files(path)
    if content is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="lodsmith-") as folder:
        joined = Path(folder, f"{path.stem}.glb")
        joined.write_bytes(content)
        yield joined


@contextmanager
def errors_as_exit_codes(*, is_json: bool = False) -> Iterator[None]:
    """Turn what can go wrong into one line on stderr and an exit code."""
    try:
        yield
    except CallFailed as error:
        _say_error(str(error), reason=error.reason, is_json=is_json)
        raise typer.Exit(EXIT_BAD_INPUT if error.reason in _BAD_INPUT else EXIT_FAILED) from error
    except PipelineError as error:  # from the embedded server's own start
        _say_error(str(error), reason=error.reason, is_json=is_json)
        raise typer.Exit(EXIT_BAD_INPUT) from error
    except KeyboardInterrupt as error:
        _say_error("interrupted")
        raise typer.Exit(EXIT_INTERRUPTED) from error
    except BrokenPipeError as error:  # whoever read our stdout has left: nothing more goes there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_FAILED) from error


def _watched(client: Client, job: pb.Job, display: Display) -> pb.Job:
    """Show a job's events; return it as it ended."""
    try:
        return _last(client.watch(job.name), display.event)
    except (KeyboardInterrupt, BrokenPipeError):
        client.cancel(job.name)
        _last(client.watch(job.name), lambda event: None)  # until its worker is free
        raise


def _last(events: Iterator[pb.JobEvent], show: Callable[[pb.JobEvent], None]) -> pb.Job:
    job = pb.Job()
    for event in events:
        show(event)
        if event.WhichOneof("kind") == "finished":
            job = event.finished
    return job


def _check_size(upload: Upload, limits: pb.Limits) -> None:
    """Refuse what the server would refuse before hours are spent on hashing it."""
    most = getattr(limits, f"max_{upload.kind}_bytes")
    size = upload.path.stat().st_size
    if size > most:
        raise CallFailed(
            f"{upload.path} has {size:,} bytes; the server takes at most {most:,}", "TOO_LARGE"
        )


def _say_why(job: pb.Job, *, is_json: bool) -> int:
    """Say how a job ended that did not succeed; return the exit code."""
    if job.state == pb.JOB_STATE_CANCELLED:
        _say_error("the job was cancelled")
        return EXIT_FAILED
    error = job.error
    reason = pb.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")
    if not is_json:  # there it was the last event
        _say_error(f"{stage_name(error.stage)} failed: {error.message} [{reason}]")
    return EXIT_BAD_INPUT if reason in _BAD_INPUT else EXIT_FAILED


def _say_error(message: str, *, reason: str = "", is_json: bool = False) -> None:
    print(f"lodsmith: {message}", file=sys.stderr, flush=True)
    if is_json:
        document = {"error": {"reason": reason, "message": message}}
        print(json.dumps(document, ensure_ascii=False), flush=True)


def _show_result(
    job: pb.Job, paths: list[Path], *, is_json: bool, is_quiet: bool, is_kept: bool
) -> None:
    if is_json:
        print(json.dumps({"files": [str(path) for path in paths]}, ensure_ascii=False), flush=True)
        return
    if is_quiet:
        return
    for variant in job.result.variants:
        if len(job.result.variants) > 1:
            print(f"seed {variant.seed}")
        for index, lod in enumerate(variant.lods):
            budget = f" of {lod.budget:,}" if lod.budget else ""
            print(
                f"LOD{index}  {lod.triangle_count:>9,}{budget} triangles, "
                f"off by at most {lod.deviation_max_m * 1000:.2f} mm, "
                f"shown from {lod.screen_coverage:.1%} of the view"
            )
        if variant.collision.hull_count:
            print(_collision_line(variant.collision))
    for path in paths:
        print(path)
    if is_kept:
        print(f"again with other options: lodsmith reexport {job.name} ...")


def _collision_line(fit: pb.Collision) -> str:
    shapes = fit.kind if fit.kind != "decompose" else f"{fit.hull_count} hulls"
    volume = f"{fit.over_cover:.2f} times the volume, " if fit.HasField("over_cover") else ""
    return f"collision: {shapes}, {volume}standing out by at most {fit.protrusion_m * 1000:.1f} mm"
