"""The core against a real server: jobs to their last event, whatever happens on the way."""

import asyncio
import base64
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.access.principal import Scope
from server.access.tokens import TokenStore
from server.config import ServerConfig
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer, serving
from tests.server.transport.conftest import Services, free_port, http_port_of, port_of
from tests.unity_client.conftest import Command, Core, Failure
from tests.wire.cutting_proxy import CuttingProxy


def create(core: Core, prompt: str) -> pb.Job:
    """Create a job by way of the core."""
    request = pb.CreateJobRequest(request_id=uuid.uuid4().hex, spec=pb.JobSpec(prompt=prompt))
    response = core.call("CreateJob", request.SerializeToString())
    return pb.CreateJobResponse.FromString(response).job


def follow(core: Core, job: pb.Job, after: int = 0, epoch: str = "") -> Command:
    return core.start("follow", job.name, after, epoch)


def without_heartbeats(events: Iterator[pb.JobEvent]) -> Iterator[pb.JobEvent]:
    return (event for event in events if event.WhichOneof("kind") != "heartbeat")


def assert_whole(server: Peer, events: list[pb.JobEvent]) -> None:
    """Hold what was heard against the server's log: nothing missed, nothing twice."""
    first, *rest = events
    assert first.WhichOneof("kind") == "snapshot"
    log = server.events(first.snapshot, after=first.sequence)
    assert rest == log
    assert [event.sequence for event in events] == list(
        range(first.sequence, events[-1].sequence + 1)
    )


def test_the_server_is_told_whole(core: Core, server: Peer, address: str) -> None:
    response = core.connect(address).call("GetServerInfo")
    info = pb.GetServerInfoResponse.FromString(response)
    expected = server.client.info()
    for message in (info, expected):
        for workers_come_up in ("workers", "model", "models"):
            message.ClearField(workers_come_up)
    assert info == expected
    assert info.http_port == http_port_of(server)


def test_a_job_is_made_and_followed_to_its_end(core: Core, server: Peer, address: str) -> None:
    job = create(core.connect(address), "steps9 of a barrel, ein Faß, 樽")
    events = [*without_heartbeats(follow(core, job).events())]
    assert_whole(server, events)
    finished = events[-1].finished
    assert finished.state == pb.JOB_STATE_SUCCEEDED
    assert finished.spec.prompt == "steps9 of a barrel, ein Faß, 樽"


def test_a_mesh_goes_up_and_its_asset_comes_down(
    core: Core, server: Peer, address: str, tmp_path: Path
) -> None:
    (tmp_path / "mesh.glb").write_bytes(b"a mesh " + uuid.uuid4().bytes)
    _, sent = core.connect(address).start("upload", tmp_path / "mesh.glb").result()
    digest = pb.Digest.FromString(base64.b64decode(sent))
    request = pb.CreateJobRequest(spec=pb.JobSpec(mesh=digest, asset_name="Crate"))
    response = core.call("CreateJob", request.SerializeToString())
    *_, last = follow(core, pb.CreateJobResponse.FromString(response).job).events()
    artifacts = last.finished.result.artifacts
    assert [artifact.role for artifact in artifacts] == ["model", "report", "preview"]
    for artifact in artifacts:
        path = tmp_path / artifact.file_name
        core.start("download", artifact.digest.SerializeToString(), path).result()
        assert path.read_bytes() == server.content(artifact.digest)


UNARY = [
    method.name
    for service in pb.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if not (method.client_streaming or method.server_streaming)
]


@pytest.mark.parametrize("method", UNARY)
def test_every_call_reaches_its_method(core: Core, address: str, method: str) -> None:
    """An empty request is answered, or refused by the method itself."""
    end = "Ok"
    try:
        core.connect(address).call(method)
    except Failure as failure:
        end = failure.details["code"]
    assert end in ("Ok", "InvalidArgument", "NotFound")


def test_a_job_is_followed_from_a_cursor(core: Core, server: Peer, address: str) -> None:
    job = create(core.connect(address), "fast")
    server.finished(job)
    events = [*follow(core, job, after=5, epoch=job.log_epoch).events()]
    assert events == server.events(job, after=5)
    assert events[0].sequence == 6


def test_a_job_can_be_cancelled(core: Core, server: Peer, address: str) -> None:
    job = create(core.connect(address), f"slow {uuid.uuid4()}")
    command = follow(core, job)
    for event in command.events():
        if event.WhichOneof("kind") == "progress":
            request = pb.CancelJobRequest(name=job.name).SerializeToString()
            core.call("CancelJob", request)
            break
    *_, last = command.events()
    assert last.finished.state == pb.JOB_STATE_CANCELLED


