"""Blobs as plain files: `/v1/blobs/sha256/<hex>`, for whatever speaks HTTP but no protobuf.

Downloads know ranges and ETags, as engines' own downloaders and curl expect of a file. Uploads come
in chunks: `PUT ...?upload_id=<32 hex>` with `Content-Range: bytes 0-1048575/5000000`. All of it are
the calls of BlobService, so what holds for them holds here.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from server.artifacts import CHUNK_BYTES
from server.calls.desk import CallEnded, Desk
from server.calls.errors import status_of
from server.calls.messages import read_response
from server.calls.rpcs import Rpc
from server.pb import lodsmith_pb2 as pb
from server.refusals import BlobMissing, InvalidRequest, OffsetMismatch
from server.transport.exchange import Exchange

PREFIX = "/v1/blobs/sha256/"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})")
_NO_UPLOAD = "0" * 32


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Bytes of a blob: from `start` to before `end`."""

    start: int
    end: int


class BlobFiles:
    """Answers for blobs."""

    def __init__(self, rpcs: Mapping[str, Rpc], desk: Desk) -> None:
        """Use the RPCs of BlobService, by name."""
        self._desk = desk
        self._read = rpcs["ReadBlob"]
        self._write = rpcs["WriteBlobChunk"]
        self._query = rpcs["QueryBlobWrite"]
        # Who may read a blob may know its size.
        self._size = replace(self._query, scope=self._read.scope)

    async def answer(self, exchange: Exchange) -> None:
        """Answer any request below `PREFIX`. Raises `CallEnded`, `Refusal` or `ClientLeft`."""
        name = exchange.path.removeprefix(PREFIX)
        if not _SHA256.fullmatch(name):
            raise InvalidRequest(
                f"a blob is named by the 64 lower-case hex digits of its SHA-256, got {name[:80]!r}"
            )
        sha256 = bytes.fromhex(name)
        if exchange.method == "PUT":
            await self._put(exchange, sha256)
        elif "upload_id" in exchange.query:
            await self._tell_upload(exchange, sha256)
        else:
            await exchange.body(0)
            await exchange.unless_left(self._get(exchange, sha256))

    async def _get(self, exchange: Exchange, sha256: bytes) -> None:
        """Send the blob, a part of it, or only what is known of it."""
        size = await self._size_of(exchange, sha256)
        etag = f'"{sha256.hex()}"'
        headers = {
            "etag": etag,
            "accept-ranges": "bytes",
            "cache-control": "private, immutable, max-age=31536000",  # its name says its bytes
            "content-type": "application/octet-stream",  # whatever it is, no browser opens it
            "content-disposition": "attachment",
        }
        if _names(exchange.headers.get("if-none-match", ""), etag):
            await exchange.answer(304, headers=headers)
            return
        try:
            part = _asked_part(exchange, etag, size)
        except OffsetMismatch as refusal:
            await exchange.refuse(status_of(refusal), 416, {"content-range": f"bytes */{size}"})
            return
        status = 200
        if part is None:
            part = _Part(start=0, end=size)
        else:
            status = 206
            headers["content-range"] = f"bytes {part.start}-{part.end - 1}/{size}"
        headers["content-length"] = str(part.end - part.start)
        if exchange.method == "HEAD" or part.start == part.end:
            await exchange.start(status, headers)
        else:
            await self._send(exchange, sha256, part, status, headers)
        await exchange.send(b"", is_last=True)

    async def _send(
        self,
        exchange: Exchange,
        sha256: bytes,
        part: _Part,
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        request = pb.ReadBlobRequest(
            digest=pb.Digest(sha256=sha256), offset=part.start, limit=part.end - part.start
        )
        async with aclosing(self.chunks(exchange, request)) as chunks:
            first = await anext(chunks)  # before the head: it may still become an error
            await exchange.start(status, headers)
            await exchange.send(first)
            async for chunk in chunks:
                await exchange.send(chunk)

    async def chunks(
        self, exchange: Exchange, request: pb.ReadBlobRequest
    ) -> AsyncGenerator[bytes, None]:
        """Yield a blob's bytes, the last chunk only once nothing was found wrong with any.

        A length was promised before the bytes were read. Keeping back the end is the only way to
        let a damaged blob fail at the client, too.

        Raises:
            CallEnded: As `ReadBlob`.
        """
        kept = b""
        async with aclosing(self._desk.answers(self._read, exchange.head, request)) as responses:
            async for response in responses:
                if kept:
                    yield kept
                kept = read_response(self._read, response).data
        if kept:
            yield kept

    async def _size_of(self, exchange: Exchange, sha256: bytes) -> int:
        query = pb.QueryBlobWriteRequest(upload_id=_NO_UPLOAD, digest=pb.Digest(sha256=sha256))
        response = await self._desk.answer(self._size, exchange.head, query)
        status: pb.QueryBlobWriteResponse = read_response(self._size, response)
        if not status.complete:
            missing = f"there is no blob {sha256.hex()}; upload it or run its job again"
            raise CallEnded(status_of(BlobMissing(missing)))
        return status.committed_size

    async def _put(self, exchange: Exchange, sha256: bytes) -> None:
        """Take one chunk of an upload."""
        offset, length, size = _chunk_place(exchange.headers.get("content-range", ""))
        data = await exchange.body(CHUNK_BYTES)
        if len(data) != length:
            raise InvalidRequest(
                f"Content-Range announces {length:,} bytes, the body has {len(data):,}"
            )
        request = pb.WriteBlobChunkRequest(
            upload_id=exchange.query.get("upload_id", ""),
            digest=pb.Digest(sha256=sha256, size_bytes=size),
            offset=offset,
            data=data,
        )
        response = await self._desk.answer(self._write, exchange.head, request)
        await _answer_upload(exchange, read_response(self._write, response))

    async def _tell_upload(self, exchange: Exchange, sha256: bytes) -> None:
        """Tell how much of an upload has arrived."""
        await exchange.body(0)
        query = pb.QueryBlobWriteRequest(
            upload_id=exchange.query["upload_id"], digest=pb.Digest(sha256=sha256)
        )
        response = await self._desk.answer(self._query, exchange.head, query)
        await _answer_upload(exchange, read_response(self._query, response))


async def _answer_upload(
    exchange: Exchange, status: pb.WriteBlobChunkResponse | pb.QueryBlobWriteResponse
) -> None:
    await exchange.answer_json(
        200,
        {"committed_size": status.committed_size, "complete": status.complete},
        {
            "upload-offset": str(status.committed_size),
            "upload-complete": "?1" if status.complete else "?0",
        },
    )


def _asked_part(exchange: Exchange, etag: str, size: int) -> _Part | None:
    """Return the part that a GET asks for; None for the whole blob.

    Several ranges at once, or what is no range, ask for the whole: RFC 9110 lets a server decide.

    Raises:
        OffsetMismatch: If the range lies behind the end.
    """
    asked = _RANGE.fullmatch(exchange.headers.get("range", ""))
    if exchange.method != "GET" or not asked or asked[1] == asked[2] == "":
        return None
    if exchange.headers.get("if-range", etag) != etag:
        return None
    if asked[1]:
        start, end = int(asked[1]), min(size, int(asked[2]) + 1) if asked[2] else size
        if asked[2] and int(asked[2]) < start:
            return None
    else:  # so many from the end
        start, end = max(0, size - int(asked[2])), size
    if start >= end:
        raise OffsetMismatch(
            f"the blob has {size} bytes; there are none at {exchange.headers['range']}",
            metadata={"size_bytes": str(size)},
        )
    return _Part(start=start, end=end)


def _names(if_none_match: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag in tags


def _chunk_place(content_range: str) -> tuple[int, int, int]:
    """Read the `Content-Range` of a PUT: where its bytes belong, how many they are, of how many."""
    place = _CONTENT_RANGE.fullmatch(content_range)
    if not place or (place[1] and not int(place[1]) <= int(place[2]) < int(place[3])):
        raise InvalidRequest(
            "a chunk needs a Content-Range like bytes 0-1048575/5000000 "
            f"(or bytes */5000000 for none), got {content_range[:80]!r}"
        )
    if not place[1]:
        return 0, 0, int(place[3])
    return int(place[1]), int(place[2]) - int(place[1]) + 1, int(place[3])
