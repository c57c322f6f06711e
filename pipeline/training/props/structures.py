"""Buildings and what stands around them."""

import math

import numpy as np

from pipeline.training.props.captions import captions, degree, pick_word
from pipeline.training.props.palette import (
    BRICK,
    COLORS,
    DARK,
    GLOW,
    GRASS,
    PLASTER,
    ROOFS,
    STONES,
    STRAW,
    WOODS,
    Swatch,
    pick,
)
from pipeline.training.props.parts import Model, bricks, part, place, planks, round_bricks, stripes
from pipeline.training.sdf import (
    Vec2,
    beam,
    box,
    capsule,
    cone,
    cylinder,
    extrude,
    mirrored,
    subtract,
    tube,
    union,
)


def pillar(rng: np.random.Generator) -> Model:
    """A round or square column, whole or broken off."""
    stone = pick(rng, STONES)
    trim = (
        pick(rng, STONES) if rng.random() < 0.4 else Swatch(name=stone.name, rgb=stone.shaded(0.78))
    )
    radius, height = float(rng.uniform(0.12, 0.2)), float(rng.uniform(0.65, 0.78))
    base = radius + float(rng.uniform(0.05, 0.08))
    is_square, is_broken = bool(rng.random() < 0.3), bool(rng.random() < 0.3)
    top = 0.1 + height
    if is_square:
        shaft = box((0, 0, 0.1 + height / 2), (radius, radius, height / 2), 0.02)
    else:
        shaft = cone((0, 0, 0.08), height + 0.04, radius, radius * 0.86)
    feet = [box((0, 0, 0.05), (base, base, 0.05), 0.01)]
    feet.append(
        box((0, 0, 0.12), (base * 0.88, base * 0.88, 0.03))
        if is_square
        else cylinder((0, 0, 0.125), radius + 0.03, 0.03, rounding=0.02)
    )
    if is_broken:
        tilt = float(rng.uniform(20, 35))
        cut = place(
            [part(box((0, 0, 0.5), (1, 1, 0.5)), stone)],
            (0, 0, 0.1 + height * float(rng.uniform(0.6, 0.85))),
            "y",
            tilt,
        )[0]
        shaft = subtract(shaft, cut.shape)
        detail = "with its top missing"
    else:
        feet.append(box((0, 0, top + 0.05), (base, base, 0.05), 0.01))
        feet.append(
            box((0, 0, top - 0.02), (base * 0.88, base * 0.88, 0.03))
            if is_square
            else cylinder((0, 0, top - 0.02), radius + 0.03, 0.03, rounding=0.02)
        )
        detail = "with a square base and capital"
    parts = [
        part(shaft, stripes(stone.rgb, stone.shaded(0.88), "z", height / 5, 0.1)),
        part(union(*feet), trim),
    ]
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("pillar", "column", "ancient column"),
            looks=(
                ("broken " if is_broken else "") + stone.name,
                "square stone" if is_square else "round stone",
            ),
            details=(detail, f"with {trim.name} trim" if trim.name != stone.name else detail),
            size=degree(radius, 0.12, 0.2, "slender", "thick"),
        ),
    )


