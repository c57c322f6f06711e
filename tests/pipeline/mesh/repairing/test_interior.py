"""What nobody can see goes; what can be seen or walked into stays, and closed stays closed."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import Cancelled
from pipeline.mesh.measuring.measure import face_areas, signed_volume, topology
from pipeline.mesh.repairing.interior import invisible_faces, remove_interior
from pipeline.mesh.repairing.repair import RepairOptions, repair, without_interior
from pipeline.types import Material, Mesh, Silent, Surface
from tests.pipeline.mesh.shapes import (
    Listener,
    cube,
    is_closed_manifold,
    mesh_of,
    plane,
    sphere,
    together,
)

GENERATED = RepairOptions.for_generated()
UPLOAD = RepairOptions.for_upload()


def _tick() -> None: ...


def inverted(mesh: Mesh) -> Mesh:
    return mesh_of(mesh.positions, mesh.faces[:, ::-1])


def lathe(profile: Sequence[tuple[float, float]], segments: int = 48) -> Mesh:
    """Turn a line of (radius, height) around Y; its right side is the front. Ends at radius 0
    become single vertices."""
    around = 2 * np.pi * np.arange(segments) / segments
    positions: list[tuple[float, float, float]] = []
    rings: list[NDArray[np.int64]] = []
    for radius, height in profile:
        if radius == 0:
            rings.append(np.full(segments, len(positions)))
            positions.append((0.0, height, 0.0))
        else:
            rings.append(len(positions) + np.arange(segments))
            positions += [(radius * np.cos(a), height, radius * np.sin(a)) for a in around]
    faces = []
    for low, high in pairwise(rings):
        a, b, c, d = low, np.roll(low, -1), np.roll(high, -1), high
        faces += [np.stack([a, d, c], axis=1), np.stack([a, c, b], axis=1)]
    joined = np.concatenate(faces)
    a, b, c = joined.T
    return mesh_of(positions, joined[(a != b) & (b != c) & (c != a)])


def arc(radius: float, end_deg: float) -> list[tuple[float, float]]:
    """Points of a circle around the origin, from its lowest up to a latitude."""
    angles = np.radians(np.linspace(-90, end_deg, 24))[1:]
    return [(0.0, -radius), *((radius * np.cos(a), radius * np.sin(a)) for a in angles)]


def vessel(opening_deg: float) -> Mesh:
    """A hollow ball of 1 m with a wall of 0.1 m and a round opening at its top."""
    return lathe([*arc(1.0, 90 - opening_deg), *reversed(arc(0.9, 90 - opening_deg))])


def blocks(solid: NDArray[np.bool_]) -> Mesh:
    """The surface of cubes of 1 m on a grid."""
    room = np.pad(solid, 1)
    quads = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for step in (1, -1):
            cells = np.argwhere(room & ~np.roll(room, -step, axis))
            corner = np.tile(cells[:, None], (1, 4, 1))
            corner[:, :, axis] += step > 0
            corner[:, (1, 2), u] += 1
            corner[:, (2, 3), v] += 1
            quads.append(corner if step > 0 else corner[:, ::-1])
    corners = np.concatenate(quads)
    positions, index = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    a, b, c, d = index.reshape(-1, 4).T
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return mesh_of(positions, faces)


def house(*, has_door: bool) -> Mesh:
    """A block with two rooms that a door 2 m wide joins; another may lead outside."""
    solid = np.ones((22, 9, 14), bool)
    solid[1:10, 1:8, 1:13] = False
    solid[11:21, 1:8, 1:13] = False
    solid[10, 1:6, 9:11] = False  # between the rooms, not in line with the door
    if has_door:
        solid[4:6, 1:6, 0] = False
    return blocks(solid)


def interior_area_ratio(mesh: Mesh) -> float:
    areas = face_areas(mesh)
    return float(areas[invisible_faces(mesh, _tick)].sum() / areas.sum())


@pytest.mark.parametrize("is_inverted", [False, True])
def test_a_box_in_a_box_goes_whichever_way_it_looks(is_inverted: bool) -> None:
    mesh = together(cube(), inverted(cube(0.8)) if is_inverted else cube(0.8))
    assert invisible_faces(mesh, _tick).tolist() == [False] * 12 + [True] * 12
    opened = remove_interior(mesh, _tick)
    assert opened.area_ratio == pytest.approx(0.64 / 1.64)
    assert is_closed_manifold(opened.mesh)
    assert signed_volume(opened.mesh) == pytest.approx(1)


def test_a_sphere_in_a_sphere_goes_and_is_reported() -> None:
    ball = sphere(16)
    inner = mesh_of(0.7 * ball.positions, ball.faces[:, ::-1])
    listener = Listener()
    result = repair(together(ball, inner), GENERATED, listener)
    assert result.counts.interior_dropped == len(inner.faces)
    assert result.counts.interior_area_ratio == pytest.approx(0.49 / 1.49)
    assert result.interior.tolist() == [False] * len(ball.faces) + [True] * len(inner.faces)
    assert (result.mesh.positions[result.mesh.faces] == ball.positions[ball.faces]).all()
    assert any("remove_interior to false" in warning for warning in listener.warnings)


def test_uploads_keep_their_insides() -> None:
    result = repair(together(cube(), cube(0.8)), UPLOAD, Silent())
    assert result.counts.interior_dropped == 0
    assert not result.interior.any()
    assert len(result.mesh.faces) == 24


def test_a_solid_body_loses_nothing() -> None:
    for mesh in (sphere(20, bump_m=0.2), cube(), together(cube(), cube(center=(3, 0, 0)))):
        assert interior_area_ratio(mesh) == 0


def test_little_that_is_hidden_is_not_worth_a_cut() -> None:
    small = mesh_of(0.1 * sphere(8).positions, sphere(8).faces)
    assert interior_area_ratio(together(sphere(16), small)) == 0


def test_the_inside_of_a_bowl_stays() -> None:
    assert interior_area_ratio(vessel(90.0)) == 0


def test_the_inside_of_a_vase_stays_where_something_can_fall_in() -> None:
    assert interior_area_ratio(vessel(12.0)) == 0


def test_the_inner_wall_behind_a_pinhole_goes_and_the_pinhole_is_closed() -> None:
    mesh = vessel(1.2)  # 4 cm wide
    assert is_closed_manifold(mesh)
    result = repair(mesh, GENERATED, Silent())
    assert result.counts.interior_area_ratio == pytest.approx(0.81 / 1.81, abs=0.02)
    assert is_closed_manifold(result.mesh)
    assert signed_volume(result.mesh) == pytest.approx(4 / 3 * np.pi, rel=0.02)
    assert result.counts.after.component_count == 1


def test_rooms_behind_a_door_stay_with_all_their_corners() -> None:
    assert interior_area_ratio(house(has_door=True)) == 0


def test_rooms_that_nobody_can_enter_go() -> None:
    mesh = house(has_door=False)
    opened = remove_interior(mesh, _tick)
    assert is_closed_manifold(opened.mesh)
    assert signed_volume(opened.mesh) == pytest.approx(22 * 9 * 14)


def test_a_bird_in_a_cage_stays() -> None:
    bars = np.zeros((41, 41, 41), bool)
    for axis in range(3):
        side = np.zeros((41, 41), bool)
        side[::5] = side[:, ::5] = True
        for end in (0, -1):
            np.moveaxis(bars, axis, 0)[end] |= side
    bird = sphere(12)
    bird = mesh_of(8 * bird.positions + 20, bird.faces)
    mesh = together(blocks(bars), bird)
    assert not invisible_faces(mesh, _tick)[-len(bird.faces) :].any()


def test_open_sheets_stay_seen_from_either_side() -> None:
    for turn in (1, -1):
        sheet = plane(6)
        mesh = mesh_of(sheet.positions, sheet.faces[:, ::turn])
        floor = mesh_of(mesh.positions * 3 - (0, 0, 0.5), mesh.faces)
        assert interior_area_ratio(together(mesh, floor)) == 0


def test_a_leaf_with_two_sides_stays() -> None:
    sheet = plane(6)
    mesh = mesh_of(sheet.positions, np.concatenate([sheet.faces, sheet.faces[:, ::-1]]))
    result = repair(mesh, GENERATED, Silent())
    assert len(result.mesh.faces) == len(mesh.faces)
    assert result.counts.open_parts_kept == 2


def test_a_sheet_inside_a_body_goes() -> None:
    mesh = together(sphere(16), mesh_of(0.5 * plane(8).positions, plane(8).faces))
    assert invisible_faces(mesh, _tick).sum() == len(plane(8).faces)


def test_what_two_bodies_share_goes_and_both_stay_closed() -> None:
    ball = sphere(40)
    other = mesh_of(ball.positions + np.array((0.9, 0.05, 0.0)), ball.faces)
    opened = remove_interior(together(ball, other), _tick)
    lens_cap = (1 - 0.45) / 2  # share of a ball's area inside the other
    assert opened.area_ratio == pytest.approx(lens_cap, abs=0.05)
    assert is_closed_manifold(opened.mesh)


def test_a_sheet_through_a_wall_keeps_its_border_and_is_closed_where_it_was_cut() -> None:
    sheet = mesh_of(2 * plane(40).positions, plane(40).faces)
    opened = remove_interior(together(sphere(24), sheet), _tick)
    assert opened.is_interior.any()
    assert topology(opened.mesh).boundary_edge_count == 4 * 40


def test_a_sheet_that_ends_inside_stays_open() -> None:
    sheet = mesh_of(2 * plane(40).positions + np.array((2, 0, 0)), plane(40).faces)
    opened = remove_interior(together(sphere(24), sheet), _tick)
    left = len(opened.is_interior) - opened.is_interior.sum()
    assert 0 < opened.is_interior.sum() < len(sheet.faces) / 4
    assert len(opened.mesh.faces) == left
    assert topology(opened.mesh).boundary_edge_count > 100


def test_a_ball_to_be_seen_from_inside_stays() -> None:
    dome = inverted(sphere(16))
    listener = Listener()
    result = repair(dome, replace(GENERATED, flip_inside_out=False), listener)
    assert result.counts.interior_dropped == 0
    assert signed_volume(result.mesh) < 0
    assert listener.warnings == []


def test_the_dense_surface_loses_what_repair_dropped() -> None:
    mesh = together(cube(), cube(0.8))
    surface = Surface(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=mesh.positions,
        face_materials=np.arange(24, dtype=np.int32),
        materials=tuple(Material() for _ in range(24)),
    )
    repaired = repair(mesh, GENERATED, Silent())
    seen = without_interior(surface, repaired)
    assert seen.faces.tolist() == mesh.faces[:12].tolist()
    assert seen.face_materials.tolist() == list(range(12))
    kept = repair(mesh, replace(GENERATED, remove_interior=False), Silent())
    assert without_interior(surface, kept) is surface


def test_a_mesh_too_large_to_look_at_itself_gives_the_same_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ball = sphere(50)
    mesh = together(ball, mesh_of(0.9 * ball.positions, ball.faces[:, ::-1]))
    expected = invisible_faces(mesh, _tick)
    assert expected.sum() == len(ball.faces)
    monkeypatch.setattr("pipeline.mesh.repairing.sight.EXACT_FACES", 1000)
    monkeypatch.setattr("pipeline.mesh.repairing.sight.PROXY_FACES", 4000)
    assert (invisible_faces(mesh, _tick) == expected).all()


def test_progress_can_stop_it() -> None:
    mesh = together(sphere(24), mesh_of(0.8 * sphere(24).positions, sphere(24).faces))
    listener = Listener()
    repair(mesh, GENERATED, listener)
    for calls in (len(listener.fractions) - 4, len(listener.fractions) - 8):
        with pytest.raises(Cancelled):
            repair(mesh, GENERATED, Listener(calls_left=calls))
