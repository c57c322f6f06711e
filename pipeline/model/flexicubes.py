"""Grid values -> triangles: dual marching cubes with learnt weights, on sparse cubes only.

Source: Shen et al., Flexible Isosurface Extraction for Gradient-Based Mesh Optimization, 2023, in
the variant TRELLIS uses (no QEF, colors interpolated along). The edge groups of the 256 corner
cases are derived by union-find over cube faces instead of a table.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.types import FloatArray, IntArray

Int64Array = NDArray[np.int64]

# Corner k of a cube, x fastest.
CORNERS = np.array([(k & 1, k >> 1 & 1, k >> 2 & 1) for k in range(8)])
# Edge e of a cube: first and second corner. The order is the same in all cubes that share it.
EDGES = np.array(
    [(0, 1), (1, 5), (4, 5), (0, 4), (2, 3), (3, 7), (6, 7), (2, 6), (2, 0), (3, 1), (7, 5), (6, 4)]
)


@dataclass(frozen=True, kw_only=True)
class ColoredMesh:
    """vertices `[V, 3]` in the unit cube, Z up; faces `[F, 3]`; attributes `[V, 6]` in 0..1."""

    vertices: FloatArray
    faces: IntArray
    attributes: FloatArray


@dataclass(frozen=True, kw_only=True)
class DualSurface:
    """The surface before its quads are split.

    vertices `[V, 3]`, attributes `[V, 6]`, gamma `[V]`: dual vertices and what they carry.
    quads `[Q, 4]`: counter-clockwise seen from outside.
    """

    vertices: FloatArray
    attributes: FloatArray
    gamma: NDArray[np.float64]
    quads: IntArray


@dataclass(frozen=True, kw_only=True)
class _Cases:
    """What a corner case means.

    group: `[256, 12]` group of each crossing edge, -1 where the edge does not cross.
    groups: `[256]` number of groups.
    partner: `[256, 3]` step to the cube that decides an ambiguous face, 0 where none does.
    """

    group: Int64Array
    groups: Int64Array
    partner: Int64Array


@lru_cache(maxsize=1)
def _cases() -> _Cases:
    group = np.full((256, 12), -1, np.int64)
    groups = np.zeros(256, np.int64)
    partner = np.zeros((256, 3), np.int64)
    faces = [
        (axis, side, [e for e in range(12) if (CORNERS[EDGES[e]][:, axis] == side).all()])
        for axis in range(3)
        for side in (0, 1)
    ]
    for case in range(256):
        inside = [(case >> k) & 1 for k in range(8)]
        crossing = [e for e in range(12) if inside[EDGES[e][0]] != inside[EDGES[e][1]]]
        root = {e: e for e in crossing}

        def find(e: int, root: dict[int, int] = root) -> int:
            while root[e] != e:
                e = root[e]
            return e

        ambiguous = []
        for axis, side, edges in faces:
            cut = [e for e in edges if e in root]
            if len(cut) == 2:
                root[find(cut[0])] = find(cut[1])
            elif len(cut) == 4:
                ambiguous.append((axis, side))
                for k in range(8):
                    if inside[k] and CORNERS[k][axis] == side:
                        a, b = (e for e in edges if k in EDGES[e])
                        root[find(a)] = find(b)
        names: dict[int, int] = {}
        for e in crossing:
            group[case, e] = names.setdefault(find(e), len(names))
        groups[case] = len(names)
        if len(ambiguous) == 1 and sum(inside) >= 5:
            axis, side = ambiguous[0]
            partner[case, axis] = 1 if side else -1
    return _Cases(group=group, groups=groups, partner=partner)


def extract(
    coords: IntArray, head: FloatArray, resolution: int, enclosed: NDArray[np.bool_] | None = None
) -> ColoredMesh:
    """Turn the mesh decoder's head into triangles; arguments as in `dual_surface`.

    Each quad is split along the diagonal whose gammas have the larger product.
    """
    surface = dual_surface(coords, head, resolution, enclosed)
    quad, g = surface.quads, surface.gamma[surface.quads]
    along02 = g[:, 0] * g[:, 2] > g[:, 1] * g[:, 3]
    split = np.where(along02[:, None], quad[:, [0, 1, 2, 0, 2, 3]], quad[:, [0, 1, 3, 3, 1, 2]])
    return ColoredMesh(
        vertices=surface.vertices, faces=split.reshape(-1, 3), attributes=surface.attributes
    )


def dual_surface(
    coords: IntArray, head: FloatArray, resolution: int, enclosed: NDArray[np.bool_] | None = None
) -> DualSurface:
    """Place dual vertices in the cubes that the surface crosses, and join them to quads.

    Cubes at the border of the grid leave holes there, as in the reference.

    Args:
        coords: `[T, 3]` active cubes in [0, resolution).
        head: `[T, 101]` raw channels: 8 sdf, 24 deform, 21 weights, 48 color logits.
        resolution: Cubes per side.
        enclosed: `[r, r, r]` voxels of a coarser grid that are inactive and lie inside the object.
            Untouched grid vertices count as outside, which closes every solid with a second wall
            facing inward; vertices of these voxels count as inside, and the wall is not made.
            None is the reference's behaviour.

    Returns:
        Vertices in `[-0.5, 0.5]^3`, Z up; possibly none.
    """
    cases = _cases()
    grid = _gather_vertices(coords, head, resolution)
    cubes, outside_value = _mixed_cubes(grid, resolution, enclosed)
    slot, known = grid.rows(cubes[:, None] + CORNERS)  # [N, 8]
    sdf = np.where(known, grid.sdf[slot], outside_value[:, None])
    inside = sdf < 0
    if len(cubes) == 0:
        return DualSurface(
            vertices=np.zeros((0, 3), np.float32),
            attributes=np.zeros((0, 6), np.float32),
            gamma=np.zeros(0),
            quads=np.zeros((0, 4), np.int32),
        )

    deform = np.where(known[..., None], grid.deform[slot], 0)
    color = np.where(known[..., None], grid.color[slot], 0)
    position = (cubes[:, None] + CORNERS) / resolution - 0.5
    position = position + (1 - 1e-8) / (2 * resolution) * np.tanh(deform)
    color = 1 / (1 + np.exp(-color))
    corner_ids = _vertex_ids(cubes[:, None] + CORNERS, resolution)
    cube_ids = _cube_ids(cubes, resolution)
    beta, alpha, gamma = _weights(coords, head, cube_ids, resolution)

    case = _resolved_cases((inside << np.arange(8)).sum(1), cubes, cube_ids, resolution)
    first = np.concatenate([[0], np.cumsum(cases.groups[case])])
    vertices = np.zeros((first[-1], 3))
    attributes = np.zeros((first[-1], 6))
    weight = np.zeros((first[-1], 1))
    crossings = []
    weighted_sdf = sdf * alpha
    for e, (a, b) in enumerate(EDGES):
        rows = np.flatnonzero(cases.group[case, e] >= 0)
        dual = first[rows] + cases.group[case[rows], e]
        s_a, s_b = weighted_sdf[rows, a, None], weighted_sdf[rows, b, None]
        w = beta[rows, e, None]
        u = (position[rows, a] * s_b - position[rows, b] * s_a) / (s_b - s_a)
        c = (color[rows, a] * s_b - color[rows, b] * s_a) / (s_b - s_a)
        vertices[dual] += w * u  # an edge belongs to one group, so no row repeats
        attributes[dual] += w * c
        weight[dual] += w
        crossings.append(
            np.stack(
                [corner_ids[rows, a], corner_ids[rows, b], cube_ids[rows], dual, sdf[rows, a] > 0],
                axis=1,
            )
        )
    return DualSurface(
        vertices=(vertices / weight).astype(np.float32),
        attributes=(attributes / weight).astype(np.float32),
        gamma=np.repeat(gamma, cases.groups[case]),
        quads=_quads(np.concatenate(crossings)),
    )


@dataclass(frozen=True, kw_only=True)
class _GridVertices:
    """Grid vertices touched by an active cube; values are means over the cubes.

    slot: `[R + 1, R + 1, R + 1]` int32: the row of each grid vertex, -1 where there is none. At 256
        cells these are 68 MB, less than sorting ten million corners takes.
    sdf `[V]`, deform `[V, 3]`, color `[V, 6]`: by row, in the order of the grid.
    """

    slot: IntArray
    sdf: NDArray[np.float64]
    deform: NDArray[np.float64]
    color: NDArray[np.float64]

    def rows(self, xyz: Int64Array) -> tuple[IntArray, NDArray[np.bool_]]:
        """The rows of vertices `[..., 3]` and whether they have one; 0 where they have not."""
        slot = self.slot[xyz[..., 0], xyz[..., 1], xyz[..., 2]]
        known = slot >= 0
        return np.where(known, slot, 0), known


def _gather_vertices(coords: IntArray, head: FloatArray, resolution: int) -> _GridVertices:
    touched = np.zeros((resolution + 1,) * 3, bool)
    for corner in CORNERS:
        touched[tuple((coords + corner).T)] = True
    count = int(touched.sum())
    slot = np.full(touched.shape, -1, np.int32)
    slot[touched] = np.arange(count, dtype=np.int32)
    corner_rows = np.empty((len(coords), 8), np.int64)
    for k, corner in enumerate(CORNERS):
        corner_rows[:, k] = slot[tuple((coords + corner).T)]
    rows = corner_rows.reshape(-1)  # cube by cube: the order of the sums below
    share = np.bincount(rows, minlength=count)

    def mean(channels: FloatArray) -> NDArray[np.float64]:
        """Of `[T, 8]` values at the corners: `[V]`."""
        return np.bincount(rows, weights=channels.reshape(-1), minlength=count) / share

    # A channel at a time: all ten in float64 would be most of the memory at full size.
    deform, color = np.empty((count, 3)), np.empty((count, 6))
    for i in range(3):
        deform[:, i] = mean(head[:, 8 + i : 32 : 3])
    for i in range(6):
        color[:, i] = mean(head[:, 53 + i :: 6])
    sdf = mean(head[:, :8] - 1 / resolution)  # the bias that makes a zero network mean "inside"
    return _GridVertices(slot=slot, sdf=sdf, deform=deform, color=color)


def _mixed_cubes(
    grid: _GridVertices, resolution: int, enclosed: NDArray[np.bool_] | None
) -> tuple[Int64Array, NDArray[np.float64]]:
    """The cubes that the surface crosses, in the order of the grid.

    Active or not: surface can reach into inactive cubes beside a vertex whose sign is not that of
    the untouched ones.

    Returns:
        `[N, 3]` cubes, and the `[N]` value of their untouched vertices: -1 inside an enclosed
        voxel, else +1. The voxels around an untouched vertex are all inactive and share faces, so
        they are enclosed together or not at all: the cube's own voxel speaks for the vertex.
    """
    known = grid.slot >= 0
    inside = np.zeros_like(known)
    inside[known] = grid.sdf < 0
    touched, any_in = _any_corner(known), _any_corner(inside)
    any_out, any_unknown = _any_corner(known & ~inside), _any_corner(~known)
    is_solid = np.zeros_like(touched)
    if enclosed is not None:
        factor = resolution // enclosed.shape[0]
        is_solid = enclosed.repeat(factor, 0).repeat(factor, 1).repeat(factor, 2)
    any_in |= any_unknown & is_solid
    any_out |= any_unknown & ~is_solid
    mixed = touched & any_in & any_out
    return np.argwhere(mixed), np.where(is_solid[mixed], -1.0, 1.0)


def _any_corner(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`[R + 1, ...]` vertices -> `[R, ...]` cubes that have one of them as a corner."""
    found = flags[:-1] | flags[1:]
    found = found[:, :-1] | found[:, 1:]
    either: NDArray[np.bool_] = found[..., :-1] | found[..., 1:]
    return either


