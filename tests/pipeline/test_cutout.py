"""An object freed from its background in three ways."""

import hashlib
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image as Pil

from pipeline import cutout
from pipeline.cutout import cut_out
from pipeline.errors import Cancelled, InvalidInput, ModelUnavailable
from pipeline.preprocess import preprocess
from pipeline.types import Silent, Stage
from tests.pipeline.samples import Listener

Pixels = NDArray[np.uint8]
SIDE = 320  # of what U²-Net looks at: a picture of this side is not resized on the way


def network_file(nodes: Sequence[onnx.NodeProto], *constants: onnx.TensorProto) -> bytes:
    """A network with the inputs and outputs of u2net.onnx: saliency first, then lesser ones."""
    graph = helper.make_graph(
        nodes,
        "u2net",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("1959", TensorProto.FLOAT, [1, 2, SIDE, SIDE]),
            helper.make_tensor_value_info("1960", TensorProto.FLOAT, [1, 2, SIDE, SIDE]),
        ],
        list(constants),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def one_channel(index: int) -> bytes:
    """Finds salient what has much of one color; other channels and outputs say the opposite."""
    first = np.zeros((2, 3, 1, 1), np.float32)
    first[0, index], first[1] = 1, -1
    return network_file(
        [
            helper.make_node("Conv", ["input.1", "first"], ["1959"]),
            helper.make_node("Neg", ["1959"], ["1960"]),
        ],
        helper.make_tensor("first", TensorProto.FLOAT, first.shape, first.ravel().tolist()),
    )


def endless() -> bytes:
    """Takes hours, in many small steps."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["x", "x"], ["y"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    return network_file(
        [
            helper.make_node("Loop", ["count", "", "input.1"], ["x_n"], body=body),
            helper.make_node("Slice", ["x_n", "zero", "two", "one"], ["1959"]),
            helper.make_node("Identity", ["1959"], ["1960"]),
        ],
        helper.make_tensor("count", TensorProto.INT64, [], [10**12]),
        helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("two", TensorProto.INT64, [1], [2]),
    )


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Path]:
    """Write weights that are taken for the right ones."""

    def write(content: bytes) -> Path:
        file = tmp_path / "u2net.onnx"
        file.write_bytes(content)
        monkeypatch.setattr(cutout, "U2NET_MD5", hashlib.md5(content).hexdigest())
        return file

    return write


def smooth(height: int, width: int, seed: int = 0) -> Pixels:
    """A colorful opaque picture, bright in the middle, with soft borders."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    rng = np.random.default_rng(seed)
    spot = np.exp(-(((x / width - 0.5) / 0.2) ** 2) - ((y / height - 0.4) / 0.3) ** 2)
    rgb = spot[..., None] * rng.uniform(120, 250, 3) + rng.uniform(0, 8, (height, width, 3))
    return np.dstack([rgb.clip(0, 255), np.full((height, width), 255)]).astype(np.uint8)


def by_the_book(rgba: Pixels, channel: int) -> Pixels:
    """What rembg makes of a picture with `one_channel`, step by step from its description."""
    picture = Pil.fromarray(rgba[..., :3])
    longest = max(picture.size)
    if longest > 1024:
        width, height = picture.size
        picture = picture.resize(
            (int(width * 1024 / longest), int(height * 1024 / longest)), Pil.Resampling.LANCZOS
        )
    small = np.asarray(picture.resize((320, 320), Pil.Resampling.LANCZOS)).astype(np.float64)
    small = small / small.max()
    mean, std = (0.485, 0.456, 0.406)[channel], (0.229, 0.224, 0.225)[channel]
    saliency = ((small[..., channel] - mean) / std).astype(np.float32)
    saliency = (saliency - saliency.min()) / (saliency.max() - saliency.min())
    mask = Pil.fromarray((saliency * 255).astype(np.uint8))
    alpha = np.asarray(mask.resize(picture.size, Pil.Resampling.LANCZOS)).astype(np.int64)
    rgb = np.asarray(picture).astype(np.int64)
    premultiplied = np.floor(rgb * alpha[..., None] / 255 + 0.5)
    return np.dstack([premultiplied, alpha]).astype(np.uint8)


def encoded(pixels: Pixels, **options: object) -> bytes:
    out = io.BytesIO()
    Pil.fromarray(pixels).save(out, "PNG", **options)
    return out.getvalue()


def test_a_picture_with_transparency_is_cut_out_already(tmp_path: Path) -> None:
    listener = Listener()
    rgba = smooth(30, 2000)  # no limit to its size
    rgba[0, 0, 3] = 254
    # The weights are not even looked for.
    assert cut_out(rgba, tmp_path / "absent.onnx", listener) is rgba
    assert listener.warnings == []


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize(
    ("height", "width", "expected_shape"),
    [
        (320, 320, (320, 320)),
        (90, 260, (90, 260)),
        (1200, 745, (1024, 635)),  # 635.7: cut off, not rounded
        (1024, 1023, (1024, 1023)),
    ],
)
def test_u2net_cuts_out_as_rembg_does(
    weights: Callable[[bytes], Path],
    channel: int,
    height: int,
    width: int,
    expected_shape: tuple[int, int],
) -> None:
    listener = Listener()
    rgba = smooth(height, width)
    cut = cut_out(rgba, weights(one_channel(channel)), listener)
    assert cut.shape == (*expected_shape, 4)
    assert cut.dtype == np.uint8
    np.testing.assert_array_equal(cut, by_the_book(rgba, channel))
    assert listener.warnings == []


