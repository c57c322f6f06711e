"""Which texel is meant beyond the borders of a texture."""

from collections.abc import Mapping

import numpy as np
from numba import njit

from pipeline.types import Image, Wrap

_REPEAT, _CLAMP, _MIRROR = 0, 1, 2
_CODES: Mapping[Wrap, int] = {"repeat": _REPEAT, "clamp": _CLAMP, "mirror": _MIRROR}


def wrap_codes(image: Image) -> tuple[int, int]:
    """Return how a texture goes on along u and along v, as the kernels here know it."""
    along_u, along_v = image.wrap
    return _CODES[along_u], _CODES[along_v]


@njit(cache=True, error_model="numpy", nogil=True)
def folded(coordinate: float, code: int) -> float:
    """Return where in [0, 1] of the texture a coordinate reads; `code` is of `wrap_codes`.

    Whatever a stranger's file says: coordinates may be beyond what an integer holds, and what was
    interpolated between such ones no number at all.
    """
    if not np.isfinite(coordinate):
        return 0.0
    if code == _CLAMP:
        return min(max(coordinate, 0.0), 1.0)
    if code == _MIRROR:
        within: float = coordinate - 2.0 * np.floor(coordinate / 2.0)
        return 2.0 - within if within > 1.0 else within
    # Not `math.floor`, which makes an integer here.
    beyond: float = coordinate - np.floor(coordinate)
    return beyond


@njit(cache=True, error_model="numpy", nogil=True)
def beside(index: int, count: int, code: int) -> int:
    """Return the texel that stands at `index` in -1..count, one beyond the `count` that there are.

    A bilinear read needs it: a repeated texture goes on at its other border, a mirrored one with
    the same texel again, as a clamped one does.
    """
    if code == _REPEAT:
        return index % count
    return min(max(index, 0), count - 1)
