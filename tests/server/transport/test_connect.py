"""Connect and gRPC-Web where they differ from gRPC: frames, JSON, GET, clients that leave."""

import asyncio
import base64
import hashlib
import json
import struct
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from server.calls import Call
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer
from tests.server.transport.conftest import (
    GET_JOB,
    WATCH,
    Ask,
    Services,
    ask_port,
    frame,
    http_port_of,
    port_of,
    watch_request,
)

CREATE = "/lodsmith.v1.JobService/CreateJob"
WRITE = "/lodsmith.v1.BlobService/WriteBlob"
JSON = {"content-type": "application/json"}
PROTO = {"content-type": "application/proto"}
STREAM = {"content-type": "application/connect+proto"}
NO_JOB = "jobs/" + "0" * 32


def violation_of(error: Any) -> str:
    """Return the field that a Connect error in JSON names."""
    texts = [base64.b64decode(d["value"] + "==") for d in error["details"] if "Bad" in d["type"]]
    return texts[0].decode("latin-1")


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        ({"spec": {"promt": "a chair"}}, "no field spec.promt", "spec.promt"),
        ({"specs": {}}, "no field specs", "specs"),
        ({"spec": {"prompt": 3}}, "no CreateJobRequest in JSON: expected string", ""),
        ({"spec": {"seed": 1.5}}, "Couldn't parse integer: 1.5", ""),
        ({"spec": {"prompt": "a", "job": "b"}}, 'multiple "source"', ""),
        ([], "must be a JSON object", ""),
        (None, "must be a JSON object", ""),
    ],
)
def test_json_that_is_not_of_the_contract_is_named(
    ask: Ask, body: object, message: str, field: str
) -> None:
    answer = ask("POST", CREATE, json.dumps(body).encode(), JSON)
    assert (answer.status, answer.json["code"]) == (400, "invalid_argument")
    assert message in answer.json["message"]
    assert not field or field in violation_of(answer.json)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"spec":' * 10_000, b"[" * 100_000, b'{"spec":{"seed":' + b"9" * 5000],
    ids=["empty", "cut", "no UTF-8", "deep objects", "deep lists", "long number"],
)
def test_nonsense_in_json_is_the_callers_fault(ask: Ask, body: bytes) -> None:
    answer = ask("POST", CREATE, body, JSON)
    assert (answer.status, answer.json["code"]) == (400, "invalid_argument")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xff\xff", b"INVALID"), (b"x" * (257 << 10), b"TOO_LARGE")]
)
def test_bytes_that_are_no_request_are_the_callers_fault(
    ask: Ask, content: bytes, reason: bytes
) -> None:
    answer = ask("POST", CREATE, content, PROTO)
    assert (answer.status, answer.json["code"]) == (400, "invalid_argument")
    assert reason in base64.b64decode(answer.json["details"][0]["value"] + "==")
    large = ask("POST", CREATE, json.dumps({"requestId": "x" * (513 << 10)}).encode(), JSON)
    assert "at most 524,288 bytes" in large.json["message"]


def test_a_body_over_every_limit_is_not_read_to_its_end(ask: Ask) -> None:
    answer = ask("POST", CREATE, b"x" * (8 << 20), PROTO)
    assert (answer.status, answer.json["code"]) == (429, "resource_exhausted")  # as gRPC says


@pytest.mark.parametrize(
    "body",
    [b"\x09\x00\x00\x00\x00", frame(b"abc")[:-1], b"\x00\x00", struct.pack(">BI", 0, 1 << 31)],
    ids=["unknown flags", "cut message", "cut head", "2 GiB announced"],
)
def test_frames_that_are_none_end_an_upload_with_an_error(ask: Ask, body: bytes) -> None:
    answer = ask("POST", WRITE, body, STREAM)
    flags, end = answer.body[0], json.loads(answer.body[5:])
    assert (answer.status, flags) == (200, 2)
    assert end["error"]["code"] == "invalid_argument"
    assert "no stream" in end["error"]["message"]


def test_calls_without_side_effects_can_be_got(ask: Ask) -> None:
    message = quote(json.dumps({"name": NO_JOB}))
    got = ask("GET", f"{GET_JOB}?encoding=json&connect=v1&message={message}")
    assert (got.status, got.json["code"]) == (404, "not_found")
    binary = base64.urlsafe_b64encode(pb.GetJobRequest(name=NO_JOB).SerializeToString()).decode()
    assert ask("GET", f"{GET_JOB}?encoding=proto&base64=1&message={binary}").status == 404
    assert ask("GET", f"{CREATE}?encoding=json&message={{}}").status == 405


