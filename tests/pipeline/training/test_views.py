"""Pictures of assets as conditions."""

import numpy as np
import pytest

from pipeline.errors import Cancelled
from pipeline.training.views import condition_views
from pipeline.types import Material, Silent, Stage, Surface


@pytest.fixture
def surface() -> Surface:
    """A square tile that faces up, red above, and a blue wall at its back."""
    positions = np.array(
        [(-1, 0, -1), (-1, 0, 1), (1, 0, 1), (1, 0, -1), (-1, 2, -1), (1, 2, -1)], np.float32
    )
    faces = np.array([(0, 1, 2), (0, 2, 3), (0, 3, 5), (0, 5, 4)], np.int32)
    return Surface(
        positions=positions,
        faces=faces,
        normals=np.tile(np.float32([0, 1, 0]), (6, 1)),
        face_materials=np.array([0, 0, 1, 1], np.int32),
        materials=(
            Material(base_color_factor=(1, 0, 0, 1)),
            Material(base_color_factor=(0, 0, 1, 1)),
        ),
    )


def test_every_picture_shows_the_asset_on_black(surface: Surface) -> None:
    views = condition_views(surface, 5, 48, Silent())
    assert (views.shape, views.dtype) == ((5, 48, 48, 3), np.uint8)
    for view in views:
        shown = (view > 20).any(2)
        assert 0.1 < shown.mean() < 0.8
        rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        # 1.2 times as wide as the object, as for every request.
        assert max(np.ptp(rows), np.ptp(columns)) == pytest.approx(48 / 1.2, abs=2)
    assert not np.array_equal(views[0], views[1])


def test_the_first_pictures_are_the_same_for_every_count(surface: Surface) -> None:
    few, more = (condition_views(surface, count, 32, Silent()) for count in (2, 4))
    np.testing.assert_array_equal(few, more[:2])


def test_colors_are_those_of_the_materials(surface: Surface) -> None:
    views = condition_views(surface, 8, 48, Silent()).astype(int)
    red, blue = views[..., 0] - views[..., 2] > 60, views[..., 2] - views[..., 0] > 60
    assert red.any((1, 2)).any()
    assert blue.any((1, 2)).any()
    assert not views[..., 1].max() > 60  # nothing is green


def test_no_pictures_are_asked_of_models_that_take_none(surface: Surface) -> None:
    assert condition_views(surface, 0, 16, Silent()).shape == (0, 16, 16, 3)


def test_it_can_be_stopped_between_pictures(surface: Surface) -> None:
    class Stopping(Silent):
        calls = 0

        def __call__(self, stage: Stage, fraction: float) -> None:
            self.calls += 1
            if self.calls > 4:
                raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        condition_views(surface, 100, 16, Stopping())
