"""What players bump into: one primitive, one convex hull or several, under a budget."""

import logging
import time
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pipeline.errors import BudgetUnreachable, InvalidInput
from pipeline.types import Collision, Mesh, Progress, Stage

logger = logging.getLogger(__name__)

# More triangles than this cost time and change nothing.
BODY_TRIANGLES = 4_000

Mode = Literal["none", "box", "sphere", "capsule", "hull", "decompose", "auto"]


@dataclass(frozen=True, kw_only=True)
class CollisionOptions:
    """Options of `collide`.

    mode: `none`; `box`, `sphere`, `capsule` or `hull` for one around everything; `decompose` for
        several hulls; `auto` for the first of those, in this order, that fits well enough.
    max_hulls: most hulls of a decomposition, 1..64.
    max_vertices: most vertices per hull, 8..255; engines take 255, fewer are faster.
    max_over_cover: what `auto` accepts: volume of the shape over that of the body, at least 1.
    max_protrusion_ratio: what `auto` accepts: how far the shape stands out from the body, as a
        share of the diagonal, in [0, 1].
    """

    mode: Mode = "auto"
    max_hulls: int = 16
    max_vertices: int = 32
    max_over_cover: float = 1.3
    max_protrusion_ratio: float = 0.08

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            names = ", ".join(get_args(Mode)[:-1])
            raise InvalidInput(f"collision mode must be {names} or auto, got {self.mode}")
        if not 1 <= self.max_hulls <= 64:
            raise InvalidInput(f"max_hulls must be in 1..64, got {self.max_hulls}")
        if not 8 <= self.max_vertices <= 255:
            raise InvalidInput(f"max_vertices must be in 8..255, got {self.max_vertices}")
        if not 1 <= self.max_over_cover < np.inf:
            raise InvalidInput(f"max_over_cover must be at least 1, got {self.max_over_cover}")
        if not 0 <= self.max_protrusion_ratio <= 1:
            raise InvalidInput(
                f"max_protrusion_ratio must be in [0, 1], got {self.max_protrusion_ratio}"
            )


def collide(mesh: Mesh, options: CollisionOptions, progress: Progress) -> Collision:
    """Make the shape that stands for the mesh in collisions, and measure how well it fits.

    The body is all that the mesh encloses, cavities included; of more than 4,000 triangles, what
    the mesh encloses once it is simplified to so many. Boxes, balls, capsules and hulls within the
    vertex budget hold every vertex of it. A hull with too many corners, and a decomposition, may
    leave a 400th of the diagonal of the body outside. Flat, thin and point-like meshes get a box a
    hundredth of their size thick, whatever hulls are asked for.

    Args:
        mesh: Any triangles. They must agree on their front if there are more than 4,000.
        options: Which shape, and with how many hulls and vertices.
        progress: Reports `Stage.COLLISION`.

    Returns:
        Convex shapes whose triangles look outward, exactly convex in float32. The same input gives
        the same bytes.

    Raises:
        InvalidInput: If `mesh` has no triangles.
    """
    if options.mode == "none":
        return Collision(kind="none", hulls=(), over_cover=None, protrusion_m=0.0)
    if len(mesh.faces) == 0:
        raise InvalidInput("the mesh has 0 triangles: export at least one")
    from pipeline.mesh.hulls.cover import Body, candidates  # late: numba

    start = time.perf_counter()
    progress(Stage.COLLISION, 0.0)

    def tick() -> None:
        progress(Stage.COLLISION, 0.0)

    body = Body(_reduced(mesh, progress), tick)
    max_protrusion_m = options.max_protrusion_ratio * body.diagonal_m
    result: Collision | None = None
    is_good = False
    for kind, hulls in candidates(body, options, progress):
        over_cover = body.over_cover(hulls)
        protrusion_m = body.protrusion_m(hulls, tick)
        result = Collision(kind=kind, hulls=hulls, over_cover=over_cover, protrusion_m=protrusion_m)
        is_tight = over_cover is None or over_cover <= options.max_over_cover
        is_good = is_tight and protrusion_m <= max_protrusion_m
        if is_good:
            break
    assert result is not None
    if options.mode == "auto" and not is_good and result.kind != "box":  # flat things have no other
        progress.warn(Stage.COLLISION, _loose(result, body.diagonal_m))
    progress(Stage.COLLISION, 1.0)
    logger.info(
        "collision: %s of %d, volume x%.3g, stands out %.3g m, %.2f s",
        result.kind,
        len(result.hulls),
        np.nan if result.over_cover is None else result.over_cover,
        result.protrusion_m,
        time.perf_counter() - start,
    )
    return result


def _reduced(mesh: Mesh, progress: Progress) -> Mesh:
    """The mesh, with few enough triangles to make hulls of."""
    from pipeline.mesh.lods.simplify import simplify

    if len(mesh.faces) <= BODY_TRIANGLES:
        return mesh
    try:
        return simplify(mesh, target_count=BODY_TRIANGLES, progress=_Preparing(progress))
    except BudgetUnreachable as reason:
        logger.info("collision: not simplified: %s", reason)
        return mesh


class _Preparing:
    """Progress of the simplification before hulls are made: as their stage, without its warnings,
    which speak of LODs."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._progress(Stage.COLLISION, 0.0)

    def preview(self, stage: Stage, png: bytes) -> None: ...

    def warn(self, stage: Stage, message: str) -> None: ...


def _loose(result: Collision, diagonal_m: float) -> str:
    """The warning that a shape fits worse than asked."""
    volume = (
        f"has {result.over_cover:.2f} times the volume of the body and "
        if result.over_cover
        else ""
    )
    return (
        f"the collision shape {volume}stands out from it by up to "
        f"{100 * result.protrusion_m / diagonal_m:.1f} % of its size, more than asked: allow more "
        "hulls, or raise max_over_cover and max_protrusion_ratio"
    )
