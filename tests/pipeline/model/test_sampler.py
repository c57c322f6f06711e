"""The options of a sampling stage."""

import math
from typing import Any

import pytest

from pipeline.errors import InvalidInput
from pipeline.model.sampler import Sampler, SamplerOptions

OWN = Sampler(steps=25, guidance_strength=7.5, guidance_interval=(0.5, 0.95), rescale_t=3.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", 1001),
        ("guidance_strength", -0.1),
        ("guidance_strength", 50.5),
        ("guidance_strength", math.nan),
        ("rescale_t", 0.0),
        ("rescale_t", 10.5),
        ("rescale_t", math.inf),
        ("guidance_interval", (0.6, 0.5)),
        ("guidance_interval", (-0.1, 0.5)),
        ("guidance_interval", (0.5, 1.1)),
        ("guidance_interval", (math.nan, 1.0)),
    ],
)
def test_refusals_name_the_option_and_the_value(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        SamplerOptions(**{name: value})
    message = str(refusal.value)
    assert name in message
    assert str(value[0] if isinstance(value, tuple) else value) in message
    assert "[" in message  # the range to stay in


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 1), ("steps", 1000),
        ("guidance_strength", 0), ("guidance_strength", 50),
        ("rescale_t", 0.1), ("rescale_t", 10),
        ("guidance_interval", (0.0, 0.0)), ("guidance_interval", (0.0, 1.0)),
    ],
)  # fmt: skip
def test_the_ends_of_each_range_are_allowed_and_override(name: str, value: Any) -> None:
    chosen = OWN.override(SamplerOptions(**{name: value}))
    assert getattr(chosen, name) == value
    for other in {"steps", "guidance_strength", "guidance_interval", "rescale_t"} - {name}:
        assert getattr(chosen, other) == getattr(OWN, other)


def test_no_options_keep_the_models_own_walk() -> None:
    assert OWN.override(SamplerOptions()) == OWN
