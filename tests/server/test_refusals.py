"""Every bad call: its status, its reason, and a server that lives on."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pipeline.errors import PipelineError
from server.calls.errors import CODES, DETAILS_KEY
from server.pb import lodsmith_pb2 as pb
from server.refusals import Refusal
from tests.server.conftest import Peer

SHA = bytes(32)
UPLOAD = "0" * 32
GiB = 1 << 30

Code = grpc.StatusCode


def create(**fields: Any) -> Callable[[Peer], object]:
    request = pb.CreateJobRequest(spec=pb.JobSpec(**fields))
    return lambda peer: peer.jobs.CreateJob(request)


def options(**fields: Any) -> Callable[[Peer], object]:
    return create(prompt="a chair", options=pb.AssetOptions(**fields))


def write(**fields: Any) -> Callable[[Peer], object]:
    message = pb.WriteBlobRequest(**fields)
    return lambda peer: peer.blobs.WriteBlob(iter([message]))


def read(**fields: Any) -> Callable[[Peer], object]:
    request = pb.ReadBlobRequest(**fields)
    return lambda peer: list(peer.blobs.ReadBlob(request))


def raw(method: str, content: bytes) -> Callable[[Peer], object]:
    # Any: without serializers a channel takes bytes, which its stubs do not know.
    def call(peer: Peer) -> object:
        unary: Any = peer.channel.unary_unary(method)
        return unary(content)

    return call


def raw_stream(method: str, *contents: bytes) -> Callable[[Peer], object]:
    def call(peer: Peer) -> object:
        stream: Any = peer.channel.stream_unary(method)
        return stream(iter(contents))

    return call


def lods(*budgets: int) -> pb.LodOptions:
    return pb.LodOptions(budgets=budgets)


DIGEST_10 = pb.Digest(sha256=SHA, size_bytes=10)

# name: call, status, reason, field or None
CASES: dict[str, tuple[Callable[[Peer], object], Code, str, str | None]] = {
    "no source": (create(), Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.source"),
    "empty prompt": (create(prompt=" "), Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.prompt"),
    "10,000 characters": (
        create(prompt="x" * 10_000), Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.prompt",
    ),
    "1,001 characters": (
        create(prompt="x" * 1_001), Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.prompt",
    ),
    "negative seed": (
        create(prompt="a chair", seed=-1), Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.seed",
    ),
    "long name": (
        create(prompt="a chair", asset_name="x" * 201),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.asset_name",
    ),
    "image without digest": (
        create(image=pb.Digest()), Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.image.sha256",
    ),
    "image that is absent": (
        create(image=DIGEST_10), Code.FAILED_PRECONDITION, "BLOB_MISSING", "spec.image",
    ),
    "mesh that is absent": (
        create(mesh=DIGEST_10), Code.FAILED_PRECONDITION, "BLOB_MISSING", "spec.mesh",
    ),
    "rising budgets": (
        options(lod=lods(1000, 4000)), Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
    "equal budgets": (options(lod=lods(9, 9)), Code.INVALID_ARGUMENT, "INVALID_INPUT", None),
    "negative budget": (options(lod=lods(-5)), Code.INVALID_ARGUMENT, "INVALID_INPUT", None),
    "too many LODs": (
        options(lod=lods(*range(900, 0, -100))), Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
    "odd texture size": (
        options(unwrap=pb.UnwrapOptions(texture_size=1000)),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
    "no height": (
        options(place=pb.PlaceOptions(height_m=0.0)),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
    "height that is no number": (
        options(place=pb.PlaceOptions(height_m=float("nan"))),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
    "no steps": (
        options(slat=pb.SamplerOptions(steps=0)), Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
    "reversed interval": (
        options(slat=pb.SamplerOptions(guidance_interval=pb.Interval(low=1, high=0))),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
    "unknown profile": (
        options(export=pb.ExportOptions(profile=77)),  # type: ignore[arg-type]
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.options.export.profile",
    ),
    "no format twice": (
        options(decode=pb.DecodeOptions(formats=[pb.FORMAT_MESH, pb.FORMAT_MESH])),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
    "unknown format": (
        options(decode=pb.DecodeOptions(formats=[77])),  # type: ignore[list-item]
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.options.decode.formats",
    ),
    "long negative prompt": (
        options(condition=pb.ConditionOptions(negative_prompt="x" * 1001)),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
    "too many variants": (
        create(prompt="a chair", variant_count=9),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.variant_count",
    ),
    "a negative number of variants": (
        create(prompt="a chair", variant_count=-1),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.variant_count",
    ),
    "seeds that run over": (
        create(prompt="a chair", variant_count=2, seed=2**63 - 1),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.seed",
    ),
    "more pictures without a first": (
        create(prompt="a chair", more_images=[DIGEST_10]),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.more_images",
    ),
    "too many pictures": (
        create(image=DIGEST_10, more_images=[DIGEST_10] * 8),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.more_images",
    ),
    "a shape that is absent": (
        create(prompt="a chair", shape=DIGEST_10),
        Code.FAILED_PRECONDITION, "BLOB_MISSING", "spec.shape",
    ),
    "an adapter that is absent": (
        create(prompt="a chair", adapter=DIGEST_10),
        Code.FAILED_PRECONDITION, "BLOB_MISSING", "spec.adapter",
    ),
    "an adapter too strong": (
        create(prompt="a chair", adapter=DIGEST_10, adapter_strength=2.5),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.adapter_strength",
    ),
    "a strength of no adapter": (
        create(prompt="a chair", adapter_strength=0.5),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.adapter_strength",
    ),
    "an adapter's strength that is no number": (
        create(prompt="a chair", adapter=DIGEST_10, adapter_strength=float("nan")),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.adapter_strength",
    ),
    "variants of a mesh": (
        create(mesh=DIGEST_10, variant_count=2),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.variant_count",
    ),
    "a model for a mesh": (
        create(mesh=DIGEST_10, model="starter"),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "spec.model",
    ),
    "odd request id": (
        lambda peer: peer.jobs.CreateJob(
            pb.CreateJobRequest(request_id="a/b", spec=pb.JobSpec(prompt="a chair"))
        ),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "request_id",
    ),
    "unknown job": (
        lambda peer: peer.jobs.GetJob(pb.GetJobRequest(name="jobs/none")),
        Code.NOT_FOUND, "JOB_NOT_FOUND", None,
    ),
    "cancel of an unknown job": (
        lambda peer: peer.jobs.CancelJob(pb.CancelJobRequest(name="jobs/none")),
        Code.NOT_FOUND, "JOB_NOT_FOUND", None,
    ),
    "watch of an unknown job": (
        lambda peer: list(peer.jobs.WatchJob(pb.WatchJobRequest(name="jobs/none"))),
        Code.NOT_FOUND, "JOB_NOT_FOUND", None,
    ),
    "watch with no name": (
        lambda peer: list(peer.jobs.WatchJob(pb.WatchJobRequest())),
        Code.NOT_FOUND, "JOB_NOT_FOUND", None,
    ),
    "huge page": (
        lambda peer: peer.jobs.ListJobs(pb.ListJobsRequest(page_size=501)),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "page_size",
    ),
    "foreign page token": (
        lambda peer: peer.jobs.ListJobs(pb.ListJobsRequest(page_token="' OR 1=1")),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "page_token",
    ),
    "unknown state": (
        lambda peer: peer.jobs.ListJobs(pb.ListJobsRequest(states=[99])),  # type: ignore[list-item]
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "states",
    ),
    "upload of nothing": (
        lambda peer: peer.blobs.WriteBlob(iter([])),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "upload_id",
    ),
    "upload without digest": (
        write(upload_id=UPLOAD), Code.INVALID_ARGUMENT, "INVALID_INPUT", "digest.sha256",
    ),
    "upload of negative size": (
        write(upload_id=UPLOAD, digest=pb.Digest(sha256=SHA, size_bytes=-1)),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "digest.size_bytes",
    ),
    "upload of 5 GB": (
        write(upload_id=UPLOAD, digest=pb.Digest(sha256=SHA, size_bytes=5 * GiB), data=b"x"),
        Code.INVALID_ARGUMENT, "TOO_LARGE", "digest",
    ),
    "upload id with a path": (
        write(upload_id="../../../../etc/passwd", digest=DIGEST_10),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "upload_id",
    ),
    "upload with a gap": (
        write(upload_id=UPLOAD, digest=DIGEST_10, offset=5, data=b"x"),
        Code.OUT_OF_RANGE, "OFFSET_MISMATCH", None,
    ),
    "upload of too much": (
        write(upload_id=UPLOAD, digest=DIGEST_10, data=b"x" * 11),
        Code.OUT_OF_RANGE, "OFFSET_MISMATCH", None,
    ),
    "upload of other bytes": (
        write(upload_id=UPLOAD, digest=DIGEST_10, data=b"x" * 10),
        Code.INVALID_ARGUMENT, "DIGEST_MISMATCH", "digest",
    ),
    "query without digest": (
        lambda peer: peer.blobs.QueryBlobWrite(pb.QueryBlobWriteRequest(upload_id=UPLOAD)),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", "digest.sha256",
    ),
    "read of an absent blob": (read(digest=DIGEST_10), Code.NOT_FOUND, "BLOB_MISSING", None),
    "read without digest": (read(), Code.INVALID_ARGUMENT, "INVALID_INPUT", "digest.sha256"),
    "read of a negative length": (
        read(digest=DIGEST_10, limit=-1), Code.INVALID_ARGUMENT, "INVALID_INPUT", "limit",
    ),
    "bytes that are no message": (
        raw("/lodsmith.v1.JobService/CreateJob", b"\xff\xff\xff"),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
    "stream of bytes that are no message": (
        raw_stream("/lodsmith.v1.BlobService/WriteBlob", b"\xff\xff\xff"),
        Code.INVALID_ARGUMENT, "INVALID_INPUT", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_bad_call_is_refused_with_its_reason(server: Peer, case: str) -> None:
    call, code, reason, field = CASES[case]
    with pytest.raises(grpc.RpcError) as refused:
        call(server)
    error = refused.value
    assert error.code() is code
    assert reason_of(error) == reason
    assert error.details()
    assert "Traceback" not in str(error.details())
    if field is not None:
        assert [v.field for v in bad_request_of(error).field_violations] == [field]


def test_a_missing_input_names_the_blob_to_upload(server: Peer) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        create(mesh=DIGEST_10)(server)
    failure = detail_of(refused.value, details.PreconditionFailure())
    assert failure.violations[0].type == "MISSING"
    assert failure.violations[0].subject == f"blobs/{SHA.hex()}"


def test_a_cursor_ahead_of_the_log_is_refused(server: Peer) -> None:
    job = server.finished(server.create("a bench"))
    with pytest.raises(grpc.RpcError) as refused:
        list(
            server.jobs.WatchJob(
                pb.WatchJobRequest(name=job.name, after_sequence=job.last_sequence + 1)
            )
        )
    assert refused.value.code() is Code.FAILED_PRECONDITION
    assert reason_of(refused.value) == "LOG_EPOCH_CHANGED"


def test_a_full_queue_says_when_to_come_back(
    start_server: Callable[..., AbstractContextManager[Peer]],
) -> None:
    with start_server(max_queued_jobs=0, warm_generator=False) as peer:
        with pytest.raises(grpc.RpcError) as refused:
            peer.jobs.CreateJob(pb.CreateJobRequest(spec=pb.JobSpec(prompt="a chair")))
        assert refused.value.code() is Code.RESOURCE_EXHAUSTED
        assert reason_of(refused.value) == "QUEUE_FULL"
        assert detail_of(refused.value, details.RetryInfo()).retry_delay.seconds > 0


def test_without_a_model_prompts_are_refused_and_meshes_work(
    start_server: Callable[..., AbstractContextManager[Peer]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    nowhere = tmp_path_factory.mktemp("models") / "nowhere"
    with start_server(models=(str(nowhere),)) as peer:
        with pytest.raises(grpc.RpcError) as refused:
            peer.jobs.CreateJob(pb.CreateJobRequest(spec=pb.JobSpec(prompt="a chair")))
        assert refused.value.code() is Code.FAILED_PRECONDITION
        assert reason_of(refused.value) == "MODEL_UNAVAILABLE"
        assert str(nowhere) in str(refused.value.details())
        assert "lodsmith doctor" in str(refused.value.details())
        job = peer.finished(peer.create_mesh("a mesh"))
        assert job.state == pb.JOB_STATE_SUCCEEDED


def test_a_model_that_does_not_load_fails_its_jobs_with_the_reason(
    start_server: Callable[..., AbstractContextManager[Peer]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    models = tmp_path_factory.mktemp("models")
    (models / "pipeline.json").write_text("{}")
    (models / "broken").touch()
    with start_server(models=(str(models),)) as peer:
        job = peer.finished(peer.create("a chair"))
        assert job.error.reason == pb.ERROR_REASON_MODEL_UNAVAILABLE
        assert "copy it again" in job.error.message
        problems = {worker.kind: worker.problem for worker in peer.client.info().workers}
        assert "copy it again" in problems[pb.WORKER_KIND_GENERATOR]


def test_a_generator_that_cannot_start_fails_jobs_instead_of_looping(
    start_server: Callable[..., AbstractContextManager[Peer]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    models = tmp_path_factory.mktemp("models")
    (models / "pipeline.json").write_text("{}")
    (models / "deadly").touch()
    with start_server(models=(str(models),)) as peer:
        job = peer.finished(peer.create("a chair"))
        assert job.error.reason == pb.ERROR_REASON_WORKER_LOST
        assert "while it started" in job.error.message


def test_health_and_reflection_answer(server: Peer) -> None:
    server.finished(server.create_mesh("a mesh for health"))  # so that the workers are up
    health = health_pb2_grpc.HealthStub(server.channel)
    for name in ("", "lodsmith.v1.JobService", "lodsmith.v1.BlobService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([request]))
    names = {service.name for service in answer.list_services_response.service}
    assert "lodsmith.v1.JobService" in names


def test_every_answer_carries_the_request_id(server: Peer) -> None:
    request = pb.GetServerInfoRequest()
    _, call = server.catalog.GetServerInfo.with_call(
        request, metadata=(("x-request-id", "mine-1"),)
    )
    assert dict(call.trailing_metadata())["x-request-id"] == "mine-1"
    _, call = server.catalog.GetServerInfo.with_call(request)
    assert len(dict(call.trailing_metadata())["x-request-id"]) == 32


def test_server_info_tells_limits_model_and_workers(server: Peer) -> None:
    server.finished(server.create("a stool"))
    info = server.client.info()
    assert info.limits.max_prompt_characters == 1000
    assert info.limits.max_mesh_bytes == GiB
    assert (info.model.name, info.model.license) == ("fake", "MIT")
    kinds = {worker.kind for worker in info.workers}
    assert kinds == {pb.WORKER_KIND_GENERATOR, pb.WORKER_KIND_MESH}
    assert info.library_versions["grpcio"] == grpc.__version__


def test_every_error_has_a_status_and_a_reason_in_the_contract() -> None:
    values = pb.ErrorReason.DESCRIPTOR.values
    reasons = {value.name.removeprefix("ERROR_REASON_") for value in values}
    for error in (*all_subclasses(PipelineError), PipelineError, *all_subclasses(Refusal)):
        has_own_reason = error.reason != getattr(error.__base__, "reason", "")
        assert error in CODES or not has_own_reason, f"{error.__name__} has no status"
        assert error.reason in reasons, f"{error.__name__}: {error.reason} is not in the contract"


Known = type[PipelineError] | type[Refusal]


def all_subclasses(kind: Known) -> list[Known]:
    direct: list[Known] = list(kind.__subclasses__())
    return [found for sub in direct for found in (sub, *all_subclasses(sub))]


# Any: google.rpc has no stubs, and a failed call has more than grpc's stubs know.
def reason_of(error: Any) -> str:
    info = detail_of(error, details.ErrorInfo())
    assert info.domain == "lodsmith"
    return str(info.reason)


def bad_request_of(error: Any) -> Any:
    return detail_of(error, details.BadRequest())


def detail_of(error: Any, kind: Any) -> Any:
    for key, value in error.trailing_metadata():
        if key == DETAILS_KEY:
            for detail in Status.FromString(value).details:
                if detail.Unpack(kind):
                    return kind
    raise AssertionError(f"no {type(kind).__name__} in {error}")
