import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.pictures import surface_values as module
from pipeline.pictures.colors import linear_colors, sequential
from pipeline.pictures.levels import Level, read_levels
from pipeline.pictures.surface_values import surface_values
from pipeline.srgb import linear_from_srgb
from tests.pipeline.pictures.sample_assets import asset
from tests.pipeline.samples import unwrapped_cube

SIZE = 64


def cube() -> Level:
    return read_levels(asset(unwrapped_cube(segments=2))).levels[0]


def heights(faces: NDArray[np.int64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    return places[:, 1]


def test_places_are_those_that_are_seen() -> None:
    seen: list[NDArray[np.float64]] = []

    def keep(faces: NDArray[np.int64], places: NDArray[np.float64]) -> NDArray[np.float64]:
        seen.append(places)
        return places[:, 1]

    level = cube()
    surface_values(
        level.joined, level.camera(0.0, 0.0), size_px=SIZE, shares=keep, table=sequential()
    )
    places = np.concatenate(seen)
    assert places[:, 2] == pytest.approx(np.full(len(places), 0.5), abs=1e-5)  # the front
    assert places[:, 1].min() == pytest.approx(0, abs=0.02)
    assert places[:, 1].max() == pytest.approx(1, abs=0.02)


def test_hues_are_those_of_the_numbers() -> None:
    level = cube()
    picture = surface_values(
        level.joined, level.camera(0.0, 0.0), size_px=SIZE, shares=heights, table=sequential()
    )
    for row in (10, 32, 54):
        height = 0.5 + (SIZE / 2 - row - 0.5) / (0.84 * SIZE)  # the front spans 84 %
        found = linear_from_srgb(picture[row, SIZE // 2] / 255)
        wanted = linear_colors(np.array([height]), sequential())[0]
        # Light changes how bright a color is, not which.
        assert found / found.sum() == pytest.approx(wanted / wanted.sum(), abs=0.01)
        assert 0.6 < found.sum() / wanted.sum() <= 1.01


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    level = cube()
    made = []
    for samples in (1 << 20, 5 * 2 * SIZE, 1):
        monkeypatch.setattr(module, "_BAND_SAMPLES", samples)
        made.append(
            surface_values(
                level.joined, level.camera(30, 20), size_px=SIZE, shares=heights, table=sequential()
            )
        )
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])