def fence(rng: np.random.Generator) -> Model:
    """A piece of picket, rail or palisade fence along X."""
    wood = pick(rng, (*WOODS, *(c for c in COLORS if c.name in {"white", "red", "green", "blue"})))
    height = float(rng.uniform(0.5, 0.75))
    kind = pick_word(rng, ("picket", "rail", "palisade"))
    parts = []
    if kind == "rail":
        rails = int(rng.integers(2, 4))
        half = float(rng.uniform(0.035, 0.05))
        posts = union(
            box((0, 0, height / 2), (0.06, 0.06, height / 2)),
            mirrored(box((0.44, 0, height / 2), (0.06, 0.06, height / 2)), "x"),
        )
        levels = [height * (i + 0.7) / (rails + 0.2) for i in range(rails)]
        parts = [
            part(posts, wood.shaded(0.75)),
            part(
                union(*(box((0, -0.04, z), (0.5, 0.04, half)) for z in levels)), wood.shaded(1.05)
            ),
        ]
        details: tuple[str, ...] = (
            f"with {'two' if rails == 2 else 'three'} rails",
            "with three posts",
        )
    else:
        count = int(rng.integers(5, 7)) if kind == "picket" else 6
        pitch = 0.96 / count
        half = pitch * (0.32 if kind == "picket" else 0.49)
        stakes = []
        for i in range(count):
            x = (i + 0.5) * pitch - 0.48
            if kind == "picket":
                tip: list[Vec2] = [
                    (x - half, 0),
                    (x + half, 0),
                    (x + half, height),
                    (x, height + half * 1.2),
                    (x - half, height),
                ]
                stakes.append(extrude(tip, 0.03, "y"))
            else:
                z = height + float(rng.uniform(-0.05, 0.05))
                stakes += [
                    cylinder((x, 0, z / 2), half, z / 2),
                    cone((x, 0, z), half * 1.7, half, 0.012),
                ]
        rail_y = 0.045 if kind == "picket" else -half
        rail = union(*(box((0, rail_y, height * t), (0.5, 0.035, 0.045)) for t in (0.28, 0.75)))
        parts = [
            part(union(*stakes), stripes(wood.rgb, wood.shaded(0.86), "x", pitch, -0.48)),
            part(rail, wood.shaded(0.68)),
        ]
        details = (
            ("with pointed pickets", f"with {count} pointed boards")
            if kind == "picket"
            else ("of sharpened logs", "with pointed stakes")
        )
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=(f"{kind} fence", "fence", "fence segment"),
            looks=(wood.name, "wooden"),
            details=details,
            size=degree(height, 0.5, 0.75, "low", "high"),
        ),
    )


def house(rng: np.random.Generator) -> Model:
    """A cottage with a gable roof, door, windows and perhaps a chimney."""
    wall = pick(
        rng,
        (
            PLASTER,
            BRICK,
            *WOODS[:3],
            STONES[0],
            *(c for c in COLORS if c.name in {"yellow", "teal", "pink", "white"}),
        ),
    )
    roof = pick(rng, ROOFS)
    door = pick(rng, (*WOODS[:3], *COLORS[:6]))
    a, b, c = (
        float(rng.uniform(0.28, 0.4)),
        float(rng.uniform(0.24, 0.32)),
        float(rng.uniform(0.26, 0.4)),
    )
    rise, eave = float(rng.uniform(0.22, 0.34)), 0.07
    gable: list[Vec2] = [(-b, 0), (b, 0), (b, c), (0, c + rise), (-b, c)]
    slope = rise / b
    drop = slope * eave
    thick = 0.08 * math.hypot(1, slope)
    cover: list[Vec2] = [
        (-b - eave, c - drop),
        (0, c + rise),
        (b + eave, c - drop),
        (b + eave, c - drop + thick),
        (0, c + rise + thick),
        (-b - eave, c - drop + thick),
    ]
    if wall.name == "brick" or "stone" in wall.name:
        paint = bricks(wall, 0.16, 0.08)
    elif wall.name in {wood.name for wood in WOODS}:
        paint = planks(wall, "z", 0.085)
    else:
        paint = part(box((0, 0, 0), (1, 1, 1)), wall).paint
    door_x = float(rng.uniform(-0.4, 0.4)) * a
    is_gable_front = bool(rng.random() < 0.5)
    shell = [
        part(extrude(gable, a, "x"), paint),
        part(extrude(cover, a + 0.06, "x"), stripes(roof.rgb, roof.shaded(0.8), "z", 0.08)),
        part(box((0, 0, 0.03), (a + 0.02, b + 0.02, 0.035)), STONES[0].shaded(0.75)),
    ]
    has_chimney = bool(rng.random() < 0.6)
    if has_chimney:
        y = b * 0.45
        shell.append(
            part(box((a * 0.55, y, c + rise * 0.75), (0.07, 0.07, 0.24)), bricks(BRICK, 0.14, 0.07))
        )
    if is_gable_front:
        shell = place(shell, axis="z", angle_deg=90)
        half, front = b, -a
        door_x = 0.0
    else:
        half, front = a, -b
    window = half * 0.58
    high = min(0.26, c - 0.04)
    shell.append(part(box((door_x, front, high / 2), (0.08, 0.035, high / 2)), door))
    lit: tuple[float, float, float] = GLOW.rgb if rng.random() < 0.5 else (0.42, 0.68, 0.88)
    spots = (
        [(-window, c * 0.6), (window, c * 0.6)]
        if is_gable_front
        else [(window if door_x < 0 else -window, c * 0.6)]
    )
    if is_gable_front:
        spots = [(x, z) for x, z in spots if abs(x) > 0.15]
        spots.append((0.0, c + rise * 0.3))
    frame = union(*(box((x, front, z), (0.08, 0.03, 0.08)) for x, z in spots))
    pane = union(*(box((x, front, z), (0.05, 0.042, 0.05)) for x, z in spots))
    shell += [part(frame, WOODS[2].shaded(0.9)), part(pane, lit)]
    roof_words = f"with a {roof.name} roof"
    chimney = " and a chimney" if has_chimney else f" and a {door.name} door"
    return Model(
        parts=tuple(shell),
        captions=captions(
            rng,
            nouns=("house", "cottage", "small house"),
            looks=(wall.name, "little"),
            details=(roof_words + chimney, roof_words, f"with a {door.name} door"),
            size=degree(c + rise, 0.48, 0.74, "low", "tall"),
        ),
    )


