"""Every kept input, and a few hundred new ones: `make fuzz` in little."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.ceilings import ceilings
from tests.fuzz.run import CORPUS
from tests.fuzz.targets import NAMES, Target, load_target, prepared

_EXAMPLES = 200


@pytest.mark.parametrize("name", NAMES)
def test_no_input_is_a_defect(name: str) -> None:
    target = load_target(name)
    with prepared(target):
        for content in target.seeds().values():
            target.consume(content)  # what is loaded or compiled once is no cost of an input
        inputs = _kept(name)
        for content in inputs:
            _consume(target, content)

        @settings(
            max_examples=_EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(
            st.sampled_from([*inputs, *target.seeds().values()]),
            st.integers(0, 2**32 - 1),
        )
        def mutated(content: bytes, seed: int) -> None:
            _consume(target, target.mutate(content, Random(seed)))

        mutated()


def _kept(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def _consume(target: Target, content: bytes) -> None:
    with ceilings():
        target.consume(content)
