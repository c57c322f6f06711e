"""Picture -> cut-out, centred, square model input."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image as Pil
from PIL import ImageOps

from pipeline.cutout import SOLID_ALPHA, cut_out
from pipeline.damaged_pictures import DAMAGED
from pipeline.errors import InvalidInput
from pipeline.types import ByteArray, Progress, Stage

MAX_PIXELS = 64_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


def preprocess(
    content: bytes, size_px: int, progress: Progress, matting: Path | None = None
) -> ByteArray:
    """Prepare a picture for the picture encoder.

    The object is freed from its background (see `cut_out`), then centred in a square 1.2 times
    its size, on black.

    Args:
        content: A PNG, JPEG or WebP file.
        size_px: Side of the result.
        progress: Hears about a cut-out that may be poor.
        matting: `u2net.onnx`, which finds objects before any background; None to do without.

    Returns:
        `[size_px, size_px, 3]` uint8.

    Raises:
        InvalidInput: If it is no picture, too large, or shows nothing.
        ModelUnavailable: If `matting` is not the file that it should be.
    """
    progress(Stage.PREPROCESS, 0.0)
    rgba = cut_out(_decode(content), matting, progress)
    solid = rgba[..., 3] > SOLID_ALPHA
    if not solid.any():
        raise InvalidInput(
            "the picture is transparent everywhere (no pixel has alpha above 204); "
            "give a picture with a visible object"
        )
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    x0, x1, y0, y1 = columns[0], columns[-1], rows[0], rows[-1]
    half = int(max(x1 - x0, y1 - y0) * 1.2) // 2
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    if half == 0:
        spot = max(x1 - x0, y1 - y0) + 1
        raise InvalidInput(
            f"the visible object is only {spot} pixel(s) wide; give a picture that shows it larger"
        )
    if (2 * half) ** 2 > MAX_PIXELS:  # a thin picture can be within the limit, its square not
        raise InvalidInput(
            f"the object is {x1 - x0 + 1} x {y1 - y0 + 1} pixels, and a square around it has more "
            f"than {MAX_PIXELS:,}: scale the picture down"
        )
    square = Pil.fromarray(rgba).crop((cx - half, cy - half, cx + half, cy + half))
    small = np.asarray(square.resize((size_px, size_px), Pil.Resampling.LANCZOS), np.float32)
    progress(Stage.PREPROCESS, 1.0)
    return (small[..., :3] * (small[..., 3:] / 255)).astype(np.uint8)


def _decode(content: bytes) -> ByteArray:
    """`[H, W, 4]`; the size is checked on the header, before the pixels are."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pil.DecompressionBombWarning)
            picture = Pil.open(io.BytesIO(content), formats=_FORMATS)
    except Pil.DecompressionBombError as e:  # Pillow's own limit comes first, at twice this number
        raise InvalidInput(
            _too_large(f"more than {2 * (Pil.MAX_IMAGE_PIXELS or 0):,} pixels")
        ) from e
    except DAMAGED as e:
        raise InvalidInput(
            f"the file is not a readable PNG, JPEG or WebP picture ({len(content)} bytes); "
            "save it as PNG"
        ) from e
    if picture.width * picture.height > MAX_PIXELS:
        raise InvalidInput(_too_large(f"{picture.width} x {picture.height} pixels"))
    try:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode.startswith("I"):  # 16 bits of gray, which `convert` clips at 255
            upright = Pil.fromarray((np.asarray(upright) // 257).astype(np.uint8))
        return np.asarray(upright.convert("RGBA"))
    except DAMAGED as e:
        raise InvalidInput(f"the picture is damaged: {e}; save it again as PNG") from e


def _too_large(what: str) -> str:
    return f"the picture has {what}; at most {MAX_PIXELS:,} pixels are taken: scale it down"
