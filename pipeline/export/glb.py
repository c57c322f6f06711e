"""LODs, textures and hulls -> the bytes of one GLB.

Source: glTF 2.0 specification, Khronos Group, 2021; MSFT_lod and
KHR_materials_emissive_strength from KhronosGroup/glTF, extensions/2.0.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pipeline.errors import InvalidInput
from pipeline.export.glb_file import GlbFile
from pipeline.export.hulls import JsonObject, describe_hull, relative_hull
from pipeline.export.name import asset_name
from pipeline.export.packing import grid_around
from pipeline.export.parts import Billboard, ExportPart, mesh_name, of_part, relative_mesh
from pipeline.export.profiles import ExportOptions, Layout
from pipeline.export.textures import EncodedTexture, TexturePlan, encode_textures
from pipeline.threads import polled
from pipeline.types import Image, LodMeasure, Material, PartOf, Progress, Stage, UnwrappedMesh

logger = logging.getLogger(__name__)


def export_glb(
    name: str,
    lods: Sequence[UnwrappedMesh],
    measures: Sequence[LodMeasure],
    material: Material | Sequence[Material],
    parts: Sequence[ExportPart],
    options: ExportOptions,
    progress: Progress,
    *,
    billboard: Billboard | None = None,
    extras: JsonObject | None = None,
) -> bytes:
    """Write one asset: meshes `SM_<Name>_LOD0..n`, one material, hulls `UCX_SM_<Name>_LOD0_<nn>`.

    Plain glTF 2.0 that requires no extension, unless the options pack textures or meshes. Profiles
    differ in the node graph and in what is left out, see `Layout`. With more than one LOD, the LOD0
    node carries `MSFT_screencoverage` in its extras: per LOD the smallest share of the view height
    at which it is meant to be seen, the last one being where the asset may be culled. Where LODs
    are files of their own, only LOD0 is in this one, and `lod_files` beside that names the others.
    Vertices and triangles are reordered for the vertex cache; the triangles stay the same.

    An asset in parts has a root node `<Name>`, below it one node per copy of a part with the part's
    name and place, and below that the part's LODs `SM_<Name>_<Part>_LOD0..n` and its hulls. Copies
    share their meshes.

    Hulls that are exactly a box, a ball or a capsule are named `UBX_`, `USP_` and `UCP_` instead,
    as Unreal's importer wants it, and say what they are in the `collision` of their node's extras.

    Args:
        name: Anything; `asset_name` makes it safe.
        lods: Finest first, at least one.
        measures: One per LOD; only `screen_coverage` is written.
        material: Shared by all LODs; or one per LOD, named `M_<Name>_LOD<k>`. Occlusion and
            metallic-roughness become one ORM texture, the smaller one enlarged where they differ
            in size.
        parts: At least one; together they have every face of each LOD.
        options: How the file is laid out and encoded. `split` and `formats` are `export_asset`'s.
        progress: Is told of EXPORT, and warned of what came out poorer.
        billboard: The last LOD of the first part, with a material of its own, `M_<Name>_Billboard`.
        extras: Goes into the `extras` of the file's `asset`.

    Returns:
        The GLB, the same bytes for the same input.

    Raises:
        InvalidInput: If there is no LOD, or their number is not that of the measures, or the
            encoder of KTX2 is missing.
    """
    materials = checked(lods, measures, material)
    progress(Stage.EXPORT, 0.0)
    encoded = [
        encode_material(each, options, PartOf(PartOf(progress, 0, 3), number, len(materials)))
        for number, each in enumerate(materials)
    ]
    contents = Contents(
        asset=asset_name(name),
        lods=lods,
        coverages=coverages_of(measures, billboard),
        materials=dict(enumerate(encoded if len(encoded) > 1 else encoded * len(lods))),
        has_own_materials=len(encoded) > 1,
        parts=parts,
        billboard=encode_billboard(billboard, options, PartOf(progress, 1, 3)),
        extras=extras,
    )
    warn_of_hulls(parts, options, progress)
    content = polled(partial(write_glb, contents, options), partial(progress, Stage.EXPORT, 2 / 3))
    progress(Stage.EXPORT, 1.0)
    return content


@dataclass(frozen=True, kw_only=True)
class EncodedMaterial:
    """A material and its textures as files, per suffix as in `encode_textures`."""

    material: Material
    textures: Mapping[str, EncodedTexture]


@dataclass(frozen=True, kw_only=True)
class EncodedBillboard:
    """A billboard, and its material with textures as files."""

    billboard: Billboard
    material: EncodedMaterial


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What one file shows: some LODs of an asset.

    asset: a safe name. lods, parts: of the whole asset. coverages: too, the billboard's last.
    materials: per LOD in the file, as it has them; the same for all unless `has_own_materials`.
    billboard: the LOD after the last, or None.
    level: the only LOD to write; None for all that the profile has in its main file.
    """

    asset: str
    lods: Sequence[UnwrappedMesh]
    coverages: Sequence[float]
    materials: Mapping[int, EncodedMaterial]
    parts: Sequence[ExportPart]
    has_own_materials: bool = False
    billboard: EncodedBillboard | None = None
    level: int | None = None
    extras: JsonObject | None = None


