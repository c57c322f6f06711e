"""Uploads that are cut while their bytes are on the way to the disk, and that do not fit."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest

from pipeline.errors import DiskFull
from server.access.principal import LOCAL
from server.artifacts import ArtifactStore, Digest, Upload, digest_of
from server.calls import Call, call_head
from server.config import ServerConfig
from server.convert import digest_to
from server.journal import Quotas
from server.observe.metrics import Metrics
from server.pb import lodsmith_pb2 as pb
from server.refusals import OffsetMismatch, QuotaExceeded, UploadBusy
from server.services.blobs import BlobService
from server.services.limits import DrainFlag, limits_of
from tests.server.journal.harness import NO_QUOTAS, opened

CONTENT = b"a barrel"
DIGEST = digest_of(CONTENT)
UPLOAD_ID = "0" * 32


class SlowDisk:
    """Holds one method of `Upload` back until told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        self.is_reached = threading.Event()
        self.goes_on = threading.Event()
        quick: Callable[..., None] = getattr(Upload, method)

        def slow(upload: Upload, *args: object) -> None:
            self.is_reached.set()
            assert self.goes_on.wait(10)
            quick(upload, *args)

        monkeypatch.setattr(Upload, method, slow)


async def requests() -> AsyncIterator[pb.WriteBlobRequest]:
    yield pb.WriteBlobRequest(upload_id=UPLOAD_ID, digest=digest_to(DIGEST), data=CONTENT)


def call(name: str) -> Call:
    return Call(name=name, head=call_head("grpc", "127.0.0.1", {}), principal=LOCAL)


async def query(service: BlobService, digest: Digest = DIGEST) -> tuple[int, bool]:
    request = pb.QueryBlobWriteRequest(upload_id=UPLOAD_ID, digest=digest_to(digest))
    answer = await service.query_blob_write(request, call("QueryBlobWrite"))
    return answer.committed_size, answer.complete


def held(
    folder: Path,
    act: Callable[[BlobService], Coroutine[None, None, None]],
    *,
    quotas: Quotas = NO_QUOTAS,
    min_free_bytes: int = 0,
) -> None:
    """Do something with a service on a folder."""

    async def whole() -> None:
        async with opened(folder, quotas=quotas) as store:
            await act(
                BlobService(
                    store=store,
                    artifacts=ArtifactStore(folder / "artifacts", min_free_bytes=min_free_bytes),
                    limits=limits_of(ServerConfig()),
                    drain=DrainFlag(),
                    metrics=Metrics([]),
                )
            )

    asyncio.run(whole())


async def cut(service: BlobService, disk: SlowDisk) -> "asyncio.Task[pb.WriteBlobResponse]":
    """Begin an upload whose client leaves while it waits for the disk."""
    upload = asyncio.create_task(service.write_blob(requests(), call("WriteBlob")))
    await asyncio.to_thread(disk.is_reached.wait, 10)
    upload.cancel()
    await asyncio.sleep(0)  # the cut is noticed
    return upload


def test_a_cut_upload_is_free_once_its_bytes_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch, "append")

    async def act(service: BlobService) -> None:
        upload = await cut(service, disk)
        with pytest.raises(UploadBusy):
            await service.write_blob(requests(), call("WriteBlob"))
        disk.goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await upload
        assert await query(service) == (len(CONTENT), False)

    held(tmp_path, act)


def test_an_upload_that_is_cut_at_its_end_belongs_to_its_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch, "finish")

    async def act(service: BlobService) -> None:
        upload = await cut(service, disk)
        disk.goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await upload
        assert await query(service) == (len(CONTENT), True)

    held(tmp_path, act)


async def chunk(
    service: BlobService, content: bytes, number: int, offset: int, data: bytes
) -> pb.WriteBlobChunkResponse:
    """Send a chunk of the upload with a number."""
    request = pb.WriteBlobChunkRequest(
        upload_id=f"{number:032x}",
        digest=digest_to(digest_of(content)),
        offset=offset,
        data=data,
    )
    return await service.write_blob_chunk(request, call("WriteBlobChunk"))


def test_a_chunk_from_before_the_start_is_no_repeated_one(tmp_path: Path) -> None:
    content = b"x" * 100

    async def act(service: BlobService) -> None:
        await chunk(service, content, 1, 0, content[:50])
        repeated = await chunk(service, content, 1, 10, content[10:20])
        assert repeated.committed_size == 50
        with pytest.raises(OffsetMismatch, match="goes on at offset 50, got -20"):
            await chunk(service, content, 1, -20, content[:20])

    held(tmp_path, act)


def test_a_project_cannot_begin_more_uploads_than_it_may_keep(tmp_path: Path) -> None:
    first, second, small = b"x" * 60, b"y" * 60, b"z" * 40

    async def act(service: BlobService) -> None:
        await chunk(service, first, 1, 0, first[:1])
        with pytest.raises(QuotaExceeded, match="half-done uploads included") as refused:
            await chunk(service, second, 2, 0, second[:1])
        assert refused.value.retry_after_s
        assert (await chunk(service, small, 3, 0, small)).complete
        assert (await chunk(service, first, 1, 1, first[1:])).complete
        with pytest.raises(QuotaExceeded):
            await chunk(service, b"!", 4, 0, b"!")
        assert (await chunk(service, first, 5, 0, first)).complete  # it is there

    held(tmp_path, act, quotas=Quotas(max_bytes=100))


def test_an_upload_that_goes_on_needs_room_for_its_rest_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"x" * 100

    def leave(free_bytes: int) -> None:
        usage = shutil.disk_usage(tmp_path)._replace(free=free_bytes)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    async def act(service: BlobService) -> None:
        leave(1100)
        await chunk(service, content, 1, 0, content[:90])
        leave(1010)
        assert (await chunk(service, content, 1, 90, content[90:])).complete
        with pytest.raises(DiskFull):
            await chunk(service, content + b"!", 2, 0, content)

    held(tmp_path, act, min_free_bytes=1000)
