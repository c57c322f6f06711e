"""Sky is counted by the cosine, and averaged within a chart only."""

import numpy as np

from pipeline.texture.occlusion import SkyRays, chart_texels, mean_in_chart, sky_texels
from pipeline.texture.project import Projector
from pipeline.types import Material, Surface
from tests.pipeline.mesh.shapes import mesh_of, plane, together


def test_a_wall_hides_half_the_sky_at_its_foot() -> None:
    floor = plane(cells=2)
    wall = mesh_of(floor.positions[:, [2, 0, 1]] * 10, floor.faces)  # in the plane x = 0
    both = together(floor, wall)
    surface = Surface(
        positions=both.positions,
        faces=both.faces,
        normals=np.repeat(
            np.array([[0, 0, 1], [1, 0, 0]], np.float32), len(floor.positions), axis=0
        ),
        face_materials=np.zeros(len(both.faces), np.int32),
        materials=(Material(),),
    )
    rows, columns = (x.ravel() for x in np.indices((16, 16)))
    points = np.column_stack([np.full(256, 0.02), np.linspace(-0.5, 0.5, 256), np.zeros(256)])
    projector = Projector(surface, lambda: None)
    hits = projector.project(points, np.tile([0.0, 0, 1], (256, 1)), np.full(256, 0.1))
    seen = SkyRays(surface).seen(hits, rows, columns)
    assert abs(seen.mean() - 0.5) < 0.02


def test_the_mean_stays_within_a_chart() -> None:
    # Left and right half of the texture: two faces that share no vertex.
    faces = np.array([(0, 1, 2), (3, 4, 5)], np.int32)
    owners = np.repeat(np.array([[0] * 8 + [1] * 8], np.int32), 12, axis=0)
    owners[0, 0] = -1
    charts = chart_texels(owners, faces)
    noise = np.random.default_rng(0).random((12, 16)).astype(np.float32)
    left_only = np.where(owners == 0, noise, np.float32(1))
    is_known = sky_texels(charts)
    means = mean_in_chart(left_only, is_known, charts, lambda: None)
    assert (means[owners == 1] == 1).all()
    assert means[owners < 0] == 0
    assert np.isclose(means[6, 4], noise[2:10:2, 0:8:2].mean())
    assert np.isclose(means[6, 7], noise[2:10:2, 4:8:2].mean())


def test_one_texel_of_each_chart_in_a_cell_casts_rays() -> None:
    charts = np.full((4, 4), -1, np.int32)
    charts[0, 1] = charts[1, 1] = 3  # one cell, one chart: the upper
    charts[2, 2], charts[2, 3], charts[3, 2] = 1, 2, 1  # one cell, two charts
    expected = np.zeros((4, 4), bool)
    expected[0, 1] = expected[2, 2] = expected[2, 3] = True
    assert (sky_texels(charts) == expected).all()
