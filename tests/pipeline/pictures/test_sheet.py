import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from pipeline.pictures.sheet import PAGE, RULE, Sheet, enlarged, fitted, shortened, text_width
from pipeline.types import ByteArray

BAR = np.zeros((256, 3), np.uint8)


def page(sheet: Sheet) -> ByteArray:
    return np.asarray(PillowImage.open(io.BytesIO(sheet.png())))


@pytest.mark.parametrize("width", [30, 100, 200])
def test_long_words_are_shortened_to_their_place(width: int) -> None:
    text = shortened("a long name of an asset that goes on and on", 15, width)
    assert text.endswith("...")
    assert text_width(text, 15) <= width


def test_short_words_stay() -> None:
    assert shortened("short", 15, 200) == "short"


def test_a_title_never_reaches_the_edge() -> None:
    sheet = page(Sheet(300, 90, title="W" * 200, subtitle="W" * 300))
    assert (sheet[:, -20:] == PAGE).all()
    assert (sheet[:, 30:200] != PAGE).any()


def test_numbers_of_a_scale_stay_under_it_and_apart() -> None:
    sheet = Sheet(300, 90, title="", subtitle="")
    ticks = [(share / 20, f"{share * 100} mm") for share in range(21)]
    sheet.scale(50, 20, 200, BAR, ticks)
    below = page(sheet)[42:60]
    columns = np.flatnonzero((below != PAGE).any(axis=(0, 2)))
    assert columns[0] >= 50
    assert columns[-1] < 250
    # Words are several pixels apart, letters one or two.
    gaps = np.diff(columns)
    assert (gaps >= 6).sum() >= 2
    assert (page(sheet)[20:34, 50:250] == 0).all()
    assert tuple(page(sheet)[19, 100]) == RULE


def test_pictures_are_scaled_as_a_whole() -> None:
    pixels = np.zeros((40, 20, 3), np.uint8)
    assert fitted(pixels, 10).shape == (10, 5, 3)
    assert enlarged(pixels, 3).shape == (120, 60, 3)
