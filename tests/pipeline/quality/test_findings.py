"""A report and a policy -> findings."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.quality.findings import Checked, Finding, check, shown, strict, to_json
from pipeline.quality.policy import Level, default_policy, read_policy
from tests.pipeline.quality.sample_report import Json, as_bytes, report


def judged(document: Json, policy: str) -> Checked:
    return check("out/Well.report.json", as_bytes(document), read_policy(policy))


def levels(findings: Sequence[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


def test_a_good_report_passes_the_default_policy() -> None:
    checked = check("Well.report.json", as_bytes(report()), default_policy())
    assert [one for one in checked.findings if one.level is not Level.PASS] == []
    assert all(one.is_measured for one in checked.findings)
    assert (checked.name, checked.level, checked.problem) == ("Well", Level.PASS, "")


@pytest.mark.parametrize(
    ("value", "level"),
    [(0.61, Level.PASS), (0.6, Level.PASS), (0.59, Level.WARN), (0.4, Level.WARN),
     (0.39, Level.FAIL), (float("nan"), Level.FAIL)],
)  # fmt: skip
def test_the_limit_itself_still_passes(value: float, level: Level) -> None:
    document = report()
    document["uv"]["coverage"] = value
    (finding,) = judged(document, "[gates.uv.coverage]\nwarn = 0.6\nfail = 0.4").findings
    assert finding.level is level


def test_each_lod_has_its_limit() -> None:
    document = report()
    document["lods"][0]["silhouette_px"] = document["lods"][1]["silhouette_px"] = 2.0
    checked = judged(document, "[gates.lod.silhouette_px]\nfail = [1, 3]\nwarn = [0.5, inf]")
    assert levels(checked.findings) == [Level.FAIL, Level.PASS]
    failure, passed = checked.findings
    assert (failure.place, failure.value, failure.limit) == ("LOD0", 2.0, 1)
    assert failure.message == (
        "lod.silhouette_px of LOD0 is 2 pixels and must be at most 1 pixels; "
        "allow the LOD more triangles, or let it take over later"
    )
    assert passed.limit == 3  # inf is no limit
    assert checked.level is Level.FAIL


def test_a_budget_is_kept_or_it_fails() -> None:
    document = report()
    document["lods"][1]["triangle_count"] = 1001
    checked = judged(document, "[gates.lod.budget]\nlevel = 'warn'")
    assert levels(checked.findings) == [Level.PASS, Level.WARN]
    assert "is 1,001 triangles and must be at most 1,000 triangles" in checked.findings[1].message


@pytest.mark.parametrize(
    ("license_name", "rule", "level"),
    [
        ("MIT", "allow = ['mit']", Level.PASS),
        ("CC-BY-NC-4.0", "allow = ['MIT']", Level.FAIL),
        ("MIT and CC-BY-NC-4.0", "allow = ['MIT']", Level.FAIL),
        ("MIT and Apache-2.0", "allow = ['MIT', 'Apache-2.0']", Level.PASS),
        ("unknown", "deny = ['Unknown']", Level.FAIL),
        ("other", "deny = ['unknown']", Level.PASS),
        ("other", "allow = ['MIT']\nlevel = 'warn'", Level.WARN),
    ],
)
def test_licenses_are_taken_by_list(license_name: str, rule: str, level: Level) -> None:
    document = report()
    document["model"]["license"] = license_name
    (finding,) = judged(document, f"[gates.license.weights]\n{rule}").findings
    assert finding.level is level
    assert finding.place == "starter"


@pytest.mark.parametrize("level", list(Level))
def test_what_is_not_in_the_report_is_as_bad_as_the_policy_says(level: Level) -> None:
    document = report()
    del document["uv"]
    checked = judged(document, f"unmeasured = '{level}'\n[gates.uv.stretch_l2]\nwarn = 1.1")
    (finding,) = checked.findings
    assert (finding.level, finding.is_measured, finding.value) == (level, False, None)
    assert "not in the report" in finding.message


def test_strict_makes_warnings_fail_and_nothing_else() -> None:
    document = report()
    document["warnings"] = ["bake: dark"]
    checked = judged(document, "[gates.warnings]\nwarn = 0\n[gates.passed]")
    assert levels(checked.findings) == [Level.PASS, Level.WARN]
    assert levels(strict(checked).findings) == [Level.PASS, Level.FAIL]


UNREADABLE = {
    "empty": (b"", "not JSON"),
    "no text": (b"\xff\xfe\xfa", "not JSON"),
    "a list": (b"[]", "no report"),
    "something else": (b'{"schema": "other/1"}', 'got "other/1"'),
    "from tomorrow": (b'{"schema": "lodsmith.report/3"}', "or a newer one"),
    "deep": (b"[" * 100_000, "not JSON"),
    "wrong type": (
        b'{"schema": "lodsmith.report/2", "warnings": "none"}',
        "warnings of the report must be a list",
    ),
    "wrong type inside": (
        b'{"schema": "lodsmith.report/2", "warnings": [], "uv": {"coverage": "most"}}',
        'uv.coverage of the report must be a number, got "most"',
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_broken_report_is_a_problem_and_no_crash(case: str) -> None:
    content, words = UNREADABLE[case]
    checked = check("x.json", content, default_policy())
    assert words in checked.problem
    assert (checked.level, checked.findings, checked.name) == (Level.FAIL, (), "x.json")


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


def _places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    members: Sequence[tuple[object, object]] = ()
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    return [place for key, one in members for place in [(*path, key), *_places(one, (*path, key))]]


@given(place=st.sampled_from(_places(report())), value=_ANYTHING)
def test_whatever_a_report_holds_there_is_an_answer(
    place: tuple[str | int, ...], value: object
) -> None:
    document = report()
    *way, last = place
    inner: Json = document
    for key in way:
        inner = inner[key]  # type: ignore[index]  # lists on the way are indexed by numbers
    inner[last] = value  # type: ignore[index]
    policy = read_policy(ALL_GATES)
    checked = check("x.json", as_bytes(document), policy)
    json.loads(to_json([checked]), parse_constant=pytest.fail)


ALL_GATES = """
extends = "default"
[gates.lod.triangle_count]
warn = 1e6
[gates.lod.normal_deviation_deg]
warn = 30
[gates.lod.silhouette_px]
warn = 2
[gates.topology.component_count]
warn = 100
[gates.uv.texel_density]
warn = 1
[gates.material.count]
warn = 2
[gates.material.alpha_mode]
allow = ["OPAQUE"]
[gates.collision.over_cover]
warn = 2
[gates.size.total_bytes]
warn = 1e9
[gates.time.total_s]
warn = 600
[gates.time.peak_memory_bytes]
warn = 4e9
[gates.license.inputs]
deny = ["unknown"]
"""


def test_the_json_document_has_every_finding() -> None:
    document = report()
    document["bake"]["seam_step"] = [9.0]
    good = judged(document, "[gates.bake.seam_step]\nwarn = 3")
    broken = check("broken.json", b"{", default_policy())
    written = json.loads(to_json([good, broken]))
    assert (written["schema"], written["level"]) == ("lodsmith.check/1", "fail")
    assert written["reports"][0]["findings"] == [
        {
            "gate": "bake.seam_step", "level": "warn", "place": "mip 0", "value": 9.0, "limit": 3,
            "message": good.findings[0].message, "is_measured": True,
        }
    ]  # fmt: skip
    assert written["reports"][1]["problem"].startswith("this is not JSON")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(None, "", "not measured"), (3998, "triangles", "3,998 triangles"),
     (0.00233611, "", "0.002336"), (5_548_748, "bytes", "5.5 MB"), (900, "bytes", "900 bytes"),
     (3.0, "/255", "3/255"), ("MIT", "", "MIT"), (float("inf"), "", "inf")],
)  # fmt: skip
def test_values_are_shown_for_people(value: float | str | None, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_licenses_that_hold_at_once_are_each_looked_at() -> None:
    policy = read_policy('[gates.license.weights]\ndeny = ["GPL-3.0"]')
    document = report()
    document["model"]["license"] = "MIT AND GPL-3.0"
    (finding,) = check("x.json", as_bytes(document), policy).findings
    assert finding.level is Level.FAIL
