"""Weapons, upright, the flat side to the front."""

import math

import numpy as np

from pipeline.training.props.captions import captions, degree, pick_word
from pipeline.training.props.palette import COLORS, LEATHER, METALS, STONES, WOODS, pick
from pipeline.training.props.parts import Model, part, plain, planks, sectors, stripes, where
from pipeline.training.sdf import (
    Shape,
    Vec2,
    Vec3,
    box,
    capsule,
    cone,
    convex,
    cylinder,
    extrude,
    intersect,
    mirrored,
    sphere,
    torus,
    union,
)


def sword(rng: np.random.Generator) -> Model:
    """A broad straight blade, point up."""
    blade, guard = pick(rng, METALS, but=("iron",)), pick(rng, METALS)
    grip = pick(rng, (LEATHER, *COLORS))
    length, half = float(rng.uniform(0.62, 0.74)), float(rng.uniform(0.055, 0.095))
    thick, wide = float(rng.uniform(0.034, 0.042)), float(rng.uniform(0.15, 0.23))
    handle, z = float(rng.uniform(0.17, 0.22)), 0.0
    tip = float(rng.uniform(0.1, 0.2))
    taper = float(rng.uniform(0.75, 1.0))
    outline: list[Vec2] = [
        (-half, z),
        (half, z),
        (half * taper, length - tip),
        (0, length),
        (-half * taper, length - tip),
    ]
    # Bevels meet at a ridge down the middle.
    slope = thick * 0.55 / half
    bevel = convex([(slope, 1, 0), (-slope, 1, 0), (slope, -1, 0), (-slope, -1, 0)], [thick] * 4)
    steel = where(
        box((0, 0, length * 0.4), (half * 0.34, 1, length * 0.42)),
        blade.shaded(0.7),
        blade.shaded(1.08),
    )
    curve = float(rng.uniform(-0.04, 0.07))
    parts = [
        part(intersect(extrude(outline, thick * 1.1, "y"), bevel), steel),
        part(
            union(
                mirrored(capsule((0, 0, z), (wide, 0, z + curve), 0.042, 0.032), "x"),
                box((0, 0, z), (half + 0.02, 0.045, 0.045), 0.01),
            ),
            guard,
        ),
        part(
            cylinder((0, 0, z - handle / 2), 0.034, handle / 2),
            stripes(grip.rgb, grip.shaded(0.7), "z", handle / 4),
        ),
        part(sphere((0, 0, z - handle - 0.02), 0.055), guard.shaded(1.1)),
    ]
    if rng.random() < 0.4:
        gem = pick(rng, COLORS[:8])
        parts.append(part(sphere((0, 0, z), 0.06), gem))
        details = (
            f"with a {guard.name} guard and a {gem.name} gem",
            f"with a {gem.name} gem",
            f"with a {grip.name} grip",
        )
    else:
        details = (
            f"with a {guard.name} guard and a {grip.name} grip",
            f"with a {grip.name} handle",
            f"with a {guard.name} crossguard",
        )
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("sword", "knight's sword", "blade"),
            looks=(blade.name, "metal"),
            details=details,
            size=degree(half, 0.055, 0.095, "slim", "broad"),
        ),
    )


def shield(rng: np.random.Generator) -> Model:
    """A round, kite or square shield, face to the front."""
    field = pick(rng, (*COLORS, *WOODS[:3]))
    sign = pick(rng, COLORS, but=(field.name,))
    metal = pick(rng, METALS)
    rim = float(rng.uniform(0.05, 0.07))
    kind, pattern = (
        pick_word(rng, ("round", "kite", "square")),
        pick_word(rng, ("cross", "halves", "plain", "stripe")),
    )
    wide = float(rng.uniform(0.34, 0.42))
    body: Shape
    edge: Shape
    if kind == "round":
        r = wide + 0.06
        # A slice of a big ball bulges to the front.
        body, edge = (
            _bulged(cylinder((0, 0, 0), r, 0.3, "y"), r),
            torus((0, 0.02, 0), r - 0.02, rim * 0.72, "y"),
        )
        center: Vec3 = (0, 0, 0)
        height = r
    else:
        if kind == "kite":
            outline: list[Vec2] = [
                (-wide, 0.46),
                (wide, 0.46),
                (wide, 0.05),
                (wide * 0.78, -0.2),
                (wide * 0.42, -0.4),
                (0, -0.52),
                (-wide * 0.42, -0.4),
                (-wide * 0.78, -0.2),
                (-wide, 0.05),
            ]
            center, height = (0, 0, 0.1), 0.5
        else:
            outline = [
                (-wide * 0.8, -0.47),
                (wide * 0.8, -0.47),
                (wide * 0.8, 0.47),
                (-wide * 0.8, 0.47),
            ]
            center, height = (0, 0, 0), 0.47
        slab = extrude(outline, 0.3, "y")
        body = _bulged(slab, 0.5)

        def shell(p: np.typing.NDArray[np.float32]) -> np.typing.NDArray[np.float32]:
            return np.abs(slab(p)) - np.float32(rim * 0.55)

        edge = intersect(shell, box((0, 0.03, 0), (1, rim, 1)))
    if pattern == "cross":
        paint = where(
            union(box(center, (0.06, 1, 1)), box(center, (1, 1, 0.06))), sign.rgb, field.rgb
        )
        words = f"with a {sign.name} cross"
    elif pattern == "halves":
        paint = sectors(field.rgb, sign.rgb, 4, "y")
        words = f"with {sign.name} quarters"
    elif pattern == "stripe":
        paint = where(box(center, (0.09, 1, 1)), sign.rgb, field.rgb)
        words = f"with a {sign.name} stripe"
    else:
        paint = (
            planks(field, "x", 0.12) if field.name in {w.name for w in WOODS} else plain(field.rgb)
        )
        words = f"with {metal.name} fittings"
    parts = [
        part(body, paint),
        part(edge, metal),
        part(sphere((center[0], -0.04, center[2]), 0.1 * height / 0.45), metal.shaded(1.1)),
    ]
    shape = {"round": "round", "kite": "kite", "square": "rectangular"}[kind]
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("shield", f"{shape} shield", "knight's shield"),
            looks=(field.name, f"{shape} {field.name}"),
            details=(f"{words} and a {metal.name} rim", words, f"with a {metal.name} rim"),
        ),
    )


