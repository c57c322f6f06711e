"""Metric size and pivot."""

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.types import Mesh, Surface

_Shape = TypeVar("_Shape", Mesh, Surface)

Pivot = Literal["bottom_center", "center", "keep"]


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Options of `place`.

    height_m: Height the asset shall have, 0.001 to 10,000. None keeps an upload's size and makes a
        generated asset 1 m along its longest side.
    pivot: Where the origin goes. "keep" leaves an upload's origin where it is.
    """

    height_m: float | None = None
    pivot: Pivot = "bottom_center"

    def __post_init__(self) -> None:
        if self.height_m is not None and not 0.001 <= self.height_m <= 10_000:
            raise InvalidInput(f"height_m must be in [0.001, 10000] metres, got {self.height_m}")
        if self.pivot not in ("bottom_center", "center", "keep"):
            raise InvalidInput(f"pivot must be bottom_center, center or keep, got {self.pivot!r}")


def place(
    shape: _Shape,
    options: PlaceOptions,
    *,
    longest_side_m: float | None,
    body: Mesh | None = None,
) -> _Shape:
    """Scale evenly to the asked size, then move the pivot to the origin.

    Args:
        shape: What to move, in metres, Y up.
        options: Size and pivot.
        longest_side_m: Size when `height_m` is None; None keeps the size.
        body: What is to have that size and pivot, in the same space; None for `shape` itself. All
            its vertices count.
    """
    measured = (shape if body is None else body).positions
    low, high = measured.min(0).astype(float), measured.max(0).astype(float)
    size = high - low
    scale = 1.0
    if options.height_m is not None:
        if size[1] <= 0:
            raise InvalidInput(
                f"the asset is flat, so it cannot be made {options.height_m} m high; "
                "leave the height out"
            )
        scale = options.height_m / size[1]
    elif longest_side_m is not None and size.max() > 0:
        scale = longest_side_m / size.max()
    center = (low + high) / 2
    pivot = {
        "bottom_center": np.array([center[0], low[1], center[2]]),
        "center": center,
        "keep": np.zeros(3),
    }[options.pivot]
    moved = (shape.positions - pivot) * scale
    return replace(shape, positions=moved.astype(np.float32))
