"""From where pictures are taken, and how large they are."""

import math
from dataclasses import dataclass

from pipeline.errors import InvalidInput

PREVIEW_PX = 256  # of pictures that only tell how far a job is


@dataclass(frozen=True, kw_only=True)
class Viewpoint:
    """A side of an asset.

    size_px: width and height of each picture of it, 16..4096.
    yaw_deg: 0 is the front (+Z), 90 is +X. pitch_deg: how far from above, -90..90.
    """

    size_px: int = 384
    yaw_deg: float = 32.0  # the front right, slightly above: three sides of a box
    pitch_deg: float = 18.0

    def __post_init__(self) -> None:
        if not 16 <= self.size_px <= 4096:
            raise InvalidInput(f"size_px must be from 16 to 4096, got {self.size_px}")
        if not math.isfinite(self.yaw_deg):
            raise InvalidInput(f"yaw_deg must be a number, got {self.yaw_deg}")
        if not -90 <= self.pitch_deg <= 90:
            raise InvalidInput(f"pitch_deg must be from -90 to 90, got {self.pitch_deg}")
