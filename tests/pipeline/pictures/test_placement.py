import numpy as np
import pytest

from pipeline.pictures.levels import Level, read_levels
from pipeline.pictures.placement import same_place
from tests.pipeline.pictures.sample_assets import asset, moved
from tests.pipeline.samples import unwrapped_cube

CUBE = unwrapped_cube(segments=2)


def level(by: tuple[float, float, float] = (0, 0, 0), scale: float = 1.0) -> Level:
    return read_levels(asset(moved(CUBE, by, scale))).levels[0]


def test_another_place_and_size_are_undone_and_told() -> None:
    placed, words = same_place(level((5.0, 1.0, -2.0), 100.0), level(), "It")
    assert placed.positions == pytest.approx(level().positions, abs=1e-4)
    assert words.startswith("It was scaled by 0.01 and moved by ")


def test_another_place_keeps_the_size() -> None:
    placed, words = same_place(level((0.0, -0.5, 0.0)), level(), "It")
    assert placed.positions == pytest.approx(level().positions, abs=1e-6)
    assert words == "It was moved by 0.5 m."


def test_what_is_nearly_there_stays() -> None:
    near = level((0.005, 0.0, 0.0), 1.004)
    placed, words = same_place(near, level(), "It")
    assert placed is near
    assert words == ""


def test_other_proportions_are_left_alone() -> None:
    flat = moved(CUBE, (2.0, 0.0, 0.0))
    flat.positions[:, 1] *= np.float32(0.5)
    other = read_levels(asset(flat)).levels[0]
    placed, words = same_place(other, level(), "It")
    assert placed is other
    assert words == ""
