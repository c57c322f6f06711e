"""SLAT -> 3D Gaussians: a swin torso, and a fixed number of Gaussians per active voxel."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import ModelUnavailable
from pipeline.model.blocks import layer_norm, xavier_, zero_
from pipeline.model.cameras import radical_inverse
from pipeline.model.slat import SwinParams, SwinTorso
from pipeline.model.sparse import SparseTensor

SH_C0 = 0.28209479177387814  # spherical harmonic of degree 0: 1 / (2 sqrt(pi))


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaussians:
    """N colored 3D Gaussians that fill one object.

    positions: `[N, 3]` float32, world: Z up, object inside [-0.5, 0.5]^3.
    scales: `[N, 3]` float32 > 0, standard deviations along the axes of `rotations`, world units.
    rotations: `[N, 4]` float32 unit quaternions (w, x, y, z), from the Gaussian to the world.
    opacities: `[N]` float32 in (0, 1), at the center.
    features_dc: `[N, 3]` float32, color as a spherical harmonic of degree 0; see `colors`.
    """

    positions: Tensor
    scales: Tensor
    rotations: Tensor
    opacities: Tensor
    features_dc: Tensor

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def colors(self) -> Tensor:
        """`[N, 3]` sRGB, at least 0; may exceed 1."""
        return (0.5 + SH_C0 * self.features_dc).clamp_min(0)


@dataclass(frozen=True, kw_only=True)
class GaussianParams:
    """How the numbers of the head become Gaussians; see `parse_representation`.

    num_gaussians: per voxel.
    lr_xyz, lr_features_dc, lr_opacity, lr_scaling, lr_rotation: factors on the head's numbers.
    perturb_offset: whether the Gaussians of a voxel start spread over it.
    voxel_size: how far from its voxel's center a Gaussian can move along an axis, both ways
        together, in voxels.
    filter_2d: variance that a renderer adds in the picture, pixels squared.
    filter_3d: smallest standard deviation of a Gaussian, world units.
    scaling_bias, opacity_bias: scale and opacity where the head says zero.
    """

    num_gaussians: int
    lr_xyz: float
    lr_features_dc: float
    lr_opacity: float
    lr_scaling: float
    lr_rotation: float
    perturb_offset: bool
    voxel_size: float
    filter_2d: float
    filter_3d: float
    scaling_bias: float
    opacity_bias: float

    def __post_init__(self) -> None:
        for name in ("num_gaussians", "voxel_size", "scaling_bias"):
            if not getattr(self, name) > 0:
                raise ModelUnavailable(f"{name} must be above 0, got {getattr(self, name)}")
        if not self.voxel_size > 1:  # a start at the voxel's corner must be within reach
            raise ModelUnavailable(f"voxel_size must be above 1, got {self.voxel_size}")
        for name in ("filter_2d", "filter_3d"):
            if not getattr(self, name) >= 0:
                raise ModelUnavailable(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 < self.opacity_bias < 1:
            raise ModelUnavailable(f"opacity_bias must be in (0, 1), got {self.opacity_bias}")


_LR_KEYS = {
    "_xyz": "lr_xyz",
    "_features_dc": "lr_features_dc",
    "_opacity": "lr_opacity",
    "_scaling": "lr_scaling",
    "_rotation": "lr_rotation",
}
_CONFIG_KEYS = {
    "num_gaussians": "num_gaussians",
    "perturb_offset": "perturb_offset",
    "voxel_size": "voxel_size",
    "2d_filter_kernel_size": "filter_2d",
    "3d_filter_kernel_size": "filter_3d",
    "scaling_bias": "scaling_bias",
    "opacity_bias": "opacity_bias",
}
_SCALING_ACTIVATION = "softplus"  # the only one that was ever released


def parse_representation(config: Mapping[str, object]) -> GaussianParams:
    """Read `representation_config` of a published checkpoint.

    Raises:
        ModelUnavailable: Naming the entry that is missing, unknown or has an impossible value.
    """
    if config.get("scaling_activation") != _SCALING_ACTIVATION:
        raise ModelUnavailable(
            f"representation_config.scaling_activation must be {_SCALING_ACTIVATION!r}, "
            f"got {config.get('scaling_activation')!r}"
        )
    lr = config.get("lr")
    if not isinstance(lr, Mapping):
        raise ModelUnavailable(f"representation_config.lr must be an object, got {lr!r}")
    rest = {key: value for key, value in config.items() if key not in ("lr", "scaling_activation")}
    values = _renamed(rest, _CONFIG_KEYS, "representation_config")
    values |= _renamed(lr, _LR_KEYS, "representation_config.lr")
    kinds = {f.name: f.type for f in fields(GaussianParams)}
    for name, value in values.items():
        kind = kinds[name]
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = is_number if kind is float else type(value) is kind
        if not fits or (is_number and not math.isfinite(value)):  # type: ignore[arg-type]
            raise ModelUnavailable(f"representation_config has no usable {name}: {value!r}")
    return GaussianParams(**values)  # type: ignore[arg-type]  # each was just checked


def _renamed(
    config: Mapping[str, object], names: Mapping[str, str], where: str
) -> dict[str, object]:
    for key in sorted(config.keys() | names.keys()):
        if key not in names:
            raise ModelUnavailable(f"{where} has the unknown entry {key}={config[key]!r}")
        if key not in config:
            raise ModelUnavailable(f"{where} lacks the entry {key}")
    return {name: config[key] for key, name in names.items()}


class SLatGaussianDecoder(SwinTorso):
    """SLAT on R cells per side -> `num_gaussians` Gaussians per active voxel."""

    offset_perturbation: Tensor

    def __init__(self, params: SwinParams, representation: GaussianParams) -> None:
        super().__init__(params)
        self.resolution = params.resolution
        self.representation = representation
        # What the head holds, in its order: number of values per Gaussian.
        self.layout = {"xyz": 3, "features_dc": 3, "scaling": 3, "rotation": 4, "opacity": 1}
        channels = representation.num_gaussians * sum(self.layout.values())
        self.out_layer = nn.Linear(params.model_channels, channels)
        # A buffer and not a constant because the published files hold it.
        self.register_buffer(
            "offset_perturbation",
            _spread(representation.num_gaussians, representation.voxel_size),
        )
        xavier_(self)
        zero_(self.out_layer)

    def forward(self, slat: SparseTensor) -> Tensor:
        """`feats [L, latent]` -> `[L, 14 num_gaussians]`, what `gaussians` makes sense of."""
        h = self.run_torso(slat).feats.to(slat.feats.dtype)
        raw: Tensor = self.out_layer(layer_norm(h, 1e-5))
        return raw

    def gaussians(self, slat: SparseTensor, raw: Tensor) -> list[Gaussians]:
        """Turn what `forward` returned into the Gaussians of each sample.

        Args:
            slat: As given to `forward`.
            raw: `[L, 14 num_gaussians]`, computed in float32 whatever its type.

        Returns:
            One per sample. Gaussian `i * num_gaussians + j` is number j of the sample's voxel i.
        """
        p = self.representation
        sizes = [width * p.num_gaussians for width in self.layout.values()]
        blocks = torch.split(raw.float(), sizes, dim=1)
        xyz, features_dc, scaling, rotation, opacity = (
            block.reshape(len(raw), p.num_gaussians, width)  # [L, n, width]
            for block, width in zip(blocks, self.layout.values(), strict=True)
        )
        offset = p.lr_xyz * xyz
        if p.perturb_offset:
            offset = offset + self.offset_perturbation.float()
        offset = torch.tanh(offset) * (0.5 * p.voxel_size)  # voxels
        centers = slat.coords[:, None, 1:].float() + 0.5
        positions = (centers + offset) / self.resolution - 0.5

        scale_at_zero = math.log(math.expm1(p.scaling_bias))  # softplus of it is the bias
        scales = F.softplus(p.lr_scaling * scaling + scale_at_zero)
        scales = (scales.square() + p.filter_3d**2).sqrt()
        identity = rotation.new_tensor([1.0, 0.0, 0.0, 0.0])
        rotations = F.normalize(p.lr_rotation * rotation + identity, dim=-1)
        opacity_at_zero = math.log(p.opacity_bias / (1 - p.opacity_bias))
        opacities = torch.sigmoid(p.lr_opacity * opacity + opacity_at_zero)

        per_voxel = [positions, scales, rotations, opacities, p.lr_features_dc * features_dc]
        samples = zip(*(torch.split(values, slat.lengths()) for values in per_voxel), strict=True)
        return [
            Gaussians(
                positions=sample[0].flatten(0, 1),
                scales=sample[1].flatten(0, 1),
                rotations=sample[2].flatten(0, 1),
                opacities=sample[3].flatten(),
                features_dc=sample[4].flatten(0, 1),
            )
            for sample in samples
        ]


def _spread(count: int, voxel_size: float) -> Tensor:
    """`[count, 3]` offsets before tanh that spread Gaussians over their voxel (Hammersley set)."""
    h = torch.tensor(
        [(i / count, radical_inverse(i, 2), radical_inverse(i, 3)) for i in range(count)],
        dtype=torch.float64,
    )
    return torch.atanh((2 * h - 1) / voxel_size).float()
