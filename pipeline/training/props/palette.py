"""Named materials and colors: what captions say and what the fields show."""

from dataclasses import dataclass

import numpy as np

Rgb = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Swatch:
    """A color with the word for it. rgb: sRGB in 0..1."""

    name: str
    rgb: Rgb

    def shaded(self, factor: float) -> Rgb:
        """The color, lighter (above 1) or darker (below 1)."""
        r, g, b = (min(1.0, channel * factor) for channel in self.rgb)
        return r, g, b


def _swatches(rows: dict[str, Rgb]) -> tuple[Swatch, ...]:
    return tuple(Swatch(name=name, rgb=rgb) for name, rgb in rows.items())


WOODS = _swatches(
    {
        "oak": (0.64, 0.41, 0.19),
        "birch": (0.88, 0.72, 0.47),
        "walnut": (0.38, 0.22, 0.12),
        "mahogany": (0.52, 0.19, 0.11),
        "gray wooden": (0.53, 0.50, 0.46),
    }
)
METALS = _swatches(
    {
        "iron": (0.28, 0.29, 0.33),
        "steel": (0.68, 0.73, 0.80),
        "gold": (0.98, 0.76, 0.16),
        "bronze": (0.66, 0.43, 0.15),
        "copper": (0.84, 0.42, 0.24),
    }
)
STONES = _swatches(
    {
        "gray stone": (0.56, 0.57, 0.59),
        "sandstone": (0.85, 0.70, 0.45),
        "slate": (0.31, 0.36, 0.43),
        "marble": (0.93, 0.92, 0.89),
        "mossy stone": (0.46, 0.54, 0.37),
    }
)
COLORS = _swatches(
    {
        "red": (0.84, 0.13, 0.11),
        "orange": (0.95, 0.50, 0.09),
        "yellow": (0.97, 0.84, 0.17),
        "green": (0.20, 0.62, 0.22),
        "teal": (0.08, 0.60, 0.58),
        "blue": (0.13, 0.33, 0.83),
        "purple": (0.50, 0.19, 0.70),
        "pink": (0.95, 0.47, 0.66),
        "white": (0.94, 0.94, 0.92),
        "black": (0.13, 0.13, 0.15),
    }
)
LEAVES = _swatches(
    {
        "green": (0.27, 0.62, 0.19),
        "dark green": (0.10, 0.39, 0.17),
        "orange": (0.93, 0.48, 0.10),
        "yellow": (0.93, 0.78, 0.17),
        "red": (0.78, 0.18, 0.12),
        "pink": (0.96, 0.60, 0.74),
    }
)
ROOFS = _swatches(
    {
        "red": (0.78, 0.21, 0.14),
        "blue": (0.17, 0.35, 0.68),
        "brown": (0.43, 0.25, 0.14),
        "gray": (0.36, 0.38, 0.43),
        "green": (0.21, 0.48, 0.27),
        "orange": (0.88, 0.45, 0.16),
        "purple": (0.44, 0.24, 0.60),
    }
)

WAX = Swatch(name="cream", rgb=(0.95, 0.89, 0.74))
GLOW = Swatch(name="glowing", rgb=(1.00, 0.86, 0.36))
DARK = Swatch(name="dark", rgb=(0.10, 0.09, 0.10))
GRASS = Swatch(name="grass green", rgb=(0.36, 0.62, 0.20))
STRAW = Swatch(name="straw", rgb=(0.87, 0.70, 0.32))
CORK = Swatch(name="cork", rgb=(0.74, 0.52, 0.29))
LEATHER = Swatch(name="leather", rgb=(0.42, 0.23, 0.12))
PLASTER = Swatch(name="plaster", rgb=(0.93, 0.87, 0.74))
BRICK = Swatch(name="brick", rgb=(0.70, 0.30, 0.20))


def pick(
    rng: np.random.Generator, swatches: tuple[Swatch, ...], *, but: tuple[str, ...] = ()
) -> Swatch:
    """Draw a swatch, its color slightly off, never one named in `but`."""
    allowed = [swatch for swatch in swatches if swatch.name not in but]
    drawn = allowed[int(rng.integers(len(allowed)))]
    brightness = float(rng.uniform(0.92, 1.08))
    r, g, b = (
        float(np.clip(channel * brightness + rng.uniform(-0.02, 0.02), 0, 1))
        for channel in drawn.rgb
    )
    return Swatch(name=drawn.name, rgb=(r, g, b))


def pick_named(swatches: tuple[Swatch, ...], name: str) -> Swatch:
    """Return the swatch of that name."""
    return next(swatch for swatch in swatches if swatch.name == name)
