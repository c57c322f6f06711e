"""SLAT -> radiance field: in every active voxel a few products of lines (Strivec).

A voxel holds `rank` triples of lines, one line along each axis, of `dim` samples each. A rank's
value at a point is the product of its three lines there; density and color are weighted sums of
these products.

Source: Gao et al., Strivec: Sparse Tri-Vector Radiance Fields, 2023; head and activations as in
Xiang et al., Structured 3D Latents for Scalable and Versatile 3D Generation, 2024.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from pipeline.errors import InvalidInput, ModelUnavailable
from pipeline.model.blocks import layer_norm, xavier_, zero_
from pipeline.model.slat import SwinParams, SwinTorso
from pipeline.model.sparse import SparseTensor

SH_0 = 0.28209479  # the constant spherical harmonic, 1 / (2 sqrt(pi))
_CHUNK_POINTS = 1 << 17  # evaluating a point takes about 1 kB at rank 16


@dataclass(frozen=True, kw_only=True)
class RadianceFieldParams:
    """The head. rank: triples of lines per voxel; dim: samples per line."""

    rank: int
    dim: int

    @property
    def channels(self) -> int:
        """Numbers per voxel: lines, density, color."""
        return self.rank * (3 * self.dim + 1 + 3)


def parse_representation(config: Mapping[str, object]) -> RadianceFieldParams:
    """Read a checkpoint's `representation_config`.

    Raises:
        ModelUnavailable: Naming the key that is missing or unknown, or the value that is no
            positive integer.
    """
    known = [f.name for f in fields(RadianceFieldParams)]
    for name in config:
        if name not in known:
            raise ModelUnavailable(
                f"SLatRadianceFieldDecoder with {name}={config[name]!r} is not supported; "
                f"its representation_config takes {' and '.join(known)}"
            )
    values = {name: config.get(name) for name in known}
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ModelUnavailable(
                f"representation_config needs a positive integer {name}, got {value!r}"
            )
    return RadianceFieldParams(**values)  # type: ignore[arg-type]  # checked above


@dataclass(frozen=True, kw_only=True, eq=False)
class RadianceField:
    """Density and color in the active voxels of one object; nothing elsewhere.

    The object fills the cube [-0.5, 0.5]^3, Z up; voxel i of an axis covers
    `[i / resolution - 0.5, (i + 1) / resolution - 0.5)`.

    resolution: voxels per side of the cube.
    coords: `[L, 3]` int64: x, y, z in [0, resolution), no voxel twice, any order.
    trivec: `[L, rank, 3, dim]`: samples of each rank's lines along x, y and z, as they are
        multiplied (the decoder's output plus 1). Sample k lies at `(k + 0.5) / dim` of the voxel.
    density: `[L, rank]`: what each product adds to the density before the softplus.
    features_dc: `[L, rank, 3]`: what each adds to R, G, B before the sigmoid, over `SH_0`.
    """

    resolution: int
    coords: Tensor
    trivec: Tensor
    density: Tensor
    features_dc: Tensor

    @property
    def rank(self) -> int:
        """Products per voxel."""
        return self.trivec.shape[1]

    @property
    def dim(self) -> int:
        """Samples per line."""
        return self.trivec.shape[3]

    def voxel_rows(self) -> Tensor:
        """`[R, R, R]` int32: the row of the voxel at x, y, z; -1 where none is active."""
        rows = torch.full((self.resolution,) * 3, -1, dtype=torch.int32, device=self.coords.device)
        number = torch.arange(len(self.coords), dtype=torch.int32, device=self.coords.device)
        rows[self.coords.unbind(1)] = number
        return rows

    def line_samples(self) -> Tensor:
        """`[L, 3, dim, rank]`: `trivec` so that a point's samples stand side by side."""
        return self.trivec.permute(0, 2, 3, 1).contiguous()


class SLatRadianceFieldDecoder(SwinTorso):
    """SLAT -> the numbers of a radiance field, voxel by voxel."""

    def __init__(self, params: SwinParams, representation: RadianceFieldParams) -> None:
        super().__init__(params)
        self.resolution = params.resolution
        self.representation = representation
        self.out_layer = nn.Linear(params.model_channels, representation.channels)
        xavier_(self)
        zero_(self.out_layer)

    def forward(self, slat: SparseTensor) -> Tensor:
        """`feats [L, latent]` -> `[L, rank (3 dim + 4)]`; see `radiance_fields`."""
        h = self.run_torso(slat).feats.to(slat.feats.dtype)
        raw: Tensor = self.out_layer(layer_norm(h, 1e-5))
        return raw

    def radiance_fields(self, slat: SparseTensor, raw: Tensor) -> list[RadianceField]:
        """Split what `forward` made of `slat` into one radiance field per sample.

        Returns:
            As many as the batch has samples, float32; a sample without voxels is an empty field.
        """
        rank, dim = self.representation.rank, self.representation.dim
        lengths = slat.lengths()
        made = []
        for coords, numbers in zip(
            torch.split(slat.coords, lengths), torch.split(raw.float(), lengths), strict=True
        ):
            lines, density, color = torch.split(numbers, [rank * 3 * dim, rank, 3 * rank], dim=1)
            made.append(
                RadianceField(
                    resolution=self.resolution,
                    coords=coords[:, 1:],
                    # All lines at 1 is the constant product: an untrained head is uniform fog.
                    trivec=lines.reshape(-1, rank, 3, dim) + 1,
                    density=density,
                    features_dc=color.reshape(-1, rank, 3),
                )
            )
        return made


def evaluate(field: RadianceField, points: Tensor) -> tuple[Tensor, Tensor]:
    """Look up density and color at points.

    Args:
        field: What to look up.
        points: `[N, 3]` positions; the object fills [-0.5, 0.5]^3.

    Returns:
        sigma `[N]`: extinction per voxel side, 0 outside the active voxels. Color `[N, 3]`: sRGB
        as the pictures it was trained on, black outside.
    """
    cells = (points + 0.5) * field.resolution
    corner = cells.floor()
    is_inside = ((corner >= 0) & (corner < field.resolution)).all(1)
    index = torch.where(is_inside[:, None], corner, 0).long()
    rows = torch.where(is_inside, field.voxel_rows()[index.unbind(1)], -1)
    hit = (rows >= 0).nonzero().squeeze(1)
    sigma_hit, color_hit = evaluate_in_voxels(field, rows[hit].long(), (cells - corner)[hit])
    sigma = field.density.new_zeros(len(points)).index_copy(0, hit, sigma_hit)
    color = field.density.new_zeros(len(points), 3).index_copy(0, hit, color_hit)
    return sigma, color


def evaluate_in_voxels(field: RadianceField, rows: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
    """Look up density and color where the voxel is known already.

    Args:
        field: What to look up.
        rows: `[N]` int64: which voxel each point lies in.
        local: `[N, 3]`: where in that voxel, in [0, 1].

    Returns:
        sigma `[N]` and color `[N, 3]`.
    """
    lines = field.line_samples().flatten(0, 2)  # [L * 3 * dim, rank]
    parts = [
        _evaluate_chunk(field, lines, rows_part, local_part)
        for rows_part, local_part in zip(
            torch.split(rows, _CHUNK_POINTS), torch.split(local, _CHUNK_POINTS), strict=True
        )
    ]
    return torch.cat([sigma for sigma, _ in parts]), torch.cat([color for _, color in parts])


def _evaluate_chunk(
    field: RadianceField, lines: Tensor, rows: Tensor, local: Tensor
) -> tuple[Tensor, Tensor]:
    last = field.dim - 1
    at = (local * field.dim - 0.5).clamp(0, last)  # beyond the outer samples a line is constant
    low = at.floor().long()
    high = (low + 1).clamp(max=last)
    weight = (at - low).to(lines.dtype)[..., None]
    axis = torch.arange(3, device=rows.device)
    first = (rows[:, None] * 3 + axis) * field.dim  # [N, 3]
    product = torch.lerp(lines[first + low], lines[first + high], weight).prod(1)  # [N, rank]
    sigma = F.softplus((product * field.density[rows]).sum(1))
    color = torch.sigmoid(SH_0 * (product[..., None] * field.features_dc[rows]).sum(1))
    return sigma, color


_LAYOUT = {
    "format": "lodsmith-radiance-field",
    "version": 1,
    "frame": "the object fills the cube [-0.5, 0.5]^3, right-handed, Z up; axes are x, y, z",
    "coords": "[L, 3] voxel i of an axis covers [i / resolution - 0.5, (i + 1) / resolution - 0.5)",
    "trivec": "[L, rank, axis, dim] line samples; sample k lies at (k + 0.5) / dim of the voxel, "
    "linear between samples, constant beyond the outer ones; product p_r over the three axes",
    "density": "[L, rank] sigma = softplus(sum_r density_r p_r), per voxel side",
    "features_dc": "[L, rank, channel] sRGB = sigmoid(0.28209479 sum_r features_dc_r p_r)",
}


def radiance_field_to_bytes(field: RadianceField, *, dtype: torch.dtype = torch.float16) -> bytes:
    """Write a safetensors file; the same field gives the same bytes.

    The tensors are named as in `RadianceField`: `coords` (int32) and `trivec`, `density`,
    `features_dc` (`dtype`), row-major, voxel after voxel. The file's metadata holds one entry,
    `lodsmith`: a JSON object with `resolution` (an integer) and, in words, the layout, frame and
    formulas, so that the file explains itself.

    Args:
        field: What to write.
        dtype: float16 (released size: about 900 bytes per voxel) or float32.

    Raises:
        InvalidInput: If a value is not finite or does not fit in `dtype`.
    """
    assert dtype in (torch.float16, torch.float32)
    tensors = {"coords": field.coords.to("cpu", torch.int32).contiguous()}
    for name in ("trivec", "density", "features_dc"):
        values: Tensor = getattr(field, name)
        tensors[name] = values.detach().to("cpu", dtype).contiguous()
        if not tensors[name].isfinite().all():
            raise InvalidInput(
                f"the radiance field's {name} reaches {float(values.abs().max()):g}, which "
                f"{str(dtype).removeprefix('torch.')} cannot hold; write it as float32"
            )
    described = {**_LAYOUT, "resolution": field.resolution}
    # One entry: the library writes several in no fixed order.
    return save(tensors, {"lodsmith": json.dumps(described, sort_keys=True)})


def radiance_field_from_bytes(content: bytes) -> RadianceField:
    """Read what `radiance_field_to_bytes` wrote; values come back as float32.

    Raises:
        InvalidInput: If `content` is another kind of file, cut short, or its tensors disagree.
    """
    try:
        tensors = load(content)
        header_size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + header_size])
        described = json.loads(header["__metadata__"]["lodsmith"])
        written_by, resolution = described["format"], described["resolution"]
        field = RadianceField(
            resolution=resolution,
            coords=tensors["coords"].long(),
            trivec=tensors["trivec"].float(),
            density=tensors["density"].float(),
            features_dc=tensors["features_dc"].float(),
        )
    except (SafetensorError, KeyError, ValueError, TypeError) as e:
        raise InvalidInput(f"this file is no radiance field of lodsmith's ({e})") from e
    if (written_by, described.get("version")) != (_LAYOUT["format"], _LAYOUT["version"]):
        raise InvalidInput(
            f"this file is {written_by} version {described.get('version')}, and only "
            f"{_LAYOUT['format']} version {_LAYOUT['version']} can be read"
        )
    problem = _problem(field)
    if problem is not None:
        raise InvalidInput(f"this radiance field is damaged: {problem}")
    return field


def _problem(field: RadianceField) -> str | None:
    """What keeps a field that was read from being one."""
    if not isinstance(field.resolution, int) or not 1 <= field.resolution <= 256:
        return f"resolution must be a whole number in 1..256, got {field.resolution!r}"
    if field.trivec.ndim != 4 or field.trivec.shape[2] != 3 or 0 in field.trivec.shape[1:]:
        return f"trivec must be [L, rank, 3, dim], got {list(field.trivec.shape)}"
    count, rank = field.trivec.shape[:2]
    for name, shape in (
        ("trivec", [count, rank, 3, field.dim]),
        ("coords", [count, 3]),
        ("density", [count, rank]),
        ("features_dc", [count, rank, 3]),
    ):
        if list(getattr(field, name).shape) != shape:
            return f"{name} must be {shape}, got {list(getattr(field, name).shape)}"
        if not getattr(field, name).isfinite().all():
            return f"{name} holds numbers that are not finite"
    if ((field.coords < 0) | (field.coords >= field.resolution)).any():
        return f"coords must lie in [0, {field.resolution})"
    if len(torch.unique(field.coords, dim=0)) < count:
        return "a voxel is listed twice"
    return None
