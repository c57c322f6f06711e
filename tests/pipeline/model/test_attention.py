"""Attention inside segments, against loops over every query and key."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.model.attention import attend
from tests.reference.attention import attend_by_loops

HEADS, WIDTH = 2, 3
# Same sums in another order, in float64.
TOLERANCE = 1e-12


def rows(count: int, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, HEADS, WIDTH, generator=rng, dtype=torch.float64)


def check(q_lengths: Sequence[int], kv_lengths: Sequence[int]) -> None:
    q, k, v = rows(sum(q_lengths), 1), rows(sum(kv_lengths), 2), rows(sum(kv_lengths), 3)
    out = attend(q, k, v, q_lengths, kv_lengths)
    expected = attend_by_loops(q, k, v, q_lengths, kv_lengths)
    torch.testing.assert_close(out, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    "lengths", [[4, 4, 4], [1], [5], [3, 4, 2, 1], [2, 0, 3], [0, 0, 4], [3, 0], [1, 9, 2, 8, 3]]
)
def test_each_segment_attends_to_itself(lengths: list[int]) -> None:
    check(lengths, lengths)


@pytest.mark.parametrize(
    ("q_lengths", "kv_lengths"), [([3, 1], [5, 5]), ([2, 2], [7, 7]), ([4, 0], [3, 3]), ([2], [6])]
)
def test_queries_may_differ_in_number_from_keys(
    q_lengths: list[int], kv_lengths: list[int]
) -> None:
    check(q_lengths, kv_lengths)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any))
def test_any_lengths(lengths: list[int]) -> None:
    check(lengths, lengths)


def test_empty_input_gives_empty_output() -> None:
    empty = rows(0, 0)
    assert attend(empty, empty, empty, [0], [0]).shape == (0, HEADS, WIDTH)


def test_a_segment_does_not_see_another() -> None:
    lengths = [2, 5, 3]
    q, k, v = (rows(10, seed) for seed in (1, 2, 3))
    before = attend(q, k, v, lengths, lengths)
    k[2:7], v[2:7] = 100.0, -100.0
    after = attend(q, k, v, lengths, lengths)
    torch.testing.assert_close(after[:2], before[:2], atol=0, rtol=0)
    torch.testing.assert_close(after[7:], before[7:], atol=0, rtol=0)


def gradients_match(lengths: list[int]) -> None:
    inputs = [rows(sum(lengths), seed).requires_grad_() for seed in (1, 2, 3)]
    weight = rows(sum(lengths), 4)
    found = torch.autograd.grad((attend(*inputs, lengths, lengths) * weight).sum(), inputs)
    expected = torch.autograd.grad(
        (attend_by_loops(*inputs, lengths, lengths) * weight).sum(), inputs
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=0)


def test_gradients_of_equal_segments() -> None:
    gradients_match([3, 3])


def test_gradients_of_few_and_of_many_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training takes another way for each."""
    for few in (0, 100):
        monkeypatch.setattr("pipeline.model.attention._FEW_KEYS", few)
        gradients_match([3, 3])
        gradients_match([2, 5, 3])


def test_gradients_of_segments_that_need_no_padding() -> None:
    gradients_match([1, 2, 4])


def test_gradients_of_padded_segments() -> None:
    gradients_match([3, 4, 2, 1])
