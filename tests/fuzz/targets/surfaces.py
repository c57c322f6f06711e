"""What tasks leave for each other in the store: dense surfaces and SLATs."""

from collections.abc import Mapping
from random import Random

import numpy as np
import torch

from pipeline.errors import InvalidInput
from pipeline.model.sparse import SparseTensor
from pipeline.stored_slat import slat_from_bytes, slat_to_bytes
from pipeline.stored_surface import surface_from_bytes, surface_to_bytes
from pipeline.types import Image, Material, Part, Surface, View
from tests.fuzz.mutations.json_values import Json
from tests.fuzz.mutations.safetensors import changed_safetensors


def consume(data: bytes) -> None:
    _read_surface(data)
    _read_slat(data)


def mutate(data: bytes, random: Random) -> bytes:
    return changed_safetensors(data, random, _WORDS)


def seeds() -> Mapping[str, bytes]:
    slat = SparseTensor(
        coords=torch.tensor([[0, 1, 2, 3], [0, 4, 5, 6]]), feats=torch.ones(2, 3), batch_size=1
    )
    return {
        "plain": surface_to_bytes(_surface()),
        "textured": surface_to_bytes(_textured()),
        "slat": slat_to_bytes(slat, "ab" * 32),
    }


_WORDS: Mapping[str, list[Json]] = {
    "materials": [[], [{}], [{"name": "a"}]],
    "parts": [[], [{"name": "a", "placements": []}]],
    "placements": [[], [[1]], np.eye(4)[None].tolist()],
    "image": ["image0", "image9", "positions"],
    "base_color": [None, {"image": "image0"}, {"image": "faces"}],
    "alpha_mode": ["OPAQUE", "ELSE"],
}


def _read_surface(data: bytes) -> None:
    try:
        surface = surface_from_bytes(data)
    except InvalidInput:
        return
    again = surface_to_bytes(surface)
    assert surface_to_bytes(surface_from_bytes(again)) == again


def _read_slat(data: bytes) -> None:
    try:
        slat = slat_from_bytes(data)
    except InvalidInput:
        return
    assert len(slat.coords) == len(slat.feats)


def _surface() -> Surface:
    return Surface(
        positions=np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32),
        faces=np.array([[0, 1, 2]], np.int32),
        normals=np.tile(np.float32([0, 0, 1]), (3, 1)),
        face_materials=np.zeros(1, np.int32),
        materials=(Material(),),
    )


def _textured() -> Surface:
    plain = _surface()
    return Surface(
        positions=plain.positions,
        faces=plain.faces,
        normals=plain.normals,
        uvs=np.zeros((3, 2), np.float32),
        colors=np.ones((3, 4), np.float32),
        face_materials=plain.face_materials,
        materials=(
            Material(
                name="Bark",
                base_color=Image(pixels=np.zeros((2, 2, 4), np.uint8)),
                alpha_mode="MASK",
            ),
        ),
        parts=(Part(name="Trunk", placements=np.eye(4)[None]),),
        face_parts=np.zeros(1, np.int32),
        views=(View(pixels=np.zeros((2, 2, 4), np.uint8), projection=np.eye(3, 4)),),
    )
