"""Bottles, vases and bowls: turned profiles."""

import math

import numpy as np

from pipeline.training.props.captions import captions, degree, pick_word
from pipeline.training.props.palette import COLORS, CORK, METALS, WOODS, Rgb, Swatch, pick
from pipeline.training.props.parts import Model, Paint, fade, part, stripes, where
from pipeline.training.sdf import (
    ORIGIN,
    Shape,
    Vec2,
    box,
    cone,
    cylinder,
    ellipsoid,
    mirrored,
    revolve,
    smooth_union,
    sphere,
    subtract,
    torus,
    tube,
)

CLAY = Swatch(name="clay", rgb=(0.78, 0.43, 0.26))
PORCELAIN = Swatch(name="porcelain", rgb=(0.94, 0.94, 0.96))
GLASS: Rgb = (0.80, 0.92, 0.95)


def potion(rng: np.random.Generator) -> Model:
    """A corked bottle of colored liquid."""
    liquid, band = pick(rng, COLORS, but=("black", "white")), pick(rng, METALS)
    shape = pick_word(rng, ("round", "conical", "square", "slim"))
    fill = float(rng.uniform(0.5, 0.8))
    neck, neck_height = float(rng.uniform(0.075, 0.1)), float(rng.uniform(0.14, 0.22))
    body: Shape
    if shape == "round":
        r = float(rng.uniform(0.26, 0.33))
        body, top = subtract(sphere((0, 0, r * 0.92), r), box((0, 0, -0.5), (1, 1, 0.5))), r * 1.85
    elif shape == "conical":
        r = float(rng.uniform(0.28, 0.36))
        top = float(rng.uniform(0.42, 0.52))
        body = revolve([(0, 0), (r, 0), (r, 0.06), (neck, top), (0, top)])
    elif shape == "square":
        r = float(rng.uniform(0.22, 0.28))
        top = float(rng.uniform(0.42, 0.52))
        body = box((0, 0, top / 2), (r, r, top / 2), 0.06)
    else:
        r = float(rng.uniform(0.14, 0.18))
        top = float(rng.uniform(0.5, 0.6))
        body = cylinder((0, 0, top / 2), r, top / 2, rounding=0.06)
    z = top + neck_height
    level = top * fill
    glass = smooth_union(
        0.06, body, cylinder((0, 0, (z + top) / 2 - 0.04), neck, neck_height / 2 + 0.04)
    )
    dark, light = (
        fade(liquid.shaded(0.75), liquid.shaded(1.1), 0, level),
        fade(GLASS, (0.92, 0.98, 1.0), level, z),
    )
    parts = [
        part(glass, where(box((0, 0, level - 1), (2, 2, 1)), dark, light)),
        part(cylinder((0, 0, z), neck + 0.03, 0.032, rounding=0.015), GLASS),
        part(cone((0, 0, z - 0.02), 0.12, neck * 0.85, neck * 1.02), CORK),
    ]
    details = [f"in a {shape} bottle with a cork", f"in a {shape} bottle", "in a corked flask"]
    if rng.random() < 0.4:
        parts.append(part(tube((0, 0, top + 0.03), neck + 0.035, neck - 0.06, 0.032), band))
        details.insert(1, f"with a {band.name} ring on its neck")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("potion", "magic potion", "potion bottle"),
            looks=(liquid.name, "magic"),
            details=details,
            size=degree(fill, 0.5, 0.8, "half-empty", "full"),
        ),
    )


