"""Charts and atlas: where each LOD lies in the texture that all of them share."""

import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.types import IntArray, Mesh, Progress, Stage, UnwrappedMesh

if TYPE_CHECKING:
    from pipeline.mesh.charts.pack import Packing

logger = logging.getLogger(__name__)

_DENSITY_RATIO = 0.5  # of texels per metre from one LOD to the next: each is seen half as large
_LOST_SHARE = 0.01  # of a LOD's faces outside xatlas's charts; above it, the artist may see it
_SMALLEST_AREA = 1e-7  # of the mean face: below, a face has no direction to be charted by
_MIN_FILL = 0.2  # of the atlas; a wide gutter around many charts must not leave less to them
_MIN_GUTTER_TEXELS = 2  # one texel for each chart's bilinear footprint

_CUT_SHARE, _PLACED_SHARE = 0.7, 0.95  # of the stage's time, when charts are cut and placed


@dataclass(frozen=True, kw_only=True)
class UnwrapOptions:
    """Options of `unwrap`.

    texture_size: side of the square atlas in texels, a power of two in 64..8192.
    gutter_texels: least distance between charts, in 2..64. Gutters are filled with the nearest
        texel, so a chart stays clean down to the mip where the gutter is one texel wide, and
        degrades slowly below: 4 is good to the second mip.
    """

    texture_size: int = 2048
    gutter_texels: int = 4

    def __post_init__(self) -> None:
        size = self.texture_size
        if size not in _TEXTURE_SIZES:
            below = max((s for s in _TEXTURE_SIZES if s < size), default=_TEXTURE_SIZES[0])
            above = min((s for s in _TEXTURE_SIZES if s > size), default=_TEXTURE_SIZES[-1])
            nearest = " or ".join(str(s) for s in sorted({below, above}))
            raise InvalidInput(
                f"texture_size must be a power of two in 64..8192, got {size}; use {nearest}"
            )
        if not _MIN_GUTTER_TEXELS <= self.gutter_texels <= 64:
            raise InvalidInput(f"gutter_texels must be in 2..64, got {self.gutter_texels}")


_TEXTURE_SIZES = tuple(2**k for k in range(6, 14))


@dataclass(frozen=True, kw_only=True)
class _Charts:
    """One LOD cut into charts, before they are placed.

    mesh: welded, without slivers. face_source: `[F]`, the face of the LOD that each is.
    uvs: `[F, 3, 2]` float64 metres at each corner, v up, each chart from 0 on and as large as its
    faces in space. face_charts: `[F]` from 0 on without gaps.
    """

    mesh: Mesh
    face_source: IntArray
    uvs: NDArray[np.float64]
    face_charts: IntArray

    @property
    def count(self) -> int:
        return int(self.face_charts.max()) + 1


def unwrap(
    lods: Sequence[Mesh], options: UnwrapOptions, progress: Progress
) -> tuple[UnwrappedMesh, ...]:
    """Give every LOD charts of its own, all in one atlas.

    Texel density is even within a LOD and halves from LOD to LOD, as the size it is seen at does;
    so every LOD is read at the same mips, and one gutter suits all. Charts do not overlap and are
    never mirrored: seen from outside, the texture reads the right way round.

    xatlas makes the charts, in child processes that end when `progress` raises. Where it fails or
    takes over a minute, that LOD is projected on the sides of a box, with a warning: more seams,
    and density that varies by up to the square root of 3.

    Args:
        lods: Finest first. Vertices at the same position are one, whatever their index.
        options: Size and gutter of the atlas.
        progress: Told of `Stage.UNWRAP`.

    Returns:
        One mesh per LOD: vertices split at chart borders only, faces in the order they came, with
        shading normals (see `vertex_normals`) and MikkTSpace tangents. Faces without area are
        left out, with a warning, since no texel can be theirs.

    Raises:
        InvalidInput: If there is no LOD, if one has no area, an index out of range or a position
            that is no number, or if the charts cannot fit the texture.
    """
    progress(Stage.UNWRAP, 0.0)
    started = time.monotonic()
    if not lods:
        raise InvalidInput("there are no LODs to unwrap")
    checked = [_weld_and_check(mesh, lod, progress) for lod, mesh in enumerate(lods)]
    charts = _cut([mesh for mesh, _ in checked], [source for _, source in checked], progress)
    atlas_uvs = _place(charts, options, progress)
    unwrapped = tuple(
        _split(part, uvs, progress) for part, uvs in zip(charts, atlas_uvs, strict=True)
    )
    progress(Stage.UNWRAP, 1.0)
    logger.info(
        "unwrap: %s faces -> %s charts, %.0f %% of the atlas filled, in %.2f s",
        "/".join(str(len(part.mesh.faces)) for part in charts),
        "/".join(str(part.count) for part in charts),
        100 * sum(_areas(uvs).sum() for uvs in atlas_uvs),
        time.monotonic() - started,
    )
    return unwrapped


