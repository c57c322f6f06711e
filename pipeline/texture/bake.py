"""The look of the dense surface into the texels of all LODs."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.srgb import srgb_from_linear
from pipeline.threads import in_threads, together
from pipeline.types import (
    AlphaMode,
    ByteArray,
    FloatArray,
    Image,
    IntArray,
    Material,
    Progress,
    Stage,
    Surface,
    UnwrappedMesh,
)

if TYPE_CHECKING:
    from pipeline.texture.appearance import Looks
    from pipeline.texture.project import Hits
    from pipeline.texture.seams import Border

logger = logging.getLogger(__name__)

_Texels = tuple[NDArray[np.int64], NDArray[np.int64]]

_TEXELS_PER_STEP = 60_000  # about 0.1 s, and what bounds memory
_BLOCK = 4  # texels: what lies in a block has one search for its nearest points
_TEXEL_STEP = 61  # one of so many texels speaks for all, where all are not needed; a prime
_SAME_COLOR = 4 / 255


@dataclass(frozen=True, kw_only=True)
class BakeOptions:
    """Options of `bake`.

    ambient_occlusion: whether to add how much of the sky the shape itself hides, for scenes
        without real-time occlusion. Adds about half a microsecond per texel.
    delight: how much of the light that seems to be painted into the colors is divided out, in
        [0, 1]. An estimate: see `Shading`.
    roughness, metallic: instead of the source's, in [0, 1]; None keeps them.
    """

    ambient_occlusion: bool = False
    delight: float = 0.0
    roughness: float | None = None
    metallic: float | None = None

    def __post_init__(self) -> None:
        for name in ("delight", "roughness", "metallic"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InvalidInput(f"{name} must be in [0, 1], got {value}")


@dataclass(frozen=True, kw_only=True)
class BakeMeasure:
    """How good the textures are. Shares are of the charts' texels, in [0, 1].

    missed_texel_ratio: texels for which only the back of a wall was found.
    seam_step: how far the two sides of chart borders differ in base color at mip 0, 1 ..., mean,
        in 255ths, where the source has the same color on both; empty without borders.
    black_texel_ratio: texels without any light in base color.
    highlight_ratio: texels that are nearly white amid darker ones: light that was painted in.
    delight_contrast: the brightest over the darkest direction in the light that was divided out;
        1 where none was.
    """

    missed_texel_ratio: float
    seam_step: tuple[float, ...]
    black_texel_ratio: float
    highlight_ratio: float
    delight_contrast: float


@dataclass(frozen=True, kw_only=True)
class BakeResult:
    """What `bake` makes. material: one for all LODs; its textures are square."""

    material: Material
    measure: BakeMeasure


@dataclass(frozen=True, kw_only=True)
class _Target:
    """All LODs as one list of faces.

    positions `[V, 3]`, normals `[V, 3]`, tangents `[V, 4]`, faces `[F, 3]`.
    triangles: `[F, 3, 2]` float64, corners in texels.
    texel_sizes_m: `[F]` float64, what a texel spans on the face's LOD. face_lods: `[F]` int32.
    """

    positions: FloatArray
    normals: FloatArray
    tangents: FloatArray
    faces: IntArray
    triangles: NDArray[np.float64]
    texel_sizes_m: NDArray[np.float64]
    face_lods: IntArray


@dataclass(frozen=True, kw_only=True)
class _Content:
    """What the material has to hold, given what the surface has."""

    alpha_mode: AlphaMode
    alpha_cutoff: float  # of a mask
    has_orm: bool
    has_emissive: bool
    glow_scale: float  # what white in the emissive texture stands for, at least 1

    @property
    def cutoff_of_masks(self) -> float | None:
        """What masks of the source are scaled to; None where they are cut in the texture."""
        return self.alpha_cutoff if self.alpha_mode == "MASK" else None


def bake(
    lods: Sequence[UnwrappedMesh],
    source: Surface,
    texture_size: int,
    options: BakeOptions,
    progress: Progress,
) -> BakeResult:
    """Draw the look of `source` into one set of textures that all LODs share.

    Each texel takes its look from the point of the source it stands for (see `Projector`), read
    in linear light and at the mip that fits the texel; base color from its views where they show
    that point (see `ViewColors`). Base color and normal are always textures.
    The normal map carries the source's own shape and normal maps in each LOD's tangent space, to
    be decoded as MikkTSpace says: interpolate normal and tangent, do not normalize them,
    bitangent = w * cross(normal, tangent). Occlusion, roughness and metallic become one image
    where the source has textures of them or materials that differ, else they stay numbers; the
    same holds for emissive, whose factor is as bright as the brightest material. Gutters are filled
    from the nearest texel; those of base color then change until mips agree across borders.

    Where any material of the source blends, all blends, and masks are cut in the texture; else
    where any is a mask, all is a mask, with the first cutoff that cuts. Alpha of opaque materials
    counts as 1. Where any is double-sided, all is. What an artist may notice of this is warned of.

    Args:
        lods: With charts in one atlas, not overlapping.
        source: The dense surface, in the same place as the LODs.
        texture_size: Side of the textures in texels.
        options: What to add.
        progress: Told of `Stage.BAKE`.

    Raises:
        InvalidInput: If `lods` or `source` have no faces, or `source` has textures but no uvs.
    """
    # Imported here, so that options can be read without loading numba and embree.
    from pipeline.texture.dilate import filled, nearest_known
    from pipeline.texture.faults import black_ratio, highlight_ratio
    from pipeline.texture.gutters import agreeing
    from pipeline.texture.rasterize import rasterize
    from pipeline.texture.seams import chart_border, seam_steps

    started = time.monotonic()
    progress(Stage.BAKE, 0.0)
    _check(lods, source)
    target = _merge(lods, texture_size)
    content = _content(source, options, progress)
    owners = rasterize(target.triangles, texture_size, lambda: progress(Stage.BAKE, 0.02))
    canvas = _Canvas.empty(owners, content, with_sky=options.ambient_occlusion)
    painter = _Painter(source, target, content, canvas, options, progress)
    painter.paint(progress)
    nearest = nearest_known(owners >= 0, lambda: progress(Stage.BAKE, 0.92))

    def with_gutters(pixels: ByteArray) -> ByteArray:
        return filled(pixels, nearest, lambda: progress(Stage.BAKE, 0.93))

    base_color, normal = with_gutters(canvas.base_color), with_gutters(canvas.normal)
    orm = None if canvas.orm is None else Image(pixels=with_gutters(canvas.orm))
    emissive = None if canvas.emissive is None else Image(pixels=with_gutters(canvas.emissive))
    border = chart_border(lods)
    is_same = painter.is_same_on_both_sides(border, lambda: progress(Stage.BAKE, 0.94))
    seam_uvs = border.uvs[:, is_same]
    base_color = agreeing(base_color, owners < 0, seam_uvs, lambda: progress(Stage.BAKE, 0.95))
    material = _material(
        source,
        content,
        options,
        base_color=Image(pixels=base_color),
        normal=Image(pixels=normal),
        orm=orm,
        emissive=emissive,
    )

    def seams(tick: Callable[[], None]) -> tuple[float, ...]:
        return seam_steps(seam_uvs, Image(pixels=base_color), tick)

    def faults(tick: Callable[[], None]) -> tuple[float, ...]:
        return black_ratio(canvas.base_color, owners), highlight_ratio(canvas.base_color, owners)

    seam_step, (black, highlights) = together(
        [seams, faults], lambda done: progress(Stage.BAKE, 0.96 + 0.02 * done)
    )
    measure = BakeMeasure(
        missed_texel_ratio=float(canvas.is_missed.sum() / (owners >= 0).sum()),
        seam_step=seam_step,
        black_texel_ratio=black,
        highlight_ratio=highlights,
        delight_contrast=painter.delight_contrast,
    )
    progress(Stage.BAKE, 1.0)
    logger.info(
        "bake: %d texels from %d faces, %.2f %% missed, in %.2f s",
        int((owners >= 0).sum()),
        len(source.faces),
        100 * measure.missed_texel_ratio,
        time.monotonic() - started,
    )
    return BakeResult(material=material, measure=measure)


@dataclass(frozen=True, kw_only=True)
class _Canvas:
    """The textures while they are painted, `[H, W, C]` uint8; None where there is none.

    owners: `[H, W]` face of each texel, or -1. is_missed: `[H, W]`, as in `Hits`.
    sky: `[H, W]` float32, noisy and only at the texels `casts_rays`.
    """

    owners: IntArray
    base_color: ByteArray
    normal: ByteArray
    orm: ByteArray | None
    emissive: ByteArray | None
    is_missed: NDArray[np.bool_]
    sky: FloatArray | None

    @classmethod
    def empty(cls, owners: IntArray, content: _Content, *, with_sky: bool) -> Self:
        def blank(channels: int) -> ByteArray:
            return np.zeros((*owners.shape, channels), np.uint8)

        return cls(
            owners=owners,
            base_color=blank(3 if content.alpha_mode == "OPAQUE" else 4),
            normal=blank(3),
            orm=blank(3) if content.has_orm else None,
            emissive=blank(3) if content.has_emissive else None,
            is_missed=np.zeros(owners.shape, bool),
            sky=np.zeros(owners.shape, np.float32) if with_sky else None,
        )


class _Painter:
    """Paints the texels of all charts."""

    def __init__(
        self,
        source: Surface,
        target: _Target,
        content: _Content,
        canvas: _Canvas,
        options: BakeOptions,
        progress: Progress,
    ) -> None:
        from pipeline.texture.appearance import Appearance
        from pipeline.texture.delight import Shading
        from pipeline.texture.occlusion import SkyRays, chart_texels, sky_texels
        from pipeline.texture.project import Projector
        from pipeline.texture.views import ViewColors

        self._source = source
        self._target, self._content, self._canvas = target, content, canvas
        self._options = options
        progress(Stage.BAKE, 0.05)

        self._sky_rays: SkyRays | None = None

        def prepare(tick: Callable[[], None]) -> None:
            self._projector = Projector(source, tick)
            self._appearance = Appearance(source, content.cutoff_of_masks, tick)

        def prepare_rays(tick: Callable[[], None]) -> None:
            if canvas.sky is not None:
                self._sky_rays = SkyRays(source)

        together([prepare, prepare_rays], lambda done: progress(Stage.BAKE, 0.05 + 0.01 * done))
        self._view_colors = (
            ViewColors(source, lambda: progress(Stage.BAKE, 0.07)) if source.views else None
        )
        self._reaches_m = self._reaches(lambda: progress(Stage.BAKE, 0.07))
        self._shading: Shading | None = None
        if options.delight > 0:
            looks = self._seen(self._some_texels())[1]
            self._shading = Shading(looks.normals, looks.base_color[:, :3])
        if canvas.sky is not None:
            progress(Stage.BAKE, 0.08)
            self._charts = chart_texels(canvas.owners, target.faces)
            self._casts_rays = sky_texels(self._charts)

    def paint(self, progress: Progress) -> None:
        """Paint all texels; in threads, since none depends on another."""
        from pipeline.texture.occlusion import mean_in_chart
        from pipeline.texture.sample import to_bytes

        height, width = self._canvas.owners.shape
        rows = _BLOCK * max(1, _TEXELS_PER_STEP // (width * _BLOCK))
        starts = range(0, height, rows)
        done = iter(range(len(starts)))

        in_threads(
            lambda first: self._paint_rows(first, min(first + rows, height)),
            starts,
            lambda: progress(Stage.BAKE, 0.1 + 0.8 * next(done) / len(starts)),
        )
        canvas = self._canvas
        if canvas.sky is not None and canvas.orm is not None:
            open_share = mean_in_chart(
                canvas.sky, self._casts_rays, self._charts, lambda: progress(Stage.BAKE, 0.9)
            )
            canvas.orm[:, :, 0] = to_bytes(canvas.orm[:, :, 0] / np.float32(255) * open_share)

    @property
    def delight_contrast(self) -> float:
        """See `BakeMeasure`."""
        return 1.0 if self._shading is None else self._shading.contrast**self._options.delight

    def is_same_on_both_sides(
        self, border: "Border", tick: Callable[[], None]
    ) -> NDArray[np.bool_]:
        """`[N]`: where the source has one color, seen from either side of a chart border."""
        reaches_m = self._reaches_m[border.lods]
        texel_sizes_m = np.zeros(len(border.lods))

        def color(side: int, tick: Callable[[], None]) -> FloatArray:
            hits = self._projector.project(border.points[side], border.normals[side], reaches_m)
            return srgb_from_linear(self._appearance.look(hits, texel_sizes_m).base_color[:, :3])

        one, other = together([partial(color, side) for side in range(2)], lambda _: tick())
        is_same: NDArray[np.bool_] = np.abs(one - other).max(axis=1) <= _SAME_COLOR
        return is_same

    def _some_texels(self) -> _Texels:
        rows, columns = np.nonzero(self._canvas.owners >= 0)
        return rows[::_TEXEL_STEP], columns[::_TEXEL_STEP]

    def _reaches(self, tick: Callable[[], None]) -> NDArray[np.float64]:
        """How far to look for the right side of a wall, for each LOD."""
        some = self._some_texels()
        points, normals, _ = self._places(some)
        lods = self._target.face_lods[self._canvas.owners[some]]
        return np.array(
            [
                self._projector.reach_m(points[lods == lod], normals[lods == lod], tick)
                for lod in range(int(self._target.face_lods.max()) + 1)
            ]
        )

    def _places(
        self, texels: _Texels
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Positions, normals and tangents of the LODs at these texels, not normalized."""
        from pipeline.texture.interpolate import interpolate
        from pipeline.texture.rasterize import barycentrics_of_texels

        target = self._target
        faces = self._canvas.owners[texels]
        weights = barycentrics_of_texels(*texels, faces, target.triangles)
        return (
            interpolate(target.positions, target.faces, faces, weights),
            interpolate(target.normals, target.faces, faces, weights),
            interpolate(target.tangents, target.faces, faces, weights),
        )

    def _seen(
        self, texels: _Texels
    ) -> tuple["Hits", "Looks", NDArray[np.float64], NDArray[np.float64]]:
        """What these texels show of the source; normals and tangents of the LODs there."""
        faces = self._canvas.owners[texels]
        points, normals, tangents = self._places(texels)
        hits = self._projector.project(
            points, normals, self._reaches_m[self._target.face_lods[faces]]
        )
        looks = self._appearance.look(hits, self._target.texel_sizes_m[faces])
        if self._view_colors is not None:
            from pipeline.texture.interpolate import interpolate

            source = self._source
            there = interpolate(source.positions, source.faces, hits.faces, hits.barycentrics)
            colors, shares = self._view_colors.look(
                there, looks.normals, self._target.texel_sizes_m[faces]
            )
            looks.base_color[:, :3] += shares[:, None] * (colors - looks.base_color[:, :3])
        if self._options.roughness is not None:
            looks.orm[:, 1] = self._options.roughness
        if self._options.metallic is not None:
            looks.orm[:, 2] = self._options.metallic
        return hits, looks, normals, tangents

    def _paint_rows(self, first: int, end: int) -> None:
        from pipeline.texture.rasterize import texels_in_blocks
        from pipeline.texture.sample import to_bytes
        from pipeline.texture.tangent_space import to_tangent_space

        canvas, content = self._canvas, self._content
        texels = texels_in_blocks(canvas.owners, first, end, _BLOCK)
        if not len(texels[0]):
            return
        hits, looks, normals, tangents = self._seen(texels)
        canvas.is_missed[texels] = hits.is_missed
        light = looks.base_color[:, :3]
        if self._shading is not None:
            light = light / self._shading.at(looks.normals)[:, None] ** self._options.delight
        color = np.column_stack([srgb_from_linear(light), looks.base_color[:, 3]])
        canvas.base_color[texels] = to_bytes(color)[:, : canvas.base_color.shape[2]]
        # A wall that is seen from behind shows its back: turn its normal round.
        toward_us = np.where(hits.is_missed[:, None], -looks.normals, looks.normals)
        bumps = to_tangent_space(toward_us, normals, tangents)
        canvas.normal[texels] = to_bytes(bumps / 2 + 0.5)
        if canvas.orm is not None:
            canvas.orm[texels] = to_bytes(looks.orm)
        if canvas.emissive is not None:
            glow = looks.emissive / np.float32(content.glow_scale)
            canvas.emissive[texels] = to_bytes(srgb_from_linear(glow))
        if canvas.sky is not None and self._sky_rays is not None:
            some = np.flatnonzero(self._casts_rays[texels])
            there = texels[0][some], texels[1][some]
            canvas.sky[there] = self._sky_rays.seen(hits.at(some), *there)


