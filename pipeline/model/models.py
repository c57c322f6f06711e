"""A loaded model: every network of one published pipeline, and the numbers that go with them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from pipeline.model.condition.dinov2 import DinoV2Encoder
from pipeline.model.condition.encoder import PictureEncoder, TextEncoder
from pipeline.model.gaussians import SLatGaussianDecoder
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.radiance_field import SLatRadianceFieldDecoder
from pipeline.model.residency import Residency
from pipeline.model.sampler import Sampler
from pipeline.model.slat import SLatEncoder, SLatFlowModel
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureEncoder,
    SparseStructureFlowModel,
)
from pipeline.types import ModelFacts


@dataclass(frozen=True, kw_only=True, eq=False)
class Models:
    """A loaded model, ready to sample.

    facts: what goes into reports.
    residency: which networks are on `device`, and when.
    is_lean: needs less memory at a time, and more time.
    matting: weights that cut objects out of pictures, if there are any.
    slat_mean, slat_std: `[C]`, latent channel statistics; the flow works on normalized latents.
    structure_shape: channels and cells per side of the structure latent.
    structure_closing: see `close_gaps`; 0 in every published model.
    slat_features: what the SLAT encoder reads: the field of a surface, or DINOv2's view of it,
        which is `dinov2`.
    encoders, decoders: None where the model has none, or where they were not asked for.
    """

    facts: ModelFacts
    device: str
    residency: Residency
    is_lean: bool = False
    matting: Path | None
    text_encoder: TextEncoder | None
    image_encoder: PictureEncoder | None
    structure_flow: SparseStructureFlowModel
    structure_shape: tuple[int, int, int, int]
    structure_closing: int
    structure_decoder: SparseStructureDecoder
    structure_encoder: SparseStructureEncoder | None
    structure_sampler: Sampler
    slat_flow: SLatFlowModel
    slat_sampler: Sampler
    slat_mean: torch.Tensor
    slat_std: torch.Tensor
    slat_encoder: SLatEncoder | None
    slat_features: Literal["field", "dinov2"]
    dinov2: DinoV2Encoder | None
    mesh_decoder: SLatMeshDecoder
    gaussian_decoder: SLatGaussianDecoder | None
    radiance_field_decoder: SLatRadianceFieldDecoder | None

    @property
    def name(self) -> str:
        """As it calls itself."""
        return self.facts.name

    def leaner(self) -> "Models":
        """The same model, with as little in memory at a time as it can do with."""
        return replace(self, is_lean=True, residency=self.residency.leaner())
