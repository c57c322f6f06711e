"""Charts and atlas: where each LOD lies in the texture that all of them share."""

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.threads import together
from pipeline.types import IntArray, Mesh, Progress, Stage, UnwrappedMesh

if TYPE_CHECKING:
    from pipeline.mesh.charts.cut import Cut
    from pipeline.mesh.charts.pack import Packing

logger = logging.getLogger(__name__)

Density = Literal["uniform", "importance"]
Atlas = Literal["packed", "shared", "per_lod"]
Uvs = Literal["auto", "unwrap", "keep"]

_DENSITY_RATIO = 0.5  # of texels per metre from one LOD to the next: each is seen half as large
_SMALLEST_AREA = 1e-7  # of the mean face: below, a face has no direction to be charted by
_EXPECTED_FILL = 0.7  # of the atlas, before it is packed
_MIN_FILL = 0.2  # of the atlas; a wide gutter around many charts must not leave less to them
_MIN_GUTTER_TEXELS = 2  # one texel for each chart's bilinear footprint
_GUTTERS_PER_SIDE = 512  # the default gutter is this share of the atlas
_LEAST_CHART_TEXELS = 8
# A chart may take this share of its LOD. Of larger ones there are fewer, but they leave large gaps:
# with 0.2 a hundredth less of the atlas is filled. Yet so many faces may always be one.
_MOST_CHART_SHARE = 0.05
_FACES_FOR_ONE_CHART = 100

_CUT_SHARE, _PLACED_SHARE = 0.35, 0.9  # of the stage's time, when charts are cut and placed