def _bulged(slab: Shape, radius: float) -> Shape:
    """The part of `slab` between two big spheres: a plate curved like a dish, front to -Y."""
    big = radius * 2.4
    back = math.sqrt(big * big - radius * radius)
    outer, inner = sphere((0, back - 0.03, 0), big), sphere((0, back + 0.06, 0), big)
    return intersect(slab, outer, lambda p: -inner(p))


def axe(rng: np.random.Generator) -> Model:
    """An upright axe with one or two blades."""
    metal, wood = pick(rng, METALS), pick(rng, (*WOODS, LEATHER))
    handle, reach = float(rng.uniform(0.038, 0.048)), float(rng.uniform(0.26, 0.34))
    wide, is_double = float(rng.uniform(0.18, 0.25)), bool(rng.random() < 0.45)
    z, length = 0.74, 0.95
    neck = 0.075
    curve = [
        (reach - 0.07 * (1 - math.cos(t * 1.2)) * 3, z + wide * t) for t in (-1, -0.5, 0, 0.5, 1)
    ]
    outline: list[Vec2] = [
        (0.0, z - neck),
        (reach * 0.45, z - neck * 0.9),
        *curve,
        (reach * 0.45, z + neck * 0.9),
        (0.0, z + neck),
    ]
    thick = 0.042
    slab = extrude(outline, thick, "y")
    blade = mirrored(slab, "x") if is_double else slab
    sharp = where(
        mirrored(box((reach + 0.38, 0, z), (0.46, 1, 1)), "x"),
        metal.shaded(1.3),
        metal.shaded(0.85),
    )
    if metal.name == "iron":
        sharp = where(
            mirrored(box((reach + 0.38, 0, z), (0.46, 1, 1)), "x"), (0.62, 0.64, 0.68), metal.rgb
        )
    parts = [
        part(cylinder((0, 0, length / 2), handle, length / 2, rounding=0.01), wood),
        part(blade, sharp),
        part(box((0, 0, z), (0.075, 0.065, neck + 0.02), 0.01), metal.shaded(0.7)),
        part(
            cylinder((0, 0, 0.14), handle + 0.014, 0.12),
            stripes(LEATHER.rgb, LEATHER.shaded(0.65), "z", 0.06),
        ),
    ]
    if not is_double:
        parts.append(part(box((-0.09, 0, z), (0.08, 0.045, 0.055), 0.01), metal.shaded(0.8)))
    kind = "double-bladed axe" if is_double else "hatchet"
    wood_name = wood.name if wood.name.endswith(("wooden", "leather")) else f"{wood.name} wood"
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("battle axe" if is_double else "axe", "axe", kind),
            looks=(metal.name, "metal"),
            details=(
                f"with a {wood_name} handle",
                "with two blades" if is_double else "with a wide blade",
                "with a leather grip",
            ),
            size=degree(wide, 0.18, 0.25, "", "broad"),
        ),
    )


def hammer(rng: np.random.Generator) -> Model:
    """An upright hammer with a block or round head."""
    head, wood = pick(rng, (*METALS, *STONES[:3])), pick(rng, WOODS)
    trim = pick(rng, METALS, but=(head.name,))
    handle, length = float(rng.uniform(0.04, 0.052)), float(rng.uniform(0.68, 0.8))
    a, b = float(rng.uniform(0.22, 0.3)), float(rng.uniform(0.11, 0.155))
    is_round = bool(rng.random() < 0.4)
    z = length
    if is_round:
        block, cap = (
            cylinder((0, 0, z), b, a, "x", 0.015),
            cylinder((a - 0.05, 0, z), b + 0.025, 0.04, "x"),
        )
    else:
        block, cap = (
            box((0, 0, z), (a, b, b), 0.03),
            box((a - 0.05, 0, z), (0.04, b + 0.025, b + 0.025), 0.01),
        )
    parts = [
        part(cylinder((0, 0, length / 2), handle, length / 2), wood),
        part(block, head),
        part(mirrored(cap, "x"), trim),
        part(
            cylinder((0, 0, 0.13), handle + 0.014, 0.12),
            stripes(LEATHER.rgb, LEATHER.shaded(0.65), "z", 0.06),
        ),
    ]
    if rng.random() < 0.4:
        parts.append(part(cone((0, 0, z + b - 0.02), 0.1, 0.06, 0.028), trim))
    is_big = a * b > 0.034
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=(
                "war hammer" if is_big else "hammer",
                "hammer",
                "sledgehammer" if is_big else "mallet",
            ),
            looks=(head.name, "round-headed" if is_round else "square-headed"),
            details=(
                f"with {trim.name} trim and a {wood.name} handle",
                f"with a {trim.name} rimmed head",
                "with a wooden handle",
            ),
            size=degree(a, 0.22, 0.3, "", "heavy"),
        ),
    )
