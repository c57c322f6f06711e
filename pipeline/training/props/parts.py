"""A prop before it is normalized: shapes with paint on them.

Makers write about one unit large models; the front door measures and scales them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.training.props.palette import Rgb, Swatch
from pipeline.training.sdf import Axis, Shape, Vec3, turn_points
from pipeline.types import FloatArray

Paint = Callable[[FloatArray], FloatArray]
"""Points `[3, N]` -> sRGB `[3, N]` in 0..1."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One shape and its paint, in the model's own units."""

    shape: Shape
    paint: Paint


@dataclass(frozen=True, kw_only=True)
class Model:
    """What a maker returns: parts whose union is the prop, and what to call it."""

    parts: tuple[Part, ...]
    captions: tuple[str, ...]


def part(shape: Shape, color: Swatch | Rgb | Paint) -> Part:
    """A shape with a plain color or a paint."""
    if isinstance(color, Swatch):
        return Part(shape=shape, paint=plain(color.rgb))
    if isinstance(color, tuple):
        return Part(shape=shape, paint=plain(color))
    return Part(shape=shape, paint=color)


def place(
    parts: Sequence[Part], by: Vec3 = (0.0, 0.0, 0.0), axis: Axis = "z", angle_deg: float = 0.0
) -> list[Part]:
    """The parts turned about `axis` and then shifted, paint and all."""
    shift = np.asarray(by, np.float32)[:, None]

    def back(p: FloatArray) -> FloatArray:
        return turn_points(p - shift, axis, angle_deg) if angle_deg else p - shift

    def placed(one: Part) -> Part:
        return Part(shape=lambda p: one.shape(back(p)), paint=lambda p: one.paint(back(p)))

    return [placed(one) for one in parts]


