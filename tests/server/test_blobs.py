"""Uploads and downloads over a real channel."""

import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import pytest

from server.artifacts import CHUNK_BYTES
from server.cli.client import CallFailed
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer

CONTENT = bytes(range(256)) * 10_000  # 2.4 chunks


def digest_of(content: bytes) -> pb.Digest:
    return pb.Digest(sha256=hashlib.sha256(content).digest(), size_bytes=len(content))


def fresh(tag: str) -> bytes:
    """Return content that no other test uploads."""
    return tag.encode() + CONTENT


def messages(
    content: bytes, upload_id: str, digest: pb.Digest, start: int = 0, end: int | None = None
) -> Iterator[pb.WriteBlobRequest]:
    for offset in range(start, end or len(content), CHUNK_BYTES):
        data = content[offset : min(offset + CHUNK_BYTES, end or len(content))]
        yield pb.WriteBlobRequest(upload_id=upload_id, digest=digest, offset=offset, data=data)


def read(server: Peer, digest: pb.Digest, offset: int = 0, limit: int = 0) -> bytes:
    request = pb.ReadBlobRequest(digest=digest, offset=offset, limit=limit)
    return b"".join(response.data for response in server.blobs.ReadBlob(request))


def test_an_upload_comes_back_whole_and_in_parts(server: Peer) -> None:
    content, upload_id = fresh("whole"), uuid.uuid4().hex
    digest = digest_of(content)
    answer = server.blobs.WriteBlob(messages(content, upload_id, digest))
    assert (answer.complete, answer.committed_size) == (True, len(content))
    assert read(server, digest) == content
    assert read(server, digest, offset=5, limit=7) == content[5:12]
    assert read(server, digest, offset=len(content)) == b""


def test_an_upload_goes_on_where_it_was_cut(server: Peer) -> None:
    content, upload_id = fresh("resume"), uuid.uuid4().hex
    digest = digest_of(content)
    query = pb.QueryBlobWriteRequest(upload_id=upload_id, digest=digest)
    assert server.blobs.QueryBlobWrite(query).committed_size == 0
    cut = server.blobs.WriteBlob(messages(content, upload_id, digest, end=CHUNK_BYTES))
    assert (cut.complete, cut.committed_size) == (False, CHUNK_BYTES)
    assert server.blobs.QueryBlobWrite(query).committed_size == CHUNK_BYTES
    rest = server.blobs.WriteBlob(messages(content, upload_id, digest, start=CHUNK_BYTES))
    assert rest.complete
    assert server.blobs.QueryBlobWrite(query).complete
    assert read(server, digest) == content


def test_an_upload_survives_a_client_that_dies(server: Peer) -> None:
    content, upload_id = fresh("dies"), uuid.uuid4().hex
    digest = digest_of(content)

    def dying() -> Iterator[pb.WriteBlobRequest]:
        yield next(messages(content, upload_id, digest))
        raise ConnectionError

    with pytest.raises(grpc.RpcError):
        server.blobs.WriteBlob(dying())
    query = pb.QueryBlobWriteRequest(upload_id=upload_id, digest=digest)
    start = server.blobs.QueryBlobWrite(query).committed_size
    assert start in (0, CHUNK_BYTES)
    assert server.blobs.WriteBlob(messages(content, upload_id, digest, start=start)).complete


def test_what_the_server_has_is_not_sent_again(server: Peer, tmp_path: Path) -> None:
    path = tmp_path / "mesh.glb"
    path.write_bytes(fresh("twice"))
    shares: list[float] = []
    server.client.upload(path, shares.append)
    assert len(shares) > 1
    shares.clear()
    server.client.upload(path, shares.append)
    assert shares == [1.0]
    content, upload_id = fresh("twice"), uuid.uuid4().hex  # nor does it harm to send it
    assert server.blobs.WriteBlob(messages(content, upload_id, digest_of(content))).complete


def test_an_empty_blob_is_a_blob(server: Peer) -> None:
    digest, upload_id = digest_of(b""), uuid.uuid4().hex
    message = pb.WriteBlobRequest(upload_id=upload_id, digest=digest)
    assert server.blobs.WriteBlob(iter([message])).complete
    assert read(server, digest) == b""


def test_the_largest_of_the_limits_is_the_limit_of_an_upload(
    start_server: Callable[..., AbstractContextManager[Peer]],
) -> None:
    changes = {"max_image_bytes": 10, "max_mesh_bytes": 20, "max_adapter_bytes": 30}
    with start_server(warm_generator=False, **changes) as peer:
        peer.upload("x" * 30)
        with pytest.raises(grpc.RpcError, match="at most 30 bytes") as refused:
            peer.upload("x" * 31)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(CallFailed, match="at most 20 bytes"):  # by its use
            peer.create_mesh("x" * 21)


