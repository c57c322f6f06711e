"""What survives the end of a server, however it ends. Servers here are processes of their own."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import pytest

from pipeline.errors import InvalidInput
from server.cli.embedded import running_server
from server.config import ServerConfig
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """`python -m server` and a client of it."""

    process: subprocess.Popen[str]
    peer: Peer


@contextmanager
def server_process(
    config: ServerConfig, data_dir: Path, drain_s: float, **variables: str
) -> Iterator[ServerProcess]:
    environment = os.environ | {
        "LODSMITH_PORT": "0",
        "LODSMITH_HTTP_PORT": "0",
        "LODSMITH_DATA_DIR": str(data_dir),
        "LODSMITH_MODELS": config.models[0],
        "LODSMITH_PIPELINE": config.pipeline,
        "LODSMITH_SPARE_MESH_WORKERS": "0",
        "LODSMITH_WARM_GENERATOR": "false",
        "LODSMITH_MIN_FREE_DISK_BYTES": "0",
        "LODSMITH_DRAIN_S": str(drain_s),
        "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path),
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "server"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"listening on (\S+:\d+)", line):
                break
        else:
            raise AssertionError("the server ended before it listened")
        yield ServerProcess(process=process, peer=Peer(found[1], config))
    finally:
        process.kill()
        process.communicate()


def wait_for_marker(marker: Path) -> None:
    """Wait until a task of `slow-once` is in the middle of its stage."""
    while not marker.exists() or not marker.read_text():
        time.sleep(0.01)


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not ours has ended."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([watched], [], [], 10)[0], f"process {pid} lives on"
    os.close(watched)


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of this machine."""

    pid: int
    parent: int
    session: int
    is_zombie: bool


def processes() -> list[Process]:
    """Return all processes."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # After the name, which may contain anything: state, parent, group, session.
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            process = Process(
                pid=int(entry.name),
                parent=int(words[1]),
                session=int(words[3]),
                is_zombie=words[0] == "Z",
            )
            found.append(process)
    return found


def kill_and_count_survivors(server: ServerProcess, worker_count: int) -> list[Process]:
    """Kill a server once it has so many workers; return what is left of their sessions after 2 s.

    A worker leads a session of its own, and all that it starts belongs to it.
    """
    workers: set[int] = set()
    while len(workers) < worker_count:
        workers = {process.pid for process in processes() if process.parent == server.process.pid}
    assert server.process.poll() is None
    server.process.send_signal(signal.SIGKILL)
    deadline_s = time.monotonic() + 2.0
    server.process.wait()
    while left := [one for one in processes() if one.session in workers and not one.is_zombie]:
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.01)
    return left


@pytest.mark.parametrize("work", ["idle", "python", "native", "gil", "threads", "child"])
def test_no_process_outlives_a_killed_server(
    config: ServerConfig, tmp_path: Path, work: str
) -> None:
    with server_process(config, tmp_path / "data", drain_s=0) as server:
        if work == "idle":
            server.peer.finished(server.peer.create_mesh("a mesh"))
        else:
            job = server.peer.create_mesh(f"{work} mesh")
            for event in server.peer.client.watch(job.name):
                if event.HasField("warning") or event.snapshot.warnings:
                    break  # it is in the middle of it
        assert kill_and_count_survivors(server, worker_count=1) == []


def test_no_worker_that_starts_outlives_a_killed_server(
    config: ServerConfig, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "endless").touch()
    variables = {"LODSMITH_MODELS": str(models), "LODSMITH_WARM_GENERATOR": "true"}
    with server_process(config, tmp_path / "data", drain_s=0, **variables) as server:
        server.peer.finished(server.peer.create_mesh("a mesh"))  # the generator started first
        assert kill_and_count_survivors(server, worker_count=2) == []


def test_no_worker_outlives_a_server_that_is_killed_right_after_starting_it(
    config: ServerConfig, tmp_path: Path
) -> None:
    with server_process(config, tmp_path / "data", drain_s=0) as server:
        assert kill_and_count_survivors(server, worker_count=1) == []


def test_jobs_survive_a_server_that_is_killed(config: ServerConfig, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with server_process(config, tmp_path / "data", drain_s=30) as first:
        running = first.peer.create_mesh(f"slow-once {marker}")
        waiting = first.peer.create_mesh("a mesh that waits")
        wait_for_marker(marker)
        seen = [first.peer.jobs.GetJob(pb.GetJobRequest(name=running.name)).job.last_sequence]
        assert first.process.poll() is None
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        wait_for_end(int(marker.read_text()))  # the worker does not outlive the server
    with server_process(config, tmp_path / "data", drain_s=30) as second:
        events = second.peer.events(running, after=seen[-1])
        assert [event.sequence for event in events] == list(
            range(seen[-1] + 1, seen[-1] + 1 + len(events))
        )
        assert events[0].state == pb.JOB_STATE_QUEUED
        assert events[-1].finished.state == pb.JOB_STATE_SUCCEEDED
        assert second.peer.finished(waiting).state == pb.JOB_STATE_SUCCEEDED


def test_sigterm_lets_running_jobs_end_and_begins_no_others(
    config: ServerConfig, tmp_path: Path
) -> None:
    go_on = tmp_path / "go_on"
    with server_process(config, tmp_path / "data", drain_s=30) as server:
        running = server.peer.create_mesh(f"wait {go_on}")
        waiting = server.peer.create_mesh("a mesh that waits")
        server.peer.until(running, pb.STAGE_KIND_PREPROCESS)
        left_behind = server.peer.jobs.WatchJob(pb.WatchJobRequest(name=waiting.name))
        next(left_behind)
        server.process.send_signal(signal.SIGTERM)
        while not server.peer.client.info().draining:
            pass
        with pytest.raises(grpc.RpcError) as refused:
            server.peer.jobs.CreateJob(pb.CreateJobRequest(spec=pb.JobSpec(prompt="late")))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        go_on.touch()
        assert server.peer.finished(running).state == pb.JOB_STATE_SUCCEEDED  # both its tasks
        with pytest.raises(grpc.RpcError) as cut:
            next(left_behind)
        assert cut.value.code() is grpc.StatusCode.UNAVAILABLE
        assert server.process.wait(10) == 0
    with server_process(config, tmp_path / "data", drain_s=30) as server:
        assert server.peer.finished(waiting).state == pb.JOB_STATE_SUCCEEDED


def test_what_does_not_end_in_time_goes_back_to_the_queue(
    config: ServerConfig, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    with server_process(config, tmp_path / "data", drain_s=0) as server:
        job = server.peer.create_mesh(f"slow-once {marker}")
        wait_for_marker(marker)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        wait_for_end(int(marker.read_text()))
    with server_process(config, tmp_path / "data", drain_s=0) as server:
        assert server.peer.finished(job).state == pb.JOB_STATE_SUCCEEDED


def test_a_data_folder_and_a_port_have_one_server(
    start_server: Callable[..., AbstractContextManager[Peer]], config: ServerConfig, tmp_path: Path
) -> None:
    with start_server(warm_generator=False) as peer:
        taken = replace(peer.config, data_dir=tmp_path / "data")
        with pytest.raises(InvalidInput, match="another server uses"), running_server(taken):
            pass
        port = int(peer.address.rsplit(":", 1)[1])
        other = replace(config, data_dir=tmp_path / "other", port=port)
        with pytest.raises(InvalidInput, match="cannot listen"), running_server(other):
            pass
