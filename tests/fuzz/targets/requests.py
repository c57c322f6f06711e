"""Requests: bytes of every message of the contract, read and converted as the server does.

The first byte chooses the method, the rest is its request.
"""

from collections.abc import Callable, Mapping
from random import Random

from google.protobuf.message import Message

from pipeline.errors import PipelineError
from server import convert
from server.calls.messages import Malformed, request_reader
from server.calls.rpcs import Rpc, rpcs_of
from server.jobs import JobSpec
from server.pb import lodsmith_pb2 as pb
from server.record import dumps, loads
from server.refusals import Refusal
from tests.fuzz.mutations.messages import changed_message


class _Nobody:
    """A service whose methods are not called."""

    def __getattr__(self, name: str) -> None:
        return None


RPCS: tuple[Rpc, ...] = tuple(
    rpc
    for service in pb.DESCRIPTOR.services_by_name.values()
    for rpc in rpcs_of(service, _Nobody())
)
_UID = "0" * 32
_EARLIER = JobSpec(asset_name="Chair", prompt="a chair")


def consume(data: bytes) -> None:
    if not data:
        return
    request = request_reader(RPCS[data[0] % len(RPCS)])(data[1:])
    if isinstance(request, Malformed):
        return
    convert_request = _CONVERSIONS.get(type(request))
    if convert_request is None:
        return
    try:
        convert_request(request)
    except (PipelineError, Refusal):
        return


def mutate(data: bytes, random: Random) -> bytes:
    number = data[0] if data and random.randrange(8) else random.randrange(256)
    request = RPCS[number % len(RPCS)].request
    return bytes([number]) + changed_message(data[1:], request, random)


def seeds() -> Mapping[str, bytes]:
    """One request per method."""
    whole: Mapping[str, Message] = {
        "CreateJob": pb.CreateJobRequest(
            request_id="a", spec=convert.spec_to(_EARLIER), validate_only=True
        ),
        "GetJob": pb.GetJobRequest(name=f"jobs/{_UID}"),
        "ListJobs": pb.ListJobsRequest(page_size=5, states=[pb.JOB_STATE_QUEUED]),
        "WatchJob": pb.WatchJobRequest(name=f"jobs/{_UID}", after_sequence=1),
        "CancelJob": pb.CancelJobRequest(name=f"jobs/{_UID}"),
        "FindMissingBlobs": pb.FindMissingBlobsRequest(digests=[_DIGEST]),
        "WriteBlob": pb.WriteBlobRequest(upload_id=_UID, digest=_DIGEST, data=b"x"),
        "WriteBlobChunk": pb.WriteBlobChunkRequest(upload_id=_UID, digest=_DIGEST, data=b"x"),
        "QueryBlobWrite": pb.QueryBlobWriteRequest(upload_id=_UID, digest=_DIGEST),
        "ReadBlob": pb.ReadBlobRequest(digest=_DIGEST, offset=1, limit=1),
    }
    return {
        rpc.name: bytes([number]) + whole.get(rpc.name, rpc.request()).SerializeToString()
        for number, rpc in enumerate(RPCS)
    }


_DIGEST = pb.Digest(sha256=bytes(32), size_bytes=1)


def _create_job(request: pb.CreateJobRequest) -> None:
    if request.spec.WhichOneof("source") == "job":
        spec = convert.spec_again_from(request.spec, _EARLIER, convert.uid_of(request.spec.job))
    else:
        spec = convert.spec_from(request.spec)
        # What is answered is what was understood, and what is kept.
        assert dumps(convert.spec_from(convert.spec_to(spec))) == dumps(spec)
    assert dumps(loads(JobSpec, dumps(spec))) == dumps(spec)


def _list_jobs(request: pb.ListJobsRequest) -> None:
    for state in request.states:
        convert.job_state_from(state, "states")


def _find_missing_blobs(request: pb.FindMissingBlobsRequest) -> None:
    for digest in request.digests:
        again = convert.digest_to(convert.digest_from(digest, "digests"))
        assert (again.sha256, again.size_bytes) == (digest.sha256, digest.size_bytes)


_WithDigest = pb.WriteBlobRequest | pb.WriteBlobChunkRequest | pb.ReadBlobRequest


def _with_digest(request: _WithDigest) -> None:
    convert.digest_from(request.digest, "digest")


_CONVERSIONS: Mapping[type[Message], Callable[..., None]] = {
    pb.CreateJobRequest: _create_job,
    pb.ListJobsRequest: _list_jobs,
    pb.FindMissingBlobsRequest: _find_missing_blobs,
    pb.WriteBlobRequest: _with_digest,
    pb.WriteBlobChunkRequest: _with_digest,
    pb.QueryBlobWriteRequest: _with_digest,
    pb.ReadBlobRequest: _with_digest,
}
