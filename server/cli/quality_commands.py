"""`lodsmith check`, `verify` and `record-edit`: whether assets are good enough, and still ours.

They run on this machine, on files, without a server. What they do is imported when they run, so
that --help is instant.
"""

import glob
import json as json_format
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from server.cli.files import read_file, write_file

if TYPE_CHECKING:
    from pipeline.quality.findings import Checked
    from pipeline.quality.policy import Policy
    from pipeline.quality.verify import Verification


class Format(StrEnum):
    """Values of --format."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"


def check(
    reports: Annotated[
        list[str] | None,
        typer.Argument(help="Reports, patterns like 'out/**/*.report.json', or folders of them."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help="Limits, as TOML. Default: what --print-policy prints.",
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", help="How findings are written.")
    ] = Format.TEXT,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", dir_okay=False, help="Write them here, and text to the terminal."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too.")] = False,
    all_gates: Annotated[bool, typer.Option("--all", help="Show what passes, too.")] = False,
    print_policy: Annotated[
        bool, typer.Option("--print-policy", help="Print the default policy and end.")
    ] = False,
    print_schema: Annotated[
        bool, typer.Option("--print-schema", help="Print the JSON Schema of reports and end.")
    ] = False,
    list_gates: Annotated[
        bool, typer.Option("--list-gates", help="Print all gates and end.")
    ] = False,
) -> None:
    """Judge reports by a policy: pass, warn or fail.

    Exit codes: 0 all pass, warnings included; 1 something fails; 2 a report or the policy cannot be
    read.
    """
    from pipeline.quality import findings
    from pipeline.quality.gates import GATES
    from pipeline.quality.policy import default_policy_text
    from server.cli.asset import errors_as_exit_codes

    if print_policy:
        print(default_policy_text(), end="")
        return
    if print_schema:
        from pipeline.quality.schema import report_schema_text

        print(report_schema_text(), end="")
        return
    if list_gates:
        width = max(map(len, GATES))
        print("\n".join(f"{gate.name:<{width}}  {gate.what}" for gate in GATES.values()))
        return
    from pipeline.errors import InvalidInput

    with errors_as_exit_codes():
        rules = _policy(policy)
        checked = []
        for path in _found(reports or [], "*.report.json", "report"):
            try:
                one = findings.check(str(path), read_file(path), rules)
            except InvalidInput as error:  # the others are judged all the same
                one = findings.Checked(
                    path=str(path), name=path.name, findings=(), problem=str(error)
                )
            checked.append(findings.strict(one) if strict else one)
        content = _written(checked, format, all_gates)
        if out is not None:
            write_file(out, click.unstyle(content).encode())
            content = _written(checked, Format.TEXT, all_gates)
        print(content, end="", flush=True)
    raise typer.Exit(_exit_code(checked))


def verify(
    assets: Annotated[list[str], typer.Argument(help="GLBs, patterns, or folders of them.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Show where GLBs come from, and whether they are still as they were made.

    Compares each with the provenance record in it, and with the report beside it if there is one.
    Exit codes: 0 all intact; 1 one was edited or has no record; 2 one cannot be read.
    """
    from pipeline.errors import InvalidInput
    from pipeline.quality.verify import Verdict, verify_file
    from server.cli.asset import EXIT_BAD_INPUT, EXIT_FAILED, errors_as_exit_codes
    from server.cli.findings_table import plain

    code = 0
    documents: list[dict[str, object]] = []
    with errors_as_exit_codes(is_json=json):
        for path in _found(assets, "*.glb", "GLB"):
            try:
                found = verify_file(path)
            except (InvalidInput, OSError) as error:
                code = EXIT_BAD_INPUT
                documents.append(
                    {"path": str(path), "verdict": "unreadable", "problem": _why(error)}
                )
                if not json:
                    print(plain(f"{path}: unreadable: {_why(error)}"), flush=True)
                continue
            if found.verdict is not Verdict.INTACT:
                code = max(code, EXIT_FAILED)
            documents.append({"path": str(path), **vars(found)})
            if not json:
                print("\n".join(map(plain, _lines(path, found))), flush=True)
        if json:
            print(json_format.dumps(documents, indent=2), flush=True)
    raise typer.Exit(code)


