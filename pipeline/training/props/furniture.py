"""Tables, seats, shelves and beds."""

import math

import numpy as np

from pipeline.training.props.captions import captions, degree, pick_word
from pipeline.training.props.palette import COLORS, STONES, WOODS, Rgb, Swatch, pick
from pipeline.training.props.parts import Model, part, planks, stripes
from pipeline.training.sdf import (
    beam,
    box,
    capsule,
    cone,
    cylinder,
    mirrored,
    subtract,
    union,
)


def table(rng: np.random.Generator) -> Model:
    """A four-legged rectangular or a round one-legged table."""
    wood = pick(rng, WOODS)
    cloth = pick(rng, COLORS)
    height, board = float(rng.uniform(0.42, 0.68)), float(rng.uniform(0.06, 0.09))
    leg = float(rng.uniform(0.04, 0.06))
    dark = wood.shaded(0.72)
    is_round, has_cloth = bool(rng.random() < 0.35), bool(rng.random() < 0.35)
    if is_round:
        radius = float(rng.uniform(0.4, 0.5))
        parts = [
            part(
                cylinder((0, 0, height), radius, board / 2, rounding=0.015),
                planks(wood, "x", radius / 2.5),
            ),
            part(
                union(
                    cone((0, 0, 0), height, leg * 1.6, leg * 1.3),
                    cone((0, 0, 0.02), 0.08, radius * 0.6 - 0.02, leg, 0.02),
                ),
                dark,
            ),
        ]
        if has_cloth:
            parts.append(
                part(cylinder((0, 0, height + 0.01), radius * 0.6, board / 2 + 0.015), cloth)
            )
        details = ["on one leg", "with a round top"]
        shape = "round"
    else:
        a, b = float(rng.uniform(0.42, 0.52)), float(rng.uniform(0.26, 0.36))
        x, y = a - leg - 0.02, b - leg - 0.02
        parts = [
            part(box((0, 0, height), (a, b, board / 2), 0.012), planks(wood, "y", 2 * b / 4)),
            part(mirrored(box((x, y, height / 2), (leg, leg, height / 2)), "xy"), dark),
            part(
                subtract(
                    box((0, 0, height - board - 0.01), (x, y, 0.05)),
                    box((0, 0, height - 0.2), (x - 0.06, y - 0.06, 0.16)),
                ),
                dark,
            ),
        ]
        if has_cloth:
            parts.append(
                part(
                    box((0, 0, height - 0.03), (a * 0.38, b + 0.03, board / 2 + 0.055), 0.01), cloth
                )
            )
        details = ["with four legs", "with square legs"]
        shape = degree(a / b, 1.2, 2.0, "", "long")
    if has_cloth:
        details.insert(
            0, f"with a {cloth.name} tablecloth" if is_round else f"with a {cloth.name} runner"
        )
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("table", "tavern table", "dining table"),
            looks=(wood.name, "wooden"),
            details=details,
            size=shape or degree(height, 0.42, 0.68, "low", "high"),
        ),
    )


def chair(rng: np.random.Generator) -> Model:
    """A chair with a slatted or solid back; it looks to -Y."""
    wood, cushion = pick(rng, WOODS), pick(rng, COLORS)
    half, seat = float(rng.uniform(0.22, 0.27)), float(rng.uniform(0.38, 0.46))
    back = float(rng.uniform(0.42, 0.56))
    leg = float(rng.uniform(0.033, 0.045))
    at = half - leg
    dark = wood.shaded(0.75)
    parts = [
        part(box((0, 0, seat), (half, half, 0.04), 0.01), wood),
        part(mirrored(box((at, at, seat / 2), (leg, leg, seat / 2)), "xy"), dark),
        part(mirrored(box((at, at, seat + back / 2), (leg, leg, back / 2)), "x"), dark),
        part(box((0, at, seat + back - 0.05), (half, leg, 0.06), 0.01), wood),
    ]
    if rng.random() < 0.5:
        parts.append(
            part(
                union(
                    box((0, at, seat + back / 2), (0.045, 0.03, back / 2)),
                    box((0, at, seat + back * 0.45), (half - 0.02, 0.03, 0.04)),
                ),
                wood.shaded(1.1),
            )
        )
        detail = "with a slatted back"
    else:
        parts.append(
            part(
                box((0, at, seat + back / 2 + 0.04), (half - 0.03, 0.027, back / 2 - 0.09)),
                wood.shaded(1.1),
            )
        )
        detail = "with a solid back"
    details = [detail, "with four legs"]
    if rng.random() < 0.55:
        parts.append(
            part(box((0, -0.01, seat + 0.05), (half - 0.02, half - 0.04, 0.05), 0.03), cushion)
        )
        details.insert(0, f"with a {cushion.name} cushion")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("chair", "dining chair", "kitchen chair"),
            looks=(wood.name, "wooden"),
            details=details,
            size=degree(back, 0.42, 0.56, "low-backed", "high-backed"),
        ),
    )


