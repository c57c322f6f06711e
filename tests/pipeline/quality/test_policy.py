"""Policies: what they may say, and what is refused."""

import tomllib

import pytest

from pipeline.errors import InvalidInput
from pipeline.quality.gates import GATES
from pipeline.quality.policy import (
    Level,
    Limits,
    Must,
    Names,
    Policy,
    default_policy,
    default_policy_text,
    limit_at,
    read_policy,
    worst,
)


def limits(policy: Policy) -> dict[str, Limits | Names | Must]:
    return {rule.gate.name: rule.limits for rule in policy.rules}


def test_a_policy_has_the_gates_that_it_names_in_the_order_of_the_list() -> None:
    policy = read_policy(
        """
        [gates.uv.coverage]
        warn = 0.6
        fail = 0.4
        [gates.lod.deviation_max_ratio]
        fail = [0.005, 0.01]
        [gates.license.weights]
        deny = ["unknown"]
        level = "warn"
        [gates.passed]
        """
    )
    assert limits(policy) == {
        "passed": Must(level=Level.FAIL),
        "lod.deviation_max_ratio": Limits(fail=(0.005, 0.01)),
        "uv.coverage": Limits(warn=(0.6,), fail=(0.4,)),
        "license.weights": Names(deny=("unknown",), level=Level.WARN),
    }
    assert list(limits(policy)) == [name for name in GATES if name in limits(policy)]


def test_a_quoted_name_is_the_same() -> None:
    assert read_policy('[gates."uv.coverage"]\nfail = 0.4') == read_policy(
        "[gates.uv.coverage]\nfail = 0.4"
    )


def test_extends_keeps_the_rest_of_the_default() -> None:
    policy = read_policy(
        """
        extends = "default"
        unmeasured = "fail"
        [gates.uv.coverage]
        warn = 0.9
        [gates.bake.seam_step]
        off = true
        """
    )
    expected = limits(default_policy()) | {"uv.coverage": Limits(warn=(0.9,))}
    del expected["bake.seam_step"]
    assert limits(policy) == expected
    assert {rule.unmeasured for rule in policy.rules} == {Level.FAIL}


def test_unmeasured_may_differ_by_gate() -> None:
    policy = read_policy(
        'unmeasured = "pass"\n[gates.passed]\n[gates.warnings]\nfail = 0\nunmeasured = "fail"'
    )
    assert [rule.unmeasured for rule in policy.rules] == [Level.PASS, Level.FAIL]


def test_the_last_limit_holds_for_all_that_follow() -> None:
    assert [limit_at((1.0, 2.0), index) for index in range(4)] == [1.0, 2.0, 2.0, 2.0]
    assert limit_at((), 0) is None


def test_the_worst_of_none_is_a_pass() -> None:
    assert worst([]) is Level.PASS
    assert worst([Level.WARN, Level.FAIL, Level.PASS]) is Level.FAIL


def test_the_default_policy_is_what_is_printed() -> None:
    assert default_policy() == read_policy(default_policy_text())
    named = {
        f"{group}.{key}" if group not in GATES else group
        for group, table in tomllib.loads(default_policy_text())["gates"].items()
        for key in (table if group not in GATES else [""])
    }
    assert set(limits(default_policy())) == named


REFUSED = {
    "no TOML": ("gates = [", "not TOML"),
    "near name": ("[gates.uv.coverrage]\nfail = 1", "did you mean uv.coverage"),
    "far name": ("[gates.quux]\nfail = 1", "--list-gates"),
    "group for a gate": ("[gates.uv]\nfail = 1", "no gate 'uv.fail'"),
    "no table": ("[gates]\nwarnings = 3", "must be a table"),
    "unknown key": ("[gates.uv.coverage]\nmin = 0.5", "it may have warn, fail, unmeasured"),
    "unknown top key": ("gate = 1", "the policy has no key 'gate'"),
    "no gates": ("", "no gates"),
    "no limit": ("[gates.uv.coverage]", "needs a limit"),
    "no number": ("[gates.uv.coverage]\nfail = 'half'", "must be a number, got 'half'"),
    "truth": ("[gates.warnings]\nfail = true", "must be a number"),
    "not a number": ("[gates.warnings]\nfail = nan", "must be a number"),
    "list for one": ("[gates.uv.coverage]\nfail = [0.4]", "must be one number"),
    "empty list": ("[gates.lod.silhouette_px]\nfail = []", "empty list"),
    "swapped, most": ("[gates.warnings]\nwarn = 5\nfail = 3", "would never warn"),
    "swapped, least": ("[gates.uv.coverage]\nwarn = 0.4\nfail = 0.6", "would never warn"),
    "swapped, later LOD": (
        "[gates.lod.silhouette_px]\nwarn = [1, 9]\nfail = [2, 3]",
        "warn = 9 lies behind fail = 3",
    ),
    "level": ("[gates.passed]\nlevel = 'error'", "one of pass, warn, fail"),
    "level of another type": ("[gates.passed]\nlevel = 3", "one of pass, warn, fail"),
    "no list": ("[gates.license.weights]", "allow or deny"),
    "list of numbers": ("[gates.license.weights]\nallow = [1]", "list of texts"),
    "off and more": ("[gates.warnings]\noff = true\nfail = 1", "it may have off"),
    "off is false": ("[gates.warnings]\noff = false", "must be true or left out"),
    "schema": ("schema = 'lodsmith.policy/9'\n[gates.passed]", "must be 'lodsmith.policy/1'"),
    "extends": ("extends = 'studio.toml'\n[gates.passed]", "'studio.toml'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_by_name(case: str) -> None:
    text, words = REFUSED[case]
    with pytest.raises(InvalidInput) as error:
        read_policy(text)
    assert words in str(error.value)