def test_the_request_id_goes_both_ways(ask: Ask) -> None:
    for body, content_type in (
        (b"{}", "application/json"),
        (frame(b""), "application/connect+proto"),
        (frame(b""), "application/grpc-web+proto"),
    ):
        path = WATCH if body else GET_JOB
        path = GET_JOB if content_type == "application/json" else WATCH
        headers = {"content-type": content_type, "x-request-id": "artist-7"}
        assert ask("POST", path, body, headers).headers["x-request-id"] == "artist-7"
    given = ask("POST", GET_JOB, b"{}", JSON | {"x-request-id": "not decent"})
    assert len(given.headers["x-request-id"]) == 32


def test_what_belongs_to_the_grpc_port_is_sent_there(ask: Ask) -> None:
    answer = ask("POST", GET_JOB, frame(b""), {"content-type": "application/grpc"})
    assert (answer.status, "gRPC port" in answer.error["message"]) == (415, True)


class Steps(Services):
    """A watch that goes a step when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Semaphore(0)
        self.ended = asyncio.Event()

    async def watch_job(
        self, request: pb.WatchJobRequest, call: Call
    ) -> AsyncIterator[pb.WatchJobResponse | bytes]:
        try:
            for sequence in range(1, 4):
                await self.go.acquire()
                response = pb.WatchJobResponse(event=pb.JobEvent(sequence=sequence))
                # As one that was serialized for many.
                yield response if sequence == 1 else response.SerializeToString()
        finally:
            self.ended.set()

    async def get_job(self, request: pb.GetJobRequest, call: Call) -> bytes | pb.GetJobResponse:
        if request.name == "bug":
            raise ZeroDivisionError("a secret path: /srv/models")
        if request.name == "slow":
            await self.go.acquire()
        return pb.GetJobResponse(job=pb.Job(name="jobs/ä", fraction=0.5)).SerializeToString()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """Read a piece of a body in HTTP's chunked coding."""
    length = int(await reader.readline(), 16)
    return (await reader.readexactly(length + 2))[:-2]


def test_events_arrive_one_by_one() -> None:
    async def watch() -> None:
        steps = Steps()
        async with port_of(steps) as (_, port), asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(watch_request(b""))
            for sequence in range(1, 4):
                steps.go.release()  # the next one happens when the one before has arrived
                if sequence == 1:
                    assert b"200" in (await read_head(reader)).splitlines()[0]
                event = pb.WatchJobResponse.FromString((await read_chunk(reader))[5:]).event
                assert event.sequence == sequence
            assert await read_chunk(reader) == frame(b"{}", flags=2)
            writer.close()

    asyncio.run(watch())


def test_a_watch_ends_soon_after_its_client_leaves() -> None:
    async def watch() -> None:
        steps = Steps()
        async with port_of(steps) as (_, port), asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(watch_request(b""))
            steps.go.release()
            await read_head(reader)
            writer.transport.abort()
            start_s = time.monotonic()
            await steps.ended.wait()
            assert time.monotonic() - start_s < 1.0

    asyncio.run(watch())


def test_leaving_a_watch_does_not_cancel_its_job(server: Peer) -> None:
    job = server.create("slow over HTTP")

    async def watch_and_leave() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", http_port_of(server))
        writer.write(watch_request(pb.WatchJobRequest(name=job.name).SerializeToString()))
        await read_head(reader)
        await read_chunk(reader)
        writer.transport.abort()

    asyncio.run(watch_and_leave())
    server.until(job, pb.STAGE_KIND_SPARSE_STRUCTURE)
    assert server.client.cancel(job.name).state == pb.JOB_STATE_CANCELLING
    assert server.finished(job).state == pb.JOB_STATE_CANCELLED


