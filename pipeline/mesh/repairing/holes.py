"""Find the borders of a surface and close the small ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.mesh.measuring.measure import (
    BoolArray,
    Edges,
    Float64Array,
    degenerate_faces,
    edges_of,
    next_in_face,
)
from pipeline.mesh.repairing.manifold import halve_edges
from pipeline.types import FloatArray, IntArray, Mesh

# A patch is a hole's lid only while it is small beside its part; the "hole" of a leaf is the leaf.
MAX_LID_AREA_RATIO = 0.1

# The smallest lid takes time with the third power of the border: 2 ms at so many edges.
LONGEST_EXACT = 200
LIDS_PER_TICK = 50


@dataclass(frozen=True, kw_only=True)
class Borders:
    """Where a surface ends: closed lines of boundary edges `L`, in the direction of their faces.

    vertices: `[N]` int32, the vertices of the lines, one line after the other; each begins with
        its lowest. begins: `[L + 1]` int32, where each line begins.
    perimeters_m: `[L]`. areas: `[L]` square metres, the least that a lid of it can have.
    """

    vertices: IntArray
    begins: IntArray
    perimeters_m: Float64Array
    areas: Float64Array

    def __len__(self) -> int:
        return len(self.begins) - 1

    def __getitem__(self, line: int) -> IntArray:
        return self.vertices[self.begins[line] : self.begins[line + 1]]

    @property
    def firsts(self) -> IntArray:
        """`[L]`: one vertex of each line."""
        return self.vertices[self.begins[:-1]]


def borders(mesh: Mesh) -> Borders:
    """Find the closed lines of boundary edges. Needs a manifold."""
    from pipeline.mesh.repairing.half_edges import border_loops

    positions, faces = mesh.positions, mesh.faces
    edges = edges_of(faces, len(positions))
    h = boundary_half_edges(edges)
    corner = faces.ravel()
    vertices, begins = border_loops(corner[h], corner[next_in_face(h)], len(positions))
    if len(begins) == 1:
        none = np.empty(0)
        return Borders(vertices=vertices, begins=begins, perimeters_m=none, areas=none)
    following = np.append(vertices[1:], vertices[:1])
    following[begins[1:] - 1] = vertices[begins[:-1]]
    # From the first vertex of each line: small lines far from the origin lose no digits.
    first = np.repeat(positions[vertices[begins[:-1]]].astype(np.float64), np.diff(begins), axis=0)
    here, there = positions[vertices] - first, positions[following] - first
    starts = begins[:-1].astype(np.int64)
    vectors = np.add.reduceat(np.cross(here, there), starts, axis=0) / 2
    return Borders(
        vertices=vertices,
        begins=begins,
        perimeters_m=np.add.reduceat(np.linalg.norm(there - here, axis=1), starts),
        areas=np.linalg.norm(vectors, axis=1),
    )


def boundary_half_edges(edges: Edges) -> IntArray:
    """The half-edges without another face across, sorted by edge."""
    h: IntArray = edges.half_edges[edges.starts[:-1][edges.face_counts == 1]]
    return h


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A mesh with lids.

    mesh: the faces from before, in order, then those of the lids, whose first vertices are old.
    lines: which borders were closed.
    """

    mesh: Mesh
    lines: IntArray


def fill_holes(
    mesh: Mesh,
    found: Borders,
    part_areas: Float64Array,
    *,
    max_edges: int,
    max_perimeter_m: float,
    tick: Callable[[], None],
) -> Closed:
    """Close small borders with the smallest lids that fit. Needs a manifold.

    A border whose lid would be large beside its part is an outline and stays.

    Args:
        mesh: What to close.
        found: Its borders.
        part_areas: `[L]`, the area of the part that each border belongs to.
        max_edges: Longest border that is a hole; 0 closes none.
        max_perimeter_m: And how long it may be in metres.
        tick: Called about every 0.1 s; may raise to stop.
    """
    is_small = np.diff(found.begins) <= max_edges
    is_small &= found.perimeters_m <= max_perimeter_m
    return close(mesh, found, is_small, MAX_LID_AREA_RATIO * part_areas, tick)


