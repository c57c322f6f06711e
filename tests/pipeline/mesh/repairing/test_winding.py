"""Parts are turned to be seen from their front, and only those that clearly are not."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import signed_volume
from pipeline.mesh.repairing.repair import RepairOptions, RepairResult, repair
from pipeline.types import Mesh, Silent
from tests.pipeline.mesh.shapes import (
    Listener,
    face_normals,
    mesh_of,
    plane,
    sphere,
    together,
    torn,
)

UPLOAD = RepairOptions.for_upload()


def _repair(mesh: Mesh) -> RepairResult:
    return repair(mesh, UPLOAD, Silent())


def inverted(mesh: Mesh) -> Mesh:
    return mesh_of(mesh.positions, mesh.faces[:, ::-1])


def cup(center: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    """A ball whose top is cut off, wound as seen from outside."""
    whole = sphere(20)
    middle = whole.positions[whole.faces].mean(axis=1)
    below = whole.faces[middle[:, 1] < 0.6]
    return mesh_of(whole.positions + np.array(center), below)


def outward(mesh: Mesh, center: tuple[float, float, float] = (0, 0, 0)) -> NDArray[np.bool_]:
    """Which faces look away from a point."""
    middle = mesh.positions[mesh.faces].mean(axis=1) - np.array(center)
    away: NDArray[np.bool_] = (face_normals(mesh) * middle).sum(axis=1) > 0
    return away


def test_a_cup_that_is_inside_out_is_turned_with_a_warning() -> None:
    listener = Listener()
    result = repair(inverted(cup()), UPLOAD, listener)
    assert result.counts.parts_turned_by_vote == 1
    assert outward(result.mesh).all()
    assert any("vote_winding" in warning for warning in listener.warnings)
    assert result.counts.open_parts_kept == 1


def test_a_cup_that_is_right_stays() -> None:
    result = _repair(cup())
    assert result.counts.parts_turned_by_vote == 0
    assert outward(result.mesh).all()


def test_each_part_votes_for_itself() -> None:
    result = _repair(together(cup(), inverted(cup((5, 0, 0))), cup((0, 0, 5))))
    assert result.counts.parts_turned_by_vote == 1
    count = len(cup().faces)
    pieces = [
        Mesh(positions=result.mesh.positions, faces=result.mesh.faces[n : n + count])
        for n in (0, count, 2 * count)
    ]
    for piece, center in zip(pieces, [(0, 0, 0), (5, 0, 0), (0, 0, 5)], strict=True):
        assert outward(piece, center).all()


@pytest.mark.parametrize("turn", [1, -1])
def test_a_flag_stays_as_it_is(turn: int) -> None:
    flag = plane(12, wave_m=0.2)
    mesh = mesh_of(flag.positions, flag.faces[:, ::turn])
    result = _repair(mesh)
    assert result.counts.parts_turned_by_vote == 0
    assert result.counts.open_parts_kept == 1
    assert (result.mesh.positions[result.mesh.faces] == mesh.positions[mesh.faces]).all()


def test_half_a_ball_may_be_a_dish() -> None:
    whole = sphere(20)
    middle = whole.positions[whole.faces].mean(axis=1)
    dish = inverted(mesh_of(whole.positions, whole.faces[middle[:, 1] < 0]))
    assert _repair(dish).counts.parts_turned_by_vote == 0


def test_the_lining_of_a_cup_stays() -> None:
    lining = mesh_of(0.95 * cup().positions, cup().faces[:, ::-1])
    result = _repair(together(cup(), lining))
    assert result.counts.parts_turned_by_vote == 0
    assert outward(result.mesh).sum() == len(cup().faces)


def test_a_cup_with_two_sides_keeps_both() -> None:
    one = cup()
    result = _repair(mesh_of(one.positions, np.concatenate([one.faces, one.faces[:, ::-1]])))
    assert result.counts.parts_turned_by_vote == 0
    assert outward(result.mesh).sum() == len(one.faces)


def test_a_panel_that_hides_its_front_is_turned() -> None:
    panel = mesh_of(0.3 * plane(4).positions + np.array((0, 0, 1.01)), plane(4).faces)
    body = sphere(24)
    assert _repair(together(body, panel)).counts.parts_turned_by_vote == 0
    assert _repair(together(body, inverted(panel))).counts.parts_turned_by_vote == 1


def test_normals_that_were_made_with_a_sky_keep_it() -> None:
    sky = inverted(cup())
    inward = -sky.positions / np.linalg.norm(sky.positions, axis=1, keepdims=True)
    kept = repair(sky, UPLOAD, Silent(), normals=inward)
    assert kept.counts.parts_turned_by_vote == 0
    assert not outward(kept.mesh).any()
    turned = repair(sky, UPLOAD, Silent(), normals=-inward)  # shaded to be seen from outside
    assert turned.counts.parts_turned_by_vote == 1
    assert outward(turned.mesh).all()


def test_voting_can_be_turned_off() -> None:
    options = replace(UPLOAD, vote_winding=False)
    result = repair(inverted(cup()), options, Silent())
    assert result.counts.parts_turned_by_vote == 0
    assert not outward(result.mesh).any()


def test_a_body_with_a_tear_is_turned_by_its_volume() -> None:
    mesh = inverted(torn(sphere(40), [(1, 0, 0)], 0.1))
    small = mesh_of(0.01 * mesh.positions + np.array((3, 0, 0)), mesh.faces)
    result = _repair(together(mesh, small))
    assert result.counts.flipped_parts == 2
    assert result.counts.parts_turned_by_vote == 0
    assert signed_volume(result.mesh) > 4
    assert outward(
        Mesh(positions=result.mesh.positions, faces=result.mesh.faces[-len(small.faces) :]),
        (3, 0, 0),
    ).all()


def test_hollows_are_found_in_a_mesh_too_large_to_look_at_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.mesh.repairing.sight.EXACT_FACES", 500)
    monkeypatch.setattr("pipeline.mesh.repairing.sight.PROXY_FACES", 4000)
    ball = sphere(40)
    hollow = together(ball, mesh_of(0.8 * ball.positions, ball.faces[:, ::-1]))
    assert _repair(hollow).counts.flipped_parts == 0
    beside = together(
        ball, mesh_of(0.8 * ball.positions + np.array((2, 0, 0)), ball.faces[:, ::-1])
    )
    assert _repair(beside).counts.flipped_parts == 1
    assert _repair(together(cup(), inverted(cup((5, 0, 0))))).counts.parts_turned_by_vote == 1
