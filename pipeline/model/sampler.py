"""How to walk from noise to data: options of a request, and the choices made.

Apart from `flow.py`, because requests are checked where torch is not loaded.
"""

from dataclasses import dataclass

from pipeline.errors import InvalidInput


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
                    f"guidance_interval must be two times low <= high in [0, 1], got {low}, {high}"
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
