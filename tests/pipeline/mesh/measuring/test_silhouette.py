"""Outlines move on screen by what a ruler says."""

import numpy as np
import pytest

from pipeline.errors import Cancelled
from pipeline.mesh.measuring.silhouette import Outlines, silhouette_px
from pipeline.types import Mesh
from tests.pipeline.mesh.shapes import cube, mesh_of, plane, sphere, together, torus


def shift_m(mesh: Mesh, reference: Mesh) -> float:
    return Outlines(reference, lambda: None).shift_m(mesh, lambda: None)


def scaled(mesh: Mesh, factor: float) -> Mesh:
    return mesh_of(mesh.positions * factor, mesh.faces)


def bar(length_m: float, width_m: float, x_m: float = 0.0) -> Mesh:
    """An upright box."""
    box = cube()
    return mesh_of(box.positions * (width_m, length_m, width_m) + np.array([x_m, 0, 0]), box.faces)


def test_the_same_shape_in_other_triangles_does_not_move() -> None:
    assert shift_m(cube(), cube()) == 0
    assert shift_m(plane(1), plane(7)) < 1e-5


@pytest.mark.parametrize("growth", [1.01, 0.99, 1.001])
def test_the_outline_of_a_ball_moves_by_what_its_radius_grows(growth: float) -> None:
    ball = sphere(96)
    assert shift_m(scaled(ball, growth), ball) == pytest.approx(abs(growth - 1), rel=0.03)


def test_a_twentieth_of_a_pixel_is_resolved() -> None:
    ball = sphere(96)
    moved = 0.05 * 2 / 1080  # of a ball that fills the height of the view
    found = silhouette_px(
        shift_m(scaled(ball, 1 + moved), ball), diameter_m=2, coverage=1, height_px=1080
    )
    assert found == pytest.approx(0.05, rel=0.1)


def test_outlines_of_holes_count() -> None:
    # A tube that is thinner by 2 cm is so at both outlines.
    thick, thin = torus(1.0, 0.3, 96), torus(1.0, 0.28, 96)
    assert shift_m(thin, thick) == pytest.approx(0.02, rel=0.1)


def test_a_wire_that_is_gone_counts_by_its_width() -> None:
    frame = together(cube(1.0, center=(-1, 0, 0)), cube(1.0, center=(1, 0, 0)))
    with_wires = [
        together(frame, *(bar(4.0, width, x) for x in np.linspace(-1, 1, count)))
        for width, count in ((0.01, 5), (0.02, 5))
    ]
    thin, thick = (shift_m(frame, wires) for wires in with_wires)
    assert thin > 0.002
    assert thick == pytest.approx(2 * thin, rel=0.1)
    # Neither is what is added forgiven.
    assert shift_m(with_wires[0], with_wires[0]) == 0
    outlines = Outlines(with_wires[1], lambda: None)
    assert outlines.shift_m(with_wires[0], lambda: None) > 0.001


def test_wires_thinner_than_a_sample_count_by_half_a_sample_at_most() -> None:
    frame = together(cube(1.0, center=(-1, 0, 0)), cube(1.0, center=(1, 0, 0)))
    places = np.linspace(-0.9, 0.9, 40)
    sample_m = 0.0045
    thin, thick = (
        shift_m(frame, together(frame, *(bar(4.0, width, x) for x in places)))
        for width in (0.0004, 0.0008)
    )
    assert 0.0004 < thin < thick < 0.7 * sample_m


def test_size_and_place_do_not_matter() -> None:
    coarse, fine = sphere(8), sphere(64)
    found = shift_m(coarse, fine)
    far = np.array([100.0, -50.0, 20.0])
    moved = shift_m(
        mesh_of(coarse.positions * 50 + far, coarse.faces),
        mesh_of(fine.positions * 50 + far, fine.faces),
    )
    assert moved == pytest.approx(50 * found, rel=0.02)


def test_what_lies_outside_the_picture_is_cut_off() -> None:
    ball = sphere(32)
    huge = together(ball, cube(40.0, center=(0, 0, 0)))
    assert shift_m(huge, ball) > 0.05


def test_faces_are_drawn_whichever_way_they_look() -> None:
    mesh = sphere(24)
    assert shift_m(mesh_of(mesh.positions, mesh.faces[:, ::-1]), mesh) == 0


def test_pixels_follow_coverage_and_height() -> None:
    assert silhouette_px(0.01, diameter_m=2.0, coverage=0.5, height_px=1080) == pytest.approx(2.7)


def test_drawing_stops_when_told() -> None:
    def stop() -> None:
        raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        Outlines(sphere(8), stop)
