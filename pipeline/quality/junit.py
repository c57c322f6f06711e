"""Findings as JUnit XML: a suite per report, a case per gate.

JUnit knows no warnings: what warns is a case that passes, with the words in its output. What was
not measured is a skipped case, unless the policy makes it a failure.

Source: the form that Jenkins reads, jenkinsci/xunit-plugin, junit-10.xsd.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import groupby

from pipeline.quality.findings import Checked, Finding
from pipeline.quality.policy import Level, worst

# Not even escaped may these stand in XML 1.0.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(reports: Sequence[Checked]) -> str:
    """Write one document for all reports. It has no times, so it is the same twice."""
    suites = [_suite(report) for report in reports]
    root = ET.Element("testsuites", {"name": "lodsmith check", **_counts(suites)})
    root.extend(suites)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(report: Checked) -> ET.Element:
    suite = ET.Element("testsuite")
    if report.problem:
        case = ET.SubElement(suite, "testcase", classname=_clean(report.path), name="readable")
        _add(case, "error", report.problem, report.problem)
    for gate, findings in groupby(report.findings, lambda finding: finding.gate):
        suite.append(_case(report, gate, list(findings)))
    cases = list(suite)
    suite.attrib = {
        "name": _clean(report.name),
        "tests": str(len(cases)),
        **{
            plural: str(sum(case.find(kind) is not None for case in cases))
            for plural, kind in (
                ("failures", "failure"),
                ("errors", "error"),
                ("skipped", "skipped"),
            )
        },
        "file": _clean(report.path),
    }
    return suite


def _case(report: Checked, gate: str, findings: Sequence[Finding]) -> ET.Element:
    case = ET.Element("testcase", classname=_clean(report.name), name=gate)
    level = worst(finding.level for finding in findings)
    worse = [finding.message for finding in findings if finding.level is level]
    text = "\n".join(f"{finding.level}: {finding.message}" for finding in findings)
    if level is Level.FAIL:
        _add(case, "failure", worse[0], text)
    elif not any(finding.is_measured for finding in findings):
        _add(case, "skipped", worse[0], "")
    elif level is Level.WARN:
        output = ET.SubElement(case, "system-out")
        output.text = _clean(text)
    return case


def _add(case: ET.Element, kind: str, message: str, text: str) -> None:
    element = ET.SubElement(case, kind, message=_clean(message))
    if kind != "skipped":
        element.set("type", kind)
        element.text = _clean(text)


def _counts(suites: Sequence[ET.Element]) -> dict[str, str]:
    return {
        key: str(sum(int(suite.attrib[key]) for suite in suites))
        for key in ("tests", "failures", "errors")
    }


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
