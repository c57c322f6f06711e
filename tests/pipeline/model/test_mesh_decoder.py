"""The mesh decoder: subdivision, norms per sample."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.errors import Cancelled
from pipeline.model import mesh_decoder
from pipeline.model.mesh_decoder import HEAD_CHANNELS, SampleGroupNorm, SLatMeshDecoder
from pipeline.model.slat import SwinParams
from pipeline.model.sparse import SparseTensor, subdivide

CLOSE = {"atol": 2e-5, "rtol": 1e-4}  # float32 sums in another order


def decoder() -> SLatMeshDecoder:
    torch.manual_seed(0)
    params = SwinParams(
        resolution=4, in_channels=3, model_channels=16, num_blocks=2, num_heads=2, mlp_ratio=2,
        window_size=2,
    )  # fmt: skip
    model = SLatMeshDecoder(params, norm_groups=2)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def slat(rows: list[tuple[int, int, int, int]], batch_size: int = 2) -> SparseTensor:
    feats = torch.randn(len(rows), 3, generator=torch.Generator().manual_seed(len(rows)))
    return SparseTensor(coords=torch.tensor(rows), feats=feats, batch_size=batch_size)


TWO = [(0, 0, 0, 0), (0, 1, 0, 0), (0, 3, 3, 3), (1, 2, 0, 1)]


def test_every_voxel_becomes_64_cubes_that_stay_together() -> None:
    x = slat(TWO)
    head = decoder()(x)
    assert head.feats.shape == (64 * len(TWO), HEAD_CHANNELS)
    assert torch.equal(head.coords, subdivide(subdivide(x)).coords)
    parents = head.coords[:, 1:] // 4
    assert torch.equal(parents, x.coords[:, 1:].repeat_interleave(64, 0))


def test_samples_do_not_see_each_other() -> None:
    model, x = decoder(), slat(TWO)
    together = model(x).feats
    alone = model(SparseTensor(coords=x.coords[:3], feats=x.feats[:3], batch_size=1)).feats
    torch.testing.assert_close(together[: 3 * 64], alone, **CLOSE)


@pytest.mark.parametrize("gradients", [True, False])
def test_group_norm_runs_over_all_voxels_of_a_sample(
    gradients: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mesh_decoder, "_CHUNK_ROWS", 2)
    norm, lengths = SampleGroupNorm(2, 4), [3, 0, 1]
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = 5 + torch.randn(4, 4)
    with torch.set_grad_enabled(gradients):
        out = norm.norm_silu(x, lengths)
    for rows in (slice(0, 3), slice(3, 4)):
        for group in (slice(0, 2), slice(2, 4)):
            part = x[rows, group]
            unit = (part - part.mean()) / (part.var(unbiased=False) + 1e-5).sqrt()
            expected = unit * norm.weight[group] + norm.bias[group]
            expected = expected * expected.sigmoid()
            torch.testing.assert_close(out[rows, group], expected, **CLOSE)


@torch.no_grad()
def test_group_norm_writes_over_its_input_only_where_it_may() -> None:
    norm, x = SampleGroupNorm(2, 4), torch.randn(4, 4)
    before = x.clone()
    out = norm.norm_silu(x, [4])
    assert torch.equal(x, before)
    assert norm.norm_silu(x, [4], in_place=True) is x
    assert torch.equal(x, out)


def test_the_head_on_the_host_is_that_of_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    """One keeps gradients, the other writes over what it no longer needs, in chunks."""
    monkeypatch.setattr(mesh_decoder, "_CHUNK_ROWS", 50)
    model, x = decoder(), slat(TWO[:3], 1)
    fractions: list[float] = []
    cubes, head = model.decode_to_host(x, fractions.append)
    expected = model(x)
    assert cubes.dtype == np.int32
    assert head.dtype == np.float32
    np.testing.assert_array_equal(cubes, expected.coords[:, 1:])
    # Sums of a few dozen float32 products, in another order.
    np.testing.assert_allclose(head, expected.feats.detach(), atol=1e-5, rtol=1e-5)
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1


def test_what_the_listener_raises_ends_decoding() -> None:
    def cancel(fraction: float) -> None:
        if fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        decoder().decode_to_host(slat(TWO[:3], 1), cancel)


def test_the_order_of_voxels_does_not_matter() -> None:
    model, x = decoder(), slat(TWO)
    order = torch.tensor([2, 0, 1, 3])
    shuffled = SparseTensor(coords=x.coords[order], feats=x.feats[order], batch_size=2)
    one = model(x).feats.unflatten(0, (-1, 64))
    other = model(shuffled).feats.unflatten(0, (-1, 64))
    torch.testing.assert_close(other, one[order], **CLOSE)


def test_there_is_no_norm_before_the_last_layer() -> None:
    model, x = decoder(), slat(TWO)
    before = model(x).feats
    with torch.no_grad():
        # Doubling what reaches the last layer doubles the head, but for the layer's bias.
        for name, parameter in model.upsample[1].named_parameters():
            if name.startswith(("out_layers.3", "skip_connection")):
                parameter *= 2
    bias = model.out_layer.bias
    torch.testing.assert_close(model(x).feats - bias, 2 * (before - bias), **CLOSE)
