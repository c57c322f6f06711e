"""What a mesh is like: areas, edges, parts, topology counts, distances.

The other files of this room and the quality report ask here. Nothing here changes a mesh.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.types import IntArray, Mesh

Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Distance queries cannot be interrupted; so many take well under 0.25 s even far from the surface.
QUERY_CHUNK = 32_768


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
    """Two-sided distance between two surfaces, metres."""

    max_m: float
    mean_m: float


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
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    links = csr_array((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    found, labels = connected_components(links, directed=True, connection="weak")
    return int(found), labels.astype(np.int32, copy=False)


def edges_of(faces: IntArray, vertex_count: int) -> Edges:
    """Find the edges of a mesh; see `Edges`."""
    start = faces.ravel()
    end = np.roll(faces, -1, axis=1).ravel()
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = counting_argsort(high, vertex_count)
    order = order[counting_argsort(low[order], vertex_count)]
    low, high = low[order], high[order]
    is_new = np.ones(len(order) + 1, bool)
    is_new[1:-1] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return Edges(half_edges=order, starts=np.flatnonzero(is_new), is_forward=start < end)


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
    a, b, c = corners(mesh)
    vectors: Float64Array = 0.5 * cross(b - a, c - a)
    return vectors


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
    a, b, c = mesh.faces.T
    _, of_vertex = components(len(mesh.positions), np.concatenate([a, a]), np.concatenate([b, c]))
    of_face = of_vertex[a]
    is_used = np.zeros(len(mesh.positions), bool)  # vertices without faces are no parts
    is_used[of_face] = True
    rank = np.cumsum(is_used, dtype=np.int32) - 1
    return int(is_used.sum()), rank[of_face]


def degenerate_faces(mesh: Mesh) -> BoolArray:
    """`[F]`: which faces are points or lines.

    A line is a face whose height is below a 1e-6th of its longest side: float32 positions do not
    hold a direction for its normal.
    """
    a, b, c = corners(mesh)
    ab, bc, ca = b - a, c - b, a - c
    longest = np.maximum.reduce([np.einsum("ij,ij->i", side, side) for side in (ab, bc, ca)])
    normals = cross(ab, bc)
    flat: BoolArray = np.einsum("ij,ij->i", normals, normals) <= (1e-6 * longest) ** 2
    return flat


def duplicate_faces(faces: IntArray, vertex_count: int) -> tuple[IntArray, IntArray]:
    """Faces that repeat the vertices of an earlier face, and that earlier face, `[N]` each."""
    rows = np.sort(faces, axis=1)
    order = counting_argsort(rows[:, 2], vertex_count)
    order = order[counting_argsort(rows[order, 1], vertex_count)]
    order = order[counting_argsort(rows[order, 0], vertex_count)]
    rows = rows[order]
    is_first = np.ones(len(rows), bool)
    is_first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    first = order[np.flatnonzero(is_first)][np.cumsum(is_first) - 1]
    return order[~is_first], first[~is_first]


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


class SurfaceDistance:
    """Nearest points on one mesh. Building it takes 0.8 s per million triangles, in one go."""

    def __init__(self, mesh: Mesh) -> None:
        import igl

        self._positions = np.ascontiguousarray(mesh.positions, dtype=np.float64)
        self._faces = np.ascontiguousarray(mesh.faces, dtype=np.int64)
        self._tree = igl.AABB()
        self._tree.init(self._positions, self._faces)

    def nearest(
        self, points: Float64Array, tick: Callable[[], None]
    ) -> tuple[Float64Array, NDArray[np.int64], Float64Array]:
        """Find the nearest surface point of each of `points` `[N, 3]`.

        Args:
            points: Places to ask for.
            tick: Called about every 0.1 s; may raise to stop.

        Returns:
            Distances in metres `[N]`, faces `[N]`, and the points on them `[N, 3]`.
        """
        squared, face, place = np.empty(len(points)), np.empty(len(points), np.int64), points.copy()
        for start in range(0, len(points), QUERY_CHUNK):
            tick()
            part = slice(start, start + QUERY_CHUNK)
            squared[part], face[part], place[part] = self._tree.squared_distance(
                self._positions, self._faces, points[part]
            )
        return np.sqrt(np.maximum(squared, 0)), face, place


def deviation(
    mesh: Mesh,
    reference: Mesh,
    to_reference: SurfaceDistance,
    sample_count: int,
    tick: Callable[[], None],
) -> Deviation:
    """Measure how far two surfaces are apart, both ways.

    The mean is over `sample_count` points spread evenly over each surface. The maximum also looks
    at every vertex of both; between them a ridge can be missed, so it is a close lower bound.

    Args:
        mesh: The one that approximates.
        reference: The one that is right.
        to_reference: Distances to `reference`, to be built once for several meshes.
        sample_count: Points per surface.
        tick: Called about every 0.1 s; may raise to stop.
    """
    worst, means = 0.0, []
    for source, target in ((mesh, to_reference), (reference, SurfaceDistance(mesh))):
        samples = sample_surface(source, sample_count)
        vertices = source.positions[used_vertices(source)].astype(np.float64)
        distances, _, _ = target.nearest(np.concatenate([samples, vertices]), tick)
        worst = max(worst, float(distances.max()))
        means.append(float(distances[:sample_count].mean()))
    return Deviation(max_m=worst, mean_m=sum(means) / 2)
