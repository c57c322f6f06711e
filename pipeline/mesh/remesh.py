"""Even, watertight triangles in place of a surface too broken to simplify."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.mesh.manifold import tidy
from pipeline.mesh.measure import (
    Float64Array,
    SurfaceDistance,
    bounds,
    face_areas,
    sample_surface,
    topology,
    used_vertices,
)
from pipeline.types import Mesh, Progress, Stage

logger = logging.getLogger(__name__)

# A surface in shreds: so many parts, of so few triangles each ...
SOUP_PARTS = 200
SOUP_TRIANGLES_PER_PART = 8
# ... that together enclose at least this share of their bounding box.
SOUP_SOLID_RATIO = 0.02
SOUP_PROBES_PER_SIDE = 16

# Winding number queries take 4 us each and cannot be interrupted.
WINDING_CHUNK = 16_384

# Corners of a grid cell in the order that marching cubes wants them.
CELL_CORNERS = np.array(
    [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
)
# The four of them on each side of a cell, and the step to the cell behind that side.
CELL_SIDES = (
    ((0, 3, 4, 7), (-1, 0, 0)),
    ((1, 2, 5, 6), (1, 0, 0)),
    ((0, 1, 4, 5), (0, -1, 0)),
    ((2, 3, 6, 7), (0, 1, 0)),
    ((0, 1, 2, 3), (0, 0, -1)),
    ((4, 5, 6, 7), (0, 0, 1)),
)

# Empty cells around the mesh: room for slabs and for the neighbors of the last surface cells.
MARGIN_CELLS = 4

SAMPLES_PER_CELL = 8

# The leaves of a tree have fifty times the area of its box: so many samples at a time take 0.2 s
# and 100 MB.
SAMPLES_PER_STEP = 1_000_000

LEAST_VALUE_CELLS = 0.01

# How far vertices go back to the surface: all the way would fold faces at sharp edges.
PROJECTION = 0.9


@dataclass(frozen=True, kw_only=True)
class RemeshOptions:
    """Options of `remesh`.

    mode: `off` and `watertight` say it all; `auto` remeshes shreds only, see `is_soup`.
    resolution: grid cells along the longest side, 16..384; details below a cell are lost.
    """

    mode: Literal["off", "auto", "watertight"] = "auto"
    resolution: int = 192

    def __post_init__(self) -> None:
        if self.mode not in ("off", "auto", "watertight"):
            raise InvalidInput(f"remesh mode must be off, auto or watertight, got {self.mode}")
        if not 16 <= self.resolution <= 384:
            raise InvalidInput(f"remesh resolution must be in 16..384, got {self.resolution}")


def remesh(mesh: Mesh, options: RemeshOptions, progress: Progress) -> Mesh:
    """Replace the surface by an even, watertight one where asked or needed.

    With `auto` every mesh that can be simplified is returned as it is: collapsing edges keeps
    detail better than a grid does. A mesh that no grid cell finds an inside of is returned as it
    is, too, with a warning if remeshing was asked for.

    Args:
        mesh: Repaired triangles.
        options: When and how fine.
        progress: Reports `Stage.REMESH`.

    Returns:
        `mesh` itself, or a closed manifold that looks outward.
    """
    progress(Stage.REMESH, 0.0)
    result = mesh
    if options.mode == "watertight" or (options.mode == "auto" and is_soup(mesh)):
        solid = watertight(mesh, options.resolution, lambda: progress(Stage.REMESH, 0.5))
        if solid is not None:
            result = solid
            logger.info("remesh: %d -> %d faces", len(mesh.faces), len(result.faces))
        if options.mode == "auto" and solid is not None:
            progress.warn(
                Stage.REMESH,
                "the surface is in shreds and was replaced by a watertight one: "
                "export with shared vertices to keep the original triangles",
            )
        elif solid is None:
            progress.warn(Stage.REMESH, "the surface was not remeshed: it encloses nothing")
    progress(Stage.REMESH, 1.0)
    return result


def is_soup(mesh: Mesh) -> bool:
    """Whether a mesh is a body in shreds, which no edge collapse can bring under a budget.

    It must fall into more than 200 open parts with fewer than 8 triangles each on average, and
    these must enclose something: the generalized winding number exceeds 0.5 at 2 % of a grid of
    places or more. So the leaves of a tree are no soup, and neither is a heap of closed crumbs.
    """
    counts = topology(mesh)
    is_shredded = (
        counts.component_count > SOUP_PARTS
        and counts.triangle_count < SOUP_TRIANGLES_PER_PART * counts.component_count
        and counts.boundary_edge_count > counts.triangle_count / 2
    )
    if not is_shredded:
        return False
    low, high = bounds(mesh)
    steps = (np.arange(SOUP_PROBES_PER_SIDE) + 0.5) / SOUP_PROBES_PER_SIDE
    x, y, z = np.meshgrid(steps, steps, steps, indexing="ij")
    places = low + np.stack([x, y, z], axis=-1).reshape(-1, 3) * (high - low)
    return bool((_WindingNumber(mesh)(places, lambda: None) > 0.5).mean() >= SOUP_SOLID_RATIO)


def watertight(mesh: Mesh, resolution: int, tick: Callable[[], None]) -> Mesh | None:
    """Wrap a surface in a closed one.

    Inside is where the generalized winding number exceeds 0.5, which holds across gaps and holes.
    If the surface has borders, sheets without an inside become slabs two cells thick. Vertices
    with solid behind them are then moved onto the surface.

    Args:
        mesh: Triangles that agree on their winding.
        resolution: Grid cells along the longest side.
        tick: Called about every 0.1 s; may raise to stop.

    Returns:
        A closed manifold that looks outward, or None if nothing is inside.

    Source: Jacobson et al., Robust Inside-Outside Segmentation Using Generalized Winding Numbers,
    2013; Barill et al., Fast Winding Numbers for Soups and Clouds, 2018; marching cubes by
    continuation as in Wyvill et al., Data Structure for Soft Objects, 1986.
    """
    import igl

    to_mesh, winding = SurfaceDistance(mesh), _WindingNumber(mesh)
    has_borders = topology(mesh).boundary_edge_count > 0
    low, high = bounds(mesh)
    cell_m = float((high - low).max()) / resolution
    origin = low - MARGIN_CELLS * cell_m
    shape = np.ceil((high - low) / cell_m).astype(np.int64) + 2 * MARGIN_CELLS + 1  # points, xyz
    strides = np.array([1, shape[0], shape[0] * shape[1]])

    def places(points: NDArray[np.int64]) -> Float64Array:
        xyz = points[:, None] // strides % shape
        positions: Float64Array = origin + xyz * cell_m
        return positions

    def evaluate(points: NDArray[np.int64]) -> NDArray[np.float32]:
        """Signed distance, negative inside; across gaps, where the surface is far, the winding
        number's own even slope."""
        xyz = places(points)
        distance, _, _ = to_mesh.nearest(xyz, tick)
        outside = 0.5 - winding(xyz, tick)
        value = np.sign(outside) * np.minimum(distance, np.abs(outside) * 4 * cell_m)
        if has_borders:
            value = np.minimum(value, distance - cell_m)
        # On a grid point the surface would be a face without area.
        least = LEAST_VALUE_CELLS * cell_m
        return np.where(np.abs(value) < least, least, value).astype(np.float32)

    # Follow the surface from the cells it passes through to every cell that it continues in.
    values = np.full(shape.prod(), np.nan, np.float32)
    is_done = np.zeros(shape.prod(), bool)
    cells = _surface_cells(mesh, origin, cell_m, strides, tick)
    while len(cells):
        corners = cells[:, None] + CELL_CORNERS @ strides
        points = np.unique(corners)
        points = points[np.isnan(values[points])]
        values[points] = evaluate(points)
        is_done[cells] = True
        is_inside = values[corners] < 0
        following = [
            cells[is_inside[:, side].any(axis=1) & ~is_inside[:, side].all(axis=1)] + step @ strides
            for side, step in CELL_SIDES
        ]
        cells = np.unique(np.concatenate(following))
        cells = cells[~is_done[cells]]

    used = np.flatnonzero(~np.isnan(values))
    if not (values[used] < 0).any():
        return None
    index = np.empty(len(values), np.int64)
    index[used] = np.arange(len(used))
    corners = index[np.flatnonzero(is_done)[:, None] + CELL_CORNERS @ strides]
    positions, faces, _ = igl.marching_cubes(
        values[used].astype(np.float64), places(used), corners, 0.0
    )

    distance, _, nearest = to_mesh.nearest(positions, tick)
    is_close = distance < 1.5 * cell_m
    if has_borders:  # a slab stays a slab: only what has solid behind it goes back
        is_close &= winding(2 * nearest - positions, tick) > 0.5
    positions[is_close] += PROJECTION * (nearest - positions)[is_close]
    closed = tidy(Mesh(positions=positions.astype(np.float32), faces=faces.astype(np.int32)))
    return closed if len(closed.faces) else None


