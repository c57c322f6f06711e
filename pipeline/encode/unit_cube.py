"""The cube that the models work in, and where it lies in an asset's space."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.types import FloatArray, Mesh, Surface

# Nothing lies on the border itself, where `floor` would name a voxel outside the grid.
_HALF = 0.5 - 1e-6


@dataclass(frozen=True, kw_only=True)
class UnitCube:
    """The models' cube [-0.5, 0.5]^3, Z up, in glTF space, metres, Y up. Only moved and scaled.

    center: its middle, metres. side_m: its side, metres.
    """

    center: tuple[float, float, float]
    side_m: float

    def to_cube(self, positions: FloatArray) -> NDArray[np.float64]:
        """`[V, 3]` metres -> `[V, 3]` in the cube; what lies outside moves to its border."""
        x, y, z = ((positions.astype(np.float64) - self.center) / self.side_m).T
        inside: NDArray[np.float64] = np.clip(np.stack([x, -z, y], axis=1), -_HALF, _HALF)
        return inside

    def to_space(self, positions: FloatArray) -> FloatArray:
        """`[V, 3]` in the cube -> `[V, 3]` metres."""
        x, y, z = positions.astype(np.float64).T
        moved = np.stack([x, z, -y], axis=1) * self.side_m + self.center
        return moved.astype(np.float32)

    def mesh(self, surface: Surface) -> Mesh:
        """The triangles of a surface in the cube."""
        inside = self.to_cube(surface.positions).astype(np.float32)
        return Mesh(positions=inside, faces=surface.faces)


def fit_cube(surface: Surface, largest_extent: float) -> UnitCube:
    """The cube around the middle of a surface's bounding box.

    Args:
        surface: What is to lie in it; vertices without faces do not count.
        largest_extent: The surface's longest side as a share of the cube's, in (0, 1].

    Raises:
        InvalidInput: If the surface has no faces, no extent or places that are no numbers.
    """
    assert 0 < largest_extent <= 1
    if len(surface.faces) == 0:
        raise InvalidInput("the surface has no triangles, so there is nothing to encode")
    corners = surface.positions[np.unique(surface.faces)].astype(np.float64)
    if not np.isfinite(corners).all():
        raise InvalidInput("the surface has positions that are no numbers; export it again")
    low, high = corners.min(axis=0), corners.max(axis=0)
    longest = float((high - low).max())
    if longest <= 0:
        raise InvalidInput("all triangles of the surface lie in one point; export it again")
    x, y, z = ((low + high) / 2).tolist()
    return UnitCube(center=(x, y, z), side_m=longest / largest_extent)
