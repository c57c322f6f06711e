"""The client against a real server: events, uploads and downloads across cuts and restarts."""

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from lodsmith.client import CHUNK_BYTES, Client
from lodsmith.rpc import CallFailed, Code, Server, Stop, Stopped
from lodsmith.schema import JobState
from lodsmith.wire import Message

from tests.server.conftest import Peer
from tests.server.transport.conftest import free_port, http_port_of
from tests.wire.cutting_proxy import CuttingProxy

MIB = 1 << 20
CUTS = (200 << 10, 500 << 10, 900 << 10, 300 << 10, 700 << 10)


def client_of(peer: Peer, token: str = "") -> Client:
    return Client(Server(address_of(peer), token))


def address_of(peer: Peer) -> str:
    return f"http://127.0.0.1:{http_port_of(peer)}"


def create(client: Client, prompt: str) -> Message:
    spec = Message("JobSpec", prompt=prompt, seed=1)
    return client.call("CreateJob", Stop(), spec=spec).job


def quiet(done: int, total: int) -> None: ...


def sequences(events: list[Message]) -> list[int]:
    return [event.sequence for event in events if event.which("kind") != "heartbeat"]


def in_a_row(numbers: list[int]) -> bool:
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_job_from_its_creation_to_its_file(server: Peer, tmp_path: Path) -> None:
    client = client_of(server)
    info = client.call("GetServerInfo", Stop())
    assert info.version
    job = create(client, "warn of a barrel")
    events: list[Message] = []
    ended = client.follow(job.name, events.append, Stop())
    assert ended.state == JobState.SUCCEEDED
    assert [warning.message for warning in ended.warnings] == ["the back of it is invented"]
    kinds = [event.which("kind") for event in events]
    assert (kinds[0], kinds[-1]) == ("snapshot", "finished")
    artifact = next(one for one in ended.result.artifacts if one.role == "model")
    path = tmp_path / artifact.file_name
    client.download(artifact.digest, path, quiet, Stop())
    assert hashlib.sha256(path.read_bytes()).digest() == artifact.digest.sha256
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_followed_job_can_be_cancelled(server: Peer) -> None:
    client = client_of(server)
    job = create(client, "slow barrel")

    def cancel_once_it_runs(event: Message) -> None:
        if event.which("kind") == "progress":
            client.call("CancelJob", Stop(), name=job.name)

    ended = client.follow(job.name, cancel_once_it_runs, Stop())
    assert ended.state == JobState.CANCELLED


def test_events_come_once_and_in_order_across_cuts(server: Peer) -> None:
    cuts = [900, 1100, 700, 1500, 800, 900, 1200, 600]
    with CuttingProxy(http_port_of(server), cut_down=cuts) as proxy:
        client = Client(Server(proxy.address))
        job = create(client_of(server), "steps400")
        events: list[Message] = []
        client.follow(job.name, events.append, Stop())
        assert proxy.cuts == len(cuts)
    assert in_a_row(sequences(events))
    assert len(events) > 20


def test_a_restart_of_the_server_loses_nothing(
    start_server: Callable[..., AbstractContextManager[Peer]],
    tmp_path: Path,
) -> None:
    port, marker = free_port(), tmp_path / "go-on"
    first = threading.Event()
    events: list[Message] = []

    def hear(event: Message) -> None:
        events.append(event)
        if event.which("kind") == "progress":
            first.set()

    ended: list[Message] = []
    with start_server(http_port=port) as peer:
        client = client_of(peer)
        job = create(client, f"wait {marker}")
        thread = threading.Thread(
            target=lambda: ended.append(client.follow(job.name, hear, Stop()))
        )
        thread.start()
        assert first.wait(20)
    marker.touch()
    with start_server(http_port=port):
        thread.join(30)
    assert ended[0].state == JobState.SUCCEEDED
    assert in_a_row(sequences(events))


def test_data_that_were_replaced_begin_with_a_snapshot(server: Peer) -> None:
    client = client_of(server)
    job = create(client, "a barrel")
    client.follow(job.name, lambda event: None, Stop())
    events: list[Message] = []
    client.follow(job.name, events.append, Stop(), after_sequence=1000, log_epoch="another")
    assert events[0].which("kind") == "snapshot"


