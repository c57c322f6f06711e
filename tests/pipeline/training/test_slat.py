"""Stage 2 training: targets match the mesh extraction, losses run, are finite, and fall."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.model.flexicubes import extract
from pipeline.model.generate import enclosed_voxels
from pipeline.model.sparse import SparseTensor, subdivide
from pipeline.training import slat
from pipeline.training.conditions import Conditions
from pipeline.training.dataset import CELLS, SIDE, PropSample
from pipeline.training.loop import LoopOptions
from pipeline.training.props import KINDS, make_prop

OPTIONS = LoopOptions(steps=20, learning_rate=1e-2, warm_up_steps=2, log_every=5, save_every=5)

small_models = pytest.mark.usefixtures("_small_models")


def losses(path: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("step", "seconds")} for row in rows]


def test_the_targets_are_what_extraction_turns_back_into_the_prop(chair: PropSample) -> None:
    """A head that equals its targets gives the chair: every index in between is right."""
    coords = torch.from_numpy(chair.coords.astype(np.int64))
    x = SparseTensor(
        coords=torch.nn.functional.pad(coords, (1, 0)),
        feats=torch.zeros(len(coords), 1),
        batch_size=1,
    )
    cubes = subdivide(subdivide(x)).coords[:, 1:].numpy().astype(np.int32)
    corners = slat.CHILD_CORNERS.numpy()
    head = np.zeros((64 * len(coords), 101), np.float32)
    head[:, :8] = chair.sdf.astype(np.float32)[:, corners].reshape(-1, 8) + 1 / (SIDE * CELLS)
    color = chair.color.astype(np.float64)[:, corners].reshape(-1, 8, 3) / 255
    color = np.clip(color, 1e-3, 1 - 1e-3)
    head[:, 53:].reshape(-1, 8, 6)[..., :3] = np.log(color / (1 - color))
    mesh = extract(cubes, head, SIDE * CELLS, enclosed_voxels(chair.coords.astype(np.int32), SIDE))

    prop = make_prop(KINDS[5], np.random.default_rng((1, 5)))
    distance, true_color = prop.field(mesh.vertices)
    cell = 1 / (SIDE * CELLS)
    assert np.abs(distance).max() < 1.5 * cell
    assert np.abs(distance).mean() < 0.1 * cell
    assert np.median(np.abs(mesh.attributes[:, :3] - true_color)) < 0.02


def test_a_perfect_head_has_no_loss(samples: list[PropSample]) -> None:
    sdf = torch.from_numpy(samples[0].sdf).float()
    color = torch.from_numpy(samples[0].color)
    head = torch.zeros(len(sdf), 64, 101)
    head[..., :8] = sdf[:, slat.CHILD_CORNERS]
    target = color[:, slat.CHILD_CORNERS].float() / 255
    head[..., 53:].unflatten(-1, (8, 6))[..., :3] = torch.logit(target, eps=1e-6)
    perfect = slat.field_losses(head.flatten(0, 1), sdf, color)
    assert float(perfect["sdf"]) == 0
    assert float(perfect["color"]) < 1e-4
    wrong = slat.field_losses(head.flatten(0, 1).roll(1, 0), sdf, color)
    assert float(wrong["sdf"]) > 0.05
    assert float(wrong["color"]) > 1e-3


def test_a_crop_is_the_neighbourhood_of_one_voxel(
    chair: PropSample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slat, "CROP_VOXELS", 50)
    rows = slat._crop(chair, np.random.default_rng(0))
    assert len(rows) == 50
    assert (np.diff(rows) > 0).all()
    assert np.ptp(chair.coords[rows].astype(int), axis=0).max() < 12
    monkeypatch.setattr(slat, "CROP_VOXELS", 10_000)
    assert len(slat._crop(chair, np.random.default_rng(0))) == len(chair.coords)


@small_models
def test_the_vae_learns_one_sample(samples: list[PropSample], tmp_path: Path) -> None:
    vae = slat.train_vae(samples[1:], OPTIONS, tmp_path / "vae.pt", color_weight=4)
    rows = losses(tmp_path / "vae.pt")
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert rows[0].keys() == {"sdf", "color", "anchor", "kl"}
    assert sum(rows[-1].values()) < 0.9 * sum(rows[0].values())
    (latent,) = slat.encode(vae, samples[1:])
    assert latent.shape == (len(samples[1].coords), 8)


@small_models
def test_a_second_run_begins_with_the_weights_of_the_first(
    samples: list[PropSample], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    first = slat.SLatVae().requires_grad_(False)  # as `train` returns it
    before = {key: value.clone() for key, value in first.state_dict().items()}
    options = replace(OPTIONS, steps=1, learning_rate=1e-6, save_every=1)
    second = slat.train_vae(
        samples, options, tmp_path / "vae.pt", color_weight=1, start=first
    ).state_dict()
    assert any(not torch.equal(value, before[key]) for key, value in second.items())
    for key, value in second.items():
        torch.testing.assert_close(value, before[key], atol=1e-5, rtol=0)
    assert all(torch.equal(value, before[key]) for key, value in first.state_dict().items())


@small_models
def test_an_interrupted_vae_ends_like_an_uninterrupted_one(
    samples: list[PropSample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(OPTIONS, steps=4, save_every=2)

    def trained(name: str) -> slat.SLatVae:
        torch.manual_seed(1)  # the weights it starts from
        return slat.train_vae(samples, options, tmp_path / name, color_weight=1)

    whole = trained("whole.pt")
    with monkeypatch.context() as patch:
        crop, calls = slat._crop, []

        def stop(sample: PropSample, rng: np.random.Generator) -> np.ndarray:
            calls.append(0)
            if len(calls) == 7:  # two samples a step: in the fourth
                raise KeyboardInterrupt
            return crop(sample, rng)

        patch.setattr(slat, "_crop", stop)
        with pytest.raises(KeyboardInterrupt):
            trained("parts.pt")
    parts = trained("parts.pt")
    for one, other in zip(parts.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


@small_models
def test_the_decoder_goes_on_alone(samples: list[PropSample], tmp_path: Path) -> None:
    torch.manual_seed(0)
    vae = slat.SLatVae()
    before = {key: value.clone() for key, value in vae.state_dict().items()}
    decoder = slat.train_decoder(vae, samples[1:], OPTIONS, tmp_path / "decoder.pt")
    rows = losses(tmp_path / "decoder.pt")
    assert rows[0].keys() == {"sdf", "color"}
    assert sum(rows[-1].values()) < 0.95 * sum(rows[0].values())
    assert all(torch.equal(value, before[key]) for key, value in vae.state_dict().items())
    weight = decoder.out_layer.weight
    assert not torch.equal(weight, before["decoder.out_layer.weight"])


@small_models
@pytest.mark.parametrize("picture_share", [0.0, 1.0])
def test_the_flow_learns_one_sample(
    samples: list[PropSample],
    conditions: Conditions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    picture_share: float,
) -> None:
    monkeypatch.setattr("pipeline.training.conditions.PICTURE_SHARE", picture_share)
    torch.manual_seed(0)
    latents = [torch.randn(len(samples[1].coords), 8)]
    one = replace(conditions, of_sample=conditions.of_sample[1:], views=conditions.views[1:])
    tokens = torch.randn(1, 2, 64, 384).half()
    slat.train_flow(
        [samples[1].coords], latents, one, tokens, OPTIONS, tmp_path / "flow.pt", batch=6
    )
    rows = losses(tmp_path / "flow.pt")
    assert all(math.isfinite(row["velocity"]) for row in rows)
    assert rows[-1]["velocity"] < 0.95 * rows[0]["velocity"]


def test_statistics_run_over_all_voxels() -> None:
    torch.manual_seed(0)
    latents = [torch.randn(5, 8) * 3 + 1, torch.randn(11, 8) * 2 - 4]
    mean, std = slat.statistics(latents)
    joined = torch.cat(latents).numpy()
    np.testing.assert_allclose(mean, joined.mean(0), rtol=1e-5)
    np.testing.assert_allclose(std, joined.std(0, ddof=1), rtol=1e-5)
