"""Fewer triangles, never more than the budget."""

import ctypes
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.errors import BudgetUnreachable, InvalidInput
from pipeline.mesh.manifold import tidy, without_unused_vertices
from pipeline.mesh.measure import (
    SurfaceDistance,
    bounds,
    deviation,
    diagonal,
    edges_of,
    face_areas,
    face_components,
    next_in_face,
)
from pipeline.mesh.remesh import watertight
from pipeline.types import FloatArray, Mesh, Progress, Stage

logger = logging.getLogger(__name__)

MIN_TARGET_COUNT = 4  # a tetrahedron

# The first stage leaves this many times the target to the second: fewer lose its better vertex
# placement, more cost time and gain nothing.
COARSE_FACTOR = 3

# Below this many times the target the second stage works alone.
COARSE_FROM_FACTOR = 5

# Collapse thresholds of the second stage are absolute and its passes few: at this diagonal four
# LODs of a 350k mesh have the least error (0.5 to 8 were tried: 12 % between best and worst).
UNIT_DIAGONAL = 4.0

# Exponents of the threshold, from careful to rough. Each call starts with fresh quadrics.
AGGRESSIVENESS = (3, 3, 3, 4, 5, 6, 7, 8, 9)

# The second stage cannot be interrupted: so many triangles per call take 0.25 s.
CALL_REDUCTION = 150_000

# Share of the target that may go to border vertices the second stage must not move.
MAX_FIXED_BORDER_RATIO = 0.05

POLL_S = 0.1

# A collapsed mesh with far fewer triangles than asked, or without so many of its parts, has been
# damaged by the attempt: other ways are tried, too.
MIN_FILL_RATIO = 0.8
MAX_LOST_RATIO = 0.5

# Cells along the longest side when parts are fused: a few triangles more than the target, so that
# holes and handles too small for it close.
FUSE_RESOLUTIONS = (12, 64)

# A closed way to simplify a closed mesh is taken even if it is so much farther off.
OPEN_PENALTY = 1.5

# Points per surface when ways out of an unreachable budget are compared.
COMPARE_SAMPLES = 4_000

T = TypeVar("T")

# fast-simplification keeps its mesh in global variables of the library.
_fast_simplification_lock = threading.Lock()


def simplify(mesh: Mesh, *, target_count: int, progress: Progress) -> Mesh:
    """Reduce the number of triangles to `target_count` or fewer, keeping the shape.

    A closed surface stays closed, edges keep at most two faces, and borders keep their outline.
    Small parts may vanish when the budget is small. Where collapsing edges does not reach the
    budget or breaks the shape, as with hundreds of loose parts, the nearest of three rougher ways
    is taken: only the largest parts, vertices merged by a grid, or all parts fused. Both warn.

    Args:
        mesh: A manifold, as `repair` makes it. One within the budget is returned as it is.
        target_count: Most triangles of the result, at least 4.
        progress: Reports `Stage.SIMPLIFY`.

    Returns:
        A new mesh without unused vertices and never without triangles. The same input gives the
        same bytes.

    Raises:
        InvalidInput: If `mesh` has no triangles or the target is below 4.
        BudgetUnreachable: If no way leads to the budget.

    Source: Garland and Heckbert, Surface Simplification Using Quadric Error Metrics, 1997, by two
    libraries: meshoptimizer (fast, keeps borders, new vertices are old ones) and
    fast-simplification (places vertices best, 25 % less error, wears borders off).
    """
    if len(mesh.faces) == 0:
        raise InvalidInput("the mesh has 0 triangles: export at least one")
    if target_count < MIN_TARGET_COUNT:
        raise InvalidInput(f"target_count must be at least {MIN_TARGET_COUNT}, got {target_count}")
    progress(Stage.SIMPLIFY, 0.0)
    if len(mesh.faces) <= target_count:
        progress(Stage.SIMPLIFY, 1.0)
        return mesh

    def tick() -> None:
        progress(Stage.SIMPLIFY, 0.5)

    result = _collapse(mesh, target_count, tick)
    part_count = face_components(mesh)[0]
    lost_count = part_count - face_components(result)[0]
    is_good = (
        MIN_FILL_RATIO * target_count <= len(result.faces) <= target_count
        and lost_count <= MAX_LOST_RATIO * part_count
        and (_border_vertex_count(result) == 0 or _border_vertex_count(mesh) > 0)
    )
    if not is_good:
        result = _nearest_way(mesh, result, target_count, progress)
    elif lost_count > 0:
        progress.warn(
            Stage.SIMPLIFY,
            f"at {target_count} triangles {lost_count} of {part_count} separate parts vanish: "
            "give this LOD more triangles to keep them",
        )
    logger.info("simplify: %d -> %d faces", len(mesh.faces), len(result.faces))
    progress(Stage.SIMPLIFY, 1.0)
    return result


