"""Gaussians are drawn where they are in the surface's space, from all sides, without background."""

import numpy as np
import pytest
import torch

from pipeline.encode.unit_cube import UnitCube
from pipeline.errors import Cancelled
from pipeline.model.gaussian_views import gaussian_views
from pipeline.model.gaussians import SH_C0, Gaussians
from pipeline.types import View

COLORS = np.array([(0.9, 0.1, 0.1), (0.1, 0.8, 0.2), (0.15, 0.2, 0.85)])
PLACES = np.array([(0.4, 0.0, 0.1), (-0.1, 0.35, -0.3), (0.0, -0.2, 0.38)], np.float32)
CUBE = UnitCube(center=(5.0, -2.0, 1.0), side_m=3.0)
TO_SPACE = np.array([(3, 0, 0, 5), (0, 0, 3, -2), (0, -3, 0, 1), (0, 0, 0, 1)], np.float64)


def three(opacity: float = 0.97) -> Gaussians:
    """Three balls of different colors, 2 sigma = 0.06."""
    return Gaussians(
        positions=torch.from_numpy(PLACES),
        scales=torch.full((3, 3), 0.03),
        rotations=torch.tensor([[1.0, 0, 0, 0]]).repeat(3, 1),
        opacities=torch.full((3,), opacity),
        features_dc=torch.from_numpy((COLORS - 0.5) / SH_C0).float(),
    )


def drawn(gaussians: Gaussians, count: int = 6) -> tuple[View, ...]:
    return gaussian_views(
        gaussians, TO_SPACE, filter_2d=0.1, report=lambda _: None, count=count, size_px=96
    )


def test_each_gaussian_shows_in_each_view_where_the_surface_would_be() -> None:
    in_space = np.column_stack([CUBE.to_space(PLACES).astype(np.float64), np.ones(3)])
    for view in drawn(three(), count=12):
        columns, rows, depths = view.projection @ in_space.T
        assert (depths > 0).all()
        for number in range(3):
            column, row = columns[number] / depths[number], rows[number] / depths[number]
            beside = np.delete(np.stack([columns / depths, rows / depths], axis=1), number, axis=0)
            if (np.linalg.norm(beside - (column, row), axis=1) < 16).any():
                continue  # another one is before or behind it
            shown = view.pixels[int(row), int(column)] / 255
            np.testing.assert_allclose(shown[:3], COLORS[number], atol=0.02)
            assert shown[3] > 0.85


def test_color_is_not_darkened_where_hardly_anything_is_seen() -> None:
    one = three(0.4)
    red = Gaussians(**{name: value[:1] for name, value in vars(one).items()})
    for view in drawn(red):
        seen = view.pixels[view.pixels[:, :, 3] > 0]
        assert seen[:, 3].min() < 30
        assert seen[:, 3].max() < 110
        np.testing.assert_allclose(seen[:, :3] / 255, np.tile(COLORS[0], (len(seen), 1)), atol=0.03)


def test_the_empty_border_is_cut_off() -> None:
    for view in drawn(three()):
        alpha = view.pixels[:, :, 3]
        assert not alpha[[0, -1]].any()
        assert not alpha[:, [0, -1]].any()
        assert alpha[1].any()
        assert alpha[-2].any()
        assert alpha[:, 1].any()
        assert alpha[:, -2].any()


def test_cameras_stand_evenly_all_around() -> None:
    views = drawn(three(), count=32)
    eyes = np.stack([-np.linalg.solve(v.projection[:, :3], v.projection[:, 3]) for v in views])
    away = eyes - CUBE.center
    np.testing.assert_allclose(np.linalg.norm(away, axis=1), 2 * CUBE.side_m, rtol=1e-5)
    away /= 2 * CUBE.side_m
    points = np.random.default_rng(0).normal(size=(2_000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    nearest_deg = np.degrees(np.arccos(np.clip(points @ away.T, -1, 1).max(axis=1)))
    assert nearest_deg.max() < 35


def test_the_number_of_threads_changes_no_byte() -> None:
    threads = torch.get_num_threads()
    try:
        pictures = []
        for count in (1, 3):
            torch.set_num_threads(count)
            pictures.append(b"".join(view.pixels.tobytes() for view in drawn(three())))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert pictures[0] == pictures[1]


def test_drawing_tells_how_far_it_is_and_can_be_stopped() -> None:
    shares: list[float] = []
    threads = torch.get_num_threads()

    def listen(share: float) -> None:
        shares.append(share)
        if share > 0.5:
            raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        gaussian_views(three(), TO_SPACE, filter_2d=0.1, report=listen, count=8, size_px=32)
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert torch.get_num_threads() == threads