@dataclass(frozen=True, kw_only=True)
class UnwrapOptions:
    """Options of `unwrap`.

    texture_size: side of the square atlas in texels, a power of two in 64..8192.
    gutter_texels: least distance between charts, in 2..64, or None for a 512th of the side: 4 at
        2048, and 2 at the least. Gutters are filled with the nearest texel, so a chart stays clean
        down to the mip where its gutter is one texel wide, and degrades slowly below: the default
        is clean until the whole atlas is read at 512 x 512. A LOD takes over when the asset is
        seen about half as large as the one before, and has half its texel density, so all LODs are
        read at the first mips.
    density: "uniform" gives every metre the same texels; "importance" gives faces that hardly
        anything can be seen of, or that look down, down to half as many along each side, and the
        rest what that saves.
    atlas: "packed": each LOD has charts of its own, all in one atlas. "shared": all lie on LOD0's.
        "per_lod": each has an atlas, textures and a material of its own, half as large each.
    uv: "keep" takes the source's UVs and textures as they are, "unwrap" makes new ones; "auto"
        keeps those that are good where no LOD has fewer than half of the source's triangles.
    lightmap: whether each LOD gets a second set of UVs without overlap, for itself alone.
    """

    texture_size: int = 2048
    gutter_texels: int | None = None
    density: Density = "uniform"
    atlas: Atlas = "packed"
    uv: Uvs = "auto"
    lightmap: bool = False

    def __post_init__(self) -> None:
        size = self.texture_size
        if size not in _TEXTURE_SIZES:
            below = max((s for s in _TEXTURE_SIZES if s < size), default=_TEXTURE_SIZES[0])
            above = min((s for s in _TEXTURE_SIZES if s > size), default=_TEXTURE_SIZES[-1])
            nearest = " or ".join(str(s) for s in sorted({below, above}))
            raise InvalidInput(
                f"texture_size must be a power of two in 64..8192, got {size}; use {nearest}"
            )
        if self.gutter_texels is not None and not _MIN_GUTTER_TEXELS <= self.gutter_texels <= 64:
            raise InvalidInput(f"gutter_texels must be in 2..64, got {self.gutter_texels}")
        if self.density not in ("uniform", "importance"):
            raise InvalidInput(f"density must be uniform or importance, got {self.density!r}")
        if self.atlas not in ("packed", "shared", "per_lod"):
            raise InvalidInput(f"atlas must be packed, shared or per_lod, got {self.atlas!r}")
        if self.uv not in ("auto", "unwrap", "keep"):
            raise InvalidInput(f"uv must be auto, unwrap or keep, got {self.uv!r}")

    @property
    def gutter(self) -> int:
        """The gutter in texels, chosen or by default."""
        if self.gutter_texels is not None:
            return self.gutter_texels
        return max(_MIN_GUTTER_TEXELS, self.texture_size // _GUTTERS_PER_SIDE)


_TEXTURE_SIZES = tuple(2**k for k in range(6, 14))


@dataclass(frozen=True, kw_only=True)
class _Charts:
    """One LOD cut into charts, before they are placed.

    mesh: welded, without slivers. face_source: `[F]`, the face of the LOD that each is.
    cut: its charts. points: `[F, 3]` complex128 where corners lie in their chart as u + vi with v
        up: as large as the faces in space, times what the LOD and the chart are worth.
    """

    mesh: Mesh
    face_source: IntArray
    cut: "Cut"
    points: NDArray[np.complex128]

    @property
    def count(self) -> int:
        return int(self.cut.face_charts.max()) + 1


def unwrap(
    lods: Sequence[Mesh], options: UnwrapOptions, progress: Progress
) -> tuple[UnwrappedMesh, ...]:
    """Give every LOD charts of its own, all in one atlas.

    Texel density is even within a LOD and halves from LOD to LOD, as the size it is seen at does;
    so every LOD is read at the same mips, and one gutter suits all. Charts do not overlap and are
    never mirrored: seen from outside, the texture reads the right way round. A chart that would
    cover less than 8 texels is made larger.

    Args:
        lods: Finest first. Vertices at the same position are one, whatever their index.
        options: Size and gutter of the atlas.
        progress: Told of `Stage.UNWRAP`.

    Returns:
        One mesh per LOD: vertices split at seams only, faces in the order they came, with shading
        normals (see `vertex_normals`) and MikkTSpace tangents. Faces without area are left out,
        since no texel can be theirs.

    Raises:
        InvalidInput: If there is no LOD, if one has no area, an index out of range or a position
            that is no number, or if the charts cannot fit the texture.
    """
    progress(Stage.UNWRAP, 0.0)
    started = time.monotonic()
    if not lods:
        raise InvalidInput("there are no LODs to unwrap")
    checked = [_weld_and_check(mesh, lod, progress) for lod, mesh in enumerate(lods)]
    charts = _cut(checked, options, progress)
    atlas_uvs = _place(charts, options, progress)
    unwrapped = tuple(
        _split(part, uvs, progress) for part, uvs in zip(charts, atlas_uvs, strict=True)
    )
    progress(Stage.UNWRAP, 1.0)
    logger.info(
        "unwrap: %s faces -> %s charts, %.0f %% of the atlas filled, in %.2f s",
        "/".join(str(len(part.mesh.faces)) for part in charts),
        "/".join(str(part.count) for part in charts),
        100 * sum(_signed_areas(uvs).sum() for uvs in atlas_uvs),
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
    order = np.lexsort(mesh.positions.T)
    is_new = np.any(np.diff(mesh.positions[order], axis=0, prepend=np.nan) != 0, axis=1)
    points = np.empty(len(order), np.int32)
    points[order] = np.cumsum(is_new) - 1
    welded = Mesh(positions=mesh.positions[order[is_new]], faces=points[mesh.faces])
    areas = _areas(welded)
    if not areas.sum() > 0:
        raise InvalidInput(f"LOD{lod} has no surface: {len(areas)} faces without area")
    # All together they are less than 1e-7 of the surface: nothing that an artist could miss.
    kept = np.flatnonzero(areas > _SMALLEST_AREA * areas.mean()).astype(np.int32)
    if len(kept) < len(areas):
        logger.info("unwrap: LOD%d without its %d faces of no area", lod, len(areas) - len(kept))
    return Mesh(positions=welded.positions, faces=welded.faces[kept]), kept


def _areas(mesh: Mesh) -> NDArray[np.float64]:
    corners = mesh.positions[mesh.faces].astype(np.float64)
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.asarray(np.linalg.norm(doubled, axis=1) / 2)


def _signed_areas(points: NDArray[np.complex128]) -> NDArray[np.float64]:
    """The areas of `[F, 3]` triangles of x + yi, positive where they are counter-clockwise."""
    one, two = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    return np.asarray((one.conj() * two).imag / 2)


def _cut(
    checked: Sequence[tuple[Mesh, IntArray]], options: UnwrapOptions, progress: Progress
) -> list[_Charts]:
    # Here and below imported late, so that options can be read without loading numba and scipy.
    from pipeline.mesh.charts.cut import cut
    from pipeline.mesh.charts.importance import importance

    shares = [_DENSITY_RATIO ** (2 * lod) for lod in range(len(checked))]
    areas = [_areas(mesh) for mesh, _ in checked]
    whole = sum(share * float(area.sum()) for share, area in zip(shares, areas, strict=True))
    done = [0.0] * len(checked)
    faces = [len(mesh.faces) for mesh, _ in checked]

    def cut_one(lod: int, check: Callable[[], None]) -> "Cut":
        def tell(share: float) -> None:
            check()
            done[lod] = share * faces[lod] / sum(faces)

        texel = whole / (_EXPECTED_FILL * options.texture_size**2)
        return cut(
            checked[lod][0],
            least_area=_LEAST_CHART_TEXELS * texel / shares[lod],
            most_area=max(_MOST_CHART_SHARE, _FACES_FOR_ONE_CHART / faces[lod])
            * float(areas[lod].sum()),
            tell=tell,
        )

    # LOD0 takes longest as a rule; the rest are cut beside it.
    cuts = together(
        [partial(cut_one, lod) for lod in range(len(checked))],
        lambda _: progress(Stage.UNWRAP, _CUT_SHARE * sum(done)),
    )
    charts = []
    for lod, ((mesh, source), result) in enumerate(zip(checked, cuts, strict=True)):
        progress(Stage.UNWRAP, _CUT_SHARE)
        points = result.uvs[:, :, 0] + 1j * result.uvs[:, :, 1]
        in_space = np.bincount(result.face_charts, areas[lod])
        in_chart = np.bincount(result.face_charts, _signed_areas(points))
        scales = _DENSITY_RATIO**lod * np.sqrt(in_space / in_chart)
        if options.density == "importance":
            scales *= importance(
                mesh, result.face_charts, partial(progress, Stage.UNWRAP, _CUT_SHARE)
            )
        points *= scales[result.face_charts][:, None]
        charts.append(_Charts(mesh=mesh, face_source=source, cut=result, points=points))
    return charts


def _place(
    charts: Sequence[_Charts], options: UnwrapOptions, progress: Progress
) -> list[NDArray[np.complex128]]:
    """Return the `[F, 3]` atlas coordinates of each LOD as u + vi in [0, 1], v up."""
    from pipeline.mesh.charts.pack import pack

    first_chart = np.cumsum([0, *(part.count for part in charts)])
    face_charts = [
        part.cut.face_charts + first for part, first in zip(charts, first_chart[:-1], strict=True)
    ]
    all_charts = np.concatenate(face_charts)
    order = np.argsort(all_charts, kind="stable")
    points = np.concatenate([part.points for part in charts])[order]
    starts = np.searchsorted(all_charts[order], np.arange(first_chart[-1] + 1))
    area = float(_signed_areas(points).sum())

    ticks = itertools.count(1)

    def tick() -> None:
        share = 1 - 0.97 ** next(ticks)
        progress(Stage.UNWRAP, _CUT_SHARE + share * (_PLACED_SHARE - _CUT_SHARE))

    gutter = options.gutter
    packing = pack(points, starts, options.texture_size, gutter, tick)
    while _fill(packing, area, options) < _MIN_FILL and gutter > _MIN_GUTTER_TEXELS:
        gutter = max(gutter // 2, _MIN_GUTTER_TEXELS)
        packing = pack(points, starts, options.texture_size, gutter, tick)
    if packing is None:
        raise InvalidInput(
            f"texture_size {options.texture_size} is too small for {first_chart[-1]} charts; "
            "use a larger one"
        )
    if gutter < options.gutter:
        progress.warn(
            Stage.UNWRAP,
            f"The gutter is {gutter} instead of {options.gutter} texels, to leave "
            f"room for {first_chart[-1]} charts; a larger texture_size would avoid it.",
        )
    return [
        (
            part.points * (packing.scales * packing.turns)[owner][:, None]
            + packing.offsets[owner][:, None]
        )
        / options.texture_size
        for part, owner in zip(charts, face_charts, strict=True)
    ]


def _fill(packing: "Packing | None", area: float, options: UnwrapOptions) -> float:
    return 0.0 if packing is None else area * (packing.scale / options.texture_size) ** 2


def _split(charts: _Charts, atlas_uvs: NDArray[np.complex128], progress: Progress) -> UnwrappedMesh:
    """Give each point one vertex on each side of a seam, with normal and tangent."""
    from pipeline.mesh.charts.vertex_normals import vertex_normals
    from pipeline.tangents import tangents

    progress(Stage.UNWRAP, _PLACED_SHARE)
    faces = charts.cut.face_vertices
    corner = np.empty(int(faces.max()) + 1, np.int64)  # of each vertex, any
    corner[faces.ravel()] = np.arange(faces.size)
    points = charts.mesh.faces.ravel()[corner]
    positions = charts.mesh.positions[points]
    places = atlas_uvs.ravel()[corner]
    uvs = np.column_stack([places.real, 1 - places.imag]).astype(np.float32)  # v down
    normals = vertex_normals(positions, faces, points)
    return UnwrappedMesh(
        positions=positions,
        normals=normals,
        tangents=tangents(positions, normals, uvs, faces),
        uvs=uvs,
        faces=faces,
        face_source=charts.face_source,
    )
