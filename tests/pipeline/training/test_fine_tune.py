"""From a folder to an adapter file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.encode.encode import EncodedAsset
from pipeline.encode.unit_cube import UnitCube
from pipeline.errors import DiskFull, InvalidInput
from pipeline.model.lora import LoraParams, load_adapter
from pipeline.model.sparse import SparseTensor
from pipeline.training import fine_tune as module
from pipeline.training import lora as lora_training
from pipeline.training.datasets.asset import AssetFilter
from pipeline.training.fine_tune import FineTuning, Spoken, fine_tune
from pipeline.training.lora import LoraOptions
from pipeline.types import Progress, Surface
from tests.pipeline.training.studio import Studio, make_models

SQUARE = "v 0 0 0\nv {width} 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Studio:
    """A tiny model in place of a loaded one, and an encoder that tells the width."""
    models = make_models()

    def encode(_models: Studio, surface: Surface, progress: Progress) -> EncodedAsset:
        coords = torch.argwhere(torch.ones(1, 2, 2, 2))
        width = float(np.ptp(surface.positions[:, 0]))
        return EncodedAsset(
            coords=coords,
            cube=UnitCube(center=(0, 0, 0), side_m=1),
            structure_latent=torch.full((1, 4, 2, 2, 2), width),
            slat=SparseTensor(coords=coords, feats=torch.ones(8, 3), batch_size=1),
        )

    monkeypatch.setattr(module, "_load", lambda asked: models)
    monkeypatch.setattr(module, "encode_surface", encode)
    monkeypatch.setattr(module, "VIEWS", 2)
    monkeypatch.setattr(lora_training, "_JUDGED_DRAWS", 2)
    return models


@pytest.fixture
def asked(tmp_path: Path) -> FineTuning:
    folder = tmp_path / "meshes"
    folder.mkdir()
    for i in range(2):
        (folder / f"{i}.obj").write_text(SQUARE.format(width=1 + i))
    (folder / "captions.csv").write_text("file,caption\n0.obj,a square\n1.obj,a wide one\n")
    return FineTuning(
        folder=folder,
        out=tmp_path / "out" / "mine.safetensors",
        model="tiny",
        home="",
        device="cpu",
        name="mine",
        options=LoraOptions(steps=2, batch=2, params=LoraParams(rank=2)),
    )


def told(asked: FineTuning) -> list[str]:
    lines: list[str] = []
    fine_tune(asked, Spoken(lines.append), lines.append)
    return lines


@pytest.mark.usefixtures("models")
def test_a_folder_becomes_an_adapter_file(asked: FineTuning) -> None:
    lines = told(asked)
    adapter = load_adapter(asked.out.read_bytes())
    assert (adapter.name, adapter.base_name, adapter.params.rank) == ("mine", "tiny", 2)
    assert lines[:3] == [
        "encoding 1 of 2: 0.obj",
        "encoding 2 of 2: 1.obj",
        "training on 2 assets; Ctrl-C stops, the same command goes on",
    ]
    assert any(line.startswith("structure: loss on these assets") for line in lines)
    assert any(line.startswith("slat: loss on these assets") for line in lines)
    assert {path.name for path in asked.work.iterdir()} >= {
        "encoded", "structure_flow.pt", "slat_flow.pt",
    }  # fmt: skip


@pytest.mark.usefixtures("models")
def test_the_same_again_does_nothing_new_and_gives_the_same_file(asked: FineTuning) -> None:
    told(asked)
    before = asked.out.read_bytes()
    asked.out.unlink()
    lines = told(asked)
    assert asked.out.read_bytes() == before
    assert not any(line.startswith("encoding") for line in lines)
    assert not any("step" in line for line in lines)


@pytest.mark.usefixtures("models")
def test_a_step_is_told_now_and_then(asked: FineTuning) -> None:
    longer = replace(asked, options=replace(asked.options, steps=20))
    steps = [line for line in told(longer) if ": step " in line]
    assert [line.split(",")[0] for line in steps] == [
        "structure: step 10 of 20", "structure: step 20 of 20",
        "slat: step 10 of 20", "slat: step 20 of 20",
    ]  # fmt: skip


@pytest.mark.usefixtures("models")
def test_what_is_left_out_is_told(asked: FineTuning) -> None:
    (asked.folder / "2.blend").write_bytes(b"x")
    (asked.folder / "3.obj").write_text("v 0 0 0\n")
    (asked.folder / "3.txt").write_text("broken\n")
    (asked.folder / "4.obj").write_text(SQUARE.format(width=1))
    lines = told(asked)
    assert "left out: 1 x a Blender file: export it as GLB" in lines
    assert "left out: 1 x no caption" in lines
    assert any(line.startswith("left out: ") and "it has no faces" in line for line in lines)
    assert "training on 2 assets; Ctrl-C stops, the same command goes on" in lines


@pytest.mark.usefixtures("models")
def test_warnings_of_a_mesh_are_passed_on(asked: FineTuning) -> None:
    (asked.folder / "0.obj").write_text("mtllib gone.mtl\n" + SQUARE.format(width=1))
    assert "warning: gone.mtl is missing: no colors" in told(asked)


def test_one_caption_may_stand_for_all_that_have_none(models: Studio, asked: FineTuning) -> None:
    (asked.folder / "captions.csv").write_text("file,caption\n0.obj,a square\n")
    seen: list[str] = []
    encoder = models.text_encoder
    assert encoder is not None

    class Listening(type(encoder)):
        def __call__(self, texts: list[str]) -> torch.Tensor:
            seen.extend(texts)
            return super().__call__(texts)

    models.text_encoder = Listening()
    told(replace(asked, caption="in our style"))
    assert sorted(set(seen)) == ["", "a square", "in our style"]


@pytest.mark.usefixtures("models")
def test_no_captions_are_refused_with_the_way_out(asked: FineTuning) -> None:
    (asked.folder / "captions.csv").unlink()
    with pytest.raises(InvalidInput, match=r"no asset in .* has a caption.*--caption"):
        told(asked)


def test_a_model_that_takes_pictures_only_needs_no_captions(
    models: Studio, asked: FineTuning
) -> None:
    models.text_encoder = None
    (asked.folder / "captions.csv").unlink()
    told(asked)
    assert asked.out.is_file()


@pytest.mark.usefixtures("models")
def test_a_folder_without_meshes_is_refused(asked: FineTuning) -> None:
    for path in asked.folder.iterdir():
        path.unlink()
    with pytest.raises(InvalidInput, match="there is no GLB in it"):
        told(asked)
    (asked.folder / "a.fbx").write_bytes(b"x")
    with pytest.raises(InvalidInput, match="1 x an FBX file: export it as GLB"):
        told(asked)


@pytest.mark.usefixtures("models")
def test_a_folder_of_broken_meshes_is_refused(asked: FineTuning) -> None:
    for path in asked.folder.glob("*.obj"):
        path.write_text("nothing")
    with pytest.raises(InvalidInput, match=r"none of 2 meshes can be used; 0.obj: .*no faces"):
        told(asked)


def test_a_missing_folder_is_said_before_a_model_is_loaded(
    asked: FineTuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_load", lambda asked: pytest.fail("loaded"))
    with pytest.raises(InvalidInput, match="is not a folder"):
        told(replace(asked, folder=asked.folder / "gone"))


@pytest.mark.usefixtures("models")
def test_filters_reach_the_folder(asked: FineTuning) -> None:
    with pytest.raises(InvalidInput, match="2 x no aesthetic score"):
        told(replace(asked, wanted=AssetFilter(min_aesthetic_score=5)))


@pytest.mark.usefixtures("models")
def test_a_place_that_cannot_be_written_is_named(
    asked: FineTuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.out.mkdir(parents=True)
    with pytest.raises(DiskFull, match=r"mine\.safetensors cannot be written"):
        told(asked)


def test_the_file_must_be_safetensors(asked: FineTuning) -> None:
    with pytest.raises(InvalidInput, match=r"must end in .safetensors, got mine.bin"):
        replace(asked, out=Path("mine.bin"))