def evaluate(parts: Sequence[Part], p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distance `[N]` of the union and color `[3, N]` of the nearest part."""
    distance = parts[0].shape(p)
    owner = np.zeros(p.shape[1], np.int16)
    for i, one in enumerate(parts[1:], start=1):
        d = one.shape(p)
        closer = d < distance
        distance = np.where(closer, d, distance)
        owner[closer] = i
    color = np.empty_like(p)
    for i in np.unique(owner):
        mine = owner == i
        color[:, mine] = parts[i].paint(p[:, mine])
    return distance, color


def distance_of(parts: Sequence[Part], p: FloatArray) -> FloatArray:
    """Distance `[N]` of the union, without the cost of color."""
    distance = parts[0].shape(p)
    for one in parts[1:]:
        distance = np.minimum(distance, one.shape(p))
    return distance


# --- paints -------------------------------------------------------------------------------


def _column(rgb: Rgb) -> FloatArray:
    return np.asarray(rgb, np.float32)[:, None]


def _shade(color: FloatArray, factor: FloatArray) -> FloatArray:
    shaded: FloatArray = np.clip(color * factor, 0, 1)
    return shaded


def _hash(cell: FloatArray, seed: float = 0.0) -> FloatArray:
    """A pseudo-random number in [0, 1) per whole-numbered cell, smooth nowhere."""
    number: FloatArray = np.mod(np.abs(np.sin(cell * 12.9898 + seed * 78.233)) * 437.585, 1.0)
    return number


def plain(rgb: Rgb) -> Paint:
    """One color."""
    color = _column(rgb)
    return lambda p: np.repeat(color, p.shape[1], axis=1)


def planks(swatch: Swatch, axis: Axis, width: float, contrast: float = 0.22) -> Paint:
    """Boards laid side by side along `axis`, each a little lighter or darker."""
    color, row = _column(swatch.rgb), "xyz".index(axis)

    def paint(p: FloatArray) -> FloatArray:
        cell = np.floor(p[row] / width + 0.5)
        tint = np.mod(cell, 2) * 0.6 + _hash(cell) * 0.4
        return _shade(color, 1 - contrast / 2 + contrast * tint)

    return paint


def staves(swatch: Swatch, count: int, contrast: float = 0.22) -> Paint:
    """Boards around the Z axis, as in a barrel."""
    color = _column(swatch.rgb)

    def paint(p: FloatArray) -> FloatArray:
        cell = np.floor((np.arctan2(p[1], p[0]) / (2 * math.pi) + 0.5) * count)
        tint = np.mod(cell, 2) * 0.6 + _hash(cell) * 0.4
        return _shade(color, 1 - contrast / 2 + contrast * tint)

    return paint


def bricks(swatch: Swatch, width: float, height: float, contrast: float = 0.3) -> Paint:
    """Staggered blocks on flat walls facing along x or y."""
    color = _column(swatch.rgb)

    def paint(p: FloatArray) -> FloatArray:
        row = np.floor(p[2] / height)
        cell = np.floor((p[0] + p[1]) / width + 0.5 * np.mod(row, 2))
        return _shade(color, 1 - contrast / 2 + contrast * _hash(cell + row * 7))

    return paint


def round_bricks(swatch: Swatch, count: int, height: float, contrast: float = 0.3) -> Paint:
    """Staggered blocks on a wall around the Z axis, `count` to the round."""
    color = _column(swatch.rgb)

    def paint(p: FloatArray) -> FloatArray:
        row = np.floor(p[2] / height)
        turn = np.arctan2(p[1], p[0]) / (2 * math.pi)
        cell = np.mod(np.floor(turn * count + 0.5 * np.mod(row, 2)), count)
        return _shade(color, 1 - contrast / 2 + contrast * _hash(cell + row * 7))

    return paint


def stripes(first: Rgb, second: Rgb, axis: Axis, width: float, offset: float = 0.0) -> Paint:
    """Two colors in turn along `axis`."""
    a, b, row = _column(first), _column(second), "xyz".index(axis)

    def paint(p: FloatArray) -> FloatArray:
        return np.where(np.mod(np.floor((p[row] - offset) / width), 2) == 0, a, b)

    return paint


def sectors(first: Rgb, second: Rgb, count: int, axis: Axis = "z") -> Paint:
    """Two colors in turn around `axis`, `count` sectors in all."""
    a, b = _column(first), _column(second)
    u, v = {"x": (1, 2), "y": (0, 2), "z": (0, 1)}[axis]

    def paint(p: FloatArray) -> FloatArray:
        cell = np.floor((np.arctan2(p[v], p[u]) / (2 * math.pi) + 0.5) * count)
        return np.where(np.mod(cell, 2) == 0, a, b)

    return paint


def fade(bottom: Rgb, top: Rgb, low: float, high: float, axis: Axis = "z") -> Paint:
    """A gradient along `axis` from `low` to `high`."""
    a, b, row = _column(bottom), _column(top), "xyz".index(axis)

    def paint(p: FloatArray) -> FloatArray:
        t = np.clip((p[row] - low) / (high - low), 0, 1)
        mixed: FloatArray = a + (b - a) * t
        return mixed

    return paint


def mottled(first: Rgb, second: Rgb, size: float, seed: float) -> Paint:
    """Soft patches of two colors, about `size` wide."""
    a, b, k = _column(first), _column(second), math.pi / size

    def paint(p: FloatArray) -> FloatArray:
        waves = (
            np.sin(k * p[0] + seed + 0.7 * np.sin(k * 0.6 * p[1]))
            + np.sin(k * p[1] + 2.1 * seed + 0.7 * np.sin(k * 0.6 * p[2]))
            + np.sin(k * p[2] + 3.7 * seed + 0.7 * np.sin(k * 0.6 * p[0]))
        )
        mixed: FloatArray = a + (b - a) * np.clip(waves * 0.6 + 0.5, 0, 1)
        return mixed

    return paint


def where(inside: Shape, first: Paint | Rgb, second: Paint | Rgb) -> Paint:
    """`first` where the shape is, `second` elsewhere."""
    a = plain(first) if isinstance(first, tuple) else first
    b = plain(second) if isinstance(second, tuple) else second
    return lambda p: np.where(inside(p) < 0, a(p), b(p))


def dots(ground: Rgb, dot: Rgb, centers: Sequence[Vec3], radius: float) -> Paint:
    """Round spots at `centers`."""
    a, b = _column(ground), _column(dot)
    c = np.asarray(centers, np.float32)

    def paint(p: FloatArray) -> FloatArray:
        squared = np.full(p.shape[1], np.inf, np.float32)
        for x, y, z in c:
            np.minimum(squared, (p[0] - x) ** 2 + (p[1] - y) ** 2 + (p[2] - z) ** 2, out=squared)
        return np.where(squared < radius * radius, b, a)

    return paint
