from dataclasses import replace

import numpy as np
import pytest

from pipeline.pictures.charts import charts_of, median_density, texel_densities
from pipeline.pictures.levels import Level, read_levels
from pipeline.types import Image, UnwrappedMesh
from tests.pipeline.pictures.sample_assets import asset, painted_sides
from tests.pipeline.samples import unwrapped_cube

# A side of the cube spans 0.9 / 3 by 0.9 / 2 of the atlas.
WIDE, HIGH = 0.3, 0.45


def level(mesh: UnwrappedMesh) -> Level:
    return read_levels(asset(mesh)).levels[0]


def charts(mesh: UnwrappedMesh):  # type: ignore[no-untyped-def]
    of_level = level(mesh)
    found = charts_of(of_level, of_level.draws[0].material.name, lambda: None)
    assert found is not None
    return found


@pytest.mark.parametrize("segments", [1, 4])
def test_a_cube_has_six_charts_and_their_outlines(segments: int) -> None:
    found = charts(unwrapped_cube(segments=segments))
    assert found.chart_count == 6
    assert found.is_border.sum() == 6 * 4 * segments
    assert found.covered.mean() == pytest.approx(6 * WIDE * HIGH, abs=0.002)


def test_hard_edges_end_no_chart() -> None:
    cube = unwrapped_cube(segments=2)
    apart = UnwrappedMesh(  # every face on vertices of its own
        positions=cube.positions[cube.faces].reshape(-1, 3),
        normals=cube.normals[cube.faces].reshape(-1, 3),
        tangents=cube.tangents[cube.faces].reshape(-1, 4),
        uvs=cube.uvs[cube.faces].reshape(-1, 2),
        faces=np.arange(3 * len(cube.faces), dtype=np.int32).reshape(-1, 3),
        face_source=cube.face_source,
    )
    assert charts(apart).chart_count == 6


def test_repeated_textures_are_shown_once() -> None:
    cube = unwrapped_cube()
    away = replace(cube, uvs=cube.uvs + np.array([3, -2], np.float32))
    found = charts(away)
    assert found.corners.min() >= 0
    assert found.corners.max() <= 1
    assert found.covered.mean() == pytest.approx(6 * WIDE * HIGH, abs=0.002)


def test_another_material_has_no_charts() -> None:
    assert charts_of(level(unwrapped_cube()), "nobody's", lambda: None) is None


def test_texel_density_is_texels_per_metre() -> None:
    pixels = np.zeros((512, 256, 3), np.uint8)
    material = replace(painted_sides(), base_color=Image(pixels=pixels))
    mesh = unwrapped_cube(segments=2, side_m=2.0)
    draws = read_levels(asset(mesh, material=material)).levels[0].draws
    wanted = ((WIDE * 256) * (HIGH * 512)) ** 0.5 / 2.0
    assert texel_densities(draws[0]) == pytest.approx(np.full(48, wanted), rel=1e-4)
    assert median_density(draws) == pytest.approx(wanted, rel=1e-4)
