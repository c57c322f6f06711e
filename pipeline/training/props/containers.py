"""Crates, barrels and chests."""

import math

import numpy as np

from pipeline.training.props.captions import captions, degree, pick_word
from pipeline.training.props.palette import COLORS, METALS, WOODS, Swatch, pick
from pipeline.training.props.parts import Model, Part, part, place, planks, staves
from pipeline.training.sdf import (
    ORIGIN,
    beam,
    box,
    box_frame,
    cylinder,
    intersect,
    mirrored,
    revolve,
    tube,
    union,
)


def _crate_parts(
    wood: Swatch, trim: Swatch, half: tuple[float, float, float], edge: float
) -> list[Part]:
    """Planked sides behind a frame, standing on z = -half[2]."""
    a, b, c = half
    inset = edge * 0.35
    return [
        part(box(ORIGIN, (a - inset, b - inset, c - inset)), planks(wood, "z", 2 * c / 5)),
        part(box_frame(ORIGIN, half, edge), trim.rgb),
    ]


def crate(rng: np.random.Generator) -> Model:
    """A box of planks: braced, iron-cornered or plainly framed."""
    wood = pick(rng, WOODS)
    a, b = float(rng.uniform(0.38, 0.5)), float(rng.uniform(0.36, 0.48))
    c = float(rng.uniform(0.28, 0.52))
    edge = float(rng.uniform(0.1, 0.15))
    style = pick_word(rng, ("braced", "cornered", "framed", "painted"))
    size = degree(c, 0.28, 0.52, "low", "tall")
    looks = [wood.name, "wooden"]
    trim = Swatch(name=wood.name, rgb=wood.shaded(0.72))
    if style == "braced":
        parts = _crate_parts(wood, trim, (a, b, c), edge)
        slope_x = beam(
            (-a + edge / 2, 0, -c + edge / 2),
            (a - edge / 2, 0, c - edge / 2),
            edge * 0.42,
            b - 0.012,
        )
        slope_y = beam(
            (0, -b + edge / 2, -c + edge / 2),
            (0, b - edge / 2, c - edge / 2),
            edge * 0.42,
            a - 0.012,
        )
        parts.append(part(union(slope_x, slope_y), wood.shaded(0.8)))
        details = ("with diagonal braces", "with cross boards", "nailed together from planks")
    elif style == "cornered":
        metal = pick(rng, METALS)
        parts = _crate_parts(wood, trim, (a, b, c), edge)
        corner = edge * 0.85
        parts.append(
            part(
                mirrored(
                    box(
                        (a - corner + 0.02, b - corner + 0.02, c - corner + 0.02),
                        (corner, corner, corner),
                    ),
                    "xyz",
                ),
                metal,
            )
        )
        details = (
            f"with {metal.name} corners",
            f"with {metal.name} fittings",
            "with metal corners",
        )
    elif style == "painted":
        paint = pick(rng, COLORS, but=("white", "black"))
        parts = _crate_parts(paint, trim, (a, b, c), edge)
        looks = [paint.name, f"painted {paint.name}"]
        details = (f"with a {wood.name} frame", "with a wooden frame", "made of painted boards")
    else:
        parts = _crate_parts(wood, Swatch(name="light", rgb=wood.shaded(1.25)), (a, b, c), edge)
        details = ("with a frame of light boards", "made of planks", "for cargo")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng, nouns=("crate", "box", "cargo crate"), looks=looks, details=details, size=size
        ),
    )


def crate_stack(rng: np.random.Generator) -> Model:
    """Two to four crates on top of each other."""
    first = pick(rng, WOODS)
    second = pick(rng, WOODS, but=(first.name,))
    half = 0.24
    layout = pick_word(rng, ("pyramid", "pair", "tower"))
    lean = float(rng.uniform(-25, 25))
    spots: list[tuple[float, float, float, float, Swatch]]
    if layout == "pyramid":
        spots = [
            (-0.26, 0, 0, 4, first),
            (0.26, 0.02, 0, -3, first),
            (0.02, 0, 2 * half, lean, second),
        ]
        count = "three"
    elif layout == "pair":
        spots = [(0, 0, 0, 0, first), (0.02, 0, 2 * half, lean, second)]
        count = "two"
    else:
        spots = [
            (0, 0, 0, 3, first),
            (0.03, 0.01, 2 * half, lean, second),
            (-0.02, 0, 4 * half, -lean / 2, first),
        ]
        count = "three"
    parts: list[Part] = []
    for x, y, z, angle, wood in spots:
        trim = Swatch(name=wood.name, rgb=wood.shaded(0.68))
        # A hair of overlap, so that the crates are one body.
        one = _crate_parts(wood, trim, (half, half, half + 0.004), 0.095)
        parts += place(one, (x, y, z), "z", angle)
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("crate stack", "stack of crates", "pile of boxes"),
            looks=(f"{first.name} and {second.name}", "wooden"),
            details=(
                f"of {count} boxes" if layout != "tower" else "three boxes high",
                "piled up",
                f"with {count} crates",
            ),
            size="tall" if layout == "tower" else "",
        ),
    )