def record_edit(
    asset: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The edited GLB.")
    ],
    note: Annotated[str, typer.Argument(help='What was done: "closed the lid by hand".')],
    by: Annotated[str, typer.Option(help="Who did it.")] = "",
) -> None:
    """Put an edit by people on record in a GLB, and seal it as it is now.

    A tool that drops the record on saving does no harm: it is taken up again from the report beside
    the file.
    """
    from pipeline.quality.facts import read_report
    from pipeline.quality.verify import report_beside, with_edit
    from server.cli.asset import errors_as_exit_codes

    with errors_as_exit_codes():
        report = report_beside(asset)
        lost = None
        if report is not None:
            members = read_report(read_file(report)).at("provenance").members()
            lost = {key: fact.value for key, fact in members.items()} if members else None
        write_file(asset, with_edit(read_file(asset), note, by, lost))
    print(f"{asset}: the edit is on record")


def register(app: typer.Typer) -> None:
    """Add the commands to the `lodsmith` command."""
    app.command()(check)
    app.command()(verify)
    app.command("record-edit")(record_edit)


# Files


def _policy(path: Path | None) -> "Policy":
    from pipeline.errors import InvalidInput
    from pipeline.quality.policy import default_policy, read_policy

    if path is None:
        return default_policy()
    try:
        return read_policy(read_file(path).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8: {error.reason}") from error
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from error


def _found(patterns: Sequence[str], in_folders: str, what: str) -> list[Path]:
    """The files that were named, each once, in a stable order."""
    from pipeline.errors import InvalidInput

    if not patterns:
        raise InvalidInput(f"name a {what}, a pattern, or a folder")
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            files: Iterable[Path] = sorted(path.rglob(in_folders))
        elif path.exists():
            files = [path]
        else:  # a shell that knows ** has done this already
            files = sorted(Path(name) for name in glob.glob(pattern, recursive=True))
        files = [file for file in files if file.is_file()]
        if not files:
            raise InvalidInput(f"there is no {what} at {pattern}; name a file or a folder with one")
        found |= dict.fromkeys(files)
    return list(found)


# Output


def _exit_code(checked: "Sequence[Checked]") -> int:
    from pipeline.quality.policy import Level
    from server.cli.asset import EXIT_BAD_INPUT, EXIT_FAILED

    if any(report.problem for report in checked):
        return EXIT_BAD_INPUT
    return EXIT_FAILED if any(report.level is Level.FAIL for report in checked) else 0


def _written(checked: "Sequence[Checked]", format: Format, all_gates: bool) -> str:
    match format:
        case Format.TEXT:
            from server.cli.findings_table import as_text

            return as_text(checked, with_passes=all_gates)
        case Format.JSON:
            from pipeline.quality.findings import to_json

            return to_json(checked)
        case Format.JUNIT:
            from pipeline.quality.junit import to_junit

            return to_junit(checked)
        case Format.SARIF:
            from pipeline.quality.sarif import to_sarif

            return to_sarif(checked)


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _lines(path: Path, found: "Verification") -> list[str]:
    """What `verify` says of a file."""
    lines = [f"{path}: {found.verdict}", *(f"  {reason}" for reason in found.reasons)]
    record = found.record or {}
    model = record.get("model")
    if isinstance(model, dict):
        digest = str(model.get("digest", ""))[:12]
        lines.append(
            f"  made by     {model.get('name')} ({digest}), license {model.get('license')}"
        )
    for label, key in (
        ("seed", "seed"),
        ("prompt", "prompt"),
        ("prompt hash", "prompt_sha256"),
        ("written by", "generator"),
        ("source type", "digital_source_type"),
    ):
        if key in record:
            lines.append(f"  {label:<12}{record[key]}")
    inputs = record.get("inputs")
    for one in inputs if isinstance(inputs, list) else []:
        if isinstance(one, dict):
            license_name = one.get("license") or "not told"
            lines.append(
                f"  {one.get('role')!s:<12}{str(one.get('sha256'))[:12]}, license {license_name}"
            )
    for edit in found.edits:
        by = f" ({edit['by']})" if edit.get("by") else ""
        lines.append(f"  edited by people: {edit.get('note')}{by}")
    return lines
