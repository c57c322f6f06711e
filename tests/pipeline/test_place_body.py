"""An asset stands where what repair keeps of it stands."""

import time
from dataclasses import replace

import numpy as np
import pytest

from pipeline import AssetOptions, BuildRequest, StageMeter, build_asset
from pipeline.mesh.charts.unwrap import UnwrapOptions
from pipeline.mesh.hulls.collision import CollisionOptions
from pipeline.mesh.lods.lod import LodOptions
from pipeline.place import PlaceOptions, placement
from pipeline.read_glb import read_glb
from pipeline.stored_surface import surface_to_bytes
from pipeline.types import Material, Mesh, Silent, Surface
from tests.pipeline.mesh.shapes import cube, sphere, together


def surface_of(mesh: Mesh) -> Surface:
    up = np.tile(np.array([0, 1, 0], np.float32), (len(mesh.positions), 1))
    return Surface(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=up,
        face_materials=np.zeros(len(mesh.faces), np.int32),
        materials=(Material(),),
    )


def test_size_and_pivot_are_those_of_the_body() -> None:
    ball, speck = sphere(8), cube(0.02, center=(0, -5, 0))
    surface = surface_of(together(ball, speck))
    found = placement(ball, PlaceOptions(height_m=4.0), longest_side_m=None)
    placed = found.moved(surface)
    kept = placed.positions[: len(ball.positions)]
    assert kept.min(axis=0) == pytest.approx([-2, 0, -2], abs=1e-6)
    assert kept.max(axis=0) == pytest.approx([2, 4, 2], abs=1e-6)
    np.testing.assert_array_equal(found.moved(ball).positions, kept)


def test_a_generated_asset_stands_on_the_ground_without_its_specks() -> None:
    speck = cube(0.02, center=(0, -5, 0))
    request = BuildRequest(
        name="ball",
        surface=surface_to_bytes(surface_of(together(sphere(8), speck))),
        options=replace(
            AssetOptions(),
            lod=LodOptions(budgets=(1_000,)),
            unwrap=UnwrapOptions(texture_size=64),
            collision=CollisionOptions(mode="hull"),
        ),
        generated=True,
        has_size=False,
        recipe={},
    )
    model = build_asset(request, StageMeter(Silent(), time.monotonic)).artifacts[0]
    positions = read_glb(model.content, Silent()).positions
    assert positions[:, 1].min() == pytest.approx(0, abs=1e-6)
    assert np.ptp(positions, axis=0).max() == pytest.approx(1, abs=1e-6)
