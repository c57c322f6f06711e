"""A GLB from anywhere -> one `Surface` in world space."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput, Unsupported
from pipeline.gltf.container import Gltf, ReadLimits, open_gltf
from pipeline.gltf.entry import Entry
from pipeline.gltf.images import decode_images
from pipeline.gltf.materials import Look, read_look
from pipeline.gltf.nodes import (
    Matrix,
    Placed,
    collision_nodes,
    lower_levels,
    place_nodes,
    root_nodes,
)
from pipeline.gltf.notes import Notes
from pipeline.gltf.primitives import (
    Primitive,
    count_triangles,
    in_chunks,
    read_primitive,
    unit_vectors,
)
from pipeline.scene import can_be_copies, transformed
from pipeline.types import FloatArray, Material, Part, Progress, Stage, Surface

__all__ = ["Parts", "ReadLimits", "read_glb", "read_parts"]

logger = logging.getLogger(__name__)

# Nobody models beyond this, but files in the wrong unit or with a stray vertex get there. Float32
# resolves a meter at its end, and squared areas stay within range.
_FARTHEST_M = 1e7
# Scenes have one group of copies per mesh, or few. A file can have as many as nodes, and to compare
# each with all would take hours; those that come later stand for themselves.
_MOST_GROUPS = 16
_DEFAULT_LIMITS = ReadLimits()


def read_glb(
    content: bytes, progress: Progress, *, limits: ReadLimits = _DEFAULT_LIMITS
) -> Surface:
    """Read the default scene of a GLB as one dense mesh with its appearance.

    All meshes are moved to world space and joined. A mesh that several nodes use is a part with
    several placements and appears once, at its largest, see `scene.assembled`. Of levels of detail
    only the finest is read, of animations the rest pose. What a `Surface` cannot hold (lines,
    clearcoat, a second UV set, ...) is left out with a warning.

    Args:
        content: A .glb, or a .gltf whose buffers and images are data URIs.
        progress: Is told of PREPROCESS.
        limits: How large the file may be.

    Returns:
        The surface, with the materials in use only and one part per mesh. `uvs` is None if no
        material has a texture.

    Raises:
        InvalidInput: If the file is damaged, external, too large, or has no triangles.
        Unsupported: If it is compressed, skinned or morphed, or requires an unknown extension.
    """
    progress(Stage.PREPROCESS, 0.0)
    gltf = open_gltf(content, progress, limits)
    surface = _join(read_parts(gltf, _scene(gltf, progress), progress, with_copies=False))
    progress(Stage.PREPROCESS, 1.0)
    logger.info(
        "read_glb: %s bytes -> %s faces, %s vertices, %s materials",
        f"{len(content):,}",
        f"{len(surface.faces):,}",
        f"{len(surface.positions):,}",
        len(surface.materials),
    )
    return surface


def _scene(gltf: Gltf, progress: Progress) -> list[Placed]:
    """Return the nodes to read, and warn of what stays behind."""
    levels, hulls = lower_levels(gltf), collision_nodes(gltf)
    if levels:
        progress.warn(Stage.PREPROCESS, f"{len(levels)} lower LODs left out; only LOD0 is read")
    if hulls:
        progress.warn(Stage.PREPROCESS, f"{len(hulls)} collision meshes (UCX_...) left out")
    if gltf.items("animations"):
        progress.warn(Stage.PREPROCESS, "animations are left out; the rest pose is read")
    return place_nodes(gltf, root_nodes(gltf, progress), levels | hulls)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What nodes show: primitives in world space.

    material_of, part_of: per primitive an index into `materials` and `parts`.
    """

    primitives: tuple[Primitive, ...]
    material_of: tuple[int, ...]
    materials: tuple[Material, ...]
    part_of: tuple[int, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class _Use:
    """A primitive of the file and the parts that show it, by number."""

    entry: Entry
    look: Look
    triangle_count: int
    parts: Sequence[int]


def read_parts(
    gltf: Gltf,
    placed: Sequence[Placed],
    progress: Progress,
    *,
    with_tangents: bool = False,
    with_copies: bool = True,
) -> Parts:
    """Read the meshes of `placed` nodes, each primitive apart.

    Without copies, each part is there once, at its first placement.

    Raises:
        InvalidInput: If they are damaged, beyond the limits, or without triangles.
        Unsupported: If one is compressed, skinned or morphed.
    """
    notes = Notes()
    uses, parts = _uses(gltf, placed, notes)
    image_indices = [index for use in uses for index in use.look.images.values()]
    images = decode_images(
        gltf, image_indices, lambda fraction: progress(Stage.PREPROCESS, 0.5 * fraction)
    )
    drawn = [len(part.placements) if with_copies else 1 for part in parts]
    total = sum(use.triangle_count * drawn[part] for use in uses for part in use.parts)

    primitives: list[Primitive] = []
    material_of: list[int] = []
    part_of: list[int] = []
    slots: dict[tuple[int, bool], int] = {}  # (look, whether textured) -> material
    materials: list[Material] = []
    done = 0

    def tick() -> None:
        progress(Stage.PREPROCESS, 0.5 + 0.4 * done / total)

    for use in uses:
        local = read_primitive(gltf, use.entry, use.look, notes, tick, with_tangents=with_tangents)
        slot = (id(use.look), local.uvs is not None)
        if slot not in slots:
            slots[slot] = len(materials)
            materials.append(use.look.decoded(images, with_textures=local.uvs is not None))
        for part in use.parts:
            placements = parts[part].placements
            _check_reach(local, placements[drawn[part] :], use.entry.place)
            for matrix in placements[: drawn[part]]:
                primitives.append(_moved(local, matrix, use.entry.place, tick))
                material_of.append(slots[slot])
                part_of.append(part)
                done += use.triangle_count
                tick()
    for warning in notes.warnings():
        progress.warn(Stage.PREPROCESS, warning)
    return Parts(
        primitives=tuple(primitives),
        material_of=tuple(material_of),
        materials=tuple(materials),
        part_of=tuple(part_of),
        parts=parts,
    )


def _uses(
    gltf: Gltf, placed: Sequence[Placed], notes: Notes
) -> tuple[list[_Use], tuple[Part, ...]]:
    """Return the primitives with triangles, within the limits, in order of first appearance."""
    nodes: dict[int, list[Placed]] = {}
    for item in placed:
        if "mesh" not in item.node:
            continue
        if "skin" in item.node:
            raise Unsupported(
                f"{item.node.name} is skinned, which is not supported yet: apply the pose and "
                "export the static mesh"
            )
        nodes.setdefault(item.node.integer("mesh"), []).append(item)

    looks: dict[int | None, Look] = {}
    uses: list[_Use] = []
    parts: list[Part] = []
    total = 0
    for mesh_index, at in nodes.items():
        mesh = gltf.item("meshes", mesh_index, "node")
        first_part, known = len(parts), len(uses)
        parts += _copies(at, mesh.text("name"))
        for entry in mesh.entries("primitives"):
            count = count_triangles(gltf, entry)
            if count == 0:
                notes.add("points, lines or empty primitives are left out", entry.place)
                continue
            total += count * len(at)
            if total > gltf.limits.max_triangles:
                raise InvalidInput(
                    f"the scene has more than {gltf.limits.max_triangles:,} triangles; "
                    "simplify it before upload, or raise the server's max_mesh_triangles"
                )
            material = entry.integer("material") if "material" in entry else None
            if material not in looks:
                looks[material] = read_look(gltf, material, notes)
            uses.append(
                _Use(
                    entry=entry,
                    look=looks[material],
                    triangle_count=count,
                    parts=range(first_part, len(parts)),
                )
            )
        if len(uses) == known:
            del parts[first_part:]  # only lines or points
    if not uses:
        raise InvalidInput(
            "the file has no triangles in its scene; export a mesh, not only empties, lines, "
            "points or cameras"
        )
    return uses, tuple(parts)


def _copies(nodes: Sequence[Placed], mesh_name: str) -> list[Part]:
    """Group the nodes that show one mesh by which of them a copy of a node can stand for."""
    matrices = np.stack([item.matrix for item in nodes])
    endless = ~np.isfinite(matrices).all(axis=(1, 2))
    if endless.any():
        raise _too_far(nodes[int(np.argmax(endless))].node.place)
    groups: list[NDArray[np.int64]] = []
    with np.errstate(all="ignore"):  # what is out of all bounds is refused when moved
        # The largest first: errors are measured on it, and are smaller on all others.
        left = np.argsort(-np.abs(np.linalg.det(matrices)), kind="stable")
        while len(left) and len(groups) < _MOST_GROUPS:
            fitting = can_be_copies(matrices[left[0]], matrices[left])
            fitting[0] = True
            groups.append(left[fitting])
            left = left[~fitting]
    groups += [np.array([alone]) for alone in left]
    return [
        Part(
            name=min((nodes[n] for n in group), key=lambda item: item.index).node.text("name")
            or mesh_name,
            placements=matrices[group],
        )
        for group in groups
    ]


def _check_reach(primitive: Primitive, placements: NDArray[np.float64], place: str) -> None:
    """Refuse copies that would stand too far away, before anyone moves them."""
    if len(primitive.positions) == 0:
        return
    low, high = primitive.positions.min(axis=0), primitive.positions.max(axis=0)
    corners = np.array([[(low, high)[n >> i & 1][i] for i in range(3)] for n in range(8)])
    for matrix in placements:
        with np.errstate(all="ignore"):
            reach = np.abs(transformed(corners, matrix[:3, :3]) + matrix[:3, 3])
        if not (reach <= _FARTHEST_M).all():
            raise _too_far(place)


def _too_far(place: str) -> InvalidInput:
    return InvalidInput(
        f"{place} reaches farther than {_FARTHEST_M:,.0f} m from the origin; "
        "check its unit and remove stray vertices"
    )


def _moved(primitive: Primitive, matrix: Matrix, place: str, tick: Callable[[], None]) -> Primitive:
    """Return the primitive in world space. A mirroring matrix turns the faces over."""
    linear, offset = matrix[:3, :3], matrix[:3, 3]
    count = len(primitive.positions)

    def moved_positions(rows: slice) -> FloatArray:
        with np.errstate(all="ignore"):  # what overflows is refused here
            moved = transformed(primitive.positions[rows], linear) + offset
        if not (np.abs(moved) <= _FARTHEST_M).all():
            raise _too_far(place)
        return moved.astype(np.float32)

    positions = in_chunks(count, 3, moved_positions, tick)
    if np.array_equal(linear, np.eye(3)):
        return replace(primitive, positions=positions)
    is_mirrored = np.linalg.det(linear) < 0
    # The cofactors are the inverse transpose times the determinant, and exist without an inverse.
    a, b, c = linear.T
    cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    if is_mirrored:
        cofactors = -cofactors

    def turned(vectors: FloatArray, by: NDArray[np.float64]) -> FloatArray:
        return in_chunks(count, 3, lambda rows: unit_vectors(transformed(vectors[rows], by)), tick)

    tangents: FloatArray | None = None
    if primitive.tangents is not None:
        w = primitive.tangents[:, 3:] * np.float32(-1.0 if is_mirrored else 1.0)
        tangents = np.concatenate([turned(primitive.tangents[:, :3], linear), w], axis=1)
    return replace(
        primitive,
        positions=positions,
        normals=turned(primitive.normals, cofactors),
        tangents=tangents,
        faces=primitive.faces[:, ::-1] if is_mirrored else primitive.faces,
    )


def _join(parts: Parts) -> Surface:
    """Join all primitives: missing UVs become 0 (their materials have no texture), colors 1."""
    primitives = parts.primitives
    counts = [len(primitive.positions) for primitive in primitives]
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    positions = np.concatenate([primitive.positions for primitive in primitives])
    faces = np.concatenate(
        [p.faces + np.int32(start) for p, start in zip(primitives, first, strict=True)]
    )
    if len(faces) == 0 or not (np.ptp(positions, axis=0) > 0).any():
        raise InvalidInput("all triangles of the file are points; export a mesh that has a size")
    uvs = [primitive.uvs for primitive in primitives]
    colors = [primitive.colors for primitive in primitives]
    has_uvs = any(values is not None for values in uvs)
    # Many exporters write white for every vertex.
    has_colors = any(values is not None and (values != 1.0).any() for values in colors)
    return Surface(
        positions=positions,
        faces=faces,
        normals=np.concatenate([primitive.normals for primitive in primitives]),
        uvs=_filled(uvs, counts, (0.0, 0.0)) if has_uvs else None,
        colors=_filled(colors, counts, (1.0, 1.0, 1.0, 1.0)) if has_colors else None,
        face_materials=np.repeat(
            np.array(parts.material_of, np.int32), [len(p.faces) for p in primitives]
        ),
        materials=parts.materials,
        parts=parts.parts,
        has_own_normals=all(primitive.has_own_normals for primitive in primitives),
        face_parts=np.repeat(np.array(parts.part_of, np.int32), [len(p.faces) for p in primitives]),
    )


def _filled(
    arrays: Sequence[FloatArray | None], counts: Sequence[int], fill: tuple[float, ...]
) -> FloatArray:
    """Join the arrays, with `fill` for every vertex of those that are None."""
    return np.concatenate(
        [
            np.tile(np.array(fill, np.float32), (count, 1)) if values is None else values
            for values, count in zip(arrays, counts, strict=True)
        ]
    )
