"""What the catalog tells of what is wrong, and to whom."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline import LoadOptions
from server.access.principal import ALL_BUT_ADMIN, LOCAL, Principal
from server.calls import Call, call_head
from server.config import ServerConfig
from server.engine import WorkerKind, WorkerState, WorkerStatus
from server.pb import lodsmith_pb2 as pb
from server.services.catalog import CatalogService
from server.services.limits import DrainFlag, limits_of
from tests.server.journal.harness import opened

ALICE = Principal(name="alice", project="game", scopes=ALL_BUT_ADMIN)


class Engine:
    """Has workers in the states that a test wants."""

    def __init__(self, problems: Mapping[WorkerKind, str], generator_problem: str) -> None:
        self._problems = problems
        self._generator_problem = generator_problem

    def problem(self, kind: WorkerKind) -> str:
        return self._problems.get(kind, "")

    def workers(self) -> list[WorkerStatus]:
        told = {WorkerKind.GENERATOR: (WorkerState.IDLE, self._generator_problem)}
        told |= {kind: (WorkerState.BROKEN, text) for kind, text in self._problems.items()}
        return [
            WorkerStatus(kind=kind, state=state, device="", backends={}, models=(), problem=problem)
            for kind, (state, problem) in told.items()
        ]


def asked(
    folder: Path,
    principal: Principal,
    *,
    models: tuple[str, ...] = ("starter",),
    problems: Mapping[WorkerKind, str] = {},  # read only
    generator_problem: str = "",
) -> tuple[pb.GetServerInfoResponse, dict[str, str]]:
    """Return what a caller hears: of the server, and of what is wrong with its pipelines."""
    engine: Any = Engine(problems, generator_problem)

    async def whole() -> tuple[pb.GetServerInfoResponse, dict[str, str]]:
        async with opened(folder) as store:
            catalog = CatalogService(
                store=store,
                engine=engine,
                limits=limits_of(ServerConfig()),
                models=LoadOptions(models=models, home=str(folder / "home")),
                drain=DrainFlag(),
                http_port=lambda: 0,
            )
            call = Call(name="", head=call_head("grpc", "::1", {}), principal=principal)
            info = await catalog.get_server_info(pb.GetServerInfoRequest(), call)
            listed = await catalog.list_pipelines(pb.ListPipelinesRequest(), call)
            return info, {pipeline.name: pipeline.problem for pipeline in listed.pipelines}

    return asyncio.run(whole())


@pytest.mark.parametrize(("principal", "is_told"), [(LOCAL, True), (ALICE, False)])
def test_only_administrators_hear_of_folders(
    tmp_path: Path, principal: Principal, is_told: bool
) -> None:
    nowhere = str(tmp_path / "nowhere")
    info, problems = asked(
        tmp_path, principal, models=(nowhere,), generator_problem=f"{nowhere}/a cannot be read"
    )
    told = [info.model.path, info.model.problem, info.workers[0].problem, problems["generate"]]
    assert [nowhere in text for text in told] == [is_told] * 4
    assert not is_told or info.model.path == nowhere
    assert (nowhere in str(info)) == is_told
    for problem in told[1:]:
        assert is_told or "lodsmith doctor" in problem
    found, _ = asked(tmp_path, principal)
    assert (found.model.available, found.model.path != "", found.model.problem) == (
        True,
        is_told,
        "",
    )


def test_a_pipeline_whose_workers_do_not_start_says_so(tmp_path: Path) -> None:
    _, well = asked(tmp_path, ALICE)
    assert well == {"generate": "", "lod": "", "reexport": ""}
    info, broken = asked(tmp_path, ALICE, problems={WorkerKind.MESH: "the mesh process ended"})
    assert set(broken.values()) == {"the mesh process ended"}
    assert [worker.problem for worker in info.workers] == ["", "the mesh process ended"]
    _, no_generator = asked(tmp_path, ALICE, problems={WorkerKind.GENERATOR: "no generator"})
    assert no_generator == {"generate": "no generator", "lod": "", "reexport": ""}
