"""Signed-distance shapes and operators.

A `Shape` maps points `[3, N]` float32 (rows x, y, z: contiguous, so whole rows are cheap) to
signed distances `[N]` float32, negative inside. Shapes are exact where the formula allows and
otherwise bounds that are tight near the surface. Z is up; angles are degrees.

Source: Inigo Quilez, "3D SDFs" and "2D distance functions".
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from pipeline.types import FloatArray

Shape = Callable[[FloatArray], FloatArray]
Axis = Literal["x", "y", "z"]
Vec3 = tuple[float, float, float]
Vec2 = tuple[float, float]

ORIGIN: Vec3 = (0.0, 0.0, 0.0)


def _column(v: Sequence[float]) -> FloatArray:
    return np.asarray(v, np.float32)[:, None]


def _rows_about(p: FloatArray, axis: Axis) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rows of `p` with `axis` last, order of the others kept: extruding along y keeps (x, z)."""
    if axis == "x":
        return p[1], p[2], p[0]
    if axis == "y":
        return p[0], p[2], p[1]
    return p[0], p[1], p[2]


def _length(*components: FloatArray) -> FloatArray:
    """Euclidean length. `np.hypot` guards against overflow, which costs several times as much."""
    squared = components[0] * components[0]
    for component in components[1:]:
        squared += component * component
    length: FloatArray = np.sqrt(squared)
    return length


def _join(a: FloatArray, b: FloatArray) -> FloatArray:
    """Exact distance of the product of two ranges whose signed distances are `a` and `b`."""
    d: FloatArray = _length(np.maximum(a, 0), np.maximum(b, 0)) + np.minimum(np.maximum(a, b), 0)
    return d


# --- primitives ---------------------------------------------------------------------------


def _box_distance(p: FloatArray, half: FloatArray, rounding: float) -> FloatArray:
    q = np.abs(p) - (half - np.float32(rounding))
    inner = np.minimum(np.maximum(np.maximum(q[0], q[1]), q[2]), 0)
    q = np.maximum(q, 0)
    d: FloatArray = _length(q[0], q[1], q[2]) + inner - np.float32(rounding)
    return d


def box(center: Vec3, half: Vec3, rounding: float = 0.0) -> Shape:
    """An axis-aligned box; `half` includes the rounding."""
    c, h = _column(center), _column(half)
    return lambda p: _box_distance(p - c, h, rounding)


def beam(a: Vec3, b: Vec3, half_width: float, half_depth: float, rounding: float = 0.0) -> Shape:
    """A straight bar from `a` to `b`.

    half_depth: along the horizontal direction across the bar (along y for one in the xz plane).
    half_width: along the remaining direction.
    """
    start, end = np.asarray(a, np.float64), np.asarray(b, np.float64)
    length = float(np.linalg.norm(end - start))
    along = (end - start) / length
    level = np.cross((0.0, 0.0, 1.0), along)
    if np.linalg.norm(level) < 1e-6:
        level = np.array((0.0, 1.0, 0.0))
    level /= np.linalg.norm(level)
    frame = np.stack((along, level, np.cross(along, level))).astype(np.float32)
    c = _column(((start + end) / 2).tolist())
    h = _column((length / 2, half_depth, half_width))
    return lambda p: _box_distance(frame @ (p - c), h, rounding)


def box_frame(center: Vec3, half: Vec3, thickness: float) -> Shape:
    """The twelve edges of a box as square bars of `thickness`, flush with its faces."""
    c, h = _column(center), _column(half)
    e = np.float32(thickness / 2)

    def distance(p: FloatArray) -> FloatArray:
        q = np.abs(p - c) - (h - e)
        r = np.abs(q) - e
        q -= e
        bars = [_corner(q[0], r[1], r[2]), _corner(r[0], q[1], r[2]), _corner(r[0], r[1], q[2])]
        return np.minimum(np.minimum(bars[0], bars[1]), bars[2])

    return distance


