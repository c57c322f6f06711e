"""What the scheduler gives to an engine, without processes."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

from pipeline import AssetOptions, ModelFacts
from pipeline.model.formats import DecodeOptions
from server.artifacts import Digest
from server.engine import (
    Listener,
    Task,
    TaskKind,
    TaskOutcome,
    WorkerKind,
    WorkerState,
    WorkerStatus,
)
from server.jobs import Job, JobSpec, JobState
from server.journal import JobStore
from server.scheduler import Scheduler

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
        scheduler = Scheduler(store, engine, is_there=lambda sha256: True)
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
