"""Filters, and metadata files in all states."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import InvalidInput
from pipeline.training.datasets.asset import (
    Asset,
    AssetFilter,
    Collected,
    captions_of,
    inside,
    read_csv,
    read_json,
    read_json_lines,
)
from tests.pipeline.training.datasets.conftest import Touch


def refusal(asset: Asset, **wanted: object) -> str | None:
    return AssetFilter(**wanted).refusal(asset)


@pytest.fixture
def chair(touch: Touch) -> Asset:
    return Asset(
        key="chair",
        path=touch("chair.glb", 1000),
        captions=("a chair",),
        license="CC-BY-4.0",
        aesthetic_score=5.0,
    )


def test_without_wishes_a_mesh_with_a_caption_is_taken(chair: Asset) -> None:
    assert refusal(chair) is None


def test_scores_below_the_wanted_are_left_out(chair: Asset) -> None:
    assert refusal(chair, min_aesthetic_score=5.0) is None
    assert refusal(chair, min_aesthetic_score=5.5) == "aesthetic score below 5.5"
    unknown = replace(chair, aesthetic_score=None)
    assert refusal(unknown, min_aesthetic_score=0.0) == "no aesthetic score"
    assert refusal(unknown) is None


def test_licenses_are_compared_without_case_and_must_be_known(chair: Asset) -> None:
    assert refusal(chair, licenses=frozenset({"cc-by-4.0", "cc0"})) is None
    assert "CC-BY-4.0 is not among" in str(refusal(chair, licenses=frozenset({"cc0"})))
    assert refusal(replace(chair, license=None), licenses=frozenset({"cc0"})) == "no license given"


def test_files_have_a_size_and_a_format(chair: Asset, tmp_path: Path) -> None:
    assert refusal(chair, max_file_bytes=1000) is None
    assert refusal(chair, max_file_bytes=999) == "larger than 999 bytes"
    assert refusal(replace(chair, path=tmp_path / "gone.glb")) == "the file is missing"
    assert refusal(replace(chair, path=tmp_path / "a.blend")) == (
        "a Blender file: export it as GLB"
    )
    assert refusal(replace(chair, path=tmp_path / "a.stl")) == "not a GLB (.stl)"


def test_captions_may_be_needed_or_not(chair: Asset) -> None:
    mute = replace(chair, captions=())
    assert refusal(mute) == "no caption"
    assert refusal(mute, captioned=False) is None


def test_the_largest_size_is_above_zero() -> None:
    with pytest.raises(InvalidInput, match="max_file_bytes"):
        AssetFilter(max_file_bytes=0)


def test_an_asset_that_is_listed_twice_is_taken_once(chair: Asset) -> None:
    found = Collected(wanted=AssetFilter())
    found.add(chair)
    found.add(chair)
    assert list(found) == [chair]
    assert found.skipped == {"listed twice": 1}


@pytest.mark.parametrize("relative", ["../outside.glb", "/etc/passwd", "a/../../b.glb", ""])
def test_metadata_cannot_point_outside(tmp_path: Path, relative: str) -> None:
    assert inside(tmp_path, relative) is None


def test_metadata_may_point_below(tmp_path: Path) -> None:
    assert inside(tmp_path, "raw/x.glb") == tmp_path / "raw/x.glb"


def test_a_link_that_leads_outside_is_outside(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link").symlink_to(tmp_path)
    assert inside(tmp_path / "set", "link/x.glb") is None


def test_captions_are_each_kept_once_in_order() -> None:
    assert captions_of([" b ", "a", "b", "", None, 3]) == ("b", "a")
    assert captions_of("one") == ("one",)
    assert captions_of({"a": "b"}) == ()


def test_a_table_may_be_compressed_begin_with_a_mark_and_have_short_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wb") as f:
        f.write('\ufeffid,caption\r\n1,"two, and\nmore"\r\n2\r\n3,x,surplus\r\n'.encode())
    assert read_csv(path, ("id",)) == [
        {"id": "1", "caption": "two, and\nmore"},
        {"id": "2", "caption": ""},
        {"id": "3", "caption": "x"},
    ]


def test_a_table_without_a_column_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,text\n1,a\n")
    with pytest.raises(InvalidInput, match=r"no column caption; its columns are id, text"):
        read_csv(tmp_path / "t.csv", ("id", "caption"))


@pytest.mark.parametrize("name", ["gone.json", "bad.json", "bad.json.gz", "cut.json.gz"])
def test_unreadable_files_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bad.json.gz").write_bytes(b"{}")
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(b'{"a": 1}' * 50)[:-12])
    with pytest.raises(InvalidInput, match=name):
        read_json(tmp_path / name)


def test_a_line_that_is_no_json_is_none(tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text('{"a": 1}\nnot json\n3\n')
    assert list(read_json_lines(tmp_path / "l.json")) == [{"a": 1}, None, 3]
