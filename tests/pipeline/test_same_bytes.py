"""The same bytes from a surface, run after run and at any number of threads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.stored_surface import surface_to_bytes
from pipeline.types import Material, Mesh, Surface
from tests.pipeline.mesh.shapes import cube, sphere, together

ROOT = Path(__file__).resolve().parents[2]

# In a process of its own, as libraries fix their number of threads when they are loaded.
BUILD = """
import hashlib, json, sys, time
from pipeline import AssetOptions, BuildRequest, StageMeter, build_asset
from pipeline.mesh.hulls.collision import CollisionOptions
from pipeline.mesh.lods.lod_options import LodOptions, LodTarget
from pipeline.mesh.repairing.repair import RepairOptions
from pipeline.mesh.charts.unwrap import UnwrapOptions
from pipeline.texture.bake import BakeOptions
from pipeline.types import Silent

targets = (LodTarget(triangles=4_000), LodTarget(deviation_m=0.01), LodTarget(triangles=200))
options = AssetOptions(
    repair=RepairOptions.for_generated(),
    lod=LodOptions(targets=targets),
    unwrap=UnwrapOptions(texture_size=128),
    bake=BakeOptions(ambient_occlusion=True),
    collision=CollisionOptions(mode="decompose"),
)
request = BuildRequest(
    name="thing", surface=open(sys.argv[1], "rb").read(), options=options,
    generated=True, has_size=False, recipe={},
)
artifacts = build_asset(request, StageMeter(Silent(), time.monotonic)).artifacts
print(json.dumps({a.role: hashlib.sha256(a.content).hexdigest() for a in artifacts}))
"""


def lumpy_surface() -> Surface:
    """A bumpy ball with a hidden ball in it, a hole, dust, and colors."""
    outer = sphere(56, bump_m=0.08)
    outer = Mesh(positions=outer.positions, faces=np.delete(outer.faces, range(3000, 3006), axis=0))
    inner = sphere(12)
    inner = Mesh(positions=inner.positions * np.float32(0.4), faces=inner.faces)
    mesh = together(outer, inner, cube(0.01, center=(1.5, 0, 0)))
    normals = mesh.positions / np.linalg.norm(mesh.positions, axis=1, keepdims=True)
    colors = np.ones((len(mesh.positions), 4), np.float32)
    colors[:, :3] = 0.5 + 0.5 * normals
    return Surface(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=normals.astype(np.float32),
        colors=colors,
        face_materials=np.zeros(len(mesh.faces), np.int32),
        materials=(Material(),),
    )


def built(surface: Path, threads: int) -> dict[str, str]:
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "IGL")
    limits = {f"{name}_NUM_THREADS": str(threads) for name in names}
    run = subprocess.run(
        [sys.executable, "-c", BUILD, str(surface)],
        env={**os.environ, **limits}, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    digests: dict[str, str] = json.loads(run.stdout)
    return digests


@pytest.fixture(scope="module")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("same") / "surface"
    path.write_bytes(surface_to_bytes(lumpy_surface()))
    return path


@pytest.fixture(scope="module")
def first(surface: Path) -> dict[str, str]:
    return built(surface, 1)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_an_asset_has_the_same_bytes_at_any_number_of_threads(
    surface: Path, first: dict[str, str], threads: int
) -> None:
    again = built(surface, threads)
    assert again["model"] == first["model"]
    assert again["preview"] == first["preview"]  # the report has times in it