def _vertex_ids(xyz: Int64Array, resolution: int) -> Int64Array:
    side = resolution + 1
    return (xyz[..., 0] * side + xyz[..., 1]) * side + xyz[..., 2]


def _cube_ids(xyz: Int64Array, resolution: int) -> Int64Array:
    return (xyz[..., 0] * resolution + xyz[..., 1]) * resolution + xyz[..., 2]


def _lookup(sorted_ids: Int64Array, ids: Int64Array) -> tuple[Int64Array, NDArray[np.bool_]]:
    """Positions of `ids` in `sorted_ids` and whether they are there; 0 where they are not."""
    slot = np.searchsorted(sorted_ids, ids)
    slot[slot == len(sorted_ids)] = 0
    known = sorted_ids[slot] == ids
    return np.where(known, slot, 0), known


def _weights(
    coords: IntArray, head: FloatArray, cube_ids: Int64Array, resolution: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Beta `[N, 12]`, alpha `[N, 8]`, gamma `[N]` of the cubes; raw weights of others are zero."""
    active = _cube_ids(coords.astype(np.int64), resolution)
    order = np.argsort(active)
    slot, known = _lookup(active[order], cube_ids)
    raw = np.where(known[:, None], head[order[slot], 32:53].astype(np.float64), 0)
    beta = 0.99 * np.tanh(raw[:, :12]) + 1
    alpha = 0.99 * np.tanh(raw[:, 12:20]) + 1
    gamma = 0.99 / (1 + np.exp(-raw[:, 20])) + 0.005
    return beta, alpha, gamma


def _resolved_cases(
    case: Int64Array, cubes: Int64Array, cube_ids: Int64Array, resolution: int
) -> Int64Array:
    """Flip a problem case to its complement where the cube across the ambiguous face is one too."""
    partner = _cases().partner
    problem: NDArray[np.bool_] = np.any(partner[case] != 0, axis=1)
    across = cubes + partner[case]
    in_grid = ((across >= 0) & (across < resolution)).all(1)
    slot, known = _lookup(cube_ids, _cube_ids(across, resolution))
    flip = problem & in_grid & known & problem[slot]
    return np.where(flip, 255 - case, case)


def _quads(crossings: Int64Array) -> IntArray:
    """`[Q, 4]` quads around every grid edge that four cubes share.

    Args:
        crossings: `[N, 5]` first vertex, second vertex, cube, dual vertex, first is outside.
    """
    order = np.lexsort((crossings[:, 2], crossings[:, 1], crossings[:, 0]))
    crossings = crossings[order]
    starts = np.flatnonzero(np.r_[True, (crossings[1:, :2] != crossings[:-1, :2]).any(1)])
    starts = starts[np.diff(np.r_[starts, len(crossings)]) == 4]
    quad = crossings[starts[:, None] + np.arange(4), 3]
    outside = crossings[starts, 4] == 1
    wound = np.concatenate([quad[outside][:, [0, 1, 3, 2]], quad[~outside][:, [2, 3, 1, 0]]])
    return wound.astype(np.int32)
