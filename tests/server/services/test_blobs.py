"""Uploads that are cut while their bytes are still on the way to the disk."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest

from server.access.principal import LOCAL
from server.artifacts import ArtifactStore, Digest, Upload, digest_of
from server.calls import Call, call_head
from server.config import ServerConfig
from server.convert import digest_to
from server.observe.metrics import Metrics
from server.pb import lodsmith_pb2 as pb
from server.refusals import UploadBusy
from server.services.blobs import BlobService
from server.services.limits import DrainFlag, limits_of
from tests.server.journal.harness import opened

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


def held(folder: Path, act: Callable[[BlobService], Coroutine[None, None, None]]) -> None:
    """Do something with a service on a folder."""

    async def whole() -> None:
        async with opened(folder) as store:
            await act(
                BlobService(
                    store=store,
                    artifacts=ArtifactStore(folder / "artifacts"),
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
