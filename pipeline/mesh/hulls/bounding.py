"""The smallest box, ball and capsule around points, and how they look as triangles.

Engines collide with these faster than with any hull. All three hold every point given.
"""

from itertools import combinations

import numpy as np
from numba import njit

from pipeline.mesh.hulls.hull import grid_around, written_hull
from pipeline.mesh.measuring.measure import BoolArray, Float64Array, cross
from pipeline.types import Box, Capsule, Hull, IntArray, Sphere

# A box along the axes of space is taken while it is no larger than this times the smallest one.
ALIGNED_PREFERENCE = 1.01

# So many sides of the hull are tried as sides of the box, the largest first.
MAX_BOX_SIDES = 200
BOX_STARTS = 4
FIRST_TURN = 0.1  # half the angle, radians

# Directions tried for a capsule, spread over half a sphere, and how many of them are refined.
CAPSULE_DIRECTIONS = 400
CAPSULE_STARTS = 4
CAPSULE_STEPS = 3_000
FIRST_MOVE = 0.05  # share of the size

# Points count as inside a ball up to this share of its radius: solving for one rounds.
BALL_TOLERANCE = 1e-12
BALL_STEPS = 1_000


def smallest_box(points: Float64Array, faces: IntArray) -> Box:
    """Find a box around a convex hull that is the smallest or close to it.

    First a side of the box lies on a side of the hull. Then the best few turn freely as long as
    they get smaller. One along the axes of space is preferred if it is 1 % larger or less.

    Args:
        points: `[N, 3]` corners of the hull, not in a plane; faces: `[F, 3]` its triangles.

    Source: Freeman and Shapira, Determining the Minimum-Area Encasing Rectangle, 1975, per axis.
    """
    a, b, c = (points[faces[:, k]] for k in range(3))
    normals = cross(b - a, c - a)
    areas = np.linalg.norm(normals, axis=1)
    largest = np.argsort(-areas, kind="stable")[:MAX_BOX_SIDES]
    tried = [
        box_axes_around(points, axis)
        for axis in (*np.eye(3), *(normals[largest] / areas[largest, None]))
    ]
    tried.sort(key=lambda axes: _box_volume(points, axes))
    best = min(
        (_turned_box(points, axes) for axes in tried[:BOX_STARTS]),
        key=lambda axes: _box_volume(points, axes),
    )
    if _box_volume(points, np.eye(3)) <= ALIGNED_PREFERENCE * _box_volume(points, best):
        best = np.eye(3)
    return box_along(points, best)


