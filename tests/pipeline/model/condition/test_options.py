"""Options of the condition stage."""

import subprocess
import sys

import pytest

from pipeline.errors import InvalidInput
from pipeline.model.condition.options import ConditionOptions


def test_defaults_ask_for_nothing() -> None:
    options = ConditionOptions()
    assert options.negative_prompt == ""
    assert options.multi_image == "stochastic"


def test_a_negative_prompt_may_have_a_thousand_characters() -> None:
    assert len(ConditionOptions(negative_prompt="ü" * 1000).negative_prompt) == 1000
    with pytest.raises(InvalidInput, match=r"at most 1,000 characters, got 1,001"):
        ConditionOptions(negative_prompt="ü" * 1001)


def test_other_ways_to_take_several_pictures_are_refused() -> None:
    assert ConditionOptions(multi_image="multidiffusion").multi_image == "multidiffusion"
    with pytest.raises(InvalidInput, match="stochastic or multidiffusion, got 'mean'"):
        ConditionOptions(multi_image="mean")  # type: ignore[arg-type]


def test_they_are_checked_where_torch_is_not_loaded() -> None:
    code = "import pipeline.model.condition.options, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
