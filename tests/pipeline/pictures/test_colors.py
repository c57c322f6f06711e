import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.pictures.colors import Table, colors, diverging, linear_from_oklab, sequential

# Oklab's definition runs from linear sRGB to Lab; the map is made the other way round.
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    lab: NDArray[np.float64] = np.cbrt(linear @ TO_CONES.T) @ TO_LAB.T
    return lab


def test_oklab_comes_back() -> None:
    lab = np.random.default_rng(1).uniform([0.4, -0.05, -0.05], [0.9, 0.05, 0.05], (50, 3))
    assert oklab(linear_from_oklab(*lab.T)) == pytest.approx(lab, abs=1e-5)


@pytest.mark.parametrize("table", [sequential(), diverging()], ids=["sequential", "diverging"])
def test_maps_are_within_srgb(table: Table) -> None:
    assert table.min() >= 0
    assert table.max() <= 1


def test_equal_steps_are_equally_much_darker() -> None:
    steps = np.diff(oklab(sequential())[:, 0])
    assert steps == pytest.approx(np.full(255, steps.mean()), rel=1e-3)
    assert steps.mean() < 0


def test_neighbors_on_the_map_are_about_equally_far_apart() -> None:
    distances = np.linalg.norm(np.diff(oklab(sequential()), axis=0), axis=1)
    assert distances.max() < 2 * distances.min()


def test_the_diverging_map_is_equally_dark_at_both_ends_and_palest_between() -> None:
    lightness = oklab(diverging())[:, 0]
    assert lightness == pytest.approx(lightness[::-1], abs=1e-6)
    assert np.argmax(lightness) in (127, 128)


def test_values_outside_count_as_the_ends() -> None:
    shown = colors(np.array([-3.0, 0.0, 1.0, 7.0, np.nan]), sequential())
    assert np.array_equal(shown[0], shown[1])
    assert np.array_equal(shown[2], shown[3])
    assert np.array_equal(shown[4], shown[0])
