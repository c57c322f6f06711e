"""Which point of the dense surface does a point of a LOD stand for."""

from dataclasses import dataclass
from functools import cached_property

import igl
import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from pipeline.texture.interpolate import barycentrics
from pipeline.types import Surface

_LEAST_REACH = 0.02  # of the diagonal: how far the right side of a wall is looked for
_REACH_PER_DISTANCE = 4.0  # or this many times what 99 % of the points are away from the surface
_MAX_CROSSINGS = 4  # surfaces seen from behind that a ray passes before it gives up


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Points on the dense surface.

    faces: `[N]` int64. barycentrics: `[N, 3]` float64, weights of the face's corners.
    is_missed: `[N]` whether only a side facing away was found; the point is then on that.
    """

    faces: NDArray[np.int64]
    barycentrics: NDArray[np.float64]
    is_missed: NDArray[np.bool_]


class Projector:
    """Finds the point of a dense surface nearest to a given one, on the side that faces its way.

    The plain nearest point is the wrong one at thin walls, where the back is as near as the front:
    on a helmet of double walls, for 24 % of the texels of the last LOD. Where the nearest face
    looks the other way, rays along the normal find the nearest one, out or in, that does not.
    """

    def __init__(self, surface: Surface) -> None:
        # igl takes only these types; converted once, not for each query
        self._positions = surface.positions.astype(np.float64)
        self._faces = surface.faces.astype(np.int64)
        corners = self._positions[self._faces]
        self._normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self._diagonal = float(np.linalg.norm(np.ptp(corners.reshape(-1, 3), axis=0)))
        self._tree = igl.AABB()
        self._tree.init(self._positions, self._faces)

    @cached_property
    def scene(self) -> EmbreeScene:
        """The faces, for rays; built on the first use, since many surfaces have no wrong side."""
        scene = EmbreeScene()
        TriangleMesh(scene, self._positions.astype(np.float32), self._faces.astype(np.int32))
        return scene

    def project(self, points: NDArray[np.float64], normals: NDArray[np.float64]) -> Hits:
        """Project `[N, 3]` points with `[N, 3]` outward normals of any length."""
        squared, faces, nearest = self._tree.squared_distance(self._positions, self._faces, points)
        weights = barycentrics(self._positions, self._faces, faces, nearest)
        is_missed = np.einsum("nc,nc->n", self._normals[faces], normals) < 0
        if is_missed.any():
            wrong = np.flatnonzero(is_missed)
            usual = np.sqrt(np.quantile(squared, 0.99))
            reach = max(_LEAST_REACH * self._diagonal, _REACH_PER_DISTANCE * usual)
            found, ray_faces, ray_weights = self._along_normal(
                points[wrong], normals[wrong], float(reach)
            )
            faces[wrong[found]] = ray_faces[found]
            weights[wrong[found]] = ray_weights[found]
            is_missed[wrong[found]] = False
        return Hits(faces=faces, barycentrics=weights, is_missed=is_missed)

    def _along_normal(
        self, points: NDArray[np.float64], normals: NDArray[np.float64], reach: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
        """Return the nearest faces, out or in, that look along the normals."""
        count = len(points)
        distances = np.full(count, reach)
        faces = np.full(count, -1, np.int64)
        weights = np.zeros((count, 3))
        outward = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        for directions in (outward, -outward):
            travelled = np.zeros(count)
            active = np.arange(count)
            for _ in range(_MAX_CROSSINGS):
                hit = self.scene.run(
                    (points[active] + directions[active] * travelled[active, None]).astype(
                        np.float32
                    ),
                    directions[active].astype(np.float32),
                    query="INTERSECT",
                    output=True,
                )
                hit_something = hit["primID"] >= 0
                active = active[hit_something]
                hit_faces = hit["primID"][hit_something].astype(np.int64)
                travelled[active] += hit["tfar"][hit_something]
                nearer = travelled[active] < distances[active]
                front = (self._normals[hit_faces] * outward[active]).sum(axis=1) > 0
                taken = nearer & front
                target = active[taken]
                distances[target] = travelled[target]
                faces[target] = hit_faces[taken]
                u, v = (hit[name][hit_something][taken].astype(np.float64) for name in "uv")
                weights[target] = np.stack([1 - u - v, u, v], axis=1)
                active = active[nearer & ~front]
                travelled[active] += 1e-5 * self._diagonal  # past the face just seen
                if not len(active):
                    break
        return faces >= 0, faces, weights
