from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.encode.field_features import (
    CELLS,
    CORNER_OFFSETS,
    SHELL_CELLS,
    FieldShape,
    encoder_input,
    field_color,
    field_shape,
)
from pipeline.encode.unit_cube import UnitCube
from pipeline.encode.voxelize import voxelize
from pipeline.srgb import linear_from_srgb
from pipeline.training import dataset
from pipeline.training.slat import features
from pipeline.types import FloatArray, Image, Material, Surface
from tests.pipeline.encode.shapes import box, painted, plane, sphere, surface_of

SIDE = 8
CELL = 1 / (SIDE * CELLS)
CUBE = UnitCube(center=(0, 0, 0), side_m=1)  # glTF space and the cube differ by a turn only


def silent() -> None: ...


def no_warning(message: str) -> None:
    pytest.fail(message)


def shape_of(surface: Surface) -> FieldShape:
    return field_shape(CUBE.mesh(surface), SIDE, silent, no_warning)


def shape_with_warning(surface: Surface) -> tuple[FieldShape, str]:
    said: list[str] = []
    shape = field_shape(CUBE.mesh(surface), SIDE, silent, said.append)
    (message,) = said
    return shape, message


def corner_places(shape: FieldShape) -> FloatArray:
    """`[L, 125, 3]` in the cube."""
    corners = shape.coords[:, None] * CELLS + CORNER_OFFSETS
    return (corners * CELL - 0.5).astype(np.float32)


def as_set(shape: FieldShape) -> set[tuple[int, ...]]:
    return set(map(tuple, shape.coords.tolist()))


def test_corners_and_features_are_laid_out_as_the_starter_was_trained() -> None:
    assert (CORNER_OFFSETS == dataset.CORNER_OFFSETS).all()
    assert CELLS == dataset.CELLS
    rng = np.random.default_rng(0)
    sdf = rng.uniform(-1, 1, (5, 125)).astype(np.float32)
    color = rng.integers(0, 256, (5, 125, 3)).astype(np.uint8)
    trained = features(torch.from_numpy(sdf.astype(np.float16)), torch.from_numpy(color))
    assert encoder_input(sdf, color).equal(trained)


def test_distances_of_a_ball_are_those_of_the_formula() -> None:
    shape = shape_of(sphere(0.37))
    distance = np.linalg.norm(corner_places(shape), axis=2) - 0.37
    assert shape.sdf == pytest.approx(np.clip(distance * SIDE, -1, 1), abs=0.01)


def test_active_voxels_of_a_ball_have_corners_on_both_sides() -> None:
    shape = shape_of(sphere(0.37))
    voxels = np.array(list(np.ndindex((SIDE,) * 3)))
    corners = (voxels[:, None] * CELLS + CORNER_OFFSETS) * CELL - 0.5
    distance = np.linalg.norm(corners, axis=2) - 0.37
    least, most = distance.min(axis=1), distance.max(axis=1)
    sagitta = 5e-4  # the ball is made of flat triangles
    surely = {tuple(v) for v in voxels[(least < -sagitta) & (most > sagitta)].tolist()}
    maybe = {tuple(v) for v in voxels[(least < sagitta) & (most > -sagitta)].tolist()}
    assert surely <= as_set(shape) <= maybe
    assert shape.coords.tolist() == sorted(shape.coords.tolist())


def test_a_body_that_is_inside_out_is_the_same_body() -> None:
    ball = sphere(0.37)
    turned = replace(ball, faces=ball.faces[:, ::-1].copy())
    assert (shape_of(turned).sdf == shape_of(ball).sdf).all()


def test_a_small_hole_does_not_matter() -> None:
    whole, holed = shape_of(sphere(0.37)), shape_of(sphere(0.37, keep=0.9995))
    assert len(as_set(whole) ^ as_set(holed)) < 0.03 * len(as_set(whole))


def test_a_bowl_without_thickness_stays_hollow() -> None:
    shape, message = shape_with_warning(sphere(0.37, keep=0.5))
    assert "open" in message
    radius = np.linalg.norm(corner_places(shape), axis=2)
    is_below = (corner_places(shape)[:, :, 2] < -2 * CELL).all(axis=1)  # Z up
    expected = (np.abs(radius - 0.37) - SHELL_CELLS * CELL) * SIDE
    assert shape.sdf[is_below] == pytest.approx(np.clip(expected[is_below], -1, 1), abs=0.02)


def test_a_sheet_becomes_a_shell_of_two_cells_in_every_voxel_it_passes() -> None:
    surface = plane(0.7)
    shape, message = shape_with_warning(surface)
    assert "100 %" in message
    assert set(map(tuple, voxelize(CUBE.mesh(surface), SIDE, silent).tolist())) <= as_set(shape)
    x, y, z = np.moveaxis(corner_places(shape), 2, 0)
    over = np.hypot(np.maximum(np.abs(x) - 0.35, 0), np.maximum(np.abs(y) - 0.35, 0))
    expected = (np.hypot(over, z) - SHELL_CELLS * CELL) * SIDE
    assert shape.sdf == pytest.approx(np.clip(expected, -1, 1), abs=1e-3)


