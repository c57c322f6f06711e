"""Charts into one square atlas, by their true shapes.

A chart is a stack of cell rows with one or more spans each. It goes to the first place from the
top where all of its spans are free, in that of eight turns that then reaches down least.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.threads import together

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

Float64Array = NDArray[np.float64]
Complex128Array = NDArray[np.complex128]
Int32Array = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

# Per side; larger atlases are packed in cells of several texels. Half as many fill 2 % less, twice
# as many nothing more, in four times the time.
_MAX_CELLS = 1024
_CHARTS_PER_CHECK = 16
_LEAST_SLANTED_CELLS = 32  # eight turns of smaller charts are not worth their time: four are tried
_BOX_ANGLES = 32  # per quarter turn, tried for the smallest box

# With its gutter and the cells that it only touches, this much of the square is tried first.
_FIRST_FILLS = (0.76, 0.8)
_FILL_STEP = 0.93  # to the next try where nothing fits
_FILL_TOLERANCE = 0.012  # the search stops this close to the largest scale that fits

# A chart smaller than so many texels is scaled up, but not so that it gets longer than this.
_LEAST_TEXELS = 8.0
_LONGEST_ENLARGED_TEXELS = 16.0


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Where charts lie: texel = `scales` * `turns` * point + `offsets`, points being x + yi.

    scale: texels per chart unit.
    scales: `[C]` the same, but more for charts that would be smaller than 8 texels.
    turns: `[C]` of length 1: a rotation, which never mirrors. offsets: `[C]` texels.
    """

    scale: float
    scales: Float64Array
    turns: Complex128Array
    offsets: Complex128Array


class _Room(NamedTuple):
    """The square in cells. gutter: free cells between charts. border: to the rim."""

    side: int
    gutter: int
    border: int


class _Charts(NamedTuple):
    """What is packed, upright.

    points: `[T, 3]` corners in chart units. starts: `[C + 1]`. least_scales: `[C]` cells per unit.
    """

    points: Complex128Array
    starts: NDArray[np.int64]
    least_scales: Float64Array


