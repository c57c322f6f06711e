"""What the journal promises, without processes: states, numbering, repeats, recovery."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import Stage
from server.artifacts import Digest
from server.engine import TaskKind, TaskOutcome, Warned, WorkerKind
from server.jobs import (
    NEXT_STATES,
    Job,
    JobSpec,
    JobState,
    ReadyTask,
    StageProgressed,
    StageState,
)
from server.journal import Entry, JobStore, new_uid
from server.refusals import Draining, JobNotFound, LogEpochChanged, RequestIdReused
from tests.server.journal.harness import (
    ERROR,
    GENERATED,
    SPEC,
    P,
    SetClock,
    create,
    log,
    next_ready,
    progress,
    run,
    start,
)


def test_states_follow_the_contract() -> None:
    assert {state for state in JobState if state.is_final} == {
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.CANCELLED,
    }
    assert set(NEXT_STATES) == set(JobState)


def test_a_job_runs_its_tasks_in_order_and_succeeds(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job, _ = await store.create(project=P, request_id="", spec=SPEC)
        assert next_ready(store, WorkerKind.MESH) is None
        generate = next_ready(store, WorkerKind.GENERATOR)
        assert generate is not None
        assert (generate.kind, generate.attempt) == (TaskKind.GENERATE, 1)
        await store.start_task(generate, key="k1")
        assert next_ready(store, WorkerKind.GENERATOR) is None
        outcome = replace(GENERATED, warnings=("no back",))
        await store.finish_task(generate, outcome)
        build = next_ready(store, WorkerKind.MESH)
        assert build is not None
        assert (build.kind, build.outcomes) == (TaskKind.BUILD, (outcome,))
        await store.start_task(build, key="k2")
        ended = await store.finish_task(build, GENERATED)
        assert ended.state is JobState.SUCCEEDED
        assert ended.details.fraction == 1.0
        assert ended.details.result is not None
        log(store, job.uid)

    run(tmp_path, act)


def test_task_keys_are_written_down(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        await store.create(project=P, request_id="", spec=SPEC)
        await start(store)

    run(tmp_path, act)
    database = sqlite3.connect(tmp_path / "journal.sqlite3")
    keys = database.execute("SELECT key FROM tasks ORDER BY position").fetchall()
    assert keys == [("key",), (None,)]


def test_the_same_request_id_is_the_same_job(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        many = await asyncio.gather(
            *(store.create(project=P, request_id="one", spec=SPEC) for _ in range(20))
        )
        assert len({job.uid for job, _ in many}) == 1
        assert sum(not is_known for _, is_known in many) == 1
        other = JobSpec(asset_name="Table", prompt="a table")
        with pytest.raises(RequestIdReused, match="'one'"):
            await store.create(project=P, request_id="one", spec=other)
        # The refused one took nothing with it.
        assert len(store.jobs(project=P, limit=9)) == 1

    run(tmp_path, act)


def test_a_request_id_outlives_an_update_that_adds_fields(tmp_path: Path) -> None:
    async def before(store: JobStore) -> None:
        await store.create(project=P, request_id="one", spec=SPEC)

    async def after(store: JobStore) -> None:
        _, is_known = await store.create(project=P, request_id="one", spec=SPEC)
        assert is_known
        with pytest.raises(RequestIdReused):
            await store.create(project=P, request_id="one", spec=replace(SPEC, seed=1))

    run(tmp_path, before)
    database = sqlite3.connect(tmp_path / "journal.sqlite3")
    database.execute("UPDATE jobs SET spec = json_remove(spec, '$.adapter', '$.variant_count')")
    database.commit()
    database.close()
    run(tmp_path, after)


def test_what_was_running_is_queued_again_and_loses_nothing(tmp_path: Path) -> None:
    uids: list[str] = []

    async def first(store: JobStore) -> None:
        running, _ = await store.create(project=P, request_id="", spec=SPEC)
        await start(store)
        store.post(running.uid, progress(0.5, 0.25))
        stopping, _ = await store.create(project=P, request_id="", spec=SPEC)
        await start(store)
        await store.cancel(stopping.uid, project=P)
        waiting, _ = await store.create(project=P, request_id="", spec=SPEC)
        uids.extend(job.uid for job in (running, stopping, waiting))

    async def second(store: JobStore) -> None:
        running, stopping, waiting = (store.job(uid, project=P) for uid in uids)
        assert running.state is JobState.QUEUED
        assert running.details.fraction == 0.25
        assert stopping.state is JobState.CANCELLED
        assert waiting.state is JobState.QUEUED
        for uid in uids:
            log(store, uid)
        again = next_ready(store, WorkerKind.GENERATOR)
        assert again is not None
        assert (again.job.uid, again.attempt, again.failure_count) == (running.uid, 2, 0)

    run(tmp_path, first)
    run(tmp_path, second)


LOST = Warned(stage=Stage.SLAT, message="lost")
ENDS: dict[str, Callable[[JobStore, ReadyTask], Awaitable[Job]]] = {
    "finish": lambda store, ready: store.finish_task(ready, GENERATED),
    "fail": lambda store, ready: store.fail(ready.job.uid, ERROR),
    "retry": lambda store, ready: store.retry_task(ready, LOST, delay_s=0),
    "requeue": lambda store, ready: store.requeue(ready.job.uid),
}


@pytest.mark.parametrize("end", ENDS)
def test_cancel_wins_over_whatever_comes_later(tmp_path: Path, end: str) -> None:
    async def act(store: JobStore) -> None:
        job, _ = await store.create(project=P, request_id="", spec=SPEC)
        ready = next_ready(store, WorkerKind.GENERATOR)
        assert ready is not None
        await store.start_task(ready, key="")
        assert (await store.cancel(job.uid, project=P)).state is JobState.CANCELLING
        assert (await ENDS[end](store, ready)).state is JobState.CANCELLED
        for later in ENDS.values():
            assert (await later(store, ready)).state is JobState.CANCELLED
        store.post(job.uid, progress(1.0))
        await store.cancel(job.uid, project=P)
        log(store, job.uid)
        assert next_ready(store, WorkerKind.GENERATOR) is None
        assert next_ready(store, WorkerKind.MESH) is None

    run(tmp_path, act)


def test_a_report_of_an_older_attempt_is_not_believed(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job, _ = await store.create(project=P, request_id="", spec=SPEC)
        first = next_ready(store, WorkerKind.GENERATOR)
        assert first is not None
        await store.start_task(first, key="")
        await store.requeue(job.uid)
        second = next_ready(store, WorkerKind.GENERATOR)
        assert second is not None
        await store.start_task(second, key="")
        await store.finish_task(first, GENERATED)
        assert next_ready(store, WorkerKind.MESH) is None
        await store.finish_task(second, GENERATED)
        assert next_ready(store, WorkerKind.MESH) is not None

    run(tmp_path, act)


def test_the_time_of_every_try_counts_and_of_one_that_a_crash_ended_until_the_last_event(
    tmp_path: Path,
) -> None:
    clock = SetClock()

    def run_s(job: Job) -> float:
        return round(job.run_us / 1e6, 3)

    async def crashed(store: JobStore) -> None:
        job = await create(store)
        await start(store)
        clock.pass_s(100)
        assert run_s(await store.requeue(job.uid)) == 100
        clock.pass_s(1000)  # waiting
        await start(store)
        clock.pass_s(20)
        store.post(job.uid, progress(0.5))
        stopping = await create(store)  # so that the event is written down
        clock.pass_s(3)  # nobody knows how much of this it ran
        await start(store)
        clock.pass_s(7)
        await store.cancel(stopping.uid, project=P)

    async def again(store: JobStore) -> None:
        stopping, job = store.jobs(project=P, limit=9)
        assert (run_s(job), run_s(stopping)) == (120, 7)
        await start(store)
        clock.pass_s(1)
        assert run_s(await store.fail(job.uid, ERROR)) == 121

    run(tmp_path, crashed, clock)
    clock.pass_s(5000)
    run(tmp_path, again, clock)


def test_a_task_of_a_cancelled_job_does_not_start(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job, _ = await store.create(project=P, request_id="", spec=SPEC)
        ready = next_ready(store, WorkerKind.GENERATOR)
        assert ready is not None
        await store.cancel(job.uid, project=P)
        assert await store.start_task(ready, key="") is None

    run(tmp_path, act)


def test_shown_progress_never_falls(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job, _ = await store.create(project=P, request_id="", spec=SPEC)
        await start(store)
        for estimate in (0.2, 0.5, 0.3, 0.6):
            store.post(job.uid, progress(0.1, estimate))
        await store.fail(job.uid, ERROR)
        shown = [
            event.happening.job_fraction
            for event in log(store, job.uid)
            if isinstance(event.happening, StageProgressed)
        ]
        assert shown[-4:] == [0.2, 0.5, 0.5, 0.6]

    run(tmp_path, act)


def test_followers_see_every_event_once_while_it_is_written(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job, _ = await store.create(project=P, request_id="", spec=SPEC)

        async def follow(after: int) -> list[int]:
            following = store.follow(job.uid, after, project=P)
            return [item.event.sequence async for item in following if isinstance(item, Entry)]

        followers = [asyncio.create_task(follow(after)) for after in (0, 0, 1)]
        await start(store)
        for step in range(1_500):  # more than one read takes
            store.post(job.uid, progress(step / 1_500))
            if step % 100 == 0:
                await asyncio.sleep(0)  # lets followers run in between
        ended = await store.fail(job.uid, ERROR)
        first, second, third = await asyncio.gather(*followers)
        assert third == list(range(2, ended.last_sequence + 1))
        for late in (first, second):  # from their snapshot on
            assert late == third[-len(late) :]
            assert len(late) > 1_500

    run(tmp_path, act)


def test_followers_are_told_when_the_server_ends_or_the_cursor_is_foreign(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job, _ = await store.create(project=P, request_id="", spec=SPEC)
        with pytest.raises(LogEpochChanged):
            await anext(store.follow(job.uid, 99, project=P))
        with pytest.raises(JobNotFound):
            await anext(store.follow("nobody", 0, project=P))
        waiting = asyncio.ensure_future(anext(store.follow(job.uid, job.last_sequence, project=P)))
        await asyncio.sleep(0)
        store.end_watches()
        with pytest.raises(Draining):
            await waiting

    run(tmp_path, act)


def test_a_journal_of_a_newer_server_is_not_touched(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "journal.sqlite3")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(Exception, match="another version"):
        run(tmp_path, lambda store: asyncio.sleep(0))


OLD_TABLES = """
    CREATE TABLE jobs (
        uid TEXT PRIMARY KEY, request_id TEXT UNIQUE, spec TEXT NOT NULL, state TEXT NOT NULL,
        details TEXT NOT NULL, last_sequence INTEGER NOT NULL,
        create_us INTEGER NOT NULL, start_us INTEGER, end_us INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX jobs_by_state ON jobs (state);
    CREATE TABLE events (
        job_uid TEXT NOT NULL, sequence INTEGER NOT NULL,
        time_us INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (job_uid, sequence)
    ) WITHOUT ROWID;
    CREATE TABLE tasks (
        job_uid TEXT NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL, worker TEXT NOT NULL,
        state TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
        lost_count INTEGER NOT NULL DEFAULT 0, key TEXT, outcome TEXT,
        PRIMARY KEY (job_uid, position)
    ) WITHOUT ROWID;
    CREATE INDEX tasks_by_state ON tasks (state, worker);
    INSERT INTO jobs SELECT uid, request_id, spec, state, details, last_sequence, create_us,
        start_us, end_us FROM new.jobs;
    INSERT INTO events SELECT * FROM new.events;
    INSERT INTO tasks SELECT job_uid, position, kind, worker, state, attempt, failure_count, key,
        outcome FROM new.tasks;
"""


def made_old(path: Path, version: int, *changes: str) -> None:
    """Turn a journal into what an older server would have left, then change it further."""
    now, old = path / "journal.sqlite3", path / "old.sqlite3"
    database = sqlite3.connect(old)
    database.execute("ATTACH ? AS new", (str(now),))
    database.executescript(OLD_TABLES)
    for change in changes:
        database.execute(change)
    database.execute(f"PRAGMA user_version = {version}")
    database.commit()
    database.close()
    for file in path.glob("journal*"):
        file.unlink()
    old.rename(now)


def test_unfinished_jobs_of_an_older_server_start_from_their_first_task(tmp_path: Path) -> None:
    uids: list[str] = []

    async def before(store: JobStore) -> None:
        for last in ("generated", "building", "done"):  # how far each job is
            job, _ = await store.create(project=P, request_id="", spec=SPEC)
            uids.append(job.uid)
            generate = next_ready(store, WorkerKind.GENERATOR)
            assert generate is not None
            await store.start_task(generate, key="")
            await store.finish_task(generate, GENERATED)
            build = next_ready(store, WorkerKind.MESH)
            assert build is not None
            if last != "generated":
                await store.start_task(build, key="")
            if last == "done":
                await store.finish_task(build, TaskOutcome())
            else:
                await store.fail(job.uid, ERROR)

    async def after(store: JobStore) -> None:
        assert next_ready(store, WorkerKind.MESH) is None
        for uid in uids[:2]:
            again = next_ready(store, WorkerKind.GENERATOR)
            assert again is not None
            assert (again.job.uid, again.kind, again.attempt) == (uid, TaskKind.GENERATE, 2)
            await store.start_task(again, key="")
            await store.finish_task(again, GENERATED)
            build = next_ready(store, WorkerKind.MESH)
            assert build is not None
            assert build.outcomes == (GENERATED,)
            await store.start_task(build, key="")
            ended = await store.finish_task(build, TaskOutcome())
            assert ended.state is JobState.SUCCEEDED
        assert next_ready(store, WorkerKind.GENERATOR) is None
        assert store.job(uids[2], project=P).state is JobState.SUCCEEDED

    run(tmp_path, before)
    made_old(
        tmp_path,
        1,
        """UPDATE tasks SET outcome = '{"surface":{"sha256":"aa","size_bytes":1}}'
        WHERE outcome IS NOT NULL""",
        "UPDATE tasks SET state = 'running' WHERE state = 'dropped'",
        "UPDATE jobs SET state = 'running', end_us = NULL WHERE state = 'failed'",
    )
    run(tmp_path, after)


def test_jobs_of_format_2_go_on_where_they_were_and_own_their_blobs(tmp_path: Path) -> None:
    uids: list[str] = []
    mesh = Digest(sha256="cc" * 32, size_bytes=7)

    async def before(store: JobStore) -> None:
        await store.own_blob(P, mesh)
        for spec in (SPEC, SPEC, JobSpec(asset_name="A", mesh=mesh)):
            job, _ = await store.create(project=P, request_id=f"id-{len(uids)}", spec=spec)
            uids.append(job.uid)
        generate = next_ready(store, WorkerKind.GENERATOR)
        assert generate is not None
        await store.start_task(generate, key="")
        store.post(uids[0], progress(1.0, 0.4))
        await store.finish_task(generate, GENERATED)
        failing = next_ready(store, WorkerKind.GENERATOR)
        assert failing is not None
        await store.start_task(failing, key="")
        store.post(uids[1], progress(0.5, 0.2))
        await store.fail(uids[1], ERROR)

    async def after(store: JobStore) -> None:
        generated, failed, meshed = (store.job(uid, project=P) for uid in uids)
        build = next_ready(store, WorkerKind.MESH)
        assert build is not None
        assert (build.job.uid, build.outcomes) == (generated.uid, (GENERATED,))
        assert next_ready(store, WorkerKind.GENERATOR) is None
        assert [s.state for s in generated.details.stages][1:] == [StageState.SUCCEEDED]
        assert [s.state for s in failed.details.stages][1:] == [StageState.FAILED]
        assert store.blob_size(P, mesh.sha256) == 7
        assert store.blob_size(P, GENERATED.surfaces[0].sha256) == 1
        assert store.blob_size("other", mesh.sha256) is None
        spec = JobSpec(asset_name="A", mesh=mesh)
        assert await store.create(project=P, request_id="id-2", spec=spec) == (meshed, True)
        other, is_known = await store.create(project="other", request_id="id-0", spec=SPEC)
        assert not is_known
        for uid in (*uids, other.uid):
            log(store, uid)

    run(tmp_path, before)
    without = "'$.stages[0].state', '$.stages[1].state', '$.stages[0].attempt'"
    made_old(tmp_path, 2, f"UPDATE jobs SET details = json_remove(details, {without})")
    run(tmp_path, after)


def test_jobs_are_found_by_label_state_and_time(tmp_path: Path) -> None:
    clock = SetClock()

    async def act(store: JobStore) -> None:
        made = []
        for labels in ({"shot": "1", "who": "a"}, {"shot": "1"}, {"shot": "2"}, {}):
            made.append(await create(store, replace(SPEC, labels=labels)))
            clock.pass_s(1)

        def found(**filters: Any) -> list[int]:  # Any: of `JobStore.jobs`
            jobs = store.jobs(project=P, limit=9, **filters)
            return [made.index(next(j for j in made if j.uid == job.uid)) for job in jobs]

        await store.cancel(made[1].uid, project=P)
        assert found() == [3, 2, 1, 0]
        assert found(labels={"shot": "1"}) == [1, 0]
        assert found(labels={"shot": "1", "who": "a"}) == [0]
        assert found(labels={"shot": "1"}, states=[JobState.CANCELLED]) == [1]
        assert found(since_us=made[1].create_us, before_us=made[3].create_us) == [2, 1]
        assert found(before=made[2].uid) == [1, 0]
        assert store.job_counts()[JobState.CANCELLED] == 1
        assert store.job_counts()[JobState.QUEUED] == 3

    run(tmp_path, act, clock)


def test_uids_sort_by_time_and_never_meet() -> None:
    uids = [new_uid(1_700_000_000_000_000 + n) for n in range(100)]
    assert uids == sorted(uids)
    assert len({new_uid(5) for _ in range(1000)}) == 1000
    assert all(len(uid) == 32 for uid in uids)


def test_a_new_job_has_its_place_in_the_queue_at_once(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        for count in range(3):
            job = await create(store)
            assert store.queue()[job.uid] == count

    run(tmp_path, act)