def _check(lods: Sequence[UnwrappedMesh], source: Surface) -> None:
    if not len(source.faces):
        raise InvalidInput("the surface to bake from has no faces")
    if source.uvs is None and any(_textures(material) for material in _used(source)):
        raise InvalidInput("the surface has textures but no uvs; give it uvs or plain materials")
    if not any(len(lod.faces) for lod in lods):
        raise InvalidInput("there are no faces to bake on")


def _merge(lods: Sequence[UnwrappedMesh], texture_size: int) -> _Target:
    first_vertex = np.cumsum([0, *(len(lod.positions) for lod in lods)])
    triangles, texel_sizes = [], []
    for lod in lods:
        in_space = lod.positions[lod.faces].astype(np.float64)
        in_atlas = lod.uvs[lod.faces].astype(np.float64) * texture_size
        triangles.append(in_atlas)
        area_m2 = np.linalg.norm(
            np.cross(in_space[:, 1] - in_space[:, 0], in_space[:, 2] - in_space[:, 0]), axis=1
        ).sum()
        texels = np.abs(np.linalg.det(in_atlas[:, 1:] - in_atlas[:, :1])).sum()
        texel_sizes.append(np.full(len(lod.faces), np.sqrt(area_m2 / max(texels, 1e-6))))
    return _Target(
        positions=np.concatenate([lod.positions for lod in lods]),
        normals=np.concatenate([lod.normals for lod in lods]),
        tangents=np.concatenate([lod.tangents for lod in lods]),
        faces=np.concatenate(
            [lod.faces + first for lod, first in zip(lods, first_vertex[:-1], strict=True)]
        ).astype(np.int32),
        triangles=np.concatenate(triangles),
        texel_sizes_m=np.concatenate(texel_sizes),
        face_lods=np.repeat(np.arange(len(lods), dtype=np.int32), [len(lod.faces) for lod in lods]),
    )


