"""The look of the dense surface into the texels of all LODs."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.srgb import srgb_from_linear
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

logger = logging.getLogger(__name__)

_TEXELS_PER_STEP = 60_000  # about 0.1 s, and what bounds memory


@dataclass(frozen=True, kw_only=True)
class BakeOptions:
    """Options of `bake`.

    ambient_occlusion: whether to add how much of the sky the shape itself hides, for scenes
        without real-time occlusion. Adds about 2 microseconds per texel.
    """

    ambient_occlusion: bool = False


@dataclass(frozen=True, kw_only=True)
class BakeResult:
    """What `bake` makes.

    material: one for all LODs; its textures are square.
    miss_ratio: share of the charts' texels for which only the back of a wall was found, in [0, 1].
    """

    material: Material
    miss_ratio: float


@dataclass(frozen=True, kw_only=True)
class _Target:
    """All LODs as one list of faces.

    positions `[V, 3]`, normals `[V, 3]`, tangents `[V, 4]`, faces `[F, 3]`.
    triangles: `[F, 3, 2]` float64, corners in texels.
    texel_sizes_m: `[F]` float64, what a texel spans on the face's LOD.
    """

    positions: FloatArray
    normals: FloatArray
    tangents: FloatArray
    faces: IntArray
    triangles: NDArray[np.float64]
    texel_sizes_m: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Content:
    """What the material has to hold, given what the surface has."""

    alpha_mode: AlphaMode
    alpha_cutoff: float
    has_orm: bool
    has_emissive: bool
    glow_scale: float  # what white in the emissive texture stands for, at least 1


def bake(
    lods: Sequence[UnwrappedMesh],
    source: Surface,
    texture_size: int,
    options: BakeOptions,
    progress: Progress,
) -> BakeResult:
    """Draw the look of `source` into one set of textures that all LODs share.

    Each texel takes its look from the point of the source it stands for (see `Projector`), read
    in linear light and at the mip that fits the texel. Base color and normal are always textures.
    The normal map carries the source's own shape and normal maps in each LOD's tangent space, to
    be decoded as MikkTSpace says: interpolate normal and tangent, do not normalize them,
    bitangent = w * cross(normal, tangent). Occlusion, roughness and metallic become one image
    where the source has textures of them or materials that differ, else they stay numbers; the
    same holds for emissive, whose factor is as bright as the brightest material. Gutters are filled
    from the nearest texel.

    Where any material of the source is a mask, all is a mask, with the first cutoff that cuts; else
    where any blends, all blends. Alpha of opaque materials counts as 1. Where any is double-sided,
    all is. What an artist may notice of this is warned of.

    Args:
        lods: With charts in one atlas, not overlapping.
        source: The dense surface, in the same place as the LODs.
        texture_size: Side of the textures in texels.
        options: What to add.
        progress: Told of `Stage.BAKE`.

    Raises:
        InvalidInput: If `lods` or `source` have no faces, or `source` has textures but no uvs.
    """
    # Imported here, so that options can be read without loading numba, igl and embree.
    from pipeline.texture.appearance import Appearance
    from pipeline.texture.dilate import nearest_known
    from pipeline.texture.interpolate import interpolate
    from pipeline.texture.occlusion import SkyRays, mean_in_chart
    from pipeline.texture.project import Projector
    from pipeline.texture.rasterize import barycentrics_of_texels, rasterize
    from pipeline.texture.sample import to_bytes
    from pipeline.texture.tangent_space import to_tangent_space

    started = time.monotonic()
    progress(Stage.BAKE, 0.0)
    _check(lods, source)
    target = _merge(lods, texture_size)
    content = _content(source, options, progress)
    owners = rasterize(target.triangles, texture_size, lambda: progress(Stage.BAKE, 0.02))
    progress(Stage.BAKE, 0.05)
    projector = Projector(source)
    progress(Stage.BAKE, 0.08)
    appearance = Appearance(source, content.alpha_cutoff, lambda: progress(Stage.BAKE, 0.09))
    sky_rays = SkyRays(source, projector.scene) if options.ambient_occlusion else None

    shape = texture_size, texture_size
    base_color = np.zeros((*shape, 3 if content.alpha_mode == "OPAQUE" else 4), np.uint8)
    normal = np.zeros((*shape, 3), np.uint8)
    orm = np.zeros((*shape, 3), np.uint8) if content.has_orm else None
    emissive = np.zeros((*shape, 3), np.uint8) if content.has_emissive else None
    sky = np.zeros(shape, np.float32) if sky_rays else None

    texel_count = missed_count = 0
    rows_per_step = max(1, _TEXELS_PER_STEP // texture_size)
    for first_row in range(0, texture_size, rows_per_step):
        progress(Stage.BAKE, 0.1 + 0.8 * first_row / texture_size)
        rows, columns = np.nonzero(owners[first_row : first_row + rows_per_step] >= 0)
        if not len(rows):
            continue
        texels = rows + first_row, columns
        faces = owners[texels]
        weights = barycentrics_of_texels(*texels, faces, target.triangles)
        points, normals, tangents = (
            interpolate(values, target.faces, faces, weights)
            for values in (target.positions, target.normals, target.tangents)
        )

        hits = projector.project(points, normals)
        looks = appearance.look(hits, target.texel_sizes_m[faces])
        texel_count += len(faces)
        missed_count += int(hits.is_missed.sum())

        base_color[texels] = to_bytes(
            np.column_stack([srgb_from_linear(looks.base_color[:, :3]), looks.base_color[:, 3]])
        )[:, : base_color.shape[2]]
        # A wall that is seen from behind shows its back: turn its normal round.
        toward_us = np.where(hits.is_missed[:, None], -looks.normals, looks.normals)
        normal[texels] = to_bytes(to_tangent_space(toward_us, normals, tangents) / 2 + 0.5)
        if orm is not None:
            orm[texels] = to_bytes(looks.orm)
        if emissive is not None:
            emissive[texels] = to_bytes(
                srgb_from_linear(looks.emissive / np.float32(content.glow_scale))
            )
        if sky is not None and sky_rays is not None:
            sky[texels] = sky_rays.seen(hits, *texels)

    progress(Stage.BAKE, 0.9)
    if sky is not None and orm is not None:
        open_share = mean_in_chart(sky, owners, target.faces)
        orm[:, :, 0] = to_bytes(orm[:, :, 0] / np.float32(255) * open_share)
    nearest = nearest_known(owners >= 0, lambda: progress(Stage.BAKE, 0.92))

    def filled(pixels: ByteArray) -> Image:
        progress(Stage.BAKE, 0.95)
        return Image(pixels=pixels.reshape(-1, pixels.shape[2])[nearest])

    material = _material(
        source,
        content,
        base_color=filled(base_color),
        normal=filled(normal),
        orm=None if orm is None else filled(orm),
        emissive=None if emissive is None else filled(emissive),
    )
    progress(Stage.BAKE, 1.0)
    miss_ratio = missed_count / texel_count
    logger.info(
        "bake: %d texels from %d faces, %.2f %% missed, in %.2f s",
        texel_count,
        len(source.faces),
        100 * miss_ratio,
        time.monotonic() - started,
    )
    return BakeResult(material=material, miss_ratio=miss_ratio)


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
    )


def _content(source: Surface, options: BakeOptions, progress: Progress) -> _Content:
    materials = _used(source)
    masks = [material for material in materials if material.alpha_mode == "MASK"]
    modes = {material.alpha_mode for material in materials}
    alpha_mode: AlphaMode = "MASK" if masks else "BLEND" if "BLEND" in modes else "OPAQUE"
    if alpha_mode == "MASK" and "BLEND" in modes:
        progress.warn(
            Stage.BAKE,
            "The asset has masked and blended materials; in its one material, blended parts are "
            "cut out like masks.",
        )
    if alpha_mode == "BLEND" and "OPAQUE" in modes:
        progress.warn(
            Stage.BAKE,
            "The asset has opaque and blended materials; its one material blends, so engines "
            "sort its opaque parts like transparent ones.",
        )
    if len({material.double_sided for material in materials}) > 1:
        progress.warn(
            Stage.BAKE,
            "The asset has single- and double-sided materials; its one material is double-sided, "
            "so the backs of single-sided parts show, too.",
        )
    surfaces = {(material.metallic_factor, material.roughness_factor) for material in materials}
    glows = {material.emissive_factor for material in materials}
    return _Content(
        alpha_mode=alpha_mode,
        alpha_cutoff=next((mask.alpha_cutoff for mask in masks if mask.alpha_cutoff > 0), 0.5),
        has_orm=options.ambient_occlusion
        or len(surfaces) > 1
        or any(material.metallic_roughness or material.occlusion for material in materials),
        has_emissive=len(glows) > 1
        or any(material.emissive and any(material.emissive_factor) for material in materials),
        glow_scale=max(1.0, *(max(factor) for factor in glows)),
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
    *,
    base_color: Image,
    normal: Image,
    orm: Image | None,
    emissive: Image | None,
) -> Material:
    materials = _used(source)
    first = materials[0]
    return Material(
        name=first.name,
        base_color=base_color,
        metallic_factor=1.0 if orm else first.metallic_factor,
        roughness_factor=1.0 if orm else first.roughness_factor,
        metallic_roughness=orm,
        normal=normal,
        occlusion=orm,
        emissive_factor=(content.glow_scale,) * 3 if emissive else first.emissive_factor,
        emissive=emissive,
        alpha_mode=content.alpha_mode,
        alpha_cutoff=content.alpha_cutoff,
        double_sided=any(material.double_sided for material in materials),
    )
