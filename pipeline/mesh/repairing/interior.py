"""Find the faces that nobody can see: inner walls, and what is shut in by them. Imported late."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import BoolArray, Float64Array, components, face_areas
from pipeline.mesh.repairing.components import find_parts
from pipeline.mesh.repairing.holes import borders, close
from pipeline.mesh.repairing.manifold import split_non_manifold
from pipeline.mesh.repairing.sight import Sight
from pipeline.threads import in_threads, polled
from pipeline.types import FloatArray, IntArray, Mesh

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

# An opening that lets a ball of this radius in is a way in: a door, the neck of a bottle. What is
# seen through smaller ones only, tears and pinholes, is not. A share of the diagonal.
BALL_RATIO = 0.01
CELLS_PER_BALL = 3

# Rays of the first look, of the second at what the first hardly saw, and of the third at large
# faces that the second did not see.
PROBE_RAYS = range(8)
CLOSE_RAYS = range(8, 24)
LONG_RAYS = range(24, 136)

# A face is seen if so many of its rays get to where the ball can be, or so many to the sky through
# whatever openings: a bird in a cage.
LIT_RATIO = 1 / 8

# A dark place that gets so much light on average is a cleft.
CLEFT_RATIO = 0.02

# Below this share of the area nothing is looked for, and no cut is made for an island of less.
LEAST_INVISIBLE_RATIO = 0.02
LEAST_ISLAND_RATIO = 0.002

# What a cell of the grid of air is: near the surface, got to from outside, or shut in.
NEAR, OPEN, SHUT = 0, 1, 2

# Faces that are marked on the grid at a time, and rays that are cast at a time: 0.1 s.
MARK_CHUNK = 65_536
RAY_CHUNK = 131_072


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A mesh without its interior.

    mesh: the faces that are left, in order, then those of lids.
    is_interior: `[F]` of the mesh before. area_ratio: their share of its area.
    """

    mesh: Mesh
    is_interior: BoolArray
    area_ratio: float


def remove_interior(mesh: Mesh, tick: Callable[[], None], sight: Sight | None = None) -> Opened:
    """Drop `invisible_faces`, and close what the cuts have opened.

    Args:
        mesh: A manifold.
        tick: Called about every 0.1 s; may raise to stop.
        sight: Rays from the mesh, where they are there already.
    """
    interior = invisible_faces(mesh, tick, sight)
    if not interior.any():
        return Opened(mesh=mesh, is_interior=interior, area_ratio=0.0)
    kept = np.flatnonzero(~interior)
    positions, faces = polled(lambda: split_non_manifold(mesh.positions, mesh.faces[kept]), tick)
    is_whole = ~_crumbs(mesh, interior, kept, Mesh(positions=positions, faces=faces))
    kept, faces = kept[is_whole], faces[is_whole]
    interior = np.ones(len(mesh.faces), bool)
    interior[kept] = False
    cut = Mesh(positions=positions, faces=faces)
    # Where a border was before, if only along a part of the line, it stays.
    was_border = np.zeros(len(mesh.positions), bool)
    was_border[borders(mesh).vertices] = True
    is_old = np.zeros(len(positions), bool)
    is_old[faces] = was_border[mesh.faces[kept]]
    tick()
    ends = borders(cut)
    line = np.repeat(np.arange(len(ends)), np.diff(ends.begins))
    is_cut = np.ones(len(ends), bool)
    is_cut[line[is_old[ends.vertices]]] = False
    areas = face_areas(mesh)
    return Opened(
        mesh=close(cut, ends, is_cut, np.full(len(ends), np.inf), tick).mesh,
        is_interior=interior,
        area_ratio=float(areas[interior].sum() / areas.sum()),
    )


def _crumbs(mesh: Mesh, interior: BoolArray, kept: NDArray[np.int64], cut: Mesh) -> BoolArray:
    """`[F]` of the cut: small pieces that only the cut has made pieces."""
    parts = find_parts(cut)
    is_rim = np.zeros(len(mesh.positions), bool)
    is_rim[mesh.faces[interior]] = True
    is_piece = np.zeros(len(parts), bool)
    is_piece[parts.of_face[is_rim[mesh.faces[kept]].any(axis=1)]] = True
    is_small = parts.areas < LEAST_ISLAND_RATIO * parts.areas.sum()
    crumbs: BoolArray = (is_piece & is_small)[parts.of_face]
    return crumbs


