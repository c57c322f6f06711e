"""Pictures of radiance fields: both renderers against a slow ray marcher in float64."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.errors import Cancelled, InvalidInput
from pipeline.model import radiance_renderer
from pipeline.model.cameras import Camera
from pipeline.model.radiance_field import RadianceField
from pipeline.model.radiance_renderer import RenderOptions, camera_rays, render, render_rays
from tests.pipeline.model.plain_radiance_field import plain_march, random_field

CAMERA = Camera(yaw_deg=30, pitch_deg=20)
SMALL = RenderOptions(size_px=12)


@pytest.fixture(scope="module")
def field() -> RadianceField:
    return random_field(voxels=80, resolution=6, rank=2, dim=4)


def solid(resolution: int, coords: list[tuple[int, int, int]], color: float) -> RadianceField:
    """Voxels that hide everything, in one gray."""
    count = len(coords)
    return RadianceField(
        resolution=resolution,
        coords=torch.tensor(coords, dtype=torch.int64).reshape(count, 3),
        trivec=torch.ones(count, 1, 3, 8),
        density=torch.full((count, 1), 500.0),
        features_dc=torch.full((count, 1, 3), math.log(color / (1 - color)) / 0.28209479),
    )


def test_a_picture_is_what_dense_marching_sees(field: RadianceField) -> None:
    seen = render(field, CAMERA, SMALL)
    origin, directions = camera_rays(CAMERA, 12)
    plain = [plain_march(field, origin.numpy(), d) for d in directions.numpy()]
    alpha = np.array([a for _, a, _ in plain])
    along = directions.numpy() @ CAMERA.rotation[2]
    np.testing.assert_allclose(seen.rgb.flatten(0, 1), [c for c, _, _ in plain], atol=2e-5)
    np.testing.assert_allclose(seen.alpha.flatten(), alpha, atol=2e-5)
    np.testing.assert_allclose(seen.depth.flatten(), [d for _, _, d in plain] * along, atol=1e-4)
    assert (alpha > 0.99).sum() > 5
    assert (alpha == 0).sum() > 5
    assert ((alpha > 0.05) & (alpha < 0.95)).sum() > 5


@pytest.mark.parametrize(
    "camera",
    [
        CAMERA,
        Camera(yaw_deg=0, pitch_deg=0),  # the middle rays run along an axis
        Camera(yaw_deg=180, pitch_deg=90),
        Camera(yaw_deg=200, pitch_deg=-40, distance=0.3, fov_deg=90),  # inside the cube
    ],
)
@pytest.mark.parametrize(("rank", "dim"), [(3, 4), (5, 1)])
def test_the_compiled_renderer_is_the_plain_one(camera: Camera, rank: int, dim: int) -> None:
    field = random_field(voxels=120, resolution=6, rank=rank, dim=dim)
    seen = render(field, camera, replace(SMALL, size_px=13))
    origin, directions = camera_rays(camera, 13)
    plain = render_rays(field, origin.expand(len(directions), 3), directions)
    along = plain.depth * (directions.float() @ torch.from_numpy(camera.rotation[2]))
    torch.testing.assert_close(seen.rgb.flatten(0, 1), plain.rgb, atol=5e-6, rtol=0)
    torch.testing.assert_close(seen.alpha.flatten(), plain.alpha, atol=5e-6, rtol=0)
    torch.testing.assert_close(seen.depth.flatten(), along, atol=2e-5, rtol=0)
    assert float(seen.alpha.max()) > 0.9


def test_a_picture_on_a_gpu_would_be_the_same(
    field: RadianceField, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `render` does where there is no compiled loop, here on the CPU."""
    options = replace(SMALL, supersampling=3)
    compiled = render(field, CAMERA, options)
    monkeypatch.setattr(radiance_renderer, "_compiled_march", radiance_renderer._plain_march)
    trained = replace(field, density=field.density.clone().requires_grad_(True))
    plain = render(trained, CAMERA, options)
    torch.testing.assert_close(plain.rgb, compiled.rgb, atol=5e-6, rtol=0)
    torch.testing.assert_close(plain.depth, compiled.depth, atol=5e-5, rtol=0)
    assert not plain.rgb.requires_grad


def test_the_order_of_voxels_does_not_matter(field: RadianceField) -> None:
    order = torch.randperm(80, generator=torch.Generator().manual_seed(5))
    shuffled = replace(
        field,
        coords=field.coords[order],
        trivec=field.trivec[order],
        density=field.density[order],
        features_dc=field.features_dc[order],
    )
    one, other = render(field, CAMERA, SMALL), render(shuffled, CAMERA, SMALL)
    assert torch.equal(one.rgb, other.rgb)
    assert torch.equal(one.depth, other.depth)


def test_threads_do_not_change_the_picture(field: RadianceField) -> None:
    pictures = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            pictures.append(render(field, CAMERA, RenderOptions(size_px=96, supersampling=2)).rgb)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*pictures)


def test_an_empty_field_is_background() -> None:
    empty = solid(4, [], 0.5)
    seen = render(empty, CAMERA, replace(SMALL, background=(0.25, 0.5, 1.0)))
    assert torch.equal(seen.rgb, torch.tensor([0.25, 0.5, 1.0]).expand(12, 12, 3))
    assert not seen.alpha.any()
    assert not seen.depth.any()


