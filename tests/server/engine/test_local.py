"""What the pool does with its workers: tasks side by side, replacements, silence, losses."""

import asyncio
import logging
import os
import re
import signal

import pytest

from pipeline import Stage
from server.engine import (
    Progressed,
    RestartCause,
    TaskFailed,
    TaskKind,
    TaskOutcome,
    TaskStopped,
    WorkerEnd,
    WorkerKind,
    WorkerLost,
    WorkerStalled,
    WorkerState,
)
from server.engine.process import Wear
from server.engine.watchdog import StallRule
from tests.server.engine.conftest import Floor, RunOnFloor

MESH, GENERATOR = WorkerKind.MESH, WorkerKind.GENERATOR
IMPATIENT = StallRule(min_s=0.3, factor=0.0)


def process_of(outcome: TaskOutcome, floor: Floor) -> int:
    """Which process generated, by what its surface says."""
    content = floor.store.read(outcome.surfaces[0].sha256).decode()
    found = re.search(r"process (\d+)", content)
    assert found is not None
    return int(found[1])


def test_mesh_work_of_one_job_overlaps_generating_another(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        await floor.free(MESH)
        await floor.free(GENERATOR)
        mesh = floor.begin("slow mesh", job_uid="A")
        prompt = floor.begin("slow chair", TaskKind.GENERATE, job_uid="B")
        await floor.until(
            lambda: (
                {Stage.PREPROCESS, Stage.SPARSE_STRUCTURE}
                <= {n.stage for n in floor.news if isinstance(n, Progressed) and n.fraction == 0.5}
            )
        )
        assert {w.state for w in floor.pool.workers()} == {WorkerState.BUSY}
        for uid, task in (("A", mesh), ("B", prompt)):
            floor.pool.cancel(uid)
            with pytest.raises(TaskStopped):
                await task

    run_on_floor(scenario, generators={})


def test_a_worker_is_replaced_after_as_many_tasks_as_it_may_do(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        for _ in range(5):
            await floor.do("a mesh")
        await floor.until(lambda: len(floor.restarts) == 2)
        assert floor.restarts == [(MESH, RestartCause.TASKS)] * 2

    run_on_floor(scenario, wear=Wear(max_tasks=2))


def test_the_replacement_is_ready_before_the_last_task_has_ended(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        await floor.free()
        last = floor.begin("slow mesh")
        await floor.until(lambda: floor.mesh_workers(WorkerState.IDLE) == 1)
        assert floor.pool.free(MESH) == 0  # one task at a time all the same
        floor.pool.cancel("a-job")
        with pytest.raises(TaskStopped):
            await last
        assert floor.pool.free(MESH) == 1  # at once

    run_on_floor(scenario, wear=Wear(max_tasks=1))


def test_a_device_has_one_generator_at_a_time(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        seen = set()
        for _ in range(3):
            await floor.until(lambda: floor.pool.free(GENERATOR) == 2)
            both = [floor.begin("who", TaskKind.GENERATE, job_uid=uid) for uid in "AB"]
            assert len(floor.pool._workers) == 3  # with the mesh worker: no replacement yet
            seen |= {process_of(await task, floor) for task in both}
        assert len(seen) == 6
        devices = [w.device for w in floor.pool._workers if w.kind is GENERATOR]
        assert sorted(devices) == ["cuda:0", "cuda:1"]

    two = {"task_count": 2, "devices": ("cuda:0", "cuda:1"), "wear": Wear(max_tasks=1)}
    run_on_floor(scenario, generators=two)


def test_a_worker_that_keeps_memory_is_replaced(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        await floor.do(f"keep {10 << 20}")
        await floor.do("a mesh")
        assert floor.restarts == []
        await floor.do(f"keep {120 << 20}")
        await floor.until(lambda: bool(floor.restarts))
        assert floor.restarts == [(MESH, RestartCause.GROWTH)]
        await floor.do("a mesh")

    run_on_floor(scenario, wear=Wear(max_growth_bytes=100 << 20))


@pytest.mark.parametrize("work", ["native", "gil"])
def test_a_silent_task_is_given_up_and_its_stacks_are_logged(
    run_on_floor: RunOnFloor, caplog: pytest.LogCaptureFixture, work: str
) -> None:
    async def scenario(floor: Floor) -> None:
        with pytest.raises(WorkerStalled, match="no progress in preprocess for") as stalled:
            await floor.do(f"{work} mesh")
        assert stalled.value.reason == "STAGE_STALLED"
        assert stalled.value.end is WorkerEnd.STALLED
        assert stalled.value.stage is Stage.PREPROCESS
        await floor.until(lambda: bool(floor.restarts))
        assert floor.restarts == [(MESH, RestartCause.STALLED)]
        await floor.do("a mesh")

    with caplog.at_level(logging.ERROR):
        run_on_floor(scenario, stall=IMPATIENT)
    frames = [record.getMessage() for record in caplog.records]
    assert any(re.search(r'fake_pipeline\.py", line \d+ in _act', frame) for frame in frames)


def test_a_task_that_speaks_is_not_stalled_however_long_it_takes(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        await floor.free()
        task = floor.begin("slow mesh")
        for _ in range(10):
            floor.news.clear()
            await floor.until(lambda: bool(floor.news))  # every 0.1 s
        assert not task.done()
        floor.pool.cancel("a-job")
        with pytest.raises(TaskStopped):
            await task

    run_on_floor(scenario, stall=IMPATIENT)


def test_what_a_stage_usually_takes_gives_it_time(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        await floor.free()
        task = floor.begin("native mesh", expected_s={Stage.PREPROCESS: 60.0})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), 0.8)
        floor.pool.cancel("a-job")
        with pytest.raises(TaskStopped):
            await task
        assert floor.restarts in ([], [(MESH, RestartCause.DEAF)])

    run_on_floor(scenario, stall=StallRule(min_s=0.3, factor=1.0))


def test_a_deaf_task_is_over_before_its_process_is_gone(
    run_on_floor: RunOnFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(floor: Floor) -> None:
        await floor.free()
        task = floor.begin("gil mesh")
        await floor.until(lambda: bool(floor.news))
        (worker,) = floor.pool._workers
        with monkeypatch.context() as patch:
            patch.setattr(os, "killpg", lambda group, number: None)  # takes its time
            floor.pool.cancel("a-job")
            with pytest.raises(TaskStopped):
                await task
            await floor.do("a mesh")  # by another process
            assert worker in floor.pool._workers
        worker.kill()
        await floor.until(lambda: bool(floor.restarts))
        assert floor.restarts == [(MESH, RestartCause.DEAF)]

    run_on_floor(scenario)


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGKILL, "signal 9"), (signal.SIGSEGV, "signal 11")]
)
def test_a_lost_worker_says_how_it_died_and_no_paths(
    run_on_floor: RunOnFloor, caplog: pytest.LogCaptureFixture, number: int, words: str
) -> None:
    async def scenario(floor: Floor) -> None:
        await floor.free()
        task = floor.begin("slow mesh")
        await floor.until(lambda: bool(floor.news))
        (worker,) = floor.pool._workers
        os.kill(worker.pid, number)
        with pytest.raises(WorkerLost, match=words) as lost:
            await task
        assert (lost.value.end, lost.value.number) == (WorkerEnd.KILLED, number)
        assert lost.value.stage is Stage.PREPROCESS
        assert "/" not in str(lost.value)
        assert lost.value.reason == "WORKER_LOST"
        await floor.do("a mesh")
        assert floor.restarts == [(MESH, RestartCause.LOST)]

    run_on_floor(scenario)
    crashed = any("_act" in record.getMessage() for record in caplog.records)
    assert crashed == (number == signal.SIGSEGV)  # a crash leaves its stacks


def test_memory_is_blamed_only_where_the_kernel_says_that_it_killed(
    run_on_floor: RunOnFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = 5
    monkeypatch.setattr("server.engine.memory.killed_count", lambda: kills)

    async def scenario(floor: Floor) -> None:
        nonlocal kills
        await floor.free()
        task = floor.begin("slow mesh")
        await floor.until(lambda: bool(floor.news))
        kills += 1
        os.kill(floor.pool._workers[0].pid, signal.SIGKILL)
        with pytest.raises(WorkerLost, match="ran out of memory") as lost:
            await task
        assert lost.value.end is WorkerEnd.OUT_OF_MEMORY

    run_on_floor(scenario)


def test_a_spent_worker_is_told_of_and_replaced(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        with pytest.raises(TaskFailed):
            await floor.do("memory")
        await floor.do("a mesh")
        assert floor.restarts == [(MESH, RestartCause.SPENT)]

    run_on_floor(scenario)
