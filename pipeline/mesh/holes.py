"""Find the borders of a surface and close the small ones."""

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.measure import (
    Edges,
    Float64Array,
    edges_of,
    face_areas,
    face_components,
    next_in_face,
)
from pipeline.types import IntArray, Mesh

# A patch is a hole's lid only while it is small beside its part; the "hole" of a leaf is the leaf.
MAX_LID_AREA_RATIO = 0.1


def fill_holes(
    mesh: Mesh, source: IntArray, *, max_edges: int, max_perimeter_m: float
) -> tuple[IntArray, IntArray, int]:
    """Close small boundary loops with the smallest lids that fit. Needs a manifold.

    A loop whose lid would be large beside its part is an outline, and a lid that would put a third
    face on an edge is left out.

    Args:
        mesh: What to close. source: `[F]`, any number per face.
        max_edges: Longest loop that is a hole; 0 closes none.
        max_perimeter_m: And how long it may be in metres.

    Returns:
        Faces, their source with -1 for new ones, and how many holes were closed.
    """
    if max_edges == 0:
        return mesh.faces, source, 0
    count, part = face_components(mesh)
    part_areas = np.bincount(part, face_areas(mesh), minlength=count)
    part_of_vertex = np.zeros(len(mesh.positions), np.int32)
    part_of_vertex[mesh.faces] = part[:, None]
    edges = edges_of(mesh.faces, len(mesh.positions))
    lids = []
    for loop in boundary_loops(mesh.faces, edges):
        points = mesh.positions[loop].astype(np.float64)
        perimeter = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1).sum()
        if len(loop) > max_edges or perimeter > max_perimeter_m:
            continue
        triangles, area = _smallest_lid(points)
        if area <= MAX_LID_AREA_RATIO * part_areas[part_of_vertex[loop[0]]]:
            lids.append(loop[triangles][:, ::-1])  # its sides run against those around it
    lids = _without_crowding(mesh, lids)
    if not lids:
        return mesh.faces, source, 0
    new = np.concatenate(lids).astype(np.int32)
    return (
        np.concatenate([mesh.faces, new]),
        np.concatenate([source, np.full(len(new), -1, np.int32)]),
        len(lids),
    )


def _without_crowding(mesh: Mesh, lids: list[IntArray]) -> list[IntArray]:
    """The lids that put no third face on an edge: their inner edges may be edges elsewhere."""
    if not lids:
        return lids
    faces = np.concatenate([mesh.faces, *lids])
    edges = edges_of(faces, len(mesh.positions))
    crowded = edges.half_edges[np.repeat(edges.face_counts > 2, edges.face_counts)]
    is_crowded = np.zeros(len(faces), bool)
    is_crowded[crowded // 3] = True
    ends = np.cumsum([len(mesh.faces), *(len(lid) for lid in lids)])
    return [
        lid
        for lid, start, end in zip(lids, ends[:-1], ends[1:], strict=True)
        if not is_crowded[start:end].any()
    ]


def boundary_loops(faces: IntArray, edges: Edges) -> list[IntArray]:
    """Find the closed lines of boundary edges, in the direction of their faces. Needs a manifold.

    Returns:
        Vertex indices per loop, `[N]`, each beginning with its lowest.
    """
    h = edges.half_edges[edges.starts[:-1][edges.face_counts == 1]]
    corner = faces.ravel()
    following = dict(
        zip(corner[h].tolist(), corner[next_in_face(h)].tolist(), strict=True)
    )  # a vertex with one fan of faces starts one boundary edge
    loops = []
    for first in sorted(following):
        loop = []
        vertex = first
        while vertex in following:
            loop.append(vertex)
            vertex = following.pop(vertex)
        if len(loop) >= 3:
            loops.append(np.array(loop, np.int32))
    return loops


def _smallest_lid(points: Float64Array) -> tuple[NDArray[np.int64], float]:
    """Triangulate a closed line in space with the least area.

    Args:
        points: `[N, 3]` corners in order, N >= 3.

    Returns:
        `[N - 2, 3]` corner indices, each rising, and their area.

    Source: Barequet and Sharir, Filling Gaps in the Boundary of a Polyhedron, 1995.
    """
    n = len(points)
    cost = np.zeros((n, n))
    best = np.zeros((n, n), np.int64)
    for span in range(2, n):
        i = np.arange(n - span)[:, None]
        j = i + span
        k = i + np.arange(1, span)[None, :]
        normal = np.cross(points[k] - points[i], points[j] - points[i])
        total = cost[i, k] + cost[k, j] + 0.5 * np.linalg.norm(normal, axis=2)
        choice = total.argmin(axis=1)
        rows = np.arange(n - span)
        cost[rows, rows + span] = total[rows, choice]
        best[rows, rows + span] = rows + 1 + choice
    triangles, open_spans = [], [(0, n - 1)]
    while open_spans:
        start, end = open_spans.pop()
        if end - start >= 2:
            middle = int(best[start, end])
            triangles.append((start, middle, end))
            open_spans += [(start, middle), (middle, end)]
    return np.array(triangles, np.int64), float(cost[0, n - 1])
