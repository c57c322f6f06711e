"""JUnit XML, read again by another reader."""

import xml.etree.ElementTree as ET

from pipeline.quality.findings import Checked, check
from pipeline.quality.junit import to_junit
from pipeline.quality.policy import default_policy, read_policy
from tests.pipeline.quality.sample_report import Json, as_bytes, report

POLICY = """
[gates.warnings]
warn = 0
[gates.lod.silhouette_px]
fail = [1, 3]
[gates.uv.coverage]
fail = 0.4
[gates.uv.stretch_l2]
warn = 1.1
[gates.bake.highlight_ratio]
warn = 0.1
unmeasured = "fail"
"""


def checked(**changes: object) -> Checked:
    document: Json = report() | changes
    return check("out/Well.report.json", as_bytes(document), read_policy(POLICY))


def parsed(*reports: Checked) -> ET.Element:
    return ET.fromstring(to_junit(reports).encode())


def outcomes(suite: ET.Element) -> dict[str, list[str]]:
    return {case.attrib["name"]: [element.tag for element in case] for case in suite}


def test_there_is_a_case_per_gate_with_its_outcome() -> None:
    lods = report()["lods"]
    lods[0]["silhouette_px"] = 9
    root = parsed(checked(lods=lods, warnings=["bake: dark"], uv={"coverage": 0.7}, bake={}))
    (suite,) = root
    assert outcomes(suite) == {
        "warnings": ["system-out"],  # JUnit knows no warnings
        "lod.silhouette_px": ["failure"],
        "uv.coverage": [],
        "uv.stretch_l2": ["skipped"],
        "bake.highlight_ratio": ["failure"],  # not measured, and that fails
    }
    assert suite.attrib == {
        "name": "Well", "tests": "5", "failures": "2", "errors": "0", "skipped": "1",
        "file": "out/Well.report.json",
    }  # fmt: skip
    assert (root.attrib["tests"], root.attrib["failures"]) == ("5", "2")
    failure = suite.find("testcase[@name='lod.silhouette_px']/failure")
    assert failure is not None
    assert "of LOD0 is 9 pixels" in failure.attrib["message"]
    assert failure.text is not None
    assert failure.text.count("\n") == 1  # both LODs


def test_there_is_a_suite_per_report_and_a_broken_one_is_an_error() -> None:
    broken = check("out/Broken.report.json", b"{", default_policy())
    root = parsed(checked(), broken)
    good, bad = root
    assert (good.attrib["errors"], bad.attrib["errors"]) == ("0", "1")
    assert outcomes(bad) == {"readable": ["error"]}
    assert root.attrib["errors"] == "1"


def test_any_name_gives_valid_xml() -> None:
    name = 'a<b>&"\x00\x1b\ud800\ufffe €'
    (suite,) = parsed(checked(name=name))
    assert suite.attrib["name"] == 'a<b>&"\ufffd\ufffd\ufffd\ufffd €'


def test_it_is_the_same_twice() -> None:
    assert to_junit([checked()]) == to_junit([checked()])
