"""Stage 1 training: the VAE of the sparse structure, then its flow."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureEncoder,
    SparseStructureFlowModel,
)
from pipeline.model.weights import build
from pipeline.training import configs
from pipeline.training.conditions import Conditions
from pipeline.training.configs import Args
from pipeline.training.dataset import SIDE
from pipeline.training.loop import LoopOptions, train
from pipeline.training.objective import structure_velocity_loss
from pipeline.types import ByteArray


@dataclass(frozen=True, kw_only=True)
class StructureLosses:
    """Weights of the VAE's losses; one that is 0 is left out. The defaults are the starter's.

    dice: overlap of the grids. bce: cross-entropy, active voxels counted four times. kl: distance
    of the latent from a standard normal one. mirrored: whether half of the samples are mirrored at
    x = 0, because a mirrored prop is a prop.
    """

    dice: float = 1.0
    bce: float = 2.0
    kl: float = 3e-3
    mirrored: bool = True


STARTER_LOSSES = StructureLosses()


def occupancy(coords: list[ByteArray], side: int = SIDE) -> Tensor:
    """`[N, side, side, side]` bool grids of the samples' active voxels."""
    grid = torch.zeros(len(coords), side, side, side, dtype=torch.bool)
    for i, c in enumerate(coords):
        x, y, z = torch.from_numpy(c.astype(np.int64)).T
        grid[i, x, y, z] = True
    return grid


class StructureVae(nn.Module):
    """Encoder and decoder, trained together; sizes that are not given are the starter's."""

    def __init__(self, encoder: Args | None = None, decoder: Args | None = None) -> None:
        super().__init__()
        self.encoder = build(SparseStructureEncoder, encoder or configs.STRUCTURE_ENCODER)
        self.decoder = build(SparseStructureDecoder, decoder or configs.STRUCTURE_DECODER)


def train_vae(
    grids: Tensor,
    options: LoopOptions,
    path: Path,
    *,
    encoder: Args | None = None,
    decoder: Args | None = None,
    losses: StructureLosses = STARTER_LOSSES,
    batch: int = 8,
) -> StructureVae:
    """Reconstruct occupancy through a latent of about unit scale, a quarter as wide.

    Args:
        grids: `[N, R, R, R]` bool.
        options: How long and how fast.
        path: Checkpoint.
        encoder, decoder: Arguments of the modules. Default: the starter's.
        losses: What counts how much.
        batch: Samples per step.
    """
    torch.manual_seed(0)
    vae = StructureVae(encoder, decoder)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
        chosen = grids[rng.integers(len(grids), size=batch)]
        if losses.mirrored and rng.random() < 0.5:
            chosen = chosen.flip(1)
        x = chosen[:, None].float()
        mean, logvar = vae.encoder(x)
        mean, logvar = mean.float(), logvar.float().clamp(-10, 4)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        logits = vae.decoder(z).float()
        p = logits.sigmoid()
        dice = 1 - (2 * (p * x).sum() + 1) / (p.sum() + x.sum() + 1)
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        found = {"dice": losses.dice * dice}
        if losses.bce:
            bce = F.binary_cross_entropy_with_logits(logits, x, pos_weight=torch.tensor(4.0))
            found["bce"] = losses.bce * bce
        return {**found, "kl": losses.kl * kl}

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
    *,
    flow: Args | None = None,
    batch: int = 64,
) -> SparseStructureFlowModel:
    """Learn the velocity of the structure latents `[N, ...]` under captions and pictures.

    Args:
        latents: Of unit scale.
        conditions: Captions. picture_tokens: `[N, 2, P, ctx]` of the views.
        options: How long and how fast.
        path: Checkpoint.
        flow: Arguments of the module. Default: the starter's.
        batch: Samples per step.
    """
    torch.manual_seed(0)
    model = build(SparseStructureFlowModel, flow or configs.STRUCTURE_FLOW)

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step)
        torch.manual_seed(step)
        index = rng.integers(len(latents), size=batch)
        cond = conditions.draw(index, picture_tokens, rng)
        return {"velocity": structure_velocity_loss(model, latents[index], cond)}

    trained = train(model, loss, options, path)
    assert isinstance(trained, SparseStructureFlowModel)
    return trained
