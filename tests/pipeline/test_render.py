"""What `render_views` and `render_plain` promise beside `render`, which test_preview.py covers."""

import numpy as np
import pytest

from pipeline.errors import Cancelled
from pipeline.pictures.levels import read_levels
from pipeline.render import Light, cover_cells, render, render_plain, render_views
from tests.pipeline.pictures.sample_assets import asset
from tests.pipeline.samples import unwrapped_cube

LEVEL = read_levels(asset(unwrapped_cube(segments=2))).levels[0]
CAMERAS = [LEVEL.camera(yaw, 20.0) for yaw in (0.0, 50.0, 130.0)]


def test_many_views_are_those_of_one_at_a_time() -> None:
    pictures = render_views(LEVEL.draws, CAMERAS, size_px=48)
    for picture, camera in zip(pictures, CAMERAS, strict=True):
        assert np.array_equal(picture, render(LEVEL.draws, camera, size_px=48))


def test_views_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        render_views(LEVEL.draws, CAMERAS, size_px=48, tick=stop)


def test_a_plain_picture_is_even_where_nothing_is() -> None:
    picture, covered = render_plain(LEVEL.draws, CAMERAS[1], size_px=48)
    around = picture[covered == 0]
    assert len(around) > 100
    assert (around == around[0]).all()
    assert covered.max() == 1
    # Inside, it is the picture that `render` makes on its ground.
    inside = covered == 1
    whole = render(LEVEL.draws, CAMERAS[1], size_px=48)
    assert np.array_equal(picture[inside], whole[inside])


def test_light_from_everywhere_shows_sides_alike() -> None:
    even = Light(toward=np.array([0.0, 1.0, 0.0]), key=0.0, sky=1.0, floor=1.0)
    shades = []
    for yaw in (0.0, 180.0):  # red and green
        camera = LEVEL.camera(yaw, 0.0)
        picture, _ = render_plain(LEVEL.draws, camera, size_px=48, light=even)
        shades.append(picture[24, 24].astype(int))
    assert shades[0].max() == pytest.approx(shades[1].max(), abs=1)


def test_cells_are_covered_whichever_way_a_face_looks() -> None:
    cells = np.array([[0, 0], [8, 0], [8, 8], [0, 8]], np.float32)
    for faces in ([[0, 1, 2]], [[0, 2, 1]]):
        covered = np.zeros((8, 8), np.float32)
        cover_cells(cells, np.array(faces, np.int32), covered)
        # Centers on or above the diagonal from top left to bottom right.
        assert np.array_equal(covered, np.triu(np.ones((8, 8))))
