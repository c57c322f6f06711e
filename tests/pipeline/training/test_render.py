"""Pictures of props without light: where things are, and what color they have."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.model.cameras import Camera
from pipeline.training.props import Prop, make_prop
from pipeline.training.render import FITTED_RADIUS, render_base_color, render_prop
from pipeline.types import FloatArray

RED, BLUE = (0.8, 0.1, 0.2), (0.1, 0.3, 0.9)


def ball(center: tuple[float, float, float], radius: float) -> Prop:
    """Red where x > 0, blue elsewhere."""

    def field(points: FloatArray) -> tuple[FloatArray, FloatArray]:
        distance = np.linalg.norm(points - np.asarray(center, np.float32), axis=1) - radius
        color = np.where(points[:, :1] > 0, RED, BLUE)
        return distance.astype(np.float32), color.astype(np.float32)

    return Prop(kind="ball", captions=(), field=field)


@pytest.mark.parametrize(("yaw_deg", "pitch_deg"), [(0.0, 0.0), (35.0, 20.0), (-130.0, -40.0)])
def test_outlines_are_those_of_the_lit_picture(yaw_deg: float, pitch_deg: float) -> None:
    """The lit pictures count yaw from -Y, cameras from +Y the other way round."""
    prop = make_prop("axe", np.random.default_rng(0))
    lit = render_prop(prop, yaw_deg=yaw_deg, pitch_deg=pitch_deg, size_px=48)
    camera = Camera(
        yaw_deg=180 - yaw_deg,
        pitch_deg=pitch_deg,
        distance=FITTED_RADIUS / math.sin(math.radians(20)),
    )
    plain = render_base_color(prop, camera, 48)
    assert 0.02 < plain[..., 3].mean() < 0.9
    # A ray along an edge may decide otherwise.
    assert (np.abs(plain[..., 3] * 255 - lit[..., 3]) > 1).mean() < 0.005


def test_colors_are_the_fields_without_light_or_shade() -> None:
    picture = render_base_color(ball((0, 0, 0), 0.4), Camera(yaw_deg=180, pitch_deg=0), 40)
    assert picture.shape == (40, 40, 4)
    full = picture[..., 3] == 1
    # From -Y, +X is on the right.
    np.testing.assert_allclose(
        picture[:, 20:][full[:, 20:]][:, :3], [RED] * full[:, 20:].sum(), rtol=1e-6
    )
    np.testing.assert_allclose(
        picture[:, :20][full[:, :20]][:, :3], [BLUE] * full[:, :20].sum(), rtol=1e-6
    )


def test_at_the_outline_colors_are_multiplied_with_alpha() -> None:
    picture = render_base_color(ball((0.2, 0, 0), 0.1), Camera(yaw_deg=180, pitch_deg=0), 40)
    edge = (picture[..., 3] > 0) & (picture[..., 3] < 1)
    assert edge.any()
    np.testing.assert_allclose(picture[edge][:, :3], picture[edge][:, 3:] * RED, atol=1e-6)
    assert (picture[picture[..., 3] == 0] == 0).all()


def test_things_are_where_the_camera_says() -> None:
    center = (0.15, -0.2, 0.25)
    camera = Camera(yaw_deg=70, pitch_deg=30, distance=1.7, fov_deg=50)
    alpha = render_base_color(ball(center, 0.04), camera, 64)[..., 3]
    rows, columns = np.mgrid[:64, :64] + 0.5
    x, y, z = camera.world_to_camera(np.asarray([center], np.float32))[0]
    expected = 32 + camera.focal_px(64) * np.array([y, x]) / z
    found = [(alpha * grid).sum() / alpha.sum() for grid in (rows, columns)]
    np.testing.assert_allclose(found, expected, atol=0.3)


def test_a_smaller_field_of_view_shows_the_middle_larger() -> None:
    prop = ball((0, 0, 0), 0.1)
    wide = Camera(yaw_deg=10, pitch_deg=10, fov_deg=40)
    areas = [
        render_base_color(prop, c, 64)[..., 3].mean() for c in (wide, replace(wide, fov_deg=20))
    ]
    ratio = (math.tan(math.radians(20)) / math.tan(math.radians(10))) ** 2
    assert areas[1] / areas[0] == pytest.approx(ratio, rel=0.05)
