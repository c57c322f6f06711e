"""The flow objective against its formulas, and against the loops that trained the starter."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.flow import SIGMA_MIN, euler
from pipeline.model.sampler import Sampler
from pipeline.model.sparse import SparseTensor
from pipeline.training import objective
from pipeline.training.objective import (
    draw_times,
    kept_conditions,
    noisy,
    slat_velocity_loss,
    structure_velocity_loss,
    velocity,
)


class Structure(nn.Module):
    """Remembers what it was asked and answers with something of the right shape."""

    def forward(self, x: Tensor, model_time: Tensor, cond: Tensor) -> Tensor:
        self.asked = (x, model_time, cond)
        return torch.sin(x + model_time.view(-1, 1, 1, 1, 1) / 1000 + cond.mean())


class Slat(nn.Module):
    def forward(self, x: SparseTensor, model_time: Tensor, cond: Tensor) -> SparseTensor:
        self.asked = (x, model_time, cond)
        return x.with_feats(torch.sin(x.feats + model_time[x.batch_index, None] / 1000))


def test_the_structure_loss_is_the_one_that_trained_the_starter() -> None:
    x0, cond = torch.randn(5, 2, 3, 3, 3), torch.randn(5, 4, 6)
    for step in range(4):
        torch.manual_seed(step)
        loss = structure_velocity_loss(Structure(), x0, cond)
        torch.manual_seed(step)
        eps = torch.randn_like(x0)
        t = torch.sigmoid(torch.randn(5) + 1)
        tt = t[:, None, None, None, None]
        x_t = (1 - tt) * x0 + (1e-5 + (1 - 1e-5) * tt) * eps
        v = Structure()(x_t, 1000 * t, cond)
        assert torch.equal(loss, F.mse_loss(v, (1 - 1e-5) * eps - x0))


@pytest.mark.parametrize("early_share", [0.0, 0.6])
def test_the_slat_loss_is_the_one_that_trained_the_starter(early_share: float) -> None:
    coords = torch.tensor([[0, 1, 1, 1], [0, 1, 1, 2], [1, 0, 0, 0], [2, 5, 5, 5], [2, 5, 6, 5]])
    x0 = SparseTensor(coords=coords, feats=torch.randn(5, 3), batch_size=3)
    cond = torch.randn(3, 4, 6)
    for step in range(4):
        torch.manual_seed(step)
        loss = slat_velocity_loss(Slat(), x0, cond, early_share=early_share)
        torch.manual_seed(step)
        eps = torch.randn_like(x0.feats)
        t = torch.sigmoid(torch.randn(3) + 1)
        if early_share:
            is_early = torch.rand(3) < early_share
            t = torch.where(is_early, torch.empty(3).uniform_(0.92, 1.0), t)
        tt = t[coords[:, 0], None]
        x_t = (1 - tt) * x0.feats + (1e-5 + (1 - 1e-5) * tt) * eps
        v = Slat()(x0.with_feats(x_t), 1000 * t, cond).feats
        assert torch.equal(loss, F.mse_loss(v, (1 - 1e-5) * eps - x0.feats))


def test_a_perfect_model_walks_from_noise_to_data() -> None:
    """The target is the way's derivative: the sampler's walk along it ends where it should."""
    x0, eps = torch.randn(4, 3), torch.randn(4, 3)
    sampler = Sampler(steps=7, guidance_strength=0, guidance_interval=(0, 1), rescale_t=3)
    end = euler(lambda x, t, *_: velocity(x0, eps), noisy(x0, eps, torch.tensor(1.0)), sampler,
                lambda f: None)  # fmt: skip
    torch.testing.assert_close(end, x0 + SIGMA_MIN * eps, atol=1e-5, rtol=1e-5)


def test_the_way_begins_at_data_and_ends_at_noise() -> None:
    x0, eps = torch.randn(4, 3), torch.randn(4, 3)
    torch.testing.assert_close(noisy(x0, eps, torch.tensor(0.0)), x0 + SIGMA_MIN * eps)
    torch.testing.assert_close(noisy(x0, eps, torch.tensor(1.0)), eps)


def test_times_are_logit_normal_around_one() -> None:
    torch.manual_seed(0)
    logits = torch.logit(draw_times(20_000))
    assert float(logits.mean()) == pytest.approx(1, abs=4 / math.sqrt(20_000))
    assert float(logits.std()) == pytest.approx(1, abs=0.03)


def test_the_early_share_is_spread_evenly_near_noise() -> None:
    torch.manual_seed(0)
    usual = (draw_times(20_000) >= objective.EARLY_T[0]).float().mean()
    t = draw_times(20_000, early_share=0.5)
    early = t[t >= objective.EARLY_T[0]]
    assert len(early) / 20_000 == pytest.approx(0.5 + 0.5 * float(usual), abs=0.02)
    assert float(early.max()) <= 1


def test_a_tenth_of_the_conditions_is_dropped() -> None:
    kept = kept_conditions(10_000, np.random.default_rng(0))
    assert kept.shape == (10_000, 1, 1)
    assert float(kept.float().mean()) == pytest.approx(0.9, abs=0.01)
