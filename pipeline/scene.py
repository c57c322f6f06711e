"""The parts of an asset: all joined into one, or kept apart with their places."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.types import FloatArray, Surface

Matrix = NDArray[np.float64]

# How far the columns of a placement may be from right angles, as a cosine, and still be a rotation
# with scaling: more than float32 matrices of a deep node tree add up to.
_SHEAR = 1e-4
_TINY = 1e-30


@dataclass(frozen=True, kw_only=True)
class PartWeight:
    """How much the parts matter whose names match.

    name: `*` stands for any characters. weight: above 1 gives more triangles, 0.01 to 100.
    """

    name: str = ""
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInput("a part's weight needs a name, for example Wheel*")
        if not 0.01 <= self.weight <= 100:
            raise InvalidInput(
                f"the weight of {self.name} must be in [0.01, 100], got {self.weight}"
            )


@dataclass(frozen=True, kw_only=True)
class PartOptions:
    """What becomes of the parts of a mesh.

    mode: "merged" makes one mesh per LOD of everything; "separate" keeps each mesh node's name,
        place and pivot, and copies as copies. All share one material.
    share: How separate parts share a LOD's triangles: so that all get about the same "error", or
        by "area".
    weights: The first that matches a part's name counts; others weigh 1. Only for "separate".
    """

    mode: Literal["merged", "separate"] = "merged"
    share: Literal["error", "area"] = "error"
    weights: tuple[PartWeight, ...] = ()

    def __post_init__(self) -> None:
        if self.mode not in ("merged", "separate"):
            raise InvalidInput(f"parts mode must be merged or separate, got {self.mode!r}")
        if self.share not in ("error", "area"):
            raise InvalidInput(f"parts share must be error or area, got {self.share!r}")
        if self.weights and self.mode == "merged":
            raise InvalidInput("weights are for separate parts: set parts mode to separate")

    def weight_of(self, name: str) -> float:
        """How much the part of that name matters."""
        from fnmatch import fnmatchcase

        return next((w.weight for w in self.weights if fnmatchcase(name, w.name)), 1.0)


def assembled(surface: Surface) -> Surface:
    """The whole scene as one surface without parts: every copy in its place."""
    if surface.face_parts is None:
        return replace(surface, parts=())
    pieces = [replace(surface, parts=(), face_parts=None)]
    for index, part in enumerate(surface.parts):
        if len(part.placements) > 1:
            original = part_of(surface, index)
            back = np.linalg.inv(part.placements[0])
            pieces += [moved(original, place @ back) for place in part.placements[1:]]
    return together(pieces)


def part_of(surface: Surface, index: int) -> Surface:
    """One part at its first placement, on the vertices that it needs."""
    assert surface.face_parts is not None
    here = surface.face_parts == index
    used, faces = np.unique(surface.faces[here], return_inverse=True)
    return replace(
        surface,
        positions=surface.positions[used],
        faces=faces.reshape(-1, 3).astype(np.int32),
        normals=surface.normals[used],
        uvs=None if surface.uvs is None else surface.uvs[used],
        colors=None if surface.colors is None else surface.colors[used],
        face_materials=surface.face_materials[here],
        parts=(),
        face_parts=None,
    )


def moved(surface: Surface, matrix: Matrix) -> Surface:
    """The surface moved by a `[4, 4]` matrix. A mirroring one turns the faces over."""
    from pipeline.gltf.primitives import unit_vectors  # late: it brings more than most need

    linear, offset = matrix[:3, :3], matrix[:3, 3]
    positions = transformed(surface.positions, linear) + offset
    # Normals go by the cofactors: the inverse transpose times the determinant.
    a, b, c = linear.T
    cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    is_mirrored = np.linalg.det(linear) < 0
    normals = transformed(surface.normals, -cofactors if is_mirrored else cofactors)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    unit = (normals / np.maximum(lengths, _TINY)).astype(np.float32)
    has_none = lengths[:, 0] <= _TINY  # a flat copy leaves most of them no direction
    unit[has_none] = unit_vectors(normals[has_none])
    return replace(
        surface,
        positions=positions.astype(np.float32),
        normals=unit,
        faces=surface.faces[:, ::-1] if is_mirrored else surface.faces,
        views=tuple(view.moved(matrix) for view in surface.views),
    )


def transformed(vectors: FloatArray, linear: Matrix) -> NDArray[np.float64]:
    """`linear @ v` for each row, by hand: BLAS spends its time on threads for 3 x 3,
    and rounds differently with their number."""
    x, y, z = vectors.astype(np.float64).T
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in linear], axis=1)


def frame_of(placement: Matrix) -> Matrix:
    """The place and turn of a placement without its scaling: where a part's pivot is, `[4, 4]`.

    Without the turn, too, if the placement is no rotation with scaling along its own axes.
    """
    frame = np.eye(4)
    frame[:3, 3] = placement[:3, 3]
    lengths = np.linalg.norm(placement[:3, :3], axis=0)
    if lengths.min() > 0 and not is_sheared(placement):
        axes = placement[:3, :3] / lengths
        frame[:3, :3] = axes if np.linalg.det(axes) > 0 else -axes
    return frame


def is_sheared(matrices: Matrix) -> NDArray[np.bool_]:
    """Whether `[..., 4, 4]` are more than rotation, mirroring, shift and scaling along own axes."""
    columns = matrices[..., :3, :3]
    lengths = np.linalg.norm(columns, axis=-2)
    products = np.swapaxes(columns, -1, -2) @ columns
    cosines = products / np.maximum(lengths[..., None] * lengths[..., None, :], 1e-300)
    above = np.abs(cosines[..., (0, 0, 1), (1, 2, 2)])
    return np.asarray(above.max(axis=-1) > _SHEAR)


def can_be_copies(first: Matrix, others: Matrix) -> NDArray[np.bool_]:
    """Whether nodes can show what stands at `first` at `others`, `[..., 4, 4]`: see
    `Part.placements`."""
    size = np.abs(first[:3, :3]).max()
    if not abs(np.linalg.det(first[:3, :3])) > 1e-12 * size**3:  # all may be zero, or no numbers
        return np.zeros(others.shape[:-2], bool)
    return ~is_sheared(others @ np.linalg.inv(first) @ frame_of(first))


def together(pieces: Sequence[Surface]) -> Surface:
    """Surfaces of the same materials as one, without parts."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    starts = np.cumsum([0, *(len(piece.positions) for piece in pieces[:-1])])
    uvs = [piece.uvs for piece in pieces if piece.uvs is not None]
    colors = [piece.colors for piece in pieces if piece.colors is not None]
    return replace(
        first,
        positions=np.concatenate([piece.positions for piece in pieces]),
        faces=np.concatenate(
            [piece.faces + np.int32(start) for piece, start in zip(pieces, starts, strict=True)]
        ),
        normals=np.concatenate([piece.normals for piece in pieces]),
        uvs=np.concatenate(uvs) if uvs else None,
        colors=np.concatenate(colors) if colors else None,
        face_materials=np.concatenate([piece.face_materials for piece in pieces]),
    )
