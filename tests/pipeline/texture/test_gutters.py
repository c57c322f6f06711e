"""Other colors in the gutters let seams vanish at mips."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import Cancelled
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.texture.dilate import filled, nearest_known
from pipeline.texture.gutters import agreeing
from pipeline.texture.interpolate import interpolate
from pipeline.texture.rasterize import barycentrics_of_texels, rasterize
from pipeline.texture.sample import to_bytes
from pipeline.texture.seams import chart_border, seam_steps
from pipeline.types import FloatArray, Image, Silent
from tests.pipeline.mesh.shapes import sphere

SIZE = 512


def _nothing() -> None: ...


def _striped_ball() -> tuple[NDArray[np.uint8], NDArray[np.bool_], FloatArray]:
    """Pixels with nearest texels in the gutters, where those are, and points along the borders."""
    lods = unwrap((sphere(16), sphere(8)), UnwrapOptions(texture_size=SIZE), Silent())
    pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
    is_chart = np.zeros((SIZE, SIZE), bool)
    for lod in lods:
        triangles = lod.uvs[lod.faces].astype(np.float64) * SIZE
        owners = rasterize(triangles, SIZE, _nothing)
        texels = np.nonzero(owners >= 0)
        weights = barycentrics_of_texels(*texels, owners[texels], triangles)
        places = interpolate(lod.positions, lod.faces, owners[texels], weights)
        pixels[texels] = 255
        pixels[texels[0], texels[1], :3] = to_bytes(0.5 + 0.5 * np.sin(12 * places))
        is_chart[texels] = True
    return (
        filled(pixels, nearest_known(is_chart, _nothing), _nothing),
        ~is_chart,
        chart_border(lods).uvs,
    )


def test_mips_agree_across_borders_and_charts_stay() -> None:
    before, gutter, uvs = _striped_ball()
    after = agreeing(before, gutter, uvs, _nothing)
    np.testing.assert_array_equal(after[~gutter], before[~gutter])
    np.testing.assert_array_equal(after[:, :, 3], before[:, :, 3])
    steps_before = seam_steps(uvs, Image(pixels=before), _nothing)
    steps_after = seam_steps(uvs, Image(pixels=after), _nothing)
    assert steps_after[0] <= steps_before[0] + 0.01
    for level in (1, 2, 3):
        assert steps_after[level] < 0.75 * steps_before[level]
    for level in (4, 5):  # a texel is as large as a chart here
        assert steps_after[level] < steps_before[level]


def test_the_same_input_gives_the_same_bytes() -> None:
    before, gutter, uvs = _striped_ball()
    one, two = (agreeing(before, gutter, uvs, _nothing) for _ in range(2))
    assert one.tobytes() == two.tobytes()


def test_without_borders_nothing_changes() -> None:
    before, gutter, _ = _striped_ball()
    assert agreeing(before, gutter, np.zeros((2, 0, 2), np.float32), _nothing) is before


def test_odd_sizes_are_left_at_the_mips_that_they_do_not_have() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    gutter = np.zeros((30, 30), bool)
    gutter[:, 10:20] = True
    uvs = np.array([[(0.36, 0.5)], [(0.64, 0.5)]], np.float32)
    after = agreeing(pixels, gutter, uvs, _nothing)
    before_step, after_step = (
        seam_steps(uvs, Image(pixels=image), _nothing)[1] for image in (pixels, after)
    )
    assert after_step < 0.5 * before_step


def test_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        agreeing(*_striped_ball(), stop)
