"""Fewer triangles, never more than the budget."""

import ctypes
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import BudgetUnreachable, InvalidInput
from pipeline.mesh.lods.symmetry import TOLERANCE, Half, Plane, find_half, whole_of
from pipeline.mesh.measuring.measure import (
    SurfaceDistance,
    bounds,
    deviation,
    diagonal,
    duplicate_faces,
    edges_of,
    face_areas,
    face_components,
    topology,
)
from pipeline.mesh.remeshing.remesh import watertight
from pipeline.mesh.repairing.manifold import (
    drop_degenerate,
    split_non_manifold,
    tidy,
    without_unused_vertices,
)
from pipeline.threads import polled
from pipeline.types import FloatArray, IntArray, Mesh, Progress, Silent, Stage

if TYPE_CHECKING:
    from pipeline.mesh.lods.collapse import Rules, Tables
    from pipeline.mesh.lods.fit import Points

logger = logging.getLogger(__name__)

MIN_TARGET_COUNT = 4  # a tetrahedron

# Down to this many times the target, and never further than to so many triangles, edges go in
# sweeps: that is fast. From there the cheapest one goes first, which is accurate. At three times
# the target LOD0 would be 2 % nearer.
SWITCH_RATIO = 2
MIN_SWITCH_COUNT = 20_000

# What an edge may cost in a sweep: as the cheapest seventh, at least four times as much as in the
# one before. With twice as much LOD0 is 1 % nearer and all takes a third longer.
SWEEP_SHARE = 0.15
SWEEP_GROWTH = 4.0

# Half-edges of a sweep, and queue entries, to look at between two reports: 0.1 s.
SWEEP_STEPS, QUEUE_STEPS = 400_000, 20_000

# A collapsed mesh with far fewer triangles than asked, or without so many of its parts and so much
# of its area, has been damaged by the attempt: other ways are tried, too. Dust may go.
MIN_FILL_RATIO = 0.8
MAX_LOST_RATIO = 0.5
MIN_AREA_RATIO = 0.8

# Cells along the longest side when parts are fused: a few triangles more than the target, so that
# holes and handles too small for it close.
FUSE_RESOLUTIONS = (12, 64)

# A face that is no higher than this share of its coordinates has no direction that float32 knows.
LEAST_HEIGHT = 1e-5

# A closed way to simplify a closed mesh is taken even if it is so much farther off.
OPEN_PENALTY = 1.5

# A symmetric LOD is taken although its mean deviation is so much larger.
SYMMETRY_PENALTY = 1.1

# Points per surface when two ways to simplify are compared.
COMPARE_SAMPLES = 4_000


@dataclass(frozen=True, kw_only=True)
class Simplified:
    """A mesh with fewer triangles.

    mesh: without unused vertices. face_source: `[F]` int32: the face of the first input that each
    face descends from. Where faces were made anew, as by fusing parts, it is the nearest one.
    """

    mesh: Mesh
    face_source: IntArray


