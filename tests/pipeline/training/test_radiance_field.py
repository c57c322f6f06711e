"""The radiance field decoder's training: shortcuts are exact, losses fall, the file loads."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from pipeline.model.radiance_field import RadianceField, SLatRadianceFieldDecoder, evaluate
from pipeline.model.weights import build
from pipeline.training import configs, radiance_field
from pipeline.training.dataset import CORNER_OFFSETS, PropSample
from pipeline.training.loop import LoopOptions
from pipeline.training.props import KINDS, make_prop

OPTIONS = LoopOptions(steps=16, learning_rate=1e-2, warm_up_steps=2, log_every=4, save_every=8)


@pytest.fixture
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {
        "model_channels": 12,
        "num_heads": 2,
        "representation_config": {"rank": 3, "dim": 4},
    }
    args = {**configs.RADIANCE_FIELD_DECODER, **changes}
    monkeypatch.setattr(configs, "RADIANCE_FIELD_DECODER", args)
    monkeypatch.setattr(radiance_field, "VOXELS", 64)
    monkeypatch.setattr(radiance_field, "VIEW_PX", 16)


narrow = pytest.mark.usefixtures("_narrow")


def latents_of(samples: list[PropSample]) -> list[torch.Tensor]:
    """Stand-ins of an encoder's: the distance at eight corners of each voxel."""
    return [torch.from_numpy(s.sdf[:, [0, 4, 20, 24, 100, 104, 120, 124]]).float() for s in samples]


def rows_of(path: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("step", "seconds")} for row in rows]


def test_the_field_on_a_grid_is_the_field_at_its_points() -> None:
    rng = torch.Generator().manual_seed(0)
    coords = torch.tensor([[0, 0, 0], [2, 1, 3], [3, 3, 0]])
    field = RadianceField(
        resolution=4,
        coords=coords,
        trivec=1 + torch.randn(3, 2, 3, 5, generator=rng),
        density=torch.randn(3, 2, generator=rng),
        features_dc=torch.randn(3, 2, 3, generator=rng),
    )
    places = torch.rand(3, 6, generator=rng)
    raw, color = radiance_field.field_on_grid(
        field.trivec, field.density, field.features_dc, places
    )
    local = torch.stack(torch.meshgrid(*places, indexing="ij"), -1)  # [P, P, P, 3]
    points = (coords[:, None, None, None] + local) / 4 - 0.5
    sigma, expected_color = evaluate(field, points.reshape(-1, 3))
    torch.testing.assert_close(torch.nn.functional.softplus(raw).flatten(), sigma)
    torch.testing.assert_close(color.movedim(1, -1).reshape(-1, 3), expected_color)


def test_targets_are_the_samples_between_its_corners(chair: PropSample) -> None:
    places = torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
    sdf = torch.from_numpy(chair.sdf[7:9]).float()
    color = torch.from_numpy(chair.color[7:9]).float()
    distance, true_color = radiance_field.targets(sdf, color, places)
    at = np.stack(np.meshgrid(*places.numpy(), indexing="ij"), -1)
    axis = np.linspace(0, 1, 5)
    for voxel in range(2):
        values = np.zeros((5, 5, 5, 4))
        values[tuple(CORNER_OFFSETS.T)] = np.c_[sdf[voxel], color[voxel] / 255]
        expected = RegularGridInterpolator((axis,) * 3, values)(at)
        np.testing.assert_allclose(distance[voxel], expected[..., 0], atol=1e-5)
        np.testing.assert_allclose(true_color[voxel].movedim(0, -1), expected[..., 1:], atol=1e-5)


def test_only_what_is_wrong_costs() -> None:
    distance = torch.linspace(-1, 1, 27).reshape(1, 3, 3, 3)
    color = torch.rand(1, 3, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    wanted = (200 * (0.2 - distance)).clamp(-10, 60)
    beyond = torch.where(wanted == 60, 90.0, torch.where(wanted == -10, -90.0, wanted))
    for perfect in (wanted, beyond):
        losses = radiance_field.field_losses(perfect, color, distance, color)
        assert losses["distance"] == 0
        assert losses["opacity"] < 1e-3  # 60 lets that much through
        assert losses["color"] == 0
    worse = radiance_field.field_losses(wanted.flip(1), color.flip(1), distance, color)
    assert all(value > 0.01 for value in worse.values())


def test_a_wall_is_opaque_even_where_it_only_grazes_its_voxel() -> None:
    """Light through the wanted density, from its start to the surface itself."""
    distance = torch.linspace(radiance_field.START, 0, 1001)
    wanted = (radiance_field.SLOPE * (radiance_field.START - distance)).clamp(
        *radiance_field.LIMITS
    )
    thickness = float(torch.nn.functional.softplus(wanted).mean()) * radiance_field.START
    assert math.exp(-thickness) < 0.05


@narrow
def test_the_decoder_learns_and_its_ranks_part(samples: list[PropSample], tmp_path: Path) -> None:
    decoder = radiance_field.train_decoder(
        samples, latents_of(samples), OPTIONS, tmp_path / "field.pt"
    )
    rows = rows_of(tmp_path / "field.pt")
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert rows[0].keys() == {"distance", "opacity", "color"}
    assert sum(rows[-1].values()) < 0.9 * sum(rows[0].values())
    by_rank = decoder.out_layer.weight[:36].reshape(3, -1)  # 3 ranks of 12 line samples
    assert not torch.allclose(by_rank[0], by_rank[1], atol=1e-3)


@narrow
def test_pictures_change_a_copy(chair: PropSample, tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = build(SLatRadianceFieldDecoder, configs.RADIANCE_FIELD_DECODER).requires_grad_(False)
    torch.nn.init.normal_(start.out_layer.weight, std=0.1)
    torch.nn.init.constant_(start.out_layer.bias[36:39], -3.0)  # density: all but empty
    before = {key: value.clone() for key, value in start.state_dict().items()}
    prop = make_prop(KINDS[5], np.random.default_rng((1, 5)))
    decoder = radiance_field.train_on_pictures(
        start, [chair], latents_of([chair]), lambda _: prop, OPTIONS, tmp_path / "field.pt"
    )
    rows = rows_of(tmp_path / "field.pt")
    assert rows[0].keys() >= {"distance", "picture_color", "picture_alpha"}
    assert rows[-1]["picture_alpha"] < 0.9 * rows[0]["picture_alpha"]
    assert all(torch.equal(value, before[key]) for key, value in start.state_dict().items())
    assert not torch.equal(decoder.out_layer.weight, before["out_layer.weight"])
