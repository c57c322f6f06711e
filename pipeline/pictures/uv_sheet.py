"""The atlas with the charts of every LOD, and how evenly LOD0 uses its texels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from pipeline.errors import InvalidInput
from pipeline.pictures.charts import (
    Charts,
    charts_of,
    face_areas,
    median_density,
    texel_densities,
    texels_of,
)
from pipeline.pictures.colors import LEVEL_COLORS, colors, diverging
from pipeline.pictures.levels import Level, LodChain, read_levels
from pipeline.pictures.sheet import (
    FAINT,
    GAP_PX,
    HEADER_PX,
    MARGIN_PX,
    SMALL_PX,
    Sheet,
)
from pipeline.pictures.surface_values import surface_values
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.render import Draw, render_plain
from pipeline.types import ByteArray, Image, Material

_DEFAULT_PX, _LEAST_PX = 800, 256

_DIMMED = 0.34  # of the base color's sRGB values: lines stand out, the picture is still known
_TINTED = 0.13  # of a LOD's color within its charts
_EMPTY = (24, 26, 31)
_LINE_SUPERSAMPLING = 2

_CAPTION_PX = 30
_LEGEND_COLUMN_PX, _LEGEND_LINE_PX = 160, 64

_CHECKER = ((240, 241, 244), (72, 112, 176))
_SQUARES_ACROSS = 22  # about so many along the asset's longest side
_SQUARE_PX = 16
_MOST_CHECKER_PX = 4096

# Texel densities are told apart from a quarter to four times the median.
_DENSITY_STEPS = 2


def uv_sheet(
    glb: bytes, view: Viewpoint | None = None, tick: Callable[[], None] = lambda: None
) -> bytes:
    """Return a PNG of the atlas with the outlines of all charts, and LOD0 with its texel density.

    Of several materials the one that covers most of LOD0's surface is shown, and the sheet says so.
    UVs outside [0, 1] are shown where the repeating texture has them.

    Args:
        glb: A .glb as `read_glb` takes it, with UVs.
        view: From where LOD0 is seen; its size is the atlas's.
        tick: Called every 0.1 s or so; what it raises passes through.

    Raises:
        InvalidInput, Unsupported: As `read_glb`, and if LOD0 has no UVs.
    """
    view = view or Viewpoint(size_px=_DEFAULT_PX)
    if view.size_px < _LEAST_PX:
        raise InvalidInput(f"a UV sheet needs at least {_LEAST_PX} pixels, got {view.size_px}")
    chain = read_levels(glb, tick)
    material = _main_material(chain.levels[0])
    charts = {
        number: found
        for number, level in enumerate(chain.levels)
        if not level.is_impostor and (found := charts_of(level, material.name, tick)) is not None
    }
    size = view.size_px
    picture_px = (size - _CAPTION_PX - GAP_PX) // 2
    width = 2 * MARGIN_PX + size + GAP_PX + picture_px
    columns = max(size // _LEGEND_COLUMN_PX, 1)
    lines = -(-(len(charts) + 1) // columns)
    foot = HEADER_PX + size + 22
    sheet = Sheet(
        width,
        foot + lines * _LEGEND_LINE_PX + 8,
        title=f"{chain.name}: charts and texel density",
        subtitle=_subtitle(chain, material, charts),
    )
    sheet.picture(_atlas(material, charts, size), MARGIN_PX, HEADER_PX)
    _write_legend(sheet, foot, columns, charts)
    tick()
    draws = [draw for draw in chain.levels[0].draws if draw.uvs is not None]
    left = MARGIN_PX + size + GAP_PX
    checked, texels_per_square = _checked(chain.levels[0], draws)
    camera = chain.levels[0].camera(view.yaw_deg, view.pitch_deg)
    sheet.picture(render_plain(checked, camera, size_px=picture_px)[0], left, HEADER_PX)
    sheet.text(
        left,
        HEADER_PX + picture_px + 7,
        f"LOD0, squares of {texels_per_square:,} texels",
        size=SMALL_PX,
        color=FAINT,
        within=picture_px,
    )
    tick()
    top = HEADER_PX + picture_px + _CAPTION_PX + GAP_PX
    _paste_density(sheet, left, top, picture_px, chain.levels[0], view)
    return sheet.png()


def _main_material(level: Level) -> Material:
    """The material with UVs that covers most of a LOD."""
    areas: dict[str, float] = {}
    by_name: dict[str, Material] = {}
    for draw in level.draws:
        if draw.uvs is not None:
            name = draw.material.name
            areas[name] = areas.get(name, 0.0) + float(face_areas(draw).sum())
            by_name.setdefault(name, draw.material)
    if not areas:
        raise InvalidInput(
            "LOD0 has no UVs, so there are no charts to show; `lodsmith lod` unwraps it"
        )
    return by_name[max(areas, key=lambda name: areas[name])]


def _subtitle(chain: LodChain, material: Material, charts: dict[int, Charts]) -> str:
    texels = texels_of(material)
    names = {draw.material.name for draw in chain.levels[0].draws}
    has_texture = any(
        image is not None
        for image in (material.base_color, material.normal, material.metallic_roughness)
    )
    words = f"{texels[0]:,} x {texels[1]:,} texels"
    words += "." if has_texture else ", assumed: the material has no texture."
    if len(names) > 1:
        words += f' Only material "{material.name}" is shown, the largest of {len(names)}.'
    if any(level.is_impostor for level in chain.levels):
        words += " The impostor has a texture of its own."
    for number, level in enumerate(chain.levels):
        if number not in charts and not level.is_impostor:
            words += f" LOD{number} does not use it."
    return words


def _atlas(material: Material, charts: dict[int, Charts], size: int) -> ByteArray:
    """The dimmed base color with the outlines of all charts."""
    picture = np.empty((size, size, 3), np.float64)
    picture[:] = _EMPTY
    if material.base_color is not None:
        pixels = material.base_color.pixels
        rgb = pixels[:, :, :3] if pixels.shape[2] >= 3 else np.repeat(pixels[:, :, :1], 3, axis=2)
        image = PillowImage.fromarray(np.ascontiguousarray(rgb))
        shrunk = image.resize((size, size), PillowImage.Resampling.BOX)
        picture = np.asarray(shrunk, np.float64) * _DIMMED
    for number, found in charts.items():
        mask = PillowImage.fromarray(found.covered.astype(np.uint8) * 255)
        share = np.asarray(mask.resize((size, size), PillowImage.Resampling.BILINEAR)) / 255
        tint = np.array(_color(number), np.float64)
        picture += (tint - picture) * (_TINTED * share[:, :, None])
    wide = size * _LINE_SUPERSAMPLING
    for number, found in charts.items():
        lines = PillowImage.new("L", (wide, wide))
        pen = ImageDraw.Draw(lines)
        ends = np.stack([found.corners, np.roll(found.corners, -1, axis=1)], axis=2)
        for line in (ends[found.is_border] * wide).reshape(-1, 4).tolist():
            pen.line(line, fill=255, width=_LINE_SUPERSAMPLING)
        share = np.asarray(lines.reduce(_LINE_SUPERSAMPLING)) / 255
        picture += (np.array(_color(number), np.float64) - picture) * share[:, :, None]
    return (np.clip(picture, 0, 255) + 0.5).astype(np.uint8)


def _color(level: int) -> tuple[int, int, int]:
    return LEVEL_COLORS[level % len(LEVEL_COLORS)]


def _write_legend(sheet: Sheet, top: int, columns: int, charts: dict[int, Charts]) -> None:
    entries: list[tuple[tuple[int, int, int], str, str, str]] = [
        (
            _color(number),
            f"LOD{number}",
            f"{found.triangle_count:,} triangles",
            f"{found.chart_count:,} charts, {found.covered.mean():.1%}",
        )
        for number, found in charts.items()
    ]
    taken = np.any([found.covered for found in charts.values()], axis=0)
    entries.append((_EMPTY, "Atlas", f"{taken.mean():.1%} covered", f"{1 - taken.mean():.1%} free"))
    for index, (color, title, first, second) in enumerate(entries):
        left = MARGIN_PX + index % columns * _LEGEND_COLUMN_PX
        line = top + index // columns * _LEGEND_LINE_PX
        sheet.swatch(left, line + 2, color)
        sheet.text(left + 20, line, title)
        sheet.text(left + 20, line + 20, first, size=SMALL_PX, color=FAINT)
        sheet.text(left + 20, line + 37, second, size=SMALL_PX, color=FAINT)


def _checked(level: Level, draws: Sequence[Draw]) -> tuple[list[Draw], int]:
    """The draws under a checker of whole texels, and how many a side of its squares has."""
    low, high = level.bounds
    across = median_density(draws) * float((high - low).max()) / _SQUARES_ACROSS
    texels_per_square = 2 ** max(round(math.log2(max(across, 1.0))), 0)
    checkers: dict[tuple[int, int], Material] = {}
    checked = []
    for draw in draws:
        texels = texels_of(draw.material)
        if texels not in checkers:
            checkers[texels] = _checker([max(side // texels_per_square, 1) for side in texels])
        checked.append(replace(draw, material=checkers[texels], colors=None))
    return checked, texels_per_square


def _checker(counts: Sequence[int]) -> Material:
    """A checker with so many columns and rows."""
    square_px = max(min(_SQUARE_PX, _MOST_CHECKER_PX // max(counts)), 1)
    columns, rows = (np.arange(count * square_px) // square_px for count in counts)
    is_dark = (columns[None, :] + rows[:, None]) % 2
    image = Image(pixels=np.array(_CHECKER, np.uint8)[is_dark])
    return Material(base_color=image, roughness_factor=0.9, double_sided=True)


def _paste_density(
    sheet: Sheet,
    left: int,
    top: int,
    size: int,
    level: Level,
    view: Viewpoint,
) -> None:
    draws = [draw for draw in level.draws if draw.uvs is not None]
    density = np.concatenate([texel_densities(draw) for draw in draws])
    median = median_density(draws)
    only_these = replace(level, draws=tuple(draws))

    def shares(faces: NDArray[np.int64], places: NDArray[np.float64]) -> NDArray[np.float64]:
        steps = np.log2(np.maximum(density[faces], 1e-30) / median)
        return np.asarray((steps / _DENSITY_STEPS + 1) / 2)

    camera = level.camera(view.yaw_deg, view.pitch_deg)
    picture = surface_values(
        only_these.joined, camera, size_px=size, shares=shares, table=diverging()
    )
    sheet.picture(picture, left, top)
    steps = range(-_DENSITY_STEPS, _DENSITY_STEPS + 1)
    ticks = [((step / _DENSITY_STEPS + 1) / 2, _rounded(median * 2.0**step)) for step in steps]
    below = top + size + 8
    sheet.text(left, below, "LOD0, texels per metre", size=SMALL_PX, color=FAINT, within=size)
    sheet.scale(left, below + 22, size, colors(np.linspace(0, 1, 256), diverging()), ticks)


def _rounded(density: float) -> str:
    return f"{density:,.0f}" if density >= 10 else f"{density:.2g}"
