"""The primitives of a glTF mesh: triangles with their vertex attributes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import Unsupported
from pipeline.gltf.container import Accessor, Gltf, Rows, unsupported_extension
from pipeline.gltf.entry import Entry, broken
from pipeline.gltf.materials import Look
from pipeline.gltf.notes import Notes
from pipeline.types import FloatArray, IntArray

_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_CHUNK_ROWS = 1 << 18
_FARTHEST_UV = 1e6  # repeats of a texture; float32 tells a sixteenth of one apart there


@dataclass(frozen=True, kw_only=True)
class Primitive:
    """The triangles of one primitive in the space of its mesh. Every vertex is used.

    positions: `[V, 3]` float32. faces: `[F, 3]` int32. normals: `[V, 3]` float32, unit length.
    tangents: `[V, 4]` float32, or None where the file has none or they were not asked for.
    uvs: `[V, 2]` float32, or None where its material has no texture or the file no coordinates.
    colors: `[V, 4]` float32 linear RGBA, or None.
    has_own_normals: whether the normals are the file's and not computed from the faces.
    """

    positions: FloatArray
    faces: IntArray
    normals: FloatArray
    tangents: FloatArray | None
    uvs: FloatArray | None
    colors: FloatArray | None
    has_own_normals: bool


def count_triangles(gltf: Gltf, entry: Entry) -> int:
    """Return the number of triangles of a primitive without reading them; 0 for lines or points.

    Raises:
        Unsupported: If it is skinned, morphed or compressed.
    """
    attributes = entry.entry("attributes")
    if entry.entries("targets"):
        raise Unsupported(
            f"{entry.place} has morph targets, which are not supported yet: export the static mesh"
        )
    if "JOINTS_0" in attributes:
        raise Unsupported(
            f"{entry.place} is skinned, which is not supported yet: apply the pose and export "
            "the static mesh"
        )
    mode = entry.integer("mode", _TRIANGLES)
    if mode > _FAN:
        raise broken(f"{entry.place}.mode must be 0 to 6, got {mode}")
    if mode < _TRIANGLES or "POSITION" not in attributes:
        return 0
    position = gltf.item("accessors", attributes.integer("POSITION"), attributes.place)
    if "bufferView" not in position and entry.extension("KHR_draco_mesh_compression") is not None:
        raise unsupported_extension("KHR_draco_mesh_compression")
    corners = position.integer("count", at_least=1)
    if "indices" in entry:
        indices = gltf.item("accessors", entry.integer("indices"), entry.place)
        corners = indices.integer("count", at_least=1)
    return corners // 3 if mode == _TRIANGLES else max(corners - 2, 0)


def read_primitive(
    gltf: Gltf,
    entry: Entry,
    look: Look,
    notes: Notes,
    tick: Callable[[], None],
    *,
    with_tangents: bool = False,
) -> Primitive:
    """Read a primitive that `count_triangles` found to have triangles.

    Only the vertices that its faces use are kept, because many files share one large vertex
    array among their primitives. Without normals the result is flat, as glTF demands. `tick` is
    called every few milliseconds of work; what it raises passes through.

    Raises:
        InvalidInput: If an index or a position is out of range.
    """
    attributes = entry.entry("attributes")
    position = _attribute(gltf, attributes, "POSITION", (3,))
    used, faces = _used_vertices(_triangles(gltf, entry, position.count, notes), position.count)

    positions = in_chunks(len(used), 3, lambda rows: position.take_floats(used[rows]), tick)
    if not np.isfinite(positions).all():
        row = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
        values = ", ".join(f"{value:g}" for value in positions[row])
        raise broken(f"{entry.place} has a vertex {used[row]:,} at ({values})")

    def floats(name: str, components: tuple[int, ...]) -> FloatArray | None:
        if name not in attributes:
            return None
        accessor = _attribute(gltf, attributes, name, components)
        if accessor.count != position.count:
            raise broken(
                f"{attributes.place}.{name} has {accessor.count:,} rows, "
                f"POSITION has {position.count:,}"
            )
        width = accessor.component_count
        return in_chunks(len(used), width, lambda rows: accessor.take_floats(used[rows]), tick)

    uvs = None
    if look.images:
        uvs = floats(f"TEXCOORD_{look.uv_set}", (2,))
        if uvs is None:
            notes.add(
                f"the textures of {look.material.name} are dropped where there is no "
                f"TEXCOORD_{look.uv_set}",
                entry.place,
            )
        else:
            uvs = _checked_uvs(look.transform_uvs(uvs), entry.place, notes)
    colors = floats("COLOR_0", (3, 4))
    if colors is not None:
        colors = _rgba(colors, entry.place)
    normals = floats("NORMAL", (3,))
    tangents = floats("TANGENT", (4,)) if with_tangents else None

    if normals is None:
        corners = faces.reshape(-1)
        normals = np.repeat(_face_normals(positions, faces, tick), 3, axis=0)
        positions = positions[corners]
        faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
        uvs = None if uvs is None else uvs[corners]
        colors = None if colors is None else colors[corners]
        tangents = None  # they would belong to normals that are not there
    else:
        normals = _repaired_normals(normals, positions, faces, entry.place, notes, tick)
    return Primitive(
        positions=positions,
        faces=faces,
        normals=normals,
        tangents=tangents,
        uvs=uvs,
        colors=colors,
        has_own_normals="NORMAL" in attributes,
    )


def in_chunks(
    count: int, width: int, rows_of: Callable[[slice], FloatArray], tick: Callable[[], None]
) -> FloatArray:
    """Fill a `[count, width]` float32 array some hundred thousand rows at a time, ticking between.

    Keeps double precision temporaries small, and the caller responsive.
    """
    filled = np.empty((count, width), np.float32)
    for start in range(0, count, _CHUNK_ROWS):
        rows = slice(start, min(start + _CHUNK_ROWS, count))
        filled[rows] = rows_of(rows)
        tick()
    return filled


def unit_vectors(vectors: NDArray[np.float64]) -> FloatArray:
    """Return `[V, 3]` vectors at length one; +Y where they have none."""
    with np.errstate(all="ignore"):
        largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0.0)
        scaled = vectors / largest  # squares of the raw values may underflow
        unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    unit[~np.isfinite(unit).all(axis=1)] = (0.0, 1.0, 0.0)
    return np.asarray(unit, np.float32)


def _face_normals(positions: FloatArray, faces: IntArray, tick: Callable[[], None]) -> FloatArray:
    """Return `[F, 3]` unit normals; +Y for degenerate faces."""
    return in_chunks(
        len(faces), 3, lambda rows: unit_vectors(_doubled_areas(positions, faces[rows])), tick
    )


def _doubled_areas(positions: FloatArray, faces: IntArray) -> NDArray[np.float64]:
    """Return `[F, 3]` normals whose length is twice the area of the face."""
    a, b, c = (positions[corner].astype(np.float64) for corner in faces.T)
    (x1, y1, z1), (x2, y2, z2) = (b - a).T, (c - a).T
    return np.stack([y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2], axis=1)


def _vertex_normals(positions: FloatArray, faces: IntArray) -> FloatArray:
    """Return area-weighted unit normals; +Y where a vertex has only degenerate faces."""
    sums: NDArray[np.float64] = np.stack(
        [
            np.bincount(faces.reshape(-1), np.repeat(axis, 3), minlength=len(positions))
            for axis in _doubled_areas(positions, faces).T
        ],
        axis=1,
    )
    return unit_vectors(sums)


def _attribute(gltf: Gltf, attributes: Entry, name: str, components: tuple[int, ...]) -> Accessor:
    accessor = gltf.accessor(attributes.integer(name), f"{attributes.place}.{name}")
    if accessor.component_count not in components:
        raise broken(
            f"{accessor.place} has {accessor.component_count} numbers per vertex, "
            f"{name} needs {' or '.join(map(str, components))}"
        )
    return accessor


def _triangles(gltf: Gltf, entry: Entry, vertex_count: int, notes: Notes) -> Rows:
    """Return `[F, 3]` vertex indices, checked against `vertex_count`."""
    mode = entry.integer("mode", _TRIANGLES)
    if "indices" in entry:
        accessor = gltf.accessor(entry.integer("indices"), f"{entry.place}.indices")
        if accessor.component_count != 1 or accessor.dtype.kind != "u":
            raise broken(f"{accessor.place} must hold single unsigned integers")
        indices = accessor.take(np.arange(accessor.count))[:, 0].astype(np.int64)
        highest = int(indices.max())
        if highest >= vertex_count:
            at = int(np.argmax(indices >= vertex_count))
            raise broken(
                f"{entry.place} has index {indices[at]:,} at place {at:,}, "
                f"but only {vertex_count:,} vertices"
            )
    else:
        indices = np.arange(vertex_count)
    if mode == _TRIANGLES:
        if len(indices) % 3:
            notes.add("an incomplete triangle at the end is left out", entry.place)
        return indices[: len(indices) // 3 * 3].reshape(-1, 3)
    first = np.arange(max(len(indices) - 2, 0))
    if mode == _FAN:
        corners = np.stack([indices[first * 0], indices[first + 1], indices[first + 2]], axis=1)
    else:  # every second triangle of a strip runs the other way round
        odd = first % 2
        corners = np.stack(
            [indices[first], indices[first + 1 + odd], indices[first + 2 - odd]], axis=1
        )
    # Strips repeat vertices to jump from one run to the next.
    a, b, c = corners.T
    jumps = (a == b) | (b == c) | (c == a)
    return np.asarray(corners[~jumps])


def _used_vertices(corners: Rows, vertex_count: int) -> tuple[Rows, IntArray]:
    """Return the used vertices, ascending, and the faces in terms of them."""
    if vertex_count > 4 * corners.size:  # do not sweep a huge shared array for a few faces
        used, faces = np.unique(corners, return_inverse=True)
        return used, faces.reshape(-1, 3).astype(np.int32)
    is_used = np.zeros(vertex_count, bool)
    is_used[corners] = True
    new_index = np.cumsum(is_used) - 1
    return np.flatnonzero(is_used), new_index[corners].astype(np.int32)


def _checked_uvs(uvs: FloatArray, place: str, notes: Notes) -> FloatArray:
    wrong = ~(np.abs(uvs) <= _FARTHEST_UV).all(axis=1, keepdims=True)
    if wrong.any():
        notes.add(
            "texture coordinates that are no numbers, or far out of range, are set to 0", place
        )
        uvs = np.where(wrong, np.float32(0), uvs)
    return uvs


def _rgba(colors: FloatArray, place: str) -> FloatArray:
    if not np.isfinite(colors).all():
        raise broken(f"{place} has a vertex color that is not a number")
    rgba = np.ones((len(colors), 4), np.float32)
    rgba[:, : colors.shape[1]] = np.clip(colors, 0.0, 1.0)
    return rgba


def _repaired_normals(
    normals: FloatArray,
    positions: FloatArray,
    faces: IntArray,
    place: str,
    notes: Notes,
    tick: Callable[[], None],
) -> FloatArray:
    """Return unit normals; those without a direction are computed from the faces."""
    largest = np.abs(normals).max(axis=1, initial=0.0)
    wrong = ~(np.isfinite(largest) & (largest > 1e-6))
    if wrong.any():
        notes.add("normals of length zero are computed from the faces", place)
        normals = np.where(wrong[:, None], _vertex_normals(positions, faces), normals)
    return in_chunks(
        len(normals), 3, lambda rows: unit_vectors(normals[rows].astype(np.float64)), tick
    )