def close(
    mesh: Mesh,
    found: Borders,
    is_chosen: BoolArray,
    max_areas: Float64Array,
    tick: Callable[[], None],
) -> Closed:
    """Close borders, each by the smallest lid on its vertices. Needs a manifold.

    A border that has no lid without a flat triangle stays.

    Args:
        mesh: What to close. found: Its borders.
        is_chosen: `[L]`, which of them to close.
        max_areas: `[L]`, the largest lid that each may have, square metres.
        tick: Called about every 0.1 s; may raise to stop.
    """
    chosen = np.flatnonzero(is_chosen & (found.areas <= max_areas)).tolist()
    pinched = _pinched(mesh, [found[line] for line in chosen])
    becomes = np.arange(len(mesh.positions), dtype=np.int32)
    lines, lids = [], []
    for n, line in enumerate(chosen):
        if n % LIDS_PER_TICK == 0:
            tick()
        pinch = pinched.get(n, _Pinch(pieces=[found[line]], becomes={}))
        faces, areas = zip(*(_lid(mesh.positions, piece) for piece in pinch.pieces), strict=True)
        lid = np.concatenate(faces)
        is_flat = degenerate_faces(Mesh(positions=mesh.positions, faces=lid)).any()
        if sum(areas) <= max_areas[line] and not is_flat:
            lines.append(line)
            lids.append(lid)
            for copy, vertex in pinch.becomes.items():
                becomes[copy] = vertex
    if not lines:
        return Closed(mesh=mesh, lines=np.empty(0, np.int32))
    if pinched:
        mesh = Mesh(positions=mesh.positions, faces=becomes[mesh.faces])
    whole = _uncrowded(mesh, np.concatenate(lids))
    return Closed(mesh=whole, lines=np.array(lines, np.int32))


@dataclass(frozen=True, kw_only=True)
class _Pinch:
    """A border that comes back to a place: the holes it goes around, and copies of one vertex."""

    pieces: list[IntArray]
    becomes: dict[int, int]


def _pinched(mesh: Mesh, loops: list[IntArray]) -> dict[int, _Pinch]:
    """Find the loops, by number, that are several holes which meet in a vertex.

    The vertex was doubled to make a manifold, so the holes became one line; a lid over all of it
    would cover the faces between them. With lids on each, the copies are one vertex again.
    """
    pinched: dict[int, _Pinch] = {}
    for n, loop in enumerate(loops):
        places = [place.tobytes() for place in mesh.positions[loop] + np.float32(0.0)]
        if len(set(places)) == len(places):
            continue
        pieces: list[IntArray] = []
        becomes: dict[int, int] = {}
        line: dict[bytes, int] = {}
        for place, vertex in zip(places, loop.tolist(), strict=True):
            if place in line:
                start = list(line).index(place)
                pieces.append(np.array(list(line.values())[start:], np.int32))
                becomes[vertex] = line[place]
                line = dict(list(line.items())[: start + 1])
            else:
                line[place] = vertex
        pieces.append(np.array(list(line.values()), np.int32))
        pinched[n] = _Pinch(pieces=[piece for piece in pieces if len(piece) > 1], becomes=becomes)
    if not pinched:
        return pinched
    # Copies with a neighbor in common would make that edge one of four faces.
    is_copy = np.zeros(len(mesh.positions), bool)
    for pinch in pinched.values():
        is_copy[[*pinch.becomes, *pinch.becomes.values()]] = True
    neighbors: dict[int, set[int]] = {int(v): set() for v in np.flatnonzero(is_copy)}
    for face in mesh.faces[is_copy[mesh.faces].any(axis=1)].tolist():
        for vertex in neighbors.keys() & set(face):
            neighbors[vertex] |= set(face)
    return {
        n: pinch
        for n, pinch in pinched.items()
        if all(len(piece) > 2 for piece in pinch.pieces)
        and not any(neighbors[copy] & neighbors[v] for copy, v in pinch.becomes.items())
    }


def _uncrowded(mesh: Mesh, lids: IntArray) -> Mesh:
    """Add lids; split those of their edges that are edges elsewhere already, in the middle."""
    positions = mesh.positions
    is_rim = np.zeros(len(positions), bool)
    is_rim[lids] = True
    # Whatever has an edge of a lid has two of the vertices around it.
    a, b, c = is_rim[mesh.faces].T
    near = mesh.faces[(a & b) | (b & c) | (c & a)]
    while True:
        edges = edges_of(np.concatenate([near, lids]), len(positions))
        pairs = []
        for edge in np.flatnonzero(edges.face_counts > 2):
            sides = edges.half_edges[edges.starts[edge] : edges.starts[edge + 1]] - 3 * len(near)
            pairs.append(tuple(sides[sides >= 0].tolist()))
        if not pairs:
            return Mesh(positions=positions, faces=np.concatenate([mesh.faces, lids]))
        positions, lids, _ = halve_edges(positions, lids, pairs)


def _lid(positions: FloatArray, loop: IntArray) -> tuple[IntArray, float]:
    """The smallest lid on the vertices of a border, and its area; almost, if that is long."""
    from pipeline.mesh.repairing.half_edges import clip_ears, smallest_lid

    points = positions[loop].astype(np.float64)
    ears, left = clip_ears(points, LONGEST_EXACT)
    inner, area = smallest_lid(points[left])
    a, b, c = points[ears].transpose(1, 0, 2)
    area += float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) / 2
    # Its sides run against those around it.
    lid = loop[np.concatenate([ears, left[inner]])[:, ::-1]]
    return np.ascontiguousarray(lid), area
