"""SARIF: what the standard requires of a log with results."""

import json
from pathlib import Path

from pipeline.quality.findings import Checked, check
from pipeline.quality.policy import read_policy
from pipeline.quality.sarif import to_sarif
from tests.pipeline.quality.sample_report import Json, as_bytes, report

POLICY = """
[gates.warnings]
warn = 0
[gates.lod.silhouette_px]
fail = 0.1
[gates.uv.coverage]
fail = 0.4
"""


def checked(path: str = "out/My Well.report.json", **changes: object) -> Checked:
    document: Json = report() | changes
    return check(path, as_bytes(document), read_policy(POLICY))


def run(*reports: Checked) -> Json:
    log = json.loads(to_sarif(reports))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    found: Json = log["runs"][0]
    return found


def test_what_does_not_pass_is_a_result() -> None:
    results = run(checked(warnings=["bake: dark"]))["results"]
    assert [(one["ruleId"], one["level"]) for one in results] == [
        ("warnings", "warning"),
        ("lod.silhouette_px", "error"),
        ("lod.silhouette_px", "error"),
    ]
    location = results[1]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "out/My%20Well.report.json"
    assert location["logicalLocations"] == [{"name": "LOD0", "kind": "member"}]


def test_every_result_has_its_rule() -> None:
    found = run(checked(warnings=["x"]), check("broken.json", b"{", read_policy(POLICY)))
    rules = found["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["lod.silhouette_px", "report", "warnings"]
    for result in found["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_broken_report_is_an_error_of_its_own() -> None:
    (result,) = run(check("broken.json", b"{", read_policy(POLICY)))["results"]
    assert (result["ruleId"], result["level"]) == ("report", "error")
    assert "not JSON" in result["message"]["text"]


def test_nothing_to_tell_is_an_empty_list() -> None:
    lods = report()["lods"]
    for lod in lods:
        lod["silhouette_px"] = 0
    found = run(checked(lods=lods))
    assert (found["results"], found["tool"]["driver"]["rules"]) == ([], [])


def test_a_finding_keeps_its_fingerprint_when_its_value_changes() -> None:
    lods = report()["lods"]
    lods[0]["silhouette_px"] = 7
    before, after = run(checked())["results"], run(checked(lods=lods))["results"]
    assert before[0]["message"] != after[0]["message"]
    prints = [one["partialFingerprints"] for one in (*before, *after)]
    assert prints[0] == prints[2] != prints[1]


def test_an_absolute_path_is_a_file_uri(tmp_path: Path) -> None:
    path = tmp_path / "Well.report.json"
    result = run(checked(str(path)))["results"][0]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == path.as_uri()
