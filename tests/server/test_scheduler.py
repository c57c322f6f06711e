"""What the scheduler gives to an engine, without processes."""

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import AssetOptions, ModelFacts, Stage, StageRecord
from pipeline.errors import DiskFull
from pipeline.mesh.hulls.collision import CollisionOptions
from pipeline.model.formats import DecodeOptions
from server.artifacts import Digest, digest_of
from server.engine import (
    Listener,
    Previewed,
    Progressed,
    StoredArtifact,
    Task,
    TaskFailed,
    TaskKind,
    TaskOutcome,
    TaskStopped,
    Warned,
    WorkerEnd,
    WorkerKind,
    WorkerLost,
    WorkerState,
    WorkerStatus,
)
from server.jobs import Job, JobSpec, JobState, StageState
from server.journal import Entry, JobStore, Quotas
from server.journal.changes import Journal
from server.observe.jobs import JobTelemetry
from server.observe.metrics import Metrics
from server.observe.tracing import NoTracer
from server.refusals import QuotaExceeded
from server.scheduler import Scheduler
from server.tasks import task_of

P = "local"
BLOB = Digest(sha256="aa" * 32, size_bytes=1)
OUTCOMES = {
    TaskKind.IMPORT: TaskOutcome(surfaces=(BLOB,)),
    TaskKind.GENERATE: TaskOutcome(
        surfaces=(BLOB,),
        slats=(BLOB,),
        seeds=(0,),
        model=ModelFacts(name="m", digest="d", license="MIT", runs_on="cpu, float32"),
    ),
    TaskKind.BUILD: TaskOutcome(),
}


def killed() -> WorkerLost:
    return WorkerLost(
        "the process was killed", end=WorkerEnd.KILLED, number=9, stage=Stage.SPARSE_STRUCTURE
    )


def telemetry() -> JobTelemetry:
    return JobTelemetry(Metrics([]), NoTracer())


class InstantEngine:
    """Does every task at once and remembers it."""

    def __init__(self, runs_on: str = "") -> None:
        self.tasks: list[Task] = []
        self._facts = ModelFacts(name="m", digest="d", license="MIT", runs_on=runs_on)

    async def start(self, on_change: Callable[[], None]) -> None: ...

    def free(self, kind: WorkerKind) -> int:
        return 1

    def wake(self, kind: WorkerKind) -> None: ...

    def problem(self, kind: WorkerKind) -> str:
        return ""

    def run(self, task: Task, listener: Listener) -> Awaitable[TaskOutcome]:
        self.tasks.append(task)
        done: asyncio.Future[TaskOutcome] = asyncio.get_running_loop().create_future()
        done.set_result(OUTCOMES[task.kind])
        return done

    def cancel(self, job_uid: str) -> None: ...

    def workers(self) -> list[WorkerStatus]:
        return [
            WorkerStatus(
                kind=WorkerKind.GENERATOR,
                state=WorkerState.IDLE,
                device="",
                backends={},
                models=(self._facts,),
                problem="",
            )
        ]

    async def stop(self) -> None: ...


def run(folder: Path, engine: InstantEngine, *specs: JobSpec) -> list[Job]:
    """Run the journal's jobs and new ones of `specs` to their ends; return all, oldest first."""

    async def whole() -> list[Job]:
        store = JobStore(folder / "journal.sqlite3", clock=lambda: 1)
        await store.open()
        for spec in specs:
            for digest in spec.inputs:
                await store.own_blob(P, digest)
            await store.create(project=P, request_id="", spec=spec)
        scheduler = Scheduler(store, engine, telemetry(), is_there=lambda sha256: True)
        await scheduler.start()
        for job in store.jobs(project=P, limit=9):
            async for _ in store.follow(job.uid, 0, project=P):
                pass
        await scheduler.drain(0)
        ended = store.jobs(project=P, limit=9)
        await store.close()
        return ended[::-1]

    return asyncio.run(asyncio.wait_for(whole(), 10))