def invisible_faces(mesh: Mesh, tick: Callable[[], None], sight: Sight | None = None) -> BoolArray:
    """Find faces whose front nobody can see from any place that can be got to from outside.

    A face stays if rays from its front get to where a ball of 2 % of the diagonal across can get
    from outside: a room with a door stays as a whole, also the corners that no ray leaves. What
    gets out through smaller openings counts where it is much, as through the bars of a cage, or
    where there is no room behind them that the ball would fit in, as in a crease. Faces of open
    parts stay if either side is seen. Glass hides what is behind it like any other surface.

    Args:
        mesh: A manifold.
        tick: Called about every 0.1 s; may raise to stop.
        sight: Rays from the mesh, where they are there already.

    Returns:
        `[F]`; none where they would be less than 2 % of the area.
    """
    parts = polled(lambda: find_parts(mesh), tick)
    ends = polled(lambda: borders(mesh), tick)
    sight = sight or polled(lambda: Sight(mesh, parts.of_face), tick)
    dark = _dark_faces(sight, parts.are_bodies(ends.firsts, ends.areas), tick)
    if sight.is_exact or not dark.any():
        return dark if sight.is_exact else np.zeros(len(mesh.faces), bool)
    # What the proxy does not show is where most of what it shows around there is.
    corner = sight.faces.ravel()
    shown = np.bincount(corner, np.repeat(sight.areas, 3), len(sight.positions))
    hidden = np.bincount(corner, np.repeat(sight.areas * dark, 3), len(sight.positions))
    is_dark = (hidden > 0.5 * shown)[sight.vertex]
    a, b, c = is_dark[mesh.faces].T
    interior: BoolArray = (a & b) | (b & c) | (c & a)
    return interior


