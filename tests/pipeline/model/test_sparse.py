"""What changes the resolution of active voxels, against dicts of cells."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.sparse import SparseTensor, halve, subdivide, voxel_keys
from tests.reference.sparse import pooled, rows_by_cell

SIDE = 6
Rows = list[tuple[int, int, int, int]]

# Distinct voxels of three samples, the last of which may be empty, in any order within a sample.
axis = st.integers(0, SIDE - 1)
voxels = st.lists(
    st.tuples(st.integers(0, 2), axis, axis, axis), unique=True, min_size=1, max_size=40
).map(lambda rows: sorted(rows, key=lambda row: row[0]))


def tensor_of(rows: Rows) -> SparseTensor:
    feats = torch.randn(len(rows), 2, generator=torch.Generator().manual_seed(len(rows)))
    return SparseTensor(coords=torch.tensor(rows), feats=feats.double(), batch_size=3)


@settings(max_examples=40, deadline=None)
@given(voxels)
def test_pooling_divides_the_sum_by_one_more_than_the_count(rows: Rows) -> None:
    x = tensor_of(rows)
    halving = halve(x.coords, SIDE)
    expected = pooled(x)
    assert [tuple(c) for c in halving.coords.tolist()] == list(expected)  # sorted by (b, x, y, z)
    torch.testing.assert_close(halving.pool(x.feats), torch.stack(list(expected.values())))
    for cell, children in rows_by_cell(x.coords, 2).items():
        found = {tuple(halving.coords[halving.parent[row]].tolist()) for row in children}
        assert found == {cell}


@settings(max_examples=40, deadline=None)
@given(voxels)
def test_unpooling_hands_every_voxel_its_parents_features(rows: Rows) -> None:
    halving = halve(torch.tensor(rows), SIDE)
    fine = halving.unpool(halving.coords.double())
    expected = torch.tensor([(b, i // 2, j // 2, k // 2) for b, i, j, k in rows])
    assert torch.equal(fine.long(), expected)


def test_pooling_has_the_gradient_of_a_sum() -> None:
    rows = [(0, 0, 0, 0), (0, 0, 1, 1), (0, 5, 5, 5)]
    feats = torch.zeros(3, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(halve(torch.tensor(rows), SIDE).pool(feats).sum(), feats)
    torch.testing.assert_close(gradient[:, 0], torch.tensor([1 / 3, 1 / 3, 1 / 2]))


@settings(max_examples=40, deadline=None)
@given(voxels)
def test_keys_sort_like_rows(rows: Rows) -> None:
    order = torch.argsort(voxel_keys(torch.tensor(rows), SIDE)).tolist()
    assert [rows[i] for i in order] == sorted(rows)


@settings(max_examples=40, deadline=None)
@given(voxels)
def test_lengths_count_every_sample(rows: Rows) -> None:
    assert tensor_of(rows).lengths() == [sum(row[0] == b for row in rows) for b in range(3)]


def test_subdivide_keeps_the_eight_children_together_and_in_order() -> None:
    x = tensor_of([(0, 1, 2, 3), (2, 0, 0, 5)])
    fine = subdivide(x)
    assert fine.coords[:8].tolist() == [
        [0, 2, 4, 6], [0, 2, 4, 7], [0, 2, 5, 6], [0, 2, 5, 7],
        [0, 3, 4, 6], [0, 3, 4, 7], [0, 3, 5, 6], [0, 3, 5, 7],
    ]  # fmt: skip
    assert fine.coords[8:, 0].tolist() == [2] * 8
    assert torch.equal(fine.feats, x.feats[[0] * 8 + [1] * 8])


@settings(max_examples=20, deadline=None)
@given(voxels)
def test_subdivide_then_pool_comes_back(rows: Rows) -> None:
    x = tensor_of(sorted(rows))
    fine = subdivide(x)
    halving = halve(fine.coords, 2 * SIDE)
    assert torch.equal(halving.coords, x.coords)
    torch.testing.assert_close(halving.pool(fine.feats), x.feats * 8 / 9)
