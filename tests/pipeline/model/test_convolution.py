"""Sparse convolution, against a dense one on the zero-filled grid."""

import pytest
import torch
from torch import Tensor

from pipeline.model import convolution
from pipeline.model.convolution import PointwiseConv, SubmanifoldConv3, neighbor_rows
from pipeline.model.sparse import SparseTensor
from tests.reference.sparse import dense_conv3

SIDE = 5
# Same products in another order, in float64.
TOLERANCE = 1e-12


def random_voxels(seed: int, channels: int, share: float = 0.4) -> SparseTensor:
    """Two samples in shuffled order: within a sample any order is allowed."""
    rng = torch.Generator().manual_seed(seed)
    coords = torch.argwhere(torch.rand(2, SIDE, SIDE, SIDE, generator=rng) < share)
    shuffled = coords[torch.randperm(len(coords), generator=rng)]
    coords = shuffled[torch.argsort(shuffled[:, 0], stable=True)]
    feats = torch.randn(len(coords), channels, generator=rng, dtype=torch.float64)
    return SparseTensor(coords=coords, feats=feats, batch_size=2)


def random_layer(in_channels: int, out_channels: int) -> SubmanifoldConv3:
    torch.manual_seed(0)
    layer = SubmanifoldConv3(in_channels, out_channels).double()
    torch.nn.init.normal_(layer.conv.bias)
    return layer


@pytest.mark.parametrize("share", [0.05, 0.4, 1.0])
def test_equals_dense_convolution(share: float) -> None:
    x, layer = random_voxels(1, 3, share), random_layer(3, 4)
    out = layer(x, neighbor_rows(x.coords, SIDE))
    torch.testing.assert_close(out.feats, dense_conv3(layer, x, SIDE), atol=TOLERANCE, rtol=0)
    assert torch.equal(out.coords, x.coords)


def test_gradients_equal_those_of_dense_convolution() -> None:
    x, layer = random_voxels(2, 3), random_layer(3, 4)
    feats = x.feats.requires_grad_()
    weight = torch.randn(len(feats), 4, dtype=torch.float64)
    inputs = [feats, layer.conv.weight, layer.conv.bias]

    def gradients(out: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad((out * weight).sum(), inputs)

    found = gradients(layer(x, neighbor_rows(x.coords, SIDE)).feats)
    expected = gradients(dense_conv3(layer, x, SIDE))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=0)


def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, layer = random_voxels(3, 3), random_layer(3, 4)
    feats = x.feats.requires_grad_()
    rows = neighbor_rows(x.coords, SIDE)
    whole = layer(x, rows).feats
    gradient = torch.autograd.grad(whole.sum(), [feats, layer.conv.weight])
    monkeypatch.setattr(convolution, "_GATHER_BYTES", 7 * 27 * 3 * 8)  # seven rows
    cut = layer(x, rows).feats
    torch.testing.assert_close(cut, whole, atol=TOLERANCE, rtol=0)
    for one, other in zip(
        torch.autograd.grad(cut.sum(), [feats, layer.conv.weight]), gradient, strict=True
    ):
        torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=0)


def test_autocast_reaches_the_kernel() -> None:
    x, layer = random_voxels(4, 3), random_layer(3, 4).float()
    x = x.with_feats(x.feats.float())
    rows = neighbor_rows(x.coords, SIDE)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x, rows).feats
    exact = layer(x, rows).feats
    assert not torch.equal(out.float(), exact)
    # bfloat16 keeps eight bits; sums here are of order one.
    torch.testing.assert_close(out.float(), exact, atol=0.05, rtol=0.05)


def test_neighbors_are_found_in_the_documented_columns() -> None:
    # Three voxels in a row along z, one in another sample at the same place.
    coords = torch.tensor([[0, 2, 2, 1], [0, 2, 2, 2], [0, 2, 2, 3], [1, 2, 2, 2]])
    rows = neighbor_rows(coords, SIDE)
    absent = len(coords)
    assert rows[:, 13].tolist() == [0, 1, 2, 3]
    assert rows[:, 14].tolist() == [1, 2, absent, absent]  # z + 1
    assert rows[:, 12].tolist() == [absent, 0, 1, absent]  # z - 1
    others = torch.cat([rows[:, :12], rows[:, 15:]], dim=1)
    assert (others == absent).all()


def test_the_grid_does_not_wrap_around() -> None:
    # The last cell of one row and the first of the next are neighbours in memory only.
    coords = torch.tensor([[0, 0, 0, SIDE - 1], [0, 0, 1, 0], [1, 0, 0, 0]])
    rows = neighbor_rows(coords, SIDE)
    assert torch.equal(rows[:, 13], torch.arange(3))
    assert (torch.cat([rows[:, :13], rows[:, 14:]], dim=1) == 3).all()


def test_pointwise_reads_its_memory_as_in_by_out() -> None:
    layer = PointwiseConv(2, 3)
    with torch.no_grad():
        layer.conv.weight.copy_(torch.arange(6.0).reshape(3, 1, 1, 1, 2))
        layer.conv.bias.copy_(torch.tensor([10.0, 20.0, 30.0]))
    x = SparseTensor(
        coords=torch.zeros(1, 4, dtype=torch.int64),
        feats=torch.tensor([[1.0, 100.0]]),
        batch_size=1,
    )
    # Memory 0..5 as two rows of three: input 0 has 0 1 2, input 1 has 3 4 5.
    assert layer(x).feats.tolist() == [[0 + 300 + 10, 1 + 400 + 20, 2 + 500 + 30]]


def test_keys_end_as_published() -> None:
    assert set(SubmanifoldConv3(2, 3).state_dict()) == {"conv.weight", "conv.bias"}
    assert SubmanifoldConv3(2, 3).conv.weight.shape == (3, 3, 3, 3, 2)
    assert PointwiseConv(2, 3).conv.weight.shape == (3, 1, 1, 1, 2)
