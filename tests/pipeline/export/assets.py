"""What the tests of the exporter export."""

import numpy as np
from numpy.typing import NDArray

from pipeline.export.asset import ExportedFile, export_asset
from pipeline.export.parts import ExportPart
from pipeline.export.profiles import ExportOptions
from pipeline.types import Hull, Image, LodMeasure, Material, Progress, Silent, UnwrappedMesh
from tests.pipeline.samples import unwrapped_cube

LODS = [unwrapped_cube(segments=4), unwrapped_cube(segments=2), unwrapped_cube()]
COVERAGES = (0.4, 0.1, 0.01)
TETRAHEDRON = Hull(
    positions=np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32),
    faces=np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32),
)


def smooth(size: int = 64) -> NDArray[np.uint8]:
    """`[size, size, 3]` that JPEG likes."""
    y, x = np.mgrid[0:size, 0:size] / size
    waves = [np.sin(6 * x) * np.cos(5 * y), np.sin(4 * y + x), np.cos(7 * x * y)]
    noise = np.random.default_rng(1).normal(0, 1.0, (size, size, 3))
    return np.rint(128 + 80 * np.stack(waves, axis=2) + noise).astype(np.uint8)


TEXTURED = Material(
    base_color=Image(pixels=smooth()),
    metallic_roughness=Image(pixels=smooth()[::-1]),
    normal=Image(pixels=np.full((64, 64, 3), (128, 128, 255), np.uint8)),
    metallic_factor=1.0,
)


def measures(coverages: tuple[float, ...] = COVERAGES) -> list[LodMeasure]:
    return [
        LodMeasure(
            triangle_count=1,
            budget=0,
            deviation_max_m=0.0,
            deviation_mean_m=0.0,
            normal_deviation_deg=0.0,
            silhouette_px=0.0,
            screen_coverage=coverage,
        )
        for coverage in coverages
    ]


def exported(
    options: ExportOptions,
    *,
    name: str = "crate",
    lods: list[UnwrappedMesh] = LODS,
    material: Material = TEXTURED,
    hulls: tuple[Hull, ...] = (TETRAHEDRON,),
    progress: Progress | None = None,
) -> dict[str, ExportedFile]:
    """The files of an asset in one part, by their names."""
    files = export_asset(
        name,
        lods,
        measures(COVERAGES[: len(lods)]),
        material,
        [ExportPart.whole(lods, hulls)],
        options,
        progress or Silent(),
    )
    assert len({file.file_name for file in files}) == len(files)
    return {file.file_name: file for file in files}
