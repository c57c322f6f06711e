"""A model and assets small enough to fine-tune in a test."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.model.condition.small_vit import ImageEncoder
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse_structure import SparseStructureFlowModel
from pipeline.model.weights import build
from pipeline.training.prepare import StudioAsset
from pipeline.types import ModelFacts
from tests.pipeline.model.tiny_model import (
    IMAGE_ENCODER,
    PICTURE_PX,
    SLAT_FLOW,
    STRUCTURE_FLOW,
    LetterEncoder,
    randomized,
)


@dataclass
class Studio:
    """The part of a loaded model that fine-tuning looks at."""

    text_encoder: LetterEncoder | None
    image_encoder: ImageEncoder | None
    structure_flow: SparseStructureFlowModel
    slat_flow: SLatFlowModel
    slat_mean: Tensor
    slat_std: Tensor
    facts: ModelFacts
    device: str = "cpu"

    @property
    def name(self) -> str:
        return self.facts.name


def make_models() -> Studio:
    torch.manual_seed(0)
    return Studio(
        text_encoder=LetterEncoder(),
        image_encoder=build(ImageEncoder, IMAGE_ENCODER).eval(),
        structure_flow=randomized(build(SparseStructureFlowModel, STRUCTURE_FLOW)).eval(),
        slat_flow=randomized(build(SLatFlowModel, SLAT_FLOW)).eval(),
        slat_mean=torch.tensor([0.1, 0.2, 0.3]),
        slat_std=torch.tensor([1.0, 2.0, 3.0]),
        facts=ModelFacts(name="tiny", digest="d1", license="MIT"),
    )


def make_assets() -> list[StudioAsset]:
    """Two assets that are far from what random weights make."""
    generator = torch.Generator().manual_seed(5)
    made = []
    for i in range(2):
        coords = torch.argwhere(torch.rand(4, 4, 4, generator=generator) < 0.3)
        made.append(
            StudioAsset(
                key=f"asset{i}",
                digest=f"{i}" * 64,
                captions=("a red thing", "thing")[: i + 1],
                structure=torch.full((4, 2, 2, 2), 1.0 + i),
                coords=coords,
                slat=torch.full((len(coords), 3), 2.0),
                views=np.full((2, PICTURE_PX, PICTURE_PX, 3), 100 * i, np.uint8),
            )
        )
    return made
