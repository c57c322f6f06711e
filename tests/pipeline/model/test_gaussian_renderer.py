"""Splatting, against a renderer that asks every Gaussian at every pixel."""

import importlib.util
import math
import sys
import types
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.errors import InvalidInput
from pipeline.model import gaussian_renderer
from pipeline.model.cameras import Camera
from pipeline.model.gaussian_renderer import GaussianPicture, render
from pipeline.model.gaussians import Gaussians

CAMERA = Camera(yaw_deg=25.0, pitch_deg=15.0)
PX = 24
FIELDS = ("positions", "scales", "rotations", "opacities", "features_dc")


def scene(count: int, seed: int = 0, size: float = 0.06, dtype: torch.dtype = torch.float64,
          spread: float = 0.15, opacity: float = 0.9) -> Gaussians:  # fmt: skip
    rng = np.random.default_rng(seed)

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(dtype)

    quaternions = rng.normal(size=(count, 4))
    return Gaussians(
        positions=tensor(rng.normal(size=(count, 3)) * spread),
        scales=tensor(rng.uniform(0.2, 1.0, (count, 3)) * size),
        rotations=tensor(quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)),
        opacities=tensor(rng.uniform(0.2, 1.0, count) * opacity),
        features_dc=tensor(rng.normal(size=(count, 3))),
    )


def one(**changes: list[float] | float) -> Gaussians:
    """A gray ball in the middle."""
    values: dict[str, Any] = {
        "positions": [0.0, 0.0, 0.0], "scales": [0.03] * 3, "rotations": [1.0, 0.0, 0.0, 0.0],
        "opacities": 0.5, "features_dc": [0.0, 0.0, 0.0], **changes,
    }  # fmt: skip
    return Gaussians(**{k: torch.tensor([v], dtype=torch.float64) for k, v in values.items()})


def joined(*parts: Gaussians) -> Gaussians:
    return Gaussians(**{f: torch.cat([getattr(p, f) for p in parts]) for f in FIELDS})


def matrix(q: np.ndarray) -> np.ndarray:
    """Rotation of a unit quaternion: v -> q v q*, one unit vector at a time."""
    w, u = q[0], q[1:]
    return np.stack(
        [v + 2 * w * np.cross(u, v) + 2 * np.cross(u, np.cross(u, v)) for v in np.eye(3)], axis=1
    )


