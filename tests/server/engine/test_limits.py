"""Each limit of a worker, at it and beyond it. The limits are the kernel's, so workers are real."""

import re
import struct
import zlib

import pytest

from server.engine import RestartCause, TaskFailed, TaskKind, WorkerKind
from server.engine.limits import WorkerLimits
from tests.server.engine.conftest import Floor, RunOnFloor

MESH = WorkerKind.MESH
MiB = 1 << 20


def png(width: int, height: int) -> str:
    """The hexadecimal header of a PNG."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = struct.pack(">I", 13) + b"IHDR" + header
    chunks += struct.pack(">I", zlib.crc32(b"IHDR" + header))
    chunks += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    return (b"\x89PNG\r\n\x1a\n" + chunks).hex()


def failing(run_on_floor: RunOnFloor, limits: WorkerLimits, works: str, fails: str) -> TaskFailed:
    """Run what just works, then what just does not, then something else; return the failure."""
    failures = []

    async def scenario(floor: Floor) -> None:
        await floor.do(works)
        with pytest.raises(TaskFailed) as failed:
            await floor.do(fails)
        failures.append(failed.value)
        await floor.do("a mesh")
        assert set(floor.restarts) <= {(MESH, RestartCause.SPENT)}

    run_on_floor(scenario, limits=limits)
    return failures[0]


def test_memory(run_on_floor: RunOnFloor) -> None:
    limits = WorkerLimits(memory_bytes=2048 * MiB)
    # What a worker has of its own, before the task, is some hundred MiB.
    failed = failing(run_on_floor, limits, f"allocate {1024 * MiB}", f"allocate {2048 * MiB}")
    assert failed.reason == "OUT_OF_MEMORY"


def test_size_of_a_file(run_on_floor: RunOnFloor) -> None:
    limits = WorkerLimits(file_bytes=MiB)
    failed = failing(run_on_floor, limits, f"write {MiB}", f"write {MiB + 1}")
    assert failed.reason == "TOO_LARGE"
    assert "1,048,576 bytes" in str(failed)


def test_number_of_open_files(run_on_floor: RunOnFloor) -> None:
    failed = failing(run_on_floor, WorkerLimits(open_files=64), "open 32", "open 64")
    assert failed.reason == "INTERNAL"
    assert "incident" in failed.metadata


def test_cpu_time_is_of_each_task_and_not_of_the_process(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        for _ in range(2):
            with pytest.raises(TaskFailed, match=r"more than the 1 s of CPU time") as failed:
                await floor.do("cpu")
            assert failed.value.reason == "JOB_TIMEOUT"
            assert not failed.value.is_retryable
            await floor.do("a mesh")
        assert floor.restarts == []

    run_on_floor(scenario, limits=WorkerLimits(task_cpu_s=1.0))


def test_pixels_of_a_picture(run_on_floor: RunOnFloor) -> None:
    limits = WorkerLimits(image_pixels=100)
    failed = failing(run_on_floor, limits, f"picture {png(10, 10)}", f"picture {png(101, 1)}")
    assert failed.reason == "INTERNAL"  # stages read headers themselves, with better words


def test_nothing_is_left_for_others_to_read(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        await floor.free()
        floor.begin("slow mesh")
        await floor.until(lambda: bool(floor.news))
        pid = floor.pool._workers[0].pid
        with open(f"/proc/{pid}/status") as status:
            assert re.search(r"^Umask:\s+0077$", status.read(), re.M)
        with open(f"/proc/{pid}/limits") as limits:
            assert re.search(r"^Max core file size\s+0\s+0", limits.read(), re.M)

    run_on_floor(scenario)


def test_a_generator_has_its_limits_too(run_on_floor: RunOnFloor) -> None:
    async def scenario(floor: Floor) -> None:
        await floor.free(WorkerKind.GENERATOR)
        floor.begin("slow chair", TaskKind.GENERATE)
        await floor.until(lambda: bool(floor.news))
        generators = [w for w in floor.pool._workers if w.kind is WorkerKind.GENERATOR]
        assert generators
        for worker in generators:  # a mesh worker may not have begun yet
            with open(f"/proc/{worker.pid}/limits") as limits:
                assert re.search(r"^Max open files\s+1024\s+1024", limits.read(), re.M)

    run_on_floor(scenario, generators={})
