"""Parts of a build <-> bytes: the repaired surface with its pieces, and the collision shapes.

Safetensors files: arrays as tensors, the rest as JSON in the header, with what was warned of when
the part was made. The same part always gives the same bytes. Reading runs no code and checks types,
shapes and indices, since compiled loops rely on them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipeline.errors import InvalidInput
from pipeline.repaired import Piece, Repaired
from pipeline.types import (
    Box,
    Capsule,
    Collision,
    CollisionKind,
    FloatArray,
    Hull,
    IntArray,
    Mesh,
    Sphere,
    Stage,
    Surface,
    View,
)

Warnings = tuple[tuple[Stage, str], ...]
_Tensors = dict[str, np.ndarray]

_UNREADABLE = (
    SafetensorError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
)
_PRIMITIVES: dict[str, type[Box | Sphere | Capsule]] = {
    "box": Box,
    "sphere": Sphere,
    "capsule": Capsule,
}


def repaired_to_bytes(repaired: Repaired, warnings: Warnings) -> bytes:
    """Store a repaired surface without its materials and pictures: those are its source's."""
    surface = repaired.surface
    tensors: _Tensors = {
        "positions": surface.positions,
        "faces": surface.faces,
        "normals": surface.normals,
        "face_materials": surface.face_materials,
    }
    for name in ("uvs", "colors", "face_parts"):
        if getattr(surface, name) is not None:
            tensors[name] = getattr(surface, name)
    if surface.views:
        tensors["projections"] = np.stack([view.projection for view in surface.views])
    for number, piece in enumerate(repaired.pieces):
        tensors[f"piece{number}.positions"] = piece.mesh.positions
        tensors[f"piece{number}.faces"] = piece.mesh.faces
        tensors[f"piece{number}.placements"] = piece.placements
        if piece.labels is not None:
            tensors[f"piece{number}.labels"] = piece.labels
    pieces = [{"name": piece.name, "counts": piece.counts} for piece in repaired.pieces]
    return _to_bytes(tensors, {"pieces": pieces, "warnings": warnings})


def repaired_from_bytes(content: bytes, source: Surface) -> tuple[Repaired, Warnings]:
    """Read what `repaired_to_bytes` wrote.

    Args:
        content: The stored part.
        source: The surface that it was made from.

    Raises:
        InvalidInput: If the bytes are something else.
    """
    try:
        tensors, told = _from_bytes(content)
        projections = _array(tensors, "projections", np.float64, 3, 4) if source.views else ()
        positions = _array(tensors, "positions", np.float32, 3)
        faces = _faces(tensors, "faces", len(positions))
        surface = Surface(
            positions=positions,
            faces=faces,
            normals=_array(tensors, "normals", np.float32, 3),
            uvs=_array(tensors, "uvs", np.float32, 2) if "uvs" in tensors else None,
            colors=_array(tensors, "colors", np.float32, 4) if "colors" in tensors else None,
            face_materials=_per_face(tensors, "face_materials", len(faces)),
            materials=source.materials,
            has_own_normals=source.has_own_normals,
            face_parts=(
                _per_face(tensors, "face_parts", len(faces)) if "face_parts" in tensors else None
            ),
            views=tuple(
                View(pixels=view.pixels, projection=projection)
                for view, projection in zip(source.views, projections, strict=True)
            ),
        )
        _check_surface(surface)
        pieces = tuple(
            _piece(tensors, f"piece{number}", stored)
            for number, stored in enumerate(told["pieces"])
        )
        if not pieces:
            raise ValueError("there are no pieces")
        return Repaired(surface=surface, pieces=pieces), _warnings(told)
    except _UNREADABLE as e:
        raise InvalidInput(f"not a stored repaired surface: {e}") from e


def hulls_to_bytes(collisions: Sequence[Collision], warnings: Warnings) -> bytes:
    """Store the collision shape of each piece."""
    tensors: _Tensors = {}
    stored = []
    for number, collision in enumerate(collisions):
        primitives = []
        for place, hull in enumerate(collision.hulls):
            tensors[f"hull{number}.{place}.positions"] = hull.positions
            tensors[f"hull{number}.{place}.faces"] = hull.faces
            primitives.append(_told(hull.primitive))
        stored.append({**asdict(replace(collision, hulls=())), "hulls": primitives})
    return _to_bytes(tensors, {"collisions": stored, "warnings": warnings})


