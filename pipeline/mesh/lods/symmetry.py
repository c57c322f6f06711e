"""A mesh that is its own mirror image: one half of it, and the whole of a half."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from pipeline.mesh.measuring.measure import (
    Float64Array,
    SurfaceDistance,
    area_vectors,
    edges_of,
)
from pipeline.mesh.repairing.manifold import split_non_manifold, without_unused_vertices
from pipeline.threads import polled
from pipeline.types import FloatArray, IntArray, Mesh

# Vertices that are so near, as a share of the diagonal, are at the same place.
TOLERANCE = 1e-5

# A face's middle may be so far from the other side's surface: the two triangles of a quad that is
# not flat are often divided the same way on both sides, instead of mirrored.
_QUAD_TOLERANCE = 1e-3

# Vertices that are looked for on the other side before all are. Where there is no symmetry the
# first is mostly enough: 1 ms per million vertices and axis.
_FIRST_LOOKS = 32


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A mirror plane across an axis. at_m: where it cuts the axis; a float32 holds it."""

    axis: int
    at_m: float

    def mirror(self, vectors: Float64Array, origin_m: float) -> Float64Array:
        """The images of `[N, 3]` places (`origin_m` is `at_m`) or directions (it is 0)."""
        images = vectors.copy()
        images[:, self.axis] = 2 * origin_m - vectors[:, self.axis]
        return images


@dataclass(frozen=True, kw_only=True)
class Half:
    """What of a symmetric mesh is on the positive side of its mirror plane.

    mesh: open along the plane. The vertices there lie on it exactly, all others off it.
    face_source: `[F]` int32: the face of the whole that each is or is a piece of.
    across: `[F]` int32: the face of the whole where its mirror image is.
    """

    mesh: Mesh
    plane: Plane
    face_source: IntArray
    across: IntArray


def find_half(mesh: Mesh, labels: IntArray | None, tick: Callable[[], None]) -> Half | None:
    """Cut a mesh in half if its surface is its own mirror image across x, y or z.

    Only planes through the middle of the bounding box are tried, x first. Every vertex must have a
    partner and every face must have its image on the surface; how quads are divided into triangles
    may differ. A mesh with faces in the plane counts as not symmetric across it.

    Args:
        mesh: Without unused vertices.
        labels: `[F]` or None; where two faces have the same, their images must have the same, too,
            though it may be another than theirs.
        tick: Called about every 0.1 s; may raise to stop.
    """
    columns = [mesh.positions[:, axis] for axis in range(3)]
    low, high = (np.array([end(c) for c in columns], np.float64) for end in (np.min, np.max))
    size_m = float(np.linalg.norm(high - low))
    tolerance_m = TOLERANCE * size_m
    for axis in range(3):
        middle_m = float(np.float32((low[axis] + high[axis]) / 2))
        plane = Plane(axis=axis, at_m=0.0 if abs(middle_m) <= tolerance_m else middle_m)
        if not _some_have_partners(mesh, plane, tolerance_m):
            continue
        if not polled(partial(_all_have_partners, mesh, plane, tolerance_m), tick):
            continue
        across = _images(mesh, plane, _QUAD_TOLERANCE * size_m, tick)
        if across is None or (labels is not None and not _is_one_to_one(labels, labels[across])):
            continue
        if half := _cut(mesh, plane, across, tolerance_m):
            return half
    return None


def whole_of(half: Mesh, plane: Plane) -> tuple[Mesh, IntArray, int]:
    """Put a half and its mirror image together, sharing the vertices on the plane.

    Faces that lie in the plane would be back to back with their own image; they are left out.

    Returns:
        The mesh; the face of the half that each of its faces is or is the image of; how many come
        before the images.
    """
    is_off = half.positions[:, plane.axis] != np.float32(plane.at_m)
    kept = np.flatnonzero(is_off[half.faces].any(axis=1)).astype(np.int32)
    image_of = np.arange(len(is_off), dtype=np.int32)
    image_of[is_off] = len(is_off) + np.arange(is_off.sum(), dtype=np.int32)
    faces = half.faces[kept]
    images = plane.mirror(half.positions[is_off].astype(np.float64), plane.at_m)
    positions = np.concatenate([half.positions, images.astype(np.float32)])
    faces = np.concatenate([faces, image_of[faces[:, ::-1]]])
    if len(kept) < len(half.faces):
        positions, faces = split_non_manifold(positions, faces)
    whole = without_unused_vertices(Mesh(positions=positions, faces=faces))
    return whole, np.concatenate([kept, kept]), len(kept)


