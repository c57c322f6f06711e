"""The billboard: directions, frames, and what they show."""

from typing import Literal

import numpy as np
import pytest

from pipeline.errors import InvalidInput
from pipeline.impostor import ImpostorOptions, bake_impostor, directions, frame_axes
from pipeline.types import Image, Material
from tests.pipeline.samples import unwrapped_cube

OPTIONS = ImpostorOptions(frames=5, frame_px=64)
RED = Material(base_color=Image(pixels=np.full((4, 4, 3), (255, 0, 0), np.uint8)))


@pytest.mark.parametrize("layout", ["hemi", "full"])
def test_directions_are_spread_over_the_sphere(layout: Literal["hemi", "full"]) -> None:
    toward = directions(ImpostorOptions(frames=9, layout=layout)).reshape(-1, 3)
    np.testing.assert_allclose(np.linalg.norm(toward, axis=1), 1)
    rng = np.random.default_rng(0)
    asked = rng.normal(size=(500, 3))
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    if layout == "hemi":
        asked[:, 1] = np.abs(asked[:, 1])
        assert (toward[:, 1] > -1e-9).all()
    nearest = np.degrees(np.arccos(np.clip((asked @ toward.T).max(axis=1), -1, 1)))
    assert nearest.max() < (17 if layout == "hemi" else 20)


def test_the_poles_and_the_front_of_the_upper_half_are_frames() -> None:
    toward = directions(OPTIONS)
    np.testing.assert_allclose(toward[2, 2], (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(toward[0, 4], (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(toward[4, 4], (1, 0, 0), atol=1e-12)
    full = directions(ImpostorOptions(frames=5, layout="full"))
    np.testing.assert_allclose(full[0, 0], (0, -1, 0), atol=1e-12)


def test_frames_stand_upright() -> None:
    for toward in directions(OPTIONS).reshape(-1, 3):
        axes = frame_axes(toward)
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(axes) == pytest.approx(1)
        assert axes[1, 1] > -1e-12


def test_every_frame_shows_the_cube_from_its_side() -> None:
    made = bake_impostor(unwrapped_cube(), RED, OPTIONS, lambda: None)
    pixels = made.material.base_color
    assert pixels is not None
    frames = pixels.pixels.reshape(5, 64, 5, 64, 4).transpose(0, 2, 1, 3, 4)
    toward = directions(OPTIONS)
    texel_m = 2 * made.radius_m / made.largest_px
    for row in range(5):
        for column in range(5):
            alpha = frames[row, column, :, :, 3] / 255
            # The shadow of a cube of side 2 is 4 times the sum of the direction's parts.
            side = float(np.ptp(unwrapped_cube().positions[:, 0]))
            shadow = side**2 * np.abs(toward[row, column]).sum()
            assert alpha.sum() * texel_m**2 == pytest.approx(shadow, rel=0.04)
            assert not alpha[[0, -1]].any()
            assert not alpha[:, [0, -1]].any()
    assert (pixels.pixels[:, :, :3] == (255, 0, 0)).all()  # gutters filled: mips stay red


def test_normals_and_depth_are_those_of_what_is_seen() -> None:
    made = bake_impostor(unwrapped_cube(), RED, OPTIONS, lambda: None)
    front = made.normal_depth.pixels[0:64, 4 * 64 : 5 * 64]  # row 0, column 4: from +Z
    np.testing.assert_array_equal(front[32, 32, :3], (128, 128, 255))
    near = float(unwrapped_cube().positions[:, 2].max()) / made.radius_m
    assert front[32, 32, 3] / 255 == pytest.approx(near / 2 + 0.5, abs=0.01)


def test_the_quad_shows_the_front_to_a_viewer_that_knows_no_impostors() -> None:
    made = bake_impostor(unwrapped_cube(), RED, OPTIONS, lambda: None)
    quad = made.quad
    np.testing.assert_allclose(quad.normals, np.tile([0, 0, 1], (4, 1)), atol=1e-6)
    assert quad.uvs[:, 0].min() > 4 / 5
    assert quad.uvs[:, 1].max() < 1 / 5
    top = quad.positions[:, 1].argmax()
    assert quad.uvs[top, 1] == quad.uvs[:, 1].min()  # the picture stands upright
    right = quad.positions[:, 0].argmax()
    assert quad.uvs[right, 0] == quad.uvs[:, 0].max()
    assert np.ptp(quad.positions[:, 0]) == pytest.approx(2 * made.radius_m)


def test_the_same_input_gives_the_same_pictures() -> None:
    one, two = (bake_impostor(unwrapped_cube(), RED, OPTIONS, lambda: None) for _ in range(2))
    assert one.material.base_color is not None
    assert two.material.base_color is not None
    assert one.material.base_color.pixels.tobytes() == two.material.base_color.pixels.tobytes()
    assert one.normal_depth.pixels.tobytes() == two.normal_depth.pixels.tobytes()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"frames": 3}, "frames"), ({"frame_px": 1000}, "frame_px"), ({"layout": "half"}, "layout")],
)
def test_wrong_options_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=f"impostor {message} must be"):
        ImpostorOptions(**wrong)  # type: ignore[arg-type]
