"""Fine-tuning on a studio's own assets: low-rank adapters of both flows, one after the other."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.errors import InvalidInput
from pipeline.model.lora import Adapter, Flow, FlowModel, Lora, LoraParams, add_lora
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse import SparseTensor
from pipeline.model.sparse_structure import SparseStructureFlowModel
from pipeline.training.conditions import PICTURE_SHARE
from pipeline.training.loop import LoopOptions, Report, train
from pipeline.training.objective import (
    kept_conditions,
    slat_velocity_loss,
    structure_velocity_loss,
)
from pipeline.training.prepare import StudioAsset, set_digest

if TYPE_CHECKING:
    from pipeline.model.models import Models

EARLY_SHARE = 0.4  # of the SLAT flow's times; a style is mostly color (see `draw_times`)
_JUDGED_DRAWS = 32  # noises and times at which an adapter is compared with none
_PICTURES_AT_ONCE = 8
_SAVE_EVERY = 50


@dataclass(frozen=True, kw_only=True)
class LoraOptions:
    """Options of `train_adapter`.

    steps: of each flow, 1 to 100,000. learning_rate: the highest one, above 0 and at most 0.1.
    batch: assets per step, 1 to 256; the same asset may come twice, with other noise. seed: the
    only randomness. params: size of the adapter.
    """

    steps: int = 300
    learning_rate: float = 1e-3
    batch: int = 4
    seed: int = 0
    params: LoraParams = field(default_factory=LoraParams)

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 100_000:
            raise InvalidInput(f"steps must be from 1 to 100,000, got {self.steps}")
        if not 0 < self.learning_rate <= 0.1:
            raise InvalidInput(
                f"learning_rate must be above 0 and at most 0.1, got {self.learning_rate}"
            )
        if not 1 <= self.batch <= 256:
            raise InvalidInput(f"batch must be from 1 to 256, got {self.batch}")
        if not 0 <= self.seed < 2**63:
            raise InvalidInput(f"seed must be from 0 to 2^63 - 1, got {self.seed}")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Mean loss of a flow on the studio's own assets, at the same noises and times."""

    flow: Flow
    before: float
    after: float


@dataclass(frozen=True, kw_only=True, eq=False)
class StudioConditions:
    """What the flows are given with each asset; a model takes captions, pictures or both.

    captions: `[K, N, ctx]` of each asset, and null_caption `[1, N, ctx]`, the empty one.
    pictures: `[V, P, ctx]` of each asset, on the CPU in float16.
    """

    captions: tuple[Tensor, ...]
    null_caption: Tensor | None
    pictures: tuple[Tensor, ...]

    def draw(self, index: np.ndarray, rng: np.random.Generator) -> Tensor:
        """`[B, N, ctx]`: a caption or picture of each asset, all of one sort; some get nothing."""
        keep = kept_conditions(len(index), rng)
        share = (PICTURE_SHARE if self.captions else 1.0) if self.pictures else 0.0
        known = self.pictures if rng.random() < share else self.captions
        # To float32 one by one: under autocast, `stack` takes no float16.
        chosen = torch.stack([known[i][rng.integers(len(known[i]))].float() for i in index])
        if known is self.pictures:
            return chosen * keep  # no picture is all zeros
        assert self.null_caption is not None
        return torch.where(keep, chosen, self.null_caption)


def train_adapter(
    models: "Models",
    assets: Sequence[StudioAsset],
    options: LoraOptions,
    folder: Path,
    name: str,
    report: Report,
) -> tuple[Adapter, tuple[Judged, ...]]:
    """Train an adapter for both flows of a model.

    Goes on where a run with the same assets and options in the same folder was stopped.

    Args:
        models: The base, loaded for this alone: its flows are brought to float32 and stop taking
            gradients; their weights do not change.
        assets: Encoded with this model; at least one.
        options: How long and how fast.
        folder: For checkpoints and logs.
        name: Of the adapter.
        report: Is given the name of the flow and each row of the log.

    Returns:
        The adapter, and how much better the flows know the assets with it. An asset that is known
        by heart has a low loss too: look at pictures.

    Raises:
        InvalidInput: If the folder holds another training, an asset has no caption although the
            model takes captions, or the loss stops being a number.
    """
    conditions = encode_conditions(models, assets)
    for model in (models.structure_flow, models.slat_flow):
        model.cast_torso(torch.float32)  # gradients would leave float16's range
    losses: dict[Flow, tuple[FlowModel, Loss]] = {
        "structure_flow": (
            models.structure_flow,
            _structure_loss(models.structure_flow, assets, conditions, models.device),
        ),
        "slat_flow": (models.slat_flow, _slat_loss(models, assets, conditions)),
    }
    loop = LoopOptions(
        steps=options.steps,
        learning_rate=options.learning_rate,
        ema=0.99,
        weight_decay=0.0,
        warm_up_steps=min(20, options.steps),
        log_every=10,
        save_every=_SAVE_EVERY,
    )
    recipe = _recipe(models, assets, options)
    flows: dict[Flow, dict[str, Tensor]] = {}
    judged = []
    for flow, (model, loss) in losses.items():
        torch.manual_seed(options.seed)
        lora = Lora(model, options.params).to(models.device)

        def step_loss(step: int, loss: Loss = loss) -> dict[str, Tensor]:
            rng = np.random.default_rng((options.seed, step))
            torch.manual_seed(int(rng.integers(2**63)))
            index = rng.integers(len(assets), size=options.batch)
            return {"velocity": loss(index, rng)}

        before = _judge(loss, len(assets), models.device)
        with add_lora(model, lora):
            average = train(
                lora, step_loss, loop, folder / f"{flow}.pt", recipe=recipe, report=report
            )
        assert isinstance(average, Lora)
        with add_lora(model, average):
            after = _judge(loss, len(assets), models.device)
        judged.append(Judged(flow=flow, before=before, after=after))
        flows[flow] = average.tensors()
    adapter = Adapter(
        name=name,
        base_name=models.name,
        base_digest=models.facts.digest,
        params=options.params,
        flows=flows,
    )
    return adapter, tuple(judged)


