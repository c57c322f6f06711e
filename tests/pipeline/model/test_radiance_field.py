"""The radiance field: published sizes, values point by point, files."""

import json
import math
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.errors import InvalidInput, ModelUnavailable
from pipeline.model.radiance_field import (
    RadianceFieldParams,
    SLatRadianceFieldDecoder,
    evaluate,
    parse_representation,
    radiance_field_from_bytes,
    radiance_field_to_bytes,
)
from pipeline.model.slat import SwinParams
from pipeline.model.sparse import SparseTensor
from tests.pipeline.model.plain_radiance_field import plain_evaluate, random_field

PUBLISHED = SwinParams(
    resolution=64,
    in_channels=8,
    model_channels=768,
    num_blocks=12,
    num_heads=12,
    mlp_ratio=4,
    window_size=8,
)


def tiny_decoder() -> SLatRadianceFieldDecoder:
    torch.manual_seed(0)
    params = replace(PUBLISHED, resolution=8, model_channels=12, num_blocks=2, num_heads=2)
    decoder = SLatRadianceFieldDecoder(
        replace(params, window_size=4), RadianceFieldParams(rank=3, dim=5)
    )
    torch.nn.init.normal_(decoder.out_layer.weight)
    torch.nn.init.normal_(decoder.out_layer.bias)
    return decoder.requires_grad_(False)


def some_slat(counts: tuple[int, ...]) -> SparseTensor:
    torch.manual_seed(1)
    rows = []
    for b, count in enumerate(counts):
        cells = torch.randperm(512)[:count]
        at = torch.stack([cells // 64, cells // 8 % 8, cells % 8], 1)
        rows.append(torch.cat([torch.full((count, 1), b), at], 1))
    coords = torch.cat(rows)
    return SparseTensor(coords=coords, feats=torch.randn(len(coords), 8), batch_size=len(counts))


def test_the_released_size_has_the_published_keys_and_bytes() -> None:
    with torch.device("meta"):
        decoder = SLatRadianceFieldDecoder(PUBLISHED, parse_representation({"rank": 16, "dim": 8}))
    decoder.cast_torso(torch.float16)
    expected: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        "input_layer.weight": ((768, 8), torch.float32),
        "input_layer.bias": ((768,), torch.float32),
        "out_layer.weight": ((448, 768), torch.float32),
        "out_layer.bias": ((448,), torch.float32),
    }
    for i in range(12):
        for name, out, into in (
            ("attn.to_qkv", 2304, 768),
            ("attn.to_out", 768, 768),
            ("mlp.mlp.0", 3072, 768),
            ("mlp.mlp.2", 768, 3072),
        ):
            expected[f"blocks.{i}.{name}.weight"] = ((out, into), torch.float16)
            expected[f"blocks.{i}.{name}.bias"] = ((out,), torch.float16)
    state = decoder.state_dict()
    assert {k: (tuple(v.shape), v.dtype) for k, v in state.items()} == expected
    assert len(state) == 100
    assert sum(v.numel() for v in state.values()) == 85_369_024
    assert sum(v.numel() * v.element_size() for v in state.values()) == 171_440_896


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"rank": 16, "dim": 8, "density_shift": -1}, "density_shift=-1"),
        ({"rank": 16}, "dim, got None"),
        ({"rank": 0, "dim": 8}, "rank, got 0"),
        ({"rank": 16, "dim": "8"}, "dim, got '8'"),
        ({"rank": True, "dim": 8}, "rank, got True"),
    ],
)
def test_a_foreign_representation_is_named(config: dict[str, object], named: str) -> None:
    with pytest.raises(ModelUnavailable, match=named):
        parse_representation(config)


def test_the_head_is_lines_then_density_then_color() -> None:
    """Channel by channel, with rank 3 and dim 5: 45 line samples, 3 densities, 9 colors."""
    decoder, slat = tiny_decoder(), some_slat((4,))
    raw = torch.arange(4 * 57, dtype=torch.float32).reshape(4, 57)
    (field,) = decoder.radiance_fields(slat, raw)
    assert field.resolution == 8
    assert torch.equal(field.coords, slat.coords[:, 1:])
    for voxel, rank in ((0, 0), (3, 2)):
        for axis, sample in ((0, 0), (1, 4), (2, 1)):
            value = raw[voxel, rank * 15 + axis * 5 + sample] + 1
            assert field.trivec[voxel, rank, axis, sample] == value
        assert field.density[voxel, rank] == raw[voxel, 45 + rank]
        for channel in range(3):
            assert field.features_dc[voxel, rank, channel] == raw[voxel, 48 + rank * 3 + channel]