def test_soft_edges_are_multiplied_by_alpha_twice(weights: Callable[[bytes], Path]) -> None:
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[60:260, 60:260, :3] = (200, 100, 99)
    rgba[100:220, 100:220, 2] = 50  # 50 of 99 is a mask of 128
    file = weights(one_channel(2))
    cut = cut_out(rgba, file, Silent())
    assert cut[0, 0].tolist() == [0, 0, 0, 0]
    assert cut[80, 80].tolist() == [200, 100, 99, 255]
    assert cut[160, 160].tolist() == [100, 50, 25, 128]
    out = preprocess(encoded(rgba[..., :3]), 238, Silent(), file)  # int(199 * 1.2), not resized
    assert out[119, 119].tolist() == [50, 25, 12]  # 100 * 128 / 255 is 50.2


def test_a_picture_is_turned_upright_before_anything_else(
    weights: Callable[[bytes], Path],
) -> None:
    file = weights(one_channel(0))
    upright = smooth(1100, 400)[..., :3]
    exif = Pil.Exif()
    exif[0x0112] = 6  # the first row is the right side
    stored = np.rot90(upright)  # a quarter turn counterclockwise
    expected = preprocess(encoded(upright), 60, Silent(), file)
    np.testing.assert_array_equal(
        preprocess(encoded(stored, exif=exif), 60, Silent(), file), expected
    )


def test_alpha_of_255_everywhere_counts_as_none(weights: Callable[[bytes], Path]) -> None:
    file = weights(one_channel(0))
    rgba = smooth(100, 100)
    expected = preprocess(encoded(rgba[..., :3]), 60, Silent(), file)
    np.testing.assert_array_equal(preprocess(encoded(rgba), 60, Silent(), file), expected)


def test_the_thinnest_picture_keeps_a_pixel(weights: Callable[[bytes], Path]) -> None:
    cut = cut_out(smooth(4000, 2), weights(one_channel(1)), Silent())
    assert cut.shape == (1024, 1, 4)


@pytest.mark.parametrize("gray", [0, 90, 255])
def test_a_picture_without_an_object_is_refused(
    weights: Callable[[bytes], Path], gray: int
) -> None:
    rgba = np.full((40, 40, 4), 255, np.uint8)
    rgba[..., :3] = gray
    refused = pytest.raises(InvalidInput, match=r"found no object.*transparent background")
    with refused, np.errstate(all="raise"):  # nor is anything divided by zero on the way
        cut_out(rgba, weights(one_channel(0)), Silent())


def test_the_same_picture_gives_the_same_cut_out(weights: Callable[[bytes], Path]) -> None:
    file = weights(one_channel(0))
    one, other = (cut_out(smooth(200, 100), file, Silent()) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_other_weights_are_refused_by_their_hash(tmp_path: Path) -> None:
    file = tmp_path / "u2netp.onnx"
    file.write_bytes(one_channel(0))
    with pytest.raises(ModelUnavailable, match="60024c5c889badc19c04ad937298a77b") as refused:
        cut_out(smooth(40, 40), file, Silent())
    assert str(file) in str(refused.value)
    assert hashlib.md5(one_channel(0)).hexdigest() in str(refused.value)


def test_weights_cut_short_are_refused(weights: Callable[[bytes], Path]) -> None:
    file = weights(one_channel(0))
    file.write_bytes(one_channel(0)[:-10])
    with pytest.raises(ModelUnavailable, match=r"u2net\.onnx is not u2net\.onnx of rembg"):
        cut_out(smooth(40, 40), file, Silent())


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"u2net\.onnx cannot be read"):
        cut_out(smooth(40, 40), tmp_path / "u2net.onnx", Silent())


def test_weights_replaced_later_are_looked_at_again(weights: Callable[[bytes], Path]) -> None:
    file = weights(one_channel(0))
    cut_out(smooth(40, 40), file, Silent())
    file.write_bytes(one_channel(1))
    os.utime(file, ns=(1, 1))  # the clock may be too coarse to tell the two writes apart
    with pytest.raises(ModelUnavailable, match=r"is not u2net\.onnx"):
        cut_out(smooth(40, 40), file, Silent())


def test_without_its_library_a_plain_background_is_cut_out_with_a_warning(
    weights: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = weights(one_channel(0))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # importing it fails
    listener = Listener()
    rgba = np.full((60, 60, 4), 255, np.uint8)
    rgba[20:40, 20:40, :3] = (200, 0, 0)
    cut = cut_out(rgba, file, listener)
    assert "pip install onnxruntime" in listener.warnings[0]
    assert "plain background" in listener.warnings[1]
    assert (cut[..., 3] > 0).sum() == 400


def test_a_request_is_cancelled_while_the_network_runs(weights: Callable[[bytes], Path]) -> None:
    class Stop(Silent):
        polls = 0

        def __call__(self, stage: Stage, fraction: float) -> None:
            assert stage is Stage.PREPROCESS
            self.polls += 1
            if self.polls == 3:
                raise Cancelled("stopped by the test")

    start = time.monotonic()
    with pytest.raises(Cancelled):
        cut_out(smooth(40, 40), weights(endless()), Stop())
    assert time.monotonic() - start < 20  # three polls; the network alone would take hours
