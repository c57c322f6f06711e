"""Picture -> the same picture with a transparent background."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image as Pil

from pipeline.errors import InvalidInput, ModelUnavailable
from pipeline.types import ByteArray, Progress, Stage

if TYPE_CHECKING:
    import onnxruntime

T = TypeVar("T")

SOLID_ALPHA = 204  # 0.8 of 255: what is above counts as object
U2NET_MD5 = "60024c5c889badc19c04ad937298a77b"  # of u2net.onnx in rembg's release v0.0.0
_U2NET_SIDE_PX = 320
_MEAN = (0.485, 0.456, 0.406)  # ImageNet's, as in its training
_STD = (0.229, 0.224, 0.225)
_MATTED_SIDE_PX = 1024  # larger pictures are scaled down before their background is removed
_POLL_S = 0.1


def cut_out(rgba: ByteArray, matting: Path | None, progress: Progress) -> ByteArray:
    """Free the object from its background.

    A picture with transparency is cut out already. Any other goes through U²-Net, if its weights
    are given, else it is cut out of a plain background by its color, with a warning.

    Args:
        rgba: `[H, W, 4]`, upright.
        matting: `u2net.onnx`, or None.
        progress: Hears about a cut-out that may be poor.

    Returns:
        `[H, W, 4]`; at most 1024 pixels a side and with colors multiplied by alpha, where U²-Net
        found the object.

    Raises:
        InvalidInput: If U²-Net finds no object.
        ModelUnavailable: If `matting` is not the file that it should be.
    """
    if rgba[..., 3].min() < 255:
        return rgba
    if matting is not None:
        network = _load_u2net(matting, progress)
        if network is not None:
            return _cut_out_by_network(rgba, network, progress)
    return _cut_out_by_color(rgba, progress)


def _cut_out_by_network(
    rgba: ByteArray, network: "onnxruntime.InferenceSession", progress: Progress
) -> ByteArray:
    """As rembg does, which the published models' own pipeline calls.

    It lays the object on transparent black, so soft edges are dark already, and become darker
    when the picture is laid on black. Source: the project rembg, its session `u2net`.
    """
    picture = Pil.fromarray(rgba).convert("RGB")
    share = _MATTED_SIDE_PX / max(picture.size)
    if share < 1:
        # What is a thousand times as long as wide would be scaled to no pixel at all.
        width, height = (max(1, int(side * share)) for side in picture.size)
        picture = picture.resize((width, height), Pil.Resampling.LANCZOS)
    mask = _u2net_mask(picture, network, progress)
    if np.asarray(mask).max() <= SOLID_ALPHA:
        raise InvalidInput(
            "the background removal found no object in the picture; "
            "give a PNG with a transparent background"
        )
    return np.asarray(Pil.composite(picture, Pil.new("RGBA", picture.size), mask))


def _u2net_mask(
    picture: Pil.Image, network: "onnxruntime.InferenceSession", progress: Progress
) -> Pil.Image:
    """How much of each pixel is object; black where the network sees no difference.

    Source: Qin et al., U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection,
    2020.
    """
    import onnxruntime

    small = picture.resize((_U2NET_SIDE_PX, _U2NET_SIDE_PX), Pil.Resampling.LANCZOS)
    rgb = np.asarray(small, np.float64)
    rgb = (rgb / max(rgb.max(), 1.0) - _MEAN) / _STD  # 1: a black picture stays black
    batch = rgb.transpose(2, 0, 1)[None].astype(np.float32)
    run = onnxruntime.RunOptions()

    def infer() -> np.ndarray:
        name = network.get_inputs()[0].name
        saliency: np.ndarray = network.run(None, {name: batch}, run)[0][0, 0]
        return saliency

    def stop() -> None:
        run.terminate = True

    saliency = _polled(infer, stop, progress)
    low, high = saliency.min(), saliency.max()
    if not high > low:
        return Pil.new("L", picture.size)
    mask = ((saliency - low) / (high - low) * 255).astype(np.uint8)
    return Pil.fromarray(mask).resize(picture.size, Pil.Resampling.LANCZOS)


def _load_u2net(file: Path, progress: Progress) -> "onnxruntime.InferenceSession | None":
    """Load the network; None, with a warning, where the library to run it is missing."""
    try:
        import onnxruntime  # noqa: F401 (a large import that only this way of cutting out needs)
    except ImportError:
        progress.warn(
            Stage.PREPROCESS,
            f"{file.name} is not used, because its library is missing: pip install onnxruntime",
        )
        return None
    try:
        stamp = file.stat().st_mtime_ns
    except OSError as e:
        raise ModelUnavailable(f"{file} cannot be read ({e}); copy it again") from e
    return _polled(lambda: _u2net(file, stamp, U2NET_MD5), lambda: None, progress)


@lru_cache(maxsize=1)
def _u2net(file: Path, stamp: int, md5: str) -> "onnxruntime.InferenceSession":
    """Kept, because reading 176 MB takes as long as using them; `stamp` tells a new file."""
    import onnxruntime

    try:
        with file.open("rb") as f:
            found = hashlib.file_digest(f, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as e:
        raise ModelUnavailable(f"{file} cannot be read ({e}); copy it again") from e
    if found != md5:
        raise ModelUnavailable(
            f"{file} is not u2net.onnx of rembg's release v0.0.0 (MD5 {found}, not {md5}); "
            "copy it again"
        )
    options = onnxruntime.SessionOptions()
    # The same bits on every machine of a kind, however many threads it has.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _polled(work: Callable[[], T], stop: Callable[[], None], progress: Progress) -> T:
    """Do `work` in a thread, so that the request can be cancelled meanwhile."""
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(work)
        while not wait([done], _POLL_S).done:
            try:
                progress(Stage.PREPROCESS, 0.5)
            except BaseException:  # whatever ends the request must end the work before
                stop()
                raise
        return done.result()


def _cut_out_by_color(rgba: ByteArray, progress: Progress) -> ByteArray:
    """Make what has the color of the picture's border transparent."""
    from scipy import ndimage

    border = np.concatenate([rgba[0], rgba[-1], rgba[:, 0], rgba[:, -1]])[:, :3].astype(np.int16)
    background = np.median(border, axis=0)
    spread = float(np.abs(border - background).max(1).mean())
    # By tables: pictures may have 64 million pixels, and differences eight bytes each.
    is_near = np.abs(np.arange(256)[:, None] - background) < 18 + 2 * spread
    like_background = is_near[rgba[..., 0], 0]
    for channel in (1, 2):
        like_background &= is_near[rgba[..., channel], channel]
    labels, count = ndimage.label(like_background)
    is_outside = np.zeros(count + 1, bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        is_outside[edge] = True
    is_outside[0] = False  # what is not like the background
    outside = is_outside[labels]
    share = 1 - outside.mean()
    cut = rgba.copy()
    if not 0.01 < share < 0.98:
        progress.warn(
            Stage.PREPROCESS,
            "the object could not be told from its background, so the whole picture is used; "
            "a PNG with a transparent background gives better results",
        )
        return cut
    progress.warn(
        Stage.PREPROCESS,
        "the object was cut out of a plain background by its color; "
        "a PNG with a transparent background is safer",
    )
    cut[outside, 3] = 0
    return cut
