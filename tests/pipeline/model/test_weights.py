"""Checkpoint files: the published keys, and what is loaded of a file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.model.condition.small_vit import ImageEncoder
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse_structure import SparseStructureDecoder, SparseStructureFlowModel
from pipeline.model.weights import build, load
from tests.pipeline.model import tiny_model
from tests.pipeline.model.published import CHECKPOINTS, Checkpoint
from tests.pipeline.model.tiny_model import write_tiny_model


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda c: c.name)
def test_published_arguments_build_the_published_keys(checkpoint: Checkpoint) -> None:
    assert len(checkpoint.keys) == checkpoint.key_count
    with torch.device("meta"):
        model = build(checkpoint.kind, checkpoint.args)
    found = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    assert found == {key: shape for key, (shape, _) in checkpoint.keys.items()}
    assert sum(p.numel() for p in model.parameters()) == checkpoint.parameters
    assert sum(b.numel() for b in model.buffers()) == checkpoint.buffers


def test_there_are_fourteen_with_4383_keys() -> None:
    assert len(CHECKPOINTS) == 14
    assert sum(len(checkpoint.keys) for checkpoint in CHECKPOINTS) == 4383


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


def test_loaded_tensors_are_those_of_the_file(folder: Path) -> None:
    path = folder / "ckpts" / "ss_dec"
    state = load(SparseStructureDecoder, path, "cpu").state_dict()
    written = load_file(path.with_name("ss_dec.safetensors"))
    assert state.keys() == written.keys()
    assert all(torch.equal(state[key], written[key]) for key in written)


def test_float16_files_load_into_float32_on_the_cpu(folder: Path) -> None:
    path = folder / "ckpts" / "ss_flow"
    file = path.with_name("ss_flow.safetensors")
    save_file({key: tensor.half() for key, tensor in load_file(file).items()}, file)
    model = load(SparseStructureFlowModel, path, "cpu")
    assert model.dtype == torch.float32
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}


def test_building_leaves_the_arguments_alone() -> None:
    for kind, args in (
        (SLatFlowModel, tiny_model.SLAT_FLOW), (ImageEncoder, tiny_model.IMAGE_ENCODER)
    ):  # fmt: skip
        before = dict(args)
        build(kind, args)
        assert args == before
