"""Repair makes manifolds, drops only dust, and never opens what is closed."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Cancelled, InvalidInput
from pipeline.mesh.measuring.measure import face_areas, signed_volume, topology
from pipeline.mesh.repairing.manifold import split_non_manifold
from pipeline.mesh.repairing.repair import RepairOptions, RepairResult, repair, turned_alike
from pipeline.types import Material, Mesh, Silent, Stage, Surface
from tests.pipeline.mesh.shapes import (
    Listener,
    crumbs,
    cube,
    edge_counts,
    face_normals,
    is_closed_manifold,
    mesh_of,
    plane,
    shredded,
    sphere,
    together,
    torn,
)

UPLOAD = RepairOptions.for_upload()
GENERATED = RepairOptions.for_generated()


def _repair(mesh: Mesh, options: RepairOptions = UPLOAD) -> RepairResult:
    return repair(mesh, options, Silent())


def test_a_sound_mesh_keeps_its_triangles() -> None:
    mesh = cube()
    result = _repair(mesh)
    assert is_closed_manifold(result.mesh)
    assert result.face_source.tolist() == list(range(12))
    before, after = mesh.positions[mesh.faces], result.mesh.positions[result.mesh.faces]
    assert (before == after).all()
    assert result.counts.before == result.counts.after


def test_the_input_is_not_changed() -> None:
    mesh = together(shredded(sphere(12)), crumbs(5))
    positions, faces = mesh.positions.copy(), mesh.faces.copy()
    _repair(mesh, GENERATED)
    assert (mesh.positions == positions).all()
    assert (mesh.faces == faces).all()


def test_the_same_input_gives_the_same_bytes() -> None:
    hidden = mesh_of(0.8 * sphere(12).positions, sphere(12).faces)
    mesh = together(shredded(sphere(12)), crumbs(5), hidden)
    first, second = (_repair(mesh, GENERATED) for _ in range(2))
    assert first.mesh.positions.tobytes() == second.mesh.positions.tobytes()
    assert first.mesh.faces.tobytes() == second.mesh.faces.tobytes()


def test_split_vertices_are_welded() -> None:
    result = _repair(shredded(sphere(12)))
    assert is_closed_manifold(result.mesh)
    assert len(result.mesh.positions) == len(sphere(12).positions)
    assert result.counts.welded_vertices == 3 * len(sphere(12).faces) - len(sphere(12).positions)


def test_the_surface_turns_where_the_mesh_was_turned_and_normals_look_outward() -> None:
    good, bad = cube(), cube(center=(5, 0, 0))
    mesh = together(good, mesh_of(bad.positions, bad.faces[:, ::-1]))
    outward = np.concatenate([good.positions, bad.positions - (5, 0, 0)]).astype(np.float32)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    repaired = _repair(mesh, UPLOAD)
    inward = np.where(np.arange(16)[:, None] < 8, outward, -outward)
    for normals in (outward, inward):  # wound inward, and shaded outward or inward
        surface = Surface(
            positions=mesh.positions,
            faces=mesh.faces,
            normals=normals,
            face_materials=np.zeros(24, np.int32),
            materials=(Material(),),
        )
        turned = turned_alike(surface, repaired)
        np.testing.assert_array_equal(turned.faces[:12], good.faces)
        assert signed_volume(turned.mesh) == pytest.approx(2)
        np.testing.assert_array_equal(turned.normals, outward)
        np.testing.assert_array_equal(surface.faces, mesh.faces)


def test_a_surface_that_repair_leaves_alone_stays_itself() -> None:
    ball = sphere(8)
    surface = Surface(
        positions=ball.positions,
        faces=ball.faces,
        normals=ball.positions,
        face_materials=np.zeros(len(ball.faces), np.int32),
        materials=(Material(),),
    )
    assert turned_alike(surface, _repair(ball, UPLOAD)) is surface


def test_minus_zero_and_zero_are_one_place() -> None:
    mesh = mesh_of(
        [(0, 0, 0), (1, 0, 0), (0, 1, 0), (-0.0, 0, 0), (0, 1, -0.0), (-1, 0, 0)],
        [(0, 1, 2), (3, 4, 5)],
    )
    assert len(_repair(mesh, replace(UPLOAD, weld_distance_ratio=0)).mesh.positions) == 4


def test_borders_within_the_weld_distance_are_joined() -> None:
    mesh = shredded(cube(), shrink=1e-7)
    assert is_closed_manifold(_repair(mesh).mesh)
    assert not is_closed_manifold(_repair(mesh, GENERATED).mesh)


def test_a_flat_triangle_goes_without_opening_the_surface() -> None:
    # A vertex on the middle of an edge: one side is split there, the other has a flat triangle.
    body = cube()
    a, b, c = body.faces[0].tolist()
    middle = len(body.positions)
    positions = np.concatenate([body.positions, (body.positions[[a]] + body.positions[[b]]) / 2])
    faces = [*body.faces[1:].tolist(), (a, middle, c), (middle, b, c), (a, b, middle)]
    mesh = mesh_of(positions, faces)
    assert topology(mesh).degenerate_face_count == 1
    assert is_closed_manifold(mesh)
    result = _repair(mesh)
    assert is_closed_manifold(result.mesh)
    assert result.counts.after.degenerate_face_count == 0
    assert signed_volume(result.mesh) == pytest.approx(1)
    assert len(result.mesh.faces) == 14


def test_a_repeated_face_goes_and_the_source_says_which_stayed() -> None:
    body = cube()
    mesh = mesh_of(body.positions, np.concatenate([body.faces, body.faces[3:5, [1, 2, 0]]]))
    result = _repair(mesh)
    assert result.counts.duplicate_dropped == 2
    assert is_closed_manifold(result.mesh)
    assert result.face_source.tolist() == list(range(12))


def test_a_leaf_with_two_sides_keeps_both() -> None:
    front = plane(4)
    mesh = mesh_of(front.positions, np.concatenate([front.faces, front.faces[:, ::-1]]))
    for options in (UPLOAD, GENERATED):
        result = _repair(mesh, options)
        assert len(result.mesh.faces) == 2 * len(front.faces)
        assert result.counts.after.component_count == 2
        assert result.counts.after.non_manifold_edge_count == 0
        normals = face_normals(result.mesh)[:, 2]
        assert (normals > 0.99).sum() == (normals < -0.99).sum() == len(front.faces)


def test_an_open_plane_stays_open() -> None:
    for options in (UPLOAD, GENERATED):
        result = _repair(plane(6), options)
        assert result.counts.after.boundary_edge_count == 24
        assert result.counts.holes_filled == 0


def test_specks_go_from_generated_meshes_and_stay_in_uploads() -> None:
    mesh = together(sphere(24), crumbs(30, size_m=0.01))
    assert _repair(mesh).counts.after.component_count == 31
    listener = Listener()
    result = repair(mesh, GENERATED, listener)
    assert result.counts.after.component_count == 1
    assert result.counts.specks_dropped == 30
    assert listener.warnings == []  # 0.2 % of the surface is dust
    assert set(result.face_source.tolist()) == set(range(len(sphere(24).faces)))


def test_a_button_near_the_coat_stays_and_a_speck_far_away_goes() -> None:
    body = sphere(24)
    button = mesh_of(0.04 * sphere(6).positions + np.array((0, 0, 1.06)), sphere(6).faces)
    floater = mesh_of(0.04 * sphere(6).positions + np.array((0, 2, 0)), sphere(6).faces)
    mesh = together(body, button, floater)
    both = _repair(mesh, GENERATED)
    assert both.counts.specks_dropped == 2
    assert both.counts.specks_kept_near == 0
    careful = _repair(mesh, replace(GENERATED, drop_speck_distance_ratio=0.02))
    assert careful.counts.specks_dropped == 1
    assert careful.counts.specks_kept_near == 1
    assert set(careful.face_source.tolist()) == set(range(len(body.faces) + len(button.faces)))
    # Far from a vertex is not far from a face.
    wall = together(cube(2.0), mesh_of(button.positions, button.faces))
    assert _repair(wall, replace(GENERATED, drop_speck_distance_ratio=0.02)).counts == (
        replace(_repair(wall, UPLOAD).counts, specks_kept_near=1)
    )


def test_the_leaves_of_a_tree_are_no_specks() -> None:
    trunk = sphere(24)
    leaves = crumbs(900, size_m=0.05)
    share = face_areas(leaves).sum() / (face_areas(leaves).sum() + face_areas(trunk).sum())
    assert share > 0.2
    listener = Listener()
    # The leaves that are inside the trunk are not what this is about.
    result = repair(together(trunk, leaves), replace(GENERATED, remove_interior=False), listener)
    assert 0 < result.counts.specks_area_ratio <= 0.05
    kept = face_areas(result.mesh).sum() / (face_areas(leaves).sum() + face_areas(trunk).sum())
    assert kept >= 0.95
    assert any("drop_speck_ratio" in warning for warning in listener.warnings)


def test_small_holes_are_filled_with_the_winding_around_them() -> None:
    whole = sphere(64)
    places = [(1, 0, 0), (0, 0, 1), (-0.7, 0.7, 0), (0, -0.7, -0.7)]
    mesh = torn(whole, places, 0.04)
    filled = _repair(mesh, GENERATED)
    assert filled.counts.holes_filled == 4
    assert is_closed_manifold(filled.mesh)
    assert (filled.face_source == -1).sum() == len(filled.mesh.faces) - len(mesh.faces)
    # Lids over a ball look outward, too.
    middle = filled.mesh.positions[filled.mesh.faces].mean(axis=1)
    assert ((face_normals(filled.mesh) * middle).sum(axis=1) > 0).all()
    assert _repair(mesh).counts.holes_filled == 0


def test_a_large_opening_is_no_hole() -> None:
    mesh = torn(sphere(32), [(0, 1, 0)], 0.8)
    assert _repair(mesh, GENERATED).counts.holes_filled == 0


def test_faces_that_look_the_wrong_way_are_turned() -> None:
    body = sphere(16)
    faces = body.faces.copy()
    wrong = np.random.default_rng(0).random(len(faces)) < 0.3
    faces[wrong] = faces[wrong, ::-1]
    result = _repair(mesh_of(body.positions, faces))
    assert result.counts.flipped_faces == wrong.sum()
    assert is_closed_manifold(result.mesh)
    assert signed_volume(result.mesh) == pytest.approx(signed_volume(body))


def test_an_inside_out_body_is_turned_with_a_warning() -> None:
    body = sphere(16)
    inverted = mesh_of(body.positions, body.faces[:, ::-1])
    listener = Listener()
    result = repair(together(cube(center=(5, 0, 0)), inverted), UPLOAD, listener)
    assert result.counts.flipped_parts == 1
    assert signed_volume(result.mesh) == pytest.approx(1 + signed_volume(body), rel=1e-4)
    assert any("inside out" in warning for warning in listener.warnings)
    kept = _repair(inverted, replace(UPLOAD, flip_inside_out=False))
    assert signed_volume(kept.mesh) < 0


def test_the_inner_wall_of_a_hollow_body_keeps_looking_inward() -> None:
    outer, hollow = sphere(16), cube(0.5)
    inner = mesh_of(hollow.positions, hollow.faces[:, ::-1])
    right = together(outer, inner)
    assert _repair(right).counts.flipped_parts == 0
    wrong = mesh_of(right.positions, right.faces[:, ::-1])
    result = _repair(wrong)
    assert result.counts.flipped_parts == 2
    assert signed_volume(result.mesh) == pytest.approx(signed_volume(outer) - 0.125)


def test_a_solid_inside_another_stays_as_it_is() -> None:
    assert _repair(together(sphere(16), cube(0.5))).counts.flipped_parts == 0


def test_cubes_that_share_an_edge_come_apart_closed() -> None:
    one, other = cube(1.0), cube(1.0, center=(1, 1, 0))
    result = _repair(together(one, other))
    assert result.counts.before.non_manifold_edge_count == 1
    assert result.counts.after.component_count == 2
    assert is_closed_manifold(result.mesh)
    # Each is whole: no face of one hangs on the other.
    assert signed_volume(result.mesh) == pytest.approx(2)
    assert result.counts.split_vertices == 2


def test_cubes_that_share_a_corner_come_apart() -> None:
    result = _repair(together(cube(1.0), cube(1.0, center=(1, 1, 1))))
    assert result.counts.before.component_count == 1
    assert result.counts.after.component_count == 2
    assert result.counts.split_vertices == 1


def test_three_pages_on_one_spine_become_manifold_and_keep_their_area() -> None:
    pages = [(np.cos(angle), np.sin(angle)) for angle in (0.0, 2.0, 4.0)]
    mesh = mesh_of(
        [(0, 0, 0), (0, 0, 1), *((x, y, 0.5) for x, y in pages)],
        [(0, 1, 2), (0, 1, 3), (0, 1, 4)],
    )
    result = _repair(mesh)
    assert max(edge_counts(result.mesh).values()) <= 2
    assert face_areas(result.mesh).sum() == pytest.approx(face_areas(mesh).sum())


def test_a_moebius_strip_is_kept_with_a_warning() -> None:
    count = 40
    turn = 2 * np.pi * np.arange(count) / count
    out = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    tilt = np.cos(turn / 2)[:, None] * out + np.sin(turn / 2)[:, None] * np.array([0, 0, 1])
    positions = np.concatenate([out + 0.2 * tilt, out - 0.2 * tilt])
    here = np.arange(count)
    there = (here + 1) % count
    # Past the seam the two rims change places.
    a, b = here, here + count
    c = np.where(there == 0, count, there)
    d = np.where(there == 0, 0, there + count)
    mesh = mesh_of(positions, np.stack([a, c, b, b, c, d], axis=1))
    listener = Listener()
    result = repair(mesh, UPLOAD, listener)
    assert result.counts.non_orientable_parts == 1
    assert len(result.mesh.faces) == 2 * count
    assert any("one side" in warning for warning in listener.warnings)


def test_without_triangles_there_is_nothing_to_repair() -> None:
    with pytest.raises(InvalidInput, match="0 triangles"):
        _repair(mesh_of(np.zeros((0, 3)), np.zeros((0, 3))))
    with pytest.raises(InvalidInput, match="has an area"):
        _repair(mesh_of(np.zeros((3, 3)), [(0, 1, 2)]))


def test_options_out_of_range_are_refused() -> None:
    for wrong in (
        {"weld_distance_ratio": 0.1},
        {"drop_speck_ratio": 1.0},
        {"drop_speck_distance_ratio": -0.1},
        {"fill_hole_edges": -1},
    ):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            replace(UPLOAD, **wrong)


def test_progress_can_stop_it() -> None:
    listener = Listener()
    repair(sphere(8), GENERATED, listener)
    assert listener.stages == {Stage.REPAIR}
    assert listener.fractions == sorted(listener.fractions)
    assert listener.fractions[-1] == 1
    with pytest.raises(Cancelled):
        repair(sphere(8), GENERATED, Listener(calls_left=2))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_triangles_become_a_manifold(data: st.DataObject) -> None:
    count = data.draw(st.integers(3, 9))
    corner = st.integers(0, count - 1)
    faces = data.draw(st.lists(st.tuples(corner, corner, corner), min_size=1, max_size=30))
    positions = np.random.default_rng(count).normal(size=(count, 3))
    generated = data.draw(st.booleans())
    try:
        result = _repair(mesh_of(positions, faces), GENERATED if generated else UPLOAD)
    except InvalidInput:
        assert all(len(set(face)) < 3 for face in faces)
        return
    assert max(edge_counts(result.mesh).values()) <= 2
    assert result.counts.after.degenerate_face_count == 0
    assert len(result.face_source) == len(result.mesh.faces)
    again = split_non_manifold(result.mesh.positions, result.mesh.faces)[0]
    if result.counts.non_orientable_parts == 0:
        assert len(again) == len(result.mesh.positions)


def test_speed_of_200k_triangles(capsys: pytest.CaptureFixture[str]) -> None:
    mesh = together(sphere(220, bump_m=0.05), crumbs(25, size_m=0.01))
    start = time.process_time()
    result = _repair(mesh, GENERATED)
    with capsys.disabled():
        print(f" {len(mesh.faces):,} triangles in {time.process_time() - start:.2f} cpu-s", end="")
    assert result.counts.after.is_closed
