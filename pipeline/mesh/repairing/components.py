"""The parts of a mesh, which share no vertices: dust, sheets and bodies."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.mesh.measuring.measure import BoolArray, Float64Array, components
from pipeline.types import IntArray, Mesh

# A part whose holes together are less than this share of its area is a body with tears: it has an
# inside, and its volume tells which side that is.
TORN_RATIO = 0.01


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Which part of `P` everything belongs to, numbered by their lowest vertices.

    of_face: `[F]` int32. of_vertex: `[V]` int32, 0 for vertices without faces.
    areas: `[P]` square metres.
    """

    of_face: IntArray
    of_vertex: IntArray
    areas: Float64Array

    def __len__(self) -> int:
        return len(self.areas)

    def are_bodies(self, vertices: IntArray, areas: Float64Array) -> BoolArray:
        """`[P]`: which parts are closed but for tears.

        Args:
            vertices: `[L]`, one of each border. areas: `[L]` square metres, of their lids.
        """
        openings = np.bincount(self.of_vertex[vertices], areas, len(self))
        bodies: BoolArray = openings <= TORN_RATIO * self.areas
        return bodies

    def without(self, is_dropped: BoolArray) -> "Parts":
        """The parts that are left when those in `is_dropped`, `[P]`, go with their faces."""
        number = np.cumsum(~is_dropped, dtype=np.int32) - 1
        return Parts(
            of_face=number[self.of_face[~is_dropped[self.of_face]]],
            of_vertex=np.maximum(number[self.of_vertex], 0),
            areas=self.areas[~is_dropped],
        )

    def with_lids(self, faces: IntArray) -> "Parts":
        """The same with faces `[N, 3]` more, whose first vertices are old ones."""
        return replace(self, of_face=np.concatenate([self.of_face, self.of_vertex[faces[:, 0]]]))


def find_parts(mesh: Mesh) -> Parts:
    """Number the parts of a mesh with at least one face."""
    from pipeline.mesh.repairing.half_edges import sum_parts

    a, b, c = mesh.faces.T
    _, cluster = components(len(mesh.positions), np.concatenate([a, a]), np.concatenate([b, c]))
    is_used = np.zeros(len(mesh.positions), bool)  # vertices without faces are no parts
    is_used[cluster[a]] = True
    number = np.maximum(np.cumsum(is_used, dtype=np.int32) - 1, 0)
    of_face = number[cluster[a]]
    count = int(is_used.sum())
    return Parts(
        of_face=of_face,
        of_vertex=number[cluster],
        areas=sum_parts(mesh.positions, mesh.faces, of_face, count).areas,
    )
