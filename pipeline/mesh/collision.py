"""Convex collision hulls under a budget."""

import io
import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.mesh.measure import Float64Array, face_volumes, used_vertices
from pipeline.mesh.simplify import simplify
from pipeline.types import Hull, Mesh, Progress, Stage

logger = logging.getLogger(__name__)

# A single hull will do while it holds no more than this much of the body's volume.
MAX_HULL_VOLUME_RATIO = 1.5

# Decomposition works on voxels: more triangles than this cost time and change nothing.
DECOMPOSE_TRIANGLES = 4_000
DECOMPOSE_LIMIT_S = 20.0
POLL_S = 0.1

# Flat things get a box: thinner ones fall through floors. Share of the diagonal.
MIN_THICKNESS_RATIO = 0.01
FLAT_RATIO = 1e-4
MIN_EXTENT_M = 1e-3

# A box whose corners are numbered 4x + 2y + z.
BOX_FACES = np.array(
    [
        *((0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)),
        *((2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)),
    ],
    np.int32,
)


@dataclass(frozen=True, kw_only=True)
class CollisionOptions:
    """Options of `hulls`.

    mode: `none`; `hull` for one around everything; `decompose` for several; `auto` for one where
        it holds at most 1.5 times the body's volume and for several elsewhere.
    max_hulls: most hulls of a decomposition, 1..64.
    max_vertices: most vertices per hull, 8..255; engines take 255, fewer are faster.
    """

    mode: Literal["none", "hull", "decompose", "auto"] = "auto"
    max_hulls: int = 16
    max_vertices: int = 32

    def __post_init__(self) -> None:
        if self.mode not in ("none", "hull", "decompose", "auto"):
            raise InvalidInput(
                f"collision mode must be none, hull, decompose or auto, got {self.mode}"
            )
        if not 1 <= self.max_hulls <= 64:
            raise InvalidInput(f"max_hulls must be in 1..64, got {self.max_hulls}")
        if not 8 <= self.max_vertices <= 255:
            raise InvalidInput(f"max_vertices must be in 8..255, got {self.max_vertices}")


def hulls(mesh: Mesh, options: CollisionOptions, progress: Progress) -> tuple[Hull, ...]:
    """Make convex hulls that together stand for the mesh in collisions.

    Flat, thin and point-like meshes get a box a hundredth of their size thick. A decomposition that
    takes longer than 20 s is given up for a single hull, with a warning.

    Args:
        mesh: Any triangles; one LOD of a few thousand is enough.
        options: How many hulls, and with how many vertices.
        progress: Reports `Stage.COLLISION`.

    Returns:
        Closed convex hulls that look outward, or none for mode `none`.

    Raises:
        InvalidInput: If `mesh` has no triangles.

    Source: Mamou, V-HACD; Barber et al., The Quickhull Algorithm for Convex Hulls, 1996.
    """
    progress(Stage.COLLISION, 0.0)
    if options.mode == "none":
        progress(Stage.COLLISION, 1.0)
        return ()
    if len(mesh.faces) == 0:
        raise InvalidInput("the mesh has 0 triangles: export at least one")
    points = mesh.positions[used_vertices(mesh)].astype(np.float64)
    whole = convex_hull(points, options.max_vertices)
    result: tuple[Hull, ...] = (whole,)
    if options.max_hulls > 1 and (
        options.mode == "decompose" or (options.mode == "auto" and _is_hollow(mesh, points, whole))
    ):
        result = _decompose(mesh, options, progress) or result
    logger.info("collision: %d hulls", len(result))
    progress(Stage.COLLISION, 1.0)
    return result


def convex_hull(points: Float64Array, max_vertices: int) -> Hull:
    """Wrap points `[N, 3]` in one hull of at most `max_vertices` vertices, 8 or more.

    With more corners than that, the ones that stand out farthest are taken one by one, so the hull
    then lies a little inside. Points in a plane or line get a thin box.
    """
    from scipy.spatial import ConvexHull, QhullError

    if _is_flat(points):
        return _thin_box(points)
    try:
        whole = ConvexHull(points)
        chosen = points[np.sort(whole.vertices)]
        if len(chosen) > max_vertices:
            chosen = _spread_out(chosen, max_vertices)
        # Faces of the rounded points: those of the exact ones may be dented by a float32 step.
        rounded = chosen.astype(np.float32).astype(np.float64)
        hull = ConvexHull(rounded)
    except QhullError:
        return _thin_box(points)
    used = np.sort(hull.vertices)
    faces = np.searchsorted(used, hull.simplices)
    corners = rounded[used]
    a, b, c = corners[faces].transpose(1, 0, 2)
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
    faces = np.where(inward[:, None], faces[:, ::-1], faces)
    faces = faces[np.lexsort(faces.T[::-1])]
    return Hull(positions=corners.astype(np.float32), faces=faces.astype(np.int32))


