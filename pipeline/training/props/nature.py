"""Plants, stones and crystals."""

import math

import numpy as np

from pipeline.training.props.captions import captions, degree, pick_word
from pipeline.training.props.palette import COLORS, LEAVES, STONES, Rgb, Swatch, pick
from pipeline.training.props.parts import Model, Paint, Part, dots, fade, mottled, part, place
from pipeline.training.sdf import (
    Shape,
    Vec3,
    box,
    capsule,
    cone,
    convex,
    ellipsoid,
    intersect,
    smooth_union,
    sphere,
    subtract,
    union,
    waved,
)


def _phase(rng: np.random.Generator) -> Vec3:
    x, y, z = (float(v) for v in rng.uniform(0, 2 * math.pi, 3))
    return x, y, z


def _foliage(rng: np.random.Generator, leaf: Swatch, low: float, high: float) -> Paint:
    patches = mottled(leaf.shaded(0.78), leaf.shaded(1.15), 0.14, float(rng.uniform(0, 6)))
    light = fade((0.72, 0.72, 0.72), (1.12, 1.12, 1.12), low, high)
    return lambda p: np.clip(patches(p) * light(p), 0, 1)


def _bark(rng: np.random.Generator) -> Swatch:
    return pick(
        rng,
        (
            Swatch(name="brown", rgb=(0.42, 0.27, 0.15)),
            Swatch(name="gray", rgb=(0.47, 0.43, 0.38)),
            Swatch(name="white", rgb=(0.88, 0.86, 0.80)),
        ),
    )


def tree(rng: np.random.Generator) -> Model:
    """A leafy tree: trunk, two boughs and a crown of balls."""
    leaf, bark = pick(rng, LEAVES), _bark(rng)
    trunk, height = float(rng.uniform(0.05, 0.075)), float(rng.uniform(0.36, 0.5))
    crown = float(rng.uniform(0.24, 0.31))
    lean = float(rng.uniform(-0.06, 0.06))
    count = int(rng.integers(4, 7))
    top = height + crown * 0.55
    balls: list[Shape] = [sphere((lean, 0, top + crown * 0.25), crown)]
    spin = float(rng.uniform(0, 2 * math.pi))
    for i in range(count):
        angle = spin + 2 * math.pi * i / count
        out, r = crown * float(rng.uniform(0.6, 0.8)), crown * float(rng.uniform(0.55, 0.75))
        balls.append(
            sphere(
                (
                    lean + out * math.cos(angle),
                    out * math.sin(angle),
                    top + crown * float(rng.uniform(-0.25, 0.2)),
                ),
                r,
            )
        )
    wood = smooth_union(
        0.06,
        capsule((0, 0, 0.05), (lean, 0, height + 0.08), trunk * 1.1, trunk * 0.8),
        cone((0, 0, 0.015), 0.08, trunk * 1.9, trunk * 0.9, 0.015),
        capsule(
            (lean * 0.6, 0, height * 0.7), (lean + crown * 0.6, 0.02, height + 0.12), trunk * 0.6
        ),
        capsule(
            (lean * 0.6, 0, height * 0.8), (lean - crown * 0.6, -0.02, height + 0.12), trunk * 0.6
        ),
    )
    parts = [
        part(wood, mottled(bark.shaded(0.85), bark.shaded(1.1), 0.1, spin)),
        part(
            waved(smooth_union(0.05, *balls), 0.013, 0.2, _phase(rng)),
            _foliage(rng, leaf, top - crown * 0.8, top + crown),
        ),
    ]
    season = {
        "orange": "autumn tree",
        "yellow": "autumn tree",
        "red": "maple tree",
        "pink": "cherry tree",
    }
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("tree", "leafy tree", season.get(leaf.name, "oak tree")),
            looks=(leaf.name, f"round {leaf.name}"),
            details=(
                f"with {leaf.name} leaves and a {bark.name} trunk",
                f"with a {bark.name} trunk",
                f"with {leaf.name} foliage",
            ),
            size=degree(height, 0.36, 0.5, "short", "tall"),
        ),
    )


