"""Shapes that cover a body, and how well they do."""

from collections.abc import Callable, Iterator

import numpy as np

from pipeline.mesh.hulls.bounding import (
    box_along,
    box_axes_around,
    box_hull,
    capsule_hull,
    capsule_volume,
    smallest_box,
    smallest_capsule,
    smallest_sphere,
    sphere_hull,
)
from pipeline.mesh.hulls.collision import CollisionOptions
from pipeline.mesh.hulls.decompose import decompose
from pipeline.mesh.hulls.hull import contain, corners_of, grid_around, hull_of, written_hull
from pipeline.mesh.hulls.solid import Inside, are_inside, overlap, solid_of
from pipeline.mesh.measuring.measure import (
    Float64Array,
    SurfaceDistance,
    diagonal,
    sample_surface,
    signed_volume,
    topology,
)
from pipeline.mesh.repairing.manifold import without_unused_vertices
from pipeline.types import Box, Capsule, CollisionKind, Hull, Mesh, Progress, Sphere, Stage

# Where a hull has too many corners the body may stand out so far. Share of the diagonal; 0 makes
# hulls 5 to 15 % larger. Other decompositions lose 1 to 5 % of it.
SLACK_RATIO = 0.0025

# Flat things get a box: thinner ones fall through floors. Share of the diagonal.
MIN_THICKNESS_RATIO = 0.01
FLAT_RATIO = 1e-4
MIN_EXTENT_M = 1e-3

# Lines through the body by which volumes are measured, for cutting and for the report.
CUT_LINES = 5_000
MEASURE_LINES = 16_000
LINES_TOLERANCE = 0.03

# A body that fills less of its convex hull has no volume to speak of: sheets, hair, open shells.
MIN_BODY_RATIO = 0.01

# Points on all hulls together where their distance to the body is taken.
PROTRUSION_SAMPLES = 20_000
ASKED_AT_ONCE = 256
PRIMITIVE_VERTICES = 1_000  # of the triangles that stand for a ball while it is measured

NO_HULL = np.zeros((0, 3), np.int32), 0.0


def candidates(
    body: "Body", options: CollisionOptions, progress: Progress
) -> Iterator[tuple[CollisionKind, tuple[Hull, ...]]]:
    """Shapes to choose from, the one that costs engines least first; the last one is a way out."""
    mode, auto = options.mode, options.mode == "auto"
    points, faces = body.corners_m, body.hull_faces
    if len(faces) == 0:
        yield "box", (box_hull(_thin_box(points)),)
        return
    if mode == "box" or auto:
        yield "box", (box_hull(smallest_box(points, faces)),)
    if mode == "sphere" or auto:
        yield "sphere", (sphere_hull(smallest_sphere(points), options.max_vertices),)
    if mode == "capsule" or auto:
        yield "capsule", (capsule_hull(smallest_capsule(points), options.max_vertices),)
    if mode == "hull" or auto or (mode == "decompose" and options.max_hulls == 1):
        slack_cells = SLACK_RATIO * body.diagonal_m / body.grid.cell_m
        few = contain(body.corners, options.max_vertices, slack_cells=slack_cells)
        yield "hull", (written_hull(body.grid, few),)
    if (mode == "decompose" or auto) and options.max_hulls > 1:
        yield "decompose", _decomposed(body.mesh, options, progress)


def _decomposed(mesh: Mesh, options: CollisionOptions, progress: Progress) -> tuple[Hull, ...]:
    grid = grid_around(mesh.positions)
    points = grid.snap(mesh.positions)
    in_cells = Mesh(positions=points.astype(np.float32), faces=mesh.faces)

    def tick(fraction: float = 0.0) -> None:
        progress(Stage.COLLISION, 0.9 * fraction)

    parts = decompose(
        points,
        mesh.faces,
        solid_of(in_cells, Inside(in_cells), CUT_LINES, tick),
        max_hulls=options.max_hulls,
        max_vertices=options.max_vertices,
        slack_cells=SLACK_RATIO * diagonal(mesh) / grid.cell_m,
        tick=tick,
    )
    return tuple(written_hull(grid, part) for part in parts)


def _thin_box(points: Float64Array) -> Box:
    """A box along the principal axes, thick enough to collide with."""
    axes = _principal_axes(points)
    if np.ptp(np.einsum("ni,i->n", points, axes[1])) > 0:
        axes = box_axes_around(points, axes[0])
    box = box_along(points, axes)
    thinnest = max(
        MIN_THICKNESS_RATIO * float(np.linalg.norm(box.size_m)),
        MIN_EXTENT_M,
        1e-6 * float(np.abs(box.center_m).max()),  # what float32 can hold there
    )
    x, y, z = (max(length, thinnest) for length in box.size_m)
    return Box(center_m=box.center_m, axes=box.axes, size_m=(x, y, z))


