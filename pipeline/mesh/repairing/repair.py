"""Weld and clean triangles so that they can be simplified: what a mesh is before it has LODs."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.mesh.measuring.measure import (
    BoolArray,
    SurfaceDistance,
    TopologyCounts,
    area_vectors,
    components,
    diagonal,
    duplicate_faces,
    edges_of,
    next_in_face,
    topology,
    used_vertices,
)
from pipeline.mesh.repairing.components import Parts, find_parts
from pipeline.mesh.repairing.holes import (
    MAX_LID_AREA_RATIO,
    borders,
    boundary_half_edges,
    fill_holes,
)
from pipeline.mesh.repairing.manifold import (
    drop_degenerate,
    make_manifold,
    without_unused_vertices,
)
from pipeline.mesh.repairing.winding import turn_parts, unify_winding
from pipeline.threads import polled
from pipeline.types import FloatArray, IntArray, Mesh, Progress, Stage, Surface

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Specks are dust only while all of them together are little: a tree's leaves are each below 1 % of
# its trunk and most of its area.
MAX_SPECKS_AREA_RATIO = 0.05

# Of a part's area, weighed by the cosine to its faces: normals of smooth shapes reach 0.9.
LEAST_AGREEMENT = 0.5

# A dropped share of the area that an artist may look for and miss.
NOTABLE_AREA_RATIO = 0.005


@dataclass(frozen=True, kw_only=True)
class RepairOptions:
    """Options of `repair`. The defaults are `for_upload`: change as little as possible.

    weld_distance_ratio: open borders closer than this share of the bounding-box diagonal are
        joined, in [0, 0.01]; 0 joins exact copies only.
    drop_speck_ratio: parts with less than this share of the largest part's area are dropped while
        they are below 5 % of the whole, in [0, 1); 0 keeps every part.
    drop_speck_distance_ratio: and only those at least this share of the diagonal away from all
        that is larger, in [0, 1]: a button near a coat stays. 0 drops them wherever they are.
    fill_hole_edges: holes with up to so many edges are closed, 0..500; 0 keeps every hole.
    fill_hole_perimeter_ratio: and only those shorter around than this share of the diagonal.
    flip_inside_out: turn closed parts whose faces look inward.
    vote_winding: turn open parts whose back is seen far more than their front, as of a cup that is
        inside out. A sheet is seen alike from both sides and stays; so does what normals that were
        made with it say is seen from there, as a sky.
    remove_interior: drop inner walls that nobody can see or get to, see `invisible_faces`.
    """

    weld_distance_ratio: float = 1e-6
    drop_speck_ratio: float = 0.0
    drop_speck_distance_ratio: float = 0.0
    fill_hole_edges: int = 0
    fill_hole_perimeter_ratio: float = 0.15
    flip_inside_out: bool = True
    vote_winding: bool = True
    remove_interior: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.weld_distance_ratio <= 0.01:
            raise InvalidInput(
                f"weld_distance_ratio must be in [0, 0.01], got {self.weld_distance_ratio}"
            )
        if not 0 <= self.drop_speck_ratio < 1:
            raise InvalidInput(f"drop_speck_ratio must be in [0, 1), got {self.drop_speck_ratio}")
        if not 0 <= self.drop_speck_distance_ratio <= 1:
            raise InvalidInput(
                f"drop_speck_distance_ratio must be in [0, 1], got {self.drop_speck_distance_ratio}"
            )
        if not 0 <= self.fill_hole_edges <= 500:
            raise InvalidInput(f"fill_hole_edges must be in 0..500, got {self.fill_hole_edges}")
        if not 0 <= self.fill_hole_perimeter_ratio <= 10:
            raise InvalidInput(
                f"fill_hole_perimeter_ratio must be in [0, 10], "
                f"got {self.fill_hole_perimeter_ratio}"
            )

    @classmethod
    def for_upload(cls) -> Self:
        """An artist made it: every part and every opening is meant."""
        return cls()

    @classmethod
    def for_generated(cls) -> Self:
        """A model made it: dust, pinholes and inner walls are not meant; welding is exact."""
        return cls(
            weld_distance_ratio=0.0,
            drop_speck_ratio=0.01,
            fill_hole_edges=100,
            remove_interior=True,
        )


@dataclass(frozen=True, kw_only=True)
class RepairCounts:
    """What `repair` found and did, for the report.

    before: the input with exact copies of vertices welded. after: the result.
    welded_vertices: vertices that became one with another. split_vertices: copies added where
        the surface was not a manifold. flipped_faces: turned to agree with their neighbors.
    specks_kept_near: parts as small as specks, but too near a larger one to be dropped.
    flipped_parts: closed or almost closed parts that were inside out.
    parts_turned_by_vote: open parts whose back was seen far more than their front.
    non_orientable_parts: parts with one side only, which no winding can suit.
    open_parts_kept: parts whose outline is no hole, as that of a leaf or a cup.
    interior_dropped: faces that nobody can see. interior_area_ratio: their share of the area.
    """

    before: TopologyCounts
    after: TopologyCounts
    welded_vertices: int
    split_vertices: int
    degenerate_dropped: int
    duplicate_dropped: int
    specks_dropped: int
    specks_area_ratio: float
    specks_kept_near: int
    holes_filled: int
    flipped_faces: int
    flipped_parts: int
    parts_turned_by_vote: int
    non_orientable_parts: int
    open_parts_kept: int
    interior_dropped: int
    interior_area_ratio: float


@dataclass(frozen=True, kw_only=True)
class RepairResult:
    """A cleaned mesh.

    mesh: two faces at most per edge, one fan of faces per vertex, no unused vertices.
    face_source: `[F]` int32: the input face each face came from; -1 where a hole was filled.
    interior: `[F]` bool of the input: faces that were dropped because nobody can see them.
    """

    mesh: Mesh
    counts: RepairCounts
    face_source: IntArray
    interior: BoolArray


def repair(
    mesh: Mesh,
    options: RepairOptions,
    progress: Progress,
    *,
    normals: FloatArray | None = None,
) -> RepairResult:
    """Weld, clean, orient and, if asked, drop dust and inner walls and close small holes.

    The result is what LODs are cut from; textures are baked from the input, of which only faces
    are turned and inner walls are left out, see `turned_alike` and `without_interior`. Where three
    or more faces meet at an edge, or fans at a vertex, the vertices are doubled, so that the
    surface is a manifold with the same look. A sheet that lies exactly on another with its back to
    it (a leaf with two sides) stays, on vertices of its own.

    Args:
        mesh: Any triangles; not changed.
        options: What to do; see `RepairOptions.for_generated` and `for_upload`.
        progress: Reports `Stage.REPAIR`; warns of what an artist may miss.
        normals: `[V, 3]` made with the mesh, not computed from it; they have a say in which side
            of an open part is meant to be seen.

    Raises:
        InvalidInput: If there are no triangles with an area.
    """
    if len(mesh.faces) == 0:
        raise InvalidInput("the mesh has 0 triangles: export at least one")
    done = 0.0

    def tick() -> None:
        progress(Stage.REPAIR, done)

    def run(fraction: float, call: Callable[[], T]) -> T:
        """A step that says nothing, and what share of all is then done."""
        nonlocal done
        result = polled(call, tick)
        done = fraction
        tick()
        return result

    tick()
    positions = mesh.positions
    faces, welded_vertices = run(0.05, lambda: _weld_copies(mesh))
    source = np.arange(len(faces), dtype=np.int32)
    before = run(0.15, lambda: topology(Mesh(positions=positions, faces=faces)))
    if options.weld_distance_ratio > 0:
        distance_m = options.weld_distance_ratio * diagonal(mesh)
        faces, joined = run(0.2, lambda: _weld_borders(mesh, faces, distance_m))
        welded_vertices += joined
    count = len(faces)
    faces, source = run(0.25, lambda: drop_degenerate(positions, faces, source))
    degenerate_dropped = count - len(faces)
    if len(faces) == 0:
        raise InvalidInput("no triangle of the mesh has an area: check the scale of the export")
    count = len(faces)
    positions, faces, source, doubled = run(0.3, lambda: _separate_copies(positions, faces, source))
    duplicate_dropped = count - len(faces)
    faces, flipped_faces, non_orientable_parts = run(0.35, lambda: unify_winding(positions, faces))
    count = len(used_vertices(Mesh(positions=positions, faces=faces)))
    positions, faces, source = run(0.4, lambda: make_manifold(positions, faces, source))
    split_vertices = len(positions) - count

    whole = Mesh(positions=positions, faces=faces)
    parts = run(0.43, lambda: find_parts(whole))
    specks = _find_specks(whole, parts, options, tick)
    if specks.is_dropped.any():
        kept = ~specks.is_dropped[parts.of_face]
        source = source[kept]
        whole = Mesh(positions=positions, faces=faces[kept])
        parts = parts.without(specks.is_dropped)
    ends = run(0.5, lambda: borders(whole))
    owner = parts.of_vertex[ends.firsts]
    closed = fill_holes(
        whole,
        ends,
        parts.areas[owner],
        max_edges=options.fill_hole_edges,
        max_perimeter_m=options.fill_hole_perimeter_ratio * diagonal(whole),
        tick=tick,
    )
    parts = parts.with_lids(closed.mesh.faces[len(source) :])
    whole, source = closed.mesh, _with_lids(source, closed.mesh)
    is_left = np.ones(len(ends), bool)
    is_left[closed.lines] = False
    is_outline = is_left & (ends.areas > MAX_LID_AREA_RATIO * parts.areas[owner])

    may_vote = np.full(len(parts), options.vote_winding)
    has_back = np.zeros(len(mesh.faces) + 1, bool)  # the last is what a lid's source of -1 reads
    has_back[doubled] = True
    may_vote[parts.of_face[has_back[source]]] = False
    if normals is not None:
        may_vote &= ~_are_meant(mesh, normals, whole, parts, source)
    turned = turn_parts(
        whole,
        parts.of_face,
        parts.are_bodies(ends.firsts[is_left], ends.areas[is_left]),
        is_flipping=options.flip_inside_out,
        may_vote=may_vote,
        tick=tick,
    )
    whole = Mesh(positions=whole.positions, faces=turned.faces)
    done = 0.6
    is_interior, interior_area_ratio = np.zeros(len(source), bool), 0.0
    if options.remove_interior:
        from pipeline.mesh.repairing.interior import remove_interior

        opened = remove_interior(whole, tick, turned.sight)
        whole = opened.mesh
        is_interior, interior_area_ratio = opened.is_interior, opened.area_ratio
    of_input = source[is_interior]
    interior = np.zeros(len(mesh.faces), bool)
    interior[of_input[of_input >= 0]] = True
    source = _with_lids(source[~is_interior], whole)
    done = 0.9
    tick()

    result = polled(lambda: without_unused_vertices(whole), tick)
    after = run(1.0, lambda: topology(result))
    counts = RepairCounts(
        before=before,
        after=after,
        welded_vertices=welded_vertices,
        split_vertices=split_vertices,
        degenerate_dropped=degenerate_dropped,
        duplicate_dropped=duplicate_dropped,
        specks_dropped=int(specks.is_dropped.sum()),
        specks_area_ratio=specks.area_ratio,
        specks_kept_near=specks.kept_near,
        holes_filled=len(closed.lines),
        flipped_faces=flipped_faces,
        flipped_parts=int(turned.flipped.sum()),
        parts_turned_by_vote=int(turned.voted.sum()),
        non_orientable_parts=non_orientable_parts,
        open_parts_kept=len(np.unique(owner[is_outline])),
        interior_dropped=int(is_interior.sum()),
        interior_area_ratio=interior_area_ratio,
    )
    _warn(counts, progress)
    logger.info("repair: %d -> %d faces", len(mesh.faces), len(result.faces))
    return RepairResult(mesh=result, counts=counts, face_source=source, interior=interior)


def turned_alike(surface: Surface, repaired: RepairResult) -> Surface:
    """Turn the faces of the dense surface that repair has turned, with their normals.

    Whoever looks from a LOD for the near side of a wall tells it by its winding: on a thin plank
    that was inside out, the bottom would show on the top.

    Args:
        surface: What was repaired, in the space it was repaired in.
        repaired: What came of it.
    """
    kept = np.flatnonzero(repaired.face_source >= 0)
    source = repaired.face_source[kept]
    before, after = area_vectors(surface.mesh)[source], area_vectors(repaired.mesh)[kept]
    turned = source[np.einsum("ij,ij->i", before, after) < 0]
    if len(turned) == 0:
        return surface
    faces, normals = surface.faces.copy(), surface.normals.copy()
    faces[turned] = faces[turned, ::-1]
    # Not every normal: some files are wound inward, but shaded outward.
    outward = np.repeat(area_vectors(Mesh(positions=surface.positions, faces=faces[turned])), 3, 0)
    corner = faces[turned].ravel()
    inward = np.unique(corner[np.einsum("ij,ij->i", normals[corner], outward) < 0])
    normals[inward] = -normals[inward]
    return replace(surface, faces=faces, normals=normals)


def without_interior(surface: Surface, repaired: RepairResult) -> Surface:
    """Leave out the faces of the dense surface that repair has dropped because nobody sees them.

    Texels close to an inner wall would take its look, and baking would take twice as long.

    Args:
        surface: What was repaired, with all its faces in their order.
        repaired: What came of it.
    """
    if not repaired.interior.any():
        return surface
    kept = ~repaired.interior
    return replace(surface, faces=surface.faces[kept], face_materials=surface.face_materials[kept])


def _are_meant(
    mesh: Mesh, normals: FloatArray, whole: Mesh, parts: Parts, source: IntArray
) -> BoolArray:
    """`[P]`: which parts look to the side that the normals of `mesh` look to."""
    known = np.flatnonzero(source >= 0)
    toward = normals[mesh.faces[source[known]]].sum(axis=1) / 3
    agreement = np.einsum("ij,ij->i", area_vectors(whole)[known], toward)
    meant: BoolArray = (
        np.bincount(parts.of_face[known], agreement, len(parts)) > LEAST_AGREEMENT * parts.areas
    )
    return meant


def _with_lids(source: IntArray, mesh: Mesh) -> IntArray:
    """The sources of the faces of `mesh`, of which those after the known ones are new."""
    return np.concatenate([source, np.full(len(mesh.faces) - len(source), -1, np.int32)])


def _weld_copies(mesh: Mesh) -> tuple[IntArray, int]:
    """Let faces share vertices at equal positions; also how many vertices that saved."""
    x, y, z = (mesh.positions + np.float32(0.0)).T  # -0.0 + 0.0 is 0.0: equal in bits too
    order = np.lexsort((x, y, z))
    is_new = np.ones(len(order), bool)
    for axis in (x, y, z):
        is_new[1:] &= axis[order[1:]] == axis[order[:-1]]
    is_new[1:] = ~is_new[1:]
    first = order[np.flatnonzero(is_new)]
    representative = np.empty(len(order), np.int32)
    representative[order] = first[np.cumsum(is_new) - 1]
    faces = representative[mesh.faces]
    welded = Mesh(positions=mesh.positions, faces=faces)
    return faces, len(used_vertices(mesh)) - len(used_vertices(welded))


def _weld_borders(mesh: Mesh, faces: IntArray, distance_m: float) -> tuple[IntArray, int]:
    """Join border vertices that are closer than `distance_m`; closed regions stay untouched."""
    from scipy.spatial import cKDTree

    edges = edges_of(faces, len(mesh.positions))
    h = boundary_half_edges(edges)
    corner = faces.ravel()
    border = np.unique(np.concatenate([corner[h], corner[next_in_face(h)]]))
    if len(border) == 0:
        return faces, 0
    tree = cKDTree(mesh.positions[border].astype(np.float64))
    pairs = tree.query_pairs(distance_m, output_type="ndarray").astype(np.int32)
    count, cluster = components(len(border), pairs[:, 0], pairs[:, 1])
    _, first = np.unique(cluster, return_index=True)
    representative = np.arange(len(mesh.positions), dtype=np.int32)
    representative[border] = border[first][cluster]
    return representative[faces], len(border) - count


def _separate_copies(
    positions: FloatArray, faces: IntArray, source: IntArray
) -> tuple[FloatArray, IntArray, IntArray, IntArray]:
    """Drop faces that repeat an earlier one; give those that turn their back to it own vertices.

    Returns:
        Positions, faces, their source, and the sources of faces that are back to back with another.
    """
    repeated, first = duplicate_faces(faces, len(positions))
    if len(repeated) == 0:
        return positions, faces, source, source[:0]
    # Equal winding means the same cyclic order of corners, wherever it starts.
    shift = (faces[repeated] == faces[first, :1]).argmax(axis=1)
    same = faces[repeated, (shift + 1) % 3] == faces[first, 1]
    backs = repeated[~same]
    doubled = source[np.concatenate([backs, first[~same]])]
    # Of several backs at one place only the first is a side of its own.
    _, kept = np.unique(first[~same], return_index=True)
    keep = np.ones(len(faces), bool)
    keep[repeated] = False
    keep[backs[kept]] = True
    faces = faces.copy()
    used, own = np.unique(faces[backs[kept]], return_inverse=True)
    faces[backs[kept]] = len(positions) + own.reshape(-1, 3)
    positions = np.concatenate([positions, positions[used]])
    return positions, faces[keep], source[keep], doubled


@dataclass(frozen=True, kw_only=True)
class _Specks:
    """is_dropped: `[P]`. area_ratio: their share of the area. kept_near: as small, but near."""

    is_dropped: BoolArray
    area_ratio: float
    kept_near: int


def _find_specks(
    mesh: Mesh, parts: Parts, options: RepairOptions, tick: Callable[[], None]
) -> _Specks:
    """Find the small parts that are dust: smallest first, while they are few, and far enough."""
    areas = parts.areas
    is_speck = np.zeros(len(parts), bool)
    order = np.argsort(areas, kind="stable")
    share = np.cumsum(areas[order]) / areas.sum()
    small = areas[order] < options.drop_speck_ratio * areas.max()
    is_speck[order[small & (share <= MAX_SPECKS_AREA_RATIO)]] = True
    kept_near = 0
    if options.drop_speck_distance_ratio > 0 and is_speck.any():
        is_small = is_speck[parts.of_face]
        body = SurfaceDistance(Mesh(positions=mesh.positions, faces=mesh.faces[~is_small]))
        vertices = used_vertices(Mesh(positions=mesh.positions, faces=mesh.faces[is_small]))
        distances, _, _ = body.nearest(mesh.positions[vertices].astype(np.float64), tick)
        nearest_m = np.full(len(parts), np.inf)
        np.minimum.at(nearest_m, parts.of_vertex[vertices], distances)
        is_near = nearest_m < options.drop_speck_distance_ratio * diagonal(mesh)
        kept_near = int((is_speck & is_near).sum())
        is_speck &= ~is_near
    return _Specks(
        is_dropped=is_speck,
        area_ratio=float(areas[is_speck].sum() / areas.sum()),
        kept_near=kept_near,
    )


def _warn(counts: RepairCounts, progress: Progress) -> None:
    """Tell the artist what was changed that can be seen."""
    if counts.specks_area_ratio > NOTABLE_AREA_RATIO:
        progress.warn(
            Stage.REPAIR,
            f"dropped {counts.specks_dropped} loose parts with "
            f"{100 * counts.specks_area_ratio:.1f} % of the surface: "
            "set drop_speck_ratio to 0 to keep them",
        )
    if counts.flipped_parts:
        progress.warn(
            Stage.REPAIR,
            f"{counts.flipped_parts} closed parts were inside out and have been turned: "
            "set flip_inside_out to false if they are meant to be seen from inside",
        )
    if counts.parts_turned_by_vote:
        progress.warn(
            Stage.REPAIR,
            f"{counts.parts_turned_by_vote} open parts were seen from their back and have been "
            "turned: set vote_winding to false if they are meant to be seen from inside",
        )
    if counts.interior_area_ratio > NOTABLE_AREA_RATIO:
        progress.warn(
            Stage.REPAIR,
            f"removed {counts.interior_dropped} faces with "
            f"{100 * counts.interior_area_ratio:.1f} % of the surface that nobody can see: "
            "set remove_interior to false to keep them",
        )
    if counts.non_orientable_parts:
        progress.warn(
            Stage.REPAIR,
            f"{counts.non_orientable_parts} parts have only one side (like a Möbius strip): "
            "some faces will look away from their neighbors",
        )
