"""The images of a glTF file, decoded within limits."""

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np
from PIL import Image as PillowImage

from pipeline.damaged_pictures import DAMAGED
from pipeline.errors import InvalidInput
from pipeline.gltf.container import Gltf
from pipeline.gltf.entry import shorten
from pipeline.types import Image

_FORMATS = ("PNG", "JPEG", "WEBP")


def decode_images(
    gltf: Gltf, indices: Sequence[int], report: Callable[[float], None]
) -> Mapping[int, Image]:
    """Decode images to `[H, W, 3]`, or `[H, W, 4]` where the file has transparency.

    Sizes are read from the headers and held against the limits before the first pixel is decoded.
    Two images are decoded at a time, in threads, because decoding one can take seconds and
    `report` wants to be called in between. When it raises, at most two decodings run on to their
    end.

    Args:
        gltf: The file.
        indices: Which images; none is decoded twice.
        report: Is told the share that is done, in [0, 1].

    Raises:
        InvalidInput: If an image is damaged, external, of another format, or too large.
    """
    total = sum(image.pixels[:, :, 0].size for image in gltf.images.values())
    opened: dict[int, PillowImage.Image] = {}
    encoded_bytes = 0
    for index in dict.fromkeys(indices):
        if index in gltf.images:
            continue
        place = gltf.item("images", index, "textures").name
        content = gltf.image_bytes(index, "textures")
        encoded_bytes += len(content)  # images may share bytes, and each gets a copy
        if encoded_bytes > gltf.limits.max_bytes:
            raise InvalidInput(
                f"the images have more than {gltf.limits.max_bytes:,} bytes together; "
                "let textures share images"
            )
        image = _open_image(content, place)
        pixels = image.width * image.height
        total += pixels
        if pixels > gltf.limits.max_image_pixels:
            raise InvalidInput(
                f"{place} has {image.width} x {image.height} pixels, the limit is "
                f"{gltf.limits.max_image_pixels:,} pixels; shrink it to 4096 x 4096"
            )
        if total > gltf.limits.max_total_image_pixels:
            raise InvalidInput(
                f"the textures have more than {gltf.limits.max_total_image_pixels:,} pixels "
                "together; shrink them"
            )
        opened[index] = image

    pool = ThreadPoolExecutor(max_workers=2)
    try:
        running: dict[Future[Image], int] = {
            pool.submit(_decode, image, gltf.items("images")[index].name): index
            for index, image in opened.items()
        }
        pending = set(running)
        while pending:
            _, pending = wait(pending, timeout=0.1)
            report(1 - len(pending) / len(running))
        gltf.images.update((index, future.result()) for future, index in running.items())
        return gltf.images
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _open_image(content: memoryview, place: str) -> PillowImage.Image:
    try:
        return PillowImage.open(io.BytesIO(content), formats=_FORMATS)
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise InvalidInput(f"{place} is far too large; shrink it to 4096 x 4096") from error
    except DAMAGED as error:
        raise InvalidInput(
            f"{place} is not a PNG, JPEG or WebP image; save the texture again as PNG"
        ) from error


def _decode(image: PillowImage.Image, place: str) -> Image:
    try:
        if image.mode.startswith("I;16") or image.mode == "I":
            # Pillow would clip 16-bit gray at 255 instead of scaling it.
            gray = (np.asarray(image).astype(np.int32) >> 8).astype(np.uint8)
            return Image(pixels=np.repeat(gray[:, :, None], 3, axis=2))
        mode = "RGBA" if image.has_transparency_data else "RGB"
        # A copy, because Pillow's own array is read-only, which numba takes for another type.
        return Image(pixels=np.array(image.convert(mode)))
    except DAMAGED as error:
        raise InvalidInput(
            f"{place} cannot be decoded: {shorten(str(error))}; save the texture again as PNG"
        ) from error
    finally:
        image.close()  # Pillow's own pixels: as many as ours
