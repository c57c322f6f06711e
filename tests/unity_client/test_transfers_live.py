"""The core against a real server: files up and down, whole or not at all."""

import base64
import hashlib
import http.server
import os
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer
from tests.server.transport.conftest import http_port_of
from tests.unity_client.conftest import Core
from tests.wire.cutting_proxy import CuttingProxy

CUTS = 5
SIZE = 3_000_001
LARGE = 50 << 20
HEADS = 20_000  # what a few heads of HTTP and small messages may come to


def digest_of(content: bytes) -> pb.Digest:
    return pb.Digest(sha256=hashlib.sha256(content).digest(), size_bytes=len(content))


def store(server: Peer, content: bytes) -> pb.Digest:
    """Upload bytes past the core."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return server.client.upload(Path(file.name), lambda share: None)


def upload(core: Core, path: Path) -> tuple[pb.Digest, list[int]]:
    """Upload a file; return its digest and all numbers that the progress went through."""
    *progress, (_, content) = core.start("upload", path).said()
    return pb.Digest.FromString(base64.b64decode(content)), [int(done) for _, done, _ in progress]


def download(core: Core, digest: pb.Digest, path: Path) -> list[int]:
    """Download a blob; return all numbers that the progress went through."""
    said = core.start("download", digest.SerializeToString(), path).said()
    return [int(words[1]) for words in said if words[0] == "progress"]


@pytest.fixture
def content() -> bytes:
    """Bytes that the server has never seen."""
    return os.urandom(SIZE)


@pytest.fixture
def source(content: bytes, tmp_path: Path) -> Path:
    """A file with them."""
    path = tmp_path / "source with ä space"
    path.write_bytes(content)
    return path


def test_a_file_goes_up_and_comes_back(
    core: Core, server: Peer, address: str, content: bytes, source: Path, tmp_path: Path
) -> None:
    digest, progress = upload(core.connect(address), source)
    assert digest == digest_of(content)
    assert progress == sorted(progress)
    assert progress[-1] == SIZE
    assert server.content(digest) == content
    target = tmp_path / "ein Faß.glb"
    assert download(core, digest, target)[-1] == SIZE
    assert target.read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ein Faß.glb", source.name]


def test_an_empty_file_goes_up_and_comes_back(core: Core, address: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    digest, _ = upload(core.connect(address), tmp_path / "empty")
    assert digest == digest_of(b"")
    download(core, digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


def test_an_upload_goes_on_after_cuts(
    core: Core, server: Peer, content: bytes, source: Path
) -> None:
    cut_up = [400_000, 100, 700_000, 300_000, 555_555]
    with CuttingProxy(http_port_of(server), cut_up=cut_up) as proxy:
        digest, progress = upload(core.connect(proxy.address), source)
        assert proxy.cuts == CUTS
        # At most one chunk of 256 KiB is sent again for each cut.
        assert proxy.up_bytes < SIZE + CUTS * (256 << 10) + HEADS
    assert progress == sorted(progress)
    assert server.content(digest) == content


def test_what_the_server_has_is_not_sent(
    core: Core, server: Peer, content: bytes, source: Path
) -> None:
    store(server, content)
    with CuttingProxy(http_port_of(server)) as proxy:
        digest, progress = upload(core.connect(proxy.address), source)
        assert proxy.up_bytes < 1000
    assert (digest, progress) == (digest_of(content), [SIZE])


def test_a_file_that_cannot_be_read_is_said(core: Core, address: str, tmp_path: Path) -> None:
    failure = core.connect(address).start("upload", tmp_path / "nothing here").error()
    assert failure.kind == "FileNotFoundException"
    assert "nothing here" in failure.message


def test_a_download_goes_on_after_cuts(
    core: Core, server: Peer, content: bytes, tmp_path: Path
) -> None:
    digest = store(server, content)
    cut_down = [500_000, 100, 700_000, 300_000, 1_000]
    with CuttingProxy(http_port_of(server), cut_down=cut_down) as proxy:
        progress = download(core.connect(proxy.address), digest, tmp_path / "blob")
        assert proxy.cuts == CUTS
        assert proxy.down_bytes < SIZE + HEADS  # nothing is fetched twice
    assert progress == sorted(set(progress))
    assert (tmp_path / "blob").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


def test_a_part_stays_after_a_failure_and_is_gone_on_from(
    core: Core, server: Peer, content: bytes, tmp_path: Path
) -> None:
    digest, part = store(server, content), tmp_path / "blob.part"
    with CuttingProxy(http_port_of(server), cut_down=[900_000] + [1] * 1000) as proxy:
        core.connect(proxy.address, patience_s=0.3)
        failure = core.start("download", digest.SerializeToString(), tmp_path / "blob").error()
    assert failure.details["code"] == "Unavailable"
    assert [path.name for path in tmp_path.iterdir()] == ["blob.part"]
    assert 800_000 < part.stat().st_size < 900_000
    assert content.startswith(part.read_bytes())
    with CuttingProxy(http_port_of(server)) as proxy:
        download(core.connect(proxy.address), digest, tmp_path / "blob")
        assert proxy.down_bytes < SIZE - 800_000 + HEADS
    assert (tmp_path / "blob").read_bytes() == content


@pytest.mark.parametrize("part", [b"of another blob", b"x" * (SIZE + 1), b"x" * SIZE])
def test_a_wrong_part_is_no_harm(
    core: Core, server: Peer, address: str, content: bytes, tmp_path: Path, part: bytes
) -> None:
    digest = store(server, content)
    (tmp_path / "blob.part").write_bytes(part)
    download(core.connect(address), digest, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == content
    assert not (tmp_path / "blob.part").exists()


def test_a_whole_part_needs_no_server(core: Core, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "blob.part").write_bytes(content)
    core.connect("http://127.0.0.1:1")
    download(core, digest_of(content), tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == content


def test_a_file_that_is_there_is_replaced(
    core: Core, server: Peer, address: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "blob").write_bytes(b"older")
    download(core.connect(address), store(server, content), tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == content


def test_a_blob_that_is_not_there_is_said(core: Core, address: str, tmp_path: Path) -> None:
    digest = digest_of(uuid.uuid4().bytes).SerializeToString()
    failure = core.connect(address).start("download", digest, tmp_path / "blob").error()
    assert (failure.details["code"], failure.details["reason"]) == ("NotFound", "BLOB_MISSING")
    assert not (tmp_path / "blob").exists()


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def file_server(answer: Answer) -> Iterator[str]:
    """A server of files that is not ours."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as peer:
        threading.Thread(target=peer.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{peer.server_address[1]}"
        peer.shutdown()


def sends(body: bytes, *, status: int = 200, **headers: str) -> Answer:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (sends(b"wrong", content_length="5"), "DataLoss", "does not hash to"),
        (sends(b"wrong bytes", content_length="11"), "DataLoss", "the server has 11"),
        (sends(b"wrong bytes"), "DataLoss", "the server has more"),
        (sends(b"no", status=404), "Unimplemented", "HTTP status 404"),
        (sends(b"", status=204), "Unavailable", "was cut"),
        (sends(b"s", status=206, content_range="bytes 4-4/5"), "Internal", "asked for 0-"),
    ],
)
def test_what_is_not_the_blob_is_not_kept(
    core: Core, tmp_path: Path, answer: Answer, code: str, says: str
) -> None:
    digest = digest_of(b"right").SerializeToString()
    with file_server(answer) as address:
        core.connect(address, patience_s=0.3)
        failure = core.start("download", digest, tmp_path / "blob").error()
    assert failure.details["code"] == code, failure
    assert says in failure.message
    assert not (tmp_path / "blob").exists()
    if "hash" in says:
        assert [*tmp_path.iterdir()] == []


