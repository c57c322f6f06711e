"""What survives the end of a server, however it ends. Servers here are processes of their own."""

import os
import re
import select
import signal
import subprocess
import sys
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
def server_process(config: ServerConfig, data_dir: Path, drain_s: float) -> Iterator[ServerProcess]:
    environment = os.environ | {
        "LODSMITH_PORT": "0",
        "LODSMITH_DATA_DIR": str(data_dir),
        "LODSMITH_MODELS": config.models[0],
        "LODSMITH_PIPELINE": config.pipeline,
        "LODSMITH_SPARE_MESH_WORKERS": "0",
        "LODSMITH_WARM_GENERATOR": "false",
        "LODSMITH_MIN_FREE_DISK_BYTES": "0",
        "LODSMITH_DRAIN_S": str(drain_s),
        "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "server"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"listening on (\S+)", line):
                break
        else:
            raise AssertionError("the server ended before it listened")
        yield ServerProcess(process=process, peer=Peer(found[1], config))
    finally:
        process.kill()
        process.communicate()


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not ours has ended."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([watched], [], [], 10)[0], f"process {pid} lives on"
    os.close(watched)


def test_jobs_survive_a_server_that_is_killed(config: ServerConfig, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with server_process(config, tmp_path / "data", drain_s=30) as first:
        running = first.peer.create_mesh(f"slow-once {marker}")
        waiting = first.peer.create_mesh("a mesh that waits")
        first.peer.until(running, pb.STAGE_KIND_PREPROCESS)
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
        server.peer.until(job, pb.STAGE_KIND_PREPROCESS)
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