def vase(rng: np.random.Generator) -> Model:
    """A turned vase with an open mouth, at times with handles."""
    clay = pick(rng, (CLAY, PORCELAIN, *COLORS[:8]))
    trim = pick(rng, (*COLORS, METALS[2]), but=(clay.name,))
    belly, height = float(rng.uniform(0.22, 0.34)), float(rng.uniform(0.75, 0.95))
    foot, neck = belly * float(rng.uniform(0.5, 0.7)), belly * float(rng.uniform(0.38, 0.6))
    mouth = neck + float(rng.uniform(0.03, 0.09))
    at = height * float(rng.uniform(0.38, 0.6))
    neck_z = height * 0.82
    wall = 0.065

    def radius(z: float) -> float:
        """Smooth curve through foot, belly, neck and mouth."""
        for (z0, r0), (z1, r1) in (
            ((0.0, foot), (at, belly)),
            ((at, belly), (neck_z, neck)),
            ((neck_z, neck), (height, mouth)),
        ):
            if z <= z1:
                t = (z - z0) / (z1 - z0)
                return r0 + (r1 - r0) * (1 - math.cos(t * math.pi)) / 2
        return mouth

    zs = [height * i / 10 for i in range(11)]
    outer: list[Vec2] = [(radius(z), z) for z in zs]
    inner: list[Vec2] = [
        (mouth - wall, height),
        (max(neck - wall, 0.03), neck_z),
        (max(neck - wall, 0.03), neck_z - 0.12),
        (0.0, neck_z - 0.15),
    ]
    body = revolve([(0.0, 0.0), *outer, *inner])
    pattern = pick_word(rng, ("band", "stripes", "rim"))
    paint: Paint
    if pattern == "band":
        paint = where(box((0, 0, at), (2, 2, 0.08)), trim.rgb, clay.rgb)
        words = f"with a {trim.name} band"
    elif pattern == "stripes":
        paint = stripes(clay.rgb, trim.rgb, "z", height / 8)
        words = f"with {trim.name} stripes"
    else:
        paint = where(box((0, 0, at), (2, 2, height - at - 0.09)), clay.rgb, trim.rgb)
        words = f"with a {trim.name} rim and foot"
    parts = [part(body, paint)]
    details = [words, "with a narrow neck"]
    if rng.random() < 0.4:
        middle = (neck_z + at) / 2 + 0.04
        parts.append(
            part(
                mirrored(
                    torus((radius(middle) + 0.035, 0, middle), (neck_z - at) / 2 * 0.9, 0.032, "y"),
                    "x",
                ),
                trim,
            )
        )
        details.insert(0, f"{words} and two handles")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("vase", "urn", "ceramic vase"),
            looks=(clay.name, "ceramic"),
            details=details,
            size=degree(height / belly, 2.2, 4.3, "round", "slender"),
        ),
    )


def bowl(rng: np.random.Generator) -> Model:
    """An open bowl, empty or with soup or fruit."""
    outside = pick(rng, (*WOODS, CLAY, PORCELAIN, *COLORS[:8], *METALS[2:]))
    trim = pick(rng, COLORS, but=(outside.name,))
    radius, height = 0.47, float(rng.uniform(0.24, 0.42))
    wall, foot = float(rng.uniform(0.06, 0.08)), float(rng.uniform(0.18, 0.25))
    outer: list[Vec2] = [
        (
            foot + (radius - foot) * math.sin(t * math.pi / 2),
            0.06 + (height - 0.06) * (1 - math.cos(t * math.pi / 2)),
        )
        for t in (0, 0.25, 0.5, 0.75, 1)
    ]
    inner: list[Vec2] = [(r - wall, z + wall * (1 - i / 4)) for i, (r, z) in enumerate(outer)]
    profile = [(0.0, 0.0), (foot, 0.0), *outer, *inner[::-1], (0.0, 0.06 + wall)]
    rim = where(box((0, 0, height), (2, 2, 0.06)), trim.rgb, outside.rgb)
    parts = [part(revolve(profile, ORIGIN), rim)]
    content = pick_word(rng, ("empty", "soup", "apples"))
    details = [f"with a {trim.name} rim", "with a small foot"]
    if content == "soup":
        soup = pick(
            rng,
            (
                Swatch(name="orange", rgb=(0.92, 0.52, 0.12)),
                Swatch(name="green", rgb=(0.45, 0.62, 0.18)),
                Swatch(name="red", rgb=(0.78, 0.2, 0.1)),
            ),
        )
        z = height * 0.72
        parts.append(
            part(
                cylinder((0, 0, z * 0.6), radius - wall * 1.3 - (height - z) * 0.25, z * 0.4), soup
            )
        )
        details.insert(0, f"of {soup.name} soup with a {trim.name} rim")
    elif content == "apples":
        fruit = pick(
            rng, tuple(c for c in COLORS if c.name in {"red", "green", "yellow", "orange"})
        )
        r = 0.15
        balls = [
            sphere((0.19 * math.cos(a), 0.19 * math.sin(a), height * 0.8), r)
            for a in (0.4, 1.97, 3.54, 5.11)
        ]
        parts.append(
            part(
                smooth_union(
                    0.01,
                    ellipsoid((0, 0, height * 0.55), (0.3, 0.3, height * 0.35)),
                    sphere((0, 0, height + 0.07), r),
                    *balls,
                ),
                fruit,
            )
        )
        name = {"orange": "oranges", "yellow": "yellow apples"}.get(
            fruit.name, f"{fruit.name} apples"
        )
        details.insert(0, f"of {name}")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("bowl", "fruit bowl" if content == "apples" else "dish", "round bowl"),
            looks=(outside.name, "round"),
            details=details,
            size=degree(height, 0.24, 0.42, "shallow", "deep"),
        ),
    )