def checked(
    lods: Sequence[UnwrappedMesh],
    measures: Sequence[LodMeasure],
    material: Material | Sequence[Material],
) -> Sequence[Material]:
    """Refuse what is no chain of LODs; return the materials: one, or one per LOD."""
    if not lods or len(lods) != len(measures):
        raise InvalidInput(
            f"export needs one measure per LOD and at least one, got {len(lods)} LODs and "
            f"{len(measures)} measures"
        )
    materials = [material] if isinstance(material, Material) else material
    if len(materials) not in (1, len(lods)):
        raise InvalidInput(
            f"export needs one material, or one per LOD, got {len(materials)} for {len(lods)} LODs"
        )
    return materials


def coverages_of(measures: Sequence[LodMeasure], billboard: Billboard | None) -> list[float]:
    """The screen coverage down to which each LOD is seen, the billboard's last."""
    coverages = [measure.screen_coverage for measure in measures]
    return coverages if billboard is None else [*coverages, billboard.screen_coverage]


def warn_of_hulls(parts: Sequence[ExportPart], options: ExportOptions, progress: Progress) -> None:
    """Warn of collision shapes that the profile has no place for."""
    count = sum(len(part.hulls) for part in parts)
    if count and options.layout.hulls == "none":
        progress.warn(
            Stage.EXPORT,
            f"{count} collision shapes are left out: {options.profile} makes its own on import",
        )


def lod_file_name(asset: str, level: int) -> str:
    """Name of the file that has only this LOD."""
    return f"{asset}_LOD{level}.glb"