def _spread_out(corners: Float64Array, count: int) -> Float64Array:
    """Choose `count` of the corners of a convex hull, the most protruding ones first."""
    from scipy.spatial import ConvexHull

    center = corners.mean(axis=0)
    chosen = [int(np.linalg.norm(corners - center, axis=1).argmax())]
    # Three more that span a volume, then always the one farthest outside the hull so far.
    basis = np.zeros((0, 3))
    while len(chosen) < 4:
        away = corners - corners[chosen[0]]
        away = away - away @ basis.T @ basis
        lengths = np.linalg.norm(away, axis=1)
        chosen.append(int(lengths.argmax()))
        basis = np.vstack([basis, away[chosen[-1]] / lengths[chosen[-1]]])
    hull = ConvexHull(corners[chosen], incremental=True)
    while len(chosen) < count:
        outside = (corners @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1)
        outside[chosen] = -np.inf
        chosen.append(int(outside.argmax()))
        hull.add_points(corners[chosen[-1:]])
    hull.close()
    return corners[sorted(chosen)]


def _is_flat(points: Float64Array) -> bool:
    extents = _box(points)[2]
    return bool(extents.min() <= max(FLAT_RATIO * extents.max(), 1e-9))


def _box(points: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """The box along the principal axes: center `[3]`, axes as rows `[3, 3]`, lengths `[3]`."""
    mean = points.mean(axis=0)
    spread = np.einsum("ni,nj->ij", points - mean, points - mean)  # the same on any thread count
    _, axes = np.linalg.eigh(spread)
    axes = axes.T
    if np.linalg.det(axes) < 0:
        axes = -axes
    along = np.einsum("ni,ji->nj", points - mean, axes)
    low, high = along.min(axis=0), along.max(axis=0)
    return mean + (low + high) / 2 @ axes, axes, high - low


def _thin_box(points: Float64Array) -> Hull:
    """A box along the principal axes, thick enough to collide with."""
    center, axes, lengths = _box(points)
    thinnest = max(MIN_THICKNESS_RATIO * float(np.linalg.norm(lengths)), MIN_EXTENT_M)
    thinnest = max(thinnest, 1e-6 * float(np.abs(center).max()))  # what float32 can hold there
    lengths = np.maximum(lengths, thinnest)
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = center + signs * (lengths / 2) @ axes
    return Hull(positions=corners.astype(np.float32), faces=BOX_FACES)


def _is_hollow(mesh: Mesh, points: Float64Array, hull: Hull) -> bool:
    """Whether the hull holds much more than the mesh does."""
    body = abs(float(face_volumes(mesh).sum()))
    around = abs(float(face_volumes(Mesh(positions=hull.positions, faces=hull.faces)).sum()))
    return not _is_flat(points) and around > MAX_HULL_VOLUME_RATIO * body


def _decompose(mesh: Mesh, options: CollisionOptions, progress: Progress) -> tuple[Hull, ...]:
    """Split the body into convex pieces; empty if that fails, with a warning."""
    if len(mesh.faces) > DECOMPOSE_TRIANGLES:
        mesh = simplify(mesh, target_count=DECOMPOSE_TRIANGLES, progress=_Preparing(progress))
    request = io.BytesIO()
    np.savez(
        request,
        positions=mesh.positions,
        faces=mesh.faces,
        max_hulls=options.max_hulls,
        max_vertices=options.max_vertices,
    )
    answer = _run_child(request.getvalue(), progress)
    if answer is not None:
        parts = np.load(io.BytesIO(answer), allow_pickle=False)
        pieces = [parts["points"][parts["hull"] == n] for n in np.unique(parts["hull"])]
        if pieces:
            return tuple(convex_hull(piece, options.max_vertices) for piece in pieces)
    progress.warn(
        Stage.COLLISION,
        "the collision shape is one hull around everything: splitting it into convex pieces "
        f"failed or took longer than {DECOMPOSE_LIMIT_S:.0f} s",
    )
    return ()


def _run_child(request: bytes, progress: Progress) -> bytes | None:
    """Run `decompose.py` on a request; None if it fails or takes too long."""
    # Files, not pipes: `communicate` forgets the rest of a long input after a time-out.
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(request)
        stdin.seek(0)
        command = [sys.executable, "-P", str(Path(__file__).with_name("decompose.py"))]
        with subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr) as child:
            try:
                polls = round(DECOMPOSE_LIMIT_S / POLL_S)
                for poll in range(polls):
                    progress(Stage.COLLISION, poll / polls)
                    try:
                        child.wait(timeout=POLL_S)
                        break
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                child.kill()
        if child.returncode == 0:
            stdout.seek(0)
            return stdout.read()
        stderr.seek(0)
        logger.warning("decompose.py: %s", stderr.read().decode(errors="replace"))
        return None


class _Preparing:
    """Progress of the simplification before a decomposition: as this stage, without its warnings,
    which speak of LODs."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._progress(Stage.COLLISION, 0.0)

    def preview(self, stage: Stage, png: bytes) -> None: ...

    def warn(self, stage: Stage, message: str) -> None: ...