def _dark_faces(sight: Sight, is_body: BoolArray, tick: Callable[[], None]) -> BoolArray:
    """`[F]` of the proxy: see `invisible_faces`."""
    none = np.zeros(len(sight.faces), bool)
    least = LEAST_INVISIBLE_RATIO * sight.areas.sum()
    every = np.arange(len(sight.faces))
    free = sight.escapes(every, PROBE_RAYS, tick)
    is_open = ~is_body[sight.face_part]
    free[is_open] += sight.escapes(every[is_open], PROBE_RAYS, tick, from_back=True)
    if sight.areas[free == 0].sum() < least:
        return none
    air = _Air(sight, tick)
    light = np.ones(len(sight.faces))
    dim = np.flatnonzero(free < len(PROBE_RAYS) // 2)
    light[dim] = air.light(dim, tick, from_back=False)
    # What is dark as a whole may be inside out, and seen all the same.
    is_lit = np.bincount(sight.face_part, light >= LIT_RATIO, len(is_body)) > 0
    is_open |= ~is_lit[sight.face_part]
    dim = np.flatnonzero((light < LIT_RATIO) & is_open)
    light[dim] = np.maximum(light[dim], air.light(dim, tick, from_back=True))
    # A face as long as an opening has no neighbors to even out what few rays said.
    is_long = _longest_sides(sight) > 2 * (BALL_RATIO * sight.diagonal_m + sight.cell_m)
    light[is_long & (light > 0)] = 1.0
    for from_back, is_asked in ((False, is_long), (True, is_long & is_open)):
        doubtful = np.flatnonzero(is_asked & (light == 0))
        found = air.light(doubtful, tick, from_back=from_back, rays=LONG_RAYS)
        light[doubtful[found > 0]] = 1.0
    dark = _tidied(sight, light)
    return dark if sight.areas[dark].sum() >= least else none


class _Air:
    """Where a ball can get to from outside, on a grid around a mesh."""

    def __init__(self, sight: Sight, tick: Callable[[], None]) -> None:
        from scipy import ndimage

        self._sight = sight
        self._cell_m = BALL_RATIO * sight.diagonal_m / CELLS_PER_BALL
        margin = 2 * CELLS_PER_BALL
        used = sight.positions[np.unique(sight.faces)].astype(np.float64)
        self._low = used.min(axis=0) - margin * self._cell_m
        size = (used.max(axis=0) - self._low) / self._cell_m
        is_near = np.zeros(size.astype(np.int64) + 1 + margin, bool)
        for start in range(0, len(sight.faces), MARK_CHUNK):
            tick()
            faces = sight.faces[start : start + MARK_CHUNK]
            _mark(sight.positions, faces, self._low, self._cell_m, is_near)
        # Together almost a ball of 3 cells.
        cross, cube = ndimage.generate_binary_structure(3, 1), np.ones((3, 3, 3), bool)
        for step in (cross, cube, cross):
            tick()
            is_near = ndimage.binary_dilation(is_near, step)
        tick()
        labels, _ = ndimage.label(~is_near)
        self._kinds = np.full(labels.shape, SHUT, np.uint8)
        self._kinds[labels == labels[0, 0, 0]] = OPEN
        self._kinds[is_near] = NEAR

    def light(
        self,
        faces: NDArray[np.int64],
        tick: Callable[[], None],
        *,
        from_back: bool,
        rays: range = CLOSE_RAYS,
    ) -> Float64Array:
        """`[N]`: what share of a face's rays get to where the ball can be.

        One that comes through where the ball fits but cannot get to does not count, unless many
        rays get to the sky.
        """
        light = np.empty(len(faces))
        count = len(rays)
        step = RAY_CHUNK // count

        def look(start: int) -> None:
            chunk = slice(start, start + step)
            cast = self._sight.cast(faces[chunk], rays, from_back=from_back)
            gets_there = _march(
                cast.origins, cast.directions, cast.lengths, self._low, self._cell_m, self._kinds
            )
            share = gets_there.reshape(-1, count).mean(axis=1)
            sky = np.isinf(cast.lengths).reshape(-1, count).mean(axis=1)
            light[chunk] = np.where(sky >= LIT_RATIO, np.maximum(sky, share), share)

        in_threads(look, range(0, len(faces), step), tick)
        return light


def _longest_sides(sight: Sight) -> Float64Array:
    """`[F]` of the proxy, metres."""
    squares = np.zeros(len(sight.faces), np.float32)
    for one, two in ((0, 1), (1, 2), (2, 0)):
        side = sight.positions[sight.faces[:, two]] - sight.positions[sight.faces[:, one]]
        np.maximum(squares, np.einsum("ij,ij->i", side, side), out=squares)
    return np.sqrt(squares.astype(np.float64))


def _tidied(sight: Sight, light: Float64Array) -> BoolArray:
    """Which faces are dark, without islands that few rays left lit or dark by chance."""
    least = LEAST_ISLAND_RATIO * sight.areas.sum()
    dark: BoolArray = light < LIT_RATIO
    label, areas, is_cut_out = _islands(sight, ~dark)
    dark[~dark] = ((areas < least) & is_cut_out)[label]
    label, areas, is_cut_out = _islands(sight, dark)
    lit = np.bincount(label, (sight.areas * light)[dark], len(areas))
    is_seen = ((areas < least) & is_cut_out) | (lit >= CLEFT_RATIO * areas)
    dark[dark] = ~is_seen[label]
    return dark


def _islands(sight: Sight, chosen: BoolArray) -> tuple[IntArray, Float64Array, BoolArray]:
    """Number the pieces of the surface that hang together by vertices.

    Returns:
        The island of each chosen face; the area of each island; whether it borders on others.
    """
    faces = sight.faces[chosen]
    a, b, c = faces.T
    _, of_vertex = components(len(sight.positions), np.concatenate([a, a]), np.concatenate([b, c]))
    found, label = np.unique(of_vertex[a], return_inverse=True)
    areas = np.bincount(label, sight.areas[chosen], len(found)).astype(np.float64, copy=False)
    is_beside = np.zeros(len(sight.positions), bool)
    is_beside[sight.faces[~chosen]] = True
    is_cut_out: BoolArray = np.zeros(len(found), bool)
    is_cut_out[label[is_beside[faces].any(axis=1)]] = True
    return label.astype(np.int32), areas, is_cut_out


@_kernel
def _mark(
    positions: FloatArray, faces: IntArray, low: Float64Array, cell: float, grid: BoolArray
) -> None:
    """Mark the cells of a grid that faces go through."""
    for f in range(len(faces)):
        a, b, c = positions[faces[f, 0]], positions[faces[f, 1]], positions[faces[f, 2]]
        u, v, w = b - a, c - a, c - b
        longest = max((u * u).sum(), (v * v).sum(), (w * w).sum())
        steps = int(2.0 * np.sqrt(longest) / cell) + 1
        for i in range(steps + 1):
            for j in range(steps + 1 - i):
                s, t = i / steps, j / steps
                x = int((a[0] + s * u[0] + t * v[0] - low[0]) / cell)
                y = int((a[1] + s * u[1] + t * v[1] - low[1]) / cell)
                z = int((a[2] + s * u[2] + t * v[2] - low[2]) / cell)
                grid[x, y, z] = True


@_kernel
def _march(
    origins: FloatArray,
    directions: FloatArray,
    lengths: FloatArray,
    low: Float64Array,
    cell: float,
    kinds: NDArray[np.uint8],
) -> BoolArray:
    """Which rays get to open air before they hit something or come through a shut place."""
    result = np.zeros(len(origins), np.bool_)
    for i in range(len(origins)):
        length = lengths[i] / cell
        px = (origins[i, 0] - low[0]) / cell
        py = (origins[i, 1] - low[1]) / cell
        pz = (origins[i, 2] - low[2]) / cell
        gone = 0.0
        while gone < length:
            x = int(px + gone * directions[i, 0])
            y = int(py + gone * directions[i, 1])
            z = int(pz + gone * directions[i, 2])
            kind = kinds[x, y, z]  # the margin is open: nothing leaves the grid unnoticed
            if kind != NEAR:
                result[i] = kind == OPEN
                break
            gone += 0.5
    return result