def encode_material(
    material: Material, options: ExportOptions, progress: Progress, *, shrink: int = 1
) -> EncodedMaterial:
    """Encode the textures of a material.

    shrink: how many times smaller than what the options allow, or than they are.

    Warns if a texture loses more than asked, or is reduced to what the profile's reader takes; not
    again for the same textures shrunk.
    """
    longest = max((max(image.pixels.shape[:2]) for image in _images(material)), default=1)
    is_reduced = longest > options.texture_size_limit and options.max_texture_size is None
    if is_reduced and shrink == 1:
        progress.warn(
            Stage.EXPORT,
            f"textures are reduced from {longest} to {options.texture_size_limit} texels, the most "
            f"that profile {options.profile} takes",
        )
    plan = TexturePlan(
        encoding=options.texture_encoding,
        psnr_db=options.texture_psnr_db,
        max_size=max(1, min(longest, options.texture_size_limit) // shrink),
    )
    textures = encode_textures(
        material, plan, lambda fraction: progress(Stage.EXPORT, 0.99 * fraction)
    )
    for suffix, texture in textures.items() if shrink == 1 else ():
        if texture.psnr_db is not None and texture.psnr_db < options.texture_psnr_db:
            progress.warn(
                Stage.EXPORT,
                f"the {suffix} texture keeps {texture.psnr_db:.1f} dB as JPEG, less than the "
                f"{options.texture_psnr_db:g} asked for; texture_format auto would take PNG",
            )
    return EncodedMaterial(material=material, textures=textures)


def encode_billboard(
    billboard: Billboard | None, options: ExportOptions, progress: Progress
) -> EncodedBillboard | None:
    """Encode the textures of a billboard, if there is one."""
    if billboard is None:
        return None
    material = encode_material(billboard.material, options, progress)
    return EncodedBillboard(billboard=billboard, material=material)


def write_glb(contents: Contents, options: ExportOptions) -> bytes:
    """Write one file of an asset. Takes 0.3 s for a million triangles."""
    layout = options.layout
    file = GlbFile(options.packing)
    levels, billboard = _shown(contents, layout)
    materials = []
    if contents.has_own_materials:
        materials += [(f"{contents.asset}_LOD{k}", contents.materials[k]) for k in levels]
    elif levels:
        materials.append((contents.asset, contents.materials[levels[0]]))
    if billboard is not None:
        materials.append((f"{contents.asset}_Billboard", billboard.material))
    roots: list[int] = []
    hull_count = 0
    for number, part in enumerate(contents.parts):
        quad = billboard.billboard if billboard is not None and number == 0 else None
        meshes = _add_part(file, contents, part, levels, layout, quad)
        hull_count += len(meshes.hulls)
        if meshes.lods:
            for copy, placement in enumerate(part.placements):
                nodes = _add_copy(file, meshes, layout)
                if part.name:
                    copy_name = part.name if copy == 0 else f"{part.name}_{copy + 1}"
                    nodes = [file.add_group(copy_name, nodes, placement)]
                roots += nodes
    if any(part.name for part in contents.parts):
        roots = [file.add_group(contents.asset, roots)]
    for name, material in materials:
        _add_material(file, name, material)
    content = file.to_glb(scene_name=contents.asset, scene_nodes=roots, extras=contents.extras)
    logger.info(
        "export: %d LODs, %d parts, %d hulls, %d textures -> %s bytes",
        len(levels),
        len(contents.parts),
        hull_count,
        file.image_count,
        f"{len(content):,}",
    )
    return content


def _shown(contents: Contents, layout: Layout) -> tuple[list[int], EncodedBillboard | None]:
    """The LODs in the file, and the billboard if it is among them."""
    count = len(contents.lods)
    if contents.level == count:
        return [], contents.billboard
    if contents.level is not None:
        return [contents.level], None
    return ([0], None) if layout.lods == "files" else (list(range(count)), contents.billboard)


@dataclass(frozen=True, kw_only=True)
class _PartMeshes:
    """The meshes of a part in the file: LODs finest first, and hulls; and what their nodes say."""

    lods: tuple[int, ...]
    hulls: tuple[int, ...]
    hull_extras: tuple[JsonObject, ...]
    first_extras: JsonObject
    last_extras: JsonObject


def _add_part(
    file: GlbFile,
    contents: Contents,
    part: ExportPart,
    levels: Sequence[int],
    layout: Layout,
    billboard: Billboard | None,
) -> _PartMeshes:
    """Write the meshes of a part, relative to its pivot, and the billboard that belongs to it."""
    name = mesh_name(contents.asset, part.name)
    shown = {
        level: relative_mesh(of_part(contents.lods[level], part, level), part.frame)
        for level in levels
        if part.face_masks[level].any()
    }
    positions = [mesh.positions for mesh in shown.values()]
    if billboard is not None:
        positions.append(billboard.quad.positions)
    grid = grid_around(positions) if file.is_packed and positions else None
    has_own = contents.has_own_materials
    lods = [
        file.add_mesh(
            f"{name}_LOD{level}", mesh, material=levels.index(level) if has_own else 0, grid=grid
        )
        for level, mesh in shown.items()
    ]
    last_extras: JsonObject = {}
    if billboard is not None:
        quad_name = f"{name}_LOD{len(contents.lods)}"
        material = len(levels) if has_own else min(len(levels), 1)
        lods.append(file.add_mesh(quad_name, billboard.quad, material=material, grid=grid))
        last_extras = {"impostor": billboard.extras}
    hulls, hull_extras = [], []
    if layout.hulls != "none" and 0 in shown:
        for number, hull in enumerate(part.hulls):
            moved = relative_hull(hull, part.frame)
            prefix, description = describe_hull(moved)
            hull_name = f"{prefix}_{name}_LOD0_{number:02d}{layout.hull_suffix}"
            hulls.append(file.add_hull(hull_name, moved))
            hull_extras.append(description)
    return _PartMeshes(
        lods=tuple(lods),
        hulls=tuple(hulls),
        hull_extras=tuple(hull_extras),
        first_extras=_chain_extras(contents, part, layout),
        last_extras=last_extras,
    )


def _chain_extras(contents: Contents, part: ExportPart, layout: Layout) -> JsonObject:
    """What the first LOD of a part in the file says of the others."""
    if contents.level is not None:
        coverage = contents.coverages[contents.level]
        return {"lod": contents.level, "screen_coverage": coverage}
    if len(contents.coverages) == 1:
        return {}
    count = sum(bool(mask.any()) for mask in part.face_masks)
    if contents.billboard is not None and part is contents.parts[0]:
        count += 1
    extras: JsonObject = {"MSFT_screencoverage": list(contents.coverages[:count])}
    if layout.lods == "files" and count > 1:
        extras["lod_files"] = [lod_file_name(contents.asset, level) for level in range(1, count)]
    return extras


def _add_copy(file: GlbFile, meshes: _PartMeshes, layout: Layout) -> list[int]:
    """Add nodes that show a part once; return those that belong into the scene."""
    levels = [file.add_node(mesh) for mesh in meshes.lods]
    hulls = [file.add_node(mesh) for mesh in meshes.hulls]
    for node, extras in zip(hulls, meshes.hull_extras, strict=True):
        if extras:
            file.nodes[node]["extras"] = {"collision": extras}
    for node, extras in [(levels[0], meshes.first_extras), (levels[-1], meshes.last_extras)]:
        if extras:
            file.nodes[node]["extras"] = {**file.extras_of(node), **extras}
    if layout.lods == "linked" and len(levels) > 1:
        file.nodes[levels[0]]["extensions"] = {"MSFT_lod": {"ids": levels[1:]}}
        file.extensions_used.add("MSFT_lod")
    shown = levels if layout.lods == "scene" else levels[:1]
    return shown + (hulls if layout.hulls == "scene" else [])


def _add_material(file: GlbFile, name: str, encoded: EncodedMaterial) -> None:
    """Add material `M_<Name>` and its textures `T_<Name>_BC`, `_N`, `_ORM`, `_E`."""
    material = encoded.material
    textures = {
        suffix: file.add_texture(f"T_{name}_{suffix}", texture)
        for suffix, texture in encoded.textures.items()
    }

    metal: JsonObject = {
        "baseColorFactor": [float(value) for value in material.base_color_factor],
        "metallicFactor": float(material.metallic_factor),
        "roughnessFactor": float(material.roughness_factor),
    }
    written: JsonObject = {"name": f"M_{name}", "pbrMetallicRoughness": metal}
    if "BC" in textures:
        metal["baseColorTexture"] = {"index": textures["BC"]}
    if material.metallic_roughness is not None:
        metal["metallicRoughnessTexture"] = {"index": textures["ORM"]}
    if "N" in textures:
        written["normalTexture"] = {"index": textures["N"], "scale": float(material.normal_scale)}
    if material.occlusion is not None:
        written["occlusionTexture"] = {
            "index": textures["ORM"],
            "strength": float(material.occlusion_strength),
        }
    if "E" in textures:
        written["emissiveTexture"] = {"index": textures["E"]}
    brightest = max(material.emissive_factor)
    if brightest > 0:
        # Factors end at 1; what is brighter goes into the extension.
        strength = max(brightest, 1.0)
        written["emissiveFactor"] = [float(value) / strength for value in material.emissive_factor]
        if strength > 1:
            written["extensions"] = {
                "KHR_materials_emissive_strength": {"emissiveStrength": float(strength)}
            }
            file.extensions_used.add("KHR_materials_emissive_strength")
    if material.alpha_mode != "OPAQUE":
        written["alphaMode"] = material.alpha_mode
    if material.alpha_mode == "MASK":
        written["alphaCutoff"] = float(material.alpha_cutoff)
    if material.double_sided:
        written["doubleSided"] = True
    file.materials.append(written)


def _images(material: Material) -> list[Image]:
    images = (
        material.base_color,
        material.metallic_roughness,
        material.normal,
        material.occlusion,
        material.emissive,
    )
    return [image for image in images if image is not None]
