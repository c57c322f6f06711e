"""Picture -> cut-out, centred, square model input."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pil

from pipeline.errors import Cancelled, InvalidInput
from pipeline.preprocess import MAX_PIXELS, preprocess
from pipeline.types import Silent, Stage
from tests.pipeline.samples import Listener

Pixels = NDArray[np.uint8]
RED, GREEN, WHITE = (200, 0, 0), (0, 180, 0), (255, 255, 255)


def encoded(pixels: Pixels, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    Pil.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def cut_out_png(width: int, height: int, x: slice, y: slice, alpha: int = 255) -> bytes:
    """A red box on full transparency."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[y, x] = (*RED, alpha)
    return encoded(pixels)


def on_white(kind: str = "PNG", **options: object) -> bytes:
    """A red box, 40 wide and 60 high, off the middle of a white picture."""
    pixels = np.full((100, 120, 3), 255, np.uint8)
    pixels[20:80, 10:50] = RED
    return encoded(pixels, kind, **options)


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png_header(width: int, height: int) -> bytes:
    """The start of a PNG that promises pixels which never come."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = zlib.compress(bytes(100))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def red_box(out: Pixels) -> tuple[int, int, int, int]:
    """First and last column, first and last row of what is clearly red."""
    rows, columns = np.nonzero(out[..., 0] > 100)
    return int(columns.min()), int(columns.max()), int(rows.min()), int(rows.max())


def refusal(content: bytes) -> str:
    with pytest.raises(InvalidInput) as refused:
        preprocess(content, 32, Silent())
    return str(refused.value)


@pytest.mark.parametrize("size_px", [16, 112, 518])
def test_result_is_a_square_of_the_asked_size(size_px: int) -> None:
    out = preprocess(cut_out_png(300, 200, slice(10, 90), slice(50, 150)), size_px, Silent())
    assert out.shape == (size_px, size_px, 3)
    assert out.dtype == np.uint8


def test_transparency_is_kept_as_it_is_without_a_warning() -> None:
    listener = Listener()
    out = preprocess(cut_out_png(200, 200, slice(50, 150), slice(50, 150)), 60, listener)
    assert listener.warnings == []
    # The 100 wide box fills 1/1.2 of the square: 50 of 60 pixels, centred, on black.
    assert red_box(out) == pytest.approx((5, 54, 5, 54), abs=1)
    assert out[30, 30].tolist() == list(RED)
    assert not out[:4].any()


def test_the_square_follows_the_longer_side_and_may_leave_the_picture() -> None:
    # 180 x 60 in the picture's corner: the square is 216 wide, beyond the picture on all sides.
    out = preprocess(cut_out_png(190, 70, slice(0, 180), slice(0, 60)), 72, Silent())
    left, right, top, bottom = red_box(out)
    assert (left, right) == pytest.approx((6, 65), abs=1)
    assert (top, bottom) == pytest.approx((26, 45), abs=1)


def test_half_transparent_pixels_do_not_count_for_the_box_but_show() -> None:
    pixels = np.zeros((100, 100, 4), np.uint8)
    pixels[40:60, 40:60] = (*RED, 255)
    pixels[30:40, 40:60] = (*GREEN, 204)  # not above 204
    out = preprocess(encoded(pixels), 24, Silent())
    left, right, _, _ = red_box(out)
    assert right - left + 1 == pytest.approx(22, abs=1)  # of 24: the box is the red one alone
    # What little fits above it shows with its own color times its alpha.
    assert out[1, 12, 1] == pytest.approx(180 * 204 / 255, abs=8)


def test_colors_are_multiplied_by_alpha() -> None:
    out = preprocess(cut_out_png(80, 80, slice(20, 60), slice(20, 60), alpha=220), 48, Silent())
    assert out[24, 24].tolist() == pytest.approx([200 * 220 / 255, 0, 0], abs=1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_plain_background_is_cut_out_with_a_warning(kind: str) -> None:
    options = {} if kind == "PNG" else {"quality": 95}
    listener = Listener()
    out = preprocess(on_white(kind, **options), 72, listener)
    assert len(listener.warnings) == 1
    assert "transparent background" in listener.warnings[0]
    # 40 x 60 in a square of 72: 40 columns and 60 rows, centred.
    left, right, top, bottom = red_box(out)
    assert (left, right) == pytest.approx((16, 55), abs=2)
    assert (top, bottom) == pytest.approx((6, 65), abs=2)
    assert out[0].max() < 10
    assert out[36, 5].max() < 10


def test_background_inside_the_object_stays() -> None:
    pixels = np.full((100, 100, 3), 255, np.uint8)
    pixels[20:80, 20:80] = RED
    pixels[45:55, 45:55] = WHITE  # a white label on it, unconnected with the border
    out = preprocess(encoded(pixels), 72, Silent())
    assert out[36, 36].tolist() == list(WHITE)


def test_a_busy_background_is_used_whole_with_a_warning() -> None:
    listener = Listener()
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    out = preprocess(encoded(noise), 60, listener)
    assert len(listener.warnings) == 1
    assert "whole picture" in listener.warnings[0]
    assert out[30].any()


def test_one_color_everywhere_is_used_whole() -> None:
    listener = Listener()
    out = preprocess(encoded(np.full((40, 40, 3), 90, np.uint8)), 48, listener)
    assert "whole picture" in listener.warnings[0]
    assert out[24, 24].tolist() == [90, 90, 90]


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"not a picture at all", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"glTF"]
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    message = refusal(content)
    assert f"({len(content)} bytes)" in message
    assert "PNG, JPEG or WebP" in message
    assert "save it as PNG" in message


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused(kind: str) -> None:
    assert "PNG, JPEG or WebP" in refusal(encoded(np.zeros((8, 8, 3), np.uint8), kind))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_cut_short_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = encoded(noise, kind)
    message = refusal(content[: len(content) // 2])
    assert "damaged" in message or "not a readable" in message
    assert "PNG" in message


@pytest.mark.parametrize(
    ("width", "height", "said"),
    [
        (30_000, 30_000, "more than 178,956,970 pixels"),
        (12_000, 12_000, "12000 x 12000 pixels"),
        (1, 100_000_000, "1 x 100000000 pixels"),
    ],
)
def test_too_many_pixels_are_refused_by_the_header_alone(
    width: int, height: int, said: str
) -> None:
    # The pixels are missing, so decoding would fail with another message.
    message = refusal(png_header(width, height))
    assert said in message
    assert f"{MAX_PIXELS:,}" in message
    assert "scale it down" in message


def test_a_header_within_the_limit_whose_pixels_are_missing_is_refused() -> None:
    assert "damaged" in refusal(png_header(100, 100))


def test_a_broken_chunk_behind_the_pixels_is_refused() -> None:
    whole = cut_out_png(8, 8, slice(2, 6), slice(2, 6))
    end = len(whole) - len(chunk(b"IEND", b""))
    assert "damaged" in refusal(whole[:end] + chunk(b"iCCP", b"") + whole[end:])


def test_full_transparency_is_refused() -> None:
    message = refusal(encoded(np.zeros((50, 50, 4), np.uint8)))
    assert "transparent everywhere" in message
    assert "204" in message
    assert "visible object" in message


def test_alpha_of_204_everywhere_is_refused() -> None:
    assert "204" in refusal(cut_out_png(50, 50, slice(10, 40), slice(10, 40), alpha=204))


@pytest.mark.parametrize("side", [1, 2])
def test_a_spot_is_refused(side: int) -> None:
    message = refusal(cut_out_png(50, 50, slice(20, 20 + side), slice(20, 20 + side)))
    assert f"{side} pixel" in message
    assert "larger" in message


def test_a_small_object_is_enlarged() -> None:
    out = preprocess(cut_out_png(50, 50, slice(20, 26), slice(20, 26)), 48, Silent())
    assert out[24, 24].tolist() == list(RED)


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (0, 0)), (3, (1, 1)), (6, (0, 1)), (8, (1, 0))],
)
def test_exif_orientation_is_applied(orientation: int, corner: tuple[int, int]) -> None:
    # A block on white, red at its stored top left. Tag 6: the first row is the right side.
    pixels = np.full((80, 80, 3), 255, np.uint8)
    pixels[8:72, 8:72] = (0, 0, 200)
    pixels[8:40, 8:40] = RED
    exif = Pil.Exif()
    exif[0x0112] = orientation
    out = preprocess(encoded(pixels, "JPEG", exif=exif, quality=95), 60, Silent())
    inner = out[10:50, 10:50, 0].astype(float)
    quarters = {(r, c): inner[20 * r :, 20 * c :][:20, :20].mean() for r in (0, 1) for c in (0, 1)}
    assert max(quarters, key=lambda key: quarters[key]) == corner
    assert sorted(quarters.values())[2] < 30 < 150 < quarters[corner]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "I;16"])
def test_every_kind_of_pixel_is_read(mode: str) -> None:
    gray = Pil.fromarray(np.full((64, 64), 250, np.uint8))
    gray.paste(60, (16, 16, 48, 48))
    kind = "JPEG" if mode == "CMYK" else "PNG"
    if mode == "I;16":
        picture = Pil.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    else:
        picture = gray.convert(mode, dither=Pil.Dither.NONE)
    assert picture.mode == mode
    content = io.BytesIO()
    picture.save(content, kind)
    out = preprocess(content.getvalue(), 48, Silent())
    expected = 0 if mode == "1" else 60
    assert out[24, 24].tolist() == pytest.approx([expected] * 3, abs=4)


def test_palette_transparency_counts_as_transparency() -> None:
    picture = Pil.new("P", (64, 64), 0)
    picture.putpalette([0, 0, 0, *RED])
    picture.paste(1, (16, 16, 48, 48))
    content = io.BytesIO()
    picture.save(content, "PNG", transparency=0)
    listener = Listener()
    out = preprocess(content.getvalue(), 48, listener)
    assert listener.warnings == []
    assert out[24, 24].tolist() == list(RED)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_of_any_kind_counts(mode: str) -> None:
    picture = Pil.new(mode, (64, 64))
    picture.paste(Pil.new(mode, (32, 32), (90, 255) if mode == "LA" else (90, 90, 90, 255)), (4, 8))
    content = io.BytesIO()
    picture.save(content, "PNG")
    listener = Listener()
    out = preprocess(content.getvalue(), 48, listener)
    assert listener.warnings == []
    assert out[24, 24].tolist() == [90, 90, 90]
    assert out[:2].max() < 10


def as_described(rgba: Pixels, size_px: int) -> Pixels:
    """The published models' own preparation of a cut-out, step by step from its description."""
    rows, columns = [], []
    for y, x in np.argwhere(rgba[..., 3] > 0.8 * 255):
        rows.append(int(y))
        columns.append(int(x))
    x0, x1, y0, y1 = min(columns), max(columns), min(rows), max(rows)
    size = int(max(x1 - x0, y1 - y0) * 1.2)  # of indices: one less than the pixels
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    # Pillow rounds the corners of a box half to even, as Python does.
    left, right = round(cx - size // 2), round(cx + size // 2)
    top, bottom = round(cy - size // 2), round(cy + size // 2)
    square = np.zeros((bottom - top, right - left, 4), np.uint8)  # transparent black outside
    for y in range(max(top, 0), min(bottom, rgba.shape[0])):
        for x in range(max(left, 0), min(right, rgba.shape[1])):
            square[y - top, x - left] = rgba[y, x]
    resized = Pil.fromarray(square).resize((size_px, size_px), Pil.Resampling.LANCZOS)
    scaled = np.asarray(resized).astype(np.float32) / 255
    return (scaled[..., :3] * scaled[..., 3:] * 255).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 60), st.integers(8, 60), st.sampled_from([16, 37, 64]))
