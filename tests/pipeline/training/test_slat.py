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
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse import SparseTensor, subdivide
from pipeline.training import published, slat
from pipeline.training.conditions import Conditions
from pipeline.training.dataset import CELLS, SIDE, PropSample
from pipeline.training.loop import LoopOptions
from pipeline.training.objective import slat_velocity_loss
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
    vae = slat.train_vae(samples[1:], OPTIONS, tmp_path / "vae.pt", losses=slat.SlatLosses(color=4))
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
    second = slat.train_vae(samples, options, tmp_path / "vae.pt", start=first).state_dict()
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
        return slat.train_vae(samples, options, tmp_path / name)

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


# The published sizes, narrow: 64 voxels per side, features of pictures instead of the field.
PUBLISHED_ENCODER = {
    **published.SLAT_ENCODER, "in_channels": 24, "model_channels": 16, "num_blocks": 2,
    "num_heads": 2,
}  # fmt: skip
PUBLISHED_DECODER = {
    **published.MESH_DECODER, "model_channels": 16, "num_blocks": 2, "num_heads": 2,
    "norm_groups": 2,
}  # fmt: skip


def test_the_vae_of_the_published_kind_learns_from_what_pictures_show(
    samples: list[PropSample], tmp_path: Path
) -> None:
    inputs = [torch.randn(len(sample.coords), 24).half() for sample in samples]
    vae = slat.train_vae(
        samples,
        OPTIONS,
        tmp_path / "vae.pt",
        losses=published.SLAT_LOSSES,
        encoder=PUBLISHED_ENCODER,
        decoder=PUBLISHED_DECODER,
        inputs=inputs,
        batch=3,
    )
    rows = losses(tmp_path / "vae.pt")
    assert rows[0].keys() == {"sdf", "color", "kl"}
    assert sum(rows[-1].values()) < 0.9 * sum(rows[0].values())
    latents = slat.encode(vae, samples, inputs)
    assert [tuple(z.shape) for z in latents] == [(len(s.coords), 8) for s in samples]
    # The encoder sees nothing else: other features, other latents.
    assert not torch.equal(slat.encode(vae, samples, [x + 1 for x in inputs])[0], latents[0])
    decoder = slat.train_decoder(
        vae, samples, replace(OPTIONS, steps=2), tmp_path / "decoder.pt", inputs=inputs
    )
    assert decoder.resolution == 64


def test_the_flow_of_the_published_kind_learns_one_sample(
    samples: list[PropSample], conditions: Conditions, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    flow = {
        **published.SLAT_FLOW, "model_channels": 16, "cond_channels": 384, "num_blocks": 1,
        "num_heads": 2, "io_block_channels": [8],
    }  # fmt: skip
    model = slat.train_flow(
        [samples[1].coords],
        [torch.randn(len(samples[1].coords), 8)],
        replace(conditions, of_sample=conditions.of_sample[1:], views=conditions.views[1:]),
        torch.randn(1, 2, 64, 384).half(),
        replace(published.LOOP, **vars_of(OPTIONS)),
        tmp_path / "flow.pt",
        flow=flow,
        batch=6,
    )
    assert model.resolution == 64
    rows = losses(tmp_path / "flow.pt")
    assert rows[-1]["velocity"] < 0.95 * rows[0]["velocity"]


def vars_of(options: LoopOptions) -> dict[str, float]:
    """How long and how fast, which is all that a test changes of the published loop."""
    names = ("steps", "learning_rate", "warm_up_steps", "log_every", "save_every")
    return {name: getattr(options, name) for name in names}


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


@small_models
def test_an_interrupted_flow_ends_like_an_uninterrupted_one(
    samples: list[PropSample],
    conditions: Conditions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slat, "EARLY_FROM_STEP", 2)
    generator = torch.Generator().manual_seed(0)
    coords = [sample.coords for sample in samples]
    latents = [torch.randn(len(c), 8, generator=generator) for c in coords]
    tokens = torch.randn(2, 2, 64, 384, generator=generator).half()
    options = replace(OPTIONS, steps=4, save_every=2)

    def trained(name: str) -> SLatFlowModel:
        torch.manual_seed(1)  # the weights it starts from
        return slat.train_flow(
            coords, latents, conditions, tokens, options, tmp_path / name, batch=2
        )

    whole = trained("whole.pt")
    with monkeypatch.context() as patch:
        calls = []

        def stop(*arguments: object, **more: float) -> torch.Tensor:
            calls.append(0)
            if len(calls) == 4:
                raise KeyboardInterrupt
            return slat_velocity_loss(*arguments, **more)

        patch.setattr(slat, "slat_velocity_loss", stop)
        with pytest.raises(KeyboardInterrupt):
            trained("parts.pt")
    parts = trained("parts.pt")
    for one, other in zip(parts.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


def test_statistics_run_over_all_voxels() -> None:
    torch.manual_seed(0)
    latents = [torch.randn(5, 8) * 3 + 1, torch.randn(11, 8) * 2 - 4]
    mean, std = slat.statistics(latents)
    joined = torch.cat(latents).numpy()
    np.testing.assert_allclose(mean, joined.mean(0), rtol=1e-5)
    np.testing.assert_allclose(std, joined.std(0, ddof=1), rtol=1e-5)