def stool(rng: np.random.Generator) -> Model:
    """A round seat on three or four splayed legs."""
    wood, pad = pick(rng, WOODS), pick(rng, COLORS)
    height, radius = float(rng.uniform(0.5, 0.95)), float(rng.uniform(0.25, 0.33))
    count = int(rng.integers(3, 5))
    leg, seat = float(rng.uniform(0.045, 0.055)), float(rng.uniform(0.05, 0.07))
    legs = []
    for i in range(count):
        angle = 2 * math.pi * (i + 0.5) / count - math.pi / 2
        x, y = math.cos(angle), math.sin(angle)
        foot = radius * 1.0
        legs.append(
            capsule((x * foot, y * foot, 0), (x * radius * 0.55, y * radius * 0.55, height), leg)
        )
    has_pad = bool(rng.random() < 0.5)
    parts = [
        part(cylinder((0, 0, height), radius, seat, rounding=0.02), planks(wood, "x", radius / 2)),
        part(union(*legs), wood.shaded(0.72)),
    ]
    if count == 4:
        # The legs stand on the diagonals; the rungs meet them where they have leaned in a little.
        at, z = radius * 0.82 * math.sqrt(0.5), height * 0.4
        rungs = (
            beam((-at, -at, z), (at, at, z), 0.033, 0.033),
            beam((-at, at, z), (at, -at, z), 0.033, 0.033),
        )
        parts.append(part(union(*rungs), wood.shaded(0.72)))
    if has_pad:
        parts.append(
            part(cylinder((0, 0, height + seat + 0.02), radius * 0.95, 0.055, rounding=0.045), pad)
        )
    legs_word = "three" if count == 3 else "four"
    details = [f"with {legs_word} legs", f"on {legs_word} legs", "with a round seat"]
    if has_pad:
        details.insert(0, f"with a {pad.name} cushion and {legs_word} legs")
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("stool", "bar stool" if height > 0.8 else "footstool", "round stool"),
            looks=(wood.name, "wooden"),
            details=details,
            size=degree(height, 0.5, 0.95, "low", "tall"),
        ),
    )


def bench(rng: np.random.Generator) -> Model:
    """A park bench of planks or a bench of stone."""
    length, depth = float(rng.uniform(0.46, 0.5)), float(rng.uniform(0.16, 0.21))
    seat = float(rng.uniform(0.26, 0.34))
    is_stone = bool(rng.random() < 0.3)
    has_back = not is_stone and bool(rng.random() < 0.65)
    material = pick(rng, STONES if is_stone else (*WOODS, *COLORS[:6]))
    support = (
        pick(rng, STONES)
        if rng.random() < 0.5
        else Swatch(name="black iron", rgb=(0.16, 0.16, 0.19))
    )
    board = 0.035
    x = length * float(rng.uniform(0.6, 0.82))
    if is_stone:
        parts = [
            part(box((0, 0, seat), (length, depth, 0.055), 0.02), material),
            part(
                mirrored(box((x, 0, seat / 2), (0.075, depth * 0.75, seat / 2), 0.015), "x"),
                material.shaded(0.75),
            ),
        ]
        details: tuple[str, ...] = ("with two block legs", "with thick legs")
    else:
        stand = union(box((x, 0, seat / 2), (0.04, depth * 0.92, seat / 2)))
        parts = [
            part(
                box((0, 0, seat), (length, depth, board), 0.01),
                planks(material, "y", 2 * depth / 3, 0.35),
            ),
            part(mirrored(stand, "x"), support),
        ]
        details = (f"with {support.name} legs", "with plank seat")
        if has_back:
            y = depth + 0.015
            top = seat + float(rng.uniform(0.28, 0.36))
            slat = (top - seat) * 0.22
            parts += [
                part(
                    mirrored(
                        box(
                            (x, y, (top + seat) / 2 - 0.03), (0.04, 0.035, (top - seat) / 2 + 0.04)
                        ),
                        "x",
                    ),
                    support,
                ),
                part(box((0, y - 0.035, top - slat), (length, 0.035, slat)), material.shaded(0.95)),
                part(
                    box((0, y - 0.035, seat + slat * 1.2), (length, 0.035, slat * 0.7)),
                    material.shaded(1.08),
                ),
            ]
            details = (
                f"with a backrest and {support.name} legs",
                "with a backrest",
                "with a plank back",
            )
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("bench", "park bench" if has_back else "seat bench", "long seat"),
            looks=(material.name, "stone" if is_stone else "wooden"),
            details=details,
            size=degree(seat, 0.26, 0.34, "low", ""),
        ),
    )