def _collapse(mesh: Mesh, target_count: int, tick: Callable[[], None]) -> Mesh:
    """Collapse edges until the target or until nothing goes any more."""
    coarse = mesh
    if len(mesh.faces) > COARSE_FROM_FACTOR * target_count:
        coarse = tidy(_subset(mesh, COARSE_FACTOR * target_count, tick))
    border_count = _border_vertex_count(coarse)
    if border_count > MAX_FIXED_BORDER_RATIO * target_count:
        # A leaf: fast-simplification would wear its outline off or be stuck with all of it.
        coarse = tidy(_subset(mesh, target_count, tick))
    if len(coarse.faces) > target_count:
        coarse = _optimal(coarse, target_count, keep_borders=border_count > 0, tick=tick)
    if len(coarse.faces) > target_count and border_count > 0:
        coarse = _optimal(coarse, target_count, keep_borders=False, tick=tick)
    return coarse


def _nearest_way(mesh: Mesh, collapsed: Mesh, target_count: int, progress: Progress) -> Mesh:
    """Of the ways to few triangles that are rougher than collapsing edges, take the nearest.

    Args:
        mesh: What to reduce.
        collapsed: As far as collapsing edges led: over the target, or damaged, or empty.
        target_count: Most triangles of the result.
        progress: For the warning.
    """

    def tick() -> None:
        progress(Stage.SIMPLIFY, 0.8)

    ways = [
        ("loses small parts", collapsed),
        ("keeps only the largest parts", _largest_parts(mesh, target_count)),
        ("keeps only the largest parts", _largest_parts(collapsed, target_count)),
        ("merges vertices by a grid", _clustered(mesh, target_count, tick)),
    ]
    low, high = FUSE_RESOLUTIONS
    if solid := watertight(mesh, int(np.clip(1.2 * target_count**0.5, low, high)), tick):
        ways.append(("fuses all parts into one", _collapse(solid, target_count, tick)))
    reached = [(name, way) for name, way in ways if 0 < len(way.faces) <= target_count]
    if not reached:
        smallest = min(len(way.faces) for _, way in ways if len(way.faces))
        raise BudgetUnreachable(
            f"the mesh cannot be brought to {target_count} triangles, only to {smallest}: "
            "raise the budget or remesh it watertight",
            smallest,
        )
    to_mesh = SurfaceDistance(mesh)
    measured = [
        (deviation(way, mesh, to_mesh, COMPARE_SAMPLES, tick).mean_m, name, way)
        for name, way in reached
    ]
    if _border_vertex_count(mesh) == 0:
        acceptable_m = OPEN_PENALTY * min(mean_m for mean_m, _, _ in measured)
        closed = [
            way for way in measured if way[0] <= acceptable_m and _border_vertex_count(way[2]) == 0
        ]
        measured = closed or measured
    mean_m, name, best = min(measured, key=lambda way: way[0])
    progress.warn(
        Stage.SIMPLIFY,
        f"the LOD of {target_count} triangles {name}, as its shape does not collapse so far: it "
        f"is {100 * mean_m / diagonal(mesh):.2g} % of its size off on average; give it more",
    )
    return best


def _largest_parts(mesh: Mesh, target_count: int) -> Mesh:
    """Keep whole parts, by area, as long as they fit the budget."""
    if len(mesh.faces) == 0:
        return mesh
    count, part = face_components(mesh)
    sizes = np.bincount(part, minlength=count)
    areas = np.bincount(part, face_areas(mesh), minlength=count)
    is_kept = np.zeros(count, bool)
    for index in np.argsort(-areas, kind="stable"):
        if sizes[index] <= target_count:
            is_kept[index] = True
            target_count -= sizes[index]
    return without_unused_vertices(Mesh(positions=mesh.positions, faces=mesh.faces[is_kept[part]]))


def _border_vertex_count(mesh: Mesh) -> int:
    edges = edges_of(mesh.faces, len(mesh.positions))
    h = edges.half_edges[edges.starts[:-1][edges.face_counts == 1]]
    corner = mesh.faces.ravel()
    return len(np.unique(np.concatenate([corner[h], corner[next_in_face(h)]])))