def pine(rng: np.random.Generator) -> Model:
    """A conifer of stacked cones, at times with snow."""
    leaf = pick(rng, (*LEAVES[:2], Swatch(name="blue-green", rgb=(0.13, 0.42, 0.38))))
    bark = _bark(rng)
    tiers, wide = int(rng.integers(3, 6)), float(rng.uniform(0.25, 0.37))
    start = float(rng.uniform(0.14, 0.24))
    step = (0.95 - start) / (tiers + 0.9)
    has_snow = bool(rng.random() < 0.3)
    snow: Rgb = (0.96, 0.97, 1.0)
    parts = [part(cone((0, 0, 0), start + 0.15, 0.075, 0.055), bark)]
    for i in range(tiers):
        z = start + i * step
        radius = wide * (1 - 0.75 * i / tiers)
        tall = step * 1.9
        color: Paint = fade(leaf.shaded(0.75), leaf.shaded(1.15), z, z + tall * 0.8)
        if has_snow:
            color = fade(leaf.rgb, snow, z + tall * 0.15, z + tall * 0.4)
        parts.append(part(cone((0, 0, z), tall, radius - 0.025, 0.01, 0.025), color))
    ends = (
        ("with snow on its branches", "covered in snow", "in winter")
        if has_snow
        else (
            f"with {tiers} layers of branches",
            f"with a {bark.name} trunk",
            "with layered branches",
        )
    )
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("pine tree", "fir tree", "pine"),
            looks=(("snowy " if has_snow else "") + leaf.name, "evergreen"),
            details=ends,
            size=degree(wide, 0.25, 0.37, "slender", "wide"),
        ),
    )


def bush(rng: np.random.Generator) -> Model:
    """A low mound of leaves, at times with berries or flowers."""
    leaf = pick(rng, LEAVES[:4])
    dot = pick(rng, COLORS, but=("green", "black", leaf.name))
    count, low = int(rng.integers(4, 7)), float(rng.uniform(0.2, 0.28))
    spin = float(rng.uniform(0, 2 * math.pi))
    balls = [(0.0, 0.0, low, low * 1.15)]
    for i in range(count):
        angle = spin + 2 * math.pi * i / count
        out, r = float(rng.uniform(0.22, 0.28)), low * float(rng.uniform(0.7, 0.95))
        balls.append((out * math.cos(angle), out * math.sin(angle) * 0.85, r * 0.8, r))
    mound = smooth_union(0.05, *(sphere((x, y, z), r) for x, y, z, r in balls))
    mound = intersect(waved(mound, 0.013, 0.19, _phase(rng)), box((0, 0, 1), (2, 2, 1)))
    parts = [part(mound, _foliage(rng, leaf, 0, low * 2))]
    has_dots = bool(rng.random() < 0.5)
    word = pick_word(rng, ("berries", "flowers"))
    if has_dots:
        spots: list[Vec3] = []
        for x, y, z, r in balls:
            for turn in rng.uniform(-0.9, 0.9, 3):
                angle = math.atan2(y, x) + float(turn) if (x or y) else float(turn) * 3.4
                tilt = float(rng.uniform(0.25, 1.1))
                spots.append(
                    (
                        x + r * math.cos(angle) * math.cos(tilt),
                        y + r * math.sin(angle) * math.cos(tilt),
                        z + r * math.sin(tilt),
                    )
                )
        free = [
            s for s in spots if min((math.dist(s, (x, y, z)) - r for x, y, z, r in balls)) > -0.03
        ][:14]
        if free:
            parts.append(part(union(*(sphere(s, 0.042) for s in free)), dot))
        else:
            has_dots = False
    details = (
        (f"with {dot.name} {word}", f"full of {dot.name} {word}", f"covered in {word}")
        if has_dots
        else ("with dense leaves", "with round leaf clumps", "for a garden")
    )
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("bush", "shrub", "hedge bush"),
            looks=(leaf.name, "leafy"),
            details=details,
            size=degree(low, 0.2, 0.28, "low", "big"),
        ),
    )


