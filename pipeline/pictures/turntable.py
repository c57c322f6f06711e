"""An asset that turns once around, as a looping WebP or GIF."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pipeline.errors import InvalidInput
from pipeline.pictures.levels import Level, read_levels
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.render import Camera, render_views
from pipeline.types import ByteArray

# Of lossy WebP: at 90 files are twice as large, below 70 blocks show on even backgrounds.
_QUALITY = 75
_FILL_RATIO = 0.86
_SLOPE = math.tan(math.radians(15))  # of half the view angle


@dataclass(frozen=True, kw_only=True)
class TurntableOptions:
    """Options of `turntable`.

    frames: for one turn, 4..120. size_px: width and height, 16..1024.
    turn_s: how long one turn takes, seconds, 0.5..60. format: GIF is larger and has 256 colors.
    yaw_deg: where it starts; 0 is the front (+Z), 90 is +X. pitch_deg: how far from above, -90..90.
    """

    frames: int = 24
    size_px: int = 384
    turn_s: float = 2.4
    format: Literal["webp", "gif"] = "webp"
    yaw_deg: float = 32.0
    pitch_deg: float = 18.0

    def __post_init__(self) -> None:
        if not 4 <= self.frames <= 120:
            raise InvalidInput(f"frames must be from 4 to 120, got {self.frames}")
        if not 16 <= self.size_px <= 1024:
            raise InvalidInput(
                f"size_px of a turntable must be from 16 to 1024, got {self.size_px}"
            )
        if not 0.5 <= self.turn_s <= 60:
            raise InvalidInput(f"turn_s must be from 0.5 to 60, got {self.turn_s}")
        if self.format not in ("webp", "gif"):
            raise InvalidInput(f"format must be webp or gif, got {self.format!r}")
        Viewpoint(yaw_deg=self.yaw_deg, pitch_deg=self.pitch_deg)


_DEFAULTS = TurntableOptions()


def turntable(
    glb: bytes,
    options: TurntableOptions = _DEFAULTS,
    *,
    lod: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> bytes:
    """Return an endless animation of one turn, counter-clockwise seen from above.

    The asset turns about the middle of its bounding box at a distance at which it stays within the
    picture all around; camera and light stand still. Same input, same bytes.

    Args:
        glb: A .glb as `read_glb` takes it.
        options: How it is shown.
        lod: Which LOD.
        tick: Called every 0.1 s or so; what it raises passes through.

    Raises:
        InvalidInput, Unsupported: As `read_glb`, and if there is no such LOD.
    """
    level = read_levels(glb, tick).level(lod)
    pictures = render_views(
        level.draws, _around(level, options), size_px=options.size_px, tick=tick
    )
    return _encoded(pictures, options, tick)


def _around(level: Level, options: TurntableOptions) -> list[Camera]:
    """Cameras on a circle about the middle; against it they move, so that it turns."""
    low, high = level.bounds
    middle = (low + high) / 2
    px, py, pz = (level.positions.astype(np.float64) - middle).T
    pitch = math.radians(options.pitch_deg)
    axes, distances = [], []
    for frame in range(options.frames):
        yaw = math.radians(options.yaw_deg - 360 * frame / options.frames)
        right = np.array([math.cos(yaw), 0.0, -math.sin(yaw)])
        flat = np.array([math.sin(yaw), 0.0, math.cos(yaw)])
        back = math.cos(pitch) * flat + math.sin(pitch) * np.array([0.0, 1.0, 0.0])
        frame_axes = np.stack([right, np.cross(back, right), back])
        axes.append(frame_axes)
        # Without BLAS, which rounds differently with the number of threads.
        x, y, z = (px * axis[0] + py * axis[1] + pz * axis[2] for axis in frame_axes)
        wide = np.maximum(np.abs(x), np.abs(y)) / (_SLOPE * _FILL_RATIO)
        distances.append(float((z + wide).max()))
    distance = max(distances)
    return [Camera(axes=each, eye=middle + distance * each[2], slope=_SLOPE) for each in axes]


def _encoded(
    pictures: Sequence[ByteArray], options: TurntableOptions, tick: Callable[[], None]
) -> bytes:
    frame_ms = round(1000 * options.turn_s / len(pictures))
    out = io.BytesIO()
    if options.format == "gif":
        frames = _with_one_palette(pictures, tick)
        tick()
        frames[0].save(
            out,
            "GIF",
            save_all=True,
            append_images=frames[1:],
            duration=max(frame_ms, 20),  # browsers slow down what is faster
            loop=0,
            optimize=False,
        )
        return out.getvalue()
    frames = [PillowImage.fromarray(picture) for picture in pictures]
    tick()
    frames[0].save(
        out,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=frame_ms,
        loop=0,
        quality=_QUALITY,
        method=2,
        kmax=1,  # each frame whole: differences leave ghosts on the background, and save nothing
    )
    return out.getvalue()


def _with_one_palette(
    pictures: Sequence[ByteArray], tick: Callable[[], None]
) -> list[PillowImage.Image]:
    """Reduce all frames to the same 256 colors, or the background would flicker."""
    bins: NDArray[np.int64] = np.zeros(1 << 15, np.int64)
    for picture in pictures:
        tick()
        r, g, b = (picture[:, :, channel].astype(np.int64) >> 3 for channel in range(3))
        bins += np.bincount((r << 10 | g << 5 | b).ravel(), minlength=len(bins))
    # By the root of how often they are seen: the background must not take most of the palette.
    weights = np.ceil(np.sqrt(bins)).astype(np.int64)
    numbers = np.repeat(np.arange(len(bins)), weights)
    shades = np.stack([numbers >> 10, numbers >> 5 & 31, numbers & 31], axis=1)
    row = (shades * 255 // 31).astype(np.uint8)[None]
    palette = PillowImage.fromarray(row).quantize(256, PillowImage.Quantize.MEDIANCUT)
    frames = []
    for picture in pictures:
        tick()
        image = PillowImage.fromarray(picture)
        frames.append(image.quantize(palette=palette, dither=PillowImage.Dither.FLOYDSTEINBERG))
    return frames
