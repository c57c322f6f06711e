"""The table of bad inputs: what a stranger sends, and what he is told.

Each row is a call or a job with its code, its reason and a part of the message: the value at fault,
or the number that it must keep to. No message tells of the server's inside, and after each row the
server answers as before.
"""

import hashlib
import re
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from server.access.principal import Scope
from server.access.tokens import TokenStore
from server.config import ServerConfig
from server.pb import lodsmith_pb2 as pb
from tests.pipeline.samples import (
    GltfFile,
    checkerboard,
    encoded,
    pack_glb,
    triangle,
    triangle_file,
)
from tests.server.conftest import Peer, config_in, serving
from tests.server.refused import bad_request_of, reason_of

Code = grpc.StatusCode
Call = Callable[[Peer], object]

GiB = 1 << 30
SHA = bytes(32)
UPLOAD = "0" * 32
NOBODY = f"jobs/{'0' * 32}"
DIGEST_10 = pb.Digest(sha256=SHA, size_bytes=10)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """How a call ends. says: a pattern in its message. field: which of the request is at fault."""

    code: Code
    reason: str
    says: str
    field: str | None = None


def invalid(says: str, field: str | None = None) -> Refused:
    return Refused(code=Code.INVALID_ARGUMENT, reason="INVALID_INPUT", says=says, field=field)


def too_large(says: str, field: str | None = None) -> Refused:
    return Refused(code=Code.INVALID_ARGUMENT, reason="TOO_LARGE", says=says, field=field)


def missing(says: str, field: str) -> Refused:
    return Refused(code=Code.FAILED_PRECONDITION, reason="BLOB_MISSING", says=says, field=field)


def misplaced(says: str) -> Refused:
    return Refused(code=Code.OUT_OF_RANGE, reason="OFFSET_MISMATCH", says=says)


NO_JOB = Refused(code=Code.NOT_FOUND, reason="JOB_NOT_FOUND", says="no job")


def create(**fields: Any) -> Call:
    request = pb.CreateJobRequest(spec=pb.JobSpec(**fields))
    return lambda peer: peer.jobs.CreateJob(request)


def options(**fields: Any) -> Call:
    return create(prompt="a chair", options=pb.AssetOptions(**fields))


def lod(**fields: Any) -> Call:
    return options(lod=pb.LodOptions(**fields))


def write(**fields: Any) -> Call:
    message = pb.WriteBlobRequest(**fields)
    return lambda peer: peer.blobs.WriteBlob(iter([message]))


def write_chunk(**fields: Any) -> Call:
    message = pb.WriteBlobChunkRequest(**fields)
    return lambda peer: peer.blobs.WriteBlobChunk(message)


def read(**fields: Any) -> Call:
    request = pb.ReadBlobRequest(**fields)
    return lambda peer: list(peer.blobs.ReadBlob(request))


def list_jobs(**fields: Any) -> Call:
    request = pb.ListJobsRequest(**fields)
    return lambda peer: peer.jobs.ListJobs(request)


def watch(**fields: Any) -> Call:
    request = pb.WatchJobRequest(**fields)
    return lambda peer: list(peer.jobs.WatchJob(request))


def list_events(**fields: Any) -> Call:
    request = pb.ListJobEventsRequest(**fields)
    return lambda peer: peer.jobs.ListJobEvents(request)


def about_a_job(act: Callable[[Peer, pb.Job], object], mesh: str = "a box") -> Call:
    """Make a job, let it end, and do something with it."""
    return lambda peer: act(peer, peer.finished(peer.create_mesh(mesh)))


def raw(method: str, content: bytes) -> Call:
    # Any: without serializers a channel takes bytes, which its stubs do not know.
    def call(peer: Peer) -> object:
        unary: Any = peer.channel.unary_unary(f"/lodsmith.v1.{method}")
        return unary(content)

    return call


def raw_stream(method: str, *contents: bytes) -> Call:
    def call(peer: Peer) -> object:
        stream: Any = peer.channel.stream_unary(f"/lodsmith.v1.{method}")
        return stream(iter(contents))

    return call


def stolen_request_id(peer: Peer) -> object:
    request_id = uuid.uuid4().hex
    for prompt in ("a chair", "another chair"):
        spec = pb.JobSpec(prompt=prompt)
        peer.jobs.CreateJob(pb.CreateJobRequest(request_id=request_id, spec=spec))
    raise AssertionError("the second one was taken")


def stolen_by_a_retry(peer: Peer) -> object:
    request_id = uuid.uuid4().hex
    spec = pb.JobSpec(mesh=peer.upload("a box"))
    request = pb.CreateJobRequest(request_id=request_id, spec=spec)
    job = peer.finished(peer.jobs.CreateJob(request).job)
    return peer.jobs.RetryJob(pb.RetryJobRequest(name=job.name, request_id=request_id))


