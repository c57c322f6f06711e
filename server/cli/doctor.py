"""What `lodsmith doctor` finds out: it starts what a job would need, and looks."""

import json
import platform
import textwrap
import time
from dataclasses import fields
from datetime import timedelta

from google.protobuf.json_format import MessageToDict

from server.cli.client import Client
from server.config import Configuration
from server.config.values import Bytes, Seconds, Setting, to_text
from server.pb import lodsmith_pb2 as pb

START_TIMEOUT_S = 180.0  # a large model from a cold disk
_LOOK_EVERY_S = 0.1


def examine(client: Client, configuration: Configuration | None, *, is_json: bool) -> bool:
    """Print what the server is; return whether nothing is missing.

    Args:
        client: Of the server.
        configuration: Of this machine, whose times and sizes are shown; None: it is another's.
        is_json: Print JSON.
    """
    info = _started(client)
    problems = [model.problem for model in info.models if model.problem]
    for worker in info.workers:
        is_told = worker.kind == pb.WORKER_KIND_GENERATOR and problems
        if worker.problem and not is_told:
            problems.append(worker.problem)
    if not any(_is_usable(worker, pb.WORKER_KIND_MESH) for worker in info.workers):
        problems.append("no mesh worker is ready")
    is_generator_due = all(model.available for model in info.models)
    if is_generator_due and not any(
        _is_usable(worker, pb.WORKER_KIND_GENERATOR) for worker in info.workers
    ):
        problems.append("no generator is ready")
    missing = [name for name, number in info.library_versions.items() if number == "not installed"]
    problems += [f"the library {name} is not installed" for name in sorted(missing)]
    problems = list(dict.fromkeys(problems))
    if is_json:
        document = MessageToDict(info) | {"problems": problems}
        print(json.dumps(document, ensure_ascii=False))
    else:
        lines = _lines(info) + ([] if configuration is None else _setting_lines(configuration))
        lines += [f"missing      {problem}" for problem in problems] or ["all is well"]
        print("\n".join(lines))
    return not problems


def _started(client: Client) -> pb.GetServerInfoResponse:
    """Wait until no worker is starting any more."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        info = client.info()
        is_starting = not info.workers or any(
            worker.state == pb.WORKER_STATE_STARTING for worker in info.workers
        )
        if not is_starting or time.monotonic() > deadline_s:
            return info
        time.sleep(_LOOK_EVERY_S)


def _is_usable(worker: pb.Worker, kind: int) -> bool:
    is_up = worker.state in (pb.WORKER_STATE_IDLE, pb.WORKER_STATE_BUSY)
    return worker.kind == kind and is_up and not worker.problem


def _lines(info: pb.GetServerInfoResponse) -> list[str]:
    lines = [
        f"lodsmith     {info.version}, Python {platform.python_version()}, {platform.platform()}",
        "libraries    " + ", ".join(f"{k} {v}" for k, v in sorted(info.library_versions.items())),
    ]
    for model in info.models:
        makes = [pb.Format.Name(number).removeprefix("FORMAT_").lower() for number in model.formats]
        lines += [
            f"model        {model.name or '-'}, licence {model.license or '-'}",
            f"             takes {', '.join(model.takes) or '-'}; makes {', '.join(makes) or '-'}",
            f"             {model.path or '-'}",
            f"             sha256 {model.digest or '-'}",
        ]
    for worker in info.workers:
        kind = pb.WorkerKind.Name(worker.kind).removeprefix("WORKER_KIND_").lower()
        state = pb.WorkerState.Name(worker.state).removeprefix("WORKER_STATE_").lower()
        backends = ", ".join(f"{k}: {v}" for k, v in sorted(worker.backends.items()))
        lines.append(f"{kind:<12} {state}, {worker.device or '-'}; {backends or '-'}")
    return lines + _limit_lines(info.limits)


def _limit_lines(limits: pb.Limits) -> list[str]:
    """What the server refuses; what it does not limit is left out."""
    lines = [
        f"limits       prompt {limits.max_prompt_characters:,} characters",
        f"             picture {_size(limits.max_image_bytes)}, "
        f"{limits.max_image_pixels / 1e6:,.0f} million pixels",
        f"             {limits.max_images} pictures of an object, {limits.max_variants} variants",
        f"             mesh {_size(limits.max_mesh_bytes)}, "
        f"{limits.max_mesh_triangles:,} triangles, adapter {_size(limits.max_adapter_bytes)}",
        f"             queue {limits.max_queued_jobs:,} jobs",
        f"             free disk at least {_size(limits.min_free_disk_bytes)}",
    ]
    if limits.max_project_jobs:
        lines.append(f"             project {limits.max_project_jobs:,} jobs")
    if limits.max_project_bytes:
        lines.append(f"             project {_size(limits.max_project_bytes)}")
    if limits.HasField("max_run_timeout"):
        lines.append(f"             job runs {_time(limits.max_run_timeout.ToTimedelta())}")
    if limits.HasField("job_retention"):
        lines.append(f"             job is kept {_time(limits.job_retention.ToTimedelta())}")
    return [
        *lines,
        f"             project {limits.max_watches:,} watches",
        f"             connection {limits.max_connection_streams:,} calls at once",
        f"             server {limits.max_health_watches:,} watches of its health, "
        f"{limits.max_infer_calls:,} calls of /v1/infer at once",
    ]


def _setting_lines(configuration: Configuration) -> list[str]:
    """The settings that are times and sizes of this machine's servers."""
    lines = [f"settings     {configuration.file or 'no file'}; all: lodsmith config show"]
    for label, kind in (("times", Seconds), ("sizes", Bytes)):
        shown = [
            f"{setting.name} {to_text(kind, getattr(configuration.config, setting.name))}"
            for setting in fields(configuration.config)
            if setting.type == kind and not setting.name.startswith(("max_", "min_"))  # limits
        ]
        lines += textwrap.wrap(
            ", ".join(shown),
            100,
            initial_indent=f"{label:<13}",
            subsequent_indent=" " * 13,
            break_on_hyphens=False,
        )
    return lines


def _size(size_bytes: Setting) -> str:
    return to_text(Bytes, size_bytes)


def _time(duration: timedelta) -> str:
    return to_text(Seconds, duration.total_seconds())
