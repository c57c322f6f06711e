"""Sparse convolution, against a dense one on the zero-filled grid."""

import importlib.util

import pytest
import torch
from torch import Tensor

from pipeline.model import convolution
from pipeline.model.convolution import (
    Neighborhood,
    PointwiseConv,
    SparseConvolution,
    SubmanifoldConv3,
    gather_matmul,
    spconv_convolution,
)
from pipeline.model.sparse import SparseTensor, subdivide
from tests.reference.sparse import dense_conv3

SIDE = 5
# Same products in another order, in float64.
TOLERANCE = 1e-12

needs_spconv = pytest.mark.skipif(
    importlib.util.find_spec("spconv") is None, reason="spconv is not installed"
)
KERNELS = ["torch", pytest.param("spconv", marks=needs_spconv)]


def kernel_named(name: str) -> SparseConvolution:
    return gather_matmul if name == "torch" else spconv_convolution()


def random_voxels(seed: int, channels: int, share: float = 0.4) -> SparseTensor:
    """Two samples in shuffled order: within a sample any order is allowed."""
    rng = torch.Generator().manual_seed(seed)
    coords = torch.argwhere(torch.rand(2, SIDE, SIDE, SIDE, generator=rng) < share)
    shuffled = coords[torch.randperm(len(coords), generator=rng)]
    coords = shuffled[torch.argsort(shuffled[:, 0], stable=True)]
    feats = torch.randn(len(coords), channels, generator=rng, dtype=torch.float64)
    return SparseTensor(coords=coords, feats=feats, batch_size=2)


def random_layer(in_channels: int, out_channels: int, kernel: str = "torch") -> SubmanifoldConv3:
    torch.manual_seed(0)
    layer = SubmanifoldConv3(in_channels, out_channels).double()
    layer.convolve = kernel_named(kernel)
    torch.nn.init.normal_(layer.conv.bias)
    return layer


def near(x: SparseTensor) -> Neighborhood:
    return Neighborhood(x.coords, SIDE, x.batch_size)


def dense(layer: SubmanifoldConv3, x: SparseTensor, side: int = SIDE) -> Tensor:
    return dense_conv3(layer.conv.weight, layer.conv.bias, x, side)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("share", [0.05, 0.4, 1.0])