def test_cuts_lose_and_repeat_nothing(core: Core, server: Peer) -> None:
    # A head is about 350 bytes, a snapshot 450, an event 80: cuts in heads, lengths and messages.
    cut_down = [1000, 600, 503, 650, 200, 577]
    with CuttingProxy(http_port_of(server), cut_down=cut_down) as proxy:
        job = server.create(f"steps200 {uuid.uuid4()}")
        events = [*without_heartbeats(follow(core.connect(proxy.address), job).events())]
        assert proxy.cuts == len(cut_down)
    assert_whole(server, events)
    assert events[-1].finished.state == pb.JOB_STATE_SUCCEEDED


def test_a_restart_of_the_server_loses_and_repeats_nothing(
    core: Core, server_config: ServerConfig, tmp_path: Path
) -> None:
    config = replace(
        server_config, http_port=free_port(), data_dir=tmp_path / "data", spare_mesh_workers=0
    )
    core.connect(f"http://127.0.0.1:{config.http_port}")
    events: list[pb.JobEvent] = []
    with serving(config):
        job = create(core, "ticks4 before and after")
        stream = without_heartbeats(follow(core, job).events())
        for event in stream:
            events.append(event)
            if event.WhichOneof("kind") == "progress" and event.progress.fraction > 0:
                break
    with serving(config) as again:
        events += stream
        assert_whole(again, events)
    states = [event.state for event in events if event.WhichOneof("kind") == "state"]
    assert states.count(pb.JOB_STATE_RUNNING) == 2
    assert events[-1].finished.state == pb.JOB_STATE_SUCCEEDED


def test_a_cursor_of_another_log_begins_anew(core: Core, server: Peer, address: str) -> None:
    job = server.create("quick")
    server.finished(job)
    for after, epoch in ((3, "of another server"), (1_000, "")):
        events = [*follow(core.connect(address), job, after, epoch).events()]
        kinds = [event.WhichOneof("kind") for event in events]
        assert kinds[-1] == "finished"
        assert events[0].sequence == job.last_sequence or kinds[0] in ("snapshot", "finished")


def test_a_job_that_is_not_there_is_not_waited_for(core: Core, address: str) -> None:
    failure = follow(core.connect(address), pb.Job(name="jobs/0")).error()
    assert (failure.details["code"], failure.details["reason"]) == ("NotFound", "JOB_NOT_FOUND")


def test_following_can_be_left_and_the_job_goes_on(core: Core, server: Peer, address: str) -> None:
    job = create(core.connect(address), f"steps40 {uuid.uuid4()}")
    command = follow(core, job)
    next(command.events())
    started = time.monotonic()
    command.cancel()
    assert command.error().kind in ("OperationCanceledException", "TaskCanceledException")
    assert time.monotonic() - started < 5
    assert server.finished(job).state == pb.JOB_STATE_SUCCEEDED


def test_a_disposed_client_ends_what_runs(core: Core, server: Peer, address: str) -> None:
    job = create(core.connect(address), f"slow {uuid.uuid4()}")
    command = follow(core, job)
    next(command.events())
    core.start("dispose").result()
    assert command.error().kind in ("ObjectDisposedException", "OperationCanceledException")
    server.client.cancel(job.name)


def test_streams_do_not_hold_up_calls(core: Core, server: Peer, address: str) -> None:
    core.connect(address)
    jobs = [create(core, f"slow {index} {uuid.uuid4()}") for index in range(6)]
    streams = [follow(core, job) for job in jobs]
    for stream in streams:
        next(stream.events())
    core.call("GetServerInfo")
    for job in jobs:
        core.call("CancelJob", pb.CancelJobRequest(name=job.name).SerializeToString())
    for stream in streams:
        *_, last = stream.events()
        assert last.finished.state == pb.JOB_STATE_CANCELLED


class Scripted(Services):
    """A server whose watches say what a test wants, one stream after the other."""

    def __init__(self, *streams: Sequence[pb.JobEvent | None]) -> None:
        self.streams = [*streams]
        self.cursors: list[int] = []

    async def watch_job(self, request: pb.WatchJobRequest, call: Any) -> Any:
        self.cursors.append(request.after_sequence)
        for event in self.streams.pop(0):
            yield pb.WatchJobResponse(event=event)