def test_an_untrained_decoder_makes_even_gray_fog() -> None:
    decoder = SLatRadianceFieldDecoder(
        replace(PUBLISHED, model_channels=12, num_blocks=1, num_heads=2),
        RadianceFieldParams(rank=3, dim=5),
    )
    slat = some_slat((6,))
    (field,) = decoder.radiance_fields(slat, decoder(slat))
    points = (field.coords + torch.rand(6, 3)) / 64 - 0.5
    sigma, color = evaluate(field, points)
    torch.testing.assert_close(sigma, torch.full((6,), math.log(2)))
    torch.testing.assert_close(color, torch.full((6, 3), 0.5))


def test_a_batch_of_two_is_two_batches_of_one() -> None:
    decoder, both = tiny_decoder(), some_slat((40, 25))
    together = decoder.radiance_fields(both, decoder(both))
    for b, field in enumerate(together):
        rows = both.batch_index == b
        coords = both.coords[rows].clone()
        coords[:, 0] = 0
        one = SparseTensor(coords=coords, feats=both.feats[rows], batch_size=1)
        (alone,) = decoder.radiance_fields(one, decoder(one))
        assert torch.equal(field.coords, alone.coords)
        for name in ("trivec", "density", "features_dc"):
            torch.testing.assert_close(getattr(field, name), getattr(alone, name))


def test_a_sample_without_voxels_is_an_empty_field() -> None:
    decoder, slat = tiny_decoder(), some_slat((5, 0))
    full, empty = decoder.radiance_fields(slat, decoder(slat))
    assert (len(full.coords), len(empty.coords)) == (5, 0)
    assert empty.trivec.shape == (0, 3, 3, 5)
    sigma, color = evaluate(empty, torch.zeros(2, 3))
    assert torch.equal(sigma, torch.zeros(2))
    assert torch.equal(color, torch.zeros(2, 3))


@pytest.mark.parametrize(("rank", "dim"), [(3, 5), (2, 1), (1, 8)])
def test_values_are_those_of_the_formula(rank: int, dim: int) -> None:
    field = random_field(voxels=30, resolution=4, rank=rank, dim=dim)
    points = torch.rand(400, 3, generator=torch.Generator().manual_seed(2)) * 1.2 - 0.6
    sigma, color = evaluate(field, points)
    plain = [plain_evaluate(field, p) for p in points.double().numpy()]
    np.testing.assert_allclose(sigma, [s for s, _ in plain], rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(color, [c for _, c in plain], atol=1e-5)
    assert 100 < int((sigma > 0).sum()) < 300


def test_at_a_sample_the_sample_counts_and_beyond_the_last_nothing_changes() -> None:
    field = random_field(voxels=1, resolution=2, rank=2, dim=4)
    x, y, z = (int(c) for c in field.coords[0])

    def sigma_at(local: tuple[float, float, float]) -> float:
        point = (torch.tensor([[x, y, z]]) + torch.tensor([local])) / 2 - 0.5
        return float(evaluate(field, point)[0])

    for i, j, k in ((0, 0, 0), (3, 1, 2), (2, 3, 3)):
        total = 0.0
        for r in range(2):
            a, b, c = (float(field.trivec[0, r, axis, s]) for axis, s in enumerate((i, j, k)))
            total += float(field.density[0, r]) * a * b * c
        center = ((i + 0.5) / 4, (j + 0.5) / 4, (k + 0.5) / 4)
        assert sigma_at(center) == pytest.approx(math.log1p(math.exp(total)), rel=1e-5)
    assert sigma_at((0.01, 0.5, 0.5)) == pytest.approx(sigma_at((0.12, 0.5, 0.5)), rel=1e-5)
    assert sigma_at((0.5, 0.5, 0.99)) == pytest.approx(sigma_at((0.5, 0.5, 0.88)), rel=1e-5)
    assert sigma_at((0.13, 0.5, 0.5)) != pytest.approx(sigma_at((0.2, 0.5, 0.5)), rel=1e-3)


def test_gradients_are_those_of_finite_differences() -> None:
    field = random_field(voxels=3, resolution=2, rank=2, dim=3)
    points = (
        torch.rand(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    )
    leaves = [
        getattr(field, name).double().requires_grad_(True)
        for name in ("trivec", "density", "features_dc")
    ]

    def looked_up(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        trivec, density, features_dc = tensors
        return evaluate(
            replace(field, trivec=trivec, density=density, features_dc=features_dc), points
        )

    assert torch.autograd.gradcheck(looked_up, leaves)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 0), (torch.float16, 1e-3)])
