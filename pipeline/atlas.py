"""Where the LODs lie in textures, and what is painted there: the ways that `UnwrapOptions` offers.

packed    each LOD has charts of its own, all in one atlas; painted from the dense surface
shared    all LODs lie on LOD0's charts
per_lod   each LOD has charts, textures and a material of its own
(kept)    all LODs lie on the source's own UVs and keep its textures as they are

ADR 0018 has what each costs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.options import AssetOptions
from pipeline.types import (
    IntArray,
    Material,
    Mesh,
    PartOf,
    Progress,
    Stage,
    Surface,
    UnwrappedMesh,
)

if TYPE_CHECKING:
    from pipeline.mesh.charts.measure_uvs import UvMeasure
    from pipeline.mesh.lods.lod import Lod
    from pipeline.mesh.lods.parts import PartMesh
    from pipeline.texture.bake import BakeMeasure

# Of the source's triangles: below, chart borders cost more than new charts (ADR 0018).
_LEAST_KEPT_SHARE = 0.5
_LEAST_SIZE = 64
_LIGHTMAP_SHARE = 4  # light changes slowly: so many times smaller than the texture


@dataclass(frozen=True, kw_only=True)
class Textured:
    """LODs with their textures.

    unwrapped, lods: The same meshes, with and without what lies in the texture.
    whole: The same again, as they hang together before charts split their vertices.
    materials: One for all LODs, or one per LOD.
    uv_measure, bake_measure: Of the atlas; of one per LOD, LOD0's. The latter is None where nothing
        was painted.
    """

    unwrapped: tuple[UnwrappedMesh, ...]
    lods: tuple["Lod", ...]
    whole: tuple[Mesh, ...]
    materials: tuple[Material, ...]
    uv_measure: "UvMeasure"
    bake_measure: "BakeMeasure | None"


def textured(
    lods: Sequence["Lod"],
    surface: Surface,
    parts: Sequence["PartMesh"],
    options: AssetOptions,
    progress: Progress,
) -> Textured:
    """Lay out the LODs and paint them.

    Args:
        lods: As `build_lods` cut them. On charts that are there already, they are cut anew to the
            same numbers of triangles.
        surface: The dense surface, in the same place.
        parts: What the LODs' `face_parts` count.
        options: `unwrap` says which way; `bake` how it is painted.
        progress: Told of UNWRAP and BAKE.

    Raises:
        InvalidInput: If the source's UVs are to be kept and cannot be, with the reason.
        BudgetUnreachable: If charts that are there hold a LOD above its budget.
    """
    laid = _laid_out(lods, surface, parts, options, progress)
    return _with_lightmaps(laid, options, progress) if options.unwrap.lightmap else laid


def _laid_out(
    lods: Sequence["Lod"],
    surface: Surface,
    parts: Sequence["PartMesh"],
    options: AssetOptions,
    progress: Progress,
) -> Textured:
    if options.unwrap.uv != "unwrap":
        reason = why_not_kept(surface, lods, options)
        if not reason:
            return _kept(lods, surface, parts, progress)
        if options.unwrap.uv == "keep":
            raise InvalidInput(f"the UVs cannot be kept: {reason}; use uv unwrap")
    match options.unwrap.atlas:
        case "packed":
            return _packed(lods, surface, parts, options, progress)
        case "shared":
            return _shared(lods, surface, parts, options, progress)
        case "per_lod":
            return _per_lod(lods, surface, parts, options, progress)


def why_not_kept(surface: Surface, lods: Sequence["Lod"], options: AssetOptions) -> str:
    """Why the source's UVs and textures cannot stay as they are; "" if they can.

    With `uv="auto"` also where they could, but new ones look better.
    """
    from pipeline.mesh.charts.keep_uvs import ROOM, judge_uvs

    materials = np.unique(surface.face_materials)
    if surface.uvs is None:
        return "there are none"
    if len(materials) > 1:
        return f"{len(materials)} materials would each need a texture of their own"
    material = surface.materials[int(materials[0])]
    if material.base_color is None and material.normal is None:
        return "no texture lies on them"
    if surface.colors is not None and not np.all(surface.colors == 1):
        return "the vertex colors would be lost"
    if options.bake.ambient_occlusion or options.bake.delight > 0:
        return "occlusion and de-lighting need textures that are painted anew"
    if options.bake.roughness is not None or options.bake.metallic is not None:
        return "another roughness or metalness needs textures that are painted anew"
    corners = surface.uvs[surface.faces].astype(np.float64)
    if not np.isfinite(corners).all() or not np.linalg.det(corners[:, 1:] - corners[:, :1]).any():
        return "they cover nothing of the texture"
    if surface.uvs.min() < -ROOM or surface.uvs.max() > 1 + ROOM:
        return "they reach beyond the texture, which would have to repeat"
    if options.unwrap.uv == "auto":
        least = min(lod.triangle_count for lod in lods)
        if least < _LEAST_KEPT_SHARE * len(surface.faces):
            return f"{least} triangles are too few for the charts that are there"
        return judge_uvs(surface.uvs, surface.faces, may_mirror=True)
    return ""


def _packed(
    lods: Sequence["Lod"],
    surface: Surface,
    parts: Sequence["PartMesh"],
    options: AssetOptions,
    progress: Progress,
) -> Textured:
    from pipeline.mesh.charts.measure_uvs import measure_uvs
    from pipeline.mesh.charts.unwrap import unwrap
    from pipeline.mesh.lods.lod import delivered
    from pipeline.texture.bake import bake

    size = options.unwrap.texture_size
    unwrapped = unwrap([lod.mesh for lod in lods], options.unwrap, progress)
    baked = bake(unwrapped, surface, size, options.bake, progress)
    return Textured(
        unwrapped=unwrapped,
        lods=tuple(delivered(lod, mesh, parts) for lod, mesh in zip(lods, unwrapped, strict=True)),
        whole=tuple(lod.mesh for lod in lods),
        materials=(baked.material,),
        uv_measure=measure_uvs(unwrapped, size),
        bake_measure=baked.measure,
    )


def _shared(
    lods: Sequence["Lod"],
    surface: Surface,
    parts: Sequence["PartMesh"],
    options: AssetOptions,
    progress: Progress,
) -> Textured:
    first = _packed(lods[:1], surface, parts, options, progress)
    chain = _on_its_charts(first.unwrapped[0], first.lods[0], lods[1:], parts, progress)
    return replace(
        first,
        unwrapped=(*first.unwrapped, *(mesh for mesh, _ in chain)),
        lods=(*first.lods, *(lod for _, lod in chain)),
        whole=(*first.whole, *(_welded(lod.mesh) for _, lod in chain)),
    )


def _per_lod(
    lods: Sequence["Lod"],
    surface: Surface,
    parts: Sequence["PartMesh"],
    options: AssetOptions,
    progress: Progress,
) -> Textured:
    """Sides halve from LOD to LOD, as the size does at which it is seen."""
    alone = [
        _packed(
            [lod],
            surface,
            parts,
            replace(
                options,
                unwrap=replace(
                    options.unwrap,
                    texture_size=max(_LEAST_SIZE, options.unwrap.texture_size >> level),
                ),
            ),
            PartOf(progress, level, len(lods)),
        )
        for level, lod in enumerate(lods)
    ]
    return replace(
        alone[0],
        unwrapped=tuple(one.unwrapped[0] for one in alone),
        lods=tuple(one.lods[0] for one in alone),
        whole=tuple(one.whole[0] for one in alone),
        materials=tuple(one.materials[0] for one in alone),
    )


def _kept(
    lods: Sequence["Lod"], surface: Surface, parts: Sequence["PartMesh"], progress: Progress
) -> Textured:
    from pipeline.mesh.charts.measure_uvs import measure_uvs

    progress(Stage.UNWRAP, 0.0)
    material = surface.materials[int(surface.face_materials[0])]
    whole = with_tangents(surface)
    face_parts = surface.face_parts
    if face_parts is None:
        face_parts = np.zeros(len(surface.faces), np.int32)
    base = _lod_of(whole, face_parts, lods[0], parts)
    chain = _on_its_charts(whole, base, lods, parts, progress)
    images = [image for image in (material.base_color, material.normal) if image is not None]
    size = max(max(image.pixels.shape[:2]) for image in images)
    unwrapped = tuple(mesh for mesh, _ in chain)
    progress(Stage.UNWRAP, 1.0)
    return Textured(
        unwrapped=unwrapped,
        lods=tuple(lod for _, lod in chain),
        whole=tuple(_welded(lod.mesh) for _, lod in chain),
        materials=(material,),
        uv_measure=measure_uvs(unwrapped[:1], size),
        bake_measure=None,
    )


def _with_lightmaps(laid: Textured, options: AssetOptions, progress: Progress) -> Textured:
    from pipeline.mesh.charts.lightmap import lightmap_uvs

    size = max(_LEAST_SIZE, options.unwrap.texture_size // _LIGHTMAP_SHARE)
    meshes = []
    tick = partial(progress, Stage.UNWRAP, 1.0)
    for mesh in laid.unwrapped:
        meshes.append(replace(mesh, lightmap_uvs=lightmap_uvs(mesh, size, tick)))
    return replace(laid, unwrapped=tuple(meshes))


def _on_its_charts(
    mesh: UnwrappedMesh,
    finest: "Lod",
    lods: Sequence["Lod"],
    parts: Sequence["PartMesh"],
    progress: Progress,
) -> list[tuple[UnwrappedMesh, "Lod"]]:
    """As many LODs of the same numbers of triangles, each cut from the one before."""
    from pipeline.mesh.lods.with_uvs import reduced_with_uvs

    # Where parts touch they share vertices, of which each gets its own.
    sided = finest.face_parts[:, None] * np.int64(len(mesh.positions)) + mesh.faces
    used, split = np.unique(sided, return_inverse=True)
    vertex_parts, old = (used // len(mesh.positions)).astype(np.int32), used % len(mesh.positions)
    mesh = replace(
        mesh,
        positions=mesh.positions[old],
        normals=mesh.normals[old],
        tangents=mesh.tangents[old],
        uvs=mesh.uvs[old],
        faces=split.reshape(-1, 3).astype(np.int32),
    )
    chain = []
    for level, lod in enumerate(lods):
        tick: Callable[[], None] = partial(progress, Stage.UNWRAP, level / len(lods))
        mesh, vertices = reduced_with_uvs(mesh, len(lod.mesh.faces), tick)
        vertex_parts = vertex_parts[vertices]
        chain.append((mesh, _lod_of(mesh, vertex_parts[mesh.faces[:, 0]], lod, parts)))
    return chain


def _welded(mesh: Mesh) -> Mesh:
    positions, points = np.unique(mesh.positions, axis=0, return_inverse=True)
    return Mesh(positions=positions, faces=points.astype(np.int32)[mesh.faces])


def _lod_of(
    mesh: UnwrappedMesh, face_parts: IntArray, like: "Lod", parts: Sequence["PartMesh"]
) -> "Lod":
    from pipeline.mesh.lods.lod import Lod

    copies = np.array([part.copies for part in parts], np.int64)
    return Lod(
        mesh=Mesh(positions=mesh.positions, faces=mesh.faces),
        face_parts=face_parts,
        triangle_count=int(copies[face_parts].sum()),
        budget=like.budget,
    )


def with_tangents(surface: Surface) -> UnwrappedMesh:
    """A surface on its own UVs. Vertices where mirrored charts meet are split, as their tangents
    differ."""
    from pipeline.gltf.primitives import unit_vectors
    from pipeline.tangents import split_mirrored, tangents

    assert surface.uvs is not None
    vertices, faces = split_mirrored(surface.uvs, surface.faces)
    positions = surface.positions[vertices]
    normals = unit_vectors(surface.normals[vertices].astype(np.float64))
    uvs = np.clip(surface.uvs[vertices], 0, 1)
    return UnwrappedMesh(
        positions=positions,
        normals=normals,
        tangents=tangents(positions, normals, uvs, faces),
        uvs=uvs,
        faces=faces,
        face_source=np.arange(len(faces), dtype=np.int32),
    )