def hut(rng: np.random.Generator) -> Model:
    """A round hut under a thatched cone."""
    wall = pick(rng, (PLASTER, STONES[0], STONES[1], *WOODS[:3]))
    roof = pick(rng, (STRAW, STRAW, GRASS, Swatch(name="brown straw", rgb=(0.55, 0.38, 0.18))))
    radius, height = float(rng.uniform(0.3, 0.37)), float(rng.uniform(0.26, 0.4))
    rise, over = float(rng.uniform(0.34, 0.5)), float(rng.uniform(0.08, 0.12))
    if wall.name == "plaster":
        paint = part(box((0, 0, 0), (1, 1, 1)), wall).paint
    elif "stone" in wall.name:
        paint = round_bricks(wall, 14, 0.09)
    else:
        paint = stripes(wall.rgb, wall.shaded(0.8), "x", 0.08)
    z = height - 0.02
    parts = [
        part(cylinder((0, 0, height / 2), radius, height / 2), paint),
        part(
            cone((0, 0, z), rise, radius + over - 0.025, 0.01, 0.025),
            stripes(roof.rgb, roof.shaded(0.82), "z", rise / 4, z),
        ),
        part(cone((0, 0, z - 0.045), 0.06, radius + over - 0.02, radius + over), roof.shaded(0.7)),
        part(box((0, -radius, height * 0.38), (0.11, 0.05, height * 0.38)), WOODS[2].shaded(0.9)),
        part(box((0, -radius, height * 0.34), (0.075, 0.062, height * 0.34)), DARK.shaded(1.6)),
    ]
    if rng.random() < 0.5:
        parts.append(
            part(
                capsule((0, 0, z + rise - 0.06), (0, 0, z + rise + 0.05), 0.035),
                WOODS[2].shaded(0.9),
            )
        )
    roof_name = {"straw": "straw", "grass green": "green grass", "brown straw": "brown thatched"}[
        roof.name
    ]
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("hut", "round hut", "tribal hut"),
            looks=(wall.name, "round"),
            details=(
                f"with a {roof_name} roof",
                "with a pointed thatched roof",
                f"with a cone-shaped {roof_name} roof",
            ),
            size=degree(height + rise, 0.6, 0.9, "low", "tall"),
        ),
    )


