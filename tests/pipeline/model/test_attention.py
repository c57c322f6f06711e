"""Attention inside segments, against loops over every query and key."""

import sys
from collections.abc import Sequence
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pipeline.model.attention import Segments, attend, flash_attention, xformers_attention
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
    q, k, v = (rows(sum(lengths), seed).requires_grad_() for seed in (1, 2, 3))
    weight = rows(sum(lengths), 4)
    found = torch.autograd.grad((attend(q, k, v, lengths, lengths) * weight).sum(), [q, k, v])
    expected = torch.autograd.grad(
        (attend_by_loops(q, k, v, lengths, lengths) * weight).sum(), [q, k, v]
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


def test_segments_are_the_integers_they_are_made_of() -> None:
    segments = Segments([3, 0, 2])
    assert segments == (3, 0, 2)
    assert Segments.of(segments) is segments
    assert Segments.of([3, 0, 2]) == segments


def test_layers_that_share_segments_make_row_numbers_once() -> None:
    segments, values = Segments([3, 2]), iter(["first", "second"])
    assert [segments.remember("key", lambda: next(values)) for _ in range(2)] == ["first"] * 2
    assert segments.remember("other", lambda: next(values)) == "second"
    offsets = segments.offsets(torch.device("cpu"))
    assert offsets.dtype == torch.int32
    assert offsets.tolist() == [0, 3, 5]
    assert segments.offsets(torch.device("cpu")) is offsets


def test_shared_segments_serve_several_conditions() -> None:
    """The rows of the queries stay, those of the keys change."""
    segments = Segments([2, 3])
    for kv_lengths in ([4, 5], [1, 7], [4, 5]):
        q, k, v = rows(5, 1), rows(sum(kv_lengths), 2), rows(sum(kv_lengths), 3)
        torch.testing.assert_close(
            attend(q, k, v, segments, kv_lengths),
            attend_by_loops(q, k, v, segments, kv_lengths),
            atol=TOLERANCE,
            rtol=0,
        )


RAGGED = [([3, 4, 2, 1], [3, 4, 2, 1]), ([2, 0, 3], [2, 0, 3]), ([2, 5], [6, 6]), ([4, 0], [3, 3])]


def half_rows(count: int, seed: int, width: int = 8) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, HEADS, width, generator=rng).half()


@pytest.mark.parametrize(("q_lengths", "kv_lengths"), RAGGED)
def test_flash_gets_offsets_and_the_longest_segments(
    q_lengths: list[int], kv_lengths: list[int]
) -> None:
    def kernel(
        q: Tensor, k: Tensor, v: Tensor, q_at: Tensor, kv_at: Tensor, q_most: int, kv_most: int
    ) -> Tensor:
        """What the packages document, by loops."""
        assert q_at.dtype == kv_at.dtype == torch.int32
        q_counts, kv_counts = q_at.diff().tolist(), kv_at.diff().tolist()
        assert (q_most, kv_most) == (max(q_counts), max(kv_counts))
        called.append(True)
        return attend_by_loops(q.double(), k.double(), v.double(), q_counts, kv_counts).half()

    called: list[bool] = []
    q, k, v = (half_rows(sum(n), s) for n, s in ((q_lengths, 1), (kv_lengths, 2), (kv_lengths, 3)))
    found = flash_attention(kernel)(q, k, v, q_lengths, kv_lengths)
    expected = attend_by_loops(q.double(), k.double(), v.double(), q_lengths, kv_lengths)
    assert called
    # Rounded once to eleven bits.
    torch.testing.assert_close(found.double(), expected, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("x", [half_rows(4, 1).float(), half_rows(4, 1, width=6)])
def test_what_flash_does_not_take_goes_the_plain_way(x: Tensor) -> None:
    def kernel(*_: object) -> Tensor:
        raise AssertionError("called with a type or width it does not take")

    found = flash_attention(kernel)(x, x, x, [1, 3], [1, 3])
    assert torch.equal(found, attend(x, x, x, [1, 3], [1, 3]))


class StandInMask:
    """xformers' `BlockDiagonalMask`, as documented."""

    def __init__(self, q_lengths: Sequence[int], kv_lengths: Sequence[int]) -> None:
        self.q_lengths, self.kv_lengths = list(q_lengths), list(kv_lengths)

    @classmethod
    def from_seqlens(
        cls, q_seqlen: Sequence[int], kv_seqlen: Sequence[int], *, device: torch.device
    ) -> "StandInMask":
        return cls(q_seqlen, kv_seqlen)


@pytest.mark.parametrize(("q_lengths", "kv_lengths"), RAGGED)
def test_xformers_gets_one_batch_and_a_block_diagonal_mask(
    q_lengths: list[int], kv_lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def memory_efficient_attention(
        q: Tensor, k: Tensor, v: Tensor, *, attn_bias: StandInMask
    ) -> Tensor:
        assert q.shape == (1, sum(q_lengths), HEADS, 8)
        assert isinstance(attn_bias, StandInMask)
        return attend_by_loops(q[0], k[0], v[0], attn_bias.q_lengths, attn_bias.kv_lengths)[None]

    ops, biases = ModuleType("xformers.ops"), ModuleType("xformers.ops.fmha.attn_bias")
    vars(ops)["memory_efficient_attention"] = memory_efficient_attention
    vars(biases)["BlockDiagonalMask"] = StandInMask
    for name in ("xformers", "xformers.ops.fmha"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "xformers.ops", ops)
    monkeypatch.setitem(sys.modules, "xformers.ops.fmha.attn_bias", biases)

    q, k, v = (
        half_rows(sum(n), s).double() for n, s in ((q_lengths, 1), (kv_lengths, 2), (kv_lengths, 3))
    )
    found = xformers_attention()(q, k, v, q_lengths, kv_lengths)
    expected = attend_by_loops(q, k, v, q_lengths, kv_lengths)
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)
