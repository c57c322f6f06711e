"""What a mesh is like: areas, edges, parts, topology counts, distances.

The other files of this room and the quality report ask here. Nothing here changes a mesh.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.threads import in_threads
from pipeline.types import FloatArray, IntArray, Mesh

Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Distance queries cannot be interrupted; so many take 0.15 s even far from a million triangles.
QUERY_CHUNK = 4_096


@dataclass(frozen=True, kw_only=True)
class TopologyCounts:
    """How well the triangles of a mesh hang together. Vertices count as shared by index.

    component_count: parts that share no vertex.
    boundary_edge_count: edges with one face; non_manifold_edge_count: edges with more than two.
    winding_conflict_count: edges whose two faces run along them in the same direction.
    degenerate_face_count: faces without area. duplicate_face_count: faces whose three vertices
    an earlier face has already, in any order.
    """

    triangle_count: int
    vertex_count: int
    component_count: int
    boundary_edge_count: int
    non_manifold_edge_count: int
    winding_conflict_count: int
    degenerate_face_count: int
    duplicate_face_count: int

    @property
    def is_closed(self) -> bool:
        """Every edge has exactly two faces."""
        return self.boundary_edge_count == 0 and self.non_manifold_edge_count == 0


@dataclass(frozen=True, kw_only=True)
class Edges:
    """The undirected edges `E` of a mesh, each with its half-edges side by side.

    Half-edge `h` is the side of face `h // 3` that starts at the face's corner `h % 3`.

    half_edges: `[3F]` int32, sorted by edge, then by number.
    starts: `[E + 1]` int64; edge `e` owns `half_edges[starts[e]:starts[e + 1]]`.
    is_forward: `[3F]` bool by half-edge number: it runs from the lower vertex index to the higher.
    """

    half_edges: IntArray
    starts: NDArray[np.int64]
    is_forward: BoolArray

    @property
    def face_counts(self) -> NDArray[np.int64]:
        """`[E]`: how many faces have this edge."""
        return np.diff(self.starts)

    def sides(self, edges: NDArray[np.int64]) -> tuple[IntArray, IntArray]:
        """The first two half-edges of each of these edges; each must have at least two."""
        return self.half_edges[self.starts[edges]], self.half_edges[self.starts[edges] + 1]


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """How far two surfaces are apart, both ways.

    max_m, mean_m: distance to the nearest point of the other surface, metres.
    normal_deg: mean angle between the normals there, degrees: those that a renderer interpolates,
        smooth but for edges above 50 degrees, because a coarse ball shaded smooth looks right where
        its flat faces are 10 degrees off. Where the nearest point is on the back of a thin wall,
        the nearest one that faces the same way counts, within `max_m`; if there is none, the
        surface is seen turned away and counts as such.
    """

    max_m: float
    mean_m: float
    normal_deg: float


def _plain_indices(indices: IntArray) -> IntArray:
    """The same, as numba takes it: it compiles anew for read-only or strided arrays."""
    return np.require(indices, np.int32, ["C", "W"])


def _plain_positions(positions: FloatArray) -> FloatArray:
    return np.require(positions, np.float32, ["C", "W"])


def counting_argsort(keys: IntArray, size: int) -> IntArray:
    """Stable order of `keys`, all in [0, size).

    A sparse transpose is a counting sort: 4 times faster than numpy's stable argsort here.
    """
    from scipy.sparse import csr_array  # late: whoever reads options loads this file, too

    rows = np.arange(len(keys) + 1, dtype=np.int32)
    by_row = csr_array((np.ones(len(keys), np.int8), keys, rows), shape=(len(keys), size))
    order: IntArray = by_row.tocsc().indices.astype(np.int32, copy=False)
    return order


def components(count: int, a: IntArray, b: IntArray) -> tuple[int, IntArray]:
    """Label the connected components of `count` nodes with links `a[i]` to `b[i]`.

    Labels are numbered in the order of their lowest nodes.
    """
    from pipeline.mesh.measuring.counting import join

    return join(count, _plain_indices(a), _plain_indices(b))


def edges_of(faces: IntArray, vertex_count: int) -> Edges:
    """Find the edges of a mesh; see `Edges`."""
    from pipeline.mesh.measuring.counting import half_edges_by_edge

    half_edges, starts, is_forward = half_edges_by_edge(_plain_indices(faces), vertex_count)
    return Edges(half_edges=half_edges, starts=starts, is_forward=is_forward)


def next_in_face(half_edges: IntArray) -> IntArray:
    """The half-edges that follow these in their faces."""
    return np.where(half_edges % 3 == 2, half_edges - 2, half_edges + 1).astype(np.int32)


def corners(mesh: Mesh) -> tuple[Float64Array, Float64Array, Float64Array]:
    """The positions of the first, second and third corner of each face, `[F, 3]` each."""
    positions = mesh.positions.astype(np.float64)
    a, b, c = mesh.faces.T
    return positions[a], positions[b], positions[c]


def cross(a: Float64Array, b: Float64Array) -> Float64Array:
    """Cross products of rows, as `np.cross` but twice as fast on long arrays."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def area_vectors(mesh: Mesh) -> Float64Array:
    """`[F, 3]`: face normals whose length is the area, square metres."""
    from pipeline.mesh.measuring.counting import area_vectors_of

    return area_vectors_of(_plain_positions(mesh.positions), _plain_indices(mesh.faces))


