"""Rectified flow: times, guidance, Euler sampler.

Time t runs from 1 (noise) to 0 (data). `x_t = (1 - t) x_0 + (s + (1 - s) t) eps` with `s` =
`SIGMA_MIN`; a model predicts the velocity `v = (1 - s) eps - x_0` from `x_t` and `1000 t`.

Source: Liu et al., Flow Straight and Fast, 2022; TRELLIS, section 3.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

from pipeline.model.condition.options import MultiImage
from pipeline.model.sampler import Sampler

SIGMA_MIN = 1e-5


def times(steps: int, rescale_t: float) -> list[float]:
    """`steps + 1` times from 1 to 0: `r u / (1 + (r - 1) u)` of an even grid u."""
    even = [1 - i / steps for i in range(steps + 1)]
    return [rescale_t * u / (1 + (rescale_t - 1) * u) for u in even]


def guidance_terms(
    sampler: Sampler, step: int, t: float, condition_count: int, multi_image: MultiImage
) -> tuple[tuple[int | None, float], ...]:
    """Which conditions a step asks for, and how their velocities add up.

    One picture or prompt: `(1 + s) v_cond - s v_null` inside the guidance interval, `v_cond`
    outside. Several pictures: in turn, one per step ("stochastic"), or the mean over all of them
    in place of `v_cond` ("multidiffusion").

    Args:
        sampler: Guidance and its interval, whose ends are included.
        step: 0 for the first one.
        t: Its time.
        condition_count: How many conditions there are.
        multi_image: How several are used.

    Returns:
        Number of the condition, None for no condition, and its weight; the weights sum to 1.
    """
    if multi_image == "multidiffusion":
        chosen = list(range(condition_count))
    else:
        chosen = [step % condition_count]
    low, high = sampler.guidance_interval
    s = sampler.guidance_strength if low <= t <= high else 0.0
    terms: list[tuple[int | None, float]] = [(k, (1 + s) / len(chosen)) for k in chosen]
    if s != 0:
        terms.append((None, -s))
    return tuple(terms)


def euler(
    velocity: Callable[[Tensor, float, int], Tensor],
    noise: Tensor,
    sampler: Sampler,
    on_step: Callable[[float], None],
) -> Tensor:
    """Walk from `noise` at t = 1 to data at t = 0.

    Args:
        velocity: v of `(x_t, t, step)`.
        noise: Standard normal, any shape; float32, and the walk stays float32.
        sampler: Steps and their spacing.
        on_step: Called before the first and after every step with the finished share; what it
            raises ends the walk.
    """
    x = noise
    grid = times(sampler.steps, sampler.rescale_t)
    on_step(0.0)
    for i, (t, t_next) in enumerate(pairwise(grid)):
        x = x + (t_next - t) * velocity(x, t, i)
        on_step((i + 1) / sampler.steps)
    return x
