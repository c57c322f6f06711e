"""Times, guidance and the Euler walk."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pipeline.errors import Cancelled
from pipeline.model.condition.options import MultiImage
from pipeline.model.flow import SIGMA_MIN, euler, guidance_terms, times
from pipeline.model.sampler import Sampler

# As printed for the published samplers, six decimals.
TWELVE = [1, 0.970588, 0.9375, 0.9, 0.857143, 0.807692, 0.75, 0.681818, 0.6, 0.5, 0.375, 0.214286,
          0]  # fmt: skip
TWENTY_FIVE = [
    1, 0.986301, 0.971831, 0.956522, 0.940299, 0.923077, 0.904762, 0.885246, 0.864407, 0.842105,
    0.818182, 0.792453, 0.764706, 0.734694, 0.702128, 0.666667, 0.627907, 0.585366, 0.538462,
    0.486486, 0.428571, 0.363636, 0.290323, 0.206897, 0.111111, 0,
]  # fmt: skip


def sampler(
    steps: int, strength: float = 0.0, interval: tuple[float, float] = (0.0, 1.0), r: float = 3.0
) -> Sampler:
    return Sampler(steps=steps, guidance_strength=strength, guidance_interval=interval, rescale_t=r)


def ignore(_: float) -> None: ...


@pytest.mark.parametrize(("steps", "printed"), [(12, TWELVE), (25, TWENTY_FIVE)])
def test_published_times(steps: int, printed: list[float]) -> None:
    assert times(steps, 3.0) == pytest.approx(printed, abs=5e-7)


@given(st.integers(1, 1000), st.floats(0.1, 10))
def test_times_fall_from_exactly_one_to_exactly_zero(steps: int, r: float) -> None:
    grid = times(steps, r)
    assert len(grid) == steps + 1
    assert (grid[0], grid[-1]) == (pytest.approx(1.0, abs=1e-12), 0.0)
    assert all(a > b for a, b in pairwise(grid))


def test_without_rescaling_times_are_even() -> None:
    assert times(4, 1.0) == [1.0, 0.75, 0.5, 0.25, 0.0]


@pytest.mark.parametrize(
    ("steps", "interval", "guided_steps", "evaluations"),
    [
        (12, (0.5, 1.0), 10, 22),  # the tenth time is exactly 0.5, and belongs to it
        (12, (0.5, 0.95), 8, 20),
        (25, (0.5, 1.0), 19, 44),
        (25, (0.5, 0.95), 15, 40),
        (50, (0.5, 1.0), 38, 88),
        (50, (0.5, 0.95), 31, 81),
    ],
)
def test_evaluations_are_those_of_the_published_samplers(
    steps: int, interval: tuple[float, float], guided_steps: int, evaluations: int
) -> None:
    walk = sampler(steps, 7.5, interval)
    terms = [
        guidance_terms(walk, step, t, 1, "stochastic")
        for step, t in enumerate(times(steps, walk.rescale_t)[:-1])
    ]
    assert sum(len(step) == 2 for step in terms) == guided_steps
    assert sum(len(step) for step in terms) == evaluations


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (0.5, ((0, 4.0), (None, -3.0))),
        (0.95, ((0, 4.0), (None, -3.0))),
        (0.4999, ((0, 1.0),)),
        (0.9501, ((0, 1.0),)),
    ],
)
def test_guidance_applies_at_both_ends_of_its_interval(t: float, expected: object) -> None:
    assert guidance_terms(sampler(12, 3.0, (0.5, 0.95)), 0, t, 1, "stochastic") == expected


def test_strength_zero_asks_only_for_the_condition() -> None:
    assert guidance_terms(sampler(12, 0.0), 0, 0.7, 1, "stochastic") == ((0, 1.0),)


def test_pictures_take_turns_one_per_step() -> None:
    walk = sampler(12, 3.0, (0.5, 1.0))
    chosen = [guidance_terms(walk, step, 0.7, 3, "stochastic")[0] for step in range(5)]
    assert chosen == [(0, 4.0), (1, 4.0), (2, 4.0), (0, 4.0), (1, 4.0)]


def test_multidiffusion_is_the_mean_of_all_pictures_against_one_null() -> None:
    walk = sampler(12, 3.0, (0.5, 1.0))
    assert guidance_terms(walk, 4, 0.7, 2, "multidiffusion") == ((0, 2.0), (1, 2.0), (None, -3.0))
    assert guidance_terms(walk, 4, 0.3, 2, "multidiffusion") == ((0, 0.5), (1, 0.5))


@given(
    st.floats(0, 50),
    st.floats(0, 1),
    st.integers(1, 8),
    st.integers(0, 99),
    st.sampled_from(["stochastic", "multidiffusion"]),
)
def test_weights_always_sum_to_one(
    strength: float, t: float, count: int, step: int, mode: MultiImage
) -> None:
    terms = guidance_terms(sampler(12, strength, (0.3, 0.8)), step, t, count, mode)
    assert sum(weight for _, weight in terms) == pytest.approx(1.0)


@pytest.mark.parametrize("steps", [1, 7, 25])
def test_euler_is_exact_along_straight_paths(steps: int) -> None:
    noise, data = torch.tensor([0.3, -1.2, 2.5]), torch.tensor([5.0, 0.1, -3.0])
    v = (1 - SIGMA_MIN) * noise - data
    asked: list[tuple[float, Tensor]] = []

    def velocity(x: Tensor, t: float, step: int) -> Tensor:
        asked.append((t, x))
        return v

    found = euler(velocity, noise, sampler(steps), ignore)
    # At t = 0 there remains `s` of the noise; the rest is float32 rounding.
    torch.testing.assert_close(found, data + SIGMA_MIN * noise, atol=1e-5, rtol=0)
    for t, x in asked:
        on_path = (1 - t) * data + (SIGMA_MIN + (1 - SIGMA_MIN) * t) * noise
        torch.testing.assert_close(x, on_path, atol=1e-5, rtol=0)


def test_euler_on_a_linear_field_is_the_product_of_its_steps() -> None:
    found = euler(lambda x, t, step: x, torch.ones(1, dtype=torch.float64), sampler(12), ignore)
    expected = 1.0
    for t, t_next in pairwise(times(12, 3.0)):
        expected *= 1 - (t - t_next)
    assert float(found) == pytest.approx(expected, rel=1e-14)


def test_progress_hears_every_step() -> None:
    heard: list[float] = []
    euler(lambda x, t, step: x, torch.ones(1), sampler(4), heard.append)
    assert heard == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_what_progress_raises_ends_the_walk() -> None:
    steps = 0

    def velocity(x: Tensor, t: float, step: int) -> Tensor:
        nonlocal steps
        steps += 1
        return x

    def stop(fraction: float) -> None:
        if fraction >= 0.5:
            raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        euler(velocity, torch.ones(1), sampler(4), stop)
    assert steps == 2
