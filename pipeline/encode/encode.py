"""A surface -> voxels, structure latent and SLAT: where an existing asset enters the model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.encode import field_features, view_features
from pipeline.encode.unit_cube import UnitCube, fit_cube
from pipeline.encode.voxelize import voxelize
from pipeline.errors import ModelUnavailable
from pipeline.model.sparse import SparseTensor
from pipeline.types import IntArray, Progress, Stage, Surface

if TYPE_CHECKING:
    from pipeline.model.models import Models


@dataclass(frozen=True, kw_only=True, eq=False)
class CoarseShape:
    """Which voxels a surface takes.

    coords: `[L, 4]` int64, batch index 0, sorted: what `sample_slat` takes.
    cube: where the voxels lie; `cube.to_space` puts a decoded surface in the given one's place.
    """

    coords: Tensor
    cube: UnitCube


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedAsset:
    """A surface in the latent spaces of a model.

    coords, cube: as in `CoarseShape`.
    structure_latent: `[1, C, r, r, r]`, what the structure flow makes.
    slat: on `coords`, in the decoder's scale: minus mean, over std is what the SLAT flow makes.
    """

    coords: Tensor
    cube: UnitCube
    structure_latent: Tensor
    slat: SparseTensor


def coarse_shape(models: "Models", surface: Surface, progress: Progress) -> CoarseShape:
    """Find the voxels of a surface as the model's training data has them; needs no encoder.

    Raises:
        InvalidInput: If the surface has no faces, no extent or places that are no numbers.
    """
    coords, _, cube = _find_voxels(models, surface, progress)
    progress(Stage.PREPROCESS, 1.0)
    return CoarseShape(coords=_with_batch(coords, models.device), cube=cube)


@torch.no_grad()
def encode_surface(
    models: "Models",
    surface: Surface,
    progress: Progress,
    views: view_features.ViewOptions | None = None,
) -> EncodedAsset:
    """Encode a surface with its colors.

    Both latents are the means of what the encoders say, so the same surface gives the same ones.

    Args:
        models: A model with its encoders.
        surface: What to encode, in glTF space, any size.
        progress: Reports `Stage.PREPROCESS`.
        views: For models that look at pictures; None takes the defaults.

    Raises:
        InvalidInput: If the surface has no faces, no extent or places that are no numbers.
        ModelUnavailable: If the model came without encoders.
    """
    structure_encoder, slat_encoder, dinov2 = (
        models.structure_encoder,
        models.slat_encoder,
        models.dinov2,
    )
    reads_views = models.slat_features == "dinov2"
    if structure_encoder is None or slat_encoder is None or (reads_views and dinov2 is None):
        raise ModelUnavailable(
            f"the model {models.name} has no encoders, so it cannot take an existing asset; "
            "add sparse_structure_encoder and slat_encoder to its folder"
            + (", and the DINOv2 weights" if reads_views else "")
        )
    voxels, shape, cube = _find_voxels(models, surface, progress)
    resolution = models.slat_flow.resolution
    coords = _with_batch(voxels, models.device)

    occupancy = torch.zeros(1, 1, resolution, resolution, resolution, device=models.device)
    occupancy[0, 0, coords[:, 1], coords[:, 2], coords[:, 3]] = 1
    with models.residency.on_device(structure_encoder):
        structure_latent, _ = structure_encoder(occupancy)

    def tick(fraction: float) -> None:
        progress(Stage.PREPROCESS, 0.2 + 0.7 * fraction)

    tick(0.0)
    if shape is not None:
        color = field_features.field_color(surface, cube, shape, lambda: tick(0.5))
        feats = field_features.encoder_input(shape.sdf, color).to(models.device)
    else:
        assert dinov2 is not None
        cameras = view_features.encoder_views((views or view_features.ViewOptions()).count)
        with models.residency.on_device(dinov2):
            feats = view_features.view_features(
                dinov2, surface, cube, voxels, resolution, cameras, models.device, tick
            )
    tick(1.0)
    with models.residency.on_device(slat_encoder):
        mean, _ = slat_encoder(SparseTensor(coords=coords, feats=feats, batch_size=1))
    progress(Stage.PREPROCESS, 1.0)
    return EncodedAsset(
        coords=coords,
        cube=cube,
        structure_latent=structure_latent,
        slat=SparseTensor(coords=coords, feats=mean, batch_size=1),
    )


def _find_voxels(
    models: "Models", surface: Surface, progress: Progress
) -> tuple[IntArray, field_features.FieldShape | None, UnitCube]:
    """Active voxels, the field if the model reads one, and the cube."""

    def tick() -> None:
        progress(Stage.PREPROCESS, 0.0)

    def warn(message: str) -> None:
        progress.warn(Stage.PREPROCESS, message)

    tick()
    used = [surface.materials[index] for index in np.unique(surface.face_materials)]
    if any(material.alpha_mode != "OPAQUE" for material in used):
        warn("the model knows no transparency: see-through parts were encoded as if solid")
    resolution = models.slat_flow.resolution
    if models.slat_features == "field":
        cube = fit_cube(surface, field_features.LARGEST_EXTENT)
        shape = field_features.field_shape(cube.mesh(surface), resolution, tick, warn)
        return shape.coords, shape, cube
    cube = fit_cube(surface, view_features.LARGEST_EXTENT)
    return voxelize(cube.mesh(surface), resolution, tick), None, cube


def _with_batch(voxels: IntArray, device: str) -> Tensor:
    return F.pad(torch.from_numpy(voxels.astype(np.int64)), (1, 0)).to(device)
