"""Lamps, lanterns and candles."""

import math

import numpy as np

from pipeline.training.props.captions import captions, degree
from pipeline.training.props.palette import COLORS, GLOW, METALS, WAX, WOODS, Swatch, pick
from pipeline.training.props.parts import Model, fade, part
from pipeline.training.sdf import (
    beam,
    box,
    capsule,
    cone,
    cylinder,
    ellipsoid,
    mirrored,
    revolve,
    smooth_union,
    sphere,
    torus,
    tube,
    union,
)

BLACK_IRON = Swatch(name="black iron", rgb=(0.15, 0.15, 0.18))


def lamp(rng: np.random.Generator) -> Model:
    """A street lamp or a floor lamp."""
    return _street_lamp(rng) if rng.random() < 0.55 else _floor_lamp(rng)


def _street_lamp(rng: np.random.Generator) -> Model:
    metal = pick(
        rng, (BLACK_IRON, *METALS, *(c for c in COLORS if c.name in {"green", "blue", "red"}))
    )
    pole, head = float(rng.uniform(0.033, 0.042)), float(rng.uniform(0.09, 0.12))
    dark = metal.shaded(0.8)
    foot = union(
        cone((0, 0, 0.015), 0.085, 0.115, 0.065, 0.015), cone((0, 0, 0.08), 0.12, 0.075, pole)
    )
    kind = int(rng.integers(3))
    if kind == 0:
        top, z = 0.7, 0.72
        parts = [
            part(union(foot, cylinder((0, 0, top / 2), pole, top / 2)), metal),
            part(cone((0, 0, z), 0.16, head * 0.7, head), GLOW),
            part(
                union(
                    cone((0, 0, z + 0.16), 0.1, head + 0.02, 0.015, 0.018),
                    cone((0, 0, z - 0.03), 0.05, 0.05, head * 0.8),
                ),
                dark,
            ),
        ]
        details = (
            "with a glowing lantern head",
            "with a yellow light on a pole",
            "with a warm light",
        )
    elif kind == 1:
        arm = float(rng.uniform(0.26, 0.34))
        parts = [
            part(union(foot, cylinder((0, 0, 0.45), pole, 0.45)), metal),
            part(
                union(
                    beam((-0.05, 0, 0.9), (arm, 0, 0.9), 0.034, 0.034),
                    beam((0, 0, 0.68), (arm * 0.7, 0, 0.9), 0.03, 0.03),
                ),
                metal,
            ),
            part(sphere((arm, 0, 0.72), head * 0.85), GLOW),
            part(
                union(
                    cone((arm, 0, 0.75), 0.11, head + 0.015, 0.025, 0.018),
                    cylinder((arm, 0, 0.87), 0.035, 0.05),
                ),
                dark,
            ),
        ]
        details = (
            "with a hanging light on an arm",
            "with one arm and a yellow light",
            "with a curved arm",
        )
    else:
        arm = float(rng.uniform(0.19, 0.24))
        parts = [
            part(union(foot, cylinder((0, 0, 0.4), pole, 0.42)), metal),
            part(
                union(
                    beam((-arm, 0, 0.72), (arm, 0, 0.72), 0.034, 0.034), sphere((0, 0, 0.84), 0.055)
                ),
                metal,
            ),
            part(mirrored(sphere((arm, 0, 0.83), head * 0.88), "x"), GLOW),
            part(mirrored(cone((arm, 0, 0.69), 0.07, 0.04, 0.075), "x"), dark),
        ]
        details = ("with two glowing globes", "with two round yellow lights", "with twin lamps")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("street lamp", "lamp post", "street light"),
            looks=(metal.name, "tall"),
            details=details,
        ),
    )


def _floor_lamp(rng: np.random.Generator) -> Model:
    shade, stand = pick(rng, COLORS), pick(rng, (*METALS, *WOODS))
    height, wide = float(rng.uniform(0.75, 0.95)), float(rng.uniform(0.19, 0.26))
    narrow, tall = wide * float(rng.uniform(0.55, 0.9)), float(rng.uniform(0.22, 0.3))
    z = height - tall
    parts = [
        part(
            union(
                cylinder((0, 0, 0.035), 0.17, 0.035, rounding=0.015),
                cylinder((0, 0, z / 2), 0.036, z / 2 + 0.02),
            ),
            stand,
        ),
        part(
            cone((0, 0, z), tall, wide, narrow),
            fade(shade.shaded(1.15), shade.shaded(0.9), z, height),
        ),
        part(cylinder((0, 0, z - 0.012), wide * 0.72, 0.02), GLOW),
    ]
    if rng.random() < 0.5:
        trim = pick(rng, COLORS, but=(shade.name,))
        parts.append(part(tube((0, 0, z + 0.03), wide + 0.012, wide - 0.06, 0.032), trim))
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("floor lamp", "standing lamp", "lamp"),
            looks=(shade.name, f"{stand.name}"),
            details=(
                f"with a {shade.name} shade on a {stand.name} stand",
                f"with a {shade.name} lampshade",
                "with a fabric shade",
            ),
            size=degree(height, 0.75, 0.95, "", "tall"),
        ),
    )


