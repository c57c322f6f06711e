"""Pictures of a surface color it: only what they see, in agreement, and finer than vertices do."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import Cancelled
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.place import PlaceOptions, placement
from pipeline.srgb import linear_from_srgb, srgb_from_linear
from pipeline.texture.bake import BakeOptions, bake
from pipeline.texture.views import ViewColors
from pipeline.types import Material, Mesh, Silent, Surface, UnwrappedMesh, View
from tests.pipeline.mesh.shapes import sphere

Array = NDArray[np.float64]
Paint = Callable[[Array], Array]  # [N, 3] points -> [N, 3] linear

RED, BLUE, GREEN = (0.8, 0.1, 0.05), (0.05, 0.2, 0.7), (0.05, 0.6, 0.1)


def checker(points: Array) -> Array:
    """Cells of 0.15 m: as wide as the edges of `sphere(21)`, whose vertices cannot show them."""
    is_odd = np.floor(points / 0.15 + 0.5).sum(axis=1) % 2 == 1
    return np.where(is_odd[:, None], RED, BLUE)


def plain_green(points: Array) -> Array:
    return np.tile(GREEN, (len(points), 1))


def camera_at(eye: Sequence[float], size_px: int, focal_px: float) -> Array:
    """`[3, 4]` of a camera that looks at the origin, its up as good as can be along Y."""
    forward = -np.asarray(eye, np.float64) / np.linalg.norm(eye)
    right = np.cross(forward, (0.0, 1.0, 0.1))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    to_pixels = np.array([(focal_px, 0, size_px / 2), (0, focal_px, size_px / 2), (0, 0, 1)])
    projection: Array = to_pixels @ np.column_stack([rotation, -rotation @ eye])
    return projection


def photograph(
    eye: Sequence[float], hit: Callable[[Array, Array], Array], paint: Paint, size_px: int = 256
) -> View:
    """Trace four rays per pixel. `hit` tells the distance along each, infinite for a miss."""
    projection = camera_at(eye, size_px, 1.2 * size_px)
    at = (np.arange(2 * size_px) + 0.5) / 2
    rows, columns = np.meshgrid(at, at, indexing="ij")
    places = np.stack([columns, rows, np.ones_like(rows)], axis=2).reshape(-1, 3)
    origin, rays = np.asarray(eye, np.float64), places @ np.linalg.inv(projection[:, :3]).T
    distances = hit(origin, rays)
    is_hit = np.isfinite(distances)
    samples = np.zeros((len(rays), 4))
    samples[is_hit, :3] = paint(origin + distances[is_hit, None] * rays[is_hit])
    samples[is_hit, 3] = 1
    summed = samples.reshape(size_px, 2, size_px, 2, 4).mean((1, 3))
    alpha = summed[:, :, 3:]
    rgb = srgb_from_linear(summed[:, :, :3] / np.maximum(alpha, 1e-9))
    pixels = (np.concatenate([rgb, alpha], axis=2) * 255 + 0.5).astype(np.uint8)
    return View(pixels=pixels, projection=projection)


def ball(origin: Array, rays: Array) -> Array:
    """Where rays enter the ball of radius 1 m around the origin."""
    a, b = np.einsum("ni,ni->n", rays, rays), rays @ origin
    inner = b**2 - a * (origin @ origin - 1)
    return np.where(inner > 0, (-b - np.sqrt(np.maximum(inner, 0))) / a, np.inf)


@cache
def ball_views(count: int, paint: Paint = checker, size_px: int = 256) -> tuple[View, ...]:
    """From a spiral around the ball, 3 m away."""
    heights = 1 - (2 * np.arange(count) + 1) / count
    angles = np.arange(count) * 2.399963
    around = np.sqrt(1 - heights**2)
    eyes = 3 * np.stack([around * np.cos(angles), heights, around * np.sin(angles)], axis=1)
    return tuple(photograph(eye.tolist(), ball, paint, size_px) for eye in eyes)


def colored_ball(views: tuple[View, ...], paint: Paint = checker, rings: int = 48) -> Surface:
    mesh = sphere(rings)
    colors = paint(mesh.positions.astype(np.float64))
    return Surface(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=mesh.positions,
        colors=np.column_stack([colors, np.ones(len(colors))]).astype(np.float32),
        face_materials=np.zeros(len(mesh.faces), np.int32),
        materials=(Material(),),
        views=views,
    )


def directions(count: int) -> Array:
    found = np.random.default_rng(0).normal(size=(count, 3))
    unit: Array = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def look(surface: Surface, points: Array, texel_size_m: float = 0.001) -> tuple[Array, Array]:
    """Of a ball around the origin, whose normals are its points."""
    colors, shares = ViewColors(surface, lambda: None).look(
        points, points, np.full(len(points), texel_size_m)
    )
    return colors.astype(np.float64), shares.astype(np.float64)


def decibels(found: Array, truth: Array) -> float:
    """Peak signal to noise in sRGB."""
    return float(-10 * np.log10(((srgb_from_linear(found) - srgb_from_linear(truth)) ** 2).mean()))


def read(lod: UnwrappedMesh, pixels: NDArray[np.uint8]) -> tuple[Array, Array]:
    """Random points of a LOD, and the texel that each is on, linear."""
    rng = np.random.default_rng(1)
    faces = rng.integers(0, len(lod.faces), 20_000)
    weights = rng.dirichlet((1, 1, 1), len(faces))
    points = np.einsum("nk,nkc->nc", weights, lod.positions[lod.faces[faces]].astype(np.float64))
    uvs = np.einsum("nk,nkc->nc", weights, lod.uvs[lod.faces[faces]])
    columns, rows = np.floor(uvs * pixels.shape[0]).astype(int).T
    return points, linear_from_srgb(pixels[rows, columns] / 255)


def test_a_texture_from_views_is_6_db_nearer_to_the_truth_than_one_from_vertices() -> None:
    (lod,) = unwrap((sphere(16),), UnwrapOptions(texture_size=256), Silent())
    nearness = {}
    for views in ((), ball_views(20, checker, 192)):
        source = colored_ball(views, rings=21)
        baked = bake((lod,), source, 256, BakeOptions(), Silent()).material.base_color
        assert baked is not None
        points, seen = read(lod, baked.pixels)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        nearness[len(views)] = decibels(seen, checker(points))
    assert nearness[20] > nearness[0] + 6


def test_all_of_a_ball_is_known_from_20_sides() -> None:
    points = directions(5_000)
    colors, shares = look(colored_ball(ball_views(20, plain_green, 96)), points)
    assert shares.min() == 1
    np.testing.assert_allclose(colors, np.tile(GREEN, (len(points), 1)), atol=0.006)


def test_a_view_says_nothing_of_the_far_side_and_of_its_outline() -> None:
    points = directions(5_000)
    view = photograph((0, 0, 3), ball, checker)
    colors, shares = look(colored_ball((view,)), points)
    toward = np.array([0, 0, 3]) - points
    cosines = np.einsum("ni,ni->n", toward, points) / np.linalg.norm(toward, axis=1)
    assert not shares[cosines < 0.2].any()
    assert not colors[cosines < 0.2].any()
    assert (shares[cosines > 0.6] == 1).all()


def test_what_is_behind_something_is_not_painted_with_its_color() -> None:
    """A red plate hangs 0.3 m before the middle of a blue one."""

    def plates(origin: Array, rays: Array) -> Array:
        nearest = np.full(len(rays), np.inf)
        for z, half in ((0.0, 0.5), (0.3, 0.2)):
            t = (z - origin[2]) / rays[:, 2]
            at = origin + t[:, None] * rays
            is_on = (np.abs(at[:, :2]) < half).all(axis=1)
            nearest[is_on] = np.minimum(nearest[is_on], t[is_on])
        return nearest

    def paint(points: Array) -> Array:
        return np.where(points[:, 2:] > 0.15, RED, BLUE)

    corners = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], np.float32)
    positions = np.concatenate([corners * 0.5, corners * 0.2 + (0, 0, 0.3)]).astype(np.float32)
    views = tuple(photograph(eye, plates, paint) for eye in ((0, 0, 1.5), (0.2, 0.1, 1.5)))
    surface = Surface(
        positions=positions,
        faces=np.array([(0, 1, 2), (0, 2, 3), (4, 5, 6), (4, 6, 7)], np.int32),
        normals=np.tile(np.array([0, 0, 1], np.float32), (8, 1)),
        face_materials=np.zeros(4, np.int32),
        materials=(Material(),),
        views=views,
    )
    at = np.linspace(-0.49, 0.49, 99)
    points = np.stack([*np.meshgrid(at, at), np.zeros((99, 99))], axis=2).reshape(-1, 3)
    up = np.tile((0.0, 0.0, 1.0), (len(points), 1))
    colors, shares = ViewColors(surface, lambda: None).look(points, up, np.full(len(points), 0.001))
    # The front plate hides 1.25 times its size of the back one, for the second camera 0.05 m to
    # the left and 0.025 m lower.
    seen_by_neither = (np.abs(points[:, :2] - (-0.025, -0.0125)) < (0.225, 0.2375)).all(axis=1)
    assert not shares[seen_by_neither].any()
    assert shares[(np.abs(points[:, :2]) > 0.34).any(axis=1)].mean() > 0.8
    is_known = shares > 0
    assert np.abs(colors[is_known] - BLUE).max() < 0.02
    # The front plate itself is seen.
    points = points * (0.3, 0.3, 0) + (0, 0, 0.3)
    colors, shares = ViewColors(surface, lambda: None).look(points, up, np.full(len(points), 0.001))
    assert shares.min() == 1
    assert np.abs(colors - RED).max() < 0.02


def test_a_view_that_the_others_disagree_with_hardly_counts() -> None:
    views = list(ball_views(40, plain_green, 96))
    wrong = 7
    views[wrong] = replace(
        views[wrong], pixels=np.where([True, False, False, True], views[wrong].pixels, 0)
    )
    wrong_eye = -np.linalg.solve(views[wrong].projection[:, :3], views[wrong].projection[:, 3])
    before_it = wrong_eye[None] / np.linalg.norm(wrong_eye)  # where it counts most
    colors, _ = look(colored_ball(tuple(views)), before_it)
    alone, _ = look(colored_ball((views[wrong],)), before_it)
    assert alone[0, 1] < 0.01  # it shows no green at all
    assert abs(colors[0, 1] - GREEN[1]) < 0.05


def test_large_texels_take_the_mean_of_what_they_cover() -> None:
    surface, points = colored_ball(ball_views(20, checker, 192)), directions(2_000)
    mean = (np.array(RED) + BLUE) / 2
    fine, coarse = (np.abs(look(surface, points, size)[0] - mean).mean() for size in (0.001, 0.6))
    assert coarse < 0.25 * fine


def test_views_move_with_the_surface() -> None:
    surface, points = colored_ball(ball_views(20, checker, 192)), directions(2_000)
    place = placement(
        surface.mesh, PlaceOptions(up="positive_x", fit_m=(9, 9, 9)), longest_side_m=None
    )
    there = (points @ place.rotation.T - place.pivot_m) * place.scale
    normals = points @ place.rotation.T
    colors, shares = ViewColors(place.moved(surface), lambda: None).look(
        there, normals, np.full(len(points), 0.001 * place.scale)
    )
    colors_before, shares_before = look(surface, points)
    assert place.scale == pytest.approx(4.5, rel=0.01)
    np.testing.assert_allclose(shares, shares_before, atol=0.01)
    assert np.quantile(np.abs(colors - colors_before), 0.999) < 0.01


def test_points_do_not_change_each_other_nor_do_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    surface, points = colored_ball(ball_views(8, checker, 96)), directions(1_000)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    colors, shares = look(surface, points)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    pieces = [look(surface, points[first : first + 300]) for first in range(0, 1_000, 300)]
    np.testing.assert_array_equal(colors, np.concatenate([piece[0] for piece in pieces]))
    np.testing.assert_array_equal(shares, np.concatenate([piece[1] for piece in pieces]))


def test_preparing_can_be_stopped() -> None:
    surface = colored_ball(ball_views(8, checker, 32))
    calls = []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        ViewColors(surface, stop)


def test_a_surface_that_no_view_sees_keeps_its_own_colors() -> None:
    away = photograph((0, 0, 3), ball, plain_green)
    behind = replace(away, projection=-away.projection)  # all of the ball is behind that camera
    (lod,) = unwrap((sphere(8),), UnwrapOptions(texture_size=64), Silent())
    textures = []
    for views in ((), (behind,)):
        source = colored_ball(views, checker)
        baked = bake((lod,), source, 64, BakeOptions(), Silent()).material.base_color
        assert baked is not None
        textures.append(baked.pixels)
    np.testing.assert_array_equal(textures[0], textures[1])


def test_the_mesh_of_a_test_ball_is_what_its_views_show() -> None:
    """The premise of these tests: outlines in the pictures are the mesh's."""
    view = photograph((0, 0, 3), ball, checker)
    mesh: Mesh = sphere(48)
    points = np.column_stack([mesh.positions, np.ones(len(mesh.positions))]) @ view.projection.T
    columns, rows = (points[:, :2] / points[:, 2:]).T
    seen_rows, seen_columns = np.nonzero(view.pixels[:, :, 3])
    for found, seen in ((columns, seen_columns), (rows, seen_rows)):
        assert abs(found.min() - seen.min()) < 1.5
        assert abs(found.max() - seen.max() - 1) < 1.5
