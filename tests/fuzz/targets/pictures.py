"""Pictures of objects: PNG, JPEG, WebP, as a generate job reads them."""

import io
from collections.abc import Mapping
from random import Random

import numpy as np
from PIL import Image as PillowImage

from pipeline.errors import PipelineError
from pipeline.preprocess import preprocess
from pipeline.types import Silent
from tests.fuzz.mutations.blind import blind
from tests.fuzz.mutations.png import changed_png
from tests.pipeline.samples import checkerboard

_SIZE_PX = 16


def consume(data: bytes) -> None:
    try:
        pixels = preprocess(data, _SIZE_PX, Silent())
    except PipelineError:
        return
    assert pixels.shape == (_SIZE_PX, _SIZE_PX, 3)
    assert pixels.dtype == np.uint8


def mutate(data: bytes, random: Random) -> bytes:
    return changed_png(data, random) if data.startswith(b"\x89PNG") else blind(data, random)


def seeds() -> Mapping[str, bytes]:
    opaque = PillowImage.fromarray(checkerboard(16))
    cut_out = opaque.convert("RGBA")
    cut_out.putalpha(PillowImage.fromarray(np.pad(np.full((8, 8), 255, np.uint8), 4)))
    turned = PillowImage.Exif()
    turned[0x0112] = 6  # orientation
    deep = PillowImage.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 256)
    palette = opaque.quantize(4)
    return {
        "rgb.png": _saved(opaque, "PNG"),
        "rgba.png": _saved(cut_out, "PNG"),
        "gray16.png": _saved(deep, "PNG"),
        "palette.png": _saved(palette, "PNG", transparency=0),
        "bilevel.png": _saved(opaque.convert("1"), "PNG"),
        "animated.png": _saved(cut_out, "PNG", save_all=True, append_images=[opaque]),
        "rgb.jpg": _saved(opaque, "JPEG", exif=turned),
        "progressive.jpg": _saved(opaque, "JPEG", progressive=True),
        "cmyk.jpg": _saved(opaque.convert("CMYK"), "JPEG"),
        "lossy.webp": _saved(opaque, "WEBP"),
        "lossless.webp": _saved(cut_out, "WEBP", lossless=True),
        "animated.webp": _saved(cut_out, "WEBP", save_all=True, append_images=[opaque]),
    }


def _saved(picture: PillowImage.Image, kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()
