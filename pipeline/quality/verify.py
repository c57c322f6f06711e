"""Is this GLB still the file that was made?"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline.errors import InvalidInput
from pipeline.quality.chunks import JsonObject, read_chunks
from pipeline.quality.facts import Fact, read_report
from pipeline.quality.provenance import SCHEMA, content_sha256, record_in, record_sha256, sealed

_LOD_FILE = re.compile(r"_LOD\d+$")


class Verdict(StrEnum):
    """What came of verifying a file."""

    INTACT = "intact"
    EDITED = "edited"
    NO_RECORD = "no record"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What came of verifying a file.

    reasons: why it is not intact, in sentences. record: what the file says of itself, if anything;
        of an edited file it may be wrong.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    record: JsonObject | None

    @property
    def edits(self) -> tuple[JsonObject, ...]:
        """The edits that people have put on record."""
        edits = (self.record or {}).get("human_edits")
        found = edits if isinstance(edits, list) else []
        return tuple(edit for edit in found if isinstance(edit, dict))


def verify_glb(glb: bytes, *, file_name: str = "", report: bytes | None = None) -> Verification:
    """Compare a GLB with the record in it and, if given, with its report.

    Args:
        glb: The file.
        file_name: By which the report names it.
        report: The report from beside it.

    Raises:
        InvalidInput: If it is no GLB, its record is of a version that is not known here, or the
            report is none.
    """
    chunks = read_chunks(glb)
    record = record_in(chunks.root)
    facts = read_report(report) if report is not None else None
    reasons = [] if record is None else _changes(record, content_sha256(chunks))
    if facts is not None:
        reasons += _differences(glb, file_name, record, facts)
    if record is None:
        lost = facts is not None and facts.at("provenance").value is not None
        reasons.insert(
            0,
            "the file has no provenance record, its report has one: a tool has dropped it on saving"
            if lost
            else "the file has no provenance record; assets of Lodsmith before records have none, "
            "nor have files of other tools",
        )
        verdict = Verdict.EDITED if len(reasons) > 1 or lost else Verdict.NO_RECORD
    else:
        verdict = Verdict.EDITED if reasons else Verdict.INTACT
    return Verification(verdict=verdict, reasons=tuple(reasons), record=record)


def verify_file(path: Path) -> Verification:
    """Verify a GLB, with the report beside it if there is one.

    Raises:
        InvalidInput: As `verify_glb`.
        OSError: If the file cannot be read.
    """
    report = report_beside(path)
    return verify_glb(
        path.read_bytes(),
        file_name=path.name,
        report=report.read_bytes() if report is not None else None,
    )


def report_beside(path: Path) -> Path | None:
    """The report of a GLB in the same folder: `<Name>.report.json`, also for `<Name>_LOD1.glb`."""
    for stem in (path.stem, _LOD_FILE.sub("", path.stem)):
        report = path.with_name(f"{stem}.report.json")
        if report.is_file():
            return report
    return None


def with_edit(glb: bytes, note: str, by: str, lost: Mapping[str, object] | None = None) -> bytes:
    """Put an edit by people on record and seal the file as it is now.

    Args:
        glb: The edited file.
        note: What was done. by: who did it; may be "".
        lost: The record from the report, for a file whose tool has dropped its own.

    Raises:
        InvalidInput: If there is no record, nothing has changed, or the note is empty.
    """
    if not note.strip():
        raise InvalidInput("the note is empty; say what was changed")
    chunks = read_chunks(glb)
    record = record_in(chunks.root) or lost
    if record is None:
        raise InvalidInput("the file has no provenance record to go on from, nor has its report")
    _check_schema(record)
    if record.get("record_sha256") != record_sha256(record):
        raise InvalidInput(
            "the provenance record itself has been changed, so nothing can go on from it: restore "
            "the file as it was delivered"
        )
    now = content_sha256(chunks)
    if record.get("content_sha256") == now and record_in(chunks.root) is not None:
        raise InvalidInput("the file has not changed since it was sealed; nothing to record")
    edits = record.get("human_edits")
    edit = {
        "note": note,
        **({"by": by} if by else {}),
        "before_sha256": record.get("content_sha256"),
        "after_sha256": now,
    }
    edits = edits if isinstance(edits, list) else []
    return sealed(glb, {**record, "human_edits": [*edits, edit]})


def _changes(record: JsonObject, content: str) -> list[str]:
    _check_schema(record)
    changes = []
    if record.get("content_sha256") != content:
        changes.append(
            "the content has changed since it was sealed: its SHA-256 is "
            f"{content[:12]}..., the record says {str(record.get('content_sha256'))[:12]}..."
        )
    if record.get("record_sha256") != record_sha256(record):
        changes.append("the provenance record itself has been changed")
    return changes


def _check_schema(record: Mapping[str, object]) -> None:
    if record.get("schema") != SCHEMA:
        raise InvalidInput(
            f"the provenance record is {str(record.get('schema'))[:40]}, known is {SCHEMA}: "
            "verify it with the version of Lodsmith that wrote it, or a newer one"
        )


def _differences(glb: bytes, file_name: str, record: JsonObject | None, report: Fact) -> list[str]:
    """How the file differs from what its report says of it."""
    reported = report.at("provenance").members()
    if reported is not None and record is not None and _goes_on_from(record, reported):
        return []  # the report is of the file before people edited it, as they have recorded
    differences = []
    listed = report.at("outputs", file_name, "sha256").text()
    if listed is not None and listed != hashlib.sha256(glb).hexdigest():
        differences.append("it is not the file that the report beside it lists: SHA-256 differs")
    if listed is None:
        differences.append("the report beside it does not list it")
    return differences


def _goes_on_from(record: JsonObject, reported: Mapping[str, Fact]) -> bool:
    edits = record.get("human_edits")
    if not isinstance(edits, list) or not edits or not isinstance(edits[0], dict):
        return False
    made = reported.get("content_sha256")
    return made is not None and made.value == edits[0].get("before_sha256")
