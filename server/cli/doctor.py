"""What `lodsmith doctor` finds out: it starts what a job would need, and looks."""

import json
import platform
import time

from google.protobuf.json_format import MessageToDict

from server.cli.client import Client
from server.pb import lodsmith_pb2 as pb

START_TIMEOUT_S = 180.0  # a large model from a cold disk
_LOOK_EVERY_S = 0.1


def examine(client: Client, *, is_json: bool) -> bool:
    """Print what the server is; return whether nothing is missing."""
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
        print("\n".join(_lines(info, problems)))
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


def _lines(info: pb.GetServerInfoResponse, problems: list[str]) -> list[str]:
    limits = info.limits
    lines = [
        f"lodsmith     {info.version}, Python {platform.python_version()}, {platform.platform()}",
        "libraries    " + ", ".join(f"{k} {v}" for k, v in sorted(info.library_versions.items())),
    ]
    for model in info.models:
        makes = [pb.Format.Name(number).removeprefix("FORMAT_").lower() for number in model.formats]
        lines += [
            f"model        {model.name or '-'}, licence {model.license or '-'}",
            f"             takes {', '.join(model.takes) or '-'}; makes {', '.join(makes) or '-'}",
            f"             {model.path}",
            f"             sha256 {model.digest or '-'}",
        ]
    for worker in info.workers:
        kind = pb.WorkerKind.Name(worker.kind).removeprefix("WORKER_KIND_").lower()
        state = pb.WorkerState.Name(worker.state).removeprefix("WORKER_STATE_").lower()
        backends = ", ".join(f"{k}: {v}" for k, v in sorted(worker.backends.items()))
        lines.append(f"{kind:<12} {state}, {worker.device or '-'}; {backends or '-'}")
    lines += [
        f"limits       prompt {limits.max_prompt_characters:,} characters",
        f"             picture {limits.max_image_bytes / 1e6:,.0f} MB, "
        f"{limits.max_image_pixels / 1e6:,.0f} million pixels",
        f"             {limits.max_images} pictures of an object, {limits.max_variants} variants",
        f"             mesh {limits.max_mesh_bytes / 2**20:,.0f} MiB, "
        f"{limits.max_mesh_triangles:,} triangles, "
        f"adapter {limits.max_adapter_bytes / 2**20:,.0f} MiB",
        f"             queue {limits.max_queued_jobs:,} jobs",
        f"             free disk at least {limits.min_free_disk_bytes / 2**20:,.0f} MiB",
    ]
    return lines + ([f"missing      {problem}" for problem in problems] or ["all is well"])
