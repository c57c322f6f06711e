"""Keep triangles a manifold: no flat faces, two faces per edge, one fan per vertex."""

from collections.abc import Iterable

import numpy as np

from pipeline.mesh.measuring.measure import (
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
    keep = _have_three_corners(faces)
    if not keep.all():
        faces, source = faces[keep], source[keep]
    flat = degenerate_faces(Mesh(positions=positions, faces=faces))
    flips_left = FLIP_ROUNDS
    while flat.any():
        # All that share a vertex with a flat face: few, and all the faces that its sides have.
        is_near = np.zeros(len(positions), bool)
        is_near[faces[flat]] = True
        near = np.flatnonzero(_have_some(is_near, faces))
        around, is_flat = faces[near], flat[near]
        edges = edges_of(around, len(positions))
        index = np.flatnonzero(is_flat)
        p = positions[around[index]].astype(np.float64)
        lengths = ((np.roll(p, -1, axis=1) - p) ** 2).sum(axis=2)
        longest = (3 * index + lengths.argmax(axis=1)).astype(np.int32)
        is_border = np.zeros(around.size, bool)
        is_border[edges.half_edges[edges.starts[:-1][edges.face_counts == 1]]] = True
        keep = np.ones(len(faces), bool)
        if is_border[longest].any():
            keep[near[longest[is_border[longest]] // 3]] = False
            changed = near[:0]
        elif flips_left and (turned := _flip_sides(around, edges, longest, is_flat)) is not None:
            flips_left -= 1
            faces = faces.copy()
            faces[near] = turned
            changed = near[(turned != around).any(axis=1)]
        else:
            shortest = (3 * index + lengths.argmin(axis=1)).astype(np.int32)
            corner = around.ravel()
            merged, ends = np.unique(
                [corner[shortest], corner[next_in_face(shortest)]], return_inverse=True
            )
            _, cluster = components(len(merged), *ends.reshape(2, -1))
            _, lowest = np.unique(cluster, return_index=True)
            becomes = np.arange(len(positions), dtype=np.int32)
            becomes[merged] = merged[lowest][cluster]
            is_near[:] = False
            is_near[merged] = True
            changed = np.flatnonzero(_have_some(is_near, faces))
            faces = faces.copy()
            faces[changed] = becomes[faces[changed]]
            keep[changed] = _have_three_corners(faces[changed])
        flat[changed] = degenerate_faces(Mesh(positions=positions, faces=faces[changed]))
        faces, source, flat = faces[keep], source[keep], flat[keep]
    return faces, source


def _have_some(is_one: BoolArray, faces: IntArray) -> BoolArray:
    """`[F]`: which faces have one of these vertices; `any` is slow along short axes."""
    a, b, c = faces.T
    some: BoolArray = is_one[a] | is_one[b] | is_one[c]
    return some


def _have_three_corners(faces: IntArray) -> BoolArray:
    a, b, c = faces.T
    different: BoolArray = (a != b) & (b != c) & (c != a)
    return different


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


def make_manifold(
    positions: FloatArray, faces: IntArray, source: IntArray
) -> tuple[FloatArray, IntArray, IntArray]:
    """As `split_non_manifold`, and no edge at all keeps more than two faces.

    Where faces could not turn their common side, two keep the edge and the others are divided at
    its middle, so the shape stays the same.

    Args:
        positions: `[V, 3]`. faces: `[F, 3]`. source: `[F]`, any number per face.
    """
    positions, faces, is_manifold = _split(positions, faces)
    while not is_manifold:
        edges = edges_of(faces, len(positions))
        twin = _twins(positions, faces, edges)
        pairs = []
        for edge in np.flatnonzero(edges.face_counts > 2):
            sides = edges.half_edges[edges.starts[edge] : edges.starts[edge + 1]].tolist()
            fans = sorted((int(twin[h]) < 0, h, int(twin[h])) for h in sides if twin[h] < h)
            stays = 1 if fans[0][2] >= 0 else 2  # a pair, or two faces that have no other
            pairs += [(h, g) for _, h, g in fans[stays:]]
        positions, faces, parent = halve_edges(positions, faces, pairs)
        source = source[parent]
        is_manifold = not (edges_of(faces, len(positions)).face_counts > 2).any()
    return positions, faces, source


def split_non_manifold(positions: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray]:
    """Double vertices until each edge has at most two faces and each vertex one fan of them.

    At an edge with more faces those are joined that have solid between them, so that two bodies
    that touch along an edge come apart as two bodies, both closed. Where a surface touches itself
    along a single edge, so that both its ends stay one vertex each, two of the faces turn their
    common side instead, if they can. Unused vertices are dropped; faces keep their order.

    Source: Guéziec et al., Cutting and Stitching: Converting Sets of Polygons to Manifold
    Surfaces, 2001 (cutting); we choose the pairs by angle.
    """
    positions, faces, _ = _split(positions, faces)
    return positions, faces


def _split(positions: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray, bool]:
    """See `split_non_manifold`; and whether all edges have at most two faces now."""
    from pipeline.mesh.repairing.half_edges import label_fans

    edges = edges_of(faces, len(positions))
    for _ in range(FLIP_ROUNDS):
        twin = _twins(positions, faces, edges)
        fan, count = label_fans(twin)
        vertex = np.empty(count, np.int32)
        vertex[fan] = faces.ravel()
        positions, faces = positions[vertex], fan.reshape(-1, 3)
        if not (edges.face_counts > 2).any():
            return positions, faces, True  # cutting does not crowd an edge
        edges = edges_of(faces, len(positions))
        if not (edges.face_counts > 2).any():
            return positions, faces, True
        turned = _turn_shared_sides(positions, faces, edges, twin)
        if (turned == faces).all():
            return positions, faces, False
        faces = turned
        edges = edges_of(faces, len(positions))
    return positions, faces, not (edges.face_counts > 2).any()


def halve_edges(
    positions: FloatArray, faces: IntArray, pairs: Iterable[tuple[int, int]]
) -> tuple[FloatArray, IntArray, IntArray]:
    """Divide faces at the middles of their common sides.

    Args:
        positions: `[V, 3]`. faces: `[F, 3]`.
        pairs: Half-edges that run along each other, the second -1 at a border. A pair whose faces
            are divided already is left out.

    Returns:
        Positions with the middles behind the others, faces with the new ones behind the others,
        each starting at an old vertex, and `[F]` which face each was.
    """
    faces = faces.copy()
    middles: list[FloatArray] = []
    halves: list[tuple[int, int, int]] = []
    parents: list[int] = []
    touched: set[int] = set()
    for pair in pairs:
        sides = [h for h in pair if h >= 0]
        if touched & {h // 3 for h in sides}:
            continue
        a, b, _ = np.roll(faces[sides[0] // 3], -(sides[0] % 3))
        middle = len(positions) + len(middles)
        middles.append((positions[a] + positions[b]) / 2)
        for h in sides:
            start, end, apex = np.roll(faces[h // 3], -(h % 3)).tolist()
            faces[h // 3] = start, middle, apex
            halves.append((end, apex, middle))
            parents.append(h // 3)
            touched.add(h // 3)
    parent = np.arange(len(faces), dtype=np.int32)
    if not middles:
        return positions, faces, parent
    return (
        np.concatenate([positions, np.array(middles, np.float32)]),
        np.concatenate([faces, np.array(halves, np.int32)]),
        np.concatenate([parent, np.array(parents, np.int32)]),
    )


def _twins(positions: FloatArray, faces: IntArray, edges: Edges) -> IntArray:
    """`[3F]`: the half-edge across from each in a manifold, or -1 where it is to end."""
    twin = np.full(faces.size, -1, np.int32)
    h, g = edges.sides(np.flatnonzero(edges.face_counts == 2))
    opposite = edges.is_forward[h] != edges.is_forward[g]
    if not opposite.all():
        h, g = h[opposite], g[opposite]
    twin[h], twin[g] = g, h
    if (edges.face_counts > 2).any():
        h, g = _pair_by_angle(positions, faces, edges)
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
