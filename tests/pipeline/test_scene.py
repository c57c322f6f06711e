"""Parts: joined into one surface, or kept with their places."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.scene import (
    PartOptions,
    PartWeight,
    assembled,
    can_be_copies,
    frame_of,
    is_sheared,
    moved,
    part_of,
)
from pipeline.types import Material, Part, Surface, View


def rotation(x: float, y: float, z: float) -> NDArray[np.float64]:
    turn = np.eye(3)
    for angle, (i, j) in ((x, (1, 2)), (y, (2, 0)), (z, (0, 1))):
        step = np.eye(3)
        step[i, i] = step[j, j] = np.cos(angle)
        step[j, i], step[i, j] = np.sin(angle), -np.sin(angle)
        turn = step @ turn
    return turn


def placed(
    turn: NDArray[np.float64], scale: tuple[float, float, float], at: tuple[float, float, float]
) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = turn * scale
    matrix[:3, 3] = at
    return matrix


def triangle(*placements: NDArray[np.float64]) -> Surface:
    """One triangle in its own space, where it stands first."""
    surface = Surface(
        positions=np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0]], np.float32),
        faces=np.array([[0, 1, 2]], np.int32),
        normals=np.array([[0, 0, 1]] * 3, np.float32),
        face_materials=np.zeros(1, np.int32),
        materials=(Material(),),
    )
    there = moved(surface, placements[0])
    return Surface(
        positions=there.positions,
        faces=there.faces,
        normals=there.normals,
        face_materials=there.face_materials,
        materials=there.materials,
        parts=(Part(name="Wheel", placements=np.stack(placements)),),
        face_parts=np.zeros(1, np.int32),
    )


def face_normal(surface: Surface, face: int) -> NDArray[np.float64]:
    a, b, c = surface.positions[surface.faces[face]].astype(np.float64)
    normal: NDArray[np.float64] = np.cross(b - a, c - a)
    return normal / np.linalg.norm(normal)


def test_every_copy_stands_where_its_node_is() -> None:
    first = placed(rotation(0.3, 0.2, 0.1), (2, 2, 2), (1, 2, 3))
    second = placed(rotation(-1, 0.5, 2), (1, 4, 1), (-5, 0, 0))
    whole = assembled(triangle(first, second))
    assert len(whole.faces) == 2
    assert whole.parts == ()
    assert whole.face_parts is None
    local = np.array([[0, 0, 0, 1], [1, 0, 0, 1], [0, 2, 0, 1]], np.float64)
    np.testing.assert_allclose(whole.positions[3:], (local @ second.T)[:, :3], atol=1e-5)


def test_a_mirrored_copy_looks_the_same_way_as_its_normals() -> None:
    whole = assembled(triangle(np.eye(4), placed(np.eye(3), (-1, 1, 1), (5, 0, 0))))
    for face in range(2):
        normal = whole.normals[whole.faces[face, 0]]
        np.testing.assert_allclose(face_normal(whole, face), normal, atol=1e-6)


@pytest.mark.parametrize("scale", [(1, 1, 0), (0, 1, 1), (0, 0, 1), (1e-20, 1e-20, 1e-20)])
def test_normals_of_a_flat_or_tiny_copy_have_length_one(scale: tuple[float, float, float]) -> None:
    whole = assembled(triangle(np.eye(4), placed(np.eye(3), scale, (5, 0, 0))))
    np.testing.assert_allclose(np.linalg.norm(whole.normals, axis=1), 1, atol=1e-6)


def test_views_move_along_even_when_mirrored_and_are_kept_with_parts() -> None:
    projection = np.array([(100, 0, -50, 300), (0, 90, -40, 200), (0.0, 0.1, -1, 20)])
    view = View(pixels=np.zeros((2, 2, 4), np.uint8), projection=projection)
    surface = replace(triangle(np.eye(4)), views=(view,))
    there = moved(surface, placed(rotation(0.3, 1, 2), (-2, 3, 1), (1, 2, 3)))
    before, after = (
        np.column_stack([body.positions, np.ones(3)]) @ body.views[0].projection.T
        for body in (surface, there)
    )
    np.testing.assert_allclose(after, before, rtol=1e-4)
    assert part_of(surface, 0).views == assembled(surface).views == (view,)


angles = st.floats(-3, 3)
scales = st.floats(0.1, 10)


@settings(max_examples=50, deadline=None)
@given(st.tuples(angles, angles, angles), st.tuples(scales, scales, scales))
def test_a_frame_is_a_rotation_and_a_shift(
    turn: tuple[float, float, float], scale: tuple[float, float, float]
) -> None:
    frame = frame_of(placed(rotation(*turn), scale, (1, 2, 3)))
    np.testing.assert_allclose(frame[:3, :3] @ frame[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(frame) == pytest.approx(1)
    assert frame[:3, 3].tolist() == [1, 2, 3]
    np.testing.assert_allclose(frame[:3, :3], rotation(*turn), atol=1e-9)


def test_copies_differ_by_what_a_node_can_do() -> None:
    first = placed(rotation(0.3, 0.2, 0.1), (1, 2, 3), (0, 0, 0))
    assert can_be_copies(first, placed(rotation(1, 1, 1), (4, 1, 1), (9, 9, 9)))
    assert can_be_copies(first, placed(rotation(1, 1, 1), (-1, 2, 3), (9, 9, 9)))
    sheared = placed(np.eye(3), (3, 1, 1), (0, 0, 0)) @ first
    assert is_sheared(sheared)
    assert not can_be_copies(first, sheared)
    assert not can_be_copies(placed(np.eye(3), (1, 0, 1), (0, 0, 0)), first)  # flattened


def test_a_part_alone_has_only_its_vertices() -> None:
    two = triangle(np.eye(4))
    both = Surface(
        positions=np.concatenate([two.positions, two.positions + np.float32(5)]),
        faces=np.array([[0, 1, 2], [3, 4, 5]], np.int32),
        normals=np.tile(two.normals, (2, 1)),
        face_materials=np.array([0, 1], np.int32),
        materials=(Material(name="a"), Material(name="b")),
        parts=(two.parts[0], two.parts[0]),
        face_parts=np.array([0, 1], np.int32),
    )
    second = part_of(both, 1)
    np.testing.assert_array_equal(second.positions, both.positions[3:])
    assert second.faces.tolist() == [[0, 1, 2]]
    assert second.face_materials.tolist() == [1]


def test_weights_go_by_name() -> None:
    options = PartOptions(
        mode="separate",
        weights=(PartWeight(name="Wheel*", weight=2.0), PartWeight(name="*", weight=0.5)),
    )
    assert [options.weight_of(name) for name in ("Wheel_L", "Body")] == [2.0, 0.5]
    assert PartOptions().weight_of("Body") == 1.0
    with pytest.raises(InvalidInput, match="Body must be in"):
        PartWeight(name="Body", weight=0.0)
    with pytest.raises(InvalidInput, match="needs a name"):
        PartWeight(weight=2.0)
    with pytest.raises(InvalidInput, match="set parts mode to separate"):
        PartOptions(weights=(PartWeight(name="a", weight=2.0),))
