"""Every switch from one LOD to the next, at the size at which a player sees it.

Screen coverage is the share of the view's height that the bounding sphere covers, as in
`MSFT_screencoverage`; so each LOD takes over at a size that follows from the file alone.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.pictures.difference import Difference, difference, write_scale
from pipeline.pictures.levels import Level, read_levels
from pipeline.pictures.sheet import (
    BODY_PX,
    FAINT,
    GAP_PX,
    HEADER_PX,
    INK,
    MARGIN_PX,
    SMALL_PX,
    TITLE_PX,
    Sheet,
    enlarged,
    fitted,
)
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.render import Camera, Draw, Light, render_plain
from pipeline.types import ByteArray, Material

VIEW_HEIGHT_PX = 1080

_PANEL_PX = 264
_WORDS_PX = 236  # the column beside the pictures
_CAPTION_PX = 24  # the line under them

# A crop shows a fifth of the picture's width, if its pixels need not be larger than this.
_CROPS_ACROSS, _MOST_TIMES = 5, 8

# Half the view's angle, as in most games: 60 degrees in height.
_SLOPE = math.tan(math.radians(30))

# Of a picture around the bounding sphere, whose near side looks larger than its middle.
_AROUND = 1.08

# From everywhere, which shows colors as they are.
_EVEN_LIGHT = Light(toward=np.array([0.0, 1.0, 0.0]), key=0.0, sky=1.0, floor=1.0)

_CROP_COLOR = (214, 64, 92)


def switch_sheet(
    glb: bytes, view: Viewpoint | None = None, tick: Callable[[], None] = lambda: None
) -> bytes:
    """Return a PNG with a row for each switch: both LODs at its size, a crop of each, and how they
    differ.

    Sizes are for a view of 1080 lines. Pictures larger than their panel are shrunk, and say so.
    Crops show whole pixels, where the difference is greatest. An impostor, whose light is the work
    of a shader, and what it replaces are shown by their base colors, from the impostor's front.

    Args:
        glb: A .glb as `read_glb` takes it, with at least two LODs and `MSFT_screencoverage`.
        view: From where; its size is not used.
        tick: Called every 0.1 s or so; what it raises passes through.

    Raises:
        InvalidInput, Unsupported: As `read_glb`; if there is nothing to switch to, or nothing says
            when.
    """
    view = view or Viewpoint()
    chain = read_levels(glb, tick)
    if len(chain.levels) < 2:
        raise InvalidInput(
            "the file has one LOD, so nothing switches; make more with `lodsmith lod --lods`"
        )
    if not chain.coverages:
        raise InvalidInput(
            "the file does not say at which size its LODs switch (MSFT_screencoverage); "
            "`lodsmith lod` writes it"
        )
    row_px = _PANEL_PX + _CAPTION_PX + GAP_PX + 8
    width = 2 * MARGIN_PX + _WORDS_PX + 5 * _PANEL_PX + 4 * GAP_PX
    switches = len(chain.levels) - 1
    sheet = Sheet(
        width,
        HEADER_PX + switches * row_px + 56,
        title=f"{chain.name}: where each LOD takes over",
        subtitle=(
            f"As seen in a view of {VIEW_HEIGHT_PX:,} lines and 60 degrees. Coverage is the share "
            "of its height that the bounding sphere covers."
        ),
    )
    low, high = chain.levels[0].bounds
    middle = (low + high) / 2
    radius = float(np.linalg.norm(chain.levels[0].positions - middle, axis=1).max())
    for number in range(1, switches + 1):
        tick()
        before, after = chain.levels[number - 1], chain.levels[number]
        coverage = chain.coverages[number - 1]
        size_px = max(round(coverage * VIEW_HEIGHT_PX * _AROUND), 1)
        camera = _camera_at(coverage, size_px, middle, radius, _front_of(after) or view)
        light = _EVEN_LIGHT if after.is_impostor else None
        pair = [_unlit(level) if light else level.draws for level in (before, after)]
        one = render_plain(pair[0], camera, size_px=size_px, light=light)
        tick()
        other = render_plain(pair[1], camera, size_px=size_px, light=light)
        found = difference(one, other)
        top = HEADER_PX + (number - 1) * row_px
        _write_words(sheet, top, number, before, after, coverage, found)
        _paste_row(sheet, top, number, one[0], other[0], found)
        if number < switches:
            sheet.rule(top + _PANEL_PX + _CAPTION_PX + 8)
    left = MARGIN_PX + _WORDS_PX + 4 * (_PANEL_PX + GAP_PX)
    write_scale(sheet, left, HEADER_PX + switches * row_px + 2, _PANEL_PX)
    return sheet.png()


def _camera_at(
    coverage: float,
    size_px: int,
    middle: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    radius_m: float,
    view: Viewpoint,
) -> Camera:
    """The camera at which the sphere covers its share, cut to the sphere's surroundings."""
    yaw, pitch = math.radians(view.yaw_deg), math.radians(view.pitch_deg)
    back = np.array(
        [math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)]
    )
    right = np.array([math.cos(yaw), 0.0, -math.sin(yaw)])
    return Camera(
        axes=np.stack([right, np.cross(back, right), back]),
        eye=middle + back * radius_m / (coverage * _SLOPE),
        slope=_SLOPE * size_px / VIEW_HEIGHT_PX,
    )


