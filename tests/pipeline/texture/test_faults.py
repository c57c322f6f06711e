"""Black texels and painted highlights are found, plain white is not."""

import numpy as np

from pipeline.texture.faults import black_ratio, highlight_ratio


def _gray(size: int = 128, value: int = 110) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def test_black_texels_are_counted_where_charts_are() -> None:
    pixels, owners = _gray(8), np.zeros((8, 8), np.int32)
    pixels[:2] = 0
    assert black_ratio(pixels, owners) == 0.25
    owners[:1] = -1
    assert black_ratio(pixels, owners) == 8 / 56


def test_a_white_spot_on_gray_is_a_highlight() -> None:
    pixels, owners = _gray(), np.zeros((128, 128), np.int32)
    pixels[60:68, 60:68] = 255
    assert highlight_ratio(pixels, owners) == 64 / 128**2


def test_a_white_wall_and_bright_colors_are_none() -> None:
    owners = np.zeros((128, 128), np.int32)
    assert highlight_ratio(_gray(value=255), owners) == 0
    yellow = _gray()
    yellow[60:68, 60:68] = (255, 240, 0)
    assert highlight_ratio(yellow, owners) == 0


def test_what_no_chart_covers_is_not_looked_at() -> None:
    pixels, owners = _gray(), np.full((128, 128), -1, np.int32)
    pixels[60:68, 60:68] = 255
    assert highlight_ratio(pixels, owners) == 0
    assert black_ratio(pixels, owners) == 0
