"""Refusals: what they tell beyond the table of bad inputs, and what needs a server of its own."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import grpc
import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pipeline.errors import PipelineError
from server.calls.errors import CODES
from server.pb import lodsmith_pb2 as pb
from server.refusals import Refusal
from tests.server.conftest import Peer
from tests.server.refused import detail_of, reason_of


def test_a_missing_input_names_the_blob_to_upload(server: Peer) -> None:
    absent = pb.Digest(sha256=bytes(32), size_bytes=10)
    with pytest.raises(grpc.RpcError) as refused:
        server.jobs.CreateJob(pb.CreateJobRequest(spec=pb.JobSpec(mesh=absent)))
    failure = detail_of(refused.value, details.PreconditionFailure())
    assert failure.violations[0].type == "MISSING"
    assert failure.violations[0].subject == f"blobs/{absent.sha256.hex()}"


def test_a_full_queue_says_when_to_come_back(
    start_server: Callable[..., AbstractContextManager[Peer]],
) -> None:
    with start_server(max_queued_jobs=0, warm_generator=False) as peer:
        with pytest.raises(grpc.RpcError) as refused:
            peer.jobs.CreateJob(pb.CreateJobRequest(spec=pb.JobSpec(prompt="a chair")))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(refused.value) == "QUEUE_FULL"
        assert detail_of(refused.value, details.RetryInfo()).retry_delay.seconds > 0


def test_without_a_model_prompts_are_refused_and_meshes_work(
    start_server: Callable[..., AbstractContextManager[Peer]],
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nowhere = tmp_path_factory.mktemp("models") / "nowhere"
    with start_server(models=(str(nowhere),)) as peer:
        with pytest.raises(grpc.RpcError) as refused:
            peer.jobs.CreateJob(pb.CreateJobRequest(spec=pb.JobSpec(prompt="a chair")))
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert reason_of(refused.value) == "MODEL_UNAVAILABLE"
        assert "lodsmith doctor" in str(refused.value.details())
        assert "nowhere" not in str(refused.value.details())
        assert str(nowhere) in caplog.text
        (described,) = peer.client.info().models  # whoever may call without a token is an admin
        assert str(nowhere) in described.problem
        job = peer.finished(peer.create_mesh("a mesh"))
        assert job.state == pb.JOB_STATE_SUCCEEDED


def test_a_call_that_is_repeated_finds_its_job_though_the_model_is_gone(
    start_server: Callable[..., AbstractContextManager[Peer]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    models = tmp_path_factory.mktemp("models")
    (models / "pipeline.json").write_text("{}")
    with start_server(models=(str(models),)) as peer:
        request = pb.CreateJobRequest(spec=pb.JobSpec(prompt="a chair"), request_id="one")
        made = peer.jobs.CreateJob(request).job
        peer.finished(made)
        models.rename(models.with_name("away"))
        again = peer.jobs.CreateJob(request)
        assert (again.job.name, again.deduplicated) == (made.name, True)
        request.request_id = "two"
        with pytest.raises(grpc.RpcError) as refused:
            peer.jobs.CreateJob(request)
        assert reason_of(refused.value) == "MODEL_UNAVAILABLE"


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
        assert "lodsmith doctor" in job.error.message
        assert "copy it again" not in job.error.message  # which names the folder
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
    assert info.limits.max_mesh_bytes == 1 << 30
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
