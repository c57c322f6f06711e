"""PLY files of Gaussians: bytes read by hand, axes, and the way there and back."""

import math
import struct

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.errors import InvalidInput
from pipeline.model.gaussians import Gaussians
from pipeline.model.ply import gaussians_from_ply, gaussians_to_ply

NAMES = [
    "x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
    "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
]  # fmt: skip
FIELDS = ("positions", "scales", "rotations", "opacities", "features_dc")


def scene(count: int, seed: int = 0) -> Gaussians:
    rng = np.random.default_rng(seed)
    quaternions = rng.normal(size=(count, 4))
    values = {
        "positions": rng.uniform(-0.5, 0.5, (count, 3)),
        "scales": np.exp(rng.uniform(-8, -2, (count, 3))),
        "rotations": quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True),
        "opacities": rng.uniform(0.001, 0.999, count),
        "features_dc": rng.normal(size=(count, 3)),
    }
    return Gaussians(**{k: torch.from_numpy(v.astype(np.float32)) for k, v in values.items()})


def changed(g: Gaussians, name: str, row: int, value: float) -> Gaussians:
    values = {f: getattr(g, f).clone() for f in FIELDS}
    values[name].view(len(g), -1)[row, 0] = value
    return Gaussians(**values)


def read(content: bytes) -> list[dict[str, float]]:
    """Parse as the format says, line by line and number by number."""
    lines = []
    while (line := content[: content.index(b"\n")].decode("ascii")) != "end_header":
        lines.append(line.split())
        content = content[len(line) + 1 :]
    content = content[len("end_header\n") :]
    assert lines[0] == ["ply"]
    assert lines[1] == ["format", "binary_little_endian", "1.0"]
    assert lines[2][:2] == ["element", "vertex"]
    names = []
    for word, kind, name in lines[3:]:
        assert (word, kind) == ("property", "float")
        names.append(name)
    row_bytes = 4 * len(names)
    rows = [
        dict(zip(names, struct.unpack_from(f"<{len(names)}f", content, start), strict=True))
        for start in range(0, len(content), row_bytes)
    ]
    assert len(rows) == int(lines[2][2])
    return rows


def matrix(q: np.ndarray) -> np.ndarray:
    """Rotation of a quaternion: v -> q v q*, one unit vector at a time."""
    w, u = q[0], np.asarray(q[1:])
    return np.stack(
        [v + 2 * w * np.cross(u, v) + 2 * np.cross(u, np.cross(u, v)) for v in np.eye(3)], axis=1
    )


def covariances(g: Gaussians) -> np.ndarray:
    return np.stack(
        [
            matrix(q) @ np.diag(s**2) @ matrix(q).T
            for q, s in zip(g.rotations.double().numpy(), g.scales.double().numpy(), strict=True)
        ]
    )


def file_covariance(row: dict[str, float]) -> np.ndarray:
    r = matrix(np.array([row[f"rot_{i}"] for i in range(4)]))
    covariance: np.ndarray = r @ np.diag([math.exp(row[f"scale_{i}"]) ** 2 for i in range(3)]) @ r.T
    return covariance


def test_properties_are_those_of_the_format_in_its_order() -> None:
    g = scene(3)
    rows = read(gaussians_to_ply(g))
    assert [list(row) for row in rows] == [NAMES] * 3
    for i, row in enumerate(rows):
        x, y, z = g.positions[i].tolist()
        assert (row["x"], row["y"], row["z"]) == (x, -z, y)
        assert (row["nx"], row["ny"], row["nz"]) == (0, 0, 0)
        assert [row[f"f_dc_{c}"] for c in range(3)] == g.features_dc[i].tolist()
        opacity = g.opacities[i].item()
        assert row["opacity"] == pytest.approx(math.log(opacity / (1 - opacity)), abs=1e-5)
        for c in range(3):
            assert row[f"scale_{c}"] == pytest.approx(math.log(g.scales[i, c].item()), abs=1e-5)
        assert math.hypot(*(row[f"rot_{c}"] for c in range(4))) == pytest.approx(1)


def test_sizes_are_68_bytes_per_gaussian() -> None:
    assert len(gaussians_to_ply(scene(5))) - len(gaussians_to_ply(scene(4))) == 68


def test_covariances_turn_with_the_positions() -> None:
    g = scene(20, seed=1)
    axes = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    for row, world in zip(read(gaussians_to_ply(g)), covariances(g), strict=True):
        np.testing.assert_allclose(file_covariance(row), axes @ world @ axes.T, atol=1e-8)


