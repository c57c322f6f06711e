"""Jobs through a real server, real worker processes and a real channel."""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path

import grpc
import pytest

from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer
from tests.server.fake_pipeline import PREVIEW
from tests.server.refused import reason_of

StartServer = Callable[..., AbstractContextManager[Peer]]


def test_a_prompt_becomes_three_artifacts(server: Peer, tmp_path: Path) -> None:
    job = server.finished(server.create("a wooden barrel", seed=7))
    assert job.state == pb.JOB_STATE_SUCCEEDED
    assert job.fraction == 1.0
    paths = server.client.download(job.result.artifacts, tmp_path)
    assert [path.name for path in paths] == [
        "WoodenBarrel.glb",
        "WoodenBarrel.report.json",
        "WoodenBarrel.preview.png",
    ]
    report = json.loads(paths[1].read_bytes())
    assert report["recipe"]["prompt"] == "a wooden barrel"
    assert report["recipe"]["seed"] == 7
    assert report["recipe"]["model"]["digest"] == "00" * 32
    assert "decode" in report["stages"]  # the generator's records reach the mesh worker's report
    assert [lod.budget for lod in job.result.lods] == [20_000, 10_000, 4_000, 1_000]
    assert paths[2].read_bytes() == PREVIEW


def test_the_same_spec_gives_the_same_bytes(server: Peer) -> None:
    first, second, other = (
        server.finished(server.create("a table", seed=seed)).result.artifacts[0].digest.sha256
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_a_mesh_skips_the_generator(server: Peer, tmp_path: Path) -> None:
    path = tmp_path / "crate.glb"
    path.write_bytes(b"glTF of a crate")
    digest = server.client.upload(path, lambda fraction: None)
    job = server.finished(server.client.create(pb.JobSpec(mesh=digest, asset_name="crate")))
    assert job.state == pb.JOB_STATE_SUCCEEDED
    stages = {status.stage for status in job.stages}
    assert pb.STAGE_KIND_PREPROCESS in stages
    assert pb.STAGE_KIND_SPARSE_STRUCTURE not in stages


def test_a_picture_reaches_the_generator(server: Peer, tmp_path: Path) -> None:
    path = tmp_path / "barrel.png"
    path.write_bytes(b"fail because this is no picture")
    digest = server.client.upload(path, lambda fraction: None)
    job = server.finished(server.client.create(pb.JobSpec(image=digest)))
    assert job.state == pb.JOB_STATE_FAILED
    assert job.error.reason == pb.ERROR_REASON_INVALID_INPUT


def test_variants_are_assets_of_their_own_with_following_seeds(
    server: Peer, tmp_path: Path
) -> None:
    job = server.finished(server.create("a chair", seed=5, variant_count=3))
    assert job.state == pb.JOB_STATE_SUCCEEDED
    assert [variant.seed for variant in job.result.variants] == [5, 6, 7]
    assert [len(variant.lods) for variant in job.result.variants] == [4, 4, 4]
    models = [artifact for artifact in job.result.artifacts if artifact.role == "model"]
    assert [a.file_name for a in models] == ["ChairV1.glb", "ChairV2.glb", "ChairV3.glb"]
    assert [artifact.variant for artifact in models] == [0, 1, 2]
    assert len({artifact.digest.sha256 for artifact in models}) == 3
    reports = [a for a in job.result.artifacts if a.role == "report"]
    recipes = [json.loads(server.content(report.digest))["recipe"] for report in reports]
    assert [recipe["seed"] for recipe in recipes] == [5, 6, 7]
    alone = server.finished(server.create("a chair", seed=6))
    assert recipes[1]["surface_sha256"] == _recipe(server, alone)["surface_sha256"]


def test_a_seed_that_gives_nothing_is_left_out(server: Peer) -> None:
    job = server.finished(server.create("a chair", seed=12, variant_count=3))
    assert job.state == pb.JOB_STATE_SUCCEEDED
    assert [variant.seed for variant in job.result.variants] == [12, 14]
    assert "seed 13" in job.warnings[0].message
    assert job.fraction == 1.0


def test_fractions_never_fall_over_all_tasks_of_a_job(server: Peer) -> None:
    spec = pb.JobSpec(prompt="fast", variant_count=2, shape=server.upload("a shape"))
    events = server.events(server.client.create(spec))
    fractions = [e.progress.job_fraction for e in events if e.WhichOneof("kind") == "progress"]
    assert fractions == sorted(fractions)
    assert events[-1].finished.fraction == 1.0


def test_without_a_mesh_the_job_ends_with_the_generator(server: Peer) -> None:
    options = pb.AssetOptions(decode=pb.DecodeOptions(formats=[pb.FORMAT_GAUSSIAN]))
    job = server.finished(server.create("a chair", options=options))
    assert job.state == pb.JOB_STATE_SUCCEEDED
    assert [artifact.role for artifact in job.result.artifacts] == ["gaussian"]
    assert not job.result.lods
    assert [variant.seed for variant in job.result.variants] == [0]
    assert pb.STAGE_KIND_BAKE not in {status.stage for status in job.stages}


def test_formats_beside_the_mesh_are_among_the_artifacts(server: Peer) -> None:
    both = pb.DecodeOptions(formats=[pb.FORMAT_GAUSSIAN, pb.FORMAT_MESH])
    job = server.finished(server.create("a chair", options=pb.AssetOptions(decode=both)))
    roles = [artifact.role for artifact in job.result.artifacts]
    assert roles == ["gaussian", "model", "report", "preview"]
    beside = job.result.artifacts[0]
    assert _recipe(server, job)["made_beside"] == {beside.file_name: beside.digest.sha256.hex()}


def test_pictures_shape_and_adapter_reach_the_generator(server: Peer) -> None:
    spec = pb.JobSpec(
        image=server.upload("front"),
        more_images=[server.upload("side"), server.upload("back")],
        shape=server.upload("a crate"),
        adapter=server.upload("studio"),
        adapter_strength=0.5,
        options=pb.AssetOptions(decode=pb.DecodeOptions(formats=[pb.FORMAT_GAUSSIAN])),
    )
    job = server.finished(server.client.create(spec))
    content = server.content(job.result.artifacts[0].digest).decode()
    assert content == "ply 0 front + side + back shaped like a crate with 0.5 of studio"
    echoed = server.jobs.GetJob(pb.GetJobRequest(name=job.name)).job.spec
    assert len(echoed.more_images) == 2
    assert echoed.shape.sha256 == spec.shape.sha256
    assert echoed.adapter_strength == 0.5


@pytest.mark.parametrize("work", ["memory", "bug"])
def test_a_generator_that_may_be_broken_is_replaced(server: Peer, work: str) -> None:
    before = generator(server)
    prompts = (f"{work} please", "a chair", "a table")
    jobs = [server.create(prompt, ignore_cache=True) for prompt in prompts]
    failed, *others = [server.finished(job) for job in jobs]
    assert failed.state == pb.JOB_STATE_FAILED
    assert failed.error.retryable == (work == "memory")
    for job in others:  # which waited behind it, and notice nothing
        assert job.state == pb.JOB_STATE_SUCCEEDED
        assert not job.warnings
    assert generator(server) != before


def test_an_estimate_of_too_much_memory_costs_no_worker(server: Peer) -> None:
    before = generator(server)
    failed = server.finished(server.create("estimate please"))
    assert failed.error.reason == pb.ERROR_REASON_OUT_OF_MEMORY
    assert not failed.error.retryable  # it would say the same again
    assert generator(server) == before


def generator(server: Peer) -> str:
    """Return which process generates."""
    options = pb.AssetOptions(decode=pb.DecodeOptions(formats=[pb.FORMAT_GAUSSIAN]))
    job = server.finished(server.create("who are you", options=options, ignore_cache=True))
    return server.content(job.result.artifacts[0].digest).decode()


def _recipe(server: Peer, job: pb.Job) -> dict[str, object]:
    report = next(a for a in job.result.artifacts if a.role == "report")
    recipe: dict[str, object] = json.loads(server.content(report.digest))["recipe"]
    return recipe


def test_events_are_numbered_without_gaps_and_fractions_never_fall(server: Peer) -> None:
    events = server.events(server.create("fast thing"))
    assert events[0].WhichOneof("kind") == "snapshot"
    assert events[-1].WhichOneof("kind") == "finished"
    for before, after in pairwise(event.sequence for event in events):
        assert after == before + 1
    fractions = [e.progress.job_fraction for e in events if e.WhichOneof("kind") == "progress"]
    assert fractions == sorted(fractions)


def test_progress_is_throttled_but_ends_of_stages_are_not_lost(server: Peer) -> None:
    job = server.create("fast thing", ignore_cache=True)  # reports 102 times at once
    events = server.events(job)
    fractions = [
        event.progress.fraction
        for event in events
        if event.WhichOneof("kind") == "progress"
        and event.progress.stage == pb.STAGE_KIND_SPARSE_STRUCTURE
    ]
    assert len(fractions) < 20
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0


def test_previews_and_warnings_reach_watchers_and_late_watchers(server: Peer) -> None:
    job = server.create("warn me")
    events = server.events(job)
    seen = {event.WhichOneof("kind") for event in events}
    previews = [event.preview for event in events if event.WhichOneof("kind") == "preview"]
    late = server.events(job)[0].snapshot
    assert [warning.message for warning in late.warnings] == ["the back of it is invented"]
    assert "warning" in seen or events[0].snapshot.warnings
    pictures = [status.preview for status in late.stages if status.HasField("preview")]
    assert pictures
    assert not previews or previews[0].image == pictures[0]
    chunks = server.blobs.ReadBlob(pb.ReadBlobRequest(digest=pictures[0]))
    assert b"".join(chunk.data for chunk in chunks) == PREVIEW


def test_a_watch_resumes_after_any_event(server: Peer) -> None:
    job = server.create("warn me")
    server.finished(job)
    last = server.jobs.GetJob(pb.GetJobRequest(name=job.name)).job
    whole = server.events(job, after=1)
    assert [event.sequence for event in whole] == list(range(2, last.last_sequence + 1))
    for event in whole[:-1]:
        rest = server.events(job, after=event.sequence)
        assert rest == whole[whole.index(event) + 1 :]


def test_a_watch_that_is_left_does_not_cancel_its_job(server: Peer) -> None:
    job = server.create("slow chair")
    server.until(job, pb.STAGE_KIND_SPARSE_STRUCTURE)  # leaves the stream
    assert server.jobs.GetJob(pb.GetJobRequest(name=job.name)).job.state == pb.JOB_STATE_RUNNING
    server.client.cancel(job.name)
    assert server.finished(job).state == pb.JOB_STATE_CANCELLED


def test_a_watch_of_an_ended_job_ends_alike_wherever_it_starts(server: Peer) -> None:
    job = server.finished(server.create("a shelf"))
    kinds = [event.WhichOneof("kind") for event in server.events(job)]
    assert kinds == ["snapshot", "finished"]
    at_the_end = server.events(job, after=job.last_sequence)
    assert [event.WhichOneof("kind") for event in at_the_end] == ["finished"]


def test_a_repeated_request_id_makes_no_second_job(server: Peer) -> None:
    request = pb.CreateJobRequest(request_id="order-1", spec=pb.JobSpec(prompt="a lamp"))
    first = server.jobs.CreateJob(request)
    again = server.jobs.CreateJob(request)
    assert again.job.name == first.job.name
    assert (first.deduplicated, again.deduplicated) == (False, True)
    request.spec.seed = 3
    with pytest.raises(grpc.RpcError) as refused:
        server.jobs.CreateJob(request)
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS


def test_validate_only_makes_no_job(server: Peer) -> None:
    request = pb.CreateJobRequest(spec=pb.JobSpec(prompt="a vase"), validate_only=True)
    before = [job.name for job in server.jobs.ListJobs(pb.ListJobsRequest()).jobs]
    answer = server.jobs.CreateJob(request)
    assert answer.job.name == ""
    assert answer.job.spec.asset_name == "Vase"
    assert answer.job.spec.options.unwrap.texture_size == 2048
    assert [job.name for job in server.jobs.ListJobs(pb.ListJobsRequest()).jobs] == before


def test_validate_only_refuses_what_the_real_call_would(start_server: StartServer) -> None:
    with start_server(max_project_jobs=1, warm_generator=False) as peer:
        taken = peer.create_mesh("slow")
        request = pb.CreateJobRequest(spec=pb.JobSpec(prompt="a vase"))
        for validate_only in (True, False):
            request.validate_only = validate_only
            with pytest.raises(grpc.RpcError) as refused:
                peer.jobs.CreateJob(request)
            assert reason_of(refused.value) == "QUOTA_EXCEEDED"
        peer.jobs.CancelJob(pb.CancelJobRequest(name=taken.name))
        peer.finished(taken)
        request = pb.CreateJobRequest(spec=pb.JobSpec(prompt="a vase"), request_id="vase")
        peer.finished(peer.jobs.CreateJob(request).job)
        request.spec.seed = 3
        for validate_only in (True, False):
            request.validate_only = validate_only
            with pytest.raises(grpc.RpcError) as refused:
                peer.jobs.CreateJob(request)
            assert reason_of(refused.value) == "REQUEST_ID_REUSED"


def test_a_call_can_be_repeated_when_the_job_that_it_goes_on_from_is_gone(server: Peer) -> None:
    first = server.finished(server.create("a chair"))
    options = pb.AssetOptions(lod=pb.LodOptions(budgets=[900, 300]))
    again = pb.CreateJobRequest(
        spec=pb.JobSpec(job=first.name, options=options), request_id="again-1"
    )
    retry = pb.RetryJobRequest(name=first.name, request_id="retry-1")
    exported = server.finished(server.jobs.CreateJob(again).job)
    retried = server.finished(server.jobs.RetryJob(retry).job)
    server.jobs.DeleteJob(pb.DeleteJobRequest(name=first.name))
    assert server.jobs.CreateJob(again).job.name == exported.name
    assert server.jobs.RetryJob(retry).job.name == retried.name
    again.spec.options.lod.budgets[0] = 800
    with pytest.raises(grpc.RpcError) as refused:
        server.jobs.CreateJob(again)
    assert reason_of(refused.value) == "REQUEST_ID_REUSED"


def test_an_export_can_be_retried_when_the_job_of_its_surface_is_gone(server: Peer) -> None:
    first = server.finished(server.create("a chair"))
    exported = server.finished(server.client.create(pb.JobSpec(job=first.name)))
    server.jobs.DeleteJob(pb.DeleteJobRequest(name=first.name))
    retry = pb.RetryJobRequest(name=exported.name, from_stage=pb.STAGE_KIND_EXPORT)
    assert server.finished(server.jobs.RetryJob(retry).job).state == pb.JOB_STATE_SUCCEEDED


def test_jobs_are_listed_newest_first_page_by_page(server: Peer) -> None:
    names = [server.finished(server.create(f"thing {n}")).name for n in range(3)]
    first = server.jobs.ListJobs(pb.ListJobsRequest(page_size=2))
    second = server.jobs.ListJobs(pb.ListJobsRequest(page_size=2, page_token=first.next_page_token))
    assert [job.name for job in (*first.jobs, *second.jobs)][:3] == names[::-1]
    done = server.jobs.ListJobs(pb.ListJobsRequest(states=[pb.JOB_STATE_FAILED])).jobs
    assert all(job.state == pb.JOB_STATE_FAILED for job in done)


def test_a_stage_s_error_fails_the_job_and_not_the_call(server: Peer) -> None:
    job = server.finished(server.create("fail please"))
    assert job.state == pb.JOB_STATE_FAILED
    assert job.error.reason == pb.ERROR_REASON_INVALID_INPUT
    assert job.error.stage == pb.STAGE_KIND_SPARSE_STRUCTURE
    assert "ask for something else" in job.error.message
    assert not job.error.retryable


def test_an_error_s_variables_reach_the_client(server: Peer) -> None:
    job = server.finished(server.create("unreachable budget"))
    assert job.error.reason == pb.ERROR_REASON_BUDGET_UNREACHABLE
    assert job.error.metadata["smallest_count"] == "12"


def test_a_defect_shows_an_incident_and_no_secret(server: Peer) -> None:
    job = server.finished(server.create("bug please"))
    assert job.error.reason == pb.ERROR_REASON_INTERNAL
    assert job.error.metadata["incident"] in job.error.message
    assert "secret" not in job.error.message


def test_too_little_memory_fails_with_its_reason(server: Peer) -> None:
    job = server.finished(server.create("memory please"))
    assert job.error.reason == pb.ERROR_REASON_OUT_OF_MEMORY


def test_a_queued_job_is_cancelled_at_once(server: Peer) -> None:
    running, queued = server.create("slow chair"), server.create("a chair", ignore_cache=True)
    server.until(running, pb.STAGE_KIND_SPARSE_STRUCTURE)
    answer = server.client.cancel(queued.name)
    assert answer.state == pb.JOB_STATE_CANCELLED
    assert server.client.cancel(running.name).state == pb.JOB_STATE_CANCELLING
    assert server.finished(running).state == pb.JOB_STATE_CANCELLED
    assert server.client.cancel(running.name).state == pb.JOB_STATE_CANCELLED  # harmless


def test_a_cancelled_task_frees_its_worker_within_a_second(server: Peer) -> None:
    for work in ("slow", "native"):  # the second cannot be asked to stop
        job = server.create_mesh(f"{work} mesh")
        server.until(job, pb.STAGE_KIND_PREPROCESS)
        start_s = time.monotonic()
        server.client.cancel(job.name)
        assert server.finished(job).state == pb.JOB_STATE_CANCELLED
        following = server.create_mesh(f"a mesh after {work}")
        assert server.finished(following).state == pb.JOB_STATE_SUCCEEDED
        assert time.monotonic() - start_s < 1.0


def test_a_deaf_generator_is_killed_after_its_grace_time(server: Peer) -> None:
    job = server.create("native chair")
    server.until(job, pb.STAGE_KIND_SPARSE_STRUCTURE)
    server.client.cancel(job.name)
    assert server.finished(job).state == pb.JOB_STATE_CANCELLED
    assert server.finished(server.create("a chair")).state == pb.JOB_STATE_SUCCEEDED


def test_a_lost_worker_s_task_is_repeated_once(server: Peer, tmp_path: Path) -> None:
    job = server.finished(server.create_mesh(f"die-once {tmp_path / 'marker'}"))
    assert job.state == pb.JOB_STATE_SUCCEEDED
    assert "repeated" in job.warnings[0].message


def test_a_task_that_kills_two_workers_fails_its_job(server: Peer) -> None:
    job = server.finished(server.create_mesh("die"))
    assert job.state == pb.JOB_STATE_FAILED
    assert job.error.reason == pb.ERROR_REASON_WORKER_LOST
    assert job.error.retryable
    assert server.finished(server.create_mesh("a mesh")).state == pb.JOB_STATE_SUCCEEDED


def test_an_earlier_job_is_exported_again_without_generating(server: Peer) -> None:
    options = pb.AssetOptions(
        lod=pb.LodOptions(budgets=[900, 300]), unwrap=pb.UnwrapOptions(texture_size=512)
    )
    first = server.finished(server.create("a chair", seed=5, variant_count=2, options=options))
    preset = pb.AssetOptions(
        lod=pb.LodOptions(preset=pb.LOD_PRESET_MOBILE), bake=pb.BakeOptions(delight=0.5)
    )
    again = server.client.create(pb.JobSpec(job=first.name, options=preset))
    job = server.finished(again)
    assert job.state == pb.JOB_STATE_SUCCEEDED
    assert {status.stage for status in job.stages} & {
        pb.STAGE_KIND_SPARSE_STRUCTURE,
        pb.STAGE_KIND_DECODE,
    } == set()
    assert [variant.seed for variant in job.result.variants] == [5, 6]
    recipe, earlier = _recipe(server, job), _recipe(server, first)
    for name in ("prompt", "seed", "model", "surface_sha256"):
        assert recipe[name] == earlier[name]
    assert job.spec.job == first.name
    assert job.spec.options.unwrap.texture_size == 512  # as it was there
    assert job.spec.options.bake.delight == 0.5
    assert not job.spec.options.lod.budgets  # the preset takes their place
    third = server.finished(server.client.create(pb.JobSpec(job=job.name)))
    assert third.state == pb.JOB_STATE_SUCCEEDED


def test_what_cannot_be_exported_again_is_refused(server: Peer) -> None:
    no_mesh = pb.AssetOptions(decode=pb.DecodeOptions(formats=[pb.FORMAT_GAUSSIAN]))
    ply = server.finished(server.create("a chair", options=no_mesh))
    for spec, message in (
        (pb.JobSpec(job=ply.name), "no dense surface"),
        (pb.JobSpec(job=ply.name, seed=3), "spec.seed decides what the dense surface is"),
        (pb.JobSpec(job=ply.name, options=no_mesh), "spec.options.decode decides"),
        (pb.JobSpec(job="jobs/nothing"), "there is no job"),
    ):
        for validate_only in (True, False):
            with pytest.raises(grpc.RpcError) as refused:
                server.jobs.CreateJob(pb.CreateJobRequest(spec=spec, validate_only=validate_only))
            assert message in refused.value.details()
