"""Where the colors of a generated mesh come from; what `test_run` does not tell."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline import AssetOptions, BuildRequest, GenerateRequest, StageMeter, build_asset
from pipeline import generate as run_generate
from pipeline.decode import decode
from pipeline.encode.unit_cube import UnitCube
from pipeline.errors import Cancelled, InvalidInput
from pipeline.mesh.charts.unwrap import UnwrapOptions
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.model.formats import ColorSource, DecodeOptions, Format
from pipeline.model.gaussian_views import VIEW_COUNT
from pipeline.model.gaussians import SLatGaussianDecoder
from pipeline.model.models import Models
from pipeline.model.sparse import SparseTensor
from pipeline.model.weights import build
from pipeline.read_glb import read_glb
from pipeline.stored_surface import surface_from_bytes, surface_to_bytes
from pipeline.types import Artifact, Progress, Silent, Stage, Surface
from tests.pipeline.model.tiny_model import (
    GAUSSIAN_DECODER,
    load_tiny,
    only,
    write_tiny_model,
)

GREEN = np.array([30, 170, 60, 255], np.uint8)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return load_tiny(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


def slat() -> SparseTensor:
    """The eight voxels in the middle."""
    corners = [(0, x, y, z) for x in (1, 2) for y in (1, 2) for z in (1, 2)]
    feats = torch.linspace(-1, 1, 24).reshape(8, 3)
    return SparseTensor(coords=torch.tensor(corners), feats=feats, batch_size=1)


def decoded(
    models: Models,
    color_from: ColorSource,
    formats: tuple[Format, ...] = ("mesh",),
    cube: UnitCube | None = None,
    progress: Progress | None = None,
) -> tuple[Surface, tuple[Artifact, ...]]:
    options = DecodeOptions(formats=formats, color_from=color_from)
    stored, artifacts = decode(models, slat(), options, "Block", cube, progress or Silent())
    assert stored is not None
    return surface_from_bytes(stored), artifacts


@pytest.fixture(scope="module")
def from_gaussians(models: Models) -> Surface:
    return decoded(models, "gaussians")[0]


def test_views_are_added_to_a_surface_that_is_otherwise_the_same(
    models: Models, from_gaussians: Surface
) -> None:
    plain, _ = decoded(models, "surface")
    assert plain.views == ()
    assert len(from_gaussians.views) == VIEW_COUNT
    assert surface_to_bytes(replace(from_gaussians, views=())) == surface_to_bytes(plain)


class StopLate(Silent):
    """Stops in the second half of the stage, where views are drawn."""

    def __call__(self, stage: Stage, fraction: float) -> None:
        if 0.5 < fraction < 1:
            raise Cancelled("stopped by the test")


def test_auto_takes_gaussians_only_where_they_are_more_than_the_vertices(models: Models) -> None:
    few, _ = decoded(models, "auto", progress=StopLate())
    assert few.views == ()
    representation = GAUSSIAN_DECODER["representation_config"]
    assert isinstance(representation, dict)

    def with_gaussians(per_voxel: int) -> Models:
        config = {**representation, "num_gaussians": per_voxel}
        args = {**GAUSSIAN_DECODER, "representation_config": config}
        return replace(models, gaussian_decoder=build(SLatGaussianDecoder, args).eval())

    not_more = len(few.positions) // 8  # for each of the eight voxels
    assert decoded(with_gaussians(not_more), "auto", progress=StopLate())[0].views == ()
    with pytest.raises(Cancelled):
        decoded(with_gaussians(not_more + 1), "auto", progress=StopLate())


def test_gaussians_are_decoded_once_for_the_views_and_the_file(
    models: Models, from_gaussians: Surface
) -> None:
    assert models.gaussian_decoder is not None
    calls: list[int] = []
    hook = models.gaussian_decoder.register_forward_hook(lambda *_: calls.append(1))
    try:
        both, files = decoded(models, "gaussians", formats=("gaussian", "mesh"))
    finally:
        hook.remove()
    assert len(calls) == 1
    assert surface_to_bytes(both) == surface_to_bytes(from_gaussians)
    assert [file.role for file in files] == ["gaussian", "gaussian_preview"]


def test_views_lie_where_the_surface_lies(models: Models, from_gaussians: Surface) -> None:
    """A vertex shows at the same place of a picture, wherever the cube is."""
    cube = UnitCube(center=(1.0, -20.0, 3.0), side_m=7.0)
    there, _ = decoded(models, "gaussians", cube=cube)
    assert np.ptp(there.positions, axis=0).max() == pytest.approx(
        7 * np.ptp(from_gaussians.positions, axis=0).max(), rel=1e-4
    )
    for number in range(0, VIEW_COUNT, 5):
        places = []
        for surface in (from_gaussians, there):
            ones = np.ones((len(surface.positions), 1))
            at = np.hstack([surface.positions, ones]) @ surface.views[number].projection.T
            places.append(at[:, :2] / at[:, 2:])
        np.testing.assert_allclose(places[0], places[1], atol=0.01)


def test_a_model_without_gaussians_colors_from_its_surface_unless_told_otherwise(
    models: Models,
) -> None:
    facts = replace(models.facts, formats=("mesh",))
    poor = replace(models, gaussian_decoder=None, facts=facts)
    assert decoded(poor, "auto")[0].views == ()
    options = AssetOptions(decode=DecodeOptions(color_from="gaussians"))
    request = GenerateRequest(prompt="a barrel", options=options)
    with pytest.raises(InvalidInput, match="no model here makes mesh, gaussian from one prompt"):
        run_generate(request, only(poor), StageMeter(Silent(), time.monotonic))


def test_drawing_views_can_be_stopped(models: Models) -> None:
    with pytest.raises(Cancelled):
        decoded(models, "gaussians", progress=StopLate())


def test_the_asset_has_the_color_of_the_gaussians(from_gaussians: Surface) -> None:
    """Green pictures make a green texture."""
    green = tuple(
        replace(view, pixels=np.broadcast_to(GREEN, view.pixels.shape))
        for view in from_gaussians.views
    )
    options = AssetOptions(lod=LodOptions(budgets=(200,)), unwrap=UnwrapOptions(texture_size=64))
    textures = []
    for views in ((), green):
        request = BuildRequest(
            name="Block",
            surface=surface_to_bytes(replace(from_gaussians, views=views)),
            options=options,
            generated=True,
            has_size=False,
            recipe={},
        )
        glb = build_asset(request, StageMeter(Silent(), time.monotonic)).artifacts[0].content
        material = read_glb(glb, Silent()).materials[0]
        assert material.base_color is not None
        textures.append(material.base_color.pixels[:, :, :3].astype(int))
    plain, painted = textures
    is_green = (np.abs(painted - GREEN[:3]) <= 2).all(axis=2)
    assert is_green.mean() > 0.8
    assert not (np.abs(plain - GREEN[:3]) <= 2).all(axis=2).any()