def follow_script(core: Core, script: Scripted) -> list[pb.JobEvent]:
    """Follow a job on a scripted server. Raises `Failure`."""

    async def serve_and_follow() -> list[pb.JobEvent]:
        async with port_of(script) as (_, port):
            core.connect(f"http://127.0.0.1:{port}")
            command = follow(core, pb.Job(name="jobs/1"))
            return await asyncio.to_thread(lambda: [*command.events()])

    return asyncio.run(serve_and_follow())


def event(sequence: int, **kind: Any) -> pb.JobEvent:
    return pb.JobEvent(sequence=sequence, **kind or {"state": pb.JOB_STATE_RUNNING})


SNAPSHOT = pb.Job(log_epoch="e")
DONE = pb.Job(state=pb.JOB_STATE_SUCCEEDED)


def test_repeats_are_heard_once(core: Core) -> None:
    heartbeat = event(0, heartbeat=pb.Heartbeat())
    script = Scripted(
        [event(3, snapshot=SNAPSHOT), event(4), heartbeat],
        [event(3), event(4), event(5)],
        [event(6), event(6), event(7, finished=DONE)],
    )
    heard = [heard.sequence for heard in follow_script(core, script)]
    assert heard == [3, 4, 0, 5, 6, 7]
    assert script.cursors == [0, 4, 5]


def test_a_log_that_is_no_more_goes_on_with_a_snapshot(core: Core) -> None:
    script = Scripted([event(1)], [event(9, snapshot=SNAPSHOT), event(12, finished=DONE)])
    assert [heard.sequence for heard in follow_script(core, script)] == [1, 9, 12]


def test_a_gap_is_an_error(core: Core) -> None:
    with pytest.raises(Failure, match="after event 3 of jobs/1 came event 5") as caught:
        follow_script(core, Scripted([event(3, snapshot=SNAPSHOT), event(5)]))
    assert caught.value.details["code"] == "DataLoss"


def test_a_stream_that_says_nothing_is_opened_again(core: Core) -> None:
    script = Scripted([], [None], [event(1)], [event(2, finished=DONE)])
    assert [heard.sequence for heard in follow_script(core, script)] == [1, 2]


