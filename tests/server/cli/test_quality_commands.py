"""`lodsmith check`, `verify` and `record-edit`: exit codes, output, and what they leave behind."""

import hashlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.quality.policy import default_policy_text
from pipeline.quality.provenance import read_record, sealed
from pipeline.quality.schema import report_schema_text
from server.cli.commands import app
from tests.pipeline.quality.sample_report import Json, as_bytes, report
from tests.pipeline.samples import pack_glb, triangle_file, unpack_glb


def lodsmith(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write_report(folder: Path, name: str, **changes: object) -> Path:
    path = folder / f"{name}.report.json"
    path.write_bytes(as_bytes(report() | {"name": name} | changes))
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_report(tmp_path, "Good")


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    lods = report()["lods"]
    lods[1]["triangle_count"] = 1001
    return write_report(tmp_path, "Bad", lods=lods)


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    return write_report(tmp_path, "Warned", warnings=["bake: dark"])


# ------------------------------------------------------------------------------------------ check


def test_what_passes_is_exit_code_0(good: Path) -> None:
    result = lodsmith("check", good)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"pass  Good  ({good})\n1 report: 1 pass, 0 warn, 0 fail\n"


def test_warnings_are_allowed_unless_strict(warned: Path) -> None:
    result = lodsmith("check", warned)
    assert result.exit_code == 0
    assert "  warn  warnings  1  at most 0\n        read them in the report" in result.stdout
    result = lodsmith("check", warned, "--strict")
    assert result.exit_code == 1
    assert "1 report: 0 pass, 0 warn, 1 fail" in result.stdout


def test_what_fails_is_exit_code_1_with_a_way_out(good: Path, bad: Path) -> None:
    result = lodsmith("check", good, bad)
    assert result.exit_code == 1
    assert "  fail  lod.budget LOD1  1,001 triangles  at most 1,000 triangles\n" in result.stdout
    assert "raise the budget with --lods" in result.stdout
    assert "2 reports: 1 pass, 0 warn, 1 fail" in result.stdout


def test_a_broken_report_is_exit_code_2_and_the_others_are_checked(bad: Path) -> None:
    broken = bad.with_name("A.report.json")
    broken.write_text("{")
    result = lodsmith("check", broken, bad)
    assert result.exit_code == 2
    assert "this is not JSON" in result.stdout
    assert "lod.budget LOD1" in result.stdout


def test_folders_and_patterns_are_searched_and_nothing_is_checked_twice(
    good: Path, bad: Path, warned: Path, tmp_path: Path
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    write_report(inner, "Inner")
    paths = [bad, good, inner / "Inner.report.json", warned]
    in_order = sorted(paths)
    for arguments in ([tmp_path], [tmp_path / "**" / "*.report.json"]):
        result = lodsmith("check", *arguments, "--format", "json")
        assert [one["path"] for one in json.loads(result.stdout)["reports"]] == [
            str(path) for path in in_order
        ]
    result = lodsmith("check", warned, tmp_path, warned, "--format", "json")
    assert len(json.loads(result.stdout)["reports"]) == 4


def test_all_shows_what_passes_too(good: Path) -> None:
    result = lodsmith("check", good, "--all")
    assert "  pass  lod.budget LOD0" in result.stdout
    assert "license.weights starter" in result.stdout


def test_an_old_report_warns_of_what_it_lacks(tmp_path: Path) -> None:
    document = report() | {"schema": "lodsmith.report/1"}
    for section in ("topology", "uv", "materials", "inputs", "model"):
        del document[section]
    path = tmp_path / "Old.report.json"
    path.write_bytes(as_bytes(document))
    result = lodsmith("check", path)
    assert result.exit_code == 0
    assert "warn  not in the report: topology (closed, non_manifold_edge_count" in result.stdout
    assert max(map(len, result.stdout.splitlines()[1:-1])) <= 100


def test_a_policy_of_ones_own_holds(good: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[gates.uv.coverage]\nfail = 0.8\n")
    result = lodsmith("check", good, "--policy", policy)
    assert result.exit_code == 1
    assert "uv.coverage  0.7  at least 0.8" in result.stdout
    policy.write_text("[gates.uv.covrage]\nfail = 0.8\n")
    result = lodsmith("check", good, "--policy", policy)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{policy}: there is no gate 'uv.covrage'; did you mean uv.coverage" in result.stderr


def test_out_gets_the_format_and_the_terminal_the_text(bad: Path, tmp_path: Path) -> None:
    out = tmp_path / "junit.xml"
    result = lodsmith("check", bad, "--format", "junit", "--out", out)
    assert result.exit_code == 1
    assert "lod.budget LOD1" in result.stdout
    assert ET.fromstring(out.read_bytes()).attrib["failures"] == "1"
    assert not list(tmp_path.glob(".*"))  # no half a file is left
    result = lodsmith("check", bad, "--format", "sarif")
    assert json.loads(result.stdout)["version"] == "2.1.0"


def test_a_place_that_cannot_be_written_is_exit_code_2(good: Path, tmp_path: Path) -> None:
    result = lodsmith("check", good, "--out", tmp_path / "nowhere" / "x.xml")
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "name a report"), (["nowhere/*.json"], "there is no report at nowhere/*.json")],
)
def test_no_report_is_exit_code_2(arguments: list[str], words: str) -> None:
    result = lodsmith("check", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize("form", ["text", "json", "junit", "sarif"])
def test_no_name_breaks_or_steers_a_terminal(form: str, bad: Path, tmp_path: Path) -> None:
    document = json.loads(bad.read_bytes()) | {"name": "W\x1b[2Je\ud800ll"}
    bad.write_bytes(as_bytes(document))
    result = lodsmith("check", bad, "--format", form, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "W\ufffd[2Je\ufffdll" in result.stdout
    assert b"\x1b" not in (tmp_path / "out").read_bytes()


def test_policy_schema_and_gates_can_be_printed() -> None:
    assert lodsmith("check", "--print-policy").stdout == default_policy_text()
    assert lodsmith("check", "--print-schema").stdout == report_schema_text()
    assert "uv.texel_density" in lodsmith("check", "--list-gates").stdout


# ----------------------------------------------------------------------------------------- verify

RECORD: Json = {
    "schema": "lodsmith.provenance/1",
    "generator": "Lodsmith 0.1.0",
    "model": {"name": "starter", "digest": "ab" * 32, "license": "MIT"},
    "seed": 7,
    "inputs": [{"role": "picture", "sha256": "cd" * 32, "license": ""}],
    "human_edits": [],
}
GLB = sealed(triangle_file().glb(), RECORD)


def write_glb(folder: Path, name: str, content: bytes = GLB) -> Path:
    path = folder / f"{name}.glb"
    path.write_bytes(content)
    return path


def edited() -> bytes:
    root, binary = unpack_glb(GLB)
    root["nodes"][0]["name"] = "by hand"
    return pack_glb(json.dumps(root).encode(), binary)


def test_an_intact_file_shows_where_it_comes_from(tmp_path: Path) -> None:
    path = write_glb(tmp_path, "Well")
    result = lodsmith("verify", path)
    assert (result.exit_code, result.stderr) == (0, "")
    first, *rest = result.stdout.splitlines()
    assert first == f"{path}: intact"
    text = "\n".join(rest)
    for words in ("starter (abababababab), license MIT", "seed        7", "Lodsmith 0.1.0",
                  "picture     cdcdcdcdcdcd, license not told"):  # fmt: skip
        assert words in text


def test_a_folder_is_as_good_as_its_worst_file(tmp_path: Path) -> None:
    write_glb(tmp_path, "Well")
    assert lodsmith("verify", tmp_path).exit_code == 0
    write_glb(tmp_path, "Own", triangle_file().glb())
    result = lodsmith("verify", tmp_path)
    assert result.exit_code == 1
    assert "Own.glb: no record" in result.stdout
    write_glb(tmp_path, "Broken", b"glTF")
    result = lodsmith("verify", tmp_path, "--json")
    assert result.exit_code == 2
    verdicts = {Path(one["path"]).name: one["verdict"] for one in json.loads(result.stdout)}
    assert verdicts == {"Broken.glb": "unreadable", "Own.glb": "no record", "Well.glb": "intact"}


def test_an_edited_file_is_exit_code_1_with_the_reason(tmp_path: Path) -> None:
    result = lodsmith("verify", write_glb(tmp_path, "Well", edited()))
    assert result.exit_code == 1
    assert "the content has changed since it was sealed" in result.stdout


def test_an_edit_goes_on_record(tmp_path: Path) -> None:
    path = write_glb(tmp_path, "Well")
    outputs = {"Well.glb": {"sha256": hashlib.sha256(GLB).hexdigest(), "size_bytes": len(GLB)}}
    write_report(tmp_path, "Well", outputs=outputs, provenance=read_record(GLB))
    root, binary = unpack_glb(edited())
    del root["asset"]["extras"]  # as many tools do on saving
    path.write_bytes(pack_glb(json.dumps(root).encode(), binary))
    assert lodsmith("verify", path).exit_code == 1

    result = lodsmith("record-edit", path, "renamed a node", "--by", "Ada")
    assert (result.exit_code, result.stdout) == (0, f"{path}: the edit is on record\n")
    result = lodsmith("verify", path)
    assert result.exit_code == 0
    assert "edited by people: renamed a node (Ada)" in result.stdout
    assert "seed        7" in result.stdout

    again = lodsmith("record-edit", path, "nothing")
    assert again.exit_code == 2
    assert "has not changed" in again.stderr
