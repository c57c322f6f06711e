"""Rectified flow: times, guidance, Euler sampler.

Time t runs from 1 (noise) to 0 (data). `x_t = (1 - t) x_0 + (s + (1 - s) t) eps` with `s` =
`SIGMA_MIN`; a model predicts the velocity `v = (1 - s) eps - x_0` from `x_t` and `1000 t`.

Source: Liu et al., Flow Straight and Fast, 2022; TRELLIS, section 3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from pipeline.errors import InvalidInput

SIGMA_MIN = 1e-5


@dataclass(frozen=True, kw_only=True)
class SamplerOptions:
    """Options of one sampling stage. A field that is None takes the model's own default.

    steps: Euler steps, 1 to 1000.
    guidance_strength: s in `v = (1 + s) v_cond - s v_uncond`; 0 is none; 0 to 50.
    guidance_interval: lowest and highest t at which guidance applies, both included.
    rescale_t: above 1 spends more of the steps near noise; 0.1 to 10.
    """

    steps: int | None = None
    guidance_strength: float | None = None
    guidance_interval: tuple[float, float] | None = None
    rescale_t: float | None = None

    def __post_init__(self) -> None:
        _check("steps", self.steps, 1, 1000)
        _check("guidance_strength", self.guidance_strength, 0, 50)
        _check("rescale_t", self.rescale_t, 0.1, 10)
        if self.guidance_interval is not None:
            low, high = self.guidance_interval
            if not 0 <= low <= high <= 1:
                raise InvalidInput(
                    "guidance_interval must be two times low <= high in [0, 1], "
                    f"got {low}, {high}"
                )


def _check(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidInput(f"{name} must be in [{low}, {high}], got {value}")


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """How to walk from noise to data; every choice made.

    Fields as in `SamplerOptions`.
    """

    steps: int
    guidance_strength: float
    guidance_interval: tuple[float, float]
    rescale_t: float

    def override(self, options: SamplerOptions) -> "Sampler":
        """The same walk, with the options that are set."""
        return Sampler(
            steps=self.steps if options.steps is None else options.steps,
            guidance_strength=self.guidance_strength
            if options.guidance_strength is None
            else options.guidance_strength,
            guidance_interval=options.guidance_interval or self.guidance_interval,
            rescale_t=self.rescale_t if options.rescale_t is None else options.rescale_t,
        )


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
