"""How soon the first event arrives, and how soon a cancelled job's worker is free.

    python -m benchmarks.responsiveness [GLB]

Runs an own server with the default configuration; the model is loaded before measuring.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from server.cli.client import Client
from server.cli.embedded import running_server
from server.config import read_config
from server.pb import lodsmith_pb2 as pb

ROUNDS = 10
MESH_STAGES = ("PREPROCESS", "REPAIR", "SIMPLIFY", "UNWRAP", "BAKE", "LODS", "COLLISION", "EXPORT")


def first_event_ms(client: Client, spec: pb.JobSpec) -> float:
    """From the call of CreateJob to the first event of WatchJob."""
    started = time.monotonic()
    job = client.create(spec)
    next(iter(client.watch(job.name)))
    elapsed = time.monotonic() - started
    client.cancel(job.name)
    for _ in client.watch(job.name):
        pass
    return 1000 * elapsed


def cancel_in_stage(client: Client, spec: pb.JobSpec, stage: int) -> tuple[float, float] | None:
    """Seconds from CancelJob in `stage` to the job's end, and to the next job's first stage."""
    job = client.create(spec)
    reached = 0
    for event in client.watch(job.name):
        if event.WhichOneof("kind") == "progress" and event.progress.stage == stage:
            reached = event.sequence
            break
    if not reached:
        return None  # the stage was over before it could be cancelled
    started = time.monotonic()
    client.cancel(job.name)
    for _ in client.watch(job.name, reached):
        pass
    ended = time.monotonic() - started
    following = client.create(spec)
    for event in client.watch(following.name):
        if event.WhichOneof("kind") == "progress":
            break
    free = time.monotonic() - started
    client.cancel(following.name)
    for _ in client.watch(following.name):
        pass
    return ended, free


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = read_config(
            os.environ,
            flags={
                "host": "127.0.0.1",
                "port": 0,
                "data_dir": Path(folder),
                "warm_generator": True,
            },
            defaults={"log_level": "WARNING"},
        )
        with running_server(config) as address, Client(address) as client:
            prompt = pb.JobSpec(prompt="a wooden barrel", ignore_cache=True)
            for _ in client.watch(client.create(prompt).name):
                pass  # loads the model and compiles kernels once
            times = [first_event_ms(client, prompt) for _ in range(ROUNDS)]
            print(f"first event: median {statistics.median(times):.1f} ms, max {max(times):.1f} ms")
            specs = [(prompt, "SPARSE_STRUCTURE"), (prompt, "SLAT")]
            if len(sys.argv) > 1:
                mesh = pb.JobSpec(
                    mesh=client.upload(Path(sys.argv[1]), lambda _: None), ignore_cache=True
                )
                specs += [(mesh, name) for name in MESH_STAGES]
            print(
                "| cancelled in | job ended after | worker took the next job after |\n|---|---|---|"
            )
            for spec, name in specs:
                result = cancel_in_stage(client, spec, pb.StageKind.Value(f"STAGE_KIND_{name}"))
                if result is None:
                    print(f"| {name.lower()} | over too soon | |")
                else:
                    print(f"| {name.lower()} | {result[0]:.3f} s | {result[1]:.3f} s |")


if __name__ == "__main__":
    main()
