"""Which way the asset faces, its metric size, and where its origin is."""

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.scene import transformed
from pipeline.types import Mesh, Surface

_Shape = TypeVar("_Shape", Mesh, Surface)
_Vector = NDArray[np.float64]

Pivot = Literal["bottom_center", "center", "keep", "custom"]
Direction = Literal[
    "positive_x", "negative_x", "positive_y", "negative_y", "positive_z", "negative_z"
]
Triple = tuple[float, float, float]

# Facets of a convex hull that differ by less are one: no scan is flatter.
_FLAT_DEG = 0.5


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Options of `placement`.

    height_m: Height the asset shall have, 0.001 to 10,000. None keeps an upload's size and makes a
        generated asset 1 m along its longest side.
    fit_m: Instead of it: the box (x, y, z) that the asset shall just fit into, unstretched.
    pivot: Where the origin goes. "keep" leaves an upload's origin where it is.
    pivot_point: With "custom": the origin's place in the bounding box, from (0, 0, 0), its lowest
        corner, to (1, 1, 1). It may lie outside.
    up, forward: Which directions of the source become +Y and +Z; not along each other.
    settle_deg: The asset is tilted by up to so many degrees, 0 to 45, until it rests on the ground
        by itself; 0 leaves it.
    """

    height_m: float | None = None
    fit_m: Triple | None = None
    pivot: Pivot = "bottom_center"
    pivot_point: Triple | None = None
    up: Direction = "positive_y"
    forward: Direction = "positive_z"
    settle_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.height_m is not None and not 0.001 <= self.height_m <= 10_000:
            raise InvalidInput(f"height_m must be in [0.001, 10000] metres, got {self.height_m}")
        if self.fit_m is not None:
            if self.height_m is not None:
                raise InvalidInput("give height_m or fit_m, not both")
            if not all(0.001 <= side <= 10_000 for side in self.fit_m):
                raise InvalidInput(f"fit_m must be in [0.001, 10000] metres, got {self.fit_m}")
        if self.pivot not in ("bottom_center", "center", "keep", "custom"):
            raise InvalidInput(
                f"pivot must be bottom_center, center, keep or custom, got {self.pivot!r}"
            )
        if (self.pivot == "custom") != (self.pivot_point is not None):
            raise InvalidInput("pivot custom and pivot_point go together: give both or neither")
        if self.pivot_point is not None and not all(abs(c) <= 100 for c in self.pivot_point):
            raise InvalidInput(
                f"pivot_point is in sizes of the bounding box, each in [-100, 100], "
                f"got {self.pivot_point}"
            )
        for name, value in (("up", self.up), ("forward", self.forward)):
            if value not in _DIRECTIONS:
                raise InvalidInput(f"{name} must be one of {', '.join(_DIRECTIONS)}, got {value!r}")
        if self.up[-1] == self.forward[-1]:
            raise InvalidInput(
                f"up and forward must be along different axes, got {self.up} and {self.forward}"
            )
        if not 0 <= self.settle_deg <= 45:
            raise InvalidInput(f"settle_deg must be in [0, 45], got {self.settle_deg}")


_DIRECTIONS: dict[str, _Vector] = {
    f"{sign}_{axis}": value * np.eye(3)[i]
    for i, axis in enumerate("xyz")
    for sign, value in (("positive", 1.0), ("negative", -1.0))
}


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A rotation, a shift and an even scaling: `scale * (rotation @ p - pivot_m)`.

    rotation: `[3, 3]` float64, proper. pivot_m: `[3]` float64, what becomes the origin.
    """

    rotation: _Vector
    pivot_m: _Vector
    scale: float

    @property
    def matrix(self) -> _Vector:
        """`[4, 4]` float64, acts on column vectors."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.scale * self.rotation
        matrix[:3, 3] = -self.scale * self.pivot_m
        return matrix

    def moved(self, shape: _Shape) -> _Shape:
        """The shape in its new place, with its normals and views turned along."""
        moved = self.scale * (transformed(shape.positions, self.rotation) - self.pivot_m)
        positions = moved.astype(np.float32)
        if isinstance(shape, Mesh):
            return replace(shape, positions=positions)
        views = tuple(view.moved(self.matrix) for view in shape.views)
        if np.array_equal(self.rotation, np.eye(3)):
            return replace(shape, positions=positions, views=views)
        normals = transformed(shape.normals, self.rotation).astype(np.float32)
        return replace(shape, positions=positions, normals=normals, views=views)


def placement(body: Mesh, options: PlaceOptions, *, longest_side_m: float | None) -> Placement:
    """Find where an asset goes: turned, settled, scaled evenly, then moved to its origin.

    Args:
        body: What is to have that size and origin, metres, glTF's axes. All its vertices count.
        options: Directions, size and pivot.
        longest_side_m: Size when the options name none; None keeps the size.

    Raises:
        InvalidInput: If a height is asked for and the body is flat.
    """
    rotation = _to_gltf_axes(options)
    if options.settle_deg > 0:
        turned = replace(body, positions=transformed(body.positions, rotation).astype(np.float32))
        rotation = _settling(turned, options.settle_deg) @ rotation
    points = transformed(body.positions, rotation)
    low, high = points.min(axis=0), points.max(axis=0)
    size = high - low
    scale = 1.0
    if options.height_m is not None:
        if size[1] <= 0:
            raise InvalidInput(
                f"the asset is flat, so it cannot be made {options.height_m} m high; "
                "leave the height out"
            )
        scale = options.height_m / float(size[1])
    elif options.fit_m is not None:
        if size.max() > 0:
            scale = min(
                room / float(side)
                for room, side in zip(options.fit_m, size, strict=True)
                if side > 0
            )
    elif longest_side_m is not None and size.max() > 0:
        scale = longest_side_m / float(size.max())
    share = {
        "bottom_center": np.array([0.5, 0.0, 0.5]),
        "center": np.array([0.5, 0.5, 0.5]),
        "custom": np.array(options.pivot_point or (0, 0, 0), np.float64),
    }
    pivot = np.zeros(3) if options.pivot == "keep" else low + share[options.pivot] * size
    return Placement(rotation=rotation, pivot_m=pivot, scale=scale)


def _to_gltf_axes(options: PlaceOptions) -> _Vector:
    """The rotation that brings `up` to +Y and `forward` to +Z."""
    up, forward = _DIRECTIONS[options.up], _DIRECTIONS[options.forward]
    return np.stack([np.cross(up, forward), up, forward])


def _settling(body: Mesh, most_deg: float) -> _Vector:
    """The smallest tilt with which the body stands on a facet of its hull without falling over.

    It stands where its center of mass is above the facet. Identity if no tilt that small does it.
    """
    from scipy.spatial import ConvexHull, QhullError

    points = body.positions.astype(np.float64)
    try:
        hull = ConvexHull(points)
    except QhullError:
        return np.eye(3)  # flat: there is nothing to fall over
    center = _center_of_mass(body, hull.volume)
    normals = hull.equations[:, :3]
    tilts = np.degrees(np.arccos(np.clip(-normals[:, 1], -1, 1)))
    for facet in np.argsort(tilts, kind="stable"):
        if tilts[facet] > most_deg:
            break
        # Triangles that lie in one plane are one facet to stand on.
        alike = normals @ normals[facet] > np.cos(np.radians(_FLAT_DEG))
        if _is_above(center, points[np.unique(hull.simplices[alike])], normals[facet]):
            return _rotation_between(normals[facet], np.array([0.0, -1.0, 0.0]))
    return np.eye(3)


def _center_of_mass(body: Mesh, hull_volume: float) -> _Vector:
    """Of the enclosed volume; of the surface where hardly anything is enclosed."""
    a, b, c = (body.positions[body.faces[:, i]].astype(np.float64) for i in range(3))
    origin = (a.min(axis=0) + a.max(axis=0)) / 2
    a, b, c = a - origin, b - origin, c - origin
    volumes = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    if volumes.sum() > 1e-3 * hull_volume:
        weights, centers = volumes, (a + b + c) / 4
    else:
        weights, centers = np.linalg.norm(np.cross(b - a, c - a), axis=1), (a + b + c) / 3
    center: _Vector = origin + (weights[:, None] * centers).sum(axis=0) / weights.sum()
    return center


def _is_above(center: _Vector, corners: _Vector, normal: _Vector) -> bool:
    """Whether a point lies over the convex hull of the corners, seen along the normal."""
    from scipy.spatial import ConvexHull, QhullError

    across = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    across /= np.linalg.norm(across)
    frame = np.stack([across, np.cross(normal, across)])
    flat = np.einsum("ij,nj->ni", frame, corners)
    try:
        outline = ConvexHull(flat)
    except QhullError:
        return False  # an edge: nothing stands on it
    sides = outline.equations
    return bool((sides[:, :2] @ (frame @ center) + sides[:, 2] <= 0).all())


def _rotation_between(start: _Vector, end: _Vector) -> _Vector:
    """The smallest rotation that turns one unit vector into another, not its opposite.

    Source: Rodrigues' formula.
    """
    (x, y, z), cosine = np.cross(start, end), float(start @ end)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation: _Vector = np.eye(3) + skew + skew @ skew / (1 + cosine)
    return rotation
