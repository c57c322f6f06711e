"""Miniatures of the data sets as they lie on disk, one of each layout."""

import gzip
import json
from pathlib import Path

import pytest

from pipeline.errors import InvalidInput
from pipeline.training.datasets.asset import Asset, AssetFilter, Collected
from pipeline.training.datasets.layout import read_dataset
from tests.pipeline.training.datasets.conftest import Touch

CSV_HEADER = "sha256,file_identifier,aesthetic_score,captions,rendered,local_path"


def zipped(path: Path, content: object) -> None:
    """Write JSON, or a list of lines, or text, compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(gzip.compress(text.encode()))


def only(found: Collected) -> Asset:
    assert len(found) == 1, (found.assets, found.skipped)
    return found.assets[0]


# --- TRELLIS-500K --------------------------------------------------------------------------


def csv_row(*values: str) -> str:
    return ",".join('"' + value.replace('"', '""') + '"' for value in values)


@pytest.fixture
def trellis500k(tmp_path: Path, touch: Touch) -> Path:
    kept = touch("raw/hf-objaverse-v1/glbs/000-012/u1.glb")
    touch("raw/3D-FUTURE-model/m1/raw_model.obj")
    touch("raw/u2.glb")
    captions = json.dumps(["A red chair.", "Chair"])
    rows = [
        csv_row("a" * 64, "https://sketchfab.com/u1", "6.1", captions, "False",
                str(kept.relative_to(tmp_path))),
        csv_row("b" * 64, "3D-FUTURE-model/m1", "4.6", captions, "False", ""),  # merged later
        csv_row("c" * 64, "x", "6.0", captions, "False", ""),
        csv_row("d" * 64, "x", "6.0", captions, "False", "../../secret.glb"),
        csv_row("e" * 64, "x", "6.0", captions, "False", "raw/github/repos/o/r.zip/a.glb"),
        csv_row("f" * 64, "x", "6.0", "not json", "False", "raw/u2.glb"),
        csv_row("0" * 64, "x", "6.0", "", "False", "raw/u2.glb"),
        csv_row("1" * 64, "x", "", captions, "False", "raw/u2.glb"),
        csv_row("2" * 64, "x", "6.0", captions, "False", "raw/gone.glb"),
        csv_row("", "x", "6.0", captions, "False", "raw/u2.glb"),
        csv_row("3" * 64, "x", "6.0", captions, "False", "raw/toy.blend"),
    ]  # fmt: skip
    (tmp_path / "metadata.csv").write_text("\n".join([CSV_HEADER, *rows]))
    (tmp_path / "downloaded_0.csv").write_text(
        f"sha256,local_path\n{'b' * 64},raw/3D-FUTURE-model/m1/raw_model.obj\n"
    )
    return tmp_path


def test_trellis500k(trellis500k: Path) -> None:
    found = read_dataset(trellis500k, AssetFilter(min_aesthetic_score=4.5))
    assert [a.key for a in found] == ["a" * 64, "b" * 64]
    first, second = found
    assert first.captions == ("A red chair.", "Chair")
    assert first.aesthetic_score == 6.1
    assert first.source == "https://sketchfab.com/u1"
    assert first.license is None
    assert second.path.name == "raw_model.obj"
    assert found.skipped == {
        "not downloaded": 1,
        "local_path leaves the folder": 1,
        "inside a zip archive: unpack it": 1,
        "captions are not a JSON list": 1,
        "no caption": 1,
        "no aesthetic score": 1,
        "the file is missing": 1,
        "no sha256": 1,
        "a Blender file: export it as GLB": 1,
    }


def test_trellis500k_filters_by_score(trellis500k: Path) -> None:
    found = read_dataset(trellis500k, AssetFilter(min_aesthetic_score=5.5))
    assert only(found).key == "a" * 64
    assert found.skipped["aesthetic score below 5.5"] == 1


def test_a_metadata_table_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("id,name\n1,x\n")
    with pytest.raises(InvalidInput, match="no column sha256, file_identifier, captions"):
        read_dataset(tmp_path)


# --- Objaverse 1.0 -------------------------------------------------------------------------


def test_objaverse(tmp_path: Path, touch: Touch) -> None:
    paths = {
        f"uid{i}": f"glbs/000-{i:03d}/uid{i}.glb" for i in range(5)
    } | {"evil": "../../x.glb", "odd": 7}  # fmt: skip
    zipped(tmp_path / "object-paths.json.gz", paths)
    for i in (0, 2, 3, 4):
        touch(paths[f"uid{i}"])
    record = {
        "uid": "uid0",
        "name": "Old Chair",
        "description": "Oak.",
        "license": "by",
        "viewerUrl": "https://sketchfab.com/3d-models/uid0",
        "tags": [{"name": "chair"}],
    }
    zipped(tmp_path / "metadata" / "000-000.json.gz", {"uid0": record})
    zipped(tmp_path / "metadata" / "000-002.json.gz", {"uid2": {**record, "license": "by-nc"}})
    zipped(tmp_path / "metadata" / "000-003.json.gz", {"uid3": {**record, "isAgeRestricted": True}})
    found = read_dataset(tmp_path, AssetFilter(licenses=frozenset({"by", "cc0"})))
    asset = only(found)
    assert (asset.key, asset.license) == ("uid0", "by")
    assert asset.captions == ("Old Chair", "Oak.")
    assert asset.source == "https://sketchfab.com/3d-models/uid0"
    assert found.skipped == {
        "not downloaded": 1,
        "its path leaves the folder": 2,
        "license by-nc is not among the allowed ones": 1,
        "age-restricted": 1,
        "no metadata": 1,
    }


def test_a_list_of_paths_is_no_objaverse(tmp_path: Path) -> None:
    zipped(tmp_path / "object-paths.json.gz", ["glbs/000-000/a.glb"])
    with pytest.raises(InvalidInput, match="must hold an object"):
        read_dataset(tmp_path)


# --- ABO -----------------------------------------------------------------------------------


def test_abo(tmp_path: Path, touch: Touch) -> None:
    table = "3dmodel_id,path,meshes\nB1,1/B1.glb,3\nB2,2/B2.glb,1\nB3,3/B3.glb,1\nB4,../x.glb,1\n"
    zipped(tmp_path / "3dmodels" / "metadata" / "3dmodels.csv.gz", table)
    touch("3dmodels/original/1/B1.glb")
    touch("3dmodels/original/2/B2.glb")
    (tmp_path / "LICENSE-CC-BY-4.0.txt").write_text("...")
    listings = [
        {"item_id": "B1", "3dmodel_id": "B1", "item_name": [
            {"language_tag": "de_DE", "value": "Stuhl"},
            {"language_tag": "en_US", "value": "Chair"},
            {"language_tag": "en_GB", "value": "Dining chair"}]},
        {"item_id": "B9", "3dmodel_id": "B2", "product_type": [{"value": "TABLE_LAMP"}],
         "color": [{"language_tag": "en_US", "value": "brass"}]},
        {"item_id": "B7", "item_name": [{"language_tag": "en_US", "value": "no model"}]},
    ]  # fmt: skip
    lines = "\n".join([json.dumps(listing) for listing in listings] + ["{broken", "3"])
    zipped(tmp_path / "listings" / "metadata" / "listings_a.json.gz", lines)
    found = read_dataset(tmp_path)
    assert [(a.key, a.captions, a.license) for a in found] == [
        ("B1", ("Chair", "Dining chair"), "CC-BY-4.0"),
        ("B2", ("brass table lamp",), "CC-BY-4.0"),
    ]
    assert found.skipped == {
        "a listing is not a JSON object": 2,
        "no caption": 1,
        "no usable id or path": 1,
    }


def test_the_license_of_abo_is_that_of_the_copy(tmp_path: Path, touch: Touch) -> None:
    zipped(tmp_path / "3dmodels" / "metadata" / "3dmodels.csv.gz", "3dmodel_id,path\nB1,1/B1.glb\n")
    touch("3dmodels/original/1/B1.glb")
    (tmp_path / "LICENSE-CC-BY-NC-4.0.txt").write_text("...")
    assert only(read_dataset(tmp_path, AssetFilter(captioned=False))).license == "CC-BY-NC-4.0"


# --- HSSD ----------------------------------------------------------------------------------


def test_hssd(tmp_path: Path, touch: Touch) -> None:
    for name in ("1/10a.glb", "1/10a.collider.glb", "2/2bc.glb", "7/7de.glb",
                 "decomposed/10a/10a_part_1.glb"):  # fmt: skip
        touch(f"objects/{name}")
    (tmp_path / "semantics").mkdir()
    (tmp_path / "semantics" / "objects.csv").write_text(
        "id,name,main_category,wnsynsetkey\n10a,Eames chair,office_chair,chair.n.01\n"
        "2bc,,,\nfff,Lamp,lamp,lamp.n.01\n"
    )
    found = read_dataset(tmp_path)
    asset = only(found)
    assert (asset.key, asset.path.name) == ("10a", "10a.glb")
    assert asset.captions == ("Eames chair", "office chair")
    assert asset.license == "CC-BY-NC-4.0"
    assert found.skipped == {
        "no caption": 1,
        "not in semantics/objects.csv": 1,
        "not downloaded": 1,
    }


# --- 3D-FUTURE -----------------------------------------------------------------------------


def test_future3d(tmp_path: Path, touch: Touch) -> None:
    touch("m1/raw_model.obj")
    touch("m2/raw_model.obj")
    touch("m4/raw_model.obj")
    records = [
        {"model_id": "m1", "super-category": "Sofa", "category": "Three-Seat / Multi-seat Sofa",
         "style": "Modern", "theme": None, "material": "Leather"},
        {"model_id": "m2", "super-category": "Bed", "category": None, "style": None,
         "theme": None, "material": None},
        {"model_id": "m3", "super-category": "Bed", "category": "Bunk Bed"},
        {"model_id": "m4"},
        {"model_id": "../m1", "category": "Evil"},
        {"category": "Nameless"},
        "not an object",
    ]  # fmt: skip
    (tmp_path / "model_info.json").write_text(json.dumps(records))
    found = read_dataset(tmp_path)
    assert [(a.key, a.captions) for a in found] == [
        ("m1", ("three-seat / multi-seat sofa", "three-seat / multi-seat sofa, modern, leather")),
        ("m2", ("bed",)),
    ]
    assert {asset.path.suffix for asset in found} == {".obj"}
    assert found.skipped == {"the file is missing": 1, "no caption": 1, "no usable model_id": 3}


def test_a_model_info_that_is_no_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model_info.json").write_text("{}")
    with pytest.raises(InvalidInput, match="must hold a list"):
        read_dataset(tmp_path)


# --- Toys4k --------------------------------------------------------------------------------


def test_toys4k(tmp_path: Path, touch: Touch) -> None:
    touch("toys4k_obj_files/ice_cream/ice_cream_001/mesh.obj")
    touch("toys4k_obj_files/ice_cream/ice_cream_001/texture.png")
    touch("toys4k_blend_files/cat/cat_003/cat_003.blend")
    touch("toys4k_blend_files/cat/cat_004/cat_004.blend")
    touch("toys4k_blend_files/cat/cat_004/cat_004.glb")
    touch("toys4k_blend_files/cat/cat_005/readme.txt")
    found = read_dataset(tmp_path)
    assert [(a.key, a.path.name, a.captions) for a in found] == [
        ("ice_cream_001", "mesh.obj", ("ice cream",)),
        ("cat_004", "cat_004.glb", ("cat",)),
    ]
    assert found.skipped == {"a Blender file: export it as GLB": 1, "no mesh in its folder": 1}


# --- which is which ------------------------------------------------------------------------


def test_any_other_folder_is_a_studios_own(tmp_path: Path, touch: Touch) -> None:
    touch("props/barrel.glb")
    assert only(read_dataset(tmp_path, AssetFilter(captioned=False))).key == "props/barrel.glb"


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a folder"):
        read_dataset(tmp_path / "gone")
