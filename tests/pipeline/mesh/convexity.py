"""Whether hulls are convex and what is outside of them: not by the code that made them."""

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull

from pipeline.mesh.measuring.measure import signed_volume
from pipeline.types import Hull, Mesh
from tests.pipeline.mesh.shapes import is_closed_manifold


def as_mesh(hull: Hull) -> Mesh:
    return Mesh(positions=hull.positions, faces=hull.faces)


def assert_convex(hull: Hull) -> None:
    """Closed, outward, and no corner above any face: in exact arithmetic on the float32 values."""
    assert is_closed_manifold(as_mesh(hull))
    assert len(np.unique(hull.faces)) == len(hull.positions)
    assert signed_volume(as_mesh(hull)) > 0
    # Every float32 is a whole number of some power of two: objects hold whole numbers of any size.
    smallest = min(Fraction(float(value)).denominator ** -1 for value in hull.positions.ravel())
    scale = int(1 / Fraction(smallest))
    corners = np.array(
        [[int(Fraction(float(value)) * scale) for value in row] for row in hull.positions], object
    )
    a, b, c = (corners[hull.faces[:, k]] for k in range(3))
    u, v = b - a, c - a
    normals = np.stack(
        [u[:, i] * v[:, j] - u[:, j] * v[:, i] for i, j in ((1, 2), (2, 0), (0, 1))], 1
    )
    heights = normals.dot(corners.T) - (normals * a).sum(axis=1)[:, None]
    assert (heights <= 0).all()
    assert (normals != 0).any(axis=1).all()


def depths_outside(points: ArrayLike, hulls: tuple[Hull, ...]) -> NDArray[np.float64]:
    """How far points are outside all of the hulls, at least; negative inside."""
    per_hull = []
    for hull in hulls:
        equations = ConvexHull(hull.positions.astype(np.float64)).equations
        per_hull.append((np.asarray(points) @ equations[:, :3].T + equations[:, 3]).max(axis=1))
    least: NDArray[np.float64] = np.min(per_hull, axis=0)
    return least
