"""Samples of the training set: what they say about the prop they show."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.training import dataset
from pipeline.training.dataset import CELLS, CORNER_OFFSETS, SIDE, VIEW_PX, PropSample
from pipeline.training.props import KINDS, make_prop


def test_a_sample_is_made_from_its_number_alone(chair: PropSample) -> None:
    again = dataset.make_sample(5, seed=1)
    assert again.kind == chair.kind == KINDS[5]
    assert again.captions == chair.captions
    for name in ("coords", "sdf", "color", "views"):
        np.testing.assert_array_equal(getattr(again, name), getattr(chair, name))


def test_shapes_are_the_documented_ones(chair: PropSample) -> None:
    count = len(chair.coords)
    assert (chair.coords.shape, chair.coords.dtype) == ((count, 3), np.uint8)
    assert (chair.sdf.shape, chair.sdf.dtype) == ((count, 125), np.float16)
    assert (chair.color.shape, chair.color.dtype) == ((count, 125, 3), np.uint8)
    assert (chair.views.shape, chair.views.dtype) == ((2, VIEW_PX, VIEW_PX, 4), np.uint8)
    assert chair.coords.max() < SIDE
    assert np.abs(chair.sdf).max() <= 1


def test_voxels_are_sorted_and_hold_both_sides_of_the_surface(chair: PropSample) -> None:
    rows = [tuple(row) for row in chair.coords.tolist()]
    assert rows == sorted(set(rows))
    assert ((chair.sdf < 0).any(1) & (chair.sdf >= 0).any(1)).all()


def test_no_voxel_of_the_surface_is_missing(chair: PropSample) -> None:
    prop = make_prop(KINDS[5], np.random.default_rng((1, 5)))
    axis = ((np.arange(4 * SIDE) + 0.5) / (4 * SIDE) - 0.5).astype(np.float32)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    near = points[np.abs(points).max(1) < 0.5]
    inside = (prop.field(near)[0] < 0).reshape((4 * SIDE,) * 3)
    per_voxel = inside.reshape(SIDE, 4, SIDE, 4, SIDE, 4).mean((1, 3, 5))
    crossed = np.argwhere((per_voxel > 0) & (per_voxel < 1))
    active = {tuple(row) for row in chair.coords.tolist()}
    assert {tuple(row) for row in crossed.tolist()} <= active


def test_values_are_those_of_the_field_at_the_corners(chair: PropSample) -> None:
    prop = make_prop(KINDS[5], np.random.default_rng((1, 5)))
    row, corner = 40, 77
    x, y, z = corner // 25, corner // 5 % 5, corner % 5  # z fastest
    assert CORNER_OFFSETS[corner].tolist() == [x, y, z]
    point = (chair.coords[row] * CELLS + (x, y, z)) / (SIDE * CELLS) - 0.5
    distance, color = prop.field(point.astype(np.float32)[None])
    assert chair.sdf[row, corner] == pytest.approx(np.clip(distance[0] * SIDE, -1, 1), abs=1e-3)
    assert chair.color[row, corner] == pytest.approx(color[0] * 255, abs=0.51)


def test_neighbours_agree_on_the_corners_they_share(chair: PropSample) -> None:
    values: dict[tuple[int, ...], set[float]] = {}
    for voxel, row in zip(chair.coords.astype(int), chair.sdf, strict=True):
        for offset, value in zip(CORNER_OFFSETS, row.tolist(), strict=True):
            values.setdefault(tuple((voxel * CELLS + offset).tolist()), set()).add(value)
    assert all(len(found) == 1 for found in values.values())


def test_both_views_show_the_prop(chair: PropSample) -> None:
    alpha = chair.views[..., 3]
    assert (alpha.reshape(2, -1).max(1) == 255).all()
    assert ((alpha > 128).mean((1, 2)) > 0.05).all()
    assert not np.array_equal(chair.views[0], chair.views[1])


def test_a_saved_sample_comes_back(chair: PropSample, tmp_path: Path) -> None:
    dataset.save(chair, tmp_path / "sample.npz")
    back = dataset.load(tmp_path / "sample.npz")
    for field in fields(PropSample):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(chair, field.name))
    assert type(back.kind) is str
    assert all(type(caption) is str for caption in back.captions)


def test_samples_that_exist_are_not_made_again(chair: PropSample, tmp_path: Path) -> None:
    marked = replace(chair, captions=("kept",))
    dataset.save(marked, tmp_path / "00005.npz")
    dataset._make_and_save(5, 1, tmp_path)
    assert dataset.load(tmp_path / "00005.npz").captions == ("kept",)
    assert [path.name for path in tmp_path.iterdir()] == ["00005.npz"]