def test_a_cut_out_is_prepared_exactly_as_described(
    seed: int, height: int, width: int, size_px: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 4), np.uint8)
    pixels[..., 3] = rng.choice([0, 100, 204, 205, 255], (height, width))
    # An object off the middle, with its full size in at least one direction.
    pixels[: height // 3, :, 3] = 0
    pixels[-1, 2, 3] = pixels[height // 3, -1, 3] = 255
    np.testing.assert_array_equal(
        preprocess(encoded(pixels), size_px, Silent()), as_described(pixels, size_px)
    )


def test_every_color_is_multiplied_by_every_alpha_as_described() -> None:
    values = np.arange(256, dtype=np.uint8)
    pixels = np.zeros((256, 256, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = values[:, None], values[None]
    # The object, 51 x 256 pixels of it, is cut to 306 pixels; 306 again leaves them unscaled.
    out = preprocess(encoded(pixels), 306, Silent())
    np.testing.assert_array_equal(out, as_described(pixels, 306))
    assert len(np.unique(out[..., 0])) == 256


def test_the_same_picture_gives_the_same_pixels() -> None:
    np.testing.assert_array_equal(
        preprocess(on_white(), 64, Silent()), preprocess(on_white(), 64, Silent())
    )


def test_cancelled_passes() -> None:
    class Stop(Silent):
        def __call__(self, stage: Stage, fraction: float) -> None:
            raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        preprocess(on_white(), 64, Stop())


SMALL = {kind: encoded(np.random.default_rng(1).integers(0, 256, (24, 24, 4), np.uint8)[..., :3],
                       kind) for kind in ("PNG", "JPEG", "WEBP")}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "WEBP"]), st.data())
def test_damaged_pictures_are_read_or_refused(kind: str, data: st.DataObject) -> None:
    content = bytearray(SMALL[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        out = preprocess(bytes(content), 16, Silent())
    except InvalidInput:
        return
    assert out.shape == (16, 16, 3)


def test_a_square_that_would_be_too_large_is_refused() -> None:
    thin = np.zeros((20_000, 2, 4), np.uint8)
    thin[..., 3] = 255
    thin[0, 0, 3] = 0  # cut out already
    with pytest.raises(InvalidInput, match="2 x 20000 pixels"):
        preprocess(encoded(thin, "PNG"), 16, Silent())
