"""What is forgotten when, and what a project may have."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import Stage
from server.artifacts import ArtifactStore, Digest, digest_of
from server.collector import Collector, Swept
from server.engine import StoredArtifact, TaskOutcome, WorkerKind
from server.jobs import Job, JobSpec, JobState
from server.journal import JobStore, Quotas, Retention
from server.refusals import (
    EtagMismatch,
    InputMissing,
    JobNotFinished,
    JobNotFound,
    QueueFull,
    QuotaExceeded,
)
from tests.server.journal.harness import (
    GENERATED,
    SPEC,
    P,
    SetClock,
    create,
    next_ready,
    opened,
    run,
)

DAY_S = 86_400.0
KEEP = Retention(jobs_s=30 * DAY_S, events_s=7 * DAY_S, cache_s=10 * DAY_S, blobs_s=DAY_S)


def blob(number: int, size_bytes: int = 10) -> Digest:
    return Digest(sha256=f"{number:064x}", size_bytes=size_bytes)


async def finish(store: JobStore, job: Job, glb: Digest, part: Digest | None = None) -> Job:
    """Run both tasks of a job; its build leaves `glb`, and perhaps a part to start from."""
    generate = next_ready(store, WorkerKind.GENERATOR)
    assert generate is not None
    await store.start_task(generate, key=f"generate {job.uid}")
    await store.finish_task(generate, GENERATED)
    build = next_ready(store, WorkerKind.MESH)
    assert build is not None
    await store.start_task(build, key=f"build {job.uid}")
    artifact = StoredArtifact(role="model", file_name="a.glb", media_type="x", digest=glb)
    parts = {} if part is None else {"part": part}
    ended = await store.finish_task(build, TaskOutcome(artifacts=(artifact,)), parts=parts)
    assert ended.state is JobState.SUCCEEDED
    return ended


def test_jobs_logs_results_and_uploads_go_in_their_time(tmp_path: Path) -> None:
    clock = SetClock()

    async def act(store: JobStore) -> None:
        await store.own_blob(P, blob(1))
        await store.own_blob(P, blob(2))
        job = await create(store, JobSpec(asset_name="A", prompt="a", adapter=blob(1)))
        await finish(store, job, blob(3))
        clock.pass_s(2 * DAY_S)
        await store.collect(KEEP)
        assert store.blob_size(P, blob(1).sha256) == 10  # a job uses it
        assert store.blob_size(P, blob(2).sha256) is None  # an upload of no job
        assert store.blob_size(P, blob(3).sha256) == 10
        clock.pass_s(6 * DAY_S)
        assert (await store.collect(KEEP)).log_count == 1
        assert store.job(job.uid, project=P).first_sequence > 1
        assert (await store.collect(KEEP)).log_count == 0
        clock.pass_s(4 * DAY_S)
        assert (await store.collect(KEEP)).cache_count == 2
        assert store.blob_size(P, blob(3).sha256) == 10  # the job has it still
        clock.pass_s(19 * DAY_S)
        assert (await store.collect(KEEP)).job_count == 1
        with pytest.raises(JobNotFound):
            store.job(job.uid, project=P)
        for number in (1, 3):
            assert store.blob_size(P, blob(number).sha256) is None
        tables = ("jobs", "events", "tasks", "labels", "stage_cache", "blobs", "blob_uses")
        for table in tables:
            assert store._database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        store.check_bytes(P, 0)

    run(tmp_path, act, clock)


def test_what_a_job_left_counts_until_the_last_job_that_needs_it_is_deleted(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        def room() -> int:
            """Return how many bytes of 1,000 are free."""
            (used,) = store._database.execute("SELECT sum(size_bytes) FROM blobs").fetchone()
            with pytest.raises(QuotaExceeded):
                store.check_bytes(P, 1001 - (used or 0))
            store.check_bytes(P, 1000 - (used or 0))
            return 1000 - (used or 0)

        await store.own_blob(P, blob(1))  # an upload that no job uses
        await store.own_blob(P, blob(2))
        spec = JobSpec(asset_name="A", prompt="a", adapter=blob(2))
        first = await create(store, spec)
        await finish(store, first, blob(3), part=blob(4))
        assert room() == 1000 - 4 * 10 - 2  # uploads, result and part; surface and slat
        second = await create(store, replace(spec, asset_name="B"))
        generate = next_ready(store, WorkerKind.GENERATOR)
        assert generate is not None
        assert await store.reuse_task(generate, key=f"generate {first.uid}", fraction=0.5)
        build = next_ready(store, WorkerKind.MESH)
        assert build is not None
        await store.start_task(build, key="build B", parts=["part"])
        await store.finish_task(build, TaskOutcome())
        await store.delete(first.uid, project=P)
        assert room() == 1000 - 3 * 10 - 2  # the second needs all but the first's file
        assert store.kept_work(P, f"generate {first.uid}") is not None
        assert store.kept_part(P, "part") == blob(4)
        assert store.kept_work(P, f"build {first.uid}") is None  # it would name a file that is gone
        await store.delete(second.uid, project=P)
        assert room() == 1000 - 10
        assert store.blob_size(P, blob(1).sha256) == 10
        assert store.kept_work(P, f"generate {first.uid}") is None
        assert store.kept_part(P, "part") is None
        assert store._database.execute("SELECT count(*) FROM blob_uses").fetchone() == (0,)

    run(tmp_path, act, quotas=Quotas(max_bytes=1000))


def test_a_deleted_job_is_gone(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job = await create(store)
        with pytest.raises(JobNotFinished, match="cancel it, or wait"):
            await store.delete(job.uid, project=P)
        ended = await finish(store, job, blob(3))
        with pytest.raises(EtagMismatch):
            await store.delete(job.uid, project=P, etag=job.etag)
        await store.delete(job.uid, project=P, etag=ended.etag)
        with pytest.raises(JobNotFound):
            await store.delete(job.uid, project=P)

    run(tmp_path, act)


def test_what_an_export_again_needs_outlives_its_first_job(tmp_path: Path) -> None:
    clock = SetClock()

    async def act(store: JobStore) -> None:
        first = await create(store)
        await finish(store, first, blob(3))
        again = await create(store, replace(SPEC, surfaces_of=first.uid))
        await store.delete(first.uid, project=P)
        clock.pass_s(20 * DAY_S)  # the cache is gone too
        await store.collect(KEEP)
        assert store.blob_size(P, GENERATED.surfaces[0].sha256) == 1
        build = next_ready(store, WorkerKind.MESH)
        assert build is not None
        assert build.job.uid == again.uid

    run(tmp_path, act, clock)


def test_inputs_that_expired_are_named_when_the_job_is_made(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        with pytest.raises(InputMissing) as refused:
            await create(store, JobSpec(asset_name="A", mesh=blob(1)))
        assert refused.value.metadata == {"sha256": blob(1).sha256}
        await store.own_blob("other", blob(1))
        with pytest.raises(InputMissing):
            await create(store, JobSpec(asset_name="A", mesh=blob(1)))
        assert store.jobs(project=P, limit=9) == []

    run(tmp_path, act)


def test_quotas_are_per_project(tmp_path: Path) -> None:
    async def whole() -> None:
        async with opened(tmp_path, quotas=Quotas(max_jobs=2, max_bytes=100)) as store:
            one, _ = await store.create(project=P, request_id="one", spec=SPEC)
            await create(store)
            with pytest.raises(QuotaExceeded) as refused:
                await create(store)
            assert refused.value.metadata == {"quota": "jobs", "limit": "2"}
            assert await store.create(project=P, request_id="one", spec=SPEC) == (one, True)
            await create(store, project="other")
            await store.cancel(one.uid, project=P)
            await create(store)
            for number in (1, 1, 2):  # the same blob counts once
                await store.own_blob(P, blob(number, 45))
            store.check_bytes(P, 10)
            store.check_bytes("other", 100)
            with pytest.raises(QuotaExceeded) as refused:
                store.check_bytes(P, 11)
            assert refused.value.metadata == {"quota": "bytes", "limit": "100"}
            await store.own_blob(P, blob(3, 10))
            await store.cancel((await create(store, project="other")).uid, project=None)
            await store.cancel(store.jobs(project=P, limit=1)[0].uid, project=P)
            with pytest.raises(QuotaExceeded, match="delete jobs, which makes room at once"):
                await create(store)  # which would leave still more
            assert await store.create(project=P, request_id="one", spec=SPEC) == (
                store.job(one.uid, project=P),
                True,
            )

    asyncio.run(whole())


def test_no_more_jobs_wait_than_may_however_many_come_at_once(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        async def create_it(number: int) -> bool:
            project = "other" if number % 2 else P
            try:
                await store.create(project=project, request_id=str(number), spec=SPEC)
            except QueueFull:
                return False
            return True

        made = await asyncio.gather(*(create_it(number) for number in range(20)))
        assert sum(made) == 3
        known = made.index(True)
        assert await create_it(known)  # it is one of those that wait
        with pytest.raises(QueueFull):
            await store.check(project=P, request_id="new", spec=SPEC)
        next_ = next_ready(store, WorkerKind.GENERATOR)
        assert next_ is not None
        await store.start_task(next_, key="")
        await store.check(project=P, request_id="new", spec=SPEC)

    run(tmp_path, act, quotas=Quotas(max_queued=3))


def test_a_retry_is_a_new_job_like_the_first(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job = await create(store)
        with pytest.raises(JobNotFinished):
            await store.retry(job.uid, project=P, request_id="", from_stage=None)
        await store.cancel(job.uid, project=P)

        async def again(from_stage: Stage | None) -> tuple[Job, bool]:
            return await store.retry(job.uid, project=P, request_id="r", from_stage=from_stage)

        retried, is_known = await again(Stage.SLAT)
        assert not is_known
        assert (retried.spec, retried.retry_of) == (job.spec, job.uid)
        assert (retried.state, retried.from_stage) == (JobState.QUEUED, Stage.SLAT)
        assert await again(Stage.SLAT) == (retried, True)

    run(tmp_path, act)


def test_a_round_deletes_bytes_only_after_their_rows_and_never_young_ones(tmp_path: Path) -> None:
    clock = SetClock()

    async def act(store: JobStore) -> None:
        artifacts = ArtifactStore(tmp_path / "artifacts")
        contents = (b"used", b"unused", b"just stored by a worker")
        used, unused, unreported = (artifacts.put(content) for content in contents)
        await store.own_blob(P, used)
        await store.own_blob(P, unused)
        await create(store, JobSpec(asset_name="A", mesh=used))
        young = Collector(store, artifacts, KEEP, interval_s=1e6)
        old = Collector(store, artifacts, KEEP, interval_s=1e6, grace_s=0.0)
        clock.pass_s(2 * DAY_S)
        assert await young.collect() == Swept()
        assert sorted(artifacts.blobs()) == sorted(d.sha256 for d in (used, unused, unreported))
        assert store.blob_size(P, unused.sha256) is None  # its row is gone already
        assert (await old.collect()).blob_count == 2
        assert list(artifacts.blobs()) == [used.sha256]
        assert artifacts.read(used.sha256) == b"used"
        assert digest_of(b"used") == used

    run(tmp_path, act, clock)