def shelf(rng: np.random.Generator) -> Model:
    """A bookcase with rows of books."""
    wood = pick(rng, WOODS)
    first = pick(rng, COLORS)
    second = pick(rng, COLORS, but=(first.name,))
    a, depth = float(rng.uniform(0.26, 0.4)), float(rng.uniform(0.13, 0.18))
    rows = int(rng.integers(2, 5))
    pitch = float(rng.uniform(0.23, 0.27)) if rows == 4 else float(rng.uniform(0.26, 0.32))
    board, height = 0.032, rows * pitch
    parts = [
        part(box((0, depth - board, height / 2), (a, board, height / 2)), wood.shaded(0.6)),
        part(
            mirrored(box((a - board, 0, height / 2), (board, depth, height / 2 + board)), "x"), wood
        ),
        part(union(*(box((0, 0, i * pitch), (a, depth, board)) for i in range(rows + 1))), wood),
    ]
    book = float(rng.uniform(0.075, 0.1))
    clear = a - 2 * board
    has_books = bool(rng.random() < 0.85)
    for i in range(rows if has_books else 0):
        share, tall = float(rng.uniform(0.5, 1.0)), float(rng.uniform(0.62, 0.8))
        left = bool(rng.random() < 0.5)
        half = clear * share
        x = -clear + half if left else clear - half
        paint = stripes(first.shaded(float(rng.uniform(0.85, 1.1))), second.rgb, "x", book, -a)
        inner = pitch - 2 * board
        z = i * pitch + board + inner * tall / 2
        parts.append(part(box((x, 0.01, z), (half, depth - 0.04, inner * tall / 2 + 0.005)), paint))
    details = (
        (
            f"with {first.name} and {second.name} books",
            "full of books",
            f"with {rows} rows of books",
        )
        if has_books
        else (f"with {rows} boards", "without books")
    )
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("bookshelf", "shelf", "bookcase")
            if has_books
            else ("shelf", "rack", "empty shelf"),
            looks=(wood.name, "wooden"),
            details=details,
            size=degree(height / a, 1.3, 4.2, "low", "tall"),
        ),
    )


def bed(rng: np.random.Generator) -> Model:
    """A bed whose headboard stands at +X."""
    wood, blanket = pick(rng, WOODS), pick(rng, COLORS)
    sheet: Rgb = (0.95, 0.93, 0.88)
    length, half = 0.48, float(rng.uniform(0.24, 0.36))
    head, foot = float(rng.uniform(0.34, 0.48)), float(rng.uniform(0.2, 0.28))
    post = float(rng.uniform(0.035, 0.05))
    cover = float(rng.uniform(0.55, 0.68))
    mattress = 0.18
    cover_half = length * cover
    parts = [
        part(box((0, 0, 0.12), (length, half, 0.05)), wood.shaded(0.75)),
        part(box((0, 0, mattress), (length - 0.03, half - 0.02, 0.07), 0.03), sheet),
        part(
            box((length, 0, head / 2 + 0.03), (0.035, half, head / 2 - 0.03)),
            planks(wood, "y", half / 2.5),
        ),
        part(
            box((-length, 0, foot / 2 + 0.03), (0.035, half, foot / 2 - 0.03)),
            planks(wood, "y", half / 2.5),
        ),
        part(
            mirrored(box((length, half, head / 2), (post, post, head / 2 + 0.02)), "y"),
            wood.shaded(0.7),
        ),
        part(
            mirrored(box((-length, half, foot / 2), (post, post, foot / 2 + 0.02)), "y"),
            wood.shaded(0.7),
        ),
        part(
            box(
                (-length + 0.03 + cover_half, 0, mattress + 0.01),
                (cover_half, half + 0.015, 0.085),
                0.03,
            ),
            blanket,
        ),
    ]
    pillow: Rgb = (1.0, 1.0, 0.98)
    x = length - 0.14
    if half > 0.3:
        parts.append(
            part(
                mirrored(
                    box((x, half / 2, mattress + 0.09), (0.085, half / 2 - 0.04, 0.045), 0.04), "y"
                ),
                pillow,
            )
        )
        size, pillows = "double", "two white pillows"
    else:
        parts.append(part(box((x, 0, mattress + 0.09), (0.085, half - 0.07, 0.045), 0.04), pillow))
        size, pillows = "single", "a white pillow"
    return Model(
        parts=tuple(parts),
        captions=captions(
            rng,
            nouns=("bed", f"{size} bed", "bedstead"),
            looks=(wood.name, "wooden"),
            details=(
                f"with a {blanket.name} blanket and {pillows}",
                f"with a {blanket.name} blanket",
                f"with {blanket.name} covers",
            ),
            size=pick_word(rng, ("", size if size == "single" else "wide")),
        ),
    )
