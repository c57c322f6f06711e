"""The textures show on each LOD what the dense surface looks like there."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import Cancelled, InvalidInput
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.mesh.repairing.repair import RepairOptions, repair, turned_alike
from pipeline.tangents import tangents
from pipeline.texture.bake import BakeOptions, BakeResult, bake
from pipeline.texture.sample import prepare
from pipeline.types import Image, Material, Mesh, Silent, Stage, Surface, UnwrappedMesh
from tests.pipeline.mesh.shapes import Listener, cube, mesh_of, plane, sphere, together

SIZE = 256


def _surface(mesh: Mesh, **more: Any) -> Surface:
    """A surface with a ball's normals unless told otherwise. `more` are Surface's own fields."""
    lengths = np.linalg.norm(mesh.positions, axis=1, keepdims=True)
    fields: dict[str, Any] = {
        "normals": mesh.positions / np.maximum(lengths, 1e-6),
        "face_materials": np.zeros(len(mesh.faces), np.int32),
        "materials": (Material(),),
    }
    return Surface(positions=mesh.positions, faces=mesh.faces, **(fields | more))


def _square(size_m: float = 1.0, margin: float = 0.0) -> UnwrappedMesh:
    """A square that looks along +Z and hangs in the atlas as it stands."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    positions = np.column_stack([corners * size_m, np.zeros(4)]).astype(np.float32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (4, 1))
    uvs = margin + (1 - 2 * margin) * np.stack([corners[:, 0], 1 - corners[:, 1]], axis=1)
    faces = np.array([(0, 1, 2), (0, 2, 3)], np.int32)
    return UnwrappedMesh(
        positions=positions,
        normals=normals,
        tangents=tangents(positions, normals, uvs.astype(np.float32), faces),
        uvs=uvs.astype(np.float32),
        faces=faces,
        face_source=np.arange(len(faces), dtype=np.int32),
    )


def _square_surface(uvs: ArrayLike, *materials: Material, **more: Any) -> Surface:
    square = _square()
    return Surface(
        positions=square.positions,
        faces=square.faces,
        normals=square.normals,
        uvs=np.asarray(uvs, np.float32),
        materials=materials,
        **({"face_materials": np.zeros(2, np.int32)} | more),
    )


AS_IT_HANGS = [(0, 1), (1, 1), (1, 0), (0, 0)]


@cache
def _ball_lods() -> tuple[UnwrappedMesh, ...]:
    """About 1000 and 250 triangles."""
    return unwrap((sphere(16), sphere(8)), UnwrapOptions(texture_size=SIZE), Silent())


def _bake(
    lods: tuple[UnwrappedMesh, ...], source: Surface, size: int = SIZE, **options: Any
) -> BakeResult:
    return bake(lods, source, size, BakeOptions(**options), Silent())


def _pixels(image: Image | None) -> NDArray[np.uint8]:
    assert image is not None
    return image.pixels


