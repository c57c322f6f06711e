"""Rectified flow: times, guidance, Euler sampler.

Time t runs from 1 (noise) to 0 (data). `x_t = (1 - t) x_0 + (s + (1 - s) t) eps` with `s` =
`SIGMA_MIN`; a model predicts the velocity `v = (1 - s) eps - x_0` from `x_t` and `1000 t`.

Source: Liu et al., Flow Straight and Fast, 2022; TRELLIS, section 3.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

from pipeline.model.sampler import Sampler

SIGMA_MIN = 1e-5


def times(steps: int, rescale_t: float) -> list[float]:
    """`steps + 1` times from 1 to 0: `r u / (1 + (r - 1) u)` of an even grid u."""
    even = [1 - i / steps for i in range(steps + 1)]
    return [rescale_t * u / (1 + (rescale_t - 1) * u) for u in even]


def guided(
    velocity: Callable[[Tensor, float, bool], Tensor], sampler: Sampler
) -> Callable[[Tensor, float], Tensor]:
    """Add guidance to `velocity(x, t, with_condition)` inside the sampler's interval."""
    low, high = sampler.guidance_interval
    s = sampler.guidance_strength

    def guided_velocity(x: Tensor, t: float) -> Tensor:
        if s == 0 or not low <= t <= high:
            return velocity(x, t, True)
        return (1 + s) * velocity(x, t, True) - s * velocity(x, t, False)

    return guided_velocity


def euler(
    velocity: Callable[[Tensor, float], Tensor],
    noise: Tensor,
    sampler: Sampler,
    on_step: Callable[[float], None],
) -> Tensor:
    """Walk from `noise` at t = 1 to data at t = 0.

    Args:
        velocity: v of `(x_t, t)`.
        noise: Standard normal, any shape; float32, and the walk stays float32.
        sampler: Steps and their spacing.
        on_step: Called before the first and after every step with the finished share; what it
            raises ends the walk.
    """
    x = noise
    grid = times(sampler.steps, sampler.rescale_t)
    on_step(0.0)
    for i, (t, t_next) in enumerate(pairwise(grid)):
        x = x + (t_next - t) * velocity(x, t)
        on_step((i + 1) / sampler.steps)
    return x