def test_equals_dense_convolution(share: float, kernel: str) -> None:
    x, layer = random_voxels(1, 3, share), random_layer(3, 4, kernel)
    out = layer(x.feats, near(x))
    torch.testing.assert_close(out, dense(layer, x), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_layers_share_a_neighborhood(kernel: str) -> None:
    """With kernels of other widths, and without gradients as with them."""
    x, shared = random_voxels(5, 3), near(random_voxels(5, 3))
    with torch.no_grad():
        h = x.feats
        for layer in (random_layer(3, 4, kernel), random_layer(4, 3, kernel)):
            expected = dense(layer, x.with_feats(h))
            h = layer(h, shared)
            torch.testing.assert_close(h, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_equal_those_of_dense_convolution(kernel: str) -> None:
    x, layer = random_voxels(2, 3), random_layer(3, 4, kernel)
    feats = x.feats.requires_grad_()
    weight = torch.randn(len(feats), 4, dtype=torch.float64)
    inputs = [feats, layer.conv.weight, layer.conv.bias]

    def gradients(out: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad((out * weight).sum(), inputs)

    found = gradients(layer(feats, near(x)))
    expected = gradients(dense(layer, x))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=0)


@needs_spconv
def test_spconv_runs_on_one_thread_on_a_cpu_and_says_nothing_of_it() -> None:
    """Its CPU kernels race: with two threads, some rows of a set this size are wrong."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        rng = torch.Generator().manual_seed(0)
        coords = torch.argwhere(torch.rand(2, 24, 24, 24, generator=rng) < 0.3)
        feats = torch.randn(len(coords), 16, generator=rng)
        weight, bias = torch.randn(16, 3, 3, 3, 16, generator=rng), torch.zeros(16)
        found = spconv_convolution()(feats, weight, bias, Neighborhood(coords, 24, 2))
        exact = gather_matmul(feats, weight, bias, Neighborhood(coords, 24, 2))
        assert torch.get_num_threads() == 2
        # Sums of 432 products of order one, in float32.
        torch.testing.assert_close(found, exact, atol=2e-4, rtol=0)
    finally:
        torch.set_num_threads(before)


def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, layer = random_voxels(3, 3), random_layer(3, 4)
    feats = x.feats.requires_grad_()
    inputs = [feats, layer.conv.weight]
    for forward in (layer.forward, layer.forward_on_children):
        monkeypatch.undo()
        whole = forward(feats, near(x))
        gradient = torch.autograd.grad(whole.square().sum(), inputs)
        monkeypatch.setattr(convolution, "_CPU_GATHER_BYTES", 7 * 64 * 3 * 8)  # a few rows
        cut = forward(feats, near(x))
        torch.testing.assert_close(cut, whole, atol=TOLERANCE, rtol=0)
        for one, other in zip(
            torch.autograd.grad(cut.square().sum(), inputs), gradient, strict=True
        ):
            torch.testing.assert_close(one, other, atol=100 * TOLERANCE, rtol=0)


@pytest.mark.parametrize("share", [0.05, 0.4, 1.0])
def test_on_children_equals_dense_convolution_of_the_subdivided_grid(share: float) -> None:
    x, layer = random_voxels(6, 3, share), random_layer(3, 4)
    feats = x.feats.requires_grad_()
    weight = torch.randn(8 * len(feats), 4, dtype=torch.float64)
    inputs = [feats, layer.conv.weight, layer.conv.bias]
    found = layer.forward_on_children(feats, near(x))
    expected = dense(layer, subdivide(x), 2 * SIDE)
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)
    for one, other in zip(
        torch.autograd.grad((found * weight).sum(), inputs),
        torch.autograd.grad((expected * weight).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=10 * TOLERANCE, rtol=0)


def test_the_neighbors_of_children_are_those_a_search_finds() -> None:
    x = random_voxels(7, 1)
    derived = near(x).subdivided()
    fine = subdivide(x)
    assert torch.equal(derived.coords, fine.coords)
    assert derived.side == 2 * SIDE
    found = Neighborhood(fine.coords, 2 * SIDE, 2)
    assert torch.equal(derived.rows, found.rows)
    assert torch.equal(
        derived.subdivided().rows, Neighborhood(subdivide(fine).coords, 4 * SIDE, 2).rows
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_autocast_reaches_the_kernel(kernel: str) -> None:
    x, layer = random_voxels(4, 3), random_layer(3, 4, kernel).float()
    feats, shared = x.feats.float(), near(x)
    dtype = torch.float16 if kernel == "spconv" else torch.bfloat16
    with torch.autocast("cpu", dtype):
        out = layer(feats, shared)
        children = layer.forward_on_children(feats, shared)
    assert out.dtype == children.dtype == dtype
    # bfloat16 keeps eight bits; sums here are of order one.
    torch.testing.assert_close(out.float(), layer(feats, shared), atol=0.05, rtol=0.05)
    torch.testing.assert_close(
        children.float(), layer.forward_on_children(feats, shared), atol=0.05, rtol=0.05
    )


def test_neighbors_are_found_in_the_documented_columns() -> None:
    # Three voxels in a row along z, one in another sample at the same place.
    coords = torch.tensor([[0, 2, 2, 1], [0, 2, 2, 2], [0, 2, 2, 3], [1, 2, 2, 2]])
    rows = Neighborhood(coords, SIDE, 2).rows
    absent = len(coords)
    assert rows[:, 13].tolist() == [0, 1, 2, 3]
    assert rows[:, 14].tolist() == [1, 2, absent, absent]  # z + 1
    assert rows[:, 12].tolist() == [absent, 0, 1, absent]  # z - 1
    others = torch.cat([rows[:, :12], rows[:, 15:]], dim=1)
    assert (others == absent).all()


def test_the_grid_does_not_wrap_around() -> None:
    # The last cell of one row and the first of the next are neighbours in memory only.
    coords = torch.tensor([[0, 0, 0, SIDE - 1], [0, 0, 1, 0], [1, 0, 0, 0]])
    rows = Neighborhood(coords, SIDE, 2).rows
    assert rows[:, 13].tolist() == [0, 1, 2]
    assert (torch.cat([rows[:, :13], rows[:, 14:]], dim=1) == 3).all()


def test_pointwise_reads_its_memory_as_in_by_out() -> None:
    layer = PointwiseConv(2, 3)
    with torch.no_grad():
        layer.conv.weight.copy_(torch.arange(6.0).reshape(3, 1, 1, 1, 2))
        layer.conv.bias.copy_(torch.tensor([10.0, 20.0, 30.0]))
    # Memory 0..5 as two rows of three: input 0 has 0 1 2, input 1 has 3 4 5.
    out = layer(torch.tensor([[1.0, 100.0]]))
    assert out.tolist() == [[0 + 300 + 10, 1 + 400 + 20, 2 + 500 + 30]]


def test_keys_end_as_published() -> None:
    assert set(SubmanifoldConv3(2, 3).state_dict()) == {"conv.weight", "conv.bias"}
    assert SubmanifoldConv3(2, 3).conv.weight.shape == (3, 3, 3, 3, 2)
    assert PointwiseConv(2, 3).conv.weight.shape == (3, 1, 1, 1, 2)
