"""A journal for tests: a clock that is set by hand, and checks of what must always hold."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

from pipeline import Stage, StageRecord
from server.artifacts import Digest
from server.engine import TaskOutcome, WorkerKind
from server.jobs import Job, JobError, JobEvent, JobSpec, ReadyTask, StageProgressed
from server.journal import JobStore, Quotas

P = "local"
NO_QUOTAS = Quotas()
SPEC = JobSpec(asset_name="Chair", prompt="a chair")
GENERATED = TaskOutcome(
    surfaces=(Digest(sha256="aa" * 32, size_bytes=1),),
    slats=(Digest(sha256="bb" * 32, size_bytes=1),),
    seeds=(0,),
    records=(StageRecord(stage=Stage.SLAT, seconds=1.0, peak_memory_bytes=0),),
)
ERROR = JobError(reason="EMPTY_RESULT", message="nothing", stage=Stage.DECODE)


def progress(fraction: float, job_fraction: float = 0.0) -> StageProgressed:
    """Return news of a stage."""
    return StageProgressed(
        stage=Stage.SLAT, fraction=fraction, job_fraction=job_fraction, remaining_s=None
    )


class SetClock:
    """Microseconds that pass when told to, and one with each look."""

    def __init__(self) -> None:
        self.now_us = 1_000_000

    def __call__(self) -> int:
        self.now_us += 1
        return self.now_us

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now_us += round(seconds * 1e6)


@asynccontextmanager
async def opened(
    path: Path, clock: SetClock | None = None, quotas: Quotas = NO_QUOTAS
) -> AsyncIterator[JobStore]:
    """Open the journal of a folder."""
    store = JobStore(path / "journal.sqlite3", clock=clock or SetClock(), quotas=quotas)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def run(
    path: Path,
    act: Callable[[JobStore], Coroutine[None, None, None]],
    clock: SetClock | None = None,
    quotas: Quotas = NO_QUOTAS,
) -> None:
    """Do something with the journal of a folder, then close it."""

    async def whole() -> None:
        async with opened(path, clock, quotas) as store:
            await act(store)

    asyncio.run(whole())


def log(store: JobStore, uid: str) -> list[JobEvent]:
    """Read a job's whole log and check what must always hold of it."""
    job = store.job(uid, project=None)
    events = store._reads.events(uid, 0, 10_000)
    first = job.first_sequence
    assert [event.sequence for event in events] == list(range(first, job.last_sequence + 1))
    assert all(not event.is_last for event in events[:-1])
    assert events[-1].is_last == job.state.is_final
    fractions = [
        event.happening.job_fraction
        for event in events
        if isinstance(event.happening, StageProgressed)
    ]
    assert fractions == sorted(fractions)
    return events


async def create(store: JobStore, spec: JobSpec = SPEC, project: str = P) -> Job:
    """Make a job."""
    job, _ = await store.create(project=project, request_id="", spec=spec)
    return job


def next_ready(store: JobStore, worker: WorkerKind) -> ReadyTask | None:
    """Return the task that a worker would start now."""
    names = store.ready_tasks(worker)
    return store.ready_task(names[0]) if names else None


async def start(store: JobStore, worker: WorkerKind = WorkerKind.GENERATOR) -> Job:
    """Start the next task."""
    ready = next_ready(store, worker)
    assert ready is not None
    job = await store.start_task(ready, key="key")
    assert job is not None
    return job
