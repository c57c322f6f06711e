"""The textures of a material -> encoded images."""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pipeline.export.profiles import TextureFormat
from pipeline.srgb import LINEAR_OF_BYTE, linear_from_srgb, srgb_from_linear
from pipeline.threads import together
from pipeline.types import ByteArray, Image, Material

T = TypeVar("T")

# Level 3 is a fifth larger than level 9 and 15 times faster.
_PNG_LEVEL = 3
# Each about 2 dB apart. JPEG is 4:4:4: with fewer colors, they bleed over the gutters.
_QUALITIES = (60, 70, 78, 84, 88, 91, 93, 95, 97, 99)
# Lossy "auto" must be worth it: below this share of the PNG.
_WORTH_IT = 0.8
# Lossless WebP at effort 0 and method 2: a tenth larger than the best and 20 times faster.
_WEBP_METHOD = 2
_KTX2_KINDS: Mapping[str, Literal["color", "data", "normal"]] = {"ORM": "data", "N": "normal"}


@dataclass(frozen=True, kw_only=True)
class EncodedTexture:
    """A picture file. psnr_db: what it keeps; infinite where nothing is lost, None if unknown."""

    content: bytes
    mime_type: str
    width: int
    height: int
    psnr_db: float | None = math.inf


@dataclass(frozen=True, kw_only=True)
class TexturePlan:
    """How to encode. The three are as in `ExportOptions`; max_size in texels."""

    encoding: TextureFormat
    psnr_db: float
    max_size: int


def encode_textures(
    material: Material, plan: TexturePlan, report: Callable[[float], None]
) -> dict[str, EncodedTexture]:
    """Encode the textures of a material, per suffix of their names.

    "BC" base color, "N" normal, "ORM" occlusion, roughness and metallic in one, "E" emissive; only
    those that there are. They are encoded side by side in threads, because one of 4096 x 4096 takes
    seconds and `report` wants to be called with the share that is done. It may raise.
    """
    jobs = {
        suffix: partial(_encode_reduced, suffix, values, plan)
        for suffix, values in _pixels(material).items()
    }
    return _in_threads(jobs, report)


def separate_maps(
    material: Material, max_size: int, report: Callable[[float], None]
) -> dict[str, bytes]:
    """The textures of a material as PNGs for programs that want one per property.

    "Color" (with alpha where it shows), "Normal", "Metalness" and "Roughness" (gray), "Occlusion"
    (gray), "Emissive"; only those that there are. Factors are multiplied in, but for the normal
    map's scale and the emissive factor. `report` as in `encode_textures`.
    """

    def smaller(suffix: str, values: ByteArray, tick: Callable[[], None]) -> ByteArray:
        return reduced(values, max_size, suffix)

    jobs = {
        suffix: partial(smaller, suffix, values) for suffix, values in _pixels(material).items()
    }
    pixels = _in_threads(jobs, lambda fraction: report(0.4 * fraction))
    maps: dict[str, ByteArray] = {}
    if "BC" in pixels:
        maps["Color"] = _times(pixels["BC"], material.base_color_factor)
    if "N" in pixels:
        maps["Normal"] = pixels["N"]
    if material.metallic_roughness is not None:
        for name, channel, factor in [
            ("Metalness", 2, material.metallic_factor),
            ("Roughness", 1, material.roughness_factor),
        ]:
            values = pixels["ORM"][:, :, channel] * np.float32(factor)
            maps[name] = np.rint(values).astype(np.uint8)
    if material.occlusion is not None:
        maps["Occlusion"] = pixels["ORM"][:, :, 0]
    if "E" in pixels:
        maps["Emissive"] = pixels["E"]

    def encoded(values: ByteArray, tick: Callable[[], None]) -> bytes:
        return _exact(values, "png")

    return _in_threads(
        {name: partial(encoded, values) for name, values in maps.items()},
        lambda fraction: report(0.4 + 0.6 * fraction),
    )


def _in_threads(
    jobs: Mapping[str, Callable[[Callable[[], None]], T]], report: Callable[[float], None]
) -> dict[str, T]:
    """Run jobs by name, side by side, while `report` hears which share of them is done."""
    results = together(list(jobs.values()), lambda done: report(done / len(jobs)))
    return dict(zip(jobs, results, strict=True))


def png(image: Image) -> bytes:
    """Encode a picture that is no texture of a material."""
    return _exact(image.pixels, "png")


def reduced(pixels: ByteArray, max_size: int, suffix: str) -> ByteArray:
    """Pixels with no side longer than `max_size`: averages of light, directions or numbers.

    suffix: as in `encode_textures`; tells what the numbers mean.
    """
    height, width = pixels.shape[:2]
    if max(height, width) <= max_size:
        return pixels
    share = max_size / max(height, width)
    size = (max(1, round(width * share)), max(1, round(height * share)))
    is_light = suffix in ("BC", "E")
    planes = []
    for channel in range(pixels.shape[2]):
        plane = pixels[:, :, channel]
        values = LINEAR_OF_BYTE[plane] if is_light and channel < 3 else plane / np.float32(255)
        image = PillowImage.fromarray(values)
        planes.append(np.asarray(image.resize(size, PillowImage.Resampling.BOX)))
    mean = np.stack(planes, axis=2)
    if suffix == "N":
        normals = 2 * mean - 1
        length = np.sqrt((normals**2).sum(axis=2, keepdims=True))
        mean = (normals / np.maximum(length, np.float32(1e-6)) + 1) / 2
    if is_light:
        mean[:, :, :3] = srgb_from_linear(mean[:, :, :3])
    result: ByteArray = np.rint(np.clip(mean, 0, 1) * 255).astype(np.uint8)
    return result


