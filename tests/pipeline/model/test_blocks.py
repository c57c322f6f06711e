"""Layers and blocks: values by hand, and what may influence what."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.blocks import (
    AffineLayerNorm,
    ChannelLayerNorm,
    FeedForward,
    FlowBlock,
    HeadRmsNorm,
    SelfAttention,
    TimeEmbedding,
    WindowBlock,
    layer_norm,
    position_embedding,
    windows,
)
from tests.reference.sparse import rows_by_cell


def test_position_embedding_has_the_published_values() -> None:
    row = position_embedding(torch.tensor([[1, 2, 3]]), 1024)[0]
    published = {0: 0.841471, 1: 0.81182, 169: 0.000106, 170: 0.540302, 340: 0.909297,
                 680: 0.14112, 1019: 1.0, 1020: 0.0, 1023: 0.0}  # fmt: skip
    for index, value in published.items():
        assert float(row[index]) == pytest.approx(value, abs=2e-6)


@pytest.mark.parametrize(("channels", "padding"), [(768, 0), (1024, 4), (1280, 2)])
def test_position_embedding_pads_what_three_axes_leave(channels: int, padding: int) -> None:
    row = position_embedding(torch.tensor([[5, 6, 7]]), channels)[0]
    assert row.shape == (channels,)
    assert (row[channels - padding :] == 0).all()
    # Cosines of the lowest frequencies are close to one: the last used channel is none of these 0s.
    assert float(row[channels - padding - 1]) > 0.99


def test_time_embedding_is_cosines_then_sines() -> None:
    embedding = TimeEmbedding(256)
    with torch.no_grad():
        for layer in (0, 2):
            embedding.mlp[layer].weight.copy_(torch.eye(256))  # type: ignore[operator]
            embedding.mlp[layer].bias.zero_()  # type: ignore[operator]
    found = embedding(torch.tensor([730.0]))[0].detach()
    for j in (0, 1, 64, 127):
        angle = 730.0 * math.exp(-math.log(10000) * j / 128)
        for value, index in ((math.cos(angle), j), (math.sin(angle), 128 + j)):
            silu = value / (1 + math.exp(-value))
            # float32 angles of several hundred are exact to 3e-5.
            assert float(found[index]) == pytest.approx(silu, abs=1e-4)


def test_head_norm_gives_vectors_of_length_root_d() -> None:
    norm = HeadRmsNorm(2, 9)
    x = torch.randn(5, 2, 9, generator=torch.Generator().manual_seed(0)) * 100
    torch.testing.assert_close(norm(x).norm(dim=-1), torch.full((5, 2), 3.0))
    with torch.no_grad():
        norm.gamma[1] = 2
    torch.testing.assert_close(norm(x)[:, 1].norm(dim=-1), torch.full((5,), 6.0))
    assert (norm(torch.zeros(1, 2, 9)) == 0).all()


def test_layer_norms_by_hand() -> None:
    x = torch.tensor([[1.0, 3.0]])  # mean 2, variance 1
    torch.testing.assert_close(layer_norm(x, 3.0), torch.tensor([[-0.5, 0.5]]))
    affine = AffineLayerNorm(2, eps=0.0)
    with torch.no_grad():
        affine.weight.copy_(torch.tensor([2.0, 4.0]))
        affine.bias.copy_(torch.tensor([10.0, 20.0]))
    torch.testing.assert_close(affine(x), torch.tensor([[8.0, 24.0]]))
    grid = torch.randn(2, 6, 2, 3, 4, generator=torch.Generator().manual_seed(1))
    normed = ChannelLayerNorm(6)(grid)
    mean, variance = grid.mean(1, keepdim=True), grid.var(1, keepdim=True, unbiased=False)
    torch.testing.assert_close(normed, (grid - mean) / (variance + 1e-5).sqrt())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_norms_return_the_input_dtype_and_compute_in_float32(dtype: torch.dtype) -> None:
    x = (torch.arange(8.0) * 1000).to(dtype)[None]  # squares overflow float16
    for normed in (layer_norm(x, 1e-6), AffineLayerNorm(8)(x), HeadRmsNorm(1, 8)(x[None])[0]):
        assert normed.dtype == dtype
        assert normed.isfinite().all()
        assert float(normed.detach().abs().max()) > 0.5


def test_gelu_is_the_tanh_form() -> None:
    layer = FeedForward(1, 1)
    with torch.no_grad():
        for i in (0, 2):
            layer.mlp[i].weight.fill_(1.0)  # type: ignore[operator]
            layer.mlp[i].bias.zero_()  # type: ignore[operator]
    x = 2.0
    tanh_form = 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    erf_form = 0.5 * x * (1 + math.erf(x / math.sqrt(2)))
    found = float(layer(torch.tensor([[x]])).detach())
    assert found == pytest.approx(tanh_form, abs=1e-6)
    assert abs(found - erf_form) > 5e-5


axis = st.integers(0, 15)
voxels = st.lists(
    st.tuples(st.integers(0, 1), axis, axis, axis), unique=True, min_size=1, max_size=60
).map(lambda rows: sorted(rows, key=lambda row: row[0]))


@settings(max_examples=40, deadline=None)
@given(voxels, st.sampled_from([(8, 0), (8, 4), (4, 2), (16, 0)]))
def test_windows_hold_what_a_dict_says(
    rows: list[tuple[int, int, int, int]], grid: tuple[int, int]
) -> None:
    window, shift = grid
    coords = torch.tensor(rows)
    order, population = windows(coords, window, shift)
    groups = [sorted(part.tolist()) for part in torch.split(order, list(population))]
    assert sorted(groups) == sorted(rows_by_cell(coords, window, shift).values())


def test_shifted_windows_do_not_wrap_around() -> None:
    coords = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 63]])
    assert windows(coords, 8, 4)[1] == (1, 1)
    # Nine windows a side at 64 cells: the two at the border are half as wide.
    line = torch.stack([torch.zeros(64), torch.arange(64), torch.zeros(64), torch.zeros(64)], 1)
    assert windows(line.long(), 8, 4)[1] == (4, *[8] * 7, 4)


def test_rows_of_another_window_have_no_influence() -> None:
    torch.manual_seed(0)
    block = WindowBlock(8, 2, 4).double()
    coords = torch.tensor([[0, 7, 7, 7], [0, 0, 0, 0], [0, 8, 0, 0], [0, 1, 0, 0]])
    order, population = windows(coords, 8, 0)
    x = torch.randn(4, 8, dtype=torch.float64)
    before = block(x, order, population)
    x[2] += torch.arange(8.0, dtype=torch.float64)
    after = block(x, order, population)
    assert torch.equal(after[[0, 1, 3]], before[[0, 1, 3]])
    assert not torch.equal(after[2], before[2])
    x[3] += torch.arange(8.0, dtype=torch.float64)
    assert not torch.equal(block(x, order, population)[0], after[0])


@settings(max_examples=25, deadline=None)
@given(voxels, st.sampled_from([(8, 0), (8, 4), (4, 2)]))
def test_window_attention_is_dense_attention_with_a_mask(
    rows: list[tuple[int, int, int, int]], grid: tuple[int, int]
) -> None:
    """All pairs of rows, those in different windows struck out."""
    torch.manual_seed(0)
    window, shift = grid
    coords, layer = torch.tensor(rows), SelfAttention(8, 2).double()
    x = torch.randn(len(rows), 8, dtype=torch.float64)
    order, population = windows(coords, window, shift)
    found = torch.empty_like(x)
    found[order] = layer(x[order], population)

    same = torch.zeros(len(rows), len(rows), dtype=torch.bool)
    for members in rows_by_cell(coords, window, shift).values():
        for i in members:
            same[i, members] = True
    q, k, v = layer.to_qkv(x).view(-1, 3, 2, 4).permute(1, 2, 0, 3)  # [H, T, D] each
    scores = (q @ k.transpose(1, 2) / 2).masked_fill(~same, -torch.inf)
    expected = layer.to_out((scores.softmax(-1) @ v).transpose(0, 1).flatten(1))
    # The same sums in another order, in float64.
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_a_fresh_flow_block_lets_only_the_condition_through() -> None:
    torch.manual_seed(0)
    block = FlowBlock(8, 6, 2, 4, qk_rms_norm=True, qk_rms_norm_cross=False)
    x, e, cond = torch.randn(5, 8), torch.randn(2, 8), torch.randn(2, 3, 6)
    lengths, batch_index = [2, 3], torch.tensor([0, 0, 1, 1, 1])
    out = block(x, lengths, batch_index, e, cond)
    torch.testing.assert_close(out, x + block.cross_attn(block.norm2(x), lengths, cond))


def test_modulation_chunks_are_shift_scale_gate_twice() -> None:
    torch.manual_seed(0)
    block = FlowBlock(4, 6, 2, 4, qk_rms_norm=False, qk_rms_norm_cross=False)
    shift1, scale1, gate1, shift2, scale2, gate2 = torch.randn(6, 4)
    with torch.no_grad():
        block.adaLN_modulation[1].bias.copy_(  # type: ignore[operator]
            torch.cat([shift1, scale1, gate1, shift2, scale2, gate2])
        )
    x, cond = torch.randn(3, 4), torch.randn(1, 2, 6)
    out = block(x, [3], torch.zeros(3, dtype=torch.int64), torch.randn(1, 4), cond)
    h = x + gate1 * block.self_attn(layer_norm(x, 1e-6) * (1 + scale1) + shift1, [3])
    h = h + block.cross_attn(block.norm2(h), [3], cond)
    h = h + gate2 * block.mlp(layer_norm(h, 1e-6) * (1 + scale2) + shift2)
    torch.testing.assert_close(out, h)


@pytest.mark.parametrize("cross", [False, True])
def test_head_norms_have_keys_only_where_asked(cross: bool) -> None:
    keys = FlowBlock(8, 6, 2, 4, qk_rms_norm=True, qk_rms_norm_cross=cross).state_dict().keys()
    assert "self_attn.q_rms_norm.gamma" in keys
    assert ("cross_attn.k_rms_norm.gamma" in keys) == cross
    assert len(keys) == (22 if cross else 20)
