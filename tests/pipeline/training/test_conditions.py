"""Captions and pictures, encoded once."""

import numpy as np
import torch

from pipeline.training.conditions import Conditions, encode_conditions
from pipeline.training.dataset import PropSample
from tests.pipeline.model.tiny_model import LetterEncoder


def test_every_caption_is_encoded_once_and_found_again(
    samples: list[PropSample], conditions: Conditions
) -> None:
    doubled = encode_conditions([*samples, samples[0]], LetterEncoder())
    assert len(doubled.tokens) == 3  # "a chair", "a leg", "a seat"
    assert doubled.of_sample[2] == doubled.of_sample[0]
    for sample, rows in zip(samples, conditions.of_sample, strict=True):
        expected = LetterEncoder()(sample.captions).half()
        assert torch.equal(conditions.tokens[list(rows)], expected)
    assert torch.equal(conditions.null_text, LetterEncoder()([""]))


def test_a_caption_is_drawn_from_the_samples_own(conditions: Conditions) -> None:
    rng = np.random.default_rng(0)
    drawn = [conditions.captions(np.array([0, 1]), rng) for _ in range(20)]
    chair, leg, seat = LetterEncoder()(["a chair", "a leg", "a seat"]).half().float()
    first = {"chair" if torch.equal(d[0], chair) else "seat" for d in drawn}
    assert first == {"chair", "seat"}
    assert all(torch.equal(d[0], chair) or torch.equal(d[0], seat) for d in drawn)
    assert all(torch.equal(d[1], leg) for d in drawn)


def test_pictures_are_the_views_on_black(samples: list[PropSample], conditions: Conditions) -> None:
    picture = conditions.pictures(np.array([1]), np.random.default_rng(0))
    assert picture.shape == (1, 3, 112, 112)
    views = samples[1].views.astype(float)
    on_black = views[..., :3] * views[..., 3:] / 255 / 255
    error = [np.abs(picture[0].permute(1, 2, 0).numpy() - v).max() for v in on_black]
    assert min(error) <= 1 / 255
