"""What is said about charts is what one gets by hand."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from pipeline.mesh.charts.keep_uvs import judge_uvs
from pipeline.mesh.charts.lightmap import lightmap_uvs
from pipeline.mesh.charts.measure_uvs import measure_uvs
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.types import Silent, UnwrappedMesh
from tests.pipeline.mesh.shapes import sphere

FACES = np.array([(0, 1, 2), (0, 2, 3)], np.int32)


def _quads(*rectangles: ArrayLike, size_m: float = 2.0) -> UnwrappedMesh:
    """A square of `size_m` in space for each left, top, right, bottom in the atlas."""
    uvs = []
    for left, top, right, bottom in np.array(rectangles, np.float32):
        uvs += [(left, bottom), (right, bottom), (right, top), (left, top)]
    count = len(rectangles)
    corners = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], np.float32) * size_m
    return UnwrappedMesh(
        positions=np.tile(corners, (count, 1)),
        normals=np.tile(np.array([0, 0, 1], np.float32), (4 * count, 1)),
        tangents=np.tile(np.array([1, 0, 0, 1], np.float32), (4 * count, 1)),
        uvs=np.array(uvs, np.float32),
        faces=np.concatenate([FACES + 4 * n for n in range(count)]),
        face_source=np.arange(2 * count, dtype=np.int32),
    )


def test_two_squares() -> None:
    mesh = _quads((0.0, 0.0, 0.5, 0.5), (0.5625, 0.0, 0.8125, 0.25))
    measure = measure_uvs((mesh,), 64)
    assert measure.coverage == (32**2 + 16**2) / 64**2
    assert measure.overlap_ratio == 0
    assert measure.mirrored_ratio == 0
    assert measure.gutter_texels == 4
    (lod,) = measure.lods
    assert lod.chart_count == 2
    assert lod.smallest_chart_texels == pytest.approx(16**2)
    assert lod.texels_per_m_p5 == pytest.approx(8)  # 16 texels for 2 m
    assert lod.texels_per_m_p95 == pytest.approx(16)


@pytest.mark.parametrize(("away", "gap"), [(0, 0), (1, 1), (2, 2), (9, 9)])
def test_gutters_are_the_free_texels_between_two_charts(away: int, gap: int) -> None:
    start = (20 + away) / 64
    below = _quads((0, 0, 20 / 64, 20 / 64), (start, start, start + 0.25, start + 0.25))
    assert measure_uvs((below,), 64).gutter_texels == gap
    beside = _quads((0, 0, 20 / 64, 20 / 64), (start, 0, start + 0.25, 0.25))
    assert measure_uvs((beside,), 64).gutter_texels == gap


def test_charts_of_two_lods_may_not_overlap() -> None:
    one, two = _quads((0, 0, 0.5, 0.5)), _quads((0.25, 0.25, 0.75, 0.75))
    measure = measure_uvs((one, two), 64)
    assert measure.coverage == (2 * 32**2 - 16**2) / 64**2
    assert measure.overlap_ratio == pytest.approx(16**2 / (2 * 32**2 - 16**2))
    assert measure.gutter_texels == 0


def test_mirrored_charts_are_counted_by_area() -> None:
    mesh = _quads((0, 0, 0.25, 0.25), (0.75, 0.25, 0.5, 0.5), (0.1, 0.6, 0.2, 0.7))
    assert measure_uvs((mesh,), 64).mirrored_ratio == pytest.approx(1 / 3)


@pytest.mark.parametrize(("ratio", "stretch"), [(1, 1), (2, np.sqrt((2 + 0.5) / 2)), (4, 1.4577)])
def test_stretch_is_that_of_the_texture_on_the_surface(ratio: float, stretch: float) -> None:
    # Twice as dense along one side as along the other: sqrt((a^2 + b^2) / 2) with ab = 1.
    mesh = _quads((0, 0, 0.8, 0.8 / ratio))
    assert measure_uvs((mesh,), 256).lods[0].stretch_l2 == pytest.approx(stretch, rel=1e-4)


def test_good_uvs_are_kept() -> None:
    assert judge_uvs(*_uvs_of(_quads((0, 0, 0.6, 0.6)))) == ""


@pytest.mark.parametrize(
    ("rectangles", "reason"),
    [
        ([(0, 0, 1.5, 0.5)], "they reach from 0.00 to 1.50, beyond the texture"),
        ([(0.6, 0, 0, 0.6)], "100.0% of what they cover is mirrored"),
        ([(0, 0, 0.6, 0.6), (0.3, 0, 0.9, 0.6)], "33.3% of what they cover is covered again"),
        ([(0, 0, 0.2, 0.2)], "they cover only 4.0% of the texture"),
        ([(0.2, 0.2, 0.2, 0.2)], "they cover nothing"),
        ([(0, 0, np.nan, 1)], "some are not numbers"),
    ],
)
def test_poor_uvs_are_told_with_the_reason(rectangles: list[ArrayLike], reason: str) -> None:
    assert judge_uvs(*_uvs_of(_quads(*rectangles))).startswith(reason)


def test_mirrored_uvs_may_be_allowed() -> None:
    assert judge_uvs(*_uvs_of(_quads((0.6, 0, 0, 0.6))), may_mirror=True) == ""


def _uvs_of(mesh: UnwrappedMesh) -> tuple[np.ndarray, np.ndarray]:
    return mesh.uvs, mesh.faces


def test_a_lightmap_is_sound_and_has_wider_gutters() -> None:
    (mesh,) = unwrap((sphere(16, bump_m=0.1),), UnwrapOptions(texture_size=512), Silent())
    uvs = lightmap_uvs(mesh, 512, lambda: None)
    light = UnwrappedMesh(
        positions=mesh.positions,
        normals=mesh.normals,
        tangents=mesh.tangents,
        uvs=uvs,
        faces=mesh.faces,
        face_source=mesh.face_source,
    )
    measure = measure_uvs((light,), 512)
    assert measure.gutter_texels >= 4
    assert measure.overlap_ratio == 0
    assert measure.mirrored_ratio == 0
    assert measure.coverage > 0.5
    assert measure.lods[0].stretch_l2 < 1.05
    assert measure.lods[0].chart_count == measure_uvs((mesh,), 512).lods[0].chart_count
