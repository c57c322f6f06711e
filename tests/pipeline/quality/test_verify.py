"""Verifying: every change is found, and what is no change is not."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidInput
from pipeline.quality.chunks import read_chunks, write_chunks
from pipeline.quality.provenance import content_sha256, read_record, sealed
from pipeline.quality.verify import (
    Verdict,
    Verification,
    report_beside,
    verify_file,
    verify_glb,
    with_edit,
)
from tests.pipeline.quality.sample_report import as_bytes, report
from tests.pipeline.samples import pack_glb, triangle_file, unpack_glb

RECORD = {"schema": "lodsmith.provenance/1", "seed": 7, "human_edits": []}
PLAIN = triangle_file().glb()
GLB = sealed(PLAIN, RECORD)


def repacked(root: dict[str, Any], binary: bytes) -> bytes:
    return pack_glb(json.dumps(root).encode(), binary)


def report_of(glb: bytes, name: str = "Well.glb", **more: object) -> bytes:
    document = report() | more
    document["outputs"] = {
        name: {"sha256": hashlib.sha256(glb).hexdigest(), "size_bytes": len(glb)}
    }
    return as_bytes(document)


def reported(glb: bytes) -> bytes:
    """A report that has the record of the file, too."""
    return report_of(glb, provenance=read_record(glb))


def beside(glb: bytes, report_content: bytes) -> Verification:
    return verify_glb(glb, file_name="Well.glb", report=report_content)


def test_a_sealed_file_is_intact() -> None:
    found = verify_glb(GLB)
    assert (found.verdict, found.reasons) == (Verdict.INTACT, ())
    assert found.record is not None
    assert found.record["seed"] == 7


def test_a_file_that_was_never_sealed_has_no_record() -> None:
    found = verify_glb(PLAIN)
    assert (found.verdict, found.record) == (Verdict.NO_RECORD, None)
    assert "no provenance record" in found.reasons[0]


@given(at=st.integers(0, len(read_chunks(GLB).rest) - 1), bit=st.integers(0, 7))
def test_a_bit_that_flips_behind_the_json_is_found(at: int, bit: int) -> None:
    content = bytearray(GLB)
    content[len(GLB) - len(read_chunks(GLB).rest) + at] ^= 1 << bit
    assert verify_glb(bytes(content)).verdict is Verdict.EDITED


def test_a_change_of_the_json_is_found() -> None:
    root, binary = unpack_glb(GLB)
    root["nodes"][0]["name"] = "other"
    found = verify_glb(repacked(root, binary))
    assert found.verdict is Verdict.EDITED
    assert "the content has changed" in found.reasons[0]


def test_bytes_behind_the_end_are_found() -> None:
    assert verify_glb(GLB + b"more").verdict is Verdict.EDITED


def test_a_change_of_the_record_is_found() -> None:
    root, binary = unpack_glb(GLB)
    root["asset"]["extras"]["lodsmith"]["seed"] = 8
    found = verify_glb(repacked(root, binary))
    assert found.verdict is Verdict.EDITED
    assert found.reasons == ("the provenance record itself has been changed",)


def test_writing_the_same_json_in_another_way_is_no_edit() -> None:
    root, binary = unpack_glb(GLB)

    def turned(value: Any) -> Any:  # Any: JSON
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        if isinstance(value, list):
            return [turned(one) for one in value]
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    text = json.dumps(turned(root), indent=1).encode()
    assert text != json.dumps(root).encode()
    assert verify_glb(pack_glb(text, binary)).verdict is Verdict.INTACT


def test_the_hashes_of_an_older_seal_do_not_hold_for_a_new_file() -> None:
    other = triangle_file()
    other.json["nodes"][0]["name"] = "other"
    root, binary = unpack_glb(other.glb())
    root["asset"]["extras"] = {"lodsmith": read_record(GLB)}
    assert verify_glb(repacked(root, binary)).verdict is Verdict.EDITED


def test_a_record_from_tomorrow_is_no_edit() -> None:
    glb = sealed(PLAIN, {"schema": "lodsmith.provenance/2"})
    with pytest.raises(InvalidInput, match="or a newer one"):
        verify_glb(glb)


# ------------------------------------------------------------------------------ beside its report


def test_the_file_of_the_report_is_intact() -> None:
    assert beside(GLB, reported(GLB)).verdict is Verdict.INTACT


def test_the_report_of_another_build_is_told() -> None:
    other = sealed(PLAIN, RECORD | {"seed": 8})
    found = beside(GLB, reported(other))
    assert found.verdict is Verdict.EDITED
    assert "the report beside it lists" in found.reasons[0]
    found = beside(GLB, report_of(GLB, name="Other.glb"))
    assert found.reasons == ("the report beside it does not list it",)


def test_a_record_that_a_tool_dropped_is_missed() -> None:
    found = beside(PLAIN, reported(GLB))
    assert found.verdict is Verdict.EDITED
    assert "a tool has dropped it" in found.reasons[0]


def test_a_file_from_before_records_is_compared_with_its_report_all_the_same() -> None:
    assert beside(PLAIN, report_of(PLAIN)).verdict is Verdict.NO_RECORD
    assert beside(PLAIN, report_of(GLB)).verdict is Verdict.EDITED


def test_files_are_verified_with_the_report_beside_them(tmp_path: Path) -> None:
    (tmp_path / "Well.glb").write_bytes(GLB)
    assert report_beside(tmp_path / "Well.glb") is None
    assert verify_file(tmp_path / "Well.glb").verdict is Verdict.INTACT
    (tmp_path / "Well.report.json").write_bytes(report_of(PLAIN))
    assert verify_file(tmp_path / "Well.glb").verdict is Verdict.EDITED
    assert report_beside(tmp_path / "Well_LOD12.glb") == tmp_path / "Well.report.json"
    assert report_beside(tmp_path / "WellTwo.glb") is None


# --------------------------------------------------------------------------------- edits by people


def edited() -> bytes:
    root, binary = unpack_glb(GLB)
    root["nodes"][0]["name"] = "by hand"
    return repacked(root, binary)


def test_an_edit_on_record_makes_the_file_whole_again() -> None:
    glb = with_edit(edited(), "renamed the node", "Ada")
    found = beside(glb, reported(GLB))  # the report is still that of the file as it was made
    assert (found.verdict, found.reasons) == (Verdict.INTACT, ())
    (edit,) = found.edits
    assert edit == {
        "note": "renamed the node",
        "by": "Ada",
        "before_sha256": content_sha256(read_chunks(GLB)),
        "after_sha256": content_sha256(read_chunks(edited())),
    }


def test_edits_are_a_chain() -> None:
    root, binary = unpack_glb(with_edit(edited(), "first", ""))
    root["nodes"][0]["name"] = "again"
    glb = with_edit(repacked(root, binary), "second", "")
    found = beside(glb, reported(GLB))
    assert found.verdict is Verdict.INTACT
    first, second = found.edits
    assert first["after_sha256"] == second["before_sha256"]


def test_an_edit_after_that_is_found() -> None:
    root, binary = unpack_glb(with_edit(edited(), "first", ""))
    root["nodes"][0]["name"] = "in secret"
    assert beside(repacked(root, binary), reported(GLB)).verdict is Verdict.EDITED


def test_a_dropped_record_is_taken_up_from_the_report() -> None:
    root, binary = unpack_glb(edited())
    del root["asset"]["extras"]
    bare = repacked(root, binary)
    glb = with_edit(bare, "through another tool", "", read_record(GLB))
    found = beside(glb, reported(GLB))
    assert found.verdict is Verdict.INTACT
    assert found.record is not None
    assert found.record["seed"] == 7


def test_there_must_be_something_to_put_on_record() -> None:
    with pytest.raises(InvalidInput, match="has not changed"):
        with_edit(GLB, "nothing", "")
    with pytest.raises(InvalidInput, match="say what was changed"):
        with_edit(edited(), " ", "")
    with pytest.raises(InvalidInput, match="nor has its report"):
        with_edit(PLAIN, "something", "")


def test_a_record_that_was_changed_is_nothing_to_go_on_from() -> None:
    chunks = read_chunks(
        sealed(triangle_file().glb(), {"schema": "lodsmith.provenance/1", "seed": 1})
    )
    asset = chunks.root["asset"]
    assert isinstance(asset, dict)
    asset["extras"]["lodsmith"]["seed"] = 2
    asset["copyright"] = "someone"
    with pytest.raises(InvalidInput, match="the provenance record itself has been changed"):
        with_edit(write_chunks(chunks), "made it nicer", "Ada")
