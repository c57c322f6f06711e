"""Textures are read as glTF says: bilinear, wrapped, in linear light, without aliasing."""

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from pipeline.srgb import linear_from_srgb, srgb_from_linear
from pipeline.texture.sample import prepare, to_bytes
from pipeline.types import Image

POINT = 1e-6  # a target texel so small that no mip is asked for


def _read(
    pixels: ArrayLike, uvs: ArrayLike, span: float = POINT, *, channels: int = 3, srgb: bool = False
) -> NDArray[np.float32]:
    texture = prepare(Image(pixels=np.asarray(pixels, np.uint8)), channels, is_srgb=srgb)
    places = np.asarray(uvs, np.float64).reshape(-1, 2)
    return texture.read(places, np.full(len(places), span))


def _noise(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def test_centers_give_the_texels() -> None:
    pixels = _noise(5, 8)
    y, x = np.indices((5, 8))
    uvs = np.stack([(x + 0.5) / 8, (y + 0.5) / 5], axis=2)
    assert np.allclose(_read(pixels, uvs).reshape(5, 8, 3), pixels / 255, atol=1e-5)


def test_between_two_texels_lies_their_mean() -> None:
    assert np.allclose(_read([[[0] * 3, [255] * 3]], [0.5, 0.5]), 0.5)


def test_light_is_averaged_not_bytes() -> None:
    # Black and white make half the light, which is byte 188, not 128.
    half = _read([[[0] * 3, [255] * 3]], [0.5, 0.5], srgb=True)
    assert np.allclose(half, 0.5)
    assert (to_bytes(srgb_from_linear(half)) == 188).all()


def test_textures_repeat() -> None:
    pixels = _noise(6, 4)
    uvs = np.random.default_rng(1).random((50, 2))
    for shift in ((1, 0), (-3, 2), (0, -1)):
        assert np.allclose(_read(pixels, uvs), _read(pixels, uvs + shift), atol=1e-5)
    edge = _read([[[0] * 3, [255] * 3]], [0.0, 0.5])
    assert np.allclose(edge, 0.5)  # the last texel meets the first


def test_clamped_textures_go_on_with_their_border() -> None:
    pixels = _noise(6, 4)
    uvs = np.random.default_rng(1).uniform(-2, 3, (200, 2))
    clamped = prepare(Image(pixels=pixels, wrap=("clamp", "clamp")), 3, is_srgb=False).read(
        uvs, np.full(200, POINT)
    )
    # Between the centers of the outermost texels nothing is clamped.
    inside = np.clip(uvs, (0.5 / 4, 0.5 / 6), (1 - 0.5 / 4, 1 - 0.5 / 6))
    assert np.allclose(clamped, _read(pixels, inside), atol=1e-5)


def test_mirrored_textures_turn_round_at_each_border() -> None:
    pixels = _noise(6, 4)
    uvs = np.random.default_rng(1).uniform(-2, 3, (200, 2))
    mirrored = prepare(Image(pixels=pixels, wrap=("mirror", "repeat")), 3, is_srgb=False).read(
        uvs, np.full(200, POINT)
    )
    doubled = np.concatenate([pixels, pixels[:, ::-1]], axis=1)
    assert np.allclose(mirrored, _read(doubled, uvs * (0.5, 1)), atol=1e-5)


def test_srgb_bytes_survive() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    uvs = np.stack([(np.arange(256) + 0.5) / 256, np.full(256, 0.5)], axis=1)
    assert np.array_equal(to_bytes(srgb_from_linear(_read(ramp, uvs, srgb=True))), ramp[0])


@pytest.mark.parametrize("size", [(64, 64), (48, 20), (33, 7), (1, 16)])
def test_a_texel_that_spans_all_reads_the_mean(size: tuple[int, int]) -> None:
    pixels = _noise(*size)
    mean = _read(pixels, [0.3, 0.8], span=1e3)
    assert np.allclose(mean, pixels.mean(axis=(0, 1)) / 255, atol=0.02)


def test_finer_detail_than_a_texel_becomes_even() -> None:
    checker = np.indices((64, 64)).sum(axis=0)[:, :, None] % 2 * np.full(3, 255)
    uvs = np.random.default_rng(2).random((500, 2))
    assert np.ptp(_read(checker, uvs)) > 0.9
    assert np.ptp(_read(checker, uvs, span=3 / 64)) < 0.01


def test_unseen_texels_do_not_darken_leaves() -> None:
    leaves = np.zeros((16, 16, 4), np.uint8)  # black where nothing is seen
    leaves[::2, :8] = 40, 200, 60, 255
    uvs, whole = np.random.default_rng(0).random((200, 2)), np.full(200, 1.5)
    cut = prepare(Image(pixels=leaves), 4, is_srgb=True, is_cut=True)
    for spans in (whole * POINT, whole / 4, whole):
        colors = to_bytes(srgb_from_linear(cut.read(uvs, spans)[:, :3]))
        assert np.allclose(colors, [40, 200, 60], atol=2)
    assert np.allclose(cut.read(uvs, whole)[:, 3], 0.25, atol=0.01)
    opaque = prepare(Image(pixels=leaves), 4, is_srgb=True).read(uvs, whole)
    assert np.allclose(opaque[:, 1], linear_from_srgb(np.array(200 / 255)) / 4, atol=0.01)
    tall = np.zeros((40_000, 1, 4), np.uint8)
    tall[-1] = 255
    assert prepare(Image(pixels=tall), 4, is_srgb=True, is_cut=True).texels[:, :3].all()
    nothing = np.zeros((4, 4, 4), np.uint8)
    assert not prepare(Image(pixels=nothing), 4, is_srgb=True, is_cut=True).texels.any()


def test_mips_change_without_a_step() -> None:
    texture = prepare(Image(pixels=_noise(64, 64)), 3, is_srgb=True)
    spans = np.geomspace(0.5, 80, 2000) / 64
    values = texture.read(np.full((2000, 2), 0.4), spans)
    assert np.abs(np.diff(values, axis=0)).max() < 0.01


@pytest.mark.parametrize(
    ("texel", "expected"),
    [
        ([100], [100, 100, 100, 255]),
        ([100, 7], [100, 100, 100, 7]),
        ([10, 20, 30], [10, 20, 30, 255]),
        ([10, 20, 30, 40], [10, 20, 30, 40]),
    ],
)
def test_missing_channels_are_filled(texel: list[int], expected: list[int]) -> None:
    assert np.allclose(_read([[texel]], [0.5, 0.5], channels=4) * 255, expected, atol=1e-3)


def test_alpha_is_linear_in_a_color_texture() -> None:
    assert np.allclose(_read([[[0, 0, 0, 51]]], [0, 0], channels=4, srgb=True)[0, 3], 0.2)
