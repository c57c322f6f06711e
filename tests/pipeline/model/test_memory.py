"""Estimates of memory, against what is really alive at the peak."""

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import OutOfMemory
from pipeline.model.memory import (
    MemoryEstimate,
    mesh_decoder_memory,
    mesh_head_bytes,
    slat_flow_memory,
    structure_flow_memory,
)
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.slat import SLatFlowModel, SLatFlowParams, SwinParams
from pipeline.model.sparse import SparseTensor
from pipeline.model.sparse_structure import SparseStructureFlowModel, StructureFlowParams
from tests.reference.peak_memory import PeakMemory

CPU = torch.device("cpu")
WIDTH, TOKENS = 128, 40


def check(estimate: MemoryEstimate, measured_bytes: int, model: nn.Module) -> None:
    """Never too little, and not so much that jobs are refused which would run."""
    assert 1 <= estimate.working_bytes / measured_bytes <= 1.7
    assert estimate.weights_bytes == sum(
        t.numel() * t.element_size() for t in model.state_dict().values()
    )


def shells(radius: float, batch: int) -> Tensor:
    """`[L, 4]` voxels of a sphere at 64 cells."""
    axis = torch.arange(64) - 31.5
    distance = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    return torch.argwhere(((distance - radius).abs() < 0.5).expand(batch, 64, 64, 64))


@pytest.mark.parametrize(
    ("side", "batch", "precision"),
    [(8, 2, torch.float32), (12, 1, torch.float32), (12, 2, torch.bfloat16)],
)
@torch.no_grad()
def test_structure_flow(side: int, batch: int, precision: torch.dtype) -> None:
    model = SparseStructureFlowModel(
        StructureFlowParams(
            resolution=side, in_channels=8, out_channels=8, model_channels=WIDTH,
            cond_channels=WIDTH, num_blocks=1, num_heads=4, mlp_ratio=4, patch_size=1,
            qk_rms_norm=True, qk_rms_norm_cross=False,
        )
    )  # fmt: skip
    model.cast_torso(precision)
    x, cond = torch.randn(batch, *model.shape), torch.randn(batch, TOKENS, WIDTH)
    with PeakMemory() as used:
        model(x, torch.rand(batch), cond)
    check(structure_flow_memory(model, batch, TOKENS), used.peak_bytes, model)


@pytest.mark.parametrize(
    ("radius", "precision"), [(10, torch.float32), (20, torch.float32), (20, torch.bfloat16)]
)
@torch.no_grad()
def test_slat_flow(radius: float, precision: torch.dtype) -> None:
    model = SLatFlowModel(
        SLatFlowParams(
            resolution=64, in_channels=8, out_channels=8, model_channels=WIDTH,
            cond_channels=WIDTH, num_blocks=1, num_heads=4, mlp_ratio=4, patch_size=2,
            num_io_res_blocks=2, io_block_channels=[16], qk_rms_norm=True,
        )
    )  # fmt: skip
    model.cast_torso(precision)
    coords = shells(radius, 2)
    x = SparseTensor(coords=coords, feats=torch.randn(len(coords), 8), batch_size=2)
    cond = torch.randn(2, TOKENS, WIDTH)
    with PeakMemory() as used:
        model(x, torch.rand(2), cond)
    check(slat_flow_memory(model, len(coords), 2, TOKENS, CPU), used.peak_bytes, model)


@pytest.mark.parametrize(
    ("radius", "precision"), [(4, torch.float32), (9, torch.float32), (9, torch.bfloat16)]
)
def test_mesh_decoder(radius: float, precision: torch.dtype) -> None:
    model = SLatMeshDecoder(
        SwinParams(
            resolution=64, in_channels=8, model_channels=WIDTH, num_blocks=1, num_heads=4,
            mlp_ratio=4, window_size=8,
        ),
        norm_groups=8,
    )  # fmt: skip
    model.cast_torso(precision)
    coords = shells(radius, 1)
    x = SparseTensor(coords=coords, feats=torch.randn(len(coords), 8), batch_size=1)
    with PeakMemory() as used:
        cubes, head = model.decode_to_host(x, lambda _: None)
    check(mesh_decoder_memory(model, len(coords), CPU), used.peak_bytes, model)
    assert mesh_head_bytes(len(coords)) == cubes.nbytes + head.nbytes


@pytest.mark.parametrize(("working_bytes", "fits"), [(7 << 30, True), (9 << 30, False)])
def test_what_does_not_fit_is_refused_with_both_amounts(
    working_bytes: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gib = 1 << 30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5 * gib, 16 * gib))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 6 * gib)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 3 * gib)
    estimate = MemoryEstimate(weights_bytes=0, working_bytes=working_bytes)
    estimate.require(CPU, "sampling")
    if fits:
        estimate.require(torch.device("cuda:0"), "sampling")
    else:
        message = r"sampling needs about 9.7 GB, 8.6 GB are free on cuda:0; ask for fewer"
        with pytest.raises(OutOfMemory, match=message):
            estimate.require(torch.device("cuda:0"), "sampling")
