"""What looks wrong in a finished base color."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from pipeline.srgb import LINEAR_OF_BYTE
from pipeline.types import ByteArray, FloatArray, IntArray

_BLACK = 3  # of 255, in the brightest channel: no paint and no charcoal is as dark
_WHITE = 0.8  # linear, in the darkest channel: above, no color is left
_RISE = 0.35  # linear: how far a highlight is above what is around it
_AROUND = 1 / 16  # of the texture's side
_BLOCK = 4  # texels; a highlight is larger


def black_ratio(base_color: ByteArray, owners: IntArray) -> float:
    """Return the share of texels with an owner that have no light in any channel."""
    seen = base_color[owners >= 0][:, :3]
    return float((seen.max(axis=1) <= _BLACK).mean()) if len(seen) else 0.0


def highlight_ratio(base_color: ByteArray, owners: IntArray) -> float:
    """Return the share of texels that are nearly white, with darker ones around.

    White surfaces are as bright as what is around them and do not count; white stripes do.

    Args:
        base_color: `[H, W, 3 or 4]` sRGB, nothing where there is no owner.
        owners: `[H, W]` face of each texel, or -1.
    """
    darkest = _block_means(LINEAR_OF_BYTE[base_color[:, :, :3].min(axis=2)], owners)
    share = _block_means(np.ones(owners.shape, np.float32), owners)
    if not share.any():
        return 0.0
    value = np.divide(darkest, share, where=share > 0, out=np.zeros_like(darkest))
    width = max(3, int(_AROUND * len(value)))
    around = uniform_filter(darkest, width, mode="constant")
    around /= np.maximum(uniform_filter(share, width, mode="constant"), 1e-6)
    is_high = (value > _WHITE) & (value - around > _RISE)
    return float(share[is_high].sum() / share.sum())


def _block_means(values: FloatArray, owners: IntArray) -> FloatArray:
    """Means over blocks, as if texels without an owner were 0."""
    block = min(_BLOCK, len(owners))
    size = len(owners) // block * block
    masked: NDArray[np.float32] = np.where(owners >= 0, values, np.float32(0))[:size, :size]
    blocks = masked.reshape(size // block, block, size // block, block)
    means: FloatArray = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means
