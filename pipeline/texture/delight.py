"""An estimate of the light that was painted into colors, to be divided out.

Photographs, and generators that learned from them, leave light from above in the colors: engines
then light it a second time. What can be told from the surface alone is how brightness depends on
where it looks; a dark roof over bright walls looks the same, so this is an estimate, and off unless
asked for.

Source: Ramamoorthi and Hanrahan, An Efficient Representation for Irradiance Environment Maps, 2001
(nine harmonics describe diffuse light within 1 %).
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.types import FloatArray

_LEAST, _MOST = 0.4, 2.5  # of the mean: beyond, it is no light but another color
_ROUNDS = 4  # each leaves out what is no light by the round before
_DARKEST = 1e-3  # linear; below, brightness says nothing
_WIDEST = 0.7  # in natural logarithms: how far a place may be from the estimate to count


class Shading:
    """Brightness by direction, relative to its mean."""

    def __init__(self, normals: NDArray[np.float64], colors: FloatArray) -> None:
        """Fit to places spread over the surface.

        Args:
            normals: `[N, 3]` unit length.
            colors: `[N, 3]` linear.
        """
        brightness = np.log(np.maximum(colors @ _LUMINANCE, _DARKEST)).astype(np.float64)
        basis = _harmonics(normals)
        is_used = colors @ _LUMINANCE > _DARKEST
        self._weights = np.zeros(basis.shape[1])
        if is_used.sum() < _LEAST_PLACES:
            return
        self._weights[0] = np.median(brightness[is_used])
        for _ in range(_ROUNDS):
            off = np.abs(brightness - basis @ self._weights)
            here = is_used & (off <= max(_WIDEST, float(np.median(off[is_used]))))
            # A pull toward even light, or a side that is hardly seen would get any value.
            pull = np.diag(np.r_[0.0, np.full(basis.shape[1] - 1, 0.01 * here.sum())])
            normal = basis[here].T @ basis[here] + pull
            self._weights = np.linalg.solve(normal, basis[here].T @ brightness[here])
        self._weights[0] = 0.0  # the mean brightness is the surface's own

    def at(self, normals: NDArray[np.float64]) -> FloatArray:
        """`[N]` float32: by how much light makes places with these normals brighter."""
        factor = np.exp(_harmonics(normals) @ self._weights)
        clipped: FloatArray = np.clip(factor, _LEAST, _MOST).astype(np.float32)
        return clipped

    @property
    def contrast(self) -> float:
        """The brightest direction over the darkest, at least 1."""
        ratio = self.at(_DIRECTIONS)
        return float(ratio.max() / ratio.min())


_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_LEAST_PLACES = 64


def _harmonics(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """`[N, 9]`: real spherical harmonics up to the second order, the first scaled to 1."""
    x, y, z = normals[:, 0], normals[:, 1], normals[:, 2]
    return np.stack(
        [np.ones(len(normals)), x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * y * y - 1], axis=1
    )


def _even_directions(count: int) -> NDArray[np.float64]:
    index = np.arange(count) + 0.5
    height = 1 - 2 * index / count
    around = index * np.pi * (3 - 5**0.5)
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(around), height, radius * np.sin(around)], axis=1)


_DIRECTIONS = _even_directions(512)
