"""A page with pictures and words on it."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from pipeline.types import ByteArray

PAGE, INK, FAINT, RULE, WELL = (
    (246, 247, 249),
    (33, 37, 45),
    (106, 113, 126),
    (212, 215, 221),
    (226, 228, 232),
)
MARGIN_PX, GAP_PX = 24, 14
TITLE_PX, BODY_PX, SMALL_PX = 22, 15, 13
HEADER_PX = 76  # from the top to the first picture

Color = tuple[int, int, int]


class Sheet:
    """A page in the making. Everything is in pixels from the top left."""

    def __init__(self, width: int, height: int, *, title: str, subtitle: str) -> None:
        """Start with a line that says what is seen, and a smaller one that says how."""
        self.width, self.height = width, height
        self._page = PillowImage.new("RGB", (width, height), PAGE)
        self._pen = ImageDraw.Draw(self._page)
        inner = width - 2 * MARGIN_PX
        self.text(MARGIN_PX, 18, title, size=TITLE_PX, within=inner)
        self.text(MARGIN_PX, 47, subtitle, size=SMALL_PX, color=FAINT, within=inner)

    def picture(self, pixels: ByteArray, left: int, top: int) -> None:
        """Paste `[H, W, 3]` sRGB."""
        self._page.paste(PillowImage.fromarray(pixels), (left, top))

    def well(self, left: int, top: int, width: int, height: int) -> None:
        """An even panel for pictures smaller than their place."""
        self._pen.rectangle((left, top, left + width - 1, top + height - 1), fill=WELL)

    def frame(
        self, left: int, top: int, width: int, height: int, color: Color = INK, thick: int = 1
    ) -> None:
        """An outline around, outside of, a rectangle."""
        box = (left - thick, top - thick, left + width + thick - 1, top + height + thick - 1)
        self._pen.rectangle(box, outline=color, width=thick)

    def swatch(self, left: int, top: int, color: Color) -> None:
        """A small square beside a line of text."""
        self._pen.rectangle((left, top, left + 12, top + 12), fill=color)

    def rule(self, top: int) -> None:
        """A thin line across the page."""
        self._pen.line((MARGIN_PX, top, self.width - MARGIN_PX - 1, top), fill=RULE)

    def text(
        self,
        left: int,
        top: int,
        text: str,
        *,
        size: int = BODY_PX,
        color: Color = INK,
        anchor: str = "la",
        within: int | None = None,
    ) -> None:
        """Write one line. anchor: as Pillow's. within: shortened if it would be wider."""
        if within is not None:
            text = shortened(text, size, within)
        self._pen.text((left, top), text, font=font(size), fill=color, anchor=anchor)

    def scale(
        self, left: int, top: int, width: int, bar: ByteArray, ticks: list[tuple[float, str]]
    ) -> None:
        """A color bar with words under places from 0 to 1 along it.

        bar: `[W, 3]` sRGB, stretched to `width`. Words that would touch the one before are left
        out, never the last.
        """
        columns = bar[np.arange(width) * len(bar) // width]
        self.picture(np.repeat(columns[None], 14, axis=0), left, top)
        self.frame(left, top, width, 14, RULE)
        free = float("-inf")
        end = left + width - text_width(ticks[-1][1], SMALL_PX)
        for place, words in ticks:
            is_last = words is ticks[-1][1]
            x = left + round(place * (width - 1))
            reach = text_width(words, SMALL_PX)
            start = min(max(x - reach // 2, left), left + width - reach)
            if start < free or (not is_last and start + reach + 8 > end):
                continue
            free = start + reach + 8
            self._pen.line((x, top + 15, x, top + 19), fill=FAINT)
            self.text(start, top + 22, words, size=SMALL_PX, color=FAINT)

    def png(self) -> bytes:
        """The finished page."""
        return to_png(np.asarray(self._page))


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow; it has ASCII and little more."""
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> int:
    """Pixels."""
    return int(font(size).getlength(text) + 0.999)


def shortened(text: str, size: int, width: int) -> str:
    """The text, or as much of its start as is `width` pixels wide with dots behind it."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "...", size) > width:
        text = text[:-1]
    return text + "..."


def to_png(pixels: ByteArray) -> bytes:
    """Encode `[H, W, 3]` sRGB."""
    out = io.BytesIO()
    PillowImage.fromarray(pixels).save(out, "PNG", compress_level=6)
    return out.getvalue()


def fitted(pixels: ByteArray, size: int) -> ByteArray:
    """Shrink or enlarge a picture so that its longer side has `size` pixels."""
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    shape = (max(round(width * scale), 1), max(round(height * scale), 1))
    resample = PillowImage.Resampling.LANCZOS if scale < 1 else PillowImage.Resampling.BILINEAR
    return np.asarray(PillowImage.fromarray(pixels).resize(shape, resample))


def enlarged(pixels: ByteArray, times: int) -> ByteArray:
    """Each pixel as a square of `times` pixels."""
    return pixels.repeat(times, axis=0).repeat(times, axis=1)
