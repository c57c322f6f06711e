"""Blobs as plain files: ranges, conditions, chunks, and bytes that are what they are named."""

import hashlib
import http.client
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import pytest

from server.artifacts import CHUNK_BYTES
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer
from tests.server.transport.conftest import Answer, Ask, ask_port, http_port_of

CONTENT = bytes(range(256)) * 10_000  # 2.4 chunks


def path_of(content: bytes) -> str:
    return f"/v1/blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def put(ask: Ask, content: bytes, upload_id: str, start: int = 0, end: int | None = None) -> Answer:
    """Send the bytes from `start` to before `end` as one chunk."""
    end = len(content) if end is None else end
    place = f"bytes {start}-{end - 1}/{len(content)}" if end > start else f"bytes */{len(content)}"
    path = f"{path_of(content)}?upload_id={upload_id}"
    return ask("PUT", path, content[start:end], {"content-range": place})


def upload(ask: Ask, content: bytes) -> str:
    """Send a blob and return its path."""
    upload_id = uuid.uuid4().hex
    for start in range(0, len(content), CHUNK_BYTES):
        answer = put(ask, content, upload_id, start, min(len(content), start + CHUNK_BYTES))
        assert answer.status == 200
    return path_of(content)


def test_a_blob_goes_in_by_chunks_and_comes_back_whole(ask: Ask, server: Peer) -> None:
    content = b"whole over HTTP" + CONTENT
    path = upload(ask, content)
    answer = ask("GET", path)
    assert (answer.status, answer.body) == (200, content)
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["cache-control"] == "private, immutable, max-age=31536000"
    assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    digest = pb.Digest(sha256=hashlib.sha256(content).digest())
    assert server.content(digest) == content  # one store for both transports
    head = ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(content))


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-11", 5, 12),
        ("bytes=1048570-1048580", 1048570, 1048581),  # across a chunk
        ("bytes=2559990-", 2559990, 2560000),
        ("bytes=2559990-9999999", 2559990, 2560000),
        ("bytes=-7", 2559993, 2560000),
        ("bytes=-9999999", 0, 2560000),
    ],
)
def test_a_range_is_a_part(ask: Ask, asked: str, start: int, end: int) -> None:
    answer = ask("GET", upload(ask, CONTENT), None, {"range": asked})
    assert (answer.status, answer.body) == (206, CONTENT[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=2560000-", "bytes=-0", "bytes=99999999-999999999"])
def test_a_range_behind_the_end_is_refused_with_the_size(ask: Ask, asked: str) -> None:
    answer = ask("GET", upload(ask, CONTENT), None, {"range": asked})
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */2560000")
    assert answer.error["code"] == "OUT_OF_RANGE"
    assert answer.error["reason"] == "OFFSET_MISMATCH"
    assert answer.error["metadata"] == {"size_bytes": "2560000"}


@pytest.mark.parametrize(
    "asked", ["bytes=9-5", "bytes=a-b", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "5-6"]
)
def test_what_is_no_single_range_gives_the_whole(ask: Ask, asked: str) -> None:
    answer = ask("GET", upload(ask, CONTENT), None, {"range": asked})
    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": "{etag}"}, 304),
        ({"if-none-match": '"other", W/{etag}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-range": "{etag}", "range": "bytes=1-2"}, 206),
        ({"if-range": '"other"', "range": "bytes=1-2"}, 200),
        ({"if-range": "Sun, 29 Nov 2026 00:00:00 GMT", "range": "bytes=1-2"}, 200),
    ],
)
def test_what_a_client_has_is_not_sent_again(
    ask: Ask, headers: Mapping[str, str], status: int
) -> None:
    path = upload(ask, CONTENT)
    etag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    sent = {name: value.replace("{etag}", etag) for name, value in headers.items()}
    answer = ask("GET", path, None, sent)
    assert (answer.status, answer.headers["etag"]) == (status, etag)
    assert len(answer.body) == {304: 0, 206: 2, 200: len(CONTENT)}[status]


def test_a_blob_that_is_not_there_is_told(ask: Ask) -> None:
    answer = ask("GET", f"/v1/blobs/sha256/{'0' * 64}")
    assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")
    assert answer.error["reason"] == "BLOB_MISSING"
    assert ask("HEAD", f"/v1/blobs/sha256/{'0' * 64}").status == 404


@pytest.mark.parametrize("name", ["", "abc", "0" * 65, "A" * 64, "../../../etc/passwd", "%2e%2e/x"])
def test_what_names_no_blob_is_refused(ask: Ask, name: str) -> None:
    answer = ask("GET", f"/v1/blobs/sha256/{name}")
    assert (answer.status, answer.error["reason"]) == (400, "INVALID_INPUT")


def test_an_upload_goes_on_where_it_was_cut(ask: Ask) -> None:
    content, upload_id = b"resumed over HTTP" + CONTENT, uuid.uuid4().hex
    path = f"{path_of(content)}?upload_id={upload_id}"
    assert ask("GET", path).json == {"committed_size": 0, "complete": False}
    assert put(ask, content, upload_id, 0, 1000).json == {"committed_size": 1000, "complete": False}
    assert put(ask, content, upload_id, 0, 1000).json["committed_size"] == 1000  # safe to repeat
    head = ask("HEAD", path)
    assert (head.headers["upload-offset"], head.headers["upload-complete"]) == ("1000", "?0")
    gap = put(ask, content, upload_id, 2000, 3000)
    assert (gap.status, gap.error["reason"]) == (400, "OFFSET_MISMATCH")
    assert gap.error["metadata"] == {"committed_size": "1000"}
    for start in range(1000, len(content), CHUNK_BYTES):
        last = put(ask, content, upload_id, start, min(len(content), start + CHUNK_BYTES))
    assert last.json == {"committed_size": len(content), "complete": True}
    assert ask("HEAD", path).headers["upload-complete"] == "?1"
    assert ask("GET", path_of(content)).body == content


def test_an_empty_blob_is_a_blob(ask: Ask) -> None:
    assert put(ask, b"", uuid.uuid4().hex).json == {"committed_size": 0, "complete": True}
    answer = ask("GET", path_of(b""))
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert ask("GET", path_of(b""), None, {"range": "bytes=0-"}).status == 416


@pytest.mark.parametrize(
    ("content_range", "body", "status", "message"),
    [
        (None, b"12345", 400, "needs a Content-Range"),
        ("bytes 0-4", b"12345", 400, "needs a Content-Range"),
        ("bytes 4-0/5", b"12345", 400, "needs a Content-Range"),
        ("bytes 1-5/5", b"12345", 400, "needs a Content-Range"),
        ("bytes 0-3/5", b"12345", 400, "announces 4 bytes, the body has 5"),
        ("bytes */5", b"12345", 400, "announces 0 bytes"),
        ("bytes 0-1048576/9999999", b"x" * 1048577, 413, "at most 1,048,576 bytes"),
        ("bytes 0-4/99999999999999", b"12345", 413, "digest must have at most"),
    ],
)
def test_a_chunk_that_does_not_fit_its_place_is_refused(
    ask: Ask, content_range: str | None, body: bytes, status: int, message: str
) -> None:
    headers = {"content-range": content_range} if content_range else {}
    path = f"/v1/blobs/sha256/{'1' * 64}?upload_id={uuid.uuid4().hex}"
    answer = ask("PUT", path, body, headers)
    assert (answer.status, message in answer.error["message"]) == (status, True), answer.error


def test_an_upload_needs_its_id_and_its_digest(ask: Ask) -> None:
    chunk = {"content-range": "bytes 0-4/5"}
    assert ask("PUT", f"/v1/blobs/sha256/{'1' * 64}", b"12345", chunk).status == 400
    path = f"/v1/blobs/sha256/{'1' * 64}?upload_id={uuid.uuid4().hex}"
    wrong = ask("PUT", path, b"12345", chunk)
    assert (wrong.status, wrong.error["reason"]) == (400, "DIGEST_MISMATCH")


@pytest.mark.parametrize("size", [1000, len(CONTENT)], ids=["one chunk", "several"])
def test_a_blob_that_changed_on_the_disk_never_arrives_whole(
    start_server: Callable[..., AbstractContextManager[Peer]], size: int
) -> None:
    content = (b"damaged over HTTP" + CONTENT)[:size]
    with start_server(warm_generator=False) as peer:
        port = http_port_of(peer)
        path = upload(lambda *given: ask_port(port, *given), content)
        sha256 = hashlib.sha256(content).hexdigest()
        file = peer.config.data_dir / "artifacts" / "sha256" / sha256[:2] / sha256
        file.chmod(0o644)
        file.write_bytes(b"x" + content[1:])
        if size == 1000:  # found before anything was sent
            answer = ask_port(port, "GET", path)
            assert (answer.status, answer.error["code"]) == (500, "DATA_LOSS")
        else:
            with pytest.raises(http.client.IncompleteRead):
                ask_port(port, "GET", path)
        assert ask_port(port, "GET", "/v1/health/live").status == 200
