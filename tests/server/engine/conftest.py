"""Real worker processes around the pipeline of `fake_pipeline.py`, without a server."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import AssetOptions, LoadOptions
from server.artifacts import ArtifactStore
from server.engine import (
    RestartCause,
    Task,
    TaskKind,
    TaskNews,
    TaskOutcome,
    WorkerKind,
    WorkerState,
)
from server.engine.limits import WorkerLimits
from server.engine.local import Crew, LocalPool
from server.engine.messages import WorkerSettings

_PATIENCE_S = 30.0  # for a test to fail by itself; nothing takes seconds


@dataclass(kw_only=True)
class Floor:
    """A pool under test and what it said."""

    pool: LocalPool
    store: ArtifactStore
    restarts: list[tuple[WorkerKind, RestartCause]]
    news: list[TaskNews] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(_PATIENCE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def free(self, kind: WorkerKind = WorkerKind.MESH) -> None:
        """Wait until a task could start."""
        await self.until(lambda: self.pool.free(kind) > 0)

    def hear(self, news: TaskNews) -> None:
        self.news.append(news)
        self.changed.set()

    def begin(self, work: str, kind: TaskKind = TaskKind.IMPORT, **fields: Any) -> Any:
        """Start a task that does what `work` says; returns what can be awaited."""
        return self.pool.run(self.task(work, kind, **fields), self.hear)

    async def do(self, work: str, **fields: Any) -> TaskOutcome:
        """Run a mesh task to its end as soon as a worker is free."""
        await self.free()
        outcome: TaskOutcome = await self.begin(work, **fields)
        return outcome

    def task(self, work: str, kind: TaskKind, **fields: Any) -> Task:
        return replace(
            Task(
                job_uid="a-job",
                kind=kind,
                attempt=1,
                asset_name="Thing",
                prompt=work if kind is TaskKind.GENERATE else None,
                source=None if kind is TaskKind.GENERATE else self.store.put(work.encode()),
                images=(),
                seeds=(1,),
                variant=0,
                model="",
                adapter=None,
                adapter_strength=1.0,
                options=AssetOptions(),
                is_generated=True,
                has_size=False,
                recipe={},
                earlier_records=(),
                earlier_warnings=(),
            ),
            **fields,
        )

    def mesh_workers(self, state: WorkerState) -> int:
        """How many mesh workers are in a state."""
        workers = self.pool.workers()
        return sum(w.kind is WorkerKind.MESH and w.state is state for w in workers)


RunOnFloor = Callable[..., None]


@pytest.fixture
def run_on_floor(tmp_path: Path) -> RunOnFloor:
    """Run a scenario on a pool of its own.

    `limits` are the mesh workers', and other keywords change their crew; `generators` are changes
    of the crew of generators, which is not there without.
    """

    def run(
        scenario: Callable[[Floor], Awaitable[None]],
        limits: WorkerLimits | None = None,
        generators: dict[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        async def whole() -> None:
            store = ArtifactStore(tmp_path / "artifacts")
            crews = {WorkerKind.MESH: _crew(WorkerKind.MESH, tmp_path, limits, changes)}
            if generators is not None:
                crews[WorkerKind.GENERATOR] = _crew(
                    WorkerKind.GENERATOR, tmp_path, None, generators
                )
            restarts: list[tuple[WorkerKind, RestartCause]] = []
            pool = LocalPool(crews, lambda kind, cause: restarts.append((kind, cause)))
            floor = Floor(pool=pool, store=store, restarts=restarts)
            await pool.start(floor.changed.set)
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await scenario(floor)
            finally:
                await pool.stop()

        asyncio.run(whole())

    return run


def _crew(
    kind: WorkerKind, folder: Path, limits: WorkerLimits | None, changes: dict[str, Any]
) -> Crew:
    settings = WorkerSettings(
        kind=kind,
        pipe=-1,
        stacks=-1,
        store=str(folder / "artifacts"),
        pipeline="tests.server.fake_pipeline",
        load=LoadOptions(models=(str(folder),), home=str(folder), device="cpu"),
        limits=limits or WorkerLimits(),
        max_mesh_triangles=1000,
        log_level="INFO",
        log_format="text",
    )
    crew = Crew(task_count=1, spare_count=0, is_warm=True, grace_s=0.2, settings=settings)
    return replace(crew, **changes)