def _content(source: Surface, options: BakeOptions, progress: Progress) -> _Content:
    materials = _used(source)
    modes = {material.alpha_mode for material in materials}
    alpha_mode: AlphaMode = next((mode for mode in ("BLEND", "MASK") if mode in modes), "OPAQUE")
    masks = [material for material in materials if material.alpha_mode == alpha_mode == "MASK"]
    if alpha_mode == "BLEND" and len(modes) > 1:
        progress.warn(
            Stage.BAKE,
            "The asset has blended materials and others; its one material blends, so engines "
            "sort its opaque and masked parts like transparent ones.",
        )
    if len({material.double_sided for material in materials}) > 1:
        progress.warn(
            Stage.BAKE,
            "The asset has single- and double-sided materials; its one material is double-sided, "
            "so the backs of single-sided parts show, too.",
        )
    surfaces = {_surface_of(material, options) for material in materials}
    has_own_surface = options.roughness is None or options.metallic is None
    glows = {material.emissive_factor for material in materials}
    return _Content(
        alpha_mode=alpha_mode,
        alpha_cutoff=next((mask.alpha_cutoff for mask in masks if mask.alpha_cutoff > 0), 0.5),
        has_orm=options.ambient_occlusion
        or len(surfaces) > 1
        or any(material.occlusion for material in materials)
        or (has_own_surface and any(material.metallic_roughness for material in materials)),
        has_emissive=len(glows) > 1
        or any(material.emissive and any(material.emissive_factor) for material in materials),
        glow_scale=max(1.0, *(max(factor) for factor in glows)),
    )


