"""Pictures that are asked for come with the asset."""

import numpy as np
import pytest

from pipeline import AssetOptions, BuildRequest, StageMeter, build_asset
from pipeline.errors import InvalidInput
from pipeline.mesh.charts.unwrap import UnwrapOptions
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.pictures.options import PictureOptions
from pipeline.stored_surface import surface_to_bytes
from pipeline.types import Artifact, Material, Silent, Surface
from tests.pipeline.mesh.shapes import sphere


def made(budgets: tuple[int, ...], *more: str) -> dict[str, Artifact]:
    ball = sphere(16)
    surface = Surface(
        positions=ball.positions,
        faces=ball.faces,
        normals=ball.positions / np.linalg.norm(ball.positions, axis=1, keepdims=True),
        face_materials=np.zeros(len(ball.faces), np.int32),
        materials=(Material(),),
    )
    request = BuildRequest(
        name="ball",
        surface=surface_to_bytes(surface),
        options=AssetOptions(
            lod=LodOptions(budgets=budgets),
            unwrap=UnwrapOptions(texture_size=128),
            pictures=PictureOptions(more=more),  # type: ignore[arg-type]  # wrong ones, too
        ),
        generated=False,
        has_size=True,
        recipe={},
    )
    artifacts = build_asset(request, StageMeter(Silent(), lambda: 0.0)).artifacts
    return {artifact.file_name: artifact for artifact in artifacts}


def test_each_is_a_file_of_its_own_and_in_the_report() -> None:
    files = made((500, 100), "turntable", "switches", "charts", "errors")
    pictures = {name for name, file in files.items() if file.role == "picture"}
    assert pictures == {
        "Ball.turntable.webp", "Ball.switches.png", "Ball.charts.png", "Ball.errors.png",
    }  # fmt: skip
    report = files["Ball.report.json"].content.decode()
    assert all(name in report for name in pictures)


def test_with_one_lod_there_is_nothing_to_compare() -> None:
    files = made((5_000,), "switches", "charts")
    assert {name for name, file in files.items() if file.role == "picture"} == {"Ball.charts.png"}
    assert "there is one LOD only" in files["Ball.report.json"].content.decode()


def test_unknown_pictures_are_refused() -> None:
    with pytest.raises(InvalidInput, match="got 'hologram'"):
        made((100,), "hologram")