def pack(
    points: Complex128Array,
    starts: NDArray[np.int64],
    texture_size: int,
    gutter_texels: int,
    tick: Callable[[], None],
) -> Packing | None:
    """Place charts in a square as large as they fit, without overlap or mirroring.

    The same charts are placed the same way at any number of processors.

    Args:
        points: `[T, 3]` corners of triangles as x + yi, sorted by chart, in one unit for all.
        starts: `[C + 1]` first triangle of each chart, ending with T.
        texture_size: Side of the square in texels.
        gutter_texels: At least this many free texels between two charts, half of it to the border.
        tick: Called every 0.1 s; may raise to stop.

    Returns:
        The placement, or None if the gutters alone need more than the square.
    """
    tick()
    cells = min(texture_size, _MAX_CELLS)
    texels_per_cell = texture_size // cells
    room = _Room(
        side=cells,
        gutter=-(-gutter_texels // texels_per_cell),
        border=-(-gutter_texels // (2 * texels_per_cell)),
    )
    turns = _to_small_boxes(points, starts)
    upright = points * np.repeat(turns, np.diff(starts))[:, None]
    sizes = _box_sizes(upright, starts)
    width, height = sizes.real, sizes.imag
    along = upright[:, 1:] - upright[:, :1]
    # Of mirrored charts, too, which UVs that are kept may have.
    areas = np.add.reduceat(np.abs((along[:, 0].conj() * along[:, 1]).imag), starts[:-1]) / 2
    least_scales = np.minimum(
        np.sqrt(_LEAST_TEXELS / np.maximum(areas, 1e-300)),
        _LONGEST_ENLARGED_TEXELS / np.maximum(width, height),
    )
    charts = _Charts(upright, starts, least_scales / texels_per_cell)
    order = np.argsort(-width * height, kind="stable")  # large first: small ones fill the rest

    def scale_of(fill: float) -> float:
        # fill * side^2 = area s^2 + (gutter and touched cells along half the border) s
        half_border = float((width + height).sum())
        along_border = half_border * (room.gutter / 2 + 0.75)
        area = float(areas.sum())
        root = np.sqrt(along_border**2 + 4 * area * fill * room.side**2)
        return float((root - along_border) / (2 * area))

    fitting, too_full, found = 0.0, np.inf, None
    fills = _FIRST_FILLS
    while True:
        works = [partial(_placed, charts, order, scale_of(fill), room) for fill in fills]
        for fill, places in zip(fills, together(works, lambda _: tick()), strict=True):
            if places is None:
                too_full = min(too_full, fill)
            elif fill > fitting:
                fitting, found = fill, places
        if found is None:
            if scale_of(too_full) * np.sqrt(areas.sum()) < 1:  # all charts are less than a cell
                return None
            fills = too_full * _FILL_STEP**2, too_full * _FILL_STEP
        elif too_full <= fitting:  # by luck a fuller one fits: the search is over
            break
        elif too_full == np.inf:
            fills = fitting / _FILL_STEP, fitting / _FILL_STEP**2
        elif too_full - fitting <= _FILL_TOLERANCE * fitting:
            break
        else:
            third = (too_full - fitting) / 3
            fills = fitting + third, fitting + 2 * third
    scale = scale_of(fitting) * texels_per_cell
    scales = np.maximum(scale, charts.least_scales * texels_per_cell)
    more_turns, offsets = found
    return Packing(
        scale=scale,
        scales=scales,
        turns=turns * more_turns,
        offsets=offsets * texels_per_cell,
    )


@_kernel
def _to_small_boxes(points: Complex128Array, starts: NDArray[np.int64]) -> Complex128Array:
    """Return the turn of each chart that gives it the smallest box."""
    turns = np.ones(len(starts) - 1, np.complex128)
    for chart in range(len(turns)):
        best = np.inf
        for n in range(_BOX_ANGLES):
            turn = np.exp(0.5j * np.pi * n / _BOX_ANGLES)
            left, right, low, high = np.inf, -np.inf, np.inf, -np.inf
            for t in range(starts[chart], starts[chart + 1]):
                for k in range(3):
                    p = points[t, k] * turn
                    left, right = min(left, p.real), max(right, p.real)
                    low, high = min(low, p.imag), max(high, p.imag)
            box = (right - left) * (high - low)
            if box < best * (1 - 1e-9):
                best = box
                turns[chart] = turn
    return turns


def _box_sizes(points: Complex128Array, starts: NDArray[np.int64]) -> Complex128Array:
    """Return width + height i of each chart's box."""
    first = starts[:-1]
    width = np.maximum.reduceat(points.real.max(axis=1), first) - np.minimum.reduceat(
        points.real.min(axis=1), first
    )
    height = np.maximum.reduceat(points.imag.max(axis=1), first) - np.minimum.reduceat(
        points.imag.min(axis=1), first
    )
    sizes: Complex128Array = width + 1j * height
    return sizes


def _placed(
    charts: _Charts, order: NDArray[np.int64], scale: float, room: _Room, check: Callable[[], None]
) -> tuple[Complex128Array, Complex128Array] | None:
    """Return `[C]` turns and `[C]` offsets in cells, or None where a chart does not fit."""
    turns, offsets = np.ones(len(order), np.complex128), np.zeros(len(order), np.complex128)
    # runs[y, x] > 0: so many free cells from x on; < 0: so many taken ones
    runs = np.tile(np.arange(room.side, 0, -1, dtype=np.int16), (room.side, 1))
    widest = np.full(room.side, room.side, np.int16)  # run of free cells, of each row
    for first in range(0, len(order), _CHARTS_PER_CHECK):
        check()
        some = order[first : first + _CHARTS_PER_CHECK]
        if not _place(charts, some, scale, room, runs, widest, turns, offsets):
            return None
    return turns, offsets


@_kernel
def _place(
    charts: _Charts,
    some: NDArray[np.int64],
    scale: float,
    room: _Room,
    runs: NDArray[np.int16],
    widest: NDArray[np.int16],
    turns: Complex128Array,
    offsets: Complex128Array,
) -> bool:
    """Place some charts one after the other; False where one does not fit."""
    for chart in some:
        points = charts.points[charts.starts[chart] : charts.starts[chart + 1]]
        points = points * max(scale, charts.least_scales[chart])
        best_reach, best = np.inf, np.zeros((1, 1), np.bool_)
        best_y, best_x = -1, -1
        for slant in (1 + 0j, np.exp(0.25j * np.pi)):
            mask, low = _touched_cells(points * slant)
            height, width = mask.shape
            if slant != 1 and max(height, width) < _LEAST_SLANTED_CELLS:
                break
            for quarter in range(4):
                turned = _turned(mask, quarter)
                rows = len(turned)
                # Where its middle comes to lie, almost: a chart that lies flat goes first.
                before = int(np.ceil(min(best_reach - 0.75 * rows, 1e9)))
                y, x = _first_free(runs, widest, turned, before, room.border)
                if y < 0:
                    continue
                best_reach, best, best_y, best_x = y + 0.75 * rows, turned, y, x
                quarters = (1 + 0j, 1j, -1 + 0j, -1j)[quarter]
                shift = (0j, height + 0j, width + 1j * height, 1j * width)[quarter]
                turns[chart] = slant * quarters
                offsets[chart] = x + 1j * y + shift - quarters * low
        if best_y < 0:
            return False
        _take(runs, widest, best, best_y, best_x, room.gutter)
    return True


@_kernel
def _touched_cells(points: Complex128Array) -> tuple[BoolArray, complex]:
    """Mark the cells that triangles touch, `[height, width]`, counted from their lowest corner."""
    left, right, bottom, top = np.inf, -np.inf, np.inf, -np.inf
    for n in range(len(points)):
        for k in range(3):
            left, right = min(left, points[n, k].real), max(right, points[n, k].real)
            bottom, top = min(bottom, points[n, k].imag), max(top, points[n, k].imag)
    height, width = max(1, int(np.ceil(top - bottom))), max(1, int(np.ceil(right - left)))
    mask = np.zeros((height, width), np.bool_)
    first, end = np.empty(height, np.int64), np.empty(height, np.int64)
    for n in range(len(points)):
        low, high = height - 1, 0
        for k in range(3):
            row = min(int(points[n, k].imag - bottom), height - 1)
            low, high = min(low, row), max(high, row)
        for row in range(low, high + 1):
            first[row], end[row] = width, 0
        for k in range(3):
            px, py = points[n, k].real - left, points[n, k].imag - bottom
            qx, qy = points[n, (k + 1) % 3].real - left, points[n, (k + 1) % 3].imag - bottom
            if py > qy:
                px, py, qx, qy = qx, qy, px, py
            slope = (qx - px) / (qy - py) if qy > py else 0.0
            for row in range(min(int(py), height - 1), min(int(qy), height - 1) + 1):
                xa = px + slope * (max(py, row) - py)
                xb = px + slope * (min(qy, row + 1.0) - py) if qy > py else qx
                first[row] = min(first[row], max(int(min(xa, xb)), 0))
                end[row] = max(end[row], min(int(max(xa, xb)) + 1, width))
        for row in range(low, high + 1):
            for x in range(first[row], end[row]):
                mask[row, x] = True
    return mask, complex(left, bottom)


@_kernel
def _turned(mask: BoolArray, quarters: int) -> BoolArray:
    """The mask after quarter turns from x to y."""
    height, width = mask.shape
    out = np.empty((width, height) if quarters % 2 else (height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            if quarters == 0:
                out[y, x] = mask[y, x]
            elif quarters == 1:
                out[x, height - 1 - y] = mask[y, x]
            elif quarters == 2:
                out[height - 1 - y, width - 1 - x] = mask[y, x]
            else:
                out[width - 1 - x, y] = mask[y, x]
    return out


@_kernel
def _spans(mask: BoolArray) -> Int32Array:
    """Return `[N, 3]` row, first cell and length of each span."""
    height, width = mask.shape
    spans = np.empty((2 * height, 3), np.int32)
    count = 0
    for y in range(height):
        was_on = False
        for x in range(width):
            if mask[y, x] != was_on:
                was_on = not was_on
                if was_on:
                    if count == len(spans):
                        spans = np.concatenate((spans, np.empty_like(spans)))
                    spans[count, 0], spans[count, 1], spans[count, 2] = y, x, width - x
                    count += 1
                else:
                    spans[count - 1, 2] = x - spans[count - 1, 1]
    # What is in the way of a row is mostly in the way of the next one, too: ask far ones first.
    mixed = np.empty((count, 3), np.int32)
    done = 0
    for first in (0, 4, 2, 6, 1, 5, 3, 7):
        for n in range(first, count, 8):
            mixed[done] = spans[n]
            done += 1
    return mixed


@_kernel
def _first_free(
    runs: NDArray[np.int16],
    widest: NDArray[np.int16],
    mask: BoolArray,
    before: int,
    border: int,
) -> tuple[int, int]:
    """The first place from the top, above row `before`, where all spans are free; or -1, -1."""
    side = len(runs)
    rows, width = mask.shape
    last_y, last_x = min(before - 1, side - border - rows), side - border - width
    if last_y < border or last_x < border:
        return -1, -1
    spans = _spans(mask)
    blocking = 0  # the span that failed last fails again most often: ask it first
    blocking_row = 0
    for y in range(border, last_y + 1):
        has_room = True
        for n in range(-1, len(spans)):
            span = blocking_row if n < 0 else n
            if widest[y + spans[span, 0]] < spans[span, 2]:
                has_room = False
                blocking_row = span
                break
        if not has_room:
            continue
        x = border
        while x <= last_x:
            jump = 0
            for n in range(-1, len(spans)):
                span = blocking if n < 0 else n
                row = y + spans[span, 0]
                start = x + spans[span, 1]
                free = runs[row, start]
                if free < spans[span, 2]:
                    jump = max(free, 0)
                    if start + jump < side:  # past what is in the way
                        jump -= runs[row, start + jump]
                    blocking = span
                    break
            if jump == 0:
                return y, x
            x += jump
    return -1, -1


@_kernel
def _take(
    runs: NDArray[np.int16],
    widest: NDArray[np.int16],
    mask: BoolArray,
    y: int,
    x: int,
    gutter: int,
) -> None:
    """Mark the cells of a chart and those within its gutter as taken."""
    side = len(runs)
    rows, columns = mask.shape
    wide = np.zeros((rows + 2 * gutter, columns + 2 * gutter), np.bool_)
    for row in range(rows):
        end = 0
        for column in range(columns):
            if mask[row, column]:
                for k in range(max(end, column), column + 2 * gutter + 1):
                    wide[row, k] = True
                end = column + 2 * gutter + 1
    for row in range(len(wide) - 1, -1, -1):  # from below, as each row is spread downward
        for near in range(max(0, row - 2 * gutter), row):
            for k in range(wide.shape[1]):
                wide[row, k] |= wide[near, k]
    first, end = max(0, x - gutter), min(side, x + columns + gutter)
    for row in range(max(0, y - gutter), min(side, y + rows + gutter)):
        run = runs[row, end] if end < side else 0
        for k in range(end - 1, -1, -1):
            is_taken = runs[row, k] < 0
            if k >= first:
                is_taken |= wide[row - y + gutter, k - x + gutter]
            elif k + 1 < first and is_taken != (run < 0):
                break  # the run before this one ends where it did
            sign = -1 if is_taken else 1
            run = run + sign if (run < 0) == is_taken and run != 0 else sign
            runs[row, k] = run
        longest, k = 0, 0
        while k < side:
            longest = max(longest, runs[row, k])
            k += abs(runs[row, k])
        widest[row] = longest
