"""Captions and pictures, encoded once."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as Pil

from pipeline.preprocess import preprocess
from pipeline.training.conditions import Conditions, encode_conditions
from pipeline.training.dataset import PropSample
from pipeline.training.props import make_prop
from pipeline.training.render import render_prop
from pipeline.types import Silent
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


def test_pictures_are_framed_like_those_of_requests(
    samples: list[PropSample], conditions: Conditions
) -> None:
    picture = conditions.pictures(np.array([1]), np.random.default_rng(0))
    assert picture.shape == (1, 3, 112, 112)
    files = [io.BytesIO() for _ in samples[1].views]
    for file, view in zip(files, samples[1].views, strict=True):
        Pil.fromarray(view).save(file, "PNG")
    expected = [preprocess(file.getvalue(), 112, Silent()) for file in files]
    found = (picture[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    assert any(np.array_equal(found, e) for e in expected)


def test_mirrored_props_have_mirrored_pictures_and_the_same_captions(
    conditions: Conditions,
) -> None:
    both = conditions.mirrored()
    assert both.of_sample == conditions.of_sample * 2
    assert torch.equal(both.views[:2], conditions.views)
    np.testing.assert_array_equal(both.views[2:], conditions.views.numpy()[:, :, :, ::-1])


def test_a_mirrored_picture_shows_the_mirrored_prop() -> None:
    prop = make_prop("axe", np.random.default_rng(0))
    mirrored = replace(prop, field=lambda p: prop.field(p * np.float32([-1, 1, 1])))
    light_from_above = {"pitch_deg": 20.0, "size_px": 64}
    one = render_prop(prop, yaw_deg=35, **light_from_above)
    other = render_prop(mirrored, yaw_deg=-35, **light_from_above)
    assert (one[..., 3] > 0).any()
    # The light stands on the left both times, so only the outline is compared.
    assert (one[:, ::-1, 3] != other[..., 3]).mean() < 0.01


@pytest.mark.parametrize(("share", "tokens"), [(0.0, 32), (1.0, 64)])
def test_a_flow_is_given_captions_or_pictures_or_nothing(
    conditions: Conditions, monkeypatch: pytest.MonkeyPatch, share: float, tokens: int
) -> None:
    monkeypatch.setattr("pipeline.training.conditions.PICTURE_SHARE", share)
    picture_tokens = torch.ones(2, 2, 64, 384).half()
    drawn = conditions.draw(np.zeros(400, int), picture_tokens, np.random.default_rng(0))
    assert drawn.shape == (400, tokens, 384)
    nothing = torch.zeros(64, 384) if share else conditions.null_text[0]
    without = sum(torch.equal(d, nothing) for d in drawn)
    assert 20 <= without <= 60  # a tenth
    if share:
        assert sum(torch.equal(d, torch.ones(64, 384)) for d in drawn) == 400 - without
