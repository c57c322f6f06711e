"""Wheels, keys and anvils."""

import math

import numpy as np

from pipeline.training.props.captions import captions, degree, pick_word
from pipeline.training.props.palette import COLORS, METALS, WOODS, pick
from pipeline.training.props.parts import Model, part, planks
from pipeline.training.sdf import (
    Vec2,
    box,
    cone,
    cylinder,
    extrude,
    mirrored,
    sphere,
    torus,
    tube,
    turned,
    union,
)


def cart_wheel(rng: np.random.Generator) -> Model:
    """A spoked wheel, its axle along Y."""
    wood, metal = pick(rng, (*WOODS, *COLORS[:3])), pick(rng, METALS)
    bars = int(rng.integers(2, 5))
    rim, depth = float(rng.uniform(0.075, 0.11)), float(rng.uniform(0.05, 0.08))
    hub, spoke = float(rng.uniform(0.1, 0.14)), float(rng.uniform(0.032, 0.045))
    spin = float(rng.uniform(0, 90))
    spokes = [
        turned(box((0, 0, 0), (0.44, depth * 0.65, spoke)), "y", spin + 180 * i / bars)
        for i in range(bars)
    ]
    has_tire = bool(rng.random() < 0.6)
    parts = [
        part(union(*spokes), wood.shaded(1.1)),
        part(tube((0, 0, 0), 0.48, 0.48 - rim, depth, "y"), wood.shaded(0.8)),
        part(cylinder((0, 0, 0), hub, depth + 0.05, "y", 0.02), wood.shaded(0.7)),
        part(cylinder((0, 0, 0), hub * 0.5, depth + 0.085, "y", 0.01), metal),
    ]
    if has_tire:
        parts.append(
            part(tube((0, 0, 0), 0.51, 0.455, depth * 0.7 + 0.012, "y"), metal.shaded(0.9))
        )
    number = {2: "four", 3: "six", 4: "eight"}[bars]
    hub_words = f"a {metal.name} {'tire' if has_tire else 'hub'}"
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("cart wheel", "wagon wheel", "wheel"),
            looks=(wood.name, "wooden"),
            details=(
                f"with {number} spokes and {hub_words}",
                f"with {number} spokes",
                f"with {hub_words}",
            ),
            size=degree(rim, 0.075, 0.11, "", "heavy"),
        ),
    )


def key(rng: np.random.Generator) -> Model:
    """An old key, bow up, bit down."""
    metal = pick(rng, (*METALS, *METALS[2:]))
    gem = pick(rng, COLORS[:8])
    shaft, ring = float(rng.uniform(0.042, 0.052)), float(rng.uniform(0.15, 0.19))
    thick = float(rng.uniform(0.042, 0.055))
    bow_kind = pick_word(rng, ("ring", "clover", "heart"))
    length, teeth = 0.62, int(rng.integers(2, 4))
    z = length + ring
    shaft_top = length + 0.03
    if bow_kind == "ring":
        bow = torus((0, 0, z), ring, thick, "y")
    elif bow_kind == "clover":
        lobes = [
            torus(
                (ring * 0.72 * math.cos(a), 0, z + ring * 0.72 * math.sin(a)),
                ring * 0.62,
                thick * 0.85,
                "y",
            )
            for a in (0.1, math.pi / 2, math.pi - 0.1)
        ]
        bow = union(*lobes)
        shaft_top = z  # the lobes meet in the middle
    else:
        outline: list[Vec2] = [
            (0, z - ring * 1.2),
            (ring * 1.15, z + ring * 0.2),
            (ring * 1.05, z + ring * 0.75),
            (ring * 0.55, z + ring),
            (0, z + ring * 0.6),
            (-ring * 0.55, z + ring),
            (-ring * 1.05, z + ring * 0.75),
            (-ring * 1.15, z + ring * 0.2),
        ]
        bow = extrude(outline, thick, "y", rounding=0.02)
    bits = []
    for i in range(teeth):
        out = float(rng.uniform(0.14, 0.2))
        bits.append(box((out / 2 + 0.02, 0, 0.06 + i * 0.115), (out / 2 + 0.02, 0.036, 0.035)))
    parts = [
        part(union(bow, cylinder((0, 0, shaft_top / 2), shaft, shaft_top / 2)), metal),
        part(union(*bits), metal.shaded(0.85)),
        part(
            union(
                cylinder((0, 0, length - 0.06), shaft + 0.025, 0.03),
                cylinder((0, 0, length - 0.16), shaft + 0.02, 0.028),
            ),
            metal.shaded(0.8),
        ),
    ]
    details = [
        f"with {'two' if teeth == 2 else 'three'} teeth",
        "with a round handle" if bow_kind == "ring" else f"with a {bow_kind} handle",
    ]
    if bow_kind != "clover" and rng.random() < 0.5:
        parts.append(
            part(sphere((0, 0, z), ring * 0.6 if bow_kind == "heart" else ring - thick + 0.02), gem)
        )
        details.insert(0, f"with a {gem.name} gem")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("key", "old key", "dungeon key"),
            looks=(metal.name, "metal"),
            details=details,
            size=degree(shaft, 0.042, 0.052, "slim", "thick"),
        ),
    )


def anvil(rng: np.random.Generator) -> Model:
    """A smith's anvil, its horn to -X, on its own foot or on a wooden block."""
    metal, wood = pick(rng, METALS), pick(rng, WOODS)
    has_block = bool(rng.random() < 0.45)
    top, horn = float(rng.uniform(0.24, 0.3)), float(rng.uniform(0.2, 0.28))
    depth, waist = float(rng.uniform(0.13, 0.16)), float(rng.uniform(0.1, 0.15))
    foot = float(rng.uniform(0.22, 0.28))
    outline: list[Vec2] = [
        (-foot, 0),
        (foot, 0),
        (foot, 0.08),
        (waist, 0.16),
        (waist, 0.26),
        (top, 0.32),
        (top, 0.48),
        (-top, 0.48),
        (-top, 0.32),
        (-waist, 0.26),
        (-waist, 0.16),
        (-foot, 0.08),
    ]
    spike = turned(cone((0, 0, 0), horn, 0.095, 0.03), "y", -84)

    def placed(p: np.typing.NDArray[np.float32]) -> np.typing.NDArray[np.float32]:
        return spike(p - np.asarray((-top + 0.02, 0, 0.385), np.float32)[:, None])

    body = extrude(outline, depth, "y", rounding=0.0)
    parts = [
        part(body, metal.shaded(0.85)),
        part(placed, metal),
        part(box((0, 0, 0.46), (top + 0.01, depth + 0.015, 0.04), 0.012), metal.shaded(1.25)),
        part(
            mirrored(box((0, depth * 0.6, 0.04), (foot + 0.03, depth * 0.5, 0.05), 0.01), "y"),
            metal.shaded(0.7),
        ),
    ]
    if has_block:
        parts.append(
            part(cylinder((0, 0, -0.13), 0.32, 0.14, rounding=0.015), planks(wood, "x", 0.12))
        )
        details = (f"on a {wood.name} block", "on a wooden stump", "with a horn")
    else:
        details = ("with a pointed horn", "with a wide foot", "with a horn")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("anvil", "blacksmith anvil", "smith's anvil"),
            looks=(metal.name, "heavy metal"),
            details=details,
            size=degree(top + horn, 0.44, 0.58, "compact", "long"),
        ),
    )