@contextmanager
def silent_peer(says: bytes) -> Iterator[str]:
    """A server that says some bytes to each request and then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                held.append(client)
                client.recv(4096)
                client.sendall(says)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for client in held:
            client.close()


HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc-web+proto\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 2", HEAD, HEAD + b"3\r\n\0\0\0\r\n"])
def test_a_silent_server_is_not_waited_for(core: Core, says: bytes, tmp_path: Path) -> None:
    with silent_peer(says) as address:
        core.connect(address, idle_s=0.4, call_s=0.4, patience_s=1.5)
        started = time.monotonic()
        call = core.start("call", "GetServerInfo", b"").error()
        watch = follow(core, pb.Job(name="jobs/1")).error()
        download = pb.Digest(sha256=bytes(32), size_bytes=9).SerializeToString()
        fetch = core.start("download", download, tmp_path / "blob").error()
    for failure in (call, watch, fetch):
        assert failure.details.get("code") == "DeadlineExceeded", failure
        assert "0.4 s" in failure.message
    assert (
        time.monotonic() - started < 20
    )  # three of at most two seconds, on a machine that is busy


def test_a_stream_that_speaks_is_left_alone(core: Core, server: Peer) -> None:
    with CuttingProxy(http_port_of(server)) as proxy:
        job = server.create(f"ticks6 {uuid.uuid4()}")  # three seconds, twice a second a word
        events = [*follow(core.connect(proxy.address, idle_s=2), job).events()]
        assert proxy.connections == 1
    assert events[-1].finished.state == pb.JOB_STATE_SUCCEEDED


@pytest.mark.parametrize(
    "says",
    [
        b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x64",  # HTTP/2, as the gRPC port speaks it
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        b"HTTP/1.1 9999999999 OK\r\n\r\n",
        HEAD + b"ffffffffffffffffffff\r\n",
        HEAD + b"5\r\n\x80\0\0\0\0",
        b"\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000,
    ],
)
def test_whatever_answers_the_errors_are_typed(core: Core, says: bytes) -> None:
    with silent_peer(says) as address:
        core.connect(address, call_s=0.5)
        failure = core.start("call", "GetServerInfo", b"").error()
    assert failure.kind == "LodsmithException", failure
    assert failure.details["code"] in ("Unavailable", "DeadlineExceeded", "Unknown", "Internal")


def test_nobody_there_is_said_with_the_way_out(core: Core) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    failure = core.connect(address).start("call", "GetServerInfo", b"").error()
    assert failure.details["code"] == "Unavailable"
    assert failure.message.startswith(f"no Lodsmith server answers at {address} (")
    assert "50052" in failure.message


def test_the_grpc_port_is_no_http_port(core: Core, server: Peer) -> None:
    core.connect(f"http://{server.address}", call_s=5)
    failure = core.start("call", "GetServerInfo", b"").error()
    assert failure.details["code"] == "Unavailable"
    assert "is this its HTTP port" in failure.message


def test_patience_ends(core: Core) -> None:
    core.connect(f"http://127.0.0.1:{free_port()}", patience_s=0.6)
    started = time.monotonic()
    failure = follow(core, pb.Job(name="jobs/1")).error()
    assert failure.details["code"] == "Unavailable"
    assert 0.1 < time.monotonic() - started < 10


Guarded = tuple[str, Callable[[frozenset[Scope]], str]]


@pytest.fixture(scope="module")
def guarded(
    server_config: ServerConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """A server that asks for tokens: its address, and what makes one with some scopes."""
    data_dir = tmp_path_factory.mktemp("guarded")
    config = replace(
        server_config,
        auth="token",
        http_port=free_port(),
        data_dir=data_dir,
        warm_generator=False,
        spare_mesh_workers=0,
    )
    with serving(config):
        tokens = TokenStore(data_dir / "access.sqlite3", clock=lambda: 1)

        def add(scopes: frozenset[Scope]) -> str:
            return tokens.add(name="p", project="p", scopes=scopes, expire_us=None)[1]

        yield f"http://127.0.0.1:{config.http_port}", add
        tokens.close()


def test_a_token_is_sent(core: Core, guarded: Guarded) -> None:
    address, token_with = guarded
    core.connect(address, token_with(frozenset({Scope.JOBS_READ})))
    failure = core.start("call", "GetJob", pb.GetJobRequest(name="jobs/0").SerializeToString())
    assert failure.error().details["reason"] == "JOB_NOT_FOUND"
    refused = core.start("call", "CreateJob", pb.CreateJobRequest().SerializeToString()).error()
    assert refused.details["code"] == "PermissionDenied"
    assert refused.details["reason"] == "SCOPE_MISSING"
    assert refused.details["metadata:scope"] == "jobs:write"


@pytest.mark.parametrize("token", ["", "lodsmith_wrong_token"])
def test_a_wrong_token_is_refused_and_not_told(
    core: Core, guarded: Guarded, token: str, tmp_path: Path
) -> None:
    address, _ = guarded
    core.connect(address, token)
    digest = pb.Digest(sha256=bytes(32), size_bytes=9).SerializeToString()
    for command in (
        core.start("call", "GetServerInfo", b""),
        follow(core, pb.Job(name="jobs/1")),
        core.start("download", digest, tmp_path / "blob"),
    ):
        failure = command.error()
        assert failure.details["code"] == "Unauthenticated"
        assert failure.details["reason"] == "TOKEN_INVALID"
        assert failure.details["transient"] == "False"
        assert not token or token not in failure.message


@pytest.mark.parametrize(
    ("address", "token", "says"),
    [
        ("http://192.168.0.7:50052", "s3cret", "unencrypted"),
        ("http://127.0.0.1:50052", "s3cret\n", "copy it again"),
        ("http://127.0.0.1:50052", "s3crét", "copy it again"),
        ("grpcs://127.0.0.1:50052", "", "http://127.0.0.1:50052"),
        ("http://me:s3cret@127.0.0.1:50052", "", "http://127.0.0.1:50052"),
    ],
)
def test_addresses_and_tokens_are_checked(core: Core, address: str, token: str, says: str) -> None:
    failure = core.start("connect", address, token, 1, 1, 1).error()
    assert failure.kind == "ArgumentException"
    assert says in failure.message
    assert "s3cr" not in failure.message


def test_events_come_as_they_happen(core: Core, server: Peer, address: str) -> None:
    """Every event is heard; how late, is printed (a busy machine is late)."""
    job = create(core.connect(address), f"steps100 {uuid.uuid4()}")
    lags_ms = []
    for kind, content, heard in follow(core, job).said():
        assert kind == "event"
        event = pb.JobEvent.FromString(base64.b64decode(content))
        if event.WhichOneof("kind") in ("progress", "state"):
            lags_ms.append(1000 * float(heard) - event.event_time.ToMilliseconds())
    assert len(lags_ms) > 5
    lags_ms.sort()
    print(
        f"{len(lags_ms)} events, from the server's clock to the callback: "
        f"median {lags_ms[len(lags_ms) // 2]:.0f} ms, longest {lags_ms[-1]:.0f} ms"
    )
