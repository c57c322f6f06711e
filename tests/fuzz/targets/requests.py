"""Requests: bytes of every message of the contract, read and converted as the server does.

The first byte chooses the method and, from 128 on, JSON; the rest is its request.
"""

from collections.abc import Callable, Mapping
from random import Random

from google.protobuf import json_format
from google.protobuf.message import Message

from pipeline.errors import PipelineError
from server import convert
from server.calls.messages import Malformed, json_request_reader, request_reader
from server.calls.rpcs import Rpc, rpcs_of
from server.jobs import JobSpec
from server.pb import lodsmith_pb2 as pb
from server.record import dumps, loads
from server.refusals import Refusal
from tests.fuzz.closed_server import UID
from tests.fuzz.mutations.json_values import changed_json
from tests.fuzz.mutations.messages import changed_message

_IS_JSON = 0x80


class _Nobody:
    """A service whose methods are not called."""

    def __getattr__(self, name: str) -> None:
        return None


RPCS: tuple[Rpc, ...] = tuple(
    rpc
    for service in pb.DESCRIPTOR.services_by_name.values()
    for rpc in rpcs_of(service, _Nobody(), max_request_items=4096)
)


def consume(data: bytes) -> None:
    if not data:
        return
    rpc = RPCS[data[0] % _IS_JSON % len(RPCS)]
    reader = json_request_reader if data[0] & _IS_JSON else request_reader
    request = reader(rpc)(data[1:])
    if isinstance(request, Malformed):
        str(request.refusal).encode()
        return
    try:
        _CONVERSIONS.get(type(request), lambda request: None)(request)
    except (PipelineError, Refusal) as error:
        str(error).encode()


def mutate(data: bytes, random: Random) -> bytes:
    number = data[0] if data and random.randrange(8) else random.randrange(256)
    if number & _IS_JSON:
        return bytes([number]) + changed_json(data[1:], random, {})
    request = RPCS[number % len(RPCS)].request
    return bytes([number]) + changed_message(data[1:], request, random)


def seeds() -> Mapping[str, bytes]:
    """One request per method, and the same as JSON."""
    whole = {rpc.name: _WHOLE.get(rpc.name, rpc.request()) for rpc in RPCS}
    numbers = {rpc.name: number for number, rpc in enumerate(RPCS)}
    return {
        name: bytes([numbers[name]]) + request.SerializeToString()
        for name, request in whole.items()
    } | {
        f"{name}.json": bytes([_IS_JSON + numbers[name]])
        + json_format.MessageToJson(request).encode()
        for name, request in whole.items()
    }


_NAME = f"jobs/{UID.decode()}"
_DIGEST = pb.Digest(sha256=bytes(32), size_bytes=1)
_EARLIER = JobSpec(asset_name="Chair", prompt="a chair")
_SPEC = convert.spec_to(
    JobSpec(
        asset_name="Chair",
        prompt="a chair",
        priority=1,
        run_timeout_s=60.0,
        labels={"team": "props"},
    )
)
_WHOLE: Mapping[str, Message] = {
    "CreateJob": pb.CreateJobRequest(request_id="a", spec=_SPEC),
    "GetJob": pb.GetJobRequest(name=_NAME),
    "ListJobs": pb.ListJobsRequest(
        page_size=5, states=[pb.JOB_STATE_QUEUED], labels={"team": "props"}
    ),
    "WatchJob": pb.WatchJobRequest(name=_NAME, after_sequence=1),
    "ListJobEvents": pb.ListJobEventsRequest(name=_NAME, after_sequence=1, page_size=5),
    "CancelJob": pb.CancelJobRequest(name=_NAME),
    "RetryJob": pb.RetryJobRequest(name=_NAME, request_id="b"),
    "DeleteJob": pb.DeleteJobRequest(name=_NAME, etag="c"),
    "FindMissingBlobs": pb.FindMissingBlobsRequest(digests=[_DIGEST]),
    "WriteBlob": pb.WriteBlobRequest(upload_id=UID.decode(), digest=_DIGEST, data=b"x"),
    "WriteBlobChunk": pb.WriteBlobChunkRequest(upload_id=UID.decode(), digest=_DIGEST, data=b"x"),
    "QueryBlobWrite": pb.QueryBlobWriteRequest(upload_id=UID.decode(), digest=_DIGEST),
    "ReadBlob": pb.ReadBlobRequest(digest=_DIGEST, offset=1, limit=1),
}


def _create_job(request: pb.CreateJobRequest) -> None:
    if request.spec.WhichOneof("source") == "job":
        spec = convert.spec_again_from(request.spec, _EARLIER, convert.uid_of(request.spec.job))
    else:
        spec = convert.spec_from(request.spec)
        if spec.is_generated:  # else the service refuses what a mesh would ignore
            # What is answered is what was understood, and what is kept.
            assert dumps(convert.spec_from(convert.spec_to(spec))) == dumps(spec)
    assert dumps(loads(JobSpec, dumps(spec))) == dumps(spec)
    convert.spec_to(spec)


def _list_jobs(request: pb.ListJobsRequest) -> None:
    for state in request.states:
        convert.job_state_from(state, "states")
    convert.labels_from(request.labels, "labels")
    convert.time_from(request, "created_since")
    convert.time_from(request, "created_before")


def _find_missing_blobs(request: pb.FindMissingBlobsRequest) -> None:
    for digest in request.digests:
        again = convert.digest_to(convert.digest_from(digest, "digests"))
        assert (again.sha256, again.size_bytes) == (digest.sha256, digest.size_bytes)


_WithDigest = pb.WriteBlobRequest | pb.WriteBlobChunkRequest | pb.ReadBlobRequest


def _with_digest(request: _WithDigest) -> None:
    convert.digest_from(request.digest, "digest")


_CONVERSIONS: Mapping[type[Message], Callable[..., object]] = {
    pb.CreateJobRequest: _create_job,
    pb.ListJobsRequest: _list_jobs,
    pb.WatchJobRequest: lambda r: convert.seconds_from(r, "heartbeat_interval", 5, 60),
    pb.ListJobEventsRequest: lambda r: convert.seconds_from(r, "wait", 0, 30),
    pb.RetryJobRequest: lambda r: convert.stage_from(r.from_stage, "from_stage"),
    pb.FindMissingBlobsRequest: _find_missing_blobs,
    pb.WriteBlobRequest: _with_digest,
    pb.WriteBlobChunkRequest: _with_digest,
    pb.QueryBlobWriteRequest: _with_digest,
    pb.ReadBlobRequest: _with_digest,
}