def _surface_of(material: Material, options: BakeOptions) -> tuple[float, float]:
    """Roughness and metallic of a material, without its texture."""
    return (
        material.roughness_factor if options.roughness is None else options.roughness,
        material.metallic_factor if options.metallic is None else options.metallic,
    )


def _used(source: Surface) -> list[Material]:
    return [source.materials[index] for index in np.unique(source.face_materials).tolist()]


def _textures(material: Material) -> list[Image]:
    images = (
        material.base_color,
        material.metallic_roughness,
        material.normal,
        material.occlusion,
        material.emissive,
    )
    return [image for image in images if image is not None]


def _material(
    source: Surface,
    content: _Content,
    options: BakeOptions,
    *,
    base_color: Image,
    normal: Image,
    orm: Image | None,
    emissive: Image | None,
) -> Material:
    materials = _used(source)
    first = materials[0]
    roughness, metallic = _surface_of(first, options)
    return Material(
        name=first.name,
        base_color=base_color,
        metallic_factor=1.0 if orm else metallic,
        roughness_factor=1.0 if orm else roughness,
        metallic_roughness=orm,
        normal=normal,
        occlusion=orm,
        emissive_factor=(content.glow_scale,) * 3 if emissive else first.emissive_factor,
        emissive=emissive,
        alpha_mode=content.alpha_mode,
        alpha_cutoff=content.alpha_cutoff,
        double_sided=any(material.double_sided for material in materials),
    )