def test_a_file_gives_the_field_back(dtype: torch.dtype, rtol: float) -> None:
    field = random_field(voxels=9, resolution=8, rank=2, dim=4)
    content = radiance_field_to_bytes(field, dtype=dtype)
    assert content == radiance_field_to_bytes(field, dtype=dtype)
    back = radiance_field_from_bytes(content)
    assert back.resolution == 8
    assert torch.equal(back.coords, field.coords)
    for name in ("trivec", "density", "features_dc"):
        torch.testing.assert_close(getattr(back, name), getattr(field, name), rtol=rtol, atol=1e-3)


def test_a_file_can_be_read_without_lodsmith() -> None:
    """By hand, from the safetensors format: a length, a JSON header, then the numbers."""
    field = random_field(voxels=9, resolution=8, rank=2, dim=4)
    content = radiance_field_to_bytes(field, dtype=torch.float32)
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    described = json.loads(header["__metadata__"]["lodsmith"])
    assert described["format"] == "lodsmith-radiance-field"
    assert described["resolution"] == 8
    assert set(header) - {"__metadata__"} == {"coords", "trivec", "density", "features_dc"}
    first, last = header["density"]["data_offsets"]
    values = np.frombuffer(content[8 + size + first : 8 + size + last], "<f4").reshape(9, 2)
    np.testing.assert_array_equal(values, field.density)
    assert header["coords"]["dtype"] == "I32"


def test_what_float16_cannot_hold_is_refused() -> None:
    field = random_field(voxels=2, resolution=8, rank=2, dim=4)
    too_much = replace(field, density=field.density + 70_000)
    with pytest.raises(InvalidInput, match=r"density reaches 7[\d.]+, which float16"):
        radiance_field_to_bytes(too_much)
    assert len(radiance_field_to_bytes(too_much, dtype=torch.float32)) > 0


def test_damaged_files_are_refused() -> None:
    field = random_field(voxels=3, resolution=8, rank=2, dim=4)
    content = radiance_field_to_bytes(field)
    for bad in (b"", b"glTF" * 20, content[:-1], content[:40]):
        with pytest.raises(InvalidInput, match="no radiance field"):
            radiance_field_from_bytes(bad)
    for change, named in (
        ({"coords": field.coords + 7}, "coords must lie in"),
        ({"coords": field.coords[[0, 0, 1]]}, "listed twice"),
        ({"density": field.density[:2]}, r"density must be \[3, 2\]"),
        ({"trivec": field.trivec[:, :, :2]}, "trivec must be"),
        ({"resolution": 0}, "resolution must be"),
    ):
        damaged = radiance_field_to_bytes(replace(field, **change))
        with pytest.raises(InvalidInput, match=named):
            radiance_field_from_bytes(damaged)
    # As float16, 1 + 1 / 8 is 0x3C80; all exponent bits set and a fraction make it no number.
    ones = replace(field, density=torch.full_like(field.density, 1.125))
    broken = radiance_field_to_bytes(ones).replace(b"\x80\x3c", b"\x80\x7c")
    with pytest.raises(InvalidInput, match="density holds numbers that are not finite"):
        radiance_field_from_bytes(broken)
    other = content.replace(b'"version\\": 1', b'"version\\": 2').replace(
        b'\\"version\\": 1', b'\\"version\\": 2'
    )
    assert other != content
    with pytest.raises(InvalidInput, match="version 2"):
        radiance_field_from_bytes(other)
