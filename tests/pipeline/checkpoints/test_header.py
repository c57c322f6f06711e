"""Headers of safetensors files: what is read, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.checkpoints.header import TensorFacts, read_header
from pipeline.errors import ModelUnavailable


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    tensors = {
        "a.weight": torch.zeros(3, 2, dtype=torch.float16),
        "b": torch.zeros(5),
        "scalar": torch.zeros((), dtype=torch.bfloat16),
        "empty": torch.zeros(0, 4),
        "steps": torch.zeros(2, dtype=torch.int64),
    }
    save_file(tensors, path, metadata={"format": "pt"})
    return path


def refusal(file: Path) -> str:
    with pytest.raises(ModelUnavailable) as refused:
        read_header(file)
    assert str(file) in str(refused.value)
    return str(refused.value)


def test_names_shapes_and_types_are_those_that_the_library_wrote(file: Path) -> None:
    assert read_header(file) == {
        "a.weight": TensorFacts(shape=(3, 2), dtype="F16"),
        "b": TensorFacts(shape=(5,), dtype="F32"),
        "scalar": TensorFacts(shape=(), dtype="BF16"),
        "empty": TensorFacts(shape=(0, 4), dtype="F32"),
        "steps": TensorFacts(shape=(2,), dtype="I64"),
    }


@pytest.mark.parametrize("kept", [0, 3, 8, 100, -1])
def test_a_file_cut_anywhere_is_said_to_be_cut(file: Path, kept: int) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    assert "cut short" in refusal(file)


def test_bytes_behind_the_last_tensor_are_counted(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"1234567")
    assert "7 bytes behind its last tensor" in refusal(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "is missing" in refusal(tmp_path / "no.safetensors")


def test_a_pointer_left_by_git_says_what_to_do(file: Path) -> None:
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    assert "git lfs pull" in refusal(file)


def test_something_else_is_no_safetensors_file(file: Path) -> None:
    file.write_bytes(b"PK\x03\x04" + bytes(1000))
    assert "no safetensors file" in refusal(file) or "cut short" in refusal(file)
    file.write_bytes(b"\xff" * 1000)
    assert "no safetensors file" in refusal(file)


@pytest.mark.parametrize(
    "header",
    [
        [],
        "text",
        {"a": 1},
        {"a": {"dtype": "F32", "shape": [2]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}},
        {"a": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}},
        {
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
        },
    ],
)
def test_a_header_that_makes_no_sense_is_refused(file: Path, header: object) -> None:
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
    message = refusal(file)
    assert "makes no sense" in message or "is damaged" in message


def test_a_header_that_is_no_json_is_refused(file: Path) -> None:
    file.write_bytes((4).to_bytes(8, "little") + b"{{{{")
    assert "no JSON" in refusal(file)
