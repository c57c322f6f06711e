"""Weld and clean triangles so that they can be simplified: what a mesh is before it has LODs."""

import logging
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.mesh.holes import fill_holes
from pipeline.mesh.manifold import (
    drop_degenerate,
    split_non_manifold,
    without_unused_vertices,
)
from pipeline.mesh.measure import (
    BoolArray,
    TopologyCounts,
    area_vectors,
    components,
    diagonal,
    duplicate_faces,
    edges_of,
    face_areas,
    face_components,
    face_volumes,
    next_in_face,
    topology,
    used_vertices,
)
from pipeline.types import FloatArray, IntArray, Mesh, Progress, Stage, Surface

logger = logging.getLogger(__name__)

# Specks are dust only while all of them together are little: a tree's leaves are each below 1 % of
# its trunk and most of its area.
MAX_SPECKS_AREA_RATIO = 0.05

# A dropped share of the area that an artist may look for and miss.
NOTABLE_AREA_RATIO = 0.005

# Closed parts with less volume than a sheet (a sphere has 0.094) have no inside to be turned out.
MIN_VOLUME_RATIO = 1e-6


@dataclass(frozen=True, kw_only=True)
class RepairOptions:
    """Options of `repair`. The defaults are `for_upload`: change as little as possible.

    weld_distance_ratio: open borders closer than this share of the bounding-box diagonal are
        joined, in [0, 0.01]; 0 joins exact copies only.
    drop_speck_ratio: parts with less than this share of the largest part's area are dropped while
        they are below 5 % of the whole, in [0, 1); 0 keeps every part.
    fill_hole_edges: holes with up to so many edges are closed, 0..500; 0 keeps every hole.
    fill_hole_perimeter_ratio: and only those shorter around than this share of the diagonal.
    flip_inside_out: turn closed parts whose faces look inward.
    """

    weld_distance_ratio: float = 1e-6
    drop_speck_ratio: float = 0.0
    fill_hole_edges: int = 0
    fill_hole_perimeter_ratio: float = 0.15
    flip_inside_out: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.weld_distance_ratio <= 0.01:
            raise InvalidInput(
                f"weld_distance_ratio must be in [0, 0.01], got {self.weld_distance_ratio}"
            )
        if not 0 <= self.drop_speck_ratio < 1:
            raise InvalidInput(f"drop_speck_ratio must be in [0, 1), got {self.drop_speck_ratio}")
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
        """A model made it: dust and pinholes are not meant, and welding is exact by nature."""
        return cls(weld_distance_ratio=0.0, drop_speck_ratio=0.01, fill_hole_edges=100)


@dataclass(frozen=True, kw_only=True)
class RepairCounts:
    """What `repair` found and did, for the report.

    before: the input with exact copies of vertices welded. after: the result.
    welded_vertices: vertices that became one with another. split_vertices: copies added where
        the surface was not a manifold. flipped_faces: turned to agree with their neighbors.
    flipped_parts: closed parts that were inside out.
    non_orientable_parts: parts with one side only, which no winding can suit.
    """

    before: TopologyCounts
    after: TopologyCounts
    welded_vertices: int
    split_vertices: int
    degenerate_dropped: int
    duplicate_dropped: int
    specks_dropped: int
    specks_area_ratio: float
    holes_filled: int
    flipped_faces: int
    flipped_parts: int
    non_orientable_parts: int


@dataclass(frozen=True, kw_only=True)
class RepairResult:
    """A cleaned mesh.

    mesh: two faces at most per edge, one fan of faces per vertex, no unused vertices.
    face_source: `[F]` int32: the input face each face came from; -1 where a hole was filled.
    """

    mesh: Mesh
    counts: RepairCounts
    face_source: IntArray


