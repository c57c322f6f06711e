"""Every RPC on every transport: the same messages, the same errors to the last detail."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from connectrpc.client import ConnectClient
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server.calls.errors import DETAILS_KEY
from server.calls.rpcs import Rpc
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer
from tests.server.transport.conftest import (
    Services,
    ask_port,
    free_port,
    http_port_of,
    table_of,
)

RPCS = {rpc.name: rpc for rpc in table_of(Services())}
NO_JOB = "jobs/" + "0" * 32
CONTENT = b"every transport" * 100_000  # more than a chunk


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a client sees of a call. details: (type URL, bytes) of each."""

    messages: Sequence[Message] = ()
    code: str = "OK"
    message: str = ""
    details: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, kw_only=True)
class World:
    """What a server has when the calls come. job: one that has ended."""

    server: Peer
    job: pb.Job
    digest: pb.Digest

    def ended_job(self) -> pb.Job:
        """Return one more job that has ended."""
        return self.server.finished(self.server.create("of one call"))


@pytest.fixture(scope="module")
def world(server: Peer, tmp_path_factory: pytest.TempPathFactory) -> World:
    path = tmp_path_factory.mktemp("blobs") / "content"
    path.write_bytes(CONTENT)
    job = server.finished(server.create("warn of every transport"))
    return World(server=server, job=job, digest=server.client.upload(path, lambda share: None))


def fresh_upload() -> list[Message]:
    """Two messages of an upload that no other call has made."""
    content = uuid.uuid4().bytes + CONTENT
    digest = pb.Digest(sha256=hashlib.sha256(content).digest(), size_bytes=len(content))
    first = pb.WriteBlobRequest(upload_id=uuid.uuid4().hex, digest=digest, data=content[: 1 << 20])
    return [first, pb.WriteBlobRequest(offset=1 << 20, data=content[1 << 20 :])]


def chunk(offset: int, *, whole: bytes = b"12345") -> Message:
    return pb.WriteBlobChunkRequest(
        upload_id=uuid.uuid4().hex,
        digest=pb.Digest(sha256=hashlib.sha256(whole).digest(), size_bytes=len(whole)),
        offset=offset,
        data=b"12345",
    )


