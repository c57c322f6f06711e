"""How far apart two pictures are."""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.pictures.colors import colors, sequential
from pipeline.pictures.sheet import WELL, Sheet
from pipeline.types import ByteArray, FloatArray

# A difference of so many of 255 has the darkest color: a quarter of the range is plain to see.
MOST_LEVELS = 64


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two pictures of the same size, compared where either shows something.

    psnr_db: over the sRGB values of those pixels; infinite where they are the same.
    levels: `[H, W]` int16, the largest difference among the channels, of 255; 0 where nothing is.
    is_seen: `[H, W]` bool, where either shows something.
    """

    psnr_db: float
    levels: np.ndarray[tuple[int, ...], np.dtype[np.int16]]
    is_seen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

    @property
    def words(self) -> str:
        """The PSNR for people."""
        return "no difference" if math.isinf(self.psnr_db) else f"PSNR {self.psnr_db:.1f} dB"

    @property
    def picture(self) -> ByteArray:
        """`[H, W, 3]` sRGB: the difference as a color, nothing as the page's wells."""
        shown = colors(self.levels / MOST_LEVELS, sequential())
        shown[~self.is_seen] = WELL
        return shown


def write_scale(sheet: Sheet, left: int, top: int, width: int) -> None:
    """Write what the colors of a difference mean."""
    ticks = [(level / MOST_LEVELS, str(level)) for level in range(0, MOST_LEVELS, 16)]
    bar = colors(np.linspace(0, 1, 256), sequential())
    sheet.scale(left, top, width, bar, [*ticks, (1.0, f"{MOST_LEVELS}+")])


def difference(
    one: tuple[ByteArray, FloatArray], other: tuple[ByteArray, FloatArray]
) -> Difference:
    """Compare two pictures as `render_plain` returns them."""
    apart = np.abs(one[0].astype(np.int16) - other[0])
    is_seen = (one[1] > 0) | (other[1] > 0)
    seen = apart[is_seen].astype(np.float64)
    mean = float((seen**2).mean()) if seen.size else 0.0
    return Difference(
        psnr_db=10 * math.log10(255**2 / mean) if mean > 0 else math.inf,
        levels=apart.max(axis=2) * is_seen,
        is_seen=is_seen,
    )