def hulls_from_bytes(content: bytes) -> tuple[tuple[Collision, ...], Warnings]:
    """Read what `hulls_to_bytes` wrote.

    Raises:
        InvalidInput: If the bytes are something else.
    """
    try:
        tensors, told = _from_bytes(content)
        collisions = tuple(
            Collision(
                kind=_kind(stored["kind"]),
                hulls=tuple(
                    _hull(tensors, f"hull{number}.{place}", primitive)
                    for place, primitive in enumerate(stored["hulls"])
                ),
                over_cover=None if stored["over_cover"] is None else _number(stored["over_cover"]),
                protrusion_m=_number(stored["protrusion_m"]),
            )
            for number, stored in enumerate(told["collisions"])
        )
        return collisions, _warnings(told)
    except _UNREADABLE as e:
        raise InvalidInput(f"not stored collision shapes: {e}") from e


def _to_bytes(tensors: _Tensors, told: Mapping[str, object]) -> bytes:
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    # One entry: the library writes several in any order.
    return save(arrays, metadata={"part": json.dumps(told)})


# Any: JSON, whose types are checked where it is read.
def _from_bytes(content: bytes) -> tuple[_Tensors, dict[str, Any]]:
    tensors = load(content)
    length = int.from_bytes(content[:8], "little")
    told = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["part"])
    if not isinstance(told, dict):
        raise TypeError("its header is no object")
    return tensors, told


def _warnings(told: Mapping[str, Any]) -> Warnings:
    return tuple((Stage(stage), str(message)) for stage, message in told["warnings"])


def _piece(tensors: _Tensors, name: str, stored: Mapping[str, Any]) -> Piece:
    positions = _array(tensors, f"{name}.positions", np.float32, 3)
    faces = _faces(tensors, f"{name}.faces", len(positions))
    labels = f"{name}.labels"
    placements = _array(tensors, f"{name}.placements", np.float64, 4, 4)
    if len(placements) == 0:
        raise ValueError(f"{name} is placed nowhere")
    return Piece(
        name=str(stored["name"]),
        mesh=Mesh(positions=positions, faces=faces),
        labels=_per_face(tensors, labels, len(faces)) if labels in tensors else None,
        placements=placements,
        counts=dict(stored["counts"]),
    )


def _hull(tensors: _Tensors, name: str, primitive: Mapping[str, Any] | None) -> Hull:
    positions = _array(tensors, f"{name}.positions", np.float32, 3)
    return Hull(
        positions=positions,
        faces=_faces(tensors, f"{name}.faces", len(positions)),
        primitive=None if primitive is None else _primitive(primitive),
    )


def _told(primitive: Box | Sphere | Capsule | None) -> dict[str, object] | None:
    if primitive is None:
        return None
    return {"kind": type(primitive).__name__.lower(), **asdict(primitive)}


def _primitive(stored: Mapping[str, Any]) -> Box | Sphere | Capsule:
    values = {name: _tuples(value) for name, value in stored.items() if name != "kind"}
    return _PRIMITIVES[stored["kind"]](**values)


def _tuples(value: Any, depth: int = 2) -> Any:
    """JSON's lists of numbers as the tuples that they were, one in another at most."""
    if isinstance(value, list) and depth:
        return tuple(_tuples(item, depth - 1) for item in value)
    return _number(value)


def _kind(value: Any) -> CollisionKind:
    if value not in get_args(CollisionKind):
        raise ValueError(f"{str(value)[:40]} is no kind of collision shape")
    kind: CollisionKind = value
    return kind


def _number(value: Any) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"a {type(value).__name__} is no number")
    return float(value)


def _array(tensors: _Tensors, name: str, kind: type[np.generic], *sides: int) -> NDArray[Any]:
    """A tensor of any length whose other sides are as they must be."""
    array = tensors[name]
    if array.dtype != kind or array.shape[1:] != sides:
        raise ValueError(f"{name} is {array.dtype} {list(array.shape)}")
    return array


def _faces(tensors: _Tensors, name: str, vertex_count: int) -> IntArray:
    faces = _array(tensors, name, np.int32, 3)
    if len(faces) and not (faces.min() >= 0 and faces.max() < vertex_count):
        raise ValueError(f"{name} has vertices outside 0..{vertex_count - 1}")
    return faces


def _per_face(tensors: _Tensors, name: str, face_count: int) -> IntArray:
    numbers = _array(tensors, name, np.int32)
    if numbers.shape != (face_count,):
        raise ValueError(f"{name} has {list(numbers.shape)} numbers for {face_count} faces")
    return numbers


def _check_surface(surface: Surface) -> None:
    by_vertex: dict[str, FloatArray | None] = {
        "normals": surface.normals,
        "uvs": surface.uvs,
        "colors": surface.colors,
    }
    for name, array in by_vertex.items():
        if array is not None and len(array) != len(surface.positions):
            raise ValueError(f"{name} has {len(array)} rows for {len(surface.positions)} vertices")
    of_faces = surface.face_materials
    if len(of_faces) and not (of_faces.min() >= 0 and of_faces.max() < len(surface.materials)):
        raise ValueError(f"face_materials has numbers outside 0..{len(surface.materials) - 1}")