def rock(rng: np.random.Generator) -> Model:
    """A faceted boulder, at times with moss or a smaller neighbor."""
    stone = pick(rng, STONES)
    stretch = np.array([rng.uniform(0.8, 1.1), rng.uniform(0.7, 0.95), rng.uniform(0.5, 1.0)])
    parts: list[Part] = []
    has_moss, is_pair = bool(rng.random() < 0.35), bool(rng.random() < 0.35)

    def boulder(size: float, at: Vec3) -> Shape:
        count = 22
        i = np.arange(count) + 0.5
        tilt, turn = np.arccos(1 - 2 * i / count), math.pi * (1 + math.sqrt(5)) * i
        normals = np.stack(
            (np.cos(turn) * np.sin(tilt), np.sin(turn) * np.sin(tilt), np.cos(tilt)), axis=1
        )
        normals += rng.normal(0, 0.22, normals.shape)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        # The support of an ellipsoid keeps facets balanced when the boulder is flat or tall.
        offsets = size * np.linalg.norm(normals * stretch, axis=1) * rng.uniform(0.82, 1.0, count)
        facets = convex(
            [(float(x), float(y), float(z)) for x, y, z in normals], [float(o) for o in offsets], at
        )
        return intersect(
            waved(facets, 0.012, 0.3, _phase(rng)),
            box((0, 0, 1 - 0.62 * size * float(stretch[2])), (2, 2, 1)),
        )

    color: Paint = mottled(stone.shaded(0.8), stone.shaded(1.1), 0.2, float(rng.uniform(0, 6)))
    if has_moss:
        top = 0.45 * float(stretch[2])
        moss, gray = mottled((0.24, 0.44, 0.13), (0.42, 0.62, 0.2), 0.12, 1.0), color
        wave = float(rng.uniform(0, 6))

        def mossy(p: np.typing.NDArray[np.float32]) -> np.typing.NDArray[np.float32]:
            line = top * 0.35 + 0.06 * np.sin(9 * p[0] + wave) + 0.05 * np.sin(11 * p[1] + wave)
            return np.where(p[2] > line, moss(p), gray(p))

        color = mossy
    parts.append(part(boulder(0.46, (0, 0, 0)), color))
    if is_pair:
        parts.append(
            part(
                boulder(0.24, (0.36, -0.2, -0.12)),
                mottled(stone.shaded(0.72), stone.shaded(0.95), 0.2, 2.0),
            )
        )
    details = ["with flat facets", "with sharp edges"]
    if has_moss:
        details.insert(0, "with green moss on top")
    if is_pair:
        details.insert(0, "with a smaller stone beside it")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("rock", "boulder", "stone"),
            looks=(
                stone.name.replace(" stone", "") if stone.name != "marble" else "white",
                "mossy" if has_moss or stone.name == "mossy stone" else "rough",
            ),
            details=details,
            size=degree(float(stretch[2]), 0.5, 1.0, "flat", "tall"),
        ),
    )


