import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.encode.unit_cube import UnitCube
from pipeline.encode.view_features import (
    ViewOptions,
    encoder_views,
    gather,
    view_features,
)
from pipeline.encode.voxelize import voxelize
from pipeline.errors import Cancelled, InvalidInput
from pipeline.model.cameras import Camera
from pipeline.types import FloatArray, Surface
from tests.pipeline.encode.shapes import box, painted, plane, sphere

SIDE = 8
PICTURE_PX = 148
PATCHES = 37
CUBE = UnitCube(center=(0, 0, 0), side_m=1)  # glTF space and the cube differ by a turn only


class PictureColors:
    """A feature extractor whose features are the mean color of each patch."""

    image_size = PICTURE_PX

    def __init__(self) -> None:
        self.pictures: list[Tensor] = []

    def patch_features(
        self, pictures: Tensor, on_block: Callable[[float], None] | None = None
    ) -> Tensor:
        assert on_block is not None
        on_block(0.5)
        self.pictures += list(pictures)
        return F.avg_pool2d(pictures, PICTURE_PX // PATCHES)


class PatchPlaces:
    """A feature extractor whose features are the place of each patch in the picture, -1 to 1."""

    image_size = PICTURE_PX

    def patch_features(
        self, pictures: Tensor, on_block: Callable[[float], None] | None = None
    ) -> Tensor:
        middles = (2 * torch.arange(PATCHES) + 1) / PATCHES - 1
        y, x = torch.meshgrid(middles, middles, indexing="ij")
        return torch.stack([x, y]).expand(len(pictures), -1, -1, -1)


def silent(fraction: float) -> None: ...


def features_of(
    surface: Surface, cameras: list[Camera], extractor: PictureColors | PatchPlaces
) -> tuple[Tensor, FloatArray]:
    """Features, and the middles of their voxels in the cube."""
    coords = voxelize(CUBE.mesh(surface), SIDE, lambda: None)
    feats = view_features(extractor, surface, CUBE, coords, SIDE, cameras, "cpu", silent)
    return feats, ((coords + 0.5) / SIDE - 0.5).astype(np.float32)


def projected(points: FloatArray, camera: Camera) -> FloatArray:
    """Where points appear, -1 to 1, x right and y down."""
    seen = camera.world_to_camera(points)
    places: FloatArray = seen[:, :2] / seen[:, 2:] * camera.focal_px(2)
    return places


def picture(surface: Surface, camera: Camera) -> FloatArray:
    """`[148, 148, 3]`."""
    colors = PictureColors()
    features_of(surface, [camera], colors)
    seen: FloatArray = colors.pictures[0].permute(1, 2, 0).numpy()
    return seen


@pytest.mark.parametrize("yaw_deg", [0.0, 70.0, 200.0])
def test_features_are_read_where_voxels_appear(yaw_deg: float) -> None:
    camera = Camera(yaw_deg=yaw_deg, pitch_deg=33.0)
    feats, middles = features_of(sphere(0.4), [camera], PatchPlaces())
    assert feats.numpy() == pytest.approx(projected(middles, camera), abs=1e-3)  # float16


def test_the_features_of_all_pictures_are_averaged() -> None:
    cameras = encoder_views(3)
    feats, middles = features_of(sphere(0.4), cameras, PatchPlaces())
    expected = np.mean([projected(middles, camera) for camera in cameras], axis=0)
    assert feats.numpy() == pytest.approx(expected, abs=1e-3)
    assert feats.dtype == torch.float32


def test_reading_is_bilinear_and_zero_outside() -> None:
    patches = torch.arange(4.0).reshape(1, 2, 2)  # 0 1 / 2 3, patch middles at +-0.5
    camera = Camera(yaw_deg=0.0, pitch_deg=0.0)
    reach = 2 * math.tan(math.radians(20))
    # Seen from +Y, +X is to the left.
    points = torch.tensor([(0.5, 0.0, 0.5), (0, 0, 0), (-0.25, 0, 0.5), (3.0, 0, 0)]) * reach
    assert gather(patches, camera, points)[:, 0].tolist() == pytest.approx([0, 1.5, 0.75, 0])


@pytest.mark.parametrize("camera", [Camera(yaw_deg=25.0, pitch_deg=-40.0), *encoder_views(3)])
def test_the_renderer_and_the_projection_share_a_camera(camera: Camera) -> None:
    center = np.array([0.3, -0.22, 0.15], np.float32)  # in the cube
    ball = sphere(0.08, rings=16)
    there = replace(ball, positions=ball.positions + CUBE.to_space(center[None]))
    y, x = np.nonzero(picture(there, camera).max(axis=2) > 0)
    middle = (np.array([x.mean(), y.mean()]) + 0.5) / (PICTURE_PX / 2) - 1
    # A ball seen off the axis is an ellipse whose middle is a little farther out.
    assert middle == pytest.approx(projected(center[None], camera)[0], abs=0.01)


def test_the_red_half_of_a_ball_has_reddish_features() -> None:
    ball = sphere(0.4)
    is_right = ball.positions[:, :1] > 0
    surface = painted(ball, np.where(is_right, (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    feats, middles = features_of(surface, encoder_views(24), PictureColors())
    redness = (feats[:, 0] - feats[:, 2]).numpy()
    x = middles[:, 0]
    # Hidden voxels get what is in front of them, so some have the other half's color.
    assert redness[x > 0.2].mean() > 0.05
    assert redness[x < -0.2].mean() < -0.05


def test_pictures_are_as_the_encoder_wants_them() -> None:
    colors = PictureColors()
    features_of(painted(sphere(0.4), np.ones((97 * 49, 3))), encoder_views(3), colors)
    assert [tuple(p.shape) for p in colors.pictures] == [(3, PICTURE_PX, PICTURE_PX)] * 3
    values = torch.stack(colors.pictures)
    assert values.min() == 0  # black around it
    assert 0.5 < values.max() <= 1


def test_light_comes_from_above_and_one_side() -> None:
    ball = sphere(0.4)
    left, right = (picture(ball, Camera(yaw_deg=yaw, pitch_deg=0.0)) for yaw in (-90.0, 90.0))
    top, bottom = right[43:57, 74].mean(), right[91:105, 74].mean()
    assert top > bottom > 0
    assert right[74, 74].mean() > left[74, 74].mean()  # the lamp is at +X


def test_a_sheet_is_seen_from_both_sides() -> None:
    for pitch_deg in (60.0, -60.0):
        seen = picture(plane(0.8), Camera(yaw_deg=30.0, pitch_deg=pitch_deg))
        assert 0.1 < (seen.max(axis=2) > 0).mean() < 0.5


def test_three_of_four_views_are_from_above() -> None:
    views = encoder_views(150)
    assert len({(v.yaw_deg, v.pitch_deg) for v in views}) == 150
    assert sum(v.pitch_deg > 0 for v in views) == 112
    assert min(v.pitch_deg for v in views) == -90.0
    assert max(v.pitch_deg for v in views) > 70.0
    assert {(v.distance, v.fov_deg) for v in views} == {(2.0, 40.0)}


def test_the_same_surface_gives_the_same_features() -> None:
    first, second = (
        features_of(box((0.3, 0.2, 0.4)), encoder_views(3), PictureColors())[0] for _ in range(2)
    )
    assert first.equal(second)


def test_work_can_be_stopped() -> None:
    said: list[float] = []

    def stop(fraction: float) -> None:
        said.append(fraction)
        if fraction > 0.1:
            raise Cancelled("stopped by the test")

    colors = PictureColors()
    coords = np.zeros((1, 3), np.int32)
    with pytest.raises(Cancelled):
        view_features(colors, box((0.3,) * 3), CUBE, coords, SIDE, encoder_views(9), "cpu", stop)
    assert len(colors.pictures) == 1  # the second was half done
    assert said == sorted(said)
    assert said[-1] == pytest.approx(1.5 / 9)


@pytest.mark.parametrize("count", [0, 1001])
def test_the_number_of_views_is_checked(count: int) -> None:
    with pytest.raises(InvalidInput, match=str(count)):
        ViewOptions(count=count)
