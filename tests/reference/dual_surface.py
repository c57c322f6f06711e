"""Plain twin of `pipeline.model.flexicubes`: every cube of the grid, one after another.

Written from the description of the algorithm, without its tables: a cube's crossing edges belong
to one dual vertex when they separate the same two regions of the cube's surface. Regions are
corners of one sign that are joined along cube edges; outside ones also across ambiguous faces.
"""

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from pipeline.types import FloatArray, IntArray

Point = tuple[int, int, int]
Floats = NDArray[np.float64]

CORNERS: list[Point] = [(k & 1, k >> 1 & 1, k >> 2 & 1) for k in range(8)]
# The order of the twelve beta weights.
EDGES = [(0, 1), (1, 5), (4, 5), (0, 4), (2, 3), (3, 7), (6, 7), (2, 6), (2, 0), (3, 1), (7, 5),
         (6, 4)]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PlainSurface:
    """vertices `[V, 3]`, attributes `[V, 6]`, and triangles of vertex numbers."""

    vertices: Floats
    attributes: Floats
    triangles: list[tuple[int, int, int]]


def plain_surface(coords: IntArray, head: FloatArray, resolution: int) -> PlainSurface:
    """As `extract` without `enclosed`."""
    r = resolution
    raw = {tuple(c): head[i].astype(np.float64) for i, c in enumerate(coords.tolist())}
    sdf, position, color = _grid_values(raw, r)
    regions = {cube: _regions(cube, sdf) for cube in product(range(r), repeat=3)}
    problem = {cube: _problem_direction(cube, sdf) for cube in regions}

    numbers: dict[tuple[Point, object], int] = {}
    sums: list[Floats] = []
    gammas: list[float] = []
    duals: dict[tuple[Point, Point], list[tuple[Point, int]]] = {}
    for cube in regions:
        flipped = False
        step = problem[cube]
        if step is not None:
            flipped = problem.get(_add(cube, step)) is not None
        region = _regions(cube, sdf, flipped=flipped)
        weights = raw.get(cube, np.zeros(101))[32:53]
        beta, alpha = 0.99 * np.tanh(weights[:12]) + 1, 0.99 * np.tanh(weights[12:20]) + 1
        for e, (a, b) in enumerate(EDGES):
            pa, pb = _add(cube, CORNERS[a]), _add(cube, CORNERS[b])
            if (sdf[pa] < 0) == (sdf[pb] < 0):
                continue
            key = (cube, frozenset((region[a], region[b])))
            if key not in numbers:
                numbers[key] = len(sums)
                sums.append(np.zeros(10))
                gammas.append(0.99 / (1 + np.exp(-weights[20])) + 0.005)
            sa, sb = sdf[pa] * alpha[a], sdf[pb] * alpha[b]
            share = sa / (sa - sb)  # of the way from a to b where the value is zero
            values = [
                (1 - share) * np.r_[where[pa]] + share * np.r_[where[pb]]
                for where in (position, color)
            ]
            sums[numbers[key]] += beta[e] * np.concatenate([*values, [1]])
            low, high = sorted((pa, pb))
            duals.setdefault((low, high), []).append((cube, numbers[key]))

    table = np.array(sums).reshape(-1, 10)
    table = table[:, :9] / table[:, 9:]
    triangles = []
    for (low, high), around in duals.items():
        if len(around) == 4:
            quad = _quad(low, high, around, inside_low=bool(sdf[low] < 0))
            g = [gammas[v] for v in quad]
            v0, v1, v2, v3 = quad
            if g[0] * g[2] > g[1] * g[3]:
                triangles += [(v0, v1, v2), (v0, v2, v3)]
            else:
                triangles += [(v0, v1, v3), (v1, v2, v3)]
    return PlainSurface(vertices=table[:, :3], attributes=table[:, 3:], triangles=triangles)