def _front_of(level: Level) -> Viewpoint | None:
    """From where an impostor's quad is meant to be seen."""
    if not level.is_impostor:
        return None
    x, y, z = (float(value) for value in level.draws[0].normals[0])
    return Viewpoint(
        yaw_deg=math.degrees(math.atan2(x, z)),
        pitch_deg=math.degrees(math.asin(min(max(y, -1.0), 1.0))),
    )


def _unlit(level: Level) -> tuple[Draw, ...]:
    """The draws with their base colors only."""
    return tuple(
        replace(
            draw,
            material=Material(
                base_color=draw.material.base_color,
                base_color_factor=draw.material.base_color_factor,
                alpha_mode=draw.material.alpha_mode,
                alpha_cutoff=draw.material.alpha_cutoff,
                double_sided=draw.material.double_sided,
            ),
        )
        for draw in level.draws
    )


def _write_words(
    sheet: Sheet,
    top: int,
    number: int,
    before: Level,
    after: Level,
    coverage: float,
    found: Difference,
) -> None:
    left = MARGIN_PX
    sheet.text(left, top, f"LOD{number - 1} to LOD{number}", size=TITLE_PX)
    lines = [
        (f"at {coverage:.1%} of the view", INK),
        (f"{coverage * VIEW_HEIGHT_PX:,.0f} pixels of {VIEW_HEIGHT_PX:,}", FAINT),
        ("", INK),
        (f"{before.triangle_count:,} triangles before", FAINT),
        (f"{after.triangle_count:,} triangles after", FAINT),
        ("", INK),
        (found.words, INK),
        (f"greatest difference {int(found.levels.max(initial=0))} of 255", FAINT),
    ]
    if after.is_impostor:
        lines += [("", INK), ("impostor, from its front;", FAINT), ("base color only", FAINT)]
    for line, (words, color) in enumerate(lines):
        sheet.text(left, top + 36 + 21 * line, words, size=BODY_PX, color=color)


def _paste_row(
    sheet: Sheet, top: int, number: int, one: ByteArray, other: ByteArray, found: Difference
) -> None:
    """Both pictures whole, both crops, and the difference, each with a line under it."""
    size = len(one)
    times = min(max(round(_PANEL_PX * _CROPS_ACROSS / size), 2), _MOST_TIMES)
    crop_px = min(_PANEL_PX // times, size)
    row, column = _most_different(found, crop_px)
    crop = (slice(row, row + crop_px), slice(column, column + crop_px))
    left = MARGIN_PX + _WORDS_PX
    shown = min(_PANEL_PX / size, 1.0)
    scale = "1:1" if shown == 1 else f"shown at {shown:.0%}"
    panels = [
        (one, f"LOD{number - 1}, {scale}"),
        (other, f"LOD{number}, {scale}"),
        (enlarged(one[crop], times), f"LOD{number - 1}, {times} times"),
        (enlarged(other[crop], times), f"LOD{number}, {times} times"),
        (_largest(found.picture), "difference, of 255"),
    ]
    for index, (pixels, caption) in enumerate(panels):
        if max(pixels.shape[:2]) > _PANEL_PX:
            pixels = fitted(pixels, _PANEL_PX)
        x = left + index * (_PANEL_PX + GAP_PX)
        sheet.well(x, top, _PANEL_PX, _PANEL_PX)
        inset = (_PANEL_PX - len(pixels)) // 2
        sheet.picture(pixels, x + inset, top + inset)
        if index in (0, 1, 4):
            drawn = len(pixels) / size
            sheet.frame(
                x + inset + round(column * drawn),
                top + inset + round(row * drawn),
                max(round(crop_px * drawn), 2),
                max(round(crop_px * drawn), 2),
                _CROP_COLOR,
            )
        sheet.text(x, top + _PANEL_PX + 5, caption, size=SMALL_PX, color=FAINT)


def _largest(pixels: ByteArray) -> ByteArray:
    """Enlarged by the largest whole number at which it fits its panel."""
    return enlarged(pixels, max(_PANEL_PX // len(pixels), 1))


def _most_different(found: Difference, crop_px: int) -> tuple[int, int]:
    """The row and column of the crop that differs most; the first of equal ones."""
    squares = np.pad(found.levels.astype(np.int64) ** 2, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    sums = (
        squares[crop_px:, crop_px:] - squares[:-crop_px, crop_px:]
        - squares[crop_px:, :-crop_px] + squares[:-crop_px, :-crop_px]
    )  # fmt: skip
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(row), int(column)
