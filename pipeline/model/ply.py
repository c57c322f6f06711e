"""Gaussians <-> PLY, the file that viewers of Gaussian splats read.

The layout is that of Kerbl et al., 3D Gaussian Splatting for Real-Time Radiance Field Rendering,
2023, with colors of degree 0; the axes are those of TRELLIS' files: x, -z, y. Viewers of splats
show the file's -y upward, which is the world's +z.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.errors import InvalidInput
from pipeline.model.gaussians import Gaussians
from pipeline.types import FloatArray

_PROPERTIES = (
    "x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
    "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
)  # fmt: skip
_LONGEST_HEADER = 4096
# The file holds logarithms; these keep them finite.
_OPACITY_MARGIN = 1e-6
_SMALLEST_SCALE = 1e-12


def gaussians_to_ply(gaussians: Gaussians) -> bytes:
    """Write a binary PLY: 68 bytes per Gaussian, in their order.

    Opacities of 0 and 1 are written as 0.000001 from there, and one that is not a number as 0.

    Raises:
        InvalidInput: If a position, scale, rotation or color is not finite: no viewer could show
            it.
    """
    fields = {
        name: values.detach().to("cpu", torch.float64).numpy()
        for name, values in vars(gaussians).items()
    }
    for name in ("positions", "scales", "rotations", "features_dc"):
        is_broken = ~np.isfinite(fields[name]).all(axis=1)
        if is_broken.any():
            raise InvalidInput(
                f"{is_broken.sum()} of {len(gaussians)} Gaussians have {name} that are not finite; "
                "leave them out"
            )
    table = np.zeros((len(gaussians), len(_PROPERTIES)), "<f4")
    x, y, z = fields["positions"].T
    table[:, 0:3] = np.stack([x, -z, y], axis=1)
    table[:, 6:9] = fields["features_dc"]
    opacity = np.nan_to_num(fields["opacities"], nan=0.0)
    opacity = opacity.clip(_OPACITY_MARGIN, 1 - _OPACITY_MARGIN)
    table[:, 9] = np.log(opacity) - np.log1p(-opacity)
    table[:, 10:13] = np.log(fields["scales"].clip(_SMALLEST_SCALE))
    table[:, 13:17] = _turned(fields["rotations"], quarter_turns=1)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(gaussians)}",
        *(f"property float {name}" for name in _PROPERTIES),
        "end_header\n",
    ]
    return "\n".join(header).encode("ascii") + table.tobytes()


def gaussians_from_ply(content: bytes) -> Gaussians:
    """Read what `gaussians_to_ply` wrote, and files of the same layout.

    Raises:
        InvalidInput: If the file is no such PLY; the message names the first thing that differs.
    """
    header = _read_header(content)
    size = header.count * len(_PROPERTIES) * 4
    body = content[header.length :]
    if len(body) != size:
        raise InvalidInput(
            f"the PLY has {len(body)} bytes after its header, its {header.count} Gaussians need "
            f"{size}; copy it again"
        )
    table = np.frombuffer(body, "<f4").reshape(header.count, len(_PROPERTIES)).astype(np.float64)
    x, y, z = table[:, 0:3].T
    rotations = _turned(table[:, 13:17], quarter_turns=-1)

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32))

    return Gaussians(
        positions=tensor(np.stack([x, z, -y], axis=1)),
        scales=tensor(np.exp(table[:, 10:13])),
        rotations=tensor(rotations),
        opacities=tensor(1 / (1 + np.exp(-table[:, 9]))),
        features_dc=tensor(table[:, 6:9]),
    )


@dataclass(frozen=True, kw_only=True)
class _Header:
    count: int  # Gaussians
    length: int  # bytes


def _read_header(content: bytes) -> _Header:
    end = content[:_LONGEST_HEADER].find(b"end_header\n")
    if not content.startswith(b"ply\n") or end < 0:
        raise InvalidInput("the file is no PLY: it must begin with ply and have an end_header")
    lines = content[:end].decode("ascii", "replace").splitlines()[1:]
    lines = [line for line in lines if not line.startswith("comment")]
    if lines[:1] != ["format binary_little_endian 1.0"]:
        raise InvalidInput(f"the PLY must be binary_little_endian 1.0, got {lines[:1]}")
    element, _, count = lines[1].rpartition(" ") if len(lines) > 1 else ("", "", "")
    if element != "element vertex" or not count.isdecimal():
        raise InvalidInput("the PLY must have one element vertex with a count")
    expected = [f"property float {name}" for name in _PROPERTIES]
    for found, wanted in zip(lines[2:] + [""] * len(expected), expected, strict=False):
        if found != wanted:
            raise InvalidInput(f"the PLY must have {wanted!r} here, got {found!r}")
    if len(lines) > 2 + len(expected):
        raise InvalidInput(
            f"the PLY has {lines[2 + len(expected)]!r}, which cannot be kept; "
            "only colors of degree 0 are supported"
        )
    return _Header(count=int(count), length=end + len(b"end_header\n"))


def _turned(quaternions: np.ndarray, *, quarter_turns: int) -> FloatArray:
    """Unit `[N, 4]` float32 after so many quarter turns about x; one takes y to z, z to -y."""
    half = quarter_turns * math.pi / 4
    c, s = math.cos(half), math.sin(half)
    w, x, y, z = quaternions.T
    turned = np.stack([c * w - s * x, c * x + s * w, c * y - s * z, c * z + s * y], axis=1)
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    unit: FloatArray = (turned / np.maximum(length, 1e-12)).astype(np.float32)
    return unit
