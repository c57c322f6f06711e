"""The plain side of the generator benchmark computes what the pipeline's modules compute."""

import pytest
import torch
from torch import Tensor, nn

from benchmarks import plain_trellis as plain
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.slat import SLatFlowModel, SLatFlowParams, SwinParams
from pipeline.model.sparse import SparseTensor
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureFlowModel,
    StructureDecoderParams,
    StructureFlowParams,
)

SIDE, CHANNELS, CONTEXT, HEADS = 8, 4, 24, 2
TOLERANCE = 2e-5  # another order of float32 sums


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def randomized(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval().requires_grad_(False)


def some_voxels() -> Tensor:
    return torch.argwhere(torch.rand(SIDE, SIDE, SIDE) < 0.3)


def test_structure_flow() -> None:
    model = randomized(
        SparseStructureFlowModel(
            StructureFlowParams(
                resolution=4, in_channels=CHANNELS, out_channels=CHANNELS, model_channels=32,
                cond_channels=CONTEXT, num_blocks=2, num_heads=HEADS, mlp_ratio=4, patch_size=1,
                qk_rms_norm=True, qk_rms_norm_cross=True,
            )
        )
    )  # fmt: skip
    x, time, cond = torch.randn(1, CHANNELS, 4, 4, 4), torch.tensor([640.0]), torch.randn(1, 5, 24)
    found = plain.structure_velocity(model.state_dict(), HEADS, x, time, cond)
    assert torch.allclose(found, model(x, time, cond), atol=TOLERANCE)


@pytest.mark.parametrize("io_blocks", [2, 3])
def test_slat_flow(io_blocks: int) -> None:
    model = randomized(
        SLatFlowModel(
            SLatFlowParams(
                resolution=SIDE, in_channels=CHANNELS, out_channels=CHANNELS, model_channels=32,
                cond_channels=CONTEXT, num_blocks=2, num_heads=HEADS, mlp_ratio=4, patch_size=2,
                num_io_res_blocks=io_blocks, io_block_channels=[16], qk_rms_norm=True,
            )
        )
    )  # fmt: skip
    coords = some_voxels()
    coarse, parent = plain.halved(coords, SIDE)
    x, time, cond = torch.randn(len(coords), CHANNELS), torch.tensor([310.0]), torch.randn(1, 5, 24)
    found = plain.slat_velocity(
        model.state_dict(), HEADS, plain.voxels(coords, SIDE), plain.voxels(coarse, SIDE // 2),
        parent, x, time, cond,
    )  # fmt: skip
    expected = model(one_sample(coords, x), time, cond).feats
    assert torch.allclose(found, expected, atol=TOLERANCE)


def test_structure_decoder() -> None:
    model = randomized(
        SparseStructureDecoder(
            StructureDecoderParams(
                out_channels=1, latent_channels=CHANNELS, num_res_blocks=1,
                num_res_blocks_middle=1, channels=[16, 8],
            )
        )
    )  # fmt: skip
    z = torch.randn(1, CHANNELS, 4, 4, 4)
    found = plain.structure_logits(model.state_dict(), z)
    assert torch.allclose(found, model(z), atol=TOLERANCE)


def test_mesh_decoder() -> None:
    params = SwinParams(
        resolution=SIDE, in_channels=CHANNELS, model_channels=64, num_blocks=2, num_heads=HEADS,
        mlp_ratio=4, window_size=4,
    )  # fmt: skip
    model = randomized(SLatMeshDecoder(params, norm_groups=4))
    coords = some_voxels()
    finer = plain.subdivided(coords)
    levels = (
        plain.voxels(coords, SIDE),
        plain.voxels(finer, 2 * SIDE),
        plain.voxels(plain.subdivided(finer), 4 * SIDE),
    )
    slat = torch.randn(len(coords), CHANNELS)
    found = plain.mesh_head(model.state_dict(), HEADS, 4, 4, levels, slat)
    assert torch.allclose(found, model(one_sample(coords, slat)).feats, atol=TOLERANCE)


def one_sample(coords: Tensor, feats: Tensor) -> SparseTensor:
    rows = torch.cat([coords.new_zeros(len(coords), 1), coords], dim=1)
    return SparseTensor(coords=rows, feats=feats, batch_size=1)
