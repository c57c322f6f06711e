"""Reads textures: bilinear, in linear light, at the right mip."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numba import njit
from numpy.typing import NDArray

from pipeline.srgb import LINEAR_OF_BYTE, srgb_from_linear
from pipeline.texture.dilate import nearest_known
from pipeline.texture.wrap import beside, folded, wrap_codes
from pipeline.types import ByteArray, FloatArray, Image

# Half a mip finer than what one texel spans, since the target is filtered once more when it is
# drawn: 0.2 to 0.8 dB on a helmet with an authored texture.
_SHARPEN = -0.5

_BYTES = np.arange(256) / 255
_LINEAR = _BYTES.astype(np.float32)


def to_bytes(values: NDArray[np.floating]) -> ByteArray:
    """Round values in [0, 1] to 0..255, clipping what lies outside."""
    rounded: ByteArray = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    return rounded


@dataclass(frozen=True, kw_only=True)
class Texture:
    """A texture with its mips, ready to be read.

    texels: `[N, C]` uint8, the mips one after the other, row by row.
    sizes: `[M, 3]` int64: width, height and first texel of each mip.
    decode: `[C, 256]` float32, what the bytes of each channel mean.
    wrap_codes: how it goes on along u and v, see `texture.wrap`.
    """

    texels: ByteArray
    sizes: NDArray[np.int64]
    decode: FloatArray
    wrap_codes: tuple[int, int]

    def read(self, uvs: NDArray[np.float64], uv_per_texel: NDArray[np.float64]) -> FloatArray:
        """Return `[N, C]` float32 linear values.

        Args:
            uvs: `[N, 2]`, origin top left; beyond [0, 1] the texture goes on as it says.
            uv_per_texel: `[N]` how much of the texture one texel of the target spans. Mips keep
                it from being read with gaps, which would turn detail into noise.
        """
        width, height, _ = self.sizes[0]
        spans = uv_per_texel * np.sqrt(width * height)
        levels = np.maximum(np.log2(np.maximum(spans, 1e-6)) + _SHARPEN, 0.0).astype(np.float32)
        return _read(self.texels, self.sizes, self.decode, self.wrap_codes, uvs, levels)


def prepare(
    image: Image,
    channels: int,
    *,
    is_srgb: bool,
    is_cut: bool = False,
    step: Callable[[], None] = lambda: None,
) -> Texture:
    """Build the mips of a texture.

    Args:
        image: The picture.
        channels: How many to keep. Gray fills up to three with itself; a missing alpha is 1.
        is_srgb: Whether the first three channels are sRGB; a fourth never is.
        is_cut: Whether the fourth channel is an alpha that shows.
        step: Called once per channel and mip; may raise to stop.
    """
    pixels = _with_channels(image.pixels, channels)
    if is_cut:
        pixels = _with_unseen_colored(pixels, step)
    decode = np.stack([LINEAR_OF_BYTE if is_srgb and c < 3 else _LINEAR for c in range(channels)])
    mips = [pixels]
    while max(mips[-1].shape[:2]) > 1:
        mips.append(_half(mips[-1], decode, is_srgb=is_srgb, step=step))
    counts = [mip.shape[0] * mip.shape[1] for mip in mips]
    firsts = np.cumsum([0, *counts[:-1]])
    return Texture(
        texels=np.concatenate([mip.reshape(-1, channels) for mip in mips]),
        sizes=np.array(
            [(mip.shape[1], mip.shape[0], first) for mip, first in zip(mips, firsts, strict=True)],
            np.int64,
        ),
        decode=decode,
        wrap_codes=wrap_codes(image),
    )


def _with_channels(pixels: ByteArray, channels: int) -> ByteArray:
    given = pixels.shape[2]
    alpha = pixels[:, :, -1:] if given in (2, 4) else np.full_like(pixels[:, :, :1], 255)
    color = np.repeat(pixels[:, :, :1], 3, axis=2) if given <= 2 else pixels[:, :, :3]
    return np.concatenate([color, alpha], axis=2)[:, :, :channels]


def _with_unseen_colored(pixels: ByteArray, step: Callable[[], None]) -> ByteArray:
    """Texels with alpha 0 get the nearest seen color.

    Filters and mips, here and in the engines, average color without alpha: black between leaves
    would put dark edges round them and darken far LODs.
    """
    seen = pixels[:, :, 3] > 0
    if seen.all() or not seen.any():
        return pixels
    colors = pixels[:, :, :3].reshape(-1, 3)[nearest_known(seen, step)]
    return np.concatenate([colors, pixels[:, :, 3:]], axis=2)


def _half(
    pixels: ByteArray, decode: FloatArray, *, is_srgb: bool, step: Callable[[], None]
) -> ByteArray:
    """Halve width and height by the mean of the area, in linear light."""
    height, width, channels = pixels.shape
    size = max(1, width // 2), max(1, height // 2)
    planes = []
    for channel in range(channels):
        step()
        plane = PIL.Image.fromarray(decode[channel][pixels[:, :, channel]])
        mean = np.asarray(plane.resize(size, PIL.Image.Resampling.BOX))
        planes.append(to_bytes(srgb_from_linear(mean) if is_srgb and channel < 3 else mean))
    return np.stack(planes, axis=2)


@njit(cache=True, error_model="numpy", nogil=True)
def _read(
    texels: ByteArray,
    sizes: NDArray[np.int64],
    decode: FloatArray,
    codes: tuple[int, int],
    uvs: NDArray[np.float64],
    levels: FloatArray,
) -> FloatArray:
    channels = texels.shape[1]
    along_u, along_v = codes
    out = np.zeros((len(uvs), channels), np.float32)
    for i in range(len(uvs)):
        u, v = folded(uvs[i, 0], along_u), folded(uvs[i, 1], along_v)
        level = min(int(levels[i]), len(sizes) - 1)
        between = min(levels[i] - level, 1.0) if level + 1 < len(sizes) else 0.0
        for mip, share in ((level, 1.0 - between), (level + 1, between)):
            if share == 0.0:
                continue
            width, height, first = sizes[mip]
            x, y = u * width - 0.5, v * height - 0.5  # texel centers at + 0.5
            left, top = np.floor(x), np.floor(y)
            for dy in range(2):
                for dx in range(2):
                    weight_x = x - left if dx else 1.0 - (x - left)
                    weight_y = y - top if dy else 1.0 - (y - top)
                    weight = share * weight_x * weight_y
                    column = beside(int(left) + dx, width, along_u)
                    row = beside(int(top) + dy, height, along_v)
                    texel = first + row * width + column
                    for c in range(channels):
                        out[i, c] += weight * decode[c, texels[texel, c]]
    return out