def tower(rng: np.random.Generator) -> Model:
    """A castle tower with battlements or a pointed roof."""
    stone, roof = pick(rng, (*STONES, BRICK)), pick(rng, ROOFS)
    radius = float(rng.uniform(0.17, 0.22))
    is_square, has_roof = bool(rng.random() < 0.4), bool(rng.random() < 0.55)
    height = float(rng.uniform(0.55, 0.66)) if has_roof else float(rng.uniform(0.7, 0.8))
    wide = radius + 0.055
    paint = bricks(stone, 0.13, 0.075) if is_square else round_bricks(stone, 10, 0.075)
    if is_square:
        body, top = (
            box((0, 0, height / 2), (radius, radius, height / 2)),
            box((0, 0, height), (wide, wide, 0.06)),
        )
    else:
        body, top = (
            cone((0, 0, 0), height, radius * 1.12, radius * 0.95),
            cylinder((0, 0, height), wide, 0.06),
        )
    parts = [part(body, paint), part(top, stone.shaded(0.8))]
    if has_roof:
        rise = float(rng.uniform(0.3, 0.4))
        z = height + 0.05
        parts.append(
            part(
                cone((0, 0, z), rise, (wide + 0.04) * (1.15 if is_square else 1), 0.01, 0.02),
                stripes(roof.rgb, roof.shaded(0.82), "z", rise / 4, z),
            )
        )
        detail = f"with a pointed {roof.name} roof"
        details = (detail, f"with a {roof.name} cone roof", detail)
    else:
        crown = subtract(
            tube((0, 0, height + 0.1), wide, wide - 0.075, 0.1)
            if not is_square
            else subtract(
                box((0, 0, height + 0.1), (wide, wide, 0.1)),
                box((0, 0, height + 0.2), (wide - 0.07, wide - 0.07, 0.2)),
            ),
            box((0, 0, height + 0.2), (0.05, 1, 0.09)),
            box((0, 0, height + 0.2), (1, 0.05, 0.09)),
        )
        if not is_square:
            diagonal = place(
                [
                    part(
                        union(
                            box((0, 0, height + 0.2), (0.05, 1, 0.09)),
                            box((0, 0, height + 0.2), (1, 0.05, 0.09)),
                        ),
                        stone,
                    )
                ],
                axis="z",
                angle_deg=45,
            )[0]
            crown = subtract(crown, diagonal.shape)
        parts.append(part(crown, stone.shaded(0.95)))
        details = ("with battlements", "with a crenellated top", "with battlements on top")
    front = -radius if is_square else -radius * 1.06
    parts += [
        part(box((0, front, 0.11), (0.08, 0.05, 0.13), 0.01), WOODS[2].shaded(1.1)),
        part(box((0, front + 0.02, height * 0.68), (0.04, 0.05, 0.07)), DARK.shaded(1.5)),
    ]
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("tower", "castle tower", "watchtower"),
            looks=(
                stone.name,
                "square stone" if is_square else "round stone",
            ),
            details=details,
            size=degree(radius, 0.17, 0.22, "slender", "stout"),
        ),
    )