# rpc: what is sent, by the code that it must end with. Each is sent anew to each transport.
CASES: Mapping[str, Sequence[tuple[str, Callable[[World], Sequence[Message]]]]] = {
    "CreateJob": [
        ("OK", lambda w: [pb.CreateJobRequest(spec=pb.JobSpec(prompt="a chair"))]),
        ("OK", lambda w: [
            pb.CreateJobRequest(spec=pb.JobSpec(prompt="ein Stuhl für Ä"), validate_only=True)
        ]),
        ("INVALID_ARGUMENT", lambda w: [pb.CreateJobRequest(spec=pb.JobSpec(prompt=" "))]),
        ("FAILED_PRECONDITION", lambda w: [  # with a PreconditionFailure
            pb.CreateJobRequest(spec=pb.JobSpec(mesh=pb.Digest(sha256=bytes(32))))
        ]),
    ],
    "GetJob": [
        ("OK", lambda w: [pb.GetJobRequest(name=w.job.name)]),
        ("NOT_FOUND", lambda w: [pb.GetJobRequest(name=NO_JOB)]),
    ],
    "ListJobs": [
        ("OK", lambda w: [pb.ListJobsRequest(page_size=1, states=[pb.JOB_STATE_SUCCEEDED])]),
        ("INVALID_ARGUMENT", lambda w: [pb.ListJobsRequest(page_size=501)]),
    ],
    "WatchJob": [
        ("OK", lambda w: [pb.WatchJobRequest(name=w.job.name, after_sequence=1)]),
        ("NOT_FOUND", lambda w: [pb.WatchJobRequest(name=NO_JOB)]),
        ("FAILED_PRECONDITION", lambda w: [
            pb.WatchJobRequest(name=w.job.name, after_sequence=1_000)
        ]),
    ],
    "ListJobEvents": [
        ("OK", lambda w: [pb.ListJobEventsRequest(name=w.job.name, page_size=3)]),
        ("NOT_FOUND", lambda w: [pb.ListJobEventsRequest(name=NO_JOB)]),
        ("FAILED_PRECONDITION", lambda w: [
            pb.ListJobEventsRequest(name=w.job.name, log_epoch="another")
        ]),
    ],
    "CancelJob": [
        ("OK", lambda w: [pb.CancelJobRequest(name=w.job.name)]),
        ("NOT_FOUND", lambda w: [pb.CancelJobRequest(name=NO_JOB)]),
    ],
    "RetryJob": [
        ("OK", lambda w: [pb.RetryJobRequest(name=w.job.name)]),
        ("NOT_FOUND", lambda w: [pb.RetryJobRequest(name=NO_JOB)]),
    ],
    "DeleteJob": [
        ("OK", lambda w: [pb.DeleteJobRequest(name=w.ended_job().name)]),
        ("NOT_FOUND", lambda w: [pb.DeleteJobRequest(name=NO_JOB)]),
        ("ABORTED", lambda w: [pb.DeleteJobRequest(name=w.job.name, etag="another")]),
    ],
    "FindMissingBlobs": [
        ("OK", lambda w: [
            pb.FindMissingBlobsRequest(digests=[w.digest, pb.Digest(sha256=bytes(32))])
        ]),
        ("INVALID_ARGUMENT", lambda w: [
            pb.FindMissingBlobsRequest(digests=[pb.Digest(sha256=b"short")])
        ]),
    ],
    "WriteBlob": [
        ("OK", lambda w: fresh_upload()),
        ("INVALID_ARGUMENT", lambda w: [pb.WriteBlobRequest(upload_id="no hex", digest=w.digest)]),
        ("INVALID_ARGUMENT", lambda w: []),
        ("OUT_OF_RANGE", lambda w: fresh_upload()[:1] * 2),  # with metadata
    ],
    "WriteBlobChunk": [
        ("OK", lambda w: [chunk(0)]),
        ("OUT_OF_RANGE", lambda w: [chunk(3, whole=b"never all of it")]),
    ],
    "QueryBlobWrite": [
        ("OK", lambda w: [pb.QueryBlobWriteRequest(upload_id="0" * 32, digest=w.digest)]),
        ("INVALID_ARGUMENT", lambda w: [
            pb.QueryBlobWriteRequest(digest=pb.Digest(sha256=bytes(32)))
        ]),
    ],
    "ReadBlob": [
        ("OK", lambda w: [pb.ReadBlobRequest(digest=w.digest, offset=5)]),
        ("OK", lambda w: [pb.ReadBlobRequest(digest=w.digest, offset=len(CONTENT))]),
        ("NOT_FOUND", lambda w: [pb.ReadBlobRequest(digest=pb.Digest(sha256=bytes(32)))]),
        ("OUT_OF_RANGE", lambda w: [pb.ReadBlobRequest(digest=w.digest, offset=1 << 40)]),
    ],
    "GetServerInfo": [("OK", lambda w: [pb.GetServerInfoRequest()])],
    "ListPipelines": [("OK", lambda w: [pb.ListPipelinesRequest()])],
}  # fmt: skip


def test_every_rpc_has_a_case() -> None:
    assert set(CASES) == set(RPCS)


@pytest.mark.parametrize("transport", ["connect proto", "connect json", "grpc-web"])
@pytest.mark.parametrize(
    ("name", "index"),
    [(name, index) for name, cases in CASES.items() for index in range(len(cases))],
)
def test_a_call_gives_the_same_on_every_transport(
    server: Peer, world: World, name: str, index: int, transport: str
) -> None:
    code, requests_of = CASES[name][index]
    rpc = RPCS[name]
    expected = scrubbed(by_grpc(server, rpc, requests_of(world)))
    assert expected.code == code
    address = f"http://127.0.0.1:{http_port_of(server)}"
    found = scrubbed(asyncio.run(by_web(address, transport, rpc, requests_of(world))))
    assert (found.code, found.message) == (expected.code, expected.message)
    assert found.details == expected.details
    assert [bytes_of(m) for m in found.messages] == [bytes_of(m) for m in expected.messages]
    is_empty = name == "ReadBlob" and index == 1  # from the end on
    assert bool(found.messages) == (code == "OK" and not is_empty)


def test_a_call_without_a_token_ends_alike_on_every_transport(
    start_server: Callable[..., AbstractContextManager[Peer]],
) -> None:
    port = free_port()  # who may not call is not told it either
    requests = [pb.GetJobRequest(name=NO_JOB)]
    with start_server(auth="token", http_port=port, warm_generator=False) as peer:
        refused = by_grpc(peer, RPCS["GetJob"], requests)
        assert refused.code == "UNAUTHENTICATED"
        address = f"http://127.0.0.1:{port}"
        for transport in ("connect proto", "connect json", "grpc-web"):
            assert asyncio.run(by_web(address, transport, RPCS["GetJob"], requests)) == refused
        blob = ask_port(port, "GET", f"/v1/blobs/sha256/{'0' * 64}")
        assert (blob.status, blob.headers["www-authenticate"]) == (401, "Bearer")
        assert (blob.error["code"], blob.error["message"]) == (refused.code, refused.message)
        nim = ask_port(port, "POST", "/v1/infer", b'{"prompt": "a chair"}')
        assert (nim.status, nim.json) == (401, {"detail": refused.message})
        assert ask_port(port, "GET", "/v1/metadata").status == 401
        assert ask_port(port, "GET", "/v1/health/live").status == 200