def test_wrong_bytes_are_refused_and_dropped(server: Peer) -> None:
    content, upload_id = fresh("wrong"), uuid.uuid4().hex
    digest = digest_of(content)
    with pytest.raises(grpc.RpcError) as refused:
        server.blobs.WriteBlob(messages(content[::-1], upload_id, digest))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    query = pb.QueryBlobWriteRequest(upload_id=upload_id, digest=digest)
    status = server.blobs.QueryBlobWrite(query)
    assert (status.complete, status.committed_size) == (False, 0)
    assert server.blobs.WriteBlob(messages(content, upload_id, digest)).complete


def test_two_streams_cannot_write_one_upload(server: Peer) -> None:
    content, upload_id = fresh("busy"), uuid.uuid4().hex
    digest = digest_of(content)
    go_on = threading.Event()

    def held() -> Iterator[pb.WriteBlobRequest]:
        chunks = messages(content, upload_id, digest)
        yield next(chunks)
        go_on.wait(10)
        yield from chunks

    first = server.blobs.WriteBlob.future(held())
    query = pb.QueryBlobWriteRequest(upload_id=upload_id, digest=digest)
    while server.blobs.QueryBlobWrite(query).committed_size == 0:
        pass
    with pytest.raises(grpc.RpcError) as refused:
        server.blobs.WriteBlob(messages(content, upload_id, digest))
    assert refused.value.code() is grpc.StatusCode.ABORTED
    go_on.set()
    assert first.result().complete


def damaged(server: Peer) -> pb.Digest:
    """Upload a blob and change it on the disk."""
    content, upload_id = fresh("damage"), uuid.uuid4().hex
    digest = digest_of(content)
    server.blobs.WriteBlob(messages(content, upload_id, digest))
    sha256 = digest.sha256.hex()
    path = server.config.data_dir / "artifacts" / "sha256" / sha256[:2] / sha256
    path.chmod(0o644)
    path.write_bytes(b"x" + content[1:])
    return digest


def test_a_blob_that_changed_on_the_disk_is_data_loss(server: Peer, tmp_path: Path) -> None:
    digest = damaged(server)
    with pytest.raises(grpc.RpcError) as lost:
        read(server, digest)
    assert lost.value.code() is grpc.StatusCode.DATA_LOSS
    query = pb.QueryBlobWriteRequest(upload_id=uuid.uuid4().hex, digest=digest)
    assert not server.blobs.QueryBlobWrite(query).complete  # it can be sent again
    artifact = pb.Artifact(file_name="a.glb", digest=damaged(server))
    with pytest.raises(CallFailed, match="changed on the disk"):
        server.client.download([artifact], tmp_path)


def test_a_job_whose_input_changed_on_the_disk_says_so(server: Peer) -> None:
    job = server.finished(server.client.create(pb.JobSpec(mesh=damaged(server))))
    assert job.error.reason == pb.ERROR_REASON_BLOB_DAMAGED
    assert "changed on the disk" in job.error.message


def test_a_download_is_all_or_nothing(server: Peer, tmp_path: Path) -> None:
    content, upload_id = fresh("all"), uuid.uuid4().hex
    digest = digest_of(content)
    server.blobs.WriteBlob(messages(content, upload_id, digest))
    good = pb.Artifact(file_name="good.glb", digest=digest)
    absent = pb.Artifact(file_name="absent.glb", digest=digest_of(b"never uploaded"))
    with pytest.raises(CallFailed):
        server.client.download([good, absent], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["../evil.glb", "/etc/evil", "a\\b", ".hidden", "", "c:evil"])
def test_a_server_cannot_choose_the_folder(server: Peer, tmp_path: Path, name: str) -> None:
    with pytest.raises(CallFailed, match="file name"):
        server.client.download([pb.Artifact(file_name=name)], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_refuses_uploads_and_jobs(
    start_server: Callable[..., AbstractContextManager[Peer]],
) -> None:
    content, upload_id = fresh("full"), uuid.uuid4().hex
    with start_server(min_free_disk_bytes=1 << 60, warm_generator=False) as peer:
        with pytest.raises(grpc.RpcError, match="free some space") as refused:
            peer.blobs.WriteBlob(messages(content, upload_id, digest_of(content)))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(grpc.RpcError, match="free some space") as refused:
            peer.jobs.CreateJob(pb.CreateJobRequest(spec=pb.JobSpec(prompt="a chair")))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
