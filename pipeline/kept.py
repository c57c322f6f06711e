"""Parts of a build that can be kept, so that another export of the same surface is faster.

repaired   all up to and including repair, placement and remeshing
hulls      the collision shapes
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Generic, TypeVar

from pipeline.errors import InvalidInput
from pipeline.mesh.repairing.repair import RepairOptions
from pipeline.options import AssetOptions
from pipeline.report import StageMeter
from pipeline.stored_parts import Warnings
from pipeline.types import Progress, Stage

logger = logging.getLogger(__name__)

T = TypeVar("T")

REPAIRED, HULLS = "repaired", "hulls"

_VERSION = 2  # raise it when the same inputs may give other bytes of a part


def repair_options(options: AssetOptions, *, generated: bool) -> RepairOptions:
    """What is asked for, or what fits a surface that a model made, or one that an artist did."""
    if options.repair is not None:
        return options.repair
    return RepairOptions.for_generated() if generated else RepairOptions.for_upload()


def kept_keys(
    surface_sha256: str, options: AssetOptions, *, generated: bool, has_size: bool
) -> Mapping[str, str]:
    """Name each part of a build by all that decides its bytes: equal keys, equal bytes.

    Args:
        surface_sha256: Hash of the stored surface, hex.
        options: What of them does not matter to a part is not in its key.
        generated, has_size: As in `BuildRequest`.

    Returns:
        SHA-256, hex, by the part's name: "repaired" and "hulls".
    """
    has_own_size = options.place.height_m is not None or options.place.fit_m is not None
    repaired = _key(
        part=REPAIRED,
        surface=surface_sha256,
        repair=asdict(repair_options(options, generated=generated)),
        parts=options.parts.mode,
        place=asdict(options.place),
        keeps_size=has_size and not has_own_size,
        remesh=asdict(options.remesh),
    )
    hulls = _key(part=HULLS, repaired=repaired, collision=asdict(options.collision))
    return {REPAIRED: repaired, HULLS: hulls}


def _key(**decisive: object) -> str:
    text = json.dumps({"version": _VERSION, **decisive}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Keeping(Generic[T]):
    """How one part is kept. stages: what need not run where it was. The rest: to bytes and back."""

    name: str
    stages: tuple[Stage, ...]
    to_bytes: Callable[[T, Warnings], bytes]
    from_bytes: Callable[[bytes], tuple[T, Warnings]]


def kept_or_made(
    part: Keeping[T], kept: Mapping[str, bytes], make: Callable[[Progress], T], meter: StageMeter
) -> tuple[T, Mapping[str, bytes]]:
    """Read a part that was kept, or make it.

    Warnings that came with it are given again. One that cannot be read is made anew, since it
    holds nothing that the surface does not.

    Args:
        part: Which.
        kept: What was kept, by name.
        make: Makes it; its warnings are kept with it.
        meter: Told of the part's stages.

    Returns:
        The part, and its bytes by its name if it was made.
    """
    if part.name in kept:
        meter(part.stages[0], 0.0)
        try:
            content, warnings = part.from_bytes(kept[part.name])
        except InvalidInput as error:
            logger.warning("the kept part %s is made anew: %s", part.name, error)
        else:
            for stage in part.stages:
                meter.reused(stage)
            for stage, message in warnings:
                meter.warn(stage, message)
            return content, {}
    heard = _Heard(meter)
    content = make(heard)
    return content, {part.name: part.to_bytes(content, tuple(heard.warnings))}


class _Heard:
    """A `Progress` that passes everything on and keeps the warnings."""

    def __init__(self, whole: Progress) -> None:
        self._whole = whole
        self.warnings: list[tuple[Stage, str]] = []

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._whole(stage, fraction)

    def preview(self, stage: Stage, png: bytes) -> None:
        self._whole.preview(stage, png)

    def warn(self, stage: Stage, message: str) -> None:
        self.warnings.append((stage, message))
        self._whole.warn(stage, message)
