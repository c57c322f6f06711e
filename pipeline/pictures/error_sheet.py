"""Where LODs are off: each surface in the colors of its distance to the one it stands for."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.pictures.colors import colors, sequential
from pipeline.pictures.levels import Level, LodChain, read_levels
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
from pipeline.pictures.surface_values import surface_values
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.types import Mesh

_SAMPLES = 50_000
_TITLE_PX = 24  # the line over a row
_CAPTION_PX = 58  # the lines under the LODs
_FOOT_PX = 78

# The end of the scale is the next of these times a power of ten.
_ROUND = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)

# The scale is in roots, so that the small errors of fine LODs are told apart, too.
_TICKS = (0.0, 0.01, 0.05, 0.15, 0.3, 0.5, 0.75, 1.0)


def error_sheet(
    glb: bytes,
    reference: bytes | None = None,
    view: Viewpoint | None = None,
    tick: Callable[[], None] = lambda: None,
) -> bytes:
    """Return a PNG with each LOD in the colors of its distance to the reference.

    A second row shows the other way, which is where a part is missing: the reference in the colors
    of its distance to each LOD. The figures are the report's: maximum over both ways, and mean.

    Args:
        glb: A .glb as `read_glb` takes it.
        reference: The file whose finest LOD is right; LOD0 of `glb` without. One that differs in
            place and size only, as the file that the asset was made from, is put where LOD0 is, and
            the sheet says so.
        view: From where, and how large each picture is.
        tick: Called every 0.1 s or so; what it raises passes through.

    Raises:
        InvalidInput, Unsupported: As `read_glb`, and if there is nothing to measure against.
    """
    from pipeline.mesh.measuring.measure import SurfaceDistance, deviation

    view = view or Viewpoint(size_px=352)
    chain = read_levels(glb, tick)
    right, shown, subtitle = _reference(chain, reference, tick)
    truth = _mesh(right)
    to_truth = SurfaceDistance(truth, tick)
    low, high = right.bounds
    diagonal_m = float(np.linalg.norm(high - low))
    found = [deviation(_mesh(level), truth, to_truth, _SAMPLES, tick) for _, level in shown]
    most_m = _rounded_up(max(each.max_m for each in found), diagonal_m)

    what = "the reference" if reference else "LOD0"
    size = view.size_px
    width = 2 * MARGIN_PX + max(len(shown), 2) * (size + GAP_PX) - GAP_PX
    top = HEADER_PX + _TITLE_PX
    second = top + size + _CAPTION_PX + _TITLE_PX
    sheet = Sheet(
        width,
        second + size + _FOOT_PX,
        title=f"{chain.name}: distance to {what}",
        subtitle=(
            f"{subtitle} Colors end at {_length(most_m)}, {_share(most_m / diagonal_m)} of the "
            "diagonal."
        ),
    )
    sheet.text(MARGIN_PX, HEADER_PX - 2, f"How far each LOD is from {what}", size=BODY_PX)
    sheet.text(
        MARGIN_PX,
        second - _TITLE_PX - 2,
        f"How far {what} is from each LOD: what they lack",
        size=BODY_PX,
    )
    camera = right.camera(view.yaw_deg, view.pitch_deg)
    for column, ((number, level), measured) in enumerate(zip(shown, found, strict=True)):
        left = MARGIN_PX + column * (size + GAP_PX)
        to_level = SurfaceDistance(_mesh(level), tick)
        for surface, target, row in ((level, to_truth, top), (right, to_level, second)):

            def shares(
                faces: NDArray[np.int64],
                places: NDArray[np.float64],
                target: SurfaceDistance = target,
            ) -> NDArray[np.float64]:
                return np.sqrt(target.nearest(places, tick)[0] / most_m)

            tick()
            picture = surface_values(
                surface.joined, camera, size_px=size, shares=shares, table=sequential()
            )
            sheet.picture(picture, left, row)
        below = top + size + 7
        sheet.text(left, below, f"LOD{number}   {level.triangle_count:,} triangles", within=size)
        sheet.text(
            left,
            below + 21,
            f"max {_length(measured.max_m)} ({_share(measured.max_m / diagonal_m)}), "
            f"mean {_length(measured.mean_m)}",
            size=SMALL_PX,
            color=FAINT,
            within=size,
        )
    ticks = [(math.sqrt(share), _length(share * most_m)) for share in _TICKS]
    foot = second + size + 18
    bar_px = 2 * size + GAP_PX
    sheet.scale(MARGIN_PX, foot, bar_px, colors(np.linspace(0, 1, 256), sequential()), ticks)
    return sheet.png()


def _reference(
    chain: LodChain, reference: bytes | None, tick: Callable[[], None]
) -> tuple[Level, list[tuple[int, Level]], str]:
    """What is right, the LODs to measure with their numbers, and what to say of it."""
    shown = [(n, level) for n, level in enumerate(chain.levels) if not level.is_impostor]
    left_out = "" if len(shown) == len(chain.levels) else " The impostor is left out."
    if not shown:
        raise InvalidInput("the file shows an impostor only, whose surface is not the asset's")
    if reference is not None:
        right, moved = same_place(read_levels(reference, tick).levels[0], chain.levels[0], "It")
        count = f"The reference has {right.triangle_count:,} triangles."
        return right, shown, " ".join(filter(None, (count, moved))) + left_out
    if len(shown) < 2:
        raise InvalidInput(
            "the file has one LOD and nothing to measure it against; name the file that it was "
            "made from"
        )
    right = chain.levels[0]
    return right, shown[1:], f"LOD0 has {right.triangle_count:,} triangles.{left_out}"


def _mesh(level: Level) -> Mesh:
    draw = level.joined
    return Mesh(positions=draw.positions, faces=draw.faces)


def _rounded_up(most_m: float, diagonal_m: float) -> float:
    """The end of the scale: a round length that the largest error does not exceed."""
    most_m = max(most_m, 1e-6 * diagonal_m, 1e-9)  # so that the same surface is pale all over
    power: float = 10.0 ** math.floor(math.log10(most_m))
    return power * next(each for each in _ROUND if each * power >= most_m * (1 - 1e-9))


def _length(length_m: float) -> str:
    if 0 < length_m < 1e-6:
        return "< 0.001 mm"
    return f"{length_m:.3g} m" if length_m >= 1 else f"{length_m * 1000:.3g} mm"


def _share(share: float) -> str:
    return "< 0.01%" if 0 < share < 1e-4 else f"{share:.2%}"