def _turned_box(points: Float64Array, axes: Float64Array) -> Float64Array:
    """Turn a box by little as long as it gets smaller."""
    from scipy.optimize import minimize

    def turned(quaternion: Float64Array) -> Float64Array:
        w, x, y, z = np.concatenate([[1.0], quaternion]) / np.sqrt(1 + (quaternion**2).sum())
        turn = np.array(
            [
                (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
                (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
                (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
            ]
        )
        product: Float64Array = np.einsum("ij,jk->ik", axes, turn)
        return product

    found = minimize(
        lambda quaternion: _box_volume(points, turned(quaternion)),
        np.zeros(3),
        method="Nelder-Mead",
        options={"initial_simplex": FIRST_TURN * np.eye(4, 3), "xatol": 1e-5, "fatol": 0.0},
    )
    better = turned(found.x)
    return better if _box_volume(points, better) < _box_volume(points, axes) else axes


def box_along(points: Float64Array, axes: Float64Array) -> Box:
    """The box around `points` `[N, 3]` whose sides run along the rows of `axes` `[3, 3]`."""
    if np.linalg.det(axes) < 0:
        axes = -axes
    along = np.einsum("ni,ji->nj", points, axes)
    low, high = along.min(axis=0), along.max(axis=0)
    center = np.einsum("j,ji->i", (low + high) / 2, axes)
    return Box(
        center_m=_triple(center),
        axes=(_triple(axes[0]), _triple(axes[1]), _triple(axes[2])),
        size_m=_triple(high - low),
    )


def _box_volume(points: Float64Array, axes: Float64Array) -> float:
    return float(np.ptp(np.einsum("ni,ji->nj", points, axes), axis=0).prod())


def box_axes_around(points: Float64Array, axis: Float64Array) -> Float64Array:
    """Find the axes `[3, 3]` of the smallest box around points that has this one, as the first."""
    from scipy.spatial import ConvexHull, QhullError

    u, v = _across(axis)
    flat = np.stack([np.einsum("ni,i->n", points, u), np.einsum("ni,i->n", points, v)], axis=1)
    try:
        outline = flat[ConvexHull(flat).vertices]
    except QhullError:  # seen edge on
        return np.stack([axis, u, v])
    sides = np.roll(outline, -1, axis=0) - outline
    sides /= np.linalg.norm(sides, axis=1, keepdims=True)
    lengths = np.ptp(np.einsum("ni,mi->mn", outline, sides), axis=1)
    widths = np.ptp(np.einsum("ni,mi->mn", outline, sides[:, ::-1] * (-1, 1)), axis=1)
    x, y = sides[(lengths * widths).argmin()]
    along = x * u + y * v
    return np.stack([axis, along, np.cross(axis, along)])


def _across(axis: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Two unit vectors that make a right-handed frame with `axis`."""
    u = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    u /= np.linalg.norm(u)
    return u, np.cross(axis, u)


def smallest_sphere(points: Float64Array) -> Sphere:
    """Find the smallest ball around `points` `[N, 3]`."""
    center, radius = _smallest_ball(points)
    return Sphere(center_m=_triple(center), radius_m=radius)


def _smallest_ball(points: Float64Array) -> tuple[Float64Array, float]:
    """Center `[3]` and radius of the smallest ball around points `[N, 3]`.

    The farthest point joins the few that hold the ball, as in the simplex method: the radius grows
    with each step, so no set of points comes twice.

    Source: Gärtner, Fast and Robust Smallest Enclosing Balls, 1999.
    """
    holding = [0]
    center, radius = points[0], 0.0
    for _ in range(BALL_STEPS):
        distances = np.linalg.norm(points - center, axis=1)
        farthest = int(distances.argmax())
        if distances[farthest] <= radius * (1 + BALL_TOLERANCE) or farthest in holding:
            break
        known = points[[*holding, farthest]]
        best: tuple[float, Float64Array, tuple[int, ...]] | None = None
        for size in range(1, points.shape[1] + 1):
            for chosen in combinations(range(len(holding)), size):
                ball = _ball_through(known[[*chosen, len(holding)]])
                if ball is None or (best is not None and ball[1] >= best[0]):
                    continue
                if (np.linalg.norm(known - ball[0], axis=1) <= ball[1] * (1 + 1e-9)).all():
                    best = ball[1], ball[0], chosen
        if best is None or best[0] <= radius:
            break
        radius, center = best[0], best[1]
        holding = [*(holding[k] for k in best[2]), farthest]
    return center, float(np.linalg.norm(points - center, axis=1).max())


def _ball_through(points: Float64Array) -> tuple[Float64Array, float] | None:
    """The smallest ball with all of two to four points on it; None if they do not allow one."""
    sides = points[1:] - points[0]
    products = np.einsum("id,jd->ij", sides, sides)
    try:
        weights = np.linalg.solve(2 * products, np.diagonal(products))
    except np.linalg.LinAlgError:
        return None
    offset = np.einsum("i,id->d", weights, sides)
    return points[0] + offset, float(np.linalg.norm(offset))


def smallest_capsule(points: Float64Array) -> Capsule:
    """Find a capsule around `points` `[N, 3]` that is the smallest or close to it.

    The best few of 400 directions are refined by moving both ends freely.
    """
    from scipy.optimize import minimize

    center = points.mean(axis=0)
    size = max(float(np.abs(points - center).max()), 1e-300)
    centered = (points - center) / size
    rough = [_line_along(centered, axis) for axis in _half_sphere()]
    starts = sorted(rough, key=lambda ends: _volume_around(centered, ends))[:CAPSULE_STARTS]
    options = {"maxiter": CAPSULE_STEPS, "maxfev": CAPSULE_STEPS, "xatol": 1e-6, "fatol": 1e-9}
    best = starts[0]
    for start in starts:
        found = minimize(
            lambda ends: float(_volume_around(centered, ends)),
            start,
            method="Nelder-Mead",
            options={**options, "initial_simplex": start + FIRST_MOVE * np.eye(7, 6)},
        )
        if _volume_around(centered, found.x) < _volume_around(centered, best):
            best = found.x
    return Capsule(
        start_m=_triple(best[:3] * size + center),
        end_m=_triple(best[3:] * size + center),
        radius_m=_radius_around(centered, best) * size,
    )


def capsule_volume(capsule: Capsule) -> float:
    """Cubic metres."""
    length = float(np.linalg.norm(np.subtract(capsule.end_m, capsule.start_m)))
    return float(_capsule_volume(length, capsule.radius_m))


@njit(cache=True, error_model="numpy", nogil=True)
def _capsule_volume(length: float, radius: float) -> float:
    return np.pi * radius**2 * (length + 4 / 3 * radius)


@njit(cache=True, error_model="numpy", nogil=True)
def _volume_around(points: Float64Array, ends: Float64Array) -> float:
    """Volume of the capsule around points `[N, 3]` whose line has these ends `[6]`."""
    lx, ly, lz = ends[3] - ends[0], ends[4] - ends[1], ends[5] - ends[2]
    length = np.sqrt(lx * lx + ly * ly + lz * lz)
    volume: float = _capsule_volume(length, _radius_around(points, ends))
    return volume


@njit(cache=True, error_model="numpy", nogil=True)
def _radius_around(points: Float64Array, ends: Float64Array) -> float:
    lx, ly, lz = ends[3] - ends[0], ends[4] - ends[1], ends[5] - ends[2]
    squared_length = max(lx * lx + ly * ly + lz * lz, 1e-300)
    largest = 0.0
    for n in range(len(points)):
        x, y, z = points[n, 0] - ends[0], points[n, 1] - ends[1], points[n, 2] - ends[2]
        share = min(max((x * lx + y * ly + z * lz) / squared_length, 0.0), 1.0)
        x, y, z = x - share * lx, y - share * ly, z - share * lz
        largest = max(largest, x * x + y * y + z * z)
    return float(np.sqrt(largest))


def _line_along(points: Float64Array, axis: Float64Array) -> Float64Array:
    """Ends `[6]` of the line of a capsule in this direction, through the middle of the points."""
    u, v = _across(axis)
    flat = np.stack([np.einsum("ni,i->n", points, u), np.einsum("ni,i->n", points, v)], axis=1)
    middle = (flat.min(axis=0) + flat.max(axis=0)) / 2
    beside = np.linalg.norm(flat - middle, axis=1)
    reach = np.sqrt(np.maximum(beside.max() ** 2 - beside**2, 0))
    heights = np.einsum("ni,i->n", points, axis)
    # The line must come within the radius of every point: of its interval on the axis.
    low, high = float((heights + reach).min()), float((heights - reach).max())
    if low > high:
        low = high = (low + high) / 2
    base = middle[0] * u + middle[1] * v
    return np.concatenate([base + low * axis, base + high * axis])


def _half_sphere() -> Float64Array:
    """`[N, 3]` unit vectors spread evenly over half a sphere (a Fibonacci lattice)."""
    k = np.arange(CAPSULE_DIRECTIONS) + 0.5
    height = k / CAPSULE_DIRECTIONS
    turn = np.pi * (3 - 5**0.5) * k
    around = np.sqrt(1 - height**2)
    return np.stack([around * np.cos(turn), height, around * np.sin(turn)], axis=1)


def box_hull(box: Box) -> Hull:
    """The 12 triangles of a box."""
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    sides = signs * np.array(box.size_m) / 2
    return _picture(np.array(box.center_m) + np.einsum("nj,ji->ni", sides, np.array(box.axes)), box)


def sphere_hull(sphere: Sphere, max_vertices: int) -> Hull:
    """A ball of triangles. Corners lie on it, so faces lie inside: by up to 13 % of the radius at
    32 vertices, 2 % at 255. Engines that have balls take `primitive`."""
    directions = _globe(max_vertices, is_split=False)[0]
    return _picture(np.array(sphere.center_m) + sphere.radius_m * directions, sphere)


def capsule_hull(capsule: Capsule, max_vertices: int) -> Hull:
    """A capsule of triangles. Corners lie on it, so faces lie inside: by up to 16 % of the radius
    at 32 vertices, 3 % at 255. Engines that have capsules take `primitive`."""
    start, end = np.array(capsule.start_m), np.array(capsule.end_m)
    length = float(np.linalg.norm(end - start))
    axis = (end - start) / length if length > 0 else np.array([0.0, 1.0, 0.0])
    u, v = _across(axis)
    directions, is_upper = _globe(max_vertices, is_split=True)
    turned = directions @ np.stack([u, axis, v])
    return _picture(np.where(is_upper[:, None], end, start) + capsule.radius_m * turned, capsule)


def _globe(max_vertices: int, *, is_split: bool) -> tuple[Float64Array, BoolArray]:
    """Unit vectors on rings between two poles, as many as fit, and which belong to the upper half.

    is_split: leave a ring on the equator to each half.
    """
    best = (0, 0, 0)
    for segments in range(3, max_vertices):
        fewest = segments // 4 if is_split else segments // 2 - 1
        for rings in (max(1, fewest), fewest + 1):
            count = 2 + segments * rings * (2 if is_split else 1)
            if best[0] < count <= max_vertices:
                best = (count, segments, rings)
    _, segments, rings = best
    if is_split:
        half = np.pi / 2 * np.arange(rings) / rings
        latitudes, is_upper_ring = np.concatenate([half, -half]), np.arange(2 * rings) < rings
    else:
        latitudes = np.pi * (np.arange(1, rings + 1) / (rings + 1) - 0.5)
        is_upper_ring = latitudes >= 0
    around = 2 * np.pi * np.arange(segments) / segments
    latitude, turn = np.repeat(latitudes, segments), np.tile(around, len(latitudes))
    ring = np.stack(
        [np.cos(latitude) * np.cos(turn), np.sin(latitude), np.cos(latitude) * np.sin(turn)], axis=1
    )
    directions = np.concatenate([ring, [(0, 1, 0), (0, -1, 0)]])
    return directions, np.concatenate([np.repeat(is_upper_ring, segments), [True, False]])


def _picture(positions: Float64Array, primitive: Box | Sphere | Capsule) -> Hull:
    grid = grid_around(positions)
    return written_hull(grid, grid.snap(positions), primitive)


def _triple(vector: Float64Array) -> tuple[float, float, float]:
    return float(vector[0]), float(vector[1]), float(vector[2])