def face_areas(mesh: Mesh) -> Float64Array:
    """`[F]`: areas in square metres."""
    vectors = area_vectors(mesh)
    areas: Float64Array = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return areas


def face_volumes(mesh: Mesh) -> Float64Array:
    """`[F]`: signed volumes of the tetrahedra from each face to the center of the bounding box.

    Their sum over a closed surface is its volume: positive when the faces look outward.
    """
    low, high = bounds(mesh)
    center = (low + high) / 2
    a, b, c = corners(mesh)
    volumes: Float64Array = np.einsum("ij,ij->i", a - center, cross(b - center, c - center)) / 6
    return volumes


def signed_volume(mesh: Mesh) -> float:
    """The enclosed volume in cubic metres, negative when inside out; see `face_volumes`."""
    return float(face_volumes(mesh).sum())


def bounds(mesh: Mesh) -> tuple[Float64Array, Float64Array]:
    """Lowest and highest corner of the box around the faces, `[3]` each. Needs a face."""
    used = mesh.positions[used_vertices(mesh)]
    return used.min(axis=0).astype(np.float64), used.max(axis=0).astype(np.float64)


def used_vertices(mesh: Mesh) -> NDArray[np.int64]:
    """The vertices that some face has, rising."""
    is_used = np.zeros(len(mesh.positions), bool)
    is_used[mesh.faces] = True
    return np.flatnonzero(is_used)


def diagonal(mesh: Mesh) -> float:
    """Length of the bounding box's diagonal, metres."""
    low, high = bounds(mesh)
    return float(np.linalg.norm(high - low))


def face_components(mesh: Mesh) -> tuple[int, IntArray]:
    """Number the parts that share no vertex: their count and, per face, which one `[F]`."""
    from pipeline.mesh.measuring.counting import join_faces

    _, of_vertex = join_faces(_plain_indices(mesh.faces), len(mesh.positions))
    of_face = of_vertex[mesh.faces[:, 0]]
    is_used = np.zeros(len(mesh.positions), bool)  # vertices without faces are no parts
    is_used[of_face] = True
    rank = np.cumsum(is_used, dtype=np.int32) - 1
    return int(is_used.sum()), rank[of_face]


def degenerate_faces(mesh: Mesh) -> BoolArray:
    """`[F]`: which faces are points or lines.

    A line is a face whose height is below a 1e-6th of its longest side: float32 positions do not
    hold a direction for its normal.
    """
    from pipeline.mesh.measuring.counting import flat_faces

    return flat_faces(_plain_positions(mesh.positions), _plain_indices(mesh.faces))


def duplicate_faces(faces: IntArray, vertex_count: int) -> tuple[IntArray, IntArray]:
    """Faces that repeat the vertices of an earlier face, and that earlier face, `[N]` each.

    Ordered by their vertices, lowest first.
    """
    from pipeline.mesh.measuring.counting import first_alike

    first = first_alike(_plain_indices(faces))
    repeated = np.flatnonzero(first != np.arange(len(faces))).astype(np.int32)
    lowest, middle, highest = np.sort(faces[repeated], axis=1).T
    repeated = repeated[np.lexsort((repeated, highest, middle, lowest))]
    return repeated, first[repeated]