def test_a_board_thinner_than_a_cell_is_not_lost() -> None:
    board = box((0.4, 0.15 * CELL, 0.4), center=(0, 0.4 * CELL, 0))
    shape, message = shape_with_warning(board)
    assert "thin" in message
    passed = voxelize(CUBE.mesh(board), SIDE, silent)
    assert set(map(tuple, passed.tolist())) <= as_set(shape)


def test_the_inside_may_begin_in_voxels_that_the_surface_does_not_touch() -> None:
    # A little outside of the planes between voxels: no corner of a voxel it passes is deep inside.
    half = 0.25 + 1e-4
    shape = shape_of(box((half,) * 3))
    away = np.abs(corner_places(shape)) - half
    outside = np.linalg.norm(np.maximum(away, 0), axis=2)
    distance = outside + np.minimum(away.max(axis=2), 0)
    assert shape.sdf == pytest.approx(np.clip(distance * SIDE, -1, 1), abs=1e-3)


def test_a_body_beside_a_sheet_keeps_its_distances() -> None:
    ball, flag = sphere(0.2), plane(0.3)
    lifted = flag.positions + np.array([0, 0.4, 0], np.float32)
    both = surface_of(
        np.concatenate([ball.positions, lifted]),
        np.concatenate([ball.faces, flag.faces + len(ball.positions)]),
    )
    shape, message = shape_with_warning(both)
    assert "%" in message
    places = corner_places(shape)
    is_at_ball = (places[:, :, 2] < 0.25).all(axis=1)
    assert is_at_ball.any()
    assert not is_at_ball.all()
    distance = np.linalg.norm(places[is_at_ball], axis=2) - 0.2
    assert shape.sdf[is_at_ball] == pytest.approx(np.clip(distance * SIDE, -1, 1), abs=0.02)


def test_a_line_becomes_a_rod() -> None:
    line = surface_of([(-0.3, 0, 0), (0.3, 0, 0), (0.1, 0, 0)], [(0, 1, 2)])
    shape, message = shape_with_warning(line)
    assert "100 %" in message
    x, y, z = np.moveaxis(corner_places(shape), 2, 0)
    over = np.maximum(np.abs(x) - 0.3, 0)
    expected = (np.sqrt(over**2 + y**2 + z**2) - SHELL_CELLS * CELL) * SIDE
    assert shape.sdf == pytest.approx(np.clip(expected, -1, 1), abs=1e-3)


class TestColor:
    def test_it_is_that_of_the_nearest_side(self) -> None:
        ball = sphere(0.37)
        is_right = ball.positions[:, :1] > 0
        srgb = np.where(is_right, (0.8, 0.2, 0.4), (0.1, 0.6, 1.0))
        surface = painted(ball, linear_from_srgb(srgb))
        shape = shape_of(surface)
        color = field_color(surface, CUBE, shape, silent)
        assert color.shape == (len(shape.coords), 125, 3)
        x = corner_places(shape)[:, :, 0]
        assert np.abs(color[x > 0.05].astype(int) - (204, 51, 102)).max() <= 1
        assert np.abs(color[x < -0.05].astype(int) - (26, 153, 255)).max() <= 1

    def test_texture_factor_and_light_count(self) -> None:
        pixels = np.zeros((2, 2, 3), np.uint8)
        pixels[:] = (188, 255, 0)  # 188 is half of the light
        material = Material(
            base_color=Image(pixels=pixels),
            base_color_factor=(0.5, 0.5, 0.5, 1.0),
            emissive_factor=(0.0, 0.0, 0.25),
        )
        body = box((0.3, 0.3, 0.3))
        uvs = np.full((len(body.positions), 2), 0.5, np.float32)
        surface = replace(body, uvs=uvs, materials=(material,))
        color = field_color(surface, CUBE, shape_of(surface), silent)
        assert np.abs(color.astype(int) - (137, 188, 137)).max() <= 1

    def test_textures_are_averaged_over_a_cell(self) -> None:
        checker = np.indices((512, 512)).sum(axis=0) % 2 * np.uint8(255)
        material = Material(base_color=Image(pixels=checker[:, :, None].astype(np.uint8)))
        sheet = plane(0.9)
        uvs = sheet.positions[:, [0, 2]] / 0.9 + 0.5
        surface = replace(sheet, uvs=uvs.astype(np.float32), materials=(material,))
        shape, _ = shape_with_warning(surface)
        assert np.abs(field_color(surface, CUBE, shape, silent).astype(int) - 188).max() <= 3
