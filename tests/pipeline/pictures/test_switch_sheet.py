import json

import numpy as np
import pytest

from pipeline.errors import Cancelled, InvalidInput
from pipeline.pictures.sheet import HEADER_PX, WELL
from pipeline.pictures.switch_sheet import switch_sheet
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.types import UnwrappedMesh
from tests.pipeline.pictures.sample_assets import asset, cube_chain, pixels
from tests.pipeline.samples import pack_glb, unpack_glb, unwrapped_cube

FRONT = Viewpoint(yaw_deg=0.0, pitch_deg=0.0)


def square(segments: int) -> UnwrappedMesh:
    """The front of the cube, moved into its own middle's plane."""
    cube = unwrapped_cube(segments=segments)
    faces = cube.faces[: 2 * segments**2]
    count = (segments + 1) ** 2
    return UnwrappedMesh(
        positions=cube.positions[:count],
        normals=cube.normals[:count],
        tangents=cube.tangents[:count],
        uvs=cube.uvs[:count],
        faces=faces,
        face_source=np.arange(len(faces), dtype=np.int32),
    )


def test_lods_are_as_large_as_on_screen() -> None:
    coverage = 0.2
    sheet = pixels(switch_sheet(asset(square(2), square(1), coverages=(coverage, 0.1)), FRONT))
    is_red = (sheet[:, :, 0] > 150) & (sheet[:, :, 1] < 60)
    # The first panel, from where the words end.
    column = sheet.shape[1] // 4
    rows = np.flatnonzero(is_red[:, column])
    # The sphere around a square of side 1 is 2 ** 0.5 wide and covers 0.2 of 1080 lines.
    assert np.ptp(rows) + 1 == pytest.approx(coverage * 1080 / 2**0.5, abs=2)


def test_equal_lods_show_no_difference() -> None:
    flat = square(1)
    sheet = pixels(switch_sheet(asset(flat, flat, coverages=(0.2, 0.1)), FRONT))
    panel = sheet[HEADER_PX : HEADER_PX + 264, -24 - 264 : -24]
    shades = np.unique(panel.reshape(-1, 3), axis=0)
    pale = max(map(tuple, shades), key=lambda shade: shade[0])
    # The well, the palest color of the map, and the frame of the crop.
    assert len(shades) <= 3
    assert WELL in set(map(tuple, shades))
    assert pale[0] > pale[2]


def test_there_is_a_row_for_each_switch() -> None:
    lods = [unwrapped_cube(segments=segments) for segments in (4, 3, 2, 1)]
    two, four = (len(pixels(switch_sheet(asset(*some)))) for some in (lods[:2], lods))
    three = len(pixels(switch_sheet(asset(*lods[:3]))))
    assert four - three == three - two > 264


def test_same_bytes_again() -> None:
    assert switch_sheet(cube_chain()) == switch_sheet(cube_chain())


def test_one_lod_has_nothing_to_switch_to() -> None:
    with pytest.raises(InvalidInput, match="nothing switches; make more with `lodsmith lod"):
        switch_sheet(asset(unwrapped_cube()))


def test_a_file_that_does_not_say_when_is_refused() -> None:
    document, binary = unpack_glb(cube_chain())
    for node in document["nodes"]:
        node.pop("extras", None)
    with pytest.raises(InvalidInput, match="MSFT_screencoverage"):
        switch_sheet(pack_glb(json.dumps(document).encode(), binary))


def test_it_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        switch_sheet(cube_chain(), tick=stop)