def _principal_axes(points: Float64Array) -> Float64Array:
    """Rows `[3, 3]`, the direction of the least extent first."""
    away = points - points.mean(axis=0)
    _, axes = np.linalg.eigh(np.einsum("ni,nj->ij", away, away))  # same on any thread count
    rows: Float64Array = axes.T
    return rows


class Body:
    """What is to be collided with, ready to be compared with hulls.

    mesh: without unused vertices. grid: for its points.
    corners: `[N, 3]` corners of its convex hull on the grid, corners_m in metres, hull_faces the
    triangles between them; without faces and with all points where the body is flat.
    """

    def __init__(self, mesh: Mesh, tick: Callable[[], None]) -> None:
        self.diagonal_m = diagonal(mesh)
        self.mesh = without_unused_vertices(mesh)
        self.grid = grid_around(self.mesh.positions)
        points = self.grid.snap(self.mesh.positions)
        self.corners = corners_of(points)
        self.hull_faces, hull_volume = hull_of(self.corners) if len(self.corners) else NO_HULL
        axes = _principal_axes(points.astype(np.float64))
        extents = np.ptp(np.einsum("ni,ji->nj", points, axes), axis=0)
        if len(self.corners) == 0 or extents.min() <= FLAT_RATIO * extents.max():
            self.corners, self.hull_faces = points, NO_HULL[0]
        self.corners_m = self.grid.positions(self.corners).astype(np.float64)
        self._inside = Inside(self.mesh)
        self._solid = solid_of(self.mesh, self._inside, MEASURE_LINES, tick)
        hull_volume_m3 = hull_volume * self.grid.cell_m**3
        self._has_volume = self._solid.volume > MIN_BODY_RATIO * hull_volume_m3
        self._has_volume &= len(self.hull_faces) > 0
        self._volume_m3 = self._solid.volume
        # Lines count walls along them to a line's width. A closed surface has an exact volume,
        # which differs by more than that only where parts overlap.
        exact_m3 = abs(signed_volume(self.mesh))
        is_near = abs(exact_m3 - self._volume_m3) <= LINES_TOLERANCE * self._volume_m3
        if is_near and topology(self.mesh).is_closed:
            self._volume_m3 = exact_m3
        self._to_surface = SurfaceDistance(self.mesh)

    def over_cover(self, hulls: tuple[Hull, ...]) -> float | None:
        """Volume of the hulls together over that of the body, if it has any."""
        if not self._has_volume:
            return None
        together_m3 = sum(_volume_m3(hull) for hull in hulls)
        if len(hulls) > 1:
            together_m3 -= overlap(
                self._solid, [(hull.positions.astype(np.float64), hull.faces) for hull in hulls]
            )
        return together_m3 / self._volume_m3

    def protrusion_m(self, hulls: tuple[Hull, ...], tick: Callable[[], None]) -> float:
        """How far points on the hulls are from the body at most, by 20,000 samples and corners."""
        places = []
        for hull in hulls:
            drawn = hull
            if isinstance(hull.primitive, Sphere):
                drawn = sphere_hull(hull.primitive, PRIMITIVE_VERTICES)
            elif isinstance(hull.primitive, Capsule):
                drawn = capsule_hull(hull.primitive, PRIMITIVE_VERTICES)
            surface = Mesh(positions=drawn.positions, faces=drawn.faces)
            places.append(sample_surface(surface, PROTRUSION_SAMPLES // len(hulls)))
            places.append(drawn.positions.astype(np.float64))
        points = np.concatenate(places)
        distances, _, _ = self._to_surface.nearest(points, tick)
        # Lines know what is inside, but for points nearer to the surface than to a line and where
        # a line runs through a hole. Those are asked for one by one, the farthest ones first.
        is_inside = are_inside(self._solid, points) & (distances > self._solid.size.max())
        points, distances = points[~is_inside], distances[~is_inside]
        by_distance = np.argsort(-distances, kind="stable")
        for start in range(0, len(by_distance), ASKED_AT_ONCE):
            asked = by_distance[start : start + ASKED_AT_ONCE]
            is_outside = ~self._inside.holds(points[asked], tick)
            if is_outside.any():
                return float(distances[asked][is_outside].max())
        return 0.0


def _volume_m3(hull: Hull) -> float:
    primitive = hull.primitive
    if isinstance(primitive, Box):
        return float(np.prod(primitive.size_m))
    if isinstance(primitive, Sphere):
        return 4 / 3 * np.pi * primitive.radius_m**3
    if isinstance(primitive, Capsule):
        return capsule_volume(primitive)
    return signed_volume(Mesh(positions=hull.positions, faces=hull.faces))