def _add(a: Point, b: Point) -> Point:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _grid_values(
    raw: dict[tuple[int, ...], Floats], r: int
) -> tuple[dict[Point, float], dict[Point, Floats], dict[Point, Floats]]:
    """Value, position and color of every grid vertex; means over the active cubes around it."""
    sdf, position, color = {}, {}, {}
    for point in product(range(r + 1), repeat=3):
        told = []
        for k, corner in enumerate(CORNERS):
            values = raw.get(tuple(np.subtract(point, corner).tolist()))
            if values is not None:
                deform, logits = values[8 + 3 * k : 11 + 3 * k], values[53 + 6 * k : 59 + 6 * k]
                told.append(np.r_[values[k] - 1 / r, deform, logits])
        mean = np.mean(told, axis=0) if told else np.r_[1, np.zeros(9)]
        sdf[point] = float(mean[0])
        position[point] = np.array(point) / r - 0.5 + (1 - 1e-8) / (2 * r) * np.tanh(mean[1:4])
        color[point] = 1 / (1 + np.exp(-mean[4:]))
    return sdf, position, color


def _faces() -> list[tuple[Point, list[int]]]:
    """Outward direction and the four corners of each side of a cube."""
    faces = []
    for axis, side in product(range(3), (0, 1)):
        step = [0, 0, 0]
        step[axis] = 2 * side - 1
        corners = [k for k in range(8) if CORNERS[k][axis] == side]
        faces.append(((step[0], step[1], step[2]), corners))
    return faces


def _ambiguous(corners: list[int], inside: list[bool]) -> bool:
    """Two corners of a sign, diagonally opposite."""
    chosen = [k for k in corners if inside[k]]
    return len(chosen) == 2 and sum(np.not_equal(*(CORNERS[k] for k in chosen))) == 2


def _signs(cube: Point, sdf: dict[Point, float]) -> list[bool]:
    return [sdf[_add(cube, corner)] < 0 for corner in CORNERS]


def _regions(cube: Point, sdf: dict[Point, float], *, flipped: bool = False) -> list[int]:
    """The region each corner belongs to. Flipped: ambiguous faces join the inside instead."""
    inside = _signs(cube, sdf)
    joined = [(a, b) for a, b in EDGES if inside[a] == inside[b]]
    for _, corners in _faces():
        if _ambiguous(corners, inside):
            joined += [
                (a, b) for a, b in combinations(corners, 2) if inside[a] == inside[b] == flipped
            ]
    region = list(range(8))
    for _ in range(8):
        for a, b in joined:
            region[a] = region[b] = min(region[a], region[b])
    return region


def _problem_direction(cube: Point, sdf: dict[Point, float]) -> Point | None:
    inside = _signs(cube, sdf)
    if sum(inside) < 5 or all(inside):
        return None
    steps = [step for step, corners in _faces() if _ambiguous(corners, inside)]
    return steps[0] if len(steps) == 1 else None


def _quad(
    low: Point, high: Point, around: list[tuple[Point, int]], *, inside_low: bool
) -> list[int]:
    """The four dual vertices around a grid edge, counter-clockwise seen from outside."""
    axis = next(i for i in range(3) if low[i] != high[i])
    u, v = (axis + 1) % 3, (axis + 2) % 3  # right-handed with the edge's own axis

    def angle(entry: tuple[Point, int]) -> float:
        cube = entry[0]
        return float(np.arctan2(cube[v] + 0.5 - low[v], cube[u] + 0.5 - low[u]))

    ring = sorted(around, key=angle)
    if not inside_low:
        ring.reverse()
    # Where both diagonals weigh the same, as between untouched cubes, the one that leaves out the
    # first vertex is taken. That is the lowest cube if the edge starts outside, else the next;
    # edges along y start at their high end.
    starts_outside = inside_low if axis == 1 else not inside_low
    first = ring.index(sorted(around)[0 if starts_outside else 1])
    return [vertex for _, vertex in ring[first:] + ring[:first]]