def barrel(rng: np.random.Generator) -> Model:
    """A bulged barrel with bands."""
    wood, metal = pick(rng, (*WOODS, *COLORS[:6])), pick(rng, METALS)
    radius, height = float(rng.uniform(0.26, 0.36)), float(rng.uniform(0.72, 1.0))
    bulge = float(rng.uniform(1.1, 1.28))
    h = height / 2
    outer = [
        (radius * (1 + (bulge - 1) * math.cos(t * math.pi / 2)), h * t)
        for t in (-1, -0.6, -0.2, 0.2, 0.6, 1)
    ]
    rim = radius - 0.055
    profile = [(0.0, -h), *outer, (rim, h), (rim, h - 0.045), (0.0, h - 0.045)]
    bands = []
    for t in (0.8, 0.36) if rng.random() < 0.6 else (0.6,):
        at = radius * (1 + (bulge - 1) * math.cos(t * math.pi / 2))
        half = float(rng.uniform(0.034, 0.05))
        bands.append(tube((0, 0, t * h), at + 0.03, at - 0.06, half))
    parts = [
        part(revolve(profile), staves(wood, 14)),
        part(mirrored(union(*bands), "z"), metal),
    ]
    painted = wood.name in {color.name for color in COLORS}
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("barrel", "cask", "keg"),
            looks=(wood.name, "painted wooden" if painted else "wooden"),
            details=(
                f"with {metal.name} bands",
                f"bound with {metal.name} hoops",
                "with metal hoops",
            ),
            size=degree(height / radius, 2.0, 3.85, "squat", "tall"),
        ),
    )


def chest(rng: np.random.Generator) -> Model:
    """A treasure chest with a round or flat lid, metal straps and a lock."""
    wood, metal = pick(rng, (*WOODS, *COLORS[:6])), pick(rng, METALS)
    a, b = float(rng.uniform(0.42, 0.5)), float(rng.uniform(0.26, 0.34))
    c = float(rng.uniform(0.15, 0.22))
    is_round = bool(rng.random() < 0.7)
    strap = float(rng.uniform(0.04, 0.055))
    strap_x = a * float(rng.uniform(0.5, 0.75))
    top = c
    if is_round:
        lid = intersect(cylinder((0, 0, top), b, a, "x"), box((0, 0, top + b), (a + 1, b + 1, b)))
        hoop = intersect(
            cylinder((strap_x, 0, top), b + 0.028, strap, "x"),
            box((0, 0, top + b), (a + 1, b + 1, b + 0.1)),
        )
        height = b
    else:
        height = float(rng.uniform(0.09, 0.14))
        lid = box((0, 0, top + height / 2), (a, b, height / 2), 0.02)
        hoop = box((strap_x, 0, top + height / 2 - 0.01), (strap, b + 0.028, height / 2 + 0.035))
    lock = box((0, -b - 0.015, top), (0.07, 0.05, 0.085), 0.015)
    parts = [
        part(box((0, 0, 0), (a, b, c)), planks(wood, "z", 2 * c / 3)),
        part(lid, planks(Swatch(name=wood.name, rgb=wood.shaded(0.9)), "y", 2 * b / 4)),
        part(mirrored(union(hoop, box((strap_x, 0, 0), (strap, b + 0.028, c + 0.02))), "x"), metal),
        part(box((0, 0, top - 0.01), (a + 0.025, b + 0.025, 0.035)), metal.shaded(0.85)),
        part(lock, metal.shaded(1.35)),
    ]
    shape = "round" if is_round else "flat"
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("chest", "treasure chest", "trunk"),
            looks=(wood.name, "wooden" if wood in WOODS else "old"),
            details=(
                f"with {metal.name} straps and a {shape} lid",
                f"with a {metal.name} lock",
                f"with a {shape} lid",
            ),
            size=degree(c + height, 0.24, 0.56, "low", "high"),
        ),
    )
