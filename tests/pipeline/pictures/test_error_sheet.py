from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import Cancelled, InvalidInput
from pipeline.pictures.colors import linear_colors, sequential
from pipeline.pictures.error_sheet import error_sheet
from pipeline.pictures.sheet import GAP_PX, HEADER_PX, MARGIN_PX
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.srgb import linear_from_srgb
from tests.pipeline.pictures.sample_assets import asset, cube_chain, moved, pixels
from tests.pipeline.samples import unwrapped_cube

ABOVE = Viewpoint(size_px=96, yaw_deg=0.0, pitch_deg=90.0)
FIRST_ROW = HEADER_PX + 24


def hue(color: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    linear = linear_from_srgb(np.asarray(color, np.float64) / 255)
    return np.asarray(linear / linear.sum())


def map_hue(share: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    linear = linear_colors(np.array([share]), sequential())[0]
    return np.asarray(linear / linear.sum())


def test_colors_tell_the_distance() -> None:
    # The top of the larger cube is 0.2 m above LOD0; its corners are 0.245 m away, and the scale
    # ends at the next round length, 0.25 m.
    lods = [unwrapped_cube(segments=2), unwrapped_cube(side_m=1.2)]
    sheet = pixels(error_sheet(asset(*lods), view=ABOVE))
    top = sheet[FIRST_ROW + 48, MARGIN_PX + 48]
    assert hue(top) == pytest.approx(map_hue((0.2 / 0.25) ** 0.5), abs=0.015)


def test_the_second_row_shows_what_a_lod_lacks() -> None:
    whole = unwrapped_cube(segments=2)
    # Without its top, which is at most half a metre from the sides.
    keep = (whole.positions[whole.faces][:, :, 1] < 1).any(axis=1)
    open_box = replace(
        whole,
        faces=whole.faces[keep],
        face_source=np.arange(int(keep.sum()), dtype=np.int32),
    )
    sheet = pixels(error_sheet(asset(whole, open_box), view=ABOVE))
    second = FIRST_ROW + 96 + 58 + 24
    assert hue(sheet[FIRST_ROW + 48, MARGIN_PX + 48]) == pytest.approx(map_hue(0.0), abs=0.015)
    assert hue(sheet[second + 48, MARGIN_PX + 48]) == pytest.approx(map_hue(1.0), abs=0.02)


def test_a_reference_elsewhere_is_brought_to_the_asset() -> None:
    cube = unwrapped_cube(segments=2)
    apart = asset(moved(cube, (3.0, -1.0, 2.0), scale=4.0))
    sheet = pixels(error_sheet(asset(cube), apart, ABOVE))
    assert hue(sheet[FIRST_ROW + 48, MARGIN_PX + 48]) == pytest.approx(map_hue(0.0), abs=0.015)


def test_there_is_a_column_for_each_lod_but_the_reference() -> None:
    lods = [unwrapped_cube(segments=segments) for segments in (4, 3, 2, 1)]
    alone = pixels(error_sheet(asset(*lods), view=ABOVE))
    against = pixels(error_sheet(asset(*lods), asset(lods[0]), ABOVE))
    assert against.shape[1] - alone.shape[1] == 96 + GAP_PX


@pytest.mark.parametrize("cores", [1, 3])
def test_same_bytes_at_any_thread_count(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    glb = asset(unwrapped_cube(segments=3), unwrapped_cube(side_m=1.1))
    before = error_sheet(glb, view=ABOVE)
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert error_sheet(glb, view=ABOVE) == before


def test_one_lod_needs_a_reference() -> None:
    with pytest.raises(InvalidInput, match="nothing to measure it against; name the file"):
        error_sheet(asset(unwrapped_cube()))


def test_it_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        error_sheet(cube_chain(), tick=stop)