def topology(mesh: Mesh) -> TopologyCounts:
    """Count what a mesh is made of. Weld first, or every UV seam counts as a boundary."""
    edges = edges_of(mesh.faces, len(mesh.positions))
    counts = edges.face_counts
    h, g = edges.sides(np.flatnonzero(counts == 2))
    return TopologyCounts(
        triangle_count=len(mesh.faces),
        vertex_count=len(used_vertices(mesh)),
        component_count=face_components(mesh)[0],
        boundary_edge_count=int((counts == 1).sum()),
        non_manifold_edge_count=int((counts > 2).sum()),
        winding_conflict_count=int((edges.is_forward[h] == edges.is_forward[g]).sum()),
        degenerate_face_count=int(degenerate_faces(mesh).sum()),
        duplicate_face_count=len(duplicate_faces(mesh.faces, len(mesh.positions))[0]),
    )


def sample_surface(mesh: Mesh, count: int) -> Float64Array:
    """Spread `count` points over the surface, as many per area everywhere, `[count, 3]`.

    Always the same points for the same mesh: faces are taken at equal steps of accumulated area,
    places inside them from an additive recurrence.

    Source: Roberts, The Unreasonable Effectiveness of Quasirandom Sequences, 2018 (R2).
    """
    total = np.cumsum(face_areas(mesh))
    steps = (np.arange(count) + 0.5) / count
    face = np.minimum(np.searchsorted(total, steps * total[-1], side="right"), len(total) - 1)
    plastic = 1.3247179572447460
    uv = (0.5 + np.arange(count)[:, None] / (plastic, plastic**2)) % 1.0
    uv = np.where(uv.sum(axis=1, keepdims=True) > 1, 1 - uv, uv)
    a, b, c = corners(Mesh(positions=mesh.positions, faces=mesh.faces[face]))
    points: Float64Array = a + uv[:, :1] * (b - a) + uv[:, 1:] * (c - a)
    return points


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Points spread evenly over a surface, neighbors in a row.

    points: `[N, 3]` metres. faces: `[N]` the faces that they lie on.
    """

    points: Float64Array
    faces: NDArray[np.int64]


class SurfaceDistance:
    """Distances to one mesh."""

    def __init__(self, mesh: Mesh, tick: Callable[[], None] = lambda: None) -> None:
        """Sort the faces: 0.25 s per million.

        Args:
            mesh: At least one face.
            tick: Called about every 0.05 s per million faces; may raise to stop.
        """
        from pipeline.surface_tree import build_tree

        self._positions = _plain_positions(mesh.positions)
        self._faces = _plain_indices(mesh.faces)
        self._tree = build_tree(self._positions, self._faces, tick)

    def nearest(
        self, points: Float64Array, tick: Callable[[], None]
    ) -> tuple[Float64Array, NDArray[np.int64], Float64Array]:
        """Find the nearest surface point of each of `points` `[N, 3]`.

        Three times faster where neighbors stand in a row. Of equally near faces the first counts.

        Args:
            points: Places to ask for.
            tick: Called about every 0.1 s; may raise to stop.

        Returns:
            Distances in metres `[N]`, faces `[N]`, and the points on them `[N, 3]`.
        """
        return self._nearest(points, np.empty((0, 3)), np.inf, tick)

    def nearest_alike(
        self,
        points: Float64Array,
        normals: Float64Array,
        within_m: float,
        tick: Callable[[], None],
    ) -> tuple[Float64Array, NDArray[np.int64], Float64Array]:
        """As `nearest`, but only on faces whose normal is less than 90 degrees from the point's.

        Where no such face is within `within_m`, the face is -1 and the rest means nothing.
        """
        return self._nearest(points, np.ascontiguousarray(normals), within_m, tick)

    def _nearest(
        self,
        points: Float64Array,
        normals: Float64Array,
        within_m: float,
        tick: Callable[[], None],
    ) -> tuple[Float64Array, NDArray[np.int64], Float64Array]:
        from pipeline.surface_tree import nearest_faces

        tree = self._tree
        points = np.ascontiguousarray(points, dtype=np.float64)
        squared, face, place = np.empty(len(points)), np.empty(len(points), np.int64), points.copy()

        def find(start: int) -> None:
            part = slice(start, start + QUERY_CHUNK)
            nearest_faces(
                tree.corners,
                tree.faces,
                tree.boxes,
                tree.level_starts,
                points[part],
                normals[part],
                within_m**2,
                squared[part],
                face[part],
                place[part],
            )

        in_threads(find, range(0, len(points), QUERY_CHUNK), tick)
        return np.sqrt(squared), face, place

    def farthest_of(
        self, other: "SurfaceDistance", at_least_m: float, tick: Callable[[], None]
    ) -> float:
        """The largest distance from any point of `other` to this mesh, metres.

        Args:
            other: Where to look from.
            at_least_m: Returned if it is more. The more it is, the faster.
            tick: Called about every 0.1 s; may raise to stop.
        """
        from pipeline.mesh.measuring.farthest import farthest

        return farthest(other._tree, other._positions, other._faces, self._tree, at_least_m, tick)

    def samples(self, count: int) -> Samples:
        """Spread `count` points evenly over the surface; always the same."""
        from pipeline.surface_tree import spread_points

        points, at = np.empty((count, 3)), np.empty(count, np.int64)
        spread_points(self._tree.corners, self._end_areas, points, at)
        return Samples(points=points, faces=self._tree.faces[at].astype(np.int64))

    def normals_at(self, faces: NDArray[np.int64], places: Float64Array) -> Float64Array:
        """The normals that the surface is shaded with, `[N, 3]`; see `shading_normals`."""
        from pipeline.mesh.measuring.shading_normals import shading_normals

        return shading_normals(self._positions, self._faces, self._smooth_normals, faces, places)

    @cached_property
    def _end_areas(self) -> Float64Array:
        from pipeline.surface_tree import add_up_areas

        return add_up_areas(self._tree.corners)

    @cached_property
    def _smooth_normals(self) -> FloatArray:
        from pipeline.mesh.measuring.shading_normals import smooth_normals

        return smooth_normals(self._positions, self._faces)


def deviation(
    mesh: Mesh,
    reference: Mesh,
    to_reference: SurfaceDistance,
    sample_count: int,
    tick: Callable[[], None],
) -> Deviation:
    """Measure how far two surfaces are apart, both ways.

    The means are over `sample_count` points spread evenly over each surface. The maximum is over
    all points of both, within 3 % or 0.005 % of the diagonal; see `farthest`.

    Args:
        mesh: The one that approximates.
        reference: The one that is right.
        to_reference: Distances to `reference`, to be built once for several meshes.
        sample_count: Points per surface.
        tick: Called about every 0.1 s; may raise to stop.
    """
    to_mesh = SurfaceDistance(mesh, tick)
    ways = [
        _Way(source, target, sample_count, tick)
        for source, target in ((to_mesh, to_reference), (to_reference, to_mesh))
    ]
    worst = max(float(way.distances.max()) for way in ways)
    for way in reversed(ways):  # from the finer surface it is quickly found and helps the other
        worst = way.target.farthest_of(way.source, worst, tick)
    return Deviation(
        max_m=worst,
        mean_m=sum(float(way.distances.mean()) for way in ways) / 2,
        normal_deg=sum(way.mean_angle_deg(worst, tick) for way in ways) / 2,
    )


class _Way:
    """One of the two ways of a deviation: from points on `source` to the nearest on `target`."""

    def __init__(
        self,
        source: SurfaceDistance,
        target: SurfaceDistance,
        sample_count: int,
        tick: Callable[[], None],
    ) -> None:
        self.source, self.target = source, target
        self._samples = source.samples(sample_count)
        self.distances, self._faces, self._places = target.nearest(self._samples.points, tick)

    def mean_angle_deg(self, within_m: float, tick: Callable[[], None]) -> float:
        """The mean angle between the normals of both surfaces, degrees."""
        normals = self.source.normals_at(self._samples.faces, self._samples.points)
        others = self.target.normals_at(self._faces, self._places)
        is_behind = np.flatnonzero(np.einsum("ij,ij->i", normals, others) < 0)
        _, faces, places = self.target.nearest_alike(
            self._samples.points[is_behind], normals[is_behind], within_m, tick
        )
        is_found = faces >= 0
        others[is_behind[is_found]] = self.target.normals_at(faces[is_found], places[is_found])
        cosines = np.einsum("ij,ij->i", normals, others)
        return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean())
