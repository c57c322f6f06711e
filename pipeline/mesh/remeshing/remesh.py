"""Even triangles in place of a surface: a closed one for what is broken, or the same one anew.

Quads are out of scope: engines draw triangles, and what an artist would edit is the source.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import InvalidInput
from pipeline.mesh.measuring.measure import SurfaceDistance, bounds, topology
from pipeline.types import Mesh, Progress, Stage

logger = logging.getLogger(__name__)

# A surface in shreds: so many parts, of so few triangles each ...
SOUP_PARTS = 200
SOUP_TRIANGLES_PER_PART = 8
# ... that together enclose at least this share of their bounding box.
SOUP_SOLID_RATIO = 0.02
SOUP_RESOLUTION = 24


@dataclass(frozen=True, kw_only=True)
class RemeshOptions:
    """Options of `remesh`.

    mode: `off` and `watertight` say it all; `isotropic` lays even triangles over a surface that is
        sound; `auto` makes shreds watertight and leaves the rest, see `is_soup`.
    resolution: of `watertight`: grid cells along the longest side, 16..384.
    triangles: of `isotropic`: how many, within 10 %, 100..2,000,000; None keeps the count.
    sharp_angle_deg: of `isotropic`: creases sharper than this are kept, 5..180; 180 keeps none.
    """

    mode: Literal["off", "auto", "watertight", "isotropic"] = "auto"
    resolution: int = 192
    triangles: int | None = None
    sharp_angle_deg: float = 40.0

    def __post_init__(self) -> None:
        if self.mode not in ("off", "auto", "watertight", "isotropic"):
            raise InvalidInput(
                f"remesh mode must be off, auto, watertight or isotropic, got {self.mode}"
            )
        if not 16 <= self.resolution <= 384:
            raise InvalidInput(f"remesh resolution must be in 16..384, got {self.resolution}")
        if self.triangles is not None and not 100 <= self.triangles <= 2_000_000:
            raise InvalidInput(
                f"remesh triangles must be in 100..2,000,000, got {self.triangles:,}"
            )
        if not 5 <= self.sharp_angle_deg <= 180:
            raise InvalidInput(
                f"remesh sharp_angle_deg must be in 5..180, got {self.sharp_angle_deg}"
            )


def remesh(mesh: Mesh, options: RemeshOptions, progress: Progress) -> Mesh:
    """Replace the surface by an even one where asked or needed.

    With `auto` every mesh that can be simplified is returned as it is: collapsing edges keeps
    detail better than new triangles do. What a new surface cannot be made of is returned as it is,
    too, with a warning if one was asked for.

    Args:
        mesh: Repaired triangles.
        options: When and how fine.
        progress: Reports `Stage.REMESH`.

    Returns:
        `mesh` itself, or: with `watertight`, a closed manifold that looks outward; with
        `isotropic`, a surface with the same borders, parts and creases. Which face came from
        which of `mesh` is not known.
    """
    progress(Stage.REMESH, 0.0)
    result = mesh
    if options.mode == "watertight" or (options.mode == "auto" and is_soup(mesh)):
        solid = watertight(mesh, options.resolution, lambda: progress(Stage.REMESH, 0.5))
        if solid is None:
            progress.warn(Stage.REMESH, "the surface was not remeshed: it encloses nothing")
        else:
            result = solid
            if options.mode == "auto":
                progress.warn(
                    Stage.REMESH,
                    "the surface is in shreds and was replaced by a watertight one: "
                    "export with shared vertices to keep the original triangles",
                )
    elif options.mode == "isotropic":
        from pipeline.mesh.remeshing.isotropic import (
            isotropic,  # late: whoever reads options loads this file
        )

        result = isotropic(
            mesh,
            options.triangles or len(mesh.faces),
            options.sharp_angle_deg,
            lambda fraction: progress(Stage.REMESH, fraction),
        )
        if options.triangles and abs(len(result.faces) / options.triangles - 1) > 0.1:
            progress.warn(
                Stage.REMESH,
                f"remeshed to {len(result.faces):,} triangles where {options.triangles:,} were "
                "asked for: creases, borders and small parts need them",
            )
    if result is not mesh:
        logger.info("remesh: %d -> %d faces", len(mesh.faces), len(result.faces))
    progress(Stage.REMESH, 1.0)
    return result


def is_soup(mesh: Mesh) -> bool:
    """Whether a mesh is a body in shreds, which no edge collapse can bring under a budget.

    It must fall into more than 200 open parts with fewer than 8 triangles each on average, and
    these must enclose more than 2 % of their box.
    So the leaves of a tree are no soup, and neither is a heap of closed crumbs.
    """
    counts = topology(mesh)
    is_shredded = (
        counts.component_count > SOUP_PARTS
        and counts.triangle_count < SOUP_TRIANGLES_PER_PART * counts.component_count
        and counts.boundary_edge_count > counts.triangle_count / 2
    )
    if not is_shredded:
        return False
    from pipeline.mesh.remeshing.level_set import INSIDE, SOLID, Grid, level_set

    grid = Grid.around(mesh, SOUP_RESOLUTION)
    level = level_set(mesh, grid, SurfaceDistance(mesh), lambda: None)
    solid_m3 = ((level.labels == INSIDE) & (level.kinds == SOLID)).sum() * grid.cell_m**3
    low, high = bounds(mesh)
    return bool(solid_m3 > SOUP_SOLID_RATIO * (high - low).prod())


def watertight(mesh: Mesh, resolution: int, tick: Callable[[], None]) -> Mesh | None:
    """Wrap a surface in a closed one that keeps its creases.

    What is inside is told by winding numbers, which hold across gaps and holes, or, where the faces
    do not agree on a front, by a flood from outside; see `level_set`. Sheets without an inside
    become slabs one cell thick. Parts thinner than a cell are kept, details smaller than a cell are
    lost, and surfaces closer than that may fuse.

    Args:
        mesh: Any triangles.
        resolution: Grid cells along the longest side.
        tick: Called about every 0.1 s; may raise to stop.

    Returns:
        A closed manifold that looks outward, or None if nothing is inside.
    """
    from pipeline.mesh.remeshing.contour import contour
    from pipeline.mesh.remeshing.level_set import INSIDE, Grid, level_set

    low, high = bounds(mesh)
    if not (high > low).any():
        return None
    tick()
    to_mesh = SurfaceDistance(mesh)
    level = level_set(mesh, Grid.around(mesh, resolution), to_mesh, tick)
    if not (level.labels == INSIDE).any():
        return None
    closed = contour(level, mesh, to_mesh, tick)
    return closed if len(closed.faces) else None
