"""A worker keeps the parts of a build in the store, and starts from those that are there."""

from server.artifacts import digest_of
from server.engine import TaskKind
from tests.server.engine.conftest import Floor, RunOnFloor

CRATE = "a crate"
PART = b"repaired " + CRATE.encode()
KEPT = {"repaired": digest_of(PART)}


def test_parts_go_to_the_store_and_come_from_it(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        first, second = [  # at first nothing is there to start from
            await floor.do(CRATE, kind=TaskKind.BUILD, kept=KEPT) for _ in range(2)
        ]
        assert first.kept == KEPT
        assert floor.store.read(KEPT["repaired"].sha256) == PART
        assert second.kept == {}  # read, and not made again
        assert [a.digest for a in first.artifacts] == [a.digest for a in second.artifacts]

    run_on_floor(scenario)


def test_kept_parts_decide_no_key(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        without, with_part = (
            floor.task(CRATE, TaskKind.BUILD, kept=kept).key("") for kept in ({}, KEPT)
        )
        assert without == with_part

    run_on_floor(scenario)