def well(rng: np.random.Generator) -> Model:
    """A stone well under a little roof, with a bucket."""
    stone, wood, roof = pick(rng, (*STONES, BRICK)), pick(rng, WOODS), pick(rng, ROOFS)
    radius, height = float(rng.uniform(0.28, 0.34)), float(rng.uniform(0.26, 0.34))
    post_top = height + float(rng.uniform(0.36, 0.42))
    x = radius - 0.03
    rise = float(rng.uniform(0.16, 0.22))
    b = radius * 0.85
    ridge = post_top + rise
    gable: list[Vec2] = [
        (-b, post_top - 0.02),
        (0, post_top + rise - 0.02),
        (b, post_top - 0.02),
        (b, post_top + 0.06),
        (0, post_top + rise + 0.06),
        (-b, post_top + 0.06),
    ]
    middle = height + (post_top - height) * 0.62
    parts = [
        part(
            tube((0, 0, height / 2), radius, radius - 0.1, height / 2),
            round_bricks(stone, 12, height / 3),
        ),
        part(tube((0, 0, height), radius + 0.03, radius - 0.11, 0.04), stone.shaded(0.78)),
        part(cylinder((0, 0, height * 0.3), radius - 0.06, height * 0.3), (0.16, 0.42, 0.72)),
        part(
            mirrored(box((x, 0, (height + ridge) / 2), (0.04, 0.045, (ridge - height) / 2)), "x"),
            wood.shaded(0.8),
        ),
        part(extrude(gable, radius + 0.08, "x"), stripes(roof.rgb, roof.shaded(0.8), "z", 0.08)),
        part(
            union(
                beam((-x - 0.1, 0, middle), (x + 0.1, 0, middle), 0.035, 0.035),
                box((x + 0.11, 0, middle - 0.05), (0.03, 0.03, 0.08)),
            ),
            wood,
        ),
    ]
    if rng.random() < 0.6:
        parts.append(
            part(
                union(
                    cylinder((0, 0, (middle + height) / 2), 0.028, (middle - height) / 2),
                    cone((0, 0, height - 0.03), 0.12, 0.07, 0.09),
                ),
                wood.shaded(1.15),
            )
        )
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("well", "water well", "wishing well"),
            looks=(stone.name, "stone" if stone.name != "brick" else "old"),
            details=(
                f"with a {roof.name} roof on {wood.name} posts",
                f"with a {roof.name} roof",
                "with a roof and a crank",
            ),
            size=degree(height, 0.26, 0.34, "low", ""),
        ),
    )


def signpost(rng: np.random.Generator) -> Model:
    """A post with one board or several arrows."""
    wood = pick(rng, WOODS)
    plate = pick(rng, (*WOODS, *COLORS), but=(wood.name,))
    height, post = float(rng.uniform(0.85, 0.95)), float(rng.uniform(0.045, 0.06))
    count = int(rng.integers(1, 4))
    parts = [
        part(
            union(
                box((0, 0, height / 2), (post, post, height / 2), 0.01),
                cone((0, 0, 0.02), 0.06, 0.12, 0.06, 0.02),
            ),
            wood.shaded(0.8),
        )
    ]
    half, y = (
        float(rng.uniform(0.075, 0.095)) if count > 1 else float(rng.uniform(0.13, 0.18)),
        -post - 0.01,
    )
    if count == 1 and rng.random() < 0.5:
        parts += [
            part(
                box((0, y, height - half - 0.06), (0.36, 0.04, half + 0.03), 0.01),
                wood.shaded(1.15),
            ),
            part(box((0, y, height - half - 0.06), (0.3, 0.05, half - 0.03)), plate),
        ]
        words = f"with a {plate.name} board"
        details = (words, f"with one {plate.name} sign", "with a wide board")
    else:
        for i in range(count):
            side = 1 if i % 2 == 0 else -1
            z = height - half - 0.05 - i * (2 * half + 0.05)
            long = float(rng.uniform(0.3, 0.36))
            arrow: list[Vec2] = [
                (-0.16 * side, z - half),
                (long * side, z - half),
                ((long + half * 1.1) * side, z),
                (long * side, z + half),
                (-0.16 * side, z + half),
            ]
            parts.append(part(extrude(arrow, 0.04, "y", (0, y, 0)), plate.shaded(1 - 0.12 * i)))
        number = ("one", "two", "three")[count - 1]
        plural = "" if count == 1 else "s"
        details = (
            f"with {number} {plate.name} arrow{plural}",
            f"with {number} direction sign{plural}",
            "pointing the way",
        )
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("signpost", "direction sign", "road sign"),
            looks=(wood.name, "wooden"),
            details=details,
        ),
    )
