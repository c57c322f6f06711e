"""Keep triangles a manifold: no flat faces, two faces per edge, one fan per vertex."""

import numpy as np

from pipeline.mesh.measure import (
    BoolArray,
    Edges,
    components,
    degenerate_faces,
    duplicate_faces,
    edges_of,
    next_in_face,
    used_vertices,
)
from pipeline.types import FloatArray, IntArray, Mesh

# Edge flips move a flat triangle's longest side to its neighbor; chains of them end soon.
FLIP_ROUNDS = 8


def drop_degenerate(
    positions: FloatArray, faces: IntArray, source: IntArray
) -> tuple[IntArray, IntArray]:
    """Take out faces without area; what is closed stays closed.

    A face with two equal corners can simply go. One with three corners on a line is turned: its
    longest side moves to the neighbor across, which splits that neighbor at the middle corner;
    just dropping it would open the surface along the line. Where there is no neighbor, it is a
    border and dropped. Where the neighbor is flat as well, the shortest side is collapsed.

    Args:
        positions: `[V, 3]`. faces: `[F, 3]`. source: `[F]`, any number per face.

    Returns:
        The faces that are left and their `source`.
    """
    flips_left = FLIP_ROUNDS
    while True:
        keep = (faces != np.roll(faces, -1, axis=1)).all(axis=1)
        faces, source = faces[keep], source[keep]
        flat = degenerate_faces(Mesh(positions=positions, faces=faces))
        if not flat.any():
            return faces, source
        edges = edges_of(faces, len(positions))
        index = np.flatnonzero(flat)
        p = positions.astype(np.float64)[faces[index]]
        lengths = ((np.roll(p, -1, axis=1) - p) ** 2).sum(axis=2)
        longest = (3 * index + lengths.argmax(axis=1)).astype(np.int32)
        is_border = np.zeros(faces.size, bool)
        is_border[edges.half_edges[edges.starts[:-1][edges.face_counts == 1]]] = True
        if is_border[longest].any():
            keep = np.ones(len(faces), bool)
            keep[longest[is_border[longest]] // 3] = False
            faces, source = faces[keep], source[keep]
            continue
        turned = _flip_sides(faces, edges, longest, flat) if flips_left > 0 else None
        flips_left -= 1
        if turned is not None:
            faces = turned
            continue
        shortest = (3 * index + lengths.argmin(axis=1)).astype(np.int32)
        corner = faces.ravel()
        _, cluster = components(len(positions), corner[shortest], corner[next_in_face(shortest)])
        _, lowest = np.unique(cluster, return_index=True)
        faces = lowest[cluster].astype(np.int32)[faces]


def _flip_sides(faces: IntArray, edges: Edges, sides: IntArray, flat: BoolArray) -> IntArray | None:
    """Flip these half-edges against neighbors that are not flat; None if none can be."""
    h, g = edges.sides(np.flatnonzero(edges.face_counts == 2))
    opposite = edges.is_forward[h] != edges.is_forward[g]
    h, g = h[opposite], g[opposite]
    twin = np.full(faces.size, -1, np.int32)
    twin[h], twin[g] = g, h

    h, g = sides, twin[sides]
    # Each neighbor takes part once a round, and only if it has an area to give.
    usable = (g >= 0) & ~flat[g // 3]
    h, g = h[usable], g[usable]
    _, first = np.unique(g // 3, return_index=True)
    h, g = h[first], g[first]
    corner = faces.ravel()
    a, b = corner[h], corner[next_in_face(h)]
    middle, far = corner[next_in_face(next_in_face(h))], corner[next_in_face(next_in_face(g))]
    proper = middle != far
    if not proper.any():
        return None
    flipped = faces.copy()
    flipped[h[proper] // 3] = np.stack([a, far, middle], axis=1)[proper]
    flipped[g[proper] // 3] = np.stack([far, b, middle], axis=1)[proper]
    return flipped


def tidy(mesh: Mesh) -> Mesh:
    """Remove what collapsing left behind, without opening what is closed.

    Two faces back to back on the same vertices are a part or a fin that has lost its volume: both
    go. Edges where the surface came to touch itself are split.
    """
    faces, _ = drop_degenerate(mesh.positions, mesh.faces, np.zeros(len(mesh.faces), np.int32))
    repeated, first = duplicate_faces(faces, len(mesh.positions))
    if len(repeated):
        keep = np.ones(len(faces), bool)
        keep[repeated] = False
        # Of an even number nothing stays, of an odd number one does.
        owner, count = np.unique(first, return_counts=True)
        keep[owner[count % 2 == 1]] = False
        faces = faces[keep]
    if len(faces) == 0:
        return Mesh(positions=mesh.positions[:0], faces=faces)
    positions, faces = split_non_manifold(mesh.positions, faces)
    return Mesh(positions=positions, faces=faces)


def split_non_manifold(positions: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray]:
    """Double vertices until each edge has at most two faces and each vertex one fan of them.

    At an edge with more faces those are joined that have solid between them, so that two bodies
    that touch along an edge come apart as two bodies, both closed. Where a surface touches itself
    along a single edge, so that both its ends stay one vertex each, two of the faces turn their
    common side instead. Unused vertices are dropped.

    Source: Guéziec et al., Cutting and Stitching: Converting Sets of Polygons to Manifold
    Surfaces, 2001 (cutting); we choose the pairs by angle.
    """
    edges = edges_of(faces, len(positions))
    for _ in range(FLIP_ROUNDS):
        twin = _twins(positions, faces, edges)
        h = np.flatnonzero(twin >= 0).astype(np.int32)
        g = twin[h]
        # A half-edge names the corner it starts at: joined half-edges share both their corners.
        _, corner_vertex = components(
            faces.size, np.concatenate([h, next_in_face(h)]), np.concatenate([next_in_face(g), g])
        )
        vertex = np.empty(corner_vertex.max() + 1, np.int32)
        vertex[corner_vertex] = faces.ravel()
        positions, faces = positions[vertex], corner_vertex.reshape(-1, 3)
        edges = edges_of(faces, len(positions))
        if not (edges.face_counts > 2).any():
            break
        faces = _turn_shared_sides(positions, faces, edges, twin)
        edges = edges_of(faces, len(positions))
    return positions, faces


def _twins(positions: FloatArray, faces: IntArray, edges: Edges) -> IntArray:
    """`[3F]`: the half-edge across from each in a manifold, or -1 where it is to end."""
    twin = np.full(faces.size, -1, np.int32)
    h, g = edges.sides(np.flatnonzero(edges.face_counts == 2))
    opposite = edges.is_forward[h] != edges.is_forward[g]
    pairs = [(h[opposite], g[opposite])]
    if (edges.face_counts > 2).any():
        pairs.append(_pair_by_angle(positions, faces, edges))
    for h, g in pairs:
        twin[h], twin[g] = g, h
    return twin


def _turn_shared_sides(
    positions: FloatArray, faces: IntArray, edges: Edges, twin: IntArray
) -> IntArray:
    """Where two pairs of faces have one edge, flip the side of a pair that it does not fold."""
    corner = faces.ravel()
    first = edges.half_edges[edges.starts[:-1]]
    ends = np.sort([corner[first], corner[next_in_face(first)]], axis=0).astype(np.int64)
    existing = (ends[0] << 32) | ends[1]  # rising, as edges are sorted by their vertices
    added: set[int] = set()
    touched: set[int] = set()
    faces = faces.copy()
    p = positions.astype(np.float64)
    for edge in np.flatnonzero(edges.face_counts > 2):
        for h in edges.half_edges[edges.starts[edge] : edges.starts[edge + 1]].tolist():
            g = int(twin[h])
            if g < 0 or {h // 3, g // 3} & touched:
                continue
            a, b, c = np.roll(faces[h // 3], -(h % 3)).tolist()
            d = int(np.roll(faces[g // 3], -(g % 3))[2])
            key = (min(c, d) << 32) | max(c, d)
            place = np.searchsorted(existing, key)
            is_edge = key in added or (place < len(existing) and existing[place] == key)
            turned = np.array([(a, d, c), (d, b, c)])
            normals = np.cross(p[turned[:, 1]] - p[turned[:, 0]], p[turned[:, 2]] - p[turned[:, 0]])
            if c != d and not is_edge and normals[0] @ normals[1] > 0:
                faces[[h // 3, g // 3]] = turned
                touched |= {h // 3, g // 3}
                added.add(key)
                break
    return faces


def _pair_by_angle(
    positions: FloatArray, faces: IntArray, edges: Edges
) -> tuple[IntArray, IntArray]:
    """Pair half-edges of edges with three or more faces, over the solid between them."""
    counts = edges.face_counts
    crowded = np.flatnonzero(counts > 2)
    edge = np.repeat(crowded, counts[crowded])
    starts = np.repeat(edges.starts[crowded], counts[crowded])
    place = np.arange(len(edge)) - np.repeat(
        np.cumsum(counts[crowded]) - counts[crowded], counts[crowded]
    )
    h = edges.half_edges[starts + place]
    p, corner = positions.astype(np.float64), faces.ravel()
    forward = edges.is_forward[h]
    low = p[np.where(forward, corner[h], corner[next_in_face(h)])]
    high = p[np.where(forward, corner[next_in_face(h)], corner[h])]
    axis = high - low
    wing = p[corner[next_in_face(next_in_face(h))]] - low
    # Any direction across the axis will do to count angles from: along the shortest component.
    away = np.eye(3)[np.abs(axis).argmin(axis=1)]
    x = np.cross(axis, away)
    y = np.cross(axis, x) / np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.arctan2((wing * y).sum(axis=1), (wing * x).sum(axis=1))
    order = np.lexsort((h, angle, edge))
    h, edge, forward = h[order], edge[order], forward[order]
    # Around the axis, a backward face has its solid ahead of it and a forward face behind it.
    following = np.arange(len(h)) + 1
    last = np.append(edge[1:] != edge[:-1], True)
    following[last] = np.flatnonzero(np.append(True, last[:-1]))
    solid = ~forward & forward[following]
    return h[solid], h[following[solid]]


def without_unused_vertices(mesh: Mesh) -> Mesh:
    """The same triangles on only the vertices that they need, in the same order."""
    used = used_vertices(mesh)
    index = np.empty(len(mesh.positions), np.int32)
    index[used] = np.arange(len(used), dtype=np.int32)
    return Mesh(positions=mesh.positions[used], faces=index[mesh.faces])
