"""Procedurally made game props as signed-distance and color fields."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.training.props import (
    containers,
    furniture,
    lights,
    nature,
    structures,
    tools,
    vessels,
    weapons,
)
from pipeline.training.props.parts import Model, Part, distance_of, evaluate
from pipeline.types import FloatArray

LARGEST_EXTENT = 0.91  # leaves a voxel of air at every side of the cube
# Models are written about one unit large; this much around the origin holds all of them.
SEARCH_LOW, SEARCH_HIGH, SEARCH_CELLS = (-0.85, -0.85, -0.6), (0.85, 0.85, 1.7), 40
CHUNK = 16_384  # points whose temporaries stay in the processor's cache


@dataclass(frozen=True, kw_only=True)
class Prop:
    """A game prop as a field over the unit cube [-0.5, 0.5]^3, Z up, front toward -Y.

    captions: four to six phrasings for this very prop, the most specific first.
    field: points `[N, 3]` float32 -> distance `[N]` float32, negative inside, and color `[N, 3]`
        float32 sRGB in 0..1 of the nearest part.
    """

    kind: str
    captions: tuple[str, ...]
    field: Callable[[FloatArray], tuple[FloatArray, FloatArray]]


_MAKERS: dict[str, Callable[[np.random.Generator], Model]] = {
    "crate": containers.crate,
    "crate stack": containers.crate_stack,
    "barrel": containers.barrel,
    "chest": containers.chest,
    "table": furniture.table,
    "chair": furniture.chair,
    "stool": furniture.stool,
    "bench": furniture.bench,
    "shelf": furniture.shelf,
    "bed": furniture.bed,
    "lamp": lights.lamp,
    "lantern": lights.lantern,
    "candle": lights.candle,
    "pillar": structures.pillar,
    "fence": structures.fence,
    "house": structures.house,
    "hut": structures.hut,
    "tower": structures.tower,
    "well": structures.well,
    "signpost": structures.signpost,
    "tree": nature.tree,
    "pine": nature.pine,
    "bush": nature.bush,
    "rock": nature.rock,
    "mushroom": nature.mushroom,
    "crystal": nature.crystal,
    "sword": weapons.sword,
    "shield": weapons.shield,
    "axe": weapons.axe,
    "hammer": weapons.hammer,
    "potion": vessels.potion,
    "vase": vessels.vase,
    "bowl": vessels.bowl,
    "cart wheel": tools.cart_wheel,
    "key": tools.key,
    "anvil": tools.anvil,
}

KINDS: tuple[str, ...] = tuple(_MAKERS)


def make_prop(kind: str, rng: np.random.Generator) -> Prop:
    """Make one prop of a kind; its proportions, materials and captions come from `rng`.

    The prop is centered by its bounding box and its longest side is about `LARGEST_EXTENT`.

    Raises:
        InvalidInput: If `kind` is none of `KINDS`.
    """
    if kind not in _MAKERS:
        raise InvalidInput(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    model = _MAKERS[kind](rng)
    low, high = _bounds(model.parts)
    # A model unit in the prop's units.
    scale = np.float32(LARGEST_EXTENT / float((high - low).max()))
    center = ((low + high) / 2).astype(np.float32)[:, None]
    parts = model.parts

    def field(points: FloatArray) -> tuple[FloatArray, FloatArray]:
        distance = np.empty(len(points), np.float32)
        color = np.empty((len(points), 3), np.float32)
        for start in range(0, len(points), CHUNK):
            chunk = slice(start, start + CHUNK)
            p = np.ascontiguousarray(points[chunk].T, np.float32) / scale + center
            d, rgb = evaluate(parts, p)
            distance[chunk] = d * scale
            color[chunk] = rgb.T
        return distance, color

    return Prop(kind=kind, captions=model.captions, field=field)


def _bounds(parts: tuple[Part, ...]) -> tuple[FloatArray, FloatArray]:
    """The model's bounding box, `[3]` each, to a few thousandths of a unit."""
    axes = [
        np.linspace(low, high, SEARCH_CELLS, dtype=np.float32)
        for low, high in zip(SEARCH_LOW, SEARCH_HIGH, strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    d = distance_of(parts, grid)
    cell = np.asarray([axis[1] - axis[0] for axis in axes], np.float32)
    near = grid[:, np.abs(d) < float(cell.max())]
    # Newton steps carry points near the surface onto it; their box is finer than the grid's.
    step = np.float32(2e-3)
    for _ in range(3):
        d = distance_of(parts, near)
        slope = np.stack(
            [
                (distance_of(parts, near + step * e) - d) / step
                for e in np.eye(3, dtype=np.float32)[:, :, None]
            ]
        )
        near = near - d * slope / np.maximum((slope * slope).sum(axis=0), 0.25)
    surface = near[:, np.abs(distance_of(parts, near)) < 4e-3]
    return surface.min(axis=1), surface.max(axis=1)
