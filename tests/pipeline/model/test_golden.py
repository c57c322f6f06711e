"""The reference's numbers: modules filled by formula, compared with sums and samples.

The expected values were obtained by running the published implementation on a CPU in float32 on
the same formula-filled parameters and inputs; no released weights are involved.
"""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.model.flexicubes import DualSurface, dual_surface
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.slat import SLatEncoder, SLatFlowModel, SLatFlowParams, SwinParams
from pipeline.model.sparse import SparseTensor
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureEncoder,
    SparseStructureFlowModel,
    StructureDecoderParams,
    StructureEncoderParams,
    StructureFlowParams,
)

# Sums of several thousand float32 values, and samples printed with five decimals.
SUM_TOLERANCE = 2e-3
SAMPLE_TOLERANCE = 1e-5


def fill(model: nn.Module) -> None:
    """Give every parameter a value that depends on its key and position only."""
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            i = np.arange(parameter.numel(), dtype=np.float64)
            q = np.sin(0.37 * i + sum(key.encode("ascii")) % 97)
            if key.endswith("gamma"):
                value = 1 + 0.1 * q
            elif parameter.ndim == 1:
                value = 1 + 0.1 * q if key.endswith("weight") else 0.1 * q
            else:
                value = q / np.sqrt(parameter.numel() / parameter.shape[0])
            parameter.copy_(torch.from_numpy(value.astype(np.float32)).view_as(parameter))


def seq(shape: tuple[int, ...], w: float, p: float) -> Tensor:
    i = np.arange(np.prod(shape), dtype=np.float64)
    return torch.from_numpy(np.sin(w * i + p).astype(np.float32)).reshape(shape)


def sparse_coords(side: int) -> Tensor:
    cells = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)
    x, y, z = cells.T
    code = 3 * x + 5 * y + 7 * z + x * y * z
    rows = [
        np.c_[np.full(keep.sum(), b), cells[keep]]
        for b, keep in enumerate([code % 11 == 0, code % 13 == 0])
    ]
    return torch.from_numpy(np.concatenate(rows))


def sparse(side: int, channels: int) -> SparseTensor:
    coords = sparse_coords(side)
    return SparseTensor(coords=coords, feats=seq((len(coords), channels), 0.11, 0.5), batch_size=2)


def check(
    out: Tensor, numel: int, total: float, mean_abs: float, first: list[float], last: list[float]
) -> None:
    flat = out.detach().flatten()
    assert flat.numel() == numel
    assert float(flat.double().sum()) == pytest.approx(total, abs=SUM_TOLERANCE)
    assert float(flat.double().abs().mean()) == pytest.approx(mean_abs, abs=SAMPLE_TOLERANCE)
    np.testing.assert_allclose(flat[: len(first)], first, atol=SAMPLE_TOLERANCE)
    np.testing.assert_allclose(flat[-len(last) :], last, atol=SAMPLE_TOLERANCE)


def test_coords_match_the_fixture() -> None:
    coords = sparse_coords(16)
    assert torch.bincount(coords[:, 0]).tolist() == [342, 337]
    assert coords[:3].tolist() == [[0, 0, 0, 0], [0, 0, 0, 11], [0, 0, 1, 4]]
    assert coords[-1].tolist() == [1, 15, 15, 8]


@pytest.mark.parametrize(
    ("cross_norm", "total", "mean_abs", "first", "last"),
    [
        (False, -170.968756, 1.503506, [0.15508, 0.27532, 0.35723, 0.34655, 0.36166, 0.49973],
         [0.77657, 0.61437, 0.57262]),
        (True, -170.943728, 1.503323, [0.15576, 0.27589, 0.35785, 0.34718, 0.36207, 0.50027],
         [0.7763, 0.61443, 0.57273]),
    ],
)  # fmt: skip
def test_structure_flow(
    cross_norm: bool, total: float, mean_abs: float, first: list[float], last: list[float]
) -> None:
    model = SparseStructureFlowModel(
        StructureFlowParams(
            resolution=4, in_channels=8, out_channels=8, model_channels=64, cond_channels=48,
            num_blocks=2, num_heads=4, mlp_ratio=4, patch_size=1, qk_rms_norm=True,
            qk_rms_norm_cross=cross_norm,
        )
    )  # fmt: skip
    fill(model)
    out = model(
        seq((2, 8, 4, 4, 4), 0.11, 0.5), torch.tensor([730.0, 210.0]), seq((2, 7, 48), 0.23, 0.1)
    )
    check(out, 1024, total, mean_abs, first, last)


def test_structure_encoder() -> None:
    model = SparseStructureEncoder(
        StructureEncoderParams(
            in_channels=1, latent_channels=8, num_res_blocks=1, num_res_blocks_middle=1,
            channels=[8, 16, 32],
        )
    )  # fmt: skip
    fill(model)
    mean, _ = model((seq((1, 1, 16, 16, 16), 0.7, 0.2) > 0.5).float())
    check(mean, 512, 32.305873, 0.158532,
          [0.18503, 0.26308, 0.25403, 0.17859, 0.21077, 0.2704],
          [0.23403, 0.14639, 0.01746])  # fmt: skip


