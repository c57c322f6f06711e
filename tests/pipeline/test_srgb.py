"""sRGB is the curve of the standard."""

import numpy as np
import pytest

from pipeline.srgb import linear_from_srgb, srgb_from_linear


def test_known_values() -> None:
    # Half the light is 188 of 255; the middle code has 21.4 % of the light.
    assert srgb_from_linear(np.array([0.0, 0.5, 1.0])) * 255 == pytest.approx([0, 187.5, 255], 1e-3)
    assert linear_from_srgb(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.21404, 1], 1e-4)


def test_every_byte_comes_back_in_single_precision() -> None:
    codes = np.arange(256, dtype=np.float32) / np.float32(255)
    back = srgb_from_linear(linear_from_srgb(codes))
    assert back.dtype == np.float32
    assert (back * 255 + 0.5).astype(int).tolist() == list(range(256))


def test_both_rise_and_have_no_step_where_the_line_meets_the_curve() -> None:
    for change in (srgb_from_linear, linear_from_srgb):
        values = change(np.linspace(-0.1, 1.1, 20_001))
        steps = np.diff(values)
        assert (steps > 0).all()
        assert steps.max() < 1e-3
