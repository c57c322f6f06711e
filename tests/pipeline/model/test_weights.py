"""Checkpoint files: the published keys, and refusals that name the file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import ModelUnavailable
from pipeline.model.condition.small_vit import ImageEncoder
from pipeline.model.sampler import Sampler
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse_structure import SparseStructureDecoder, SparseStructureFlowModel
from pipeline.model.weights import build, load, load_models, model_digest
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


def test_a_model_folder_loads(folder: Path) -> None:
    models = load_models(folder, "cpu")
    assert (models.name, models.license, models.device) == ("tiny-random", "MIT", "cpu")
    assert models.digest == model_digest(folder)
    assert models.text_encoder is None
    assert models.image_encoder is not None
    assert models.structure_shape == (4, 2, 2, 2)
    assert models.slat_sampler == Sampler(
        steps=3, guidance_strength=2.0, guidance_interval=(0.5, 1.0), rescale_t=3.0
    )
    assert models.slat_mean.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert models.slat_std.tolist() == [1.0, 2.0, 3.0]
    modules = [models.structure_flow, models.slat_flow, models.structure_decoder,
               models.mesh_decoder, models.image_encoder]  # fmt: skip
    for module in modules:
        assert not module.training
        assert not any(p.requires_grad for p in module.parameters())


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


def rewrite(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], None], name: str = "ss_flow"
) -> None:
    file = folder / "ckpts" / f"{name}.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def rewrite_json(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelUnavailable) as refused:
        load_models(folder, "cpu")
    return str(refused.value)


def test_a_missing_tensor_is_named(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.pop("blocks.0.norm2.bias"))
    message = refusal(folder)
    assert "ss_flow.safetensors" in message
    assert "blocks.0.norm2.bias" in message
    assert "lacks" in message


def test_a_foreign_tensor_is_named(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({"share_mod.weight": torch.zeros(2)}))
    message = refusal(folder)
    assert "ss_flow.safetensors" in message
    assert "share_mod.weight" in message
    assert "foreign" in message


def test_a_misshapen_tensor_is_named_with_both_shapes(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({"out_layer.bias": torch.zeros(7)}))
    message = refusal(folder)
    assert "ss_flow.safetensors" in message
    assert "out_layer.bias" in message
    assert "[7]" in message
    assert "[4]" in message


@pytest.mark.parametrize("kept", [0, 4, 200, -1])
def test_a_file_cut_short_is_named(folder: Path, kept: int) -> None:
    file = folder / "ckpts" / "slat_flow.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    message = refusal(folder)
    assert str(file) in message
    assert "copy it again" in message


def test_a_missing_tensor_file_is_named(folder: Path) -> None:
    (folder / "ckpts" / "slat_dec_mesh.safetensors").unlink()
    assert "slat_dec_mesh.safetensors" in refusal(folder)


def test_a_missing_folder_says_what_to_give(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nothing")
    assert str(tmp_path / "nothing") in message
    assert "--models" in message


@pytest.mark.parametrize("content", ["{", "", "[1, 2]", '"text"', "\xff"])
@pytest.mark.parametrize("name", ["pipeline.json", "ckpts/ss_dec.json"])
def test_broken_json_is_named(folder: Path, name: str, content: str) -> None:
    (folder / name).write_bytes(content.encode("latin-1"))
    assert str(folder / name) in refusal(folder)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.pop("args"), "args"),
        (lambda c: c["args"].pop("models"), "models"),
        (lambda c: c["args"]["models"].pop("slat_flow_model"), "slat_flow_model"),
        (lambda c: c["args"].update(models=[]), "pipeline.json"),
        (lambda c: c["args"].pop("slat_sampler"), "slat_sampler"),
        (lambda c: c["args"]["slat_sampler"]["params"].pop("steps"), "steps"),
        (lambda c: c["args"]["slat_sampler"]["params"].update(cfg_interval=[0.5]), "cfg_interval"),
        (lambda c: c["args"]["slat_sampler"]["params"].update(steps=0), "steps"),
        (lambda c: c["args"]["slat_normalization"].update(mean="zero"), "pipeline.json"),
        (lambda c: c["args"].update(text_cond_model="openai/clip-vit-large-patch14"), "clip"),
        (lambda c: c["args"].update(image_cond_model="dinov2_vitl14_reg"), "dinov2_vitl14_reg"),
    ],
)
def test_a_pipeline_file_that_lacks_something_says_what(
    folder: Path, change: Callable[[dict[str, Any]], object], word: str
) -> None:
    rewrite_json(folder / "pipeline.json", change)
    message = refusal(folder)
    assert word in message
    assert str(folder) in message or word == "clip"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.update(name="SLatRadianceFieldDecoder"), "SLatRadianceFieldDecoder"),
        (lambda c: c.pop("name"), "SLatFlowModel"),
        (lambda c: c["args"].pop("model_channels"), "model_channels"),
        (lambda c: c.update(args=[]), "args"),
        (lambda c: c["args"].update(pe_mode="rope"), "rope"),
        (lambda c: c["args"].update(patch_size=4), "patch_size"),
        (lambda c: c["args"].update(io_block_channels=[8, 16]), "io_block_channels"),
        (lambda c: c["args"].update(model_channels="wide"), "args"),
        (lambda c: c["args"].update(model_channels=-16), "args"),
    ],
)
def test_arguments_that_do_not_fit_are_named_with_their_file(
    folder: Path, change: Callable[[dict[str, Any]], object], word: str
) -> None:
    file = folder / "ckpts" / "slat_flow.json"
    rewrite_json(file, change)
    message = refusal(folder)
    assert word in message
    assert str(file) in message


def test_digest_changes_with_every_file(folder: Path) -> None:
    before = model_digest(folder)
    assert before == model_digest(folder)
    files = [folder / "pipeline.json", *sorted((folder / "ckpts").iterdir())]
    assert len(files) == 1 + 2 * 5
    digests = {before}
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content + b" ")
        digests.add(model_digest(folder))
        file.write_bytes(content)
    (folder / "ckpts" / "ss_dec.json").rename(folder / "ckpts" / "ss_dec2.json")
    digests.add(model_digest(folder))
    assert len(digests) == len(files) + 2


def test_digest_does_not_depend_on_the_place(tmp_path: Path) -> None:
    one, other = write_tiny_model(tmp_path / "a"), write_tiny_model(tmp_path / "b")
    assert model_digest(one) == model_digest(other)


def test_building_leaves_the_arguments_alone() -> None:
    for kind, args in (
        (SLatFlowModel, tiny_model.SLAT_FLOW), (ImageEncoder, tiny_model.IMAGE_ENCODER)
    ):  # fmt: skip
        before = dict(args)
        build(kind, args)
        assert args == before
