"""Model folders: what loads, and refusals that name the file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pipeline.errors import InvalidInput, ModelUnavailable
from pipeline.load import load_models
from pipeline.model.kernel_options import KernelOptions
from pipeline.model.load_options import LoadOptions
from pipeline.model.models import Models
from pipeline.model.sampler import Sampler
from tests.pipeline.model.tiny_model import load_tiny, write_tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


def options(*folders: Path) -> LoadOptions:
    names = tuple(str(folder) for folder in folders)
    return LoadOptions(models=names, home=str(folders[0].parent / "home"), device="cpu")


def only_one(folder: Path) -> Models:
    (models,) = load_models(options(folder)).models
    return models


def test_a_model_folder_loads(folder: Path) -> None:
    models = only_one(folder)
    assert (models.name, models.facts.license, models.device) == ("tiny-random", "MIT", "cpu")
    assert models.facts.takes == ("image",)
    assert models.facts.formats == ("mesh", "gaussian", "radiance_field")
    assert models.text_encoder is None
    assert models.structure_shape == (4, 2, 2, 2)
    assert models.slat_sampler == Sampler(
        steps=3, guidance_strength=2.0, guidance_interval=(0.5, 1.0), rescale_t=3.0
    )
    assert models.slat_mean.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert models.slat_std.tolist() == [1.0, 2.0, 3.0]
    modules = [models.structure_flow, models.slat_flow, models.structure_decoder,
               models.mesh_decoder, models.gaussian_decoder, models.radiance_field_decoder,
               models.image_encoder]  # fmt: skip
    for module in modules:
        assert isinstance(module, nn.Module)
        assert not module.training
        assert not any(p.requires_grad for p in module.parameters())


def test_encoders_come_only_when_asked_for(folder: Path) -> None:
    assert only_one(folder).slat_encoder is None
    models = load_tiny(folder, with_encoders=True)
    assert models.structure_encoder is not None
    assert models.slat_encoder is not None
    assert models.slat_features == "field"


def test_several_models_are_asked_in_order(tmp_path: Path) -> None:
    one, other = write_tiny_model(tmp_path / "one"), write_tiny_model(tmp_path / "other")
    rename(other, "other")
    loaded = load_models(options(one, other))
    assert [facts.name for facts in loaded.facts] == ["tiny-random", "other"]
    assert loaded.choose("", "image", ["mesh"]).name == "tiny-random"
    assert loaded.choose("other", "image", ["mesh"]).name == "other"
    with pytest.raises(InvalidInput, match="no model 'third', only tiny-random, other"):
        loaded.choose("third", "image", ["mesh"])
    with pytest.raises(InvalidInput, match="takes no prompt: give an image"):
        loaded.choose("", "prompt", ["mesh"])


def test_the_first_that_takes_the_source_is_chosen(folder: Path) -> None:
    picture_model = only_one(folder)
    text_model = replace(picture_model, facts=replace(picture_model.facts, takes=("prompt",)))
    loaded = replace(load_models(options(folder)), models=(picture_model, text_model))
    assert loaded.choose("", "prompt", ["mesh"]) is text_model
    assert loaded.choose("", "image", ["mesh"]) is picture_model


def test_the_first_that_makes_the_formats_is_chosen(folder: Path) -> None:
    rich = only_one(folder)
    poor = replace(rich, facts=replace(rich.facts, name="poor", formats=("mesh",)))
    loaded = replace(load_models(options(folder)), models=(poor, rich))
    assert loaded.choose("", "image", ["mesh"]) is poor
    assert loaded.choose("", "image", ["mesh", "gaussian"]) is rich
    with pytest.raises(InvalidInput, match="makes gaussian from one image: poor makes mesh"):
        loaded.choose("poor", "image", ["gaussian"])


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    one, other = write_tiny_model(tmp_path / "one"), write_tiny_model(tmp_path / "other")
    with pytest.raises(ModelUnavailable, match="called the same: tiny-random, tiny-random"):
        load_models(options(one, other))


def test_a_kernel_that_is_missing_is_the_servers_fault(folder: Path) -> None:
    wrong = replace(options(folder), kernels=KernelOptions(attention="flash"))
    with pytest.raises(ModelUnavailable, match="attention flash cannot be used"):
        load_models(wrong)


def test_too_little_memory_to_load_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("pipeline.load.warm_up", fail)
    with pytest.raises(ModelUnavailable, match="set offload to on, or use a smaller model"):
        load_models(options(folder))


def test_facts_say_what_changes_the_last_digits(folder: Path) -> None:
    plain = only_one(folder).facts.runs_on
    half = replace(options(folder), kernels=KernelOptions(precision="bfloat16"))
    assert "cpu; float32, sdpa" in plain
    assert "bfloat16" in load_models(half).facts[0].runs_on


def rename(folder: Path, name: str) -> None:
    rewrite_json(folder / "pipeline.json", lambda c: c["args"].update(model_name=name))


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
        load_models(options(folder))
    return str(refused.value)


def test_a_missing_tensor_is_named(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.pop("blocks.0.norm2.bias"))
    message = refusal(folder)
    assert "ss_flow.safetensors" in message
    assert "blocks.0.norm2.bias" in message
    assert "missing" in message


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
    assert "lodsmith models add" in message


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
        (lambda c: c.update(name="SLatRadianceFieldDecoder"), "representation_config"),
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


def test_digest_changes_with_every_file_and_not_with_the_place(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "a")
    before = only_one(folder).facts.digest
    assert only_one(folder).facts.digest == before
    digests = {before}
    for file in sorted((folder / "ckpts").glob("*.json")):
        content = file.read_bytes()
        file.write_bytes(content + b" ")
        digests.add(only_one(folder).facts.digest)
        file.write_bytes(content)
    rewrite(folder, lambda tensors: tensors["out_layer.bias"].add_(1))
    digests.add(only_one(folder).facts.digest)
    assert len(digests) == 2 + len(list((folder / "ckpts").glob("*.json")))
    assert only_one(write_tiny_model(tmp_path / "b")).facts.digest == before
