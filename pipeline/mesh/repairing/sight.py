"""What can be seen of a mesh: rays from its faces, on a proxy of it. Imported late, as numba is."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import (
    BoolArray,
    Float64Array,
    area_vectors,
    bounds,
    diagonal,
    face_areas,
)
from pipeline.threads import in_threads
from pipeline.types import FloatArray, IntArray, Mesh

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

# A mesh of more triangles is looked at by a proxy of about so many: the scene of rays is then built
# in 0.1 s, which nobody can interrupt, and what is seen hardly changes.
PROXY_FACES = 100_000
EXACT_FACES = 200_000

# Triangles of the proxy per square cell that the surface takes up, measured.
FACES_PER_CELL = 3.0

# Finest cells, so that their numbers fit in 64 bits with those of 100 million parts.
FINEST_CELL_RATIO = 1 / 2048

# Where rays start above the surface, as a share of the diagonal.
OFFSET_RATIO = 1e-4

# Rays at a time: 0.05 s.
RAY_CHUNK = 262_144

# Whether a point is inside is asked in these directions, unlike any that a modeler would choose.
CROSSING_DIRECTIONS = np.array(
    [(0.8362, 0.4815, 0.2623), (-0.3719, 0.7548, 0.5403), (0.2086, -0.5629, 0.7998)], np.float32
)
MOST_CROSSINGS = 256

# Steps of Roberts' additive recurrence in four dimensions: a place on the face and a direction.
_STEP = 1.1673039782614187 ** -np.arange(1.0, 5.0)


@dataclass(frozen=True, kw_only=True)
class Rays:
    """Rays `R`, those of one face side by side.

    origins, directions: `[R, 3]`, unit length. lengths: `[R]` metres, infinite where nothing is.
    """

    origins: FloatArray
    directions: FloatArray
    lengths: FloatArray


class Sight:
    """Casts rays from the faces of a mesh, or of a proxy that stands for it.

    The proxy merges the vertices of a part that are near and look the same way, so the two sides of
    a wall stay two however thin it is, and a closed surface stays closed.

    Attributes:
        positions, faces: The proxy.
        face_part: `[F]` of the proxy, which part of the mesh each of its faces stands for.
        areas: `[F]` of the proxy, square metres.
        vertex: `[V]` of the mesh, the vertex of the proxy that each became.
        is_exact: Whether the proxy is the mesh.
        cell_m: How far vertices that became one can be apart along an axis, metres.
    """

    def __init__(self, mesh: Mesh, part: IntArray) -> None:
        """Prepare rays: 0.5 s per million triangles.

        Args:
            mesh: What to look at.
            part: `[F]`, which part each face belongs to; parts share no vertices.
        """
        self.diagonal_m = diagonal(mesh)
        self.is_exact = len(mesh.faces) <= EXACT_FACES
        self.cell_m = 0.0
        if self.is_exact:
            self.positions, self.faces, self.face_part = mesh.positions, mesh.faces, part
            self.vertex = np.arange(len(mesh.positions), dtype=np.int32)
        else:
            self._merge(mesh, part)
        self.areas = face_areas(Mesh(positions=self.positions, faces=self.faces))
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, self.positions, self.faces)

    def _merge(self, mesh: Mesh, part: IntArray) -> None:
        """Make the proxy: one vertex per part, cell of a grid and side that is looked to."""
        low, high = bounds(mesh)
        area = face_areas(mesh).sum()
        cell = max(
            float(np.sqrt(FACES_PER_CELL * area / PROXY_FACES)), FINEST_CELL_RATIO * self.diagonal_m
        )
        self.cell_m = cell
        counts = ((high - low) / cell).astype(np.int64) + 1
        keys = _cluster_keys(mesh.positions, mesh.faces, part, low, cell, counts)
        _, cluster = np.unique(keys, return_inverse=True)
        sizes = np.bincount(cluster)
        self.positions = np.stack(
            [np.bincount(cluster, axis) / sizes for axis in mesh.positions.T], axis=1
        ).astype(np.float32)
        self.vertex = cluster.astype(np.int32)
        faces = self.vertex[mesh.faces]
        a, b, c = faces.T
        left = np.flatnonzero((a != b) & (b != c) & (c != a))
        self.faces, self.face_part = faces[left], part[left]

    def escapes(
        self,
        faces: NDArray[np.int64],
        rays: range,
        tick: Callable[[], None],
        *,
        from_back: bool = False,
    ) -> NDArray[np.int64]:
        """Count the rays of each face that meet nothing.

        Args:
            faces: `[N]`, where rays start.
            rays: Which rays of each face's endless, even sequence.
            tick: Called about every 0.1 s; may raise to stop.
            from_back: Whether they start from the back of the faces.
        """
        free = np.empty(len(faces), np.int64)
        step = max(1, RAY_CHUNK // len(rays))

        def count(start: int) -> None:
            chunk = slice(start, start + step)
            origins, directions = self._rays(faces[chunk], rays, from_back)
            blocked = self._scene.run(origins, directions, query="OCCLUDED")
            free[chunk] = (blocked < 0).reshape(-1, len(rays)).sum(axis=1)

        in_threads(count, range(0, len(faces), step), tick)
        return free

    def cast(self, faces: NDArray[np.int64], rays: range, *, from_back: bool = False) -> "Rays":
        """Cast the same rays and see how far they get."""
        origins, directions = self._rays(faces, rays, from_back)
        hit = self._scene.run(origins, directions, query="INTERSECT", output=True)
        lengths = np.where(hit["primID"] < 0, np.float32(np.inf), hit["tfar"])
        return Rays(origins=origins, directions=directions, lengths=lengths)

    def _rays(
        self, faces: NDArray[np.int64], rays: range, from_back: bool
    ) -> tuple[FloatArray, FloatArray]:
        offset = OFFSET_RATIO * self.diagonal_m
        side = -1.0 if from_back else 1.0
        return _spread_rays(
            self.positions, self.faces, faces, rays.start, rays.stop, side, offset, _STEP
        )

    def turned(self, is_turned: BoolArray) -> Self:
        """The same sight of a mesh in which parts, `[P]`, have been turned inside out."""
        sight = copy(self)
        flip = is_turned[self.face_part]
        sight.faces = np.where(flip[:, None], self.faces[:, ::-1], self.faces)
        return sight

    def are_inside(
        self, points: FloatArray, own_parts: NDArray[np.int64], is_counted: BoolArray
    ) -> BoolArray:
        """Which points closed parts go around, by how a ray from each crosses them.

        Args:
            points: `[N, 3]`. own_parts: `[N]`, a part that does not count for the point.
            is_counted: `[P]`, which parts count.

        Returns:
            `[N]`, the majority of three rays, as one may slip through an edge.
        """
        normals = area_vectors(Mesh(positions=self.positions, faces=self.faces))
        votes = np.zeros(len(points), np.int64)
        for direction in CROSSING_DIRECTIONS:
            turns = np.zeros(len(points), np.int64)
            origins = points.copy()
            active = np.arange(len(points))
            for _ in range(MOST_CROSSINGS):
                directions = np.tile(direction, (len(active), 1))
                hit = self._scene.run(origins[active], directions, query="INTERSECT", output=True)
                met = np.flatnonzero(hit["primID"] >= 0)
                active, face = active[met], hit["primID"][met]
                if len(active) == 0:
                    break
                part = self.face_part[face]
                counts = is_counted[part] & (part != own_parts[active])
                turns[active] += counts * np.sign(normals[face] @ direction).astype(np.int64)
                step = hit["tfar"][met] + np.float32(1e-6 * self.diagonal_m)
                origins[active] += step[:, None] * direction
            votes += turns != 0
        inside: BoolArray = votes >= 2
        return inside


@_kernel
def _cluster_keys(
    positions: FloatArray,
    faces: IntArray,
    part: IntArray,
    low: Float64Array,
    cell: float,
    counts: NDArray[np.int64],
) -> NDArray[np.int64]:
    """`[V]`: equal for vertices of one part in one cell whose faces look the same way."""
    normals = np.zeros((len(positions), 3))
    parts = np.zeros(len(positions), np.int32)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = positions[b] - positions[a]
        vx, vy, vz = positions[c] - positions[a]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
            parts[corner] = part[f]
    keys = np.empty(len(positions), np.int64)
    for v in range(len(positions)):
        side, longest = 0, -1.0
        for axis in range(3):
            if abs(normals[v, axis]) > longest:
                longest = abs(normals[v, axis])
                side = 2 * axis + (normals[v, axis] < 0)
        key = np.int64(parts[v])
        for axis in range(3):
            place = int((positions[v, axis] - low[axis]) / cell)
            key = key * counts[axis] + min(max(place, 0), counts[axis] - 1)
        keys[v] = key * 6 + side
    return keys


@_kernel
def _spread_rays(
    positions: FloatArray,
    faces: IntArray,
    which: NDArray[np.int64],
    first: int,
    last: int,
    side: float,
    offset: float,
    step: Float64Array,
) -> tuple[FloatArray, FloatArray]:
    """Rays `first` to `last` of faces: spread over the face, and by the cosine to its normal.

    Source: Roberts, The Unreasonable Effectiveness of Quasirandom Sequences, 2018; Duff et al.,
    Building an Orthonormal Basis, Revisited, 2017.
    """
    count = last - first
    origins = np.empty((len(which) * count, 3), np.float32)
    directions = np.empty((len(which) * count, 3), np.float32)
    for i in range(len(which)):
        f = which[i]
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = float(positions[a, 0]), float(positions[a, 1]), float(positions[a, 2])
        ux, uy, uz = positions[b, 0] - ax, positions[b, 1] - ay, positions[b, 2] - az
        vx, vy, vz = positions[c, 0] - ax, positions[c, 1] - ay, positions[c, 2] - az
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        scale = side / max(1e-300, np.sqrt(x * x + y * y + z * z))
        x, y, z = x * scale, y * scale, z * scale
        sign = 1.0 if z >= 0.0 else -1.0
        p = -1.0 / (sign + z)
        q = x * y * p
        shift = (f * 0.6180339887498949) % 1.0  # neighbors look elsewhere
        for k in range(count):
            n = first + k + 1
            s, t = (n * step[0]) % 1.0, (n * step[1]) % 1.0
            if s + t > 1.0:
                s, t = 1.0 - s, 1.0 - t
            s, t = 0.02 + 0.94 * s, 0.02 + 0.94 * t  # not on the very edge
            share = (n * step[2] + shift) % 1.0
            angle = 2.0 * np.pi * ((n * step[3] + 7.0 * shift) % 1.0)
            right, up = np.sqrt(share) * np.cos(angle), np.sqrt(share) * np.sin(angle)
            out = np.sqrt(1.0 - share)
            r = i * count + k
            directions[r, 0] = right * (1.0 + sign * x * x * p) + up * q + out * x
            directions[r, 1] = right * sign * q + up * (sign + y * y * p) + out * y
            directions[r, 2] = -right * sign * x - up * y + out * z
            origins[r, 0] = ax + s * ux + t * vx + offset * x
            origins[r, 1] = ay + s * uy + t * vy + offset * y
            origins[r, 2] = az + s * uz + t * vz + offset * z
    return origins, directions