def _some_have_partners(mesh: Mesh, plane: Plane, tolerance_m: float) -> bool:
    """Whether a few vertices are on the other side, too."""
    positions = mesh.positions
    few = positions[:: max(len(positions) // _FIRST_LOOKS, 1)].astype(np.float64)
    for image in plane.mirror(few, plane.at_m):
        near = positions[np.flatnonzero(np.abs(positions[:, 0] - image[0]) <= tolerance_m)]
        if not (np.abs(near - image) <= tolerance_m).all(axis=1).any():
            return False
    return True


def _all_have_partners(mesh: Mesh, plane: Plane, tolerance_m: float) -> bool:
    from scipy.spatial import cKDTree  # late: whoever reads options loads this file, too

    positions = mesh.positions.astype(np.float64)
    # A balanced tree takes twice as long to build, and forever where many places are equal.
    tree = cKDTree(positions, balanced_tree=False)
    images = plane.mirror(positions, plane.at_m)
    distances, _ = tree.query(images, distance_upper_bound=2 * tolerance_m)
    return bool((distances <= tolerance_m).all())


def _images(mesh: Mesh, plane: Plane, within_m: float, tick: Callable[[], None]) -> IntArray | None:
    """`[F]`: the face nearest to the image of each face's middle; None where one is too far."""
    middles = mesh.positions[mesh.faces].mean(axis=1, dtype=np.float64)
    images = plane.mirror(middles, plane.at_m)
    normals = plane.mirror(area_vectors(mesh), 0.0)
    _, faces, _ = SurfaceDistance(mesh, tick).nearest_alike(images, normals, within_m, tick)
    return None if (faces < 0).any() else faces.astype(np.int32)


def _is_one_to_one(labels: IntArray, others: IntArray) -> bool:
    pairs = np.unique(np.stack([labels, others], axis=1), axis=0)
    return len(pairs) == len(np.unique(labels)) == len(np.unique(others))


def _cut(mesh: Mesh, plane: Plane, across: IntArray, tolerance_m: float) -> Half | None:
    """The half on the positive side; None if faces lie in the plane, or a hole on one side only."""
    away = mesh.positions[:, plane.axis].astype(np.float64) - plane.at_m
    away[np.abs(away) <= tolerance_m] = 0.0
    sides = away[mesh.faces]
    lowest, highest = sides.min(axis=1), sides.max(axis=1)
    if ((lowest == 0) & (highest == 0)).any() or np.sign(away)[_border_vertices(mesh)].sum() != 0:
        return None
    positions = mesh.positions.copy()
    positions[away == 0.0, plane.axis] = plane.at_m
    uncut = np.flatnonzero((lowest >= 0) & (highest > 0))
    crossing = np.flatnonzero((lowest < 0) & (highest > 0)).astype(np.int32)
    places, pieces, piece_source = _pieces(positions, mesh.faces, crossing, away, plane)
    face_source = np.concatenate([uncut, piece_source]).astype(np.int32)
    whole = Mesh(
        positions=np.concatenate([positions, places]),
        faces=np.concatenate([mesh.faces[uncut], pieces]),
    )
    return Half(
        mesh=without_unused_vertices(whole),
        plane=plane,
        face_source=face_source,
        across=across[face_source],
    )


def _border_vertices(mesh: Mesh) -> IntArray:
    """Where each border edge starts."""
    edges = edges_of(mesh.faces, len(mesh.positions))
    sides = edges.half_edges[edges.starts[:-1][edges.face_counts == 1]]
    vertices: IntArray = mesh.faces.ravel()[sides]
    return vertices


def _pieces(
    positions: FloatArray,
    faces: IntArray,
    crossing: IntArray,
    away: Float64Array,
    plane: Plane,
) -> tuple[FloatArray, IntArray, IntArray]:
    """What of the faces that cross the plane is on its positive side.

    Returns:
        New vertices, to stand behind `positions`; the pieces, `[N, 3]`; the face of each.
    """
    places: list[FloatArray] = []
    of_edge: dict[tuple[int, int], int] = {}

    def vertex_between(start: int, end: int) -> int:
        a, b = min(start, end), max(start, end)
        if (a, b) not in of_edge:
            of_edge[a, b] = len(positions) + len(places)
            share = away[a] / (away[a] - away[b])
            place = ((1 - share) * positions[a] + share * positions[b]).astype(np.float32)
            place[plane.axis] = plane.at_m
            places.append(place)
        return of_edge[a, b]

    pieces: list[tuple[int, int, int]] = []
    source: list[int] = []
    for face in crossing.tolist():
        corners = faces[face].tolist()
        outline: list[int] = []
        for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
            if away[start] >= 0:
                outline.append(start)
            if away[start] * away[end] < 0:
                outline.append(vertex_between(start, end))
        fan = list(pairwise(outline[1:]))
        pieces += [(outline[0], b, c) for b, c in fan]
        source += [face] * len(fan)
    return (
        np.array(places, np.float32).reshape(-1, 3),
        np.array(pieces, np.int32).reshape(-1, 3),
        np.array(source, np.int32),
    )
