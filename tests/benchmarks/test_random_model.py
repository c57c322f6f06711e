"""Folders with random weights: files as the format says, values that depend on nothing else."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.random_model import write_safetensors
from benchmarks.random_weights import random_tensor, randomize_
from pipeline.checkpoints.header import TensorFacts, read_header
from pipeline.model.blocks import position_embedding
from pipeline.model.slat import SLatFlowModel, SLatFlowParams
from pipeline.model.sparse import SparseTensor

LAYOUT = {
    "half": TensorFacts(shape=(3, 5), dtype="F16"),
    "full": TensorFacts(shape=(7,), dtype="F32"),
    "another.half": TensorFacts(shape=(2, 1, 3), dtype="F16"),
}


def test_a_written_file_holds_what_was_made(tmp_path: Path) -> None:
    made = {key: torch.randn(facts.shape) for key, facts in LAYOUT.items()}
    file = tmp_path / "weights.safetensors"
    write_safetensors(file, LAYOUT, lambda key, _: made[key])
    assert read_header(file) == LAYOUT
    found = load_file(file)
    assert torch.equal(found["full"], made["full"])
    assert torch.equal(found["half"], made["half"].half())
    assert torch.equal(found["another.half"], made["another.half"].half())


def test_a_tensor_depends_on_seed_checkpoint_and_key_alone() -> None:
    first = random_tensor("ss_flow_x", "blocks.0.mlp.mlp.0.weight", (8, 4), 1)
    random_tensor("ss_flow_x", "input_layer.weight", (8, 4), 1)
    assert torch.equal(first, random_tensor("ss_flow_x", "blocks.0.mlp.mlp.0.weight", (8, 4), 1))
    for name, key, seed in (
        ("ss_flow_y", "blocks.0.mlp.mlp.0.weight", 1),
        ("ss_flow_x", "blocks.1.mlp.mlp.0.weight", 1),
        ("ss_flow_x", "blocks.0.mlp.mlp.0.weight", 2),
    ):
        assert not torch.equal(first, random_tensor(name, key, (8, 4), seed))


def test_positions_are_the_real_ones() -> None:
    cells = torch.tensor([(x, y, z) for x in range(4) for y in range(4) for z in range(4)])
    found = random_tensor("ss_flow_x", "pos_emb", (64, 48), 1)
    assert torch.equal(found, position_embedding(cells, 48))


def test_the_structure_decoder_shows_no_pattern_of_its_pixel_shuffle() -> None:
    weight = random_tensor("ss_dec_conv3d_16l8", "blocks.2.conv.weight", (32, 4, 3, 3, 3), 1)
    cells = torch.unflatten(weight, 0, (4, 8))
    assert torch.equal(cells, cells[:, :1].expand_as(cells))
    assert not torch.equal(cells[0], cells[1])


def test_a_velocity_moves_noise_a_little_and_hears_its_condition() -> None:
    params = SLatFlowParams(
        resolution=8, in_channels=8, out_channels=8, model_channels=128, cond_channels=64,
        num_blocks=4, num_heads=4, mlp_ratio=4, patch_size=2, num_io_res_blocks=2,
        io_block_channels=[32], qk_rms_norm=True,
    )  # fmt: skip
    model = SLatFlowModel(params).requires_grad_(False)
    randomize_(model, "slat_flow_x", 1)
    rng = torch.Generator().manual_seed(1)
    voxels = torch.argwhere(torch.rand(1, 8, 8, 8, generator=rng) < 0.3)
    x = torch.randn(len(voxels), 8, generator=rng)
    noisy = SparseTensor(coords=voxels, feats=x, batch_size=1)
    time, cond = torch.tensor([800.0]), torch.randn(1, 9, 64, generator=rng)
    v = model(noisy, time, cond).feats
    other = model(noisy, time, torch.zeros_like(cond)).feats
    assert 0.001 < float(v.std()) < 0.01
    assert float((v - other).std()) > 1e-5
