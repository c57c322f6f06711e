"""BlobService: bytes in and out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial

from server import convert
from server.artifacts import CHUNK_BYTES, ArtifactStore, Digest, Upload
from server.calls import Call
from server.journal import JobStore
from server.observe.metrics import Metrics
from server.pb import lodsmith_pb2 as pb
from server.refusals import BlobMissing, InvalidRequest, TooLarge
from server.services.cuts import to_its_end
from server.services.limits import DrainFlag, Limits, check_size

_MAX_DIGESTS = 1000


class BlobService:
    """Bytes in and out. Whatever waits for the disk runs on threads."""

    def __init__(
        self,
        *,
        store: JobStore,
        artifacts: ArtifactStore,
        limits: Limits,
        drain: DrainFlag,
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._artifacts = artifacts
        self._limits = limits
        self._drain = drain

    async def find_missing_blobs(
        self, request: pb.FindMissingBlobsRequest, call: Call
    ) -> pb.FindMissingBlobsResponse:
        """See the contract."""
        if len(request.digests) > _MAX_DIGESTS:
            raise InvalidRequest(
                f"digests must be at most {_MAX_DIGESTS:,}, got {len(request.digests):,}; "
                "ask in several calls",
                field="digests",
            )
        digests = [
            convert.digest_from(digest, f"digests[{index}]")
            for index, digest in enumerate(request.digests)
        ]
        missing = [digest for digest in digests if self._size(digest, call) is None]
        return pb.FindMissingBlobsResponse(missing=map(convert.digest_to, missing))

    async def write_blob(
        self, requests: AsyncIterator[pb.WriteBlobRequest], call: Call
    ) -> pb.WriteBlobResponse:
        """See the contract."""
        first = await anext(requests, None)
        if first is None:
            raise InvalidRequest("the upload has no message", field="upload_id")
        async with self._upload(first, call) as upload:
            if not upload.is_complete:  # else what is still to come need not be read
                await self._append(upload, first)
                async for request in requests:
                    await self._append(upload, request)
        return pb.WriteBlobResponse(
            committed_size=upload.committed_size, complete=upload.is_complete
        )

    async def write_blob_chunk(
        self, request: pb.WriteBlobChunkRequest, call: Call
    ) -> pb.WriteBlobChunkResponse:
        """See the contract."""
        async with self._upload(request, call) as upload:
            end = request.offset + len(request.data)
            is_repeated = request.data and request.offset >= 0 and end <= upload.committed_size
            if not upload.is_complete and not is_repeated:
                await self._append(upload, request)
        return pb.WriteBlobChunkResponse(
            committed_size=upload.committed_size, complete=upload.is_complete
        )

    async def query_blob_write(
        self, request: pb.QueryBlobWriteRequest, call: Call
    ) -> pb.QueryBlobWriteResponse:
        """See the contract."""
        digest = convert.digest_from(request.digest, "digest")
        size = self._size(digest, call)
        if size is not None:
            return pb.QueryBlobWriteResponse(committed_size=size, complete=True)
        size = self._artifacts.committed_size(call.project, request.upload_id, digest)
        return pb.QueryBlobWriteResponse(committed_size=size, complete=False)

    async def read_blob(self, request: pb.ReadBlobRequest, call: Call) -> AsyncIterator[bytes]:
        """See the contract."""
        digest = convert.digest_from(request.digest, "digest")
        call.resource = _resource(digest)
        if request.limit < 0:
            raise InvalidRequest(f"limit must not be negative, got {request.limit}", field="limit")
        if self._size(digest, call) is None:
            raise BlobMissing(f"there is no blob {digest.sha256}; upload it or run its job again")
        chunks = self._artifacts.chunks(digest.sha256, request.offset, request.limit or None)
        with closing(chunks):
            while chunk := await asyncio.to_thread(next, chunks, None):
                # As bytes: a message that lives until gRPC has written it has its MiB mapped and
                # unmapped each time, which doubles the processor time of a download.
                yield pb.ReadBlobResponse(offset=chunk[0], data=chunk[1]).SerializeToString()
                self._metrics.blob_sent(len(chunk[1]))

    def _size(self, digest: Digest, call: Call) -> int | None:
        """Return a blob's size in bytes, None for one that the caller's project does not have."""
        size = self._store.blob_size(call.project, digest.sha256)
        return None if self._artifacts.size(digest.sha256) is None else size

    @asynccontextmanager
    async def _upload(
        self, first: pb.WriteBlobRequest | pb.WriteBlobChunkRequest, call: Call
    ) -> AsyncIterator[Upload]:
        """Open an upload, and finish it where all bytes are there at the end.

        It stays busy as long as a thread writes to it, or the next stream of a client that was cut
        would count and write the same bytes beside it.
        """
        self._drain.check()
        digest = convert.digest_from(first.digest, "digest")
        call.resource = _resource(digest)
        check_size(digest.size_bytes, self._limits.max_blob_bytes, "digest")
        is_there = self._size(digest, call) is not None
        if not is_there:
            arrived = self._artifacts.committed_size(call.project, first.upload_id, digest)
            await asyncio.to_thread(self._artifacts.check_space, digest.size_bytes - arrived)
        with self._artifacts.upload(
            call.project,
            first.upload_id,
            digest,
            is_there=is_there,
            check_room=partial(self._store.check_bytes, call.project),
        ) as upload:
            yield upload
            await to_its_end(self._finish(upload, call.project, digest, is_there=is_there))

    async def _finish(
        self, upload: Upload, project: str, digest: Digest, *, is_there: bool
    ) -> None:
        await asyncio.to_thread(upload.finish)
        if upload.is_complete and not is_there:
            await self._store.own_blob(project, digest)

    async def _append(
        self, upload: Upload, request: pb.WriteBlobRequest | pb.WriteBlobChunkRequest
    ) -> None:
        if len(request.data) > CHUNK_BYTES:
            raise TooLarge(
                f"data must have at most {CHUNK_BYTES:,} bytes, got {len(request.data):,}",
                field="data",
                metadata={"max_bytes": str(CHUNK_BYTES)},
            )
        await to_its_end(asyncio.to_thread(upload.append, request.offset, request.data))
        self._metrics.blob_received(len(request.data))


def _resource(digest: Digest) -> str:
    """Name a blob for the audit log."""
    return f"blobs/sha256/{digest.sha256}"