def _linear(srgb: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _seen(
    mesh: UnwrappedMesh, image: Image | None, *, srgb: bool = False, count: int = 20_000
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Read a texture as a shader does at random points: face, weights and bilinear value."""
    pixels = _pixels(image) / 255
    pixels = _linear(pixels) if srgb else pixels
    rng = np.random.default_rng(0)
    corners = mesh.positions.astype(np.float64)[mesh.faces]
    areas = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    faces = rng.choice(len(areas), count, p=areas / areas.sum())
    weights = rng.dirichlet((1, 1, 1), count)
    height, width = pixels.shape[:2]
    x, y = (np.einsum("nk,nkc->nc", weights, mesh.uvs[mesh.faces[faces]]) * (width, height)).T - 0.5
    value = np.zeros((count, pixels.shape[2]))
    for dx in (0, 1):
        for dy in (0, 1):
            share = (1 - np.abs(x - np.floor(x) - dx)) * (1 - np.abs(y - np.floor(y) - dy))
            column, row = (np.floor(x) + dx).astype(int), (np.floor(y) + dy).astype(int)
            value += share[:, None] * pixels[row % height, column % width]
    return faces, weights, value


def _at(values: NDArray[np.float32], mesh: UnwrappedMesh, faces: Any, weights: Any) -> Any:
    return np.einsum("nk,nkc->nc", weights, values[mesh.faces[faces]].astype(np.float64))


def _decoded(mesh: UnwrappedMesh, image: Image | None) -> tuple[Any, Any]:
    """Return the point of a mesh and the normal a MikkTSpace shader sees there."""
    faces, weights, value = _seen(mesh, image)
    x, y, z = (2 * value - 1).T[:, :, None]
    normal = _at(mesh.normals, mesh, faces, weights)
    tangent = _at(mesh.tangents, mesh, faces, weights)
    bitangent = np.cross(normal, tangent[:, :3]) * np.sign(tangent[:, 3:])
    seen = x * tangent[:, :3] + y * bitangent + z * normal
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    return _at(mesh.positions, mesh, faces, weights), seen


def _angles(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.degrees(np.arccos(np.clip((one * two).sum(axis=1), -1, 1))))


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _psnr(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    error = ((one.astype(np.float64) - two) ** 2).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def _smooth_picture(size: int, seed: int = 0) -> NDArray[np.uint8]:
    """Waves of up to 6 periods, over most of the range."""
    rng = np.random.default_rng(seed)
    y, x = (np.indices((size, size)) + 0.5) / size
    waves = sum(
        rng.normal(size=3) * np.sin(2 * np.pi * (a * x + b * y) + rng.uniform(0, 6))[:, :, None]
        for a, b in rng.integers(-6, 7, (8, 2))
    )
    waves = np.asarray(waves)
    return np.asarray((waves - waves.min()) / np.ptp(waves) * 255, np.uint8)


# --- color


def _ball_color(points: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(0.5 + 0.4 * np.sin(3 * points + (0, 1, 2)))


def test_vertex_colors_of_a_ball_show_on_every_lod() -> None:
    dense = sphere(96)
    colors = np.column_stack([_ball_color(dense.positions), np.ones(len(dense.positions))])
    result = _bake(_ball_lods(), _surface(dense, colors=colors.astype(np.float32)))
    assert result.measure.missed_texel_ratio == 0
    for mesh in _ball_lods():
        faces, weights, value = _seen(mesh, result.material.base_color, srgb=True)
        wanted = _ball_color(_unit(_at(mesh.positions, mesh, faces, weights)))
        error = np.abs(value - wanted)
        assert error.mean() < 0.004  # a byte of 255
        assert np.quantile(error, 0.999) < 0.03


def test_a_square_shows_its_texture() -> None:
    picture = _smooth_picture(SIZE)
    source = _square_surface(AS_IT_HANGS, Material(base_color=Image(pixels=picture)))
    baked = _pixels(_bake((_square(),), source).material.base_color)
    assert _psnr(baked, picture) > 45


def test_a_square_with_a_gutter_shows_its_texture() -> None:
    picture = _smooth_picture(SIZE)
    source = _square_surface(AS_IT_HANGS, Material(base_color=Image(pixels=picture)))
    square = _square(margin=0.1)
    material = _bake((square,), source, 300).material
    faces, weights, value = _seen(square, material.base_color)
    x, y = (_at(square.positions, square, faces, weights)[:, :2] * SIZE).astype(int).T
    error = value - picture[SIZE - 1 - y, x] / 255
    assert -10 * np.log10((error**2).mean()) > 35


def test_a_finer_texture_is_averaged_in_linear_light() -> None:
    checker = (np.indices((500, 500)).sum(axis=0)[:, :, None] % 2 * np.full(3, 255)).astype("u1")
    source = _square_surface(AS_IT_HANGS, Material(base_color=Image(pixels=checker)))
    baked = _pixels(_bake((_square(),), source, 64).material.base_color)
    assert np.abs(baked.astype(int) - 188).max() <= 3


def test_tiled_and_mirrored_uvs() -> None:
    picture = _smooth_picture(64)
    source = _square_surface(
        [(3, 2), (0, 2), (0, 0), (3, 0)], Material(base_color=Image(pixels=picture))
    )
    baked = _pixels(_bake((_square(),), source, 192).material.base_color)
    x = np.arange(192) + 0.5
    # Three times from right to left, twice downward, each 64 texels wide or 96 high.
    columns = ((3 - x / 64) * 64).astype(int) % 64
    rows = (x / 192 * 2 * 64).astype(int) % 64
    assert _psnr(baked, picture[rows][:, columns]) > 30


def test_factors_textures_and_vertex_colors_multiply() -> None:
    texture = Image(pixels=np.full((4, 4, 3), 188, np.uint8))  # half the light
    source = _square_surface(
        AS_IT_HANGS,
        Material(base_color=texture, base_color_factor=(0.5, 1, 1, 1)),
        colors=np.tile(np.array([1, 0.25, 1, 1], np.float32), (4, 1)),
    )
    material = _bake((_square(),), source, 64).material
    linear = _linear(_pixels(material.base_color)[32, 32] / 255)
    assert np.allclose(linear, [0.25, 0.125, 0.5], atol=0.005)
    assert material.base_color_factor == (1, 1, 1, 1)


def test_each_face_shows_its_own_material() -> None:
    red = Material(name="brick", base_color_factor=(1, 0, 0, 1), roughness_factor=0.3)
    blue = Material(base_color_factor=(0, 0, 1, 1), roughness_factor=0.9, metallic_factor=1.0)
    source = _square_surface(AS_IT_HANGS, red, blue, face_materials=np.array([0, 1], np.int32))
    material = _bake((_square(),), source, 64).material
    below, above = (60, 32), (4, 32)  # face 0 is right below the diagonal
    assert _pixels(material.base_color)[below].tolist() == [255, 0, 0]
    assert _pixels(material.base_color)[above].tolist() == [0, 0, 255]
    assert material.metallic_roughness is material.occlusion
    orm = _pixels(material.metallic_roughness)
    assert orm[below].tolist() == [255, 77, 0]
    assert orm[above].tolist() == [255, 230, 255]
    assert (material.metallic_factor, material.roughness_factor) == (1, 1)
    assert material.name == "brick"


# --- normals


def test_a_coarse_ball_is_shaded_like_the_dense_one() -> None:
    material = _bake(_ball_lods(), _surface(sphere(64))).material
    for mesh, limit in zip(_ball_lods(), (1.0, 2.0), strict=True):
        points, seen = _decoded(mesh, material.normal)
        assert _angles(seen, _unit(points)).mean() < limit


def test_the_lod_as_its_own_source_has_a_flat_map() -> None:
    mesh = _ball_lods()[0]
    source = _surface(Mesh(positions=mesh.positions, faces=mesh.faces), normals=mesh.normals)
    normal = _pixels(_bake((mesh,), source).material.normal)
    assert np.abs(normal.astype(int) - (128, 128, 255)).max() <= 3


def _bumps(size: int) -> NDArray[np.uint8]:
    x, y, _ = _smooth_picture(size, seed=3).transpose(2, 0, 1) / 255 - 0.5
    bumps = np.stack([x, y, np.ones_like(x)], axis=2)
    bumps /= np.linalg.norm(bumps, axis=2, keepdims=True)
    return np.asarray(np.round((bumps / 2 + 0.5) * 255), np.uint8)


def test_the_normal_map_of_the_source_comes_through() -> None:
    bumps = _bumps(SIZE)
    source = _square_surface(AS_IT_HANGS, Material(normal=Image(pixels=bumps)))
    baked = _pixels(_bake((_square(),), source).material.normal)
    assert _psnr(baked, bumps) > 40


def test_the_normal_map_of_mirrored_uvs_comes_through_mirrored() -> None:
    bumps = _bumps(SIZE)
    source = _square_surface([(1, 1), (0, 1), (0, 0), (1, 0)], Material(normal=Image(pixels=bumps)))
    baked = _pixels(_bake((_square(),), source).material.normal)
    mirrored = bumps[:, ::-1] * np.array([-1, 1, 1]) + np.array([255, 0, 0])
    assert _psnr(baked, mirrored.astype(np.uint8)) > 40


def test_normal_scale_counts() -> None:
    tilted = np.full((2, 2, 3), (204, 128, 230), np.uint8)  # x = 0.6, z = 0.8
    source = _square_surface(AS_IT_HANGS, Material(normal=Image(pixels=tilted), normal_scale=0.5))
    x, y, z = _pixels(_bake((_square(),), source, 64).material.normal)[32, 32] / 127.5 - 1
    assert np.allclose([x / z, y], [0.3 / 0.8, 0], atol=0.01)


def test_a_thin_double_wall_keeps_its_sides_apart() -> None:
    outside, inside = sphere(48), sphere(48)
    inside = mesh_of(inside.positions * 0.98, inside.faces[:, ::-1])
    dense = together(outside, inside)
    red, blue = Material(base_color_factor=(1, 0, 0, 1)), Material(base_color_factor=(0, 0, 1, 1))
    count = len(outside.faces)
    source = _surface(
        dense,
        normals=np.concatenate([outside.positions, -sphere(48).positions]),
        face_materials=np.repeat(np.array([0, 1], np.int32), count),
        materials=(red, blue),
    )
    # The outer LOD cuts up to 2 % deep: its faces come nearer to the inner wall than to theirs.
    lods = (_ball_lods()[1],)
    result = _bake(lods, source)
    faces, _, value = _seen(lods[0], result.material.base_color)
    assert len(np.unique(faces)) > 100
    assert (value[:, 0] > 0.99).mean() > 0.999
    assert result.measure.missed_texel_ratio < 0.001


def test_a_source_turned_inside_out_is_a_miss_but_shows_its_colors() -> None:
    ball = sphere(32)
    turned = mesh_of(ball.positions, ball.faces[:, ::-1])
    source = _surface(
        turned, normals=-ball.positions, materials=(Material(base_color_factor=(0, 1, 0, 1)),)
    )
    result = _bake(_ball_lods(), source)
    assert result.measure.missed_texel_ratio == 1
    assert (_pixels(result.material.base_color) == (0, 255, 0)).all()
    points, seen = _decoded(_ball_lods()[0], result.material.normal)
    assert _angles(seen, _unit(points)).mean() < 2


def test_a_thin_plank_that_was_inside_out_keeps_top_and_bottom() -> None:
    box = cube()
    plank = mesh_of(box.positions * (1, 0.01, 1), box.faces[:, ::-1])
    heights = plank.positions[plank.faces][:, :, 1]
    sides, top, bottom = (Material(base_color_factor=(*rgb, 1)) for rgb in np.eye(3))
    source = Surface(
        positions=plank.positions,
        faces=plank.faces,
        normals=np.tile(np.array([0, 1, 0], np.float32), (8, 1)),
        face_materials=np.asarray(
            (heights > 0).all(axis=1) + 2 * (heights < 0).all(axis=1), np.int32
        ),
        materials=(sides, top, bottom),
    )
    repaired = repair(plank, RepairOptions.for_upload(), Silent())
    lods = unwrap((repaired.mesh,), UnwrapOptions(texture_size=SIZE), Silent())
    result = _bake(lods, turned_alike(source, repaired))
    faces, _, seen = _seen(lods[0], result.material.base_color)
    height = lods[0].positions[lods[0].faces][faces][:, :, 1]
    for material, is_here in ((1, (height > 0).all(axis=1)), (2, (height < 0).all(axis=1))):
        assert is_here.sum() > 100
        assert (seen[is_here].argmax(axis=1) == material).all()
    assert result.measure.missed_texel_ratio == 0


# --- what the material holds


def test_one_plain_material_stays_numbers() -> None:
    plain = Material(
        metallic_factor=0.25, roughness_factor=0.75, emissive_factor=(0.1, 0, 0), double_sided=True
    )
    source = _square_surface(AS_IT_HANGS, plain, Material(roughness_factor=0.1))  # unused
    material = _bake((_square(),), source, 64).material
    assert material.metallic_roughness is None
    assert material.occlusion is None
    assert material.emissive is None
    assert (material.metallic_factor, material.roughness_factor) == (0.25, 0.75)
    assert material.emissive_factor == (0.1, 0, 0)
    assert material.alpha_mode == "OPAQUE"
    assert material.double_sided
    assert _pixels(material.base_color).shape == (64, 64, 3)


def test_occlusion_roughness_and_metallic_share_an_image() -> None:
    rough = np.full((4, 4, 3), (9, 128, 255), np.uint8)
    occluded = np.full((4, 4, 3), (51, 9, 9), np.uint8)
    source = _square_surface(
        AS_IT_HANGS,
        Material(
            metallic_roughness=Image(pixels=rough),
            occlusion=Image(pixels=occluded),
            occlusion_strength=0.5,
            metallic_factor=0.5,
            roughness_factor=0.5,
        ),
    )
    material = _bake((_square(),), source, 64).material
    # occlusion 1 + 0.5 (0.2 - 1) = 0.6; roughness 0.5 x 0.5; metallic 0.5 x 1
    assert np.allclose(_pixels(material.occlusion)[32, 32], [153, 64, 128], atol=1)


def test_glow_is_baked_when_there_is_a_texture_of_it() -> None:
    glow = Image(pixels=np.full((4, 4, 3), (255, 188, 0), np.uint8))
    source = _square_surface(AS_IT_HANGS, Material(emissive=glow, emissive_factor=(1, 0.5, 1)))
    material = _bake((_square(),), source, 64).material
    assert np.allclose(_linear(_pixels(material.emissive)[9, 9] / 255), [1, 0.25, 0], atol=0.005)
    assert material.emissive_factor == (1, 1, 1)


def test_what_glows_brighter_than_white_keeps_its_strength() -> None:
    glow = Image(pixels=np.full((4, 4, 3), (255, 188, 0), np.uint8))
    lamp = Material(emissive=glow, emissive_factor=(8, 8, 8))
    plain = Material(emissive_factor=(0, 2, 0))
    source = _square_surface(AS_IT_HANGS, lamp, plain, face_materials=np.array([0, 1], np.int32))
    material = _bake((_square(),), source, 64).material
    shown = _linear(_pixels(material.emissive) / 255) * material.emissive_factor
    assert np.allclose(shown[60, 32], [8, 4, 0], atol=0.05)
    assert np.allclose(shown[4, 32], [0, 2, 0], atol=0.05)


def test_a_texture_of_many_materials_is_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    palette = Image(pixels=np.full((4, 4, 3), 90, np.uint8))
    prepared = []

    def counted(image: Image, *args: Any, **options: Any) -> Any:
        prepared.append(image)
        return prepare(image, *args, **options)

    monkeypatch.setattr("pipeline.texture.appearance.prepare", counted)
    materials = tuple(Material(name=name, base_color=palette) for name in "ab")
    _bake(
        (_square(),),
        _square_surface(AS_IT_HANGS, *materials, face_materials=np.array([0, 1], np.int32)),
        64,
    )
    assert len(prepared) == 1


def test_single_sided_parts_that_become_double_sided_are_told() -> None:
    sides = Material(double_sided=True), Material()
    source = _square_surface(AS_IT_HANGS, *sides, face_materials=np.array([0, 1], np.int32))
    listener = Listener()
    assert bake((_square(),), source, 64, BakeOptions(), listener).material.double_sided
    (warning,) = listener.warnings
    assert "double-sided" in warning


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        (("OPAQUE", "OPAQUE"), "OPAQUE"),
        (("OPAQUE", "MASK"), "MASK"),
        (("OPAQUE", "BLEND"), "BLEND"),
        (("BLEND", "MASK"), "BLEND"),
    ],
)
def test_one_alpha_mode_for_all(modes: tuple[Any, Any], expected: str) -> None:
    alpha = {"OPAQUE": 0.1, "MASK": 0.2, "BLEND": 0.6}
    materials = tuple(
        Material(base_color_factor=(1, 1, 1, alpha[mode]), alpha_mode=mode, alpha_cutoff=0.3)
        for mode in modes
    )
    source = _square_surface(AS_IT_HANGS, *materials, face_materials=np.array([0, 1], np.int32))
    listener = Listener()
    material = bake((_square(),), source, 64, BakeOptions(), listener).material
    assert material.alpha_mode == expected
    assert bool(listener.warnings) == ("BLEND" in modes)
    if expected != "OPAQUE":
        assert material.alpha_cutoff == (0.3 if expected == "MASK" else 0.5)
        for mode, place in zip(modes, ((60, 32), (4, 32)), strict=True):
            is_cut = mode == "MASK" and expected == "BLEND"  # in the texture
            wanted = 1.0 if mode == "OPAQUE" else 0.0 if is_cut else alpha[mode]
            assert _pixels(material.base_color)[place][3] == round(255 * wanted)


def test_masks_of_different_cutoffs_are_cut_where_they_were() -> None:
    texture = Image(pixels=np.full((2, 2, 4), 128, np.uint8))  # alpha 0.5
    kept = Material(base_color=texture, alpha_mode="MASK", alpha_cutoff=0.4)
    gone = Material(base_color=texture, alpha_mode="MASK", alpha_cutoff=0.6)
    source = _square_surface(AS_IT_HANGS, kept, gone, face_materials=np.array([0, 1], np.int32))
    material = _bake((_square(),), source, 64).material
    alpha = _pixels(material.base_color)[:, :, 3] / 255
    assert alpha[60, 32] > material.alpha_cutoff
    assert alpha[4, 32] < material.alpha_cutoff


@pytest.mark.parametrize("cutoffs", [(0.0, 0.6), (0.6, 0.0)])
def test_a_mask_that_cuts_nothing_leaves_the_other_its_holes(cutoffs: tuple[float, float]) -> None:
    texture = Image(pixels=np.full((2, 2, 4), 128, np.uint8))  # alpha 0.5
    masks = (Material(base_color=texture, alpha_mode="MASK", alpha_cutoff=c) for c in cutoffs)
    source = _square_surface(AS_IT_HANGS, *masks, face_materials=np.array([0, 1], np.int32))
    material = _bake((_square(),), source, 64).material
    alpha = _pixels(material.base_color)[:, :, 3] / 255
    shown = [alpha[60, 32] >= material.alpha_cutoff, alpha[4, 32] >= material.alpha_cutoff]
    assert shown == [cutoff == 0 for cutoff in cutoffs]


def test_between_leaves_lies_the_color_of_leaves() -> None:
    leaf = np.zeros((16, 16, 4), np.uint8)  # black where it is cut away
    leaf[:, :6] = 40, 200, 60, 255
    material = Material(base_color=Image(pixels=leaf), alpha_mode="MASK")
    source = _square_surface(AS_IT_HANGS, material)
    pixels = _pixels(_bake((_square(margin=0.1),), source).material.base_color)
    assert (pixels[:, :, 3] == 0).mean() > 0.3
    assert (np.abs(pixels[:, :, :3].astype(int) - [40, 200, 60]) <= 2).all()


def test_hidden_places_get_less_sky() -> None:
    floor = plane(cells=8)
    box = mesh_of(
        sphere(12).positions * 0.5 + np.array([0, 0, 0.5], np.float32), sphere(12).faces
    )  # a ball on the floor
    dense = together(floor, box)
    normals = np.concatenate(
        [np.tile(np.array([0, 0, 1], np.float32), (len(floor.positions), 1)), sphere(12).positions]
    )
    flat = UnwrappedMesh(
        positions=_square(2).positions - np.array([1, 1, 0], np.float32),
        normals=_square().normals,
        tangents=_square().tangents,
        uvs=_square().uvs,
        faces=_square().faces,
        face_source=_square().face_source,
    )
    sky = _pixels(
        _bake(
            (flat,), _surface(dense, normals=normals), 128, ambient_occlusion=True
        ).material.occlusion
    )[:, :, 0]
    assert sky[64, 64] < 40  # where the ball touches
    assert sky[2, 2] > 250
    middle = sky[64, 64:].astype(int)
    assert np.diff(middle).min() > -12  # brighter and brighter outward, but for noise


# --- all of it


def test_no_texel_is_left_empty() -> None:
    green = Material(base_color_factor=(0, 1, 0, 1))
    material = _bake(_ball_lods(), _surface(sphere(32), materials=(green,))).material
    assert (_pixels(material.base_color) == (0, 255, 0)).all()
    # Nor in the normal map: every texel is a unit vector.
    lengths = np.linalg.norm(_pixels(material.normal) / 127.5 - 1, axis=2)
    assert np.abs(lengths - 1).max() < 0.02


def test_same_input_same_bytes() -> None:
    dense = sphere(32, bump_m=0.03)
    colors = np.random.default_rng(0).random((len(dense.positions), 4)).astype(np.float32)
    one, two = (
        _bake(_ball_lods(), _surface(dense, colors=colors), ambient_occlusion=True).material
        for _ in range(2)
    )
    for name in ("base_color", "normal", "occlusion"):
        assert _pixels(getattr(one, name)).tobytes() == _pixels(getattr(two, name)).tobytes()


def test_progress_rises_to_one_and_may_stop_it() -> None:
    listener = Listener()
    bake((_square(),), _surface(sphere(8)), 512, BakeOptions(), listener)
    assert listener.stages == {Stage.BAKE}
    assert listener.fractions == sorted(listener.fractions)
    assert listener.fractions[-1] == 1
    # By how far it is: how often it reports depends on the clock.
    for fraction in (0.0, 0.5, 1.0):
        with pytest.raises(Cancelled):
            bake((_square(),), _surface(sphere(8)), 512, BakeOptions(), _StopAt(fraction))


class _StopAt(Silent):
    """A `Progress` that stops the work when it is done to a fraction."""

    def __init__(self, fraction: float) -> None:
        self._fraction = fraction

    def __call__(self, stage: Stage, fraction: float) -> None:
        if fraction >= self._fraction:
            raise Cancelled("stopped by the test")


def test_textures_without_uvs_are_refused() -> None:
    picture = Material(base_color=Image(pixels=_smooth_picture(8)))
    with pytest.raises(InvalidInput, match="textures but no uvs"):
        _bake((_square(),), _surface(sphere(8), materials=(picture,)))


def test_nothing_to_bake_from_or_on_is_refused() -> None:
    nothing = _surface(mesh_of(np.eye(3), []))
    with pytest.raises(InvalidInput, match="to bake from has no faces"):
        _bake((_square(),), nothing)
    with pytest.raises(InvalidInput, match="no faces to bake on"):
        _bake((), _surface(sphere(8)))


def test_given_roughness_and_metallic_replace_the_source_s() -> None:
    source = _surface(sphere(48))
    given = _bake(_ball_lods(), source, roughness=0.3, metallic=1.0).material
    assert (given.roughness_factor, given.metallic_factor) == (0.3, 1.0)
    assert given.metallic_roughness is None
    with pytest.raises(InvalidInput, match=r"roughness must be in \[0, 1\], got 1.5"):
        BakeOptions(roughness=1.5)


def test_painted_light_is_divided_out_if_asked_for() -> None:
    dense = sphere(96)
    light = np.repeat(0.4 + 0.3 * _unit(dense.positions)[:, 1:2], 3, axis=1)
    colors = np.column_stack([light, np.ones(len(light))]).astype(np.float32)
    source = _surface(dense, colors=colors)
    kept, freed = (_bake(_ball_lods(), source, delight=strength) for strength in (0.0, 1.0))
    assert kept.measure.delight_contrast == 1
    assert freed.measure.delight_contrast > 2

    def spread(result: BakeResult) -> float:
        _, _, value = _seen(_ball_lods()[0], result.material.base_color, srgb=True)
        return float(np.std(value))

    assert spread(freed) < 0.3 * spread(kept)
