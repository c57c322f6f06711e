"""Stage 1 training: losses run, are finite, and fall."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.model.sparse_structure import SparseStructureFlowModel
from pipeline.training import published, structure
from pipeline.training.conditions import Conditions
from pipeline.training.dataset import PropSample
from pipeline.training.loop import LoopOptions
from pipeline.training.objective import structure_velocity_loss

pytestmark = pytest.mark.usefixtures("_small_models")

OPTIONS = LoopOptions(steps=20, learning_rate=2e-2, warm_up_steps=2, log_every=5, save_every=5)


def losses(path: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("step", "seconds")} for row in rows]


def test_occupancy_is_true_where_voxels_are(samples: list[PropSample]) -> None:
    grids = structure.occupancy([s.coords for s in samples])
    assert grids.shape == (2, 32, 32, 32)
    for grid, sample in zip(grids, samples, strict=True):
        np.testing.assert_array_equal(torch.argwhere(grid).numpy(), sample.coords)


def small_grids(samples: list[PropSample]) -> Tensor:
    """The part of the grid that holds something; the VAE takes any size."""
    grids = structure.occupancy([s.coords for s in samples])
    low = torch.argwhere(grids)[:, 1:].amin(0).clamp_max(16)
    x, y, z = (slice(int(start), int(start) + 16) for start in low)
    return grids[:, x, y, z]


def test_the_vae_learns_one_sample(samples: list[PropSample], tmp_path: Path) -> None:
    grids = small_grids(samples[:1])
    assert grids.sum() > 20
    vae = structure.train_vae(grids, OPTIONS, tmp_path / "vae.pt")
    rows = losses(tmp_path / "vae.pt")
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert rows[0].keys() == {"dice", "bce", "kl"}
    assert sum(rows[-1].values()) < 0.9 * sum(rows[0].values())
    assert structure.encode(vae, grids).shape == (1, 8, 4, 4, 4)


def test_an_interrupted_vae_ends_like_an_uninterrupted_one(
    samples: list[PropSample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grids = small_grids(samples)
    options = replace(OPTIONS, steps=6, save_every=3)

    def trained(name: str) -> structure.StructureVae:
        torch.manual_seed(1)  # the weights it starts from
        return structure.train_vae(grids, options, tmp_path / name)

    whole = trained("whole.pt")
    with monkeypatch.context() as patch:
        calls = []

        def stop(logits: Tensor, *args: Tensor, **more: Tensor) -> Tensor:
            calls.append(0)
            if len(calls) == 5:
                raise KeyboardInterrupt
            return binary_cross_entropy_with_logits(logits, *args, **more)

        patch.setattr(structure.F, "binary_cross_entropy_with_logits", stop)
        with pytest.raises(KeyboardInterrupt):
            trained("parts.pt")
    parts = trained("parts.pt")
    for one, other in zip(parts.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("picture_share", [0.0, 1.0])
def test_the_flow_learns_one_sample(
    conditions: Conditions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture_share: float
) -> None:
    monkeypatch.setattr("pipeline.training.conditions.PICTURE_SHARE", picture_share)
    latents = torch.full((1, 8, 8, 8, 8), 1.5)
    one = replace(conditions, of_sample=conditions.of_sample[:1], views=conditions.views[:1])
    tokens = torch.randn(1, 2, 64, 384, generator=torch.Generator().manual_seed(0)).half()
    structure.train_flow(latents, one, tokens, OPTIONS, tmp_path / "flow.pt", batch=8)
    rows = losses(tmp_path / "flow.pt")
    assert all(math.isfinite(row["velocity"]) for row in rows)
    # Knowing nothing costs 1 + 1.5^2, the mean square of noise minus data; knowing the data, 1.
    assert 1.5 < rows[0]["velocity"] < 3.3
    assert rows[-1]["velocity"] < 1.2


PUBLISHED_ENCODER = {**published.STRUCTURE_ENCODER, "channels": [2, 4, 8]}
PUBLISHED_DECODER = {**published.STRUCTURE_DECODER, "channels": [8, 4, 2]}


def test_the_vae_of_the_published_kind_learns_by_overlap_alone(
    samples: list[PropSample], tmp_path: Path
) -> None:
    grids = small_grids(samples[:1])
    vae = structure.train_vae(
        grids,
        replace(OPTIONS, steps=30),
        tmp_path / "vae.pt",
        encoder=PUBLISHED_ENCODER,
        decoder=PUBLISHED_DECODER,
        losses=published.STRUCTURE_LOSSES,
        batch=published.BATCH,
    )
    rows = losses(tmp_path / "vae.pt")
    assert rows[0].keys() == {"dice", "kl"}
    assert rows[-1]["dice"] < 0.97 * rows[0]["dice"]
    assert len(vae.encoder.middle_block) == 2
    assert structure.encode(vae, grids).shape == (1, 8, 4, 4, 4)


def test_the_flow_of_the_published_kind_learns_one_sample(
    conditions: Conditions, tmp_path: Path
) -> None:
    flow = {
        **published.STRUCTURE_FLOW, "resolution": 4, "model_channels": 16, "cond_channels": 384,
        "num_blocks": 1, "num_heads": 2,
    }  # fmt: skip
    structure.train_flow(
        torch.full((1, 8, 4, 4, 4), 1.5),
        replace(conditions, of_sample=conditions.of_sample[:1], views=conditions.views[:1]),
        torch.randn(1, 2, 64, 384).half(),
        replace(OPTIONS, schedule="constant", beta2=0.999, weight_decay=0.0, clip_percentile=95),
        tmp_path / "flow.pt",
        flow=flow,
        batch=4,
    )
    rows = losses(tmp_path / "flow.pt")
    assert rows[-1]["velocity"] < 0.9 * rows[0]["velocity"]


def test_an_interrupted_flow_ends_like_an_uninterrupted_one(
    conditions: Conditions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = torch.randn(2, 8, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    tokens = torch.randn(2, 2, 64, 384, generator=torch.Generator().manual_seed(1)).half()
    options = replace(OPTIONS, steps=4, save_every=2, clip_percentile=50)

    def trained(name: str) -> SparseStructureFlowModel:
        torch.manual_seed(1)  # the weights it starts from
        return structure.train_flow(latents, conditions, tokens, options, tmp_path / name, batch=3)

    whole = trained("whole.pt")
    with monkeypatch.context() as patch:
        calls = []

        def stop(*arguments: object) -> Tensor:
            calls.append(0)
            if len(calls) == 4:
                raise KeyboardInterrupt
            return structure_velocity_loss(*arguments)

        patch.setattr(structure, "structure_velocity_loss", stop)
        with pytest.raises(KeyboardInterrupt):
            trained("parts.pt")
    parts = trained("parts.pt")
    for one, other in zip(parts.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)