def busy_job(act: Callable[[Peer, pb.Job], object]) -> Call:
    """Do something with a job that runs on, and cancel it."""

    def call(peer: Peer) -> object:
        job = peer.create_mesh(f"slow {uuid.uuid4()}")
        try:
            return act(peer, job)
        finally:
            peer.client.cancel(job.name)
            peer.finished(job)

    return call


CALLS: dict[str, tuple[Call, Refused]] = {
    # what to make
    "nothing to make": (create(), invalid("needs a prompt, an image or a mesh", "spec.source")),
    "an empty prompt": (create(prompt=" "), invalid("say what to make", "spec.prompt")),
    "a prompt of 10,000 characters": (
        create(prompt="x" * 10_000), invalid("at most 1,000 characters, got 10,000", "spec.prompt"),
    ),
    "a prompt of one character too many": (
        create(prompt="x" * 1_001), invalid("got 1,001", "spec.prompt"),
    ),
    "a negative seed": (create(prompt="a chair", seed=-1), invalid("got -1", "spec.seed")),
    "a long name": (
        create(prompt="a chair", asset_name="x" * 201), invalid("got 201", "spec.asset_name"),
    ),
    "a picture without digest": (
        create(image=pb.Digest()), invalid("must be 32 bytes, got 0", "spec.image.sha256"),
    ),
    "a digest of 31 bytes": (
        create(mesh=pb.Digest(sha256=bytes(31))), invalid("got 31", "spec.mesh.sha256"),
    ),
    "a digest in hexadecimal": (
        create(mesh=pb.Digest(sha256=b"0" * 64)), invalid("got 64", "spec.mesh.sha256"),
    ),
    "a mesh of negative size": (
        create(mesh=pb.Digest(sha256=SHA, size_bytes=-1)),
        invalid("got -1", "spec.mesh.size_bytes"),
    ),
    "a picture that is absent": (create(image=DIGEST_10), missing(SHA.hex(), "spec.image")),
    "a mesh that is absent": (create(mesh=DIGEST_10), missing("WriteBlob", "spec.mesh")),
    "a shape that is absent": (
        create(prompt="a chair", shape=DIGEST_10), missing(SHA.hex(), "spec.shape"),
    ),
    "an adapter that is absent": (
        create(prompt="a chair", adapter=DIGEST_10), missing(SHA.hex(), "spec.adapter"),
    ),
    "too many variants": (
        create(prompt="a chair", variant_count=9), invalid("got 9", "spec.variant_count"),
    ),
    "a negative number of variants": (
        create(prompt="a chair", variant_count=-1), invalid("got -1", "spec.variant_count"),
    ),
    "seeds that run over": (
        create(prompt="a chair", variant_count=2, seed=2**63 - 1),
        invalid("2 seeds below 2\\^63", "spec.seed"),
    ),
    "more pictures without a first": (
        create(prompt="a chair", more_images=[DIGEST_10]),
        invalid("needs spec.image", "spec.more_images"),
    ),
    "too many pictures": (
        create(image=DIGEST_10, more_images=[DIGEST_10] * 8), invalid("got 9", "spec.more_images"),
    ),
    "an adapter too strong": (
        create(prompt="a chair", adapter=DIGEST_10, adapter_strength=2.5),
        invalid("got 2.5", "spec.adapter_strength"),
    ),
    "a strength of no adapter": (
        create(prompt="a chair", adapter_strength=0.5),
        invalid("needs spec.adapter", "spec.adapter_strength"),
    ),
    "a strength that is no number": (
        create(prompt="a chair", adapter=DIGEST_10, adapter_strength=float("nan")),
        invalid("got nan", "spec.adapter_strength"),
    ),
    "variants of a mesh": (
        create(mesh=DIGEST_10, variant_count=2), invalid("taken as it is", "spec.variant_count"),
    ),
    "a model for a mesh": (
        create(mesh=DIGEST_10, model="starter"), invalid("taken as it is", "spec.model"),
    ),
    "a priority of 11": (
        create(prompt="a chair", priority=11), invalid("got 11", "spec.priority"),
    ),
    "no time to run": (
        create(prompt="a chair", run_timeout=Duration()), invalid("got 0 s", "spec.run_timeout"),
    ),
    "a negative time to run": (
        create(prompt="a chair", run_timeout=Duration(seconds=-5)),
        invalid("got -5 s", "spec.run_timeout"),
    ),
    "a time to run beyond the limit": (
        create(prompt="a chair", run_timeout=Duration(seconds=100_000)),
        invalid("at most 7200 s, got 100000 s", "spec.run_timeout"),
    ),
    "a time to run that no clock has": (
        create(prompt="a chair", run_timeout=Duration(seconds=2**62)),
        invalid("got 4.6", "spec.run_timeout"),
    ),
    "17 labels": (
        create(prompt="a chair", labels={str(number): "" for number in range(17)}),
        invalid("at most 16 labels, got 17", "spec.labels"),
    ),
    "a label of 65 characters": (
        create(prompt="a chair", labels={"team": "x" * 65}), invalid("'team'", "spec.labels"),
    ),
    "a label without a name": (
        create(prompt="a chair", labels={"": "props"}), invalid("'props'", "spec.labels"),
    ),
    # options
    "rising budgets": (lod(budgets=[1000, 4000]), invalid("4,?000")),
    "equal budgets": (lod(budgets=[9, 9]), invalid("9")),
    "a negative budget": (lod(budgets=[-5]), invalid("-5")),
    "too many LODs": (lod(budgets=range(900, 0, -100)), invalid("8")),
    "budgets and a preset": (lod(budgets=[9], preset=pb.LOD_PRESET_MOBILE), invalid("preset")),
    "a target of nothing": (lod(targets=[pb.LodTarget()]), invalid("target")),
    "an odd texture size": (
        options(unwrap=pb.UnwrapOptions(texture_size=1000)), invalid("got 1000"),
    ),
    "no height": (options(place=pb.PlaceOptions(height_m=0.0)), invalid("got 0")),
    "a height that is no number": (
        options(place=pb.PlaceOptions(height_m=float("nan"))), invalid("got nan"),
    ),
    "an endless height": (
        options(place=pb.PlaceOptions(height_m=float("inf"))), invalid("got inf"),
    ),
    "no steps": (options(slat=pb.SamplerOptions(steps=0)), invalid("got 0")),
    "2^31 - 1 steps": (
        options(slat=pb.SamplerOptions(steps=2**31 - 1)), invalid("2,?147,?483,?647"),
    ),
    "a reversed interval": (
        options(slat=pb.SamplerOptions(guidance_interval=pb.Interval(low=1, high=0))),
        invalid(r"got 1\.0, 0\.0"),
    ),
    "an unknown profile": (
        options(export=pb.ExportOptions(profile=77)),  # type: ignore[arg-type]
        invalid("77 is no ExportProfile", "spec.options.export.profile"),
    ),
    "a format twice": (
        options(decode=pb.DecodeOptions(formats=[pb.FORMAT_MESH, pb.FORMAT_MESH])),
        invalid("mesh"),
    ),
    "an unknown format": (
        options(decode=pb.DecodeOptions(formats=[77])),  # type: ignore[list-item]
        invalid("77 is no Format", "spec.options.decode.formats"),
    ),
    "a long negative prompt": (
        options(condition=pb.ConditionOptions(negative_prompt="x" * 1001)), invalid("1,?001"),
    ),
    "99 hulls": (options(collision=pb.CollisionOptions(max_hulls=99)), invalid("got 99")),
    "weights of parts that are merged": (
        options(parts=pb.PartOptions(weights=[pb.PartWeight(name="Wheel*", weight=2)])),
        invalid("set parts mode to separate"),
    ),
    "a weight of 1,000": (
        options(parts=pb.PartOptions(
            mode=pb.PART_MODE_SEPARATE, weights=[pb.PartWeight(name="Wheel*", weight=1000)],
        )),
        invalid("got 1000"),
    ),
    # request ids, names, pages
    "an odd request id": (
        lambda peer: peer.jobs.CreateJob(
            pb.CreateJobRequest(request_id="a/b", spec=pb.JobSpec(prompt="a chair"))
        ),
        invalid("'a/b'", "request_id"),
    ),
    "a request id of 65 characters": (
        lambda peer: peer.jobs.CreateJob(
            pb.CreateJobRequest(request_id="x" * 65, spec=pb.JobSpec(prompt="a chair"))
        ),
        invalid("up to 64", "request_id"),
    ),
    "the request id of another spec": (
        stolen_request_id,
        Refused(code=Code.ALREADY_EXISTS, reason="REQUEST_ID_REUSED", says="request_id"),
    ),
    "the request id of the job to retry": (
        stolen_by_a_retry,
        Refused(code=Code.ALREADY_EXISTS, reason="REQUEST_ID_REUSED", says="request_id"),
    ),
    "an unknown job": (
        lambda peer: peer.jobs.GetJob(pb.GetJobRequest(name="jobs/none")), NO_JOB,
    ),
    "a job by a path": (
        lambda peer: peer.jobs.GetJob(pb.GetJobRequest(name="jobs/../../journal.sqlite3")), NO_JOB,
    ),
    "a job by a pattern": (
        lambda peer: peer.jobs.GetJob(pb.GetJobRequest(name="jobs/%")), NO_JOB,
    ),
    "cancel of an unknown job": (
        lambda peer: peer.jobs.CancelJob(pb.CancelJobRequest(name=NOBODY)), NO_JOB,
    ),
    "retry of an unknown job": (
        lambda peer: peer.jobs.RetryJob(pb.RetryJobRequest(name=NOBODY)), NO_JOB,
    ),
    "delete of an unknown job": (
        lambda peer: peer.jobs.DeleteJob(pb.DeleteJobRequest(name=NOBODY)), NO_JOB,
    ),
    "watch of an unknown job": (watch(name=NOBODY), NO_JOB),
    "watch without a name": (watch(), NO_JOB),
    "events of an unknown job": (list_events(name=NOBODY), NO_JOB),
    "export again of an unknown job": (create(job=NOBODY), NO_JOB),
    "a page of 501": (list_jobs(page_size=501), invalid("got 501", "page_size")),
    "a page of -1": (list_jobs(page_size=-1), invalid("got -1", "page_size")),
    "a page token of nobody": (
        list_jobs(page_token="' OR 1=1"), invalid("first page", "page_token"),
    ),
    "a page token with a line's end": (
        list_jobs(page_token="0" * 32 + "\n"), invalid("first page", "page_token"),
    ),
    "an unknown state": (
        list_jobs(states=[99]),  # type: ignore[list-item]
        invalid("99 is no JobState", "states"),
    ),
    "no state": (list_jobs(states=[0]), invalid("UNSPECIFIED", "states")),
    "a filter of 17 labels": (
        list_jobs(labels={str(number): "" for number in range(17)}), invalid("got 17", "labels"),
    ),
    "a time before all calendars": (
        list_jobs(created_since=Timestamp(seconds=-(2**62))), invalid("no time", "created_since"),
    ),
    # events
    "a page of 501 events": (
        list_events(name=NOBODY, page_size=501), invalid("got 501", "page_size"),
    ),
    "to wait an hour for an event": (
        list_events(name=NOBODY, wait=Duration(seconds=3600)), invalid("got 3600 s", "wait"),
    ),
    "to wait less than no time": (
        list_events(name=NOBODY, wait=Duration(seconds=-1)), invalid("got -1 s", "wait"),
    ),
    "a heartbeat per millisecond": (
        watch(name=NOBODY, heartbeat_interval=Duration(nanos=1_000_000)),
        invalid("got 0.001 s", "heartbeat_interval"),
    ),
    "a cursor ahead of the log": (
        about_a_job(lambda peer, job: watch(name=job.name, after_sequence=10_000)(peer)),
        Refused(
            code=Code.FAILED_PRECONDITION, reason="LOG_EPOCH_CHANGED", says="10,?000",
            field="after_sequence",
        ),
    ),
    "a negative cursor": (
        about_a_job(lambda peer, job: list_events(name=job.name, after_sequence=-1)(peer)),
        Refused(code=Code.FAILED_PRECONDITION, reason="LOG_EPOCH_CHANGED", says="-1"),
    ),
    "a cursor of another log": (
        about_a_job(
            lambda peer, job: watch(name=job.name, after_sequence=1, log_epoch="0" * 16)(peer)
        ),
        Refused(code=Code.FAILED_PRECONDITION, reason="LOG_EPOCH_CHANGED", says="log"),
    ),
    # jobs that are not so far, or not the same
    "retry of a job that runs": (
        busy_job(lambda peer, job: peer.jobs.RetryJob(pb.RetryJobRequest(name=job.name))),
        Refused(code=Code.FAILED_PRECONDITION, reason="JOB_NOT_FINISHED", says="cancel"),
    ),
    "delete of a job that runs": (
        busy_job(lambda peer, job: peer.jobs.DeleteJob(pb.DeleteJobRequest(name=job.name))),
        Refused(code=Code.FAILED_PRECONDITION, reason="JOB_NOT_FINISHED", says="cancel"),
    ),
    "delete of a job that has changed": (
        about_a_job(
            lambda peer, job: peer.jobs.DeleteJob(pb.DeleteJobRequest(name=job.name, etag="1"))
        ),
        Refused(code=Code.ABORTED, reason="ETAG_MISMATCH", says="etag"),
    ),
    "retry from no stage": (
        about_a_job(
            lambda peer, job: peer.jobs.RetryJob(
                pb.RetryJobRequest(name=job.name, from_stage=99)  # type: ignore[arg-type]
            )
        ),
        invalid("99 is no StageKind", "from_stage"),
    ),
    "export again of a job without a surface": (
        about_a_job(lambda peer, job: create(job=job.name)(peer), mesh="fail at once"),
        Refused(code=Code.FAILED_PRECONDITION, reason="SURFACE_MISSING", says="surface"),
    ),
    "export again with another seed": (
        about_a_job(lambda peer, job: create(job=job.name, seed=4)(peer)),
        invalid("leave it out", "spec.seed"),
    ),
    # uploads and downloads
    "an upload of nothing": (
        lambda peer: peer.blobs.WriteBlob(iter([])), invalid("no message", "upload_id"),
    ),
    "an upload without digest": (
        write(upload_id=UPLOAD), invalid("32 bytes, got 0", "digest.sha256"),
    ),
    "an upload of negative size": (
        write(upload_id=UPLOAD, digest=pb.Digest(sha256=SHA, size_bytes=-1)),
        invalid("got -1", "digest.size_bytes"),
    ),
    "an upload of 5 GiB": (
        write(upload_id=UPLOAD, digest=pb.Digest(sha256=SHA, size_bytes=5 * GiB), data=b"x"),
        too_large("got 5,368,709,120", "digest"),
    ),
    "an upload of 2^63 - 1 bytes in chunks": (
        write_chunk(upload_id=UPLOAD, digest=pb.Digest(sha256=SHA, size_bytes=2**63 - 1)),
        too_large("got 9,223,372,036,854,775,807", "digest"),
    ),
    "an upload id with a path": (
        write(upload_id="../../../../etc/passwd", digest=DIGEST_10),
        invalid("32 lower-case hex digits", "upload_id"),
    ),
    "an upload id in capitals": (
        write_chunk(upload_id="A" * 32, digest=DIGEST_10), invalid("AAAA", "upload_id"),
    ),
    "an upload with a gap": (
        write(upload_id=UPLOAD, digest=DIGEST_10, offset=5, data=b"x"), misplaced("got 5"),
    ),
    "an upload from before its start": (
        write(upload_id=UPLOAD, digest=DIGEST_10, offset=-1, data=b"x"), misplaced("got -1"),
    ),
    "an upload of too much": (
        write(upload_id=UPLOAD, digest=DIGEST_10, data=b"x" * 11), misplaced("10 bytes, got 11"),
    ),
    "a chunk behind a gap": (
        write_chunk(upload_id=UPLOAD, digest=DIGEST_10, offset=5, data=b"x"), misplaced("got 5"),
    ),
    "an upload of other bytes": (
        write(upload_id=UPLOAD, digest=DIGEST_10, data=b"x" * 10),
        Refused(
            code=Code.INVALID_ARGUMENT, reason="DIGEST_MISMATCH",
            says=hashlib.sha256(b"x" * 10).hexdigest(), field="digest",
        ),
    ),
    "a query without digest": (
        lambda peer: peer.blobs.QueryBlobWrite(pb.QueryBlobWriteRequest(upload_id=UPLOAD)),
        invalid("32 bytes, got 0", "digest.sha256"),
    ),
    "1,001 digests": (
        lambda peer: peer.blobs.FindMissingBlobs(
            pb.FindMissingBlobsRequest(digests=[DIGEST_10] * 1001)
        ),
        invalid("1,001", "digests"),
    ),
    "the third digest wrong": (
        lambda peer: peer.blobs.FindMissingBlobs(
            pb.FindMissingBlobsRequest(digests=[DIGEST_10, DIGEST_10, pb.Digest(sha256=b"x")])
        ),
        invalid("got 1", "digests[2].sha256"),
    ),
    "read of an absent blob": (
        read(digest=DIGEST_10), Refused(code=Code.NOT_FOUND, reason="BLOB_MISSING", says=SHA.hex()),
    ),
    "read without digest": (read(), invalid("32 bytes, got 0", "digest.sha256")),
    "read of a negative length": (
        read(digest=DIGEST_10, limit=-1), invalid("got -1", "limit"),
    ),
    "read from behind the end": (
        lambda peer: read(digest=peer.upload("ten bytes!"), offset=11)(peer), misplaced("got 11"),
    ),
    "read from before the start": (
        lambda peer: read(digest=peer.upload("ten bytes!"), offset=-1)(peer), misplaced("got -1"),
    ),
    # bytes that are no request, or too many
    "bytes that are no message": (
        raw("JobService/CreateJob", b"\xff\xff\xff"), invalid("no CreateJobRequest"),
    ),
    "a text that is no Unicode": (
        raw("JobService/GetJob", b"\x0a\x02\xff\xfe"), invalid("no GetJobRequest"),
    ),
    "a stream of bytes that are no message": (
        raw_stream("BlobService/WriteBlob", b"\xff\xff\xff"), invalid("no WriteBlobRequest"),
    ),
    "a request of 300 kB": (
        create(prompt="x" * 300_000), too_large("at most 262,144 bytes, got 300,"),
    ),
    "a name of 100 kB": (
        lambda peer: peer.jobs.GetJob(pb.GetJobRequest(name="x" * 100_000)),
        too_large("at most 65,536 bytes"),
    ),
    "a chunk of 2 MiB": (
        write(upload_id=UPLOAD, digest=pb.Digest(sha256=SHA, size_bytes=GiB), data=bytes(2 << 20)),
        too_large("1,052,672 bytes"),
    ),
    "5,000 states": (
        list_jobs(states=[pb.JOB_STATE_QUEUED] * 5_000), too_large("at most 4,096 elements"),
    ),
    "5,000 targets of nothing": (
        lod(targets=[pb.LodTarget()] * 5_000), too_large("at most 4,096 elements"),
    ),
    "5,000 pictures of nothing": (
        create(image=DIGEST_10, more_images=[pb.Digest()] * 5_000),
        too_large("at most 4,096 elements"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_bad_call_is_refused_and_told_why(server: Peer, name: str) -> None:
    call, expected = CALLS[name]
    check_refusal(server, call, expected)
    assert server.catalog.GetServerInfo(pb.GetServerInfoRequest()).version


def check_refusal(peer: Peer, call: Call, expected: Refused) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        call(peer)
    error: Any = refused.value  # it has more than grpc's stubs know
    assert (error.code(), reason_of(error)) == (expected.code, expected.reason), error.details()
    if expected.field is not None:
        assert [v.field for v in bad_request_of(error).field_violations] == [expected.field]
    check_message(peer, error.details(), expected.says)


def check_message(peer: Peer, message: str, says: str) -> None:
    """It has the value or the way out, and nothing of the server's inside."""
    assert re.search(says, message), message
    assert 10 < len(message) < 600
    for inside in (str(peer.config.data_dir.parent), "Traceback", ".py", "Error(", "object at 0x"):
        assert inside not in message


# Tokens and other people's things


@dataclass(frozen=True, kw_only=True)
class Tenants:
    """A server with tokens. name: of a job of the project "red". mesh: a blob of it."""

    peer: Peer
    tokens: dict[str, str]
    name: str
    mesh: pb.Digest

    def as_(self, who: str) -> Any:
        """Metadata of a call with that token."""
        return (("authorization", self.tokens[who]),)


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    config = replace(
        config_in(tmp_path_factory.mktemp("tenants")),
        auth="token",
        warm_generator=False,
        spare_mesh_workers=0,
    )
    tokens = tokens_of(config)
    with serving(config) as peer:
        red = (("authorization", tokens["red"]),)
        content = b"a box of red"
        mesh = pb.Digest(sha256=hashlib.sha256(content).digest(), size_bytes=len(content))
        chunk = pb.WriteBlobChunkRequest(upload_id=UPLOAD, digest=mesh, data=content)
        peer.blobs.WriteBlobChunk(chunk, metadata=red)
        request = pb.CreateJobRequest(request_id="red-1", spec=pb.JobSpec(mesh=mesh))
        job = peer.jobs.CreateJob(request, metadata=red).job
        list(peer.jobs.WatchJob(pb.WatchJobRequest(name=job.name), metadata=red))
        yield Tenants(peer=peer, tokens=tokens, name=job.name, mesh=mesh)


def tokens_of(config: ServerConfig) -> dict[str, str]:
    """Make tokens of two projects, and some that open nothing."""
    long_ago_us = (int(time.time()) - 1_000_000) * 1_000_000
    path = config.data_dir / "access.sqlite3"
    store = TokenStore(path, clock=lambda: long_ago_us)
    everything = set(Scope) - {Scope.ADMIN}
    texts = {
        "red": store.add(name="ann", project="red", scopes=everything, expire_us=None)[1],
        "blue": store.add(name="bob", project="blue", scopes=everything, expire_us=None)[1],
        "reader": store.add(name="eve", project="red", scopes={Scope.JOBS_READ}, expire_us=None)[1],
        "expired": store.add(
            name="ann", project="red", scopes=everything, expire_us=long_ago_us + 1_000_000
        )[1],
    }
    revoked, texts["revoked"] = store.add(
        name="ann", project="red", scopes=everything, expire_us=None
    )
    store.revoke(revoked.id)
    store.close()
    return {who: f"Bearer {text}" for who, text in texts.items()} | {
        "nonsense": "Bearer nonsense",
        "basic": "Basic YW5uOnNlY3JldA==",
        "empty": "",
    }


TOKEN_INVALID = Refused(code=Code.UNAUTHENTICATED, reason="TOKEN_INVALID", says="token")


def scope_missing(scope: str) -> Refused:
    return Refused(code=Code.PERMISSION_DENIED, reason="SCOPE_MISSING", says=scope)


def get(tenants: Tenants, who: str) -> object:
    return tenants.peer.jobs.GetJob(pb.GetJobRequest(name=tenants.name), metadata=tenants.as_(who))


def make(tenants: Tenants, who: str, **fields: Any) -> object:
    request = pb.CreateJobRequest(spec=pb.JobSpec(**fields))
    return tenants.peer.jobs.CreateJob(request, metadata=tenants.as_(who))


# At most ten of them may fail for their token, or they are asked to wait.
TENANTS: dict[str, tuple[Callable[[Tenants], object], Refused]] = {
    "no token": (
        lambda t: t.peer.jobs.GetJob(pb.GetJobRequest(name=t.name)), TOKEN_INVALID,
    ),
    "a token of nobody": (lambda t: get(t, "nonsense"), TOKEN_INVALID),
    "a password": (lambda t: get(t, "basic"), TOKEN_INVALID),
    "an empty token": (lambda t: get(t, "empty"), TOKEN_INVALID),
    "an expired token": (lambda t: get(t, "expired"), TOKEN_INVALID),
    "a revoked token": (lambda t: get(t, "revoked"), TOKEN_INVALID),
    "an upload with a token to read": (
        lambda t: t.peer.blobs.WriteBlob(
            iter([pb.WriteBlobRequest(upload_id=UPLOAD, digest=DIGEST_10)]),
            metadata=t.as_("reader"),
        ),
        scope_missing("blobs:write"),
    ),
    "a job with a token to read": (
        lambda t: make(t, "reader", mesh=t.mesh), scope_missing("jobs:write"),
    ),
    "a download with a token to look at jobs": (
        lambda t: list(
            t.peer.blobs.ReadBlob(pb.ReadBlobRequest(digest=t.mesh), metadata=t.as_("reader"))
        ),
        scope_missing("blobs:read"),
    ),
    "a look at another's job": (lambda t: get(t, "blue"), NO_JOB),
    "a watch of another's job": (
        lambda t: list(
            t.peer.jobs.WatchJob(pb.WatchJobRequest(name=t.name), metadata=t.as_("blue"))
        ),
        NO_JOB,
    ),
    "events of another's job": (
        lambda t: t.peer.jobs.ListJobEvents(
            pb.ListJobEventsRequest(name=t.name), metadata=t.as_("blue")
        ),
        NO_JOB,
    ),
    "cancel of another's job": (
        lambda t: t.peer.jobs.CancelJob(
            pb.CancelJobRequest(name=t.name), metadata=t.as_("blue")
        ),
        NO_JOB,
    ),
    "retry of another's job": (
        lambda t: t.peer.jobs.RetryJob(pb.RetryJobRequest(name=t.name), metadata=t.as_("blue")),
        NO_JOB,
    ),
    "delete of another's job": (
        lambda t: t.peer.jobs.DeleteJob(
            pb.DeleteJobRequest(name=t.name), metadata=t.as_("blue")
        ),
        NO_JOB,
    ),
    "export again of another's job": (lambda t: make(t, "blue", job=t.name), NO_JOB),
    "a job from another's mesh": (
        lambda t: make(t, "blue", mesh=t.mesh), missing("WriteBlob", "spec.mesh"),
    ),
    "a download of another's mesh": (
        lambda t: list(
            t.peer.blobs.ReadBlob(pb.ReadBlobRequest(digest=t.mesh), metadata=t.as_("blue"))
        ),
        Refused(code=Code.NOT_FOUND, reason="BLOB_MISSING", says="no blob"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TENANTS)
def test_what_is_not_yours_is_not_there(tenants: Tenants, name: str) -> None:
    call, expected = TENANTS[name]
    check_refusal(tenants.peer, lambda peer: call(tenants), expected)
    assert get(tenants, "red")


def test_nothing_tells_that_another_has_a_blob(tenants: Tenants) -> None:
    query = pb.FindMissingBlobsRequest(digests=[tenants.mesh])
    answer = tenants.peer.blobs.FindMissingBlobs(query, metadata=tenants.as_("blue"))
    assert list(answer.missing) == [tenants.mesh]
    request = pb.QueryBlobWriteRequest(upload_id=UPLOAD, digest=tenants.mesh)
    answer = tenants.peer.blobs.QueryBlobWrite(request, metadata=tenants.as_("blue"))
    assert (answer.committed_size, answer.complete) == (0, False)


def test_a_request_id_belongs_to_a_project(tenants: Tenants) -> None:
    request = pb.CreateJobRequest(
        request_id="red-1", spec=pb.JobSpec(prompt="a chair"), validate_only=True
    )
    assert not tenants.peer.jobs.CreateJob(request, metadata=tenants.as_("blue")).deduplicated
    answer = tenants.peer.jobs.ListJobs(pb.ListJobsRequest(), metadata=tenants.as_("blue"))
    assert list(answer.jobs) == []


# Files


def damaged(**changes: Any) -> bytes:
    """A triangle whose first accessor says something else."""
    file = triangle_file()
    file.json["accessors"][0] |= changes
    return file.glb()


def with_nodes(*nodes: object) -> bytes:
    file = triangle_file()
    file.json["nodes"] = list(nodes)
    return file.glb()


def requiring(extension: str) -> bytes:
    file = triangle_file()
    file.json["extensionsUsed"] = file.json["extensionsRequired"] = [extension]
    return file.glb()


def with_image(**image: object) -> GltfFile:
    file = triangle_file(TEXCOORD_0=triangle()[:, :2].copy())
    texture = file.texture(checkerboard())
    file.json["images"] = [image]
    file.json["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": texture}}}]
    file.json["meshes"][0]["primitives"][0]["material"] = 0
    return file


def picture_bomb() -> bytes:
    """A picture of 30,000 x 30,000 pixels in a hundred bytes."""
    whole = encoded(checkerboard())
    file = with_image()
    sides = struct.pack(">II", 30_000, 30_000)
    file.json["images"] = [{"bufferView": file.view(whole[:16] + sides + whole[24:])}]
    return file.glb()


WHOLE = triangle_file().glb()

FILES: dict[str, tuple[bytes, "pb.ErrorReason", str]] = {
    "an empty file": (b"", pb.ERROR_REASON_INVALID_INPUT, "not a GLB"),
    "a picture": (
        encoded(checkerboard()), pb.ERROR_REASON_INVALID_INPUT, r"starts with b'\\x89PNG'",
    ),
    "an archive": (b"PK\x03\x04" + bytes(100), pb.ERROR_REASON_INVALID_INPUT, "export the model"),
    "a program": (b"\x7fELF" + bytes(100), pb.ERROR_REASON_INVALID_INPUT, "export the model"),
    "a GLB cut short": (WHOLE[:-4], pb.ERROR_REASON_INVALID_INPUT, "cut short"),
    "half a header": (WHOLE[:15], pb.ERROR_REASON_INVALID_INPUT, "this has 15"),
    "glTF 1": (
        WHOLE[:4] + struct.pack("<I", 1) + WHOLE[8:], pb.ERROR_REASON_INVALID_INPUT, "glTF 1",
    ),
    "a chunk of 1 GiB": (
        WHOLE[:12] + struct.pack("<I", GiB) + WHOLE[16:], pb.ERROR_REASON_INVALID_INPUT,
        "1,073,741,824",
    ),
    "JSON without an end": (
        pack_glb(b"[" * 100_000, b""), pb.ERROR_REASON_INVALID_INPUT, "cannot be read",
    ),
    "JSON with a half character": (
        pack_glb(rb'{"asset": {"version": "2.0", "generator": "\ud800"}}', b""),
        pb.ERROR_REASON_INVALID_INPUT, "cannot be read",
    ),
    "2^31 vertices": (damaged(count=2**31), pb.ERROR_REASON_INVALID_INPUT, "6,000,000 triangles"),
    "-1 vertices": (damaged(count=-1), pb.ERROR_REASON_INVALID_INPUT, "got -1"),
    "vertices behind the end": (damaged(count=4), pb.ERROR_REASON_INVALID_INPUT, "byte 48"),
    "vertices of an unknown kind": (
        damaged(componentType=5124), pb.ERROR_REASON_INVALID_INPUT, "5124",
    ),
    "a cycle of nodes": (
        with_nodes({"mesh": 0, "children": [0]}), pb.ERROR_REASON_INVALID_INPUT, "reached twice",
    ),
    "100,001 nodes": (
        with_nodes({"mesh": 0}, *[{}] * 100_000), pb.ERROR_REASON_INVALID_INPUT, "100,001 nodes",
    ),
    "a vertex at the end of the world": (
        with_nodes({"mesh": 0, "scale": [1e30, 1, 1]}), pb.ERROR_REASON_INVALID_INPUT, "farther",
    ),
    "a mesh without size": (
        with_nodes({"mesh": 0, "scale": [0, 0, 0]}), pb.ERROR_REASON_INVALID_INPUT, "size",
    ),
    "no mesh at all": (with_nodes({}), pb.ERROR_REASON_INVALID_INPUT, "no triangles"),
    "a picture on the server's disk": (
        with_image(uri="../../../etc/passwd").glb(), pb.ERROR_REASON_INVALID_INPUT,
        "pack everything into one GLB",
    ),
    "a picture of another server": (
        with_image(uri="http://127.0.0.1/a.png").glb(), pb.ERROR_REASON_INVALID_INPUT,
        "pack everything into one GLB",
    ),
    "a picture of 900 million pixels": (
        picture_bomb(), pb.ERROR_REASON_INVALID_INPUT, "PNG|shrink it",
    ),
    "Draco": (
        requiring("KHR_draco_mesh_compression"), pb.ERROR_REASON_UNSUPPORTED_FEATURE,
        "gltf-transform",
    ),
    "a skin": (
        with_nodes({"mesh": 0, "skin": 0}), pb.ERROR_REASON_UNSUPPORTED_FEATURE, "static mesh",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A server with the real pipeline."""
    config = replace(
        config_in(tmp_path_factory.mktemp("workshop")), pipeline="pipeline", warm_generator=False
    )
    with serving(config) as peer:
        yield peer


@pytest.mark.parametrize("name", FILES)
def test_a_job_from_a_bad_file_fails_and_tells_why(workshop: Peer, name: str) -> None:
    content, reason, says = FILES[name]
    error = workshop.finished(workshop.create_mesh(content)).error
    assert pb.ErrorReason.Name(error.reason) == pb.ErrorReason.Name(reason), error.message
    assert not error.retryable
    check_message(workshop, error.message, says)


def test_after_all_bad_files_a_good_one_is_read(workshop: Peer) -> None:
    job = workshop.create_mesh(WHOLE)
    workshop.until(job, pb.STAGE_KIND_REPAIR)
    workshop.client.cancel(job.name)
