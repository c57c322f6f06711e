"""A report and a policy -> findings, and all findings as one JSON document."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.errors import InvalidInput
from pipeline.quality.facts import Fact, read_report
from pipeline.quality.gates import Figure
from pipeline.quality.policy import Level, Limits, Must, Names, Policy, Rule, limit_at, worst

SCHEMA = "lodsmith.check/1"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one gate says about one place of an asset.

    gate: its name. place: "LOD0", "mip 3", the name of a texture; "" for the asset as a whole.
    value: None if it was not measured. limit: the one that was crossed; of what passes the nearest;
        None where there is none.
    message: a sentence; if it did not pass, with a way out.
    """

    gate: str
    level: Level
    place: str
    value: float | str | None
    limit: float | str | None
    message: str

    @property
    def is_measured(self) -> bool:
        """Whether the report has the figure."""
        return self.value is not None


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A report with its findings.

    path: as given. name: the asset's. problem: why it could not be read, else "".
    """

    path: str
    name: str
    findings: tuple[Finding, ...]
    problem: str = ""

    @property
    def level(self) -> Level:
        """The worst of its findings; what cannot be read fails."""
        return Level.FAIL if self.problem else worst(finding.level for finding in self.findings)


def check(path: str, content: bytes, policy: Policy) -> Checked:
    """Judge a report. One that is broken is a problem of its own, so that others go on."""
    try:
        report = read_report(content)
        findings = tuple(finding for rule in policy.rules for finding in _findings(rule, report))
        name = report.at("name").text() or path
    except InvalidInput as error:
        return Checked(path=path, name=path, findings=(), problem=str(error))
    return Checked(path=path, name=name, findings=findings)


def strict(checked: Checked) -> Checked:
    """The same with every warning as a failure."""
    findings = tuple(
        replace(finding, level=Level.FAIL) if finding.level is Level.WARN else finding
        for finding in checked.findings
    )
    return replace(checked, findings=findings)


def to_json(reports: Sequence[Checked]) -> str:
    """All findings as JSON."""
    document = {
        "schema": SCHEMA,
        "level": worst(report.level for report in reports),
        "reports": [
            {
                "path": report.path,
                "name": report.name,
                "level": report.level,
                "problem": report.problem,
                "findings": [
                    {
                        **vars(finding),
                        "value": _finite(finding.value),
                        "is_measured": finding.is_measured,
                    }
                    for finding in report.findings
                ],
            }
            for report in reports
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _finite(value: float | str | None) -> float | str | None:
    """The value, or the word for a number that JSON does not have."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def shown(value: float | str | None, unit: str = "") -> str:
    """A value for people, with its unit."""
    match value:
        case None:
            return "not measured"
        case str():
            return value
        case _ if unit == "bytes" and abs(value) >= 1e6:
            return f"{value / 1e6:.1f} MB"
        case _:
            number = f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
            if unit.startswith("/"):
                return number + unit
            return f"{number} {unit}" if unit else number


def _findings(rule: Rule, report: Fact) -> list[Finding]:
    figures = rule.gate.read(report)
    if figures is None:
        return [_unmeasured(rule, "")]
    return [
        _unmeasured(rule, figure.place) if figure.value is None else _judged(rule, figure)
        for figure in figures
    ]


def _unmeasured(rule: Rule, place: str) -> Finding:
    return Finding(
        gate=rule.gate.name,
        level=rule.unmeasured,
        place=place,
        value=None,
        limit=None,
        message=f"{_subject(rule, place)} is not in the report; build the asset with a version "
        "that measures it, or set unmeasured in the policy",
    )


def _judged(rule: Rule, figure: Figure) -> Finding:
    level: Level
    limit: float | str | None
    match rule.limits:
        case Limits():
            level, limit, ask = _by_limits(rule, rule.limits, figure)
        case Names():
            level, limit, ask = _by_names(rule.limits, figure)
        case Must():
            level = Level.PASS if figure.is_met else rule.limits.level
            word = "" if isinstance(figure.limit, str) else "at most "
            limit, ask = figure.limit, f"must be {word}{shown(figure.limit, rule.gate.unit)}"
    message = f"{_subject(rule, figure.place)} is {shown(figure.value, rule.gate.unit)}"
    if level is not Level.PASS:
        message += f" and {ask}; {rule.gate.advice}"
    return Finding(
        gate=rule.gate.name,
        level=level,
        place=figure.place,
        value=figure.value,
        limit=limit,
        message=message,
    )


def _by_limits(rule: Rule, limits: Limits, figure: Figure) -> tuple[Level, float | None, str]:
    assert isinstance(figure.value, int | float)
    word = "at most" if rule.gate.kind == "most" else "at least"
    fail, warn = (_end(limit_at(one, figure.index)) for one in (limits.fail, limits.warn))
    for level, limit in ((Level.FAIL, fail), (Level.WARN, warn)):
        if limit is None:
            continue
        is_kept = figure.value <= limit if rule.gate.kind == "most" else figure.value >= limit
        if not is_kept:  # nor is one that is not a number
            return level, limit, f"must be {word} {shown(limit, rule.gate.unit)}"
    return Level.PASS, warn if warn is not None else fail, ""


def _end(limit: float | None) -> float | None:
    """A limit, or None where it is without end."""
    return limit if limit is not None and math.isfinite(limit) else None


def _by_names(names: Names, figure: Figure) -> tuple[Level, str | None, str]:
    # Two licenses that hold at once are written "MIT and other"; each of them has to be taken.
    found = set(str(figure.value).lower().split(" and "))
    denied = found & {word.lower() for word in names.deny}
    if denied:
        limit = f"not {' or '.join(names.deny)}"
        return names.level, limit, f"must be {limit}"
    allowed = {word.lower() for word in names.allow}
    if names.allow and not found <= allowed:
        limit = f"one of {', '.join(names.allow)}"
        return names.level, limit, f"must be {limit}"
    return Level.PASS, None, ""


def _subject(rule: Rule, place: str) -> str:
    return f"{rule.gate.name} of {place}" if place else rule.gate.name