def test_a_server_without_ranges_starts_again(core: Core, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "blob.part").write_bytes(content[:1000])
    with file_server(sends(content, content_length=str(SIZE))) as address:
        download(core.connect(address), digest_of(content), tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == content


def test_a_disk_that_takes_no_more_is_said(
    core_program: Path, server: Peer, address: str, content: bytes, tmp_path: Path
) -> None:
    digest = store(server, content).SerializeToString()
    # A limit of the process stands for the end of the disk: writing fails after a megabyte.
    limited = "trap '' XFSZ; exec prlimit --fsize=1000000 \"$@\""
    full = Core(core_program, "sh", "-c", limited, "sh")
    try:
        failure = full.connect(address).start("download", digest, tmp_path / "blob").error()
    finally:
        full.close()
    assert failure.kind == "IOException", failure
    assert f"cannot write {tmp_path / 'blob'}: " in failure.message
    assert [path.name for path in tmp_path.iterdir()] == ["blob.part"]


@pytest.mark.parametrize("target", ["no such folder/blob", "folder"])
def test_a_place_that_cannot_be_written_is_said(
    core: Core, server: Peer, address: str, content: bytes, tmp_path: Path, target: str
) -> None:
    (tmp_path / "folder.part").mkdir()
    digest = store(server, content).SerializeToString()
    failure = core.connect(address).start("download", digest, tmp_path / target).error()
    assert failure.kind == "IOException"
    assert f"cannot write {tmp_path / target}: " in failure.message


def test_a_download_can_be_cancelled_and_gone_on_with(
    core: Core, server: Peer, address: str, tmp_path: Path
) -> None:
    content = os.urandom(1 << 20) * 20
    digest = store(server, content)
    command = core.connect(address).start("download", digest.SerializeToString(), tmp_path / "blob")
    next(command.said())
    command.cancel()
    assert command.error().kind in ("OperationCanceledException", "TaskCanceledException")
    assert not (tmp_path / "blob").exists()
    assert 0 < (tmp_path / "blob.part").stat().st_size < len(content)
    download(core, digest, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == content


def test_fifty_mebibytes_go_to_the_disk(
    core: Core, server: Peer, address: str, tmp_path: Path
) -> None:
    """All bytes arrive; how long it takes is printed (a busy machine takes longer)."""
    content = os.urandom(1 << 20) * (LARGE >> 20)
    digest = store(server, content)
    command = core.connect(address).start("download", digest.SerializeToString(), tmp_path / "blob")
    _, seconds = command.result()
    assert (tmp_path / "blob").read_bytes() == content
    print(f"{LARGE >> 20} MiB to disk in {float(seconds):.2f} s")
