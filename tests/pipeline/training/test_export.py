"""From samples to a model folder: every half runs, and what comes out loads."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.load import load_models
from pipeline.model.condition.small_vit import ImageEncoder
from pipeline.model.load_options import LoadOptions
from pipeline.training import __main__ as training
from pipeline.training import dataset, structure
from pipeline.training.conditions import Conditions
from pipeline.training.dataset import PropSample
from pipeline.training.export import _absorb_scale
from pipeline.training.loop import LoopOptions
from tests.pipeline.model.tiny_model import LetterEncoder

pytestmark = pytest.mark.usefixtures("_small_models")


@pytest.fixture
def folder(
    samples: list[PropSample],
    conditions: Conditions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A training folder with samples and encoded conditions; steps are few."""
    (tmp_path / "samples").mkdir()
    for i, sample in enumerate(samples):
        dataset.save(sample, tmp_path / "samples" / f"{i:05d}.npz")
    torch.save(vars(conditions), tmp_path / "conditions.pt")
    two = LoopOptions(steps=2, learning_rate=1e-3, log_every=1, save_every=1)
    for name in (
        "STRUCTURE_VAE", "PICTURES", "STRUCTURE_FLOW", "SLAT_COLOR", "SLAT_VAE", "SLAT_FLOW",
        "SLAT_DECODER", "SLAT_GAUSSIANS", "RADIANCE_POINTS", "RADIANCE_PICTURES",
    ):  # fmt: skip
        monkeypatch.setattr(training, name, two)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, only: str | None = None) -> None:
    arguments = ["training", str(folder), "--samples-per-kind", "0", "--threads", "1"]
    arguments += ["--out", str(folder / "out"), *(["--only", only] if only else [])]
    monkeypatch.setattr(sys, "argv", arguments)
    training.main()


def test_the_halves_one_after_another_make_a_model_that_loads(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The text encoder takes seconds to load and is tested elsewhere.
    monkeypatch.setattr("pipeline.load.MiniLmEncoder", lambda *_: LetterEncoder())
    for part in ("data", "structure", "slat", "weights"):
        assert not (folder / "out").exists()
        run(monkeypatch, folder, part)

    options = LoadOptions(models=(str(folder / "out"),), home=str(folder / "home"), device="cpu")
    (models,) = load_models(options).models
    assert models.name == "lodsmith-starter"
    assert models.facts.license == "MIT"
    assert models.structure_shape == (8, 8, 8, 8)
    assert models.mesh_decoder.resolution == 32
    assert isinstance(models.image_encoder, ImageEncoder)
    for file in (folder / "out" / "ckpts").glob("*.safetensors"):
        assert {tensor.dtype for tensor in load_file(file).values()} == {torch.float16}

    # The averages are what is exported, the decoder from its own run.
    runs = folder / "runs"
    decoder = torch.load(runs / "slat_decoder.pt", weights_only=True)["average"]
    for key, value in models.mesh_decoder.state_dict().items():
        assert torch.equal(value, decoder[key].half().float())
    flow = torch.load(runs / "slat_flow.pt", weights_only=True)["average"]
    for key, value in models.slat_flow.state_dict().items():
        assert torch.equal(value, flow[key].half().float())
    image = torch.load(runs / "pictures.pt", weights_only=True)["average"]
    for key, value in models.image_encoder.state_dict().items():
        assert torch.equal(value, image[f"encoder.{key}"].half().float())

    written = {p.name: p.read_bytes() for p in (folder / "out" / "ckpts").iterdir()}
    run(monkeypatch, folder)  # everything is trained: it only writes again
    assert {p.name: p.read_bytes() for p in (folder / "out" / "ckpts").iterdir()} == written


@pytest.mark.parametrize("scale", [0.3, 2.5])
def test_absorbing_the_scale_leaves_the_way_there_and_back_unchanged(scale: float) -> None:
    torch.manual_seed(0)
    vae = structure.StructureVae().eval()
    for parameter in vae.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    occupancy = (torch.rand(1, 1, 16, 16, 16) < 0.2).float()
    with torch.no_grad():
        mean, _ = vae.encoder(occupancy)
        logits = vae.decoder(mean)
        _absorb_scale(vae, scale)
        scaled, _ = vae.encoder(occupancy)
        torch.testing.assert_close(scaled, mean / scale, atol=1e-5, rtol=1e-4)
        # float32 rounds otherwise after scaling, and how depends on the processor.
        torch.testing.assert_close(vae.decoder(scaled), logits, atol=1e-3, rtol=1e-3)
        assert logits.abs().max() > 1


def test_conditions_are_encoded_once(
    folder: Path, samples: list[PropSample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MiniLmEncoder", lambda *_: LetterEncoder())
    path = folder / "again.pt"
    first = training.encoded_conditions(samples, path)
    other = [replace(sample, captions=("changed",)) for sample in samples]
    second = training.encoded_conditions(other, path)
    assert torch.equal(first.tokens, second.tokens)
    assert second.of_sample == first.of_sample
