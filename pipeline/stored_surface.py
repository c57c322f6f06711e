"""Surface <-> bytes: what is kept between generating and building an asset.

A safetensors file: arrays and textures as tensors, materials and parts as JSON in its header; views
as PNG, for they are many and mostly empty. The same surface always gives the same bytes, so their
hash names it.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipeline.errors import InvalidInput
from pipeline.types import ByteArray, Image, Material, Part, Surface, View, Wrap

_NEEDED = ("positions", "faces", "normals", "face_materials")
_ARRAYS = (*_NEEDED, "uvs", "colors", "face_parts")
_BROKEN_PNG = (OSError, SyntaxError)
_UNREADABLE = (
    SafetensorError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
    *_BROKEN_PNG,
)


def surface_to_bytes(surface: Surface) -> bytes:
    """Store a surface; `surface_from_bytes` gives it back exactly."""
    tensors: dict[str, np.ndarray] = {}
    for name in _ARRAYS:
        array = getattr(surface, name)
        if array is not None:
            tensors[name] = np.ascontiguousarray(array)
    images: dict[int, str] = {}  # by identity: materials often share pixels
    materials = []
    for material in surface.materials:
        stored: dict[str, object] = {}
        for field in fields(Material):
            value = getattr(material, field.name)
            if isinstance(value, Image):
                name = images.setdefault(id(value.pixels), f"image{len(images)}")
                tensors[name] = np.ascontiguousarray(value.pixels)
                value = {"image": name, "wrap": value.wrap}
            stored[field.name] = value
        materials.append(stored)
    parts = [{"name": p.name, "placements": p.placements.tolist()} for p in surface.parts]
    for number, view in enumerate(surface.views):
        tensors[f"view{number}"] = _png(view.pixels)
    if surface.views:
        tensors["view_projections"] = np.stack([view.projection for view in surface.views])
    # One entry: the library writes several in any order.
    about = {
        "materials": materials,
        "parts": parts,
        "has_own_normals": surface.has_own_normals,
    }
    return save(tensors, metadata={"surface": json.dumps(about)})


def surface_from_bytes(content: bytes) -> Surface:
    """Read what `surface_to_bytes` wrote.

    Raises:
        InvalidInput: If the bytes are something else.
    """
    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        stored = json.loads(metadata["surface"])
        if not isinstance(stored["materials"], list):
            raise TypeError("materials is no list")
        materials = tuple(_material(entry, tensors) for entry in stored["materials"])
        parts = tuple(
            Part(name=part["name"], placements=np.array(part["placements"], np.float64))
            for part in stored["parts"]
        )
        views = tuple(
            View(pixels=_pixels(tensors[f"view{number}"]), projection=projection)
            for number, projection in enumerate(tensors.get("view_projections", ()))
        )
        positions, faces, normals, face_materials = (tensors[name] for name in _NEEDED)
        has_own_normals = bool(stored["has_own_normals"])
    except _UNREADABLE as e:
        raise InvalidInput(f"not a stored surface: {e}") from e
    return Surface(
        positions=positions,
        faces=faces,
        normals=normals,
        face_materials=face_materials,
        materials=materials,
        uvs=tensors.get("uvs"),
        colors=tensors.get("colors"),
        parts=parts,
        face_parts=tensors.get("face_parts"),
        views=views,
        has_own_normals=has_own_normals,
    )


def _wrap(stored: object) -> tuple[Wrap, Wrap]:
    match stored:
        case ["repeat" | "clamp" | "mirror" as along_u, "repeat" | "clamp" | "mirror" as along_v]:
            return along_u, along_v
    raise ValueError(f"textures cannot wrap like {stored!r}")


def _png(pixels: ByteArray) -> ByteArray:
    file = io.BytesIO()
    from PIL import Image as Pil  # late: whoever reads options loads this file

    Pil.fromarray(pixels).save(file, "PNG", compress_level=6)
    return np.frombuffer(file.getvalue(), np.uint8)


def _pixels(png: ByteArray) -> ByteArray:
    from PIL import Image as Pil

    picture = Pil.open(io.BytesIO(png.tobytes()))
    if picture.mode != "RGBA":
        raise ValueError(f"a view is {picture.mode} and not RGBA")
    return np.array(picture)


def _material(stored: Mapping[str, object], tensors: Mapping[str, np.ndarray]) -> Material:
    values: dict[str, object] = {}
    for name, value in stored.items():
        if isinstance(value, dict):
            value = Image(pixels=tensors[value["image"]], wrap=_wrap(value["wrap"]))
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    return Material(**values)  # type: ignore[arg-type]
