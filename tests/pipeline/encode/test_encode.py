"""The starter's encoders on real shapes, and small random ones that read pictures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.encode.encode import EncodedAsset, coarse_shape, encode_surface
from pipeline.encode.view_features import ViewOptions
from pipeline.encode.voxelize import voxelize
from pipeline.errors import InvalidInput, ModelUnavailable
from pipeline.model import weights
from pipeline.model.slat import SLatEncoder, SLatFlowModel
from pipeline.model.sparse_structure import SparseStructureDecoder, SparseStructureEncoder
from pipeline.types import Material, Surface
from tests.pipeline.encode.shapes import painted, plane, post, sphere, surface_of
from tests.pipeline.samples import Listener

if TYPE_CHECKING:
    from pipeline.model.models import Models

CHECKPOINTS = Path(weights.__file__).parent.parent / "starter" / "ckpts"
SIDE = 16  # voxels per side of the small encoders


class PatchColors(nn.Module):
    """Stands in for DINOv2: the features of a patch are its mean color."""

    image_size = 60

    def patch_features(self, pictures: Tensor, on_block: Callable[[float], None]) -> Tensor:
        on_block(1.0)
        return F.avg_pool2d(pictures, 6)


@dataclass
class Resident:
    """Networks that are on the device all the time; keeps which were asked for."""

    asked: list[nn.Module] = field(default_factory=list)

    @contextmanager
    def on_device(self, network: nn.Module) -> Iterator[None]:
        self.asked.append(network)
        yield


@dataclass(frozen=True, kw_only=True)
class Encoders:
    """What encoding reads of `Models`."""

    structure_encoder: SparseStructureEncoder | None
    slat_encoder: SLatEncoder | None
    slat_flow: SLatFlowModel
    slat_features: Literal["field", "dinov2"]
    dinov2: PatchColors | None = None
    name: str = "under test"
    device: str = "cpu"
    residency: Resident = field(default_factory=Resident)

    def models(self) -> "Models":
        """A whole model takes seconds to load, and encoding reads nothing else of it."""
        return cast("Models", self)


@pytest.fixture(scope="module")
def starter() -> Encoders:
    return Encoders(
        structure_encoder=weights.load(SparseStructureEncoder, CHECKPOINTS / "ss_enc", "cpu"),
        slat_encoder=weights.load(SLatEncoder, CHECKPOINTS / "slat_enc", "cpu"),
        slat_flow=weights.load(SLatFlowModel, CHECKPOINTS / "slat_flow", "cpu"),
        slat_features="field",
    )


@pytest.fixture(scope="module")
def looking() -> Encoders:
    """Untrained encoders that read pictures, as those of the published models do."""
    torch.manual_seed(0)
    structure = {"in_channels": 1, "latent_channels": 4, "num_res_blocks": 1,
                 "num_res_blocks_middle": 1, "channels": [8, 8]}  # fmt: skip
    slat = {"resolution": SIDE, "in_channels": 3, "model_channels": 16, "latent_channels": 5,
            "num_blocks": 2, "num_heads": 2, "window_size": 4}  # fmt: skip
    flow = {"resolution": SIDE, "in_channels": 5, "out_channels": 5, "model_channels": 16,
            "cond_channels": 8, "num_blocks": 1, "num_heads": 2, "patch_size": 2,
            "num_io_res_blocks": 1, "io_block_channels": [8]}  # fmt: skip
    slat_encoder = weights.build(SLatEncoder, slat)
    nn.init.normal_(slat_encoder.out_layer.weight)  # it starts at zero
    return Encoders(
        structure_encoder=weights.build(SparseStructureEncoder, structure),
        slat_encoder=slat_encoder,
        slat_flow=weights.build(SLatFlowModel, flow),
        slat_features="dinov2",
        dinov2=PatchColors(),
    )


def encode(encoders: Encoders, surface: Surface) -> EncodedAsset:
    return encode_surface(encoders.models(), surface, Listener(), ViewOptions(count=3))


@pytest.fixture(scope="module")
def encoded_post(starter: Encoders) -> EncodedAsset:
    return encode(starter, post())


class TestStarter:
    def test_latents_have_the_shapes_that_the_flows_make(self, encoded_post: EncodedAsset) -> None:
        asset = encoded_post
        count = len(asset.coords)
        assert asset.coords.dtype == torch.int64
        assert asset.coords.tolist() == sorted(asset.coords.tolist())
        assert not asset.coords[:, 0].any()
        assert asset.structure_latent.shape == (1, 8, 8, 8, 8)
        assert asset.slat.coords.equal(asset.coords)
        assert asset.slat.feats.shape == (count, 8)

    def test_the_structure_latent_gives_the_voxels_back(self, encoded_post: EncodedAsset) -> None:
        decoder = weights.load(SparseStructureDecoder, CHECKPOINTS / "ss_dec", "cpu")
        decoded = torch.argwhere(decoder(encoded_post.structure_latent)[0, 0] > 0)
        a = set(map(tuple, decoded.tolist()))
        b = set(map(tuple, encoded_post.coords[:, 1:].tolist()))
        assert len(a & b) / len(a | b) > 0.85

    def test_size_and_place_do_not_change_the_latents(
        self, starter: Encoders, encoded_post: EncodedAsset
    ) -> None:
        given = post()
        moved = replace(given, positions=4 * given.positions + np.array([16, -8, 32], np.float32))
        asset = encode(starter, moved)
        assert asset.coords.equal(encoded_post.coords)
        assert asset.slat.feats.numpy() == pytest.approx(encoded_post.slat.feats, abs=1e-3)
        corner = np.array([[0.1, 0.2, 0.3]], np.float32)
        here, there = encoded_post.cube.to_space(corner), asset.cube.to_space(corner)
        assert there == pytest.approx(4 * here + np.array([16, -8, 32], np.float32))

    def test_the_same_surface_gives_the_same_latents(
        self, starter: Encoders, encoded_post: EncodedAsset
    ) -> None:
        again = encode(starter, post())
        assert again.slat.feats.equal(encoded_post.slat.feats)
        assert again.structure_latent.equal(encoded_post.structure_latent)

    def test_the_coarse_shape_is_that_of_the_encoded_asset(
        self, starter: Encoders, encoded_post: EncodedAsset
    ) -> None:
        shape = coarse_shape(starter.models(), post(), Listener())
        assert shape.coords.equal(encoded_post.coords)
        assert shape.cube == encoded_post.cube

    def test_an_open_surface_is_encoded_with_a_warning(self, starter: Encoders) -> None:
        listener = Listener()
        shape = coarse_shape(starter.models(), plane(3.0), listener)
        assert len(shape.coords) > 900
        (warning,) = listener.warnings
        assert "thick" in warning

    def test_a_surface_without_extent_is_refused(self, starter: Encoders) -> None:
        point = surface_of([(1, 2, 3)] * 3, [(0, 1, 2)])
        with pytest.raises(InvalidInput, match="point"):
            coarse_shape(starter.models(), point, Listener())

    def test_see_through_materials_are_said_to_be_solid(self, starter: Encoders) -> None:
        listener = Listener()
        glass = replace(sphere(1.0), materials=(Material(alpha_mode="BLEND"),))
        coarse_shape(starter.models(), glass, listener)
        assert ["solid" in message for message in listener.warnings] == [True]


class TestPictures:
    def test_the_voxels_are_those_that_triangles_pass(self, looking: Encoders) -> None:
        surface = post()
        asset = encode(looking, surface)
        expected = voxelize(asset.cube.mesh(surface), SIDE, lambda: None)
        assert asset.coords[:, 1:].tolist() == expected.tolist()
        assert asset.coords[:, 3].min() == 0  # it fills the cube, unlike the starter's
        assert asset.coords[:, 3].max() == SIDE - 1
        assert asset.slat.feats.shape == (len(expected), 5)
        assert asset.structure_latent.shape == (1, 4, 8, 8, 8)

    def test_colors_change_the_slat_but_not_the_structure(self, looking: Encoders) -> None:
        surface = post()
        other = painted(surface, np.full((48, 3), 0.2))
        one, two = encode(looking, surface), encode(looking, other)
        assert one.structure_latent.equal(two.structure_latent)
        assert (one.slat.feats - two.slat.feats).abs().max() > 1e-3

    def test_each_network_is_asked_onto_the_device(self, looking: Encoders) -> None:
        watched = replace(looking, residency=Resident())
        encode(watched, post())
        assert watched.residency.asked == [
            watched.structure_encoder,
            watched.dinov2,
            watched.slat_encoder,
        ]

    def test_progress_never_goes_back_and_ends_at_one(self, looking: Encoders) -> None:
        listener = Listener()
        encode_surface(looking.models(), post(), listener, ViewOptions(count=3))
        assert listener.fractions == sorted(listener.fractions)
        assert (listener.fractions[0], listener.fractions[-1]) == (0.0, 1.0)

    def test_a_model_without_an_encoder_is_refused_by_name(self, looking: Encoders) -> None:
        for incomplete in (
            replace(looking, structure_encoder=None),
            replace(looking, slat_encoder=None),
            replace(looking, dinov2=None),
        ):
            with pytest.raises(ModelUnavailable, match="under test"):
                encode(incomplete, post())