def by_grpc(server: Peer, rpc: Rpc, requests: Sequence[Message]) -> Outcome:
    codecs: Any = (lambda message: message.SerializeToString(), rpc.response.FromString)
    messages = []
    try:
        if rpc.takes_stream:
            messages.append(server.channel.stream_unary(rpc.path, *codecs)(iter(requests)))
        elif rpc.gives_stream:
            for message in server.channel.unary_stream(rpc.path, *codecs)(requests[0]):
                messages.append(message)
        else:
            messages.append(server.channel.unary_unary(rpc.path, *codecs)(requests[0]))
    except grpc.RpcError as error:
        status: Any = error
        trailers = dict(status.trailing_metadata())
        packed = Status.FromString(trailers[DETAILS_KEY]).details
        return Outcome(
            messages=messages,
            code=status.code().name,
            message=status.details(),
            details=[(detail.type_url, detail.value) for detail in packed],
        )
    return Outcome(messages=messages)


async def by_web(address: str, transport: str, rpc: Rpc, requests: Sequence[Message]) -> Outcome:
    method: MethodInfo[Any, Any] = MethodInfo(
        name=rpc.name,
        service_name=rpc.service,
        input=rpc.request,
        output=rpc.response,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.UNARY,
    )
    client = ConnectClient(
        address,
        codec=JsonCodec() if transport == "connect json" else ProtoCodec(),
        protocol=ProtocolType.GRPC_WEB if transport == "grpc-web" else ProtocolType.CONNECT,
        send_compression=None,
    )
    messages: list[Message] = []
    try:
        if rpc.takes_stream:
            request = stream_of(requests)
            messages.append(await client.execute_client_stream(request=request, method=method))
        elif rpc.gives_stream:
            async for message in client.execute_server_stream(request=requests[0], method=method):
                messages.append(message)
        else:
            messages.append(await client.execute_unary(request=requests[0], method=method))
    except ConnectError as error:
        return Outcome(
            messages=messages,
            code={"CANCELED": "CANCELLED"}.get(error.code.name, error.code.name),
            message=error.message,
            details=[
                (f"type.googleapis.com/{detail.type_name}", detail.message_bytes)
                for detail in error.details
            ],
        )
    return Outcome(messages=messages)


async def stream_of(requests: Sequence[Message]) -> AsyncIterator[Message]:
    for request in requests:
        yield request


class ProtoCodec:
    def name(self) -> str:
        return "proto"

    def encode(self, message: Message) -> bytes:
        return message.SerializeToString()

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Message:
        return message_class.FromString(bytes(data))


class JsonCodec:
    def name(self) -> str:
        return "json"

    def encode(self, message: Message) -> bytes:
        return json_format.MessageToJson(message).encode()

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Message:
        return json_format.Parse(bytes(data), message_class())


def bytes_of(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def scrubbed(outcome: Outcome) -> Outcome:
    """Return an outcome without what two calls cannot share: new names, times, incidents."""
    messages = []
    for message in outcome.messages:
        if isinstance(message, pb.CreateJobResponse | pb.RetryJobResponse):
            for field in ("name", "create_time", "etag", "queue_position", "estimated_remaining"):
                message.job.ClearField(field)
            for stage in message.job.stages:
                stage.ClearField("start_time")
        if isinstance(message, pb.GetServerInfoResponse):
            for worker in message.workers:  # may have become idle in between
                worker.ClearField("state")
            for field in ("queued_job_count", "running_job_count"):
                message.ClearField(field)
        messages.append(message)
    incident, packed = "", []
    for type_url, value in outcome.details:
        if type_url.endswith("ErrorInfo"):
            info = details.ErrorInfo.FromString(value)
            if "incident" in info.metadata:
                incident = info.metadata["incident"]
                info.metadata["incident"] = ""
            value = info.SerializeToString(deterministic=True)
        packed.append((type_url, value))
    return Outcome(
        messages=messages,
        code=outcome.code,
        message=outcome.message.replace(incident, "") if incident else outcome.message,
        details=packed,
    )
