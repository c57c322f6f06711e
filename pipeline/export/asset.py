"""An asset -> all its files: the model, its LODs one by one, OBJ, PLY and textures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from pipeline.errors import InvalidInput
from pipeline.export.glb import (
    Contents,
    EncodedMaterial,
    checked,
    coverages_of,
    encode_billboard,
    encode_material,
    export_glb,
    lod_file_name,
    warn_of_hulls,
    write_glb,
)
from pipeline.export.hulls import JsonObject
from pipeline.export.ktx2 import check_encoder
from pipeline.export.name import asset_name
from pipeline.export.obj import to_mtl, to_obj
from pipeline.export.parts import Billboard, ExportPart, copies
from pipeline.export.ply import to_ply
from pipeline.export.profiles import ExportOptions
from pipeline.export.rules import check_glb
from pipeline.export.textures import separate_maps
from pipeline.threads import polled
from pipeline.types import LodMeasure, Material, PartOf, Progress, Stage, UnwrappedMesh

FileRole = Literal["model", "model_lod", "obj", "mtl", "ply", "texture"]

# With the default gutter of 4 texels, charts are still one apart.
_MOST_SHRUNK = 4
_PREVIEW_TEXTURE_SIZE = 1024


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """One file. file_name has no folder; media_type is an IANA type, or what is used for one."""

    role: FileRole
    file_name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class _Asset:
    """What `export_asset` was given, checked."""

    name: str
    lods: Sequence[UnwrappedMesh]
    coverages: Sequence[float]
    materials: Sequence[Material]
    parts: Sequence[ExportPart]
    options: ExportOptions
    extras: JsonObject | None

    @property
    def has_own_materials(self) -> bool:
        """Whether each LOD has a material of its own."""
        return len(self.materials) > 1


def check_tools(options: ExportOptions) -> None:
    """Refuse options that need a program which is not there. Call this before the work.

    Raises:
        InvalidInput: With the way to get it.
    """
    if options.texture_encoding == "ktx2":
        check_encoder()


def export_asset(
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
) -> tuple[ExportedFile, ...]:
    """Write all files of an asset, and check the GLBs by the rules of their profile.

    `<Name>.glb` comes first, as from `export_glb`. Then, where the profile or `split` asks for it,
    `<Name>_LOD<k>.glb` with one LOD each: LOD0 has the hulls, and the textures of the others are
    up to 4 times smaller, as far as they are only seen from afar. Then what `formats` lists, of
    LOD0, with `split` of all LODs: `<Name>.obj` with `<Name>.mtl` and PNGs, `<Name>.ply` with
    colors per vertex. They show the asset alone, without hulls and billboard.

    Args: As `export_glb`. extras goes into every GLB.

    Returns:
        The files, the same bytes for the same input.

    Raises:
        InvalidInput: As `export_glb`.
        ProfileViolation: If a GLB breaks a rule of its profile; nothing is to be delivered then.
    """
    materials = checked(lods, measures, material)
    if len(materials) > 1 and options.split and len(options.formats) > 1:
        raise InvalidInput(
            "OBJ and PLY per LOD need one material for all: use atlas packed or shared"
        )
    check_tools(options)
    asset = _Asset(
        name=asset_name(name),
        lods=lods,
        coverages=coverages_of(measures, billboard),
        materials=materials,
        parts=parts,
        options=options,
        extras=extras,
    )
    warn_of_hulls(parts, options, progress)
    files = _glbs(asset, billboard, PartOf(progress, 0, 3))
    for number, file in enumerate(files):
        tick = partial(progress, Stage.EXPORT, (1 + number / len(files)) / 3)
        for warning in polled(partial(check_glb, file.content, options.profile), tick):
            progress.warn(Stage.EXPORT, f"{file.file_name}: {warning}")
    files += _other_files(asset, PartOf(progress, 2, 3))
    progress(Stage.EXPORT, 1.0)
    return tuple(files)


def preview_glb(
    name: str,
    lods: Sequence[UnwrappedMesh],
    measures: Sequence[LodMeasure],
    material: Material | Sequence[Material],
    parts: Sequence[ExportPart],
    progress: Progress,
    *,
    billboard: Billboard | None = None,
) -> bytes:
    """A plain GLB with all LODs and small textures, for `preview_sheet`.

    Needed where not `options.has_all_lods_plain`: the delivered file lacks LODs, or is packed.
    """
    plain = ExportOptions(texture_format="png", max_texture_size=_PREVIEW_TEXTURE_SIZE)
    return export_glb(name, lods, measures, material, parts, plain, progress, billboard=billboard)


def _glbs(asset: _Asset, billboard: Billboard | None, progress: Progress) -> list[ExportedFile]:
    options = asset.options
    count = len(asset.lods) + (billboard is not None)
    singles: Sequence[int] = ()
    if options.layout.lods == "files":
        singles = range(1, count)  # the main file is LOD0's
    elif options.split:
        singles = range(count)
    steps = 2 + len(singles)
    quad = encode_billboard(billboard, options, PartOf(progress, 0, steps))
    # Many LODs share a size, and encoding costs more than all the rest.
    encoded: dict[tuple[int, int], EncodedMaterial] = {}

    def content(level: int | None, step: Progress) -> bytes:
        shown = [] if level == len(asset.lods) else [level or 0]
        if level is None and options.layout.lods != "files":
            shown = list(range(len(asset.lods)))
        shrink = _shrink(asset.coverages, level)
        materials = {}
        for number, lod in enumerate(shown):
            key = (lod if asset.has_own_materials else 0), shrink
            if key not in encoded:
                part = PartOf(PartOf(step, 0, 2), number, len(shown))
                material = asset.materials[key[0]]
                encoded[key] = encode_material(material, options, part, shrink=shrink)
            materials[lod] = encoded[key]
        contents = Contents(
            asset=asset.name,
            lods=asset.lods,
            coverages=asset.coverages,
            materials=materials,
            has_own_materials=asset.has_own_materials,
            parts=asset.parts,
            billboard=quad,
            level=level,
            extras=asset.extras,
        )
        return polled(partial(write_glb, contents, options), partial(step, Stage.EXPORT, 0.5))

    files = [_glb("model", f"{asset.name}.glb", content(None, PartOf(progress, 1, steps)))]
    for number, level in enumerate(singles):
        single = content(level, PartOf(progress, 2 + number, steps))
        files.append(_glb("model_lod", lod_file_name(asset.name, level), single))
    return files


def _shrink(coverages: Sequence[float], level: int | None) -> int:
    """How many times smaller the textures of a LOD may be than those of LOD0: a power of two.

    A LOD is never seen larger than where the LOD before ends.
    """
    if not level:
        return 1
    fits = 2 ** math.floor(math.log2(1 / coverages[level - 1]))
    return int(min(fits, _MOST_SHRUNK))


def _other_files(asset: _Asset, progress: Progress) -> list[ExportedFile]:
    options = asset.options
    levels = range(len(asset.lods)) if options.split else range(1)
    has_obj = "obj" in options.formats
    maps: dict[str, bytes] = {}
    if has_obj or options.layout.has_separate_maps:
        maps = separate_maps(
            asset.materials[0],
            options.texture_size_limit,
            lambda fraction: progress(Stage.EXPORT, fraction / 3),
        )
    files: list[ExportedFile] = []
    if has_obj:
        files += polled(
            partial(_objs, asset, levels, list(maps)), partial(progress, Stage.EXPORT, 1 / 3)
        )
    files += [
        ExportedFile(
            role="texture",
            file_name=f"T_{asset.name}_{map_}.png",
            media_type="image/png",
            content=content,
        )
        for map_, content in maps.items()
    ]
    if "ply" in options.formats:
        files += polled(partial(_plys, asset, levels), partial(progress, Stage.EXPORT, 2 / 3))
    return files


def _objs(asset: _Asset, levels: Sequence[int], maps: Sequence[str]) -> list[ExportedFile]:
    library = f"{asset.name}.mtl"
    files = [
        ExportedFile(
            role="obj",
            file_name=_level_name(asset.name, level, "obj"),
            media_type="model/obj",
            content=to_obj(
                copies(asset.name, asset.lods[level], asset.parts, level),
                material=f"M_{asset.name}",
                library=library,
            ),
        )
        for level in levels
    ]
    mtl = to_mtl(f"M_{asset.name}", asset.materials[0], maps, f"T_{asset.name}_{{}}.png")
    return [
        *files,
        ExportedFile(role="mtl", file_name=library, media_type="model/mtl", content=mtl),
    ]


def _plys(asset: _Asset, levels: Sequence[int]) -> list[ExportedFile]:
    files = []
    for level in levels:
        meshes = [mesh for _, mesh in copies(asset.name, asset.lods[level], asset.parts, level)]
        files.append(
            ExportedFile(
                role="ply",
                file_name=_level_name(asset.name, level, "ply"),
                media_type="application/octet-stream",
                content=to_ply(meshes, asset.materials[0]),
            )
        )
    return files


def _level_name(asset: str, level: int, suffix: str) -> str:
    return f"{asset}.{suffix}" if level == 0 else f"{asset}_LOD{level}.{suffix}"


def _glb(role: FileRole, file_name: str, content: bytes) -> ExportedFile:
    return ExportedFile(
        role=role, file_name=file_name, media_type="model/gltf-binary", content=content
    )