def test_stopping_ends_what_runs_with_unavailable() -> None:
    async def stop() -> None:
        steps = Steps()
        async with port_of(steps) as (http_port, port), asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(watch_request(b""))
            steps.go.release()
            await read_head(reader)
            await read_chunk(reader)
            unary = asyncio.create_task(
                asyncio.to_thread(ask_port, port, "POST", GET_JOB, b'{"name": "slow"}', JSON)
            )
            while steps.go._waiters is None or len(steps.go._waiters) < 2:  # both calls wait
                await asyncio.sleep(0.01)
            await http_port.stop(0.05)
            end = await read_chunk(reader)
            error = json.loads(end[5:])["error"]
            assert (end[0], error["code"]) == (2, "unavailable")
            assert {detail["type"] for detail in error["details"]} == {
                "google.rpc.ErrorInfo",
                "google.rpc.RetryInfo",
            }
            answer = await unary
            assert (answer.status, answer.json["code"]) == (503, "unavailable")
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            writer.close()

    asyncio.run(stop())


def test_calls_that_end_in_time_are_waited_for() -> None:
    async def stop() -> None:
        steps = Steps()
        async with port_of(steps) as (http_port, port), asyncio.timeout(20):
            unary = asyncio.create_task(
                asyncio.to_thread(ask_port, port, "POST", GET_JOB, b'{"name": "slow"}', JSON)
            )
            while not steps.go._waiters:
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(http_port.stop(10.0))
            await asyncio.sleep(0)
            steps.go.release()
            assert (await unary).status == 200
            await stopping

    asyncio.run(stop())


def test_bytes_that_a_service_gives_are_right_on_each_codec() -> None:
    async def call() -> None:
        async with port_of(Steps()) as (_, port):
            json_answer = await asyncio.to_thread(ask_port, port, "POST", GET_JOB, b"{}", JSON)
            assert json_answer.json == {"job": {"name": "jobs/ä", "fraction": 0.5}}
            proto_answer = await asyncio.to_thread(ask_port, port, "POST", GET_JOB, b"", PROTO)
            assert pb.GetJobResponse.FromString(proto_answer.body).job.name == "jobs/ä"

    asyncio.run(call())


def test_a_defect_reaches_the_client_as_a_number() -> None:
    async def call() -> None:
        async with port_of(Steps()) as (_, port):
            body = b'{"name": "bug"}'
            answer = await asyncio.to_thread(ask_port, port, "POST", GET_JOB, body, JSON)
            assert (answer.status, answer.json["code"]) == (500, "internal")
            assert b"secret" not in answer.body
            assert "incident" in answer.json["message"]

    asyncio.run(call())


def test_a_deadline_ends_the_call() -> None:
    async def call() -> None:
        async with port_of(Steps()) as (_, port):
            headers = JSON | {"connect-timeout-ms": "50"}
            body = b'{"name": "slow"}'
            answer = await asyncio.to_thread(ask_port, port, "POST", GET_JOB, body, headers)
            assert (answer.status, answer.json["code"]) == (504, "deadline_exceeded")

    asyncio.run(call())


def test_an_upload_survives_a_client_that_dies(server: Peer) -> None:
    content = b"cut over HTTP/1.1" * 100_000
    digest = pb.Digest(sha256=hashlib.sha256(content).digest(), size_bytes=len(content))
    upload_id = uuid.uuid4().hex
    first = pb.WriteBlobRequest(upload_id=upload_id, digest=digest, data=content[: 1 << 20])
    query = pb.QueryBlobWriteRequest(upload_id=upload_id, digest=digest)

    async def dying() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", http_port_of(server))
        writer.write(
            f"POST {WRITE} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999999\r\n"
            "content-type: application/connect+proto\r\n\r\n".encode()
        )
        writer.write(frame(first.SerializeToString()))
        await writer.drain()
        async with asyncio.timeout(10):
            while server.blobs.QueryBlobWrite(query).committed_size == 0:
                await asyncio.sleep(0.01)
        writer.transport.abort()

    asyncio.run(dying())
    assert server.blobs.QueryBlobWrite(query).committed_size == 1 << 20
    rest = pb.WriteBlobRequest(
        upload_id=upload_id, digest=digest, offset=1 << 20, data=content[1 << 20 :]
    )
    deadline_s = time.monotonic() + 10
    while True:  # until the server has noticed
        answer = ask_port(
            http_port_of(server), "POST", WRITE, frame(rest.SerializeToString()), STREAM
        )
        if b'"aborted"' not in answer.body or time.monotonic() > deadline_s:
            break
    assert pb.WriteBlobResponse.FromString(answer.body[5 : 5 + answer.body[4]]).complete
