from pathlib import Path

import pytest

from server.engine.devices import generator_devices, visible_gpu_count


@pytest.mark.parametrize(
    ("listed", "count"),
    [("0", 1), ("0,1", 2), ("1, 3 ,5", 3), ("", 0), ("-1", 0), ("0,-1,1", 1), ("GPU-8ab,GPU-9", 2)],
)
def test_visible_devices_count_as_cuda_counts_them(listed: str, count: int) -> None:
    assert visible_gpu_count({"CUDA_VISIBLE_DEVICES": listed}) == count


def test_each_gpu_has_a_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert generator_devices("auto", 1) == ("cuda:0", "cuda:1")
    assert generator_devices("auto", 2) == ("cuda:0", "cuda:0", "cuda:1", "cuda:1")


@pytest.mark.parametrize("listed", ["", "7"])
def test_without_a_choice_the_worker_looks_for_itself(
    monkeypatch: pytest.MonkeyPatch, listed: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert generator_devices("auto", 1) == ("auto",)


def test_named_devices_are_taken_as_they_are() -> None:
    assert generator_devices("cuda:1, cuda:3", 1) == ("cuda:1", "cuda:3")
    assert generator_devices("cpu", 2) == ("cpu", "cpu")


@pytest.mark.parametrize(
    ("answer", "devices"),
    [
        ("echo 'GPU 0: H200 (UUID: a)'; echo '  MIG 1g (UUID: b)'; echo 'GPU 1: H200'", 2),
        ("echo 'no driver' >&2; exit 9", 0),
    ],
)
def test_the_driver_s_own_list_counts_without_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str, devices: int
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert visible_gpu_count({}) == devices
