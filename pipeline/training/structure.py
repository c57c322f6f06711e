"""Stage 1 training: the VAE of the sparse structure, then its flow."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.flow import SIGMA_MIN
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureEncoder,
    SparseStructureFlowModel,
)
from pipeline.model.weights import build
from pipeline.training import configs
from pipeline.training.conditions import Conditions
from pipeline.training.dataset import SIDE
from pipeline.training.loop import LoopOptions, train
from pipeline.types import ByteArray


def occupancy(coords: list[ByteArray]) -> Tensor:
    """`[N, R, R, R]` bool grids of the samples' active voxels."""
    grid = torch.zeros(len(coords), SIDE, SIDE, SIDE, dtype=torch.bool)
    for i, c in enumerate(coords):
        x, y, z = torch.from_numpy(c.astype(np.int64)).T
        grid[i, x, y, z] = True
    return grid


class StructureVae(nn.Module):
    """Encoder and decoder, trained together."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = build(SparseStructureEncoder, configs.STRUCTURE_ENCODER)
        self.decoder = build(SparseStructureDecoder, configs.STRUCTURE_DECODER)


def train_vae(grids: Tensor, options: LoopOptions, path: Path) -> StructureVae:
    """Reconstruct occupancy through an 8x8x8x8 latent of about unit scale."""
    torch.manual_seed(0)
    vae = StructureVae()

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
        batch = grids[rng.integers(len(grids), size=8)]
        if rng.random() < 0.5:
            batch = batch.flip(1)  # mirrored props are props
        x = batch[:, None].float()
        mean, logvar = vae.encoder(x)
        mean, logvar = mean.float(), logvar.float().clamp(-10, 4)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        logits = vae.decoder(z).float()
        p = logits.sigmoid()
        dice = 1 - (2 * (p * x).sum() + 1) / (p.sum() + x.sum() + 1)
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        bce = F.binary_cross_entropy_with_logits(logits, x, pos_weight=torch.tensor(4.0))
        return {"dice": dice, "bce": 2 * bce, "kl": 3e-3 * kl}

    trained = train(vae, loss, options, path)
    assert isinstance(trained, StructureVae)
    return trained


@torch.no_grad()
def encode(vae: StructureVae, grids: Tensor) -> Tensor:
    """`[N, 8, 8, 8, 8]` latent means."""
    with torch.autocast("cpu", torch.bfloat16):
        parts = [vae.encoder(g[:, None].float())[0].float() for g in torch.split(grids, 32)]
    return torch.cat(parts)


def train_flow(
    latents: Tensor,
    conditions: Conditions,
    picture_tokens: Tensor,
    options: LoopOptions,
    path: Path,
    batch: int = 64,
) -> SparseStructureFlowModel:
    """Learn the velocity of the structure latents `[N, ...]` under captions and pictures."""
    torch.manual_seed(0)
    model = build(SparseStructureFlowModel, configs.STRUCTURE_FLOW)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
        index = rng.integers(len(latents), size=batch)
        cond = conditions.draw(index, picture_tokens, rng)
        x0 = latents[index]
        eps = torch.randn_like(x0)
        t = torch.sigmoid(torch.randn(batch) + 1)
        tt = t[:, None, None, None, None]
        x_t = (1 - tt) * x0 + (SIGMA_MIN + (1 - SIGMA_MIN) * tt) * eps
        v = model(x_t, 1000 * t, cond).float()
        return {"velocity": F.mse_loss(v, (1 - SIGMA_MIN) * eps - x0)}

    trained = train(model, loss, options, path)
    assert isinstance(trained, SparseStructureFlowModel)
    return trained