def dense(
    g: Gaussians, camera: Camera, size_px: int, filter_2d: float = 0.1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One Gaussian after another at all pixels, with covariance matrices; float64."""
    to_camera, focal = camera.rotation.astype(np.float64), camera.focal_px(size_px)
    points = (g.positions.numpy() - camera.position) @ to_camera.T
    xs = np.arange(size_px) + 0.5
    pixels = np.stack(np.meshgrid(xs, xs), -1)  # [H, W, 2]: x, y
    left = np.ones((size_px, size_px))
    closed = np.zeros((size_px, size_px), bool)
    color, depth = np.zeros((size_px, size_px, 3)), np.zeros((size_px, size_px))
    for i in np.argsort(points[:, 2], kind="stable"):
        x, y, z = points[i]
        r = matrix(g.rotations[i].numpy())
        covariance = r @ np.diag(g.scales[i].numpy() ** 2) @ r.T
        limit = 1.3 * math.tan(math.radians(camera.fov_deg) / 2)
        u, v = np.clip([x / z, y / z], -limit, limit)
        jacobian = focal / z * np.array([[1, 0, -u], [0, 1, -v]])
        sharp = jacobian @ to_camera @ covariance @ to_camera.T @ jacobian.T
        blurred = sharp + filter_2d * np.eye(2)
        dimmed = math.sqrt(max(np.linalg.det(sharp), 1e-6) / max(np.linalg.det(blurred), 1e-6))
        offset = pixels - (np.array([x, y]) / z * focal + size_px / 2)
        power = np.einsum("hwi,ij,hwj->hw", offset, np.linalg.inv(blurred), offset)
        alpha = np.minimum(g.opacities[i].item() * dimmed * np.exp(-power / 2), 0.99)
        alpha[alpha < 1 / 255] = 0
        closed |= left * (1 - alpha) < 1e-4
        alpha[closed] = 0
        color += (left * alpha)[..., None] * np.maximum(
            0.5 + g.features_dc[i].numpy() / (2 * math.sqrt(math.pi)), 0
        )
        depth += left * alpha * z
        left *= 1 - alpha
    return color, 1 - left, depth / np.where(left < 1, 1 - left, 1)


def assert_equals_dense(g: Gaussians, camera: Camera = CAMERA, size_px: int = PX) -> None:
    picture = render(g, camera, size_px=size_px)
    for found, expected in zip(
        (picture.color, picture.alpha, picture.depth), dense(g, camera, size_px), strict=True
    ):
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


def same(a: GaussianPicture, b: GaussianPicture) -> bool:
    return all(torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))


@pytest.mark.parametrize("size_px", [1, 8, PX, 37])
def test_equals_the_dense_picture(size_px: int) -> None:
    assert_equals_dense(scene(40), size_px=size_px)


def test_equals_the_dense_picture_where_gaussians_are_smaller_than_pixels() -> None:
    assert_equals_dense(scene(60, seed=1, size=0.002))


def test_equals_the_dense_picture_where_pixels_become_opaque() -> None:
    g = scene(150, seed=2, size=0.3, opacity=1.0)
    assert dense(g, CAMERA, PX)[1].max() > 0.999
    assert_equals_dense(g)


def test_equals_the_dense_picture_from_every_side() -> None:
    for camera in (
        Camera(yaw_deg=0, pitch_deg=90),
        Camera(yaw_deg=0, pitch_deg=-90),
        Camera(yaw_deg=200, pitch_deg=-30, distance=1.2, fov_deg=70),
    ):
        assert_equals_dense(scene(20, seed=3), camera)


def test_equals_the_dense_picture_however_the_tiles_are_grouped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    g = scene(60, seed=4)
    whole = render(g, CAMERA, size_px=40)
    monkeypatch.setattr(gaussian_renderer, "_MOST_PAIRS", 1)  # every row of tiles alone
    monkeypatch.setattr(gaussian_renderer, "_TILES", 3)
    assert same(render(g, CAMERA, size_px=40), whole)
    monkeypatch.setattr(gaussian_renderer, "_DEPTH", 1)
    one_by_one = render(g, CAMERA, size_px=40)
    torch.testing.assert_close(one_by_one.color, whole.color, rtol=0, atol=1e-12)


def test_float32_is_close_to_float64() -> None:
    g = scene(200, seed=5)
    rough = render(Gaussians(**{f: getattr(g, f).float() for f in FIELDS}), CAMERA, size_px=64)
    assert rough.color.dtype == torch.float32
    fine = render(g, CAMERA, size_px=64)
    # A Gaussian that is just visible in one is just not in the other: 1/255 of it.
    torch.testing.assert_close(rough.color.double(), fine.color, rtol=0, atol=5e-3)
    assert (rough.color.double() - fine.color).abs().mean() < 1e-5


@pytest.mark.parametrize("field", FIELDS)
def test_gradients_are_finite_differences(field: str) -> None:
    g = scene(12, seed=6, size=0.08)
    weights = torch.from_numpy(np.random.default_rng(7).normal(size=(5, PX, PX)))

    def loss(g: Gaussians) -> Tensor:
        picture = render(g, CAMERA, size_px=PX, background=(0.3, 0.9, 0.1))
        planes = [*picture.color.unbind(2), picture.alpha, picture.depth]
        return (weights * torch.stack(planes)).sum()

    values = getattr(g, field).clone().requires_grad_()
    loss(Gaussians(**{**vars(g), field: values})).backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert values.grad.abs().max() > 1e-2
    rng = np.random.default_rng(8)
    for _ in range(8):
        direction = torch.from_numpy(rng.normal(size=values.shape))
        # Small steps: a pixel where alpha passes 1/255 makes the loss jump.
        step = 1e-8
        high, low = (
            loss(Gaussians(**{**vars(g), field: getattr(g, field) + sign * step * direction}))
            for sign in (1, -1)
        )
        assert float((values.grad * direction).sum()) == pytest.approx(
            float(high - low) / (2 * step), rel=1e-5, abs=1e-5
        )


def test_gradients_stop_where_nothing_can_be_seen_any_more() -> None:
    wall = joined(*(one(positions=[0, 0.1 + 0.01 * i, 0], scales=[1.0] * 3, opacities=0.99)
                    for i in range(6)))  # fmt: skip
    g = joined(wall, one(positions=[0.0, -0.3, 0.0]))
    leaves = {f: getattr(g, f).clone().requires_grad_() for f in FIELDS}
    picture = render(Gaussians(**leaves), Camera(yaw_deg=0, pitch_deg=0), size_px=PX)
    (picture.color.sum() + picture.depth.sum()).backward()  # type: ignore[no-untyped-call]
    for leaf in leaves.values():
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert (leaf.grad[-1] == 0).all()
    assert leaves["features_dc"].grad is not None
    assert (leaves["features_dc"].grad[5] != 0).all()  # the nearest


def test_the_background_shows_as_far_as_nothing_covers_it() -> None:
    g = scene(30, seed=9)
    black = render(g, CAMERA, size_px=PX)
    pink = render(g, CAMERA, size_px=PX, background=(1.0, 0.5, 0.75))
    behind = (1 - black.alpha)[..., None] * torch.tensor([1.0, 0.5, 0.75])
    torch.testing.assert_close(pink.color, black.color + behind)
    assert torch.equal(pink.alpha, black.alpha)
    assert 0 < black.alpha.mean() < 1


@pytest.mark.parametrize("far_away", [False, True])
def test_without_gaussians_there_is_only_background(far_away: bool) -> None:
    g = one(positions=[0.0, 40.0, 0.0]) if far_away else scene(0)
    g.positions.requires_grad_()
    picture = render(g, CAMERA, size_px=PX, background=(0.25, 0.5, 1.0))
    assert torch.equal(picture.color, torch.tensor([0.25, 0.5, 1.0]).expand(PX, PX, 3).double())
    assert (picture.alpha == 0).all()
    assert (picture.depth == 0).all()
    # A step of training may look at nothing.
    picture.color.sum().backward()  # type: ignore[no-untyped-call]
    assert g.positions.grad is not None
    assert (g.positions.grad == 0).all()


def test_only_gaussians_between_near_and_far_are_drawn() -> None:
    camera = Camera(yaw_deg=0, pitch_deg=0)  # at y = 2
    behind_it, close, middle, distant = (
        one(positions=[0.0, 2.0 - depth, 0.0]) for depth in (-1.0, 0.5, 2.0, 2.4)
    )
    everything = joined(behind_it, close, middle, distant)
    for kept, near, far in (
        ((close, middle, distant), 0.2, 1e10),
        ((middle, distant), 0.5, 3.0),  # the bounds themselves are outside
        ((middle,), 0.8, 2.4),
    ):
        expected = render(joined(*kept), camera, size_px=PX)
        assert expected.alpha.max() > 0.1
        assert same(render(everything, camera, size_px=PX, near=near, far=far), expected)


def test_a_gaussian_stands_where_the_camera_sees_its_center() -> None:
    g = one(positions=[0.2, 0.1, 0.15], scales=[0.004] * 3)
    picture = render(g, CAMERA, size_px=128)
    x, y, z = CAMERA.world_to_camera(g.positions.float().numpy())[0]
    row, column = np.argwhere(picture.alpha.numpy() == picture.alpha.numpy().max())[0]
    focal = CAMERA.focal_px(128)
    assert abs(column + 0.5 - (64 + focal * x / z)) <= 0.5
    assert abs(row + 0.5 - (64 + focal * y / z)) <= 0.5
    assert picture.depth[row, column].item() == pytest.approx(z, abs=1e-6)
    # +Z is up, and up is the first row.
    low = render(one(positions=[0.0, 0.0, -0.3]), CAMERA, size_px=32).alpha
    assert low[16:].sum() > 0.99 * low.sum() > 0


def test_what_a_gaussian_covers_does_not_depend_on_the_size_of_the_picture() -> None:
    """The filter spreads small Gaussians over more area, and takes as much off their opacity."""
    g = one(scales=[0.01] * 3, opacities=0.9)
    areas = [float(render(g, CAMERA, size_px=px).alpha.sum()) / px**2 for px in (48, 96, 384)]
    # A third of a pixel wide in the smallest, where pixel centers catch it more or less well.
    assert areas[0] == pytest.approx(areas[2], rel=0.1)
    assert areas[1] == pytest.approx(areas[2], rel=0.02)


def test_gaussians_with_a_number_that_is_not_finite_are_left_out() -> None:
    good = scene(5, seed=10)
    bad = scene(5, seed=11)
    bad.positions[0, 1] = math.nan
    bad.scales[1, 0] = math.nan
    bad.opacities[2] = math.nan
    bad.rotations[3, 2] = math.nan
    bad.positions[4] = math.inf
    assert same(render(joined(bad, good), CAMERA, size_px=PX), render(good, CAMERA, size_px=PX))


def test_equal_depths_are_drawn_in_their_order() -> None:
    large: dict[str, list[float] | float] = {"scales": [0.2] * 3, "opacities": 0.9}
    red, blue = (one(features_dc=[a, -1.8, b], **large) for a, b in ((1.8, -1.8), (-1.8, 1.8)))
    color = render(joined(red, blue), CAMERA, size_px=9).color[4, 4]
    assert color[0] > 5 * color[2]


def test_the_picture_is_the_same_at_any_number_of_threads() -> None:
    g = scene(12_000, seed=12, size=0.01, dtype=torch.float32)  # enough to be shared out
    before = torch.get_num_threads()
    try:
        pictures = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            pictures.append(render(g, CAMERA, size_px=32))
    finally:
        torch.set_num_threads(before)
    assert pictures[0].alpha.mean() > 0.05
    assert same(pictures[1], pictures[0])
    assert same(pictures[2], pictures[0])


def gsplat_rasterization(
    means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, colors: Tensor,
    viewmats: Tensor, Ks: Tensor, width: int, height: int, near_plane: float = 0.01,
    far_plane: float = 1e10, radius_clip: float = 0.0, eps2d: float = 0.3,
    sh_degree: int | None = None, packed: bool = True, tile_size: int = 16,
    backgrounds: Tensor | None = None, render_mode: str = "RGB", sparse_grad: bool = False,
    absgrad: bool = False, rasterize_mode: str = "classic",
) -> tuple[Tensor, Tensor, dict[str, Any]]:  # fmt: skip
    """Takes what gsplat 1.5 takes, and draws each Gaussian as one pixel."""
    assert (near_plane, far_plane, eps2d) == (0.8, 1.6, 0.1)
    assert (render_mode, rasterize_mode) == ("RGB+ED", "antialiased")
    assert quats.shape == (len(means), 4)
    assert opacities.shape == (len(means),)
    pictures, alphas = torch.zeros(1, height, width, 4), torch.zeros(1, height, width, 1)
    for mean, opacity, color in zip(means, opacities, colors, strict=True):
        point = viewmats[0] @ torch.cat([mean, torch.ones(1)])
        x, y, w = Ks[0] @ point[:3]
        row, column = int(y / w), int(x / w)
        pictures[0, row, column] = torch.cat([opacity * color, w[None]])
        alphas[0, row, column] = opacity
    return pictures, alphas, {}


def test_gsplat_is_given_the_same_camera_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("gsplat")
    vars(module)["rasterization"] = gsplat_rasterization
    monkeypatch.setitem(sys.modules, "gsplat", module)
    monkeypatch.setattr(gaussian_renderer, "_choose", lambda *_: "gsplat")
    g = one(positions=[0.2, 0.1, 0.15], scales=[0.004] * 3, opacities=0.75)
    g = Gaussians(**{f: getattr(g, f).float() for f in FIELDS})
    picture = render(g, CAMERA, size_px=128, near=0.8, far=1.6, background=(0.0, 0.0, 1.0))
    row, column = torch.nonzero(picture.alpha)[0].tolist()
    x, y, z = CAMERA.world_to_camera(g.positions.numpy())[0]
    focal = CAMERA.focal_px(128)
    assert (column, row) == (int(64 + focal * x / z), int(64 + focal * y / z))
    torch.testing.assert_close(
        picture.color[row, column], 0.75 * g.colors[0] + 0.25 * torch.tensor([0.0, 0.0, 1.0])
    )
    assert picture.depth[row, column].item() == pytest.approx(z, abs=1e-6)
    assert torch.equal(picture.color[0, 0], torch.tensor([0.0, 0.0, 1.0]))


@pytest.mark.gpu
@pytest.mark.skipif(
    not (torch.cuda.is_available() and importlib.util.find_spec("gsplat")),
    reason="needs CUDA and gsplat",
)
def test_gsplat_draws_nearly_the_same() -> None:
    g = scene(500, seed=13, dtype=torch.float32)
    ours = render(g, CAMERA, size_px=96, backend="torch")
    on_gpu = Gaussians(**{f: getattr(g, f).cuda() for f in FIELDS})
    theirs = render(on_gpu, CAMERA, size_px=96, backend="gsplat")
    assert (theirs.color.cpu() - ours.color).abs().mean() < 2e-3
    assert (theirs.alpha.cpu() - ours.alpha).abs().max() < 0.05


def test_progress_is_told_and_may_stop_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussian_renderer, "_MOST_PAIRS", 60)
    shares: list[float] = []
    render(scene(60), CAMERA, size_px=40, report=shares.append)
    assert shares == sorted(set(shares))
    assert shares[0] == 0
    assert shares[-1] == 1
    assert len(shares) > 3

    def stop(share: float) -> None:
        if share > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(scene(60), CAMERA, size_px=40, report=stop)


def test_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(InvalidInput, match="size_px must be at least 1, got 0"):
        render(scene(1), CAMERA, size_px=0)
    with pytest.raises(InvalidInput, match="gsplat"):  # not installed, or no CUDA tensors
        render(scene(1), CAMERA, size_px=4, backend="gsplat")
