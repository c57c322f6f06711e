"""The counts against what torch's own counter sees the modules and the plain side do."""

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import flops
from benchmarks import plain_trellis as plain
from pipeline.model.blocks import windows
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.slat import SLatFlowModel, SLatFlowParams, SwinParams
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureFlowModel,
    StructureDecoderParams,
    StructureFlowParams,
)

SIDE, HEADS, CONTEXT = 8, 2, 24


class counted(FlopCounterMode):  # noqa: N801  # reads as a verb at its uses
    """Torch's counter, silent. Attention runs as two products, which it can see."""

    def __init__(self) -> None:
        super().__init__(display=False)
        self._kernel = sdpa_kernel(SDPBackend.MATH)

    def __enter__(self) -> "counted":
        self._kernel.__enter__()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)  # type: ignore[no-untyped-call]
        self._kernel.__exit__(None, None, None)


def some_voxels() -> Tensor:
    torch.manual_seed(0)
    return torch.argwhere(torch.rand(SIDE, SIDE, SIDE) < 0.3)


def level(v: plain.Voxels) -> tuple[int, int]:
    return len(v.coords), plain.pair_count(v)


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 2])
def test_structure_flow(batch: int) -> None:
    params = StructureFlowParams(
        resolution=4, in_channels=3, out_channels=5, model_channels=32, cond_channels=CONTEXT,
        num_blocks=3, num_heads=HEADS, mlp_ratio=2, patch_size=2, qk_rms_norm=True,
        qk_rms_norm_cross=False,
    )  # fmt: skip
    model = SparseStructureFlowModel(params)
    x, cond = torch.randn(batch, 3, 4, 4, 4), torch.randn(batch, 7, CONTEXT)
    with counted() as counter:
        model(x, torch.full((batch,), 500.0), cond)
    assert flops.structure_flow(params, batch, 7) == counter.get_total_flops()


@torch.no_grad()
@pytest.mark.parametrize("io_blocks", [2, 3])
def test_slat_flow(io_blocks: int) -> None:
    params = SLatFlowParams(
        resolution=SIDE, in_channels=3, out_channels=5, model_channels=32, cond_channels=CONTEXT,
        num_blocks=3, num_heads=HEADS, mlp_ratio=2, patch_size=2, num_io_res_blocks=io_blocks,
        io_block_channels=[16], qk_rms_norm=True,
    )  # fmt: skip
    weights = SLatFlowModel(params).state_dict()
    coords = some_voxels()
    coarse_coords, parent = plain.halved(coords, SIDE)
    fine, coarse = plain.voxels(coords, SIDE), plain.voxels(coarse_coords, SIDE // 2)
    x, time, cond = torch.randn(len(coords), 3), torch.tensor([500.0]), torch.randn(1, 7, CONTEXT)
    with counted() as counter:
        plain.slat_velocity(weights, HEADS, fine, coarse, parent, x, time, cond)
    found = flops.slat_flow(params, 1, 7, level(fine), level(coarse))
    assert found == counter.get_total_flops()


@torch.no_grad()
def test_structure_decoder() -> None:
    params = StructureDecoderParams(
        out_channels=1, latent_channels=3, num_res_blocks=2, num_res_blocks_middle=1,
        channels=[16, 8, 4],
    )  # fmt: skip
    model = SparseStructureDecoder(params)
    with counted() as counter:
        model(torch.randn(1, 3, 2, 2, 2))
    assert flops.structure_decoder(params, 2) == counter.get_total_flops()


@torch.no_grad()
def test_mesh_decoder() -> None:
    params = SwinParams(
        resolution=SIDE, in_channels=3, model_channels=64, num_blocks=3, num_heads=HEADS,
        mlp_ratio=4, window_size=4,
    )  # fmt: skip
    weights = SLatMeshDecoder(params, norm_groups=4).state_dict()
    coords = some_voxels()
    finer = plain.subdivided(coords)
    levels = (
        plain.voxels(coords, SIDE),
        plain.voxels(finer, 2 * SIDE),
        plain.voxels(plain.subdivided(finer), 4 * SIDE),
    )
    with counted() as counter:
        plain.mesh_head(weights, HEADS, 4, 4, levels, torch.randn(len(coords), 3))
    rows = torch.cat([coords.new_zeros(len(coords), 1), coords], dim=1)
    populations = [windows(rows, 4, shift)[1] for shift in (0, 2)]
    found = flops.mesh_decoder(params, populations, [level(v) for v in levels])
    assert found == counter.get_total_flops()


def test_image_large_costs_what_its_description_says() -> None:
    params = StructureFlowParams(
        resolution=16, in_channels=8, out_channels=8, model_channels=1024, cond_channels=1024,
        num_blocks=24, num_heads=16, mlp_ratio=4, patch_size=1, qk_rms_norm=True,
        qk_rms_norm_cross=False,
    )  # fmt: skip
    assert flops.structure_flow(params, 1, 1374) == pytest.approx(5.2e12, rel=0.02)
