"""Training of the Gaussian decoder: it learns to look like a prop."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.model.cameras import Camera
from pipeline.model.gaussian_renderer import render
from pipeline.model.gaussians import SLatGaussianDecoder
from pipeline.model.weights import build
from pipeline.training import configs, gaussians
from pipeline.training.dataset import PropSample
from pipeline.training.loop import LoopOptions
from pipeline.training.props import Prop
from pipeline.training.render import render_base_color
from pipeline.types import FloatArray

OPTIONS = LoopOptions(steps=16, learning_rate=2e-2, warm_up_steps=2, log_every=4, save_every=4)


@pytest.fixture(autouse=True)
def _small(_small_models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussians, "VIEW_PX", 24)


def latent(sample: PropSample) -> torch.Tensor:
    return torch.randn(len(sample.coords), 8, generator=torch.Generator().manual_seed(0))


def trained(sample: PropSample, path: Path, options: LoopOptions = OPTIONS) -> SLatGaussianDecoder:
    return gaussians.train_decoder(
        [sample.coords], [latent(sample)], lambda _: gaussians.prop_of_sample(5), options, path
    )


def test_the_prop_of_a_sample_is_the_one_it_was_made_from(chair: PropSample) -> None:
    prop = gaussians.prop_of_sample(5)
    assert (prop.kind, prop.captions) == (chair.kind, chair.captions)
    distance, _ = prop.field(((chair.coords + 0.5) / 32 - 0.5).astype(np.float32))
    assert np.abs(distance).max() < 1.5 / 32
    assert gaussians.prop_of_sample(5, seed=2).captions != chair.captions


def test_the_decoder_learns_to_look_like_the_prop(chair: PropSample, tmp_path: Path) -> None:
    torch.manual_seed(0)
    decoder = trained(chair, tmp_path / "run.pt")
    log = (tmp_path / "run.jsonl").read_text().splitlines()
    first, last = (json.loads(log[i]) for i in (0, -1))
    assert first.keys() == {"step", "seconds", "color", "ssim", "alpha", "volume", "opacity"}
    for name in ("color", "ssim", "alpha"):
        assert last[name] < 0.8 * first[name]

    camera = gaussians.random_camera(np.random.default_rng(3))
    target = render_base_color(gaussians.prop_of_sample(5), camera, 32)
    errors = []
    for made in (build(SLatGaussianDecoder, configs.GAUSSIAN_DECODER), decoder):
        with torch.no_grad():
            picture = render(
                gaussians.decode(made, chair.coords, latent(chair)), camera, size_px=32
            )
        errors.append(np.abs(picture.alpha.numpy() - target[..., 3]).mean())
    assert errors[1] < 0.7 * errors[0]


def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    samples: list[PropSample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(OPTIONS, steps=4, save_every=2)
    whole = trained(samples[1], tmp_path / "whole.pt", options)
    with monkeypatch.context() as patch:
        calls = []

        def stop(prop: Prop, camera: Camera, size_px: int) -> FloatArray:
            calls.append(prop)
            if len(calls) == 7:  # two views a step: in the fourth
                raise KeyboardInterrupt
            return render_base_color(prop, camera, size_px)

        patch.setattr(gaussians, "render_base_color", stop)
        with pytest.raises(KeyboardInterrupt):
            trained(samples[1], tmp_path / "parts.pt", options)
    parts = trained(samples[1], tmp_path / "parts.pt", options)
    for one, other in zip(parts.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


def test_cameras_stand_all_around_from_far_to_close_by() -> None:
    rng = np.random.default_rng(0)
    cameras = [gaussians.random_camera(rng) for _ in range(300)]
    directions = np.stack([c.position / c.distance for c in cameras])
    assert np.abs(directions.mean(0)).max() < 0.15
    np.testing.assert_allclose((directions**2).mean(0), 1 / 3, atol=0.06)
    angles = np.array([c.fov_deg for c in cameras])
    assert 20 <= angles.min() < 21
    assert 38 < angles.max() <= 40


def test_large_and_faint_gaussians_cost_more(chair: PropSample) -> None:
    decoder = build(SLatGaussianDecoder, configs.GAUSSIAN_DECODER)
    with torch.no_grad():
        small = gaussians.decode(decoder, chair.coords, latent(chair))
    large = replace(small, scales=small.scales * 2)
    faint = replace(small, opacities=small.opacities / 2)
    base, more_volume, less_opacity = map(gaussians.regularization, (small, large, faint))
    assert float(more_volume["volume"]) == pytest.approx(8 * float(base["volume"]))
    assert less_opacity["opacity"] > base["opacity"]
    assert base["volume"] > 0


def test_the_starters_decoder_fits_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the sizes that are shipped
    decoder = build(SLatGaussianDecoder, configs.GAUSSIAN_DECODER)
    assert 2 * sum(value.numel() for value in decoder.state_dict().values()) < 108_000
