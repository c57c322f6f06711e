"""The Gaussian decoder: the reference's numbers, published arguments, and what the head means."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.errors import ModelUnavailable
from pipeline.model.gaussians import (
    GaussianParams,
    Gaussians,
    SLatGaussianDecoder,
    parse_representation,
)
from pipeline.model.slat import SwinParams
from pipeline.model.sparse import SparseTensor
from tests.pipeline.model.test_golden import check, fill, sparse

RELEASED: dict[str, Any] = {
    "lr": {"_xyz": 1.0, "_features_dc": 1.0, "_opacity": 1.0, "_scaling": 1.0, "_rotation": 0.1},
    "perturb_offset": True,
    "voxel_size": 1.5,
    "num_gaussians": 32,
    "2d_filter_kernel_size": 0.1,
    "3d_filter_kernel_size": 0.0009,
    "scaling_bias": 0.004,
    "opacity_bias": 0.1,
    "scaling_activation": "softplus",
}


def decoder(**changes: object) -> SLatGaussianDecoder:
    params = SwinParams(
        resolution=16, in_channels=8, model_channels=48, num_blocks=2, num_heads=4, mlp_ratio=4,
        window_size=4,
    )  # fmt: skip
    return SLatGaussianDecoder(params, parse_representation({**RELEASED, **changes}))


def voxels(rows: list[list[int]], batch_size: int = 1) -> SparseTensor:
    coords = torch.tensor(rows).reshape(-1, 4)
    return SparseTensor(coords=coords, feats=torch.zeros(len(rows), 8), batch_size=batch_size)


@pytest.fixture(scope="module")
def golden() -> Gaussians:
    model = decoder()
    fill(model)
    x = sparse(16, 8)
    with torch.no_grad():
        samples = model.gaussians(x, model(x))
    assert [len(sample) for sample in samples] == [342 * 32, 337 * 32]
    return samples[1]


@pytest.mark.parametrize(
    ("field", "numel", "total", "mean_abs", "first", "last"),
    [
        ("positions", 32352, -181.529424, 0.248968,
         [-0.51369, -0.49103, -0.44105, -0.44954, -0.48412, -0.51247],
         [0.43774, 0.49271, 0.07062]),
        ("scales", 32352, 202.153871, 0.006249,
         [0.01253, 0.01494, 0.00425, 0.00137, 0.00135, 0.00404], [0.01128, 0.01918, 0.00633]),
        ("rotations", 43136, 10686.393939, 0.309345,
         [0.97611, -0.02876, 0.13717, 0.16606, 0.98496, -0.11659],
         [0.12759, 0.00956, -0.12312]),
        ("opacities", 10784, 1453.445153, 0.134778,
         [0.0804, 0.25914, 0.27105, 0.09034, 0.02734, 0.03259], [0.03317, 0.13511, 0.33377]),
        ("features_dc", 32352, -337.537884, 0.845734,
         [-0.01986, -1.33904, -1.264, 0.15759, 1.43307, 1.2236],
         [0.41251, -1.16421, -1.43436]),
    ],
)  # fmt: skip
def test_equals_the_reference(
    golden: Gaussians,
    field: str,
    numel: int,
    total: float,
    mean_abs: float,
    first: list[float],
    last: list[float],
) -> None:
    check(getattr(golden, field), numel, total, mean_abs, first, last)


def test_offsets_are_those_of_the_published_buffer() -> None:
    rows = decoder().state_dict()["offset_perturbation"]
    assert rows.shape == (32, 3)
    expected = [[-0.804719] * 3, [-0.733169, 0, -0.225993], [0.733169, 0.733169, -0.057677]]
    np.testing.assert_allclose(rows[[0, 1, 31]], expected, atol=1e-6)


def test_an_untrained_decoder_spreads_small_faint_gaussians_over_each_voxel() -> None:
    model = decoder()
    x = voxels([[0, 3, 0, 15], [0, 8, 8, 8]])
    with torch.no_grad():
        (g,) = model.gaussians(x, model(x))
    low = torch.tensor([[3, 0, 15], [8, 8, 8]]) / 16 - 0.5
    inside = (g.positions.reshape(2, 32, 3) - low[:, None]) * 16  # of the voxel, 0 to 1
    assert inside.min() == pytest.approx(0, abs=1e-5)
    assert inside.max() == pytest.approx(31 / 32, abs=1e-5)
    # A cell of the voxel holds its share of them.
    counts = torch.histogramdd(inside[0].double(), bins=[2, 2, 2], range=[0.0, 1.0] * 3).hist
    assert counts.min() >= 3
    torch.testing.assert_close(g.scales, torch.full((64, 3), math.hypot(0.004, 0.0009)))
    torch.testing.assert_close(g.opacities, torch.full((64,), 0.1))
    assert torch.equal(g.rotations, torch.tensor([[1.0, 0, 0, 0]]).expand(64, 4))
    assert torch.equal(g.colors, torch.full((64, 3), 0.5))


def test_each_number_of_the_head_moves_its_own_property() -> None:
    model, x = decoder(num_gaussians=4), voxels([[0, 5, 6, 7]])
    raw = torch.randn(1, 14 * 4, generator=torch.Generator().manual_seed(0))
    (before,) = model.gaussians(x, raw)
    changed = {}
    for column in range(raw.shape[1]):
        moved = raw.clone()
        moved[0, column] += 1.0
        (after,) = model.gaussians(x, moved)
        names = [k for k in vars(before) if not torch.equal(getattr(after, k), getattr(before, k))]
        assert len(names) == 1
        different = (getattr(after, names[0]) != getattr(before, names[0])).reshape(4, -1).any(1)
        assert different.sum() == 1
        changed[column] = (names[0], int(different.nonzero()))
    order = (("positions", 3), ("features_dc", 3), ("scales", 3), ("rotations", 4),
             ("opacities", 1))  # fmt: skip
    expected = [(name, j) for name, width in order for j in range(4) for _ in range(width)]
    assert list(changed.values()) == expected


def test_gaussians_stay_within_reach_of_their_voxel() -> None:
    model, x = decoder(), voxels([[0, 2, 9, 4]])
    (g,) = model.gaussians(x, torch.full((1, 448), 1e3))
    center = (torch.tensor([2.0, 9, 4]) + 0.5) / 16 - 0.5
    torch.testing.assert_close(g.positions, (center + 0.75 / 16).expand(32, 3))
    (g,) = model.gaussians(x, torch.full((1, 448), -1e3))
    torch.testing.assert_close(g.positions, (center - 0.75 / 16).expand(32, 3))
    torch.testing.assert_close(g.scales, torch.full((32, 3), 0.0009))


def test_the_perturbation_can_be_switched_off_and_its_buffer_stays() -> None:
    model, x = decoder(perturb_offset=False), voxels([[0, 1, 1, 1]])
    assert "offset_perturbation" in model.state_dict()
    (g,) = model.gaussians(x, torch.zeros(1, 448))
    torch.testing.assert_close(g.positions, torch.full((32, 3), 1.5 / 16 - 0.5))


def test_factors_multiply_the_head() -> None:
    lr = {"_xyz": 0.5, "_features_dc": 2.0, "_opacity": 3.0, "_scaling": 0.25, "_rotation": 4.0}
    x, raw = voxels([[0, 1, 2, 3]]), torch.randn(1, 448, generator=torch.Generator().manual_seed(0))
    sizes = torch.tensor([32 * 3, 32 * 3, 32 * 3, 32 * 4, 32])
    factors = torch.tensor([0.5, 2, 0.25, 4, 3]).repeat_interleave(sizes)
    ones = dict.fromkeys(lr, 1.0)
    (found,), (expected,) = (
        decoder(lr=used).gaussians(x, values) for used, values in ((lr, raw), (ones, raw * factors))
    )
    for name, value in vars(expected).items():
        torch.testing.assert_close(getattr(found, name), value)


def test_samples_are_apart_and_may_be_empty() -> None:
    model = decoder()
    fill(model)
    x = sparse(16, 8)
    both = model.gaussians(x, model(x))
    rows = x.batch_index == 1
    alone = SparseTensor(
        coords=x.coords[rows] * torch.tensor([0, 1, 1, 1]), feats=x.feats[rows], batch_size=2
    )
    second, empty = model.gaussians(alone, model(alone))
    assert len(empty) == 0
    assert empty.scales.shape == (0, 3)
    for name, value in vars(second).items():
        torch.testing.assert_close(value, getattr(both[1], name), rtol=1e-4, atol=2e-5)


def test_gradients_reach_every_parameter() -> None:
    model = decoder(num_gaussians=2)
    fill(model)
    x = sparse(16, 8)
    total: Tensor = sum(
        (value * torch.linspace(-1, 1, value.numel()).view_as(value)).sum()
        for sample in model.gaussians(x, model(x))
        for value in vars(sample).values()
    )
    total.backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name


def test_half_precision_of_the_torso_leaves_the_gaussians_in_float32() -> None:
    model = decoder(num_gaussians=2)
    fill(model)
    x = sparse(16, 8)
    with torch.no_grad():
        (exact, _) = model.gaussians(x, model(x))
        model.cast_torso(torch.bfloat16)
        assert model.out_layer.weight.dtype == torch.float32
        (rough, _) = model.gaussians(x, model(x))
    for name, value in vars(rough).items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, getattr(exact, name), rtol=0.2, atol=0.2)
    assert not torch.equal(rough.positions, exact.positions)


def test_colors_are_clamped_from_below_only() -> None:
    dc = torch.tensor([[-3.0, 0.0, 3.0]])
    zeros = torch.zeros(1, 3)
    g = Gaussians(
        positions=zeros, scales=zeros, rotations=zeros, opacities=zeros[0, :1], features_dc=dc
    )
    expected = torch.tensor([[0.0, 0.5, 0.5 + 3 / (2 * math.sqrt(math.pi))]])
    torch.testing.assert_close(g.colors, expected)


def test_the_released_arguments_are_understood() -> None:
    assert parse_representation(RELEASED) == GaussianParams(
        num_gaussians=32, lr_xyz=1, lr_features_dc=1, lr_opacity=1, lr_scaling=1, lr_rotation=0.1,
        perturb_offset=True, voxel_size=1.5, filter_2d=0.1, filter_3d=9e-4, scaling_bias=4e-3,
        opacity_bias=0.1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sh_degree": 3}, "unknown entry sh_degree=3"),
        ({"lr": {**RELEASED["lr"], "_features_rest": 0.1}}, "lr has the unknown .*_features_rest"),
        ({"lr": {"_xyz": 1.0}}, "lr lacks the entry _features_dc"),
        ({"lr": 1.0}, "lr must be an object, got 1.0"),
        ({"scaling_activation": "exp"}, "must be 'softplus', got 'exp'"),
        ({"num_gaussians": 0}, "num_gaussians must be above 0, got 0"),
        ({"num_gaussians": 8.5}, "no usable num_gaussians: 8.5"),
        ({"num_gaussians": True}, "no usable num_gaussians: True"),
        ({"perturb_offset": 1}, "no usable perturb_offset: 1"),
        ({"voxel_size": "1.5"}, "no usable voxel_size: '1.5'"),
        ({"voxel_size": math.inf}, "no usable voxel_size: inf"),
        ({"voxel_size": 1.0}, "voxel_size must be above 1, got 1.0"),
        ({"2d_filter_kernel_size": -0.1}, "filter_2d must not be negative, got -0.1"),
        ({"opacity_bias": 1.0}, r"opacity_bias must be in \(0, 1\), got 1.0"),
        ({"scaling_bias": 0.0}, "scaling_bias must be above 0, got 0.0"),
    ],
)
def test_other_arguments_are_refused_by_name(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelUnavailable, match=message):
        parse_representation({**RELEASED, **changes})


@pytest.mark.parametrize("missing", sorted(RELEASED))
def test_no_argument_has_a_default(missing: str) -> None:
    with pytest.raises(ModelUnavailable, match=missing):
        parse_representation({k: v for k, v in RELEASED.items() if k != missing})
