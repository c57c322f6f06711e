"""Stage 1's modules: what moves where."""

import pytest
import torch
from torch import nn

from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureEncoder,
    SparseStructureFlowModel,
    StructureDecoderParams,
    StructureEncoderParams,
    StructureFlowParams,
)


def flow(patch_size: int, *, blocks: int = 1, resolution: int = 4) -> SparseStructureFlowModel:
    torch.manual_seed(0)
    return SparseStructureFlowModel(
        StructureFlowParams(
            resolution=resolution, in_channels=2, out_channels=3, model_channels=12,
            cond_channels=6, num_blocks=blocks, num_heads=2, mlp_ratio=2, patch_size=patch_size,
            qk_rms_norm=True, qk_rms_norm_cross=False,
        )
    )  # fmt: skip


@pytest.mark.parametrize("patch_size", [1, 2])
def test_each_patch_of_cells_is_a_token(patch_size: int) -> None:
    p = patch_size
    model = flow(p, blocks=0)  # what remains: linear, position, norm, linear
    nn.init.normal_(model.out_layer.weight)
    x = torch.randn(2, 2, 4, 4, 4)
    out = model(x, torch.tensor([730.0, 210.0]), torch.randn(2, 5, 6))
    assert out.shape == (2, 3, 4, 4, 4)
    side = 4 // p
    expected = torch.zeros_like(out)
    for b in range(2):
        for i in range(side):
            for j in range(side):
                for k in range(side):
                    at = (slice(i * p, i * p + p), slice(j * p, j * p + p), slice(k * p, k * p + p))
                    token = x[(b, slice(None), *at)].flatten()  # channels first, then offsets
                    position = model.pos_emb[(i * side + j) * side + k]
                    h = model.input_layer(token) + position
                    h = (h - h.mean()) / (h.var(unbiased=False) + 1e-5).sqrt()
                    expected[(b, slice(None), *at)] = model.out_layer(h).reshape(3, p, p, p)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


def test_a_fresh_flow_predicts_zero_velocity() -> None:
    out = flow(1)(torch.randn(1, 2, 4, 4, 4), torch.tensor([500.0]), torch.randn(1, 5, 6))
    assert (out == 0).all()


def test_samples_of_a_batch_do_not_see_each_other() -> None:
    model = flow(1)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    x, t, cond = torch.randn(2, 2, 4, 4, 4), torch.tensor([900.0, 100.0]), torch.randn(2, 5, 6)
    together = model(x, t, cond)
    for b in range(2):
        alone = model(x[b : b + 1], t[b : b + 1], cond[b : b + 1])
        torch.testing.assert_close(together[b : b + 1], alone, atol=1e-5, rtol=1e-4)


def test_permuted_cells_give_permuted_velocities() -> None:
    """But for the position table, cells are a set."""
    model = flow(1)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    order = torch.randperm(64)
    x, t, cond = torch.randn(1, 2, 4, 4, 4), torch.tensor([300.0]), torch.randn(1, 5, 6)
    out = model(x, t, cond).flatten(2)
    model.pos_emb = model.pos_emb[order]
    shuffled = model(x.flatten(2)[..., order].view_as(x), t, cond).flatten(2)
    torch.testing.assert_close(shuffled, out[..., order], atol=1e-5, rtol=1e-4)


def test_upsampling_shuffles_channels_to_the_eight_cells() -> None:
    decoder = SparseStructureDecoder(
        StructureDecoderParams(
            out_channels=1, latent_channels=2, num_res_blocks=0, num_res_blocks_middle=0,
            channels=[4, 2],
        )
    )  # fmt: skip
    (up,) = decoder.blocks
    h = torch.randn(1, 4, 2, 2, 2)
    convolved, shuffled = up.conv(h), up(h)
    assert shuffled.shape == (1, 2, 4, 4, 4)
    for c in range(2):
        for a, b, d in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1)]:
            cells = shuffled[0, c, a::2, b::2, d::2]
            assert torch.equal(cells, convolved[0, c * 8 + a * 4 + b * 2 + d])


def test_encoder_and_decoder_mirror_each_other_in_shape() -> None:
    encoder = SparseStructureEncoder(
        StructureEncoderParams(
            in_channels=1, latent_channels=8, num_res_blocks=2, num_res_blocks_middle=2,
            channels=[4, 8, 16],
        )
    )  # fmt: skip
    decoder = SparseStructureDecoder(
        StructureDecoderParams(
            out_channels=1, latent_channels=8, num_res_blocks=2, num_res_blocks_middle=2,
            channels=[16, 8, 4],
        )
    )  # fmt: skip
    occupancy = (torch.rand(2, 1, 16, 16, 16) < 0.1).float()
    mean, logvar = encoder(occupancy)
    assert mean.shape == logvar.shape == (2, 8, 4, 4, 4)
    decoded = decoder(mean)
    assert decoded.shape == occupancy.shape
    for b in range(2):  # samples of a batch do not see each other
        torch.testing.assert_close(
            encoder(occupancy[b : b + 1])[0], mean[b : b + 1], atol=1e-5, rtol=1e-4
        )
        torch.testing.assert_close(
            decoder(mean[b : b + 1]), decoded[b : b + 1], atol=1e-5, rtol=1e-4
        )