def _weld_and_check(mesh: Mesh, lod: int, progress: Progress) -> tuple[Mesh, IntArray]:
    """The mesh with one vertex per point, without faces that have no area; which faces are left."""
    progress(Stage.UNWRAP, 0.0)
    if not np.isfinite(mesh.positions).all():
        raise InvalidInput(f"LOD{lod} has positions that are not numbers; repair it first")
    if mesh.faces.size and not (mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.positions)):
        raise InvalidInput(
            f"LOD{lod} has {len(mesh.positions)} vertices, but faces that name vertex "
            f"{mesh.faces.min()} to {mesh.faces.max()}"
        )
    positions, points = np.unique(mesh.positions + np.float32(0), axis=0, return_inverse=True)
    faces = points.astype(np.int32)[mesh.faces]
    areas = _areas(positions[faces].astype(np.float64))
    if not areas.sum() > 0:
        raise InvalidInput(f"LOD{lod} has no surface: {len(faces)} faces without area")
    has_area = areas > _SMALLEST_AREA * areas.mean()
    if not has_area.all():
        dropped = len(faces) - int(has_area.sum())
        progress.warn(Stage.UNWRAP, f"LOD{lod}: {dropped} faces without area were left out.")
    kept = np.flatnonzero(has_area).astype(np.int32)
    return Mesh(positions=positions, faces=faces[kept]), kept