def mushroom(rng: np.random.Generator) -> Model:
    """A toadstool: dome, flat or pointed cap; alone or with a small one."""
    cap = pick(rng, (*COLORS[:8], Swatch(name="brown", rgb=(0.52, 0.31, 0.16))))
    dot = pick(
        rng, tuple(c for c in COLORS if c.name in {"white", "yellow", "pink"}), but=(cap.name,)
    )
    stem: Rgb = (0.93, 0.88, 0.76)
    radius, rise = float(rng.uniform(0.32, 0.47)), float(rng.uniform(0.2, 0.4))
    foot, height = float(rng.uniform(0.09, 0.14)), float(rng.uniform(0.3, 0.5))
    has_dots, is_pair = bool(rng.random() < 0.7), bool(rng.random() < 0.35)

    def one(scale: float) -> list[Part]:
        r, h, z = radius * scale, rise * scale, height * scale
        under = (0.0, 0.0, z)
        dome = subtract(
            ellipsoid(under, (r, r, h)), box((0, 0, z - 0.5), (1, 1, 0.5 - 0.04 * scale))
        )
        paint: Paint = part(dome, cap).paint
        if has_dots:
            spots: list[Vec3] = [(0, 0, z + h)]
            for ring, tilt in ((5, 0.85), (8, 0.32)):
                for i in range(ring):
                    turn = 2 * math.pi * (i + tilt) / ring
                    spots.append(
                        (
                            r * math.cos(turn) * math.cos(tilt),
                            r * math.sin(turn) * math.cos(tilt),
                            z + h * math.sin(tilt),
                        )
                    )
            paint = dots(cap.rgb, dot.rgb, spots, 0.075 * max(scale, 0.7))
        gills = ellipsoid((0, 0, z - 0.035 * scale), (r * 0.86, r * 0.86, 0.07 * scale))
        return [
            part(
                smooth_union(
                    0.05,
                    capsule(
                        (0, 0, foot * scale * 1.1),
                        (0, 0, z),
                        foot * scale * 1.1,
                        foot * scale * 0.8,
                    ),
                    sphere((0, 0, foot * scale), foot * scale * 1.15),
                ),
                stem,
            ),
            part(dome, paint),
            part(gills, (0.86, 0.76, 0.6)),
        ]

    parts = one(1.0)
    if is_pair:
        parts += place(one(0.5), (radius * 0.72, -radius * 0.45, 0.0))
        parts.append(
            part(
                ellipsoid(
                    (radius * 0.36, -radius * 0.22, 0.02), (radius * 0.62, radius * 0.5, 0.05)
                ),
                (0.36, 0.55, 0.2),
            )
        )
    details = (
        [f"with {dot.name} dots", f"with {dot.name} spots"]
        if has_dots
        else ["with a plain cap", "with a smooth cap"]
    )
    details.append("with a smaller one beside it" if is_pair else "with a pale stem")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("mushroom", "toadstool", "forest mushroom"),
            looks=(cap.name, f"{cap.name} capped"),
            details=details,
            size=degree(height / radius, 0.64, 1.5, "squat", "tall"),
        ),
    )


def crystal(rng: np.random.Generator) -> Model:
    """A cluster of pointed prisms, at times on a rock."""
    color = pick(rng, COLORS, but=("black", "white", "orange"))
    count, sides = int(rng.integers(3, 6)), 6
    has_rock = bool(rng.random() < 0.5)
    parts: list[Part] = []

    def prism(height: float, radius: float) -> Shape:
        normals: list[Vec3] = []
        offsets: list[float] = []
        for i in range(sides):
            turn = 2 * math.pi * i / sides
            normals.append((math.cos(turn), math.sin(turn), 0.0))
            offsets.append(radius)
            normals.append((math.cos(turn) * 0.8, math.sin(turn) * 0.8, 0.6))
            offsets.append(height * 0.6)
        normals.append((0.0, 0.0, -1.0))
        offsets.append(0.08)
        return convex(normals, offsets)

    spin = float(rng.uniform(0, 360))
    for i in range(count):
        main = i == 0
        height = float(rng.uniform(0.78, 0.9)) if main else float(rng.uniform(0.38, 0.6))
        radius = float(rng.uniform(0.13, 0.17)) if main else float(rng.uniform(0.075, 0.11))
        shade = fade(color.shaded(0.6), color.shaded(1.45), 0.0, height)
        one = [part(prism(height, radius), shade)]
        tilt = float(rng.uniform(-6, 6)) if main else float(rng.uniform(22, 40))
        one = place(one, axis="y", angle_deg=tilt)
        parts += place(one, (0, 0, 0.04), "z", spin + 360 * i / max(count - 1, 1))
    if has_rock:
        parts.append(
            part(
                intersect(
                    waved(ellipsoid((0, 0, 0), (0.34, 0.3, 0.16)), 0.02, 0.25, _phase(rng)),
                    box((0, 0, 0.95), (2, 2, 1)),
                ),
                mottled((0.3, 0.3, 0.34), (0.42, 0.42, 0.46), 0.15, 1.0),
            )
        )
    number = ("three", "four", "five")[count - 3]
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("crystal", "crystal cluster", "gem"),
            looks=(color.name, "shiny"),
            details=(
                f"growing from gray rock, with {number} points"
                if has_rock
                else f"with {number} points",
                "with pointed tips",
                f"with {number} spikes",
            ),
        ),
    )
