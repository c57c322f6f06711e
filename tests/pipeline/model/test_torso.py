"""Half precision reaches exactly the tensors that the published files hold in float16."""

import pytest
import torch
from torch import Tensor

from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse import SparseTensor
from pipeline.model.sparse_structure import SparseStructureDecoder, SparseStructureFlowModel
from pipeline.model.torso import HasTorso
from pipeline.model.weights import build
from tests.pipeline.model import tiny_model
from tests.pipeline.model.published import CHECKPOINTS, Checkpoint

DTYPES = {"f16": torch.float16, "f32": torch.float32}


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda c: c.name)
def test_cast_torso_gives_the_published_dtypes(checkpoint: Checkpoint) -> None:
    with torch.device("meta"):
        model = build(checkpoint.kind, checkpoint.args)
    assert isinstance(model, HasTorso)
    model.cast_torso(torch.float16)
    state = model.state_dict()
    wrong = {k: v.dtype for k, v in state.items() if v.dtype != DTYPES[checkpoint.keys[k][1]]}
    assert not wrong
    size_bytes = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    assert size_bytes == checkpoint.size_bytes
    model.cast_torso(torch.float32)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}


def run(model: torch.nn.Module, seed: int) -> Tensor:
    """The output on random input of the shape that the tiny model takes."""
    rng = torch.Generator().manual_seed(seed)
    cond = torch.randn(1, 3, tiny_model.CONDITION_CHANNELS, generator=rng)
    coords = torch.tensor([[0, 0, 0, 1], [0, 1, 2, 1], [0, 1, 2, 2], [0, 3, 3, 3]])
    slat = SparseTensor(coords=coords, feats=torch.randn(4, 3, generator=rng), batch_size=1)
    time = torch.tensor([500.0])
    latent = torch.randn(1, 4, 2, 2, 2, generator=rng)
    out: Tensor
    if isinstance(model, SparseStructureFlowModel):
        out = model(latent, time, cond)
    elif isinstance(model, SparseStructureDecoder):
        out = model(latent)
    elif isinstance(model, SLatFlowModel):
        out = model(slat, time, cond).feats
    else:
        assert isinstance(model, SLatMeshDecoder)
        out = model(slat).feats
    return out


# What the torso's roundings may come to, as a share of the output: 11 and 8 bits, a few layers.
@pytest.mark.parametrize(
    ("precision", "tolerance"), [(torch.float16, 0.02), (torch.bfloat16, 0.12)]
)
@pytest.mark.parametrize(
    ("kind", "args"),
    [
        (SparseStructureFlowModel, tiny_model.STRUCTURE_FLOW),
        (SparseStructureDecoder, tiny_model.STRUCTURE_DECODER),
        (SLatFlowModel, tiny_model.SLAT_FLOW),
        (SLatMeshDecoder, tiny_model.MESH_DECODER),
    ],
)
@torch.no_grad()
def test_half_precision_computes_nearly_the_same(
    kind: type[torch.nn.Module], args: tiny_model.Args, precision: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    model = tiny_model.randomized(build(kind, args))
    exact = run(model, 1)
    assert isinstance(model, HasTorso)
    model.cast_torso(precision)
    half = run(model, 1)
    assert half.dtype == torch.float32  # the way out of the torso
    assert not torch.equal(half, exact)
    assert float((half - exact).norm() / exact.norm()) < tolerance


@torch.no_grad()
def test_the_torso_may_go_back_to_float32() -> None:
    torch.manual_seed(0)
    model = tiny_model.randomized(build(SLatMeshDecoder, tiny_model.MESH_DECODER))
    exact = run(model, 1)
    assert isinstance(model, HasTorso)
    model.cast_torso(torch.float32)
    assert torch.equal(run(model, 1), exact)
