"""Whatever happens to jobs in whatever order, what the journal promises holds."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from pipeline import Stage
from server.engine import Previewed, TaskKind, TaskOutcome, Warned, WorkerKind
from server.jobs import Happening, Job, JobState, ReadyTask
from server.journal import JobStore, Retention
from server.refusals import JobNotFinished, JobNotFound
from tests.server.journal.harness import (
    ERROR,
    GENERATED,
    SPEC,
    SetClock,
    create,
    log,
    next_ready,
    progress,
)

PROJECTS = ("red", "green", "blue")
LOST = Warned(stage=Stage.SLAT, message="lost")
PREVIEW = Previewed(stage=Stage.DECODE, image=GENERATED.surfaces[0])
KEEP = Retention(jobs_s=100.0, events_s=50.0, cache_s=70.0, blobs_s=10.0)
KEEP_ALL = Retention(jobs_s=1e9, events_s=1e9, cache_s=1e9, blobs_s=1e9)


class Journals(RuleBasedStateMachine):
    """A journal, an engine that does as it is told, and what was seen so far."""

    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        # In memory where there is such a place: thousands of commits, each with its fsync.
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.exists() else None)
        self.loop = asyncio.new_event_loop()
        self.clock = SetClock()
        self.ends: dict[str, tuple[JobState, int]] = {}
        self.finished: Counter[tuple[str, int]] = Counter()
        self.uids: list[str] = []
        self.store = self.opened()

    def teardown(self) -> None:
        self.do(self.store.close())
        self.loop.close()
        self.folder.cleanup()

    def do(self, step: Coroutine[Any, Any, Any]) -> Any:  # Any: of each rule's own type
        return self.loop.run_until_complete(step)

    def opened(self) -> JobStore:
        store = JobStore(Path(self.folder.name) / "journal.sqlite3", clock=self.clock)
        self.do(store.open())
        return store

    def jobs(self) -> list[Job]:
        return [job for project in PROJECTS for job in self.store.jobs(project=project, limit=500)]

    def a_job(self, number: int) -> str:
        """Choose one that was made; it may be forgotten."""
        return self.uids[number % len(self.uids)] if self.uids else "none"

    @rule(project=st.sampled_from(PROJECTS), priority=st.sampled_from([0, 0, 0, 5]))
    def create(self, project: str, priority: int) -> None:
        job = self.do(create(self.store, replace(SPEC, priority=priority), project))
        self.uids.append(job.uid)

    @rule(target=runs, worker=st.sampled_from(WorkerKind))
    def start(self, worker: WorkerKind) -> ReadyTask | None:
        ready = next_ready(self.store, worker)
        if ready is not None:
            self.check_is_fair(ready, worker)
            assert self.do(self.store.start_task(ready, key=f"key {ready.kind}")) is not None
        return ready

    def check_is_fair(self, chosen: ReadyTask, worker: WorkerKind) -> None:
        """Nobody of the same priority has less running work."""
        names = self.store.ready_tasks(worker)
        ready = [task for name in names if (task := self.store.ready_task(name))]
        busy: Counter[str] = Counter(
            project
            for (project,) in self.store._database.execute(
                "SELECT project FROM tasks JOIN jobs ON uid = job_uid WHERE tasks.state = 'running'"
            )
        )
        assert chosen.job.spec.priority == max(task.job.spec.priority for task in ready)
        equals = [t for t in ready if t.job.spec.priority == chosen.job.spec.priority]
        assert busy[chosen.job.project] == min(busy[task.job.project] for task in equals)

    @rule(run=consumes(runs))
    def finish(self, run: ReadyTask | None) -> None:
        if run is None or not self.is_there(run):
            return
        was_current = self.is_running(run)
        outcome = GENERATED if run.kind is TaskKind.GENERATE else TaskOutcome()
        self.do(self.store.finish_task(run, outcome))
        if was_current:
            self.finished[run.job.uid, run.position] += 1

    @rule(run=consumes(runs), delay_s=st.sampled_from([0.0, 5.0]))
    def lose(self, run: ReadyTask | None, delay_s: float) -> None:
        if run is not None and self.is_there(run):
            self.do(self.store.retry_task(run, LOST, delay_s=delay_s, death_of="key"))

    @rule(run=consumes(runs))
    def fail(self, run: ReadyTask | None) -> None:
        if run is not None and self.is_there(run):
            self.do(self.store.fail(run.job.uid, ERROR))

    @rule(worker=st.sampled_from(WorkerKind))
    def reuse(self, worker: WorkerKind) -> None:
        ready = next_ready(self.store, worker)
        if ready is None:
            return
        kept = self.store.kept_work(ready.job.project, f"key {ready.kind}")
        reused = self.do(self.store.reuse_task(ready, key=f"key {ready.kind}", fraction=0.5))
        assert (reused is None) == (kept is None)
        if reused is not None:
            self.finished[ready.job.uid, ready.position] += 1

    @rule(number=st.integers(0, 50), fraction=st.floats(0, 1), begins=st.booleans())
    def post(self, number: int, fraction: float, begins: bool) -> None:
        uid = self.a_job(number)
        if any(job.uid == uid for job in self.jobs()):
            self.do(self.posted(uid, progress(fraction, fraction), begins))
            self.do(self.posted(uid, PREVIEW, False))

    async def posted(self, uid: str, happening: Happening, begins: bool) -> None:
        self.store.post(uid, happening, begins=begins)

    @rule(number=st.integers(0, 50))
    def cancel(self, number: int) -> None:
        try:
            self.do(self.store.cancel(self.a_job(number), project=None))
        except JobNotFound:
            assert self.is_forgotten(number)

    @rule(number=st.integers(0, 50))
    def requeue(self, number: int) -> None:
        try:
            self.do(self.store.requeue(self.a_job(number)))
        except JobNotFound:
            assert self.is_forgotten(number)

    @rule(number=st.integers(0, 50), project=st.sampled_from(PROJECTS))
    def retry(self, number: int, project: str) -> None:
        uid = self.a_job(number)
        try:
            job, _ = self.do(self.store.retry(uid, project=project, request_id="", from_stage=None))
        except (JobNotFound, JobNotFinished):
            return
        assert uid in self.ends
        self.uids.append(job.uid)

    @rule(number=st.integers(0, 50), project=st.sampled_from(PROJECTS))
    def delete(self, number: int, project: str) -> None:
        uid = self.a_job(number)
        try:
            self.do(self.store.delete(uid, project=project))
        except (JobNotFound, JobNotFinished):
            return
        assert uid in self.ends

    @rule(seconds=st.sampled_from([1.0, 20.0, 60.0]))
    def collect(self, seconds: float) -> None:
        self.clock.pass_s(seconds)
        self.do(self.store.collect(KEEP))

    @rule()
    def restart(self) -> None:
        epoch = self.store.log_epoch
        self.do(self.store.close())
        self.store = self.opened()
        assert self.store.log_epoch == epoch
        assert not any(job.state is JobState.RUNNING for job in self.jobs())

    @invariant()
    def logs_have_no_gaps_and_ends_are_final(self) -> None:
        self.do(self.store.collect(KEEP_ALL))  # after it, whatever was posted is committed
        for job in self.jobs():
            log(self.store, job.uid)
            if job.uid in self.ends:
                assert self.ends[job.uid] == (job.state, job.last_sequence)
            if job.state.is_final:
                self.ends[job.uid] = (job.state, job.last_sequence)

    @invariant()
    def no_task_is_finished_twice(self) -> None:
        assert not self.finished or max(self.finished.values()) == 1

    @invariant()
    def every_blob_that_is_needed_is_there(self) -> None:
        missing = self.store._database.execute(
            "SELECT count(*) FROM blob_uses AS used WHERE NOT EXISTS (SELECT 1 FROM blobs"
            " WHERE blobs.project = used.project AND blobs.sha256 = used.sha256)"
        ).fetchone()
        assert missing == (0,)

    @invariant()
    def what_no_job_needs_is_gone(self) -> None:
        needless = self.store._database.execute(
            "SELECT count(*) FROM blobs WHERE NOT EXISTS (SELECT 1 FROM blob_uses AS used"
            " JOIN jobs ON uid = holder"
            " WHERE used.project = blobs.project AND used.sha256 = blobs.sha256)"
        ).fetchone()
        assert needless == (0,)  # nothing is uploaded here

    @invariant()
    def sums_of_bytes_are_right(self) -> None:
        rows = self.store._database.execute(
            "SELECT blob_bytes, (SELECT ifnull(sum(size_bytes), 0) FROM blobs"
            " WHERE blobs.project = projects.project) FROM projects"
        ).fetchall()
        assert all(kept == counted for kept, counted in rows)

    def is_there(self, run: ReadyTask) -> bool:
        return any(job.uid == run.job.uid for job in self.jobs())

    def is_running(self, run: ReadyTask) -> bool:
        row = self.store._database.execute(
            "SELECT state, attempt FROM tasks WHERE job_uid = ? AND position = ?",
            (run.job.uid, run.position),
        ).fetchone()
        return bool(row == ("running", run.attempt))

    def is_forgotten(self, number: int) -> bool:
        return all(job.uid != self.a_job(number) for job in self.jobs())


Journals.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestJournals = Journals.TestCase