def test_what_stands_up_in_the_world_stands_up_in_the_viewer() -> None:
    """Viewers look along the file's z with -y upward."""
    g = Gaussians(
        positions=torch.tensor([[0.0, 0.0, 0.4]]),
        scales=torch.tensor([[0.01, 0.01, 0.1]]),
        rotations=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        opacities=torch.tensor([0.5]),
        features_dc=torch.zeros(1, 3),
    )
    (row,) = read(gaussians_to_ply(g))
    assert (row["x"], row["z"]) == (0, 0)
    assert row["y"] == pytest.approx(-0.4)
    np.testing.assert_allclose(file_covariance(row), np.diag([1e-4, 1e-2, 1e-4]), atol=1e-8)


def test_there_and_back_is_the_same() -> None:
    g = scene(50, seed=2)
    again = gaussians_from_ply(gaussians_to_ply(g))
    assert torch.equal(again.positions, g.positions)
    assert torch.equal(again.features_dc, g.features_dc)
    torch.testing.assert_close(again.opacities, g.opacities, rtol=0, atol=1e-6)
    torch.testing.assert_close(again.scales, g.scales, rtol=2e-6, atol=0)
    np.testing.assert_allclose(covariances(again), covariances(g), rtol=1e-4, atol=1e-9)
    for field in FIELDS:
        assert getattr(again, field).dtype == torch.float32
        assert getattr(again, field).shape == getattr(g, field).shape


def test_an_empty_file_is_one_too() -> None:
    content = gaussians_to_ply(scene(0))
    assert read(content) == []
    assert len(gaussians_from_ply(content)) == 0


@pytest.mark.parametrize(
    ("opacity", "read_back"),
    [(0.0, 0.0), (1.0, 1.0), (-0.5, 0.0), (2.0, 1.0), (math.nan, 0.0), (math.inf, 1.0),
     (-math.inf, 0.0)],
)  # fmt: skip
def test_no_opacity_makes_a_number_that_is_not_finite(opacity: float, read_back: float) -> None:
    content = gaussians_to_ply(changed(scene(3), "opacities", 1, opacity))
    assert all(math.isfinite(value) for row in read(content) for value in row.values())
    assert gaussians_from_ply(content).opacities[1].item() == pytest.approx(read_back, abs=2e-6)


def test_a_scale_of_zero_makes_a_finite_number() -> None:
    content = gaussians_to_ply(changed(scene(3), "scales", 2, 0.0))
    assert all(math.isfinite(value) for row in read(content) for value in row.values())


@pytest.mark.parametrize("name", ["positions", "scales", "rotations", "features_dc"])
def test_numbers_that_are_not_finite_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"1 of 3 Gaussians have {name} that are not finite"):
        gaussians_to_ply(changed(scene(3), name, 1, math.nan))


def test_gradients_and_other_types_are_no_obstacle() -> None:
    g = scene(4)
    other = Gaussians(**{f: getattr(g, f).double().requires_grad_() for f in FIELDS})
    assert gaussians_to_ply(other) == gaussians_to_ply(g)


def _as_other(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"ply\n", b"glTF", "no PLY"),
        (b"end_header\n", b"", "no PLY"),
        (b"binary_little_endian", b"ascii", "must be binary_little_endian"),
        (b"element vertex 2", b"element face 2", "element vertex"),
        (b"element vertex 2", b"element vertex many", "element vertex"),
        (b"element vertex 2", b"element vertex 3", "136 bytes after its header, its 3 .* need 204"),
        (b"property float nx\n", b"", "must have 'property float nx' here"),
        (b"property float rot_3\n", b"", "must have 'property float rot_3' here, got ''"),
        (b"float opacity", b"double opacity", "got 'property double opacity'"),
        (b"rot_3\n", b"rot_3\nproperty float f_rest_0\n", "f_rest_0.*cannot be kept"),
    ],
)
def test_other_files_are_refused_with_what_differs(old: bytes, new: bytes, message: str) -> None:
    content = gaussians_to_ply(scene(2))
    with pytest.raises(InvalidInput, match=message):
        gaussians_from_ply(_as_other(content, old, new))


def test_a_comment_is_no_obstacle() -> None:
    content = _as_other(gaussians_to_ply(scene(2)), b"1.0\n", b"1.0\ncomment made by hand\n")
    assert len(gaussians_from_ply(content)) == 2


def test_a_file_cut_short_is_refused() -> None:
    content = gaussians_to_ply(scene(2))
    for length in (0, 3, 60, len(content) - 1):
        with pytest.raises(InvalidInput):
            gaussians_from_ply(content[:length])


def test_rotations_are_read_whatever_their_length() -> None:
    content = bytearray(gaussians_to_ply(scene(1)))
    values = np.frombuffer(content[-16:], "<f4") * 7
    content[-16:] = values.tobytes()
    length: Tensor = gaussians_from_ply(bytes(content)).rotations.norm(dim=1)
    torch.testing.assert_close(length, torch.ones(1))
