"""Draws the plugin's icon, a ball in three LODs: `python unreal_client/draw_icon.py`."""

import math
from pathlib import Path

from PIL import Image, ImageDraw

SIZE, SCALE = 128, 8  # drawn larger, then reduced: Pillow draws without antialiasing
COLORS = ((86, 156, 214), (220, 170, 80), (120, 190, 110))
PLACES = ((44, 46, 34, 24), (92, 60, 22, 9), (66, 102, 17, 5))  # x, y, radius, corners


def main() -> None:
    """Write Icon128.png."""
    image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE), (32, 34, 40))
    draw = ImageDraw.Draw(image)
    for color, (x, y, radius, corners) in zip(COLORS, PLACES, strict=True):
        points = [
            (
                SCALE * (x + radius * math.sin(2 * math.pi * corner / corners)),
                SCALE * (y - radius * math.cos(2 * math.pi * corner / corners)),
            )
            for corner in range(corners)
        ]
        center = (SCALE * x, SCALE * y)
        for index, point in enumerate(points):
            shade = 0.75 + 0.25 * math.cos(2 * math.pi * (index + 0.5) / corners - 5.5)
            filled = tuple(round(part * shade) for part in color)
            draw.polygon([center, point, points[(index + 1) % corners]], fill=filled)
    icon = Path(__file__).parent / "Lodsmith" / "Resources" / "Icon128.png"
    image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(icon, optimize=True)


if __name__ == "__main__":
    main()