def repair(mesh: Mesh, options: RepairOptions, progress: Progress) -> RepairResult:
    """Weld, clean, orient and, if asked, drop dust and close small holes.

    The result is what LODs are cut from; textures are baked from the input, of which only faces
    are turned, see `turned_alike`. Where three
    or more faces meet at an edge, or fans at a vertex, the vertices are doubled, so that the
    surface is a manifold with the same look. A sheet that lies exactly on another with its back to
    it (a leaf with two sides) stays, on vertices of its own.

    Args:
        mesh: Any triangles; not changed.
        options: What to do; see `RepairOptions.for_generated` and `for_upload`.
        progress: Reports `Stage.REPAIR`; warns of what an artist may miss.

    Raises:
        InvalidInput: If there are no triangles with an area.
    """
    if len(mesh.faces) == 0:
        raise InvalidInput("the mesh has 0 triangles: export at least one")
    progress(Stage.REPAIR, 0.0)
    positions = mesh.positions
    faces, welded_vertices = _weld_copies(mesh)
    progress(Stage.REPAIR, 0.1)
    source = np.arange(len(faces), dtype=np.int32)
    before = topology(Mesh(positions=positions, faces=faces))
    progress(Stage.REPAIR, 0.2)

    if options.weld_distance_ratio > 0:
        faces, joined = _weld_borders(mesh, faces, options.weld_distance_ratio * diagonal(mesh))
        welded_vertices += joined
        progress(Stage.REPAIR, 0.25)
    count = len(faces)
    faces, source = drop_degenerate(positions, faces, source)
    degenerate_dropped = count - len(faces)
    if len(faces) == 0:
        raise InvalidInput("no triangle of the mesh has an area: check the scale of the export")
    progress(Stage.REPAIR, 0.3)
    count = len(faces)
    positions, faces, source = _separate_copies(positions, faces, source)
    duplicate_dropped = count - len(faces)
    progress(Stage.REPAIR, 0.4)

    faces, flipped_faces, non_orientable_parts = _unify_winding(positions, faces)
    progress(Stage.REPAIR, 0.5)
    count = len(used_vertices(Mesh(positions=positions, faces=faces)))
    positions, faces = split_non_manifold(positions, faces)
    split_vertices = len(positions) - count
    progress(Stage.REPAIR, 0.6)

    faces, source, specks_dropped, specks_area_ratio = _drop_specks(
        Mesh(positions=positions, faces=faces), source, options.drop_speck_ratio
    )
    progress(Stage.REPAIR, 0.7)
    whole = Mesh(positions=positions, faces=faces)
    faces, source, holes_filled = fill_holes(
        whole,
        source,
        max_edges=options.fill_hole_edges,
        max_perimeter_m=options.fill_hole_perimeter_ratio * diagonal(whole),
    )
    progress(Stage.REPAIR, 0.8)
    flipped_parts = 0
    if options.flip_inside_out:
        faces, flipped_parts = _flip_inside_out(Mesh(positions=positions, faces=faces))
    progress(Stage.REPAIR, 0.9)
    result = without_unused_vertices(Mesh(positions=positions, faces=faces))
    counts = RepairCounts(
        before=before,
        after=topology(result),
        welded_vertices=welded_vertices,
        split_vertices=split_vertices,
        degenerate_dropped=degenerate_dropped,
        duplicate_dropped=duplicate_dropped,
        specks_dropped=specks_dropped,
        specks_area_ratio=specks_area_ratio,
        holes_filled=holes_filled,
        flipped_faces=flipped_faces,
        flipped_parts=flipped_parts,
        non_orientable_parts=non_orientable_parts,
    )
    _warn(counts, progress)
    logger.info("repair: %d -> %d faces", len(mesh.faces), len(result.faces))
    progress(Stage.REPAIR, 1.0)
    return RepairResult(mesh=result, counts=counts, face_source=source)


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
    h = edges.half_edges[edges.starts[:-1][edges.face_counts == 1]]
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
) -> tuple[FloatArray, IntArray, IntArray]:
    """Drop faces that repeat an earlier one; give those that turn their back to it own vertices."""
    repeated, first = duplicate_faces(faces, len(positions))
    if len(repeated) == 0:
        return positions, faces, source
    # Equal winding means the same cyclic order of corners, wherever it starts.
    shift = (faces[repeated] == faces[first, :1]).argmax(axis=1)
    same = faces[repeated, (shift + 1) % 3] == faces[first, 1]
    backs = repeated[~same]
    # Of several backs at one place only the first is a side of its own.
    _, kept = np.unique(first[~same], return_index=True)
    keep = np.ones(len(faces), bool)
    keep[repeated] = False
    keep[backs[kept]] = True
    faces = faces.copy()
    used, own = np.unique(faces[backs[kept]], return_inverse=True)
    faces[backs[kept]] = len(positions) + own.reshape(-1, 3)
    return np.concatenate([positions, positions[used]]), faces[keep], source[keep]


