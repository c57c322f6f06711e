"""The same asset in two files: one put where the other is."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.levels import Level
from pipeline.types import FloatArray

# Boxes whose sides have the same proportions within this are taken for the same asset.
_ALIKE = 0.02


def same_place(level: Level, like: Level, name: str) -> tuple[Level, str]:
    """Move and scale `level` so that its bounding box is that of `like`.

    Pivots and sizes are set anew when an asset is made, and would hide every other difference.
    Boxes of other proportions stay where they are: no guess is better than a wrong one.

    Args:
        level: What may be moved.
        like: The same asset where it shall be; as fine, for a coarse box has another size.
        name: What the sentence calls `level`.

    Returns:
        The level, and what was done in a sentence; empty if nothing was.
    """
    (low, high), (like_low, like_high) = level.bounds, like.bounds
    diagonal = float(np.linalg.norm(high - low))
    scale = float(np.linalg.norm(like_high - like_low)) / max(diagonal, 1e-30)
    if np.abs((high - low) * scale - (like_high - like_low)).max() > _ALIKE * diagonal * scale:
        return level, ""
    # A coarser mesh has another box at the same place; less than that is no move.
    if abs(scale - 1) < _ALIKE:
        scale = 1.0
    shift = (like_low + like_high) / 2 - scale * (low + high) / 2
    if scale == 1.0 and np.abs(shift).max() < _ALIKE * diagonal:
        return level, ""
    draws = tuple(
        replace(draw, positions=_moved(draw.positions, scale, shift)) for draw in level.draws
    )
    by = f"moved by {float(np.linalg.norm(shift)):.3g} m"
    if scale != 1.0:
        by = f"scaled by {scale:.4g} and {by}"
    return replace(level, draws=draws), f"{name} was {by}."


def _moved(positions: FloatArray, scale: float, shift: NDArray[np.float64]) -> FloatArray:
    moved: FloatArray = (positions * scale + shift).astype(np.float32)
    return moved
