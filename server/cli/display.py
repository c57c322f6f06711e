"""How a job's progress is shown: bars on a terminal, lines elsewhere, JSON for programs."""

import json
import sys
from typing import Protocol, TextIO

from google.protobuf.json_format import MessageToDict

from server.pb import lodsmith_pb2 as pb


class Display(Protocol):
    """Shows what happens. Progress goes to stderr: stdout is for results."""

    def upload(self, fraction: float) -> None:
        """Show how much of the input the server has, in [0, 1]."""

    def event(self, event: pb.JobEvent) -> None:
        """Show one event of the job."""

    def close(self) -> None:
        """Leave the terminal in order. Safe to repeat."""


def make_display(*, is_json: bool, is_quiet: bool) -> Display:
    """Return the display that fits the options and the terminal."""
    if is_json:
        return JsonLines(sys.stdout)
    if is_quiet:
        return Nothing()
    return Bars() if sys.stderr.isatty() else Lines(sys.stderr)


def stage_name(stage: int) -> str:
    """Return a stage's name for people."""
    return pb.StageKind.Name(stage).removeprefix("STAGE_KIND_").lower().replace("_", " ")


class Nothing:
    """Shows nothing."""

    def upload(self, fraction: float) -> None: ...

    def event(self, event: pb.JobEvent) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """One JSON object per event: the contract's `JobEvent` in protobuf's JSON form."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def upload(self, fraction: float) -> None: ...

    def event(self, event: pb.JobEvent) -> None:
        document = MessageToDict(event)
        print(json.dumps(document, ensure_ascii=False), file=self._out, flush=True)

    def close(self) -> None: ...


class Lines:
    """A line for each stage that ends, and each warning: for logs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._start_s: dict[int, float] = {}
        self._ended: set[int] = set()

    def upload(self, fraction: float) -> None:
        if fraction >= 1:
            self._say("uploaded")

    def event(self, event: pb.JobEvent) -> None:
        match event.WhichOneof("kind"):
            case "snapshot":
                for stage in event.snapshot.stages:
                    self._start_s.setdefault(stage.stage, _seconds(event))
            case "progress":
                self._progress(event)
            case "warning":
                self._say(f"warning: {stage_name(event.warning.stage)}: {event.warning.message}")

    def close(self) -> None: ...

    def _progress(self, event: pb.JobEvent) -> None:
        progress = event.progress
        start_s = self._start_s.setdefault(progress.stage, _seconds(event))
        if progress.fraction >= 1 and progress.stage not in self._ended:
            self._ended.add(progress.stage)
            self._say(
                f"{progress.job_fraction:4.0%}  {stage_name(progress.stage)} "
                f"({_seconds(event) - start_s:.1f} s)"
            )

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)


class Bars:
    """A bar per stage, and one for the job with its remaining time."""

    def __init__(self) -> None:
        # Late: half of the command's start-up time when there is no terminal to draw on.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            TextColumn("{task.description:>17}"),
            BarColumn(bar_width=32),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[remaining]}"),
            console=Console(stderr=True),
        )
        self._stages: dict[int, TaskID] = {}
        self._upload: TaskID | None = None
        self._bars.start()
        self._job = self._bars.add_task("job", total=1.0, remaining="")

    def upload(self, fraction: float) -> None:
        if self._upload is None:
            self._upload = self._bars.add_task("upload", total=1.0, remaining="")
        self._bars.update(self._upload, completed=fraction)

    def event(self, event: pb.JobEvent) -> None:
        match event.WhichOneof("kind"):
            case "snapshot":
                for status in event.snapshot.stages:
                    self._show(status.stage, status.fraction)
                for warning in event.snapshot.warnings:
                    self._warn(warning)
            case "progress":
                progress = event.progress
                self._show(progress.stage, progress.fraction)
                remaining = ""
                if progress.HasField("estimated_remaining"):
                    remaining = f"about {progress.estimated_remaining.seconds} s left"
                self._bars.update(self._job, completed=progress.job_fraction, remaining=remaining)
            case "warning":
                self._warn(event.warning)
            case "finished":
                self._bars.update(self._job, completed=event.finished.fraction, remaining="")

    def close(self) -> None:
        self._bars.stop()

    def _show(self, stage: int, fraction: float) -> None:
        if stage not in self._stages:
            self._stages[stage] = self._bars.add_task(stage_name(stage), total=1.0, remaining="")
        self._bars.update(self._stages[stage], completed=fraction)

    def _warn(self, warning: pb.JobWarning) -> None:
        self._bars.console.print(
            f"warning: {stage_name(warning.stage)}: {warning.message}", style="yellow", markup=False
        )


def _seconds(event: pb.JobEvent) -> float:
    return event.event_time.ToMicroseconds() / 1e6