def _corner(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    inner = np.minimum(np.maximum(np.maximum(x, y), z), 0)
    x, y, z = np.maximum(x, 0), np.maximum(y, 0), np.maximum(z, 0)
    return _length(x, y, z) + inner


def sphere(center: Vec3, radius: float) -> Shape:
    """A ball."""
    c = _column(center)

    def distance(p: FloatArray) -> FloatArray:
        q = p - c
        return _length(q[0], q[1], q[2]) - radius

    return distance


def ellipsoid(center: Vec3, radii: Vec3) -> Shape:
    """An ellipsoid; first-order distance, exact at the surface."""
    c, inverse = _column(center), 1 / _column(radii)
    smallest = min(radii)

    def distance(p: FloatArray) -> FloatArray:
        q = (p - c) * inverse
        k0 = _length(q[0], q[1], q[2])
        q *= inverse
        k1 = _length(q[0], q[1], q[2])
        # The center has no gradient; there the distance is the smallest radius.
        return np.where(k0 < 1e-4, -smallest, k0 * (k0 - 1) / np.maximum(k1, 1e-6))

    return distance


def cylinder(
    center: Vec3, radius: float, half_height: float, axis: Axis = "z", rounding: float = 0.0
) -> Shape:
    """A solid cylinder; radius and half height include the rounding."""
    c = _column(center)

    def distance(p: FloatArray) -> FloatArray:
        u, v, w = _rows_about(p - c, axis)
        side = _length(u, v) - (radius - rounding)
        return _join(side, np.abs(w) - np.float32(half_height - rounding)) - rounding

    return distance


def tube(center: Vec3, outer: float, inner: float, half_height: float, axis: Axis = "z") -> Shape:
    """A ring of rectangular section."""
    c = _column(center)
    middle, half_wall = (outer + inner) / 2, (outer - inner) / 2

    def distance(p: FloatArray) -> FloatArray:
        u, v, w = _rows_about(p - c, axis)
        return _join(
            np.abs(_length(u, v) - middle) - half_wall, np.abs(w) - np.float32(half_height)
        )

    return distance


def torus(center: Vec3, radius: float, thickness: float, axis: Axis = "z") -> Shape:
    """A ring of round section; `thickness` is the section's radius."""
    c = _column(center)

    def distance(p: FloatArray) -> FloatArray:
        u, v, w = _rows_about(p - c, axis)
        return _length(_length(u, v) - radius, w) - thickness

    return distance


def cone(
    base: Vec3, height: float, bottom_radius: float, top_radius: float, rounding: float = 0.0
) -> Shape:
    """A solid cone or frustum along Z; `base` is the center of its bottom disk.

    It grows by `rounding`, which keeps the rims of flat cones from becoming blades.
    """
    c = _column((base[0], base[1], base[2] + height / 2))
    h, lean = height / 2, top_radius - bottom_radius
    squared = lean * lean + height * height

    def distance(p: FloatArray) -> FloatArray:
        q = p - c
        r, z = _length(q[0], q[1]), q[2]
        cap_r = r - np.minimum(
            r, np.where(z < 0, np.float32(bottom_radius), np.float32(top_radius))
        )
        cap_z = np.abs(z) - h
        t = np.clip(((top_radius - r) * lean + (h - z) * height) / squared, 0, 1)
        side_r, side_z = r - top_radius + lean * t, z - h + height * t
        inside = (side_r < 0) & (cap_z < 0)
        d: FloatArray = np.sqrt(
            np.minimum(cap_r * cap_r + cap_z * cap_z, side_r * side_r + side_z * side_z)
        )
        return np.where(inside, -d, d) - np.float32(rounding)

    return distance


def capsule(a: Vec3, b: Vec3, radius_a: float, radius_b: float | None = None) -> Shape:
    """A round stick from `a` to `b`, tapering when `radius_b` is given."""
    start = _column(a)
    step = _column(b) - start
    inverse = float(1 / (step * step).sum())
    grow = (radius_a if radius_b is None else radius_b) - radius_a

    def distance(p: FloatArray) -> FloatArray:
        q = p - start
        t = (q[0] * step[0] + q[1] * step[1] + q[2] * step[2]) * inverse
        np.clip(t, 0, 1, out=t)
        q -= step * t
        d: FloatArray = _length(q[0], q[1], q[2]) - radius_a - grow * t
        return d

    return distance


def convex(normals: Sequence[Vec3], offsets: Sequence[float], center: Vec3 = ORIGIN) -> Shape:
    """What lies behind all planes `normal . (p - center) <= offset`; normals need no unit length.

    Offsets are distances. Outside, near edges, the result is a lower bound.
    """
    n = np.asarray(normals, np.float32)
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    o, c = _column(offsets), _column(center)

    def distance(p: FloatArray) -> FloatArray:
        planes: FloatArray = (n @ (p - c) - o).max(axis=0)
        return planes

    return distance


def _polygon_distance(
    x: FloatArray, y: FloatArray, vertices: Sequence[Vec2], *, skip_axis: bool
) -> FloatArray:
    """Exact signed distance to a simple polygon, either winding.

    skip_axis: ignore edges that lie on x = 0, which are no surface once the polygon is revolved.
    """
    squared: FloatArray = np.full(x.shape, np.inf, np.float32)
    inside = np.zeros(x.shape, np.bool_)
    for i, (ax, ay) in enumerate(vertices):
        bx, by = vertices[(i + 1) % len(vertices)]
        if skip_axis and ax == 0 and bx == 0:
            continue
        ex, ey = bx - ax, by - ay
        wx, wy = x - ax, y - ay
        t = np.clip((wx * ex + wy * ey) * (1 / (ex * ex + ey * ey)), 0, 1)
        dx, dy = wx - ex * t, wy - ey * t
        np.minimum(squared, dx * dx + dy * dy, out=squared)
        if ay != by:
            inside ^= ((wy < 0) != (y < by)) & (wx < wy * (ex / ey))
    d = np.sqrt(squared)
    return np.where(inside, -d, d)


def revolve(profile: Sequence[Vec2], center: Vec3 = ORIGIN, rounding: float = 0.0) -> Shape:
    """A polygon of (radius, z) turned about Z; it grows by `rounding`."""
    c = _column(center)

    def distance(p: FloatArray) -> FloatArray:
        q = p - c
        return _polygon_distance(_length(q[0], q[1]), q[2], profile, skip_axis=True) - rounding

    return distance


def extrude(
    outline: Sequence[Vec2],
    half_depth: float,
    axis: Axis = "y",
    center: Vec3 = ORIGIN,
    rounding: float = 0.0,
) -> Shape:
    """A polygon pulled along `axis`; its coordinates are the other two axes in order.

    The outline grows by `rounding`; the depth includes it.
    """
    c = _column(center)

    def distance(p: FloatArray) -> FloatArray:
        u, v, w = _rows_about(p - c, axis)
        flat = _polygon_distance(u, v, outline, skip_axis=False)
        return _join(flat, np.abs(w) - np.float32(half_depth - rounding)) - rounding

    return distance


# --- operators ----------------------------------------------------------------------------


def union(*shapes: Shape) -> Shape:
    """What lies in any of the shapes."""

    def distance(p: FloatArray) -> FloatArray:
        d = shapes[0](p)
        for shape in shapes[1:]:
            d = np.minimum(d, shape(p))
        return d

    return distance


def smooth_union(blend: float, *shapes: Shape) -> Shape:
    """A union whose inner edges are filled over about `blend`."""

    def distance(p: FloatArray) -> FloatArray:
        d = shapes[0](p)
        for shape in shapes[1:]:
            other = shape(p)
            h = np.maximum(blend - np.abs(d - other), 0)
            d = np.minimum(d, other) - h * h * (0.25 / blend)
        return d

    return distance


def intersect(*shapes: Shape) -> Shape:
    """What lies in all of the shapes."""

    def distance(p: FloatArray) -> FloatArray:
        d = shapes[0](p)
        for shape in shapes[1:]:
            d = np.maximum(d, shape(p))
        return d

    return distance


def subtract(shape: Shape, *holes: Shape) -> Shape:
    """`shape` without what lies in any hole."""

    def distance(p: FloatArray) -> FloatArray:
        d = shape(p)
        for hole in holes:
            d = np.maximum(d, -hole(p))
        return d

    return distance


def grown(shape: Shape, by: float) -> Shape:
    """The shape thickened outward by `by`, with rounded edges."""
    return lambda p: shape(p) - by


def moved(shape: Shape, by: Vec3) -> Shape:
    """The shape shifted."""
    c = _column(by)
    return lambda p: shape(p - c)


def turn_points(p: FloatArray, axis: Axis, angle_deg: float, pivot: Vec3 = ORIGIN) -> FloatArray:
    """Points `[3, N]` turned by minus the angle: where a turned thing's points come from."""
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    matrix = {
        "x": ((1.0, 0.0, 0.0), (0.0, c, s), (0.0, -s, c)),
        "y": ((c, 0.0, -s), (0.0, 1.0, 0.0), (s, 0.0, c)),
        "z": ((c, s, 0.0), (-s, c, 0.0), (0.0, 0.0, 1.0)),
    }[axis]
    origin = _column(pivot)
    turned_points: FloatArray = np.asarray(matrix, np.float32) @ (p - origin)
    return turned_points + origin


def turned(shape: Shape, axis: Axis, angle_deg: float, pivot: Vec3 = ORIGIN) -> Shape:
    """The shape turned right-handedly about `axis` through `pivot`."""
    return lambda p: shape(turn_points(p, axis, angle_deg, pivot))


def mirrored(shape: Shape, axes: Literal["x", "y", "z", "xy", "xz", "yz", "xyz"]) -> Shape:
    """Copies of a shape that lies on the positive side of `axes`, through the origin."""
    rows = ["xyz".index(axis) for axis in axes]

    def distance(p: FloatArray) -> FloatArray:
        q = p.copy()
        q[rows] = np.abs(q[rows])
        return shape(q)

    return distance


def waved(shape: Shape, height: float, wavelength: float, phase: Vec3) -> Shape:
    """The shape with gentle bumps of `height`, for what grew or was hewn.

    Distances shrink by the steepness of the bumps, so they stay bounds.
    """
    k = 2 * math.pi / wavelength
    # The bumps are up to 1.12 k * height steep. Dividing by all of that would make most
    # distances too short; a third keeps the worst ones within a quarter of the truth.
    scale = 1 / (1 + 0.37 * k * height)

    def distance(p: FloatArray) -> FloatArray:
        bumps = np.sin(k * p[0] + phase[0]) * np.sin(k * p[1] + phase[1])
        bumps = bumps + np.sin(k * p[2] + phase[2]) * 0.5
        d: FloatArray = (shape(p) - height * bumps) * scale
        return d

    return distance
