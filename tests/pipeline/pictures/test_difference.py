import math

import numpy as np
import pytest

from pipeline.pictures.difference import difference
from pipeline.pictures.sheet import WELL
from pipeline.types import ByteArray, FloatArray

SHAPE = (6, 6)


def picture(level: int, covered: float = 1.0) -> tuple[ByteArray, FloatArray]:
    return np.full((*SHAPE, 3), level, np.uint8), np.full(SHAPE, covered, np.float32)


def test_psnr_is_that_of_its_definition() -> None:
    found = difference(picture(100), picture(110))
    assert found.psnr_db == pytest.approx(20 * math.log10(255 / 10))
    assert (found.levels == 10).all()


def test_the_same_is_infinitely_alike() -> None:
    found = difference(picture(100), picture(100))
    assert math.isinf(found.psnr_db)
    assert found.words == "no difference"


def test_only_what_either_shows_counts() -> None:
    one, other = picture(100), picture(110)
    one[1][:, 3:] = 0
    other[1][:, 3:] = 0
    one[0][:, 3:] = 255
    found = difference(one, other)
    assert found.psnr_db == pytest.approx(20 * math.log10(255 / 10))
    assert (found.picture[:, 3:] == WELL).all()
    assert (found.picture[:, :3] != WELL).any()


def test_empty_pictures_do_not_differ() -> None:
    assert math.isinf(difference(picture(1, 0.0), picture(9, 0.0)).psnr_db)
