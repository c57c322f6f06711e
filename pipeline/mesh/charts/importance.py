"""What charts are worth: how much of them can be seen from where. Imported late, as numba is."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import area_vectors
from pipeline.mesh.repairing.sight import Sight
from pipeline.types import IntArray, Mesh

_RAYS = range(16)
_LEAST_DENSITY = 0.5


def importance(mesh: Mesh, face_charts: IntArray, tick: Callable[[], None]) -> NDArray[np.float64]:
    """Return `[C]`, the texel density that each chart is worth, in [0.5, 1].

    1 is for what every ray from its faces leaves unhindered, 0.5 for what nobody can see. Of what
    looks straight down, half as much counts as seen: assets stand on the ground.

    Takes 0.05 s for 20,000 faces; `tick` is called meanwhile and may raise to stop.
    """
    vectors = area_vectors(mesh)
    areas = np.linalg.norm(vectors, axis=1)
    sight = Sight(mesh, np.zeros(len(mesh.faces), np.int32))
    every = np.arange(len(mesh.faces))
    seen = sight.escapes(every, _RAYS, tick) / len(_RAYS)
    seen *= 1 + np.minimum(vectors[:, 1] / areas, 0) / 2
    mean = np.bincount(face_charts, seen * areas) / np.bincount(face_charts, areas)
    return np.asarray(_LEAST_DENSITY + (1 - _LEAST_DENSITY) * mean)
