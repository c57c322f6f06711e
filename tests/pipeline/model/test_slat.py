"""Stage 2's modules: order, samples and windows."""

from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from pipeline.model.slat import SLatEncoder, SLatFlowModel, SLatFlowParams, SwinParams
from pipeline.model.sparse import SparseTensor

M = TypeVar("M", bound=nn.Module)

SIDE = 8
TIMES = torch.tensor([900.0, 100.0])
# float32 sums in another order.
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


def flow(io_blocks: int = 2) -> SLatFlowModel:
    torch.manual_seed(0)
    model = SLatFlowModel(
        SLatFlowParams(
            resolution=SIDE, in_channels=3, out_channels=3, model_channels=12, cond_channels=6,
            num_blocks=2, num_heads=2, mlp_ratio=2, patch_size=2, num_io_res_blocks=io_blocks,
            io_block_channels=[8], qk_rms_norm=True,
        )
    )  # fmt: skip
    return with_random_weights(model)


def encoder() -> SLatEncoder:
    torch.manual_seed(0)
    params = SwinParams(
        resolution=SIDE, in_channels=3, model_channels=12, num_blocks=2, num_heads=2, mlp_ratio=2,
        window_size=4,
    )  # fmt: skip
    return with_random_weights(SLatEncoder(params, latent_channels=4))


def with_random_weights(model: M) -> M:
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def voxels(seed: int, batch_size: int = 2, samples: tuple[int, ...] = (0, 1)) -> SparseTensor:
    rng = torch.Generator().manual_seed(seed)
    active = torch.rand(batch_size, SIDE, SIDE, SIDE, generator=rng) < 0.1
    for b in range(batch_size):
        if b not in samples:
            active[b] = False
    coords = torch.argwhere(active)
    return SparseTensor(
        coords=coords, feats=torch.randn(len(coords), 3, generator=rng), batch_size=batch_size
    )


def sample(x: SparseTensor, b: int) -> tuple[SparseTensor, Tensor]:
    rows = x.batch_index == b
    coords = x.coords[rows].clone()
    coords[:, 0] = 0
    return SparseTensor(coords=coords, feats=x.feats[rows], batch_size=1), rows


@pytest.mark.parametrize("io_blocks", [1, 2, 3])
def test_flow_keeps_voxels_and_their_order(io_blocks: int) -> None:
    x = voxels(1)
    out = flow(io_blocks)(x, TIMES, torch.randn(2, 5, 6))
    assert torch.equal(out.coords, x.coords)
    assert out.feats.shape == x.feats.shape


def test_flow_does_not_depend_on_the_order_within_a_sample() -> None:
    model, x, cond = flow(), voxels(2), torch.randn(2, 5, 6)
    order = torch.randperm(len(x.coords))
    order = order[torch.argsort(x.coords[order, 0], stable=True)]
    shuffled = SparseTensor(coords=x.coords[order], feats=x.feats[order], batch_size=2)
    one, other = model(x, TIMES, cond).feats, model(shuffled, TIMES, cond).feats
    torch.testing.assert_close(other, one[order], **CLOSE)


def test_flow_treats_samples_of_a_batch_apart() -> None:
    model, x, cond = flow(), voxels(3), torch.randn(2, 5, 6)
    together = model(x, TIMES, cond).feats
    for b in range(2):
        part, rows = sample(x, b)
        alone = model(part, TIMES[b : b + 1], cond[b : b + 1]).feats
        torch.testing.assert_close(together[rows], alone, **CLOSE)


def test_flow_gives_the_same_for_arranged_voxels() -> None:
    """Steps share what is derived from the voxels."""
    model, x, cond = flow(), voxels(3), torch.randn(2, 5, 6)
    arranged = model.arrange(x.coords, x.batch_size)
    for step in range(2):
        noisy = x.with_feats(x.feats + step)
        shared = model(noisy, TIMES, cond, arranged).feats
        assert torch.equal(shared, model(noisy, TIMES, cond).feats)


def test_two_passes_of_the_same_voxels_equal_one_batch() -> None:
    """As guidance runs: equal samples take another way through attention than ragged ones."""
    model, (x, _) = flow(), sample(voxels(3), 0)
    cond = torch.randn(2, 5, 6)
    twice = torch.cat([x.coords, x.coords + torch.tensor([1, 0, 0, 0])])
    both = SparseTensor(coords=twice, feats=x.feats.repeat(2, 1), batch_size=2)
    together = model(both, TIMES, cond).feats.chunk(2)
    for b in range(2):
        alone = model(x, TIMES[b : b + 1], cond[b : b + 1]).feats
        torch.testing.assert_close(together[b], alone, **CLOSE)


def test_encoder_treats_samples_of_a_batch_apart() -> None:
    model, x = encoder(), voxels(7)
    together = model(x)
    for b in range(2):
        part, rows = sample(x, b)
        for one, other in zip(together, model(part), strict=True):
            torch.testing.assert_close(one[rows], other, **CLOSE)


def test_flow_takes_samples_without_voxels_at_the_end() -> None:
    model, cond = flow(), torch.randn(2, 5, 6)
    x = voxels(4, samples=(0,))
    part, _ = sample(x, 0)
    together = model(x, TIMES, cond).feats
    torch.testing.assert_close(together, model(part, TIMES[:1], cond[:1]).feats, **CLOSE)


def test_flow_feels_time_and_condition() -> None:
    model, x, cond = flow(), voxels(5), torch.randn(2, 5, 6)
    out = model(x, TIMES, cond).feats
    assert not torch.allclose(model(x, TIMES + 50, cond).feats, out, atol=1e-3)
    assert not torch.allclose(model(x, TIMES, cond + 1).feats, out, atol=1e-3)


def test_encoder_does_not_depend_on_the_order_within_a_sample() -> None:
    model, x = encoder(), voxels(6)
    order = torch.randperm(len(x.coords))
    order = order[torch.argsort(x.coords[order, 0], stable=True)]
    shuffled = SparseTensor(coords=x.coords[order], feats=x.feats[order], batch_size=2)
    for one, other in zip(model(x), model(shuffled), strict=True):
        assert one.shape == (len(x.coords), 4)
        torch.testing.assert_close(other, one[order], **CLOSE)


def test_encoder_sees_across_a_window_border_only_through_shifted_windows() -> None:
    model = encoder()
    coords = torch.tensor([[0, 3, 3, 3], [0, 4, 4, 4]])  # apart at shift 0, together at shift 2
    feats = torch.randn(2, 3)
    changed = feats + torch.tensor([[0.0], [1.0]])

    def first_mean(values: Tensor) -> Tensor:
        mean: Tensor = model(SparseTensor(coords=coords, feats=values, batch_size=1))[0]
        return mean[0]

    assert not torch.equal(first_mean(changed), first_mean(feats))
    del model.blocks[1]
    assert torch.equal(first_mean(changed), first_mean(feats))