def lantern(rng: np.random.Generator) -> Model:
    """A hand lantern: glow between posts, roof and handle."""
    metal = pick(rng, (*METALS, BLACK_IRON, *COLORS[:6]))
    light = pick(
        rng,
        (
            GLOW,
            Swatch(name="green glowing", rgb=(0.55, 0.98, 0.42)),
            Swatch(name="blue glowing", rgb=(0.45, 0.85, 1.0)),
        ),
    )
    light_name = "yellow" if light.name == "glowing" else light.name.split()[0]
    half, height = float(rng.uniform(0.17, 0.23)), float(rng.uniform(0.36, 0.5))
    post, ring = float(rng.uniform(0.03, 0.036)), float(rng.uniform(0.09, 0.12))
    dark = metal.shaded(0.8)
    top = 0.08 + height
    is_round = bool(rng.random() < 0.4)
    if is_round:
        parts = [
            part(cylinder((0, 0, 0.04), half + 0.05, 0.045, rounding=0.015), dark),
            part(
                ellipsoid((0, 0, 0.08 + height / 2), (half * 0.98, half * 0.98, height / 2 + 0.03)),
                light,
            ),
            part(
                mirrored(
                    box((half + 0.01, 0, 0.08 + height / 2), (0.032, 0.045, height / 2 + 0.02)), "x"
                ),
                metal,
            ),
            part(
                mirrored(
                    box((0, half + 0.01, 0.08 + height / 2), (0.045, 0.032, height / 2 + 0.02)), "y"
                ),
                metal,
            ),
            part(cone((0, 0, top + 0.01), 0.11, half + 0.05, 0.04, 0.02), dark),
        ]
    else:
        parts = [
            part(box((0, 0, 0.04), (half + 0.05, half + 0.05, 0.045), 0.015), dark),
            part(box((0, 0, 0.08 + height / 2), (half - 0.02, half - 0.02, height / 2)), light),
            part(
                mirrored(
                    box(
                        (half - 0.01, half - 0.01, 0.08 + height / 2),
                        (post, post, height / 2 + 0.02),
                    ),
                    "xy",
                ),
                metal,
            ),
            part(box((0, 0, top + 0.01), (half + 0.05, half + 0.05, 0.035), 0.01), dark),
            part(cone((0, 0, top + 0.02), 0.12, half + 0.02, 0.06), metal),
        ]
    parts.append(part(torus((0, 0, top + 0.13 + ring * 0.75), ring, 0.028, "y"), dark))
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("lantern", "hand lantern", "oil lamp"),
            looks=(metal.name, "round" if is_round else "square"),
            details=(
                f"with a {light_name} glow and a ring handle",
                f"with {light_name} light",
                "with a ring on top",
            ),
            size=degree(height, 0.36, 0.5, "short", "tall"),
        ),
    )


def candle(rng: np.random.Generator) -> Model:
    """One candle on a dish or three in a holder."""
    wax = pick(rng, (WAX, *(c for c in COLORS if c.name not in {"black", "yellow", "orange"})))
    metal = pick(rng, METALS)
    sticks: list[tuple[float, float, float, float]]  # x, bottom, height, radius
    if rng.random() < 0.6:
        height, radius = float(rng.uniform(0.36, 0.62)), float(rng.uniform(0.1, 0.16))
        sticks = [(0, 0.06, height, radius)]
        dish = radius + float(rng.uniform(0.1, 0.15))
        profile = [
            (0.0, 0.0),
            (dish - 0.05, 0.0),
            (dish, 0.1),
            (dish - 0.065, 0.1),
            (dish - 0.08, 0.065),
            (0.0, 0.065),
        ]
        base = union(revolve(profile), torus((dish + 0.06, 0, 0.07), 0.07, 0.027, "y"))
        details = (
            f"on a {metal.name} dish",
            f"in a {metal.name} holder with a handle",
            "with a flame",
        )
        nouns, size = (
            ("candle", "lit candle", "wax candle"),
            degree(height / radius, 2.3, 6.2, "thick", "tall"),
        )
    else:
        arm = float(rng.uniform(0.26, 0.33))
        sticks = [(0, 0.5, 0.22, 0.06), (-arm, 0.4, 0.22, 0.06), (arm, 0.4, 0.22, 0.06)]
        cups = union(
            cone((0, 0, 0.45), 0.07, 0.04, 0.085),
            mirrored(cone((arm, 0, 0.35), 0.07, 0.04, 0.085), "x"),
        )
        base = union(
            cone((0, 0, 0.02), 0.08, 0.17, 0.03, 0.02),
            cylinder((0, 0, 0.26), 0.036, 0.24),
            mirrored(capsule((0, 0, 0.2), (arm, 0, 0.24), 0.034), "x"),
            mirrored(cylinder((arm, 0, 0.29), 0.034, 0.09), "x"),
            cups,
        )
        details = (f"with three {wax.name} candles", "with three flames", "with three arms")
        nouns, size = ("candelabra", "candle holder", "candlestick"), ""
    parts = [part(base, metal)]
    for x, z, height, radius in sticks:
        drip = float(rng.uniform(0, 2 * math.pi))
        side = capsule(
            (x + radius * math.cos(drip), radius * math.sin(drip), z + height - 0.03),
            (x + radius * math.cos(drip), radius * math.sin(drip), z + height * 0.55),
            radius * 0.3,
        )
        parts.append(
            part(
                smooth_union(
                    0.03, cylinder((x, 0, z + height / 2), radius, height / 2, rounding=0.015), side
                ),
                wax,
            )
        )
        size_of_flame = max(0.05, radius * 0.55)
        top = z + height
        tongue = smooth_union(
            0.05,
            sphere((x, 0, top + size_of_flame), size_of_flame),
            capsule(
                (x, 0, top + size_of_flame),
                (x, 0, top + size_of_flame * 2.6),
                size_of_flame * 0.7,
                0.024,
            ),
        )
        parts.append(part(tongue, fade((1.0, 0.45, 0.08), (1.0, 0.93, 0.45), top, top + 0.2)))
    looks = (wax.name, f"{wax.name} wax") if len(sticks) == 1 else (metal.name, "metal")
    return Model(
        parts=tuple(parts),
        captions=captions(rng, nouns=nouns, looks=looks, details=details, size=size),
    )