class Simplifier:
    """Reduces a mesh in one or more steps, each from the one before.

    Each step is fitted to the input, so a chain of LODs from one simplifier is nearer to it than
    the same chain from several. A mesh that is its own mirror image stays so, as long as that costs
    little; see `find_half` for which are.
    """

    def __init__(
        self,
        mesh: Mesh,
        *,
        labels: IntArray | None = None,
        is_merging_allowed: bool = True,
        progress: Progress,
    ) -> None:
        """Take a mesh; the work begins with the first `reduce`.

        Args:
            mesh: Triangles that agree on their front. What is no manifold is split.
            labels: `[F]`, the material or part of each face; borders between them are kept, though
                less strictly than those of the surface. None if all are of one kind.
            is_merging_allowed: Whether a budget that collapsing edges does not reach may be kept
                by dropping parts or, if that is worse, by making the surface anew.
            progress: Reports `Stage.SIMPLIFY`.

        Raises:
            InvalidInput: If `mesh` has no triangles, or not one label for each.
        """
        if len(mesh.faces) == 0:
            raise InvalidInput("the mesh has 0 triangles: export at least one")
        if labels is not None and len(labels) != len(mesh.faces):
            raise InvalidInput(
                f"labels must have one value per triangle, got {len(labels)} for "
                f"{len(mesh.faces)} triangles"
            )
        self._original, self._labels = mesh, labels
        self._is_merging_allowed, self._progress = is_merging_allowed, progress
        self._now = Simplified(mesh=mesh, face_source=np.arange(len(mesh.faces), dtype=np.int32))
        self._work: _Collapsing | None = None
        self._mirrored: _Mirrored | None = None

    def reduce(self, *, target_count: int, max_error_m: float | None = None) -> Simplified:
        """Reduce the number of triangles to `target_count` or fewer, keeping the shape.

        A closed surface stays closed, edges keep at most two faces, and borders keep their outline.
        The same calls give the same bytes.

        Args:
            target_count: Most triangles of the result, at least 4. A mesh that has no more is
                returned as it is.
            max_error_m: Leave out collapses whose new vertex is farther off than this from the
                surface that it stands for, by their own estimate: a root mean square over planes,
                about a third of the largest deviation. The result may then have more triangles.
                None for no such limit.

        Raises:
            InvalidInput: If the target is below 4 or the error is negative.
            BudgetUnreachable: If no way that is allowed leads to the budget.
        """
        if target_count < MIN_TARGET_COUNT:
            raise InvalidInput(
                f"target_count must be at least {MIN_TARGET_COUNT}, got {target_count}"
            )
        if max_error_m is not None and not max_error_m >= 0:
            raise InvalidInput(f"max_error_m must not be negative, got {max_error_m}")
        self._progress(Stage.SIMPLIFY, 0.0)
        before = len(self._now.mesh.faces)
        if before > target_count:
            result = self._reduced(target_count, max_error_m)
            self._now = self._symmetric(result, max_error_m)
        logger.info("simplify: %d -> %d faces", before, len(self._now.mesh.faces))
        self._progress(Stage.SIMPLIFY, 1.0)
        return self._now

    def _reduced(self, target_count: int, max_error_m: float | None) -> Simplified:
        if self._work is None:
            tick = _Fraction(self._progress, 0.0)
            self._work = _Collapsing(self._now, self._labels, self._is_merging_allowed, tick)
            if self._now.mesh is self._original:
                half = find_half(self._original, self._labels, tick)
                self._mirrored = _Mirrored(half, self._labels, tick) if half else None
        work = self._work
        work.reach(target_count, max_error_m, self._progress)
        result = work.result()
        if max_error_m is not None:
            return result
        if not self._is_merging_allowed:
            if len(result.mesh.faces) > target_count:
                raise _unreachable(target_count, len(result.mesh.faces))
            return result
        lost_count = work.lost_part_count
        if (
            len(result.mesh.faces) > target_count
            or len(result.mesh.faces) < MIN_FILL_RATIO * target_count
            or (
                lost_count > MAX_LOST_RATIO * work.part_count
                and face_areas(result.mesh).sum() < MIN_AREA_RATIO * self._area
            )
        ):
            tick = _Fraction(self._progress, 0.95)
            best = _nearest_way(self._original, result.mesh, target_count, self._progress)
            if best is not result.mesh:
                result = Simplified(
                    mesh=best, face_source=_nearest_faces(best, self._original, tick)
                )
                self._work = self._labels = None  # there is no way back to what has been collapsed
        elif lost_count > 0:
            self._progress.warn(
                Stage.SIMPLIFY,
                f"at {target_count} triangles {lost_count} of {work.part_count} separate "
                "parts vanish: give this LOD more triangles to keep them",
            )
        return result

    def _symmetric(self, plain: Simplified, max_error_m: float | None) -> Simplified:
        """A symmetric mesh with as many faces, if there is one that is about as good."""
        if self._mirrored is None:
            return plain
        if self._work is None or self._work.lost_part_count > 0:
            self._mirrored = None  # a half on its own loses no parts, nor can it be fused
            return plain
        mirrored = self._mirrored.reduce(len(plain.mesh.faces), max_error_m, self._progress)
        return mirrored if self._is_about_as_good(mirrored.mesh, plain.mesh) else plain

    def _is_about_as_good(self, mirrored: Mesh, plain: Mesh) -> bool:
        if not 0 < len(mirrored.faces) <= len(plain.faces):
            return False
        found, expected = topology(mirrored), topology(plain)
        if (
            found.non_manifold_edge_count > expected.non_manifold_edge_count
            or found.winding_conflict_count > expected.winding_conflict_count
            or found.degenerate_face_count > expected.degenerate_face_count
            or found.duplicate_face_count > expected.duplicate_face_count
            or found.is_closed < expected.is_closed
        ):
            return False
        unseen_m = TOLERANCE * diagonal(self._original)
        allowed_m = max(SYMMETRY_PENALTY * self._mean_deviation_m(plain), unseen_m)
        return self._mean_deviation_m(mirrored) <= allowed_m

    def _mean_deviation_m(self, mesh: Mesh) -> float:
        """As `deviation`'s, which would also look for the largest and take ten times as long."""
        tick = _Fraction(self._progress, 0.95)
        to_mesh = SurfaceDistance(mesh, tick)
        there, back = (
            to.nearest(of.samples(COMPARE_SAMPLES).points, tick)[0]
            for to, of in ((to_mesh, self._to_original), (self._to_original, to_mesh))
        )
        return float(there.mean() + back.mean()) / 2

    @cached_property
    def _to_original(self) -> SurfaceDistance:
        return SurfaceDistance(self._original, _Fraction(self._progress, 0.95))

    @cached_property
    def _area(self) -> float:
        return float(face_areas(self._original).sum())


