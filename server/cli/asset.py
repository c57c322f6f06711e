"""One asset from the request to the files: what `generate` and `lod` share."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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


def make_asset(
    client: Client,
    spec: pb.JobSpec,
    *,
    upload: Path | None,
    out: Path,
    is_json: bool,
    is_quiet: bool,
) -> None:
    """Upload, create, watch, download. Ctrl-C cancels the job on the server.

    Args:
        client: The server to use.
        spec: What to make. With `upload` its `image` or `mesh` is set, and gets the digest.
        upload: The picture or mesh.
        out: Folder for the files.
        is_json: Print events as JSON lines on stdout.
        is_quiet: Show no progress.

    Raises:
        typer.Exit: Unless all went well.
        CallFailed: If the server refuses.
    """
    display = make_display(is_json=is_json, is_quiet=is_quiet)
    try:
        if upload is not None:
            _check_size(client, spec, upload)
            source = spec.mesh if spec.WhichOneof("source") == "mesh" else spec.image
            source.CopyFrom(client.upload(upload, display.upload))
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
    _show_result(job, paths, is_json=is_json, is_quiet=is_quiet)


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


def _check_size(client: Client, spec: pb.JobSpec, path: Path) -> None:
    """Refuse what the server would refuse before hours are spent on hashing it."""
    limits = client.info().limits
    is_mesh = spec.WhichOneof("source") == "mesh"
    most = limits.max_mesh_bytes if is_mesh else limits.max_image_bytes
    size = path.stat().st_size
    if size > most:
        raise CallFailed(
            f"{path} has {size:,} bytes; the server takes at most {most:,}", "TOO_LARGE"
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


def _show_result(job: pb.Job, paths: list[Path], *, is_json: bool, is_quiet: bool) -> None:
    if is_json:
        print(json.dumps({"files": [str(path) for path in paths]}, ensure_ascii=False), flush=True)
        return
    if is_quiet:
        return
    for index, lod in enumerate(job.result.lods):
        print(
            f"LOD{index}  {lod.triangle_count:>9,} of {lod.budget:,} triangles, "
            f"off by at most {lod.deviation_max_m * 1000:.2f} mm, "
            f"shown from {lod.screen_coverage:.1%} of the view"
        )
    for path in paths:
        print(path)
