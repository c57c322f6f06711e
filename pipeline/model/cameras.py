"""Where pictures of the unit cube are taken from. Z is up; angles are degrees.

Source of the view sets: trellis.md's description of TRELLIS' renders, which its decoders and
encoders were trained on.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole that looks at the origin; OpenCV axes (x right, y down, z forward).

    yaw_deg: 0 stands at +Y, 90 at +X. pitch_deg: height over the horizon.
    distance: from the origin, in sides of the unit cube. fov_deg: field of view, both ways.
    """

    yaw_deg: float
    pitch_deg: float
    distance: float = 2.0
    fov_deg: float = 40.0

    @property
    def position(self) -> FloatArray:
        """`[3]` float32."""
        yaw, pitch = math.radians(self.yaw_deg), math.radians(self.pitch_deg)
        away = (math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), math.sin(pitch))
        return (self.distance * np.asarray(away)).astype(np.float32)

    @property
    def rotation(self) -> FloatArray:
        """`[3, 3]` float32, world to camera: its rows are the camera's right, down and forward."""
        forward = -self.position.astype(np.float64) / self.distance
        yaw = math.radians(self.yaw_deg)
        # Not a cross product with Z: it vanishes when the camera looks straight down.
        right = np.asarray((-math.cos(yaw), math.sin(yaw), 0.0))
        return np.stack([right, np.cross(forward, right), forward]).astype(np.float32)

    def world_to_camera(self, points: FloatArray) -> FloatArray:
        """`[N, 3]` -> `[N, 3]`; the third is the depth."""
        return ((points - self.position) @ self.rotation.T).astype(np.float32)

    def focal_px(self, size_px: int) -> float:
        """Focal length of a square picture whose principal point is its middle."""
        return 0.5 * size_px / math.tan(math.radians(self.fov_deg) / 2)


def sphere_views(count: int, *, distance: float = 2.0, fov_deg: float = 40.0) -> list[Camera]:
    """`count` cameras spread over the sphere by the Hammersley set."""
    return [
        Camera(
            yaw_deg=360.0 * radical_inverse(i, 2),
            pitch_deg=math.degrees(math.acos(1 - 2 * i / count)) - 90.0,
            distance=distance,
            fov_deg=fov_deg,
        )
        for i in range(count)
    ]


def radical_inverse(i: int, base: int) -> float:
    """Van der Corput sequence: the digits of `i` in `base`, mirrored at the point."""
    value, share = 0.0, 1.0 / base
    while i:
        i, digit = divmod(i, base)
        value += digit * share
        share /= base
    return value
