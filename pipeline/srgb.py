"""sRGB and linear light, both in [0, 1].

Source: IEC 61966-2-1, 1999.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Float = TypeVar("_Float", np.float32, np.float64)


def linear_from_srgb(srgb: NDArray[_Float]) -> NDArray[_Float]:
    """Decode sRGB. Values are not clipped; below 0 the straight part of the curve goes on."""
    curve = ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4
    return np.where(srgb <= 0.04045, srgb / 12.92, curve)


def srgb_from_linear(linear: NDArray[_Float]) -> NDArray[_Float]:
    """Encode linear light. Values are not clipped; below 0 the straight part goes on."""
    curve = 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve)


# What each byte of an sRGB texture means.
LINEAR_OF_BYTE = linear_from_srgb(np.arange(256) / 255).astype(np.float32)