def test_a_file_is_uploaded_across_cuts(server: Peer, tmp_path: Path) -> None:
    path = tmp_path / "model.glb"
    path.write_bytes(os.urandom(5 * MIB + 1))
    done: list[int] = []
    with CuttingProxy(http_port_of(server), cut_up=CUTS) as proxy:
        client = Client(Server(proxy.address))
        digest = client.upload(path, lambda bytes_done, total: done.append(bytes_done), Stop())
        assert proxy.cuts == len(CUTS)
        sent = proxy.up_bytes
    assert digest.sha256 == hashlib.sha256(path.read_bytes()).digest()
    assert done == sorted(done)
    assert done[-1] == path.stat().st_size
    assert sent < path.stat().st_size + (len(CUTS) + 1) * CHUNK_BYTES

    with CuttingProxy(http_port_of(server)) as proxy:
        again = Client(Server(proxy.address)).upload(path, quiet, Stop())
        assert again.to_bytes() == digest.to_bytes()
        assert proxy.up_bytes < 4096  # the server has it


def test_an_empty_file_is_uploaded(server: Peer, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert client_of(server).upload(path, quiet, Stop()).size_bytes == 0


def test_a_blob_is_downloaded_across_cuts(server: Peer, tmp_path: Path) -> None:
    content = os.urandom(5 * MIB + 1)
    digest = blob(server, content)
    with CuttingProxy(http_port_of(server), cut_down=CUTS) as proxy:
        path = tmp_path / "asset.glb"
        Client(Server(proxy.address)).download(digest, path, quiet, Stop())
        assert proxy.cuts == len(CUTS)
        assert proxy.down_bytes < len(content) + 100 * 1024  # nothing came twice
    assert path.read_bytes() == content


def blob(peer: Peer, content: bytes) -> Message:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return client_of(peer).upload(Path(file.name), quiet, Stop())


@pytest.mark.parametrize("part", [b"", b"another's bytes", b"x" * (2 * MIB)])
def test_a_part_of_another_file_does_no_harm(
    server: Peer,
    tmp_path: Path,
    part: bytes,
) -> None:
    digest = blob(server, os.urandom(MIB))
    path = tmp_path / "asset.glb"
    path.with_name("asset.glb.part").write_bytes(part)
    client_of(server).download(digest, path, quiet, Stop())
    assert hashlib.sha256(path.read_bytes()).digest() == digest.sha256


def test_an_earlier_part_is_gone_on_with(server: Peer, tmp_path: Path) -> None:
    content = os.urandom(3 * MIB)
    digest = blob(server, content)
    path = tmp_path / "asset.glb"
    path.with_name("asset.glb.part").write_bytes(content[: 2 * MIB])
    with CuttingProxy(http_port_of(server)) as proxy:
        Client(Server(proxy.address)).download(digest, path, quiet, Stop())
        assert proxy.down_bytes < MIB + 4096
    assert path.read_bytes() == content


def test_a_size_that_is_not_the_blobs_is_refused(server: Peer, tmp_path: Path) -> None:
    digest = blob(server, b"x" * 1000)
    digest.size_bytes = 2000
    with pytest.raises(CallFailed, match="1,000 bytes where 2,000 should be") as caught:
        client_of(server).download(digest, tmp_path / "asset.glb", quiet, Stop())
    assert caught.value.code is Code.DATA_LOSS


def test_a_folder_that_cannot_be_written_is_named(server: Peer, tmp_path: Path) -> None:
    digest = blob(server, b"x" * 1000)
    with pytest.raises(OSError, match="no such folder"):
        client_of(server).download(digest, tmp_path / "no such folder/a.glb", quiet, Stop())


def test_what_the_server_says_arrives(server: Peer) -> None:
    with pytest.raises(CallFailed) as caught:
        client_of(server).call("CreateJob", Stop(), spec=Message("JobSpec"))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.reason == "INVALID_INPUT"
    assert caught.value.violations
    with pytest.raises(CallFailed) as caught:
        client_of(server).call("GetJob", Stop(), name="jobs/" + "0" * 32)
    assert caught.value.reason == "JOB_NOT_FOUND"
    assert not caught.value.is_transient


def test_patience_ends(tmp_path: Path) -> None:
    client = Client(Server(f"http://127.0.0.1:{free_port()}"), patience_s=0.5)
    with pytest.raises(CallFailed, match="there is no server"):
        client.call("GetServerInfo", Stop())


def test_stopping_ends_patience() -> None:
    client, stop = Client(Server(f"http://127.0.0.1:{free_port()}"), patience_s=60), Stop()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(Stopped):
        client.call("GetServerInfo", stop)
