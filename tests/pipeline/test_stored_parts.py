"""Parts of a build <-> bytes: what is no part is refused, whatever it is."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from safetensors.numpy import load, save

from pipeline.errors import InvalidInput
from pipeline.repaired import Piece, Repaired
from pipeline.stored_parts import (
    hulls_from_bytes,
    hulls_to_bytes,
    repaired_from_bytes,
    repaired_to_bytes,
)
from pipeline.types import Collision, Hull, Material, Sphere, Stage, Surface

SURFACE = Surface(
    positions=np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32),
    faces=np.array([[0, 1, 2]], np.int32),
    normals=np.tile(np.array([0, 0, 1], np.float32), (3, 1)),
    face_materials=np.zeros(1, np.int32),
    materials=(Material(),),
    face_parts=np.zeros(1, np.int32),
)
PIECE = Piece(
    name="Trunk",
    mesh=SURFACE.mesh,
    labels=np.zeros(1, np.int32),
    placements=np.eye(4)[None],
    counts={"welded_vertex_count": 3},
)
BALL = Sphere(center_m=(0.0, 1.0, 2.0), radius_m=0.5)
WARNINGS = ((Stage.REPAIR, "a hole stays open"),)
REPAIRED = repaired_to_bytes(Repaired(surface=SURFACE, pieces=(PIECE,)), WARNINGS)
HULLS = hulls_to_bytes(
    [
        Collision(
            kind="sphere",
            hulls=(Hull(positions=SURFACE.positions, faces=SURFACE.faces, primitive=BALL),),
            over_cover=None,
            protrusion_m=0.1,
        )
    ],
    WARNINGS,
)


def with_header(part: bytes, change: Callable[[str], str]) -> bytes:
    """The part with another text in its header."""
    length = int.from_bytes(part[:8], "little")
    text = json.loads(part[8 : 8 + length])["__metadata__"]["part"]
    return save(load(part), metadata={"part": change(text)})


def test_hulls_come_back() -> None:
    (collision,), warnings = hulls_from_bytes(HULLS)
    assert warnings == WARNINGS
    assert (collision.kind, collision.over_cover, collision.protrusion_m) == ("sphere", None, 0.1)
    assert collision.hulls[0].primitive == BALL


@pytest.mark.parametrize("name", ["face_materials", "face_parts", "piece0.labels"])
@pytest.mark.parametrize("shape", [(), (0,), (2,), (1, 1)])
def test_what_is_not_one_per_face_is_refused(name: str, shape: tuple[int, ...]) -> None:
    length = int.from_bytes(REPAIRED[:8], "little")
    metadata = json.loads(REPAIRED[8 : 8 + length])["__metadata__"]
    tensors = load(REPAIRED) | {name: np.zeros(shape, np.int32)}
    with pytest.raises(InvalidInput, match="not a stored repaired surface"):
        repaired_from_bytes(save(tensors, metadata=metadata), SURFACE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"kind": "sphere", "hulls"', '"kind": "bubble", "hulls"'),
        ('"protrusion_m": 0.1', '"protrusion_m": "0.1"'),
        ('"protrusion_m": 0.1', f'"protrusion_m": 1{"0" * 400}'),
        ('"over_cover": null', '"over_cover": []'),
        ('"radius_m": 0.5', '"radius_m": null'),
        ("[0.0, 1.0, 2.0]", "[0.0, 1.0, [[2.0]]]"),
        ("[0.0, 1.0, 2.0]", "[" * 900 + "]" * 900),
        ("[0.0, 1.0, 2.0]", "[" * 100_000),
    ],
)
def test_what_is_no_collision_shape_is_refused(old: str, new: str) -> None:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    with pytest.raises(InvalidInput, match="not stored collision shapes"):
        hulls_from_bytes(with_header(HULLS, change))