def _areas(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the areas of `[F, 3, 3]` or the signed areas of `[F, 3, 2]` corners."""
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    if corners.shape[2] == 2:
        doubled: NDArray[np.float64] = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    else:
        doubled = np.linalg.norm(np.cross(one, two), axis=1)
    return doubled / 2


def _cut(meshes: Sequence[Mesh], sources: Sequence[IntArray], progress: Progress) -> list[_Charts]:
    # Here and below imported late, so that options can be read without loading numba and scipy.
    from pipeline.mesh.charts.box_projection import box_projection, lies_twice
    from pipeline.mesh.charts.xatlas_charts import xatlas_charts

    face_count = sum(len(mesh.faces) for mesh in meshes)
    answers = xatlas_charts(
        meshes, lambda done: progress(Stage.UNWRAP, _CUT_SHARE * done / face_count)
    )
    charts = []
    for lod, (mesh, answer) in enumerate(zip(meshes, answers, strict=True)):
        progress(Stage.UNWRAP, _CUT_SHARE)
        if isinstance(answer, str):
            progress.warn(
                Stage.UNWRAP, f"LOD{lod}: {answer}; projected on a box instead, with more seams."
            )
            uvs, face_charts = box_projection(mesh.positions, mesh.faces)
        else:
            uvs, face_charts = answer
            # What xatlas left out, folded over or laid twice: single slivers, as a rule.
            lost = (face_charts < 0) | (_areas(uvs) <= 0)
            lost |= lies_twice(uvs, face_charts)
            if lost.mean() > _LOST_SHARE:
                progress.warn(
                    Stage.UNWRAP,
                    f"LOD{lod}: {lost.sum()} of {len(lost)} faces could not be flattened; they "
                    "were projected on a box, with more seams.",
                )
            if lost.any():
                uvs[lost], parts = box_projection(mesh.positions, mesh.faces[lost])
                face_charts[lost] = face_charts.max() + 1 + parts
        charts.append(_to_scale(mesh, sources[lod], uvs, face_charts))
    return charts


def _to_scale(
    mesh: Mesh, face_source: IntArray, uvs: NDArray[np.float64], face_charts: IntArray
) -> _Charts:
    """Make each chart as large as its faces in space, and start it at 0."""
    face_charts = np.unique(face_charts, return_inverse=True)[1].astype(np.int32)
    in_space = np.bincount(face_charts, _areas(mesh.positions[mesh.faces].astype(np.float64)))
    in_chart = np.bincount(face_charts, _areas(uvs))
    low = np.full((len(in_chart), 2), np.inf)
    np.minimum.at(low, face_charts, uvs.min(axis=1))
    scale = np.sqrt(in_space / in_chart)
    return _Charts(
        mesh=mesh,
        face_source=face_source,
        uvs=(uvs - low[face_charts][:, None]) * scale[face_charts][:, None, None],
        face_charts=face_charts,
    )


def _place(
    charts: Sequence[_Charts], options: UnwrapOptions, progress: Progress
) -> list[NDArray[np.float64]]:
    """Return the `[F, 3, 2]` atlas coordinates of each LOD in [0, 1], v up."""
    from pipeline.mesh.charts.pack import pack

    uvs = [part.uvs * _DENSITY_RATIO**lod for lod, part in enumerate(charts)]
    first_chart = np.cumsum([0, *(part.count for part in charts)])
    face_charts = [
        part.face_charts + first for part, first in zip(charts, first_chart[:-1], strict=True)
    ]
    all_charts = np.concatenate(face_charts)
    order = np.argsort(all_charts, kind="stable")
    triangles = np.concatenate(uvs)[order]
    starts = np.searchsorted(all_charts[order], np.arange(first_chart[-1] + 1))
    area = float(_areas(triangles).sum())

    steps = itertools.count(1)

    def step() -> None:
        share = 1 - 0.99 ** next(steps)
        progress(Stage.UNWRAP, _CUT_SHARE + share * (_PLACED_SHARE - _CUT_SHARE))

    gutter_texels = options.gutter_texels
    packing = pack(triangles, starts, options.texture_size, gutter_texels, step)
    while _fill(packing, area, options) < _MIN_FILL and gutter_texels > _MIN_GUTTER_TEXELS:
        gutter_texels = max(gutter_texels // 2, _MIN_GUTTER_TEXELS)
        packing = pack(triangles, starts, options.texture_size, gutter_texels, step)
    if packing is None:
        raise InvalidInput(
            f"texture_size {options.texture_size} is too small for {first_chart[-1]} charts; "
            "use a larger one"
        )
    if gutter_texels < options.gutter_texels:
        progress.warn(
            Stage.UNWRAP,
            f"The gutter is {gutter_texels} instead of {options.gutter_texels} texels, to leave "
            f"room for {first_chart[-1]} charts; a larger texture_size would avoid it.",
        )
    return [
        (part * packing.scale + packing.offsets[owner][:, None]) / options.texture_size
        for part, owner in zip(uvs, face_charts, strict=True)
    ]


def _fill(packing: "Packing | None", area: float, options: UnwrapOptions) -> float:
    return 0.0 if packing is None else area * (packing.scale / options.texture_size) ** 2


def _split(charts: _Charts, atlas_uvs: NDArray[np.float64], progress: Progress) -> UnwrappedMesh:
    """Give each point one vertex per chart, with normal and tangent."""
    from pipeline.mesh.charts.tangents import tangents
    from pipeline.mesh.charts.vertex_normals import vertex_normals

    progress(Stage.UNWRAP, _PLACED_SHARE)
    faces = charts.mesh.faces
    corners = np.column_stack(
        [faces.ravel(), np.repeat(charts.face_charts, 3), atlas_uvs.reshape(-1, 2)]
    )
    vertices, split = np.unique(corners, axis=0, return_inverse=True)
    split_faces = split.astype(np.int32).reshape(-1, 3)
    points = vertices[:, 0].astype(np.int32)
    positions = charts.mesh.positions[points]
    uvs = np.column_stack([vertices[:, 2], 1 - vertices[:, 3]]).astype(np.float32)  # v down
    normals = vertex_normals(positions, split_faces, points)
    return UnwrappedMesh(
        positions=positions,
        normals=normals,
        tangents=tangents(positions, normals, uvs, split_faces),
        uvs=uvs,
        faces=split_faces,
        face_source=charts.face_source,
    )
