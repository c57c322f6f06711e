"""Findings as SARIF 2.1.0, for code hosts that show them beside the change that made them.

Source: OASIS Standard, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, 2020.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path, PurePath
from urllib.parse import quote

from pipeline.quality.findings import Checked
from pipeline.quality.gates import GATES
from pipeline.quality.policy import Level
from pipeline.report import Json, library_versions

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {Level.WARN: "warning", Level.FAIL: "error"}
_UNREADABLE = "report"  # the rule that a report can be read


def to_sarif(reports: Sequence[Checked]) -> str:
    """Write one log with a result for each finding that does not pass."""
    results = [result for report in reports for result in _results(report)]
    used = sorted({str(result["ruleId"]) for result in results})
    for result in results:
        result["ruleIndex"] = used.index(str(result["ruleId"]))
    version = library_versions()["lodsmith"]
    driver: dict[str, Json] = {"name": "lodsmith check", "rules": [_rule(name) for name in used]}
    if version:
        driver["version"] = version
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints",
                  "results": results}],
    }  # fmt: skip
    return json.dumps(log, indent=2) + "\n"


def _rule(name: str) -> dict[str, Json]:
    if name == _UNREADABLE:
        what, advice = "the report can be read", "give a report that Lodsmith wrote"
    else:
        what, advice = GATES[name].what, GATES[name].advice
    return {"id": name, "shortDescription": {"text": what}, "help": {"text": advice}}


def _results(report: Checked) -> list[dict[str, Json]]:
    if report.problem:
        return [_result(report, _UNREADABLE, "error", report.problem, "")]
    return [
        _result(report, finding.gate, _LEVELS[finding.level], finding.message, finding.place)
        for finding in report.findings
        if finding.level is not Level.PASS
    ]


def _result(report: Checked, rule: str, level: str, message: str, place: str) -> dict[str, Json]:
    location: dict[str, Json] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(report.path)},
            "region": {"startLine": 1},  # code hosts want one
        }
    }
    if place:
        location["logicalLocations"] = [{"name": place, "kind": "member"}]
    # The same finding of the next run, whatever its value: hosts track it by this.
    identity = hashlib.sha256(
        f"{report.name}\n{rule}\n{place}".encode("utf-8", "replace")
    ).hexdigest()
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": message},
        "locations": [location],
        "partialFingerprints": {"lodsmithFinding/v1": identity},
    }


def _uri(path: str) -> str:
    if PurePath(path).is_absolute():
        return Path(path).as_uri()
    return quote(PurePath(path).as_posix(), errors="replace")
