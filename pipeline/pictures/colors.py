"""Numbers -> colors that look as far apart as the numbers are.

`sequential` runs straight through the lightness of Oklab from pale to dark, while the hue turns
from yellow over red to violet: equal steps look equal, it survives gray print, and what has no
error stays pale, so that the shape of a surface is still seen. `diverging` is pale in the middle
and as dark at both ends, blue and orange, which people who confuse red and green tell apart.

Source: Ottosson, A perceptual color space for image processing, 2020 (Oklab); the idea of a map
that is even by construction from Smith and van der Walt, A Better Default Colormap for Matplotlib,
2015.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.srgb import srgb_from_linear
from pipeline.types import ByteArray

Float64Array = NDArray[np.float64]

Table = Float64Array  # `[256, 3]` linear RGB in [0, 1], for the numbers from 0 to 1

_PALE, _DARK = 0.95, 0.34  # lightness
_HUE_DEG = (112.0, -65.0)
_CHROMA = 0.155  # the most that fits between: sRGB has little at both ends

_END_LIGHTNESS = 0.48
_LOW_HUE_DEG, _HIGH_HUE_DEG = 255.0, 45.0
_END_CHROMA = 0.115

# Of lines on a dark ground, one for each LOD: apart in hue, alike in lightness.
LEVEL_COLORS = (
    (255, 176, 46),
    (64, 196, 255),
    (255, 106, 138),
    (126, 224, 98),
    (196, 148, 255),
    (255, 238, 110),
    (64, 230, 205),
    (240, 240, 245),
)


@cache
def sequential() -> Table:
    """From nothing (pale) to much (dark)."""
    t = np.linspace(0.0, 1.0, 256)
    lightness = _PALE + (_DARK - _PALE) * t
    hue = np.radians(_HUE_DEG[0] + (_HUE_DEG[1] - _HUE_DEG[0]) * t)
    chroma = _CHROMA * np.sin(np.pi * (0.1 + 0.72 * t))
    return linear_from_oklab(lightness, chroma * np.cos(hue), chroma * np.sin(hue))


@cache
def diverging() -> Table:
    """From too little (blue) over right (pale) to too much (orange)."""
    away = np.linspace(-1.0, 1.0, 256)
    lightness = _PALE + (_END_LIGHTNESS - _PALE) * np.abs(away)
    hue = np.radians(np.where(away < 0, _LOW_HUE_DEG, _HIGH_HUE_DEG))
    chroma = _END_CHROMA * np.abs(away)
    return linear_from_oklab(lightness, chroma * np.cos(hue), chroma * np.sin(hue))


def linear_from_oklab(lightness: Float64Array, a: Float64Array, b: Float64Array) -> Float64Array:
    """Return linear sRGB `[..., 3]` of Oklab coordinates; out of gamut it leaves [0, 1]."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return np.stack(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ],
        axis=-1,
    )


def linear_colors(shares: Float64Array, table: Table) -> Float64Array:
    """Return the linear RGB `[..., 3]` of values in [0, 1]; those outside count as the ends."""
    place = np.clip(np.nan_to_num(shares), 0.0, 1.0) * 255
    low = np.minimum(place.astype(np.int64), 254)
    step = (place - low)[..., None]
    colors: Float64Array = table[low] * (1 - step) + table[low + 1] * step
    return colors


def colors(shares: Float64Array, table: Table) -> ByteArray:
    """Return the sRGB `[..., 3]` uint8 of values in [0, 1]; those outside count as the ends."""
    return (srgb_from_linear(linear_colors(shares, table)) * 255 + 0.5).astype(np.uint8)
