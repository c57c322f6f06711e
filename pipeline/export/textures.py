"""The textures of a material -> encoded images."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
from PIL import Image as PillowImage

from pipeline.export.profiles import TextureFormat
from pipeline.types import ByteArray, Image, Material

# Level 3 is a fifth larger than level 9 and 15 times faster.
_PNG_LEVEL = 3
# 4:4:4 at 92 keeps chart borders clean; below, color bleeds over the gutter.
_JPEG_QUALITY = 92


def encode_textures(
    material: Material, texture_format: TextureFormat, report: Callable[[float], None]
) -> dict[str, tuple[bytes, str]]:
    """Encode the textures of a material: per suffix of its name, the file and its MIME type.

    "BC" base color, "N" normal, "ORM" occlusion, roughness and metallic in one, "E" emissive; only
    those that there are. Two are encoded at a time in threads, because one of 4096 x 4096 takes
    seconds and `report` wants to be called with the share that is done. It may raise.
    """
    pixels: dict[str, ByteArray] = {}
    if material.base_color is not None:
        # glTF ignores the alpha of an opaque material; so does every engine, but it takes room.
        keep_alpha = material.alpha_mode != "OPAQUE"
        pixels["BC"] = _channels(material.base_color, keep_alpha=keep_alpha)
    if material.normal is not None:
        pixels["N"] = _channels(material.normal)
    if material.occlusion is not None or material.metallic_roughness is not None:
        pixels["ORM"] = _orm(material.occlusion, material.metallic_roughness)
    if material.emissive is not None:
        pixels["E"] = _channels(material.emissive)
    pool = ThreadPoolExecutor(max_workers=2)
    try:
        running = {
            suffix: pool.submit(_encode, suffix, values, texture_format)
            for suffix, values in pixels.items()
        }
        pending = set(running.values())
        while pending:
            _, pending = wait(pending, timeout=0.1)
            report(1 - len(pending) / len(running))
        return {suffix: future.result() for suffix, future in running.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _channels(image: Image, *, keep_alpha: bool = False) -> ByteArray:
    """Return `[H, W, 3]`, or `[H, W, 4]` where alpha is kept and there is one."""
    color_count = 1 if image.pixels.shape[2] < 3 else 3
    color = image.pixels[:, :, :color_count]
    rgb = np.repeat(color, 3, axis=2) if color_count == 1 else color
    if keep_alpha and image.pixels.shape[2] in (2, 4):
        return np.concatenate([rgb, image.pixels[:, :, -1:]], axis=2)
    return rgb


def _orm(occlusion: Image | None, metallic_roughness: Image | None) -> ByteArray:
    """Return `[H, W, 3]`: R occlusion, G roughness, B metallic; what is missing is white.

    White leaves the factors as they are, whoever binds the texture to what.
    """
    given = [image for image in (occlusion, metallic_roughness) if image is not None]
    height = max(image.pixels.shape[0] for image in given)
    width = max(image.pixels.shape[1] for image in given)

    def resized(image: Image) -> ByteArray:
        rgb = _channels(image)
        if rgb.shape[:2] == (height, width):
            return rgb
        enlarged = PillowImage.fromarray(rgb).resize(
            (width, height), PillowImage.Resampling.BILINEAR
        )
        return np.asarray(enlarged)

    orm = np.full((height, width, 3), 255, np.uint8)
    if occlusion is not None:
        orm[:, :, 0] = resized(occlusion)[:, :, 0]
    if metallic_roughness is not None:
        orm[:, :, 1:] = resized(metallic_roughness)[:, :, 1:]
    return orm


def png(image: Image) -> bytes:
    """Encode a picture that is no texture of a material."""
    return _encode("", image.pixels, "png")[0]


def _encode(suffix: str, pixels: ByteArray, texture_format: TextureFormat) -> tuple[bytes, str]:
    image = PillowImage.fromarray(np.ascontiguousarray(pixels))
    out = io.BytesIO()
    # JPEG's blocks would show in every reflection of a normal map, and it has no alpha.
    if texture_format == "jpeg" and suffix != "N" and pixels.shape[2] == 3:
        image.save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        return out.getvalue(), "image/jpeg"
    image.save(out, "PNG", compress_level=_PNG_LEVEL)
    return out.getvalue(), "image/png"