def test_structure_decoder() -> None:
    model = SparseStructureDecoder(
        StructureDecoderParams(
            out_channels=1, latent_channels=8, num_res_blocks=1, num_res_blocks_middle=1,
            channels=[32, 16, 8],
        )
    )  # fmt: skip
    fill(model)
    check(model(seq((1, 8, 4, 4, 4), 0.11, 0.5)), 4096, 292.201831, 0.152802,
          [0.02086, -0.12083, 0.17316, -0.00054, 0.23869, -0.00957],
          [-0.06331, 0.01555, -0.13061])  # fmt: skip


@pytest.mark.parametrize(
    ("io_blocks", "total", "mean_abs", "first", "last"),
    [
        (2, -1353.855923, 0.413836, [0.05978, -0.28952, -0.60153, -0.8355, -0.96079, -0.96089],
         [-0.83099, -0.78574, -0.6378]),
        (3, -1801.480167, 0.528666, [-1.03139, -1.14098, -1.10221, -0.92007, -0.61822, -0.23588],
         [-0.22887, 0.20461, 0.6116]),
    ],
)  # fmt: skip
def test_slat_flow(
    io_blocks: int, total: float, mean_abs: float, first: list[float], last: list[float]
) -> None:
    model = SLatFlowModel(
        SLatFlowParams(
            resolution=16, in_channels=8, out_channels=8, model_channels=64, cond_channels=48,
            num_blocks=2, num_heads=4, mlp_ratio=4, patch_size=2, num_io_res_blocks=io_blocks,
            io_block_channels=[16], qk_rms_norm=True,
        )
    )  # fmt: skip
    fill(model)
    out = model(sparse(16, 8), torch.tensor([730.0, 210.0]), seq((2, 7, 48), 0.23, 0.1))
    check(out.feats, 5432, total, mean_abs, first, last)


def test_slat_encoder() -> None:
    model = SLatEncoder(
        SwinParams(resolution=16, in_channels=24, model_channels=48, num_blocks=3, num_heads=4,
                   mlp_ratio=4, window_size=4),
        latent_channels=8,
    )  # fmt: skip
    fill(model)
    mean, _ = model(sparse(16, 24))
    check(mean, 5432, -1213.781551, 0.875978,
          [-0.91526, 0.08401, 1.08627, 1.00455, -0.09488, -1.06082],
          [-0.47935, -1.53955, -0.9822])  # fmt: skip


@pytest.fixture(scope="module")
def mesh_head() -> SparseTensor:
    model = SLatMeshDecoder(
        SwinParams(resolution=4, in_channels=8, model_channels=256, num_blocks=1, num_heads=4,
                   mlp_ratio=4, window_size=4)
    )  # fmt: skip
    fill(model)
    with torch.no_grad():
        head: SparseTensor = model(sparse(4, 8))
    return head


def test_mesh_head(mesh_head: SparseTensor) -> None:
    check(mesh_head.feats, 58176, -582.034096, 0.305728,
          [-0.00117, -0.24833, -0.33343, -0.21758, 0.03228, 0.27827],
          [-0.39807, -0.14777, 0.18626])  # fmt: skip


def with_center_vertices(surface: DualSurface) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and attributes plus a gamma-weighted centre per quad.

    The fixture's counts are those of the training mesh, four triangles around each centre: its
    737 vertices and 1384 faces are 391 dual vertices and 346 quads.
    """
    q, g = surface.quads, surface.gamma[surface.quads]
    g02, g13 = (g[:, 0] * g[:, 2])[:, None], (g[:, 1] * g[:, 3])[:, None]

    def add_centers(values: np.ndarray) -> np.ndarray:
        v = values[q].astype(np.float64)
        center = (g02 * (v[:, 0] + v[:, 2]) / 2 + g13 * (v[:, 1] + v[:, 3]) / 2) / (g02 + g13)
        return np.concatenate([values, center])

    return add_centers(surface.vertices), add_centers(surface.attributes)


@pytest.mark.parametrize(
    ("sample", "vertices", "faces", "sums", "attributes"),
    [
        (0, 878, 1656, [-20.89546, 1.01896, -94.2687],
         [0.48526, 0.47873, 0.48264, 0.49485, 0.50901, 0.51774]),
        (1, 737, 1384, [-111.34759, -114.03074, -63.99833],
         [0.48559, 0.48016, 0.48433, 0.49585, 0.50878, 0.5165]),
    ],
)  # fmt: skip
def test_extraction(
    mesh_head: SparseTensor,
    sample: int,
    vertices: int,
    faces: int,
    sums: list[float],
    attributes: list[float],
) -> None:
    rows = mesh_head.batch_index == sample
    coords = mesh_head.coords[rows, 1:].numpy().astype(np.int32)
    surface = dual_surface(coords, mesh_head.feats[rows].numpy(), 16)
    points, colors = with_center_vertices(surface)
    assert (len(points), 4 * len(surface.quads)) == (vertices, faces)
    np.testing.assert_allclose(points.sum(0), sums, atol=1e-3)
    np.testing.assert_allclose(colors.mean(0), attributes, atol=SAMPLE_TOLERANCE)
