"""How prompts and pictures become a condition: options of a request.

Free of torch, because requests are checked where torch is not loaded.
"""

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import InvalidInput

MAX_NEGATIVE_CHARACTERS = 1000

MultiImage = Literal["stochastic", "multidiffusion"]


@dataclass(frozen=True, kw_only=True)
class ConditionOptions:
    """Options of the condition stage.

    negative_prompt: what the asset should not be, in place of the empty prompt; prompts only.
    multi_image: several pictures of one object take turns, one per step ("stochastic"), or every
        step takes the mean of all their velocities ("multidiffusion": steps cost as many times
        more).
    """

    negative_prompt: str = ""
    multi_image: MultiImage = "stochastic"

    def __post_init__(self) -> None:
        if len(self.negative_prompt) > MAX_NEGATIVE_CHARACTERS:
            raise InvalidInput(
                f"negative_prompt must have at most {MAX_NEGATIVE_CHARACTERS:,} characters, "
                f"got {len(self.negative_prompt):,}"
            )
        if self.multi_image not in ("stochastic", "multidiffusion"):
            raise InvalidInput(
                f"multi_image must be stochastic or multidiffusion, got {self.multi_image!r}"
            )
