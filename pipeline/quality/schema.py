"""The published form of a report."""

from pathlib import Path


def report_schema_text() -> str:
    """The JSON Schema (2020-12) of reports, lodsmith.report/2."""
    return Path(__file__).with_name("report.schema.json").read_text("utf-8")
