"""Each texel knows its face, and borders are wide enough to be read bilinearly."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from pipeline.texture.rasterize import barycentrics_of_texels, rasterize, texels_in_blocks

SIZE = 64
# Three faces, two of them sharing an edge, of both windings; numbers that hit no texel center.
TRIANGLES = np.array(
    [
        [(5.3, 6.1), (30.7, 9.2), (11.9, 40.4)],
        [(30.7, 9.2), (11.9, 40.4), (38.2, 37.3)],
        [(50.1, 50.2), (60.3, 58.8), (59.7, 47.9)],
    ]
)


def _nothing() -> None:
    pass


def _distances(triangle: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each texel center is from a triangle, by dense points on it: `[SIZE, SIZE]`."""
    steps = np.linspace(0, 1, 150)
    a, b = (x.ravel() for x in np.meshgrid(steps, steps))
    weights = np.stack([1 - a - b, a, b], axis=1)[a + b <= 1 + 1e-9]
    centers = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=2) + 0.5
    return np.asarray(KDTree(weights @ triangle).query(centers)[0])


def test_texels_show_the_face_under_their_center_or_the_nearest() -> None:
    owners = rasterize(TRIANGLES, SIZE, _nothing)
    distances = np.array([_distances(triangle) for triangle in TRIANGLES])
    nearest = distances.min(axis=0)
    assert (owners[nearest < 1.3] >= 0).all()
    assert (owners[nearest > 1.6] == -1).all()
    rows, columns = np.nonzero(owners >= 0)
    # The points lie up to 0.2 texels off, so two faces can tie.
    assert (distances[owners[rows, columns], rows, columns] <= nearest[rows, columns] + 0.2).all()


def test_every_texel_of_a_bilinear_read_is_there() -> None:
    owners = rasterize(TRIANGLES, SIZE, _nothing)
    weights = np.random.default_rng(0).dirichlet((0.3, 0.3, 0.3), 20_000)
    for triangle in TRIANGLES:
        x, y = (weights @ triangle - 0.5).T
        for dy in (0, 1):
            for dx in (0, 1):
                assert (
                    owners[(np.floor(y) + dy).astype(int), (np.floor(x) + dx).astype(int)] >= 0
                ).all()


def test_weights_give_the_center_back_inside_and_the_border_outside() -> None:
    owners = rasterize(TRIANGLES, SIZE, _nothing)
    rows, columns = np.nonzero(owners >= 0)
    faces = owners[rows, columns]
    weights = barycentrics_of_texels(rows, columns, faces, TRIANGLES)
    assert weights.min() >= 0
    assert np.allclose(weights.sum(axis=1), 1)
    places = np.einsum("nk,nkc->nc", weights, TRIANGLES[faces])
    centers = np.stack([columns + 0.5, rows + 0.5], axis=1)
    away = np.linalg.norm(places - centers, axis=1)
    # Inside or not by another road: solve for the weights that make the center.
    corners = np.concatenate([TRIANGLES, np.ones((3, 3, 1))], axis=2)[faces]
    target = np.column_stack([centers, np.ones(len(centers))])
    solved = np.linalg.solve(corners.transpose(0, 2, 1), target[:, :, None])[:, :, 0]
    is_inside = solved.min(axis=1) > 0
    assert is_inside.any()
    assert away[is_inside].max() < 1e-9
    assert away[~is_inside].max() <= 1.51
    assert weights[~is_inside].min(axis=1).max() < 1e-4


def test_a_line_covers_no_texel_center_but_can_be_read() -> None:
    line = np.array([[(10.2, 20.3), (30.4, 20.3), (20.0, 20.3)]])
    owners = rasterize(line, SIZE, _nothing)
    assert (owners[20, 10:31] == 0).all()
    assert (owners[25] == -1).all()


def test_the_square_is_covered_to_its_last_row_and_column() -> None:
    square = np.array([[(0, 0), (SIZE, 0), (SIZE, SIZE)], [(0, 0), (SIZE, SIZE), (0, SIZE)]])
    assert (rasterize(square.astype(np.float64), SIZE, _nothing) >= 0).all()


def test_one_face_as_large_as_the_texture_can_be_stopped() -> None:
    steps: list[None] = []
    large = np.array([[(0.0, 0.0), (1024.0, 0.0), (1024.0, 1024.0)]])
    owners = rasterize(large, 1024, lambda: steps.append(None))
    assert len(steps) >= 8
    assert (owners[np.triu_indices(1024)] == 0).all()


def test_texels_of_a_block_follow_each_other() -> None:
    owners = np.random.default_rng(0).integers(-1, 3, (10, 13)).astype(np.int32)
    rows, columns = texels_in_blocks(owners, 2, 9, 4)
    right_rows, right_columns = np.nonzero(owners[2:9] >= 0)
    assert set(zip(rows, columns, strict=True)) == set(
        zip(right_rows + 2, right_columns, strict=True)
    )
    blocks = (rows - 2) // 4 * 100 + columns // 4
    assert (np.diff(blocks) >= 0).all()