def _surface_cells(
    mesh: Mesh,
    origin: Float64Array,
    cell_m: float,
    strides: NDArray[np.int64],
    tick: Callable[[], None],
) -> NDArray[np.int64]:
    """Cells that hold some of the surface, and their neighbors: none it passes may be missed."""

    def cells_of(points: Float64Array) -> NDArray[np.int64]:
        return np.unique(((points - origin) / cell_m).astype(np.int64) @ strides)

    found = [cells_of(mesh.positions[used_vertices(mesh)].astype(np.float64))]
    samples = SAMPLES_PER_CELL / cell_m**2 * np.cumsum(face_areas(mesh))
    ends = np.flatnonzero(np.diff(samples // SAMPLES_PER_STEP)) + 1
    for faces in np.split(mesh.faces, ends):
        tick()
        part = Mesh(positions=mesh.positions, faces=faces)
        count = int(SAMPLES_PER_CELL / cell_m**2 * face_areas(part).sum()) + 1
        found.append(cells_of(sample_surface(part, count)))
    cells = np.unique(np.concatenate(found))
    steps = np.array([-1, 0, 1])
    around = steps[:, None, None] * strides[0] + steps[:, None] * strides[1] + steps * strides[2]
    return np.unique(cells[:, None] + around.ravel())


class _WindingNumber:
    """The generalized winding number of a mesh: 1 inside, 0 outside, between where it gapes."""

    def __init__(self, mesh: Mesh) -> None:
        import igl

        self._tree = igl.FastWindingNumberBVH()
        self._tree.init(
            np.ascontiguousarray(mesh.positions, dtype=np.float64),
            np.ascontiguousarray(mesh.faces, dtype=np.int64),
        )

    def __call__(self, places: Float64Array, tick: Callable[[], None]) -> Float64Array:
        """Winding numbers at `places` `[N, 3]`, `[N]`; calls `tick` about every 0.1 s."""
        result = np.empty(len(places))
        for start in range(0, len(places), WINDING_CHUNK):
            tick()
            part = slice(start, start + WINDING_CHUNK)
            result[part] = self._tree.winding_number(places[part])
        return result
