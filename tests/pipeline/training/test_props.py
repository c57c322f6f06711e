"""The training props are sound fields with honest captions."""

import zlib
from functools import cache

import numpy as np
import pytest

from pipeline.errors import InvalidInput
from pipeline.training.props import KINDS, Prop, make_prop
from pipeline.training.props.palette import COLORS, LEAVES, METALS, ROOFS, STONES, WOODS
from pipeline.training.render import render_prop
from pipeline.types import FloatArray

SEEDS = (1, 2, 3)
GRID_CELLS = 48
# Words that say what a thing is made of without being the name of a swatch.
GENERAL_LOOKS = {"clay", "porcelain", "plaster", "brick", "cream", "brown", "gray", "blue-green"}


@cache
def _prop(kind: str, seed: int) -> Prop:
    # Not `hash`: it differs between runs.
    return make_prop(kind, np.random.default_rng((zlib.crc32(kind.encode()), seed)))


def _grid(cells: int = GRID_CELLS) -> FloatArray:
    axis = ((np.arange(cells) + 0.5) / cells - 0.5).astype(np.float32)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


every_kind = pytest.mark.parametrize("kind", KINDS)


def test_there_are_at_least_thirty_kinds() -> None:
    assert len(KINDS) >= 30
    assert len(set(KINDS)) == len(KINDS)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match="spaceship"):
        make_prop("spaceship", np.random.default_rng(0))


@every_kind
@pytest.mark.parametrize("seed", SEEDS)
def test_field_is_a_centered_body_of_full_size(kind: str, seed: int) -> None:
    points = _grid()
    distance, color = _prop(kind, seed).field(points)

    assert distance.shape == (len(points),)
    assert distance.dtype == np.float32
    assert color.shape == (len(points), 3)
    assert color.dtype == np.float32
    assert np.isfinite(distance).all()
    assert color.min() >= 0
    assert color.max() <= 1
    inside = points[distance < 0]
    assert 0 < len(inside) < len(points)
    cell = 1 / GRID_CELLS
    low, high = inside.min(axis=0) - cell / 2, inside.max(axis=0) + cell / 2
    # The grid may miss a sword's tip by two cells, but sees nothing that is not there.
    assert 0.91 - 2.5 * cell < (high - low).max() < 0.91 + 1.5 * cell
    assert np.abs(low + high).max() < 2 * cell
    rim = np.abs(points).max(axis=1) > 0.465
    assert distance[rim].min() > 0


@every_kind
@pytest.mark.parametrize("seed", SEEDS)
def test_field_is_close_to_a_distance(kind: str, seed: int) -> None:
    field = _prop(kind, seed).field
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (30_000, 3)).astype(np.float32)
    near = points[np.abs(field(points)[0]) < 0.02][:2000]
    step = np.float32(2e-3)
    slope = [
        (field(near + step * e)[0] - field(near - step * e)[0]) / (2 * step)
        for e in np.eye(3, dtype=np.float32)
    ]
    norm = np.linalg.norm(slope, axis=0)

    assert 0.7 < float(np.median(norm)) < 1.2
    # No step along the field may run far past the surface.
    assert float(np.quantile(norm, 0.98)) < 1.3


@every_kind
def test_color_tells_more_than_one_material(kind: str) -> None:
    points = _grid()
    spread = []
    for seed in SEEDS:
        distance, color = _prop(kind, seed).field(points)
        shown = color[np.abs(distance) < 0.02]
        spread.append(float(np.ptp(shown, axis=0).max()))
    assert max(spread) > 0.12


@every_kind
@pytest.mark.parametrize("seed", SEEDS)
def test_captions_are_varied_and_name_a_look(kind: str, seed: int) -> None:
    captions = _prop(kind, seed).captions

    assert 4 <= len(captions) <= 6
    assert len(set(captions)) == len(captions)
    assert all(caption == caption.strip() and "  " not in caption for caption in captions)
    swatches = (*WOODS, *METALS, *STONES, *COLORS, *LEAVES, *ROOFS)
    looks = GENERAL_LOOKS | {swatch.name.split()[0] for swatch in swatches}
    assert looks & set(captions[0].split())


@every_kind
def test_the_generator_is_the_only_randomness(kind: str) -> None:
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (500, 3)).astype(np.float32)
    first, second = (make_prop(kind, np.random.default_rng(5)) for _ in range(2))

    assert first.captions == second.captions
    for one, other in zip(first.field(points), second.field(points), strict=True):
        np.testing.assert_array_equal(one, other)


def test_picture_shows_the_prop_from_the_asked_side() -> None:
    # A bed's headboard stands at +X and is higher than its foot: right of the front view.
    front = render_prop(_prop("bed", 1), yaw_deg=0, pitch_deg=0, size_px=48)
    behind = render_prop(_prop("bed", 1), yaw_deg=180, pitch_deg=0, size_px=48)

    assert front.shape == (48, 48, 4)
    assert front.dtype == np.uint8
    assert front[0, 0].tolist() == [0, 0, 0, 0]
    assert front[24:30, 20:28, 3].max() == 255

    def higher_side(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
        columns = np.flatnonzero(picture[..., 3].any(axis=0))
        tops = [int((picture[:, c, 3] > 128).argmax()) for c in (columns[2], columns[-3])]
        return "left" if tops[0] < tops[1] else "right"

    assert higher_side(front) == "right"
    assert higher_side(behind) == "left"
