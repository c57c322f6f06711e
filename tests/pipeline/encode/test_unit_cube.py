from dataclasses import replace

import numpy as np
import pytest

from pipeline.encode.unit_cube import UnitCube, fit_cube
from pipeline.errors import InvalidInput
from pipeline.model.generate import to_gltf_space
from tests.pipeline.encode.shapes import box


def test_the_longest_side_fills_its_share_of_the_cube_around_the_middle() -> None:
    surface = box((1, 3, 2), center=(5, -4, 7))
    inside = fit_cube(surface, 0.9).to_cube(surface.positions)
    assert inside.min(axis=0) == pytest.approx([-0.15, -0.3, -0.45])  # Z up: the height is last
    assert inside.max(axis=0) == pytest.approx([0.15, 0.3, 0.45])


def test_space_and_cube_are_inverse() -> None:
    cube = UnitCube(center=(1, 2, 3), side_m=4)
    places = np.random.default_rng(0).uniform(-0.9, 0.9, (50, 3)).astype(np.float32) * 2
    places += np.array([1, 2, 3], np.float32)
    assert cube.to_space(cube.to_cube(places).astype(np.float32)) == pytest.approx(places, abs=1e-5)


def test_a_cube_at_the_origin_is_turned_as_generated_surfaces_are() -> None:
    places = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3)).astype(np.float32)
    there = UnitCube(center=(0, 0, 0), side_m=1).to_space(places)
    assert there == pytest.approx(to_gltf_space(places))


def test_nothing_lies_on_the_border_of_a_full_cube() -> None:
    surface = box((1, 1, 1))
    inside = fit_cube(surface, 1.0).mesh(surface).positions
    assert 0.499 < np.abs(inside).max() < 0.5


def test_vertices_without_faces_do_not_count() -> None:
    surface = box((1, 1, 1))
    stray = np.array([(100, 0, 0)], np.float32)
    with_stray = replace(surface, positions=np.concatenate([surface.positions, stray]))
    assert fit_cube(with_stray, 1.0) == fit_cube(surface, 1.0)


@pytest.mark.parametrize(
    ("positions", "faces", "reason"),
    [
        ([(0, 0, 0)], [], "no triangles"),
        ([(1, 1, 1)] * 3, [(0, 1, 2)], "one point"),
        ([(0, 0, 0), (1, 0, 0), (0, np.nan, 0)], [(0, 1, 2)], "no numbers"),
    ],
)
def test_what_has_no_place_or_size_is_refused(
    positions: list[tuple[float, float, float]], faces: list[tuple[int, int, int]], reason: str
) -> None:
    surface = replace(
        box((1, 1, 1)),
        positions=np.array(positions, np.float32),
        faces=np.array(faces, np.int32).reshape(-1, 3),
    )
    with pytest.raises(InvalidInput, match=reason):
        fit_cube(surface, 1.0)