@torch.no_grad()
def encode_conditions(models: "Models", assets: Sequence[StudioAsset]) -> StudioConditions:
    """Encode captions and pictures once; pictures count if all assets have some.

    Raises:
        InvalidInput: If the model takes captions, and an asset has none.
    """
    captions: tuple[Tensor, ...] = ()
    null_caption = None
    pictures: tuple[Tensor, ...] = ()
    if models.image_encoder is not None and all(len(asset.views) for asset in assets):
        pictures = tuple(_picture_tokens(models, asset) for asset in assets)
    if models.text_encoder is not None:
        uncaptioned = [asset.key for asset in assets if not asset.captions]
        if uncaptioned:
            raise InvalidInput(f"{uncaptioned[0]} has no caption; leave it out, or give it one")
        captions = tuple(models.text_encoder(asset.captions).cpu().half() for asset in assets)
        null_caption = models.text_encoder([""]).cpu()
    return StudioConditions(captions=captions, null_caption=null_caption, pictures=pictures)


def _picture_tokens(models: "Models", asset: StudioAsset) -> Tensor:
    assert models.image_encoder is not None
    views = torch.from_numpy(asset.views).permute(0, 3, 1, 2)
    parts = [
        models.image_encoder(part.to(models.device).float() / 255).cpu().half()
        for part in torch.split(views, _PICTURES_AT_ONCE)
    ]
    return torch.cat(parts)


Loss = Callable[[np.ndarray, np.random.Generator], Tensor]


def _structure_loss(
    model: SparseStructureFlowModel,
    assets: Sequence[StudioAsset],
    conditions: StudioConditions,
    device: str,
) -> Loss:
    latents = torch.stack([asset.structure for asset in assets])

    def loss(index: np.ndarray, rng: np.random.Generator) -> Tensor:
        cond = conditions.draw(index, rng).to(device)
        return structure_velocity_loss(model, latents[index], cond)

    return loss


def _slat_loss(
    models: "Models", assets: Sequence[StudioAsset], conditions: StudioConditions
) -> Loss:
    model: SLatFlowModel = models.slat_flow
    mean, std = models.slat_mean.cpu(), models.slat_std.cpu()
    normalized = [(asset.slat - mean) / std for asset in assets]

    def loss(index: np.ndarray, rng: np.random.Generator) -> Tensor:
        cond = conditions.draw(index, rng).to(models.device)
        x0 = SparseTensor(
            coords=torch.cat(
                [F.pad(assets[i].coords, (1, 0), value=b) for b, i in enumerate(index)]
            ),
            feats=torch.cat([normalized[i] for i in index]),
            batch_size=len(index),
        )
        return slat_velocity_loss(model, x0, cond, early_share=EARLY_SHARE)

    return loss


@torch.no_grad()
def _judge(loss: Loss, asset_count: int, device: str) -> float:
    """Mean loss over noises and times that do not depend on the training."""
    found = []
    for draw in range(_JUDGED_DRAWS):
        torch.manual_seed(draw)
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            found.append(float(loss(np.array([draw % asset_count]), np.random.default_rng(draw))))
    return float(np.mean(found))


def _recipe(models: "Models", assets: Sequence[StudioAsset], options: LoraOptions) -> str:
    """What has to be the same to continue; short, because it is shown when it is not."""
    data = hashlib.sha256(f"{models.facts.digest} {set_digest(assets)}".encode()).hexdigest()
    return json.dumps({**asdict(options), "assets": len(assets), "data": data[:12]})