def keys(folder: Path) -> list[str]:
    database = sqlite3.connect(folder / "journal.sqlite3")
    rows = database.execute("SELECT key FROM tasks ORDER BY job_uid, position").fetchall()
    database.close()
    return [key for (key,) in rows]


CHAIR = JobSpec(asset_name="Chair", prompt="a chair")


def test_a_task_that_cannot_be_made_fails_its_job_and_no_other(tmp_path: Path) -> None:
    async def leave_an_odd_job() -> str:
        store = JobStore(tmp_path / "journal.sqlite3", clock=lambda: 0)
        await store.open()
        job, _ = await store.create(project=P, request_id="", spec=CHAIR)
        generate = store.ready_task(store.ready_tasks(WorkerKind.GENERATOR)[0])
        assert generate is not None
        await store.start_task(generate, key="")
        await store.finish_task(generate, OUTCOMES[TaskKind.GENERATE])
        await store.close()
        return job.uid

    odd = asyncio.run(leave_an_odd_job())
    database = sqlite3.connect(tmp_path / "journal.sqlite3")
    database.execute("UPDATE tasks SET outcome = '{}' WHERE position = 0")
    database.commit()
    database.close()
    jobs = {job.uid: job for job in run(tmp_path, InstantEngine(), CHAIR)}
    failed = jobs.pop(odd)
    (other,) = jobs.values()
    assert other.state is JobState.SUCCEEDED
    assert failed.state is JobState.FAILED
    assert failed.details.error is not None
    assert failed.details.error.reason == "INTERNAL"
    assert failed.details.error.metadata["incident"] in failed.details.error.message


UNREADABLE = {
    "of an earlier task": "UPDATE tasks SET outcome = '{' WHERE position = 0 AND job_uid = ?",
    "of the job": "UPDATE jobs SET details = '[]' WHERE uid = ?",
    "of the cache": "UPDATE stage_cache SET value = '{\"outcome\": 1}' WHERE '' != ?",
}


@pytest.mark.parametrize("which", UNREADABLE)
def test_a_row_that_cannot_be_read_stops_no_other_job(tmp_path: Path, which: str) -> None:
    async def leave_an_odd_job() -> str:
        store = JobStore(tmp_path / "journal.sqlite3", clock=lambda: 0)
        await store.open()
        job, _ = await store.create(project=P, request_id="", spec=CHAIR)
        generate = store.ready_task(store.ready_tasks(WorkerKind.GENERATOR)[0])
        assert generate is not None
        key = task_of(generate).key("d ")
        await store.start_task(generate, key=key)
        await store.finish_task(generate, OUTCOMES[TaskKind.GENERATE])
        await store.close()
        return job.uid

    async def run_another() -> None:
        store = JobStore(tmp_path / "journal.sqlite3", clock=lambda: 1)
        await store.open()
        other, _ = await store.create(project=P, request_id="", spec=CHAIR)
        scheduler = Scheduler(store, InstantEngine(), telemetry(), is_there=lambda sha256: True)
        await scheduler.start()
        async for _ in store.follow(other.uid, 0, project=P):
            pass
        assert store.job(other.uid, project=P).state is JobState.SUCCEEDED
        if which == "of the job":
            with pytest.raises(ValueError, match="JobDetails"):
                store.job(odd, project=P)
            for kind in WorkerKind:
                assert store.ready_tasks(kind) == []
        else:
            async for _ in store.follow(odd, 0, project=P):
                pass
            error = store.job(odd, project=P).details.error
            assert (error and error.reason) == (None if "cache" in which else "INTERNAL")
        await scheduler.drain(0)
        await store.close()

    odd = asyncio.run(leave_an_odd_job())
    database = sqlite3.connect(tmp_path / "journal.sqlite3")
    assert database.execute(UNREADABLE[which], (odd,)).rowcount == 1
    database.commit()
    database.close()
    asyncio.run(asyncio.wait_for(run_another(), 10))


