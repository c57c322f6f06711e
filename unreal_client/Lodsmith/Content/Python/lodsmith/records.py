"""What the editor remembers of jobs over restarts: a file, written before each step."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from lodsmith.form import GenerateForm, from_document, to_document

MOST_RECORDS = 200  # older ones that have ended are forgotten


class State(str, Enum):
    """How far a job and its import are."""

    PENDING = "pending"  # nothing but uploads was sent
    CREATING = "creating"  # CreateJob may have arrived; repeating it with the same id is harmless
    RUNNING = "running"
    DOWNLOADING = "downloading"
    IMPORTING = "importing"  # found after a restart it was cut, and what it made is removed
    IMPORTED = "imported"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (State.IMPORTED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True)
class ImportPlan:
    """Where one asset goes, decided before anything is made.

    record: `JobRecord.id`; what the import makes is tagged with it.
    mesh: Asset path of the Static Mesh: "/Game/Lodsmith/Barrel/SM_Barrel".
    base: What names are made of: "Barrel".
    folder: Content folder of the rest.
    temporary: Content folder that the file is imported into, and that is deleted at the end.
    new_folders: Those of `folder` that there are not yet, outermost first.
    replaces: Whether `mesh` is there and keeps its references.
    """

    record: str
    mesh: str
    base: str
    folder: str
    temporary: str
    new_folders: Sequence[str]
    replaces: bool
    triangles: Sequence[int]
    seed: int


@dataclass
class JobRecord:
    """One job.

    id: The request id: makes creating the job safe to repeat.
    job: `Job.name`. "" until the server has answered.
    message: How it ended, or what it waits for, for a person.
    thumbnail: File of the latest picture.
    """

    form: GenerateForm
    server: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    job: str = ""
    state: State = State.PENDING
    is_cancel_requested: bool = False
    message: str = ""
    time: str = field(default_factory=lambda: datetime.now().strftime("%Y-%m-%d %H:%M"))
    plans: list[ImportPlan] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    thumbnail: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in ENDED

    @property
    def triangles_text(self) -> str:
        """Triangles of the LODs in one line, "" before the import."""
        if not self.plans:
            return ""
        return " / ".join(f"{count:,}" for count in self.plans[0].triangles) + " triangles"


class RecordFile:
    """The records of a project. From any thread.

    A file that cannot be read is moved aside, so that the jobs in it are not written over.
    """

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one.

        Raises:
            OSError: If there is a file and it can be neither read nor moved.
        """
        self._path = path
        self._lock = threading.Lock()
        self._records: list[JobRecord] = []
        self._is_closed = False
        if path.exists():
            try:
                self._records = [_read(one) for one in json.loads(path.read_text("utf-8"))["jobs"]]
            except (ValueError, KeyError, TypeError):
                path.replace(path.with_name(f"{path.name}.unreadable-{uuid.uuid4().hex[:8]}"))

    @property
    def records(self) -> list[JobRecord]:
        """All of them, newest first."""
        with self._lock:
            return list(self._records)

    def add(self, record: JobRecord) -> None:
        """Remember a job. It is in the file after the next `save`."""
        with self._lock:
            self._records.insert(0, record)
            ended = [one for one in self._records if one.has_ended]
            for old in ended[MOST_RECORDS:]:
                self._records.remove(old)

    def close(self) -> None:
        """Write nothing any more: the file is the next editor's."""
        with self._lock:
            self._is_closed = True

    def remove(self, record: JobRecord) -> None:
        """Forget a job."""
        with self._lock:
            self._records.remove(record)

    def save(self) -> None:
        """Write the file, all or nothing, and wait until it is on the disk: not on a main thread.

        Raises:
            OSError: If it cannot be written.
        """
        with self._lock:
            if self._is_closed:
                return
            document = {"version": 1, "jobs": [_written(record) for record in self._records]}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(f"{self._path.name}.new")
            with temporary.open("w", encoding="utf-8") as file:
                # Without indents that is C, which does not keep the main thread waiting.
                file.write(json.dumps(document))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)


def _written(record: JobRecord) -> dict[str, Any]:
    return {**asdict(record), "form": to_document(record.form), "state": record.state.value}


def _read(document: dict[str, Any]) -> JobRecord:
    return JobRecord(
        **{
            **document,
            "form": from_document(document["form"]),
            "state": State(document["state"]),
            "plans": [ImportPlan(**plan) for plan in document["plans"]],
        }
    )
