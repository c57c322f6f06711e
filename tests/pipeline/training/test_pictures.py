"""The picture encoder's own training: it learns, stops, and is found again."""

import json
from pathlib import Path

import pytest
import torch

from pipeline.training import pictures
from pipeline.training.conditions import Conditions
from pipeline.training.loop import LoopOptions

pytestmark = pytest.mark.usefixtures("_small_models")

OPTIONS = LoopOptions(steps=30, learning_rate=5e-3, warm_up_steps=2, log_every=5, save_every=5)


def test_the_encoder_learns_what_two_pictures_show(conditions: Conditions, tmp_path: Path) -> None:
    torch.manual_seed(0)
    latents = torch.randn(2, 2, 2, 2, 2)
    path = tmp_path / "pictures.pt"
    encoder = pictures.train_encoder(latents, conditions, OPTIONS, path, batch=8)
    rows = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    assert rows[-1]["structure"] < 0.8 * rows[0]["structure"]
    assert rows[-1]["color"] < 0.5 * rows[0]["color"]
    assert not any(p.requires_grad for p in encoder.parameters())

    tokens = pictures.encode(encoder, conditions)
    assert tokens.shape == (2, 2, 64, 384)
    assert tokens.dtype == torch.float16
    picture = conditions.views[1, 1].permute(2, 0, 1)[None] / 255
    with torch.autocast("cpu", torch.bfloat16):
        alone = encoder(picture).half()
    # bfloat16 products of another batch size round differently.
    torch.testing.assert_close(tokens[1, 1][None], alone, atol=0.05, rtol=0.05)


def test_the_other_half_waits_until_the_encoder_is_finished(
    conditions: Conditions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, waited = tmp_path / "pictures.pt", []

    def later(seconds: float) -> None:
        waited.append(seconds)
        options = LoopOptions(steps=len(waited), learning_rate=1e-3, save_every=1)
        pictures.train_encoder(torch.randn(2, 8), conditions, options, path, batch=2)

    monkeypatch.setattr(pictures.time, "sleep", later)
    encoder = pictures.wait_for_encoder(LoopOptions(steps=2, learning_rate=1e-3), path)
    assert len(waited) == 2  # no file, then one step of two
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, pictures.load_encoder(path).state_dict()[key])