def test_rays_that_miss_see_background() -> None:
    field = solid(2, [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], 0.7)
    origins = torch.tensor([[0.0, 2, 0], [0, 2, 0], [0, 2, 0.6], [0.5001, 2, 0]]).double()
    directions = torch.tensor([[0.0, -1, 0], [0, 1, 0], [0, -1, 0], [0, -1, 0]]).double()
    seen = render_rays(field, origins, directions, background=torch.tensor([0.1, 0.2, 0.3]))
    torch.testing.assert_close(seen.alpha, torch.tensor([1.0, 0, 0, 0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen.rgb[0], torch.full((3,), 0.7), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen.rgb[1:], torch.tensor([0.1, 0.2, 0.3]).expand(3, 3))


def test_a_voxel_stands_where_the_camera_projects_it() -> None:
    """Voxel (3, 2, 1) of 4 is the cube [.25, .5] x [0, .25] x [-.25, 0]."""
    field = solid(4, [(3, 2, 1)], 0.5)
    seen = render(field, CAMERA, RenderOptions(size_px=160))
    y, x = torch.nonzero(seen.alpha > 0.5, as_tuple=True)
    corners = np.array([[a, b, c] for a in (0.25, 0.5) for b in (0, 0.25) for c in (-0.25, 0)])
    at = CAMERA.world_to_camera(corners.astype(np.float32))
    pixels = at[:, :2] / at[:, 2:] * CAMERA.focal_px(160) + 80
    # A pointed corner can end between the middles of two pixels.
    assert x.min() == pytest.approx(pixels[:, 0].min(), abs=1.5)
    assert x.max() + 1 == pytest.approx(pixels[:, 0].max(), abs=1.5)
    assert y.min() == pytest.approx(pixels[:, 1].min(), abs=1.5)
    assert y.max() + 1 == pytest.approx(pixels[:, 1].max(), abs=1.5)
    nearest = float(seen.depth[seen.alpha > 0.99].min())
    assert nearest == pytest.approx(at[:, 2].min(), abs=0.02)


def test_a_step_through_a_voxel_dims_by_its_thickness() -> None:
    """Straight through one of two voxels with sigma 1.5 per voxel side."""
    field = solid(2, [(0, 0, 0)], 0.5)
    field = replace(field, density=torch.full((1, 1), math.log(math.expm1(1.5))))
    origins = torch.tensor([[-0.25, -2, -0.25]]).double()
    seen = render_rays(field, origins, torch.tensor([[0.0, 1, 0]]).double())
    assert float(seen.alpha[0]) == pytest.approx(1 - math.exp(-1.5), abs=1e-5)
    assert float(seen.rgb[0, 0]) == pytest.approx(0.5 * (1 - math.exp(-1.5)), abs=1e-5)


def test_supersampling_averages_finer_pictures(field: RadianceField) -> None:
    fine = render(field, CAMERA, RenderOptions(size_px=24))
    mean = render(field, CAMERA, replace(SMALL, supersampling=2))
    blocks = fine.rgb.reshape(12, 2, 12, 2, 3).mean((1, 3))
    torch.testing.assert_close(mean.rgb, blocks, atol=1e-6, rtol=0)


def test_gradients_reach_every_tensor(field: RadianceField) -> None:
    """Against finite differences of a picture's mean, in float64."""
    rng = torch.Generator().manual_seed(3)
    leaves = {
        name: getattr(field, name).double().requires_grad_(True)
        for name in ("trivec", "density", "features_dc")
    }
    origin, directions = camera_rays(CAMERA, 5)

    def brightness(changed: dict[str, torch.Tensor]) -> torch.Tensor:
        thin = replace(
            field,
            trivec=changed["trivec"],
            density=changed["density"] / 4,  # else hardly anything is seen
            features_dc=changed["features_dc"],
        )
        seen = render_rays(thin, origin.expand(25, 3), directions)
        return seen.rgb.mean() + seen.alpha.mean()

    gradients = torch.autograd.grad(brightness(leaves), list(leaves.values()))
    for name, gradient in zip(leaves, gradients, strict=True):
        towards = torch.randn(gradient.shape, generator=rng, dtype=torch.float64)
        up, down = (
            {**leaves, name: leaves[name].detach() + sign * 1e-6 * towards} for sign in (1, -1)
        )
        expected = float((brightness(up) - brightness(down)).detach()) / 2e-6
        assert float((gradient * towards).sum()) == pytest.approx(expected, rel=1e-4)
        assert abs(expected) > 1e-6


def test_jitter_moves_samples_and_follows_its_seed(field: RadianceField) -> None:
    origin, directions = camera_rays(CAMERA, 8)
    fog = replace(field, trivec=torch.ones_like(field.trivec), density=field.density * 0)

    def alpha(seed: int | None) -> torch.Tensor:
        jitter = None if seed is None else torch.Generator().manual_seed(seed)
        return render_rays(fog, origin.expand(64, 3), directions, jitter=jitter).alpha

    assert torch.equal(alpha(1), alpha(1))
    assert not torch.equal(alpha(1), alpha(2))
    # At most a step more or less in each voxel; four on the longest ray.
    one_step = math.log(2) * 0.5 / 4
    torch.testing.assert_close(alpha(1), alpha(None), atol=4 * one_step, rtol=0)


def test_work_can_be_watched_and_stopped(field: RadianceField) -> None:
    heard: list[float] = []
    render(field, CAMERA, RenderOptions(size_px=192), heard.append)
    assert (heard[0], heard[-1]) == (0.0, 1.0)
    assert heard == sorted(heard)
    assert len(heard) > 4

    def stop(fraction: float) -> None:
        if fraction > 0.3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        render(field, CAMERA, RenderOptions(size_px=192), stop)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"size_px": 0}, "size_px must be in 1..4096, got 0"),
        ({"supersampling": 9}, "supersampling must be in 1..8, got 9"),
        ({"background": (0.0, 2.0, 0.0)}, "background must be"),
    ],
)
def test_options_out_of_range_are_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        replace(SMALL, **changes)  # type: ignore[arg-type]
