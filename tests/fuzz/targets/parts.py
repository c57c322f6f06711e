"""Parts of a build that were kept for the next one: the repaired surface, the collision shapes."""

from collections.abc import Mapping
from random import Random

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.repaired import Piece, Repaired
from pipeline.stored_parts import (
    hulls_from_bytes,
    hulls_to_bytes,
    repaired_from_bytes,
    repaired_to_bytes,
)
from pipeline.types import Box, Capsule, Collision, Hull, Material, Mesh, Sphere, Stage, Surface
from tests.fuzz.mutations.json_values import Json
from tests.fuzz.mutations.safetensors import changed_safetensors

_POSITIONS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
_FACES = np.array([[0, 1, 2]], np.int32)
_SURFACE = Surface(
    positions=_POSITIONS,
    faces=_FACES,
    normals=np.tile(np.float32([0, 0, 1]), (3, 1)),
    uvs=np.zeros((3, 2), np.float32),
    colors=np.ones((3, 4), np.float32),
    face_materials=np.zeros(1, np.int32),
    materials=(Material(),),
)
_AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_WARNINGS = ((Stage.REPAIR, "a hole stays open"),)


def consume(data: bytes) -> None:
    _read_repaired(data)
    _read_hulls(data)


def mutate(data: bytes, random: Random) -> bytes:
    return changed_safetensors(data, random, _WORDS)


def seeds() -> Mapping[str, bytes]:
    piece = Piece(
        name="Trunk",
        mesh=_SURFACE.mesh,
        labels=np.zeros(1, np.int32),
        placements=np.eye(4)[None],
        counts={"welded_vertex_count": 3},
    )
    collisions = [
        Collision(
            kind="decompose",
            hulls=tuple(
                Hull(positions=_POSITIONS, faces=_FACES, primitive=primitive)
                for primitive in (
                    None,
                    Box(
                        center_m=(0, 0, 0), axes=((1, 0, 0), (0, 1, 0), (0, 0, 1)), size_m=(1, 1, 1)
                    ),
                    Sphere(center_m=(0, 0, 0), radius_m=1.0),
                    Capsule(start_m=(0, 0, 0), end_m=(0, 1, 0), radius_m=1.0),
                )
            ),
            over_cover=1.5,
            protrusion_m=0.1,
        )
    ]
    return {
        "repaired": repaired_to_bytes(Repaired(surface=_SURFACE, pieces=(piece,)), _WARNINGS),
        "hulls": hulls_to_bytes(collisions, _WARNINGS),
    }


_WORDS: Mapping[str, list[Json]] = {
    "kind": ["box", "sphere", "capsule", "hull", "else"],
    "pieces": [[], [{"name": "a", "counts": {}}]],
    "counts": [{}, [], [["a", 1]]],
    "hulls": [[], [None]],
    "warnings": [[], [["repair", "a"]], [["else", "a"]]],
    "radius_m": [0, -1, [1]],
}


def _read_repaired(data: bytes) -> None:
    try:
        repaired, _ = repaired_from_bytes(data, _SURFACE)
    except InvalidInput:
        return
    surface = repaired.surface
    _check_mesh(surface.mesh)
    assert surface.face_parts is None or surface.face_parts.shape == (len(surface.faces),)
    for piece in repaired.pieces:
        _check_mesh(piece.mesh)
        assert piece.labels is None or piece.labels.shape == (len(piece.mesh.faces),)


def _read_hulls(data: bytes) -> None:
    try:
        collisions, warnings = hulls_from_bytes(data)
    except InvalidInput:
        return
    for collision in collisions:
        for hull in collision.hulls:
            _check_mesh(Mesh(positions=hull.positions, faces=hull.faces))
    again = hulls_to_bytes(collisions, warnings)
    assert hulls_to_bytes(*hulls_from_bytes(again)) == again


def _check_mesh(mesh: Mesh) -> None:
    assert mesh.positions.shape[1:] == mesh.faces.shape[1:] == (3,)
    if len(mesh.faces):
        assert mesh.faces.min() >= 0
        assert mesh.faces.max() < len(mesh.positions)
