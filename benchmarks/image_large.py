"""TRELLIS-image-large in its published sizes, with random weights: what each stage calls, twice.

Ours are the modules of `pipeline/model`, with both guidance passes in one batch. Plain is
`plain_trellis` on the same weights, two passes one after another.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import flops
from benchmarks import plain_trellis as plain
from benchmarks.random_weights import randomize_
from benchmarks.side_by_side import Call
from pipeline.model.flow import times
from pipeline.model.kernels import Kernels, equip
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.slat import SLatFlowModel, SLatFlowParams, SwinParams
from pipeline.model.sparse import SparseTensor
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureFlowModel,
    StructureDecoderParams,
    StructureFlowParams,
)
from pipeline.model.torso import HasTorso

STEPS, RESCALE_T, GUIDED_FROM_T, GUIDANCE_STRENGTH = 25, 3.0, 0.5, 5.0
CONDITION_TOKENS = 1374
ACTIVE_VOXELS = 20_000  # about the mean of its authors' data
MODEL_TIME = 800.0

STRUCTURE_FLOW = StructureFlowParams(
    resolution=16, in_channels=8, out_channels=8, model_channels=1024, cond_channels=1024,
    num_blocks=24, num_heads=16, mlp_ratio=4, patch_size=1, qk_rms_norm=True,
    qk_rms_norm_cross=False,
)  # fmt: skip
STRUCTURE_DECODER = StructureDecoderParams(
    out_channels=1, latent_channels=8, num_res_blocks=2, num_res_blocks_middle=2,
    channels=[512, 128, 32],
)  # fmt: skip
SLAT_FLOW = SLatFlowParams(
    resolution=64, in_channels=8, out_channels=8, model_channels=1024, cond_channels=1024,
    num_blocks=24, num_heads=16, mlp_ratio=4, patch_size=2, num_io_res_blocks=2,
    io_block_channels=[128], qk_rms_norm=True,
)  # fmt: skip
MESH_DECODER = SwinParams(
    resolution=64, in_channels=8, model_channels=768, num_blocks=12, num_heads=12, mlp_ratio=4,
    window_size=8,
)  # fmt: skip
NORM_GROUPS = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What all stages run with.

    kernels: ours; plain has torch's own, and `plain_dtype`.
    voxel_count: active voxels of the second stage.
    """

    device: torch.device
    kernels: Kernels
    plain_dtype: torch.dtype
    voxel_count: int
    seed: int

    def noise(self, *shape: int) -> Tensor:
        """Standard normal, drawn on the CPU."""
        rng = torch.Generator().manual_seed(self.seed)
        return torch.randn(shape, generator=rng).to(self.device)

    def both_sides(self, model: nn.Module, checkpoint: str) -> plain.Weights:
        """Make a model that has no memory yet ready for ours, and return plain's weights."""
        model.to_empty(device=self.device).eval().requires_grad_(False)
        randomize_(model, checkpoint, self.seed)
        equip(model, self.kernels)
        twin = model if self.kernels.precision == self.plain_dtype else copy.deepcopy(model)
        for side, dtype in ((twin, self.plain_dtype), (model, self.kernels.precision)):
            assert isinstance(side, HasTorso)
            side.cast_torso(dtype)
        return twin.state_dict()


