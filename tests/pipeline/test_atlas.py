"""LODs lie on charts of their own, on LOD0's, or on those that the source has."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from pipeline import AssetOptions
from pipeline.atlas import Textured, textured, why_not_kept, with_tangents
from pipeline.errors import InvalidInput
from pipeline.mesh.charts.measure_uvs import measure_uvs
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.mesh.lods.lod import Lod, build_lods, sphere_diameter
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.mesh.lods.parts import PartMesh
from pipeline.mesh.measuring.measure import topology
from pipeline.texture.bake import BakeOptions
from pipeline.types import Image, Material, Silent, Surface
from tests.pipeline.mesh.shapes import plane, sphere, together

SIZE = 256


@cache
def _ball() -> Surface:
    """A textured ball with good UVs of its own."""
    mesh = unwrap([sphere(24, bump_m=0.05)], UnwrapOptions(texture_size=SIZE), Silent())[0]
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    return Surface(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=mesh.normals,
        uvs=mesh.uvs,
        face_materials=np.zeros(len(mesh.faces), np.int32),
        materials=(Material(name="painted", base_color=Image(pixels=pixels), metallic_factor=0.0),),
    )


def _options(**unwrap_options: Any) -> AssetOptions:
    return AssetOptions(unwrap=UnwrapOptions(texture_size=SIZE, **unwrap_options))


def _lods(*budgets: int) -> tuple[tuple[Lod, ...], list[PartMesh]]:
    mesh = sphere(24, bump_m=0.05)
    parts = [PartMesh(mesh=mesh)]
    options = LodOptions(budgets=budgets)
    return build_lods(parts, options, Silent(), diameter_m=sphere_diameter(mesh)), parts


def _textured(options: AssetOptions, *budgets: int, surface: Surface | None = None) -> Textured:
    lods, parts = _lods(*budgets)
    return textured(lods, surface or _ball(), parts, options, Silent())


def test_packed_lods_share_a_material_and_no_texel() -> None:
    laid = _textured(_options(uv="unwrap"), 1_000, 300)
    assert len(laid.materials) == 1
    assert len(laid.uv_measure.lods) == 2
    assert laid.uv_measure.overlap_ratio < 1e-4
    assert laid.bake_measure is not None


def test_shared_lods_lie_on_the_vertices_of_lod0() -> None:
    laid = _textured(_options(atlas="shared", uv="unwrap"), 1_000, 300)
    first, second = laid.unwrapped
    assert len(laid.materials) == 1
    assert len(second.faces) <= 300
    assert laid.lods[1].triangle_count == len(second.faces)
    known = {tuple(row) for row in np.concatenate([first.positions, first.uvs], axis=1).tolist()}
    assert {tuple(r) for r in np.concatenate([second.positions, second.uvs], 1).tolist()} <= known


def test_an_atlas_per_lod_is_half_as_large_each() -> None:
    laid = _textured(_options(atlas="per_lod", uv="unwrap"), 1_000, 300)
    sizes = [
        material.base_color.pixels.shape[0] for material in laid.materials if material.base_color
    ]
    assert sizes == [SIZE, SIZE // 2]
    for mesh in laid.unwrapped:
        assert np.ptp(mesh.uvs, axis=0).min() > 0.8  # each fills its own


def test_kept_uvs_keep_the_texture_untouched() -> None:
    laid = _textured(_options(uv="keep"), 1_000_000, 1_200)
    (material,) = laid.materials
    assert material is _ball().materials[0]
    assert laid.bake_measure is None
    assert len(laid.unwrapped[0].faces) == len(_ball().faces)
    assert np.array_equal(np.unique(laid.unwrapped[0].uvs, axis=0), np.unique(_ball().uvs, axis=0))
    assert len(laid.unwrapped[1].faces) <= 1_200


def test_auto_keeps_good_uvs_while_lods_are_fine_enough() -> None:
    assert _textured(_options(), 1_000_000).bake_measure is None
    assert _textured(_options(), 1_000_000, 300).bake_measure is not None
    overlapping = replace(_ball(), uvs=np.full_like(_ball().uvs, 0.5))
    assert _textured(_options(), 1_000_000, surface=overlapping).bake_measure is not None


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        ({"uvs": None}, {}, "there are none"),
        ({"colors": np.zeros((1, 4), np.float32)}, {}, "vertex colors would be lost"),
        ({"materials": (Material(),)}, {}, "no texture lies on them"),
        ({"uvs": np.full((1, 2), 0.5, np.float32)}, {}, "they cover nothing"),
        ({"uvs": np.full((1, 2), np.nan, np.float32)}, {}, "they cover nothing"),
        ({}, {"bake": BakeOptions(ambient_occlusion=True)}, "painted anew"),
        ({}, {"bake": BakeOptions(roughness=0.2)}, "painted anew"),
        ({}, {"bake": BakeOptions(metallic=0.0)}, "painted anew"),
    ],
)
def test_what_cannot_be_kept_is_told(
    change: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    if isinstance(uvs := change.get("uvs"), np.ndarray):
        change = {"uvs": np.repeat(uvs, len(_ball().positions), axis=0)}
    surface = replace(_ball(), **change)
    lods, parts = _lods(1_000_000)
    asked = replace(_options(uv="keep"), **options)
    assert reason in why_not_kept(surface, lods, asked)
    with pytest.raises(InvalidInput, match="the UVs cannot be kept"):
        textured(lods, surface, parts, asked, Silent())


@pytest.mark.parametrize("way", [{}, {"atlas": "shared"}, {"atlas": "per_lod"}, {"uv": "keep"}])
def test_what_charts_split_still_hangs_together(way: dict[str, Any]) -> None:
    laid = _textured(_options(**{"uv": "unwrap"} | way), 1_200, 900)
    for mesh, lod in zip(laid.whole, laid.lods, strict=True):
        assert topology(mesh).is_closed
        assert len(mesh.faces) == len(lod.mesh.faces)


def test_tiling_uvs_cannot_be_kept() -> None:
    surface = replace(_ball(), uvs=_ball().uvs * 3)
    assert "repeat" in why_not_kept(surface, _lods(1_000_000)[0], _options(uv="keep"))


def test_vertices_between_mirrored_charts_are_split() -> None:
    positions = np.array([(0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1)], np.float32)
    # The second triangle reads the texture backward, and shares an edge with the first.
    surface = Surface(
        positions=positions,
        faces=np.array([(0, 2, 1), (1, 2, 3)], np.int32),
        normals=np.tile(np.array([0, 1, 0], np.float32), (4, 1)),
        uvs=np.array([(0, 0), (0.4, 0), (0, 0.4), (0, 0)], np.float32),
        face_materials=np.zeros(2, np.int32),
        materials=(Material(),),
    )
    mesh = with_tangents(surface)
    assert len(mesh.positions) == 6
    signs = mesh.tangents[mesh.faces, 3]
    assert (signs == signs[:, :1]).all()
    assert signs[0, 0] != signs[1, 0]


def test_lightmaps_lie_alone_in_their_square() -> None:
    laid = _textured(_options(uv="unwrap", lightmap=True), 1_000, 300)
    for mesh in laid.unwrapped:
        assert mesh.lightmap_uvs is not None
        assert mesh.lightmap_uvs.shape == mesh.uvs.shape
        assert 0 <= mesh.lightmap_uvs.min() <= mesh.lightmap_uvs.max() <= 1
        corners = mesh.lightmap_uvs[mesh.faces].astype(np.float64)
        areas = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 2
        assert areas.sum() > 0.3
        alone = measure_uvs([replace(mesh, uvs=mesh.lightmap_uvs)], SIZE // 4)
        assert alone.overlap_ratio == 0
        assert alone.gutter_texels >= 2


def test_mirrored_charts_that_are_kept_get_lightmaps_too() -> None:
    mirrored = _ball().uvs.copy()
    mirrored[:, 0] = 1 - mirrored[:, 0]
    surface = replace(_ball(), uvs=mirrored)
    laid = _textured(_options(uv="keep", lightmap=True), 1_000_000, surface=surface)
    second = laid.unwrapped[0].lightmap_uvs
    assert second is not None
    assert 0 <= second.min() <= second.max() <= 1
    assert measure_uvs([replace(laid.unwrapped[0], uvs=second)], SIZE // 4).overlap_ratio == 0


def test_parts_that_touch_stay_apart_on_shared_charts() -> None:
    sheet = plane(12)
    beside = replace(sheet, positions=sheet.positions + np.array([2, 0, 0], np.float32))
    parts = [PartMesh(mesh=sheet), PartMesh(mesh=beside)]
    whole = together(sheet, beside)
    options = LodOptions(budgets=(500, 200))
    lods = build_lods(parts, options, Silent(), diameter_m=sphere_diameter(whole))
    surface = Surface(
        positions=whole.positions,
        faces=whole.faces,
        normals=np.tile(np.array([0, 0, 1], np.float32), (len(whole.positions), 1)),
        face_materials=np.zeros(len(whole.faces), np.int32),
        materials=(Material(),),
    )
    asked = _options(atlas="shared", uv="unwrap")
    for lod in textured(lods, surface, parts, asked, Silent()).lods:
        middles = lod.mesh.positions[lod.mesh.faces].mean(axis=1)[:, 0]
        assert np.array_equal(lod.face_parts, (middles > 1).astype(np.int32))
