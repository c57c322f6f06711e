"""What every flow is trained for: the velocity from data to noise at a time drawn by chance.

All numbers are drawn on the CPU from the global generator, first the noise and then the times, and
then moved to where the condition is: a step sees the same numbers on every device.

Source: Lipman et al., Flow Matching for Generative Modeling, 2023; the times from Esser et al.,
Scaling Rectified Flow Transformers, 2024; TRELLIS' values.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.model.flow import SIGMA_MIN
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse import SparseTensor
from pipeline.model.sparse_structure import SparseStructureFlowModel

CONDITION_DROPOUT = 0.1
TIME_LOGIT_MEAN = 1.0  # more noise than data: there the shape is decided
EARLY_T = (0.92, 1.0)


def structure_velocity_loss(model: SparseStructureFlowModel, x0: Tensor, cond: Tensor) -> Tensor:
    """Mean square error of the velocity.

    Args:
        model: Is asked once.
        x0: `[B, C, r, r, r]` structure latents.
        cond: `[B, N, ctx]` tokens, some of them null.
    """
    eps = torch.randn_like(x0)
    t = draw_times(len(x0))
    device = cond.device
    x_t = noisy(x0, eps, t[:, None, None, None, None]).to(device)
    v = model(x_t, 1000 * t.to(device), cond).float()
    return F.mse_loss(v, velocity(x0, eps).to(device))


def slat_velocity_loss(
    model: SLatFlowModel, x0: SparseTensor, cond: Tensor, *, early_share: float = 0.0
) -> Tensor:
    """Mean square error of the velocity over all voxels of all samples.

    Args:
        model: Is asked once.
        x0: Normalized SLAT of B samples.
        cond: `[B, N, ctx]` tokens, some of them null.
        early_share: See `draw_times`.
    """
    eps = torch.randn_like(x0.feats)
    t = draw_times(x0.batch_size, early_share=early_share)
    device = cond.device
    x_t = noisy(x0.feats, eps, t[x0.batch_index, None]).to(device)
    at = SparseTensor(coords=x0.coords.to(device), feats=x_t, batch_size=x0.batch_size)
    v = model(at, 1000 * t.to(device), cond).feats.float()
    return F.mse_loss(v, velocity(x0.feats, eps).to(device))


def draw_times(batch: int, *, early_share: float = 0.0) -> Tensor:
    """`[B]` times in (0, 1): the logistic function of a normal variable.

    Args:
        batch: B.
        early_share: How many of them, in 0 to 1, are drawn evenly from `EARLY_T` instead. An
            object's mean color shows through the noise of thousands of voxels until t is above
            0.95, where the usual draw hardly ever goes: a SLAT flow then reads colors off its
            input and never learns them from captions (docs/experiments.md).
    """
    t = torch.sigmoid(torch.randn(batch) + TIME_LOGIT_MEAN)
    if early_share > 0:
        is_early = torch.rand(batch) < early_share
        t = torch.where(is_early, torch.empty(batch).uniform_(*EARLY_T), t)
    return t


def noisy(x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """`x_t` on the straight way from data `x0` at t = 0 to noise `eps` at t = 1."""
    return (1 - t) * x0 + (SIGMA_MIN + (1 - SIGMA_MIN) * t) * eps


def velocity(x0: Tensor, eps: Tensor) -> Tensor:
    """What a flow is to predict from `x_t`: the way's derivative."""
    return (1 - SIGMA_MIN) * eps - x0


def kept_conditions(batch: int, rng: np.random.Generator) -> Tensor:
    """`[B, 1, 1]` bool: the samples that keep their condition; the others learn guidance's null."""
    return torch.from_numpy(rng.random(batch) >= CONDITION_DROPOUT)[:, None, None]