def active_voxels(side: int, count: int) -> Tensor:
    """`[count, 3]` int64, sorted: the cells nearest to a gyroid inside a ball.

    As thin, folded and connected as the surface of an object, which decides how many coarse
    tokens, neighbours and windows there are.
    """
    period = 0.4 * side
    axis = torch.arange(side, dtype=torch.float64) + 0.5 - side / 2
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    u, v, w = (2 * torch.pi / period * c for c in (x, y, z))
    gyroid = u.sin() * v.cos() + v.sin() * w.cos() + w.sin() * u.cos()
    outside = x**2 + y**2 + z**2 > (side / 2 - 2) ** 2
    distance = gyroid.abs().masked_fill(outside, torch.inf).flatten()
    rows = torch.sort(torch.topk(distance, count, largest=False).indices).values
    return torch.stack([rows // side**2, rows // side % side, rows % side], dim=1)


def structure_flow_calls(setting: Setting) -> list[Call]:
    """The steps of the first stage's walk."""
    params, heads = STRUCTURE_FLOW, STRUCTURE_FLOW.num_heads
    with torch.device("meta"):
        flow = SparseStructureFlowModel(params)
    weights = setting.both_sides(flow, "ss_flow_img_dit_L_16l8")
    x = setting.noise(1, *flow.shape)

    def ours(cond: Tensor, time: Tensor) -> Tensor:
        v: Tensor = flow(x.repeat(len(cond), 1, 1, 1, 1), time, cond)
        return v

    def one_pass(cond: Tensor, time: Tensor) -> Tensor:
        return plain.structure_velocity(weights, heads, x, time, cond)

    flop = flops.structure_flow(params, 1, CONDITION_TOKENS)
    return _walk_calls(setting, params.cond_channels, flop, "", ours, one_pass)


def structure_decoder_calls(setting: Setting) -> list[Call]:
    """One call."""
    with torch.device("meta"):
        decoder = SparseStructureDecoder(STRUCTURE_DECODER)
    weights = setting.both_sides(decoder, "ss_dec_conv3d_16l8")
    side = STRUCTURE_FLOW.resolution
    z = setting.noise(1, STRUCTURE_DECODER.latent_channels, side, side, side)

    def ours() -> Tensor:
        logits: Tensor = decoder(z)
        return logits

    return [
        Call(
            name="decode",
            count=1,
            flop=flops.structure_decoder(STRUCTURE_DECODER, side),
            ours=ours,
            plain=lambda: plain.structure_logits(weights, z),
        )
    ]


def slat_flow_calls(setting: Setting) -> list[Call]:
    """The steps of the second stage's walk."""
    params, heads, side = SLAT_FLOW, SLAT_FLOW.num_heads, SLAT_FLOW.resolution
    with torch.device("meta"):
        flow = SLatFlowModel(params)
    weights = setting.both_sides(flow, "slat_flow_img_dit_L_64l8p2")
    coords = active_voxels(side, setting.voxel_count).to(setting.device)
    coarse_coords, parent = plain.halved(coords, side)
    fine, coarse = plain.voxels(coords, side), plain.voxels(coarse_coords, side // 2)
    x = setting.noise(len(coords), params.in_channels)
    # Once per walk, as the pipeline does: for one sample and for both passes.
    arranged = {n: flow.arrange(_rows(coords, n), n) for n in (1, 2)}

    def ours(cond: Tensor, time: Tensor) -> Tensor:
        n = len(cond)
        noisy = SparseTensor(coords=_rows(coords, n), feats=x.repeat(n, 1), batch_size=n)
        v: Tensor = flow(noisy, time, cond, arranged[n]).feats
        return torch.unflatten(v, 0, (n, -1))

    def one_pass(cond: Tensor, time: Tensor) -> Tensor:
        return plain.slat_velocity(weights, heads, fine, coarse, parent, x, time, cond)[None]

    flop = flops.slat_flow(params, 1, CONDITION_TOKENS, _level(fine), _level(coarse))
    sizes = f", {len(coords):,} voxels, {len(coarse_coords):,} tokens"
    return _walk_calls(setting, params.cond_channels, flop, sizes, ours, one_pass)


def mesh_decoder_calls(setting: Setting) -> list[Call]:
    """One call, from the latent to numbers in the host's memory."""
    params, side, window = MESH_DECODER, MESH_DECODER.resolution, MESH_DECODER.window_size
    with torch.device("meta"):
        decoder = SLatMeshDecoder(params, NORM_GROUPS)
    weights = setting.both_sides(decoder, "slat_dec_mesh_swin8_B_64l8m256c")
    coords = active_voxels(side, setting.voxel_count).to(setting.device)
    finer = plain.subdivided(coords)
    levels = (
        plain.voxels(coords, side),
        plain.voxels(finer, 2 * side),
        plain.voxels(plain.subdivided(finer), 4 * side),
    )
    populations = [
        torch.unique((coords + shift) // window, dim=0, return_counts=True)[1].tolist()
        for shift in (0, window // 2)
    ]
    latent = setting.noise(len(coords), params.in_channels)
    slat = SparseTensor(coords=_rows(coords, 1), feats=latent, batch_size=1)

    def ours() -> Tensor:
        return torch.from_numpy(decoder.decode_to_host(slat, lambda _: None)[1])

    def theirs() -> Tensor:
        head = plain.mesh_head(weights, params.num_heads, window, NORM_GROUPS, levels, latent)
        return head.cpu()

    return [
        Call(
            name=f"decode, {len(coords):,} voxels",
            count=1,
            flop=flops.mesh_decoder(params, populations, [_level(v) for v in levels]),
            ours=ours,
            plain=theirs,
        )
    ]


STAGES: dict[str, Callable[[Setting], list[Call]]] = {
    "structure flow": structure_flow_calls,
    "structure decoder": structure_decoder_calls,
    "SLAT flow": slat_flow_calls,
    "mesh decoder": mesh_decoder_calls,
}


def _walk_calls(
    setting: Setting,
    cond_channels: int,
    flop: int,
    sizes: str,
    ours: Callable[[Tensor, Tensor], Tensor],
    one_pass: Callable[[Tensor, Tensor], Tensor],
) -> list[Call]:
    """Steps with and without guidance; both functions give `[B, ...]` of condition and times."""
    cond = setting.noise(1, CONDITION_TOKENS, cond_channels)
    null = torch.zeros_like(cond)
    both = torch.cat([cond, null])
    time = torch.full((2,), MODEL_TIME, device=setting.device)
    starts = times(STEPS, RESCALE_T)[:-1]
    guided = sum(t >= GUIDED_FROM_T for t in starts)
    return [
        Call(
            name=f"guided step{sizes}",
            count=guided,
            flop=2 * flop,
            ours=lambda: _guided(*torch.chunk(ours(both, time), 2)),
            plain=lambda: _guided(one_pass(cond, time[:1]), one_pass(null, time[:1])),
        ),
        Call(
            name="step",
            count=len(starts) - guided,
            flop=flop,
            ours=lambda: ours(cond, time[:1]),
            plain=lambda: one_pass(cond, time[:1]),
        ),
    ]


def _guided(cond: Tensor, null: Tensor) -> Tensor:
    return (1 + GUIDANCE_STRENGTH) * cond - GUIDANCE_STRENGTH * null


def _rows(coords: Tensor, samples: int) -> Tensor:
    """The same voxels in every sample, with batch index."""
    return torch.cat([F.pad(coords, (1, 0), value=i) for i in range(samples)])


def _level(v: plain.Voxels) -> tuple[int, int]:
    return len(v.coords), plain.pair_count(v)
