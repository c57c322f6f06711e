"""A farm's run: the assets of a manifest, JSON lines, an exit code. Knows no engine.

The manifest is that of the Unity client: `{"server": "http://...", "assets": [{"prompt": ...}]}`,
each asset a `GenerateForm`.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Callable

from lodsmith.form import BadForm, GenerateForm, from_document
from lodsmith.jobs import JobTracker
from lodsmith.main_thread import MainThread
from lodsmith.records import JobRecord, State
from lodsmith.rpc import BadAddress, CallFailed, Server, Stop
from lodsmith.wire import Message

# Those of the lodsmith command, and one for a server that cannot be reached.
EXIT_FAILED, EXIT_BAD_INPUT, EXIT_NO_SERVER = 1, 2, 3
PATIENCE_S = 300.0

Say = Callable[[str], None]


class BadManifest(ValueError):
    """A manifest cannot be used; the message names the place."""


def read_manifest(path: Path) -> tuple[str, list[GenerateForm]]:
    """Return server ("" if it names none) and assets. Raises `BadManifest`."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadManifest(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("assets"), list):
        raise BadManifest(f'{path} must be like {{"assets": [{{"prompt": "a barrel"}}]}}')
    unknown = sorted(document.keys() - {"server", "assets"})
    if unknown:
        raise BadManifest(f"{path}: there is no {unknown[0]}; keys are server, assets")
    forms = []
    for number, one in enumerate(document["assets"]):
        try:
            forms.append(from_document(one))
            problem = forms[-1].problem()
        except BadForm as error:
            problem = str(error)
        if problem:
            raise BadManifest(f"{path}: assets[{number}]: {problem}")
    if not forms:
        raise BadManifest(f"{path} names no assets")
    return str(document.get("server", "")), forms


def run(
    path: Path,
    tracker: JobTracker,
    main_thread: MainThread,
    connect: Callable[[str], Server],
    default_server: str,
    say: Say,
) -> int:
    """Make the assets of a manifest; return the exit code.

    Works on the calling thread, which must be the engine's main one, until all jobs have ended.

    Args:
        say: Takes JSON lines.
    """
    try:
        address, forms = read_manifest(path)
        address = address or default_server
        server = connect(address)
        server.call("GetServerInfo", Message("GetServerInfoRequest"), Stop())
    except (BadManifest, BadAddress) as error:
        return _refuse(say, EXIT_BAD_INPUT, str(error))
    except CallFailed as error:
        return _refuse(say, EXIT_NO_SERVER if error.is_transient else EXIT_FAILED, str(error))
    records: list[JobRecord] = []
    said: dict[str, tuple[Any, ...]] = {}

    def tell(record: JobRecord) -> None:
        if record not in records:
            return
        view = tracker.view_of(record)
        step = (record.state, view.step if view else "", record.message)
        if said.get(record.id) != step:
            said[record.id] = step
            say(json.dumps(_line(records.index(record), record, tracker), ensure_ascii=False))

    tracker.listeners.append(tell)
    tracker.resume()
    for form in forms:
        # What a run that was cut has begun is gone on with.
        begun = [one for one in tracker.records if not one.has_ended and one not in records]
        same = [one for one in begun if (one.form, one.server) == (form, address)]
        records.append(same[0] if same else tracker.submit(form, address))
        tell(records[-1])
    while any(tracker.view_of(record) for record in tracker.records):
        main_thread.drain()
        time.sleep(0.005)
    return 0 if all(one.state is State.IMPORTED for one in records) else EXIT_FAILED


def _line(number: int, record: JobRecord, tracker: JobTracker) -> dict[str, Any]:
    view = tracker.view_of(record)
    is_made = record.state is State.IMPORTED
    return {
        "asset": number,
        "title": record.form.title,
        "job": record.job,
        "state": record.state.value,
        "stage": view.step if view else "",
        "fraction": view.fraction if view else float(is_made),
        "message": record.message,
        "warnings": record.warnings,
        "meshes": [plan.mesh for plan in record.plans] if is_made else [],
    }


def _refuse(say: Say, code: int, message: str) -> int:
    say(json.dumps({"asset": -1, "state": "refused", "message": message}, ensure_ascii=False))
    return code
