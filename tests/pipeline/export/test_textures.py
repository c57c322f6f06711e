import io
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pipeline.errors import Cancelled
from pipeline.export.profiles import TextureFormat
from pipeline.export.textures import (
    EncodedTexture,
    TexturePlan,
    encode_textures,
    reduced,
    separate_maps,
)
from pipeline.srgb import linear_from_srgb
from pipeline.types import Image, Material
from tests.pipeline.export.assets import TEXTURED, smooth


def encoded(
    material: Material,
    encoding: TextureFormat = "auto",
    *,
    psnr_db: float = 40.0,
    max_size: int = 8192,
) -> dict[str, EncodedTexture]:
    plan = TexturePlan(encoding=encoding, psnr_db=psnr_db, max_size=max_size)
    return encode_textures(material, plan, lambda _: None)


def pixels(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(PillowImage.open(io.BytesIO(content)))


def psnr_db(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = ((one.astype(float) - other.astype(float)) ** 2).mean()
    return 10 * math.log10(255**2 / error)


def noise(channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (64, 64, channels), np.uint8)


class TestAuto:
    def test_takes_jpeg_where_it_keeps_the_target_and_is_smaller(self) -> None:
        texture = encoded(TEXTURED)["BC"]
        assert texture.mime_type == "image/jpeg"
        assert psnr_db(pixels(texture.content), smooth()) >= 40
        assert len(texture.content) < len(encoded(TEXTURED, "png")["BC"].content)

    def test_takes_png_where_jpeg_cannot_keep_the_target(self) -> None:
        texture = encoded(Material(base_color=Image(pixels=noise())), psnr_db=58.0)["BC"]
        assert texture.mime_type == "image/png"
        np.testing.assert_array_equal(pixels(texture.content), noise())

    def test_takes_png_for_flat_pictures(self) -> None:
        flat = Material(base_color=Image(pixels=np.full((64, 64, 3), 90, np.uint8)))
        assert encoded(flat)["BC"].mime_type == "image/png"

    @pytest.mark.parametrize("encoding", ["auto", "jpeg"])
    def test_keeps_normals_and_alpha_exact(self, encoding: TextureFormat) -> None:
        material = replace(
            TEXTURED, base_color=Image(pixels=noise(4)), alpha_mode="MASK", normal=TEXTURED.normal
        )
        textures = encoded(material, encoding)
        assert textures["N"].mime_type == textures["BC"].mime_type == "image/png"
        np.testing.assert_array_equal(pixels(textures["BC"].content), noise(4))


@pytest.mark.parametrize(
    ("encoding", "targets"), [("jpeg", (38.0, 42.0, 45.0)), ("webp", (38.0, 41.0, 43.0))]
)
def test_a_higher_target_costs_bytes_and_is_kept(
    encoding: TextureFormat, targets: tuple[float, ...]
) -> None:
    sizes = []
    for target in targets:
        texture = encoded(TEXTURED, encoding, psnr_db=target)["BC"]
        found = psnr_db(pixels(texture.content), smooth())
        assert found >= target
        assert texture.psnr_db == pytest.approx(found, abs=0.01)
        sizes.append(len(texture.content))
    assert sizes == sorted(set(sizes))


def test_each_channel_of_orm_keeps_the_target() -> None:
    """Chroma is where lossy formats save, and in ORM it is roughness."""
    picture = smooth()
    picture[:, :, 1] = noise()[:, :, 0] // 4
    material = Material(metallic_roughness=Image(pixels=picture))
    texture = encoded(material, "jpeg", psnr_db=38.0)["ORM"]
    for channel in (1, 2):
        assert psnr_db(pixels(texture.content)[..., channel], picture[..., channel]) >= 38


def test_webp_loses_nothing_where_it_cannot_keep_the_target() -> None:
    texture = encoded(Material(base_color=Image(pixels=noise())), "webp", psnr_db=58.0)["BC"]
    np.testing.assert_array_equal(pixels(texture.content), noise())


def test_jpeg_that_misses_the_target_says_what_it_keeps() -> None:
    texture = encoded(Material(base_color=Image(pixels=noise())), "jpeg", psnr_db=58.0)["BC"]
    assert texture.mime_type == "image/jpeg"
    assert texture.psnr_db is not None
    assert texture.psnr_db < 58


def test_same_input_same_bytes() -> None:
    for encoding in ("auto", "jpeg", "webp", "png"):
        assert encoded(TEXTURED, encoding) == encoded(TEXTURED, encoding)


def test_report_may_stop_the_work() -> None:
    def stop(fraction: float) -> None:
        raise Cancelled("enough")

    plan = TexturePlan(encoding="webp", psnr_db=40.0, max_size=8192)
    with pytest.raises(Cancelled):
        encode_textures(TEXTURED, plan, stop)


class TestReduced:
    def test_keeps_what_is_small_enough(self) -> None:
        picture = smooth()
        assert reduced(picture, 64, "BC") is picture

    def test_keeps_the_shape_of_the_picture(self) -> None:
        assert reduced(noise()[:32], 16, "BC").shape == (8, 16, 3)

    def test_averages_light_not_numbers(self) -> None:
        stripes = np.zeros((4, 4, 3), np.uint8)
        stripes[:, ::2] = 255
        # Half the light of white is sRGB 188, not 128.
        assert reduced(stripes, 2, "BC").tolist() == [[[188] * 3] * 2] * 2
        assert linear_from_srgb(np.array([188 / 255]))[0] == pytest.approx(0.5, abs=0.005)
        assert reduced(stripes, 2, "ORM").tolist() == [[[128] * 3] * 2] * 2

    def test_leaves_normals_of_unit_length(self) -> None:
        tilted = np.empty((2, 2, 3), np.uint8)
        tilted[0], tilted[1] = (218, 128, 218), (38, 128, 218)  # 45 degrees to either side
        assert reduced(tilted, 1, "N")[0, 0].tolist() == pytest.approx([128, 128, 255], abs=1)

    def test_averages_alpha_as_a_number(self) -> None:
        picture = np.full((2, 2, 4), 100, np.uint8)
        picture[0, :, 3] = 0
        assert reduced(picture, 1, "BC")[0, 0].tolist() == [100, 100, 100, 50]


class TestSeparateMaps:
    def test_have_one_property_each_with_its_factor(self) -> None:
        orm = np.full((4, 4, 3), (9, 100, 200), np.uint8)
        material = Material(
            base_color=Image(pixels=np.full((4, 4, 3), 255, np.uint8)),
            base_color_factor=(0.5, 1.0, 0.0, 1.0),
            metallic_roughness=Image(pixels=orm),
            metallic_factor=0.5,
            roughness_factor=1.0,
        )
        maps = separate_maps(material, 8192, lambda _: None)
        found = {name: pixels(content)[0, 0].tolist() for name, content in maps.items()}
        assert found == {"Color": [188, 255, 0], "Metalness": 100, "Roughness": 100}

    def test_keep_to_the_size(self) -> None:
        maps = separate_maps(TEXTURED, 16, lambda _: None)
        assert {pixels(content).shape[:2] for content in maps.values()} == {(16, 16)}
