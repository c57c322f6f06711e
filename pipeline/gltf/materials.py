"""The materials of a glTF file, brought to one set of texture coordinates each."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import features

from pipeline.errors import InvalidInput
from pipeline.gltf.container import Gltf, unsupported_extension
from pipeline.gltf.entry import Entry, broken
from pipeline.gltf.notes import Notes
from pipeline.types import AlphaMode, FloatArray, Image, Material, Wrap

_REPEAT = 10497
_WRAPS: Mapping[int, Wrap] = {_REPEAT: "repeat", 33071: "clamp", 33648: "mirror"}
_ALPHA_MODES: Mapping[str, AlphaMode] = {"OPAQUE": "OPAQUE", "MASK": "MASK", "BLEND": "BLEND"}


@dataclass(frozen=True, kw_only=True)
class Look:
    """A material whose images are not decoded yet.

    material: its factors. images: image index per texture field of `Material`.
    wraps: how each of these textures goes on beyond [0, 1].
    uv_set: the TEXCOORD that all its textures use.
    uv_transform: `[2, 3]` float64, acts on (u, v, 1); from KHR_texture_transform.
    """

    material: Material
    images: Mapping[str, int]
    wraps: Mapping[str, tuple[Wrap, Wrap]]
    uv_set: int
    uv_transform: NDArray[np.float64]

    def decoded(self, images: Mapping[int, Image], *, with_textures: bool) -> Material:
        """Return the material with its images, or bare for a primitive without UVs."""
        if not with_textures:
            return _without(self.material, self.images)
        textures = {
            field: replace(images[index], wrap=self.wraps[field])
            for field, index in self.images.items()
        }
        return replace(
            self.material,
            base_color=textures.get("base_color"),
            metallic_roughness=textures.get("metallic_roughness"),
            normal=textures.get("normal"),
            occlusion=textures.get("occlusion"),
            emissive=textures.get("emissive"),
        )

    def transform_uvs(self, uvs: FloatArray) -> FloatArray:
        """Return `[V, 2]` texture coordinates as the textures see them."""
        if np.array_equal(self.uv_transform, np.eye(2, 3)):
            return uvs
        moved = uvs.astype(np.float64) @ self.uv_transform[:, :2].T + self.uv_transform[:, 2]
        return moved.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class _TextureUse:
    """Where one texture field of a material points, and how."""

    image: int
    wrap: tuple[Wrap, Wrap]
    uv_set: int
    uv_transform: NDArray[np.float64]


def read_look(gltf: Gltf, index: int | None, notes: Notes) -> Look:
    """Read material `index`; None is glTF's default material.

    A material has one set of texture coordinates in `Surface`. Textures that use another set, or
    another KHR_texture_transform, than the base color are dropped with a note.
    """
    if index is None:
        material = Material(name="default", metallic_factor=1.0)
        return _bare(material)
    entry = gltf.item("materials", index, "primitive")
    material, base_color_place = _factors(entry, notes)
    fields = {
        "base_color": base_color_place,
        "metallic_roughness": entry.entry("pbrMetallicRoughness").entry("metallicRoughnessTexture"),
        "normal": entry.entry("normalTexture"),
        "occlusion": entry.entry("occlusionTexture"),
        "emissive": entry.entry("emissiveTexture"),
    }
    uses = {field: _texture_use(gltf, info) for field, info in fields.items() if "index" in info}
    # The base color comes first, so its coordinates lead.
    lead = next(iter(uses.values()), None)
    if lead is None:
        return _bare(material)
    kept = {
        field: use
        for field, use in uses.items()
        if use.uv_set == lead.uv_set and np.array_equal(use.uv_transform, lead.uv_transform)
    }
    dropped = [field for field in uses if field not in kept]
    for field in dropped:
        notes.add(
            f"the {field.replace('_', ' ')} texture is dropped, because it uses other texture "
            "coordinates than the rest; bake them to one set before export",
            entry.name,
        )
    return Look(
        material=_without(material, dropped),
        images={field: use.image for field, use in kept.items()},
        wraps={field: use.wrap for field, use in kept.items()},
        uv_set=lead.uv_set,
        uv_transform=lead.uv_transform,
    )


def _bare(material: Material) -> Look:
    return Look(material=material, images={}, wraps={}, uv_set=0, uv_transform=np.eye(2, 3))


def _factors(entry: Entry, notes: Notes) -> tuple[Material, Entry]:
    """Return the material without textures, and where its base color texture is named."""
    mode = entry.text("alphaMode", "OPAQUE")
    if mode not in _ALPHA_MODES:
        raise broken(f"{entry.place}.alphaMode must be OPAQUE, MASK or BLEND, got {mode[:20]!r}")
    glow = entry.extension("KHR_materials_emissive_strength")
    strength = 1.0 if glow is None else max(glow.number("emissiveStrength", 1.0), 0.0)
    er, eg, eb = entry.numbers("emissiveFactor", (0.0, 0.0, 0.0))
    common = Material(
        name=entry.title,
        normal_scale=entry.entry("normalTexture").number("scale", 1.0),
        occlusion_strength=_unit(entry.entry("occlusionTexture").number("strength", 1.0)),
        emissive_factor=(_unit(er) * strength, _unit(eg) * strength, _unit(eb) * strength),
        alpha_mode=_ALPHA_MODES[mode],
        alpha_cutoff=_unit(entry.number("alphaCutoff", 0.5)),
        double_sided=entry.flag("doubleSided"),
    )
    glossy = entry.extension("KHR_materials_pbrSpecularGlossiness")
    if glossy is not None and "pbrMetallicRoughness" not in entry:
        notes.add(
            "specular-glossiness is read as a non-metal; its specular map is lost", entry.name
        )
        glossiness = _unit(glossy.number("glossinessFactor", 1.0))
        if "specularGlossinessTexture" in glossy:
            glossiness *= 0.5  # the factor alone, mostly 1, would make a mirror of everything
        r, g, b, a = glossy.numbers("diffuseFactor", (1.0, 1.0, 1.0, 1.0))
        material = replace(
            common,
            base_color_factor=(_unit(r), _unit(g), _unit(b), _unit(a)),
            metallic_factor=0.0,
            roughness_factor=1.0 - glossiness,
        )
        return material, glossy.entry("diffuseTexture")
    if entry.extension("KHR_materials_unlit") is not None:
        notes.add("unlit is read as an ordinary lit material", entry.name)
    metal = entry.entry("pbrMetallicRoughness")
    r, g, b, a = metal.numbers("baseColorFactor", (1.0, 1.0, 1.0, 1.0))
    material = replace(
        common,
        base_color_factor=(_unit(r), _unit(g), _unit(b), _unit(a)),
        metallic_factor=_unit(metal.number("metallicFactor", 1.0)),
        roughness_factor=_unit(metal.number("roughnessFactor", 1.0)),
    )
    return material, metal.entry("baseColorTexture")


def _without(material: Material, fields: Collection[str]) -> Material:
    """Return the material with factors that suit it when these textures are gone.

    A map of what glows or is metal is black nearly everywhere, and its factor 1: alone, the factor
    would make all of the asset a lamp or chrome.
    """
    if "emissive" in fields:
        material = replace(material, emissive_factor=(0.0, 0.0, 0.0))
    if "metallic_roughness" in fields:
        material = replace(material, metallic_factor=0.0)
    return material


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _texture_use(gltf: Gltf, info: Entry) -> _TextureUse:
    texture = gltf.item("textures", info.integer("index"), info.place)
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")
    if "sampler" in texture:
        sampler = gltf.item("samplers", texture.integer("sampler"), texture.place)
        wrap = (_wrap(sampler, "wrapS"), _wrap(sampler, "wrapT"))
    uv_set, transform = info.integer("texCoord", 0), np.eye(2, 3)
    if (moved := info.extension("KHR_texture_transform")) is not None:
        uv_set = moved.integer("texCoord", uv_set)
        su, sv = moved.numbers("scale", (1.0, 1.0))
        angle = moved.number("rotation", 0.0)
        cos, sin = math.cos(angle), math.sin(angle)
        transform[:, :2] = [[cos * su, sin * sv], [-sin * su, cos * sv]]
        transform[:, 2] = moved.numbers("offset", (0.0, 0.0))
    return _TextureUse(image=_image_of(texture), wrap=wrap, uv_set=uv_set, uv_transform=transform)


def _wrap(sampler: Entry, key: str) -> Wrap:
    value = sampler.integer(key, _REPEAT)
    if value not in _WRAPS:
        raise broken(f"{sampler.place}.{key} must be 10497, 33071 or 33648, got {value}")
    return _WRAPS[value]


def _image_of(texture: Entry) -> int:
    webp = texture.extension("EXT_texture_webp")
    if webp is not None and features.check("webp"):
        return webp.integer("source")
    if "source" in texture:
        return texture.integer("source")
    if names := texture.entry("extensions").keys():
        raise unsupported_extension(names[0][:64])
    raise InvalidInput(f"{texture.place} has no image; assign one or remove the texture")
