"""A thousand watchers at two events a second: delay, the server's cores, its memory.

    python -m benchmarks.watchers [--watchers 1000] [--minutes 10]

The server is a process of its own around the tests' pipeline, whose job reports twice a second; the
watchers share the machine with it. A bare grpc.aio stream that sends the same bytes to as many
watchers, without journal or checks, runs before for a minute: what the transport alone costs.
Delay is from the time in the event, taken before its commit, to its arrival, on one clock.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from server.pb import lodsmith_pb2 as pb
from server.pb import lodsmith_pb2_grpc as pb_grpc

HOST = "127.0.0.1"
STREAMS_PER_CHANNEL = 100  # what HTTP/2 servers allow on one connection by convention
EVENTS_PER_S = 2
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(kw_only=True)
class Seen:
    """What all watchers together saw. memory_mb: of the server, once a second."""

    delays_ms: list[float] = field(default_factory=list)
    gaps: int = 0
    memory_mb: list[float] = field(default_factory=list)


class Bare(pb_grpc.JobServiceServicer):
    """Sends the same event to every watcher twice a second."""

    async def WatchJob(  # noqa: N802
        self, request: pb.WatchJobRequest, context: object
    ) -> AsyncIterator[pb.WatchJobResponse]:
        for sequence in range(1, 10**9):
            event = pb.JobEvent(sequence=sequence)
            event.progress.stage = pb.STAGE_KIND_BAKE
            event.progress.fraction = event.progress.job_fraction = 0.5
            event.event_time.GetCurrentTime()
            yield pb.WatchJobResponse(event=event)
            await asyncio.sleep(1 / EVENTS_PER_S)


async def serve_bare(port: int) -> None:
    server = grpc.aio.server(options=[("grpc.server.max_pending_requests", 10_000)])
    pb_grpc.add_JobServiceServicer_to_server(Bare(), server)
    server.add_insecure_port(f"{HOST}:{port}")
    await server.start()
    await server.wait_for_termination()


@contextmanager
def bare_server() -> Iterator[tuple[int, int]]:
    """Yields pid and port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.watchers", "--bare", str(port)])
    try:
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


@contextmanager
def lodsmith_server(folder: Path) -> Iterator[tuple[int, int]]:
    """Yields pid and port."""
    port = free_port()
    models = folder / "models"
    models.mkdir()
    (models / "pipeline.json").write_text("{}")
    environment = os.environ | {
        "LODSMITH_PORT": str(port),
        "LODSMITH_HTTP_PORT": "0",
        "LODSMITH_DATA_DIR": str(folder / "data"),
        "LODSMITH_MODELS": str(models),
        "LODSMITH_PIPELINE": "tests.server.fake_pipeline",
        "LODSMITH_DEVICE": "cpu",
        "LODSMITH_CALL_RATE_PER_S": "0",  # all come at once
        "LODSMITH_LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen([sys.executable, "-m", "server"], env=environment)
    try:
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


async def measure(port: int, pid: int, *, name: str, count: int, seconds: float) -> Seen:
    """Have `count` watchers follow a job for so long."""
    seen = Seen()
    channels = [
        grpc.aio.insecure_channel(f"{HOST}:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        for _ in range(-(-count // STREAMS_PER_CHANNEL))
    ]
    stubs = [pb_grpc.JobServiceStub(channel) for channel in channels]
    is_counted = False

    async def watch(index: int) -> None:
        request = pb.WatchJobRequest(name=name)
        last = 0
        async for response in stubs[index // STREAMS_PER_CHANNEL].WatchJob(request):
            event = response.event
            if not event.sequence:  # a heartbeat
                continue
            if is_counted and event.WhichOneof("kind") == "progress":
                sent_s = event.event_time.seconds + event.event_time.nanos / 1e9
                seen.delays_ms.append(1000 * (time.time() - sent_s))
            if last and event.sequence != last + 1:
                seen.gaps += 1
            last = event.sequence

    watches = [asyncio.create_task(watch(index)) for index in range(count)]
    await asyncio.sleep(5)  # all are there
    ended = [task for task in watches if task.done()]
    assert not ended, f"{len(ended)} watches have ended: {ended[0]}"
    is_counted = True
    start_cpu_s = cpu_s(pid)
    start_s = time.monotonic()
    while time.monotonic() - start_s < seconds:
        await asyncio.sleep(1)
        seen.memory_mb.append(memory_mb(pid))
    cores = (cpu_s(pid) - start_cpu_s) / (time.monotonic() - start_s)
    for task in watches:
        task.cancel()
    await asyncio.gather(*watches, return_exceptions=True)
    for channel in channels:
        await channel.close()
    return report(seen, cores, count)


def report(seen: Seen, cores: float, count: int) -> Seen:
    delays = sorted(seen.delays_ms)
    p50, p99 = (delays[int(share * (len(delays) - 1))] for share in (0.5, 0.99))
    tenth = max(1, len(seen.memory_mb) // 10)
    first, last = (
        statistics.mean(part) for part in (seen.memory_mb[:tenth], seen.memory_mb[-tenth:])
    )
    print(
        f"  {count:,} watchers, {len(delays):,} events: delay p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
        f"max {delays[-1]:.0f} ms; {cores:.2f} cores; {first:.0f} -> {last:.0f} MB; "
        f"{seen.gaps} gaps",
        flush=True,
    )
    return seen


async def start_job(port: int, seconds: float) -> str:
    """Create a job that reports twice a second for so long, and wait until it does."""
    async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
        stub = pb_grpc.JobServiceStub(channel)
        spec = pb.JobSpec(prompt=f"ticks{int(seconds * EVENTS_PER_S)}")
        answer = await stub.CreateJob(pb.CreateJobRequest(spec=spec), wait_for_ready=True)
        async for response in stub.WatchJob(pb.WatchJobRequest(name=answer.job.name)):
            if response.event.progress.stage == pb.STAGE_KIND_SPARSE_STRUCTURE:
                break
        return answer.job.name


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, all its threads, without children."""
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / TICKS_PER_S


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def main(options: argparse.Namespace) -> None:
    print("bare grpc.aio stream")
    with bare_server() as (pid, port):
        await asyncio.sleep(3)
        await measure(port, pid, name="jobs/bare", count=options.watchers, seconds=60)
    seconds = 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder, lodsmith_server(Path(folder)) as (pid, port):
        name = await start_job(port, seconds + 60)
        print("Lodsmith")
        await measure(port, pid, name=name, count=options.watchers, seconds=seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--bare", type=int, default=0, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_bare(parsed.bare) if parsed.bare else main(parsed))
