"""Fine-tuning of tiny flows: it learns, stops, goes on, and leaves the base alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.errors import InvalidInput
from pipeline.model.lora import LoraParams, applied, load_adapter, save_adapter
from pipeline.training import lora as lora_training
from pipeline.training.lora import LoraOptions, encode_conditions, train_adapter
from pipeline.training.prepare import StudioAsset
from pipeline.types import Silent
from tests.pipeline.model.tiny_model import LetterEncoder
from tests.pipeline.training.studio import Studio, make_assets, make_models

OPTIONS = LoraOptions(
    steps=24, learning_rate=3e-2, batch=3, seed=3, params=LoraParams(rank=4, alpha=4.0)
)


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_training, "_JUDGED_DRAWS", 6)


@pytest.fixture
def models() -> Studio:
    return make_models()


@pytest.fixture
def assets() -> list[StudioAsset]:
    return make_assets()


def quiet(name: str, row: dict[str, float]) -> None: ...


def trained(
    models: Studio, assets: list[StudioAsset], folder: Path, options: LoraOptions = OPTIONS
) -> tuple[bytes, dict[str, tuple[float, float]]]:
    adapter, judged = train_adapter(models, assets, options, folder, "mine", quiet)
    return save_adapter(adapter), {j.flow: (j.before, j.after) for j in judged}


def state(models: Studio) -> dict[str, Tensor]:
    flows = {"s": models.structure_flow, "l": models.slat_flow}
    return {
        f"{name}.{key}": value.clone()
        for name, model in flows.items()
        for key, value in model.state_dict().items()
    }


def test_both_flows_get_to_know_the_assets_and_the_base_stays(
    models: Studio, assets: list[StudioAsset], tmp_path: Path
) -> None:
    before = state(models)
    content, judged = trained(models, assets, tmp_path)
    assert judged["structure_flow"][1] < 0.9 * judged["structure_flow"][0]
    assert judged["slat_flow"][1] < 0.9 * judged["slat_flow"][0]
    assert all(torch.equal(value, before[key]) for key, value in state(models).items())
    adapter = load_adapter(content)
    assert (adapter.name, adapter.base_name, adapter.base_digest) == ("mine", "tiny", "d1")
    assert adapter.flows.keys() == {"structure_flow", "slat_flow"}


def test_what_is_judged_is_what_the_file_does(
    models: Studio, assets: list[StudioAsset], tmp_path: Path
) -> None:
    """The loss with the merged file is the one that training reports."""
    content, judged = trained(models, assets, tmp_path, replace(OPTIONS, steps=8))
    loss = lora_training._slat_loss(models, assets, encode_conditions(models, assets))
    with applied(models, content, 1.0, Silent()):
        merged = lora_training._judge(loss, 2, "cpu")
    assert merged == pytest.approx(judged["slat_flow"][1], rel=0.02)  # float16, other rounding


@pytest.mark.parametrize("during", ["structure_flow", "slat_flow"])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    models: Studio,
    assets: list[StudioAsset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    during: str,
) -> None:
    monkeypatch.setattr(lora_training, "_SAVE_EVERY", 3)
    few = replace(OPTIONS, steps=6)
    whole, judged = trained(models, assets, tmp_path / "whole", few)
    kind = {"structure_flow": "structure_velocity_loss", "slat_flow": "slat_velocity_loss"}[during]
    inner: Callable[..., Tensor] = getattr(lora_training, kind)
    calls = []

    def stopping(*arguments: object, **more: object) -> Tensor:
        calls.append(0)
        if len(calls) == lora_training._JUDGED_DRAWS + 5:  # after the checkpoint of step 3
            raise KeyboardInterrupt
        return inner(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(lora_training, kind, stopping)
        with pytest.raises(KeyboardInterrupt):
            trained(models, assets, tmp_path / "parts", few)
    checkpoint = torch.load(tmp_path / "parts" / f"{during}.pt", weights_only=True)
    assert checkpoint["step"] == 3
    assert trained(models, assets, tmp_path / "parts", few) == (whole, judged)


def test_the_seed_is_the_only_randomness(
    models: Studio, assets: list[StudioAsset], tmp_path: Path
) -> None:
    few = replace(OPTIONS, steps=3)
    one, _ = trained(models, assets, tmp_path / "1", few)
    torch.manual_seed(99)
    two, _ = trained(models, assets, tmp_path / "2", few)
    other, _ = trained(models, assets, tmp_path / "3", replace(few, seed=4))
    assert one == two
    assert one != other


def test_a_folder_with_another_training_is_refused(
    models: Studio, assets: list[StudioAsset], tmp_path: Path
) -> None:
    few = replace(OPTIONS, steps=2)
    trained(models, assets, tmp_path, few)
    for options, chosen in (
        (replace(few, learning_rate=1e-3), assets),
        (replace(few, params=LoraParams(rank=2)), assets),
        (few, assets[:1]),
        (few, [replace(assets[0], captions=("else",)), assets[1]]),
    ):
        with pytest.raises(InvalidInput, match="holds another training"):
            trained(models, chosen, tmp_path, options)


def test_float16_weights_are_trained_in_float32(
    models: Studio, assets: list[StudioAsset], tmp_path: Path
) -> None:
    models.structure_flow.cast_torso(torch.float16)
    _, judged = trained(models, assets, tmp_path, replace(OPTIONS, steps=2))
    assert models.structure_flow.blocks[0].self_attn.to_qkv.weight.dtype == torch.float32
    assert all(np.isfinite(judged["structure_flow"]))


# --- conditions ----------------------------------------------------------------------------


def drawn(models: Studio, assets: list[StudioAsset]) -> list[Tensor]:
    conditions = encode_conditions(models, assets)
    rng = np.random.default_rng(0)
    return [conditions.draw(np.array([0, 1, 1]), rng) for _ in range(300)]


def test_captions_and_pictures_take_turns_and_some_get_nothing(
    models: Studio, assets: list[StudioAsset]
) -> None:
    found = drawn(models, assets)
    text = [d for d in found if d.shape[1] == 32]
    pictures = [d for d in found if d.shape[1] == 4]
    assert len(text) + len(pictures) == 300
    assert 70 < len(pictures) < 140  # 35 %
    red, thing, nothing = LetterEncoder()(["a red thing", "thing", ""]).half().float()
    assert all(torch.equal(d[0], red) or torch.equal(d[0], nothing) for d in text)
    assert {"red", "thing"} == {
        "red" if torch.equal(d[1], red) else "thing" for d in text if not torch.equal(d[1], nothing)
    }
    assert any(torch.equal(d[2], thing) for d in text)
    dropped = sum(torch.equal(row, nothing) for d in text for row in d)
    assert 0.06 < dropped / (3 * len(text)) < 0.14
    assert any(not row.any() for d in pictures for row in d)


def test_a_model_that_takes_only_pictures_needs_no_captions(
    models: Studio, assets: list[StudioAsset]
) -> None:
    models.text_encoder = None
    mute = [replace(asset, captions=()) for asset in assets]
    assert {tuple(d.shape) for d in drawn(models, mute)} == {(3, 4, 384)}


def test_a_model_that_takes_only_text_needs_captions(
    models: Studio, assets: list[StudioAsset]
) -> None:
    models.image_encoder = None
    assert {tuple(d.shape) for d in drawn(models, assets)} == {(3, 32, 384)}
    with pytest.raises(InvalidInput, match="asset1 has no caption"):
        encode_conditions(models, [assets[0], replace(assets[1], captions=())])


@pytest.mark.parametrize(
    "changes",
    [{"steps": 0}, {"learning_rate": 0.0}, {"learning_rate": 1.0}, {"batch": 0}, {"seed": -1}],
)
def test_options_have_limits(changes: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(changes))):
        replace(OPTIONS, **changes)
