"""BlobService: bytes in and out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing

from server import convert
from server.artifacts import ArtifactStore
from server.calls import Call
from server.pb import lodsmith_pb2 as pb
from server.refusals import InvalidRequest
from server.services.limits import DrainFlag, Limits, check_size

_MAX_DIGESTS = 1000


class BlobService:
    """Bytes in and out. Whatever waits for the disk runs on threads."""

    def __init__(self, *, artifacts: ArtifactStore, limits: Limits, drain: DrainFlag) -> None:
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
        sizes = await asyncio.to_thread(
            lambda: [self._artifacts.size(digest.sha256) for digest in digests]
        )
        missing = [digest for digest, size in zip(digests, sizes, strict=True) if size is None]
        return pb.FindMissingBlobsResponse(missing=map(convert.digest_to, missing))

    async def write_blob(
        self, requests: AsyncIterator[pb.WriteBlobRequest], call: Call
    ) -> pb.WriteBlobResponse:
        """See the contract."""
        self._drain.check()
        first = await anext(requests, None)
        if first is None:
            raise InvalidRequest("the upload has no message", field="upload_id")
        digest = convert.digest_from(first.digest, "digest")
        check_size(digest.size_bytes, self._limits.max_blob_bytes, "digest")
        await asyncio.to_thread(self._artifacts.check_space, digest.size_bytes)
        with self._artifacts.upload(first.upload_id, digest) as upload:
            if not upload.is_complete:  # else what is still to come need not be read
                await asyncio.to_thread(upload.append, first.offset, first.data)
                async for request in requests:
                    await asyncio.to_thread(upload.append, request.offset, request.data)
                await asyncio.to_thread(upload.finish)
            return pb.WriteBlobResponse(
                committed_size=upload.committed_size, complete=upload.is_complete
            )

    async def write_blob_chunk(
        self, request: pb.WriteBlobChunkRequest, call: Call
    ) -> pb.WriteBlobChunkResponse:
        """See the contract."""
        self._drain.check()
        digest = convert.digest_from(request.digest, "digest")
        check_size(digest.size_bytes, self._limits.max_blob_bytes, "digest")
        await asyncio.to_thread(self._artifacts.check_space, digest.size_bytes)
        with self._artifacts.upload(request.upload_id, digest) as upload:
            is_repeated = request.offset + len(request.data) <= upload.committed_size
            if not upload.is_complete and not is_repeated:
                await asyncio.to_thread(upload.append, request.offset, request.data)
            await asyncio.to_thread(upload.finish)
            return pb.WriteBlobChunkResponse(
                committed_size=upload.committed_size, complete=upload.is_complete
            )

    async def query_blob_write(
        self, request: pb.QueryBlobWriteRequest, call: Call
    ) -> pb.QueryBlobWriteResponse:
        """See the contract."""
        digest = convert.digest_from(request.digest, "digest")
        committed_size = self._artifacts.committed_size(request.upload_id, digest)
        size = self._artifacts.size(digest.sha256)
        return pb.QueryBlobWriteResponse(
            committed_size=committed_size if size is None else size, complete=size is not None
        )

    async def read_blob(
        self, request: pb.ReadBlobRequest, call: Call
    ) -> AsyncIterator[pb.ReadBlobResponse]:
        """See the contract."""
        digest = convert.digest_from(request.digest, "digest")
        if request.limit < 0:
            raise InvalidRequest(f"limit must not be negative, got {request.limit}", field="limit")
        chunks = self._artifacts.chunks(digest.sha256, request.offset, request.limit or None)
        with closing(chunks):
            while chunk := await asyncio.to_thread(next, chunks, None):
                yield pb.ReadBlobResponse(offset=chunk[0], data=chunk[1])