def simplify(mesh: Mesh, *, target_count: int, progress: Progress) -> Mesh:
    """Reduce the number of triangles once; see `Simplifier`, with merging allowed."""
    return Simplifier(mesh, progress=progress).reduce(target_count=target_count).mesh


class _Fraction:
    """Reports how far a stage is; rises as it is told."""

    def __init__(self, progress: Progress, done: float) -> None:
        self._progress, self.done = progress, done

    def __call__(self) -> None:
        self._progress(Stage.SIMPLIFY, self.done)


class _Held(Silent):
    """Lets work be stopped whose share in the whole is not known."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._progress(stage, 0.95)


class _Mirrored:
    """One half of a symmetric mesh whose edges are being collapsed; the other is its image."""

    def __init__(self, half: Half, labels: IntArray | None, tick: Callable[[], None]) -> None:
        faces = np.arange(len(half.mesh.faces), dtype=np.int32)
        start = Simplified(mesh=half.mesh, face_source=faces)
        labels = None if labels is None else labels[half.face_source]
        # Caps would close the half along the plane.
        self._half, self._work = half, _Collapsing(start, labels, False, tick)

    def reduce(
        self, target_count: int, max_error_m: float | None, progress: Progress
    ) -> Simplified:
        """The whole with at most so many triangles, or with more where it goes no further."""
        if self._work.face_count > target_count // 2:
            self._work.reach(target_count // 2, max_error_m, _Held(progress))
            self._work.press_onto(self._half.plane)
        reduced = self._work.result()
        mesh, source, image_start = whole_of(reduced.mesh, self._half.plane)
        source = reduced.face_source[source]
        return Simplified(
            mesh=mesh,
            face_source=np.concatenate(
                [
                    self._half.face_source[source[:image_start]],
                    self._half.across[source[image_start:]],
                ]
            ),
        )


class _Collapsing:
    """A mesh whose edges are being collapsed, and the points that it is fitted to."""

    def __init__(
        self,
        start: Simplified,
        labels: IntArray | None,
        is_merging_allowed: bool,
        tick: Callable[[], None],
    ) -> None:
        # Late: loading compiled code takes a moment, and whoever reads options loads this file.
        from pipeline.mesh.lods import collapse

        positions, faces = start.mesh.positions, np.ascontiguousarray(start.mesh.faces, np.int32)
        kept = np.arange(len(faces), dtype=np.int32)
        faces, kept = polled(lambda: drop_degenerate(positions, faces, kept), tick)
        if len(faces) == 0:
            raise InvalidInput("no triangle of the mesh has an area: export at least one")
        low, high = bounds(start.mesh)
        self._low, self._scale = low, collapse.SIZE / float(np.linalg.norm(high - low))
        self._labels = None if labels is None else labels[kept]
        tables = polled(lambda: self._laid_out(positions, faces), tick)
        if polled(lambda: collapse.connect(tables.corners, tables.out), tick):
            positions, faces = polled(lambda: split_non_manifold(positions, faces), tick)
            tables = self._laid_out(positions, faces)
            if polled(lambda: collapse.connect(tables.corners, tables.out), tick):
                # The surface touches itself along an edge in a way that splitting does not undo.
                corners = tables.corners
                positions = positions[collapse.split_fans(corners)]
                faces = corners[:, 0].reshape(-1, 3).copy()
                tables = self._laid_out(positions, faces)
                tables.corners[:] = corners
                collapse.find_outs(corners, tables.out)
        self._tables = tables
        self._positions, self._faces = positions, faces
        self._source = start.face_source[kept]
        self._is_merging_allowed = is_merging_allowed
        self._is_accurate = False
        self._vertex_now = np.arange(len(positions), dtype=np.int32)
        self._points: Points | None = None
        self._face_parts = np.zeros(len(faces), np.int32)  # by `_switch`
        self.part_count = 1

    def _laid_out(self, positions: FloatArray, faces: IntArray) -> "Tables":
        from pipeline.mesh.lods.collapse import tables_of

        return tables_of((positions - self._low) * self._scale, faces, self._labels)

    @property
    def lost_part_count(self) -> int:
        """How many of the parts that the mesh began with have no face any more."""
        from pipeline.mesh.lods import collapse

        _, source = collapse.left_faces(self._tables)
        return self.part_count - len(np.unique(self._face_parts[source]))

    @property
    def face_count(self) -> int:
        """How many faces are left; `result` may have fewer."""
        from pipeline.mesh.lods import collapse

        return collapse.face_count(self._tables)

    def reach(self, target_count: int, max_error_m: float | None, progress: Progress) -> None:
        """Collapse down to the target, or as far as it goes, and fit the result to the input."""
        from pipeline.mesh.lods import collapse

        start = collapse.face_count(self._tables)
        report = _Fraction(progress, 0.0)

        def tick() -> None:
            done = (start - collapse.face_count(self._tables)) / max(start - target_count, 1)
            report.done = max(report.done, min(0.9 * done, 0.9))
            report()

        error = np.inf if max_error_m is None else max_error_m * self._scale
        rules = collapse.CAREFUL._replace(max_error=error)
        if not self._is_accurate:
            switch_count = max(SWITCH_RATIO * target_count, MIN_SWITCH_COUNT)
            polled(lambda: collapse.gather_all(self._tables), tick)
            if start > switch_count:
                self._sweep(rules, switch_count, tick)
            self._switch(tick)
        elif self._is_merging_allowed:
            self._tables = collapse.with_parts(self._tables)  # caps may have made some
        collapse.gather_all(self._tables)
        caps = collapse.HOLES if self._is_merging_allowed else collapse.NO_CAPS
        self._collapse(rules._replace(caps=caps), target_count, tick)
        left = np.inf
        while max_error_m is None and target_count < collapse.face_count(self._tables) < left:
            left = collapse.face_count(self._tables)
            rules = collapse.ROUGH
            if self._is_merging_allowed:
                rules = rules._replace(caps=collapse.ALL_CAPS)
                self._tables = collapse.with_parts(self._tables)
            self._collapse(rules, target_count, tick)
        if collapse.face_count(self._tables) < start:
            self._fit(tick)

    def _sweep(self, rules: "Rules", stop_count: int, tick: Callable[[], None]) -> None:
        from pipeline.mesh.lods import collapse

        place, most = np.zeros(3, np.float32), 0.0
        costs = np.zeros(collapse.POWERS, np.int64)
        polled(lambda: collapse.count_costs(self._tables, costs), tick)
        costs[0] += 1  # even where every seventh is no edge
        while collapse.face_count(self._tables) > stop_count and costs.any():
            below = np.cumsum(costs)
            power = int(np.searchsorted(below, SWEEP_SHARE * below[-1]))
            most = max(2.0 ** (power - 126), SWEEP_GROWTH * most)
            costs[:] = 0
            for first in range(0, len(self._tables.corners), SWEEP_STEPS):
                end = min(first + SWEEP_STEPS, len(self._tables.corners))
                collapse.sweep(self._tables, rules, place, most, stop_count, first, end, costs)
                tick()

    def _collapse(self, rules: "Rules", stop_count: int, tick: Callable[[], None]) -> None:
        from pipeline.mesh.lods import collapse

        place, state = np.zeros(3, np.float32), collapse.QUEUE_FULL
        while state != collapse.DONE:
            if state == collapse.QUEUE_FULL:
                collapse.enqueue_all(self._tables)
            state = collapse.collapse(self._tables, rules, place, stop_count, QUEUE_STEPS)
            tick()

    def _switch(self, tick: Callable[[], None]) -> None:
        """From sweeps to the queue."""
        from pipeline.mesh.lods import collapse

        tick()
        left = self._tables.corners[::3, 0] >= 0
        normals = _facing(self._positions, self._faces[left])
        self._tables, faces, self._vertex_now = collapse.compacted(
            self._tables, normals, has_room_for_caps=self._is_merging_allowed
        )
        self._source = self._source[faces]
        if self._is_merging_allowed:
            self._tables = collapse.with_parts(self._tables)
            corners, _ = collapse.left_faces(self._tables)
            self._face_parts = self._tables.parts[corners[:, 0]]
            self.part_count = len(self._tables.part_vertex)
        self._is_accurate = True

    def _fit(self, tick: Callable[[], None]) -> None:
        from pipeline.mesh.lods import collapse, fit

        count = fit.POINTS_PER_FACE * collapse.face_count(self._tables)
        if self._points is None:
            positions = ((self._positions - self._low) * self._scale).astype(np.float32)
            self._points = polled(lambda: fit.spread(positions, self._faces, count), tick)
            vertex = self._vertex_now[self._points.vertex]
            self._points = self._points._replace(vertex=vertex)
        # Every n-th is as evenly spread as all, and a coarser mesh needs no more later.
        step = max(len(self._points.vertex) // max(count, 1), 1)
        collapse.find_roots(self._tables.parent)
        vertex = self._points.vertex[::step]
        self._points = fit.Points(
            np.ascontiguousarray(self._points.places[::step]),
            np.ascontiguousarray(self._points.normals[::step]),
            np.where(vertex < 0, -1, self._tables.parent[vertex]).astype(np.int32),
        )
        fit.fit(self._tables, self._points, tick)

    def press_onto(self, plane: Plane) -> None:
        """Put the vertices that come from one on `plane` on it, and all others above it.

        The mesh began on its upper side. Where it began without a vertex there, nothing is done.
        """
        from pipeline.mesh.lods import collapse

        began_there = self._positions[:, plane.axis] == np.float32(plane.at_m)
        if not began_there.any():
            return
        vertices = self._vertex_now[began_there]
        tables = self._tables
        collapse.find_roots(tables.parent)
        is_there = np.zeros(len(tables.out), bool)
        is_there[tables.parent[vertices[vertices >= 0]]] = True
        # The plane is where the box around the mesh begins, so its coordinate is exactly 0.
        lowest = TOLERANCE * collapse.SIZE
        is_low = tables.vertices[:, plane.axis] < lowest
        for vertex in np.flatnonzero((tables.out >= 0) & (is_there | is_low)).tolist():
            place = tables.vertices[vertex, :3].astype(np.float64)
            place[plane.axis] = 0.0 if is_there[vertex] else lowest
            collapse.move(tables, vertex, *place.tolist())

    def result(self) -> Simplified:
        """What is left."""
        from pipeline.mesh.lods import collapse

        faces, source = collapse.left_faces(self._tables)
        positions = (self._tables.vertices[:, :3] / self._scale + self._low).astype(np.float32)
        whole_count = len(faces)
        # Rounding may have flattened a face, and a part may have lost its volume.
        faces, source = drop_degenerate(positions, faces, source)
        repeated, first = duplicate_faces(faces, len(positions))
        if len(repeated):
            is_kept = np.ones(len(faces), bool)
            is_kept[repeated] = is_kept[first] = False
            faces, source = faces[is_kept], source[is_kept]
        if len(faces) < whole_count:
            positions, faces = split_non_manifold(positions, faces)
        mesh = without_unused_vertices(Mesh(positions=positions, faces=faces))
        return Simplified(mesh=mesh, face_source=self._source[source])


def _nearest_faces(mesh: Mesh, others: Mesh, tick: Callable[[], None]) -> IntArray:
    """`[F]`: for each face of `mesh` the one of `others` that is nearest to its middle."""
    centers = mesh.positions[mesh.faces].mean(axis=1, dtype=np.float64)
    _, face, _ = SurfaceDistance(others).nearest(centers, tick)
    return face.astype(np.int32)


def _facing(positions: FloatArray, faces: IntArray) -> FloatArray:
    """`[F, 3]` unit normals; 0 for needles, whose direction is rounding."""
    corners = positions[faces].astype(np.float64)
    sides = np.roll(corners, -1, axis=1) - corners
    normals = np.cross(sides[:, 0], sides[:, 1])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    longest = np.linalg.norm(sides, axis=2).max(axis=1, keepdims=True)
    is_known = lengths > LEAST_HEIGHT * longest * float(np.abs(positions).max())
    return np.where(is_known, normals / np.maximum(lengths, 1e-300), 0.0).astype(np.float32)


def _unreachable(target_count: int, smallest_count: int) -> BudgetUnreachable:
    return BudgetUnreachable(
        f"the mesh cannot be brought to {target_count} triangles, only to {smallest_count}: "
        "raise the budget or remesh it watertight",
        smallest_count,
    )


def _nearest_way(mesh: Mesh, collapsed: Mesh, target_count: int, progress: Progress) -> Mesh:
    """Of the ways to few triangles that are rougher than collapsing edges, take the nearest.

    Args:
        mesh: What to reduce.
        collapsed: As far as collapsing edges led: over the target, or damaged.
        target_count: Most triangles of the result.
        progress: For the warning.
    """
    tick = _Fraction(progress, 0.95)
    ways = [
        ("loses small parts", collapsed),
        ("keeps only the largest parts", _largest_parts(mesh, target_count)),
        ("keeps only the largest parts", _largest_parts(collapsed, target_count)),
        ("merges vertices by a grid", _clustered(mesh, target_count, tick)),
    ]
    low, high = FUSE_RESOLUTIONS
    if solid := watertight(mesh, int(np.clip(1.2 * target_count**0.5, low, high)), tick):
        ways.append(("fuses all parts into one", _fused(solid, target_count, progress)))
    reached = [(name, way) for name, way in ways if 0 < len(way.faces) <= target_count]
    if not reached:
        raise _unreachable(target_count, min(len(way.faces) for _, way in ways if len(way.faces)))
    to_mesh = SurfaceDistance(mesh)
    measured = [
        (deviation(way, mesh, to_mesh, COMPARE_SAMPLES, tick).mean_m, name, way)
        for name, way in reached
    ]
    if _is_closed(mesh):
        acceptable_m = OPEN_PENALTY * min(mean_m for mean_m, _, _ in measured)
        closed = [way for way in measured if way[0] <= acceptable_m and _is_closed(way[2])]
        measured = closed or measured
    mean_m, name, best = min(measured, key=lambda way: way[0])
    progress.warn(
        Stage.SIMPLIFY,
        f"the LOD of {target_count} triangles {name}, as its shape does not collapse so far: it "
        f"is {100 * mean_m / diagonal(mesh):.2g} % of its size off on average; give it more",
    )
    return best


def _fused(solid: Mesh, target_count: int, progress: Progress) -> Mesh:
    """Reduce a mesh whose parts have been fused, as far as it goes."""
    whole = Simplified(mesh=solid, face_source=np.arange(len(solid.faces), dtype=np.int32))
    if len(solid.faces) > target_count:
        work = _Collapsing(whole, None, True, _Fraction(progress, 0.95))
        work.reach(target_count, None, _Held(progress))
        return work.result().mesh
    return solid


def _largest_parts(mesh: Mesh, target_count: int) -> Mesh:
    """Keep whole parts, by area, as long as they fit the budget."""
    count, part = face_components(mesh)
    sizes = np.bincount(part, minlength=count)
    areas = np.bincount(part, face_areas(mesh), minlength=count)
    is_kept = np.zeros(count, bool)
    for index in np.argsort(-areas, kind="stable"):
        if sizes[index] <= target_count:
            is_kept[index] = True
            target_count -= sizes[index]
    return without_unused_vertices(Mesh(positions=mesh.positions, faces=mesh.faces[is_kept[part]]))


def _is_closed(mesh: Mesh) -> bool:
    return bool((edges_of(mesh.faces, len(mesh.positions)).face_counts > 1).all())


def _clustered(mesh: Mesh, target_count: int, tick: Callable[[], None]) -> Mesh:
    """Merge vertices by the cells of a grid, whatever becomes of the surface."""
    positions = np.ascontiguousarray(mesh.positions, dtype=np.float32)
    faces = np.ascontiguousarray(mesh.faces, dtype=np.uint32)
    result = np.empty_like(faces)
    error = ctypes.c_float()
    # A largest error of 1, the whole extent: the count alone decides.
    index_count = polled(
        lambda: _library().meshopt_simplifySloppy(
            result.ctypes.data,
            faces.ctypes.data,
            faces.size,
            positions.ctypes.data,
            len(positions),
            positions.strides[0],
            3 * target_count,
            1.0,
            ctypes.byref(error),
        ),
        tick,
    )
    kept = result.reshape(-1)[:index_count].reshape(-1, 3).astype(np.int32)
    return tidy(without_unused_vertices(Mesh(positions=mesh.positions, faces=kept)))


@cache
def _library() -> ctypes.CDLL:
    """The shared library of the `meshoptimizer` package.

    The package's own functions are avoided: they take 2-D index arrays for a third of their length
    and views of arrays for contiguous ones, without an error.
    """
    spec = find_spec("meshoptimizer")
    assert spec is not None
    assert spec.origin is not None
    (path,) = Path(spec.origin).parent.glob("_meshoptimizer*.[sp][oy]*")
    library = ctypes.CDLL(str(path))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.meshopt_simplifySloppy.argtypes = [
        *(pointer, pointer, size, pointer, size, size, size, ctypes.c_float, pointer)
    ]
    library.meshopt_simplifySloppy.restype = size
    return library
