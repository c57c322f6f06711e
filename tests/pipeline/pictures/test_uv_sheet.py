import numpy as np
import pytest

from pipeline.errors import Cancelled, InvalidInput
from pipeline.pictures.colors import LEVEL_COLORS
from pipeline.pictures.sheet import HEADER_PX, MARGIN_PX
from pipeline.pictures.uv_sheet import uv_sheet
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.types import Image, Material
from tests.pipeline.pictures.sample_assets import asset, cube_chain, pixels
from tests.pipeline.samples import triangle_file, unwrapped_cube

VIEW = Viewpoint(size_px=300)


def test_outlines_are_where_the_charts_are() -> None:
    black = Material(base_color=Image(pixels=np.zeros((4, 4, 3), np.uint8)))
    sheet = pixels(uv_sheet(asset(unwrapped_cube(segments=3), material=black), VIEW))
    atlas = sheet[HEADER_PX : HEADER_PX + 300, MARGIN_PX : MARGIN_PX + 300]
    # Lines between two columns of pixels are half as bright in both.
    is_line = np.all(atlas > np.array(LEVEL_COLORS[0]) * 0.4, axis=2)
    # Through the middle of the upper row of charts: three, each with a left and a right end.
    columns = np.flatnonzero(is_line[75])
    wanted = [(column + end) / 3 * 300 for column in range(3) for end in (0.05, 0.95)]
    assert all(np.abs(columns + 0.5 - place).min() <= 1.5 for place in wanted)
    assert all(min(abs(column + 0.5 - place) for place in wanted) <= 1.5 for column in columns)


def test_the_base_color_is_dimmed_behind_them() -> None:
    sheet = pixels(uv_sheet(asset(unwrapped_cube()), VIEW))
    r, g, b = sheet[HEADER_PX + 75, MARGIN_PX + 50]  # the front, which is red
    assert 60 < r < 140
    assert r > 3 * max(g, b) / 2


def test_same_bytes_again() -> None:
    assert uv_sheet(cube_chain(), VIEW) == uv_sheet(cube_chain(), VIEW)


def test_files_without_uvs_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"LOD0 has no UVs.*`lodsmith lod` unwraps it"):
        uv_sheet(triangle_file().glb(), VIEW)


def test_a_sheet_needs_room() -> None:
    with pytest.raises(InvalidInput, match="at least 256 pixels, got 100"):
        uv_sheet(cube_chain(), Viewpoint(size_px=100))


def test_it_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        uv_sheet(cube_chain(), VIEW, stop)
