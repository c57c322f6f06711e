"""A studio's folder."""

import json
from pathlib import Path

import pytest

from pipeline.errors import InvalidInput
from pipeline.training.datasets.folder import read_folder
from tests.pipeline.training.datasets.conftest import Touch


def test_captions_from_all_three_places_add_up(tmp_path: Path, touch: Touch) -> None:
    for name in ("b.glb", "a/c.GLB", "a/d.obj"):
        touch(name)
    (tmp_path / "captions.csv").write_text("file,caption\nb.glb,a bench\nb.glb,a seat\n")
    (tmp_path / "captions.json").write_text(
        json.dumps({"a/c.GLB": "a cup", "b.glb": ["a bench", "a wooden bench"]})
    )
    (tmp_path / "a" / "d.txt").write_text("a door\n\na gate\n")
    found = read_folder(tmp_path)
    assert [(a.key, a.captions) for a in found] == [
        ("a/c.GLB", ("a cup",)),
        ("a/d.obj", ("a door", "a gate")),
        ("b.glb", ("a bench", "a seat", "a wooden bench")),
    ]
    assert len(found) == 3
    assert found.skipped == {}
    assert all(asset.path.is_file() for asset in found)


def test_what_is_left_out_has_a_reason(tmp_path: Path, touch: Touch) -> None:
    for name in ("a.glb", "b.glb", "c.blend", "d.fbx", "e.gltf", "f.png", ".cache/g.glb"):
        touch(name)
    (tmp_path / "captions.csv").write_text("file,caption\na.glb,one\nz.glb,gone\n")
    found = read_folder(tmp_path)
    assert [asset.key for asset in found] == ["a.glb"]
    assert found.skipped == {
        "no caption": 1,
        "a caption names a file that is not there": 1,
        "a Blender file: export it as GLB": 1,
        "an FBX file: export it as GLB": 1,
        "a .gltf: pack it into a GLB": 1,
    }


@pytest.mark.parametrize("content", ["name,text\n", "file\nx\n"])
def test_a_captions_table_with_other_columns_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "captions.csv").write_text(content)
    with pytest.raises(InvalidInput, match=r"captions.csv has no column"):
        read_folder(tmp_path)


def test_a_captions_object_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "captions.json").write_text('["a", "b"]')
    with pytest.raises(InvalidInput, match=r"captions.json must hold an object"):
        read_folder(tmp_path)
