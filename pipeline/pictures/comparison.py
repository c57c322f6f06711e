"""Two assets side by side, through one camera."""

from collections.abc import Callable

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.pictures.difference import difference, write_scale
from pipeline.pictures.levels import Level, read_levels
from pipeline.pictures.placement import same_place
from pipeline.pictures.sheet import (
    BODY_PX,
    FAINT,
    GAP_PX,
    HEADER_PX,
    MARGIN_PX,
    SMALL_PX,
    Sheet,
)
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.render import fit_camera, render_plain

_LINE_PX = 22
_FOOT_PX = 112  # two lines, the scale and its numbers


def comparison(
    glb: bytes,
    before: bytes | None = None,
    *,
    lod: int | None = None,
    names: tuple[str, str] = ("before", "after"),
    view: Viewpoint | None = None,
    tick: Callable[[], None] = lambda: None,
) -> bytes:
    """Return a PNG with two assets, or two LODs of one, and their difference.

    One camera sees all of both. Two files that are the same but for place and size, as an asset and
    the file that it was made from, are put in one place, and the sheet says so.

    Args:
        glb: The file on the right, as `read_glb` takes it.
        before: The file whose LOD0 is on the left; LOD0 of `glb` without.
        lod: Which LOD of `glb` is on the right. Without: LOD0, or the last if it is the same file.
        names: What the two files are called; the second alone, if there is only one.
        view: From where, and how large each picture is.
        tick: Called every 0.1 s or so; what it raises passes through.

    Raises:
        InvalidInput, Unsupported: As `read_glb`; if there is no such LOD, or nothing to compare.
    """
    view = view or Viewpoint(size_px=480)
    size = view.size_px
    chain = read_levels(glb, tick)
    if before is not None:
        number = lod or 0
        left, moved = same_place(read_levels(before, tick).level(0), chain.level(0), names[0])
        titles = (names[0], f"{names[1]} LOD{number}")
    else:
        number = len(chain.levels) - 1 if lod is None else lod
        moved = ""
        if number == 0:
            raise InvalidInput(
                "LOD0 would be compared with itself; name another LOD, or a file to compare it with"
            )
        left = chain.level(0)
        titles = (f"{names[1]} LOD0", f"LOD{number}")
    right = chain.level(number)
    positions = np.concatenate([left.positions, right.positions])
    camera = fit_camera(positions, yaw_deg=view.yaw_deg, pitch_deg=view.pitch_deg)
    tick()
    one = render_plain(left.draws, camera, size_px=size)
    tick()
    other = render_plain(right.draws, camera, size_px=size)
    tick()
    found = difference(one, other)
    width = 2 * MARGIN_PX + 3 * size + 2 * GAP_PX
    sheet = Sheet(
        width,
        HEADER_PX + size + _FOOT_PX,
        title=f"{titles[0]} and {titles[1]}",
        subtitle=f"One camera, yaw {view.yaw_deg:g}, pitch {view.pitch_deg:g} degrees. {moved}",
    )
    columns = [MARGIN_PX + index * (size + GAP_PX) for index in range(3)]
    share = f"over the {found.is_seen.mean():.0%} of the picture that is covered"
    panels = (
        (one[0], titles[0], _facts(left)),
        (other[0], titles[1], _facts(right)),
        (found.picture, found.words, share),
    )
    for column, (pixels, title, detail) in zip(columns, panels, strict=True):
        sheet.picture(pixels, column, HEADER_PX)
        below = HEADER_PX + size + 8
        sheet.text(column, below, title, size=BODY_PX, within=size)
        sheet.text(column, below + _LINE_PX, detail, size=SMALL_PX, color=FAINT, within=size)
    write_scale(sheet, columns[2], HEADER_PX + size + 56, size)
    return sheet.png()


def _facts(level: Level) -> str:
    low, high = level.bounds
    sides = " x ".join(f"{side:.3g}" for side in high - low)
    return f"{level.triangle_count:,} triangles, {sides} m"
