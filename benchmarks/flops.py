"""Floating-point operations of one evaluation, counted from the shapes.

A multiplication and an addition are two. Counted are the matrix products and convolutions: what a
matrix unit does. Counted is what the formulas say: a padded window or an absent neighbour adds
nothing, whatever a kernel spends on it; and who finds a way to compute less is counted as if they
had not, so that shares of a ceiling compare, and can exceed 1.
"""

from collections.abc import Iterable

from pipeline.model.slat import SLatFlowParams, SwinParams
from pipeline.model.sparse_structure import StructureDecoderParams, StructureFlowParams

_TIME_FREQUENCIES = 256
_HEAD_CHANNELS = 101  # of the mesh decoder


def structure_flow(params: StructureFlowParams, batch: int, cond_tokens: int) -> int:
    """One evaluation on `batch` samples."""
    patch = params.patch_size**3
    tokens, c = params.resolution**3 // patch, params.model_channels
    ends = tokens * c * patch * (params.in_channels + params.out_channels)
    blocks = params.num_blocks * _flow_block(
        tokens, c, params.mlp_ratio, params.cond_channels, cond_tokens
    )
    return 2 * batch * (ends + _time(c) + blocks)


def slat_flow(
    params: SLatFlowParams,
    batch: int,
    cond_tokens: int,
    fine: tuple[int, int],
    coarse: tuple[int, int],
) -> int:
    """One evaluation on `batch` samples of the same size.

    Args:
        params: Of the model.
        batch: Samples.
        cond_tokens: Condition tokens per sample.
        fine: Active voxels of a sample, and its pairs of a voxel and an active neighbour (itself
            included).
        coarse: The same on the halved grid.
    """
    c, io = params.model_channels, params.io_block_channels[0]
    total = fine[0] * io * (params.in_channels + params.out_channels) + _time(c)
    last = params.num_io_res_blocks - 1
    total += last * _res_block(fine, io, io, c) + _res_block(coarse, io, c, c)
    total += params.num_blocks * _flow_block(
        coarse[0], c, params.mlp_ratio, params.cond_channels, cond_tokens
    )
    total += _res_block(fine, 2 * c, io, c) + last * _res_block(fine, 2 * io, io, c)
    return 2 * batch * total


def structure_decoder(params: StructureDecoderParams, latent_side: int) -> int:
    """One sample."""
    widths = params.channels
    cells = latent_side**3
    total = cells * params.latent_channels * widths[0]
    total += cells * 2 * params.num_res_blocks_middle * widths[0] ** 2
    for level, width in enumerate(widths):
        total += cells * 2 * params.num_res_blocks * width**2
        if level + 1 < len(widths):
            total += cells * width * 8 * widths[level + 1]
            cells *= 8
    total += cells * widths[-1] * params.out_channels
    return 2 * 27 * total


def mesh_decoder(
    params: SwinParams, populations: Iterable[Iterable[int]], levels: list[tuple[int, int]]
) -> int:
    """One sample.

    Args:
        params: Of the model.
        populations: Voxels of each window, for the unshifted and the shifted grid of windows.
        levels: Voxels, and pairs of a voxel and an active neighbour, on the latent's grid and the
            two finer ones.
    """
    c, rows = params.model_channels, levels[0][0]
    total = rows * params.in_channels * c
    per_row = int((4 + 2 * params.mlp_ratio) * c**2)  # qkv, out, two linears
    scores = [2 * c * sum(n * n for n in windows) for windows in populations]
    total += sum(rows * per_row + scores[i % 2] for i in range(params.num_blocks))
    width = c
    for voxels, pairs in levels[1:]:
        out = width // 4 if width == c else width // 2
        total += pairs * (width * out + out * out) + voxels * width * out
        width = out
    return 2 * (total + levels[-1][0] * width * _HEAD_CHANNELS)


def _time(c: int) -> int:
    return _TIME_FREQUENCIES * c + c * c


def _flow_block(tokens: int, c: int, mlp_ratio: float, ctx: int, cond_tokens: int) -> int:
    """Multiply-adds: qkv and out, to_q and to_out, two linears, then scores and their sums."""
    per_token = int((4 + 2 + 2 * mlp_ratio) * c**2) + 2 * c * (tokens + cond_tokens)
    return tokens * per_token + cond_tokens * ctx * 2 * c + 6 * c * c


def _res_block(level: tuple[int, int], into: int, out: int, time_channels: int) -> int:
    voxels, pairs = level
    skip = voxels * into * out if into != out else 0
    return pairs * (into * out + out * out) + skip + time_channels * 2 * out