def _optimal(
    mesh: Mesh, target_count: int, *, keep_borders: bool, tick: Callable[[], None]
) -> Mesh:
    """Collapse edges into new, best-placed vertices; may stop above the target."""
    import fast_simplification

    low, high = bounds(mesh)
    center, scale = (low + high) / 2, UNIT_DIAGONAL / diagonal(mesh)
    best = mesh
    for aggressiveness in AGGRESSIVENESS:
        while len(best.faces) > target_count:
            tick()
            step = max(target_count, len(best.faces) - CALL_REDUCTION)
            with _fast_simplification_lock:
                points, faces = fast_simplification.simplify(
                    np.ascontiguousarray((best.positions - center) * scale),
                    best.faces,
                    target_count=step,
                    agg=aggressiveness,
                    preserve_border=keep_borders,
                )
            positions = (points / scale + center).astype(np.float32)
            reached = tidy(Mesh(positions=positions, faces=faces.astype(np.int32)))
            if len(reached.faces) == 0 or not np.isfinite(reached.positions).all():
                return best
            stuck = len(reached.faces) > step
            best = reached
            if stuck:
                break
    return best


def _subset(mesh: Mesh, target_count: int, tick: Callable[[], None]) -> Mesh:
    """Collapse edges onto vertices they have; may stop above the target."""
    return _meshoptimizer("meshopt_simplify", mesh, target_count, tick)


def _clustered(mesh: Mesh, target_count: int, tick: Callable[[], None]) -> Mesh:
    """Merge vertices by the cells of a grid, whatever becomes of the surface."""
    return tidy(_meshoptimizer("meshopt_simplifySloppy", mesh, target_count, tick))


def _meshoptimizer(function: str, mesh: Mesh, target_count: int, tick: Callable[[], None]) -> Mesh:
    """Call one of the two simplifiers that we use, which differ in one argument."""
    positions = np.ascontiguousarray(_apart(mesh), dtype=np.float32)
    faces = np.ascontiguousarray(mesh.faces, dtype=np.uint32)
    result = np.empty_like(faces)
    error = ctypes.c_float()
    options = (0,) if function == "meshopt_simplify" else ()
    # A largest error of 1, the whole extent: the count alone decides.
    index_count = _polled(
        lambda: getattr(_library(), function)(
            result.ctypes.data,
            faces.ctypes.data,
            faces.size,
            positions.ctypes.data,
            len(positions),
            positions.strides[0],
            3 * target_count,
            1.0,
            *options,
            ctypes.byref(error),
        ),
        tick,
    )
    kept = result.reshape(-1)[:index_count].reshape(-1, 3).astype(np.int32)
    return without_unused_vertices(Mesh(positions=mesh.positions, faces=kept))


def _apart(mesh: Mesh) -> FloatArray:
    """Positions in which no two vertices are equal, to choose by; the result keeps the true ones.

    meshoptimizer takes vertices at equal positions for one: the two sides of a leaf would be stuck
    to each other, and none of it could be simplified.
    """
    order = np.lexsort(mesh.positions.T)
    ordered = mesh.positions[order]
    is_copy = np.zeros(len(order), bool)
    is_copy[1:] = (ordered[1:] == ordered[:-1]).all(axis=1)
    if not is_copy.any():
        return mesh.positions
    place = np.arange(len(order))
    rank = place - np.maximum.accumulate(np.where(is_copy, 0, place))
    positions = mesh.positions.copy()
    positions[order] += (rank[:, None] * 1e-5 * diagonal(mesh)).astype(np.float32)
    return positions


@cache
def _library() -> ctypes.CDLL:
    """The shared library of the `meshoptimizer` package.

    The package's own functions are avoided: they take 2-D index arrays for a third of their length
    and views of arrays for contiguous ones, without an error.
    """
    spec = find_spec("meshoptimizer")
    assert spec is not None
    assert spec.origin is not None
    (path,) = Path(spec.origin).parent.glob("_meshoptimizer*.[sp][oy]*")
    library = ctypes.CDLL(str(path))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    common: list[type] = [pointer, pointer, size, pointer, size, size, size, ctypes.c_float]
    library.meshopt_simplify.argtypes = [*common, ctypes.c_uint, pointer]
    library.meshopt_simplifySloppy.argtypes = [*common, pointer]
    library.meshopt_simplify.restype = library.meshopt_simplifySloppy.restype = size
    return library


def _polled(call: Callable[[], T], tick: Callable[[], None]) -> T:
    """Run `call`, which must release the GIL, while calling `tick`.

    When `tick` raises, the call runs on to its end, a second at most, and its result is dropped.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        future = pool.submit(call)
        while True:
            tick()
            try:
                return future.result(timeout=POLL_S)
            except TimeoutError:
                continue
    finally:
        pool.shutdown(wait=False)