def _unify_winding(positions: FloatArray, faces: IntArray) -> tuple[IntArray, int, int]:
    """Turn faces so that neighbors agree; in each part the winding of the larger area wins.

    Returns:
        Faces, how many were turned, and how many parts cannot agree (Möbius strips).
    """
    edges = edges_of(faces, len(positions))
    h, g = edges.sides(np.flatnonzero(edges.face_counts == 2))
    conflict = edges.is_forward[h] == edges.is_forward[g]
    if not conflict.any():
        return faces, 0, 0
    # Two nodes per face, as it is and turned. A link joins the states of two neighbors that go
    # together, so each part falls into its two windings, or into one piece if it has one side.
    count = len(faces)
    f, g = h // 3, g // 3
    _, labels = components(
        2 * count,
        np.concatenate([f, f + count]),
        np.concatenate([g + count * conflict, g + count * ~conflict]).astype(np.int32),
    )
    as_is, turned = labels[:count], labels[count:]
    areas = face_areas(Mesh(positions=positions, faces=faces))
    unchanged_area = np.bincount(as_is, areas, minlength=labels.max() + 1)
    gain = unchanged_area[turned] - unchanged_area[as_is]
    flip = (gain > 0) | ((gain == 0) & (turned < as_is))
    return (
        np.where(flip[:, None], faces[:, ::-1], faces).astype(np.int32),
        int(flip.sum()),
        len(np.unique(as_is[as_is == turned])),
    )


def _drop_specks(
    mesh: Mesh, source: IntArray, ratio: float
) -> tuple[IntArray, IntArray, int, float]:
    """Drop parts below `ratio` of the largest part's area, smallest first, while they are few.

    Returns:
        Faces, their source, how many parts were dropped, and their share of the area.
    """
    if ratio == 0:
        return mesh.faces, source, 0, 0.0
    count, part = face_components(mesh)
    areas = np.bincount(part, face_areas(mesh), minlength=count)
    order = np.argsort(areas, kind="stable")
    share = np.cumsum(areas[order]) / areas.sum()
    dropped = order[(areas[order] < ratio * areas.max()) & (share <= MAX_SPECKS_AREA_RATIO)]
    is_speck = np.zeros(count, bool)
    is_speck[dropped] = True
    keep = ~is_speck[part]
    return mesh.faces[keep], source[keep], len(dropped), float(areas[dropped].sum() / areas.sum())


def _flip_inside_out(mesh: Mesh) -> tuple[IntArray, int]:
    """Turn closed parts whose faces look inward; the inner walls of hollow bodies look so rightly.

    Returns:
        Faces, and how many parts were turned.
    """
    count, part = face_components(mesh)
    edges = edges_of(mesh.faces, len(mesh.positions))
    is_closed = np.ones(count, bool)
    border = edges.half_edges[edges.starts[:-1][edges.face_counts == 1]]
    is_closed[part[border // 3]] = False
    volumes = np.bincount(part, face_volumes(mesh), minlength=count)
    areas = np.bincount(part, face_areas(mesh), minlength=count)
    has_volume = np.abs(volumes) > MIN_VOLUME_RATIO * areas**1.5
    # When all closed parts together are inside out, so are bodies and hollows alike.
    all_inverted = volumes[is_closed & has_volume].sum() < 0
    inverted = is_closed & has_volume & ((volumes > 0) if all_inverted else (volumes < 0))
    inverted[inverted] = ~_are_inside_others(mesh, part, np.flatnonzero(inverted), is_closed)
    flip = (is_closed & has_volume & ~inverted) if all_inverted else inverted
    faces = np.where(flip[part][:, None], mesh.faces[:, ::-1], mesh.faces).astype(np.int32)
    return faces, int(flip.sum())


def _are_inside_others(
    mesh: Mesh, part: IntArray, candidates: NDArray[np.int64], is_closed: BoolArray
) -> BoolArray:
    """`[N]`: which of these parts lie inside another closed part."""
    inside = np.zeros(len(candidates), bool)
    if len(candidates) == 0 or is_closed.sum() < 2:
        return inside
    import igl

    positions = mesh.positions.astype(np.float64)
    low = np.full((len(is_closed), 3), np.inf)
    high = np.full((len(is_closed), 3), -np.inf)
    for corner in mesh.faces.T:
        np.minimum.at(low, part, positions[corner])
        np.maximum.at(high, part, positions[corner])
    for n, candidate in enumerate(candidates):
        around = is_closed & (low < low[candidate]).all(axis=1)
        around &= (high > high[candidate]).all(axis=1)
        if around.any():
            faces = mesh.faces[around[part]].astype(np.int64)
            point = positions[mesh.faces[part == candidate][0, :1]]
            inside[n] = abs(igl.winding_number(positions, faces, point)[0]) > 0.5
    return inside


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
    if counts.non_orientable_parts:
        progress.warn(
            Stage.REPAIR,
            f"{counts.non_orientable_parts} parts have only one side (like a Möbius strip): "
            "some faces will look away from their neighbors",
        )
