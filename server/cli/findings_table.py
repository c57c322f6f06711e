"""Findings as text for a terminal: a table per report, and a line about all."""

import sys
import textwrap
from collections.abc import Sequence
from itertools import groupby

import typer

from pipeline.quality.findings import Checked, Finding, shown
from pipeline.quality.gates import GATES
from pipeline.quality.policy import Level

_COLORS = {
    Level.PASS: typer.colors.GREEN,
    Level.WARN: typer.colors.YELLOW,
    Level.FAIL: typer.colors.RED,
}
_WIDTH = 100


def as_text(reports: Sequence[Checked], *, with_passes: bool) -> str:
    """Lay out findings. In color on a terminal.

    Args:
        reports: At least one.
        with_passes: Show what passes, too.
    """
    lines = []
    for report in reports:
        lines.append(f"{_colored(report.level)}  {plain(report.name)}  ({plain(report.path)})")
        if report.problem:
            lines.append(f"  {plain(report.problem)}")
        lines += _rows([one for one in report.findings if one.is_measured], with_passes)
        lines += _unmeasured([one for one in report.findings if not one.is_measured], with_passes)
    counts = {level: sum(report.level is level for report in reports) for level in Level}
    count = "1 report" if len(reports) == 1 else f"{len(reports)} reports"
    lines.append(
        f"{count}: {counts[Level.PASS]} pass, {counts[Level.WARN]} warn, {counts[Level.FAIL]} fail"
    )
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Text of a file without what would steer the terminal, or not go there at all."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def _rows(findings: Sequence[Finding], with_passes: bool) -> list[str]:
    """A row per finding, and below the rows of a gate what to do."""
    told = [one for one in findings if with_passes or one.level is not Level.PASS]
    if not told:
        return []
    subjects = {id(one): plain(f"{one.gate} {one.place}".rstrip()) for one in told}
    values = {id(one): plain(shown(one.value, GATES[one.gate].unit)) for one in told}
    subject_width, value_width = (max(map(len, cell.values())) for cell in (subjects, values))
    lines = []
    for gate, rows in groupby(told, lambda one: one.gate):
        is_kept = True
        for one in rows:
            is_kept &= one.level is Level.PASS
            lines.append(
                f"  {_colored(one.level)}  {subjects[id(one)]:<{subject_width}}"
                f"  {values[id(one)]:>{value_width}}  {_limit(one)}".rstrip()
            )
        if not is_kept:
            lines += _wrapped(GATES[gate].advice, indent=8)
    return lines


def _limit(finding: Finding) -> str:
    if finding.limit is None:
        return ""
    gate = GATES[finding.gate]
    if isinstance(finding.limit, str):
        return finding.limit
    word = "at least" if gate.kind == "least" else "at most"
    return f"{word} {shown(finding.limit, gate.unit)}"


def _unmeasured(findings: Sequence[Finding], with_passes: bool) -> list[str]:
    """One sentence per level: an older report lacks many figures."""
    lines = []
    for level in Level:
        if level is Level.PASS and not with_passes:
            continue
        names = dict.fromkeys(one.gate for one in findings if one.level is level)
        groups = {}
        for group, members in groupby(names, lambda name: name.partition(".")[0]):
            keys = [name.partition(".")[2] for name in members]
            groups[group] = f"{group} ({', '.join(keys)})" if keys != [""] else group
        if groups:
            first, *rest = _wrapped(f"not in the report: {', '.join(groups.values())}", indent=8)
            lines += [f"  {_colored(level)}  {first.lstrip()}", *rest]
    return lines


def _wrapped(text: str, *, indent: int) -> list[str]:
    space = " " * indent
    return textwrap.wrap(text, _WIDTH, initial_indent=space, subsequent_indent=space)


def _colored(level: Level) -> str:
    text = f"{level:<4}"
    return typer.style(text, fg=_COLORS[level]) if sys.stdout.isatty() else text
