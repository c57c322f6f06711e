"""What the dense surface looks like at a point."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.tangents import split_mirrored, tangents
from pipeline.texture.interpolate import interpolate
from pipeline.texture.project import Hits
from pipeline.texture.sample import Texture, prepare
from pipeline.texture.tangent_space import bend
from pipeline.types import FloatArray, Image, Material, Surface, Wrap


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Appearance at points, factors and textures and vertex colors multiplied, all linear.

    base_color: `[N, 4]`. orm: `[N, 3]` occlusion, roughness, metallic. emissive: `[N, 3]`.
    normals: `[N, 3]` unit length, in space, normal map applied.
    """

    base_color: FloatArray
    orm: FloatArray
    emissive: FloatArray
    normals: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Textures:
    base_color: Texture | None
    metallic_roughness: Texture | None
    normal: Texture | None
    occlusion: Texture | None
    emissive: Texture | None


class Appearance:
    """Reads the materials of a surface at points of its faces."""

    def __init__(
        self, surface: Surface, alpha_cutoff: float | None, step: Callable[[], None]
    ) -> None:
        """Prepare the textures that faces use.

        Args:
            surface: The surface; its uvs may be None if no material has a texture.
            alpha_cutoff: Where the result is cut; the alpha of masks with another cutoff is scaled.
                None cuts masks here: their alpha is 0 or 1.
            step: Called every few million texels; may raise to stop.
        """
        self._surface = surface
        self._alpha_cutoff = alpha_cutoff
        prepare_once = _PrepareOnce(step)
        self._textures = {
            index: prepare_once.all_of(surface.materials[index])
            for index in np.unique(surface.face_materials).tolist()
        }
        if surface.uvs is None:
            return
        corners = surface.positions[surface.faces].astype(np.float64)
        edges = corners[:, 1:] - corners[:, :1]  # [F, 2, 3]
        areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
        uv_corners = surface.uvs[surface.faces].astype(np.float64)
        uv_areas = np.abs(np.linalg.det(uv_corners[:, 1:] - uv_corners[:, :1]))
        self._uv_per_m = np.sqrt(
            np.divide(uv_areas, areas, where=areas > 0, out=np.zeros(len(areas)))
        )
        if any(textures.normal for textures in self._textures.values()):
            step()
            vertices, self._tangent_faces = split_mirrored(surface.uvs, surface.faces)
            normals = _unit(surface.normals[vertices].astype(np.float64)).astype(np.float32)
            self._tangents = tangents(
                surface.positions[vertices], normals, surface.uvs[vertices], self._tangent_faces
            )

    def look(self, hits: Hits, texel_size_m: NDArray[np.float64]) -> Looks:
        """Read everything at `hits`; `texel_size_m` `[N]` is what one target texel spans there."""
        surface = self._surface
        place = surface.faces, hits.faces, hits.barycentrics
        count = len(hits.faces)
        base_color = np.ones((count, 4), np.float32)
        if surface.colors is not None:
            base_color = interpolate(surface.colors, *place).astype(np.float32)
        orm = np.empty((count, 3), np.float32)
        emissive = np.empty((count, 3), np.float32)
        raw_normals = interpolate(surface.normals, *place)
        normals = _unit(raw_normals)
        if surface.uvs is not None:
            uvs = interpolate(surface.uvs, *place)
            uv_per_texel = self._uv_per_m[hits.faces] * texel_size_m

        materials = surface.face_materials[hits.faces]
        for index, textures in self._textures.items():
            material = surface.materials[index]
            here = np.flatnonzero(materials == index)
            if not len(here):
                continue

            def read(texture: Texture | None, here: NDArray[np.intp] = here) -> FloatArray | float:
                return 1.0 if texture is None else texture.read(uvs[here], uv_per_texel[here])

            base_color[here] *= np.array(material.base_color_factor, np.float32) * read(
                textures.base_color
            )
            if material.alpha_mode == "OPAQUE":
                base_color[here, 3] = 1
            elif material.alpha_mode == "MASK":
                base_color[here, 3] = self._alpha_of_mask(base_color[here, 3], material)
            emissive[here] = np.array(material.emissive_factor, np.float32) * read(
                textures.emissive
            )
            orm[here] = (1.0, material.roughness_factor, material.metallic_factor)
            if textures.metallic_roughness is not None:
                orm[here] *= read(textures.metallic_roughness)
            if textures.occlusion is not None:
                occlusion = textures.occlusion.read(uvs[here], uv_per_texel[here])[:, 0]
                orm[here, 0] = 1 + material.occlusion_strength * (occlusion - 1)
            else:
                orm[here, 0] = 1.0
            if textures.normal is not None:
                bumps = 2 * textures.normal.read(uvs[here], uv_per_texel[here]) - 1
                bumps[:, :2] *= material.normal_scale
                here_tangents = interpolate(
                    self._tangents, self._tangent_faces, hits.faces[here], hits.barycentrics[here]
                )
                normals[here] = bend(raw_normals[here], here_tangents, bumps)
        return Looks(base_color=base_color, orm=orm, emissive=emissive, normals=normals)

    def _alpha_of_mask(self, alpha: FloatArray, material: Material) -> FloatArray:
        if material.alpha_cutoff == 0:  # nothing is below 0, so nothing is cut
            return np.ones_like(alpha)
        if self._alpha_cutoff is None:
            return (alpha >= material.alpha_cutoff).astype(np.float32)
        return alpha * np.float32(self._alpha_cutoff / material.alpha_cutoff)


class _PrepareOnce:
    """Prepares textures, each once: a palette is often that of fifty materials."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self._prepared: dict[tuple[int, tuple[Wrap, Wrap], int, bool, bool], Texture] = {}

    def all_of(self, material: Material) -> _Textures:
        return _Textures(
            base_color=self._one(
                material.base_color, 4, is_srgb=True, is_cut=material.alpha_mode != "OPAQUE"
            ),
            metallic_roughness=self._one(material.metallic_roughness, 3, is_srgb=False),
            normal=self._one(material.normal, 3, is_srgb=False),
            occlusion=self._one(material.occlusion, 3, is_srgb=False),
            emissive=self._one(material.emissive, 3, is_srgb=True),
        )

    def _one(
        self, image: Image | None, channels: int, *, is_srgb: bool, is_cut: bool = False
    ) -> Texture | None:
        if image is None:
            return None
        key = id(image.pixels), image.wrap, channels, is_srgb, is_cut
        if key not in self._prepared:
            self._prepared[key] = prepare(
                image, channels, is_srgb=is_srgb, is_cut=is_cut, step=self._step
            )
        return self._prepared[key]


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale to unit length; zero stays zero."""
    lengths = np.sqrt(np.einsum("nc,nc->n", vectors, vectors))[:, None]
    unit: NDArray[np.float64] = np.divide(
        vectors, lengths, where=lengths > 0, out=np.zeros_like(vectors)
    )
    return unit
