"""Jobs from the request to the imported asset, over restarts of editor and server.

Each step is written down before it begins, and whatever was cut is taken up there.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Callable, Protocol

from lodsmith.client import Client
from lodsmith.facts import AssetFacts, facts_of
from lodsmith.form import GenerateForm
from lodsmith.main_thread import MainThread
from lodsmith.records import ImportPlan, JobRecord, RecordFile, State
from lodsmith.rpc import BadAddress, CallFailed, Server, Stop, Stopped
from lodsmith.schema import ErrorReason, JobState
from lodsmith.view import JobView, name_of, stage_name
from lodsmith.wire import Message

HASTE_S = 5.0  # how long a server is asked whether it has a job that is to be cancelled
Importing = Generator[str, None, "list[str]"]


class ImportFailed(Exception):
    """The engine did not do what was asked; the message is for people. Nothing is left behind."""


class Editor(Protocol):
    """What a tracker needs of the engine. All of it is called on the main thread."""

    def export(self, static_mesh: str, file: Path) -> None:
        """Write a Static Mesh as a GLB. Raises `ImportFailed`."""
        ...

    def plan(self, record: JobRecord, facts: AssetFacts, *, has_siblings: bool) -> ImportPlan:
        """Decide where an asset goes. Raises `ImportFailed`."""
        ...

    def importing(
        self, record: JobRecord, plan: ImportPlan, facts: AssetFacts, glb: Path
    ) -> Importing:
        """Import in steps, each told by a word; returns warnings. Raises `ImportFailed`."""
        ...

    def undo(self, plan: ImportPlan) -> None:
        """Remove what an import has made. Safe to repeat."""
        ...

    def place(self, mesh: str) -> None:
        """Put an actor into the level."""
        ...

    def log(self, message: str, *, is_problem: bool = False) -> None:
        """Say something in the log."""
        ...


@dataclass
class Run:
    """What a job that has not ended needs besides its record.

    hasty: A client for what a person waits for.
    stop: Set when the job is cancelled, and when the editor closes.
    """

    client: Client
    hasty: Client
    stop: Stop
    view: JobView = field(default_factory=JobView)


class JobTracker:
    """The jobs of a project. Its methods belong to the main thread.

    Attributes:
        listeners: Called on the main thread with a record that changed, was added or removed.
    """

    def __init__(
        self,
        editor: Editor,
        main_thread: MainThread,
        folder: Path,
        connect: Callable[[str], Server],
        *,
        patience_s: float = math.inf,
    ) -> None:
        """Read what is remembered; `resume` takes it up.

        Args:
            editor: The engine.
            main_thread: Where its work for the engine waits.
            folder: For the state, downloads and pictures: "Saved/Lodsmith".
            connect: Makes a server of an address. May raise `BadAddress`.
            patience_s: How long a server is tried again that cannot be reached.
        """
        self._editor = editor
        self._main = main_thread
        self._folder = folder
        self._connect = connect
        self._patience_s = patience_s
        self._file = RecordFile(folder / "jobs.json")
        self._runs: dict[str, Run] = {}
        self._closing = Stop()
        self._one_import = threading.Lock()
        self._one_picture = threading.Lock()
        self.listeners: list[Callable[[JobRecord], None]] = []

    @property
    def records(self) -> list[JobRecord]:
        """Newest first."""
        return self._file.records

    def view_of(self, record: JobRecord) -> JobView | None:
        """Return how far a job is, None for one that has ended."""
        run = self._runs.get(record.id)
        return run.view if run else None

    def submit(self, form: GenerateForm, server: str) -> JobRecord:
        """Ask for assets of a form without a problem. Returns at once."""
        return self._add(JobRecord(form, server))

    def reimport(self, record: JobRecord) -> JobRecord:
        """Import the assets of a job anew; into the same mesh, if it made one."""
        replaces = record.plans[0].mesh if len(record.plans) == 1 else ""
        form = replace(record.form, replaces=replaces, place=False)
        return self._add(JobRecord(form, record.server, job=record.job, state=State.RUNNING))

    def cancel(self, record: JobRecord) -> None:
        """Stop a job, also on the server; returns at once. What has been imported stays."""
        run = self._runs.get(record.id)
        if run is None or record.is_cancel_requested:
            return
        record.is_cancel_requested = True
        self._in_background(self._file.save)
        run.stop.set()
        if record.job:
            self._in_background(lambda: self._cancel_on_server(record, run))
        self._notify(record)

    def remove(self, record: JobRecord) -> None:
        """Take a job that has ended off the list. Its assets, and the server's job, stay."""
        if record.has_ended:
            self._file.remove(record)
            self._in_background(self._file.save)
            self._notify(record)

    def resume(self) -> None:
        """Take up what a restart has cut."""
        for record in self.records:
            if not record.has_ended and record.id not in self._runs:
                self._start(record)

    def close(self) -> None:
        """Let go of everything. Jobs go on on the server, and `resume` finds them."""
        self._closing.set()
        self._main.drain(math.inf)  # an import that is under way takes itself back
        self._file.close()
        self._runs.clear()

    def _add(self, record: JobRecord) -> JobRecord:
        self._file.add(record)
        self._start(record)
        self._notify(record)
        return record

    def _start(self, record: JobRecord) -> None:
        stop = self._closing.child()
        if record.is_cancel_requested:
            stop.set()
        try:
            server = self._connect(record.server)
        except BadAddress as error:
            self._end(record, State.FAILED, str(error))
            return
        client = Client(
            server,
            patience_s=self._patience_s,
            on_wait=lambda error: self._say(record, f"Waits for the server: {error}"),
        )
        run = self._runs[record.id] = Run(client, Client(server, patience_s=HASTE_S), stop)
        self._in_background(lambda: self._work(record, run))

    def _work(self, record: JobRecord, run: Run) -> None:
        """All of a job's life, on its own thread."""
        state, message = State.FAILED, ""
        try:
            self._file.save()
            if record.plans:  # an import was cut
                with self._one_import:
                    self._main.run(lambda: self._undo(record), self._closing)
            job = self._followed(record, run)
            if job.state == JobState.FAILED:
                reason = name_of(ErrorReason, job.error.reason)
                message = f"{job.error.message} [{stage_name(job.error.stage)}, {reason}]"
            elif job.state == JobState.CANCELLED or record.is_cancel_requested:
                state = State.CANCELLED
            else:
                self._bring_in(record, run, job)
                state = State.IMPORTED
        except Stopped:
            if self._closing.is_set:
                return  # goes on after the restart
            state = State.CANCELLED
        except CallFailed as error:
            message = f"{error} [{error.reason}]" if error.reason else str(error)
        except (ImportFailed, OSError) as error:
            message = str(error)
        except Exception as error:  # the job must end in words, whatever the defect
            message = f"A defect in the Lodsmith plugin: {type(error).__name__}: {error}"
        with contextlib.suppress(OSError):  # the disk is full: the next start goes on from before
            self._move(record, state, message)
        self._main.post(lambda: self._end(record, state, message))

    def _followed(self, record: JobRecord, run: Run) -> Message:
        if not record.job:
            self._create(record, run)
        if record.is_cancel_requested:
            self._cancel_on_server(record, run)
        # From a snapshot, which has all that events before it said: there is no cursor to keep.
        return run.client.follow(
            record.job, lambda event: self._hear(record, run, event), self._closing
        )

    def _create(self, record: JobRecord, run: Run) -> None:
        form = record.form
        files = [Path(file) for file in ([form.mesh] if form.mesh else form.images)]
        if form.staticMesh:
            files = [self._folder / f"{record.id}.glb"]
            self._folder.mkdir(parents=True, exist_ok=True)
            self._main.run(lambda: self._editor.export(form.staticMesh, files[0]), run.stop)
        uploads = [
            run.client.upload(file, self._saying(record, "Uploads"), run.stop) for file in files
        ]
        run.stop.check()
        self._move(record, State.CREATING)
        request = {"request_id": record.id, "spec": form.spec(uploads)}
        try:
            answer = run.client.call("CreateJob", run.stop, **request)
        except Stopped:
            # Whether the server has the job must be known to cancel it there.
            answer = run.hasty.call("CreateJob", self._closing, **request)
        record.job = answer.job.name
        self._move(record, State.RUNNING)
        if form.staticMesh:
            files[0].unlink()

    def _cancel_on_server(self, record: JobRecord, run: Run) -> None:
        try:
            run.client.call("CancelJob", self._closing, name=record.job)
        except CallFailed as error:
            self._say(record, f"The job could not be cancelled: {error}")
        except Stopped:
            return  # asked again after the restart

    def _bring_in(self, record: JobRecord, run: Run, job: Message) -> None:
        assets = facts_of(job)
        if not assets:
            raise ImportFailed("The job made no mesh; another seed may help.")
        self._move(record, State.DOWNLOADING)
        files = [self._folder / f"{record.id}-{index}.glb" for index in range(len(assets))]
        for facts, file in zip(assets, files):
            self._download(facts.glb, file, run, self._saying(record, "Downloads"))
        pictures = [one.digest for one in job.result.artifacts if one.role == "preview"]
        if pictures:
            self._show(record, run, pictures[0])

        def plans() -> list[ImportPlan]:
            has_siblings = len(assets) > 1
            return [self._editor.plan(record, one, has_siblings=has_siblings) for one in assets]

        with self._one_import:
            record.plans = self._main.run(plans, run.stop)
            self._move(record, State.IMPORTING)
            importing = self._importing(record, assets, files)
            tell = partial(self._tell, record)
            record.warnings = self._main.run_steps(importing, run.stop, tell)
            self._move(record, State.IMPORTED)
        for file in files:
            with contextlib.suppress(OSError):  # the engine may still hold it
                file.unlink()

    def _importing(
        self, record: JobRecord, assets: Sequence[AssetFacts], files: Sequence[Path]
    ) -> Importing:
        """Import all assets, or none: what was made is removed after a failure or a cancel."""
        warnings: list[str] = []
        try:
            for plan, facts, file in zip(record.plans, assets, files):
                warnings += yield from self._editor.importing(record, plan, facts, file)
        except BaseException:
            self._undo(record)
            raise
        return warnings

    def _undo(self, record: JobRecord) -> None:
        for plan in record.plans:
            self._editor.undo(plan)
        record.plans = []

    def _download(
        self, digest: Message, file: Path, run: Run, on_progress: Callable[[int, int], None]
    ) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            run.client.download(digest, file, on_progress, run.stop)

    def _show(self, record: JobRecord, run: Run, picture: Message) -> None:
        """Fetch a picture. The asset does not depend on it: errors only go to the log."""
        file = self._folder / f"{picture.sha256.hex()}.png"
        try:
            with self._one_picture:  # the same one may come twice
                self._download(picture, file, run, lambda done, total: None)
        except (CallFailed, OSError) as error:
            problem = f"a preview is missing: {error}"
            self._main.post(lambda: self._editor.log(problem, is_problem=True))
        except Stopped:
            return
        else:
            record.thumbnail = str(file)
            self._main.post(lambda: self._notify(record))

    def _hear(self, record: JobRecord, run: Run, event: Message) -> None:
        def apply() -> None:
            picture = run.view.apply(event)
            if not record.has_ended:
                record.message = ""
                self._notify(record)
                if picture is not None and event.which("kind") != "finished":
                    self._in_background(lambda: self._show(record, run, picture))

        self._main.post(apply)

    def _saying(self, record: JobRecord, verb: str) -> Callable[[int, int], None]:
        return lambda done, total: self._say(record, f"{verb} {done / max(1, total):.0%}")

    def _say(self, record: JobRecord, message: str) -> None:
        self._main.post(lambda: self._tell(record, message))

    def _tell(self, record: JobRecord, message: str) -> None:
        if not record.has_ended and record.message != message:
            record.message = message
            self._notify(record)

    def _move(self, record: JobRecord, state: State, message: str = "") -> None:
        record.state, record.message = state, message
        self._file.save()
        self._main.post(lambda: self._notify(record))

    def _end(self, record: JobRecord, state: State, message: str) -> None:
        self._runs.pop(record.id, None)
        record.state, record.message = state, message
        text = f"{record.form.title}: {state.value}{': ' if message else ''}{message}"
        self._editor.log(f"{text} ({record.job})", is_problem=state is State.FAILED)
        if state is State.IMPORTED and record.form.place:
            try:
                self._editor.place(record.plans[0].mesh)
            except Exception as error:  # the asset is there, whatever the level says
                record.warnings.append(f"it could not be placed: {error}")
        for warning in record.warnings:
            self._editor.log(f"{record.form.title}: {warning}", is_problem=True)
        self._notify(record)

    def _notify(self, record: JobRecord) -> None:
        for listener in list(self.listeners):
            listener(record)

    def _in_background(self, act: Callable[[], object]) -> None:
        def run() -> None:
            try:
                act()
            except OSError as error:
                problem = f"the list of jobs cannot be written: {error}"
                self._main.post(lambda: self._editor.log(problem, is_problem=True))

        threading.Thread(target=run, name="Lodsmith", daemon=True).start()
