import numpy as np
import pytest

from pipeline.errors import Cancelled, InvalidInput
from pipeline.pictures.comparison import comparison
from pipeline.pictures.sheet import GAP_PX, HEADER_PX, MARGIN_PX
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.types import Material
from tests.pipeline.pictures.sample_assets import asset, cube_chain, moved, pixels
from tests.pipeline.samples import unwrapped_cube

VIEW = Viewpoint(size_px=96)
CUBE = unwrapped_cube(segments=2)


def panels(sheet: bytes) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    return [
        pixels(sheet)[HEADER_PX : HEADER_PX + 96, left : left + 96]
        for left in (MARGIN_PX + column * (96 + GAP_PX) for column in range(3))
    ]


def test_the_same_looks_the_same_and_the_difference_is_even() -> None:
    one, other, apart = panels(comparison(asset(CUBE), asset(CUBE), view=VIEW))
    assert np.array_equal(one, other)
    assert len(np.unique(apart.reshape(-1, 3), axis=0)) == 2  # the cube, and nothing


def test_before_is_left_and_another_color_shows_in_the_difference() -> None:
    white = Material(base_color_factor=(1.0, 1.0, 1.0, 1.0))
    gray = Material(base_color_factor=(0.2, 0.2, 0.2, 1.0))
    sheet = comparison(asset(CUBE, material=gray), asset(CUBE, material=white), view=VIEW)
    one, other, apart = panels(sheet)
    middle = (48, 48)
    assert one[middle].sum() > other[middle].sum() + 100
    assert apart[middle].sum() < 400  # the dark end


def test_a_moved_and_scaled_file_is_compared_in_place() -> None:
    away = asset(moved(CUBE, (4, 0, 0), 3.0))
    one, other, _ = panels(comparison(asset(CUBE), away, view=VIEW))
    assert np.abs(one - other).max() <= 2  # rounding of positions


def test_lods_of_one_file_are_never_moved() -> None:
    # In two files they would be the same asset at another size.
    one, other, _ = panels(comparison(asset(CUBE, moved(CUBE, (0, 0, 0), 0.5)), view=VIEW))
    whole, half = (((each != each[0, 0]).any(axis=2)).sum() for each in (one, other))
    assert half < 0.4 * whole


def test_without_another_file_the_last_lod_is_compared() -> None:
    lods = [CUBE, moved(CUBE, (0, 0, 0), 0.8), moved(CUBE, (0, 0, 0), 0.5)]
    assert comparison(asset(*lods), view=VIEW) == comparison(asset(*lods), lod=2, view=VIEW)
    assert comparison(asset(*lods), view=VIEW) != comparison(asset(*lods), lod=1, view=VIEW)


def test_one_lod_is_not_compared_with_itself() -> None:
    with pytest.raises(InvalidInput, match="compared with itself; name another LOD, or a file"):
        comparison(asset(CUBE), view=VIEW)


def test_same_bytes_again() -> None:
    assert comparison(cube_chain(), view=VIEW) == comparison(cube_chain(), view=VIEW)


def test_it_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        comparison(cube_chain(), view=VIEW, tick=stop)
