"""Collision shapes as engines know them: by the prefix of a name, and by numbers."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Box, Capsule, Hull, Sphere

JsonObject = dict[str, object]
Matrix = NDArray[np.float64]
Triple = tuple[float, float, float]


def describe_hull(hull: Hull) -> tuple[str, JsonObject]:
    """The prefix that tells Unreal what a hull is, and its exact shape for those who read extras.

    Lengths are metres in the space of the hull's node; a convex hull has no more to tell.
    """
    match hull.primitive:
        case Box() as box:
            shape: JsonObject = {"center": box.center_m, "axes": box.axes, "size": box.size_m}
            return "UBX", {"shape": "box", **shape}
        case Sphere() as ball:
            return "USP", {"shape": "sphere", "center": ball.center_m, "radius": ball.radius_m}
        case Capsule() as capsule:
            ends: JsonObject = {"start": capsule.start_m, "end": capsule.end_m}
            return "UCP", {"shape": "capsule", **ends, "radius": capsule.radius_m}
        case None:
            return "UCX", {}


def relative_hull(hull: Hull, frame: Matrix) -> Hull:
    """A hull as seen from a frame of rotation and shift, `[4, 4]`."""
    if np.array_equal(frame, np.eye(4)):
        return hull
    back, origin = frame[:3, :3].T, frame[:3, 3]

    def point(place: Triple) -> Triple:
        x, y, z = back @ (np.array(place) - origin)
        return float(x), float(y), float(z)

    def direction(vector: Triple) -> Triple:
        x, y, z = back @ np.array(vector)
        return float(x), float(y), float(z)

    primitive = hull.primitive
    match primitive:
        case Box():
            axes = tuple(direction(axis) for axis in primitive.axes)
            primitive = replace(primitive, center_m=point(primitive.center_m), axes=axes)
        case Sphere():
            primitive = replace(primitive, center_m=point(primitive.center_m))
        case Capsule():
            start, end = point(primitive.start_m), point(primitive.end_m)
            primitive = replace(primitive, start_m=start, end_m=end)
    positions = np.array([point(tuple(p)) for p in hull.positions.astype(np.float64)], np.float32)
    return replace(hull, positions=positions, primitive=primitive)
