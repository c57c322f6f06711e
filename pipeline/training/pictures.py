"""The picture encoder: learns what a picture shows, before the flows learn what to make of it.

Trained through a flow's attention alone it learnt almost nothing in 1,200 steps
(docs/experiments.md). Asked directly, for the structure that the picture shows and for its colors,
it learns in minutes; after that it stands still, so both flows can encode all pictures once.
"""

import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.condition.small_vit import ImageEncoder
from pipeline.model.weights import build
from pipeline.training import configs
from pipeline.training.conditions import Conditions
from pipeline.training.loop import LoopOptions, train

SHIFT_PX = 5  # pictures are moved by up to so much; their margin is 9 pixels wide
COLOR_CELLS = 2  # per side of a patch, whose mean colors are asked for


class PictureReader(nn.Module):
    """The encoder, and the two questions it learns from."""

    def __init__(self, latent_numbers: int) -> None:
        super().__init__()
        self.encoder = build(ImageEncoder, configs.IMAGE_ENCODER)
        width = self.encoder.out_layer.out_features
        self.structure = nn.Sequential(
            nn.Linear(width, 1024), nn.GELU(), nn.Linear(1024, latent_numbers)
        )
        self.colors = nn.Linear(width, 3 * COLOR_CELLS**2)


def train_encoder(
    latents: Tensor, conditions: Conditions, options: LoopOptions, path: Path, batch: int = 64
) -> ImageEncoder:
    """Learn to tell structure latents `[N, ...]` and colors from pictures of their props."""
    torch.manual_seed(0)
    targets = latents.flatten(1)
    reader = PictureReader(targets.shape[1])
    side = reader.encoder.image_size // reader.encoder.patch_embed.kernel_size[0]

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step)
        index = rng.integers(len(targets), size=batch)
        pictures = conditions.pictures(index, rng)
        pictures = pictures.roll(tuple(rng.integers(-SHIFT_PX, SHIFT_PX + 1, size=2)), (2, 3))
        brightness = torch.from_numpy(rng.uniform(0.7, 1.2, size=(batch, 1, 1, 1))).float()
        pictures = (pictures * brightness).clamp_max(1)
        tokens = reader.encoder(pictures)  # [B, side^2, ctx]
        cells = F.adaptive_avg_pool2d(pictures, side * COLOR_CELLS)
        cells = cells.reshape(batch, 3, side, COLOR_CELLS, side, COLOR_CELLS)
        colors = cells.permute(0, 2, 4, 1, 3, 5).reshape(batch, side * side, -1)
        return {
            "structure": F.mse_loss(reader.structure(tokens.mean(1)).float(), targets[index]),
            "color": 10 * F.mse_loss(reader.colors(tokens).float(), colors),
        }

    train(reader, loss, options, path)
    return load_encoder(path)


def wait_for_encoder(options: LoopOptions, path: Path) -> ImageEncoder:
    """The finished encoder from `path`; waits for the other half to get there."""
    while not path.exists() or torch.load(path, weights_only=True)["step"] < options.steps:
        time.sleep(10)
    return load_encoder(path)


def load_encoder(path: Path) -> ImageEncoder:
    """The encoder of a checkpoint, without its questions."""
    average = torch.load(path, weights_only=True)["average"]
    encoder = build(ImageEncoder, configs.IMAGE_ENCODER)
    name = "encoder."
    encoder.load_state_dict({k[len(name) :]: v for k, v in average.items() if k.startswith(name)})
    return encoder.eval().requires_grad_(False)


@torch.no_grad()
def encode(encoder: ImageEncoder, conditions: Conditions) -> Tensor:
    """`[N, 2, P, ctx]` float16 tokens of all views."""
    parts = []
    with torch.autocast("cpu", torch.bfloat16):
        for views in torch.split(conditions.views, 32):
            tokens = encoder(views.flatten(0, 1).permute(0, 3, 1, 2).float() / 255)
            parts.append(tokens.unflatten(0, views.shape[:2]).half())
    return torch.cat(parts)