def test_a_report_names_the_model_and_what_it_ran_on(tmp_path: Path) -> None:
    engine = InstantEngine()
    run(tmp_path, engine, CHAIR)
    model = engine.tasks[-1].recipe["model"]
    assert isinstance(model, dict)
    assert (model["digest"], model["runs_on"]) == ("d", "cpu, float32")


def test_without_a_mesh_the_generator_is_told_the_shape_for_its_report(tmp_path: Path) -> None:
    engine = InstantEngine()
    options = AssetOptions(decode=DecodeOptions(formats=("gaussian",)))
    spec = JobSpec(asset_name="Chair", prompt="a chair", shape=BLOB, options=options)
    run(tmp_path, engine, spec)
    assert [task.kind for task in engine.tasks] == [TaskKind.IMPORT, TaskKind.GENERATE]
    assert engine.tasks[-1].recipe["shape_sha256"] == BLOB.sha256


def test_what_a_model_runs_on_is_in_the_key_of_its_task(tmp_path: Path) -> None:
    found = {}
    for number, runs_on in enumerate(["cpu, float32", "cuda, bfloat16", "cpu, float32"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        run(folder, InstantEngine(runs_on), CHAIR)
        found[number] = keys(folder)[0]
    assert found[0] == found[2] != found[1]


class HeldEngine(InstantEngine):
    """Runs one task per kind at a time, for as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.started: asyncio.Queue[Task] = asyncio.Queue()
        self._results: dict[str, asyncio.Future[TaskOutcome]] = {}
        self._kinds: dict[str, WorkerKind] = {}
        self._on_change: Callable[[], None] = lambda: None

    async def start(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change

    def free(self, kind: WorkerKind) -> int:
        return int(kind not in self._kinds.values())

    def run(self, task: Task, listener: Listener) -> Awaitable[TaskOutcome]:
        result: asyncio.Future[TaskOutcome] = asyncio.get_running_loop().create_future()
        self._results[task.job_uid] = result
        self._kinds[task.job_uid] = task.kind.worker
        self.started.put_nowait(task)
        listener(Progressed(stage=STAGES[task.kind], fraction=0.5))
        return result

    def end(self, task: Task, result: TaskOutcome | Exception | None = None) -> None:
        """End a task, by default well."""
        del self._kinds[task.job_uid]
        future = self._results.pop(task.job_uid)
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result or outcome_of(task))

    def cancel(self, job_uid: str) -> None:
        if job_uid in self._results:
            del self._kinds[job_uid]
            self._results.pop(job_uid).set_exception(TaskStopped())

    async def stop(self) -> None:
        for uid in list(self._results):
            self.cancel(uid)


STAGES = {
    TaskKind.IMPORT: Stage.PREPROCESS,
    TaskKind.GENERATE: Stage.SLAT,
    TaskKind.BUILD: Stage.BAKE,
}


def outcome_of(task: Task) -> TaskOutcome:
    record = StageRecord(stage=STAGES[task.kind], seconds=1.0, peak_memory_bytes=0)
    outcome = replace(OUTCOMES[task.kind], records=(record,))
    if task.kind is not TaskKind.GENERATE:
        return outcome
    surface = digest_of(f"{task.prompt} {task.seeds}".encode())
    return replace(outcome, surfaces=(surface,), seeds=task.seeds)


@dataclass(frozen=True, kw_only=True)
class House:
    """A journal, a scheduler and an engine that is held."""

    store: JobStore
    scheduler: Scheduler
    engine: HeldEngine
    missing: set[str]

    async def create(self, spec: JobSpec, project: str = P) -> Job:
        job, _ = await self.store.create(project=project, request_id="", spec=spec)
        self.scheduler.kick()
        return job

    async def started(self) -> Task:
        """Wait for the next task that is started."""
        return await asyncio.wait_for(self.engine.started.get(), 10)

    async def ended(self, job: Job) -> Job:
        """Wait for a job's end."""
        async for item in self.store.follow(job.uid, 0, project=None):
            if isinstance(item, Entry) and item.job is not None:
                return item.job
        raise AssertionError

    async def done(self, spec: JobSpec, project: str = P) -> Job:
        """Run a job to its end, each of its tasks on a worker."""
        job = await self.create(spec, project)
        for _ in spec.plan:
            self.engine.end(await self.started())
        return await self.ended(job)


def held(
    folder: Path,
    act: Callable[[House], Coroutine[None, None, None]],
    clock: Callable[[], int] = lambda: 1_000_000,
    quotas: Quotas = Quotas(),  # noqa: B008  # frozen
    **options: Any,  # Any: of `Scheduler`
) -> None:
    """Do something with a scheduler whose tasks run for as long as they are to."""

    async def whole() -> None:
        store = JobStore(folder / "journal.sqlite3", clock=clock, quotas=quotas)
        await store.open()
        engine, missing = HeldEngine(), set[str]()
        scheduler = Scheduler(
            store,
            engine,
            telemetry(),
            is_there=lambda sha256: sha256 not in missing,
            **({"retry_delays_s": (0.0, 0.0)} | options),
        )
        await engine.start(scheduler.kick)
        await scheduler.start()
        await act(House(store=store, scheduler=scheduler, engine=engine, missing=missing))
        await scheduler.drain(0)
        await store.close()

    asyncio.run(asyncio.wait_for(whole(), 30))


TABLE = JobSpec(asset_name="Table", prompt="a table")


def reused(job: Job) -> set[Stage]:
    return {status.stage for status in job.details.stages if status.state is StageState.REUSED}


def test_the_same_work_is_not_done_twice_and_needs_no_worker(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        first = await house.done(CHAIR)
        assert reused(first) == set()
        await house.create(TABLE)
        await house.started()  # the generator is busy
        again = await house.ended(await house.create(CHAIR))
        assert reused(again) == {Stage.SLAT, Stage.BAKE}
        assert again.details.result == first.details.result
        assert again.details.fraction == 1.0
        assert house.engine.started.empty()

    held(tmp_path, act)


def test_what_may_not_come_from_the_cache_runs(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        await house.done(CHAIR)
        fresh = await house.done(replace(CHAIR, ignore_cache=True))
        assert reused(fresh) == set()
        other = await house.done(CHAIR, "other")  # which cannot know that there is such a job
        assert reused(other) == set()
        await house.done(replace(CHAIR, seed=1))
        house.missing.add(BLOB.sha256)  # which the generation left, and the build did not
        job = await house.create(CHAIR)
        house.engine.end(await house.started())
        assert reused(await house.ended(job)) == {Stage.BAKE}
        house.missing.clear()
        assert reused(await house.ended(await house.create(CHAIR))) == {Stage.SLAT, Stage.BAKE}

    held(tmp_path, act)


def test_a_retry_runs_again_from_its_stage_on(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        first = await house.done(CHAIR)

        async def retried(from_stage: Stage | None) -> Job:
            job, _ = await house.store.retry(
                first.uid, project=P, request_id="", from_stage=from_stage
            )
            house.scheduler.kick()
            return job

        everything = await house.ended(await retried(None))
        assert reused(everything) == {Stage.SLAT, Stage.BAKE}
        job = await retried(Stage.REPAIR)
        build = await house.started()
        assert build.kind is TaskKind.BUILD
        house.engine.end(build)
        assert reused(await house.ended(job)) == {Stage.SLAT}
        job = await retried(Stage.CONDITION)
        for kind in (TaskKind.GENERATE, TaskKind.BUILD):
            task = await house.started()
            assert task.kind is kind
            house.engine.end(task)
        assert reused(await house.ended(job)) == set()

    held(tmp_path, act)


def test_equal_work_that_runs_is_waited_for(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        leader = await house.create(CHAIR)
        generate = await house.started()
        follower = await house.create(CHAIR)
        stranger = await house.create(TABLE)
        house.engine.end(generate)
        following = {(await house.started()).job_uid, (await house.started()).job_uid}
        assert following == {leader.uid, stranger.uid}  # a build, and the other generation
        assert house.engine.started.empty()
        house.engine.end(replace(generate, kind=TaskKind.BUILD))
        assert reused(await house.ended(follower)) == {Stage.SLAT, Stage.BAKE}
        assert reused(await house.ended(leader)) == set()

    held(tmp_path, act)


def test_who_waited_for_work_that_fails_does_it_itself(tmp_path: Path) -> None:
    failure = TaskFailed("no", reason="EMPTY_RESULT", stage=None, metadata={}, is_retryable=False)

    async def act(house: House) -> None:
        for end in ("fail", "cancel"):
            leader = await house.create(CHAIR)
            generate = await house.started()
            follower = await house.create(CHAIR)
            if end == "fail":
                house.engine.end(generate, failure)
                assert (await house.ended(leader)).state is JobState.FAILED
            else:
                await house.scheduler.cancel(leader.uid, project=P)
            assert (await house.started()).job_uid == follower.uid
            await house.scheduler.cancel(follower.uid, project=P)
            await house.ended(follower)

    held(tmp_path, act)


def test_work_that_kills_two_workers_is_not_tried_again_for_a_while(tmp_path: Path) -> None:
    now_us = [1_000_000]

    async def act(house: House) -> None:
        job = await house.create(CHAIR)
        for _ in range(2):
            house.engine.end(await house.started(), killed())
        lost = await house.ended(job)
        assert lost.details.error is not None
        assert (lost.details.error.reason, lost.state) == ("WORKER_LOST", JobState.FAILED)
        assert "twice" in lost.details.error.message
        assert "repeated" in lost.details.warnings[0].message
        for spec in (CHAIR, replace(CHAIR, ignore_cache=True)):
            refused = await house.ended(await house.create(spec))
            assert refused.details.error is not None
            assert refused.details.error.reason == "INPUT_QUARANTINED"
            assert "change the input" in refused.details.error.message
        await house.done(TABLE)
        await house.done(CHAIR, "other")
        now_us[0] += 3601 * 10**6
        await house.done(CHAIR)

    held(tmp_path, act, clock=lambda: now_us[0], quarantine_s=3600.0)


def test_a_worker_that_died_once_is_forgotten_when_its_work_succeeds(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        for _ in range(3):
            job = await house.create(replace(CHAIR, ignore_cache=True))
            house.engine.end(await house.started(), killed())
            for _ in range(2):
                house.engine.end(await house.started())
            assert (await house.ended(job)).state is JobState.SUCCEEDED

    held(tmp_path, act)


@pytest.mark.parametrize(("is_retryable", "tries"), [(True, 3), (False, 1)])
def test_too_little_memory_is_tried_again_unless_it_was_foreseen(
    tmp_path: Path, is_retryable: bool, tries: int
) -> None:
    failure = TaskFailed(
        "no memory", reason="OUT_OF_MEMORY", stage=None, metadata={}, is_retryable=is_retryable
    )

    async def act(house: House) -> None:
        job = await house.create(CHAIR)
        for _ in range(tries):
            house.engine.end(await house.started(), failure)
        failed = await house.ended(job)
        assert failed.details.error is not None
        assert failed.details.error.reason == "OUT_OF_MEMORY"
        assert house.engine.started.empty()
        slat = next(s for s in failed.details.stages if s.stage is Stage.SLAT)
        assert (slat.state, slat.attempt) == (StageState.FAILED, tries)

    held(tmp_path, act)


def test_tries_are_counted_over_restarts_and_wait_longer_each_time(tmp_path: Path) -> None:
    failure = TaskFailed("no", reason="OUT_OF_MEMORY", stage=None, metadata={}, is_retryable=True)
    now_us = [1_000_000]

    async def fail_once(house: House) -> None:
        if not house.store.jobs(project=P, limit=1):
            await house.create(CHAIR)
        now_us[0] += 10 * 10**6
        house.scheduler.kick()
        house.engine.end(await house.started(), failure)
        await until(lambda: house.engine.free(WorkerKind.GENERATOR) == 1)

    async def has_failed(house: House) -> None:
        (job,) = house.store.jobs(project=P, limit=9)
        assert job.state is JobState.FAILED
        assert len(job.details.warnings) == 2

    for _ in range(3):
        held(tmp_path, fail_once, clock=lambda: now_us[0], retry_delays_s=(1.0, 5.0))
    held(tmp_path, has_failed, clock=lambda: now_us[0])


async def until(is_true: Callable[[], bool]) -> None:
    while not is_true():
        await asyncio.sleep(0)


def test_an_end_that_the_disk_did_not_take_is_written_down_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.scheduler._RETRY_S", 0.001)
    failure = TaskFailed(  # too long for the pages that there are
        "x" * 1_000_000, reason="EMPTY_RESULT", stage=None, metadata={}, is_retryable=False
    )

    async def act(house: House) -> None:
        failing, cancelled = [
            await house.create(replace(CHAIR, seed=number, priority=-number)) for number in range(2)
        ]
        await limit_pages(house.store, None)
        house.store._reserve.free()
        house.engine.end(await house.started(), failure)
        await until(lambda: caplog.text.count("cannot be written down") >= 3)
        assert house.store.job(failing.uid, project=P).state is JobState.RUNNING
        await limit_pages(house.store, 1_000_000)
        assert (await house.ended(failing)).state is JobState.FAILED
        task = await house.started()
        await limit_pages(house.store, None)
        count = caplog.text.count("cannot be written down")
        house.engine.end(task, failure)
        await until(lambda: caplog.text.count("cannot be written down") > count)
        await house.scheduler.cancel(cancelled.uid, project=P)
        await limit_pages(house.store, 1_000_000)
        assert (await house.ended(cancelled)).state is JobState.CANCELLED

    async def limit_pages(store: JobStore, count: int | None) -> None:
        """Let the journal have so many pages; None: no more than it has."""

        def change(journal: Journal) -> None:
            pages = count or journal.database.execute("PRAGMA page_count").fetchone()[0]
            journal.database.execute(f"PRAGMA max_page_count = {pages}")

        await store._write(change)

    held(tmp_path, act)


def test_a_server_that_stops_leaves_an_end_that_cannot_be_written_to_its_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(house: House) -> None:
        job = await house.create(CHAIR)
        task = await house.started()

        async def full(*args: Any, **options: Any) -> Job:  # Any: of `finish_task`
            raise DiskFull("the server's disk is full; free some space and try again")

        monkeypatch.setattr(house.store, "finish_task", full)
        house.engine.end(task)
        await asyncio.wait_for(house.scheduler.drain(0), 5)
        assert house.store.job(job.uid, project=P).state is JobState.RUNNING

    async def again(house: House) -> None:
        assert (await house.started()).attempt == 2

    held(tmp_path, act)
    held(tmp_path, again)


def test_a_job_ends_when_it_has_run_for_as_long_as_it_may(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        job = await house.create(replace(CHAIR, run_timeout_s=0.01))
        await house.started()
        ended = await house.ended(job)
        assert ended.details.error is not None
        assert ended.details.error.reason == "JOB_TIMEOUT"
        assert ended.details.error.metadata == {"run_timeout_s": "0.01"}

    held(tmp_path, act, max_run_timeout_s=100.0)


def test_all_tasks_of_a_job_share_its_time_and_the_server_has_the_last_word(
    tmp_path: Path,
) -> None:
    now_us = [1_000_000]

    async def act(house: House) -> None:
        job = await house.create(replace(CHAIR, run_timeout_s=1e6))
        generate = await house.started()
        now_us[0] += 100 * 10**6
        house.engine.end(generate)
        ended = await house.ended(job)
        assert ended.run_us == 100 * 10**6
        assert ended.details.error is not None
        assert ended.details.error.reason == "JOB_TIMEOUT"
        assert house.engine.started.empty()

    held(tmp_path, act, clock=lambda: now_us[0], max_run_timeout_s=60.0)


def test_what_a_begun_job_leaves_may_pass_the_quota_and_no_other_begins_then(
    tmp_path: Path,
) -> None:
    big = Digest(sha256="cc" * 32, size_bytes=1000)
    glb = StoredArtifact(role="model", file_name="a.glb", media_type="x", digest=big)

    async def act(house: House) -> None:
        first, second, third = [
            await house.create(replace(CHAIR, seed=number, priority=-number)) for number in range(3)
        ]
        house.engine.end(await house.started())
        tasks = {task.job_uid: task for task in (await house.started(), await house.started())}
        assert set(tasks) == {first.uid, second.uid}
        house.engine.end(tasks[first.uid], TaskOutcome(artifacts=(glb,)))
        assert (await house.ended(first)).state is JobState.SUCCEEDED
        house.engine.end(tasks[second.uid])
        refused = await house.ended(third)
        assert refused.details.error is not None
        assert refused.details.error.reason == "QUOTA_EXCEEDED"
        assert refused.details.error.is_retryable
        assert refused.start_us is None
        assert (await house.started()).job_uid == second.uid  # which had begun
        with pytest.raises(QuotaExceeded):
            await house.create(replace(CHAIR, seed=9))

    held(tmp_path, act, quotas=Quotas(max_bytes=100))


def test_a_drain_that_is_hurried_puts_back_what_runs_and_what_waits_for_its_next_task(
    tmp_path: Path,
) -> None:
    async def act(house: House) -> None:
        jobs = [await house.create(CHAIR), await house.create(TABLE)]
        house.engine.end(await house.started())
        tasks = [await house.started(), await house.started()]
        house.engine.end(next(task for task in tasks if task.kind is TaskKind.GENERATE))
        while not house.store.ready_tasks(WorkerKind.MESH):  # the other build runs
            await asyncio.sleep(0)
        draining = asyncio.create_task(house.scheduler.drain(3600))
        await asyncio.sleep(0)
        house.scheduler.hurry()
        await draining
        # Both were made at the same microsecond: either may have come first.
        states = {house.store.job(job.uid, project=None).state for job in jobs}
        assert states == {JobState.QUEUED, JobState.RUNNING}

    held(tmp_path, act)


def test_projects_take_turns_and_priority_comes_first(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        def spec(number: int, priority: int = 0) -> JobSpec:
            options = AssetOptions(decode=DecodeOptions(formats=("gaussian",)))
            return replace(CHAIR, seed=number, priority=priority, options=options)

        first = await house.create(spec(0), "many")
        task = await house.started()
        names = {first.uid: "many 0"}
        for number in range(1, 5):
            names[(await house.create(spec(number), "many")).uid] = f"many {number}"
        for number in range(2):
            names[(await house.create(spec(number), "few")).uid] = f"few {number}"
        names[(await house.create(spec(9, priority=1), "many")).uid] = "urgent"
        queue = sorted(house.store.queue().items(), key=lambda item: item[1])
        assert [names[uid] for uid, _ in queue][:3] == ["urgent", "few 0", "many 1"]
        order = []
        for _ in range(7):
            house.engine.end(task)
            task = await house.started()
            order.append(names[task.job_uid])
        assert order == ["urgent", "few 0", "many 1", "few 1", "many 2", "many 3", "many 4"]

    ticks = itertools.count(1_000_000)
    held(tmp_path, act, clock=lambda: next(ticks))


def test_nothing_is_so_urgent_that_others_wait_for_ever(tmp_path: Path) -> None:
    now_us = [1_000_000]

    async def act(house: House) -> None:
        await house.create(replace(CHAIR, seed=7))
        task = await house.started()
        old = await house.create(replace(CHAIR, seed=1, priority=-10))
        for hours, expected in ((2, "urgent"), (2, old.uid)):
            now_us[0] += hours * 3600 * 10**6
            urgent = await house.create(replace(CHAIR, seed=hours + now_us[0], priority=10))
            house.engine.end(task)
            tasks = [await house.started(), await house.started()]
            task = next(task for task in tasks if task.kind is TaskKind.GENERATE)
            assert task.job_uid == (urgent.uid if expected == "urgent" else expected)
            house.engine.end(next(task for task in tasks if task.kind is TaskKind.BUILD))

    held(tmp_path, act, clock=lambda: now_us[0])


def test_who_waits_gains_on_the_urgent(tmp_path: Path) -> None:
    now_us = [1_000_000]

    async def act(house: House) -> None:
        await house.create(replace(CHAIR, seed=7))
        task = await house.started()
        old = await house.create(replace(CHAIR, seed=1))
        now_us[0] += 31 * 60 * 10**6
        urgent = await house.create(replace(CHAIR, seed=2, priority=2), "other")
        house.engine.end(task)
        tasks = [await house.started(), await house.started()]
        generate = next(task for task in tasks if task.kind is TaskKind.GENERATE)
        assert generate.job_uid == old.uid
        outlook = house.scheduler.outlook(house.store.job(urgent.uid, project=None))
        assert outlook.queue_position == 0
        assert outlook.run_s is not None
        assert outlook.remaining_s is not None
        assert outlook.remaining_s >= outlook.run_s > 0

    held(tmp_path, act, clock=lambda: now_us[0])


def test_what_is_reused_is_told_with_its_warnings_and_previews(tmp_path: Path) -> None:
    async def act(house: House) -> None:
        job = await house.create(CHAIR)
        generate = await house.started()
        house.store.post(job.uid, Warned(stage=Stage.SLAT, message="no back"))
        house.store.post(job.uid, Previewed(stage=Stage.SLAT, image=BLOB))
        house.engine.end(generate)
        house.engine.end(await house.started())
        first = await house.ended(job)
        again = await house.ended(await house.create(CHAIR))
        assert again.details.warnings == first.details.warnings != ()
        previews = [s.preview for s in again.details.stages if s.stage is Stage.SLAT]
        assert previews == [BLOB]

    held(tmp_path, act)


def test_a_build_starts_from_the_parts_of_one_before_it(tmp_path: Path) -> None:
    repaired, hulls = digest_of(b"repaired"), digest_of(b"hulls")

    async def act(house: House) -> None:
        async def build_of(spec: JobSpec, **kept: Digest) -> Task:
            """Run a job; its build makes the parts `kept`. Returns the task of the build."""
            job = await house.create(spec)
            task = await house.started()
            if task.kind is TaskKind.GENERATE:
                house.engine.end(task)
                task = await house.started()
            house.engine.end(task, replace(outcome_of(task), kept=kept))
            assert (await house.ended(job)).state is JobState.SUCCEEDED
            return task

        def with_hulls(count: int, **fields: Any) -> JobSpec:  # Any: of `JobSpec`
            collision = CollisionOptions(max_hulls=count)
            return replace(CHAIR, options=AssetOptions(collision=collision), **fields)

        first = await build_of(with_hulls(3), repaired=repaired, hulls=hulls)
        assert first.kept == {}
        assert (await build_of(with_hulls(4))).kept == {"repaired": repaired}
        renamed = await build_of(with_hulls(3, asset_name="Stool"))
        assert renamed.kept == {"repaired": repaired, "hulls": hulls}
        fresh = await build_of(with_hulls(3, ignore_cache=True))
        assert fresh.kept == {}
        for from_stage, kept in (
            (Stage.EXPORT, {"repaired", "hulls"}),
            (Stage.BAKE, {"repaired"}),
            (Stage.REPAIR, set[str]()),
        ):
            built = await build_of(with_hulls(3, asset_name=f"Stool{from_stage}"))
            job, _ = await house.store.retry(
                built.job_uid, project=P, request_id="", from_stage=from_stage
            )
            house.scheduler.kick()
            task = await house.started()
            assert (task.kind, set(task.kept)) == (TaskKind.BUILD, kept)
            house.engine.end(task)
            await house.ended(job)

    held(tmp_path, act)
