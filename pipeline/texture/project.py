"""Which point of the dense surface does a point of a LOD stand for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.surface_packets import (
    LEAST_POINTS,
    MOST_FACES,
    gather,
    nearest_of,
    packet_end,
)
from pipeline.surface_tree import build_tree, facing, scratch, to_triangle, walk
from pipeline.threads import in_threads
from pipeline.types import FloatArray, IntArray, Surface

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

_LEAST_REACH = 0.02  # of the diagonal: how far the right side of a wall is looked for
_REACH_PER_DISTANCE = 4.0  # or this many times what 99 % of the points are away from the surface
_POINTS_PER_STEP = 16_384


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Points on the dense surface.

    faces: `[N]` int64. barycentrics: `[N, 3]` float64, weights of the face's corners.
    is_missed: `[N]` whether only a side facing away was found; the point is then on that.
    """

    faces: NDArray[np.int64]
    barycentrics: NDArray[np.float64]
    is_missed: NDArray[np.bool_]

    def at(self, which: NDArray[np.intp]) -> "Hits":
        """Some of the hits."""
        return Hits(
            faces=self.faces[which],
            barycentrics=self.barycentrics[which],
            is_missed=self.is_missed[which],
        )


class Projector:
    """Finds the point of a dense surface nearest to a given one, on the side that faces its way.

    The plain nearest point is the wrong one at thin walls, where the back is as near as the front:
    on a helmet of double walls, for 24 % of the texels of the last LOD. Where the nearest face
    looks the other way, the nearest one in reach that does not is taken.
    """

    def __init__(self, surface: Surface, step: Callable[[], None]) -> None:
        """Sort the faces of `surface`; `step` is called now and then and may raise to stop."""
        self._positions = np.ascontiguousarray(surface.positions, np.float32)
        faces = np.ascontiguousarray(surface.faces, np.int32)
        self._tree = build_tree(self._positions, faces, step)
        low, high = surface.positions.min(axis=0), surface.positions.max(axis=0)
        self._diagonal = float(np.linalg.norm(high.astype(np.float64) - low))

    def reach_m(
        self,
        points: NDArray[np.float64],
        normals: NDArray[np.float64],
        step: Callable[[], None],
    ) -> float:
        """How far to look for the right side of a wall, given `[N, 3]` points of one LOD."""
        if not len(points):
            return _LEAST_REACH * self._diagonal
        squared = np.empty(len(points))

        def look(start: int) -> None:
            some = slice(start, start + _POINTS_PER_STEP)
            nowhere = np.zeros(len(squared[some]))
            _, _, squared[some] = self._nearest(points[some], normals[some], nowhere)

        in_threads(look, range(0, len(points), _POINTS_PER_STEP), step)
        usual = float(np.sqrt(np.quantile(squared, 0.99)))
        return max(_LEAST_REACH * self._diagonal, _REACH_PER_DISTANCE * usual)

    def project(
        self,
        points: NDArray[np.floating],
        normals: NDArray[np.floating],
        reaches_m: NDArray[np.float64],
    ) -> Hits:
        """Project `[N, 3]` points with outward normals of any length; `reaches_m` is `[N]`.

        Fastest where neighbors come one after another, best in blocks. Can run in several threads
        at a time.
        """
        faces, weights, _ = self._nearest(points, normals, reaches_m)
        return Hits(
            faces=np.where(faces < 0, -1 - faces, faces),
            barycentrics=weights,
            is_missed=faces < 0,
        )

    def _nearest(
        self,
        points: NDArray[np.floating],
        normals: NDArray[np.floating],
        reaches_m: NDArray[np.float64],
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        faces = np.empty(len(points), np.int64)
        weights, squared = np.empty((len(points), 3)), np.empty(len(points))
        tree = self._tree
        _project(
            tree.corners,
            tree.faces,
            tree.boxes,
            tree.level_starts,
            np.ascontiguousarray(points, np.float64),
            np.ascontiguousarray(normals, np.float64),
            reaches_m,
            faces,
            weights,
            squared,
        )
        return faces, weights, squared


@_kernel
def _project(
    corners: FloatArray,
    tree_faces: IntArray,
    boxes: FloatArray,
    level_starts: NDArray[np.int64],
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    reaches_m: NDArray[np.float64],
    faces: NDArray[np.int64],
    weights: NDArray[np.float64],
    squared: NDArray[np.float64],
) -> None:
    """Write the face, as -1 - face where it is missed, and the weights of its corners.

    squared: `[N]`, the distance to the nearest face, whichever way it looks.
    reaches_m: `[N]`; 0 takes the nearest face as it is.
    """
    stack, distances = scratch()
    near = np.empty(MOST_FACES, np.int64)
    around = np.empty((6, MOST_FACES))
    last, end, near_count = -1, 0, -1
    for i in range(len(points)):
        if i == end:
            end = packet_end(points, i, last, boxes)
            near_count = -1
            if end - i >= LEAST_POINTS:
                near_count = gather(
                    corners,
                    tree_faces,
                    boxes,
                    level_starts,
                    points,
                    i,
                    end,
                    last,
                    stack,
                    distances,
                    near,
                    around,
                )
        point = (points[i, 0], points[i, 1], points[i, 2])
        normal = (normals[i, 0], normals[i, 1], normals[i, 2])
        best, found = np.inf, -1
        if last >= 0:  # texels come in blocks: the last one's face is near
            best, _, _ = to_triangle(corners[last], point[0], point[1], point[2])
            found = last
        if near_count >= 0:
            best, found = nearest_of(
                corners, tree_faces, near, around, near_count, point, best, found, distances
            )
        else:
            best, found = walk(
                corners,
                tree_faces,
                boxes,
                level_starts,
                point,
                (0.0, 0.0, 0.0),
                -1.0,
                best,
                found,
                stack,
                distances,
            )
        squared[i] = best
        last = found
        is_missed = False
        reach = reaches_m[i] ** 2
        if reach > 0.0 and facing(corners[found], normal) < 0.0:
            _, alike = walk(
                corners,
                tree_faces,
                boxes,
                level_starts,
                point,
                normal,
                -1.0,
                reach,
                -1,
                stack,
                distances,
            )
            is_missed = alike < 0
            if not is_missed:
                found = alike
        _, s, t = to_triangle(corners[found], point[0], point[1], point[2])
        weights[i, 0], weights[i, 1], weights[i, 2] = 1.0 - s - t, s, t
        face = np.int64(tree_faces[found])
        faces[i] = -1 - face if is_missed else face
