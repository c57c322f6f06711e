"""Meshes -> latents: each is encoded once, and a bad one costs no other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.encode.encode import EncodedAsset
from pipeline.encode.unit_cube import UnitCube
from pipeline.errors import Cancelled
from pipeline.model.sparse import SparseTensor
from pipeline.training.datasets.asset import Asset, AssetFilter, Collected
from pipeline.training.prepare import Prepared, ViewOptions, prepare, set_digest
from pipeline.types import Progress, Silent, Surface

NO_VIEWS = ViewOptions(count=0, size_px=16)
TRIANGLE = "v 0 0 0\nv {width} 0 0\nv 0 1 0\nf 1 2 3\n"


class Encoder:
    """Stands in for a model: its latents tell the width of the triangle."""

    def __init__(self) -> None:
        self.widths: list[float] = []

    def __call__(self, surface: Surface, progress: Progress) -> EncodedAsset:
        width = float(np.ptp(surface.positions[:, 0]))
        self.widths.append(width)
        coords = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 4]])
        return EncodedAsset(
            coords=coords,
            cube=UnitCube(center=(0, 0, 0), side_m=1),
            structure_latent=torch.full((1, 4, 2, 2, 2), width),
            slat=SparseTensor(coords=coords, feats=torch.full((2, 3), width), batch_size=1),
        )


def source(folder: Path, widths: Sequence[float]) -> Collected:
    found = Collected(wanted=AssetFilter(captioned=False))
    for i, width in enumerate(widths):
        path = folder / str(i) / "mesh.obj"
        path.parent.mkdir(exist_ok=True)
        path.write_text(TRIANGLE.format(width=width))
        found.add(Asset(key=f"asset{i}", path=path, captions=(f"caption {i}",)))
    return found


def prepared(
    assets: Collected,
    encoder: Encoder,
    cache: Path,
    *,
    model: str = "m",
    views: ViewOptions = NO_VIEWS,
) -> Prepared:
    return prepare(assets, encoder, model, views, cache, Silent(), lambda line: None)


def test_latents_come_in_order_with_key_and_captions(tmp_path: Path) -> None:
    found = prepared(source(tmp_path, [1, 2]), Encoder(), tmp_path / "cache")
    assert [a.key for a in found.assets] == ["asset0", "asset1"]
    first, second = found.assets
    assert second.captions == ("caption 1",)
    assert torch.equal(second.structure, torch.full((4, 2, 2, 2), 2.0))
    assert torch.equal(second.slat, torch.full((2, 3), 2.0))
    assert second.coords.tolist() == [[1, 2, 3], [1, 2, 4]]
    assert first.views.shape == (0, 16, 16, 3)
    assert found.refused == ()


def test_each_is_encoded_once_and_read_back_the_same(tmp_path: Path) -> None:
    encoder, cache = Encoder(), tmp_path / "cache"
    views = ViewOptions(count=2, size_px=16)
    first = prepared(source(tmp_path, [1, 2]), encoder, cache, views=views)
    second = prepared(source(tmp_path, [1, 2]), encoder, cache, views=views)
    assert encoder.widths == [1, 2]
    for one, other in zip(first.assets, second.assets, strict=True):
        assert one.key == other.key
        assert torch.equal(one.coords, other.coords)
        assert torch.equal(one.slat, other.slat)
        assert torch.equal(one.structure, other.structure)
        np.testing.assert_array_equal(one.views, other.views)
    assert set_digest(first.assets) == set_digest(second.assets)


def test_a_mesh_that_changed_is_encoded_again(tmp_path: Path) -> None:
    encoder, cache = Encoder(), tmp_path / "cache"
    prepared(source(tmp_path, [1, 2]), encoder, cache)
    found = prepared(source(tmp_path, [1, 3]), encoder, cache)
    assert encoder.widths == [1, 2, 3]
    assert float(found.assets[1].slat[0, 0]) == 3


@pytest.mark.parametrize(
    "changes", [{"model": "other"}, {"views": ViewOptions(count=1, size_px=16)}]
)
def test_another_model_or_other_pictures_need_other_latents(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    encoder, cache = Encoder(), tmp_path / "cache"
    prepared(source(tmp_path, [1]), encoder, cache)
    prepared(source(tmp_path, [1]), encoder, cache, **changes)
    assert encoder.widths == [1, 1]


def test_a_texture_that_changed_counts_as_a_change(tmp_path: Path) -> None:
    encoder, cache = Encoder(), tmp_path / "cache"
    assets = source(tmp_path, [1])
    (tmp_path / "0" / "mesh.mtl").write_text("newmtl a\nKd 1 0 0\n")
    prepared(assets, encoder, cache)
    (tmp_path / "0" / "mesh.mtl").write_text("newmtl a\nKd 0 1 0\n")
    prepared(assets, encoder, cache)
    assert len(encoder.widths) == 2


def test_meshes_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    found = Collected(wanted=AssetFilter(captioned=False))
    for width in (1, 2):
        path = tmp_path / f"{width}.obj"
        path.write_text(TRIANGLE.format(width=width))
        found.add(Asset(key=path.name, path=path))
    encoder = Encoder()
    first, second = prepared(found, encoder, tmp_path / "cache").assets
    assert encoder.widths == [1, 2]
    assert float(first.slat[0, 0]) == 1
    assert float(second.slat[0, 0]) == 2


def test_a_bad_mesh_is_named_and_costs_no_other(tmp_path: Path) -> None:
    assets = source(tmp_path, [1, 2, 3])
    (tmp_path / "1" / "mesh.obj").write_text("v 0 0 0\nf 1 2 3\n")
    assets.assets[2] = replace(assets.assets[2], path=tmp_path / "2" / "model.glb")
    (tmp_path / "2" / "model.glb").write_bytes(b"not a glb")
    lines: list[str] = []
    found = prepare(assets, Encoder(), "m", NO_VIEWS, tmp_path / "c", Silent(), lines.append)
    assert [a.key for a in found.assets] == ["asset0"]
    assert [key for key, _ in found.refused] == ["asset1", "asset2"]
    assert "entry 2 of 1" in found.refused[0][1]
    assert [line.partition(":")[0] for line in lines] == [
        "encoding 1 of 3", "encoding 2 of 3", "left out", "encoding 3 of 3", "left out",
    ]  # fmt: skip


def test_what_is_finished_stays_when_it_is_stopped(tmp_path: Path) -> None:
    encoder, cache = Encoder(), tmp_path / "cache"

    def stopping(surface: Surface, progress: Progress) -> EncodedAsset:
        if len(encoder.widths) == 1:
            raise Cancelled("stopped")
        return encoder(surface, progress)

    with pytest.raises(Cancelled):
        prepare(source(tmp_path, [1, 2]), stopping, "m", NO_VIEWS, cache, Silent(), lambda _: None)
    prepared(source(tmp_path, [1, 2]), encoder, cache)
    assert encoder.widths == [1, 2]


def test_a_damaged_cache_file_is_made_again(tmp_path: Path) -> None:
    encoder, cache = Encoder(), tmp_path / "cache"
    prepared(source(tmp_path, [1]), encoder, cache)
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    prepared(source(tmp_path, [1]), encoder, cache)
    assert encoder.widths == [1, 1]
    prepared(source(tmp_path, [1]), encoder, cache)
    assert encoder.widths == [1, 1]


def test_other_captions_are_another_set(tmp_path: Path) -> None:
    (asset,) = prepared(source(tmp_path, [1]), Encoder(), tmp_path / "cache").assets
    assert set_digest([asset]) != set_digest([replace(asset, captions=("else",))])
