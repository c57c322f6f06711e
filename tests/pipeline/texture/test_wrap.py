"""Where textures are read beyond their borders, whatever a file says."""

import math

import numpy as np
import pytest

from pipeline.texture.wrap import beside, folded, wrap_codes
from pipeline.types import Image, Wrap

PIXELS = np.zeros((4, 4, 3), np.uint8)


def code_of(wrap: Wrap) -> int:
    return wrap_codes(Image(pixels=PIXELS, wrap=(wrap, "repeat")))[0]


@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        ("repeat", {-0.25: 0.75, 0.25: 0.25, 1.25: 0.25}),
        ("clamp", {-0.25: 0.0, 0.25: 0.25, 1.25: 1.0}),
        ("mirror", {-0.25: 0.25, 0.25: 0.25, 1.25: 0.75, 2.25: 0.25}),
    ],
)
def test_a_coordinate_is_folded_as_gltf_says(wrap: Wrap, expected: dict[float, float]) -> None:
    assert {at: folded(at, code_of(wrap)) for at in expected} == expected


@pytest.mark.parametrize("wrap", ["repeat", "clamp", "mirror"])
@pytest.mark.parametrize("at", [1.6e19, -8.8e18, 3e38, -3e38, math.inf, -math.inf, math.nan])
def test_no_number_is_too_large(wrap: Wrap, at: float) -> None:
    code = code_of(wrap)
    place = folded(np.float32(at), code)
    assert 0 <= place <= 1
    for index in (-1, 4, -(2**63), 2**63 - 1):
        assert 0 <= beside(index, 4, code) < 4
