"""Small assets for the tests of pictures."""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pipeline.export.glb import export_glb
from pipeline.export.parts import ExportPart
from pipeline.export.profiles import ExportOptions
from pipeline.types import Image, Material, Silent, UnwrappedMesh
from tests.pipeline.samples import measures_of, unwrapped_cube

# Of the sides of `unwrapped_cube`: front, back, +X, -X, top, bottom.
SIDES: Sequence[tuple[int, int, int]] = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (255, 0, 255),
    (0, 255, 255),
)
GENERIC = ExportOptions()


def painted_sides(texels: int = 8) -> Material:
    """A color for each side of the cube."""
    atlas = np.zeros((2 * texels, 3 * texels, 3), np.uint8)
    for number, color in enumerate(SIDES):
        row, column = divmod(number, 3)
        atlas[row * texels : (row + 1) * texels, column * texels : (column + 1) * texels] = color
    return Material(name="sides", base_color=Image(pixels=atlas))


def asset(
    *lods: UnwrappedMesh,
    material: Material | None = None,
    coverages: Sequence[float] = (),
    options: ExportOptions = GENERIC,
) -> bytes:
    """A GLB whose LODs take over at half, a quarter, ... of the view, unless told."""
    measures = measures_of(lods, coverages)
    return export_glb(
        "cube",
        lods,
        measures,
        material or painted_sides(),
        [ExportPart.whole(lods, [])],
        options,
        Silent(),
    )


def cube_chain() -> bytes:
    """A cube in two LODs that look alike."""
    return asset(unwrapped_cube(segments=4), unwrapped_cube(segments=1))


def moved(lod: UnwrappedMesh, by: tuple[float, float, float], scale: float = 1.0) -> UnwrappedMesh:
    positions = lod.positions * np.float32(scale) + np.array(by, np.float32)
    return replace(lod, positions=positions.astype(np.float32))


def pixels(picture: bytes) -> NDArray[np.int64]:
    return np.asarray(PillowImage.open(io.BytesIO(picture)).convert("RGB")).astype(np.int64)