def _pixels(material: Material) -> dict[str, ByteArray]:
    """The textures as they are written, per suffix."""
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
    return pixels


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


def _times(pixels: ByteArray, factor: tuple[float, float, float, float]) -> ByteArray:
    """Base color times its factor, which is linear."""
    if factor == (1.0, 1.0, 1.0, 1.0):
        return pixels
    result = pixels.copy()
    for channel in range(pixels.shape[2]):
        of_byte = np.arange(256, dtype=np.float64) / 255
        if channel < 3:
            table = srgb_from_linear(linear_from_srgb(of_byte) * factor[channel])
        else:
            table = of_byte * factor[channel]
        result[:, :, channel] = np.rint(np.clip(table, 0, 1) * 255)[pixels[:, :, channel]]
    return result


def _encode_reduced(
    suffix: str, pixels: ByteArray, plan: TexturePlan, tick: Callable[[], None]
) -> EncodedTexture:
    pixels = np.ascontiguousarray(reduced(pixels, plan.max_size, suffix))
    if plan.encoding == "ktx2":
        from pipeline.export.ktx2 import encode_ktx2

        content = encode_ktx2(pixels, _KTX2_KINDS.get(suffix, "color"), tick)
        return _encoded(pixels, content, "image/ktx2", None)
    lossless, lossy = ("webp", "webp") if plan.encoding == "webp" else ("png", "jpeg")
    # The blocks of lossy formats would show in every reflection of a normal map; JPEG has no alpha.
    has_lossy = suffix != "N" and (lossy == "webp" or pixels.shape[2] == 3)
    if plan.encoding == "png" or not has_lossy:
        return _encoded(pixels, _exact(pixels, lossless), f"image/{lossless}")
    exact = b"" if plan.encoding == "jpeg" else _exact(pixels, lossless)
    worth = len(exact) * _WORTH_IT if exact else math.inf
    if len(_lossy(pixels, lossy, _QUALITIES[0])) < worth:
        content, psnr_db = _smallest(pixels, suffix, plan.psnr_db, lossy, tick)
        if not exact or (psnr_db >= plan.psnr_db and len(content) < worth):
            return _encoded(pixels, content, f"image/{lossy}", psnr_db)
    return _encoded(pixels, exact, f"image/{lossless}")


def _smallest(
    pixels: ByteArray, suffix: str, psnr_db: float, lossy: str, tick: Callable[[], None]
) -> tuple[bytes, float]:
    """Encode at the lowest quality that keeps `psnr_db`, or at the highest there is."""
    low, high = 0, len(_QUALITIES) - 1
    found = {}
    while low < high:
        tick()
        middle = (low + high) // 2
        found[middle] = _psnr_db(pixels, _lossy(pixels, lossy, _QUALITIES[middle]), suffix)
        low, high = (low, middle) if found[middle] >= psnr_db else (middle + 1, high)
    content = _lossy(pixels, lossy, _QUALITIES[low], is_final=True)
    return content, found[low] if low in found else _psnr_db(pixels, content, suffix)


def _psnr_db(pixels: ByteArray, content: bytes, suffix: str) -> float:
    """Peak signal to noise; of ORM the worst channel, because each means something else."""
    decoded = np.asarray(PillowImage.open(io.BytesIO(content)).convert("RGB"))
    squares = np.zeros(3, np.int64)
    rows = max(1, (1 << 20) // pixels.shape[1])  # bounds memory
    for first in range(0, len(pixels), rows):
        part = slice(first, first + rows)
        difference = pixels[part, :, :3].astype(np.int32) - decoded[part]
        squares += (difference * difference).sum(axis=(0, 1), dtype=np.int64)
    mean = squares / (pixels.shape[0] * pixels.shape[1])
    worst = float(mean.max() if suffix == "ORM" else mean.mean())
    return math.inf if worst == 0 else 10 * math.log10(255**2 / worst)


def _encoded(
    pixels: ByteArray, content: bytes, mime_type: str, psnr_db: float | None = math.inf
) -> EncodedTexture:
    height, width = pixels.shape[:2]
    return EncodedTexture(
        content=content, mime_type=mime_type, width=width, height=height, psnr_db=psnr_db
    )


def _exact(pixels: NDArray[np.uint8], lossless: str) -> bytes:
    out = io.BytesIO()
    image = PillowImage.fromarray(np.ascontiguousarray(pixels))
    if lossless == "png":
        image.save(out, "PNG", compress_level=_PNG_LEVEL)
    else:
        image.save(out, "WEBP", lossless=True, quality=0, method=_WEBP_METHOD, exact=True)
    return out.getvalue()


def _lossy(pixels: ByteArray, lossy: str, quality: int, *, is_final: bool = False) -> bytes:
    """Encode with loss; alpha never loses any. is_final: spend time on size alone."""
    out = io.BytesIO()
    image = PillowImage.fromarray(pixels)
    if lossy == "jpeg":
        image.save(out, "JPEG", quality=quality, subsampling=0, optimize=is_final)
    else:
        image.save(out, "WEBP", quality=quality, method=_WEBP_METHOD, exact=True)
    return out.getvalue()
